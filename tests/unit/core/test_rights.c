/* Permissions, roles, clients and who may work on them, on both stores: the rules of granting, one
 * event per affected user, the last administrator, what a caller sees. */
#include "support.h"

#include <pthread.h>

/* ---- the table ---- */

static void
the_table_is_sound(void **state)
{
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        const struct permission_info *i = permission_info(p);

        assert_int_equal(permission_by_key(str_of(i->key)), p);
        assert_true(i->scope == 'C' || i->scope == 'T');
        assert_true(i->title[0] != '\0' && i->section[0] != '\0' && i->category[0] != '\0');
    }
    assert_int_equal(permission_by_key(S("NO.SUCH")), PERMISSION_NONE);
}

static void
sets_contain_what_was_added(void **state)
{
    struct permission_set all = {{0, 0}}, one = {{0, 0}}, there;

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        permission_add(&all, p);
    permission_add(&one, PERM_CLIENT_EDIT);
    permission_add(&one, PERM_USERS_VIEW);
    assert_true(permission_contains(&all, &one));
    assert_false(permission_contains(&one, &all));
    assert_int_equal(permission_count(&all), PERMISSION_COUNT - 1);
    there = permission_on_client(&one);
    assert_true(permission_has(&there, PERM_CLIENT_EDIT));
    assert_false(permission_has(&there, PERM_USERS_VIEW));
    permission_drop(&one, PERM_CLIENT_EDIT);
    assert_false(permission_has(&one, PERM_CLIENT_EDIT));
    assert_false(permission_has(&one, PERMISSION_NONE));
    permission_add(&one, PERMISSION_NONE); /* what an unknown key is */
    permission_add(&one, PERMISSION_COUNT);
    assert_int_equal(permission_count(&one), 1);
    assert_string_equal(permission_info(PERMISSION_COUNT)->key, "");
}

/* ---- a new workspace ---- */

static enum err
load_roles(struct cx *cx, void *arg)
{
    return role_load(cx, arg);
}

static void
the_first_workspace_is_number_0(void **state)
{
    struct cx cx = as_process();
    struct roles all;

    assert_true(tenant.known);
    assert_int_equal(tenant.id, 0);
    assert_int_equal(cx_read(&cx, load_roles, &all), OK);
    assert_int_equal(all.n, 4);
    assert_true(str_eq(all.v[0].key, S("ADMIN")));
    assert_int_equal(permission_count(&all.v[0].rights), PERMISSION_COUNT - 1);
    assert_true(str_eq(all.v[3].key, S("AUDITOR")));
    assert_true(permission_has(&all.v[3].rights, PERM_AUDIT_VIEW));
    assert_int_equal(permission_count(&all.v[3].rights), 3);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM tier"), 3);
    assert_int_equal(events(EV_TENANT_CREATED), 1);
}

/* ---- roles ---- */

struct step {
    struct role role;
    struct str title;
    struct permission_set rights;
    int64_t user_id;
};

static enum err
create_role(struct cx *cx, void *arg)
{
    struct step *s = arg;

    return role_create(cx, s->title, STR_NULL, &s->rights, &s->role);
}

static enum err
set_rights(struct cx *cx, void *arg)
{
    struct step *s = arg;

    return role_set_rights(cx, &s->role, &s->rights);
}

static enum err
assign_role(struct cx *cx, void *arg)
{
    struct step *s = arg;

    return role_assign(cx, s->user_id, &s->role);
}

static enum err
take_role(struct cx *cx, void *arg)
{
    struct step *s = arg;

    return role_remove(cx, s->user_id, &s->role);
}

static enum err
delete_role(struct cx *cx, void *arg)
{
    struct step *s = arg;

    TRY(role_find(cx, s->role.cuid, &s->role));
    return role_delete(cx, &s->role);
}

static enum err
find_role(struct cx *cx, void *arg)
{
    struct step *s = arg;

    return role_find(cx, s->title, &s->role);
}

static void
new_roles_get_names_of_their_own(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN");
    struct cx cx = as_user(&ann, "ADMIN");
    struct step s = {0}, again = {0}, same = {.title = S("new ROLE")};

    RUN(&cx, create_role, &s, OK);
    assert_true(str_eq(s.role.key, S("TENANT_0_ROLE_NEW_ROLE")));
    RUN(&cx, create_role, &again, OK);
    assert_true(str_eq(again.role.title, S("New role 2")));
    RUN(&cx, create_role, &same, ERR_CONFLICT);
    assert_int_equal(events(EV_ROLE_CREATED), 2);
}

