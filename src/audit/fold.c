/* Folding of floods: events that change nothing (wrong passwords, denials) are recorded in
 * transactions of their own; repeats of the same (log, event, key) beyond the first ten within a
 * window of ten seconds are counted in memory and recorded as one event with a count. What a caller
 * does not wait for is kept here, too, for a few milliseconds. All that is kept is written by the
 * keeper, many events to a transaction. A crash loses at most what is kept. Owns the table of
 * counts and the list of what waits; decides nothing about the events. */
#include "audit/priv.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"

#define WINDOW_US       (10 * USEC_PER_SEC)
#define FIRST_SINGLY    10
#define KEYS_MAX        10000 /* keys of one window; further ones share one entry per event type */
#define BUCKETS         16384
#define ADDRESSES_KEPT  16 /* most frequent ones remembered exactly enough (space saving) */
#define ADDRESSES_SHOWN 3
#define SKETCH_BITS     4096 /* linear counting: distinct addresses to a few per cent up to 10,000 */
#define ENTRY_ARENA     ((size_t)4 << 20)
#define BATCH_MAX       64   /* events of one transaction: it keeps the writer for a millisecond */
#define KEPT_MAX        1000 /* events on their way to the keeper; further ones are counted */
#define KEPT_ARENA      ((size_t)64 << 20)
#define GATHER_NS       5000000L /* between the first of them and the transaction: others come along */

struct address {
    struct str text;
    int64_t n;
    char space[64];
};

struct counter {
    struct counter *next;
    struct arena *arena; /* holds the copies below */
    int64_t tenant_id;
    bool instance;
    enum event event;
    struct str key;
    int64_t seen;   /* in this window, singly recorded ones included */
    int64_t folded; /* not recorded yet */
    int64_t first, last;
    struct cx cx; /* of the first folded one, texts copied */
    struct audit_entry entry;
    struct address addresses[ADDRESSES_KEPT];
    size_t n_addresses;
    uint8_t *sketch; /* SKETCH_BITS, from the first folded event on */
};

/* An event that waits for the keeper, whole. */
struct kept {
    struct kept *next;
    struct cx cx;
    struct audit_entry entry;
    struct str key;
};

struct batch {
    struct arena *arena; /* of all of them; NULL: there is none */
    struct kept *first, **last;
    size_t n;
};

struct fold {
    pthread_mutex_t lock;
    pthread_cond_t wake; /* something is kept */
    struct batch kept;
    struct counter *buckets[BUCKETS];
    size_t n;
    int64_t window; /* start of the running window, monotonic */
};

struct fold *
fold_new(void)
{
    struct fold *f = calloc(1, sizeof *f);
    if (f == NULL)
        BUG("out of memory");
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    f->window = clock_monotonic();
    return f;
}

static void
counter_free(struct counter *c)
{
    arena_free(c->arena);
    free(c->sketch);
    free(c);
}

void
fold_free(struct fold *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct counter *c = f->buckets[i], *next; c != NULL; c = next) {
            next = c->next;
            counter_free(c);
        }
    if (f->kept.arena != NULL)
        arena_free(f->kept.arena);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

/* ---- the table ---- */

static struct counter **
bucket(struct fold *f, int64_t tenant_id, enum event e, struct str key)
{
    uint64_t h = str_hash(key) ^ ((uint64_t)tenant_id * UINT64_C(0x9e3779b97f4a7c15)) ^
                 ((uint64_t)e * UINT64_C(0xc2b2ae3d27d4eb4f));
    return &f->buckets[(h ^ h >> 32) % BUCKETS];
}

static bool
is_instance(const struct cx *cx, const struct audit_entry *e)
{
    return e->instance || !cx->tenant.known;
}

static struct counter *
counter_of(struct fold *f, const struct cx *cx, const struct audit_entry *e, struct str key)
{
    bool instance = is_instance(cx, e);
    int64_t tenant = instance ? INSTANCE_LOG : cx->tenant.id;
    for (int pass = 0; pass < 2; pass++) {
        struct counter **b = bucket(f, tenant, e->event, key);
        for (struct counter *c = *b; c != NULL; c = c->next)
            if (c->tenant_id == tenant && c->event == e->event && str_eq(c->key, key))
                return c;
        if (pass == 0 && f->n >= KEYS_MAX) {
            key = S("\x01overflow"); /* no caller's key begins with a control character */
            continue;
        }
        struct counter *c = calloc(1, sizeof *c);
        if (c == NULL)
            BUG("out of memory");
        c->arena = arena_create("audit.fold", ENTRY_ARENA);
        c->tenant_id = tenant;
        c->instance = instance;
        c->event = e->event;
        c->key = arena_str(c->arena, key);
        c->next = *b;
        *b = c;
        f->n++;
        return c;
    }
    return NULL;
}

