/* Inclusion and consistency proofs, held against the naive prover; what is no proof is refused. */
#include "tree_reference.h"

#include <string.h>

static void
assert_proof(const struct tree_proof *got, const struct tree_proof *want)
{
    assert_int_equal(got->n, want->n);
    assert_memory_equal(got->h, want->h, got->n * sizeof(got->h[0]));
}

static struct tree_proof
inclusion(int64_t m, int64_t n)
{
    struct tree_proof got = {0}, want = {0};
    struct buf shape;
    struct sha256 leaf = leaf_of(m), root = naive_root(0, n);

    buf_init(&shape, 128);
    naive_path(m, 0, n, &want, &shape);
    assert_ok(tree_inclusion(SOURCE(n), m, n, &got));
    assert_proof(&got, &want);
    assert_true(tree_check_inclusion(m, n, &leaf, &got, &root));
    buf_free(&shape);
    return got;
}

static struct tree_proof
consistency(int64_t m, int64_t n)
{
    struct tree_proof got = {0}, want = {0};
    struct buf shape;
    struct sha256 old = naive_root(0, m), new = naive_root(0, n);

    buf_init(&shape, 128);
    if (m > 0)
        naive_subproof(m, 0, n, true, &want, &shape);
    assert_ok(tree_consistency(SOURCE(n), m, n, &got));
    assert_proof(&got, &want);
    assert_true(tree_check_consistency(m, n, &old, &got, &new));
    buf_free(&shape);
    return got;
}

static void
all_of(int64_t m, int64_t n)
{
    if (m < n)
        inclusion(m, n);
    consistency(m, n);
}

static void
test_published_proofs(void **state)
{
    struct tree_proof p;
    const char *const five[] = {"bc1a0643", "ca854ea1", "d37ee418"};
    const char *const three_seven[] = {"0298d122", "07506a85", "fac54203", "837dbb15"};

    for (int i = 0; i < 8; i++)
        leaf_hash[i] = published_leaf(*state, i);
    for (int64_t n = 1; n <= 8; n++) {
        struct sha256 root = naive_root(0, n);

        assert_hash(*state, &root, published_roots[n]);
    }
    p = inclusion(5, 8);
    assert_int_equal(p.n, 3);
    for (int i = 0; i < 3; i++)
        assert_hash(*state, &p.h[i], five[i]);
    p = consistency(3, 7);
    assert_int_equal(p.n, 4);
    for (int i = 0; i < 4; i++)
        assert_hash(*state, &p.h[i], three_seven[i]);
    p = consistency(4, 7);
    assert_int_equal(p.n, 1);
    assert_hash(*state, &p.h[0], "837dbb15");
}

static void
test_every_pair(void **state)
{
    static const int64_t sizes[] = {255, 256, 257, 300, 511, 512, 513, 767, 769};

    for (int64_t n = 1; n <= 80; n++)
        for (int64_t m = 0; m <= n; m++)
            all_of(m, n);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int64_t m = 0; m <= sizes[i]; m++)
            all_of(m, sizes[i]);
}

