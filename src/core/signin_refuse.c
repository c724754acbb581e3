/* What becomes of attempts that fail: counted per address and per name, refused before anything is
 * hashed when there were too many, locked, recorded. Owns the table login_counter, of which nothing
 * is read. Nothing here may tell by its answer or its time whether a name exists. */
#include "core/signin_priv.h"

#include "base/text.h"
#include "codec/cidr.h"
#include "codec/hash.h"
#include "core/password.h"
#include "run/app.h"
#include "run/keys.h"

#define ADDRESS_WINDOW USEC_PER_MIN
#define TYPED_MAX                                                                                  \
    254 /* bytes of a typed name kept in an event, when it has the form of an e-mail */
#define UNKNOWN_FOLDS                                                                              \
    8 /* buckets of unknown names: a flood of one network does not hide the others */
/* An address that found no room is no fresh one so long, and is told to wait so long: who does as he
 * is told goes first then, before those who keep coming. */
#define TURNED_WINDOW (PASSWORD_BUSY_S * USEC_PER_SEC)

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

enum err
signin_locks_of(struct cx *cx, const struct user *u, struct signin_locks *out)
{
    struct signin_locks l = {.name = signin_name_key(cx, u->email_folded)};

    TRY(device_list(cx, u->user_id, &l.device, &l.n));
    *out = l;
    return OK;
}

void
signin_forget(struct cx *cx, const struct signin_locks *l)
{
    if (!cx->app->limits)
        return;
    limits_clear(cx->app->limits, LIMIT_NAME, l->name);
    for (size_t i = 0; i < l->n; i++)
        limits_clear(cx->app->limits, LIMIT_DEVICE, l->device[i]);
}

void
signin_attempt(struct cx *cx, struct attempt *t, struct str username, struct str device_cookie)
{
    t->typed = str_trim(username);
    t->folded = email_fold(cx->arena, utf8_cut(t->typed, 1024));
    t->key = signin_name_key(cx, t->folded);
    t->network = counted_address(cx);
    t->device_known = device_is_known(cx, device_cookie, t->folded, &t->device.cuid);
    t->kind = LIMIT_NAME;
    t->locked_key = t->key;
}

/* A signed cookie of a browser that is not remembered any more is worth no more than none. */
enum err
signin_read_device(struct cx *cx, struct attempt *t)
{
    enum err e = ERR_NOT_FOUND;

    if (!t->device_known)
        return OK;
    t->device.tenant_id = t->user.tenant_id;
    t->device.user_id = t->user.user_id;
    if (t->found)
        e = device_get(cx, &t->device, &t->device_locked);
    t->device_known = e == OK;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    t->kind = LIMIT_DEVICE;
    t->locked_key = t->device.cuid;
    return OK;
}

/* ---- the events of a failure ---- */

struct str
signin_typed_name(struct cx *cx, struct str typed)
{
    struct str key;

    if (email_is_valid(typed) && typed.n <= TYPED_MAX)
        return typed;
    key = signin_name_key(cx, email_fold(cx->arena, utf8_cut(typed, 1024)));
    return arena_fmt(cx->arena, "%.*s… (%zu characters)", STR_ARG(str_sub(key, 0, 12)),
                     utf8_count(typed));
}

/* One event: who acts where, what, and as what it is folded. */
struct part {
    struct cx cx;
    struct audit_entry e;
    struct str fold;
    bool single; /* to be recorded by the caller, not folded */
};
#define PARTS_MAX 4 /* a failure and a lockout, each in two logs */

struct parts {
    struct part v[PARTS_MAX];
    int n;
};

static struct part *
new_part(struct parts *p, const struct cx *cx)
{
    struct part *x = &p->v[p->n++];

    x->cx = *cx;
    x->cx.failure = (struct failure){0};
    x->cx.actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Someone not signed in")};
    return x;
}

