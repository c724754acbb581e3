/* The verifier and what lets something leave the log: holds, retention, requests to erase and the hold
 * of the clock, as the tables have them, against what the log says of them (custody.h). A row that no
 * event stands behind is a finding, so is an event without its row, and each field that differs; and
 * what the log itself shows to have been unlawful. Deep only; rows of erased events: verify_erasure.c. */
#include "audit/custody.h"
#include "audit/verify_priv.h"
#include "base/text.h"

#define ROWS_ARENA ((size_t)512 << 20)
#define OPERATOR   0 /* number of whoever acts on the machine itself (core/trail.h) */

struct who {
    bool set;
    int64_t id;
    struct str cuid; /* of the account of that number; null: there is none */
};

struct hold_row {
    struct str cuid, reason, end_reason;
    int64_t until, kept_from, placed_at, ended_at; /* 0: none */
    struct who placed_by, ended_by;
};

struct request_row {
    struct str cuid, state, person, reason, legal_ground, result;
    int64_t asked_at, due_at, approved_at, ended_at, events;
    struct who asked_by, approved_by, ended_by;
};

struct retention_row {
    int64_t months, asked_at, effective_at;
    struct who asked_by;
};

/* The rows of one workspace (or of the installation) and what its log says. */
struct look {
    struct verify *v;
    struct arena *a;
    int64_t tenant_id;
    struct custody c;
    struct hold_row *holds;
    struct request_row *requests;
    size_t n_holds, n_requests;
    struct retention_row *retention; /* NULL: none */
    struct str months;               /* the setting; null: none */
    bool clock;
    int64_t clock_at, clock_moved;
};

/* ---- reading rows ---- */

#define USER_OF(column)                                                                            \
    ", (SELECT u.cuid FROM user_account u WHERE u.tenant_id = x.tenant_id AND u.user_id = "        \
    "x." column ")"

static const struct sql count_holds =
    SQL_READ("SELECT count(*) FROM audit_hold WHERE tenant_id = $1");
static const struct sql get_holds =
    SQL_READ("SELECT x.cuid, x.reason, x.end_reason, x.until, x.kept_from, x.placed_at, x.ended_at,"
             " x.placed_by, x.ended_by" USER_OF("placed_by")
                 USER_OF("ended_by") " FROM audit_hold x WHERE x.tenant_id = $1 ORDER BY x.cuid");
static const struct sql count_requests =
    SQL_READ("SELECT count(*) FROM audit_erasure_request WHERE tenant_id = $1");
static const struct sql get_requests = SQL_READ(
    "SELECT x.cuid, x.state, x.person, x.reason, x.legal_ground, x.result, x.asked_at, x.due_at,"
    " x.approved_at, x.ended_at, x.events, x.asked_by, x.approved_by, x.ended_by" USER_OF(
        "asked_by") USER_OF("approved_by")
        USER_OF("ended_by") " FROM audit_erasure_request x WHERE x.tenant_id = $1 ORDER BY x.cuid");
static const struct sql get_retention =
    SQL_READ("SELECT x.months, x.asked_at, x.effective_at, x.asked_by" USER_OF(
        "asked_by") " FROM audit_retention x WHERE x.tenant_id = $1");
static const struct sql get_months =
    SQL_READ("SELECT value FROM setting WHERE tenant_id = $1 AND name = 'audit.months_kept'");
static const struct sql get_clock = SQL_READ("SELECT at, moved FROM audit_clock_hold");

static struct who
who_of(struct arena *a, const struct db_rows *q, int id, int cuid)
{
    return (struct who){!db_is_null(q, id), db_int(q, id),
                        db_is_null(q, cuid) ? STR_NULL : arena_str(a, db_text(q, cuid))};
}

