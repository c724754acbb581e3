/* The server: listening socket, library daemon with its loops, the way of a request through its
 * states, start and stop. Owns struct http_server, the connections and the spare requests. What a
 * request means is the handler's business. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/http_priv.h"

#define BACKLOG      1024
#define STOP_POLL_NS 5000000L /* between looks at what still runs while stopping */

/* --- requests --------------------------------------------------------------------------------- */

struct rq *
rq_take(struct http_server *s)
{
    struct arena *arena = NULL;
    struct rq *r;

    pthread_mutex_lock(&s->spare_mu);
    r = s->spare;
    if (r != NULL) {
        s->spare = r->next;
        s->n_spare--;
        arena = r->pub.arena;
    }
    pthread_mutex_unlock(&s->spare_mu);
    if (r == NULL)
        r = calloc(1, sizeof(*r));
    else
        memset(r, 0, sizeof(*r));
    if (r == NULL)
        BUG("no memory for a request");
    r->pub.arena = arena != NULL ? arena : arena_create("request", ARENA_MAX);
    r->server = s;
    r->fd = -1;
    atomic_store(&r->refs, 1);
    return r;
}

void
rq_release(struct rq *r)
{
    struct http_server *s = r->server;
    bool keep;

    if (atomic_fetch_sub(&r->refs, 1) > 1)
        return;
    arena_reset(r->pub.arena); /* runs what the handler deferred */
    pthread_mutex_lock(&s->spare_mu);
    keep = s->n_spare < SPARE_MAX;
    if (keep) {
        r->next = s->spare;
        s->spare = r;
        s->n_spare++;
    }
    pthread_mutex_unlock(&s->spare_mu);
    if (keep)
        return;
    arena_free(r->pub.arena);
    free(r);
}

static int64_t
in_seconds(int s)
{
    return clock_monotonic() + s * USEC_PER_SEC;
}

static enum MHD_Result
answer_full(struct rq *r)
{
    bool stopping = atomic_load(&r->server->stopping);

    if (!stopping)
        atomic_fetch_add(&r->server->n_full, 1);
    return answer_error(r, 503, stopping ? S("the server is stopping") : STR_NULL, stopping);
}

/* The head is complete, nothing of the body is read. */
static enum MHD_Result
head_complete(struct rq *r, const char *method, const char *version)
{
    struct http_server *s = r->server;
    const char *why = NULL;
    int status = request_read(r, method, version, &why);

    r->counted = true;
    atomic_fetch_add(&s->active, 1);
    atomic_fetch_add_explicit(&s->n_requests, 1, memory_order_relaxed);
    r->conn->linger = r->content_length != 0;
    if (status != 0)
        return answer_error(r, status, str_of(why), true);
    if (atomic_load(&s->stopping))
        return answer_error(r, 503, S("the server is stopping"), true);
    r->limits = (struct http_limits){.body_max = BODY_DEFAULT};
    if (s->o.headers_done != NULL)
        s->o.headers_done(s->o.arg, &r->pub, &r->limits);
    if (r->limits.refuse != OK && r->content_length != 0)
        return answer_error(r, err_http_status(r->limits.refuse), STR_NULL, true);
    if (r->limits.refuse != OK)
        r->late_status = err_http_status(r->limits.refuse); /* no body: the connection is kept */
    if (body_check(r) != 0)
        return answer_error(r, 413, STR_NULL, true);
    r->conn->linger = false;
    atomic_store(&r->conn->deadline, r->content_length != 0 ? in_seconds(s->o.body_timeout_s) : 0);
    if (!r->limits.upload || r->late_status != 0) {
        atomic_store(&r->state, RQ_BODY);
        return MHD_YES;
    }
    atomic_store(&r->conn->deadline, 0);
    if (worker_submit(r, JOB_BEFORE_UPLOAD, false))
        return MHD_YES;
    r->conn->linger = r->content_length != 0;
    return answer_full(r);
}

static enum MHD_Result
upload_accepted(struct rq *r)
{
    int64_t most = r->content_length >= 0 ? r->content_length : r->limits.upload_max;
    int64_t seconds = r->server->o.body_timeout_s + most / UPLOAD_RATE_MIN;

    atomic_store(&r->conn->deadline, clock_monotonic() + seconds * USEC_PER_SEC);
    atomic_store(&r->state, RQ_BODY);
    return MHD_YES;
}

static enum MHD_Result
body_complete(struct rq *r)
{
    if (r->late_status != 0)
        return answer_error(r, r->late_status, STR_NULL, r->content_length != 0);
    atomic_store(&r->conn->deadline, 0);
    return worker_submit(r, JOB_HANDLE, r->limits.upload) ? MHD_YES : answer_full(r);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
           const char *version, const char *data, size_t *n, void **con_cls)
{
    struct rq *r = *con_cls;

    (void)cls, (void)mhd, (void)url;
    switch (atomic_load(&r->state)) {
    case RQ_HEADERS:
        return head_complete(r, method, version);
    case RQ_ACCEPTED:
        return upload_accepted(r);
    case RQ_BODY:
        return *n > 0 ? body_put(r, data, n) : body_complete(r);
    case RQ_WAIT:
        return MHD_YES; /* suspended: whatever it brings stays where it is */
    case RQ_ANSWER:
        /* An upload refused at its head: the body is on its way. */
        r->conn->linger = r->limits.upload && r->received == 0;
        return answer_queue(r);
    case RQ_ANSWERED:
    default:
        *n = 0;
        return MHD_YES;
    }
}

