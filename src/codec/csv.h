/* CSV (RFC 4180): a streaming writer and a strict reader over a bounded text.
 *
 * The writer appends to a buf and ends each row with CRLF. A cell that begins with = + - @ TAB or
 * CR gets a leading apostrophe, since spreadsheets run such cells as formulas. Plain numbers
 * ("-5", "+1.5") are meant for csv_i64, which needs no guard.
 *
 * The reader takes a whole upload (bounded by the caller), tolerates a byte order mark and CRLF or
 * LF line ends, and is strict otherwise: a quote inside a bare cell, text behind a closing quote,
 * a quoted cell without an end, invalid UTF-8 and U+0000 are errors with their line. Cells view
 * the text, or the arena where a doubled quote had to be decoded. Blank lines are skipped. */
#ifndef RECOUNT_CODEC_CSV_H
#define RECOUNT_CODEC_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define CSV_MAX_CELLS 1024          /* cells in a row; more is no table a person made */
#define CSV_MAX_CELL  (1024 * 1024) /* bytes of one cell */

/* ---- writer ---- */
struct csv_writer {
    struct buf *out;
    bool in_row;
    bool blank; /* the row so far is one empty cell */
};

void csv_writer_init(struct csv_writer *w, struct buf *out);
/* The UTF-8 byte order mark, first of all, for spreadsheets that guess otherwise. */
void csv_bom(struct csv_writer *w);
void csv_cell(struct csv_writer *w, struct str s); /* a null str is an empty cell */
void csv_i64(struct csv_writer *w, int64_t v);
void csv_end_row(struct csv_writer *w);
/* A row of n cells. */
void csv_row(struct csv_writer *w, const struct str *cells, size_t n);

/* ---- reader ---- */
struct csv_reader {
    struct arena *a;
    struct str text;
    size_t at;
    char separator;  /* ',' unless the caller, or csv_reader_guess(), says otherwise */
    size_t line;     /* of the next byte, from 1 */
    size_t columns;  /* of the first row; every other row must have as many. 0 before it */
    size_t row_line; /* line on which the last row read began */
    const char *why; /* after ERR_INVALID: what is wrong (literal) ... */
    size_t why_line; /* ... and where */
};

void csv_reader_init(struct csv_reader *r, struct arena *a, struct str text);
/* Before the first row: cells are separated by semicolons, as spreadsheets of many countries write
 * them, when the first line has semicolons and no comma. */
void csv_reader_guess(struct csv_reader *r);
/* The next row: cells in the arena. ERR_END behind the last one, ERR_INVALID with why and
 * why_line set; the reader then stays there. */
MUST_CHECK enum err csv_read_row(struct csv_reader *r, struct str **cells, size_t *n);

#endif
