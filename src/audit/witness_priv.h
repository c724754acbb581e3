/* Inside audit/ and its tests: what one answer of a witness makes of what was known of it. */
#ifndef RECOUNT_AUDIT_WITNESS_PRIV_H
#define RECOUNT_AUDIT_WITNESS_PRIV_H

#include "audit/proof.h"

/* The row that follows (but for its `why`), the event to record or EVENT_NONE, and in *due whether
 * there is anything to write. Pure. */
enum event witness_judge(const struct audit_witness *was, enum audit_witness_state came,
                         int64_t now, struct audit_witness *out, bool *due);

#endif
