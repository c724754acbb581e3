/* What counting for the bars costs, at the size of a busy year.
 *
 *     bench_histogram [--events 10000000] [--calls 40] [--dir /tmp] [--pg URL] [--only sqlite|postgres]
 *
 * One month holds so many events of one workspace, spread evenly over its days. The rows are written by the
 * store itself, without texts and without a tree: what is counted here asks for neither. (A text is looked for as
 * bench_search measures it, until the budget is spent.) A call counts 31 or 200 bars over the month. */
#include "bench.h"

#define LITE_EVENTS                                                                                \
    "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < %lld) INSERT"   \
    " INTO audit_event SELECT 0, 0, i, 'c' || i, 1 + i %% 20, i * 7 %% 10 / 8, %lld + i * %lld,"   \
    " %lld + i * %lld + 2000, i %% 400, zeroblob(160), zeroblob(32) FROM s"
#define LITE_PARTIES                                                                               \
    "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < %lld) INSERT"   \
    " INTO audit_party SELECT 0, 0, 'cuser' || (i %% 50), i FROM s"
#define PG_EVENTS                                                                                   \
    "INSERT INTO %.*s SELECT %d, 0, 0, i, 'c' || i, 1 + i %% 20, i * 7 %% 10 / 8, %lld + i * %lld," \
    " %lld + i * %lld + 2000, i %% 400, decode(repeat('00', 160), 'hex'),"                          \
    " decode(repeat('00', 32), 'hex') FROM generate_series(1::bigint, %lld) i"
#define PG_PARTIES                                                                                 \
    "INSERT INTO %.*s SELECT %d, 0, 0, 'cuser' || (i %% 50), i FROM generate_series(1::bigint, %lld) i"
#define RANGED                                                                                     \
    "UPDATE audit_range SET next = %lld, last_logged = %lld, min_lag = 1000, max_lag = 3000000,"   \
    " edge = %.*s WHERE tenant_id = 0"

#define SIZED                                                                                      \
    "UPDATE audit_log SET size = %lld, last_logged = %lld, edge = %.*s WHERE tenant_id = 0"

struct filled {
    int32_t month;
    int64_t events, from, step; /* µs */
};

static enum err
run_script(struct db_tx *tx, void *text)
{
    return db_script(tx, text);
}

static enum err
record_one(struct cx *cx, void *arg)
{
    struct audit_entry e = {
        .event = EV_AUDIT_EXPORTED, .target_kind = S("audit"), .text = S("The first one")};
    (void)arg;
    return audit_record(cx, &e, NULL);
}

static void
run_text(struct bench *b, struct db *db, struct str text)
{
    MUST(db_write(db, b->a, run_script, (void *)(uintptr_t)text.p));
}

static void
fill(struct bench *b, struct filled *f)
{
    struct cx cx = bench_cx(b, b->a, 0);
    long long n = f->events, at = f->from, step = f->step, last = at + n * step + 2000;
    struct str why = STR_NULL;
    int edge_bytes =
        32 * __builtin_popcountll((unsigned long long)n); /* a root of each perfect subtree */
    struct str edge = b->kind == DB_SQLITE
                          ? arena_fmt(b->a, "zeroblob(%d)", edge_bytes)
                          : arena_fmt(b->a, "decode(repeat('00', %d), 'hex')", edge_bytes);
    b->app.simulated_now = cx.now = f->from;
    MUST(cx_write(&cx, record_one, NULL));
    MUST(audit_move_now(&b->app));
    db_set_commit_check(b->app.db, NULL);
    if (b->kind == DB_SQLITE) {
        struct segment *s = segment_pin(b->app.audit, f->month);
        run_text(b, s->db, arena_fmt(b->a, LITE_EVENTS, n, at, step, at, step));
        run_text(b, s->db, arena_fmt(b->a, LITE_PARTIES, n));
        run_text(b, s->db, arena_fmt(b->a, RANGED, n, last, STR_ARG(edge)));
        segment_unpin(b->app.audit, s);
    } else {
        struct str event = partition_name(b->a, "audit_event", f->month);
        struct str party = partition_name(b->a, "audit_party", f->month);
        run_text(
            b, b->app.db,
            arena_fmt(b->a, PG_EVENTS, STR_ARG(event), (int)f->month, at, step, at, step, n - 1));
        run_text(b, b->app.db, arena_fmt(b->a, PG_PARTIES, STR_ARG(party), (int)f->month, n - 1));
        run_text(b, b->app.db, arena_fmt(b->a, RANGED, n, last, STR_ARG(edge)));
        run_text(b, b->app.db, arena_fmt(b->a, SIZED, n, last, STR_ARG(edge)));
        enum err e;
        while ((e = db_utility(b->app.db, "VACUUM ANALYZE")) == ERR_CONFLICT)
            usleep(200000); /* the store's own vacuum is at work */
        MUST(e);
    }
    audit_close(&b->app);
    struct audit_options o = {.dir = str_of(b->dir), .readers = 4};
    if (audit_open(&b->app, &o, &why) != OK)
        DIE("the log: %.*s", STR_ARG(why));
    b->app.simulated_now = month_ordinal_start(f->month + 1) - 1;
}

