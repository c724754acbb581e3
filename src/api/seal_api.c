/* GET /api/v2/auditlog/seal: whether the log can be trusted at this moment, in one word, and what
 * that rests on: the newest checkpoint, who cosigned it, what the server's check of itself found.
 *
 * red: damage was found, signing stopped because the log is not the one that was signed, or a
 * witness remembers another log.
 * amber: nothing is known to be wrong, but something that would show it is missing or old: of the
 * witnesses, the quorum of their policy.
 * green: neither. */
#include "api/api.h"
#include "api/witness_api.h"
#include "audit/proof.h"
#include "base/text.h"
#include "core/selfcheck.h"
#include "out/cosign.h"

#define SIGNED_WITHIN  USEC_PER_MIN /* a head follows its event within a second */
#define CHECKED_WITHIN (48 * USEC_PER_HOUR)
#define CHECKED_SKEW   USEC_PER_MIN /* of a row that claims more, nobody knows when it was */
#define REASONS_MAX    8            /* one of each kind that judge() knows */

struct seal {
    struct audit_head head;
    bool has_head, behind; /* behind: events wait for a checkpoint longer than they should */
    struct selfcheck_state check;
    struct witnesses w;
    struct ground {
        const char
            *alarm; /* what kind of wrong it is, for programs; NULL: it makes the seal amber */
        struct str text;
    } reason[REASONS_MAX];
    size_t n;
    bool red;
};

static void
reason(struct seal *s, const char *alarm, struct str text)
{
    if (s->n == REASONS_MAX)
        BUG("more reasons than there are");
    s->reason[s->n++] = (struct ground){alarm, text};
    s->red = s->red || alarm != NULL;
}

static enum err
read_seal(struct cx *cx, void *arg)
{
    struct seal *s = arg;
    enum err e = audit_head_get(cx, cx->tenant.id, -1, &s->head);

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    s->has_head = e == OK;
    TRY(witnesses_look(cx, s->has_head ? &s->head : NULL, &s->w));
    return selfcheck_get(cx, false, &s->check);
}

static enum err
take_logged(void *arg, const struct audit_event *e)
{
    *(int64_t *)arg = e->logged;
    return OK;
}

/* How long the oldest event waits that no head covers: the head of a quiet log may be as old as it likes. The
 * head is read after the end of the log, so that an event between the two is no delay. */
static void
look_at_head(struct cx *cx, struct seal *s, int64_t newest)
{
    struct audit_event first = {.epoch = audit_cursor_epoch(newest)};
    int64_t position, logged = 0;

    if (newest < 0)
        return;
    if (s->has_head && s->head.log.epoch == first.epoch)
        first.index = s->head.size;
    position = audit_cursor(&first);
    s->behind = newest >= position &&
                (audit_walk_read(cx, cx->tenant.id, &position, 1, take_logged, &logged) != OK ||
                 cx->now - logged > SIGNED_WITHIN);
}

static void
judge_witnesses(struct cx *cx, struct seal *s)
{
    const struct witnesses *w = &s->w;

    for (size_t i = 0; i < w->view.n; i++)
        if (w->v[i].known.state == WITNESS_CONTRADICTS) {
            reason(s, "witness",
                   arena_fmt(cx->arena, "The witness %.*s contradicts the log: %.*s.",
                             STR_ARG(w->v[i].name), STR_ARG(w->v[i].known.why)));
            break;
        }
    if (!str_is_null(w->view.refused))
        reason(s, NULL,
               arena_fmt(cx->arena,
                         "The changed policy of witnesses is refused, the one before holds: %.*s.",
                         STR_ARG(w->view.refused)));
    if (w->view.n > 0 && !w->sent)
        reason(s, NULL, S("The policy of witnesses does not name this log: none is asked."));
    else if (w->quorum.met && !w->quorum.none)
        return;
    else if (w->view.n > 0 && !w->quorum.none)
        reason(s, NULL,
               arena_fmt(cx->arena,
                         "The quorum of witnesses has not cosigned within 24 hours: %.*s.",
                         STR_ARG(w->quorum.missing)));
    else if (w->quorum.newest == 0)
        reason(s, NULL, S("No independent witness has cosigned a checkpoint."));
    else if (cx->now - w->quorum.newest > COSIGNED_WITHIN)
        reason(s, NULL, S("The last cosignature of a witness is older than 24 hours."));
}

static void
judge(struct cx *cx, struct seal *s)
{
    const struct selfcheck_state *c = &s->check;

    if (c->n > 0)
        reason(s, "damage", S("The server's check of the log found damage."));
    else if (c->total > 0)
        reason(s, "elsewhere",
               S("The server's check found damage in the log of another workspace."));
    if (audit_signing_stopped(cx->app))
        reason(s, "signing",
               S("The log is not the one this server has signed: nothing is signed until this is "
                 "mended."));
    if (!s->has_head)
        reason(s, NULL, S("The log has no signed checkpoint yet."));
    else if (s->behind)
        reason(s, NULL, S("Events wait for a signed checkpoint longer than they should."));
    if (c->completed_at == 0)
        reason(s, NULL, S("The server has not checked the whole log yet."));
    else if (c->completed_at > cx->now + CHECKED_SKEW)
        reason(s, NULL, S("The last check of the whole log is told for a time to come."));
    else if (cx->now - c->completed_at > CHECKED_WITHIN)
        reason(s, NULL, S("The last check of the whole log is older than 48 hours."));
    judge_witnesses(cx, s);
}