static enum err
read_holds(struct cx *cx, struct look *x)
{
    struct db_rows *q = NULL;
    int64_t n = 0;
    enum err e;
    TRY(db_query_int(cx->tx, &count_holds, ARGS(V_INT(x->tenant_id)), &n));
    x->holds = arena_array(x->a, struct hold_row, (size_t)n + 1);
    x->n_holds = 0;
    TRY(db_query(cx->tx, &get_holds, ARGS(V_INT(x->tenant_id)), &q));
    while ((e = db_next(q)) == OK && x->n_holds < (size_t)n)
        x->holds[x->n_holds++] = (struct hold_row){.cuid = arena_str(x->a, db_text(q, 0)),
                                                   .reason = arena_str(x->a, db_text(q, 1)),
                                                   .end_reason = arena_str(x->a, db_text(q, 2)),
                                                   .until = db_int(q, 3),
                                                   .kept_from = db_int(q, 4),
                                                   .placed_at = db_int(q, 5),
                                                   .ended_at = db_int(q, 6),
                                                   .placed_by = who_of(x->a, q, 7, 9),
                                                   .ended_by = who_of(x->a, q, 8, 10)};
    return e == ERR_END ? OK : e;
}

static enum err
read_requests(struct cx *cx, struct look *x)
{
    struct db_rows *q = NULL;
    int64_t n = 0;
    enum err e;
    TRY(db_query_int(cx->tx, &count_requests, ARGS(V_INT(x->tenant_id)), &n));
    x->requests = arena_array(x->a, struct request_row, (size_t)n + 1);
    x->n_requests = 0;
    TRY(db_query(cx->tx, &get_requests, ARGS(V_INT(x->tenant_id)), &q));
    while ((e = db_next(q)) == OK && x->n_requests < (size_t)n)
        x->requests[x->n_requests++] =
            (struct request_row){.cuid = arena_str(x->a, db_text(q, 0)),
                                 .state = arena_str(x->a, db_text(q, 1)),
                                 .person = arena_str(x->a, db_text(q, 2)),
                                 .reason = arena_str(x->a, db_text(q, 3)),
                                 .legal_ground = arena_str(x->a, db_text(q, 4)),
                                 .result = arena_str(x->a, db_text(q, 5)),
                                 .asked_at = db_int(q, 6),
                                 .due_at = db_int(q, 7),
                                 .approved_at = db_int(q, 8),
                                 .ended_at = db_int(q, 9),
                                 .events = db_int(q, 10),
                                 .asked_by = who_of(x->a, q, 11, 14),
                                 .approved_by = who_of(x->a, q, 12, 15),
                                 .ended_by = who_of(x->a, q, 13, 16)};
    return e == ERR_END ? OK : e;
}

static enum err
read_retention(struct cx *cx, struct look *x)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(cx->tx, &get_retention, ARGS(V_INT(x->tenant_id)), &q);
    x->retention = NULL;
    x->months = STR_NULL;
    if (e == OK) {
        x->retention = arena_new(x->a, struct retention_row);
        *x->retention =
            (struct retention_row){db_int(q, 0), db_int(q, 1), db_int(q, 2), who_of(x->a, q, 3, 4)};
        db_rows_end(q);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    e = db_query_one(cx->tx, &get_months, ARGS(V_INT(x->tenant_id)), &q);
    if (e == OK) {
        x->months = arena_str(x->a, db_text(q, 0));
        db_rows_end(q);
    }
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum err
read_clock(struct cx *cx, struct look *x)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(cx->tx, &get_clock, NO_ARGS, &q);
    x->clock = e == OK;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    x->clock_at = db_int(q, 0);
    x->clock_moved = db_int(q, 1);
    db_rows_end(q);
    return OK;
}

static enum err
read_rows(struct cx *cx, void *arg)
{
    struct look *x = arg;
    if (x->tenant_id == AUDIT_INSTANCE)
        return read_clock(cx, x);
    TRY(read_holds(cx, x));
    TRY(read_requests(cx, x));
    return read_retention(cx, x);
}

/* ---- one field ---- */

/* What a row is called, and the event that speaks of it. */
struct thing {
    const char *kind;
    struct str id;
    int64_t position;
};

static const struct vlog *
log_at(const struct look *x, int64_t position)
{
    int64_t epoch = position < 0 ? 0 : position_epoch(position);
    return verify_log(x->v, (struct log_id){x->tenant_id, epoch}, true);
}

static void
field_text(struct look *x, const struct thing *t, const char *field, struct str logged,
           struct str stored)
{
    if (!str_eq(logged, stored))
        verify_tell(x->v, log_at(x, t->position), custody_index(t->position), logged, stored,
                    "the %s %.*s: its %s in the table is not what the event says", t->kind,
                    STR_ARG(t->id), field);
}

