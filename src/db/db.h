/* The store: one contract, two implementations (sqlite.c, postgres.c), one conformance suite.
 *
 * All SQL is run with a `struct db_tx`, which is either a read (a snapshot) or a write transaction.
 * Bodies are functions: db_write() may run a body again after a serialisation failure (PostgreSQL; for
 * ten seconds, then ERR_UNAVAILABLE), so a body holds SQL only and keeps its results in the arena it is given.
 *
 * Statements are `static const struct sql` beside the function that runs them. Parameters are $1,
 * $2 … and always bound. On SQLite $n is bound by its number. A statement that writes names its table: the
 * transaction notes which tables changed, and the commit check (db_set_commit_check) may refuse.
 *
 * Types: int64, text (UTF-8 without U+0000), bytes, double, NULL; booleans are 0 and 1 of a bigint
 * column on both stores. Times are int64 microseconds. Text compares by bytes on both.
 *
 * Group commit (SQLite): writes that meet share a transaction on the one writer connection, and their
 * bodies run one after the other on the thread that leads it, which need not be the caller's (which
 * waits meanwhile). db_write() returns after that transaction's commit is durable. */
#ifndef RECOUNT_DB_DB_H
#define RECOUNT_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

struct db;    /* the store: thread-safe */
struct db_tx; /* a transaction: one thread at a time */

enum db_kind { DB_SQLITE, DB_POSTGRES };

struct db_options {
    struct str url;  /* "sqlite" or a libpq URL "postgres://…" */
    struct str dir;  /* data folder; SQLite opens dir/recount.db */
    int readers;     /* connections for reading (both stores), e.g. number of workers */
    int writers;     /* PostgreSQL: connections for writing; SQLite has one */
    bool read_only;  /* for offline commands that only look */
    const char *vfs; /* SQLite: name of a VFS, NULL for the default (fault tests) */
};

/* Opens the store; does not migrate. On failure *why holds a sentence in the arena. */
MUST_CHECK enum err db_open(struct arena *a, const struct db_options *o, struct db **out,
                            struct str *why);
void db_close(struct db *db);
enum db_kind db_kind(const struct db *db);

/* ---- statements ---- */

struct sql {
    const char *sqlite;   /* text for SQLite, and for PostgreSQL when `postgres` is NULL */
    const char *postgres; /* NULL: the same text */
    const char *table;    /* the table it writes; NULL for a read */
};
#define SQL_READ(text)                                                                             \
    {                                                                                              \
        .sqlite = (text)                                                                           \
    }
#define SQL_READ2(lite, pg)                                                                        \
    {                                                                                              \
        .sqlite = (lite), .postgres = (pg)                                                         \
    }
#define SQL_WRITE(tab, text)                                                                       \
    {                                                                                              \
        .sqlite = (text), .table = (tab)                                                           \
    }
#define SQL_WRITE2(tab, lite, pg)                                                                  \
    {                                                                                              \
        .sqlite = (lite), .postgres = (pg), .table = (tab)                                         \
    }

enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BYTES, DB_DOUBLE };
struct db_val {
    enum db_type type;
    int64_t i;
    double d;
    struct str s;
};
#define V_INT(v)    ((struct db_val){.type = DB_INT, .i = (int64_t)(v)})
#define V_DOUBLE(v) ((struct db_val){.type = DB_DOUBLE, .d = (v)})
#define V_NULL      ((struct db_val){.type = DB_NULL})
/* A null str binds NULL. */
#define V_STR(v)              db_val_str(v)
#define V_BYTES(v)            db_val_bytes(v)
#define V_INT_OR_NULL(has, v) ((has) ? V_INT(v) : V_NULL)
struct db_val db_val_str(struct str s);
struct db_val db_val_bytes(struct str s);

/* Parameters of one statement at most; bounds the stack a call takes. */
#define DB_MAX_ARGS 256
struct db_args {
    const struct db_val *v;
    size_t n;
};
/* ARGS(V_INT(1), V_STR(name)); NO_ARGS for none. */
#define ARGS(...)                                                                                  \
    ((struct db_args){(const struct db_val[]){__VA_ARGS__},                                        \
                      sizeof((const struct db_val[]){__VA_ARGS__}) / sizeof(struct db_val)})
