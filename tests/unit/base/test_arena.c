/* Arenas: zeroed, aligned, deferred calls in reverse order, limits that end the process. */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_alloc_is_zeroed_and_aligned(void **state)
{
    for (size_t n = 1; n < 20000; n = n * 3 + 1) {
        char *p = arena_array(*state, char, n);

        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, n);
    }
}

static void
test_reset_zeroes_again(void **state)
{
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            char *p = arena_array(*state, char, 100);

            for (int k = 0; k < 100; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xFF, 100);
        }
        assert_true(arena_used(*state) >= 10000);
        arena_reset(*state);
        assert_int_equal(arena_used(*state), 0);
    }
}

static char order[8];
static size_t ordered;

static void
note(void *ptr)
{
    order[ordered++] = *(char *)ptr;
}

static void
test_deferred_in_reverse(void **state)
{
    struct arena *a = arena_create("defer", 1 << 20);
    static char one = '1', two = '2', three = '3';

    (void)state;
    ordered = 0;
    arena_defer(a, note, &one);
    arena_defer(a, note, &two);
    arena_reset(a);
    assert_memory_equal(order, "21", 2);
    arena_defer(a, note, &three);
    arena_free(a);
    assert_int_equal(ordered, 3);
    assert_memory_equal(order, "213", 3);
    arena_free(NULL);
}

static void
test_strings(void **state)
{
    struct str s = arena_str(*state, S("abc"));

    assert_str(s, S("abc"));
    assert_int_equal(s.p[3], 0);
    assert_true(str_is_null(arena_str(*state, STR_NULL)));
    assert_false(str_is_null(arena_str(*state, S(""))));
    assert_string_equal(arena_cstr(*state, STR_NULL), "");
    assert_str(arena_fmt(*state, "%d-%s", 42, "x"), S("42-x"));
}

/* True when body() ends its process with SIGABRT. */
static int
aborts(void (*body)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
outgrow(void)
{
    struct arena *a = arena_create("small", 1000);

    for (int i = 0; i < 100; i++)
        arena_alloc(a, 1, 16);
}

/* Elements stay, the room is asked for only when it is used up, and a list with room stays where it is. */
static void
test_a_list_grows(void **state)
{
    int *v = NULL, *was;
    size_t cap = 0, grown = 0;

    for (int i = 0; i < 1000; i++) {
        was = v;
        arena_grow(*state, v, (size_t)i, &cap, 3);
        grown += v != was;
        assert_true((size_t)i < cap);
        assert_int_equal(v[i], 0);
        v[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(v[i], i);
    assert_int_equal(cap, 1536); /* 3, 6, 12 … */
    assert_int_equal(grown, 10);
    was = v;
    arena_grow(*state, v, 5, &cap, 3);
    assert_ptr_equal(v, was);
}

static void
overflow(void)
{
    struct arena *a = arena_create("small", SIZE_MAX);

    arena_alloc(a, SIZE_MAX / 2, 3);
}

static void
within(void)
{
    struct arena *a = arena_create("small", 1600);

    for (int i = 0; i < 100; i++)
        arena_alloc(a, 1, 16);
}

static void
test_limits_abort(void **state)
{
    (void)state;
    assert_true(aborts(outgrow));
    assert_true(aborts(overflow));
    assert_false(aborts(within));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_alloc_is_zeroed_and_aligned),
        ARENA_TEST(test_reset_zeroes_again),
        cmocka_unit_test(test_deferred_in_reverse),
        ARENA_TEST(test_strings),
        ARENA_TEST(test_a_list_grows),
        cmocka_unit_test(test_limits_abort),
    };

    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
