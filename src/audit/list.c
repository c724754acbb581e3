/* Reading the log: one query object in, a page of events out, newest first or oldest first. Owns
 * the plan: which segments, which indexes, scan or candidates; and the time budget. The index
 * tables are read by search.c, rows are verified here.
 *
 * Cost is bounded at any offset: without filters the offset is arithmetic on the gapless index,
 * with filters the budget ends the scan and the page says how far back it looked. */
#include "audit/list_priv.h"

#include <ctype.h>

#include "base/log.h"
#include "base/text.h"
#include "codec/textkey.h"

#define LIMIT_MAX   1000
#define BUDGET_MS   250
#define SETTLE_MS   200
#define SCAN_BATCH  512   /* rows of one statement when the text has to be looked at */
#define SCAN_PIECE  65536 /* indexes of one statement, however few of them pass its filters */
#define OLDER_MAX   1000
#define CHECK_EVERY 16 /* rows between looks at the clock */
#define SCRATCH     ((size_t)64 << 20)
#define DOC_MAX     ((size_t)8 << 20)

/* ---- statements ----
 * $1 month $2 log $3 epoch $4 lo $5 hi $6 limit $7 type $8 outcome $9 client $10 from $11 to $12 user */

/* The personal part by a subquery and, on PostgreSQL, the event behind a fence (OFFSET 0): while a
 * young partition has no statistics, a join would be planned as a product of the whole log. */
#define PERSONAL(month)                                                                            \
    "(SELECT p.personal FROM audit_personal p WHERE " month                                        \
    " p.tenant_id = e.tenant_id AND p.epoch = e.epoch AND p.idx = e.idx) AS personal"
#define COLS_LITE "SELECT e.idx, e.public, " PERSONAL("") ", e.leaf FROM "
#define COLS_PG   "SELECT e.idx, e.public, " PERSONAL("p.month = $1 AND") ", e.leaf FROM "
#define DESC      " ORDER BY e.idx DESC LIMIT $6"
#define ASC       " ORDER BY e.idx LIMIT $6"
#define USER_DESC " ORDER BY u.idx DESC LIMIT $6"
#define USER_ASC  " ORDER BY u.idx LIMIT $6"

#define BY(index, cond, order)                                                                     \
    SQL_READ2(COLS_LITE "audit_event e " index WHERE_LITE RANGE cond TIMES order,                  \
              COLS_PG "audit_event e" WHERE_PG RANGE cond TIMES order)
#define BY_PARTY(order)                                                                            \
    SQL_READ2(                                                                                     \
        COLS_LITE USER_LITE WHERE_LITE USER_RANGE ANY_TYPE ANY_OUTCOME ANY_CLIENT TIMES order,     \
        COLS_PG USER_PG                                                                            \
        " WHERE u.month = $1" USER_RANGE ANY_TYPE ANY_OUTCOME ANY_CLIENT TIMES order)
#define BOTH(index, cond)                                                                          \
    {                                                                                              \
        BY(index, cond, DESC), BY(index, cond, ASC)                                                \
    }

static const struct sql scans[][2] = {
    [BY_INDEX] = BOTH("", ANY_TYPE ANY_OUTCOME ANY_CLIENT),
    [BY_TYPE] = BOTH("INDEXED BY audit_event_type", " AND e.type = $7" ANY_OUTCOME ANY_CLIENT),
    [BY_OUTCOME] = BOTH("INDEXED BY audit_event_bad",
                        " AND e.outcome > 0 AND e.outcome = $8" ANY_TYPE ANY_CLIENT),
    [BY_CLIENT] = BOTH("INDEXED BY audit_event_client",
                       " AND e.client_id <> 0 AND e.client_id = $9" ANY_TYPE ANY_OUTCOME),
    [BY_USER] = {BY_PARTY(USER_DESC), BY_PARTY(USER_ASC)},
};

/* Candidates, sixteen at a time: a round trip each would rule the cost on PostgreSQL. There they are
 * looked up one by one behind a fence, too: an IN is planned as a filter over the whole month, as long
 * as a young partition has no statistics. A place left over holds the index -1, which no event has. */
#define PICKS 16
#define PICKED_LITE                                                                                \
    " AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx IN ($4, $5, $6, $7, $8, $9, $10, $11, $12,"  \
    " $13, $14, $15, $16, $17, $18, $19)"