static void
rights_change_with_a_list(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN");
    struct cx cx = as_user(&ann, "ADMIN");
    struct step s = {0}, fixed = {.title = S("ANALYST")};
    struct audit_event e;

    RUN(&cx, create_role, &s, OK);
    permission_add(&s.rights, PERM_CLIENT_VIEW);
    RUN(&cx, set_rights, &s, OK);
    e = newest(EV_ROLE_UPDATED);
    assert_int_equal(e.n_changes, 2);
    assert_true(str_eq(e.changes[0].before, S("")));
    assert_true(str_eq(e.changes[0].after, S("CLIENTS.VIEW")));
    assert_true(str_eq(e.changes[1].field, S("permissions added")));
    assert_int_equal(cx_read(&cx, find_role, &fixed), OK);
    RUN(&cx, set_rights, &fixed, ERR_CONFLICT);
}

static void
nobody_grants_what_he_does_not_hold(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "STD_USER");
    struct cx cx = as_user(&ann, "ADMIN");
    struct step manager = {.title = S("Role manager")},
                admin = {.title = S("ADMIN"), .user_id = bob.user_id};

    permission_add(&manager.rights, PERM_ROLES_MANAGE);
    RUN(&cx, create_role, &manager, OK);
    cx = as_user(&bob, "Role manager");
    assert_int_equal(cx_read(&cx, find_role, &admin), OK);
    RUN(&cx, assign_role, &admin, ERR_FORBIDDEN);
    admin.user_id = ann.user_id;
    RUN(&cx, take_role, &admin, ERR_FORBIDDEN);
    permission_add(&manager.rights, PERM_AUDIT_ERASE);
    RUN(&cx, set_rights, &manager, ERR_FORBIDDEN);
    manager.user_id = bob.user_id;
    permission_drop(&manager.rights, PERM_AUDIT_ERASE);
    RUN(&cx, assign_role, &manager, OK);
    assert_int_equal(ask(t.app.db,
                         "SELECT count(*) FROM user_role ur JOIN role r ON r.cuid = ur.role_cuid "
                         "WHERE r.key = 'ADMIN'"),
                     1);
}

static void
the_last_administrator_stays(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                eve = new_user("eve@example.org", "Eve", "ADMIN");
    struct cx cx = as_user(&ann, "ADMIN");
    struct step s = {.title = S("ADMIN"), .user_id = eve.user_id};

    assert_int_equal(cx_read(&cx, find_role, &s), OK);
    RUN(&cx, take_role, &s, OK);
    s.user_id = ann.user_id;
    RUN(&cx, take_role, &s, ERR_CONFLICT);
    assert_true(str_eq(cx.failure.word, S("last_administrator")));
    assert_int_equal(events(EV_ROLE_REMOVED), 1);
}

/* Two administrators take the role from each other at the same moment: one of them must fail. */
#define RACES 5

struct racer {
    struct role admin;
    int64_t victim;
    pthread_barrier_t *gate;
    enum err result;
};

static enum err
race_body(struct cx *cx, void *arg)
{
    struct racer *r = arg;

    return role_remove(cx, r->victim, &r->admin);
}

static void *
race(void *arg)
{
    struct racer *r = arg;
    struct arena *a = arena_create("racer", (size_t)64 << 20);
    struct cx cx = cx_system(&t.app, a, "racer", &tenant);

    pthread_barrier_wait(r->gate);
    r->result = cx_write(&cx, race_body, r);
    arena_free(a);
    return NULL;
}

static void
two_racing_removals_leave_an_administrator(void **state)
{
    struct user u[2] = {new_user("ann@example.org", "Ann", "ADMIN"),
                        new_user("eve@example.org", "Eve", "ADMIN")};
    struct cx cx = as_process();
    struct step s = {.title = S("ADMIN")};

    assert_int_equal(cx_read(&cx, find_role, &s), OK);
    for (int round = 0; round < RACES; round++) {
        struct racer r[2];
        pthread_barrier_t gate;
        pthread_t th[2];

        pthread_barrier_init(&gate, NULL, 2);
        for (int i = 0; i < 2; i++) {
            r[i] = (struct racer){.admin = s.role, .victim = u[i].user_id, .gate = &gate};
            assert_int_equal(pthread_create(&th[i], NULL, race, &r[i]), 0);
        }
        for (int i = 0; i < 2; i++)
            pthread_join(th[i], NULL);
        pthread_barrier_destroy(&gate);
        assert_int_equal(r[0].result + r[1].result, ERR_CONFLICT); /* OK is 0 */
        s.user_id = u[r[0].result == OK ? 0 : 1].user_id;
        RUN(&cx, assign_role, &s, OK);
    }
}

