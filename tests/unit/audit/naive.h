/* The root of RFC 6962 the slow way, and the leaf hashes of a log as a reader of the list gets them.
 * Shares nothing with tree.c. */
#ifndef TEST_AUDIT_NAIVE_H
#define TEST_AUDIT_NAIVE_H

#include "support.h"

static struct sha256
naive_root(const struct sha256 *leaf, int64_t n)
{
    int64_t k = 1;
    if (n == 0)
        return sha256_of(S(""));
    if (n == 1)
        return leaf[0];
    while (k * 2 < n)
        k *= 2;
    struct sha256 l = naive_root(leaf, k), r = naive_root(leaf + k, n - k);
    return sha256_parts((struct str[]){S("\x01"), sha256_str(&l), sha256_str(&r)}, 3);
}

/* The leaf hashes of a log as a reader of the list gets them, from `first` on. */
static int64_t
read_leaves(int64_t tenant, struct sha256 *out)
{
    struct audit_query q = query(tenant);
    int64_t n = 0;
    q.ascending = true;
    q.limit = 1000;
    for (;;) {
        struct audit_page p = list(q);
        for (size_t i = 0; i < p.n; i++) {
            struct buf *b = buf_in(t.a, 64);
            assert_int_equal(hex_get(p.events[i].leaf_hex, b), OK);
            out[p.events[i].index] = sha256_parts((struct str[]){S("\x00"), buf_view(b)}, 2);
            n = p.events[i].index + 1;
        }
        if (!p.more)
            return n;
        q.after = p.next;
    }
}

#endif
