/* What the log implies against what the tables hold. One snapshot of the main store gives the
 * tables, how far the log was moved, and what of it was in the tail; moved events can not change and
 * are read afterwards. So a change made meanwhile is on both sides or on neither. */
#include "core/access_priv.h"

#include "base/text.h"

/* ---- the snapshot ---- */

struct snapshot {
    struct access_state *stored;
    int64_t position;
    struct replay_tail tail;
    size_t cap;
    struct arena *a;
};

static struct audit_event *
event_copy(struct arena *a, const struct audit_event *e)
{
    struct audit_event *c = arena_new(a, struct audit_event);
    struct audit_change *v = arena_array(a, struct audit_change, e->n_changes + 1);

    *c = *e;
    c->cuid = arena_str(a, e->cuid);
    c->target_kind = arena_str(a, e->target_kind);
    c->target_id = arena_str(a, e->target_id);
    c->target_name = arena_str(a, e->target_name);
    c->actor_id = arena_str(a, e->actor_id);
    for (size_t i = 0; i < e->n_changes; i++) {
        const struct audit_change *o = &e->changes[i];

        v[i] = (struct audit_change){arena_str(a, o->field),
                                     str_is_null(o->before) ? STR_NULL : arena_str(a, o->before),
                                     str_is_null(o->after) ? STR_NULL : arena_str(a, o->after)};
    }
    c->changes = v;
    return c;
}

static enum err
keep_tail(void *arg, const struct audit_event *e)
{
    struct snapshot *s = arg;

    arena_grow(s->a, s->tail.v, s->tail.n, &s->cap, 64);
    s->tail.v[s->tail.n++] = event_copy(s->a, e);
    return OK;
}

static enum err
take_snapshot(struct cx *cx, void *arg)
{
    struct snapshot *s = arg;

    s->a = cx->arena;
    TRY(access_read(cx, &s->stored));
    TRY(audit_walk_reach(cx, cx->tenant.id, &s->position));
    return audit_walk_tail(cx, cx->tenant.id, keep_tail, s);
}

/* ---- names for people ---- */

struct names {
    struct arena *a;
    const struct access_state *stored, *logged;
};

/* What a baseline of an early version left out can not be told from what was put there since; the
 * next baseline says it. */
#define LEFT_OUT "recovery_mark"

static const struct access_row *
either(const struct names *n, enum access_kind k, struct str id)
{
    const struct access_row *r = access_row(n->stored, k, id);

    return r ? r : access_row(n->logged, k, id);
}

static struct str
or_id(struct str name, struct str id)
{
    return str_is_null(name) ? id : name;
}

static struct str
user_name(const struct names *n, struct str id)
{
    const struct access_row *u = either(n, ACCESS_USER, id);
    struct str first = access_get(u, "first"), last = access_get(u, "last");

    if (!u)
        return id;
    return arena_fmt(n->a, "%.*s %.*s (%.*s)", STR_ARG(first), STR_ARG(last),
                     STR_ARG(access_get(u, "email")));
}

static struct str
role_name(const struct names *n, struct str id)
{
    return or_id(access_get(either(n, ACCESS_ROLE, id), "title"), id);
}

static struct str
client_name(const struct names *n, struct str id)
{
    return or_id(access_get(either(n, ACCESS_CLIENT, id), "name"), id);
}

static struct str
row_name(const struct names *n, const struct access_row *r)
{
    struct str first = state_first(r->id), second = state_second(r->id), x, y;

    switch (r->kind) {
    case ACCESS_USER:
        return user_name(n, r->id);
    case ACCESS_ROLE:
        return role_name(n, r->id);
    case ACCESS_HOLDER:
        x = role_name(n, second);
        y = user_name(n, first);
        return arena_fmt(n->a, "%.*s of %.*s", STR_ARG(x), STR_ARG(y));
    case ACCESS_CLIENT:
        return client_name(n, r->id);
    case ACCESS_MEMBER:
        x = user_name(n, second);
        y = client_name(n, first);
        return arena_fmt(n->a, "%.*s on client %.*s", STR_ARG(x), STR_ARG(y));
    case ACCESS_TIER:
    case ACCESS_TOKEN:
    case ACCESS_WORKSPACE:
        return or_id(access_get(r, "name"), r->id);
    case ACCESS_SETTING:
    case ACCESS_KINDS:
        break;
    }
    return r->id;
}

/* ---- the difference ---- */

struct diffs {
    struct names names;
    struct access_diff *v;
    size_t n, cap;
};

static void
differ(struct diffs *d, const struct access_row *r, struct str field, struct str logged,
       struct str stored)
{
    arena_grow(d->names.a, d->v, d->n, &d->cap, 16);
    d->v[d->n++] = (struct access_diff){.kind = r->kind,
                                        .id = r->id,
                                        .name = row_name(&d->names, r),
                                        .field = field,
                                        .logged = logged,
                                        .stored = stored};
}

