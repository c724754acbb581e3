/* Shared inside src/db only: the table of functions a store implements, and the plain data that
 * db.c keeps for every transaction and result set.
 *
 * db.c owns argument checks, touch notes, the commit check, nesting checks and counters; a store
 * owns connections, statements and the way a transaction is committed. Objects of a store are heap
 * memory (db_alloc), because they outlive every arena. */
#ifndef RECOUNT_DB_DB_PRIV_H
#define RECOUNT_DB_DB_PRIV_H

#include <pthread.h>

#include "db/db.h"

/* More tables than any one transaction writes; a bound against a runaway caller. */
#define DB_MAX_TOUCHED 128
/* Of db_last_error(). */
#define DB_MESSAGE_MAX 512
/* The migration lock: any constant no other lock uses. */
#define DB_LOCK_MIGRATE INT64_C(0x7265636f756e74)

struct db_tx {
    struct db *db;
    struct arena *arena;
    void *conn; /* struct lite_conn or struct pg_conn */
    bool write;
    bool retry; /* PostgreSQL: a statement failed in a way that asks for another run */
    int attempt;
    void *user;
    struct db_rows *open; /* result sets not yet closed */
    size_t n_touched;
    struct db_touch touched[DB_MAX_TOUCHED];
};

struct db_rows {
    struct db_tx *tx;
    const struct sql *q;
    struct db_rows *next_open;
    bool is_open;
    bool has_row; /* SQLite: a row was stepped to already by the query itself */
    /* PostgreSQL: number of the current row, -1 before the first. SQLite, of a writing statement:
     * 0 when its first step gave a row, -2 when it did not. */
    int64_t row;
    void *handle; /* struct lite_stmt or PGresult */
};

struct db_ops {
    void (*close)(struct db *db);
    enum err (*write)(struct db *db, struct arena *a, db_body body, void *arg);
    enum err (*read)(struct db *db, struct arena *a, db_body body, void *arg);
    enum err (*snapshot)(struct db *db, struct arena *a, db_body body, void *arg);
    enum err (*exec)(struct db_tx *tx, const struct sql *q, struct db_args args, int64_t *changed);
    /* Runs a writing statement for n argument lists of `width` values, one behind the other; at most DB_MANY. */
    enum err (*exec_many)(struct db_tx *tx, const struct sql *q, const struct db_val *v,
                          size_t width, size_t n, int64_t *changed);
    enum err (*query)(struct db_rows *r, struct db_args args);
    enum err (*next)(struct db_rows *r);
    /* Closes; returns the number of rows a writing statement changed. */
    int64_t (*end)(struct db_rows *r);
    struct db_val (*cell)(const struct db_rows *r, int col);
    enum err (*script)(struct db_tx *tx, const char *text);
    enum err (*sequence)(struct db_tx *tx, int which, int64_t *out);
    enum err (*try_lock)(struct db_tx *tx, int64_t lock);
    enum err (*notify)(struct db_tx *tx, struct str channel, struct str payload);
    enum err (*wait_notice)(struct db *db, int timeout_ms, struct arena *a, struct str *channel,
                            struct str *payload);
    enum err (*utility)(struct db *db, const char *text);
    enum err (*copy_to)(struct db *db, struct arena *a, struct str path);
    void (*space)(struct db *db, int64_t *used, int64_t *free_bytes, int64_t *total);
};

/* First member of struct lite_db and struct pg_db. */
struct db {
    const struct db_ops *ops;
    enum db_kind kind;
    bool read_only;
    enum err (*check)(struct db_tx *tx);
    void (*hook)(void *arg);
    void *hook_arg;
};

/* Zeroed heap memory; aborts when there is none. */
void *db_alloc(size_t n, size_t size);
char *db_strdup(const char *s);
/* Notes a message for db_last_error(). */
void db_note(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Copies this thread's message, of at most DB_MESSAGE_MAX bytes with its NUL. */
void db_note_keep(char *out);
/* A body may run on another thread than its caller's: what it counted there since `before` is taken
 * off that thread's count and added to the caller's. */
uint64_t db_statements_take(uint64_t before);
void db_statements_add(uint64_t n);

/* Starts a run of a body: clears notes and the user pointer. */
void db_tx_start(struct db_tx *tx, int attempt);
/* Runs the body, closes what it left open and, in a write that went well, asks the commit check. */
enum err db_tx_run(struct db_tx *tx, db_body body, void *arg);
/* Calls the commit hook, if any. */
void db_committed(struct db *db);

/* ---- names of sequences (db.c) ---- */

enum {
    SEQ_USER,
    SEQ_CLIENT,
    SEQ_ROLE,
    SEQ_TIER,
    SEQ_TAG,
    SEQ_JOB,
    SEQ_SEGMENT,
    SEQ_TENANT,
    SEQ_COUNT
};
extern const char *const db_sequence_names[SEQ_COUNT];

/* ---- statement texts as keys of the per-connection caches (db.c) ---- */

#define DB_CACHE_BUCKETS 256
/* Statements are constant texts, so a cache beyond this means generated ones: it is emptied. */
#define DB_CACHE_MAX 1024
uint64_t db_text_hash(const char *text, size_t n);

/* ---- a pool of connections (pool.c) ---- */

struct db_pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    size_t n, n_free;
    void **all;  /* every object, for closing */
    void **free; /* a stack: the last one used is the warmest */
};
void pool_init(struct db_pool *p, size_t n, size_t object_size);
void pool_fini(struct db_pool *p, void (*fini)(void *object));
void *pool_take(struct db_pool *p);
void pool_give(struct db_pool *p, void *object);

/* ---- stores ---- */

enum err lite_open(struct arena *a, struct str path, const char *vfs, bool read_only, int readers,
                   struct db **out, struct str *why);
enum err pg_open(struct arena *a, const struct db_options *o, struct db **out, struct str *why);

/* ---- migrations (migrate.c) ---- */

struct migration {
    int version;
    const char *name;
    const char *sqlite, *postgres;
};
/* What comes before all scripts. */
extern const char migrate_bootstrap[];
/* The scripts of this binary, made from src/db/schema by tools/embed.py, ascending from 1. */
extern const struct migration schema_migrations[];
extern const int schema_migration_count;
/* db_migrate() with another list (tests). */
enum err migrate_with(struct db *db, struct arena *a, const struct migration *list, int n,
                      int *from, int *to, struct str *why);

#endif
