/* Signing in: the one place that decides whether a name and a password, and a code after them, make
 * a session. Owns no table. The order is always the same: address, read, name, one hash, answer. */
#include "core/signin.h"

#include "base/text.h"
#include "codec/cidr.h"
#include "codec/hash.h"
#include "core/device.h"
#include "core/limits.h"
#include "core/mfa.h"
#include "core/password.h"
#include "core/settings.h"
#include "run/app.h"
#include "run/keys.h"

#define ADDRESS_WINDOW USEC_PER_MIN
#define TYPED_MAX                                                                                  \
    254 /* bytes of a typed name kept in an event, when it has the form of an e-mail */
#define FAILURE_COMMITS 2 /* of every failure behind a hash: see pad_body */
#define UNKNOWN_FOLDS                                                                              \
    8 /* buckets of unknown names: a flood of one network does not hide the others */

struct attempt {
    struct str folded, key, network; /* key: the name's; network: the address as it is counted */
    struct str typed;
    bool found, device_known;
    struct user user;
    struct settings settings;
    int64_t tenants, per_minute, now_failures; /* failures of the address before this attempt */
    struct tenant_ref only;                    /* the tenant when there is one only, or the first */
    struct str device;
    struct str locked_key;
    enum limit_kind kind;
};

/* ---- keys ---- */

struct str
signin_name_key(struct cx *cx, struct str email_folded)
{
    struct sha256 h = hmac_sha256(cx->app->keys->blind, email_folded);

    return str_sub(hex_in(cx->arena, sha256_str(&h)), 0, 32);
}

/* An IPv4 address counts alone, an IPv6 address with its /64: one customer owns all of that. */
static struct str
counted_address(struct cx *cx)
{
    if (str_index(cx->address, ':') == SIZE_MAX)
        return cx->address.p ? cx->address : S("");
    return ip_network_text(cx->arena, cx->address);
}

void
signin_forget(struct cx *cx, struct str email_folded)
{
    if (cx->app->limits)
        limits_clear(cx->app->limits, LIMIT_NAME, signin_name_key(cx, email_folded));
}

/* ---- reading what an attempt needs: user, settings, number of tenants ---- */

static enum err
read_tenants(struct cx *cx, struct attempt *t)
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
    TRY(read_tenants(cx, t));
    /* Read alike for known and unknown names: the first tenant's limits, then the user's or the same again. */
    TRY(settings_load(cx, t->only.id, &first));
    t->per_minute = settings_int(&first, SET_AUTH_PER_MINUTE);
    return settings_load(cx, t->found ? t->user.tenant_id : t->only.id, &t->settings);
}

/* ---- recording what failed ---- */

/* What may be kept of a typed name: people type passwords there. */
static struct str
typed_name(struct cx *cx, const struct attempt *t)
{
    if (email_is_valid(t->typed) && t->typed.n <= TYPED_MAX)
        return t->typed;
    return arena_fmt(cx->arena, "%.*s… (%zu characters)", STR_ARG(str_sub(t->key, 0, 12)),
                     utf8_count(t->typed));
}

/* Records apart and says whether that took a commit, which a folded event does not. */
static int
apart(struct cx *cx, const struct audit_entry *e, struct str fold)
{
    uint64_t before = db_statement_count();

    audit_record_apart(cx, e, fold);
    return db_statement_count() != before;
}

/* Both give the number of commits they made. */
static int
record_unknown(struct cx *cx, const struct attempt *t, enum event ev, const char *why)
{
    int commits = 0;
    struct cx c = *cx;
    struct str name = typed_name(cx, t);
    struct audit_entry e = {
        .event = ev, .outcome = OUTCOME_FAILURE, .target_kind = S("unknown name")};
    struct str fold =
        arena_fmt(cx->arena, "unknown %d %s", (int)(str_hash(t->network) % UNKNOWN_FOLDS), why);

    e.target_name = name;
    e.target_id = str_sub(t->key, 0, 12);
    e.text =
        arena_fmt(cx->arena, "%s for the unknown name %.*s: %s",
                  ev == EV_LOGIN_LOCKOUT ? "Sign-in locked" : "Sign-in failed", STR_ARG(name), why);
    c.failure = (struct failure){0};
    c.actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Someone not signed in")};
    c.tenant = t->only;
    if (t->tenants == 1)
        commits += apart(&c, &e, fold);
    e.instance = true;
    c.tenant = (struct tenant_ref){0};
    return commits + apart(&c, &e, fold);
}

