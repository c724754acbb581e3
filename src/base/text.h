/* UTF-8, base64, hexadecimal: text in and out of bytes. */
#ifndef RECOUNT_BASE_TEXT_H
#define RECOUNT_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* Valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). U+0000 is refused as well. */
bool utf8_is_valid(struct str s);
/* Decodes the code point at *i of valid text and advances *i. */
uint32_t utf8_next(struct str s, size_t *i);
void utf8_put(struct buf *b, uint32_t cp);
/* Number of code points. */
size_t utf8_count(struct str s);
/* The longest prefix of at most max bytes that does not cut a code point. */
struct str utf8_cut(struct str s, size_t max);
/* Simple case folding for search: ASCII, Latin-1, Latin Extended-A, Greek, Cyrillic, and what
 * towlower() of the C.UTF-8 locale gives elsewhere; the result is appended to b. */
void utf8_fold(struct buf *b, struct str s);
/* The same as a text in the arena; never null. */
struct str utf8_folded(struct arena *a, struct str s);
/* The same for one code point. */
uint32_t utf8_fold_one(uint32_t cp);
/* A control (C0, C1, DEL), bidirectional or other invisible format character. */
bool utf8_is_unseen(uint32_t cp);
/* Appends s with control (C0, C1, DEL), bidirectional and other invisible format characters as
 * "\u{XXXX}"; used wherever text of others is shown in a terminal or a log line. */
void text_visible(struct buf *b, struct str s);

/* Nothing in s that a reader does not see, or sees as part of another letter: no control, invisible
 * or bidirectional character, no space of any width, no combining mark. */
bool text_is_plain(struct str s);
/* Nothing in s that a reader sees: empty, or spaces, marks and unseen characters only. */
bool text_is_blank(struct str s);

void base64_put(struct buf *b, struct str bytes);                    /* standard alphabet, padded */
void base64url_put(struct buf *b, struct str bytes);                 /* URL alphabet, unpadded */
MUST_CHECK enum err base64_get(struct str text, struct buf *out);    /* strict, padded */
MUST_CHECK enum err base64url_get(struct str text, struct buf *out); /* strict, unpadded */
struct str base64url_in(struct arena *a, struct str bytes);

void hex_put(struct buf *b, struct str bytes); /* lower case */
MUST_CHECK enum err hex_get(struct str text, struct buf *out);
struct str hex_in(struct arena *a, struct str bytes);

#endif
