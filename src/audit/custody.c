/* The log's own account of holds, retention, erasures and the clock: events in, custody out. First what
 * was told again of expired months and erased events, then all others in the order of the log. Reads
 * only; custody_facts.c writes what is told again. */
#include "audit/custody_priv.h"

#include "audit/priv.h"
#include "base/text.h"

static const enum event types[] = {
    EV_HOLD_PLACED,         EV_HOLD_RELEASED,        EV_HOLD_EXPIRED,    EV_RETENTION_ANNOUNCED,
    EV_RETENTION_CANCELLED, EV_RETENTION_LOWERED,    EV_SETTING_CHANGED, EV_ERASURE_REQUESTED,
    EV_ERASURE_APPROVED,    EV_ERASURE_CANCELLED,    EV_PERSON_ERASED,   EV_ERASURE_CHOSEN,
    EV_CLOCK_STEPPED,       EV_AUDIT_SEGMENT_DROPPED};

/* ---- lists ---- */

static void
breach(struct custody *c, const struct audit_event *e, struct str what)
{
    arena_grow(c->a, c->breaches, c->n_breaches, &c->cap_breaches, 16);
    c->breaches[c->n_breaches++] = (struct custody_breach){e->index, what};
}

static struct str
said(const struct audit_event *e, const char *field)
{
    for (size_t i = 0; i < e->n_changes; i++)
        if (str_eq(e->changes[i].field, str_of(field)))
            return e->changes[i].after;
    return STR_NULL;
}

static struct custody_actor
actor_of(const struct audit_event *e)
{
    return (struct custody_actor){e->actor_kind, e->actor_id};
}

int64_t
custody_index(int64_t position)
{
    return position < 0 ? -1 : position_index(position);
}

/* ---- holds ---- */

static struct custody_hold *
find_hold(const struct custody *c, struct str cuid)
{
    for (size_t i = c->n_holds; i-- > 0;)
        if (str_eq(c->holds[i].cuid, cuid))
            return &c->holds[i];
    return NULL;
}

const struct custody_hold *
custody_hold_of(const struct custody *c, struct str cuid)
{
    return find_hold(c, cuid);
}

const struct custody_hold *
custody_standing(const struct custody *c)
{
    for (size_t i = 0; i < c->n_holds; i++)
        if (c->holds[i].ended_at == 0)
            return &c->holds[i];
    return NULL;
}

static void
hold_placed(struct custody *c, const struct audit_event *e)
{
    if (find_hold(c, e->target_id) != NULL)
        return;
    arena_grow(c->a, c->holds, c->n_holds, &c->cap_holds, 16);
    c->holds[c->n_holds++] =
        (struct custody_hold){.cuid = e->target_id,
                              .placed_by = actor_of(e),
                              .placed_at = e->at,
                              .index = e->index < 0 ? -1 : position_of(e->epoch, e->index),
                              .told = !e->erased,
                              .reason = said(e, "reason"),
                              .until = said(e, "until"),
                              .kept_from = said(e, "kept from")};
}

/* A row may have said another date than the event that placed the hold. */
static void
ended_by_date(struct custody *c, const struct audit_event *e, const struct custody_hold *h)
{
    int64_t until = 0;
    if (time_parse_iso(h->until, &until) == OK && e->at >= until)
        return;
    breach(c, e,
           arena_fmt(c->a, "the legal hold %.*s ended by its date, and event %lld placed it %s%.*s",
                     STR_ARG(h->cuid), (long long)custody_index(h->index),
                     until != 0 ? "until " : "", STR_ARG(h->until)));
}

