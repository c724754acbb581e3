/* Whatever would take the last administrator from a workspace is refused: taking the role, disabling, deleting.
 * Who does not count as one: whoever holds another role, is disabled, signs in elsewhere, or administers another
 * workspace. And nobody acts on an administrator who is none, nor gives a tier above his own. On both stores. */
#include "support.h"

struct loss {
    struct user user;
    bool disabled;
};

static enum err
reload(struct cx *cx, struct loss *l)
{
    return user_get(cx, l->user.user_id, &l->user);
}

static enum err
take_admin(struct cx *cx, void *arg)
{
    struct loss *l = arg;
    struct role admin;

    TRY(reload(cx, l));
    TRY(role_find(cx, S("ADMIN"), &admin));
    return role_remove(cx, l->user.user_id, &admin);
}

static enum err
give_admin(struct cx *cx, void *arg)
{
    struct loss *l = arg;
    struct role admin;

    TRY(role_find(cx, S("ADMIN"), &admin));
    return role_assign(cx, l->user.user_id, &admin);
}

static enum err
change_roles(struct cx *cx, void *arg)
{
    struct loss *l = arg;
    struct role other;

    TRY(reload(cx, l));
    TRY(role_find(cx, S("STD_USER"), &other));
    return user_roles_set(cx, &l->user, &other, 1);
}

static enum err
set_disabled(struct cx *cx, void *arg)
{
    struct loss *l = arg;

    TRY(reload(cx, l));
    return user_set_disabled(cx, &l->user, l->disabled);
}

static enum err
delete_user(struct cx *cx, void *arg)
{
    struct loss *l = arg;

    TRY(reload(cx, l));
    return user_delete(cx, &l->user);
}

static enum err
count_admins(struct cx *cx, void *arg)
{
    return admin_count(cx, arg);
}

static int64_t
admins(void)
{
    struct cx cx = as_process();
    int64_t n = -1;

    assert_int_equal(cx_read(&cx, count_admins, &n), OK);
    return n;
}

static enum err
make_other_tenant(struct cx *cx, void *arg)
{
    return tenant_create(cx, S("Somebody else"), false, arg);
}

static const struct {
    const char *what;
    enum err (*body)(struct cx *cx, void *arg);
} ways[] = {{"the role is taken", take_admin},
            {"another role in its place", change_roles},
            {"disabled", set_disabled},
            {"deleted", delete_user}};

/* Each way, tried on the only one there is: refused, and nothing of it happened. */
static void
assert_stays(const struct user *u)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct cx cx = as_process();
        struct loss l = {.user = *u, .disabled = true};
        enum err e = cx_write(&cx, ways[i].body, &l);

        if (e != ERR_CONFLICT || !str_eq(cx.failure.word, S("last_administrator")))
            fail_msg("%s: %s %.*s", ways[i].what, err_name(e), STR_ARG(cx.failure.message));
        assert_int_equal(admins(), 1);
    }
}

/* No provider but our own is available yet: rows of a later version, or of a store that is moved here. */
static void
signs_in_elsewhere(const struct user *u)
{
    const char *text = arena_cstr(
        t.a, arena_fmt(t.a, "UPDATE user_account SET provider = 'okta' WHERE user_id = %lld",
                       (long long)u->user_id));

    db_set_commit_check(t.app.db, NULL);
    assert_int_equal(db_write(t.app.db, t.a, script, (void *)(uintptr_t)text), OK);
    db_set_commit_check(t.app.db, audit_commit_check);
}

static void
no_way_takes_the_last_one(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                away = new_user("away@example.org", "Away", "ADMIN"),
                off = new_user("off@example.org", "Off", "ADMIN");
    struct tenant_ref own = tenant;
    struct cx cx = as_process();
    struct loss l = {.user = off, .disabled = true};

    (void)new_user("bob@example.org", "Bob", "STD_USER");
    RUN(&cx, make_other_tenant, &tenant, OK);
    (void)new_user("zoe@example.net", "Zoe", "ADMIN"); /* administers the other one */
    tenant = own;
    assert_int_equal(admins(), 3);
    signs_in_elsewhere(&away);
    RUN(&cx, set_disabled, &l, OK);
    assert_int_equal(admins(), 1);
    assert_stays(&ann);

    /* Enabled again, the other one is enough, whichever way the first one goes. */
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        l = (struct loss){.user = off, .disabled = false};
        RUN(&cx, set_disabled, &l, OK);
        l = (struct loss){.user = ann, .disabled = true};
        RUN(&cx, ways[i].body, &l, OK);
        assert_int_equal(admins(), 1);
        assert_stays(&off);
        if (ways[i].body == delete_user)
            break;
        l = (struct loss){.user = ann, .disabled = false};
        RUN(&cx, set_disabled, &l, OK);
        RUN(&cx, give_admin, &l, OK);
        assert_int_equal(admins(), 2);
        l = (struct loss){.user = off, .disabled = true};
        RUN(&cx, set_disabled, &l, OK);
    }
}

