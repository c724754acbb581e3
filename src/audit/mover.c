/* The mover: gives each event of the tail its index and leaf, in tail order, and appends it to the
 * month's segment. Owns the order of the log; one move at a time in the whole installation.
 *
 * SQLite: two files do not commit together, so the segment holds the mark up to which the tail was
 * moved (audit_state.moved_to), committed with the events; the tail is trimmed later, and what a
 * crash leaves there is skipped by the mark. PostgreSQL: one transaction moves and deletes, under
 * an advisory lock. */
#include "audit/priv.h"

#include <stdlib.h>

#include "base/log.h"
#include "run/bus.h"

#define MOVE_ARENA ((size_t)256 << 20)
#define PLACE_MAX  64  /* bytes record_put_place() adds at most */
#define TRIM_ROWS  512 /* moved rows the tail may keep before it is trimmed */

/* One event on its way. */
struct item {
    int64_t seq, tenant_id;
    struct str pub, personal, salt; /* pub: with the placement after place() */
    struct record r;
    struct sha256 leaf;
};

/* What a log's first batch in a month brings along. */
struct carry {
    bool first;        /* the month holds nothing of the log yet */
    struct str hashes; /* of the leaves before, back to the beginning of their tile */
};

/* One batch, kept from move to move for its arrays: under the mutex `mover`. */
struct batch {
    struct audit *au;
    struct arena *a; /* of one move */
    int64_t after;   /* SQLite: rows up to here were moved before */
    struct item v[MOVE_BATCH];
    size_t n;
    bool foreign; /* another process has moved since our last look */
    int32_t month;
    int64_t logged;
    struct segment *segment;
    struct log_state logs[MOVE_BATCH]; /* copies of the logs touched, as they are after the batch */
    size_t n_logs;
    struct range ranges[MOVE_BATCH];  /* what the batch adds to each log of logs[] */
    struct carry carries[MOVE_BATCH]; /* the same: leaf hashes to be carried into the month */
    struct node *nodes, **end;        /* subtrees finished, in order */
    struct buf place;                 /* scratch of append_place() */
};

/* ---- reading the tail ---- */

static const struct sql read_tail =
    SQL_READ("SELECT seq, tenant_id, public, personal, salt FROM audit_tail WHERE seq > $1"
             " ORDER BY seq LIMIT $2");

/* A copy with room behind it for the placement. */
static struct str
with_room(struct arena *a, struct str s)
{
    char *p = arena_array(a, char, s.n + PLACE_MAX);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return str_mem(p, s.n);
}

static enum err
read_batch(struct db_tx *tx, void *arg)
{
    struct batch *b = arg;
    struct db_rows *q = NULL;
    enum err e;
    b->n = 0;
    TRY(db_query(tx, &read_tail, ARGS(V_INT(b->after), V_INT(MOVE_BATCH)), &q));
    while ((e = db_next(q)) == OK) {
        struct item *i = &b->v[b->n++];
        *i = (struct item){.seq = db_int(q, 0), .tenant_id = db_int(q, 1)};
        i->pub = with_room(b->a, db_bytes(q, 2));
        i->personal = arena_str(b->a, db_bytes(q, 3));
        i->salt = arena_str(b->a, db_bytes(q, 4));
    }
    return e == ERR_END ? OK : e;
}

/* ---- placing ---- */

/* The batch works on a copy of the edge: a move that fails leaves the log as it was. */
static size_t
batch_log(struct batch *b, const struct log_state *known, int64_t tenant_id)
{
    for (size_t i = 0; i < b->n_logs; i++)
        if (b->logs[i].tenant_id == tenant_id)
            return i;
    size_t i = b->n_logs++;
    struct tree_edge *edge = arena_new(b->a, struct tree_edge);
    pthread_mutex_lock(&b->au->lock); /* the signer notes what it has signed there */
    b->logs[i] = known ? *known : (struct log_state){.tenant_id = tenant_id};
    if (known != NULL)
        *edge = *known->edge;
    pthread_mutex_unlock(&b->au->lock);
    b->logs[i].edge = edge;
    b->carries[i] = (struct carry){0};
    b->ranges[i] = (struct range){.tenant_id = tenant_id,
                                  .epoch = b->logs[i].epoch,
                                  .first = b->logs[i].size,
                                  .min_lag = INT64_MAX,
                                  .max_lag = INT64_MIN};
    return i;
}

