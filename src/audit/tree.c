/* RFC 6962 trees: hashing, the compact edge, proofs made and checked. Paths of tiles are in tile.c.
 * Owns nothing: every result is the caller's. Allocates nothing but what goes to a caller's arena. */
#include "audit/tree.h"

#include <string.h>

#define TILE_BITS 8 /* 256 = 1 << TILE_BITS */

struct sha256
tree_leaf_hash(struct str entry)
{
    return sha256_parts((struct str[]){S("\x00"), entry}, 2);
}

/* One piece of bytes instead of three: this is the hot path of every append and every check. */
struct sha256
tree_node_hash(const struct sha256 *left, const struct sha256 *right)
{
    uint8_t node[1 + 2 * SHA256_LEN];

    node[0] = 0x01;
    memcpy(node + 1, left->b, SHA256_LEN);
    memcpy(node + 1 + SHA256_LEN, right->b, SHA256_LEN);
    return sha256_of(str_mem(node, sizeof(node)));
}

/* ---- the edge ---- */

enum err
tree_edge_push(struct tree_edge *e, const struct sha256 *leaf_hash, tree_keep keep, void *arg)
{
    struct sha256 h = *leaf_hash;

    if (e->size < 0 || e->size == INT64_MAX)
        return ERR_INVALID;
    for (int height = 1; (e->size >> (height - 1) & 1) != 0; height++) {
        e->n--;
        h = tree_node_hash(&e->h[e->n], &h);
        if (height % TILE_BITS == 0 && keep != NULL)
            TRY(keep(arg, height / TILE_BITS, e->size >> height, &h));
    }
    e->h[e->n++] = h;
    e->size++;
    return OK;
}

struct sha256
tree_edge_root(const struct tree_edge *e)
{
    struct sha256 root;

    if (e->n == 0)
        return sha256_of(STR_NULL);
    root = e->h[e->n - 1];
    for (unsigned i = e->n - 1; i > 0; i--)
        root = tree_node_hash(&e->h[i - 1], &root);
    return root;
}

struct str
tree_edge_bytes(struct arena *a, const struct tree_edge *e)
{
    return arena_str(a, str_mem(e->h, (size_t)e->n * SHA256_LEN));
}

enum err
tree_edge_read(struct str bytes, int64_t size, struct tree_edge *out)
{
    unsigned n;

    if (size < 0)
        return ERR_INVALID;
    n = (unsigned)__builtin_popcountll((unsigned long long)size);
    if (bytes.n != (size_t)n * SHA256_LEN)
        return ERR_INVALID;
    out->size = size;
    out->n = n;
    if (n > 0)
        memcpy(out->h, bytes.p, bytes.n);
    return OK;
}
