/* Roles: reading them, the rules of granting, and changes of the roles themselves. Who holds them
 * tenant-wide is role_user.c; on a client, clientuser.c. */
#include "core/role.h"

#include "codec/textkey.h"
#include "core/clientuser.h"
#include "core/trail.h"

/* ---- reading ---- */

static const struct sql ROLES = SQL_READ(
    "SELECT r.cuid, r.key, r.title, r.description, r.enabled, r.builtin, COUNT(ur.user_id) FROM role r "
    "LEFT JOIN user_role ur ON ur.tenant_id = r.tenant_id AND ur.role_cuid = r.cuid WHERE r.tenant_id = $1 "
    "GROUP BY r.cuid, r.key, r.title, r.description, r.enabled, r.builtin, r.created_at "
    "ORDER BY r.builtin DESC, CASE WHEN r.builtin > 0 THEN r.created_at ELSE 0 END, r.title, r.cuid");
static const struct sql RIGHTS = SQL_READ(
    "SELECT role_cuid, permission FROM role_permission WHERE tenant_id = $1 ORDER BY role_cuid");

static struct role
role_of_row(struct cx *cx, const struct db_rows *r)
{
    return (struct role){
        .cuid = arena_str(cx->arena, db_text(r, 0)),
        .key = arena_str(cx->arena, db_text(r, 1)),
        .title = arena_str(cx->arena, db_text(r, 2)),
        .description = arena_str(cx->arena, db_text(r, 3)),
        .enabled = db_int(r, 4) != 0,
        .builtin = db_int(r, 5) != 0,
        .users = db_int(r, 6),
    };
}

static enum err
load_rights(struct cx *cx, struct roles *all)
{
    struct db_rows *rows;
    struct role *at = NULL;
    enum err e;

    TRY(db_query(cx->tx, &RIGHTS, ARGS(V_INT(cx->tenant.id)), &rows));
    while ((e = db_next(rows)) == OK) {
        struct str cuid = db_text(rows, 0);

        for (size_t i = 0; (!at || !str_eq(at->cuid, cuid)) && i < all->n; i++) {
            if (str_eq(all->v[i].cuid, cuid))
                at = &all->v[i];
        }
        if (at && str_eq(at->cuid, cuid))
            permission_add(&at->rights, permission_by_key(db_text(rows, 1)));
    }
    return e == ERR_END ? OK : e;
}

enum err
role_load(struct cx *cx, struct roles *out)
{
    struct roles all = {NULL, 0};
    struct db_rows *rows;
    size_t cap = 0;
    enum err e;

    TRY(db_query(cx->tx, &ROLES, ARGS(V_INT(cx->tenant.id)), &rows));
    while ((e = db_next(rows)) == OK) {
        arena_grow(cx->arena, all.v, all.n, &cap, 16);
        all.v[all.n++] = role_of_row(cx, rows);
    }
    if (e != ERR_END)
        return e;
    TRY(load_rights(cx, &all));
    *out = all;
    return OK;
}

const struct role *
role_pick(const struct roles *all, struct str name)
{
    name = str_trim(name);
    for (size_t i = 0; i < all->n; i++) {
        if (str_eq(all->v[i].cuid, name) || str_ieq(all->v[i].key, name))
            return &all->v[i];
    }
    for (size_t i = 0; i < all->n; i++) {
        if (str_ieq(all->v[i].title, name))
            return &all->v[i];
    }
    return NULL;
}

enum err
role_find(struct cx *cx, struct str name, struct role *out)
{
    struct roles all;
    const struct role *r;

    TRY(role_load(cx, &all));
    r = role_pick(&all, name);
    if (!r)
        return fail(cx, ERR_NOT_FOUND, "Role not found");
    *out = *r;
    return OK;
}

struct str
role_rights_text(struct cx *cx, const struct permission_set *s)
{
    struct buf *b = buf_in(cx->arena, 1 << 16);

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (!permission_has(s, p))
            continue;
        if (buf_view(b).n)
            buf_cstr(b, ", ");
        buf_cstr(b, permission_info(p)->key);
    }
    return buf_view(b).n ? buf_view(b) : S("");
}

/* ---- the rules ---- */