static void
hold_ended(struct custody *c, const struct audit_event *e)
{
    struct custody_hold *h = find_hold(c, e->target_id);
    /* Placed in a month that has expired since it ended; or by nobody, and released by an administrator who found
     * it in the table. */
    if (h == NULL && (!c->whole || e->type == EV_HOLD_RELEASED)) {
        hold_placed(c, e);
        h = find_hold(c, e->target_id);
        h->placed_at = 0;
        h->index = -1;
        h->told = false;
    }
    if (h == NULL || h->ended_at != 0)
        return;
    if (e->type == EV_HOLD_EXPIRED && h->told && h->placed_at != 0)
        ended_by_date(c, e, h);
    h->ended_at = e->at;
    h->ended_by = actor_of(e);
    h->end_index = e->index;
    h->end = e->type;
    h->end_told = !e->erased;
    h->end_reason = said(e, "released because");
}

/* ---- retention ---- */

static void
months_say(struct custody *c, int64_t n, int64_t logged)
{
    if (n > 0 && logged >= c->months.logged)
        c->months = (struct custody_months){n, logged};
}

static void
setting_changed(struct custody *c, const struct audit_event *e)
{
    int64_t n = 0;
    if (c->tenant_id == INSTANCE_LOG && str_eq(e->target_kind, S("clock")))
        c->clock_held = false;
    if (c->tenant_id == 0 && str_int64(said(e, "audit.months_kept"), &n) == OK)
        months_say(c, n, e->logged);
}

static void
announced(struct custody *c, const struct audit_event *e)
{
    int64_t months = 0;
    if (e->logged < c->notice_logged)
        return;
    if (str_int64(said(e, "audit.months_kept"), &months) != OK)
        months = c->notice.at == e->at ? c->notice.months : 0; /* erased: told again, or unknown */
    c->pending = true;
    c->notice_logged = e->logged;
    c->notice = (struct custody_notice){months, e->at, e->logged, e->index, actor_of(e)};
}

static void
notice_ended(struct custody *c, const struct audit_event *e)
{
    if (e->logged < c->notice_logged)
        return;
    c->pending = false;
    c->notice_logged = e->logged;
}

/* What was announced before the log's reach can not be judged: nothing can be put there, either. */
static void
lowered(struct custody *c, const struct audit_event *e)
{
    int64_t n = 0;
    bool told = str_int64(said(e, "audit.months_kept"), &n) == OK;
    if (!c->pending && (c->whole || e->at - CUSTODY_NOTICE_US >= c->oldest))
        breach(c, e, S("the retention was lowered, and nothing in the log announced it"));
    else if (c->pending && e->at < c->notice.at + CUSTODY_NOTICE_US)
        breach(c, e,
               arena_fmt(c->a,
                         "the retention was lowered before the thirty days had passed that event "
                         "%lld began",
                         (long long)custody_index(c->notice.index)));
    else if (c->pending && told && c->notice.months != 0 && c->notice.months != n)
        breach(c, e,
               arena_fmt(c->a,
                         "the retention was lowered to %lld months, and event %lld announced "
                         "%lld",
                         (long long)n, (long long)custody_index(c->notice.index),
                         (long long)c->notice.months));
    months_say(c, n, e->logged);
    notice_ended(c, e);
}

/* ---- erasures ---- */

/* Of one person there is one request open at a time: the last that was asked for before the event. */
static struct custody_request *
request_at(const struct custody *c, struct str person, int64_t logged)
{
    struct custody_request *best = NULL;
    for (size_t i = 0; i < c->n_requests; i++) {
        struct custody_request *q = &c->requests[i];
        if (str_eq(q->person, person) && q->asked_logged <= logged &&
            (best == NULL || q->asked_logged >= best->asked_logged))
            best = q;
    }
    return best;
}

struct custody_request *
custody_request_add(struct custody *c, struct str person)
{
    arena_grow(c->a, c->requests, c->n_requests, &c->cap_requests, 16);
    struct custody_request *q = &c->requests[c->n_requests++];
    *q = (struct custody_request){.person = person, .cuid = S(""), .events = -1};
    q->asked_index = q->approved_index = q->cancelled_index = q->told_index = -1;
    return q;
}