/* For the tenant when there is one only, and for the instance, whose several tenants share it. */
static void
add_unknown(struct parts *p, struct cx *cx, const struct attempt *t, enum event ev, const char *why)
{
    struct str name = signin_typed_name(cx, t->typed);
    struct audit_entry e = {
        .event = ev, .outcome = OUTCOME_FAILURE, .target_kind = S("unknown name")};
    struct str fold =
        arena_fmt(cx->arena, "unknown %d %s", (int)(str_hash(t->network) % UNKNOWN_FOLDS), why);
    struct part *x;

    e.target_name = name;
    e.target_id = str_sub(t->key, 0, 12);
    e.text =
        arena_fmt(cx->arena, "%s for the unknown name %.*s: %s",
                  ev == EV_LOGIN_LOCKOUT ? "Sign-in locked" : "Sign-in failed", STR_ARG(name), why);
    if (t->tenants == 1) {
        x = new_part(p, cx);
        x->cx.tenant = t->only;
        x->e = e;
        x->fold = fold;
    }
    e.instance = true;
    x = new_part(p, cx);
    x->cx.tenant = (struct tenant_ref){0};
    x->e = e;
    x->fold = fold;
}

static void
add_known(struct parts *p, struct cx *cx, const struct user *u, struct signin_failure f)
{
    struct str whom = user_label(cx->arena, u);
    struct part *x = new_part(p, cx);

    x->e = user_entry(cx, u, f.event,
                      arena_fmt(cx->arena, "%s for %.*s: %s", f.what, STR_ARG(whom), f.why));
    x->e.outcome = OUTCOME_FAILURE;
    x->cx.tenant = (struct tenant_ref){true, u->tenant_id, u->tenant_cuid};
    if (cx->actor.kind == ACTOR_USER && cx->actor.user_id == u->user_id)
        x->cx.actor = cx->actor;
    x->fold = arena_fmt(cx->arena, "user %.*s %s", STR_ARG(u->cuid), f.why);
}

static void
add_failure(struct parts *p, struct cx *cx, const struct attempt *t, struct signin_failure f)
{
    if (t->found)
        add_known(p, cx, &t->user, f);
    else
        add_unknown(p, cx, t, f.event, f.why);
}

/* ---- before the hash ---- */

/* Cheap, and of the same cost for any name: the store is left to the keeper of the log. */
static void
record_soon(struct cx *cx, const struct attempt *t, const char *why)
{
    struct parts p = {.n = 0};

    add_failure(&p, cx, t, (struct signin_failure){EV_LOGIN_FAIL, "Sign-in failed", why});
    for (int i = 0; i < p.n; i++)
        audit_record_soon(&p.v[i].cx, &p.v[i].e, p.v[i].fold);
}

enum err
signin_refused(struct cx *cx)
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

/* By a command on the machine or by another server, whose memory is not this one: the account is
 * unlocked in the store, and was changed there after it was locked here. */
static bool
is_released(struct cx *cx, const struct attempt *t)
{
    return t->kind == LIMIT_NAME && t->found && t->user.locked_until == 0 &&
           t->user.updated_at > limits_locked_at(cx->app->limits, t->kind, t->locked_key, cx->now);
}

enum err
signin_check_limits(struct cx *cx, struct attempt *t)
{
    struct limits *m = cx->app->limits;

    if (!m)
        return OK;
    t->now_failures = limits_count(m, LIMIT_ADDRESS, t->network, ADDRESS_WINDOW, cx->now);
    if (t->now_failures >= t->per_minute) {
        record_soon(cx, t, "too many failures from one address");
        return too_fast(cx);
    }
    if (is_released(cx, t))
        limits_clear(m, t->kind, t->locked_key);
    if (t->device_locked > cx->now || limits_locked(m, t->kind, t->locked_key, cx->now)) {
        limits_note(m, LIMIT_ADDRESS, t->network, ADDRESS_WINDOW, cx->now);
        record_soon(cx, t, "invalid credentials (locked)");
        return signin_refused(cx);
    }
    return OK;
}

