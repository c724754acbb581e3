/* A change of retention from either of its two addresses; and a legal hold as JSON, also for the command line. */
#ifndef RECOUNT_API_RETENTION_API_H
#define RECOUNT_API_RETENTION_API_H

#include "api/api.h"
#include "core/hold.h"

/* Inside the transaction: reads months_kept from the body, changes or announces, queues the mails. */
MUST_CHECK enum err retention_apply(struct api_request *rq);
/* After its commit. */
MUST_CHECK enum err retention_after(struct api_request *rq);

void hold_json(struct json_writer *w, struct arena *a, const struct hold *h);

#endif