static void
learn_cuid(struct custody_request *q, const struct audit_event *e)
{
    struct str cuid = said(e, "request");
    if (cuid.n > 0)
        q->cuid = cuid;
}

static void
asked(struct custody *c, const struct audit_event *e)
{
    struct custody_request *q = request_at(c, e->target_id, e->logged);
    bool again = q != NULL && q->restated && q->asked_at == e->at;
    /* An administrator takes on what the operator asked for: from then on it is his. */
    bool taken_on = q != NULL && q->closed_logged == 0 && q->approved_at == 0 &&
                    q->asked_by.kind == ACTOR_COMMAND;
    if (!again && !taken_on)
        q = custody_request_add(c, e->target_id);
    q->restated = false;
    q->asked_at = e->at;
    q->asked_logged = e->logged;
    q->asked_index = e->index;
    q->asked_by = actor_of(e);
    q->asked_told = !e->erased;
    if (!e->erased) {
        q->reason = said(e, "reason");
        q->legal_ground = said(e, "legal ground");
    }
    learn_cuid(q, e);
}

/* A restatement may tell of the end before the log comes to it. */
static bool
is_closed(const struct custody_request *q, const struct audit_event *e)
{
    return q->closed_logged != 0 && q->closed_logged < e->logged;
}

static void
approved(struct custody *c, const struct audit_event *e)
{
    struct custody_request *q = request_at(c, e->target_id, e->logged);
    if (q == NULL || is_closed(q, e) ||
        (q->approved_at != 0 && !(q->approved_index < 0 && q->approved_at == e->at)))
        return;
    q->approved_at = e->at;
    q->approved_index = e->index;
    q->approved_by = actor_of(e);
    learn_cuid(q, e);
}

static void
cancelled(struct custody *c, const struct audit_event *e)
{
    struct custody_request *q = request_at(c, e->target_id, e->logged);
    if (q == NULL || is_closed(q, e))
        return;
    q->cancelled_at = e->at;
    q->cancelled_index = e->index;
    q->cancelled_by = actor_of(e);
    q->closed_logged = e->logged;
    learn_cuid(q, e);
}

static void
person_erased(struct custody *c, const struct audit_event *e)
{
    struct custody_request *q = request_at(c, e->target_id, e->logged);
    if (q == NULL || is_closed(q, e) || !custody_is_approved(q))
        breach(c, e,
               S("a person was erased, and the log holds neither the approval of a second "
                 "administrator nor seven days of waiting"));
    if (q == NULL || is_closed(q, e))
        return;
    q->told_at = e->at;
    q->told_index = e->index;
    q->closed_logged = e->logged;
    if (str_int64(said(e, "events"), &q->events) != OK)
        q->events = -1;
    q->result = said(e, "result");
    learn_cuid(q, e);
}

static bool
is_blanked(struct custody *c, const struct audit_event *e)
{
    if (e->erased)
        breach(c, e,
               S("the event names nobody and is never erased, and its personal part is gone"));
    return e->erased;
}

static void
chosen(struct custody *c, const struct audit_event *e)
{
    struct custody_request *q = request_at(c, said(e, "person"), e->logged);
    size_t from = 0;
    if (is_blanked(c, e))
        return;
    if (q == NULL || is_closed(q, e) || !custody_is_approved(q)) {
        breach(c, e,
               S("events were chosen for an erasure, and the log holds neither the approval of a "
                 "second administrator nor seven days of waiting"));
        return;
    }
    while (from < e->n_changes && !custody_is_rows(e->changes[from].field))
        from++;
    q->cuid = e->target_id;
    arena_grow(c->a, q->choices, q->n_choices, &q->cap_choices, 16);
    q->choices[q->n_choices++] = (struct custody_choice){
        .at = e->at, .index = e->index, .rows = e->changes + from, .n = e->n_changes - from};
}