/* ---- counting ---- */

static void
note_address(struct counter *c, struct str address)
{
    struct address *least = NULL;
    address = str_sub(address, 0, sizeof c->addresses[0].space);
    if (address.n == 0)
        return;
    uint64_t bit = str_hash(address) % SKETCH_BITS;
    c->sketch[bit / 8] |= (uint8_t)(1u << (bit % 8));
    for (size_t i = 0; i < c->n_addresses; i++) {
        if (str_eq(c->addresses[i].text, address)) {
            c->addresses[i].n++;
            return;
        }
        if (least == NULL || c->addresses[i].n < least->n)
            least = &c->addresses[i];
    }
    if (c->n_addresses < ADDRESSES_KEPT)
        least = &c->addresses[c->n_addresses++];
    memcpy(least->space, address.p, address.n);
    least->text = str_mem(least->space, address.n);
    least->n++;
}

/* −n ln(share of empty bits), without libm: the harmonic sum of the hits it took to set them. */
static int64_t
distinct(const struct counter *c)
{
    int64_t set = 0, scaled = 0;
    for (size_t i = 0; i < SKETCH_BITS; i++)
        set += c->sketch[i / 8] >> (i % 8) & 1;
    for (int64_t k = 0; k < set && k < SKETCH_BITS - 1; k++)
        scaled += 1000 * SKETCH_BITS / (SKETCH_BITS - k);
    return (scaled + 500) / 1000;
}

static struct str
copy(struct arena *a, struct str s)
{
    return str_is_null(s) ? s : arena_str(a, s);
}

static struct cx
copy_context(struct arena *a, const struct cx *cx)
{
    struct cx c = *cx;
    c.arena = NULL;
    c.tx = NULL;
    c.grants = NULL;
    c.failure = (struct failure){0};
    c.tenant.cuid = copy(a, cx->tenant.cuid);
    c.actor.cuid = copy(a, cx->actor.cuid);
    c.actor.name = copy(a, cx->actor.name);
    c.actor.email = copy(a, cx->actor.email);
    c.actor.session = copy(a, cx->actor.session);
    c.address = copy(a, cx->address);
    c.via = copy(a, cx->via);
    c.user_agent = copy(a, cx->user_agent);
    c.request_id = copy(a, cx->request_id);
    return c;
}

static struct audit_entry
copy_entry(struct arena *a, const struct audit_entry *e)
{
    struct audit_entry c = *e;
    c.text = copy(a, e->text);
    c.target_kind = copy(a, e->target_kind);
    c.target_id = copy(a, e->target_id);
    c.target_name = copy(a, e->target_name);
    c.target_email = copy(a, e->target_email);
    c.client_name = copy(a, e->client_name);
    c.private_detail = copy(a, e->private_detail);
    c.changes = NULL;
    c.n_changes = 0;
    return c;
}

static void
count(struct counter *c, const struct cx *cx, const struct audit_entry *e)
{
    if (c->sketch == NULL) {
        c->sketch = calloc(1, SKETCH_BITS / 8);
        if (c->sketch == NULL)
            BUG("out of memory");
        c->cx = copy_context(c->arena, cx);
        c->cx.address = c->cx.via = c->cx.user_agent = c->cx.request_id =
            STR_NULL; /* one of many */
        c->entry = copy_entry(c->arena, e);
        c->first = cx->now;
    }
    c->folded += e->count > 1 ? e->count : 1;
    c->last = cx->now;
    note_address(c, cx->address);
}

/* ---- recording ---- */

static enum err
record_body(struct cx *cx, void *arg)
{
    const struct audit_entry *e = arg;
    return audit_record(cx, e, NULL);
}

static enum err
record(const struct cx *from, const struct audit_entry *e)
{
    struct cx cx = *from; /* the caller's failure stays his own */
    struct audit_entry entry = *e;
    cx.failure = (struct failure){0};
    cx.tx = NULL;
    return cx_write(&cx, record_body, &entry);
}

/* With the lock: counts the event and says whether it is one of those recorded singly. On a full
 * disk all are counted: the reserve is for changes. */
static bool
is_single(struct audit *au, const struct cx *cx, const struct audit_entry *e, struct str key)
{
    struct counter *c = counter_of(au->fold, cx, e, key);
    if (c->seen++ < FIRST_SINGLY && !reserve_is_tight(au))
        return true;
    count(c, cx, e);
    atomic_fetch_add(&au->n_folded, 1);
    return false;
}

