/* struct buf: the only growable byte buffer. It has a maximum and fails sticky: after an overflow
 * every further put does nothing and buf_failed() is true, so callers check once at the end.
 * It owns heap memory until buf_free(), or for ever with buf_in(), which ties it to an arena. */
#ifndef RECOUNT_BASE_BUF_H
#define RECOUNT_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct buf {
    char *p;
    size_t n, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);
/* A buffer freed together with the arena. */
struct buf *buf_in(struct arena *a, size_t max);
void buf_clear(struct buf *b); /* keeps the memory, clears the failure */

void buf_put(struct buf *b, const void *p, size_t n);
void buf_char(struct buf *b, char c);
void buf_str(struct buf *b, struct str s);
void buf_cstr(struct buf *b, const char *s);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u16be(struct buf *b, uint16_t v);
void buf_u32be(struct buf *b, uint32_t v);
void buf_u64be(struct buf *b, uint64_t v);
void buf_varint(struct buf *b, uint64_t v); /* LEB128, least significant group first */

/* The bytes so far; valid until the next put. */
struct str buf_view(const struct buf *b);
static inline bool
buf_failed(const struct buf *b)
{
    return b->failed;
}

#endif
