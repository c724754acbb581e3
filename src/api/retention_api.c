/* What is kept of the log and for how long: window, months, an announced shorter retention, legal
 * holds. JSON ⇄ core/retention.h and core/hold.h, and the mails that go with a change. */
#include "api/retention_api.h"

#include "api/mailer.h"
#include "core/hold.h"
#include "core/retention.h"

/* ---- reading ---- */

struct kept {
    struct audit_month *months;
    size_t n;
};

/* Sizes are asked of files and partitions: not inside a read of the main store. */
static enum err
show_prepare(struct api_request *rq)
{
    struct kept *k = arena_new(rq->cx->arena, struct kept);

    audit_settle(rq->cx->app, 200);
    TRY(audit_months(rq->cx->app, rq->cx->arena, rq->cx->tenant.id, &k->months, &k->n));
    rq->state = k;
    return OK;
}

static void
write_time(struct json_writer *w, struct arena *a, const char *name, int64_t t)
{
    json_key(w, str_of(name));
    if (t == 0)
        json_null(w);
    else
        json_str(w, time_iso(a, t));
}

/* The month that leaves next, and when; nothing leaves while a hold stands. */
static void
write_window(struct api_request *rq, const struct retention *r)
{
    struct json_writer *w = &rq->out;
    struct cx *cx = rq->cx;
    int64_t since, next;

    audit_window(cx->app, cx->now, &since, &next);
    json_kv_i64(w, "months_kept", r->months);
    write_time(w, cx->arena, "since", since);
    write_time(w, cx->arena, "next_drop", audit_window_held(cx->app) ? 0 : next);
    json_kv_bool(w, "held_by_clock_step", audit_drops_held(cx->app));
    json_kv_bool(w, "held", audit_window_held(cx->app));
    json_kv_bool(w, "may_change", cx->tenant.id == 0);
    json_key(w, S("pending"));
    if (r->pending == 0) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    json_kv_i64(w, "months_kept", r->pending);
    write_time(w, cx->arena, "asked_at", r->asked_at);
    json_kv_str(w, "asked_by", r->asked_by);
    write_time(w, cx->arena, "effective_at", r->effective_at);
    json_end_object(w);
}

