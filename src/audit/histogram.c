/* How many events of a query happened from one time to the next: the bars above the list. Owns the
 * ways of counting; what passes a filter is list.c's.
 *
 * Newest first, until the query's budget of time is spent; what is left then is said. The ways:
 * - No filter: nothing is read for most events. `logged` never decreases with the gapless index, so
 *   a time becomes an index by search, and a count is a difference. Only events whose lag (logged −
 *   at, its bounds are kept for each region) leaves open on which side of a time they are, are read.
 * - One filter: the same, with the difference counted in the index that the filter has.
 * - Several: each event's time, without its texts.
 * - Text, or a request: events as the list reads them, candidates of the text index verified. */
#include "audit/scan.h"

#define SAMPLES 16    /* indexes looked at by one step of a search */
#define COARSE  256   /* of a whole region, once */
#define COUNTED 65536 /* indexes of one count: bounds the time between looks at the clock */
#define READ    16384 /* indexes of one statement that reads rows */

/* ---- which bar ---- */

void
tally_add(struct tally *t, int64_t at)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) { /* behind the last edge that is not later */
        size_t mid = lo + (hi - lo) / 2;
        if (t->edges[mid] <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo > 0 && lo < t->n)
        t->counts[lo - 1]++;
}

/* Everything from this index on is counted. The clock is looked at behind such progress only, so
 * that going on gets to the end. */
static void
came_to(struct scan *s, int64_t idx)
{
    s->last_position = position_of(s->g->r.epoch, idx);
    s->late = s->late || clock_monotonic() > s->deadline;
}

/* ---- a time becomes an index ---- */

#define SAMPLED(where)                                                                             \
    "WITH RECURSIVE s (i) AS (SELECT $4 UNION ALL SELECT i + $6 FROM s WHERE i + $6 < $5)"         \
    " SELECT s.i, (SELECT e.logged FROM audit_event e WHERE" where                                 \
    "AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx = s.i) FROM s"
static const struct sql sampled = SQL_READ2(SAMPLED(SEG_LITE), SAMPLED(" e.month = $1 "));

/* `logged` of every step-th index from lo on. */
struct samples {
    int64_t lo, step;
    size_t n;
    int64_t logged[COARSE];
};

static enum err
take_samples(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi, int64_t most,
             struct samples *out)
{
    struct db_rows *q = NULL;
    int64_t step = (hi - lo + most - 1) / most;
    enum err e;
    *out = (struct samples){.lo = lo, .step = step, .n = (size_t)((hi - lo + step - 1) / step)};
    TRY(db_query(tx, &sampled,
                 ARGS(V_INT(s->g->month), V_INT(s->log), V_INT(s->g->r.epoch), V_INT(lo), V_INT(hi),
                      V_INT(step)),
                 &q));
    while ((e = db_next(q)) == OK) {
        size_t k = (size_t)((db_int(q, 0) - lo) / step);
        if (k < out->n) /* an event that is missing is verify's to tell */
            out->logged[k] = db_is_null(q, 1) ? INT64_MIN : db_int(q, 1);
    }
    return e == ERR_END ? OK : e;
}

/* Narrows [*lo, *hi] to what the samples leave for the first event logged at t or later. */
static void
narrow_to(const struct samples *m, int64_t t, int64_t *lo, int64_t *hi)
{
    for (size_t k = 0; k < m->n; k++) {
        int64_t idx = m->lo + (int64_t)k * m->step;
        if (m->logged[k] >= t) {
            *hi = idx < *hi ? idx : *hi;
            break;
        }
        *lo = idx + 1 > *lo ? idx + 1 : *lo;
    }
    if (*lo > *hi)
        *lo = *hi;
}

struct search_by_time {
    struct scan *s;
    struct db_tx *tx;
    struct samples coarse;
};