struct keeping {
    struct batch *b;
    const struct log_state *l;
};

static enum err
keep_node(void *arg, int level, int64_t n, const struct sha256 *h)
{
    struct keeping *k = arg;
    struct node *x = arena_new(k->b->a, struct node);
    *x = (struct node){.log = {k->l->tenant_id, k->l->epoch}, .level = level, .n = n, .hash = *h};
    *k->b->end = x;
    k->b->end = &x->next;
    return OK;
}

/* The placement goes where with_room() left room for it. */
static struct str
append_place(struct batch *b, const struct item *i)
{
    char *p = (char *)(uintptr_t)i->pub.p; /* our own copy */
    buf_clear(&b->place);
    record_put_place(&b->place, i->r.e.epoch, i->r.e.index, i->r.e.logged);
    struct str place = buf_view(&b->place);
    memcpy(p + i->pub.n, place.p, place.n);
    return str_mem(p, i->pub.n + place.n);
}

/* Index, final public bytes and leaf of one event; its place in the tree. */
static void
place(struct batch *b, struct item *i, size_t log)
{
    struct log_state *l = &b->logs[log];
    struct range *g = &b->ranges[log];
    if (record_get_public(i->pub, &i->r) != OK) /* never block the log on one bad record */
        log_error("audit.record", LOG_INT("seq", i->seq));
    int64_t at = i->r.e.at ? i->r.e.at : b->logged;
    i->r.e.index = l->size++;
    i->r.e.epoch = l->epoch;
    i->r.e.logged = l->last_logged = b->logged;
    l->dirty = true;
    i->pub = append_place(b, i);
    i->leaf = record_leaf(i->pub, i->salt, i->personal);
    struct sha256 h = tree_leaf_hash(sha256_str(&i->leaf));
    struct keeping k = {b, l};
    if (tree_edge_push(l->edge, &h, keep_node, &k) != OK || l->edge->size != l->size)
        BUG("the tree of a log is not as large as the log");
    g->next = l->size;
    g->last_logged = b->logged;
    g->min_lag = b->logged - at < g->min_lag ? b->logged - at : g->min_lag;
    g->max_lag = b->logged - at > g->max_lag ? b->logged - at : g->max_lag;
}

/* ---- appending ---- */

#define EVENT_COLS "tenant_id, epoch, idx, cuid, type, outcome, at, logged, client_id, public, leaf"
static const struct sql put_event = SQL_WRITE2(
    "audit_event",
    "INSERT OR FAIL INTO audit_event (" EVENT_COLS ") VALUES ($2, $3, $4, $5, $6, $7, $8, $9,"
    " $10, $11, $12)",
    "INSERT INTO audit_event (month, " EVENT_COLS ") VALUES ($1, $2, $3, $4, $5, $6,"
    " $7, $8, $9, $10, $11, $12)");
static const struct sql put_personal =
    SQL_WRITE2("audit_personal",
               "INSERT OR FAIL INTO audit_personal (tenant_id, epoch, idx, salt, personal)"
               " VALUES ($2, $3, $4, $5, $6)",
               "INSERT INTO audit_personal (month, tenant_id, epoch, idx, salt, personal)"
               " VALUES ($1, $2, $3, $4, $5, $6)");
static const struct sql put_party =
    SQL_WRITE2("audit_party",
               "INSERT OR FAIL INTO audit_party (tenant_id, epoch, user_id, idx)"
               " VALUES ($2, $3, $4, $5)",
               "INSERT INTO audit_party (month, tenant_id, epoch, user_id, idx)"
               " VALUES ($1, $2, $3, $4, $5)");
