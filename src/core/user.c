/* People: creating, changing, disabling, deleting. Owns the table user_account; what hangs on a
 * user (sessions, roles, links) is ended or removed here with him. Reading lists is user_list.c,
 * roles are user_role.c. */
#include "core/user.h"

#include "base/text.h"
#include "codec/textkey.h"
#include "core/clientuser.h"
#include "core/device.h"
#include "core/role.h"
#include "core/session.h"
#include "core/signin.h"
#include "core/trail.h"
#include "run/app.h"

#define USER_COLUMNS                                                                               \
    "SELECT u.tenant_id, u.user_id, u.cuid, t.cuid, u.email, u.email_folded, u.first, u.last,"     \
    " u.provider, u.language, u.password_hash, u.disabled, u.default_group, u.mfa_enabled,"        \
    " u.locked_until, u.failed_logins, u.last_failed_login, u.last_login, u.activated_at,"         \
    " u.tier_id, u.mfa_secret, u.mfa_pending, u.mfa_last_step, u.created_at, u.updated_at"         \
    " FROM user_account u JOIN tenant t ON t.tenant_id = u.tenant_id "

/* ---- reading one ---- */

static void
read_user(const struct db_rows *r, struct user *u)
{
    *u = (struct user){.tenant_id = db_int(r, 0),
                       .user_id = db_int(r, 1),
                       .cuid = db_text_keep(r, 2),
                       .tenant_cuid = db_text_keep(r, 3),
                       .email = db_text_keep(r, 4),
                       .email_folded = db_text_keep(r, 5),
                       .first = db_text_keep(r, 6),
                       .last = db_text_keep(r, 7),
                       .provider = db_text_keep(r, 8),
                       .language = db_text_keep(r, 9),
                       .password_hash = db_text_keep(r, 10),
                       .disabled = db_int(r, 11) != 0,
                       .default_group = db_int(r, 12) != 0,
                       .mfa_enabled = db_int(r, 13) != 0,
                       .locked_until = db_int(r, 14),
                       .failed_logins = db_int(r, 15),
                       .last_failed_login = db_int(r, 16),
                       .last_login = db_int(r, 17),
                       .activated_at = db_int(r, 18),
                       .tier_id = db_int(r, 19),
                       .mfa_secret = db_bytes_keep(r, 20),
                       .mfa_pending = db_bytes_keep(r, 21),
                       .mfa_last_step = db_int(r, 22),
                       .created_at = db_int(r, 23),
                       .updated_at = db_int(r, 24)};
}

static enum err
get_with(struct cx *cx, const struct sql *q, struct db_args args, struct user *out)
{
    struct db_rows *r;

    TRY(db_query_one(cx->tx, q, args, &r));
    read_user(r, out);
    db_rows_end(r);
    return OK;
}

static enum err
or_not_found(struct cx *cx, enum err e)
{
    return e == ERR_NOT_FOUND ? fail(cx, ERR_NOT_FOUND, "User not found") : e;
}

enum err
user_get(struct cx *cx, int64_t user_id, struct user *out)
{
    static const struct sql q = SQL_READ(USER_COLUMNS "WHERE u.tenant_id = $1 AND u.user_id = $2");

    return or_not_found(cx, get_with(cx, &q, ARGS(V_INT(cx->tenant.id), V_INT(user_id)), out));
}

enum err
user_get_by_email(struct cx *cx, struct str email, struct user *out)
{
    static const struct sql q =
        SQL_READ(USER_COLUMNS "WHERE u.tenant_id = $1 AND u.email_folded = $2");

    return or_not_found(
        cx, get_with(cx, &q, ARGS(V_INT(cx->tenant.id), V_STR(email_fold(cx->arena, email))), out));
}

enum err
user_get_by_ref(struct cx *cx, struct str ref, struct user *out)
{
    static const struct sql q = SQL_READ(USER_COLUMNS "WHERE u.tenant_id = $1 AND u.cuid = $2");
    int64_t id;

    if (str_int64(ref, &id) == OK && id > 0 && ref.p[0] != '0') /* one number, one spelling */
        return user_get(cx, id, out);
    return or_not_found(cx, get_with(cx, &q, ARGS(V_INT(cx->tenant.id), V_STR(ref)), out));
}

