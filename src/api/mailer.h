/* Mails the interface sends: set-password links from the workspace's template. Composition only:
 * sending is out/mail.h, links are core/link.h. Shared inside api/. */
#ifndef RECOUNT_API_MAILER_H
#define RECOUNT_API_MAILER_H

#include "core/user.h"
#include "out/mail.h"
#include "run/cx.h"

#define PASSWORD_LINK_PATH "/password"

/* The workspace's mail server, inside cx->tx. */
MUST_CHECK enum err mailer_server(struct cx *cx, struct mail_server *out);
/* A new set-password link for the user; *url gets it. The caller's event covers it. */
MUST_CHECK enum err mailer_link(struct cx *cx, const struct user *u, int64_t hours,
                                struct str *url);
/* Makes a link and queues the mail; *sent is false, and nothing made, without a mail server. */
MUST_CHECK enum err mailer_send_link(struct cx *cx, const struct user *u, int64_t hours,
                                     bool *sent);
/* What the caller is told then. */
#define MAILER_NOT_SENT                                                                            \
    "No mail server is set, so nothing was sent: copy a set-password link instead"
/* Tells every enabled administrator, of all workspaces or of the one of cx: a notice in the page
 * (the subject, an empty line, the text), and a mail through this workspace's server where one is
 * set. Inside cx->tx; the caller's event covers the tables job and notification. */
MUST_CHECK enum err mailer_tell_administrators(struct cx *cx, bool everywhere, struct str subject,
                                               struct str text);

#endif
