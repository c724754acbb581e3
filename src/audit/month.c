/* The window of the log and the month end: the running month and the kept whole months before it
 * are shown and kept; what falls out is recorded as expired and then dropped, whole. */
#include "audit/custody.h"
#include "audit/priv.h"

#include <time.h>

#include "base/log.h"
#include "base/text.h"

#define KEEPER_US      (250 * USEC_PER_MS) /* between looks at what comes round */
#define MONTH_CHECK_US USEC_PER_MIN
#define MONTH_ARENA    ((size_t)128 << 20)

/* ---- window ---- */

void
audit_window(struct app *app, int64_t now, int64_t *since, int64_t *next_change)
{
    int64_t held = atomic_load(&app->audit->held_from);
    *since = month_start(now, -audit_months_kept(app));
    if (held < *since)
        *since = held;
    *next_change = month_start(now, 1);
}

int
audit_months_kept(struct app *app)
{
    return atomic_load(&app->audit->months_kept);
}

void
audit_set_months_kept(struct app *app, int months)
{
    atomic_store(&app->audit->months_kept, months < 4 ? 4 : months);
}

/* ---- legal holds ---- */

static const struct sql get_holds =
    SQL_READ("SELECT count(*), coalesce(min(kept_from), 0) FROM audit_hold WHERE ended_at IS NULL");

struct holding {
    int64_t n, from;
};

static enum err
read_holds(struct db_tx *tx, void *arg)
{
    struct holding *h = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &get_holds, NO_ARGS, &q));
    h->n = db_int(q, 0);
    h->from = db_int(q, 1);
    db_rows_end(q);
    return OK;
}

enum err
audit_refresh_holds(struct app *app)
{
    struct arena *a = arena_create("audit.holds", (size_t)1 << 20);
    struct holding h = {0};
    enum err e = db_read(app->db, a, read_holds, &h);
    if (e == OK)
        atomic_store(&app->audit->held_from, h.n > 0 ? h.from : INT64_MAX);
    arena_free(a);
    return e;
}

bool
audit_window_held(struct app *app)
{
    return atomic_load(&app->audit->held_from) != INT64_MAX;
}

/* ---- what a month held ---- */

struct digest {
    int32_t month;
    const struct region *g;
    struct sha256 sum;
};

static const struct sql read_leaves =
    SQL_READ2("SELECT idx, leaf FROM audit_event WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx",
              "SELECT idx, leaf FROM audit_event WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx");

#define LEAVES 8192 /* hashed at a time: sum = SHA-256(sum ‖ leaves) */

static enum err
add_leaves(struct db_tx *tx, struct digest *d, int64_t from, struct buf *b)
{
    struct db_rows *q = NULL;
    enum err e;
    buf_clear(b);
    buf_str(b, sha256_str(&d->sum));
    TRY(db_query(tx, &read_leaves,
                 ARGS(V_INT(d->month), V_INT(d->g->r.tenant_id), V_INT(d->g->r.epoch), V_INT(from),
                      V_INT(from + LEAVES)),
                 &q));
    while ((e = db_next(q)) == OK)
        buf_str(b, db_bytes(q, 1));
    if (e != ERR_END)
        return e;
    d->sum = sha256_of(buf_view(b));
    return OK;
}

static enum err
read_digest(struct db_tx *tx, void *arg)
{
    struct digest *d = arg;
    struct buf *b = buf_in(db_tx_arena(tx), (LEAVES + 1) * SHA256_LEN);
    d->sum = sha256_of(S(""));
    for (int64_t at = d->g->r.first; at < d->g->r.next; at += LEAVES)
        TRY(add_leaves(tx, d, at, b));
    return OK;
}

/* ---- recording the expiry ---- */

struct expiry {
    struct audit *au;
    int32_t month;
    struct region *g;
    struct digest *d;
    struct custody *c; /* of each log, before */
    size_t n;
    bool done_before; /* by a row, which is believed when the log says the same */
    bool told;        /* by the log */
};

#define RANGE_CHANGES 5
#define FACTS_MAX     900 /* of a record's 1,024 changes */

