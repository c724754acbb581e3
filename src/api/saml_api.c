/* SAML providers: /api/v2/tenants/{t}/saml/{provider}. Their settings are kept and answered; none can be
 * switched on, as signing in by SAML is not in this version (doc/decisions/0011). */
#include "api/api.h"
#include "codec/url.h"
#include "core/saml.h"

static enum err
answer(struct api_request *rq, const struct saml_provider *p)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_bool(w, "enabled", false);
    json_kv_bool(w, "available", false); /* this version can not sign anyone in by it */
    json_kv_str(w, "providerName", p->name);
    json_kv_str(w, "issuer", p->issuer);
    json_kv_str(w, "cert", p->cert);
    json_kv_str(w, "idpSSOUrl", p->sso_url);
    json_end_object(w);
    return OK;
}

static enum err
get_apply(struct api_request *rq)
{
    struct saml_provider p;

    TRY(saml_get(rq->cx, rq->param[1], &p));
    return answer(rq, &p);
}

/* All five are required; each that is wrong is named. */
static enum err
read_body(struct api_request *rq, struct saml_provider *p, bool *enabled)
{
    struct cx *cx = rq->cx;
    enum err e[] = {body_bool(rq, rq->body, "enabled", true, enabled),
                    body_str(rq, rq->body, "providerName", true, SAML_NAME_MAX, &p->name),
                    body_str(rq, rq->body, "issuer", true, SAML_URL_MAX, &p->issuer),
                    body_str(rq, rq->body, "cert", true, SAML_CERT_MAX, &p->cert),
                    body_str(rq, rq->body, "idpSSOUrl", true, SAML_URL_MAX, &p->sso_url)};
    enum err bad = OK;

    p->key = rq->param[1];
    if (!saml_key_is_valid(p->key))
        bad = fail_field(cx, S("provider"), "must be 1 to %d letters, digits, dots, dashes",
                         SAML_KEY_MAX);
    if (e[3] == OK && !saml_cert_is_valid(cx, p->cert))
        e[3] = fail_field(cx, S("/cert"), "must be one X.509 certificate, PEM or its base64 text");
    if (e[4] == OK && !url_is_web(str_trim(p->sso_url)))
        e[4] = fail_field(cx, S("/idpSSOUrl"), "must be a web address (https://…)");
    for (size_t i = 0; i < sizeof e / sizeof *e; i++)
        bad = e[i] != OK ? e[i] : bad;
    TRY(bad);
    p->name = str_trim(p->name);
    p->issuer = str_trim(p->issuer);
    p->cert = str_trim(p->cert);
    p->sso_url = str_trim(p->sso_url);
    return OK;
}

static enum err
put_apply(struct api_request *rq)
{
    struct saml_provider p = {0};
    bool enabled = false;

    TRY(read_body(rq, &p, &enabled));
    if (enabled)
        return fail(rq->cx, ERR_CONFLICT,
                    "Signing in by SAML is not available in this version: nobody could sign in by "
                    "this provider. Send enabled: false to keep its settings");
    TRY(saml_put(rq->cx, &p));
    return answer(rq, &p);
}

#define PATH  "/api/v2/tenants/{t}/saml/{provider}"
#define RIGHT .who = WHO_PERMISSION, .permission = PERM_AUTH_SETTINGS

const struct route saml_routes[] = {
    {.method = HTTP_GET,
     .path = PATH,
     RIGHT,
     .tx = TX_READ,
     .summary = "Settings of a SAML provider",
     .apply = get_apply},
    {.method = HTTP_POST,
     .path = PATH,
     RIGHT,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields =
         "enabled:boolean* providerName:string* issuer:string* cert:string* idpSSOUrl:string*",
     .events = "SamlProviderChanged",
     .summary = "Keep the settings of a SAML provider",
     .apply = put_apply},
    {0},
};
