/* CSV: what the reader takes is a table of valid text; written out by our writer and read again it is
 * the same table, but for the apostrophe in front of what a spreadsheet would run as a formula. */
#include "base/text.h"
#include "codec/csv.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)256 << 20)

static bool
is_formula(struct str s)
{
    return s.n > 0 && memchr("=+-@\t\r", s.p[0], 6) != NULL;
}

static void
compare(const struct str *was, const struct str *is, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool guarded = is_formula(was[i]);

        HOLDS(!is_formula(is[i]), "a cell that a spreadsheet runs");
        HOLDS(!guarded || is[i].p[0] == '\'', "no apostrophe before a formula");
        HOLDS(str_eq(guarded ? str_sub(is[i], 1, SIZE_MAX) : is[i], was[i]),
              "a cell is another one after writing and reading");
    }
}

static void
check_row(const struct csv_reader *r, const struct str *cells, size_t n, size_t *line)
{
    HOLDS(n > 0 && n <= CSV_MAX_CELLS && n == r->columns, "a row of %zu cells", n);
    HOLDS(r->row_line > *line && r->row_line <= r->line, "rows out of order");
    *line = r->row_line;
    for (size_t i = 0; i < n; i++)
        HOLDS(utf8_is_valid(cells[i]) && cells[i].n <= CSV_MAX_CELL, "a cell that is no text");
}

/* Reads `text` row by row beside what was written of it. */
static void
read_both(struct arena *a, struct str text, struct str written)
{
    struct csv_reader first, again;
    struct str *was, *is;
    size_t n, m;

    csv_reader_init(&first, a, text);
    csv_reader_init(&again, a, written);
    while (csv_read_row(&first, &was, &n) == OK) {
        HOLDS(csv_read_row(&again, &is, &m) == OK && m == n, "a row is lost in writing");
        compare(was, is, n);
    }
    HOLDS(csv_read_row(&again, &is, &m) == ERR_END, "more comes out than went in");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str text = fuzz_text(data, size), *cells;
    struct buf *out = buf_in(a, size * 4 + 1024);
    struct csv_reader r;
    struct csv_writer w;
    size_t n, line = 0;
    enum err e;

    csv_reader_init(&r, a, text);
    csv_writer_init(&w, out);
    csv_bom(&w);
    while ((e = csv_read_row(&r, &cells, &n)) == OK) {
        check_row(&r, cells, n, &line);
        csv_row(&w, cells, n);
    }
    HOLDS(e == ERR_END ? r.why == NULL : r.why != NULL && r.why_line > 0, "no reason or no line");
    HOLDS(csv_read_row(&r, &cells, &n) == e, "a second answer at the end");
    HOLDS(!buf_failed(out), "more came out than could");
    read_both(a, text, buf_view(out));
    arena_free(a);
    return 0;
}
