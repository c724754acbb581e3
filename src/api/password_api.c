/* Passwords: changing one's own, asking for a mail when it is forgotten, and the one-time link that
 * sets one. */
#include "api/auth.h"
#include "api/mailer.h"

#include "base/log.h"
#include "codec/cidr.h"
#include "core/limits.h"
#include "core/link.h"

#define MAILS_PER_ACCOUNT 3  /* forgotten-password mails an hour */
#define MAILS_PER_ADDRESS 10 /* and address of the asker */

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

struct apart {
    struct audit_entry e;
    bool single; /* not folded */
};

/* An account costs a commit, a name that is none only while it is not folded: the clock would tell
 * them apart. So each asking within the limits commits once; the limits bound how often. */
static enum err
apart_body(struct cx *cx, void *arg)
{
    static const struct sql pad = SQL_WRITE(
        "login_counter",
        "INSERT INTO login_counter (key, failures, first_at, last_at) VALUES ($1, 1, $2, $2) "
        "ON CONFLICT (key) DO UPDATE SET failures = login_counter.failures + 1, last_at = $2");
    const struct apart *a = arg;

    if (a->single)
        return audit_record(cx, &a->e, NULL);
    audit_cover(cx, REASON_LOGIN_COUNTER);
    return db_exec(cx->tx, &pad, ARGS(V_STR(S("forgotten")), V_INT(cx->now)), NULL);
}

static void
record_forgotten_apart(struct cx *cx, const struct forgotten *f)
{
    struct apart a = {
        .e = {.event = EV_PASSWORD_RESET_REQUESTED, .outcome = OUTCOME_FAILURE, .instance = true}};
    struct str shown = signin_typed_name(cx, f->email), fold = S("forgotten");

    a.e.target_kind = S("unknown name");
    a.e.target_name = shown;
    a.e.text = arena_fmt(cx->arena, "A password reset was requested for %.*s: %s", STR_ARG(shown),
                         f->found ? "asked too often" : "no such account may have one");
    if (!f->allowed) {
        audit_record_soon(cx, &a.e, fold);
        return;
    }
    a.single = audit_fold(cx, &a.e, fold);
    if (cx_write(cx, apart_body, &a) != OK && a.single)
        audit_fold_later(cx, &a.e, fold);
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
        record_forgotten_apart(cx, &f);
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
const struct route password_routes[] = {
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
     .after = auth_tell_sessions},
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
     .after = auth_tell_sessions},
    {0},
};
