/* The log on both stores: recording and coverage, the mover, months, append-only, lists, folding. */
#include "support.h"

#include "codec/csv.h"
#include "run/bus.h"

static const struct sql touch_tag =
    SQL_WRITE("preference", "INSERT INTO preference_test (id) VALUES ($1)");

static struct audit_entry
entry(enum event e, const char *text)
{
    return (struct audit_entry){.event = e,
                                .text = str_of(text),
                                .target_kind = S("user"),
                                .target_id = S("cuser000000000000000000bob"),
                                .target_name = S("Bob"),
                                .target_email = S("bob@example.org")};
}

/* ---- coverage ---- */

static enum err
uncovered(struct cx *cx, void *arg)
{
    return db_exec(cx->tx, &touch_tag, ARGS(V_INT(1)), NULL);
}

static enum err
covered_by_reason(struct cx *cx, void *arg)
{
    TRY(db_exec(cx->tx, &touch_tag, ARGS(V_INT(2)), NULL));
    audit_cover(cx, REASON_PREFERENCE);
    return OK;
}

static enum err
covered_by_other(struct cx *cx, void *arg)
{
    struct audit_entry e = entry(EV_LOGOUT, "x");
    TRY(db_exec(cx->tx, &touch_tag, ARGS(V_INT(3)), NULL));
    return audit_record(cx, &e, NULL);
}

static void
a_change_needs_its_event(void **state)
{
    static char make[] = "CREATE TABLE preference_test (id bigint)";
    assert_int_equal(db_write(t.app.db, t.a, script, make), OK);
    struct cx cx = context(0);
    assert_int_equal(cx_write(&cx, uncovered, NULL), ERR_UNAVAILABLE);
    cx = context(0);
    assert_int_equal(cx_write(&cx, covered_by_reason, NULL), OK);
    cx = context(0);
    assert_int_equal(cx_write(&cx, covered_by_other, NULL), ERR_UNAVAILABLE);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM preference_test"), 1);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM audit_tail"), 0);
}

/* ---- the mover ---- */

static void
indexes_are_gapless_per_log(void **state)
{
    struct cx zero = context(0), one = context(1);
    for (int i = 0; i < 5; i++) {
        record(&zero, entry(EV_USER_UPDATED, "zero"));
        record(&one, entry(EV_USER_UPDATED, "one"));
    }
    struct audit_entry own = entry(EV_SERVER_STARTED, "start");
    own.instance = true;
    record(&zero, own);
    assert_int_equal(audit_newest(&t.app, 0, false), -1);
    move();
    assert_int_equal(audit_newest(&t.app, 0, false), 4);
    assert_int_equal(audit_newest(&t.app, 1, false), 4);
    assert_int_equal(audit_newest(&t.app, 0, true), 0);
    assert_int_equal(audit_newest(&t.app, 9, false), -1);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM audit_tail"), 0);
    struct audit_page p = list(query(0));
    assert_int_equal(p.n, 5);
    assert_false(p.more);
    for (size_t i = 0; i < p.n; i++)
        assert_int_equal(p.events[i].index, 4 - (int64_t)i);
    assert_true(str_eq(p.events[0].actor_email, S("alice@example.org")));
    assert_true(str_eq(p.events[0].text, S("zero")));
    assert_int_equal(p.events[0].leaf_hex.n, 64);
}

/* The mark is older than the segment after a crash between append and trim: nothing recurs. */
static void
a_repeat_after_a_crash_is_harmless(void **state)
{
    struct cx cx = context(0);
    for (int i = 0; i < 10; i++)
        record(&cx, entry(EV_USER_UPDATED, "x"));
    assert_int_equal(mover_drain(t.app.audit), OK); /* moved, not trimmed */
    restart();
    for (int i = 0; i < 3; i++)
        record(&cx, entry(EV_USER_UPDATED, "y"));
    move();
    assert_int_equal(audit_newest(&t.app, 0, false), 12);
    assert_int_equal(list(query(0)).n, 13);
    restart();
    move();
    assert_int_equal(audit_newest(&t.app, 0, false), 12);
}

