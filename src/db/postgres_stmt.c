/* Statements on one PostgreSQL connection: prepared once per text and argument types, arguments as
 * text (bytes as binary), results whole and binary. Knows nothing about transactions.
 *
 * Argument types are stated, so that "$1 IS NULL" and the like need no cast; a NULL fits every
 * statement prepared before, because the server was told the type by an earlier value. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "db/postgres_priv.h"

/* Object ids of built-in types (pg_type.dat); they never change. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700,
    OID_VOID = 2278,
};

#define NUMBER_TEXT_MAX 32 /* "%.17g" and "%lld" stay below */
#define NAME_MAX_BYTES  16 /* of a prepared statement */

/* ---- failures ---- */

/* The message of a class 22 failure (bad data) quotes the value, so it is left out. */
enum err
pg_error(struct pg_conn *c, struct db_tx *tx, const PGresult *res, const char *what)
{
    const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    const char *text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (!state || PQstatus(c->c) == CONNECTION_BAD) {
        c->stale = true;
        db_note("postgres: connection lost: %s", what);
        log_error("db.failed", LOG_STR("message", db_last_error()));
        return ERR_UNAVAILABLE;
    }
    bool quotes = strncmp(state, "22", 2) == 0;
    db_note("postgres: %s: %s (%s)", what, quotes || !text ? "bad value" : text, state);
    if (strcmp(state, "23505") == 0 ||
        strcmp(state, "55P03") == 0) /* unique_violation, lock_not_available */
        return ERR_CONFLICT;
    bool replan = strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0;
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0 || replan) {
        c->stale = c->stale || replan; /* plans of before a migration: a new connection has none */
        if (!tx || !tx->write)
            return ERR_UNAVAILABLE;
        tx->retry = true;
        return ERR_RETRY;
    }
    log_error("db.failed", LOG_STR("message", db_last_error()));
    if (strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0 ||
        strncmp(state, "53", 2) == 0 || strcmp(state, "25006") == 0) {
        c->stale = true; /* 25006: the server became a standby */
        return ERR_UNAVAILABLE;
    }
    return ERR_DB;
}

static enum err
result_check(struct pg_conn *c, struct db_tx *tx, PGresult *res, const char *what)
{
    ExecStatusType s = PQresultStatus(res);
    if (s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK)
        return OK;
    enum err e = pg_error(c, tx, res, what);
    PQclear(res);
    return e;
}

static enum err
run_text(struct pg_conn *c, struct db_tx *tx, const char *text)
{
    PGresult *res = PQexec(c->c, text);
    TRY(result_check(c, tx, res, text));
    PQclear(res);
    return OK;
}

/* By itself, where what follows is no single statement. */
static enum err
begin(struct pg_conn *c, struct db_tx *tx)
{
    const char *text = c->begin;
    c->begin = NULL;
    return text != NULL ? run_text(c, tx, text) : OK;
}

enum err
pg_run(struct pg_conn *c, struct db_tx *tx, const char *text)
{
    TRY(begin(c, tx));
    return run_text(c, tx, text);
}

/* ---- the cache ---- */

void
pg_cache_forget(struct pg_conn *c)
{
    for (size_t i = 0; i < DB_CACHE_BUCKETS; i++) {
        for (struct pg_stmt *s = c->buckets[i]; s;) {
            struct pg_stmt *next = s->next;
            free(s->text);
            free(s->types);
            free(s);
            s = next;
        }
        c->buckets[i] = NULL;
    }
    c->n = 0;
}

static bool
stmt_fits(const struct pg_stmt *s, const char *text, struct db_args args)
{
    if (s->n != args.n || strcmp(s->text, text) != 0)
        return false;
    for (size_t i = 0; i < args.n; i++) {
        if (args.v[i].type != DB_NULL && args.v[i].type != s->types[i])
            return false;
    }
    return true;
}

static Oid
type_oid(enum db_type t)
{
    static const Oid oids[] = {
        [DB_NULL] = 0,          [DB_INT] = OID_INT8,      [DB_TEXT] = OID_TEXT,
        [DB_BYTES] = OID_BYTEA, [DB_DOUBLE] = OID_FLOAT8,
    };
    return oids[t];
}

static void
stmt_name(char name[NAME_MAX_BYTES], unsigned id)
{
    snprintf(name, NAME_MAX_BYTES, "s%u", id);
}

