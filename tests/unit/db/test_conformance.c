/* The contract of db.h, run on every store there is: SQLite in a temporary folder always,
 * PostgreSQL in a schema of its own when RECOUNT_TEST_PG holds a libpq URL. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rand.h"
#include "db/db_priv.h"

#define THREADS    64
#define PER_THREAD 20

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

static const struct sql insert_item =
    SQL_WRITE("item", "INSERT INTO item (id, name, data, num, flag) VALUES ($1, $2, $3, $4, $5)");
static const struct sql insert_other =
    SQL_WRITE("other", "INSERT INTO other (id, item, n) VALUES ($1, $2, $3)");
static const struct sql count_items = SQL_READ("SELECT count(*) FROM item");

/* ---- fixtures ---- */

static enum err
script(struct db_tx *tx, void *text)
{
    return db_script(tx, text);
}

static struct db *
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

static int
begin(void **state, enum db_kind kind)
{
    static int serial;
    (void)state;
    t.kind = kind;
    t.a = arena_create("test", (size_t)512 << 20);
    snprintf(t.dir, sizeof(t.dir), "/tmp/recount-db.XXXXXX");
    if (!mkdtemp(t.dir))
        return -1;
    if (kind == DB_POSTGRES) {
        char text[128];
        snprintf(t.url, sizeof(t.url), "%s", getenv("RECOUNT_TEST_PG"));
        struct db *db = reopen();
        snprintf(text, sizeof(text), "CREATE SCHEMA test_%d_%d", (int)getpid(), ++serial);
        if (db_write(db, t.a, script, text) != OK)
            return -1;
        db_close(db);
        snprintf(t.url, sizeof(t.url), "%s%coptions=-csearch_path%%3Dtest_%d_%d",
                 getenv("RECOUNT_TEST_PG"), strchr(getenv("RECOUNT_TEST_PG"), '?') ? '&' : '?',
                 (int)getpid(), serial);
    }
    t.db = reopen();
    return 0;
}

static int
begin_tables(void **state, enum db_kind kind)
{
    if (begin(state, kind) != 0)
        return -1;
    const char *text = kind == DB_SQLITE ? schema_sqlite : schema_postgres;
    return db_write(t.db, t.a, script, (void *)(uintptr_t)text) == OK ? 0 : -1;
}

static int
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

static enum err
count_body(struct db_tx *tx, void *arg)
{
    struct count *c = arg;
    return db_query_int(tx, c->q, NO_ARGS, &c->n);
}

static int64_t
count_now(struct db *db, const struct sql *q)
{
    struct count c = {q, -1};
    assert_int_equal(db_read(db, t.a, count_body, &c), OK);
    return c.n;
}

static enum err
add_item(struct db_tx *tx, int64_t id)
{
    return db_exec(tx, &insert_item,
                   ARGS(V_INT(id), V_STR(arena_fmt(tx->arena, "name %lld", (long long)id)), V_NULL,
                        V_NULL, V_INT(0)),
                   NULL);
}

static enum err
add_one(struct db_tx *tx, void *arg)
{
    return add_item(tx, *(int64_t *)arg);
}

/* ---- values ---- */

static enum err
types_write(struct db_tx *tx, void *arg)
{
    (void)arg;
    int64_t changed = 0;
    TRY(db_exec(tx, &insert_item,
                ARGS(V_INT(INT64_MIN), V_STR(S("g\xc3\xa4r\xf0\x9f\x90\x99")),
                     V_BYTES(str_mem("\0\1\\x\xff", 5)), V_DOUBLE(0.1), V_INT(1)),
                &changed));
    assert_int_equal(changed, 1);
    TRY(db_exec(tx, &insert_item,
                ARGS(V_INT(INT64_MAX), V_STR(S("")), V_BYTES(S("")), V_DOUBLE(-1e300), V_NULL),
                NULL));
    return db_exec(tx, &insert_item,
                   ARGS(V_INT(5), V_STR(STR_NULL), V_BYTES(STR_NULL), V_NULL, V_NULL), NULL);
}

