/* Counts between times are what a plain count over the whole list gives: for every filter, over months,
 * with events that were logged long after they happened or (the clock went back) before, and in
 * as many pieces as a short budget makes of it. */
#define N     6000
#define SEED  7
#define STEPS 600 /* moves; the time goes on before each */

#include "brute.h"

static struct str
any_user(void)
{
    return arena_fmt(t.a, "ctarget%018llu", (unsigned long long)next_random(5));
}

static void
put_one(struct cx *cx)
{
    static const char *const words[] = {"Report", "finding", "Straße", "lockout", "x"};
    struct audit_entry e = {.event = next_random(3) ? EV_USER_UPDATED : EV_LOGIN_FAIL,
                            .outcome = (enum outcome)next_random(3),
                            .target_kind = S("user"),
                            .target_id = any_user(),
                            .client_id = (int64_t)next_random(3)};
    e.text = arena_fmt(t.a, "%s %s", words[next_random(5)], words[next_random(5)]);
    e.target_name = e.text;
    switch (next_random(40)) {
    case 0: /* a folded event, or one from before a stop of the server */
        cx->now = app_now(&t.app) - (int64_t)next_random(3) * USEC_PER_HOUR;
        break;
    case 1: /* the clock was set back before it was moved */
        cx->now = app_now(&t.app) + (int64_t)next_random(90) * USEC_PER_SEC;
        break;
    default:
        cx->now = app_now(&t.app) - (int64_t)next_random(5000);
    }
    assert_int_equal(audit_record(cx, &e, NULL), OK);
}

static enum err
put_some(struct cx *cx, void *arg)
{
    (void)arg;
    for (int i = 0; i < N / STEPS; i++)
        put_one(cx);
    return OK;
}

static int
fill(void)
{
    for (int i = 0; i < STEPS; i++) {
        struct cx cx = context(0);
        t.app.simulated_now += (int64_t)next_random(6 * 3600) * USEC_PER_SEC / 3;
        if (cx_write(&cx, put_some, NULL) != OK)
            return -1;
        /* The text index is behind at the end. */
        if (i == STEPS / 2 ? audit_move_now(&t.app) != OK : mover_drain(t.app.audit) != OK)
            return -1;
    }
    read_all(false);
    return 0;
}

static int
fill_sqlite(void **state)
{
    return begin_sqlite(state) != 0 ? -1 : fill();
}

static int
fill_postgres(void **state)
{
    return begin_postgres(state) != 0 ? -1 : fill();
}

/* Looked at one by one, once a query: texts take their time. */
static bool matches[N];

static void
look_at_all(const struct audit_query *q)
{
    struct search s;
    assert_int_equal(search_parse(t.a, q->q, &s), OK);
    for (size_t i = 0; i < N; i++)
        matches[i] = brute(q, &s, i);
}

/* Of what look_at_all() has found. */
static int64_t
plain_count(int64_t from, int64_t to)
{
    int64_t n = 0;
    for (size_t i = 0; i < N; i++)
        n += matches[i] && kept[i].at >= from && kept[i].at < to;
    return n;
}

static struct audit_bars
bars(struct audit_query q, const int64_t *edges, size_t n)
{
    struct cx cx = context(0);
    struct audit_bars b = {0};
    enum err e = audit_histogram(&cx, &q, edges, n, &b);
    if (e != OK)
        fail_msg("histogram: %s: %.*s", err_name(e), STR_ARG(db_last_error()));
    return b;
}

static int
by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Times of events and of nothing, ascending, none twice. */
static size_t
random_edges(int64_t *v)
{
    size_t n = 2 + next_random(60), k = 1;
    int64_t first = kept[N - 1].at - USEC_PER_DAY, span = kept[0].at + 2 * USEC_PER_DAY - first;
    for (size_t i = 0; i < n; i++)
        v[i] = next_random(2) ? kept[next_random(N)].at + (int64_t)next_random(3) - 1
                              : first + (int64_t)next_random((uint64_t)span / 1000) * 1000;
    qsort(v, n, sizeof *v, by_time);
    for (size_t i = 1; i < n; i++)
        if (v[i] > v[k - 1])
            v[k++] = v[i];
    return k;
}

