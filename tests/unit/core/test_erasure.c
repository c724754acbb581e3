/* Erasing a person: which events, what stays of them, the text index, a fault after any step, the
 * rules of who may, and the delay where nobody else could approve. The bytes of the store are looked
 * through by tests/api/erasure.test.mjs. */
#include "erasure_support.h"

static struct user namesake;

/* ---- tests ---- */

static void
her_events_go_and_nobody_elses(void **state)
{
    namesake = new_user("other@example.org", "Eve", "STD_USER"); /* also "Eve Example" */
    say(&eve, NULL, "she acts");
    say(&ada, &eve, "she is the target");
    say(&ada, NULL, "a word about EVE.EVANS@EXAMPLE.ORG.");
    say(&ada, NULL, "Eve Example was named");
    say(&ada, NULL, "steve.evans@example.org is another one");
    say(&ada, NULL, "eve.evans@example.org.uk as well");
    say(&ada, NULL, "Steve Example, and Eve Examples");
    say(&namesake, NULL, "the other Eve Example acts");
    say(&ada, &namesake, "about the other one");
    say(&ada, NULL, "her car is AB-CD 1234");
    delete_user(&eve);
    struct asking a = HER;
    a.text = "ab-cd 1234";
    ask_as(&ada, &a, OK);
    struct cx cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    struct audit_page before = everything();
    run_all(&a);
    struct audit_page after = everything();
    int erased = 0;
    for (size_t i = 0; i < before.n; i++) {
        const struct audit_event *b = &before.events[i], *e = &after.events[i];
        bool gone = names_her(b) && !str_contains(b->text, S("Steve Example")) &&
                    !str_contains(b->text, S("steve.evans")) && !str_contains(b->text, S(".uk")) &&
                    !str_eq(b->actor_id, namesake.cuid) && !str_eq(b->target_id, namesake.cuid);
        gone = gone || str_contains(b->text, S("AB-CD")) || str_contains(b->text, S("EVE."));
        if (gone != e->erased)
            fail_msg("%.*s: erased %d", STR_ARG(b->text), e->erased);
        assert_true(str_eq(b->cuid, e->cuid) && b->index == e->index && b->at == e->at);
        assert_true(str_eq(b->leaf_hex, e->leaf_hex));
        assert_true(e->erased || str_eq(b->text, e->text));
        erased += e->erased;
    }
    assert_int_equal(a.e.events, erased);
    assert_int_equal(leaves().erased, erased);
    assert_int_equal(hits("evans@example.org"), 2); /* the two others */
    assert_int_equal(hits("\"she acts\""), 0);
    struct audit_event told = newest(EV_PERSON_ERASED);
    assert_false(names_her(&told));
    assert_true(str_eq(told.target_id, a.e.person));
    struct audit_query q = query(tenant.id);
    q.user = eve.cuid;
    struct audit_page hers = list(q);
    assert_true(hers.n >= 4); /* still linked */
    for (size_t i = 0; i < hers.n; i++) {
        struct str label = erased_label(t.a, a.e.person);
        assert_true(hers.events[i].erased);
        assert_true(str_eq(hers.events[i].actor_name, label) ||
                    str_eq(hers.events[i].target_name, label));
    }
    size_t telling = 3 + (size_t)events(EV_ERASURE_CHOSEN); /* asked, approved, chosen, erased */
    assert_int_equal(hits(arena_cstr(t.a, erased_label(t.a, a.e.person))),
                     (size_t)erased + telling);
}

static void
two_people_of_one_event(void **state)
{
    struct user finn = new_user("finn.fuchs@example.org", "Finn", "ADMIN");
    say(&eve, &finn, "she did something to him");
    delete_user(&eve);
    delete_user(&finn);
    struct asking a = approved();
    run_all(&a);
    struct asking f = {
        .subject = "finn.fuchs@example.org", .reason = "He asked", .ground = "Art. 17"};
    ask_as(&ada, &f, OK);
    struct cx cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &f, OK);
    run_all(&f);
    assert_false(str_eq(a.e.person, f.e.person));
    struct audit_query q = query(tenant.id);
    q.user = eve.cuid;
    bool both = false;
    struct audit_page p = list(q);
    for (size_t i = 0; i < p.n; i++)
        both = both || (str_eq(p.events[i].actor_name, erased_label(t.a, a.e.person)) &&
                        str_eq(p.events[i].target_name, erased_label(t.a, f.e.person)));
    assert_true(both);
    (void)leaves();
    assert_sound();
}

