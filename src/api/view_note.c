/* Views of the log and of what follows from it. Owns the table audit_view. */
#include "api/view_note.h"

#include "base/log.h"

static const struct sql VIEW_ROW = SQL_READ(
    "SELECT minute, first_query, views FROM audit_view WHERE tenant_id = $1 AND session = $2");
static const struct sql VIEW_PUT = SQL_WRITE(
    "audit_view",
    "INSERT INTO audit_view (tenant_id, user_id, session, minute, first_query, last_query, views) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, session) DO UPDATE SET "
    "minute = excluded.minute, first_query = excluded.first_query, last_query = excluded.last_query, "
    "views = excluded.views");

struct noting {
    const struct view *v;
    int64_t since; /* a view noted in this minute or later speaks for this one too */
    bool noted;
};

static enum err
record_view(struct cx *cx, const struct view *v, int64_t views)
{
    struct audit_entry e = {.event = v->event, .target_kind = v->kind, .text = v->text};

    e.private_detail = v->counts
                           ? arena_fmt(cx->arena, "query: %.*s; %lld more in the view before",
                                       STR_ARG(v->query), (long long)(views > 0 ? views - 1 : 0))
                           : arena_fmt(cx->arena, "query: %.*s", STR_ARG(v->query));
    return audit_record(cx, &e, NULL);
}

static enum err
note_body(struct cx *cx, void *arg)
{
    const struct noting *n = arg;
    const struct view *v = n->v;
    int64_t minute = cx->now / USEC_PER_MIN, then = -1, views = 0;
    struct str first = v->query;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &VIEW_ROW, ARGS(V_INT(cx->tenant.id), V_STR(v->key)), &r);

    if (e == OK) {
        then = db_int(r, 0);
        first = db_text_keep(r, 1);
        views = db_int(r, 2);
        db_rows_end(r);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    if (then < n->since || then > minute) {
        TRY(record_view(cx, v, views));
        first = v->query;
        views = 0;
        then = minute;
    }
    audit_cover(cx, REASON_VIEW_FOLD);
    return db_exec(cx->tx, &VIEW_PUT,
                   ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(v->key), V_INT(then),
                        V_STR(first), V_STR(v->query), V_INT(views + 1)),
                   NULL);
}

static enum err
is_noted(struct cx *cx, void *arg)
{
    struct noting *n = arg;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &VIEW_ROW, ARGS(V_INT(cx->tenant.id), V_STR(n->v->key)), &r);

    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    n->noted = db_int(r, 0) >= n->since && db_int(r, 0) <= cx->now / USEC_PER_MIN;
    db_rows_end(r);
    return OK;
}

/* The row says in which minute an event was recorded, and the check of the log demands it (core/selfcheck_views.c).
 * A minute to come is of a clock that went back, or none of ours. Further queries of a minute are not written one by one: a keystroke must not cost a commit. Following goes
 * on with a view that was noted: it is noted again once an hour, else every open page would answer each
 * event with one of its own. */
void
view_note(struct cx *cx, const struct view *v)
{
    struct failure kept = cx->failure;
    struct noting n = {v, cx->now / USEC_PER_MIN - v->minutes + 1, false};

    if (cx_read(cx, is_noted, &n) == OK && !n.noted && cx_write(cx, note_body, &n) != OK)
        log_warn("audit.view_not_recorded", LOG_STR("request", cx->request_id));
    cx->failure = kept;
}