/* The first index in [lo, hi) logged at t or later; hi when there is none. */
static enum err
first_at(struct search_by_time *m, int64_t t, int64_t lo, int64_t hi, int64_t *out)
{
    *out = hi;
    if (t > m->s->g->r.last_logged)
        return OK;
    narrow_to(&m->coarse, t, &lo, &hi);
    while (lo < hi) {
        struct samples some;
        TRY(take_samples(m->s, m->tx, lo, hi, SAMPLES, &some));
        narrow_to(&some, t, &lo, &hi);
    }
    *out = hi;
    return OK;
}

/* The same where it is likely to be close behind lo. */
static enum err
first_near(struct search_by_time *m, int64_t t, int64_t lo, int64_t hi, int64_t *out)
{
    int64_t end = hi - lo > SAMPLES ? lo + SAMPLES : hi;
    TRY(first_at(m, t, lo, end, out));
    return *out < end || end == hi ? OK : first_at(m, t, end, hi, out);
}

/* ---- reading times ---- */

/* The value of an index's column stands before the range: SQLite 3.40 would take the condition of the
 * partial index for a range, and walk through all of it. */
#define TIMES_BY(index, cond, also)                                                                \
    SQL_READ2("SELECT e.at FROM audit_event e " index WHERE_LITE cond RANGE also TIMES,            \
              "SELECT e.at FROM audit_event e" WHERE_PG cond RANGE also TIMES)
#define USER_TIMES USER_RANGE ANY_TYPE ANY_OUTCOME ANY_CLIENT TIMES
static const struct sql times[] = {
    [BY_INDEX] = TIMES_BY("", "", ANY_TYPE ANY_OUTCOME ANY_CLIENT),
    [BY_TYPE] = TIMES_BY("INDEXED BY audit_event_type", " AND e.type = $7", ANY_OUTCOME ANY_CLIENT),
    [BY_OUTCOME] = TIMES_BY("INDEXED BY audit_event_bad", " AND e.outcome = $8",
                            " AND e.outcome > 0" ANY_TYPE ANY_CLIENT),
    [BY_CLIENT] = TIMES_BY("INDEXED BY audit_event_client", " AND e.client_id = $9",
                           " AND e.client_id <> 0" ANY_TYPE ANY_OUTCOME),
    [BY_USER] = SQL_READ2("SELECT e.at FROM " USER_LITE WHERE_LITE USER_TIMES,
                          "SELECT e.at FROM " USER_PG " WHERE u.month = $1" USER_TIMES),
};

static enum err
read_times(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    struct db_rows *q = NULL;
    struct db_val v[] = {V_INT(s->g->month), V_INT(s->log),       V_INT(s->g->r.epoch),
                         V_INT(lo),          V_INT(hi),           V_INT(0),
                         V_INT(s->q.event),  V_INT(s->q.outcome), V_INT(s->q.client_id),
                         V_INT(s->from),     V_INT(s->to),        V_STR(s->user_id)};
    enum err e;
    TRY(db_query(tx, &times[s->driver], (struct db_args){v, s->driver == BY_USER ? 12u : 11u}, &q));
    while ((e = db_next(q)) == OK)
        tally_add(s->tally, db_int(q, 0));
    return e == ERR_END ? OK : e;
}

static enum err
count_rows(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    while (lo < hi && !s->late) {
        int64_t from = hi - lo > READ ? hi - READ : lo;
        TRY(read_times(s, tx, from, hi));
        hi = from;
        came_to(s, hi);
    }
    return OK;
}

/* ---- counting by one index: $1 month $2 log $3 epoch $4 lo $5 hi $6 value ---- */

/* On PostgreSQL the month is not asked for: it is in none of these indexes, and each entry's row would be read for
 * it. Indices of a log do not come again in another month. */
#define WHERE_ANY_PG " WHERE CAST($1 AS BIGINT) IS NOT NULL"
#define COUNT_BY(index, cond, also)                                                                \
    SQL_READ2("SELECT count(*) FROM audit_event e " index WHERE_LITE cond RANGE also,              \
              "SELECT count(*) FROM audit_event e" WHERE_ANY_PG cond RANGE also)
