/* Forms. The first line of the input is the Content-Type, what follows is the body. What is accepted
 * has names and valid text, views the body, and written as a form again is read as the same parts. */
#include "base/text.h"
#include "codec/url.h"
#include "fuzz.h"
#include "http/http.h"

#define ARENA_MAX ((size_t)256 << 20)
#define PARTS_MAX 256
#define HEAD_MAX  4000 /* bytes of a part's head that is surely taken */

static const struct str boundary = {"=fuzz'boundary=", 15};

static bool
same(struct str a, struct str b)
{
    return str_is_null(a) == str_is_null(b) && str_eq(a, b);
}

static void
compare(const struct form_part *was, size_t n, const struct form_part *is, size_t m)
{
    HOLDS(n == m, "%zu parts became %zu", n, m);
    for (size_t i = 0; i < n; i++)
        HOLDS(str_eq(was[i].name, is[i].name) && same(was[i].filename, is[i].filename) &&
                  same(was[i].type, is[i].type) && str_eq(was[i].value, is[i].value),
              "part %zu is another one after writing and reading", i);
}

/* ---- multipart ---- */

static void
put_quoted(struct buf *b, struct str s)
{
    buf_char(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_char(b, '\\');
        buf_char(b, s.p[i]);
    }
    buf_char(b, '"');
}

/* False: such a head would be too long, or the boundary stands in a value. */
static bool
put_part(struct buf *b, const struct form_part *part)
{
    size_t start = b->n;

    buf_fmt(b, "--%.*s\r\nContent-Disposition: form-data; name=", STR_ARG(boundary));
    put_quoted(b, part->name);
    if (!str_is_null(part->filename)) {
        buf_cstr(b, "; filename=");
        put_quoted(b, part->filename);
    }
    if (!str_is_null(part->type)) {
        buf_cstr(b, "\r\nContent-Type: ");
        buf_str(b, part->type);
    }
    buf_cstr(b, "\r\n\r\n");
    if (b->n - start > HEAD_MAX || str_contains(part->value, boundary))
        return false;
    buf_str(b, part->value);
    buf_cstr(b, "\r\n");
    return true;
}

static void
check_multipart(struct arena *a, struct str body, const struct form_part *parts, size_t n)
{
    struct str type = arena_fmt(a, "multipart/form-data; boundary=\"%.*s\"", STR_ARG(boundary));
    struct buf *b = buf_in(a, body.n * 3 + 1024 * (n + 1));
    struct form_part *again;
    size_t m;

    for (size_t i = 0; i < n; i++) {
        bool text = str_is_null(parts[i].filename) &&
                    (str_is_null(parts[i].type) || str_has_prefix(parts[i].type, S("text/")));

        HOLDS(parts[i].name.n > 0, "a part without a name");
        HOLDS(fuzz_is_view(parts[i].value, body), "a value outside the body");
        HOLDS(!text || utf8_is_valid(parts[i].value), "a text that is none");
        if (!put_part(b, &parts[i]))
            return;
    }
    buf_fmt(b, "--%.*s--\r\n", STR_ARG(boundary));
    HOLDS(form_parse(a, type, buf_view(b), &again, &m) == OK, "what we wrote is refused");
    compare(parts, n, again, m);
}

/* ---- urlencoded ---- */

static void
check_urlencoded(struct arena *a, struct str body, const struct form_part *parts, size_t n)
{
    struct buf *b = buf_in(a, body.n * 3 + 4 * n + 16);
    struct form_part *again;
    size_t m;

    for (size_t i = 0; i < n; i++) {
        HOLDS(utf8_is_valid(parts[i].value), "a value that is no text");
        HOLDS(str_is_null(parts[i].filename) && str_is_null(parts[i].type), "a file from nowhere");
        buf_cstr(b, i > 0 ? "&" : "");
        url_encode(b, parts[i].name);
        buf_char(b, '=');
        url_encode(b, parts[i].value);
    }
    HOLDS(!buf_failed(b), "more came out than could");
    HOLDS(form_parse(a, S("application/x-www-form-urlencoded"), buf_view(b), &again, &m) == OK,
          "what we wrote is refused");
    compare(parts, n, again, m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str body = fuzz_text(data, size), type = STR_NULL;
    struct form_part *parts;
    size_t n;

    str_cut(&body, '\n', &type);
    if (form_parse(a, type, body, &parts, &n) == OK) {
        HOLDS(n <= PARTS_MAX, "%zu parts", n);
        for (size_t i = 0; i < n; i++)
            HOLDS(utf8_is_valid(parts[i].name) && utf8_is_valid(parts[i].filename) &&
                      utf8_is_valid(parts[i].type),
                  "a name that is no text");
        if (str_ieq(str_sub(str_trim(type), 0, 5), S("multi")))
            check_multipart(a, body, parts, n);
        else
            check_urlencoded(a, body, parts, n);
    }
    arena_free(a);
    return 0;
}
