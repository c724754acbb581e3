/* What the log itself says of whatever lets a part of it go: legal holds, how long it is kept, requests
 * to erase a person and which events they chose, steps of the clock. Worked out from events alone; the
 * tables audit_hold, audit_retention, audit_erasure_request, audit_erasure and audit_clock_hold are
 * only held against it (verify_custody.c, verify_erasure.c), and the server asks it before it drops a
 * month, lowers the retention or erases anything (doc/decisions/0013-custody.md).
 *
 * It rests on the public parts of events, and on two kinds of events that name nobody and are therefore
 * never erased: AuditLogMonthExpired and ErasureRowsChosen. So an erasure of the administrator who
 * asked for another one takes no proof along; and what an expired month knew is told again by the
 * event of its expiry (custody_facts). Everything lives in the arena of the context. Where an event
 * stands is given as its position (audit_cursor), −1 while it is in the tail. */
#ifndef RECOUNT_AUDIT_CUSTODY_H
#define RECOUNT_AUDIT_CUSTODY_H

#include "audit/audit.h"

#define CUSTODY_DELAY_US (7 * USEC_PER_DAY) /* an erasure that nobody else could approve */
#define CUSTODY_NOTICE_US                                                                          \
    (30 * USEC_PER_DAY)  /* between announcing a shorter retention and its day */
#define CUSTODY_MONTHS 4 /* kept whole months where the log says nothing else */

struct custody_actor {
    enum actor_kind kind;
    struct str cuid; /* empty: none */
};

struct custody_hold {
    struct str cuid;
    struct custody_actor placed_by, ended_by;
    int64_t placed_at, ended_at; /* placed_at 0: before the log's reach; ended_at 0: it stands */
    int64_t index, end_index;    /* positions of the events */
    enum event end;
    bool told, end_told; /* the personal part of the event is there: what follows is known */
    struct str reason, until, kept_from, end_reason; /* dates as the event writes them */
};

/* Events that a request chose, by one ErasureRowsChosen. */
struct custody_choice {
    int64_t at, index;
    const struct audit_change
        *rows; /* field "workspace 0" or "instance 0" (epoch): see custody_rows */
    size_t n;
};

/* One request. It is found by person and time, as the number of the request stands in personal parts. */
struct custody_request {
    struct str person; /* pseudonym */
    struct str cuid;   /* empty: not known */
    struct custody_actor asked_by, approved_by, cancelled_by;
    int64_t asked_at, asked_logged, approved_at, cancelled_at, told_at; /* 0: not */
    int64_t asked_index, approved_index, cancelled_index, told_index;
    int64_t closed_logged;           /* of cancelling or PersonErased; 0: open */
    bool restated;                   /* known from a restatement only, as yet */
    bool asked_told;                 /* reason and legal ground are known */
    struct str reason, legal_ground; /* of the last asking */
    int64_t events;                  /* by PersonErased; −1: its personal part was erased */
    struct str result;               /* hex SHA-256 of what was told with it; empty: not known */
    struct custody_choice *choices;
    size_t n_choices, cap_choices;
};

/* Something that the log itself shows was not lawful. */
struct custody_breach {
    int64_t index;
    struct str what;
};

struct custody_months {
    int64_t n, logged; /* logged 0: the log says nothing, n is CUSTODY_MONTHS */
};

struct custody_notice { /* a shorter retention, announced */
    int64_t months;     /* 0: its event was erased */
    int64_t at, logged, index;
    struct custody_actor by;
};

struct custody {
    struct arena *a;
    int64_t tenant_id;
    bool whole;     /* none of the log's events has expired */
    int64_t oldest; /* start of the oldest month that is kept of it, µs */
    struct custody_hold *holds;
    size_t n_holds, cap_holds;
    struct custody_request *requests;
    size_t n_requests, cap_requests;
    struct custody_months months;  /* the first workspace's log only */
    bool pending;                  /* a shorter retention is announced and not yet decided */
    struct custody_notice notice;  /* which */
    bool clock_held;               /* the instance's log only: a step nobody has confirmed */
    int64_t clock_at, clock_index; /* when it was told */
    struct str clock_moved;        /* by how many seconds, as told */
    int32_t *dropped;              /* months whose expiry the log tells */
    size_t n_dropped, cap_dropped;
    struct custody_breach *breaches;
    size_t n_breaches, cap_breaches;
    size_t seen;           /* events it came from: the same number, the same custody */
    int64_t notice_logged; /* of the last event about announcements */
};

/* The custody of a log as of now, outside any transaction. */
MUST_CHECK enum err custody_read(struct cx *cx, int64_t tenant_id, struct custody *out);
/* The same as of the very snapshot in which `also` (may be NULL) reads tables of the main store. */
MUST_CHECK enum err custody_read_with(struct cx *cx, int64_t tenant_id, cx_body also, void *arg,
                                      struct custody *out);

const struct custody_hold *custody_hold_of(const struct custody *c, struct str cuid);
/* Index of a position within its epoch; −1: none. */
int64_t custody_index(int64_t position);
/* The first that stands, or NULL. */
const struct custody_hold *custody_standing(const struct custody *c);
/* By its cuid where the log knows it, else by person and the time it was asked. */
const struct custody_request *custody_request_of(const struct custody *c, struct str cuid,
                                                 struct str person, int64_t asked_at);
/* Asked for by one person of the workspace and approved by another, or begun by itself when the seven
 * days had passed; and not cancelled. */
bool custody_is_approved(const struct custody_request *q);

/* What the log would lose: as changes of an event that is about to be recorded. `since`: requests that
 * were closed before (µs, logged) are left out; INT64_MAX: all requests are. At most `max`. */
size_t custody_facts(const struct custody *c, struct arena *a, int64_t since,
                     struct audit_change *out, size_t max);

/* ---- rows of a choice as text: "5-9:1,12:4", indices and the part the person has in them ---- */

struct custody_row {
    int64_t idx;
    int part;
};
/* Writes as many of [0, n) as fit, ascending by idx; gives how many. */
size_t custody_rows_put(struct buf *b, const struct custody_row *v, size_t n, size_t bytes);
/* Reads the next run off *rest; false when there is none, or the text is no such list. */
bool custody_rows_next(struct str *rest, int64_t *first, int64_t *last, int *part);

/* Tells that the server did not do what a table asked for: to the server's log, and once as an event
 * AuditLogDamaged in the workspace's log (cx->tenant), or the instance's. */
void custody_refuse(struct cx *cx, struct str why);

#endif
