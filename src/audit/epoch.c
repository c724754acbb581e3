/* Epochs: after a lawful restore every log goes on under a new origin, whose first record says what the
 * old one was known to hold. Runs alone: no server, no mover. Owns the table audit_epoch. */
#include "audit/heads.h"
#include "base/text.h"

struct old_log {
    struct log_id log;
    int64_t size, last_logged;
    struct sha256 root;
    int64_t known_size; /* of the last checkpoint known */
    struct str note;
};

struct beginning {
    struct audit *au;
    struct str reason;
    struct old_log *v;
    size_t n, cap;
    struct head_row
        *lost; /* logs this server has signed for, which the store does not have at all */
    size_t n_lost;
    int64_t last; /* tail rows up to here are put behind the records of the new epochs */
};

static const struct sql all_logs = SQL_READ(
    "SELECT l.tenant_id, l.epoch, l.size, l.last_logged, l.edge, h.size, h.note FROM audit_log l"
    " LEFT JOIN audit_head h ON h.tenant_id = l.tenant_id AND h.epoch = l.epoch"
    " WHERE NOT EXISTS (SELECT 1 FROM audit_log x WHERE x.tenant_id = l.tenant_id"
    " AND x.epoch > l.epoch) ORDER BY l.tenant_id");

static struct old_log *
add(struct beginning *b, struct arena *a)
{
    arena_grow(a, b->v, b->n, &b->cap, 16);
    return &b->v[b->n++];
}

static enum err
read_logs(struct db_tx *tx, void *arg)
{
    struct beginning *b = arg;
    struct tree_edge edge;
    struct db_rows *q = NULL;
    enum err e;
    b->n = 0;
    TRY(db_query(tx, &all_logs, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        struct old_log *l = add(b, db_tx_arena(tx));
        TRY(tree_edge_read(db_bytes(q, 4), db_int(q, 2), &edge));
        *l = (struct old_log){.log = {db_int(q, 0), db_int(q, 1)},
                              .size = db_int(q, 2),
                              .last_logged = db_int(q, 3),
                              .root = tree_edge_root(&edge),
                              .known_size = db_int(q, 5),
                              .note = db_is_null(q, 6) ? S("") : db_text_keep(q, 6)};
    }
    return e == ERR_END ? OK : e;
}

/* SQLite: the segments are further than the main store's note of them. */
static void
stand_in_memory(struct audit *au, struct beginning *b, struct arena *a)
{
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_logs; i++) {
        const struct log_state *l = &au->logs[i];
        struct old_log *o = NULL;
        for (size_t k = 0; k < b->n && o == NULL; k++)
            if (b->v[k].log.tenant_id == l->tenant_id)
                o = &b->v[k];
        if (o == NULL) {
            o = add(b, a);
            *o = (struct old_log){.note = S("")};
        }
        o->log = (struct log_id){l->tenant_id, l->epoch};
        o->size = l->size;
        o->last_logged = l->last_logged;
        o->root = tree_edge_root(l->edge);
    }
    pthread_mutex_unlock(&au->lock);
}

/* What this server's own memory knows beyond the store. */
static enum err
ask_heads(struct audit *au, struct beginning *b, struct arena *a)
{
    for (size_t i = 0; i < b->n; i++) {
        struct head_row r;
        enum err e = heads_get(au, a, b->v[i].log, &r);
        if (e == OK && r.size > b->v[i].known_size) {
            b->v[i].known_size = r.size;
            b->v[i].note = r.note;
        } else if (e != OK && e != ERR_NOT_FOUND) {
            return e;
        }
    }
    return OK;
}

/* Workspaces that were made since the copy. */
static enum err
find_lost(struct audit *au, struct beginning *b, struct arena *a)
{
    struct head_row *rows = NULL;
    size_t n = 0;
    if (au->heads == NULL)
        return OK;
    TRY(heads_read(au->heads->db, a, &rows, &n));
    b->lost = arena_array(a, struct head_row, n + 1);
    for (size_t i = 0; i < n; i++) {
        bool here = rows[i].closed;
        for (size_t k = 0; k < b->n && !here; k++)
            here = b->v[k].log.tenant_id == rows[i].log.tenant_id;
        if (!here)
            b->lost[b->n_lost++] = rows[i];
    }
    return OK;
}

/* ---- the write ---- */

#define OWN_CHANGES 6
#define LOST_MAX    500 /* named in the record; a record holds 1,024 changes */

static const struct sql put_log =
    SQL_WRITE("audit_log", "INSERT INTO audit_log (tenant_id, epoch, size, last_logged, edge)"
                           " VALUES ($1, $2, 0, $3, $4)");
static const struct sql put_epoch = SQL_WRITE(
    "audit_epoch", "INSERT INTO audit_epoch (tenant_id, epoch, at, known_size, store_size, note,"
                   " reason) VALUES ($1, $2, $3, $4, $5, $6, $7)");
static const struct sql last_seq = SQL_READ("SELECT coalesce(max(seq), 0) FROM audit_tail");
static const struct sql again = SQL_WRITE(
    "audit_tail",
    "INSERT INTO audit_tail (tenant_id, public, personal, salt)"
    " SELECT tenant_id, public, personal, salt FROM audit_tail"
    " WHERE seq > (SELECT moved_to FROM audit_mark) AND seq > $1 AND seq <= $2 ORDER BY seq");
static const struct sql set_mark =
    SQL_WRITE("audit_mark", "UPDATE audit_mark SET moved_to = $1 WHERE id = 1 AND moved_to < $1");