enum err
user_find_anywhere(struct cx *cx, struct str email_folded, struct user *out)
{
    static const struct sql q = SQL_READ(USER_COLUMNS "WHERE u.email_folded = $1");

    return get_with(cx, &q, ARGS(V_STR(email_folded)), out);
}

/* ---- words ---- */

bool
provider_is_known(struct str provider)
{
    struct str rest = S(PROVIDERS), word;

    while (str_cut(&rest, ' ', &word)) {
        if (str_eq(word, provider))
            return true;
    }
    return false;
}

bool
provider_is_available(struct str provider)
{
    return str_eq(provider, S("plextrac"));
}

struct str
email_fold(struct arena *a, struct str email)
{
    return text_key(a, str_trim(email));
}

/* One @, something before it, a dot within the host, no space or control character. */
bool
email_is_valid(struct str email)
{
    size_t at = str_index(email, '@');
    struct str host;

    if (email.n > USER_EMAIL_MAX || at == SIZE_MAX || at == 0 || at > 64)
        return false;
    host = str_sub(email, at + 1, email.n);
    if (host.n < 3 || str_index(host, '@') != SIZE_MAX || str_index(host, '.') == SIZE_MAX ||
        host.p[0] == '.' || host.p[host.n - 1] == '.')
        return false;
    for (size_t i = 0; i < email.n; i++) {
        unsigned char c = (unsigned char)email.p[i];

        if (c <= ' ' || c == 0x7f || strchr("<>(),;:\\\"[]", c))
            return false;
    }
    return true;
}

bool
email_is_unmistakable(struct arena *a, struct str email)
{
    return email_is_valid(email) && text_is_plain(text_composed(a, email));
}

struct str
user_full_name(struct arena *a, struct str first, struct str last)
{
    return arena_fmt(a, "%.*s %.*s", STR_ARG(first), STR_ARG(last));
}

struct str
user_label(struct arena *a, const struct user *u)
{
    return arena_fmt(a, "%.*s %.*s (%.*s)", STR_ARG(u->first), STR_ARG(u->last), STR_ARG(u->email));
}

/* "Ann Archer (ann@…)" for people, the name alone for processes and commands. */
static struct str
actor_label(struct cx *cx)
{
    if (str_is_empty(cx->actor.email))
        return cx->actor.name;
    return arena_fmt(cx->arena, "%.*s (%.*s)", STR_ARG(cx->actor.name), STR_ARG(cx->actor.email));
}

struct audit_entry
user_entry(struct cx *cx, const struct user *u, enum event ev, struct str text)
{
    return (struct audit_entry){.event = ev,
                                .outcome = OUTCOME_SUCCESS,
                                .text = text,
                                .target_kind = S("user"),
                                .target_id = u->cuid,
                                .target_name = user_full_name(cx->arena, u->first, u->last),
                                .target_email = u->email};
}

void
user_act_as(struct cx *cx, const struct user *u)
{
    cx->tenant = (struct tenant_ref){true, u->tenant_id, u->tenant_cuid};
    cx->actor = (struct actor){.kind = ACTOR_USER,
                               .user_id = u->user_id,
                               .cuid = u->cuid,
                               .name = user_full_name(cx->arena, u->first, u->last),
                               .email = u->email};
}

/* "<actor> <verb> <user>" with changes. */
static enum err
record(struct cx *cx, const struct user *u, enum event ev, const char *verb, const char *behind,
       const struct audit_change *changes, size_t n)
{
    struct str who = actor_label(cx), whom = user_label(cx->arena, u);
    struct audit_entry e = user_entry(
        cx, u, ev,
        arena_fmt(cx->arena, "%.*s %s %.*s%s", STR_ARG(who), verb, STR_ARG(whom), behind));

    e.changes = changes;
    e.n_changes = n;
    return audit_record(cx, &e, NULL);
}

static struct str
yes_no(bool v)
{
    return v ? S("true") : S("false");
}

/* ---- creating ---- */

static enum err
check_email(struct cx *cx, const struct user_spec *s)
{
    struct str p = s->pointer.p ? s->pointer : S("");

    return email_is_unmistakable(cx->arena, str_trim(s->email))
               ? OK
               : fail_field(cx, arena_fmt(cx->arena, "%.*s/email", STR_ARG(p)),
                            "must be " EMAIL_WANTED);
}