enum err
role_grantable(struct cx *cx, const struct role *r)
{
    bool ok;

    if (cx_is_process(cx))
        return OK;
    ok = cx->grants && permission_contains(&cx->grants->tenant, &r->rights);
    if (str_eq(r->key, S("ADMIN")))
        ok = ok && cx->grants->is_admin;
    return ok ? OK
              : fail(cx, ERR_FORBIDDEN, "The role %.*s holds rights you do not have yourself",
                     STR_ARG(r->title));
}

enum err
role_grantable_on(struct cx *cx, const struct client_rights *his, const struct role *r)
{
    struct permission_set there = permission_on_client(&r->rights);

    if (cx_is_process(cx) || permission_contains(&his->set, &there))
        return OK;
    return fail(cx, ERR_FORBIDDEN, "The role %.*s holds rights you do not have on this client",
                STR_ARG(r->title));
}

static enum err
changeable(struct cx *cx, const struct role *r)
{
    if (r->builtin)
        return fail(cx, ERR_CONFLICT, "The role %.*s is built in and can not be changed",
                    STR_ARG(r->title));
    return role_grantable(cx, r);
}

const struct role *
role_better(const struct role *a, const struct role *b)
{
    struct permission_set ca, cb;
    int na, nb;

    if (!a || !b)
        return a ? a : b;
    ca = permission_on_client(&a->rights);
    cb = permission_on_client(&b->rights);
    na = permission_count(&ca);
    nb = permission_count(&cb);
    if (na != nb)
        return na > nb ? a : b;
    return permission_count(&a->rights) >= permission_count(&b->rights) ? a : b;
}

/* ---- creating ---- */

