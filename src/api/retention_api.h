/* Shared inside api/: a change of retention from either of its two addresses. */
#ifndef RECOUNT_API_RETENTION_API_H
#define RECOUNT_API_RETENTION_API_H

#include "api/api.h"

/* Inside the transaction: reads months_kept from the body, changes or announces, queues the mails. */
MUST_CHECK enum err retention_apply(struct api_request *rq);
/* After its commit. */
MUST_CHECK enum err retention_after(struct api_request *rq);

#endif
