/* Checkpoints: what is taken is the same bytes when written again, extensions included, and makes a
 * note that is signed, cosigned and checked. */
#include <string.h>

#include "audit/note.h"
#include "base/buf.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)16 << 20)
#define SEED      "0123456789abcdef0123456789abcdef"

static void
sign_and_check(struct arena *a, struct str text)
{
    struct note_signer log = note_signer_of(S("log"), NOTE_ED25519, S(SEED)),
                       witness = note_signer_of(S("witness"), NOTE_COSIGNER, S(SEED));
    struct str signed_note = note_sign(a, text, &log, 1),
               line = checkpoint_cosign(a, text, &witness, 1700000000);
    struct buf *b = buf_in(a, signed_note.n + line.n);
    struct note n;
    int64_t when;

    buf_str(b, signed_note);
    buf_str(b, line);
    HOLDS(note_parse(a, buf_view(b), &n) == OK, "what we signed is no note");
    HOLDS(str_eq(n.text, text), "what we signed says something else");
    HOLDS(note_check(&n, &log.key, NULL) == NOTE_GOOD, "what we signed is not signed");
    HOLDS(note_check(&n, &witness.key, &when) == NOTE_GOOD &&
              when == INT64_C(1700000000) * INT64_C(1000000),
          "what we cosigned is not cosigned");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str text = fuzz_text(data, size), head;
    struct buf *again = buf_in(a, size + 256);
    struct checkpoint c;
    enum err e = checkpoint_parse(text, &c);

    HOLDS(e == OK || e == ERR_INVALID || e == ERR_TOO_LARGE, "an answer out of the blue");
    if (e == OK) {
        HOLDS(c.size >= 0 && c.origin.n > 0 && fuzz_is_view(c.origin, text) &&
                  fuzz_is_view(c.extensions, text),
              "a checkpoint of nothing");
        head = checkpoint_text(a, c.origin, c.size, &c.root);
        buf_str(again, head);
        buf_str(again, c.extensions);
        HOLDS(str_eq(buf_view(again), text), "the checkpoint is another one when written again");
        if (text.n < NOTE_MAX - 1024)
            sign_and_check(a, text);
    }
    arena_free(a);
    return 0;
}