static enum err
check_names(struct cx *cx, const struct user_spec *s)
{
    struct str p = s->pointer.p ? s->pointer : S("");
    enum err e = OK;

    if (text_is_blank(s->first) || s->first.n > USER_NAME_MAX)
        e = fail_field(cx, arena_fmt(cx->arena, "%.*s/name/first", STR_ARG(p)),
                       "is required, at most %d bytes", USER_NAME_MAX);
    if (text_is_blank(s->last) || s->last.n > USER_NAME_MAX)
        e = fail_field(cx, arena_fmt(cx->arena, "%.*s/name/last", STR_ARG(p)),
                       "is required, at most %d bytes", USER_NAME_MAX);
    return e;
}

/* Only who signs in with a password can sign in at all in this version. */
static enum err
check_provider(struct cx *cx, struct str provider, struct str pointer)
{
    if (!provider_is_known(provider))
        return fail_field(cx, pointer, "must be one of: " PROVIDERS);
    return provider_is_available(provider)
               ? OK
               : fail(cx, ERR_CONFLICT, PROVIDER_UNAVAILABLE ": the user could not sign in");
}

static enum err
check_unused(struct cx *cx, struct str folded, struct str email)
{
    struct user other;
    enum err e = user_find_anywhere(cx, folded, &other);

    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    return fail(cx, ERR_CONFLICT, "A user with the e-mail address %.*s exists already",
                STR_ARG(email));
}

/* Roles named by the spec: a list, one, or the default. */
static enum err
spec_roles(struct cx *cx, const struct user_spec *s, struct role *roles, size_t *n)
{
    struct str p = s->pointer.p ? s->pointer : S("");
    struct str at = arena_fmt(cx->arena, "%.*s/role", STR_ARG(p));
    const struct roles *all = s->all;
    struct roles read;

    *n = 0;
    if (!all) {
        TRY(role_load(cx, &read));
        all = &read;
    }
    if (json_is(s->roles, JSON_ARRAY)) {
        for (const struct json *j = s->roles->first; j; j = j->next) {
            if (*n == USER_ROLES_MAX || !json_is(j, JSON_STRING))
                return fail_field(cx, at, "must be at most %d names of roles", USER_ROLES_MAX);
            TRY(user_role_pick(cx, all, j->text, at, &roles[(*n)++]));
        }
    }
    if (*n == 0)
        TRY(user_role_pick(cx, all, str_is_empty(s->role) ? S("STD_USER") : s->role, at,
                           &roles[(*n)++]));
    return OK;
}

static enum err
insert_user(struct cx *cx, const struct user *u)
{
    static const struct sql q = SQL_WRITE(
        "user_account",
        "INSERT INTO user_account (tenant_id, user_id, cuid, email, email_folded, first, last, "
        "password_hash, password_changed_at, provider, tier_id, created_at, updated_at, "
        "first_key, last_key) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14)");
    bool has = !str_is_empty(u->password_hash);

    return db_exec(cx->tx, &q,
                   ARGS(V_INT(u->tenant_id), V_INT(u->user_id), V_STR(u->cuid), V_STR(u->email),
                        V_STR(u->email_folded), V_STR(u->first), V_STR(u->last),
                        V_STR(has ? u->password_hash : STR_NULL), V_INT_OR_NULL(has, cx->now),
                        V_STR(u->provider), V_INT_OR_NULL(u->tier_id != 0, u->tier_id),
                        V_INT(cx->now), V_STR(text_key(cx->arena, u->first)),
                        V_STR(text_key(cx->arena, u->last))),
                   NULL);
}

static enum err
set_default_group(struct cx *cx, struct user *u, bool member)
{
    if (!cx_is_process(cx) && !cx_may(cx, PERM_AUTHORIZATION_MANAGE))
        return fail(cx, ERR_FORBIDDEN, "Not permitted: authorize users for every client");
    TRY(default_group_set(cx, u, member));
    u->default_group = member;
    return OK;
}

