/* RFC 6962 Merkle trees over leaf entries: hashing, the compact edge, proofs made and checked, and
 * the tiles of C2SP tlog-tiles. Pure: no store, no log, no time. Caller's storage throughout.
 *
 * A *leaf hash* is SHA-256(0x00 ‖ entry), an inner node SHA-256(0x01 ‖ left ‖ right), the empty
 * tree's root SHA-256(""). A tree of n > 1 leaves splits at the largest power of two below n.
 * A *tile hash* (level, n) is the root of the leaves [n·256^level, (n+1)·256^level): level 0 are the
 * leaf hashes themselves. Sources: RFC 6962 2.1, RFC 9162 2.1.3 and 2.1.4, C2SP tlog-tiles. */
#ifndef RECOUNT_AUDIT_TREE_H
#define RECOUNT_AUDIT_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "codec/hash.h"

#define TREE_EDGE_MAX  63  /* set bits of a size below 2^63 */
#define TREE_PROOF_MAX 64  /* hashes of an inclusion or consistency proof */
#define TILE_WIDTH     256 /* hashes of a full tile */
#define TILE_LEVELS    7   /* levels 0 … 7 cover 2^56 leaves and more than an epoch's 2^40 */

/* The roots of the perfect subtrees a tree of `size` leaves ends in, largest (leftmost) first: one a
 * set bit of the size. All an appender needs to remember. */
struct tree_edge {
    int64_t size;
    unsigned n;
    struct sha256 h[TREE_EDGE_MAX];
};

struct tree_proof {
    unsigned n;
    struct sha256 h[TREE_PROOF_MAX];
};

struct sha256 tree_leaf_hash(struct str entry);
struct sha256 tree_node_hash(const struct sha256 *left, const struct sha256 *right);

/* Told of each tile hash of level ≥ 1 that an append finished. */
typedef enum err (*tree_keep)(void *arg, int level, int64_t n, const struct sha256 *h);
/* Appends one leaf. keep may be NULL; its failure is returned and leaves the edge unusable. */
MUST_CHECK enum err tree_edge_push(struct tree_edge *e, const struct sha256 *leaf_hash,
                                   tree_keep keep, void *arg);
struct sha256 tree_edge_root(const struct tree_edge *e);
/* The edge's hashes, 32 bytes each, in the arena; and back, for a tree of that size:
 * ERR_INVALID when the length does not fit. */
struct str tree_edge_bytes(struct arena *a, const struct tree_edge *e);
MUST_CHECK enum err tree_edge_read(struct str bytes, int64_t size, struct tree_edge *out);

/* Gives `width` tile hashes of the level, from hash n on (not: from tile n). Asked only for hashes
 * that the tree of the size in question has; n is the first of a tile, the run stays within that
 * tile, and in one call of the functions below no tile is asked for twice. ERR_NOT_FOUND: pruned. */
typedef enum err (*tree_read)(void *arg, int level, int64_t n, int width, struct sha256 *out);
struct tree_source {
    tree_read read;
    void *arg;
};

/* A source that remembers the last answer of each level, for many proofs in a row; lives in the arena. */
struct tree_source tree_remembering(struct arena *a, const struct tree_source *s);

/* Root of the first `size` leaves. */
MUST_CHECK enum err tree_root(const struct tree_source *s, int64_t size, struct sha256 *out);
/* The compact edge of the first `size` leaves. */
MUST_CHECK enum err tree_edge_at(const struct tree_source *s, int64_t size, struct tree_edge *out);
/* Proof that leaf `index` is in the tree of `size` leaves: 0 ≤ index < size, else ERR_INVALID. */
MUST_CHECK enum err tree_inclusion(const struct tree_source *s, int64_t index, int64_t size,
                                   struct tree_proof *out);
/* Proof that the tree of `from` leaves is the beginning of that of `to`: 0 ≤ from ≤ to, else
 * ERR_INVALID. Empty for from = 0 and from = to. */
MUST_CHECK enum err tree_consistency(const struct tree_source *s, int64_t from, int64_t to,
                                     struct tree_proof *out);

/* A proof binds a leaf to a root at an index. The size is bound to the root by whoever signed both:
 * another size in which the leaf's path takes the same turns is accepted as well.
 * From 0 the proof is empty and from_root the empty tree's. */
bool tree_check_inclusion(int64_t index, int64_t size, const struct sha256 *leaf_hash,
                          const struct tree_proof *p, const struct sha256 *root);
bool tree_check_consistency(int64_t from, int64_t to, const struct sha256 *from_root,
                            const struct tree_proof *p, const struct sha256 *to_root);

/* ---- tiles as resources: "tile/0/x001/234", "tile/1/003.p/17", "tile/entries/000.p/9" ---- */

#define TILE_ENTRIES (-1) /* level of an entry bundle */
struct tile {
    int level; /* 0 … 63, or TILE_ENTRIES */
    int64_t n; /* which tile of the level */
    int width; /* hashes (entries): 256 for a full one, 1 … 255 for a partial one */
};
struct str tile_path(struct arena *a, const struct tile *t);
/* Strict: only what tile_path() gives. The path begins with "tile/". */
MUST_CHECK enum err tile_parse(struct str path, struct tile *out);
/* The width the tile has in a tree of that size: 0 (absent) … 256. */
int tile_width_in(const struct tile *t, int64_t size);

#endif
