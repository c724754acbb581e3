/* Trees and proofs at a hundred million entries, without a store: appending, making a proof,
 * checking a proof file as an auditor does.
 *
 *   --size N      leaves of the tree (100000000)
 *   --proofs N    proofs made and checked (2000)
 *   --appends N   leaves appended (2000000)
 *
 * Times are processor time: nothing here waits, and others use the machine. The tree is a real one,
 * quickly made: its leaves repeat with a period of 2^20, so that of the first level there are 4,096
 * different hashes, of the second 16, of the third one. */
#include <string.h>
#include <time.h>

#include "audit/note.h"
#include "bench.h"

#define PERIOD_BITS 20
#define PERIOD      (1 << PERIOD_BITS)
#define LEVELS      6 /* of hashes: enough for 2^48 leaves */
#define ORIGIN      "cbenchinstance00000000001/cbenchtenant0000000000001/1"

static struct sha256 *level_hash[LEVELS];

static double
spent_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* A leaf's entry is 32 bytes, as in the log. */
static struct sha256
leaf(int64_t i)
{
    uint8_t entry[SHA256_LEN] = {0};

    memcpy(entry, &i, sizeof(i));
    return tree_leaf_hash(str_mem(entry, sizeof(entry)));
}

/* Different hashes of a level. */
static int64_t
different(int level)
{
    int bits = PERIOD_BITS - 8 * level;

    return bits > 0 ? INT64_C(1) << bits : 1;
}

static struct sha256
tile_root(struct sha256 h[TILE_WIDTH])
{
    for (int width = TILE_WIDTH; width > 1; width /= 2)
        for (int i = 0; i < width / 2; i++)
            h[i] = tree_node_hash(&h[2 * i], &h[2 * i + 1]);
    return h[0];
}

static void
make_level(int level)
{
    int64_t n = different(level);

    level_hash[level] = calloc((size_t)n, sizeof(struct sha256));
    if (level_hash[level] == NULL)
        DIE("no memory");
    for (int64_t i = 0; i < n; i++) {
        struct sha256 below[TILE_WIDTH];

        if (level == 0) {
            level_hash[0][i] = leaf(i);
            continue;
        }
        for (int k = 0; k < TILE_WIDTH; k++)
            below[k] = level_hash[level - 1][(i * TILE_WIDTH + k) % different(level - 1)];
        level_hash[level][i] = tile_root(below);
    }
}

static long reads;

static enum err
read_tile(void *arg, int level, int64_t n, int width, struct sha256 *out)
{
    int64_t period = different(level);

    if (level >= LEVELS)
        DIE("a tree too large for this program");
    for (int i = 0; i < width; i++)
        out[i] = level_hash[level][(n + i) % period];
    reads++;
    return OK;
}

static const struct tree_source source = {read_tile, NULL};

/* ---- appending ---- */

static void
appends(int64_t n)
{
    enum { ROUNDS = 5 };
    double rate[ROUNDS], ratio[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        struct tree_edge e = {0};
        uint8_t node[65] = {1};
        double begin = spent_us(), ours, bare;

        for (int64_t i = 0; i < n / ROUNDS; i++) {
            struct sha256 h = leaf(i);

            MUST(tree_edge_push(&e, &h, NULL, NULL));
        }
        ours = spent_us() - begin;
        begin = spent_us();
        for (int64_t i = 0; i < n / ROUNDS; i++) {
            struct sha256 h = sha256_of(str_mem(node, 33));

            memcpy(node + 33, h.b, SHA256_LEN);
            h = sha256_of(str_mem(node, 65));
            memcpy(node + 1, h.b, SHA256_LEN);
        }
        bare = spent_us() - begin;
        rate[round] = (double)(n / ROUNDS) / ours * 1e6;
        ratio[round] = bare / ours;
    }
    figure("leaves appended to the edge, a second of one core", median_of(rate, ROUNDS), "/s", "",
           median_of(rate, ROUNDS) / 500000, ">= 500000");
    figure("the same beside bare SHA-256, two hashes an entry", median_of(rate, ROUNDS), "/s",
           "bare SHA-256", median_of(ratio, ROUNDS), ">= 0.8");
}

/* ---- proofs ---- */

struct proving {
    struct samples inclusion, consistency, check;
    struct str note;
    struct note_key key;
    struct sha256 root;
    int64_t size;
    unsigned hashes;
    size_t bytes;
};

