/* Walking: all events of some types of a tenant's log, in the order of the log and without a
 * budget. For what is worked out from the log (core/access.h), not for lists. Reads positions first,
 * from the index on type alone, then the events in batches: the others cost nothing. */
#include "audit/priv.h"

#include <time.h>

#include "base/log.h"
#include "base/text.h"

#define BATCH      256 /* events of one statement */
#define SCRATCH    ((size_t)256 << 20)
#define AWAIT_US   (2 * USEC_PER_SEC)
#define AWAIT_STEP 5 /* ms */

/* ---- positions ---- */

struct list {
    struct audit *au;
    struct cx *cx;
    const struct audit_walk *w;
    struct str types; /* "[1,2]" */
    const struct region *g;
    int64_t lo, hi;
    int64_t *v;
    size_t n, cap;
};

/* Without a bound on time the index on type answers alone. */
#define LIST_OF(until)                                                                             \
    SQL_READ2("SELECT idx FROM audit_event INDEXED BY audit_event_type WHERE" SEG_LITE             \
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5"                       \
              " AND type IN (SELECT value FROM json_each($6))" until " ORDER BY idx",              \
              "SELECT idx FROM audit_event WHERE" SEG_PG                                           \
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5"                       \
              " AND type = ANY(ARRAY(SELECT CAST(value AS BIGINT) FROM json_array_elements_text("  \
              "CAST(CAST($6 AS TEXT) AS json))))" until " ORDER BY idx")
static const struct sql list_idx = LIST_OF("");
static const struct sql list_until = LIST_OF(" AND at < $7");

static void
list_add(struct list *l, int64_t position)
{
    arena_grow(l->cx->arena, l->v, l->n, &l->cap, 256);
    l->v[l->n++] = position;
}

static enum err
list_region(struct db_tx *tx, void *arg)
{
    struct list *l = arg;
    struct db_rows *q = NULL;
    enum err e;
    struct db_val v[] = {V_INT(l->g->month), V_INT(l->w->tenant_id), V_INT(l->g->r.epoch),
                         V_INT(l->lo),       V_INT(l->hi),           V_STR(l->types),
                         V_INT(l->w->to)};
    TRY(db_query(tx, l->w->to ? &list_until : &list_idx, (struct db_args){v, l->w->to ? 7u : 6u},
                 &q));
    while ((e = db_next(q)) == OK)
        list_add(l, position_of(l->g->r.epoch, db_int(q, 0)));
    return e == ERR_END ? OK : e;
}

/* Runs a read where the region's events are. */
static enum err
in_region(struct audit *au, struct cx *cx, int32_t month, db_body body, void *arg)
{
    if (au->pg)
        return cx->tx != NULL ? body(cx->tx, arg) : db_read(au->app->db, cx->arena, body, arg);
    struct segment *s = segment_pin(au, month);
    if (s == NULL) /* expired this moment */
        return ERR_NOT_FOUND;
    enum err e = db_read(s->db, cx->arena, body, arg);
    segment_unpin(au, s);
    return e;
}

/* The part of a region that the walk asks for; false when there is none. */
static bool
clip(struct list *l)
{
    const struct range *r = &l->g->r;
    int64_t after = l->w->after, before = l->w->before;
    l->lo = r->first;
    l->hi = r->next;
    if (after >= position_of(r->epoch, r->next) ||
        (before >= 0 && before <= position_of(r->epoch, r->first)))
        return false;
    if (after >= 0 && position_epoch(after) == r->epoch && position_index(after) + 1 > l->lo)
        l->lo = position_index(after) + 1;
    if (before >= 0 && position_epoch(before) == r->epoch && position_index(before) < l->hi)
        l->hi = position_index(before);
    return l->lo < l->hi;
}

static struct str
types_text(struct arena *a, const struct audit_walk *w)
{
    struct buf *b = buf_in(a, 8192);
    buf_char(b, '[');
    for (size_t i = 0; i < w->n_types; i++)
        buf_fmt(b, "%s%d", i ? "," : "", (int)w->types[i]);
    buf_char(b, ']');
    return buf_view(b);
}