/* ---- clients ---- */

struct work {
    struct client client;
    struct granted granted;
    struct user user;
    struct str role, tier;
    bool member;
    struct client_query query;
    struct clients found;
    enum permission permission;
    int64_t id;
};

static enum err
create_client(struct cx *cx, void *arg)
{
    struct work *w = arg;

    TRY(client_insert(cx, &w->client));
    return client_grant_default_group(cx, &w->client, &w->granted);
}

static enum err
delete_client(struct cx *cx, void *arg)
{
    struct work *w = arg;

    return client_delete(cx, &w->client);
}

static enum err
put_user(struct cx *cx, void *arg)
{
    struct work *w = arg;
    struct client_rights his;
    struct tiers tiers;
    struct role r;
    struct client_grant g = {
        .client = &w->client, .his = &his, .user = &w->user, .role = &r, .tiers = &tiers};

    TRY(client_rights(cx, w->client.id, &his));
    TRY(role_find(cx, w->role, &r));
    TRY(tier_load(cx, &tiers));
    if (w->tier.n) {
        g.has_tier = true;
        g.tier = tier_pick(&tiers, w->tier);
    }
    return client_user_put(cx, &g);
}

static enum err
drop_user(struct cx *cx, void *arg)
{
    struct work *w = arg;

    return client_user_drop(cx, &w->client, &w->user);
}

static enum err
join(struct cx *cx, void *arg)
{
    struct work *w = arg;

    return default_group_set(cx, &w->user, w->member);
}

static enum err
list_clients(struct cx *cx, void *arg)
{
    struct work *w = arg;

    return client_list(cx, &w->query, &w->found);
}

static enum err
may(struct cx *cx, void *arg)
{
    struct work *w = arg;

    return cx_may_client(cx, w->id, w->permission);
}

static enum err
try_may(struct cx *cx, int64_t id, enum permission p)
{
    struct work w = {.id = id, .permission = p};

    fail_clear(cx);
    return cx_read(cx, may, &w);
}

static void
a_new_client_goes_to_creator_and_default_group(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "STD_USER");
    struct cx cx = as_user(&ann, "ADMIN");
    struct work w = {.user = bob, .member = true},
                c = {.client = {.name = S("Acme"), .tags = S("[\"x\"]")}};
    struct audit_event e;

    RUN(&cx, join, &w, OK);
    assert_int_equal(events(EV_DEFAULT_GROUP_ADDED), 1);
    assert_int_equal(events(EV_CLIENT_USER_ASSIGNED), 0);
    RUN(&cx, create_client, &c, OK);
    assert_true(str_eq(c.granted.assigned, S("[\"ann@example.org\",\"bob@example.org\"]")));
    assert_true(str_eq(c.granted.rejected, S("[]")));
    assert_int_equal(events(EV_CLIENT_USER_ASSIGNED), 2);
    e = newest(EV_CLIENT_USER_ASSIGNED);
    assert_true(str_eq(
        e.text,
        S("Ann Example (ann@example.org) assigned Bob Example (bob@example.org) to client Acme "
          "as Standard User (Default Group)")));
    assert_true(str_eq(e.request_id, newest(EV_CLIENT_CREATED).request_id));
    assert_int_equal(e.client_id, c.client.id);
    RUN(&cx, delete_client, &c, OK);
    assert_int_equal(events(EV_CLIENT_USER_REMOVED), 2);
    assert_int_equal(events(EV_CLIENT_DELETED), 1);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM client_user"), 0);
}

static void
joining_gives_the_present_clients_and_leaving_takes_none(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "ANALYST");
    struct cx cx = as_user(&ann, "ADMIN");
    struct work a = {.client = {.name = S("A")}}, b = {.client = {.name = S("B")}},
                w = {.user = bob, .member = true};

    RUN(&cx, create_client, &a, OK);
    RUN(&cx, create_client, &b, OK);
    RUN(&cx, join, &w, OK);
    assert_int_equal(events(EV_CLIENT_USER_ASSIGNED), 4);
    assert_true(str_contains(newest(EV_CLIENT_USER_ASSIGNED).text, S(" as Analyst (Default ")));
    w.member = false;
    RUN(&cx, join, &w, OK);
    RUN(&cx, join, &w, OK);
    assert_int_equal(events(EV_DEFAULT_GROUP_REMOVED), 1);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM client_user"), 4);
}

