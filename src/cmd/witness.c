/* recount witness: a witness of logs as a service of its own (C2SP tlog-witness). It needs a folder, a
 * list of keys and a port; no store of Recount, no account. What it answers: audit/witness.h. */
#include "audit/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "http/http.h"
#include "run/keys.h"

#define WORKERS         4                 /* each waits for a commit most of the time */
#define MAX_CONNECTIONS 512               /* each may hold a request of 64 KB */
#define PER_ADDRESS     64                /* of them from one address */
#define LOGS_MAX        ((size_t)1 << 20) /* bytes of the list of logs */
#define DRAIN_MS        5000              /* how long running requests may take at the end */
#define TEXT            S("text/plain; charset=utf-8")

/* ---- requests ---- */

static void
answer(struct http_response *rs, int status, struct str type, struct str body)
{
    rs->status = status;
    rs->content_type = type;
    rs->body = body;
}

static void
get(struct witness *w, struct http_request *rq, struct http_response *rs)
{
    struct str rest = rq->path, first, hash, body;
    enum err e = ERR_NOT_FOUND;

    if (str_eq(rq->path, S("/vkey"))) {
        body = arena_fmt(rq->arena, "%.*s\n", STR_ARG(witness_vkey(w)));
        answer(rs, 200, TEXT, body);
        return;
    }
    if (str_cut(&rest, '/', &first) && first.n == 0 && str_cut(&rest, '/', &hash) &&
        str_eq(rest, S("checkpoint")))
        e = witness_last(w, rq->arena, hash, &body);
    if (e == OK)
        answer(rs, 200, TEXT, body);
    else if (e == ERR_NOT_FOUND)
        answer(rs, 404, TEXT, S("nothing is known here\n"));
    else
        answer(rs, 503, TEXT, S("the witness's memory can not be read\n"));
}

static void
handle(void *arg, struct http_request *rq, struct http_response *rs)
{
    struct witness *w = arg;
    bool adds = str_eq(rq->path, S("/add-checkpoint"));

    if (adds && rq->method == HTTP_POST) {
        struct witness_answer x = witness_add(w, rq->arena, rq->body, clock_now());

        answer(rs, x.status, x.type, x.body);
    } else if (!adds && (rq->method == HTTP_GET || rq->method == HTTP_HEAD)) {
        get(w, rq, rs);
    } else {
        answer(rs, 405, TEXT, S("a method that does not exist here\n"));
        http_add_header(rs, S("Allow"), adds ? S("POST") : S("GET, HEAD"));
    }
}

static void
headers_done(void *arg, const struct http_request *rq, struct http_limits *limits)
{
    (void)arg;
    (void)rq;
    limits->body_max = WITNESS_REQUEST_MAX;
}

/* ---- the folder ---- */

static void
wipe(void *seed)
{
    sodium_memzero(seed, 32);
}

/* The folder is its owner's alone: whoever can write there can take back what was cosigned. */
static bool
open_folder(struct arena *a, struct str dir, struct str *seed)
{
    const char *path = arena_cstr(a, dir);
    struct stat st;
    bool read;
    int fd;

    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        refuse("the folder %s can not be made", path);
        return false;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || (st.st_mode & 077)) {
        refuse("the folder %s must be there and its owner's only (chmod 700)", path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    read = key_read(a, fd, "witness.key", true, seed) == OK;
    close(fd);
    if (read)
        arena_defer(a, wipe, (void *)(uintptr_t)seed->p);
    else
        refuse("the key %s/witness.key can not be read", path);
    return read;
}

static bool
read_logs(struct arena *a, struct str path, struct str *text)
{
    struct buf *b = buf_in(a, LOGS_MAX);
    char chunk[4096];
    ssize_t n = -1;
    int fd = open(arena_cstr(a, path), O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) > 0)
        buf_put(b, chunk, (size_t)n);
    if (fd >= 0)
        close(fd);
    if (n < 0 || buf_failed(b)) {
        refuse("%.*s can not be read, or is larger than 1 MB", STR_ARG(path));
        return false;
    }
    *text = buf_view(b);
    return true;
}

/* ---- start and stop ---- */

static void
greet(struct arena *a, struct witness *w, const struct config *c, int port)
{
    struct str host = str_contains(c->listen_host, S(":"))
                          ? arena_fmt(a, "[%.*s]", STR_ARG(c->listen_host))
                          : c->listen_host;

    log_info("http.listening", LOG_STR("address", c->listen_host), LOG_INT("port", port),
             LOG_INT("logs", witness_logs(w)));
    printf("\nThe key of this witness:\n  %.*s\nThe line for witnesses.policy:\n  witness %.*s "
           "%.*s http://%.*s:%d\n",
           STR_ARG(witness_vkey(w)), STR_ARG(witness_name(w)), STR_ARG(witness_vkey(w)),
           STR_ARG(host), port);
    fflush(stdout);
}

/* The list again: one that is not understood changes nothing. */
static void
read_again(struct witness *w, struct str path)
{
    struct arena *a = arena_create("logs", LOGS_MAX * 16);
    struct str text, why = S("the file can not be read");

    if (read_logs(a, path, &text) && witness_watch(w, a, text, &why) == OK)
        log_info("witness.logs_read", LOG_INT("logs", (int64_t)witness_logs(w)));
    else
        log_error("witness.logs_refused", LOG_STR("why", why));
    arena_free(a);
}

static int
run(struct arena *a, struct witness *w, const struct config *c, struct str logs)
{
    struct http_options o = {.host = c->listen_host,
                             .port = c->listen_port,
                             .upload_dir = c->data_dir,
                             .workers = WORKERS,
                             .queue = MAX_CONNECTIONS,
                             .max_connections = MAX_CONNECTIONS,
                             .max_per_address = PER_ADDRESS,
                             .header_timeout_s = 10,
                             .body_timeout_s = 30,
                             .idle_timeout_s = 60,
                             .headers_done = headers_done,
                             .handle = handle,
                             .arg = w};
    struct http_server *server;
    struct str why = S("the witness can not listen");
    int which;

    if (http_start(a, &o, &server, &why) != OK)
        return refuse("%.*s", STR_ARG(why));
    greet(a, w, c, http_port(server));
    while ((which = signals_wait()) == SIGHUP)
        read_again(w, logs);
    http_stop(server, DRAIN_MS);
    log_info("witness.stopped", LOG_INT("signal", which));
    return 0;
}

int
cmd_witness(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    struct str listen = STR_NULL, logs = STR_NULL, why = S("the memory can not be opened");
    struct witness_options o = {0};
    const struct option_def defs[] = {{"data", &c.data_dir, NULL},
                                      {"listen", &listen, NULL},
                                      {"logs", &logs, NULL},
                                      {"name", &o.name, NULL},
                                      {0}};
    struct witness *w;
    int status;

    if (!options_read(a, defs, &argc, argv) || argc != 0 || str_is_null(c.data_dir) ||
        str_is_null(listen) || str_is_null(logs))
        return usage("witness --data DIR --listen ADDR:PORT --logs FILE [--name NAME]");
    if (!listen_read(a, &c, listen) || !read_logs(a, logs, &o.logs) ||
        !open_folder(a, c.data_dir, &o.seed))
        return 1;
    signals_hold();
    o.path = arena_fmt(a, "%.*s/witness.db", STR_ARG(c.data_dir));
    if (witness_open(a, &o, &w, &why) != OK)
        return refuse("%.*s", STR_ARG(why));
    status = run(a, w, &c, logs);
    witness_close(w);
    return status;
}
