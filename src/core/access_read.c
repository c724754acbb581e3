/* The state as the tables hold it. Owns no table; reads those of users, roles, clients, tiers,
 * settings and access tokens, whole, with one statement each. Rows that hang on nobody stand as
 * "#<number>": they are not hidden by a join. */
#include "core/access_priv.h"

#include "core/mfa.h"
#include "core/settings.h"
#include "core/trail.h"

struct reading {
    struct cx *cx;
    struct access_state *s;
};

static void
put(struct reading *g, struct access_row *r, const char *field, struct str value)
{
    state_set(g->s, r, str_of(field), value, NULL);
}

static void
put_bool(struct reading *g, struct access_row *r, const char *field, int64_t v)
{
    put(g, r, field, trail_bool(v != 0));
}

static struct str
number(struct cx *cx, int64_t n)
{
    return arena_fmt(cx->arena, "%lld", (long long)n);
}

/* A cuid, or the number of what is not there. */
static struct str
known(struct reading *g, const struct db_rows *r, int cuid, int id)
{
    return db_is_null(r, cuid) ? arena_fmt(g->cx->arena, "#%lld", (long long)db_int(r, id))
                               : db_text(r, cuid);
}

static struct str
mark(struct reading *g, const struct db_rows *r, int col)
{
    return db_is_null(r, col) ? STR_NULL : trail_mark(g->cx, db_bytes(r, col));
}

/* ---- one function a table ---- */

static void
user_row(struct reading *g, const struct db_rows *r)
{
    struct access_row *u = state_row(g->s, ACCESS_USER, db_text(r, 0));

    put(g, u, "email", db_text(r, 1));
    put(g, u, "first", db_text(r, 2));
    put(g, u, "last", db_text(r, 3));
    put(g, u, "provider", db_text(r, 4));
    put_bool(g, u, "disabled", db_int(r, 5));
    put_bool(g, u, "default_group", db_int(r, 6));
    put_bool(g, u, "second_factor", db_int(r, 7));
    put(g, u, "tier", db_is_null(r, 8) ? STR_NULL : number(g->cx, db_int(r, 8)));
    put(g, u, "credential_mark", mark(g, r, 9));
    if (db_int(r, 7))
        put(g, u, "second_factor_mark", mark(g, r, 10));
    /* What he signs in by follows from his e-mail address: no event tells of another one. */
    if (!str_eq(db_text(r, 11), email_fold(g->cx->arena, db_text(r, 1))))
        put(g, u, "sign_in_name", db_text(r, 11));
}

/* One code after the other, in their order: mfa_recovery_mark() does the same. */
static void
recovery_row(struct reading *g, const struct db_rows *r)
{
    struct access_row *u = state_row(g->s, ACCESS_USER, known(g, r, 0, 1));

    put(g, u, "recovery_mark",
        mfa_recovery_chain(g->cx, access_get(u, "recovery_mark"), db_text(r, 2)));
}

static void
workspace_row(struct reading *g, const struct db_rows *r)
{
    put(g, state_row(g->s, ACCESS_WORKSPACE, db_text(r, 0)), "name", db_text(r, 1));
}

static void
role_row(struct reading *g, const struct db_rows *r)
{
    struct access_row *o = state_row(g->s, ACCESS_ROLE, db_text(r, 0));

    put(g, o, "key", db_text(r, 1));
    put(g, o, "title", db_text(r, 2));
    put_bool(g, o, "enabled", db_int(r, 3));
    put_bool(g, o, "builtin", db_int(r, 4));
}

static void
permission_row(struct reading *g, const struct db_rows *r)
{
    struct access_row *o = state_row(g->s, ACCESS_ROLE, db_text(r, 0));
    struct str key = db_text(r, 1);

    put(g, o, arena_fmt(g->cx->arena, ACCESS_PERMISSION "%.*s", STR_ARG(key)).p, S("granted"));
}

static void
holder_row(struct reading *g, const struct db_rows *r)
{
    struct str id = state_pair(g->cx->arena, known(g, r, 0, 1), db_text(r, 2));

    put(g, state_row(g->s, ACCESS_HOLDER, id), "role", db_text(r, 2));
}

static void
client_row_of(struct reading *g, const struct db_rows *r)
{
    put(g, state_row(g->s, ACCESS_CLIENT, number(g->cx, db_int(r, 0))), "name", db_text(r, 1));
}

static void
member_row(struct reading *g, const struct db_rows *r)
{
    struct str id = state_pair(g->cx->arena, number(g->cx, db_int(r, 2)), known(g, r, 0, 1));
    struct access_row *m = state_row(g->s, ACCESS_MEMBER, id);

    put(g, m, "role", db_text(r, 3));
    put(g, m, "tier", db_is_null(r, 4) ? STR_NULL : number(g->cx, db_int(r, 4)));
}

