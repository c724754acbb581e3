/* What fails on a browser that has signed in before: counted in the store, so by any server and after a
 * restart; bounded in number and time. A context of another server is one with counters of its own. */
#include "serving.h"

#include "core/device.h"
#include "core/signin.h"

#define MINUTE USEC_PER_MIN

static struct user ann;

static int
begin_device(enum db_kind kind)
{
    if (begin_serving(kind) != 0)
        return -1;
    ann = new_user_with_password("ann@example.org", "Ann", "ADMIN");
    return 0;
}

BOTH_STORES(begin_device)

/* From an address of its own each time; *cookie is sent, and gets what is sent back. */
static enum err
sign_in(struct str password, struct str *cookie)
{
    static int serial;
    struct cx cx = {.app = &t.app, .arena = t.a, .now = t.app.simulated_now};
    struct signin_input in = {
        .username = ann.email, .password = password, .device_cookie = *cookie, .browser = true};
    struct signin_result r;
    struct signin *s = NULL;
    enum err e;

    serial++;
    cx.address = arena_fmt(t.a, "10.8.%d.%d", serial / 250, serial % 250);
    cx.actor.name = S("Someone not signed in");
    cx.request_id = cuid_in(t.a, cx.now);
    e = signin_start(&cx, &in, &s);
    if (e != OK)
        return e;
    hashing_run(t.app.hashing, signin_job(s));
    e = signin_finish(&cx, s, &r);
    if (e == OK && !str_is_null(r.device_cookie))
        *cookie = r.device_cookie;
    return e;
}

/* What its memory held is gone, or was never there. */
static void
another_server(void)
{
    t.app.limits = limits_create(t.a);
}

#define ROWS "SELECT count(*) FROM device_lock"

static int64_t
rows(void)
{
    return ask(t.app.db, ROWS);
}

static void
fails(struct str *cookie, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(sign_in(WRONG, cookie), ERR_UNAUTHORIZED);
}

static void
failures_hold_on_every_server(void **state)
{
    struct str mine = STR_NULL, other = STR_NULL;

    assert_int_equal(sign_in(RIGHT, &mine), OK);
    assert_int_equal(sign_in(RIGHT, &other), OK);
    assert_int_equal(rows(), 0);
    fails(&mine, 3);
    assert_int_equal(rows(), 1);
    another_server();
    fails(&mine, 1);
    assert_int_equal(events(EV_LOGIN_LOCKOUT), 0);
    another_server();
    fails(&mine, 1); /* the fifth */
    assert_int_equal(events(EV_LOGIN_LOCKOUT), 1);
    another_server();
    assert_int_equal(sign_in(RIGHT, &mine), ERR_UNAUTHORIZED);
    assert_int_equal(sign_in(RIGHT, &other), OK); /* another browser of his */
    assert_int_equal(sign_in(RIGHT, &(struct str){0}), OK);
    t.app.simulated_now += 30 * MINUTE - 1; /* lockout_release */
    assert_int_equal(sign_in(RIGHT, &mine), ERR_UNAUTHORIZED);
    t.app.simulated_now += 1;
    fails(&mine, 4); /* from nought again */
    assert_int_equal(sign_in(RIGHT, &mine), OK);
    assert_int_equal(rows(), 0); /* nothing is left to remember */
    assert_int_equal(events(EV_LOGIN_LOCKOUT), 1);
}

static void
failures_are_forgotten_with_the_window(void **state)
{
    struct str mine = STR_NULL;

    assert_int_equal(sign_in(RIGHT, &mine), OK);
    fails(&mine, 4);
    t.app.simulated_now += 2 * 15 * MINUTE; /* lockout_minutes, and the one behind it */
    fails(&mine, 4);
    assert_int_equal(events(EV_LOGIN_LOCKOUT), 0);
    t.app.simulated_now += 15 * MINUTE + MINUTE / 2; /* nearly all of the four still count */
    fails(&mine, 2);
    assert_int_equal(events(EV_LOGIN_LOCKOUT), 1);
}

/* Where the lock came between the check and the commit, the right password is refused all the same. */
static void
what_is_locked_meanwhile_is_refused(void **state)
{
    struct str mine = STR_NULL;
    struct cx cx = {.app = &t.app, .arena = t.a, .now = t.app.simulated_now};
    struct signin_input in = {.username = ann.email, .password = RIGHT, .browser = true};
    struct signin_result r;
    struct signin *s;

    assert_int_equal(sign_in(RIGHT, &mine), OK);
    in.device_cookie = mine;
    cx.address = S("10.7.0.1");
    cx.request_id = cuid_in(t.a, cx.now);
    assert_int_equal(signin_start(&cx, &in, &s), OK);
    fails(&mine, 5);
    hashing_run(t.app.hashing, signin_job(s));
    assert_int_equal(signin_finish(&cx, s, &r), ERR_UNAUTHORIZED);
}