#define PARTY " AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 AND user_id = $6"
static const struct sql counted[] = {
    [BY_TYPE] = COUNT_BY("INDEXED BY audit_event_type", " AND e.type = $6", ""),
    [BY_OUTCOME] =
        COUNT_BY("INDEXED BY audit_event_bad", " AND e.outcome = $6", " AND e.outcome > 0"),
    [BY_CLIENT] =
        COUNT_BY("INDEXED BY audit_event_client", " AND e.client_id = $6", " AND e.client_id <> 0"),
    [BY_USER] = SQL_READ2("SELECT count(*) FROM audit_party WHERE $1 IS NOT NULL" PARTY,
                          "SELECT count(*) FROM audit_party WHERE month = $1" PARTY),
};

static int
filters(const struct scan *s)
{
    return (s->user_id.n > 0) + (s->q.event != EVENT_NONE) + (s->q.outcome >= 0) +
           (s->q.client_id != 0);
}

static enum err
count_by(struct scan *s, struct db_tx *tx, enum driver by, int64_t lo, int64_t hi,
         struct db_val value, int64_t *n)
{
    return db_query_int(
        tx, &counted[by],
        ARGS(V_INT(s->g->month), V_INT(s->log), V_INT(s->g->r.epoch), V_INT(lo), V_INT(hi), value),
        n);
}

/* Events [lo, hi) that pass the one filter. */
static enum err
count_piece(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi, int64_t *n)
{
    int64_t failed = 0, denied = 0;
    switch (s->driver) {
    case BY_USER:
        return count_by(s, tx, BY_USER, lo, hi, V_STR(s->user_id), n);
    case BY_TYPE:
        return count_by(s, tx, BY_TYPE, lo, hi, V_INT(s->q.event), n);
    case BY_CLIENT:
        return count_by(s, tx, BY_CLIENT, lo, hi, V_INT(s->q.client_id), n);
    case BY_OUTCOME:
        return count_by(s, tx, BY_OUTCOME, lo, hi, V_INT(s->q.outcome), n);
    case BY_INDEX:
        break;
    }
    /* Successes are in no index: all but the others. */
    TRY(count_by(s, tx, BY_OUTCOME, lo, hi, V_INT(OUTCOME_FAILURE), &failed));
    TRY(count_by(s, tx, BY_OUTCOME, lo, hi, V_INT(OUTCOME_DENIED), &denied));
    *n = hi - lo - failed - denied;
    return OK;
}

/* Events [lo, hi), all of them of one bar. */
static enum err
count_range(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi, int64_t *into)
{
    if (filters(s) == 0) {
        *into += hi > lo ? hi - lo : 0;
        return OK;
    }
    while (lo < hi && !s->late) {
        int64_t from = hi - lo > COUNTED ? hi - COUNTED : lo, n = 0;
        TRY(count_piece(s, tx, from, hi, &n));
        *into += n;
        hi = from;
        came_to(s, hi);
    }
    return OK;
}

/* ---- a region, edge by edge, from the last to the first ---- */

/* *at: where what is counted begins. What happened before the edge lies before `open`, what happened at it
 * or later from `behind` on; between them each event is looked at. */
static enum err
count_from_edge(struct search_by_time *m, size_t i, int64_t *at)
{
    struct scan *s = m->s;
    struct tally *t = s->tally;
    int64_t open, behind;
    TRY(first_at(m, t->edges[i] + s->g->r.min_lag, s->lo, *at, &open));
    TRY(first_near(m, t->edges[i] + s->g->r.max_lag + 1, open, *at, &behind));
    if (i + 1 < t->n)
        TRY(count_range(s, m->tx, behind, *at, &t->counts[i]));
    if (!s->late)
        TRY(count_rows(s, m->tx, open, behind));
    if (!s->late && open < *at)
        came_to(s, open);
    *at = open;
    return OK;
}

static enum err
count_by_edges(struct scan *s, struct db_tx *tx)
{
    struct search_by_time m = {.s = s, .tx = tx};
    const struct tally *t = s->tally;
    int64_t at = s->hi;
    if (at - s->lo > SAMPLES)
        TRY(take_samples(s, tx, s->lo, at, COARSE, &m.coarse));
    for (size_t i = t->n; i-- > 0 && at > s->lo && !s->late;)
        if (i + 1 == t->n || t->edges[i] < t->edges[i + 1])
            TRY(count_from_edge(&m, i, &at));
    return OK;
}

