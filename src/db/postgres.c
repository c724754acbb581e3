/* The PostgreSQL store: connections, transactions with their retries, notices. Statements are
 * postgres_stmt.c.
 *
 * Writes are SERIALIZABLE and run again after a serialisation failure, soon with no other write of
 * this process beside them; reads run without a transaction, each statement by itself. A connection
 * that was lost is opened anew when it is next taken; what was under way on it ends in
 * ERR_UNAVAILABLE. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rand.h"
#include "db/postgres_priv.h"

/* A body that fails to serialise runs again until the time is up. Writers that want the same page of an
 * index fail one another, and chance alone can let one of them lose for ever; so after a few runs beside
 * the others it runs alone in its process, and only those of other processes can still be in its way. */
#define RUNS_BESIDE       4
#define RUN_TIME          (10 * USEC_PER_SEC)
#define PAUSE_MAX_US      (50 * USEC_PER_MS)
#define CONNECT_TIMEOUT_S "10"
#define IDLE_READS_MAX    4

/* All servers of an installation listen here; the channel of db_notify() is in the payload. */
#define CHANNEL "recount"
#define ID_LEN  16

/* Statements are few, prepared, and of the kind that one plan serves for all values: planning a look into
 * a partitioned table each time costs more than the look. A plan made while a table was empty must not
 * scan it for ever, hence no scans where there is an index; under SERIALIZABLE these would also lock the whole table
 * and make writers conflict. */
#define PLANS "SET plan_cache_mode='force_generic_plan'; SET enable_seqscan=off; SET jit=off; "

static const char setup_writer[] =
    PLANS "SET timezone='UTC'; SET client_min_messages='warning'; SET bytea_output='hex'; "
          "SET default_transaction_isolation='serializable'; SET default_transaction_read_only=off";
static const char setup_reader[] = PLANS
    "SET timezone='UTC'; SET client_min_messages='warning'; SET bytea_output='hex'; "
    "SET default_transaction_isolation='read committed'; SET default_transaction_read_only=on";
static const char setup_listener[] = "SET client_min_messages='warning'; LISTEN " CHANNEL;

/* ---- connections ---- */

static void
conn_close(void *p)
{
    struct pg_conn *c = p;
    pg_cache_forget(c);
    if (c->c)
        PQfinish(c->c);
    c->c = NULL;
    c->stale = false;
}

static void
ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

static enum err
conn_open(const struct pg_db *db, struct pg_conn *c, const char *setup)
{
    /* The URL comes last, so that it wins. */
    const char *const keys[] = {"connect_timeout", "application_name", "client_encoding",
                                "keepalives_idle", "dbname",           NULL};
    const char *const values[] = {CONNECT_TIMEOUT_S, "recount", "UTF8", "30", db->url, NULL};
    conn_close(c);
    c->c = PQconnectdbParams(keys, values, 1);
    if (!c->c || PQstatus(c->c) != CONNECTION_OK) {
        db_note("postgres: %s", c->c ? PQerrorMessage(c->c) : "out of memory");
        log_error("db.connect", LOG_STR("message", db_last_error()));
        conn_close(c);
        return ERR_UNAVAILABLE;
    }
    PQsetNoticeReceiver(c->c, ignore_notice, NULL);
    if (pg_run(c, NULL, setup) != OK) {
        conn_close(c);
        return ERR_UNAVAILABLE;
    }
    return OK;
}

/* Whether the server still holds the other end. What waits to be read on an idle connection is its
 * last message and the end of the stream, one after the other. */
static bool
conn_alive(struct pg_conn *c)
{
    struct pollfd p = {.fd = PQsocket(c->c), .events = POLLIN};
    if (p.fd < 0)
        return false;
    for (int i = 0; i < IDLE_READS_MAX && poll(&p, 1, 0) > 0; i++) {
        if (PQconsumeInput(c->c) == 0)
            return false;
    }
    return PQstatus(c->c) == CONNECTION_OK && PQtransactionStatus(c->c) == PQTRANS_IDLE;
}

static enum err
conn_ready(const struct pg_db *db, struct pg_conn *c, const char *setup)
{
    return c->c && !c->stale && conn_alive(c) ? OK : conn_open(db, c, setup);
}

/* ---- transactions ---- */

static void
pause_before_run(int run)
{
    int64_t most = USEC_PER_MS << (run < 10 ? run : 10);
    if (most > PAUSE_MAX_US)
        most = PAUSE_MAX_US;
    struct timespec t = {0, (long)rand_below((uint64_t)most) * 1000};
    nanosleep(&t, NULL);
}

/* COMMIT of a transaction in which a statement has failed is answered with "ROLLBACK". */
static enum err
commit(struct pg_conn *c, struct db_tx *tx)
{
    if (c->begin != NULL) /* nothing was asked for, so nothing has begun */
        return OK;
    PGresult *res = PQexec(c->c, "COMMIT");
    enum err e = OK;
    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        e = pg_error(c, tx, res, "commit");
    else if (strcmp(PQcmdStatus(res), "COMMIT") != 0)
        e = ERR_DB;
    PQclear(res);
    return e;
}

