/* What people do with their own account: name, password, second factor, sessions, access tokens,
 * notifications, preferences, and the one-time link that sets a password. */
#include "api/auth.h"
#include "api/mailer.h"

#include "base/log.h"
#include "base/text.h"
#include "codec/cidr.h"
#include "core/accesstoken.h"
#include "core/limits.h"
#include "core/link.h"
#include "core/mfa.h"
#include "run/bus.h"
#include "run/keys.h"

#define MAILS_PER_ACCOUNT 3  /* forgotten-password mails an hour */
#define MAILS_PER_ADDRESS 10 /* and address of the asker */

/* ---- who am I ---- */

static enum err
whoami(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    const struct session_view *v = session_view(cx);
    struct json_writer *w = &rq->out;
    struct str rest = v->roles, key = STR_NULL;

    json_begin_object(w);
    json_kv_i64(w, "user_id", cx->actor.user_id);
    json_kv_str(w, "cuid", cx->actor.cuid);
    json_kv_str(w, "email", cx->actor.email);
    json_kv_str(w, "username", cx->actor.email);
    json_kv_i64(w, "tenant_id", cx->tenant.id);
    json_kv_str(w, "tenantCuid", cx->tenant.cuid);
    json_kv_str(w, "tenantName", v->tenant_name);
    json_kv_str(w, "role", !str_is_empty(rest) && str_cut(&rest, ',', &key) ? key : STR_NULL);
    json_kv_str(w, "first", v->first);
    json_kv_str(w, "last", v->last);
    json_kv_str(w, "fullName", cx->actor.name);
    json_key(w, S("name"));
    json_begin_object(w);
    json_kv_str(w, "first", v->first);
    json_kv_str(w, "last", v->last);
    json_end_object(w);
    json_key(w, S("roles"));
    json_begin_array(w);
    rest = v->roles;
    while (!str_is_empty(rest) && str_cut(&rest, ',', &key))
        json_str(w, key);
    json_end_array(w);
    json_end_object(w);
    return OK;
}

/* ---- name ---- */

static enum err
update_self(struct api_request *rq)
{
    const struct json *name = json_get(rq->body, S("name"));
    const struct json *from = json_is(name, JSON_OBJECT) ? name : rq->body;
    struct user_update c = {.default_group = -1};
    struct user u;

    TRY(body_str(rq, from, "first", false, USER_NAME_MAX, &c.first));
    TRY(body_str(rq, from, "last", false, USER_NAME_MAX, &c.last));
    TRY(body_str(rq, rq->body, "authenticationProvider", false, 64, &c.provider));
    TRY(user_get(rq->cx, rq->cx->actor.user_id, &u));
    if (!str_is_empty(c.provider) && !str_eq(c.provider, u.provider) &&
        !cx_may(rq->cx, PERM_USERS_MANAGE))
        return fail(rq->cx, ERR_FORBIDDEN,
                    "Only an administrator sets the authentication provider");
    c.first = c.first.p ? str_trim(c.first) : c.first;
    c.last = c.last.p ? str_trim(c.last) : c.last;
    TRY(user_change(rq->cx, &u, &c));
    return api_ok(rq, S("Saved"));
}

/* ---- password ---- */

struct change {
    struct str current, fresh, hash, token;
    struct user user;
    struct password_policy policy;
};

static void
record_refused(struct cx *cx, const struct user *u, const char *why)
{
    struct failure kept = cx->failure;
    struct str whom = user_label(cx->arena, u);
    struct audit_entry e = user_entry(
        cx, u, EV_PASSWORD_CHANGE_REFUSED,
        arena_fmt(cx->arena, "Password change refused for %.*s: %s", STR_ARG(whom), why));

    e.outcome = OUTCOME_FAILURE;
    fail_clear(cx);
    audit_record_apart(cx, &e, arena_fmt(cx->arena, "%.*s refused", STR_ARG(u->cuid)));
    cx->failure = kept;
}

