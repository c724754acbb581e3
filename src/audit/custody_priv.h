/* Shared by custody.c and custody_facts.c only. */
#ifndef RECOUNT_AUDIT_CUSTODY_PRIV_H
#define RECOUNT_AUDIT_CUSTODY_PRIV_H

#include "audit/custody.h"

/* A new request of the person, nothing known of it. */
struct custody_request *custody_request_add(struct custody *c, struct str person);
/* What the event tells again of events that have expired or may be erased. */
void custody_take_facts(struct custody *c, const struct audit_event *e);
/* "workspace 0", "instance 0". */
bool custody_is_rows(struct str field);

#endif
