/* The way of a request: route, token, permission, body, prepare, transaction, apply, answer.
 *
 * This is the only place that begins a transaction for a request, checks a right named in a route,
 * writes a status or tells subscribers. It owns no state but the counters for metrics. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/denial.h"
#include "api/dispatch.h"
#include "audit/audit.h"
#include "base/log.h"
#include "base/text.h"
#include "core/session.h"
#include "run/bus.h"

#define JSON_TYPE      "application/json; charset=utf-8"
#define ANSWER_MAX     ((size_t)64 << 20) /* bytes of one JSON answer */
#define USER_AGENT_MAX 512                /* bytes kept of the header */
/* Bytes of what a stranger sends: a name and a password of the greatest length, every byte written as an
 * escape, several times over. Thousands of them may wait at once, each with its body in memory. */
#define STRANGERS_BODY_MAX ((size_t)64 << 10)


/* ---- matching ---- */

static bool
is_param(struct str segment)
{
    return segment.n > 2 && segment.p[0] == '{';
}

/* Matches path against the pattern; parameters go to rq. Fixed segments win over parameters by
 * the score: the number of fixed segments. −1: no match. */
static int
match_path(struct str pattern, struct str path, struct str param[ROUTE_PARAMS])
{
    struct str ps, xs;
    int score = 0, n = 0;

    for (;;) {
        bool more = str_cut(&pattern, '/', &ps), xmore = str_cut(&path, '/', &xs);

        if (more != xmore)
            return -1;
        if (!more)
            return score;
        if (is_param(ps)) {
            if (str_is_empty(xs) || n == ROUTE_PARAMS)
                return -1;
            param[n++] = xs;
        } else if (str_eq(ps, xs)) {
            score++;
        } else {
            return -1;
        }
    }
}

/* A final '/' of the address is ignored, but "/api/v1/" is a route of its own. */
static const struct route *
find_route(enum http_method method, struct str path, struct str param[ROUTE_PARAMS],
           unsigned *methods)
{
    const struct route *best = NULL;
    int best_score = -1;

    *methods = 0;
    if (method == HTTP_HEAD)
        method = HTTP_GET;
    for (size_t t = 0; api_tables[t]; t++) {
        for (const struct route *r = api_tables[t]; r->path; r++) {
            struct str found[ROUTE_PARAMS] = {{0}};
            int score = match_path(str_of(r->path), path, found);

            if (score < 0)
                continue;
            *methods |= 1u << r->method;
            if (r->method == method && score > best_score) {
                best = r;
                best_score = score;
                memcpy(param, found, sizeof found);
            }
        }
    }
    return best;
}

const struct route *
api_find(const struct http_request *rq, struct str param[ROUTE_PARAMS], unsigned *methods)
{
    const struct route *r = find_route(rq->method, rq->path, param, methods);

    if (!r && *methods == 0 && rq->path.n > 8 && str_has_suffix(rq->path, S("/")))
        r = find_route(rq->method, str_sub(rq->path, 0, rq->path.n - 1), param, methods);
    return r;
}

/* One number, one spelling: "00", "-0" and "007" name nothing. −1: not a number. */
static int64_t
path_number(struct str s)
{
    int64_t n;

    if (str_int64(s, &n) != OK || s.p[0] == '-' || (s.n > 1 && s.p[0] == '0'))
        return -1;
    return n;
}

/* ---- answers ---- */

static void
security_headers(struct http_response *rs)
{
    http_add_header(rs, S("Cache-Control"), S("no-store"));
    http_add_header(rs, S("X-Content-Type-Options"), S("nosniff"));
}

/* The phrase of RFC 9110 for a status; what no result code means comes from the library's layer. */
static const char *
reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } others[] = {{414, "URI Too Long"},
                  {417, "Expectation Failed"},
                  {431, "Request Header Fields Too Large"},
                  {505, "HTTP Version Not Supported"}};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (others[i].status == status)
            return others[i].reason;
    }
    for (enum err i = OK; i < ERR_COUNT; i++) {
        if (err_http_status(i) == status)
            return err_http_reason(i);
    }
    return err_http_reason(ERR_COUNT);
}

