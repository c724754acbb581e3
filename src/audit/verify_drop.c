/* The verifier and what is no longer there: events missing at the beginning of a log expired with
 * their month, and the log says so itself. */
#include "audit/verify_priv.h"
#include "base/text.h"

#define DROP_ARENA ((size_t)256 << 20)

struct searching {
    int64_t last;  /* index of the last event that must have expired */
    int32_t month; /* that held it, by the record; -1: none speaks of it */
};

static int64_t
number(const struct audit_event *e, const char *field)
{
    int64_t n = -1;
    for (size_t i = 0; i < e->n_changes; i++)
        if (str_eq(e->changes[i].field, str_of(field)) && str_int64(e->changes[i].before, &n) == OK)
            return n;
    return -1;
}

static enum err
see(void *arg, const struct audit_event *e)
{
    struct searching *s = arg;
    int64_t year = 0, month = 0;
    struct str name = e->target_id;
    if (number(e, "last index") != s->last || name.n != 7 ||
        str_int64(str_sub(name, 0, 4), &year) != OK || str_int64(str_sub(name, 5, 2), &month) != OK)
        return OK;
    s->month = (int32_t)(year * 12 + month - 1);
    return OK;
}

static enum err
search(struct cx *cx, const struct vlog *l, struct searching *s)
{
    static const enum event types[] = {EV_AUDIT_SEGMENT_DROPPED};
    struct audit_walk w = {
        .tenant_id = l->log.tenant_id, .types = types, .n_types = 1, .after = -1, .before = -1};
    return audit_walk_each(cx, &w, see, s);
}

void
verify_expired(struct verify *v, struct vlog *l)
{
    int64_t first = l->n > 0 ? l->months[0].r.first : l->size;
    struct searching s = {.last = first - 1, .month = -1};
    if (first <= 0)
        return;
    struct cx cx = *v->cx;
    cx.arena = arena_create("audit.verify.drop", DROP_ARENA);
    enum err e = search(&cx, l, &s);
    if (e != OK)
        verify_tell(v, l, -1, STR_NULL, db_last_error(),
                    "the records of expired months can not be read");
    else if (s.month < 0 || !verify_month_dropped(v, s.month))
        verify_tell(v, l, 0, STR_NULL, STR_NULL,
                    "the events 0 to %lld are missing, and no record says that they expired",
                    (long long)first - 1);
    arena_free(cx.arena);
}

/* ---- the hashes that are left of expired months ---- */

static const struct sql count_kept = SQL_READ(
    "SELECT count(*) FROM audit_node_kept WHERE tenant_id = $1 AND epoch = $2 AND level = $3"
    " AND n < $4");
static const struct sql get_kept =
    SQL_READ("SELECT n, hash FROM audit_node_kept WHERE tenant_id = $1 AND epoch = $2"
             " AND level = $3 AND n >= $4 AND n < $5 ORDER BY n");

struct keeping {
    struct verify *v;
    const struct vlog *l;
    int64_t first; /* events before it are gone */
};

/* A hash of a level above is the root of the 256 below it. */
static enum err
check_parent(struct db_tx *tx, const struct keeping *k, int level, int64_t n,
             const struct sha256 *parent)
{
    struct tree_edge edge = {0};
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_kept,
                 ARGS(V_INT(k->l->log.tenant_id), V_INT(k->l->log.epoch), V_INT(level - 1),
                      V_INT(n * TILE_WIDTH), V_INT((n + 1) * TILE_WIDTH)),
                 &q));
    while ((e = db_next(q)) == OK) {
        struct sha256 h = {{0}};
        if (db_bytes(q, 1).n == SHA256_LEN)
            memcpy(h.b, db_bytes(q, 1).p, SHA256_LEN);
        e = tree_edge_push(&edge, &h, NULL, NULL);
        if (e != OK)
            break;
    }
    if (e != ERR_END) {
        db_rows_end(q);
        return e;
    }
    struct sha256 root = tree_edge_root(&edge);
    int64_t span = INT64_C(1) << (8 * level), first = n * span, last = first + span - 1;
    if (edge.size != TILE_WIDTH || memcmp(root.b, parent->b, SHA256_LEN) != 0)
        verify_tell(k->v, k->l, n * span, verify_hex(k->v, &root), verify_hex(k->v, parent),
                    "the hashes left of the expired events %lld to %lld do not fit each other",
                    (long long)first, (long long)last);
    return OK;
}

static enum err
check_level(struct db_tx *tx, const struct keeping *k, int level)
{
    int64_t want = k->first >> (8 * level), have = 0;
    TRY(db_query_int(
        tx, &count_kept,
        ARGS(V_INT(k->l->log.tenant_id), V_INT(k->l->log.epoch), V_INT(level), V_INT(want)),
        &have));
    if (have != want)
        verify_tell(k->v, k->l, -1, verify_int(k->v, want), verify_int(k->v, have),
                    "hashes of level %d of the expired months are missing", level);
    for (int64_t n = 0; level > 1 && n < want && have == want; n++) {
        struct db_rows *q = NULL;
        struct sha256 h = {{0}};
        TRY(db_query_one(tx, &get_kept,
                         ARGS(V_INT(k->l->log.tenant_id), V_INT(k->l->log.epoch), V_INT(level),
                              V_INT(n), V_INT(n + 1)),
                         &q));
        if (db_bytes(q, 1).n == SHA256_LEN)
            memcpy(h.b, db_bytes(q, 1).p, SHA256_LEN);
        db_rows_end(q);
        TRY(check_parent(tx, k, level, n, &h));
    }
    return OK;
}

