/* Roles, who holds them, and the permission matrix: /api/v2/tenants/{t}/security/…. */
#include "api/api.h"
#include "api/role_body.h"
#include "base/text.h"
#include "core/role.h"
#include "core/trail.h"

/* A role answers on its own and under `data`: clients read either. */
static enum err
answer_role(struct api_request *rq, struct str cuid)
{
    struct json_writer *w = &rq->out;
    struct role r;

    TRY(role_find(rq->cx, cuid, &r));
    role_body_write(rq, &r, false);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    role_body_write(rq, &r, true);
    json_end_object(w);
    return OK;
}

/* ---- reading ---- */

static enum err
list_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct roles all;

    TRY(role_load(rq->cx, &all));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < all.n; i++)
        role_body_write(rq, &all.v[i], true);
    json_end_array(w);
    json_end_object(w);
    return OK;
}

static enum err
available_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct roles all;

    TRY(role_load(rq->cx, &all));
    json_begin_array(w);
    for (size_t i = 0; i < all.n; i++) {
        if (!all.v[i].enabled)
            continue;
        json_begin_object(w);
        json_kv_str(w, "name", all.v[i].title);
        json_kv_str(w, "title", all.v[i].title);
        json_kv_str(w, "cuid", all.v[i].cuid);
        json_kv_str(w, "id", all.v[i].cuid);
        json_kv_str(w, "key", all.v[i].key);
        json_end_object(w);
    }
    json_end_array(w);
    return OK;
}

static enum err
get_apply(struct api_request *rq)
{
    return answer_role(rq, rq->param[1]);
}

static enum err
availability_apply(struct api_request *rq)
{
    struct roles all;
    struct str key;
    bool taken = false;

    TRY(body_str(rq, rq->body, "key", true, ROLE_TITLE_MAX + 64, &key));
    TRY(role_load(rq->cx, &all));
    for (size_t i = 0; i < all.n; i++)
        taken = taken || str_ieq(all.v[i].key, str_trim(key));
    json_begin_object(&rq->out);
    json_kv_bool(&rq->out, "available", !taken);
    json_end_object(&rq->out);
    return OK;
}

/* ---- creating, changing, deleting ---- */

static enum err
create_apply(struct api_request *rq)
{
    struct permission_set set = {{0, 0}};
    struct str title, description;
    struct role r;

    TRY(body_str(rq, rq->body, "title", false, ROLE_TITLE_MAX, &title));
    TRY(body_str(rq, rq->body, "description", false, ROLE_DESCRIPTION_MAX, &description));
    TRY(role_body_rights(rq, false, &set));
    TRY(role_create(rq->cx, title, description, &set, &r));
    return answer_role(rq, r.cuid);
}

static enum err
info_apply(struct api_request *rq)
{
    struct str title, description;
    struct role r;
    bool enabled;

    TRY(role_find(rq->cx, rq->param[1], &r));
    enabled = r.enabled;
    TRY(body_str(rq, rq->body, "title", false, ROLE_TITLE_MAX, &title));
    TRY(body_str(rq, rq->body, "description", false, ROLE_DESCRIPTION_MAX, &description));
    TRY(body_bool(rq, rq->body, "enabled", false, &enabled));
    if (!str_is_null(title) && text_is_blank(title))
        return fail_field(rq->cx, S("/title"), "must not be empty");
    TRY(role_update(rq->cx, &r, title, description, enabled));
    return answer_role(rq, r.cuid);
}

static enum err
permissions_apply(struct api_request *rq)
{
    struct permission_set set;
    struct role r;

    TRY(role_find(rq->cx, rq->param[1], &r));
    set = r.rights;
    TRY(role_body_rights(rq, true, &set));
    TRY(role_set_rights(rq->cx, &r, &set));
    return answer_role(rq, r.cuid);
}

static enum err
delete_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct role r;

    TRY(role_find(rq->cx, rq->param[1], &r));
    TRY(role_delete(rq->cx, &r));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_str(w, "id", r.cuid);
    json_kv_str(w, "data", r.cuid);
    json_end_object(w);
    return OK;
}