static enum err
show_apply(struct api_request *rq)
{
    const struct kept *k = rq->state;
    struct json_writer *w = &rq->out;
    struct retention r;

    TRY(retention_get(rq->cx, &r));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_object(w);
    write_window(rq, &r);
    json_key(w, S("months"));
    json_begin_array(w);
    for (size_t i = k->n; i-- > 0;) {
        int32_t m = k->months[i].month;

        json_begin_object(w);
        json_kv_str(w, "month",
                    arena_fmt(rq->cx->arena, "%04d-%02d", (int)(m / 12), (int)(m % 12 + 1)));
        json_kv_i64(w, "events", k->months[i].events);
        json_key(w, S("bytes")); /* of all workspaces together: the installation's business */
        if (rq->cx->tenant.id == 0)
            json_i64(w, k->months[i].bytes);
        else
            json_null(w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

/* ---- changing ---- */

static enum err
tell_announced(struct cx *cx)
{
    struct retention r;
    struct str text;

    TRY(retention_get(cx, &r));
    text =
        arena_fmt(cx->arena,
                  "%.*s (%.*s) announced that the audit log will be kept for %lld instead of %lld "
                  "whole months.\n\nIt takes effect on %.*s. Until then any administrator of the "
                  "first workspace can cancel it: Admin Dashboard, Retention, holds and erasure."
                  "\n",
                  STR_ARG(cx->actor.name), STR_ARG(cx->actor.email), (long long)r.pending,
                  (long long)r.months, STR_ARG(time_iso(cx->arena, r.effective_at)));
    return mailer_tell_administrators(cx, true, S("Recount: the audit log will be kept shorter"),
                                      text);
}

enum err
retention_apply(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    enum retention_step step;
    int64_t months;

    TRY(body_int(rq, rq->body, "months_kept", true, RETENTION_MIN, RETENTION_MAX, &months));
    TRY(retention_set(cx, months, &step));
    if (step == RETENTION_ANNOUNCED) {
        TRY(tell_announced(cx));
        return api_ok(rq, S("Announced: it takes effect in 30 days unless it is cancelled"));
    }
    return api_ok(rq, step == RETENTION_SAME ? S("It is so already") : S("Saved"));
}

static enum err
reload(struct cx *cx, void *arg)
{
    return retention_get(cx, arg);
}

enum err
retention_after(struct api_request *rq)
{
    struct retention r = {0};

    TRY(cx_read(rq->cx, reload, &r));
    audit_set_months_kept(rq->cx->app, (int)r.months);
    return OK;
}

static enum err
cancel_apply(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    int64_t was;

    TRY(retention_cancel(cx, &was));
    TRY(mailer_tell_administrators(
        cx, true, S("Recount: the audit log will not be kept shorter"),
        arena_fmt(cx->arena,
                  "%.*s (%.*s) cancelled that the audit log is kept for %lld whole months only.\n",
                  STR_ARG(cx->actor.name), STR_ARG(cx->actor.email), (long long)was)));
    return api_ok(rq, S("Cancelled"));
}

/* ---- holds ---- */

void
hold_json(struct json_writer *w, struct arena *a, const struct hold *h)
{
    json_begin_object(w);
    json_kv_str(w, "id", h->cuid);
    json_kv_str(w, "reason", h->reason);
    json_kv_str(w, "state", str_of(hold_state(h)));
    write_time(w, a, "until", h->until);
    write_time(w, a, "kept_from", h->kept_from);
    write_time(w, a, "placed_at", h->placed_at);
    json_kv_str(w, "placed_by", h->placed_by_name);
    write_time(w, a, "ended_at", h->ended_at);
    json_kv_str(w, "ended_by", h->ended_by_name);
    json_kv_str(w, "end_reason", h->end_reason);
    json_end_object(w);
}

static enum err
holds_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct holds all;

    TRY(hold_list(rq->cx, &all));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < all.n; i++)
        hold_json(w, rq->cx->arena, &all.v[i]);
    json_end_array(w);
    json_end_object(w);
    return OK;
}

static enum err
place_apply(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct str reason, until;
    struct hold h;
    int64_t t = 0;
    enum err bad = body_str(rq, rq->body, "reason", true, HOLD_REASON_MAX, &reason);

    if (body_str(rq, rq->body, "until", false, 40, &until) != OK)
        bad = ERR_INVALID;
    else if (hold_until_read(until, &t) != OK)
        bad = fail_field(cx, S("/until"), "must be a date like 2027-03-31");
    TRY(bad);
    TRY(hold_place(cx, reason, t, &h));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    hold_json(&rq->out, cx->arena, &h);
    json_end_object(&rq->out);
    return OK;
}

static enum err
release_apply(struct api_request *rq)
{
    struct str reason;

    TRY(body_str(rq, rq->body, "reason", true, HOLD_REASON_MAX, &reason));
    TRY(hold_release(rq->cx, rq->param[0], reason));
    return api_ok(rq, S("Released"));
}

/* The store has it; should the window not be read now, the keeper does within a minute, and no drop
 * is recorded without asking the store again. */
static enum err
holds_after(struct api_request *rq)
{
    return audit_refresh_holds(rq->cx->app);
}

#define BASE "/api/v2/auditlog"
#define MAY  .who = WHO_PERMISSION, .permission = PERM_AUDIT_RETENTION

const struct route retention_routes[] = {
    {.method = HTTP_GET,
     .path = BASE "/retention",
     MAY,
     .tx = TX_READ,
     .summary = "What is kept of the log, and until when",
     .prepare = show_prepare,
     .apply = show_apply},
    {.method = HTTP_PUT,
     .path = BASE "/retention",
     MAY,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "months_kept:integer*",
     .events = "SettingChanged AuditRetentionLoweringAnnounced AuditRetentionLoweringCancelled",
     .summary = "Keep the log longer at once, or shorter in 30 days",
     .apply = retention_apply,
     .after = retention_after},
    {.method = HTTP_DELETE,
     .path = BASE "/retention/pending",
     MAY,
     .tx = TX_WRITE,
     .events = "AuditRetentionLoweringCancelled",
     .summary = "Cancel a shorter retention before it takes effect",
     .apply = cancel_apply},
    {.method = HTTP_GET,
     .path = BASE "/holds",
     MAY,
     .tx = TX_READ,
     .summary = "Legal holds",
     .apply = holds_apply},
    {.method = HTTP_POST,
     .path = BASE "/holds",
     MAY,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "reason:string* until:string",
     .events = "LegalHoldPlaced",
     .summary = "Place a legal hold: no month leaves while it stands",
     .apply = place_apply,
     .after = holds_after},
    {.method = HTTP_POST,
     .path = BASE "/holds/{holdId}/release",
     MAY,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "reason:string*",
     .events = "LegalHoldReleased",
     .summary = "Release a legal hold",
     .apply = release_apply,
     .after = holds_after},
    {0},
};