static void
field_int(struct look *x, const struct thing *t, const char *field, int64_t logged, int64_t stored)
{
    if (logged != stored)
        field_text(x, t, field, verify_int(x->v, logged), verify_int(x->v, stored));
}

/* A date, as the event writes it. */
static void
field_date(struct look *x, const struct thing *t, const char *field, struct str logged,
           int64_t stored, const char *none)
{
    field_text(x, t, field, logged, stored == 0 ? str_of(none) : time_iso(x->v->say, stored));
}

struct living {
    int64_t tenant_id, id;
    struct str cuid;
};

static const struct sql get_living =
    SQL_READ("SELECT user_id FROM user_account WHERE tenant_id = $1 AND cuid = $2");

static enum err
read_living(struct db_tx *tx, void *arg)
{
    struct living *l = arg;
    return db_query_int(tx, &get_living, ARGS(V_INT(l->tenant_id), V_STR(l->cuid)), &l->id);
}

/* Rows name people by number, events by what never changes. Of a deleted account the number says
 * nothing any more, and names nobody. */
static void
field_who(struct look *x, const struct thing *t, const char *field,
          const struct custody_actor *logged, const struct who *stored)
{
    struct living l = {.tenant_id = x->tenant_id, .cuid = logged->cuid, .id = -1};
    if (logged->kind != ACTOR_USER) {
        bool machine = logged->kind == ACTOR_COMMAND;
        if (stored->set ? !machine || stored->id != OPERATOR : machine)
            field_text(x, t, field, machine ? S("the operator") : S("nobody"),
                       stored->set ? verify_int(x->v, stored->id) : S("nobody"));
        return;
    }
    if (stored->set && !str_is_null(stored->cuid)) {
        field_text(x, t, field, logged->cuid, stored->cuid);
        return;
    }
    enum err e = db_read(x->v->au->app->db, x->a, read_living, &l);
    if (!stored->set || stored->id == OPERATOR || (e == OK && l.id != stored->id))
        field_text(x, t, field, logged->cuid,
                   stored->set ? verify_int(x->v, stored->id) : S("nobody"));
}

static void
missing(struct look *x, const struct thing *t)
{
    verify_tell(x->v, log_at(x, t->position), custody_index(t->position), STR_NULL, STR_NULL,
                "the %s %.*s is missing from its table", t->kind, STR_ARG(t->id));
}

static void
unknown(struct look *x, const char *kind, struct str id, const char *what)
{
    verify_tell(x->v, log_at(x, -1), -1, STR_NULL, STR_NULL,
                "the %s %.*s %s, and no event of the log says so", kind, STR_ARG(id), what);
}

/* ---- holds ---- */

static void
compare_hold(struct look *x, const struct custody_hold *h, const struct hold_row *r)
{
    struct thing placed = {"legal hold", h->cuid, h->index},
                 ended = {"legal hold", h->cuid, h->end_index};
    if (h->placed_at != 0) {
        field_int(x, &placed, "time of placing (placed_at)", h->placed_at, r->placed_at);
        field_who(x, &placed, "placed_by", &h->placed_by, &r->placed_by);
    }
    if (h->told) {
        field_text(x, &placed, "reason", h->reason, r->reason);
        field_date(x, &placed, "date (until)", h->until, r->until, "until released");
        field_date(x, &placed, "kept_from", h->kept_from, r->kept_from, "");
        /* the event tells milliseconds; what is kept begins with a month */
        field_int(x, &placed, "kept_from (µs)", r->kept_from - r->kept_from % USEC_PER_MS,
                  r->kept_from);
    }
    field_int(x, h->ended_at != 0 ? &ended : &placed, "end (ended_at)", h->ended_at, r->ended_at);
    if (h->ended_at == 0 || r->ended_at == 0)
        return;
    if (h->end == EV_HOLD_EXPIRED) {
        struct custody_actor nobody = {ACTOR_SYSTEM, S("")};
        field_who(x, &ended, "ended_by", &nobody, &r->ended_by);
    } else {
        field_who(x, &ended, "ended_by", &h->ended_by, &r->ended_by);
    }
    if (h->end_told)
        field_text(x, &ended, "reason of its end (end_reason)", h->end_reason, r->end_reason);
}

