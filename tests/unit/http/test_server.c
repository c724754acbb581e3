/* The server's life: keep-alive, limits, deadlines, the queue, uploads, stopping. */
#include "client.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static pthread_mutex_t gate_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_cond = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int gate_waiting;
static char upload_dir[] = "/tmp/recount-http-XXXXXX";

static void
gate_set(bool open)
{
    pthread_mutex_lock(&gate_mu);
    gate_open = open;
    pthread_cond_broadcast(&gate_cond);
    pthread_mutex_unlock(&gate_mu);
}

static void
gate_pass(void)
{
    pthread_mutex_lock(&gate_mu);
    gate_waiting++;
    pthread_cond_broadcast(&gate_cond);
    while (!gate_open)
        pthread_cond_wait(&gate_cond, &gate_mu);
    gate_waiting--;
    pthread_mutex_unlock(&gate_mu);
}

static void
gate_wait_for(int n)
{
    pthread_mutex_lock(&gate_mu);
    while (gate_waiting < n)
        pthread_cond_wait(&gate_cond, &gate_mu);
    pthread_mutex_unlock(&gate_mu);
}

static void
file_sum(const char *path, struct http_request *q, struct http_response *rs)
{
    unsigned char b[4096];
    uint64_t sum = 0;
    long size = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY);

    while (fd >= 0 && (n = read(fd, b, sizeof(b))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + b[i];
        size += n;
    }
    if (fd >= 0)
        close(fd);
    rs->body = arena_fmt(q->arena, "file %ld %llx", size, (unsigned long long)sum);
}

static void *
answer_later(void *q)
{
    gate_pass();
    http_continue(q);
    return NULL;
}

static void
put_off(void *arg, struct http_request *q)
{
    pthread_t thread;

    q->state = arg;
    assert_int_equal(pthread_create(&thread, NULL, answer_later, q), 0);
    pthread_detach(thread);
}

static void
handle(void *arg, struct http_request *q, struct http_response *rs)
{
    (void)arg;
    if (str_eq(q->path, S("/later")) && q->state == NULL) {
        rs->later = put_off;
        rs->later_arg = &gate_open; /* anything but NULL */
        return;
    }
    rs->status = 200;
    rs->content_type = S("text/plain");
    rs->body = q->path;
    if (str_eq(q->path, S("/gate")) || str_eq(q->path, S("/yields")))
        gate_pass();
    else if (str_eq(q->path, S("/nostatus")))
        rs->status = 0;
    else if (str_eq(q->path, S("/split")))
        http_add_header(rs, S("X-Evil"), S("a\r\nSet-Cookie: b"));
    else if (q->body_file.n > 0)
        file_sum(q->body_file.p, q, rs);
    else if (q->body.n > 0)
        rs->body = arena_fmt(q->arena, "%zu", q->body.n);
}

static void
headers_done(void *arg, const struct http_request *q, struct http_limits *limits)
{
    (void)arg;
    limits->yields = str_eq(q->path, S("/yields"));
    if (str_has_prefix(q->path, S("/upload"))) {
        limits->upload = true;
        limits->upload_max = (int64_t)4 << 20;
    }
    if (str_eq(q->path, S("/small")))
        limits->body_max = 10;
    if (str_eq(q->path, S("/closed")))
        limits->refuse = ERR_FORBIDDEN;
}

static void
before_upload(void *arg, struct http_request *q, struct http_limits *limits,
              struct http_response *rs)
{
    (void)arg;
    if (str_eq(q->path, S("/upload/refused"))) {
        limits->refuse = ERR_FORBIDDEN;
        rs->status = 403;
        rs->body = S("no right");
    }
    if (str_eq(q->path, S("/upload/unsaid")))
        limits->refuse = ERR_UNAUTHORIZED;
}

static struct test_server t;

static void
up(void)
{
    t.o.handle = handle;
    t.o.headers_done = headers_done;
    t.o.before_upload = before_upload;
    t.o.upload_dir = str_of(upload_dir);
    server_up(&t);
}

