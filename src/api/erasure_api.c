/* /api/v2/auditlog/erasures: asking for, approving, cancelling and listing the erasure of a person
 * from the log. JSON ⇄ core/erasure.h, and the mails that go with it. No answer but the one to those
 * who decide an open request names the person. */
#include "api/api.h"
#include "api/erasure_api.h"
#include "api/mailer.h"
#include "core/trail.h"

/* ---- answers ---- */

static void
put_time(struct json_writer *w, struct arena *a, const char *name, int64_t t)
{
    json_key(w, str_of(name));
    if (t == 0)
        json_null(w);
    else
        json_str(w, time_iso(a, t));
}

static void
put_words(struct json_writer *w, const char *name, const struct erase_words *words)
{
    json_key(w, str_of(name));
    json_begin_array(w);
    for (size_t i = 0; i < words->n; i++)
        json_str(w, words->v[i]);
    json_end_array(w);
}

/* Who has to decide must know about whom; afterwards nobody needs to. */
static void
put_subject(struct cx *cx, struct json_writer *w, const struct erasure *e)
{
    struct erase_subject who;
    struct failure kept = cx->failure;

    json_key(w, S("subject"));
    if (!erasure_is_open(e) || cx->actor.kind == ACTOR_COMMAND ||
        erasure_subject(cx, e, &who) != OK) {
        cx->failure = kept;
        json_null(w);
        return;
    }
    json_begin_object(w);
    put_words(w, "emails", &who.emails);
    put_words(w, "names", &who.names);
    put_words(w, "accounts", &who.cuids);
    put_words(w, "texts", &who.texts);
    json_end_object(w);
}

static const char *
step_word(const struct erasure *e)
{
    static const char *const words[] = {
        [ERASURE_LEARN] = "learning names",      [ERASURE_EVENTS] = "erasing",
        [ERASURE_INDEX] = "text index",          [ERASURE_RECORD] = "recording",
        [ERASURE_SCRUB] = "rewriting the store", [ERASURE_FINISHED] = "finished"};

    return e->step >= 0 && e->step <= ERASURE_FINISHED ? words[e->step] : "";
}

/* PostgreSQL's write-ahead log: null where there is none, or nothing was erased yet. */
static void
put_wal(struct cx *cx, struct json_writer *w, const struct erasure *e)
{
    bool done = str_eq(e->state, S("done"));
    enum erasure_wal_state s = erasure_wal_of(&e->wal, done ? e->ended_at : 0);

    json_key(w, S("wal"));
    if (s == ERASURE_WAL_NONE) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    json_kv_str(w, "state", s == ERASURE_WAL_DUE ? S("due") : S("cleared"));
    put_time(w, cx->arena, "due_by", e->ended_at + ERASURE_WAL_US);
    put_time(w, cx->arena, "cleared_at", s == ERASURE_WAL_CLEARED ? e->wal.cleared_at : 0);
    json_kv_str(w, "todo", s == ERASURE_WAL_DUE ? erasure_wal_todo(cx, &e->wal) : STR_NULL);
    json_end_object(w);
}

void
erasure_json(struct cx *cx, struct json_writer *w, const struct erasure *e)
{
    struct arena *a = cx->arena;

    json_begin_object(w);
    json_kv_str(w, "id", e->cuid);
    json_kv_str(w, "state", e->state);
    json_kv_bool(w, "unrecorded", e->row != ERASURE_ROW_LOGGED);
    json_kv_str(w, "person", e->person);
    json_kv_str(w, "label", erased_label(a, e->person));
    put_subject(cx, w, e);
    json_kv_str(w, "reason", e->reason);
    json_kv_str(w, "legal_ground", e->legal_ground);
    json_kv_str(w, "asked_by", e->asked_by_name);
    json_kv_bool(w, "asked_by_me", e->asked_by == cx->actor.user_id);
    json_kv_bool(w, "asked_by_operator", e->asked_by == OPERATOR);
    put_time(w, a, "asked_at", e->asked_at);
    put_time(w, a, "due_at", e->due_at);
    json_kv_str(w, "approved_by", e->approved_by_name);
    put_time(w, a, "approved_at", e->approved_at);
    json_kv_str(w, "ended_by", e->ended_by_name);
    put_time(w, a, "ended_at", e->ended_at);
    json_kv_str(w, "step", str_of(step_word(e)));
    json_kv_i64(w, "looked_at", e->looked_at);
    json_kv_i64(w, "total", e->total);
    json_kv_i64(w, "events", e->events);
    json_key(w, S("result"));
    if (str_is_empty(e->result))
        json_null(w);
    else
        json_raw(w, e->result);
    put_wal(cx, w, e);
    json_end_object(w);
}