#define RANGE_KEEPS                                                                                \
    " DO UPDATE SET next = excluded.next, last_logged = excluded.last_logged,"                     \
    " edge = excluded.edge,"                                                                       \
    " min_lag = CASE WHEN excluded.min_lag < audit_range.min_lag THEN excluded.min_lag"            \
    " ELSE audit_range.min_lag END,"                                                               \
    " max_lag = CASE WHEN excluded.max_lag > audit_range.max_lag THEN excluded.max_lag"            \
    " ELSE audit_range.max_lag END"
static const struct sql put_range =
    SQL_WRITE2("audit_range",
               "INSERT INTO audit_range (tenant_id, epoch, first, next, last_logged, min_lag,"
               " max_lag, edge) VALUES ($2, $3, $4, $5, $6, $7, $8, $9)"
               " ON CONFLICT (tenant_id, epoch)" RANGE_KEEPS,
               "INSERT INTO audit_range (month, tenant_id, epoch, first, next, last_logged,"
               " min_lag, max_lag, edge) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
               " ON CONFLICT (tenant_id, epoch, month)" RANGE_KEEPS);
static const struct sql put_state =
    SQL_WRITE("audit_state", "UPDATE audit_state SET moved_to = $1 WHERE id = 1");

static enum err
put_parties(struct db_many *m, int32_t month, const struct item *i)
{
    const struct audit_event *e = &i->r.e;
    bool user = str_eq(e->target_kind, S("user"));
    if (e->actor_id.n)
        TRY(db_many_add(m, ARGS(V_INT(month), V_INT(i->tenant_id), V_INT(e->epoch),
                                V_STR(e->actor_id), V_INT(e->index))));
    if (user && e->target_id.n && !str_eq(e->target_id, e->actor_id))
        TRY(db_many_add(m, ARGS(V_INT(month), V_INT(i->tenant_id), V_INT(e->epoch),
                                V_STR(e->target_id), V_INT(e->index))));
    return OK;
}

static enum err
put_items(struct db_tx *tx, const struct batch *b)
{
    struct db_many *events = db_many_begin(tx, &put_event, 12);
    struct db_many *personal = db_many_begin(tx, &put_personal, 6);
    struct db_many *parties = db_many_begin(tx, &put_party, 5);
    for (size_t k = 0; k < b->n; k++) {
        const struct item *i = &b->v[k];
        const struct audit_event *e = &i->r.e;
        struct str cuid = e->cuid.n ? e->cuid : S(""), body = i->personal.n ? i->personal : S("");
        TRY(db_many_add(events,
                        ARGS(V_INT(b->month), V_INT(i->tenant_id), V_INT(e->epoch), V_INT(e->index),
                             V_STR(cuid), V_INT(e->type), V_INT(e->outcome), V_INT(e->at),
                             V_INT(e->logged), V_INT(e->client_id), V_BYTES(i->pub),
                             V_BYTES(sha256_str(&i->leaf)))));
        TRY(db_many_add(personal, ARGS(V_INT(b->month), V_INT(i->tenant_id), V_INT(e->epoch),
                                       V_INT(e->index), V_BYTES(i->salt), V_BYTES(body))));
        TRY(put_parties(parties, b->month, i));
    }
    TRY(db_many_end(events, NULL));
    TRY(db_many_end(personal, NULL));
    return db_many_end(parties, NULL);
}

