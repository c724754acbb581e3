/* The verifier and erasures: personal parts are missing only where a person was erased, and the log
 * says so itself: how many events each request erased. Deep only. */
#include "audit/verify_priv.h"

#define ERASURE_ARENA ((size_t)256 << 20)

struct request {
    struct str cuid;
    int64_t tenant_id;
    int64_t rows;     /* erasure rows in the logs that are left */
    int64_t recorded; /* by PersonErased; -1: by none */
    bool running;
};

struct erasures {
    struct verify *v;
    struct arena *a;
    struct request *r;
    size_t n, cap;
    int32_t month;
    int64_t tenant_id; /* whose events are read */
};

static struct request *
request_of(struct erasures *x, struct str cuid, bool make)
{
    for (size_t i = 0; i < x->n; i++)
        if (str_eq(x->r[i].cuid, cuid))
            return &x->r[i];
    if (!make)
        return NULL;
    arena_grow(x->a, x->r, x->n, &x->cap, 16);
    x->r[x->n] = (struct request){.cuid = arena_str(x->a, cuid), .recorded = -1};
    return &x->r[x->n++];
}

#define COUNTS(where)                                                                              \
    "SELECT request, count(*), max(tenant_id) FROM audit_erasure WHERE" where " GROUP BY request"
static const struct sql get_counts = SQL_READ2(COUNTS(SEG_LITE), COUNTS(SEG_PG));
static const struct sql get_running =
    SQL_READ("SELECT cuid FROM audit_erasure_request WHERE state = 'running'");

static enum err
read_counts(struct db_tx *tx, void *arg)
{
    struct erasures *x = arg;
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_counts, ARGS(V_INT(x->month)), &q));
    while ((e = db_next(q)) == OK) {
        struct request *r = request_of(x, db_text(q, 0), true);
        r->rows += db_int(q, 1);
        if (db_int(q, 2) >= 0) /* a person's events in the installation's log go with him */
            r->tenant_id = db_int(q, 2);
    }
    return e == ERR_END ? OK : e;
}

static enum err
read_running(struct db_tx *tx, void *arg)
{
    struct erasures *x = arg;
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_running, NO_ARGS, &q));
    while ((e = db_next(q)) == OK)
        request_of(x, db_text(q, 0), true)->running = true;
    return e == ERR_END ? OK : e;
}

static enum err
see(void *arg, const struct audit_event *e)
{
    struct erasures *x = arg;
    struct str cuid = STR_NULL;
    int64_t n = -1;
    for (size_t i = 0; i < e->n_changes; i++) {
        const struct audit_change *c = &e->changes[i];
        if (str_eq(c->field, S("request")))
            cuid = c->after;
        if (str_eq(c->field, S("events")) && str_int64(c->after, &n) != OK)
            n = -1;
    }
    struct request *r = request_of(x, cuid, false);
    if (r != NULL)
        r->recorded = n;
    return OK;
}

static enum err
read_records(struct erasures *x, int64_t tenant_id)
{
    static const enum event types[] = {EV_PERSON_ERASED};
    struct audit_walk w = {
        .tenant_id = tenant_id, .types = types, .n_types = 1, .after = -1, .before = -1};
    struct cx cx = *x->v->cx;
    int64_t *positions = NULL;
    size_t n = 0;
    cx.arena = x->a;
    TRY(audit_walk_list(&cx, &w, &positions, &n));
    return audit_walk_read(&cx, tenant_id, positions, n, see, x);
}

/* The record stands behind what it erased: it can not expire before it. Rows of months that have
 * expired are gone, so a sum can be compared with it only while none has. */
static bool
is_whole(const struct verify *v, int64_t tenant_id)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct vlog *l = &v->logs[i];
        bool own = l->log.tenant_id == tenant_id || l->log.tenant_id == AUDIT_INSTANCE;
        if (own && (l->n > 0 ? l->months[0].r.first : l->size) > 0)
            return false;
    }
    return true;
}

static void
judge(struct erasures *x)
{
    struct verify *v = x->v;
    for (size_t i = 0; i < x->n; i++) {
        const struct request *r = &x->r[i];
        const struct vlog *l = verify_log(v, (struct log_id){r->tenant_id, 0}, false);
        bool whole = is_whole(v, r->tenant_id);
        if (r->running || r->rows == 0)
            continue;
        if (r->recorded < 0)
            verify_tell(v, l, -1, STR_NULL, verify_int(v, r->rows),
                        "events are marked as erased by a request that the log does not know");
        else if (r->rows > r->recorded || (whole && r->rows < r->recorded))
            verify_tell(v, l, -1, verify_int(v, r->recorded), verify_int(v, r->rows),
                        "a request has erased another number of events than the log says");
    }
}

void
verify_erasures(struct verify *v)
{
    struct erasures x = {.v = v, .a = arena_create("audit.verify.erasure", ERASURE_ARENA)};
    int32_t *months = NULL;
    size_t n = 0;
    enum err e = db_read(v->au->app->db, x.a, read_running, &x);
    if (e == OK)
        e = segment_months(v->au, x.a, &months, &n);
    for (size_t i = 0; i < n && e == OK; i++) {
        struct segment *s = v->au->pg ? NULL : segment_pin(v->au, months[i]);
        x.month = months[i];
        if (v->au->pg || s != NULL)
            e = db_read(s != NULL ? s->db : v->au->app->db, x.a, read_counts, &x);
        segment_unpin(v->au, s);
    }
    if (e == OK) /* one that began meanwhile */
        e = db_read(v->au->app->db, x.a, read_running, &x);
    for (size_t i = 0; i < x.n && e == OK; i++)
        if (x.r[i].rows > 0 && x.r[i].recorded < 0)
            e = read_records(&x, x.r[i].tenant_id);
    if (e == OK)
        judge(&x);
    else
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the erasures can not be read");
    arena_free(x.a);
}
