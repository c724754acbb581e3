/* Paths of tiles: what is taken is the same path when written again, and within its bounds. */
#include "audit/tree.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)1 << 20)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str path = fuzz_text(data, size);
    struct tile t;
    enum err e = tile_parse(path, &t);

    HOLDS(e == OK || e == ERR_INVALID, "an answer out of the blue");
    if (e == OK) {
        HOLDS(t.level >= TILE_ENTRIES && t.level <= 63 && t.n >= 0 && t.width > 0 &&
                  t.width <= TILE_WIDTH,
              "no such tile");
        HOLDS(str_eq(tile_path(a, &t), path), "another path when written again");
        for (int shift = 0; shift < 63; shift++) {
            int width = tile_width_in(&t, INT64_MAX >> shift);

            HOLDS(width >= 0 && width <= TILE_WIDTH, "a tile of %d hashes", width);
        }
        HOLDS(tile_width_in(&t, 0) == 0, "a tile in an empty tree");
    }
    arena_free(a);
    return 0;
}
