/* The verifier and erased events: a personal part is missing only where an erasure row stands, and a
 * row is right only when the log says so itself: an event ErasureRowsChosen of a request that two
 * people or seven days stand behind names the event, the part the person has in it, and the time. Also
 * what was chosen is gone once the log says that the person is erased. Deep only; whether requests
 * themselves were lawful is verify_custody.c's. */
#include "audit/custody.h"
#include "audit/verify_priv.h"

#include <stdlib.h>

#define ERASURE_ARENA ((size_t)1 << 30) /* some 60 bytes an erased event */
#define TRIES         5                 /* while erasures go on beside the verifier */
#define TOLD_MAX      200               /* findings of one run; the others are counted */

struct chosen {
    int64_t log, position;
    int64_t at, choice; /* position of the event that chose it */
    int part;
    bool row; /* found */
};

struct request {
    const struct custody_request *q;
    int64_t tenant_id;
    struct chosen *v; /* by log and position */
    size_t n, cap;
    bool bad;
};

struct candidate {
    int64_t log, position;
    struct str expected, found, what;
};

struct erasures {
    struct verify *v;
    struct arena *a; /* of one try */
    struct request *r;
    size_t n, cap;
    struct request *last; /* rows come in the order of requests */
    size_t seen;          /* events of custody */
    int32_t month;
    struct candidate *c;
    size_t n_c, untold;
};

static struct str
number(struct erasures *x, int64_t n)
{
    return arena_fmt(x->a, "%lld", (long long)n);
}

static void
suspect(struct erasures *x, int64_t log, int64_t position, struct str expected, struct str found,
        struct str what)
{
    if (x->n_c == TOLD_MAX) {
        x->untold++;
        return;
    }
    x->c[x->n_c++] = (struct candidate){
        log, position, str_is_null(expected) ? STR_NULL : arena_str(x->a, expected),
        str_is_null(found) ? STR_NULL : arena_str(x->a, found), arena_str(x->a, what)};
}

/* ---- what the log says was chosen ---- */

static int
by_place(const void *a, const void *b)
{
    const struct chosen *x = a, *y = b;
    if (x->log != y->log)
        return x->log < y->log ? -1 : 1;
    return x->position == y->position ? 0 : x->position < y->position ? -1 : 1;
}

static void
choose(struct erasures *x, struct request *r, const struct chosen *one)
{
    arena_grow(x->a, r->v, r->n, &r->cap, 256);
    r->v[r->n++] = *one;
}

/* "workspace 0": "5-9:1,12:4". */
static void
read_rows(struct erasures *x, struct request *r, const struct custody_choice *k,
          const struct audit_change *rows)
{
    struct str name = rows->field, log = STR_NULL, rest = rows->after;
    int64_t epoch = 0, first = 0, last = 0;
    int part = 0;
    if (!str_cut(&name, ' ', &log) || str_int64(name, &epoch) != OK || epoch < 0)
        return;
    while (custody_rows_next(&rest, &first, &last, &part) && last - first < INT32_MAX)
        for (int64_t i = first; i <= last; i++) {
            const struct chosen one = {.log = str_eq(log, S("instance")) ? AUDIT_INSTANCE
                                                                         : r->tenant_id,
                                       .position = position_of(epoch, i),
                                       .at = k->at,
                                       .choice = k->index,
                                       .part = part};
            choose(x, r, &one);
        }
}

static void
add_request(struct erasures *x, const struct custody_request *q, int64_t tenant_id)
{
    arena_grow(x->a, x->r, x->n, &x->cap, 16);
    struct request *r = &x->r[x->n++];
    *r = (struct request){.q = q, .tenant_id = tenant_id};
    for (size_t i = 0; i < q->n_choices; i++)
        for (size_t k = 0; k < q->choices[i].n; k++)
            read_rows(x, r, &q->choices[i], &q->choices[i].rows[k]);
    if (r->n > 0)
        qsort(r->v, r->n, sizeof *r->v, by_place);
}

static enum err
read_custody(struct erasures *x, const int64_t *logs, size_t n, bool keep)
{
    struct cx cx = *x->v->cx;
    cx.arena = x->a;
    cx.failure = (struct failure){0};
    x->seen = 0;
    for (size_t i = 0; i < n; i++) {
        struct custody *c = arena_new(x->a, struct custody);
        if (logs[i] == AUDIT_INSTANCE)
            continue;
        TRY(custody_read(&cx, logs[i], c));
        x->seen += c->seen;
        for (size_t k = 0; keep && k < c->n_requests; k++)
            if (c->requests[k].n_choices > 0)
                add_request(x, &c->requests[k], logs[i]);
    }
    return OK;
}

