/* The log applied: the table event type → how it changes rows, and the state as of a time or a
 * snapshot. A new event that changes a row of access.h has its line here, or access_compare() will
 * call its change unrecorded. Owns nothing in the store. */
#include "core/access_priv.h"

#include "base/text.h"
#include "codec/hash.h"
#include "core/settings.h"
#include "core/trail.h"

/* What an event says of a field; null: nothing. */
struct said {
    bool any;
    struct str before, after;
};

static struct said
change_of(const struct audit_event *e, struct str field)
{
    for (size_t i = 0; i < e->n_changes; i++) {
        if (str_eq(e->changes[i].field, field))
            return (struct said){true, e->changes[i].before, e->changes[i].after};
    }
    return (struct said){false, STR_NULL, STR_NULL};
}

struct step {
    struct access_state *s;
    const struct audit_event *e;
    struct origin o;
};

/* Field of the event → field of the row, when it says something. */
static void
take(const struct step *x, struct access_row *r, const char *from, const char *to)
{
    struct said c = change_of(x->e, str_of(from));

    if (c.any)
        state_set(x->s, r, str_of(to), c.after, &x->o);
}

static void
set(const struct step *x, struct access_row *r, const char *field, struct str value)
{
    state_set(x->s, r, str_of(field), value, &x->o);
}

/* Removes the rows of a kind whose first or second part, or field, is this. */
static void
drop_where(struct access_state *s, enum access_kind k, int part, const char *field, struct str is)
{
    for (size_t i = 0; i < s->n_slots; i++) {
        struct access_row *r = s->slots[i];
        struct str v;

        if (!r || r->gone || r->kind != k)
            continue;
        v = part == 1 ? state_first(r->id) : part == 2 ? state_second(r->id) : access_get(r, field);
        if (str_eq(v, is))
            state_drop(r);
    }
}

/* ---- users ---- */

static void
user_created(const struct step *x)
{
    struct access_row *u = state_row(x->s, ACCESS_USER, x->e->target_id);

    set(x, u, "disabled", S("false"));
    set(x, u, "default_group", S("false"));
    set(x, u, "second_factor", S("false"));
    take(x, u, "email", "email");
    take(x, u, "first", "first");
    take(x, u, "last", "last");
    take(x, u, "authentication_provider", "provider");
    take(x, u, "tenantClassificationLevel", "tier");
    take(x, u, "credential_mark", "credential_mark");
}

static void
user_changed(const struct step *x)
{
    struct access_row *u = state_row(x->s, ACCESS_USER, x->e->target_id);

    take(x, u, "email", "email");
    take(x, u, "first", "first");
    take(x, u, "last", "last");
    take(x, u, "authentication_provider", "provider");
    take(x, u, "tenantClassificationLevel", "tier");
    take(x, u, "disabled", "disabled");
    take(x, u, "default_group", "default_group");
    take(x, u, "credential_mark", "credential_mark");
}

static void
second_factor_on(const struct step *x)
{
    struct access_row *u = state_row(x->s, ACCESS_USER, x->e->target_id);

    set(x, u, "second_factor", S("true"));
    take(x, u, "second_factor_mark", "second_factor_mark");
    take(x, u, "recovery_mark", "recovery_mark");
}

static void
recovery_changed(const struct step *x)
{
    take(x, state_row(x->s, ACCESS_USER, x->e->target_id), "recovery_mark", "recovery_mark");
}

static void
second_factor_off(const struct step *x)
{
    struct access_row *u = state_row(x->s, ACCESS_USER, x->e->target_id);

    set(x, u, "second_factor", S("false"));
    state_unset(u, S("second_factor_mark"));
    state_unset(u, S("recovery_mark"));
}

static void
user_deleted(const struct step *x)
{
    struct access_row *u = state_find(x->s, ACCESS_USER, x->e->target_id);

    if (u)
        state_drop_held(u); /* roles, memberships, tokens: one event tells of all */
    state_drop(u);
}

/* ---- roles ---- */

/* "A, B": each a field. */
static void
permissions(const struct step *x, struct access_row *r, struct str list, bool given)
{
    struct str rest = list, key;

    while (str_cut(&rest, ',', &key)) {
        struct str field;

        key = str_trim(key);
        field = arena_fmt(x->s->a, ACCESS_PERMISSION "%.*s", STR_ARG(key));
        if (!str_is_empty(key))
            state_set(x->s, r, field, given ? S("granted") : STR_NULL, &x->o);
    }
}

