/* Bodies and parameters: from bytes to checked values. Every bad field is reported, not the first. */
#include <stdlib.h>

#include "api/api.h"
#include "api/dispatch.h"
#include "base/text.h"

#define WHOLE S("") /* the JSON pointer of the body itself (RFC 6901, section 5) */

/* A form becomes an object of strings, so that handlers know one shape. Files are no texts: they stay
 * in rq->parts. A name given twice would be read differently by two readers. */
static enum err
form_object(struct api_request *rq, const struct json **out)
{
    struct arena *a = rq->cx->arena;
    struct json *o = arena_new(a, struct json);
    struct json **end = &o->first;

    o->type = JSON_OBJECT;
    for (size_t i = 0; i < rq->n_parts; i++) {
        const struct form_part *part = &rq->parts[i];
        struct json *m = arena_new(a, struct json);

        if (!str_is_null(part->filename))
            continue;
        if (!utf8_is_valid(part->value))
            return fail_field(rq->cx, part->name, "is not valid UTF-8");
        if (json_get(o, part->name) != NULL)
            return fail_field(rq->cx, part->name, "is given twice");
        m->type = JSON_STRING;
        m->key = part->name;
        m->text = part->value;
        *end = m;
        end = &m->next;
        o->count++;
    }
    *out = o;
    return OK;
}

/* A body that begins like JSON is JSON: command-line clients label it as a form by default. */
static bool
is_form(struct str type, struct str text)
{
    if (str_has_prefix(type, S("application/x-www-form-urlencoded")))
        return text.n == 0 || (text.p[0] != '{' && text.p[0] != '[');
    return str_has_prefix(type, S("multipart/form-data"));
}

static enum err
read_form(struct api_request *rq, struct str type)
{
    if (form_parse(rq->cx->arena, type, rq->http->body, &rq->parts, &rq->n_parts) != OK)
        return fail_field(rq->cx, WHOLE, "is a malformed form");
    return form_object(rq, &rq->body);
}

/* Clients send JSON with any type or none, and "null" where there is no body. */
static enum err
read_json(struct api_request *rq, struct str text)
{
    struct json *v;
    size_t where;
    const char *why;

    if (!utf8_is_valid(text))
        return fail_field(rq->cx, WHOLE, "is not valid UTF-8 text");
    if (json_parse(rq->cx->arena, text, &v, &where, &why) != OK)
        return fail_field(rq->cx, WHOLE, "is not valid JSON: %s at byte %zu", why, where);
    rq->body = v->type == JSON_NULL ? NULL : v;
    return OK;
}

/* Members are looked for in an object only: another body would be one without any. Routes of lists of
 * users take the bare list, too. */
static enum err
check_shape(struct api_request *rq)
{
    bool list = str_has_prefix(str_of(rq->route->fields), S("users:array"));

    if (rq->body->type == JSON_OBJECT || (list && rq->body->type == JSON_ARRAY))
        return OK;
    return fail_field(rq->cx, WHOLE, list ? "must be an object or a list" : "must be an object");
}

enum err
api_read_body(struct api_request *rq)
{
    struct str type = http_header(rq->http, S("content-type"));
    struct str text = str_trim(rq->http->body);
    enum route_body want = rq->route->body;

    if (rq->route->upload_file || want == BODY_NONE)
        return OK; /* a body nobody asked for (DELETE with "null") is read and ignored */
    if (is_form(type, text) && !str_is_empty(text)) {
        if (want == BODY_JSON && str_has_prefix(type, S("multipart/")))
            return fail(rq->cx, ERR_MEDIA_TYPE, "Send JSON");
        TRY(read_form(rq, type));
    } else if (want == BODY_MULTIPART) {
        return fail(rq->cx, ERR_MEDIA_TYPE,
                    "Send the file as multipart/form-data in the field \"file\"");
    } else if (!str_is_empty(text)) {
        TRY(read_json(rq, text));
    }
    if (!rq->body && (want == BODY_JSON || want == BODY_JSON_OR_FORM))
        return fail_field(rq->cx, WHOLE, "is required");
    return rq->body && rq->route->fields ? check_shape(rq) : OK;
}

/* ---- members ---- */

static struct str
pointer(struct api_request *rq, const char *name)
{
    return arena_fmt(rq->cx->arena, "%s/%s", rq->at ? rq->at : "", name);
}

enum err
body_str(struct api_request *rq, const struct json *o, const char *name, bool required, size_t max,
         struct str *out)
{
    const struct json *v = json_get(o, str_of(name));

