/* Tokens: a known one, the round trip, and everything that must be refused. */
#include "../base/support.h"

#include "base/buf.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/jwt.h"

#define KEY S("0123456789abcdef0123456789abcdef")

/* A token with any header, rightly signed. */
static struct str
signed_with(struct arena *a, struct str header, struct str payload, struct str key)
{
    struct buf *b = buf_in(a, 20000);
    struct sha256 mac;

    base64url_put(b, header);
    buf_char(b, '.');
    base64url_put(b, payload);
    mac = hmac_sha256(key, buf_view(b));
    buf_char(b, '.');
    base64url_put(b, sha256_str(&mac));
    return buf_view(b);
}

/* RFC 7515 appendix A.1. */
static void
test_published_token(void **state)
{
    struct buf *key = buf_in(*state, 100);
    struct jwt t;

    assert_ok(base64url_get(
        S("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjA"
          "zZr1Z9CAow"),
        key));
    assert_ok(jwt_verify(*state,
                         S("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                           "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                           "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
                           "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                         buf_view(key), &t));
    assert_int_equal(t.exp, 1300819380);
    assert_int_equal(t.iat, 0);
    assert_str(json_get(t.payload, S("iss"))->text, S("joe"));
}

static void
test_round_trip(void **state)
{
    struct str token = jwt_make(*state, S("{\"sub\":\"u1\",\"iat\":100,\"exp\":200}"), KEY);
    struct jwt t;

    assert_ok(jwt_verify(*state, token, KEY, &t));
    assert_str(json_get(t.payload, S("sub"))->text, S("u1"));
    assert_int_equal(t.iat, 100);
    assert_int_equal(t.exp, 200);
    assert_int_equal(jwt_verify(*state, token, S("0123456789abcdef0123456789abcdeX"), &t),
                     ERR_UNAUTHORIZED);
}

/* No single changed byte may pass. */
static void
test_every_byte_counts(void **state)
{
    struct str token = jwt_make(*state, S("{\"sub\":\"u1\"}"), KEY);
    char *p = arena_cstr(*state, token);
    struct jwt t;

    for (size_t i = 0; i < token.n; i++) {
        char was = p[i];

        p[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(jwt_verify(*state, str_mem(p, token.n), KEY, &t), ERR_UNAUTHORIZED);
        p[i] = was;
        assert_int_equal(jwt_verify(*state, str_mem(p, i), KEY, &t), ERR_UNAUTHORIZED);
    }
    assert_ok(jwt_verify(*state, str_mem(p, token.n), KEY, &t));
}

static void
test_refuses(void **state)
{
    static const struct str headers[] = {
        S("{\"alg\":\"none\"}"),
        S("{\"alg\":\"HS512\"}"),
        S("{\"alg\":\"hs256\"}"),
        S("{}"),
        S("[]"),
        S("{\"alg\":\"HS256\",\"crit\":[\"x\"]}"),
        S("{\"alg\":\"HS256\",\"typ\":\"JWE\"}"),
        S("{\"alg\":\"HS256\",\"alg\":\"HS256\"}"),
        S("{\"alg\":1}"),
        S("x"),
        S(""),
    };
    static const struct str payloads[] = {
        S("[]"), S("\"x\""), S("{\"exp\":\"1\"}"), S("{\"exp\":1.5}"), S("{"), S("{\"iat\":null}"),
        S("")};
    static const struct str tokens[] = {S(""),
                                        S("."),
                                        S(".."),
                                        S("a.b"),
                                        S("a.b.c.d"),
                                        S("e30.e30."),
                                        S("eyJhbGciOiJub25lIn0.e30.")};
    struct jwt t = {.exp = 7};

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (jwt_verify(*state, signed_with(*state, headers[i], S("{}"), KEY), KEY, &t) !=
            ERR_UNAUTHORIZED)
            fail_msg("header %.*s", STR_ARG(headers[i]));
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
        if (jwt_verify(*state, signed_with(*state, S("{\"alg\":\"HS256\"}"), payloads[i], KEY), KEY,
                       &t) != ERR_UNAUTHORIZED)
            fail_msg("payload %.*s", STR_ARG(payloads[i]));
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
        assert_int_equal(jwt_verify(*state, tokens[i], KEY, &t), ERR_UNAUTHORIZED);
    assert_int_equal(t.exp, 7);
}

/* The longest token, and one of a digit more. */
static void
test_longest(void **state)
{
    static const struct str header = S("{\"alg\":\"HS256\"}");
    struct str token;
    struct jwt t;

    for (int n = 6060; n < 6100; n++) {
        token = signed_with(*state, header, arena_fmt(*state, "{\"p\":\"%0*d\"}", n, 0), KEY);
        assert_int_equal(jwt_verify(*state, token, KEY, &t) == OK, token.n <= JWT_MAX);
        if (token.n > JWT_MAX)
            break;
    }
    assert_in_range(token.n, JWT_MAX + 1, JWT_MAX + 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_published_token),   ARENA_TEST(test_round_trip),
        ARENA_TEST(test_every_byte_counts), ARENA_TEST(test_refuses),
        ARENA_TEST(test_longest),
    };

    return cmocka_run_group_tests_name("jwt", tests, NULL, NULL);
}
