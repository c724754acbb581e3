/* The server's check of its own log: what `recount audit verify --deep` does, walked slowly and for
 * ever. Where it stands and what it found lies in the tables audit_check and audit_finding, one for
 * the installation; of several servers one checks. */
#ifndef RECOUNT_CORE_SELFCHECK_H
#define RECOUNT_CORE_SELFCHECK_H

#include "audit/verify.h"
#include "run/cx.h"

#define SELFCHECK_SHOWN 50 /* findings given out at most */
/* In front of "X to Y", in the event of a migration: the check reads there which tables there were when. */
#define SCHEMA_MIGRATED_TEXT "The schema was brought from version "

struct selfcheck_finding {
    struct log_id log; /* AUDIT_INSTANCE also for the store as a whole */
    int64_t index;     /* -1: no single event */
    struct str origin, what;
    struct str expected, found; /* null: nothing to say */
    int64_t first_at, last_at;  /* µs */
};
struct selfcheck_state {
    int64_t started_at; /* of the pass that runs; 0: none has begun */
    int64_t events;     /* looked at in it */
    struct log_id log;  /* where it stands */
    int64_t index;
    int64_t completed_at; /* end of the last whole pass; 0: none yet */
    int64_t completed_events;
    struct selfcheck_finding *v; /* newest first, at most SELFCHECK_SHOWN */
    size_t n;
    int64_t total; /* findings that stand, in the whole installation */
};
/* Inside cx->tx. The findings are those of cx->tenant's log and of the installation; with `all`, of
 * every log. In cx->arena. */
MUST_CHECK enum err selfcheck_get(struct cx *cx, bool all, struct selfcheck_state *out);

/* Where findings go. */
struct selfcheck_tell {
    void (*tell)(void *arg, const struct verify_finding *f);
    void (*note)(void *arg, struct str text);
    void *arg;
};
/* Compares the tables of the workspace (-1: of all) with what its log implies (core/access.h).
 * Outside any transaction. */
MUST_CHECK enum err selfcheck_access(struct cx *cx, int64_t tenant, const struct selfcheck_tell *t,
                                     int64_t *findings);

/* ---- the thread ---- */

struct selfcheck_options {
    int64_t pause_us; /* between two passes */
    /* A notice and a mail to every administrator, inside cx->tx (mail lies above). May be NULL. */
    enum err (*tell_administrators)(struct cx *cx, bool everywhere, struct str subject,
                                    struct str text);
};
#define SELFCHECK_PAUSE_S 600 /* unless told otherwise */
void selfcheck_start(struct app *app, const struct selfcheck_options *o);
void selfcheck_stop(struct app *app);
/* Findings that stand, as this server last heard; 0 where nothing checks. */
int64_t selfcheck_damaged(const struct app *app);

#endif
