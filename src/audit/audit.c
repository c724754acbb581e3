/* The life of the log: opening, threads, waking, settling, stopping; and its numbers. */
#include "audit/priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/rand.h"

#define SCRATCH     ((size_t)64 << 20)
#define MONTHS_KEPT 4 /* whole months before the running one: never under 120 days */

static void
init_locks(struct audit *au)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&au->lock, NULL);
    pthread_mutex_init(&au->mover, NULL);
    pthread_mutex_init(&au->indexer, NULL);
    pthread_mutex_init(&au->wake_lock, NULL);
    pthread_cond_init(&au->moved, &attr);
    pthread_cond_init(&au->wake, &attr);
    pthread_cond_init(&au->hurry, &attr);
    pthread_cond_init(&au->index_wake, &attr);
    pthread_condattr_destroy(&attr);
}

static void
free_audit(struct audit *au)
{
    heads_close(au);
    segments_close(au);
    mover_fini(au);
    index_fini(au);
    mover_lock_close(au);
    reserve_close(au);
    fold_free(au->fold);
    pthread_cond_destroy(&au->index_wake);
    pthread_cond_destroy(&au->hurry);
    pthread_cond_destroy(&au->wake);
    pthread_cond_destroy(&au->moved);
    pthread_mutex_destroy(&au->wake_lock);
    pthread_mutex_destroy(&au->indexer);
    pthread_mutex_destroy(&au->mover);
    pthread_mutex_destroy(&au->lock);
    free(au);
}

enum err
audit_open(struct app *app, const struct audit_options *o, struct str *why)
{
    struct audit *au = calloc(1, sizeof *au);
    if (au == NULL)
        BUG("out of memory");
    au->app = app;
    au->arena = app->arena;
    au->options = *o;
    if (au->options.readers < 1)
        au->options.readers = 1;
    au->pg = db_kind(app->db) == DB_POSTGRES;
    au->fold = fold_new();
    au->wakes = 1; /* what an earlier run left in the tail is moved at start */
    atomic_store(&au->months_kept, MONTHS_KEPT);
    atomic_store(&au->held_from, INT64_MAX);
    snprintf(au->id, sizeof au->id, "%016llx", (unsigned long long)rand_u64());
    atomic_store(&au->writable, true);
    audit_coverage_abort(app->coverage_abort);
    init_locks(au);
    enum err e = segments_open(au, why);
    if (e == OK)
        e = mover_lock_open(au, why);
    if (e != OK) {
        free_audit(au);
        return e;
    }
    app->audit = au;
    return OK;
}

static void
start_thread(pthread_t *t, void *(*fn)(void *), struct audit *au)
{
    if (pthread_create(t, NULL, fn, au) != 0)
        BUG("no thread for the audit log");
}

void
audit_start(struct app *app)
{
    struct audit *au = app->audit;
    if (au->options.read_only || au->started)
        return;
    reserve_open(au);
    struct clock_reading now = clock_read();
    clock_watch(au, &now); /* before anything asks whether drops are held */
    au->started = true;    /* from here on there is a mover to wait for */
    start_thread(&au->mover_thread, mover_main, au);
    start_thread(&au->index_thread, index_main, au);
    start_thread(&au->keeper_thread, keeper_main, au);
    start_thread(&au->sign_thread, sign_main, au);
}

static void
stop_threads(struct audit *au)
{
    pthread_mutex_lock(&au->wake_lock);
    atomic_store(&au->stop, true);
    pthread_cond_broadcast(&au->wake);
    pthread_cond_broadcast(&au->hurry);
    pthread_cond_broadcast(&au->index_wake);
    pthread_mutex_unlock(&au->wake_lock);
    pthread_join(au->sign_thread, NULL);
    pthread_join(au->keeper_thread, NULL);
    pthread_join(au->index_thread, NULL);
    pthread_join(au->mover_thread, NULL);
    au->started = false;
    atomic_store(&au->stop, false);
}

/* Another process may have the mover's lock for a moment. */
static enum err
move_patiently(struct audit *au)
{
    enum err e = ERR_CONFLICT;
    for (int i = 0; i < 400 && e == ERR_CONFLICT; i++) {
        struct timespec nap = {0, i ? 5000000 : 0};
        (void)nanosleep(&nap, NULL);
        e = mover_drain(au);
        if (e == OK)
            e = mover_trim(au);
    }
    return e;
}

