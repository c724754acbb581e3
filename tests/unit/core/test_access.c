/* The access state on both stores: what the log implies is what the tables hold, after whatever
 * sequence of changes; what is changed behind the log's back is named by row and field; the state of
 * an earlier moment comes back; parts of a baseline that are missing make it unusable. */
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

#define STEPS 600
#define MAX   64 /* of a kind kept in mind */

static struct keys keys;
static uint64_t seed;

static int
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

static int
begin_lite(void **state)
{
    return begin_access(DB_SQLITE);
}

static int
begin_pg(void **state)
{
    return begin_access(DB_POSTGRES);
}

static uint64_t
dice(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static struct access_diff *diffs;

static size_t
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

static void
same(const char *after)
{
    size_t n = compare();

    for (size_t i = 0; i < n; i++)
        print_error("after %s: %.*s\n", after, STR_ARG(access_diff_text(t.a, &diffs[i])));
    if (n)
        fail_msg("%zu differences after %s", n, after);
}

/* ---- random changes through the real functions ---- */

static struct user admin;

struct pick {
    const struct sql *q;
    struct str v[MAX];
    size_t n;
};

static enum err
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

static struct str
pick(const struct sql *q)
{
    struct pick p = {.q = q};

    if (db_read(t.app.db, t.a, read_pick, &p) != OK)
        fail_msg("pick: %.*s", STR_ARG(db_last_error()));
    return p.n ? p.v[dice(p.n)] : S("");
}

static int64_t
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

static struct str
word(const char *stem)
{
    return arena_fmt(t.a, "%s %llu", stem, (unsigned long long)dice(1000000));
}

struct op {
    const char *name;
    cx_body run;
};

/* What an operation works on, drawn before its transaction: a body may run twice. */
static struct {
    int64_t user, client, tier, tier_b;
    struct str role, role_b, token, word, hash;
    struct permission_set rights;
    uint64_t bits;
} draw;

static struct json *
json_of(struct str text)
{
    struct json *o;
    const char *why;
    size_t where;

    if (json_parse(t.a, text, &o, &where, &why) != OK)
        fail_msg("json: %s", why);
    return o;
}

static enum err
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

static enum err
with_user(struct cx *cx, struct user *u)
{
    TRY(user_get(cx, draw.user, u));
    return u->user_id == admin.user_id ? ERR_FORBIDDEN : OK;
}

static enum err
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

static enum err
op_user_disable(struct cx *cx, void *arg)
{
    struct user u;

    TRY(with_user(cx, &u));
    return user_set_disabled(cx, &u, draw.bits & 1);
}

static enum err
op_user_delete(struct cx *cx, void *arg)
{
    struct user u;

    TRY(with_user(cx, &u));
    return user_delete(cx, &u);
}

static enum err
op_password(struct cx *cx, void *arg)
{
    struct user u;

    TRY(user_get(cx, draw.user, &u));
    return user_set_password(cx, &u, draw.hash, draw.bits & 1, STR_NULL, "set the password of");
}

static enum err
op_mfa_reset(struct cx *cx, void *arg)
{
    struct user u;

    TRY(user_get(cx, draw.user, &u));
    return user_mfa_reset(cx, &u, draw.bits & 1);
}

static enum err
op_role_create(struct cx *cx, void *arg)
{
    struct role r;

    return role_create(cx, draw.word, STR_NULL, &draw.rights, &r);
}

static enum err
op_role_update(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_update(cx, &r, draw.bits & 1 ? draw.word : STR_NULL, draw.word, draw.bits & 2);
}

static enum err
op_role_rights(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_set_rights(cx, &r, &draw.rights);
}

static enum err
op_role_delete(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_delete(cx, &r);
}

static enum err
op_role_assign(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_assign(cx, draw.user, &r);
}

static enum err
op_role_remove(struct cx *cx, void *arg)
{
    struct role r;

    TRY(role_find(cx, draw.role, &r));
    return role_remove(cx, draw.user, &r);
}

static enum err
op_client_create(struct cx *cx, void *arg)
{
    struct client c = {.name = draw.word};
    struct granted g;

    TRY(client_insert(cx, &c));
    return client_grant_default_group(cx, &c, &g);
}

static enum err
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

static enum err
op_client_delete(struct cx *cx, void *arg)
{
    struct client c;

    TRY(client_get(cx, draw.client, &c));
    return client_delete(cx, &c);
}

static enum err
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

static enum err
op_member_drop(struct cx *cx, void *arg)
{
    struct client c;
    struct user u;

    TRY(client_get(cx, draw.client, &c));
    TRY(user_get(cx, draw.user, &u));
    return client_user_drop(cx, &c, &u);
}

static enum err
op_tier_create(struct cx *cx, void *arg)
{
    struct tier made;

    return tier_create(cx, draw.word, STR_NULL, draw.bits & 1, &made);
}

static enum err
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

static enum err
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

static enum err
op_tier_delete(struct cx *cx, void *arg)
{
    struct tiers all;
    const struct tier *x;

    TRY(tier_load(cx, &all));
    x = tier_by_id(&all, draw.tier);
    return x && all.n > 1 ? tier_delete(cx, x) : ERR_NOT_FOUND;
}

static enum err
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

static enum err
op_token_new(struct cx *cx, void *arg)
{
    struct access_token_spec s = {.name = draw.word,
                                  .days = 30,
                                  .scopes = json_of(S("[\"AUDIT_LOG.VIEW\",\"CLIENTS.VIEW\"]"))};
    struct str cuid, token;

    return access_token_new(cx, &s, &cuid, &token);
}

static enum err
op_token_revoke(struct cx *cx, void *arg)
{
    return access_token_revoke(cx, draw.user, draw.token);
}

static enum err
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

static void
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

static int done[N_OPS];

/* One operation in its transaction; a refusal changes nothing, which is as good. */
static const char *
step(void)
{
    size_t i = dice(N_OPS);
    struct cx cx = as_process();
    enum err e;

    t.app.simulated_now += USEC_PER_SEC;
    draw_all();
    if (ops[i].run == op_token_new || ops[i].run == op_token_revoke) {
        cx = as_user(&admin, "ADMIN");
        draw.user = admin.user_id;
    }
    e = cx_write(&cx, ops[i].run, NULL);
    if (e == ERR_DB || e == ERR_UNAVAILABLE)
        fail_msg("%s: %s: %.*s / %.*s", ops[i].name, err_name(e), STR_ARG(cx.failure.message),
                 STR_ARG(db_last_error()));
    done[i] += e == OK;
    return ops[i].name;
}

static void
keep_baselines(void)
{
    struct cx cx = as_process();

    assert_int_equal(access_keep_baselines(&cx), OK);
}

/* Sets of them, however many parts each. */
static int
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

static void
whatever_happens_the_log_implies_what_the_tables_hold(void **state)
{
    const char *env = getenv("RECOUNT_SEED");

    seed = env ? strtoull(env, NULL, 10) : UINT64_C(0x5eed5eed5eed);
    memset(done, 0, sizeof done);
    admin = new_user("admin@example.org", "Alice", "ADMIN");
    same("the start");
    for (int i = 1; i <= STEPS; i++) {
        const char *name = step();

        if (dice(7) == 0)
            move();
        if (i % 5 == 0)
            same(name);
        if (i % 200 == 0) { /* the next month begins with a baseline */
            t.app.simulated_now = month_start(t.app.simulated_now, 1) + USEC_PER_MIN;
            keep_baselines();
            same("a baseline");
        }
    }
    for (size_t i = 0; i < N_OPS; i++) {
        if (done[i] == 0)
            fail_msg("%s never succeeded: the sequence proves nothing about it", ops[i].name);
    }
    assert_int_equal(events(EV_ACCESS_DIFFERS), 0);
    assert_int_equal(baselines(), 1 + STEPS / 200);
}

/* ---- behind the log's back ---- */

static void
edit(const char *text)
{
    if (db_write(t.app.db, t.a, script, (void *)(uintptr_t)text) != OK)
        fail_msg("%s: %.*s", text, STR_ARG(db_last_error()));
}

static const struct access_diff *
one(const char *what)
{
    size_t n = compare();

    for (size_t i = 0; n != 1 && i < n; i++)
        print_error("%.*s\n", STR_ARG(access_diff_text(t.a, &diffs[i])));
    if (n != 1)
        fail_msg("%s: %zu differences instead of one", what, n);
    return &diffs[0];
}

struct tamper {
    const char *edit, *undo;
    enum access_kind kind;
    const char *name, *field, *logged, *stored; /* NULL: absent; "*": whatever */
};

static const struct tamper tampers[] = {
    {"UPDATE user_account SET disabled = 1 WHERE email = 'bob@example.org'",
     "UPDATE user_account SET disabled = 0 WHERE email = 'bob@example.org'", ACCESS_USER,
     "Bob Example (bob@example.org)", "disabled", "false", "true"},
    {"UPDATE user_account SET password_hash = 'other' WHERE email = 'bob@example.org'",
     "UPDATE user_account SET password_hash = NULL WHERE email = 'bob@example.org'", ACCESS_USER,
     "Bob Example (bob@example.org)", "credential_mark", NULL, "*"},
    {"UPDATE user_account SET mfa_enabled = 1 WHERE email = 'bob@example.org'",
     "UPDATE user_account SET mfa_enabled = 0 WHERE email = 'bob@example.org'", ACCESS_USER,
     "Bob Example (bob@example.org)", "second_factor", "false", "true"},
    {"INSERT INTO user_role SELECT tenant_id, (SELECT user_id FROM user_account WHERE email = "
     "'bob@example.org'), cuid FROM role WHERE key = 'ADMIN'",
     "DELETE FROM user_role WHERE role_cuid = (SELECT cuid FROM role WHERE key = 'ADMIN') AND "
     "user_id = (SELECT user_id FROM user_account WHERE email = 'bob@example.org')",
     ACCESS_HOLDER, "Administrator of Bob Example (bob@example.org)", "row", NULL, "*"},
    {"INSERT INTO role_permission SELECT tenant_id, cuid, 'SECURITY.MANAGE_USERS' FROM role WHERE "
     "key = 'ANALYST'",
     "DELETE FROM role_permission WHERE permission = 'SECURITY.MANAGE_USERS' AND role_cuid = (SELECT "
     "cuid FROM role WHERE key = 'ANALYST')",
     ACCESS_ROLE, "Analyst", "permission SECURITY.MANAGE_USERS", NULL, "granted"},
    {"UPDATE role SET enabled = 0 WHERE key = 'AUDITOR'",
     "UPDATE role SET enabled = 1 WHERE key = 'AUDITOR'", ACCESS_ROLE, "Auditor", "enabled", "true",
     "false"},
    {"UPDATE client_user SET role_cuid = (SELECT cuid FROM role WHERE key = 'STD_USER')",
     "UPDATE client_user SET role_cuid = (SELECT cuid FROM role WHERE key = 'ANALYST')",
     ACCESS_MEMBER, "Bob Example (bob@example.org) on client Thing 1", "role", "*", "*"},
    {"UPDATE client_user SET tier_id = 2", "UPDATE client_user SET tier_id = NULL", ACCESS_MEMBER,
     "Bob Example (bob@example.org) on client Thing 1", "tier", NULL, "2"},
    {"UPDATE client SET name = 'Thing 2'", "UPDATE client SET name = 'Thing 1'", ACCESS_CLIENT,
     "Thing 2", "name", "Thing 1", "Thing 2"},
    {"UPDATE tier SET enabled = 0 WHERE name = 'Tier 2'",
     "UPDATE tier SET enabled = 1 WHERE name = 'Tier 2'", ACCESS_TIER, "Tier 2", "enabled", "true",
     "false"},
    {"INSERT INTO setting (tenant_id, name, value) VALUES (0, 'auth.password_min', '8')",
     "DELETE FROM setting WHERE name = 'auth.password_min'", ACCESS_SETTING, "auth.password_min",
     "row", NULL, "value 8"},
    {"UPDATE access_token SET scopes = 'SECURITY.MANAGE_USERS'",
     "UPDATE access_token SET scopes = 'AUDIT_LOG.VIEW,CLIENTS.VIEW'", ACCESS_TOKEN, "Thing 1",
     "scopes", "AUDIT_LOG.VIEW,CLIENTS.VIEW", "SECURITY.MANAGE_USERS"},
    {"UPDATE access_token SET expires_at = expires_at + 1000000",
     "UPDATE access_token SET expires_at = expires_at - 1000000", ACCESS_TOKEN, "Thing 1",
     "expires", "*", "*"},
    {"INSERT INTO user_role (tenant_id, user_id, role_cuid) VALUES (0, 4711, 'nobody')",
     "DELETE FROM user_role WHERE user_id = 4711", ACCESS_HOLDER, "nobody of #4711", "row", NULL,
     "*"},
};

static bool
says(const char *want, struct str got)
{
    if (want == NULL)
        return str_is_null(got);
    return strcmp(want, "*") == 0 ? !str_is_null(got) : str_eq(got, str_of(want));
}

static struct user bob;

/* Alice administers; Bob is an analyst on the client Thing 1; Alice has a token. */
static void
furnish(void)
{
    struct cx cx = as_process();

    admin = new_user("admin@example.org", "Alice", "ADMIN");
    bob = new_user("bob@example.org", "Bob", "STD_USER");
    draw.word = S("Thing 1");
    RUN(&cx, op_client_create, NULL, OK);
    draw.client = pick_id(&CLIENTS);
    draw.user = bob.user_id;
    draw.role = S("ANALYST");
    draw.bits = 0;
    RUN(&cx, op_member_put, NULL, OK);
    cx = as_user(&admin, "ADMIN");
    RUN(&cx, op_token_new, NULL, OK);
}

static void
an_unrecorded_change_is_named_by_row_and_field(void **state)
{
    furnish();
    same("furnishing");
    move();
    same("moving");
    for (size_t i = 0; i < sizeof tampers / sizeof tampers[0]; i++) {
        const struct tamper *x = &tampers[i];
        const struct access_diff *d;

        edit(x->edit);
        d = one(x->edit);
        if (d->kind != x->kind || !str_eq(d->name, str_of(x->name)) ||
            !str_eq(d->field, str_of(x->field)) || !says(x->logged, d->logged) ||
            !says(x->stored, d->stored))
            fail_msg("%s: %.*s", x->edit, STR_ARG(access_diff_text(t.a, d)));
        edit(x->undo);
        same(x->undo);
    }
    edit("DELETE FROM user_role");
    assert_int_equal(compare(), 2);
}

static void
a_baseline_does_not_launder_what_differs(void **state)
{
    struct audit_event e;

    furnish();
    edit(tampers[0].edit);
    t.app.simulated_now = month_start(t.app.simulated_now, 1);
    keep_baselines();
    assert_int_equal(events(EV_ACCESS_DIFFERS), 1);
    e = newest(EV_ACCESS_DIFFERS);
    assert_int_equal(e.outcome, OUTCOME_FAILURE);
    assert_int_equal(e.n_changes, 1);
    assert_true(str_eq(e.changes[0].field, S("user Bob Example (bob@example.org): disabled")));
    assert_true(str_eq(e.changes[0].before, S("false")));
    assert_true(str_eq(e.changes[0].after, S("true")));
    keep_baselines(); /* once a month */
    assert_int_equal(baselines(), 2);
    same("the baseline");
}

/* ---- an earlier moment ---- */

static struct access_state *
at(int64_t when, struct access_source *source)
{
    struct cx cx = as_process();
    struct access_state *s = NULL;
    int64_t first;
    enum err e = access_at(&cx, when, &s, source, &first);

    if (e != OK)
        fail_msg("access_at: %s / %.*s", err_name(e), STR_ARG(db_last_error()));
    return s;
}

static void
an_earlier_state_comes_back(void **state)
{
    struct access_source source;
    struct access_state *s, *none;
    struct str id, since;
    struct cx cx;
    int64_t before, given, taken, first;

    before = t.app.simulated_now;
    t.app.simulated_now += USEC_PER_HOUR;
    furnish();
    given = t.app.simulated_now;
    id = arena_fmt(t.a, "%lld %.*s", (long long)draw.client, STR_ARG(bob.cuid));
    t.app.simulated_now = month_start(t.app.simulated_now, 1) + USEC_PER_MIN;
    keep_baselines();
    t.app.simulated_now += USEC_PER_DAY;
    cx = as_process();
    RUN(&cx, op_member_drop, NULL, OK);
    taken = t.app.simulated_now;
    move();

    s = at(before + USEC_PER_MIN, &source);
    assert_null(access_row(s, ACCESS_USER, bob.cuid));
    assert_int_equal(source.events, 0);
    s = at(given, &source);
    assert_true(str_eq(access_get(access_row(s, ACCESS_USER, bob.cuid), "first"), S("Bob")));
    assert_non_null(access_row(s, ACCESS_MEMBER, id));
    assert_true(source.events > 0);
    since = newest(EV_CLIENT_USER_ASSIGNED).cuid;
    assert_true(str_eq(access_field(access_row(s, ACCESS_MEMBER, id), "role")->event, since));
    s = at(taken - 1,
           &source); /* behind the next month's baseline the right still has its origin */
    assert_int_equal(source.events, 0);
    assert_true(str_eq(access_field(access_row(s, ACCESS_MEMBER, id), "role")->event, since));
    assert_int_equal(access_field(access_row(s, ACCESS_MEMBER, id), "role")->at, given);
    s = at(taken, &source);
    assert_null(access_row(s, ACCESS_MEMBER, id));

    cx = as_process();
    assert_int_equal(access_at(&cx, before - USEC_PER_DAY, &none, &source, &first), ERR_NOT_FOUND);
    assert_int_equal(first, before);
}

/* ---- while others write ---- */

#define WRITERS 4
#define ROUNDS  25

struct writer {
    pthread_t thread;
    int64_t user_id, client_id;
    uint64_t state;
    int done;
};
static atomic_bool enough;

/* One of what touches rows that other transactions look at, and what does not. */
static enum err
toggle(struct cx *cx, void *arg)
{
    const struct writer *w = arg;
    struct client_grant g = {0};
    struct client c;
    struct role r;
    struct user u;
    enum err e;

    TRY(user_get(cx, w->user_id, &u));
    TRY(role_find(cx, w->state & 1 ? S("ANALYST") : S("AUDITOR"), &r));
    switch (w->state >> 8 & 3) {
    case 0:
        return user_set_disabled(cx, &u, !u.disabled);
    case 1:
        return w->state & 2 ? role_assign(cx, u.user_id, &r) : role_remove(cx, u.user_id, &r);
    case 2:
        TRY(client_get(cx, w->client_id, &c));
        g.client = &c;
        g.user = &u;
        g.role = &r;
        return client_user_put(cx, &g);
    default:
        TRY(client_get(cx, w->client_id, &c));
        e = client_user_drop(cx, &c, &u);
        return e == ERR_NOT_FOUND ? OK : e;
    }
}

static void *
write_on(void *arg)
{
    struct writer *w = arg;

    while (!atomic_load(&enough)) {
        struct arena *a = arena_create("writer", (size_t)64 << 20);
        struct cx cx = cx_system(&t.app, a, "writer", &tenant);

        w->state = w->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        w->state ^= w->state >> 29;
        w->done += cx_write(&cx, toggle, w) == OK;
        arena_free(a);
    }
    return NULL;
}

static void
events_in_flight_are_no_false_alarm(void **state)
{
    struct writer w[WRITERS] = {0};

    admin = new_user("admin@example.org", "Alice", "ADMIN");
    draw.word = S("Thing 1");
    struct cx cx = as_process();
    RUN(&cx, op_client_create, NULL, OK);
    atomic_store(&enough, false);
    for (int i = 0; i < WRITERS; i++) {
        w[i].user_id = new_user(arena_fmt(t.a, "w%d@example.org", i).p, "Will", "STD_USER").user_id;
        w[i].client_id = pick_id(&CLIENTS);
        w[i].state = (uint64_t)i * 7919 + 17;
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_on, &w[i]), 0);
    for (int i = 0; i < ROUNDS; i++) {
        same("a moment of writing");
        if (i % 3 == 0)
            move();
        if (i % 4 == 0) { /* a baseline among them */
            edit("DELETE FROM setting WHERE name = 'access.baseline'");
            keep_baselines();
        }
    }
    atomic_store(&enough, true);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_true(w[i].done > 0);
    }
    same("all of it");
    move();
    same("moving all of it");
    assert_int_equal(events(EV_ACCESS_DIFFERS), 0);
    assert_true(baselines() > 5);
}

