/* The verifier and the list of whom an event is about: each row is implied by an event, and each
 * event's people are listed. The list is in the order of people, the events in their own; so sums of
 * keyed hashes per run of indices are compared, and where they differ the run is looked at exactly. */
#include "audit/verify_priv.h"

#include <stdlib.h>

#define RUN         4096 /* indices of a sum */
#define PARTY_BATCH 20000
#define EXACT_RUNS  8 /* looked at exactly, a month and log */
#define PARTY_ARENA ((size_t)512 << 20)

struct run_sum {
    uint64_t sum;
    int64_t n;
};

struct vparties {
    int64_t first, next;
    struct run_sum *events, *rows; /* per run; heap */
    size_t n;
};

static uint64_t
mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Keyed with what nobody outside this run knows: sums can not be made to fit. */
uint64_t
verify_sum(const struct verify *v, struct str s, uint64_t n)
{
    uint64_t h = mix(n ^ v->key[0]);
    for (size_t i = 0; i < s.n; i += 8) {
        uint64_t part = 0;
        memcpy(&part, s.p + i, s.n - i < 8 ? s.n - i : 8);
        h = mix(h ^ part) + v->key[1];
    }
    return mix(h ^ s.n);
}

struct vparties *
parties_begin(struct walk *w)
{
    const struct range *r = &w->m->r;
    struct vparties *p = arena_new(w->v->a, struct vparties);
    p->first = r->first;
    p->next = r->next;
    p->n = r->next > r->first ? (size_t)((r->next - r->first) / RUN) + 1 : 1;
    p->events = calloc(p->n, sizeof *p->events);
    p->rows = calloc(p->n, sizeof *p->rows);
    if (p->events == NULL || p->rows == NULL)
        BUG("out of memory");
    return p;
}

static void
add(const struct vparties *p, struct run_sum *sums, int64_t idx, uint64_t h)
{
    if (idx < p->first || idx >= p->next)
        return;
    struct run_sum *s = &sums[(idx - p->first) / RUN];
    s->sum += h;
    s->n++;
}

/* Whom an event is about: as the mover lists it. */
static size_t
parties_of(const struct audit_event *e, struct str out[2])
{
    size_t n = 0;
    if (e->actor_id.n)
        out[n++] = e->actor_id;
    if (str_eq(e->target_kind, S("user")) && e->target_id.n && !str_eq(e->target_id, e->actor_id))
        out[n++] = e->target_id;
    return n;
}

void
parties_see(struct walk *w, const struct audit_event *e)
{
    struct str who[2];
    size_t n = parties_of(e, who);
    for (size_t i = 0; i < n; i++)
        add(w->parties, w->parties->events, e->index, verify_sum(w->v, who[i], (uint64_t)e->index));
}

/* ---- the rows ---- */

#define ROWS(where)                                                                                \
    "SELECT user_id, idx FROM audit_party WHERE" where "AND tenant_id = $2 AND epoch = $3"         \
    " AND (user_id, idx) > ($4, $5) ORDER BY user_id, idx LIMIT $6"
static const struct sql get_rows = SQL_READ2(ROWS(SEG_LITE), ROWS(SEG_PG));

struct paging {
    struct walk *w;
    struct str user;
    int64_t idx;
    int64_t n;
    struct arena *a;
};

static enum err
read_rows(struct db_tx *tx, void *arg)
{
    struct paging *g = arg;
    struct walk *w = g->w;
    struct db_rows *q = NULL;
    enum err e;
    struct str user = g->user;
    int64_t idx = g->idx;
    g->n = 0;
    TRY(db_query(tx, &get_rows,
                 ARGS(V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch),
                      V_STR(user), V_INT(idx), V_INT(PARTY_BATCH)),
                 &q));
    while ((e = db_next(q)) == OK) {
        g->n++;
        idx = db_int(q, 1);
        add(w->parties, w->parties->rows, idx, verify_sum(w->v, db_text(q, 0), (uint64_t)idx));
        if (g->n == PARTY_BATCH)
            g->user = arena_str(g->a, db_text(q, 0));
    }
    g->idx = idx;
    return e == ERR_END ? OK : e;
}

static enum err
sum_rows(struct walk *w)
{
    struct paging g = {.w = w, .user = S(""), .idx = INT64_MIN};
    enum err e = OK;
    g.a = arena_create("audit.verify.party", PARTY_ARENA);
    do {
        struct str last = g.user;
        int64_t idx = g.idx;
        e = db_read(walk_store(w, false), w->a, read_rows, &g);
        arena_reset(w->a);
        if (e == OK && g.n == PARTY_BATCH && str_eq(last, g.user) && idx >= g.idx)
            e = ERR_DB; /* the file's own order is broken */
    } while (e == OK && g.n == PARTY_BATCH);
    arena_free(g.a);
    return e;
}