static void
tier_row(struct reading *g, const struct db_rows *r)
{
    struct access_row *t = state_row(g->s, ACCESS_TIER, number(g->cx, db_int(r, 0)));

    put(g, t, "cuid", db_text(r, 1));
    put(g, t, "name", db_text(r, 2));
    put_bool(g, t, "enabled", db_int(r, 3));
    put(g, t, "level", number(g->cx, db_int(r, 4))); /* the rank: levels may have gaps */
}

static void
setting_row(struct reading *g, const struct db_rows *r)
{
    enum setting s = settings_by_name(db_text(r, 0));
    struct str value;

    if (s == SETTING_COUNT)
        return;
    if (setting_info(s)->kind == SETTING_SECRET)
        value = str_is_empty(db_text(r, 1)) ? STR_NULL : trail_mark(g->cx, db_text(r, 1));
    else
        value = replay_setting(g->cx->arena, db_text(r, 0), db_text(r, 1));
    if (!str_is_null(value))
        put(g, state_row(g->s, ACCESS_SETTING, db_text(r, 0)), "value", value);
}

static void
token_row(struct reading *g, const struct db_rows *r)
{
    struct access_row *t = state_row(g->s, ACCESS_TOKEN, db_text(r, 2));

    put(g, t, "user", known(g, r, 0, 1));
    put(g, t, "name", db_text(r, 3));
    put(g, t, "scopes", db_text(r, 4));
    put(g, t, "expires", time_iso(g->cx->arena, db_int(r, 5)));
    put(g, t, "token_mark", mark(g, r, 6));
}

static const struct {
    struct sql q;
    void (*row)(struct reading *g, const struct db_rows *r);
} tables[] = {
    {SQL_READ(
         "SELECT cuid, email, first, last, provider, disabled, default_group, mfa_enabled, "
         "tier_id, password_hash, mfa_secret, email_folded FROM user_account WHERE tenant_id = $1"),
     user_row},
    {SQL_READ("SELECT u.cuid, c.user_id, c.hash FROM recovery_code c LEFT JOIN user_account u ON "
              "u.tenant_id = c.tenant_id AND u.user_id = c.user_id WHERE c.tenant_id = $1 AND "
              "c.used_at IS NULL ORDER BY c.user_id, c.hash"),
     recovery_row},
    {SQL_READ("SELECT cuid, name FROM tenant WHERE tenant_id = $1"), workspace_row},
    {SQL_READ("SELECT cuid, key, title, enabled, builtin FROM role WHERE tenant_id = $1"),
     role_row},
    {SQL_READ("SELECT role_cuid, permission FROM role_permission WHERE tenant_id = $1"),
     permission_row},
    {SQL_READ("SELECT u.cuid, h.user_id, h.role_cuid FROM user_role h LEFT JOIN user_account u "
              "ON u.tenant_id = h.tenant_id AND u.user_id = h.user_id WHERE h.tenant_id = $1"),
     holder_row},
    {SQL_READ("SELECT client_id, name FROM client WHERE tenant_id = $1"), client_row_of},
    {SQL_READ("SELECT u.cuid, m.user_id, m.client_id, m.role_cuid, m.tier_id FROM client_user m "
              "LEFT JOIN user_account u ON u.tenant_id = m.tenant_id AND u.user_id = m.user_id "
              "WHERE m.tenant_id = $1"),
     member_row},
    {SQL_READ("SELECT tier_id, cuid, name, enabled, row_number() OVER (ORDER BY level, tier_id) "
              "FROM tier WHERE tenant_id = $1"),
     tier_row},
    {SQL_READ("SELECT name, value FROM setting WHERE tenant_id = $1 AND length(value) <= 16384"),
     setting_row},
    {SQL_READ("SELECT u.cuid, a.user_id, a.cuid, a.name, a.scopes, a.expires_at, a.hash "
              "FROM access_token a LEFT JOIN user_account u ON u.tenant_id = a.tenant_id AND "
              "u.user_id = a.user_id WHERE a.tenant_id = $1"),
     token_row},
};

enum err
access_read(struct cx *cx, struct access_state **out)
{
    struct reading g = {cx, access_state_new(cx->arena)};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct db_rows *rows;
        enum err e;

        TRY(db_query(cx->tx, &tables[i].q, ARGS(V_INT(cx->tenant.id)), &rows));
        while ((e = db_next(rows)) == OK)
            tables[i].row(&g, rows);
        if (e != ERR_END)
            return e;
    }
    *out = g.s;
    return OK;
}
