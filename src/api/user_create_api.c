/* New people: one, many, or from CSV. What makes a user is core/user.h's and core/usercsv.h's. */
#include "api/auth.h"
#include "api/mailer.h"

#include "core/link.h"
#include "core/role.h"
#include "core/user.h"
#include "core/usercsv.h"

#define BULK_MAX 1000 /* users of one call */
#define CSV_MAX  (1 << 20)

/* ---- one or many ---- */

struct bulk {
    struct user_spec *specs;
    size_t n;
    bool send;
};

/* Absent, null and, as forms and tables write it, empty text: NULL. */
static const struct json *
element(const struct json *o, const char *name)
{
    const struct json *v = json_get(o, str_of(name));

    return !v || v->type == JSON_NULL || (v->type == JSON_STRING && str_is_empty(v->text)) ? NULL
                                                                                           : v;
}

/* A list or an object. */
static enum err
element_part(struct api_request *rq, const struct json *o, struct str i, const char *name,
             enum json_type type, const struct json **out)
{
    *out = element(o, name);
    if (!*out || (*out)->type == type)
        return OK;
    return fail_field(rq->cx, arena_fmt(rq->cx->arena, "%.*s/%s", STR_ARG(i), name),
                      type == JSON_ARRAY ? "must be a list" : "must be an object");
}

static enum err
element_bool(struct api_request *rq, const struct json *o, struct str i, const char *name,
             bool *out)
{
    const struct json *v = element(o, name);

    if (!v)
        return OK;
    if (v->type == JSON_BOOL)
        *out = v->boolean;
    else if (v->type == JSON_STRING && str_ieq(v->text, S("true")))
        *out = true;
    else if (v->type != JSON_STRING || !str_ieq(v->text, S("false")))
        return fail_field(rq->cx, arena_fmt(rq->cx->arena, "%.*s/%s", STR_ARG(i), name),
                          "must be true or false");
    return OK;
}

static enum err
read_element(struct api_request *rq, const struct json *o, struct str i, struct user_spec *s)
{
    const struct json *name = json_get(o, S("name"));
    const struct json *from = json_is(name, JSON_OBJECT) ? name : o;
    struct str provider2;
    enum err e[] = {
        element_part(rq, o, i, "name", JSON_OBJECT, &name),
        element_part(rq, o, i, "roles", JSON_ARRAY, &s->roles),
        element_bool(rq, o, i, "default_group", &s->default_group),
        body_scalar(rq, o, i, "email", "email", USER_EMAIL_MAX, &s->email),
        body_scalar(rq, from, i, "name/first", "first", USER_NAME_MAX, &s->first),
        body_scalar(rq, from, i, "name/last", "last", USER_NAME_MAX, &s->last),
        body_scalar(rq, o, i, "role", "role", 200, &s->role),
        body_scalar(rq, o, i, "authentication_provider", "authentication_provider", 64,
                    &s->provider),
        body_scalar(rq, o, i, "authenticationProvider", "authenticationProvider", 64, &provider2),
        body_scalar(rq, o, i, "tenantClassificationLevel", "tenantClassificationLevel", 200,
                    &s->tier)};

    for (size_t k = 0; k < sizeof e / sizeof e[0]; k++)
        TRY(e[k]);
    if (str_is_empty(s->provider))
        s->provider = provider2;
    s->pointer = i.p ? i : S("");
    if (str_is_empty(s->email))
        return fail_field(rq->cx, arena_fmt(rq->cx->arena, "%.*s/email", STR_ARG(i)),
                          "is required");
    return OK;
}

/* sendEmail=false: no mail with a link to set a password. */
static enum err
send_wanted(struct api_request *rq, bool *out)
{
    struct str s = query_str(rq, "sendEmail");

    *out = !str_ieq(s, S("false"));
    if (*out && !str_is_empty(s) && !str_ieq(s, S("true")))
        return fail_field(rq->cx, S("sendEmail"), "must be true or false");
    return OK;
}

static enum err
prepare_bulk(struct api_request *rq)
{
    struct bulk *b = arena_new(rq->cx->arena, struct bulk);
    const struct json *list = rq->body;
    enum err bad = OK;

    if (json_is(list, JSON_OBJECT))
        list = json_get(list, S("users"));
    if (!json_is(list, JSON_ARRAY) || !list->first)
        return fail_field(rq->cx, S(""), "must be a list of users");
    if (list->count > BULK_MAX)
        return fail_field(rq->cx, S(""), "holds more than %d users", BULK_MAX);
    TRY(send_wanted(rq, &b->send));
    b->specs = arena_array(rq->cx->arena, struct user_spec, list->count);
    for (const struct json *o = list->first; o; o = o->next) {
        struct str at = arena_fmt(rq->cx->arena, "/%zu", b->n);
        enum err e = json_is(o, JSON_OBJECT) ? read_element(rq, o, at, &b->specs[b->n])
                                             : fail_field(rq->cx, at, "must be an object");

        if (e != OK)
            bad = e;
        b->n++;
    }
    rq->state = b;
    return bad;
}

/* The mail in which a new user sets a password; counts those that are on their way. */
static enum err
invite(struct cx *cx, const struct user *u, int64_t *invited)
{
    struct str whom = user_label(cx->arena, u);
    struct audit_entry e;
    bool sent;

    if (!str_eq(u->provider, S("plextrac")))
        return OK;
    TRY(mailer_send_link(cx, u, LINK_INVITE_HOURS, &sent));
    if (!sent)
        return OK;
    ++*invited;
    e = user_entry(cx, u, EV_LINK_COPIED,
                   arena_fmt(cx->arena, "%.*s had a set-password link sent to %.*s",
                             STR_ARG(cx->actor.name), STR_ARG(whom)));
    return audit_record(cx, &e, NULL);
}