static void
compare_holds(struct look *x)
{
    for (size_t i = 0; i < x->n_holds; i++) {
        const struct hold_row *r = &x->holds[i];
        const struct custody_hold *h = custody_hold_of(&x->c, r->cuid);
        if (h != NULL)
            compare_hold(x, h, r);
        else if (r->ended_at == 0)
            unknown(x, "legal hold", r->cuid, "stands by its table");
        else if (x->c.whole || r->ended_at >= x->c.oldest)
            unknown(x, "legal hold", r->cuid, "has ended by its table");
    }
    for (size_t i = 0; i < x->c.n_holds; i++) {
        const struct custody_hold *h = &x->c.holds[i];
        struct thing t = {"legal hold", h->cuid, h->index};
        bool found = false;
        for (size_t k = 0; k < x->n_holds && !found; k++)
            found = str_eq(x->holds[k].cuid, h->cuid);
        if (!found)
            missing(x, &t);
    }
}

/* ---- requests ---- */

static bool
state_fits(const struct custody_request *q, struct str state)
{
    if (q->cancelled_at != 0)
        return str_eq(state, S("cancelled"));
    if (q->told_at != 0) /* the store may still be rewritten */
        return str_eq(state, S("done")) || str_eq(state, S("running"));
    if (q->approved_at != 0)
        return str_eq(state, S("running"));
    return str_eq(state, S("asked")) || str_eq(state, S("delayed"));
}

static const char *
state_logged(const struct custody_request *q)
{
    if (q->cancelled_at != 0)
        return "cancelled";
    return q->told_at != 0 ? "done" : q->approved_at != 0 ? "running" : "asked";
}

static void
compare_end(struct look *x, const struct custody_request *q, const struct request_row *r)
{
    struct thing told = {"request to erase", r->cuid, q->told_index},
                 over = {"request to erase", r->cuid, q->cancelled_index};
    if (q->cancelled_at != 0) {
        field_int(x, &over, "end (ended_at)", q->cancelled_at, r->ended_at);
        field_who(x, &over, "ended_by", &q->cancelled_by, &r->ended_by);
    }
    if (q->told_at == 0)
        return;
    if (q->events >= 0)
        field_int(x, &told, "number of events", q->events, r->events);
    if (q->result.n > 0) {
        struct sha256 h = sha256_of(r->result);
        field_text(x, &told, "result, by its SHA-256,", q->result, verify_hex(x->v, &h));
    }
    if (r->ended_at != 0 && r->ended_at < q->told_at)
        field_int(x, &told, "end (ended_at)", q->told_at, r->ended_at);
}

static void
compare_request(struct look *x, const struct custody_request *q, const struct request_row *r)
{
    struct thing asked = {"request to erase", r->cuid, q->asked_index},
                 approved = {"request to erase", r->cuid, q->approved_index}, *last = &asked;
    struct custody_actor nobody = {ACTOR_SYSTEM, S("")};
    struct thing closed = {"request to erase", r->cuid,
                           q->told_at != 0 ? q->told_index : q->cancelled_index};
    if (q->approved_at != 0)
        last = &approved;
    if (q->closed_logged != 0)
        last = &closed;
    if (!state_fits(q, r->state))
        field_text(x, last, "state", str_of(state_logged(q)), r->state);
    field_text(x, &asked, "person", q->person, r->person);
    field_int(x, &asked, "asked_at", q->asked_at, r->asked_at);
    field_who(x, &asked, "asked_by", &q->asked_by, &r->asked_by);
    if (q->asked_told && !str_is_null(q->reason)) {
        field_text(x, &asked, "reason", q->reason, r->reason);
        field_text(x, &asked, "legal ground", q->legal_ground, r->legal_ground);
    }
    if (r->due_at != 0)
        field_int(x, &asked, "due_at", q->asked_at + CUSTODY_DELAY_US, r->due_at);
    field_int(x, &approved, "approved_at", q->approved_at, r->approved_at);
    field_who(x, &approved, "approved_by", q->approved_at != 0 ? &q->approved_by : &nobody,
              &r->approved_by);
    compare_end(x, q, r);
}

