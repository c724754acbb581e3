/* Bodies: kept in memory up to the route's limit, or gathered in pieces that a worker writes to a
 * temporary file. Loops only copy bytes; every file call is made on a worker. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "http/http_priv.h"

static int64_t
body_limit(const struct rq *r)
{
    return r->limits.upload ? r->limits.upload_max : (int64_t)r->limits.body_max;
}

int
body_check(const struct rq *r)
{
    return r->content_length > body_limit(r) ? 413 : 0;
}

/* Too long without having said so: the answer can only follow the end of the body. */
static enum MHD_Result
discard(struct rq *r, size_t *n)
{
    *n = 0;
    return r->received > body_limit(r) + DISCARD_MAX ? MHD_NO : MHD_YES;
}

enum MHD_Result
body_put(struct rq *r, const char *p, size_t *n)
{
    size_t max = r->limits.upload ? UPLOAD_CHUNK : r->limits.body_max;

    if (r->late_status == 0 && (int64_t)*n > body_limit(r) - r->received)
        r->late_status = 413;
    if (r->late_status != 0) {
        r->received += (int64_t)*n;
        return discard(r, n);
    }
    if (r->body == NULL)
        r->body = buf_in(r->pub.arena, max);
    if (r->limits.upload && r->body->n + *n > max) {
        /* Nothing is taken now: a library that sees bytes left does not call again at once. */
        return worker_submit(r, JOB_WRITE, true) ? MHD_YES : MHD_NO;
    }
    buf_put(r->body, p, *n);
    r->received += (int64_t)*n;
    *n = 0;
    return MHD_YES;
}

static void
upload_drop(void *arg)
{
    struct rq *r = arg;

    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    /* The handler has renamed what it keeps. */
    if (r->pub.body_file.n > 0)
        unlink(r->pub.body_file.p);
}

enum err
upload_open(struct rq *r)
{
    struct str dir = r->server->o.upload_dir;
    struct str path;

    if (dir.n == 0)
        return ERR_IO;
    path =
        arena_fmt(r->pub.arena, "%.*s/upload-%.*s.tmp", STR_ARG(dir), STR_ARG(r->pub.request_id));
    r->fd = open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->fd < 0) {
        log_error("http.upload_open", LOG_STR("path", path), LOG_INT("errno", errno));
        return ERR_IO;
    }
    r->pub.body_file = path;
    arena_defer(r->pub.arena, upload_drop, r);
    return OK;
}

enum err
upload_write(struct rq *r)
{
    struct str left = r->body != NULL ? buf_view(r->body) : STR_NULL;

    while (left.n > 0) {
        ssize_t n = write(r->fd, left.p, left.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            log_error("http.upload_write", LOG_INT("errno", errno));
            return errno == ENOSPC ? ERR_FULL : ERR_IO;
        }
        left = str_sub(left, (size_t)n, SIZE_MAX);
    }
    if (r->body != NULL)
        buf_clear(r->body);
    return OK;
}

enum err
upload_finish(struct rq *r)
{
    int fd = r->fd;

    TRY(upload_write(r));
    if (fsync(fd) != 0)
        return ERR_IO;
    r->fd = -1;
    return close(fd) == 0 ? OK : ERR_IO;
}
