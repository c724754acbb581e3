/* Who may work on a client: /api/v{1,2}/tenant…/client…/user…. */
#include "api/api.h"
#include "base/text.h"
#include "core/clientuser.h"

#define ENTRIES_MAX 1000 /* users of one request */

static int64_t
client_param(const struct api_request *rq)
{
    return rq->param_id[1];
}

/* ---- reading ---- */

static void
write_name(struct json_writer *w, const struct user *u)
{
    json_key(w, S("name"));
    json_begin_object(w);
    json_kv_str(w, "first", u->first);
    json_kv_str(w, "last", u->last);
    json_end_object(w);
}

static void
write_member(struct api_request *rq, const struct member *m, bool assigned)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_i64(w, "user_id", m->user.user_id);
    json_kv_str(w, "cuid", m->user.cuid);
    json_kv_str(w, "email", m->user.email);
    json_kv_str(w, "username", m->user.email);
    json_kv_str(w, "first", m->user.first);
    json_kv_str(w, "last", m->user.last);
    json_kv_str(w, "fullName", user_full_name(rq->cx->arena, m->user.first, m->user.last));
    write_name(w, &m->user);
    json_kv_bool(w, "disabled", m->disabled);
    if (assigned) {
        json_kv_str(w, "role", m->role_key);
        json_kv_str(w, "roleTitle", m->role_title);
    }
    json_key(w, assigned ? S("classificationId") : S("tenantClassificationLevel"));
    if (m->tier_id)
        json_i64(w, m->tier_id);
    else
        json_null(w);
    json_end_object(w);
}

static enum err
users_apply(struct api_request *rq)
{
    struct members all;

    TRY(members_of_client(rq->cx, client_param(rq), &all));
    json_begin_array(&rq->out);
    for (size_t i = 0; i < all.n; i++)
        write_member(rq, &all.v[i], true);
    json_end_array(&rq->out);
    return OK;
}

static enum err
available_apply(struct api_request *rq)
{
    struct members all;

    TRY(members_available(rq->cx, client_param(rq), &all));
    json_begin_array(&rq->out);
    for (size_t i = 0; i < all.n; i++)
        write_member(rq, &all.v[i], false);
    json_end_array(&rq->out);
    return OK;
}

/* ---- entries of a request ---- */

struct entries {
    const struct json *first;
    size_t n;
};

/* A list, {"users": list}, {"users": "list as JSON text"} of a form, or one entry by itself. */
static enum err
read_entries(struct api_request *rq, struct entries *out)
{
    const struct json *v = rq->body, *users = json_get(rq->body, S("users"));
    struct json *parsed = NULL;
    const char *why;
    size_t where;

    if (users)
        v = users;
    if (users && users->type == JSON_STRING) {
        if (json_parse(rq->cx->arena, users->text, &parsed, &where, &why) != OK)
            return fail_field(rq->cx, S("/users"), "is not valid JSON text: %s", why);
        v = parsed;
    }
    if (json_is(v, JSON_OBJECT))
        *out = (struct entries){v, 1};
    else if (json_is(v, JSON_ARRAY))
        *out = (struct entries){v->first, v->count};
    else
        return fail_field(rq->cx, S("/users"), "must be a list of users");
    if (out->n > ENTRIES_MAX)
        return fail_field(rq->cx, S("/users"), "has more than %d entries", ENTRIES_MAX);
    return OK;
}

/* What every entry needs, read once. */
struct desk {
    struct client client;
    struct client_rights his;
    struct roles roles;
    struct tiers tiers;
};

static enum err
open_desk(struct api_request *rq, struct desk *d)
{
    TRY(client_get(rq->cx, client_param(rq), &d->client));
    TRY(client_rights(rq->cx, d->client.id, &d->his));
    TRY(role_load(rq->cx, &d->roles));
    return tier_load(rq->cx, &d->tiers);
}

static struct str
at(struct api_request *rq, size_t i, const char *name)
{
    return arena_fmt(rq->cx->arena, "/users/%zu/%s", i, name);
}

/* Text or number as text; null when absent, null or empty. */
static enum err
loose_text(struct api_request *rq, const struct json *o, size_t i, const char *name,
           struct str *out)
{
    const struct json *v = json_get(o, str_of(name));

    *out = STR_NULL;
    if (!v || v->type == JSON_NULL)
        return OK;
    if (v->type != JSON_STRING && v->type != JSON_NUMBER)
        return fail_field(rq->cx, at(rq, i, name), "must be text");
    if (!str_is_empty(str_trim(v->text)))
        *out = str_trim(v->text);
    return OK;
}

/* ERR_NOT_FOUND, without words, when the e-mail is nobody's. */
static enum err
entry_user(struct api_request *rq, const struct json *x, size_t i, struct user *u)
{
    struct str email;
    enum err e;

    TRY(loose_text(rq, x, i, "username", &email));
    if (x->type == JSON_STRING)
        email = str_trim(x->text);
    if (str_is_null(email))
        TRY(loose_text(rq, x, i, "email", &email));
    if (str_is_null(email))
        return fail_field(rq->cx, at(rq, i, "username"), "is required");
    e = user_get_by_email(rq->cx, email, u);
    if (e == ERR_NOT_FOUND)
        fail_clear(rq->cx);
    return e;
}

/* The role asked for, else the user's tenant role with most rights; NULL: he has none. */
static enum err
entry_role(struct api_request *rq, const struct desk *d, const struct json *x, size_t i,
           const struct user *u, const struct role **out)
{
    struct str name;

    TRY(loose_text(rq, x, i, "role", &name));
    if (str_is_null(name))
        return role_best(rq->cx, &d->roles, u->user_id, out);
    *out = role_pick(&d->roles, name);
    if (!*out)
        return fail_field(rq->cx, at(rq, i, "role"), "\"%.*s\" is no role",
                          STR_ARG(utf8_cut(name, 80)));
    if (!(*out)->enabled)
        return fail_field(rq->cx, at(rq, i, "role"), "is a role that is switched off");
    return OK;
}

