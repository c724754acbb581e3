/* The write-ahead log after an erasure: erasure_wal.h.
 *
 * A segment of before is one whose number is not above the one being written at the end of the erasure (mark), or
 * whose file was last written before: a recycled one carries a later number and the old bytes. Switching fills the
 * rest of the segment with zeroes, so each one that was switched from is written over whole. When no file of before is
 * left, the one being written may still be a recycled one with an old end: so it is looked for once more when a
 * later one is written (clean). */
#include "core/erasure_wal.h"

#include "base/log.h"
#include "core/trail.h"
#include "run/app.h"

#define SWITCHES 4 /* a call: 64 MB are written */

#define ON_PG(text) SQL_READ2("SELECT 0 WHERE 1 = 0", text)

struct due {
    bool any;
    int64_t at, since;
    struct str mark, clean;
    struct erasure_wal w;
    int64_t old;       /* files of before */
    struct str writes; /* the segment being written */
};

static bool
is_pg(const struct cx *cx)
{
    return db_kind(cx->app->db) == DB_POSTGRES;
}

enum err
erasure_wal_mark(struct cx *cx)
{
    static const struct sql q = SQL_WRITE2(
        "audit_wal", "INSERT INTO audit_wal (at, since, mark, clean) SELECT $1, 0, '', '' WHERE 0",
        "INSERT INTO audit_wal (at, since, mark, clean) VALUES ($1,"
        " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,"
        " pg_walfile_name(pg_current_wal_lsn()), '') ON CONFLICT (at) DO NOTHING");

    return is_pg(cx) ? db_exec(cx->tx, &q, ARGS(V_INT(cx->now)), NULL) : OK;
}

/* ---- reading ---- */

static enum err
read_rights(struct cx *cx, struct erasure_wal *w)
{
    static const struct sql q = ON_PG(
        "SELECT has_function_privilege('pg_switch_wal()', 'execute')::int,"
        " has_function_privilege('pg_ls_waldir()', 'execute')::int,"
        " (SELECT count(*) FROM pg_roles r WHERE (r.rolname = current_user AND r.rolsuper)"
        " OR (r.rolname = 'pg_checkpoint' AND pg_has_role(current_user, r.oid, 'MEMBER'))),"
        " (current_setting('archive_mode') <> 'off')::int,"
        " (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_stat_replication)");
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &q, NO_ARGS, &r));
    w->any = true;
    w->may_switch = db_int(r, 0) != 0;
    w->may_look = db_int(r, 1) != 0;
    w->may_checkpoint = db_int(r, 2) != 0;
    w->archived = db_int(r, 3) != 0;
    w->standbys = db_int(r, 4);
    db_rows_end(r);
    return OK;
}

enum err
erasure_wal_read(struct cx *cx, struct erasure_wal *out)
{
    static const struct sql q =
        SQL_READ("SELECT (SELECT coalesce(min(at), 0) FROM audit_wal WHERE cleared_at IS NULL),"
                 " coalesce(max(at), 0), coalesce(max(cleared_at), 0) FROM audit_wal"
                 " WHERE cleared_at IS NOT NULL");
    struct db_rows *r;

    *out = (struct erasure_wal){0};
    if (!is_pg(cx))
        return OK;
    TRY(read_rights(cx, out));
    TRY(db_query_one(cx->tx, &q, NO_ARGS, &r));
    out->due_since = db_int(r, 0);
    out->cleared_for = db_int(r, 1);
    out->cleared_at = db_int(r, 2);
    db_rows_end(r);
    return OK;
}

enum erasure_wal_state
erasure_wal_of(const struct erasure_wal *w, int64_t ended_at)
{
    if (!w->any || ended_at == 0)
        return ERASURE_WAL_NONE;
    if (ended_at <= w->cleared_for)
        return ERASURE_WAL_CLEARED;
    return w->due_since ? ERASURE_WAL_DUE : ERASURE_WAL_NONE; /* from before this was looked for */
}

struct str
erasure_wal_todo(struct cx *cx, const struct erasure_wal *w)
{
    struct buf *b = buf_in(cx->arena, 4096);

    if (w->may_switch && w->may_checkpoint && w->may_look)
        buf_cstr(b, "The server writes the segments over by itself and records when none of before "
                    "is left.");
    else if (w->may_look)
        buf_cstr(b, "The server looks whether segments of before are left. As a superuser run "
                    "SELECT pg_switch_wal(); CHECKPOINT; until it finds none, or let it do so: ");
    else
        buf_cstr(b, "The server can not look. Set wal_recycle = off, and as a superuser run SELECT "
                    "pg_switch_wal(); CHECKPOINT; until pg_ls_waldir() shows no file that was "
                    "modified before the erasure ended, or let the server do so and record it: ");
    if (!w->may_look)
        buf_cstr(b, "GRANT EXECUTE ON FUNCTION pg_ls_waldir() TO its role; ");
    if (!w->may_switch)
        buf_cstr(b, "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO its role; ");
    if (!w->may_checkpoint)
        buf_cstr(b, "GRANT pg_checkpoint TO its role;");
    if (w->archived)
        buf_cstr(b, " The WAL is archived: delete from the archive what is older than the end of "
                    "the erasure, with the base backups that need it.");
    if (w->standbys > 0)
        buf_fmt(b,
                " %lld standbys or replication slots: a slot that is not read keeps segments, and "
                "each standby has a WAL of its own.",
                (long long)w->standbys);
    return buf_view(b);
}

