/* What is changed behind the log's back is named by row and field, and no baseline launders it; the
 * state of an earlier moment comes back; a large one takes several parts. On both stores. */
#include "access_ops.h"

/* ---- behind the log's back ---- */

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
    {"UPDATE user_account SET email_folded = 'mallory@example.org' WHERE email = 'bob@example.org'",
     "UPDATE user_account SET email_folded = 'bob@example.org' WHERE email = 'bob@example.org'",
     ACCESS_USER, "Bob Example (bob@example.org)", "sign_in_name", NULL, "mallory@example.org"},
    {"INSERT INTO recovery_code (tenant_id, user_id, hash) SELECT tenant_id, user_id, 'f00d' FROM "
     "user_account WHERE email = 'bob@example.org'",
     "DELETE FROM recovery_code", ACCESS_USER, "Bob Example (bob@example.org)", "recovery_mark",
     NULL, "*"},
    {"UPDATE tenant SET name = 'Theirs'", "UPDATE tenant SET name = 'Acme Testing'",
     ACCESS_WORKSPACE, "Theirs", "name", "Acme Testing", "Theirs"},
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

/* ---- erased events ---- */

/* Takes the personal part of the newest event of the type, as an erasure does. */
static void
erase(enum event ev)
{
    struct audit *au = t.app.audit;
    struct db *db = t.kind == DB_SQLITE ? au->segments[au->n_segments - 1]->db : t.app.db;
    const char *month = t.kind == DB_SQLITE ? "" : "month, ";
    struct str text = arena_fmt(
        t.a,
        "INSERT INTO audit_erasure (%stenant_id, epoch, idx, person, part, request, inner_hash, at) "
        "SELECT %stenant_id, epoch, idx, 'Person', 2, 'request', %s, 1 FROM audit_event WHERE idx = "
        "(SELECT MAX(idx) FROM audit_event WHERE type = %d);"
        "DELETE FROM audit_personal WHERE idx IN (SELECT idx FROM audit_erasure)",
        month, month, t.kind == DB_SQLITE ? "x'00'" : "'\\x00'::bytea", (int)ev);

    if (db_write(db, t.a, script, (void *)(uintptr_t)text.p) != OK)
        fail_msg("erase: %.*s", STR_ARG(db_last_error()));
}

static void
what_was_erased_is_not_held_against_anyone(void **state)
{
    struct access_source source;
    struct access_state *s;

    furnish();
    move();
    erase(EV_ROLE_ASSIGNED); /* Bob's role */
    same("erasing an event about Bob");
    s = at(t.app.simulated_now, &source);
    assert_int_equal(source.erased, 1);
    assert_true(access_row(s, ACCESS_USER, bob.cuid)->unsure);
    assert_false(access_row(s, ACCESS_USER, admin.cuid)->unsure);
    erase(EV_CLIENT_CREATED);
    erase(EV_ACCESS_TOKEN_CREATED);
    erase(EV_CLIENT_USER_ASSIGNED);
    same("erasing events about a client, a token, a membership");
    edit("UPDATE user_account SET disabled = 1 WHERE email = 'admin@example.org'");
    assert_true(str_eq(one("the others are still compared")->field, S("disabled")));
}

static void
an_erased_baseline_leaves_the_one_before_it(void **state)
{
    struct access_source source;
    int64_t made = t.app.simulated_now;

    furnish();
    t.app.simulated_now += USEC_PER_HOUR;
    edit("DELETE FROM setting WHERE name = 'access.baseline'");
    keep_baselines();
    move();
    at(t.app.simulated_now, &source);
    assert_int_equal(source.baseline_at, t.app.simulated_now);
    erase(EV_ACCESS_BASELINE);
    same("erasing the second baseline");
    at(t.app.simulated_now, &source);
    assert_int_equal(source.baseline_at, made);
    assert_true(source.events > 0);
}

/* ---- baselines of an early version ---- */

/* The newest baseline once more, without the workspace, as the first versions took them. */
static enum err
early_baseline(struct cx *cx, void *arg)
{
    const struct audit_event *e = arg;
    struct audit_change *c = arena_array(cx->arena, struct audit_change, e->n_changes);
    struct audit_entry x = {.event = EV_ACCESS_BASELINE,
                            .target_kind = S("access"),
                            .target_id = cuid_in(cx->arena, cx->now),
                            .text = S("Access as it stands"),
                            .changes = c};

    for (size_t i = 0; i < e->n_changes; i++) {
        if (!str_has_prefix(e->changes[i].field, S("workspace ")))
            c[x.n_changes++] = e->changes[i];
    }
    assert_int_equal(x.n_changes, e->n_changes - 1);
    return audit_record(cx, &x, NULL);
}

static void
what_an_early_baseline_left_out_is_no_difference(void **state)
{
    struct cx cx = as_process();
    struct audit_event e;

    furnish();
    edit("DELETE FROM setting WHERE name = 'access.baseline'");
    keep_baselines();
    move();
    e = newest(EV_ACCESS_BASELINE);
    RUN(&cx, early_baseline, &e, OK);
    move();
    same("an early baseline");
    edit(
        "INSERT INTO recovery_code (tenant_id, user_id, hash) SELECT tenant_id, user_id, 'f00d' FROM "
        "user_account WHERE email = 'bob@example.org'");
    same("recovery codes that no event told of then");
    edit(tampers[0].edit);
    assert_true(str_eq(one("the rest is compared")->field, S("disabled")));
    edit(tampers[0].undo);
    keep_baselines(); /* of this month and schema there is one by its note */
    edit("DELETE FROM setting WHERE name = 'access.baseline'");
    keep_baselines();
    assert_int_equal(events(EV_ACCESS_DIFFERS), 0);
    edit("UPDATE tenant SET name = 'Theirs'");
    assert_int_equal(one("the next baseline tells all")->kind, ACCESS_WORKSPACE);
    edit("UPDATE tenant SET name = 'Acme Testing'");
    edit("DELETE FROM recovery_code");
    assert_true(str_eq(one("the next baseline tells all")->field, S("recovery_mark")));
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

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_access_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, an_unrecorded_change_is_named_by_row_and_field),                                      \
        ON(kind, a_baseline_does_not_launder_what_differs),                                        \
        ON(kind, what_was_erased_is_not_held_against_anyone),                                      \
        ON(kind, what_an_early_baseline_left_out_is_no_difference),                                \
        ON(kind, an_erased_baseline_leaves_the_one_before_it),                                     \
        ON(kind, an_earlier_state_comes_back), ON(kind, many_rows_take_several_parts)

MAIN_ON_BOTH("access differences", ALL)
