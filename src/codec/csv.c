/* CSV (RFC 4180): quoting with the formula guard, and the strict reader.
 * Owns nothing. Knows no types and no header row: cells are text. */
#include "codec/csv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"

#define BOM         "\xEF\xBB\xBF"
#define CELLS_FIRST 16 /* cells of the first row the list has room for */

/* ---- writer ---- */

void
csv_writer_init(struct csv_writer *w, struct buf *out)
{
    *w = (struct csv_writer){.out = out};
}

void
csv_bom(struct csv_writer *w)
{
    buf_str(w->out, S(BOM));
}

static void
separate(struct csv_writer *w)
{
    if (w->in_row)
        buf_char(w->out, ',');
    w->in_row = true;
}

static bool
is_formula(struct str s)
{
    return s.n > 0 && s.p[0] != '\0' && strchr("=+-@\t\r", s.p[0]) != NULL;
}

static bool
needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '"' || s.p[i] == ',' || s.p[i] == '\r' || s.p[i] == '\n')
            return true;
    /* Some readers trim bare cells. */
    return s.n > 0 && (s.p[0] == ' ' || s.p[s.n - 1] == ' ' || s.p[0] == '\t');
}

void
csv_cell(struct csv_writer *w, struct str s)
{
    bool quoted = needs_quotes(s);

    w->blank = !w->in_row && s.n == 0;
    separate(w);
    if (quoted)
        buf_char(w->out, '"');
    if (is_formula(s))
        buf_char(w->out, '\'');
    for (;;) {
        size_t at = str_index(s, '"');

        if (at == SIZE_MAX)
            break;
        buf_put(w->out, s.p, at);
        buf_cstr(w->out, "\"\"");
        s = str_sub(s, at + 1, s.n);
    }
    buf_str(w->out, s);
    if (quoted)
        buf_char(w->out, '"');
}

void
csv_i64(struct csv_writer *w, int64_t v)
{
    w->blank = false;
    separate(w);
    buf_fmt(w->out, "%" PRId64, v);
}

void
csv_end_row(struct csv_writer *w)
{
    /* A single empty cell written bare is a blank line, which readers skip. */
    buf_cstr(w->out, w->blank ? "\"\"\r\n" : "\r\n");
    w->in_row = false;
    w->blank = false;
}

void
csv_row(struct csv_writer *w, const struct str *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        csv_cell(w, cells[i]);
    csv_end_row(w);
}

/* ---- reader ---- */

void
csv_reader_init(struct csv_reader *r, struct arena *a, struct str text)
{
    *r = (struct csv_reader){.a = a, .text = text, .separator = ',', .line = 1};
    if (str_has_prefix(text, S(BOM)))
        r->at = sizeof(BOM) - 1;
}

void
csv_reader_guess(struct csv_reader *r)
{
    struct str rest = str_sub(r->text, r->at, r->text.n), line = STR_NULL;

    (void)str_cut(&rest, '\n', &line);
    if (str_index(line, ';') != SIZE_MAX && str_index(line, ',') == SIZE_MAX)
        r->separator = ';';
}

static enum err
fail_at(struct csv_reader *r, size_t line, const char *why)
{
    r->why = why;
    r->why_line = line;
    return ERR_INVALID;
}

/* Bytes of the line end at the reading position: 0 when there is none. */
static size_t
line_end(const struct csv_reader *r)
{
    if (r->at < r->text.n && r->text.p[r->at] == '\n')
        return 1;
    if (r->at + 1 < r->text.n && r->text.p[r->at] == '\r' && r->text.p[r->at + 1] == '\n')
        return 2;
    return 0;
}

static bool
at_cell_end(const struct csv_reader *r)
{
    return r->at == r->text.n || r->text.p[r->at] == r->separator || line_end(r) > 0;
}

static enum err
read_bare(struct csv_reader *r, struct str *out)
{
    size_t start = r->at;

    for (; !at_cell_end(r); r->at++) {
        if (r->text.p[r->at] == '"')
            return fail_at(r, r->line, "quote inside a cell that is not quoted");
        if (r->text.p[r->at] == '\r')
            return fail_at(r, r->line, "carriage return without a line feed");
    }
    *out = str_mem(r->text.p + start, r->at - start);
    return OK;
}

/* The content of a quoted cell, each doubled quote halved. */
static struct str
undouble(struct arena *a, struct str s)
{
    char *p = arena_array(a, char, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        p[n++] = s.p[i];
        i += s.p[i] == '"';
    }
    return str_mem(p, n);
}

/* At the opening quote. */
static enum err
read_quoted(struct csv_reader *r, struct str *out)
{
    size_t first_line = r->line, start = ++r->at;
    bool doubled = false;
    struct str s;

    for (;; r->at++) {
        if (r->at == r->text.n)
            return fail_at(r, first_line, "quoted cell without an end");
        if (r->text.p[r->at] == '\n')
            r->line++;
        if (r->text.p[r->at] != '"')
            continue;
        if (r->at + 1 == r->text.n || r->text.p[r->at + 1] != '"')
            break;
        doubled = true;
        r->at++;
    }
    s = str_mem(r->text.p + start, r->at - start);
    r->at++;
    if (!at_cell_end(r))
        return fail_at(r, r->line, "text behind a closing quote");
    *out = doubled ? undouble(r->a, s) : s;
    return OK;
}

static enum err
read_cell(struct csv_reader *r, struct str *out)
{
    size_t line = r->line;
    bool quoted = r->at < r->text.n && r->text.p[r->at] == '"';

    TRY(quoted ? read_quoted(r, out) : read_bare(r, out));
    if (out->n > CSV_MAX_CELL)
        return fail_at(r, line, "cell too long");
    if (!utf8_is_valid(*out))
        return fail_at(r, line, "invalid UTF-8 or U+0000");
    return OK;
}

static void
skip_blank_lines(struct csv_reader *r)
{
    for (size_t n; (n = line_end(r)) > 0; r->at += n)
        r->line++;
}

/* Reads the cells of one row into a growing array; the old, smaller ones stay in the arena. */
static enum err
read_cells(struct csv_reader *r, struct str **cells, size_t *n)
{
    size_t cap = r->columns > 0 ? r->columns : CELLS_FIRST, count = 0;
    struct str *list = arena_array(r->a, struct str, cap);

    for (;;) {
        if (count == CSV_MAX_CELLS)
            return fail_at(r, r->line, "too many cells in this row");
        if (count == cap) {
            struct str *wider = arena_array(r->a, struct str, cap * 2);

            memcpy(wider, list, cap * sizeof(*list));
            list = wider;
            cap *= 2;
        }
        TRY(read_cell(r, &list[count++]));
        if (r->at == r->text.n || r->text.p[r->at] != r->separator)
            break;
        r->at++;
    }
    *cells = list;
    *n = count;
    return OK;
}

enum err
csv_read_row(struct csv_reader *r, struct str **cells, size_t *n)
{
    struct str *list;
    size_t count, end;

    if (r->why != NULL)
        return ERR_INVALID;
    skip_blank_lines(r);
    if (r->at == r->text.n)
        return ERR_END;
    r->row_line = r->line;
    TRY(read_cells(r, &list, &count));
    end = line_end(r);
    r->at += end;
    r->line += end > 0;
    if (r->columns == 0)
        r->columns = count;
    if (count != r->columns)
        return fail_at(r, r->row_line, "this row has not as many cells as the first one");
    *cells = list;
    *n = count;
    return OK;
}