/* In a flood those who look least like it are hashed first. What is asked is known of any name. */
enum hash_rank
signin_rank(struct cx *cx, const struct attempt *t)
{
    struct limits *m = cx->app->limits;
    int64_t window = settings_int(&t->settings, SET_LOCKOUT_MINUTES) * USEC_PER_MIN;

    if (t->device_known || !m)
        return HASH_KNOWN;
    if (t->now_failures > 0 || limits_count(m, t->kind, t->locked_key, window, cx->now) > 0 ||
        limits_count(m, LIMIT_TURNED, t->network, TURNED_WINDOW, cx->now) > 0)
        return HASH_REST;
    return HASH_FRESH;
}

void
signin_turned_away(struct cx *cx, const struct attempt *t)
{
    struct limits *m = cx->app->limits;

    /* Not of the name: names are free, and would push out of the table what counts. */
    if (m)
        limits_note(m, LIMIT_TURNED, t->network, TURNED_WINDOW, cx->now);
    record_soon(cx, t, "too many people are signing in");
}

/* ---- behind the hash ---- */

struct failed {
    const struct attempt *t;
    struct parts parts;
    struct device_rule rule;
    bool lock;
    int count; /* of failures when it is locked */
    int64_t until;
};

static enum err
lock_user(struct cx *cx, const struct failed *f)
{
    static const struct sql q =
        SQL_WRITE("user_account", "UPDATE user_account SET locked_until = $3, failed_logins = $4, "
                                  "last_failed_login = $5 WHERE tenant_id = $1 AND user_id = $2");
    const struct user *u = &f->t->user;
    struct str whom = user_label(cx->arena, u), until = time_iso(cx->arena, f->until);
    struct audit_change c = {S("locked until"), STR_NULL, until};
    struct audit_entry e =
        user_entry(cx, u, EV_LOGIN_LOCKOUT,
                   arena_fmt(cx->arena, "%.*s was locked%s after %d failed sign-ins", STR_ARG(whom),
                             f->t->device_known ? " on one known browser" : "", f->count));

    e.outcome = OUTCOME_FAILURE;
    e.changes = &c;
    e.n_changes = 1;
    if (!f->t->device_known)
        TRY(db_exec(cx->tx, &q,
                    ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_INT(f->until), V_INT(f->count),
                         V_INT(cx->now)),
                    NULL));
    return audit_record(cx, &e, NULL);
}

static enum err
lock_known(struct cx *cx, const struct failed *f)
{
    struct cx c = *cx;

    c.tenant = (struct tenant_ref){true, f->t->user.tenant_id, f->t->user.tenant_cuid};
    c.actor = (struct actor){.kind = ACTOR_ANONYMOUS, .name = S("Someone not signed in")};
    return lock_user(&c, f);
}

/* An existing name takes one event, an unknown one two or, folded, none: the clock would tell them
 * apart. So each failure behind a hash is one transaction of the same number of statements. The row
 * counts failures of its share of names. */
static enum err
pad(struct cx *cx, const struct attempt *t)
{
    static const struct sql q = SQL_WRITE(
        "login_counter",
        "INSERT INTO login_counter (key, failures, first_at, last_at) VALUES ($1, 1, $2, $2) "
        "ON CONFLICT (key) DO UPDATE SET failures = login_counter.failures + 1, last_at = $2");

    audit_cover(cx, REASON_LOGIN_COUNTER);
    return db_exec(cx->tx, &q, ARGS(V_STR(str_sub(t->key, 0, 2)), V_INT(cx->now)), NULL);
}

