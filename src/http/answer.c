/* From struct http_response to the library's response: headers, bodies, streams, and the answers
 * this layer gives itself. Made on a worker (refusals: at once on a loop), queued by a loop. */
#include "base/clock.h"
#include "base/log.h"
#include "http/http_priv.h"

#define ERROR_MAX ((size_t)16 << 10) /* bytes of an error body */

void
http_add_header(struct http_response *r, struct str name, struct str value)
{
    if (r->n_headers == sizeof(r->headers) / sizeof(r->headers[0]))
        BUG("more than %zu headers in one answer", r->n_headers);
    r->headers[r->n_headers++] = (struct http_pair){name, value};
}

void
http_set_header(struct http_response *r, struct str name, struct str value)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_ieq(r->headers[i].name, name)) {
            r->headers[i].value = value;
            return;
        }
    http_add_header(r, name, value);
}

static void
put_header(struct rq *r, struct MHD_Response *m, struct str name, struct str value)
{
    struct arena *a = r->pub.arena;

    if (value.n == 0)
        return;
    /* Refused by the library when it holds CR, LF or worse. */
    if (MHD_add_response_header(m, arena_cstr(a, name), arena_cstr(a, value)) != MHD_YES)
        log_error("http.bad_answer_header", LOG_STR("name", name));
}

static struct MHD_Response *
plain(struct str body)
{
    /* Not copied: it lives in the request's arena, which outlives the answer, or is static. The
     * interface takes a non-const pointer for its other memory modes; PERSISTENT only reads. */
    union {
        const char *in;
        void *out;
    } p = {.in = body.p};
    struct MHD_Response *m = MHD_create_response_from_buffer(body.n, p.out, MHD_RESPMEM_PERSISTENT);

    if (m == NULL)
        BUG("no memory for an answer");
    return m;
}

static const char *
reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {400, "the request is malformed"},
        {413, "the body is too large"},
        {414, "the address is too long"},
        {417, "this expectation can not be met"},
        {431, "the headers are too large"},
        {500, "something went wrong here"},
        {503, "the server is busy; try again in a moment"},
        {505, "only HTTP/1.1 is spoken here"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "the request was refused";
}

void
answer_error_make(struct rq *r, int status, struct str message, bool close)
{
    struct http_server *s = r->server;
    struct buf *b = buf_in(r->pub.arena, ERROR_MAX);

    if (message.n == 0)
        message = str_of(reason_of(status));
    if (s->o.error_body != NULL)
        s->o.error_body(b, &(struct http_refusal){status, message, r->bad_field,
                                                  r->bad_reason ? str_of(r->bad_reason) : STR_NULL,
                                                  r->pub.request_id});
    else
        buf_str(b, message);
    r->answer = plain(buf_view(b));
    r->answer_status = status;
    put_header(r, r->answer, S("Content-Type"),
               s->o.error_body != NULL ? S("application/json") : S("text/plain; charset=utf-8"));
    put_header(r, r->answer, S("Cache-Control"), S("no-store"));
    put_header(r, r->answer, S("X-Content-Type-Options"), S("nosniff"));
    if (status == 503)
        put_header(r, r->answer, S("Retry-After"), S("1"));
    if (close)
        put_header(r, r->answer, S("Connection"), S("close"));
    atomic_fetch_add_explicit(&s->n_refused, 1, memory_order_relaxed);
}

static ssize_t
nothing(void *cls, uint64_t pos, char *buf, size_t max)
{
    (void)cls;
    (void)pos;
    (void)buf;
    (void)max;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

/* A HEAD request has no use for a stream: it ends unread. Its length stays unsaid, as GET's does; the library
 * would end a chunked body that is not there, so the connection closes instead. */
static struct MHD_Response *
stream_or_none(struct rq *r)
{
    struct MHD_Response *m;

    if (!r->pub.head)
        return stream_open(r);
    if (r->rs.stream.end != NULL)
        r->rs.stream.end(r->rs.stream.arg);
    m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, nothing, NULL, NULL);
    if (m == NULL)
        BUG("no memory for an answer");
    MHD_set_response_options(m, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return m;
}

void
answer_make(struct rq *r)
{
    struct http_response *rs = &r->rs;

    if (rs->status < 200 || rs->status > 599) {
        log_error("http.no_status", LOG_STR("path", r->pub.path), LOG_INT("status", rs->status));
        if (rs->stream.write != NULL && rs->stream.end != NULL)
            rs->stream.end(rs->stream.arg);
        answer_error_make(r, 500, STR_NULL, false);
        return;
    }
    r->answer = rs->stream.write != NULL ? stream_or_none(r) : plain(rs->body);
    if (r->answer == NULL) {
        answer_error_make(r, 503, S("too many open streams"), false);
        return;
    }
    r->answer_status = rs->status;
    put_header(r, r->answer, S("Content-Type"), rs->content_type);
    for (size_t i = 0; i < rs->n_headers; i++)
        put_header(r, r->answer, rs->headers[i].name, rs->headers[i].value);
}

enum MHD_Result
answer_queue(struct rq *r)
{
    struct http_server *s = r->server;
    enum MHD_Result queued;
    int64_t bytes = (int64_t)r->rs.body.n;

    /* A reader slower than this holds memory for nothing. Streams are bounded by the idle time. */
    atomic_store(&r->conn->deadline,
                 r->rs.stream.write != NULL
                     ? 0
                     : clock_monotonic() +
                           (s->o.idle_timeout_s + bytes / ANSWER_RATE_MIN) * USEC_PER_SEC);
    atomic_store(&r->state, RQ_ANSWERED);
    queued = MHD_queue_response(r->mhd, (unsigned)r->answer_status, r->answer);
    MHD_destroy_response(r->answer);
    r->answer = NULL;
    return queued;
}

enum MHD_Result
answer_error(struct rq *r, int status, struct str message, bool close)
{
    answer_error_make(r, status, message, close);
    return answer_queue(r);
}
