/* Rotation of sign.key: the files sign-new.key and sign-old-N.key, and the order in which they come and go. Knows no
 * store: who calls it says what the store holds. */
#include "run/keys_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/rand.h"

#define NEXT_KEY   "sign-new.key"
#define OLD_PREFIX "sign-old-"
#define OLD_SUFFIX ".key"
#define NUMBER_MAX 9999

/* "sign-old-N.key" written the one way: N, or 0. */
static int
old_number(struct str name)
{
    int64_t n = 0;

    if (!str_has_prefix(name, S(OLD_PREFIX)) || !str_has_suffix(name, S(OLD_SUFFIX)) ||
        name.n <= sizeof OLD_PREFIX + sizeof OLD_SUFFIX - 2)
        return 0;
    name =
        str_sub(name, sizeof OLD_PREFIX - 1, name.n - (sizeof OLD_PREFIX + sizeof OLD_SUFFIX - 2));
    if (name.p[0] < '1' || name.p[0] > '9' || str_int64(name, &n) != OK || n > NUMBER_MAX)
        return 0;
    return (int)n;
}

static const char *
old_name(struct arena *a, int number)
{
    return arena_cstr(a, arena_fmt(a, OLD_PREFIX "%d" OLD_SUFFIX, number));
}

/* Keeps the highest numbers, in descending order. */
static void
keep_number(struct keys *k, int number)
{
    size_t at = 0;

    while (at < k->n_old && k->old_number[at] > number)
        at++;
    if (at == KEYS_OLD_MAX)
        return;
    if (k->n_old < KEYS_OLD_MAX)
        k->n_old++;
    for (size_t i = k->n_old - 1; i > at; i--)
        k->old_number[i] = k->old_number[i - 1];
    k->old_number[at] = number;
}

enum err
old_keys_read(struct arena *a, struct keys *k)
{
    int fd = openat(k->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *f;
    bool begun = false;

    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    while ((f = readdir(d)) != NULL) {
        int number = old_number(str_of(f->d_name));

        if (number > 0)
            keep_number(k, number);
        begun |= strcmp(f->d_name, NEXT_KEY) == 0;
    }
    closedir(d);
    for (size_t i = 0; i < k->n_old; i++)
        TRY(key_read(a, k->dir, old_name(a, k->old_number[i]), false, &k->old[i]));
    /* One that is cut off was never told to the store. */
    if (begun && key_read(a, k->dir, NEXT_KEY, false, &k->next) != OK)
        k->next = STR_NULL;
    return OK;
}

/* Alone, or as before: shared. */
static bool
lock_alone(const struct keys *k)
{
    if (flock(k->dir, LOCK_EX | LOCK_NB) == 0)
        return true;
    (void)flock(k->dir, LOCK_SH | LOCK_NB);
    return false;
}

enum err
keys_rotate_begin(struct arena *a, struct keys *k, struct str *why)
{
    unsigned char *key = arena_alloc(a, KEY_LEN, 1);

    if (!lock_alone(k)) {
        *why = S("another process uses the key directory: stop the server first");
        return ERR_CONFLICT;
    }
    if (k->n_old > 0 && k->old_number[0] == NUMBER_MAX) {
        *why = S("there is no number left for another old key");
        return ERR_CONFLICT;
    }
    if (unlinkat(k->dir, NEXT_KEY, 0) != 0 && errno != ENOENT) {
        *why = S("the remains of an earlier rotation can not be removed");
        return ERR_IO;
    }
    rand_bytes(key, KEY_LEN);
    k->next = str_mem(key, KEY_LEN);
    k->next_fingerprint = keys_fingerprint(a, k, k->next);
    if (key_write(k->dir, NEXT_KEY, key) != OK) {
        *why = S("the new key can not be written to the key directory");
        return ERR_IO;
    }
    return OK;
}

/* The key of today keeps a name before it loses the other: at no moment is there a key that no file holds. */
static enum err
finish_files(struct arena *a, const struct keys *k)
{
    bool linked = k->n_old > 0 && str_eq(k->old[0], k->sign_seed); /* died right after it */
    int number = k->n_old > 0 ? k->old_number[0] + 1 : 1;

    if (!linked && linkat(k->dir, SIGN_KEY, k->dir, old_name(a, number), 0) != 0)
        return ERR_IO;
    if (fsync(k->dir) != 0 || renameat(k->dir, NEXT_KEY, k->dir, SIGN_KEY) != 0)
        return ERR_IO;
    return fsync(k->dir) == 0 ? OK : ERR_IO;
}

static void
take_next(struct keys *k)
{
    if (k->n_old == 0 || !str_eq(k->old[0], k->sign_seed)) {
        int number = k->n_old > 0 ? k->old_number[0] + 1 : 1;

        if (k->n_old == KEYS_OLD_MAX)
            sodium_memzero((void *)(uintptr_t)k->old[KEYS_OLD_MAX - 1].p, KEY_LEN);
        else
            k->n_old++;
        for (size_t i = k->n_old - 1; i > 0; i--) {
            k->old[i] = k->old[i - 1];
            k->old_number[i] = k->old_number[i - 1];
        }
        k->old[0] = k->sign_seed;
        k->old_number[0] = number;
    }
    k->sign_seed = k->next;
    k->fingerprint = k->next_fingerprint;
}

enum err
keys_rotate_end(struct arena *a, struct keys *k, bool next)
{
    bool alone = lock_alone(k);
    enum err e = OK;

    if (alone && next)
        e = finish_files(a, k);
    else if (alone && unlinkat(k->dir, NEXT_KEY, 0) != 0 && errno != ENOENT)
        e = ERR_IO;
    if (next)
        take_next(k);
    else if (!str_is_null(k->next))
        sodium_memzero((void *)(uintptr_t)k->next.p, k->next.n);
    k->next = STR_NULL;
    (void)flock(k->dir, LOCK_SH);
    return e;
}
