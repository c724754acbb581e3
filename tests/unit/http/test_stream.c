/* Streams: many at once, their ends, slow readers, blocking writers, waking. */
#include "client.h"

#include <pthread.h>
#include <sys/resource.h>

#include "base/clock.h"

enum { MANY = 50, LARGE_PIECES = 12, LARGE_PIECE = 8 << 20 };

static atomic_int opened, ended, calls, blocked, most_blocked;
static _Atomic int64_t event; /* what an event stream tells */

struct source {
    struct http_request *q;
    int64_t told;
    int left;
    bool block, in_call, over;
};

static void
begin_call(struct source *src)
{
    atomic_fetch_add(&calls, 1);
    if (src->in_call || src->over)
        abort(); /* two calls at once, or one after the end */
    src->in_call = true;
}

/* Tells the event number when it moves. */
static enum err
write_events(void *arg, struct buf *out)
{
    struct source *src = arg;
    int64_t now = atomic_load(&event);

    begin_call(src);
    if (src->block) {
        int n = atomic_fetch_add(&blocked, 1) + 1;

        if (n > atomic_load(&most_blocked))
            atomic_store(&most_blocked, n);
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
        atomic_fetch_sub(&blocked, 1);
    }
    if (now != src->told)
        buf_fmt(out, "data: %lld\n\n", (long long)now);
    src->told = now;
    src->in_call = false;
    return now < 0 ? ERR_END : OK;
}

/* Pieces of 10000 'x'. */
static enum err
write_export(void *arg, struct buf *out)
{
    struct source *src = arg;

    begin_call(src);
    for (int i = 0; src->left > 0 && i < 1000; i++)
        buf_cstr(out, "xxxxxxxxxx");
    src->left--;
    src->in_call = false;
    return src->left > 0 ? OK : ERR_END;
}

/* Nearly as long as a piece may be, and none as long as another: how much is left of one when the next
 * is written depends on what the kernel holds. */
static size_t
large_size(int i)
{
    return (size_t)LARGE_PIECE - (size_t)i * 11111;
}

/* Each of its own letter. */
static enum err
write_large(void *arg, struct buf *out)
{
    static char piece[LARGE_PIECE];
    struct source *src = arg;

    begin_call(src);
    memset(piece, 'a' + LARGE_PIECES - src->left, sizeof(piece));
    buf_put(out, piece, large_size(LARGE_PIECES - src->left));
    src->left--;
    src->in_call = false;
    return src->left > 0 ? OK : ERR_END;
}

static enum err
write_broken(void *arg, struct buf *out)
{
    struct source *src = arg;

    begin_call(src);
    src->in_call = false;
    if (src->left-- > 0) {
        buf_cstr(out, "partial");
        return OK;
    }
    return ERR_DB;
}

static void
end(void *arg)
{
    struct source *src = arg;

    if (src->over || src->in_call)
        abort(); /* twice, or during a call */
    src->over = true;
    /* The request must still be there. */
    if (src->q->path.p[0] != '/')
        abort();
    atomic_fetch_add(&ended, 1);
}

static void
handle(void *arg, struct http_request *q, struct http_response *rs)
{
    struct source *src = arena_new(q->arena, struct source);

    (void)arg;
    src->q = q;
    src->told = str_eq(q->path, S("/quiet")) ? atomic_load(&event) : -2;
    src->left = 100;
    src->block = str_eq(q->path, S("/blocking"));
    rs->status = 200;
    rs->content_type = S("text/event-stream");
    rs->stream = (struct http_stream){
        .write = str_eq(q->path, S("/export"))   ? write_export
                 : str_eq(q->path, S("/large"))  ? write_large
                 : str_eq(q->path, S("/broken")) ? write_broken
                                                 : write_events,
        .end = end,
        .arg = src,
    };
    if (src->block || str_eq(q->path, S("/broken")))
        src->left = 1;
    if (str_eq(q->path, S("/large")))
        src->left = LARGE_PIECES;
    atomic_fetch_add(&opened, 1);
}

static struct test_server t;