static void
role_created(const struct step *x)
{
    struct access_row *r = state_row(x->s, ACCESS_ROLE, x->e->target_id);

    set(x, r, "enabled", S("true"));
    set(x, r, "builtin", S("false"));
    take(x, r, "title", "title");
    take(x, r, "key", "key");
    permissions(x, r, change_of(x->e, S("permissions")).after, true);
}

static void
role_updated(const struct step *x)
{
    struct access_row *r = state_row(x->s, ACCESS_ROLE, x->e->target_id);

    take(x, r, "title", "title");
    take(x, r, "enabled", "enabled");
    permissions(x, r, change_of(x->e, S("permissions added")).after, true);
    permissions(x, r, change_of(x->e, S("permissions removed")).before, false);
}

static void
role_deleted(const struct step *x)
{
    state_drop(state_find(x->s, ACCESS_ROLE, x->e->target_id));
    drop_where(x->s, ACCESS_HOLDER, 2, NULL, x->e->target_id);
    drop_where(x->s, ACCESS_MEMBER, 0, "role", x->e->target_id);
}

static void
role_assigned(const struct step *x)
{
    struct str role = change_of(x->e, S("role_id")).after;

    set(x, state_row(x->s, ACCESS_HOLDER, state_pair(x->s->a, x->e->target_id, role)), "role",
        role);
}

static void
role_removed(const struct step *x)
{
    struct str role = change_of(x->e, S("role_id")).before;

    state_drop(state_find(x->s, ACCESS_HOLDER, state_pair(x->s->a, x->e->target_id, role)));
}

/* ---- clients ---- */

static struct str
client_id(const struct step *x)
{
    return arena_fmt(x->s->a, "%lld", (long long)x->e->client_id);
}

static void
client_named(const struct step *x)
{
    take(x, state_row(x->s, ACCESS_CLIENT, client_id(x)), "name", "name");
}

static void
client_deleted(const struct step *x)
{
    state_drop(state_find(x->s, ACCESS_CLIENT, client_id(x)));
    drop_where(x->s, ACCESS_MEMBER, 1, NULL, client_id(x));
}

static void
member_put(const struct step *x)
{
    struct str id = state_pair(x->s->a, client_id(x), x->e->target_id);
    struct access_row *m = state_row(x->s, ACCESS_MEMBER, id);

    take(x, m, "role_id", "role");
    take(x, m, "classification_id", "tier");
}

static void
member_removed(const struct step *x)
{
    state_drop(state_find(x->s, ACCESS_MEMBER, state_pair(x->s->a, client_id(x), x->e->target_id)));
}

/* ---- tiers: ranks, lowest first ---- */

static struct access_row *
tier_of(const struct step *x)
{
    for (size_t i = 0; i < x->s->n_slots; i++) {
        struct access_row *r = x->s->slots[i];

        if (r && !r->gone && r->kind == ACCESS_TIER &&
            str_eq(access_get(r, "cuid"), x->e->target_id))
            return r;
    }
    return NULL;
}

static void
tier_created(const struct step *x)
{
    struct access_row *t = state_row(x->s, ACCESS_TIER, change_of(x->e, S("id")).after);

    set(x, t, "cuid", x->e->target_id);
    take(x, t, "name", "name");
    take(x, t, "level", "level");
    set(x, t, "enabled", trail_bool(!str_eq(change_of(x->e, S("enabled")).after, S("false"))));
}

static void
tier_updated(const struct step *x)
{
    struct access_row *t = tier_of(x);

    if (!t)
        return;
    take(x, t, "name", "name");
    take(x, t, "level", "level");
    take(x, t, "enabled", "enabled");
}

/* Those above it move down, and who had it has none. */
static void
tier_deleted(const struct step *x)
{
    struct access_row *t = tier_of(x);
    struct str id;
    int64_t rank = 0, other;

    if (!t || str_int64(access_get(t, "level"), &rank) != OK)
        return;
    id = t->id;
    state_drop(t);
    for (size_t i = 0; i < x->s->n_slots; i++) {
        struct access_row *r = x->s->slots[i];

        if (!r || r->gone)
            continue;
        if (r->kind == ACCESS_TIER && str_int64(access_get(r, "level"), &other) == OK &&
            other > rank)
            set(x, r, "level", arena_fmt(x->s->a, "%lld", (long long)other - 1));
        if ((r->kind == ACCESS_USER || r->kind == ACCESS_MEMBER) &&
            str_eq(access_get(r, "tier"), id))
            state_unset(r, S("tier"));
    }
}

