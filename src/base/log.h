/* The server's own log: one JSON object a line on standard error. Never a secret, never SQL values.
 *
 *   log_info("http.listening", LOG_STR("address", addr), LOG_INT("port", port));
 *
 * The event name is a literal "area.what"; the fields are typed; text is escaped. Thread-safe: a
 * line is written with one write(2). */
#ifndef RECOUNT_BASE_LOG_H
#define RECOUNT_BASE_LOG_H

#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_F_STR, LOG_F_INT } kind;
    struct str s;
    int64_t i;
};

#define LOG_STR(k, v) ((struct log_field){.key = (k), .kind = LOG_F_STR, .s = (v)})
#define LOG_INT(k, v) ((struct log_field){.key = (k), .kind = LOG_F_INT, .i = (int64_t)(v)})

void log_set_level(enum log_level level); /* before threads start */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_FIELDS_(...) ((const struct log_field[]){__VA_ARGS__})
#define log_debug(event, ...)                                                                      \
    log_write(LOG_DEBUG, event, LOG_FIELDS_(__VA_ARGS__ __VA_OPT__(, ){0}))
#define log_info(event, ...) log_write(LOG_INFO, event, LOG_FIELDS_(__VA_ARGS__ __VA_OPT__(, ){0}))
#define log_warn(event, ...) log_write(LOG_WARN, event, LOG_FIELDS_(__VA_ARGS__ __VA_OPT__(, ){0}))
#define log_error(event, ...)                                                                      \
    log_write(LOG_ERROR, event, LOG_FIELDS_(__VA_ARGS__ __VA_OPT__(, ){0}))

#endif
