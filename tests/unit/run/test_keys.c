/* The key directory: old signing keys, and a rotation that ends, or dies at each of its steps. */
#include "run/keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"

/* cmocka's macro fail() hides the function of the same name: its header comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MEMORY ((size_t)4 << 20)

static char dir[64];

static int
set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/recount-keys-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static const char *
path_of(struct arena *a, const char *name)
{
    return arena_cstr(a, arena_fmt(a, "%s/%s", dir, name));
}

static int
tear_down(void **state)
{
    static const char *const names[] = {"token.key",      "secret.key",      "blind.key",
                                        "device.key",     "sign.key",        "sign-new.key",
                                        "sign-old-x.key", "sign-old-01.key", "sign-old-.key"};
    struct arena *a = arena_create("test", MEMORY);

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(path_of(a, names[i]));
    for (int i = 1; i < 20; i++)
        (void)unlink(path_of(a, arena_cstr(a, arena_fmt(a, "sign-old-%d.key", i))));
    arena_free(a);
    return rmdir(dir);
}

static struct keys *
opened(struct arena *a)
{
    struct keys *k = NULL;
    struct str why = STR_NULL;

    if (keys_open(a, str_of(dir), true, &k, &why) != OK)
        fail_msg("keys: %.*s", STR_ARG(why));
    return k;
}

static void
put(struct arena *a, const char *name, const char *bytes, size_t n)
{
    int fd = open(path_of(a, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static bool
is_there(struct arena *a, const char *name)
{
    return access(path_of(a, name), F_OK) == 0;
}

/* What the directory holds for the next process. */
static void
expect(struct str sign, struct str newest_old, size_t n_old)
{
    struct arena *a = arena_create("test", MEMORY);
    struct keys *k = opened(a);

    assert_true(str_eq(k->sign_seed, sign));
    assert_int_equal(k->n_old, n_old);
    if (n_old > 0)
        assert_true(str_eq(k->old[0], newest_old));
    assert_true(str_is_null(k->next));
    arena_free(a);
}

static void
begin(struct arena *a, struct keys *k)
{
    struct str why = STR_NULL;

    if (keys_rotate_begin(a, k, &why) != OK)
        fail_msg("begin: %.*s", STR_ARG(why));
}

