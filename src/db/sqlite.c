/* The SQLite store: opening connections and files, readers, and what has no statement (copying).
 * Statements are sqlite_stmt.c; the writer is sqlite_group.c.
 *
 * WAL with synchronous=FULL: a commit is durable when it returns. No interrupt and no progress
 * handler are ever set on the writer: an interrupted statement takes its whole group along. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/sqlite_priv.h"

/* How long another process (an offline command) may hold the write lock before we give up. */
#define BUSY_TIMEOUT_MS 10000

/* trusted_schema=OFF and DEFENSIVE: a doctored file must not run functions or damage itself.
 * 4000 pages (16 MB) of WAL are moved into the file at a time, by the commit that reaches them. */
static const char setup_all[] = "PRAGMA foreign_keys=ON; "
                                "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; "
                                "PRAGMA synchronous=FULL;";
static const char setup_writer[] = "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=4000; "
                                   "PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-16384; "
                                   "PRAGMA secure_delete=FAST;";
/* temp_store=MEMORY is for readers only: a writer's statement journals in memory are walked at every
 * release of a nested statement, which took two thirds of the time of a large move. */
static const char setup_reader[] =
    "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096;";

/* ---- connections ---- */

static int
open_handle(struct lite_db *db, struct lite_conn *c, bool writer)
{
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
    flags |= db->base.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(db->path, &c->h, flags, db->vfs);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_busy_timeout(c->h, BUSY_TIMEOUT_MS);
    sqlite3_db_config(c->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    rc = sqlite3_exec(c->h, setup_all, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c->h, writer ? setup_writer : setup_reader, NULL, NULL, NULL);
    return rc;
}

enum err
lite_conn_open(struct lite_db *db, struct lite_conn *c, bool writer)
{
    int rc = open_handle(db, c, writer);
    if (rc == SQLITE_OK)
        return OK;
    enum err e = lite_error(c, rc, "open");
    sqlite3_close(c->h);
    c->h = NULL;
    return e;
}

static void
reader_fini(void *c)
{
    lite_conn_close(c);
}

/* ---- reading ---- */

static enum err
lite_read(struct db *base, struct arena *a, db_body body, void *arg)
{
    struct lite_db *db = (struct lite_db *)base;
    struct lite_conn *c = pool_take(&db->readers);
    struct db_tx tx = {.db = base, .arena = a, .conn = c};
    enum err e = c->h ? OK : lite_conn_open(db, c, false);
    if (e == OK)
        e = lite_run(c, "BEGIN");
    if (e != OK) {
        pool_give(&db->readers, c);
        return ERR_UNAVAILABLE;
    }
    db_tx_start(&tx, 0);
    e = db_tx_run(&tx, body, arg);
    /* A connection that can not even end its read is thrown away. */
    if (sqlite3_get_autocommit(c->h) == 0 && lite_run(c, "COMMIT") != OK)
        lite_conn_close(c);
    pool_give(&db->readers, c);
    return e;
}

/* ---- locks and notices: there is one process ---- */

/* The body has the only writer until it ends, so every lock is free for it. */
static enum err
lite_try_lock(struct db_tx *tx, int64_t lock)
{
    (void)tx;
    (void)lock;
    return OK;
}

static enum err
lite_notify(struct db_tx *tx, struct str channel, struct str payload)
{
    (void)tx;
    (void)channel;
    (void)payload;
    return OK;
}

static enum err
lite_wait_notice(struct db *db, int timeout_ms, struct arena *a, struct str *channel,
                 struct str *payload)
{
    (void)db;
    (void)a;
    (void)channel;
    (void)payload;
    struct timespec t = {timeout_ms / 1000, (timeout_ms % 1000) * 1000000L};
    nanosleep(&t, NULL);
    return ERR_END;
}

/* ---- files ---- */

static enum err
copy_into(struct lite_conn *c, const char *path)
{
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL);
    sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", c->h, "main") : NULL;
    if (rc == SQLITE_OK && !b)
        rc = sqlite3_extended_errcode(to);
    if (b) {
        rc = sqlite3_backup_step(b, -1); /* in one step: one snapshot */
        int end = sqlite3_backup_finish(b);
        rc = rc == SQLITE_DONE ? end : rc;
    }
    if (rc != SQLITE_OK)
        db_note("sqlite: copy: %s (%d)", sqlite3_errstr(rc), rc);
    sqlite3_close(to);
    return rc == SQLITE_OK ? OK : ERR_IO;
}

