/* The query of an address under /api/v2/auditlog: dates, filters, cursor. One reader for list, stream
 * and export, so that all three mean the same. */
#include "api/audit_api.h"

#define Q_MAX             1024 /* bytes of a search text */
#define USER_MAX          254  /* bytes of an e-mail address */
#define LIMIT_MAX         1000 /* events in one answer */
#define RELATIVE_DAYS_MAX 36500

/* "…T10:00:00 05:30": a plus that nobody encoded arrives as a space. */
static struct str
zone_mended(struct arena *a, struct str s)
{
    for (size_t i = s.n; i > 10; i--) {
        if (s.p[i - 1] == ' ')
            return arena_fmt(a, "%.*s+%.*s", STR_ARG(str_sub(s, 0, i - 1)),
                             STR_ARG(str_sub(s, i, s.n)));
    }
    return s;
}

enum err
audit_time_read(struct api_request *rq, const char *name, struct str s, bool end, int64_t *out)
{
    int64_t n, unit;

    *out = 0;
    if (str_is_empty(s))
        return OK;
    unit = s.p[s.n - 1] == 'd' ? USEC_PER_DAY : s.p[s.n - 1] == 'h' ? USEC_PER_HOUR : 0;
    if (unit && str_int64(str_sub(s, 0, s.n - 1), &n) == OK && n >= 0 && n <= RELATIVE_DAYS_MAX) {
        *out = rq->cx->now - n * unit;
        return OK;
    }
    if (time_parse_iso(s, out) != OK && time_parse_iso(zone_mended(rq->cx->arena, s), out) != OK)
        return fail_field(
            rq->cx, str_of(name),
            "must be a date (2026-11-23), a time with zone (2026-11-23T10:00:00Z) or a span (30d)");
    if (end && s.n == 10)
        *out += USEC_PER_DAY; /* a day as an end includes the day */
    if (*out == 0)
        *out = end ? -1 : 1; /* 0 is no limit: 1970 begins a microsecond beside it */
    return OK;
}

static enum err
read_time(struct api_request *rq, const char *name, bool end, int64_t *out)
{
    return audit_time_read(rq, name, query_str(rq, name), end, out);
}

static enum err
read_outcome(struct api_request *rq, int *out)
{
    static const char *const names[] = {"success", "failure", "denied"};
    struct str s = query_str(rq, "outcome");

    *out = -1;
    if (str_is_empty(s))
        return OK;
    for (int i = 0; i < 3; i++) {
        if (str_eq(s, str_of(names[i]))) {
            *out = i;
            return OK;
        }
    }
    return fail_field(rq->cx, S("outcome"), "must be success, failure or denied");
}

static enum err
read_filters(struct api_request *rq, struct audit_query *q)
{
    struct str type = query_str(rq, "event_type");
    bool descending = true;
    enum err e = OK;

    q->tenant_id = rq->cx->tenant.id;
    q->q = query_str(rq, "q");
    if (q->q.n > Q_MAX)
        e = fail_field(rq->cx, S("q"), "is longer than %d bytes", Q_MAX);
    if (read_time(rq, "from", false, &q->from) != OK || read_time(rq, "to", true, &q->to) != OK)
        e = ERR_INVALID;
    if (q->from && q->to && q->from > q->to)
        e = fail_field(rq->cx, S("from"), "is later than \"to\"");
    q->user = query_str(rq, "user");
    if (q->user.n > USER_MAX || str_contains(q->user, S("\"")))
        e = fail_field(rq->cx, S("user"), "is neither the id nor the address of a user");
    if (str_is_empty(q->user))
        q->user = STR_NULL;
    if (!str_is_empty(type)) {
        q->event = event_by_name(type);
        if (q->event == EVENT_NONE)
            e = fail_field(rq->cx, S("event_type"), "is not in the catalogue");
    }
    if (read_outcome(rq, &q->outcome) != OK)
        e = ERR_INVALID;
    if (query_int(rq, "client", 1, INT64_MAX, 0, &q->client_id) != OK)
        e = ERR_INVALID;
    q->request = query_str(rq, "request");
    if (!str_is_empty(q->request) && !cuid_is(q->request))
        e = fail_field(rq->cx, S("request"), "is not the id of a request");
    if (order_read(rq, query_str(rq, "order"), S("order"), &descending) != OK)
        e = ERR_INVALID;
    q->ascending = !descending;
    return e;
}

/* The event of a view or an export holds the query as it was sent: each name must mean one thing. */
static enum err
check_doubles(struct api_request *rq)
{
    enum err e = OK;

    for (size_t i = 0; i < rq->http->n_query; i++) {
        for (size_t k = 0; k < i; k++) {
            if (str_eq(rq->http->query[k].name, rq->http->query[i].name))
                e = fail_field(rq->cx, rq->http->query[i].name, "is given twice");
        }
    }
    return e;
}

enum err
audit_query_read(struct api_request *rq, struct audit_query *q)
{
    int64_t limit = 0;
    enum err e;

    *q = (struct audit_query){.after = -1, .before = -1, .outcome = -1};
    TRY(check_doubles(rq));
    e = read_filters(rq, q);
    if (query_int(rq, "limit", 1, INT32_MAX, 50, &limit) != OK)
        e = ERR_INVALID;
    q->limit = limit > LIMIT_MAX ? LIMIT_MAX : (int)limit;
    if (query_int(rq, "offset", 0, INT64_MAX / 2, 0, &q->offset) != OK ||
        query_int(rq, "cursor", 0, INT64_MAX, -1, &q->after) != OK ||
        query_int(rq, "before", 0, INT64_MAX, -1, &q->before) != OK)
        e = ERR_INVALID;
    return e;
}

/* ---- the query as text, for the events of views and exports ---- */

struct str
audit_query_text(struct api_request *rq)
{
    struct buf *b = buf_in(rq->cx->arena, 8192);

    for (size_t i = 0; i < rq->http->n_query; i++) {
        const struct http_pair *p = &rq->http->query[i];

        if (str_is_empty(p->value) || str_eq(p->name, S("after")) || str_eq(p->name, S("edges")))
            continue;
        buf_fmt(b, "%s%.*s=%.*s", b->n ? " " : "", STR_ARG(p->name), STR_ARG(p->value));
    }
    return buf_failed(b) ? S("(long)") : buf_view(b);
}
