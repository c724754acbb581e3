/* The export of what a query shows: counted and hashed first, recorded, then sent. The log is
 * append-only, so the second walk gives the bytes of the first. */
#include <stdatomic.h>

#include "api/audit_api.h"
#include "base/log.h"
#include "codec/hash.h"
#include "codec/url.h"

#define EXPORT_CHUNK 500 /* events read at a time: a few milliseconds each */

/* Formats the events; *fits: false when they were too long for one piece and fewer are to be read. */
static enum err
export_piece(struct cx *cx, struct buf *out, const struct export_form *f, bool head,
             const struct audit_page *p, int *limit, bool *fits)
{
    struct export_trees trees = export_trees_begin(cx, f);

    *fits = true;
    if (head)
        audit_format_head(out, f->format);
    for (size_t i = 0; i < p->n; i++)
        TRY(export_form_line(cx, out, &trees, &p->events[i]));
    if (!buf_failed(out) || *limit <= 1)
        return OK;
    buf_clear(out);
    *limit /= 2;
    *fits = false;
    return OK;
}

/* What headers, event and manifest say of the file was found by a walk before this one. A month may have
 * left the log since, or a person been erased from it: then it is another file, and must not look whole. */
static enum err
export_is_as_said(struct stream *s, struct arena *a)
{
    if (str_eq(sha256_end_hex(a, s->sent), s->digest))
        return OK;
    log_warn("audit.export_changed", LOG_STR("digest", s->digest));
    return ERR_IO;
}

/* The events piece by piece, then the manifest. */
static enum err
export_write(void *arg, struct buf *out)
{
    struct stream *s = arg;
    struct arena *a = arena_create("export", (size_t)256 << 20);
    struct cx cx = audit_stream_cx(s, a);
    struct batch b = {.q = &s->query};
    enum err e = OK;
    bool fits = false;

    if (!audit_stream_allowed(s, a)) {
        e = ERR_FORBIDDEN; /* the connection is cut: a cut file must not look whole */
    } else if (s->events_done) {
        buf_str(out, s->manifest);
        e = ERR_END;
    } else if (cx_read(&cx, audit_batch_body, &b) != OK ||
               export_piece(&cx, out, &s->form, !s->head_done, &b.page, &s->query.limit, &fits) !=
                   OK) {
        e = ERR_IO;
    } else if (fits) {
        s->head_done = true;
        s->query.after = b.page.next;
        s->events_done = !b.page.more;
        sha256_more(s->sent, buf_view(out));
        if (s->events_done)
            e = export_is_as_said(s, a);
        if (e == OK && s->events_done && str_is_null(s->manifest))
            e = ERR_END;
    }
    arena_free(a);
    return e;
}

/* What the export will hold, found before the first byte is sent: the same walk, hashed. The log
 * is append-only, so with `before` fixed the second walk gives the same bytes. */
struct export
{
    struct audit_query q;
    struct export_form form;
    struct export_sum sum;
    struct str query, manifest;
    int64_t user_id;
    bool handed; /* the place among the open streams belongs to the stream now */
};

static enum err
summarize(struct api_request *rq, struct export *x)
{
    struct audit_query walk = x->q;
    struct sha256_run *h = sha256_begin(rq->cx->arena);
    bool more = true, begin = true;

    x->sum = (struct export_sum){.from = x->q.from, .to = x->q.to, .first = -1, .last = -1};
    while (more) {
        struct arena *a = arena_create("export", (size_t)256 << 20);
        struct cx cx = cx_system(rq->cx->app, a, "export", &rq->cx->tenant);
        struct buf *out = buf_in(a, (size_t)64 << 20);
        struct batch b = {.q = &walk};
        bool fits = false;

        if (cx_read(&cx, audit_batch_body, &b) != OK ||
            (!b.page.complete && b.page.n == 0 && !b.page.more) ||
            export_piece(&cx, out, &x->form, begin, &b.page, &walk.limit, &fits) != OK) {
            arena_free(a);
            return fail(rq->cx, ERR_UNAVAILABLE,
                        "The export could not be read. Narrow the dates and try again.");
        }
        if (fits) {
            begin = false;
            export_count(&x->sum, x->q.tenant_id, &b.page);
            sha256_more(h, buf_view(out));
            walk.after = b.page.next;
            more = b.page.more;
        }
        arena_free(a);
    }
    x->sum.digest = sha256_end_hex(rq->cx->arena, h);
    return OK;
}

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
        e = summarize(rq, x);
    atomic_fetch_sub(&preparing, 1);
    return e;
}

/* What export and manifest share: the query with its end fixed, the form, the head, the sums. */
static enum err
prepare(struct api_request *rq, struct export *x)
{
    TRY(audit_query_read(rq, &x->q));
    TRY(export_form_read(rq, &x->form));
    x->q.limit = EXPORT_CHUNK;
    x->q.offset = 0;
    x->q.budget_ms = 60000;
    export_range(rq->cx, &x->q);
    audit_settle(rq->cx->app, AUDIT_SETTLE_MS);
    int64_t newest = audit_newest(rq->cx->app, x->q.tenant_id, false);
    if (x->q.before < 0 || x->q.before > newest + 1)
        x->q.before = newest + 1;
    x->user_id = rq->cx->actor.user_id;
    TRY(audit_streams_room(rq, x->user_id)); /* before it is recorded as made */
    arena_defer(rq->cx->arena, export_give_back, x);
    TRY(export_form_head(rq, &x->form, x->q.before - 1));
    TRY(summarize_in_turn(rq, x));
    x->query = audit_query_text(rq);
    rq->state = x;
    return OK;
}

