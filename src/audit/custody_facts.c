/* What the log tells again before it loses it: with the expiry of a month, and with each choice of
 * events for an erasure. Each value carries the time its source was logged, so that a restatement that
 * came late changes nothing; what is in the tail yet is in no danger, and left out. Also the text of chosen rows, and refusals. */
#include "audit/custody_priv.h"

#include "audit/priv.h"
#include "base/log.h"
#include "base/text.h"

#define MONTHS  "months kept"
#define NOTICE  "announced months"
#define REQUEST "request of "
#define NONE    "-"

static const char *const kinds[] = {[ACTOR_ANONYMOUS] = "anonymous",
                                    [ACTOR_USER] = "user",
                                    [ACTOR_TOKEN] = "token",
                                    [ACTOR_COMMAND] = "command",
                                    [ACTOR_SYSTEM] = "system"};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* ---- out ---- */

static struct str
actor_text(struct arena *a, const struct custody_actor *who)
{
    struct str cuid = who->cuid.n > 0 ? who->cuid : S(NONE);
    return arena_fmt(a, "%s %.*s", kinds[who->kind], STR_ARG(cuid));
}

static struct audit_change
request_fact(const struct custody_request *q, struct arena *a)
{
    struct str cuid = q->cuid.n > 0 ? q->cuid : S(NONE);
    struct str by = actor_text(a, &q->asked_by), approver = actor_text(a, &q->approved_by);
    return (struct audit_change){
        arena_fmt(a, REQUEST "%.*s", STR_ARG(q->person)), STR_NULL,
        arena_fmt(a, "%lld %lld %.*s %lld %.*s %.*s %lld %lld %lld", (long long)q->asked_at,
                  (long long)q->asked_logged, STR_ARG(by), (long long)q->approved_at,
                  STR_ARG(approver), STR_ARG(cuid), (long long)q->cancelled_at,
                  (long long)q->told_at, (long long)q->closed_logged)};
}

size_t
custody_facts(const struct custody *c, struct arena *a, int64_t since, struct audit_change *out,
              size_t max)
{
    size_t n = 0;
    if (c->months.logged != 0 && c->months.logged != INT64_MAX && n < max)
        out[n++] = (struct audit_change){
            S(MONTHS), STR_NULL,
            arena_fmt(a, "%lld %lld", (long long)c->months.n, (long long)c->months.logged)};
    if (c->pending && c->notice.logged != INT64_MAX && n < max) {
        struct str by = actor_text(a, &c->notice.by);
        out[n++] = (struct audit_change){
            S(NOTICE), STR_NULL,
            arena_fmt(a, "%lld %lld %lld %.*s", (long long)c->notice.months,
                      (long long)c->notice.at, (long long)c->notice.logged, STR_ARG(by))};
    }
    for (size_t i = 0; i < c->n_requests && n < max; i++) {
        const struct custody_request *q = &c->requests[i];
        if (since != INT64_MAX && q->asked_logged != INT64_MAX &&
            (q->closed_logged == 0 || q->closed_logged >= since))
            out[n++] = request_fact(q, a);
    }
    return n;
}

/* ---- in ---- */

struct words {
    struct str rest;
    bool bad;
};

static int64_t
next_number(struct words *w)
{
    struct str word = STR_NULL;
    int64_t n = 0;
    if (!str_cut(&w->rest, ' ', &word) || str_int64(word, &n) != OK)
        w->bad = true;
    return n;
}

static struct str
next_word(struct words *w)
{
    struct str word = STR_NULL;
    if (!str_cut(&w->rest, ' ', &word) || word.n == 0)
        w->bad = true;
    return str_eq(word, S(NONE)) ? S("") : word;
}

static struct custody_actor
next_actor(struct words *w)
{
    struct str kind = next_word(w);
    struct custody_actor who = {ACTOR_ANONYMOUS, S("")};
    for (size_t i = 0; i < KINDS; i++)
        if (str_eq(kind, str_of(kinds[i])))
            who.kind = (enum actor_kind)i;
    who.cuid = next_word(w);
    return who;
}

static void
take_months(struct custody *c, struct words w)
{
    int64_t n = next_number(&w), logged = next_number(&w);
    if (!w.bad && n > 0 && logged >= c->months.logged)
        c->months = (struct custody_months){n, logged};
}

static void
take_notice(struct custody *c, struct words w)
{
    struct custody_notice n = {.index = -1};
    n.months = next_number(&w);
    n.at = next_number(&w);
    n.logged = next_number(&w);
    n.by = next_actor(&w);
    if (w.bad || n.logged < c->notice_logged)
        return;
    c->pending = true;
    c->notice = n;
    c->notice_logged = n.logged;
}

