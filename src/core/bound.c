/* Bound tokens: 24 random bytes and what they are for, in base64url. Owns no table. */
#include "core/bound.h"

#include "base/rand.h"
#include "base/text.h"
#include "codec/hash.h"
#include "run/app.h"
#include "run/keys.h"

#define SECRET    24
#define TOKEN_MAX 256 /* bytes behind base64url */
#define DOMAIN                                                                                     \
    "recount bound token\n" /* in front of what the key hashes: it hashes other things, too */

struct str
bound_to(struct cx *cx, int64_t tenant_id, int64_t user_id, struct str kind)
{
    return arena_fmt(cx->arena, "%lld/%lld/%.*s", (long long)tenant_id, (long long)user_id,
                     STR_ARG(kind));
}

struct str
bound_new(struct cx *cx, struct str what)
{
    struct buf *b = buf_in(cx->arena, TOKEN_MAX);
    uint8_t secret[SECRET];

    rand_bytes(secret, sizeof secret);
    buf_put(b, secret, sizeof secret);
    buf_str(b, what);
    return base64url_in(cx->arena, buf_view(b));
}

struct str
bound_hash(struct cx *cx, struct str token)
{
    struct sha256 h =
        hmac_sha256(cx->app->keys->blind, arena_fmt(cx->arena, DOMAIN "%.*s", STR_ARG(token)));

    return hex_in(cx->arena, sha256_str(&h));
}

bool
bound_is(struct cx *cx, struct str token, struct str what)
{
    struct buf *b = buf_in(cx->arena, TOKEN_MAX);

    return base64url_get(token, b) == OK && b->n >= SECRET &&
           str_eq(str_sub(buf_view(b), SECRET, SIZE_MAX), what);
}