/* The request line is read: a request begins here, with the time for its head. */
static void *
on_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *s = cls;
    struct rq *r = rq_take(s);

    r->conn = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    r->mhd = mhd;
    r->pub.started = clock_monotonic();
    r->target = arena_str(r->pub.arena, str_of(uri));
    atomic_store(&r->conn->deadline, in_seconds(s->o.header_timeout_s));
    return r;
}

static void
on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
             enum MHD_RequestTerminationCode code)
{
    struct http_server *s = cls;
    struct rq *r = *con_cls;

    (void)mhd, (void)code;
    if (r == NULL)
        return;
    *con_cls = NULL;
    /* Until the head of the next one, idle time included. */
    atomic_store(&r->conn->deadline, in_seconds(s->o.idle_timeout_s + s->o.header_timeout_s));
    if (r->answer != NULL)
        MHD_destroy_response(r->answer);
    r->answer = NULL;
    if (r->counted)
        atomic_fetch_sub(&s->active, 1);
    if (r->pub.body_file.n > 0)
        worker_cleanup(r); /* an unlink of half a gigabyte takes its time */
    else
        rq_release(r);
}

/* --- connections ------------------------------------------------------------------------------ */

static void
conn_open(struct http_server *s, struct MHD_Connection *mhd, void **context)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        BUG("no memory for a connection");
    c->server = s;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->peer =
        address_of(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    c->trusted = cidr_list_has(&s->trusted, c->peer);
    atomic_store(&c->deadline, in_seconds(s->o.header_timeout_s));
    atomic_fetch_add(&s->n_connections, 1);
    reaper_add(c);
    *context = c;
}

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **context,
              enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    struct conn *c = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_open(s, mhd, context);
        return;
    }
    if (c == NULL)
        return;
    reaper_remove(c);
    atomic_fetch_sub(&s->n_connections, 1);
    free(c);
    *context = NULL;
}