static const struct sql was_recorded = SQL_READ("SELECT count(*) FROM audit_drop WHERE month = $1");
static const struct sql put_drop =
    SQL_WRITE("audit_drop", "INSERT INTO audit_drop (month, at) VALUES ($1, $2)");

static enum err
record_one(struct cx *cx, const struct expiry *x, size_t i)
{
    const struct range *r = &x->g[i].r;
    struct str month =
        arena_fmt(cx->arena, "%04d-%02d", (int)(x->month / 12), (int)(x->month % 12 + 1));
    struct str hex = hex_in(cx->arena, sha256_str(&x->d[i].sum));
    const struct audit_change range[RANGE_CHANGES] = {
        {S("month"), month, STR_NULL},
        {S("count"), arena_fmt(cx->arena, "%lld", (long long)(r->next - r->first)), STR_NULL},
        {S("first index"), arena_fmt(cx->arena, "%lld", (long long)r->first), STR_NULL},
        {S("last index"), arena_fmt(cx->arena, "%lld", (long long)(r->next - 1)), STR_NULL},
        {S("digest"), hex, STR_NULL}};
    struct audit_change *changes =
        arena_array(cx->arena, struct audit_change, RANGE_CHANGES + FACTS_MAX);
    memcpy(changes, range, sizeof range);
    struct audit_entry e = {
        .event = EV_AUDIT_SEGMENT_DROPPED,
        .instance = r->tenant_id == INSTANCE_LOG,
        .target_kind = S("audit"),
        .target_id = month,
        .text = arena_fmt(cx->arena, "The events of %.*s expired: %lld events, index %lld to %lld.",
                          STR_ARG(month), (long long)(r->next - r->first), (long long)r->first,
                          (long long)(r->next - 1)),
        .changes = changes,
        .n_changes =
            RANGE_CHANGES + custody_facts(&x->c[i], cx->arena, month_ordinal_start(x->month + 1),
                                          changes + RANGE_CHANGES, FACTS_MAX)};
    return audit_record(cx, &e, NULL);
}

static enum err
record_expiry(struct cx *cx, void *arg)
{
    struct expiry *x = arg;
    struct holding h = {0};
    int64_t n = 0;
    TRY(db_try_lock(cx->tx, LOCK_MONTH));
    TRY(read_holds(cx->tx, &h)); /* placed since the window was read */
    if (h.n > 0)
        return ERR_CONFLICT;
    TRY(db_query_int(cx->tx, &was_recorded, ARGS(V_INT(x->month)), &n));
    x->done_before = n > 0;
    if (n > 0 && x->told)
        return OK;
    for (size_t i = 0; i < x->n; i++) {
        TRY(take_tenant(cx, x->g[i].r.tenant_id));
        TRY(record_one(cx, x, i));
    }
    if (x->n == 0 || x->done_before) /* nothing to say, nothing to note */
        return OK;
    return db_exec(cx->tx, &put_drop, ARGS(V_INT(x->month), V_INT(cx->now)), NULL);
}

static enum err
digests(struct audit *au, struct arena *a, struct expiry *x)
{
    struct segment *s = au->pg ? NULL : segment_pin(au, x->month);
    enum err e = OK;
    x->d = arena_array(a, struct digest, x->n + 1);
    for (size_t i = 0; i < x->n && e == OK; i++) {
        x->d[i] = (struct digest){.month = x->month, .g = &x->g[i]};
        e = db_read(s != NULL ? s->db : au->app->db, a, read_digest, &x->d[i]);
    }
    segment_unpin(au, s);
    return e;
}

/* What each log says before it loses the month, so that it can say it again. */
static enum err
read_custody(struct cx *cx, struct expiry *x)
{
    x->c = arena_array(cx->arena, struct custody, x->n + 1);
    TRY(mover_drain(x->au));
    TRY(mover_trim(x->au)); /* what is moved is read with its place and time */
    for (size_t i = 0; i < x->n; i++) {
        TRY(custody_read(cx, x->g[i].r.tenant_id, &x->c[i]));
        for (size_t k = 0; k < x->c[i].n_dropped; k++)
            x->told = x->told || x->c[i].dropped[k] == x->month;
    }
    return OK;
}

