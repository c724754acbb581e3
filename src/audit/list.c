/* Reading the log: one query object in, a page of events out, newest first or oldest first. Owns
 * what a query means: whom it names, which regions, where a page ends and what stands behind it; the regions
 * are read by scan.c.
 *
 * Cost is bounded at any offset: without filters the offset is arithmetic on the gapless index,
 * with filters the budget ends the scan and the page says how far back it looked. */
#include "audit/scan.h"

#include "base/text.h"
#include "codec/textkey.h"

#define LIMIT_MAX 1000
#define BUDGET_MS 250
#define SETTLE_MS 200
#define OLDER_MAX 1000
#define SCRATCH   ((size_t)64 << 20)
#define DOC_MAX   ((size_t)8 << 20)

/* ---- regions ---- */

static enum err
run(struct scan *s)
{
    struct region *g = NULL;
    size_t n = 0;
    int64_t since = 0, next = 0;
    struct db_tx *tx = s->au->pg ? s->cx->tx : NULL;
    audit_window(s->au->app, app_now(s->au->app), &since, &next);
    TRY(regions_of(s->au, tx, s->cx->arena, s->log, &g, &n));
    for (size_t i = 0; i < n && !scan_ended(s); i++) {
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

static const struct sql by_cuid =
    SQL_READ2(COLS_LITE "audit_event e" WHERE_LITE " AND e.tenant_id = $2 AND e.cuid = $3 LIMIT 1",
              COLS_PG "audit_event e" WHERE_PG " AND e.tenant_id = $2 AND e.cuid = $3 LIMIT 1");

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
    struct scan_row row = scan_row(q);
    enum err e = scan_keep(g->cx->arena, &at, &row, &g->e);
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