static enum err
check_new(struct cx *cx, struct change *c)
{
    enum err e = password_check(cx, &c->policy, c->fresh, c->user.email, S("/newPassword"));

    if (e == OK && str_eq_secret(c->current, c->fresh) && c->current.n)
        e = fail_field(cx, S("/newPassword"), "is the current one");
    if (e == ERR_INVALID)
        record_refused(cx, &c->user, "the new one breaks the rule");
    return e;
}

static enum err
read_self(struct cx *cx, void *arg)
{
    struct change *c = arg;

    return user_get(cx, cx->actor.user_id, &c->user);
}

static enum err
prepare_changepass(struct api_request *rq)
{
    struct change *c = arena_new(rq->cx->arena, struct change);
    enum err a = body_str(rq, rq->body, "currentPassword", true, PASSWORD_MAX, &c->current);
    enum err b = body_str(rq, rq->body, "newPassword", true, PASSWORD_MAX, &c->fresh);

    TRY(a);
    TRY(b);
    TRY(cx_read(rq->cx, read_self, c));
    TRY(auth_policy(rq->cx, &c->policy));
    TRY(signin_confirm(rq->cx, c->current, EV_PASSWORD_CHANGE_REFUSED, "Password change refused"));
    TRY(check_new(rq->cx, c));
    TRY(password_hash(rq->cx, c->fresh, &c->hash));
    rq->state = c;
    return OK;
}

static enum err
apply_changepass(struct api_request *rq)
{
    struct change *c = rq->state;
    struct user now;

    TRY(user_get(rq->cx, rq->cx->actor.user_id, &now));
    if (!str_eq(now.password_hash, c->user.password_hash))
        return fail(rq->cx, ERR_CONFLICT, "The password was changed a moment ago");
    TRY(user_set_password(rq->cx, &now, c->hash, false, rq->cx->actor.session,
                          "changed their own password"));
    return api_ok(rq, S("The password was changed"));
}

static enum err
tell_sessions(struct api_request *rq)
{
    bus_publish(rq->cx->app->bus, BUS_SESSION);
    return OK;
}

/* ---- forgotten password ---- */

struct forgotten {
    struct str email;
    bool found, allowed;
    struct user user;
};

static enum err
forgotten_body(struct cx *cx, void *arg)
{
    struct forgotten *f = arg;
    struct str whom;
    struct audit_entry e;
    bool sent = false;

    cx->tenant = (struct tenant_ref){true, f->user.tenant_id, f->user.tenant_cuid};
    TRY(mailer_send_link(cx, &f->user, LINK_FORGOTTEN_HOURS, &sent));
    whom = user_label(cx->arena, &f->user);
    e = user_entry(cx, &f->user, EV_PASSWORD_RESET_REQUESTED,
                   arena_fmt(cx->arena, "A password reset was requested for %.*s%s", STR_ARG(whom),
                             sent ? "" : "; no mail server is set, nothing was sent"));
    return audit_record(cx, &e, NULL);
}

static enum err
find_forgotten(struct cx *cx, void *arg)
{
    struct forgotten *f = arg;
    enum err e = user_find_anywhere(cx, email_fold(cx->arena, f->email), &f->user);

    f->found = e == OK && !f->user.disabled && str_eq(f->user.provider, S("plextrac"));
    return e == ERR_NOT_FOUND ? OK : e;
}

static void
record_forgotten_apart(struct cx *cx, const struct forgotten *f)
{
    struct audit_entry e = {
        .event = EV_PASSWORD_RESET_REQUESTED, .outcome = OUTCOME_FAILURE, .instance = true};
    struct str key = signin_name_key(cx, email_fold(cx->arena, f->email));
    struct str shown = email_is_valid(f->email) ? f->email : str_sub(key, 0, 12);

    e.target_kind = S("unknown name");
    e.target_name = shown;
    e.text = arena_fmt(cx->arena, "A password reset was requested for %.*s: %s", STR_ARG(shown),
                       f->found ? "asked too often" : "no such account may have one");
    audit_record_apart(cx, &e, S("forgotten"));
}

