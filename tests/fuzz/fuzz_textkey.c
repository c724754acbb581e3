/* Keys of texts: the input is tried as text, and its pairs of bytes as code points, many of them marks and jamo.
 * What libutf8proc makes of a whole text is what ours must make of it piece by piece. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/text.h"
#include "codec/textkey.h"
#include "fuzz.h"

#define ARENA_MAX  ((size_t)64 << 20)
#define GROWTH     3  /* a stray byte becomes U+FFFD; U+1D160 three code points of its length */
#define MARKS_SURE 63 /* marks of one letter that are put in order together (decisions/0015) */

/* The whole text by the library. */
static struct str
normal(struct arena *a, struct str s, int form)
{
    utf8proc_uint8_t *p = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, &p,
                                      (utf8proc_option_t)(UTF8PROC_STABLE | form));
    struct str out;

    HOLDS(n >= 0, "the library refuses valid text: %s", utf8proc_errmsg(n));
    out = arena_str(a, str_mem(p, (size_t)n));
    free(p);
    return out;
}

static bool
joins(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);

    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME ||
           (cp >= 0x1161 && cp <= 0x11C2);
}

/* No letter has more marks, jamo among them, than are promised to be put in order; of the decomposed text. */
static bool
is_sure(struct str apart)
{
    size_t run = 0, most = 0;

    for (size_t i = 0; i < apart.n;) {
        run = joins(utf8_next(apart, &i)) ? run + 1 : 0;
        most = run > most ? run : most;
    }
    return most <= MARKS_SURE;
}

static void
check_bounds(struct arena *a, struct str s)
{
    struct str key = text_key(a, s), composed = text_composed(a, s);
    struct buf *put = buf_in(a, s.n * GROWTH + 8);

    bool nul =
        memchr(s.p, 0, s.n) != NULL; /* refused at the border, and no text for utf8_is_valid() */

    HOLDS(nul || (utf8_is_valid(key) && utf8_is_valid(composed)), "what comes out is no text");
    HOLDS(key.n <= GROWTH * s.n && composed.n <= GROWTH * s.n, "%zu bytes of %zu", key.n, s.n);
    buf_cstr(put, "before");
    buf_clear(put);
    text_key_put(put, s);
    HOLDS(!buf_failed(put) && str_eq(buf_view(put), key), "appended it is another");
    HOLDS((s.n > 0) == (key.n > 0), "a text without a key, or a key of nothing");
}

static void
check_forms(struct arena *a, struct str s)
{
    struct str apart = normal(a, s, UTF8PROC_DECOMPOSE), whole = normal(a, s, UTF8PROC_COMPOSE);
    struct str key = text_key(a, s), composed = text_composed(a, s);

    if (!is_sure(apart))
        return;
    HOLDS(str_eq(composed, whole), "composed otherwise than by the library");
    HOLDS(str_eq(text_composed(a, composed), composed), "what is composed composes again");
    HOLDS(str_eq(text_key(a, apart), key), "another key taken apart");
    HOLDS(str_eq(text_key(a, whole), key), "another key composed");
    HOLDS(str_eq(text_key(a, key), key), "a key has another key");
}

static void
check_plain(struct arena *a, struct str s)
{
    struct buf *fold = buf_in(a, s.n * 2 + 16);

    for (size_t i = 0; i < s.n;)
        if (utf8_next(s, &i) >= 0x300)
            return;
    utf8_fold(fold, s);
    HOLDS(str_eq(text_key(a, s), buf_view(fold)), "below U+0300 the key is not the fold");
}

static void
check(struct arena *a, struct str s)
{
    check_bounds(a, s);
    if (!utf8_is_valid(s))
        return;
    check_forms(a, s);
    check_plain(a, s);
}

/* Two bytes a code point: of the basic plane, or one of those that join others. */
static struct str
as_code_points(struct arena *a, const uint8_t *data, size_t size)
{
    struct buf *b = buf_in(a, size * 2 + 16);

    for (size_t i = 0; i + 1 < size; i += 2) {
        uint32_t low = data[i + 1], cp = (uint32_t)data[i] << 8 | low;

        if (data[i] >= 0xF0)
            cp = 0x300 + low % 0x70; /* marks */
        else if (data[i] >= 0xE0)
            cp = 0x1100 + low; /* jamo */
        else if (data[i] >= 0xD8)
            cp = 0x1D100 + low; /* astral letters of several code points */
        if (cp > 0)
            utf8_put(b, cp);
    }
    return buf_view(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);

    check(a, fuzz_text(data, size));
    check(a, as_code_points(a, data, size));
    arena_free(a);
    return 0;
}