static int
files_left(void)
{
    DIR *d = opendir(upload_dir);
    int n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* --- connections ------------------------------------------------------------------------------ */

static void
pipelined_answers_keep_order(void **state)
{
    struct reply r;
    int fd;

    (void)state;
    t.o = (struct http_options){.workers = 4};
    up();
    fd = client_open(t.port);
    client_puts(fd, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
                    "POST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                    "GET /three HTTP/1.1\r\nHost: x\r\n\r\nGET /last HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(fd, &r, "\r\n\r\n/last");
    assert_false(r.closed);
    assert_true(strstr(r.p, "/one") < strstr(r.p, "\r\n\r\n3"));
    assert_true(strstr(r.p, "\r\n\r\n3") < strstr(r.p, "/three"));
    for (int i = 0; i < 200; i++) {
        client_puts(fd, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n");
        client_read(fd, &r, "\r\n\r\n/again");
        assert_int_equal(reply_status(&r), 200);
    }
    close(fd);
    server_down(&t);
}

static void
refusals_without_body_keep_the_connection(void **state)
{
    struct reply r;
    int fd;

    (void)state;
    t.o = (struct http_options){.workers = 1};
    up();
    fd = client_open(t.port);
    client_puts(fd, "GET /closed HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(fd, &r, "}");
    assert_int_equal(reply_status(&r), 403);
    client_puts(fd, "GET /nostatus HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(fd, &r, "}");
    assert_int_equal(reply_status(&r), 500);
    client_puts(fd, "GET /split HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(fd, &r, "\r\n\r\n/split");
    assert_int_equal(reply_status(&r), 200);
    assert_null(strstr(r.p, "Set-Cookie"));
    close(fd);
    server_down(&t);
}

static void
large_bodies_are_413(void **state)
{
    enum { HUGE_BODY = 9 << 20 }; /* more than the sockets of both sides hold */
    static char big[HUGE_BODY + 200];
    struct reply r;
    int fd, n;

    (void)state;
    t.o = (struct http_options){.workers = 1};
    up();
    /* Announced: answered before the body, which is sent all the same. */
    memset(big, 'a', sizeof(big));
    n = snprintf(big, 200, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", HUGE_BODY);
    big[n] = 'a';
    for (int i = 0; i < 10; i++) {
        assert_int_equal(client_once(t.port, big, (size_t)n + HUGE_BODY, &r), 413);
        assert_false(r.reset);
    }
    fd = client_open(t.port);
    client_puts(fd, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    client_read(fd, &r, NULL);
    assert_int_equal(reply_status(&r), 413);
    close(fd);
    /* Unannounced. */
    fd = client_open(t.port);
    client_puts(fd, "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "8\r\nabcdefgh\r\n3\r\nijk\r\n0\r\n\r\n");
    client_read(fd, &r, NULL);
    assert_int_equal(reply_status(&r), 413);
    close(fd);
    /* Just fitting. */
    fd = client_open(t.port);
    client_puts(fd, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789");
    client_read(fd, &r, "\r\n\r\n10");
    assert_int_equal(reply_status(&r), 200);
    n = snprintf(big, 200, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1 << 20);
    big[n] = 'a';
    client_send(fd, big, (size_t)n + (1 << 20));
    client_read(fd, &r, "\r\n\r\n1048576");
    assert_int_equal(reply_status(&r), 200);
    close(fd);
    server_down(&t);
}

/* One byte now and then, for ever: only a total deadline ends that. */
static void
trickle_until_closed(int fd)
{
    struct reply r;

    for (int i = 0; i < WAIT_MS / 100; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, 100) == 1) {
            client_read(fd, &r, NULL);
            assert_true(reply_status(&r) == 0 || reply_status(&r) >= 400);
            return;
        }
        client_puts(fd, "a");
    }
    fail_msg("never closed");
}

static void
slow_clients_are_cut(void **state)
{
    static const char *const starts[] = {
        "",
        "GET /a HTT",
        "GET /a HTTP/1.1\r\nHost: x\r\nFoo: ",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        "GET /ok HTTP/1.1\r\nHost: x\r\n\r\nGET /slow HTTP/1.1\r\nHost: x\r\nFoo: ",
    };
    struct reply r;
    int fd;

    (void)state;
    t.o = (struct http_options){
        .workers = 1, .header_timeout_s = 1, .body_timeout_s = 1, .idle_timeout_s = 5};
    up();
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        fd = client_open(t.port);
        client_puts(fd, starts[i]);
        if (strstr(starts[i], "/ok") != NULL)
            client_read(fd, &r, "\r\n\r\n/ok");
        trickle_until_closed(fd);
        close(fd);
    }
    server_down(&t);
}

static void *
ask_gate(void *arg)
{
    static const char get[] = "GET /gate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    struct reply r;

    *(int *)arg = client_once(t.port, get, sizeof(get) - 1, &r);
    if (*(int *)arg == 503)
        assert_non_null(strstr(r.p, "Retry-After: 1\r\n"));
    return NULL;
}

static void
full_queue_is_503(void **state)
{
    enum { CLIENTS = 12, WORKERS = 2, QUEUE = 3 };
    pthread_t threads[CLIENTS];
    int status[CLIENTS], ok = 0, busy = 0;
    struct http_stats st = {0};

    (void)state;
    t.o = (struct http_options){.workers = WORKERS, .queue = QUEUE};
    up();
    gate_set(false);
    for (int i = 0; i < CLIENTS; i++) {
        if (i == WORKERS)
            gate_wait_for(WORKERS);
        assert_int_equal(pthread_create(&threads[i], NULL, ask_gate, &status[i]), 0);
    }
    while (st.queue_full < CLIENTS - WORKERS - QUEUE)
        http_stats(t.s, &st);
    assert_int_equal(st.busy_workers, WORKERS);
    gate_set(true);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        ok += status[i] == 200;
        busy += status[i] == 503;
    }
    assert_int_equal(ok, WORKERS + QUEUE);
    assert_int_equal(busy, CLIENTS - WORKERS - QUEUE);
    server_down(&t);
}

/* --- those who yield, and those who wait without a worker ------------------------------------- */

static int
ask(const char *path)
{
    char line[128];
    struct reply r;
    int n = snprintf(line, sizeof(line), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                     path);

    return client_once(t.port, line, (size_t)n, &r);
}

struct asked {
    const char *path;
    int status;
};

static void *
ask_apart(void *arg)
{
    struct asked *a = arg;

    a->status = ask(a->path);
    return NULL;
}

static void
ask_all(pthread_t *threads, struct asked *a, int n, const char *path)
{
    for (int i = 0; i < n; i++) {
        a[i].path = path;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_apart, &a[i]), 0);
    }
}

static void
join_all(pthread_t *threads, const struct asked *a, int n, int status)
{
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(a[i].status, status);
    }
}

/* Many of them take two workers of four and no place in the others' queue. */
static void
a_flood_of_those_who_yield_leaves_workers(void **state)
{
    enum { CLIENTS = 12, WORKERS = 4, YIELDING = 2, QUEUE = 3 };
    pthread_t threads[CLIENTS];
    struct asked asked[CLIENTS];
    struct http_stats st = {0};

    (void)state;
    t.o = (struct http_options){.workers = WORKERS, .queue = QUEUE};
    up();
    gate_set(false);
    ask_all(threads, asked, CLIENTS, "/yields");
    gate_wait_for(YIELDING);
    while (st.requests < CLIENTS)
        http_stats(t.s, &st);
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask("/"), 200);
    do /* whoever answered the last one is free a moment after its answer */
        http_stats(t.s, &st);
    while (st.busy_workers > YIELDING);
    assert_int_equal(st.busy_workers, YIELDING);
    assert_int_equal(st.queue_full, 0);
    gate_set(true);
    join_all(threads, asked, CLIENTS, 200);
    server_down(&t);
}

