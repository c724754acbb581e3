/* What follows an erasure: the text index without what was erased, the sum of it, and the rewriting
 * of files or partitions, so that freed space holds no old bytes. doc/decisions/0009-erasure.md says
 * what is reached and what is not. */
#include "audit/erase.h"

#include "audit/priv.h"
#include "base/log.h"

/* ---- where the erased events are ---- */

#define ROWS_OF(where)                                                                             \
    "SELECT idx FROM audit_erasure WHERE" where                                                    \
    "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 AND request = $6"                \
    " ORDER BY idx LIMIT $7"
static const struct sql rows_of = SQL_READ2(ROWS_OF(SEG_LITE), ROWS_OF(SEG_PG));

#define ROWS 1024

struct finding {
    const struct region *g;
    int64_t from;
    struct str request;
    int limit;
    int64_t idx[ROWS];
    int n;
};

static enum err
find_rows(struct db_tx *tx, void *arg)
{
    struct finding *f = arg;
    const struct range *r = &f->g->r;
    struct db_rows *q = NULL;
    enum err e;
    f->n = 0;
    TRY(db_query(tx, &rows_of,
                 ARGS(V_INT(f->g->month), V_INT(r->tenant_id), V_INT(r->epoch), V_INT(f->from),
                      V_INT(r->next), V_STR(f->request), V_INT(f->limit)),
                 &q));
    while ((e = db_next(q)) == OK)
        f->idx[f->n++] = db_int(q, 0);
    return e == ERR_END ? OK : e;
}

/* The next events of the request in the region, none when the month has just expired. */
static enum err
next_rows(struct cx *cx, struct finding *f)
{
    struct audit *au = cx->app->audit;
    struct arena *a = arena_create("audit.rows", (size_t)4 << 20);
    struct segment *s = au->pg ? NULL : segment_pin(au, f->g->month);
    enum err e = OK;
    f->n = 0;
    if (au->pg || s != NULL)
        e = db_read(erase_store(au, s), a, find_rows, f);
    segment_unpin(au, s);
    arena_free(a);
    return e;
}

/* ---- the text index ---- */

static enum err
reindex_region(struct cx *cx, const struct erase_subject *s, const struct region *g,
               int64_t deadline, struct erase_place *at)
{
    struct finding f = {.g = g, .request = s->request, .limit = 1};
    int64_t from = position_of(g->r.epoch, g->r.first);
    if (at->position < from)
        at->position = from;
    while (clock_monotonic() < deadline) {
        int64_t next = 0;
        f.from = position_index(at->position);
        TRY(next_rows(cx, &f));
        if (f.n == 0) {
            at->position = position_of(g->r.epoch, g->r.next);
            return OK;
        }
        TRY(audit_step(cx->app->audit));
        TRY(index_remake(cx->app->audit, g, f.idx[0], &next));
        at->position = position_of(g->r.epoch, next);
    }
    return OK;
}

enum err
erase_reindex(struct cx *cx, const struct erase_subject *s, int64_t budget_us,
              struct erase_place *at)
{
    int64_t deadline = clock_monotonic() + budget_us;
    for (; at->log < 2; at->log++, at->position = 0) {
        struct region *g = NULL;
        size_t n = 0;
        TRY(erase_regions(cx, erase_log(s, at->log), &g, &n));
        for (size_t i = 0; i < n; i++) {
            if (at->position >= position_of(g[i].r.epoch, g[i].r.next))
                continue;
            TRY(reindex_region(cx, s, &g[i], deadline, at));
            if (clock_monotonic() >= deadline)
                return OK;
        }
    }
    at->done = true;
    return OK;
}

/* ---- the sum ---- */

static const struct sql oldest =
    SQL_READ2("SELECT coalesce(min(e.at), 0) FROM audit_erasure x JOIN audit_event e"
              " ON e.tenant_id = x.tenant_id AND e.epoch = x.epoch AND e.idx = x.idx"
              " WHERE $1 IS NOT NULL AND x.tenant_id = $2 AND x.request = $3",
              "SELECT coalesce(min(e.at), 0) FROM audit_erasure x JOIN audit_event e"
              " ON e.month = $1 AND e.tenant_id = x.tenant_id AND e.epoch = x.epoch"
              " AND e.idx = x.idx WHERE x.month = $1 AND x.tenant_id = $2 AND x.request = $3");

struct asking_oldest {
    int32_t month;
    int64_t log, at;
    struct str request;
};

static enum err
read_oldest(struct db_tx *tx, void *arg)
{
    struct asking_oldest *o = arg;
    return db_query_int(tx, &oldest, ARGS(V_INT(o->month), V_INT(o->log), V_STR(o->request)),
                        &o->at);
}