#define PICKED_PG                                                                                   \
    "SELECT x.idx, x.public, x.personal, x.leaf FROM (VALUES ($4::bigint), ($5), ($6), ($7), ($8)," \
    " ($9), ($10), ($11), ($12), ($13), ($14), ($15), ($16), ($17), ($18), ($19)) v (idx)"          \
    " CROSS JOIN LATERAL (" COLS_PG "audit_event e" WHERE_PG                                        \
    " AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx = v.idx OFFSET 0) x"
#define PICK_ROWS(order)                                                                           \
    SQL_READ2(COLS_LITE "audit_event e" WHERE_LITE PICKED_LITE " ORDER BY e.idx" order,            \
              PICKED_PG " ORDER BY x.idx" order)
static const struct sql picked[2] = {PICK_ROWS(" DESC"), PICK_ROWS("")};
static const struct sql logged_at = SQL_READ2("SELECT logged FROM audit_event WHERE" SEG_LITE
                                              "AND tenant_id = $2 AND epoch = $3 AND idx = $4",
                                              "SELECT logged FROM audit_event WHERE" SEG_PG
                                              "AND tenant_id = $2 AND epoch = $3 AND idx = $4");
static const struct sql by_cuid =
    SQL_READ2(COLS_LITE "audit_event e" WHERE_LITE " AND e.tenant_id = $2 AND e.cuid = $3 LIMIT 1",
              COLS_PG "audit_event e" WHERE_PG " AND e.tenant_id = $2 AND e.cuid = $3 LIMIT 1");

/* ---- one row ---- */

static bool
is_address(const struct scan *s, struct str email)
{
    return str_eq(text_key(s->scratch, email), s->user_key);
}

static bool
passes(const struct scan *s, const struct audit_event *e)
{
    if (e->at < s->from || e->at >= s->to)
        return false;
    if (s->q.event != EVENT_NONE && e->type != s->q.event)
        return false;
    if (s->q.outcome >= 0 && (int)e->outcome != s->q.outcome)
        return false;
    if (s->q.client_id != 0 && e->client_id != s->q.client_id)
        return false;
    if (s->q.request.n && !str_eq(e->request_id, s->q.request))
        return false;
    if (s->user_id.n && !str_eq(e->actor_id, s->user_id) &&
        !(str_eq(e->target_kind, S("user")) && str_eq(e->target_id, s->user_id)))
        return false;
    if (s->user_email.n && !is_address(s, e->actor_email) && !is_address(s, e->target_email))
        return false;
    return true;
}

/* Which log and month a row is of, and the transaction it is read in. */
struct place {
    struct db_tx *tx;
    int32_t month;
    int64_t log;
};

/* Decodes a row in the arena; the texts view `pub` and `per`. */
static enum err
decode(struct arena *a, const struct place *at, struct str pub, bool erased, struct str per,
       struct record *r)
{
    TRY(record_get_public(pub, r));
    return erased ? erased_fill(at->tx, a, at->month, at->log, &r->e)
                  : record_get_personal(a, per, r);
}

static enum err
keep(struct arena *a, const struct place *at, const struct db_rows *row, struct audit_event *out)
{
    struct record r = {0};
    TRY(decode(a, at, arena_str(a, db_bytes(row, 1)), db_is_null(row, 2),
               arena_str(a, db_bytes(row, 2)), &r));
    r.e.leaf_hex = hex_in(a, db_bytes(row, 3));
    *out = r.e;
    return OK;
}

static bool
found(struct scan *s, const struct audit_event *e)
{
    if (s->search.n == 0)
        return true;
    buf_clear(s->doc);
    doc_put(s->doc, e);
    return search_match(&s->search, buf_view(s->doc));
}

static void
look_at_clock(struct scan *s)
{
    if (++s->rows % CHECK_EVERY == 0 && clock_monotonic() > s->deadline)
        s->late = true;
}

/* Takes the current row if it matches; sets full or late when the scan is to end. */
static enum err
consider(struct scan *s, struct db_tx *tx, const struct db_rows *row)
{
    struct record r = {0};
    struct place at = {tx, s->g->month, s->log};
    arena_reset(s->scratch);
    if (decode(s->scratch, &at, db_bytes(row, 1), db_is_null(row, 2), db_bytes(row, 2), &r) != OK) {
        log_error("audit.record", LOG_INT("index", db_int(row, 0)));
        return OK; /* verify shows such damage; a list goes on */
    }
    look_at_clock(s);
    s->last_at = r.e.at;
    s->last_position = position_of(r.e.epoch, r.e.index);
    if (!passes(s, &r.e) || !found(s, &r.e))
        return OK;
    if (s->tally != NULL) {
        tally_add(s->tally, r.e.at);
        return OK;
    }
    if (s->skip > 0) {
        s->skip--;
        return OK;
    }
    if (!s->count_only)
        TRY(keep(s->cx->arena, &at, row, &s->events[s->n]));
    s->n++;
    s->full = s->n == s->want;
    return OK;
}

