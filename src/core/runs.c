/* Runs of the server and the gaps between them. Owns process_run and run_gap. */
#include "core/runs.h"

#include "audit/audit.h"
#include "base/text.h"
#include "run/app.h"

struct gap {
    int64_t told_at, starts, unclean, us, since, latest;
};

/* ---- beginning and ending ---- */

static enum err
is_open(struct cx *cx, const struct run *r, bool *open)
{
    static const struct sql q =
        SQL_READ("SELECT count(*) FROM process_run WHERE stopped_at IS NULL AND host = $1 AND"
                 " folder = $2");
    int64_t n = 0;

    TRY(db_query_int(cx->tx, &q, ARGS(V_STR(r->host), V_STR(r->folder)), &n));
    *open = n > 0;
    return OK;
}

/* Another server of the installation that is alive: of another folder, or beside this one on it. */
static enum err
others_run(struct cx *cx, const struct run *r, bool *others)
{
    static const struct sql q =
        SQL_READ("SELECT count(*) FROM process_run WHERE stopped_at IS NULL AND seen_at >= $1 AND"
                 " NOT (host = $2 AND folder = $3)");
    int64_t n = 0;

    TRY(db_query_int(cx->tx, &q,
                     ARGS(V_INT(cx->now - RUN_DEAD_AFTER), V_STR(r->host), V_STR(r->folder)), &n));
    *others = n > 0 || !r->alone;
    return OK;
}

static enum err
last_times(struct cx *cx, const struct run *r, int64_t *own, int64_t *any)
{
    static const struct sql of_folder =
        SQL_READ("SELECT coalesce(max(coalesce(stopped_at, seen_at)), 0) FROM process_run"
                 " WHERE host = $1 AND folder = $2");
    static const struct sql of_all =
        SQL_READ("SELECT coalesce(max(coalesce(stopped_at, seen_at)), 0) FROM process_run");

    TRY(db_query_int(cx->tx, &of_folder, ARGS(V_STR(r->host), V_STR(r->folder)), own));
    TRY(db_query_int(cx->tx, &of_all, NO_ARGS, any));
    if (*own > cx->now) /* the clock went back: the clock watch tells */
        *own = 0;
    if (*any > cx->now)
        *any = 0;
    return OK;
}

static enum err
note_gap(struct cx *cx, int64_t since, bool unclean)
{
    static const struct sql q = SQL_WRITE(
        "run_gap", "INSERT INTO run_gap (id, told_at, starts, unclean, us, since, latest)"
                   " VALUES (1, 0, 1, $1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET"
                   " starts = run_gap.starts + 1, unclean = run_gap.unclean + excluded.unclean,"
                   " us = run_gap.us + excluded.us, latest = excluded.latest, since = CASE WHEN"
                   " run_gap.starts = 0 THEN excluded.since ELSE run_gap.since END");

    return db_exec(
        cx->tx, &q,
        ARGS(V_INT(unclean), V_INT(since > 0 ? cx->now - since : 0), V_INT(since), V_INT(cx->now)),
        NULL);
}

static enum err
close_own(struct cx *cx, const struct run *r)
{
    static const struct sql q =
        SQL_WRITE("process_run", "UPDATE process_run SET stopped_at = $3 WHERE stopped_at IS NULL"
                                 " AND host = $1 AND folder = $2");

    return db_exec(cx->tx, &q, ARGS(V_STR(r->host), V_STR(r->folder), V_INT(cx->now)), NULL);
}

enum err
run_begin(struct cx *cx, const struct run *r, struct run_before *out)
{
    static const struct sql q = SQL_WRITE(
        "process_run", "INSERT INTO process_run (run, host, folder, version, started_at, seen_at)"
                       " VALUES ($1, $2, $3, $4, $5, $5)");
    bool open = false, others = false;
    int64_t own = 0, any = 0;

    TRY(is_open(cx, r, &open));
    TRY(others_run(cx, r, &others));
    TRY(last_times(cx, r, &own, &any));
    out->unclean = open && r->alone;
    out->off_since = r->alone ? own : 0;
    if (others)
        any = 0;
    out->gap = out->unclean || (any > 0 && cx->now - any > RUN_GAP_MIN);
    out->gap_us = out->gap && any > 0 ? cx->now - any : 0;
    if (out->gap)
        TRY(note_gap(cx, any, out->unclean));
    if (r->alone)
        TRY(close_own(cx, r));
    return db_exec(
        cx->tx, &q,
        ARGS(V_STR(r->id), V_STR(r->host), V_STR(r->folder), V_STR(r->version), V_INT(cx->now)),
        NULL);
}

void
run_changes(struct cx *cx, const struct run *r, const struct run_before *b,
            struct audit_change *out)
{
    struct arena *a = cx->arena;

    out[0] = (struct audit_change){S(RUN_FOLDER), STR_NULL,
                                   arena_fmt(a, "%.*s:%.*s", STR_ARG(r->host), STR_ARG(r->folder))};
    out[1] = (struct audit_change){S(RUN_GAP_NOTED), STR_NULL,
                                   b->gap ? arena_fmt(a, "%lld", (long long)b->gap_us) : S("none")};
    out[2] = (struct audit_change){S(RUN_BEFORE), STR_NULL,
                                   b->unclean ? S(RUN_BEFORE_DIED) : S("ended in order, or none")};
}