/* Forgets all statements when not so many more would fit. */
static enum err
cache_room(struct db_tx *tx, size_t more)
{
    struct pg_conn *c = tx->conn;
    if (c->n + more <= DB_CACHE_MAX)
        return OK;
    TRY(run_text(c, tx, "DEALLOCATE ALL"));
    pg_cache_forget(c);
    return OK;
}

static enum err
stmt_prepare(struct db_tx *tx, const char *text, struct db_args args, uint64_t hash,
             struct pg_stmt **out)
{
    struct pg_conn *c = tx->conn;
    char name[NAME_MAX_BYTES];
    Oid oids[DB_MAX_ARGS];
    for (size_t i = 0; i < args.n; i++)
        oids[i] = type_oid(args.v[i].type);
    TRY(cache_room(tx, 1));
    stmt_name(name, ++c->last_id);
    PGresult *res = PQprepare(c->c, name, text, (int)args.n, oids);
    TRY(result_check(c, tx, res, text));
    PQclear(res);
    struct pg_stmt *s = db_alloc(1, sizeof(*s));
    s->hash = hash;
    s->text = db_strdup(text);
    s->id = c->last_id;
    s->n = args.n;
    s->types = db_alloc(args.n, 1);
    for (size_t i = 0; i < args.n; i++)
        s->types[i] = (uint8_t)args.v[i].type;
    struct pg_stmt **bucket = &c->buckets[hash % DB_CACHE_BUCKETS];
    s->next = *bucket;
    *bucket = s;
    c->n++;
    *out = s;
    return OK;
}

static enum err
stmt_get(struct db_tx *tx, const char *text, struct db_args args, struct pg_stmt **out)
{
    struct pg_conn *c = tx->conn;
    uint64_t hash = db_text_hash(text, strlen(text));
    for (struct pg_stmt *s = c->buckets[hash % DB_CACHE_BUCKETS]; s; s = s->next) {
        if (s->hash == hash && stmt_fits(s, text, args)) {
            *out = s;
            return OK;
        }
    }
    return stmt_prepare(tx, text, args, hash, out);
}

/* ---- running ---- */

struct params {
    const char *value[DB_MAX_ARGS];
    int length[DB_MAX_ARGS];
    int format[DB_MAX_ARGS];
    char number[DB_MAX_ARGS][NUMBER_TEXT_MAX];
};

static void
params_fill(struct params *p, struct db_args args, struct arena *a)
{
    for (size_t i = 0; i < args.n; i++) {
        const struct db_val *v = &args.v[i];
        p->format[i] = 0;
        p->length[i] = 0;
        p->value[i] = p->number[i];
        switch (v->type) {
        case DB_INT:
            snprintf(p->number[i], NUMBER_TEXT_MAX, "%lld", (long long)v->i);
            break;
        case DB_DOUBLE:
            snprintf(p->number[i], NUMBER_TEXT_MAX, "%.17g", v->d);
            break;
        case DB_TEXT: /* a view need not end in NUL, which the text format wants */
            p->value[i] = arena_cstr(a, v->s);
            break;
        case DB_BYTES:
            p->value[i] = v->s.p;
            p->length[i] = (int)v->s.n;
            p->format[i] = 1;
            break;
        case DB_NULL:
            p->value[i] = NULL;
            break;
        }
    }
}

static int64_t
rows_changed(PGresult *res)
{
    int64_t n = 0;
    return str_int64(str_of(PQcmdTuples(res)), &n) == OK ? n : 0;
}

/* Reads up to and with the answer to the sync: *changed by all, the result of the last one. What follows a
 * failed statement is not run by the server. */
static enum err
pipeline_read(struct db_tx *tx, const char *text, int64_t *changed, PGresult **last)
{
    struct pg_conn *c = tx->conn;
    enum err e = OK;
    *last = NULL;
    for (int nothing = 0;
         nothing < 2;) { /* NULL ends one statement's results; twice: there is no more */
        PGresult *res = PQgetResult(c->c);
        if (res == NULL) {
            nothing++;
            continue;
        }
        nothing = 0;
        ExecStatusType s = PQresultStatus(res);
        if (s == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            return e;
        }
        if (s == PGRES_COMMAND_OK)
            *changed += rows_changed(res);
        else if (s != PGRES_TUPLES_OK && e == OK && s != PGRES_PIPELINE_ABORTED)
            e = pg_error(c, tx, res, text);
        PQclear(*last);
        *last = res;
    }
    return e != OK ? e : pg_error(c, tx, NULL, "the answers of a pipeline ended early");
}