static void
who_waits_for_something_else_holds_no_worker(void **state)
{
    enum { CLIENTS = 12 };
    pthread_t threads[CLIENTS];
    struct asked asked[CLIENTS];
    struct http_stats st;

    (void)state;
    t.o = (struct http_options){.workers = 1, .queue = CLIENTS};
    up();
    gate_set(false);
    ask_all(threads, asked, CLIENTS, "/later");
    gate_wait_for(CLIENTS); /* all at once, with one worker */
    assert_int_equal(ask("/"), 200);
    http_stats(t.s, &st);
    assert_int_equal(st.queue_full, 0);
    gate_set(true);
    join_all(threads, asked, CLIENTS, 200);
    server_down(&t);
}

static bool
is_listening(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)t.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    yes = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
    close(fd);
    return yes;
}

static void *stop_server(void *arg);

/* The end waits for what was put off: its connection is still suspended. */
static void
stop_waits_for_what_was_put_off(void **state)
{
    pthread_t thread, stopper;
    struct asked asked;
    int drain_ms = 0;

    (void)state;
    t.o = (struct http_options){.workers = 1};
    up();
    gate_set(false);
    ask_all(&thread, &asked, 1, "/later");
    gate_wait_for(1);
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, &drain_ms), 0);
    while (is_listening())
        ;
    gate_set(true);
    pthread_join(stopper, NULL);
    pthread_join(thread, NULL);
    assert_true(asked.status == 200 || asked.status == 503); /* 503: no worker had begun again */
    arena_free(t.arena);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void *
