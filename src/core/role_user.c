/* Who holds a role tenant-wide: giving, taking, and that an administrator remains. */
#include "core/role.h"

#include "core/trail.h"

static const struct sql INSERT_HOLDER = SQL_WRITE(
    "user_role",
    "INSERT INTO user_role (tenant_id, user_id, role_cuid) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
static const struct sql DELETE_HOLDER = SQL_WRITE(
    "user_role", "DELETE FROM user_role WHERE tenant_id = $1 AND user_id = $2 AND role_cuid = $3");

static enum err
record(struct cx *cx, enum event ev, const struct role *r, const struct user *u)
{
    bool given = ev == EV_ROLE_ASSIGNED;
    struct str who = trail_actor(cx), whom = user_label(cx->arena, u);
    struct trail t = {0};
    struct audit_entry e;

    e = user_entry(cx, u, ev,
                   arena_fmt(cx->arena, "%.*s %s the role %.*s %s %.*s", STR_ARG(who),
                             given ? "gave" : "took", STR_ARG(r->title), given ? "to" : "from",
                             STR_ARG(whom)));
    trail_note(cx, &t, S("role"), given ? STR_NULL : r->title, given ? r->title : STR_NULL);
    trail_note(cx, &t, S("role_id"), given ? STR_NULL : r->cuid, given ? r->cuid : STR_NULL);
    e.changes = t.v;
    e.n_changes = t.n;
    return audit_record(cx, &e, NULL);
}

enum err
role_assign(struct cx *cx, int64_t user_id, const struct role *r)
{
    struct user u;
    int64_t changed;

    TRY(role_grantable(cx, r));
    TRY(user_get(cx, user_id, &u));
    TRY(db_exec(cx->tx, &INSERT_HOLDER, ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_STR(r->cuid)),
                &changed));
    return changed ? record(cx, EV_ROLE_ASSIGNED, r, &u) : OK;
}

enum err
role_remove(struct cx *cx, int64_t user_id, const struct role *r)
{
    struct user u;
    int64_t changed;

    TRY(role_grantable(cx, r));
    TRY(user_get(cx, user_id, &u));
    TRY(user_actable(cx, &u));
    TRY(db_exec(cx->tx, &DELETE_HOLDER, ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_STR(r->cuid)),
                &changed));
    if (!changed)
        return OK;
    if (str_eq(r->key, S("ADMIN")))
        TRY(admin_must_remain(cx));
    TRY(record(cx, EV_ROLE_REMOVED, r, &u));
    return role_taken(cx, &u, r);
}

/* ---- the last administrator ---- */

static const struct sql ADMINS = SQL_READ(
    "SELECT COUNT(*) FROM user_account u JOIN user_role ur ON ur.tenant_id = u.tenant_id AND ur.user_id = u.user_id "
    "JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid "
    "WHERE u.tenant_id = $1 AND u.disabled = 0 AND u.provider = 'plextrac' AND r.key = 'ADMIN' AND r.enabled = 1");

enum err
admin_count(struct cx *cx, int64_t *out)
{
    return db_query_int(cx->tx, &ADMINS, ARGS(V_INT(cx->tenant.id)), out);
}

enum err
admin_must_remain(struct cx *cx)
{
    int64_t n;

    TRY(admin_count(cx, &n));
    if (n > 0)
        return OK;
    return fail_word(cx, ERR_CONFLICT, S("last_administrator"),
                     "The last enabled administrator can not be lost: make another one first");
}

/* ---- which of his roles a user brings to a client ---- */

static const struct sql HELD =
    SQL_READ("SELECT role_cuid FROM user_role WHERE tenant_id = $1 AND user_id = $2");

enum err
role_best(struct cx *cx, const struct roles *all, int64_t user_id, const struct role **out)
{
    const struct role *best = NULL;
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, &HELD, ARGS(V_INT(cx->tenant.id), V_INT(user_id)), &rows));
    while ((e = db_next(rows)) == OK) {
        const struct role *r = role_pick(all, db_text(rows, 0));

        if (r && r->enabled)
            best = role_better(best, r);
    }
    *out = best;
    return e == ERR_END ? OK : e;
}
