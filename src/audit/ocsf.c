/* An event as OCSF 1.8 JSON (schema.ocsf.io): the classes are named in the catalogue. What a class
 * demands beyond the common members (user, service, entity, resources …) is filled in here. */
#include "audit/priv.h"

#include "base/text.h"

#define UID_AUTHENTICATION    3002
#define UID_ACCOUNT_CHANGE    3001
#define UID_AUTHORIZE_SESSION 3003
#define UID_ENTITY            3004
#define UID_USER_ACCESS       3005
#define UID_GROUP             3006
#define UID_API               6003
#define UID_LIFECYCLE         6002

static void
put_user(struct json_writer *w, const char *key, struct str id, struct str name, struct str email)
{
    json_key(w, str_of(key));
    json_begin_object(w);
    if (id.n)
        json_kv_str(w, "uid", id);
    json_kv_str(w, "name", name.n ? name : email.n ? email : S("unknown"));
    if (email.n)
        json_kv_str(w, "email_addr", email);
    json_end_object(w);
}

static void
put_metadata(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("metadata"));
    json_begin_object(w);
    json_kv_str(w, "version", S("1.8.0"));
    json_key(w, S("product"));
    json_begin_object(w);
    json_kv_str(w, "name", S("Recount"));
    json_kv_str(w, "vendor_name", S("Recount"));
    json_end_object(w);
    json_kv_str(w, "event_code", e->type_name);
    json_kv_str(w, "uid", e->cuid);
    json_kv_i64(w, "sequence", e->index);
    json_kv_i64(w, "logged_time", e->logged / USEC_PER_MS);
    if (e->request_id.n)
        json_kv_str(w, "correlation_uid", e->request_id);
    json_end_object(w);
}

static void
put_actor(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("actor"));
    json_begin_object(w);
    if (e->actor_kind == ACTOR_SYSTEM || e->actor_kind == ACTOR_COMMAND)
        json_kv_str(w, "app_name", e->actor_name.n ? e->actor_name : S("recount"));
    else
        put_user(w, "user", e->actor_id, e->actor_name, e->actor_email);
    if (e->session.n) {
        json_key(w, S("session"));
        json_begin_object(w);
        json_kv_str(w, "uid", e->session);
        json_end_object(w);
    }
    json_end_object(w);
}

static void
put_endpoint(struct json_writer *w, const struct audit_event *e)
{
    if (e->address.n) {
        json_key(w, S("src_endpoint"));
        json_begin_object(w);
        json_kv_str(w, "ip", e->address);
        if (e->via.n) {
            json_key(w, S("intermediate_ips"));
            json_begin_array(w);
            json_str(w, e->via);
            json_end_array(w);
        }
        json_end_object(w);
    }
    if (e->user_agent.n) {
        json_key(w, S("http_request"));
        json_begin_object(w);
        json_kv_str(w, "user_agent", e->user_agent);
        json_end_object(w);
    }
}

static void
put_named(struct json_writer *w, const char *key, const struct audit_event *e)
{
    json_key(w, str_of(key));
    json_begin_object(w);
    json_kv_str(w, "name", e->target_name.n ? e->target_name : e->target_kind);
    if (e->target_id.n)
        json_kv_str(w, "uid", e->target_id);
    if (e->target_kind.n)
        json_kv_str(w, "type", e->target_kind);
    json_end_object(w);
}

static void
put_service(struct json_writer *w, const char *key)
{
    json_key(w, str_of(key));
    json_begin_object(w);
    json_kv_str(w, "name", S("Recount"));
    json_end_object(w);
}

static void
put_privileges(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("privileges"));
    json_begin_array(w);
    json_str(w, e->target_name.n ? e->target_name : e->target_kind.n ? e->target_kind : S("none"));
    json_end_array(w);
}

static void
put_resources(struct json_writer *w, const struct audit_event *e)
{
    if (e->client_id == 0)
        return;
    json_key(w, S("resources"));
    json_begin_array(w);
    json_begin_object(w);
    json_kv_str(w, "type", S("client"));
    json_kv_str(w, "name", e->client_name);
    json_end_object(w);
    json_end_array(w);
}

/* Who an identity event is about: its target when that is a person, else the actor. */
static void
put_subject(struct json_writer *w, const struct audit_event *e)
{
    if (str_eq(e->target_kind, S("user")))
        put_user(w, "user", e->target_id, e->target_name, e->target_email);
    else
        put_user(w, "user", e->actor_id, e->actor_name, e->actor_email);
}

static void
put_class(struct json_writer *w, const struct audit_event *e, int class_uid)
{
    switch (class_uid) {
    case UID_AUTHENTICATION:
        put_subject(w, e);
        put_service(w, "service");
        break;
    case UID_ACCOUNT_CHANGE:
        put_subject(w, e);
        break;
    case UID_AUTHORIZE_SESSION:
    case UID_USER_ACCESS:
        put_subject(w, e);
        put_privileges(w, e);
        put_resources(w, e);
        break;
    case UID_GROUP:
        put_subject(w, e);
        put_service(w, "group");
        break;
    case UID_ENTITY:
        put_named(w, "entity", e);
        break;
    case UID_API:
        json_key(w, S("api"));
        json_begin_object(w);
        json_kv_str(w, "operation", e->type_name);
        json_end_object(w);
        break;
    case UID_LIFECYCLE:
        put_service(w, "app");
        break;
    default:
        break;
    }
}

static void
put_unmapped(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("unmapped"));
    json_begin_object(w);
    json_kv_i64(w, "epoch", e->epoch);
    json_kv_str(w, "leaf", e->leaf_hex);
    json_kv_str(w, "owasp_event", str_of(event_type(e->type)->owasp));
    put_changes(w, e);
    json_end_object(w);
}

void
ocsf_put(struct json_writer *w, const struct audit_event *e)
{
    const struct event_type *t = event_type(e->type);
    int class_uid = t->ocsf_class, activity = t->ocsf_activity;
    struct arena *a = arena_create("audit.ocsf", (size_t)16 << 20);
    struct buf *message = buf_in(a, (size_t)8 << 20);
    bool before = w->unseen_escaped;
    text_visible(message, e->text);
    w->unseen_escaped = true;
    json_begin_object(w);
    json_kv_i64(w, "activity_id", activity);
    json_kv_i64(w, "category_uid", class_uid / 1000);
    json_kv_i64(w, "class_uid", class_uid);
    json_kv_i64(w, "type_uid", (int64_t)class_uid * 100 + activity);
    json_kv_i64(w, "severity_id",
                e->outcome == OUTCOME_SUCCESS  ? 1
                : e->outcome == OUTCOME_DENIED ? 3
                                               : 2);
    json_kv_i64(w, "status_id", e->outcome == OUTCOME_SUCCESS ? 1 : 2);
    json_kv_i64(w, "time", e->at / USEC_PER_MS);
    json_kv_i64(w, "count", e->count);
    json_kv_str(w, "message", buf_view(message));
    put_metadata(w, e);
    put_actor(w, e);
    put_endpoint(w, e);
    put_class(w, e, class_uid);
    put_unmapped(w, e);
    json_end_object(w);
    w->unseen_escaped = before;
    arena_free(a);
}