static void
a_month_changes(void **state)
{
    struct cx cx = context(0);
    t.app.simulated_now = DAY0;
    record(&cx, entry(EV_USER_UPDATED, "november"));
    move();
    record(&cx, entry(EV_USER_UPDATED, "late november"));
    t.app.simulated_now = month_start(DAY0, 1) + 5;
    record(&cx, entry(EV_USER_UPDATED, "december"));
    move();
    t.app.simulated_now = DAY0; /* the clock steps back: logged does not */
    record(&cx, entry(EV_USER_UPDATED, "after a step back"));
    move();
    restart();
    cx = context(0);
    record(&cx, entry(EV_USER_UPDATED, "after a restart"));
    move();
    t.app.simulated_now = month_start(DAY0, 1) + 5;
    struct audit_page p = list(query(0));
    assert_int_equal(p.n, 5);
    int64_t last = INT64_MAX;
    for (size_t i = 0; i < p.n; i++) {
        assert_int_equal(p.events[i].index, 4 - (int64_t)i);
        assert_true(p.events[i].logged <= last);
        last = p.events[i].logged;
    }
    int32_t *months = NULL;
    size_t n = 0;
    assert_int_equal(segment_months(t.app.audit, t.a, &months, &n), OK);
    assert_int_equal(n, 2);
}

static enum err
segment_script(const char *text)
{
    struct segment *s = t.kind == DB_SQLITE ? t.app.audit->segments[0] : NULL;
    char copy[512];
    snprintf(copy, sizeof copy, "%s", text);
    return db_write(s ? s->db : t.app.db, t.a, script, copy);
}

static void
the_store_refuses_changes(void **state)
{
    static const char *const both[] = {
        "UPDATE audit_event SET outcome = 2",        "DELETE FROM audit_event",
        "UPDATE audit_personal SET salt = personal", "DELETE FROM audit_personal",
        "UPDATE audit_party SET user_id = 'x'",      "DELETE FROM audit_party"};
    static const char *const lite[] = {
        ("INSERT OR REPLACE INTO audit_event SELECT tenant_id, epoch, idx, cuid, 1, 2, 3, 4, 5,"
         " public, leaf FROM audit_event"),
        "INSERT OR IGNORE INTO audit_personal SELECT * FROM audit_personal",
        "REPLACE INTO audit_personal SELECT * FROM audit_personal",
        "UPDATE audit_state SET moved_to = 0", "DELETE FROM audit_state"};
    static const char *const pg[] = {"TRUNCATE audit_event", "TRUNCATE audit_personal",
                                     "TRUNCATE audit_tail", "TRUNCATE audit_event_2026_11"};
    static char tail[][64] = {"UPDATE audit_tail SET tenant_id = 5", "DELETE FROM audit_tail",
                              "UPDATE audit_mark SET moved_to = 0 WHERE moved_to > 0",
                              "DELETE FROM audit_log", "UPDATE audit_log SET size = 0"};
    struct cx cx = context(0);
    record(&cx, entry(EV_USER_UPDATED, "x"));
    move();
    record(&cx, entry(EV_USER_UPDATED, "in the tail"));
    for (size_t i = 0; i < 6; i++)
        if (segment_script(both[i]) == OK)
            fail_msg("accepted: %s", both[i]);
    for (size_t i = 0; i < (t.kind == DB_SQLITE ? 5 : 4); i++)
        if (segment_script(t.kind == DB_SQLITE ? lite[i] : pg[i]) == OK)
            fail_msg("accepted: %s", t.kind == DB_SQLITE ? lite[i] : pg[i]);
    for (size_t i = 0; i < 5; i++)
        if (db_write(t.app.db, t.a, script, tail[i]) == OK)
            fail_msg("accepted: %s", tail[i]);
    move();
    assert_int_equal(list(query(0)).n, 2);
}

/* ---- lists ---- */