static void
a_client_is_seen_by_its_users_alone(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "ANALYST");
    struct cx cx = as_user(&ann, "ADMIN");
    struct work a = {.client = {.name = S("Alpha"), .tags = S("[\"red\",\"blue\"]")}},
                b = {.client = {.name = S("Beta")}};
    struct work q = {.query = {.limit = 10}};

    RUN(&cx, create_client, &a, OK);
    RUN(&cx, create_client, &b, OK);
    a.user = bob;
    a.role = S("STD_USER");
    RUN(&cx, put_user, &a, OK);
    assert_int_equal(cx_read(&cx, list_clients, &q), OK);
    assert_int_equal(q.found.total, 2);
    q.query.tags = S("[\"blue\",\"green\"]");
    assert_int_equal(cx_read(&cx, list_clients, &q), OK);
    assert_int_equal(q.found.total, 1);
    assert_true(str_eq(q.found.v[0].name, S("Alpha")));
    q.query.tags = STR_NULL;
    q.query.untagged = true;
    assert_int_equal(cx_read(&cx, list_clients, &q), OK);
    assert_int_equal(q.found.total, 1);
    assert_true(str_eq(q.found.v[0].name, S("Beta")));
    cx = as_user(&bob, "ANALYST");
    q.query = (struct client_query){.limit = 10, .name = S("A")};
    assert_int_equal(cx_read(&cx, list_clients, &q), OK);
    assert_int_equal(q.found.total, 1);
    assert_int_equal(try_may(&cx, a.client.id, PERM_CLIENT_EDIT), OK);
    assert_int_equal(try_may(&cx, a.client.id, PERM_CLIENT_DELETE), ERR_FORBIDDEN);
    assert_int_equal(try_may(&cx, b.client.id, PERM_CLIENT_VIEW), ERR_NOT_FOUND);
    assert_int_equal(try_may(&cx, 9999, PERM_CLIENT_VIEW), ERR_NOT_FOUND);
}

static void
a_token_holds_its_scopes_alone(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "AUDITOR");
    struct cx cx = as_user(&ann, "ADMIN");
    struct work w = {.client = {.name = S("Acme")}, .user = bob, .role = S("STD_USER")},
                q = {.query = {.limit = 10}};

    RUN(&cx, create_client, &w, OK);
    RUN(&cx, put_user, &w, OK);
    cx = as_user(&bob, "AUDITOR");
    assert_int_equal(try_may(&cx, w.client.id, PERM_CLIENT_VIEW), OK);
    assert_int_equal(cx_read(&cx, list_clients, &q), OK);
    assert_int_equal(q.found.total, 1);
    cx.actor.kind = ACTOR_TOKEN; /* with the scopes of an auditor */
    assert_int_equal(try_may(&cx, w.client.id, PERM_CLIENT_VIEW), ERR_FORBIDDEN);
    assert_int_equal(cx_read(&cx, list_clients, &q), OK);
    assert_int_equal(q.found.total, 0);
}

static void
client_roles_are_granted_within_ones_own(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "STD_USER"),
                cid = new_user("cid@example.org", "Cid", "ANALYST");
    struct cx cx = as_user(&ann, "ADMIN");
    struct work w = {
        .client = {.name = S("Acme")}, .user = bob, .role = S("STD_USER"), .tier = S("Tier 2")};

    RUN(&cx, create_client, &w, OK);
    RUN(&cx, put_user, &w, OK);
    w.role = S("ANALYST");
    RUN(&cx, put_user, &w, OK);
    RUN(&cx, put_user, &w, OK);
    assert_int_equal(events(EV_CLIENT_USER_UPDATED), 1);
    w.role = S("STD_USER");
    RUN(&cx, put_user, &w, OK);
    cx = as_user(&bob, "STD_USER");
    w.user = cid;
    w.role = S("ADMIN");
    RUN(&cx, put_user, &w, ERR_FORBIDDEN);
    w.role = S("ANALYST");
    w.tier = S("Tier 3");
    RUN(&cx, put_user, &w, ERR_FORBIDDEN);
    w.tier = S("Tier 2");
    RUN(&cx, put_user, &w, OK);
    cx = as_user(&ann, "ADMIN");
    RUN(&cx, drop_user, &w, OK);
    RUN(&cx, drop_user, &w, ERR_NOT_FOUND);
    assert_int_equal(events(EV_CLIENT_USER_REMOVED), 1);
}

