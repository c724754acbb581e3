/* struct buf: growth by doubling up to a maximum, then sticky failure.
 * Owns heap memory. Out of memory aborts, as everywhere; outgrowing `max` is an outcome. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST ((size_t)256) /* bytes of the first allocation */

void
buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void
buf_free(struct buf *b)
{
    if (b == NULL)
        return;
    free(b->p);
    *b = (struct buf){.max = b->max};
}

static void
buf_free_deferred(void *ptr)
{
    buf_free(ptr);
}

struct buf *
buf_in(struct arena *a, size_t max)
{
    struct buf *b = arena_new(a, struct buf);

    buf_init(b, max);
    arena_defer(a, buf_free_deferred, b);
    return b;
}

void
buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

/* Room for n more bytes; false when the buffer has failed or fails now. */
static bool
reserve(struct buf *b, size_t n)
{
    size_t cap = b->cap < BUF_FIRST ? BUF_FIRST : b->cap;
    char *p;

    if (b->failed)
        return false;
    if (n > b->max || b->n > b->max - n) {
        b->failed = true;
        return false;
    }
    if (n <= b->cap - b->n)
        return true;
    while (cap < b->n + n)
        cap = cap > SIZE_MAX / 2 ? b->n + n : cap * 2;
    if (cap > b->max)
        cap = b->max;
    p = realloc(b->p, cap);
    if (p == NULL) {
        fprintf(stderr, "recount: out of memory for a buffer of %zu bytes\n", cap);
        abort();
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !reserve(b, n))
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void
buf_char(struct buf *b, char c)
{
    if (!reserve(b, 1))
        return;
    b->p[b->n++] = c;
}

void
buf_str(struct buf *b, struct str s)
{
    buf_put(b, s.p, s.n);
}

void
buf_cstr(struct buf *b, const char *s)
{
    buf_str(b, str_of(s));
}

void
buf_fmt(struct buf *b, const char *fmt, ...)
{
    char small[128], *text = small;
    va_list ap;
    int n;

    /* Formatted aside, not in place: vsnprintf wants room for a NUL that the buffer never holds. */
    va_start(ap, fmt);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    if (n < 0)
        BUG("bad format \"%s\"", fmt);
    if ((size_t)n >= sizeof(small)) {
        va_start(ap, fmt);
        n = vasprintf(&text, fmt, ap);
        va_end(ap);
        if (n < 0)
            BUG("out of memory in buf_fmt");
    }
    buf_put(b, text, (size_t)n);
    if (text != small)
        free(text);
}

void
buf_u16be(struct buf *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    buf_put(b, &v, sizeof(v));
}

void
buf_u32be(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_put(b, &v, sizeof(v));
}

void
buf_u64be(struct buf *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buf_put(b, &v, sizeof(v));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the bswaps above assume little endian");

void
buf_varint(struct buf *b, uint64_t v)
{
    while (v >= 0x80) {
        buf_char(b, (char)(unsigned char)(v | 0x80));
        v >>= 7;
    }
    buf_char(b, (char)v);
}

struct str
buf_view(const struct buf *b)
{
    /* Empty, not absent: a null view would be written as null by the JSON writer. */
    return b->p == NULL ? S("") : str_mem(b->p, b->n);
}
