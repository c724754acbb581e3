/* The verifier and the main store: which logs there are and how large they say they are; the tail;
 * the structure of SQLite's files. */
#include "audit/verify_priv.h"

#include "base/text.h"

#define LOOK_ARENA ((size_t)256 << 20)

/* ---- logs, tenants, drops ---- */

static const struct sql get_tenants = SQL_READ("SELECT tenant_id, cuid FROM tenant");
static const struct sql get_logs = SQL_READ(
    "SELECT tenant_id, epoch, size, last_logged, edge FROM audit_log ORDER BY tenant_id, epoch");
static const struct sql get_began =
    SQL_READ("SELECT x.tenant_id, x.epoch, " AUDIT_BEGAN " FROM audit_epoch x");
static const struct sql get_drops = SQL_READ("SELECT month FROM audit_drop ORDER BY month");

static enum err
read_tenants(struct verify *v, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    size_t cap = 0;
    TRY(db_query(tx, &get_tenants, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(v->a, v->tenants, v->n_tenants, &cap, 64);
        v->tenants[v->n_tenants++] = (struct vtenant){db_int(q, 0), arena_str(v->a, db_text(q, 1))};
    }
    return e == ERR_END ? OK : e;
}

/* Before any log is named. */
static enum err
read_began(struct verify *v, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    size_t cap = 0;
    TRY(db_query(tx, &get_began, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(v->a, v->began, v->n_began, &cap, 64);
        v->began[v->n_began++] = (struct vbegan){{db_int(q, 0), db_int(q, 1)}, db_int(q, 2)};
    }
    return e == ERR_END ? OK : e;
}

static enum err
read_logs(struct verify *v, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_logs, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        struct vlog *l = verify_log(v, (struct log_id){db_int(q, 0), db_int(q, 1)}, true);
        struct tree_edge edge;
        l->noted = true;
        l->size = db_int(q, 2);
        l->last_logged = db_int(q, 3);
        if (l->size < 0 || tree_edge_read(db_bytes(q, 4), l->size, &edge) != OK)
            verify_tell(v, l, -1, STR_NULL, verify_int(v, l->size),
                        "the log's size and the hashes beside it do not fit");
        else if (l->size > 0)
            verify_mark(v, l,
                        (struct vmark){.size = l->size,
                                       .edge = arena_str(v->a, db_bytes(q, 4)),
                                       .what = S("the log's own note of its tree"),
                                       .head = -1});
    }
    return e == ERR_END ? OK : e;
}

static enum err
read_drops(struct verify *v, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    size_t cap = 0;
    TRY(db_query(tx, &get_drops, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(v->a, v->drops, v->n_drops, &cap, 64);
        v->drops[v->n_drops++] = db_int(q, 0);
    }
    return e == ERR_END ? OK : e;
}

static enum err
look(struct db_tx *tx, void *arg)
{
    struct verify *v = arg;
    TRY(read_tenants(v, tx));
    TRY(read_began(v, tx));
    TRY(read_logs(v, tx));
    return read_drops(v, tx);
}

enum err
verify_look(struct verify *v)
{
    struct arena *a = arena_create("audit.verify.look", LOOK_ARENA);
    enum err e = db_snapshot(v->au->app->db, a, look, v);
    if (e != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(),
                    "the log's tables in the main store can not be read");
    arena_free(a);
    return OK;
}

/* ---- the tail ---- */

struct tail {
    struct verify *v;
    int64_t mark, rows, first, last, given, bad;
    bool deep;
};

static const struct sql tail_state = SQL_READ2(
    "SELECT (SELECT moved_to FROM audit_mark WHERE id = 1), count(*), coalesce(min(seq), 0),"
    " coalesce(max(seq), 0),"
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit_tail'), 0) FROM audit_tail",
    "SELECT (SELECT moved_to FROM audit_mark WHERE id = 1), count(*), coalesce(min(seq), 0),"
    " coalesce(max(seq), 0), 0 FROM audit_tail");
static const struct sql tail_rows =
    SQL_READ("SELECT seq, public, personal, salt FROM audit_tail ORDER BY seq");

static enum err
decode_tail(struct tail *t, struct db_tx *tx)
{
    struct arena *scratch = arena_create("audit.verify.tail", LOOK_ARENA);
    struct db_rows *q = NULL;
    enum err e = db_query(tx, &tail_rows, NO_ARGS, &q);
    while (e == OK && (e = db_next(q)) == OK) {
        struct record r = {0};
        arena_reset(scratch);
        if (record_get_public(db_bytes(q, 1), &r) != OK || r.placed ||
            record_get_personal(scratch, db_bytes(q, 2), &r) != OK ||
            db_bytes(q, 3).n != RECORD_SALT_LEN)
            verify_tell(t->v, NULL, -1, STR_NULL, STR_NULL,
                        "event %lld of the tail can not be decoded", (long long)db_int(q, 0));
    }
    arena_free(scratch);
    return e == ERR_END ? OK : e;
}

static enum err
read_tail(struct db_tx *tx, void *arg)
{
    struct tail *t = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &tail_state, NO_ARGS, &q));
    t->mark = db_int(q, 0);
    t->rows = db_int(q, 1);
    t->first = db_int(q, 2);
    t->last = db_int(q, 3);
    t->given = db_int(q, 4);
    db_rows_end(q);
    return t->deep ? decode_tail(t, tx) : OK;
}