/* Recorded, moved, dropped, in this order: a crash between any two is taken up again. */
static enum err
expire(struct audit *au, int32_t month)
{
    struct arena *a = arena_create("audit.month", MONTH_ARENA);
    struct expiry x = {.au = au, .month = month};
    struct cx cx = cx_system(au->app, a, "Audit log", NULL);
    enum err e = regions_in(au, a, month, &x.g, &x.n);
    if (e == OK)
        e = digests(au, a, &x);
    if (e == OK)
        e = read_custody(&cx, &x);
    if (e == OK)
        e = cx_write(&cx, record_expiry, &x);
    if (e == OK)
        e = mover_drain(au);
    if (e == OK)
        e = mover_trim(au); /* the logs' sizes outlive the segment */
    if (e == OK)
        e = nodes_keep(au, month);
    if (e == OK)
        e = segment_drop(au, month);
    if (e == OK)
        log_info("audit.month_dropped", LOG_INT("year", month / 12),
                 LOG_INT("month", month % 12 + 1));
    else if (e != ERR_CONFLICT)
        log_error("audit.month", LOG_STR("store", db_last_error()));
    arena_free(a);
    return e;
}

static bool
expired(int32_t month, int64_t since)
{
    return month < month_ordinal(since);
}

/* ---- what the log itself says about it ---- */

/* All logs of the months that are kept, each once. */
static enum err
logs_kept(struct audit *au, struct arena *a, int64_t **out, size_t *n)
{
    int32_t *months = NULL;
    size_t n_months = 0, cap = 0;
    int64_t *v = NULL;
    *n = 0;
    TRY(segment_months(au, a, &months, &n_months));
    for (size_t i = 0; i < n_months; i++) {
        struct region *g = NULL;
        size_t k = 0;
        TRY(regions_in(au, a, months[i], &g, &k));
        for (size_t j = 0; j < k; j++) {
            bool known = false;
            for (size_t m = 0; m < *n && !known; m++)
                known = v[m] == g[j].r.tenant_id;
            if (known)
                continue;
            arena_grow(a, v, *n, &cap, 64);
            v[(*n)++] = g[j].r.tenant_id;
        }
    }
    *out = v;
    return OK;
}

/* The window's beginning by the log of the first workspace; the tables say no less, or are not believed. */
static struct str
why_not(struct audit *au, struct arena *a, const struct custody *c, int32_t month)
{
    const struct custody_hold *h = custody_standing(c);
    int64_t since = month_start(app_now(au->app), (int)-c->months.n);
    if (h != NULL)
        return arena_fmt(a,
                         "No month of the audit log expires: by event %lld of workspace %lld the "
                         "legal hold %.*s stands, and the table of holds does not say so",
                         (long long)custody_index(h->index), (long long)c->tenant_id,
                         STR_ARG(h->cuid));
    if (c->clock_held)
        return arena_fmt(a,
                         "No month of the audit log expires: by event %lld of the installation's "
                         "log the clock stepped, and nobody has confirmed it",
                         (long long)custody_index(c->clock_index));
    if (c->tenant_id == 0 && !expired(month, since))
        return arena_fmt(a,
                         "The month %04d-%02d of the audit log does not expire: by the log %lld "
                         "whole months are kept, and the setting says less",
                         (int)(month / 12), (int)(month % 12 + 1), (long long)c->months.n);
    return STR_NULL;
}

/* Rows of tables alone let no month go: what the log says stands in the way as well. */
static bool
log_allows(struct audit *au, int32_t month)
{
    struct arena *a = arena_create("audit.custody", MONTH_ARENA);
    struct cx cx = cx_system(au->app, a, "Audit log", NULL);
    struct str why = STR_NULL;
    int64_t *logs = NULL;
    size_t n = 0;
    enum err e = logs_kept(au, a, &logs, &n);
    for (size_t i = 0; i < n && e == OK && str_is_null(why); i++) {
        struct custody c = {0};
        e = custody_read(&cx, logs[i], &c);
        if (e == OK)
            why = why_not(au, a, &c, month);
    }
    if (e != OK)
        log_error("audit.month", LOG_STR("why", S("what the log says of holds can not be read")),
                  LOG_STR("store", db_last_error()));
    if (!str_is_null(why))
        custody_refuse(&cx, why);
    arena_free(a);
    return e == OK && str_is_null(why);
}

