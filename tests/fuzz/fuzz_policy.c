/* Policies: one is taken or the line of the fault is named; what is taken keeps its bounds, is
 * satisfied by nothing unless it asks for no cosignature, and is judged alike without its comments. */
#include <string.h>

#include "audit/note.h"
#include "base/buf.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)64 << 20)

/* The text without comment lines and empty lines. */
static struct str
bare(struct arena *a, struct str text)
{
    struct buf *b = buf_in(a, text.n + 1);
    struct str rest = text, line;

    while (str_cut(&rest, '\n', &line))
        if (str_trim(line).n > 0 && !str_has_prefix(str_trim(line), S("#"))) {
            buf_str(b, line);
            buf_char(b, '\n');
        }
    return buf_view(b);
}

static void
check(struct arena *a, const struct policy *p, struct str text)
{
    struct str note_text = checkpoint_text(a, S("log"), 0, &(struct sha256){{0}}), why = STR_NULL;
    struct note_signer log =
        note_signer_of(S("log"), NOTE_ED25519, S("0123456789abcdef0123456789abcdef"));
    const struct policy_witness *ws;
    const struct note_key *logs;
    struct policy *again;
    struct note n;

    HOLDS(policy_logs(p, &logs) <= POLICY_NAMES_MAX, "too many logs");
    for (size_t i = policy_witnesses(p, &ws); i > 0; i--) {
        HOLDS(ws[i - 1].name.n > 0 && fuzz_is_view(ws[i - 1].name, text),
              "a witness without a name");
        HOLDS(ws[i - 1].key.type != NOTE_ED25519, "a witness with a log's key");
    }
    for (size_t i = 0; i < policy_logs(p, &logs); i++)
        HOLDS(logs[i].type != NOTE_COSIGNER, "a log with a witness's key");
    HOLDS(note_parse(a, note_sign(a, note_text, &log, 1), &n) == OK, "no note");
    HOLDS(!policy_satisfied(p, a, &n, 0, &why) && why.n > 0, "a stranger satisfies the policy");
    HOLDS(policy_parse(a, bare(a, text), &again, &why) == OK, "comments matter");
    HOLDS(policy_logs(again, &logs) == policy_logs(p, &logs) &&
              policy_witnesses(again, &ws) == policy_witnesses(p, &ws),
          "comments hide a part");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str text = fuzz_text(data, size), why = STR_NULL;
    struct policy *p = NULL;
    enum err e = policy_parse(a, text, &p, &why);

    HOLDS(e == OK || e == ERR_INVALID || e == ERR_TOO_LARGE, "an answer out of the blue");
    HOLDS(e != ERR_INVALID || str_has_prefix(why, S("line ")), "no line is named");
    if (e == OK)
        check(a, p, text);
    arena_free(a);
    return 0;
}
