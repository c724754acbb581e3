/* Views of events: two bytes give the length of the public part, then public and personal part. Any
 * event that is a record at all comes out as one line of JSON, of OCSF and of CSV, and nothing in it
 * moves a border between fields or lines. */
#include "audit/record.h"
#include "base/text.h"
#include "codec/csv.h"
#include "fuzz.h"

#define ARENA_MAX      ((size_t)512 << 20)
#define LINE_MAX_BYTES ((size_t)8 << 20)

static struct str
line_of(struct arena *a, enum audit_format f, const struct audit_event *e)
{
    struct buf *b = buf_in(a, LINE_MAX_BYTES);

    audit_format_head(b, f);
    audit_format_line(a, b, f, e);
    HOLDS(!buf_failed(b) && utf8_is_valid(buf_view(b)), "a line that is no text");
    return buf_view(b);
}

static void
check_json(struct arena *a, enum audit_format f, const struct audit_event *e)
{
    struct str line = line_of(a, f, e);
    struct json *v;
    const char *why;
    size_t where;

    HOLDS(line.n > 0 && str_index(line, '\n') == line.n - 1, "not one line");
    HOLDS(json_parse(a, line, &v, &where, &why) == OK && v->type == JSON_OBJECT, "no JSON: %s",
          why);
}

static void
check_csv(struct arena *a, const struct audit_event *e)
{
    struct csv_reader r;
    struct str *cells;
    size_t n, columns;

    csv_reader_init(&r, a, line_of(a, AUDIT_CSV, e));
    HOLDS(csv_read_row(&r, &cells, &columns) == OK, "a head that is no row");
    HOLDS(csv_read_row(&r, &cells, &n) == OK && n == columns, "a row that is none: %s", r.why);
    for (size_t i = 1; i < n; i++)
        HOLDS(cells[i].n == 0 || strchr("=+-@\t\r", cells[i].p[0]) == NULL,
              "a cell that a spreadsheet runs");
    HOLDS(csv_read_row(&r, &cells, &n) == ERR_END, "more than one row");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    size_t n = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];
    struct record r = {0};

    if (size >= 2 && n <= size - 2 && record_get_public(str_mem(data + 2, n), &r) == OK &&
        record_get_personal(a, str_mem(data + 2 + n, size - 2 - n), &r) == OK) {
        check_json(a, AUDIT_NDJSON, &r.e);
        check_json(a, AUDIT_OCSF, &r.e);
        check_csv(a, &r.e);
    }
    arena_free(a);
    return 0;
}
