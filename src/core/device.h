/* The cookie of a browser that has signed in before: its failures are counted apart, so that
 * failures from elsewhere do not lock it out. The cookie is signed and bound to the name; a row
 * makes it end with the user. */
#ifndef RECOUNT_CORE_DEVICE_H
#define RECOUNT_CORE_DEVICE_H

#include <stdbool.h>

#include "run/cx.h"

#define DEVICE_COOKIE "recount_device"
#define DEVICE_DAYS   365

/* The value for a cuid and a folded e-mail. */
struct str device_cookie(struct cx *cx, struct str cuid, struct str email_folded);
/* Signed by us for this name: *cuid gets the device. Needs no store. */
bool device_is_known(struct cx *cx, struct str cookie, struct str email_folded, struct str *cuid);
/* The cuids of a user's browsers, inside cx->tx. */
MUST_CHECK enum err device_list(struct cx *cx, int64_t user_id, struct str **out, size_t *n);
/* Adds the row inside cx->tx (covered by LOGIN_SUCCESS). */
MUST_CHECK enum err device_insert(struct cx *cx, int64_t tenant_id, int64_t user_id,
                                  struct str cuid);

#endif
