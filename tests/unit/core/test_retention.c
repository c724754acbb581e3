/* Legal holds and retention under a clock the test sets: who may, what holds when, what is recorded. */
#include "support.h"

#include "core/hold.h"
#include "core/retention.h"

static struct user root;

static int
with_admin(enum db_kind kind)
{
    if (begin_core(kind) != 0)
        return -1;
    root = new_user("ada@example.org", "Ada", "ADMIN");
    return 0;
}

BOTH_STORES(with_admin)

struct placing {
    const char *reason;
    int64_t until;
    struct hold h;
};

static enum err
place(struct cx *cx, void *arg)
{
    struct placing *p = arg;
    return hold_place(cx, str_of(p->reason), p->until, &p->h);
}

static enum err
release(struct cx *cx, void *arg)
{
    struct placing *p = arg;
    return hold_release(cx, p->h.cuid, str_of(p->reason));
}

static enum err
set_months(struct cx *cx, void *arg)
{
    enum retention_step step;
    return retention_set(cx, *(int64_t *)arg, &step);
}

static enum err
cancel(struct cx *cx, void *arg)
{
    return retention_cancel(cx, arg);
}

static enum err
get(struct cx *cx, void *arg)
{
    return retention_get(cx, arg);
}

static struct retention
kept(void)
{
    struct cx cx = as_process();
    struct retention r;
    assert_int_equal(cx_read(&cx, get, &r), OK);
    return r;
}

static void
tick(void)
{
    struct cx cx = as_process();
    if (retention_tick(&cx) != OK)
        fail_msg("tick: %.*s / %.*s", STR_ARG(cx.failure.message), STR_ARG(db_last_error()));
}

static void
at(int64_t when)
{
    t.app.simulated_now = when;
}

static size_t
months_there(void)
{
    int32_t *v = NULL;
    size_t n = 0;
    assert_int_equal(segment_months(t.app.audit, t.a, &v, &n), OK);
    return n;
}

/* One event a month from DAY0 on, and a look for the month end each time. */
static void
pass_months(int from, int to)
{
    for (int m = from; m < to; m++) {
        at(month_start(DAY0, m) + USEC_PER_HOUR);
        struct cx cx = context(tenant.id);
        record(&cx, (struct audit_entry){.event = EV_DISK_LOW, .text = S("a month passed")});
        move();
        tick();
        month_check(t.app.audit);
        move();
    }
}

static void
nothing_leaves_while_a_hold_stands(void **state)
{
    struct placing a = {.reason = "Case 17/2026"}, b = {.reason = "Audit of the authority"};
    int64_t since, next;

    pass_months(0, 1);
    struct cx cx = as_user(&root, "ADMIN");
    RUN(&cx, place, &a, OK);
    b.until = month_start(DAY0, 8);
    RUN(&cx, place, &b, OK);
    assert_int_equal(audit_refresh_holds(&t.app), OK);
    pass_months(1, 7);
    assert_int_equal(months_there(), 7);
    audit_window(&t.app, app_now(&t.app), &since, &next);
    assert_int_equal(month_ordinal(since), month_ordinal(DAY0) - 4); /* as it was then */
    assert_int_equal(events(EV_DISK_LOW), 7);                        /* and all of it is shown */
    assert_int_equal(events(EV_HOLD_PLACED), 2);
    cx = as_user(&root, "ADMIN");
    a.reason = "";
    RUN(&cx, release, &a, ERR_INVALID);
    a.reason = "The case is closed";
    RUN(&cx, release, &a, OK);
    RUN(&cx, release, &a, ERR_CONFLICT);
    tick();
    month_check(t.app.audit);
    assert_int_equal(months_there(), 7); /* the other one stands */
    pass_months(8, 9);                   /* its date has come */
    assert_int_equal(events(EV_HOLD_RELEASED), 1);
    assert_int_equal(events(EV_HOLD_EXPIRED), 1);
    assert_int_equal(newest(EV_HOLD_EXPIRED).actor_kind, ACTOR_SYSTEM);
    assert_int_equal(months_there(), 4); /* of the five, one without an event */
    assert_true(events(EV_AUDIT_SEGMENT_DROPPED) > 0);
}

/* Recorded, then held, then asked to drop: the month stays. */
static void
a_hold_placed_at_the_last_moment_counts(void **state)
{
    struct placing a = {.reason = "Case 18/2026"};

    pass_months(0, 5);
    at(month_start(DAY0, 5) + USEC_PER_HOUR);
    struct cx cx = as_user(&root, "ADMIN");
    RUN(&cx, place, &a, OK);
    month_check(t.app.audit); /* nobody told it of the hold */
    assert_int_equal(months_there(), 5);
    assert_int_equal(events(EV_AUDIT_SEGMENT_DROPPED), 0);
}

static bool between; /* the mover's next commit brings a hold */

