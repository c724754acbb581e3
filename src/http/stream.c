/* Streams: answers that go on (events, exports). A few threads call each stream's write() when it
 * is due; a loop takes the bytes when the socket has room and suspends the connection when there are
 * none. An idle stream costs its buffers and a place in a heap, no thread. When write() blocks and
 * streams become late, threads are added, at most one a stream. Owns the streams and their threads;
 * end() runs on a stream thread, never on a loop. One lock guards all: it is held for copies of a
 * few kilobytes only, and never around a call of write(), end() or the library. */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/http_priv.h"

#define THREADS_BASE 2
#define STREAM_STACK ((size_t)1 << 20)   /* bytes; a worker's: it may run a worker's write (db.h) */
#define THREAD_IDLE  (5 * USEC_PER_SEC)  /* an added thread leaves after this */
#define INTERVAL     (250 * USEC_PER_MS) /* between calls that had nothing to say */
#define WAKE_SPACING (20 * USEC_PER_MS)  /* between calls when woken again and again */
#define LATE         (50 * USEC_PER_MS)  /* a stream this late wants another thread */
#define PENDING_LOW  ((size_t)128 << 10) /* bytes; with more unsent, write() is not called */
#define WRITE_MAX    ((size_t)8 << 20)   /* bytes of one call of write() */
#define OUT_MAX      (WRITE_MAX + PENDING_LOW) /* bytes: a piece behind what is left */
#define BLOCK_SIZE   ((size_t)16 << 10)

struct stream {
    struct rq *r;
    struct http_stream cb;
    struct stream *prev, *next;
    struct buf out,
        fresh; /* being sent from `sent` on; being filled by write(), without the lock */
    size_t sent;
    int64_t due, called; /* monotonic µs */
    uint64_t woken;      /* the wake count when write() was called */
    size_t at;           /* place in the heap; SIZE_MAX: not there */
    bool in_call, suspended, finished, aborted, ended, closed;
};

struct streams {
    pthread_mutex_t mu;
    pthread_cond_t due, gone;
    struct stream *all;
    struct stream **heap;
    size_t n_heap;
    int n, max, idle, n_threads;
    uint64_t wakes;
    bool ending, stop;
};

/* --- the heap of due times -------------------------------------------------------------------- */

static void
place(struct streams *p, struct stream *st, size_t i)
{
    p->heap[i] = st;
    st->at = i;
}

static void
sift_up(struct streams *p, size_t i)
{
    struct stream *st = p->heap[i];

    for (; i > 0 && p->heap[(i - 1) / 2]->due > st->due; i = (i - 1) / 2)
        place(p, p->heap[(i - 1) / 2], i);
    place(p, st, i);
}

static void
sift_down(struct streams *p, size_t i)
{
    struct stream *st = p->heap[i];

    for (;;) {
        size_t c = 2 * i + 1;

        if (c + 1 < p->n_heap && p->heap[c + 1]->due < p->heap[c]->due)
            c++;
        if (c >= p->n_heap || p->heap[c]->due >= st->due)
            break;
        place(p, p->heap[c], i);
        i = c;
    }
    place(p, st, i);
}

static void
heap_put(struct streams *p, struct stream *st, int64_t due)
{
    if (st->at != SIZE_MAX) {
        if (due >= st->due)
            return;
        st->due = due;
        sift_up(p, st->at);
    } else {
        st->due = due;
        place(p, st, p->n_heap++);
        sift_up(p, st->at);
    }
    if (p->idle > 0 && st->at == 0)
        pthread_cond_signal(&p->due);
}

static struct stream *
heap_pop(struct streams *p)
{
    struct stream *st = p->heap[0];

    p->n_heap--;
    if (p->n_heap > 0) {
        place(p, p->heap[p->n_heap], 0);
        sift_down(p, 0);
    }
    st->at = SIZE_MAX;
    return st;
}

/* --- the threads ------------------------------------------------------------------------------ */

static void *stream_main(void *arg);

static bool
add_thread(struct http_server *s)
{
    pthread_attr_t attr;
    pthread_t t;
    bool ok;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STREAM_STACK);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    ok = pthread_create(&t, &attr, stream_main, s) == 0;
    pthread_attr_destroy(&attr);
    if (ok)
        s->streams->n_threads++;
    return ok;
}

