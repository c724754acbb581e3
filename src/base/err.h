/* Result codes of every fallible function, and their one mapping to HTTP.
 *
 * OK is 0. A function that fails leaves its out-parameters untouched. Functions that have a
 * struct cx record a message fit for the user with fail(); below cx only the code is returned. */
#ifndef RECOUNT_BASE_ERR_H
#define RECOUNT_BASE_ERR_H

enum err {
    OK = 0,
    ERR_INVALID,      /* 400: the input is malformed or a field is wrong */
    ERR_UNAUTHORIZED, /* 401: no valid token */
    ERR_FORBIDDEN,    /* 403: known caller, no right */
    ERR_NOT_FOUND,    /* 404 */
    ERR_METHOD,       /* 405 */
    ERR_CONFLICT,     /* 409: exists already, or changed by someone else */
    ERR_TOO_LARGE,    /* 413 */
    ERR_MEDIA_TYPE,   /* 415 */
    ERR_TOO_FAST,     /* 429 */
    ERR_UNAVAILABLE,  /* 503: try again later; also "the log can not be written" */
    ERR_RETRY,        /* inside db only: serialisation failure, the body runs again */
    ERR_IO,           /* 503: file system or network */
    ERR_DB,           /* 503: the store refused a statement; detail is in the log */
    ERR_FULL,         /* 503: a bounded buffer or the disk is full */
    ERR_END,          /* not a failure: no more rows, no more input */
    ERR_COUNT
};

/* Marks a function whose result may not be ignored. */
#define MUST_CHECK              __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Evaluates expr (an enum err) and returns it from the enclosing function unless it is OK. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum err try_err_ = (expr);                                                                \
        if (try_err_ != OK)                                                                        \
            return try_err_;                                                                       \
    } while (0)

/* A state that only a defect of ours can produce: says where, aborts. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The HTTP status of a result code (200 for OK). */
int err_http_status(enum err e);
/* The reason phrase used as the member "error" of an error body, e.g. "Bad Request". */
const char *err_http_reason(enum err e);
/* The stable lower-case word of a code for logs and metrics, e.g. "not_found". */
const char *err_name(enum err e);

#endif
