/* Proof files (C2SP tlog-proof): an index, its inclusion proof, the signed checkpoint, and whatever
 * else the reader needs. Whether the proof proves anything is tree_check.c's and policy.c's to say. */
#include "audit/note_priv.h"
#include "base/text.h"

#define HEADER "c2sp.org/tlog-proof@v1"

struct str
tlog_proof_text(struct arena *a, struct str extra, int64_t index,
                const struct tree_proof *inclusion, struct str checkpoint_note)
{
    struct buf *b =
        buf_in(a, 256 + extra.n / 3 * 4 + checkpoint_note.n + inclusion->n * (NOTE_HASH_LINE + 1));

    if (index < 0 || inclusion->n > TREE_PROOF_MAX || extra.n > TLOG_PROOF_EXTRA_MAX)
        BUG("no proof is made of this");
    buf_cstr(b, HEADER "\n");
    if (extra.n > 0) {
        buf_cstr(b, "extra ");
        base64_put(b, extra);
        buf_char(b, '\n');
    }
    buf_fmt(b, "index %lld\n", (long long)index);
    for (unsigned i = 0; i < inclusion->n; i++)
        note_hash_put(b, &inclusion->h[i]);
    buf_char(b, '\n');
    buf_str(b, checkpoint_note);
    if (buf_failed(b))
        BUG("a proof longer than its parts");
    return buf_view(b);
}

enum err
tlog_proof_parse(struct arena *a, struct str bytes, struct tlog_proof *out)
{
    struct tlog_proof p = {0};
    struct checkpoint c;
    struct str rest = bytes, line;

    if (!note_line(&rest, &line) || !str_eq(line, S(HEADER)) || !note_line(&rest, &line))
        return ERR_INVALID;
    if (str_has_prefix(line, S("extra "))) {
        TRY(note_base64(a, str_sub(line, 6, SIZE_MAX), TLOG_PROOF_EXTRA_MAX, &p.extra));
        if (p.extra.n == 0 || !note_line(&rest, &line))
            return ERR_INVALID;
    }
    if (!str_has_prefix(line, S("index ")))
        return ERR_INVALID;
    TRY(note_decimal(str_sub(line, 6, SIZE_MAX), &p.index));
    TRY(note_hashes(&rest, TREE_PROOF_MAX, &p.inclusion));
    TRY(note_parse(a, rest, &p.checkpoint));
    TRY(checkpoint_parse(p.checkpoint.text, &c));
    *out = p;
    return OK;
}
