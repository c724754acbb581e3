/* Before anybody decides on an erasure: whether the log knows the person at all, and whether it stands behind a
 * request's row. A row that no event tells of is refused by the server for ever (erasure_run.c); here an
 * administrator takes it away, which is an event. */
#include "core/erasure.h"

#include "base/text.h"
#include "core/permission.h"
#include "core/trail.h"
#include "run/app.h"

#define SEARCH_BUDGET_MS 2000
#define SHOWN_MAX        200 /* bytes of what a planted row says, in the event */

/* ---- is he known? ---- */

struct search {
    struct str word;
    bool found;
};

/* A search that could not look at everything, or whose words can not be quoted, denies nothing. */
static enum err
search_log(struct cx *cx, bool instance, struct search *s)
{
    struct audit_query q = {.tenant_id = cx->tenant.id,
                            .instance = instance,
                            .q = arena_fmt(cx->arena, "\"%.*s\"", STR_ARG(s->word)),
                            .outcome = -1,
                            .after = -1,
                            .before = -1,
                            .limit = 1,
                            .budget_ms = SEARCH_BUDGET_MS};
    struct audit_page page = {0};

    if (s->found)
        return OK;
    if (str_index(s->word, '"') == SIZE_MAX)
        TRY(audit_list(cx, &q, &page));
    s->found = page.n > 0 || !page.complete;
    return OK;
}

static enum err
has_account(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ("SELECT count(*) FROM user_account WHERE tenant_id = $1 AND email_folded = $2");
    struct search *s = arg;
    int64_t n = 0;

    TRY(db_query_int(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(email_fold(cx->arena, s->word))),
                     &n));
    s->found = n > 0;
    return OK;
}

enum err
erasure_known(struct cx *cx, const struct erase_subject *who)
{
    struct search s = {.found = who->cuids.n > 0};

    for (size_t i = 0; i < who->emails.n && !s.found; i++) {
        s.word = who->emails.v[i];
        TRY(cx_read(cx, has_account, &s)); /* told in other words: delete it first */
        TRY(search_log(cx, false, &s));
        TRY(search_log(cx, true, &s));
    }
    for (size_t i = 0; i < who->texts.n && !s.found; i++) {
        s.word = who->texts.v[i];
        TRY(search_log(cx, false, &s));
        TRY(search_log(cx, true, &s));
    }
    return s.found
               ? OK
               : fail_field(cx, S("/subject"),
                            "is found nowhere in the log, nor is one of the texts: look at the "
                            "spelling. Details that no search finds (what people typed to search "
                            "the log) were not looked at: \"unseen\": true asks all the same");
}

/* ---- does the log stand behind the row? ---- */

enum err
erasure_doubt_begin(struct cx *cx, struct erasure_doubt *out)
{
    out->read_at = cx->now;
    return custody_read(cx, cx->tenant.id, &out->c);
}

/* What was asked or approved since the log was read is not held against it. */
static bool
is_later(const struct cx *cx, const struct erasure_doubt *d, int64_t at)
{
    return at >= d->read_at && at <= cx->now;
}

enum erasure_row
erasure_doubt(const struct cx *cx, const struct erasure_doubt *d, const struct erasure *e)
{
    const struct custody_request *q = custody_request_of(&d->c, e->cuid, e->person, e->asked_at);
    bool over = str_eq(e->state, S("done")) || str_eq(e->state, S("cancelled"));

    if (!q && over && !d->c.whole && e->asked_at < d->c.oldest)
        return ERASURE_ROW_LOGGED; /* expired with its month */
    if (!q)
        return is_later(cx, d, e->asked_at) ? ERASURE_ROW_LOGGED : ERASURE_ROW_STRANGE;
    if (str_eq(e->state, S("running")) && q->closed_logged == 0 && !custody_is_approved(q) &&
        !is_later(cx, d, e->approved_at))
        return ERASURE_ROW_UNAPPROVED;
    return ERASURE_ROW_LOGGED;
}

/* ---- taking it away ---- */

static struct str
shown(struct cx *cx, struct str s)
{
    struct buf *b = buf_in(cx->arena, SHOWN_MAX * 10 + 64);

    text_visible(b, utf8_cut(s, SHOWN_MAX));
    return buf_view(b);
}

static enum err
record_dismissed(struct cx *cx, const struct erasure *e, const char *what)
{
    struct trail t = {0};
    struct audit_entry entry = {
        .event = EV_ERASURE_DISMISSED, .target_kind = S("erasure"), .target_id = e->cuid};

    trail_note(cx, &t, S("person"), shown(cx, e->person), STR_NULL);
    trail_note(cx, &t, S("state"), shown(cx, e->state), STR_NULL);
    trail_note(cx, &t, S("reason"), shown(cx, e->reason), STR_NULL);
    trail_note(cx, &t, S("legal ground"), shown(cx, e->legal_ground), STR_NULL);
    entry.text = arena_fmt(cx->arena, "%.*s dismissed the request to erase %.*s: %s",
                           STR_ARG(trail_actor(cx)), STR_ARG(e->cuid), what);
    entry.changes = t.v;
    entry.n_changes = t.n;
    return audit_record(cx, &entry, NULL);
}

enum err
erasure_dismiss(struct cx *cx, struct str cuid, const struct erasure_doubt *d)
{
    static const struct sql remove =
        SQL_WRITE("audit_erasure_request",
                  "DELETE FROM audit_erasure_request WHERE tenant_id = $1 AND cuid = $2");
    static const struct sql put_back = SQL_WRITE(
        "audit_erasure_request",
        "UPDATE audit_erasure_request SET state = $3, due_at = $4, approved_by = NULL,"
        " approved_at = NULL, step = 0, cursor = '', looked_at = 0, total = 0, events = 0,"
        " result = '' WHERE tenant_id = $1 AND cuid = $2 AND state = 'running'");
    struct erasure e = {0};
    int64_t others = 0;

    TRY(erasure_get(cx, cuid, &e));
    switch (erasure_doubt(cx, d, &e)) {
    case ERASURE_ROW_STRANGE:
        TRY(db_exec(cx->tx, &remove, ARGS(V_INT(cx->tenant.id), V_STR(cuid)), NULL));
        return record_dismissed(cx, &e, "the log tells of no such request");
    case ERASURE_ROW_UNAPPROVED:
        TRY(erasure_approvers(cx, e.asked_by, &others));
        TRY(db_exec(cx->tx, &put_back,
                    ARGS(V_INT(cx->tenant.id), V_STR(cuid),
                         V_STR(others > 0 ? S("asked") : S("delayed")),
                         V_INT_OR_NULL(others == 0, e.asked_at + ERASURE_DELAY_US)),
                    NULL));
        return record_dismissed(cx, &e, "the log tells of no approval; it waits for one again");
    case ERASURE_ROW_LOGGED:
        break;
    }
    return fail(cx, ERR_CONFLICT,
                "The log tells of this request: it is approved or cancelled, not dismissed");
}