bool
custody_is_approved(const struct custody_request *q)
{
    if (q->approved_at == 0 || q->cancelled_at != 0 || q->asked_by.kind != ACTOR_USER)
        return false;
    if (q->approved_by.kind == ACTOR_USER)
        return q->asked_by.cuid.n > 0 && q->approved_by.cuid.n > 0 &&
               !str_eq(q->asked_by.cuid, q->approved_by.cuid);
    return q->approved_by.kind == ACTOR_SYSTEM && q->approved_at >= q->asked_at + CUSTODY_DELAY_US;
}

const struct custody_request *
custody_request_of(const struct custody *c, struct str cuid, struct str person, int64_t asked_at)
{
    const struct custody_request *by_time = NULL;
    for (size_t i = 0; i < c->n_requests; i++) {
        const struct custody_request *q = &c->requests[i];
        if (cuid.n > 0 && str_eq(q->cuid, cuid))
            return q;
        if (q->cuid.n == 0 && str_eq(q->person, person) && q->asked_at == asked_at)
            by_time = q;
    }
    return by_time;
}

/* ---- months, the clock ---- */

static void
dropped(struct custody *c, const struct audit_event *e)
{
    const struct custody_hold *h = custody_standing(c);
    int64_t year = 0, month = 0;
    struct str name = e->target_id;
    (void)is_blanked(c, e); /* the month stands in the public part */
    if (name.n == 7 && str_int64(str_sub(name, 0, 4), &year) == OK &&
        str_int64(str_sub(name, 5, 2), &month) == OK) {
        arena_grow(c->a, c->dropped, c->n_dropped, &c->cap_dropped, 16);
        c->dropped[c->n_dropped++] = (int32_t)(year * 12 + month - 1);
    }
    if (h != NULL)
        breach(c, e,
               arena_fmt(c->a, "a month expired while the legal hold %.*s of event %lld stood",
                         STR_ARG(h->cuid), (long long)custody_index(h->index)));
    if (c->clock_held)
        breach(c, e,
               arena_fmt(c->a,
                         "a month expired while the step of the clock told by event %lld was not "
                         "confirmed",
                         (long long)custody_index(c->clock_index)));
}

static void
clock_stepped(struct custody *c, const struct audit_event *e)
{
    if (c->tenant_id != INSTANCE_LOG || !str_eq(e->target_id, S("held")) || c->clock_held)
        return;
    c->clock_held = true;
    c->clock_at = e->at;
    c->clock_moved = said(e, "clock moved by (s)");
    c->clock_index = e->index;
}

/* ---- in the order of the log ---- */

static void
apply(struct custody *c, const struct audit_event *e)
{
    static const struct {
        enum event type;
        void (*fn)(struct custody *c, const struct audit_event *e);
    } rules[] = {{EV_HOLD_PLACED, hold_placed},          {EV_HOLD_RELEASED, hold_ended},
                 {EV_HOLD_EXPIRED, hold_ended},          {EV_RETENTION_ANNOUNCED, announced},
                 {EV_RETENTION_CANCELLED, notice_ended}, {EV_RETENTION_LOWERED, lowered},
                 {EV_SETTING_CHANGED, setting_changed},  {EV_ERASURE_REQUESTED, asked},
                 {EV_ERASURE_APPROVED, approved},        {EV_ERASURE_CANCELLED, cancelled},
                 {EV_PERSON_ERASED, person_erased},      {EV_ERASURE_CHOSEN, chosen},
                 {EV_CLOCK_STEPPED, clock_stepped},      {EV_AUDIT_SEGMENT_DROPPED, dropped}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0] && e->outcome == OUTCOME_SUCCESS; i++)
        if (rules[i].type == e->type)
            rules[i].fn(c, e);
}

/* ---- reading ---- */

struct gathering {
    struct arena *a;
    struct audit_event *v;
    size_t n, cap;
    cx_body also;
    void *arg;
    int64_t tenant_id, position;
};

static struct str
copy(struct arena *a, struct str s)
{
    return str_is_null(s) ? STR_NULL : arena_str(a, s);
}

