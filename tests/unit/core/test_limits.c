/* Counters before any password is hashed. */
#include "base/clock.h"
#include "base/rand.h"
#include "core/limits.h"

/* cmocka's macro fail() hides the function of the same name: its header comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define T0 INT64_C(1700000000000000)

static void
counts_within_the_window(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct limits *l = limits_create(a);

    assert_int_equal(limits_count(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0), 0);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(limits_note(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + i), i);
    assert_int_equal(limits_count(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + 10), 5);
    assert_int_equal(limits_count(l, LIMIT_NAME, S("bob"), USEC_PER_MIN, T0 + 10), 0);
    assert_int_equal(limits_count(l, LIMIT_ADDRESS, S("ann"), USEC_PER_MIN, T0 + 10), 0);
    /* Half a window later half of them count, two windows later none. */
    assert_int_equal(
        limits_count(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + 1 + USEC_PER_MIN * 3 / 2), 2);
    assert_int_equal(limits_count(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + 3 * USEC_PER_MIN), 0);
    limits_note(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + 3 * USEC_PER_MIN);
    limits_clear(l, LIMIT_NAME, S("ann"));
    assert_int_equal(limits_count(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + 3 * USEC_PER_MIN), 0);
    arena_free(a);
}

static void
a_lock_ends_by_itself(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct limits *l = limits_create(a);

    limits_lock(l, LIMIT_NAME, S("ann"), T0 + 100, T0);
    assert_int_equal(limits_locked(l, LIMIT_NAME, S("ann"), T0 + 99), T0 + 100);
    assert_int_equal(limits_locked(l, LIMIT_NAME, S("ann"), T0 + 100), 0);
    assert_int_equal(limits_locked(l, LIMIT_DEVICE, S("ann"), T0), 0);
    assert_int_equal(limits_locked_at(l, LIMIT_NAME, S("ann"), T0 + 99), T0);
    assert_int_equal(limits_locked_at(l, LIMIT_NAME, S("ann"), T0 + 100), INT64_MAX);
    assert_int_equal(limits_locked_at(l, LIMIT_NAME, S("ben"), T0), INT64_MAX);
    limits_clear(l, LIMIT_NAME, S("ann"));
    assert_int_equal(limits_locked(l, LIMIT_NAME, S("ann"), T0), 0);
    assert_int_equal(limits_locked_at(l, LIMIT_NAME, S("ann"), T0), INT64_MAX);
    arena_free(a);
}

static void
a_window_rolls_at_its_end(void **state)
{
    struct limit_window w = {0};

    limit_window_roll(&w, 100, T0);
    w.count = 8;
    limit_window_roll(&w, 100, T0 + 99);
    assert_int_equal(w.count, 8);
    limit_window_roll(&w, 100, T0 + 100);
    assert_int_equal(w.count, 0);
    assert_int_equal(w.previous, 8);
    assert_int_equal(w.start, T0 + 100);
    assert_int_equal(limit_window_count(&w, T0 + 100), 8);
    assert_int_equal(limit_window_count(&w, T0 + 175), 2);
    limit_window_roll(&w, 100, T0 + 299); /* and once more: the eight are forgotten */
    assert_int_equal(w.previous, 0);
    w.count = 3;
    limit_window_roll(&w, 100, T0 + 400); /* two of its lengths after its start: nothing is left */
    assert_int_equal(w.count + w.previous, 0);
    assert_int_equal(w.start, T0 + 400);
    w.count = 3;
    limit_window_roll(&w, 100, T0 + 399); /* the clock went back */
    assert_int_equal(w.count, 0);
    w.count = 3;
    limit_window_roll(&w, 200, T0 + 399); /* another limit */
    assert_int_equal(w.count, 0);
}

/* When the lock is over, counting begins again. */
static void
a_lock_forgets_what_was_counted(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct limits *l = limits_create(a);

    for (int i = 0; i < 5; i++)
        limits_note(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0);
    limits_lock(l, LIMIT_NAME, S("ann"), T0 + 100, T0);
    assert_int_equal(limits_count(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + 100), 0);
    assert_int_equal(limits_note(l, LIMIT_NAME, S("ann"), USEC_PER_MIN, T0 + 100), 1);
    arena_free(a);
}

/* Whoever goes on failing is not forgotten for others who fail. */
static void
who_goes_on_is_not_forgotten(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct limits *l = limits_create(a);
    int n = limits_note(l, LIMIT_NAME, S("ann"), USEC_PER_HOUR, T0);

    for (uint64_t i = 0; i < 100000; i++) {
        limits_note(l, LIMIT_NAME, str_mem(&i, sizeof i), USEC_PER_HOUR, T0 + (int64_t)i);
        if (i % 1000 == 0)
            assert_int_equal(limits_note(l, LIMIT_NAME, S("ann"), USEC_PER_HOUR, T0 + (int64_t)i),
                             ++n);
    }
    arena_free(a);
}

/* A flood of other names never takes more memory, and does not release a locked one. */
static void
a_flood_is_bounded(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct limits *l = limits_create(a);
    size_t used = arena_used(a);

    limits_lock(l, LIMIT_NAME, S("ann"), T0 + USEC_PER_HOUR, T0);
    for (uint64_t i = 0; i < 300000; i++)
        limits_note(l, LIMIT_NAME, str_mem(&i, sizeof i), USEC_PER_MIN, T0 + (int64_t)i);
    assert_int_equal(arena_used(a), used);
    assert_true(limits_locked(l, LIMIT_NAME, S("ann"), T0 + 300000) > 0);
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_within_the_window),
        cmocka_unit_test(a_lock_ends_by_itself),
        cmocka_unit_test(a_window_rolls_at_its_end),
        cmocka_unit_test(a_lock_forgets_what_was_counted),
        cmocka_unit_test(who_goes_on_is_not_forgotten),
        cmocka_unit_test(a_flood_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
