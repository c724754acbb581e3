/* Shared by postgres.c (connections, transactions, notices) and postgres_stmt.c (statements). */
#ifndef RECOUNT_DB_POSTGRES_PRIV_H
#define RECOUNT_DB_POSTGRES_PRIV_H

#include <libpq-fe.h>
#include <pthread.h>

#include "db/db_priv.h"

/* A statement prepared on one connection, for one combination of argument types. */
struct pg_stmt {
    struct pg_stmt *next; /* of the same bucket */
    uint64_t hash;
    char *text;
    unsigned id; /* the statement's name on the server is "s<id>" */
    size_t n;
    uint8_t *types; /* enum db_type each; DB_NULL: left to the server */
};

struct pg_conn {
    PGconn *c;  /* NULL until first used */
    bool stale; /* to be opened anew before its next use */
    const char *
        begin; /* goes to the server with the first statement of a transaction; NULL: went, or none */
    struct pg_stmt *buckets[DB_CACHE_BUCKETS];
    size_t n;
    unsigned last_id;
};

struct pg_db {
    struct db base;
    char *url;
    struct db_pool readers, writers;
    struct pg_conn listener;
    pthread_rwlock_t turn; /* held by each write: shared, or alone */
    char id[17];           /* marks our own notices */
};

/* postgres_stmt.c */
/* Translates a failed result (cleared by the caller), notes and logs it. tx may be NULL. */
enum err pg_error(struct pg_conn *c, struct db_tx *tx, const PGresult *res, const char *what);
/* Runs a text without parameters outside the cache; what begins the transaction goes before it. */
enum err pg_run(struct pg_conn *c, struct db_tx *tx, const char *text);
void pg_cache_forget(struct pg_conn *c);
enum err pg_exec(struct db_tx *tx, const struct sql *q, struct db_args args, int64_t *changed);
enum err pg_exec_many(struct db_tx *tx, const struct sql *q, const struct db_val *v, size_t width,
                      size_t n, int64_t *changed);
enum err pg_query(struct db_rows *r, struct db_args args);
enum err pg_next(struct db_rows *r);
int64_t pg_end(struct db_rows *r);
struct db_val pg_cell(const struct db_rows *r, int col);
enum err pg_script(struct db_tx *tx, const char *text);
enum err pg_sequence(struct db_tx *tx, int which, int64_t *out);

#endif