void
api_error_body(struct buf *out, const struct http_refusal *why)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_str(&w, "status", S("error"));
    json_kv_i64(&w, "statusCode", why->status);
    json_kv_str(&w, "error", str_of(reason_of(why->status)));
    json_kv_str(&w, "message", why->message);
    if (!str_is_null(why->field)) {
        json_key(&w, S("fields"));
        json_begin_array(&w);
        json_begin_object(&w);
        json_kv_str(&w, "pointer", why->field);
        json_kv_str(&w, "reason", why->reason);
        json_end_object(&w);
        json_end_array(&w);
    }
    json_kv_str(&w, "requestId", why->request_id);
    json_end_object(&w);
}

static void
answer_failure(struct cx *cx, struct http_response *rs, enum err e)
{
    struct buf *out = buf_in(cx->arena, ANSWER_MAX);
    struct json_writer w;
    const struct failure *f = &cx->failure;
    struct str message = f->code != OK ? f->message : str_of(err_http_reason(e));

    rs->status = err_http_status(e);
    rs->content_type = S("application/json; charset=utf-8");
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_kv_str(&w, "status", S("error"));
    json_kv_i64(&w, "statusCode", rs->status);
    json_kv_str(&w, "error", str_of(err_http_reason(e)));
    json_kv_str(&w, "message", message);
    if (!str_is_null(f->word))
        json_kv_str(&w, "code", f->word);
    if (f->fields) {
        json_key(&w, S("fields"));
        json_begin_array(&w);
        for (const struct field_error *x = f->fields; x; x = x->next) {
            json_begin_object(&w);
            json_kv_str(&w, "pointer", x->pointer);
            json_kv_str(&w, "reason", x->reason);
            json_end_object(&w);
        }
        json_end_array(&w);
    }
    json_kv_str(&w, "requestId", cx->request_id);
    json_end_object(&w);
    rs->body = buf_view(out);
    if (e == ERR_TOO_FAST || rs->status == 503)
        http_add_header(rs, S("Retry-After"),
                        arena_fmt(cx->arena, "%d", f->retry_after ? f->retry_after : 1));
}

/* ---- credentials ---- */

struct credential {
    struct str text;
    enum session_source source;
};

/* Bearer or bare token of the header first; else the browser's cookie. */
static struct credential
credential_of(const struct route *r, const struct http_request *rq)
{
    struct str h = str_trim(http_header(rq, S("authorization")));
    struct str c;

    if (r->who == WHO_UPLOAD)
        return (struct credential){http_cookie(rq, S("token")), SESSION_UPLOAD_COOKIE};
    if (h.n > 7 && str_ieq(str_sub(h, 0, 7), S("bearer ")))
        h = str_trim(str_sub(h, 7, h.n));
    if (!str_is_empty(h))
        return (struct credential){h, SESSION_HEADER};
    c = http_cookie(rq, S("recount"));
    return (struct credential){c, SESSION_COOKIE};
}

static enum err
open_body(struct cx *cx, void *arg)
{
    const struct credential *c = arg;

    return session_open(cx, c->text, c->source);
}

static enum err
authenticate(struct cx *cx, const struct route *r, const struct http_request *rq)
{
    struct credential c = credential_of(r, rq);
    enum err e;

    if (r->who == WHO_PUBLIC)
        return OK;
    if (str_is_empty(c.text))
        return fail(cx, ERR_UNAUTHORIZED, "Sign in first");
    if (c.source == SESSION_COOKIE && r->method != HTTP_GET &&
        str_is_null(http_header(rq, S("x-recount"))))
        return fail_word(cx, ERR_FORBIDDEN, S("cross_site"), "The header X-Recount is missing");
    e = cx_read(cx, open_body, &c);
    if (e == ERR_UNAUTHORIZED)
        denial_of_token(cx, rq);
    return e;
}

/* ---- rights ---- */

/* What is open to someone who has yet to set up a second factor: his own, and signing out. Routes
 * that need a right are others' business, whatever their path says. */
static bool
serves_enrolment(const struct route *r)
{
    struct str path = str_of(r->path);

    return (r->who == WHO_SESSION || r->who == WHO_SIGNED_IN) &&
           (str_contains(path, S("/mfa")) || str_contains(path, S("/session")) ||
            str_contains(path, S("whoami")));
}

