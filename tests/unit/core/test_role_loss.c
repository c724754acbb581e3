/* Who is signed out by a change of roles (core/role_loss.c): whoever loses a right that no other role of his, of
 * those switched on, gives him; not who keeps it, not who has no open session, not the session that makes the
 * change. What is foreseen is what then happens. On both stores. */
#include "support.h"

#include "core/session.h"

struct person {
    struct user user;
    struct str session;
    const char *roles[3];
};

enum { BOB, CID, DAN, EVE, FAY, GUS, HAL, PEOPLE };

static struct person people[PEOPLE];
static struct role readers, keepers, off, halves, admins;

struct making {
    struct str title;
    struct permission_set rights;
    struct role *out;
    bool enabled;
};

static enum err
make_role(struct cx *cx, void *arg)
{
    struct making *m = arg;

    TRY(role_create(cx, m->title, S("as it was"), &m->rights, m->out));
    return m->enabled ? OK : role_update(cx, m->out, STR_NULL, STR_NULL, false);
}

static void
new_role(struct cx *cx, const char *title, enum permission a, enum permission b, bool enabled,
         struct role *out)
{
    struct making m = {.title = str_of(title), .out = out, .enabled = enabled};

    permission_add(&m.rights, a);
    permission_add(&m.rights, b);
    RUN(cx, make_role, &m, OK);
}

static enum err
sign_in(struct cx *cx, void *arg)
{
    struct person *p = arg;
    struct session_user who = {.tenant_id = cx->tenant.id, .user_id = p->user.user_id};
    struct audit_entry e = user_entry(cx, &p->user, EV_LOGIN_SUCCESS, S("signed in"));
    int64_t until;

    TRY(session_insert(cx, &who, S("api"), 8, &p->session, &until));
    return audit_record(cx, &e, NULL);
}

static enum err
end_his(struct cx *cx, void *arg)
{
    struct person *p = arg;
    int64_t n;

    return user_end_sessions(cx, &p->user, STR_NULL, " for the test", &n);
}

static enum err
give(struct cx *cx, void *arg)
{
    struct person *p = arg;

    for (const char *const *k = p->roles; *k; k++) {
        struct role r;

        TRY(role_find(cx, str_of(*k), &r));
        TRY(role_assign(cx, p->user.user_id, &r));
    }
    return OK;
}

static void
everyone(struct cx *cx)
{
    static const char *const with[PEOPLE][4] = {
        [BOB] = {"bob", "Readers"},
        [CID] = {"cid", "Readers", "Keepers"},
        [DAN] = {"dan", "Readers", "Off"},     /* what is switched off keeps nothing */
        [EVE] = {"eve", "Readers", "Keepers"}, /* her session is ended */
        [FAY] = {"fay", "Readers"},            /* hers is over by now */
        [GUS] = {"gus", "Keepers"},            /* holds another role */
        [HAL] = {"hal", "Readers", "Halves"},
    };

    new_role(cx, "Readers", PERM_TAGS_VIEW, PERM_USERS_VIEW, true, &readers);
    new_role(cx, "Keepers", PERM_TAGS_VIEW, PERM_USERS_VIEW, true, &keepers);
    new_role(cx, "Off", PERM_TAGS_VIEW, PERM_USERS_VIEW, true, &off);
    new_role(cx, "Halves", PERM_TAGS_VIEW, PERM_TAGS_VIEW, true, &halves);
    for (int i = 0; i < PEOPLE; i++) {
        struct person *p = &people[i];

        *p = (struct person){.roles = {with[i][2], NULL}};
        p->user = new_user(arena_cstr(t.a, arena_fmt(t.a, "%s@example.org", with[i][0])),
                           with[i][0], with[i][1]);
        RUN(cx, give, p, OK);
    }
    RUN(cx, sign_in, &people[FAY], OK);
    t.app.simulated_now += 8 * USEC_PER_HOUR; /* to the microsecond */
    *cx = as_process();
    for (int i = 0; i < PEOPLE; i++)
        if (i != FAY)
            RUN(cx, sign_in, &people[i], OK);
    RUN(cx, end_his, &people[EVE], OK);
}