static enum err
answer(struct api_request *rq, const struct erasure *e)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    erasure_json(rq->cx, &rq->out, e);
    json_end_object(&rq->out);
    return OK;
}

/* The log is read before the transaction that reads the rows. */
static enum err
doubt_prepare(struct api_request *rq)
{
    struct erasure_doubt *d = arena_new(rq->cx->arena, struct erasure_doubt);

    rq->state = d;
    return erasure_doubt_begin(rq->cx, d);
}

static enum err
list_apply(struct api_request *rq)
{
    struct erasures all;

    TRY(erasure_list(rq->cx, &all));
    for (size_t i = 0; i < all.n; i++)
        all.v[i].row = erasure_doubt(rq->cx, rq->state, &all.v[i]);
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    json_begin_array(&rq->out);
    for (size_t i = 0; i < all.n; i++)
        erasure_json(rq->cx, &rq->out, &all.v[i]);
    json_end_array(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

static enum err
get_apply(struct api_request *rq)
{
    struct erasure e = {0};

    TRY(erasure_get(rq->cx, rq->param[0], &e));
    e.row = erasure_doubt(rq->cx, rq->state, &e);
    return answer(rq, &e);
}

/* ---- asking ---- */

struct ask {
    struct erase_subject who;
    struct str reason, legal_ground;
};

static enum err
read_texts(struct api_request *rq, struct str *v, size_t *n)
{
    const struct json *list = json_get(rq->body, S("texts"));

    *n = 0;
    if (!list || list->type == JSON_NULL)
        return OK;
    if (list->type != JSON_ARRAY || list->count > ERASURE_TEXTS_MAX)
        return fail_field(rq->cx, S("/texts"), "must be a list of at most %d texts",
                          ERASURE_TEXTS_MAX);
    for (const struct json *x = list->first; x; x = x->next) {
        struct str text = json_is(x, JSON_STRING) ? str_trim(x->text) : STR_NULL;

        if (text.n < ERASURE_TEXT_MIN || text.n > ERASURE_TEXT_MAX)
            return fail_field(rq->cx, arena_fmt(rq->cx->arena, "/texts/%zu", *n),
                              "must be a text of %d to %d bytes: a shorter one would take much of "
                              "the log along",
                              ERASURE_TEXT_MIN, ERASURE_TEXT_MAX);
        v[(*n)++] = text;
    }
    return OK;
}

/* Whom the word means is looked up in the log: not inside a transaction. */
static enum err
ask_prepare(struct api_request *rq)
{
    struct ask *a = arena_new(rq->cx->arena, struct ask);
    struct str subject = STR_NULL, texts[ERASURE_TEXTS_MAX];
    size_t n = 0;
    bool unseen = false;
    enum err bad = body_str(rq, rq->body, "subject", true, 254, &subject);

    if (body_str(rq, rq->body, "reason", true, ERASURE_REASON_MAX, &a->reason) != OK)
        bad = ERR_INVALID;
    if (body_str(rq, rq->body, "legal_ground", true, ERASURE_REASON_MAX, &a->legal_ground) != OK)
        bad = ERR_INVALID;
    if (read_texts(rq, texts, &n) != OK)
        bad = ERR_INVALID;
    if (body_bool(rq, rq->body, "unseen", false, &unseen) != OK)
        bad = ERR_INVALID;
    TRY(bad);
    audit_settle(rq->cx->app, 200);
    TRY(erasure_find(rq->cx, subject, texts, n, &a->who));
    if (!unseen)
        TRY(erasure_known(rq->cx, &a->who));
    rq->state = a;
    return OK;
}

enum err
erasure_tell_asked(struct cx *cx, const struct erasure *e)
{
    struct str label = erased_label(cx->arena, e->person);
    struct str then =
        e->due_at ? arena_fmt(cx->arena,
                              "Nobody else could approve it, so it runs by itself on %.*s unless "
                              "it is cancelled until then.",
                              STR_ARG(time_iso(cx->arena, e->due_at)))
        : cx->actor.kind == ACTOR_COMMAND
            ? S("An administrator has to take it on, and another one to approve it.")
            : S("Another administrator has to approve it.");

    return mailer_tell_administrators(
        cx, false, S("Recount: a person is to be erased from the audit log"),
        arena_fmt(cx->arena,
                  "%.*s asked that a person be erased from the audit log (%.*s).\n\n"
                  "Reason: %.*s\nLegal ground: %.*s\n\n%.*s\n\nAdmin Dashboard, Retention, holds "
                  "and erasure, shows about whom.\n",
                  STR_ARG(trail_actor(cx)), STR_ARG(label), STR_ARG(e->reason),
                  STR_ARG(e->legal_ground), STR_ARG(then)));
}

static enum err
ask_apply(struct api_request *rq)
{
    struct ask *a = rq->state;
    struct erasure e = {0};

    TRY(erasure_ask(rq->cx, &a->who, a->reason, a->legal_ground, &e));
    TRY(erasure_tell_asked(rq->cx, &e));
    return answer(rq, &e);
}

/* ---- deciding ---- */

enum err
erasure_tell_decided(struct cx *cx, const struct erasure *e, const char *what)
{
    return mailer_tell_administrators(
        cx, false, arena_fmt(cx->arena, "Recount: an erasure from the audit log was %s", what),
        arena_fmt(cx->arena, "%.*s %s the erasure of a person from the audit log (%.*s).\n",
                  STR_ARG(trail_actor(cx)), what, STR_ARG(erased_label(cx->arena, e->person))));
}

static enum err
approve_apply(struct api_request *rq)
{
    struct erasure e = {0};

    TRY(erasure_approve(rq->cx, rq->param[0], &e));
    TRY(erasure_is_open(&e) ? erasure_tell_asked(rq->cx, &e)
                            : erasure_tell_decided(rq->cx, &e, "approved"));
    return answer(rq, &e);
}

static enum err
cancel_apply(struct api_request *rq)
{
    struct erasure e = {0};

    TRY(erasure_cancel(rq->cx, rq->param[0], &e));
    TRY(erasure_tell_decided(rq->cx, &e, "cancelled"));
    return answer(rq, &e);
}

static enum err
dismiss_apply(struct api_request *rq)
{
    struct erasure e = {0};

    TRY(erasure_get(rq->cx, rq->param[0], &e));
    TRY(erasure_dismiss(rq->cx, rq->param[0], rq->state));
    TRY(mailer_tell_administrators(
        rq->cx, false, S("Recount: a request to erase was dismissed"),
        arena_fmt(rq->cx->arena,
                  "%.*s dismissed the request to erase %.*s, which stood in the table and not in "
                  "the log: somebody has written there. Look at it with \"recount audit verify "
                  "--deep\".\n",
                  STR_ARG(trail_actor(rq->cx)), STR_ARG(e.cuid))));
    return api_ok(rq, S("Dismissed"));
}

#define BASE "/api/v2/auditlog/erasures"
#define MAY  .who = WHO_PERMISSION, .permission = PERM_AUDIT_ERASE

const struct route erasure_routes[] = {
    {.method = HTTP_GET,
     .path = BASE,
     MAY,
     .tx = TX_READ,
     .summary = "Requests to erase a person from the log",
     .prepare = doubt_prepare,
     .apply = list_apply},
    {.method = HTTP_POST,
     .path = BASE,
     MAY,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .rate = RATE_HEAVY,
     .fields = "subject:string* texts:array reason:string* legal_ground:string* unseen:boolean",
     .events = "ErasureRequested",
     .summary = "Ask that a person be erased from the log",
     .prepare = ask_prepare,
     .apply = ask_apply},
    {.method = HTTP_GET,
     .path = BASE "/{erasureId}",
     MAY,
     .tx = TX_READ,
     .summary = "One request with its result",
     .prepare = doubt_prepare,
     .apply = get_apply},
    {.method = HTTP_POST,
     .path = BASE "/{erasureId}/approve",
     MAY,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .events = "ErasureApproved ErasureRequested",
     .summary = "Approve what another administrator asked for, or take on what the operator did",
     .apply = approve_apply},
    {.method = HTTP_POST,
     .path = BASE "/{erasureId}/cancel",
     MAY,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .events = "ErasureCancelled",
     .summary = "Cancel a request that is not approved",
     .apply = cancel_apply},
    {.method = HTTP_POST,
     .path = BASE "/{erasureId}/dismiss",
     MAY,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .events = "ErasureDismissed",
     .summary = "Take away a request that stands in the table and not in the log",
     .prepare = doubt_prepare,
     .apply = dismiss_apply},
    {0},
};
