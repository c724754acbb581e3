/* The first page: the caller's clients and what happened lately, as far as he may see it. */
#include "api/api.h"
#include "api/audit_api.h"
#include "audit/audit.h"
#include "core/client.h"

#define ACTIVITY      10  /* events shown */
#define OWN_SCANNED   100 /* of his own and about him: read to find his own */
#define CLIENTS_SHOWN 12

/* The log lies in stores of its own: it is read before the transaction. */
static enum err
prepare(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct audit_page *p = arena_new(cx->arena, struct audit_page);
    struct audit_query q = {.tenant_id = cx->tenant.id, .outcome = -1, .after = -1, .before = -1};
    bool all = cx_may(cx, PERM_AUDIT_VIEW);

    q.limit = all ? ACTIVITY : OWN_SCANNED;
    if (!all) {
        /* Only what succeeded: a denial would say that a row exists which he was told does not. */
        q.user = cx->actor.cuid;
        q.outcome = OUTCOME_SUCCESS;
    }
    rq->state = p;
    if (!all && cx->actor.kind == ACTOR_TOKEN)
        return OK; /* its scopes do not name the log */
    if (audit_list(cx, &q, p) != OK) {
        fail_clear(cx); /* the page does not depend on it */
        *p = (struct audit_page){0};
    }
    return OK;
}

static void
write_activity(struct api_request *rq)
{
    const struct audit_page *p = rq->state;
    struct json_writer *w = &rq->out;
    bool all = cx_may(rq->cx, PERM_AUDIT_VIEW);
    int shown = 0;

    json_key(w, S("activity"));
    json_begin_array(w);
    for (size_t i = 0; i < p->n && shown < ACTIVITY; i++) {
        const struct audit_event *e = &p->events[i];

        if (!all && !str_eq(e->actor_id, rq->cx->actor.cuid))
            continue; /* what others did to him names their addresses */
        if (audit_is_own_view(e, rq->cx->actor.session))
            continue; /* the looking at this list */
        audit_json(w, e);
        shown++;
    }
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
    const struct audit_page *p = rq->state;

    if (p->n > 0 && cx_may(rq->cx, PERM_AUDIT_VIEW))
        audit_view_note(rq->cx, S("dashboard"),
                        str_is_null(query_str(rq, "follow")) ? VIEW_MINUTES : FOLLOW_MINUTES);
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
     .after = after},
    {0},
};
