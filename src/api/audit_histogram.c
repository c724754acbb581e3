/* GET /api/v2/auditlog/histogram: how many events of a query happened from one time to the next. */
#include "api/audit_api.h"

struct histogram {
    struct audit_query q;
    int64_t *edges; /* ascending, none twice */
    size_t n;
};

/* The times between which is counted, as dates and spans are given elsewhere. */
static enum err
read_edges(struct api_request *rq, struct histogram *h)
{
    struct str rest = query_str(rq, "edges");

    h->edges = arena_array(rq->cx->arena, int64_t, AUDIT_EDGES_MAX);
    while (!str_is_empty(rest)) {
        int64_t *t = &h->edges[h->n];
        size_t end = 0;

        while (end < rest.n && rest.p[end] != ',')
            end++;
        if (h->n == AUDIT_EDGES_MAX)
            return fail_field(rq->cx, S("edges"), "holds more than %d times", AUDIT_EDGES_MAX);
        if (end == 0)
            return fail_field(rq->cx, S("edges"), "holds an empty time");
        TRY(audit_time_read(rq, "edges", str_sub(rest, 0, end), false, t));
        if (h->n > 0 && *t <= t[-1])
            return fail_field(rq->cx, S("edges"),
                              "must ascend: each time later than the one before");
        h->n++;
        if (end + 1 == rest.n)
            return fail_field(rq->cx, S("edges"), "holds an empty time");
        rest = str_sub(rest, end + 1 < rest.n ? end + 1 : rest.n, rest.n);
    }
    return h->n >= 2 ? OK
                     : fail_field(rq->cx, S("edges"),
                                  "must hold at least two times, separated by commas");
}

/* All that is wrong with it, at once. */
static enum err
read_question(struct api_request *rq, struct histogram *h)
{
    enum err filters = audit_query_read(rq, &h->q), edges = read_edges(rq, h);

    return filters == OK ? edges : filters;
}

enum err
audit_histogram_prepare(struct api_request *rq)
{
    struct histogram *h = arena_new(rq->cx->arena, struct histogram);

    rq->state = h;
    TRY(read_question(rq, h));
    audit_settle(rq->cx->app, AUDIT_SETTLE_MS);
    return OK;
}

enum err
audit_histogram_head(struct api_request *rq)
{
    struct histogram h = {0};

    return read_question(rq, &h);
}

/* Whole milliseconds are shown: a count is called whole from the next one on. */
static struct str
whole_from(const struct api_request *rq, int64_t t)
{
    return time_iso(rq->cx->arena, t + USEC_PER_MS - 1);
}

static void
write_meta(struct api_request *rq, const struct histogram *h, const struct audit_bars *bars)
{
    struct json_writer *w = &rq->out;
    int64_t total = 0;

    for (size_t i = 0; i + 1 < h->n; i++)
        total += bars->counts[i];
    json_key(w, S("meta"));
    json_begin_object(w);
    json_kv_i64(w, "total", total);
    json_kv_bool(w, "complete", bars->complete);
    json_key(w, S("whole_from"));
    if (bars->complete)
        json_null(w);
    else
        json_str(w, whole_from(rq, bars->whole_from));
    json_key(w, S("next"));
    if (bars->complete)
        json_null(w);
    else
        json_i64(w, bars->next);
    json_kv_i64(w, "newest", bars->newest);
    json_end_object(w);
}

enum err
audit_histogram_apply(struct api_request *rq)
{
    const struct histogram *h = rq->state;
    struct json_writer *w = &rq->out;
    struct audit_bars bars = {0};

    TRY(audit_histogram(rq->cx, &h->q, h->edges, h->n, &bars));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i + 1 < h->n; i++) {
        json_begin_object(w);
        json_kv_str(w, "from", time_iso(rq->cx->arena, h->edges[i]));
        json_kv_str(w, "to", time_iso(rq->cx->arena, h->edges[i + 1]));
        json_kv_i64(w, "count", bars.counts[i]);
        json_end_object(w);
    }
    json_end_array(w);
    write_meta(rq, h, &bars);
    json_end_object(w);
    return OK;
}
