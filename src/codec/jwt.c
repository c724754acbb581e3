/* JSON Web Tokens, HS256 only (RFC 7515, 7518 section 3.2, 7519).
 * Owns nothing; keeps no keys. Follows the advice of RFC 8725: one algorithm, one key, no "crit". */
#include "codec/jwt.h"

#include "base/text.h"
#include "codec/hash.h"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static void
check_key(struct str key)
{
    if (key.n < JWT_KEY_MIN)
        BUG("token key of %zu bytes", key.n);
}

struct str
jwt_make(struct arena *a, struct str payload, struct str key)
{
    struct buf *b = buf_in(a, payload.n * 2 + 256);
    struct sha256 mac;

    check_key(key);
    base64url_put(b, S(HEADER));
    buf_char(b, '.');
    base64url_put(b, payload);
    mac = hmac_sha256(key, buf_view(b));
    buf_char(b, '.');
    base64url_put(b, sha256_str(&mac));
    return buf_view(b);
}

/* A base64url part that holds a JSON object. */
static enum err
part_object(struct arena *a, struct str part, struct json **out)
{
    struct buf *b = buf_in(a, JWT_MAX);
    struct json *v;
    size_t where;
    const char *why;

    TRY(base64url_get(part, b));
    TRY(json_parse(a, buf_view(b), &v, &where, &why));
    if (!json_is(v, JSON_OBJECT))
        return ERR_INVALID;
    *out = v;
    return OK;
}

static bool
is_our_header(struct arena *a, struct str part)
{
    struct json *h;
    const struct json *alg, *typ;

    if (part_object(a, part, &h) != OK)
        return false;
    alg = json_get(h, S("alg"));
    typ = json_get(h, S("typ"));
    /* RFC 7515 section 4.1.11: a "crit" that is not understood refuses the token. */
    return json_is(alg, JSON_STRING) && str_eq(alg->text, S("HS256")) &&
           json_get(h, S("crit")) == NULL &&
           (typ == NULL || (json_is(typ, JSON_STRING) && str_ieq(typ->text, S("JWT"))));
}

static bool
is_signature(struct arena *a, struct str signed_part, struct str part, struct str key)
{
    struct buf *b = buf_in(a, SHA256_LEN);
    struct sha256 mac = hmac_sha256(key, signed_part);

    return base64url_get(part, b) == OK && str_eq_secret(buf_view(b), sha256_str(&mac));
}

/* A time claim (RFC 7519 NumericDate, whole seconds); untouched when absent. */
static enum err
time_claim(const struct json *payload, struct str name, int64_t *out)
{
    const struct json *v = json_get(payload, name);

    return v == NULL ? OK : json_int64(v, out);
}

enum err
jwt_verify(struct arena *a, struct str token, struct str key, struct jwt *out)
{
    struct str rest = token, header, payload, signature;
    struct jwt t = {0};
    struct json *v;

    check_key(key);
    if (token.n > JWT_MAX || !str_cut(&rest, '.', &header) || !str_cut(&rest, '.', &payload) ||
        !str_cut(&rest, '.', &signature) || !str_is_null(rest))
        return ERR_UNAUTHORIZED;
    if (!is_our_header(a, header) ||
        !is_signature(a, str_mem(token.p, header.n + 1 + payload.n), signature, key))
        return ERR_UNAUTHORIZED;
    if (part_object(a, payload, &v) != OK || time_claim(v, S("exp"), &t.exp) != OK ||
        time_claim(v, S("iat"), &t.iat) != OK)
        return ERR_UNAUTHORIZED;
    t.payload = v;
    *out = t;
    return OK;
}
