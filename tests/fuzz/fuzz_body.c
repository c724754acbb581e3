/* Bodies of requests on their way to handlers. The first byte chooses the kind of route (j: JSON, f: JSON
 * or a form, m: a file, o: optional), the rest of the line is the Content-Type, then the body. What
 * reaches a handler is valid text in every place, and a refusal has words fit for the user. */
#include "api/dispatch.h"
#include "base/text.h"
#include "fuzz.h"

#define ARENA_MAX ((size_t)256 << 20)

static void
check_tree(const struct json *v)
{
    HOLDS(utf8_is_valid(v->key), "a name that is no text");
    HOLDS(v->type != JSON_STRING || utf8_is_valid(v->text), "a value that is no text");
    for (const struct json *m = v->first; m != NULL; m = m->next)
        check_tree(m);
}

static void
check_failure(const struct cx *cx, enum err e)
{
    HOLDS(e == ERR_INVALID || e == ERR_MEDIA_TYPE, "refused with %s", err_name(e));
    HOLDS(cx->failure.code == e && cx->failure.message.n > 0, "refused without words");
    HOLDS(utf8_is_valid(cx->failure.message), "words that are no text");
    for (const struct field_error *f = cx->failure.fields; f != NULL; f = f->next)
        HOLDS(utf8_is_valid(f->pointer) && utf8_is_valid(f->reason), "words that are no text");
}

static enum route_body
kind_of(char c)
{
    return c == 'f'   ? BODY_JSON_OR_FORM
           : c == 'm' ? BODY_MULTIPART
           : c == 'o' ? BODY_OPTIONAL
                      : BODY_JSON;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct str body = fuzz_text(data, size), type = S("");
    struct http_pair header;
    struct http_request http;
    struct cx cx = {.arena = a};
    struct route route;
    struct api_request rq;
    enum err e;

    str_cut(&body, '\n', &type);
    route = (struct route){.body = kind_of(type.n > 0 ? type.p[0] : 'j')};
    header = (struct http_pair){S("content-type"), str_sub(type, 1, SIZE_MAX)};
    http = (struct http_request){.arena = a, .headers = &header, .n_headers = 1, .body = body};
    rq = (struct api_request){.cx = &cx, .route = &route, .http = &http};
    /* The HTTP layer lets no other header pass. */
    if (utf8_is_valid(header.value)) {
        e = api_read_body(&rq);
        if (e != OK)
            check_failure(&cx, e);
        else
            HOLDS(rq.body != NULL || route.body == BODY_OPTIONAL || route.body == BODY_MULTIPART,
                  "a body that is required and absent");
        if (e == OK && rq.body != NULL)
            check_tree(rq.body);
    }
    arena_free(a);
    return 0;
}
