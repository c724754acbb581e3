/* The verifier and the openings of blinded heads: each is what its round's event recorded, of a head that the
 * log had, and none is missing but those that were thinned out. Deep. */
#include <stdlib.h>

#include "audit/verify_priv.h"
#include "base/text.h"

#define OPENING_ARENA ((size_t)512 << 20)

/* What the openings say of one round. */
struct round {
    struct str event; /* cuid */
    struct sha256 root;
    int64_t at, leaves, rows;
    bool recorded; /* its event is in the log */
    bool differs;  /* two openings tell of it differently */
};

/* What an event says of one. */
struct heard {
    struct str event, root;
    int64_t at, logs;
    int64_t epoch, index; /* index −1: it waits in the tail */
    bool last;            /* of its day */
};

struct rounds {
    struct verify *v;
    struct arena *a;
    struct round *list; /* as read; then by event */
    size_t n, cap;
    int64_t reach; /* of the instance's log, in the snapshot */
    struct heard *heard;
    size_t n_heard, cap_heard;
    int64_t newest;
};

/* ---- the rows ---- */

static const struct sql get_openings = SQL_READ(
    "SELECT o.tenant_id, o.epoch, o.at, o.event, o.size, o.head_root, o.salt, o.round_root,"
    " o.leaf, o.leaves, o.path, h.origin FROM audit_opening o LEFT JOIN audit_head h"
    " ON h.tenant_id = o.tenant_id AND h.epoch = o.epoch"
    " ORDER BY o.at, o.event, o.tenant_id, o.epoch");

static struct round *
round_of(struct rounds *r, struct str event)
{
    if (r->n > 0 && str_eq(r->list[r->n - 1].event, event))
        return &r->list[r->n - 1];
    arena_grow(r->a, r->list, r->n, &r->cap, 256);
    r->list[r->n] = (struct round){.event = arena_str(r->a, event)};
    return &r->list[r->n++];
}

static bool
take_hash(struct str bytes, struct sha256 *out)
{
    if (bytes.n != SHA256_LEN)
        return false;
    memcpy(out->b, bytes.p, SHA256_LEN);
    return true;
}

/* The leaf from salt and head, and its way to the round's root. */
static bool
leads_to_root(const struct rounds *r, const struct db_rows *q, const struct vlog *l,
              const struct sha256 *head, const struct sha256 *root)
{
    struct str path = db_bytes(q, 10), salt = db_bytes(q, 6);
    struct str origin = str_is_null(l->tenant) ? db_text(q, 11) : l->origin;
    struct str text =
        arena_fmt(r->v->say, "%.*s\n%lld\n", STR_ARG(origin), (long long)db_int(q, 4));
    struct str parts[] = {S("\x00"), salt, text, sha256_str(head)};
    struct sha256 leaf = sha256_parts(parts, 4);
    struct tree_proof p = {.n = (unsigned)(path.n / SHA256_LEN)};
    if (path.n % SHA256_LEN != 0 || path.n / SHA256_LEN > TREE_PROOF_MAX || salt.n != ROUND_SALT)
        return false;
    memcpy(p.h, path.p, path.n);
    return tree_check_inclusion(db_int(q, 8), db_int(q, 9), &leaf, &p, root);
}

static void
take_row(struct rounds *r, const struct db_rows *q)
{
    struct verify *v = r->v;
    struct vlog *l = verify_log(v, (struct log_id){db_int(q, 0), db_int(q, 1)}, true);
    struct sha256 head = {0}, root = {0};
    struct round *x = round_of(r, db_text(q, 3));
    bool good = take_hash(db_bytes(q, 5), &head) && take_hash(db_bytes(q, 7), &root) &&
                leads_to_root(r, q, l, &head, &root);
    if (!good)
        verify_tell(v, l, -1, STR_NULL, time_iso(v->say, db_int(q, 2)),
                    "an opening of the log's head does not lead to its round");
    else
        verify_mark(v, l,
                    (struct vmark){.size = db_int(q, 4),
                                   .root = head,
                                   .what = S("an opening of a blinded head"),
                                   .old_ok = true,
                                   .head = -1});
    if (x->rows++ == 0) {
        x->root = root;
        x->at = db_int(q, 2);
        x->leaves = db_int(q, 9);
    } else if (memcmp(x->root.b, root.b, SHA256_LEN) != 0 || x->at != db_int(q, 2) ||
               x->leaves != db_int(q, 9)) {
        x->differs = true;
    }
    arena_reset(v->say);
}

static int
by_event(const void *x, const void *y)
{
    return str_cmp(((const struct round *)x)->event, ((const struct round *)y)->event);
}

static enum err
read_openings(struct rounds *r, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_openings, NO_ARGS, &q));
    while ((e = db_next(q)) == OK)
        take_row(r, q);
    if (e != ERR_END)
        return e;
    if (r->n > 0)
        qsort(r->list, r->n, sizeof *r->list, by_event);
    return OK;
}

/* ---- the events ---- */

