/* Keys of texts: composing letters with their marks, piece by piece, and folding case. Owns nothing; the tables are
 * libutf8proc's. */
#include "codec/textkey.h"

#include <utf8proc.h>

#include "base/text.h"

/* Code points below U+0300 have no decomposition that composing would not undo, and never join the one
 * before them: text of such alone is composed as it is. */
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

/* The ASCII from i on that nothing joins, which is nearly all of most texts; returns its end. */
static size_t
put_ascii(struct buf *b, struct str s, size_t i, bool fold)
{
    char run[256];
    size_t n = 0;

    while (n < sizeof run && i + n < s.n && (unsigned char)s.p[i + n] < 0x80) {
        char c = s.p[i + n];

        run[n++] = fold && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    if (n > 0 && !is_below_marks(s, i + n))
        n--; /* what follows may join it */
    buf_put(b, run, n);
    return i + n;
}

/* One code point that nothing joins, as one code point: nearly all of the rest. */
static bool
put_single(struct buf *b, uint32_t cp, bool fold)
{
    utf8proc_int32_t v[4];
    int boundary = 0;

    if (utf8proc_decompose_char((utf8proc_int32_t)cp, v, 4, COMPOSED, &boundary) != 1)
        return false;
    utf8_put(b, fold ? utf8_fold_one((uint32_t)v[0]) : (uint32_t)v[0]);
    return true;
}

static void
put(struct buf *b, struct str s, bool fold)
{
    for (size_t i = 0; i < s.n;) {
        size_t from = i = put_ascii(b, s, i, fold), end;
        uint32_t cp;

        if (i == s.n)
            break;
        cp = utf8_next(s, &i);
        if ((unsigned char)s.p[from] < FIRST_MARK_LEAD && is_below_marks(s, i)) {
            utf8_put(b, fold ? utf8_fold_one(cp) : cp);
            continue;
        }
        end = piece_end(s, from);
        if (end != i || !put_single(b, cp, fold))
            put_piece(b, str_sub(s, from, end - from), fold);
        i = end;
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
