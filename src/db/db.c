/* The part of the store that is the same for both implementations: opening, argument checks, touch
 * notes, the commit check, nesting checks, typed access to cells, counters and the last error.
 * Connections, statements and commits are sqlite*.c and postgres*.c. */
#include "db/db_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>


static _Thread_local char last_error[DB_MESSAGE_MAX];
static _Thread_local uint64_t statements;

/* Transactions the thread is inside of: a body must not wait for another transaction of its store,
 * and never start anything durable while it holds a write. */
struct nesting {
    const struct db *db;
    bool write;
    struct nesting *outer;
};
static _Thread_local struct nesting *nesting;

const char *const db_sequence_names[SEQ_COUNT] = {
    [SEQ_USER] = "user",       [SEQ_CLIENT] = "client", [SEQ_ROLE] = "role",
    [SEQ_TIER] = "tier",       [SEQ_TAG] = "tag",       [SEQ_JOB] = "job",
    [SEQ_SEGMENT] = "segment", [SEQ_TENANT] = "tenant",
};

/* ---- opening ---- */

enum err
db_open(struct arena *a, const struct db_options *o, struct db **out, struct str *why)
{
    if (!str_eq(o->url, S("sqlite")) && !str_is_empty(o->url)) {
        if (str_has_prefix(o->url, S("postgres://")) || str_has_prefix(o->url, S("postgresql://")))
            return pg_open(a, o, out, why);
        *why = S("the database must be \"sqlite\" or a URL that starts with postgres://");
        return ERR_INVALID;
    }
    const char *dir = arena_cstr(a, o->dir);
    if (!o->read_only && mkdir(dir, 0700) != 0 && errno != EEXIST) {
        *why = arena_fmt(a, "the data folder %s can not be made: %s", dir, strerror(errno));
        return ERR_IO;
    }
    struct str path = arena_fmt(a, "%s/recount.db", dir);
    return lite_open(a, path, o->vfs, o->read_only, o->readers, out, why);
}

enum err
db_open_file(struct arena *a, struct str path, const char *vfs, bool read_only, int readers,
             struct db **out, struct str *why)
{
    return lite_open(a, path, vfs, read_only, readers, out, why);
}

void
db_close(struct db *db)
{
    if (db)
        db->ops->close(db);
}

enum db_kind
db_kind(const struct db *db)
{
    return db->kind;
}

/* ---- values ---- */

struct db_val
db_val_str(struct str s)
{
    return str_is_null(s) ? V_NULL : (struct db_val){.type = DB_TEXT, .s = s};
}

struct db_val
db_val_bytes(struct str s)
{
    return str_is_null(s) ? V_NULL : (struct db_val){.type = DB_BYTES, .s = s};
}

/* PostgreSQL can not hold U+0000 in text and SQLite would cut it, so both refuse it here. */
static enum err
args_check(struct db_args args)
{
    if (args.n > DB_MAX_ARGS)
        BUG("%zu arguments; a statement may have %d", args.n, DB_MAX_ARGS);
    for (size_t i = 0; i < args.n; i++) {
        const struct db_val *v = &args.v[i];
        if (v->type == DB_TEXT && v->s.n > 0 && memchr(v->s.p, 0, v->s.n)) {
            db_note("argument %zu holds U+0000", i + 1);
            return ERR_INVALID;
        }
    }
    return OK;
}

/* ---- running ---- */

static void
touch(struct db_tx *tx, const struct sql *q, int64_t rows)
{
    if (!q->table || rows <= 0)
        return;
    for (size_t i = 0; i < tx->n_touched; i++) {
        if (strcmp(tx->touched[i].table, q->table) == 0) {
            tx->touched[i].rows += rows;
            return;
        }
    }
    if (tx->n_touched == DB_MAX_TOUCHED)
        BUG("more than %d tables written in one transaction", DB_MAX_TOUCHED);
    tx->touched[tx->n_touched++] = (struct db_touch){.table = q->table, .rows = rows};
}

