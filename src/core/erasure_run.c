/* Running an approved erasure, slice by slice: a job that works for a moment, notes where it stands
 * and queues itself again, so that mails and other jobs go on and a crash costs one slice. */
#include "core/erasure.h"

#include "base/log.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "core/erasure_wal.h"
#include "core/hold.h"
#include "core/trail.h"
#include "core/user.h"
#include "run/app.h"
#include "run/keys.h"

#define SLICE_US     (2 * USEC_PER_SEC)
#define PASS_US      (500 * USEC_PER_MS) /* of one pass between two notes */
#define ROUNDS_MAX   4                   /* of learning names: each may bring up further accounts */
#define AGAIN_US     (5 * USEC_PER_SEC)  /* while a reader or another process is in the way */
#define FAILED_US    USEC_PER_MIN        /* after a failure: the disk may be full */
#define HELD_US      USEC_PER_HOUR       /* while a legal hold stands */
#define COPIES_MAX   200
#define NAMED_MAX    50
#define RESULT_MAX   ((size_t)1 << 20)
#define FACTS_MAX    8    /* of what the log tells again (custody_facts) */
#define RANGES_BYTES 1900 /* of the index ranges in the event; the request keeps all */

struct run {
    struct erasure e;
    struct erase_subject who;
    struct erase_place at;
    int64_t round;
    struct erase_scrubbed rewriting;
    bool grew;
    /* for the record */
    struct erase_summary sum;
    struct str result;
};

/* ---- what is kept between slices ---- */

static bool
next_number(struct str *rest, int64_t *out)
{
    struct str part;

    return str_cut(rest, ' ', &part) && str_int64(part, out) == OK;
}

static void
read_cursor(struct run *r)
{
    struct str rest = r->e.cursor;
    int64_t log = 0, grew = 0;

    r->at = (struct erase_place){.looked_at = r->e.looked_at, .total = r->e.total};
    if (!next_number(&rest, &log) || !next_number(&rest, &r->at.position) ||
        !next_number(&rest, &r->round) || !next_number(&rest, &grew) ||
        !next_number(&rest, &r->rewriting.unit) || !next_number(&rest, &r->rewriting.horizon)) {
        r->rewriting = (struct erase_scrubbed){0};
        r->at.position = r->round = log = grew = 0;
    }
    r->at.log = (int)log;
    r->grew = grew != 0;
}

static enum err
load(struct cx *cx, void *arg)
{
    struct run *r = arg;

    TRY(erasure_get(cx, r->e.cuid, &r->e));
    if (!str_eq(r->e.state, S("running")))
        return OK;
    TRY(erasure_subject(cx, &r->e, &r->who));
    read_cursor(r);
    return OK;
}

static enum err
write_row(struct cx *cx, struct run *r)
{
    static const struct sql q = SQL_WRITE(
        "audit_erasure_request",
        "UPDATE audit_erasure_request SET step = $3, cursor = $4, looked_at = $5, total = $6,"
        " subject = $7, events = $8, result = $9 WHERE tenant_id = $1 AND cuid = $2"
        " AND state = 'running'");
    struct str cursor = arena_fmt(cx->arena, "%d %lld %lld %d %lld %lld", r->at.log,
                                  (long long)r->at.position, (long long)r->round, r->grew,
                                  (long long)r->rewriting.unit, (long long)r->rewriting.horizon);

    return db_exec(cx->tx, &q,
                   ARGS(V_INT(cx->tenant.id), V_STR(r->e.cuid), V_INT(r->e.step), V_STR(cursor),
                        V_INT(r->at.looked_at), V_INT(r->at.total),
                        V_STR(erasure_seal(cx, &r->who)), V_INT(r->e.events), V_STR(r->e.result)),
                   NULL);
}

static enum err
save(struct cx *cx, void *arg)
{
    audit_cover(cx, REASON_ERASURE_STEP);
    return write_row(cx, arg);
}

static void
next_step(struct run *r)
{
    r->e.step++;
    r->at = (struct erase_place){0};
    r->round = 0;
    r->rewriting = (struct erase_scrubbed){0};
    r->grew = false;
}

/* ---- people of the same name ---- */

static enum err
namesakes(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT cuid, first, last FROM user_account WHERE tenant_id = $1");
    struct run *r = arg;
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id)), &rows));
    while ((e = db_next(rows)) == OK) {
        struct erase_words one = {0};

        (void)erase_words_add_folded(cx->arena, &one,
                                     user_full_name(cx->arena, db_text(rows, 1), db_text(rows, 2)));
        for (size_t i = 0; i < r->who.names.n; i++)
            if (one.n && str_eq(r->who.names.v[i], one.v[0]))
                (void)erase_words_add(cx->arena, &r->who.others, db_text(rows, 0));
    }
    return e == ERR_END ? OK : e;
}

