/* Statements on one SQLite connection: a cache of prepared texts, binding by number, stepping, and
 * the translation of SQLite's result codes. Knows nothing about transactions. */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "db/sqlite_priv.h"

/* Results: what the caller can do something about is told apart, all else is ERR_DB. */
enum err
lite_error(struct lite_conn *c, int rc, const char *what)
{
    db_note("sqlite: %s: %s (%d)", what, c->h ? sqlite3_errmsg(c->h) : sqlite3_errstr(rc), rc);
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
        rc == SQLITE_CONSTRAINT_ROWID)
        return ERR_CONFLICT;
    log_error("db.failed", LOG_STR("message", db_last_error()));
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
        return ERR_UNAVAILABLE;
    default:
        return ERR_DB;
    }
}

/* ---- the cache ---- */

static void
stmt_free(struct lite_stmt *s)
{
    sqlite3_finalize(s->st);
    free(s->number);
    free(s);
}

static void
cache_clear(struct lite_conn *c)
{
    for (size_t i = 0; i < DB_CACHE_BUCKETS; i++) {
        struct lite_stmt **p = &c->buckets[i];
        while (*p) {
            struct lite_stmt *s = *p;
            if (s->busy) {
                p = &s->next;
                continue;
            }
            *p = s->next;
            stmt_free(s);
            c->n--;
        }
    }
}

void
lite_conn_close(struct lite_conn *c)
{
    cache_clear(c);
    if (c->h && sqlite3_close(c->h) != SQLITE_OK)
        BUG("a statement is open while its connection is closed");
    c->h = NULL;
}

/* SQLite takes "$2" as a name, numbered by first appearance; so the names are read back. */
static void
stmt_number(struct lite_stmt *s)
{
    s->n_params = sqlite3_bind_parameter_count(s->st);
    s->number = db_alloc((size_t)s->n_params, sizeof(*s->number));
    for (int i = 0; i < s->n_params; i++) {
        const char *name = sqlite3_bind_parameter_name(s->st, i + 1);
        int64_t n = 0;
        if (!name || name[0] != '$' || str_int64(str_of(name + 1), &n) != OK || n < 1 ||
            n > DB_MAX_ARGS)
            BUG("a parameter is not named $1 to $%d in: %s", DB_MAX_ARGS, sqlite3_sql(s->st));
        s->number[i] = (uint16_t)n;
    }
}

