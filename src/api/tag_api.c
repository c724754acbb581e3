/* The tag list of a tenant: /api/v1/tenant/{t}/tag. */
#include "api/api.h"
#include "core/tag.h"

#define TAGS_LIMIT 10000 /* rows of one answer; a real client asks for this many */

static enum err
write_page(struct api_request *rq, struct str text, bool count_list)
{
    struct json_writer *w = &rq->out;
    int64_t limit, offset;
    struct tags all;

    TRY(query_int(rq, "limit", 0, INT32_MAX, 100, &limit));
    TRY(query_int(rq, "offset", 0, INT64_MAX / 2, 0, &offset));
    TRY(tag_list(rq->cx, text, limit > TAGS_LIMIT ? TAGS_LIMIT : limit, offset, &all));
    json_begin_object(w);
    json_key(w, S("count"));
    if (count_list)
        json_begin_array(w);
    json_begin_object(w);
    json_kv_i64(w, "totalDocs", all.total);
    json_end_object(w);
    if (count_list)
        json_end_array(w);
    json_key(w, S("tags"));
    json_begin_array(w);
    for (size_t i = 0; i < all.n; i++) {
        json_begin_object(w);
        json_kv_str(w, "id", all.v[i].id);
        json_kv_str(w, "name", all.v[i].name);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return OK;
}

static enum err
list_apply(struct api_request *rq)
{
    return write_page(rq, STR_NULL, false);
}

static enum err
search_apply(struct api_request *rq)
{
    return write_page(rq, query_str(rq, "text"), true);
}

static void
write_nothing(struct api_request *rq)
{
    json_begin_array(&rq->out);
    json_end_array(&rq->out);
}

static enum err
find_apply(struct api_request *rq)
{
    struct str name;
    struct tag t;
    enum err e;

    TRY(body_str(rq, rq->body, "name", true, TAG_NAME_MAX, &name));
    e = tag_find(rq->cx, name, &t);
    if (e == ERR_NOT_FOUND) {
        write_nothing(rq);
        return OK;
    }
    if (e != OK)
        return e;
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "id", t.id);
    json_kv_str(&rq->out, "name", t.name);
    json_end_object(&rq->out);
    return OK;
}

/* The interface says whose tag it shall be; here all tags are a workspace's. */
static enum err
check_owner(struct api_request *rq)
{
    struct str scope;
    int64_t owner = rq->cx->tenant.id;

    TRY(body_str(rq, rq->body, "scope", false, TAG_NAME_MAX, &scope));
    TRY(body_int(rq, rq->body, "ownerId", false, 0, INT64_MAX, &owner));
    if (!str_is_empty(scope) && !str_eq(scope, S("tenant")))
        return fail_field(rq->cx, S("/scope"), "must be tenant");
    if (owner != rq->cx->tenant.id)
        return fail_field(rq->cx, S("/ownerId"), "is not this workspace");
    return OK;
}

static enum err
create_apply(struct api_request *rq)
{
    struct str name;
    struct tag t;

    TRY(check_owner(rq));
    TRY(body_str(rq, rq->body, "name", true, TAG_NAME_MAX, &name));
    TRY(tag_create(rq->cx, name, &t));
    write_nothing(rq);
    return OK;
}

static enum err
delete_apply(struct api_request *rq)
{
    TRY(tag_delete(rq->cx, rq->param[1]));
    json_begin_object(&rq->out);
    json_kv_bool(&rq->out, "deleted", true);
    json_end_object(&rq->out);
    return OK;
}

#define BASE   "/api/v1/tenant/{t}/tag"
#define VIEW   .who = WHO_PERMISSION, .permission = PERM_TAGS_VIEW, .tx = TX_READ
#define MANAGE .who = WHO_PERMISSION, .permission = PERM_TAGS_MANAGE, .tx = TX_WRITE

const struct route tag_routes[] = {
    {.method = HTTP_GET, .path = BASE, VIEW, .summary = "List tags", .apply = list_apply},
    {.method = HTTP_GET,
     .path = BASE "/search",
     VIEW,
     .summary = "Search tags by part of the name",
     .apply = search_apply},
    {.method = HTTP_POST,
     .path = BASE "/find",
     VIEW,
     .body = BODY_JSON,
     .fields = "name:string*",
     .summary = "Find a tag by its name",
     .apply = find_apply},
    {.method = HTTP_POST,
     .path = BASE,
     MANAGE,
     .body = BODY_JSON_OR_FORM,
     .fields = "name:string* scope:string ownerId:integer",
     .events = "TagCreated",
     .summary = "Create a tag",
     .apply = create_apply},
    {.method = HTTP_DELETE,
     .path = BASE "/{tagId}",
     MANAGE,
     .events = "TagDeleted",
     .summary = "Delete a tag",
     .apply = delete_apply},
    {0},
};
