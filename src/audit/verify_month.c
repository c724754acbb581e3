/* The verifier and the months: what each says of the logs in it, with rows that belong to none, and
 * whether the stored hashes are as many as they must be. One snapshot a month. */
#include "audit/verify_priv.h"

#define MONTH_ARENA ((size_t)256 << 20)

struct reading {
    struct verify *v;
    int32_t month;
    struct range *v_ranges; /* by (tenant, epoch) */
    size_t n, cap;
};

#define SEG2(text, rest) SQL_READ2(text SEG_LITE rest, text SEG_PG rest)

static const struct sql get_ranges =
    SEG2("SELECT tenant_id, epoch, first, next, last_logged, min_lag, max_lag, edge"
         " FROM audit_range WHERE",
         " ORDER BY tenant_id, epoch");
static const struct sql get_carries =
    SEG2("SELECT tenant_id, epoch, first, hashes FROM audit_carry WHERE", "");
static const struct sql count_nodes =
    SEG2("SELECT tenant_id, epoch, level, count(*), min(n), max(n) FROM audit_node WHERE",
         " GROUP BY tenant_id, epoch, level ORDER BY tenant_id, epoch, level");

static const struct range *
range_of(const struct reading *r, int64_t tenant_id, int64_t epoch)
{
    struct ranges list = {r->v_ranges, r->n, r->cap};
    return ranges_find(&list, tenant_id, epoch);
}

/* ---- ranges ---- */

static void
add_month(struct verify *v, int32_t month, const struct range *g, struct str edge)
{
    struct vlog *l = verify_log(v, (struct log_id){g->tenant_id, g->epoch}, true);
    arena_grow(v->a, l->months, l->n, &l->cap, 8);
    l->months[l->n++] = (struct vmonth){.month = month, .r = *g, .edge = arena_str(v->a, edge)};
}

#define MONTH_EVENTS_MAX                                                                           \
    (INT64_C(1) << 32) /* of one log: bounds what damaged numbers can make us hold */

/* Numbers of a damaged row are not to be computed with. */
static bool
is_possible(const struct range *g)
{
    return g->tenant_id >= INSTANCE_LOG && g->epoch >= 0 && g->epoch < INT64_C(1) << 13 &&
           g->first >= 0 && g->next >= g->first && g->next < INT64_C(1) << EPOCH_SHIFT &&
           g->next - g->first <= MONTH_EVENTS_MAX;
}

static enum err
read_ranges(struct reading *r, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_ranges, ARGS(V_INT(r->month)), &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(db_tx_arena(tx), r->v_ranges, r->n, &r->cap, 64);
        struct range *g = &r->v_ranges[r->n];
        *g = (struct range){db_int(q, 0), db_int(q, 1), db_int(q, 2), db_int(q, 3),
                            db_int(q, 4), db_int(q, 5), db_int(q, 6), 0};
        if (!is_possible(g)) {
            verify_tell(r->v, NULL, -1, STR_NULL, STR_NULL,
                        "%.*s says of a log that it holds the events %lld to %lld",
                        STR_ARG(verify_month_name(r->v, r->month)), (long long)g->first,
                        (long long)g->next);
            continue;
        }
        r->n++;
        add_month(r->v, r->month, g, db_bytes(q, 7));
    }
    return e == ERR_END ? OK : e;
}

/* ---- rows of no log ---- */

#define NEXT_ROW(table)                                                                            \
    SEG2("SELECT tenant_id, epoch, idx FROM " table " WHERE",                                      \
         " AND (tenant_id, epoch, idx) > ($2, $3, $4) ORDER BY tenant_id, epoch, idx LIMIT 1")
static const struct sql next_event = NEXT_ROW("audit_event");
static const struct sql next_personal = NEXT_ROW("audit_personal");

struct place {
    int64_t tenant_id, epoch, idx;
};

static bool
is_behind(struct place p, struct place q)
{
    if (p.tenant_id != q.tenant_id)
        return p.tenant_id > q.tenant_id;
    return p.epoch != q.epoch ? p.epoch > q.epoch : p.idx > q.idx;
}

/* Jumps from one end of a log to the next row: as many statements as logs. */
static enum err
find_strays(struct reading *r, struct db_tx *tx, const struct sql *next, const char *what)
{
    struct place p = {INT64_MIN, 0, 0};
    for (;;) {
        struct db_rows *q = NULL;
        enum err e = db_query_one(
            tx, next, ARGS(V_INT(r->month), V_INT(p.tenant_id), V_INT(p.epoch), V_INT(p.idx)), &q);
        if (e == ERR_NOT_FOUND)
            return OK;
        TRY(e);
        struct place next_place = {db_int(q, 0), db_int(q, 1), db_int(q, 2)};
        db_rows_end(q);
        if (!is_behind(next_place, p))
            return ERR_DB; /* the file's own order is broken */
        p = next_place;
        const struct range *g = range_of(r, p.tenant_id, p.epoch);
        if (g != NULL && p.idx >= g->first && p.idx < g->next) {
            p.idx = g->next - 1;
            continue;
        }
        const struct vlog *l = verify_log(r->v, (struct log_id){p.tenant_id, p.epoch}, false);
        verify_tell(r->v, l, p.idx, STR_NULL, STR_NULL,
                    "%s of %.*s lies outside of what the month says it holds%s", what,
                    STR_ARG(verify_month_name(r->v, r->month)), l ? "" : ", in a log unknown here");
        p.idx = g != NULL && p.idx < g->first ? g->first - 1 : INT64_MAX;
    }
}

