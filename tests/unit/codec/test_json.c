/* JSON: what is accepted, what is refused and where, numbers, and the round trip. */
#include "../base/support.h"

#include <math.h>

#include "codec/json.h"

static enum err
parse(struct arena *a, struct str text, struct json **v)
{
    size_t where = SIZE_MAX;
    const char *why = NULL;
    enum err e = json_parse(a, text, v, &where, &why);

    if (e != OK) {
        assert_non_null(why);
        assert_true(where <= text.n);
    }
    return e;
}

static struct str
rewritten(struct arena *a, const struct json *v)
{
    struct buf *b = buf_in(a, 1 << 20);
    struct json_writer w;

    json_writer_init(&w, b);
    json_value(&w, v);
    assert_int_equal(w.depth, 0);
    assert_false(buf_failed(b));
    return buf_view(b);
}

/* Text, and the same as our writer has it. */
static void
test_accepts(void **state)
{
    static const struct str cases[][2] = {
        {S("null"), S("null")},
        {S(" \t\r\n true \n"), S("true")},
        {S("[]"), S("[]")},
        {S("{ }"), S("{}")},
        {S("[[],{},\"\"]"), S("[[],{},\"\"]")},
        {S("{\"\":1, \"a\":{\"\":2}}"), S("{\"\":1,\"a\":{\"\":2}}")},
        {S("[0,-0,1.50,-1e+9,1E-2,123456789012345678901234567890]"),
         S("[0,-0,1.50,-1e+9,1E-2,123456789012345678901234567890]")},
        {S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\""),
         S("\"\\\"\\\\/\\b\\f\\n\\r\\tA\xc3\xa9\"")},
        {S("\"\\uD83D\\ude00\\ud83d\\uDE00\""), S("\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"")},
        {S("\"\\u001f\\u007f\x7f\""), S("\"\\u001f\x7f\x7f\"")},
        {S("\"\\uffff\xef\xbf\xbd\""), S("\"\xef\xbf\xbf\xef\xbf\xbd\"")},
        {S("{\"a\\u0062\":1,\"b\":2}"), S("{\"ab\":1,\"b\":2}")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *v;
        struct str once;

        assert_ok(parse(*state, cases[i][0], &v));
        once = rewritten(*state, v);
        assert_str(once, cases[i][1]);
        assert_ok(parse(*state, once, &v));
        assert_str(rewritten(*state, v), once);
    }
}

static void
test_refuses(void **state)
{
    static const struct str cases[] = {
        S(""),
        S(" "),
        S("nul"),
        S("nulll"),
        S("True"),
        S("NaN"),
        S("Infinity"),
        S("-Infinity"),
        S("[1,]"),
        S("[,1]"),
        S("[1 2]"),
        S("[1"),
        S("["),
        S("]"),
        S("[1]]"),
        S("[1],"),
        S("{\"a\":1,}"),
        S("{,}"),
        S("{a:1}"),
        S("{'a':1}"),
        S("'a'"),
        S("{\"a\"}"),
        S("{\"a\":}"),
        S("{\"a\" 1}"),
        S("{1:1}"),
        S("{\"a\":1"),
        S("{\"a\":1 \"b\":2}"),
        S("{\"a\":1}x"),
        S("{\"a\":1,\"a\":2}"),
        S("{\"a\":1,\"\\u0061\":2}"),
        S("{\"\":1,\"\":2}"),
        S("// x\n1"),
        S("/* x */1"),
        S("1 # x"),
        S("\xef\xbb\xbf{}"),
        S("01"),
        S("-"),
        S("-01"),
        S("+1"),
        S(".5"),
        S("1."),
        S("1.e1"),
        S("1e"),
        S("1e+"),
        S("0x10"),
        S("1_000"),
        S("--1"),
        S("- 1"),
        S("1.2.3"),
        S("00"),
        S("-a"),
        S("\""),
        S("\"a"),
        S("\"\\"),
        S("\"\\\""),
        S("\"\\x41\""),
        S("\"\\u12\""),
        S("\"\\u12G4\""),
        S("\"\\U0041\""),
        S("\"\\'\""),
        S("\"a\nb\""),
        S("\"a\tb\""),
        S("\"a\t"), /* it ends no string either */
        S("[\"a\t]"),
        S("[\"\\n\t]"),
        S("\"\x1f\""),
        S("\"\\\0\""),
        S("\"\\ud800\""),
        S("\"\\udc00\""),
        S("\"\\ud800\\u0041\""),
        S("\"\\ud800\\ud800\""),
        S("\"\\ud800x\""),
        S("\"\\u0000\""),
        S("\"a\0b\""),
        S("1\0"),
        S("\0"),
        S("[\0]"),
        S("\"\xff\""),
        S("\"\xc0\x80\""),
        S("\"\xed\xa0\x80\""),
        S("\"\xe2\x82\""),
        S("\xc2\xa0"
          "1"),
        S("\x0b"
          "1"),
        S("\x0c"
          "1"),
        S("[\"a\",\n4\n,1,"),
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json *v = NULL;

        if (parse(*state, cases[i], &v) != ERR_INVALID || v != NULL)
            fail_msg("case %zu accepted: %.*s", i, STR_ARG(cases[i]));
    }
}

/* Others' readers have limits: what one client sends must not keep the next from reading. */
static void
test_long_numbers(void **state)
{
    char text[1100] = "[1";
    struct json *v;

    memset(text + 2, '0', 1023);
    text[1025] = ']';
    text[1026] = '\0';
    assert_int_equal(parse(*state, str_of(text), &v), OK);
    assert_int_equal(v->first->text.n, 1024);
    memset(text + 2, '0', 1024);
    text[1026] = ']';
    text[1027] = '\0';
    assert_int_equal(parse(*state, str_of(text), &v), ERR_INVALID);
}

static void
test_says_where(void **state)
{
    struct json *v;
    size_t where;
    const char *why;

    assert_int_equal(json_parse(*state, S("{\"a\": tru}"), &v, &where, &why), ERR_INVALID);
    assert_int_equal(where, 6);
    assert_int_equal(json_parse(*state, S("[\"abc\xff\"]"), &v, &where, &why), ERR_INVALID);
    assert_int_equal(where, 5);
    assert_int_equal(json_parse(*state, S("[1,2 3]"), &v, &where, &why), ERR_INVALID);
    assert_int_equal(where, 5);
}

/* n opening brackets, then n closing ones. */
static struct str
nested(struct arena *a, size_t n)
{
    char *p = arena_array(a, char, 2 * n);

    memset(p, '[', n);
    memset(p + n, ']', n);
    return str_mem(p, 2 * n);
}

static void
test_depth(void **state)
{
    struct json *v;

    assert_ok(parse(*state, nested(*state, JSON_DEPTH), &v));
    assert_int_equal(rewritten(*state, v).n, 2 * JSON_DEPTH);
    assert_int_equal(parse(*state, nested(*state, JSON_DEPTH + 1), &v), ERR_INVALID);
    assert_int_equal(parse(*state, nested(*state, 100000), &v), ERR_INVALID);
}

static void
test_writer_fails_when_too_deep(void **state)
{
    struct buf *b = buf_in(*state, 10000);
    struct json_writer w;
    struct json *v;

    assert_ok(parse(*state, nested(*state, JSON_DEPTH), &v));
    json_writer_init(&w, b);
    json_begin_object(&w);
    json_key(&w, S("inside"));
    json_value(&w, v);
    json_end_object(&w);
    assert_true(buf_failed(b));
    assert_int_equal(w.depth, 0);
}

static void
test_many_members(void **state)
{
    for (int doubled = 0; doubled <= 1; doubled++) {
        struct buf *b = buf_in(*state, 1 << 20);
        struct json *v;

        buf_char(b, '{');
        for (int i = 0; i < 20000; i++)
            buf_fmt(b, "\"k%d\":%d,", i, i);
        buf_cstr(b, doubled ? "\"k777\":0}" : "\"x\":0}");
        assert_int_equal(parse(*state, buf_view(b), &v), doubled ? ERR_INVALID : OK);
        if (!doubled) {
            assert_int_equal(v->count, 20001);
            assert_str(json_get(v, S("k19999"))->text, S("19999"));
        }
    }
}

static void
test_tree(void **state)
{
    struct json *v;

    assert_ok(parse(*state, S("{\"a\":[1,true,null],\"b\":\"x\"}"), &v));
    assert_int_equal(v->count, 2);
    assert_int_equal(json_get(v, S("a"))->count, 3);
    assert_true(json_get(v, S("a"))->first->next->boolean);
    assert_str(json_get(v, S("b"))->text, S("x"));
    assert_null(json_get(v, S("c")));
    assert_null(json_get(NULL, S("c")));
    assert_null(json_get(json_get(v, S("a")), S("c")));
    assert_false(json_is(NULL, JSON_NULL));
}

static void
test_int64(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"0.000", 0},
        {"0e999999999999", 0},
        {"5.0", 5},
        {"1e3", 1000},
        {"-1e3", -1000},
        {"1.5e1", 15},
        {"1500e-2", 15},
        {"10.0e-1", 1},
        {"120", 120},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775807.000", INT64_MAX},
        {"0.0001e4", 1},
        {"1000000000000000000000e-3", 1000000000000000000},
    };
    static const char *const bad[] = {"0.5",
                                      "1e-1",
                                      "1.05e1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "1e19",
                                      "1e99999999999999999999",
                                      "1e-99999999999999999999",
                                      "12345678901234567890123",
                                      "\"1\"",
                                      "true"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct json *v;
        int64_t got = 1;

        assert_ok(parse(*state, str_of(good[i].text), &v));
        if (json_int64(v, &got) != OK || got != good[i].value)
            fail_msg("%s", good[i].text);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct json *v;
        int64_t got = 7;

        assert_ok(parse(*state, str_of(bad[i]), &v));
        if (json_int64(v, &got) != ERR_INVALID || got != 7)
            fail_msg("%s", bad[i]);
    }
}