static const struct sql clear = SQL_WRITE("audit_tail", "DELETE FROM audit_tail WHERE seq <= $1");

static enum err
record_begin(struct cx *cx, const struct beginning *b, const struct old_log *l)
{
    struct arena *a = cx->arena;
    int64_t lost = l->known_size > l->size ? l->known_size - l->size : 0;
    int64_t last = l->known_size - 1, next = l->log.epoch + 1;
    struct str range =
        lost > 0 ? arena_fmt(a, "%lld to %lld", (long long)l->size, (long long)last) : S("none");
    const struct audit_change own[OWN_CHANGES] = {
        {S("epoch"), arena_fmt(a, "%lld", (long long)l->log.epoch),
         arena_fmt(a, "%lld", (long long)next)},
        {S("events kept"), STR_NULL, arena_fmt(a, "%lld", (long long)l->size)},
        {S("root kept"), STR_NULL, hex_in(a, sha256_str(&l->root))},
        {S("indices lost"), range, STR_NULL},
        {S("last checkpoint"), l->note, STR_NULL},
        {S("reason"), STR_NULL, b->reason}};
    struct audit_change *change = arena_array(a, struct audit_change, OWN_CHANGES + LOST_MAX);
    struct audit_entry e = {
        .event = EV_EPOCH_BEGUN,
        .instance = l->log.tenant_id == AUDIT_INSTANCE,
        .target_kind = S("audit"),
        .target_id = arena_fmt(a, "%lld", (long long)next),
        .text = arena_fmt(
            a, "%.*s began epoch %lld of the log: %lld events are kept, %lld are lost.",
            STR_ARG(cx->actor.name), (long long)next, (long long)l->size, (long long)lost),
        .changes = change,
        .n_changes = OWN_CHANGES};
    memcpy(change, own, sizeof own);
    for (size_t i = 0; e.instance && i < b->n_lost && i < LOST_MAX; i++)
        change[e.n_changes++] = (struct audit_change){S("log lost"), b->lost[i].note, STR_NULL};
    TRY(take_tenant(cx, l->log.tenant_id));
    return audit_record(cx, &e, NULL);
}

static enum err
begin_one(struct cx *cx, const struct beginning *b, const struct old_log *l)
{
    TRY(db_exec(cx->tx, &put_log,
                ARGS(V_INT(l->log.tenant_id), V_INT(l->log.epoch + 1), V_INT(l->last_logged),
                     V_BYTES(S(""))),
                NULL));
    TRY(db_exec(cx->tx, &put_epoch,
                ARGS(V_INT(l->log.tenant_id), V_INT(l->log.epoch + 1), V_INT(cx->now),
                     V_INT(l->known_size), V_INT(l->size), V_STR(l->note), V_STR(b->reason)),
                NULL));
    return record_begin(cx, b, l);
}

/* The number of a workspace that is lost is not given again: this server remembers what it signed by numbers. */
static enum err
skip_numbers(struct cx *cx, const struct beginning *b)
{
    int64_t last = -1, next = 0;
    for (size_t i = 0; i < b->n_lost; i++)
        last = b->lost[i].log.tenant_id > last ? b->lost[i].log.tenant_id : last;
    audit_cover(cx, REASON_SEQUENCE);
    while (last >= 0 && next <= last) /* a workspace's number is the sequence's, less one */
        TRY(db_sequence(cx->tx, "tenant", &next));
    return OK;
}

static enum err
begin_body(struct cx *cx, void *arg)
{
    struct beginning *b = arg;
    TRY(skip_numbers(cx, b));
    TRY(db_query_int(cx->tx, &last_seq, NO_ARGS, &b->last));
    for (size_t i = 0; i < b->n; i++)
        TRY(begin_one(cx, b, &b->v[i]));
    TRY(db_exec(cx->tx, &again, ARGS(V_INT(b->au->pg ? 0 : b->au->moved_to), V_INT(b->last)),
                NULL));
    TRY(db_exec(cx->tx, &set_mark, ARGS(V_INT(b->last)), NULL));
    return db_exec(cx->tx, &clear, ARGS(V_INT(b->last)), NULL);
}

/* ---- and what this process remembers ---- */

static enum err
go_on(struct audit *au, struct arena *a, const struct beginning *b)
{
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < b->n && !au->pg; i++)
        log_reset(log_add(au, b->v[i].log.tenant_id), b->v[i].log.epoch + 1);
    if (b->last > au->moved_to)
        au->moved_to = b->last;
    pthread_mutex_unlock(&au->lock);
    for (size_t i = 0; i < b->n; i++)
        TRY(heads_closed(au, a, b->v[i].log));
    for (size_t i = 0; i < b->n_lost; i++)
        TRY(heads_closed(au, a, b->lost[i].log));
    return OK;
}

enum err
audit_begin_epochs(struct cx *cx, struct str reason)
{
    struct audit *au = cx->app->audit;
    struct beginning b = {.au = au, .reason = reason};
    struct tenant_ref kept = cx->tenant;
    if (au->started)
        BUG("an epoch is begun while the log runs");
    TRY(db_read(au->app->db, cx->arena, read_logs, &b));
    if (!au->pg)
        stand_in_memory(au, &b, cx->arena);
    TRY(ask_heads(au, &b, cx->arena));
    TRY(find_lost(au, &b, cx->arena));
    enum err e = cx_write(cx, begin_body, &b);
    cx->tenant = kept;
    TRY(e);
    return go_on(au, cx->arena, &b);
}
