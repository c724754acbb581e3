/* Retention of the log. Owns the table audit_retention and the setting audit.months_kept. */
#include "core/retention.h"

#include "core/hold.h"
#include "core/settings.h"
#include "core/trail.h"
#include "run/app.h"

#define FIRST_TENANT 0

static struct str
months_text(struct cx *cx, int64_t n)
{
    return arena_fmt(cx->arena, "%lld", (long long)n);
}

enum err
retention_get(struct cx *cx, struct retention *out)
{
    static const struct sql q =
        SQL_READ("SELECT a.months, a.asked_at, a.effective_at, u.first, u.last"
                 " FROM audit_retention a LEFT JOIN user_account u"
                 " ON u.tenant_id = a.tenant_id AND u.user_id = a.asked_by WHERE a.tenant_id = $1");
    struct settings *all = arena_new(cx->arena, struct settings);
    struct retention got = {0};
    struct db_rows *r;
    enum err e;

    TRY(settings_load(cx, FIRST_TENANT, all));
    got.months = settings_int(all, SET_AUDIT_MONTHS);
    e = db_query_one(cx->tx, &q, ARGS(V_INT(FIRST_TENANT)), &r);
    if (e == OK) {
        got.pending = db_int(r, 0);
        got.asked_at = db_int(r, 1);
        got.effective_at = db_int(r, 2);
        if (!db_is_null(r, 3))
            got.asked_by = user_full_name(cx->arena, db_text(r, 3), db_text(r, 4));
        db_rows_end(r);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    *out = got;
    return OK;
}

/* ---- changing ---- */

static const struct sql DROP_PENDING =
    SQL_WRITE("audit_retention", "DELETE FROM audit_retention WHERE tenant_id = $1");

static enum err
record(struct cx *cx, enum event ev, struct str text, struct str field, int64_t before,
       int64_t after)
{
    struct audit_change c = {field, months_text(cx, before), months_text(cx, after)};
    struct audit_entry e = {
        .event = ev, .text = text, .target_kind = S("audit"), .changes = &c, .n_changes = 1};

    return audit_record(cx, &e, NULL);
}

static enum err
announce(struct cx *cx, const struct retention *now, int64_t months)
{
    static const struct sql q = SQL_WRITE(
        "audit_retention",
        "INSERT INTO audit_retention (tenant_id, months, asked_by, asked_at, effective_at)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id) DO UPDATE SET"
        " months = excluded.months, asked_by = excluded.asked_by,"
        " asked_at = excluded.asked_at, effective_at = excluded.effective_at");
    int64_t day = cx->now + RETENTION_NOTICE_US;

    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(FIRST_TENANT), V_INT(months), V_INT(cx->actor.user_id), V_INT(cx->now),
                     V_INT(day)),
                NULL));
    return record(cx, EV_RETENTION_ANNOUNCED,
                  arena_fmt(cx->arena,
                            "%.*s announced that the audit log will be kept for %lld instead of "
                            "%lld whole months from %.*s on",
                            STR_ARG(trail_actor(cx)), (long long)months, (long long)now->months,
                            STR_ARG(time_iso(cx->arena, day))),
                  S("audit.months_kept"), now->months, months);
}

static enum err
take_back(struct cx *cx, const struct retention *now)
{
    TRY(db_exec(cx->tx, &DROP_PENDING, ARGS(V_INT(FIRST_TENANT)), NULL));
    return record(cx, EV_RETENTION_CANCELLED,
                  arena_fmt(cx->arena,
                            "%.*s cancelled that the audit log is kept for %lld whole months only",
                            STR_ARG(trail_actor(cx)), (long long)now->pending),
                  S("announced months"), now->pending, now->months);
}

static enum err
raise_to(struct cx *cx, int64_t months)
{
    struct settings_change *c = arena_new(cx->arena, struct settings_change);

    TRY(settings_set(cx, c, SET_AUDIT_MONTHS, months_text(cx, months), S("/months_kept")));
    return settings_commit(cx, c, "audit log settings");
}

static enum err
first_only(struct cx *cx)
{
    return cx->tenant.id == FIRST_TENANT
               ? OK
               : fail(cx, ERR_FORBIDDEN, "The first workspace sets how long the log is kept");
}

