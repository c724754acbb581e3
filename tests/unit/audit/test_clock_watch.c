/* The clock watch with looks made up here: steps, restarts, boots, what is told, what is held, on both stores. */
#include "support.h"

static struct clock_reading look; /* the last one given */

/* The machine goes on: `wall` and `up` are how far each clock went, in µs. */
static void
goes_on(int64_t wall, int64_t up)
{
    look.wall += wall;
    look.up += up;
    t.app.simulated_now = look.wall;
    clock_watch(t.app.audit, &look);
}

static void
boots(const char *boot, int64_t off)
{
    restart();
    snprintf(look.boot, sizeof look.boot, "%s", boot);
    look.up = 0;
    goes_on(off, USEC_PER_SEC);
}

static void
first_look(void)
{
    with_tenants();
    look = (struct clock_reading){
        .wall = DAY0, .up = 5 * USEC_PER_DAY, .boot = "boot-a", .host = "one"};
    goes_on(0, 0);
}

static size_t
told(bool instance, struct str *text)
{
    struct audit_query q = query(0);
    q.instance = instance;
    q.event = EV_CLOCK_STEPPED;
    move();
    struct audit_page p = list(q);
    if (p.n > 0 && text != NULL)
        *text = p.events[0].text;
    return p.n;
}

static bool
says(const char *text)
{
    struct str got = S("");
    (void)told(true, &got);
    if (!str_contains(got, str_of(text)))
        print_message("it says: %.*s\n", STR_ARG(got));
    return str_contains(got, str_of(text));
}

static bool
held(void)
{
    return audit_drops_held(&t.app);
}

static enum err
confirm_body(struct cx *cx, void *arg)
{
    struct audit_entry e = {.event = EV_SETTING_CHANGED, .text = S("confirmed")};
    (void)arg;
    TRY(audit_confirm_clock(cx));
    return audit_record(cx, &e, NULL);
}

static enum err
confirm(void)
{
    struct cx cx = context(0);
    enum err e = cx_write(&cx, confirm_body, NULL);
    audit_refresh_clock(&t.app);
    return e;
}

static void
a_clock_that_goes_right_is_not_mentioned(void **state)
{
    first_look();
    for (int i = 0; i < 100; i++) /* steered by a little, as clocks are */
        goes_on(USEC_PER_MIN + i * USEC_PER_MS, USEC_PER_MIN);
    goes_on(9 * USEC_PER_HOUR, 9 * USEC_PER_HOUR); /* it slept, and time since boot with it */
    assert_int_equal(told(true, NULL), 0);
    assert_false(held());
}

static void
a_step_over_a_second_is_an_event_in_every_log(void **state)
{
    first_look();
    goes_on(USEC_PER_MIN + 3 * USEC_PER_SEC, USEC_PER_MIN);
    assert_int_equal(told(true, NULL), 1);
    assert_true(says("The clock of one was set forward by 3 s"));
    assert_int_equal(told(false, NULL), 1);
    struct audit_query q = query(3);
    q.event = EV_CLOCK_STEPPED;
    assert_int_equal(list(q).n, 1);
    assert_false(held());
}

static void
small_steps_are_told_together_once_an_hour(void **state)
{
    first_look();
    for (int i = 0; i < 59; i++)
        goes_on(USEC_PER_MIN - 2 * USEC_PER_SEC, USEC_PER_MIN);
    assert_int_equal(told(true, NULL), 1);
    for (int i = 0; i < 3; i++)
        goes_on(USEC_PER_MIN, USEC_PER_MIN);
    assert_int_equal(told(true, NULL), 2);
    assert_true(says("moved in 58 steps, in all back by 116 s"));
    assert_false(held());
}