struct many {
    int from, to;
};

static enum err
many_body(struct cx *cx, void *arg)
{
    const struct many *m = arg;
    for (int i = m->from; i < m->to; i++) {
        struct audit_entry e = {.event = EV_DISK_LOW, .text = S("an ordinary quagga")};
        if (i % 1500 == 700)
            e.text = S("a quagga of eve.evans@example.org");
        TRY(audit_record(cx, &e, NULL));
    }
    return OK;
}

/* Chunks of both levels, in two months: search finds the same events as before, but hers. */
static void
the_text_index_forgets_her(void **state)
{
    int many = getenv("RECOUNT_LONG") ? 70000 : 9000;
    for (int m = 0; m < 2; m++) {
        t.app.simulated_now = month_start(DAY0, m) + USEC_PER_HOUR;
        for (int i = 0; i < many; i += 500) {
            struct cx cx = context(tenant.id);
            struct many some = {i, i + 500};
            cx.arena = arena_create("events", (size_t)256 << 20);
            assert_int_equal(cx_write(&cx, many_body, &some), OK);
            arena_free(cx.arena);
        }
        move();
    }
    t.app.simulated_now = month_start(DAY0, 2) + USEC_PER_HOUR;
    say(&ada, NULL, "the months are closed");
    delete_user(&eve);
    move(); /* closed months are indexed to their end, and merged */
    struct asking a = approved();
    size_t hers = hits("\"quagga of eve\"");
    assert_int_equal(hers, 2 * (size_t)((many - 701) / 1500 + 1));
    run_all(&a);
    assert_int_equal(hits("\"quagga of eve\""), 0);
    assert_int_equal(hits("evans@example"), 0);
    struct audit_query q = query(tenant.id);
    q.q = S("ordinary");
    q.limit = 1000;
    int found = 0;
    for (bool more = true; more;) {
        struct audit_page p = list(q);
        found += (int)p.n;
        q.after = p.next;
        more = p.more;
    }
    assert_int_equal(found, 2 * many - (int)hers);
    move(); /* the event that tells of it */
    size_t labelled = hits(arena_cstr(t.a, erased_label(t.a, a.e.person)));
    assert_true(labelled >= hers);
    restart();
    equip();
    move();
    assert_int_equal(hits("evans@example"), 0);
    assert_int_equal(hits(arena_cstr(t.a, erased_label(t.a, a.e.person))), labelled);
}

static void
a_fault_after_any_step_is_taken_up_again(void **state)
{
    bool failed = true;
    int n = 1;
    /* Every step in the long run; else the first ones, and some of the many that rewrite a table. */
    for (; failed; n += n < 6 || getenv("RECOUNT_LONG") ? 1 : 9) {
        if (n > 1) {
            end(NULL);
            with_people(t.kind);
        }
        for (int i = 0; i < 3; i++)
            say(&eve, NULL, "she acts");
        delete_user(&eve);
        struct asking a = approved();
        bool more = false;
        atomic_store(&t.app.audit->fail_step, n);
        enum err e = run_once(&a, &more);
        failed = atomic_load(&t.app.audit->fail_step) == 0;
        atomic_store(&t.app.audit->fail_step, 0);
        assert_int_equal(e == OK, !failed);
        assert_sound(); /* half done, it is lawful all the same */
        if (n % 2) {
            restart();
            equip();
        }
        if (failed)
            run_all(&a);
        assert_int_equal(events(EV_PERSON_ERASED), 1);
        assert_int_equal(hits("evans@example"), 0);
        assert_true(leaves().erased >= 4);
        assert_sound();
        assert_true(n < 100);
    }
    assert_true(n > 5);
}

static enum err
disable_body(struct cx *cx, void *arg)
{
    return user_set_disabled(cx, arg, true);
}

