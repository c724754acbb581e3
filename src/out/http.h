/* Outgoing HTTP for what an administrator has configured by its address: POST, one answer. Plain http
 * and https; no redirects, no proxy, 10 s in all, answers of at most 64 KB. https trusts the system's
 * certificates, or the file in SSL_CERT_FILE.
 *
 * It connects to whatever the address names, private and loopback ones too, and is only for addresses
 * that stand in a file of the data folder (witnesses.policy), which nobody but who administers the
 * machine can write. An address that comes from a user of the interface must never get here: a
 * destination policy for those does not exist yet. */
#ifndef RECOUNT_OUT_HTTP_H
#define RECOUNT_OUT_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define OUT_HTTP_ANSWER_MAX ((size_t)64 << 10)
#define OUT_HTTP_TIMEOUT_S  10

struct out_http; /* one thread at a time; keeps its connection open between calls */

/* *stopping true ends a call at once. */
struct out_http *out_http_open(const atomic_bool *stopping);
void out_http_close(struct out_http *h);

struct out_http_answer {
    int status;
    struct str type, body; /* in the arena; type null: none was given */
};
/* OK whatever the status is. ERR_IO: no answer, or one that is too long; *why says it in words. */
MUST_CHECK enum err out_http_post(struct out_http *h, struct arena *a, struct str url,
                                  struct str type, struct str body, struct out_http_answer *out,
                                  struct str *why);
/* Whether it is an address that may stand in such a file: http or https, a host, no user name, no
 * query, nothing but printable ASCII. */
bool out_http_url_is_valid(struct str url);

#endif