/* As an auditor does: from the file's bytes and the log's key alone. */
static void
check_file(struct arena *a, struct proving *p, struct str file, int64_t index)
{
    double begin = spent_us();
    struct sha256 h = leaf(index % PERIOD);
    struct checkpoint c;
    struct tlog_proof proof;

    MUST(tlog_proof_parse(a, file, &proof));
    MUST(checkpoint_parse(proof.checkpoint.text, &c));
    if (note_check(&proof.checkpoint, &p->key, NULL) != NOTE_GOOD ||
        !tree_check_inclusion(proof.index, c.size, &h, &proof.inclusion, &c.root))
        DIE("the proof of entry %lld does not hold", (long long)index);
    samples_add(&p->check, spent_us() - begin);
}

static void
one(struct proving *p, int64_t index, int64_t from)
{
    struct arena *a = arena_create("proof", (size_t)16 << 20);
    struct tree_proof proof;
    struct sha256 from_root;
    struct str file;
    double begin = spent_us();

    MUST(tree_inclusion(&source, index, p->size, &proof));
    samples_add(&p->inclusion, spent_us() - begin);
    p->hashes = proof.n > p->hashes ? proof.n : p->hashes;
    file = tlog_proof_text(a, STR_NULL, index, &proof, p->note);
    p->bytes = file.n > p->bytes ? file.n : p->bytes;
    check_file(a, p, file, index);

    begin = spent_us();
    MUST(tree_consistency(&source, from, p->size, &proof));
    samples_add(&p->consistency, spent_us() - begin);
    MUST(tree_root(&source, from, &from_root));
    if (!tree_check_consistency(from, p->size, &from_root, &proof, &p->root))
        DIE("the tree of %lld is not the beginning", (long long)from);
    arena_free(a);
}

static void
proofs(int64_t size, int64_t n)
{
    struct arena *a = arena_create("bench", (size_t)16 << 20);
    struct proving p = {.size = size};
    struct note_signer log =
        note_signer_of(S(ORIGIN), NOTE_ED25519, S("0123456789abcdef0123456789abcdef"));
    uint64_t seed = 1;
    double begin;

    begin = spent_us();
    MUST(tree_root(&source, size, &p.root));
    figure("root of the tree from its tiles", (spent_us() - begin) / 1e3, "ms", NULL, 0, NULL);
    p.key = log.key;
    p.note = note_sign(a, checkpoint_text(a, S(ORIGIN), size, &p.root), &log, 1);
    reads = 0;
    for (int64_t i = 0; i < n; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        one(&p, (int64_t)((seed >> 1) % (uint64_t)size),
            (int64_t)((seed >> 7) % (uint64_t)size) + 1);
    }
    figure("inclusion proof made, p50", samples_at(&p.inclusion, 0.5) / 1e3, "ms", NULL, 0, NULL);
    figure("inclusion proof made, p99", samples_at(&p.inclusion, 0.99) / 1e3, "ms", NULL, 0,
           "<= 5");
    figure("consistency proof made, p99", samples_at(&p.consistency, 0.99) / 1e3, "ms", NULL, 0,
           "<= 5");
    figure("proof file checked with its signature, p50", samples_at(&p.check, 0.5) / 1e3, "ms",
           NULL, 0, NULL);
    figure("proof file checked with its signature, p99", samples_at(&p.check, 0.99) / 1e3, "ms",
           NULL, 0, "<= 2");
    figure("hashes of an inclusion proof, most", p.hashes, "", NULL, 0, "<= 28");
    figure("proof file without cosignatures, largest", (double)p.bytes, "bytes", NULL, 0,
           "<= 1638");
    figure("tiles read a call", (double)reads / (double)(3 * n), "", NULL, 0, NULL);
    arena_free(a);
}

int
main(int argc, char **argv)
{
    int64_t size = option_int(argc, argv, "size", 100000000);
    double begin = spent_us();

    for (int level = 0; level < LEVELS; level++)
        make_level(level);
    printf("# a tree of %lld entries, made in %.1f s\n", (long long)size,
           (spent_us() - begin) / 1e6);
    appends(option_int(argc, argv, "appends", 2000000));
    proofs(size, option_int(argc, argv, "proofs", 2000));
    return 0;
}