/* ---- encoding ---- */

static void
kv_time(struct json_writer *w, struct arena *a, const char *name, int64_t t)
{
    json_key(w, str_of(name));
    if (t)
        json_str(w, time_iso(a, t));
    else
        json_null(w);
}

static int64_t
contradicting(const struct witnesses *w)
{
    int64_t n = 0;

    for (size_t i = 0; i < w->view.n; i++)
        n += w->v[i].known.state == WITNESS_CONTRADICTS;
    return n;
}

static void
write_checkpoint(struct json_writer *w, struct cx *cx, const struct seal *s)
{
    struct arena *a = cx->arena;

    json_key(w, S("checkpoint"));
    if (!s->has_head) {
        json_null(w);
    } else {
        json_begin_object(w);
        json_kv_str(w, "origin", s->head.origin);
        json_kv_i64(w, "size", s->head.size);
        json_kv_str(w, "root", hex_in(a, sha256_str(&s->head.root)));
        kv_time(w, a, "signed_at", s->head.signed_at);
        json_end_object(w);
    }
    json_key(w, S("witnesses"));
    json_begin_object(w);
    json_kv_i64(w, "configured", (int64_t)s->w.view.n);
    kv_time(w, a, "cosigned_at", s->w.quorum.newest);
    json_kv_i64(w, "contradicting", contradicting(&s->w));
    json_end_object(w);
}

static void
write_finding(struct json_writer *w, struct arena *a, const struct selfcheck_finding *f)
{
    const struct verify_finding of = {f->log, f->origin, f->index, f->what, f->expected, f->found};

    json_begin_object(w);
    verify_finding_json(w, &of);
    kv_time(w, a, "first_found_at", f->first_at);
    kv_time(w, a, "last_found_at", f->last_at);
    json_end_object(w);
}

static void
write_check(struct json_writer *w, struct arena *a, const struct selfcheck_state *c)
{
    json_key(w, S("self_check"));
    json_begin_object(w);
    kv_time(w, a, "last_complete", c->completed_at);
    json_kv_i64(w, "last_complete_events", c->completed_events);
    kv_time(w, a, "running_since", c->started_at);
    json_kv_i64(w, "running_position", c->events);
    json_kv_i64(w, "findings_total", c->total);
    json_key(w, S("findings"));
    json_begin_array(w);
    for (size_t i = 0; i < c->n; i++)
        write_finding(w, a, &c->v[i]);
    json_end_array(w);
    json_end_object(w);
}

/* Why it is red, for those who show it elsewhere. */
static void
write_alarms(struct json_writer *w, const struct seal *s)
{
    json_key(w, S("alarms"));
    json_begin_array(w);
    for (size_t i = 0; i < s->n; i++) {
        if (s->reason[i].alarm == NULL)
            continue;
        json_begin_object(w);
        json_kv_str(w, "kind", str_of(s->reason[i].alarm));
        json_kv_str(w, "text", s->reason[i].text);
        json_end_object(w);
    }
    json_end_array(w);
}

static enum err
seal_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct arena *a = rq->cx->arena;
    struct seal s = {0};
    int64_t newest = audit_newest(rq->cx->app, rq->cx->tenant.id, false);

    TRY(cx_read(rq->cx, read_seal, &s));
    look_at_head(rq->cx, &s, newest);
    judge(rq->cx, &s);
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_object(w);
    json_kv_str(w, "state", s.red ? S("red") : s.n ? S("amber") : S("green"));
    json_key(w, S("reasons"));
    json_begin_array(w);
    for (size_t i = 0; i < s.n; i++)
        json_str(w, s.reason[i].text);
    json_end_array(w);
    write_alarms(w, &s);
    write_checkpoint(w, rq->cx, &s);
    write_check(w, a, &s.check);
    json_kv_bool(w, "signing_stopped", audit_signing_stopped(rq->cx->app));
    json_kv_bool(w, "clock_held", audit_drops_held(rq->cx->app));
    json_end_object(w);
    json_end_object(w);
    return OK;
}

const struct route seal_routes[] = {{.method = HTTP_GET,
                                     .path = "/api/v2/auditlog/seal",
                                     .who = WHO_PERMISSION,
                                     .permission = PERM_AUDIT_VIEW,
                                     .tx = TX_NONE,
                                     .summary = "Whether the log can be trusted now, and why",
                                     .apply = seal_apply},
                                    {0}};