/* ---- where sums differ ---- */

struct party {
    int64_t idx;
    struct str user;
    bool row; /* as listed; else as the event implies */
};

struct exact {
    struct walk *w;
    int64_t lo, hi;
    struct arena *a;
    struct party *v;
    size_t n, cap;
};

static void
collect(struct exact *x, int64_t idx, struct str user, bool row)
{
    arena_grow(x->a, x->v, x->n, &x->cap, 1024);
    x->v[x->n++] = (struct party){idx, arena_str(x->a, user), row};
}

#define RUN_ROWS(where)                                                                            \
    "SELECT user_id, idx FROM audit_party WHERE" where "AND tenant_id = $2 AND epoch = $3"         \
    " AND idx >= $4 AND idx < $5"
static const struct sql run_rows = SQL_READ2(RUN_ROWS(SEG_LITE), RUN_ROWS(SEG_PG));
#define RUN_EVENTS(where)                                                                          \
    "SELECT idx, public FROM audit_event WHERE" where "AND tenant_id = $2 AND epoch = $3"          \
    " AND idx >= $4 AND idx < $5"
static const struct sql run_events = SQL_READ2(RUN_EVENTS(SEG_LITE), RUN_EVENTS(SEG_PG));

static enum err
read_run(struct db_tx *tx, void *arg)
{
    struct exact *x = arg;
    struct walk *w = x->w;
    struct db_val v[] = {V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch),
                         V_INT(x->lo), V_INT(x->hi)};
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &run_rows, (struct db_args){v, 5}, &q));
    while ((e = db_next(q)) == OK)
        collect(x, db_int(q, 1), db_text(q, 0), true);
    if (e != ERR_END)
        return e;
    TRY(db_query(tx, &run_events, (struct db_args){v, 5}, &q));
    while ((e = db_next(q)) == OK) {
        struct record r = {0};
        struct str who[2];
        if (record_get_public(db_bytes(q, 1), &r) != OK)
            continue;
        size_t n = parties_of(&r.e, who);
        for (size_t i = 0; i < n; i++)
            collect(x, db_int(q, 0), who[i], false);
    }
    return e == ERR_END ? OK : e;
}

static int
by_place(const void *a, const void *b)
{
    const struct party *x = a, *y = b;
    if (x->idx != y->idx)
        return x->idx < y->idx ? -1 : 1;
    int c = str_cmp(x->user, y->user);
    return c != 0 ? c : (int)x->row - (int)y->row;
}

static void
compare(struct exact *x)
{
    struct verify *v = x->w->v;
    if (x->n > 0)
        qsort(x->v, x->n, sizeof *x->v, by_place);
    for (size_t i = 0; i < x->n; i++) {
        const struct party *p = &x->v[i];
        if (i + 1 < x->n && !p->row && x->v[i + 1].row && p->idx == x->v[i + 1].idx &&
            str_eq(p->user, x->v[i + 1].user)) {
            i++;
            continue;
        }
        if (p->row)
            verify_tell(v, x->w->l, p->idx, STR_NULL, p->user,
                        "the event is listed for somebody it is not about");
        else
            verify_tell(v, x->w->l, p->idx, p->user, STR_NULL,
                        "the event is not listed for somebody it is about");
    }
}

static void
look_closer(struct walk *w, int64_t lo, int64_t hi)
{
    struct exact x = {.w = w, .lo = lo, .hi = hi};
    int64_t before = w->v->res->findings;
    x.a = arena_create("audit.verify.exact", PARTY_ARENA);
    enum err e = db_snapshot(walk_store(w, false), x.a, read_run, &x);
    if (e == OK)
        compare(&x);
    if (w->v->res->findings == before)
        verify_tell(w->v, w->l, lo, STR_NULL, STR_NULL,
                    "whom the events %lld to %lld are about is not what is listed of them",
                    (long long)lo, (long long)hi - 1);
    arena_free(x.a);
}

void
parties_end(struct walk *w)
{
    struct vparties *p = w->parties;
    int looked = 0;
    enum err e = sum_rows(w);
    if (e != OK)
        verify_tell(w->v, w->l, -1, STR_NULL, db_last_error(),
                    "the list of whom the events are about can not be read");
    for (size_t i = 0; i < p->n && e == OK && looked < EXACT_RUNS; i++) {
        if (p->events[i].sum == p->rows[i].sum && p->events[i].n == p->rows[i].n)
            continue;
        int64_t lo = p->first + (int64_t)i * RUN;
        look_closer(w, lo, lo + RUN < p->next ? lo + RUN : p->next);
        looked++;
    }
}

void
parties_free(struct walk *w)
{
    if (w->parties == NULL)
        return;
    free(w->parties->events);
    free(w->parties->rows);
    w->parties = NULL;
}
