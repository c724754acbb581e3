/* recount openapi: the interface described from the route tables themselves. */
#include <stdio.h>

#include "api/api.h"
#include "cmd/cmd.h"

#define OUT_MAX ((size_t)8 << 20)

static const char *const method_names[] = {"get",   "head",   "post",    "put",
                                           "patch", "delete", "options", "x"};

static const char *
who_text(enum route_who w)
{
    switch (w) {
    case WHO_PUBLIC:
        return "public";
    case WHO_UPLOAD:
        return "upload-cookie";
    case WHO_SIGNED_IN:
        return "signed-in";
    case WHO_SESSION:
        return "session";
    case WHO_PERMISSION:
        return "permission";
    case WHO_CLIENT:
        return "client";
    }
    return "";
}

/* "name:type* other:type": the members of the body. */
static void
write_fields(struct json_writer *w, const char *fields)
{
    struct str rest = str_of(fields), word;

    json_key(w, S("properties"));
    json_begin_object(w);
    while (str_cut(&rest, ' ', &word)) {
        size_t colon = str_index(word, ':');
        struct str type = colon == SIZE_MAX ? S("string") : str_sub(word, colon + 1, word.n);

        if (str_is_empty(word))
            continue;
        if (str_has_suffix(type, S("*")))
            type.n--;
        json_key(w, colon == SIZE_MAX ? word : str_sub(word, 0, colon));
        json_begin_object(w);
        json_kv_str(w, "type", type);
        json_end_object(w);
    }
    json_end_object(w);
}

static void
write_parameters(struct json_writer *w, const char *path)
{
    struct str rest = str_of(path), part;

    json_key(w, S("parameters"));
    json_begin_array(w);
    while (str_cut(&rest, '/', &part)) {
        if (part.n < 3 || part.p[0] != '{')
            continue;
        json_begin_object(w);
        json_kv_str(w, "name", str_sub(part, 1, part.n - 2));
        json_kv_str(w, "in", S("path"));
        json_kv_bool(w, "required", true);
        json_key(w, S("schema"));
        json_begin_object(w);
        json_kv_str(w, "type", S("string"));
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
write_route(struct json_writer *w, const struct route *r)
{
    json_key(w, str_of(method_names[r->method]));
    json_begin_object(w);
    json_kv_str(w, "summary", str_of(r->summary ? r->summary : ""));
    json_kv_str(w, "x-who", str_of(who_text(r->who)));
    if (r->who == WHO_PERMISSION || r->who == WHO_CLIENT)
        json_kv_str(w, "x-permission", str_of(permission_info(r->permission)->key));
    if (r->events)
        json_kv_str(w, "x-events", str_of(r->events));
    write_parameters(w, r->path);
    if (r->fields) {
        json_key(w, S("requestBody"));
        json_begin_object(w);
        json_key(w, S("content"));
        json_begin_object(w);
        json_key(w, r->body == BODY_MULTIPART ? S("multipart/form-data") : S("application/json"));
        json_begin_object(w);
        json_key(w, S("schema"));
        json_begin_object(w);
        json_kv_str(w, "type", S("object"));
        write_fields(w, r->fields);
        json_end_object(w);
        json_end_object(w);
        json_end_object(w);
        json_end_object(w);
    }
    json_key(w, S("responses"));
    json_begin_object(w);
    json_key(w, S("200"));
    json_begin_object(w);
    json_kv_str(w, "description", S("Done"));
    json_end_object(w);
    json_key(w, S("default"));
    json_begin_object(w);
    json_kv_str(w, "description", S("{status, statusCode, error, message, code?, fields?}"));
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

static bool
is_first_of_path(size_t table, const struct route *at)
{
    for (size_t t = 0; t <= table; t++) {
        for (const struct route *r = api_tables[t]; r->path && r != at; r++) {
            if (str_eq(str_of(r->path), str_of(at->path)))
                return false;
        }
    }
    return true;
}

static void
write_path(struct json_writer *w, const char *path)
{
    json_key(w, str_of(path));
    json_begin_object(w);
    for (size_t t = 0; api_tables[t]; t++) {
        for (const struct route *r = api_tables[t]; r->path; r++) {
            if (str_eq(str_of(r->path), str_of(path)))
                write_route(w, r);
        }
    }
    json_end_object(w);
}

int
cmd_openapi(struct arena *a, int argc, char **argv)
{
    struct buf *b = buf_in(a, OUT_MAX);
    struct config unused = {0};
    const struct option_def defs[] = {CONFIG_OPTIONS(&unused),
                                      {0}}; /* as every command takes them */
    struct json_writer w;

    if (!options_read(a, defs, &argc, argv))
        return 2;
    if (argc != 0)
        return usage("openapi");
    json_writer_init(&w, b);
    json_begin_object(&w);
    json_kv_str(&w, "openapi", S("3.1.0"));
    json_key(&w, S("info"));
    json_begin_object(&w);
    json_kv_str(&w, "title", S("Recount"));
    json_kv_str(&w, "version", S(RECOUNT_VERSION));
    json_end_object(&w);
    json_key(&w, S("paths"));
    json_begin_object(&w);
    for (size_t t = 0; api_tables[t]; t++) {
        for (const struct route *r = api_tables[t]; r->path; r++) {
            if (is_first_of_path(t, r))
                write_path(&w, r->path);
        }
    }
    json_end_object(&w);
    json_end_object(&w);
    if (buf_failed(b))
        return refuse("the description is larger than %zu bytes", OUT_MAX);
    fwrite(b->p, 1, b->n, stdout);
    putchar('\n');
    return 0;
}
