/* Clients: lists, one client, its logo. Who may work on it is clientuser_api.c. */
#include "api/api.h"
#include "api/client_body.h"
#include "api/picture.h"
#include "base/text.h"
#include "core/client.h"
#include "core/clientuser.h"

#define LIST_LIMIT 1000 /* clients a page of the v2 list; real clients ask for this many */

/* ---- lists ---- */

/* View rows of exactly three members: clients select them by that. */
static enum err
list_v1_apply(struct api_request *rq)
{
    struct client_query q = {.limit = INT32_MAX, .names_only = true};
    struct json_writer *w = &rq->out;
    struct clients all;

    TRY(client_list(rq->cx, &q, &all));
    json_begin_array(w);
    for (size_t i = 0; i < all.n; i++) {
        json_begin_object(w);
        json_kv_str(w, "id", arena_fmt(rq->cx->arena, "client_%lld", (long long)all.v[i].id));
        json_key(w, S("doc_id"));
        json_begin_array(w);
        json_i64(w, all.v[i].id);
        json_end_array(w);
        json_key(w, S("data"));
        json_begin_array(w);
        json_i64(w, all.v[i].id);
        json_str(w, all.v[i].name);
        json_null(w);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    return OK;
}

/* At most as many as a client has, each as long as one can be: others are on no client, and the
 * store takes no list or pattern of any length. */
static enum err
filter_tags(struct api_request *rq, const struct json *v, struct client_query *q)
{
    struct buf *b = buf_in(rq->cx->arena, (size_t)CLIENT_TAGS_MAX * CLIENT_TAG_MAX * 7);
    struct json_writer w;

    if (v->type == JSON_ARRAY && v->count == 1 && v->first->type == JSON_STRING &&
        str_eq(v->first->text, S("none"))) {
        q->untagged = true;
        return OK;
    }
    if (v->type != JSON_STRING && v->type != JSON_ARRAY)
        return fail_field(rq->cx, S("/filters"), "tags must be a list of texts");
    if (v->type == JSON_ARRAY && v->count > CLIENT_TAGS_MAX)
        return fail_field(rq->cx, S("/filters"), "tags has more than %d entries", CLIENT_TAGS_MAX);
    json_writer_init(&w, b);
    json_begin_array(&w);
    for (const struct json *t = v->type == JSON_ARRAY ? v->first : v; t;
         t = v->type == JSON_ARRAY ? t->next : NULL) {
        if (t->type != JSON_STRING || t->text.n > CLIENT_TAG_MAX)
            return fail_field(rq->cx, S("/filters"), "tags must be texts of at most %d bytes",
                              CLIENT_TAG_MAX);
        json_str(&w, t->text);
    }
    json_end_array(&w);
    if (v->type == JSON_STRING || v->count > 0)
        q->tags = buf_view(b);
    return OK;
}

static enum err
filter_one(struct api_request *rq, const struct json *f, struct client_query *q)
{
    const struct json *v = json_get(f, S("value"));
    struct str by;

    rq->at = "/filters";
    TRY(body_str(rq, f, "by", true, 64, &by));
    rq->at = NULL;
    if (!v || v->type == JSON_NULL)
        return OK;
    if (str_eq(by, S("tags")))
        return filter_tags(rq, v, q);
    if (v->type != JSON_STRING)
        return fail_field(rq->cx, S("/filters"), "the value of \"%.*s\" must be text",
                          STR_ARG(utf8_cut(by, 60)));
    if (v->text.n > CLIENT_NAME_MAX)
        return fail_field(rq->cx, S("/filters"), "the value of \"%.*s\" is longer than %d bytes",
                          STR_ARG(utf8_cut(by, 60)), CLIENT_NAME_MAX);
    if (str_eq(by, S("name")) || str_eq(by, S("searchTerm")))
        q->name = v->text;
    else if (str_eq(by, S("asset")))
        q->none = q->none || !str_is_empty(v->text); /* no client has an asset yet */
    else
        return fail_field(rq->cx, S("/filters"),
                          "\"%.*s\" is no filter of clients: name, asset, tags",
                          STR_ARG(utf8_cut(by, 60)));
    return OK;
}

static enum err
list_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct client_query q = {0};
    struct list_args l;
    struct members users;
    struct clients all;
    size_t at = 0;

    TRY(list_args_read(rq, LIST_LIMIT, &l));
    q = (struct client_query){.offset = l.offset, .limit = l.limit, .n_sort = l.n_sorts};
    _Static_assert(LIST_SORTS_MAX <= CLIENT_SORTS_MAX, "each has its place");
    for (size_t i = 0; i < l.n_sorts; i++)
        q.sort[i] = (struct client_sort){l.sorts[i].by, l.sorts[i].descending};
    for (const struct json *f = l.filters ? l.filters->first : NULL; f; f = f->next)
        TRY(filter_one(rq, f, &q));
    TRY(client_list(rq->cx, &q, &all));
    TRY(members_of_clients(rq->cx, client_ids(rq->cx, &all), &users));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < all.n; i++) {
        if (i == 0 || all.v[i].id < all.v[i - 1].id)
            at = 0; /* users come ordered by client, clients in any order */
        at = client_body_write(rq, &all.v[i], &users, at, false);
    }
    json_end_array(w);
    list_meta_write(rq, &l, all.total);
    json_end_object(w);
    return OK;
}