static enum err
types_read(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ("SELECT id, name, data, num, flag FROM item ORDER BY id");
    struct db_rows *r = NULL;
    (void)arg;
    TRY(db_query(tx, &q, NO_ARGS, &r));
    TRY(db_next(r));
    assert_true(db_int(r, 0) == INT64_MIN);
    assert_true(str_eq(db_text(r, 1), S("g\xc3\xa4r\xf0\x9f\x90\x99")));
    assert_true(str_eq(db_bytes(r, 2), str_mem("\0\1\\x\xff", 5)));
    assert_true(db_double(r, 3) == 0.1);
    assert_int_equal(db_int(r, 4), 1);
    struct str kept = db_text_keep(r, 1);
    TRY(db_next(r));
    assert_true(db_is_null(r, 1) && db_is_null(r, 2) && db_is_null(r, 3) && db_is_null(r, 4));
    assert_true(str_is_null(db_text(r, 1)) && str_is_null(db_bytes_keep(r, 2)));
    assert_int_equal(db_int(r, 4), 0);
    TRY(db_next(r));
    assert_true(db_int(r, 0) == INT64_MAX && db_double(r, 3) == -1e300);
    assert_true(!str_is_null(db_text(r, 1)) && str_is_empty(db_text(r, 1)));
    assert_true(!db_is_null(r, 2) && !str_is_null(db_bytes(r, 2)) && db_bytes(r, 2).n == 0);
    assert_int_equal(db_next(r), ERR_END);
    assert_int_equal(db_next(r), ERR_END);
    db_rows_end(r);
    db_rows_end(NULL);
    assert_true(str_eq(kept, S("g\xc3\xa4r\xf0\x9f\x90\x99")));
    return OK;
}

static void
test_types(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, types_write, NULL), OK);
    assert_int_equal(db_read(t.db, t.a, types_read, NULL), OK);
}

static enum err
expressions(struct db_tx *tx, void *arg)
{
    (void)arg;
    static const struct sql sum = SQL_READ("SELECT sum(id) FROM item WHERE id < 100");
    static const struct sql avg = SQL_READ("SELECT avg(id) FROM item WHERE id < 100");
    static const struct sql yes =
        SQL_READ("SELECT count(*), EXISTS (SELECT 1 FROM item WHERE id = $2) FROM item "
                 "WHERE ($1 IS NULL OR name = $1)");
    int64_t n = 0;
    struct db_rows *r = NULL;
    for (int64_t i = 1; i <= 4; i++)
        TRY(add_item(tx, i));
    TRY(db_query_int(tx, &sum, NO_ARGS, &n));
    assert_int_equal(n, 10);
    TRY(db_query_one(tx, &avg, NO_ARGS, &r));
    assert_true(db_double(r, 0) == 2.5);
    db_rows_end(r);
    /* $2 stands before $1 in the text; and a NULL of no stated type. */
    TRY(db_query_one(tx, &yes, ARGS(V_STR(S("name 2")), V_INT(3)), &r));
    assert_int_equal(db_int(r, 0), 1);
    assert_int_equal(db_int(r, 1), 1);
    db_rows_end(r);
    TRY(db_query_one(tx, &yes, ARGS(V_NULL, V_INT(99)), &r));
    assert_int_equal(db_int(r, 0), 4);
    assert_int_equal(db_int(r, 1), 0);
    db_rows_end(r);
    static const struct sql none = SQL_READ("SELECT id FROM item WHERE id = $1");
    assert_int_equal(db_query_int(tx, &none, ARGS(V_INT(77)), &n), ERR_NOT_FOUND);
    assert_int_equal(n, 10);
    return OK;
}

static void
test_expressions(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, expressions, NULL), OK);
}

static enum err
null_first(struct db_tx *tx, void *arg)
{
    (void)arg;
    TRY(db_exec(tx, &insert_item, ARGS(V_INT(1), V_NULL, V_NULL, V_NULL, V_NULL), NULL));
    TRY(db_exec(tx, &insert_item,
                ARGS(V_INT(2), V_STR(S("x")), V_BYTES(S("y")), V_DOUBLE(1), V_INT(1)), NULL));
    return db_exec(tx, &insert_item, ARGS(V_INT(3), V_NULL, V_NULL, V_NULL, V_NULL), NULL);
}

static void
test_null_first(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, null_first, NULL), OK);
    assert_int_equal(count_now(t.db, &count_items), 3);
}

static enum err
nul_body(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_exec(tx, &insert_item,
                   ARGS(V_INT(1), V_STR(str_mem("a\0b", 3)), V_NULL, V_NULL, V_NULL), NULL);
}

static void
test_nul_refused(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, nul_body, NULL), ERR_INVALID);
    assert_int_equal(count_now(t.db, &count_items), 0);
}

/* ---- failures ---- */

