/* People, as administrators see and change them. Rules live in core/user.h; this file is JSON ⇄ core. */
#include "api/auth.h"
#include "api/mailer.h"

#include "core/link.h"
#include "core/role.h"
#include "core/user.h"
#include "core/usercsv.h"

#define BULK_MAX 1000  /* users of one call */
#define LIST_MAX 10000 /* rows of one page; clients exceed any documented set */
#define CSV_MAX  (1 << 20)

/* ---- lists ---- */

static enum err
list_v1(struct api_request *rq)
{
    return user_list_v1(rq->cx, &rq->out);
}

static enum err
read_query(struct api_request *rq, struct user_query *q)
{
    struct str order = query_str(rq, "order");

    *q = (struct user_query){.sort_by = query_str(rq, "sortBy"),
                             .filter = query_str(rq, "filter"),
                             .status = query_str(rq, "status"),
                             .role = query_str(rq, "role")};
    TRY(query_int(rq, "offset", 0, INT32_MAX, 0, &q->offset));
    TRY(query_int(rq, "limit", 1, INT32_MAX, 100, &q->limit));
    if (q->limit > LIST_MAX)
        q->limit = LIST_MAX;
    TRY(order_read(rq, order, S("order"), &q->descending));
    if (q->filter.n > 200)
        return fail_field(rq->cx, S("filter"), "is longer than 200 bytes");
    if (!str_is_empty(q->status) && !str_eq(q->status, S("enabled")) &&
        !str_eq(q->status, S("disabled")) && !str_eq(q->status, S("locked")))
        return fail_field(rq->cx, S("status"), "must be one of: enabled disabled locked");
    return OK;
}

