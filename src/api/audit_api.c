/* /api/v2/auditlog: list, one event, catalogue, stream, export. JSON ⇄ audit, nothing else. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/api.h"
#include "audit/audit.h"
#include "base/log.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/url.h"
#include "core/session.h"
#include "run/bus.h"

#define Q_MAX 1024            /* bytes of a search text */
#define LIMIT_MAX 1000        /* events in one answer */
#define STREAMS_PER_USER 20
#define EXPORT_CHUNK 500      /* events read at a time: a few milliseconds each */
#define SETTLE_MS 200         /* how long a list waits for what was committed before it */
#define HEARTBEAT_S 15
#define STREAM_BATCH 100
#define STREAM_BYTES ((size_t)1 << 20) /* of one call; a single event may exceed it */
#define RELATIVE_DAYS_MAX 36500

/* ---- the query ---- */

/* ISO 8601, or a past span such as "30d", "24h". */
static enum err
read_time(struct api_request *rq, const char *name, bool end, int64_t *out)
{
    struct str s = query_str(rq, name);
    int64_t n, unit;

    *out = 0;
    if (str_is_empty(s))
        return OK;
    unit = s.p[s.n - 1] == 'd' ? USEC_PER_DAY : s.p[s.n - 1] == 'h' ? USEC_PER_HOUR : 0;
    if (unit && str_int64(str_sub(s, 0, s.n - 1), &n) == OK && n >= 0 && n <= RELATIVE_DAYS_MAX) {
        *out = rq->cx->now - n * unit;
        return OK;
    }
    if (time_parse_iso(s, out) != OK)
        return fail_field(rq->cx, str_of(name),
                          "must be a date (2026-11-23), a time with zone (2026-11-23T10:00:00Z) or a span (30d)");
    if (end && s.n == 10)
        *out += USEC_PER_DAY; /* a day as an end includes the day */
    return OK;
}

static enum err
read_outcome(struct api_request *rq, int *out)
{
    static const char *const names[] = {"success", "failure", "denied"};
    struct str s = query_str(rq, "outcome");

    *out = -1;
    if (str_is_empty(s))
        return OK;
    for (int i = 0; i < 3; i++) {
        if (str_eq(s, str_of(names[i]))) {
            *out = i;
            return OK;
        }
    }
    return fail_field(rq->cx, S("outcome"), "must be success, failure or denied");
}

static enum err
read_filters(struct api_request *rq, struct audit_query *q)
{
    struct str type = query_str(rq, "event_type"), order = query_str(rq, "order");
    enum err e = OK;

    q->tenant_id = rq->cx->tenant.id;
    q->q = query_str(rq, "q");
    if (q->q.n > Q_MAX)
        e = fail_field(rq->cx, S("q"), "is longer than %d bytes", Q_MAX);
    if (read_time(rq, "from", false, &q->from) != OK || read_time(rq, "to", true, &q->to) != OK)
        e = ERR_INVALID;
    if (q->from && q->to && q->from > q->to)
        e = fail_field(rq->cx, S("from"), "is later than \"to\"");
    q->user = query_str(rq, "user");
    if (str_is_empty(q->user))
        q->user = STR_NULL;
    if (!str_is_empty(type)) {
        q->event = event_by_name(type);
        if (q->event == EVENT_NONE)
            e = fail_field(rq->cx, S("event_type"), "is not in the catalogue");
    }
    if (read_outcome(rq, &q->outcome) != OK)
        e = ERR_INVALID;
    if (query_int(rq, "client", 1, INT64_MAX, 0, &q->client_id) != OK)
        e = ERR_INVALID;
    if (!str_is_empty(order) && !str_ieq(order, S("asc")) && !str_ieq(order, S("desc")) &&
        !str_ieq(order, S("ascend")) && !str_ieq(order, S("descend")))
        e = fail_field(rq->cx, S("order"), "must be asc or desc");
    q->ascending = str_ieq(order, S("asc")) || str_ieq(order, S("ascend"));
    return e;
}

