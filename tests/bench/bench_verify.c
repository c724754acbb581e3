/* How fast the log is verified, on one core: fast and deep, over events as they are in real life.
 *
 *   --events N   (300000), three months, four workspaces
 *   --rounds N   (3): the best processor time of so many runs
 *   --dir DIR    where the store is made (/tmp)
 *   --store postgres   on RECOUNT_TEST_PG instead of SQLite
 *
 * Rates are events per second of processor time of this process (others use the machine; PostgreSQL's own
 * processes are not in it, so there wall time is told, too). Beside it: bare SHA-256 over the same number of
 * leaves and nodes, which no verifier can do without. */
#include <string.h>
#include <sys/resource.h>

#include "audit/verify.h"
#include "bench_fill.h"
#include "run/keys.h"

static void
tell(void *arg, const struct verify_finding *f)
{
    (void)arg;
    DIE("%.*s, event %lld: %.*s", STR_ARG(f->origin), (long long)f->index, STR_ARG(f->what));
}

static void
measure(struct bench *b, bool deep, int rounds, int64_t hashing)
{
    double best = 0, wall = 0;
    struct verify_result res = {0};
    for (int i = 0; i < rounds; i++) {
        struct arena *a = arena_create("verify", (size_t)1 << 30);
        struct cx cx = bench_cx(b, a, 0);
        struct verify_options o = {.deep = deep, .tell = tell};
        long long cpu = cpu_us(RUSAGE_SELF);
        double t = now_us();
        MUST(audit_verify(&cx, &o, &res));
        double rate = (double)res.events / (double)(cpu_us(RUSAGE_SELF) - cpu) * 1e6;
        double walled = (double)res.events / (now_us() - t) * 1e6;
        best = rate > best ? rate : best;
        wall = walled > wall ? walled : wall;
        arena_free(a);
    }
    double bare = (double)res.events / (double)hashing * 1e6;
    const char *name = deep ? "verify --deep" : "verify",
               *goal = deep ? ">= 100000 /s" : ">= 300000 /s";
    char text[80];
    bool lite = b->kind == DB_SQLITE; /* PostgreSQL's own processes are not in our processor time */
    snprintf(text, sizeof text, "%s, %s", name, lite ? "a core" : "own processor time, PostgreSQL");
    figure(text, best, "/s", "bare SHA-256 of the tree", best / bare, goal);
    snprintf(text, sizeof text, "%s, by the clock, %s", name, lite ? "SQLite" : "PostgreSQL");
    figure(text, wall, "/s", "bare SHA-256 of the tree", wall / bare, NULL);
}

/* A leaf hash and an inner node an event. */
static int64_t
bare_hashing(int64_t events)
{
    struct tree_edge edge = {0};
    struct sha256 entry = {{1}};
    long long cpu = cpu_us(RUSAGE_SELF);
    for (int64_t i = 0; i < events; i++) {
        struct sha256 h = tree_leaf_hash(sha256_str(&entry));
        MUST(tree_edge_push(&edge, &h, NULL, NULL));
    }
    return cpu_us(RUSAGE_SELF) - cpu;
}

int
main(int argc, char **argv)
{
    struct bench b;
    int64_t events = option_int(argc, argv, "events", 300000);
    int rounds = (int)option_int(argc, argv, "rounds", 3);
    bool on_pg = str_eq(str_of(option(argc, argv, "store", "sqlite")), S("postgres"));
    struct str why = STR_NULL;
    char keys[300];
    bench_open(&b, option(argc, argv, "dir", "/tmp"), on_pg ? getenv("RECOUNT_TEST_PG") : NULL, 4,
               4);
    snprintf(keys, sizeof keys, "%s/keys", b.dir);
    b.app.instance = S("cbenchinstance00000000001");
    MUST(keys_open(b.a, str_of(keys), true, &b.app.keys, &why));
    MUST(audit_heads_open(&b.app, false, &why));
    printf("# %lld events, %d workspaces, %d months, %s\n", (long long)events, FILL_WORKSPACES,
           FILL_MONTHS, on_pg ? "PostgreSQL" : "SQLite");
    fill_months(&b, events);
    int64_t hashing = bare_hashing(events);
    measure(&b, false, rounds, hashing);
    measure(&b, true, rounds, hashing);
    bench_close(&b);
    return 0;
}
