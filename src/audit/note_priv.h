/* Shared by the text formats of the log: note.c, checkpoint.c, tlogproof.c, policy.c. */
#ifndef RECOUNT_AUDIT_NOTE_PRIV_H
#define RECOUNT_AUDIT_NOTE_PRIV_H

#include "audit/note.h"
#include "base/buf.h"

#define NOTE_HASH_LINE ((size_t)44) /* base64 of 32 bytes */

/* UTF-8 without control characters but newlines, and ends in one. */
bool note_text_is_valid(struct str text);
/* Cuts the next line off *rest, without its newline; false when there is none that ends in one. */
bool note_line(struct str *rest, struct str *line);
/* Digits only, no zero in front but of 0 itself, below 2^63. */
MUST_CHECK enum err note_decimal(struct str s, int64_t *out);
/* Strict base64 of at most max bytes, in the arena. */
MUST_CHECK enum err note_base64(struct arena *a, struct str s, size_t max, struct str *out);
/* A hash, in base64 (exactly NOTE_HASH_LINE bytes). */
MUST_CHECK enum err note_hash(struct str s, struct sha256 *out);
void note_hash_put(struct buf *b, const struct sha256 *h);
/* Hash lines up to an empty line, which is taken too. */
MUST_CHECK enum err note_hashes(struct str *rest, unsigned max, struct tree_proof *out);
/* What a cosigner signs. */
void note_cosigned(struct buf *b, int64_t seconds, struct str text);

#endif
