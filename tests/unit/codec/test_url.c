/* Percent-encoding: round trip, strictness, queries, web addresses. */
#include "../base/support.h"

#include "codec/url.h"

static void
test_encode(void **state)
{
    assert_str(url_encode_in(*state, S("aZ09-._~ /?\xc3\xa9%+")),
               S("aZ09-._~%20%2F%3F%C3%A9%25%2B"));
    assert_str(url_encode_in(*state, S("")), S(""));
}

static void
test_decode(void **state)
{
    static const char *const bad[] = {"%",   "%4",  "%4g",       "%g4", "a b",  "\xc3\xa9", "%00",
                                      "%ff", "%c3", "%ed%a0%80", "a\n", "\x7f", "%%41"};
    struct str s;

    assert_ok(url_decode(*state, S("a%20b+%c3%A9%2F"), &s));
    assert_str(s, S("a b+\xc3\xa9/"));
    assert_ok(url_decode_form(*state, S("a+b%2B"), &s));
    assert_str(s, S("a b+"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (url_decode(*state, str_of(bad[i]), &s) != ERR_INVALID)
            fail_msg("accepted \"%s\"", bad[i]);
}

static void
test_query(void **state)
{
    struct str q = S("a=1&&b=x%3Dy=z&c&=v"), name, value;
    static const char *const want[][2] = {{"a", "1"}, {"b", "x=y=z"}, {"c", ""}, {"", "v"}};

    for (size_t i = 0; i < 4; i++) {
        assert_ok(url_query_next(*state, &q, &name, &value));
        assert_str(name, str_of(want[i][0]));
        assert_str(value, str_of(want[i][1]));
    }
    assert_int_equal(url_query_next(*state, &q, &name, &value), ERR_END);
    q = S("a=%zz");
    assert_int_equal(url_query_next(*state, &q, &name, &value), ERR_INVALID);
}

static void
test_web(void **state)
{
    static const char *const good[] = {"http://a", "HTTPS://example.org:8443/x?y=%20#z",
                                       "http://[::1]/"};
    static const char *const bad[] = {"",
                                      "ftp://a",
                                      "http://",
                                      "http:///x",
                                      "javascript:alert(1)",
                                      "http://u@h/",
                                      "http://a b",
                                      "http://a\"",
                                      "http://a/<",
                                      "//a",
                                      "http://:80/",
                                      "http://a\\b",
                                      "http://\xc3\xa9/"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!url_is_web(str_of(good[i])))
            fail_msg("refused \"%s\"", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (url_is_web(str_of(bad[i])))
            fail_msg("accepted \"%s\"", bad[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_encode),
        ARENA_TEST(test_decode),
        ARENA_TEST(test_query),
        cmocka_unit_test(test_web),
    };

    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
