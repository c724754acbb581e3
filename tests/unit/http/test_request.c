/* What is let in: malformed requests over raw sockets, and how good ones arrive at the handler. */
#include "client.h"

/* Answers with everything it was given, one thing a line. */
static void
echo(void *arg, struct http_request *q, struct http_response *rs)
{
    struct buf *b = buf_in(q->arena, 1 << 16);

    (void)arg;
    buf_fmt(b, "%.*s %.*s host=%.*s address=%.*s via=%.*s\n", STR_ARG(q->method_name),
            STR_ARG(q->path), STR_ARG(q->host), STR_ARG(q->address), STR_ARG(q->via));
    for (size_t i = 0; i < q->n_query; i++)
        buf_fmt(b, "q[%.*s]=[%.*s]\n", STR_ARG(q->query[i].name), STR_ARG(q->query[i].value));
    buf_fmt(b, "cookie=[%.*s] body=[%.*s] tls=%d\n", STR_ARG(http_cookie(q, S("sid"))),
            STR_ARG(q->body), q->tls);
    rs->status = 200;
    rs->content_type = S("text/plain; charset=utf-8");
    rs->body = buf_view(b);
}

static struct test_server plain = {
    .o = {.handle = echo, .trusted_proxies = {"127.0.0.0/8, ::1", 16}}};

static int
up(void **state)
{
    (void)state;
    server_up(&plain);
    return 0;
}

static int
down(void **state)
{
    (void)state;
    server_down(&plain);
    return 0;
}

#define CLOSE "Connection: close\r\n\r\n"
#define GOOD  200

