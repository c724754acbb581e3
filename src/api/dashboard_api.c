/* The first page: the caller's clients and what happened lately, as far as he may see it. */
#include "api/api.h"
#include "api/audit_api.h"
#include "audit/audit.h"
#include "core/client.h"

#define ACTIVITY      10 /* events shown */
#define PIECE         50 /* read at a time, … */
#define PIECES        10 /* … so often at most, until there are enough to show */
#define CLIENTS_SHOWN 12

struct activity {
    struct audit_event v[ACTIVITY];
    int n;
};

/* What happened: not that somebody looked at what happened, which would soon be all there is to see. */
static bool
is_shown(const struct cx *cx, bool all, const struct audit_event *e)
{
    if (!all && !str_eq(e->actor_id, cx->actor.cuid))
        return false; /* what others did to him names their addresses */
    return e->type != EV_AUDIT_VIEWED && e->type != EV_ACCESS_VIEWED && e->type != EV_PROOF_READ;
}

/* The log lies in stores of its own: it is read before the transaction. */
static enum err
prepare(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct activity *found = arena_new(cx->arena, struct activity);
    struct audit_query q = {
        .tenant_id = cx->tenant.id, .outcome = -1, .after = -1, .before = -1, .limit = PIECE};
    bool all = cx_may(cx, PERM_AUDIT_VIEW), more = true;

    if (!all) {
        /* Only what succeeded: a denial would say that a row exists which he was told does not. */
        q.user = cx->actor.cuid;
        q.outcome = OUTCOME_SUCCESS;
    }
    rq->state = found;
    if (!all && cx->actor.kind == ACTOR_TOKEN)
        return OK; /* its scopes do not name the log */
    for (int i = 0; i < PIECES && more && found->n < ACTIVITY; i++) {
        struct audit_page p = {0};

        if (audit_list(cx, &q, &p) != OK) {
            fail_clear(cx); /* the page does not depend on it */
            break;
        }
        for (size_t k = 0; k < p.n && found->n < ACTIVITY; k++)
            if (is_shown(cx, all, &p.events[k]))
                found->v[found->n++] = p.events[k];
        more = p.more && p.complete;
        q.after = p.next;
    }
    return OK;
}

static void
write_activity(struct api_request *rq)
{
    const struct activity *found = rq->state;
    struct json_writer *w = &rq->out;

    json_key(w, S("activity"));
    json_begin_array(w);
    for (int i = 0; i < found->n; i++)
        audit_json(w, &found->v[i]);
    json_end_array(w);
}

static void
write_clients(struct api_request *rq, const struct clients *all)
{
    struct json_writer *w = &rq->out;

    json_key(w, S("clients"));
    json_begin_array(w);
    for (size_t i = 0; i < all->n; i++) {
        const struct client *c = &all->v[i];

        json_begin_object(w);
        json_kv_i64(w, "client_id", c->id);
        json_kv_str(w, "cuid", c->cuid);
        json_kv_str(w, "name", c->name);
        json_kv_str(w, "description", c->description);
        json_key(w, S("tags"));
        json_raw(w, c->tags);
        json_kv_bool(w, "has_logo", !str_is_empty(c->logo));
        json_kv_str(w, "logo",
                    str_is_empty(c->logo)
                        ? S("")
                        : arena_fmt(rq->cx->arena, "/api/v1/client/%lld/logo", (long long)c->id));
        json_kv_i64(w, "updatedAt", c->updated_at / USEC_PER_MS);
        json_end_object(w);
    }
    json_end_array(w);
}

static const struct sql USERS =
    SQL_READ("SELECT COUNT(*) FROM user_account WHERE tenant_id = $1 AND disabled = 0");

static enum err
apply(struct api_request *rq)
{
    struct client_query q = {.limit = CLIENTS_SHOWN, .sort = {{S("updatedAt"), true}}, .n_sort = 1};
    struct json_writer *w = &rq->out;
    struct cx *cx = rq->cx;
    struct clients all;
    int64_t users;

    TRY(client_list(cx, &q, &all));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    write_clients(rq, &all);
    write_activity(rq);
    json_kv_str(w, "activityScope", cx_may(cx, PERM_AUDIT_VIEW) ? S("workspace") : S("own"));
    json_key(w, S("counts"));
    json_begin_object(w);
    json_kv_i64(w, "clients", all.total);
    if (cx_may(cx, PERM_USERS_VIEW)) {
        TRY(db_query_int(cx->tx, &USERS, ARGS(V_INT(cx->tenant.id)), &users));
        json_kv_i64(w, "users", users);
    }
    json_end_object(w);
    json_end_object(w);
    return OK;
}

/* Who sees events of the log here has looked at it. The page asks again and again while it is open:
 * that follows a look which was recorded, as the log's own page does. */
static enum err
after(struct api_request *rq)
{
    const struct activity *found = rq->state;

    if (found->n > 0 && cx_may(rq->cx, PERM_AUDIT_VIEW))
        audit_view_note(rq->cx, S("dashboard"),
                        str_is_null(query_str(rq, "follow")) ? VIEW_MINUTES : FOLLOW_MINUTES);
    return OK;
}

static enum err
head(struct api_request *rq)
{
    (void)rq;
    return OK;
}

const struct route dashboard_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/dashboard",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .events = "AuditLogViewed",
     .summary = "My clients and recent activity",
     .prepare = prepare,
     .apply = apply,
     .after = after,
     .head = head},
    {0},
};