/* ---- rows ---- */

#define ROWS(on, where)                                                                            \
    "SELECT x.request, x.tenant_id, x.epoch, x.idx, x.person, x.part, x.at, x.inner_hash,"         \
    " e.public, e.leaf FROM audit_erasure x LEFT JOIN audit_event e ON" on                         \
    " e.tenant_id = x.tenant_id AND e.epoch = x.epoch AND e.idx = x.idx WHERE" where               \
    "ORDER BY x.request, x.tenant_id, x.epoch, x.idx"
static const struct sql get_rows =
    SQL_READ2(ROWS("", " $1 IS NOT NULL "), ROWS(" e.month = x.month AND", " x.month = $1 "));

struct row {
    int64_t log, position, part, at;
    struct str request, person, inner, pub, leaf;
};

static struct request *
request_of(struct erasures *x, struct str cuid)
{
    if (x->last != NULL && str_eq(x->last->q->cuid, cuid))
        return x->last;
    for (size_t i = 0; i < x->n; i++)
        if (str_eq(x->r[i].q->cuid, cuid))
            return x->last = &x->r[i];
    return NULL;
}

/* First of those at the row's place; NULL: it was not chosen. */
static struct chosen *
find_chosen(const struct request *r, const struct row *w)
{
    const struct chosen key = {.log = w->log, .position = w->position};
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (by_place(&r->v[mid], &key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n && by_place(&r->v[lo], &key) == 0 ? &r->v[lo] : NULL;
}

/* An event may have been chosen twice, when a crash came in between: one of the choices is the row's. */
static void
check_choice(struct erasures *x, struct request *r, const struct row *w)
{
    struct chosen *first = find_chosen(r, w), *end = r->v + r->n, *fit = NULL;
    if (first == NULL) {
        suspect(x, w->log, w->position, STR_NULL, w->request,
                arena_fmt(x->a,
                          "the event is marked as erased by the request %.*s, which did not choose "
                          "it",
                          STR_ARG(w->request)));
        return;
    }
    for (struct chosen *k = first; k < end && by_place(k, first) == 0; k++) {
        k->row = true;
        if (k->part == w->part && k->at == w->at)
            fit = k;
    }
    if (!str_eq(w->person, r->q->person))
        suspect(x, w->log, w->position, r->q->person, w->person,
                arena_fmt(x->a,
                          "the person of the event's erasure row is not the one that event %lld "
                          "erases",
                          (long long)custody_index(first->choice)));
    if (fit != NULL)
        return;
    if (first->part != w->part)
        suspect(x, w->log, w->position, number(x, first->part), number(x, w->part),
                arena_fmt(x->a,
                          "the part of the event's erasure row is not the one that event %lld says",
                          (long long)custody_index(first->choice)));
    if (first->at != w->at)
        suspect(x, w->log, w->position, number(x, first->at), number(x, w->at),
                arena_fmt(x->a,
                          "the time (at) of the event's erasure row is not the one that event %lld "
                          "says",
                          (long long)custody_index(first->choice)));
}

static void
check_inner(struct erasures *x, const struct row *w)
{
    struct sha256 inner = {{0}};
    if (str_is_null(w->pub)) {
        suspect(x, w->log, w->position, STR_NULL, STR_NULL,
                S("an erasure row belongs to no event"));
        return;
    }
    if (w->inner.n == SHA256_LEN)
        memcpy(inner.b, w->inner.p, SHA256_LEN);
    struct sha256 leaf = record_leaf_inner(w->pub, inner);
    if (!str_eq(sha256_str(&leaf), w->leaf))
        suspect(x, w->log, w->position, STR_NULL, STR_NULL,
                S("the inner hash of the event's erasure row does not lead to its leaf entry"));
}

static void
check_row(struct erasures *x, const struct row *w)
{
    struct request *r = request_of(x, w->request);
    check_inner(x, w);
    if (r == NULL)
        suspect(x, w->log, w->position, STR_NULL, w->request,
                S("the event is marked as erased by a request that the log does not know"));
    else if (w->log != AUDIT_INSTANCE && w->log != r->tenant_id)
        suspect(x, w->log, w->position, STR_NULL, w->request,
                S("the event is marked as erased by a request of another workspace"));
    else
        check_choice(x, r, w);
}

static enum err
read_month(struct db_tx *tx, void *arg)
{
    struct erasures *x = arg;
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_rows, ARGS(V_INT(x->month)), &q));
    while ((e = db_next(q)) == OK) {
        const struct row w = {.request = db_text(q, 0),
                              .log = db_int(q, 1),
                              .position = position_of(db_int(q, 2), db_int(q, 3)),
                              .person = db_text(q, 4),
                              .part = db_int(q, 5),
                              .at = db_int(q, 6),
                              .inner = db_bytes(q, 7),
                              .pub = db_is_null(q, 8) ? STR_NULL : db_bytes(q, 8),
                              .leaf = db_bytes(q, 9)};
        check_row(x, &w);
    }
    return e == ERR_END ? OK : e;
}

