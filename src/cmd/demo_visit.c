/* Requests in the demonstration: people and strangers at their browsers, answered by the server's own
 * dispatch at a moment of the simulated clock. Only the comparison of a password is not computed
 * (700 of them would take ten seconds): the story knows what came of it. */
#include "cmd/demo_priv.h"

#include <liboath/oath.h>
#include <stdlib.h>

#include "api/api.h"
#include "base/log.h"
#include "core/mfa.h"

struct visit {
    struct cx *cx;
    struct act *x;
    int whose; /* browser: its cookies go along; −1: none */
    struct http_request rq;
    struct http_response rs;
    struct http_pair headers[6];
};

static void
add_header(struct visit *v, struct str name, struct str value)
{
    v->headers[v->rq.n_headers++] = (struct http_pair){name, value};
}

static void
add_cookies(struct visit *v)
{
    const struct demo *d = v->x->d;
    struct buf *b = buf_in(v->cx->arena, 8192);

    if (v->whose < 0)
        return;
    if (!str_is_empty(d->cookie[v->whose]))
        buf_fmt(b, "recount=%.*s; ", STR_ARG(d->cookie[v->whose]));
    if (!str_is_empty(d->device[v->whose]))
        buf_fmt(b, "recount_device=%.*s", STR_ARG(d->device[v->whose]));
    if (b->n)
        add_header(v, S("cookie"), buf_view(b));
}

/* Whose browser asks: the acting person's, also when he mistypes. */
static struct visit *
visit_of(struct cx *cx, struct act *x)
{
    struct visit *v = arena_new(cx->arena, struct visit);

    *v = (struct visit){.cx = cx, .x = x, .whose = -1};
    if (x->who >= 0)
        v->whose = x->who;
    else if (x->who <= FUMBLE)
        v->whose = FUMBLE - x->who;
    return v;
}

/* `right`: what comes of a password, when one has to be compared. */
static int
ask(struct visit *v, enum http_method method, const char *method_name, struct str path,
    struct str body, bool right)
{
    struct app *app = v->cx->app;

    v->rq = (struct http_request){.arena = v->cx->arena,
                                  .method = method,
                                  .method_name = str_of(method_name),
                                  .path = path,
                                  .headers = v->headers,
                                  .body = body,
                                  .host = S("127.0.0.1"),
                                  .address = demo_address(v->x->who),
                                  .request_id = cuid_in(v->cx->arena, v->cx->now),
                                  .started = clock_monotonic()};
    v->rs = (struct http_response){0};
    add_header(v, S("user-agent"), demo_agent(v->x->who));
    add_header(v, S("x-recount"), S("1"));
    add_header(v, S("content-type"), S("application/json"));
    add_cookies(v);
    api_handle(app, &v->rq, &v->rs);
    if (v->rs.later) {
        struct api_request *rq = v->rq.state;

        rq->job->result = right ? HASH_MATCHES : HASH_DIFFERS;
        v->rs = (struct http_response){0};
        api_handle(app, &v->rq, &v->rs);
    }
    return v->rs.status;
}

/* Another answer than the story tells of is a mistake in one of the two. */
static enum err
expect(struct visit *v, int status)
{
    if (v->rs.status == status)
        return OK;
    return fail(v->cx, ERR_DB, "%.*s %.*s answered %d: %.*s", STR_ARG(v->rq.method_name),
                STR_ARG(v->rq.path), v->rs.status, STR_ARG(str_sub(v->rs.body, 0, 300)));
}

static struct str
member(struct visit *v, const char *name)
{
    const struct json *m;
    struct json *o = NULL;
    const char *why;
    size_t where;

    if (json_parse(v->cx->arena, v->rs.body, &o, &where, &why) != OK)
        return STR_NULL;
    m = json_get(o, str_of(name));
    return json_is(m, JSON_STRING) ? m->text : STR_NULL;
}

/* The value of a Set-Cookie of the answer; null: there is none. */
static struct str
cookie(const struct visit *v, struct str name)
{
    for (size_t i = 0; i < v->rs.n_headers; i++) {
        struct str rest = v->rs.headers[i].value, pair, key;

        if (str_eq(v->rs.headers[i].name, S("Set-Cookie")) && str_cut(&rest, ';', &pair) &&
            str_cut(&pair, '=', &key) && str_eq(key, name))
            return pair;
    }
    return STR_NULL;
}

