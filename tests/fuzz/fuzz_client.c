/* A client's object from JSON: what is accepted is inside its bounds, its stored parts are JSON again,
 * and members we do not know come back as they were. */
#include "api/client_body.h"
#include "base/text.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)256 << 20)

static struct json *
parsed(struct arena *a, struct str text, enum json_type type)
{
    struct json *v = NULL;
    const char *why;
    size_t where;

    HOLDS(json_parse(a, text, &v, &where, &why) == OK, "stored text is no JSON: %s", why);
    HOLDS(v->type == type, "stored text of another kind");
    return v;
}

static void
check_lists(struct arena *a, const struct client *c)
{
    const struct json *tags = parsed(a, c->tags, JSON_ARRAY);
    const struct json *fields = parsed(a, c->custom_field, JSON_ARRAY);

    HOLDS(fields->count <= CLIENT_FIELDS_MAX, "%zu fields", fields->count);
    for (const struct json *t = tags->first; t != NULL; t = t->next)
        HOLDS(t->type == JSON_STRING && utf8_is_valid(t->text), "a tag that is no text");
    for (const struct json *f = fields->first; f != NULL; f = f->next)
        HOLDS(f->type == JSON_OBJECT, "a field that is no object");
}

static struct str
written(struct arena *a, const struct json *v)
{
    struct buf *b = buf_in(a, (size_t)4 << 20);
    struct json_writer w;

    json_writer_init(&w, b);
    json_value(&w, v);
    return buf_view(b);
}

static void
check_extra(struct arena *a, const struct json *body, const struct client *c)
{
    const struct json *kept = parsed(a, c->extra, JSON_OBJECT);

    HOLDS(c->extra.n <= CLIENT_TEXT_MAX, "%zu bytes kept", c->extra.n);
    for (const struct json *m = kept->first; m != NULL; m = m->next) {
        const struct json *was = json_get(body, m->key);

        HOLDS(was != NULL && str_eq(written(a, was), written(a, m)), "a member is another one");
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct cx cx = {.arena = a};
    struct client c = {.tags = S("[]"), .custom_field = S("[]"), .extra = S("{}")};
    struct api_request rq = {.cx = &cx};
    struct json *v;
    const char *why;
    size_t where;
    enum err e;

    if (json_parse(a, fuzz_text(data, size), &v, &where, &why) == OK) {
        rq.body = v;
        e = client_body_read(&rq, true, &c);
        HOLDS(e == OK || cx.failure.code == e, "refused without words");
        if (e == OK) {
            HOLDS(c.name.n > 0 && c.name.n <= CLIENT_NAME_MAX && utf8_is_valid(c.name), "a name");
            HOLDS(c.description.n <= CLIENT_TEXT_MAX, "a description");
            check_lists(a, &c);
            check_extra(a, v, &c);
        }
    }
    arena_free(a);
    return 0;
}