static enum err
read_query(struct api_request *rq, struct audit_query *q)
{
    int64_t limit = 0;
    enum err e;

    *q = (struct audit_query){.after = -1, .before = -1, .outcome = -1};
    e = read_filters(rq, q);
    if (query_int(rq, "limit", 1, INT32_MAX, 50, &limit) != OK)
        e = ERR_INVALID;
    q->limit = limit > LIMIT_MAX ? LIMIT_MAX : (int)limit;
    if (query_int(rq, "offset", 0, INT64_MAX / 2, 0, &q->offset) != OK ||
        query_int(rq, "cursor", 0, INT64_MAX, -1, &q->after) != OK ||
        query_int(rq, "before", 0, INT64_MAX, -1, &q->before) != OK)
        e = ERR_INVALID;
    return e;
}

/* ---- reading the log is recorded: one event a view, at most one a minute and session ---- */

static const struct sql VIEW_ROW = SQL_READ("SELECT minute, first_query, views FROM audit_view WHERE tenant_id = $1 AND session = $2");
static const struct sql VIEW_PUT = SQL_WRITE(
    "audit_view", "INSERT INTO audit_view (tenant_id, user_id, session, minute, first_query, last_query, views) "
                  "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, session) DO UPDATE SET "
                  "minute = excluded.minute, first_query = excluded.first_query, last_query = excluded.last_query, "
                  "views = excluded.views");

struct view {
    struct str query;
};

static struct str
query_text(struct api_request *rq)
{
    struct buf *b = buf_in(rq->cx->arena, 8192);

    for (size_t i = 0; i < rq->http->n_query; i++) {
        const struct http_pair *p = &rq->http->query[i];

        if (str_is_empty(p->value) || str_eq(p->name, S("after")))
            continue;
        buf_fmt(b, "%s%.*s=%.*s", b->n ? " " : "", STR_ARG(p->name), STR_ARG(p->value));
    }
    return buf_failed(b) ? S("(long)") : buf_view(b);
}

static enum err
note_view_body(struct cx *cx, void *arg)
{
    const struct view *v = arg;
    int64_t minute = cx->now / USEC_PER_MIN, then = -1, views = 0;
    struct str first = v->query;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &VIEW_ROW, ARGS(V_INT(cx->tenant.id), V_STR(cx->actor.session)), &r);

    if (e == OK) {
        then = db_int(r, 0);
        first = db_text_keep(r, 1);
        views = db_int(r, 2);
        db_rows_end(r);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    if (then != minute) {
        struct audit_entry entry = {.event = EV_AUDIT_VIEWED, .target_kind = S("audit")};

        entry.text = arena_fmt(cx->arena, "%.*s viewed the audit log", STR_ARG(cx->actor.name));
        entry.private_detail = arena_fmt(cx->arena, "query: %.*s; %lld more in the view before", STR_ARG(v->query),
                                         (long long)(views > 0 ? views - 1 : 0));
        TRY(audit_record(cx, &entry, NULL));
        first = v->query;
        views = 0;
    }
    audit_cover(cx, REASON_VIEW_FOLD);
    return db_exec(cx->tx, &VIEW_PUT,
                   ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(cx->actor.session), V_INT(minute),
                        V_STR(first), V_STR(v->query), V_INT(views + 1)),
                   NULL);
}

static enum err
view_is_noted(struct cx *cx, void *arg)
{
    bool *noted = arg;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &VIEW_ROW, ARGS(V_INT(cx->tenant.id), V_STR(cx->actor.session)), &r);

    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    *noted = db_int(r, 0) == cx->now / USEC_PER_MIN;
    db_rows_end(r);
    return OK;
}

/* Reads go on when the log can not be written: the view is then noted by the next one. A minute's
 * further queries are not written one by one: a keystroke must not cost a commit. */
static void
note_view(struct api_request *rq)
{
    struct failure kept = rq->cx->failure;
    struct view v = {query_text(rq)};
    bool noted = false;

    if (cx_read(rq->cx, view_is_noted, &noted) == OK && !noted && cx_write(rq->cx, note_view_body, &v) != OK)
        log_warn("audit.view_not_recorded", LOG_STR("request", rq->cx->request_id));
    rq->cx->failure = kept;
}

/* ---- list ---- */

