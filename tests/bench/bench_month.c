/* How long writers wait while a month leaves the log.
 *
 *     bench_month [--events 200000] [--recorded N] [--writers 4] [--seconds 5] [--dir /tmp] [--pg URL] [--only sqlite|postgres]
 *
 * A month is filled with so many events, five others with a few; then writers record one event a
 * transaction, each a little after the other, the mover moves, and the first month is dropped among them.
 * On PostgreSQL only --recorded of the events are recorded and the others are copies of their rows, as ten
 * million take half an hour there otherwise; the drop asks for none of them. Every write is timed, those before the drop beside those during it. On PostgreSQL as well when a URL is
 * given (--pg or RECOUNT_TEST_PG). */
#include <pthread.h>

#include "bench.h"

#define PER_WRITE 200  /* events of a transaction while filling */
#define PAUSE_US  2000 /* of a writer between two writes */
#define LONG_US   30e3 /* a write that took so long is told with its moment */
#define ARENA     ((size_t)64 << 20)

enum phase { PHASE_BEFORE, PHASE_DROP, PHASES };

struct writer {
    struct bench *b;
    pthread_t thread;
    struct samples took[PHASES];
};

static atomic_int phase;
static double drop_from; /* now_us() when the drop began */
static atomic_bool stop;

static enum err
record_some(struct cx *cx, void *arg)
{
    const int *n = arg;
    for (int i = 0; i < *n; i++) {
        struct audit_change c = {S("description"), S("the scope as it was"),
                                 arena_fmt(cx->arena, "ticket ENG-%d", i)};
        struct audit_entry e = {.event = EV_AUDIT_EXPORTED,
                                .target_kind = S("client"),
                                .target_id = S("cclient000000000000000001"),
                                .target_name = S("Northwind 17"),
                                .text = S("Alice Archer changed the client Northwind 17"),
                                .changes = &c,
                                .n_changes = 1};
        TRY(audit_record(cx, &e, NULL));
    }
    return OK;
}

static void
write_events(struct bench *b, int n)
{
    struct arena *a = arena_create("bench.write", ARENA);
    struct cx cx = bench_cx(b, a, 0);
    MUST(cx_write(&cx, record_some, &n));
    arena_free(a);
}

static void
fill(struct bench *b, int month, int64_t events)
{
    b->app.simulated_now = month_start(clock_now(), month) + USEC_PER_DAY;
    for (int64_t n = 0; n < events; n += PER_WRITE) {
        write_events(b, (int)(events - n < PER_WRITE ? events - n : PER_WRITE));
        if (n % 10000 == 0)
            MUST(mover_drain(b->app.audit));
    }
    MUST(audit_move_now(&b->app));
}

/* Copies of the rows that were recorded, under other indices. */
static void
multiply(struct bench *b, int month, int64_t recorded, int64_t events)
{
    static const struct {
        const char *table, *before, *behind; /* the columns around idx */
    } copies[] = {{"audit_event", "month, tenant_id, epoch",
                   ", cuid, type, outcome, at, logged, client_id, public, leaf"},
                  {"audit_personal", "month, tenant_id, epoch", ", salt, personal"},
                  {"audit_party", "month, tenant_id, epoch, user_id", ""}};
    int32_t at = month_ordinal(month_start(clock_now(), month));
    for (int64_t n = recorded; n < events; n += recorded)
        for (int i = 0; i < 3; i++) {
            struct str name = partition_name(b->a, copies[i].table, at);
            struct str text = arena_fmt(
                b->a, "INSERT INTO %.*s SELECT %s, idx + %lld%s FROM %.*s WHERE idx < %lld",
                STR_ARG(name), copies[i].before, (long long)n, copies[i].behind, STR_ARG(name),
                (long long)(events - n < recorded ? events - n : recorded));
            MUST(db_utility(b->app.db, text.p));
        }
}

static void *
writer_main(void *arg)
{
    struct writer *w = arg;
    while (!atomic_load(&stop)) {
        int now = atomic_load(&phase);
        double from = now_us();
        write_events(w->b, 1);
        double took = now_us() - from;
        samples_add(&w->took[now], took);
        if (now == PHASE_DROP && took >= LONG_US)
            printf("# a write of %.1f ms, %.2f s into the month end\n", took / 1e3,
                   (from - drop_from) / 1e6);
        usleep(PAUSE_US);
    }
    return NULL;
}