static enum err
put_batch(struct db_tx *tx, const struct batch *b)
{
    TRY(put_items(tx, b));
    for (size_t i = 0; i < b->n_logs; i++) {
        const struct range *g = &b->ranges[i];
        TRY(db_exec(tx, &put_range,
                    ARGS(V_INT(b->month), V_INT(g->tenant_id), V_INT(g->epoch), V_INT(g->first),
                         V_INT(g->next), V_INT(g->last_logged), V_INT(g->min_lag),
                         V_INT(g->max_lag), V_BYTES(tree_edge_bytes(b->a, b->logs[i].edge))),
                    NULL));
        if (b->carries[i].hashes.n > 0)
            TRY(carry_put(tx, b->month, (struct log_id){g->tenant_id, g->epoch}, g->first,
                          b->carries[i].hashes));
    }
    return nodes_put(tx, b->month, b->nodes);
}

/* Leaf hashes that the first batch of a log in a month brings along, so that the month's proofs
 * outlive the months before it. tx: PostgreSQL's. */
static enum err
read_carries(struct batch *b, struct db_tx *tx)
{
    struct sha256 h[TILE_WIDTH];
    for (size_t i = 0; i < b->n_logs; i++) {
        const struct range *g = &b->ranges[i];
        int n = carry_width(g->first);
        if (!b->carries[i].first || n == 0)
            continue;
        TRY(nodes_read(b->au, tx, b->a, (struct log_id){g->tenant_id, g->epoch}, 0, g->first - n, n,
                       h));
        b->carries[i].hashes = arena_str(b->a, str_mem(h, (size_t)n * SHA256_LEN));
    }
    return OK;
}

/* ---- SQLite ---- */

static enum err
write_segment(struct db_tx *tx, void *arg)
{
    struct batch *b = arg;
    TRY(put_batch(tx, b));
    return db_exec(tx, &put_state, ARGS(V_INT(b->v[b->n - 1].seq)), NULL);
}

static void
merge_range(struct segment *s, const struct range *g)
{
    struct range *r = ranges_find(&s->ranges, g->tenant_id, g->epoch);
    if (r == NULL) {
        r = ranges_add(&s->ranges, g->tenant_id, g->epoch);
        *r = *g;
        return;
    }
    r->next = g->next;
    r->last_logged = g->last_logged;
    r->min_lag = g->min_lag < r->min_lag ? g->min_lag : r->min_lag;
    r->max_lag = g->max_lag > r->max_lag ? g->max_lag : r->max_lag;
}

static void
publish_lite(struct audit *au, struct batch *b)
{
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < b->n_logs; i++) {
        struct log_state *l = log_add(au, b->logs[i].tenant_id);
        struct tree_edge *edge = l->edge;
        *edge = *b->logs[i].edge;
        b->logs[i].signed_size = l->signed_size; /* the signer's, who may have gone on */
        *l = b->logs[i];
        l->edge = edge;
        merge_range(b->segment, &b->ranges[i]);
    }
    au->last_logged = b->logged;
    au->moved_to = b->v[b->n - 1].seq;
    pthread_mutex_unlock(&au->lock);
}

static void
see_firsts(struct audit *au, struct batch *b)
{
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < b->n_logs; i++)
        b->carries[i].first =
            ranges_find(&b->segment->ranges, b->ranges[i].tenant_id, b->ranges[i].epoch) == NULL;
    pthread_mutex_unlock(&au->lock);
}

static enum err
move_lite(struct audit *au, struct batch *b)
{
    b->after = au->moved_to;
    TRY(db_read(au->app->db, b->a, read_batch, b));
    if (b->n == 0)
        return OK;
    int64_t now = app_now(au->app);
    b->logged = now > au->last_logged ? now : au->last_logged;
    b->month = month_ordinal(b->logged);
    for (size_t i = 0; i < b->n; i++)
        place(b, &b->v[i], batch_log(b, log_find(au, b->v[i].tenant_id), b->v[i].tenant_id));
    TRY(mover_lock_changing(au));
    enum err e = segment_make(au, b->month, &b->segment);
    if (e == OK) {
        see_firsts(au, b);
        e = read_carries(b, NULL);
    }
    if (e == OK)
        e = db_write(b->segment->db, b->a, write_segment, b);
    if (e == OK)
        publish_lite(au, b);
    else
        mover_lock_doubt(au);
    return e;
}