static enum err
read_months(struct erasures *x)
{
    int32_t *months = NULL;
    size_t n = 0;
    enum err e = segment_months(x->v->au, x->a, &months, &n);
    for (size_t i = 0; i < n && e == OK; i++) {
        struct segment *s = x->v->au->pg ? NULL : segment_pin(x->v->au, months[i]);
        struct arena *a = arena_create("audit.verify.erasure", ERASURE_ARENA);
        x->month = months[i];
        if (x->v->au->pg || s != NULL)
            e = db_snapshot(s != NULL ? s->db : x->v->au->app->db, a, read_month, x);
        arena_free(a);
        segment_unpin(x->v->au, s);
    }
    return e;
}

/* ---- what was chosen, and has no row ---- */

/* Whether the event is kept: what expired took its row along. */
static bool
is_kept(const struct region *g, size_t n, int64_t position)
{
    for (size_t i = 0; i < n; i++)
        if (g[i].r.epoch == position_epoch(position) && position_index(position) >= g[i].r.first &&
            position_index(position) < g[i].r.next)
            return true;
    return false;
}

static enum err
check_gone(struct erasures *x, const struct request *r)
{
    struct region *g[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    if (r->q->told_at == 0) /* it runs: what is left will go */
        return OK;
    for (int i = 0; i < 2; i++)
        TRY(regions_of(x->v->au, NULL, x->a, i == 0 ? r->tenant_id : AUDIT_INSTANCE, &g[i], &n[i]));
    for (size_t i = 0; i < r->n; i++) {
        const struct chosen *k = &r->v[i];
        int which = k->log == AUDIT_INSTANCE;
        bool same = i > 0 && by_place(&r->v[i - 1], k) == 0;
        if (!k->row && !same && is_kept(g[which], n[which], k->position))
            suspect(x, k->log, k->position, STR_NULL, r->q->cuid,
                    arena_fmt(x->a, "event %lld erased the event, and its erasure row is missing",
                              (long long)custody_index(k->choice)));
    }
    return OK;
}

/* ---- the run ---- */

static void
tell_all(struct erasures *x)
{
    for (size_t i = 0; i < x->n_c; i++) {
        const struct candidate *c = &x->c[i];
        const struct vlog *l =
            verify_log(x->v, (struct log_id){c->log, position_epoch(c->position)}, false);
        verify_tell(x->v, l, position_index(c->position), c->expected, c->found, "%.*s",
                    STR_ARG(c->what));
    }
    if (x->untold > 0)
        verify_tell(x->v, NULL, -1, STR_NULL, verify_int(x->v, (int64_t)x->untold),
                    "more erasure rows are not what the log says");
}

/* False: erasures went on meanwhile, and what was found may be of two moments. */
static enum err
look(struct erasures *x, bool *stable)
{
    int64_t *logs = NULL;
    struct erasures after = {.v = x->v, .a = x->a};
    size_t n = verify_custody_logs(x->v, &logs);
    x->c = arena_array(x->a, struct candidate, TOLD_MAX);
    TRY(read_custody(x, logs, n, true));
    TRY(read_months(x));
    for (size_t i = 0; i < x->n; i++)
        TRY(check_gone(x, &x->r[i]));
    *stable = true;
    if (x->n_c == 0)
        return OK;
    TRY(read_custody(&after, logs, n, false));
    *stable = after.seen == x->seen;
    return OK;
}

void
verify_erasures(struct verify *v)
{
    bool stable = false;
    for (int i = 0; i < TRIES && !stable; i++) {
        struct erasures x = {.v = v, .a = arena_create("audit.verify.erasure", ERASURE_ARENA)};
        enum err e = look(&x, &stable);
        if (e != OK) {
            stable = true;
            verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the erasures can not be read");
        } else if (stable) {
            tell_all(&x);
        }
        arena_free(x.a);
    }
    if (!stable)
        verify_note(v, "The erasures could not be compared: they went on all the while.");
}