static void *
mover_thread(void *arg)
{
    struct bench *b = arg;
    while (!atomic_load(&stop)) {
        enum err e = mover_drain(b->app.audit);
        if (e != OK && e != ERR_CONFLICT)
            DIE("mover: %s", err_name(e));
        usleep(10000);
    }
    return NULL;
}

static void
report(const char *store, struct writer *w, int n, double drop_us)
{
    static const char *const names[] = {"before", "during the drop of a month"};
    for (int p = 0; p < PHASES; p++) {
        struct samples all = {0};
        for (int i = 0; i < n; i++)
            for (size_t k = 0; k < w[i].took[p].n; k++)
                samples_add(&all, w[i].took[p].v[k]);
        char name[128];
        snprintf(name, sizeof name, "%s: a write %s, median", store, names[p]);
        figure(name, samples_at(&all, 0.5) / 1e3, "ms", "", 0, NULL);
        snprintf(name, sizeof name, "%s: a write %s, p99", store, names[p]);
        figure(name, samples_at(&all, 0.99) / 1e3, "ms", "", 0, NULL);
        snprintf(name, sizeof name, "%s: a write %s, longest", store, names[p]);
        figure(name, samples_at(&all, 1.0) / 1e3, "ms", "", 0, p == PHASE_DROP ? "<= 50" : NULL);
        printf("# %zu writes\n", all.n);
        free(all.v);
    }
    char name[128];
    snprintf(name, sizeof name, "%s: the whole month end", store);
    figure(name, drop_us / 1e6, "s", "", 0, NULL);
}

static void
measure(const char *dir, const char *url, int64_t events, int64_t recorded, int writers,
        int64_t seconds)
{
    struct bench b;
    struct writer w[64] = {0};
    pthread_t mover;
    bench_open(&b, dir, url, 8, writers + 2);
    double from = now_us();
    fill(&b, -5, recorded);
    if (recorded < events)
        multiply(&b, -5, recorded, events);
    for (int m = -4; m <= 0; m++)
        fill(&b, m, 1000);
    printf("# %s: %lld events filled in %.0f s\n", url ? "PostgreSQL" : "SQLite", (long long)events,
           (now_us() - from) / 1e6);
    b.app.simulated_now = 0;
    atomic_store(&stop, false);
    atomic_store(&phase, PHASE_BEFORE);
    for (int i = 0; i < writers; i++) {
        w[i].b = &b;
        if (pthread_create(&w[i].thread, NULL, writer_main, &w[i]) != 0)
            DIE("no thread");
    }
    if (pthread_create(&mover, NULL, mover_thread, &b) != 0)
        DIE("no thread");
    sleep((unsigned)seconds);
    drop_from = from = now_us();
    atomic_store(&phase, PHASE_DROP);
    month_check(b.app.audit);
    double took = now_us() - from;
    sleep(1); /* the file system's own work behind it counts as well */
    atomic_store(&stop, true);
    for (int i = 0; i < writers; i++)
        pthread_join(w[i].thread, NULL);
    pthread_join(mover, NULL);
    int32_t *months = NULL;
    size_t n = 0;
    MUST(segment_months(b.app.audit, b.a, &months, &n));
    if (n != 5)
        DIE("%zu months are left: nothing was dropped", n);
    report(url ? "PostgreSQL" : "SQLite", w, writers, took);
    bench_close(&b);
}

int
main(int argc, char **argv)
{
    int64_t events = option_int(argc, argv, "events", 200000);
    int writers = (int)option_int(argc, argv, "writers", 4);
    int64_t seconds = option_int(argc, argv, "seconds", 5);
    int64_t recorded = option_int(argc, argv, "recorded", events);
    const char *dir = option(argc, argv, "dir", "/tmp");
    struct str only = str_of(option(argc, argv, "only", ""));
    const char *url = option(argc, argv, "pg", getenv("RECOUNT_TEST_PG"));
    if (writers < 1 || writers > 64)
        DIE("--writers wants 1 to 64");
    if (recorded < 1 || recorded > events)
        DIE("--recorded wants 1 to --events");
    if (!str_eq(only, S("postgres")))
        measure(dir, NULL, events, events, writers, seconds);
    if (url != NULL && !str_eq(only, S("sqlite")))
        measure(dir, url, events, recorded, writers, seconds);
    return 0;
}
