/* The context: failures and transactions. Holds no state of its own. */
#include "run/cx.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "run/app.h"

#define MESSAGE_MAX 1024 /* bytes of a user's message */

__attribute__((format(printf, 2, 0))) static struct str
format_in(struct arena *a, const char *fmt, va_list ap)
{
    char text[MESSAGE_MAX];
    int n = vsnprintf(text, sizeof text, fmt, ap);

    if (n < 0)
        return S("");
    return arena_str(a, str_mem(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

enum err
fail(struct cx *cx, enum err code, const char *fmt, ...)
{
    va_list ap;

    if (cx->failure.code != OK)
        return cx->failure.code;
    va_start(ap, fmt);
    cx->failure.message = format_in(cx->arena, fmt, ap);
    va_end(ap);
    cx->failure.code = code;
    return code;
}

enum err
fail_word(struct cx *cx, enum err code, struct str word, const char *fmt, ...)
{
    va_list ap;

    if (cx->failure.code != OK)
        return cx->failure.code;
    va_start(ap, fmt);
    cx->failure.message = format_in(cx->arena, fmt, ap);
    va_end(ap);
    cx->failure.word = word;
    cx->failure.code = code;
    return code;
}

/* "name is required": the reason reads as a sentence behind the field's name, or behind "The body". */
static struct str
field_sentence(struct arena *a, const struct field_error *f)
{
    struct str name = f->pointer;

    if (str_has_prefix(name, S("/")))
        name = str_sub(name, 1, name.n);
    if (str_is_empty(name))
        name = S("The body");
    return arena_fmt(a, "%.*s %.*s", STR_ARG(name), STR_ARG(f->reason));
}

enum err
fail_field(struct cx *cx, struct str pointer, const char *fmt, ...)
{
    struct failure *to = &cx->failure;
    struct field_error *f;
    va_list ap;

    if (to->n_fields == FIELDS_TOLD)
        return ERR_INVALID;
    f = arena_new(cx->arena, struct field_error);
    va_start(ap, fmt);
    f->reason = format_in(cx->arena, fmt, ap);
    va_end(ap);
    f->pointer = arena_str(cx->arena, pointer);
    if (to->last_field)
        to->last_field->next = f;
    else
        to->fields = f;
    to->last_field = f;
    to->n_fields++;
    if (to->code == OK) {
        to->code = ERR_INVALID;
        to->message = field_sentence(cx->arena, f);
    }
    return ERR_INVALID;
}

void
fail_clear(struct cx *cx)
{
    cx->failure = (struct failure){0};
}

struct call {
    struct cx *cx;
    cx_body body;
    void *arg;
};

static enum err
run_body(struct db_tx *tx, void *arg)
{
    struct call *c = arg;
    enum err e;

    fail_clear(c->cx); /* a repeated run starts as the first one did */
    c->cx->tx = tx;
    e = c->body(c->cx, c->arg);
    c->cx->tx = NULL;
    return e;
}

/* A failure of the store that no handler put into words. */
static enum err
finish(struct cx *cx, enum err e)
{
    cx->tx = NULL;
    if (e != OK && e != ERR_END && cx->failure.code == OK) {
        if (e == ERR_UNAVAILABLE || e == ERR_FULL)
            return fail_word(cx, ERR_UNAVAILABLE, S("log_unwritable"),
                             "The change can not be recorded now, so it was not made. Try again.");
        if (e == ERR_DB || e == ERR_IO || e == ERR_RETRY) {
            log_error("db.failed", LOG_STR("detail", db_last_error()),
                      LOG_STR("request", cx->request_id));
            return fail(cx, ERR_UNAVAILABLE, "The store did not answer. Try again.");
        }
        return fail(cx, e, "%s", err_http_reason(e));
    }
    return e;
}

enum err
cx_write(struct cx *cx, cx_body body, void *arg)
{
    struct call c = {cx, body, arg};

    return finish(cx, db_write(cx->app->db, cx->arena, run_body, &c));
}

enum err
cx_read(struct cx *cx, cx_body body, void *arg)
{
    struct call c = {cx, body, arg};

    return finish(cx, db_read(cx->app->db, cx->arena, run_body, &c));
}

enum err
cx_snapshot(struct cx *cx, cx_body body, void *arg)
{
    struct call c = {cx, body, arg};

    return finish(cx, db_snapshot(cx->app->db, cx->arena, run_body, &c));
}

struct cx
cx_system(struct app *app, struct arena *a, const char *process, const struct tenant_ref *tenant)
{
    struct cx cx = {.app = app, .arena = a, .now = app_now(app)};

    if (tenant)
        cx.tenant = *tenant;
    cx.actor.kind = ACTOR_SYSTEM;
    cx.actor.name = str_of(process);
    cx.request_id = cuid_in(a, cx.now);
    return cx;
}

int64_t
app_now(const struct app *app)
{
    return app->simulated_now ? app->simulated_now : clock_now();
}