/* An account costs a commit, a name that is none only while it is not folded: the clock would tell
 * them apart. So each asking within the limits commits once; the limits bound how often. */
static enum err
pad_body(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_WRITE(
        "login_counter",
        "INSERT INTO login_counter (key, failures, first_at, last_at) VALUES ($1, 1, $2, $2) "
        "ON CONFLICT (key) DO UPDATE SET failures = login_counter.failures + 1, last_at = $2");

    (void)arg;
    audit_cover(cx, REASON_LOGIN_COUNTER);
    return db_exec(cx->tx, &q, ARGS(V_STR(S("forgotten")), V_INT(cx->now)), NULL);
}

static void
record_forgotten_padded(struct cx *cx, const struct forgotten *f)
{
    uint64_t before = db_statement_count();

    record_forgotten_apart(cx, f);
    if (f->allowed && db_statement_count() == before)
        (void)(cx_write(cx, pad_body, NULL) == OK);
}

static bool
within_limits(struct cx *cx, const struct forgotten *f)
{
    struct limits *m = cx->app->limits;
    struct str key = signin_name_key(cx, email_fold(cx->arena, f->email));
    bool v6 = str_index(cx->address, ':') != SIZE_MAX; /* one customer owns a whole /64 */
    struct str network = v6 ? ip_network_text(cx->arena, cx->address) : cx->address;
    struct str from = arena_fmt(cx->arena, "from %.*s", STR_ARG(network));

    if (!m)
        return true;
    return limits_note(m, LIMIT_MAIL, from, USEC_PER_HOUR, cx->now) <= MAILS_PER_ADDRESS &&
           limits_note(m, LIMIT_MAIL, key, USEC_PER_HOUR, cx->now) <= MAILS_PER_ACCOUNT;
}

/* The same answer whatever happened, also when the store could not take it. */
static enum err
prepare_forgot(struct api_request *rq)
{
    struct forgotten f = {0};
    struct cx *cx = rq->cx;

    TRY(body_str(rq, rq->body, "email", true, USERNAME_MAX, &f.email));
    f.email = str_trim(f.email);
    f.allowed = within_limits(cx, &f);
    TRY(cx_read(cx, find_forgotten, &f));
    if (!f.found || !f.allowed)
        record_forgotten_padded(cx, &f);
    else if (cx_write(cx, forgotten_body, &f) != OK)
        log_warn("mail.reset_not_queued", LOG_STR("request", cx->request_id));
    fail_clear(cx);
    return OK;
}

static enum err
answer_forgot(struct api_request *rq)
{
    return api_ok(rq, S("If there is such an account, a mail is on its way"));
}

/* ---- the one-time link ---- */

static enum err
open_link(struct cx *cx, struct change *c)
{
    struct link link;
    enum err e = link_get(cx, c->token, S("password"), &link);

    if (e == ERR_NOT_FOUND)
        return fail(cx, ERR_FORBIDDEN, "The link is not valid any more. Ask for a new one.");
    TRY(e);
    cx->tenant = (struct tenant_ref){.known = true, .id = link.tenant_id};
    TRY(user_get(cx, link.user_id, &c->user));
    if (c->user.disabled)
        return fail(cx, ERR_FORBIDDEN, "The link is not valid any more. Ask for a new one.");
    user_act_as(cx, &c->user);
    return OK;
}

static enum err
read_link(struct cx *cx, void *arg)
{
    return open_link(cx, arg);
}

static enum err
prepare_link(struct api_request *rq)
{
    struct change *c = arena_new(rq->cx->arena, struct change);
    enum err a = body_str(rq, rq->body, "token", true, 128, &c->token);
    enum err b = body_str(rq, rq->body, "newPassword", true, PASSWORD_MAX, &c->fresh);
    enum err e;

    TRY(a);
    TRY(b);
    TRY(signin_address_allowed(rq->cx));
    e = cx_read(rq->cx, read_link, c);
    if (e == ERR_FORBIDDEN)
        signin_address_failed(rq->cx);
    TRY(e);
    TRY(auth_policy(rq->cx, &c->policy));
    TRY(check_new(rq->cx, c));
    TRY(password_hash(rq->cx, c->fresh, &c->hash));
    rq->state = c;
    return OK;
}