/* SQLite gives the numbers of the tail in order and none twice, and takes a number back with the
 * transaction: so what is in the tail, and what was moved, has no gap. */
static void
tail_is_whole(struct verify *v, const struct tail *t)
{
    int64_t moved = t->mark;
    pthread_mutex_lock(&v->au->lock);
    if (v->au->moved_to > moved)
        moved = v->au->moved_to;
    pthread_mutex_unlock(&v->au->lock);
    int64_t end = t->rows > 0 ? t->last : moved;
    if (t->rows > 0 && (t->first > moved + 1 || t->last - t->first + 1 != t->rows))
        verify_tell(v, NULL, -1, STR_NULL, STR_NULL,
                    "events between %lld and %lld of the tail are missing", (long long)moved + 1,
                    (long long)t->last);
    if (end < t->given)
        verify_tell(v, NULL, -1, verify_int(v, t->given), verify_int(v, end),
                    "the newest events of the tail are missing");
    if (t->given < moved)
        verify_tell(v, NULL, -1, verify_int(v, moved), verify_int(v, t->given),
                    "the store is older than its log: it was put back from a copy");
}

void
verify_tail(struct verify *v)
{
    struct arena *a = arena_create("audit.verify.look", LOOK_ARENA);
    struct tail t = {.v = v, .deep = v->o->deep && v->whole};
    if (db_snapshot(v->au->app->db, a, read_tail, &t) != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the tail can not be read");
    else if (!v->au->pg)
        tail_is_whole(v, &t);
    arena_free(a);
}

/* ---- numbers ---- */

static const struct sql client_numbers =
    SQL_READ2("SELECT coalesce((SELECT value FROM sequence WHERE name = 'client'), 0)",
              "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM seq_client");

static enum err
read_numbers(struct db_tx *tx, void *arg)
{
    return db_query_int(tx, &client_numbers, NO_ARGS, arg);
}

/* Events name a client by its number. Was the sequence set back, a client made from now on would get the
 * number, and the past, of one that was deleted. */
void
verify_numbers(struct verify *v)
{
    struct arena *a = arena_create("audit.verify.look", LOOK_ARENA);
    int64_t given = 0;
    if (db_read(v->au->app->db, a, read_numbers, &given) != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the sequence can not be read");
    else if (given < v->last_client)
        verify_tell(v, NULL, -1, verify_int(v, v->last_client), verify_int(v, given),
                    "the numbers of clients would be given again: the sequence was set back");
    arena_free(a);
}

/* ---- the files ---- */

static const struct sql integrity =
    SQL_READ2("PRAGMA integrity_check(20)", "SELECT 'ok' WHERE 1 = 1");

struct filing {
    struct verify *v;
    struct str name;
};

static enum err
check_file(struct db_tx *tx, void *arg)
{
    struct filing *f = arg;
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &integrity, NO_ARGS, &q));
    while ((e = db_next(q)) == OK)
        if (!str_eq(db_text(q, 0), S("ok")))
            verify_tell(f->v, NULL, -1, STR_NULL, db_text(q, 0), "the file %.*s is damaged",
                        STR_ARG(f->name));
    return e == ERR_END ? OK : e;
}

static void
check_one(struct verify *v, struct db *db, struct str name)
{
    int64_t used = 0, left = 0, total = 0;
    db_space(db, &used, &left, &total);
    if (v->o->file_max > 0 && used > v->o->file_max)
        return;
    struct arena *a = arena_create("audit.verify.file", LOOK_ARENA);
    struct filing f = {v, name};
    if (db_read(db, a, check_file, &f) != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the file %.*s can not be read",
                    STR_ARG(name));
    arena_free(a);
}

void
verify_files(struct verify *v)
{
    int32_t *months = NULL;
    size_t n = 0;
    if (v->au->pg || segment_months(v->au, v->a, &months, &n) != OK)
        return;
    check_one(v, v->au->app->db, S("recount.db"));
    for (size_t i = 0; i < n; i++) {
        struct segment *s = segment_pin(v->au, months[i]);
        if (s == NULL)
            continue;
        struct str name = arena_str(v->a, verify_month_name(v, months[i]));
        check_one(v, s->db, arena_fmt(v->a, "audit/%.*s.db", STR_ARG(name)));
        if (s->text != NULL)
            check_one(v, s->text, arena_fmt(v->a, "audit/%.*s.index.db", STR_ARG(name)));
        segment_unpin(v->au, s);
    }
}

/* ---- findings written down ---- */

void
verify_finding_text(struct buf *b, const struct verify_finding *f)
{
    text_visible(b, f->origin);
    if (f->index >= 0)
        buf_fmt(b, ", event %lld", (long long)f->index);
    buf_cstr(b, ": ");
    text_visible(b, f->what);
}

void
verify_finding_json(struct json_writer *w, const struct verify_finding *f)
{
    json_kv_str(w, "origin", f->origin);
    json_kv_i64(w, "epoch", f->log.epoch);
    json_key(w, S("index"));
    if (f->index >= 0)
        json_i64(w, f->index);
    else
        json_null(w);
    json_kv_str(w, "what", f->what);
    json_kv_str(w, "expected", f->expected);
    json_kv_str(w, "found", f->found);
}
