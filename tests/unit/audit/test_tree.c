/* RFC 6962 trees, held against the published vectors and against a prover that follows the RFC's
 * recursive definitions word for word. */
#include "../base/support.h"

#include <stdio.h>
#include <string.h>

#include "audit/tree.h"
#include "base/buf.h"
#include "base/text.h"

#define LEAVES 70000 /* of the synthetic tree; over 65,537 */

/* ---- the RFC's definitions, word for word: the reference ---- */

static struct sha256 leaf_hash[LEAVES];

static struct sha256
naive_root(int64_t from, int64_t to)
{
    int64_t k = 1;
    struct sha256 left, right;

    if (from == to)
        return sha256_of(STR_NULL);
    if (to - from == 1)
        return leaf_hash[from];
    while (k * 2 < to - from)
        k *= 2;
    left = naive_root(from, from + k);
    right = naive_root(from + k, to);
    return tree_node_hash(&left, &right);
}

/* Leaf i of the synthetic tree: its number. */
static int
make_leaves(void **state)
{
    for (int i = 0; i < LEAVES; i++) {
        char text[16];
        int n = snprintf(text, sizeof(text), "leaf %d", i);

        leaf_hash[i] = tree_leaf_hash(str_mem(text, (size_t)n));
    }
    return arena_setup(state);
}

/* ---- published vectors: the eight leaves of Certificate Transparency's own tests ---- */

static const char *const published_leaves[] = {
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
};
static const char *const published_roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static struct sha256
published_leaf(struct arena *a, int i)
{
    struct buf *b = buf_in(a, 64);

    assert_ok(hex_get(str_of(published_leaves[i]), b));
    return tree_leaf_hash(buf_view(b));
}

static void
assert_hash(struct arena *a, const struct sha256 *h, const char *hex)
{
    struct str got = hex_in(a, sha256_str(h));

    assert_str(str_sub(got, 0, strlen(hex)), str_of(hex));
}

static void
test_published_roots(void **state)
{
    struct tree_edge e = {0};
    struct sha256 root = tree_edge_root(&e);

    assert_hash(*state, &root, published_roots[0]);
    for (int i = 0; i < 8; i++) {
        struct sha256 leaf = published_leaf(*state, i);

        assert_ok(tree_edge_push(&e, &leaf, NULL, NULL));
        root = tree_edge_root(&e);
        assert_hash(*state, &root, published_roots[i + 1]);
    }
}

/* ---- the edge ---- */

struct kept {
    int64_t calls, next[TILE_LEVELS + 1];
    int64_t fail_at; /* 0: never */
};

static enum err
keep(void *arg, int level, int64_t n, const struct sha256 *h)
{
    struct kept *k = arg;
    int64_t width = INT64_C(1) << (8 * level);
    struct sha256 want;

    if (++k->calls == k->fail_at)
        return ERR_IO;
    assert_int_equal(n, k->next[level]++);
    want = naive_root(n * width, (n + 1) * width);
    assert_memory_equal(h, &want, sizeof(want));
    return OK;
}

static void
test_edge(void **state)
{
    struct tree_edge e = {0}, back;
    struct kept k = {0};

    for (int64_t i = 0; i < LEAVES; i++) {
        assert_int_equal(e.size, i);
        assert_int_equal(e.n, __builtin_popcountll((unsigned long long)i));
        if (i < 600 || (i > 65500 && i < 65600)) {
            struct sha256 got = tree_edge_root(&e), want = naive_root(0, i);
            struct str bytes = tree_edge_bytes(*state, &e);

            assert_memory_equal(&got, &want, sizeof(got));
            assert_ok(tree_edge_read(bytes, i, &back));
            got = tree_edge_root(&back);
            assert_memory_equal(&got, &want, sizeof(got));
        }
        assert_ok(tree_edge_push(&e, &leaf_hash[i], keep, &k));
    }
    assert_int_equal(k.next[1], LEAVES / 256);
    assert_int_equal(k.next[2], LEAVES / 65536);
    assert_int_equal(k.calls, LEAVES / 256 + LEAVES / 65536);
}

static void
test_edge_refusals(void **state)
{
    struct tree_edge e = {0}, untouched = {.size = 77};
    struct kept k = {.fail_at = 2};
    enum err err = OK;
    struct str bytes;

    for (int i = 0; i < 3; i++)
        assert_ok(tree_edge_push(&e, &leaf_hash[i], NULL, NULL));
    bytes = tree_edge_bytes(*state, &e);
    assert_int_equal(bytes.n, 64);
    assert_int_equal(tree_edge_read(bytes, 2, &untouched), ERR_INVALID);
    assert_int_equal(tree_edge_read(bytes, 7, &untouched), ERR_INVALID);
    assert_int_equal(tree_edge_read(bytes, -1, &untouched), ERR_INVALID);
    assert_int_equal(tree_edge_read(str_sub(bytes, 0, 63), 3, &untouched), ERR_INVALID);
    assert_int_equal(tree_edge_read(STR_NULL, 1, &untouched), ERR_INVALID);
    assert_int_equal(untouched.size, 77);
    assert_ok(tree_edge_read(STR_NULL, 0, &untouched));
    assert_int_equal(untouched.size, 0);

    e = (struct tree_edge){0};
    for (int i = 0; i < 513 && err == OK; i++)
        err = tree_edge_push(&e, &leaf_hash[i], keep, &k);
    assert_int_equal(err, ERR_IO); /* the second full tile was not kept */

    e = (struct tree_edge){.size = INT64_MAX, .n = TREE_EDGE_MAX};
    assert_int_equal(tree_edge_push(&e, &leaf_hash[0], NULL, NULL), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_published_roots),
        cmocka_unit_test_setup_teardown(test_edge, make_leaves, arena_teardown),
        cmocka_unit_test_setup_teardown(test_edge_refusals, make_leaves, arena_teardown),
    };

    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
