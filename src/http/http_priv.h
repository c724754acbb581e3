/* What the files of this folder share: the server, a connection, a request on its way. */
#ifndef RECOUNT_HTTP_HTTP_PRIV_H
#define RECOUNT_HTTP_HTTP_PRIV_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "codec/cidr.h"
#include "http/http.h"

#define LOOPS             2                  /* event loops; all real work is on the workers */
#define CONNECTION_MEMORY ((size_t)32 << 10) /* bytes of headers and buffers; more headers is 431 */
#define URI_MAX           8192               /* bytes of the request target; more is 414 */
#define HEADERS_MAX       100
#define QUERY_MAX         256                 /* pairs */
#define BODY_DEFAULT      ((size_t)1 << 20)   /* bytes in memory unless the route says else */
#define ARENA_MAX         ((size_t)512 << 20) /* bytes of one request, answer included */
#define UPLOAD_CHUNK      ((size_t)256 << 10) /* bytes gathered before a worker writes them out */
#define DISCARD_MAX       ((int64_t)8 << 20)  /* bytes too much read before the 413 */
#define UPLOAD_RATE_MIN   ((int64_t)50 << 10) /* bytes a second below which an upload is cut */
#define ANSWER_RATE_MIN   ((int64_t)1 << 10)  /* bytes a second below which a reader is cut */
#define SPARE_MAX         256                 /* requests kept for reuse */

/* One socket; made and freed by the connection callback of a loop. */
struct conn {
    struct http_server *server;
    struct conn *prev, *next; /* the reaper's list */
    int fd;
    _Atomic int64_t deadline; /* monotonic µs at which the reaper ends it; 0: none */
    bool linger;              /* answered with its body unread: drain a little after the close */
    struct ip peer;
    bool trusted; /* the peer is one of our proxies */
};

/* Loop: HEADERS -> BODY -> WAIT (suspended, a worker has it) -> ANSWER -> ANSWERED, an upload with
 * WAIT -> ACCEPTED between HEADERS and BODY, and WAIT -> BODY after each piece written. */
enum rq_state { RQ_HEADERS, RQ_ACCEPTED, RQ_BODY, RQ_WAIT, RQ_ANSWER, RQ_ANSWERED };
enum rq_job { JOB_BEFORE_UPLOAD, JOB_WRITE, JOB_HANDLE, JOB_CLEANUP };

struct rq {
    struct http_request pub;
    struct http_server *server;
    struct conn *conn;
    struct MHD_Connection *mhd;
    _Atomic(enum rq_state) state;
    enum rq_job job;
    struct rq *next; /* in the queue, or spare */
    atomic_int refs; /* the loop's, and the stream's: both live in the arena */
    struct http_limits limits;
    struct http_response rs;
    struct MHD_Response *answer; /* made, not queued yet */
    int answer_status;
    struct str target;      /* as received */
    struct str bad_field;   /* the part of the head that is malformed; null: none */
    const char *bad_reason; /* what is wrong with it */
    int64_t content_length; /* bytes; -1: chunked */
    int64_t received;       /* bytes of body so far */
    struct buf *body;       /* the whole body, or the piece of an upload not yet written */
    int fd;                 /* an upload's file; -1 */
    int late_status;        /* decided while the body was arriving; answered at its end */
    bool http10, counted;
};

/* Those who yield stand in a lane of their own, so that a flood of them neither fills the queue of
 * the others nor takes all workers. */
struct lane {
    struct rq *first, **last;
    int n, most; /* places taken; at most */
};
enum { LANE_FIRST, LANE_YIELDS, LANES };

struct queue {
    pthread_mutex_t mu;
    pthread_cond_t cond;
    struct lane lane[LANES];
    int idle;                    /* threads waiting */
    int yielding, yielding_most; /* workers at work for LANE_YIELDS */
    int later;                   /* requests that wait for http_continue() */
    bool closed, stop;
    pthread_t *threads;
    int n_threads;
};

struct reaper;
struct streams;

struct http_server {
    struct http_options o;
    struct arena *arena;
    struct MHD_Daemon *daemon;
    int listen_fd, port;
    struct cidr_list trusted;
    struct queue queue;
    struct reaper *reaper;
    struct streams *streams;
    pthread_mutex_t spare_mu;
    struct rq *spare;
    int n_spare;
    atomic_bool stopping;
    atomic_int active; /* requests from their first line to their last byte */
    _Atomic int64_t n_requests, n_refused, n_full, n_busy, n_connections;
};

/* server.c */
struct rq *rq_take(struct http_server *s);
void rq_release(struct rq *r);

/* request.c: fills r->pub from the parsed head; 0, or the status to refuse with. */
int request_read(struct rq *r, const char *method, const char *version, const char **why);
/* One percent-encoded piece, '+' as space when form; ERR_INVALID: bad escape, NUL, not UTF-8. */
MUST_CHECK enum err percent_decode(struct arena *a, struct str in, bool form, struct str *out);
/* name=value pairs between any of `seps`; at most max. *bad: the name of the pair whose value is refused, else null. */
MUST_CHECK enum err pairs_decode(struct arena *a, struct str in, const char *seps, size_t max,
                                 struct http_pair **out, size_t *n, struct str *bad);

/* address.c */
struct ip address_of(const struct sockaddr *sa); /* bits 0: none */
/* The last hop that is not one of our proxies; `peer` is the socket's. */
struct ip address_forwarded(const struct cidr_list *trusted, struct str forwarded, struct ip peer);

/* body.c */
/* Status to refuse with by the announced length, or 0. */
int body_check(const struct rq *r);
/* Takes *n bytes; leaves them all when a worker must write first. MHD_NO closes. */
enum MHD_Result body_put(struct rq *r, const char *p, size_t *n);
/* On a worker. */
MUST_CHECK enum err upload_open(struct rq *r);
MUST_CHECK enum err upload_write(struct rq *r);
MUST_CHECK enum err upload_finish(struct rq *r);

/* answer.c */
void answer_make(struct rq *r); /* from r->rs; on a worker */
enum MHD_Result answer_queue(struct rq *r);
enum MHD_Result answer_error(struct rq *r, int status, struct str message, bool close);
void answer_error_make(struct rq *r, int status, struct str message, bool close);

/* worker.c */
MUST_CHECK enum err workers_start(struct http_server *s);
/* Suspends the connection and hands the request over; false (nothing done): the queue is full. */
bool worker_submit(struct rq *r, enum rq_job job, bool force);
void worker_cleanup(struct rq *r); /* files of an upload that nobody took */
void workers_close(struct http_server *s);
bool workers_idle(struct http_server *s);
void workers_refuse_waiting(struct http_server *s);
void workers_stop(struct http_server *s); /* after the loops have ended */

/* stream.c */
MUST_CHECK enum err streams_start(struct http_server *s);
/* The answer that plays r->rs.stream; NULL when there are too many (end() has run). */
struct MHD_Response *stream_open(struct rq *r);
int64_t streams_count(struct http_server *s);
void streams_end(struct http_server *s);  /* every stream ends; connections are resumed */
void streams_stop(struct http_server *s); /* after the loops have ended */

/* reaper.c */
MUST_CHECK enum err reaper_start(struct http_server *s);
void reaper_add(struct conn *c);
void reaper_remove(struct conn *c); /* before the socket is closed */
void reaper_stop(struct http_server *s);

#endif
