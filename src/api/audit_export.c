/* The export of what a query shows: counted and hashed first, recorded, then sent. The log is
 * append-only, so the second walk gives the bytes of the first. */
#include <stdatomic.h>

#include "api/audit_api.h"
#include "codec/hash.h"
#include "codec/url.h"

#define EXPORT_CHUNK 500 /* events read at a time: a few milliseconds each */

/* Formats the events; false when they were too long for one piece and fewer are to be read. */
static bool
export_piece(struct arena *a, struct buf *out, enum audit_format f, bool head,
             const struct audit_page *p, int *limit)
{
    if (head)
        audit_format_head(out, f);
    for (size_t i = 0; i < p->n; i++)
        audit_format_line(a, out, f, &p->events[i]);
    if (!buf_failed(out) || *limit <= 1)
        return true;
    buf_clear(out);
    *limit /= 2;
    return false;
}

static enum err
export_write(void *arg, struct buf *out)
{
    struct stream *s = arg;
    struct arena *a = arena_create("export", (size_t)128 << 20);
    struct cx cx = audit_stream_cx(s, a);
    struct batch b = {.q = &s->query};
    enum err e = OK;

    if (!audit_stream_allowed(s, a)) {
        e = ERR_FORBIDDEN; /* the connection is cut: a cut file must not look whole */
    } else if (cx_read(&cx, audit_batch_body, &b) != OK) {
        e = ERR_IO;
    } else if (export_piece(a, out, s->format, !s->head_done, &b.page, &s->query.limit)) {
        s->head_done = true;
        s->query.after = b.page.next;
        if (!b.page.more)
            e = ERR_END;
    }
    arena_free(a);
    return e;
}

static enum err
read_format(struct api_request *rq, enum audit_format *out)
{
    struct str f = query_str(rq, "format");

    if (str_is_empty(f) || str_eq(f, S("ndjson")))
        *out = AUDIT_NDJSON;
    else if (str_eq(f, S("csv")))
        *out = AUDIT_CSV;
    else if (str_eq(f, S("ocsf")))
        *out = AUDIT_OCSF;
    else
        return fail_field(rq->cx, S("format"), "must be csv, ndjson or ocsf");
    return OK;
}

/* What the export will hold, found before the first byte is sent: the same walk, hashed. The log
 * is append-only, so with `before` fixed the second walk gives the same bytes. */
static enum err
summarize(struct api_request *rq, struct audit_query *q, enum audit_format f, int64_t *count,
          int64_t *first, int64_t *last, struct str *digest)
{
    struct audit_query walk = *q;
    struct sha256_run *h = sha256_begin(rq->cx->arena);
    bool more = true, begin = true;

    *count = 0;
    *first = *last = -1;
    while (more) {
        struct arena *a = arena_create("export", (size_t)128 << 20);
        struct cx cx = cx_system(rq->cx->app, a, "export", &rq->cx->tenant);
        struct buf *out = buf_in(a, (size_t)64 << 20);
        struct batch b = {.q = &walk};

        if (cx_read(&cx, audit_batch_body, &b) != OK ||
            (!b.page.complete && b.page.n == 0 && !b.page.more)) {
            arena_free(a);
            return fail(rq->cx, ERR_UNAVAILABLE,
                        "The export could not be read. Narrow the dates and try again.");
        }
        if (!export_piece(a, out, f, begin, &b.page, &walk.limit)) {
            arena_free(a);
            continue;
        }
        begin = false;
        if (b.page.n && *first < 0)
            *first = b.page.events[0].index;
        if (b.page.n)
            *last = b.page.events[b.page.n - 1].index;
        *count += (int64_t)b.page.n;
        sha256_more(h, buf_view(out));
        walk.after = b.page.next;
        more = b.page.more;
        arena_free(a);
    }
    *digest = sha256_end_hex(rq->cx->arena, h);
    return OK;
}

struct export
{
    struct audit_query q;
    enum audit_format format;
    int64_t count, first, last;
    struct str digest, query;
    int64_t user_id;
    bool handed; /* the place among the open streams belongs to the stream now */
};

