/* Reading a region of the log, the events of one log in one month, for what a query asks: by which index,
 * scanned or by the candidates the text index offers (search.c), within the query's time. Rows are verified
 * here, whatever offered them. */
#include "audit/scan.h"

#include "audit/beside.h"
#include "base/log.h"
#include "base/text.h"
#include "codec/textkey.h"

#define SCAN_BATCH  512   /* rows of one statement when the text has to be looked at */
#define SCAN_PIECE  65536 /* indexes of one statement, however few of them pass its filters */
#define CHECK_EVERY 16    /* rows between looks at the clock */
#define SCRATCH     ((size_t)64 << 20)

/* ---- statements: scan.h has their pieces ----
 * $1 month $2 log $3 epoch $4 lo $5 hi $6 limit $7 type $8 outcome $9 client $10 from $11 to $12 user */

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
/* A run of events, and beside them their personal parts: for many rows, a subquery for each costs four times
 * as much. What else the query filters by is left to passes(). */
#define RUN_OF(cols, table, order)                                                                 \
    SQL_READ2("SELECT " cols " FROM " table " e" WHERE_LITE RANGE " ORDER BY e.idx" order,         \
              "SELECT " cols " FROM " table " e" WHERE_PG RANGE " ORDER BY e.idx" order)
#define RUN_EVENTS(order)   RUN_OF("e.idx, e.public, NULL, e.leaf", "audit_event", order)
#define RUN_PERSONAL(order) RUN_OF("e.idx, e.personal", "audit_personal", order)
static const struct sql run_events[2] = {RUN_EVENTS(" DESC"), RUN_EVENTS("")};
static const struct sql run_personal[2] = {RUN_PERSONAL(" DESC"), RUN_PERSONAL("")};
static const struct sql logged_at =
    SQL_READ2("SELECT logged FROM audit_event WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 ORDER BY idx LIMIT 1",
              "SELECT logged FROM audit_event WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 ORDER BY idx LIMIT 1");
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

struct scan_row
scan_row(const struct db_rows *q)
{
    return (struct scan_row){.index = db_int(q, 0),
                             .pub = db_bytes(q, 1),
                             .erased = db_is_null(q, 2),
                             .personal = db_bytes(q, 2),
                             .leaf = db_bytes(q, 3)};
}

/* Decodes a row in the arena; the texts view the row's. */
static enum err
decode(struct arena *a, const struct place *at, const struct scan_row *row, struct record *r)
{
    TRY(record_get_public(row->pub, r));
    return row->erased ? erased_fill(at->tx, a, at->month, at->log, &r->e)
                       : record_get_personal(a, row->personal, r);
}