static void
a_step_over_an_hour_holds_over_restarts_until_it_is_confirmed(void **state)
{
    first_look();
    goes_on(40 * USEC_PER_DAY, USEC_PER_MIN);
    assert_true(held());
    assert_true(says("No month of the audit log expires"));
    for (int i = 0; i < 3; i++) {
        restart();
        goes_on(USEC_PER_MIN, USEC_PER_MIN);
        assert_true(held());
    }
    boots("boot-b", USEC_PER_HOUR);
    assert_true(held());
    assert_int_equal(told(true, NULL), 1);
    assert_int_equal(confirm(), OK);
    assert_false(held());
    assert_int_equal(confirm(), ERR_NOT_FOUND);
    restart();
    goes_on(USEC_PER_MIN, USEC_PER_MIN);
    assert_false(held());
    assert_int_equal(told(true, NULL), 1);
}

static void
a_step_while_the_server_was_off_is_seen(void **state)
{
    first_look();
    restart();
    goes_on(10 * USEC_PER_DAY, 2 * USEC_PER_HOUR); /* two hours off, says the time since boot */
    assert_true(held());
    assert_true(says("set forward by 9 days"));
    assert_int_equal(confirm(), OK);
    restart();
    goes_on(-3 * USEC_PER_DAY, USEC_PER_HOUR);
    assert_true(held());
    assert_true(says("set back by 3 days"));
}

static void
a_clock_behind_after_a_boot_is_seen(void **state)
{
    first_look();
    boots("boot-b", -2 * USEC_PER_HOUR);
    assert_true(held());
    assert_true(says("set back by 2 h 0 min"));
}

static void
a_boot_after_some_hours_is_nothing_and_after_days_is_asked_about(void **state)
{
    first_look();
    boots("boot-b", 20 * USEC_PER_HOUR);
    assert_int_equal(told(true, NULL), 0);
    assert_false(held());
    boots("boot-c", 40 * USEC_PER_DAY);
    assert_true(says("stands 40 days after it was last seen"));
    assert_true(held());
}

/* A container has a new name at each start: the newest look of any machine is compared with. */
static void
another_machine_is_compared_with_the_newest_look(void **state)
{
    first_look();
    restart();
    snprintf(look.host, sizeof look.host, "two");
    goes_on(-5 * USEC_PER_HOUR, USEC_PER_MIN);
    assert_true(held());
}

/* ---- looks that are old, lost or planted: the log was there, too ---- */

static void
recorded(enum event event)
{
    struct audit_entry e = {.event = event, .instance = true, .text = S("something of before")};
    struct cx cx = context(0);
    assert_int_equal(cx_write(&cx, record_body, &e), OK);
    move();
}

static void
rows(const char *sql)
{
    assert_int_equal(db_write(t.app.db, t.a, script, (void *)sql), OK);
}

static void
what_the_log_holds_can_not_be_later_than_now(void **state)
{
    first_look();
    goes_on(USEC_PER_MIN, USEC_PER_MIN);
    t.app.simulated_now += 9 * USEC_PER_HOUR; /* another server goes on, and records */
    recorded(EV_SERVER_STARTED);
    boots("boot-b", 3 * USEC_PER_HOUR); /* nothing to wonder at, says the look of this machine */
    assert_int_equal(told(true, NULL), 1);
    assert_true(says("stands 6 h 0 min before the newest event of the installation's log"));
    assert_true(says("until an administrator confirms"));
    assert_true(held());
    goes_on(USEC_PER_MIN, USEC_PER_MIN);
    assert_int_equal(told(true, NULL), 1);
    assert_int_equal(confirm(), OK);
    boots("boot-c", USEC_PER_HOUR);
    assert_int_equal(told(true, NULL), 1);
    assert_false(held());
}

static void
another_servers_clock_may_be_some_minutes_ahead(void **state)
{
    first_look();
    t.app.simulated_now += 59 * USEC_PER_MIN;
    recorded(EV_SERVER_STARTED);
    boots("boot-b", USEC_PER_SEC);
    assert_int_equal(told(true, NULL), 0);
    assert_false(held());
}