static enum err
switch_off(struct cx *cx, void *arg)
{
    return role_update(cx, arg, STR_NULL, STR_NULL, false);
}

static enum err
describe(struct cx *cx, void *arg)
{
    return role_update(cx, arg, STR_NULL, S("in other words"), true);
}

static enum err
find(struct cx *cx, void *arg)
{
    struct role *r = arg;

    return role_find(cx, r->title, r);
}

/* ---- what is foreseen ---- */

struct seeing {
    const struct role *role;
    struct permission_set lost;
    int64_t user_id;
    struct role_loss loss;
};

static enum err
foresee(struct cx *cx, void *arg)
{
    struct seeing *s = arg;

    return role_loss_foreseen(cx, s->role, &s->lost, s->user_id, &s->loss);
}

/* The first letters of the names, in the order given. */
static const char *
losers_for(struct cx *cx, const struct role *r, enum permission a, enum permission b,
           int64_t user_id)
{
    struct seeing s = {.role = r, .user_id = user_id};
    struct buf *out = buf_in(t.a, 64);

    permission_add(&s.lost, a);
    permission_add(&s.lost, b);
    assert_int_equal(cx_read(cx, foresee, &s), OK);
    for (size_t i = 0; i < s.loss.n; i++)
        buf_char(out, s.loss.v[i].first.p[0]);
    return arena_cstr(t.a, buf_view(out));
}

static const char *
losers(const struct role *r, enum permission a, enum permission b, int64_t user_id)
{
    struct cx cx = as_process();

    return losers_for(&cx, r, a, b, user_id);
}

/* Those who have an open session, by their first letters. */
static const char *
signed_in(void)
{
    struct buf *out = buf_in(t.a, 64);

    for (int i = 0; i < PEOPLE; i++)
        if (ask(t.app.db,
                arena_cstr(t.a, arena_fmt(t.a,
                                          "SELECT count(*) FROM session WHERE user_id = %lld AND "
                                          "ended_at IS NULL AND expires_at > %lld",
                                          (long long)people[i].user.user_id,
                                          (long long)t.app.simulated_now))) > 0)
            buf_char(out, people[i].user.first.p[0]);
    return arena_cstr(t.a, buf_view(out));
}

static void
who_loses_is_foreseen_and_signed_out(void **state)
{
    struct cx cx = as_process();

    everyone(&cx);
    RUN(&cx, switch_off, &off, OK);
    assert_string_equal(signed_in(), "bcdgh");
    assert_string_equal(losers(&readers, PERM_TAGS_VIEW, PERM_USERS_VIEW, 0), "bdh");
    assert_string_equal(losers(&readers, PERM_TAGS_VIEW, PERM_TAGS_VIEW, 0), "bd");
    assert_string_equal(losers(&readers, PERMISSION_NONE, PERMISSION_NONE, 0), "");
    assert_string_equal(losers(&readers, PERM_TAGS_VIEW, PERM_USERS_VIEW, people[DAN].user.user_id),
                        "d");
    assert_string_equal(losers(&readers, PERM_TAGS_VIEW, PERM_USERS_VIEW, people[CID].user.user_id),
                        "");
    RUN(&cx, find, &off, OK);
    assert_false(off.enabled);
    assert_string_equal(losers(&off, PERM_TAGS_VIEW, PERM_USERS_VIEW, 0), "");

    RUN(&cx, describe, &readers, OK); /* its own title is not another role's */
    assert_string_equal(signed_in(), "bcdgh");
    RUN(&cx, switch_off, &readers, OK);
    assert_string_equal(signed_in(), "cg");
    assert_int_equal(events(EV_SESSION_ENDED), 4); /* with Eve's */
    assert_true(
        str_contains(newest(EV_SESSION_ENDED).text, S(" by switching off the role Readers")));
    RUN(&cx, sign_in, &people[DAN], OK); /* nothing can be lost with what is off */
    assert_string_equal(losers(&off, PERM_TAGS_VIEW, PERM_USERS_VIEW, 0), "");
}