/* Clients cause these lines, so they are for debugging only. */
static void on_log(void *cls, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void
on_log(void *cls, const char *fmt, va_list ap)
{
    char line[256];

    (void)cls;
    vsnprintf(line, sizeof(line), fmt, ap);
    log_debug("http.library", LOG_STR("message", str_trim(str_of(line))));
}

/* Decoding is request.c's: the library's is left out. */
static size_t
no_unescape(void *cls, struct MHD_Connection *mhd, char *s)
{
    (void)cls, (void)mhd;
    return strlen(s);
}

/* --- start ------------------------------------------------------------------------------------ */

static int
listen_on(const struct addrinfo *ai)
{
    int on = 1, off = 0;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

static enum err
open_socket(struct http_server *s, struct str *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof(bound);
    const char *host = s->o.host.n > 0 ? arena_cstr(s->arena, s->o.host) : NULL;
    struct str port = arena_fmt(s->arena, "%d", s->o.port);

    if (getaddrinfo(host, port.p, &hints, &list) != 0) {
        *why = arena_fmt(s->arena, "the address \"%.*s\" can not be resolved", STR_ARG(s->o.host));
        return ERR_INVALID;
    }
    for (struct addrinfo *ai = list; ai != NULL && s->listen_fd < 0; ai = ai->ai_next)
        s->listen_fd = listen_on(ai);
    freeaddrinfo(list);
    if (s->listen_fd < 0 || getsockname(s->listen_fd, (struct sockaddr *)&bound, &len) != 0) {
        *why = arena_fmt(s->arena, "can not listen on %.*s port %d: %s", STR_ARG(s->o.host),
                         s->o.port, strerror(errno));
        return ERR_IO;
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): getsockname() filled it */
    s->port = ntohs(bound.ss_family == AF_INET6
                        ? ((const struct sockaddr_in6 *)(const void *)&bound)->sin6_port
                        : ((const struct sockaddr_in *)(const void *)&bound)->sin_port);
    return OK;
}

static void
put_option(struct MHD_OptionItem *items, size_t *n, enum MHD_OPTION option, intptr_t value,
           void *ptr)
{
    items[(*n)++] = (struct MHD_OptionItem){option, value, ptr};
}

static struct MHD_Daemon *
start_daemon(struct http_server *s)
{
    struct MHD_OptionItem it[16];
    size_t n = 0;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG;

    put_option(it, &n, MHD_OPTION_LISTEN_SOCKET, s->listen_fd, NULL);
    put_option(it, &n, MHD_OPTION_THREAD_POOL_SIZE, LOOPS, NULL);
    put_option(it, &n, MHD_OPTION_CONNECTION_LIMIT, s->o.max_connections, NULL);
    put_option(it, &n, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)CONNECTION_MEMORY, NULL);
    put_option(it, &n, MHD_OPTION_CONNECTION_TIMEOUT, s->o.idle_timeout_s, NULL);
    put_option(it, &n, MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
    /* Behind a proxy all connections come from one address: then the limit is the proxy's. */
    if (s->o.max_per_address > 0 && s->trusted.n == 0)
        put_option(it, &n, MHD_OPTION_PER_IP_CONNECTION_LIMIT, s->o.max_per_address, NULL);
    if (s->o.tls_cert.n > 0) {
        flags |= MHD_USE_TLS;
        put_option(it, &n, MHD_OPTION_HTTPS_MEM_CERT, 0, arena_cstr(s->arena, s->o.tls_cert));
        put_option(it, &n, MHD_OPTION_HTTPS_MEM_KEY, 0, arena_cstr(s->arena, s->o.tls_key));
        put_option(it, &n, MHD_OPTION_HTTPS_PRIORITIES, 0,
                   arena_cstr(s->arena, S("SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2")));
    }
    put_option(it, &n, MHD_OPTION_END, 0, NULL);
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log,
                            NULL, MHD_OPTION_ARRAY, it, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                            s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
                            MHD_OPTION_URI_LOG_CALLBACK, on_line, s, MHD_OPTION_UNESCAPE_CALLBACK,
                            no_unescape, NULL, MHD_OPTION_END);
}

static void
set_default(int *value, int otherwise)
{
    if (*value <= 0)
        *value = otherwise;
}

static void
fill_defaults(struct http_options *o)
{
    set_default(&o->workers, 8);
    set_default(&o->queue, 1024);
    set_default(&o->max_connections, 4096);
    set_default(&o->header_timeout_s, 10);
    set_default(&o->body_timeout_s, 30);
    set_default(&o->idle_timeout_s, 60);
    set_default(&o->max_streams, 1024);
}

/* What was started ends again, in reverse order, whether the start was complete or not. */
static void
take_down(struct http_server *s)
{
    if (s->queue.threads != NULL)
        workers_stop(s);
    streams_stop(s);
    reaper_stop(s);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    s->listen_fd = -1;
    for (struct rq *r = s->spare, *next; r != NULL; r = next) {
        next = r->next;
        arena_free(r->pub.arena);
        free(r);
    }
    s->spare = NULL;
    pthread_mutex_destroy(&s->spare_mu);
}

static enum err
start_all(struct http_server *s, struct str *why)
{
    struct str bad = STR_NULL;

    if (cidr_list_parse(s->arena, s->o.trusted_proxies, &s->trusted, &bad) != OK) {
        *why = arena_fmt(s->arena, "trusted proxies: \"%.*s\" is no network", STR_ARG(bad));
        return ERR_INVALID;
    }
    if ((s->o.tls_cert.n > 0) != (s->o.tls_key.n > 0)) {
        *why = S("TLS needs both a certificate and a key");
        return ERR_INVALID;
    }
    TRY(open_socket(s, why));
    *why = S("threads can not be started");
    TRY(reaper_start(s));
    TRY(streams_start(s));
    TRY(workers_start(s));
    s->daemon = start_daemon(s);
    *why = S("the HTTP library can not be started (certificate and key?)");
    return s->daemon != NULL ? OK : ERR_UNAVAILABLE;
}

enum err
http_start(struct arena *a, const struct http_options *o, struct http_server **out, struct str *why)
{
    struct http_server *s = arena_new(a, struct http_server);
    struct str reason = STR_NULL;
    enum err rc;

    s->o = *o;
    s->arena = a;
    s->listen_fd = -1;
    fill_defaults(&s->o);
    pthread_mutex_init(&s->spare_mu, NULL);
    rc = start_all(s, &reason);
    if (rc != OK) {
        take_down(s);
        *why = reason;
        return rc;
    }
    *out = s;
    return OK;
}

int
http_port(const struct http_server *s)
{
    return s->port;
}

/* --- stop ------------------------------------------------------------------------------------- */

static void
pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = STOP_POLL_NS}, NULL);
}

/* The library must not be stopped while a connection is suspended: so first the queue is closed,
 * then whatever a worker still has comes back, and all streams are resumed. */
void
http_stop(struct http_server *s, int drain_ms)
{
    int64_t until = clock_monotonic() + drain_ms * USEC_PER_MS;

    atomic_store(&s->stopping, true);
    MHD_quiesce_daemon(s->daemon);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    s->listen_fd = -1;
    streams_end(s);
    while (clock_monotonic() < until && atomic_load(&s->active) > 0)
        pause_briefly();
    workers_close(s);
    while (!workers_idle(s)) {
        workers_refuse_waiting(s);
        pause_briefly();
    }
    MHD_stop_daemon(s->daemon);
    s->daemon = NULL;
    take_down(s);
}

void
http_stats(struct http_server *s, struct http_stats *out)
{
    *out = (struct http_stats){
        .requests = atomic_load(&s->n_requests),
        .refused = atomic_load(&s->n_refused),
        .queue_full = atomic_load(&s->n_full),
        .streams = streams_count(s),
        .connections = atomic_load(&s->n_connections),
        .busy_workers = atomic_load(&s->n_busy),
    };
}