static enum err
note_oldest(struct cx *cx, const struct erase_subject *s, const struct region *g,
            struct erase_summary *sum)
{
    struct audit *au = cx->app->audit;
    struct segment *seg = au->pg ? NULL : segment_pin(au, g->month);
    struct asking_oldest o = {g->month, g->r.tenant_id, 0, s->request};
    enum err e = OK;
    if (au->pg || seg != NULL)
        e = db_read(erase_store(au, seg), cx->arena, read_oldest, &o);
    segment_unpin(au, seg);
    if (e == OK && o.at != 0 && (sum->first_at == 0 || o.at < sum->first_at))
        sum->first_at = o.at;
    return e;
}

static void
note_run(struct erase_summary *sum, bool instance, int64_t epoch, int64_t idx)
{
    size_t n = sum->n_runs;
    sum->events++;
    if (n > 0 && sum->runs[n - 1].instance == instance && sum->runs[n - 1].epoch == epoch &&
        sum->runs[n - 1].last + 1 == idx)
        sum->runs[n - 1].last = idx;
    else if (n < ERASE_RUNS_MAX)
        sum->runs[sum->n_runs++] = (struct erase_run){instance, epoch, idx, idx};
    else
        sum->more_runs = true;
}

static enum err
sum_region(struct cx *cx, const struct erase_subject *s, const struct region *g,
           struct erase_summary *sum)
{
    struct finding *f = arena_new(cx->arena, struct finding);
    *f = (struct finding){.g = g, .request = s->request, .limit = ROWS, .from = g->r.first};
    int64_t before = sum->events;
    do {
        TRY(next_rows(cx, f));
        for (int i = 0; i < f->n; i++)
            note_run(sum, g->r.tenant_id == INSTANCE_LOG, g->r.epoch, f->idx[i]);
        if (f->n > 0)
            f->from = f->idx[f->n - 1] + 1;
    } while (f->n == ROWS);
    return sum->events > before ? note_oldest(cx, s, g, sum) : OK;
}

enum err
erase_sum_up(struct cx *cx, const struct erase_subject *s, struct erase_summary *out)
{
    struct erase_summary sum = {.runs = arena_array(cx->arena, struct erase_run, ERASE_RUNS_MAX)};
    for (int log = 0; log < 2; log++) {
        struct region *g = NULL;
        size_t n = 0;
        TRY(erase_regions(cx, erase_log(s, log), &g, &n));
        for (size_t i = 0; i < n; i++)
            TRY(sum_region(cx, s, &g[i], &sum));
    }
    *out = sum;
    return OK;
}

/* ---- rewriting: SQLite ---- */

/* secure_delete leaves copies that a page's reordering left between its cells; only a rewritten file has
 * none. Then the log of changes goes: TRUNCATE waits for readers of an older state. */
