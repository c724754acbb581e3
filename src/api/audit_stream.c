/* New events as they happen: server-sent events over the cursor of the list. A stream ends within a
 * second when its session or right is lost; pages without a filter share what is rendered. A stream
 * of hints says only up to which cursor there is something: the tabs of a browser share one, and
 * each asks for what its own filter shows (GET /api/v2/auditlog?follow=N), so viewing is right enough
 * for it. They say also when there is a new notice in the workspace: it is always written together
 * with an event. */
#include <pthread.h>

#include "api/audit_api.h"
#include "run/bus.h"

#define STREAMS_PER_USER 20
#define HEARTBEAT_S      15
#define STREAM_BATCH     100
#define STREAM_BYTES     ((size_t)1 << 20) /* of one call; a single event may exceed it */

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t stream_users[4096]; /* user id of each open stream, 0 = free */

static int
audit_streams_take(int64_t user)
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

void
audit_streams_leave(int64_t user)
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

enum err
audit_streams_room(struct api_request *rq, int64_t user)
{
    if (audit_streams_take(user) >= 0)
        return OK;
    return fail(rq->cx, ERR_TOO_FAST, "At most %d streams and exports can be open at once",
                STREAMS_PER_USER);
}

static void
stream_end(void *arg)
{
    struct stream *s = arg;

    audit_streams_leave(s->user_id);
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
    return cx_may(cx, x->s->right) ? OK : ERR_FORBIDDEN;
}

struct cx
audit_stream_cx(const struct stream *s, struct arena *a)
{
    struct cx cx = cx_system(s->app, a, "stream", &s->tenant);

    cx.actor = s->actor;
    cx.grants = &s->view.grants;
    return cx;
}

bool
audit_stream_allowed(struct stream *s, struct arena *a)
{
    struct still x = {s};
    struct cx cx = audit_stream_cx(s, a);

    if (clock_monotonic() - s->last_checked < USEC_PER_SEC / 2)
        return true;
    s->last_checked = clock_monotonic();
    return cx_read(&cx, still_allowed, &x) == OK;
}

enum err
audit_batch_body(struct cx *cx, void *arg)
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
           q->client_id == 0 && q->request.n == 0 && q->from == 0 && q->to == 0 && q->before < 0;
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

bool
audit_is_own_view(const struct audit_event *e, struct str session)
{
    return e->type == EV_AUDIT_VIEWED && str_eq(e->session, session);
}