enum err
run_end(struct cx *cx, const struct run *r)
{
    static const struct sql q =
        SQL_WRITE("process_run", "UPDATE process_run SET stopped_at = $2 WHERE run = $1");

    return db_exec(cx->tx, &q, ARGS(V_STR(r->id), V_INT(cx->now)), NULL);
}

static enum err
seen_body(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("process_run", "UPDATE process_run SET seen_at = $2 WHERE run = $1");
    const struct run *r = arg;

    audit_cover(cx, REASON_RUN_SEEN);
    return db_exec(cx->tx, &q, ARGS(V_STR(r->id), V_INT(cx->now)), NULL);
}

enum err
run_seen(struct cx *cx, const struct run *r)
{
    struct run copy = *r;

    return cx_write(cx, seen_body, &copy);
}

/* ---- telling ---- */

static enum err
read_gap(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT told_at, starts, unclean, us, since, latest FROM run_gap WHERE id = 1");
    struct gap *g = arg;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &q, NO_ARGS, &r);

    *g = (struct gap){0};
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    *g = (struct gap){db_int(r, 0), db_int(r, 1), db_int(r, 2),
                      db_int(r, 3), db_int(r, 4), db_int(r, 5)};
    db_rows_end(r);
    return OK;
}

static bool
is_due(const struct cx *cx, const struct gap *g)
{
    int64_t since = cx->now - g->told_at;

    return g->starts > 0 && (since >= RUN_GAP_EVERY || since < 0);
}

static struct str
sentence(struct arena *a, const struct gap *g)
{
    long long s = (long long)(g->us / USEC_PER_SEC);

    if (g->starts > 1)
        return arena_fmt(a,
                         "The server was started %lld times until %.*s after having been off, for "
                         "%lld s in all; %lld of the runs before did not end in order",
                         (long long)g->starts, STR_ARG(time_iso(a, g->latest)), s,
                         (long long)g->unclean);
    if (g->since == 0)
        return S("A run of the server did not end in order; another server went on, or nobody saw "
                 "for how long none ran");
    if (g->unclean)
        return arena_fmt(a,
                         "A run of the server did not end in order: it was last seen at %.*s, and "
                         "none ran until %.*s, for %lld s at most",
                         STR_ARG(time_iso(a, g->since)), STR_ARG(time_iso(a, g->latest)), s);
    return arena_fmt(a, "No server ran from %.*s to %.*s, for %lld s",
                     STR_ARG(time_iso(a, g->since)), STR_ARG(time_iso(a, g->latest)), s);
}

struct workspace {
    struct tenant_ref ref;
    struct workspace *next;
};

/* Those that were there when the first gap began. */
static enum err
read_workspaces(struct cx *cx, const struct gap *g, struct workspace **out)
{
    static const struct sql q = SQL_READ(
        "SELECT tenant_id, cuid FROM tenant WHERE created_at <= $1 ORDER BY tenant_id DESC");
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(g->since ? g->since : g->latest)), &r));
    while ((e = db_next(r)) == OK) {
        struct workspace *w = arena_new(cx->arena, struct workspace);

        *w = (struct workspace){{true, db_int(r, 0), db_text_keep(r, 1)}, *out};
        *out = w;
    }
    return e == ERR_END ? OK : e;
}

static enum err
record_gap(struct cx *cx, const struct gap *g)
{
    struct arena *a = cx->arena;
    struct workspace *list = NULL;
    struct tenant_ref before = cx->tenant;
    struct audit_change changes[] = {
        {S("off since"), STR_NULL, g->since ? time_iso(a, g->since) : S("not known")},
        {S("off until"), STR_NULL, time_iso(a, g->latest)},
        {S("off (s)"), STR_NULL, arena_fmt(a, "%lld", (long long)(g->us / USEC_PER_SEC))},
        {S("starts"), STR_NULL, arena_fmt(a, "%lld", (long long)g->starts)},
        {S("runs not ended in order"), STR_NULL, arena_fmt(a, "%lld", (long long)g->unclean)},
    };
    struct audit_entry e = {.event = EV_RUN_GAP,
                            .instance = true,
                            .text = sentence(a, g),
                            .target_kind = S("process"),
                            .changes = changes,
                            .n_changes = sizeof changes / sizeof changes[0]};

    TRY(read_workspaces(cx, g, &list));
    TRY(audit_record(cx, &e, NULL));
    e.instance = false;
    for (; list; list = list->next) {
        cx->tenant = list->ref;
        TRY(audit_record(cx, &e, NULL));
    }
    cx->tenant = before;
    return OK;
}

/* Another server may have told them meanwhile. */
static enum err
tell_body(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("run_gap", "UPDATE run_gap SET told_at = $1, starts = 0, unclean = 0, us = 0,"
                             " since = 0, latest = 0 WHERE id = 1");
    struct gap *g = arg;

    TRY(read_gap(cx, g));
    if (!is_due(cx, g))
        return OK;
    TRY(record_gap(cx, g));
    return db_exec(cx->tx, &q, ARGS(V_INT(cx->now)), NULL);
}

enum err
run_tell_gaps(struct cx *cx)
{
    struct tenant_ref before = cx->tenant;
    struct gap g = {0};
    enum err e;

    TRY(cx_read(cx, read_gap, &g));
    if (!is_due(cx, &g))
        return OK;
    e = cx_write(cx, tell_body, &g);
    cx->tenant = before;
    return e;
}
