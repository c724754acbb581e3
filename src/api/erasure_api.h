/* A request to erase a person, as JSON, and the mails that go with it. Shared with the command line. */
#ifndef RECOUNT_API_ERASURE_API_H
#define RECOUNT_API_ERASURE_API_H

#include "codec/json.h"
#include "core/erasure.h"

/* Names the person only while the request is open, and never to a command: who decides must know. */
void erasure_json(struct cx *cx, struct json_writer *w, const struct erasure *e);
/* Inside cx->tx; the event of the step covers them. e is as the step left it. */
MUST_CHECK enum err erasure_tell_asked(struct cx *cx, const struct erasure *e);
MUST_CHECK enum err erasure_tell_decided(struct cx *cx, const struct erasure *e, const char *what);

#endif