static enum err
check_right(struct cx *cx, const struct route *r)
{
    if (r->who == WHO_PUBLIC)
        return OK;
    if (cx->grants && cx->grants->must_enroll_mfa && !serves_enrolment(r))
        return fail_word(cx, ERR_FORBIDDEN, S("mfa_required"), "Set up a second factor first");
    if (cx->actor.kind == ACTOR_TOKEN) {
        if (r->who == WHO_SESSION)
            return fail(cx, ERR_FORBIDDEN, "Access tokens can not do this");
        if (r->method != HTTP_GET && r->tx != TX_READ) /* lists are asked for by POST, too */
            return fail(cx, ERR_FORBIDDEN, "Access tokens are read-only");
    }
    if (r->who == WHO_PERMISSION && !cx_may(cx, r->permission))
        return fail(cx, ERR_FORBIDDEN,
                    r->permission == PERM_USERS_VIEW ? "Unauthorized!" : "Not permitted: %s",
                    permission_info(r->permission)->title);
    return OK;
}

/* Offset of the parameter `name` among the pattern's parameters, −1: none. */
static int
param_named(const struct route *r, const char *name)
{
    struct str rest = str_of(r->path), part;
    int n = 0;

    while (str_cut(&rest, '/', &part)) {
        if (!is_param(part))
            continue;
        if (str_eq(part, str_of(name)))
            return n;
        n++;
    }
    return -1;
}

/* {t} must be the caller's own tenant: another one does not exist for him. */
static enum err
check_tenant(struct api_request *rq)
{
    int i = param_named(rq->route, "{t}");

    if (i < 0 || rq->route->who == WHO_PUBLIC)
        return OK;
    if (rq->cx->tenant.known && ((rq->param_id[i] >= 0 && rq->param_id[i] == rq->cx->tenant.id) ||
                                 str_eq(rq->param[i], rq->cx->tenant.cuid)))
        return OK;
    rq->cx->about.hidden = rq->param_id[i] >= 0 || cuid_is(rq->param[i]);
    return fail(rq->cx, ERR_NOT_FOUND, "Workspace not found");
}

/* Asked again inside the transaction that uses the right (apply_body). */
static enum err
check_client(struct cx *cx, void *arg)
{
    struct api_request *rq = arg;
    int i = param_named(rq->route, "{c}");

    if (i < 0)
        BUG("route %s has WHO_CLIENT but no {c}", rq->route->path);
    if (rq->param_id[i] < 0)
        return fail(cx, ERR_NOT_FOUND, "Client not found");
    return cx_may_client(cx, rq->param_id[i], rq->route->permission);
}

/* Which client a refusal is about is known where the rights on it were asked for; what was refused
 * before that, here. */
static void
note_denial(struct api_request *rq, enum err e)
{
    struct cx *cx = rq->cx;

    if (e == ERR_FORBIDDEN && rq->route->who == WHO_CLIENT && cx->about.client_id == 0) {
        struct failure kept = cx->failure;

        if (cx_read(cx, check_client, rq) != OK)
            fail_clear(cx); /* it is not this request's failure */
        cx->failure = kept;
    }
    if (e == ERR_FORBIDDEN)
        denial_of_route(cx, rq->route, rq->http);
    else if (e == ERR_NOT_FOUND && cx->about.hidden)
        denial_of_hidden(cx, rq->route, rq->http);
}

/* ---- running ---- */

static enum err
apply_body(struct cx *cx, void *arg)
{
    struct api_request *rq = arg;

    buf_clear(rq->out_buf);
    json_writer_init(&rq->out, rq->out_buf);
    if (rq->route->who == WHO_CLIENT)
        TRY(check_client(cx, rq));
    return rq->route->apply(rq);
}

/* What follows prepare, and the job it has set. */
static enum err
run(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    const struct route *r = rq->route;

    if (r->finish)
        TRY(r->finish(rq));
    if (r->apply) {
        switch (r->tx) {
        case TX_NONE:
            TRY(r->apply(rq));
            break;
        case TX_READ:
            TRY(cx_read(cx, apply_body, rq));
            break;
        case TX_WRITE:
            TRY(cx_write(cx, apply_body, rq));
            break;
        }
    }
    if (r->after)
        TRY(r->after(rq));
    if (r->tx == TX_WRITE)
        bus_publish(cx->app->bus, BUS_DATA);
    return OK;
}

