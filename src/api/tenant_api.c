/* The workspace: name, address, pictures, its risk numbers. All other settings are settings_api.c. */
#include "api/api.h"
#include "api/picture.h"
#include "base/text.h"
#include "core/settings.h"
#include "core/tenant.h"

/* ---- account information ---- */

static void
write_settings(struct json_writer *w, const struct settings *s)
{
    json_key(w, S("settings"));
    json_begin_object(w);
    json_kv_str(w, "visibility", s->value[SET_VISIBILITY]);
    json_kv_bool(w, "rapidTemplating", settings_bool(s, SET_RAPID_TEMPLATING));
    json_kv_str(w, "senderEmailAddress", s->value[SET_EMAIL_SENDER]);
    json_kv_bool(w, "classificationTiers", settings_bool(s, SET_TIERS_ENABLED));
    json_end_object(w);
}

static enum err
get_apply(struct api_request *rq)
{
    struct settings *s = arena_new(rq->cx->arena, struct settings);
    struct str images[IMAGE_COUNT];
    struct json_writer *w = &rq->out;
    struct tenant t;

    TRY(tenant_get(rq->cx, &t));
    TRY(settings_load(rq->cx, t.id, s));
    TRY(tenant_images(rq->cx, images));
    json_begin_object(w);
    json_kv_i64(w, "tenant_id", t.id);
    json_kv_str(w, "cuid", t.cuid);
    json_kv_str(w, "name", t.name);
    json_kv_str(w, "address", t.address);
    json_kv_str(w, "doc_type", S("tenant"));
    json_kv_bool(w, "demonstration", t.demo);
    json_key(w, S("poc"));
    if (str_eq(t.poc, S("{}")))
        json_raw(w, S("{\"first\":\"\",\"last\":\"\",\"email\":\"\"}"));
    else
        json_raw(w, t.poc);
    for (enum tenant_image i = 0; i < IMAGE_COUNT; i++) {
        json_key(w, str_of(tenant_image_name(i)));
        json_str(w, str_is_null(images[i]) ? S("") : images[i]);
    }
    write_settings(w, s);
    json_end_object(w);
    return OK;
}

/* A query parameter of at most max bytes; null when absent. */
static enum err
query_text(struct api_request *rq, const char *name, size_t max, struct str *out)
{
    *out = query_str(rq, name);
    if (out->n > max)
        return fail_field(rq->cx, str_of(name), "is longer than %zu bytes", max);
    return OK;
}

/* Real clients send the values as query parameters; the page sends a body. */
static enum err
update_apply(struct api_request *rq)
{
    struct str name, address, sent;

    TRY(query_text(rq, "name", TENANT_NAME_MAX, &name));
    TRY(query_text(rq, "address", TENANT_ADDRESS_MAX, &address));
    TRY(body_str(rq, rq->body, "name", false, TENANT_NAME_MAX, &sent));
    name = str_is_null(sent) ? name : sent;
    TRY(body_str(rq, rq->body, "address", false, TENANT_ADDRESS_MAX, &sent));
    address = str_is_null(sent) ? address : sent;
    if (!str_is_null(name) && text_is_blank(name))
        return fail_field(rq->cx, S("/name"), "must not be empty");
    TRY(tenant_update(rq->cx, name, address));
    return api_ok(rq, S("Account information updated"));
}

/* ---- analytics: nothing is counted before there are findings ---- */

static enum err
analytics_apply(struct api_request *rq)
{
    static const char *const severities[] = {"Critical", "High", "Medium", "Low", "Informational"};
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_str(w, "message", S("Tenant analytics"));
    json_key(w, S("tenant_risk"));
    json_begin_object(w);
    for (size_t i = 0; i < sizeof severities / sizeof *severities; i++) {
        json_key(w, str_of(severities[i]));
        json_begin_object(w);
        json_kv_i64(w, "open", 0);
        json_kv_i64(w, "closed", 0);
        json_kv_i64(w, "in_process", 0);
        json_end_object(w);
    }
    json_end_object(w);
    json_end_object(w);
    return OK;
}

/* ---- pictures ---- */

/* Which picture a path names: …/logo, …/logo/dark, …/icon, …/icon/dark. */
static enum tenant_image
image_of(const struct api_request *rq)
{
    struct str path = str_of(rq->route->path);
    bool dark = str_has_suffix(path, S("/dark"));

    if (str_contains(path, S("/icon")))
        return dark ? IMAGE_ICON_DARK : IMAGE_ICON;
    return dark ? IMAGE_LOGO_DARK : IMAGE_LOGO;
}

static enum err
image_get_apply(struct api_request *rq)
{
    struct str url;

    TRY(tenant_image_get(rq->cx, image_of(rq), &url));
    return picture_answer(rq, url);
}

static enum err
image_put_apply(struct api_request *rq)
{
    struct str url, what;

    TRY(picture_read(rq, &url, &what));
    TRY(tenant_image_set(rq->cx, image_of(rq), url, what));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_str(&rq->out, "message", S("Picture updated"));
    json_kv_str(&rq->out, "fileUrl", rq->http->path);
    json_end_object(&rq->out);
    return OK;
}

static enum err
image_delete_apply(struct api_request *rq)
{
    TRY(tenant_image_set(rq->cx, image_of(rq), STR_NULL, STR_NULL));
    return api_ok(rq, S("Picture removed"));
}

#define BASE "/api/v1/tenant/{t}"
#define PICTURE(part)                                                                              \
    {.method = HTTP_GET,                                                                           \
     .path = BASE part,                                                                            \
     .who = WHO_SIGNED_IN,                                                                         \
     .tx = TX_READ,                                                                                \
     .summary = "The picture itself",                                                              \
     .apply = image_get_apply},                                                                    \
        {.method = HTTP_POST,                                                                      \
         .path = BASE part,                                                                        \
         .who = WHO_PERMISSION,                                                                    \
         .permission = PERM_ACCOUNT_EDIT,                                                          \
         .tx = TX_WRITE,                                                                           \
         .body = BODY_MULTIPART,                                                                   \
         .fields = "file:binary*",                                                                 \
         .events = "SettingChanged",                                                               \
         .summary = "Set the picture",                                                             \
         .apply = image_put_apply},                                                                \
    {                                                                                              \
        .method = HTTP_DELETE, .path = BASE part, .who = WHO_PERMISSION,                           \
        .permission = PERM_ACCOUNT_EDIT, .tx = TX_WRITE, .events = "SettingChanged",               \
        .summary = "Remove the picture", .apply = image_delete_apply                               \
    }

const struct route tenant_routes[] = {
    {.method = HTTP_GET,
     .path = BASE,
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "The workspace",
     .apply = get_apply},
    {.method = HTTP_PUT,
     .path = BASE,
     .who = WHO_PERMISSION,
     .permission = PERM_ACCOUNT_EDIT,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .fields = "name:string address:string",
     .events = "SettingChanged",
     .summary = "Change name and address",
     .apply = update_apply},
    {.method = HTTP_GET,
     .path = BASE "/analytics",
     .who = WHO_SIGNED_IN,
     .tx = TX_NONE,
     .rate = RATE_HEAVY,
     .summary = "Risk numbers",
     .apply = analytics_apply},
    PICTURE("/logo"),
    PICTURE("/logo/dark"),
    PICTURE("/icon"),
    PICTURE("/icon/dark"),
    {0},
};