/* ---- settings, tokens ---- */

#define SETTING_PLAIN_MAX 512 /* bytes of a value that stands as it is */

struct str
replay_setting(struct arena *a, struct str name, struct str value)
{
    enum setting s = settings_by_name(name);
    struct sha256 h;

    if (s == SETTING_COUNT || str_eq(value, str_of(setting_info(s)->fallback)))
        return STR_NULL;
    if (value.n <= SETTING_PLAIN_MAX)
        return value;
    h = sha256_of(value);
    return arena_fmt(a, "%zu bytes, SHA-256 %.*s", value.n, STR_ARG(hex_in(a, sha256_str(&h))));
}

static void
setting_changed(const struct step *x)
{
    if (str_eq(x->e->target_kind, S("tenant")))
        take(x, state_row(x->s, ACCESS_WORKSPACE, x->e->target_id), "name", "name");
    for (size_t i = 0; i < x->e->n_changes; i++) {
        const struct audit_change *c = &x->e->changes[i];
        enum setting s = settings_by_name(c->field);
        struct str value;

        if (s == SETTING_COUNT)
            continue;
        value = setting_info(s)->kind == SETTING_SECRET
                    ? change_of(x->e, arena_fmt(x->s->a, "%.*s_mark", STR_ARG(c->field))).after
                    : replay_setting(x->s->a, c->field, c->after);
        if (str_is_null(value))
            state_drop(state_find(x->s, ACCESS_SETTING, c->field));
        else
            set(x, state_row(x->s, ACCESS_SETTING, c->field), "value", value);
    }
}

static void
token_created(const struct step *x)
{
    struct access_row *t = state_row(x->s, ACCESS_TOKEN, x->e->target_id);

    set(x, t, "user", x->e->actor_id);
    set(x, t, "name", x->e->target_name);
    take(x, t, "scopes", "scopes");
    take(x, t, "expires", "expires");
    take(x, t, "token_mark", "token_mark");
}

static void
token_revoked(const struct step *x)
{
    state_drop(state_find(x->s, ACCESS_TOKEN, x->e->target_id));
}

/* ---- the table ---- */

#define RULES(R)                                                                                   \
    R(USER_CREATED, user_created)                                                                  \
    R(USER_UPDATED, user_changed)                                                                  \
    R(USER_ENABLED, user_changed)                                                                  \
    R(USER_DISABLED, user_changed)                                                                 \
    R(USER_TIER_CHANGED, user_changed)                                                             \
    R(DEFAULT_GROUP_ADDED, user_changed)                                                           \
    R(DEFAULT_GROUP_REMOVED, user_changed)                                                         \
    R(PASSWORD_CHANGED, user_changed)                                                              \
    R(PASSWORD_CHANGED_BY_OTHER, user_changed)                                                     \
    R(MFA_ENABLED, second_factor_on)                                                               \
    R(MFA_DISABLED, second_factor_off)                                                             \
    R(MFA_RESET, second_factor_off)                                                                \
    R(RECOVERY_CODES_MADE, recovery_changed)                                                       \
    R(RECOVERY_CODE_USED, recovery_changed)                                                        \
    R(USER_DELETED, user_deleted)                                                                  \
    R(ROLE_CREATED, role_created)                                                                  \
    R(ROLE_UPDATED, role_updated)                                                                  \
    R(ROLE_DELETED, role_deleted)                                                                  \
    R(ROLE_ASSIGNED, role_assigned)                                                                \
    R(ROLE_REMOVED, role_removed)                                                                  \
    R(CLIENT_CREATED, client_named)                                                                \
    R(CLIENT_UPDATED, client_named)                                                                \
    R(CLIENT_DELETED, client_deleted)                                                              \
    R(CLIENT_USER_ASSIGNED, member_put)                                                            \
    R(CLIENT_USER_UPDATED, member_put)                                                             \
    R(CLIENT_USER_REMOVED, member_removed)                                                         \
    R(TIER_CREATED, tier_created)                                                                  \
    R(TIER_UPDATED, tier_updated)                                                                  \
    R(TIER_DELETED, tier_deleted)                                                                  \
    R(SETTING_CHANGED, setting_changed)                                                            \
    R(RETENTION_LOWERED, setting_changed)                                                          \
    R(ACCESS_TOKEN_CREATED, token_created) R(ACCESS_TOKEN_REVOKED, token_revoked)