static bool
ended(const struct scan *s)
{
    return s->full || s->late;
}

/* ---- a run of indexes ---- */

static int64_t
batch_size(const struct scan *s)
{
    int64_t want = (int64_t)(s->want - s->n) + s->skip;
    return s->search.n > 0 || s->q.request.n > 0 || want > SCAN_BATCH ? SCAN_BATCH : want;
}

/* One statement's rows; narrows [*lo, *hi) to what is left, *more: there may be more rows. */
static enum err
scan_batch(struct scan *s, struct db_tx *tx, int64_t *lo, int64_t *hi, bool *more)
{
    struct db_rows *q = NULL;
    int64_t limit = batch_size(s), got = 0, last = 0;
    struct db_val v[] = {V_INT(s->g->month), V_INT(s->log),       V_INT(s->g->r.epoch),
                         V_INT(*lo),         V_INT(*hi),          V_INT(limit),
                         V_INT(s->q.event),  V_INT(s->q.outcome), V_INT(s->q.client_id),
                         V_INT(s->from),     V_INT(s->to),        V_STR(s->user_id)};
    enum err e = db_query(tx, &scans[s->driver][s->q.ascending],
                          (struct db_args){v, s->driver == BY_USER ? 12u : 11u}, &q);
    TRY(e);
    while (!ended(s) && (e = db_next(q)) == OK) {
        got++;
        last = db_int(q, 0);
        e = consider(s, tx, q);
        if (e != OK)
            break;
    }
    if (e != ERR_END)
        db_rows_end(q);
    *more = got == limit;
    if (got > 0 && s->q.ascending)
        *lo = last + 1;
    else if (got > 0)
        *hi = last;
    return e == ERR_END ? OK : e;
}

enum err
scan_logged(struct scan *s, struct db_tx *tx, int64_t idx, int64_t *out)
{
    return db_query_int(tx, &logged_at,
                        ARGS(V_INT(s->g->month), V_INT(s->log), V_INT(s->g->r.epoch), V_INT(idx)),
                        out);
}

/* A run of indexes is done, perhaps without a row read: where a scan that ends here goes on, and
 * how far back it looked. The clock is looked at only behind such progress, so that going on gets
 * there. */
static enum err
passed_by(struct scan *s, struct db_tx *tx, int64_t idx)
{
    s->last_position = position_of(s->g->r.epoch, idx);
    if (clock_monotonic() <= s->deadline)
        return OK;
    s->late = true;
    return scan_logged(s, tx, idx, &s->last_at);
}

/* All rows of a piece. */
static enum err
scan_piece(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    bool more = true;
    while (more && lo < hi && !ended(s))
        TRY(scan_batch(s, tx, &lo, &hi, &more));
    return OK;
}

/* Piece by piece: a statement that finds nothing looks at all it is given before the clock can be
 * looked at again. */
static enum err
scan_run(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    while (lo < hi && !ended(s)) {
        int64_t n = hi - lo > SCAN_PIECE ? SCAN_PIECE : hi - lo;
        int64_t from = s->q.ascending ? lo : hi - n, to = from + n;
        TRY(scan_piece(s, tx, from, to));
        if (s->q.ascending)
            lo = to;
        else
            hi = from;
        if (lo < hi && !ended(s))
            TRY(passed_by(s, tx, s->q.ascending ? lo - 1 : hi));
    }
    return OK;
}

static enum err
scan_picked(struct scan *s, struct db_tx *tx, const int64_t *idx, size_t n)
{
    struct db_rows *q = NULL;
    struct db_val v[3 + PICKS] = {V_INT(s->g->month), V_INT(s->log), V_INT(s->g->r.epoch)};
    for (size_t i = 0; i < PICKS; i++)
        v[3 + i] = V_INT(i < n ? idx[i] : -1);
    enum err e = db_query(tx, &picked[s->q.ascending], (struct db_args){v, 3 + PICKS}, &q);
    TRY(e);
    while (!ended(s) && (e = db_next(q)) == OK) {
        e = consider(s, tx, q);
        if (e != OK)
            break;
    }
    if (e != ERR_END)
        db_rows_end(q);
    return e == ERR_END ? OK : e;
}