    if (!v || v->type == JSON_NULL) {
        if (required)
            return fail_field(rq->cx, pointer(rq, name), "is required");
        *out = STR_NULL;
        return OK;
    }
    if (v->type != JSON_STRING)
        return fail_field(rq->cx, pointer(rq, name), "must be text");
    if (v->text.n > max)
        return fail_field(rq->cx, pointer(rq, name), "is longer than %zu bytes", max);
    if (required && text_is_blank(v->text))
        return fail_field(rq->cx, pointer(rq, name), "must not be empty");
    *out = v->text.p ? v->text : S("");
    return OK;
}

enum err
body_scalar(struct api_request *rq, const struct json *o, struct str i, const char *path,
            const char *name, size_t max, struct str *out)
{
    const struct json *v = json_get(o, str_of(name));
    struct str at = arena_fmt(rq->cx->arena, "%.*s/%s", STR_ARG(i), path);

    *out = STR_NULL;
    if (!v || v->type == JSON_NULL)
        return OK;
    if (v->type != JSON_STRING && v->type != JSON_NUMBER)
        return fail_field(rq->cx, at, "must be text");
    if (v->text.n > max)
        return fail_field(rq->cx, at, "is longer than %zu bytes", max);
    *out = str_trim(v->text);
    return OK;
}

enum err
body_int(struct api_request *rq, const struct json *o, const char *name, bool required, int64_t min,
         int64_t max, int64_t *out)
{
    const struct json *v = json_get(o, str_of(name));
    int64_t n;
    enum err e;

    if (!v || v->type == JSON_NULL)
        return required ? fail_field(rq->cx, pointer(rq, name), "is required") : OK;
    e = v->type == JSON_STRING ? str_int64(v->text, &n) : json_int64(v, &n);
    if (e != OK)
        return fail_field(rq->cx, pointer(rq, name), "must be a whole number");
    if (n < min || n > max)
        return fail_field(rq->cx, pointer(rq, name), "must be from %lld to %lld", (long long)min,
                          (long long)max);
    *out = n;
    return OK;
}

enum err
body_bool(struct api_request *rq, const struct json *o, const char *name, bool required, bool *out)
{
    const struct json *v = json_get(o, str_of(name));

    if (!v || v->type == JSON_NULL)
        return required ? fail_field(rq->cx, pointer(rq, name), "is required") : OK;
    if (v->type == JSON_BOOL)
        *out = v->boolean;
    else if (v->type == JSON_STRING && str_ieq(v->text, S("true")))
        *out = true;
    else if (v->type == JSON_STRING && str_ieq(v->text, S("false")))
        *out = false;
    else
        return fail_field(rq->cx, pointer(rq, name), "must be true or false");
    return OK;
}

enum err
body_part(struct api_request *rq, const struct json *o, const char *name, enum json_type type,
          const struct json **out)
{
    const struct json *v = json_get(o, str_of(name));

    *out = v && v->type != JSON_NULL ? v : NULL;
    if (!*out || v->type == type)
        return OK;
    return fail_field(rq->cx, pointer(rq, name),
                      type == JSON_ARRAY ? "must be a list" : "must be an object");
}

static bool
is_known(const char *const *known, struct str key)
{
    for (; *known; known++) {
        if (str_eq(key, str_of(*known)))
            return true;
    }
    return false;
}

enum err
body_rest(struct api_request *rq, const struct json *o, const char *const *known, size_t max,
          struct str *out)
{
    struct buf *b = buf_in(rq->cx->arena, max);
    struct json_writer w;

    json_writer_init(&w, b);
    json_begin_object(&w);
    for (const struct json *m = json_is(o, JSON_OBJECT) ? o->first : NULL; m; m = m->next) {
        if (is_known(known, m->key))
            continue;
        json_key(&w, m->key);
        json_value(&w, m);
    }
    json_end_object(&w);
    if (buf_failed(b))
        return fail(rq->cx, ERR_TOO_LARGE,
                    "The members this server does not know are larger than %zu bytes", max);
    *out = buf_view(b);
    return OK;
}

void
write_rest(struct api_request *rq, struct str rest)
{
    struct json *o = NULL;
    const char *why;
    size_t where;

    if (str_eq(rest, S("{}")) || json_parse(rq->cx->arena, rest, &o, &where, &why) != OK)
        return;
    for (const struct json *m = o->first; m; m = m->next) {
        json_key(&rq->out, m->key);
        json_value(&rq->out, m);
    }
}

struct str
query_str(struct api_request *rq, const char *name)
{
    return http_query(rq->http, str_of(name));
}