/* ---- passes ---- */

static enum err
learn(struct cx *cx, struct run *r)
{
    bool grew = false;

    TRY(erase_learn(cx, &r->who, PASS_US, &r->at, &grew));
    r->grew = r->grew || grew;
    if (!r->at.done)
        return OK;
    if (r->grew && r->round + 1 < ROUNDS_MAX) { /* what was learnt may lead on */
        r->round++;
        r->at = (struct erase_place){0};
        r->grew = false;
        return OK;
    }
    next_step(r);
    return OK;
}

static enum err
erase(struct cx *cx, struct run *r)
{
    TRY(cx_read(cx, namesakes, r));
    TRY(erase_events(cx, &r->who, PASS_US, &r->at));
    if (r->at.done)
        next_step(r);
    return OK;
}

static enum err
reindex(struct cx *cx, struct run *r)
{
    TRY(erase_reindex(cx, &r->who, PASS_US, &r->at));
    if (r->at.done)
        next_step(r);
    return OK;
}

/* ---- the rest of the main store ---- */

struct row {
    struct str key;
    struct row *next;
};

typedef bool (*match_fn)(struct arena *scratch, const struct erase_subject *s, struct str text);

/* Rows of a statement (key, text, text …) whose texts name him. */
static enum err
rows_naming(struct cx *cx, const struct run *r, const struct sql *q, int texts, match_fn match,
            struct row **out)
{
    struct arena *scratch = arena_create("erasure.rows", (size_t)64 << 20);
    struct db_rows *rows;
    enum err e = db_query(cx->tx, q, ARGS(V_INT(cx->tenant.id)), &rows);

    *out = NULL;
    while (e == OK && (e = db_next(rows)) == OK) {
        bool named = false;

        arena_reset(scratch);
        for (int i = 1; i <= texts && !named; i++)
            named = match(scratch, &r->who, db_text(rows, i));
        if (named) {
            struct row *x = arena_new(cx->arena, struct row);

            *x = (struct row){arena_str(cx->arena, db_text(rows, 0)), *out};
            *out = x;
        }
    }
    arena_free(scratch);
    return e == ERR_END ? OK : e;
}

static enum err
remove_naming(struct cx *cx, const struct run *r, const struct sql *read, int texts, match_fn match,
              const struct sql *remove)
{
    struct row *x;

    TRY(rows_naming(cx, r, read, texts, match, &x));
    for (; x; x = x->next)
        TRY(db_exec(cx->tx, remove, ARGS(V_INT(cx->tenant.id), V_STR(x->key)), NULL));
    return OK;
}

/* Mails that wait are sealed; one to him, or about him, is not sent any more. */
static enum err
drop_mails(struct cx *cx, const struct run *r)
{
    static const struct sql read =
        SQL_READ("SELECT job_id, args FROM job WHERE tenant_id = $1 AND kind = 'mail'"
                 " AND args <> ''");
    static const struct sql drop = SQL_WRITE(
        "job", "UPDATE job SET state = 'failed', args = '' WHERE tenant_id = $1 AND job_id = $2");
    struct db_rows *rows;
    int64_t ids[1000];
    size_t n = 0;
    enum err e;

    TRY(db_query(cx->tx, &read, ARGS(V_INT(cx->tenant.id)), &rows));
    while ((e = db_next(rows)) == OK && n < sizeof ids / sizeof ids[0]) {
        struct buf *b = buf_in(cx->arena, (size_t)2 << 20);
        struct str plain;

        if (base64url_get(db_text(rows, 1), b) == OK &&
            keys_unseal(cx->arena, cx->app->keys, buf_view(b), &plain) == OK &&
            erase_is_named(cx->arena, &r->who, plain))
            ids[n++] = db_int(rows, 0);
    }
    if (e != ERR_END) {
        db_rows_end(rows);
        if (e != OK)
            return e;
    }
    for (size_t i = 0; i < n; i++)
        TRY(db_exec(cx->tx, &drop, ARGS(V_INT(cx->tenant.id), V_INT(ids[i])), NULL));
    return OK;
}

#define GONE(table)                                                                                \
    " WHERE tenant_id = $1 AND user_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM user_account u"   \
    " WHERE u.tenant_id = " table ".tenant_id AND u.user_id = " table ".user_id)"

