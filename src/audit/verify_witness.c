/* The verifier and what the store says of witnesses (audit_witness): which state the log was last told, how many
 * events there were in the hour, and a state that could not be without an event. So neither a witness that
 * contradicts the log is hushed up in the table, nor one made up. Times, reasons and single failures, which no
 * event tells of, are the next answer's to put right, and give the seal nothing. Deep only. */
#include "audit/verify_priv.h"

#define ROWS_ARENA ((size_t)256 << 20)

struct told {
    int64_t epoch, position; /* position −1: in the tail */
    struct str witness;
    int64_t at;
    enum audit_witness_state state;
};

struct row {
    int64_t epoch;
    struct str witness;
    int64_t state, told, told_from, told_n;
};

struct look {
    struct verify *v;
    struct arena *a;
    int64_t tenant_id, reach;
    struct row *rows;
    size_t n_rows, cap_rows;
    struct told *tail, *moved;
    size_t n_tail, cap_tail, n_moved, cap_moved;
    bool unsure; /* an event of the kind was erased: whose it was is not known any more */
};

/* ---- reading ---- */

static const struct sql get_rows =
    SQL_READ("SELECT epoch, witness, state, told, told_from, told_n FROM audit_witness"
             " WHERE tenant_id = $1 ORDER BY epoch, witness");
static const enum event types[] = {EV_WITNESS_FAILS, EV_WITNESS_RECOVERED, EV_WITNESS_CONTRADICTS};

static enum audit_witness_state
state_of(enum event type)
{
    return type == EV_WITNESS_FAILS       ? WITNESS_FAILS
           : type == EV_WITNESS_RECOVERED ? WITNESS_COSIGNS
                                          : WITNESS_CONTRADICTS;
}

static enum err
see(void *arg, const struct audit_event *e)
{
    struct look *x = arg;
    struct told t = {.epoch = e->index < 0 ? position_epoch(x->reach) : e->epoch,
                     .position = e->index < 0 ? -1 : position_of(e->epoch, e->index),
                     .at = e->at,
                     .state = state_of(e->type)};
    if (e->type != types[0] && e->type != types[1] && e->type != types[2])
        return OK;
    x->unsure = x->unsure || e->erased || e->n_changes != 1;
    if (e->n_changes != 1)
        return OK;
    t.witness = arena_str(x->a, e->changes[0].after);
    if (e->index < 0) {
        arena_grow(x->a, x->tail, x->n_tail, &x->cap_tail, 16);
        x->tail[x->n_tail++] = t;
    } else {
        arena_grow(x->a, x->moved, x->n_moved, &x->cap_moved, 64);
        x->moved[x->n_moved++] = t;
    }
    return OK;
}