static enum err
regions(struct cx *cx, int64_t tenant_id, struct region **g, size_t *n)
{
    struct audit *au = cx->app->audit;
    return regions_of(au, au->pg ? cx->tx : NULL, cx->arena, tenant_id, g, n);
}

enum err
audit_walk_list(struct cx *cx, const struct audit_walk *w, int64_t **out, size_t *n)
{
    struct list l = {.au = cx->app->audit, .cx = cx, .w = w, .types = types_text(cx->arena, w)};
    struct region *g = NULL;
    size_t n_regions = 0;
    TRY(regions(cx, w->tenant_id, &g, &n_regions));
    for (size_t i = n_regions; i-- > 0;) { /* oldest first */
        l.g = &g[i];
        bool later = w->to != 0 && month_ordinal_start(l.g->month) - l.g->r.max_lag >= w->to;
        if (later || !clip(&l))
            continue;
        enum err e = in_region(l.au, cx, l.g->month, list_region, &l);
        if (e != OK && e != ERR_NOT_FOUND)
            return e;
    }
    *out = l.v;
    *n = l.n;
    return OK;
}

/* ---- events ---- */

struct reading {
    const struct region *g;
    struct arena *scratch;
    struct str idx; /* "[3,4]" */
    int64_t tenant_id;
    size_t want, got;
    audit_seen fn;
    void *arg;
};

#define READ_COLS "SELECT e.public, (SELECT p.personal FROM audit_personal p WHERE"
#define READ_FROM                                                                                  \
    " p.tenant_id = e.tenant_id AND p.epoch = e.epoch AND p.idx = e.idx) FROM audit_event e WHERE"
#define READ_IDX " e.tenant_id = $2 AND e.epoch = $3 AND e.idx "
static const struct sql read_idx =
    SQL_READ2(READ_COLS READ_FROM " $1 IS NOT NULL AND" READ_IDX
                                  "IN (SELECT value FROM json_each($4)) ORDER BY e.idx",
              READ_COLS " p.month = $1 AND" READ_FROM " e.month = $1 AND" READ_IDX
                        "= ANY(ARRAY(SELECT CAST(value AS BIGINT) FROM json_array_elements_text("
                        "CAST(CAST($4 AS TEXT) AS json)))) ORDER BY e.idx");

static enum err
tell(struct reading *r, struct str pub, bool erased, struct str personal)
{
    struct record rec = {0};
    if (record_get_public(pub, &rec) != OK ||
        (!erased && record_get_personal(r->scratch, personal, &rec) != OK)) {
        log_error("audit.record", LOG_INT("tenant", r->tenant_id));
        return ERR_DB;
    }
    if (!rec.placed)
        rec.e.index = -1;
    rec.e.erased = erased;
    r->got++;
    return r->fn(r->arg, &rec.e);
}

static enum err
read_batch(struct db_tx *tx, void *arg)
{
    struct reading *r = arg;
    struct db_rows *q = NULL;
    enum err e;
    r->got = 0;
    TRY(db_query(tx, &read_idx,
                 ARGS(V_INT(r->g->month), V_INT(r->tenant_id), V_INT(r->g->r.epoch), V_STR(r->idx)),
                 &q));
    while ((e = db_next(q)) == OK) {
        e = tell(r, db_bytes(q, 0), db_is_null(q, 1), db_bytes(q, 1));
        if (e != OK)
            break;
    }
    if (e != ERR_END) {
        db_rows_end(q);
        return e;
    }
    return r->got == r->want ? OK : ERR_NOT_FOUND;
}

static const struct region *
region_at(const struct region *g, size_t n, int64_t position)
{
    for (size_t i = 0; i < n; i++)
        if (g[i].r.epoch == position_epoch(position) && position_index(position) >= g[i].r.first &&
            position_index(position) < g[i].r.next)
            return &g[i];
    return NULL;
}

/* As many positions as one statement reads: of one region. */
static size_t
batch_at(struct reading *r, const int64_t *v, size_t n)
{
    struct buf *b = buf_in(r->scratch, BATCH * 24);
    size_t k = 0;
    for (; k < n && k < BATCH && position_epoch(v[k]) == r->g->r.epoch &&
           position_index(v[k]) < r->g->r.next;
         k++)
        buf_fmt(b, "%c%lld", k ? ',' : '[', (long long)position_index(v[k]));
    buf_char(b, ']');
    r->idx = buf_view(b);
    r->want = k;
    return k;
}