/* The first statement of a transaction and what begins it, in one round trip. */
static enum err
run_first(struct db_tx *tx, const char *text, const char *name, int n, const struct params *p,
          PGresult **out)
{
    struct pg_conn *c = tx->conn;
    struct pg_stmt *before = NULL;
    int64_t changed = 0;
    char name_before[NAME_MAX_BYTES];
    enum err e = OK;
    TRY(stmt_get(tx, c->begin, NO_ARGS, &before));
    stmt_name(name_before, before->id);
    c->begin = NULL;
    *out = NULL;
    if (PQenterPipelineMode(c->c) != 1)
        return pg_error(c, tx, NULL, PQerrorMessage(c->c));
    if (!PQsendQueryPrepared(c->c, name_before, 0, NULL, NULL, NULL, 1) ||
        !PQsendQueryPrepared(c->c, name, n, p->value, p->length, p->format, 1) ||
        PQpipelineSync(c->c) != 1)
        e = pg_error(c, tx, NULL, PQerrorMessage(c->c));
    if (e == OK)
        e = pipeline_read(tx, text, &changed, out);
    if (PQexitPipelineMode(c->c) != 1)
        c->stale = true; /* something is unread: opened anew before its next use */
    if (e == OK)
        return OK;
    PQclear(*out);
    *out = NULL;
    return e;
}

static enum err
run(struct db_tx *tx, const char *text, struct db_args args, PGresult **out)
{
    struct pg_conn *c = tx->conn;
    struct pg_stmt *s = NULL;
    struct params p;
    char name[NAME_MAX_BYTES];
    TRY(cache_room(tx, 2)); /* none of the two is forgotten for the other */
    TRY(stmt_get(tx, text, args, &s));
    params_fill(&p, args, tx->arena);
    stmt_name(name, s->id);
    if (c->begin != NULL)
        return run_first(tx, text, name, (int)args.n, &p, out);
    PGresult *res = PQexecPrepared(c->c, name, (int)args.n, p.value, p.length, p.format, 1);
    TRY(result_check(c, tx, res, text));
    *out = res;
    return OK;
}

static const char *
text_of(const struct sql *q)
{
    return q->postgres ? q->postgres : q->sqlite;
}

enum err
pg_exec(struct db_tx *tx, const struct sql *q, struct db_args args, int64_t *changed)
{
    PGresult *res = NULL;
    TRY(run(tx, text_of(q), args, &res));
    *changed = q->table ? rows_changed(res) : 0;
    PQclear(res);
    return OK;
}

/* ---- many in one go: a pipeline of libpq, of inserts of many rows each ---- */

/* Starting and ending a statement costs the server several times what one row does. */
#define GROUP_ROWS 16

/* Rows that one statement of the pipeline takes. */
struct many_part {
    size_t first, rows;
    unsigned id; /* of the prepared statement */
};

/* The statement for several rows: "INSERT … VALUES (…)" with its list again and again, parameters numbered
 * on. NULL: it is not of that form. */
static const char *
group_text(struct arena *a, const char *text, size_t width, size_t rows)
{
    const char *list = strstr(text, "VALUES (");
    if (strncmp(text, "INSERT INTO ", 12) != 0 || list == NULL)
        return NULL;
    list += strlen("VALUES ");
    if (strchr(list, ')') != text + strlen(text) - 1)
        return NULL;
    struct buf *b = buf_in(a, rows * (strlen(list) + width * 4) + strlen(text));
    buf_str(b, str_mem(text, (size_t)(list - text)));
    for (size_t r = 0; r < rows; r++) {
        buf_str(b, r > 0 ? S(", ") : S(""));
        for (const char *p = list; *p != '\0';) {
            if (*p != '$') {
                buf_str(b, str_mem(p++, 1));
                continue;
            }
            char *end = NULL;
            buf_fmt(b, "$%zu", (size_t)strtoul(p + 1, &end, 10) + r * width);
            p = end;
        }
    }
    return buf_failed(b) ? NULL : arena_cstr(a, buf_view(b));
}