static enum err
scan_picks(struct scan *s, struct db_tx *tx, const int64_t *v, size_t n, int64_t lo, int64_t hi)
{
    int64_t some[PICKS];
    size_t k = 0;
    for (size_t i = 0; i < n && !ended(s); i++) {
        int64_t idx = s->q.ascending ? v[i] : v[n - 1 - i];
        if (idx >= lo && idx < hi)
            some[k++] = idx;
        if (k == PICKS || (k > 0 && i + 1 == n)) {
            TRY(scan_picked(s, tx, some, k));
            k = 0;
        }
    }
    return OK;
}

/* ---- a region with search text: chunks of the text index, and the rest by scanning ---- */

struct text_read {
    struct scan *s;
    struct db_tx *tx; /* of the events */
};

static enum err
scan_chunk(struct scan *s, struct db_tx *tx, struct db_tx *text, const struct chunk *c)
{
    int64_t lo = c->lo > s->lo ? c->lo : s->lo, hi = c->hi < s->hi ? c->hi : s->hi;
    enum chunk_way way = CHUNK_SCAN;
    int64_t *picks = NULL;
    size_t n = 0;
    if (lo >= hi || ended(s))
        return OK;
    arena_reset(s->piece);
    TRY(search_chunk(text, s->piece, &s->search, s->g, c, &way, &picks, &n));
    if (way == CHUNK_PICK)
        TRY(scan_picks(s, tx, picks, n, lo, hi));
    else if (way == CHUNK_SCAN)
        TRY(scan_run(s, tx, lo, hi));
    return ended(s) ? OK : passed_by(s, tx, s->q.ascending ? hi - 1 : lo);
}

static enum err
scan_gap(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    return scan_run(s, tx, lo > s->lo ? lo : s->lo, hi < s->hi ? hi : s->hi);
}

static enum err
scan_text(struct db_tx *text, void *arg)
{
    struct text_read *t = arg;
    struct scan *s = t->s;
    struct chunk *c = NULL;
    size_t n = 0;
    TRY(search_chunks(text, s->cx->arena, s->g, &c, &n));
    int64_t first = n ? c[0].lo : s->hi, end = n ? c[n - 1].hi : s->hi;
    if (s->q.ascending)
        TRY(scan_gap(s, t->tx, s->lo, first));
    else
        TRY(scan_gap(s, t->tx, end, s->hi));
    for (size_t i = 0; i < n && !ended(s); i++)
        TRY(scan_chunk(s, t->tx, text, &c[s->q.ascending ? i : n - 1 - i]));
    if (s->q.ascending)
        return scan_gap(s, t->tx, end, s->hi);
    return scan_gap(s, t->tx, s->lo, first);
}

/* ---- dates to indexes: `logged` never decreases with the index ---- */

