/* What ends with a right: the sessions of whoever lost it with a role. Rights are read with every request, so
 * nothing can be done with a lost one anyhow; the session ends so that no page goes on as if it were there, and
 * whoever lost something knows. Access tokens stay: they are narrowed with their owner. Owns no table. */
#include "core/role.h"

#include "core/trail.h"

/* Who makes the change with a session keeps that one. */
static enum err
end_sessions(struct cx *cx, struct user *u, const char *how)
{
    bool own = !cx_is_process(cx) && cx->actor.user_id == u->user_id;
    int64_t ended;

    return user_end_sessions(cx, u, own ? cx->actor.session : STR_NULL, how, &ended);
}

enum err
role_taken(struct cx *cx, struct user *u, const struct role *r)
{
    static const struct sql q = SQL_READ(
        "SELECT DISTINCT rp.permission FROM user_role ur "
        "JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid AND r.enabled = 1 "
        "JOIN role_permission rp ON rp.tenant_id = r.tenant_id AND rp.role_cuid = r.cuid "
        "WHERE ur.tenant_id = $1 AND ur.user_id = $2");
    struct permission_set left = {{0, 0}};
    struct db_rows *rows;
    enum err e;

    if (!r->enabled)
        return OK;
    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id)), &rows));
    while ((e = db_next(rows)) == OK)
        permission_add(&left, permission_by_key(db_text(rows, 0)));
    if (e != ERR_END)
        return e;
    if (permission_contains(&left, &r->rights) && !str_eq(r->key, S("ADMIN")))
        return OK;
    return end_sessions(
        cx, u,
        arena_cstr(cx->arena, arena_fmt(cx->arena, " by taking the role %.*s", STR_ARG(r->title))));
}

/* ---- of all who hold a role that changes ---- */

struct loser {
    struct user user;
    struct permission_set left; /* what he holds without what is lost */
    struct loser *next;
};

/* Others have nothing that could end, nor has whoever acts with his only session. */
static enum err
read_holders(struct cx *cx, const struct role *r, struct loser **out)
{
    static const struct sql q = SQL_READ(
        "SELECT " TRAIL_USER " FROM user_role ur JOIN user_account u ON u.tenant_id = ur.tenant_id "
        "AND u.user_id = ur.user_id WHERE ur.tenant_id = $1 AND ur.role_cuid = $2 AND EXISTS "
        "(SELECT 1 FROM session s WHERE s.tenant_id = u.tenant_id AND s.user_id = u.user_id AND "
        "s.ended_at IS NULL AND s.expires_at > $3 AND s.cuid <> $4) ORDER BY u.user_id");
    struct str own = cx_is_process(cx) || !cx->actor.session.p ? S("") : cx->actor.session;
    struct loser *first = NULL, **end = &first;
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(r->cuid), V_INT(cx->now), V_STR(own)),
                 &rows));
    while ((e = db_next(rows)) == OK) {
        *end = arena_new(cx->arena, struct loser);
        (*end)->user = trail_user(cx, rows, 0);
        end = &(*end)->next;
    }
    *out = first;
    return e == ERR_END ? OK : e;
}

static enum err
read_left(struct cx *cx, const struct role *r, struct loser *l)
{
    static const struct sql q = SQL_READ(
        "SELECT DISTINCT ur.user_id, rp.permission FROM user_role ur "
        "JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid AND r.enabled = 1 "
        "JOIN role_permission rp ON rp.tenant_id = r.tenant_id AND rp.role_cuid = r.cuid "
        "WHERE ur.tenant_id = $1 AND ur.role_cuid <> $2 AND ur.user_id IN (SELECT h.user_id FROM "
        "user_role h WHERE h.tenant_id = $1 AND h.role_cuid = $2) ORDER BY ur.user_id");
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(r->cuid)), &rows));
    while ((e = db_next(rows)) == OK) {
        while (l && l->user.user_id < db_int(rows, 0))
            l = l->next;
        if (l && l->user.user_id == db_int(rows, 0))
            permission_add(&l->left, permission_by_key(db_text(rows, 1)));
    }
    return e == ERR_END ? OK : e;
}

enum err
role_losers(struct cx *cx, const struct role *r, const struct permission_set *lost,
            struct loser **out)
{
    struct loser *all = NULL, **end = &all;

    *out = NULL;
    if (!r->enabled || permission_count(lost) == 0)
        return OK;
    TRY(read_holders(cx, r, &all));
    if (all)
        TRY(read_left(cx, r, all));
    while (*end) {
        if (permission_contains(&(*end)->left, lost))
            *end = (*end)->next;
        else
            end = &(*end)->next;
    }
    *out = all;
    return OK;
}

enum err
role_losers_end(struct cx *cx, struct loser *l, struct str how)
{
    const char *text = arena_cstr(cx->arena, how);

    for (; l; l = l->next)
        TRY(end_sessions(cx, &l->user, text));
    return OK;
}

/* ---- before it happens ---- */

enum err
role_loss_foreseen(struct cx *cx, const struct role *r, const struct permission_set *lost,
                   int64_t user_id, struct role_loss *out)
{
    struct loser *l;
    size_t cap = 0;

    *out = (struct role_loss){0};
    if (user_id && r->enabled && str_eq(r->key, S("ADMIN"))) /* as role_taken(): always */
        TRY(read_holders(cx, r, &l));
    else
        TRY(role_losers(cx, r, lost, &l));
    for (; l; l = l->next) {
        if (user_id && l->user.user_id != user_id)
            continue;
        arena_grow(cx->arena, out->v, out->n, &cap, 16);
        out->v[out->n++] = l->user;
    }
    return OK;
}
