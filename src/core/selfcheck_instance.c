/* The settings of the installation itself: which keys it is bound to, and which servers have begun to remember its
 * checkpoints (audit/heads_vouch.c), and which policy of witnesses each goes by (out/cosign_known.c). Which installation it is needs no comparison here, as every origin that
 * was signed says it; nor which permissions a start has met before: what follows from it is events. */
#include "audit/proof.h"
#include "base/text.h"
#include "codec/hash.h"
#include "core/selfcheck_priv.h"
#include "run/app.h"
#include "run/keys.h"

#define INSTANCE_ARENA ((size_t)64 << 20)
#define SERVER_PREFIX  "server."

static const struct sql get_settings =
    SQL_READ("SELECT name, value FROM setting WHERE tenant_id = -1 ORDER BY name");
static const struct sql get_size =
    SQL_READ("SELECT coalesce(max(size), 0) FROM audit_log WHERE tenant_id = -1 AND epoch = 0");

struct line {
    struct str name, value;
    bool told; /* by an event; of one: it stands in the table */
};

struct lines {
    struct line *v;
    size_t n, cap;
};

struct instance {
    struct arena *a;
    struct lines rows, events, late; /* late: events of the tail that the last word is of */
    bool unsure;                     /* of policies */
    int64_t size, reach;
};

static void
add(struct lines *l, struct arena *a, struct str name, struct str value)
{
    arena_grow(a, l->v, l->n, &l->cap, 16);
    l->v[l->n++] = (struct line){arena_str(a, name), arena_str(a, value), false};
}

static void
set_last(struct lines *l, struct arena *a, struct str name, struct str value)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i].name, name)) {
            l->v[i].value = arena_str(a, value);
            return;
        }
    add(l, a, name, value);
}

/* The last one counts, and what is in the tail is read first. */
static void
see_policies(struct instance *x, const struct audit_event *e)
{
    x->unsure = x->unsure || e->erased; /* somebody was erased whose name a witness bears */
    for (size_t i = 0; i < e->n_changes; i++) {
        const struct audit_change *c = &e->changes[i];
        struct str server = str_sub(c->field, sizeof AUDIT_POLICY_DIGEST - 1, SIZE_MAX);

        if (str_has_prefix(c->field, S(AUDIT_POLICY_DIGEST)))
            set_last(e->index < 0 ? &x->late : &x->events, x->a,
                     arena_fmt(x->a, AUDIT_POLICY_SETTING "%.*s", STR_ARG(server)), c->after);
    }
}

static enum err
see(void *arg, const struct audit_event *e)
{
    struct instance *x = arg;

    if (e->type == EV_SETTING_CHANGED && !e->erased && e->n_changes == 1 &&
        str_has_prefix(e->target_id, S(SERVER_PREFIX)))
        add(&x->events, x->a, e->target_id, e->changes[0].after);
    if (e->type == EV_WITNESSES_CHANGED)
        see_policies(x, e);
    return OK;
}

/* Of a policy the event holds the digest. */
static void
add_row(struct instance *x, struct str name, struct str value)
{
    struct sha256 h = sha256_of(value);

    add(&x->rows, x->a, name,
        str_has_prefix(name, S(AUDIT_POLICY_SETTING)) ? hex_in(x->a, sha256_str(&h)) : value);
}

static enum err
take_snapshot(struct cx *cx, void *arg)
{
    struct instance *x = arg;
    struct db_rows *r;
    enum err e;

    x->rows.n = x->events.n = x->late.n = 0;
    TRY(db_query(cx->tx, &get_settings, NO_ARGS, &r));
    while ((e = db_next(r)) == OK)
        add_row(x, db_text(r, 0), db_text(r, 1));
    if (e != ERR_END)
        return e;
    TRY(db_query_int(cx->tx, &get_size, NO_ARGS, &x->size));
    TRY(audit_walk_reach(cx, AUDIT_INSTANCE, &x->reach));
    return audit_walk_tail(cx, AUDIT_INSTANCE, see, x);
}

