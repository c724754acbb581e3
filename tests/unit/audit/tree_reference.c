/* The reference for trees: RFC 6962's definitions, word for word, over two trees in memory. */
#include "tree_reference.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct sha256 leaf_hash[LEAVES];
static struct sha256 tile_hash[LEAVES / TILE_WIDTH]; /* looked up, once they are known */
static int64_t tiles_known;
int64_t marked[MARKS_MAX];
int n_marked;
static struct sha256 plain[63];

static bool
has_mark(int64_t from, int64_t to)
{
    for (int i = 0; i < n_marked; i++)
        if (marked[i] >= from && marked[i] < to)
            return true;
    return false;
}

struct sha256
leaf_of(int64_t i)
{
    if (n_marked == 0)
        return leaf_hash[i];
    return has_mark(i, i + 1) ? tree_leaf_hash(str_mem(&i, sizeof(i))) : plain[0];
}

/* The largest power of two below n > 1. */
static int64_t
split(int64_t n)
{
    int64_t k = 1;

    while (k < n - k)
        k *= 2;
    return k;
}

struct sha256
naive_root(int64_t from, int64_t to)
{
    int64_t n = to - from;
    struct sha256 left, right;

    if (n == 0)
        return sha256_of(STR_NULL);
    if (n == 1)
        return leaf_of(from);
    if (n_marked == 0 && n == TILE_WIDTH && from % n == 0 && from / n < tiles_known)
        return tile_hash[from / n];
    if (n_marked > 0 && (n & (n - 1)) == 0 && !has_mark(from, to))
        return plain[__builtin_ctzll((unsigned long long)n)];
    left = naive_root(from, from + split(n));
    right = naive_root(from + split(n), to);
    return tree_node_hash(&left, &right);
}

static void
append(struct tree_proof *p, int64_t from, int64_t to)
{
    assert_true(p->n < TREE_PROOF_MAX);
    p->h[p->n++] = naive_root(from, to);
}

/* PATH(m, D[from:to]); the way taken at each split goes to shape, from the leaf up. */
void
naive_path(int64_t m, int64_t from, int64_t to, struct tree_proof *p, struct buf *shape)
{
    int64_t k = to - from == 1 ? 0 : split(to - from);

    if (to - from == 1)
        return;
    if (m < k) {
        naive_path(m, from, from + k, p, shape);
        append(p, from + k, to);
    } else {
        naive_path(m - k, from + k, to, p, shape);
        append(p, from, from + k);
    }
    buf_char(shape, m < k ? 'l' : 'r');
}

/* SUBPROOF(m, D[from:to], whole) */
void
naive_subproof(int64_t m, int64_t from, int64_t to, bool whole, struct tree_proof *p,
               struct buf *shape)
{
    int64_t k;

    if (m == to - from) {
        if (!whole)
            append(p, from, to);
        buf_char(shape, whole ? '-' : 's');
        return;
    }
    k = split(to - from);
    if (m <= k) {
        naive_subproof(m, from, from + k, whole, p, shape);
        append(p, from + k, to);
    } else {
        naive_subproof(m - k, from + k, to, false, p, shape);
        append(p, from, from + k);
    }
    buf_char(shape, m <= k ? 'l' : 'r');
}

enum err
source_read(void *arg, int level, int64_t n, int width, struct sha256 *out)
{
    struct source *s = arg;
    int shift = 8 * level;

    assert_in_range(level, 0, TILE_LEVELS);
    assert_in_range(width, 1, TILE_WIDTH);
    assert_int_equal(n / TILE_WIDTH, (n + width - 1) / TILE_WIDTH);
    assert_true(n + width <= s->size >> shift);
    for (int i = 0; i < s->reads; i++)
        assert_false(s->read[i][0] == level && s->read[i][1] == n / TILE_WIDTH);
    assert_true(s->reads < 32);
    s->read[s->reads][0] = level;
    s->read[s->reads++][1] = n / TILE_WIDTH;
    if (level == 0 && n < s->pruned)
        return ERR_NOT_FOUND;
    for (int64_t i = n; i < n + width; i++, out++)
        *out =
            n_marked == 0 && level == 1 ? tile_hash[i] : naive_root(i << shift, (i + 1) << shift);
    return OK;
}

int
make_leaves(void **state)
{
    n_marked = 0;
    for (int i = 0; i < LEAVES; i++) {
        char text[16];
        int n = snprintf(text, sizeof(text), "leaf %d", i);

        leaf_hash[i] = tree_leaf_hash(str_mem(text, (size_t)n));
    }
    tiles_known = 0;
    for (int64_t i = 0; i < LEAVES / TILE_WIDTH; i++) {
        struct sha256 h = naive_root(i * TILE_WIDTH, (i + 1) * TILE_WIDTH);

        tile_hash[tiles_known++] = h;
    }
    plain[0] = tree_leaf_hash(S("plain"));
    for (int i = 1; i < 63; i++)
        plain[i] = tree_node_hash(&plain[i - 1], &plain[i - 1]);
    return arena_setup(state);
}

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
const char *const published_roots[9] = {
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

struct sha256
published_leaf(struct arena *a, int i)
{
    struct buf *b = buf_in(a, 64);

    assert_ok(hex_get(str_of(published_leaves[i]), b));
    return tree_leaf_hash(buf_view(b));
}

void
assert_hash(struct arena *a, const struct sha256 *h, const char *hex)
{
    struct str got = hex_in(a, sha256_str(h));

    assert_str(str_sub(got, 0, strlen(hex)), str_of(hex));
}
