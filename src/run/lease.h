/* Of several servers one does a thing, for as long as its lease lasts: a row of the table "lease". */
#ifndef RECOUNT_RUN_LEASE_H
#define RECOUNT_RUN_LEASE_H

#include "run/cx.h"

/* Inside cx->tx (cover REASON_LOCK_ROW): takes the lease, or holds it on, for `for_us` from now. ERR_CONFLICT: another
 * owner has it. A row that claims more than twice the time is none of ours and stops nobody. */
MUST_CHECK enum err lease_take(struct cx *cx, struct str name, struct str owner, int64_t for_us);

#endif
