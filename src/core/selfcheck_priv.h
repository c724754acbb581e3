/* Shared by the files selfcheck*.c only. */
#ifndef RECOUNT_CORE_SELFCHECK_PRIV_H
#define RECOUNT_CORE_SELFCHECK_PRIV_H

#include "core/selfcheck.h"

/* The settings of the installation against its keys and its log; how many findings were told. */
int64_t selfcheck_instance(struct cx *cx, const struct selfcheck_tell *t);
/* Outside any transaction: whether the beginning of the installation's log is still kept; size: of its epoch 0. */
bool selfcheck_is_whole(struct cx *cx, int64_t size);

/* Rows that pages and the seal go by, against the events behind them (selfcheck_rows.c); how many findings. */
int64_t selfcheck_rows(struct cx *cx, const struct selfcheck_tell *t);

/* Words of the check's own events, by which they are told from others of their type. */
#define SELFCHECK_DAMAGED   "The server's check found the audit log damaged in "
#define SELFCHECK_SOUND     " events are sound"
#define SELFCHECK_NONE_LEFT ", 0 are left"

/* ---- selfcheck_rows.c, selfcheck_runs.c, selfcheck_views.c ---- */

/* An event of the installation's log, as far as rows follow from it. */
struct rows_event {
    enum event type;
    int64_t at, logged;
    int64_t epoch, index; /* index −1: in the tail */
    struct str target;
    bool erased;
    struct str text;                /* of the check's own events */
    struct str folder, gap, before; /* ServerStarted; null: an early version said nothing of it */
};
struct rows_runs;  /* selfcheck_runs.c's */
struct rows_views; /* selfcheck_views.c's */
struct rows_look {
    struct cx *cx;
    const struct selfcheck_tell *t;
    struct arena *a;
    struct rows_event *v; /* in the order of the log */
    size_t n, cap;
    int64_t since; /* µs: all that happened since then stands in v; INT64_MIN: all */
    struct rows_runs *runs;
    struct rows_views *views;
    int64_t findings;
};
/* e: the event that says otherwise, NULL: none. Texts live until the callback returns. */
void rows_tell(struct rows_look *x, const struct rows_event *e, struct str expected,
               struct str found, const char *fmt, ...) PRINTF_LIKE(5, 6);
struct str rows_int(struct rows_look *x, int64_t n);
/* Inside cx->tx, a snapshot: process_run and run_gap. */
MUST_CHECK enum err rows_runs_read(struct cx *cx, struct rows_look *x);
void rows_runs_compare(struct rows_look *x);
/* The same: audit_view; then each event of the snapshot's tail, then those that were moved (outside any transaction;
 * cx->tenant is another one behind it). */
MUST_CHECK enum err rows_views_read(struct cx *cx, struct rows_look *x);
/* Whether a row of the workspace was read. */
bool rows_views_of(const struct rows_look *x, int64_t tenant_id);
void rows_views_see(struct rows_look *x, int64_t tenant_id, const struct audit_event *e);
MUST_CHECK enum err rows_views_hear(struct cx *cx, struct rows_look *x);
void rows_views_compare(struct rows_look *x);

#endif