static enum err
unlock(struct cx *cx, void *arg)
{
    struct user u;

    TRY(user_get(cx, ann.user_id, &u));
    return user_unlock(cx, &u, *(const bool *)arg);
}

/* As the command does, beside a server that is not told. */
static void
an_unlock_ends_them(void **state)
{
    struct str mine = STR_NULL;
    struct cx cx = as_process();
    bool all = true;

    assert_int_equal(sign_in(RIGHT, &mine), OK);
    fails(&mine, 5);
    RUN(&cx, unlock, &all, OK);
    assert_int_equal(rows(), 0);
    assert_int_equal(sign_in(RIGHT, &mine), OK);
    assert_int_equal(events(EV_USER_UNLOCKED), 1);
    fails(&mine, 2);
    RUN(&cx, unlock, &all,
        OK); /* nothing is locked: nothing is told, and nothing counted any more */
    assert_int_equal(events(EV_USER_UNLOCKED), 1);
    assert_int_equal(rows(), 0);
}

static enum err
confirm_once(struct str password)
{
    struct cx cx = as_user(&ann, "ADMIN");

    cx.address = S("10.6.0.1");
    return signin_confirm(&cx, password, EV_PASSWORD_CHANGE_REFUSED, "refused");
}

static void
so_do_those_of_a_password_asked_again(void **state)
{
    struct str mine = STR_NULL;

    for (int i = 0; i < 5; i++) {
        another_server();
        assert_int_equal(confirm_once(WRONG), ERR_INVALID);
    }
    another_server();
    assert_int_equal(confirm_once(RIGHT), ERR_UNAUTHORIZED);
    assert_int_equal(sign_in(RIGHT, &mine), OK); /* who signs in is not locked out by it */
    t.app.simulated_now += 30 * MINUTE;
    assert_int_equal(confirm_once(RIGHT), OK);
}

static enum err
sweep(struct cx *cx, void *arg)
{
    return device_sweep(cx);
}

static void
rows_are_bounded_and_swept(void **state)
{
    struct str cookie[DEVICES_MAX + 2], stranger;
    struct cx cx;

    for (int i = 0; i < DEVICES_MAX + 2; i++) {
        cookie[i] = STR_NULL;
        t.app.simulated_now += USEC_PER_SEC;
        assert_int_equal(sign_in(RIGHT, &cookie[i]), OK);
    }
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM device"), DEVICES_MAX);
    /* The oldest is a stranger now: it makes no row, and is given a name of its own again. */
    stranger = cookie[0];
    fails(&cookie[0], 1);
    assert_int_equal(rows(), 0);
    assert_int_equal(sign_in(RIGHT, &cookie[0]), OK);
    assert_false(str_eq(stranger, cookie[0]));
    fails(&cookie[0], 5);
    fails(&cookie[0], 20); /* refused before a hash, and before the store */
    assert_int_equal(ask(t.app.db, "SELECT sum(failures) FROM device_lock"), 0);

    t.app.simulated_now += 31 * MINUTE;
    cx = as_process();
    RUN(&cx, sweep, NULL, OK);
    assert_int_equal(rows(), 0);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM device"), DEVICES_MAX);
    t.app.simulated_now += DEVICE_DAYS * USEC_PER_DAY;
    cx = as_process();
    RUN(&cx, sweep, NULL, OK);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM device"), 0);
}

static void
names_without_a_cookie_make_no_rows(void **state)
{
    struct str none = STR_NULL, forged = S("c0123456789abcdef0123456.00");

    for (int i = 0; i < 4; i++) {
        fails(&none, 1);
        fails(&forged, 1);
    }
    assert_int_equal(rows(), 0);
}

static enum err
delete_ann(struct cx *cx, void *arg)
{
    struct user u;

    TRY(user_get(cx, ann.user_id, &u));
    return user_delete(cx, &u);
}

static void
they_end_with_the_user(void **state)
{
    struct str mine = STR_NULL;
    struct cx cx = as_process();

    (void)new_user("zoe@example.org", "Zoe", "ADMIN"); /* an administrator remains */
    assert_int_equal(sign_in(RIGHT, &mine), OK);
    fails(&mine, 2);
    RUN(&cx, delete_ann, NULL, OK);
    assert_int_equal(rows(), 0);
    fails(&mine, 1); /* the cookie is a stranger's */
    assert_int_equal(rows(), 0);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_device_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, failures_hold_on_every_server), ON(kind, failures_are_forgotten_with_the_window),     \
        ON(kind, what_is_locked_meanwhile_is_refused), ON(kind, an_unlock_ends_them),              \
        ON(kind, so_do_those_of_a_password_asked_again), ON(kind, rows_are_bounded_and_swept),     \
        ON(kind, names_without_a_cookie_make_no_rows), ON(kind, they_end_with_the_user)

MAIN_ON_BOTH("known browsers", ALL)