/* ---- going on ---- */

static enum err
read_due(struct cx *cx, void *arg)
{
    static const struct sql newest =
        SQL_READ("SELECT at, since, mark, clean FROM audit_wal WHERE cleared_at IS NULL"
                 " ORDER BY at DESC LIMIT 1");
    struct due *d = arg;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &newest, NO_ARGS, &r);

    *d = (struct due){0};
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    *d = (struct due){.any = true,
                      .at = db_int(r, 0),
                      .since = db_int(r, 1),
                      .mark = db_text_keep(r, 2),
                      .clean = db_text_keep(r, 3)};
    db_rows_end(r);
    return read_rights(cx, &d->w);
}

/* The files' times are whole seconds: one of the second in which the erasure ended counts as of before. */
static enum err
look(struct cx *cx, void *arg)
{
    static const struct sql q =
        ON_PG("SELECT count(*), pg_walfile_name(pg_current_wal_lsn()) FROM pg_ls_waldir()"
              " WHERE name ~ '^[0-9A-F]{24}$' AND (substr(name, 9) COLLATE \"C\" <= substr($1, 9)"
              " OR modification < to_timestamp($2 / 1000000 + 1))");
    struct due *d = arg;
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &q, ARGS(V_STR(d->mark), V_INT(d->since)), &r));
    d->old = db_int(r, 0);
    d->writes = db_text_keep(r, 1);
    db_rows_end(r);
    return OK;
}

static enum err
note_clean(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("audit_wal", "UPDATE audit_wal SET clean = $2 WHERE at = $1 AND clean = ''");
    struct due *d = arg;

    audit_cover(cx, REASON_ERASURE_STEP);
    d->clean = d->writes;
    return db_exec(cx->tx, &q, ARGS(V_INT(d->at), V_STR(d->writes)), NULL);
}

static enum err
clear(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("audit_wal", "UPDATE audit_wal SET cleared_at = $2 WHERE at <= $1"
                               " AND cleared_at IS NULL");
    const struct due *d = arg;
    struct trail t = {0};
    struct audit_entry e = {.event = EV_ERASURE_WAL_CLEARED,
                            .instance = true,
                            .target_kind = S("audit"),
                            .text = S("No segment of the database's write-ahead log from before "
                                      "the erasure is left")};
    int64_t changed = 0;

    TRY(db_exec(cx->tx, &q, ARGS(V_INT(d->at), V_INT(cx->now)), &changed));
    if (changed == 0) /* another server was first */
        return OK;
    trail_note(cx, &t, S("erasure ended"), STR_NULL, time_iso(cx->arena, d->at));
    trail_note(cx, &t, S("segment written then"), STR_NULL, d->mark);
    trail_note(cx, &t, S("segment written now"), STR_NULL, d->writes);
    e.changes = t.v;
    e.n_changes = t.n;
    return audit_record(cx, &e, NULL);
}

/* The number of a segment without its timeline. */
static struct str
number_of(struct str segment)
{
    return str_sub(segment, segment.n > 8 ? 8 : segment.n, SIZE_MAX);
}

/* *done: nothing is left to be done. */
static enum err
look_once(struct cx *cx, struct due *d, bool *done)
{
    TRY(cx_read(cx, look, d));
    if (d->old > 0)
        return OK;
    if (str_is_empty(d->clean))
        return cx_write(cx, note_clean, d);
    if (str_cmp(number_of(d->writes), number_of(d->clean)) <= 0)
        return OK;
    *done = true;
    return cx_write(cx, clear, d);
}

enum err
erasure_wal_step(struct cx *cx)
{
    struct due d = {0};
    bool done = false;

    if (!is_pg(cx))
        return OK;
    TRY(cx_read(cx, read_due, &d));
    for (int i = 0; d.any && i < SWITCHES; i++) {
        if (d.w.may_look)
            TRY(look_once(cx, &d, &done));
        if (done || !d.w.may_switch)
            break;
        TRY(db_utility(cx->app->db, "SELECT pg_switch_wal()"));
        if (d.w.may_checkpoint)
            TRY(db_utility(cx->app->db, "CHECKPOINT"));
    }
    return OK;
}
