/* The schema: migrations in order, once, under a lock, forward only; what a binary of another version
 * may do. */
#include "support.h"

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

/* What an older version let ANALYZE remember of texts is forgotten, and nothing is remembered anew. */
static void
test_migrate_samples(void **state)
{
    static const struct sql sampled = SQL_READ2(
        "SELECT 0",
        "SELECT count(*) FROM pg_stats s JOIN pg_class c ON c.relname = s.tablename"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname"
        " WHERE s.schemaname = current_schema() AND a.atttypid IN ('text'::regtype, 'bytea'::regtype)");
    int from = -1, to = -1, n = 0;
    struct str why = STR_NULL;
    (void)state;
    if (t.kind != DB_POSTGRES)
        return;
    while (n < schema_migration_count && schema_migrations[n].version < 12)
        n++;
    assert_int_equal(migrate_with(t.db, t.a, schema_migrations, n, &from, &to, &why), OK);
    assert_int_equal(to, 11);
    assert_int_equal(db_utility(t.db, "ANALYZE"), OK);
    assert_true(count_now(t.db, &sampled) > 0);
    assert_int_equal(db_migrate(t.db, t.a, &from, &to, &why), OK);
    assert_int_equal(count_now(t.db, &sampled), 0);
    assert_int_equal(db_utility(t.db, "ANALYZE"), OK);
    assert_int_equal(count_now(t.db, &sampled), 0);
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

/* ---- the suite ---- */

#define SUITE(store)                                                                               \
    {                                                                                              \
        EMPTY(test_migrate, store), EMPTY(test_migrate_real, store),                               \
            EMPTY(test_migrate_samples, store), EMPTY(test_migrate_together, store)                \
    }

int
main(void)
{
    const struct CMUnitTest sqlite[] = SUITE(sqlite);
    const struct CMUnitTest postgres[] = SUITE(postgres);

    return run_suites(sqlite, postgres, sizeof(sqlite) / sizeof(sqlite[0]));
}