static enum err
list_prepare(struct api_request *rq)
{
    struct audit_query *q = arena_new(rq->cx->arena, struct audit_query);

    TRY(read_query(rq, q));
    audit_settle(rq->cx->app, SETTLE_MS);
    rq->state = q;
    return OK;
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
    const struct audit_query *q = rq->state;
    struct json_writer *w = &rq->out;
    struct audit_page page = {0};

    TRY(audit_list(rq->cx, q, &page));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < page.n; i++)
        audit_json(w, &page.events[i]);
    json_end_array(w);
    json_key(w, S("meta"));
    json_begin_object(w);
    json_key(w, S("next"));
    if (page.more)
        json_i64(w, page.next);
    else
        json_null(w);
    json_kv_bool(w, "more", page.more);
    json_kv_bool(w, "complete", page.complete);
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
    note_view(rq);
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
catalogue_apply(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    audit_catalogue_json(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

/* ---- stream ---- */

struct stream {
    struct app *app;
    struct arena *arena;    /* the stream's own: outlives the request */
    struct audit_query query;
    struct tenant_ref tenant;
    struct actor actor;        /* who opened it; its session is read again every half second */
    struct session_view view;
    int64_t user_id;
    struct str session;
    int64_t last_sent;      /* monotonic */
    int64_t last_checked;
    uint64_t seen_audit;
    bool begun;
    /* export only */
    enum audit_format format;
    bool is_export, head_done;
    int64_t count, first, last;
};

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t stream_users[4096]; /* user id of each open stream, 0 = free */

static int
streams_take(int64_t user)
{
    int n = 0, place = -1;

    pthread_mutex_lock(&streams_lock);
    for (int i = 0; i < 4096; i++) {
        if (stream_users[i] == user)
            n++;
        else if (stream_users[i] == 0 && place < 0)
            place = i;
    }
    if (place >= 0 && n < STREAMS_PER_USER)
        stream_users[place] = user;
    else
        place = -1;
    pthread_mutex_unlock(&streams_lock);
    return place;
}

static void
streams_leave(int64_t user)
{
    pthread_mutex_lock(&streams_lock);
    for (int i = 0; i < 4096; i++) {
        if (stream_users[i] == user) {
            stream_users[i] = 0;
            break;
        }
    }
    pthread_mutex_unlock(&streams_lock);
}

static enum err
streams_room(struct api_request *rq, int64_t user)
{
    if (streams_take(user) >= 0)
        return OK;
    return fail(rq->cx, ERR_TOO_FAST, "At most %d streams and exports can be open at once", STREAMS_PER_USER);
}

static void
stream_end(void *arg)
{
    struct stream *s = arg;

    streams_leave(s->user_id);
    arena_free(s->arena);
}

struct still {
    const struct stream *s;
};

/* The session must still hold, and still have the right. */
static enum err
still_allowed(struct cx *cx, void *arg)
{
    const struct still *x = arg;

    TRY(session_recheck(cx));
    return cx_may(cx, x->s->is_export ? PERM_AUDIT_EXPORT : PERM_AUDIT_VIEW) ? OK : ERR_FORBIDDEN;
}

static struct cx
stream_cx(const struct stream *s, struct arena *a)
{
    struct cx cx = cx_system(s->app, a, "stream", &s->tenant);

    cx.actor = s->actor;
    cx.grants = &s->view.grants;
    return cx;
}

static bool
check_due(struct stream *s, struct arena *a)
{
    struct still x = {s};
    struct cx cx = stream_cx(s, a);

    if (clock_monotonic() - s->last_checked < USEC_PER_SEC / 2)
        return true;
    s->last_checked = clock_monotonic();
    return cx_read(&cx, still_allowed, &x) == OK;
}

struct batch {
    const struct audit_query *q;
    struct audit_page page;
};

static enum err
batch_body(struct cx *cx, void *arg)
{
    struct batch *b = arg;

    return audit_list(cx, b->q, &b->page);
}

/* ---- blocks: pages without a filter all want the same bytes, so they are rendered once ---- */

#define BLOCKS 16 /* a few workspaces, a few positions each */

struct block {
    int64_t tenant, after, next; /* cursors */
    uint64_t at;                 /* position of the bus it was read at */
    bool used, all;              /* all: nothing is left behind it at that position */
    struct buf bytes;
};

static pthread_mutex_t blocks_lock = PTHREAD_MUTEX_INITIALIZER;
static struct block blocks[BLOCKS];
static unsigned blocks_next;

static bool
is_plain(const struct audit_query *q)
{
    return str_is_empty(q->q) && str_is_null(q->user) && q->event == EVENT_NONE && q->outcome < 0 &&
           q->client_id == 0 && q->from == 0 && q->to == 0 && q->before < 0;
}

static void
block_applied(struct stream *s, const struct block *k)
{
    if (k->bytes.n)
        s->last_sent = clock_monotonic();
    s->query.after = k->next;
    if (k->all)
        s->seen_audit = k->at;
}

/* A block that another stream rendered for the same workspace, cursor and moment. */
static bool
block_take(struct stream *s, uint64_t now, struct buf *out)
{
    bool found = false;

    if (!is_plain(&s->query))
        return false;
    pthread_mutex_lock(&blocks_lock);
    for (int i = 0; i < BLOCKS && !found; i++) {
        const struct block *k = &blocks[i];

        if (k->used && k->tenant == s->tenant.id && k->after == s->query.after && k->at == now) {
            buf_str(out, buf_view(&k->bytes));
            block_applied(s, k);
            found = true;
        }
    }
    pthread_mutex_unlock(&blocks_lock);
    return found;
}

static void
block_keep(const struct stream *s, int64_t after, uint64_t now, bool all, struct str bytes)
{
    struct block *k;

    pthread_mutex_lock(&blocks_lock);
    k = &blocks[blocks_next++ % BLOCKS];
    buf_free(&k->bytes);
    buf_init(&k->bytes, 2 * STREAM_BYTES);
    buf_str(&k->bytes, bytes);
    k->used = !buf_failed(&k->bytes);
    k->tenant = s->tenant.id;
    k->after = after;
    k->next = s->query.after;
    k->at = now;
    k->all = all;
    pthread_mutex_unlock(&blocks_lock);
}

/* Reads what is behind the stream's cursor and appends it as events. */
static void
render_block(struct stream *s, struct cx *cx, uint64_t now, struct buf *out)
{
    struct batch b = {.q = &s->query};
    int64_t after = s->query.after;
    size_t begin = out->n;
    bool own = false, all;

    if (cx_read(cx, batch_body, &b) != OK)
        return;
    all = b.page.n < STREAM_BATCH;
    for (size_t i = 0; i < b.page.n; i++) {
        struct json_writer w;
        const struct audit_event *v = &b.page.events[i];

        if (out->n - begin > STREAM_BYTES) { /* the rest at the next call */
            all = false;
            break;
        }
        s->query.after = (v->epoch << 40) | v->index; /* a cursor of the list (audit.h) */
        own |= v->type == EV_AUDIT_VIEWED;
        if (v->type == EV_AUDIT_VIEWED && str_eq(v->session, s->session))
            continue; /* never new to its own viewer */
        buf_fmt(out, "id: %lld\nevent: audit\ndata: ", (long long)s->query.after);
        json_writer_init(&w, out);
        audit_json(&w, v);
        buf_cstr(out, "\n\n");
    }
    if (all)
        s->seen_audit = now;
    if (out->n > begin)
        s->last_sent = clock_monotonic();
    if (!own && is_plain(&s->query) && !buf_failed(out))
        block_keep(s, after, now, all, str_sub(buf_view(out), begin, out->n));
}

static enum err
stream_step(struct stream *s, struct buf *out)
{
    struct arena *a = arena_create("stream", (size_t)64 << 20);
    struct cx cx = stream_cx(s, a);
    uint64_t now = bus_position(s->app->bus, BUS_AUDIT);
    enum err e = OK;

    if (!check_due(s, a)) {
        buf_cstr(out, "event: ended\ndata: {}\n\n");
        e = ERR_END;
    } else if (!s->begun) {
        s->begun = true;
        s->last_sent = clock_monotonic();
        buf_fmt(out, "retry: 1000\nevent: hello\ndata: {\"after\":%lld}\n\n", (long long)s->query.after);
    }
    if (e == OK && (now != s->seen_audit || s->query.ascending == false)) {
        s->query.ascending = true;
        if (!block_take(s, now, out))
            render_block(s, &cx, now, out);
    }
    if (e == OK && clock_monotonic() - s->last_sent > HEARTBEAT_S * USEC_PER_SEC) {
        buf_cstr(out, ": still here\n\n");
        s->last_sent = clock_monotonic();
    }
    arena_free(a);
    return e;
}

/* Nothing moved, nothing is due: the common case of a thousand open pages. */
static bool
stream_is_quiet(const struct stream *s)
{
    int64_t now = clock_monotonic();

    return s->begun && s->query.ascending && bus_position(s->app->bus, BUS_AUDIT) == s->seen_audit &&
           now - s->last_checked < USEC_PER_SEC / 2 && now - s->last_sent < HEARTBEAT_S * USEC_PER_SEC;
}

static enum err
stream_write(void *arg, struct buf *out)
{
    struct stream *s = arg;

    return stream_is_quiet(s) ? OK : stream_step(s, out);
}

static struct stream *
stream_new(struct api_request *rq, const struct audit_query *q)
{
    struct arena *a = arena_create("stream", (size_t)16 << 20);
    struct stream *s = arena_new(a, struct stream);

    *s = (struct stream){.app = rq->cx->app, .arena = a, .query = *q, .tenant = rq->cx->tenant};
    s->query.q = arena_str(a, q->q);
    if (!str_is_null(q->user))
        s->query.user = arena_str(a, q->user);
    s->tenant.cuid = arena_str(a, rq->cx->tenant.cuid);
    s->actor = rq->cx->actor;
    s->actor.cuid = arena_str(a, s->actor.cuid);
    s->actor.name = arena_str(a, s->actor.name);
    s->actor.email = arena_str(a, s->actor.email);
    s->actor.session = arena_str(a, s->actor.session);
    s->view = *session_view(rq->cx);
    if (!str_is_null(s->view.token_id))
        s->view.token_id = arena_str(a, s->view.token_id);
    s->session = s->actor.session;
    s->user_id = rq->cx->actor.user_id;
    return s;
}

static enum err
open_stream(struct api_request *rq, struct stream *s, struct str type,
            enum err (*write)(void *arg, struct buf *out))
{
    rq->rs->content_type = type;
    rq->rs->stream = (struct http_stream){.write = write, .end = stream_end, .arg = s};
    return OK;
}

static enum err
stream_apply(struct api_request *rq)
{
    struct audit_query q;
    struct str last = http_header(rq->http, S("last-event-id"));
    struct stream *s;

    TRY(read_query(rq, &q));
    TRY(query_int(rq, "after", -1, INT64_MAX, -2, &q.after));
    if (str_is_empty(last) || str_int64(last, &q.after) != OK) {
        if (q.after == -2)
            q.after = audit_newest(rq->cx->app, q.tenant_id, false);
    }
    q.limit = STREAM_BATCH;
    q.offset = 0;
    TRY(streams_room(rq, rq->cx->actor.user_id));
    s = stream_new(rq, &q);
    s->query.ascending = false; /* the first write looks at once */
    return open_stream(rq, s, S("text/event-stream; charset=utf-8"), stream_write);
}

/* ---- export ---- */

/* Formats the events; false when they were too long for one piece and fewer are to be read. */
static bool
export_piece(struct arena *a, struct buf *out, enum audit_format f, bool head, const struct audit_page *p,
             int *limit)
{
    if (head)
        audit_format_head(out, f);
    for (size_t i = 0; i < p->n; i++)
        audit_format_line(a, out, f, &p->events[i]);
    if (!buf_failed(out) || *limit <= 1)
        return true;
    buf_clear(out);
    *limit /= 2;
    return false;
}

static enum err
export_write(void *arg, struct buf *out)
{
    struct stream *s = arg;
    struct arena *a = arena_create("export", (size_t)128 << 20);
    struct cx cx = stream_cx(s, a);
    struct batch b = {.q = &s->query};
    enum err e = OK;

    if (!check_due(s, a)) {
        e = ERR_FORBIDDEN; /* the connection is cut: a cut file must not look whole */
    } else if (cx_read(&cx, batch_body, &b) != OK) {
        e = ERR_IO;
    } else if (export_piece(a, out, s->format, !s->head_done, &b.page, &s->query.limit)) {
        s->head_done = true;
        s->query.after = b.page.next;
        if (!b.page.more)
            e = ERR_END;
    }
    arena_free(a);
    return e;
}

static enum err
read_format(struct api_request *rq, enum audit_format *out)
{
    struct str f = query_str(rq, "format");

    if (str_is_empty(f) || str_eq(f, S("ndjson")))
        *out = AUDIT_NDJSON;
    else if (str_eq(f, S("csv")))
        *out = AUDIT_CSV;
    else if (str_eq(f, S("ocsf")))
        *out = AUDIT_OCSF;
    else
        return fail_field(rq->cx, S("format"), "must be csv, ndjson or ocsf");
    return OK;
}

/* What the export will hold, found before the first byte is sent: the same walk, hashed. The log
 * is append-only, so with `before` fixed the second walk gives the same bytes. */
static enum err
summarize(struct api_request *rq, struct audit_query *q, enum audit_format f, int64_t *count, int64_t *first,
          int64_t *last, struct str *digest)
{
    struct audit_query walk = *q;
    struct sha256_run *h = sha256_begin(rq->cx->arena);
    bool more = true, begin = true;

    *count = 0;
    *first = *last = -1;
    while (more) {
        struct arena *a = arena_create("export", (size_t)128 << 20);
        struct cx cx = cx_system(rq->cx->app, a, "export", &rq->cx->tenant);
        struct buf *out = buf_in(a, (size_t)64 << 20);
        struct batch b = {.q = &walk};

        if (cx_read(&cx, batch_body, &b) != OK || (!b.page.complete && b.page.n == 0 && !b.page.more)) {
            arena_free(a);
            return fail(rq->cx, ERR_UNAVAILABLE, "The export could not be read. Narrow the dates and try again.");
        }
        if (!export_piece(a, out, f, begin, &b.page, &walk.limit)) {
            arena_free(a);
            continue;
        }
        begin = false;
        if (b.page.n && *first < 0)
            *first = b.page.events[0].index;
        if (b.page.n)
            *last = b.page.events[b.page.n - 1].index;
        *count += (int64_t)b.page.n;
        sha256_more(h, buf_view(out));
        walk.after = b.page.next;
        more = b.page.more;
        arena_free(a);
    }
    *digest = sha256_end_hex(rq->cx->arena, h);
    return OK;
}

struct export {
    struct audit_query q;
    enum audit_format format;
    int64_t count, first, last;
    struct str digest, query;
    int64_t user_id;
    bool handed; /* the place among the open streams belongs to the stream now */
};

/* Runs with the request's end: an export that never became a stream gives its place back. */
static void
export_give_back(void *arg)
{
    const struct export *x = arg;

    if (!x->handed)
        streams_leave(x->user_id);
}

/* Preparing an export holds a worker for as long as the log is long: at most half of them do. */
static atomic_int preparing;

static enum err
summarize_in_turn(struct api_request *rq, struct export *x)
{
    int most = rq->cx->app->config.workers / 2;
    enum err e;

    if (atomic_fetch_add(&preparing, 1) >= (most < 1 ? 1 : most))
        e = fail(rq->cx, ERR_UNAVAILABLE, "Other exports are being prepared. Try again in a moment.");
    else
        e = summarize(rq, &x->q, x->format, &x->count, &x->first, &x->last, &x->digest);
    atomic_fetch_sub(&preparing, 1);
    return e;
}

static enum err
export_prepare(struct api_request *rq)
{
    struct export *x = arena_new(rq->cx->arena, struct export);

    TRY(read_query(rq, &x->q));
    TRY(read_format(rq, &x->format));
    x->q.limit = EXPORT_CHUNK;
    x->q.offset = 0;
    x->q.budget_ms = 60000;
    audit_settle(rq->cx->app, SETTLE_MS);
    if (x->q.before < 0)
        x->q.before = audit_newest(rq->cx->app, x->q.tenant_id, false) + 1;
    x->user_id = rq->cx->actor.user_id;
    TRY(streams_room(rq, x->user_id)); /* before it is recorded as made */
    arena_defer(rq->cx->arena, export_give_back, x);
    TRY(summarize_in_turn(rq, x));
    x->query = query_text(rq);
    rq->state = x;
    return OK;
}

static enum err
export_apply(struct api_request *rq)
{
    const struct export *x = rq->state;
    struct audit_entry e = {.event = EV_AUDIT_EXPORTED, .target_kind = S("audit"), .count = 1};

    e.text = arena_fmt(rq->cx->arena, "%.*s exported %lld events of the audit log (index %lld to %lld, SHA-256 %.*s)",
                       STR_ARG(rq->cx->actor.name), (long long)x->count, (long long)x->first, (long long)x->last,
                       STR_ARG(x->digest));
    e.private_detail = arena_fmt(rq->cx->arena, "query: %.*s", STR_ARG(x->query));
    return audit_record(rq->cx, &e, NULL);
}

/* A header holds printable ASCII; other queries are percent-encoded, too long ones left to the log. */
static struct str
header_text(struct arena *a, struct str query)
{
    bool plain = true;

    for (size_t i = 0; i < query.n; i++)
        plain = plain && query.p[i] >= ' ' && query.p[i] <= '~';
    if (!plain)
        query = url_encode_in(a, query);
    return query.n && query.n < 1500 ? query : S("-");
}

static enum err
export_after(struct api_request *rq)
{
    struct export *x = rq->state;
    static const char *const ext[] = {"ndjson", "csv", "ocsf.ndjson"};
    struct stream *s = stream_new(rq, &x->q);
    struct arena *a = rq->cx->arena;

    x->handed = true;
    s->is_export = true;
    s->format = x->format;
    http_add_header(rq->rs, S("X-Recount-Query"), header_text(a, x->query));
    http_add_header(rq->rs, S("X-Recount-Count"), arena_fmt(a, "%lld", (long long)x->count));
    http_add_header(rq->rs, S("X-Recount-First-Index"), arena_fmt(a, "%lld", (long long)x->first));
    http_add_header(rq->rs, S("X-Recount-Last-Index"), arena_fmt(a, "%lld", (long long)x->last));
    http_add_header(rq->rs, S("X-Recount-Digest"), arena_fmt(a, "sha-256=%.*s", STR_ARG(x->digest)));
    http_add_header(rq->rs, S("Content-Disposition"),
                    arena_fmt(a, "attachment; filename=\"audit-log-%.*s.%s\"", 10, time_iso(a, rq->cx->now).p,
                              ext[x->format]));
    return open_stream(rq, s, x->format == AUDIT_CSV ? S("text/csv; charset=utf-8") : S("application/x-ndjson"),
                       export_write);
}

/* ---- the clock ---- */

/* After a step of the clock of over an hour no month is dropped until somebody says it is right. */
static enum err
clock_apply(struct api_request *rq)
{
    struct audit_change change = {S("months may expire"), S("held"), S("confirmed")};
    struct audit_entry e = {.event = EV_SETTING_CHANGED, .target_kind = S("audit"), .changes = &change, .n_changes = 1};

    if (!audit_drops_held(rq->cx->app))
        return fail(rq->cx, ERR_CONFLICT, "The clock did not step: there is nothing to confirm");
    e.text = arena_fmt(rq->cx->arena, "%.*s confirmed the clock after a step", STR_ARG(rq->cx->actor.name));
    TRY(audit_record(rq->cx, &e, NULL));
    return api_ok(rq, S("Months that left the window expire again"));
}

static enum err
clock_after(struct api_request *rq)
{
    audit_confirm_clock(rq->cx->app);
    return OK;
}

const struct route audit_routes[] = {
    {.method = HTTP_GET, .path = "/api/v2/auditlog", .who = WHO_PERMISSION, .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ, .events = "AuditLogViewed", .summary = "List and search the audit log",
     .prepare = list_prepare, .apply = list_apply, .after = list_after},
    {.method = HTTP_GET, .path = "/api/v2/auditlog/catalogue", .who = WHO_SIGNED_IN, .tx = TX_NONE,
     .summary = "The catalogue of events", .apply = catalogue_apply},
    {.method = HTTP_GET, .path = "/api/v2/auditlog/stream", .who = WHO_PERMISSION, .permission = PERM_AUDIT_VIEW,
     .tx = TX_NONE, .events = "AuditLogViewed", .summary = "New events as they happen (server-sent events)",
     .apply = stream_apply},
    {.method = HTTP_GET, .path = "/api/v2/auditlog/export", .who = WHO_PERMISSION, .permission = PERM_AUDIT_EXPORT,
     .tx = TX_WRITE, .reserve = true, .rate = RATE_HEAVY, .events = "AuditLogExported", .summary = "Export what a query shows",
     .prepare = export_prepare, .apply = export_apply, .after = export_after},
    {.method = HTTP_POST, .path = "/api/v2/auditlog/clock", .who = WHO_PERMISSION, .permission = PERM_AUDIT_RETENTION,
     .tx = TX_WRITE, .body = BODY_OPTIONAL, .events = "SettingChanged",
     .summary = "Confirm the clock after a step, so that months expire again", .apply = clock_apply, .after = clock_after},
    {.method = HTTP_GET, .path = "/api/v2/auditlog/{cuid}", .who = WHO_PERMISSION, .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ, .summary = "One event", .apply = get_apply},
    {0},
};