static enum err
with_a_hold(struct db_tx *tx)
{
    const struct db_touch *touched;
    bool moves = false;

    for (size_t n = db_tx_touched(tx, &touched); n > 0; n--)
        moves = moves || strcmp(touched[n - 1].table, "audit_tail") == 0;
    if (between && moves) {
        between = false;
        TRY(db_script(tx, "INSERT INTO audit_hold (tenant_id, cuid, reason, kept_from, placed_by, "
                          "placed_at) VALUES (0, 'cplacedbetween', 'Case 19/2026', 1, 1, 1)"));
    }
    return audit_commit_check(tx);
}

/* Placed by another server behind the look at the holds and before the month's expiry is recorded: the mover's
 * commit in between brings it. */
static void
a_hold_placed_in_between_counts(void **state)
{
    pass_months(0, 5);
    at(month_start(DAY0, 5) + USEC_PER_HOUR);
    struct cx cx = context(tenant.id);
    record(&cx, (struct audit_entry){.event = EV_DISK_LOW, .text = S("not moved yet")});
    db_set_commit_check(t.app.db, with_a_hold);
    between = true;
    month_check(t.app.audit);
    db_set_commit_check(t.app.db, audit_commit_check);
    assert_false(between);
    assert_int_equal(events(EV_AUDIT_SEGMENT_DROPPED), 0);
    assert_int_equal(months_there(), 6);
}

static void
bad_holds_are_refused(void **state)
{
    struct placing a = {.reason = "  "}, b = {.reason = "x", .until = DAY0};
    struct cx cx = as_user(&root, "ADMIN");

    RUN(&cx, place, &a, ERR_INVALID);
    RUN(&cx, place, &b, ERR_INVALID);
    a.h.cuid = S("cnosuchhold00000000000000");
    a.reason = "x";
    RUN(&cx, release, &a, ERR_NOT_FOUND);
    assert_int_equal(events(EV_HOLD_PLACED), 0);
}

static void
longer_at_once_shorter_after_thirty_days(void **state)
{
    int64_t six = 6, twelve = 12, three = 3, was = 0;
    struct cx cx = as_user(&root, "ADMIN");

    RUN(&cx, set_months, &twelve, OK);
    assert_int_equal(kept().months, 12);
    RUN(&cx, set_months, &three, ERR_INVALID);
    RUN(&cx, set_months, &six, OK);
    assert_int_equal(kept().months, 12);
    assert_int_equal(kept().pending, 6);
    assert_int_equal(kept().effective_at, DAY0 + 30 * USEC_PER_DAY);
    at(DAY0 + 30 * USEC_PER_DAY - 1);
    tick();
    assert_int_equal(audit_months_kept(&t.app), 12);
    t.app.audit->hold_drops = true; /* the clock stepped: its day may not have come */
    at(DAY0 + 31 * USEC_PER_DAY);
    tick();
    assert_int_equal(audit_months_kept(&t.app), 12);
    t.app.audit->hold_drops = false;
    tick();
    assert_int_equal(audit_months_kept(&t.app), 6);
    assert_int_equal(kept().pending, 0);
    assert_int_equal(newest(EV_RETENTION_LOWERED).actor_kind, ACTOR_SYSTEM);
    assert_int_equal(events(EV_RETENTION_ANNOUNCED), 1);
    cx = as_user(&root, "ADMIN");
    RUN(&cx, cancel, &was, ERR_NOT_FOUND);
}

static void
an_announcement_can_be_cancelled_and_is_ended_by_raising(void **state)
{
    int64_t five = 5, eight = 8, ten = 10, was = 0;
    struct cx cx = as_user(&root, "ADMIN");

    RUN(&cx, set_months, &eight, OK);
    RUN(&cx, set_months, &five, OK);
    RUN(&cx, cancel, &was, OK);
    assert_int_equal(was, 5);
    at(DAY0 + 40 * USEC_PER_DAY);
    tick();
    assert_int_equal(audit_months_kept(&t.app), 8);
    cx = as_user(&root, "ADMIN");
    RUN(&cx, set_months, &five, OK);
    RUN(&cx, set_months, &ten, OK);
    assert_int_equal(kept().pending, 0);
    assert_int_equal(kept().months, 10);
    RUN(&cx, set_months, &five, OK);
    RUN(&cx, set_months, &ten, OK); /* as it is: the announcement ends */
    assert_int_equal(kept().pending, 0);
    assert_int_equal(events(EV_RETENTION_CANCELLED), 3);
}

/* ---- rows that no event stands behind ---- */

static void
plant(const char *text)
{
    char *copy = arena_array(t.a, char, strlen(text) + 1);
    memcpy(copy, text, strlen(text));
    assert_int_equal(db_write(t.app.db, t.a, script, copy), OK);
}