static struct str
after_of(const struct audit_event *e, const char *field)
{
    for (size_t i = 0; i < e->n_changes; i++)
        if (str_eq(e->changes[i].field, str_of(field)))
            return e->changes[i].after;
    return STR_NULL;
}

static enum err
hear(void *arg, const struct audit_event *e)
{
    struct rounds *r = arg;
    struct heard h = {.at = e->at, .epoch = e->epoch, .index = e->index, .logs = -1};
    if (e->type != EV_AUDIT_HEADS || e->erased)
        return OK;
    h.event = arena_str(r->a, e->cuid);
    h.root = arena_str(r->a, after_of(e, "root"));
    if (str_int64(after_of(e, "logs"), &h.logs) != OK)
        h.logs = -1;
    if (h.at > r->newest)
        r->newest = h.at;
    arena_grow(r->a, r->heard, r->n_heard, &r->cap_heard, 256);
    r->heard[r->n_heard++] = h;
    return OK;
}

/* One snapshot of the rows, how far the log was moved, and what of it was in the tail. */
static enum err
take_snapshot(struct cx *cx, void *arg)
{
    struct rounds *r = arg;
    TRY(read_openings(r, cx->tx));
    TRY(audit_walk_reach(cx, AUDIT_INSTANCE, &r->reach));
    return audit_walk_tail(cx, AUDIT_INSTANCE, hear, r);
}

static enum err
hear_moved(struct cx *cx, struct rounds *r)
{
    static const enum event types[] = {EV_AUDIT_HEADS};
    struct audit_walk w = {
        .tenant_id = AUDIT_INSTANCE, .after = -1, .before = r->reach, .types = types, .n_types = 1};
    TRY(audit_walk_await(cx, AUDIT_INSTANCE, r->reach));
    return audit_walk_each(cx, &w, hear, r);
}

static int
by_time(const void *x, const void *y)
{
    int64_t a = ((const struct heard *)x)->at, b = ((const struct heard *)y)->at;
    return (a > b) - (a < b);
}

/* ---- both ---- */

/* Of the rounds older than a day the last one of each day is kept whole (round.c). */
static void
judge(struct rounds *r, const struct heard *h)
{
    struct round key = {.event = h->event};
    struct round *x = r->n > 0 ? bsearch(&key, r->list, r->n, sizeof *r->list, by_event) : NULL;
    struct vlog *l = verify_log(r->v, (struct log_id){AUDIT_INSTANCE, h->epoch}, false);
    int64_t rows = x != NULL ? x->rows : 0;
    bool whole = h->last || h->at >= r->newest - USEC_PER_DAY;
    if (whole ? rows != h->logs : rows > h->logs)
        verify_tell(r->v, l, h->index, verify_int(r->v, h->logs), verify_int(r->v, rows),
                    "the openings of the heads recorded here are not all there");
    if (x == NULL)
        return;
    x->recorded = true;
    struct str root = verify_hex(r->v, &x->root);
    if (x->differs || x->leaves != h->logs || x->at != h->at || !str_eq(root, h->root))
        verify_tell(r->v, l, h->index, h->root, root,
                    "the openings of the heads recorded here are of another round");
    arena_reset(r->v->say);
}

/* When the first event of the instance's log happened that is still kept; 0: all are. */
static int64_t
kept_from(const struct rounds *r)
{
    struct region *g = NULL;
    size_t n = 0;
    int64_t from = INT64_MAX;
    if (regions_of(r->v->au, NULL, r->a, AUDIT_INSTANCE, &g, &n) != OK)
        return from;
    for (size_t i = 0; i < n; i++) {
        if (g[i].r.epoch == 0 && g[i].r.first == 0)
            return 0;
        if (month_ordinal_start(g[i].month) < from)
            from = month_ordinal_start(g[i].month);
    }
    return from;
}

static void
judge_all(struct rounds *r)
{
    int64_t from = kept_from(r);
    if (r->n_heard > 0)
        qsort(r->heard, r->n_heard, sizeof *r->heard, by_time);
    for (size_t i = 0; i < r->n_heard; i++) {
        r->heard[i].last = i + 1 == r->n_heard ||
                           r->heard[i + 1].at / USEC_PER_DAY != r->heard[i].at / USEC_PER_DAY;
        judge(r, &r->heard[i]);
    }
    for (size_t i = 0; i < r->n; i++)
        if (!r->list[i].recorded && r->list[i].at >= from)
            verify_tell(r->v, NULL, -1, STR_NULL, r->list[i].event,
                        "openings tell of a round that the installation's log does not hold");
}

void
verify_openings(struct verify *v)
{
    struct cx cx = *v->cx;
    struct rounds r = {.v = v, .a = arena_create("audit.verify.openings", OPENING_ARENA)};
    cx.arena = r.a;
    enum err e = cx_snapshot(&cx, take_snapshot, &r);
    if (e == OK)
        e = hear_moved(&cx, &r);
    if (e == OK)
        judge_all(&r);
    else if (e != ERR_NOT_FOUND) /* expired meanwhile */
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the openings can not be read");
    arena_free(r.a);
}