static enum err
apply_link(struct api_request *rq)
{
    struct change *c = rq->state;

    TRY(open_link(rq->cx, c));
    if (link_use(rq->cx, c->token) != OK)
        return fail(rq->cx, ERR_FORBIDDEN, "The link is not valid any more. Ask for a new one.");
    TRY(user_set_password(rq->cx, &c->user, c->hash, false, STR_NULL,
                          "set their own password by a one-time link"));
    return api_ok(rq, S("The password is set"));
}

/* ---- sessions ---- */

static enum err
list_sessions(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_key(&rq->out, S("data"));
    TRY(session_list(rq->cx, rq->cx->actor.user_id, &rq->out));
    json_end_object(&rq->out);
    return OK;
}

static enum err
end_others(struct api_request *rq)
{
    struct user u;
    int64_t n;

    TRY(user_get(rq->cx, rq->cx->actor.user_id, &u));
    TRY(user_end_sessions(rq->cx, &u, rq->cx->actor.session, &n));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_i64(&rq->out, "ended", n);
    json_end_object(&rq->out);
    return OK;
}

static enum err
end_one(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct user u;
    struct str whom;
    struct audit_change c = {S("session"), rq->param[0], STR_NULL};
    struct audit_entry e;

    TRY(user_get(cx, cx->actor.user_id, &u));
    TRY(session_end_one(cx, u.user_id, rq->param[0]));
    whom = user_label(cx->arena, &u);
    e = user_entry(cx, &u, EV_SESSION_ENDED,
                   arena_fmt(cx->arena, "%.*s ended one of the own sessions", STR_ARG(whom)));
    e.changes = &c;
    e.n_changes = 1;
    TRY(audit_record(cx, &e, NULL));
    return api_ok(rq, S("The session has ended"));
}

/* ---- access tokens ---- */

static enum err
list_tokens(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_key(&rq->out, S("data"));
    TRY(access_token_list(rq->cx, rq->cx->actor.user_id, &rq->out));
    json_end_object(&rq->out);
    return OK;
}

static enum err
new_token(struct api_request *rq)
{
    struct access_token_spec s = {.days = 90, .scopes = json_get(rq->body, S("scopes"))};
    struct str cuid, token;

    TRY(body_str(rq, rq->body, "name", true, 100, &s.name));
    TRY(body_int(rq, rq->body, "expires_days", false, 1, ACCESS_TOKEN_DAYS_MAX, &s.days));
    s.name = str_trim(s.name);
    TRY(access_token_new(rq->cx, &s, &cuid, &token));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_str(&rq->out, "cuid", cuid);
    json_kv_str(&rq->out, "token", token);
    json_end_object(&rq->out);
    return OK;
}

static enum err
drop_token(struct api_request *rq)
{
    TRY(access_token_revoke(rq->cx, rq->cx->actor.user_id, rq->param[0]));
    return api_ok(rq, S("The access token was revoked"));
}

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

static enum err
fresh_codes(struct api_request *rq, const struct user *u)
{
    struct str codes[MFA_RECOVERY_CODES];

    for (size_t i = 0; i < MFA_RECOVERY_CODES; i++)
        codes[i] = mfa_recovery_code(rq->cx->arena);
    TRY(mfa_recovery_replace(rq->cx, u->user_id, codes));
    write_codes(rq, codes);
    return OK;
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
    struct audit_change c = {S("mfa_enabled"), S("false"), S("true")};
    struct audit_entry e;
    struct str code, secret, whom;
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
    c.before = u.mfa_enabled ? S("true (other device)") : S("false");
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_INT(u.user_id), V_INT(step), V_INT(cx->now)), NULL));
    whom = user_label(cx->arena, &u);
    e = user_entry(cx, &u, EV_MFA_ENABLED,
                   arena_fmt(cx->arena, "%.*s switched on the own second factor", STR_ARG(whom)));
    e.changes = &c;
    e.n_changes = 1;
    TRY(audit_record(cx, &e, NULL));
    return fresh_codes(rq, &u);
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
    struct audit_entry e;
    struct str whom;
    struct user u;

    TRY(user_get(cx, cx->actor.user_id, &u));
    if (!u.mfa_enabled)
        return fail(cx, ERR_CONFLICT, "Switch the second factor on first");
    whom = user_label(cx->arena, &u);
    e = user_entry(
        cx, &u, EV_RECOVERY_CODES_MADE,
        arena_fmt(cx->arena, "%.*s made new recovery codes; the old ones ended", STR_ARG(whom)));
    TRY(audit_record(cx, &e, NULL));
    return fresh_codes(rq, &u);
}