static enum err
clean(struct cx *cx, const struct run *r)
{
    static const struct sql views =
        SQL_READ("SELECT session, first_query, last_query FROM audit_view WHERE tenant_id = $1");
    static const struct sql drop_view =
        SQL_WRITE("audit_view", "DELETE FROM audit_view WHERE tenant_id = $1 AND session = $2");
    static const struct sql notices =
        SQL_READ("SELECT id, message FROM notification WHERE tenant_id = $1");
    static const struct sql drop_notice =
        SQL_WRITE("notification", "DELETE FROM notification WHERE tenant_id = $1 AND id = $2");
    /* What hangs on accounts that are gone went with them; rows of a race are taken here. */
    static const struct sql left[] = {
        SQL_WRITE("audit_view", "DELETE FROM audit_view" GONE("audit_view")),
        SQL_WRITE("notification", "DELETE FROM notification" GONE("notification")),
        SQL_WRITE("one_time_link", "DELETE FROM one_time_link" GONE("one_time_link")),
        SQL_WRITE("login_challenge", "DELETE FROM login_challenge" GONE("login_challenge"))};

    TRY(remove_naming(cx, r, &views, 2, erase_is_searched, &drop_view));
    TRY(remove_naming(cx, r, &notices, 1, erase_is_named, &drop_notice));
    TRY(drop_mails(cx, r));
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
        TRY(db_exec(cx->tx, &left[i], ARGS(V_INT(cx->tenant.id)), NULL));
    return OK;
}

/* ---- who holds copies ---- */

static enum err
put_copies(struct cx *cx, struct json_writer *w, enum event ev, bool instance, const char *kind,
           int64_t since, bool *more)
{
    struct audit_query q = {.tenant_id = cx->tenant.id,
                            .instance = instance,
                            .event = ev,
                            .from = since,
                            .outcome = -1,
                            .after = -1,
                            .before = -1,
                            .limit = COPIES_MAX,
                            .ascending = true,
                            .budget_ms = 10000};
    struct audit_page page = {0};

    TRY(audit_list(cx, &q, &page));
    for (size_t i = 0; i < page.n; i++) {
        json_begin_object(w);
        json_kv_str(w, "kind", str_of(kind));
        json_kv_str(w, "at", time_iso(cx->arena, page.events[i].at));
        json_kv_str(w, "what", page.events[i].text);
        json_end_object(w);
    }
    *more = *more || page.more;
    return OK;
}

struct naming {
    const struct run *r;
    struct row *clients;
};

static enum err
clients_naming(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT name, name, poc, poc_email, description FROM client"
                 " WHERE tenant_id = $1 ORDER BY name DESC");
    struct naming *n = arg;

    return rows_naming(cx, n->r, &q, 4, erase_is_named, &n->clients);
}

static void
put_ranges(struct json_writer *w, const struct erase_summary *s)
{
    json_key(w, S("ranges"));
    json_begin_array(w);
    for (size_t i = 0; i < s->n_runs; i++) {
        json_begin_object(w);
        json_kv_str(w, "log", s->runs[i].instance ? S("instance") : S("workspace"));
        json_kv_i64(w, "epoch", s->runs[i].epoch);
        json_kv_i64(w, "first", s->runs[i].first);
        json_kv_i64(w, "last", s->runs[i].last);
        json_end_object(w);
    }
    json_end_array(w);
    json_kv_bool(w, "more_ranges", s->more_runs);
}

/* What was erased, and who may still hold it: to be told, not claimed to be gone. */
static enum err
put_result(struct cx *cx, struct run *r)
{
    struct buf *b = buf_in(cx->arena, RESULT_MAX);
    struct naming named = {.r = r};
    struct json_writer w;
    bool more = false;
    int n = 0;

    TRY(cx_read(cx, clients_naming, &named));
    json_writer_init(&w, b);
    json_begin_object(&w);
    put_ranges(&w, &r->sum);
    json_key(&w, S("copies"));
    json_begin_array(&w);
    if (r->sum.first_at) {
        TRY(put_copies(cx, &w, EV_BACKUP_CREATED, true, "backup", r->sum.first_at, &more));
        TRY(put_copies(cx, &w, EV_AUDIT_EXPORTED, false, "export", r->sum.first_at, &more));
    }
    json_end_array(&w);
    json_kv_bool(&w, "more_copies", more);
    json_key(&w, S("still_named"));
    json_begin_array(&w);
    for (struct row *x = named.clients; x && n < NAMED_MAX; x = x->next, n++)
        json_str(&w, x->key);
    json_end_array(&w);
    json_end_object(&w);
    if (buf_failed(b))
        return ERR_TOO_LARGE;
    r->e.result = buf_view(b);
    return OK;
}

