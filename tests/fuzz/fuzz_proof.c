/* Proof files: what is taken is the same bytes when written again; whatever path and root it holds,
 * it does not prove two different entries. */
#include <string.h>

#include "audit/note.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)64 << 20)

static void
check(struct arena *a, const struct tlog_proof *p, struct str bytes)
{
    struct sha256 one = tree_leaf_hash(S("an entry")), other = tree_leaf_hash(S("another"));
    struct checkpoint c;

    HOLDS(p->index >= 0 && p->inclusion.n <= TREE_PROOF_MAX, "a proof of nothing");
    HOLDS(str_is_null(p->extra) || p->extra.n > 0, "an empty extra");
    HOLDS(str_eq(tlog_proof_text(a, p->extra, p->index, &p->inclusion, p->checkpoint.whole), bytes),
          "the proof is another one when written again");
    HOLDS(checkpoint_parse(p->checkpoint.text, &c) == OK, "a proof without a checkpoint");
    HOLDS(!tree_check_inclusion(p->index, c.size, &one, &p->inclusion, &c.root) ||
              !tree_check_inclusion(p->index, c.size, &other, &p->inclusion, &c.root),
          "two entries at one place");
    (void)tree_check_consistency(p->index, c.size, &c.root, &p->inclusion, &c.root);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str bytes = fuzz_text(data, size);
    struct tlog_proof p;
    enum err e = tlog_proof_parse(a, bytes, &p);

    HOLDS(e == OK || e == ERR_INVALID || e == ERR_TOO_LARGE, "an answer out of the blue");
    if (e == OK)
        check(a, &p, bytes);
    arena_free(a);
    return 0;
}