enum err
audit_export_prepare(struct api_request *rq)
{
    struct export *x = arena_new(rq->cx->arena, struct export);

    TRY(prepare(rq, x));
    return x->form.proofs ? export_manifest(rq, &x->form, &x->sum, &x->manifest) : OK;
}

static void
write_index(struct json_writer *w, int64_t index)
{
    if (index < 0)
        json_null(w);
    else
        json_i64(w, index);
}

/* The bytes with proofs depend on the head of the moment. */
static enum err
refuse_proofs(struct api_request *rq, const struct export *x)
{
    return x->form.proofs ? fail_field(rq->cx, S("proofs"), "come with a manifest of their own")
                          : OK;
}

/* The manifest of the export that the same address gives with the from=, to= and before= it says, as
 * long as the log keeps them. */
enum err
audit_manifest_apply(struct api_request *rq)
{
    struct export *x = arena_new(rq->cx->arena, struct export);
    struct json_writer *w = &rq->out;
    struct str line;

    TRY(prepare(rq, x));
    TRY(refuse_proofs(rq, x));
    TRY(export_manifest(rq, &x->form, &x->sum, &line));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_i64(w, "before", x->q.before);
    json_kv_str(w, "from", time_iso(rq->cx->arena, x->sum.from));
    json_kv_str(w, "to", time_iso(rq->cx->arena, x->sum.to));
    json_kv_i64(w, "count", x->sum.count);
    json_key(w, S("first_index"));
    write_index(w, x->sum.first);
    json_key(w, S("last_index"));
    write_index(w, x->sum.last);
    json_kv_str(w, "digest", arena_fmt(rq->cx->arena, "sha-256=%.*s", STR_ARG(x->sum.digest)));
    json_key(w, S("data"));
    json_raw(w, str_trim(line));
    json_end_object(w);
    return OK;
}

enum err
audit_export_apply(struct api_request *rq)
{
    const struct export *x = rq->state;
    struct audit_entry e;

    e = export_entry(rq->cx, &x->sum, x->query);
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

static struct str
type_of(const struct export *x)
{
    return x->form.format == AUDIT_CSV ? S("text/csv; charset=utf-8") : S("application/x-ndjson");
}

static void
name_file(struct api_request *rq, const struct export *x)
{
    static const char *const ext[] = {"ndjson", "csv", "ocsf.ndjson"};
    struct arena *a = rq->cx->arena;

    http_add_header(rq->rs, S("Content-Disposition"),
                    arena_fmt(a, "attachment; filename=\"audit-log-%.*s%s.%s\"", 10,
                              time_iso(a, rq->cx->now).p, x->form.proofs ? "-proofs" : "",
                              ext[x->form.format]));
}

enum err
audit_export_after(struct api_request *rq)
{
    struct export *x = rq->state;
    struct stream *s;
    struct arena *a = rq->cx->arena;

    name_file(rq, x);
    s = audit_stream_new(rq, &x->q);
    x->handed = true;
    s->form = export_form_copy(s->arena, &x->form);
    s->digest = arena_str(s->arena, x->sum.digest);
    s->sent = sha256_begin(s->arena);
    if (!str_is_null(x->manifest))
        s->manifest = arena_str(s->arena, x->manifest);
    http_add_header(rq->rs, S("X-Recount-Query"), header_text(a, x->query));
    http_add_header(rq->rs, S("X-Recount-From"), time_iso(a, x->sum.from));
    http_add_header(rq->rs, S("X-Recount-To"), time_iso(a, x->sum.to));
    http_add_header(rq->rs, S("X-Recount-Before"), arena_fmt(a, "%lld", (long long)x->q.before));
    http_add_header(rq->rs, S("X-Recount-Count"), arena_fmt(a, "%lld", (long long)x->sum.count));
    http_add_header(rq->rs, S("X-Recount-First-Index"),
                    arena_fmt(a, "%lld", (long long)x->sum.first));
    http_add_header(rq->rs, S("X-Recount-Last-Index"),
                    arena_fmt(a, "%lld", (long long)x->sum.last));
    http_add_header(rq->rs, S("X-Recount-Digest"),
                    arena_fmt(a, "sha-256=%.*s", STR_ARG(x->sum.digest)));
    return audit_stream_open(rq, s, type_of(x), export_write);
}

/* ---- HEAD: what only the walk tells is left out (RFC 9110, section 9.3.2) ---- */

static enum err
read_question(struct api_request *rq, struct export *x)
{
    TRY(audit_query_read(rq, &x->q));
    return export_form_read(rq, &x->form);
}

enum err
audit_export_head(struct api_request *rq)
{
    struct export x = {0};

    TRY(read_question(rq, &x));
    name_file(rq, &x);
    rq->rs->content_type = type_of(&x);
    return OK;
}

enum err
audit_manifest_head(struct api_request *rq)
{
    struct export x = {0};

    TRY(read_question(rq, &x));
    return refuse_proofs(rq, &x);
}
