/* TLS: a certificate made by openssl(1), a request through it, and what is refused. */
#include "client.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/wait.h>

static char dir[] = "/tmp/recount-tls-XXXXXX";
static char key_path[64], cert_path[64];

static void
handle(void *arg, struct http_request *q, struct http_response *rs)
{
    (void)arg;
    rs->status = 200;
    rs->body = arena_fmt(q->arena, "tls=%d %zu", q->tls, q->body.n);
}

static int
make_certificate(void **state)
{
    int status = 1;
    pid_t pid;

    (void)state;
    if (mkdtemp(dir) == NULL)
        return 1;
    snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
    snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDERR_FILENO);
        execlp("openssl", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
               "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
               "-keyout", key_path, "-out", cert_path, (char *)NULL);
        _exit(127);
    }
    return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

static int
remove_certificate(void **state)
{
    (void)state;
    unlink(key_path);
    unlink(cert_path);
    return rmdir(dir);
}

static struct str
load(struct arena *a, const char *path)
{
    char *p = arena_array(a, char, 1 << 14);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, p, (1 << 14) - 1);

    close(fd);
    assert_true(n > 0);
    return str_mem(p, (size_t)n);
}

/* True when the handshake came about. */
static bool
ask(int port, int max_version, const char *request, struct reply *r)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl;
    int fd = client_open(port), n;
    bool ok;

    SSL_CTX_set_max_proto_version(ctx, max_version);
    SSL_CTX_set_security_level(ctx, 0);
    ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    ok = SSL_connect(ssl) == 1;
    r->n = 0;
    if (ok) {
        assert_true(SSL_write(ssl, request, (int)strlen(request)) > 0);
        while (r->n < sizeof(r->p) - 1 &&
               (n = SSL_read(ssl, r->p + r->n, (int)(sizeof(r->p) - 1 - r->n))) > 0)
            r->n += (size_t)n;
    }
    r->p[r->n] = '\0';
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return ok;
}

static void
requests_through_tls(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    static char post[40000];
    struct test_server t = {.o = {.handle = handle, .workers = 2}};
    struct arena *a = arena_create("test", 1 << 20);
    struct reply r;
    int n;

    (void)state;
    t.o.tls_cert = load(a, cert_path);
    t.o.tls_key = load(a, key_path);
    server_up(&t);
    assert_true(ask(t.port, TLS1_3_VERSION, get, &r));
    assert_int_equal(reply_status(&r), 200);
    assert_non_null(strstr(r.p, "\r\n\r\ntls=1 0"));
    n = snprintf(
        post, sizeof(post),
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 30000\r\n\r\n");
    memset(post + n, 'a', 30000);
    assert_true(ask(t.port, TLS1_2_VERSION, post, &r));
    assert_non_null(strstr(r.p, "\r\n\r\ntls=1 30000"));
    assert_false(ask(t.port, TLS1_1_VERSION, get, &r));
    /* Plain HTTP at the TLS port is closed, not answered. */
    assert_int_equal(client_once(t.port, get, sizeof(get) - 1, &r), 0);
    server_down(&t);
    arena_free(a);
}

static void
bad_certificate_is_told(void **state)
{
    struct http_options o = {.host = S("127.0.0.1"), .handle = handle, .tls_cert = S("nonsense")};
    struct arena *a = arena_create("test", 1 << 20);
    struct http_server *s = NULL;
    struct str why = STR_NULL;

    (void)state;
    assert_int_equal(http_start(a, &o, &s, &why), ERR_INVALID);
    o.tls_key = S("nonsense");
    assert_int_equal(http_start(a, &o, &s, &why), ERR_UNAVAILABLE);
    assert_true(why.n > 0);
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_through_tls),
        cmocka_unit_test(bad_certificate_is_told),
    };

    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
