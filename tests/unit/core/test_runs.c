/* Runs of the server and the gaps between them: what is told in each workspace's log, what is not, and that a
 * server started again and again adds one event an hour. */
#include "support.h"

#include "core/runs.h"

static struct run_before before;

static void
at(int64_t s)
{
    t.app.simulated_now = DAY0 + s * USEC_PER_SEC;
}

static struct run
server(const char *id, const char *host)
{
    return (struct run){.id = str_of(id),
                        .host = str_of(host),
                        .folder = S("/srv/recount"),
                        .version = S("0"),
                        .alone = true};
}

static enum err
begin_body(struct cx *cx, void *arg)
{
    const struct run *r = arg;
    struct audit_entry e = {.event = EV_SERVER_STARTED, .instance = true, .text = S("started")};

    TRY(run_begin(cx, r, &before));
    return audit_record(cx, &e, NULL);
}

static enum err
end_body(struct cx *cx, void *arg)
{
    const struct run *r = arg;
    struct audit_entry e = {.event = EV_SERVER_STOPPED, .instance = true, .text = S("stopped")};

    TRY(audit_record(cx, &e, NULL));
    return run_end(cx, r);
}

static struct cx
nobody(void)
{
    return cx_system(&t.app, t.a, "server", NULL);
}

static void
tell(void)
{
    struct cx cx = nobody();
    enum err e = run_tell_gaps(&cx);

    if (e != OK)
        fail_msg("run_tell_gaps: %.*s / %.*s", STR_ARG(cx.failure.message),
                 STR_ARG(db_last_error()));
    assert_false(cx.tenant.known);
}

static struct run
start(int64_t s, const char *id)
{
    struct run r = server(id, "one");
    struct cx cx;

    at(s);
    cx = nobody();
    RUN(&cx, begin_body, &r, OK);
    tell();
    return r;
}

static void
stop(int64_t s, struct run *r)
{
    struct cx cx;

    at(s);
    cx = nobody();
    RUN(&cx, end_body, r, OK);
}

static struct str
change(const struct audit_event *e, const char *field)
{
    for (size_t i = 0; i < e->n_changes; i++)
        if (str_eq(e->changes[i].field, str_of(field)))
            return e->changes[i].after;
    fail_msg("no field %s", field);
    return STR_NULL;
}

static void
the_first_run_and_a_restart_tell_nothing(void **state)
{
    struct run r = start(10, "a");

    assert_false(before.unclean);
    assert_int_equal(before.off_since, 0);
    stop(100, &r);
    at(100);
    t.app.simulated_now += USEC_PER_SEC;
    struct cx cx = nobody();
    r = server("b", "one");
    RUN(&cx, begin_body, &r, OK);
    tell();
    assert_int_equal(before.off_since, DAY0 + 100 * USEC_PER_SEC);
    assert_int_equal(events(EV_RUN_GAP), 0);
}

static void
a_gap_is_told_in_each_workspace_that_was_there(void **state)
{
    struct tenant_ref second = {0};
    struct run r = start(10, "a");
    struct audit_event e;
    struct cx cx;

    stop(100, &r);
    (void)new_user("late@example.org", "Late",
                   "ADMIN"); /* a command while no server runs is no run */
    at(150);
    cx = nobody();
    RUN(&cx, make_tenant, &second, OK);
    start(161, "b");
    assert_int_equal(events(EV_RUN_GAP), 1);
    e = newest(EV_RUN_GAP);
    assert_true(str_contains(
        e.text,
        S("No server ran from 2026-11-23T10:01:40.000Z to 2026-11-23T10:02:41.000Z, for 61 s")));
    assert_true(str_eq(change(&e, "off (s)"), S("61")));
    assert_true(str_eq(change(&e, "runs not ended in order"), S("0")));
    assert_int_equal(e.actor_kind, ACTOR_SYSTEM);
    assert_string_equal(event_type(e.type)->title, "Gap between runs of the server");
    struct audit_query q = query(second.id);
    q.event = EV_RUN_GAP;
    assert_int_equal(list(q).n, 0);
    q = query(INSTANCE_LOG);
    q.instance = true;
    q.event = EV_RUN_GAP;
    assert_int_equal(list(q).n, 1);
    tell();
    assert_int_equal(events(EV_RUN_GAP), 1);
}

