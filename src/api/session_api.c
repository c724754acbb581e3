/* The browser's session: signing in with a cookie no script can read, and what the page needs to
 * know about who is signed in. */
#include "api/auth.h"

#include "core/device.h"

/* ---- signing in ---- */

static enum err
write_state(struct api_request *rq)
{
    const struct signin_result *r = rq->state;
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    if (r->mfa_required) {
        json_kv_bool(w, "mfa_required", true);
        json_kv_str(w, "code", r->challenge);
    }
    json_end_object(w);
    return OK;
}

static enum err
give_cookies(struct api_request *rq)
{
    const struct signin_result *r = rq->state;

    if (!r->mfa_required)
        auth_set_session_cookies(rq, r);
    return OK;
}

static enum err
prepare_signin(struct api_request *rq)
{
    struct signin_input in = {.browser = true,
                              .device_cookie = http_cookie(rq->http, S(DEVICE_COOKIE))};
    struct signin *s;
    enum err a, b;

    TRY(auth_same_site(rq));
    a = body_str(rq, rq->body, "username", true, USERNAME_MAX, &in.username);
    b = body_str(rq, rq->body, "password", true, PASSWORD_MAX, &in.password);
    TRY(a);
    TRY(b);
    TRY(signin_start(rq->cx, &in, &s));
    rq->job = signin_job(s);
    rq->state = s;
    return OK;
}

static enum err
prepare_second(struct api_request *rq)
{
    struct signin_result *r = arena_new(rq->cx->arena, struct signin_result);
    struct str code, token;
    enum err a, b;

    TRY(auth_same_site(rq));
    a = body_str(rq, rq->body, "code", true, 128, &code);
    b = body_str(rq, rq->body, "token", true, 64, &token);
    TRY(a);
    TRY(b);
    TRY(signin_mfa(rq->cx, code, token, true, http_cookie(rq->http, S(DEVICE_COOKIE)), r));
    rq->state = r;
    return OK;
}

static enum err
sign_out(struct api_request *rq)
{
    TRY(signin_logout(rq->cx));
    return api_ok(rq, STR_NULL);
}

static enum err
drop_cookies(struct api_request *rq)
{
    auth_clear_session_cookies(rq);
    return OK;
}

/* ---- who is signed in ---- */

static enum err
preference(struct cx *cx, struct str name, struct str fallback, struct str *out)
{
    static const struct sql q = SQL_READ(
        "SELECT value FROM preference WHERE tenant_id = $1 AND user_id = $2 AND name = $3");
    struct db_rows *r;
    enum err e = db_query_one(
        cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(name)), &r);

    *out = fallback;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    *out = arena_str(cx->arena, db_text(r, 0));
    db_rows_end(r);
    return OK;
}

static void
write_roles(struct json_writer *w, struct str roles)
{
    struct str rest = roles, key;

    json_kv_str(w, "role", !str_is_empty(roles) && str_cut(&rest, ',', &key) ? key : STR_NULL);
    rest = roles;
    json_key(w, S("roles"));
    json_begin_array(w);
    while (!str_is_empty(rest) && str_cut(&rest, ',', &key))
        json_str(w, key);
    json_end_array(w);
}

static enum err
write_user(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    const struct session_view *v = session_view(cx);
    struct json_writer *w = &rq->out;
    struct str theme, format;

    TRY(preference(cx, S("theme"), S("auto"), &theme));
    TRY(preference(cx, S("dateFormat"), S("YYYY-MM-DD"), &format));
    json_begin_object(w);
    json_kv_i64(w, "user_id", cx->actor.user_id);
    json_kv_str(w, "cuid", cx->actor.cuid);
    json_kv_str(w, "email", cx->actor.email);
    json_kv_str(w, "first", v->first);
    json_kv_str(w, "last", v->last);
    write_roles(w, v->roles);
    json_kv_i64(w, "tenant_id", cx->tenant.id);
    json_kv_str(w, "tenantCuid", cx->tenant.cuid);
    json_kv_str(w, "tenantName", v->tenant_name);
    json_kv_bool(w, "mfa_enabled", v->mfa_enabled);
    json_kv_str(w, "theme", theme);
    json_kv_str(w, "dateFormat", format);
    json_end_object(w);
    return OK;
}

static enum err
get_session(struct api_request *rq)
{
    const struct session_view *v = session_view(rq->cx);
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_key(w, S("user"));
    TRY(write_user(rq));
    json_key(w, S("permissions"));
    json_begin_array(w);
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (permission_has(&v->grants.tenant, p))
            json_str(w, str_of(permission_info(p)->key));
    }
    json_end_array(w);
    json_kv_bool(w, "demo", v->demo);
    json_kv_i64(w, "idle_minutes", v->idle_minutes);
    json_kv_bool(w, "must_enroll_mfa", v->grants.must_enroll_mfa);
    json_kv_str(w, "version", S(RECOUNT_VERSION));
    json_end_object(w);
    return OK;
}

const struct route session_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/v2/session",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .body = BODY_JSON,
     .reserve = true,
     .rate = RATE_AUTH,
     .fields = "username:string* password:string*",
     .events = "LoginSuccess LoginFail LoginLockout",
     .summary = "Sign in with a browser",
     .prepare = prepare_signin,
     .finish = auth_finish_signin,
     .apply = write_state,
     .after = give_cookies},
    {.method = HTTP_POST,
     .path = "/api/v2/session/mfa",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .body = BODY_JSON,
     .reserve = true,
     .rate = RATE_AUTH,
     .fields = "code:string* token:string*",
     .events = "LoginSuccess MfaFail RecoveryCodeUsed LoginLockout",
     .summary = "Second step with a browser",
     .prepare = prepare_second,
     .apply = write_state,
     .after = give_cookies},
    {.method = HTTP_DELETE,
     .path = "/api/v2/session",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .reserve = true,
     .events = "Logout",
     .summary = "Sign out",
     .apply = sign_out,
     .after = drop_cookies},
    {.method = HTTP_GET,
     .path = "/api/v2/session",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "Who is signed in, and what he may do",
     .apply = get_session},
    {0},
};
