/* The own second factor: a new secret, switching it on and off, recovery codes. */
#include "api/auth.h"

#include "core/mfa.h"
#include "core/trail.h"
#include "run/keys.h"

/* ---- second factor ---- */

static enum err
write_secret(struct api_request *rq, struct str secret)
{
    struct cx *cx = rq->cx;
    struct str issuer =
        arena_fmt(cx->arena, "Recount %.*s", STR_ARG(session_view(cx)->tenant_name));
    struct str text = mfa_secret_text(cx->arena, secret),
               uri = mfa_uri(cx->arena, issuer, cx->actor.email, secret);

    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_str(&rq->out, "secret", text);
    json_kv_str(&rq->out, "uri", uri);
    json_kv_str(&rq->out, "url", uri);
    json_end_object(&rq->out);
    return OK;
}

/* A new secret that counts only once a code made with it was shown: nobody locks himself out. */
static enum err
draft_secret(struct api_request *rq)
{
    static const struct sql q =
        SQL_WRITE("user_account",
                  "UPDATE user_account SET mfa_pending = $3 WHERE tenant_id = $1 AND user_id = $2");
    struct cx *cx = rq->cx;
    struct str secret = mfa_secret_new(cx->arena);

    audit_cover(cx, REASON_MFA_DRAFT);
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id),
                     V_BYTES(keys_seal(cx->arena, cx->app->keys, secret))),
                NULL));
    return write_secret(rq, secret);
}

static void
write_codes(struct api_request *rq, const struct str *codes)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("recovery_codes"));
    json_begin_array(&rq->out);
    for (size_t i = 0; i < MFA_RECOVERY_CODES; i++)
        json_str(&rq->out, codes[i]);
    json_end_array(&rq->out);
    json_end_object(&rq->out);
}

/* New codes, and what their event says of them. */
static enum err
fresh_codes(struct cx *cx, const struct user *u, struct str *codes, struct audit_change *said)
{
    for (size_t i = 0; i < MFA_RECOVERY_CODES; i++)
        codes[i] = mfa_recovery_code(cx->arena);
    TRY(mfa_recovery_replace(cx, u->user_id, codes));
    *said = (struct audit_change){S("recovery_mark"), STR_NULL, STR_NULL};
    return mfa_recovery_mark(cx, u->user_id, &said->after);
}

static enum err
typed_code(struct api_request *rq, struct str *code)
{
    TRY(body_str(rq, rq->body, "token", false, 16, code));
    if (str_is_null(*code))
        TRY(body_str(rq, rq->body, "code", false, 16, code));
    return OK;
}

/* Who replaces a second factor that counts already types the password too: a session alone, stolen
 * or left open, must not be enough. rq->state tells activate() that it was right. */
static enum err
prepare_activate(struct api_request *rq)
{
    static const bool confirmed = true;
    struct str password;

    TRY(body_str(rq, rq->body, "password", false, PASSWORD_MAX, &password));
    if (str_is_empty(password))
        return OK;
    TRY(signin_confirm(rq->cx, password, EV_LOGIN_FAIL, "Confirmation failed"));
    rq->state = (void *)(uintptr_t)&confirmed;
    return OK;
}

static enum err
activate(struct api_request *rq)
{
    static const struct sql q = SQL_WRITE(
        "user_account",
        "UPDATE user_account SET mfa_secret = mfa_pending, mfa_pending = NULL, mfa_enabled = 1, "
        "mfa_last_step = $3, updated_at = $4 WHERE tenant_id = $1 AND user_id = $2");
    struct cx *cx = rq->cx;
    struct audit_change c[3] = {{S("mfa_enabled"), S("false"), S("true")},
                                {S("second_factor_mark"), STR_NULL, STR_NULL}};
    struct audit_entry e;
    struct str code, secret, whom, codes[MFA_RECOVERY_CODES];
    struct user u;
    int64_t step;

    TRY(typed_code(rq, &code));
    TRY(user_get(cx, cx->actor.user_id, &u));
    if (str_is_empty(u.mfa_pending))
        return fail(cx, ERR_CONFLICT, "Ask for a new secret first");
    if (keys_unseal(cx->arena, cx->app->keys, u.mfa_pending, &secret) != OK)
        return fail(cx, ERR_CONFLICT, "Ask for a new secret first");
    if (u.mfa_enabled && !rq->state)
        return fail_field(cx, S("/password"), "is required to replace a second factor");
    if (!mfa_totp_ok(secret, str_trim(code), cx->now, 0, &step))
        return fail_field(cx, S("/token"), "is not the code shown now");
    c[0].before = u.mfa_enabled ? S("true (other device)") : S("false");
    c[1].after = trail_mark(cx, u.mfa_pending);
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_INT(u.user_id), V_INT(step), V_INT(cx->now)), NULL));
    whom = user_label(cx->arena, &u);
    e = user_entry(cx, &u, EV_MFA_ENABLED,
                   arena_fmt(cx->arena, "%.*s switched on the own second factor", STR_ARG(whom)));
    TRY(fresh_codes(cx, &u, codes, &c[2]));
    e.changes = c;
    e.n_changes = 3;
    TRY(audit_record(cx, &e, NULL));
    write_codes(rq, codes);
    return OK;
}