/* ---- who holds it ---- */

/* One row per (user, role of his): the roles are gathered while reading. */
static const struct sql HOLDERS = SQL_READ(
    "SELECT " TRAIL_USER
    ", u.disabled, r.key FROM user_role h JOIN user_account u ON u.tenant_id = h.tenant_id AND "
    "u.user_id = h.user_id JOIN user_role ur ON ur.tenant_id = u.tenant_id AND ur.user_id = u.user_id "
    "JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid WHERE h.tenant_id = $1 AND h.role_cuid = $2 "
    "ORDER BY u.last_key, u.first_key, u.user_id, r.key");

static void
open_holder(struct api_request *rq, const struct db_rows *rows, bool removable)
{
    struct json_writer *w = &rq->out;
    struct user u = trail_user(rq->cx, rows, 0);

    json_begin_object(w);
    json_kv_i64(w, "user_id", u.user_id);
    json_kv_str(w, "cuid", u.cuid);
    json_kv_str(w, "email", u.email);
    json_kv_str(w, "first", u.first);
    json_kv_str(w, "last", u.last);
    json_kv_str(w, "fullName", user_full_name(rq->cx->arena, u.first, u.last));
    json_kv_bool(w, "disabled", db_int(rows, 5) != 0);
    json_kv_bool(w, "canRemoveUserFromRole", removable || db_int(rows, 5) != 0);
    json_key(w, S("roles"));
    json_begin_array(w);
}

static void
close_holder(struct json_writer *w)
{
    json_end_array(w);
    json_end_object(w);
}

static enum err
users_apply(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    int64_t admins, open = -1;
    struct db_rows *rows;
    struct role r;
    bool removable;
    enum err e;

    TRY(role_find(cx, rq->param[1], &r));
    TRY(admin_count(cx, &admins));
    removable = !str_eq(r.key, S("ADMIN")) || admins > 1;
    TRY(db_query(cx->tx, &HOLDERS, ARGS(V_INT(cx->tenant.id), V_STR(r.cuid)), &rows));
    json_begin_array(&rq->out);
    while ((e = db_next(rows)) == OK) {
        if (open != db_int(rows, 0)) {
            if (open >= 0)
                close_holder(&rq->out);
            open_holder(rq, rows, removable);
            open = db_int(rows, 0);
        }
        json_str(&rq->out, db_text(rows, 6));
    }
    if (open >= 0)
        close_holder(&rq->out);
    json_end_array(&rq->out);
    return e == ERR_END ? OK : e;
}

static enum err
add_user_apply(struct api_request *rq)
{
    const struct json *ref = json_get(rq->body, S("userId"));
    struct role r;
    struct user u;

    if (!ref || (ref->type != JSON_STRING && ref->type != JSON_NUMBER))
        return fail_field(rq->cx, S("/userId"), "is required");
    TRY(role_find(rq->cx, rq->param[1], &r));
    if (!r.enabled)
        return fail(rq->cx, ERR_CONFLICT, "The role is switched off");
    TRY(user_get_by_ref(rq->cx, ref->text, &u));
    TRY(role_assign(rq->cx, u.user_id, &r));
    return answer_role(rq, r.cuid);
}

static enum err
remove_user_apply(struct api_request *rq)
{
    struct role r;
    struct user u;

    TRY(role_find(rq->cx, rq->param[1], &r));
    TRY(user_get_by_ref(rq->cx, rq->param[2], &u));
    TRY(role_remove(rq->cx, u.user_id, &r));
    return answer_role(rq, r.cuid);
}

/* ---- whom a change would sign out ---- */

#define LOSERS_NAMED 5