enum err
scan_keep(struct arena *a, const struct place *at, const struct scan_row *row,
          struct audit_event *out)
{
    struct record r = {0};
    struct scan_row kept = *row;
    kept.pub = arena_str(a, row->pub);
    kept.personal = arena_str(a, row->personal);
    TRY(decode(a, at, &kept, &r));
    r.e.leaf_hex = hex_in(a, row->leaf);
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

/* Takes the row if it matches; sets full or late when the scan is to end. */
static enum err
consider(struct scan *s, struct db_tx *tx, struct scan_row row)
{
    struct record r = {0};
    struct place at = {tx, s->g->month, s->log};
    arena_reset(s->scratch);
    if (decode(s->scratch, &at, &row, &r) != OK) {
        log_error("audit.record", LOG_INT("index", row.index));
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
        TRY(scan_keep(s->cx->arena, &at, &row, &s->events[s->n]));
    s->n++;
    s->full = s->n == s->want;
    return OK;
}

bool
scan_ended(const struct scan *s)
{
    return s->full || s->late;
}

/* ---- a run of indexes ---- */

/* Most rows read will not be taken. */
static bool
sifts(const struct scan *s)
{
    return s->search.n > 0 || s->q.request.n > 0;
}

static int64_t
batch_size(const struct scan *s)
{
    int64_t want = (int64_t)(s->want - s->n) + s->skip;
    return sifts(s) || want > SCAN_BATCH ? SCAN_BATCH : want;
}

/* Of one statement: how many rows, and the index of the last one. */
struct taken {
    int64_t n, last;
};

/* Until the scan ends or the rows do; personal parts may come from beside them. */
static enum err
take_rows(struct scan *s, struct db_tx *tx, struct db_rows *q, struct beside *personal,
          struct taken *t)
{
    enum err e = OK;
    while (!scan_ended(s) && (e = db_next(q)) == OK) {
        struct scan_row row = scan_row(q);
        bool here = false;
        t->n++;
        t->last = row.index;
        if (personal != NULL)
            e = beside_to(personal, row.index, &here);
        if (here) {
            row.personal = db_bytes(personal->q, 1);
            row.erased = false;
        }
        if (e == OK)
            e = consider(s, tx, row);
        if (e != OK)
            break;
    }
    if (e != ERR_END)
        db_rows_end(q);
    return e == ERR_END ? OK : e;
}

/* One statement's rows; narrows [*lo, *hi) to what is left, *more: there may be more rows. */
static enum err
scan_batch(struct scan *s, struct db_tx *tx, int64_t *lo, int64_t *hi, bool *more)
{
    struct db_rows *q = NULL;
    int64_t limit = batch_size(s);
    struct taken t = {0};
    struct db_val v[] = {V_INT(s->g->month), V_INT(s->log),       V_INT(s->g->r.epoch),
                         V_INT(*lo),         V_INT(*hi),          V_INT(limit),
                         V_INT(s->q.event),  V_INT(s->q.outcome), V_INT(s->q.client_id),
                         V_INT(s->from),     V_INT(s->to),        V_STR(s->user_id)};
    TRY(db_query(tx, &scans[s->driver][s->q.ascending],
                 (struct db_args){v, s->driver == BY_USER ? 12u : 11u}, &q));
    TRY(take_rows(s, tx, q, NULL, &t));
    *more = t.n == limit;
    if (t.n > 0 && s->q.ascending)
        *lo = t.last + 1;
    else if (t.n > 0)
        *hi = t.last;
    return OK;
}

/* All of some events, whatever the filters. */
static enum err
sift(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    struct db_rows *q = NULL;
    struct beside b = {0};
    struct taken t = {0};
    struct db_val v[] = {V_INT(s->g->month), V_INT(s->log), V_INT(s->g->r.epoch), V_INT(lo),
                         V_INT(hi)};
    struct db_args args = {v, 5};
    enum err e = beside_begin(&b, tx, &run_personal[s->q.ascending], args, s->q.ascending);
    if (e == OK)
        e = db_query(tx, &run_events[s->q.ascending], args, &q);
    if (e == OK)
        e = take_rows(s, tx, q, &b, &t);
    beside_end(&b);
    return e;
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
    enum err e = scan_logged(s, tx, idx, &s->last_at);
    return e == ERR_NOT_FOUND ? OK : e;
}

/* All rows of a piece. */
static enum err
scan_piece(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    bool more = true;
    while (more && lo < hi && !scan_ended(s))
        TRY(scan_batch(s, tx, &lo, &hi, &more));
    return OK;
}

/* Piece by piece: a statement that finds nothing looks at all it is given before the clock can be
 * looked at again. */
static enum err
scan_run(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    bool all = sifts(s) && s->driver == BY_INDEX;
    int64_t most = all ? SCAN_BATCH : SCAN_PIECE;
    while (lo < hi && !scan_ended(s)) {
        int64_t n = hi - lo > most ? most : hi - lo;
        int64_t from = s->q.ascending ? lo : hi - n, to = from + n;
        TRY(all ? sift(s, tx, from, to) : scan_piece(s, tx, from, to));
        if (s->q.ascending)
            lo = to;
        else
            hi = from;
        if (lo < hi && !scan_ended(s))
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
    struct taken t = {0};
    TRY(db_query(tx, &picked[s->q.ascending], (struct db_args){v, 3 + PICKS}, &q));
    return take_rows(s, tx, q, NULL, &t);
}

static enum err
scan_picks(struct scan *s, struct db_tx *tx, const int64_t *v, size_t n, int64_t lo, int64_t hi)
{
    int64_t some[PICKS];
    size_t k = 0;
    for (size_t i = 0; i < n && !scan_ended(s); i++) {
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
    if (lo >= hi || scan_ended(s))
        return OK;
    arena_reset(s->piece);
    TRY(search_chunk(text, s->piece, &s->search, s->g, c, &way, &picks, &n));
    if (way == CHUNK_PICK)
        TRY(scan_picks(s, tx, picks, n, lo, hi));
    else if (way == CHUNK_SCAN)
        TRY(scan_run(s, tx, lo, hi));
    return scan_ended(s) ? OK : passed_by(s, tx, s->q.ascending ? hi - 1 : lo);
}

static enum err
scan_gap(struct scan *s, struct db_tx *tx, int64_t lo, int64_t hi)
{
    return scan_run(s, tx, lo > s->lo ? lo : s->lo, hi < s->hi ? hi : s->hi);
}

/* Looks further ahead the longer it takes: the first chunk may fill the page. */
static enum err
scan_chunks(struct scan *s, struct db_tx *tx, struct db_tx *text, struct chunk *c, size_t n)
{
    struct arena *ahead = arena_create("audit.ahead", SCRATCH);
    struct chunk *next[PROBES_MAX];
    size_t looked = 0, step = 1;
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK && !scan_ended(s); i++) {
        if (i == looked) {
            size_t k = 0;
            for (; k < step && looked < n; looked++) {
                next[k] = &c[s->q.ascending ? looked : n - 1 - looked];
                k += next[k]->lo < s->hi && next[k]->hi > s->lo;
            }
            step = 4 * step < PROBES_MAX ? 4 * step : PROBES_MAX;
            arena_reset(ahead);
            if (k > 1) /* the first chunk asks for all its grams at once, anyway */
                e = search_ahead(text, ahead, &s->search, s->g, next, k);
        }
        if (e == OK)
            e = scan_chunk(s, tx, text, &c[s->q.ascending ? i : n - 1 - i]);
    }
    arena_free(ahead);
    return e;
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
    TRY(scan_chunks(s, t->tx, text, c, n));
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
        enum err e = scan_logged(s, tx, mid, &logged);
        if (e != OK && e != ERR_NOT_FOUND)
            return e;
        if (e == OK && logged < t)
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