/* One type a column, whatever is NULL where: else there would be a statement for each pattern of NULLs.
 * false: a column holds several. */
static bool
group_shape(const struct db_val *v, size_t width, size_t n, size_t rows, struct db_val *shape)
{
    for (size_t col = 0; col < width; col++) {
        enum db_type t = DB_NULL;
        for (size_t i = 0; i < n; i++) {
            enum db_type own = v[i * width + col].type;
            if (t != DB_NULL && own != DB_NULL && own != t)
                return false;
            t = own != DB_NULL ? own : t;
        }
        for (size_t i = 0; i < rows; i++)
            shape[i * width + col] = (struct db_val){.type = t};
    }
    return true;
}

/* Every statement is prepared before the pipeline is entered, where nothing may wait for an answer. Emptying
 * the cache meanwhile would take names away that were looked up already, hence the room. */
static enum err
many_prepare(struct db_tx *tx, const char *text, const struct db_val *v, size_t width, size_t n,
             struct many_part *parts, size_t *n_parts)
{
    struct pg_stmt *s = NULL;
    struct db_val shape[DB_MAX_ARGS];
    size_t rows = width > 0 && width * GROUP_ROWS <= DB_MAX_ARGS ? GROUP_ROWS : 0, at = 0, k = 0;
    const char *group = NULL;
    TRY(cache_room(tx, n + 2));
    if (rows > 0 && n >= rows && group_shape(v, width, n, rows, shape))
        group = group_text(tx->arena, text, width, rows);
    if (group != NULL)
        TRY(stmt_get(tx, group, (struct db_args){shape, rows * width}, &s));
    for (; group != NULL && n - at >= rows; at += rows)
        parts[k++] = (struct many_part){at, rows, s->id};
    for (s = NULL; at < n; at++) {
        struct db_args args = {v + at * width, width};
        if (s == NULL || !stmt_fits(s, text, args))
            TRY(stmt_get(tx, text, args, &s));
        parts[k++] = (struct many_part){at, 1, s->id};
    }
    *n_parts = k;
    return OK;
}

/* The answers to DB_MANY statements without rows fit the buffers between us and the server, so that neither
 * waits for the other while both send. */
static bool
many_send(struct db_tx *tx, const struct db_val *v, size_t width, const struct many_part *parts,
          size_t n_parts)
{
    struct pg_conn *c = tx->conn;
    struct params p;
    char name[NAME_MAX_BYTES];
    for (size_t i = 0; i < n_parts; i++) {
        size_t n = parts[i].rows * width;
        params_fill(&p, (struct db_args){v + parts[i].first * width, n}, tx->arena);
        stmt_name(name, parts[i].id);
        if (!PQsendQueryPrepared(c->c, name, (int)n, p.value, p.length, p.format, 1))
            return false;
    }
    return PQpipelineSync(c->c) == 1;
}

enum err
pg_exec_many(struct db_tx *tx, const struct sql *q, const struct db_val *v, size_t width, size_t n,
             int64_t *changed)
{
    struct pg_conn *c = tx->conn;
    struct many_part parts[DB_MANY];
    PGresult *last = NULL;
    size_t n_parts = 0;
    TRY(begin(c, tx));
    TRY(many_prepare(tx, text_of(q), v, width, n, parts, &n_parts));
    if (PQenterPipelineMode(c->c) != 1)
        return pg_error(c, tx, NULL, PQerrorMessage(c->c));
    enum err e =
        many_send(tx, v, width, parts, n_parts) ? OK : pg_error(c, tx, NULL, PQerrorMessage(c->c));
    if (e == OK)
        e = pipeline_read(tx, text_of(q), changed, &last);
    PQclear(last);
    if (PQexitPipelineMode(c->c) != 1)
        c->stale = true; /* something is unread: opened anew before its next use */
    return e;
}

enum err
pg_query(struct db_rows *r, struct db_args args)
{
    PGresult *res = NULL;
    TRY(run(r->tx, text_of(r->q), args, &res));
    r->handle = res;
    return OK;
}

enum err
pg_next(struct db_rows *r)
{
    r->row++;
    return r->row < PQntuples(r->handle) ? OK : ERR_END;
}

int64_t
pg_end(struct db_rows *r)
{
    int64_t changed = r->q->table ? rows_changed(r->handle) : 0;
    PQclear(r->handle);
    r->handle = NULL;
    return changed;
}