bool
audit_fold(struct cx *cx, const struct audit_entry *e, struct str fold_key)
{
    struct audit *au = cx->app->audit;
    pthread_mutex_lock(&au->fold->lock);
    bool single = is_single(au, cx, e, fold_key);
    pthread_mutex_unlock(&au->fold->lock);
    return single;
}

void
audit_fold_later(struct cx *cx, const struct audit_entry *e, struct str fold_key)
{
    struct audit *au = cx->app->audit;
    pthread_mutex_lock(&au->fold->lock);
    count(counter_of(au->fold, cx, e, fold_key), cx, e);
    pthread_mutex_unlock(&au->fold->lock);
    atomic_fetch_add(&au->n_folded, 1);
}

void
audit_record_apart(struct cx *cx, const struct audit_entry *e, struct str fold_key)
{
    if (cx->tx != NULL)
        BUG("audit_record_apart inside a transaction: %s", event_type(e->event)->name);
    if (audit_fold(cx, e, fold_key) && record(cx, e) != OK)
        audit_fold_later(cx, e, fold_key);
}

/* ---- what nobody waits for ---- */

static void
keep(struct batch *b, const struct cx *cx, const struct audit_entry *e, struct str key)
{
    if (b->arena == NULL) {
        b->arena = arena_create("audit.kept", KEPT_ARENA);
        b->last = &b->first;
    }
    struct kept *k = arena_new(b->arena, struct kept);
    k->cx = copy_context(b->arena, cx);
    k->entry = copy_entry(b->arena, e);
    k->key = arena_str(b->arena, key);
    *b->last = k;
    b->last = &k->next;
    b->n++;
}

void
audit_record_soon(struct cx *cx, const struct audit_entry *e, struct str fold_key)
{
    struct audit *au = cx->app->audit;
    struct fold *f = au->fold;
    pthread_mutex_lock(&f->lock);
    if (is_single(au, cx, e, fold_key)) {
        if (f->kept.n < KEPT_MAX) {
            keep(&f->kept, cx, e, fold_key);
            if (f->kept.n == 1)
                pthread_cond_signal(&f->wake);
        } else {
            count(counter_of(f, cx, e, fold_key), cx, e);
            atomic_fetch_add(&au->n_folded, 1);
        }
    }
    pthread_mutex_unlock(&f->lock);
}

void
fold_wait(struct audit *au, int64_t us)
{
    struct fold *f = au->fold;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += us / USEC_PER_SEC;
    end.tv_nsec += us % USEC_PER_SEC * 1000;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    pthread_mutex_lock(&f->lock);
    while (f->kept.n == 0 && pthread_cond_timedwait(&f->wake, &f->lock, &end) == 0)
        ;
    bool some = f->kept.n > 0;
    pthread_mutex_unlock(&f->lock);
    if (some)
        (void)nanosleep(&(struct timespec){.tv_nsec = GATHER_NS}, NULL);
}

/* Up to BATCH_MAX events from *k on; *k goes on to the next ones when they are recorded. */
static enum err
record_some(struct cx *cx, void *arg)
{
    struct kept **k = arg, *at = *k;
    for (int i = 0; i < BATCH_MAX && at != NULL; i++, at = at->next) {
        struct cx c = at->cx;
        c.arena = cx->arena;
        c.tx = cx->tx;
        TRY(audit_record(&c, &at->entry, NULL));
    }
    return OK;
}

static struct kept *
next_batch(struct kept *k)
{
    for (int i = 0; i < BATCH_MAX && k != NULL; i++)
        k = k->next;
    return k;
}

static void
flush_kept(struct audit *au)
{
    pthread_mutex_lock(&au->fold->lock);
    struct batch b = au->fold->kept;
    au->fold->kept = (struct batch){0};
    pthread_mutex_unlock(&au->fold->lock);
    if (b.n == 0)
        return;
    struct kept *k = b.first;
    for (struct kept *next; k != NULL; k = next) {
        struct arena *a = arena_create("audit.flush", KEPT_ARENA);
        struct cx cx = cx_system(au->app, a, "audit", NULL);
        next = next_batch(k);
        if (cx_write(&cx, record_some, &k) != OK) /* when the store takes writes again, as counts */
            for (; k != next; k = k->next)
                audit_fold_later(&k->cx, &k->entry, k->key);
        arena_free(a);
    }
    arena_free(b.arena);
}

/* ---- flushing ---- */

static int
by_count(const void *a, const void *b)
{
    const struct address *x = a, *y = b;
    return x->n > y->n ? -1 : x->n < y->n;
}

