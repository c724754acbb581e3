/* Legal holds. Owns the table audit_hold; the window itself is audit/month.c's. */
#include "core/hold.h"

#include "audit/custody.h"
#include "base/log.h"
#include "base/text.h"
#include "core/trail.h"
#include "run/app.h"

#define EXPIRE_MAX 64 /* holds ended in one go */
#define DATE_LEN   10 /* 2027-03-31 */

static struct str
date_of(struct cx *cx, int64_t until)
{
    return until ? time_iso(cx->arena, until) : S("until released");
}

static enum err
record(struct cx *cx, enum event ev, const struct hold *h, const char *what, struct str more)
{
    struct str who = trail_actor(cx);
    struct trail changes = {0};
    struct audit_entry e = {.event = ev, .target_kind = S("hold"), .target_id = h->cuid};

    trail_note(cx, &changes, S("reason"), STR_NULL, h->reason);
    trail_note(cx, &changes, S("until"), STR_NULL, date_of(cx, h->until));
    if (ev == EV_HOLD_PLACED)
        trail_note(cx, &changes, S("kept from"), STR_NULL, time_iso(cx->arena, h->kept_from));
    if (!str_is_null(more))
        trail_note(cx, &changes, S("released because"), STR_NULL, more);
    e.text = arena_fmt(cx->arena, "%.*s %s a legal hold on the audit log: %.*s", STR_ARG(who), what,
                       STR_ARG(h->reason));
    e.changes = changes.v;
    e.n_changes = changes.n;
    return audit_record(cx, &e, NULL);
}

enum err
hold_count(struct cx *cx, int64_t *out)
{
    static const struct sql q =
        SQL_READ("SELECT count(*) FROM audit_hold WHERE tenant_id = $1 AND ended_at IS NULL");

    return db_query_int(cx->tx, &q, ARGS(V_INT(cx->tenant.id)), out);
}

enum err
hold_until_read(struct str s, int64_t *out)
{
    struct str t = str_trim(s);

    *out = 0;
    if (str_is_empty(t))
        return OK;
    TRY(time_parse_iso(t, out));
    if (t.n == DATE_LEN)
        *out += USEC_PER_DAY;
    return OK;
}

enum err
hold_place(struct cx *cx, struct str reason, int64_t until, struct hold *out)
{
    static const struct sql q = SQL_WRITE(
        "audit_hold",
        "INSERT INTO audit_hold (tenant_id, cuid, reason, until, kept_from, placed_by, placed_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)");
    struct hold h = {.reason = str_trim(reason), .until = until, .placed_at = cx->now};
    int64_t next, n;

    if (str_is_empty(h.reason))
        return fail_field(cx, S("/reason"), "is required");
    if (until != 0 && until <= cx->now)
        return fail_field(cx, S("/until"), "must lie in the future");
    TRY(hold_count(cx, &n));
    if (n >= HOLDS_MAX)
        return fail(cx, ERR_CONFLICT, "There are %d legal holds already: release one first",
                    HOLDS_MAX);
    h.cuid = cuid_in(cx->arena, cx->now);
    h.has_until = until != 0;
    h.placed_by = cx->actor.user_id;
    audit_window(cx->app, cx->now, &h.kept_from, &next);
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_STR(h.cuid), V_STR(h.reason),
                     V_INT_OR_NULL(until != 0, until), V_INT(h.kept_from), V_INT(h.placed_by),
                     V_INT(cx->now)),
                NULL));
    *out = h;
    return record(cx, EV_HOLD_PLACED, &h, "placed", STR_NULL);
}

/* ---- reading ---- */

#define HOLD_COLS                                                                                  \
    "SELECT h.cuid, h.reason, h.until, h.kept_from, h.placed_by, h.placed_at, h.ended_by,"         \
    " h.ended_at, h.end_reason, p.first, p.last, r.first, r.last FROM audit_hold h"                \
    " LEFT JOIN user_account p ON p.tenant_id = h.tenant_id AND p.user_id = h.placed_by"           \
    " LEFT JOIN user_account r ON r.tenant_id = h.tenant_id AND r.user_id = h.ended_by"            \
    " WHERE h.tenant_id = $1 "

static struct str
full_name(struct cx *cx, const struct db_rows *r, int user, int col)
{
    if (!db_is_null(r, user) && db_int(r, user) == OPERATOR)
        return S(OPERATOR_NAME);
    return db_is_null(r, col) ? STR_NULL
                              : user_full_name(cx->arena, db_text(r, col), db_text(r, col + 1));
}

static void
read_hold(struct cx *cx, const struct db_rows *r, struct hold *h)
{
    *h = (struct hold){.cuid = arena_str(cx->arena, db_text(r, 0)),
                       .reason = arena_str(cx->arena, db_text(r, 1)),
                       .has_until = !db_is_null(r, 2),
                       .until = db_int(r, 2),
                       .kept_from = db_int(r, 3),
                       .placed_by = db_int(r, 4),
                       .placed_at = db_int(r, 5),
                       .ended_by = db_int(r, 6),
                       .ended_at = db_int(r, 7),
                       .end_reason = arena_str(cx->arena, db_text(r, 8)),
                       .placed_by_name = full_name(cx, r, 4, 9),
                       .ended_by_name = full_name(cx, r, 6, 11)};
}

enum err
hold_list(struct cx *cx, struct holds *out)
{
    static const struct sql q = SQL_READ(
        HOLD_COLS "ORDER BY CASE WHEN h.ended_at IS NULL THEN 0 ELSE 1 END, h.placed_at DESC,"
                  " h.cuid LIMIT $2");
    struct holds all = {.v = arena_array(cx->arena, struct hold, 2 * HOLDS_MAX)};
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(2 * HOLDS_MAX)), &r));
    while ((e = db_next(r)) == OK)
        read_hold(cx, r, &all.v[all.n++]);
    if (e != ERR_END)
        return e;
    *out = all;
    return OK;
}

