/* Mail by SMTP (libcurl). A mail is queued as a job inside the transaction of the change that
 * wants it and sent by the job's thread; a mail server that is down, or answers 4xx, delays mails, it
 * loses none until JOB_ATTEMPTS_MAX. What it answers 5xx to is not tried again. A mail given up is
 * an event. The server's certificate must be trusted by the system or by the file in SSL_CERT_FILE. The job holds server and message sealed with the key folder's secret:
 * links in mails are secrets. */
#ifndef RECOUNT_OUT_MAIL_H
#define RECOUNT_OUT_MAIL_H

#include <stdbool.h>

#include "base/buf.h"
#include "run/cx.h"
#include "run/jobs.h"

enum mail_security { MAIL_STARTTLS, MAIL_TLS, MAIL_PLAIN };

struct mail_server {
    struct str host; /* empty: none is configured */
    int64_t port;
    enum mail_security security;
    struct str username, password; /* empty: no authentication */
    struct str sender;
};

struct mail_message {
    struct str to, subject, text; /* plain text, UTF-8 */
};

static inline bool
mail_is_configured(const struct mail_server *s)
{
    return s->host.n > 0 && s->sender.n > 0;
}

/* Queues inside cx->tx. */
MUST_CHECK enum err mail_queue(struct cx *cx, const struct mail_server *s,
                               const struct mail_message *m);
/* Sends now, outside any transaction; *why says what the server answered. ERR_IO; ERR_FORBIDDEN when
 * the server refused for good (5xx). Gives up at once when the process stops. */
MUST_CHECK enum err mail_send(struct cx *cx, const struct mail_server *s,
                              const struct mail_message *m, struct str *why);
/* The message as RFC 5322 text with CRLF; header fields can not be injected. */
void mail_compose(struct buf *out, struct cx *cx, const struct mail_server *s,
                  const struct mail_message *m);
/* Registers the kind "mail" before threads start. */
void mail_register(struct jobs *j);

#endif
