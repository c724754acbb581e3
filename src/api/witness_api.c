/* GET /api/v2/auditlog/witnesses: who cosigns the checkpoints of the caller's log, and how far;
 * …/witnesses/status: the same with the policy, the quorum, and what a witness must be told of this log. */
#include "api/witness_api.h"

#include "api/api.h"
#include "base/text.h"

static void
kv_text(struct json_writer *w, const char *name, struct str s)
{
    json_key(w, str_of(name));
    if (str_is_null(s))
        json_null(w);
    else
        json_str(w, s);
}

static void
kv_time(struct json_writer *w, struct arena *a, const char *name, int64_t t)
{
    kv_text(w, name, t ? time_iso(a, t) : STR_NULL);
}

/* ---- looking ---- */

enum err
witnesses_look(struct cx *cx, const struct audit_head *h, struct witnesses *out)
{
    struct witnesses x = {0};

    cosign_view(cx, &x.view);
    x.v = arena_array(cx->arena, struct cosign_status, x.view.n + 1);
    for (size_t i = 0; i < x.view.n; i++)
        TRY(cosign_status(cx, &x.view.v[i], cx->tenant.id, &x.v[i]));
    cosign_judge(cx, &x.view, x.v, h, cx->now - COSIGNED_WITHIN, &x.quorum);
    x.sent = h == NULL || cosign_sends(&x.view, h->origin);
    *out = x;
    return OK;
}

/* The caller's log: its head, when there is one already. */
static enum err
look(struct cx *cx, struct audit_head *head, bool *has_head, struct witnesses *w)
{
    enum err e = audit_head_get(cx, cx->tenant.id, -1, head);

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    *has_head = e == OK;
    return witnesses_look(cx, e == OK ? head : NULL, w);
}

/* ---- the list ---- */

static bool
is_failing(const struct cosign_status *s)
{
    return s->known.state == WITNESS_FAILS || s->known.state == WITNESS_CONTRADICTS;
}

static void
write_witness(struct json_writer *w, struct arena *a, const struct cosign_status *s)
{
    bool bad = is_failing(s);

    json_kv_str(w, "name", s->name);
    json_kv_str(w, "key", s->key);
    kv_text(w, "url", s->url);
    json_kv_i64(w, "last_size", s->got.size);
    kv_time(w, a, "last_cosigned_at", s->got.at);
    kv_text(w, "checkpoint", s->got.note);
    kv_text(w, "last_error", bad ? s->known.why : STR_NULL);
    kv_time(w, a, "last_error_at", bad ? s->known.failed_at : 0);
}

static enum err
witnesses_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct audit_head head;
    struct witnesses x;
    bool has_head;

    TRY(look(rq->cx, &head, &has_head, &x));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < x.view.n; i++) {
        json_begin_object(w);
        write_witness(w, rq->cx->arena, &x.v[i]);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return OK;
}

/* ---- all of it ---- */

static struct str
state_word(const struct cosign_status *s, bool sent)
{
    if (!s->asked || !sent)
        return S("not_asked");
    switch (s->known.state) {
    case WITNESS_COSIGNS:
        return S("cosigns");
    case WITNESS_FAILS:
        return S("fails");
    case WITNESS_CONTRADICTS:
        return S("contradicts");
    case WITNESS_UNKNOWN:
        break;
    }
    return S("unknown");
}

static void
write_state(struct json_writer *w, struct arena *a, const struct witnesses *x, size_t i,
            const struct audit_head *h)
{
    const struct cosign_status *s = &x->v[i];
    int64_t behind = h != NULL ? h->size - s->got.size : 0;

    json_begin_object(w);
    write_witness(w, a, s);
    json_kv_str(w, "state", state_word(s, x->sent));
    kv_time(w, a, "since", s->known.since);
    json_kv_i64(w, "behind", behind > 0 ? behind : 0);
    json_kv_bool(w, "in_quorum", x->quorum.named[i]);
    json_kv_bool(w, "counts", x->quorum.counts[i]);
    kv_time(w, a, "last_asked_at", s->known.asked_at);
    kv_time(w, a, "last_success_at", s->known.good_at);
    kv_time(w, a, "last_failure_at", s->known.failed_at);
    kv_text(w, "last_failure", s->known.why);
    json_end_object(w);
}

static enum err
write_log(struct json_writer *w, struct cx *cx, const struct audit_head *h, bool sent)
{
    struct str keys = STR_NULL, line;

    json_key(w, S("log"));
    if (h == NULL) {
        json_null(w);
        return OK;
    }
    TRY(audit_vkeys(cx, cx->tenant.id, -1, &keys));
    json_begin_object(w);
    json_kv_str(w, "origin", h->origin);
    json_kv_i64(w, "size", h->size);
    kv_time(w, cx->arena, "signed_at", h->signed_at);
    json_key(w, S("keys"));
    json_begin_array(w);
    while (str_cut(&keys, '\n', &line))
        if (line.n > 0)
            json_str(w, line);
    json_end_array(w);
    json_kv_bool(w, "sent", sent);
    json_end_object(w);
    return OK;
}

static void
write_policy(struct json_writer *w, struct arena *a, const struct witnesses *x)
{
    const struct cosign_view *v = &x->view;

    json_key(w, S("policy"));
    json_begin_object(w);
    json_kv_str(w, "file", S(COSIGN_FILE));
    kv_text(w, "text", v->text);
    kv_time(w, a, "loaded_at", v->loaded_at);
    kv_text(w, "refused", v->refused);
    kv_time(w, a, "refused_at", str_is_null(v->refused) ? 0 : v->refused_at);
    json_end_object(w);
    json_key(w, S("quorum"));
    if (v->policy == NULL) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    json_kv_str(w, "text", x->quorum.text);
    json_kv_bool(w, "met", x->quorum.met);
    kv_text(w, "missing", x->quorum.met ? STR_NULL : x->quorum.missing);
    json_kv_i64(w, "within_hours", COSIGNED_WITHIN / USEC_PER_HOUR);
    json_end_object(w);
}

static enum err
status_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct arena *a = rq->cx->arena;
    struct audit_head head;
    struct witnesses x;
    bool has_head;

    TRY(look(rq->cx, &head, &has_head, &x));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_object(w);
    TRY(write_log(w, rq->cx, has_head ? &head : NULL, x.sent));
    write_policy(w, a, &x);
    json_key(w, S("witnesses"));
    json_begin_array(w);
    for (size_t i = 0; i < x.view.n; i++)
        write_state(w, a, &x, i, has_head ? &head : NULL);
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

const struct route witness_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/witnesses",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ,
     .summary = "Who cosigns the checkpoints of the log, and how far",
     .apply = witnesses_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/witnesses/status",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ,
     .summary =
         "The log's origin and keys, the policy of witnesses, its quorum, and how each witness "
         "stands to the log",
     .apply = status_apply},
    {0}};
