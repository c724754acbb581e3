/* Browsers that have signed in before: the cookie that says so, and what fails on them, which is counted
 * apart so that failures from elsewhere do not lock them out. The cookie is signed and bound to the
 * name; a row makes it end with the user, or after DEVICE_DAYS.
 *
 * Failures are counted in the store, so that they hold on every server and after a restart. Whoever
 * makes a row there has signed in before: a flood of names and addresses makes none (limits.h keeps
 * those in memory). A row stands while there is something to remember, a person has DEVICES_MAX at
 * most and one more, and is written at most as often as failures lock: behind that nothing is. */
#ifndef RECOUNT_CORE_DEVICE_H
#define RECOUNT_CORE_DEVICE_H

#include <stdbool.h>

#include "run/cx.h"

#define DEVICE_COOKIE "recount_device"
#define DEVICE_DAYS   365
#define DEVICES_MAX   50 /* a person's; the oldest makes way and is a strange browser from then on */

/* The value for a cuid and a folded e-mail. */
struct str device_cookie(struct cx *cx, struct str cuid, struct str email_folded);
/* Signed by us for this name: *cuid gets the device. Needs no store, and does not say that the device is
 * there still: device_get() does. */
bool device_is_known(struct cx *cx, struct str cookie, struct str email_folded, struct str *cuid);

/* Whose failures are counted: a device, or a person who types his own password again (his own cuid). */
struct device {
    int64_t tenant_id, user_id;
    struct str cuid;
};
/* All of these run inside cx->tx. */
/* ERR_NOT_FOUND, without words, when the user has no such device (any more). *locked_until: 0 or the time. */
MUST_CHECK enum err device_get(struct cx *cx, const struct device *d, int64_t *locked_until);
/* The same for a person's own cuid, which is always there. */
MUST_CHECK enum err device_locked(struct cx *cx, const struct device *d, int64_t *locked_until);
/* Counts a failure; the `most`th within `window` µs locks for `release` µs. *count: of the window with this
 * one; *locked_until: 0 when it did not lock. */
struct device_rule {
    int64_t window, release, most;
};
MUST_CHECK enum err device_failed(struct cx *cx, const struct device *d,
                                  const struct device_rule *rule, int *count,
                                  int64_t *locked_until);
/* Forgets the failures of one, after a success. */
MUST_CHECK enum err device_forgive(struct cx *cx, const struct device *d);
/* Of all of a user's; *locked: one of them was locked. The caller records the unlocking then. */
MUST_CHECK enum err device_forgive_all(struct cx *cx, int64_t user_id, bool *locked);
/* The cuids of a user's browsers. */
MUST_CHECK enum err device_list(struct cx *cx, int64_t user_id, struct str **out, size_t *n);
/* Adds the row (covered by LOGIN_SUCCESS). */
MUST_CHECK enum err device_insert(struct cx *cx, const struct device *d);
/* Removes what expired (daily process). */
MUST_CHECK enum err device_sweep(struct cx *cx);

#endif
