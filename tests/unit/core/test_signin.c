/* What a refused sign-in costs: the same hashes, statements and answer for existing, unknown, locked
 * and disabled names, whether its events are recorded or folded; and nothing but a look at the
 * counters once there were too many. */
#include "serving.h"

#include "core/password.h"
#include "core/signin.h"

static const char *const kinds[] = {"existing@example.org", "unknown@example.org",
                                    "locked@example.org", "disabled@example.org"};
#define KINDS 4

static enum err
change_user(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("user_account", "UPDATE user_account SET password_hash = $3, locked_until = $4, "
                                  "disabled = $5 WHERE tenant_id = $1 AND user_id = $2");
    const struct user *u = arg;
    struct audit_entry e = user_entry(cx, u, EV_USER_UPDATED, S("changed"));

    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_STR(u->password_hash),
                     V_INT(u->locked_until), V_INT(u->disabled)),
                NULL));
    return audit_record(cx, &e, NULL);
}

/* The people, and what a server has that a command has not. */
static int
begin_signin(enum db_kind kind)
{
    struct cx cx;
    struct str hash;

    if (begin_serving(kind) != 0)
        return -1;
    cx = as_process();
    assert_int_equal(password_hash(&cx, RIGHT, &hash), OK);
    for (int i = 0; i < KINDS; i++) {
        struct user u;

        if (i == 1)
            continue;
        u = new_user(kinds[i], "Some", "ANALYST");
        u.password_hash = hash;
        u.locked_until = i == 2 ? DAY0 + USEC_PER_DAY : 0;
        u.disabled = i == 3;
        assert_int_equal(cx_write(&cx, change_user, &u), OK);
    }
    return 0;
}

BOTH_STORES(begin_signin)

struct cost {
    enum err answer;
    struct str message;
    int64_t hashes;
    uint64_t statements;
};

/* One attempt from an address that nobody has come from. */
static struct cost
attempt(const char *name, struct str password, const char *address)
{
    static int serial;
    struct cx cx = {.app = &t.app, .arena = t.a, .now = t.app.simulated_now};
    struct signin_input in = {.username = str_of(name), .password = password};
    struct signin_result r;
    struct hashing_stats before, after;
    struct signin *s = NULL;
    uint64_t statements = db_statement_count();
    struct cost c;

    cx.address =
        address ? str_of(address) : arena_fmt(t.a, "10.9.%d.%d", serial / 250, serial % 250);
    serial++;
    cx.actor.name = S("Someone not signed in");
    cx.request_id = cuid_in(t.a, cx.now);
    hashing_stats(t.app.hashing, &before);
    c.answer = signin_start(&cx, &in, &s);
    if (c.answer == OK) {
        hashing_run(t.app.hashing, signin_job(s));
        c.answer = signin_finish(&cx, s, &r);
    }
    hashing_stats(t.app.hashing, &after);
    c.hashes = after.computed - before.computed;
    c.statements = db_statement_count() - statements;
    c.message = cx.failure.message;
    return c;
}

static void
assert_same(struct cost a, struct cost b, const char *what)
{
    if (a.answer != b.answer || !str_eq(a.message, b.message) || a.hashes != b.hashes ||
        a.statements != b.statements)
        fail_msg("%s: answer %d and %d, hashes %lld and %lld, statements %llu and %llu", what,
                 a.answer, b.answer, (long long)a.hashes, (long long)b.hashes,
                 (unsigned long long)a.statements, (unsigned long long)b.statements);
}

static int64_t
setting_failures(void)
{
    return 5; /* the default of lockout_failures */
}

static void
all_kinds_of_names_cost_the_same(void **state)
{
    struct cost first[8];

    /* The last of the failures locks, which is an event more. */
    for (int n = 0; n < setting_failures(); n++) {
        for (int i = 0; i < KINDS; i++) {
            /* The right password does not help who is locked or disabled. */
            struct cost c = attempt(kinds[i], i >= 2 ? RIGHT : WRONG, NULL);

            if (i == 0) {
                first[n] = c;
                assert_int_equal(c.answer, ERR_UNAUTHORIZED);
                assert_int_equal(c.hashes, 1);
            }
            assert_same(first[n], c, kinds[i]);
        }
        if (n > 0 && n < setting_failures() - 1)
            assert_same(first[0], first[n], "a later failure");
    }
    /* Now all are locked, existing or not: no hash any more, and no event the store waits for. */
    for (int i = 0; i < KINDS; i++) {
        struct cost c = attempt(kinds[i], RIGHT, NULL);

        assert_int_equal(c.hashes, 0);
        assert_true(str_eq(c.message, first[0].message));
        assert_int_equal(c.answer, first[0].answer);
        assert_true(c.statements < first[0].statements);
        if (i > 0)
            assert_same(attempt(kinds[0], RIGHT, NULL), c, "locked");
    }
}

/* Folding keeps names apart by what is not theirs: so it must not show. */
static void
folded_events_cost_the_same(void **state)
{
    struct cost known = attempt(kinds[0], WRONG, NULL);

    for (int i = 0; i < 120; i++) {
        char name[64];

        snprintf(name, sizeof name, "nobody%d@example.org", i);
        assert_same(known, attempt(name, WRONG, NULL), name);
    }
    assert_same(known, attempt(kinds[0], WRONG, NULL), "the known one again");
    fold_flush(t.app.audit, true);
    assert_true(events(EV_LOGIN_FAIL) < 120); /* eight shares of unknown names */
}

static void
an_address_that_failed_too_often_is_refused_alike(void **state)
{
    struct cost first = {0};

    for (int i = 0; i < 10; i++) {
        char name[64];

        snprintf(name, sizeof name, "guess%d@example.org", i);
        assert_int_equal(attempt(name, WRONG, "192.0.2.1").hashes, 1);
    }
    /* More than ten of each: folded or not, it costs the same. */
    for (int n = 0; n < 15; n++)
        for (int i = 0; i < KINDS; i++) {
            struct cost c = attempt(kinds[i], RIGHT, "192.0.2.1");

            if (n == 0 && i == 0)
                first = c;
            assert_int_equal(c.answer, ERR_TOO_FAST);
            assert_int_equal(c.hashes, 0);
            assert_same(first, c, kinds[i]);
        }
    assert_int_equal(attempt(kinds[0], RIGHT, NULL).answer, OK);
    fold_flush(t.app.audit, true);
    assert_true(events(EV_LOGIN_FAIL) > 40);
    assert_int_equal(events(EV_LOGIN_SUCCESS), 1);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_signin_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, all_kinds_of_names_cost_the_same), ON(kind, folded_events_cost_the_same),             \
        ON(kind, an_address_that_failed_too_often_is_refused_alike)

MAIN_ON_BOTH("signing in", ALL)