static enum err
read_loss(struct api_request *rq, const struct role *r, struct permission_set *lost,
          int64_t *user_id)
{
    struct permission_set left = r->rights;
    const struct json *ref = json_get(rq->body, S("userId"));
    struct user u;

    *lost = r->rights; /* nothing said: the role is deleted, or switched off */
    *user_id = 0;
    if (ref && ref->type != JSON_STRING && ref->type != JSON_NUMBER)
        return fail_field(rq->cx, S("/userId"), "must be the number or id of a user");
    if (ref) {
        TRY(user_get_by_ref(rq->cx, ref->text, &u));
        *user_id = u.user_id;
    } else if (json_get(rq->body, S("permissions"))) {
        TRY(role_body_rights(rq, true, &left));
        for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
            if (permission_has(&left, p))
                permission_drop(lost, p);
    }
    return OK;
}

static enum err
loss_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct permission_set lost;
    struct role_loss all;
    int64_t user_id;
    struct role r;

    TRY(role_find(rq->cx, rq->param[1], &r));
    TRY(read_loss(rq, &r, &lost, &user_id));
    TRY(role_loss_foreseen(rq->cx, &r, &lost, user_id, &all));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_i64(w, "signsOut", (int64_t)all.n);
    json_key(w, S("users"));
    json_begin_array(w);
    for (size_t i = 0; i < all.n && i < LOSERS_NAMED; i++) {
        json_begin_object(w);
        json_kv_i64(w, "user_id", all.v[i].user_id);
        json_kv_str(w, "fullName", user_full_name(rq->cx->arena, all.v[i].first, all.v[i].last));
        json_kv_str(w, "email", all.v[i].email);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return OK;
}

/* ---- matrix, own permissions ---- */

static enum err
matrix_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct roles all;

    TRY(role_load(rq->cx, &all));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        const struct permission_info *i = permission_info(p);

        json_begin_object(w);
        json_kv_str(w, "key", str_of(i->key));
        json_kv_str(w, "category", str_of(i->category));
        json_kv_str(w, "section", str_of(i->section));
        json_kv_str(w, "title", str_of(i->title));
        json_kv_str(w, "scope", i->scope == 'C' ? S("client") : S("tenant"));
        json_kv_bool(w, "asked", i->asked);
        json_key(w, S("roles"));
        json_begin_object(w);
        for (size_t k = 0; k < all.n; k++) {
            json_key(w, all.v[k].key);
            json_bool(w, permission_has(&all.v[k].rights, p));
        }
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return OK;
}

static const struct sql OWN_CLIENTS = SQL_READ(
    "SELECT cu.client_id, r.key, rp.permission FROM client_user cu JOIN role r ON r.tenant_id = cu.tenant_id AND "
    "r.cuid = cu.role_cuid AND r.enabled = 1 LEFT JOIN role_permission rp ON rp.tenant_id = r.tenant_id AND "
    "rp.role_cuid = r.cuid WHERE cu.tenant_id = $1 AND cu.user_id = $2 ORDER BY cu.client_id, rp.permission");

/* {"<client id>": {role, permissions}}: what a client role adds to the tenant-wide rights. */
static enum err
write_own_clients(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct db_rows *rows;
    int64_t open = -1;
    enum err e;

    json_begin_object(w);
    if (rq->cx->actor.kind == ACTOR_TOKEN) { /* it holds its scopes and nothing beside them */
        json_end_object(w);
        return OK;
    }
    TRY(db_query(rq->cx->tx, &OWN_CLIENTS,
                 ARGS(V_INT(rq->cx->tenant.id), V_INT(rq->cx->actor.user_id)), &rows));
    while ((e = db_next(rows)) == OK) {
        enum permission p = permission_by_key(db_text(rows, 2));

        if (open != db_int(rows, 0)) {
            if (open >= 0)
                close_holder(w);
            open = db_int(rows, 0);
            json_key(w, arena_fmt(rq->cx->arena, "%lld", (long long)open));
            json_begin_object(w);
            json_kv_str(w, "role", db_text(rows, 1));
            json_key(w, S("permissions"));
            json_begin_array(w);
        }
        if (permission_info(p)->scope == 'C')
            json_str(w, db_text(rows, 2));
    }
    if (open >= 0)
        close_holder(w);
    json_end_object(w);
    return e == ERR_END ? OK : e;
}