/* ---- stored hashes ---- */

static struct vmonth *
month_of(struct reading *r, int64_t tenant_id, int64_t epoch)
{
    struct vlog *l = verify_log(r->v, (struct log_id){tenant_id, epoch}, false);
    return l != NULL && l->n > 0 && l->months[l->n - 1].month == r->month ? &l->months[l->n - 1]
                                                                          : NULL;
}

static enum err
read_carries(struct reading *r, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_carries, ARGS(V_INT(r->month)), &q));
    while ((e = db_next(q)) == OK) {
        struct vmonth *m = month_of(r, db_int(q, 0), db_int(q, 1));
        if (m == NULL) {
            verify_tell(r->v, NULL, -1, STR_NULL, STR_NULL,
                        "hashes of %.*s are carried for a log that the month does not hold",
                        STR_ARG(verify_month_name(r->v, r->month)));
            continue;
        }
        m->has_carry = true;
        m->carry_first = db_int(q, 2);
        m->carry = arena_str(r->v->a, db_bytes(q, 3));
    }
    return e == ERR_END ? OK : e;
}

/* How many subtrees of a level the events of a range finish, beginning with which. */
static int64_t
finished(const struct range *g, int level, int64_t *first)
{
    *first = g->first >> (8 * level);
    return (g->next >> (8 * level)) - *first;
}

static enum err
check_counts(struct reading *r, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &count_nodes, ARGS(V_INT(r->month)), &q));
    while ((e = db_next(q)) == OK) {
        const struct range *g = range_of(r, db_int(q, 0), db_int(q, 1));
        int64_t level = db_int(q, 2), first = 0, n = 0;
        const struct vlog *l = verify_log(r->v, (struct log_id){db_int(q, 0), db_int(q, 1)}, false);
        if (g != NULL && level >= 1 && level <= VERIFY_LEVEL)
            n = finished(g, (int)level, &first);
        if (db_int(q, 3) > n || (n > 0 && (db_int(q, 4) < first || db_int(q, 5) >= first + n)))
            verify_tell(r->v, l, -1, verify_int(r->v, n), verify_int(r->v, db_int(q, 3)),
                        "the tree of %.*s has hashes of level %lld that belong to no events",
                        STR_ARG(verify_month_name(r->v, r->month)), (long long)level);
    }
    return e == ERR_END ? OK : e;
}

/* ---- one month ---- */

static enum err
read_month(struct db_tx *tx, void *arg)
{
    struct reading *r = arg;
    TRY(read_ranges(r, tx));
    TRY(read_carries(r, tx));
    TRY(check_counts(r, tx));
    TRY(find_strays(r, tx, &next_event, "an event"));
    return find_strays(r, tx, &next_personal, "a personal part");
}

static void
look_at_month(struct verify *v, int32_t month)
{
    struct arena *a = arena_create("audit.verify.month", MONTH_ARENA);
    struct reading r = {.v = v, .month = month};
    struct segment *s = v->au->pg ? NULL : segment_pin(v->au, month);
    enum err e = OK;
    if (v->au->pg)
        e = db_snapshot(v->au->app->db, a, read_month, &r);
    else if (s != NULL)
        e = db_snapshot(s->db, a, read_month, &r);
    segment_unpin(v->au, s);
    if (e != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the month %.*s can not be read",
                    STR_ARG(verify_month_name(v, month)));
    arena_free(a);
}

/* SQLite notes a log's size some time after its first move; PostgreSQL with it. */
static void
find_unnoted(struct verify *v)
{
    for (size_t i = 0; i < v->n && v->au->pg; i++)
        if (!v->logs[i].noted && v->logs[i].n > 0)
            verify_tell(v, &v->logs[i], -1, STR_NULL, STR_NULL,
                        "the log is not in the list of logs");
}

/* What was left out when the log was opened (SQLite). */
static void
tell_unreadable(struct verify *v)
{
    for (size_t i = 0; i < v->au->n_unreadable; i++) {
        const struct unreadable *u = &v->au->unreadable[i];
        verify_tell(v, NULL, -1, STR_NULL, u->why,
                    "the file %.*s can not be opened: the store is unreadable here",
                    STR_ARG(u->file));
    }
}

enum err
verify_months(struct verify *v)
{
    int32_t *months = NULL;
    size_t n = 0;
    enum err e = segment_months(v->au, v->a, &months, &n);
    tell_unreadable(v);
    if (e != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the list of months can not be read");
    for (size_t i = 0; i < n && e == OK; i++)
        look_at_month(v, months[i]);
    find_unnoted(v);
    return OK;
}