static void
up(struct http_options o)
{
    atomic_store(&opened, 0);
    atomic_store(&ended, 0);
    atomic_store(&event, 1);
    t.o = o;
    t.o.handle = handle;
    server_up(&t);
}

static int
ask(const char *path)
{
    int fd = client_open(t.port);

    client_puts(fd, "GET ");
    client_puts(fd, path);
    client_puts(fd, " HTTP/1.1\r\nHost: x\r\n\r\n");
    return fd;
}

static void
wait_ended(int n)
{
    int64_t until = clock_monotonic() + WAIT_MS * USEC_PER_MS;

    while (atomic_load(&ended) < n) {
        assert_true(clock_monotonic() < until);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void
many_streams_and_stop(void **state)
{
    int fd[MANY];
    struct reply r;
    struct http_stats st;

    (void)state;
    up((struct http_options){.workers = 2});
    for (int i = 0; i < MANY; i++)
        fd[i] = ask("/events");
    for (int i = 0; i < MANY; i++)
        client_read(fd[i], &r, "data: 1\n\n");
    http_stats(t.s, &st);
    assert_int_equal(st.streams, MANY);
    assert_int_equal(atomic_load(&ended), 0);
    for (int round = 2; round < 10; round++) {
        char expect[32];

        atomic_store(&event, round);
        http_streams_wake(t.s);
        snprintf(expect, sizeof(expect), "data: %d\n\n", round);
        for (int i = 0; i < MANY; i++)
            client_read(fd[i], &r, expect);
    }
    http_stop(t.s, WAIT_MS);
    assert_int_equal(atomic_load(&ended), MANY);
    for (int i = 0; i < MANY; i++) {
        client_read(fd[i], &r, NULL);
        assert_true(r.closed);
        assert_string_equal(r.p, "0\r\n\r\n"); /* a clean end of the last chunk */
        close(fd[i]);
    }
    arena_free(t.arena);
}

static void
told_without_waking(void **state)
{
    struct reply r;
    int fd;

    (void)state;
    up((struct http_options){.workers = 1});
    fd = ask("/events");
    client_read(fd, &r, "data: 1\n\n");
    atomic_store(&event, 2);
    client_read(fd, &r, "data: 2\n\n");
    atomic_store(&event, -1); /* the right is gone: a last word, then the end */
    client_read(fd, &r, "data: -1\n\n\r\n0\r\n\r\n");
    wait_ended(1);
    /* The connection goes on. */
    client_puts(fd, "HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(fd, &r, "\r\n\r\n");
    assert_int_equal(reply_status(&r), 200);
    wait_ended(2);
    close(fd);
    server_down(&t);
}

/* An EventSource is open only when the head arrives, however long the first event takes. */
static void
head_comes_at_once(void **state)
{
    struct reply r;
    int fd;

    (void)state;
    up((struct http_options){.workers = 1});
    atomic_store(&event, 7);
    fd = ask("/quiet");
    client_read(fd, &r, "\r\n\r\n");
    assert_int_equal(reply_status(&r), 200);
    assert_null(strstr(r.p, "data"));
    atomic_store(&event, 8);
    http_streams_wake(t.s);
    client_read(fd, &r, "data: 8\n\n");
    close(fd);
    server_down(&t);
}

static void
export_is_complete(void **state)
{
    static char b[1 << 16];
    size_t xs = 0, all = 0;
    int fd, slow;

    (void)state;
    up((struct http_options){.workers = 1});
    slow = ask("/export"); /* never read: holds a bounded buffer, harms nobody */
    fd = client_open(t.port);
    client_puts(fd, "GET /export HTTP/1.0\r\n\r\n");
    for (ssize_t n; (n = recv(fd, b, sizeof(b), 0)) > 0; all += (size_t)n)
        for (ssize_t i = 0; i < n; i++)
            xs += b[i] == 'x';
    assert_int_equal(xs, 100 * 10000 + 1); /* and one in "text/event-stream" */
    assert_true(all > xs);
    close(fd);
    close(slow);
    wait_ended(2);
    server_down(&t);
}

/* The next piece is written while some of the last one waits for the reader. */
static void
a_slow_reader_gets_all_of_large_pieces(void **state)
{
    static char b[1 << 16];
    size_t got[LARGE_PIECES] = {0};
    int fd, small = sizeof(b);

    (void)state;
    up((struct http_options){.workers = 1});
    fd = client_open(t.port);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client_puts(fd, "GET /large HTTP/1.0\r\n\r\n");
    for (bool body = false; !body;) { /* one by one, up to the empty line */
        static char last[4];

        assert_int_equal(recv(fd, b, 1, 0), 1);
        memmove(last, last + 1, 3);
        last[3] = b[0];
        body = memcmp(last, "\r\n\r\n", 4) == 0;
    }
    for (ssize_t n; (n = recv(fd, b, sizeof(b), 0)) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            assert_in_range(b[i], 'a', 'a' + LARGE_PIECES - 1);
            got[b[i] - 'a']++;
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    for (int i = 0; i < LARGE_PIECES; i++)
        assert_int_equal(got[i], large_size(i));
    close(fd);
    wait_ended(1);
    server_down(&t);
}

static void
broken_stream_is_cut(void **state)
{
    struct reply r;
    int fd;

    (void)state;
    up((struct http_options){.workers = 1});
    fd = ask("/broken");
    client_read(fd, &r, NULL);
    assert_true(r.closed);
    assert_null(strstr(r.p, "\r\n0\r\n\r\n")); /* so that the client knows it is not whole */
    wait_ended(1);
    close(fd);
    server_down(&t);
}

static void
gone_clients_end_streams(void **state)
{
    struct reply r;
    int fd[MANY];

    (void)state;
    up((struct http_options){.workers = 2});
    for (int i = 0; i < MANY; i++)
        fd[i] = ask("/events");
    for (int i = 0; i < MANY; i++) {
        client_read(fd[i], &r, "data: ");
        close(fd[i]);
    }
    for (int i = 2; atomic_load(&ended) < MANY; i++) {
        atomic_store(&event, i); /* the next heartbeats find out */
        http_streams_wake(t.s);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    server_down(&t);
}

static void
too_many_are_503(void **state)
{
    struct reply r;
    int fd[4];

    (void)state;
    up((struct http_options){.workers = 1, .max_streams = 3});
    for (int i = 0; i < 3; i++) {
        fd[i] = ask("/events");
        client_read(fd[i], &r, "data: 1\n\n");
    }
    fd[3] = ask("/events");
    client_read(fd[3], &r, "}");
    assert_int_equal(reply_status(&r), 503);
    wait_ended(1);
    for (int i = 0; i < 4; i++)
        close(fd[i]);
    server_down(&t);
    assert_int_equal(atomic_load(&ended), 4);
}

static void
blocking_writers_get_threads(void **state)
{
    struct reply r;
    int fd[MANY];

    (void)state;
    up((struct http_options){.workers = 2});
    for (int i = 0; i < MANY; i++)
        fd[i] = ask("/blocking");
    for (int i = 0; i < MANY; i++)
        client_read(fd[i], &r, "data: 1\n\n");
    atomic_store(&most_blocked, 0);
    atomic_store(&event, 2);
    for (int i = 0; i < MANY; i++)
        client_read(fd[i], &r, "data: 2\n\n");
    /* They wait beside each other: the two workers alone would be in two of them at a time. */
    assert_true(atomic_load(&most_blocked) > MANY / 4);
    for (int i = 0; i < MANY; i++)
        close(fd[i]);
    server_down(&t);
    assert_int_equal(atomic_load(&ended), MANY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_streams_and_stop),
        cmocka_unit_test(told_without_waking),
        cmocka_unit_test(head_comes_at_once),
        cmocka_unit_test(export_is_complete),
        cmocka_unit_test(a_slow_reader_gets_all_of_large_pieces),
        cmocka_unit_test(broken_stream_is_cut),
        cmocka_unit_test(gone_clients_end_streams),
        cmocka_unit_test(too_many_are_503),
        cmocka_unit_test(blocking_writers_get_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
