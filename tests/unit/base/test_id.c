/* cuids: form, order by time, no repeats; UUIDs: version and variant. */
#include "support.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"

static void
test_cuid_form(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct cuid c = cuid_new(clock_now());

        assert_true(cuid_is(cuid_str(&c)));
        assert_int_equal(c.s[CUID_LEN], 0);
    }
    assert_false(cuid_is(S("")));
    assert_false(cuid_is(S("d00000000000000000000000a")));
    assert_false(cuid_is(S("c0000000000000000000000A0")));
    assert_false(cuid_is(S("c000000000000000000000000000")));
}

static void
test_cuid_order_is_time_order(void **state)
{
    struct cuid last = cuid_new(0);
    int64_t t = 0;

    (void)state;
    for (int i = 1; i < 5000; i++) {
        struct cuid c;

        t += (int64_t)i * i * USEC_PER_MS;
        c = cuid_new(t);
        assert_true(str_cmp(cuid_str(&last), cuid_str(&c)) < 0);
        last = c;
    }
}

/* The bytes decide, those that would make some digits likelier are passed over, and too few are no harm. */
static void
test_cuid_of_given_bytes(void **state)
{
    uint8_t v[CUID_RANDOM] = {252, 35, 255, 36, 0, 251, 10, 72, 107, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct cuid c = cuid_from(0, v, sizeof v), again = cuid_from(0, v, sizeof v);
    struct cuid some = cuid_from(0, v, 5), others = cuid_from(0, v, 5);

    (void)state;
    assert_string_equal(c.s, "c000000000z00za0z12345678");
    assert_string_equal(again.s, c.s);
    assert_memory_equal(some.s, c.s, 13);
    assert_true(cuid_is(cuid_str(&some)));
    assert_memory_equal(others.s, some.s, 13);
    assert_string_not_equal(others.s, some.s);
}

static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct cuid));
}

static void
test_cuid_never_repeats(void **state)
{
    enum { N = 20000 };
    struct cuid *c = arena_array(*state, struct cuid, N);

    for (int i = 0; i < N; i++)
        c[i] = cuid_new(1);
    qsort(c, N, sizeof(*c), compare);
    for (int i = 1; i < N; i++)
        assert_true(compare(&c[i - 1], &c[i]) != 0);
}

static void
test_uuid(void **state)
{
    for (int i = 0; i < 200; i++) {
        struct str u = uuid_in(*state);

        assert_int_equal(u.n, 36);
        assert_int_equal(u.p[14], '4');
        assert_non_null(strchr("89ab", u.p[19]));
        for (size_t k = 0; k < 36; k++)
            if (k == 8 || k == 13 || k == 18 || k == 23)
                assert_int_equal(u.p[k], '-');
            else
                assert_non_null(strchr("0123456789abcdef", u.p[k]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuid_form),
        cmocka_unit_test(test_cuid_order_is_time_order),
        cmocka_unit_test(test_cuid_of_given_bytes),
        ARENA_TEST(test_cuid_never_repeats),
        ARENA_TEST(test_uuid),
    };

    return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}