static enum err
bad_statement(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ("SELECT nothing FROM nowhere");
    (void)arg;
    return db_exec(tx, &q, NO_ARGS, NULL);
}

static enum err
orphan(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_exec(tx, &insert_other, ARGS(V_INT(1), V_INT(12345), V_INT(0)), NULL);
}

static void
test_refusals(void **state)
{
    (void)state;
    int64_t id = 1;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(db_write(t.db, t.a, add_one, &id), ERR_CONFLICT);
    assert_false(str_is_empty(db_last_error()));
    assert_int_equal(db_write(t.db, t.a, bad_statement, NULL), ERR_DB);
    assert_int_equal(db_read(t.db, t.a, bad_statement, NULL), ERR_DB);
    assert_int_equal(db_write(t.db, t.a, orphan, NULL), ERR_DB);
    assert_int_equal(count_now(t.db, &count_items), 1);
    id = 2;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
}

static enum err
change_then_fail(struct db_tx *tx, void *arg)
{
    (void)arg;
    TRY(add_item(tx, 1));
    TRY(add_item(tx, 2));
    return ERR_FORBIDDEN;
}

static void
test_rollback(void **state)
{
    (void)state;
    assert_int_equal(db_write(t.db, t.a, change_then_fail, NULL), ERR_FORBIDDEN);
    assert_int_equal(count_now(t.db, &count_items), 0);
}

/* ---- result sets ---- */

static enum err
nested_queries(struct db_tx *tx, void *arg)
{
    static const struct sql outer = SQL_READ("SELECT id FROM item ORDER BY id");
    static const struct sql inner = SQL_READ("SELECT name FROM item WHERE id = $1");
    struct db_rows *o = NULL, *i = NULL, *again = NULL;
    int64_t n = 0;
    (void)arg;
    TRY(db_query(tx, &outer, NO_ARGS, &o));
    enum err e;
    while ((e = db_next(o)) == OK) {
        n++;
        TRY(db_query_one(tx, &inner, ARGS(V_INT(db_int(o, 0))), &i));
        assert_true(str_eq(db_text(i, 0), arena_fmt(tx->arena, "name %lld", (long long)n)));
        if (n == 2) { /* the same statement once more, while it is open */
            TRY(db_query_one(tx, &outer, NO_ARGS, &again));
            assert_int_equal(db_int(again, 0), 1);
            db_rows_end(again);
        }
        db_rows_end(i);
    }
    assert_int_equal(e, ERR_END);
    assert_int_equal(n, 3);
    /* Left open: the transaction closes it. */
    return db_query_one(tx, &outer, NO_ARGS, &o);
}

static void
test_nested_queries(void **state)
{
    (void)state;
    for (int64_t id = 1; id <= 3; id++)
        assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(db_read(t.db, t.a, nested_queries, NULL), OK);
    assert_int_equal(db_write(t.db, t.a, nested_queries, NULL), OK);
}

/* ---- touch notes, commit check, hook ---- */

static enum err
touch_body(struct db_tx *tx, void *arg)
{
    static const struct sql bump =
        SQL_WRITE("item", "UPDATE item SET flag = flag + 1 WHERE id <= $1 RETURNING id");
    static const struct sql remove = SQL_WRITE("other", "DELETE FROM other WHERE id = $1");
    const struct db_touch *touched = NULL;
    struct db_rows *r = NULL;
    int64_t n = -1;
    (void)arg;
    assert_int_equal(db_tx_touched(tx, &touched), 0);
    assert_null(db_tx_user(tx));
    db_tx_set_user(tx, t.a);
    TRY(db_exec(tx, &remove, ARGS(V_INT(9)), &n));
    assert_int_equal(n, 0);
    assert_int_equal(db_tx_touched(tx, &touched), 0); /* nothing was changed */
    for (int64_t id = 1; id <= 3; id++)
        TRY(add_item(tx, id));
    TRY(db_query_one(tx, &bump, ARGS(V_INT(2)), &r)); /* ends early: both rows are changed */
    db_rows_end(r);
    TRY(db_exec(tx, &insert_other, ARGS(V_INT(1), V_INT(1), V_INT(0)), NULL));
    assert_int_equal(db_tx_touched(tx, &touched), 2);
    assert_string_equal(touched[0].table, "item");
    assert_int_equal(touched[0].rows, 5);
    assert_string_equal(touched[1].table, "other");
    assert_int_equal(touched[1].rows, 1);
    return OK;
}

