/* The key of a text: the same for all texts that a reader takes for the same one, whichever keyboard wrote them
 * (decisions/0015). A thin face over libutf8proc, which has the tables of Unicode. Results are in the arena or
 * appended to the buffer; texts that are no UTF-8 (of a damaged record) go through with U+FFFD in them. */
#ifndef RECOUNT_CODEC_TEXTKEY_H
#define RECOUNT_CODEC_TEXTKEY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* Composed (NFC) and case-folded; of text below U+0300 exactly what utf8_fold() gives. Not for showing. */
void text_key_put(struct buf *b, struct str s);
struct str text_key(struct arena *a, struct str s); /* never null */
/* Composed (NFC), case as it is; never null. */
struct str text_composed(struct arena *a, struct str s);

#endif