static int
record_known(struct cx *cx, const struct user *u, enum event ev, const char *what, const char *why)
{
    struct cx c = *cx;
    struct str whom = user_label(cx->arena, u);
    struct audit_entry e =
        user_entry(cx, u, ev, arena_fmt(cx->arena, "%s for %.*s: %s", what, STR_ARG(whom), why));

    e.outcome = OUTCOME_FAILURE;
    c.failure = (struct failure){0};
    c.tenant = (struct tenant_ref){true, u->tenant_id, u->tenant_cuid};
    if (c.actor.kind != ACTOR_USER || c.actor.user_id != u->user_id)
        c.actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Someone not signed in")};
    return apart(&c, &e, arena_fmt(cx->arena, "user %.*s %s", STR_ARG(u->cuid), why));
}

static int
record_failure(struct cx *cx, const struct attempt *t, enum event ev, const char *what,
               const char *why)
{
    return t->found ? record_known(cx, &t->user, ev, what, why) : record_unknown(cx, t, ev, why);
}

/* An existing name is recorded by one commit, an unknown one by two or, folded, by none: the clock
 * would tell them apart. So each failure behind a hash makes the same number of commits; hashing
 * bounds how many there can be. The row counts failures of its share of names. */
static enum err
pad_body(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_WRITE(
        "login_counter",
        "INSERT INTO login_counter (key, failures, first_at, last_at) VALUES ($1, 1, $2, $2) "
        "ON CONFLICT (key) DO UPDATE SET failures = login_counter.failures + 1, last_at = $2");
    const struct attempt *t = arg;

    audit_cover(cx, REASON_LOGIN_COUNTER);
    return db_exec(cx->tx, &q, ARGS(V_STR(str_sub(t->key, 0, 2)), V_INT(cx->now)), NULL);
}

static void
record_hashed_failure(struct cx *cx, struct attempt *t, const char *why)
{
    struct cx c = *cx;

    for (int n = record_failure(cx, t, EV_LOGIN_FAIL, "Sign-in failed", why); n < FAILURE_COMMITS;
         n++) {
        c.failure = (struct failure){0};
        (void)(cx_write(&c, pad_body, t) == OK);
    }
}

/* ---- lockout ---- */

struct lock {
    const struct attempt *t;
    int64_t until;
    int count;
};

static enum err
lock_body(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("user_account", "UPDATE user_account SET locked_until = $3, failed_logins = $4, "
                                  "last_failed_login = $5 WHERE tenant_id = $1 AND user_id = $2");
    const struct lock *l = arg;
    const struct user *u = &l->t->user;
    struct str whom = user_label(cx->arena, u), until = time_iso(cx->arena, l->until);
    struct audit_change c = {S("locked until"), STR_NULL, until};
    struct audit_entry e =
        user_entry(cx, u, EV_LOGIN_LOCKOUT,
                   arena_fmt(cx->arena, "%.*s was locked%s after %d failed sign-ins", STR_ARG(whom),
                             l->t->device_known ? " on one known browser" : "", l->count));

    e.outcome = OUTCOME_FAILURE;
    e.changes = &c;
    e.n_changes = 1;
    if (!l->t->device_known)
        TRY(db_exec(cx->tx, &q,
                    ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_INT(l->until), V_INT(l->count),
                         V_INT(cx->now)),
                    NULL));
    return audit_record(cx, &e, NULL);
}

/* Counts the failure for address and name, and locks the name when it was one too many. */
static void
count_failure(struct cx *cx, struct attempt *t)
{
    struct limits *m = cx->app->limits;
    int64_t window = settings_int(&t->settings, SET_LOCKOUT_MINUTES) * USEC_PER_MIN;
    struct lock l = {
        .t = t, .until = cx->now + settings_int(&t->settings, SET_LOCKOUT_RELEASE) * USEC_PER_MIN};
    struct cx c = *cx;

    if (!m)
        return;
    limits_note(m, LIMIT_ADDRESS, t->network, ADDRESS_WINDOW, cx->now);
    l.count = limits_note(m, t->kind, t->locked_key, window, cx->now);
    if (l.count < settings_int(&t->settings, SET_LOCKOUT_FAILURES))
        return;
    limits_lock(m, t->kind, t->locked_key, l.until, cx->now);
    if (!t->found) {
        record_unknown(cx, t, EV_LOGIN_LOCKOUT, "too many failures");
        return;
    }
    c.failure = (struct failure){0};
    c.tx = NULL;
    c.tenant = (struct tenant_ref){true, t->user.tenant_id, t->user.tenant_cuid};
    c.actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Someone not signed in")};
    (void)(cx_write(&c, lock_body, &l) ==
           OK); /* memory holds the lock even when the store does not */
}

/* The one answer to everything that is wrong with a name or a password. */
static enum err
refused(struct cx *cx)
{
    fail_clear(cx);
    return fail(cx, ERR_UNAUTHORIZED, "Invalid credentials");
}

