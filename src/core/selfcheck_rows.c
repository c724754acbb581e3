/* Rows that pages and the seal go by, and that no right hangs on, against the events behind them: runs of servers
 * and gaps (selfcheck_runs.c), views (selfcheck_views.c), how far the server's check of the log is and what it found,
 * whether the write-ahead log is clean of what was erased.
 * Every table, and what is not compared: doc/decisions/0014-every-table.md. */
#include <stdarg.h>
#include <stdio.h>

#include "audit/proof.h"
#include "core/runs.h"
#include "core/selfcheck_priv.h"
#include "run/app.h"

#define ROWS_ARENA ((size_t)256 << 20)
#define WAL_SCHEMA 11 /* the script that made audit_wal */

struct finding_row {
    int64_t tenant_id, first_at;
    struct str what;
    bool told;
};

struct wal_row {
    int64_t at, cleared_at;
};

/* A workspace's log: told is what its own AuditLogDamaged say. */
struct log_look {
    int64_t tenant_id, reach;
};

struct rows {
    struct rows_look x; /* first: what the events are gathered in */
    int64_t size, reach;
    bool has_check;
    int64_t completed_at;
    struct finding_row *found;
    size_t n_found, cap_found;
    struct wal_row *wal;
    size_t n_wal, cap_wal;
    int64_t *ended; /* PostgreSQL: ends of erasures */
    size_t n_ended, cap_ended;
    struct log_look *logs; /* of workspaces */
    size_t n_logs, cap_logs;
    int64_t
        damaged; /* when the check's last telling of damage was logged, in any log; in a tail: last of all */
};

/* ---- telling ---- */

