/* The table of permissions and the caller's rights on one client. Owns the expansion of
 * permission.def; roles are role.c, the tenant-wide rights are read with the session. */
#include "core/permission.h"

static const struct permission_info TABLE[PERMISSION_COUNT] = {
#define PERMISSION(id, k, c, s, t, sc, std, ana, aud, ask)                                         \
    [PERM_##id] = {.key = (k),                                                                     \
                   .category = (c),                                                                \
                   .section = (s),                                                                 \
                   .title = (t),                                                                   \
                   .scope = (sc),                                                                  \
                   .std_user = (std) != 0,                                                         \
                   .analyst = (ana) != 0,                                                          \
                   .auditor = (aud) != 0,                                                          \
                   .asked = (ask) != 0},
#include "core/permission.def"
#undef PERMISSION
};

_Static_assert(PERMISSION_COUNT <= 128, "permission_set holds 128 bits");

const struct permission_info *
permission_info(enum permission p)
{
    static const struct permission_info none = {"", "", "", "", 'T', false, false, false, false};

    return p > PERMISSION_NONE && p < PERMISSION_COUNT ? &TABLE[p] : &none;
}

enum permission
permission_by_key(struct str key)
{
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (str_eq(key, str_of(TABLE[p].key)))
            return p;
    }
    return PERMISSION_NONE;
}

void
permission_add(struct permission_set *s, enum permission p)
{
    if (p > PERMISSION_NONE && p < PERMISSION_COUNT)
        s->bits[p / 64] |= UINT64_C(1) << (p % 64);
}

void
permission_drop(struct permission_set *s, enum permission p)
{
    if (p > PERMISSION_NONE && p < PERMISSION_COUNT)
        s->bits[p / 64] &= ~(UINT64_C(1) << (p % 64));
}

bool
permission_has(const struct permission_set *s, enum permission p)
{
    return p > PERMISSION_NONE && p < PERMISSION_COUNT && (s->bits[p / 64] >> (p % 64) & 1) != 0;
}

bool
permission_contains(const struct permission_set *outer, const struct permission_set *inner)
{
    return (inner->bits[0] & ~outer->bits[0]) == 0 && (inner->bits[1] & ~outer->bits[1]) == 0;
}

void
permission_union(struct permission_set *s, const struct permission_set *more)
{
    s->bits[0] |= more->bits[0];
    s->bits[1] |= more->bits[1];
}

int
permission_count(const struct permission_set *s)
{
    return __builtin_popcountll(s->bits[0]) + __builtin_popcountll(s->bits[1]);
}

struct permission_set
permission_on_client(const struct permission_set *s)
{
    struct permission_set out = {{0, 0}};

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (TABLE[p].scope == 'C' && permission_has(s, p))
            permission_add(&out, p);
    }
    return out;
}

bool
cx_may(const struct cx *cx, enum permission p)
{
    return cx->grants && permission_has(&cx->grants->tenant, p);
}

bool
cx_is_process(const struct cx *cx)
{
    return cx->actor.kind != ACTOR_USER && cx->actor.kind != ACTOR_TOKEN;
}

/* ---- the rights on a client ---- */

/* One row per permission of the caller's role there; one row in any case when the client exists. The
 * level is the rank, as tier_load() counts it: the stored numbers keep the gaps of deleted tiers. */
static const struct sql CLIENT_RIGHTS = SQL_READ(
    "SELECT CASE WHEN cu.user_id IS NULL THEN 0 ELSE 1 END, r.key, rp.permission, "
    "CASE WHEN t.tier_id IS NULL THEN 0 ELSE (SELECT COUNT(*) FROM tier x WHERE x.tenant_id = t.tenant_id AND "
    "(x.level < t.level OR (x.level = t.level AND x.tier_id <= t.tier_id))) END, c.name FROM client c "
    "LEFT JOIN client_user cu ON cu.tenant_id = c.tenant_id AND cu.client_id = c.client_id AND cu.user_id = $3 "
    "LEFT JOIN role r ON r.tenant_id = cu.tenant_id AND r.cuid = cu.role_cuid AND r.enabled = 1 "
    "LEFT JOIN role_permission rp ON rp.tenant_id = r.tenant_id AND rp.role_cuid = r.cuid "
    "LEFT JOIN tier t ON t.tenant_id = cu.tenant_id AND t.tier_id = cu.tier_id "
    "WHERE c.tenant_id = $1 AND c.client_id = $2");

enum err
client_rights(struct cx *cx, int64_t client_id, struct client_rights *out)
{
    struct client_rights r = {0};
    struct permission_set role = {{0, 0}};
    struct db_rows *rows;
    bool exists = false;
    enum err e;

    TRY(db_query(cx->tx, &CLIENT_RIGHTS,
                 ARGS(V_INT(cx->tenant.id), V_INT(client_id), V_INT(cx->actor.user_id)), &rows));
    while ((e = db_next(rows)) == OK) {
        if (!exists)
            r.name = arena_str(cx->arena, db_text(rows, 4));
        exists = true;
        r.member = db_int(rows, 0) != 0 && !cx_is_process(cx);
        if (r.member) {
            permission_add(&role, permission_by_key(db_text(rows, 2)));
            r.level = db_int(rows, 3);
        }
    }
    if (e != ERR_END)
        return e;
    r.visible = exists && (r.member || cx_may(cx, PERM_AUTHORIZATION_MANAGE));
    if (cx->actor.kind == ACTOR_USER) /* an access token holds its scopes and nothing beside them */
        r.set = permission_on_client(&role);
    if (cx->grants)
        permission_union(&r.set, &cx->grants->tenant);
    *out = r;
    return OK;
}

enum err
cx_may_client(struct cx *cx, int64_t client_id, enum permission p)
{
    struct client_rights r;

    cx->about = (struct about){0};
    TRY(client_rights(cx, client_id, &r));
    if (!str_is_null(r.name))
        cx->about = (struct about){client_id, r.name, !r.visible};
    if (!r.visible)
        return fail(cx, ERR_NOT_FOUND, "Client not found");
    if (!permission_has(&r.set, p))
        return fail(cx, ERR_FORBIDDEN, "Not permitted on this client: %s",
                    permission_info(p)->title);
    return OK;
}
