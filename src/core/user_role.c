/* A user's tenant-wide roles and tier, and whether the caller may act on him. Owns no table: roles
 * are role.c's, tiers tier.c's. */
#include "base/text.h"
#include "core/role.h"
#include "core/tier.h"
#include "core/user.h"

/* The words people write into CSV files, and none. */
static struct str
canonical(struct str name)
{
    static const struct {
        const char *word, *key;
    } words[] = {
        {"admin", "ADMIN"},       {"administrator", "ADMIN"}, {"standard user", "STD_USER"},
        {"std_user", "STD_USER"}, {"standard", "STD_USER"},   {"analyst", "ANALYST"},
        {"auditor", "AUDITOR"}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_ieq(name, str_of(words[i].word)))
            return str_of(words[i].key);
    }
    return name;
}

enum err
user_role_find(struct cx *cx, struct str name, struct str pointer, struct role *out)
{
    struct roles all;

    TRY(role_load(cx, &all));
    return user_role_pick(cx, &all, name, pointer, out);
}

enum err
user_role_pick(struct cx *cx, const struct roles *all, struct str name, struct str pointer,
               struct role *out)
{
    const struct role *r = role_pick(all, canonical(str_trim(name)));

    if (!r)
        return fail_field(cx, pointer, "\"%.*s\" is no role", STR_ARG(utf8_cut(name, 60)));
    if (!r->enabled)
        return fail_field(cx, pointer, "is a role that is switched off");
    *out = *r;
    return OK;
}

static bool
among(const struct role *roles, size_t n, struct str cuid)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(roles[i].cuid, cuid))
            return true;
    }
    return false;
}

/* The user's roles as they are now, all of them: who may act on him depends on each. */
struct held {
    const struct role **v;
    size_t n;
};

static enum err
held(struct cx *cx, const struct user *u, const struct roles *all, struct held *out)
{
    static const struct sql q = SQL_READ("SELECT role_cuid FROM user_role WHERE tenant_id = $1 AND "
                                         "user_id = $2 ORDER BY role_cuid");
    struct held h = {NULL, 0};
    struct db_rows *r;
    size_t cap = 0;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(u->tenant_id), V_INT(u->user_id)), &r));
    while ((e = db_next(r)) == OK) {
        const struct role *found = role_pick(all, db_text(r, 0));

        if (!found)
            continue;
        arena_grow(cx->arena, h.v, h.n, &cap, 16);
        h.v[h.n++] = found;
    }
    *out = h;
    return e == ERR_END ? OK : e;
}

enum err
user_roles_set(struct cx *cx, struct user *u, const struct role *roles, size_t n)
{
    struct held now;
    struct roles all;

    TRY(role_load(cx, &all));
    TRY(held(cx, u, &all, &now));
    for (size_t i = 0; i < n; i++)
        TRY(role_assign(cx, u->user_id, &roles[i]));
    for (size_t i = 0; i < now.n; i++) {
        if (among(roles, n, now.v[i]->cuid))
            continue;
        TRY(role_remove(cx, u->user_id, now.v[i]));
    }
    return OK;
}

enum err
user_role_keys(struct cx *cx, const struct user *u, struct str *out)
{
    struct held now;
    struct buf *b = buf_in(cx->arena, (size_t)1 << 20);
    struct roles all;

    TRY(role_load(cx, &all));
    TRY(held(cx, u, &all, &now));
    for (size_t i = 0; i < now.n; i++) {
        buf_cstr(b, i ? "," : "");
        buf_str(b, now.v[i]->key);
    }
    *out = buf_view(b);
    return OK;
}

enum err
user_tier_find(struct cx *cx, struct str name, struct str pointer, int64_t present,
               struct user_tier *out)
{
    static const struct client_rights nowhere;
    struct tiers all;
    const struct tier *t, *old;

    *out = (struct user_tier){0};
    name = str_trim(name);
    if (str_is_empty(name) && present == 0)
        return OK;
    TRY(tier_load(cx, &all));
    old = tier_by_id(&all, present);
    out->present = old ? old->name : STR_NULL;
    if (str_is_empty(name))
        return OK;
    t = tier_pick(&all, name);
    if (!t)
        return fail_field(cx, pointer, "\"%.*s\" is no classification tier",
                          STR_ARG(utf8_cut(name, 60)));
    if (t->id != present)
        TRY(tier_grantable(cx, &all, t, &nowhere));
    out->id = t->id;
    out->name = t->name;
    return OK;
}

/* Whoever could reset an administrator's password would be one: nobody acts on a user whose rights
 * exceed the own. */
enum err
user_actable(struct cx *cx, const struct user *u)
{
    struct held now;
    struct roles all;

    if (cx_is_process(cx) || (cx->grants && cx->grants->is_admin))
        return OK;
    TRY(role_load(cx, &all));
    TRY(held(cx, u, &all, &now));
    for (size_t i = 0; i < now.n; i++) {
        if (!cx->grants || str_eq(now.v[i]->key, S("ADMIN")) ||
            !permission_contains(&cx->grants->tenant, &now.v[i]->rights))
            return fail(cx, ERR_FORBIDDEN, "This user holds rights you do not hold");
    }
    return OK;
}
