/* The second factor of a sign-in: a code by itself after a challenge, or together with the password.
 * Owns no table; codes and challenges are mfa.c's. */
#include "core/signin_priv.h"

#include "core/mfa.h"
#include "run/app.h"
#include "run/keys.h"

/* Replay-proof also between two racing requests: the step only ever grows. */
static enum err
take_totp(struct cx *cx, const struct user *u, struct str code, bool *ok)
{
    static const struct sql q = SQL_WRITE(
        "user_account", "UPDATE user_account SET mfa_last_step = $3 WHERE tenant_id = $1 AND "
                        "user_id = $2 AND mfa_last_step < $3");
    struct str secret;
    int64_t step, n;

    *ok = false;
    if (keys_unseal(cx->arena, cx->app->keys, u->mfa_secret, &secret) != OK ||
        !mfa_totp_ok(secret, code, cx->now, u->mfa_last_step, &step))
        return OK;
    audit_cover(cx, REASON_MFA_DRAFT);
    TRY(db_exec(cx->tx, &q, ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_INT(step)), &n));
    *ok = n == 1;
    return OK;
}

static enum err
take_recovery(struct cx *cx, const struct user *u, struct str code, bool *ok)
{
    struct str whom = user_label(cx->arena, u);
    struct audit_change left = {S("recovery_mark"), STR_NULL, STR_NULL};
    struct audit_entry ev;
    enum err e = mfa_recovery_use(cx, u->user_id, code);

    *ok = e == OK;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    ev = user_entry(cx, u, EV_RECOVERY_CODE_USED,
                    arena_fmt(cx->arena, "%.*s used a recovery code", STR_ARG(whom)));
    TRY(mfa_recovery_mark(cx, u->user_id, &left.after));
    ev.changes = &left;
    ev.n_changes = 1;
    return audit_record(cx, &ev, NULL);
}

/* The try is counted and committed whether or not the code is right. */
static enum err
code_body(struct cx *cx, void *arg)
{
    struct grant *g = arg;
    struct user *u = &g->t->user;
    bool ok;

    g->code_wrong = false;
    if (!str_is_null(g->challenge) && mfa_challenge_try(cx, g->challenge) != OK) {
        fail_clear(cx);
        return fail_word(cx, ERR_UNAUTHORIZED, S("challenge_over"),
                         "The sign-in has to be started again");
    }
    TRY(signin_still_the_same(cx, g));
    TRY(user_get(cx, u->user_id, u));
    if (mfa_is_digits(g->code))
        TRY(take_totp(cx, u, g->code, &ok));
    else
        TRY(take_recovery(cx, u, g->code, &ok));
    g->code_wrong = !ok;
    if (!ok)
        return OK;
    if (!str_is_null(g->challenge))
        TRY(mfa_challenge_end(cx, g->challenge));
    g->second_factor = true;
    return signin_grant(cx, g);
}

enum err
signin_second_step(struct cx *cx, struct grant *g)
{
    user_act_as(cx, &g->t->user);
    TRY(signin_write(cx, code_body, g));
    if (!g->code_wrong) {
        signin_mint(cx, g);
        return OK;
    }
    signin_failed(
        cx, g->t,
        (struct signin_failure){EV_MFA_FAIL, "Second factor failed", "the code is not valid"});
    fail_clear(cx);
    return fail(cx, ERR_UNAUTHORIZED, "Invalid code");
}

/* ---- the second step ---- */

struct second {
    struct attempt *t;
    struct str challenge, device_cookie;
    bool over;
};

static enum err
read_challenge(struct cx *cx, void *arg)
{
    struct second *s = arg;
    struct challenge c;
    enum err e = mfa_challenge_get(cx, s->challenge, &c);

    s->over = e == ERR_NOT_FOUND;
    if (s->over)
        return OK;
    TRY(e);
    cx->tenant = (struct tenant_ref){.known = true, .id = c.tenant_id};
    TRY(user_get(cx, c.user_id, &s->t->user));
    s->t->found = true;
    signin_attempt(cx, s->t, s->t->user.email, s->device_cookie);
    TRY(signin_read_device(cx, s->t));
    TRY(signin_read_tenants(cx, s->t));
    TRY(settings_load(cx, c.tenant_id, &s->t->settings));
    s->t->per_minute = settings_int(&s->t->settings, SET_AUTH_PER_MINUTE);
    return OK;
}

enum err
signin_mfa(struct cx *cx, struct str challenge, struct str token, bool browser,
           struct str device_cookie, struct signin_result *out)
{
    struct attempt *t = arena_new(cx->arena, struct attempt);
    struct second s = {.t = t, .challenge = challenge, .device_cookie = device_cookie};
    struct grant g = {
        .t = t, .out = out, .browser = browser, .challenge = challenge, .code = str_trim(token)};

    *out = (struct signin_result){0};
    TRY(cx_read(cx, read_challenge, &s));
    if (s.over)
        return fail_word(cx, ERR_UNAUTHORIZED, S("challenge_over"),
                         "The sign-in has to be started again");
    TRY(signin_check_limits(cx, t));
    return signin_second_step(cx, &g);
}