/* "email ann@example.org, first Ann": a row as one text. */
static struct str
row_text(struct arena *a, const struct access_row *r)
{
    struct buf *b = buf_in(a, 65536);

    for (size_t i = 0; i < r->n; i++)
        buf_fmt(b, "%s%.*s %.*s", i ? ", " : "", STR_ARG(r->fields[i].name),
                STR_ARG(r->fields[i].value));
    return utf8_cut(buf_view(b), 2000);
}

static bool
is_unsure(const struct access_state *logged, const struct access_row *r)
{
    const struct access_row *u = NULL, *own = access_row(logged, r->kind, r->id);

    if (r->kind == ACCESS_HOLDER)
        u = access_row(logged, ACCESS_USER, state_first(r->id));
    else if (r->kind == ACCESS_MEMBER)
        u = access_row(logged, ACCESS_USER, state_second(r->id));
    else if (r->kind == ACCESS_TOKEN)
        u = access_row(logged, ACCESS_USER, access_get(r, "user"));
    return (u && u->unsure) || (own && own->unsure) ||
           (!own && r->kind == ACCESS_WORKSPACE && logged->early) ||
           (r->kind == ACCESS_SETTING && logged->settings_unsure) ||
           (r->kind == ACCESS_TIER && logged->tiers_unsure);
}

/* Both lists of fields are in order of their names. */
static void
compare_fields(struct diffs *d, const struct access_row *l, const struct access_row *s)
{
    size_t i = 0, k = 0;

    while (i < l->n || k < s->n) {
        int c = i == l->n ? 1 : k == s->n ? -1 : str_cmp(l->fields[i].name, s->fields[k].name);

        if (c < 0)
            differ(d, l, l->fields[i].name, l->fields[i].value, STR_NULL);
        else if (c > 0 && d->names.logged->early && str_eq(s->fields[k].name, S(LEFT_OUT)))
            ;
        else if (c > 0)
            differ(d, s, s->fields[k].name, STR_NULL, s->fields[k].value);
        else if (!str_eq(l->fields[i].value, s->fields[k].value))
            differ(d, s, s->fields[k].name, l->fields[i].value, s->fields[k].value);
        i += c <= 0;
        k += c >= 0;
    }
}

static void
compare_states(struct diffs *d, struct access_state *logged, struct access_state *stored)
{
    size_t n_l, n_s, i = 0, k = 0;
    const struct access_row **l = access_rows(logged, &n_l), **s = access_rows(stored, &n_s);

    while (i < n_l || k < n_s) {
        int c;

        if (i == n_l || k == n_s)
            c = i == n_l ? 1 : -1;
        else
            c = l[i]->kind != s[k]->kind ? (l[i]->kind < s[k]->kind ? -1 : 1)
                                         : str_cmp(l[i]->id, s[k]->id);
        if (is_unsure(logged, c <= 0 ? l[i] : s[k]))
            ;
        else if (c < 0)
            differ(d, l[i], S("row"), row_text(d->names.a, l[i]), STR_NULL);
        else if (c > 0)
            differ(d, s[k], S("row"), STR_NULL, row_text(d->names.a, s[k]));
        else
            compare_fields(d, l[i], s[k]);
        i += c <= 0;
        k += c >= 0;
    }
}

enum err
access_compare_with(struct cx *cx, struct access_state **logged, struct access_diff **out,
                    size_t *n)
{
    struct snapshot s = {0};
    struct access_source source;
    struct diffs d = {0};
    enum err e;

    TRY(cx_snapshot(cx, take_snapshot, &s));
    if (audit_walk_await(cx, cx->tenant.id, s.position) != OK)
        return fail(cx, ERR_UNAVAILABLE, "The log could not be read up to its end. Try again.");
    e = access_replay_to(cx, s.position, &s.tail, logged, &source);
    if (e == ERR_NOT_FOUND)
        return fail(cx, e, "The log holds no complete access baseline");
    if (e != OK)
        return fail(cx, e, "The log could not be read");
    d.names = (struct names){cx->arena, s.stored, *logged};
    compare_states(&d, *logged, s.stored);
    *out = d.v;
    *n = d.n;
    return OK;
}

enum err
access_compare(struct cx *cx, struct access_diff **out, size_t *n)
{
    struct access_state *logged;

    return access_compare_with(cx, &logged, out, n);
}

struct str
access_diff_text(struct arena *a, const struct access_diff *d)
{
    struct str l = str_is_null(d->logged) ? S("nothing") : d->logged;
    struct str s = str_is_null(d->stored) ? S("nothing") : d->stored;

    return arena_fmt(a, "%s %.*s: %.*s: the log says %.*s, the table says %.*s",
                     access_kind_name(d->kind), STR_ARG(d->name), STR_ARG(d->field), STR_ARG(l),
                     STR_ARG(s));
}
