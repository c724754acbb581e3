/* What every fuzz target shares. A target is one file fuzz_NAME.c that defines
 * LLVMFuzzerTestOneInput() for one decoder of untrusted bytes, a row in meson.build, and a folder
 * corpus/NAME of small inputs written by us; an input that once found a defect joins them.
 *
 * A target states what must hold for every input, not merely that nothing crashes: what is accepted
 * is canonical or survives a round trip, what comes out is inside its bounds. It keeps no state
 * between inputs and takes no randomness but its bytes.
 *
 *   meson test -C build --suite unit fuzz_NAME      replays the corpus and a seeded mutation of it
 *   tools/fuzz.sh SECONDS NAME                      libFuzzer with sanitizers */
#ifndef RECOUNT_TESTS_FUZZ_H
#define RECOUNT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An invariant: says what is wrong and aborts, in every build. */
#define HOLDS(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            BUG(__VA_ARGS__);                                                                      \
    } while (0)

/* The input as text; an empty one has an address too. */
static inline struct str
fuzz_text(const uint8_t *data, size_t size)
{
    return str_mem(size > 0 ? (const void *)data : "", size);
}

/* Whether part lies inside whole, or is empty. */
static inline bool
fuzz_is_view(struct str part, struct str whole)
{
    return part.n == 0 || ((uintptr_t)part.p >= (uintptr_t)whole.p &&
                           (uintptr_t)part.p + part.n <= (uintptr_t)whole.p + whole.n);
}

#endif