static struct str
double_text(struct arena *a, double d)
{
    struct buf *b = buf_in(a, 100);
    struct json_writer w;

    json_writer_init(&w, b);
    json_f64(&w, d);
    return buf_view(b);
}

static void
test_double(void **state)
{
    static const double values[] = {0.1,  1.0 / 3,       1e300, 5e-324, -2.5,
                                    1e21, 123456789.123, 0.0,   -0.0};
    double d;
    struct json *v;

    assert_str(double_text(*state, 0.1), S("0.1"));
    assert_str(double_text(*state, 7.5), S("7.5"));
    assert_str(double_text(*state, 10), S("10"));
    assert_str(double_text(*state, (double)NAN), S("null"));
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_ok(parse(*state, double_text(*state, values[i]), &v));
        assert_ok(json_double(v, &d));
        assert_memory_equal(&d, &values[i], sizeof(d));
    }
    assert_ok(parse(*state, S("1e999"), &v));
    assert_int_equal(json_double(v, &d), ERR_INVALID);
    assert_int_equal(json_double(NULL, &d), ERR_INVALID);
}

static void
test_writer(void **state)
{
    struct buf *b = buf_in(*state, 1000);
    struct json_writer w;

    json_writer_init(&w, b);
    json_begin_object(&w);
    json_kv_str(&w, "a", S("x\n\x01\"\\/"));
    json_kv_str(&w, "n", STR_NULL);
    json_kv_str(&w, "e", S(""));
    json_kv_i64(&w, "i", INT64_MIN);
    json_kv_bool(&w, "t", true);
    json_kv_null(&w, "z");
    json_key(&w, S("l"));
    json_begin_array(&w);
    json_i64(&w, 1);
    json_raw(&w, S("{\"r\":1}"));
    json_begin_object(&w);
    json_end_object(&w);
    json_value(&w, NULL);
    json_end_array(&w);
    json_end_object(&w);
    assert_str(buf_view(b),
               S("{\"a\":\"x\\n\\u0001\\\"\\\\/\",\"n\":null,\"e\":\"\",\"i\":"
                 "-9223372036854775808,\"t\":true,\"z\":null,\"l\":[1,{\"r\":1},{},null]}"));
}