/* Runs with the request's end: an export that never became a stream gives its place back. */
static void
export_give_back(void *arg)
{
    const struct export *x = arg;

    if (!x->handed)
        audit_streams_leave(x->user_id);
}

/* Preparing an export holds a worker for as long as the log is long: at most half of them do. */
static atomic_int preparing;

static enum err
summarize_in_turn(struct api_request *rq, struct export *x)
{
    int most = rq->cx->app->config.workers / 2;
    enum err e;

    if (atomic_fetch_add(&preparing, 1) >= (most < 1 ? 1 : most))
        e = fail(rq->cx, ERR_UNAVAILABLE,
                 "Other exports are being prepared. Try again in a moment.");
    else
        e = summarize(rq, &x->q, x->format, &x->count, &x->first, &x->last, &x->digest);
    atomic_fetch_sub(&preparing, 1);
    return e;
}

enum err
audit_export_prepare(struct api_request *rq)
{
    struct export *x = arena_new(rq->cx->arena, struct export);

    TRY(audit_query_read(rq, &x->q));
    TRY(read_format(rq, &x->format));
    x->q.limit = EXPORT_CHUNK;
    x->q.offset = 0;
    x->q.budget_ms = 60000;
    audit_settle(rq->cx->app, AUDIT_SETTLE_MS);
    if (x->q.before < 0)
        x->q.before = audit_newest(rq->cx->app, x->q.tenant_id, false) + 1;
    x->user_id = rq->cx->actor.user_id;
    TRY(audit_streams_room(rq, x->user_id)); /* before it is recorded as made */
    arena_defer(rq->cx->arena, export_give_back, x);
    TRY(summarize_in_turn(rq, x));
    x->query = audit_query_text(rq);
    rq->state = x;
    return OK;
}

enum err
audit_export_apply(struct api_request *rq)
{
    const struct export *x = rq->state;
    struct audit_entry e = {.event = EV_AUDIT_EXPORTED, .target_kind = S("audit"), .count = 1};

    e.text =
        arena_fmt(rq->cx->arena,
                  "%.*s exported %lld events of the audit log (index %lld to %lld, SHA-256 %.*s)",
                  STR_ARG(rq->cx->actor.name), (long long)x->count, (long long)x->first,
                  (long long)x->last, STR_ARG(x->digest));
    e.private_detail = arena_fmt(rq->cx->arena, "query: %.*s", STR_ARG(x->query));
    return audit_record(rq->cx, &e, NULL);
}

/* A header holds printable ASCII; other queries are percent-encoded, too long ones left to the log. */
static struct str
header_text(struct arena *a, struct str query)
{
    bool plain = true;

    for (size_t i = 0; i < query.n; i++)
        plain = plain && query.p[i] >= ' ' && query.p[i] <= '~';
    if (!plain)
        query = url_encode_in(a, query);
    return query.n && query.n < 1500 ? query : S("-");
}

enum err
audit_export_after(struct api_request *rq)
{
    struct export *x = rq->state;
    static const char *const ext[] = {"ndjson", "csv", "ocsf.ndjson"};
    struct stream *s = audit_stream_new(rq, &x->q);
    struct arena *a = rq->cx->arena;

    x->handed = true;
    s->is_export = true;
    s->format = x->format;
    http_add_header(rq->rs, S("X-Recount-Query"), header_text(a, x->query));
    http_add_header(rq->rs, S("X-Recount-Count"), arena_fmt(a, "%lld", (long long)x->count));
    http_add_header(rq->rs, S("X-Recount-First-Index"), arena_fmt(a, "%lld", (long long)x->first));
    http_add_header(rq->rs, S("X-Recount-Last-Index"), arena_fmt(a, "%lld", (long long)x->last));
    http_add_header(rq->rs, S("X-Recount-Digest"),
                    arena_fmt(a, "sha-256=%.*s", STR_ARG(x->digest)));
    http_add_header(rq->rs, S("Content-Disposition"),
                    arena_fmt(a, "attachment; filename=\"audit-log-%.*s.%s\"", 10,
                              time_iso(a, rq->cx->now).p, ext[x->format]));
    return audit_stream_open(
        rq, s, x->format == AUDIT_CSV ? S("text/csv; charset=utf-8") : S("application/x-ndjson"),
        export_write);
}
