/* Erasures and what the log says of them: nobody is erased on the word of a row, what no event chose is told
 * also while an erasure runs, and what was lawful stays so when those who decided are erased, or when the
 * months expire that said so. */
#include "erasure_support.h"

/* An event of the newest that is whole, taken away as an erasure would. */
static void
take_away(const struct asking *a)
{
    const char *month = t.kind == DB_POSTGRES ? "month, " : "";
    struct str text = arena_fmt(
        t.a,
        "INSERT INTO audit_erasure (%stenant_id, epoch, idx, person, part, request, inner_hash,"
        " at) SELECT %stenant_id, epoch, idx, '%.*s', 1, '%.*s', salt, %lld FROM audit_personal"
        " WHERE tenant_id = 0 AND idx = 1;"
        "DELETE FROM audit_personal WHERE tenant_id = 0 AND idx = 1",
        month, month, STR_ARG(a->e.person), STR_ARG(a->e.cuid), (long long)app_now(&t.app));
    plant(true, text.p);
}

/* In the middle of a lawful erasure somebody adds an event of his own to it. */
static void
what_was_not_chosen_is_told_while_it_runs(void **state)
{
    bool more = false;
    for (int i = 0; i < 3; i++)
        say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = approved();
    atomic_store(&t.app.audit->fail_step, 2); /* chosen and said, not yet taken */
    assert_int_not_equal(run_once(&a, &more), OK);
    atomic_store(&t.app.audit->fail_step, 0);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 1);
    assert_int_equal(leaves().erased, 0);
    assert_sound();
    take_away(&a);
    assert_told("#1: the event is marked as erased by the request");
    assert_told("which did not choose it");
}

static void
a_row_alone_erases_nobody(void **state)
{
    struct asking a = HER;
    struct cx cx;
    bool more = false;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    plant(false, "UPDATE audit_erasure_request SET state = 'running', approved_by = 2,"
                 " approved_at = 1");
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 0);
    assert_int_equal(events(EV_AUDIT_DAMAGED), 1);
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_int_equal(events(EV_AUDIT_DAMAGED), 1); /* told once */
    assert_told("its state in the table is not what the event says (asked/running)");
    plant(false, "UPDATE audit_erasure_request SET state = 'asked', approved_by = NULL,"
                 " approved_at = NULL");
    assert_sound();
    cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    plant(false, "UPDATE audit_erasure_request SET step = 4"); /* it would be done, and is not */
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    plant(false, "UPDATE audit_erasure_request SET step = 0");
    run_all(&a);
    assert_sound();
}

/* By the log a hold stands; its row is gone. */
static void
a_hold_without_its_row_stops_an_erasure(void **state)
{
    bool more = false;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = approved();
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, hold_body, NULL, OK);
    plant(false, "DELETE FROM audit_hold");
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_true(hits("evans@example") > 0);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 0);
    assert_told("is missing from its table");
}

static enum err
hold_until(struct cx *cx, void *arg)
{
    return hold_place(cx, S("Case 2"), *(const int64_t *)arg, &hold);
}

/* A row that says an earlier date ends no hold; an event that says it came is told, whoever made it. */
static void
a_hold_ends_by_its_date_and_not_before(void **state)
{
    int64_t until = t.app.simulated_now + 365 * USEC_PER_DAY;
    struct cx cx = as_user(&ada, "ADMIN"), process = as_process();
    RUN(&cx, hold_until, &until, OK);
    move();
    plant(false, "UPDATE audit_hold SET until = 1");
    assert_int_equal(hold_expire(&process), OK);
    move();
    assert_int_equal(events(EV_HOLD_EXPIRED), 0);
    assert_int_equal(events(EV_AUDIT_DAMAGED), 1);
    plant(false, arena_fmt(t.a, "UPDATE audit_hold SET until = %lld", (long long)until).p);
    assert_sound();
    struct audit_entry e = {
        .event = EV_HOLD_EXPIRED, .target_kind = S("hold"), .text = S("made up")};
    e.target_id = hold.cuid;
    process = as_process();
    RUN(&process, say_body, &e, OK);
    plant(false, arena_fmt(t.a, "UPDATE audit_hold SET ended_at = %lld", (long long)process.now).p);
    assert_told("ended by its date, and event");
}

