/* Proofs checked: RFC 9162 sections 2.1.3.2 and 2.1.4.2. All that a verifier needs of trees. */
#include "audit/tree.h"

#include <string.h>

static bool
same(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->b, b->b, SHA256_LEN) == 0;
}

/* The walk from a leaf to the root: numbers of the node and of the level's last node. */
struct walk {
    int64_t node, last;
};

/* Whether the next sibling is on the left, i.e. the node is a right child or ends its level alone. */
static bool
sibling_is_left(const struct walk *w)
{
    return (w->node & 1) != 0 || w->node == w->last;
}

static void
walk_up(struct walk *w)
{
    w->node >>= 1;
    w->last >>= 1;
}

/* After a sibling on the left: a node that ends its level alone goes up unchanged first. */
static void
skip_lone(struct walk *w)
{
    while ((w->node & 1) == 0 && w->node != 0)
        walk_up(w);
}

bool
tree_check_inclusion(int64_t index, int64_t size, const struct sha256 *leaf_hash,
                     const struct tree_proof *p, const struct sha256 *root)
{
    struct walk w = {index, size - 1};
    struct sha256 r = *leaf_hash;

    if (index < 0 || index >= size || p->n > TREE_PROOF_MAX)
        return false;
    for (unsigned i = 0; i < p->n; i++) {
        if (w.last == 0)
            return false;
        if (sibling_is_left(&w)) {
            r = tree_node_hash(&p->h[i], &r);
            skip_lone(&w);
        } else {
            r = tree_node_hash(&r, &p->h[i]);
        }
        walk_up(&w);
    }
    return w.last == 0 && same(&r, root);
}

/* 0 < from < to */
static bool
check_growth(int64_t from, int64_t to, const struct sha256 *from_root, const struct tree_proof *p,
             const struct sha256 *to_root)
{
    struct walk w = {from - 1, to - 1};
    struct sha256 old, new;
    unsigned i = 0;

    while ((w.node & 1) != 0)
        walk_up(&w);
    if ((from & (from - 1)) == 0)
        old = *from_root; /* a perfect tree: its root is where the path begins */
    else if (p->n > 0)
        old = p->h[i++];
    else
        return false;
    new = old;
    for (; i < p->n; i++) {
        if (w.last == 0)
            return false;
        if (sibling_is_left(&w)) {
            old = tree_node_hash(&p->h[i], &old);
            new = tree_node_hash(&p->h[i], &new);
            skip_lone(&w);
        } else {
            new = tree_node_hash(&new, &p->h[i]);
        }
        walk_up(&w);
    }
    return w.last == 0 && same(&old, from_root) && same(&new, to_root);
}

bool
tree_check_consistency(int64_t from, int64_t to, const struct sha256 *from_root,
                       const struct tree_proof *p, const struct sha256 *to_root)
{
    struct sha256 empty;

    if (from < 0 || from > to || p->n > TREE_PROOF_MAX)
        return false;
    if (from == to && (p->n != 0 || !same(from_root, to_root)))
        return false;
    if (from == 0) {
        empty = sha256_of(STR_NULL);
        return p->n == 0 && same(from_root, &empty);
    }
    return from == to || check_growth(from, to, from_root, p, to_root);
}
