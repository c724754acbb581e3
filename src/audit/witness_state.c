/* How witnesses stand to our logs: what came of asking them, kept in audit_witness, and told in the log
 * concerned when it changes. Owns that table. Speaks to nobody: that is out/cosign.c.
 *
 * A witness is a stranger, and its answers must not fill the log or the disk: a row is written when its
 * state changes, else at most once a minute, and a log gets at most AUDIT_WITNESS_TOLD events an hour
 * of one witness; what changes meanwhile is told when the hour is over, if it still holds. A failure is
 * told when it is met a second time in a row: one lost connection is nobody's business. */
#include "audit/note_priv.h"
#include "audit/priv.h"
#include "audit/witness_priv.h"

#define TOLD_HOUR USEC_PER_HOUR

/* ---- what becomes of it ---- */

static enum event
event_of(enum audit_witness_state s)
{
    switch (s) {
    case WITNESS_COSIGNS:
        return EV_WITNESS_RECOVERED;
    case WITNESS_FAILS:
        return EV_WITNESS_FAILS;
    case WITNESS_CONTRADICTS:
        return EV_WITNESS_CONTRADICTS;
    case WITNESS_UNKNOWN:
        break;
    }
    return EVENT_NONE;
}

/* Whether the state is worth an event, were there room for one. */
static bool
is_to_be_told(const struct audit_witness *was, enum audit_witness_state now)
{
    if (now == was->told)
        return false;
    if (now == WITNESS_COSIGNS)
        return was->told != WITNESS_UNKNOWN;
    return now == WITNESS_CONTRADICTS || was->state == now;
}

enum event
witness_judge(const struct audit_witness *was, enum audit_witness_state came, int64_t now,
              struct audit_witness *out, bool *due)
{
    struct audit_witness x = *was;
    enum event told = EVENT_NONE;

    /* Who contradicts the log does not take it back by falling silent. */
    if (came != WITNESS_FAILS || was->state != WITNESS_CONTRADICTS)
        x.state = came;
    if (x.state != was->state)
        x.since = now;
    x.asked_at = now;
    *(came == WITNESS_COSIGNS ? &x.good_at : &x.failed_at) = now;
    if (now - x.told_from >= TOLD_HOUR || now < x.told_from) {
        x.told_from = now;
        x.told_n = 0;
    }
    if (is_to_be_told(was, x.state) && x.told_n < AUDIT_WITNESS_TOLD) {
        told = event_of(x.state);
        x.told = x.state;
        x.told_n++;
    }
    *due = told != EVENT_NONE || x.state != was->state ||
           now - was->asked_at >= AUDIT_WITNESS_EVERY || now < was->asked_at;
    *out = x;
    return told;
}

/* ---- the store ---- */

static const struct sql get_witness =
    SQL_READ("SELECT state, since, asked_at, good_at, failed_at, why, told, told_from, told_n"
             " FROM audit_witness WHERE tenant_id = $1 AND epoch = $2 AND witness = $3");
static const struct sql put_witness = SQL_WRITE(
    "audit_witness",
    "INSERT INTO audit_witness (tenant_id, epoch, witness, state, since, asked_at, good_at,"
    " failed_at, why, told, told_from, told_n) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
    " $11, $12) ON CONFLICT (tenant_id, epoch, witness) DO UPDATE SET state = excluded.state,"
    " since = excluded.since, asked_at = excluded.asked_at, good_at = excluded.good_at,"
    " failed_at = excluded.failed_at, why = excluded.why, told = excluded.told,"
    " told_from = excluded.told_from, told_n = excluded.told_n");

struct reading {
    struct log_id log;
    struct str witness;
    struct audit_witness *out;
};

static enum err
read_witness(struct db_tx *tx, const struct reading *k)
{
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &get_witness,
                     ARGS(V_INT(k->log.tenant_id), V_INT(k->log.epoch), V_STR(k->witness)), &q));
    *k->out = (struct audit_witness){.state = (enum audit_witness_state)db_int(q, 0),
                                     .since = db_int(q, 1),
                                     .asked_at = db_int(q, 2),
                                     .good_at = db_int(q, 3),
                                     .failed_at = db_int(q, 4),
                                     .why = db_is_null(q, 5) ? STR_NULL : db_text_keep(q, 5),
                                     .told = (enum audit_witness_state)db_int(q, 6),
                                     .told_from = db_int(q, 7),
                                     .told_n = db_int(q, 8)};
    db_rows_end(q);
    return OK;
}

static enum err
read_body(struct cx *cx, void *arg)
{
    return read_witness(cx->tx, arg);
}