/* ---- a role is taken from one ---- */

struct taking {
    const struct role *role;
    int64_t user_id;
};

static enum err
take(struct cx *cx, void *arg)
{
    struct taking *x = arg;

    return role_remove(cx, x->user_id, x->role);
}

static void
who_acts_keeps_that_session(void **state)
{
    struct cx cx = as_process();
    struct person *bob = &people[BOB];
    struct taking x = {&readers, 0};

    everyone(&cx);
    RUN(&cx, switch_off, &off, OK);
    x.user_id = people[CID].user.user_id;
    RUN(&cx, take, &x, OK); /* the other role gives him as much */
    assert_string_equal(signed_in(), "bcdgh");
    x.user_id = people[HAL].user.user_id;
    RUN(&cx, take, &x, OK);
    assert_string_equal(signed_in(), "bcdg");
    cx = as_user(&bob->user, "Readers");
    cx.actor.session = bob->session;
    assert_string_equal(losers_for(&cx, &readers, PERM_TAGS_VIEW, PERM_USERS_VIEW, 0), "d");
    struct cx process = as_process();
    RUN(&process, sign_in, bob, OK); /* once more */
    assert_string_equal(losers_for(&cx, &readers, PERM_TAGS_VIEW, PERM_USERS_VIEW, 0), "bd");
    x.user_id = people[DAN].user.user_id;
    RUN(&cx, take, &x, OK);
    assert_string_equal(signed_in(), "bcg");
    x.user_id = bob->user.user_id;
    RUN(&cx, take, &x, OK);
    assert_string_equal(signed_in(), "bcg");
    assert_int_equal(ask(t.app.db, arena_cstr(t.a, arena_fmt(t.a,
                                                             "SELECT count(*) FROM session WHERE "
                                                             "user_id = %lld AND ended_at IS NULL",
                                                             (long long)bob->user.user_id))),
                     1);
    assert_true(str_contains(newest(EV_SESSION_ENDED).text, S(" by taking the role Readers")));

    RUN(&process, sign_in, &people[DAN], OK);
    RUN(&process, find, &off, OK);
    x = (struct taking){&off, people[DAN].user.user_id};
    RUN(&process, take, &x, OK); /* nothing came of it */
    assert_string_equal(signed_in(), "bcdg");
}

/* Nothing else gives what the role of administrators is, whatever rights another one holds. */
static void
an_administrator_is_always_signed_out(void **state)
{
    struct user ann = new_user("ann@example.org", "ann", "ADMIN");
    struct cx cx = as_process();
    struct making m = {.title = S("All"), .out = &keepers, .enabled = true};
    struct person eve = {.roles = {"ADMIN", NULL}};
    struct taking x;

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        permission_add(&m.rights, p);
    RUN(&cx, make_role, &m, OK);
    eve.user = new_user("eve@example.org", "eve", "All");
    RUN(&cx, give, &eve, OK);
    RUN(&cx, sign_in, &eve, OK);
    people[0] = eve;
    admins.title = S("ADMIN");
    RUN(&cx, find, &admins, OK);
    assert_string_equal(losers(&admins, PERM_TAGS_VIEW, PERM_USERS_VIEW, eve.user.user_id), "e");
    assert_string_equal(losers(&admins, PERM_TAGS_VIEW, PERM_USERS_VIEW, ann.user_id), "");
    assert_string_equal(losers(&admins, PERM_TAGS_VIEW, PERM_USERS_VIEW, 0), "");
    x = (struct taking){&admins, eve.user.user_id};
    RUN(&cx, take, &x, OK);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM session WHERE ended_at IS NULL"), 0);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_core_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, who_loses_is_foreseen_and_signed_out), ON(kind, who_acts_keeps_that_session),         \
        ON(kind, an_administrator_is_always_signed_out)

int
main(void)
{
    int failed = 0;

    RUN_ON_BOTH(&failed, "lost roles", ALL);
    return failed;
}
