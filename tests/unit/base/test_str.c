/* struct str: comparison, search, cutting, integers. */
#include "support.h"

static void
test_compare(void **state)
{
    (void)state;
    assert_true(str_ieq(S("AbC"), S("aBc")));
    assert_false(str_ieq(S("[a"), S("{a")));
    assert_false(str_ieq(S("a"), S("ab")));
    assert_true(str_cmp(S("a"), S("b")) < 0);
    assert_true(str_cmp(S("a"), S("ab")) < 0);
    assert_true(str_cmp(S("\xff"), S("a")) > 0);
    assert_int_equal(str_cmp(STR_NULL, S("")), 0);
    assert_true(str_eq_secret(S("same"), S("same")));
    assert_false(str_eq_secret(S("same"), S("sama")));
    assert_false(str_eq_secret(S("same"), S("sam")));
    assert_true(str_hash(S("a")) == UINT64_C(0xaf63dc4c8601ec8c)); /* published FNV-1a vector */
}

static void
test_search(void **state)
{
    (void)state;
    assert_true(str_has_prefix(S("abc"), S("ab")));
    assert_true(str_has_prefix(S("abc"), S("")));
    assert_false(str_has_prefix(S("ab"), S("abc")));
    assert_true(str_has_suffix(S("abc"), S("bc")));
    assert_false(str_has_suffix(S("c"), S("bc")));
    assert_true(str_contains(S("abcd"), S("bc")));
    assert_true(str_contains(STR_NULL, S("")));
    assert_false(str_contains(S("abcd"), S("cb")));
    assert_int_equal(str_index(S("abc"), 'c'), 2);
    assert_true(str_index(S("abc"), 'x') == SIZE_MAX);
    assert_true(str_index(STR_NULL, 'x') == SIZE_MAX);
}

static void
test_views(void **state)
{
    (void)state;
    assert_str(str_sub(S("abc"), 1, 1), S("b"));
    assert_str(str_sub(S("abc"), 1, SIZE_MAX), S("bc"));
    assert_str(str_sub(S("abc"), 9, 1), S(""));
    assert_str(str_trim(S(" \t a b\r\n")), S("a b"));
    assert_str(str_trim(S(" ")), S(""));
    assert_true(str_is_null(str_of(NULL)));
}

static void
test_cut(void **state)
{
    struct str rest = S("a,,b"), part;

    (void)state;
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, S("a"));
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, S(""));
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, S("b"));
    assert_false(str_cut(&rest, ',', &part));
    rest = S("a,");
    assert_true(str_cut(&rest, ',', &part));
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, S(""));
    assert_false(str_cut(&rest, ',', &part));
}

static void
test_int64(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "--1",
                                      "99999999999999999999999"};
    int64_t v;

    (void)state;
    assert_ok(str_int64(S("0"), &v));
    assert_int_equal(v, 0);
    assert_ok(str_int64(S("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    assert_ok(str_int64(S("-9223372036854775808"), &v));
    assert_true(v == INT64_MIN);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        v = 42;
        assert_int_equal(str_int64(str_of(bad[i]), &v), ERR_INVALID);
        assert_int_equal(v, 42);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare), cmocka_unit_test(test_search), cmocka_unit_test(test_views),
        cmocka_unit_test(test_cut),     cmocka_unit_test(test_int64),
    };

    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