/* ---- notifications, preferences ---- */

static enum err
list_notifications(struct api_request *rq)
{
    static const struct sql q = SQL_READ(
        "SELECT id, message, read_at, created_at FROM notification WHERE tenant_id = $1 AND user_id = $2 "
        "AND ($3 = 'any' OR ($3 = 'read' AND read_at IS NOT NULL) OR ($3 = 'unread' AND read_at IS NULL)) "
        "ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5");
    struct cx *cx = rq->cx;
    struct str which = query_str(rq, "read");
    struct json_writer *w = &rq->out;
    int64_t limit, skip;
    struct db_rows *r;
    enum err e;

    TRY(query_int(rq, "limit", 1, INT32_MAX, 100, &limit));
    TRY(query_int(rq, "skip", 0, INT32_MAX, 0, &skip));
    if (str_is_empty(which))
        which = S("any");
    TRY(db_query(cx->tx, &q,
                 ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(which),
                      V_INT(limit > 1000 ? 1000 : limit), V_INT(skip)),
                 &r));
    json_begin_object(w);
    json_key(w, S("data"));
    json_begin_array(w);
    while ((e = db_next(r)) == OK) {
        json_begin_object(w);
        json_kv_str(w, "id", db_text(r, 0));
        json_kv_str(w, "message", db_text(r, 1));
        json_kv_bool(w, "read", !db_is_null(r, 2));
        json_kv_i64(w, "createdAt", db_int(r, 3) / USEC_PER_MS);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return e == ERR_END ? OK : e;
}

static enum err
mark_notifications(struct api_request *rq)
{
    static const struct sql q = SQL_WRITE(
        "notification",
        "UPDATE notification SET read_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND id = $3 "
        "AND read_at IS NULL");
    const struct json *ids = json_get(rq->body, S("notificationIds"));
    struct cx *cx = rq->cx;

    if (!json_is(ids, JSON_ARRAY) || ids->count > 1000)
        return fail_field(cx, S("/notificationIds"), "must be a list of at most 1000 ids");
    audit_cover(cx, REASON_NOTICE_READ);
    for (const struct json *i = ids->first; i; i = i->next) {
        if (!json_is(i, JSON_STRING))
            return fail_field(cx, S("/notificationIds"), "must hold texts");
        TRY(db_exec(
            cx->tx, &q,
            ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(i->text), V_INT(cx->now)),
            NULL));
    }
    return api_ok(rq, STR_NULL);
}

static enum err
save_preference(struct api_request *rq, const char *name, const char *words)
{
    static const struct sql q = SQL_WRITE(
        "preference",
        "INSERT INTO preference (tenant_id, user_id, name, value) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (tenant_id, user_id, name) DO UPDATE SET value = excluded.value");
    struct str value, rest = str_of(words), word;
    struct cx *cx = rq->cx;

    TRY(body_str(rq, rq->body, name, false, 32, &value));
    if (str_is_null(value))
        return OK;
    while (str_cut(&rest, ' ', &word)) {
        if (str_eq(word, value))
            return db_exec(cx->tx, &q,
                           ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(str_of(name)),
                                V_STR(value)),
                           NULL);
    }
    return fail_field(cx, arena_fmt(cx->arena, "/%s", name), "must be one of: %s", words);
}