static void
who_is_none_acts_on_none(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "STD_USER"),
                cid = new_user("cid@example.org", "Cid", "STD_USER");
    struct cx cx = as_user(&bob, "STD_USER");
    struct loss l = {.user = ann};

    RUN(&cx, take_admin, &l, ERR_FORBIDDEN);
    RUN(&cx, change_roles, &l, ERR_FORBIDDEN);
    l = (struct loss){.user = cid};
    RUN(&cx, give_admin, &l, ERR_FORBIDDEN);
    RUN(&cx, take_admin, &l,
        ERR_FORBIDDEN); /* nor from whom does not have it: it is not said who does */
    l = (struct loss){.user = bob};
    RUN(&cx, give_admin, &l, ERR_FORBIDDEN);

    cx = as_user(&ann, "ADMIN");
    l = (struct loss){.user = cid};
    RUN(&cx, take_admin, &l, OK);
    RUN(&cx, give_admin, &l, OK);
    struct audit_event e = newest(EV_ROLE_ASSIGNED);
    assert_true(str_eq(e.changes[0].field, S("role")));
    assert_true(str_eq(e.changes[0].after, S("Administrator")));
    assert_true(str_eq(e.target_id, cid.cuid));
    RUN(&cx, give_admin, &l, OK); /* he has it: no event */
    RUN(&cx, take_admin, &l, OK);
    assert_int_equal(events(EV_ROLE_ASSIGNED), 4);
    assert_int_equal(events(EV_ROLE_REMOVED), 1);
    e = newest(EV_ROLE_REMOVED);
    assert_true(str_eq(e.changes[0].before, S("Administrator")));
    assert_true(str_is_null(e.changes[0].after));
}

/* ---- tiers of users ---- */

struct tiering {
    struct str name;
    int64_t present;
    struct user_tier out;
    struct user user;
};

static enum err
find_tier(struct cx *cx, void *arg)
{
    struct tiering *x = arg;

    return user_tier_find(cx, x->name, S("/tier"), x->present, &x->out);
}

static enum err
set_tier(struct cx *cx, void *arg)
{
    struct tiering *x = arg;
    struct user_update c = {.default_group = -1, .has_tier = true, .tier = x->name};

    return user_change(cx, &x->user, &c);
}

static enum err
try_tier(struct cx *cx, const char *name, int64_t present, struct user_tier *out)
{
    struct tiering x = {.name = str_of(name), .present = present};
    enum err e;

    fail_clear(cx);
    e = cx_read(cx, find_tier, &x);
    *out = x.out;
    return e;
}

static void
nobody_gives_a_tier_above_his_own(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "STD_USER");
    struct cx cx = as_user(&ann, "ADMIN");
    struct tiering x = {.name = S("Tier 2"), .user = bob},
                   hers = {.name = S("Tier 3"), .user = ann};
    struct user_tier third, got;

    assert_int_equal(try_tier(&cx, "Tier 3", 0, &third), OK);
    assert_true(third.id > 0);
    RUN(&cx, set_tier, &hers, OK);
    cx = as_user(&bob, "STD_USER"); /* has none himself */
    assert_int_equal(try_tier(&cx, "Tier 1", 0, &got), ERR_FORBIDDEN);
    cx = as_user(&ann, "ADMIN");
    RUN(&cx, set_tier, &x, OK);
    cx = as_user(&bob, "STD_USER");
    assert_int_equal(try_tier(&cx, "Tier 1", 0, &got), OK);
    assert_int_equal(try_tier(&cx, " Tier 2 ", 0, &got), OK);
    assert_int_equal(try_tier(&cx, "Tier 3", 0, &got), ERR_FORBIDDEN);
    assert_int_equal(try_tier(&cx, "Tier 3", third.id, &got), OK); /* as it is */
    assert_true(str_eq(got.present, S("Tier 3")));
    assert_int_equal(try_tier(&cx, "", third.id, &got), OK); /* taken away */
    assert_int_equal(got.id, 0);
    assert_true(str_eq(got.present, S("Tier 3")));
    assert_int_equal(try_tier(&cx, "Tier 9", 0, &got), ERR_INVALID);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_core_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, no_way_takes_the_last_one), ON(kind, who_is_none_acts_on_none),                       \
        ON(kind, nobody_gives_a_tier_above_his_own)

int
main(void)
{
    int failed = 0;

    RUN_ON_BOTH(&failed, "administrators", ALL);
    return failed;
}