static void
end_once(struct stream *st)
{
    if (!st->ended && st->cb.end != NULL)
        st->cb.end(st->cb.arg);
    st->ended = true;
}

/* Called with the lock, after end(); the loop has let go of it. */
static void
stream_free(struct streams *p, struct stream *st)
{
    if (st->prev != NULL)
        st->prev->next = st->next;
    else
        p->all = st->next;
    if (st->next != NULL)
        st->next->prev = st->prev;
    p->n--;
    buf_free(&st->out);
    buf_free(&st->fresh);
    rq_release(st->r);
    free(st);
}

/* The little that is left (PENDING_LOW) and what write() may give fit the buffer together, what was sent
 * before does not. */
static void
forget_sent(struct stream *st)
{
    st->out.n -= st->sent;
    memmove(st->out.p, st->out.p + st->sent, st->out.n);
    st->sent = 0;
}

/* Hands what write() gave over to the loop. True: the connection must be resumed. */
static bool
take_fresh(struct stream *st, enum err rc)
{
    bool wake;

    if (rc == ERR_END)
        st->finished = true;
    else if (rc != OK || buf_failed(&st->fresh))
        st->aborted = true;
    if (st->sent == st->out.n) {
        struct buf empty = st->out;

        st->out = st->fresh;
        st->fresh = empty;
        st->out.max = OUT_MAX;
        st->fresh.max = WRITE_MAX;
        st->sent = 0;
    } else {
        forget_sent(st);
        buf_put(&st->out, st->fresh.p, st->fresh.n);
        st->aborted |= buf_failed(&st->out);
    }
    buf_clear(&st->fresh);
    wake = st->suspended && (st->sent < st->out.n || st->finished || st->aborted);
    if (wake)
        st->suspended = false;
    return wake;
}

/* A suspended connection is not watched by its loop, and a stream with nothing to say never writes:
 * so a client that went away is noticed here. Only while suspended: then the socket is ours. */