static struct str
ranges_text(struct cx *cx, const struct erase_summary *s)
{
    struct buf *b = buf_in(cx->arena, RANGES_BYTES + 256);

    for (size_t i = 0; i < s->n_runs && b->n < RANGES_BYTES; i++) {
        const struct erase_run *x = &s->runs[i];

        buf_fmt(b, "%s%s", i ? ", " : "", x->instance ? "instance " : "");
        if (x->epoch > 0)
            buf_fmt(b, "%lld:", (long long)x->epoch);
        buf_fmt(b, "%lld", (long long)x->first);
        if (x->last > x->first)
            buf_fmt(b, "-%lld", (long long)x->last);
        if (b->n >= RANGES_BYTES)
            buf_cstr(b, " …");
    }
    return b->n ? buf_view(b) : S("");
}

static struct str
digest_of(struct cx *cx, struct str text)
{
    struct sha256 h = sha256_of(text);

    return hex_in(cx->arena, sha256_str(&h));
}

static enum err
record_erased(struct cx *cx, void *arg)
{
    struct run *r = arg;
    struct str label = erased_label(cx->arena, r->e.person);
    struct trail t = {0};
    struct audit_entry e = {.event = EV_PERSON_ERASED,
                            .target_kind = S("person"),
                            .target_id = r->e.person,
                            .target_name = label};

    trail_note(cx, &t, S("events"), STR_NULL,
               arena_fmt(cx->arena, "%lld", (long long)r->sum.events));
    trail_note(cx, &t, S("indices"), STR_NULL, ranges_text(cx, &r->sum));
    trail_note(cx, &t, S("reason"), STR_NULL, r->e.reason);
    trail_note(cx, &t, S("legal ground"), STR_NULL, r->e.legal_ground);
    trail_note(cx, &t, S("asked by"), STR_NULL, r->e.asked_by_name);
    trail_note(cx, &t, S("approved by"), STR_NULL, r->e.approved_by_name);
    trail_note(cx, &t, S("request"), STR_NULL, r->e.cuid);
    trail_note(cx, &t, S("result"), STR_NULL, digest_of(cx, r->e.result));
    e.text = arena_fmt(cx->arena,
                       "A person was erased from the audit log: the personal part of %lld events "
                       "was removed (%.*s)",
                       (long long)r->sum.events, STR_ARG(label));
    e.changes = t.v;
    e.n_changes = t.n;
    TRY(clean(cx, r));
    TRY(audit_record(cx, &e, NULL));
    r->e.events = r->sum.events;
    r->e.step = ERASURE_SCRUB;
    r->rewriting = (struct erase_scrubbed){0};
    return write_row(cx, r);
}

static enum err
tell(struct cx *cx, struct run *r)
{
    TRY(erase_sum_up(cx, &r->who, &r->sum));
    TRY(put_result(cx, r));
    return cx_write(cx, record_erased, r);
}

/* ---- the end ---- */

static enum err
finish(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_WRITE(
        "audit_erasure_request",
        "UPDATE audit_erasure_request SET state = 'done', step = $3, subject = '', ended_at = $4"
        " WHERE tenant_id = $1 AND cuid = $2 AND state = 'running'");
    const struct run *r = arg;

    audit_cover(cx, REASON_ERASURE_STEP);
    TRY(erasure_wal_mark(cx));
    return db_exec(
        cx->tx, &q,
        ARGS(V_INT(cx->tenant.id), V_STR(r->e.cuid), V_INT(ERASURE_FINISHED), V_INT(cx->now)),
        NULL);
}

static enum err
scrub(struct cx *cx, struct run *r)
{
    enum err e = erase_scrub(cx, &r->who, &r->rewriting);

    if (e == ERR_CONFLICT) { /* how far it came is kept, and so is why it waits */
        struct failure why = cx->failure;

        TRY(cx_write(cx, save, r));
        cx->failure = why;
    }
    if (e != OK || !r->rewriting.done)
        return e;
    r->e.step = ERASURE_FINISHED;
    TRY(cx_write(cx, finish, r));
    if (erasure_wal_step(cx) != OK) { /* the periodic process goes on */
        log_warn("erasure.wal", LOG_STR("why", cx->failure.message));
        fail_clear(cx);
    }
    return OK;
}

static enum err
one_pass(struct cx *cx, struct run *r)
{
    switch ((enum erasure_step)r->e.step) {
    case ERASURE_LEARN:
        return learn(cx, r);
    case ERASURE_EVENTS:
        return erase(cx, r);
    case ERASURE_INDEX:
        return reindex(cx, r);
    case ERASURE_RECORD:
        return tell(cx, r);
    case ERASURE_SCRUB:
        return scrub(cx, r);
    case ERASURE_FINISHED:
        break;
    }
    return OK;
}