void
rows_tell(struct rows_look *x, const struct rows_event *e, struct str expected, struct str found,
          const char *fmt, ...)
{
    struct verify_finding f = {.log = {AUDIT_INSTANCE, e ? e->epoch : 0},
                               .origin = S("store"),
                               .index = e ? e->index : -1,
                               .expected = expected,
                               .found = found};
    char what[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    f.what = str_of(what);
    x->findings++;
    x->t->tell(x->t->arg, &f);
}

struct str
rows_int(struct rows_look *x, int64_t n)
{
    return arena_fmt(x->a, "%lld", (long long)n);
}

/* ---- the snapshot ---- */

static const struct sql get_size =
    SQL_READ("SELECT coalesce(max(size), 0) FROM audit_log WHERE tenant_id = -1 AND epoch = 0");
static const struct sql get_logs =
    SQL_READ("SELECT DISTINCT tenant_id FROM audit_log WHERE tenant_id >= 0 ORDER BY tenant_id");
static const struct sql get_check = SQL_READ("SELECT completed_at FROM audit_check WHERE id = 1");
static const struct sql get_found =
    SQL_READ("SELECT tenant_id, first_at, what FROM audit_finding ORDER BY first_at, mark");
static const struct sql get_wal =
    SQL_READ("SELECT at, coalesce(cleared_at, 0) FROM audit_wal ORDER BY at");
static const struct sql get_ended =
    SQL_READ("SELECT ended_at FROM audit_erasure_request WHERE state = 'done' AND ended_at > 0"
             " ORDER BY ended_at");
static enum err
read_check(struct cx *cx, struct rows *r)
{
    struct db_rows *q;
    enum err e = db_query_one(cx->tx, &get_check, NO_ARGS, &q);

    r->has_check = e == OK;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    r->completed_at = db_int(q, 0);
    db_rows_end(q);
    return OK;
}

static enum err
read_found(struct cx *cx, struct rows *r)
{
    struct db_rows *q;
    enum err e;

    r->n_found = 0;
    TRY(db_query(cx->tx, &get_found, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(r->x.a, r->found, r->n_found, &r->cap_found, 32);
        r->found[r->n_found++] = (struct finding_row){db_int(q, 0), db_int(q, 1),
                                                      arena_str(r->x.a, db_text(q, 2)), false};
    }
    return e == ERR_END ? OK : e;
}

static enum err
read_wal(struct cx *cx, struct rows *r)
{
    struct db_rows *q;
    enum err e;

    r->n_wal = 0;
    TRY(db_query(cx->tx, &get_wal, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(r->x.a, r->wal, r->n_wal, &r->cap_wal, 16);
        r->wal[r->n_wal++] = (struct wal_row){db_int(q, 0), db_int(q, 1)};
    }
    if (e != ERR_END || db_kind(cx->app->db) != DB_POSTGRES)
        return e == ERR_END ? OK : e;
    r->n_ended = 0;
    TRY(db_query(cx->tx, &get_ended, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(r->x.a, r->ended, r->n_ended, &r->cap_ended, 16);
        r->ended[r->n_ended++] = db_int(q, 0);
    }
    return e == ERR_END ? OK : e;
}

/* How far each log reached, so that what was told since counts for nothing. */
static enum err
read_logs(struct cx *cx, struct rows *r)
{
    struct db_rows *q;
    enum err e;

    r->n_logs = 0;
    TRY(db_query(cx->tx, &get_logs, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(r->x.a, r->logs, r->n_logs, &r->cap_logs, 16);
        r->logs[r->n_logs++] = (struct log_look){.tenant_id = db_int(q, 0)};
    }
    if (e != ERR_END)
        return e;
    for (size_t i = 0; i < r->n_logs; i++)
        TRY(audit_walk_reach(cx, r->logs[i].tenant_id, &r->logs[i].reach));
    return OK;
}

/* ---- events ---- */

static struct str
after_of(struct arena *a, const struct audit_event *e, const char *field)
{
    for (size_t i = 0; i < e->n_changes; i++)
        if (str_eq(e->changes[i].field, str_of(field)))
            return arena_str(a, e->changes[i].after);
    return STR_NULL;
}

static enum err
see(void *arg, const struct audit_event *e)
{
    struct rows_look *x = arg;

    arena_grow(x->a, x->v, x->n, &x->cap, 128);
    x->v[x->n++] = (struct rows_event){.type = e->type,
                                       .at = e->at,
                                       .logged = e->logged,
                                       .epoch = e->epoch,
                                       .index = e->index,
                                       .target = arena_str(x->a, e->target_id),
                                       .erased = e->erased,
                                       .text = arena_str(x->a, e->text),
                                       .folder = after_of(x->a, e, RUN_FOLDER),
                                       .gap = after_of(x->a, e, RUN_GAP_NOTED),
                                       .before = after_of(x->a, e, RUN_BEFORE)};
    return OK;
}

/* Tells of the check by its words: guards put back and refusals are events of the same type. */
static bool
is_found_by_check(enum event type, struct str text)
{
    return type == EV_AUDIT_DAMAGED && str_has_prefix(text, S(SELFCHECK_DAMAGED));
}

static void
see_damage(struct rows *r, int64_t tenant_id, const struct rows_event *e)
{
    int64_t logged = e->index < 0 ? INT64_MAX - 1 : e->logged;

    if (!is_found_by_check(e->type, e->text))
        return;
    r->damaged = logged > r->damaged ? logged : r->damaged;
    for (size_t i = 0; i < r->n_found; i++)
        if (r->found[i].first_at == e->at &&
            (r->found[i].tenant_id == tenant_id || tenant_id == AUDIT_INSTANCE))
            r->found[i].told = true;
}

struct hearing {
    struct rows *r;
    int64_t tenant_id;
};

static enum err
hear(void *arg, const struct audit_event *e)
{
    const struct hearing *h = arg;

    struct rows_event own = {
        .type = e->type, .at = e->at, .logged = e->logged, .index = e->index, .text = e->text};

    see_damage(h->r, h->tenant_id, &own);
    rows_views_see(&h->r->x, h->tenant_id, e);
    return OK;
}

/* Whether a row of the workspace may have its event in the tail still. */
static bool
waits_for_word(const struct rows *r, int64_t tenant_id)
{
    bool waits = rows_views_of(&r->x, tenant_id);

    for (size_t i = 0; i < r->n_found && !waits; i++)
        waits = r->found[i].tenant_id == tenant_id;
    return waits;
}

static enum err
take_snapshot(struct cx *cx, void *arg)
{
    struct rows *r = arg;

    r->x.n = 0;
    TRY(rows_runs_read(cx, &r->x));
    TRY(rows_views_read(cx, &r->x));
    TRY(read_check(cx, r));
    TRY(read_found(cx, r));
    TRY(read_wal(cx, r));
    TRY(read_logs(cx, r));
    TRY(db_query_int(cx->tx, &get_size, NO_ARGS, &r->size));
    TRY(audit_walk_reach(cx, AUDIT_INSTANCE, &r->reach));
    TRY(audit_walk_tail(cx, AUDIT_INSTANCE, see, &r->x));
    for (size_t i = 0; i < r->n_logs; i++) {
        struct hearing h = {r, r->logs[i].tenant_id};
        if (waits_for_word(r, h.tenant_id))
            TRY(audit_walk_tail(cx, h.tenant_id, hear, &h));
    }
    return OK;
}

/* What was moved stands before what was in the tail. */
static enum err
hear_instance(struct cx *cx, struct rows *r)
{
    static const enum event types[] = {EV_SERVER_STARTED, EV_SERVER_STOPPED, EV_RUN_GAP,
                                       EV_AUDIT_CHECKED,  EV_AUDIT_DAMAGED,  EV_ERASURE_WAL_CLEARED,
                                       EV_SCHEMA_MIGRATED};
    struct audit_walk w = {.tenant_id = AUDIT_INSTANCE,
                           .after = -1,
                           .before = r->reach,
                           .types = types,
                           .n_types = sizeof types / sizeof types[0]};
    struct rows_look *x = &r->x, tail = *x;

    x->v = NULL;
    x->n = x->cap = 0;
    if (r->reach > 0) {
        TRY(audit_walk_await(cx, AUDIT_INSTANCE, r->reach));
        TRY(audit_walk_each(cx, &w, see, x));
    }
    for (size_t i = 0; i < tail.n; i++) {
        arena_grow(x->a, x->v, x->n, &x->cap, 128);
        x->v[x->n++] = tail.v[i];
    }
    for (size_t i = 0; i < x->n; i++)
        see_damage(r, AUDIT_INSTANCE, &x->v[i]);
    return OK;
}

static enum err
hear_workspaces(struct cx *cx, struct rows *r)
{
    static const enum event types[] = {EV_AUDIT_DAMAGED};

    for (size_t i = 0; i < r->n_logs; i++) {
        const struct log_look *l = &r->logs[i];
        struct audit_walk w = {.tenant_id = l->tenant_id,
                               .after = -1,
                               .before = l->reach,
                               .types = types,
                               .n_types = 1};
        struct hearing h = {r, l->tenant_id};

        if (l->reach == 0)
            continue;
        TRY(audit_walk_await(cx, l->tenant_id, l->reach));
        TRY(audit_walk_each(cx, &w, hear, &h));
    }
    return OK;
}

/* ---- the check of the log ---- */

/* Says that nothing is left of what was found. */
static bool
is_all_clear(const struct rows_event *e)
{
    return e->type == EV_AUDIT_CHECKED && !e->erased &&
           (str_has_suffix(e->text, S(SELFCHECK_SOUND)) ||
            str_has_suffix(e->text, S(SELFCHECK_NONE_LEFT)));
}

/* The first whole pass of a day that found nothing is an event, and so is the one that ends a finding. (A clock that
 * was set back in between makes neither untrue: days are compared, and the order is the log's.) */
static void
compare_check(struct rows *r)
{
    struct rows_look *x = &r->x;
    const struct rows_event *last = NULL;
    int64_t clear = INT64_MIN, at = r->completed_at;

    if (!r->has_check) {
        rows_tell(x, NULL, STR_NULL, STR_NULL, "the row of audit_check is missing");
        return;
    }
    for (size_t i = 0; i < x->n; i++) {
        if (x->v[i].type == EV_AUDIT_CHECKED)
            last = &x->v[i];
        if (is_all_clear(&x->v[i]))
            clear = x->v[i].index < 0 ? INT64_MAX : x->v[i].logged;
    }
    if (r->n_found == 0 && at != 0 && at >= x->since &&
        (!last || last->at / USEC_PER_DAY != at / USEC_PER_DAY))
        rows_tell(x, last, last ? time_iso(x->a, last->at) : S("none"), time_iso(x->a, at),
                  "the completed_at of audit_check is of a day on which the log tells of no check");
    if (r->n_found == 0 && r->damaged > clear)
        rows_tell(x, NULL, STR_NULL, STR_NULL,
                  "audit_finding is empty, and the log tells of damage that no check since found "
                  "mended");
}

static void
compare_found(struct rows *r)
{
    for (size_t i = 0; i < r->n_found; i++)
        if (!r->found[i].told && r->found[i].first_at >= r->x.since)
            rows_tell(&r->x, NULL, STR_NULL, r->found[i].what,
                      "a finding stands in audit_finding (first_at %lld), and no event tells of it",
                      (long long)r->found[i].first_at);
}

/* ---- the write-ahead log ---- */

static void
compare_wal(struct rows *r)
{
    for (size_t i = 0; i < r->n_wal; i++) {
        const struct wal_row *w = &r->wal[i];
        bool told = w->cleared_at < r->x.since || w->cleared_at == 0;

        for (size_t k = 0; k < r->x.n && !told; k++)
            told = r->x.v[k].type == EV_ERASURE_WAL_CLEARED && r->x.v[k].at == w->cleared_at;
        if (!told)
            rows_tell(&r->x, NULL, S("none"), time_iso(r->x.a, w->cleared_at),
                      "audit_wal says that the write-ahead log is clean of the erasure of %lld "
                      "(cleared_at), and no event tells of it",
                      (long long)w->at);
    }
}

/* When there was a table audit_wal: the log tells of the schema's versions. */
static int64_t
wal_since(const struct rows *r)
{
    int64_t since = r->x.since, from = 0, to = 0;

    for (size_t i = 0; i < r->x.n; i++) {
        struct str rest = r->x.v[i].text, part;

        if (r->x.v[i].type != EV_SCHEMA_MIGRATED || !str_has_prefix(rest, S(SCHEMA_MIGRATED_TEXT)))
            continue;
        rest = str_sub(rest, sizeof SCHEMA_MIGRATED_TEXT - 1, SIZE_MAX);
        if (str_cut(&rest, ' ', &part) && str_int64(part, &from) == OK &&
            str_cut(&rest, ' ', &part) && str_int64(rest, &to) == OK && from < WAL_SCHEMA &&
            to >= WAL_SCHEMA)
            since = r->x.v[i].at;
    }
    return since;
}

/* The end of an erasure makes its row, in one transaction. */
static void
compare_ended(struct rows *r)
{
    int64_t since = wal_since(r);

    for (size_t i = 0; i < r->n_ended; i++) {
        bool there = r->ended[i] < since;

        for (size_t k = 0; k < r->n_wal && !there; k++)
            there = r->wal[k].at == r->ended[i];
        if (!there)
            rows_tell(&r->x, NULL, time_iso(r->x.a, r->ended[i]), STR_NULL,
                      "audit_wal says nothing of the write-ahead log after the erasure that ended "
                      "at %lld",
                      (long long)r->ended[i]);
    }
}

/* ---- all of it ---- */

static void
compare(struct rows *r)
{
    rows_runs_compare(&r->x);
    rows_views_compare(&r->x);
    compare_check(r);
    compare_found(r);
    compare_wal(r);
    compare_ended(r);
}

int64_t
selfcheck_rows(struct cx *base, const struct selfcheck_tell *t)
{
    struct cx cx = *base;
    struct rows r = {.x = {.cx = &cx, .t = t, .since = INT64_MIN}, .damaged = INT64_MIN};
    int64_t since, next;

    r.x.a = cx.arena = arena_create("self-check rows", ROWS_ARENA);
    cx.now = app_now(cx.app);
    enum err e = cx_snapshot(&cx, take_snapshot, &r);
    if (e == OK)
        e = hear_instance(&cx, &r);
    if (e == OK)
        e = hear_workspaces(&cx, &r);
    if (e == OK)
        e = rows_views_hear(&cx, &r.x);
    audit_window(cx.app, cx.now, &since, &next);
    if (e == OK && !selfcheck_is_whole(&cx, r.size))
        r.x.since = since + USEC_PER_DAY;
    if (e == OK)
        compare(&r);
    else if (e != ERR_NOT_FOUND) /* expired meanwhile: the next look */
        rows_tell(&r.x, NULL, STR_NULL, cx.failure.message,
                  "runs, gaps and the state of the check can not be compared with the log");
    arena_free(r.x.a);
    return r.x.findings;
}
