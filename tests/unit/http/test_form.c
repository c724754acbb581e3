/* Forms: what is read, and what is refused. */
#include "client.h"

#define B "multipart/form-data; boundary=XyZ"
#define PART(disposition, value)                                                                   \
    "--XyZ\r\nContent-Disposition: " disposition "\r\n\r\n" value "\r\n"
#define END "--XyZ--\r\n"

static void
forms_table(void **state)
{
    static const struct {
        const char *name;
        enum err expect;
        const char *type;
        struct str body;
        const char *dump; /* name|filename|type|value; … */
    } cases[] = {
#define CASE(name, expect, type, body, dump) {name, expect, type, {body, sizeof(body) - 1}, dump}
        CASE("one", OK, B, PART("form-data; name=\"a\"", "1") END, "a|-|-|1;"),
        CASE("two", OK, B, PART("form-data; name=\"a\"", "1") PART("form-data; name=b", "") END,
             "a|-|-|1;b|-|-|;"),
        CASE("no final CRLF", OK, B, PART("form-data; name=a", "1") "--XyZ--", "a|-|-|1;"),
        CASE("none", OK, B, END, ""),
        CASE("quoted boundary", OK, "Multipart/Form-Data; charset=x; boundary=\"XyZ\"",
             PART("form-data; name=a", "1") END, "a|-|-|1;"),
        CASE(
            "file", OK, B,
            "--XyZ\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".xml\"\r\n"
            "Content-Type: text/xml\r\n\r\n<a/>\r\n\xff\r\n" END,
            "file|a \"b\".xml|text/xml|<a/>\r\n\xff;"),
        CASE("windows path", OK, B, PART("form-data; name=f; filename=\"C:\\x\\y.xml\"", "") END,
             "f|C:\\x\\y.xml|-|;"),
        CASE("semicolon in quotes", OK, B, PART("form-data; name=\"a;b=c\"", "1") END,
             "a;b=c|-|-|1;"),
        CASE("bytes", OK, B,
             "--XyZ\r\nContent-Disposition: form-data; name=file\r\n"
             "Content-Type: application/octet-stream\r\n\r\n\xfe\r\n" END,
             "file|-|application/octet-stream|\xfe;"),
        CASE("filename* is ignored", OK, B, PART("form-data; name=a; filename*=UTF-8''x", "1") END,
             "a|-|-|1;"),
        CASE("line ends kept", OK, B, PART("form-data; name=a", "x\r\n\r\n--Xy\r\n") END,
             "a|-|-|x\r\n\r\n--Xy\r\n;"),
        CASE("no boundary", ERR_INVALID, "multipart/form-data", END, NULL),
        CASE("two boundaries", ERR_INVALID, B "; boundary=q", END, NULL),
        CASE("bad boundary", ERR_INVALID, "multipart/form-data; boundary=\"a\x01\"", END, NULL),
        CASE("empty boundary", ERR_INVALID, "multipart/form-data; boundary=\"\"", "----\r\n", NULL),
        CASE("open quote", ERR_INVALID, "multipart/form-data; boundary=\"XyZ", END, NULL),
        CASE("preamble", ERR_INVALID, B, "hello\r\n" END, NULL),
        CASE("epilogue", ERR_INVALID, B, END "more", NULL),
        CASE("no end", ERR_INVALID, B, PART("form-data; name=a", "1"), NULL),
        CASE("cut", ERR_INVALID, B, "--XyZ\r\nContent-Disposition: form-data; name=a\r\n", NULL),
        CASE("bare LF", ERR_INVALID, B,
             "--XyZ\nContent-Disposition: form-data; name=a\n\n1\n--XyZ--\n", NULL),
        CASE("no name", ERR_INVALID, B, PART("form-data; filename=a", "1") END, NULL),
        CASE("empty name", ERR_INVALID, B, PART("form-data; name=\"\"", "1") END, NULL),
        CASE("two names", ERR_INVALID, B, PART("form-data; name=a; name=b", "1") END, NULL),
        CASE("two dispositions", ERR_INVALID, B,
             PART("form-data; name=a\r\nContent-Disposition: form-data; name=b", "1") END, NULL),
        CASE("not form-data", ERR_INVALID, B, PART("attachment; name=a", "1") END, NULL),
        CASE("no header", ERR_INVALID, B, "--XyZ\r\n\r\n1\r\n" END, NULL),
        CASE("folded header", ERR_INVALID, B, PART("form-data;\r\n name=a", "1") END, NULL),
        CASE("base64", ERR_MEDIA_TYPE, B,
             PART("form-data; name=a\r\nContent-Transfer-Encoding: base64", "MQ==") END, NULL),
        CASE("text not UTF-8", ERR_INVALID, B, PART("form-data; name=a", "\xff") END, NULL),
        CASE("name not UTF-8", ERR_INVALID, B, PART("form-data; name=\"\xff\"", "1") END, NULL),
        CASE("text with NUL", ERR_INVALID, B, PART("form-data; name=a", "1\0002") END, NULL),
        CASE("empty", ERR_INVALID, B, "", NULL),
        CASE("urlencoded", OK, "application/x-www-form-urlencoded; charset=UTF-8",
             "a=1+2&b=%C3%A4&&c&d==", "a|-|-|1 2;b|-|-|\xC3\xA4;c|-|-|;d|-|-|=;"),
        CASE("urlencoded empty", OK, "application/x-www-form-urlencoded", "", ""),
        CASE("urlencoded bad", ERR_INVALID, "application/x-www-form-urlencoded", "a=%f", NULL),
        CASE("urlencoded not UTF-8", ERR_INVALID, "application/x-www-form-urlencoded", "a=%ff",
             NULL),
        CASE("other type", ERR_MEDIA_TYPE, "text/plain", "a=1", NULL),
        CASE("no type", ERR_MEDIA_TYPE, "", "a=1", NULL),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *a = arena_create("test", 1 << 20);
        struct form_part *parts = NULL;
        struct buf *b = buf_in(a, 1 << 16);
        size_t n = 0;
        enum err rc = form_parse(a, str_of(cases[i].type), cases[i].body, &parts, &n);

        for (size_t k = 0; k < n; k++)
            buf_fmt(b, "%.*s|%.*s|%.*s|%.*s;", STR_ARG(parts[k].name),
                    STR_ARG(parts[k].filename.p ? parts[k].filename : S("-")),
                    STR_ARG(parts[k].type.p ? parts[k].type : S("-")), STR_ARG(parts[k].value));
        if (rc != cases[i].expect)
            fail_msg("%s: %s instead of %s", cases[i].name, err_name(rc),
                     err_name(cases[i].expect));
        if (rc == OK && !str_eq(buf_view(b), str_of(cases[i].dump)))
            fail_msg("%s: %.*s instead of %s", cases[i].name, STR_ARG(buf_view(b)), cases[i].dump);
        arena_free(a);
    }
}