static void
who_may(void **state)
{
    struct asking a = HER, mine = HER;
    struct cx cx;
    say(&eve, NULL, "she acts");
    ask_as(&ada, &a, ERR_CONFLICT); /* the account is there */
    ask_as(&eve, &a, ERR_FORBIDDEN);
    delete_user(&eve);
    a.reason = "because eve.evans@example.org wants it";
    ask_as(&ada, &a, ERR_INVALID);
    a = HER;
    ask_as(&ada, &a, OK);
    ask_as(&ben, &mine, ERR_CONFLICT); /* asked for already */
    cx = as_user(&ada, "ADMIN");
    RUN(&cx, approve_body, &a, ERR_FORBIDDEN);
    cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    RUN(&cx, approve_body, &a, ERR_CONFLICT);
}

static void
tick(void)
{
    struct cx cx = as_process();
    if (erasure_tick(&cx) != OK)
        fail_msg("tick: %.*s / %.*s", STR_ARG(cx.failure.message), STR_ARG(db_last_error()));
}

static void
alone_it_runs_after_seven_days(void **state)
{
    struct asking a = HER;
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, disable_body, &ben, OK);
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    assert_true(str_eq(a.e.state, S("delayed")));
    assert_int_equal(a.e.due_at, DAY0 + 7 * USEC_PER_DAY);
    t.app.simulated_now = a.e.due_at - 1;
    tick();
    reload(&a);
    assert_true(str_eq(a.e.state, S("delayed")));
    t.app.simulated_now = a.e.due_at;
    t.app.audit->hold_drops = true; /* the clock stepped: it may be no seven days */
    tick();
    reload(&a);
    assert_true(str_eq(a.e.state, S("delayed")));
    t.app.audit->hold_drops = false;
    /* One that nobody asked for, due before it, holds it up no longer than it takes to refuse it. */
    plant(false,
          "INSERT INTO audit_erasure_request (tenant_id, cuid, state, person, subject, reason,"
          " legal_ground, asked_by, asked_at, due_at) VALUES (0, 'cplanted', 'delayed',"
          " '7F3A9C21B0', 'x', 'x', 'x', 1, 1, 1)");
    tick();
    plant(false, "DELETE FROM audit_erasure_request WHERE cuid = 'cplanted'");
    reload(&a);
    assert_true(str_eq(a.e.state, S("running")));
    assert_int_equal(newest(EV_ERASURE_APPROVED).actor_kind, ACTOR_SYSTEM);
    run_all(&a);
    assert_int_equal(hits("evans@example"), 0);
}

static void
somebody_who_came_meanwhile_decides(void **state)
{
    struct asking a = HER;
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, disable_body, &ben, OK);
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    struct user gil = new_user("gil@example.org", "Gil", "ADMIN");
    t.app.simulated_now = a.e.due_at;
    tick();
    reload(&a);
    assert_true(str_eq(a.e.state, S("asked")));
    cx = as_user(&gil, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
}

static void
a_hold_stops_what_has_not_begun(void **state)
{
    bool more = false;
    struct cx cx;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = approved();
    cx = as_user(&ada, "ADMIN");
    RUN(&cx, hold_body, NULL, OK);
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_true(hits("evans@example") > 0);
    cx = as_user(&ada, "ADMIN");
    RUN(&cx, release_body, NULL, OK);
    run_all(&a);
    assert_int_equal(hits("evans@example"), 0);
}

/* A crash between two slices leaves a running request without a job. */
static void
a_lost_job_is_queued_again(void **state)
{
    delete_user(&eve);
    struct asking a = approved();
    char forget_jobs[] = "DELETE FROM job";
    (void)a;
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM job WHERE kind = 'erasure'"), 1);
    tick();
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM job WHERE kind = 'erasure'"), 1);
    assert_int_equal(db_write(t.app.db, t.a, script, forget_jobs), OK);
    tick();
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM job WHERE kind = 'erasure'"), 1);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, with_people_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, her_events_go_and_nobody_elses), ON(kind, two_people_of_one_event),                   \
        ON(kind, the_text_index_forgets_her), ON(kind, a_fault_after_any_step_is_taken_up_again),  \
        ON(kind, who_may), ON(kind, alone_it_runs_after_seven_days),                               \
        ON(kind, somebody_who_came_meanwhile_decides), ON(kind, a_hold_stops_what_has_not_begun),  \
        ON(kind, a_lost_job_is_queued_again)

MAIN_ON_BOTH("erasure", ALL)