static enum err
own_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct cx *cx = rq->cx;

    if (rq->param_id[1] != cx->actor.user_id && !str_eq(rq->param[1], cx->actor.cuid))
        return fail(cx, ERR_FORBIDDEN, "Not authorized to view user permissions");
    json_begin_object(w);
    json_key(w, S("permissions"));
    role_body_keys(w, &cx->grants->tenant);
    json_key(w, S("clients"));
    TRY(write_own_clients(rq));
    json_kv_str(w, "doc_type", S("user_permissions"));
    json_kv_bool(w, "isAdmin", cx->grants->is_admin);
    json_end_object(w);
    return OK;
}

#define BASE "/api/v2/tenants/{t}/security/role"

const struct route role_routes[] = {
    {.method = HTTP_GET,
     .path = BASE,
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_VIEW,
     .tx = TX_READ,
     .summary = "List roles",
     .apply = list_apply},
    {.method = HTTP_POST,
     .path = BASE,
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_MANAGE,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .fields = "title:string description:string permissions:array permissionConfiguration:array",
     .events = "TenantRoleCreated",
     .summary = "Create a role",
     .apply = create_apply},
    {.method = HTTP_GET,
     .path = BASE "/available",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "Names and ids of enabled roles",
     .apply = available_apply},
    {.method = HTTP_POST,
     .path = BASE "/availability",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_VIEW,
     .tx = TX_READ,
     .body = BODY_JSON,
     .fields = "key:string*",
     .summary = "Is a role key free",
     .apply = availability_apply},
    {.method = HTTP_GET,
     .path = BASE "/{roleId}",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_VIEW,
     .tx = TX_READ,
     .summary = "Read a role",
     .apply = get_apply},
    {.method = HTTP_PUT,
     .path = BASE "/{roleId}/info",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_MANAGE,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "title:string description:string enabled:boolean",
     .events = "TenantRoleUpdated",
     .summary = "Change a role's name, description, state",
     .apply = info_apply},
    {.method = HTTP_PUT,
     .path = BASE "/{roleId}/permissions",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_MANAGE,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "permissions:array permissionConfiguration:array",
     .events = "TenantRoleUpdated",
     .summary = "Change a role's permissions",
     .apply = permissions_apply},
    {.method = HTTP_DELETE,
     .path = BASE "/{roleId}",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_MANAGE,
     .tx = TX_WRITE,
     .events = "TenantRoleDeleted TenantRoleRemoved UserClientRoleRemoved",
     .summary = "Delete a role",
     .apply = delete_apply},
    {.method = HTTP_GET,
     .path = BASE "/{roleKey}/users",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_VIEW,
     .tx = TX_READ,
     .summary = "Who holds a role",
     .apply = users_apply},
    {.method = HTTP_PUT,
     .path = BASE "/{roleId}/users",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_MANAGE,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "userId:integer*",
     .events = "TenantRoleAssigned",
     .summary = "Give a role to a user",
     .apply = add_user_apply},
    {.method = HTTP_DELETE,
     .path = BASE "/{roleId}/users/{userId}",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_MANAGE,
     .tx = TX_WRITE,
     .events = "TenantRoleRemoved",
     .summary = "Take a role from a user",
     .apply = remove_user_apply},
    {.method = HTTP_POST,
     .path = BASE "/{roleId}/loss",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_MANAGE,
     .tx = TX_READ,
     .body = BODY_OPTIONAL,
     .fields = "permissions:array userId:integer",
     .summary = "Whom a change would sign out: other permissions, a user without it, none at all",
     .apply = loss_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/tenants/{t}/security/permissions",
     .who = WHO_PERMISSION,
     .permission = PERM_ROLES_VIEW,
     .tx = TX_READ,
     .summary = "The permission matrix",
     .apply = matrix_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/tenants/{t}/user/{userId}/permissions",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "One's own permissions",
     .apply = own_apply},
    {0},
};