/* A restatement that was overtaken: the person's next request stands in the log itself. */
static bool
is_overtaken(const struct custody *c, const struct custody_request *q)
{
    for (size_t i = 0; q->closed_logged == 0 && i < c->n_requests; i++)
        if (str_eq(c->requests[i].person, q->person) &&
            c->requests[i].asked_logged > q->asked_logged)
            return true;
    return false;
}

static void
compare_requests(struct look *x)
{
    for (size_t i = 0; i < x->n_requests; i++) {
        const struct request_row *r = &x->requests[i];
        const struct custody_request *q =
            custody_request_of(&x->c, r->cuid, r->person, r->asked_at);
        bool over = str_eq(r->state, S("done")) || str_eq(r->state, S("cancelled"));
        if (q != NULL)
            compare_request(x, q, r);
        else if (!over || x->c.whole || r->asked_at >= x->c.oldest)
            unknown(x, "request to erase", r->cuid,
                    arena_fmt(x->a, "is %.*s by its table", STR_ARG(r->state)).p);
    }
    for (size_t i = 0; i < x->c.n_requests; i++) {
        const struct custody_request *q = &x->c.requests[i];
        struct thing t = {"request to erase", q->cuid.n > 0 ? q->cuid : q->person, q->asked_index};
        bool found = is_overtaken(&x->c, q);
        for (size_t k = 0; k < x->n_requests && !found; k++)
            found = custody_request_of(&x->c, x->requests[k].cuid, x->requests[k].person,
                                       x->requests[k].asked_at) == q;
        if (!found)
            missing(x, &t);
    }
}

/* ---- retention, the clock ---- */

static void
compare_retention(struct look *x)
{
    const struct retention_row *r = x->retention;
    const struct custody_notice *n = &x->c.notice;
    struct thing t = {"announced retention", S("(audit_retention)"), n->index};
    int64_t months = CUSTODY_MONTHS;
    if (r != NULL && !x->c.pending)
        unknown(x, "shorter retention", S("(audit_retention)"), "is announced by its table");
    else if (r == NULL && x->c.pending)
        missing(x, &t);
    else if (r != NULL) {
        if (n->months != 0)
            field_int(x, &t, "months", n->months, r->months);
        field_int(x, &t, "asked_at", n->at, r->asked_at);
        field_int(x, &t, "effective_at", n->at + CUSTODY_NOTICE_US, r->effective_at);
        field_who(x, &t, "asked_by", &n->by, &r->asked_by);
    }
    if (x->tenant_id != 0)
        return;
    if (!str_is_null(x->months) && str_int64(x->months, &months) != OK)
        months = -1;
    if (months != x->c.months.n)
        verify_tell(x->v, log_at(x, -1), -1, verify_int(x->v, x->c.months.n),
                    verify_int(x->v, months),
                    "the setting audit.months_kept in the table is not what the log says");
}

static void
compare_clock(struct look *x)
{
    struct thing t = {"hold of the clock", S("(audit_clock_hold)"), x->c.clock_index};
    if (x->clock && !x->c.clock_held)
        unknown(x, "hold of the clock", S("(audit_clock_hold)"), "stands by its table");
    else if (!x->clock && x->c.clock_held)
        missing(x, &t);
    else if (x->clock) {
        field_int(x, &t, "time (at)", x->c.clock_at, x->clock_at);
        if (!str_is_null(x->c.clock_moved))
            field_text(x, &t, "step (moved, s)", x->c.clock_moved,
                       verify_int(x->v, x->clock_moved / USEC_PER_SEC));
    }
}

static void
tell_breaches(struct look *x)
{
    for (size_t i = 0; i < x->c.n_breaches; i++) {
        const struct custody_breach *b = &x->c.breaches[i];
        verify_tell(x->v, log_at(x, b->index), custody_index(b->index), STR_NULL, STR_NULL, "%.*s",
                    STR_ARG(b->what));
    }
}

/* ---- all logs ---- */