void
audit_stop(struct app *app)
{
    struct audit *au = app->audit;
    if (au == NULL || au->options.read_only)
        return;
    fold_flush(au, true);
    if (au->started)
        stop_threads(au);
    if (move_patiently(au) != OK)
        log_warn("audit.tail_left", LOG_STR("store", db_last_error()));
    else if (sign_round(au) != OK) /* it says so itself; the next start signs */
        return;
}

enum err
audit_refresh(struct app *app)
{
    struct audit *au = app->audit;
    return au->pg || !au->options.read_only ? OK : segments_refresh(au);
}

void
audit_close(struct app *app)
{
    if (app->audit == NULL)
        return;
    if (app->audit->started)
        stop_threads(app->audit);
    free_audit(app->audit);
    app->audit = NULL;
}

void
audit_wake(void *arg)
{
    struct app *app = arg;
    struct audit *au = app->audit;
    if (au == NULL)
        return;
    pthread_mutex_lock(&au->wake_lock);
    au->wakes++;
    pthread_cond_signal(&au->wake);
    pthread_mutex_unlock(&au->wake_lock);
    mover_let_catch_up(au);
}

/* ---- settling ---- */

static uint64_t
done_now(struct audit *au)
{
    pthread_mutex_lock(&au->wake_lock);
    uint64_t d = au->done;
    pthread_mutex_unlock(&au->wake_lock);
    return d;
}

