/* Whether the log tells of a workspace at all. Rows of a workspace with an administrator of his own can be
 * put into the tables; its log then begins with whatever happens next, and a first baseline would take what
 * was put there for granted. Owns nothing. */
#include "core/access_priv.h"

#include "audit/proof.h"

static const enum event told[] = {EV_TENANT_CREATED, EV_ACCESS_BASELINE};
static const enum event doubted[] = {EV_ACCESS_DIFFERS};

static const struct sql first_size =
    SQL_READ("SELECT coalesce(max(size), 0) FROM audit_log WHERE tenant_id = $1 AND epoch = 0");

struct origins {
    const enum event *types;
    size_t n_types;
    bool found;
    int64_t size; /* of the log's first epoch */
};

static enum err
see(void *arg, const struct audit_event *e)
{
    struct origins *o = arg;

    for (size_t i = 0; i < o->n_types; i++)
        o->found = o->found || e->type == o->types[i];
    return OK;
}

static enum err
look_at_tail(struct cx *cx, void *arg)
{
    struct origins *o = arg;

    TRY(db_query_int(cx->tx, &first_size, ARGS(V_INT(cx->tenant.id)), &o->size));
    return audit_walk_tail(cx, cx->tenant.id, see, o);
}

/* The tail first: what is moved meanwhile is met in the log. */
static enum err
look(struct cx *cx, struct origins *o)
{
    struct audit_walk w = {.tenant_id = cx->tenant.id,
                           .after = -1,
                           .before = -1,
                           .types = o->types,
                           .n_types = o->n_types};
    int64_t *v = NULL;
    size_t n = 0;

    TRY(cx_snapshot(cx, look_at_tail, o));
    TRY(audit_refresh(cx->app));
    TRY(audit_walk_list(cx, &w, &v, &n));
    o->found = o->found || n > 0;
    return OK;
}

enum err
access_is_told(struct cx *cx, bool *out)
{
    struct origins o = {.types = told, .n_types = sizeof told / sizeof told[0]};
    int64_t least = 0;
    enum err e;

    TRY(look(cx, &o));
    e = audit_minimum_index(cx, (struct log_id){cx->tenant.id, 0}, &least);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    /* What told of it may have expired with the beginning of its log. */
    *out = o.found || least > 0 || (e == ERR_NOT_FOUND && o.size > 0);
    return OK;
}

enum err
access_is_doubted(struct cx *cx, bool *out)
{
    struct origins o = {.types = doubted, .n_types = 1};

    TRY(look(cx, &o));
    *out = o.found;
    return OK;
}