static void
add_log(struct verify *v, int64_t id, int64_t *out, size_t *n)
{
    for (size_t i = 0; i < *n; i++)
        if (out[i] == id)
            return;
    if (!v->o->one || v->o->tenant_id == id)
        out[(*n)++] = id;
}

size_t
verify_custody_logs(struct verify *v, int64_t **out)
{
    size_t n = 0;
    *out = arena_array(v->a, int64_t, v->n + v->n_tenants + 1);
    add_log(v, AUDIT_INSTANCE, *out, &n);
    for (size_t i = 0; i < v->n_tenants; i++)
        add_log(v, v->tenants[i].id, *out, &n);
    for (size_t i = 0; i < v->n; i++)
        add_log(v, v->logs[i].log.tenant_id, *out, &n);
    return n;
}

/* Expiries that no event tells of. One was told four months after its month at the earliest, so what is
 * kept of the log tells of every month that ended less than five before its beginning. */
struct telling {
    int32_t *v;
    size_t n, cap;
    int64_t oldest; /* start of the oldest month of any log */
};

static void
note_dropped(struct look *x, struct telling *t)
{
    for (size_t i = 0; i < x->c.n_dropped; i++) {
        arena_grow(x->v->a, t->v, t->n, &t->cap, 64);
        t->v[t->n++] = x->c.dropped[i];
    }
    if (x->c.oldest != INT64_MIN && x->c.oldest < t->oldest)
        t->oldest = x->c.oldest;
}

static void
check_drops(struct verify *v, const struct telling *t)
{
    int32_t from = t->oldest == INT64_MAX ? INT32_MIN : month_ordinal(t->oldest) - 5;
    for (size_t i = 0; i < v->n_drops; i++) {
        bool told = v->drops[i] < from;
        for (size_t k = 0; k < t->n && !told; k++)
            told = t->v[k] == v->drops[i];
        if (!told)
            verify_tell(
                v, NULL, -1, STR_NULL, verify_int(v, v->drops[i]),
                "a month is noted as expired (audit_drop), and no event of any log says so");
    }
}

static const struct sql count_strays = SQL_READ(
    "SELECT (SELECT count(*) FROM audit_hold x WHERE NOT EXISTS (SELECT 1 FROM tenant t WHERE"
    " t.tenant_id = x.tenant_id)) + (SELECT count(*) FROM audit_erasure_request x WHERE NOT EXISTS"
    " (SELECT 1 FROM tenant t WHERE t.tenant_id = x.tenant_id)) + (SELECT count(*) FROM"
    " audit_retention x WHERE x.tenant_id <> 0)");

static enum err
read_strays(struct db_tx *tx, void *arg)
{
    return db_query_int(tx, &count_strays, NO_ARGS, arg);
}

static void
look_at(struct verify *v, int64_t id, struct telling *t)
{
    struct cx cx = *v->cx;
    struct look x = {.v = v, .tenant_id = id};
    x.a = cx.arena = arena_create("audit.verify.custody", ROWS_ARENA);
    cx.failure = (struct failure){0};
    enum err e = custody_read_with(&cx, id, read_rows, &x, &x.c);
    if (e != OK) {
        verify_tell(v, log_at(&x, -1), -1, STR_NULL, db_last_error(),
                    "what the log says of holds, retention and erasures can not be read");
    } else {
        tell_breaches(&x);
        note_dropped(&x, t);
        if (id == AUDIT_INSTANCE) {
            compare_clock(&x);
        } else {
            compare_holds(&x);
            compare_requests(&x);
            compare_retention(&x);
        }
    }
    arena_free(x.a);
}

void
verify_custody(struct verify *v)
{
    struct telling t = {.oldest = INT64_MAX};
    int64_t *logs = NULL, strays = 0;
    size_t n = verify_custody_logs(v, &logs);
    for (size_t i = 0; i < n; i++)
        look_at(v, logs[i], &t);
    if (v->o->one)
        return;
    check_drops(v, &t);
    struct arena *a = arena_create("audit.verify.custody", ROWS_ARENA);
    if (db_read(v->au->app->db, a, read_strays, &strays) == OK && strays > 0)
        verify_tell(v, NULL, -1, S("0"), verify_int(v, strays),
                    "there are holds, retentions or requests to erase of no workspace");
    arena_free(a);
}