static void
filters_and_cursors(void **state)
{
    struct cx cx = context(0);
    for (int i = 0; i < 600; i++) {
        struct audit_entry e = entry(i % 7 == 0 ? EV_LOGIN_FAIL : EV_USER_UPDATED, "x");
        e.outcome = i % 7 == 0 ? OUTCOME_FAILURE : i % 7 == 3 ? OUTCOME_DENIED : OUTCOME_SUCCESS;
        e.client_id = i % 5 == 0 ? 42 : 0;
        e.target_id = i % 11 == 0 ? S("cuser00000000000000000carol") : e.target_id;
        cx.now = DAY0 + i * USEC_PER_SEC;
        t.app.simulated_now = cx.now;
        record(&cx, e);
        if (i % 100 == 0)
            move();
    }
    move();
    struct audit_query q = query(0);
    q.limit = 1000;
    assert_int_equal(list(q).n, 600);
    q.event = EV_LOGIN_FAIL;
    assert_int_equal(list(q).n, 86);
    q.event = EVENT_NONE;
    for (int asc = 0; asc < 2; asc++) {
        q.ascending = asc;
        q.outcome = OUTCOME_DENIED;
        assert_int_equal(list(q).n, 86);
        q.outcome = OUTCOME_SUCCESS;
        assert_int_equal(list(q).n, 428);
        q.outcome = OUTCOME_FAILURE;
        assert_int_equal(list(q).n, 86);
    }
    q.ascending = false;
    q.client_id = 42;
    assert_int_equal(list(q).n, 18);
    q.outcome = -1;
    assert_int_equal(list(q).n, 120);
    q.client_id = 0;
    q.user = S("cuser00000000000000000carol");
    assert_int_equal(list(q).n, 55);
    q.user = S("Bob@Example.org");
    assert_int_equal(list(q).n, 600);
    q.user = S("nobody@example.org");
    assert_int_equal(list(q).n, 0);
    q.user = STR_NULL;
    q.from = DAY0 + 100 * USEC_PER_SEC;
    q.to = DAY0 + 200 * USEC_PER_SEC;
    struct audit_page p = list(q);
    assert_int_equal(p.n, 100);
    assert_int_equal(p.events[0].index, 199);
    q.ascending = true;
    assert_int_equal(list(q).events[0].index, 100);
    q = query(0);
    q.from = DAY0 + USEC_PER_DAY;
    p = list(q);
    assert_int_equal(p.n, 0);
    assert_int_equal(p.older, 600);
    for (int asc = 0; asc < 2; asc++) { /* pages meet without gap or overlap */
        q = query(0);
        q.ascending = asc;
        q.limit = 7;
        q.outcome = OUTCOME_SUCCESS;
        int64_t seen = 0, last = asc ? -1 : 600;
        do {
            p = list(q);
            for (size_t i = 0; i < p.n; i++, seen++) {
                assert_true(asc ? p.events[i].index > last : p.events[i].index < last);
                last = p.events[i].index;
            }
            q.after = p.next;
        } while (p.more);
        assert_int_equal(seen, 428);
    }
    q = query(0);
    q.limit = 0; /* no page is empty for its limit's sake */
    assert_int_equal(list(q).n, 1);
    q.limit = -5;
    assert_int_equal(list(q).n, 1);
    q.limit = 3;
    for (int64_t offset = 0; offset < 610; offset += 61) {
        q.offset = offset;
        p = list(q);
        assert_int_equal(p.n, offset < 598 ? 3 : 0);
        if (p.n > 0)
            assert_int_equal(p.events[0].index, 599 - offset);
    }
    q.offset = 80;
    q.event = EV_LOGIN_FAIL;
    q.limit = 50;
    assert_int_equal(list(q).n, 6);
    q = query(0);
    q.before = 10;
    assert_int_equal(list(q).events[0].index, 9);
    struct audit_event one = {0};
    struct cx reader = context(0);
    assert_int_equal(audit_get(&reader, 0, false, p.events[0].cuid, &one), OK);
    assert_int_equal(one.index, p.events[0].index);
    reader = context(1);
    assert_int_equal(audit_get(&reader, 1, false, p.events[0].cuid, &one), ERR_NOT_FOUND);
    q = query(1);
    assert_int_equal(list(q).n, 0);
}

static void
a_running_log_settles(void **state)
{
    struct cx cx = context(0);
    audit_start(&t.app);
    for (int i = 0; i < 50; i++) {
        record(&cx, entry(EV_USER_UPDATED, "x"));
        audit_settle(&t.app, 60000); /* a list waits 200 ms by itself; no time is asserted here */
        struct audit_page p = list(query(0));
        assert_int_equal(p.newest, i);
        assert_int_equal(p.events[0].index, i);
    }
    audit_stop(&t.app);
    struct audit_stats st;
    audit_stats(&t.app, &st);
    assert_int_equal(st.tail, 0);
    assert_int_equal(st.moved, 50);
    assert_true(st.writable);
}

struct many {
    int n;
    enum err e;
};

static enum err
record_many(struct cx *cx, void *arg)
{
    const struct many *m = arg;
    struct audit_entry e = entry(EV_USER_UPDATED, "x");
    for (int i = 0; i < m->n; i++)
        TRY(audit_record(cx, &e, NULL));
    return m->e;
}