static void
take_request(struct custody *c, struct str person, struct words w)
{
    struct custody_request t = {0}, *q = NULL;
    t.asked_at = next_number(&w);
    t.asked_logged = next_number(&w);
    t.asked_by = next_actor(&w);
    t.approved_at = next_number(&w);
    t.approved_by = next_actor(&w);
    t.cuid = next_word(&w);
    t.cancelled_at = next_number(&w);
    t.told_at = next_number(&w);
    t.closed_logged = next_number(&w);
    if (w.bad)
        return;
    for (size_t i = 0; i < c->n_requests; i++)
        if (str_eq(c->requests[i].person, person) && c->requests[i].asked_at == t.asked_at)
            q = &c->requests[i];
    if (q == NULL)
        q = custody_request_add(c, person);
    q->restated = true;
    q->asked_at = t.asked_at;
    q->asked_logged = t.asked_logged;
    q->asked_by = t.asked_by;
    if (t.approved_at != 0) {
        q->approved_at = t.approved_at;
        q->approved_by = t.approved_by;
    }
    if (t.cuid.n > 0)
        q->cuid = t.cuid;
    if (t.closed_logged != 0) {
        q->cancelled_at = t.cancelled_at;
        q->told_at = t.told_at;
        q->closed_logged = t.closed_logged;
    }
}

void
custody_take_facts(struct custody *c, const struct audit_event *e)
{
    if (e->type != EV_AUDIT_SEGMENT_DROPPED && e->type != EV_ERASURE_CHOSEN)
        return;
    for (size_t i = 0; i < e->n_changes; i++) {
        const struct audit_change *f = &e->changes[i];
        struct words w = {.rest = f->after};
        if (str_eq(f->field, S(MONTHS)))
            take_months(c, w);
        else if (str_eq(f->field, S(NOTICE)))
            take_notice(c, w);
        else if (str_has_prefix(f->field, S(REQUEST)))
            take_request(c, str_sub(f->field, sizeof REQUEST - 1, SIZE_MAX), w);
    }
}

/* ---- chosen rows ---- */

bool
custody_is_rows(struct str field)
{
    return str_has_prefix(field, S("workspace ")) || str_has_prefix(field, S("instance "));
}

size_t
custody_rows_put(struct buf *b, const struct custody_row *v, size_t n, size_t bytes)
{
    size_t i = 0, from = b->n;
    while (i < n && b->n - from + 64 < bytes) {
        size_t k = i + 1;
        while (k < n && v[k].idx == v[k - 1].idx + 1 && v[k].part == v[i].part)
            k++;
        buf_fmt(b, "%s%lld", i ? "," : "", (long long)v[i].idx);
        if (k > i + 1)
            buf_fmt(b, "-%lld", (long long)v[k - 1].idx);
        buf_fmt(b, ":%d", v[i].part);
        i = k;
    }
    return i;
}

bool
custody_rows_next(struct str *rest, int64_t *first, int64_t *last, int *part)
{
    struct str run = STR_NULL, from = STR_NULL, indices = STR_NULL;
    int64_t p = 0;
    if (!str_cut(rest, ',', &run) || !str_cut(&run, ':', &indices) || str_int64(run, &p) != OK ||
        p < 0 || p > 7 || !str_cut(&indices, '-', &from) || str_int64(from, first) != OK)
        return false;
    *part = (int)p;
    *last = *first;
    if (!str_is_null(indices) && str_int64(indices, last) != OK)
        return false;
    return *first >= 0 && *last >= *first && *last < INT64_C(1) << EPOCH_SHIFT;
}

/* ---- refusing ---- */

struct refusal {
    struct str why;
};

static enum err
record_refusal(struct cx *cx, void *arg)
{
    const struct refusal *r = arg;
    struct audit_entry e = {.event = EV_AUDIT_DAMAGED,
                            .outcome = OUTCOME_FAILURE,
                            .instance = !cx->tenant.known,
                            .target_kind = S("audit"),
                            .text = r->why};
    return audit_record(cx, &e, NULL);
}

/* One event a process and reason: what stays so is tried, and refused, again and again. */
static bool
is_told(struct audit *au, struct str why)
{
    uint64_t hash = str_hash(why) | 1;
    pthread_mutex_lock(&au->lock);
    bool told = false;
    for (size_t i = 0; i < REFUSALS && !told; i++)
        told = au->refused[i] == hash;
    if (!told) {
        memmove(&au->refused[1], &au->refused[0], (REFUSALS - 1) * sizeof au->refused[0]);
        au->refused[0] = hash;
    }
    pthread_mutex_unlock(&au->lock);
    return told;
}

void
custody_refuse(struct cx *cx, struct str why)
{
    struct refusal r = {why};
    struct cx own = *cx;
    own.failure = (struct failure){0};
    log_error("audit.refused", LOG_STR("why", why));
    if (!is_told(cx->app->audit, why) && cx_write(&own, record_refusal, &r) != OK)
        log_warn("audit.refusal_unrecorded", LOG_STR("store", db_last_error()));
}
