/* The contract of db.h where several act at once: threads in one group, races, locks, notices between
 * processes, and connections that are lost. */
#include "support.h"

#define THREADS    64
#define PER_THREAD 20
#define RACERS     16
#define PER_RACER  200

/* ---- many threads ---- */

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

/* What no transaction may hold comes between the groups, and nobody's changes suffer. */
static void
test_utility_between_groups(void **state)
{
    (void)state;
    static struct worker w[8];
    int64_t done = 0;
    memset(w, 0, sizeof(w));
    for (int i = 0; i < 8; i++) {
        w[i].n = i;
        w[i].a = arena_create("worker", (size_t)16 << 20);
        assert_int_equal(pthread_create(&w[i].thread, NULL, group_thread, &w[i]), 0);
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(db_utility(t.db, "VACUUM"), OK);
    for (int i = 0; i < 8; i++) {
        pthread_join(w[i].thread, NULL);
        arena_free(w[i].a);
        done += w[i].done;
    }
    assert_true(done > 0);
    assert_int_equal(count_now(t.db, &count_items), done);
    assert_true(db_utility(t.db, "NO SUCH STATEMENT") != OK);
    if (db_kind(t.db) == DB_SQLITE)
        assert_int_equal(db_utility(t.db, "PRAGMA wal_checkpoint(TRUNCATE)"), OK);
}

static void *
rewrite_thread(void *arg)
{
    *(enum err *)arg = db_utility(t.db, "VACUUM (FULL) item");
    return NULL;
}

static enum err
rewrite_while_reading(struct db_tx *tx, void *arg)
{
    pthread_t thread;
    int64_t n = 0;
    TRY(db_query_int(tx, &count_items, NO_ARGS, &n));
    assert_int_equal(pthread_create(&thread, NULL, rewrite_thread, arg), 0);
    return pthread_join(thread, NULL) == 0 ? OK : ERR_UNAVAILABLE;
}

/* A rewriting that waited for a reader would keep everybody who comes after it waiting as well. */
static void
test_rewriting_gives_way(void **state)
{
    (void)state;
    enum err e = OK;
    if (t.kind != DB_POSTGRES) /* nothing is locked by reading there */
        return;
    assert_int_equal(db_snapshot(t.db, t.a, rewrite_while_reading, &e), OK);
    assert_int_equal(e, ERR_CONFLICT);
    assert_int_equal(db_utility(t.db, "VACUUM (FULL) item"), OK);
}

/* A body may run on another thread: its message and its count of statements come back to its caller. */
#define BAD(name)                                                                                  \
    {                                                                                              \
        .sqlite = "SELECT id FROM " name                                                           \
    }
static const char *const bad_names[] = {"absent_a", "absent_b", "absent_c", "absent_d"};
static const struct sql bad_statements[] = {BAD("absent_a"), BAD("absent_b"), BAD("absent_c"),
                                            BAD("absent_d")};

static enum err
own_failure(struct db_tx *tx, void *arg)
{
    struct worker *w = arg;
    struct db_rows *q = NULL;
    TRY(add_item(tx, (int64_t)w->n * 1000 + w->done + w->failed));
    return w->n % 2 ? db_query(tx, &bad_statements[w->n / 2 % 4], NO_ARGS, &q) : OK;
}

static void *
own_failure_thread(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < PER_THREAD / 4; i++) {
        bool bad = w->n % 2;
        uint64_t before = db_statement_count();
        enum err e = db_write(t.db, w->a, own_failure, w);
        uint64_t counted = db_statement_count() - before;
        bool named = str_contains(db_last_error(), str_of(bad_names[w->n / 2 % 4]));
        if (e != (bad ? ERR_DB : OK) || (bad && !named) || counted == 0 || (bad && counted % 2))
            abort();
        w->done += !bad;
        w->failed += bad;
    }
    return NULL;
}

static void
test_group_messages(void **state)
{
    static struct worker w[THREADS];
    (void)state;
    memset(w, 0, sizeof(w));
    for (int i = 0; i < THREADS; i++) {
        w[i].n = i;
        w[i].a = arena_create("worker", (size_t)16 << 20);
        assert_int_equal(pthread_create(&w[i].thread, NULL, own_failure_thread, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        arena_free(w[i].a);
    }
    assert_int_equal(count_now(t.db, &count_items), THREADS / 2 * (PER_THREAD / 4));
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
    for (int i = 0; i < PER_RACER; i++) {
        if (db_write(w->db, w->a, race_body, w) == OK)
            w->done++;
        else
            w->failed++;
    }
    return NULL;
}

/* All want the same row all the time, through one store and through another one (as a second process
 * does): each gets its turn, nobody is told to come again. */
static void
test_race(void **state)
{
    static const struct sql read = SQL_READ("SELECT flag FROM item WHERE id = 1");
    struct worker w[RACERS] = {0};
    struct db *beside = t.kind == DB_POSTGRES ? reopen() : NULL;
    int64_t id = 1;
    (void)state;
    assert_int_equal(db_write(t.db, t.a, add_one, &id), OK);
    for (int i = 0; i < RACERS; i++) {
        w[i].db = beside && i % 2 == 1 ? beside : t.db;
        w[i].a = arena_create("worker", (size_t)16 << 20);
        assert_int_equal(pthread_create(&w[i].thread, NULL, race_thread, &w[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(w[i].thread, NULL);
        arena_free(w[i].a);
        assert_int_equal(w[i].failed, 0);
    }
    db_close(beside);
    assert_int_equal(count_now(t.db, &read), RACERS * PER_RACER);
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

/* ---- locks, notices ---- */

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
                              "WHERE application_name = current_setting('application_name') "
                              "AND pid <> pg_backend_pid()");
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

/* ---- the suite ---- */

#define SUITE(store)                                                                               \
    {                                                                                              \
        CASE(test_group, store), CASE(test_utility_between_groups, store),                         \
            CASE(test_rewriting_gives_way, store), CASE(test_group_messages, store),               \
            CASE(test_group_lost, store), CASE(test_race, store), CASE(test_retry, store),         \
            CASE(test_snapshot, store), CASE(test_lock, store), CASE(test_notice, store),          \
            CASE(test_connection_loss, store)                                                      \
    }

int
main(void)
{
    const struct CMUnitTest sqlite[] = SUITE(sqlite);
    const struct CMUnitTest postgres[] = SUITE(postgres);

    return run_suites(sqlite, postgres, sizeof(sqlite) / sizeof(sqlite[0]));
}
