/* What the tests of the access state share: a workspace with keys, comparing, and each kind of change
 * as a body that works on what was drawn. */
#ifndef TEST_CORE_ACCESS_OPS_H
#define TEST_CORE_ACCESS_OPS_H

#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/text.h"
#include "core/access.h"
#include "core/access_priv.h"
#include "core/accesstoken.h"
#include "core/client.h"
#include "core/settings.h"
#include "run/keys.h"

#define MAX 64 /* of a kind kept in mind */

__attribute__((unused)) static struct keys keys;
__attribute__((unused)) static uint64_t seed;

__attribute__((unused)) static int
begin_access(enum db_kind kind)
{
    if (begin(kind) != 0)
        return -1;
    keys = (struct keys){.secret = S("0123456789abcdef0123456789abcdef"),
                         .blind = S("fedcba9876543210fedcba9876543210")};
    t.app.keys = &keys;
    struct cx cx = cx_system(&t.app, t.a, "test", NULL);
    if (cx_write(&cx, make_tenant, &tenant) != OK)
        fail_msg("tenant: %.*s / %.*s", STR_ARG(cx.failure.message), STR_ARG(db_last_error()));
    return 0;
}

BOTH_STORES(begin_access)

__attribute__((unused)) static uint64_t
dice(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

__attribute__((unused)) static struct access_diff *diffs;

__attribute__((unused)) static size_t
compare(void)
{
    struct cx cx = as_process();
    size_t n = 0;
    enum err e = access_compare(&cx, &diffs, &n);

    if (e != OK)
        fail_msg("compare: %s: %.*s / %.*s", err_name(e), STR_ARG(cx.failure.message),
                 STR_ARG(db_last_error()));
    return n;
}

__attribute__((unused)) static void
same(const char *after)
{
    size_t n = compare();

    for (size_t i = 0; i < n; i++)
        print_error("after %s: %.*s\n", after, STR_ARG(access_diff_text(t.a, &diffs[i])));
    if (n)
        fail_msg("%zu differences after %s", n, after);
}

/* ---- random changes through the real functions ---- */

__attribute__((unused)) static struct user admin;

struct pick {
    const struct sql *q;
    struct str v[MAX];
    size_t n;
};

__attribute__((unused)) static enum err
read_pick(struct db_tx *tx, void *arg)
{
    struct pick *p = arg;
    struct db_rows *r;
    enum err e;

    TRY(db_query(tx, p->q, ARGS(V_INT(tenant.id)), &r));
    while ((e = db_next(r)) == OK && p->n < MAX)
        p->v[p->n++] = db_text_keep(r, 0);
    if (e == OK)
        db_rows_end(r);
    return e == ERR_END ? OK : e;
}

__attribute__((unused)) static struct str
pick(const struct sql *q)
{
    struct pick p = {.q = q};

    if (db_read(t.app.db, t.a, read_pick, &p) != OK)
        fail_msg("pick: %.*s", STR_ARG(db_last_error()));
    return p.n ? p.v[dice(p.n)] : S("");
}

__attribute__((unused)) static int64_t
pick_id(const struct sql *q)
{
    int64_t id = 0;

    return str_int64(pick(q), &id) == OK ? id : 0;
}

static const struct sql USERS = SQL_READ(
    "SELECT CAST(user_id AS TEXT) FROM user_account WHERE tenant_id = $1 ORDER BY user_id DESC");
static const struct sql ROLES =
    SQL_READ("SELECT cuid FROM role WHERE tenant_id = $1 ORDER BY cuid DESC");
static const struct sql CLIENTS = SQL_READ(
    "SELECT CAST(client_id AS TEXT) FROM client WHERE tenant_id = $1 ORDER BY client_id DESC");
static const struct sql TIERS =
    SQL_READ("SELECT CAST(tier_id AS TEXT) FROM tier WHERE tenant_id = $1 ORDER BY tier_id");
static const struct sql TOKENS =
    SQL_READ("SELECT cuid FROM access_token WHERE tenant_id = $1 ORDER BY cuid");

__attribute__((unused)) static struct str
word(const char *stem)
{
    return arena_fmt(t.a, "%s %llu", stem, (unsigned long long)dice(1000000));
}

struct op {
    const char *name;
    cx_body run;
};

/* What an operation works on, drawn before its transaction: a body may run twice. */
__attribute__((unused)) static struct {
    int64_t user, client, tier, tier_b;
    struct str role, role_b, token, word, hash;
    struct permission_set rights;
    uint64_t bits;
} draw;

__attribute__((unused)) static struct json *
json_of(struct str text)
{
    struct json *o;
    const char *why;
    size_t where;

    if (json_parse(t.a, text, &o, &where, &why) != OK)
        fail_msg("json: %s", why);
    return o;
}

__attribute__((unused)) static enum err
op_user_create(struct cx *cx, void *arg)
{
    struct user u;
    struct user_spec s = {
        .email = arena_fmt(t.a, "u%llu@example.org", (unsigned long long)draw.bits),
        .first = S("Una"),
        .last = draw.word,
        .role = draw.role,
        .password_hash = draw.bits & 1 ? draw.hash : STR_NULL,
        .tier = draw.bits & 2 ? arena_fmt(t.a, "%lld", (long long)draw.tier) : STR_NULL,
        .default_group = draw.bits & 4};

    return user_create(cx, &s, &u);
}

__attribute__((unused)) static enum err
with_user(struct cx *cx, struct user *u)
{
    TRY(user_get(cx, draw.user, u));
    return u->user_id == admin.user_id ? ERR_FORBIDDEN : OK;
}

__attribute__((unused)) static enum err
op_user_change(struct cx *cx, void *arg)
{
    struct user u;
    struct user_update c = {
        .first = draw.bits & 1 ? draw.word : STR_NULL,
        .provider = draw.bits & 2 ? S("okta") : STR_NULL,
        .default_group = (int)(draw.bits % 3) - 1,
        .has_tier = draw.bits & 8,
        .tier = draw.bits & 16 ? arena_fmt(t.a, "%lld", (long long)draw.tier) : S(""),
        .roles = draw.bits & 32 ? json_of(arena_fmt(t.a, "[\"%.*s\",\"%.*s\"]", STR_ARG(draw.role),
                                                    STR_ARG(draw.role_b)))
                                : NULL};

    TRY(with_user(cx, &u));
    return user_change(cx, &u, &c);
}

__attribute__((unused)) static enum err
op_user_disable(struct cx *cx, void *arg)
{
    struct user u;

    TRY(with_user(cx, &u));
    return user_set_disabled(cx, &u, draw.bits & 1);
}

__attribute__((unused)) static enum err
op_user_delete(struct cx *cx, void *arg)
{
    struct user u;

    TRY(with_user(cx, &u));
    return user_delete(cx, &u);
}

__attribute__((unused)) static enum err
op_password(struct cx *cx, void *arg)
{
    struct user u;

    TRY(user_get(cx, draw.user, &u));
    return user_set_password(cx, &u, draw.hash, draw.bits & 1, STR_NULL, "set the password of");
}

__attribute__((unused)) static enum err
op_mfa_reset(struct cx *cx, void *arg)
{
    struct user u;

    TRY(user_get(cx, draw.user, &u));
    return user_mfa_reset(cx, &u, draw.bits & 1);
}

__attribute__((unused)) static enum err
op_role_create(struct cx *cx, void *arg)
{
    struct role r;

    return role_create(cx, draw.word, STR_NULL, &draw.rights, &r);
}

__attribute__((unused)) static enum err
op_role_update(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_update(cx, &r, draw.bits & 1 ? draw.word : STR_NULL, draw.word, draw.bits & 2);
}

__attribute__((unused)) static enum err
op_role_rights(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_set_rights(cx, &r, &draw.rights);
}

__attribute__((unused)) static enum err
op_role_delete(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_delete(cx, &r);
}

__attribute__((unused)) static enum err
op_role_assign(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_assign(cx, draw.user, &r);
}

__attribute__((unused)) static enum err
op_role_remove(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_remove(cx, draw.user, &r);
}

__attribute__((unused)) static enum err
op_client_create(struct cx *cx, void *arg)
{
    struct client c = {.name = draw.word};
    struct granted g;

    TRY(client_insert(cx, &c));
    return client_grant_default_group(cx, &c, &g);
}

__attribute__((unused)) static enum err
op_client_update(struct cx *cx, void *arg)
{
    struct client old, c;

    TRY(client_get(cx, draw.client, &old));
    c = old;
    c.poc = draw.word;
    if (draw.bits & 1)
        c.name = draw.word;
    return client_update(cx, &old, &c);
}

__attribute__((unused)) static enum err
op_client_delete(struct cx *cx, void *arg)
{
    struct client c;

    TRY(client_get(cx, draw.client, &c));
    return client_delete(cx, &c);
}

__attribute__((unused)) static enum err
op_member_put(struct cx *cx, void *arg)
{
    struct client c;
    struct role r;
    struct user u;
    struct tiers all;
    struct client_grant g = {.client = &c, .user = &u, .role = &r, .tiers = &all};

    TRY(client_get(cx, draw.client, &c));
    TRY(role_find(cx, draw.role, &r));
    TRY(user_get(cx, draw.user, &u));
    TRY(tier_load(cx, &all));
    g.has_tier = draw.bits & 1;
    g.tier = draw.bits & 2 ? tier_by_id(&all, draw.tier) : NULL;
    return client_user_put(cx, &g);
}

__attribute__((unused)) static enum err
op_member_drop(struct cx *cx, void *arg)
{
    struct client c;
    struct user u;

    TRY(client_get(cx, draw.client, &c));
    TRY(user_get(cx, draw.user, &u));
    return client_user_drop(cx, &c, &u);
}

__attribute__((unused)) static enum err
op_tier_create(struct cx *cx, void *arg)
{
    struct tier made;

    return tier_create(cx, draw.word, STR_NULL, draw.bits & 1, &made);
}

__attribute__((unused)) static enum err
op_tier_update(struct cx *cx, void *arg)
{
    struct tiers all;
    const struct tier *x;

    TRY(tier_load(cx, &all));
    x = tier_by_id(&all, draw.tier);
    return x ? tier_update(cx, &all, x, draw.bits & 1 ? draw.word : STR_NULL, STR_NULL,
                           draw.bits & 2)
             : ERR_NOT_FOUND;
}

__attribute__((unused)) static enum err
op_tier_reorder(struct cx *cx, void *arg)
{
    struct tiers all;
    int64_t ids[256];

    TRY(tier_load(cx, &all));
    if (all.n < 2)
        return OK;
    for (size_t i = 0; i < all.n; i++) /* turned by a random number of places, two exchanged */
        ids[(i + draw.bits) % all.n] = all.v[i].id;
    if (draw.bits & 1) {
        int64_t x = ids[0];
        ids[0] = ids[1];
        ids[1] = x;
    }
    return tier_reorder(cx, &all, ids, all.n);
}

__attribute__((unused)) static enum err
op_tier_delete(struct cx *cx, void *arg)
{
    struct tiers all;
    const struct tier *x;

    TRY(tier_load(cx, &all));
    x = tier_by_id(&all, draw.tier);
    return x && all.n > 1 ? tier_delete(cx, x) : ERR_NOT_FOUND;
}

__attribute__((unused)) static enum err
op_setting(struct cx *cx, void *arg)
{
    static const struct {
        enum setting s;
        const char *v[3];
    } some[] = {{SET_MFA_REQUIRED, {"true", "false", "true"}},
                {SET_PASSWORD_MIN, {"12", "14", "20"}},
                {SET_EMAIL_HOST, {"", "mail.example.org", "mx.example.org"}},
                {SET_EMAIL_PASSWORD, {"", "hunter2", "correct horse"}}};
    struct settings_change *c = arena_new(cx->arena, struct settings_change);
    size_t i = draw.bits % 5;
    struct buf *b = buf_in(t.a, 8192);

    if (i == 4) {
        for (uint64_t k = 0; k < 100 + draw.bits % 500; k++)
            buf_cstr(b, "Hello %%NAME%% ");
        TRY(settings_set(cx, c, SET_FORGOTTEN_BODY, buf_view(b), S("/x")));
    } else {
        TRY(settings_set(cx, c, some[i].s, str_of(some[i].v[(draw.bits >> 8) % 3]), S("/x")));
    }
    return settings_commit(cx, c, "settings");
}

__attribute__((unused)) static enum err
op_token_new(struct cx *cx, void *arg)
{
    struct access_token_spec s = {.name = draw.word,
                                  .days = 30,
                                  .scopes = json_of(S("[\"AUDIT_LOG.VIEW\",\"CLIENTS.VIEW\"]"))};
    struct str cuid, token;

    return access_token_new(cx, &s, &cuid, &token);
}

__attribute__((unused)) static enum err
op_token_revoke(struct cx *cx, void *arg)
{
    return access_token_revoke(cx, draw.user, draw.token);
}

__attribute__((unused)) static enum err
op_tenant(struct cx *cx, void *arg)
{
    return tenant_update(cx, draw.word, draw.word);
}

static const struct op ops[] = {
    {"user_create", op_user_create},
    {"user_create", op_user_create},
    {"user_change", op_user_change},
    {"user_change", op_user_change},
    {"user_change", op_user_change},
    {"user_disable", op_user_disable},
    {"user_delete", op_user_delete},
    {"password", op_password},
    {"mfa_reset", op_mfa_reset},
    {"role_create", op_role_create},
    {"role_create", op_role_create},
    {"role_update", op_role_update},
    {"role_rights", op_role_rights},
    {"role_delete", op_role_delete},
    {"role_assign", op_role_assign},
    {"role_remove", op_role_remove},
    {"client_create", op_client_create},
    {"client_create", op_client_create},
    {"client_update", op_client_update},
    {"client_delete", op_client_delete},
    {"member_put", op_member_put},
    {"member_put", op_member_put},
    {"member_put", op_member_put},
    {"member_drop", op_member_drop},
    {"tier_create", op_tier_create},
    {"tier_create", op_tier_create},
    {"tier_update", op_tier_update},
    {"tier_reorder", op_tier_reorder},
    {"tier_delete", op_tier_delete},
    {"setting", op_setting},
    {"setting", op_setting},
    {"token_new", op_token_new},
    {"token_revoke", op_token_revoke},
    {"tenant", op_tenant},
};
#define N_OPS (sizeof ops / sizeof ops[0])

__attribute__((unused)) static void
draw_all(void)
{
    char hex[33];

    draw.user = pick_id(&USERS);
    draw.client = pick_id(&CLIENTS);
    draw.tier = pick_id(&TIERS);
    draw.role = pick(&ROLES);
    draw.role_b = pick(&ROLES);
    draw.token = pick(&TOKENS);
    draw.word = word("Thing");
    draw.bits = dice(UINT64_C(1) << 40);
    draw.rights = (struct permission_set){{0, 0}};
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (dice(3) == 0)
            permission_add(&draw.rights, p);
    }
    snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)dice(UINT64_MAX),
             (unsigned long long)dice(UINT64_MAX));
    draw.hash = arena_str(t.a, str_of(hex));
}

__attribute__((unused)) static void
keep_baselines(void)
{
    struct cx cx = as_process();

    assert_int_equal(access_keep_baselines(&cx), OK);
}

/* Sets of them, however many parts each. */
__attribute__((unused)) static int
baselines(void)
{
    struct audit_query q = query(tenant.id);
    struct audit_page p;
    int n = 0, part, parts;

    move();
    q.event = EV_ACCESS_BASELINE;
    q.limit = 1000;
    p = list(q);
    for (size_t i = 0; i < p.n; i++)
        n += baseline_part(&p.events[i], &part, &parts) && part == 1;
    return n;
}

__attribute__((unused)) static void
edit(const char *text)
{
    if (db_write(t.app.db, t.a, script, (void *)(uintptr_t)text) != OK)
        fail_msg("%s: %.*s", text, STR_ARG(db_last_error()));
}

#endif