static enum err
step_lite(struct audit *au, struct batch *b)
{
    TRY(mover_lock_take(au, &b->foreign));
    enum err e = move_lite(au, b);
    mover_lock_give(au);
    return e;
}

/* ---- trimming ---- */

static const struct sql set_mark =
    SQL_WRITE("audit_mark", "UPDATE audit_mark SET moved_to = $1 WHERE id = 1 AND moved_to < $1");
static const struct sql delete_tail =
    SQL_WRITE("audit_tail", "DELETE FROM audit_tail WHERE seq <= $1");
static const struct sql put_log = SQL_WRITE(
    "audit_log", "INSERT INTO audit_log (tenant_id, epoch, size, last_logged, edge)"
                 " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, epoch)"
                 " DO UPDATE SET size = excluded.size, last_logged = excluded.last_logged,"
                 " edge = excluded.edge");

struct trim {
    int64_t to;
    struct log_state *logs;
    size_t n;
};

static enum err
put_logs(struct db_tx *tx, const struct log_state *logs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        TRY(db_exec(tx, &put_log,
                    ARGS(V_INT(logs[i].tenant_id), V_INT(logs[i].epoch), V_INT(logs[i].size),
                         V_INT(logs[i].last_logged),
                         V_BYTES(tree_edge_bytes(db_tx_arena(tx), logs[i].edge))),
                    NULL));
    return OK;
}

static enum err
write_trim(struct db_tx *tx, void *arg)
{
    struct trim *t = arg;
    tail_own(tx);
    TRY(db_exec(tx, &set_mark, ARGS(V_INT(t->to)), NULL));
    TRY(db_exec(tx, &delete_tail, ARGS(V_INT(t->to)), NULL));
    return put_logs(tx, t->logs, t->n);
}

static void
collect_dirty(struct audit *au, struct arena *a, struct trim *t)
{
    pthread_mutex_lock(&au->lock);
    t->to = au->moved_to;
    t->logs = arena_array(a, struct log_state, au->n_logs + 1);
    for (size_t i = 0; i < au->n_logs; i++)
        if (au->logs[i].dirty)
            t->logs[t->n++] = au->logs[i];
    pthread_mutex_unlock(&au->lock);
}

/* Under the lock of the processes: another one's newer sizes must not be overwritten by ours. */
static enum err
trim_locked(struct audit *au)
{
    bool foreign = false;
    if (au->pg || au->moved_to == au->trimmed_to)
        return OK;
    TRY(mover_lock_take(au, &foreign));
    struct arena *a = arena_create("audit.trim", MOVE_ARENA);
    struct trim t = {0};
    collect_dirty(au, a, &t);
    atomic_store(&au->trimming, true); /* who holds the writer must not wait for us now */
    mover_tell(au);
    enum err e = db_write(au->app->db, a, write_trim, &t);
    atomic_store(&au->trimming, false);
    if (e == OK) {
        pthread_mutex_lock(&au->lock);
        for (size_t i = 0; i < t.n; i++)
            log_add(au, t.logs[i].tenant_id)->dirty = false;
        au->trimmed_to = t.to;
        pthread_mutex_unlock(&au->lock);
    }
    mover_lock_give(au);
    arena_free(a);
    if (foreign && au->app->bus != NULL)
        bus_publish(au->app->bus, BUS_AUDIT);
    return e;
}

enum err
mover_trim(struct audit *au)
{
    pthread_mutex_lock(&au->mover);
    enum err e = trim_locked(au);
    pthread_mutex_unlock(&au->mover);
    return e;
}

/* ---- PostgreSQL ---- */

/* The mover reads the whole tail: under serializable isolation every writer would meet it in a
 * conflict. It is alone under its lock, so a snapshot is enough. */
