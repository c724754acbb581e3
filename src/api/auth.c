/* Authentication for scripts and existing clients: tokens in the header. */
#include "api/auth.h"

#include "core/settings.h"
#include "run/bus.h"

/* ---- cookies, policy: shared with session_api.c, password_api.c, setup_api.c and others ---- */

static bool
is_https(const struct api_request *rq)
{
    return rq->http->tls || str_has_prefix(rq->cx->app->config.public_url, S("https://"));
}

void
auth_set_cookie(struct api_request *rq, const char *name, struct str value, const char *path,
                int64_t seconds)
{
    http_add_header(
        rq->rs, S("Set-Cookie"),
        arena_fmt(rq->cx->arena, "%s=%.*s; Path=%s; Max-Age=%lld; HttpOnly; SameSite=Strict%s",
                  name, STR_ARG(value), path, (long long)seconds, is_https(rq) ? "; Secure" : ""));
}

void
auth_set_session_cookies(struct api_request *rq, const struct signin_result *r)
{
    auth_set_cookie(rq, "recount", r->tokens.browser, "/", r->tokens.browser_seconds);
    auth_set_cookie(rq, "token", r->tokens.upload, "/api/v1/uploads", INT64_C(86400));
    if (!str_is_null(r->device_cookie))
        auth_set_cookie(rq, "recount_device", r->device_cookie, "/api/v2/session",
                        INT64_C(365) * 86400);
}

void
auth_clear_session_cookies(struct api_request *rq)
{
    auth_set_cookie(rq, "recount", S(""), "/", 0);
    auth_set_cookie(rq, "token", S(""), "/api/v1/uploads", 0);
}

/* Is the origin ours: the address the page was asked for by, or the configured public one? */
static bool
is_own_origin(struct api_request *rq, struct str origin)
{
    struct str host = http_header(rq->http, S("host")), own = rq->cx->app->config.public_url;
    size_t scheme = str_has_prefix(origin, S("https://"))  ? 8
                    : str_has_prefix(origin, S("http://")) ? 7
                                                           : 0;

    if (str_has_prefix(own, origin) && (own.n == origin.n || own.p[origin.n] == '/'))
        return true;
    return scheme > 0 && str_ieq(str_sub(origin, scheme, origin.n), host);
}

/* Browsers send Sec-Fetch-Site by TLS and to loopback only, Origin with every POST. */
enum err
auth_same_site(struct api_request *rq)
{
    struct str site = http_header(rq->http, S("sec-fetch-site")),
               origin = http_header(rq->http, S("origin"));

    if (str_eq(site, S("same-origin")) || str_eq(site, S("none")) ||
        (str_is_null(site) && (str_is_null(origin) || is_own_origin(rq, origin))))
        return OK;
    return fail_word(rq->cx, ERR_FORBIDDEN, S("cross_site"), "Another site may not sign in here");
}

static enum err
policy_body(struct cx *cx, void *arg)
{
    struct password_policy *p = arg;
    struct str kind;
    int64_t min;

    TRY(settings_get_str(cx, SET_PASSWORD_POLICY, &kind));
    TRY(settings_get_int(cx, SET_PASSWORD_MIN, &min));
    *p = (struct password_policy){.classes = str_eq(kind, S("classes")), .min = (int)min};
    return OK;
}

enum err
auth_policy(struct cx *cx, struct password_policy *out)
{
    return cx_read(cx, policy_body, out);
}

enum err
auth_tell_sessions(struct api_request *rq)
{
    bus_publish(rq->cx->app->bus, BUS_SESSION);
    return OK;
}

/* ---- the answer ---- */

static enum err
write_result(struct api_request *rq)
{
    const struct signin_result *r = rq->state;
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_kv_i64(w, "tenant_id", r->tenant_id);
    if (r->mfa_required) {
        json_kv_bool(w, "mfa_enabled", true);
        json_kv_str(w, "code", r->challenge);
    } else {
        json_kv_str(w, "token", r->tokens.access);
        json_kv_str(w, "cookie", r->tokens.upload);
    }
    json_end_object(w);
    return OK;
}

static enum err
prepare_password(struct api_request *rq)
{
    struct signin_input in = {0};
    struct signin *s;
    enum err a = body_str(rq, rq->body, "username", true, USERNAME_MAX, &in.username);
    enum err b = body_str(rq, rq->body, "password", true, PASSWORD_MAX, &in.password);
    enum err c = body_str(rq, rq->body, "code", false, 64, &in.code);

    TRY(a);
    TRY(b);
    TRY(c);
    TRY(signin_start(rq->cx, &in, &s));
    rq->job = signin_job(s);
    rq->state = s;
    return OK;
}