static bool
settle_local(struct audit *au, int64_t deadline)
{
    struct timespec until = {deadline / USEC_PER_SEC, (deadline % USEC_PER_SEC) * 1000};
    pthread_mutex_lock(&au->wake_lock);
    uint64_t target = au->wakes;
    pthread_mutex_unlock(&au->wake_lock);
    pthread_mutex_lock(&au->lock);
    while (done_now(au) < target && pthread_cond_timedwait(&au->moved, &au->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&au->lock);
    return done_now(au) >= target;
}

static const struct sql tail_first = SQL_READ("SELECT coalesce(min(seq), 0) FROM audit_tail");
static const struct sql tail_last = SQL_READ("SELECT coalesce(max(seq), 0) FROM audit_tail");

struct ask {
    const struct sql *q;
    int64_t v;
};

static enum err
read_int(struct db_tx *tx, void *arg)
{
    struct ask *s = arg;
    return db_query_int(tx, s->q, NO_ARGS, &s->v);
}

/* Several servers: what others committed is seen in the tail only. */
static bool
settle_shared(struct audit *au, int64_t deadline)
{
    struct arena *a = arena_create("audit.settle", SCRATCH);
    struct ask last = {&tail_last, 0}, first = {&tail_first, 0};
    struct timespec nap = {0, 5000000};
    enum err e = db_read(au->app->db, a, read_int, &last);
    bool settled = e == OK && last.v == 0;
    while (e == OK && !settled && clock_monotonic() < deadline) {
        e = db_read(au->app->db, a, read_int, &first);
        settled = e == OK && (first.v == 0 || first.v > last.v);
        if (e == OK && !settled)
            (void)nanosleep(&nap, NULL);
    }
    arena_free(a);
    return settled;
}

bool
audit_settle(struct app *app, int timeout_ms)
{
    struct audit *au = app->audit;
    int64_t deadline = clock_monotonic() + timeout_ms * USEC_PER_MS;
    if (au == NULL || au->options.read_only || !au->started)
        return true; /* nothing moves here */
    pthread_mutex_lock(&au->wake_lock);
    atomic_fetch_add(&au->settling, 1);
    pthread_cond_signal(&au->hurry);
    pthread_mutex_unlock(&au->wake_lock);
    bool settled = settle_local(au, deadline);
    if (au->pg)
        settled = settle_shared(au, deadline); /* which holds what we committed as well */
    atomic_fetch_sub(&au->settling, 1);
    return settled;
}

enum err
audit_move_out(struct app *app)
{
    return move_patiently(app->audit);
}

enum err
audit_move_now(struct app *app)
{
    TRY(move_patiently(app->audit));
    TRY(sign_round(app->audit));
    return index_all(app->audit);
}

void
audit_flush(struct app *app)
{
    fold_flush(app->audit, true);
}

void
audit_hold(struct app *app)
{
    pthread_mutex_lock(&app->audit->mover);
    if (mover_lock_wait(app->audit) != OK)
        log_warn("audit.hold", LOG_STR("detail", S("the mover's lock can not be taken")));
}

void
audit_release(struct app *app)
{
    mover_lock_give(app->audit);
    pthread_mutex_unlock(&app->audit->mover);
}

/* ---- numbers ---- */

static const struct sql pg_newest =
    SQL_READ("SELECT epoch, size FROM audit_log WHERE tenant_id = $1 AND size > 0"
             " ORDER BY epoch DESC LIMIT 1");

struct newest {
    int64_t tenant_id, position;
};

static enum err
read_newest(struct db_tx *tx, void *arg)
{
    struct newest *n = arg;
    struct db_rows *q = NULL;
    enum err e = db_query_one(tx, &pg_newest, ARGS(V_INT(n->tenant_id)), &q);
    if (e != OK)
        return e;
    n->position = position_of(db_int(q, 0), db_int(q, 1) - 1);
    db_rows_end(q);
    return OK;
}

int64_t
audit_cursor(const struct audit_event *e)
{
    return position_of(e->epoch, e->index);
}

int64_t
audit_cursor_epoch(int64_t cursor)
{
    return position_epoch(cursor);
}

int64_t
audit_newest(struct app *app, int64_t tenant_id, bool instance)
{
    return newest_in(app, NULL, tenant_id, instance);
}

/* With tx (a read of the main store that is open already) the heads are read in it. */
int64_t
newest_in(struct app *app, struct db_tx *tx, int64_t tenant_id, bool instance)
{
    struct audit *au = app->audit;
    struct newest n = {instance ? INSTANCE_LOG : tenant_id, -1};
    if (au->pg) {
        struct arena *a = arena_create("audit.newest", SCRATCH);
        if ((tx ? read_newest(tx, &n) : db_read(app->db, a, read_newest, &n)) != OK)
            n.position = -1;
        arena_free(a);
        return n.position;
    }
    pthread_mutex_lock(&au->lock);
    struct log_state *l = log_find(au, n.tenant_id);
    if (l != NULL && l->size > 0)
        n.position = position_of(l->epoch, l->size - 1);
    pthread_mutex_unlock(&au->lock);
    return n.position;
}

static const struct sql tail_count = SQL_READ("SELECT count(*) FROM audit_tail WHERE seq > $1");
static const struct sql tail_oldest =
    SQL_READ("SELECT public FROM audit_tail WHERE seq > $1 ORDER BY seq LIMIT 1");

struct tail_ask {
    int64_t after, n, oldest;
};

static enum err
read_tail_state(struct db_tx *tx, void *arg)
{
    struct tail_ask *t = arg;
    struct db_rows *q = NULL;
    struct record r = {0};
    TRY(db_query_int(tx, &tail_count, ARGS(V_INT(t->after)), &t->n));
    if (t->n == 0 || db_query_one(tx, &tail_oldest, ARGS(V_INT(t->after)), &q) != OK)
        return OK;
    if (record_get_public(db_bytes(q, 0), &r) == OK)
        t->oldest = r.e.at;
    db_rows_end(q);
    return OK;
}

static int64_t
unindexed(struct audit *au)
{
    int64_t lag = 0;
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_segments; i++)
        for (size_t k = 0; k < au->segments[i]->ranges.n; k++) {
            const struct range *r = &au->segments[i]->ranges.v[k];
            lag += r->next - (r->indexed > r->first ? r->indexed : r->first);
        }
    pthread_mutex_unlock(&au->lock);
    return lag;
}

void
audit_stats(struct app *app, struct audit_stats *out)
{
    struct audit *au = app->audit;
    struct arena *a = arena_create("audit.stats", SCRATCH);
    struct tail_ask t = {.after = 0};

    pthread_mutex_lock(&au->lock); /* the mover writes it */
    t.after = au->pg ? 0 : au->moved_to;
    pthread_mutex_unlock(&au->lock);
    bool readable = db_read(app->db, a, read_tail_state, &t) == OK;
    arena_free(a);
    *out = (struct audit_stats){
        .tail = t.n,
        .moved = atomic_load(&au->n_moved),
        .indexed_lag = unindexed(au),
        .folded = atomic_load(&au->n_folded),
        .oldest_tail_age_us = t.oldest ? app_now(app) - t.oldest : 0,
        .writable = readable && atomic_load(&au->writable) && !reserve_is_tight(au),
    };
}