static bool
is_ours(enum event type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i] == type)
            return true;
    return false;
}

static enum err
gather(void *arg, const struct audit_event *e)
{
    struct gathering *g = arg;
    if (!is_ours(e->type))
        return OK;
    struct audit_change *c = arena_array(g->a, struct audit_change, e->n_changes + 1);
    for (size_t i = 0; i < e->n_changes; i++)
        c[i] =
            (struct audit_change){copy(g->a, e->changes[i].field), copy(g->a, e->changes[i].before),
                                  copy(g->a, e->changes[i].after)};
    arena_grow(g->a, g->v, g->n, &g->cap, 16);
    struct audit_event *k = &g->v[g->n++];
    *k = (struct audit_event){.index = e->index < 0 ? -1 : position_of(e->epoch, e->index),
                              .type = e->type,
                              .outcome = e->outcome,
                              .at = e->at,
                              .logged = e->index < 0 ? INT64_MAX : e->logged,
                              .actor_kind = e->actor_kind,
                              .actor_id = copy(g->a, e->actor_id),
                              .target_kind = copy(g->a, e->target_kind),
                              .target_id = copy(g->a, e->target_id),
                              .changes = c,
                              .n_changes = e->n_changes,
                              .erased = e->erased};
    return OK;
}

static enum err
take_snapshot(struct cx *cx, void *arg)
{
    struct gathering *g = arg;
    g->n = 0;
    if (g->also != NULL)
        TRY(g->also(cx, g->arg));
    TRY(audit_walk_reach(cx, g->tenant_id, &g->position));
    return audit_walk_tail(cx, g->tenant_id, gather, g);
}

/* Moved events in front of those of the tail, which were read first. */
static enum err
read_moved(struct cx *cx, struct gathering *g)
{
    struct audit_walk w = {.tenant_id = g->tenant_id,
                           .types = types,
                           .n_types = sizeof types / sizeof types[0],
                           .after = -1,
                           .before = g->position};
    struct gathering moved = {.a = g->a};
    if (g->position > 0) {
        TRY(audit_walk_await(cx, g->tenant_id, g->position));
        TRY(audit_walk_each(cx, &w, gather, &moved));
    }
    for (size_t i = 0; i < g->n; i++) {
        arena_grow(g->a, moved.v, moved.n, &moved.cap, 16);
        moved.v[moved.n++] = g->v[i];
    }
    g->v = moved.v;
    g->n = moved.n;
    return OK;
}

static enum err
find_beginning(struct cx *cx, struct custody *c)
{
    struct region *g = NULL;
    size_t n = 0;
    TRY(regions_of(cx->app->audit, NULL, cx->arena, c->tenant_id, &g, &n));
    c->whole = n == 0 || (g[n - 1].r.epoch == 0 && g[n - 1].r.first == 0); /* newest first */
    c->oldest = n == 0 ? INT64_MIN : month_ordinal_start(g[n - 1].month);
    return OK;
}

enum err
custody_read_with(struct cx *cx, int64_t tenant_id, cx_body also, void *arg, struct custody *out)
{
    struct gathering g = {.a = cx->arena, .tenant_id = tenant_id, .also = also, .arg = arg};
    struct custody c = {.a = cx->arena, .tenant_id = tenant_id, .months = {CUSTODY_MONTHS, 0}};
    TRY(cx_snapshot(cx, take_snapshot, &g));
    TRY(read_moved(cx, &g));
    TRY(find_beginning(cx, &c));
    for (size_t i = 0; i < g.n; i++)
        custody_take_facts(&c, &g.v[i]);
    for (size_t i = 0; i < g.n; i++)
        apply(&c, &g.v[i]);
    c.seen = g.n;
    *out = c;
    return OK;
}

enum err
custody_read(struct cx *cx, int64_t tenant_id, struct custody *out)
{
    return custody_read_with(cx, tenant_id, NULL, NULL, out);
}
