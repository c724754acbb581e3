/* Roots, edges and proofs made from a source of tile hashes (RFC 6962 section 2.1).
 *
 * The tree of n leaves ends in one perfect subtree for each set bit of n: its edge. Everything is
 * found in one pass over the levels from the leaves up, which reads per level at most two tiles,
 * each once: the *edge tile* in which n ends and the *path tile* over the leaf in question. In each
 * tile the hashes are paired eight times; on the way the wanted ones are picked out. */
#include "audit/tree.h"

#include <string.h>

#define TILE_BITS 8  /* 256 = 1 << TILE_BITS */
#define HEIGHTS   63 /* of perfect subtrees in a tree below 2^63 leaves */

/* The roots of a tile's aligned subtrees of one height. */
struct row {
    int count;
    struct sha256 h[TILE_WIDTH];
};

static enum err
row_read(const struct tree_source *s, int level, int64_t tile, int width, struct row *out)
{
    out->count = width;
    return s->read(s->arg, level, tile << TILE_BITS, width, out->h);
}

/* To the next height; what has no neighbour is dropped. */
static void
row_pair(struct row *r)
{
    r->count /= 2;
    for (int i = 0; i < r->count; i++)
        r->h[i] = tree_node_hash(&r->h[2 * i], &r->h[2 * i + 1]);
}

/* What a pass is to find. */
struct pass {
    const struct tree_source *s;
    int64_t size;
    int64_t leaf; /* whose path; -1: none */
    int from, to; /* siblings of the path at heights from ≤ h < to */
    int self;     /* height of the path's own node to be taken; -1: none */
    struct sha256 edge[HEIGHTS], sibling[HEIGHTS], self_hash;
};

/* Whether the path needs a hash from the tile of this level. */
static bool
path_needs(const struct pass *p, int level)
{
    int low = level * TILE_BITS, high = low + TILE_BITS;

    if (p->leaf < 0)
        return false;
    return (p->from < high && p->to > low && p->from < p->to) || (p->self >= low && p->self < high);
}

/* Picks from a row of height h over the path. `index` is the path's node within the row. */
static void
pick_path(struct pass *p, const struct row *r, int h, int64_t index)
{
    if (h < p->to)
        p->sibling[h] = r->h[index ^ 1];
    if (h == p->self)
        p->self_hash = r->h[index];
}

static enum err
pass_level(struct pass *p, int level, struct row *r)
{
    int low = level * TILE_BITS;
    int64_t hashes = p->size >> low, edge_tile = hashes >> TILE_BITS;
    int width = (int)(hashes & (TILE_WIDTH - 1));
    bool path = path_needs(p, level);
    int64_t node = path ? p->leaf >> low : 0, path_tile = node >> TILE_BITS;

    if (path && path_tile != edge_tile) {
        TRY(row_read(p->s, level, path_tile, TILE_WIDTH, r));
        for (int i = 0; i < TILE_BITS; i++, row_pair(r))
            pick_path(p, r, low + i, (node & (TILE_WIDTH - 1)) >> i);
        path = false;
    }
    if (width == 0)
        return OK;
    TRY(row_read(p->s, level, edge_tile, width, r));
    for (int i = 0; i < TILE_BITS; i++, row_pair(r)) {
        if (path)
            pick_path(p, r, low + i, (node & (TILE_WIDTH - 1)) >> i);
        if (r->count % 2 == 1)
            p->edge[low + i] = r->h[r->count - 1];
    }
    return OK;
}

static enum err
pass_run(struct pass *p)
{
    struct row r;

    for (int level = 0; level <= TILE_LEVELS && p->size >> (level * TILE_BITS) > 0; level++)
        TRY(pass_level(p, level, &r));
    return OK;
}

enum err
tree_edge_at(const struct tree_source *s, int64_t size, struct tree_edge *out)
{
    struct pass p = {.s = s, .size = size, .leaf = -1, .self = -1};

    if (size < 0)
        return ERR_INVALID;
    TRY(pass_run(&p));
    out->size = size;
    out->n = 0;
    for (int h = HEIGHTS - 1; h >= 0; h--)
        if ((size >> h & 1) != 0)
            out->h[out->n++] = p.edge[h];
    return OK;
}

