/* The key directory. Each key is a file of 32 random bytes, mode 0600, written once. Rotation: keys_rotate.c. */
#include "run/keys_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"
#include "base/text.h"
#include "codec/hash.h"

/* Writes the file completely and durably, or not at all (a name of its own, then link). */
enum err
key_write(int dir, const char *name, const unsigned char key[KEY_LEN])
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
    if (write(fd, key, KEY_LEN) != KEY_LEN || fsync(fd) != 0) {
        close(fd);
        unlinkat(dir, name, 0);
        return ERR_IO;
    }
    close(fd);
    return fsync(dir) == 0 ? OK : ERR_IO;
}

enum err
key_read(struct arena *a, int dir, const char *name, bool create, struct str *out)
{
    unsigned char *key = arena_alloc(a, KEY_LEN, 1);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0 && errno == ENOENT && create) {
        rand_bytes(key, KEY_LEN);
        enum err e = key_write(dir, name, key);
        if (e != OK && e != ERR_CONFLICT) /* another process was first: its key it is */
            return e;
        fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return ERR_IO;
    n = read(fd, key, KEY_LEN);
    close(fd);
    if (n != KEY_LEN)
        return ERR_IO;
    *out = str_mem(key, KEY_LEN);
    return OK;
}

static void
wipe_key(struct str key)
{
    if (key.p)
        sodium_memzero((void *)(uintptr_t)key.p, key.n);
}

static void
wipe(void *p)
{
    struct keys *k = p;
    const struct str all[] = {k->token, k->secret, k->blind, k->device, k->sign_seed};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        wipe_key(all[i]);
    for (size_t i = 0; i < k->n_old; i++)
        wipe_key(k->old[i]);
    wipe_key(k->next);
    if (k->dir >= 0)
        close(k->dir);
}

/* One-way names of the keys, so that the store can hold them. */
struct str
keys_fingerprint(struct arena *a, const struct keys *k, struct str sign_seed)
{
    struct str parts[] = {
        S("recount.keys.v1\n"), k->token, k->secret, k->blind, k->device, sign_seed};
    struct sha256 h = sha256_parts(parts, sizeof parts / sizeof parts[0]);

    return hex_in(a, sha256_str(&h));
}

/* Opens the directory, made when `create`, and checks who may read it. */
static enum err
dir_open(struct arena *a, const char *path, bool create, int *out, struct str *why)
{
    struct stat st;
    int fd;

    if (create && mkdir(path, 0700) != 0 && errno != EEXIST) {
        *why = arena_fmt(a, "the key directory %s can not be made", path);
        return ERR_IO;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        *why = arena_fmt(a, "the key directory %s can not be opened", path);
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    if (st.st_mode & 077) {
        close(fd);
        *why = arena_fmt(a, "the key directory %s must be readable by its owner only (chmod 700)",
                         path);
        return ERR_INVALID;
    }
    /* A file system without such locks only loses the protection of those who rotate. */
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        close(fd);
        *why = arena_fmt(a, "the signing key in %s is being rotated: try again", path);
        return ERR_CONFLICT;
    }
    *out = fd;
    return OK;
}

enum err
keys_open(struct arena *a, struct str dir, bool create, struct keys **out, struct str *why)
{
    struct keys *k = arena_new(a, struct keys);
    const char *path = arena_cstr(a, dir);
    const struct {
        const char *name;
        struct str *key;
    } all[] = {{"token.key", &k->token},
               {"secret.key", &k->secret},
               {"blind.key", &k->blind},
               {"device.key", &k->device},
               {SIGN_KEY, &k->sign_seed}};

    TRY(dir_open(a, path, create, &k->dir, why));
    arena_defer(a, wipe, k);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (key_read(a, k->dir, all[i].name, create, all[i].key) != OK) {
            *why = arena_fmt(a, "the key %s/%s can not be read", path, all[i].name);
            return ERR_IO;
        }
    }
    if (old_keys_read(a, k) != OK) {
        *why = arena_fmt(a, "the old signing keys in %s can not be read", path);
        return ERR_IO;
    }
    k->fingerprint = keys_fingerprint(a, k, k->sign_seed);
    if (!str_is_null(k->next))
        k->next_fingerprint = keys_fingerprint(a, k, k->next);
    *out = k;
    return OK;
}

struct str
keys_seal(struct arena *a, const struct keys *k, struct str plain)
{
    size_t n = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + plain.n;
    unsigned char *out = arena_alloc(a, n, 1);

    rand_bytes(out, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(out + crypto_secretbox_NONCEBYTES, (const unsigned char *)plain.p,
                          plain.n, out, (const unsigned char *)k->secret.p);
    return str_mem(out, n);
}

enum err
keys_unseal(struct arena *a, const struct keys *k, struct str sealed, struct str *plain)
{
    const unsigned char *in = (const unsigned char *)sealed.p;
    unsigned char *out;
    size_t n;

    if (sealed.n < crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES)
        return ERR_INVALID;
    n = sealed.n - crypto_secretbox_NONCEBYTES - crypto_secretbox_MACBYTES;
    out = arena_alloc(a, n + 1, 1);
    if (crypto_secretbox_open_easy(out, in + crypto_secretbox_NONCEBYTES,
                                   n + crypto_secretbox_MACBYTES, in,
                                   (const unsigned char *)k->secret.p) != 0)
        return ERR_INVALID;
    *plain = str_mem(out, n);
    return OK;
}