static enum err
hear_moved(struct cx *cx, struct instance *x)
{
    static const enum event types[] = {EV_SETTING_CHANGED, EV_WITNESSES_CHANGED};
    struct audit_walk w = {
        .tenant_id = AUDIT_INSTANCE, .after = -1, .before = x->reach, .types = types, .n_types = 2};

    TRY(audit_walk_await(cx, AUDIT_INSTANCE, x->reach));
    return audit_walk_each(cx, &w, see, x);
}

bool
selfcheck_is_whole(struct cx *cx, int64_t size)
{
    int64_t least = 0;
    enum err e = audit_minimum_index(cx, (struct log_id){AUDIT_INSTANCE, 0}, &least);

    return e == OK ? least == 0 : size == 0;
}

static void
match(struct instance *x)
{
    for (size_t i = 0; i < x->late.n; i++)
        set_last(&x->events, x->a, x->late.v[i].name, x->late.v[i].value);
    for (size_t i = 0; i < x->rows.n; i++)
        for (size_t k = 0; k < x->events.n; k++)
            if (str_eq(x->rows.v[i].name, x->events.v[k].name) &&
                str_eq(x->rows.v[i].value, x->events.v[k].value))
                x->rows.v[i].told = x->events.v[k].told = true;
}

static int64_t
tell(struct cx *cx, const struct selfcheck_tell *t, const struct line *l, const char *what,
     struct str expected)
{
    struct verify_finding f = {
        .log = {AUDIT_INSTANCE, 0},
        .origin = S("store"),
        .index = -1,
        .what = arena_fmt(cx->arena, "the installation's setting %.*s %s", STR_ARG(l->name), what),
        .expected = expected,
        .found = l->value};

    t->tell(t->arg, &f);
    return 1;
}

static int64_t
judge(struct cx *cx, const struct selfcheck_tell *t, const struct instance *x, bool whole)
{
    int64_t n = 0;

    for (size_t i = 0; i < x->rows.n; i++) {
        const struct line *l = &x->rows.v[i];
        bool policy = str_has_prefix(l->name, S(AUDIT_POLICY_SETTING));

        if (str_eq(l->name, S(KEYS_SETTING))) {
            if (cx->app->keys != NULL && !str_eq(l->value, cx->app->keys->fingerprint))
                n += tell(cx, t, l, "is not of the keys in the key directory",
                          cx->app->keys->fingerprint);
        } else if (whole && !l->told && !(policy && x->unsure) &&
                   (policy || str_has_prefix(l->name, S(SERVER_PREFIX)))) {
            n += tell(cx, t, l, "stands there, and no event tells of it", STR_NULL);
        }
    }
    for (size_t k = 0; k < x->events.n; k++)
        if (!x->events.v[k].told &&
            !(x->unsure && str_has_prefix(x->events.v[k].name, S(AUDIT_POLICY_SETTING))))
            n += tell(cx, t, &x->events.v[k], "is not as its event says", x->events.v[k].value);
    return n;
}

int64_t
selfcheck_instance(struct cx *base, const struct selfcheck_tell *t)
{
    struct cx cx = *base;
    struct instance x = {.a = arena_create("self-check instance", INSTANCE_ARENA)};
    int64_t n = 0;

    cx.arena = x.a;
    enum err e = cx_snapshot(&cx, take_snapshot, &x);
    if (e == OK)
        e = hear_moved(&cx, &x);
    if (e == OK) {
        match(&x);
        n = judge(&cx, t, &x, selfcheck_is_whole(&cx, x.size));
    } else if (e != ERR_NOT_FOUND) { /* expired meanwhile */
        struct line l = {.name = S("list")};
        n = tell(&cx, t, &l, "can not be read", STR_NULL);
    }
    arena_free(x.a);
    return n;
}