/* Commits go on while the mover is held up, however much waits for it; and what was undone does not
 * count as waiting for ever. */
static void
a_tail_that_waits_stops_nobody(void **state)
{
    struct cx cx = context(0);
    struct many m = {1000, OK}, undone = {700, ERR_FORBIDDEN};
    audit_start(&t.app);
    audit_hold(&t.app);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(cx_write(&cx, record_many, &m), OK);
        fail_clear(&cx);
        assert_int_equal(cx_write(&cx, record_many, &undone), ERR_FORBIDDEN);
        fail_clear(&cx);
    }
    assert_false(audit_settle(&t.app, 20));
    audit_release(&t.app);
    assert_true(audit_settle(&t.app, 60000));
    assert_int_equal(list(query(0)).newest, 5999);
    if (!t.app.audit->pg)
        assert_int_equal(atomic_load(&t.app.audit->n_caught),
                         atomic_load(&t.app.audit->n_recorded));
    audit_stop(&t.app);
}

/* Another batch is recorded whenever one is moved: a drain waits for what was there, not for a tail that
 * is empty. */
struct faster {
    struct cx cx;
    int rounds;
};

#define ROUNDS_MAX 20

static void
record_a_batch(void *arg, enum bus_topic topic)
{
    struct faster *f = arg;
    struct many m = {MOVE_BATCH, OK};
    if (++f->rounds < ROUNDS_MAX)
        assert_int_equal(cx_write(&f->cx, record_many, &m), OK);
}

static void
a_drain_ends_while_writers_are_faster(void **state)
{
    struct faster f = {.cx = context(0)};
    struct many m = {MOVE_BATCH + 1, OK};
    t.app.bus = bus_create(t.a);
    bus_listen(t.app.bus, 1U << BUS_AUDIT, record_a_batch, &f);
    assert_int_equal(cx_write(&f.cx, record_many, &m), OK);
    assert_int_equal(mover_drain(t.app.audit), OK);
    t.app.bus = NULL;
    assert_true(f.rounds < ROUNDS_MAX);
    assert_true(audit_newest(&t.app, 0, false) >= MOVE_BATCH);
    move();
    assert_int_equal(audit_newest(&t.app, 0, false), (f.rounds + 1) * MOVE_BATCH);
}

/* ---- folding ---- */

static void
a_flood_is_folded_and_sums_up(void **state)
{
    struct cx cx = context(0);
    for (int i = 0; i < 1000; i++) {
        cx.address = i % 4 ? S("198.51.100.7") : arena_fmt(t.a, "203.0.113.%d", i % 100);
        audit_record_apart(&cx,
                           &(struct audit_entry){.event = EV_LOGIN_FAIL,
                                                 .outcome = OUTCOME_FAILURE,
                                                 .text = S("Wrong password")},
                           S("bob"));
    }
    cx.address = S("192.0.2.1");
    audit_record_apart(&cx,
                       &(struct audit_entry){.event = EV_LOGIN_FAIL,
                                             .outcome = OUTCOME_FAILURE,
                                             .text = S("Wrong password")},
                       S("carol"));
    fold_flush(t.app.audit, true);
    move();
    struct audit_page p = list(query(0));
    int64_t sum = 0;
    assert_int_equal(p.n, 12);
    for (size_t i = 0; i < p.n; i++) {
        sum += p.events[i].count;
        if (p.events[i].count > 1) {
            assert_int_equal(p.events[i].count, 990);
            assert_true(str_contains(p.events[i].text, S("990 more")));
            assert_true(str_contains(p.events[i].text, S("198.51.100.7 (")));
        }
    }
    assert_int_equal(sum, 1001);
}

static void
fail_soon(struct cx *cx, struct str key)
{
    struct audit_entry e = {
        .event = EV_LOGIN_FAIL, .outcome = OUTCOME_FAILURE, .text = S("Wrong password")};

    audit_record_soon(cx, &e, key);
}