/* ---- large ones ---- */

static void
many_rows_take_several_parts(void **state)
{
    struct audit_query q = query(tenant.id);
    struct access_source source;
    struct access_state *s;
    struct audit_page p;
    size_t n;

    admin = new_user("admin@example.org", "Alice", "ADMIN");
    edit(t.kind == DB_SQLITE
             ? "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
               "INSERT INTO client (tenant_id, client_id, cuid, name, created_at, updated_at) "
               "SELECT 0, 1000 + i, 'cclient' || i, 'Client ' || i, 1, 1 FROM n"
             : "INSERT INTO client (tenant_id, client_id, cuid, name, created_at, updated_at) "
               "SELECT 0, 1000 + i, 'cclient' || i, 'Client ' || i, 1, 1 FROM "
               "generate_series(1, 2500) i");
    t.app.simulated_now = month_start(t.app.simulated_now, 1);
    keep_baselines();
    same("the baseline");
    move();
    same("moving");
    q.event = EV_ACCESS_BASELINE;
    p = list(q);
    assert_true(p.n >= 4);
    assert_true(str_eq(p.events[0].target_id, p.events[1].target_id));
    assert_true(str_eq(p.events[0].request_id, p.events[1].request_id));
    s = at(t.app.simulated_now, &source);
    access_rows(s, &n);
    assert_true(n > 2500);
    /* Its words are not found by searching for them. */
    q.q = S("Client 1777");
    q.event = EVENT_NONE;
    p = list(q);
    for (size_t i = 0; i < p.n; i++)
        assert_true(p.events[i].type != EV_ACCESS_BASELINE);
}

#define CASE(f, store) cmocka_unit_test_setup_teardown(f, begin_##store, end)
#define SUITE(store)                                                                               \
    CASE(whatever_happens_the_log_implies_what_the_tables_hold, store),                            \
        CASE(an_unrecorded_change_is_named_by_row_and_field, store),                               \
        CASE(a_baseline_does_not_launder_what_differs, store),                                     \
        CASE(events_in_flight_are_no_false_alarm, store),                                          \
        CASE(an_earlier_state_comes_back, store), CASE(many_rows_take_several_parts, store)

int
main(void)
{
    const struct CMUnitTest lite[] = {SUITE(lite)}, pg[] = {SUITE(pg)};
    int failed = cmocka_run_group_tests_name("access, SQLite", lite, NULL, NULL);

    if (getenv("RECOUNT_TEST_PG"))
        failed += cmocka_run_group_tests_name("access, PostgreSQL", pg, NULL, NULL);
    return failed;
}
