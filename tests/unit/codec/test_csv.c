/* CSV: quoting and the formula guard, the strict reader with its lines, the round trip. */
#include "../base/support.h"

#include "codec/csv.h"

static void
test_writer(void **state)
{
    static const struct str cells[] = {S("plain"), S("a,b"),  S("say \"x\""), S("two\nlines"),
                                       STR_NULL,   S("=1+1"), S("@x"),        S("-5"),
                                       S("+5"),    S("\tx"),  S("\rx"),       S(" s")};
    struct buf *b = buf_in(*state, 1000);
    struct csv_writer w;

    csv_writer_init(&w, b);
    csv_row(&w, cells, sizeof(cells) / sizeof(cells[0]));
    csv_i64(&w, -5);
    csv_cell(&w, S("=\"a\""));
    csv_end_row(&w);
    csv_row(&w, &cells[4], 1); /* a row of one empty cell is no blank line */
    assert_str(
        buf_view(b),
        S("plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",,'=1+1,'@x,'-5,'+5,\"'\tx\",\"'\rx\","
          "\" s\"\r\n-5,\"'=\"\"a\"\"\"\r\n\"\"\r\n"));
}

/* Rows as "cell|cell;" so that tables of cases stay readable. */
static enum err
read_all(struct arena *a, struct str text, struct buf *out, struct csv_reader *r)
{
    struct str *cells;
    size_t n;
    enum err e;

    csv_reader_init(r, a, text);
    while ((e = csv_read_row(r, &cells, &n)) == OK) {
        for (size_t i = 0; i < n; i++) {
            buf_str(out, cells[i]);
            buf_char(out, i + 1 < n ? '|' : ';');
        }
    }
    return e;
}

static void
test_reader(void **state)
{
    static const struct str cases[][2] = {
        {S(""), S("")},
        {S("\xef\xbb\xbf"
           "a,b\r\n1,2\r\n"),
         S("a|b;1|2;")},
        {S("a,b\n1,2"), S("a|b;1|2;")},
        {S("a,b\n\n\r\n1,\n"), S("a|b;1|;")},
        {S("\"a,\"\"x\"\"\",\"b\r\nc\"\n,\n"), S("a,\"x\"|b\r\nc;|;")},
        {S("\"\",\"\"\"\""), S("|\";")},
        {S("a"), S("a;")},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf *b = buf_in(*state, 1000);
        struct csv_reader r;

        assert_int_equal(read_all(*state, cases[i][0], b, &r), ERR_END);
        assert_str(buf_view(b), cases[i][1]);
    }
}

static void
test_reader_refuses_with_line(void **state)
{
    static const struct {
        struct str text;
        size_t line;
    } cases[] = {
        {S("a,b\n1\n"), 2},
        {S("a\n1,2\n"), 2},
        {S("a\nb\"c\n"), 2},
        {S("a\n\"b\"c\n"), 2},
        {S("a\n\"b\nc"), 2},
        {S("a\n\"b\nc\"d\n"), 3},
        {S("a\n\"b\nc\"\n\xff\n"), 4},
        {S("a\nb\0c\n"), 2},
        {S("a\rb\n"), 1},
        {S("a\n\r\n\nb\"c\n"), 4}, /* blank lines count */
        {{"a\r\n", 2}, 1},         /* what is behind the text is not looked at */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf *b = buf_in(*state, 1000);
        struct csv_reader r;
        struct str *cells;
        size_t n;

        assert_int_equal(read_all(*state, cases[i].text, b, &r), ERR_INVALID);
        assert_non_null(r.why);
        assert_int_equal(r.why_line, cases[i].line);
        assert_int_equal(csv_read_row(&r, &cells, &n), ERR_INVALID);
    }
}

static void
test_too_many_cells(void **state)
{
    char *p = arena_array(*state, char, CSV_MAX_CELLS);
    struct csv_reader r;
    struct str *cells;
    size_t n;

    memset(p, ',', CSV_MAX_CELLS);
    csv_reader_init(&r, *state, str_mem(p, CSV_MAX_CELLS - 1));
    assert_ok(csv_read_row(&r, &cells, &n));
    assert_int_equal(n, CSV_MAX_CELLS);
    csv_reader_init(&r, *state, str_mem(p, CSV_MAX_CELLS));
    assert_int_equal(csv_read_row(&r, &cells, &n), ERR_INVALID);
}

static void
test_semicolons_are_guessed(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"a;b;c\n1;2,5;3\n", 3}, {"a;b,c\n", 2}, {"a,b\n1;2,3\n", 2}, {"a\nb;c\n", 1}, {"", 0}};
    struct csv_reader r;
    struct str *cells;
    size_t n;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        csv_reader_init(&r, *state, str_of(cases[i].text));
        csv_reader_guess(&r);
        if (cases[i].n == 0)
            assert_int_equal(csv_read_row(&r, &cells, &n), ERR_END);
        else
            assert_ok(csv_read_row(&r, &cells, &n));
        if (cases[i].n > 0)
            assert_int_equal(n, cases[i].n);
    }
}

static void
test_round_trip(void **state)
{
    static const struct str row[] = {S("a"), S("b \"q\" \r\n,"), S(""), S("\xc3\xa9")};
    struct buf *b = buf_in(*state, 1000);
    struct csv_writer w;
    struct csv_reader r;
    struct str *cells;
    size_t n;

    csv_writer_init(&w, b);
    csv_bom(&w);
    csv_row(&w, row, 4);
    csv_row(&w, row, 4);
    csv_reader_init(&r, *state, buf_view(b));
    for (int i = 0; i < 2; i++) {
        assert_ok(csv_read_row(&r, &cells, &n));
        assert_int_equal(n, 4);
        for (size_t k = 0; k < n; k++)
            assert_str(cells[k], row[k]);
    }
    assert_int_equal(r.row_line, 3);
    assert_int_equal(csv_read_row(&r, &cells, &n), ERR_END);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_writer),
        ARENA_TEST(test_reader),
        ARENA_TEST(test_reader_refuses_with_line),
        ARENA_TEST(test_too_many_cells),
        ARENA_TEST(test_semicolons_are_guessed),
        ARENA_TEST(test_round_trip),
    };

    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