/* On a full disk a change is refused before it begins; reads and what the reserve is for go on. */
static enum err
check_store(struct cx *cx, const struct route *r)
{
    bool changes = r->tx == TX_WRITE || (r->tx == TX_NONE && r->method != HTTP_GET);

    if (!changes || audit_may_change(cx->app, r->reserve))
        return OK;
    return fail_word(
        cx, ERR_UNAVAILABLE, S("log_unwritable"),
        "The disk of the server is full. Nothing can be changed until there is room again.");
}

static enum err
nothing_written(void *arg, struct buf *out)
{
    (void)arg;
    (void)out;
    return ERR_END;
}

/* A stream has no length to be said; of HEAD it is never begun (http/answer.c). */
static enum err
look_at_question(struct api_request *rq)
{
    TRY(rq->route->head(rq));
    if (str_is_empty(rq->rs->content_type))
        rq->rs->content_type = S(JSON_TYPE);
    rq->rs->stream.write = nothing_written;
    return OK;
}

static enum err
carry_out(struct api_request *rq)
{
    if (rq->route->prepare)
        TRY(rq->route->prepare(rq));
    return rq->job ? OK : run(rq);
}

static enum err
serve(struct api_request *rq)
{
    enum err e;

    TRY(authenticate(rq->cx, rq->route, rq->http));
    e = check_tenant(rq);
    if (e == OK)
        e = check_right(rq->cx, rq->route);
    if (e == OK && rq->route->who == WHO_CLIENT &&
        (rq->route->body != BODY_NONE || rq->route->prepare))
        e = cx_read(rq->cx, check_client, rq); /* nothing of the body is told to who has no right */
    if (e == OK)
        e = check_store(rq->cx, rq->route);
    if (e == OK)
        e = api_read_body(rq);
    buf_clear(rq->out_buf);
    json_writer_init(&rq->out, rq->out_buf);
    if (e == OK)
        e = rq->http->head && rq->route->head ? look_at_question(rq) : carry_out(rq);
    note_denial(rq, e);
    return e;
}

static void
answer_success(struct api_request *rq)
{
    struct http_response *rs = rq->rs;

    if (rs->status == 0)
        rs->status = 200;
    if (rs->stream.write || rs->body.n || rs->status == 304)
        return;
    if (str_is_empty(rs->content_type))
        rs->content_type = S(JSON_TYPE);
    if (rq->out_buf->n == 0)
        (void)api_ok(rq, STR_NULL);
    rs->body = buf_view(rq->out_buf);
}

static struct cx
context_of(struct app *app, const struct http_request *rq)
{
    struct cx cx = {.app = app, .arena = rq->arena, .now = app_now(app)};

    cx.address = rq->address;
    cx.via = rq->via;
    cx.user_agent = utf8_cut(http_header(rq, S("user-agent")), USER_AGENT_MAX);
    cx.request_id = rq->request_id;
    cx.actor.name = S("Someone not signed in");
    return cx;
}

static struct api_request *
new_request(struct app *app, struct http_request *http)
{
    struct api_request *rq = arena_new(http->arena, struct api_request);

    rq->cx = arena_new(http->arena, struct cx);
    *rq->cx = context_of(app, http);
    rq->http = http;
    rq->out_buf = buf_in(http->arena, ANSWER_MAX);
    return rq;
}

/* 405 says which methods the address takes (RFC 9110, section 15.5.6). */
static enum err
refuse_method(struct api_request *rq, unsigned methods)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET, HEAD", [HTTP_POST] = "POST",     [HTTP_PUT] = "PUT",
        [HTTP_PATCH] = "PATCH",   [HTTP_DELETE] = "DELETE",
    };
    struct buf *b = buf_in(rq->cx->arena, 256);

    for (size_t m = 0; m < sizeof names / sizeof names[0]; m++) {
        if (names[m] && methods >> m & 1)
            buf_fmt(b, "%s%s", b->n ? ", " : "", names[m]);
    }
    http_add_header(rq->rs, S("Allow"), buf_view(b));
    return fail(rq->cx, ERR_METHOD, "This address does not take %.*s",
                STR_ARG(rq->http->method_name));
}