enum err
tree_root(const struct tree_source *s, int64_t size, struct sha256 *out)
{
    struct tree_edge e;

    TRY(tree_edge_at(s, size, &e));
    *out = tree_edge_root(&e);
    return OK;
}

/* The path of `leaf` in the tree of `size` leaves, from the node of height `from` up; with_self puts
 * that node's hash in front.
 *
 * Let k be the highest bit in which leaf and size differ. Below k the path runs inside the perfect
 * subtree of height k, so all siblings are perfect. At k the sibling is everything behind that
 * subtree: the edge's lower part, folded; nothing when the subtree ends the tree. Above k the
 * siblings are the edge's higher parts. */
static enum err
path_of(const struct tree_source *s, int64_t leaf, int64_t size, int from, bool with_self,
        struct tree_proof *out)
{
    int k = 63 - __builtin_clzll((unsigned long long)(leaf ^ size));
    struct pass p = {
        .s = s, .size = size, .leaf = leaf, .from = from, .to = k, .self = with_self ? from : -1};
    struct sha256 rest;
    bool has_rest = false;

    TRY(pass_run(&p));
    out->n = 0;
    if (with_self)
        out->h[out->n++] = p.self_hash;
    for (int h = from; h < k; h++)
        out->h[out->n++] = p.sibling[h];
    for (int h = 0; h < k; h++)
        if ((size >> h & 1) != 0) {
            rest = has_rest ? tree_node_hash(&p.edge[h], &rest) : p.edge[h];
            has_rest = true;
        }
    if (has_rest)
        out->h[out->n++] = rest;
    for (int h = k + 1; h < HEIGHTS; h++)
        if ((size >> h & 1) != 0)
            out->h[out->n++] = p.edge[h];
    return OK;
}

enum err
tree_inclusion(const struct tree_source *s, int64_t index, int64_t size, struct tree_proof *out)
{
    if (index < 0 || index >= size)
        return ERR_INVALID;
    return path_of(s, index, size, 0, false, out);
}

/* RFC 6962 2.1.2: the path of the largest perfect subtree that ends where the old tree ends, with
 * that subtree's hash in front, unless it is the whole old tree, whose root the verifier has. */
enum err
tree_consistency(const struct tree_source *s, int64_t from, int64_t to, struct tree_proof *out)
{
    if (from < 0 || from > to)
        return ERR_INVALID;
    if (from == 0 || from == to) {
        out->n = 0;
        return OK;
    }
    return path_of(s, from - 1, to, __builtin_ctzll((unsigned long long)from),
                   (from & (from - 1)) != 0, out);
}

/* ---- many proofs in a row ---- */

/* Two answers a level: a proof reads the tile of its leaf and the one the tree ends in. */
struct answer {
    int64_t n;
    int width; /* 0: nothing */
    struct sha256 h[TILE_WIDTH];
};

struct remembered {
    const struct tree_source *s;
    struct answer v[TILE_LEVELS + 1][2];
    int older[TILE_LEVELS + 1]; /* which of the two is replaced next */
};

static enum err
remember(void *arg, int level, int64_t n, int width, struct sha256 *out)
{
    struct remembered *r = arg;
    struct answer *x = NULL;

    if (level < 0 || level > TILE_LEVELS || width < 1 || width > TILE_WIDTH)
        return ERR_INVALID;
    for (int i = 0; i < 2; i++)
        if (r->v[level][i].width >= width && r->v[level][i].n == n) {
            x = &r->v[level][i];
            r->older[level] = 1 - i;
        }
    if (x == NULL) {
        x = &r->v[level][r->older[level]];
        x->width = 0;
        TRY(r->s->read(r->s->arg, level, n, width, x->h));
        x->n = n;
        x->width = width;
        r->older[level] = 1 - r->older[level];
    }
    memcpy(out, x->h, (size_t)width * sizeof *out);
    return OK;
}

struct tree_source
tree_remembering(struct arena *a, const struct tree_source *s)
{
    struct remembered *r = arena_new(a, struct remembered);

    r->s = s;
    return (struct tree_source){remember, r};
}
