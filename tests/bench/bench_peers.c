/* The peers of the log's search: the same documents in a plain table of SQLite looked through with
 * LIKE, and in PostgreSQL with a GIN index of trigrams (pg_trgm, with btree_gin for the workspace,
 * tuned as its manual advises). Timings only; nothing of the log is used. */
#include "bench_search.h"

#include <libpq-fe.h>
#include <sqlite3.h>

#define PAGE "50"

static struct str
pattern(struct arena *a, struct str text)
{
    struct buf *b = buf_in(a, 4096);
    buf_char(b, '%');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '%' || text.p[i] == '_' || text.p[i] == '\\')
            buf_char(b, '\\');
        buf_char(b, text.p[i]);
    }
    buf_char(b, '%');
    return buf_view(b);
}

static const char *const names[Q_CLASSES] = {"real", "absent", "no hit here", "two characters",
                                             "one character"};

static void
print_class(const char *peer, enum query_class c, struct samples *s, const char *goal)
{
    char text[128];
    snprintf(text, sizeof text, "%s, %s, p50", peer, names[c]);
    figure(text, samples_at(s, 0.5) / 1e3, "ms", NULL, 0, NULL);
    snprintf(text, sizeof text, "%s, %s, p95", peer, names[c]);
    figure(text, samples_at(s, 0.95) / 1e3, "ms", NULL, 0, goal);
    free(s->v);
}

/* ---- SQLite, LIKE ---- */

static void
lite_run(sqlite3 *h, const char *text)
{
    if (sqlite3_exec(h, text, NULL, NULL, NULL) != SQLITE_OK)
        DIE("SQLite: %s", sqlite3_errmsg(h));
}

static sqlite3_stmt *
lite_prepare(sqlite3 *h, const char *text)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(h, text, -1, &s, NULL) != SQLITE_OK)
        DIE("SQLite: %s", sqlite3_errmsg(h));
    return s;
}

static void
lite_fill(sqlite3 *h)
{
    lite_run(
        h,
        "PRAGMA journal_mode=WAL; PRAGMA case_sensitive_like=ON; PRAGMA cache_size=-65536;"
        "CREATE TABLE log (tenant_id INTEGER, idx INTEGER, doc TEXT, PRIMARY KEY (tenant_id, idx))"
        " WITHOUT ROWID; BEGIN");
    sqlite3_stmt *s = lite_prepare(h, "INSERT INTO log VALUES (?, ?, ?)");
    for (int64_t t = 0; t < TENANTS; t++)
        for (size_t i = 0; i < corpus.docs[t].n; i++) {
            struct str d = corpus.docs[t].v[i];
            sqlite3_bind_int64(s, 1, t);
            sqlite3_bind_int64(s, 2, (int64_t)i);
            sqlite3_bind_text(s, 3, d.p, (int)d.n, SQLITE_STATIC);
            if (sqlite3_step(s) != SQLITE_DONE)
                DIE("SQLite: %s", sqlite3_errmsg(h));
            sqlite3_reset(s);
        }
    sqlite3_finalize(s);
    lite_run(h, "COMMIT");
}

static void
lite_class(sqlite3_stmt *s, enum query_class c, int n)
{
    struct samples took = {0};
    for (int i = 0; i < n; i++) {
        struct arena *a = arena_create("peer", (size_t)64 << 20);
        struct query q = make_query(a, c);
        struct str p = pattern(a, q.text);
        double start = now_us();
        sqlite3_bind_int64(s, 1, q.tenant);
        sqlite3_bind_text(s, 2, p.p, (int)p.n, SQLITE_STATIC);
        while (sqlite3_step(s) == SQLITE_ROW)
            ;
        sqlite3_reset(s);
        samples_add(&took, now_us() - start);
        arena_free(a);
    }
    print_class("LIKE over a plain SQLite table", c, &took, NULL);
}

static void
on_like(struct bench *b, int queries)
{
    char path[400];
    sqlite3 *h = NULL;
    snprintf(path, sizeof path, "%s/like.db", b->dir);
    if (sqlite3_open(path, &h) != SQLITE_OK)
        DIE("%s", path);
    lite_fill(h);
    sqlite3_stmt *s =
        lite_prepare(h, "SELECT idx, doc FROM log WHERE tenant_id = ? AND doc LIKE ? ESCAPE '\\'"
                        " ORDER BY idx DESC LIMIT " PAGE);
    for (int c = 0; c < Q_CLASSES; c++)
        lite_class(s, (enum query_class)c, queries);
    sqlite3_finalize(s);
    sqlite3_close(h);
}

