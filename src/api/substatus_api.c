/* Sub-statuses: /api/v3/substatus, the only resource of v3. Everyone who works on findings reads the
 * list; who sets general settings changes it. */
#include "api/api.h"
#include "base/text.h"
#include "core/substatus.h"

static void
write_one(struct api_request *rq, const struct substatus *s)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "cuid", s->cuid);
    json_kv_str(w, "tenantCuid", rq->cx->tenant.cuid);
    json_kv_str(w, "status", s->status);
    json_kv_str(w, "value", s->value);
    json_end_object(w);
}

static enum err
answer(struct api_request *rq, const struct substatus *s)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    write_one(rq, s);
    json_end_object(&rq->out);
    return OK;
}

/* Null what is absent. */
static enum err
read_body(struct api_request *rq, bool required, struct str *status, struct str *value)
{
    struct str word;
    enum err a = body_str(rq, rq->body, "status", required, 64, &word);
    enum err b = body_str(rq, rq->body, "value", required, SUBSTATUS_VALUE_MAX, value);

    TRY(a);
    *status = str_is_null(word) ? STR_NULL : finding_status(word);
    if (!str_is_null(word) && str_is_null(*status))
        a = fail_field(rq->cx, S("/status"), "must be Open, In Process or Closed");
    TRY(b);
    if (!str_is_null(*value) && text_is_blank(*value))
        return fail_field(rq->cx, S("/value"), "must not be empty");
    return a;
}

static enum err
list_apply(struct api_request *rq)
{
    struct substatuses all;

    TRY(substatus_list(rq->cx, &all));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    json_begin_array(&rq->out);
    for (size_t i = 0; i < all.n; i++)
        write_one(rq, &all.v[i]);
    json_end_array(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

static enum err
create_apply(struct api_request *rq)
{
    struct str status, value;
    struct substatus s;

    TRY(read_body(rq, true, &status, &value));
    TRY(substatus_create(rq->cx, status, value, &s));
    return answer(rq, &s);
}

static enum err
update_apply(struct api_request *rq)
{
    struct str status, value;
    struct substatus s;

    TRY(read_body(rq, false, &status, &value));
    TRY(substatus_get(rq->cx, rq->param[0], &s));
    TRY(substatus_update(rq->cx, &s, status, value));
    return answer(rq, &s);
}

static enum err
delete_apply(struct api_request *rq)
{
    struct substatus s;

    TRY(substatus_get(rq->cx, rq->param[0], &s));
    TRY(substatus_delete(rq->cx, &s));
    return api_ok(rq, S("Sub-status deleted"));
}

#define BASE   "/api/v3/substatus"
#define MANAGE .who = WHO_PERMISSION, .permission = PERM_GENERAL_SETTINGS, .tx = TX_WRITE

const struct route substatus_routes[] = {
    {.method = HTTP_GET,
     .path = BASE,
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "List sub-statuses",
     .apply = list_apply},
    {.method = HTTP_POST,
     .path = BASE,
     MANAGE,
     .body = BODY_JSON,
     .fields = "status:string* value:string*",
     .events = "SubstatusCreated",
     .summary = "Create a sub-status",
     .apply = create_apply},
    {.method = HTTP_PATCH,
     .path = BASE "/{substatusCuid}",
     MANAGE,
     .body = BODY_JSON,
     .fields = "status:string value:string",
     .events = "SubstatusUpdated",
     .summary = "Change a sub-status",
     .apply = update_apply},
    {.method = HTTP_DELETE,
     .path = BASE "/{substatusCuid}",
     MANAGE,
     .events = "SubstatusDeleted",
     .summary = "Delete a sub-status",
     .apply = delete_apply},
    {0},
};
