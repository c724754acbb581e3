/* RFC 6962 trees: hashes, the edge, roots from tiles, the paths of tiles. */
#include "tree_reference.h"

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
    /* No size is negative, whatever length its bits ask for: INT64_MIN has one, -1 has 64. */
    assert_int_equal(tree_edge_read(str_sub(bytes, 0, 32), INT64_MIN, &untouched), ERR_INVALID);
    assert_int_equal(tree_edge_read(str_mem(leaf_hash, 64 * SHA256_LEN), -1, &untouched),
                     ERR_INVALID);
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

static void
test_roots_from_tiles(void **state)
{
    static const int64_t sizes[] = {0, 1, 2, 255, 256, 257, 511, 65535, 65536, 65537, 69999, 70000};
    struct tree_edge pushed = {0}, e;
    struct sha256 root, want;
    size_t at = 0;

    for (int64_t i = 0; at < sizeof(sizes) / sizeof(sizes[0]); i++) {
        if (i == sizes[at]) {
            assert_ok(tree_edge_at(SOURCE(i), i, &e));
            assert_str(tree_edge_bytes(*state, &e), tree_edge_bytes(*state, &pushed));
            assert_int_equal(e.size, i);
            assert_ok(tree_root(SOURCE(i), i, &root));
            want = naive_root(0, i);
            assert_memory_equal(&root, &want, sizeof(root));
            at++;
        }
        if (i < LEAVES)
            assert_ok(tree_edge_push(&pushed, &leaf_hash[i], NULL, NULL));
    }
    assert_int_equal(tree_edge_at(SOURCE(1), -1, &e), ERR_INVALID);
    assert_int_equal(tree_root(SOURCE(1), -1, &root), ERR_INVALID);
}

/* ---- tiles ---- */

static void
test_tile_paths(void **state)
{
    static const struct {
        const char *path;
        struct tile tile;
    } good[] = {
        {"tile/0/000", {0, 0, 256}},
        {"tile/0/x001/x234/067", {0, 1234067, 256}},
        {"tile/0/x001/234", {0, 1234, 256}},
        {"tile/1/003.p/17", {1, 3, 17}},
        {"tile/63/000.p/255", {63, 0, 255}},
        {"tile/0/x999/999.p/1", {0, 999999, 1}},
        {"tile/0/x001/x000/000", {0, 1000000, 256}},
        {"tile/entries/000.p/9", {TILE_ENTRIES, 0, 9}},
        {"tile/entries/x001/273", {TILE_ENTRIES, 1273, 256}},
        {"tile/7/x009/x223/x372/x036/x854/x775/807.p/3", {7, INT64_MAX, 3}},
    };
    static const char *const bad[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile//000",
        "Tile/0/000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1000",
        "tile/0/x000",
        "tile/0/x000/001",
        "tile/0/x1/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/X001/002",
        "tile/0/-01",
        "tile/0/+01",
        "tile/0/-00",
        "tile/-0/000",
        "tile/0/x001/-00",
        "tile/0/000.p/-1",
        "tile/0/ 01",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/-1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/000.P/1",
        "tile/0/x001.p/002",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
        "tile/data/000",
        "tile/entries",
        "tile/entries/",
        "tile/entriesx/000",
        "tile/0/000?",
        "checkpoint",
        "tile/ 0/000",
    };
    struct tile t = {9, 9, 9};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_ok(tile_parse(str_of(good[i].path), &t));
        assert_int_equal(t.level, good[i].tile.level);
        assert_int_equal(t.n, good[i].tile.n);
        assert_int_equal(t.width, good[i].tile.width);
        assert_str(tile_path(*state, &t), str_of(good[i].path));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (tile_parse(str_of(bad[i]), &t) != ERR_INVALID)
            fail_msg("\"%s\" is taken for a tile", bad[i]);
    assert_int_equal(tile_parse(str_mem("tile/0/00\0", 10), &t), ERR_INVALID);
    assert_int_equal(tile_parse(STR_NULL, &t), ERR_INVALID);
    assert_int_equal(t.width, 3); /* untouched since the last good one */
}

/* The example of the specification: a tree of 70,000. */
static void
test_tile_widths(void **state)
{
    static const struct {
        struct tile tile;
        int64_t size;
        int width;
    } cases[] = {
        {{0, 272, 0}, 70000, 256},
        {{0, 273, 0}, 70000, 112},
        {{0, 274, 0}, 70000, 0},
        {{1, 0, 0}, 70000, 256},
        {{1, 1, 0}, 70000, 17},
        {{1, 2, 0}, 70000, 0},
        {{2, 0, 0}, 70000, 1},
        {{3, 0, 0}, 70000, 0},
        {{0, 0, 0}, 256, 256},
        {{0, 1, 0}, 256, 0},
        {{1, 0, 0}, 256, 1},
        {{1, 0, 0}, 255, 0},
        {{0, 0, 0}, 0, 0},
        {{0, 0, 0}, 1, 1},
        {{63, 0, 0}, INT64_MAX, 0},
        {{7, 0, 0}, INT64_MAX, 127},
        {{0, INT64_MAX, 0}, INT64_MAX, 0},
        {{TILE_ENTRIES, 273, 0}, 70000, 112},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(tile_width_in(&cases[i].tile, cases[i].size), cases[i].width);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_published_roots), LEAVES_TEST(test_edge),
        LEAVES_TEST(test_edge_refusals),  LEAVES_TEST(test_roots_from_tiles),
        ARENA_TEST(test_tile_paths),      ARENA_TEST(test_tile_widths),
    };

    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