/* ---- cells ---- */

static uint64_t
get_be(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

/* numeric on the wire: four 16-bit fields (digits, weight, sign, scale), then digits to base 10000.
 * Sums of bigint are whole and become integers; averages become doubles. */
static struct db_val
get_numeric(const char *p)
{
    int digits = (int)get_be(p, 2);
    int weight = (int16_t)get_be(p + 2, 2);
    bool negative = get_be(p + 4, 2) == 0x4000;
    bool whole = digits <= weight + 1;
    double d = 0;
    uint64_t v = 0;
    for (int i = 0; i < digits || i <= weight; i++) {
        uint64_t digit = i < digits ? get_be(p + 8 + 2 * (size_t)i, 2) : 0;
        double scale = 1;
        for (int k = weight - i; k != 0; k += k > 0 ? -1 : 1)
            scale = k > 0 ? scale * 10000 : scale / 10000;
        d += (double)digit * scale;
        if (whole && (__builtin_mul_overflow(v, UINT64_C(10000), &v) ||
                      __builtin_add_overflow(v, digit, &v) || v > INT64_MAX))
            whole = false;
    }
    if (whole)
        return V_INT(negative ? -(int64_t)v : (int64_t)v);
    return V_DOUBLE(negative ? -d : d);
}

static struct db_val
get_float(const char *p, size_t n)
{
    if (n == sizeof(float)) {
        uint32_t bits = (uint32_t)get_be(p, n);
        float f;
        memcpy(&f, &bits, sizeof(f));
        return V_DOUBLE((double)f);
    }
    uint64_t bits = get_be(p, n);
    double d;
    memcpy(&d, &bits, sizeof(d));
    return V_DOUBLE(d);
}

struct db_val
pg_cell(const struct db_rows *r, int col)
{
    const PGresult *res = r->handle;
    if (col < 0 || col >= PQnfields(res) || r->row < 0 || r->row >= PQntuples(res))
        BUG("row %lld, column %d does not exist in: %s", (long long)r->row, col, text_of(r->q));
    int row = (int)r->row;
    if (PQgetisnull(res, row, col))
        return V_NULL;
    const char *p = PQgetvalue(res, row, col);
    size_t n = (size_t)PQgetlength(res, row, col);
    switch (PQftype(res, col)) {
    case OID_BOOL:
    case OID_OID:
        return V_INT(get_be(p, n));
    case OID_INT2:
        return V_INT((int16_t)get_be(p, n));
    case OID_INT4:
        return V_INT((int32_t)get_be(p, n));
    case OID_INT8:
        return V_INT(get_be(p, n));
    case OID_FLOAT4:
    case OID_FLOAT8:
        return get_float(p, n);
    case OID_NUMERIC:
        return get_numeric(p);
    case OID_BYTEA:
        return db_val_bytes(str_mem(p, n));
    case OID_VOID:
        return V_NULL;
    default:
        return db_val_str(str_mem(p, n));
    }
}

/* ---- texts without parameters, sequences ---- */

enum err
pg_script(struct db_tx *tx, const char *text)
{
    struct pg_conn *c = tx->conn;
    TRY(begin(c, tx));
    PGresult *res = PQexec(c->c, text);
    TRY(result_check(c, tx, res, "script"));
    PQclear(res);
    return OK;
}

enum err
pg_sequence(struct db_tx *tx, int which, int64_t *out)
{
    static const char *const texts[SEQ_COUNT] = {
        [SEQ_USER] = "SELECT nextval('seq_user')",
        [SEQ_CLIENT] = "SELECT nextval('seq_client')",
        [SEQ_ROLE] = "SELECT nextval('seq_role')",
        [SEQ_TIER] = "SELECT nextval('seq_tier')",
        [SEQ_TAG] = "SELECT nextval('seq_tag')",
        [SEQ_JOB] = "SELECT nextval('seq_job')",
        [SEQ_SEGMENT] = "SELECT nextval('seq_segment')",
        [SEQ_TENANT] = "SELECT nextval('seq_tenant')",
    };
    PGresult *res = NULL;
    TRY(run(tx, texts[which], NO_ARGS, &res));
    *out = (int64_t)get_be(PQgetvalue(res, 0, 0), sizeof(int64_t));
    PQclear(res);
    return OK;
}