/* "… — 120 more between 10:21:11 and 10:21:20 UTC from 3 addresses: 203.0.113.9 (100), …" */
static struct str
counted_text(struct arena *a, struct counter *c)
{
    struct civil f = civil_of(c->first), l = civil_of(c->last);
    struct buf *b = buf_in(a, (size_t)64 << 10);
    buf_str(b, str_sub(c->entry.text, 0, 4000));
    buf_fmt(b, " (%lld more between %02d:%02d:%02d and %02d:%02d:%02d UTC", (long long)c->folded,
            f.hour, f.minute, f.second, l.hour, l.minute, l.second);
    if (c->n_addresses > 0) {
        struct address top[ADDRESSES_KEPT];
        long long n = distinct(c);
        memcpy(top, c->addresses, sizeof top);
        for (size_t i = 0; i < c->n_addresses; i++) /* the views point into the original */
            top[i].text = c->addresses[i].text;
        qsort(top, c->n_addresses, sizeof top[0], by_count);
        if (n < (long long)c->n_addresses)
            n = (long long)c->n_addresses;
        buf_fmt(b, " from %lld address%s: ", n, n == 1 ? "" : "es");
        for (size_t i = 0; i < c->n_addresses && i < ADDRESSES_SHOWN; i++)
            buf_fmt(b, "%s%.*s (%lld)", i ? ", " : "", STR_ARG(top[i].text), (long long)top[i].n);
        buf_cstr(b, (size_t)n > ADDRESSES_SHOWN ? ", …" : "");
    }
    buf_char(b, ')');
    return buf_view(b);
}

static enum err
flush_one(struct cx *from, struct counter *c)
{
    struct cx cx = c->cx;
    struct audit_entry e = c->entry;
    cx.arena = from->arena;
    cx.tx = from->tx;
    cx.now = c->last;
    if (c->n_addresses == 1)
        cx.address = c->addresses[0].text;
    e.text = counted_text(cx.arena, c);
    e.count = c->folded;
    return audit_record(&cx, &e, NULL);
}

struct portion {
    struct counter *v[BATCH_MAX];
    size_t n;
};

static enum err
flush_body(struct cx *cx, void *arg)
{
    const struct portion *p = arg;
    for (size_t i = 0; i < p->n; i++)
        TRY(flush_one(cx, p->v[i]));
    return OK;
}

/* Takes the whole table out, so that recording needs no lock. */
static struct counter *
take_all(struct fold *f)
{
    struct counter *all = NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        while (f->buckets[i] != NULL) {
            struct counter *c = f->buckets[i];
            f->buckets[i] = c->next;
            c->next = all;
            all = c;
        }
    f->n = 0;
    f->window = clock_monotonic();
    return all;
}

/* The store refused: the counts go back and are tried again after the next window. */
static void
put_back(struct fold *f, struct counter *c)
{
    pthread_mutex_lock(&f->lock);
    struct counter **b = bucket(f, c->tenant_id, c->event, c->key);
    for (struct counter *o = *b; o != NULL; o = o->next)
        if (o->tenant_id == c->tenant_id && o->event == c->event && str_eq(o->key, c->key))
            c->seen += o->seen; /* both stand beside each other until flushed */
    c->next = *b;
    *b = c;
    f->n++;
    pthread_mutex_unlock(&f->lock);
}

static void
flush_portion(struct audit *au, struct portion *p)
{
    struct arena *a = arena_create("audit.flush", KEPT_ARENA);
    struct cx cx = cx_system(au->app, a, "audit", NULL);
    bool done = p->n == 0 || cx_write(&cx, flush_body, p) == OK;
    for (size_t i = 0; i < p->n; i++) {
        struct counter *c = p->v[i];
        if (done) {
            counter_free(c);
            continue;
        }
        log_warn("audit.fold", LOG_STR("event", str_of(event_type(c->event)->name)),
                 LOG_INT("count", c->folded));
        put_back(au->fold, c);
    }
    p->n = 0;
    arena_free(a);
}

void
fold_flush(struct audit *au, bool all)
{
    struct fold *f = au->fold;
    struct portion p = {.n = 0};
    flush_kept(au);
    if (!all && reserve_is_tight(au))
        return;
    pthread_mutex_lock(&f->lock);
    bool due = all || clock_monotonic() - f->window >= WINDOW_US;
    struct counter *list = due ? take_all(f) : NULL;
    pthread_mutex_unlock(&f->lock);
    while (list != NULL) {
        struct counter *c = list;
        list = c->next;
        if (c->folded == 0) {
            counter_free(c);
            continue;
        }
        p.v[p.n++] = c;
        if (p.n == BATCH_MAX)
            flush_portion(au, &p);
    }
    flush_portion(au, &p);
}