static enum err
preferences(struct api_request *rq)
{
    audit_cover(rq->cx, REASON_PREFERENCE);
    TRY(save_preference(rq, "theme", "light dark auto"));
    TRY(save_preference(rq, "dateFormat", "YYYY-MM-DD DD-MM-YYYY MM-DD-YYYY"));
    return api_ok(rq, STR_NULL);
}

const struct route profile_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/whoami",
     .who = WHO_SIGNED_IN,
     .tx = TX_NONE,
     .summary = "The caller",
     .apply = whoami},
    {.method = HTTP_GET,
     .path = "/api/v1/user/whoami",
     .who = WHO_SIGNED_IN,
     .tx = TX_NONE,
     .summary = "The caller",
     .apply = whoami},
    {.method = HTTP_PUT,
     .path = "/api/v1/user/update",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "name:object authenticationProvider:string",
     .events = "UserUpdated",
     .summary = "Change the own name",
     .apply = update_self},
    {.method = HTTP_PUT,
     .path = "/api/v1/user/changepass",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .rate = RATE_AUTH,
     .fields = "currentPassword:string* newPassword:string*",
     .events = "PasswordChanged PasswordChangeRefused LoginLockout",
     .summary = "Change their own password",
     .prepare = prepare_changepass,
     .apply = apply_changepass,
     .after = tell_sessions},
    {.method = HTTP_POST,
     .path = "/api/v1/user/forgotpass",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .body = BODY_JSON_OR_FORM,
     .rate = RATE_AUTH,
     .fields = "email:string*",
     .events = "PasswordResetRequested",
     .summary = "Ask for a mail that sets a password",
     .prepare = prepare_forgot,
     .apply = answer_forgot},
    {.method = HTTP_POST,
     .path = "/api/v2/user/password/link",
     .who = WHO_PUBLIC,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .rate = RATE_AUTH,
     .fields = "token:string* newPassword:string*",
     .events = "PasswordChanged PasswordChangeRefused",
     .summary = "Set a password by a one-time link",
     .prepare = prepare_link,
     .apply = apply_link,
     .after = tell_sessions},
    {.method = HTTP_GET,
     .path = "/api/v2/user/sessions",
     .who = WHO_SESSION,
     .tx = TX_READ,
     .summary = "Own sessions",
     .apply = list_sessions},
    {.method = HTTP_DELETE,
     .path = "/api/v2/user/sessions",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .reserve = true,
     .events = "SessionEnded",
     .summary = "End all own sessions but this one",
     .apply = end_others,
     .after = tell_sessions},
    {.method = HTTP_DELETE,
     .path = "/api/v2/user/sessions/{cuid}",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .reserve = true,
     .events = "SessionEnded",
     .summary = "End one of the own sessions",
     .apply = end_one,
     .after = tell_sessions},
    {.method = HTTP_GET,
     .path = "/api/v2/user/tokens",
     .who = WHO_SESSION,
     .tx = TX_READ,
     .summary = "Own access tokens",
     .apply = list_tokens},
    {.method = HTTP_POST,
     .path = "/api/v2/user/tokens",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "name:string* expires_days:integer scopes:array*",
     .events = "AccessTokenCreated",
     .summary = "Make an access token",
     .apply = new_token},
    {.method = HTTP_DELETE,
     .path = "/api/v2/user/tokens/{cuid}",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .reserve = true,
     .events = "AccessTokenRevoked",
     .summary = "Revoke an access token",
     .apply = drop_token,
     .after = tell_sessions},
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
    {.method = HTTP_GET,
     .path = "/api/v1/user/notifications",
     .who = WHO_SIGNED_IN,
     .tx = TX_READ,
     .summary = "Own notifications",
     .apply = list_notifications},
    {.method = HTTP_PUT,
     .path = "/api/v1/user/notifications",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "notificationIds:array*",
     .summary = "Mark notifications as read",
     .apply = mark_notifications},
    {.method = HTTP_PUT,
     .path = "/api/v2/user/preferences",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "theme:string dateFormat:string",
     .summary = "How pages are shown",
     .apply = preferences},
    {0},
};