static enum err
failed_body(struct cx *cx, void *arg)
{
    struct failed *f = arg;
    uint64_t until = db_statement_count() + (f->lock ? PARTS_MAX : PARTS_MAX / 2);

    if (f->t->kind == LIMIT_DEVICE) {
        TRY(device_failed(cx, &f->t->device, &f->rule, &f->count, &f->until));
        f->lock = f->until != 0;
    }
    for (int i = 0; i < f->parts.n; i++) {
        struct cx c = f->parts.v[i].cx;

        c.tx = cx->tx;
        if (f->parts.v[i].single)
            TRY(audit_record(&c, &f->parts.v[i].e, NULL));
    }
    if (f->lock && f->t->found)
        TRY(lock_known(cx, f));
    while (db_statement_count() < until)
        TRY(pad(cx, f->t));
    return OK;
}

/* Counts in memory, and locks there when it was one too many. */
static void
count_in_memory(struct cx *cx, struct failed *f)
{
    struct limits *m = cx->app->limits;
    const struct attempt *t = f->t;

    f->count = limits_note(m, t->kind, t->locked_key, f->rule.window, cx->now);
    f->lock = f->count >= f->rule.most;
    f->until = cx->now + f->rule.release;
    if (f->lock)
        limits_lock(m, t->kind, t->locked_key, f->until, cx->now);
}

/* Counts the failure for the address, and for the name; of a known browser the store counts. */
static void
count_failure(struct cx *cx, struct failed *f)
{
    const struct settings *s = &f->t->settings;

    f->rule = (struct device_rule){settings_int(s, SET_LOCKOUT_MINUTES) * USEC_PER_MIN,
                                   settings_int(s, SET_LOCKOUT_RELEASE) * USEC_PER_MIN,
                                   settings_int(s, SET_LOCKOUT_FAILURES)};
    if (!cx->app->limits)
        return;
    limits_note(cx->app->limits, LIMIT_ADDRESS, f->t->network, ADDRESS_WINDOW, cx->now);
    if (f->t->kind != LIMIT_DEVICE)
        count_in_memory(cx, f);
}

void
signin_failed(struct cx *cx, struct attempt *t, struct signin_failure why)
{
    struct failed *f = arena_new(cx->arena, struct failed);
    struct cx c = *cx;

    f->t = t;
    add_failure(&f->parts, cx, t, why);
    count_failure(cx, f);
    if (f->lock && !t->found)
        add_unknown(&f->parts, cx, t, EV_LOGIN_LOCKOUT, "too many failures");
    for (int i = 0; i < f->parts.n; i++)
        f->parts.v[i].single = audit_fold(&f->parts.v[i].cx, &f->parts.v[i].e, f->parts.v[i].fold);
    c.failure = (struct failure){0};
    if (cx_write(&c, failed_body, f) == OK)
        return;
    /* Memory holds the lock even when the store does not, and the events until it does. */
    if (t->kind == LIMIT_DEVICE && cx->app->limits)
        count_in_memory(cx, f);
    for (int i = 0; i < f->parts.n; i++)
        if (f->parts.v[i].single)
            audit_fold_later(&f->parts.v[i].cx, &f->parts.v[i].e, f->parts.v[i].fold);
}

/* ---- the caller's address, for other routes that may be guessed at ---- */

static enum err
read_per_minute(struct cx *cx, void *arg)
{
    struct settings *first = arena_new(cx->arena, struct settings);
    struct attempt *t = arg;

    TRY(signin_read_tenants(cx, t));
    TRY(settings_load(cx, t->only.id, first));
    t->per_minute = settings_int(first, SET_AUTH_PER_MINUTE);
    return OK;
}

enum err
signin_address_allowed(struct cx *cx)
{
    struct attempt *t = arena_new(cx->arena, struct attempt);
    struct limits *m = cx->app->limits;

    if (!m)
        return OK;
    TRY(cx_read(cx, read_per_minute, t));
    if (limits_count(m, LIMIT_ADDRESS, counted_address(cx), ADDRESS_WINDOW, cx->now) <
        t->per_minute)
        return OK;
    return too_fast(cx);
}

void
signin_address_failed(struct cx *cx)
{
    if (cx->app->limits)
        limits_note(cx->app->limits, LIMIT_ADDRESS, counted_address(cx), ADDRESS_WINDOW, cx->now);
}