enum err
retention_set(struct cx *cx, int64_t months, enum retention_step *step)
{
    struct retention now;

    TRY(first_only(cx));
    if (months < RETENTION_MIN || months > RETENTION_MAX)
        return fail_field(cx, S("/months_kept"), "must be a whole number from %d to %d",
                          RETENTION_MIN, RETENTION_MAX);
    TRY(retention_get(cx, &now));
    *step = RETENTION_SAME;
    if (months == (now.pending ? now.pending : now.months))
        return OK;
    if (months < now.months) {
        *step = RETENTION_ANNOUNCED;
        return announce(cx, &now, months);
    }
    if (now.pending)
        TRY(take_back(cx, &now));
    *step = RETENTION_RAISED;
    return months > now.months ? raise_to(cx, months) : OK;
}

enum err
retention_cancel(struct cx *cx, int64_t *was)
{
    struct retention now;

    TRY(first_only(cx));
    TRY(retention_get(cx, &now));
    if (now.pending == 0)
        return fail(cx, ERR_NOT_FOUND, "No shorter retention is announced");
    *was = now.pending;
    return take_back(cx, &now);
}

/* ---- its day has come ---- */

static enum err
read_pending(struct cx *cx, void *arg)
{
    return retention_get(cx, arg);
}

static enum err
make_it_hold(struct cx *cx, void *arg)
{
    static const struct sql put =
        SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES ($1, $2, $3) "
                             "ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value");
    struct retention *now = arg;

    TRY(retention_get(cx, now));
    if (now->pending == 0 || now->effective_at > cx->now)
        return OK; /* cancelled, or another server was first */
    TRY(db_exec(cx->tx, &put,
                ARGS(V_INT(FIRST_TENANT), V_STR(str_of(setting_info(SET_AUDIT_MONTHS)->name)),
                     V_STR(months_text(cx, now->pending))),
                NULL));
    TRY(db_exec(cx->tx, &DROP_PENDING, ARGS(V_INT(FIRST_TENANT)), NULL));
    return record(cx, EV_RETENTION_LOWERED,
                  arena_fmt(cx->arena,
                            "The audit log is kept for %lld instead of %lld whole months, as was "
                            "announced on %.*s",
                            (long long)now->pending, (long long)now->months,
                            STR_ARG(time_iso(cx->arena, now->asked_at))),
                  S("audit.months_kept"), now->months, now->pending);
}

static enum err
take_first(struct cx *cx, void *arg)
{
    struct str cuid;

    (void)arg;
    TRY(audit_tenant_cuid(cx->tx, FIRST_TENANT, &cuid));
    cx->tenant = (struct tenant_ref){true, FIRST_TENANT, cuid};
    return OK;
}

/* The row alone lowers nothing: the log must say that just this was announced, thirty days ago. */
static bool
log_allows(struct cx *cx, const struct retention *now)
{
    struct custody c;
    enum err e = custody_read(cx, FIRST_TENANT, &c);

    if (e == OK && c.pending && c.notice.at + RETENTION_NOTICE_US <= cx->now &&
        (c.notice.months == 0 || c.notice.months == now->pending))
        return true;
    if (e == OK)
        custody_refuse(cx, arena_fmt(cx->arena,
                                     "The audit log is not kept for %lld whole months only: the "
                                     "log does not say that this was announced thirty days ago",
                                     (long long)now->pending));
    return false;
}

/* The clock may have stepped: nothing that shortens the log happens until somebody says it is right. */
static enum err
apply_due(struct cx *cx)
{
    struct tenant_ref before = cx->tenant;
    struct retention now = {0};
    enum err e;

    TRY(cx_read(cx, read_pending, &now));
    if (now.pending == 0 || now.effective_at > cx->now || audit_drops_held(cx->app))
        return OK;
    e = cx_read(cx, take_first, NULL);
    if (e == OK && log_allows(cx, &now))
        e = cx_write(cx, make_it_hold, &now);
    cx->tenant = before;
    return e;
}

enum err
retention_tick(struct cx *cx)
{
    TRY(hold_expire(cx));
    TRY(apply_due(cx));
    return settings_apply_installation(cx);
}