static enum err
lite_copy_to(struct db *base, struct arena *a, struct str path)
{
    struct lite_db *db = (struct lite_db *)base;
    const char *to = arena_cstr(a, path);
    int fd = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        db_note("copy to %s: %s", to, strerror(errno));
        return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
    }
    close(fd);
    struct lite_conn *c = pool_take(&db->readers);
    enum err e = c->h ? OK : lite_conn_open(db, c, false);
    if (e == OK)
        e = copy_into(c, to);
    pool_give(&db->readers, c);
    if (e != OK)
        unlink(to);
    return e;
}

static int64_t
file_size(const char *path, const char *suffix)
{
    char name[4096];
    struct stat st;
    int n = snprintf(name, sizeof(name), "%s%s", path, suffix);
    return n > 0 && (size_t)n < sizeof(name) && stat(name, &st) == 0 ? st.st_size : 0;
}

static void
lite_space(struct db *base, int64_t *used, int64_t *free_bytes, int64_t *total)
{
    struct lite_db *db = (struct lite_db *)base;
    struct statvfs v;
    *used = file_size(db->path, "") + file_size(db->path, "-wal");
    if (statvfs(db->path, &v) != 0)
        return;
    *free_bytes = (int64_t)(v.f_bavail * v.f_frsize);
    *total = (int64_t)(v.f_blocks * v.f_frsize);
}

/* ---- opening and closing ---- */

static void
lite_close(struct db *base)
{
    struct lite_db *db = (struct lite_db *)base;
    /* Readers first: the last connection to close moves the WAL into the file, and must write. */
    pool_fini(&db->readers, reader_fini);
    lite_conn_close(&db->writer.conn);
    pthread_mutex_destroy(&db->writer.lock);
    free(db->path);
    free(db->vfs);
    free(db);
}

static const struct db_ops lite_ops = {
    .close = lite_close,
    .write = lite_write,
    .read = lite_read,
    .snapshot = lite_read,
    .exec = lite_exec,
    .exec_many = lite_exec_many,
    .query = lite_query,
    .next = lite_next,
    .end = lite_end,
    .cell = lite_cell,
    .script = lite_script,
    .sequence = lite_sequence,
    .try_lock = lite_try_lock,
    .notify = lite_notify,
    .wait_notice = lite_wait_notice,
    .utility = lite_utility,
    .copy_to = lite_copy_to,
    .space = lite_space,
};

/* SQLite's count of its memory stands behind one lock for the whole process: writer, mover and
 * readers spent more time waiting for it than allocating. Too late, and so refused, when something
 * else has used SQLite before; that costs time only. */
static void
configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* Made by us so that it is never readable for others; SQLite gives -wal and -shm the same mode. */
static enum err
create_file(struct arena *a, const char *path, bool read_only, struct str *why)
{
    int fd = open(path, (read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
    if (fd < 0) {
        *why = arena_fmt(a, "the file %s can not be opened: %s", path, strerror(errno));
        return ERR_IO;
    }
    close(fd);
    return OK;
}

/* The first connection shows whether the file is a database at all. */
static enum err
first_connection(struct lite_db *db)
{
    struct lite_conn *c = db->base.read_only ? db->readers.all[0] : &db->writer.conn;
    TRY(lite_conn_open(db, c, !db->base.read_only));
    return lite_run(c, "SELECT count(*) FROM sqlite_schema");
}

enum err
lite_open(struct arena *a, struct str path, const char *vfs, bool read_only, int readers,
          struct db **out, struct str *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *name = arena_cstr(a, path);
    (void)pthread_once(&once, configure);
    TRY(create_file(a, name, read_only, why));
    struct lite_db *db = db_alloc(1, sizeof(*db));
    db->base = (struct db){.ops = &lite_ops, .kind = DB_SQLITE, .read_only = read_only};
    db->path = db_strdup(name);
    db->vfs = vfs ? db_strdup(vfs) : NULL;
    pool_init(&db->readers, readers > 0 ? (size_t)readers : 1, sizeof(struct lite_conn));
    pthread_mutex_init(&db->writer.lock, NULL);
    enum err e = first_connection(db);
    if (e != OK) {
        *why =
            arena_fmt(a, "the database %s can not be opened: %.*s", name, STR_ARG(db_last_error()));
        lite_close(&db->base);
        return e;
    }
    *out = &db->base;
    return OK;
}
