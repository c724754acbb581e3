/* People, as administrators see and change them; new ones are user_create_api.c. Rules live in
 * core/user.h; this file is JSON ⇄ core. */
#include "api/auth.h"
#include "api/mailer.h"

#include "core/link.h"
#include "core/role.h"
#include "core/user.h"

#define LIST_MAX 10000 /* rows of one page; clients exceed any documented set */

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
    TRY(body_scalar(rq, rq->body, S(""), "tenantClassificationLevel", "tenantClassificationLevel",
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
    json_kv_str(&rq->out, "message",
                sent ? S("A mail with a link is on its way") : S(MAILER_NOT_SENT));
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
