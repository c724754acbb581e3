/* Signing in: the one place that decides whether a name and a password make a session. Owns no
 * table. The order is always the same: address, read, name, one hash, answer. What fails is
 * signin_refuse.c's, the second factor signin_mfa.c's. */
#include "core/signin_priv.h"

#include "core/mfa.h"
#include "core/password.h"
#include "run/app.h"

/* ---- reading what an attempt needs: user, settings, number of tenants ---- */

enum err
signin_read_tenants(struct cx *cx, struct attempt *t)
{
    static const struct sql count = SQL_READ("SELECT count(*) FROM tenant");
    static const struct sql first =
        SQL_READ("SELECT tenant_id, cuid FROM tenant ORDER BY tenant_id LIMIT 1");
    struct db_rows *r;
    enum err e;

    TRY(db_query_int(cx->tx, &count, NO_ARGS, &t->tenants));
    e = db_query_one(cx->tx, &first, NO_ARGS, &r);
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    t->only = (struct tenant_ref){true, db_int(r, 0), db_text_keep(r, 1)};
    db_rows_end(r);
    return OK;
}

static enum err
read_attempt(struct cx *cx, void *arg)
{
    struct attempt *t = arg;
    struct settings first;
    enum err e = user_find_anywhere(cx, t->folded, &t->user);

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    t->found = e == OK;
    TRY(signin_read_device(cx, t));
    TRY(signin_read_tenants(cx, t));
    /* Read alike for known and unknown names: the first tenant's limits, then the user's or the same again. */
    TRY(settings_load(cx, t->only.id, &first));
    t->per_minute = settings_int(&first, SET_AUTH_PER_MINUTE);
    return settings_load(cx, t->found ? t->user.tenant_id : t->only.id, &t->settings);
}

static const char *
why_not(const struct cx *cx, const struct attempt *t, bool match)
{
    const struct user *u = &t->user;

    if (!t->found || !match)
        return "invalid credentials";
    if (u->disabled)
        return "invalid credentials (disabled)";
    if (u->locked_until > cx->now && !t->device_known)
        return "invalid credentials (locked)";
    if (!str_eq(u->provider, S("plextrac")))
        return "invalid credentials (another way of signing in is set)";
    return NULL;
}

/* ---- success ---- */

static struct session_user
session_user_of(const struct user *u)
{
    return (struct session_user){u->tenant_id, u->user_id, u->tenant_cuid, u->cuid, u->email};
}

enum err
signin_still_the_same(struct cx *cx, struct grant *g)
{
    const struct attempt *t = g->t;
    struct user now;
    int64_t browser = 0; /* locked until */

    g->stale = false;
    TRY(user_get(cx, t->user.user_id, &now));
    if (t->device_known)
        TRY(device_locked(cx, &t->device, &browser));
    if (now.disabled || !str_eq(now.password_hash, t->user.password_hash) || browser > cx->now ||
        (now.locked_until > cx->now && !t->device_known)) {
        g->stale = true;
        return signin_refused(cx);
    }
    return OK;
}

enum err
signin_write(struct cx *cx, cx_body body, struct grant *g)
{
    enum err e = cx_write(cx, body, g);

    if (e == OK || !g->stale)
        return e;
    signin_failed(cx, g->t,
                  (struct signin_failure){EV_LOGIN_FAIL, "Sign-in failed",
                                          "invalid credentials (locked or changed meanwhile)"});
    return signin_refused(cx);
}

static enum err
mark_success(struct cx *cx, const struct user *u)
{
    static const struct sql q = SQL_WRITE(
        "user_account",
        "UPDATE user_account SET last_login = $3, failed_logins = 0, "
        "activated_at = coalesce(activated_at, $3) WHERE tenant_id = $1 AND user_id = $2");

    return db_exec(cx->tx, &q, ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_INT(cx->now)), NULL);
}

enum err
signin_grant(struct cx *cx, struct grant *g)
{
    const struct user *u = &g->t->user;
    struct session_user who = session_user_of(u);
    struct str whom = user_label(cx->arena, u);
    struct audit_entry e = user_entry(cx, u, EV_LOGIN_SUCCESS,
                                      arena_fmt(cx->arena, "%.*s signed in%s", STR_ARG(whom),
                                                g->second_factor ? " with a second factor" : ""));

    TRY(session_insert(cx, &who, g->browser ? S("browser") : S("api"),
                       settings_int(&g->t->settings, SET_ABSOLUTE_HOURS), &g->cuid,
                       &g->expires_at));
    cx->actor.session = g->cuid;
    TRY(mark_success(cx, u));
    g->out->device_cookie = STR_NULL;
    if (g->t->device_known)
        TRY(device_forgive(cx, &g->t->device));
    if (g->browser && !g->t->device_known) {
        struct device d = {u->tenant_id, u->user_id, cuid_in(cx->arena, cx->now)};

        TRY(device_insert(cx, &d));
        g->out->device_cookie = device_cookie(cx, d.cuid, u->email_folded);
    }
    return audit_record(cx, &e, NULL);
}

static enum err
success_body(struct cx *cx, void *arg)
{
    struct grant *g = arg;

    TRY(signin_still_the_same(cx, g));
    return signin_grant(cx, g);
}

static enum err
challenge_body(struct cx *cx, void *arg)
{
    struct grant *g = arg;
    const struct user *u = &g->t->user;

    TRY(signin_still_the_same(cx, g));
    return mfa_challenge_new(cx, u->tenant_id, u->user_id, g->browser ? S("browser") : S("api"),
                             &g->out->challenge);
}

void
signin_mint(struct cx *cx, struct grant *g)
{
    struct session_user who = session_user_of(&g->t->user);

    g->out->tenant_id = who.tenant_id;
    g->out->tokens = session_mint(cx, &who, g->cuid, g->expires_at, g->browser);
    if (!cx->app->limits)
        return;
    limits_clear(cx->app->limits, g->t->kind, g->t->locked_key);
}