static void
a_hold_whose_row_is_gone_keeps_its_months(void **state)
{
    struct placing a = {.reason = "Case 19/2026"};

    pass_months(0, 1);
    struct cx cx = as_user(&root, "ADMIN");
    RUN(&cx, place, &a, OK);
    plant("DELETE FROM audit_hold");
    pass_months(1, 7);
    assert_int_equal(months_there(), 7);
    assert_int_equal(events(EV_AUDIT_SEGMENT_DROPPED), 0);
    plant("INSERT INTO audit_hold (tenant_id, cuid, reason, kept_from, placed_by, placed_at,"
          " ended_at) VALUES (0, 'cother', 'x', 1, 1, 1, 2)");
    pass_months(7, 8);
    assert_int_equal(months_there(), 8);
}

/* The setting's row says four months, the log says twelve. */
static void
a_setting_that_was_lowered_in_the_table_drops_nothing(void **state)
{
    int64_t twelve = 12;
    struct cx cx = as_user(&root, "ADMIN");

    RUN(&cx, set_months, &twelve, OK);
    plant("UPDATE setting SET value = '4' WHERE name = 'audit.months_kept'");
    pass_months(0, 8);
    assert_int_equal(audit_months_kept(&t.app), 4);
    assert_int_equal(months_there(), 8);
    plant("UPDATE setting SET value = '12' WHERE name = 'audit.months_kept'");
    pass_months(8, 14);
    assert_int_equal(months_there(),
                     13); /* and the event that said twelve has left with the first */
    plant("UPDATE setting SET value = '4' WHERE name = 'audit.months_kept'");
    pass_months(14, 16);
    assert_int_equal(months_there(), 13);
}

static void
a_month_is_not_gone_because_a_row_says_so(void **state)
{
    char text[128];

    pass_months(0, 1);
    snprintf(text, sizeof text, "INSERT INTO audit_drop (month, at) VALUES (%d, 1)",
             (int)month_ordinal(DAY0));
    plant(text);
    pass_months(1, 6);
    assert_int_equal(months_there(), 5);
    assert_int_equal(events(EV_AUDIT_SEGMENT_DROPPED), 1); /* recorded all the same */
}

static void
a_step_of_the_clock_whose_row_is_gone_keeps_the_months(void **state)
{
    struct cx cx = cx_system(&t.app, t.a, "Clock watch", NULL);
    struct audit_entry e = {.event = EV_CLOCK_STEPPED,
                            .instance = true,
                            .target_kind = S("audit"),
                            .target_id = S("held"),
                            .text = S("The clock was set forward")};

    pass_months(0, 1);
    record(&cx, e);
    move();
    pass_months(1, 7);
    assert_int_equal(months_there(), 7);
}

static void
a_planted_announcement_lowers_nothing(void **state)
{
    int64_t twelve = 12, six = 6;
    struct cx cx = as_user(&root, "ADMIN");

    RUN(&cx, set_months, &twelve, OK);
    plant("INSERT INTO audit_retention (tenant_id, months, asked_by, asked_at, effective_at)"
          " VALUES (0, 4, 1, 1, 1)");
    tick();
    assert_int_equal(kept().months, 12);
    assert_int_equal(events(EV_RETENTION_LOWERED), 0);
    assert_int_equal(events(EV_AUDIT_DAMAGED), 1);
    plant("DELETE FROM audit_retention");
    cx = as_user(&root, "ADMIN");
    RUN(&cx, set_months, &six, OK);
    plant("UPDATE audit_retention SET effective_at = 1"); /* thirty days have not passed */
    tick();
    assert_int_equal(kept().months, 12);
    plant("UPDATE audit_retention SET months = 4"); /* and another number was announced */
    at(DAY0 + 31 * USEC_PER_DAY);
    tick();
    assert_int_equal(kept().months, 12);
    plant("UPDATE audit_retention SET months = 6");
    tick();
    assert_int_equal(kept().months, 6);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, with_admin_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, nothing_leaves_while_a_hold_stands),                                                  \
        ON(kind, a_hold_placed_at_the_last_moment_counts),                                         \
        ON(kind, a_hold_placed_in_between_counts), ON(kind, bad_holds_are_refused),                \
        ON(kind, longer_at_once_shorter_after_thirty_days),                                        \
        ON(kind, an_announcement_can_be_cancelled_and_is_ended_by_raising),                        \
        ON(kind, a_hold_whose_row_is_gone_keeps_its_months),                                       \
        ON(kind, a_setting_that_was_lowered_in_the_table_drops_nothing),                           \
        ON(kind, a_month_is_not_gone_because_a_row_says_so),                                       \
        ON(kind, a_step_of_the_clock_whose_row_is_gone_keeps_the_months),                          \
        ON(kind, a_planted_announcement_lowers_nothing)

MAIN_ON_BOTH("retention", ALL)
