/* A raw client and a small server for the tests of src/http. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>

int
client_open(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

/* A server that has answered and closed may refuse the rest: that is for the answer to show. */
bool
client_send(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t k = send(fd, at, n, MSG_NOSIGNAL);

        if (k <= 0)
            return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}

void
client_puts(int fd, const char *s)
{
    client_send(fd, s, strlen(s));
}

void
client_read(int fd, struct reply *r, const char *until)
{
    r->n = 0;
    r->closed = r->reset = false;
    r->p[0] = '\0';
    while (r->n < sizeof(r->p) - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t k;

        if (until != NULL && memmem(r->p, r->n, until, strlen(until)) != NULL)
            return;
        if (poll(&p, 1, WAIT_MS) != 1)
            fail_msg("nothing came; so far: %s", r->p);
        k = recv(fd, r->p + r->n, sizeof(r->p) - 1 - r->n, 0);
        if (k <= 0) {
            r->closed = true;
            r->reset = k < 0;
            return;
        }
        r->n += (size_t)k;
        r->p[r->n] = '\0';
    }
}

int
reply_status(const struct reply *r)
{
    int status = 0;

    if (r->n >= 12 && memcmp(r->p, "HTTP/1.", 7) == 0)
        status = (int)strtol(r->p + 9, NULL, 10);
    return status;
}

int
client_once(int port, const void *p, size_t n, struct reply *r)
{
    int fd = client_open(port);
    bool sent = client_send(fd, p, n);

    client_read(fd, r, NULL);
    r->reset |= !sent; /* whoever sees the reset first takes it from the socket */
    close(fd);
    return reply_status(r);
}

void
error_text(struct buf *out, const struct http_refusal *why)
{
    buf_fmt(out, "{\"statusCode\":%d,\"message\":\"%.*s\"}", why->status, STR_ARG(why->message));
}

void
server_up(struct test_server *t)
{
    struct str why = STR_NULL;

    t->arena = arena_create("test", (size_t)64 << 20);
    t->o.host = S("127.0.0.1");
    t->o.error_body = error_text;
    if (http_start(t->arena, &t->o, &t->s, &why) != OK)
        fail_msg("start: %.*s", STR_ARG(why));
    t->port = http_port(t->s);
    assert_true(t->port > 0);
}

void
server_down(struct test_server *t)
{
    http_stop(t->s, 1000);
    arena_free(t->arena);
}