static bool
is_gone(const struct stream *st)
{
    char c;

    return st->suspended && recv(st->r->conn->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* With the lock; lets go of it meanwhile. */
static void
call_write(struct streams *p, struct stream *st)
{
    bool had, wake, gone = is_gone(st);
    enum err rc;

    st->woken = p->wakes;
    st->called = clock_monotonic();
    pthread_mutex_unlock(&p->mu);
    rc = gone ? ERR_IO : st->cb.write(st->cb.arg, &st->fresh);
    had = st->fresh.n > 0;
    if (rc != OK)
        end_once(st);
    pthread_mutex_lock(&p->mu);
    wake = take_fresh(st, rc);
    if (wake) {
        /* It was suspended, so the connection lives until it is resumed here. */
        pthread_mutex_unlock(&p->mu);
        MHD_resume_connection(st->r->mhd);
        pthread_mutex_lock(&p->mu);
    }
    if (rc != OK || st->aborted || st->closed || p->ending)
        return;
    if (st->out.n - st->sent >= PENDING_LOW)
        return; /* stream_read puts it back when the client has caught up */
    if (had)
        heap_put(p, st, clock_monotonic());
    else if (st->woken != p->wakes)
        heap_put(p, st, st->called + WAKE_SPACING);
    else
        heap_put(p, st, st->called + INTERVAL);
}

static void
call_end(struct streams *p, struct stream *st)
{
    pthread_mutex_unlock(&p->mu);
    end_once(st);
    pthread_mutex_lock(&p->mu);
}

static void
serve(struct http_server *s, struct stream *st)
{
    struct streams *p = s->streams;

    st->in_call = true;
    if (p->n_heap > 0 && p->idle == 0 && p->n_threads < p->max &&
        p->heap[0]->due + LATE < clock_monotonic())
        add_thread(s);
    if (!st->closed && !p->ending && !st->ended)
        call_write(p, st);
    if (st->closed || p->ending || st->aborted)
        call_end(p, st);
    st->in_call = false;
    if (!st->closed)
        return;
    if (st->at != SIZE_MAX)
        BUG("a closed stream is still to be called");
    stream_free(p, st);
    pthread_cond_broadcast(&p->gone);
}

/* Sleeps until `until`, at most THREAD_IDLE. False: nothing came, an added thread may leave. */
static bool
sleep_until(struct streams *p, int64_t until)
{
    int64_t now = clock_monotonic();
    int64_t left = until - now < THREAD_IDLE ? until - now : THREAD_IDLE;
    struct timespec ts;
    int rc;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    left += (int64_t)ts.tv_nsec / 1000;
    ts.tv_sec += left / USEC_PER_SEC;
    ts.tv_nsec = (long)(left % USEC_PER_SEC) * 1000;
    p->idle++;
    rc = pthread_cond_timedwait(&p->due, &p->mu, &ts);
    p->idle--;
    return rc == 0 || until - now < THREAD_IDLE;
}

static void *
stream_main(void *arg)
{
    struct http_server *s = arg;
    struct streams *p = s->streams;
    bool busy = true;

    pthread_mutex_lock(&p->mu);
    while (!p->stop && (busy || p->n_threads <= THREADS_BASE)) {
        int64_t due = p->n_heap > 0 ? p->heap[0]->due : INT64_MAX / 2;

        if (due <= clock_monotonic()) {
            serve(s, heap_pop(p));
            busy = true;
        } else {
            /* Surplus threads leave once two others are idle with them. */
            busy = sleep_until(p, due) && p->idle < THREADS_BASE;
        }
    }
    p->n_threads--;
    pthread_cond_broadcast(&p->gone);
    pthread_mutex_unlock(&p->mu);
    return NULL;
}

/* --- the loop's side -------------------------------------------------------------------------- */

static ssize_t
take_out(struct streams *p, struct stream *st, char *to, size_t max)
{
    size_t left = st->out.n - st->sent;
    size_t n = left < max ? left : max;

    memcpy(to, st->out.p + st->sent, n);
    st->sent += n;
    if (st->sent == st->out.n) {
        buf_clear(&st->out);
        st->sent = 0;
    }
    if (left >= PENDING_LOW && left - n < PENDING_LOW && !st->in_call && !st->ended)
        heap_put(p, st, 0);
    return (ssize_t)n;
}

/* 0: nothing yet. */
static ssize_t
try_read(struct streams *p, struct stream *st, char *to, size_t max)
{
    if (st->sent < st->out.n && !st->aborted)
        return take_out(p, st, to, max);
    if (st->aborted)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (st->finished || p->ending)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return 0;
}

static ssize_t
stream_read(void *cls, uint64_t pos, char *to, size_t max)
{
    struct stream *st = cls;
    struct streams *p = st->r->server->streams;
    struct MHD_Connection *mhd = st->r->mhd;
    ssize_t n;
    bool resume;

    (void)pos;
    pthread_mutex_lock(&p->mu);
    n = try_read(p, st, to, max);
    pthread_mutex_unlock(&p->mu);
    if (n != 0)
        return n;
    /* Suspended first, announced afterwards: what comes in between is found here. */
    MHD_suspend_connection(mhd);
    pthread_mutex_lock(&p->mu);
    resume = st->sent < st->out.n || st->finished || st->aborted || p->ending;
    st->suspended = !resume;
    pthread_mutex_unlock(&p->mu);
    if (resume)
        MHD_resume_connection(mhd);
    return 0;
}

/* The connection is done with it: end() and the rest on a stream thread. */
static void
stream_close(void *cls)
{
    struct stream *st = cls;
    struct streams *p = st->r->server->streams;

    pthread_mutex_lock(&p->mu);
    st->closed = true;
    if (!st->in_call)
        heap_put(p, st, INT64_MIN);
    pthread_mutex_unlock(&p->mu);
}

static bool
take_place(struct streams *p)
{
    bool room;

    pthread_mutex_lock(&p->mu);
    room = !p->ending && p->n < p->max;
    p->n += room;
    pthread_mutex_unlock(&p->mu);
    return room;
}

static struct stream *
stream_new(struct rq *r)
{
    struct stream *st = calloc(1, sizeof(*st));

    if (st == NULL)
        BUG("no memory for a stream");
    st->r = r;
    st->cb = r->rs.stream;
    st->at = SIZE_MAX;
    buf_init(&st->out, OUT_MAX);
    buf_init(&st->fresh, WRITE_MAX);
    atomic_fetch_add(&r->refs, 1);
    return st;
}

struct MHD_Response *
stream_open(struct rq *r)
{
    struct streams *p = r->server->streams;
    struct MHD_Response *m;
    struct stream *st;

    if (!take_place(p)) {
        if (r->rs.stream.end != NULL)
            r->rs.stream.end(r->rs.stream.arg);
        return NULL;
    }
    st = stream_new(r);
    m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, stream_read, st,
                                          stream_close);
    if (m == NULL)
        BUG("no memory for a stream");
    pthread_mutex_lock(&p->mu);
    st->next = p->all;
    if (st->next != NULL)
        st->next->prev = st;
    p->all = st;
    heap_put(p, st, 0);
    pthread_mutex_unlock(&p->mu);
    return m;
}

int64_t
streams_count(struct http_server *s)
{
    int64_t n;

    pthread_mutex_lock(&s->streams->mu);
    n = s->streams->n;
    pthread_mutex_unlock(&s->streams->mu);
    return n;
}

void
http_streams_wake(struct http_server *s)
{
    struct streams *p = s->streams;
    int64_t now = clock_monotonic();

    pthread_mutex_lock(&p->mu);
    p->wakes++;
    for (size_t i = 0; i < p->n_heap; i++) {
        int64_t due = p->heap[i]->called + WAKE_SPACING;

        if (due < now)
            due = now;
        if (due < p->heap[i]->due)
            p->heap[i]->due = due;
    }
    for (size_t i = p->n_heap / 2; i-- > 0;)
        sift_down(p, i);
    pthread_cond_broadcast(&p->due);
    pthread_mutex_unlock(&p->mu);
}

/* --- start and stop --------------------------------------------------------------------------- */

enum err
streams_start(struct http_server *s)
{
    struct streams *p = arena_new(s->arena, struct streams);
    pthread_condattr_t mono;

    p->max = s->o.max_streams;
    p->heap = arena_array(s->arena, struct stream *, (size_t)p->max);
    pthread_mutex_init(&p->mu, NULL);
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&p->due, &mono);
    pthread_condattr_destroy(&mono);
    pthread_cond_init(&p->gone, NULL);
    s->streams = p;
    pthread_mutex_lock(&p->mu);
    for (int i = 0; i < THREADS_BASE; i++)
        if (!add_thread(s))
            break;
    pthread_mutex_unlock(&p->mu);
    return p->n_threads == THREADS_BASE ? OK : ERR_UNAVAILABLE;
}