enum err
user_create(struct cx *cx, const struct user_spec *s, struct user *out)
{
    struct str p = s->pointer.p ? s->pointer : S("");
    struct user u = {
        .tenant_id = cx->tenant.id, .tenant_cuid = cx->tenant.cuid, .created_at = cx->now};
    struct role roles[USER_ROLES_MAX];
    struct audit_change c[7];
    struct user_tier tier;
    size_t n, n_changes = 4;
    enum err named = check_names(cx, s);

    TRY(check_email(cx, s));
    TRY(named);
    u.email = text_composed(cx->arena, str_trim(s->email));
    u.email_folded = email_fold(cx->arena, s->email);
    u.first = s->first;
    u.last = s->last;
    u.provider = str_is_empty(s->provider) ? S("plextrac") : s->provider;
    u.language = S("en");
    u.password_hash = s->password_hash;
    TRY(check_provider(cx, u.provider,
                       arena_fmt(cx->arena, "%.*s/authentication_provider", STR_ARG(p))));
    TRY(check_unused(cx, u.email_folded, u.email));
    TRY(spec_roles(cx, s, roles, &n));
    TRY(user_tier_find(
        cx, s->tier, arena_fmt(cx->arena, "%.*s/tenantClassificationLevel", STR_ARG(p)), 0, &tier));
    u.tier_id = tier.id;
    TRY(db_sequence(cx->tx, "user", &u.user_id));
    u.cuid = cuid_in(cx->arena, cx->now);
    TRY(insert_user(cx, &u));
    c[0] = (struct audit_change){S("email"), STR_NULL, u.email};
    c[1] = (struct audit_change){S("first"), STR_NULL, u.first};
    c[2] = (struct audit_change){S("last"), STR_NULL, u.last};
    c[3] = (struct audit_change){S("authentication_provider"), STR_NULL, u.provider};
    if (u.tier_id) {
        c[n_changes++] = (struct audit_change){S("classification"), STR_NULL, tier.name};
        c[n_changes++] = (struct audit_change){S("tenantClassificationLevel"), STR_NULL,
                                               arena_fmt(cx->arena, "%lld", (long long)u.tier_id)};
    }
    if (!str_is_empty(u.password_hash))
        c[n_changes++] =
            (struct audit_change){S("credential_mark"), STR_NULL, trail_mark(cx, u.password_hash)};
    TRY(record(cx, &u, EV_USER_CREATED, "created the user", "", c, n_changes));
    for (size_t i = 0; i < n; i++)
        TRY(role_assign(cx, u.user_id, &roles[i]));
    if (s->default_group)
        TRY(set_default_group(cx, &u, true));
    *out = u;
    return OK;
}

/* ---- changing ---- */

static enum err
change_details(struct cx *cx, struct user *u, const struct user_update *c)
{
    static const struct sql q =
        SQL_WRITE("user_account",
                  "UPDATE user_account SET first = $3, last = $4, provider = $5, updated_at = $6, "
                  "first_key = $7, last_key = $8 WHERE tenant_id = $1 AND user_id = $2");
    struct user after = *u;
    struct audit_change v[3];
    size_t n = 0;

    if (!str_is_null(c->first))
        after.first = c->first;
    if (!str_is_null(c->last))
        after.last = c->last;
    if (!str_is_empty(c->provider) && !str_eq(c->provider, u->provider)) {
        TRY(check_provider(cx, c->provider, S("/authentication_provider")));
        after.provider = c->provider;
    }
    TRY(check_names(cx, &(struct user_spec){.first = after.first, .last = after.last}));
    if (!str_eq(u->first, after.first))
        v[n++] = (struct audit_change){S("first"), u->first, after.first};
    if (!str_eq(u->last, after.last))
        v[n++] = (struct audit_change){S("last"), u->last, after.last};
    if (!str_eq(u->provider, after.provider))
        v[n++] = (struct audit_change){S("authentication_provider"), u->provider, after.provider};
    if (n == 0)
        return OK;
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_STR(after.first), V_STR(after.last),
                     V_STR(after.provider), V_INT(cx->now), V_STR(text_key(cx->arena, after.first)),
                     V_STR(text_key(cx->arena, after.last))),
                NULL));
    if (!str_eq(u->provider, after.provider))
        TRY(admin_must_remain(cx)); /* only who signs in with a password can sign in at all yet */
    TRY(record(cx, u, EV_USER_UPDATED, "changed the user", "", v, n));
    *u = after;
    return OK;
}