enum err
auth_finish_signin(struct api_request *rq)
{
    struct signin_result *r = arena_new(rq->cx->arena, struct signin_result);

    TRY(signin_finish(rq->cx, rq->state, r));
    rq->state = r;
    return OK;
}

static enum err
prepare_mfa(struct api_request *rq)
{
    struct signin_result *r = arena_new(rq->cx->arena, struct signin_result);
    struct str code, token;
    enum err a = body_str(rq, rq->body, "code", true, 128, &code);
    enum err b = body_str(rq, rq->body, "token", true, 64, &token);

    TRY(a);
    TRY(b);
    TRY(signin_mfa(rq->cx, code, token, false, STR_NULL, r));
    rq->state = r;
    return OK;
}

/* Scripts renew the token they hold; the browser's cookie is none they could read, and does not
 * become one here. */
static enum err
prepare_refresh(struct api_request *rq)
{
    struct signin_result *r = arena_new(rq->cx->arena, struct signin_result);

    if (str_is_null(http_header(rq->http, S("authorization"))))
        return fail(rq->cx, ERR_UNAUTHORIZED,
                    "Send the token to renew in the Authorization header");
    r->tenant_id = rq->cx->tenant.id;
    r->tokens = session_renew(rq->cx);
    rq->state = r;
    return OK;
}

/* ---- how a user signs in ---- */

/* PUT …/users/{userId}/configuration */
static enum err
configure_user(struct api_request *rq)
{
    struct user_update c = {.default_group = -1};
    const struct json *mfa;
    struct user u;
    bool on = true;

    TRY(body_part(rq, rq->body, "mfa", JSON_OBJECT, &mfa));
    TRY(body_str(rq, rq->body, "authentication_provider", false, 64, &c.provider));
    rq->at = "/mfa";
    TRY(body_bool(rq, mfa, "enabled", false, &on));
    rq->at = NULL;
    TRY(user_get_by_ref(rq->cx, rq->param[1], &u));
    TRY(user_actable(rq->cx, &u));
    TRY(user_change(rq->cx, &u, &c));
    if (!on && u.mfa_enabled)
        TRY(user_mfa_reset(rq->cx, &u, u.user_id != rq->cx->actor.user_id));
    return api_ok(rq, STR_NULL);
}

const struct route auth_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/v1/authenticate",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .reserve = true,
     .body = BODY_JSON_OR_FORM,
     .rate = RATE_AUTH,
     .fields = "username:string* password:string* code:string",
     .events = "LoginSuccess LoginFail LoginLockout MfaFail RecoveryCodeUsed",
     .summary = "Sign in with name and password",
     .prepare = prepare_password,
     .finish = auth_finish_signin,
     .apply = write_result},
    {.method = HTTP_PUT,
     .path = "/api/v1/authenticate",
     .who = WHO_SESSION,
     .tx = TX_NONE,
     .body = BODY_OPTIONAL,
     .reserve = true,
     .summary = "Renew the token",
     .prepare = prepare_refresh,
     .apply = write_result},
    {.method = HTTP_PUT,
     .path = "/api/v1/token/refresh",
     .who = WHO_SESSION,
     .tx = TX_NONE,
     .body = BODY_OPTIONAL,
     .reserve = true,
     .summary = "Renew the token",
     .prepare = prepare_refresh,
     .apply = write_result},
    {.method = HTTP_POST,
     .path = "/api/v1/authenticate/mfa",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .reserve = true,
     .body = BODY_JSON_OR_FORM,
     .rate = RATE_AUTH,
     .fields = "code:string* token:string*",
     .events = "LoginSuccess MfaFail RecoveryCodeUsed LoginLockout",
     .summary = "Second step of a sign-in",
     .prepare = prepare_mfa,
     .apply = write_result},
    {.method = HTTP_PUT,
     .path = "/api/v2/authenticate/tenants/{t}/users/{userId}/configuration",
     .who = WHO_PERMISSION,
     .permission = PERM_USERS_MANAGE,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "authentication_provider:string mfa:object",
     .events = "UserUpdated MfaResetByOther MfaDisabled",
     .summary = "Set how a user signs in",
     .apply = configure_user},
    {0},
};
