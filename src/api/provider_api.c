/* Ways of signing in: /api/v2/authenticate/providers, /api/v2/tenants/{t}/providers/{provider}. This version
 * knows passwords only: the settings of the others are kept and answered, but the secret, and none can
 * be switched on (doc/decisions/0011). */
#include "api/api.h"
#include "core/settings.h"
#include "core/user.h"

enum member { URI, CLIENT, SECRET, SERVER, MEMBERS };

static const char *const members[MEMBERS] = {[URI] = "uri",
                                             [CLIENT] = "providerClientId",
                                             [SECRET] = "providerClientSecret",
                                             [SERVER] = "authServerId"};

#define KEPT(id)                                                                                   \
    {                                                                                              \
        [URI] = SET_##id##_URI, [CLIENT] = SET_##id##_CLIENT, [SECRET] = SET_##id##_SECRET,        \
        [SERVER] = SET_##id##_SERVER                                                               \
    }
static const struct provider {
    const char *name;
    enum setting kept[MEMBERS];
} providers[] = {{"plextrac", KEPT(PLEXTRAC)}, /* passwords: the one that is on */
                 {"okta", KEPT(OKTA)},
                 {"google", KEPT(GOOGLE)},
                 {"azure", KEPT(AZURE)},
                 {"openid_connect", KEPT(OIDC)}};
#define N_PROVIDERS (sizeof providers / sizeof providers[0])

static bool
is_on(const struct provider *p)
{
    return p == &providers[0];
}

static enum err
list_providers(struct api_request *rq)
{
    struct json_writer *w = &rq->out;

    json_begin_array(w);
    for (size_t i = 0; i < N_PROVIDERS; i++) {
        json_begin_object(w);
        json_kv_str(w, "provider", str_of(providers[i].name));
        json_kv_str(w, "name", str_of(providers[i].name));
        json_kv_bool(w, "enabled", is_on(&providers[i]));
        json_end_object(w);
    }
    json_end_array(w);
    return OK;
}

static enum err
provider_of(struct api_request *rq, const struct provider **out)
{
    for (size_t i = 0; i < N_PROVIDERS; i++) {
        if (str_eq(rq->param[1], str_of(providers[i].name))) {
            *out = &providers[i];
            return OK;
        }
    }
    return fail(rq->cx, ERR_NOT_FOUND, "Provider not found");
}

static enum err
get_provider(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    const struct provider *p;
    struct settings all;

    TRY(provider_of(rq, &p));
    TRY(settings_load(rq->cx, rq->cx->tenant.id, &all));
    json_begin_object(w);
    json_kv_bool(w, "enabled", is_on(p));
    json_kv_bool(w, "available", is_on(p)); /* this version can not sign anyone in by the others */
    json_kv_str(w, "provider", str_of(p->name));
    for (size_t i = 0; i < MEMBERS; i++) {
        if (i == SECRET)
            continue;
        json_key(w, str_of(members[i]));
        json_str(w, all.value[p->kept[i]]);
    }
    json_end_object(w);
    return OK;
}

/* What is not sent is kept as it is; each that is wrong is named. */
static enum err
keep(struct api_request *rq, const struct provider *p)
{
    struct settings_change *c = arena_new(rq->cx->arena, struct settings_change);
    enum err bad = OK;

    for (size_t i = 0; i < MEMBERS; i++) {
        size_t max = (size_t)setting_info(p->kept[i])->max;
        struct str value;
        enum err e = body_str(rq, rq->body, members[i], false, max, &value);

        if (e == OK && !str_is_null(value))
            e = settings_set(rq->cx, c, p->kept[i], i == SECRET ? value : str_trim(value),
                             arena_fmt(rq->cx->arena, "/%s", members[i]));
        if (e != OK && e != ERR_INVALID)
            return e;
        if (e != OK)
            bad = e;
    }
    TRY(bad);
    return settings_commit(rq->cx, c, "settings of a way of signing in");
}

static enum err
set_provider(struct api_request *rq)
{
    const struct provider *p;
    bool enabled = false;

    TRY(provider_of(rq, &p));
    TRY(body_bool(rq, rq->body, "enabled", true, &enabled));
    if (is_on(p) && !enabled)
        return fail(
            rq->cx, ERR_CONFLICT,
            "Signing in with a password can not be switched off: no other provider is set up");
    if (!is_on(p) && enabled)
        return fail(rq->cx, ERR_CONFLICT, PROVIDER_UNAVAILABLE);
    TRY(keep(rq, p));
    return api_ok(rq, STR_NULL);
}

#define PATH  "/api/v2/tenants/{t}/providers/{provider}"
#define RIGHT .who = WHO_PERMISSION, .permission = PERM_AUTH_SETTINGS

const struct route provider_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/authenticate/providers",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .summary = "Ways of signing in",
     .apply = list_providers},
    {.method = HTTP_GET,
     .path = PATH,
     RIGHT,
     .tx = TX_READ,
     .summary = "One way of signing in",
     .apply = get_provider},
    {.method = HTTP_POST,
     .path = PATH,
     RIGHT,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "enabled:boolean* uri:string providerClientId:string providerClientSecret:string "
               "authServerId:string",
     .events = "SettingChanged",
     .summary = "Keep the settings of a way of signing in",
     .apply = set_provider},
    {0},
};
