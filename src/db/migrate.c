/* The schema: numbered scripts, each in a transaction of its own, forward only, under a lock.
 *
 * The scripts are src/db/schema/{sqlite,postgres}/NNNN_name.sql, made into schema_migrations[] by
 * tools/embed.py. Table schema_version has a row per script that ran. A binary runs on a store one
 * version ahead of it (so that a new version can be rolled out server by server), not two. */
#include <time.h>

#include "base/clock.h"
#include "db/db_priv.h"

/* How long another server's migration is waited for. */
#define WAIT_MAX_MS  60000
#define WAIT_STEP_MS 50

const char migrate_bootstrap[] =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    "version bigint PRIMARY KEY, name text NOT NULL, at bigint NOT NULL);"
    "CREATE TABLE IF NOT EXISTS sequence (name text PRIMARY KEY, value bigint NOT NULL)";

struct step {
    const struct migration *list;
    int n;     /* scripts this binary has */
    int store; /* version found */
    bool ran;  /* a script ran */
};

static int
newest(const struct migration *list, int n)
{
    return n > 0 ? list[n - 1].version : 0;
}

static enum err
has_version_table(struct db_tx *tx, int64_t *out)
{
    static const struct sql q = SQL_READ2(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'",
        "SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_version')");
    return db_query_int(tx, &q, NO_ARGS, out);
}

static enum err
read_version(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ("SELECT coalesce(max(version), 0) FROM schema_version");
    struct step *s = arg;
    int64_t v = 0;
    TRY(has_version_table(tx, &v));
    if (v)
        TRY(db_query_int(tx, &q, NO_ARGS, &v));
    s->store = (int)v;
    return OK;
}

static enum err
run_next(struct db_tx *tx, void *arg)
{
    static const struct sql insert =
        SQL_WRITE("schema_version", "INSERT INTO schema_version (version, name, at) "
                                    "VALUES ($1, $2, $3)");
    struct step *s = arg;
    s->ran = false;
    TRY(db_try_lock(tx, DB_LOCK_MIGRATE));
    TRY(db_script(tx, migrate_bootstrap));
    TRY(read_version(tx, s));
    for (int i = 0; i < s->n; i++) {
        const struct migration *m = &s->list[i];
        if (m->version <= s->store)
            continue;
        /* First the row: it conflicts with a server that finished between our snapshot and lock. */
        TRY(db_exec(tx, &insert,
                    ARGS(V_INT(m->version), V_STR(str_of(m->name)), V_INT(clock_now())), NULL));
        TRY(db_script(tx, db_tx_kind(tx) == DB_SQLITE ? m->sqlite : m->postgres));
        s->store = m->version;
        s->ran = true;
        return OK;
    }
    return OK;
}

/* One script, or none when all have run; waits while another server is at it. */
static enum err
step_once(struct db *db, struct arena *a, struct step *s)
{
    enum err e = ERR_CONFLICT;
    for (int waited = 0; waited <= WAIT_MAX_MS; waited += WAIT_STEP_MS) {
        e = db_write(db, a, run_next, s);
        if (e != ERR_CONFLICT)
            return e;
        nanosleep(&(struct timespec){0, WAIT_STEP_MS * 1000000L}, NULL);
    }
    return e;
}

enum err
migrate_with(struct db *db, struct arena *a, const struct migration *list, int n, int *from,
             int *to, struct str *why)
{
    struct step s = {.list = list, .n = n};
    enum err e = db_read(db, a, read_version, &s);
    int first = s.store;
    /* The commit check wants an event for each table; here there is no log to record it in yet. */
    enum err (*check)(struct db_tx * tx) = db->check;
    db->check = NULL;
    if (e == OK && s.store > newest(list, n) + 1) {
        *why = arena_fmt(a,
                         "the store has schema version %d, this program knows %d: use a newer "
                         "program",
                         s.store, newest(list, n));
        db->check = check;
        return ERR_CONFLICT;
    }
    s.ran = e == OK && s.store < newest(list, n);
    while (e == OK && s.ran)
        e = step_once(db, a, &s);
    db->check = check;
    if (e != OK) {
        *why = arena_fmt(a, "the schema can not be brought from version %d to %d: %.*s", s.store,
                         newest(list, n), STR_ARG(db_last_error()));
        return e;
    }
    *from = first;
    *to = s.store;
    return OK;
}

enum err
db_migrate(struct db *db, struct arena *a, int *from, int *to, struct str *why)
{
    return migrate_with(db, a, schema_migrations, schema_migration_count, from, to, why);
}

enum err
db_schema_version(struct db *db, struct arena *a, int *store, int *binary)
{
    struct step s = {0};
    TRY(db_read(db, a, read_version, &s));
    *store = s.store;
    *binary = newest(schema_migrations, schema_migration_count);
    return OK;
}