static enum err
list_v2(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct user_query q;
    int64_t total;

    TRY(read_query(rq, &q));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    TRY(user_list(rq->cx, &q, w, &total));
    json_end_array(w);
    json_kv_i64(w, "total", total);
    json_key(w, S("meta"));
    json_begin_object(w);
    json_key(w, S("pagination"));
    json_begin_object(w);
    json_kv_i64(w, "offset", q.offset);
    json_kv_i64(w, "limit", q.limit);
    json_kv_i64(w, "total", total);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

/* ---- creating ---- */

struct bulk {
    struct user_spec *specs;
    size_t n;
    bool send;
};

/* A text member of the element at the pointer i ("/0"); absent or null: null str. */
static enum err
element_str(struct api_request *rq, const struct json *o, struct str i, const char *path,
            const char *name, size_t max, struct str *out)
{
    const struct json *v = json_get(o, str_of(name));
    struct str at = arena_fmt(rq->cx->arena, "%.*s/%s", STR_ARG(i), path);

    *out = STR_NULL;
    if (!v || v->type == JSON_NULL)
        return OK;
    if (v->type != JSON_STRING && v->type != JSON_NUMBER)
        return fail_field(rq->cx, at, "must be text");
    if (v->text.n > max)
        return fail_field(rq->cx, at, "is longer than %zu bytes", max);
    *out = str_trim(v->text);
    return OK;
}

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
        element_str(rq, o, i, "email", "email", USER_EMAIL_MAX, &s->email),
        element_str(rq, from, i, "name/first", "first", USER_NAME_MAX, &s->first),
        element_str(rq, from, i, "name/last", "last", USER_NAME_MAX, &s->last),
        element_str(rq, o, i, "role", "role", 200, &s->role),
        element_str(rq, o, i, "authentication_provider", "authentication_provider", 64,
                    &s->provider),
        element_str(rq, o, i, "authenticationProvider", "authenticationProvider", 64, &provider2),
        element_str(rq, o, i, "tenantClassificationLevel", "tenantClassificationLevel", 200,
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

#define NOT_SENT "No mail server is set, so nothing was sent: copy a set-password link instead"

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
                          b->send && invited == 0 ? ". " NOT_SENT : ""));
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
        TRY(element_str(rq, rq->body, STR_NULL, "name/first", "name[first]", USER_NAME_MAX,
                        &s->first));
    if (str_is_null(s->last))
        TRY(element_str(rq, rq->body, STR_NULL, "name/last", "name[last]", USER_NAME_MAX,
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

/* ---- one user ---- */

/* By the reference in the path, and only if the caller may act on him. */
static enum err
target(struct api_request *rq, struct user *u)
{
    TRY(user_get_by_ref(rq->cx, rq->param[1], u));
    return user_actable(rq->cx, u);
}

static enum err
get_user(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct user u;
    struct str roles, key;

    TRY(user_get_by_ref(rq->cx, rq->param[1], &u));
    TRY(user_role_keys(rq->cx, &u, &roles));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_object(w);
    json_kv_i64(w, "user_id", u.user_id);
    json_kv_str(w, "cuid", u.cuid);
    json_kv_str(w, "email", u.email);
    json_kv_str(w, "first", u.first);
    json_kv_str(w, "last", u.last);
    json_kv_str(w, "fullName", user_full_name(rq->cx->arena, u.first, u.last));
    json_key(w, S("roles"));
    json_begin_array(w);
    while (!str_is_empty(roles) && str_cut(&roles, ',', &key))
        json_str(w, key);
    json_end_array(w);
    json_kv_bool(w, "disabled", u.disabled);
    json_kv_bool(w, "locked", u.locked_until > rq->cx->now);
    json_key(w, S("mfa"));
    json_begin_object(w);
    json_kv_bool(w, "enabled", u.mfa_enabled);
    json_end_object(w);
    json_kv_bool(w, "default_group", u.default_group);
    json_kv_str(w, "authentication_provider", u.provider);
    json_key(w, S("lastLogin"));
    if (u.last_login)
        json_i64(w, u.last_login / USEC_PER_MS);
    else
        json_null(w);
    json_kv_i64(w, "createdAt", u.created_at / USEC_PER_MS);
    json_key(w, S("tenantClassificationLevel"));
    if (u.tier_id)
        json_i64(w, u.tier_id);
    else
        json_null(w);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

static enum err
change_user(struct api_request *rq)
{
    struct user_update c = {.default_group = -1};
    const struct json *tier = json_get(rq->body, S("tenantClassificationLevel"));
    const struct json *roles, *name;
    struct user u;
    bool group;

    TRY(body_part(rq, rq->body, "roles", JSON_ARRAY, &roles));
    TRY(body_part(rq, rq->body, "name", JSON_OBJECT, &name));
    TRY(element_str(rq, rq->body, S(""), "tenantClassificationLevel", "tenantClassificationLevel",
                    200, &c.tier));
    rq->at = name ? "/name" : NULL;
    TRY(body_str(rq, name ? name : rq->body, "first", false, USER_NAME_MAX, &c.first));
    TRY(body_str(rq, name ? name : rq->body, "last", false, USER_NAME_MAX, &c.last));
    rq->at = NULL;
    TRY(body_str(rq, rq->body, "authentication_provider", false, 64, &c.provider));
    TRY(target(rq, &u));
    group = u.default_group;
    TRY(body_bool(rq, rq->body, "default_group", false, &group));
    c.default_group = group;
    c.first = c.first.p ? str_trim(c.first) : c.first;
    c.last = c.last.p ? str_trim(c.last) : c.last;
    c.roles = roles;
    c.has_tier = tier != NULL; /* null takes it away */
    TRY(user_change(rq->cx, &u, &c));
    return api_ok(rq, S("Saved"));
}

static enum err
delete_user(struct api_request *rq)
{
    struct user u;

    TRY(target(rq, &u));
    TRY(user_delete(rq->cx, &u));
    return api_ok(rq, S("The user was deleted"));
}

static enum err
delete_by_email(struct api_request *rq)
{
    struct str email;
    struct user u;

    TRY(body_str(rq, rq->body, "email", true, USERNAME_MAX, &email));
    TRY(user_get_by_email(rq->cx, email, &u));
    TRY(user_actable(rq->cx, &u));
    TRY(user_delete(rq->cx, &u));
    return api_ok(rq, S("The user was deleted"));
}

static enum err
unlock(struct api_request *rq)
{
    struct signin_locks *l = arena_new(rq->cx->arena, struct signin_locks);
    struct user u;

    TRY(target(rq, &u));
    rq->state = l;
    TRY(signin_locks_of(rq->cx, &u, l));
    TRY(user_unlock(rq->cx, &u, true));
    return api_ok(rq, S("The user was unlocked"));
}

static enum err
forget_failures(struct api_request *rq)
{
    signin_forget(rq->cx, rq->state);
    return OK;
}

static enum err
enable(struct api_request *rq)
{
    struct user u;

    TRY(target(rq, &u));
    TRY(user_set_disabled(rq->cx, &u, false));
    return api_ok(rq, S("The user was enabled"));
}

static enum err
disable(struct api_request *rq)
{
    struct user u;

    TRY(target(rq, &u));
    TRY(user_set_disabled(rq->cx, &u, true));
    return api_ok(rq, S("The user was disabled"));
}

static enum err
toggle_disabled(struct api_request *rq)
{
    struct str email;
    struct user u;
    bool disabled = false;

    TRY(body_str(rq, rq->body, "email", true, USERNAME_MAX, &email));
    TRY(body_bool(rq, rq->body, "disabled", true, &disabled));
    TRY(user_get_by_email(rq->cx, email, &u));
    TRY(user_actable(rq->cx, &u));
    TRY(user_set_disabled(rq->cx, &u, disabled));
    return api_ok(rq, disabled ? S("The user was disabled") : S("The user was enabled"));
}

/* Sends the mail that sets a password; the old password goes on until it is used. */
static enum err
send_reset(struct api_request *rq, const struct user *u)
{
    struct cx *cx = rq->cx;
    struct str whom = user_label(cx->arena, u);
    struct audit_entry e;
    bool sent;

    if (!str_eq(u->provider, S("plextrac")))
        return fail(cx, ERR_CONFLICT, "This user signs in with another provider");
    TRY(mailer_send_link(cx, u, LINK_FORGOTTEN_HOURS, &sent));
    e = user_entry(cx, u, EV_PASSWORD_RESET_REQUESTED,
                   arena_fmt(cx->arena, "%.*s requested a password reset for %.*s%s",
                             STR_ARG(cx->actor.name), STR_ARG(whom),
                             sent ? "" : "; no mail server is set, nothing was sent"));
    TRY(audit_record(cx, &e, NULL));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_str(&rq->out, "message", sent ? S("A mail with a link is on its way") : S(NOT_SENT));
    json_kv_bool(&rq->out, "sent", sent);
    json_end_object(&rq->out);
    return OK;
}

static enum err
reset_by_name(struct api_request *rq)
{
    struct str email;
    struct user u;

    TRY(body_str(rq, rq->body, "username", false, USERNAME_MAX, &email));
    if (str_is_null(email))
        TRY(body_str(rq, rq->body, "email", true, USERNAME_MAX, &email));
    TRY(user_get_by_email(rq->cx, email, &u));
    TRY(user_actable(rq->cx, &u));
    return send_reset(rq, &u);
}

static enum err
reset_password(struct api_request *rq)
{
    struct user u;

    TRY(target(rq, &u));
    return send_reset(rq, &u);
}

static enum err
password_link(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct audit_entry e;
    struct str url, whom;
    struct user u;

    TRY(target(rq, &u));
    if (u.disabled)
        return fail(cx, ERR_CONFLICT, "The user is disabled: enable the user first");
    if (!str_eq(u.provider, S("plextrac")))
        return fail(cx, ERR_CONFLICT, "This user signs in with another provider");
    TRY(mailer_link(cx, &u, LINK_INVITE_HOURS, &url));
    whom = user_label(cx->arena, &u);
    e = user_entry(cx, &u, EV_LINK_COPIED,
                   arena_fmt(cx->arena, "%.*s made a set-password link for %.*s",
                             STR_ARG(cx->actor.name), STR_ARG(whom)));
    TRY(audit_record(cx, &e, NULL));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_str(&rq->out, "link", url);
    json_kv_i64(&rq->out, "hours", LINK_INVITE_HOURS);
    json_end_object(&rq->out);
    return OK;
}

static enum err
reset_mfa_of(struct api_request *rq, struct user *u)
{
    if (!u->mfa_enabled)
        return fail(rq->cx, ERR_CONFLICT, "This user has no second factor");
    TRY(user_mfa_reset(rq->cx, u, u->user_id != rq->cx->actor.user_id));
    return api_ok(rq, S("The second factor was reset"));
}

static enum err
reset_mfa(struct api_request *rq)
{
    struct user u;

    TRY(target(rq, &u));
    return reset_mfa_of(rq, &u);
}

static enum err
disable_mfa_by_email(struct api_request *rq)
{
    struct str email = query_str(rq, "email");
    struct user u;

    if (str_is_empty(email))
        TRY(body_str(rq, rq->body, "email", true, USERNAME_MAX, &email));
    TRY(user_get_by_email(rq->cx, email, &u));
    TRY(user_actable(rq->cx, &u));
    return reset_mfa_of(rq, &u);
}

static enum err
end_sessions(struct api_request *rq)
{
    struct user u;
    int64_t n;

    TRY(target(rq, &u));
    TRY(user_end_sessions(rq->cx, &u, STR_NULL, "", &n));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_i64(&rq->out, "ended", n);
    json_end_object(&rq->out);
    return OK;
}

#define MANAGE .who = WHO_PERMISSION, .permission = PERM_USERS_MANAGE, .tx = TX_WRITE
#define ONE    "/api/v2/tenants/{t}/users/{userId}"

const struct route user_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v1/tenant/{t}/user/list",
     .who = WHO_PERMISSION,
     .permission = PERM_USERS_VIEW,
     .tx = TX_READ,
     .summary = "All users, as view rows",
     .apply = list_v1},
    {.method = HTTP_GET,
     .path = "/api/v2/tenants/{t}/users",
     .who = WHO_PERMISSION,
     .permission = PERM_USERS_VIEW,
     .tx = TX_READ,
     .summary = "Users, filtered and paged",
     .apply = list_v2},
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
    {.method = HTTP_GET,
     .path = ONE,
     .who = WHO_PERMISSION,
     .permission = PERM_USERS_VIEW,
     .tx = TX_READ,
     .summary = "One user",
     .apply = get_user},
    {.method = HTTP_PUT,
     .path = ONE,
     MANAGE,
     .body = BODY_JSON,
     .fields =
         "first:string last:string roles:array default_group:boolean tenantClassificationLevel:string",
     .events =
         "UserUpdated TenantRoleAssigned TenantRoleRemoved AddedToDefaultGroup RemovedFromDefaultGroup "
         "UserClassificationChanged",
     .summary = "Change a user",
     .apply = change_user,
     .after = auth_tell_sessions},
    {.method = HTTP_DELETE,
     .path = ONE,
     MANAGE,
     .events = "UserDeleted UserClientRoleRemoved",
     .summary = "Delete a user",
     .apply = delete_user,
     .after = auth_tell_sessions},
    {.method = HTTP_DELETE,
     .path = "/api/v2/user/delete",
     MANAGE,
     .body = BODY_JSON,
     .fields = "email:string*",
     .events = "UserDeleted UserClientRoleRemoved",
     .summary = "Delete a user by e-mail",
     .apply = delete_by_email,
     .after = auth_tell_sessions},
    {.method = HTTP_POST,
     .path = ONE "/unlock",
     MANAGE,
     .reserve = true,
     .body = BODY_OPTIONAL,
     .events = "UserUnlocked",
     .summary = "Unlock a user",
     .apply = unlock,
     .after = forget_failures},
    {.method = HTTP_POST,
     .path = ONE "/enable",
     MANAGE,
     .body = BODY_OPTIONAL,
     .events = "UserEnabled",
     .summary = "Enable a user",
     .apply = enable},
    {.method = HTTP_POST,
     .path = ONE "/disable",
     MANAGE,
     .reserve = true,
     .body = BODY_OPTIONAL,
     .events = "UserDisabled",
     .summary = "Disable a user and end the sessions",
     .apply = disable,
     .after = auth_tell_sessions},
    {.method = HTTP_POST,
     .path = ONE "/reset-password",
     MANAGE,
     .body = BODY_OPTIONAL,
     .events = "PasswordResetRequested",
     .summary = "Send a set-password mail",
     .apply = reset_password},
    {.method = HTTP_POST,
     .path = ONE "/reset-mfa",
     MANAGE,
     .body = BODY_OPTIONAL,
     .events = "MfaResetByOther",
     .summary = "Reset the second factor",
     .apply = reset_mfa},
    {.method = HTTP_POST,
     .path = ONE "/end-sessions",
     MANAGE,
     .reserve = true,
     .body = BODY_OPTIONAL,
     .events = "SessionEnded",
     .summary = "End the sessions",
     .apply = end_sessions,
     .after = auth_tell_sessions},
    {.method = HTTP_POST,
     .path = ONE "/password-link",
     MANAGE,
     .body = BODY_OPTIONAL,
     .events = "SetPasswordLinkCreated",
     .summary = "A link to hand over",
     .apply = password_link},
    {.method = HTTP_PUT,
     .path = "/api/v1/tenant/{t}/user/resetpass",
     MANAGE,
     .body = BODY_JSON,
     .fields = "username:string email:string",
     .events = "PasswordResetRequested",
     .summary = "Send a set-password mail",
     .apply = reset_by_name},
    {.method = HTTP_POST,
     .path = "/api/v1/tenant/{t}/user/toggledisabled",
     MANAGE,
     .reserve = true,
     .body = BODY_JSON,
     .fields = "email:string* disabled:boolean*",
     .events = "UserDisabled UserEnabled",
     .summary = "Disable or enable a user",
     .apply = toggle_disabled,
     .after = auth_tell_sessions},
    {.method = HTTP_POST,
     .path = "/api/v1/tenant/{t}/user/toggledisable",
     MANAGE,
     .reserve = true,
     .body = BODY_JSON,
     .fields = "email:string* disabled:boolean*",
     .events = "UserDisabled UserEnabled",
     .summary = "Disable or enable a user (older name)",
     .apply = toggle_disabled,
     .after = auth_tell_sessions},
    {.method = HTTP_PUT,
     .path = "/api/v1/tenant/{t}/user/mfa/disable",
     MANAGE,
     .body = BODY_OPTIONAL,
     .fields = "email:string",
     .events = "MfaResetByOther",
     .summary = "Reset a user's second factor",
     .apply = disable_mfa_by_email},
    {0},
};
