/* Who has access, by the tables and by the log, for each workspace: differences as findings. */
#include "audit/proof.h"
#include "core/access.h"
#include "core/selfcheck.h"
#include "core/selfcheck_priv.h"
#include "run/app.h"

#define COMPARE_ARENA ((size_t)512 << 20)

static const struct sql get_tenants = SQL_READ(
    "SELECT t.tenant_id, t.cuid, coalesce((SELECT max(l.epoch) FROM audit_log l"
    " WHERE l.tenant_id = t.tenant_id), 0), coalesce((SELECT " AUDIT_BEGAN " FROM audit_epoch x"
    " WHERE x.tenant_id = t.tenant_id ORDER BY x.epoch DESC LIMIT 1), 0) FROM tenant t WHERE CAST($1 AS BIGINT) < 0"
    " OR t.tenant_id = $1 ORDER BY t.tenant_id");

struct workspace {
    struct tenant_ref tenant;
    int64_t epoch, began;
};

struct workspaces {
    int64_t one;
    struct workspace *v;
    size_t n, cap;
};

static enum err
read_workspaces(struct cx *cx, void *arg)
{
    struct workspaces *l = arg;
    struct db_rows *r = NULL;
    enum err e;
    l->n = 0;
    TRY(db_query(cx->tx, &get_tenants, ARGS(V_INT(l->one)), &r));
    while ((e = db_next(r)) == OK) {
        arena_grow(cx->arena, l->v, l->n, &l->cap, 16);
        l->v[l->n++] = (struct workspace){
            {true, db_int(r, 0), arena_str(cx->arena, db_text(r, 1))}, db_int(r, 2), db_int(r, 3)};
    }
    return e == ERR_END ? OK : e;
}

/* What can not be read is told by others. */
static bool
is_told(struct cx *cx)
{
    bool told = true;
    fail_clear(cx);
    return access_is_told(cx, &told) != OK || told;
}

static int64_t
compare_one(struct cx *base, const struct workspace *w, const struct selfcheck_tell *t)
{
    struct cx cx = *base;
    struct access_diff *d = NULL;
    size_t n = 0;
    cx.arena = arena_create("self-check access", COMPARE_ARENA);
    cx.tenant = w->tenant;
    struct verify_finding f = {.log = {w->tenant.id, w->epoch}, .index = -1};
    f.origin = audit_origin(cx.arena, cx.app->instance, w->tenant.cuid, w->epoch, w->began);
    enum err e = access_compare(&cx, &d, &n);
    if (e == ERR_NOT_FOUND && !is_told(&cx)) {
        f.what = S("the workspace stands in the tables, and no event tells of its creation");
        t->tell(t->arg, &f);
        n = 1;
    } else if (e == ERR_NOT_FOUND) {
        t->note(t->arg, arena_fmt(cx.arena,
                                  "The log of workspace %lld holds no baseline of its "
                                  "access yet: nothing was compared.",
                                  (long long)w->tenant.id));
    } else if (e != OK) {
        f.what = S("the workspace's access can not be compared with its log");
        f.found = cx.failure.message;
        t->tell(t->arg, &f);
        n = 1;
    }
    for (size_t i = 0; i < n && e == OK; i++) { /* with ERR_NOT_FOUND there are none */
        f.what = arena_fmt(cx.arena, "unrecorded change of access: %.*s",
                           STR_ARG(access_diff_text(cx.arena, &d[i])));
        t->tell(t->arg, &f);
    }
    arena_free(cx.arena);
    return (int64_t)n;
}

enum err
selfcheck_access(struct cx *cx, int64_t tenant, const struct selfcheck_tell *t, int64_t *findings)
{
    struct workspaces all = {.one = tenant};
    int64_t n = 0;
    TRY(cx_read(cx, read_workspaces, &all));
    for (size_t i = 0; i < all.n; i++)
        n += compare_one(cx, &all.v[i], t);
    if (tenant < 0)
        n += selfcheck_instance(cx, t) + selfcheck_rows(cx, t);
    *findings = n;
    return OK;
}
