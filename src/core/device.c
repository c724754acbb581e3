/* Device cookies, and what fails on them. Owns the tables device and device_lock. */
#include "core/device.h"

#include "audit/audit.h"
#include "base/text.h"
#include "codec/hash.h"
#include "core/limits.h"
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

/* Who signs in without his cookie again and again makes one each time. */
static enum err
drop_oldest(struct cx *cx, const struct device *d)
{
    static const struct sql q =
        SQL_WRITE("device", "DELETE FROM device WHERE tenant_id = $1 AND user_id = $2 AND cuid IN "
                            "(SELECT cuid FROM device WHERE tenant_id = $1 AND user_id = $2 "
                            "ORDER BY created_at DESC, cuid DESC LIMIT 1000 OFFSET $3)");

    return db_exec(cx->tx, &q, ARGS(V_INT(d->tenant_id), V_INT(d->user_id), V_INT(DEVICES_MAX)),
                   NULL);
}

enum err
device_insert(struct cx *cx, const struct device *d)
{
    static const struct sql q = SQL_WRITE(
        "device",
        "INSERT INTO device (tenant_id, cuid, user_id, created_at) VALUES ($1, $2, $3, $4)");

    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(d->tenant_id), V_STR(d->cuid), V_INT(d->user_id), V_INT(cx->now)),
                NULL));
    return drop_oldest(cx, d);
}

/* ---- what fails ---- */

enum err
device_get(struct cx *cx, const struct device *d, int64_t *locked_until)
{
    static const struct sql q =
        SQL_READ("SELECT coalesce((SELECT l.locked_until FROM device_lock l WHERE l.tenant_id = "
                 "d.tenant_id AND l.cuid = d.cuid), 0) FROM device d "
                 "WHERE d.tenant_id = $1 AND d.cuid = $2 AND d.user_id = $3");
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &q, ARGS(V_INT(d->tenant_id), V_STR(d->cuid), V_INT(d->user_id)), &r));
    *locked_until = db_int(r, 0);
    db_rows_end(r);
    return OK;
}

static enum err
read_lock(struct cx *cx, const struct device *d, struct limit_window *w, int64_t *locked_until)
{
    static const struct sql q =
        SQL_READ("SELECT began_at, failures, earlier, locked_until FROM device_lock "
                 "WHERE tenant_id = $1 AND cuid = $2");
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &q, ARGS(V_INT(d->tenant_id), V_STR(d->cuid)), &r);

    *locked_until = 0;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    w->start = db_int(r, 0);
    w->count = db_int(r, 1);
    w->previous = db_int(r, 2);
    *locked_until = db_int(r, 3);
    db_rows_end(r);
    return OK;
}

enum err
device_locked(struct cx *cx, const struct device *d, int64_t *locked_until)
{
    struct limit_window w = {0};

    return read_lock(cx, d, &w, locked_until);
}

/* A lock that stands is not made longer by what was already on its way when it came. */
enum err
device_failed(struct cx *cx, const struct device *d, const struct device_rule *rule, int *count,
              int64_t *locked_until)
{
    static const struct sql q = SQL_WRITE(
        "device_lock",
        "INSERT INTO device_lock (tenant_id, cuid, user_id, began_at, failures, earlier, "
        "locked_until, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
        "ON CONFLICT (tenant_id, cuid) DO UPDATE SET began_at = $4, failures = $5, earlier = $6, "
        "locked_until = $7, expires_at = $8");
    struct limit_window w = {.length = rule->window};
    int64_t locked, expires;

    *locked_until = 0;
    TRY(read_lock(cx, d, &w, &locked));
    limit_window_roll(&w, rule->window, cx->now);
    w.count++;
    *count = limit_window_count(&w, cx->now);
    expires = w.start + 2 * rule->window;
    if (locked <= cx->now && *count >= rule->most) {
        *locked_until = locked = cx->now + rule->release;
        w.count = w.previous = 0; /* a fresh start when the lock is over */
    }
    audit_cover(cx, REASON_LOGIN_COUNTER);
    return db_exec(cx->tx, &q,
                   ARGS(V_INT(d->tenant_id), V_STR(d->cuid), V_INT(d->user_id), V_INT(w.start),
                        V_INT(w.count), V_INT(w.previous), V_INT(locked),
                        V_INT(locked > expires ? locked : expires)),
                   NULL);
}

enum err
device_forgive(struct cx *cx, const struct device *d)
{
    static const struct sql q =
        SQL_WRITE("device_lock", "DELETE FROM device_lock WHERE tenant_id = $1 AND cuid = $2");

    audit_cover(cx, REASON_LOGIN_COUNTER);
    return db_exec(cx->tx, &q, ARGS(V_INT(d->tenant_id), V_STR(d->cuid)), NULL);
}

enum err
device_forgive_all(struct cx *cx, int64_t user_id, bool *locked)
{
    static const struct sql ask =
        SQL_READ("SELECT count(*) FROM device_lock WHERE tenant_id = $1 AND user_id = $2 AND "
                 "locked_until > $3");
    static const struct sql q =
        SQL_WRITE("device_lock", "DELETE FROM device_lock WHERE tenant_id = $1 AND user_id = $2");
    int64_t n = 0;

    TRY(db_query_int(cx->tx, &ask, ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_INT(cx->now)), &n));
    *locked = n > 0;
    audit_cover(cx, REASON_LOGIN_COUNTER);
    return db_exec(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(user_id)), NULL);
}

enum err
device_sweep(struct cx *cx)
{
    static const struct sql locks =
        SQL_WRITE("device_lock", "DELETE FROM device_lock WHERE expires_at < $1");
    static const struct sql old = SQL_WRITE("device", "DELETE FROM device WHERE created_at < $1");

    audit_cover(cx, REASON_LOGIN_COUNTER);
    audit_cover(cx, REASON_EXPIRED);
    TRY(db_exec(cx->tx, &locks, ARGS(V_INT(cx->now)), NULL));
    return db_exec(cx->tx, &old, ARGS(V_INT(cx->now - DEVICE_DAYS * USEC_PER_DAY)), NULL);
}
