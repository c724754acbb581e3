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
#include "bench.h"
#include "run/keys.h"

#define WORKSPACES 4
#define MONTHS     3
#define BATCH      5000

static const char *const firsts[] = {"Alice", "Bert", "Carla", "Dmitri", "Elif", "Farid", "Grete"};
static const char *const lasts[] = {"Archer", "Bright",  "Costa", "Dahl",
                                    "Engel",  "Fischer", "Gomez"};

static enum err
put_event(struct cx *cx)
{
    uint64_t n = rand_u64();
    struct arena *a = cx->arena;
    const char *first = firsts[n % 7], *last = lasts[n / 7 % 7];
    cx->actor.name = arena_fmt(a, "%s %s", first, last);
    cx->actor.email =
        arena_fmt(a, "%s.%s%llu@example.org", first, last, (unsigned long long)(n % 97));
    cx->actor.cuid = arena_fmt(a, "cuser%020llu", (unsigned long long)(n % 4001));
    cx->address = arena_fmt(a, "203.0.%llu.%llu", (unsigned long long)(n % 200),
                            (unsigned long long)(n / 200 % 250));
    cx->user_agent = S("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                       "Chrome/126.0.0.0 Safari/537.36");
    struct audit_change c = {S("e-mail"),
                             arena_fmt(a, "old%llu@example.org", (unsigned long long)(n % 9973)),
                             cx->actor.email};
    bool change = n % 3 == 0;
    struct audit_entry e = {
        .event = change ? EV_USER_UPDATED : EV_LOGIN_SUCCESS,
        .target_kind = S("user"),
        .target_id = arena_fmt(a, "cuser%020llu", (unsigned long long)(n / 4001 % 4001)),
        .target_name = arena_fmt(a, "%s %s", firsts[n / 49 % 7], lasts[n / 343 % 7]),
        .client_id = (int64_t)(n % 11),
        .text = change ? arena_fmt(a, "%s %s changed the e-mail address of user %llu", first, last,
                                   (unsigned long long)(n % 4001))
                       : arena_fmt(a, "%s %s signed in", first, last),
        .changes = &c,
        .n_changes = change ? 1 : 0};
    return audit_record(cx, &e, NULL);
}

static enum err
put_batch(struct cx *cx, void *arg)
{
    (void)arg;
    for (int i = 0; i < BATCH; i++) {
        cx->tenant.id = (int64_t)(rand_u64() % WORKSPACES);
        TRY(put_event(cx));
    }
    return OK;
}

static void
fill(struct bench *b, int64_t events)
{
    struct arena *a = arena_create("fill", (size_t)1 << 30);
    int64_t since = month_start(clock_now(), -MONTHS);
    for (int m = 0; m < MONTHS; m++) {
        b->app.simulated_now = month_start(since, m) + USEC_PER_DAY;
        for (int64_t done = 0; done < events / MONTHS; done += BATCH) {
            struct cx cx = bench_cx(b, a, 0);
            b->app.simulated_now += USEC_PER_SEC;
            MUST(cx_write(&cx, put_batch, NULL));
            arena_reset(a);
            MUST(audit_move_now(&b->app));
        }
    }
    arena_free(a);
}

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
    figure(deep ? "verify --deep, a core" : "verify, a core", best, "/s",
           "bare SHA-256 of the tree", best / bare, deep ? ">= 100000 /s" : ">= 300000 /s");
    figure(deep ? "verify --deep, by the clock" : "verify, by the clock", wall, "/s", NULL, 0,
           NULL);
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
    printf("# %lld events, %d workspaces, %d months, %s\n", (long long)events, WORKSPACES, MONTHS,
           on_pg ? "PostgreSQL" : "SQLite");
    fill(&b, events);
    int64_t hashing = bare_hashing(events);
    measure(&b, false, rounds, hashing);
    measure(&b, true, rounds, hashing);
    bench_close(&b);
    return 0;
}