static struct str
credentials(struct cx *cx, struct str email, struct str password)
{
    struct buf *b = buf_in(cx->arena, 4096);
    struct json_writer w;

    json_writer_init(&w, b);
    json_begin_object(&w);
    json_kv_str(&w, "username", email);
    json_kv_str(&w, "password", password);
    json_end_object(&w);
    return buf_view(b);
}

/* ---- signing in ---- */

static struct str
totp(struct cx *cx, struct str secret)
{
    char otp[8] = {0};

    if (oath_hotp_generate(secret.p, secret.n, (uint64_t)(cx->now / USEC_PER_SEC / MFA_STEP_S), 6,
                           false, OATH_HOTP_DYNAMIC_TRUNCATION, otp) != OATH_OK)
        BUG("no code can be made");
    return arena_str(cx->arena, str_of(otp));
}

static enum err
second_step(struct visit *v, int who)
{
    struct cx *cx = v->cx;
    struct str body =
        arena_fmt(cx->arena, "{\"code\":\"%.*s\",\"token\":\"%.*s\"}", STR_ARG(member(v, "code")),
                  STR_ARG(totp(cx, v->x->d->secret[who])));

    ask(v, HTTP_POST, "POST", S("/api/v2/session/mfa"), body, true);
    return expect(v, 200);
}

static enum err
open_body(struct cx *cx, void *arg)
{
    const struct str *credential = arg;

    return session_open(cx, *credential, SESSION_COOKIE);
}

enum err
do_sign_in(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct demo *d = x->d;
    struct visit *v = visit_of(cx, x);
    struct str device;

    ask(v, HTTP_POST, "POST", S("/api/v2/session"),
        credentials(cx, d->user[x->who].email, d->password[x->who]), true);
    TRY(expect(v, 200));
    if (!str_is_null(d->secret[x->who]))
        TRY(second_step(v, x->who));
    d->cookie[x->who] = demo_keep(d, cookie(v, S("recount")));
    device = cookie(v, S("recount_device"));
    if (!str_is_null(device))
        d->device[x->who] = demo_keep(d, device);
    TRY(cx_read(cx, open_body, &d->cookie[x->who]));
    d->session[x->who] = demo_keep(d, cx->actor.session);
    d->signed_in[x->who] = cx->now;
    return OK;
}

enum err
do_wrong_password(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct visit *v = visit_of(cx, x);
    struct str name = x->text ? str_of(x->text) : x->d->user[x->whom].email;

    ask(v, HTTP_POST, "POST", S("/api/v2/session"), credentials(cx, name, S("not this one")),
        false);
    return expect(v, 401);
}

/* ---- what is asked for ---- */

enum err
do_view(struct cx *cx, void *arg)
{
    struct visit *v = visit_of(cx, arg);

    ask(v, HTTP_GET, "GET", S("/api/v2/auditlog"), STR_NULL, true);
    return expect(v, 200);
}

enum err
do_denied(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct visit *v = visit_of(cx, x);

    if (x->whom >= 0) {
        ask(v, HTTP_GET, "GET",
            arena_fmt(cx->arena, "/api/v1/client/%lld", (long long)x->d->client[x->whom]), STR_NULL,
            true);
        return expect(v, 404);
    }
    ask(v, HTTP_GET, "GET", S("/api/v2/auditlog"), STR_NULL, true);
    return expect(v, 403);
}

/* The telephone: it keeps the secret that the page shows. */
static enum err
keep_secret(struct visit *v, struct str text)
{
    char *bytes = NULL;
    size_t n = 0;

    if (oath_base32_decode(text.p, text.n, &bytes, &n) != OATH_OK)
        return fail(v->cx, ERR_DB, "the secret can not be read");
    v->x->d->secret[v->x->who] = demo_keep(v->x->d, str_mem(bytes, n));
    free(bytes);
    return OK;
}

enum err
do_second_factor(struct cx *cx, void *arg)
{
    struct act *x = arg;
    struct visit *v = visit_of(cx, x);

    ask(v, HTTP_GET, "GET", S("/api/v2/user/mfa/qr"), STR_NULL, true);
    TRY(expect(v, 200));
    TRY(keep_secret(v, member(v, "secret")));
    ask(v, HTTP_POST, "POST", S("/api/v2/user/mfa/qr/activate"),
        arena_fmt(cx->arena, "{\"token\":\"%.*s\"}", STR_ARG(totp(cx, x->d->secret[x->who]))),
        true);
    return expect(v, 200);
}