/* From when on the counts are whole: what was not looked at was logged before, and happened at most
 * the region's least lag later. */
static enum err
note_bound(struct scan *s, struct db_tx *tx)
{
    int64_t idx = position_index(s->last_position), logged = s->g->r.last_logged;
    if (idx < s->g->r.next)
        TRY(scan_logged(s, tx, idx, &logged));
    s->last_at = logged - s->g->r.min_lag + 1;
    return OK;
}

enum err
tally_region(struct scan *s, struct db_tx *tx)
{
    int n = filters(s);
    s->last_position = position_of(s->g->r.epoch, s->hi);
    if (s->search.n > 0 || s->q.request.n > 0) {
        TRY(scan_events(s, tx));
    } else if (n <= 1) {
        TRY(count_by_edges(s, tx));
    } else {
        TRY(scan_narrow(s, tx));
        TRY(count_rows(s, tx, s->lo, s->hi));
    }
    return s->late ? note_bound(s, tx) : OK;
}

/* ---- the query ---- */

/* What older regions hold may have happened later than what was counted, if their clocks said so. */
static void
note_older(struct scan *s, const struct region *g, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (g[i].r.last_logged - g[i].r.min_lag + 1 > s->last_at)
            s->last_at = g[i].r.last_logged - g[i].r.min_lag + 1;
}

static enum err
run(struct scan *s)
{
    struct region *g = NULL;
    size_t n = 0;
    int64_t since = 0, next = 0;
    audit_window(s->au->app, app_now(s->au->app), &since, &next);
    TRY(regions_of(s->au, s->au->pg ? s->cx->tx : NULL, s->cx->arena, s->log, &g, &n));
    while (n > 0 && g[n - 1].month < month_ordinal(since))
        n--; /* newest first: they end with what has left the window */
    for (size_t i = 0; i < n && !s->late; i++) {
        s->g = &g[i];
        if (scan_clip(s))
            TRY(scan_read_region(s));
        if (s->late)
            note_older(s, g + i + 1, n - i - 1);
    }
    return OK;
}

/* The dates asked for bound the bars, too: edges beyond them fall together. */
static struct tally *
tally_new(const struct scan *s, const int64_t *edges, size_t n)
{
    struct tally *t = arena_new(s->cx->arena, struct tally);
    int64_t *v = arena_array(s->cx->arena, int64_t, n);
    for (size_t i = 0; i < n; i++)
        v[i] = edges[i] < s->from ? s->from : edges[i] > s->to ? s->to : edges[i];
    *t = (struct tally){v, n, arena_array(s->cx->arena, int64_t, n - 1)};
    return t;
}

static enum err
count(struct scan *s, const int64_t *edges, size_t n, struct audit_bars *out)
{
    TRY(scan_prepare(s));
    int64_t newest = newest_in(s->au->app, s->cx->tx, s->q.tenant_id, s->q.instance);
    if (s->q.before < 0 || s->q.before > newest + 1)
        s->q.before = newest + 1; /* what comes while this is counted is not in it */
    s->tally = tally_new(s, edges, n);
    s->from = s->q.from = s->tally->edges[0];
    s->to = s->q.to = s->tally->edges[n - 1];
    s->want = INT32_MAX;
    TRY(run(s));
    *out = (struct audit_bars){.counts = s->tally->counts,
                               .complete = !s->late,
                               .whole_from = s->late ? s->last_at : 0,
                               .next = s->late ? s->last_position : -1,
                               .newest = newest};
    return OK;
}

enum err
audit_histogram(struct cx *cx, const struct audit_query *q, const int64_t *edges, size_t n,
                struct audit_bars *out)
{
    struct scan s;
    scan_begin(&s, cx, q);
    s.q.ascending = false;
    s.q.offset = 0;
    enum err e = count(&s, edges, n, out);
    scan_end(&s);
    return e;
}
