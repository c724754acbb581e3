/* Search finds what a plain scan of every document finds, whatever the mix of chunks, merged
 * chunks, unindexed tail, months, filters, directions and terms. */
#define N       15000 /* 9,000 in a closed month: three chunks, merged; 3,000 behind the index */
#define CLOSED  9000
#define SEED    42
#define QUERIES 150

#include "brute.h"

static const char *const words[] = {"Report", "finding", "Straße",        "ПАРОЛЬ",   "naïve",
                                    "Ωmega",  "日本語",  "sql-injection", "10.1.2.3", "x",
                                    "=1+1",   "a\"b",    "lockout",       "ÉCOLE",    "…"};
#define WORDS (sizeof words / sizeof words[0])

static struct str
sentence(void)
{
    struct buf *b = buf_in(t.a, 4096);
    for (uint64_t i = 0, n = 1 + next_random(5); i < n; i++)
        buf_fmt(b, "%s%s", i ? " " : "", words[next_random(WORDS)]);
    if (next_random(50) == 0)
        buf_fmt(b, " rare%llu", (unsigned long long)next_random(1000));
    return buf_view(b);
}

static void
put_random(struct cx *cx, int i)
{
    struct audit_change change = {S("severity"), sentence(), sentence()};
    struct audit_entry e = {
        .event = next_random(3) ? EV_USER_UPDATED : EV_LOGIN_FAIL,
        .outcome = (enum outcome)next_random(3),
        .text = sentence(),
        .target_kind = S("user"),
        .target_id = arena_fmt(t.a, "ctarget%018llu", (unsigned long long)next_random(40)),
        .target_name = sentence(),
        .client_id = (int64_t)next_random(4),
        .private_detail = S("hidden-detail"),
        .changes = &change,
        .n_changes = next_random(4) == 0};
    cx->now = app_now(&t.app) + i;
    enum err r = audit_record(cx, &e, NULL);
    if (r != OK)
        fail_msg("record: %s", err_name(r));
}

struct span {
    int from, n;
};

static enum err
put_many(struct cx *cx, void *arg)
{
    struct span *s = arg;
    for (int i = s->from; i < s->from + s->n; i++)
        put_random(cx, i);
    return OK;
}

static int
fill_store(void)
{
    for (int part = 0; part < 3; part++) { /* two months, the last part left out of the index */
        struct cx cx = context(0);
        static const struct span parts[] = {{0, CLOSED}, {CLOSED, 3000}, {12000, 3000}};
        struct span s = parts[part];
        t.app.simulated_now = part == 0 ? DAY0 : month_start(DAY0, 1) + part * USEC_PER_DAY;
        if (cx_write(&cx, put_many, &s) != OK)
            return -1;
        if (part < 2 ? audit_move_now(&t.app) != OK : mover_drain(t.app.audit) != OK)
            return -1;
    }
    read_all(true);
    return 0;
}

static int
fill_sqlite(void **state)
{
    return begin_sqlite(state) != 0 ? -1 : fill_store();
}

static int
fill_postgres(void **state)
{
    return begin_postgres(state) != 0 ? -1 : fill_store();
}

/* All pages of the query are the brute-force result, in order. */
static void
compare(struct audit_query q)
{
    struct search s;
    assert_int_equal(search_parse(t.a, q.q, &s), OK);
    size_t i = 0;
    struct audit_page p;
    do {
        p = list(q);
        assert_true(p.complete);
        for (size_t k = 0; k < p.n; k++, i++) {
            while (i < N && !brute(&q, &s, q.ascending ? i : N - 1 - i))
                i++;
            if (i == N)
                fail_msg("found too much for '%.*s'", STR_ARG(q.q));
            if (p.events[k].index != kept[q.ascending ? i : N - 1 - i].index)
                fail_msg("'%.*s': %lld instead of %lld", STR_ARG(q.q), (long long)p.events[k].index,
                         (long long)kept[q.ascending ? i : N - 1 - i].index);
        }
        q.after = p.next;
    } while (p.more);
    for (; i < N; i++)
        if (brute(&q, &s, q.ascending ? i : N - 1 - i))
            fail_msg("not found for '%.*s'", STR_ARG(q.q));
}

