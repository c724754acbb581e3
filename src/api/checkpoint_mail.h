/* The newest checkpoint of a workspace's log by mail, once a day and at once when its addresses are set: copies of
 * what was signed that whoever changes the store can not reach. Shared with cmd/serve.c. */
#ifndef RECOUNT_API_CHECKPOINT_MAIL_H
#define RECOUNT_API_CHECKPOINT_MAIL_H

#include "run/cx.h"

/* "ann@example.org, bob@example.org", or empty: none. ERR_INVALID names the field. */
MUST_CHECK enum err checkpoint_mail_check(struct cx *cx, struct str addresses, struct str pointer);
/* In a write of cx's tenant: queues the mails and records the event when it is time. Nothing is done without addresses,
 * mail server or checkpoint. */
MUST_CHECK enum err checkpoint_mail_due(struct cx *cx);
/* The same for every workspace, in transactions of its own; for the upkeep of the server. */
MUST_CHECK enum err checkpoint_mail_tick(struct cx *cx);

#endif