enum err
query_int(struct api_request *rq, const char *name, int64_t min, int64_t max, int64_t fallback,
          int64_t *out)
{
    struct str s = query_str(rq, name);
    int64_t n;

    if (str_is_empty(s)) {
        *out = fallback;
        return OK;
    }
    if (str_int64(s, &n) != OK)
        return fail_field(rq->cx, str_of(name), "must be a whole number");
    if (n < min || n > max)
        return fail_field(rq->cx, str_of(name), "must be from %lld to %lld", (long long)min,
                          (long long)max);
    *out = n;
    return OK;
}

/* ---- lists and their envelopes ---- */

enum err
order_read(struct api_request *rq, struct str word, struct str pointer, bool *descending)
{
    static const struct {
        const char *word;
        bool descending;
    } words[] = {
        {"asc", false}, {"ascend", false}, {"desc", true}, {"descend", true}, {"desend", true}};

    if (str_is_empty(word))
        return OK;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_ieq(word, str_of(words[i].word))) {
            *descending = words[i].descending;
            return OK;
        }
    }
    return fail_field(rq->cx, pointer, "must be asc or desc");
}

enum err
api_ok(struct api_request *rq, struct str message)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    if (!str_is_null(message))
        json_kv_str(&rq->out, "message", message);
    json_end_object(&rq->out);
    return OK;
}

static enum err
read_pagination(struct api_request *rq, const struct json *p, int64_t max_limit,
                struct list_args *out)
{
    if (!json_is(p, JSON_OBJECT))
        return fail_field(rq->cx, S("/pagination"), "is required: {\"offset\": 0, \"limit\": 100}");
    rq->at = "/pagination";
    TRY(body_int(rq, p, "offset", false, 0, INT64_MAX / 2, &out->offset));
    TRY(body_int(rq, p, "limit", false, 1, INT32_MAX, &out->limit));
    rq->at = NULL;
    if (out->limit > max_limit)
        out->limit = max_limit; /* real clients exceed the documented sets */
    return OK;
}

static enum err
read_sorts(struct api_request *rq, const struct json *list, struct list_args *l)
{
    for (const struct json *j = list->first; j; j = j->next) {
        const char *at =
            arena_cstr(rq->cx->arena, arena_fmt(rq->cx->arena, "/sort/%zu", l->n_sorts));
        struct str order = STR_NULL;
        struct list_sort x = {0};

        if (l->n_sorts == LIST_SORTS_MAX)
            return fail_field(rq->cx, S("/sort"), "holds more than %d", LIST_SORTS_MAX);
        rq->at = at;
        TRY(body_str(rq, j, "by", true, 64, &x.by));
        TRY(body_str(rq, j, "order", false, 16, &order));
        rq->at = NULL;
        TRY(order_read(rq, order, arena_fmt(rq->cx->arena, "%s/order", at), &x.descending));
        l->sorts[l->n_sorts++] = x;
    }
    return OK;
}

enum err
list_args_read(struct api_request *rq, int64_t max_limit, struct list_args *out)
{
    struct list_args l = {.limit = max_limit < 100 ? max_limit : 100};

    TRY(read_pagination(rq, json_get(rq->body, S("pagination")), max_limit, &l));
    TRY(body_part(rq, rq->body, "sort", JSON_ARRAY, &l.sort));
    if (l.sort)
        TRY(read_sorts(rq, l.sort, &l));
    TRY(body_part(rq, rq->body, "filters", JSON_ARRAY, &l.filters));
    *out = l;
    return OK;
}

static bool
is_word_of(const char *names, struct str word)
{
    struct str rest = str_of(names), name;

    while (str_cut(&rest, ' ', &name)) {
        if (str_eq(name, word))
            return true;
    }
    return false;
}

enum err
list_sort_known(struct api_request *rq, const struct list_args *l, const char *names)
{
    enum err e = OK;

    for (size_t i = 0; i < l->n_sorts; i++) {
        if (!is_word_of(names, l->sorts[i].by))
            e = fail_field(rq->cx, arena_fmt(rq->cx->arena, "/sort/%zu/by", i),
                           "must be one of: %s", names);
    }
    return e;
}

static void
echo_list(struct json_writer *w, const struct json *v)
{
    if (v) {
        json_value(w, v);
        return;
    }
    json_begin_array(w);
    json_end_array(w);
}

void
list_meta_write(struct api_request *rq, const struct list_args *l, int64_t total)
{
    struct json_writer *w = &rq->out;

    json_key(w, S("meta"));
    json_begin_object(w);
    json_key(w, S("pagination"));
    json_begin_object(w);
    json_kv_i64(w, "offset", l->offset);
    json_kv_i64(w, "limit", l->limit);
    json_kv_i64(w, "total", total);
    json_end_object(w);
    json_key(w, S("sort"));
    echo_list(w, l->sort);
    json_key(w, S("filters"));
    echo_list(w, l->filters);
    json_end_object(w);
}