static enum err
change_tier(struct cx *cx, struct user *u, struct str tier)
{
    static const struct sql q =
        SQL_WRITE("user_account", "UPDATE user_account SET tier_id = $3, updated_at = $4 "
                                  "WHERE tenant_id = $1 AND user_id = $2");
    struct audit_change c[2] = {{.field = S("classification")},
                                {.field = S("tenantClassificationLevel")}};
    struct user_tier to;
    int64_t id;

    TRY(user_tier_find(cx, tier, S("/tenantClassificationLevel"), u->tier_id, &to));
    id = to.id;
    if (id == u->tier_id)
        return OK;
    TRY(db_exec(
        cx->tx, &q,
        ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_INT_OR_NULL(id != 0, id), V_INT(cx->now)),
        NULL));
    c[0].before = to.present;
    c[0].after = to.name;
    c[1].before = u->tier_id ? arena_fmt(cx->arena, "%lld", (long long)u->tier_id) : STR_NULL;
    c[1].after = id ? arena_fmt(cx->arena, "%lld", (long long)id) : STR_NULL;
    u->tier_id = id;
    return record(cx, u, EV_USER_TIER_CHANGED, "changed the classification tier of", "", c, 2);
}

enum err
user_change(struct cx *cx, struct user *u, const struct user_update *c)
{
    TRY(change_details(cx, u, c));
    if (c->roles) {
        struct user_spec s = {.roles = c->roles};
        struct role roles[USER_ROLES_MAX];
        size_t n;

        if (!json_is(c->roles, JSON_ARRAY) || !c->roles->first)
            return fail_field(cx, S("/roles"), "must name at least one role");
        TRY(spec_roles(cx, &s, roles, &n));
        TRY(user_roles_set(cx, u, roles, n));
    }
    if (c->has_tier)
        TRY(change_tier(cx, u, c->tier));
    if (c->default_group >= 0 && (c->default_group == 1) != u->default_group)
        TRY(set_default_group(cx, u, c->default_group == 1));
    return OK;
}

enum err
user_set_disabled(struct cx *cx, struct user *u, bool disabled)
{
    static const struct sql q =
        SQL_WRITE("user_account", "UPDATE user_account SET disabled = $3, updated_at = $4 "
                                  "WHERE tenant_id = $1 AND user_id = $2");
    struct audit_change c[2] = {{S("disabled"), yes_no(u->disabled), yes_no(disabled)}};
    int64_t ended = 0;

    if (u->disabled == disabled)
        return OK;
    if (disabled) {
        if (u->user_id == cx->actor.user_id && !cx_is_process(cx))
            return fail(cx, ERR_CONFLICT, "Nobody disables the own account");
        TRY(session_end_all(cx, u->user_id, STR_NULL, &ended));
    }
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_INT(disabled), V_INT(cx->now)),
                NULL));
    u->disabled = disabled;
    if (disabled)
        TRY(admin_must_remain(cx));
    c[1] = (struct audit_change){S("sessions ended"), STR_NULL,
                                 arena_fmt(cx->arena, "%lld", (long long)ended)};
    return record(cx, u, disabled ? EV_USER_DISABLED : EV_USER_ENABLED,
                  disabled ? "disabled" : "enabled", "", c, disabled ? 2 : 1);
}

enum err
user_unlock(struct cx *cx, struct user *u, bool browsers)
{
    static const struct sql q =
        SQL_WRITE("user_account",
                  "UPDATE user_account SET locked_until = 0, failed_logins = 0, updated_at = $3 "
                  "WHERE tenant_id = $1 AND user_id = $2");
    struct audit_change c = {S("locked"), S("true"), S("false")};
    bool browser_locked = false;

    if (browsers)
        TRY(device_forgive_all(cx, u->user_id, &browser_locked));
    if (u->locked_until == 0 && browser_locked) {
        c.field = S("locked on a known browser");
        return record(cx, u, EV_USER_UNLOCKED, "unlocked", " on their known browsers", &c, 1);
    }
    if (u->locked_until == 0)
        return OK;
    TRY(db_exec(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_INT(cx->now)), NULL));
    u->locked_until = 0;
    return record(cx, u, EV_USER_UNLOCKED, "unlocked", "", &c, 1);
}