static enum err
before_statement(const struct db_tx *tx, const struct sql *q, struct db_args args)
{
    if (q->table && !tx->write)
        BUG("a statement that writes %s runs in a read transaction", q->table);
    statements++;
    return args_check(args);
}

enum err
db_exec(struct db_tx *tx, const struct sql *q, struct db_args args, int64_t *changed)
{
    TRY(before_statement(tx, q, args));
    int64_t rows = 0;
    TRY(tx->db->ops->exec(tx, q, args, &rows));
    touch(tx, q, rows);
    if (changed)
        *changed = rows;
    return OK;
}

struct db_many {
    struct db_tx *tx;
    const struct sql *q;
    size_t width, n;
    int64_t changed;
    struct db_val *v; /* DB_MANY lists of width */
};

struct db_many *
db_many_begin(struct db_tx *tx, const struct sql *q, size_t n_args)
{
    if (!q->table)
        BUG("many runs of a statement that writes no table");
    struct db_many *m = arena_new(tx->arena, struct db_many);
    *m = (struct db_many){.tx = tx, .q = q, .width = n_args};
    m->v = arena_array(tx->arena, struct db_val, DB_MANY * n_args);
    return m;
}

static enum err
many_send(struct db_many *m)
{
    int64_t rows = 0;
    if (m->n == 0)
        return OK;
    TRY(m->tx->db->ops->exec_many(m->tx, m->q, m->v, m->width, m->n, &rows));
    touch(m->tx, m->q, rows);
    m->changed += rows;
    m->n = 0;
    return OK;
}

enum err
db_many_add(struct db_many *m, struct db_args args)
{
    if (args.n != m->width)
        BUG("%zu arguments where %zu were announced", args.n, m->width);
    TRY(before_statement(m->tx, m->q, args));
    if (m->n == DB_MANY)
        TRY(many_send(m));
    memcpy(m->v + m->n++ * m->width, args.v, args.n * sizeof(*args.v));
    return OK;
}

enum err
db_many_end(struct db_many *m, int64_t *changed)
{
    TRY(many_send(m));
    if (changed)
        *changed = m->changed;
    return OK;
}

enum err
db_query(struct db_tx *tx, const struct sql *q, struct db_args args, struct db_rows **out)
{
    TRY(before_statement(tx, q, args));
    struct db_rows *r = arena_new(tx->arena, struct db_rows);
    r->tx = tx;
    r->q = q;
    r->row = -1;
    TRY(tx->db->ops->query(r, args));
    r->is_open = true;
    r->next_open = tx->open;
    tx->open = r;
    *out = r;
    return OK;
}

enum err
db_next(struct db_rows *r)
{
    if (!r->is_open)
        return ERR_END;
    enum err e = r->tx->db->ops->next(r);
    if (e != OK)
        db_rows_end(r);
    return e;
}

/* Closing twice is harmless: the struct lives as long as the transaction's arena. */
void
db_rows_end(struct db_rows *r)
{
    if (!r || !r->is_open)
        return;
    r->is_open = false;
    for (struct db_rows **p = &r->tx->open; *p; p = &(*p)->next_open) {
        if (*p == r) {
            *p = r->next_open;
            break;
        }
    }
    touch(r->tx, r->q, r->tx->db->ops->end(r));
}

static struct db_val
cell(const struct db_rows *r, int col)
{
    if (!r->is_open)
        BUG("a column of a closed result set is read");
    return r->tx->db->ops->cell(r, col);
}

bool
db_is_null(const struct db_rows *r, int col)
{
    return cell(r, col).type == DB_NULL;
}

int64_t
db_int(const struct db_rows *r, int col)
{
    struct db_val v = cell(r, col);
    int64_t i = 0;
    switch (v.type) {
    case DB_INT:
        return v.i;
    case DB_DOUBLE:
        return (int64_t)v.d;
    case DB_TEXT:
        return str_int64(v.s, &i) == OK ? i : 0;
    case DB_NULL:
    case DB_BYTES:
        break;
    }
    return 0;
}