static enum err
entry_tier(struct api_request *rq, const struct desk *d, const struct json *x, size_t i,
           struct client_grant *g)
{
    const char *name =
        json_get(x, S("classificationId")) ? "classificationId" : "tenantClassificationLevel";
    struct str ref;

    TRY(loose_text(rq, x, i, name, &ref));
    g->has_tier = json_get(x, str_of(name)) != NULL;
    if (str_is_null(ref) || str_eq(ref, S("0")))
        return OK;
    g->tier = tier_pick(&d->tiers, ref);
    if (!g->tier)
        return fail_field(rq->cx, at(rq, i, name), "is no classification tier");
    if (!g->tier->enabled)
        return fail_field(rq->cx, at(rq, i, name), "is a classification tier that is switched off");
    return OK;
}

/* ---- assigning ---- */

/* *assigned: done; false: the user has no role to bring. ERR_NOT_FOUND: nobody of that e-mail. */
static enum err
assign_one(struct api_request *rq, const struct desk *d, const struct json *x, size_t i,
           struct user *u, bool *assigned)
{
    struct client_grant g = {.client = &d->client, .his = &d->his, .user = u, .tiers = &d->tiers};

    TRY(entry_user(rq, x, i, u));
    TRY(entry_role(rq, d, x, i, u, &g.role));
    TRY(entry_tier(rq, d, x, i, &g));
    *assigned = g.role != NULL;
    return g.role ? client_user_put(rq->cx, &g) : OK;
}

static enum err
assign_apply(struct api_request *rq)
{
    struct buf *rejected = buf_in(rq->cx->arena, (size_t)1 << 20);
    struct json_writer *w = &rq->out, no;
    struct entries list = {0};
    struct desk d;

    TRY(open_desk(rq, &d));
    TRY(read_entries(rq, &list));
    json_writer_init(&no, rejected);
    json_begin_array(&no);
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("users_assigned"));
    json_begin_array(w);
    for (size_t i = 0; i < list.n; i++, list.first = list.first->next) {
        struct user u = {0};
        bool assigned = false;
        enum err e = assign_one(rq, &d, list.first, i, &u, &assigned);

        if (e == ERR_NOT_FOUND)
            continue; /* an unknown e-mail stands in neither list */
        if (e != OK)
            return e;
        json_str(assigned ? w : &no, u.email);
    }
    json_end_array(w);
    json_end_array(&no);
    json_key(w, S("users_rejected"));
    json_raw(w, buf_view(rejected));
    json_end_object(w);
    return OK;
}

/* ---- removing ---- */

static enum err
remove_apply(struct api_request *rq)
{
    struct entries list = {0};
    struct client c;
    int removed = 0;

    TRY(client_get(rq->cx, client_param(rq), &c));
    TRY(read_entries(rq, &list));
    for (size_t i = 0; i < list.n; i++, list.first = list.first->next) {
        struct user u;
        enum err e = entry_user(rq, list.first, i, &u);

        if (e == OK)
            e = client_user_drop(rq->cx, &c, &u);
        if (e == OK)
            removed++;
        else if (e != ERR_NOT_FOUND)
            return e;
    }
    return api_ok(rq,
                  arena_fmt(rq->cx->arena, "%d user%s removed", removed, removed == 1 ? "" : "s"));
}

#define V1            "/api/v1/tenant/{t}/client/{c}"
#define V2            "/api/v2/tenant/{t}/client/{c}"
#define VIEW          .who = WHO_CLIENT, .permission = PERM_CLIENT_VIEW, .tx = TX_READ
#define MANAGE        .who = WHO_CLIENT, .permission = PERM_CLIENT_USERS, .tx = TX_WRITE
#define ASSIGN_EVENTS "UserClientRoleAssigned UserClientRoleUpdated"

const struct route clientuser_routes[] = {
    {.method = HTTP_GET,
     .path = V1 "/users",
     VIEW,
     .summary = "Users of a client",
     .apply = users_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/tenants/{t}/clients/{c}/users",
     VIEW,
     .summary = "Users of a client",
     .apply = users_apply},
    {.method = HTTP_GET,
     .path = V1 "/users/available",
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_USERS,
     .tx = TX_READ,
     .summary = "Users not yet assigned to a client",
     .apply = available_apply},
    {.method = HTTP_POST,
     .path = V1 "/user/assign",
     MANAGE,
     .body = BODY_JSON_OR_FORM,
     .fields = "users:array",
     .events = ASSIGN_EVENTS,
     .summary = "Assign users to a client",
     .apply = assign_apply},
    {.method = HTTP_POST,
     .path = V2 "/user/assign",
     MANAGE,
     .body = BODY_JSON_OR_FORM,
     .fields = "users:array",
     .events = ASSIGN_EVENTS,
     .summary = "Assign users to a client",
     .apply = assign_apply},
    {.method = HTTP_POST,
     .path = V2 "/bulk/users/assign",
     MANAGE,
     .body = BODY_JSON,
     .events = ASSIGN_EVENTS,
     .summary = "Assign many users to a client",
     .apply = assign_apply},
    {.method = HTTP_POST,
     .path = V1 "/user/remove",
     MANAGE,
     .body = BODY_JSON_OR_FORM,
     .fields = "users:array*",
     .events = "UserClientRoleRemoved",
     .summary = "Remove users from a client",
     .apply = remove_apply},
    {0},
};