static void
a_lost_look_does_not_let_a_clock_go_back_or_far_ahead(void **state)
{
    first_look();
    recorded(EV_SERVER_STARTED);
    rows("DELETE FROM audit_clock");
    restart();
    goes_on(-5 * USEC_PER_HOUR, USEC_PER_MIN);
    assert_true(held());
    assert_true(says("stands 5 h 0 min before"));
    assert_int_equal(confirm(), OK);
    rows("DELETE FROM audit_clock");
    restart();
    goes_on(20 * USEC_PER_HOUR, USEC_PER_MIN);
    assert_false(held());
    rows("DELETE FROM audit_clock");
    restart();
    goes_on(40 * USEC_PER_DAY, USEC_PER_MIN);
    assert_true(held());
    assert_true(says("days after the newest event of the installation's log"));
    assert_int_equal(told(true, NULL), 2);
}

static void
a_planted_look_does_not_hide_a_clock_that_went_back(void **state)
{
    first_look();
    recorded(EV_SERVER_STARTED);
    restart();
    rows("UPDATE audit_clock SET wall = wall - 259200000000"); /* three days */
    goes_on(-3 * USEC_PER_DAY, 0);
    assert_true(held());
    assert_true(says("stands 3 days before"));
}

/* A workspace can be made by commands long before a server runs for the first time. */
static void
commands_before_the_first_run_say_nothing_of_the_clock(void **state)
{
    first_look();
    rows("DELETE FROM audit_clock");
    recorded(EV_SETTING_CHANGED);
    restart();
    goes_on(9 * USEC_PER_DAY, USEC_PER_MIN);
    assert_int_equal(told(true, NULL), 0);
    assert_false(held());
}

/* What an unwritable store kept from being told is told later, once. */
static enum err
refuse(struct db_tx *tx)
{
    const struct db_touch *touched = NULL;
    return db_tx_touched(tx, &touched) > 0 ? ERR_DB : OK;
}

static void
a_step_nobody_could_write_down_is_told_later(void **state)
{
    first_look();
    db_set_commit_check(t.app.db, refuse);
    goes_on(2 * USEC_PER_HOUR, USEC_PER_MIN);
    assert_true(held());
    goes_on(USEC_PER_MIN, USEC_PER_MIN);
    db_set_commit_check(t.app.db, audit_commit_check);
    goes_on(USEC_PER_MIN, USEC_PER_MIN);
    assert_int_equal(told(true, NULL), 1);
    assert_true(says("set forward by 119 min"));
    goes_on(USEC_PER_MIN, USEC_PER_MIN);
    assert_int_equal(told(true, NULL), 1);
    assert_true(held());
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, a_clock_that_goes_right_is_not_mentioned),                                            \
        ON(kind, a_step_over_a_second_is_an_event_in_every_log),                                   \
        ON(kind, small_steps_are_told_together_once_an_hour),                                      \
        ON(kind, a_step_over_an_hour_holds_over_restarts_until_it_is_confirmed),                   \
        ON(kind, a_step_while_the_server_was_off_is_seen),                                         \
        ON(kind, a_clock_behind_after_a_boot_is_seen),                                             \
        ON(kind, a_boot_after_some_hours_is_nothing_and_after_days_is_asked_about),                \
        ON(kind, another_machine_is_compared_with_the_newest_look),                                \
        ON(kind, what_the_log_holds_can_not_be_later_than_now),                                    \
        ON(kind, another_servers_clock_may_be_some_minutes_ahead),                                 \
        ON(kind, a_lost_look_does_not_let_a_clock_go_back_or_far_ahead),                           \
        ON(kind, a_planted_look_does_not_hide_a_clock_that_went_back),                             \
        ON(kind, commands_before_the_first_run_say_nothing_of_the_clock),                          \
        ON(kind, a_step_nobody_could_write_down_is_told_later)

MAIN_ON_BOTH("the clock", ALL)