enum err
audit_witness_get(struct cx *cx, struct log_id log, struct str witness, struct audit_witness *out)
{
    struct audit_witness x = {0};
    struct reading k = {log, witness, &x};
    TRY(cx->tx != NULL ? read_body(cx, &k) : cx_read(cx, read_body, &k));
    *out = x;
    return OK;
}

/* ---- telling ---- */

struct noting {
    struct str name, vkey;
    const struct audit_witness_asked *v;
    size_t n;
    audit_witness_tell tell;
};

static struct str
sentence(struct arena *a, const struct noting *g, enum event ev, struct str why)
{
    if (ev == EV_WITNESS_RECOVERED)
        return arena_fmt(a, "The witness %.*s cosigns the log again", STR_ARG(g->name));
    return arena_fmt(a, "The witness %.*s %s: %.*s", STR_ARG(g->name),
                     ev == EV_WITNESS_CONTRADICTS ? "contradicts the log"
                                                  : "does not cosign the log",
                     STR_ARG(why));
}

static enum err
tell_people(struct cx *cx, const struct noting *g, struct str text)
{
    TRY(audit_act_in(cx, 0)); /* whose mail server it is */
    if (g->tell == NULL || !cx->tenant.known)
        return OK;
    return g->tell(
        cx, S("A witness contradicts the audit log"),
        arena_fmt(cx->arena,
                  "%.*s.\n\nA witness signs only what continues the log it has seen. Unless "
                  "this store was put back from a copy, somebody has changed it. Keep it "
                  "as it is, and look at it with \"recount audit verify --deep\".\n",
                  STR_ARG(text)));
}

static enum err
tell(struct cx *cx, const struct noting *g, const struct audit_witness_asked *x, enum event ev,
     struct str why)
{
    struct audit_change change = {S("witness"), STR_NULL, g->vkey};
    struct audit_entry e = {.event = ev,
                            .outcome =
                                ev == EV_WITNESS_RECOVERED ? OUTCOME_SUCCESS : OUTCOME_FAILURE,
                            .target_kind = S("audit"),
                            .target_name = g->name,
                            .text = sentence(cx->arena, g, ev, why),
                            .changes = &change,
                            .n_changes = 1};
    TRY(audit_act_in(cx, x->log.tenant_id));
    e.instance = !cx->tenant.known;
    TRY(audit_record(cx, &e, NULL));
    return ev == EV_WITNESS_CONTRADICTS ? tell_people(cx, g, e.text) : OK;
}

/* Judged on the row as it is now: another server may have asked meanwhile. */
static enum err
note_one(struct cx *cx, const struct noting *g, const struct audit_witness_asked *x)
{
    struct audit_witness was = {0}, now;
    struct reading k = {x->log, g->vkey, &was};
    bool due = false, kept;
    enum err e = read_witness(cx->tx, &k);

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    enum event ev = witness_judge(&was, x->came, cx->now, &now, &due);
    if (!due)
        return OK;
    /* What the contradiction was stays said, whatever failed since. */
    kept = x->came == WITNESS_COSIGNS ||
           (x->came == WITNESS_FAILS && now.state == WITNESS_CONTRADICTS);
    if (!kept)
        now.why = x->why;
    TRY(db_exec(cx->tx, &put_witness,
                ARGS(V_INT(x->log.tenant_id), V_INT(x->log.epoch), V_STR(g->vkey), V_INT(now.state),
                     V_INT(now.since), V_INT(now.asked_at), V_INT(now.good_at),
                     V_INT(now.failed_at), V_STR(now.why), V_INT(now.told), V_INT(now.told_from),
                     V_INT(now.told_n)),
                NULL));
    return ev == EVENT_NONE ? OK : tell(cx, g, x, ev, now.why);
}

static enum err
note_body(struct cx *cx, void *arg)
{
    const struct noting *g = arg;
    audit_cover(cx, REASON_WITNESS_ASKED);
    for (size_t i = 0; i < g->n; i++)
        TRY(note_one(cx, g, &g->v[i]));
    return OK;
}

enum err
audit_witness_note(struct cx *cx, const struct note_key *witness,
                   const struct audit_witness_asked *v, size_t n, audit_witness_tell tell_all)
{
    struct noting g = {witness->name, note_vkey(cx->arena, witness), v, n, tell_all};
    struct audit_witness ignored;
    bool due = false;
    for (size_t i = 0; i < n && !due; i++)
        (void)witness_judge(&v[i].was, v[i].came, cx->now, &ignored, &due);
    if (!due || audit_is_tight(cx->app))
        return OK;
    return cx_write(cx, note_body, &g);
}
