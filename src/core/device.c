/* Device cookies. Owns the table device. */
#include "core/device.h"

#include "base/text.h"
#include "codec/hash.h"
#include "run/app.h"
#include "run/keys.h"

struct str
device_cookie(struct cx *cx, struct str cuid, struct str email_folded)
{
    struct str said = arena_fmt(cx->arena, "%.*s\n%.*s", STR_ARG(cuid), STR_ARG(email_folded));
    struct sha256 h = hmac_sha256(cx->app->keys->device, said);
    struct str mac = hex_in(cx->arena, sha256_str(&h));

    return arena_fmt(cx->arena, "%.*s.%.*s", STR_ARG(cuid), STR_ARG(mac));
}

bool
device_is_known(struct cx *cx, struct str cookie, struct str email_folded, struct str *cuid)
{
    struct str id;

    if (cookie.n != CUID_LEN + 1 + 2 * SHA256_LEN)
        return false;
    id = str_sub(cookie, 0, CUID_LEN);
    if (!cuid_is(id) || !str_eq_secret(device_cookie(cx, id, email_folded), cookie))
        return false;
    *cuid = id;
    return true;
}

enum err
device_list(struct cx *cx, int64_t user_id, struct str **out, size_t *n)
{
    static const struct sql q =
        SQL_READ("SELECT cuid FROM device WHERE tenant_id = $1 AND user_id = $2 ORDER BY cuid");
    struct str *v = NULL;
    size_t cap = 0, k = 0;
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(user_id)), &r));
    while ((e = db_next(r)) == OK) {
        arena_grow(cx->arena, v, k, &cap, 16);
        v[k++] = arena_str(cx->arena, db_text(r, 0));
    }
    *out = v;
    *n = k;
    return e == ERR_END ? OK : e;
}

enum err
device_insert(struct cx *cx, int64_t tenant_id, int64_t user_id, struct str cuid)
{
    static const struct sql q = SQL_WRITE(
        "device",
        "INSERT INTO device (tenant_id, cuid, user_id, created_at) VALUES ($1, $2, $3, $4)");

    return db_exec(cx->tx, &q, ARGS(V_INT(tenant_id), V_STR(cuid), V_INT(user_id), V_INT(cx->now)),
                   NULL);
}