static void
test_touch(void **state)
{
    static const struct sql bumped = SQL_READ("SELECT count(*) FROM item WHERE flag = 1");
    (void)state;
    assert_int_equal(db_write(t.db, t.a, touch_body, NULL), OK);
    assert_int_equal(count_now(t.db, &bumped), 2);
}

static enum err
check_user(struct db_tx *tx)
{
    const struct db_touch *touched = NULL;
    return db_tx_touched(tx, &touched) == 0 || db_tx_user(tx) ? OK : ERR_FORBIDDEN;
}

static enum err
add_covered(struct db_tx *tx, void *arg)
{
    db_tx_set_user(tx, arg);
    return add_one(tx, arg);
}

static void
count_up(void *arg)
{
    (*(int *)arg)++;
}

static void
test_commit_check(void **state)
{
    (void)state;
    int commits = 0;
    int64_t id = 1;
    db_set_commit_check(t.db, check_user);
    db_set_commit_hook(t.db, count_up, &commits);
    assert_int_equal(db_write(t.db, t.a, add_one, &id), ERR_FORBIDDEN);
    assert_int_equal(count_now(t.db, &count_items), 0);
    assert_int_equal(commits, 0);
    assert_int_equal(db_write(t.db, t.a, add_covered, &id), OK);
    assert_int_equal(count_now(t.db, &count_items), 1);
    assert_int_equal(commits, 1);
}

/* ---- many threads ---- */

struct worker {
    pthread_t thread;
    int n;
    int failed;
    int done;
    struct arena *a;
};

static enum err
group_body(struct db_tx *tx, void *arg)
{
    struct worker *w = arg;
    int64_t id = (int64_t)w->n * 1000 + w->done + w->failed;
    TRY(add_item(tx, id));
    if (id % 7 == 3)
        return ERR_FORBIDDEN; /* takes its own row along, and nobody else's */
    if (id % 11 == 5)
        return add_item(tx, id); /* a statement that fails */
    return OK;
}

static void *
group_thread(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < PER_THREAD; i++) {
        enum err e = db_write(t.db, w->a, group_body, w);
        if (e == OK)
            w->done++;
        else if (e == ERR_FORBIDDEN || e == ERR_CONFLICT)
            w->failed++;
        else
            abort();
    }
    return NULL;
}