static void
a_deleted_role_is_gone_everywhere(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "STD_USER");
    struct cx cx = as_user(&ann, "ADMIN");
    struct step s = {.title = S("Reader"), .user_id = bob.user_id};
    struct work w = {.client = {.name = S("Acme")}, .user = bob, .role = S("Reader")};

    permission_add(&s.rights, PERM_CLIENT_VIEW);
    RUN(&cx, create_role, &s, OK);
    RUN(&cx, assign_role, &s, OK);
    RUN(&cx, assign_role, &s, OK);
    RUN(&cx, create_client, &w, OK);
    RUN(&cx, put_user, &w, OK);
    RUN(&cx, delete_role, &s, OK);
    assert_int_equal(events(EV_ROLE_REMOVED), 1);
    assert_int_equal(events(EV_CLIENT_USER_REMOVED), 1);
    assert_int_equal(events(EV_ROLE_DELETED), 1);
    assert_true(str_eq(newest(EV_ROLE_REMOVED).request_id, newest(EV_ROLE_DELETED).request_id));
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM client_user"), 1);
}

/* ---- tiers ---- */

struct tiering {
    struct tiers all;
    int64_t ids[3];
};

static enum err
turn_over(struct cx *cx, void *arg)
{
    struct tiering *x = arg;

    TRY(tier_load(cx, &x->all));
    for (int i = 0; i < 3; i++)
        x->ids[i] = x->all.v[2 - i].id;
    return tier_reorder(cx, &x->all, x->ids, 3);
}

static enum err
short_order(struct cx *cx, void *arg)
{
    struct tiering *x = arg;

    TRY(tier_load(cx, &x->all));
    return tier_reorder(cx, &x->all, x->ids, 2);
}

static enum err
delete_second(struct cx *cx, void *arg)
{
    struct tiering *x = arg;

    TRY(tier_load(cx, &x->all));
    return tier_delete(cx, tier_pick(&x->all, S("Tier 2")));
}

static void
tiers_move_and_go(void **state)
{
    struct user ann = new_user("ann@example.org", "Ann", "ADMIN"),
                bob = new_user("bob@example.org", "Bob", "STD_USER");
    struct cx cx = as_user(&ann, "ADMIN");
    struct work w = {
        .client = {.name = S("Acme")}, .user = bob, .role = S("STD_USER"), .tier = S("Tier 2")};
    struct tiering x;

    RUN(&cx, create_client, &w, OK);
    RUN(&cx, put_user, &w, OK);
    RUN(&cx, turn_over, &x, OK);
    assert_int_equal(events(EV_TIER_UPDATED), 2); /* the middle one stays */
    RUN(&cx, short_order, &x, ERR_INVALID);
    w.user = new_user("cid@example.org", "Cid", "ANALYST");
    w.role = S("ANALYST");
    w.tier = S("Tier 1"); /* the highest now */
    cx = as_user(&bob, "STD_USER");
    RUN(&cx, put_user, &w, ERR_FORBIDDEN);
    w.tier = S("Tier 3");
    RUN(&cx, put_user, &w, OK);
    cx = as_user(&ann, "ADMIN");
    RUN(&cx, delete_second, &x, OK);
    assert_int_equal(events(EV_USER_TIER_CHANGED), 1);
    assert_int_equal(events(EV_TIER_DELETED), 1);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM client_user WHERE tier_id IS NOT NULL"),
                     1); /* Cid's */
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_core_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, the_first_workspace_is_number_0), ON(kind, new_roles_get_names_of_their_own),         \
        ON(kind, rights_change_with_a_list), ON(kind, nobody_grants_what_he_does_not_hold),        \
        ON(kind, the_last_administrator_stays),                                                    \
        ON(kind, two_racing_removals_leave_an_administrator),                                      \
        ON(kind, a_new_client_goes_to_creator_and_default_group),                                  \
        ON(kind, joining_gives_the_present_clients_and_leaving_takes_none),                        \
        ON(kind, a_client_is_seen_by_its_users_alone), ON(kind, a_token_holds_its_scopes_alone),   \
        ON(kind, client_roles_are_granted_within_ones_own),                                        \
        ON(kind, a_deleted_role_is_gone_everywhere), ON(kind, tiers_move_and_go)

int
main(void)
{
    const struct CMUnitTest table[] = {cmocka_unit_test(the_table_is_sound),
                                       cmocka_unit_test(sets_contain_what_was_added)};
    int failed = cmocka_run_group_tests_name("rights: table", table, NULL, NULL);

    RUN_ON_BOTH(&failed, "rights", ALL);
    return failed;
}