/* ---- password, sessions, second factor ---- */

/* A sign-in that waits for its second factor was begun with what ends now. */
static enum err
end_challenges(struct cx *cx, const struct user *u)
{
    static const struct sql q = SQL_WRITE(
        "login_challenge", "DELETE FROM login_challenge WHERE tenant_id = $1 AND user_id = $2");

    audit_cover(cx, REASON_CHALLENGE);
    return db_exec(cx->tx, &q, ARGS(V_INT(u->tenant_id), V_INT(u->user_id)), NULL);
}

enum err
user_set_password(struct cx *cx, struct user *u, struct str hash, bool by_other, struct str keep,
                  const char *how)
{
    static const struct sql q = SQL_WRITE(
        "user_account", "UPDATE user_account SET password_hash = $3, password_changed_at = $4, "
                        "updated_at = $4 WHERE tenant_id = $1 AND user_id = $2");
    static const struct sql links = SQL_WRITE(
        "one_time_link",
        "DELETE FROM one_time_link WHERE tenant_id = $1 AND user_id = $2 AND kind = 'password'");
    struct audit_change c[3] = {{S("password"), S("(hidden)"), S("(changed)")},
                                {S("sessions ended"), STR_NULL, STR_NULL},
                                {S("credential_mark"), STR_NULL, trail_mark(cx, hash)}};
    struct str whom = user_label(cx->arena, u), who = actor_label(cx);
    struct audit_entry e;
    int64_t ended;

    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_STR(hash), V_INT(cx->now)), NULL));
    TRY(db_exec(cx->tx, &links, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id)), NULL));
    TRY(end_challenges(cx, u));
    TRY(session_end_all(cx, u->user_id, keep, &ended));
    c[1].after = arena_fmt(cx->arena, "%lld", (long long)ended);
    e = user_entry(cx, u, by_other ? EV_PASSWORD_CHANGED_BY_OTHER : EV_PASSWORD_CHANGED,
                   by_other ? arena_fmt(cx->arena, "%.*s %s %.*s", STR_ARG(who), how, STR_ARG(whom))
                            : arena_fmt(cx->arena, "%.*s %s", STR_ARG(whom), how));
    e.changes = c;
    e.n_changes = 3;
    u->password_hash = hash;
    return audit_record(cx, &e, NULL);
}

enum err
user_end_sessions(struct cx *cx, struct user *u, struct str keep, const char *how, int64_t *ended)
{
    struct audit_change c = {.field = S("sessions ended")};

    TRY(end_challenges(cx, u));
    TRY(session_end_all(cx, u->user_id, keep, ended));
    if (*ended == 0)
        return OK;
    c.after = arena_fmt(cx->arena, "%lld", (long long)*ended);
    return record(cx, u, EV_SESSION_ENDED, "ended the sessions of", how, &c, 1);
}

enum err
user_mfa_reset(struct cx *cx, struct user *u, bool by_other)
{
    static const struct sql q =
        SQL_WRITE("user_account",
                  "UPDATE user_account SET mfa_enabled = 0, mfa_secret = NULL, mfa_pending = NULL, "
                  "updated_at = $3 WHERE tenant_id = $1 AND user_id = $2");
    static const struct sql codes = SQL_WRITE(
        "recovery_code", "DELETE FROM recovery_code WHERE tenant_id = $1 AND user_id = $2");
    struct audit_change c = {S("mfa_enabled"), yes_no(u->mfa_enabled), S("false")};

    /* One's own is switched off in the profile, where the password is asked again. */
    if (by_other && cx->actor.kind == ACTOR_USER && cx->actor.user_id == u->user_id)
        return fail(cx, ERR_CONFLICT, "Switch your own second factor off in your profile");
    TRY(db_exec(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_INT(cx->now)), NULL));
    TRY(db_exec(cx->tx, &codes, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id)), NULL));
    u->mfa_enabled = false;
    return record(cx, u, by_other ? EV_MFA_RESET : EV_MFA_DISABLED,
                  by_other ? "reset the second factor of" : "switched off the second factor of", "",
                  &c, 1);
}