static void
test_writer_mends_bad_utf8(void **state)
{
    struct buf *b = buf_in(*state, 100);
    struct json_writer w;

    json_writer_init(&w, b);
    json_str(&w, S("a\xff"
                   "b\xc3\xa9\xe2\x82"));
    assert_str(buf_view(b), S("\"a\xef\xbf\xbd"
                              "b\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\""));
}

static void
test_writer_escapes_what_is_not_seen(void **state)
{
    struct str odd =
        S("a\x7f\xe2\x80\xae\xc2\x85\xef\xbb\xbf\xc3\xa9\xf3\xa0\x81\x81\xf0\x9f\xa6\x8a\xff");
    struct buf *b = buf_in(*state, 200);
    struct json_writer w;
    struct json *back;
    const char *why;
    size_t where;

    json_writer_init(&w, b);
    w.unseen_escaped = true;
    json_begin_object(&w);
    json_key(&w, odd);
    json_str(&w, odd);
    json_end_object(&w);
    assert_str(
        str_sub(buf_view(b), 1, 49),
        S("\"a\\u007f\\u202e\\u0085\\ufeff\xc3\xa9\\udb40\\udc41\xf0\x9f\xa6\x8a\xef\xbf\xbd\":"));
    assert_ok(json_parse(*state, buf_view(b), &back, &where, &why));
    assert_str(back->first->key, back->first->text);
    assert_str(str_sub(back->first->text, 0, odd.n - 1), str_sub(odd, 0, odd.n - 1));
    buf_clear(b);
    json_writer_init(&w, b);
    json_str(&w, S("a\x7f\xe2\x80\xae"));
    assert_str(buf_view(b), S("\"a\x7f\xe2\x80\xae\""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_accepts),
        ARENA_TEST(test_refuses),
        ARENA_TEST(test_says_where),
        ARENA_TEST(test_long_numbers),
        ARENA_TEST(test_depth),
        ARENA_TEST(test_tree),
        ARENA_TEST(test_writer_fails_when_too_deep),
        ARENA_TEST(test_int64),
        ARENA_TEST(test_many_members),
        ARENA_TEST(test_double),
        ARENA_TEST(test_writer_mends_bad_utf8),
        ARENA_TEST(test_writer),
        ARENA_TEST(test_writer_escapes_what_is_not_seen),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