static enum err
check_levels(struct db_tx *tx, void *arg)
{
    const struct keeping *k = arg;
    for (int level = 1; level <= VERIFY_LEVEL; level++)
        TRY(check_level(tx, k, level));
    return OK;
}

void
verify_kept(struct verify *v, const struct vlog *l)
{
    struct keeping k = {v, l, l->n > 0 ? l->months[0].r.first : l->size};
    if (k.first <= 0)
        return;
    struct arena *a = arena_create("audit.verify.drop", DROP_ARENA);
    if (db_read(v->au->app->db, a, check_levels, &k) != OK)
        verify_tell(v, l, -1, STR_NULL, db_last_error(),
                    "the hashes left of expired months can not be read");
    arena_free(a);
}

/* ---- others ---- */

#define STRAYS_TOLD 64 /* of a log */

/* Hashes of what has not expired. They lie there for a moment when a month is about to leave; but when it
 * leaves, what lies there stays and the month's own hash does not come: a false one would spoil proofs for
 * good. So it is held against the month's. */
static const struct sql get_strays =
    SQL_READ("SELECT level, n, hash FROM audit_node_kept WHERE tenant_id = $1 AND epoch = $2"
             " AND (level < 1 OR level > $3 OR n < 0 OR n >= ($4 >> CAST(8 * level AS integer)))"
             " ORDER BY level, n LIMIT $5");
static const struct sql get_kept_logs =
    SQL_READ("SELECT DISTINCT tenant_id, epoch FROM audit_node_kept ORDER BY tenant_id, epoch");

struct stray {
    int64_t level, n;
    struct str hash;
};

struct strays {
    struct log_id log;
    int64_t first; /* events before it are gone */
    struct stray v[STRAYS_TOLD];
    size_t n;
};

static enum err
read_strays(struct db_tx *tx, void *arg)
{
    struct strays *x = arg;
    struct db_rows *q = NULL;
    enum err e;
    x->n = 0;
    TRY(db_query(tx, &get_strays,
                 ARGS(V_INT(x->log.tenant_id), V_INT(x->log.epoch), V_INT(VERIFY_LEVEL),
                      V_INT(x->first), V_INT(STRAYS_TOLD)),
                 &q));
    while ((e = db_next(q)) == OK)
        x->v[x->n++] = (struct stray){db_int(q, 0), db_int(q, 1), db_bytes_keep(q, 2)};
    return e == ERR_END ? OK : e;
}

static void
look_at_stray(struct verify *v, const struct vlog *l, struct arena *a, const struct stray *s)
{
    int64_t end = l->n > 0 ? l->months[l->n - 1].r.next : l->size;
    struct sha256 h = {{0}};
    if (s->level < 1 || s->level > VERIFY_LEVEL || s->n < 0 || s->n >= end >> (8 * s->level))
        verify_tell(
            v, l, -1, STR_NULL, STR_NULL,
            "a hash is kept of a place that the log's tree does not have (level %lld, %lld)",
            (long long)s->level, (long long)s->n);
    else if (nodes_read(v->au, NULL, a, l->log, (int)s->level, s->n, 1, &h) != OK ||
             !str_eq(sha256_str(&h), s->hash))
        verify_tell(v, l, s->n << (8 * s->level), verify_hex(v, &h), hex_in(v->say, s->hash),
                    "a hash is kept that is not the one of the events from here on (level %lld)",
                    (long long)s->level);
}

void
verify_strays(struct verify *v, const struct vlog *l)
{
    struct arena *a = arena_create("audit.verify.drop", DROP_ARENA);
    struct strays *x = arena_new(a, struct strays);
    x->log = l->log;
    x->first = l->n > 0 ? l->months[0].r.first : l->size;
    if (db_read(v->au->app->db, a, read_strays, x) != OK)
        verify_tell(v, l, -1, STR_NULL, db_last_error(),
                    "the hashes left of expired months can not be read");
    for (size_t i = 0; i < x->n; i++)
        look_at_stray(v, l, a, &x->v[i]);
    arena_free(a);
}

struct kept_logs {
    struct log_id *v;
    size_t n, cap;
};

static enum err
read_kept_logs(struct db_tx *tx, void *arg)
{
    struct kept_logs *x = arg;
    struct db_rows *q = NULL;
    enum err e;
    x->n = 0;
    TRY(db_query(tx, &get_kept_logs, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(db_tx_arena(tx), x->v, x->n, &x->cap, 16);
        x->v[x->n++] = (struct log_id){db_int(q, 0), db_int(q, 1)};
    }
    return e == ERR_END ? OK : e;
}

void
verify_kept_logs(struct verify *v)
{
    struct arena *a = arena_create("audit.verify.drop", DROP_ARENA);
    struct kept_logs x = {0};
    if (db_read(v->au->app->db, a, read_kept_logs, &x) != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(),
                    "the hashes left of expired months can not be read");
    for (size_t i = 0; i < x.n; i++)
        if (verify_log(v, x.v[i], false) == NULL)
            verify_tell(v, NULL, -1, STR_NULL, verify_int(v, x.v[i].tenant_id),
                        "hashes of expired months are kept of a log that there is not");
    arena_free(a);
}
