/* Civil dates against the C library, month ends, leap years, and the strict ISO 8601 reader. */
#include "support.h"

#include <time.h>

#include "base/clock.h"

static void
test_civil_agrees_with_libc(void **state)
{
    (void)state;
    /* Every day from 1890 to 2110, at a time of day that moves along. */
    for (int64_t day = -29219; day < 51134; day++) {
        int64_t t =
            day * USEC_PER_DAY + (day * 7919 % 86400 + 86400) % 86400 * USEC_PER_SEC + 123456;
        time_t sec = (time_t)((t - 123456) / USEC_PER_SEC);
        struct civil c = civil_of(t);
        struct tm tm;

        assert_non_null(gmtime_r(&sec, &tm));
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(c.usec, 123456);
        assert_int_equal(civil_to(c), t);
    }
}

static void
test_before_the_epoch(void **state)
{
    struct civil c = civil_of(-1);

    (void)state;
    assert_int_equal(c.year, 1969);
    assert_int_equal(c.day, 31);
    assert_int_equal(c.second, 59);
    assert_int_equal(c.usec, 999999);
    c = civil_of(INT64_MIN); /* a record may hold any number */
    assert_int_equal(c.hour, 19);
    assert_int_equal(c.minute, 59);
    assert_int_equal(c.second, 5);
    assert_int_equal(c.usec, 224192);
}

static int64_t
at(int y, int m, int d)
{
    return civil_to((struct civil){.year = y, .month = m, .day = d});
}

static void
test_months(void **state)
{
    int64_t leap_end = at(2024, 2, 29) + USEC_PER_DAY - 1;

    (void)state;
    assert_int_equal(month_start(leap_end, 0), at(2024, 2, 1));
    assert_int_equal(month_start(leap_end, 1), leap_end + 1);
    assert_int_equal(month_start(at(2026, 1, 31), 1), at(2026, 2, 1));
    assert_int_equal(month_start(at(2026, 1, 31), -1), at(2025, 12, 1));
    assert_int_equal(month_start(at(2026, 12, 31), 1), at(2027, 1, 1));
    assert_int_equal(month_start(at(2026, 3, 15), -4), at(2025, 11, 1));
    assert_int_equal(month_start(at(2026, 3, 15), -27), at(2023, 12, 1));
    assert_int_equal(month_ordinal(at(2026, 11, 23)), 2026 * 12 + 10);
    assert_int_equal(month_ordinal_start(2026 * 12 + 10), at(2026, 11, 1));
    assert_int_equal(at(1900, 3, 1) - at(1900, 2, 28), USEC_PER_DAY);
    assert_int_equal(at(2000, 3, 1) - at(2000, 2, 28), 2 * USEC_PER_DAY);
}

static void
test_iso_round_trip(void **state)
{
    int64_t t = civil_to((struct civil){2026, 11, 23, 10, 21, 11, 123999}), back;

    assert_str(time_iso(*state, t), S("2026-11-23T10:21:11.123Z"));
    assert_ok(time_parse_iso(S("2026-11-23T10:21:11.123999Z"), &back));
    assert_int_equal(back, t);
    assert_str(time_iso(*state, 0), S("1970-01-01T00:00:00.000Z"));
}

static void
test_iso_accepts(void **state)
{
    static const struct {
        struct str text;
        const char *same;
    } cases[] = {
        {S("1970-01-01"), "1970-01-01T00:00:00.000Z"},
        {S("2024-02-29"), "2024-02-29T00:00:00.000Z"},
        {S("2026-01-01T00:30:00+01:00"), "2025-12-31T23:30:00.000Z"},
        {S("2026-01-01T00:30:00-05:30"), "2026-01-01T06:00:00.000Z"},
        {S("2026-01-01T00:00:00.5Z"), "2026-01-01T00:00:00.500Z"},
        {S("2026-01-01T00:00:00.123456789Z"), "2026-01-01T00:00:00.123Z"},
        {S("9999-12-31T23:59:59.999Z"), "9999-12-31T23:59:59.999Z"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t t;

        assert_ok(time_parse_iso(cases[i].text, &t));
        assert_str(time_iso(*state, t), str_of(cases[i].same));
    }
}

static void
test_iso_refuses(void **state)
{
    static const char *const cases[] = {
        "",
        "2026",
        "2026-1-01",
        "2026-13-01",
        "2026-00-01",
        "2026-02-29",
        "2026-04-31",
        "1900-02-29",
        "2100-02-29",
        "1969-12-31",
        "10000-01-01",
        "2026-01-01 00:00:00Z",
        "2026-01-01T",
        "2026-01-01T00:00:00",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00Zx",
        " 2026-01-01",
        "2026-01-01 ",
        "+026-01-01",
        "2026-01-01T00:00Z",
        "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t t = 77;

        if (time_parse_iso(str_of(cases[i]), &t) != ERR_INVALID || t != 77)
            fail_msg("accepted \"%s\"", cases[i]);
    }
}

static void
test_clocks_run(void **state)
{
    int64_t a = clock_monotonic(), b = clock_monotonic();

    (void)state;
    assert_true(b >= a);
    assert_true(clock_now() > INT64_C(1700000000) * USEC_PER_SEC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_civil_agrees_with_libc),
        cmocka_unit_test(test_before_the_epoch),
        cmocka_unit_test(test_months),
        ARENA_TEST(test_iso_round_trip),
        ARENA_TEST(test_iso_accepts),
        cmocka_unit_test(test_iso_refuses),
        cmocka_unit_test(test_clocks_run),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