static void
a_rotation_keeps_the_key_before_it(void **state)
{
    struct arena *a = arena_create("test", MEMORY);
    struct keys *k = opened(a);
    struct str first = arena_str(a, k->sign_seed), was = arena_str(a, k->fingerprint), second;
    struct stat st;

    (void)state;
    begin(a, k);
    assert_false(str_eq(k->next, first));
    assert_false(str_eq(k->next_fingerprint, was));
    second = arena_str(a, k->next);
    assert_int_equal(keys_rotate_end(a, k, true), OK);
    assert_true(str_eq(k->sign_seed, second));
    assert_true(str_eq(k->old[0], first));
    assert_true(str_eq(keys_fingerprint(a, k, first), was));
    assert_int_equal(stat(path_of(a, "sign-old-1.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of(a, "sign.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(is_there(a, "sign-new.key"));
    expect(second, first, 1);
    begin(a, k);
    struct str third = arena_str(a, k->next);
    assert_int_equal(keys_rotate_end(a, k, true), OK);
    assert_true(is_there(a, "sign-old-2.key"));
    expect(third, second, 2);
    arena_free(a);
}

static void
a_rotation_the_store_never_heard_of_is_discarded(void **state)
{
    struct arena *a = arena_create("test", MEMORY);
    struct keys *k = opened(a);

    (void)state;
    begin(a, k);
    arena_free(a); /* dies here */
    a = arena_create("test", MEMORY);
    k = opened(a);
    assert_false(str_is_null(k->next));
    assert_false(str_eq(k->next_fingerprint, k->fingerprint));
    assert_int_equal(keys_rotate_end(a, k, false), OK);
    assert_false(is_there(a, "sign-new.key"));
    expect(k->sign_seed, STR_NULL, 0);
    put(a, "sign-new.key", "cut off", 7); /* no whole key: nothing that a store could know */
    expect(k->sign_seed, STR_NULL, 0);
    begin(a, k);
    struct str next = arena_str(a, k->next);
    assert_int_equal(keys_rotate_end(a, k, true), OK);
    expect(next, k->old[0], 1);
    arena_free(a);
}

static void
a_rotation_the_store_knows_is_finished(void **state)
{
    (void)state;
    for (int linked = 0; linked < 2; linked++) {
        struct arena *kept = arena_create("kept", MEMORY), *a = arena_create("test", MEMORY);
        struct keys *k = opened(a);
        size_t n_old = k->n_old;
        struct str was = arena_str(kept, k->sign_seed), next;
        begin(a, k);
        next = arena_str(kept, k->next);
        struct str bound = arena_str(kept, k->next_fingerprint);
        arena_free(a); /* dies after the commit, or after the first of two renames */
        a = arena_create("test", MEMORY);
        if (linked)
            assert_int_equal(link(path_of(a, "sign.key"), path_of(a, "sign-old-2.key")), 0);
        k = opened(a);
        assert_true(str_eq(k->next_fingerprint, bound));
        assert_int_equal(keys_rotate_end(a, k, true), OK);
        assert_true(str_eq(k->fingerprint, bound));
        assert_true(str_eq(k->sign_seed, next));
        assert_true(str_eq(k->old[0], was));
        assert_int_equal(k->n_old, n_old + 1);
        arena_free(a);
        expect(next, was, n_old + 1);
        arena_free(kept);
    }
}

/* While others use the directory no file moves; memory follows the store all the same. */
static void
files_move_for_nobody_else(void **state)
{
    struct arena *a = arena_create("test", MEMORY), *b = arena_create("other", MEMORY);
    struct keys *k = opened(a), *other = opened(b), *none = NULL;
    struct str why = STR_NULL;

    (void)state;
    assert_int_equal(keys_rotate_begin(a, k, &why), ERR_CONFLICT);
    assert_true(str_contains(why, S("stop the server")));
    assert_false(is_there(a, "sign-new.key"));
    (void)other;
    arena_free(b);
    begin(a, k);
    b = arena_create("other", MEMORY);
    assert_int_equal(keys_open(b, str_of(dir), false, &none, &why), ERR_CONFLICT);
    assert_true(str_contains(why, S("is being rotated")));
    arena_free(b);
    arena_free(a);
    a = arena_create("test", MEMORY);
    b = arena_create("other", MEMORY);
    k = opened(a);
    other = opened(b);
    struct str next = arena_str(a, k->next), was = arena_str(a, k->sign_seed);
    assert_int_equal(keys_rotate_end(a, k, true), OK);
    assert_true(str_eq(k->sign_seed, next));
    assert_true(str_eq(k->old[0], was));
    assert_true(is_there(a, "sign-new.key"));
    assert_int_equal(keys_rotate_end(b, other, true), OK);
    assert_true(str_eq(other->sign_seed, next));
    arena_free(b);
    arena_free(a);
    a = arena_create("test", MEMORY);
    k = opened(a);
    assert_int_equal(keys_rotate_end(a, k, true), OK);
    assert_false(is_there(a, "sign-new.key"));
    arena_free(a);
}

static void
the_newest_eight_old_keys_are_read(void **state)
{
    struct arena *a = arena_create("test", MEMORY);
    struct keys *k;
    char key[32];

    (void)state;
    for (int i = 1; i <= 11; i++) {
        memset(key, i, sizeof key);
        put(a, arena_cstr(a, arena_fmt(a, "sign-old-%d.key", i)), key, sizeof key);
    }
    put(a, "sign-old-x.key", "x", 1);
    put(a, "sign-old-01.key", "x", 1);
    put(a, "sign-old-.key", "x", 1);
    k = opened(a);
    assert_int_equal(k->n_old, KEYS_OLD_MAX);
    for (int i = 0; i < KEYS_OLD_MAX; i++) {
        assert_int_equal(k->old_number[i], 11 - i);
        assert_int_equal(k->old[i].p[0], 11 - i);
    }
    struct str was = arena_str(a, k->sign_seed);
    begin(a, k);
    assert_int_equal(keys_rotate_end(a, k, true), OK);
    assert_int_equal(k->n_old, KEYS_OLD_MAX);
    assert_int_equal(k->old_number[0], 12);
    assert_int_equal(k->old[KEYS_OLD_MAX - 1].p[0], 5);
    expect(k->sign_seed, was, KEYS_OLD_MAX);
    arena_free(a);
    a = arena_create("test", MEMORY);
    put(a, "sign-old-12.key", "short", 5);
    struct str why = STR_NULL;
    assert_int_equal(keys_open(a, str_of(dir), false, &k, &why), ERR_IO);
    assert_true(str_contains(why, S("old signing keys")));
    arena_free(a);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_rotation_keeps_the_key_before_it),
        T(a_rotation_the_store_never_heard_of_is_discarded),
        T(a_rotation_the_store_knows_is_finished),
        T(files_move_for_nobody_else),
        T(the_newest_eight_old_keys_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