#define NO_ARGS ((struct db_args){NULL, 0})

/* ---- running ---- */

/* Runs a statement without rows (or ignoring them). *changed (may be NULL): rows changed. A
 * violated UNIQUE or PRIMARY KEY is ERR_CONFLICT (the transaction stays usable on SQLite only: return the
 * error, do not go on); other refusals are ERR_DB. */
MUST_CHECK enum err db_exec(struct db_tx *tx, const struct sql *q, struct db_args args,
                            int64_t *changed);

/* Many runs of one writing statement, gathered and sent together: on PostgreSQL they cost a round trip for
 * DB_MANY of them, not one each. Values are views, which must live and keep still until db_many_end().
 * Lives in the transaction's arena. The first failure is returned as db_exec() would return it, by
 * whichever call sends that run; the body then returns it. */
#define DB_MANY 128
struct db_many;
struct db_many *db_many_begin(struct db_tx *tx, const struct sql *q, size_t n_args);
MUST_CHECK enum err db_many_add(struct db_many *m, struct db_args args);
/* Sends what is left. *changed (may be NULL): rows changed by all runs. */
MUST_CHECK enum err db_many_end(struct db_many *m, int64_t *changed);

/* A result set; at most one open per transaction and statement; closed by db_rows_end() or by reading to ERR_END.
 * Nested queries of different statements are allowed on both stores. */
struct db_rows;
MUST_CHECK enum err db_query(struct db_tx *tx, const struct sql *q, struct db_args args,
                             struct db_rows **out);
/* OK with a current row, ERR_END after the last (the set is then closed), else a failure. */
MUST_CHECK enum err db_next(struct db_rows *r);
void db_rows_end(struct db_rows *r); /* NULL allowed; early end */
bool db_is_null(const struct db_rows *r, int col);
int64_t db_int(const struct db_rows *r, int col); /* 0 for NULL */
double db_double(const struct db_rows *r, int col);
/* Views valid until the next db_next()/end; copy with arena_str() to keep. Null str for NULL. */
struct str db_text(const struct db_rows *r, int col);
struct str db_bytes(const struct db_rows *r, int col);
/* Copy into the transaction's arena. */
struct str db_text_keep(const struct db_rows *r, int col);
struct str db_bytes_keep(const struct db_rows *r, int col);

/* The first row must exist: OK with the row current (call db_rows_end), or ERR_NOT_FOUND. */
MUST_CHECK enum err db_query_one(struct db_tx *tx, const struct sql *q, struct db_args args,
                                 struct db_rows **out);
/* The single integer of the first row; ERR_NOT_FOUND without a row. */
MUST_CHECK enum err db_query_int(struct db_tx *tx, const struct sql *q, struct db_args args,
                                 int64_t *out);
/* The next value of a named instance-wide sequence (table `sequence`): starts at 1, gaps allowed. */
MUST_CHECK enum err db_sequence(struct db_tx *tx, const char *name, int64_t *out);

/* ---- transactions ---- */

typedef enum err (*db_body)(struct db_tx *tx, void *arg);

/* One write transaction; commits when the body returns OK, else rolls back and returns its error.
 * ERR_UNAVAILABLE when the store cannot take writes (disk full, connection lost, group gone). The
 * body may run several times; between runs everything it did in the store is undone. */
MUST_CHECK enum err db_write(struct db *db, struct arena *a, db_body body, void *arg);
/* A read on one connection: every statement sees committed data; on SQLite all see one snapshot. */
MUST_CHECK enum err db_read(struct db *db, struct arena *a, db_body body, void *arg);

/* A read in which all statements see one snapshot, on both stores: for what must be compared with
 * each other. Holds a connection; on PostgreSQL it costs two round trips more than db_read(). */