static enum err
write_once(struct pg_db *db, struct pg_conn *c, struct db_tx *tx, db_body body, void *arg)
{
    TRY(conn_ready(db, c, setup_writer));
    c->begin = "BEGIN ISOLATION LEVEL SERIALIZABLE";
    enum err e = db_tx_run(tx, body, arg);
    if (e == OK && !tx->retry)
        e = commit(c, tx);
    c->begin = NULL;
    if (PQtransactionStatus(c->c) != PQTRANS_IDLE && pg_run(c, NULL, "ROLLBACK") != OK)
        c->stale = true;
    return tx->retry ? ERR_RETRY : e;
}

static enum err
write_in_turn(struct pg_db *db, struct pg_conn *c, struct db_tx *tx, db_body body, void *arg)
{
    if (tx->attempt < RUNS_BESIDE)
        pthread_rwlock_rdlock(&db->turn);
    else
        pthread_rwlock_wrlock(&db->turn);
    enum err e = write_once(db, c, tx, body, arg);
    pthread_rwlock_unlock(&db->turn);
    return e;
}

static enum err
pg_write(struct db *base, struct arena *a, db_body body, void *arg)
{
    struct pg_db *db = (struct pg_db *)base;
    struct pg_conn *c = pool_take(&db->writers);
    struct db_tx tx = {.db = base, .arena = a, .conn = c, .write = true};
    int64_t end = clock_monotonic() + RUN_TIME;
    enum err e;
    int run = 0;
    do {
        if (run > 0)
            pause_before_run(run);
        db_tx_start(&tx, run++);
        e = write_in_turn(db, c, &tx, body, arg);
    } while (e == ERR_RETRY && clock_monotonic() < end);
    pool_give(&db->writers, c);
    if (e == OK)
        db_committed(base);
    if (e != ERR_RETRY)
        return e;
    log_error("db.contended", LOG_STR("message", db_last_error()), LOG_INT("runs", run));
    return ERR_UNAVAILABLE;
}

static enum err
pg_read(struct db *base, struct arena *a, db_body body, void *arg)
{
    struct pg_db *db = (struct pg_db *)base;
    struct pg_conn *c = pool_take(&db->readers);
    struct db_tx tx = {.db = base, .arena = a, .conn = c};
    enum err e = conn_ready(db, c, setup_reader);
    if (e == OK) {
        db_tx_start(&tx, 0);
        e = db_tx_run(&tx, body, arg);
    }
    pool_give(&db->readers, c);
    return e;
}

static enum err
pg_snapshot(struct db *base, struct arena *a, db_body body, void *arg)
{
    struct pg_db *db = (struct pg_db *)base;
    struct pg_conn *c = pool_take(&db->readers);
    struct db_tx tx = {.db = base, .arena = a, .conn = c};
    enum err e = conn_ready(db, c, setup_reader);
    if (e == OK) {
        c->begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        db_tx_start(&tx, 0);
        e = db_tx_run(&tx, body, arg);
        bool began = c->begin == NULL;
        c->begin = NULL;
        if (began && pg_run(c, NULL, "ROLLBACK") != OK) /* nothing was written: it only ends */
            c->stale = true;
    }
    pool_give(&db->readers, c);
    return e;
}

/* One statement alone commits by itself. */
static enum err
pg_utility(struct db *base, const char *text)
{
    struct pg_db *db = (struct pg_db *)base;
    struct pg_conn *c = pool_take(&db->writers);
    bool vacuum = str_has_prefix(str_of(text), S("VACUUM"));
    enum err e = conn_ready(db, c, setup_writer);
    /* Whoever comes after a VACUUM (FULL) that waits for its lock waits as well, readers too. */
    if (e == OK && vacuum)
        e = pg_run(c, NULL, "SET lock_timeout = '500ms'");
    if (e == OK)
        e = pg_run(c, NULL, text);
    if (vacuum && c->c != NULL && pg_run(c, NULL, "RESET lock_timeout") != OK)
        c->stale = true;
    pool_give(&db->writers, c);
    return e;
}

/* ---- locks and notices ---- */

static enum err
pg_try_lock(struct db_tx *tx, int64_t lock)
{
    /* Advisory locks are the database's, an installation is its schema: those beside it have locks of their own. */
    static const struct sql q = SQL_READ(
        "SELECT pg_try_advisory_xact_lock($1 # hashtextextended(current_schema()::text, 0))");
    int64_t got = 0;
    TRY(db_query_int(tx, &q, ARGS(V_INT(lock)), &got));
    return got ? OK : ERR_CONFLICT;
}

