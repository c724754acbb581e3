/* Classification tiers: /api/v2/tenants/{t}/tiers. */
#include "api/api.h"
#include "base/text.h"
#include "core/settings.h"
#include "core/tier.h"

#define TIERS_MAX 1000 /* one order request */

static void
write_tier(struct json_writer *w, const struct tier *t)
{
    json_begin_object(w);
    json_kv_i64(w, "id", t->id);
    json_kv_str(w, "cuid", t->cuid);
    json_kv_str(w, "name", t->name);
    json_kv_str(w, "description", t->description);
    json_kv_i64(w, "level", t->level);
    json_kv_bool(w, "enabled", t->enabled);
    json_end_object(w);
}

static enum err
list_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct tiers all;
    bool on;

    TRY(settings_get_bool(rq->cx, SET_TIERS_ENABLED, &on));
    TRY(tier_load(rq->cx, &all));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_bool(w, "enabled", on);
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = all.n; i > 0; i--)
        write_tier(w, &all.v[i - 1]);
    json_end_array(w);
    json_end_object(w);
    return OK;
}

static enum err
answer_tier(struct api_request *rq, int64_t id)
{
    struct json_writer *w = &rq->out;
    const struct tier *t;
    struct tiers all;

    TRY(tier_load(rq->cx, &all));
    t = tier_by_id(&all, id);
    if (!t)
        return fail(rq->cx, ERR_NOT_FOUND, "Tier not found");
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    write_tier(w, t);
    json_end_object(w);
    return OK;
}

static enum err
create_apply(struct api_request *rq)
{
    struct str name, description;
    struct tier t;
    bool enabled = true;

    TRY(body_str(rq, rq->body, "name", true, TIER_NAME_MAX, &name));
    TRY(body_str(rq, rq->body, "description", false, TIER_DESCRIPTION_MAX, &description));
    TRY(body_bool(rq, rq->body, "enabled", false, &enabled));
    TRY(tier_create(rq->cx, name, description, enabled, &t));
    return answer_tier(rq, t.id);
}

static enum err
named_tier(struct api_request *rq, struct tiers *all, const struct tier **out)
{
    TRY(tier_load(rq->cx, all));
    *out = rq->param_id[1] >= 0 ? tier_by_id(all, rq->param_id[1]) : NULL;
    for (size_t i = 0; !*out && i < all->n; i++) {
        if (str_eq(all->v[i].cuid, rq->param[1]))
            *out = &all->v[i];
    }
    return *out ? OK : fail(rq->cx, ERR_NOT_FOUND, "Tier not found");
}

static enum err
update_apply(struct api_request *rq)
{
    struct str name, description;
    const struct tier *t;
    struct tiers all;
    bool enabled;

    TRY(named_tier(rq, &all, &t));
    enabled = t->enabled;
    TRY(body_str(rq, rq->body, "name", false, TIER_NAME_MAX, &name));
    TRY(body_str(rq, rq->body, "description", false, TIER_DESCRIPTION_MAX, &description));
    TRY(body_bool(rq, rq->body, "enabled", false, &enabled));
    if (!str_is_null(name) && text_is_blank(name))
        return fail_field(rq->cx, S("/name"), "must not be empty");
    TRY(tier_update(rq->cx, &all, t, name, description, enabled));
    return answer_tier(rq, t->id);
}

static enum err
delete_apply(struct api_request *rq)
{
    const struct tier *t;
    struct tiers all;

    TRY(named_tier(rq, &all, &t));
    TRY(tier_delete(rq->cx, t));
    return api_ok(rq, S("Tier deleted"));
}

/* ids stand as the page shows them: most restrictive first, the last is level 1. */
static enum err
order_apply(struct api_request *rq)
{
    const struct json *list = json_get(rq->body, S("ids"));
    struct tiers all;
    int64_t *ids;
    size_t n, at;

    if (!json_is(list, JSON_ARRAY))
        return fail_field(rq->cx, S("/ids"), "must be a list of tier ids");
    n = at = list->count;
    if (n > TIERS_MAX)
        return fail_field(rq->cx, S("/ids"), "has more than %d entries", TIERS_MAX);
    ids = arena_array(rq->cx->arena, int64_t, n ? n : 1);
    for (const struct json *v = list->first; v; v = v->next) {
        if (json_int64(v, &ids[--at]) != OK && str_int64(v->text, &ids[at]) != OK)
            return fail_field(rq->cx, S("/ids"), "must hold tier ids");
    }
    TRY(tier_load(rq->cx, &all));
    TRY(tier_reorder(rq->cx, &all, ids, n));
    return list_apply(rq);
}

static enum err
toggle_apply(struct api_request *rq)
{
    struct settings_change *c = arena_new(rq->cx->arena, struct settings_change);
    bool on = false;

    TRY(body_bool(rq, rq->body, "enabled", true, &on));
    TRY(settings_set(rq->cx, c, SET_TIERS_ENABLED, on ? S("true") : S("false"), S("/enabled")));
    TRY(settings_commit(rq->cx, c, "classification settings"));
    return list_apply(rq);
}

#define BASE   "/api/v2/tenants/{t}/tiers"
#define MANAGE .who = WHO_PERMISSION, .permission = PERM_TIERS_MANAGE, .tx = TX_WRITE

const struct route tier_routes[] = {
    {.method = HTTP_GET,
     .path = BASE,
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "List classification tiers, most restrictive first",
     .apply = list_apply},
    {.method = HTTP_POST,
     .path = BASE,
     MANAGE,
     .body = BODY_JSON,
     .fields = "name:string* description:string enabled:boolean",
     .events = "ClassificationTierCreated",
     .summary = "Create a tier on top",
     .apply = create_apply},
    {.method = HTTP_PUT,
     .path = BASE,
     MANAGE,
     .body = BODY_JSON,
     .fields = "enabled:boolean*",
     .events = "SettingChanged",
     .summary = "Switch classification on or off",
     .apply = toggle_apply},
    {.method = HTTP_PUT,
     .path = BASE "/order",
     MANAGE,
     .body = BODY_JSON,
     .fields = "ids:array*",
     .events = "ClassificationTierUpdated",
     .summary = "Order the tiers",
     .apply = order_apply},
    {.method = HTTP_PUT,
     .path = BASE "/{id}",
     MANAGE,
     .body = BODY_JSON,
     .fields = "name:string description:string enabled:boolean",
     .events = "ClassificationTierUpdated",
     .summary = "Change a tier",
     .apply = update_apply},
    {.method = HTTP_DELETE,
     .path = BASE "/{id}",
     MANAGE,
     .events = "ClassificationTierDeleted UserClassificationChanged",
     .summary = "Delete a tier",
     .apply = delete_apply},
    {0},
};