/* PUT /api/v1/user/mfa/token: with a code it confirms, without one it begins anew. */
static enum err
token_reset(struct api_request *rq)
{
    struct str code;

    TRY(typed_code(rq, &code));
    return str_is_empty(code) ? draft_secret(rq) : activate(rq);
}

static enum err
prepare_confirm(struct api_request *rq)
{
    struct str password;

    TRY(body_str(rq, rq->body, "password", true, PASSWORD_MAX, &password));
    return signin_confirm(rq->cx, password, EV_LOGIN_FAIL, "Confirmation failed");
}

static enum err
switch_off(struct api_request *rq)
{
    struct user u;

    TRY(user_get(rq->cx, rq->cx->actor.user_id, &u));
    if (!u.mfa_enabled)
        return fail(rq->cx, ERR_CONFLICT, "There is no second factor to switch off");
    TRY(user_mfa_reset(rq->cx, &u, false));
    return api_ok(rq, S("The second factor is off"));
}

static enum err
recovery(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct audit_change c;
    struct audit_entry e;
    struct str whom, codes[MFA_RECOVERY_CODES];
    struct user u;

    TRY(user_get(cx, cx->actor.user_id, &u));
    if (!u.mfa_enabled)
        return fail(cx, ERR_CONFLICT, "Switch the second factor on first");
    whom = user_label(cx->arena, &u);
    e = user_entry(
        cx, &u, EV_RECOVERY_CODES_MADE,
        arena_fmt(cx->arena, "%.*s made new recovery codes; the old ones ended", STR_ARG(whom)));
    TRY(fresh_codes(cx, &u, codes, &c));
    e.changes = &c;
    e.n_changes = 1;
    TRY(audit_record(cx, &e, NULL));
    write_codes(rq, codes);
    return OK;
}
const struct route mfa_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/user/mfa/qr",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .summary = "A new secret for the second factor",
     .apply = draft_secret},
    {.method = HTTP_POST,
     .path = "/api/v2/user/mfa/qr/activate",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .rate = RATE_AUTH,
     .fields = "token:string code:string password:string",
     .events = "MfaEnabled LoginFail",
     .summary = "Switch the second factor on",
     .prepare = prepare_activate,
     .apply = activate},
    {.method = HTTP_PUT,
     .path = "/api/v1/user/mfa/token",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .rate = RATE_AUTH,
     .fields = "token:string code:string password:string",
     .events = "MfaEnabled LoginFail",
     .summary = "Confirm or renew the second factor",
     .prepare = prepare_activate,
     .apply = token_reset},
    {.method = HTTP_PUT,
     .path = "/api/v1/user/mfa/token/disable",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .rate = RATE_AUTH,
     .fields = "password:string*",
     .events = "MfaDisabled LoginFail",
     .summary = "Switch the second factor off",
     .prepare = prepare_confirm,
     .apply = switch_off},
    {.method = HTTP_POST,
     .path = "/api/v2/user/mfa/recovery",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .rate = RATE_AUTH,
     .fields = "password:string*",
     .events = "RecoveryCodesCreated LoginFail",
     .summary = "New recovery codes",
     .prepare = prepare_confirm,
     .apply = recovery},
    {0},
};