static const struct {
    enum event type;
    void (*apply)(const struct step *x);
} rules[] = {
#define RULE(type, apply) {EV_##type, apply},
    RULES(RULE)
#undef RULE
};
static const enum event types[] = {
#define RULE(type, apply) EV_##type,
    RULES(RULE)
#undef RULE
};
#define N_RULES (sizeof rules / sizeof rules[0])

const enum event *
replay_types(size_t *n)
{
    *n = N_RULES;
    return types;
}

/* What an erased event changed is not known; whom it concerned, its public part still says. */
static void
doubt(const struct step *x)
{
    const struct audit_event *e = x->e;
    struct access_state *s = x->s;

    if (str_eq(e->target_kind, S("user")))
        state_row(s, ACCESS_USER, e->target_id)->unsure = true;
    else if (str_eq(e->target_kind, S("role")))
        state_row(s, ACCESS_ROLE, e->target_id)->unsure = true;
    else if (str_eq(e->target_kind, S("access token")))
        state_row(s, ACCESS_TOKEN, e->target_id)->unsure = true;
    else if (str_eq(e->target_kind, S("client")))
        state_row(s, ACCESS_CLIENT, client_id(x))->unsure = true;
    else if (str_eq(e->target_kind, S("tier"))) /* the ranks of all hang together */
        s->tiers_unsure = true;
    else
        s->settings_unsure = true;
}

/* Public ids are all that an end needs. */
static bool
is_an_end(enum event type)
{
    return type == EV_USER_DELETED || type == EV_ROLE_DELETED || type == EV_CLIENT_DELETED ||
           type == EV_CLIENT_USER_REMOVED || type == EV_ACCESS_TOKEN_REVOKED;
}

void
replay_apply(struct access_state *s, const struct audit_event *e)
{
    struct step x = {s, e, {STR_NULL, e->at}};

    if (e->outcome != OUTCOME_SUCCESS)
        return;
    for (size_t i = 0; i < N_RULES; i++) {
        if (rules[i].type != e->type)
            continue;
        x.o.event = arena_str(s->a, e->cuid);
        if (e->erased && !is_an_end(e->type))
            doubt(&x);
        else
            rules[i].apply(&x);
        return;
    }
}

/* ---- finding the baseline ---- */

struct seek {
    int part, parts;
    struct str set; /* copied */
    bool whole;     /* the event is a part, and not erased */
    int64_t at;
    struct arena *a;
};

static enum err
look(void *arg, const struct audit_event *e)
{
    struct seek *k = arg;

    k->whole = !e->erased && baseline_part(e, &k->part, &k->parts);
    k->set = arena_str(k->a, e->target_id);
    k->at = e->at;
    return OK;
}

struct base {
    const int64_t *positions; /* of its parts */
    size_t n;
    int64_t at;
};

/* The newest complete set among the positions [0, n). ERR_NOT_FOUND: none. */
static enum err
find_base(struct cx *cx, const int64_t *v, size_t n, struct base *out)
{
    while (n > 0) {
        struct seek last = {.a = cx->arena}, one = {.a = cx->arena};
        size_t k;

        n--;
        TRY(audit_walk_read(cx, cx->tenant.id, &v[n], 1, look, &last));
        if (!last.whole || last.part != last.parts || n + 1 < (size_t)last.parts)
            continue;
        for (k = 1; k < (size_t)last.parts; k++) {
            TRY(audit_walk_read(cx, cx->tenant.id, &v[n - k], 1, look, &one));
            if (!one.whole || one.part != last.parts - (int)k || !str_eq(one.set, last.set))
                break;
        }
        if (k < (size_t)last.parts)
            continue;
        *out = (struct base){&v[n + 1 - (size_t)last.parts], (size_t)last.parts, last.at};
        return OK;
    }
    return ERR_NOT_FOUND;
}

/* ---- applying ---- */

struct replay {
    struct access_state *s;
    struct access_source source;
};

static enum err
apply_base(void *arg, const struct audit_event *e)
{
    struct replay *r = arg;

    if (str_is_null(r->source.baseline)) {
        r->source.baseline = arena_str(r->s->a, e->cuid);
        r->source.baseline_at = e->at;
    }
    return baseline_apply(r->s, e);
}

static enum err
apply_one(void *arg, const struct audit_event *e)
{
    struct replay *r = arg;

    r->source.events++;
    r->source.erased += e->erased;
    replay_apply(r->s, e);
    return OK;
}

static bool
tells_of_workspace(const struct access_state *s)
{
    for (size_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i] && s->slots[i]->kind == ACCESS_WORKSPACE)
            return true;
    }
    return false;
}

