/* /api/v2/auditlog: list, one event, catalogue, the clock, and the routes of stream (audit_stream.c),
 * histogram (audit_histogram.c) and export (audit_export.c). JSON ⇄ audit, nothing else. */
#include "api/audit_api.h"

#include "api/view_note.h"

/* ---- reading the log is recorded (view_note.c) ---- */

void
audit_view_note(struct cx *cx, struct str query, int64_t minutes)
{
    const struct view v = {
        .event = EV_AUDIT_VIEWED,
        .kind = S("audit"),
        .key = cx->actor.session,
        .text = arena_fmt(cx->arena, "%.*s viewed the audit log", STR_ARG(cx->actor.name)),
        .query = query,
        .minutes = minutes,
        .counts = true};

    view_note(cx, &v);
}

static void
note_view(struct api_request *rq, int64_t minutes)
{
    audit_view_note(rq->cx, audit_query_text(rq), minutes);
}

void
audit_note_view(struct api_request *rq)
{
    note_view(rq, VIEW_MINUTES);
}

/* ---- list ---- */

struct list {
    struct audit_query q;
    bool follow;
    bool settled; /* everything committed before the request can be listed */
};

static enum err
list_question(struct api_request *rq, struct audit_query *q, int64_t *follow)
{
    TRY(audit_query_read(rq, q));
    return query_int(rq, "follow", -1, INT64_MAX, -2, follow);
}

/* follow=N: what is new behind the cursor N, as a stream would send it. */
static enum err
list_prepare(struct api_request *rq)
{
    struct list *l = arena_new(rq->cx->arena, struct list);
    int64_t follow;

    rq->state = l;
    TRY(list_question(rq, &l->q, &follow));
    l->follow = follow != -2;
    if (l->follow) {
        l->q.after = follow;
        l->q.ascending = true;
        l->q.before = -1;
        l->q.offset = 0;
        l->settled = true; /* who follows was told that something moved: nothing to wait for */
        return OK;
    }
    l->settled = audit_settle(rq->cx->app, AUDIT_SETTLE_MS);
    return OK;
}

static enum err
list_head(struct api_request *rq)
{
    struct audit_query q;
    int64_t follow;

    return list_question(rq, &q, &follow);
}

/* The cursor that the next question of a follower starts from. What was the newest event before the
 * page was read has been looked at once the page is complete. */
static int64_t
follow_on(const struct audit_query *q, const struct audit_page *p)
{
    int64_t on = p->next > q->after ? p->next : q->after;

    return !p->more && p->newest > on ? p->newest : on;
}

static void
write_window(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    int64_t since, next;

    audit_window(rq->cx->app, rq->cx->now, &since, &next);
    json_key(w, S("window"));
    json_begin_object(w);
    json_kv_str(w, "since", time_iso(rq->cx->arena, since));
    json_kv_str(w, "next_change", time_iso(rq->cx->arena, next));
    json_kv_i64(w, "months_kept", audit_months_kept(rq->cx->app));
    json_kv_bool(w, "held_by_clock_step", audit_drops_held(rq->cx->app));
    json_end_object(w);
}

static enum err
list_apply(struct api_request *rq)
{
    const struct list *l = rq->state;
    const struct audit_query *q = &l->q;
    struct json_writer *w = &rq->out;
    struct audit_page page = {0};

    TRY(audit_list(rq->cx, q, &page));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < page.n; i++) {
        if (l->follow && audit_is_own_view(&page.events[i], rq->cx->actor.session))
            continue;
        audit_json(w, &page.events[i]);
    }
    json_end_array(w);
    json_key(w, S("meta"));
    json_begin_object(w);
    json_key(w, S("next"));
    if (l->follow)
        json_i64(w, follow_on(q, &page));
    else if (page.more)
        json_i64(w, page.next);
    else
        json_null(w);
    json_kv_bool(w, "more", page.more);
    json_kv_bool(w, "complete", page.complete);
    json_kv_bool(w, "settled", l->settled);
    json_key(w, S("scanned_to"));
    if (page.complete)
        json_null(w);
    else
        json_str(w, time_iso(rq->cx->arena, page.scanned_to));
    json_kv_i64(w, "newest", page.newest);
    json_kv_i64(w, "older", page.older);
    if (q->from)
        json_kv_str(w, "from", time_iso(rq->cx->arena, q->from));
    if (q->to)
        json_kv_str(w, "to", time_iso(rq->cx->arena, q->to));
    write_window(rq);
    json_key(w, S("pagination"));
    json_begin_object(w);
    json_kv_i64(w, "offset", q->offset);
    json_kv_i64(w, "limit", q->limit);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

