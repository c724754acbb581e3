/* Paths of tiles (C2SP tlog-tiles): "tile/0/x001/234", "tile/entries/000.p/9". */
#include "audit/tree.h"

#include <stdio.h>

#define TILE_LEVEL_MAX 63 /* as the specification has it */
#define TILE_BITS      8
/* "tile/entries/" + seven groups "x000/" + ".p/255" */
#define PATH_MAX_LEN 64
#define GROUP        1000 /* three digits of the tile's number */

/* The bytes written to out. */
static size_t
path_write(const struct tile *t, char out[PATH_MAX_LEN])
{
    int64_t scale = 1;
    int n;

    if (t->level == TILE_ENTRIES)
        n = snprintf(out, PATH_MAX_LEN, "tile/entries/");
    else
        n = snprintf(out, PATH_MAX_LEN, "tile/%d/", t->level);
    while (t->n / scale >= GROUP)
        scale *= GROUP;
    for (; scale >= 1; scale /= GROUP)
        n += snprintf(out + n, PATH_MAX_LEN - (size_t)n, "%s%03d%s", scale > 1 ? "x" : "",
                      (int)(t->n / scale % GROUP), scale > 1 ? "/" : "");
    if (t->width < TILE_WIDTH)
        n += snprintf(out + n, PATH_MAX_LEN - (size_t)n, ".p/%d", t->width);
    return (size_t)n;
}

struct str
tile_path(struct arena *a, const struct tile *t)
{
    char out[PATH_MAX_LEN];

    if (t->level < TILE_ENTRIES || t->level > TILE_LEVEL_MAX || t->n < 0 || t->width < 1 ||
        t->width > TILE_WIDTH)
        BUG("no such tile: level %d, width %d", t->level, t->width);
    return arena_str(a, str_mem(out, path_write(t, out)));
}

/* Takes a piece up to the next slash as decimal; the exact form is checked by writing it again. */
static enum err
number(struct str piece, int64_t max, int64_t *out)
{
    int64_t v;

    if (str_int64(piece, &v) != OK || v < 0 || v > max)
        return ERR_INVALID;
    *out = v;
    return OK;
}

/* "x001/234", with what follows left in *rest (null: nothing). */
static enum err
tile_number(struct str *rest, int64_t *out, bool *partial)
{
    int64_t n = 0, group;
    struct str piece;
    bool last = false;

    while (!last) {
        if (!str_cut(rest, '/', &piece))
            return ERR_INVALID;
        *partial = str_has_suffix(piece, S(".p"));
        if (*partial)
            piece = str_sub(piece, 0, piece.n - 2);
        last = !str_has_prefix(piece, S("x"));
        if (!last)
            piece = str_sub(piece, 1, piece.n);
        if (piece.n != 3)
            return ERR_INVALID;
        TRY(number(piece, GROUP - 1, &group));
        if (n > (INT64_MAX - group) / GROUP)
            return ERR_INVALID;
        n = n * GROUP + group;
    }
    *out = n;
    return OK;
}

enum err
tile_parse(struct str path, struct tile *out)
{
    struct tile t = {.level = TILE_ENTRIES, .width = TILE_WIDTH};
    struct str rest = path, piece;
    char again[PATH_MAX_LEN];
    bool partial;
    int64_t v;

    if (path.n >= PATH_MAX_LEN || !str_cut(&rest, '/', &piece) || !str_eq(piece, S("tile")) ||
        !str_cut(&rest, '/', &piece))
        return ERR_INVALID;
    if (!str_eq(piece, S("entries"))) {
        TRY(number(piece, TILE_LEVEL_MAX, &v));
        t.level = (int)v;
    }
    TRY(tile_number(&rest, &t.n, &partial));
    if (partial) {
        TRY(number(rest, TILE_WIDTH - 1, &v));
        t.width = (int)v;
    }
    if (t.width == 0 || !str_eq(path, str_mem(again, path_write(&t, again))))
        return ERR_INVALID;
    *out = t;
    return OK;
}

int
tile_width_in(const struct tile *t, int64_t size)
{
    int shift = t->level == TILE_ENTRIES ? 0 : t->level * TILE_BITS;
    int64_t hashes = shift < 63 ? size >> shift : 0, full = hashes >> TILE_BITS;

    if (t->n < full)
        return TILE_WIDTH;
    return t->n == full ? (int)(hashes & (TILE_WIDTH - 1)) : 0;
}