enum err
audit_walk_read(struct cx *cx, int64_t tenant_id, const int64_t *positions, size_t n, audit_seen fn,
                void *arg)
{
    struct reading r = {.tenant_id = tenant_id, .fn = fn, .arg = arg};
    struct region *g = NULL;
    size_t n_regions = 0;
    enum err e = OK;
    TRY(regions(cx, tenant_id, &g, &n_regions));
    r.scratch = arena_create("audit.walk", SCRATCH);
    for (size_t i = 0; i < n && e == OK;) {
        arena_reset(r.scratch);
        r.g = region_at(g, n_regions, positions[i]);
        if (r.g == NULL) {
            e = ERR_NOT_FOUND;
            break;
        }
        i += batch_at(&r, positions + i, n - i);
        e = in_region(cx->app->audit, cx, r.g->month, read_batch, &r);
    }
    arena_free(r.scratch);
    return e;
}

enum err
audit_walk_each(struct cx *cx, const struct audit_walk *w, audit_seen fn, void *arg)
{
    int64_t *positions = NULL;
    size_t n = 0;
    TRY(audit_walk_list(cx, w, &positions, &n));
    return audit_walk_read(cx, w->tenant_id, positions, n, fn, arg);
}

/* ---- a snapshot of the main store ---- */

static const struct sql log_size =
    SQL_READ("SELECT epoch, size FROM audit_log WHERE tenant_id = $1 ORDER BY epoch DESC LIMIT 1");
static const struct sql tail_rows =
    SQL_READ("SELECT public, personal FROM audit_tail WHERE tenant_id = $1 ORDER BY seq");

enum err
audit_walk_reach(struct cx *cx, int64_t tenant_id, int64_t *position)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(cx->tx, &log_size, ARGS(V_INT(tenant_id)), &q);
    if (e == ERR_NOT_FOUND) {
        *position = 0;
        return OK;
    }
    TRY(e);
    *position = position_of(db_int(q, 0), db_int(q, 1));
    db_rows_end(q);
    return OK;
}

enum err
audit_walk_tail(struct cx *cx, int64_t tenant_id, audit_seen fn, void *arg)
{
    struct reading r = {.tenant_id = tenant_id, .fn = fn, .arg = arg, .scratch = cx->arena};
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(cx->tx, &tail_rows, ARGS(V_INT(tenant_id)), &q));
    while ((e = db_next(q)) == OK) {
        e = tell(&r, db_bytes(q, 0), false, db_bytes(q, 1));
        if (e != OK) {
            db_rows_end(q);
            return e;
        }
    }
    return e == ERR_END ? OK : e;
}

enum err
audit_walk_await(struct cx *cx, int64_t tenant_id, int64_t position)
{
    int64_t deadline = clock_monotonic() + AWAIT_US;
    struct timespec nap = {0, AWAIT_STEP * 1000000L};
    if (position_index(position) == 0) /* an epoch that has just begun: those before it are whole */
        return OK;
    while (newest_in(cx->app, NULL, tenant_id, false) + 1 < position) {
        if (clock_monotonic() > deadline)
            return ERR_UNAVAILABLE;
        (void)nanosleep(&nap, NULL);
        TRY(audit_refresh(cx->app));
    }
    return OK;
}

/* SHARE ROW EXCLUSIVE waits for those who have recorded and not yet committed, and holds off those
 * who would record; LOCK takes no snapshot, so the transaction's is taken behind it. */
static const struct sql own_snapshot =
    SQL_READ2("SELECT 1", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
static const struct sql lock_tail =
    SQL_READ2("SELECT 1", "LOCK TABLE audit_tail IN SHARE ROW EXCLUSIVE MODE");

enum err
audit_stand_alone(struct cx *cx)
{
    if (!cx->app->audit->pg)
        return OK;
    TRY(db_exec(cx->tx, &own_snapshot, NO_ARGS, NULL));
    return db_exec(cx->tx, &lock_tail, NO_ARGS, NULL);
}