/* A hold placed since the approval stops what has not begun to erase. */
static enum err
may_begin(struct cx *cx, void *arg)
{
    int64_t *holds = arg;

    return hold_count(cx, holds);
}

static enum err
holds_stand(struct cx *cx, const struct run *r)
{
    int64_t holds = 0;

    if (r->e.step > ERASURE_EVENTS || r->at.position != 0 || r->at.log != 0)
        return OK;
    TRY(cx_read(cx, may_begin, &holds));
    return holds == 0 ? OK : fail_word(cx, ERR_CONFLICT, S("legal_hold"), "A legal hold stands");
}

/* ---- what the log says of it ---- */

static enum err
refuse(struct cx *cx, const struct run *r, const char *why)
{
    custody_refuse(cx, arena_fmt(cx->arena, "The erasure %.*s is not carried out: %s",
                                 STR_ARG(r->e.cuid), why));
    return fail_word(cx, ERR_CONFLICT, S("unrecorded"), "The erasure is not carried out: %s", why);
}

/* A row alone erases nobody: it was asked for, approved and not told as done yet by the log, and is where
 * its row says. */
static enum err
log_allows(struct cx *cx, struct run *r)
{
    const struct custody_request *q;
    struct audit_change *facts = arena_array(cx->arena, struct audit_change, FACTS_MAX);
    struct custody c;

    TRY(custody_read(cx, cx->tenant.id, &c));
    q = custody_request_of(&c, r->e.cuid, r->e.person, r->e.asked_at);
    if (!q || !str_eq(q->person, r->e.person))
        return refuse(cx, r, "the log holds no such request");
    if (!custody_is_approved(q))
        return refuse(cx, r,
                      "the log holds neither the approval of a second administrator nor seven "
                      "days of waiting");
    if ((r->e.step == ERASURE_SCRUB) != (q->told_at != 0))
        return refuse(cx, r, "the log does not say what its row says of how far it is");
    if (q->told_at == 0 && q->n_choices == 0 && custody_standing(&c))
        return refuse(cx, r, "by the log a legal hold stands, which its table does not say");
    r->who.n_facts = custody_facts(&c, cx->arena, INT64_MAX, facts, FACTS_MAX);
    r->who.facts = facts;
    return OK;
}

static enum err
run_passes(struct cx *cx, struct run *r, int64_t deadline)
{
    while (r->e.step != ERASURE_FINISHED && clock_monotonic() < deadline) {
        TRY(holds_stand(cx, r));
        TRY(one_pass(cx, r));
        cx->now = app_now(cx->app);
        if (r->e.step != ERASURE_FINISHED)
            TRY(cx_write(cx, save, r));
    }
    return OK;
}

enum err
erasure_run(struct cx *cx, struct str cuid, int64_t budget_us, bool *more)
{
    struct run *r = arena_new(cx->arena, struct run);
    enum err e;

    r->e.cuid = cuid;
    *more = false;
    TRY(cx_read(cx, load, r));
    if (!str_eq(r->e.state, S("running")))
        return OK;
    e = holds_stand(cx, r);
    if (e == OK)
        e = log_allows(cx, r);
    if (e == OK)
        e = run_passes(cx, r, clock_monotonic() + budget_us);
    *more = r->e.step != ERASURE_FINISHED;
    return e;
}

/* ---- the job ---- */

struct again {
    struct str cuid;
    int64_t at;
};

static enum err
queue_again(struct cx *cx, void *arg)
{
    const struct again *a = arg;

    return job_queue(cx, "erasure", a->cuid, a->at);
}

static enum err
run_job(struct cx *cx, struct str args)
{
    struct again next = {args, 0};
    bool more = false;
    enum err e = erasure_run(cx, args, SLICE_US, &more);
    bool held =
        str_eq(cx->failure.word, S("legal_hold")) || str_eq(cx->failure.word, S("unrecorded"));

    if (e != OK && e != ERR_CONFLICT)
        log_warn("erasure.failed", LOG_STR("request", args), LOG_STR("why", cx->failure.message),
                 LOG_STR("store", db_last_error()));
    if (e == ERR_NOT_FOUND || (e == OK && !more))
        return OK;
    fail_clear(cx);
    next.at = app_now(cx->app) + (e == OK             ? 0
                                  : held              ? HELD_US
                                  : e == ERR_CONFLICT ? AGAIN_US
                                                      : FAILED_US);
    return cx_write(cx, queue_again, &next);
}

void
erasure_register(struct jobs *j)
{
    jobs_register(j, "erasure", LANE_INSIDE, run_job);
}
