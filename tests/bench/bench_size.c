/* What an event takes on disk, and what each part of it costs: in the tail until it is moved, in the running month
 * (hot) and in months that are over (sealed: indexed to the end and merged). SQLite: pages of each table and index,
 * from the dbstat table; PostgreSQL: pg_total_relation_size and its parts.
 *
 *     bench_size [--events 150000] [--dir /tmp]
 *
 * The rows are those of bench_fill.c: names, addresses, user agents as long as real ones, a change on every third. */
#include <libpq-fe.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "bench_fill.h"

static double n_hot, n_sealed;

static void
tell(const char *store, const char *when, const char *part, double bytes, double events)
{
    char name[160];
    snprintf(name, sizeof name, "%s, %s, an event: %s", store, when, part);
    figure(name, bytes / events, "bytes", NULL, 0, NULL);
}

/* ---- SQLite ---- */

/* Bytes of the pages of the tables and indexes whose name fits. */
static double
pages(const char *path, const char *like)
{
    sqlite3 *h = NULL;
    sqlite3_stmt *st = NULL;
    double n = 0;
    if (sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(
            h, "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name LIKE ?1 ESCAPE '\\'", -1,
            &st, NULL) != SQLITE_OK)
        DIE("%s: %s", path, sqlite3_errmsg(h));
    sqlite3_bind_text(st, 1, like, -1, SQLITE_STATIC);
    if (sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_double(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(h);
    return n;
}

static const struct {
    const char *part, *lite,
        *pg; /* pg: the parent of the partitions; lite: name in the month's file */
} parts[] = {
    {"public part, leaf and place", "audit\\_event", "audit_event"},
    {"indexes over type, outcome, client, id", "audit\\_event\\_%", NULL},
    {"personal part and salt", "audit\\_personal", "audit_personal"},
    {"who took part", "audit\\_party", "audit_party"},
    {"tree", "audit\\_node", "audit_node"},
};

static void
months(const struct bench *b, const char *when, int first, int n, double events)
{
    double all = 0, text = 0, part[sizeof parts / sizeof *parts] = {0};
    for (int m = first; m < first + n; m++) {
        int64_t at = month_start(clock_now(), m);
        int32_t month = month_ordinal(at);
        char path[400];
        snprintf(path, sizeof path, "%s/audit/%04d-%02d.db", b->dir, (int)(month / 12),
                 (int)(month % 12 + 1));
        all += pages(path, "%");
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            part[i] += pages(path, parts[i].lite);
        snprintf(path, sizeof path, "%s/audit/%04d-%02d.index.db", b->dir, (int)(month / 12),
                 (int)(month % 12 + 1));
        text += pages(path, "%");
    }
    tell("SQLite", when, "all told", all + text, events);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        tell("SQLite", when, parts[i].part, part[i], events);
    tell("SQLite", when, "text index", text, events);
}

/* ---- PostgreSQL ---- */

static double
ask(PGconn *c, const char *text)
{
    PGresult *r = PQexec(c, text);
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
        DIE("PostgreSQL: %s", PQerrorMessage(c));
    double v = strtod(PQgetvalue(r, 0, 0), NULL);
    PQclear(r);
    return v;
}

static double
partitions(PGconn *c, const char *function, const char *parent, int first, int n)
{
    double all = 0;
    for (int m = first; m < first + n; m++) {
        int32_t month = month_ordinal(month_start(clock_now(), m));
        char text[400];
        snprintf(
            text, sizeof text,
            "SELECT coalesce(sum(%s(i.inhrelid)), 0) FROM pg_inherits i JOIN pg_class k ON k.oid ="
            " i.inhrelid WHERE i.inhparent = '%s'::regclass AND k.relname = '%s_%04d_%02d'",
            function, parent, parent, (int)(month / 12), (int)(month % 12 + 1));
        all += ask(c, text);
    }
    return all;
}

static void
months_pg(PGconn *c, const char *when, int first, int n, double events)
{
    static const char *const whole = "pg_total_relation_size";
    double text = partitions(c, whole, "audit_gram", first, n) +
                  partitions(c, whole, "audit_chunk", first, n);
    double all = text;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].pg != NULL)
            all += partitions(c, whole, parts[i].pg, first, n);
    tell("PostgreSQL", when, "all told", all, events);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].pg == NULL)
            tell("PostgreSQL", when, "indexes over place, type, outcome, client, id",
                 partitions(c, "pg_indexes_size", "audit_event", first, n), events);
        else
            tell("PostgreSQL", when, parts[i].part,
                 partitions(c, i == 0 ? "pg_table_size" : whole, parts[i].pg, first, n), events);
    tell("PostgreSQL", when, "text index", text, events);
}

/* ---- both ---- */

static void
record(struct bench *b, int64_t events)
{
    struct arena *a = arena_create("fill", (size_t)1 << 30);
    for (int64_t done = 0; done < events; done += FILL_BATCH) {
        struct cx cx = bench_cx(b, a, 0);
        MUST(cx_write(&cx, fill_batch, NULL));
        arena_reset(a);
    }
    arena_free(a);
}

static void
store(const char *dir, const char *url, int64_t events)
{
    struct bench b;
    char path[400];
    bench_open(&b, dir, url, 4, 4);
    fill_months(&b, events);
    b.app.simulated_now = 0;
    PGconn *c = url ? PQconnectdb(b.url) : NULL;
    if (url && PQstatus(c) != CONNECTION_OK)
        DIE("PostgreSQL: %s", PQerrorMessage(c));
    if (url)
        PQclear(PQexec(c, "VACUUM FULL audit_tail")); /* of the rows that filled the months */
    record(&b, (int64_t)n_hot);
    snprintf(path, sizeof path, "%s/recount.db", b.dir);
    tell(url ? "PostgreSQL" : "SQLite", "in the tail, until it is moved", "all told",
         url ? ask(c, "SELECT pg_total_relation_size('audit_tail')") : pages(path, "audit\\_tail"),
         n_hot);
    MUST(audit_move_now(&b.app)); /* and indexes: the months before are over now, and merged */
    if (url) {
        months_pg(c, "running month", 0, 1, n_hot);
        months_pg(c, "months over", -FILL_MONTHS, FILL_MONTHS, n_sealed);
        PQfinish(c);
    } else {
        months(&b, "running month", 0, 1, n_hot);
        months(&b, "months over", -FILL_MONTHS, FILL_MONTHS, n_sealed);
    }
    bench_close(&b);
}

int
main(int argc, char **argv)
{
    const char *url = getenv("RECOUNT_TEST_PG");
    int64_t events = option_int(argc, argv, "events", 150000);
    int64_t a_month = (events / FILL_MONTHS + FILL_BATCH - 1) / FILL_BATCH * FILL_BATCH;
    n_sealed = (double)(a_month * FILL_MONTHS);
    n_hot = (double)a_month;
    store(option(argc, argv, "dir", "/tmp"), NULL, events);
    if (url)
        store(option(argc, argv, "dir", "/tmp"), url, events);
    return 0;
}
