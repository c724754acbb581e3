/* As test_tamper.c, on PostgreSQL, whose files are its own: random values of random rows in the log's tables are
 * changed by an owner of the database who goes round the triggers. A bit of a number or of bytes, a letter of a
 * text. A change that alters anything that is read must be found; one that is not found must alter nothing.
 *
 *   RECOUNT_LONG=1      10,000 changes, else 60
 *   RECOUNT_CHANGES=N   so many
 *   RECOUNT_SEED=N      other ones */
#include <libpq-fe.h>

#include "tamper_support.h"

#define FEW        60
#define EVENTS     420
#define TABLES_MAX 128

static PGconn *conn;
static struct {
    char name[64];
    long rows;
} tables[TABLES_MAX];
static size_t n_tables;

/* One answer; NULL: refused (a constraint holds even for an owner). */
static PGresult *
pg_ask(const char *sql)
{
    PGresult *r = PQexec(conn, sql);
    ExecStatusType s = PQresultStatus(r);
    if (s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK)
        return r;
    PQclear(r);
    return NULL;
}

static const char *sql_text(const char *fmt, ...) PRINTF_LIKE(1, 2);
static const char *
sql_text(const char *fmt, ...)
{
    va_list ap;
    static char out[2][4096];
    static int turn;
    turn = !turn;
    va_start(ap, fmt);
    (void)vsnprintf(out[turn], sizeof out[0], fmt, ap);
    va_end(ap);
    return out[turn];
}

static void
find_tables(void)
{
    PGresult *r =
        pg_ask("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'audit\\_%'"
               " AND relnamespace = current_schema()::regnamespace ORDER BY relname");
    assert_non_null(r);
    for (int i = 0; i < PQntuples(r); i++) {
        const char *name = PQgetvalue(r, i, 0);
        PGresult *n = pg_ask(sql_text("SELECT count(*) FROM %s", name));
        assert_non_null(n);
        long rows = strtol(PQgetvalue(n, 0, 0), NULL, 10);
        PQclear(n);
        if (rows == 0)
            continue;
        assert_true(n_tables < TABLES_MAX);
        snprintf(tables[n_tables].name, sizeof tables[0].name, "%s", name);
        tables[n_tables++].rows = rows;
    }
    PQclear(r);
    assert_true(n_tables > 10);
}

/* Where and what: enough to do it, to undo it and to tell of it. */
struct change {
    const char *table;
    char column[64], type[64], ctid[32], old[200000];
};

/* A value that is there; false: this row has none. */
static bool
choose(struct change *c)
{
    size_t k = next_random() % n_tables;
    long row = (long)(next_random() % (uint64_t)tables[k].rows);
    c->table = tables[k].name;
    PGresult *r =
        pg_ask(sql_text("SELECT attname, atttypid::regtype FROM pg_attribute WHERE attrelid ="
                        " '%s'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                        c->table));
    assert_non_null(r);
    int col = (int)(next_random() % (uint64_t)PQntuples(r));
    snprintf(c->column, sizeof c->column, "%s", PQgetvalue(r, col, 0));
    snprintf(c->type, sizeof c->type, "%s", PQgetvalue(r, col, 1));
    PQclear(r);
    r = pg_ask(sql_text("SELECT ctid, %s FROM %s ORDER BY ctid OFFSET %ld LIMIT 1", c->column,
                        c->table, row));
    assert_non_null(r);
    bool has = PQntuples(r) == 1 && !PQgetisnull(r, 0, 1) && PQgetlength(r, 0, 1) > 0;
    if (has) {
        snprintf(c->ctid, sizeof c->ctid, "%s", PQgetvalue(r, 0, 0));
        assert_true((size_t)PQgetlength(r, 0, 1) < sizeof c->old);
        snprintf(c->old, sizeof c->old, "%s", PQgetvalue(r, 0, 1));
    }
    PQclear(r);
    return has;
}

/* The changed value as an expression over the old one. */
static const char *
altered(const struct change *c)
{
    unsigned long n = (unsigned long)next_random();
    if (strcmp(c->type, "bytea") == 0)
        return sql_text("CASE length(%1$s) WHEN 0 THEN '\\x00'::bytea ELSE set_byte(%1$s,"
                        " (%2$lu %% greatest(length(%1$s), 1))::int, get_byte(%1$s,"
                        " (%2$lu %% greatest(length(%1$s), 1))::int) # %3$lu) END",
                        c->column, n >> 32, n % 255 + 1);
    if (strcmp(c->type, "text") == 0)
        return sql_text(
            "overlay(%1$s placing chr(%3$lu) from (%2$lu %% length(%1$s))::int + 1 for 1)",
            c->column, n >> 32, 97 + n % 26);
    if (strcmp(c->type, "boolean") == 0)
        return sql_text("NOT %s", c->column);
    return sql_text("%s # (1::bigint << %lu)", c->column, n % 40);
}

/* Sets the column of the row; its new place into ctid. False: a constraint refuses. */
static bool
set_value(struct change *c, const char *value)
{
    PGresult *r = pg_ask(sql_text("UPDATE %s SET %s = %s WHERE ctid = '%s' RETURNING ctid",
                                  c->table, c->column, value, c->ctid));
    if (r == NULL)
        return false;
    assert_int_equal(PQntuples(r), 1);
    snprintf(c->ctid, sizeof c->ctid, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return true;
}

static void
undo(struct change *c)
{
    char *sql = NULL, *old = PQescapeLiteral(conn, c->old, strlen(c->old));
    assert_non_null(old);
    assert_true(asprintf(&sql, "UPDATE %s SET %s = %s::%s WHERE ctid = '%s'", c->table, c->column,
                         old, c->type, c->ctid) > 0);
    PGresult *r = pg_ask(sql);
    assert_non_null(r);
    assert_string_equal(PQcmdTuples(r), "1");
    PQclear(r);
    PQfreemem(old);
    free(sql);
}

/* False: there was nothing to change there. */
static bool
one_change(void)
{
    static struct change c;
    struct seen o;
    if (!choose(&c) || !set_value(&c, altered(&c)))
        return false;
    bool ended = in_child(&o);
    undo(&c);
    judge(&o, ended, text("%s.%s %s, was %.60s", c.table, c.column, c.ctid, c.old));
    return true;
}

static void
every_value_is_found_or_harmless(void **unused)
{
    struct seen after;
    int64_t n = changes_wanted(FEW, UINT64_C(20261126));
    (void)unused;
    make_store(EVENTS);
    conn = PQconnectdb(t.url);
    assert_int_equal(PQstatus(conn), CONNECTION_OK);
    PQclear(pg_ask("SET session_replication_role = replica"));
    find_tables();
    look_at_untouched();
    for (int64_t i = 0; i < n;)
        i += one_change();
    print_message("%lld changes in %zu tables: %lld found, %lld changed nothing that is read\n",
                  (long long)n, n_tables, (long long)n_found, (long long)n_harmless);
    assert_true(n_found > n / 4);                         /* it is the log that was hit */
    assert_true(in_child(&after) && after.findings == 0); /* and all of it was undone */
    PQfinish(conn);
    open_store();
    open_log();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        every_value_is_found_or_harmless, begin_postgres, end_signed)};
    if (getenv("RECOUNT_TEST_PG") == NULL) {
        print_message("no PostgreSQL (RECOUNT_TEST_PG is not set)\n");
        return 77; /* meson: skipped */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