static void
parts_are_bounded(void **state)
{
    struct arena *a = arena_create("test", 1 << 22);
    struct buf *b = buf_in(a, 1 << 20);
    struct form_part *parts;
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 257; i++)
        buf_cstr(b, PART("form-data; name=a", "1"));
    buf_cstr(b, END);
    assert_int_equal(form_parse(a, S(B), buf_view(b), &parts, &n), ERR_TOO_LARGE);
    buf_clear(b);
    for (int i = 0; i < 257; i++)
        buf_cstr(b, "a=1&");
    assert_int_equal(form_parse(a, S("application/x-www-form-urlencoded"), buf_view(b), &parts, &n),
                     ERR_TOO_LARGE);
    buf_clear(b);
    buf_fmt(b,
            "--XyZ\r\nFoo: %05000d\r\n"
            "Content-Disposition: form-data; name=a\r\n\r\n\r\n" END,
            1);
    assert_int_equal(form_parse(a, S(B), buf_view(b), &parts, &n), ERR_INVALID);
    assert_int_equal(n, 0);
    arena_free(a);
}

/* Every prefix of a good form is refused or read, never read past. */
static void
prefixes_are_safe(void **state)
{
    static const char good[] =
        PART("form-data; name=\"a\\\"\"; filename=\"b\"", "1") PART("form-data; name=b", "2") END;
    struct form_part *parts;
    size_t n;

    (void)state;
    for (size_t len = 0; len < sizeof(good); len++) {
        struct arena *a = arena_create("test", 1 << 20);
        char *copy = malloc(len + 1); /* exact, so that a sanitiser sees a byte too many */
        enum err rc;

        assert_non_null(copy);
        memcpy(copy, good, len);
        copy = realloc(copy, len > 0 ? len : 1);
        rc = form_parse(a, S(B), str_mem(copy, len), &parts, &n);
        assert_true((rc == OK) == (len >= sizeof(good) - 1 || len == sizeof(good) - 3));
        free(copy);
        arena_free(a);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_table),
        cmocka_unit_test(parts_are_bounded),
        cmocka_unit_test(prefixes_are_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