static enum err
too_fast(struct cx *cx)
{
    fail_clear(cx);
    cx->failure.retry_after = 60;
    return fail(cx, ERR_TOO_FAST,
                "Too many failed sign-ins from this address. Try again in a minute.");
}

/* ---- the first step ---- */

static void
begin(struct cx *cx, struct attempt *t, struct str username, struct str device_cookie)
{
    t->typed = str_trim(username);
    t->folded = email_fold(cx->arena, utf8_cut(t->typed, 1024));
    t->key = signin_name_key(cx, t->folded);
    t->network = counted_address(cx);
    t->device_known = device_is_known(cx, device_cookie, t->folded, &t->device);
    t->kind = t->device_known ? LIMIT_DEVICE : LIMIT_NAME;
    t->locked_key = t->device_known ? t->device : t->key;
}

/* Address and name, before anything is hashed. */
static enum err
check_limits(struct cx *cx, struct attempt *t)
{
    struct limits *m = cx->app->limits;

    if (!m)
        return OK;
    t->now_failures = limits_count(m, LIMIT_ADDRESS, t->network, ADDRESS_WINDOW, cx->now);
    if (t->now_failures >= t->per_minute) {
        record_failure(cx, t, EV_LOGIN_FAIL, "Sign-in failed",
                       "too many failures from one address");
        return too_fast(cx);
    }
    if (limits_locked(m, t->kind, t->locked_key, cx->now)) {
        limits_note(m, LIMIT_ADDRESS, t->network, ADDRESS_WINDOW, cx->now);
        record_failure(cx, t, EV_LOGIN_FAIL, "Sign-in failed", "invalid credentials (locked)");
        return refused(cx);
    }
    return OK;
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

struct grant {
    struct attempt *t;
    struct signin_result *out;
    struct str challenge; /* null: no second factor took part */
    struct str code;
    bool browser, second_factor, code_wrong;
    struct str cuid;
    int64_t expires_at;
};

static struct session_user
session_user_of(const struct user *u)
{
    return (struct session_user){u->tenant_id, u->user_id, u->tenant_cuid, u->cuid, u->email};
}

/* What was true when the password was hashed must still be true now. */
static enum err
still_the_same(struct cx *cx, const struct attempt *t)
{
    struct user now;

    TRY(user_get(cx, t->user.user_id, &now));
    if (now.disabled || !str_eq(now.password_hash, t->user.password_hash) ||
        (now.locked_until > cx->now && !t->device_known))
        return refused(cx);
    return OK;
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

static enum err
grant_session(struct cx *cx, struct grant *g)
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
    if (g->browser && !g->t->device_known) {
        struct str device = cuid_in(cx->arena, cx->now);

        TRY(device_insert(cx, u->tenant_id, u->user_id, device));
        g->out->device_cookie = device_cookie(cx, device, u->email_folded);
    }
    return audit_record(cx, &e, NULL);
}

static enum err
success_body(struct cx *cx, void *arg)
{
    struct grant *g = arg;

    TRY(still_the_same(cx, g->t));
    return grant_session(cx, g);
}

static enum err
challenge_body(struct cx *cx, void *arg)
{
    struct grant *g = arg;
    const struct user *u = &g->t->user;

    TRY(still_the_same(cx, g->t));
    return mfa_challenge_new(cx, u->tenant_id, u->user_id, g->browser ? S("browser") : S("api"),
                             &g->out->challenge);
}

static void
finish(struct cx *cx, struct grant *g)
{
    struct session_user who = session_user_of(&g->t->user);

    g->out->tenant_id = who.tenant_id;
    g->out->tokens = session_mint(cx, &who, g->cuid, g->expires_at, g->browser);
    if (!cx->app->limits)
        return;
    limits_clear(cx->app->limits, g->t->kind, g->t->locked_key);
}

/* ---- the second factor ---- */

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
    struct audit_entry ev;
    enum err e = mfa_recovery_use(cx, u->user_id, code);

    *ok = e == OK;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    ev = user_entry(cx, u, EV_RECOVERY_CODE_USED,
                    arena_fmt(cx->arena, "%.*s used a recovery code", STR_ARG(whom)));
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
    TRY(still_the_same(cx, g->t));
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
    return grant_session(cx, g);
}

/* Checks the code in a transaction of its own and answers the whole sign-in. */
static enum err
second_step(struct cx *cx, struct grant *g)
{
    user_act_as(cx, &g->t->user);
    TRY(cx_write(cx, code_body, g));
    if (!g->code_wrong) {
        finish(cx, g);
        return OK;
    }
    record_known(cx, &g->t->user, EV_MFA_FAIL, "Second factor failed", "the code is not valid");
    count_failure(cx, g->t);
    fail_clear(cx);
    return fail(cx, ERR_UNAUTHORIZED, "Invalid code");
}

/* In a flood those who look least like it are hashed first: a known browser, or neither the address
 * nor the name has failed of late. */