/* What nobody waits for is on its way whole, each event with its own address, in a few transactions. */
static void
what_nobody_waits_for_is_recorded_soon(void **state)
{
    struct cx cx = context(0);
    int64_t sum = 0;

    for (int i = 0; i < 200; i++) {
        cx.address = arena_fmt(t.a, "203.0.113.%d", i);
        fail_soon(&cx, arena_fmt(t.a, "name %d", i));
    }
    for (int i = 0; i < 15; i++)
        fail_soon(&cx, S("bob"));
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM audit_tail"), 0);
    fold_flush(t.app.audit, false);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM audit_tail"), 210);
    fold_flush(t.app.audit, true); /* the five of bob's that were counted */
    move();
    struct audit_query q = query(0);
    q.limit = 1000;
    struct audit_page p = list(q);
    assert_int_equal(p.n, 211);
    for (size_t i = 0; i < p.n; i++)
        sum += p.events[i].count;
    assert_int_equal(sum, 215);
    assert_true(str_eq(p.events[210].address, S("203.0.113.0")));
    assert_true(str_eq(p.events[209].address, S("203.0.113.1")));
}

/* ---- window and month end ---- */

static void
the_window_is_never_under_120_days(void **state)
{
    for (int d = 0; d < 3 * 366; d++) {
        int64_t now = DAY0 + d * USEC_PER_DAY, since = 0, next = 0;
        audit_window(&t.app, now, &since, &next);
        assert_true(now - since >= 120 * USEC_PER_DAY);
        assert_true(now - since < 155 * USEC_PER_DAY);
        assert_int_equal(civil_of(since).day, 1);
        assert_int_equal(month_ordinal(now) - month_ordinal(since), 4);
        assert_true(next > now && civil_of(next).day == 1);
    }
    audit_set_months_kept(&t.app, 1);
    assert_int_equal(audit_months_kept(&t.app), 4);
}

static enum err
hold_body(struct db_tx *tx, void *arg)
{
    static const struct sql on = SQL_WRITE(
        "audit_clock_hold", "INSERT INTO audit_clock_hold (id, at, moved) VALUES (1, 0, 0)");
    static const struct sql off = SQL_WRITE("audit_clock_hold", "DELETE FROM audit_clock_hold");
    tail_own(tx);
    return db_exec(tx, *(bool *)arg ? &on : &off, NO_ARGS, NULL);
}

/* As another server's clock watch would, or an administrator on another server. */
static void
set_hold(bool on)
{
    assert_int_equal(db_write(t.app.db, t.a, hold_body, &on), OK);
}

static void
an_expired_month_is_recorded_and_dropped(void **state)
{
    struct cx cx = context(0);
    int32_t *months = NULL;
    size_t n = 0;
    for (int m = 0; m < 6; m++) {
        t.app.simulated_now = cx.now = month_start(DAY0, m) + USEC_PER_HOUR;
        record(&cx, entry(EV_USER_UPDATED, "x"));
        move();
        if (m == 4)
            month_check(t.app.audit);
    }
    assert_int_equal(segment_months(t.app.audit, t.a, &months, &n), OK);
    assert_int_equal(n, 6);
    assert_int_equal(list(query(0)).n, 5); /* already out of view */
    set_hold(true);
    month_check(t.app.audit);
    assert_int_equal(segment_months(t.app.audit, t.a, &months, &n), OK);
    assert_int_equal(n, 6);
    set_hold(false);
    month_end();
    assert_int_equal(segment_months(t.app.audit, t.a, &months, &n), OK);
    assert_int_equal(n, 5);
    struct audit_page p = list(query(0));
    assert_int_equal(p.n, 6);
    assert_int_equal(p.events[0].type, EV_AUDIT_SEGMENT_DROPPED);
    assert_int_equal(p.events[0].index, 6);
    assert_true(str_eq(p.events[0].target_id, S("2026-11")));
    restart();
    month_check(t.app.audit);
    assert_int_equal(audit_newest(&t.app, 0, false), 6);
}

/* Whoever kept a copy of the month can show that it is this one: SHA-256(SHA-256("") ‖ its leaf entries). */
static void
what_an_expired_month_held_is_told(void **state)
{
    static const char *const want[][2] = {
        {"month", "2026-11"}, {"count", "3"}, {"first index", "0"}, {"last index", "2"}};
    struct cx cx = context(0), other = context(3);
    struct sha256 empty = sha256_of(S(""));
    struct buf *b = buf_in(t.a, 4096);
    (void)state;
    for (int i = 0; i < 3; i++) {
        record(&cx, entry(EV_USER_UPDATED, "x"));
        record(&other, entry(EV_USER_UPDATED, "of another workspace"));
    }
    move();
    struct audit_query q = query(0);
    q.ascending = true;
    struct audit_page p = list(q);
    assert_int_equal(p.n, 3);
    buf_put(b, empty.b, sizeof empty.b);
    for (size_t i = 0; i < p.n; i++)
        assert_int_equal(hex_get(p.events[i].leaf_hex, b), OK);
    struct sha256 sum = sha256_of(buf_view(b));
    t.app.simulated_now = month_start(DAY0, 7);
    month_end();
    q.event = EV_AUDIT_SEGMENT_DROPPED;
    p = list(q);
    assert_int_equal(p.n, 1);
    const struct audit_event *e = &p.events[0];
    assert_in_range(e->n_changes, 5, 100);
    for (size_t i = 0; i < 4; i++) {
        assert_true(str_eq(e->changes[i].field, str_of(want[i][0])));
        assert_true(str_eq(e->changes[i].before, str_of(want[i][1])));
    }
    assert_true(str_eq(e->changes[4].field, S("digest")));
    assert_true(str_eq(e->changes[4].before, hex_in(t.a, sha256_str(&sum))));
}