const char *
hold_state(const struct hold *h)
{
    if (h->ended_at == 0)
        return "standing";
    return str_is_empty(h->end_reason) ? "expired" : "released";
}

/* ---- ending ---- */

static const struct sql END_HOLD =
    SQL_WRITE("audit_hold", "UPDATE audit_hold SET ended_by = $3, ended_at = $4, end_reason = $5"
                            " WHERE tenant_id = $1 AND cuid = $2 AND ended_at IS NULL");

enum err
hold_release(struct cx *cx, struct str cuid, struct str reason)
{
    static const struct sql q = SQL_READ(HOLD_COLS "AND h.cuid = $2");
    struct db_rows *r;
    struct hold h;
    enum err e;

    if (str_is_empty(str_trim(reason)))
        return fail_field(cx, S("/reason"), "is required");
    e = db_query_one(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(cuid)), &r);
    if (e == ERR_NOT_FOUND)
        return fail(cx, ERR_NOT_FOUND, "There is no such legal hold");
    TRY(e);
    read_hold(cx, r, &h);
    db_rows_end(r);
    if (h.ended_at != 0)
        return fail(cx, ERR_CONFLICT, "The legal hold has ended already");
    TRY(db_exec(cx->tx, &END_HOLD,
                ARGS(V_INT(cx->tenant.id), V_STR(cuid), V_INT(cx->actor.user_id), V_INT(cx->now),
                     V_STR(str_trim(reason))),
                NULL));
    return record(cx, EV_HOLD_RELEASED, &h, "released", str_trim(reason));
}

struct due {
    int64_t tenant_id[EXPIRE_MAX], until[EXPIRE_MAX];
    struct str tenant[EXPIRE_MAX], cuid[EXPIRE_MAX], reason[EXPIRE_MAX];
    size_t n;
};

static enum err
read_due(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT h.tenant_id, t.cuid, h.cuid, h.reason, h.until FROM audit_hold h"
                 " JOIN tenant t ON t.tenant_id = h.tenant_id"
                 " WHERE h.ended_at IS NULL AND h.until <= $1 ORDER BY h.until LIMIT $2");
    struct due *d = arg;
    struct db_rows *r;
    enum err e;

    d->n = 0;
    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->now), V_INT(EXPIRE_MAX)), &r));
    while ((e = db_next(r)) == OK) {
        d->tenant_id[d->n] = db_int(r, 0);
        d->tenant[d->n] = arena_str(cx->arena, db_text(r, 1));
        d->cuid[d->n] = arena_str(cx->arena, db_text(r, 2));
        d->reason[d->n] = arena_str(cx->arena, db_text(r, 3));
        d->until[d->n++] = db_int(r, 4);
    }
    return e == ERR_END ? OK : e;
}

/* The date is the log's: a row that says an earlier one ends nothing. The event that placed a standing hold is there,
 * as neither its month expires nor anybody is erased while it stands. */
static bool
log_says(struct cx *cx, const struct due *d, size_t i)
{
    const struct custody_hold *h;
    struct custody c;

    cx->tenant = (struct tenant_ref){true, d->tenant_id[i], d->tenant[i]};
    if (custody_read(cx, d->tenant_id[i], &c) != OK) {
        log_warn("audit.hold", LOG_STR("store", db_last_error()));
        return false;
    }
    h = custody_hold_of(&c, d->cuid[i]);
    if (h && h->ended_at == 0 && h->told && str_eq(h->until, date_of(cx, d->until[i])))
        return true;
    custody_refuse(cx, arena_fmt(cx->arena,
                                 "The legal hold %.*s does not end by its date: the log does not "
                                 "say that it ends on %.*s, which its table does",
                                 STR_ARG(d->cuid[i]), STR_ARG(date_of(cx, d->until[i]))));
    return false;
}

static void
keep_lawful(struct cx *cx, struct due *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++) {
        if (!log_says(cx, d, i))
            continue;
        d->tenant_id[n] = d->tenant_id[i];
        d->tenant[n] = d->tenant[i];
        d->cuid[n] = d->cuid[i];
        d->reason[n] = d->reason[i];
        d->until[n++] = d->until[i];
    }
    d->n = n;
}

static enum err
end_due(struct cx *cx, void *arg)
{
    const struct due *d = arg;

    for (size_t i = 0; i < d->n; i++) {
        struct hold h = {.cuid = d->cuid[i], .reason = d->reason[i], .until = d->until[i]};
        int64_t changed;

        cx->tenant = (struct tenant_ref){true, d->tenant_id[i], d->tenant[i]};
        TRY(db_exec(cx->tx, &END_HOLD,
                    ARGS(V_INT(cx->tenant.id), V_STR(h.cuid), V_NULL, V_INT(cx->now), V_NULL),
                    &changed));
        if (changed) /* another server may have been first */
            TRY(record(cx, EV_HOLD_EXPIRED, &h, "ended by its date", STR_NULL));
    }
    return OK;
}

/* Not while a step of the clock is not confirmed: the date may not have come. */
enum err
hold_expire(struct cx *cx)
{
    struct due *d = arena_new(cx->arena, struct due);
    struct tenant_ref before = cx->tenant;
    enum err e = OK;

    if (audit_drops_held(cx->app))
        return OK;
    TRY(cx_read(cx, read_due, d));
    keep_lawful(cx, d);
    if (d->n > 0)
        e = cx_write(cx, end_due, d);
    cx->tenant = before;
    return e;
}