/* ---- one ---- */

static int64_t
client_param(const struct api_request *rq)
{
    return rq->param_id[0];
}

static enum err
get_apply(struct api_request *rq)
{
    struct members users;
    struct client c;

    TRY(client_get(rq->cx, client_param(rq), &c));
    TRY(members_of_client(rq->cx, c.id, &users));
    client_body_write(rq, &c, &users, 0, true);
    return OK;
}

static enum err
create_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct client c = {0};
    struct granted g;

    TRY(client_body_read(rq, true, &c));
    TRY(client_insert(rq->cx, &c));
    TRY(client_grant_default_group(rq->cx, &c, &g));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_i64(w, "client_id", c.id);
    json_kv_str(w, "cuid", c.cuid);
    json_key(w, S("assign_message"));
    json_begin_object(w);
    json_kv_str(w, "status", S("complete"));
    json_key(w, S("users_assigned"));
    json_raw(w, g.assigned);
    json_key(w, S("users_rejected"));
    json_raw(w, g.rejected);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

static enum err
update_apply(struct api_request *rq)
{
    struct client old, c;

    TRY(client_get(rq->cx, client_param(rq), &old));
    c = old;
    TRY(client_body_read(rq, false, &c));
    TRY(client_update(rq->cx, &old, &c));
    return api_ok(rq, S("Client updated successfully."));
}

static enum err
delete_apply(struct api_request *rq)
{
    struct client c;

    TRY(client_get(rq->cx, client_param(rq), &c));
    TRY(client_delete(rq->cx, &c));
    return api_ok(rq, S("client deleted successfully"));
}

/* ---- logo ---- */

static enum err
logo_get_apply(struct api_request *rq)
{
    struct client c;

    TRY(client_get(rq->cx, client_param(rq), &c));
    return picture_answer(rq, c.logo);
}

static enum err
logo_put_apply(struct api_request *rq)
{
    struct str url, what;
    struct client c;

    TRY(picture_read(rq, &url, &what));
    TRY(client_get(rq->cx, client_param(rq), &c));
    TRY(client_set_logo(rq->cx, &c, url, what));
    return api_ok(rq, S("Client Logo Updated"));
}

static enum err
logo_delete_apply(struct api_request *rq)
{
    struct client c;

    TRY(client_get(rq->cx, client_param(rq), &c));
    TRY(client_set_logo(rq->cx, &c, STR_NULL, STR_NULL));
    return api_ok(rq, S("Client Logo Updated"));
}

#define ONE           "/api/v1/client/{c}"
#define CLIENT_FIELDS "description:string poc:string poc_email:string tags:array custom_field:array"

const struct route client_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v1/client/list",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "Clients as view rows",
     .apply = list_v1_apply},
    {.method = HTTP_GET,
     .path = "/api/v1/tenant/{t}/client/list",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "Clients as view rows",
     .apply = list_v1_apply},
    {.method = HTTP_POST,
     .path = "/api/v2/clients",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .body = BODY_JSON,
     .fields = "pagination:object* sort:array filters:array",
     .summary = "List clients",
     .apply = list_apply},
    {.method = HTTP_POST,
     .path = "/api/v1/client/create",
     .who = WHO_PERMISSION,
     .permission = PERM_CLIENT_CREATE,
     .tx = TX_WRITE,
     .body = BODY_JSON_OR_FORM,
     .fields = "name:string* " CLIENT_FIELDS,
     .events = "ClientCreated UserClientRoleAssigned",
     .summary = "Create a client",
     .apply = create_apply},
    {.method = HTTP_GET,
     .path = ONE,
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_VIEW,
     .tx = TX_READ,
     .summary = "Read a client",
     .apply = get_apply},
    {.method = HTTP_PUT,
     .path = ONE,
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_EDIT,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "name:string " CLIENT_FIELDS,
     .events = "ClientUpdated",
     .summary = "Change a client (merge)",
     .apply = update_apply},
    {.method = HTTP_DELETE,
     .path = ONE,
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_DELETE,
     .tx = TX_WRITE,
     .events = "ClientDeleted UserClientRoleRemoved",
     .summary = "Delete a client",
     .apply = delete_apply},
    {.method = HTTP_GET,
     .path = ONE "/logo",
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_VIEW,
     .tx = TX_READ,
     .summary = "The logo itself",
     .apply = logo_get_apply},
    {.method = HTTP_POST,
     .path = ONE "/logo",
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_EDIT,
     .tx = TX_WRITE,
     .body = BODY_MULTIPART,
     .fields = "file:binary*",
     .events = "ClientUpdated",
     .summary = "Set the logo",
     .apply = logo_put_apply},
    {.method = HTTP_DELETE,
     .path = ONE "/logo",
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_EDIT,
     .tx = TX_WRITE,
     .events = "ClientUpdated",
     .summary = "Remove the logo",
     .apply = logo_delete_apply},
    {0},
};
