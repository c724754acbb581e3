/* Asking witnesses to cosign the log's checkpoints (C2SP tlog-witness). Which ones stands in
 * DIR/witnesses.policy (C2SP tlog-policy): every witness line with an address is sent each new head of
 * each log of the installation, or, when the file has log lines, of those logs. A witness that is down,
 * slow or refuses holds up nobody: each has a thread of its own, and nothing waits for it. */
#ifndef RECOUNT_OUT_COSIGN_H
#define RECOUNT_OUT_COSIGN_H

#include "audit/proof.h"
#include "run/cx.h"

#define COSIGN_WITNESSES_MAX 32

/* Reads the policy; a missing file is none. ERR_INVALID with the line in *why when it is malformed. Sets
 * app->cosign, which lives as long as the process. */
MUST_CHECK enum err cosign_open(struct app *app, struct str *why);
void cosign_start(struct app *app);
/* app->stopping is set: waits for the threads, a second at most. */
void cosign_stop(struct app *app);

/* How many witnesses the policy names (0 as well where nothing was opened). */
size_t cosign_configured(const struct app *app);
/* Their names, for the event of the server's start: whom one relied on is part of the story. */
struct str cosign_names(const struct app *app, struct arena *a);
struct cosign_status {
    struct str name, key;
    struct str url;            /* null: none given, it is not asked */
    struct audit_cosigned got; /* of the tenant's log; size 0: nothing yet */
    struct str error; /* why it has not cosigned the last time it was asked; null: it has */
    int64_t error_at; /* µs */
    bool contradicts; /* what it remembers, and signed, is not this log */
};
/* Of witness i, as it concerns the tenant's log. cx has a read open. The error is known to the server
 * that sends: with several of them on one store, the others tell none. */
MUST_CHECK enum err cosign_status(struct cx *cx, size_t i, int64_t tenant_id,
                                  struct cosign_status *out);

#endif