/* ---- name and password ---- */

struct signin {
    struct attempt t;
    struct signin_input in;
    struct hash_job *job;
};

enum err
signin_start(struct cx *cx, const struct signin_input *in, struct signin **out)
{
    struct signin *s = arena_new(cx->arena, struct signin);
    struct attempt *t = &s->t;

    s->in = *in;
    signin_attempt(cx, t, in->username, in->device_cookie);
    TRY(cx_read(cx, read_attempt, t));
    TRY(signin_check_limits(cx, t));
    s->job = password_compare(cx, t->found ? t->user.password_hash : STR_NULL, in->password,
                              signin_rank(cx, t));
    *out = s;
    return OK;
}

struct hash_job *
signin_job(struct signin *s)
{
    return s->job;
}

/* Name and password are right. */
static enum err
enter(struct cx *cx, struct grant *g, struct str code)
{
    const struct user *u = &g->t->user;

    if (u->mfa_enabled && !str_is_empty(code)) {
        g->code = str_trim(code);
        return signin_second_step(cx, g);
    }
    user_act_as(cx, u);
    g->out->tenant_id = u->tenant_id;
    if (u->mfa_enabled) {
        g->out->mfa_required = true;
        return signin_write(cx, challenge_body, g);
    }
    TRY(signin_write(cx, success_body, g));
    signin_mint(cx, g);
    return OK;
}

enum err
signin_finish(struct cx *cx, struct signin *s, struct signin_result *out)
{
    struct attempt *t = &s->t;
    struct grant g = {.t = t, .out = out, .browser = s->in.browser};
    const char *why;
    bool match;

    *out = (struct signin_result){0};
    if (password_compared(cx, s->job, &match) != OK) {
        signin_turned_away(cx, t);
        return cx->failure.code;
    }
    why = why_not(cx, t, match);
    if (why) {
        signin_failed(cx, t, (struct signin_failure){EV_LOGIN_FAIL, "Sign-in failed", why});
        return signin_refused(cx);
    }
    return enter(cx, &g, s->in.code);
}

/* ---- confirming their own password ---- */

/* A session of his own: failures here lock out no one who signs in. */
static enum err
read_confirmation(struct cx *cx, void *arg)
{
    struct attempt *t = arg;

    TRY(read_attempt(cx, t));
    t->kind = LIMIT_DEVICE;
    t->device = (struct device){cx->tenant.id, cx->actor.user_id, cx->actor.cuid};
    t->locked_key = cx->actor.cuid;
    return device_locked(cx, &t->device, &t->device_locked);
}

enum err
signin_confirm(struct cx *cx, struct str password, enum event event, const char *text)
{
    struct attempt *t = arena_new(cx->arena, struct attempt);
    bool match;

    signin_attempt(cx, t, cx->actor.email, STR_NULL);
    TRY(cx_read(cx, read_confirmation, t));
    if (!t->found)
        return fail(cx, ERR_NOT_FOUND, "User not found");
    TRY(signin_check_limits(cx, t));
    TRY(password_verify(cx, t->user.password_hash, password, &match));
    if (match)
        return OK;
    t->device_known = true;
    signin_failed(cx, t, (struct signin_failure){event, text, "the current one typed was wrong"});
    fail_clear(cx);
    return fail_word(cx, ERR_INVALID, S("wrong_password"), "The current password is wrong");
}

/* ---- signing out, releasing ---- */

enum err
signin_logout(struct cx *cx)
{
    struct str who =
        arena_fmt(cx->arena, "%.*s (%.*s)", STR_ARG(cx->actor.name), STR_ARG(cx->actor.email));
    struct audit_entry e = {.event = EV_LOGOUT,
                            .outcome = OUTCOME_SUCCESS,
                            .target_kind = S("user"),
                            .target_id = cx->actor.cuid,
                            .target_name = cx->actor.name,
                            .target_email = cx->actor.email,
                            .text = arena_fmt(cx->arena, "%.*s signed out", STR_ARG(who))};

    TRY(session_end_one(cx, cx->actor.user_id, cx->actor.session));
    return audit_record(cx, &e, NULL);
}

struct due {
    int64_t tenant_id, user_id;
    struct str tenant_cuid;
};

static enum err
release_body(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_READ(
        "SELECT u.tenant_id, u.user_id, t.cuid FROM user_account u JOIN tenant t ON "
        "t.tenant_id = u.tenant_id WHERE u.locked_until > 0 AND u.locked_until <= $1 LIMIT 100");
    struct due due[100];
    size_t n = 0;
    struct db_rows *r;
    enum err e;

    (void)arg;
    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->now)), &r));
    while ((e = db_next(r)) == OK && n < 100)
        due[n++] = (struct due){db_int(r, 0), db_int(r, 1), db_text_keep(r, 2)};
    if (e != ERR_END)
        return e;
    for (size_t i = 0; i < n; i++) {
        struct user u;

        cx->tenant = (struct tenant_ref){true, due[i].tenant_id, due[i].tenant_cuid};
        TRY(user_get(cx, due[i].user_id, &u));
        TRY(user_unlock(cx, &u, false));
    }
    return OK;
}

static enum err
anyone_due(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT count(*) FROM user_account WHERE locked_until > 0 AND locked_until <= $1");

    return db_query_int(cx->tx, &q, ARGS(V_INT(cx->now)), arg);
}

enum err
signin_release_locks(struct cx *cx)
{
    int64_t n = 0;

    TRY(cx_read(cx, anyone_due, &n));
    return n == 0 ? OK : cx_write(cx, release_body, NULL);
}