static void
a_hold_whose_date_has_come_ends(void **state)
{
    int64_t until = t.app.simulated_now + USEC_PER_HOUR;
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, hold_until, &until, OK);
    t.app.simulated_now = until;
    struct cx process = as_process();
    assert_int_equal(hold_expire(&process), OK);
    move();
    assert_int_equal(events(EV_HOLD_EXPIRED), 1);
    assert_int_equal(events(EV_AUDIT_DAMAGED), 0);
    assert_sound();
}

/* Another request's sealed person in this one's row. */
static void
a_person_is_not_swapped_for_another(void **state)
{
    struct user finn = new_user("finn.fuchs@example.org", "Finn", "ADMIN");
    bool more = false;
    delete_user(&eve);
    delete_user(&finn);
    struct asking f = {
        .subject = "finn.fuchs@example.org", .reason = "He asked", .ground = "Art. 17"};
    ask_as(&ada, &f, OK);
    struct asking a = approved();
    plant(false, arena_fmt(t.a,
                           "UPDATE audit_erasure_request SET subject = (SELECT subject FROM"
                           " audit_erasure_request WHERE cuid = '%.*s') WHERE cuid = '%.*s'",
                           STR_ARG(f.e.cuid), STR_ARG(a.e.cuid))
                     .p);
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_true(hits("finn.fuchs") > 0);
}

/* Who asked for an erasure, and who approved it, are erased themselves: what they did stays lawful. */
static void
those_who_decided_are_erased_later(void **state)
{
    struct user gil = new_user("gil@example.org", "Gil", "ADMIN");
    struct user hal = new_user("hal@example.org", "Hal", "ADMIN");
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = HER;
    ask_as(&gil, &a, OK);
    struct cx cx = as_user(&hal, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    run_all(&a);
    for (int i = 0; i < 2; i++) {
        delete_user(i ? &hal : &gil);
        struct asking b = {.subject = i ? "hal@example.org" : "gil@example.org",
                           .reason = "Asked",
                           .ground = "Art. 17"};
        ask_as(&ada, &b, OK);
        cx = as_user(&ben, "ADMIN");
        RUN(&cx, approve_body, &b, OK);
        run_all(&b);
    }
    struct audit_query q = query(tenant.id);
    q.event = EV_PERSON_ERASED;
    q.ascending = true;
    assert_true(list(q).events[0].erased);
    assert_sound();
    take_away(&a);
    assert_told("which did not choose it");
}

/* Asked for half a year ago, its month has expired since. */
static void
what_an_expired_month_said_is_said_again(void **state)
{
    struct asking a = HER;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    for (int m = 1; m < 13; m++) { /* its restatement's month leaves, too */
        t.app.simulated_now = month_start(DAY0, m) + USEC_PER_HOUR;
        say(&ada, NULL, m == 9 ? "eve.evans@example.org again" : "a month passed");
        month_end();
        assert_sound();
    }
    assert_int_equal(events(EV_ERASURE_REQUESTED), 0);
    struct cx cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    run_all(&a);
    assert_int_equal(hits("evans@example"), 0);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 1);
    assert_sound();
    for (int m = 13; m < 20; m++) {
        t.app.simulated_now = month_start(DAY0, m) + USEC_PER_HOUR;
        say(&ada, NULL, "a month passed");
        month_end();
        assert_sound();
    }
}

static enum err
cancel_body(struct cx *cx, void *arg)
{
    struct asking *a = arg;
    return erasure_cancel(cx, a->e.cuid, &a->e);
}