static struct audit_query
plain(struct str text)
{
    struct audit_query q = query(0);
    q.q = text;
    q.limit = 1000;
    return q;
}

/* A piece of a document, in any case, of 1 to 12 characters. */
static struct str
piece(void)
{
    struct str d = docs[next_random(N)];
    size_t at = next_random(d.n), end = at;
    while (at > 0 && ((uint8_t)d.p[at] & 0xc0) == 0x80)
        at--;
    end = at;
    for (uint64_t n = 1 + next_random(12); n > 0 && end < d.n && d.p[end] != 0x1f; n--)
        (void)utf8_next(d, &end);
    struct buf *b = buf_in(t.a, 256);
    buf_char(b, '"');
    for (size_t i = at; i < end; i++)
        if (d.p[i] != '"' && d.p[i] != 0x1f)
            buf_char(b, next_random(2) && d.p[i] >= 'a' && d.p[i] <= 'z' ? (char)(d.p[i] - 32)
                                                                         : d.p[i]);
    buf_char(b, '"');
    return buf_view(b);
}

static void
equals_a_plain_scan(void **state)
{
    static const char *const fixed[] = {"",
                                        "password",
                                        "rare",
                                        "rare1",
                                        "STRASSE",
                                        "straße",
                                        "пароль",
                                        "Пароль naïve",
                                        "日本語",
                                        "日",
                                        "本語",
                                        "x",
                                        "=1",
                                        "a\"b",
                                        "\"sql-injection\"",
                                        "\"report finding\"",
                                        "école lockout",
                                        "nothinglikethis",
                                        "alice ARCHER",
                                        "(alice@example.org)",
                                        "user changed",
                                        "userupdated",
                                        "signin",
                                        "sign-in failed",
                                        "hidden-detail",
                                        "Browser/1.0",
                                        "203.0.113.9",
                                        "…",
                                        "  ",
                                        "\"\"",
                                        "ctarget000000000000000007",
                                        "a b c d e",
                                        "zq",
                                        "\"x lockout"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        compare(plain(str_of(fixed[i])));
    assert_int_equal(list(plain(S("hidden-detail"))).n, 0);
    assert_int_equal(list(plain(S("Browser/1.0"))).n, 0);
    assert_true(list(plain(S("пароль"))).n > 100);
}

static void
equals_a_plain_scan_at_random(void **state)
{
    for (int i = 0; i < QUERIES; i++) {
        struct str a = piece(), b = next_random(2) ? piece() : STR_NULL;
        struct audit_query q = plain(arena_fmt(t.a, "%.*s %.*s", STR_ARG(a), STR_ARG(b)));
        q.ascending = next_random(2);
        q.limit = 1 + (int)next_random(1000);
        if (q.limit < 50)
            q.limit = 300;
        if (next_random(4) == 0)
            q.event = EV_LOGIN_FAIL;
        if (next_random(4) == 0)
            q.outcome = (int)next_random(3);
        if (next_random(4) == 0)
            q.client_id = 1 + (int64_t)next_random(3);
        if (next_random(4) == 0)
            q.user = arena_fmt(t.a, "ctarget%018llu", (unsigned long long)next_random(40));
        if (next_random(3) == 0)
            q.from = kept[next_random(N)].at;
        if (next_random(3) == 0)
            q.to = kept[next_random(N)].at;
        compare(q);
    }
}

static void
a_budget_ends_the_scan_and_it_goes_on(void **state)
{
    struct audit_query q = plain(S("rare"));
    struct audit_page p;
    size_t want = 0, got = 0, rounds = 0;
    struct search s;
    assert_int_equal(search_parse(t.a, q.q, &s), OK);
    for (size_t i = 0; i < N; i++)
        want += search_match(&s, docs[i]);
    q.budget_ms = 1;
    do {
        p = list(q);
        got += p.n;
        if (!p.complete)
            assert_true(p.scanned_to > 0 && p.next >= 0 && p.next != q.after);
        q.after = p.next;
    } while (p.more && ++rounds < 10000);
    assert_int_equal(got, want);
}

/* What a search in the closed month fetched of it, in rows of its events; PostgreSQL counts them. */
struct fetched {
    struct audit_query q;
    struct audit_page p;
    int64_t rows;
};

static enum err
search_and_count(struct db_tx *tx, void *arg)
{
    static const struct sql count =
        SQL_READ2("SELECT 0", "SELECT coalesce(sum(idx_tup_fetch), 0)::bigint FROM"
                              " pg_stat_xact_user_tables WHERE relname LIKE 'audit_event_%'");
    struct fetched *f = arg;
    struct cx cx = context(0);
    int64_t before = 0;
    cx.tx = tx;
    TRY(db_query_int(tx, &count, NO_ARGS, &before));
    TRY(audit_list(&cx, &f->q, &f->p));
    TRY(db_query_int(tx, &count, NO_ARGS, &f->rows));
    f->rows -= before;
    return OK;
}

static void
candidates_are_looked_up_and_nothing_else(void **state)
{
    struct fetched f = {.q = plain(S("rare1"))};
    f.q.from = kept[0].at;
    f.q.to = kept[CLOSED - 1].at;
    f.q.limit = 1000;
    assert_int_equal(db_read(t.app.db, t.a, search_and_count, &f), OK);
    assert_true(f.p.n >= 5);
    assert_true(f.rows >= (int64_t)f.p.n);
    assert_true(f.rows < (int64_t)f.p.n + 500); /* and those that tell where the dates lie */
}

/* As it was read before the indexer merged it with others: its lists are no longer there. */
static enum err
ask_a_merged_chunk(struct db_tx *tx, void *unused)
{
    static const char *const texts[] = {"nothinglikethis", "rare", "x", "é"};
    struct region *g = NULL;
    size_t n = 0;
    (void)unused;
    TRY(regions_of(t.app.audit, tx, t.a, 0, &g, &n));
    assert_int_equal(n, 2);
    assert_true(g[1].r.next == CLOSED);
    for (size_t i = 0; i < 2 * sizeof texts / sizeof texts[0]; i++) {
        struct search s;
        struct chunk c = {.level = 0, .chunk = 1, .lo = 4096, .hi = 8192}, *next = &c;
        enum chunk_way way = CHUNK_SKIP;
        int64_t *picks = NULL;
        TRY(search_parse(t.a, str_of(texts[i / 2]), &s));
        if (i % 2)
            TRY(search_ahead(tx, t.a, &s, &g[1], &next, 1));
        TRY(search_chunk(tx, t.a, &s, &g[1], &c, &way, &picks, &n));
        assert_int_equal(way, CHUNK_SCAN);
    }
    return OK;
}

static void
a_chunk_merged_meanwhile_is_scanned(void **state)
{
    (void)state;
    assert_int_equal(db_read(t.app.db, t.a, ask_a_merged_chunk, NULL), OK);
}

static void
bad_queries_are_refused(void **state)
{
    struct cx cx = context(0);
    struct audit_page p;
    struct audit_query q = plain(S("a b c d e f g h i j k l m n o p q"));
    assert_int_equal(audit_list(&cx, &q, &p), ERR_INVALID);
    cx = context(0);
    q.q = S("\xff\xfe");
    assert_int_equal(audit_list(&cx, &q, &p), ERR_INVALID);
}

#define ALL                                                                                        \
    cmocka_unit_test(equals_a_plain_scan), cmocka_unit_test(equals_a_plain_scan_at_random),        \
        cmocka_unit_test(a_budget_ends_the_scan_and_it_goes_on),                                   \
        cmocka_unit_test(bad_queries_are_refused)

int
main(void)
{
    const struct CMUnitTest sqlite[] = {ALL};
    const struct CMUnitTest postgres[] = {
        ALL, cmocka_unit_test(candidates_are_looked_up_and_nothing_else),
        cmocka_unit_test(a_chunk_merged_meanwhile_is_scanned)};
    int failed = cmocka_run_group_tests_name("sqlite", sqlite, fill_sqlite, end);
    if (getenv("RECOUNT_TEST_PG") != NULL)
        failed += cmocka_run_group_tests_name("postgres", postgres, fill_postgres, end);
    return failed;
}