stop_server(void *arg)
{
    http_stop(t.s, *(int *)arg);
    return NULL;
}

static void
stop_with_drain(int drain_ms, int expect_first, int expect_rest)
{
    enum { CLIENTS = 3 };
    pthread_t threads[CLIENTS], stopper;
    int status[CLIENTS], n_first = 0, n_rest = 0;
    int idle;

    t.o = (struct http_options){.workers = 1};
    up();
    gate_set(false);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_gate, &status[i]), 0);
    idle = client_open(t.port);
    gate_wait_for(1);
    for (struct http_stats st = {0}; st.requests < CLIENTS;)
        http_stats(t.s, &st);
    assert_int_equal(pthread_create(&stopper, NULL, stop_server, &drain_ms), 0);
    /* The waiting ones are answered while the first still runs; or all are, in turn. */
    if (drain_ms > 0)
        gate_set(true);
    for (int answered = 0; drain_ms == 0 && answered < CLIENTS - 1;) {
        struct http_stats st;

        http_stats(t.s, &st);
        answered = (int)st.refused;
    }
    gate_set(true);
    pthread_join(stopper, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        n_first += status[i] == expect_first;
        n_rest += status[i] == expect_rest;
    }
    assert_true(n_first >= 1);
    assert_true(n_rest >= CLIENTS - 1);
    close(idle);
    arena_free(t.arena);
}

static void
stop_lets_requests_finish(void **state)
{
    (void)state;
    stop_with_drain(WAIT_MS, 200, 200);
}

static void
stop_refuses_what_waits(void **state)
{
    (void)state;
    stop_with_drain(0, 200, 503);
}