static int64_t
count_once(struct bench *b, const struct filled *f, struct audit_query q, size_t bars,
           bool *complete)
{
    int64_t edges[AUDIT_EDGES_MAX], n = 0;
    struct arena *a = arena_create("count", (size_t)64 << 20);
    struct cx cx = bench_cx(b, a, 0);
    struct audit_bars out = {0};
    for (size_t i = 0; i <= bars; i++)
        edges[i] = f->from + f->events / (int64_t)bars * (int64_t)i * f->step;
    MUST(audit_histogram(&cx, &q, edges, bars + 1, &out));
    for (size_t i = 0; i < bars; i++)
        n += out.counts[i];
    *complete = out.complete;
    arena_free(a);
    return n;
}

static void
time_it(struct bench *b, const struct filled *f, const char *what, struct audit_query q,
        size_t bars, int64_t calls)
{
    struct samples took = {0};
    bool complete = false;
    char name[160];
    int64_t n = count_once(b, f, q, bars, &complete); /* what is read is in memory then */
    for (int64_t i = 0; i < calls; i++) {
        double from = now_us();
        n = count_once(b, f, q, bars, &complete);
        samples_add(&took, now_us() - from);
    }
    snprintf(name, sizeof name, "%s, %zu bars, %s: median",
             b->kind == DB_SQLITE ? "SQLite" : "PostgreSQL", bars, what);
    figure(name, samples_at(&took, 0.5) / 1e3, "ms", "", 0, NULL);
    printf("# longest %.1f ms; %lld events, %s\n", samples_at(&took, 1.0) / 1e3, (long long)n,
           complete ? "all of them" : "at least");
    free(took.v);
}

static void
measure(const char *dir, const char *url, int64_t events, int64_t calls)
{
    struct bench b;
    struct audit_query any = {.outcome = -1, .after = -1, .before = -1, .limit = 1};
    bench_open(&b, dir, url, 4, 2);
    struct filled f = {.month = month_ordinal(clock_now()) - 1, .events = events};
    f.from = month_ordinal_start(f.month) + USEC_PER_SEC;
    f.step = (month_ordinal_start(f.month + 1) - f.from - USEC_PER_MIN) / events;
    double began = now_us();
    fill(&b, &f);
    printf("# %s: %lld events written in %.0f s\n", url ? "PostgreSQL" : "SQLite",
           (long long)events, (now_us() - began) / 1e6);
    struct audit_query type = any, user = any, fail = any, two = any, good = any;
    type.event = EV_LOGIN_FAIL;
    user.user = S("cuser7");
    fail.outcome = OUTCOME_FAILURE;
    good.outcome = OUTCOME_SUCCESS;
    two.event = EV_LOGIN_FAIL;
    two.client_id = 3;
    time_it(&b, &f, "no filter", any, 31, calls);
    time_it(&b, &f, "no filter", any, 200, calls);
    time_it(&b, &f, "an event's kind", type, 31, calls);
    time_it(&b, &f, "a user", user, 31, calls);
    time_it(&b, &f, "failures", fail, 31, calls);
    time_it(&b, &f, "successes", good, 31, calls);
    time_it(&b, &f, "kind and client", two, 31, calls);
    if (count_once(&b, &f, any, 31, &(bool){false}) < events / 2)
        DIE("the events are not found");
    bench_close(&b);
}

int
main(int argc, char **argv)
{
    int64_t events = option_int(argc, argv, "events", 10000000);
    int64_t calls = option_int(argc, argv, "calls", 40);
    const char *dir = option(argc, argv, "dir", "/tmp");
    struct str only = str_of(option(argc, argv, "only", ""));
    const char *url = option(argc, argv, "pg", getenv("RECOUNT_TEST_PG"));
    if (events < 1000 || calls < 1)
        DIE("--events wants 1000 or more, --calls 1 or more");
    if (!str_eq(only, S("postgres")))
        measure(dir, NULL, events, calls);
    if (url != NULL && !str_eq(only, S("sqlite")))
        measure(dir, url, events, calls);
    return 0;
}