/* From the newest baseline among events before `before` (position, −1: all) and `to` (0: all). */
static enum err
replay(struct cx *cx, int64_t before, int64_t to, struct replay *r, int64_t *first)
{
    static const enum event baseline[] = {EV_ACCESS_BASELINE};
    struct audit_walk w = {.tenant_id = cx->tenant.id,
                           .after = -1,
                           .before = before,
                           .to = to,
                           .types = baseline,
                           .n_types = 1};
    struct base base = {0};
    int64_t *v = NULL;
    size_t n = 0;

    TRY(audit_walk_list(cx, &w, &v, &n));
    TRY(find_base(cx, v, n, &base));
    *first = base.at;
    TRY(audit_walk_read(cx, cx->tenant.id, base.positions, base.n, apply_base, r));
    r->s->early = !tells_of_workspace(r->s);
    w.after = base.positions[base.n - 1];
    w.types = replay_types(&w.n_types);
    return audit_walk_each(cx, &w, apply_one, r);
}

/* Time of the first complete baseline kept; 0: none. */
static enum err
first_baseline(struct cx *cx, int64_t *first)
{
    static const enum event baseline[] = {EV_ACCESS_BASELINE};
    struct audit_walk w = {
        .tenant_id = cx->tenant.id, .after = -1, .before = -1, .types = baseline, .n_types = 1};
    struct base base = {0};
    int64_t *v = NULL;
    size_t n = 0;

    *first = 0;
    TRY(audit_walk_list(cx, &w, &v, &n));
    for (size_t i = 1; i <= n; i++) {
        enum err e = find_base(cx, v, i, &base);

        if (e == OK)
            *first = base.at;
        if (e != ERR_NOT_FOUND)
            return e;
    }
    return OK;
}

enum err
access_at(struct cx *cx, int64_t at, struct access_state **out, struct access_source *source,
          int64_t *first)
{
    struct replay r = {.s = access_state_new(cx->arena)};
    enum err e;

    *first = 0;
    e = replay(cx, -1, at + 1, &r, first);
    if (e == ERR_NOT_FOUND) {
        TRY(first_baseline(cx, first));
        return ERR_NOT_FOUND;
    }
    TRY(e);
    *out = r.s;
    *source = r.source;
    return OK;
}

enum err
access_replay_to(struct cx *cx, int64_t position, const struct replay_tail *tail,
                 struct access_state **out, struct access_source *source)
{
    struct replay r = {.s = access_state_new(cx->arena)};
    int64_t first = 0;
    enum err e = replay(cx, position, 0, &r, &first);
    int part, parts;

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    for (size_t i = 0; i < tail->n; i++) {
        const struct audit_event *v = tail->v[i];

        if (v->type != EV_ACCESS_BASELINE) {
            TRY(apply_one(&r, v));
            continue;
        }
        if (baseline_part(v, &part, &parts) && part == 1) { /* all its parts are here: one commit */
            r = (struct replay){.s = access_state_new(cx->arena)};
            e = OK;
        }
        TRY(apply_base(&r, v));
    }
    *out = r.s;
    *source = r.source;
    return e;
}

enum err
access_when(struct str text, int64_t now, int64_t *at)
{
    int64_t t = now;

    if (!str_is_empty(text)) {
        TRY(time_parse_iso(text, &t));
        if (text.n == 10 && t <= now && now < t + USEC_PER_DAY)
            t = now;
        else if (text.n == 10)
            t += USEC_PER_DAY - 1;
    }
    *at = t;
    return OK;
}

enum err
access_on(struct cx *cx, int64_t at, struct access_state **out, struct access_source *source)
{
    int64_t since, next, first = 0;
    enum err e;

    audit_window(cx->app, cx->now, &since, &next);
    if (at > cx->now)
        return fail_field(cx, S("on"), "lies in the future");
    if (at < since)
        return fail_field(cx, S("on"), "is before what the log keeps, which begins on %.*s", 10,
                          time_iso(cx->arena, since).p);
    e = access_at(cx, at, out, source, &first);
    if (e == OK)
        return OK;
    if (e == ERR_NOT_FOUND && first > at)
        return fail_field(cx, S("on"), "is before the first access baseline of the log, of %.*s",
                          STR_ARG(time_iso(cx->arena, first)));
    if (e == ERR_NOT_FOUND)
        return fail_field(cx, S("on"), "has no complete access baseline before it in the log");
    return fail(cx, ERR_UNAVAILABLE, "The log could not be read. Try again.");
}
