/* Preloaded into a server, ends it in the middle of a COMMIT, as pulling its plug would: on SQLite
 * at a write or fsync of the store's write-ahead log, on PostgreSQL while the word COMMIT is being
 * sent. tests/api/kill9.test.mjs says when: the file RECOUNT_KILL_ARM comes to hold "HOW N NAME"
 * (before, after or torn; the how-manieth time from then on; the end of the file's name, or COMMIT).
 * A file beside it, ".done", tells that it happened. Without the file everything is passed on. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    char how[16], name[128];
    int n;
} plan;
static atomic_bool armed;
static atomic_int times;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Reads the plan once it is there; it is put there whole, by a rename. */
static bool
is_armed(void)
{
    const char *path = getenv("RECOUNT_KILL_ARM");
    FILE *f;

    if (atomic_load(&armed))
        return true;
    if (path == NULL || access(path, R_OK) != 0)
        return false;
    pthread_mutex_lock(&lock);
    if (!atomic_load(&armed) && (f = fopen(path, "re")) != NULL) {
        if (fscanf(f, "%15s %d %127s", plan.how, &plan.n, plan.name) == 3)
            atomic_store(&armed, true);
        fclose(f);
    }
    pthread_mutex_unlock(&lock);
    return atomic_load(&armed);
}

static bool
is_file(int fd)
{
    char link[64], path[4096];
    ssize_t n;
    size_t want = strlen(plan.name);

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path);
    return n > 0 && (size_t)n >= want && memcmp(path + n - want, plan.name, want) == 0;
}

/* Whether this is the one. */
static bool
is_due(const char *how)
{
    return strcmp(plan.how, how) == 0 && atomic_fetch_add(&times, 1) + 1 == plan.n;
}

static _Noreturn void
die(void)
{
    char done[4096];
    int fd;

    snprintf(done, sizeof done, "%s.done", getenv("RECOUNT_KILL_ARM"));
    fd = open(done, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)!write(fd, plan.how, strlen(plan.how));
    for (;;)
        kill(getpid(), SIGKILL);
}

#define NEXT(type, name) ((type)(void *)dlsym(RTLD_NEXT, name))
typedef int (*sync_fn)(int fd);
typedef ssize_t (*write_fn)(int fd, const void *p, size_t n, off_t at);
typedef ssize_t (*send_fn)(int fd, const void *p, size_t n, int flags);

static int
synced(int fd, sync_fn next)
{
    bool here = is_armed() && is_file(fd);
    int rc;

    if (here && is_due("before"))
        die();
    rc = next(fd);
    if (here && is_due("after"))
        die();
    return rc;
}

int
fdatasync(int fd)
{
    return synced(fd, NEXT(sync_fn, "fdatasync"));
}

int
fsync(int fd)
{
    return synced(fd, NEXT(sync_fn, "fsync"));
}

static ssize_t
written(int fd, const void *p, size_t n, off_t at, write_fn next)
{
    if (is_armed() && strcmp(plan.how, "torn") == 0 && is_file(fd) && is_due("torn")) {
        (void)!next(fd, p, n / 2, at);
        die();
    }
    return next(fd, p, n, at);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
    return written(fd, p, n, at, NEXT(write_fn, "pwrite"));
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    return written(fd, p, n, at, NEXT(write_fn, "pwrite64"));
}

ssize_t
send(int fd, const void *p, size_t n, int flags)
{
    send_fn next = NEXT(send_fn, "send");
    bool here = is_armed() && strcmp(plan.name, "COMMIT") == 0 && memmem(p, n, "COMMIT", 6) != NULL;
    ssize_t rc;

    if (here && is_due("before"))
        die();
    if (here && is_due("torn")) {
        (void)!next(fd, p, n / 2, flags);
        die();
    }
    rc = next(fd, p, n, flags);
    if (here && is_due("after"))
        die();
    return rc;
}
