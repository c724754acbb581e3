/* Runs of the server: begun, seen alive, ended; and the gaps between them, which each workspace's log tells.
 *
 * A gap is a time of over a second when no server of the installation ran, or the end of a run that did not
 * end in order. Commands are no runs. Gaps are told at once and then at most once an hour, the later ones
 * together: a server that is started again and again adds one event an hour to each log, in one
 * transaction for all of them. */
#ifndef RECOUNT_CORE_RUNS_H
#define RECOUNT_CORE_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/audit.h"
#include "run/cx.h"

#define RUN_GAP_MIN    USEC_PER_SEC       /* shorter ones are a restart */
#define RUN_SEEN_EVERY USEC_PER_MIN       /* how often a run is marked as seen */
#define RUN_DEAD_AFTER (3 * USEC_PER_MIN) /* not seen for so long: it does not run any more */
#define RUN_GAP_EVERY  USEC_PER_HOUR      /* between two events of a log */

struct run {
    struct str id, host, folder, version;
    bool alone; /* no other server runs on this folder: an open run of it has died */
};
struct run_before {
    bool unclean; /* the run before from this folder did not end in order */
    int64_t
        off_since;  /* when this folder's server ended, or was last seen; 0: none, or not known */
    bool gap;       /* a gap was noted, to be told */
    int64_t gap_us; /* how long; 0: nobody saw */
};
/* What the event of a start says of it (runs_changes), and the check of the log reads there again
 * (selfcheck_runs.c): */
#define RUN_CHANGES     3
#define RUN_FOLDER      "data folder"
#define RUN_GAP_NOTED   "gap noted (µs)"
#define RUN_BEFORE      "run before"
#define RUN_BEFORE_DIED "not ended in order"

/* Inside cx->tx, whose ServerStarted covers it: the run begins, what it finds open is closed, and a gap is
 * kept to be told. */
MUST_CHECK enum err run_begin(struct cx *cx, const struct run *r, struct run_before *out);
/* RUN_CHANGES changes for the event ServerStarted. */
void run_changes(struct cx *cx, const struct run *r, const struct run_before *b,
                 struct audit_change *out);
/* Inside cx->tx, whose ServerStopped covers it. */
MUST_CHECK enum err run_end(struct cx *cx, const struct run *r);
/* Own transactions: marks the run as seen alive. */
MUST_CHECK enum err run_seen(struct cx *cx, const struct run *r);
/* Own transactions: tells gaps that are due to be told. */
MUST_CHECK enum err run_tell_gaps(struct cx *cx);

#endif