static void
read_address(struct api_request *rq, unsigned *methods)
{
    rq->route = api_find(rq->http, rq->param, methods);
    for (int i = 0; i < ROUTE_PARAMS; i++)
        rq->param_id[i] = path_number(rq->param[i]);
}

static enum err
begin(struct api_request *rq)
{
    unsigned methods;

    read_address(rq, &methods);
    if (rq->route)
        return serve(rq);
    return methods ? refuse_method(rq, methods)
                   : fail(rq->cx, ERR_NOT_FOUND, "There is nothing at this address");
}

/* What a page asks for by itself, again and again, is no use of the session by a person: a page left open must
 * not keep it alive. Of an access token every use counts. */
static bool
is_background(const struct api_request *rq)
{
    return rq->cx->actor.kind == ACTOR_USER && rq->http->method == HTTP_GET &&
           str_eq(http_header(rq->http, S("x-recount")), S("background"));
}

static void
finish(struct api_request *rq, enum err e)
{
    struct cx *cx = rq->cx;

    if (e == OK && buf_failed(rq->out_buf))
        e = fail(cx, ERR_FULL, "The answer is too large; ask for fewer rows");
    if (e == OK)
        answer_success(rq);
    else
        answer_failure(cx, rq->rs, e);
    if (e == OK && session_touch_due(cx) && !is_background(rq) && !audit_is_tight(cx->app))
        session_touch(cx);
}

/* ---- hashes: the request waits without a worker ---- */

static void
hashed(void *http)
{
    http_continue(http);
}

static void
submit(void *arg, struct http_request *http)
{
    struct api_request *rq = arg;
    struct hash_job *job = rq->job;

    job->done = hashed;
    job->arg = http;
    hashing_submit(rq->cx->app->hashing, job);
}

void
api_handle(void *arg, struct http_request *http, struct http_response *rs)
{
    struct api_request *rq = http->state;
    enum err e;

    if (!str_has_prefix(http->path, S("/api/")) && !str_eq(http->path, S("/graphql"))) {
        api_static(arg, http, rs);
        return;
    }
    security_headers(rs);
    if (!rq) {
        rq = new_request(arg, http);
        rq->rs = rs;
        e = begin(rq);
        if (e == OK && rq->job) {
            http->state = rq;
            rs->later = submit;
            rs->later_arg = rq;
            return;
        }
    } else {
        rq->rs = rs;
        e = run(rq);
        note_denial(rq, e);
    }
    finish(rq, e);
}

/* ---- limits before the body ---- */

void
api_headers_done(void *arg, const struct http_request *rq, struct http_limits *limits)
{
    struct str param[ROUTE_PARAMS] = {{0}};
    unsigned methods;
    const struct route *r = api_find(rq, param, &methods);

    (void)arg;
    /* Strangers who may be many: their requests make way for those of people at work. */
    limits->yields = r && r->who == WHO_PUBLIC && r->rate == RATE_AUTH;
    if (limits->yields)
        limits->body_max = STRANGERS_BODY_MAX;
    if (r && r->upload_file) {
        limits->upload = true;
        limits->upload_max = r->upload_max;
    } else if (r && r->body == BODY_MULTIPART) {
        limits->body_max = 2u << 20;
    }
}

void
api_before_upload(void *arg, struct http_request *http, struct http_limits *limits,
                  struct http_response *rs)
{
    struct cx cx = context_of(arg, http);
    struct api_request rq = {.cx = &cx, .http = http, .rs = rs};
    unsigned methods;
    enum err e;

    read_address(&rq, &methods);
    if (!rq.route)
        return;
    e = authenticate(&cx, rq.route, http);
    if (e == OK)
        e = check_tenant(&rq);
    if (e == OK)
        e = check_right(&cx, rq.route);
    if (e == OK && rq.route->who == WHO_CLIENT)
        e = cx_read(&cx, check_client, &rq);
    if (e == OK)
        e = check_store(&cx, rq.route);
    if (e == OK)
        return;
    note_denial(&rq, e);
    limits->refuse = e;
    answer_failure(&cx, rs, e);
}
