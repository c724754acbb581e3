/* The form of an export and its manifest. Owns no state; the walking is audit_export.c's. */
#include "api/export_form.h"

#include "api/proof_json.h"
#include "base/text.h"
#include "codec/url.h"

#define HEAD_WAIT_MS 1500
#define LINE_MAX     ((size_t)16 << 20)
#define EARLIER_MAX  ((size_t)256) /* bytes of a line that names an earlier epoch's checkpoint */

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

static struct audit_head
head_copy(struct arena *a, const struct audit_head *h)
{
    struct audit_head c = *h;

    c.origin = arena_str(a, h->origin);
    c.note = arena_str(a, h->note);
    return c;
}

/* What the epochs before ended with: nothing is signed under their names any more. */
static enum err
earlier_heads(struct cx *cx, struct export_form *f)
{
    f->earlier = arena_array(cx->arena, struct export_earlier, (size_t)f->head.log.epoch + 1);
    f->n_earlier = 0;
    for (int64_t epoch = f->head.log.epoch - 1; epoch >= 0; epoch--) {
        struct export_earlier *x = &f->earlier[f->n_earlier];
        enum err e = audit_head_get(cx, cx->tenant.id, epoch, &x->head);

        if (e == ERR_NOT_FOUND)
            continue;
        TRY(e);
        TRY(audit_vkey(cx, cx->tenant.id, epoch, &x->vkey));
        f->n_earlier++;
    }
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
    TRY(audit_vkey(rq->cx, rq->cx->tenant.id, f->head.log.epoch, &f->vkey));
    return earlier_heads(rq->cx, f);
}

struct export_form
export_form_copy(struct arena *a, const struct export_form *f)
{
    struct export_form c = *f;

    c.head = head_copy(a, &f->head);
    c.vkey = arena_str(a, f->vkey);
    c.earlier = arena_array(a, struct export_earlier, f->n_earlier + 1);
    for (size_t i = 0; i < f->n_earlier; i++)
        c.earlier[i] = (struct export_earlier){head_copy(a, &f->earlier[i].head),
                                               arena_str(a, f->earlier[i].vkey)};
    return c;
}

/* ---- lines ---- */

struct export_trees
export_trees_begin(struct cx *cx, const struct export_form *f)
{
    return (struct export_trees){f, arena_array(cx->arena, struct tree_source, f->n_earlier + 1)};
}

/* The head that the event's proof leads to; the running epoch's when its own never had one. */
static const struct audit_head *
head_of_epoch(const struct export_form *f, int64_t epoch, size_t *tree)
{
    *tree = 0;
    for (size_t i = 0; i < f->n_earlier; i++) {
        if (f->earlier[i].head.log.epoch != epoch)
            continue;
        *tree = i + 1;
        return &f->earlier[i].head;
    }
    return &f->head;
}

static const struct tree_source *
tree_towards(struct cx *cx, const struct export_trees *t, const struct audit_head *h, size_t tree)
{
    struct tree_source *s = &t->v[tree], *stored;

    if (s->read == NULL) {
        stored = arena_new(cx->arena, struct tree_source);
        *stored = audit_tree(cx, h->log);
        *s = tree_remembering(cx->arena, stored);
    }
    return s;
}

enum err
export_form_line(struct cx *cx, struct buf *out, const struct export_trees *t,
                 const struct audit_event *e)
{
    const struct export_form *f = t->form;
    const struct audit_head *head;
    struct audit_proof p;
    struct json_writer w;
    size_t before = out->n, tree;

    audit_format_line(cx->arena, out, f->format, e);
    if (!f->proofs || buf_failed(out))
        return OK;
    head = head_of_epoch(f, e->epoch, &tree);
    TRY(audit_prove_event(cx, e, head, tree_towards(cx, t, head, tree), &p));
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

/* Whether the export reaches into the epoch. */
static bool
is_within(const struct export_sum *s, const struct audit_head *h)
{
    int64_t a = s->first_log.epoch, b = s->last_log.epoch;

    return s->count > 0 && h->log.epoch >= (a < b ? a : b);
}

static void
name_earlier(struct buf *text, const struct audit_head *h)
{
    buf_fmt(text, "earlier %.*s %lld ", STR_ARG(h->origin), (long long)h->size);
    base64_put(text, sha256_str(&h->root));
    buf_char(text, '\n');
}

static void
write_earlier(struct json_writer *w, const struct export_form *f, const struct export_sum *s)
{
    /* newest first: where the export does not reach, it reaches no further */
    if (f->n_earlier == 0 || !is_within(s, &f->earlier[0].head))
        return;
    json_key(w, S("earlier"));
    json_begin_array(w);
    for (size_t i = 0; i < f->n_earlier && is_within(s, &f->earlier[i].head); i++) {
        json_begin_object(w);
        json_kv_str(w, "checkpoint", f->earlier[i].head.note);
        json_kv_str(w, "vkey", f->earlier[i].vkey);
        json_end_object(w);
    }
    json_end_array(w);
}

enum err
export_manifest(struct api_request *rq, const struct export_form *f, const struct export_sum *s,
                struct str *line)
{
    static const char *const formats[] = {"ndjson", "csv", "ocsf"};
    struct arena *a = rq->cx->arena;
    struct buf *text = buf_in(a, 131072 + f->n_earlier * EARLIER_MAX), *out = buf_in(a, LINE_MAX);
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
    buf_char(text, '\n');
    for (size_t i = 0; i < f->n_earlier; i++)
        if (is_within(s, &f->earlier[i].head))
            name_earlier(text, &f->earlier[i].head);
    buf_fmt(text, "digest sha256 %.*s\n", STR_ARG(s->digest));
    TRY(audit_sign_text(rq->cx, rq->cx->tenant.id, f->head.log.epoch, buf_view(text), &note));
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_str(&w, "manifest", note);
    json_kv_str(&w, "checkpoint", f->head.note);
    json_kv_str(&w, "vkey", f->vkey);
    write_earlier(&w, f, s);
    json_end_object(&w);
    buf_char(out, '\n');
    *line = buf_view(out);
    return OK;
}
