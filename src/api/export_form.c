/* The form of an export and its manifest. Owns no state; the walking is audit_export.c's. */
#include "api/export_form.h"

#include "api/proof_json.h"
#include "base/text.h"
#include "codec/url.h"

#define HEAD_WAIT_MS 1500
#define LINE_MAX     ((size_t)16 << 20)

enum err
export_form_read(struct api_request *rq, struct export_form *f)
{
    struct str format = query_str(rq, "format"), proofs = query_str(rq, "proofs");

    *f = (struct export_form){.format = AUDIT_NDJSON};
    if (str_eq(format, S("csv")))
        f->format = AUDIT_CSV;
    else if (str_eq(format, S("ocsf")))
        f->format = AUDIT_OCSF;
    else if (!str_is_empty(format) && !str_eq(format, S("ndjson")))
        return fail_field(rq->cx, S("format"), "must be csv, ndjson or ocsf");
    f->proofs = str_eq(proofs, S("1")) || str_eq(proofs, S("true"));
    if (!f->proofs && !str_is_empty(proofs) && !str_eq(proofs, S("0")) &&
        !str_eq(proofs, S("false")))
        return fail_field(rq->cx, S("proofs"), "must be 1 or 0");
    if (f->proofs && f->format != AUDIT_NDJSON)
        return fail_field(rq->cx, S("proofs"),
                          "go with format=ndjson only: other forms can not carry the record");
    return OK;
}

enum err
export_form_head(struct api_request *rq, struct export_form *f, int64_t newest)
{
    enum err e = audit_head_over(rq->cx, rq->cx->tenant.id, newest, HEAD_WAIT_MS, &f->head);

    if (e == ERR_UNAVAILABLE && !f->proofs)
        return OK;
    if (e == ERR_UNAVAILABLE)
        return fail_word(rq->cx, e, S("not_signed_yet"),
                         "The newest events are not under a signed checkpoint yet. Try again in a "
                         "moment.");
    TRY(e);
    return audit_vkey(rq->cx, rq->cx->tenant.id, f->head.log.epoch, &f->vkey);
}

enum err
export_form_line(struct cx *cx, struct buf *out, const struct export_form *f,
                 const struct tree_source *source, const struct audit_event *e)
{
    struct audit_proof p;
    struct json_writer w;
    size_t before = out->n;

    audit_format_line(cx->arena, out, f->format, e);
    if (!f->proofs || buf_failed(out))
        return OK;
    TRY(audit_prove_event(cx, e, &f->head, source, &p));
    struct buf *b = buf_in(cx->arena, LINE_MAX);
    json_writer_init(&w, b);
    json_begin_object(&w);
    proof_members(&w, cx->arena, &p);
    json_end_object(&w);
    if (out->n < before + 2 || out->p[out->n - 2] != '}')
        BUG("a line of an export is no object");
    out->n -= 2; /* the event's closing brace and line end */
    buf_cstr(out, ",\"proof\":");
    buf_str(out, buf_view(b));
    buf_cstr(out, "}\n");
    return OK;
}

/* ---- what it says of itself ---- */

void
export_range(struct cx *cx, struct audit_query *q)
{
    int64_t since, next, end = cx->now - cx->now % USEC_PER_MS + USEC_PER_MS;

    audit_window(cx->app, cx->now, &since, &next);
    q->from -= q->from % USEC_PER_MS;
    if (q->from < since)
        q->from = since;
    if (q->to == 0 || q->to > end)
        q->to = end;
    q->to -= q->to % USEC_PER_MS;
}

void
export_count(struct export_sum *s, int64_t log, const struct audit_page *p)
{
    if (p->n == 0)
        return;
    if (s->count == 0) {
        s->first = p->events[0].index;
        s->first_log = (struct log_id){log, p->events[0].epoch};
    }
    s->last = p->events[p->n - 1].index;
    s->last_log = (struct log_id){log, p->events[p->n - 1].epoch};
    s->count += (int64_t)p->n;
}

struct audit_entry
export_entry(struct cx *cx, const struct export_sum *s, struct str query)
{
    struct audit_entry e = {.event = EV_AUDIT_EXPORTED, .target_kind = S("audit"), .count = 1};

    e.text = arena_fmt(cx->arena,
                       "%.*s exported %lld events of the audit log, from %.*s to %.*s (index %lld "
                       "to %lld, SHA-256 %.*s)",
                       STR_ARG(cx->actor.name), (long long)s->count,
                       STR_ARG(time_iso(cx->arena, s->from)), STR_ARG(time_iso(cx->arena, s->to)),
                       (long long)s->first, (long long)s->last, STR_ARG(s->digest));
    e.private_detail = arena_fmt(cx->arena, "query: %.*s", STR_ARG(query));
    return e;
}

/* ---- manifest ---- */

/* The filters, percent-encoded; "-" when nothing was left out. */
static struct str
filters(struct api_request *rq)
{
    static const char *const names[] = {"q",       "from",   "to",      "user",   "event_type",
                                        "outcome", "client", "request", "cursor", "before"};
    struct buf *b = buf_in(rq->cx->arena, 65536);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str v = query_str(rq, names[i]);
        if (str_is_empty(v))
            continue;
        buf_fmt(b, "%s%s=", b->n ? "&" : "", names[i]);
        url_encode(b, v);
    }
    return b->n ? buf_view(b) : S("-");
}

static struct str
place(struct arena *a, struct log_id log, int64_t index)
{
    return index < 0 ? S("-") : arena_fmt(a, "%lld:%lld", (long long)log.epoch, (long long)index);
}

enum err
export_manifest(struct api_request *rq, const struct export_form *f, const struct export_sum *s,
                struct str *line)
{
    static const char *const formats[] = {"ndjson", "csv", "ocsf"};
    struct arena *a = rq->cx->arena;
    struct buf *text = buf_in(a, 131072), *out = buf_in(a, LINE_MAX);
    struct json_writer w;
    struct str note;

    if (str_is_null(f->head.note))
        return fail_word(rq->cx, ERR_UNAVAILABLE, S("not_signed_yet"),
                         "This log has no signed checkpoint yet. Try again in a moment.");
    buf_fmt(text, "recount-audit-export v1\norigin %.*s\nformat %s\nproofs %s\nquery %.*s\n",
            STR_ARG(f->head.origin), formats[f->format], f->proofs ? "yes" : "no",
            STR_ARG(filters(rq)));
    buf_fmt(text, "range %.*s %.*s\n", STR_ARG(time_iso(a, s->from)), STR_ARG(time_iso(a, s->to)));
    buf_fmt(text, "made %.*s\ncount %lld\nfirst %.*s\nlast %.*s\ncheckpoint %lld ",
            STR_ARG(time_iso(a, rq->cx->now)), (long long)s->count,
            STR_ARG(place(a, s->first_log, s->first)), STR_ARG(place(a, s->last_log, s->last)),
            (long long)f->head.size);
    base64_put(text, sha256_str(&f->head.root));
    buf_fmt(text, "\ndigest sha256 %.*s\n", STR_ARG(s->digest));
    TRY(audit_sign_text(rq->cx, rq->cx->tenant.id, f->head.log.epoch, buf_view(text), &note));
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_str(&w, "manifest", note);
    json_kv_str(&w, "checkpoint", f->head.note);
    json_kv_str(&w, "vkey", f->vkey);
    json_end_object(&w);
    buf_char(out, '\n');
    *line = buf_view(out);
    return OK;
}
