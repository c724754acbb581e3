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
        ARENA_TEST(test_cuid_never_repeats),
        ARENA_TEST(test_uuid),
    };

    return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}
