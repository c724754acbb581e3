/* What every unit test starts with: cmocka and its prerequisites, and comparisons of struct str. */
#ifndef RECOUNT_TESTS_SUPPORT_H
#define RECOUNT_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/str.h"

#define TEST_ARENA_MAX ((size_t)64 << 20)

#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        struct str got_ = (got), want_ = (want);                                                   \
        if (!str_eq(got_, want_))                                                                  \
            fail_msg("got \"%.*s\", want \"%.*s\"", STR_ARG(got_), STR_ARG(want_));                \
    } while (0)

#define assert_ok(expr) assert_int_equal((expr), OK)

/* For cmocka_unit_test_setup_teardown: *state is an arena. */
static inline int
arena_setup(void **state)
{
    *state = arena_create("test", TEST_ARENA_MAX);
    return 0;
}

static inline int
arena_teardown(void **state)
{
    arena_free(*state);
    return 0;
}

#define ARENA_TEST(f) cmocka_unit_test_setup_teardown(f, arena_setup, arena_teardown)

#endif
