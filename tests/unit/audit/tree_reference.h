/* What test_tree.c and test_tree_proof.c hold the code against: a prover that follows RFC 6962's
 * recursive definitions word for word, and the published vectors.
 *
 * Two trees: a dense one of LEAVES different leaves, and a sparse one of any size whose leaves are
 * all alike but for a few marked ones, so that a perfect part without these is looked up. */
#ifndef RECOUNT_TESTS_TREE_REFERENCE_H
#define RECOUNT_TESTS_TREE_REFERENCE_H

#include "../base/support.h"

#include "audit/tree.h"
#include "base/buf.h"

#define LEAVES    70000 /* of the dense tree; over 65,537 */
#define MARKS_MAX 16

extern struct sha256 leaf_hash[LEAVES];
extern int64_t marked[MARKS_MAX];
extern int n_marked; /* 0: the dense tree */

/* A set-up: an arena in *state, the dense tree. */
int make_leaves(void **state);
#define LEAVES_TEST(f) cmocka_unit_test_setup_teardown(f, make_leaves, arena_teardown)

struct sha256 leaf_of(int64_t i);
struct sha256 naive_root(int64_t from, int64_t to);
/* PATH(m, D[from:to]); the way taken at each split goes to shape, from the leaf up. */
void naive_path(int64_t m, int64_t from, int64_t to, struct tree_proof *p, struct buf *shape);
/* SUBPROOF(m, D[from:to], whole) */
void naive_subproof(int64_t m, int64_t from, int64_t to, bool whole, struct tree_proof *p,
                    struct buf *shape);

/* The source of either tree. It fails the test when asked for what the contract says is never asked. */
#define SOURCE_READS 32
struct source {
    int64_t size;
    int64_t read[SOURCE_READS][2]; /* level, tile */
    int reads;
    int64_t pruned; /* level 0 below this is gone */
};
enum err source_read(void *arg, int level, int64_t n, int width, struct sha256 *out);
/* A fresh one for one call. */
#define SOURCE(n) (&(struct tree_source){source_read, &(struct source){.size = (n)}})

/* The eight leaves of Certificate Transparency's own tests, and the roots of the trees of 0 … 8. */
struct sha256 published_leaf(struct arena *a, int i);
extern const char *const published_roots[9];
/* hex: the hash's, or its beginning */
void assert_hash(struct arena *a, const struct sha256 *h, const char *hex);

#endif