/* Rows are counted, what DDL and PRAGMA change is not. */
static bool
counts_rows(const char *text)
{
    static const char *const words[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (str_has_prefix(str_of(text), str_of(words[i])))
            return true;
    return false;
}

static enum err
stmt_prepare(struct lite_conn *c, const char *text, size_t n, struct lite_stmt **out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(c->h, text, (int)n + 1, SQLITE_PREPARE_PERSISTENT, &st, NULL);
    if (rc != SQLITE_OK)
        return lite_error(c, rc, text);
    struct lite_stmt *s = db_alloc(1, sizeof(*s));
    s->st = st;
    s->writes = sqlite3_stmt_readonly(st) == 0;
    s->counts = counts_rows(text);
    stmt_number(s);
    *out = s;
    return OK;
}

static enum err
stmt_get(struct lite_conn *c, const char *text, struct lite_stmt **out)
{
    size_t n = strlen(text);
    uint64_t hash = db_text_hash(text, n);
    struct lite_stmt **bucket = &c->buckets[hash % DB_CACHE_BUCKETS];
    bool busy = false;
    for (struct lite_stmt *s = *bucket; s; s = s->next) {
        if (s->hash != hash || strcmp(sqlite3_sql(s->st), text) != 0)
            continue;
        if (!s->busy) {
            *out = s;
            return OK;
        }
        busy = true;
    }
    if (c->n >= DB_CACHE_MAX)
        cache_clear(c);
    struct lite_stmt *s = NULL;
    TRY(stmt_prepare(c, text, n, &s));
    assert(s);
    s->hash = hash;
    s->temporary = busy;
    if (!busy) {
        s->next = *bucket;
        *bucket = s;
        c->n++;
    }
    *out = s;
    return OK;
}

/* ---- binding and stepping ---- */

static int
bind_one(sqlite3_stmt *st, int i, const struct db_val *v, sqlite3_destructor_type life)
{
    switch (v->type) {
    case DB_INT:
        return sqlite3_bind_int64(st, i, v->i);
    case DB_DOUBLE:
        return sqlite3_bind_double(st, i, v->d);
    case DB_TEXT:
        return sqlite3_bind_text64(st, i, v->s.p, v->s.n, life, SQLITE_UTF8);
    case DB_BYTES:
        return sqlite3_bind_blob64(st, i, v->s.p, v->s.n, life);
    case DB_NULL:
        break;
    }
    return sqlite3_bind_null(st, i);
}

static enum err
bind_all(struct lite_conn *c, struct lite_stmt *s, struct db_args args,
         sqlite3_destructor_type life)
{
    for (int i = 0; i < s->n_params; i++) {
        if (s->number[i] > args.n)
            BUG("$%d has no argument in: %s", s->number[i], sqlite3_sql(s->st));
        int rc = bind_one(s->st, i + 1, &args.v[s->number[i] - 1], life);
        if (rc != SQLITE_OK)
            return lite_error(c, rc, "bind");
    }
    return OK;
}

static void
stmt_done(struct lite_stmt *s)
{
    sqlite3_reset(s->st);
    if (s->n_params > 0)
        sqlite3_clear_bindings(s->st);
    s->busy = false;
    if (s->temporary)
        stmt_free(s);
}

/* The cached statement of q, with its arguments. */
static enum err
start(struct db_tx *tx, const struct sql *q, struct db_args args, sqlite3_destructor_type life,
      struct lite_stmt **out)
{
    struct lite_conn *c = tx->conn;
    struct lite_stmt *s = NULL;
    TRY(stmt_get(c, q->sqlite, &s));
    if (s->writes && !q->table)
        BUG("this statement writes and names no table: %s", q->sqlite);
    enum err e = bind_all(c, s, args, life);
    if (e != OK) {
        stmt_done(s);
        return e;
    }
    s->busy = true;
    c->uncounted = c->uncounted || (s->writes && !s->counts);
    *out = s;
    return OK;
}

enum err
lite_exec(struct db_tx *tx, const struct sql *q, struct db_args args, int64_t *changed)
{
    struct lite_conn *c = tx->conn;
    struct lite_stmt *s = NULL;
    TRY(start(tx, q, args, SQLITE_STATIC, &s));
    int rc;
    do {
        rc = sqlite3_step(s->st);
    } while (rc == SQLITE_ROW);
    enum err e = rc == SQLITE_DONE ? OK : lite_error(c, rc, q->sqlite);
    if (e == OK && s->writes)
        *changed = sqlite3_changes64(c->h);
    stmt_done(s);
    return e;
}

/* One statement, bound again and again. */
enum err
lite_exec_many(struct db_tx *tx, const struct sql *q, const struct db_val *v, size_t width,
               size_t n, int64_t *changed)
{
    struct lite_conn *c = tx->conn;
    struct lite_stmt *s = NULL;
    TRY(start(tx, q, (struct db_args){v, width}, SQLITE_STATIC, &s));
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        if (i > 0) {
            sqlite3_reset(s->st);
            e = bind_all(c, s, (struct db_args){v + i * width, width}, SQLITE_STATIC);
        }
        int rc = SQLITE_ROW;
        while (e == OK && rc == SQLITE_ROW)
            rc = sqlite3_step(s->st);
        if (e == OK && rc != SQLITE_DONE)
            e = lite_error(c, rc, q->sqlite);
        if (e == OK)
            *changed += sqlite3_changes64(c->h);
    }
    stmt_done(s);
    return e;
}

enum err
lite_query(struct db_rows *r, struct db_args args)
{
    struct lite_stmt *s = NULL;
    TRY(start(r->tx, r->q, args, SQLITE_TRANSIENT, &s));
    /* A writing statement takes effect with its first step, so it must not wait for db_next(). */
    if (s->writes) {
        int rc = sqlite3_step(s->st);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
            enum err e = lite_error(r->tx->conn, rc, r->q->sqlite);
            stmt_done(s);
            return e;
        }
        r->has_row = true;
        r->row = rc == SQLITE_ROW ? 0 : -2;
    }
    r->handle = s;
    return OK;
}