static void
a_run_that_died_is_told_since_it_was_last_seen(void **state)
{
    struct run r = start(10, "a");
    struct cx cx;
    struct audit_event e;

    at(70);
    cx = nobody();
    assert_int_equal(run_seen(&cx, &r), OK);
    start(100, "b");
    assert_true(before.unclean);
    assert_int_equal(before.off_since, DAY0 + 70 * USEC_PER_SEC);
    e = newest(EV_RUN_GAP);
    assert_true(str_contains(e.text, S("did not end in order")));
    assert_true(str_contains(e.text, S("for 30 s at most")));
    assert_true(str_eq(change(&e, "runs not ended in order"), S("1")));
}

static void
a_storm_of_restarts_is_one_event_an_hour(void **state)
{
    char id[16];
    struct audit_event e;

    for (int i = 0; i < 100; i++) { /* each dies at once */
        snprintf(id, sizeof id, "r%d", i);
        start(10 + 20 * i, id);
    }
    assert_int_equal(events(EV_RUN_GAP), 1);
    at(30 + 3599);
    tell();
    assert_int_equal(events(EV_RUN_GAP), 1);
    at(30 + 3600);
    tell();
    assert_int_equal(events(EV_RUN_GAP), 2);
    e = newest(EV_RUN_GAP);
    assert_true(str_eq(change(&e, "starts"), S("98")));
    assert_true(str_eq(change(&e, "runs not ended in order"), S("98")));
    assert_true(str_eq(change(&e, "off (s)"), S("1960")));
    assert_true(str_contains(e.text, S("started 98 times")));
    at(30 + 9000);
    tell();
    assert_int_equal(events(EV_RUN_GAP), 2);
}

static void
while_another_server_runs_there_is_no_gap(void **state)
{
    struct run other = server("o", "two"), r = start(10, "a");
    struct cx cx;
    struct audit_event e;

    at(20);
    cx = nobody();
    RUN(&cx, begin_body, &other, OK);
    stop(60, &r);
    r = start(120, "b");
    assert_int_equal(events(EV_RUN_GAP), 0);
    start(130, "c"); /* it died, the other went on */
    e = newest(EV_RUN_GAP);
    assert_true(str_contains(e.text, S("another server went on")));
    assert_true(str_eq(change(&e, "off (s)"), S("0")));
    at(10000); /* both died: the other is not seen any more */
    start(10000, "d");
    assert_int_equal(events(EV_RUN_GAP), 2);
    e = newest(EV_RUN_GAP);
    assert_true(str_contains(e.text, S("for 9870 s at most")));
}

static void
beside_a_server_on_the_same_folder_nothing_has_died(void **state)
{
    struct run r = start(10, "a"), beside = server("b", "one");
    struct cx cx;

    beside.alone = false;
    at(500);
    cx = nobody();
    RUN(&cx, begin_body, &beside, OK);
    tell();
    assert_false(before.unclean);
    assert_int_equal(events(EV_RUN_GAP), 0);
    stop(600, &r);
    stop(700, &beside);
    start(710, "c");
    assert_false(before.unclean);
    assert_true(str_contains(newest(EV_RUN_GAP).text, S("for 10 s")));
}

static enum err
add_workspaces(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_WRITE(
        "tenant", "INSERT INTO tenant (tenant_id, cuid, name, created_at) VALUES ($1, $2, $2, 1)");
    struct audit_entry e = {.event = EV_TENANT_CREATED, .instance = true, .text = S("many")};
    const int64_t *n = arg;

    for (int64_t i = 0; i < *n; i++)
        TRY(db_exec(cx->tx, &q, ARGS(V_INT(1000 + i), V_STR(cuid_in(cx->arena, cx->now))), NULL));
    return audit_record(cx, &e, NULL);
}

static void
many_workspaces_are_told_in_one_transaction(void **state)
{
    int64_t n = 400;
    struct run r = start(10, "a");
    struct cx cx = nobody();
    struct audit_query q = query(1000 + n - 1);

    RUN(&cx, add_workspaces, &n, OK);
    stop(20, &r);
    start(90, "b");
    move();
    q.event = EV_RUN_GAP;
    assert_int_equal(list(q).n, 1);
    assert_int_equal(events(EV_RUN_GAP), 1);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_core_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, the_first_run_and_a_restart_tell_nothing),                                            \
        ON(kind, a_gap_is_told_in_each_workspace_that_was_there),                                  \
        ON(kind, a_run_that_died_is_told_since_it_was_last_seen),                                  \
        ON(kind, a_storm_of_restarts_is_one_event_an_hour),                                        \
        ON(kind, while_another_server_runs_there_is_no_gap),                                       \
        ON(kind, beside_a_server_on_the_same_folder_nothing_has_died),                             \
        ON(kind, many_workspaces_are_told_in_one_transaction)

MAIN_ON_BOTH("runs", ALL)
