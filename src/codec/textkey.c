/* Keys of texts: composing letters with their marks, piece by piece, and folding case. Owns nothing; the tables are
 * libutf8proc's. */
#include "codec/textkey.h"

#include <utf8proc.h>

#include "base/text.h"

/* Code points below this one have no decomposition that composing would not undo, and never join the one
 * before them: text of such alone is composed as it is. */
#define FIRST_MARK      0x300u
#define FIRST_MARK_LEAD 0xCC /* first byte of U+0300 in UTF-8 */
/* Marks of one letter that are put in order together: ordering takes the square of their number. Letters of
 * people have four at most; what follows in a longer run is taken for a piece of its own. */
#define MARKS_MAX 63
#define PIECE_MAX (4 * (MARKS_MAX + 1)) /* a code point decomposes into four at most */
#define COMPOSED  (UTF8PROC_STABLE | UTF8PROC_COMPOSE)

static bool
may_join(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);

    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME ||
           (cp >= 0x1161 && cp <= 0x11C2); /* Hangul: vowels and finals */
}

static bool
is_below_marks(struct str s, size_t i)
{
    return i == s.n || (unsigned char)s.p[i] < FIRST_MARK_LEAD;
}

/* The end of the letter that begins at i, with all that joins it. */
static size_t
piece_end(struct str s, size_t i)
{
    (void)utf8_next(s, &i);
    for (int n = 0; n < MARKS_MAX && !is_below_marks(s, i); n++) {
        size_t next = i;

        if (!may_join(utf8_next(s, &next)))
            break;
        i = next;
    }
    return i;
}

/* Text that is none (of a damaged record) goes through as utf8_next() reads it. */
static void
put_plain(struct buf *b, struct str s, bool fold)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp = utf8_next(s, &i);

        utf8_put(b, fold ? utf8_fold_one(cp) : cp);
    }
}

static void
put_piece(struct buf *b, struct str piece, bool fold)
{
    utf8proc_int32_t v[PIECE_MAX];
    utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)piece.p,
                                            (utf8proc_ssize_t)piece.n, v, PIECE_MAX, COMPOSED);

    if (n > 0 && n <= PIECE_MAX)
        n = utf8proc_normalize_utf32(v, n, COMPOSED);
    if (n <= 0 || n > PIECE_MAX) {
        put_plain(b, piece, fold);
        return;
    }
    for (utf8proc_ssize_t i = 0; fold && i < n; i++)
        v[i] = (utf8proc_int32_t)utf8_fold_one((uint32_t)v[i]);
    if (fold && n > 1) /* some small letters are composed ones where the capital is none */
        n = utf8proc_normalize_utf32(v, n, COMPOSED);
    for (utf8proc_ssize_t i = 0; i < n; i++)
        utf8_put(b, (uint32_t)v[i]);
}

static void
put(struct buf *b, struct str s, bool fold)
{
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        uint32_t cp = utf8_next(s, &i);

        if (cp < FIRST_MARK && is_below_marks(s, i)) {
            utf8_put(b, fold ? utf8_fold_one(cp) : cp);
        } else {
            i = piece_end(s, from);
            put_piece(b, str_sub(s, from, i - from), fold);
        }
    }
}

void
text_key_put(struct buf *b, struct str s)
{
    put(b, s, true);
}

struct str
text_key(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n * 4 + 16);

    put(b, s, true);
    return buf_view(b);
}

struct str
text_composed(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n * 4 + 16);

    put(b, s, false);
    return buf_view(b);
}