double
db_double(const struct db_rows *r, int col)
{
    struct db_val v = cell(r, col);
    return v.type == DB_DOUBLE ? v.d : v.type == DB_INT ? (double)v.i : 0;
}

struct str
db_text(const struct db_rows *r, int col)
{
    struct db_val v = cell(r, col);
    switch (v.type) {
    case DB_TEXT:
    case DB_BYTES:
        return v.s;
    case DB_INT:
        return arena_fmt(r->tx->arena, "%lld", (long long)v.i);
    case DB_DOUBLE:
        return arena_fmt(r->tx->arena, "%.17g", v.d);
    case DB_NULL:
        break;
    }
    return STR_NULL;
}

struct str
db_bytes(const struct db_rows *r, int col)
{
    return db_text(r, col);
}

struct str
db_text_keep(const struct db_rows *r, int col)
{
    struct str s = db_text(r, col);
    return str_is_null(s) ? s : arena_str(r->tx->arena, s);
}

struct str
db_bytes_keep(const struct db_rows *r, int col)
{
    return db_text_keep(r, col);
}

enum err
db_query_one(struct db_tx *tx, const struct sql *q, struct db_args args, struct db_rows **out)
{
    struct db_rows *r = NULL;
    TRY(db_query(tx, q, args, &r));
    enum err e = db_next(r);
    if (e != OK)
        return e == ERR_END ? ERR_NOT_FOUND : e;
    *out = r;
    return OK;
}

enum err
db_query_int(struct db_tx *tx, const struct sql *q, struct db_args args, int64_t *out)
{
    struct db_rows *r = NULL;
    TRY(db_query_one(tx, q, args, &r));
    *out = db_int(r, 0);
    db_rows_end(r);
    return OK;
}

enum err
db_sequence(struct db_tx *tx, const char *name, int64_t *out)
{
    if (!tx->write)
        BUG("the sequence %s is used in a read transaction", name);
    for (int i = 0; i < SEQ_COUNT; i++) {
        if (strcmp(db_sequence_names[i], name) == 0) {
            statements++;
            return tx->db->ops->sequence(tx, i, out);
        }
    }
    BUG("no sequence is named %s", name);
}

enum err
db_script(struct db_tx *tx, const char *text)
{
    statements++;
    return tx->db->ops->script(tx, text);
}

/* ---- transactions ---- */

static enum err
nested(struct db *db, struct arena *a, db_body body, void *arg,
       enum err (*run)(struct db *db, struct arena *a, db_body body, void *arg))
{
    bool write = run == db->ops->write;
    for (const struct nesting *n = nesting; n; n = n->outer) {
        if (n->write)
            BUG("a transaction is begun inside a write transaction");
        if (n->db == db)
            BUG("a transaction is begun inside another one of the same store");
    }
    struct nesting here = {.db = db, .write = write, .outer = nesting};
    nesting = &here;
    enum err e = run(db, a, body, arg);
    nesting = here.outer;
    return e;
}

enum err
db_write(struct db *db, struct arena *a, db_body body, void *arg)
{
    if (db->read_only) {
        db_note("the store was opened for reading only");
        return ERR_UNAVAILABLE;
    }
    return nested(db, a, body, arg, db->ops->write);
}

enum err
db_read(struct db *db, struct arena *a, db_body body, void *arg)
{
    return nested(db, a, body, arg, db->ops->read);
}

enum err
db_snapshot(struct db *db, struct arena *a, db_body body, void *arg)
{
    return nested(db, a, body, arg, db->ops->snapshot);
}

void
db_tx_start(struct db_tx *tx, int attempt)
{
    tx->attempt = attempt;
    tx->retry = false;
    tx->user = NULL;
    tx->open = NULL;
    tx->n_touched = 0;
}

