/* The witnesses of a workspace's log, looked at together: for their page and for the seal. */
#ifndef RECOUNT_API_WITNESS_API_H
#define RECOUNT_API_WITNESS_API_H

#include "out/cosign.h"

#define COSIGNED_WITHIN (24 * USEC_PER_HOUR) /* what is older does not count */

struct witnesses {
    struct cosign_view view;
    struct cosign_status *v; /* of each of the policy's witnesses */
    struct cosign_quorum quorum;
    bool sent; /* the policy names this log, or none */
};
/* cx has a read open; h: the head of its tenant's log, NULL: there is none yet. */
MUST_CHECK enum err witnesses_look(struct cx *cx, const struct audit_head *h,
                                   struct witnesses *out);

#endif
