/* Arenas: memory with one named lifetime (process, request, job, scratch).
 *
 * Everything allocated from an arena lives until arena_free(); nothing is freed singly. Allocation
 * never returns NULL and always returns zeroed memory; exhaustion and arithmetic overflow abort.
 * Foreign resources are tied to the arena with arena_defer(): they are released in reverse order.
 * An arena belongs to one thread at a time. */
#ifndef RECOUNT_BASE_ARENA_H
#define RECOUNT_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct arena;

/* A new arena; `name` (a literal) appears in the abort message when it outgrows `max` bytes. */
struct arena *arena_create(const char *name, size_t max);
/* Runs the deferred calls in reverse order and frees everything. NULL is allowed. */
void arena_free(struct arena *a);
/* Like arena_free, but keeps the arena itself usable (its first block is kept). */
void arena_reset(struct arena *a);
/* Bytes handed out since creation or the last reset. */
size_t arena_used(const struct arena *a);

void *arena_alloc(struct arena *a, size_t n, size_t size);
#define arena_new(a, T)      ((T *)arena_alloc((a), 1, sizeof(T)))
#define arena_array(a, T, n) ((T *)arena_alloc((a), (n), sizeof(T)))

/* Room for one more behind the n elements of a growing list: v as it is while n < *cap, else a copy twice as
 * long (`first` elements when there was none). What it leaves behind stays in the arena, less than the
 * list takes itself. */
void *arena_list(struct arena *a, void *v, size_t n, size_t *cap, size_t size, size_t first);
#define arena_grow(a, v, n, cap, first)                                                            \
    ((v) = arena_list((a), (v), (n), (cap), sizeof *(v), (first)))

/* Calls fn(ptr) when the arena is freed or reset. */
void arena_defer(struct arena *a, void (*fn)(void *ptr), void *ptr);

/* Copies; the copy is NUL-terminated behind its length. */
struct str arena_str(struct arena *a, struct str s);
/* A NUL-terminated copy for foreign interfaces. */
char *arena_cstr(struct arena *a, struct str s);
/* printf into the arena. */
struct str arena_fmt(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