struct str
role_key_of(struct cx *cx, struct str title)
{
    struct buf *b = buf_in(cx->arena, 1024);

    buf_fmt(b, "TENANT_%lld_ROLE_", (long long)cx->tenant.id);
    for (size_t i = 0; i < title.n; i++) {
        char c = title.p[i];

        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        buf_char(b, (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_');
    }
    return buf_view(b);
}

static bool
title_taken(struct cx *cx, const struct roles *all, struct str title, const struct role *but)
{
    struct str wanted = text_key(cx->arena, title);

    for (size_t i = 0; i < all->n; i++) {
        if (but && str_eq(all->v[i].cuid, but->cuid))
            continue;
        if (str_eq(text_key(cx->arena, all->v[i].title), wanted))
            return true;
    }
    return false;
}

static bool
key_taken(const struct roles *all, struct str key)
{
    for (size_t i = 0; i < all->n; i++) {
        if (str_ieq(all->v[i].key, key))
            return true;
    }
    return false;
}

/* Titles in other scripts leave nothing but underscores of a key: the next ones are numbered. */
static struct str
free_key(struct cx *cx, const struct roles *all, struct str title)
{
    struct str first = role_key_of(cx, title), key = first;

    for (int i = 2; key_taken(all, key); i++)
        key = arena_fmt(cx->arena, "%.*s_%d", STR_ARG(first), i);
    return key;
}

static struct str
free_title(struct cx *cx, const struct roles *all)
{
    struct str title = S("New role");

    for (int i = 2; title_taken(cx, all, title, NULL); i++)
        title = arena_fmt(cx->arena, "New role %d", i);
    return title;
}

static const struct sql INSERT_ROLE = SQL_WRITE(
    "role",
    "INSERT INTO role (tenant_id, cuid, key, title, description, enabled, builtin, created_at) "
    "VALUES ($1, $2, $3, $4, $5, 1, $6, $7)");
static const struct sql INSERT_RIGHT =
    SQL_WRITE("role_permission",
              "INSERT INTO role_permission (tenant_id, role_cuid, permission) VALUES ($1, $2, $3)");

static enum err
insert_role(struct cx *cx, const struct role *r, int64_t at)
{
    TRY(db_exec(cx->tx, &INSERT_ROLE,
                ARGS(V_INT(cx->tenant.id), V_STR(r->cuid), V_STR(r->key), V_STR(r->title),
                     V_STR(r->description), V_INT(r->builtin), V_INT(at)),
                NULL));
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (permission_has(&r->rights, p))
            TRY(db_exec(
                cx->tx, &INSERT_RIGHT,
                ARGS(V_INT(cx->tenant.id), V_STR(r->cuid), V_STR(str_of(permission_info(p)->key))),
                NULL));
    }
    return OK;
}

static enum err
record(struct cx *cx, enum event ev, const struct role *r, const char *verb, const struct trail *t)
{
    struct str who = trail_actor(cx);
    struct trail_thing thing = {
        .event = ev,
        .kind = S("role"),
        .id = r->cuid,
        .name = r->title,
        .text =
            arena_fmt(cx->arena, "%.*s %s the role %.*s", STR_ARG(who), verb, STR_ARG(r->title)),
    };

    return trail_record(cx, &thing, t);
}

enum err
role_create(struct cx *cx, struct str title, struct str description,
            const struct permission_set *rights, struct role *out)
{
    struct role r = {.enabled = true};
    struct trail t = {0};
    struct roles all;

    TRY(role_load(cx, &all));
    title = str_trim(title);
    r.title = str_is_empty(title) ? free_title(cx, &all) : title;
    if (title_taken(cx, &all, r.title, NULL))
        return fail(cx, ERR_CONFLICT, "There is a role of this name already");
    r.cuid = cuid_in(cx->arena, cx->now);
    r.key = free_key(cx, &all, r.title);
    r.description = str_is_null(description) ? S("") : description;
    if (rights)
        r.rights = *rights;
    TRY(role_grantable(cx, &r));
    TRY(insert_role(cx, &r, cx->now));
    trail_note(cx, &t, S("title"), STR_NULL, r.title);
    trail_note(cx, &t, S("key"), STR_NULL, r.key);
    trail_note(cx, &t, S("description"), S(""), r.description);
    trail_note_whole(cx, &t, S("permissions"), S(""), role_rights_text(cx, &r.rights));
    TRY(record(cx, EV_ROLE_CREATED, &r, "created", &t));
    *out = r;
    return OK;
}

/* ---- changing ---- */

static const struct sql UPDATE_ROLE = SQL_WRITE(
    "role",
    "UPDATE role SET title = $3, description = $4, enabled = $5 WHERE tenant_id = $1 AND cuid = $2");

enum err
role_update(struct cx *cx, const struct role *r, struct str title, struct str description,
            bool enabled)
{
    struct permission_set lost = {{0, 0}};
    struct loser *losers;
    struct trail t = {0};
    struct roles all;

    TRY(changeable(cx, r));
    title = str_is_null(title) ? r->title : str_trim(title);
    description = str_is_null(description) ? r->description : description;
    trail_note(cx, &t, S("title"), r->title, title);
    trail_note(cx, &t, S("description"), r->description, description);
    trail_note_bool(cx, &t, S("enabled"), r->enabled, enabled);
    if (t.n == 0)
        return OK;
    TRY(role_load(cx, &all));
    if (title_taken(cx, &all, title, r))
        return fail(cx, ERR_CONFLICT, "There is a role of this name already");
    if (!enabled)
        lost = r->rights;
    TRY(role_losers(cx, r, &lost, &losers));
    TRY(db_exec(cx->tx, &UPDATE_ROLE,
                ARGS(V_INT(cx->tenant.id), V_STR(r->cuid), V_STR(title), V_STR(description),
                     V_INT(enabled)),
                NULL));
    TRY(record(cx, EV_ROLE_UPDATED, r, "changed", &t));
    return role_losers_end(
        cx, losers, arena_fmt(cx->arena, " by switching off the role %.*s", STR_ARG(r->title)));
}

static const struct sql DELETE_RIGHT = SQL_WRITE(
    "role_permission",
    "DELETE FROM role_permission WHERE tenant_id = $1 AND role_cuid = $2 AND permission = $3");

enum err
role_set_rights(struct cx *cx, const struct role *r, const struct permission_set *rights)
{
    struct role wanted = *r;
    struct permission_set added = {{0, 0}}, removed = {{0, 0}};
    struct loser *losers;
    struct trail t = {0};

    TRY(changeable(cx, r));
    wanted.rights = *rights;
    TRY(role_grantable(cx, &wanted));
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        bool had = permission_has(&r->rights, p), has = permission_has(rights, p);
        struct db_args args =
            ARGS(V_INT(cx->tenant.id), V_STR(r->cuid), V_STR(str_of(permission_info(p)->key)));

        if (had == has)
            continue;
        permission_add(has ? &added : &removed, p);
        TRY(db_exec(cx->tx, has ? &INSERT_RIGHT : &DELETE_RIGHT, args, NULL));
    }
    trail_note_whole(cx, &t, S("permissions"), role_rights_text(cx, &r->rights),
                     role_rights_text(cx, rights));
    if (t.n == 0)
        return OK;
    if (permission_count(&added))
        trail_note_whole(cx, &t, S("permissions added"), STR_NULL, role_rights_text(cx, &added));
    if (permission_count(&removed))
        trail_note_whole(cx, &t, S("permissions removed"), role_rights_text(cx, &removed),
                         STR_NULL);
    TRY(role_losers(cx, r, &removed, &losers)); /* what the role keeps is none of them */
    TRY(record(cx, EV_ROLE_UPDATED, r, "changed the permissions of", &t));
    return role_losers_end(
        cx, losers,
        arena_fmt(cx->arena, " by changing the permissions of the role %.*s", STR_ARG(r->title)));
}

