/* How long the log is kept: longer at once, shorter 30 days after it was announced to all
 * administrators, never under four whole months. It holds for the installation, so its first
 * workspace (tenant 0) has the setting. */
#ifndef RECOUNT_CORE_RETENTION_H
#define RECOUNT_CORE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/custody.h"
#include "run/cx.h"

#define RETENTION_MIN       4 /* whole months beside the running one: never under 120 days */
#define RETENTION_MAX       120
#define RETENTION_NOTICE_US CUSTODY_NOTICE_US

struct retention {
    int64_t months;  /* kept now */
    int64_t pending; /* what it is to be; 0: nothing is announced */
    int64_t asked_at, effective_at;
    struct str asked_by; /* name as it is now; null: deleted */
};
enum retention_step { RETENTION_SAME, RETENTION_RAISED, RETENTION_ANNOUNCED };

/* Inside cx->tx, in any workspace. */
MUST_CHECK enum err retention_get(struct cx *cx, struct retention *out);
/* Inside cx->tx: ERR_FORBIDDEN in another workspace than the first. Raising ends what was announced.
 * After the commit of RETENTION_RAISED: audit_set_months_kept(). ANNOUNCED: the caller sends mails. */
MUST_CHECK enum err retention_set(struct cx *cx, int64_t months, enum retention_step *step);
/* Inside cx->tx: takes an announced lowering back; *was is what it would have been. */
MUST_CHECK enum err retention_cancel(struct cx *cx, int64_t *was);
/* A periodic process, own transactions: makes an announced lowering hold when its day has come and the
 * log itself says that it was announced, ends holds, and takes over what other servers have changed. */
MUST_CHECK enum err retention_tick(struct cx *cx);

#endif