static enum err
create_bulk(struct api_request *rq)
{
    const struct bulk *b = rq->state;
    struct json_writer *w = &rq->out;
    int64_t invited = 0;
    struct roles all;

    TRY(role_load(rq->cx,
                  &all)); /* once: a thousand users times all roles would outgrow a request */
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("created"));
    json_begin_array(w);
    for (size_t i = 0; i < b->n; i++) {
        struct user u;

        b->specs[i].all = &all;
        TRY(user_create(rq->cx, &b->specs[i], &u));
        if (b->send)
            TRY(invite(rq->cx, &u, &invited));
        json_begin_object(w);
        json_kv_i64(w, "user_id", u.user_id);
        json_kv_str(w, "cuid", u.cuid);
        json_kv_str(w, "email", u.email);
        json_end_object(w);
    }
    json_end_array(w);
    json_kv_i64(w, "invited", invited);
    json_kv_str(w, "message",
                arena_fmt(rq->cx->arena, "%zu created%s", b->n,
                          b->send && invited == 0 ? ". " MAILER_NOT_SENT : ""));
    json_end_object(w);
    return OK;
}

/* One user, the deprecated way: a form or an object, with the members of a row of the other. Names come
 * as name:{first,last}, as first and last, or as name[first] and name[last] of a form. */
static enum err
prepare_one(struct api_request *rq)
{
    struct bulk *b = arena_new(rq->cx->arena, struct bulk);
    struct user_spec *s = arena_new(rq->cx->arena, struct user_spec);
    enum err e;

    if (!json_is(rq->body, JSON_OBJECT))
        return fail_field(rq->cx, S(""), "must be one user");
    e = read_element(rq, rq->body, STR_NULL, s);
    if (str_is_null(s->first))
        TRY(body_scalar(rq, rq->body, STR_NULL, "name/first", "name[first]", USER_NAME_MAX,
                        &s->first));
    if (str_is_null(s->last))
        TRY(body_scalar(rq, rq->body, STR_NULL, "name/last", "name[last]", USER_NAME_MAX,
                        &s->last));
    *b = (struct bulk){.specs = s, .n = 1};
    TRY(send_wanted(rq, &b->send));
    rq->state = b;
    return e;
}

/* ---- CSV ---- */

static enum err
prepare_csv(struct api_request *rq)
{
    struct usercsv *c = arena_new(rq->cx->arena, struct usercsv);

    for (size_t i = 0; i < rq->n_parts; i++) {
        if (!str_eq(rq->parts[i].name, S("file")))
            continue;
        if (rq->parts[i].value.n > CSV_MAX)
            return fail(rq->cx, ERR_TOO_LARGE, "The file is larger than 1 MB");
        TRY(usercsv_read(rq->cx, rq->parts[i].value, c));
        rq->state = c;
        return OK;
    }
    return fail_field(rq->cx, S("file"), "is required");
}

static enum err
create_csv(struct api_request *rq)
{
    const struct usercsv *read = rq->state;
    struct usercsv c = {arena_array(rq->cx->arena, struct usercsv_row, read->n + 1), read->n};
    struct json_writer *w = &rq->out;
    int64_t invited = 0;
    struct user *made;
    size_t n;

    if (read->n)
        memcpy(c.rows, read->rows,
               read->n * sizeof *c.rows); /* a second run starts as the first did */
    TRY(usercsv_apply(rq->cx, &c, &made, &n));
    for (size_t i = 0; i < n; i++)
        TRY(invite(rq->cx, &made[i], &invited));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_i64(w, "created", (int64_t)n);
    json_kv_i64(w, "invited", invited);
    json_key(w, S("rejected"));
    json_begin_array(w);
    for (size_t i = 0; i < c.n; i++) {
        if (str_is_null(c.rows[i].reason))
            continue;
        json_begin_object(w);
        json_kv_i64(w, "line", (int64_t)c.rows[i].line);
        json_kv_str(w, "reason", c.rows[i].reason);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return OK;
}

#define MANAGE .who = WHO_PERMISSION, .permission = PERM_USERS_MANAGE, .tx = TX_WRITE

const struct route user_create_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/v1/tenant/{t}/user/create/bulk",
     MANAGE,
     .body = BODY_JSON,
     .fields = "users:array",
     .events = "UserCreated TenantRoleAssigned AddedToDefaultGroup SetPasswordLinkCreated",
     .summary = "Create users",
     .prepare = prepare_bulk,
     .apply = create_bulk},
    {.method = HTTP_POST,
     .path = "/api/v1/tenant/{t}/user/create",
     MANAGE,
     .body = BODY_JSON_OR_FORM,
     .fields = "email:string* name:object first:string last:string role:string "
               "authentication_provider:string default_group:boolean "
               "tenantClassificationLevel:string",
     .events = "UserCreated TenantRoleAssigned AddedToDefaultGroup SetPasswordLinkCreated",
     .summary = "Create a user (deprecated: create/bulk)",
     .prepare = prepare_one,
     .apply = create_bulk},
    {.method = HTTP_POST,
     .path = "/api/v2/tenants/{t}/users/csv",
     MANAGE,
     .body = BODY_MULTIPART,
     .events = "UserCreated TenantRoleAssigned AddedToDefaultGroup SetPasswordLinkCreated",
     .summary = "Create users from CSV",
     .prepare = prepare_csv,
     .apply = create_csv},
    {0},
};