/* ---- deleting ---- */

static const struct sql MEMBERS = SQL_READ(
    "SELECT " TRAIL_USER " FROM user_role ur JOIN user_account u ON u.tenant_id = ur.tenant_id AND "
    "u.user_id = ur.user_id WHERE ur.tenant_id = $1 AND ur.role_cuid = $2 ORDER BY u.user_id");
static const struct sql CLIENT_MEMBERS =
    SQL_READ("SELECT " TRAIL_USER ", c.client_id, c.name, cu.tier_id, t.name FROM client_user cu "
             "JOIN user_account u ON u.tenant_id = cu.tenant_id AND u.user_id = cu.user_id "
             "JOIN client c ON c.tenant_id = cu.tenant_id AND c.client_id = cu.client_id "
             "LEFT JOIN tier t ON t.tenant_id = cu.tenant_id AND t.tier_id = cu.tier_id "
             "WHERE cu.tenant_id = $1 AND cu.role_cuid = $2 ORDER BY c.client_id, u.user_id");

static enum err
record_member_lost(struct cx *cx, const struct role *r, const struct user *u)
{
    struct str who = trail_actor(cx), whom = user_label(cx->arena, u);
    struct trail t = {0};
    struct audit_entry e;

    e = user_entry(cx, u, EV_ROLE_REMOVED,
                   arena_fmt(cx->arena, "%.*s took the role %.*s from %.*s by deleting the role",
                             STR_ARG(who), STR_ARG(r->title), STR_ARG(whom)));
    trail_note(cx, &t, S("role"), r->title, STR_NULL);
    trail_note(cx, &t, S("role_id"), r->cuid, STR_NULL);
    e.changes = t.v;
    e.n_changes = t.n;
    return audit_record(cx, &e, NULL);
}

/* Rows are read to the end before the first event is written. */
struct lost {
    struct member m;
    struct client client; /* id and name; where it is lost on a client */
    struct lost *next;
};

static enum err
read_lost(struct cx *cx, const struct sql *q, const struct role *r, bool client, struct lost **out)
{
    struct lost *first = NULL, **end = &first;
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, q, ARGS(V_INT(cx->tenant.id), V_STR(r->cuid)), &rows));
    while ((e = db_next(rows)) == OK) {
        struct lost *l = arena_new(cx->arena, struct lost);

        l->m = (struct member){
            .user = trail_user(cx, rows, 0), .role_cuid = r->cuid, .role_title = r->title};
        if (client) {
            l->client.id = l->m.client_id = db_int(rows, 5);
            l->client.name = arena_str(cx->arena, db_text(rows, 6));
            l->m.tier_id = db_int(rows, 7);
            l->m.tier = db_is_null(rows, 8) ? STR_NULL : arena_str(cx->arena, db_text(rows, 8));
        }
        *end = l;
        end = &l->next;
    }
    *out = first;
    return e == ERR_END ? OK : e;
}

static const struct sql DROP_MEMBERS =
    SQL_WRITE("user_role", "DELETE FROM user_role WHERE tenant_id = $1 AND role_cuid = $2");
static const struct sql DROP_CLIENT_MEMBERS =
    SQL_WRITE("client_user", "DELETE FROM client_user WHERE tenant_id = $1 AND role_cuid = $2");
static const struct sql DROP_RIGHTS = SQL_WRITE(
    "role_permission", "DELETE FROM role_permission WHERE tenant_id = $1 AND role_cuid = $2");