static void
stop_during_upload(void **state)
{
    static char piece[600 << 10];
    int fd[8];

    (void)state;
    t.o = (struct http_options){.workers = 2};
    up();
    for (int i = 0; i < 8; i++) {
        fd[i] = client_open(t.port);
        client_puts(fd[i], "POST /upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
        client_send(fd[i], piece, sizeof(piece));
    }
    http_stop(t.s, 10);
    for (int i = 0; i < 8; i++)
        close(fd[i]);
    arena_free(t.arena);
    assert_int_equal(files_left(), 0);
}

/* --- uploads ---------------------------------------------------------------------------------- */

static void
upload_reaches_a_file(void **state)
{
    enum { SIZE = 3 << 20 };
    static char body[SIZE];
    struct reply r;
    char expect[64];
    uint64_t sum = 0;
    int fd, n;

    (void)state;
    t.o = (struct http_options){.workers = 2};
    up();
    for (int i = 0; i < SIZE; i++) {
        body[i] = (char)(i * 7 + i / 1000);
        sum = sum * 31 + (unsigned char)body[i];
    }
    snprintf(expect, sizeof(expect), "\r\n\r\nfile %d %llx", SIZE, (unsigned long long)sum);
    fd = client_open(t.port);
    for (int round = 0; round < 3; round++) {
        char head[200];

        n = snprintf(head, sizeof(head),
                     "POST /upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", SIZE);
        client_send(fd, head, (size_t)n);
        client_send(fd, body, SIZE);
        client_read(fd, &r, expect);
        assert_false(r.closed);
    }
    /* The same in chunks. */
    client_puts(fd, "POST /upload/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int at = 0, k = 1; at < SIZE; at += k, k = (k * 7) % 99991 + 1) {
        char head[32];

        if (k > SIZE - at)
            k = SIZE - at;
        n = snprintf(head, sizeof(head), "%x\r\n", (unsigned)k);
        client_send(fd, head, (size_t)n);
        client_send(fd, body + at, (size_t)k);
        client_puts(fd, "\r\n");
    }
    client_puts(fd, "0\r\n\r\n");
    client_read(fd, &r, expect);
    assert_false(r.closed);
    /* An empty one, and one that asks first. */
    client_puts(fd, "POST /upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    client_read(fd, &r, "\r\n\r\nfile 0 0");
    client_puts(fd, "POST /upload/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 1\r\nConnection: close\r\n\r\n");
    client_read(fd, &r, "100 Continue\r\n\r\n");
    client_puts(fd, "\001");
    client_read(fd, &r, NULL);
    assert_non_null(strstr(r.p, "file 1 1"));
    close(fd);
    server_down(&t);
    assert_int_equal(files_left(), 0);
}

static void
upload_is_refused_unread(void **state)
{
    struct reply r;
    int fd;

    (void)state;
    t.o = (struct http_options){.workers = 1};
    up();
    fd = client_open(t.port);
    client_puts(fd, "POST /upload/refused HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
    client_read(fd, &r, NULL);
    assert_int_equal(reply_status(&r), 403);
    assert_non_null(strstr(r.p, "no right"));
    close(fd);
    fd = client_open(t.port);
    client_puts(fd, "POST /upload/unsaid HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                    "Content-Length: 100\r\n\r\n");
    client_read(fd, &r, NULL);
    assert_int_equal(reply_status(&r), 401);
    assert_null(strstr(r.p, "100 Continue"));
    close(fd);
    fd = client_open(t.port);
    client_puts(fd, "POST /upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
    client_read(fd, &r, NULL);
    assert_int_equal(reply_status(&r), 413);
    close(fd);
    server_down(&t);
    assert_int_equal(files_left(), 0);
}

static void
broken_upload_leaves_nothing(void **state)
{
    struct reply r;
    int fd;

    (void)state;
    t.o = (struct http_options){.workers = 1};
    up();
    fd = client_open(t.port);
    client_puts(fd, "POST /upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    client_read(fd, &r, NULL);
    close(fd);
    server_down(&t);
    assert_int_equal(files_left(), 0);
    /* No folder: told, not crashed. */
    t.o = (struct http_options){.workers = 1};
    up();
    server_down(&t);
    t.o = (struct http_options){.workers = 1,
                                .handle = handle,
                                .headers_done = headers_done,
                                .upload_dir = S("/nowhere/at/all")};
    server_up(&t);
    fd = client_open(t.port);
    client_puts(fd, "POST /upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    client_read(fd, &r, NULL);
    assert_int_equal(reply_status(&r), 503);
    close(fd);
    server_down(&t);
}

static int
make_dir(void **state)
{
    (void)state;
    return mkdtemp(upload_dir) == NULL;
}

static int
remove_dir(void **state)
{
    (void)state;
    return rmdir(upload_dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_answers_keep_order),
        cmocka_unit_test(refusals_without_body_keep_the_connection),
        cmocka_unit_test(large_bodies_are_413),
        cmocka_unit_test(slow_clients_are_cut),
        cmocka_unit_test(full_queue_is_503),
        cmocka_unit_test(a_flood_of_those_who_yield_leaves_workers),
        cmocka_unit_test(who_waits_for_something_else_holds_no_worker),
        cmocka_unit_test(stop_waits_for_what_was_put_off),
        cmocka_unit_test(stop_lets_requests_finish),
        cmocka_unit_test(stop_refuses_what_waits),
        cmocka_unit_test(stop_during_upload),
        cmocka_unit_test(upload_reaches_a_file),
        cmocka_unit_test(upload_is_refused_unread),
        cmocka_unit_test(broken_upload_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