static const struct sql snapshot =
    SQL_READ2("SELECT 1", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
static const struct sql get_log =
    SQL_READ("SELECT l.epoch, l.size, l.last_logged, l.edge, (SELECT count(*) FROM audit_range r"
             " WHERE r.tenant_id = l.tenant_id AND r.epoch = l.epoch AND r.month = $2)"
             " FROM audit_log l WHERE l.tenant_id = $1 ORDER BY l.epoch DESC LIMIT 1");
static const struct sql get_last_logged =
    SQL_READ("SELECT coalesce(max(last_logged), 0) FROM audit_log");
static const struct sql has_partition =
    SQL_READ2("SELECT 1", "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                          " WHERE i.inhparent = 'audit_event'::regclass AND c.relname = $1");

static enum err
pg_log(struct db_tx *tx, struct batch *b, int64_t tenant_id, size_t *out)
{
    struct tree_edge edge = {0};
    struct log_state known = {.tenant_id = tenant_id, .edge = &edge};
    int64_t months = 0;
    struct db_rows *q = NULL;
    for (size_t i = 0; i < b->n_logs; i++)
        if (b->logs[i].tenant_id == tenant_id) {
            *out = i;
            return OK;
        }
    enum err e = db_query_one(tx, &get_log, ARGS(V_INT(tenant_id), V_INT(b->month)), &q);
    if (e == OK) {
        known.epoch = db_int(q, 0);
        known.size = db_int(q, 1);
        known.last_logged = db_int(q, 2);
        months = db_int(q, 4);
        e = tree_edge_read(db_bytes(q, 3), known.size, &edge);
        db_rows_end(q);
        TRY(e);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    *out = batch_log(b, &known, tenant_id);
    b->carries[*out].first = months == 0;
    return OK;
}

static enum err
pg_partition(struct db_tx *tx, int32_t month)
{
    int64_t n = 0;
    struct str name = arena_fmt(db_tx_arena(tx), "audit_event_%04d_%02d", (int)(month / 12),
                                (int)(month % 12 + 1));
    TRY(db_query_int(tx, &has_partition, ARGS(V_STR(name)), &n));
    return n ? OK : segment_make_partitions(tx, month);
}

static enum err
move_pg(struct db_tx *tx, void *arg)
{
    struct batch *b = arg;
    int64_t last = 0;
    b->n = b->n_logs = 0;
    b->nodes = NULL;
    b->end = &b->nodes;
    TRY(db_exec(tx, &snapshot, NO_ARGS, NULL));
    tail_own(tx);
    TRY(db_try_lock(tx, LOCK_MOVER));
    b->after = 0; /* a transaction with a lower number may have committed later */
    TRY(read_batch(tx, b));
    if (b->n == 0)
        return OK;
    TRY(db_query_int(tx, &get_last_logged, NO_ARGS, &last));
    int64_t now = app_now(b->au->app);
    b->logged = now > last ? now : last;
    b->month = month_ordinal(b->logged);
    for (size_t i = 0; i < b->n; i++) {
        size_t log = 0;
        TRY(pg_log(tx, b, b->v[i].tenant_id, &log));
        place(b, &b->v[i], log);
    }
    TRY(pg_partition(tx, b->month));
    TRY(read_carries(b, tx));
    TRY(put_batch(tx, b));
    TRY(put_logs(tx, b->logs, b->n_logs));
    TRY(db_exec(tx, &set_mark, ARGS(V_INT(b->v[b->n - 1].seq)), NULL));
    TRY(db_exec(tx, &delete_tail, ARGS(V_INT(b->v[b->n - 1].seq)), NULL));
    return db_notify(tx, S("audit"), S(""));
}

static const struct sql tail_any =
    SQL_READ("SELECT m.moved_to, (SELECT count(*) FROM (SELECT 1 FROM audit_tail LIMIT 1) t)"
             " FROM audit_mark m WHERE m.id = 1");

struct glance {
    int64_t moved_to, any;
};

static enum err
read_any(struct db_tx *tx, void *arg)
{
    struct glance *g = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &tail_any, NO_ARGS, &q));
    g->moved_to = db_int(q, 0);
    g->any = db_int(q, 1);
    db_rows_end(q);
    return OK;
}

/* An empty tail costs a read only: a commit of ours would wake us again, for ever. The mark tells
 * what another server or a command moved. */
static enum err
step_pg(struct audit *au, struct batch *b)
{
    struct glance g = {0};
    TRY(db_read(au->app->db, b->a, read_any, &g));
    b->foreign = g.moved_to != au->moved_to;
    au->moved_to = g.moved_to;
    if (!g.any)
        return OK;
    TRY(db_write(au->app->db, b->a, move_pg, b));
    if (b->n > 0 && b->v[b->n - 1].seq > au->moved_to)
        au->moved_to = b->v[b->n - 1].seq;
    return OK;
}

/* ---- one step ---- */

static struct batch *
batch_begin(struct audit *au)
{
    struct batch *b = au->batch ? au->batch : malloc(sizeof *b);
    if (b == NULL)
        BUG("out of memory");
    if (au->batch == NULL)
        buf_init(&b->place, PLACE_MAX);
    au->batch = b;
    b->au = au;
    b->a = arena_create("audit.move", MOVE_ARENA);
    b->n = b->n_logs = 0;
    b->nodes = NULL;
    b->end = &b->nodes;
    b->foreign = false;
    b->segment = NULL;
    return b;
}

void
mover_fini(struct audit *au)
{
    if (au->batch != NULL)
        buf_free(&au->batch->place);
    free(au->batch);
}

/* What was recorded before the batch was read is moved when the batch was not full; what was undone
 * meanwhile is forgotten with it. */
static void
count_caught(struct audit *au, int64_t n, long long recorded)
{
    if (n < MOVE_BATCH)
        atomic_store(&au->n_caught, recorded);
    else
        atomic_fetch_add(&au->n_caught, n);
}

/* *last: the number of the batch's last row. */
static enum err
step(struct audit *au, int64_t *moved, int64_t *last)
{
    pthread_mutex_lock(&au->mover);
    long long recorded = atomic_load(&au->n_recorded);
    struct batch *b = batch_begin(au);
    enum err e = au->pg ? step_pg(au, b) : step_lite(au, b), trimmed = OK;
    if (e == OK && au->moved_to - au->trimmed_to >= TRIM_ROWS)
        trimmed = trim_locked(au);
    int64_t n = (int64_t)b->n;
    bool news = b->foreign;
    *last = n > 0 ? b->v[n - 1].seq : 0;
    if (e == OK)
        count_caught(au, n, recorded);
    arena_free(b->a);
    pthread_mutex_unlock(&au->mover);
    if (e == OK) {
        *moved = n;
        news = news || n > 0;
        atomic_fetch_add(&au->n_moved, (long long)n);
        mover_tell(au);
    }
    if (news && au->app->bus != NULL)
        bus_publish(au->app->bus, BUS_AUDIT);
    return e == OK && trimmed != ERR_CONFLICT ? trimmed : e; /* trimming can wait */
}

static const struct sql get_newest = SQL_READ("SELECT coalesce(max(seq), 0) FROM audit_tail");

static enum err
read_newest(struct db_tx *tx, void *arg)
{
    return db_query_int(tx, &get_newest, NO_ARGS, arg);
}

static enum err
tail_newest(struct audit *au, int64_t *seq)
{
    struct arena *a = arena_create("audit.drain", (size_t)1 << 20);
    enum err e = db_read(au->app->db, a, read_newest, seq);
    arena_free(a);
    return e;
}

enum err
mover_drain(struct audit *au)
{
    int64_t moved = 0, last = 0, newest = 0;
    TRY(step(au, &moved, &last));
    if (moved < MOVE_BATCH)
        return OK;
    TRY(tail_newest(au, &newest));
    while (moved == MOVE_BATCH && last < newest)
        TRY(step(au, &moved, &last));
    return OK;
}