/* Reads what is behind the stream's cursor and appends it as events. */
static void
render_block(struct stream *s, struct cx *cx, uint64_t now, struct buf *out)
{
    struct batch b = {.q = &s->query};
    int64_t after = s->query.after;
    size_t begin = out->n;
    bool own = false, all;

    if (cx_read(cx, audit_batch_body, &b) != OK)
        return;
    all = b.page.n < STREAM_BATCH;
    for (size_t i = 0; i < b.page.n; i++) {
        struct json_writer w;
        const struct audit_event *v = &b.page.events[i];

        if (out->n - begin > STREAM_BYTES) { /* the rest at the next call */
            all = false;
            break;
        }
        s->query.after = audit_cursor(v);
        own |= v->type == EV_AUDIT_VIEWED;
        if (audit_is_own_view(v, s->session))
            continue;
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

/* ---- hints ---- */

/* The id of the workspace's newest notice: it tells a page to ask for its own, and nothing more.
 * Read once for all streams of a workspace at one position of the bus. */
struct notice_mark {
    int64_t tenant;
    uint64_t at;
    bool used;
    char id[64]; /* a cuid */
};

static pthread_mutex_t marks_lock = PTHREAD_MUTEX_INITIALIZER;
static struct notice_mark marks[BLOCKS];
static unsigned marks_next;

static bool
mark_known(const struct stream *s, uint64_t now, struct notice_mark *out)
{
    bool found = false;

    pthread_mutex_lock(&marks_lock);
    for (int i = 0; i < BLOCKS && !found; i++) {
        found = marks[i].used && marks[i].tenant == s->tenant.id && marks[i].at == now;
        if (found)
            *out = marks[i];
    }
    pthread_mutex_unlock(&marks_lock);
    return found;
}

static enum err
mark_body(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_READ("SELECT MAX(id) FROM notification WHERE tenant_id = $1");
    struct notice_mark *m = arg;
    struct db_rows *r;
    struct str id;

    TRY(db_query_one(cx->tx, &q, ARGS(V_INT(m->tenant)), &r));
    id = db_is_null(r, 0) ? S("") : db_text(r, 0);
    snprintf(m->id, sizeof m->id, "%.*s", STR_ARG(id));
    db_rows_end(r);
    return OK;
}

/* Empty when there is none, or when it can not be read now. */
static struct notice_mark
notice_mark(struct stream *s, struct cx *cx, uint64_t now)
{
    struct notice_mark m = {.tenant = s->tenant.id, .at = now, .used = true};

    if (mark_known(s, now, &m) || cx_read(cx, mark_body, &m) != OK)
        return m;
    pthread_mutex_lock(&marks_lock);
    marks[marks_next++ % BLOCKS] = m;
    pthread_mutex_unlock(&marks_lock);
    return m;
}

static void
hello(struct stream *s, struct cx *cx, uint64_t now, struct buf *out)
{
    s->begun = true;
    s->last_sent = clock_monotonic();
    if (s->hint) {
        s->hinted = s->query.after = audit_newest(s->app, s->tenant.id, false);
        buf_fmt(out, "retry: 1000\nevent: hello\ndata: {\"newest\":%lld,\"notice\":\"%s\"}\n\n",
                (long long)s->hinted, notice_mark(s, cx, now).id);
    } else {
        buf_fmt(out, "retry: 1000\nevent: hello\ndata: {\"after\":%lld}\n\n",
                (long long)s->query.after);
    }
}

static void
hint(struct stream *s, struct cx *cx, uint64_t now, struct buf *out)
{
    int64_t newest = audit_newest(s->app, s->tenant.id, false);

    s->seen_audit = now;
    if (newest <= s->hinted)
        return;
    s->hinted = newest;
    s->last_sent = clock_monotonic();
    buf_fmt(out, "event: newest\ndata: {\"newest\":%lld,\"notice\":\"%s\"}\n\n", (long long)newest,
            notice_mark(s, cx, now).id);
}

static enum err
stream_step(struct stream *s, struct buf *out)
{
    struct arena *a = arena_create("stream", (size_t)64 << 20);
    struct cx cx = audit_stream_cx(s, a);
    uint64_t now = bus_position(s->app->bus, BUS_AUDIT);
    enum err e = OK;

    if (!audit_stream_allowed(s, a)) {
        buf_cstr(out, "event: ended\ndata: {}\n\n");
        e = ERR_END;
    } else if (!s->begun) {
        hello(s, &cx, now, out);
    }
    if (e == OK && (now != s->seen_audit || s->query.ascending == false)) {
        s->query.ascending = true;
        if (s->hint)
            hint(s, &cx, now, out);
        else if (!block_take(s, now, out))
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

    return s->begun && s->query.ascending &&
           bus_position(s->app->bus, BUS_AUDIT) == s->seen_audit &&
           now - s->last_checked < USEC_PER_SEC / 2 &&
           now - s->last_sent < HEARTBEAT_S * USEC_PER_SEC;
}

static enum err
stream_write(void *arg, struct buf *out)
{
    struct stream *s = arg;

    return stream_is_quiet(s) ? OK : stream_step(s, out);
}

struct stream *
audit_stream_new(struct api_request *rq, const struct audit_query *q)
{
    struct arena *a = arena_create("stream", (size_t)16 << 20);
    struct stream *s = arena_new(a, struct stream);

    *s = (struct stream){.app = rq->cx->app, .arena = a, .query = *q, .tenant = rq->cx->tenant};
    s->query.q = arena_str(a, q->q);
    s->query.request = arena_str(a, q->request);
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
    s->right = rq->route->permission;
    return s;
}

enum err
audit_stream_open(struct api_request *rq, struct stream *s, struct str type,
                  enum err (*write)(void *arg, struct buf *out))
{
    rq->rs->content_type = type;
    rq->rs->stream = (struct http_stream){.write = write, .end = stream_end, .arg = s};
    return OK;
}

#define STREAM_TYPE "text/event-stream; charset=utf-8"

static enum err
read_question(struct api_request *rq, struct audit_query *q)
{
    TRY(audit_query_read(rq, q));
    return query_int(rq, "after", -1, INT64_MAX, -2, &q->after);
}

enum err
audit_stream_head(struct api_request *rq)
{
    struct audit_query q;

    rq->rs->content_type = S(STREAM_TYPE);
    return read_question(rq, &q);
}

static enum err
open_stream(struct api_request *rq, bool hint)
{
    struct audit_query q;
    struct str last = http_header(rq->http, S("last-event-id"));
    struct stream *s;

    TRY(read_question(rq, &q));
    if (str_is_empty(last) || str_int64(last, &q.after) != OK) {
        if (q.after == -2)
            q.after = audit_newest(rq->cx->app, q.tenant_id, false);
    }
    q.limit = STREAM_BATCH;
    q.offset = 0;
    TRY(audit_streams_room(rq, rq->cx->actor.user_id));
    s = audit_stream_new(rq, &q);
    s->query.ascending = false; /* the first write looks at once */
    s->hint = hint;
    return audit_stream_open(rq, s, S(STREAM_TYPE), stream_write);
}

enum err
audit_stream_apply(struct api_request *rq)
{
    return open_stream(rq, false);
}

enum err
audit_hints_apply(struct api_request *rq)
{
    return open_stream(rq, true);
}
