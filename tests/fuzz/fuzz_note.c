/* Signed notes: what is taken is a text and signature lines that, written again, are the same bytes;
 * no key that has not signed it is said to have. The last rule holds as nobody forges Ed25519. */
#include <string.h>

#include "audit/note.h"
#include "base/text.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)16 << 20)
#define KNOWN     "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define SIGNED    "This is an example message.\n" /* all that is known to be signed by it */

static void
check_line(struct arena *a, struct buf *again, const struct note_sig *s)
{
    struct buf *bytes = buf_in(a, NOTE_MAX);

    HOLDS(note_name_is_valid(s->name) && s->bytes.n > 0, "a signature of nobody or of nothing");
    buf_u32be(bytes, s->id);
    buf_str(bytes, s->bytes);
    buf_cstr(again, "\xe2\x80\x94 ");
    buf_str(again, s->name);
    buf_char(again, ' ');
    base64_put(again, buf_view(bytes));
    buf_char(again, '\n');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str bytes = fuzz_text(data, size);
    struct buf *again = buf_in(a, size + 16);
    struct note_key known;
    struct note n;
    enum err e = note_parse(a, bytes, &n);

    HOLDS(e == OK || e == ERR_INVALID || e == ERR_TOO_LARGE, "an answer out of the blue");
    if (e == OK) {
        HOLDS(fuzz_is_view(n.text, bytes) && n.text.n > 0 && n.text.p[n.text.n - 1] == '\n',
              "a text that does not end");
        HOLDS(n.n_sigs > 0 && n.n_sigs <= NOTE_SIGS_MAX, "%zu signatures", n.n_sigs);
        buf_str(again, n.text);
        buf_char(again, '\n');
        for (size_t i = 0; i < n.n_sigs; i++)
            check_line(a, again, &n.sigs[i]);
        HOLDS(str_eq(buf_view(again), bytes), "the note is another one when written again");
        HOLDS(note_vkey_parse(a, S(KNOWN), &known) == OK, "the key is gone");
        HOLDS(note_check(&n, &known, NULL) != NOTE_GOOD || str_eq(n.text, S(SIGNED)), "a forgery");
        known.type = NOTE_COSIGNER;
        HOLDS(note_check(&n, &known, NULL) != NOTE_GOOD, "a forged cosignature");
    }
    arena_free(a);
    return 0;
}
