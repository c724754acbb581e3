/* UTF-8, base64, hexadecimal: the input is tried as each of them. Every encoding has one text only;
 * validity is compared with a second reader written from the table of the standard. */
#include "base/text.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)64 << 20)

/* Unicode 15, table 3-7, as ranges of the second byte by the first. */
static size_t
sequence(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last, lo, hi;
        size_t n;
    } rows[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (p[0] < rows[i].first || p[0] > rows[i].last || left < rows[i].n)
            continue;
        if (rows[i].n > 1 && (p[1] < rows[i].lo || p[1] > rows[i].hi))
            return 0;
        for (size_t k = 2; k < rows[i].n; k++)
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        return rows[i].n;
    }
    return 0;
}

static bool
is_valid(struct str s)
{
    size_t n;

    for (size_t i = 0; i < s.n; i += n)
        if ((n = sequence((const unsigned char *)s.p + i, s.n - i)) == 0)
            return false;
    return true;
}

static void
check_cuts(struct str s)
{
    for (size_t max = 0; max < 8 && max <= s.n; max++) {
        struct str cut = utf8_cut(s, max);

        HOLDS(cut.n <= max && cut.n + 3 >= max && utf8_is_valid(cut), "a bad cut at %zu", max);
    }
}

static void
check_valid(struct arena *a, struct str s)
{
    struct buf *same = buf_in(a, s.n + 4), *once = buf_in(a, s.n * 2 + 16),
               *twice = buf_in(a, s.n * 4 + 16), *seen = buf_in(a, s.n * 10 + 16),
               *again = buf_in(a, s.n * 10 + 16);
    size_t count = 0;

    for (size_t i = 0; i < s.n; count++)
        utf8_put(same, utf8_next(s, &i));
    HOLDS(str_eq(buf_view(same), s) && count == utf8_count(s), "code points lost");
    utf8_fold(once, s);
    utf8_fold(twice, buf_view(once));
    HOLDS(!buf_failed(once) && utf8_is_valid(buf_view(once)), "folding spoils the text");
    HOLDS(str_eq(buf_view(once), buf_view(twice)), "what is folded folds again");
    text_visible(seen, s);
    text_visible(again, buf_view(seen));
    HOLDS(utf8_is_valid(buf_view(seen)) && str_eq(buf_view(seen), buf_view(again)),
          "something invisible is left");
    for (size_t i = 0; i < seen->n; i++)
        HOLDS((unsigned char)seen->p[i] >= ' ' && seen->p[i] != 0x7f, "a control byte is left");
    check_cuts(s);
}

typedef enum err (*get_fn)(struct str text, struct buf *out);
typedef void (*put_fn)(struct buf *b, struct str bytes);

/* What is decoded encodes to the same text (lower: hexadecimal takes both cases), and the input as
 * bytes survives encoding and decoding. */
static void
check_code(struct arena *a, struct str s, get_fn get, put_fn put, bool lower)
{
    struct buf *out = buf_in(a, s.n + 4), *text = buf_in(a, s.n * 3 + 8),
               *back = buf_in(a, s.n + 4);

    if (get(s, out) == OK) {
        put(text, buf_view(out));
        HOLDS(lower ? str_ieq(buf_view(text), s) : str_eq(buf_view(text), s),
              "one value has two texts");
    } else {
        HOLDS(out->n == 0, "something is left of a refused text");
    }
    buf_clear(text);
    put(text, s);
    HOLDS(get(buf_view(text), back) == OK && str_eq(buf_view(back), s), "bytes lost");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str s = fuzz_text(data, size);

    HOLDS(utf8_is_valid(s) == is_valid(s), "two readers of UTF-8 differ");
    if (is_valid(s))
        check_valid(a, s);
    check_code(a, s, base64_get, base64_put, false);
    check_code(a, s, base64url_get, base64url_put, false);
    check_code(a, s, hex_get, hex_put, true);
    arena_free(a);
    return 0;
}
