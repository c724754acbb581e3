/* The result codes: their names, their HTTP mapping, and the way a defect ends the process.
 * Owns the one table of codes. Does not hold messages: those live in struct cx. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    int status;
    const char *reason;
    const char *name;
} codes[ERR_COUNT] = {
    [OK] = {200, "OK", "ok"},
    [ERR_INVALID] = {400, "Bad Request", "invalid"},
    [ERR_UNAUTHORIZED] = {401, "Unauthorized", "unauthorized"},
    [ERR_FORBIDDEN] = {403, "Forbidden", "forbidden"},
    [ERR_NOT_FOUND] = {404, "Not Found", "not_found"},
    [ERR_METHOD] = {405, "Method Not Allowed", "method"},
    [ERR_CONFLICT] = {409, "Conflict", "conflict"},
    [ERR_TOO_LARGE] = {413, "Payload Too Large", "too_large"},
    [ERR_MEDIA_TYPE] = {415, "Unsupported Media Type", "media_type"},
    [ERR_TOO_FAST] = {429, "Too Many Requests", "too_fast"},
    [ERR_UNAVAILABLE] = {503, "Service Unavailable", "unavailable"},
    [ERR_RETRY] = {503, "Service Unavailable", "retry"},
    [ERR_IO] = {503, "Service Unavailable", "io"},
    [ERR_DB] = {503, "Service Unavailable", "db"},
    [ERR_FULL] = {503, "Service Unavailable", "full"},
    /* ERR_END never leaves a module; when it does, that is a defect of ours. */
    [ERR_END] = {500, "Internal Server Error", "end"},
};

int
err_http_status(enum err e)
{
    return (unsigned)e < ERR_COUNT ? codes[e].status : 500;
}

const char *
err_http_reason(enum err e)
{
    return (unsigned)e < ERR_COUNT ? codes[e].reason : "Internal Server Error";
}

const char *
err_name(enum err e)
{
    return (unsigned)e < ERR_COUNT ? codes[e].name : "unknown";
}

void
bug_at(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    /* No buffer and no log module here: the state is unsound, so as little as possible runs. */
    fprintf(stderr, "recount: defect at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}
