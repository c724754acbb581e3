/* A raw client and a small server for the tests of src/http. Bytes out, bytes in; parses nothing. */
#ifndef RECOUNT_TESTS_HTTP_CLIENT_H
#define RECOUNT_TESTS_HTTP_CLIENT_H

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "http/http.h"

#define WAIT_MS 60000 /* a hang becomes a failure after this */

struct reply {
    size_t n;
    bool closed; /* the other side ended the connection */
    bool reset;  /* … with a reset, which lets some systems lose what was sent before */
    char p[1 << 16];
};

int client_open(int port);
bool client_send(int fd, const void *p, size_t n); /* false: cut short by the other side */
void client_puts(int fd, const char *s);
/* Reads until the connection ends, or `until` occurs (NULL: until the end only). */
void client_read(int fd, struct reply *r, const char *until);
/* Sends, reads until the end of the connection; status of the first answer, 0: a bare close. */
int client_once(int port, const void *p, size_t n, struct reply *r);
int reply_status(const struct reply *r);

struct test_server {
    struct arena *arena;
    struct http_server *s;
    struct http_options o;
    int port;
};

void server_up(struct test_server *t);   /* with t->o; host, port and error_body are filled in */
void server_down(struct test_server *t); /* stops, frees */
void error_text(struct buf *out, const struct http_refusal *why);

#endif
