/* Shared by list.c, scan.c and histogram.c: a query on its way through the regions of a log, and the
 * pieces its statements are made of. */
#ifndef RECOUNT_AUDIT_SCAN_H
#define RECOUNT_AUDIT_SCAN_H

#include "audit/priv.h"

/* By which index events are read. */
enum driver { BY_INDEX, BY_TYPE, BY_OUTCOME, BY_CLIENT, BY_USER };

/* What histogram.c counts: edges in ascending order, counts of what happened from one to the next. */
struct tally {
    const int64_t *edges; /* µs; equal ones have nothing between them */
    size_t n;
    int64_t *counts; /* n − 1 */
};

struct scan {
    struct audit *au;
    struct cx *cx;
    struct audit_query q;
    struct search search;
    struct str user_id, user_email; /* one of them, or neither */
    struct str user_key;            /* user_email, as addresses are compared */
    enum driver driver;
    int64_t log;      /* tenant or INSTANCE_LOG */
    int64_t from, to; /* always set */
    bool count_only;
    struct tally *tally; /* NULL: events are kept; else newest first */
    size_t want;         /* events to hold: limit + 1 */
    int64_t skip;        /* offset left */
    int64_t deadline;
    unsigned rows;
    bool full, late;
    int64_t last_at, last_position;
    struct audit_event *events;
    size_t n;
    struct arena *scratch; /* reset per row */
    struct arena *piece;   /* reset per chunk */
    struct buf *doc;
    struct region *g; /* the region being read */
    struct segment *segment;
    int64_t lo, hi; /* its indexes asked for */
};

/* ---- statements ----
 * $1 month $2 log $3 epoch $4 lo $5 hi $6 limit $7 type $8 outcome $9 client $10 from $11 to $12 user */
/* The personal part by a subquery and, on PostgreSQL, the event behind a fence (OFFSET 0): while a
 * young partition has no statistics, a join would be planned as a product of the whole log. */
#define PERSONAL(month)                                                                            \
    "(SELECT p.personal FROM audit_personal p WHERE " month                                        \
    " p.tenant_id = e.tenant_id AND p.epoch = e.epoch AND p.idx = e.idx) AS personal"
#define COLS_LITE   "SELECT e.idx, e.public, " PERSONAL("") ", e.leaf FROM "
#define COLS_PG     "SELECT e.idx, e.public, " PERSONAL("p.month = $1 AND") ", e.leaf FROM "
#define WHERE_LITE  " WHERE $1 IS NOT NULL"
#define WHERE_PG    " WHERE e.month = $1"
#define RANGE       " AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx >= $4 AND e.idx < $5"
#define TIMES       " AND e.at >= $10 AND e.at < $11"
#define ANY_TYPE    " AND (CAST($7 AS BIGINT) = 0 OR e.type = $7)"
#define ANY_OUTCOME " AND (CAST($8 AS BIGINT) < 0 OR e.outcome = $8)"
#define ANY_CLIENT  " AND (CAST($9 AS BIGINT) = 0 OR e.client_id = $9)"
#define USER_LITE                                                                                  \
    "audit_party u CROSS JOIN audit_event e ON e.tenant_id = u.tenant_id AND e.epoch = u.epoch"    \
    " AND e.idx = u.idx"
#define USER_PG                                                                                    \
    "audit_party u CROSS JOIN LATERAL (SELECT * FROM audit_event x WHERE x.month = $1"             \
    " AND x.tenant_id = u.tenant_id AND x.epoch = u.epoch AND x.idx = u.idx OFFSET 0) e"
#define USER_RANGE                                                                                 \
    " AND u.tenant_id = $2 AND u.epoch = $3 AND u.user_id = $12 AND u.idx >= $4 AND u.idx < $5"

/* ---- list.c ---- */
/* Waits for what was committed; what scan_end() gives back. The query is read by scan_prepare(). */
void scan_begin(struct scan *s, struct cx *cx, const struct audit_query *q);
void scan_end(struct scan *s);
MUST_CHECK enum err scan_prepare(struct scan *s);

/* ---- scan.c ---- */
/* Which log and month a row is of, and the transaction it is read in. */
struct place {
    struct db_tx *tx;
    int32_t month;
    int64_t log;
};
/* Views of a statement's current row. */
struct scan_row {
    int64_t index;
    struct str pub, personal, leaf;
    bool erased; /* no personal part */
};
/* Of the columns index, public part, personal part or null, leaf. */
struct scan_row scan_row(const struct db_rows *q);
/* The event of a row, in the arena. */
MUST_CHECK enum err scan_keep(struct arena *a, const struct place *at, const struct scan_row *row,
                              struct audit_event *out);
/* The page is full, or the time is over. */
bool scan_ended(const struct scan *s);
/* The part of region s->g between the cursor and the limit, into lo and hi; false when there is none. */
bool scan_clip(struct scan *s);
/* Reads it: scan_events(), or tally_region() where there is a tally. */
MUST_CHECK enum err scan_read_region(struct scan *s);
/* Inside a read of the region: every event that passes, each looked at. */
MUST_CHECK enum err scan_events(struct scan *s, struct db_tx *tx);
/* Narrows lo and hi to where events of the dates asked for can lie. */
MUST_CHECK enum err scan_narrow(struct scan *s, struct db_tx *tx);
/* When the event with this index was logged, or the first one behind it; ERR_NOT_FOUND. */
MUST_CHECK enum err scan_logged(struct scan *s, struct db_tx *tx, int64_t idx, int64_t *out);

/* ---- histogram.c ---- */
void tally_add(struct tally *t, int64_t at);
MUST_CHECK enum err tally_region(struct scan *s, struct db_tx *tx);

#endif