/* A number that is nobody's hides no one who is still there. */
static void
a_request_names_who_asked_and_how_it_ended(void **state)
{
    struct asking a = HER;
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, cancel_body, &a, OK);
    move();
    assert_sound();
    plant(false, "UPDATE audit_erasure_request SET state = 'asked'");
    assert_told("its state in the table is not what the event says (cancelled/asked)");
    plant(false, "UPDATE audit_erasure_request SET state = 'cancelled'");

    a = approved();
    assert_sound();
    plant(false, "UPDATE audit_erasure_request SET approved_by = 9999 WHERE state = 'running'");
    assert_told("its approved_by");
    plant(false, "UPDATE audit_erasure_request SET approved_by = NULL WHERE state = 'running'");
    assert_told("its approved_by");
    plant(false, arena_fmt(t.a,
                           "UPDATE audit_erasure_request SET approved_by = %lld"
                           " WHERE state = 'running'",
                           (long long)ben.user_id)
                     .p);
    assert_sound();
}

/* ---- the retention ---- */

static void
months_said(enum event type, const char *before, const char *after)
{
    struct cx cx = as_process();
    struct audit_change c = {S("audit.months_kept"), str_of(before), str_of(after)};
    struct audit_entry e = {.event = type,
                            .target_kind = S("setting"),
                            .target_id = S("audit.months_kept"),
                            .text = S("made up"),
                            .changes = &c,
                            .n_changes = 1};
    RUN(&cx, say_body, &e, OK);
    move();
}

/* How often the verifier says so of the retention. */
static int
lowered_wrongly(void)
{
    int n = 0;
    (void)findings();
    for (struct str rest = buf_view(said); rest.n > 0; n++) {
        const char *p = memmem(rest.p, rest.n, "the retention was lowered", 25);
        if (p == NULL)
            break;
        rest = str_sub(rest, (size_t)(p - rest.p) + 25, SIZE_MAX);
    }
    return n;
}

/* Events that somebody made up, of what the program never does: the log alone shows what is wrong with them. */
static void
a_retention_lowered_otherwise_than_announced_is_told(void **state)
{
    months_said(EV_RETENTION_LOWERED, "18", "12");
    assert_told("the retention was lowered, and nothing in the log announced it");
    months_said(EV_RETENTION_ANNOUNCED, "12", "10");
    t.app.simulated_now += 30 * USEC_PER_DAY - 1;
    months_said(EV_RETENTION_LOWERED, "12", "10");
    assert_told("the retention was lowered before the thirty days had passed that event");
    months_said(EV_RETENTION_ANNOUNCED, "10", "8");
    t.app.simulated_now += 30 * USEC_PER_DAY;
    months_said(EV_RETENTION_LOWERED, "10", "6");
    assert_told("the retention was lowered to 6 months, and event");
    assert_int_equal(lowered_wrongly(), 3);
    months_said(EV_RETENTION_ANNOUNCED, "6", "5");
    t.app.simulated_now += 30 * USEC_PER_DAY; /* as it should be, to the microsecond */
    months_said(EV_RETENTION_LOWERED, "6", "5");
    assert_int_equal(lowered_wrongly(), 3);
    months_said(EV_RETENTION_ANNOUNCED, "5", "4");
    months_said(EV_RETENTION_CANCELLED, "4", "5");
    t.app.simulated_now += 31 * USEC_PER_DAY;
    months_said(EV_RETENTION_LOWERED, "6", "5"); /* what was cancelled is not announced */
    assert_int_equal(lowered_wrongly(), 4);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, with_people_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, what_was_not_chosen_is_told_while_it_runs), ON(kind, a_row_alone_erases_nobody),      \
        ON(kind, a_hold_without_its_row_stops_an_erasure),                                         \
        ON(kind, a_hold_ends_by_its_date_and_not_before),                                          \
        ON(kind, a_hold_whose_date_has_come_ends), ON(kind, a_person_is_not_swapped_for_another),  \
        ON(kind, those_who_decided_are_erased_later),                                              \
        ON(kind, what_an_expired_month_said_is_said_again),                                        \
        ON(kind, a_request_names_who_asked_and_how_it_ended),                                      \
        ON(kind, a_retention_lowered_otherwise_than_announced_is_told)

MAIN_ON_BOTH("custody", ALL)
