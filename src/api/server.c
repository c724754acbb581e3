/* The listening server of the process: options from the configuration, entry points of dispatch. */
#include "api/server.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "run/bus.h"

#define PEM_MAX    ((size_t)256 << 10)
#define UPLOAD_DIR "uploads"

/* The listener; NULL before and after. The object itself lives in the process arena, so that a late
 * wake finds memory that is still there. */
static _Atomic(struct http_server *) server;

static enum err
read_file(struct arena *a, struct str path, struct str *out, struct str *why)
{
    struct buf *b = buf_in(a, PEM_MAX);
    char chunk[4096];
    ssize_t n;
    int fd = open(arena_cstr(a, path), O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        *why = arena_fmt(a, "%.*s can not be read", STR_ARG(path));
        return ERR_IO;
    }
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        buf_put(b, chunk, (size_t)n);
    close(fd);
    if (n < 0 || buf_failed(b)) {
        *why = arena_fmt(a, "%.*s can not be read, or is too large for a PEM file", STR_ARG(path));
        return ERR_IO;
    }
    buf_char(b, '\0');
    *out = (struct str){b->p, b->n - 1};
    return OK;
}

/* Something moved: open streams look again. On the publishing thread, so it only signals. */
static void
wake_streams(void *arg, enum bus_topic t)
{
    struct http_server *s = atomic_load(&server);

    (void)arg;
    (void)t;
    if (s)
        http_streams_wake(s);
}

/* Each connection is a descriptor; the usual soft limit of 1,024 is too few for the streams. */
static void
raise_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

enum err
server_start(struct app *app, struct str *why)
{
    const struct config *c = &app->config;
    struct arena *a = app->arena;
    struct http_server *started;
    struct http_options o = {
        .host = c->listen_host,
        .port = c->listen_port,
        .trusted_proxies = c->trusted_proxies,
        .workers = c->workers,
        .queue = 512,
        .max_connections = 8192,
        .max_per_address = 0,
        .header_timeout_s = 10,
        .body_timeout_s = 120,
        .idle_timeout_s = 60,
        .max_streams = 4096,
        .headers_done = api_headers_done,
        .before_upload = api_before_upload,
        .handle = api_handle,
        .error_body = api_error_body,
        .arg = app,
    };

    raise_descriptors();
    bus_listen(app->bus, 1u << BUS_AUDIT | 1u << BUS_SESSION, wake_streams, NULL);
    o.upload_dir = arena_fmt(a, "%.*s/" UPLOAD_DIR, STR_ARG(c->data_dir));
    (void)mkdir(arena_cstr(a, o.upload_dir), 0700);
    if (!str_is_empty(c->tls_cert)) {
        TRY(read_file(a, c->tls_cert, &o.tls_cert, why));
        TRY(read_file(a, c->tls_key, &o.tls_key, why));
    }
    TRY(http_start(a, &o, &started, why));
    atomic_store(&server, started);
    return OK;
}

int
server_port(void)
{
    return http_port(server);
}

void
server_stop(int drain_ms)
{
    struct http_server *s = atomic_exchange(&server, NULL);

    if (s)
        http_stop(s, drain_ms);
}

void
server_stats(struct http_stats *out)
{
    if (server)
        http_stats(server, out);
}
