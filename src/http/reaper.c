/* One thread that ends connections past their total deadline with shutdown(2): the library's own
 * time limit starts anew with every byte. It also drains sockets that were answered before their
 * body was read, so that the close does not throw the answer away (a reset would; RFC 9112, 9.6).
 * Owns the list of connections and the descriptors it drains, nothing else of a connection. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/http_priv.h"

#define TICK_MS      200 /* how late a deadline may be */
#define LINGER_MAX   64  /* sockets drained at a time; more are closed at once */
#define LINGER_TIME  (2 * USEC_PER_SEC)
#define LINGER_BYTES ((int64_t)16 << 20)
#define REAPER_STACK ((size_t)128 << 10)

struct lingering {
    int fd;
    int64_t until, left;
};

struct reaper {
    pthread_t thread;
    pthread_mutex_t mu;
    struct conn *conns;
    struct lingering linger[LINGER_MAX];
    nfds_t n_linger;
    int wake;
    bool stop;
};

static void
end_overdue(struct reaper *p, int64_t now)
{
    for (struct conn *c = p->conns; c != NULL; c = c->next) {
        int64_t deadline = atomic_load_explicit(&c->deadline, memory_order_relaxed);

        if (deadline == 0 || deadline > now)
            continue;
        atomic_store(&c->deadline, 0);
        shutdown(c->fd, SHUT_RDWR);
    }
}

/* MSG_TRUNC throws the bytes away in the kernel (tcp(7)). False: done with it. */
static bool
drain(struct lingering *l)
{
    ssize_t n;

    while ((n = recv(l->fd, NULL, (size_t)1 << 20, MSG_TRUNC | MSG_DONTWAIT)) > 0) {
        l->left -= n;
        if (l->left <= 0)
            return false;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void
drain_all(struct reaper *p, int64_t now)
{
    nfds_t kept = 0;

    for (nfds_t i = 0; i < p->n_linger; i++) {
        if (now < p->linger[i].until && drain(&p->linger[i]))
            p->linger[kept++] = p->linger[i];
        else
            close(p->linger[i].fd);
    }
    p->n_linger = kept;
}

static bool
tick(struct reaper *p, struct pollfd fds[LINGER_MAX + 1], nfds_t *n)
{
    int64_t now = clock_monotonic();
    bool go_on;

    pthread_mutex_lock(&p->mu);
    end_overdue(p, now);
    drain_all(p, now);
    fds[0] = (struct pollfd){.fd = p->wake, .events = POLLIN};
    for (nfds_t i = 0; i < p->n_linger; i++)
        fds[i + 1] = (struct pollfd){.fd = p->linger[i].fd, .events = POLLIN};
    *n = p->n_linger + 1;
    go_on = !p->stop;
    pthread_mutex_unlock(&p->mu);
    return go_on;
}

static void *
reaper_main(void *arg)
{
    struct reaper *p = arg;
    struct pollfd fds[LINGER_MAX + 1];
    nfds_t n;

    while (tick(p, fds, &n)) {
        uint64_t count;

        if (poll(fds, n, TICK_MS) > 0 && (fds[0].revents & POLLIN) &&
            read(p->wake, &count, sizeof(count)) < 0)
            continue; /* spurious: the next tick looks at everything anyway */
    }
    return NULL;
}

static void
wake(struct reaper *p)
{
    uint64_t one = 1;

    if (write(p->wake, &one, sizeof(one)) < 0)
        return; /* the counter is full: it is awake already */
}

enum err
reaper_start(struct http_server *s)
{
    struct reaper *p = arena_new(s->arena, struct reaper);
    pthread_attr_t attr;
    int rc;

    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake < 0)
        return ERR_UNAVAILABLE;
    pthread_mutex_init(&p->mu, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, REAPER_STACK);
    rc = pthread_create(&p->thread, &attr, reaper_main, p);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        close(p->wake);
        return ERR_UNAVAILABLE;
    }
    s->reaper = p;
    return OK;
}

void
reaper_add(struct conn *c)
{
    struct reaper *p = c->server->reaper;

    pthread_mutex_lock(&p->mu);
    c->prev = NULL;
    c->next = p->conns;
    if (c->next != NULL)
        c->next->prev = c;
    p->conns = c;
    pthread_mutex_unlock(&p->mu);
}

/* A duplicate keeps the socket alive after the library's close. */
static void
linger(struct reaper *p, struct conn *c)
{
    int fd;

    if (p->n_linger == LINGER_MAX)
        return;
    fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return;
    p->linger[p->n_linger++] =
        (struct lingering){fd, clock_monotonic() + LINGER_TIME, LINGER_BYTES};
    wake(p);
}

void
reaper_remove(struct conn *c)
{
    struct reaper *p = c->server->reaper;

    pthread_mutex_lock(&p->mu);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        p->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->linger && !p->stop)
        linger(p, c);
    pthread_mutex_unlock(&p->mu);
}

void
reaper_stop(struct http_server *s)
{
    struct reaper *p = s->reaper;

    if (p == NULL)
        return;
    pthread_mutex_lock(&p->mu);
    p->stop = true;
    pthread_mutex_unlock(&p->mu);
    wake(p);
    pthread_join(p->thread, NULL);
    for (nfds_t i = 0; i < p->n_linger; i++)
        close(p->linger[i].fd);
    close(p->wake);
    pthread_mutex_destroy(&p->mu);
    s->reaper = NULL;
}