void
streams_end(struct http_server *s)
{
    struct streams *p = s->streams;
    struct MHD_Connection **resume;
    size_t n = 0;

    pthread_mutex_lock(&p->mu);
    p->ending = true;
    resume = calloc((size_t)p->n + 1, sizeof(struct MHD_Connection *));
    if (resume == NULL)
        BUG("no memory to end the streams");
    for (struct stream *st = p->all; st != NULL; st = st->next) {
        if (st->suspended)
            resume[n++] = st->r->mhd;
        st->suspended = false;
    }
    pthread_mutex_unlock(&p->mu);
    for (size_t i = 0; i < n; i++)
        MHD_resume_connection(resume[i]);
    free(resume);
}

void
streams_stop(struct http_server *s)
{
    struct streams *p = s->streams;

    if (p == NULL)
        return;
    pthread_mutex_lock(&p->mu);
    while (p->n > 0)
        pthread_cond_wait(&p->gone, &p->mu);
    p->stop = true;
    pthread_cond_broadcast(&p->due);
    while (p->n_threads > 0)
        pthread_cond_wait(&p->gone, &p->mu);
    pthread_mutex_unlock(&p->mu);
    pthread_mutex_destroy(&p->mu);
    pthread_cond_destroy(&p->due);
    pthread_cond_destroy(&p->gone);
    s->streams = NULL;
}
