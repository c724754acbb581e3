/* Checkpoints, their cosignatures, and what is sent to a witness (C2SP tlog-checkpoint,
 * tlog-cosignature, tlog-witness). Knows no head, no store and no network. */
#include <sodium.h>

#include "audit/note_priv.h"
#include "base/text.h"

#define COSIGNATURE_LEN 72 /* big-endian seconds, Ed25519 signature */
#define REQUEST_MAX     (NOTE_MAX + (size_t)(WITNESS_PROOF_MAX + 2) * (NOTE_HASH_LINE + 1))

struct str
checkpoint_text(struct arena *a, struct str origin, int64_t size, const struct sha256 *root)
{
    struct buf *b = buf_in(a, origin.n + 256);

    if (origin.n == 0 || str_index(origin, '\n') != SIZE_MAX || size < 0)
        BUG("no checkpoint is made of this");
    buf_str(b, origin);
    buf_fmt(b, "\n%lld\n", (long long)size);
    note_hash_put(b, root);
    return buf_view(b);
}

/* Extension lines are opaque, but none is empty. */
static bool
extensions_are_valid(struct str extensions)
{
    struct str rest = extensions, line;

    while (note_line(&rest, &line))
        if (line.n == 0)
            return false;
    return true;
}

enum err
checkpoint_parse(struct str text, struct checkpoint *out)
{
    struct checkpoint c = {0};
    struct str rest = text, line;

    if (text.n > NOTE_MAX)
        return ERR_TOO_LARGE;
    if (!note_text_is_valid(text) || !note_line(&rest, &c.origin) || c.origin.n == 0 ||
        !note_line(&rest, &line))
        return ERR_INVALID;
    TRY(note_decimal(line, &c.size));
    if (!note_line(&rest, &line))
        return ERR_INVALID;
    TRY(note_hash(line, &c.root));
    if (!extensions_are_valid(rest))
        return ERR_INVALID;
    c.extensions = rest;
    *out = c;
    return OK;
}

struct str
checkpoint_cosign(struct arena *a, struct str text, const struct note_signer *s, int64_t seconds)
{
    struct buf *message = buf_in(a, text.n + 64), *sig = buf_in(a, COSIGNATURE_LEN);
    uint8_t ed25519[crypto_sign_BYTES];

    if (s->key.type != NOTE_COSIGNER || seconds < 0)
        BUG("a key of type %d does not cosign", s->key.type);
    note_cosigned(message, seconds, text);
    crypto_sign_detached(ed25519, NULL, (const unsigned char *)message->p, message->n, s->secret);
    buf_u64be(sig, (uint64_t)seconds);
    buf_put(sig, ed25519, sizeof(ed25519));
    return note_sig_line(a, s, buf_view(sig));
}

/* ---- the witness's request ---- */

enum err
witness_request_parse(struct arena *a, struct str body, struct witness_request *out)
{
    struct witness_request r = {0};
    struct checkpoint c;
    struct str rest = body, line;

    if (!note_line(&rest, &line) || !str_has_prefix(line, S("old ")))
        return ERR_INVALID;
    TRY(note_decimal(str_sub(line, 4, SIZE_MAX), &r.old_size));
    TRY(note_hashes(&rest, WITNESS_PROOF_MAX, &r.proof));
    TRY(note_parse(a, rest, &r.checkpoint));
    TRY(checkpoint_parse(r.checkpoint.text, &c));
    *out = r;
    return OK;
}

struct str
witness_request_text(struct arena *a, int64_t old_size, const struct tree_proof *proof,
                     struct str checkpoint_note)
{
    struct buf *b = buf_in(a, REQUEST_MAX);

    if (old_size < 0 || proof->n > WITNESS_PROOF_MAX)
        BUG("no request is made of this");
    buf_fmt(b, "old %lld\n", (long long)old_size);
    for (unsigned i = 0; i < proof->n; i++)
        note_hash_put(b, &proof->h[i]);
    buf_char(b, '\n');
    buf_str(b, checkpoint_note);
    if (buf_failed(b))
        BUG("a checkpoint too long for a request");
    return buf_view(b);
}
