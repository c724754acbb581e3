/* HTTP/1.1 over libmicrohttpd: sockets, limits, form of requests, bodies, uploads, streams. Knows
 * nothing of tenants, SQL or JSON meaning. The handler runs on a bounded pool of workers; event
 * loops never block. */
#ifndef RECOUNT_HTTP_HTTP_H
#define RECOUNT_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER
};

struct http_pair {
    struct str name, value;
};

struct http_request {
    struct arena *arena; /* the request's; the answer may live in it */
    enum http_method method;
    struct str method_name;
    struct str path; /* percent-decoded once, valid UTF-8, no NUL, no "//", no dot segments */
    struct http_pair *query; /* decoded; a further '?' counts as '&' */
    size_t n_query;
    struct http_pair *headers; /* names lower-cased */
    size_t n_headers;
    struct str body;      /* complete; at most the route's limit */
    struct str body_file; /* uploads: path of the temporary file instead of body; null otherwise */
    struct str host;
    struct str address;    /* last untrusted hop */
    struct str via;        /* the socket's, when different; else null */
    struct str request_id; /* cuid */
    bool tls;
    bool head;       /* HEAD, to be served as GET: the body is dropped on the way out */
    int64_t started; /* monotonic µs */
    void *state;     /* the handler's own, NULL when it is called first; see http_response.later */
};

/* null str when absent */
struct str http_header(const struct http_request *r, struct str lower_name);
struct str http_query(const struct http_request *r, struct str name);
struct str http_cookie(const struct http_request *r, struct str name);
/* Whether the client has the version with this ETag already (If-None-Match, RFC 9110 13.1.2): 304 then. */
bool http_has_version(const struct http_request *r, struct str etag);

/* A stream body (SSE, exports): write() is called on a worker thread of its own kind, may block up
 * to a second at a time and appends to out; OK = call again, ERR_END = finished, else abort the
 * connection. It is called about every second at least, so that ended rights end the stream; not
 * while more than 128 KB wait for a slow client, who gets nothing new without a further call. One
 * that has nothing to say should return at once (http_streams_wake tells when to look again): a few
 * threads then serve a thousand streams, while blocking calls cost a thread each. */
struct http_stream {
    enum err (*write)(void *arg, struct buf *out);
    void (*end)(void *arg); /* exactly once */
    void *arg;
};

struct http_response {
    int status;
    struct str content_type;
    struct http_pair headers[24];
    size_t n_headers;
    struct str body; /* lives in the request's arena, or static when body_static */
    bool body_static;
    struct http_stream stream; /* write != NULL: used instead of body */
    /* Set by a handler that has no answer yet: called once it has returned, as the worker's last
     * act for the request, which then waits without a worker until http_continue() brings it back
     * to the handler. That must happen, and soon: nothing ends such a request from outside. */
    void (*later)(void *arg, struct http_request *rq);
    void *later_arg;
};
/* The request has what it waited for: handle() is called again, on a worker. Any thread, once for
 * each `later`; the caller does not touch the request afterwards. */
void http_continue(struct http_request *rq);
void http_add_header(struct http_response *r, struct str name, struct str value);
/* The same in place of one of that name. */
void http_set_header(struct http_response *r, struct str name, struct str value);

/* What the layer above decides when the headers are complete and the body is not read yet. */
struct http_limits {
    size_t body_max; /* bytes kept in memory; more is 413 */
    bool upload;     /* body goes to a temporary file */
    bool yields;     /* waits while others wait, and takes two workers, or an eighth of them */
    int64_t upload_max;
    enum err refuse; /* not OK: answer now with `response`, read nothing */
};

/* A request that this layer refuses itself. */
struct http_refusal {
    int status;
    struct str message;
    struct str
        field; /* what of the head is malformed: "path", a header, a parameter …; null: nothing */
    struct str reason; /* of that field */
    struct str request_id;
};

struct http_options {
    struct str host;
    int port;                     /* 0: the system chooses (see http_port) */
    struct str tls_cert, tls_key; /* PEM text; null: plain */
    struct str trusted_proxies;   /* comma-separated CIDRs */
    struct str upload_dir;
    int workers; /* handler threads */
    int queue;   /* waiting requests before 503; those that yield: as many as connections */
    int max_connections, max_per_address;
    int header_timeout_s, body_timeout_s, idle_timeout_s;
    int max_streams;
    /* On a loop thread, must not block: limits for a request whose headers are complete. NULL: defaults. */
    void (*headers_done)(void *arg, const struct http_request *rq, struct http_limits *limits);
    /* On a worker of the pool, only for routes with limits->upload: may refuse before the body is read. */
    void (*before_upload)(void *arg, struct http_request *rq, struct http_limits *limits,
                          struct http_response *rs);
    /* On a worker: the whole request. */
    void (*handle)(void *arg, struct http_request *rq, struct http_response *rs);
    /* The body of an answer this layer makes itself (400, 413, 503 …): JSON in the house's form. */
    void (*error_body)(struct buf *out, const struct http_refusal *why);
    void *arg;
};

struct http_server;
MUST_CHECK enum err http_start(struct arena *a, const struct http_options *o,
                               struct http_server **out, struct str *why);
int http_port(const struct http_server *s);
/* Stops accepting, ends streams, lets requests finish (at most drain_ms; then what no worker has
 * begun is answered 503), closes. A handler that has begun is waited for in any case. */
void http_stop(struct http_server *s, int drain_ms);

/* Something happened: every stream's write() is called soon (within 20 ms when it is asked often),
 * not only at its next turn a quarter of a second later. Any thread; does not block. */
void http_streams_wake(struct http_server *s);

struct http_stats {
    int64_t requests, refused, queue_full, streams, connections, busy_workers;
};
void http_stats(struct http_server *s, struct http_stats *out);

/* multipart/form-data and x-www-form-urlencoded (form.c), strict and bounded. */
struct form_part {
    struct str name, filename, type, value;
};
MUST_CHECK enum err form_parse(struct arena *a, struct str content_type, struct str body,
                               struct form_part **out, size_t *n);

#endif
