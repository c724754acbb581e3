/* Verifier keys: what is taken is the same text when written again, and its id is its key's. */
#include "audit/note.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)4 << 20)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str text = fuzz_text(data, size);
    struct note_key k;
    enum err e = note_vkey_parse(a, text, &k);

    HOLDS(e == OK || e == ERR_INVALID || e == ERR_TOO_LARGE, "an answer out of the blue");
    if (e == OK) {
        bool ours = k.type == NOTE_ED25519 || k.type == NOTE_COSIGNER;

        HOLDS(note_name_is_valid(k.name) && fuzz_is_view(k.name, text), "a key of nobody");
        HOLDS(ours == str_is_null(k.other), "a key with two bodies");
        HOLDS(!ours || note_key_id(k.name, k.type, str_mem(k.pub, sizeof(k.pub))) == k.id,
              "an id of another key");
        HOLDS(str_eq(note_vkey(a, &k), text), "another text when written again");
    }
    arena_free(a);
    return 0;
}