static struct audit_query
random_query(void)
{
    static const char *const texts[] = {"report", "straße", "x", "lockout finding",
                                        "nothing of it"};
    struct audit_query q = query(0);
    if (next_random(3) == 0)
        q.event = next_random(2) ? EV_LOGIN_FAIL : EV_USER_UPDATED;
    if (next_random(3) == 0)
        q.outcome = (int)next_random(3);
    if (next_random(3) == 0)
        q.client_id = 1 + (int64_t)next_random(3);
    if (next_random(3) == 0)
        q.user = any_user();
    if (next_random(4) == 0)
        q.q = str_of(texts[next_random(5)]);
    if (next_random(3) == 0)
        q.from = kept[next_random(N)].at;
    if (next_random(3) == 0)
        q.to = q.from + (int64_t)next_random(40) * USEC_PER_DAY + 1;
    if (q.to != 0 && q.from == 0)
        q.to = kept[next_random(N)].at;
    return q;
}

static void
equals_a_plain_count(void **state)
{
    int64_t edges[AUDIT_EDGES_MAX], all = 0;
    for (int i = 0; i < (t.kind == DB_SQLITE ? 250 : 80); i++) {
        struct audit_query q = i < 20 ? query(0) : random_query();
        size_t n = random_edges(edges);
        struct audit_bars b = bars(q, edges, n);
        assert_true(b.complete);
        look_at_all(&q);
        for (size_t k = 0; k + 1 < n; k++) {
            int64_t want = plain_count(edges[k], edges[k + 1]);
            all += want;
            if (b.counts[k] != want)
                fail_msg("query %d, bar %zu: %lld instead of %lld", i, k, (long long)b.counts[k],
                         (long long)want);
        }
    }
    assert_true(all > 10 * N); /* they were not all empty */
}

/* One event a bar: the smallest differences there are. */
static void
neighbours_are_told_apart(void **state)
{
    int64_t edges[AUDIT_EDGES_MAX];
    struct audit_query q = query(0);
    look_at_all(&q);
    for (size_t at = 0; at + 200 < N; at += 997) {
        size_t n = 0;
        for (size_t i = 0; i < 200; i++)
            edges[n++] = kept[at + i].at;
        qsort(edges, n, sizeof *edges, by_time);
        size_t k = 1;
        for (size_t i = 1; i < n; i++)
            if (edges[i] > edges[k - 1])
                edges[k++] = edges[i];
        struct audit_bars b = bars(q, edges, k);
        for (size_t i = 0; i + 1 < k; i++)
            assert_int_equal(b.counts[i], plain_count(edges[i], edges[i + 1]));
    }
}

/* In pieces: what is called whole is, and all pieces together are the whole. */
static int
in_pieces(struct audit_query q)
{
    int64_t edges[AUDIT_EDGES_MAX], sum[AUDIT_EDGES_MAX] = {0};
    size_t n = 0;
    int rounds = 0;
    struct audit_bars b;
    int64_t first = kept[N - 1].at - 6 * USEC_PER_HOUR, span = kept[0].at + USEC_PER_DAY - first;
    size_t most = t.kind == DB_SQLITE ? AUDIT_EDGES_MAX : 40; /* each is looked for on the server */
    for (; n < most; n++)
        edges[n] = first + span / (int64_t)(most - 1) * (int64_t)n;
    look_at_all(&q);
    q.budget_ms = 1;
    do {
        b = bars(q, edges, n);
        for (size_t i = 0; i + 1 < n; i++) {
            int64_t want = plain_count(edges[i], edges[i + 1]);
            sum[i] += b.counts[i];
            assert_true(sum[i] <= want);
            if (b.complete || edges[i] >= b.whole_from)
                assert_int_equal(sum[i], want);
        }
        assert_true(b.complete ? b.next == -1 : b.next >= 0 && b.next != q.after);
        q.after = b.next;
        rounds++;
    } while (!b.complete && rounds < 10000);
    assert_true(b.complete);
    return rounds;
}

static void
a_budget_ends_the_counting_and_it_goes_on(void **state)
{
    struct audit_query plain = query(0), one = query(0), two = query(0), text = query(0);
    one.event = EV_LOGIN_FAIL;
    two.event = EV_LOGIN_FAIL;
    two.client_id = 1;
    text.q = S("report");
    in_pieces(plain);
    in_pieces(one);
    in_pieces(two);
    assert_true(in_pieces(text) > 1); /* thousands of texts take longer than a millisecond */
}

#define ALL                                                                                        \
    {                                                                                              \
        cmocka_unit_test(equals_a_plain_count), cmocka_unit_test(neighbours_are_told_apart),       \
            cmocka_unit_test(a_budget_ends_the_counting_and_it_goes_on)                            \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = ALL;
    int failed = cmocka_run_group_tests_name("sqlite", tests, fill_sqlite, end);
    if (getenv("RECOUNT_TEST_PG") != NULL)
        failed += cmocka_run_group_tests_name("postgres", tests, fill_postgres, end);
    return failed;
}