/* The index goes on where it was after everything has expired. */
static void
an_idle_log_keeps_its_size(void **state)
{
    struct cx cx = context(0);
    for (int i = 0; i < 3; i++)
        record(&cx, entry(EV_USER_UPDATED, "x"));
    move();
    t.app.simulated_now = month_start(DAY0, 7);
    month_end();
    t.app.simulated_now = month_start(DAY0, 14);
    month_end();
    restart();
    move();
    cx = context(0);
    record(&cx, entry(EV_USER_UPDATED, "x"));
    move();
    struct audit_page p = list(query(0));
    assert_int_equal(p.events[0].index, 5); /* 3, two expiries, this one */
}

/* ---- views ---- */

static void
views_cannot_be_injected(void **state)
{
    struct buf *b = buf_in(t.a, 1 << 20);
    struct audit_event e = {.cuid = S("c1"),
                            .type = EV_LOGIN_FAIL,
                            .type_name = S("LoginFail"),
                            .actor_name = S("=cmd|' /C calc'!A0"),
                            .text = S("a\n\xe2\x80\xae\x1b[31m"),
                            .target_name = S("+1"),
                            .count = 1,
                            .leaf_hex = S("00")};
    audit_format_head(b, AUDIT_CSV);
    audit_format_line(t.a, b, AUDIT_CSV, &e);
    struct csv_reader r;
    struct str *cells = NULL;
    size_t n = 0, columns = 0;
    csv_reader_init(&r, t.a, buf_view(b));
    assert_int_equal(csv_read_row(&r, &cells, &columns), OK);
    assert_int_equal(csv_read_row(&r, &cells, &n), OK);
    assert_int_equal(n, columns);
    assert_true(str_has_prefix(cells[2], S("'=")));
    assert_false(str_contains(cells[5], S("\xe2\x80\xae")));
    assert_false(str_contains(cells[5], S("\x1b")));
    assert_true(str_has_prefix(cells[9], S("'+")));
    assert_int_equal(csv_read_row(&r, &cells, &n), ERR_END);
    for (int f = AUDIT_NDJSON; f <= AUDIT_OCSF; f += 2) {
        struct json *v = NULL;
        size_t where = 0;
        const char *why = NULL;
        buf_clear(b);
        audit_format_line(t.a, b, (enum audit_format)f, &e);
        assert_int_equal(json_parse(t.a, buf_view(b), &v, &where, &why), OK);
        assert_int_equal(str_index(buf_view(b), '\n'), b->n - 1);
    }
    assert_true(str_eq(audit_user_info(t.a, &e), e.actor_name));
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, a_change_needs_its_event), ON(kind, indexes_are_gapless_per_log),                     \
        ON(kind, a_repeat_after_a_crash_is_harmless), ON(kind, a_month_changes),                   \
        ON(kind, the_store_refuses_changes), ON(kind, filters_and_cursors),                        \
        ON(kind, a_running_log_settles), ON(kind, a_tail_that_waits_stops_nobody),                 \
        ON(kind, a_drain_ends_while_writers_are_faster), ON(kind, a_flood_is_folded_and_sums_up),  \
        ON(kind, what_nobody_waits_for_is_recorded_soon),                                          \
        ON(kind, the_window_is_never_under_120_days),                                              \
        ON(kind, an_expired_month_is_recorded_and_dropped),                                        \
        ON(kind, what_an_expired_month_held_is_told), ON(kind, an_idle_log_keeps_its_size),        \
        ON(kind, views_cannot_be_injected)

MAIN_ON_BOTH("the log", ALL)
