/* One-time links: set-up of an installation, setting a password. The store keeps a keyed hash of the
 * token only (bound.h); the token itself is given once. All functions run inside cx->tx. */
#ifndef RECOUNT_CORE_LINK_H
#define RECOUNT_CORE_LINK_H

#include <stdint.h>

#include "run/cx.h"

#define LINK_FORGOTTEN_HOURS 2
#define LINK_INVITE_HOURS    72
#define LINK_SETUP_HOURS     24

struct link {
    int64_t tenant_id, user_id; /* user_id 0: none */
    struct str kind;            /* "password", "setup" */
    int64_t expires_at;
};
/* A new link; earlier ones of the same user and kind stop working. The caller records the event that covers it. */
MUST_CHECK enum err link_new(struct cx *cx, int64_t tenant_id, int64_t user_id, struct str kind,
                             int64_t hours, struct str *token);
/* ERR_NOT_FOUND when unknown, used or over. */
MUST_CHECK enum err link_get(struct cx *cx, struct str token, struct str kind, struct link *out);
/* Marks it used; ERR_NOT_FOUND when someone else just did. */
MUST_CHECK enum err link_use(struct cx *cx, struct str token);
/* "https://host/path?token=…" with the configured public address, never the Host header. */
struct str link_url(struct cx *cx, const char *path, struct str token);
struct str link_public_base(struct cx *cx);
/* Set-up: makes the link and records SETUP_LINK_MADE (own transaction; at start without any user). */
MUST_CHECK enum err link_setup(struct cx *cx, struct str *url);
/* Whether the installation has no user yet (inside cx->tx). */
MUST_CHECK enum err link_setup_needed(struct cx *cx, bool *needed);
/* Removes what is over (daily process). */
MUST_CHECK enum err link_sweep(struct cx *cx);

#endif