/* ---- PostgreSQL, pg_trgm ---- */

static bool
pg_run(PGconn *c, const char *text)
{
    PGresult *r = PQexec(c, text);
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
    if (!ok)
        printf("# PostgreSQL: %s", PQerrorMessage(c));
    PQclear(r);
    return ok;
}

/* A document as a field of COPY's text format. */
static void
put_field(struct buf *b, struct str d)
{
    for (size_t i = 0; i < d.n; i++) {
        char c = d.p[i];
        if (c == '\\' || c == '\t' || c == '\n' || c == '\r')
            buf_char(b, '\\');
        buf_char(b, c);
    }
}

static bool
pg_copy(PGconn *c)
{
    struct buf b;
    PGresult *r = PQexec(c, "COPY bench_log FROM STDIN");
    bool ok = PQresultStatus(r) == PGRES_COPY_IN;
    PQclear(r);
    buf_init(&b, (size_t)16 << 20);
    for (int64_t t = 0; ok && t < TENANTS; t++)
        for (size_t i = 0; ok && i < corpus.docs[t].n; i++) {
            buf_clear(&b);
            buf_fmt(&b, "%lld\t%zu\t", (long long)t, i);
            put_field(&b, corpus.docs[t].v[i]);
            buf_char(&b, '\n');
            ok = PQputCopyData(c, b.p, (int)b.n) == 1;
        }
    buf_free(&b);
    if (!ok || PQputCopyEnd(c, NULL) != 1)
        return false;
    r = PQgetResult(c);
    ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    PQclear(r);
    while ((r = PQgetResult(c)) != NULL)
        PQclear(r);
    return ok;
}

static bool
pg_fill(PGconn *c)
{
    return pg_run(c, "CREATE EXTENSION IF NOT EXISTS pg_trgm") &&
           pg_run(c, "CREATE EXTENSION IF NOT EXISTS btree_gin") &&
           pg_run(c, "CREATE TABLE bench_log (tenant_id int8, idx int8, doc text COLLATE \"C\")") &&
           pg_copy(c) && pg_run(c, "ALTER TABLE bench_log ADD PRIMARY KEY (tenant_id, idx)") &&
           pg_run(c, "SET maintenance_work_mem = '1GB'") &&
           pg_run(c,
                  "CREATE INDEX bench_log_trgm ON bench_log USING gin (tenant_id, doc gin_trgm_ops)"
                  " WITH (fastupdate = off)") &&
           pg_run(c, "VACUUM ANALYZE bench_log") && pg_run(c, "SET work_mem = '64MB'") &&
           pg_run(c, "SET random_page_cost = 1.1") && pg_run(c, "SET jit = off");
}

static bool
pg_class(PGconn *c, enum query_class class, int n)
{
    struct samples took = {0};
    for (int i = 0; i < n; i++) {
        struct arena *a = arena_create("peer", (size_t)64 << 20);
        struct query q = make_query(a, class);
        const char *v[2] = {arena_cstr(a, arena_fmt(a, "%lld", (long long)q.tenant)),
                            arena_cstr(a, pattern(a, q.text))};
        double start = now_us();
        PGresult *r =
            PQexecParams(c,
                         "SELECT idx, doc FROM bench_log WHERE tenant_id = $1 AND doc LIKE $2"
                         " ORDER BY idx DESC LIMIT " PAGE,
                         2, NULL, v, NULL, NULL, 0);
        samples_add(&took, now_us() - start);
        bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
        PQclear(r);
        arena_free(a);
        if (!ok) {
            printf("# PostgreSQL: %s", PQerrorMessage(c));
            return false;
        }
    }
    print_class("PostgreSQL, pg_trgm", class, &took, NULL);
    return true;
}

static void
on_trgm(const char *url, int queries)
{
    PGconn *c = PQconnectdb(url);
    if (PQstatus(c) != CONNECTION_OK || !pg_fill(c)) {
        printf("# no figures of pg_trgm: %s\n", PQerrorMessage(c));
        PQfinish(c);
        return;
    }
    for (int k = 0; k < Q_CLASSES; k++)
        if (!pg_class(c, (enum query_class)k, queries))
            break;
    pg_run(c, "DROP TABLE bench_log");
    PQfinish(c);
}

void
run_peers(struct bench *b, const char *url, int queries)
{
    on_like(b, queries);
    if (url)
        on_trgm(url, queries);
}