enum err
lite_next(struct db_rows *r)
{
    struct lite_stmt *s = r->handle;
    if (r->has_row) { /* stepped by lite_query() */
        r->has_row = false;
        return r->row == 0 ? OK : ERR_END;
    }
    int rc = sqlite3_step(s->st);
    if (rc == SQLITE_ROW)
        return OK;
    return rc == SQLITE_DONE ? ERR_END : lite_error(r->tx->conn, rc, r->q->sqlite);
}

int64_t
lite_end(struct db_rows *r)
{
    struct lite_stmt *s = r->handle;
    struct lite_conn *c = r->tx->conn;
    bool writes = s->writes;
    /* The reset ends a writing statement left early; only then is its count of changes known. */
    sqlite3_reset(s->st);
    int64_t changed = writes ? sqlite3_changes64(c->h) : 0;
    stmt_done(s);
    return changed;
}

struct db_val
lite_cell(const struct db_rows *r, int col)
{
    sqlite3_stmt *st = ((const struct lite_stmt *)r->handle)->st;
    if (col < 0 || col >= sqlite3_data_count(st))
        BUG("column %d does not exist in: %s", col, r->q->sqlite);
    switch (sqlite3_column_type(st, col)) {
    case SQLITE_INTEGER:
        return V_INT(sqlite3_column_int64(st, col));
    case SQLITE_FLOAT:
        return V_DOUBLE(sqlite3_column_double(st, col));
    case SQLITE_TEXT: {
        const void *p = sqlite3_column_text(st, col);
        return db_val_str(str_mem(p, (size_t)sqlite3_column_bytes(st, col)));
    }
    case SQLITE_BLOB: {
        /* SQLite gives NULL for a blob without bytes; to us that is empty, not absent. */
        const void *p = sqlite3_column_blob(st, col);
        return db_val_bytes(str_mem(p ? p : "", (size_t)sqlite3_column_bytes(st, col)));
    }
    default:
        return V_NULL;
    }
}

/* ---- texts without parameters ---- */

enum err
lite_run(struct lite_conn *c, const char *text)
{
    struct lite_stmt *s = NULL;
    TRY(stmt_get(c, text, &s));
    int rc = sqlite3_step(s->st);
    enum err e = rc == SQLITE_DONE || rc == SQLITE_ROW ? OK : lite_error(c, rc, text);
    stmt_done(s);
    return e;
}

enum err
lite_run_alone(struct lite_conn *c, const char *text)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c->h, text, -1, &st, NULL);
    bool busy = false;
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(st)) == SQLITE_ROW)
            busy = sqlite3_column_count(st) == 3 && sqlite3_column_int(st, 0) != 0;
    enum err e = rc == SQLITE_DONE ? OK : lite_error(c, rc, text);
    sqlite3_finalize(st);
    return e == OK && busy ? ERR_CONFLICT : e;
}

enum err
lite_script(struct db_tx *tx, const char *text)
{
    struct lite_conn *c = tx->conn;
    c->uncounted = true;
    int rc = sqlite3_exec(c->h, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OK : lite_error(c, rc, "script");
}

enum err
lite_sequence(struct db_tx *tx, int which, int64_t *out)
{
    static const char text[] = "INSERT INTO sequence (name, value) VALUES ($1, 1) "
                               "ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value";
    struct lite_conn *c = tx->conn;
    struct lite_stmt *s = NULL;
    TRY(stmt_get(c, text, &s));
    sqlite3_bind_text(s->st, 1, db_sequence_names[which], -1, SQLITE_STATIC);
    int rc = sqlite3_step(s->st);
    int64_t value = rc == SQLITE_ROW ? sqlite3_column_int64(s->st, 0) : 0;
    if (rc == SQLITE_ROW)
        rc = sqlite3_step(s->st);
    enum err e = rc == SQLITE_DONE ? OK : lite_error(c, rc, "sequence");
    stmt_done(s);
    if (e == OK)
        *out = value;
    return e;
}