static enum err
list_after(struct api_request *rq)
{
    const struct list *l = rq->state;

    note_view(rq, l->follow ? FOLLOW_MINUTES : VIEW_MINUTES);
    return OK;
}

static enum err
stream_after(struct api_request *rq)
{
    note_view(rq, FOLLOW_MINUTES);
    return OK;
}

static enum err
get_apply(struct api_request *rq)
{
    struct audit_event e;
    enum err r;

    if (!cuid_is(rq->param[0]))
        return fail(rq->cx, ERR_NOT_FOUND, "There is no such event");
    r = audit_get(rq->cx, rq->cx->tenant.id, false, rq->param[0], &e);
    if (r == ERR_NOT_FOUND)
        return fail(rq->cx, r, "There is no such event in the window shown");
    TRY(r);
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    audit_json(&rq->out, &e);
    json_end_object(&rq->out);
    return OK;
}

static enum err
get_head(struct api_request *rq)
{
    return cuid_is(rq->param[0]) ? OK : fail(rq->cx, ERR_NOT_FOUND, "There is no such event");
}

static enum err
get_after(struct api_request *rq)
{
    audit_view_note(rq->cx, arena_fmt(rq->cx->arena, "event %.*s", STR_ARG(rq->param[0])),
                    VIEW_MINUTES);
    return OK;
}

static enum err
catalogue_apply(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    audit_catalogue_json(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

/* How many events a query finds is told by manifest and histogram, too. */
static enum err
view_after(struct api_request *rq)
{
    audit_note_view(rq);
    return OK;
}

/* ---- the clock ---- */

/* After a step of the clock of over an hour no month is dropped until somebody says it is right. */
static enum err
clock_apply(struct api_request *rq)
{
    struct audit_change change = {S("months may expire"), S("held"), S("confirmed")};
    struct audit_entry e = {
        .event = EV_SETTING_CHANGED, .target_kind = S("audit"), .changes = &change, .n_changes = 1};

    enum err r = audit_confirm_clock(rq->cx);

    if (r == ERR_NOT_FOUND)
        return fail(rq->cx, ERR_CONFLICT, "The clock did not step: there is nothing to confirm");
    TRY(r);
    e.text = arena_fmt(rq->cx->arena, "%.*s confirmed the clock after a step",
                       STR_ARG(rq->cx->actor.name));
    TRY(audit_record(rq->cx, &e, NULL));
    return api_ok(rq, S("Months that left the window expire again"));
}

static enum err
clock_after(struct api_request *rq)
{
    audit_refresh_clock(rq->cx->app);
    return OK;
}

const struct route audit_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ,
     .events = "AuditLogViewed",
     .summary = "List and search the audit log",
     .prepare = list_prepare,
     .apply = list_apply,
     .after = list_after,
     .head = list_head},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/catalogue",
     .who = WHO_SIGNED_IN,
     .tx = TX_NONE,
     .summary = "The catalogue of events",
     .apply = catalogue_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/hints",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_NONE,
     .summary = "How far the log reaches, as it grows (server-sent events)",
     .apply = audit_hints_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/stream",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_STREAM,
     .tx = TX_NONE,
     .events = "AuditLogViewed",
     .summary = "New events as they happen (server-sent events)",
     .apply = audit_stream_apply,
     .after = stream_after,
     .head = audit_stream_head},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/export",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_EXPORT,
     .tx = TX_WRITE,
     .reserve = true,
     .rate = RATE_HEAVY,
     .events = "AuditLogExported",
     .summary = "Export what a query shows",
     .prepare = audit_export_prepare,
     .apply = audit_export_apply,
     .after = audit_export_after,
     .head = audit_export_head},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/export/manifest",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_EXPORT,
     .tx = TX_NONE,
     .rate = RATE_HEAVY,
     .events = "AuditLogViewed",
     .summary = "The signed manifest of the export that the same query gives",
     .apply = audit_manifest_apply,
     .after = view_after,
     .head = audit_manifest_head},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/histogram",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ,
     .events = "AuditLogViewed",
     .summary = "How many events of a query happened between given times (edges=…)",
     .prepare = audit_histogram_prepare,
     .apply = audit_histogram_apply,
     .after = view_after,
     .head = audit_histogram_head},
    {.method = HTTP_POST,
     .path = "/api/v2/auditlog/clock",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_RETENTION,
     .tx = TX_WRITE,
     .body = BODY_OPTIONAL,
     .events = "SettingChanged",
     .summary = "Confirm the clock after a step, so that months expire again",
     .apply = clock_apply,
     .after = clock_after},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/{cuid}",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ,
     .events = "AuditLogViewed",
     .summary = "One event",
     .apply = get_apply,
     .after = get_after,
     .head = get_head},
    {0},
};
