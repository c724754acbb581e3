/* Shared by sqlite.c (opening, reading), sqlite_stmt.c (statements) and sqlite_group.c (writing). */
#ifndef RECOUNT_DB_SQLITE_PRIV_H
#define RECOUNT_DB_SQLITE_PRIV_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "db/db_priv.h"

/* A prepared statement in a connection's cache. */
struct lite_stmt {
    sqlite3_stmt *st;
    uint64_t hash;
    struct lite_stmt *next; /* of the same bucket */
    int n_params;
    uint16_t *number; /* number[i]: the n of the $n that SQLite's parameter i+1 is named */
    bool busy;        /* a result set is open on it */
    bool temporary;   /* made because the cached one was busy; finalised at the end */
    bool writes;
    bool counts; /* what it changes shows in the connection's count of changes */
};

struct lite_conn {
    sqlite3 *h; /* NULL until first used */
    struct lite_stmt *buckets[DB_CACHE_BUCKETS];
    size_t n;
    bool uncounted; /* something ran whose changes SQLite does not count as rows */
};

/* A write: on the stack of the thread that called, which waits while another one runs the body. */
struct lite_waiter {
    struct lite_waiter *next; /* in the queue, then in the group */
    struct db_tx *tx;
    db_body body;
    void *arg;
    bool alone; /* runs between groups, on its own thread */
    int runs, lost;
    enum err result;
    uint64_t statements; /* run for it; the caller's thread counts them */
    unsigned word;       /* where it waits */
    atomic_uint state;
    char message[DB_MESSAGE_MAX]; /* of its failure */
};
enum { LITE_QUEUED, LITE_LEADS, LITE_DONE };

/* Words to wait on: two for groups in turn, one for who will lead next. */
enum { LITE_WORD_LEAD = 2, LITE_WORDS };

struct lite_writer {
    pthread_mutex_t lock;
    bool held;                       /* some thread has the connection */
    struct lite_waiter *head, *tail; /* waiting for their turn */
    uint64_t forming;                /* number of the group that who comes now will be in */
    atomic_uint words[LITE_WORDS];
    /* The rest belongs to the holder. */
    struct lite_conn conn;
    int careful; /* groups still to be run with savepoints */
};

struct lite_db {
    struct db base;
    char *path;
    char *vfs;
    struct db_pool readers;
    struct lite_writer writer;
};

/* sqlite.c */
enum err lite_conn_open(struct lite_db *db, struct lite_conn *c, bool writer);
/* sqlite_stmt.c */
enum err lite_error(struct lite_conn *c, int rc, const char *what);
enum err lite_run(struct lite_conn *c, const char *text); /* a constant text without parameters */
/* A text of its own outside a transaction, not kept in the cache; ERR_CONFLICT: its row says busy. */
enum err lite_run_alone(struct lite_conn *c, const char *text);
void lite_conn_close(struct lite_conn *c);
enum err lite_exec(struct db_tx *tx, const struct sql *q, struct db_args args, int64_t *changed);
enum err lite_exec_many(struct db_tx *tx, const struct sql *q, const struct db_val *v, size_t width,
                        size_t n, int64_t *changed);
enum err lite_query(struct db_rows *r, struct db_args args);
enum err lite_next(struct db_rows *r);
int64_t lite_end(struct db_rows *r);
struct db_val lite_cell(const struct db_rows *r, int col);
enum err lite_script(struct db_tx *tx, const char *text);
enum err lite_sequence(struct db_tx *tx, int which, int64_t *out);
/* sqlite_group.c */
enum err lite_write(struct db *db, struct arena *a, db_body body, void *arg);
enum err lite_utility(struct db *db, const char *text);

#endif