static void
test_two_levels(void **state)
{
    static const int64_t leaves[] = {0,     1,     127,   128,   254,   255,   256,   257,   511,
                                     512,   4095,  4096,  32767, 32768, 32769, 65279, 65280, 65281,
                                     65533, 65534, 65535, 65536, 65537, 65790, 65791, 65792, 69999};
    static const int64_t sizes[] = {65279, 65280, 65281, 65534, 65535, 65536,
                                    65537, 65538, 65791, 65792, 65793, 70000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (size_t k = 0; k < sizeof(leaves) / sizeof(leaves[0]); k++)
            if (leaves[k] <= sizes[i])
                all_of(leaves[k], sizes[i]);
}

/* A number below `below`, with runs of equal bits as they occur at the edges of subtrees. */
static int64_t
ragged(uint64_t *seed, int64_t below)
{
    uint64_t v = 0;

    for (int i = 0; i < 3; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        v ^= UINT64_MAX >> (*seed >> 58);
    }
    if ((*seed >> 33 & 1) != 0)
        v ^= *seed >> 20;
    return (int64_t)(v % (uint64_t)below);
}

static void
large_tree(uint64_t *seed, int64_t n)
{
    struct tree_edge e;
    struct sha256 root, want;
    int64_t m = ragged(seed, n);

    n_marked = 0;
    for (int h = 0; h < 40 && n_marked < 12; h += 4) /* on both sides of the path */
        marked[n_marked++] = (m ^ (INT64_C(1) << h)) + (h & 4);
    marked[n_marked++] = m;
    marked[n_marked++] = n - 1;
    all_of(m, n);
    all_of(n - 1, n);
    all_of(m + 1, n);
    assert_ok(tree_edge_at(SOURCE(n), n, &e));
    assert_int_equal(e.size, n);
    root = tree_edge_root(&e);
    want = naive_root(0, n);
    assert_memory_equal(&root, &want, sizeof(root));
}

static void
test_large(void **state)
{
    uint64_t seed = 1;

    for (int64_t i = -3; i <= 3; i++)
        for (int k = 0; k < 5; k++)
            large_tree(&seed, (INT64_C(1) << 40) + i);
    for (int i = 0; i < 60; i++)
        large_tree(&seed, ragged(&seed, (INT64_C(1) << 40) - 2) + 2);
    for (int i = 0; i < 20; i++)
        large_tree(&seed, ragged(&seed, INT64_MAX / 2) + 2);
    n_marked = 0;
}

static void
test_out_of_range(void **state)
{
    struct tree_proof p = {.n = 77};

    assert_int_equal(tree_inclusion(SOURCE(5), -1, 5, &p), ERR_INVALID);
    assert_int_equal(tree_inclusion(SOURCE(5), 5, 5, &p), ERR_INVALID);
    assert_int_equal(tree_inclusion(SOURCE(5), 0, 0, &p), ERR_INVALID);
    assert_int_equal(tree_inclusion(SOURCE(5), 0, -1, &p), ERR_INVALID);
    assert_int_equal(tree_consistency(SOURCE(5), -1, 5, &p), ERR_INVALID);
    assert_int_equal(tree_consistency(SOURCE(5), 6, 5, &p), ERR_INVALID);
    assert_int_equal(p.n, 77);
}

/* When the first tiles are pruned, what lies behind them is still proved, they are not. */
static void
test_pruned(void **state)
{
    struct source s = {.size = 70000, .pruned = 512};
    struct tree_source src = {source_read, &s};
    struct tree_proof p;
    struct sha256 root = naive_root(0, 70000);

    for (int64_t m = 512; m < 70000; m += 1009, s.reads = 0) {
        assert_ok(tree_inclusion(&src, m, 70000, &p));
        assert_true(tree_check_inclusion(m, 70000, &leaf_hash[m], &p, &root));
    }
    assert_int_equal(tree_inclusion(&src, 511, 70000, &p), ERR_NOT_FOUND);
    s.reads = 0;
    assert_ok(tree_consistency(&src, 512, 70000, &p));
    s.reads = 0;
    assert_ok(tree_consistency(&src, 256, 70000, &p)); /* needs no leaf of what is gone */
    s.reads = 0;
    s.pruned = 768;
    assert_ok(tree_consistency(&src, 768, 70000, &p)); /* begins with the hash of a whole tile */
    s.reads = 0;
    assert_int_equal(tree_consistency(&src, 511, 70000, &p), ERR_NOT_FOUND);
}

/* ---- what is not a proof ---- */

static void
flip(void *bytes, size_t bit)
{
    ((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void
tampered_inclusion(struct arena *a, int64_t m, int64_t n)
{
    struct tree_proof p = inclusion(m, n), none = {0};
    struct sha256 leaf = leaf_hash[m], root = naive_root(0, n);
    struct buf *shape = buf_in(a, 64), *other = buf_in(a, 64);

    for (size_t bit = 0; bit < p.n * 256u; bit++) {
        flip(p.h, bit);
        assert_false(tree_check_inclusion(m, n, &leaf, &p, &root));
        flip(p.h, bit);
    }
    for (size_t bit = 0; bit < 256; bit++) {
        flip(&leaf, bit);
        assert_false(tree_check_inclusion(m, n, &leaf, &p, &root));
        flip(&leaf, bit);
        flip(&root, bit);
        assert_false(tree_check_inclusion(m, n, &leaf, &p, &root));
        flip(&root, bit);
    }
    for (int bit = 0; bit < 64; bit++) {
        int64_t changed = (int64_t)((uint64_t)m ^ UINT64_C(1) << bit);

        assert_false(tree_check_inclusion(changed, n, &leaf, &p, &root));
        /* Sizes in which the leaf has a path of the same turns can not be told apart by the path:
         * the size is bound to the root by the log's signature. All others are refused. */
        changed = (int64_t)((uint64_t)n ^ UINT64_C(1) << bit);
        if (changed > 0 && changed <= LEAVES && m < changed) {
            none.n = 0;
            buf_clear(shape);
            naive_path(m, 0, n, &none, shape);
            none.n = 0;
            buf_clear(other);
            naive_path(m, 0, changed, &none, other);
            assert_int_equal(tree_check_inclusion(m, changed, &leaf, &p, &root),
                             str_eq(buf_view(shape), buf_view(other)));
        } else {
            assert_false(tree_check_inclusion(m, changed, &leaf, &p, &root));
        }
    }
    p.n++;
    assert_false(tree_check_inclusion(m, n, &leaf, &p, &root));
    if (p.n >= 2) {
        p.n -= 2;
        assert_false(tree_check_inclusion(m, n, &leaf, &p, &root));
        memmove(p.h, p.h + 1, p.n * sizeof(p.h[0])); /* the first one left out */
        assert_false(tree_check_inclusion(m, n, &leaf, &p, &root));
    }
    p.n = TREE_PROOF_MAX + 1;
    assert_false(tree_check_inclusion(m, n, &leaf, &p, &root));
}

static bool
same_growth(struct arena *a, int64_t m, int64_t n, int64_t m2, int64_t n2)
{
    struct tree_proof none = {0};
    struct buf *shape = buf_in(a, 64), *other = buf_in(a, 64);

    naive_subproof(m, 0, n, true, &none, shape);
    none.n = 0;
    naive_subproof(m2, 0, n2, true, &none, other);
    return str_eq(buf_view(shape), buf_view(other));
}

static void
tampered_consistency(struct arena *a, int64_t m, int64_t n)
{
    struct tree_proof p = consistency(m, n);
    struct sha256 old = naive_root(0, m), new = naive_root(0, n);

    for (size_t bit = 0; bit < p.n * 256u; bit++) {
        flip(p.h, bit);
        assert_false(tree_check_consistency(m, n, &old, &p, &new));
        flip(p.h, bit);
    }
    for (size_t bit = 0; bit < 256; bit++) {
        flip(&old, bit);
        assert_false(tree_check_consistency(m, n, &old, &p, &new));
        flip(&old, bit);
        if (m > 0) { /* the empty tree is the beginning of every tree */
            flip(&new, bit);
            assert_false(tree_check_consistency(m, n, &old, &p, &new));
            flip(&new, bit);
        }
    }
    for (int bit = 0; bit < 64 && m > 0; bit++) {
        int64_t changed = (int64_t)((uint64_t)m ^ UINT64_C(1) << bit);

        assert_int_equal(tree_check_consistency(changed, n, &old, &p, &new),
                         changed > 0 && changed <= n && same_growth(a, m, n, changed, n));
        changed = (int64_t)((uint64_t)n ^ UINT64_C(1) << bit);
        assert_int_equal(tree_check_consistency(m, changed, &old, &p, &new),
                         changed >= m && changed <= LEAVES && same_growth(a, m, n, m, changed));
    }
    p.n++;
    assert_false(tree_check_consistency(m, n, &old, &p, &new));
    if (p.n >= 2) {
        p.n -= 2;
        assert_false(tree_check_consistency(m, n, &old, &p, &new));
        memmove(p.h, p.h + 1, p.n * sizeof(p.h[0]));
        assert_false(tree_check_consistency(m, n, &old, &p, &new));
    }
    p.n = TREE_PROOF_MAX + 1;
    assert_false(tree_check_consistency(m, n, &old, &p, &new));
}

static void
test_tampered(void **state)
{
    for (int64_t n = 1; n <= 17; n++)
        for (int64_t m = 0; m <= n; m++) {
            if (m < n)
                tampered_inclusion(*state, m, n);
            tampered_consistency(*state, m, n);
            arena_reset(*state);
        }
}

/* The longest proof there is: that three leaves begin a tree of 2^63 - 1 takes 64 hashes. */
static void
test_longest(void **state)
{
    struct tree_proof p = {.n = TREE_PROOF_MAX};
    struct sha256 old, new;

    for (unsigned i = 0; i < p.n; i++)
        p.h[i] = leaf_hash[i];
    old = tree_node_hash(&p.h[2], &p.h[0]);
    new = tree_node_hash(&p.h[0], &p.h[1]);
    new = tree_node_hash(&p.h[2], &new);
    for (unsigned i = 3; i < p.n; i++)
        new = tree_node_hash(&new, &p.h[i]);
    assert_true(tree_check_consistency(3, INT64_MAX, &old, &p, &new));
    p.n--;
    assert_false(tree_check_consistency(3, INT64_MAX, &old, &p, &new));
}

/* ---- many proofs in a row ---- */

static void
ask(const struct tree_source *s, int64_t n, int width)
{
    static struct sha256 got[TILE_WIDTH];

    assert_ok(s->read(s->arg, 0, n, width, got));
    assert_memory_equal(got, leaf_hash + n, (size_t)width * sizeof *got);
}

/* Two tiles a level are remembered; of three, the one not asked for longest is read again. */
static void
test_remembering(void **state)
{
    struct source store = {.size = LEAVES};
    const struct tree_source plain = {source_read, &store};
    struct tree_source s = tree_remembering(*state, &plain);
    struct sha256 got[1] = {0};

    ask(&s, 0, 200);
    ask(&s, 256, 256);
    ask(&s, 0, 200);
    ask(&s, 0, 7); /* the beginning of what is remembered */
    ask(&s, 256, 256);
    assert_int_equal(store.reads, 2);

    ask(&s, 0, 7);
    ask(&s, 512, 256); /* in place of the second */
    ask(&s, 0, 200);
    assert_int_equal(store.reads, 3);
    store.reads = 0; /* source_read() refuses a tile twice */
    ask(&s, 256, 256);
    assert_int_equal(store.reads, 1);
    store.reads = 0;
    ask(&s, 0, 201); /* more than is remembered */
    ask(&s, 0, 201);
    assert_int_equal(store.reads, 1);

    /* What could not be read is not remembered, nor what was in its place. */
    store = (struct source){.size = LEAVES, .pruned = 2048};
    assert_int_equal(s.read(s.arg, 0, 1024, 1, got), ERR_NOT_FOUND);
    assert_int_equal(store.reads, 1);
    store = (struct source){.size = LEAVES};
    ask(&s, 256, 256);
    ask(&s, 1024, 1);
    assert_int_equal(store.reads, 2);

    /* Another level is another memory, up to the last. */
    assert_ok(s.read(s.arg, 1, 0, 1, got));
    assert_int_equal(store.reads, 3);
    ask(&s, 1024, 1);
    assert_int_equal(store.reads, 3);
    n_marked = 1; /* the sparse tree: any size */
    marked[0] = 0;
    store = (struct source){.size = INT64_C(2) << 56};
    assert_ok(s.read(s.arg, TILE_LEVELS, 0, 1, got));
    assert_int_equal(store.reads, 1);
    store.reads = 0;
    assert_int_equal(s.read(s.arg, -1, 0, 1, got), ERR_INVALID);
    assert_int_equal(s.read(s.arg, TILE_LEVELS + 1, 0, 1, got), ERR_INVALID);
    assert_int_equal(s.read(s.arg, 0, 0, 0, got), ERR_INVALID);
    assert_int_equal(s.read(s.arg, 0, 0, TILE_WIDTH + 1, got), ERR_INVALID);
    assert_int_equal(store.reads, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEAVES_TEST(test_published_proofs), LEAVES_TEST(test_every_pair),
        LEAVES_TEST(test_two_levels),       LEAVES_TEST(test_large),
        LEAVES_TEST(test_out_of_range),     LEAVES_TEST(test_pruned),
        LEAVES_TEST(test_tampered),         LEAVES_TEST(test_longest),
        LEAVES_TEST(test_remembering),
    };

    return cmocka_run_group_tests_name("tree_proof", tests, NULL, NULL);
}