static void
malformed_are_refused(void **state)
{
    static const struct {
        const char *name;
        int status; /* 0: closed without a word is fine as well as 400 */
        struct str bytes;
    } cases[] = {
#define CASE(name, status, text)                                                                   \
    {                                                                                              \
        name, status,                                                                              \
        {                                                                                          \
            text, sizeof(text) - 1                                                                 \
        }                                                                                          \
    }
        CASE("good", GOOD, "GET /a HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("good absolute", GOOD, "GET http://y/a HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("good options *", GOOD, "OPTIONS * HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("good 1.0 without host", GOOD, "GET /a HTTP/1.0\r\n\r\n"),
        CASE("good utf-8", GOOD, "GET /%C3%A4?%C3%B6=%e2%82%ac HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("good final slash", GOOD, "GET /a/ HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("no host", 400, "GET /a HTTP/1.1\r\n" CLOSE),
        CASE("two hosts", 400, "GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n" CLOSE),
        CASE("host with a path", 400, "GET /a HTTP/1.1\r\nHost: x/y\r\n" CLOSE),
        CASE("empty host", 400, "GET /a HTTP/1.1\r\nHost:\r\n" CLOSE),
        CASE("two lengths", 400,
             "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
        CASE("two different lengths", 400,
             "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nabcde"),
        CASE("list of lengths", 400,
             "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na"),
        CASE("signed length", 400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na"),
        CASE("negative length", 400, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na"),
        CASE("huge length", 0,
             "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\na"),
        CASE(
            "length and coding", 400,
            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\n"),
        CASE("coding twice", 400,
             "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
             "chunked\r\n\r\n0\r\n\r\n"),
        CASE("coding unknown", 400,
             "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        CASE("coding in 1.0", 400,
             "POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        CASE("bad chunk", 400,
             "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
        CASE("space before colon", 400, "GET /a HTTP/1.1\r\nHost: x\r\nFoo : b\r\n" CLOSE),
        CASE("control byte in value", 400, "GET /a HTTP/1.1\r\nHost: x\r\nFoo: a\001b\r\n" CLOSE),
        CASE("control byte in name", 400, "GET /a HTTP/1.1\r\nHost: x\r\nFo\001o: b\r\n" CLOSE),
        CASE("bare CR in value", 0, "GET /a HTTP/1.1\r\nHost: x\r\nFoo: a\rb\r\n" CLOSE),
        CASE("value not UTF-8", 400, "GET /a HTTP/1.1\r\nHost: x\r\nFoo: \xff\r\n" CLOSE),
        CASE("header without colon", 400, "GET /a HTTP/1.1\r\nHost: x\r\nFoo\r\n" CLOSE),
        CASE("dot segment", 400, "GET /a/../b HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("encoded dot segment", 400, "GET /a/%2e%2E/b HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("single dot", 400, "GET /a/. HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("double slash", 400, "GET /a//b HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("hidden slash", 400, "GET /a%2fb HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("backslash", 400, "GET /a%5Cb HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("encoded NUL", 400, "GET /a%00 HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("encoded control", 400, "GET /a%0ab HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("bad escape", 400, "GET /a%zz HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("cut escape", 400, "GET /a%2 HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("path not UTF-8", 400, "GET /%ff HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("overlong UTF-8", 400, "GET /%c0%ae%c0%ae/ HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("raw byte in path", 400, "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("fragment", 400, "GET /a#b HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("no slash", 400, "GET a HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("query not UTF-8", 400, "GET /a?b=%ff HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("query with NUL", 400, "GET /a?b=%00 HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("method not a token", 400, "G(T /a HTTP/1.1\r\nHost: x\r\n" CLOSE),
        CASE("expectation", 417, "POST /a HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n" CLOSE),
        CASE("unknown version", 0, "GET /a HTTP/3.7\r\nHost: x\r\n" CLOSE),
        CASE("no HTTP at all", 0, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
#undef CASE
    };
    struct reply r;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = client_once(plain.port, cases[i].bytes.p, cases[i].bytes.n, &r);

        if (cases[i].status != 0 ? status != cases[i].status : (status != 0 && status / 100 == 2))
            fail_msg("%s: %d instead of %d\n%s", cases[i].name, status, cases[i].status, r.p);
        if (strstr(r.p, "\r\nServer:") != NULL)
            fail_msg("%s: tells the server's name", cases[i].name);
    }
}

static void
overlong_are_refused(void **state)
{
    static char big[1 << 17];
    struct reply r;
    int n, status;

    (void)state;
    n = snprintf(big, sizeof(big), "GET /%09000d HTTP/1.1\r\nHost: x\r\n" CLOSE, 1);
    assert_int_equal(client_once(plain.port, big, (size_t)n, &r), 414);
    n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\nHost: x\r\nFoo: %060000d\r\n" CLOSE, 1);
    status = client_once(plain.port, big, (size_t)n, &r);
    assert_true(status == 431 || status == 0 || status == 413);
    n = snprintf(big, sizeof(big), "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 120; i++)
        n += snprintf(big + n, sizeof(big) - (size_t)n, "X-%d: y\r\n", i);
    n += snprintf(big + n, sizeof(big) - (size_t)n, CLOSE);
    assert_int_equal(client_once(plain.port, big, (size_t)n, &r), 431);
}

static void
parts_arrive_decoded(void **state)
{
    static const char get[] = "GET /a%20b/%C3%A4?x=1+2&y=%26?z=3&w HTTP/1.1\r\nHost: h:1\r\n"
                              "Cookie: a=b; sid=abc\r\nCookie: sid=second\r\n" CLOSE;
    static const char post[] = "POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
                               "Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    struct reply r;

    (void)state;
    assert_int_equal(client_once(plain.port, get, sizeof(get) - 1, &r), 200);
    assert_non_null(strstr(r.p, "GET /a b/\xC3\xA4 host=h:1 "));
    assert_non_null(strstr(r.p, "q[x]=[1 2]\nq[y]=[&]\nq[z]=[3]\nq[w]=[]\n"));
    assert_non_null(strstr(r.p, "cookie=[abc]"));
    assert_non_null(strstr(r.p, "Content-Length: "));
    assert_int_equal(client_once(plain.port, post, sizeof(post) - 1, &r), 200);
    assert_non_null(strstr(r.p, "body=[abcde]"));
}

static void
head_has_no_body(void **state)
{
    static const char head[] = "HEAD /a HTTP/1.1\r\nHost: h\r\n" CLOSE;
    struct reply r;

    (void)state;
    assert_int_equal(client_once(plain.port, head, sizeof(head) - 1, &r), 200);
    assert_non_null(strstr(r.p, "Content-Length: "));
    assert_null(strstr(r.p, "Content-Length: 0"));
    assert_string_equal(strstr(r.p, "\r\n\r\n"), "\r\n\r\n");
}

static void
forwarded_address(void **state)
{
    static const struct {
        const char *headers, *expect;
    } cases[] = {
        {"", "address=127.0.0.1 via=\n"},
        {"X-Forwarded-For: 9.9.9.9\r\n", "address=9.9.9.9 via=127.0.0.1\n"},
        {"X-Forwarded-For: 1.1.1.1, 9.9.9.9\r\n", "address=9.9.9.9 via=127.0.0.1\n"},
        {"X-Forwarded-For: 1.1.1.1, 9.9.9.9, 127.0.0.2\r\n", "address=9.9.9.9 via=127.0.0.1\n"},
        {"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 9.9.9.9\r\n",
         "address=9.9.9.9 via=127.0.0.1\n"},
        {"X-Forwarded-For: 9.9.9.9:4711\r\n", "address=9.9.9.9 via=127.0.0.1\n"},
        {"X-Forwarded-For: [2001:DB8::1]:99\r\n", "address=2001:db8::1 via=127.0.0.1\n"},
        {"X-Forwarded-For: 2001:db8:0::7\r\n", "address=2001:db8::7 via=127.0.0.1\n"},
        {"X-Forwarded-For: ::ffff:9.9.9.9\r\n", "address=9.9.9.9 via=127.0.0.1\n"},
        {"X-Forwarded-For: ::1, 127.0.0.7\r\n", "address=::1 via=127.0.0.1\n"},
        {"X-Forwarded-For: 1.1.1.1, unknown\r\n", "address=127.0.0.1 via=\n"},
        {"X-Forwarded-For: 1.1.1.1, unknown, 127.0.0.3\r\n", "address=127.0.0.3 via=127.0.0.1\n"},
        {"X-Forwarded-For: ,\r\n", "address=127.0.0.1 via=\n"},
        {"X-Forwarded-For: 9.9.9.9:x\r\n", "address=127.0.0.1 via=\n"},
    };
    struct reply r;
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int n =
            snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n%s" CLOSE, cases[i].headers);

        assert_int_equal(client_once(plain.port, text, (size_t)n, &r), 200);
        if (strstr(r.p, cases[i].expect) == NULL)
            fail_msg("%s: expected %s, got %s", cases[i].headers, cases[i].expect, r.p);
    }
}

static void
strangers_are_not_believed(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9\r\n"
                              "X-Forwarded-Proto: https\r\n" CLOSE;
    struct test_server t = {.o = {.handle = echo, .trusted_proxies = {"10.0.0.0/8", 10}}};
    struct reply r;

    (void)state;
    server_up(&t);
    assert_int_equal(client_once(t.port, get, sizeof(get) - 1, &r), 200);
    assert_non_null(strstr(r.p, "address=127.0.0.1 via=\n"));
    assert_non_null(strstr(r.p, "tls=0"));
    assert_int_equal(client_once(plain.port, get, sizeof(get) - 1, &r), 200);
    assert_non_null(strstr(r.p, "tls=1"));
    server_down(&t);
}

static void
bad_options_are_told(void **state)
{
    struct http_options o = {
        .host = S("127.0.0.1"), .handle = echo, .trusted_proxies = S("10.0.0.0/99")};
    struct arena *a = arena_create("test", 1 << 20);
    struct http_server *s = NULL;
    struct str why = STR_NULL;

    (void)state;
    assert_int_equal(http_start(a, &o, &s, &why), ERR_INVALID);
    assert_true(why.n > 0);
    o.trusted_proxies = STR_NULL;
    o.port = plain.port;
    why = STR_NULL;
    assert_int_equal(http_start(a, &o, &s, &why), ERR_IO);
    assert_true(why.n > 0);
    assert_null(s);
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_are_refused), cmocka_unit_test(overlong_are_refused),
        cmocka_unit_test(parts_arrive_decoded),  cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(forwarded_address),     cmocka_unit_test(strangers_are_not_believed),
        cmocka_unit_test(bad_options_are_told),
    };

    return cmocka_run_group_tests(tests, up, down);
}
