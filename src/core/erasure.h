/* Erasure of a person from the audit log: asked for by one administrator, approved by another, neither
 * being the person; where nobody else could approve, it runs seven days later unless cancelled. The
 * account must be gone first, and no legal hold may stand. Passes and pseudonym: audit/erase.h.
 *
 * The operator (a command on the machine) asks and cancels, and never decides: what he asked for is taken
 * on by the first administrator who approves it, as if he had asked, and decided by another one.
 *
 * A request keeps whom it is about sealed (keys_seal) and only until it is over. What the log keeps of
 * it for ever names the pseudonym, never the person. */
#ifndef RECOUNT_CORE_ERASURE_H
#define RECOUNT_CORE_ERASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/custody.h"
#include "audit/erase.h"
#include "core/erasure_wal.h"
#include "run/cx.h"
#include "run/jobs.h"

#define ERASURE_REASON_MAX 1000 /* bytes; of the legal ground, too */
#define ERASURE_TEXTS_MAX  16
#define ERASURE_TEXT_MIN   4 /* bytes: shorter ones would take half the log along */
#define ERASURE_TEXT_MAX   200
#define ERASURE_DELAY_US   CUSTODY_DELAY_US
#define ERASURE_LIST_MAX   200

/* What a running one does; the numbers are stored. */
enum erasure_step {
    ERASURE_LEARN,  /* how the person was called */
    ERASURE_EVENTS, /* personal parts go */
    ERASURE_INDEX,  /* the text index is made again where they were */
    ERASURE_RECORD, /* the rest of the main store, the list of copies, the event */
    ERASURE_SCRUB,  /* files and partitions are rewritten */
    ERASURE_FINISHED
};

/* What the log says of a request's row. */
enum erasure_row {
    ERASURE_ROW_LOGGED,
    ERASURE_ROW_STRANGE,   /* nothing: nobody asked */
    ERASURE_ROW_UNAPPROVED /* it was asked for; that it may run is the row's word alone */
};

struct erasure {
    struct str cuid, state; /* asked, delayed, running, done, cancelled */
    struct str person;
    struct str subject; /* sealed; empty once it is over */
    struct str reason, legal_ground;
    int64_t asked_by, asked_at, due_at, approved_by, approved_at, ended_by, ended_at; /* 0: none */
    /* asked_by, and ended_by of a cancelled one, may be OPERATOR (core/trail.h) */
    struct str asked_by_name, approved_by_name, ended_by_name; /* as they are now; null: gone */
    int64_t step, looked_at, total, events;
    struct str cursor, result; /* result: JSON, empty before ERASURE_RECORD is done */
    struct erasure_wal wal;    /* as it stands for all of them */
    enum erasure_row row;      /* set by who asked the log (erasure_doubt) */
};
struct erasure_doubt {
    struct custody c;
    int64_t read_at;
};
struct erasures {
    struct erasure *v;
    size_t n;
};

/* Outside a transaction: whom an e-mail address or the cuid of a deleted account means in the log,
 * with further texts that give him away (may be NULL). ERR_NOT_FOUND when the log knows nothing. */
MUST_CHECK enum err erasure_find(struct cx *cx, struct str subject, const struct str *texts,
                                 size_t n_texts, struct erase_subject *out);

/* Outside a transaction: ERR_INVALID (field subject) when neither users nor any search of the workspace's log and the
 * installation's finds an address or a text of his. What no search finds is the caller's word (erasure_check.c). */
MUST_CHECK enum err erasure_known(struct cx *cx, const struct erase_subject *who);

/* Inside cx->tx. *out is the request as it stands then: state asked or delayed. */
MUST_CHECK enum err erasure_ask(struct cx *cx, struct erase_subject *who, struct str reason,
                                struct str legal_ground, struct erasure *out);
/* *out is open still when the caller took on what the operator had asked for. */
MUST_CHECK enum err erasure_approve(struct cx *cx, struct str cuid, struct erasure *out);
MUST_CHECK enum err erasure_cancel(struct cx *cx, struct str cuid, struct erasure *out);
/* Outside a transaction: reads the log for the two that follow. */
MUST_CHECK enum err erasure_doubt_begin(struct cx *cx, struct erasure_doubt *out);
enum erasure_row erasure_doubt(const struct cx *cx, const struct erasure_doubt *d,
                               const struct erasure *e);
/* Inside cx->tx: takes away a row that nobody asked for; one that nobody approved waits again. ERR_CONFLICT: the log
 * stands behind it. */
MUST_CHECK enum err erasure_dismiss(struct cx *cx, struct str cuid, const struct erasure_doubt *d);
bool erasure_is_open(const struct erasure *e);
MUST_CHECK enum err erasure_list(struct cx *cx, struct erasures *out);
MUST_CHECK enum err erasure_get(struct cx *cx, struct str cuid, struct erasure *out);
/* Whom an open request is about; ERR_NOT_FOUND when it is over. */
MUST_CHECK enum err erasure_subject(struct cx *cx, const struct erasure *e,
                                    struct erase_subject *out);

/* ---- running: own transactions ---- */

/* Goes on with a running one for about that long; *more: it is not finished. What the row says is done only
 * when the log says that it was asked for and approved; else it is refused (word "unrecorded"). */
MUST_CHECK enum err erasure_run(struct cx *cx, struct str cuid, int64_t budget_us, bool *more);
/* A periodic process: begins what was delayed and is due, and takes up what a crash left without a job. */
MUST_CHECK enum err erasure_tick(struct cx *cx);
/* Registers the kind "erasure" before threads start. */
void erasure_register(struct jobs *j);

/* Shared by the files erasure*.c. */
struct str erasure_seal(struct cx *cx, const struct erase_subject *who);
/* How many could approve beside the user `but`: enabled, with the permission. */
MUST_CHECK enum err erasure_approvers(struct cx *cx, int64_t but, int64_t *n);

#endif