static enum err
rewrite_file(struct audit *au, struct db *db)
{
    TRY(audit_step(au));
    TRY(db_utility(db, "VACUUM"));
    TRY(audit_step(au));
    return db_utility(db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static enum err
scrub_month(struct audit *au, int32_t month, bool text)
{
    struct segment *s = segment_pin(au, month);
    if (s == NULL)
        return OK;
    enum err e = rewrite_file(au, text ? s->text : s->db);
    segment_unpin(au, s);
    return e;
}

/* Rows that were moved may still lie in the tail. */
static enum err
rewrite_main(struct audit *au)
{
    TRY(audit_move_out(au->app));
    return rewrite_file(au, au->app->db);
}

/* Months that hold erased events of the request, ascending, and the main store behind them. */
static enum err
months_of(struct cx *cx, const struct erase_subject *s, int32_t *v, size_t *n)
{
    *n = 0;
    for (int log = 0; log < 2; log++) {
        struct region *g = NULL;
        size_t count = 0;
        TRY(erase_regions(cx, erase_log(s, log), &g, &count));
        for (size_t i = 0; i < count; i++) {
            struct finding *f = arena_new(cx->arena, struct finding);
            bool known = false;
            *f = (struct finding){.g = &g[i], .request = s->request, .limit = 1};
            TRY(next_rows(cx, f));
            for (size_t k = 0; k < *n; k++)
                known = known || v[k] == g[i].month;
            if (f->n > 0 && !known && *n < ERASE_MONTHS_MAX)
                v[(*n)++] = g[i].month;
        }
    }
    return OK;
}

static enum err
scrub_files(struct cx *cx, const int32_t *months, size_t n, struct erase_scrubbed *at)
{
    struct audit *au = cx->app->audit;
    size_t u = (size_t)at->unit;
    if (u < 2 * n)
        TRY(scrub_month(au, months[u / 2], u % 2 == 1));
    else
        TRY(rewrite_main(au));
    at->unit++;
    at->done = u >= 2 * n;
    return OK;
}

/* ---- rewriting: PostgreSQL ---- */

static const char *const month_tables[] = {"audit_personal", "audit_gram", "audit_chunk"};
#define MONTH_TABLES (sizeof month_tables / sizeof month_tables[0])
/* The tables of the main store: he may have stood in any, and rows that are gone lie in them until they
 * are rewritten. The planner's statistics hold nothing of him (0012_samples.sql). */
static const struct sql main_table =
    SQL_READ2("SELECT ''", "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r'"
                           " AND NOT relispartition AND relnamespace = (SELECT m.relnamespace"
                           " FROM pg_class m WHERE m.oid = 'audit_mark'::regclass)"
                           " ORDER BY relname OFFSET $1 LIMIT 1");

struct nth_table {
    int64_t n;
    struct str name; /* null: there is none */
};

static enum err
read_table(struct db_tx *tx, void *arg)
{
    struct nth_table *t = arg;
    struct db_rows *q = NULL;
    enum err e = db_query_one(tx, &main_table, ARGS(V_INT(t->n)), &q);
    t->name = STR_NULL;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    t->name = db_text_keep(q, 0);
    db_rows_end(q);
    return OK;
}

/* Allowed to an owner of the database or a superuser; where they are not, the server does them by itself
 * in time (doc/operations.md). */
static const char *const if_allowed[] = {"VACUUM (FULL) pg_statistic", "CHECKPOINT"};
#define IF_ALLOWED (sizeof if_allowed / sizeof if_allowed[0])

static enum err
scrub_partition(struct cx *cx, const char *table, int32_t month)
{
    struct str name = partition_name(cx->arena, table, month);
    struct str text = arena_fmt(cx->arena, "VACUUM (FULL) %.*s", STR_ARG(name));
    TRY(audit_step(cx->app->audit));
    return db_utility(cx->app->db, text.p);
}

static enum err
scrub_rest(struct cx *cx, int64_t n, bool *done)
{
    struct nth_table t = {.n = n};
    TRY(db_read(cx->app->db, cx->arena, read_table, &t));
    *done = str_is_null(t.name);
    if (!*done) {
        struct str text = arena_fmt(cx->arena, "VACUUM (FULL) %.*s", STR_ARG(t.name));
        TRY(audit_step(cx->app->audit));
        return db_utility(cx->app->db, text.p);
    }
    for (size_t i = 0; i < IF_ALLOWED; i++)
        if (db_utility(cx->app->db, if_allowed[i]) != OK)
            log_warn("audit.scrub", LOG_STR("store", db_last_error()));
    return OK;
}

/* VACUUM keeps a dead row that some snapshot may still see, and says nothing of it. So before the first table
 * is rewritten everything that began before the last row was erased must have ended: transactions
 * of the whole cluster, as any snapshot counts them, and the snapshots of this database and of standbys. */
static const struct sql newest_xid =
    SQL_READ2("SELECT 0", "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint");
#define OLDER(xid) "age(" xid ") > age(($1 & 4294967295)::text::xid)"
static const struct sql older_left = SQL_READ2(
    "SELECT 0",
    "SELECT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint < $1)::int"
    " + (SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    " AND (datname = current_database() OR datname IS NULL) AND " OLDER(
        "backend_xmin") ")"
                        " + (SELECT count(*) FROM pg_replication_slots WHERE " OLDER("xmin") ")");

struct horizon {
    int64_t xid;
    int64_t older; /* that have not ended */
};

static enum err
look_at_horizon(struct db_tx *tx, void *arg)
{
    struct horizon *h = arg;
    if (h->xid == 0)
        TRY(db_query_int(tx, &newest_xid, NO_ARGS, &h->xid));
    return db_query_int(tx, &older_left, ARGS(V_INT(h->xid)), &h->older);
}

static enum err
wait_for_older(struct cx *cx, struct erase_scrubbed *at)
{
    struct horizon h = {.xid = at->horizon};
    TRY(db_read(cx->app->db, cx->arena, look_at_horizon, &h));
    at->horizon = h.xid;
    if (h.older == 0)
        return OK;
    log_info("audit.scrub_waits", LOG_INT("for_older_transactions", h.older));
    return fail_word(cx, ERR_CONFLICT, S("older_transactions"),
                     "Transactions from before the erasure have not ended");
}

static enum err
scrub_tables(struct cx *cx, const int32_t *months, size_t n, struct erase_scrubbed *at)
{
    size_t u = (size_t)at->unit, parts = n * MONTH_TABLES;
    if (u == 0)
        TRY(wait_for_older(cx, at));
    if (u < parts)
        TRY(scrub_partition(cx, month_tables[u % MONTH_TABLES], months[u / MONTH_TABLES]));
    else
        TRY(scrub_rest(cx, (int64_t)(u - parts), &at->done));
    at->unit++;
    return OK;
}

enum err
erase_scrub(struct cx *cx, const struct erase_subject *s, struct erase_scrubbed *at)
{
    int32_t months[ERASE_MONTHS_MAX];
    size_t n = 0;
    at->done = false;
    TRY(months_of(cx, s, months, &n));
    return cx->app->audit->pg ? scrub_tables(cx, months, n, at) : scrub_files(cx, months, n, at);
}