static const struct sql DROP_ROLE =
    SQL_WRITE("role", "DELETE FROM role WHERE tenant_id = $1 AND cuid = $2");

enum err
role_delete(struct cx *cx, const struct role *r)
{
    static const struct sql *const drops[] = {&DROP_MEMBERS, &DROP_CLIENT_MEMBERS, &DROP_RIGHTS,
                                              &DROP_ROLE};
    const char *how = arena_cstr(
        cx->arena, arena_fmt(cx->arena, " by deleting the role %.*s", STR_ARG(r->title)));
    struct lost *members, *there;
    struct loser *losers;
    struct trail t = {0};

    TRY(changeable(cx, r));
    TRY(read_lost(cx, &MEMBERS, r, false, &members));
    TRY(read_lost(cx, &CLIENT_MEMBERS, r, true, &there));
    TRY(role_losers(cx, r, &r->rights, &losers));
    for (size_t i = 0; i < sizeof drops / sizeof *drops; i++)
        TRY(db_exec(cx->tx, drops[i], ARGS(V_INT(cx->tenant.id), V_STR(r->cuid)), NULL));
    for (; members; members = members->next)
        TRY(record_member_lost(cx, r, &members->m.user));
    for (; there; there = there->next)
        TRY(member_record_removed(cx, &there->client, &there->m, how));
    trail_note(cx, &t, S("title"), r->title, STR_NULL);
    trail_note(cx, &t, S("key"), r->key, STR_NULL);
    if (!str_is_empty(r->description))
        trail_note_whole(cx, &t, S("description"), r->description, STR_NULL);
    trail_note(cx, &t, S("enabled"), trail_bool(r->enabled), STR_NULL);
    trail_note_whole(cx, &t, S("permissions"), role_rights_text(cx, &r->rights), STR_NULL);
    TRY(record(cx, EV_ROLE_DELETED, r, "deleted", &t));
    return role_losers_end(cx, losers, str_of(how));
}

/* ---- built-in roles ---- */

static const struct {
    const char *key, *title, *description;
} builtin[ROLE_BUILTINS] = {
    {"ADMIN", "Administrator", "Everything in this workspace"},
    {"STD_USER", "Standard User", "Works on the clients assigned to him"},
    {"ANALYST", "Analyst", "Sees the clients assigned to him and tracks their findings"},
    {"AUDITOR", "Auditor", "Views and exports the audit log, nothing else"},
};

const char *
role_builtin_key(int i)
{
    return builtin[i].key;
}

bool
role_builtin_has(int i, enum permission p)
{
    const struct permission_info *info = permission_info(p);

    return i == 0 || (i == 1 && info->std_user) || (i == 2 && info->analyst) ||
           (i == 3 && info->auditor);
}

enum err
role_seed(struct cx *cx)
{
    for (int i = 0; i < ROLE_BUILTINS; i++) {
        struct role r = {.builtin = true,
                         .cuid = cuid_in(cx->arena, cx->now),
                         .key = str_of(builtin[i].key),
                         .title = str_of(builtin[i].title),
                         .description = str_of(builtin[i].description)};

        for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
            if (role_builtin_has(i, p))
                permission_add(&r.rights, p);
        }
        TRY(insert_role(cx, &r, cx->now + i)); /* the order they are listed in */
    }
    return OK;
}

enum err
role_grow(struct cx *cx, const struct role *r, const struct permission_set *more)
{
    struct role after = *r;
    struct permission_set added = {{0, 0}};
    struct trail t = {0};

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (!permission_has(more, p) || permission_has(&r->rights, p))
            continue;
        permission_add(&added, p);
        TRY(db_exec(
            cx->tx, &INSERT_RIGHT,
            ARGS(V_INT(cx->tenant.id), V_STR(r->cuid), V_STR(str_of(permission_info(p)->key))),
            NULL));
    }
    if (permission_count(&added) == 0)
        return OK;
    permission_union(&after.rights, &added);
    trail_note_whole(cx, &t, S("permissions"), role_rights_text(cx, &r->rights),
                     role_rights_text(cx, &after.rights));
    trail_note_whole(cx, &t, S("permissions added"), STR_NULL, role_rights_text(cx, &added));
    return record(cx, EV_ROLE_UPDATED, r, "added permissions of the new version to", &t);
}
