/* Tokens. The first byte says what the rest is:
 *   r   a token as received: whatever is accepted carries the signature of its first two parts
 *   p   a payload: our token of it is accepted when it is an object with whole times, and no token
 *       with one letter changed is
 *   h   a header and, behind a line end, a payload, signed as they are: only our header passes */
#include "base/text.h"
#include "codec/hash.h"
#include "codec/jwt.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)64 << 20)
#define CHANGES   24

static const struct str key = {"a key of the fuzz target, 32 bytes and more", 43};

/* The token of a header and a payload, both as they are. */
static struct str
sign(struct arena *a, struct str header, struct str payload)
{
    struct buf *b = buf_in(a, (header.n + payload.n) * 2 + 256);
    struct sha256 mac;

    base64url_put(b, header);
    buf_char(b, '.');
    base64url_put(b, payload);
    mac = hmac_sha256(key, buf_view(b));
    buf_char(b, '.');
    base64url_put(b, sha256_str(&mac));
    return buf_view(b);
}

static void
check_raw(struct arena *a, struct str token)
{
    struct str rest = token, parts[3] = {STR_NULL};
    struct buf *h = buf_in(a, JWT_MAX), *p = buf_in(a, JWT_MAX);
    struct jwt t;

    if (jwt_verify(a, token, key, &t) != OK)
        return;
    for (size_t i = 0; i < 3; i++)
        str_cut(&rest, '.', &parts[i]);
    HOLDS(base64url_get(parts[0], h) == OK && base64url_get(parts[1], p) == OK,
          "a part that is no base64");
    HOLDS(str_eq(sign(a, buf_view(h), buf_view(p)), token), "accepted without our signature");
}

/* What jwt_verify must say of a payload in a token that is ours. */
static bool
is_good(struct arena *a, struct str payload, int64_t *exp)
{
    const struct json *e, *i;
    struct json *v;
    const char *why;
    size_t where;
    int64_t iat;

    *exp = 0;
    if (json_parse(a, payload, &v, &where, &why) != OK || v->type != JSON_OBJECT)
        return false;
    e = json_get(v, S("exp"));
    i = json_get(v, S("iat"));
    return (e == NULL || json_int64(e, exp) == OK) && (i == NULL || json_int64(i, &iat) == OK);
}

static void
check_changed(struct arena *a, struct str token)
{
    char *p = arena_cstr(a, token);
    struct jwt t;

    for (size_t i = 0; i < CHANGES; i++) {
        size_t at = (token.n - 1) * i / (CHANGES - 1);
        char was = p[at];

        p[at] = was == 'A' ? 'B' : 'A';
        HOLDS(jwt_verify(a, str_mem(p, token.n), key, &t) != OK, "changed and accepted");
        p[at] = was;
    }
}

static void
check_payload(struct arena *a, struct str payload)
{
    struct str token = jwt_make(a, payload, key);
    int64_t exp;
    bool good = is_good(a, payload, &exp);
    struct jwt t;

    if (token.n > JWT_MAX)
        good = false;
    HOLDS((jwt_verify(a, token, key, &t) == OK) == good, "a payload judged otherwise");
    if (!good)
        return;
    HOLDS(t.exp == exp && json_is(t.payload, JSON_OBJECT), "another payload");
    check_changed(a, token);
}

static void
check_header(struct arena *a, struct str header, struct str payload)
{
    const struct json *alg;
    struct json *v = NULL;
    struct jwt t;
    const char *why;
    size_t where;

    if (jwt_verify(a, sign(a, header, payload), key, &t) != OK)
        return;
    HOLDS(json_parse(a, header, &v, &where, &why) == OK, "a header that is no JSON");
    alg = json_get(v, S("alg"));
    HOLDS(json_is(alg, JSON_STRING) && str_eq(alg->text, S("HS256")), "another algorithm");
    HOLDS(json_get(v, S("crit")) == NULL, "a critical header nobody reads");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str rest = size > 0 ? fuzz_text(data + 1, size - 1) : S(""), header;

    if (size > 0 && data[0] == 'r')
        check_raw(a, rest);
    if (size > 0 && data[0] == 'p')
        check_payload(a, rest);
    if (size > 0 && data[0] == 'h' && str_cut(&rest, '\n', &header))
        check_header(a, header, str_is_null(rest) ? S("") : rest);
    arena_free(a);
    return 0;
}
