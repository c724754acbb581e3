/* Refused requests as events: tokens, missing rights, and rows that are kept from the caller. Decides
 * nothing; floods are folded by audit/fold.c. */
#include "api/denial.h"

#include "audit/audit.h"
#include "core/session.h"

void
denial_of_token(struct cx *cx, const struct http_request *rq)
{
    enum session_refusal why = session_last_refusal(cx);
    struct failure kept = cx->failure;
    struct audit_entry e = {
        .event = EV_TOKEN_REFUSED, .outcome = OUTCOME_FAILURE, .instance = !cx->tenant.known};

    if (why == SESSION_REFUSAL_NONE || why == SESSION_REFUSAL_MISSING ||
        why == SESSION_REFUSAL_EXPIRED)
        return;
    e.text = arena_fmt(cx->arena, "A token was refused: %s (%.*s)", session_refusal_text(why),
                       STR_ARG(rq->path));
    fail_clear(cx);
    audit_record_apart(cx, &e, cx->address);
    cx->failure = kept;
}

/* The route is the same denial to the log, whoever's id stands in it. */
static struct str
fold_key(struct cx *cx, const struct route *r)
{
    return arena_fmt(cx->arena, "%.*s %s", STR_ARG(cx->actor.cuid), r->path);
}

static struct audit_entry
denied(struct cx *cx, const struct route *r, const struct http_request *rq, struct str why)
{
    struct audit_entry e = {.event = EV_ACCESS_DENIED, .outcome = OUTCOME_DENIED};

    e.target_kind = S("route");
    e.target_id = arena_fmt(cx->arena, "%.*s %s", STR_ARG(rq->method_name), r->path);
    e.client_id = cx->about.client_id;
    e.client_name = cx->about.client_name;
    e.text = arena_fmt(cx->arena, "%.*s was denied %.*s %.*s: %.*s", STR_ARG(cx->actor.name),
                       STR_ARG(rq->method_name), STR_ARG(rq->path), STR_ARG(why));
    e.instance = !cx->tenant.known;
    return e;
}

void
denial_of_route(struct cx *cx, const struct route *r, const struct http_request *rq)
{
    struct failure kept = cx->failure;
    struct audit_entry e = denied(cx, r, rq, kept.message);

    fail_clear(cx);
    audit_record_apart(cx, &e, fold_key(cx, r));
    cx->failure = kept;
}

void
denial_of_hidden(struct cx *cx, const struct route *r, const struct http_request *rq)
{
    struct str client = cx->about.client_name;
    struct str why = cx->about.client_id == 0
                         ? S("it is not the own workspace")
                         : arena_fmt(cx->arena, "not assigned to client %.*s", STR_ARG(client));
    struct audit_entry e = denied(cx, r, rq, why);

    audit_record_soon(cx, &e, fold_key(cx, r));
}