static enum err
first_logged(struct scan *s, struct db_tx *tx, int64_t t, int64_t *out)
{
    int64_t lo = s->lo, hi = s->hi;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2, logged = 0;
        TRY(scan_logged(s, tx, mid, &logged));
        if (logged < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out = lo;
    return OK;
}

enum err
scan_narrow(struct scan *s, struct db_tx *tx)
{
    int64_t lo = s->lo, hi = s->hi;
    if (s->q.from != 0)
        TRY(first_logged(s, tx, s->from + s->g->r.min_lag, &lo));
    if (s->q.to != 0)
        TRY(first_logged(s, tx, s->to + s->g->r.max_lag + 1, &hi));
    s->lo = lo;
    s->hi = hi;
    return OK;
}

/* ---- regions ---- */

enum err
scan_events(struct scan *s, struct db_tx *tx)
{
    TRY(scan_narrow(s, tx));
    if (s->lo >= s->hi)
        return OK;
    if (s->search.n == 0)
        return scan_run(s, tx, s->lo, s->hi);
    struct text_read t = {s, tx};
    if (s->au->pg)
        return scan_text(tx, &t);
    return db_read(s->segment->text, s->cx->arena, scan_text, &t);
}

/* What a region says of its end is a row's word, and pieces of nothing would be looked through up to it, from
 * one page to the next. */
#define LAST_BELOW(where)                                                                          \
    "SELECT coalesce((SELECT idx FROM audit_event WHERE" where                                     \
    "AND tenant_id = $2 AND epoch = $3 AND idx < $4 ORDER BY idx DESC LIMIT 1), -1)"
static const struct sql last_below = SQL_READ2(LAST_BELOW(SEG_LITE), LAST_BELOW(SEG_PG));

static enum err
bound_by_events(struct scan *s, struct db_tx *tx)
{
    int64_t last = -1;
    if (s->hi - s->lo <= SCAN_PIECE)
        return OK;
    TRY(db_query_int(tx, &last_below,
                     ARGS(V_INT(s->g->month), V_INT(s->log), V_INT(s->g->r.epoch), V_INT(s->hi)),
                     &last));
    s->hi = last < s->lo ? s->lo : last + 1;
    return OK;
}

static enum err
scan_region(struct db_tx *tx, void *arg)
{
    struct scan *s = arg;
    TRY(bound_by_events(s, tx));
    return s->tally != NULL ? tally_region(s, tx) : scan_events(s, tx);
}

static bool
is_plain(const struct scan *s)
{
    return s->search.n == 0 && s->driver == BY_INDEX && s->q.event == EVENT_NONE &&
           s->q.outcome < 0 && s->q.client_id == 0 && s->q.request.n == 0 && s->q.from == 0 &&
           s->q.to == 0;
}

bool
scan_clip(struct scan *s)
{
    const struct range *r = &s->g->r;
    int64_t lo = r->first, hi = r->next, after = s->q.after, before = s->q.before;
    int64_t edge = s->q.ascending                                 ? before
                   : after >= 0 && (before < 0 || after < before) ? after
                                                                  : before;
    if (edge >= 0 && position_epoch(edge) < r->epoch)
        return false;
    if (edge >= 0 && position_epoch(edge) == r->epoch && position_index(edge) < hi)
        hi = position_index(edge);
    if (s->q.ascending && after >= 0 && position_epoch(after) > r->epoch)
        return false;
    if (s->q.ascending && after >= 0 && position_epoch(after) == r->epoch &&
        position_index(after) + 1 > lo)
        lo = position_index(after) + 1;
    if (is_plain(s) && hi > lo) { /* a gapless index turns the offset into a subtraction */
        int64_t jump = s->skip < hi - lo ? s->skip : hi - lo;
        s->skip -= jump;
        if (s->q.ascending)
            lo += jump;
        else
            hi -= jump;
    }
    s->lo = lo;
    s->hi = hi;
    return lo < hi;
}

enum err
scan_read_region(struct scan *s)
{
    struct audit *au = s->au;
    if (au->pg)
        return s->cx->tx != NULL ? scan_region(s->cx->tx, s)
                                 : db_read(au->app->db, s->cx->arena, scan_region, s);
    s->segment = segment_pin(au, s->g->month);
    if (s->segment == NULL) /* expired this moment */
        return OK;
    enum err e = db_read(s->segment->db, s->cx->arena, scan_region, s);
    segment_unpin(au, s->segment);
    return e;
}

static enum err
run(struct scan *s)
{
    struct region *g = NULL;
    size_t n = 0;
    int64_t since = 0, next = 0;
    struct db_tx *tx = s->au->pg ? s->cx->tx : NULL;
    audit_window(s->au->app, app_now(s->au->app), &since, &next);
    TRY(regions_of(s->au, tx, s->cx->arena, s->log, &g, &n));
    for (size_t i = 0; i < n && !ended(s); i++) {
        s->g = &g[s->q.ascending ? n - 1 - i : i];
        if (s->g->month < month_ordinal(since) || !scan_clip(s))
            continue;
        TRY(scan_read_region(s));
    }
    return OK;
}

/* ---- the query ---- */

static const struct sql user_cuid = SQL_READ("SELECT cuid FROM user_account WHERE user_id = $1");

struct user_ask {
    int64_t id;
    struct str cuid;
};

static enum err
read_user(struct db_tx *tx, void *arg)
{
    struct user_ask *u = arg;
    struct db_rows *q = NULL;
    enum err e = db_query_one(tx, &user_cuid, ARGS(V_INT(u->id)), &q);
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    u->cuid = db_text_keep(q, 0);
    db_rows_end(q);
    return OK;
}

/* A user number becomes a cuid; an unknown one matches nothing. */
static enum err
resolve_user(struct scan *s)
{
    int64_t id = s->q.user_id;
    if (id == 0 && (s->q.user.n == 0 || str_int64(s->q.user, &id) != OK))
        id = 0;
    struct user_ask u = {id, S("-")};
    if (id != 0) {
        TRY(s->cx->tx != NULL ? read_user(s->cx->tx, &u)
                              : db_read(s->au->app->db, s->cx->arena, read_user, &u));
        s->user_id = u.cuid;
    } else if (s->q.user.n && str_contains(s->q.user, S("@"))) {
        s->user_email = s->q.user;
        s->user_key = text_key(s->cx->arena, s->user_email);
    } else if (s->q.user.n) {
        s->user_id = s->q.user;
    }
    return OK;
}

/* The text as given, and an e-mail filter as one more quoted term: the index finds it. */
static enum err
parse_text(struct scan *s)
{
    struct str q = s->q.q;
    struct arena *a = s->cx->arena;
    if (s->user_email.n)
        q = arena_fmt(a, "\"%.*s\" %.*s", STR_ARG(s->user_email), STR_ARG(q));
    enum err e = search_parse(a, q, &s->search);
    if (e == ERR_TOO_LARGE)
        return fail_field(s->cx, S("q"), "at most 16 words and 1024 bytes");
    if (e != OK)
        return fail_field(s->cx, S("q"), "is not valid text");
    return OK;
}

static enum driver
choose(const struct scan *s)
{
    if (s->user_id.n)
        return BY_USER;
    if (s->q.client_id != 0)
        return BY_CLIENT;
    if (s->q.event != EVENT_NONE)
        return BY_TYPE;
    return s->q.outcome > 0 ? BY_OUTCOME : BY_INDEX;
}

static int64_t
bounded_time(int64_t t, int64_t open)
{
    const int64_t far = INT64_C(253402300800) * USEC_PER_SEC; /* year 10000: sums do not overflow */
    return t == 0 ? open : t < -far ? -far : t > far ? far : t;
}

/* A request's id tells when it began, and its events lie behind that: only there is looked. */
static enum err
narrow_to_request(struct scan *s)
{
    struct str id = s->q.request;
    int64_t ms = 0;
    if (id.n == 0)
        return OK;
    if (!cuid_is(id))
        return fail_field(s->cx, S("request"), "is not the id of a request");
    for (size_t i = 1; i < 10; i++) /* base/id.h: nine characters of base-36 milliseconds */
        ms = ms * 36 + (id.p[i] >= 'a' ? id.p[i] - 'a' + 10 : id.p[i] - '0');
    int64_t from = ms * USEC_PER_MS - USEC_PER_MIN, to = ms * USEC_PER_MS + USEC_PER_DAY;
    s->from = from > s->from ? from : s->from;
    s->to = to < s->to ? to : s->to;
    return OK;
}

enum err
scan_prepare(struct scan *s)
{
    struct audit_query *q = &s->q;
    q->limit = q->limit < 1 ? 1 : q->limit > LIMIT_MAX ? LIMIT_MAX : q->limit;
    s->log = q->instance ? INSTANCE_LOG : q->tenant_id;
    s->from = bounded_time(q->from, INT64_MIN);
    s->to = bounded_time(q->to, INT64_MAX);
    s->want = (size_t)q->limit + 1;
    s->skip = q->offset > 0 ? q->offset : 0;
    s->deadline = clock_monotonic() + (q->budget_ms > 0 ? q->budget_ms : BUDGET_MS) * USEC_PER_MS;
    TRY(narrow_to_request(s));
    TRY(resolve_user(s));
    TRY(parse_text(s));
    s->driver = choose(s);
    return OK;
}

/* No hit in the range asked for: how many there are outside of it. */
static enum err
count_older(const struct scan *of, struct audit_page *out)
{
    struct scan s = *of;
    out->older = -1;
    if (of->n > 0 || of->late || (of->q.from == 0 && of->q.to == 0) || of->q.offset > 0 ||
        of->q.after >= 0)
        return OK;
    s.q.from = s.q.to = 0;
    s.from = INT64_MIN;
    s.to = INT64_MAX;
    s.count_only = true;
    s.want = OLDER_MAX;
    s.n = 0;
    TRY(run(&s));
    out->older = s.late && s.n == 0 ? -1 : (int64_t)s.n;
    return OK;
}

static void
fill_page(struct scan *s, struct audit_page *out)
{
    size_t limit = (size_t)s->q.limit;
    bool over = s->n > limit;
    out->events = s->events;
    out->n = over ? limit : s->n;
    out->complete = !s->late || s->full;
    out->more = over || !out->complete;
    out->scanned_to = out->complete ? 0 : s->last_at;
    out->next = -1;
    if (!out->complete) /* go on behind what was looked at */
        out->next = s->last_position;
    else if (out->n > 0)
        out->next = position_of(s->events[out->n - 1].epoch, s->events[out->n - 1].index);
}

static enum err
list(struct scan *s, struct audit_page *out)
{
    struct audit_page page = {0};
    TRY(scan_prepare(s));
    s->events = arena_array(s->cx->arena, struct audit_event, s->want);
    page.newest = newest_in(s->au->app, s->cx->tx, s->q.tenant_id, s->q.instance);
    TRY(run(s));
    fill_page(s, &page);
    TRY(count_older(s, &page));
    *out = page;
    return OK;
}

void
scan_begin(struct scan *s, struct cx *cx, const struct audit_query *q)
{
    *s = (struct scan){.au = cx->app->audit, .cx = cx, .q = *q, .last_position = -1};
    /* On PostgreSQL the question is one of the same store: callers with a read open ask before it. */
    if (cx->tx == NULL || !s->au->pg)
        audit_settle(cx->app, SETTLE_MS);
    s->scratch = arena_create("audit.row", SCRATCH);
    s->piece = arena_create("audit.chunk", SCRATCH);
    s->doc = arena_new(cx->arena, struct buf);
    buf_init(s->doc, DOC_MAX);
}

void
scan_end(struct scan *s)
{
    buf_free(s->doc);
    arena_free(s->piece);
    arena_free(s->scratch);
}

enum err
audit_list(struct cx *cx, const struct audit_query *q, struct audit_page *out)
{
    struct scan s;
    scan_begin(&s, cx, q);
    enum err e = list(&s, out);
    scan_end(&s);
    return e;
}

/* ---- one event ---- */

struct get {
    struct cx *cx;
    int64_t log;
    int32_t month;
    struct str cuid;
    struct audit_event e;
};

static enum err
read_cuid(struct db_tx *tx, void *arg)
{
    struct get *g = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &by_cuid, ARGS(V_INT(g->month), V_INT(g->log), V_STR(g->cuid)), &q));
    struct place at = {tx, g->month, g->log};
    enum err e = keep(g->cx->arena, &at, q, &g->e);
    db_rows_end(q);
    return e;
}