static bool
goes_first(struct cx *cx, const struct attempt *t)
{
    int64_t window = settings_int(&t->settings, SET_LOCKOUT_MINUTES) * USEC_PER_MIN;

    if (t->device_known || !cx->app->limits)
        return true;
    return t->now_failures == 0 &&
           limits_count(cx->app->limits, t->kind, t->locked_key, window, cx->now) == 0;
}

enum err
signin_password(struct cx *cx, const struct signin_input *in, struct signin_result *out)
{
    struct attempt *t = arena_new(cx->arena, struct attempt);
    struct grant g = {.t = t, .out = out, .browser = in->browser};
    const char *why;
    bool match;

    *out = (struct signin_result){0};
    begin(cx, t, in->username, in->device_cookie);
    TRY(cx_read(cx, read_attempt, t));
    TRY(check_limits(cx, t));
    if (password_verify(cx, t->found ? t->user.password_hash : STR_NULL, in->password,
                        goes_first(cx, t), &match) != OK) {
        record_failure(cx, t, EV_LOGIN_FAIL, "Sign-in failed", "too many people are signing in");
        return cx->failure.code;
    }
    why = why_not(cx, t, match);
    if (why) {
        record_hashed_failure(cx, t, why);
        count_failure(cx, t);
        return refused(cx);
    }
    if (t->user.mfa_enabled && !str_is_empty(in->code)) {
        g.code = str_trim(in->code);
        return second_step(cx, &g);
    }
    user_act_as(cx, &t->user);
    out->tenant_id = t->user.tenant_id;
    if (t->user.mfa_enabled) {
        out->mfa_required = true;
        return cx_write(cx, challenge_body, &g);
    }
    TRY(cx_write(cx, success_body, &g));
    finish(cx, &g);
    return OK;
}

/* ---- the second step ---- */

struct second {
    struct attempt *t;
    struct str challenge;
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
    TRY(read_tenants(cx, s->t));
    s->t->folded = s->t->user.email_folded;
    TRY(settings_load(cx, c.tenant_id, &s->t->settings));
    s->t->per_minute = settings_int(&s->t->settings, SET_AUTH_PER_MINUTE);
    return OK;
}

enum err
signin_mfa(struct cx *cx, struct str challenge, struct str token, bool browser,
           struct str device_cookie, struct signin_result *out)
{
    struct attempt *t = arena_new(cx->arena, struct attempt);
    struct second s = {.t = t, .challenge = challenge};
    struct grant g = {
        .t = t, .out = out, .browser = browser, .challenge = challenge, .code = str_trim(token)};

    *out = (struct signin_result){0};
    TRY(cx_read(cx, read_challenge, &s));
    if (s.over)
        return fail_word(cx, ERR_UNAUTHORIZED, S("challenge_over"),
                         "The sign-in has to be started again");
    begin(cx, t, t->user.email, device_cookie);
    TRY(check_limits(cx, t));
    return second_step(cx, &g);
}

/* ---- confirming their own password ---- */

enum err
signin_confirm(struct cx *cx, struct str password, enum event event, const char *text)
{
    struct attempt *t = arena_new(cx->arena, struct attempt);
    bool match;

    begin(cx, t, cx->actor.email, STR_NULL);
    TRY(cx_read(cx, read_attempt, t));
    if (!t->found)
        return fail(cx, ERR_NOT_FOUND, "User not found");
    t->kind = LIMIT_DEVICE; /* a session of his own: failures here lock out no one who signs in */
    t->locked_key = cx->actor.cuid;
    TRY(check_limits(cx, t));
    TRY(password_verify(cx, t->user.password_hash, password, true, &match));
    if (match)
        return OK;
    record_known(cx, &t->user, event, text, "the current one typed was wrong");
    t->device_known = true;
    count_failure(cx, t);
    fail_clear(cx);
    return fail_word(cx, ERR_INVALID, S("wrong_password"), "The current password is wrong");
}

/* ---- the caller's address, for other routes that may be guessed at ---- */

enum err
signin_address_allowed(struct cx *cx)
{
    struct limits *m = cx->app->limits;
    const struct setting_info *i = setting_info(SET_AUTH_PER_MINUTE);
    int64_t max;

    if (!m || str_int64(str_of(i->fallback), &max) != OK ||
        limits_count(m, LIMIT_ADDRESS, counted_address(cx), ADDRESS_WINDOW, cx->now) < max)
        return OK;
    return too_fast(cx);
}

void
signin_address_failed(struct cx *cx)
{
    if (cx->app->limits)
        limits_note(cx->app->limits, LIMIT_ADDRESS, counted_address(cx), ADDRESS_WINDOW, cx->now);
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
        TRY(user_unlock(cx, &u));
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