static enum err
take_snapshot(struct cx *cx, void *arg)
{
    struct look *x = arg;
    struct db_rows *q = NULL;
    enum err e;
    x->n_rows = x->n_tail = 0;
    TRY(db_query(cx->tx, &get_rows, ARGS(V_INT(x->tenant_id)), &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(x->a, x->rows, x->n_rows, &x->cap_rows, 16);
        x->rows[x->n_rows++] = (struct row){.epoch = db_int(q, 0),
                                            .witness = arena_str(x->a, db_text(q, 1)),
                                            .state = db_int(q, 2),
                                            .told = db_int(q, 3),
                                            .told_from = db_int(q, 4),
                                            .told_n = db_int(q, 5)};
    }
    if (e != ERR_END)
        return e;
    TRY(audit_walk_reach(cx, x->tenant_id, &x->reach));
    return audit_walk_tail(cx, x->tenant_id, see, x);
}

static enum err
read_all(struct cx *cx, struct look *x)
{
    struct audit_walk w = {
        .tenant_id = x->tenant_id, .types = types, .n_types = 3, .after = -1, .before = -1};
    TRY(cx_snapshot(cx, take_snapshot, x));
    w.before = x->reach;
    if (x->reach > 0) {
        TRY(audit_walk_await(cx, x->tenant_id, x->reach));
        TRY(audit_walk_each(cx, &w, see, x));
    }
    for (size_t i = 0; i < x->n_tail; i++) {
        arena_grow(x->a, x->moved, x->n_moved, &x->cap_moved, 64);
        x->moved[x->n_moved++] = x->tail[i];
    }
    return OK;
}

/* ---- comparing ---- */

static const char *
word(int64_t state)
{
    static const char *const words[] = {"nothing", "cosigns", "fails", "contradicts"};
    return state >= 0 && state <= WITNESS_CONTRADICTS ? words[state] : "unknown";
}

static void
tell(struct look *x, const struct row *r, const struct told *last, const char *what,
     struct str logged, struct str stored)
{
    struct vlog *l = verify_log(x->v, (struct log_id){x->tenant_id, r->epoch}, true);
    verify_tell(x->v, l, last && last->position >= 0 ? position_index(last->position) : -1, logged,
                stored, "the row of the witness %.*s: %s", STR_ARG(r->witness), what);
}

/* Whether all events of the epoch are there. */
static bool
is_whole(struct look *x, int64_t epoch)
{
    const struct vlog *l = verify_log(x->v, (struct log_id){x->tenant_id, epoch}, false);
    return l != NULL && (l->n == 0 || l->months[0].r.first == 0);
}

static void
check_row(struct look *x, const struct row *r)
{
    const struct told *last = NULL;
    int64_t n = 0;
    for (size_t i = 0; i < x->n_moved; i++) {
        const struct told *t = &x->moved[i];
        if (t->epoch != r->epoch || !str_eq(t->witness, r->witness))
            continue;
        last = t;
        n += t->at >= r->told_from;
    }
    if (last == NULL && !is_whole(x, r->epoch))
        return; /* what it was told of has expired */
    int64_t told = last != NULL ? (int64_t)last->state : WITNESS_UNKNOWN;
    if (r->told != told)
        tell(x, r, last, "what it says the log was last told is not what the log was told",
             str_of(word(told)), str_of(word(r->told)));
    if (is_whole(x, r->epoch) && r->told_n != n)
        tell(x, r, last, "it says another number of events in the hour than there are",
             verify_int(x->v, n), verify_int(x->v, r->told_n));
    bool silent = r->told_n < AUDIT_WITNESS_TOLD && r->state != r->told &&
                  (r->state == WITNESS_CONTRADICTS ||
                   (r->state == WITNESS_COSIGNS && r->told != WITNESS_UNKNOWN));
    if (silent)
        tell(x, r, last, "its state is one that the log would have been told",
             str_of(word(r->told)), str_of(word(r->state)));
}

static void
check_missing(struct look *x, const struct told *t)
{
    for (size_t i = 0; i < x->n_rows; i++)
        if (x->rows[i].epoch == t->epoch && str_eq(x->rows[i].witness, t->witness))
            return;
    struct row gone = {.epoch = t->epoch, .witness = t->witness};
    tell(x, &gone, t, "it is missing, and events speak of it", STR_NULL, STR_NULL);
}

static void
look_at(struct verify *v, int64_t id)
{
    struct cx cx = *v->cx;
    struct look x = {.v = v, .tenant_id = id};
    x.a = cx.arena = arena_create("audit.verify.witness", ROWS_ARENA);
    cx.failure = (struct failure){0};
    enum err e = read_all(&cx, &x);
    if (e != OK && e != ERR_NOT_FOUND) /* expired meanwhile: the next look */
        verify_tell(v, verify_log(v, (struct log_id){id, 0}, true), -1, STR_NULL, db_last_error(),
                    "what the log says of its witnesses can not be read");
    for (size_t i = 0; e == OK && !x.unsure && i < x.n_rows; i++)
        check_row(&x, &x.rows[i]);
    for (size_t i = 0; e == OK && !x.unsure && i < x.n_moved; i++) {
        bool first = true;
        for (size_t k = 0; k < i && first; k++)
            first = x.moved[k].epoch != x.moved[i].epoch ||
                    !str_eq(x.moved[k].witness, x.moved[i].witness);
        if (first)
            check_missing(&x, &x.moved[i]);
    }
    arena_free(x.a);
}

void
verify_witnesses(struct verify *v)
{
    int64_t *logs = NULL;
    size_t n = verify_custody_logs(v, &logs);
    for (size_t i = 0; i < n; i++)
        look_at(v, logs[i]);
}
