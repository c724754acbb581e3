/* The body of a witness's request: what is taken is the same bytes when written again. */
#include "audit/note.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)16 << 20)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str body = fuzz_text(data, size);
    struct witness_request r;
    struct checkpoint c;
    enum err e = witness_request_parse(a, body, &r);

    HOLDS(e == OK || e == ERR_INVALID || e == ERR_TOO_LARGE, "an answer out of the blue");
    if (e == OK) {
        HOLDS(r.old_size >= 0 && r.proof.n <= WITNESS_PROOF_MAX, "a request for nothing");
        HOLDS(checkpoint_parse(r.checkpoint.text, &c) == OK, "a request without a checkpoint");
        HOLDS(str_eq(witness_request_text(a, r.old_size, &r.proof, r.checkpoint.whole), body),
              "the request is another one when written again");
        (void)tree_check_consistency(r.old_size, c.size, &c.root, &r.proof, &c.root);
    }
    arena_free(a);
    return 0;
}
