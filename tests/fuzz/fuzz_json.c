/* The JSON reader and writer: what is accepted comes out of the writer as a text that is accepted
 * again and written the same. */
#include "base/text.h"
#include "codec/json.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)256 << 20)

static struct str
written(struct arena *a, const struct json *v, size_t max)
{
    struct buf *b = buf_in(a, max);
    struct json_writer w;

    json_writer_init(&w, b);
    json_value(&w, v);
    if (buf_failed(b) || w.depth != 0)
        BUG("the writer failed on what the reader took");
    return buf_view(b);
}

static void
read_numbers(const struct json *v)
{
    int64_t i;
    double d;

    if (v->type == JSON_NUMBER) {
        enum err e = json_int64(v, &i);

        /* An integer that fits is a double that is finite. */
        if (e == OK && json_double(v, &d) != OK)
            BUG("an integer but no double");
    }
    if (v->type == JSON_STRING && !utf8_is_valid(v->text))
        BUG("invalid UTF-8 got in");
    for (const struct json *c = v->first; c != NULL; c = c->next)
        read_numbers(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str text = fuzz_text(data, size), once;
    size_t where = SIZE_MAX;
    const char *why = NULL;
    struct json *v;

    if (json_parse(a, text, &v, &where, &why) != OK) {
        if (why == NULL || where > size)
            BUG("no reason or no place");
    } else {
        read_numbers(v);
        once = written(a, v, size * 6 + 16);
        if (json_parse(a, once, &v, &where, &why) != OK)
            BUG("what we wrote is refused: %s", why);
        if (!str_eq(written(a, v, size * 6 + 16), once))
            BUG("the second writing differs");
    }
    arena_free(a);
    return 0;
}
