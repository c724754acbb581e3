/* Arenas: a chain of zeroed blocks that are freed together, and a stack of deferred calls.
 * Owns all memory it hands out. Does not lock: an arena belongs to one thread at a time. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN         alignof(max_align_t)
#define BLOCK_FIRST   ((size_t)4 << 10) /* bytes; most requests fit into the first few blocks */
#define BLOCK_LARGEST ((size_t)1 << 20) /* bytes; doubling stops here to bound the waste */

struct block {
    struct block *prev;
    size_t used, cap; /* bytes of data */
    alignas(max_align_t) char data[];
};

struct deferred {
    struct deferred *prev;
    void (*fn)(void *ptr);
    void *ptr;
};

struct arena {
    const char *name;
    size_t max, used;
    struct block *top; /* the block being filled; the first one is last in the chain */
    struct deferred *deferred;
};

_Noreturn static void
exhausted(const char *name, const char *what)
{
    /* Not a defect but exhaustion: inputs are bounded at the border, so this ends the process. */
    fprintf(stderr, "recount: arena \"%s\": %s\n", name, what);
    abort();
}

static struct block *
block_new(const char *name, struct block *prev, size_t cap)
{
    struct block *b = calloc(1, sizeof(*b) + cap);

    if (b == NULL)
        exhausted(name, "out of memory");
    b->prev = prev;
    b->cap = cap;
    return b;
}

struct arena *
arena_create(const char *name, size_t max)
{
    struct arena *a = calloc(1, sizeof(*a));

    if (a == NULL)
        exhausted(name, "out of memory");
    a->name = name;
    a->max = max;
    a->top = block_new(name, NULL, BLOCK_FIRST);
    return a;
}

static void
run_deferred(struct arena *a)
{
    /* Each is taken off before it runs, so a deferred call may itself defer. */
    while (a->deferred != NULL) {
        struct deferred *d = a->deferred;

        a->deferred = d->prev;
        d->fn(d->ptr);
    }
}

void
arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    run_deferred(a);
    for (struct block *b = a->top, *prev; b != NULL; b = prev) {
        prev = b->prev;
        free(b);
    }
    free(a);
}

void
arena_reset(struct arena *a)
{
    struct block *b;

    run_deferred(a);
    for (b = a->top; b->prev != NULL;) {
        struct block *prev = b->prev;

        free(b);
        b = prev;
    }
    memset(b->data, 0, b->used);
    b->used = 0;
    a->top = b;
    a->used = 0;
}

size_t
arena_used(const struct arena *a)
{
    return a->used;
}

/* Makes room for n bytes: a large piece gets a block of its own size. */
static void
grow(struct arena *a, size_t n)
{
    size_t cap = a->top->cap * 2;

    if (cap > BLOCK_LARGEST)
        cap = BLOCK_LARGEST;
    if (cap < n)
        cap = n;
    a->top = block_new(a->name, a->top, cap);
}

void *
arena_alloc(struct arena *a, size_t n, size_t size)
{
    size_t want;
    void *p;

    if (__builtin_mul_overflow(n, size, &want) || want > SIZE_MAX / 2)
        exhausted(a->name, "size overflow");
    want = want == 0 ? ALIGN : (want + ALIGN - 1) / ALIGN * ALIGN;
    if (want > a->max || a->used > a->max - want)
        exhausted(a->name, "outgrew its limit");
    if (want > a->top->cap - a->top->used)
        grow(a, want);
    p = a->top->data + a->top->used;
    a->top->used += want;
    a->used += want;
    return p;
}

void *
arena_list(struct arena *a, void *v, size_t n, size_t *cap, size_t size, size_t first)
{
    if (n < *cap)
        return v;
    if (n > SIZE_MAX / 2)
        BUG("a list of %zu", n);
    size_t want = n > 0 ? 2 * n : first;
    void *w = arena_alloc(a, want, size);
    if (n > 0)
        memcpy(w, v, n * size);
    *cap = want;
    return w;
}

void
arena_defer(struct arena *a, void (*fn)(void *ptr), void *ptr)
{
    struct deferred *d = arena_new(a, struct deferred);

    d->fn = fn;
    d->ptr = ptr;
    d->prev = a->deferred;
    a->deferred = d;
}

char *
arena_cstr(struct arena *a, struct str s)
{
    char *p = arena_array(a, char, s.n + 1);

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p;
}

struct str
arena_str(struct arena *a, struct str s)
{
    if (str_is_null(s))
        return STR_NULL;
    return str_mem(arena_cstr(a, s), s.n);
}

struct str
arena_fmt(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    int n;
    char *p;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        BUG("bad format \"%s\"", fmt);
    p = arena_array(a, char, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return str_mem(p, (size_t)n);
}