static void
test_group(void **state)
{
    (void)state;
    static struct worker w[THREADS];
    int64_t done = 0, failed = 0;
    memset(w, 0, sizeof(w));
    for (int i = 0; i < THREADS; i++) {
        w[i].n = i;
        w[i].a = arena_create("worker", (size_t)16 << 20);
        assert_int_equal(pthread_create(&w[i].thread, NULL, group_thread, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        arena_free(w[i].a);
        done += w[i].done;
        failed += w[i].failed;
    }
    assert_int_equal(done + failed, THREADS * PER_THREAD);
    assert_true(failed > 0);
    assert_int_equal(count_now(t.db, &count_items), done);
    db_close(t.db);
    t.db = reopen();
    assert_int_equal(count_now(t.db, &count_items), done);
}

/* A body that loses the group, as a full disk does: every member of it runs once more. */
static enum err
losing_body(struct db_tx *tx, void *arg)
{
    struct worker *w = arg;
    TRY(add_item(tx, (int64_t)w->n * 1000 + w->done));
    return db_tx_attempt(tx) < w->failed ? db_script(tx, "ROLLBACK") : OK;
}

static void *
losing_thread(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < PER_THREAD; i++) {
        w->failed = w->n % 4 == 0; /* every fourth thread loses its group once each time */
        enum err e = db_write(t.db, w->a, losing_body, w);
        if (e == OK)
            w->done++;
        else if (e != ERR_UNAVAILABLE)
            abort();
    }
    return NULL;
}

static void
test_group_lost(void **state)
{
    static struct worker w[THREADS];
    int64_t done = 0;
    (void)state;
    if (t.kind == DB_POSTGRES)
        return; /* there are no groups */
    memset(w, 0, sizeof(w));
    struct worker alone = {.failed = 1};
    assert_int_equal(db_write(t.db, t.a, losing_body, &alone), OK);
    alone = (struct worker){.done = 1, .failed = 2};
    assert_int_equal(db_write(t.db, t.a, losing_body, &alone), ERR_UNAVAILABLE);
    assert_int_equal(count_now(t.db, &count_items), 1);
    for (int i = 0; i < THREADS; i++) {
        w[i].n = i + 1;
        w[i].a = arena_create("worker", (size_t)16 << 20);
        assert_int_equal(pthread_create(&w[i].thread, NULL, losing_thread, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        arena_free(w[i].a);
        done += w[i].done;
    }
    assert_int_equal(count_now(t.db, &count_items), 1 + done);
}

/* Reads a counter and writes it back: wrong under any isolation weaker than serialisable. */
static enum err
race_body(struct db_tx *tx, void *arg)
{
    static const struct sql read = SQL_READ("SELECT flag FROM item WHERE id = 1");
    static const struct sql write = SQL_WRITE("item", "UPDATE item SET flag = $1 WHERE id = 1");
    int64_t n = 0;
    (void)arg;
    TRY(db_query_int(tx, &read, NO_ARGS, &n));
    return db_exec(tx, &write, ARGS(V_INT(n + 1)), NULL);
}

static void *
race_thread(void *arg)
{
    struct worker *w = arg;
    while (w->done < PER_THREAD) {
        enum err e = db_write(t.db, w->a, race_body, w);
        if (e == OK)
            w->done++;
        else if (e != ERR_UNAVAILABLE)
            abort();
    }
    return NULL;
}

static void
test_race(void **state)
{
    static const struct sql read = SQL_READ("SELECT flag FROM item WHERE id = 1");
    struct worker w[4] = {0};
    int64_t id = 1;
    (void)state;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    for (int i = 0; i < 4; i++) {
        w[i].a = arena_create("worker", (size_t)16 << 20);
        assert_int_equal(pthread_create(&w[i].thread, NULL, race_thread, &w[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        arena_free(w[i].a);
    }
    assert_int_equal(count_now(t.db, &read), 4 * PER_THREAD);
}

static void *
race_one(void *arg)
{
    struct worker *w = arg;
    w->failed = db_write(t.db, w->a, race_body, w) != OK;
    return NULL;
}

/* The first run is overtaken by another thread's commit: it must be started again. */
static enum err
overtaken_body(struct db_tx *tx, void *arg)
{
    static const struct sql read = SQL_READ("SELECT flag FROM item WHERE id = 1");
    struct worker *other = arg;
    int64_t n = 0;
    TRY(db_query_int(tx, &read, NO_ARGS, &n));
    if (db_tx_attempt(tx) == 0) {
        pthread_create(&other->thread, NULL, race_one, other);
        pthread_join(other->thread, NULL);
    }
    other->done = db_tx_attempt(tx);
    return race_body(tx, NULL);
}

static void
test_retry(void **state)
{
    static const struct sql read = SQL_READ("SELECT flag FROM item WHERE id = 1");
    int64_t id = 1;
    (void)state;
    if (t.kind == DB_SQLITE)
        return; /* there is one writer: nobody can overtake it */
    struct worker other = {.a = arena_create("worker", (size_t)1 << 20)};
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(db_write(t.db, t.a, overtaken_body, &other), OK);
    assert_int_equal(other.done, 1);
    assert_int_equal(other.failed, 0);
    assert_int_equal(count_now(t.db, &read), 2);
    arena_free(other.a);
}

/* ---- reading ---- */

static void *
write_meanwhile(void *arg)
{
    struct worker *w = arg;
    int64_t id = 500 + w->n;
    w->failed = db_write(t.db, w->a, add_one, &id) != OK;
    return NULL;
}

static enum err
snapshot_body(struct db_tx *tx, void *arg)
{
    struct worker *w = arg;
    int64_t before = 0, after = 0;
    TRY(db_query_int(tx, &count_items, NO_ARGS, &before));
    pthread_create(&w->thread, NULL, write_meanwhile, w);
    pthread_join(w->thread, NULL);
    TRY(db_query_int(tx, &count_items, NO_ARGS, &after));
    assert_int_equal(after, before + (db_tx_kind(tx) == DB_SQLITE ? 0 : 1));
    return OK;
}

static void
test_snapshot(void **state)
{
    (void)state;
    struct worker w = {.a = arena_create("worker", (size_t)1 << 20)};
    assert_int_equal(db_read(t.db, t.a, snapshot_body, &w), OK);
    assert_int_equal(w.failed, 0);
    assert_int_equal(count_now(t.db, &count_items), 1);
    arena_free(w.a);
}

static enum err
sneaky_write(struct db_tx *tx, void *arg)
{
    /* Names no table, so only the store itself can refuse it. */
    return db_script(tx, arg);
}

static void
test_read_only(void **state)
{
    (void)state;
    char text[] = "INSERT INTO item (id) VALUES (1)";
    assert_int_not_equal(db_read(t.db, t.a, sneaky_write, text), OK);
    assert_int_equal(count_now(t.db, &count_items), 0);
}

/* ---- sequences, locks, notices ---- */

static enum err
sequence_body(struct db_tx *tx, void *arg)
{
    int64_t *out = arg;
    TRY(db_sequence(tx, "user", &out[0]));
    TRY(db_sequence(tx, "user", &out[1]));
    return db_sequence(tx, "job", &out[2]);
}

static void
test_sequence(void **state)
{
    (void)state;
    int64_t a[3] = {0}, b[3] = {0};
    db_set_commit_check(t.db, check_user); /* sequences are no table anyone answers for */
    assert_int_equal(db_write(t.db, t.a, sequence_body, a), OK);
    assert_int_equal(a[0], 1);
    assert_int_equal(a[1], 2);
    assert_int_equal(a[2], 1);
    assert_int_equal(db_write(t.db, t.a, sequence_body, b), OK);
    assert_int_equal(b[0], 3);
}

static enum err
lock_body(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_try_lock(tx, 42);
}

static void *
lock_thread(void *arg)
{
    struct worker *w = arg;
    w->done = (int)db_write(t.db, w->a, lock_body, NULL);
    return NULL;
}

static enum err
lock_and_look(struct db_tx *tx, void *arg)
{
    struct worker *w = arg;
    TRY(db_try_lock(tx, 42));
    pthread_create(&w->thread, NULL, lock_thread, w);
    if (db_tx_kind(tx) == DB_POSTGRES)
        pthread_join(w->thread, NULL);
    return OK;
}

static void
test_lock(void **state)
{
    (void)state;
    struct worker w = {.a = arena_create("worker", (size_t)1 << 20), .done = -1};
    assert_int_equal(db_write(t.db, t.a, lock_and_look, &w), OK);
    if (t.kind == DB_SQLITE) { /* there the other waits for its turn */
        pthread_join(w.thread, NULL);
        assert_int_equal(w.done, OK);
    } else {
        assert_int_equal(w.done, ERR_CONFLICT);
        assert_int_equal(db_write(t.db, t.a, lock_body, NULL), OK);
    }
    arena_free(w.a);
}

static enum err
notify_body(struct db_tx *tx, void *arg)
{
    return db_notify(tx, S("jobs"), str_of(arg));
}

static void
test_notice(void **state)
{
    (void)state;
    struct str channel = STR_NULL, payload = STR_NULL;
    char mine[] = "mine", theirs[] = "their payload";
    assert_int_equal(db_wait_notice(t.db, 1, t.a, &channel, &payload), ERR_END);
    struct db *other = reopen();
    assert_int_equal(db_write(t.db, t.a, notify_body, mine), OK);
    assert_int_equal(db_write(other, t.a, notify_body, theirs), OK);
    if (t.kind == DB_POSTGRES) {
        assert_int_equal(db_wait_notice(t.db, 10000, t.a, &channel, &payload), OK);
        assert_true(str_eq(channel, S("jobs")));
        assert_true(str_eq(payload, S("their payload")));
    }
    assert_int_equal(db_wait_notice(t.db, 1, t.a, &channel, &payload), ERR_END);
    db_close(other);
}

/* PostgreSQL ends our connections: the next use opens new ones. */
static enum err
terminate(struct db_tx *tx, void *arg)
{
    static const struct sql q =
        SQL_READ2("SELECT 1", "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                              "WHERE application_name = 'recount' AND pid <> pg_backend_pid()");
    int64_t n = 0;
    (void)arg;
    return db_query_int(tx, &q, NO_ARGS, &n);
}

static enum err
terminate_self(struct db_tx *tx, void *arg)
{
    static const struct sql q =
        SQL_READ2("SELECT 1", "SELECT pg_terminate_backend(pg_backend_pid())");
    int64_t n = 0;
    int64_t id = 900;
    (void)arg;
    TRY(add_one(tx, &id));
    return db_query_int(tx, &q, NO_ARGS, &n);
}

static void
test_connection_loss(void **state)
{
    (void)state;
    int64_t id = 1;
    struct str channel, payload;
    if (t.kind == DB_SQLITE)
        return;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(db_wait_notice(t.db, 1, t.a, &channel, &payload), ERR_END);
    assert_int_equal(count_now(t.db, &count_items), 1);
    assert_int_equal(db_read(t.db, t.a, terminate, NULL), OK);
    id = 2;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(count_now(t.db, &count_items), 2);
    assert_int_equal(db_write(t.db, t.a, terminate_self, NULL), ERR_UNAVAILABLE);
    assert_int_equal(count_now(t.db, &count_items), 2);
    id = 3;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    assert_int_equal(db_wait_notice(t.db, 1, t.a, &channel, &payload), ERR_END);
}

/* ---- files ---- */

static void
test_copy(void **state)
{
    (void)state;
    int64_t id = 1, used = -1, free_bytes = -1, total = -1;
    struct str path = arena_fmt(t.a, "%s/copy.db", t.dir);
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    db_space(t.db, &used, &free_bytes, &total);
    if (t.kind == DB_POSTGRES) {
        assert_int_equal(db_copy_to(t.db, t.a, path), ERR_INVALID);
        assert_int_equal(used + free_bytes + total, 0);
        return;
    }
    assert_true(used > 0 && free_bytes > 0 && total >= free_bytes);
    assert_int_equal(db_copy_to(t.db, t.a, path), OK);
    assert_int_equal(db_copy_to(t.db, t.a, path), ERR_CONFLICT);
    struct db *copy = NULL;
    struct str why;
    assert_int_equal(db_open_file(t.a, path, NULL, true, 1, &copy, &why), OK);
    assert_int_equal(count_now(copy, &count_items), 1);
    assert_int_equal(db_write(copy, t.a, add_one, &id), ERR_UNAVAILABLE);
    db_close(copy);
}

/* ---- schema ---- */

static const struct migration three[] = {
    {1, "one", "CREATE TABLE m1 (id bigint)", "CREATE TABLE m1 (id bigint)"},
    {2, "two", "CREATE TABLE m2 (id bigint); INSERT INTO m2 VALUES (7)",
     "CREATE TABLE m2 (id bigint); INSERT INTO m2 VALUES (7)"},
    {3, "three", "CREATE TABLE m3 (id bigint)", "CREATE TABLE m3 (id bigint)"},
    {4, "broken", "CREATE TABLE m4 (id bigint); nonsense", "CREATE TABLE m4 (id bigint); nonsense"},
};

static void
test_migrate(void **state)
{
    static const struct sql m2 = SQL_READ("SELECT id FROM m2");
    int from = -1, to = -1;
    struct str why = STR_NULL;
    (void)state;
    db_set_commit_check(t.db, check_user);
    assert_int_equal(migrate_with(t.db, t.a, three, 1, &from, &to, &why), OK);
    assert_int_equal(from, 0);
    assert_int_equal(to, 1);
    assert_int_equal(migrate_with(t.db, t.a, three, 3, &from, &to, &why), OK);
    assert_int_equal(from, 1);
    assert_int_equal(to, 3);
    assert_int_equal(count_now(t.db, &m2), 7);
    assert_int_equal(migrate_with(t.db, t.a, three, 3, &from, &to, &why), OK);
    assert_int_equal(from, 3);
    /* A binary one version behind runs; two behind is refused. */
    assert_int_equal(migrate_with(t.db, t.a, three, 2, &from, &to, &why), OK);
    assert_int_equal(to, 3);
    assert_int_equal(migrate_with(t.db, t.a, three, 1, &from, &to, &why), ERR_CONFLICT);
    assert_true(str_contains(why, S("schema version 3")));
    /* A script that fails leaves nothing of itself. */
    assert_int_equal(migrate_with(t.db, t.a, three, 4, &from, &to, &why), ERR_DB);
    int store = -1, binary = -1;
    assert_int_equal(db_schema_version(t.db, t.a, &store, &binary), OK);
    assert_int_equal(store, 3);
}

static void
test_migrate_real(void **state)
{
    int from = -1, to = -1, store = -1, binary = -1;
    struct str why = STR_NULL;
    (void)state;
    enum err e = db_migrate(t.db, t.a, &from, &to, &why);
    if (e != OK)
        fail_msg("%.*s", STR_ARG(why));
    assert_int_equal(db_schema_version(t.db, t.a, &store, &binary), OK);
    assert_int_equal(store, binary);
    assert_int_equal(to, binary);
}

static void *
migrate_thread(void *arg)
{
    struct worker *w = arg;
    int from = 0, to = 0;
    struct str why = STR_NULL;
    struct db *db = NULL;
    struct db_options o = {.url = t.kind == DB_SQLITE ? S("sqlite") : str_of(t.url),
                           .dir = str_of(t.dir),
                           .readers = 1,
                           .writers = 1};
    w->failed = db_open(w->a, &o, &db, &why) != OK;
    if (!w->failed) {
        w->failed = migrate_with(db, w->a, three, 3, &from, &to, &why) != OK;
        w->done = to;
        db_close(db);
    }
    return NULL;
}

static void
test_migrate_together(void **state)
{
    struct worker w[4] = {0};
    (void)state;
    for (int i = 0; i < 4; i++) {
        w[i].a = arena_create("worker", (size_t)1 << 20);
        pthread_create(&w[i].thread, NULL, migrate_thread, &w[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].failed, 0);
        assert_int_equal(w[i].done, 3);
        arena_free(w[i].a);
    }
}

/* ---- defects abort ---- */

static enum err
nested_write(struct db_tx *tx, void *arg)
{
    (void)tx;
    return db_write(t.db, t.a, add_one, arg);
}

static enum err
write_in_read(struct db_tx *tx, void *arg)
{
    return add_one(tx, arg);
}

static enum err
unnamed_table(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ("DELETE FROM item");
    (void)arg;
    return db_exec(tx, &q, NO_ARGS, NULL);
}

static bool
aborts(enum err (*run)(struct db *, struct arena *, db_body, void *), db_body body)
{
    pid_t pid = fork();
    if (pid == 0) {
        int64_t id = 1;
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        (void)!run(t.db, t.a, body, &id);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
test_bugs(void **state)
{
    (void)state;
    assert_true(aborts(db_write, nested_write));
    assert_true(aborts(db_read, nested_write));
    assert_true(aborts(db_read, write_in_read));
    if (t.kind == DB_SQLITE) /* PostgreSQL does not say whether a statement writes */
        assert_true(aborts(db_write, unnamed_table));
}

static void
test_counter(void **state)
{
    (void)state;
    uint64_t before = db_statement_count();
    count_now(t.db, &count_items);
    assert_int_equal(db_statement_count() - before, 1);
}

/* ---- the suite ---- */

static int
begin_sqlite(void **state)
{
    return begin_tables(state, DB_SQLITE);
}

static int
begin_postgres(void **state)
{
    return begin_tables(state, DB_POSTGRES);
}

static int
empty_sqlite(void **state)
{
    return begin(state, DB_SQLITE);
}

static int
empty_postgres(void **state)
{
    return begin(state, DB_POSTGRES);
}

#define CASE(f, store)                                                                             \
    {                                                                                              \
#f " on " #store, f, begin_##store, end, NULL                                              \
    }
#define EMPTY(f, store)                                                                            \
    {                                                                                              \
#f " on " #store, f, empty_##store, end, NULL                                              \
    }
#define SUITE(store)                                                                               \
    {                                                                                              \
        CASE(test_types, store), CASE(test_expressions, store), CASE(test_null_first, store),      \
            CASE(test_nul_refused, store), CASE(test_refusals, store), CASE(test_rollback, store), \
            CASE(test_nested_queries, store), CASE(test_touch, store),                             \
            CASE(test_commit_check, store), CASE(test_group, store), CASE(test_group_lost, store), \
            CASE(test_race, store), CASE(test_retry, store), CASE(test_snapshot, store),           \
            CASE(test_read_only, store), CASE(test_sequence, store), CASE(test_lock, store),       \
            CASE(test_notice, store), CASE(test_connection_loss, store), CASE(test_copy, store),   \
            CASE(test_bugs, store), CASE(test_counter, store), EMPTY(test_migrate, store),         \
            EMPTY(test_migrate_real, store), EMPTY(test_migrate_together, store),                  \
    }

int
main(void)
{
    const struct CMUnitTest sqlite[] = SUITE(sqlite);
    const struct CMUnitTest postgres[] = SUITE(postgres);
    int failed = cmocka_run_group_tests_name("sqlite", sqlite, NULL, NULL);
    if (getenv("RECOUNT_TEST_PG"))
        failed += cmocka_run_group_tests_name("postgres", postgres, NULL, NULL);
    else
        fputs("postgres: not tested, RECOUNT_TEST_PG is not set\n", stderr);
    return failed != 0;
}
