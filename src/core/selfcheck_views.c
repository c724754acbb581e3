/* The table of views against the logs: a row says that a view of this session was recorded in that minute, and so
 * keeps further ones from being recorded, for an hour at most. One that no event stands behind hides who looks at the log.
 * Older rows keep nothing from being recorded and are not looked at. Owns nothing. */
#include "audit/proof.h"
#include "core/selfcheck_priv.h"
#include "run/app.h"

#define REACH_MIN 60   /* minutes for which a view may speak for others (api/audit_api.h) */
#define PAGE      1000 /* events of one read */
#define BUDGET_MS 60000

struct view_row {
    int64_t tenant_id, minute;
    struct str session;
    bool access; /* of the page "Access on a date" */
    bool told;
};

struct rows_views {
    struct view_row *v; /* by workspace */
    size_t n, cap;
};

static const struct sql get_views = SQL_READ("SELECT tenant_id, session, minute FROM audit_view"
                                             " WHERE minute > $1 ORDER BY tenant_id, session");

enum err
rows_views_read(struct cx *cx, struct rows_look *x)
{
    struct rows_views *l = x->views = arena_new(x->a, struct rows_views);
    struct db_rows *q;
    enum err e;

    TRY(db_query(cx->tx, &get_views, ARGS(V_INT(cx->now / USEC_PER_MIN - REACH_MIN - 1)), &q));
    while ((e = db_next(q)) == OK) {
        struct str key = arena_str(x->a, db_text(q, 1));
        bool access = str_has_suffix(key, S(" access"));

        arena_grow(x->a, l->v, l->n, &l->cap, 32);
        l->v[l->n++] = (struct view_row){
            .tenant_id = db_int(q, 0),
            .minute = db_int(q, 2),
            .session = access ? str_sub(key, 0, key.n - (sizeof " access" - 1)) : key,
            .access = access};
    }
    return e == ERR_END ? OK : e;
}

bool
rows_views_of(const struct rows_look *x, int64_t tenant_id)
{
    for (size_t i = 0; i < x->views->n; i++)
        if (x->views->v[i].tenant_id == tenant_id)
            return true;
    return false;
}

void
rows_views_see(struct rows_look *x, int64_t tenant_id, const struct audit_event *e)
{
    for (size_t i = 0; i < x->views->n; i++) {
        struct view_row *r = &x->views->v[i];

        if (r->tenant_id == tenant_id && r->minute == e->at / USEC_PER_MIN &&
            e->type == (r->access ? EV_ACCESS_VIEWED : EV_AUDIT_VIEWED) &&
            str_eq(r->session, e->session))
            r->told = true;
    }
}

struct page {
    struct audit_query q;
    struct audit_page p;
};

static enum err
read_page(struct cx *cx, void *arg)
{
    struct page *l = arg;

    return audit_list(cx, &l->q, &l->p);
}

/* The views of the last hour in one workspace. */
static enum err
hear(struct cx *cx, struct rows_look *x, int64_t tenant_id, enum event type)
{
    struct page l = {.q = {.tenant_id = tenant_id,
                           .event = type,
                           .from = cx->now - (REACH_MIN + 2) * USEC_PER_MIN,
                           .outcome = -1,
                           .ascending = true,
                           .after = -1,
                           .before = -1,
                           .limit = PAGE,
                           .budget_ms = BUDGET_MS}};
    do {
        TRY(cx_read(cx, read_page, &l));
        for (size_t i = 0; i < l.p.n; i++)
            rows_views_see(x, tenant_id, &l.p.events[i]);
        l.q.after = l.p.next;
    } while (l.p.more && l.p.n > 0);
    return OK;
}

enum err
rows_views_hear(struct cx *cx, struct rows_look *x)
{
    const struct rows_views *l = x->views;

    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && l->v[i].tenant_id == l->v[i - 1].tenant_id)
            continue;
        cx->tenant = (struct tenant_ref){.known = true, .id = l->v[i].tenant_id};
        TRY(hear(cx, x, l->v[i].tenant_id, EV_AUDIT_VIEWED));
        TRY(hear(cx, x, l->v[i].tenant_id, EV_ACCESS_VIEWED));
    }
    return OK;
}

void
rows_views_compare(struct rows_look *x)
{
    for (size_t i = 0; i < x->views->n; i++) {
        const struct view_row *r = &x->views->v[i];

        if (!r->told)
            rows_tell(x, NULL, STR_NULL, rows_int(x, r->minute),
                      "a view by the session %.*s of workspace %lld stands in audit_view (minute), "
                      "and no event tells of it",
                      STR_ARG(r->session), (long long)r->tenant_id);
    }
}