void
month_check(struct audit *au)
{
    int64_t since = 0, next = 0;
    int32_t *months = NULL;
    size_t n = 0;
    struct clock_reading now = clock_read();
    clock_watch(au, &now);
    drop_sweep(au);
    if (atomic_load(&au->hold_drops))
        return;
    if (audit_refresh_holds(au->app) != OK || audit_window_held(au->app))
        return; /* a month holds all logs: one legal hold keeps it for all */
    struct arena *a = arena_create("audit.months", MONTH_ARENA);
    audit_window(au->app, app_now(au->app), &since, &next);
    if (segment_months(au, a, &months, &n) == OK)
        for (size_t i = 0; i < n && expired(months[i], since); i++)
            if (!log_allows(au, months[i]) || expire(au, months[i]) != OK)
                break;
    arena_free(a);
}

void
audit_expire_now(struct app *app)
{
    month_check(app->audit);
}

/* ---- what is kept ---- */

/* Names of partitions are values here, not identifiers: they are bound. */
static const struct sql pg_bytes =
    SQL_READ2("SELECT 0", "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint"
                          " FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
                          " WHERE i.inhparent IN ('audit_event'::regclass,"
                          " 'audit_personal'::regclass, 'audit_party'::regclass,"
                          " 'audit_gram'::regclass, 'audit_chunk'::regclass)"
                          " AND right(c.relname, 8) = $1");

struct measuring {
    struct str suffix;
    int64_t bytes;
};

static enum err
read_bytes(struct db_tx *tx, void *arg)
{
    struct measuring *m = arg;
    return db_query_int(tx, &pg_bytes, ARGS(V_STR(m->suffix)), &m->bytes);
}

static int64_t
file_bytes(struct audit *au, int32_t month)
{
    int64_t events = 0, text = 0, free_bytes = 0, total = 0;
    struct segment *s = segment_pin(au, month);
    if (s == NULL)
        return 0;
    db_space(s->db, &events, &free_bytes, &total);
    db_space(s->text, &text, &free_bytes, &total);
    segment_unpin(au, s);
    return events + text;
}

static enum err
measure(struct audit *au, struct arena *a, int64_t tenant_id, struct audit_month *m)
{
    struct region *g = NULL;
    size_t n = 0;
    TRY(regions_in(au, a, m->month, &g, &n));
    for (size_t i = 0; i < n; i++)
        if (g[i].r.tenant_id == tenant_id)
            m->events += g[i].r.next - g[i].r.first;
    if (!au->pg) {
        m->bytes = file_bytes(au, m->month);
        return OK;
    }
    struct measuring b = {
        .suffix = arena_fmt(a, "_%04d_%02d", (int)(m->month / 12), (int)(m->month % 12 + 1))};
    TRY(db_read(au->app->db, a, read_bytes, &b));
    m->bytes = b.bytes;
    return OK;
}

enum err
audit_months(struct app *app, struct arena *a, int64_t tenant_id, struct audit_month **out,
             size_t *n)
{
    int32_t *months = NULL;
    size_t count = 0;
    TRY(segment_months(app->audit, a, &months, &count));
    struct audit_month *v = arena_array(a, struct audit_month, count + 1);
    for (size_t i = 0; i < count; i++) {
        v[i].month = months[i];
        TRY(measure(app->audit, a, tenant_id, &v[i]));
    }
    *out = v;
    *n = count;
    return OK;
}

/* ---- the thread for what comes round: folded counts, month end ---- */

void *
keeper_main(void *arg)
{
    struct audit *au = arg;
    int64_t looked = 0;
    while (!atomic_load(&au->stop)) {
        fold_wait(au, KEEPER_US);
        reserve_watch(au);
        fold_flush(au, false);
        if (looked == 0 || clock_monotonic() - looked > MONTH_CHECK_US) {
            month_check(au);
            looked = clock_monotonic();
        }
    }
    return NULL;
}
