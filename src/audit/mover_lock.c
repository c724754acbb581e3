/* One mover among the processes of a SQLite folder: the server and the commands that run beside it
 * move the same tail into the same segments. A lock on DIR/audit/mover.lock lets one of them work
 * at a time; eight bytes in that file count the moves, so that whoever takes the lock knows whether
 * what he remembers of the segments is still true. Owns the two lock files; moves nothing.
 *
 * The number is changed before a commit, never after: a process that dies in between only makes the
 * others look once for nothing. It need not survive a power cut, as no process does. PostgreSQL has
 * an advisory lock instead, and keeps nothing in memory. */
#include "audit/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/rand.h"

struct mover_lock {
    int fd, index_fd;
    uint64_t known; /* the number of moves when we last had the lock */
    bool doubt;     /* what we know must be read again whatever the number says */
};

static int
open_lock(struct audit *au, const char *name)
{
    char *path = arena_cstr(au->arena,
                            arena_fmt(au->arena, "%.*s/audit/%s", STR_ARG(au->options.dir), name));
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* A new file gets its bytes at once: later changes need no room on a full disk. */
static bool
prepare(int fd)
{
    uint64_t n = 0;
    if (pread(fd, &n, sizeof n, 0) == (ssize_t)sizeof n)
        return true;
    rand_bytes(&n, sizeof n);
    return pwrite(fd, &n, sizeof n, 0) == (ssize_t)sizeof n;
}

enum err
mover_lock_open(struct audit *au, struct str *why)
{
    if (au->pg || au->options.read_only)
        return OK;
    struct mover_lock *l = calloc(1, sizeof *l);
    if (l == NULL)
        BUG("out of memory");
    l->fd = open_lock(au, "mover.lock");
    l->index_fd = open_lock(au, "index.lock");
    l->doubt = true; /* the segments were read without the lock */
    au->shared = l;
    if (l->fd >= 0 && l->index_fd >= 0 && prepare(l->fd))
        return OK;
    *why = arena_fmt(au->arena, "the lock of the audit log in %.*s/audit can not be used",
                     STR_ARG(au->options.dir));
    mover_lock_close(au);
    return ERR_IO;
}

void
mover_lock_close(struct audit *au)
{
    struct mover_lock *l = au->shared;
    if (l == NULL)
        return;
    if (l->fd >= 0)
        close(l->fd);
    if (l->index_fd >= 0)
        close(l->index_fd);
    free(l);
    au->shared = NULL;
}

enum err
mover_lock_take(struct audit *au, bool *foreign)
{
    struct mover_lock *l = au->shared;
    uint64_t n = 0;
    if (l == NULL)
        return OK;
    while (flock(l->fd, LOCK_EX | LOCK_NB) != 0)
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_IO;
    enum err e = pread(l->fd, &n, sizeof n, 0) == (ssize_t)sizeof n ? OK : ERR_IO;
    if (e == OK && (l->doubt || n != l->known)) {
        e = segments_refresh(au);
        if (e == OK) {
            *foreign = true;
            l->known = n;
            l->doubt = false;
        }
    }
    if (e != OK)
        mover_lock_give(au);
    return e;
}

enum err
mover_lock_wait(struct audit *au)
{
    struct mover_lock *l = au->shared;
    if (l == NULL)
        return OK;
    while (flock(l->fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return ERR_IO;
    return OK;
}

enum err
mover_lock_changing(struct audit *au)
{
    struct mover_lock *l = au->shared;
    if (l == NULL)
        return OK;
    uint64_t n = l->known + 1;
    if (pwrite(l->fd, &n, sizeof n, 0) != (ssize_t)sizeof n)
        return ERR_IO;
    l->known = n;
    return OK;
}

void
mover_lock_doubt(struct audit *au)
{
    if (au->shared != NULL)
        au->shared->doubt = true;
}

void
mover_lock_give(struct audit *au)
{
    if (au->shared != NULL)
        (void)flock(au->shared->fd, LOCK_UN);
}

bool
index_lock_take(struct audit *au)
{
    return au->shared == NULL || flock(au->shared->index_fd, LOCK_EX | LOCK_NB) == 0;
}

void
index_lock_give(struct audit *au)
{
    if (au->shared != NULL)
        (void)flock(au->shared->index_fd, LOCK_UN);
}