static enum err
get_in(struct audit *au, struct get *g)
{
    if (au->pg)
        return g->cx->tx != NULL ? read_cuid(g->cx->tx, g)
                                 : db_read(au->app->db, g->cx->arena, read_cuid, g);
    struct segment *s = segment_pin(au, g->month);
    if (s == NULL)
        return ERR_NOT_FOUND;
    enum err e = db_read(s->db, g->cx->arena, read_cuid, g);
    segment_unpin(au, s);
    return e;
}

enum err
audit_get(struct cx *cx, int64_t tenant_id, bool instance, struct str cuid, struct audit_event *out)
{
    struct audit *au = cx->app->audit;
    struct get g = {.cx = cx, .log = instance ? INSTANCE_LOG : tenant_id, .cuid = cuid};
    struct region *r = NULL;
    size_t n = 0;
    int64_t since = 0, next = 0;
    if (!cuid_is(cuid))
        return fail(cx, ERR_NOT_FOUND, "There is no such event.");
    /* On PostgreSQL the question is one of the same store: callers with a read open ask before it. */
    if (cx->tx == NULL || !cx->app->audit->pg)
        audit_settle(cx->app, SETTLE_MS);
    audit_window(cx->app, app_now(cx->app), &since, &next);
    TRY(regions_of(au, au->pg ? cx->tx : NULL, cx->arena, g.log, &r, &n));
    for (size_t i = 0; i < n && r[i].month >= month_ordinal(since); i++) {
        g.month = r[i].month;
        enum err e = get_in(au, &g);
        if (e == OK)
            *out = g.e;
        if (e != ERR_NOT_FOUND)
            return e;
    }
    return fail(cx, ERR_NOT_FOUND, "There is no such event.");
}