MUST_CHECK enum err db_snapshot(struct db *db, struct arena *a, db_body body, void *arg);

struct arena *db_tx_arena(struct db_tx *tx);
enum db_kind db_tx_kind(const struct db_tx *tx);
bool db_tx_is_write(const struct db_tx *tx);
/* How many times the present body has been started again (0 for the first run). */
int db_tx_attempt(const struct db_tx *tx);
/* Opaque pointer for the layer above (audit uses it to note recorded events); reset to NULL before each run. */
void *db_tx_user(const struct db_tx *tx);
void db_tx_set_user(struct db_tx *tx, void *user);

/* Tables written so far in this transaction, with the number of rows changed. */
struct db_touch {
    const char *table;
    int64_t rows;
};
size_t db_tx_touched(const struct db_tx *tx, const struct db_touch **out);
/* Called with the open transaction when a write body returned OK, before the commit; anything but
 * OK rolls back. Set once, before threads start. */
void db_set_commit_check(struct db *db, enum err (*check)(struct db_tx *tx));
/* Called once after each durable commit group, from the committing thread; the group's answers and the next
 * group wait for it. */
void db_set_commit_hook(struct db *db, void (*hook)(void *arg), void *arg);

/* A message fit for the log (never for a user) about the last failure on this thread. */
struct str db_last_error(void);
/* Number of statements run by this thread since start (tests assert differences). */
uint64_t db_statement_count(void);

/* ---- schema (migrate.c) ---- */

/* Brings the schema to this binary's version under a lock; numbered, forward only. Refuses a store that
 * is two or more versions ahead. *from and *to are versions (0 = empty store). */
MUST_CHECK enum err db_migrate(struct db *db, struct arena *a, int *from, int *to, struct str *why);
/* Version of the store (0: empty) and of this binary. */
MUST_CHECK enum err db_schema_version(struct db *db, struct arena *a, int *store, int *binary);
/* Runs a script of several statements without parameters (schema files only). */
MUST_CHECK enum err db_script(struct db_tx *tx, const char *text);

/* ---- one-holder locks, notices (PostgreSQL: advisory lock, NOTIFY; SQLite: within the process) ---- */

/* Inside a write transaction: takes the named lock until its end; ERR_CONFLICT if held elsewhere. */
MUST_CHECK enum err db_try_lock(struct db_tx *tx, int64_t lock);
/* Tells the other servers that something happened; a hint only. Delivered after commit. */
MUST_CHECK enum err db_notify(struct db_tx *tx, struct str channel, struct str payload);
/* Waits up to timeout_ms for a notice from another server; ERR_END on time-out. On SQLite there
 * are no other servers: it only waits. Runs on a connection of its own, one listening thread. */
MUST_CHECK enum err db_wait_notice(struct db *db, int timeout_ms, struct arena *a,
                                   struct str *channel, struct str *payload);

/* ---- more ---- */

/* SQLite: raw handle for the segment files of the audit log, which are databases of their own
 * beside the main one and are opened by path with the same settings. */
MUST_CHECK enum err db_open_file(struct arena *a, struct str path, const char *vfs, bool read_only,
                                 int readers, struct db **out, struct str *why);
/* Runs one utility statement outside any transaction, on the writer's connection when its turn comes:
 * VACUUM, DETACH … CONCURRENTLY, what no transaction may hold. Other writers of SQLite wait meanwhile.
 * The text is ours, never made from a value. ERR_CONFLICT: a reader kept PRAGMA wal_checkpoint from
 * finishing, or a transaction a VACUUM of PostgreSQL from beginning: try again. */
MUST_CHECK enum err db_utility(struct db *db, const char *text);
/* Consistent copy of a SQLite store into a file (backup API). ERR_INVALID on PostgreSQL. */
MUST_CHECK enum err db_copy_to(struct db *db, struct arena *a, struct str path);
/* Bytes on disk, free bytes and total bytes of its file system (SQLite); 0 on PostgreSQL. */
void db_space(struct db *db, int64_t *used, int64_t *free_bytes, int64_t *total);

#endif