static enum err
pg_notify(struct db_tx *tx, struct str channel, struct str payload)
{
    static const struct sql q = SQL_READ("SELECT pg_notify('" CHANNEL "', $1)");
    const struct pg_db *db = (const struct pg_db *)tx->db;
    struct db_rows *r = NULL;
    struct str text =
        arena_fmt(tx->arena, "%s %.*s %.*s", db->id, STR_ARG(channel), STR_ARG(payload));
    TRY(db_query_one(tx, &q, ARGS(V_STR(text)), &r));
    db_rows_end(r);
    return OK;
}

/* Takes the next notice that is not our own out of libpq's queue. */
static bool
next_notice(struct pg_db *db, struct arena *a, struct str *channel, struct str *payload)
{
    PGnotify *n;
    while ((n = PQnotifies(db->listener.c)) != NULL) {
        struct str rest = arena_str(a, str_of(n->extra));
        struct str from, ch;
        PQfreemem(n);
        if (!str_cut(&rest, ' ', &from) || str_eq(from, str_of(db->id)) ||
            !str_cut(&rest, ' ', &ch))
            continue;
        *channel = ch;
        *payload = str_is_null(rest) ? S("") : rest;
        return true;
    }
    return false;
}

static void
sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
}

static enum err
pg_wait_notice(struct db *base, int timeout_ms, struct arena *a, struct str *channel,
               struct str *payload)
{
    struct pg_db *db = (struct pg_db *)base;
    struct pg_conn *c = &db->listener;
    int64_t end = clock_monotonic() + timeout_ms * USEC_PER_MS;
    if (conn_ready(db, c, setup_listener) != OK) {
        /* The caller asks again at once: it must not spin while the server is away. */
        sleep_ms((end - clock_monotonic()) / USEC_PER_MS);
        return ERR_UNAVAILABLE;
    }
    for (;;) {
        if (PQconsumeInput(c->c) == 0) {
            c->stale = true;
            return ERR_UNAVAILABLE;
        }
        if (next_notice(db, a, channel, payload))
            return OK;
        int64_t left = (end - clock_monotonic()) / USEC_PER_MS;
        if (left <= 0)
            return ERR_END;
        struct pollfd p = {.fd = PQsocket(c->c), .events = POLLIN};
        (void)poll(&p, 1, (int)left);
    }
}

/* ---- what only files have ---- */

static enum err
pg_copy_to(struct db *db, struct arena *a, struct str path)
{
    (void)db;
    (void)a;
    (void)path;
    return ERR_INVALID;
}

static void
pg_space(struct db *db, int64_t *used, int64_t *free_bytes, int64_t *total)
{
    (void)db;
    (void)used;
    (void)free_bytes;
    (void)total;
}

/* ---- opening and closing ---- */

static void
pg_close(struct db *base)
{
    struct pg_db *db = (struct pg_db *)base;
    pool_fini(&db->readers, conn_close);
    pool_fini(&db->writers, conn_close);
    conn_close(&db->listener);
    pthread_rwlock_destroy(&db->turn);
    free(db->url);
    free(db);
}

static const struct db_ops pg_ops = {
    .close = pg_close,
    .write = pg_write,
    .read = pg_read,
    .snapshot = pg_snapshot,
    .exec = pg_exec,
    .exec_many = pg_exec_many,
    .query = pg_query,
    .next = pg_next,
    .end = pg_end,
    .cell = pg_cell,
    .script = pg_script,
    .sequence = pg_sequence,
    .try_lock = pg_try_lock,
    .notify = pg_notify,
    .wait_notice = pg_wait_notice,
    .utility = pg_utility,
    .copy_to = pg_copy_to,
    .space = pg_space,
};

/* Who waits to run alone goes before those who come after him. */
static void
turn_init(pthread_rwlock_t *turn)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(turn, &attr);
    pthread_rwlockattr_destroy(&attr);
}

enum err
pg_open(struct arena *a, const struct db_options *o, struct db **out, struct str *why)
{
    struct pg_db *db = db_alloc(1, sizeof(*db));
    db->base = (struct db){.ops = &pg_ops, .kind = DB_POSTGRES, .read_only = o->read_only};
    db->url = db_strdup(arena_cstr(a, o->url));
    turn_init(&db->turn);
    snprintf(db->id, sizeof(db->id), "%0*llx", ID_LEN, (unsigned long long)rand_u64());
    pool_init(&db->readers, o->readers > 0 ? (size_t)o->readers : 1, sizeof(struct pg_conn));
    pool_init(&db->writers, o->writers > 0 ? (size_t)o->writers : 1, sizeof(struct pg_conn));
    /* One connection now, to say at once what is wrong; the others when they are needed. */
    enum err e = conn_open(db, db->readers.all[0], setup_reader);
    if (e != OK) {
        *why = arena_fmt(a, "the database can not be reached: %.*s", STR_ARG(db_last_error()));
        pg_close(&db->base);
        return e;
    }
    *out = &db->base;
    return OK;
}
