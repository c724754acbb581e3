/* What the Merkle tree costs those who write: 64 writers with the tree and without it, in turn, on both stores.
 * Without: the linker's --wrap (meson.build) puts this file's tree_leaf_hash() and tree_edge_push() in the place
 * of the tree's own for the mover, which then hashes no nodes and stores none; all else goes on as ever. The
 * product itself has no way to switch its tree off.
 *
 *     bench_tree [--rounds 5] [--ms 400] [--dir /tmp]
 *
 * The ratio is taken over the rate until the mover has moved the last event: the writers alone hardly notice the tree. */
#include "bench_crowd.h"

#define ROUNDS_MAX 64

static atomic_bool treeless;

struct sha256 __real_tree_leaf_hash(struct str entry);
struct sha256 __wrap_tree_leaf_hash(struct str entry);
enum err __real_tree_edge_push(struct tree_edge *e, const struct sha256 *leaf, tree_keep keep,
                               void *arg);
enum err __wrap_tree_edge_push(struct tree_edge *e, const struct sha256 *leaf, tree_keep keep,
                               void *arg);

struct sha256
__wrap_tree_leaf_hash(struct str entry)
{
    return atomic_load(&treeless) ? (struct sha256){{0}} : __real_tree_leaf_hash(entry);
}

enum err
__wrap_tree_edge_push(struct tree_edge *e, const struct sha256 *leaf, tree_keep keep, void *arg)
{
    if (!atomic_load(&treeless))
        return __real_tree_edge_push(e, leaf, keep, arg);
    e->size++;
    e->n = (unsigned)__builtin_popcountll((unsigned long long)e->size); /* hashes of nothing */
    return OK;
}

static void
store(const char *name, const char *dir, const char *url, int rounds, int ms)
{
    struct bench b;
    double with[ROUNDS_MAX], without[ROUNDS_MAX], ratio[ROUNDS_MAX];
    struct crowd_round sum[2] = {0};
    char text[96];
    bench_open(&b, dir, url, 4, WRITERS);
    audit_start(&b.app);
    (void)crowd_run(&b, WRITERS, ms / 2); /* the month's first batch, warm caches */
    for (int i = 0; i < rounds; i++) {
        double rate[2];
        for (int k = 0; k < 2; k++) { /* first and second in turn */
            bool off = (i + k) % 2;
            atomic_store(&treeless, off);
            struct crowd_round r = crowd_run(&b, WRITERS, ms);
            rate[off] = r.sustained;
            crowd_add(&sum[off], &r);
        }
        with[i] = rate[0];
        without[i] = rate[1];
        ratio[i] = rate[0] / rate[1];
    }
    atomic_store(&treeless, false);
    snprintf(text, sizeof text, "%s: events moved, 64 writers, without the tree", name);
    figure(text, median_of(without, (size_t)rounds), "/s", NULL, 0, NULL);
    snprintf(text, sizeof text, "%s: events moved, 64 writers, with the tree", name);
    figure(text, median_of(with, (size_t)rounds), "/s", "without", median_of(ratio, (size_t)rounds),
           ">= 0.9");
    double cost[2];
    for (int k = 0; k < 2; k++)
        cost[k] = (sum[k].cpu_writers + sum[k].cpu_rest) / (double)sum[k].events;
    snprintf(text, sizeof text, "%s: processor time of ours an event, without the tree", name);
    figure(text, cost[1], "us", NULL, 0, NULL);
    snprintf(text, sizeof text, "%s: processor time of ours an event, with the tree", name);
    figure(text, cost[0], "us", "without", cost[0] / cost[1], NULL);
    audit_stop(&b.app);
    bench_close(&b);
}

int
main(int argc, char **argv)
{
    const char *url = getenv("RECOUNT_TEST_PG");
    int rounds = (int)option_int(argc, argv, "rounds", 5);
    int ms = (int)option_int(argc, argv, "ms", 400);
    const char *dir = option(argc, argv, "dir", "/tmp");
    if (rounds < 1 || rounds > ROUNDS_MAX)
        DIE("--rounds: 1 to %d", ROUNDS_MAX);
    store("SQLite", dir, NULL, rounds, ms);
    if (url != NULL)
        store("PostgreSQL", dir, url, rounds, ms);
    return 0;
}