enum err
db_tx_run(struct db_tx *tx, db_body body, void *arg)
{
    enum err e = body(tx, arg);
    while (tx->open)
        db_rows_end(tx->open);
    if (e == OK && tx->write && tx->db->check)
        e = tx->db->check(tx);
    while (tx->open)
        db_rows_end(tx->open);
    return e;
}

void
db_committed(struct db *db)
{
    if (db->hook)
        db->hook(db->hook_arg);
}

struct arena *
db_tx_arena(struct db_tx *tx)
{
    return tx->arena;
}

enum db_kind
db_tx_kind(const struct db_tx *tx)
{
    return tx->db->kind;
}

bool
db_tx_is_write(const struct db_tx *tx)
{
    return tx->write;
}

int
db_tx_attempt(const struct db_tx *tx)
{
    return tx->attempt;
}

void *
db_tx_user(const struct db_tx *tx)
{
    return tx->user;
}

void
db_tx_set_user(struct db_tx *tx, void *user)
{
    tx->user = user;
}

size_t
db_tx_touched(const struct db_tx *tx, const struct db_touch **out)
{
    *out = tx->touched;
    return tx->n_touched;
}

void
db_set_commit_check(struct db *db, enum err (*check)(struct db_tx *tx))
{
    db->check = check;
}

void
db_set_commit_hook(struct db *db, void (*hook)(void *arg), void *arg)
{
    db->hook = hook;
    db->hook_arg = arg;
}

/* ---- locks, notices, files ---- */

enum err
db_try_lock(struct db_tx *tx, int64_t lock)
{
    if (!tx->write)
        BUG("a lock is taken in a read transaction");
    return tx->db->ops->try_lock(tx, lock);
}

enum err
db_notify(struct db_tx *tx, struct str channel, struct str payload)
{
    return tx->db->ops->notify(tx, channel, payload);
}

enum err
db_wait_notice(struct db *db, int timeout_ms, struct arena *a, struct str *channel,
               struct str *payload)
{
    return db->ops->wait_notice(db, timeout_ms, a, channel, payload);
}

enum err
db_utility(struct db *db, const char *text)
{
    for (const struct nesting *n = nesting; n; n = n->outer)
        if (n->write || n->db == db)
            BUG("a utility statement inside a transaction");
    if (db->read_only)
        return ERR_UNAVAILABLE;
    statements++;
    return db->ops->utility(db, text);
}

enum err
db_copy_to(struct db *db, struct arena *a, struct str path)
{
    return db->ops->copy_to(db, a, path);
}

void
db_space(struct db *db, int64_t *used, int64_t *free_bytes, int64_t *total)
{
    *used = *free_bytes = *total = 0;
    db->ops->space(db, used, free_bytes, total);
}

/* ---- helpers ---- */

void *
db_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        BUG("out of memory");
    return p;
}

char *
db_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(db_alloc(1, n), s, n);
}

void
db_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(last_error, sizeof(last_error), fmt, ap);
    va_end(ap);
    if (n < 0)
        last_error[0] = 0;
}

struct str
db_last_error(void)
{
    return str_of(last_error);
}

void
db_note_keep(char *out)
{
    memcpy(out, last_error, sizeof(last_error));
}

uint64_t
db_statement_count(void)
{
    return statements;
}

uint64_t
db_statements_take(uint64_t before)
{
    uint64_t n = statements - before;
    statements = before;
    return n;
}

void
db_statements_add(uint64_t n)
{
    statements += n;
}

/* Eight bytes a step: the texts are hashed on every call, so FNV's byte a step would show. */
uint64_t
db_text_hash(const char *text, size_t n)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ n;
    while (n > 0) {
        uint64_t w = 0;
        size_t k = n < sizeof(w) ? n : sizeof(w);
        memcpy(&w, text, k);
        h = (h ^ w) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
        text += k;
        n -= k;
    }
    return h;
}
