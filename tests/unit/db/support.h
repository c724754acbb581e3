/* What the tests of the contract share: a store of either kind with two small tables, made anew for
 * each case: SQLite in a temporary folder always, PostgreSQL in a schema of its own when
 * RECOUNT_TEST_PG holds a libpq URL. */
#ifndef TEST_DB_SUPPORT_H
#define TEST_DB_SUPPORT_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/db_priv.h"

#include "../tmp.h"

static struct {
    enum db_kind kind;
    char dir[64];
    char url[512];
    struct db *db;
    struct arena *a;
} t;

static const char schema_sqlite[] =
    "CREATE TABLE item (id bigint PRIMARY KEY, name text UNIQUE, data blob, num double precision,"
    " flag bigint);"
    "CREATE TABLE other (id bigint PRIMARY KEY, item bigint REFERENCES item (id), n bigint);"
    "CREATE TABLE sequence (name text PRIMARY KEY, value bigint NOT NULL)";
static const char schema_postgres[] =
    "CREATE TABLE item (id bigint PRIMARY KEY, name text COLLATE \"C\" UNIQUE, data bytea,"
    " num double precision, flag bigint);"
    "CREATE TABLE other (id bigint PRIMARY KEY, item bigint REFERENCES item (id), n bigint);"
    "CREATE SEQUENCE seq_user; CREATE SEQUENCE seq_job";

__attribute__((unused)) static const struct sql insert_item =
    SQL_WRITE("item", "INSERT INTO item (id, name, data, num, flag) VALUES ($1, $2, $3, $4, $5)");
__attribute__((unused)) static const struct sql insert_other =
    SQL_WRITE("other", "INSERT INTO other (id, item, n) VALUES ($1, $2, $3)");
__attribute__((unused)) static const struct sql count_items = SQL_READ("SELECT count(*) FROM item");

/* ---- fixtures ---- */

__attribute__((unused)) static enum err
script(struct db_tx *tx, void *text)
{
    return db_script(tx, text);
}

__attribute__((unused)) static struct db *
reopen(void)
{
    struct db *db = NULL;
    struct str why = STR_NULL;
    struct db_options o = {.url = t.kind == DB_SQLITE ? S("sqlite") : str_of(t.url),
                           .dir = str_of(t.dir),
                           .readers = 4,
                           .writers = 8};
    enum err e = db_open(t.a, &o, &db, &why);
    if (e != OK)
        fail_msg("open: %.*s", STR_ARG(why));
    return db;
}

__attribute__((unused)) static int
begin(void **state, enum db_kind kind)
{
    static int serial;
    (void)state;
    t.kind = kind;
    t.a = arena_create("test", (size_t)512 << 20);
    if (!temp_dir(t.dir, sizeof(t.dir), "recount-db"))
        return -1;
    if (kind == DB_POSTGRES) {
        char text[128];
        snprintf(t.url, sizeof(t.url), "%s", getenv("RECOUNT_TEST_PG"));
        struct db *db = reopen();
        snprintf(text, sizeof(text), "CREATE SCHEMA test_%d_%d", (int)getpid(), ++serial);
        if (db_write(db, t.a, script, text) != OK)
            return -1;
        db_close(db);
        /* A schema and a name of its own: other tests use the same cluster at the same time. */
        snprintf(t.url, sizeof(t.url),
                 "%s%coptions=-csearch_path%%3Dtest_%d_%d&application_name=test_%d_%d",
                 getenv("RECOUNT_TEST_PG"), strchr(getenv("RECOUNT_TEST_PG"), '?') ? '&' : '?',
                 (int)getpid(), serial, (int)getpid(), serial);
    }
    t.db = reopen();
    return 0;
}

__attribute__((unused)) static int
begin_tables(void **state, enum db_kind kind)
{
    if (begin(state, kind) != 0)
        return -1;
    const char *text = kind == DB_SQLITE ? schema_sqlite : schema_postgres;
    return db_write(t.db, t.a, script, (void *)(uintptr_t)text) == OK ? 0 : -1;
}

__attribute__((unused)) static int
end(void **state)
{
    (void)state;
    db_close(t.db);
    static const char *const names[] = {"recount.db", "recount.db-wal", "recount.db-shm",
                                        "copy.db",    "copy.db-wal",    "copy.db-shm"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(arena_fmt(t.a, "%s/%s", t.dir, names[i]).p);
    rmdir(t.dir);
    arena_free(t.a);
    return 0;
}

struct count {
    const struct sql *q;
    int64_t n;
};

__attribute__((unused)) static enum err
count_body(struct db_tx *tx, void *arg)
{
    struct count *c = arg;
    return db_query_int(tx, c->q, NO_ARGS, &c->n);
}

__attribute__((unused)) static int64_t
count_now(struct db *db, const struct sql *q)
{
    struct count c = {q, -1};
    assert_int_equal(db_read(db, t.a, count_body, &c), OK);
    return c.n;
}

__attribute__((unused)) static enum err
add_item(struct db_tx *tx, int64_t id)
{
    return db_exec(tx, &insert_item,
                   ARGS(V_INT(id), V_STR(arena_fmt(tx->arena, "name %lld", (long long)id)), V_NULL,
                        V_NULL, V_INT(0)),
                   NULL);
}

__attribute__((unused)) static enum err
add_one(struct db_tx *tx, void *arg)
{
    return add_item(tx, *(int64_t *)arg);
}

__attribute__((unused)) static enum err
check_user(struct db_tx *tx)
{
    const struct db_touch *touched = NULL;
    return db_tx_touched(tx, &touched) == 0 || db_tx_user(tx) ? OK : ERR_FORBIDDEN;
}

/* A thread of a case. */
struct worker {
    struct db *db; /* where it writes, if not in t.db */
    pthread_t thread;
    int n;
    int failed;
    int done;
    struct arena *a;
};

/* ---- the suites ---- */

__attribute__((unused)) static int
begin_sqlite(void **state)
{
    return begin_tables(state, DB_SQLITE);
}

__attribute__((unused)) static int
begin_postgres(void **state)
{
    return begin_tables(state, DB_POSTGRES);
}

__attribute__((unused)) static int
empty_sqlite(void **state)
{
    return begin(state, DB_SQLITE);
}

__attribute__((unused)) static int
empty_postgres(void **state)
{
    return begin(state, DB_POSTGRES);
}

/* A case on a store with the tables, and on an empty one. */
#define CASE(f, store)                                                                             \
    {                                                                                              \
#f " on " #store, f, begin_##store, end, NULL                                              \
    }
#define EMPTY(f, store)                                                                            \
    {                                                                                              \
#f " on " #store, f, empty_##store, end, NULL                                              \
    }

static int
run_suites(const struct CMUnitTest *sqlite, const struct CMUnitTest *postgres, size_t n)
{
    int failed = _cmocka_run_group_tests("sqlite", sqlite, n, NULL, NULL);

    if (getenv("RECOUNT_TEST_PG"))
        failed += _cmocka_run_group_tests("postgres", postgres, n, NULL, NULL);
    else
        fputs("postgres: not tested, RECOUNT_TEST_PG is not set\n", stderr);
    return failed != 0;
}

#endif
