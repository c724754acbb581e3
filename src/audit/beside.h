/* A second result set beside rows of events, in the same order of indices: personal parts and erasures, which
 * not every event has. A subquery for each row costs several times as much, and a join is planned as a product
 * while a young partition has no statistics. */
#ifndef RECOUNT_AUDIT_BESIDE_H
#define RECOUNT_AUDIT_BESIDE_H

#include "db/db.h"

struct beside {
    struct db_rows *q; /* its current row, if `on` */
    bool ascending, on;
    int64_t idx;
};

static inline enum err
beside_next(struct beside *b)
{
    enum err e = db_next(b->q);
    b->on = e == OK;
    if (b->on)
        b->idx = db_int(b->q, 0);
    return e == ERR_END ? OK : e;
}

/* The statement's first column is the index. beside_end() also after a failure. */
MUST_CHECK static inline enum err
beside_begin(struct beside *b, struct db_tx *tx, const struct sql *q, struct db_args args,
             bool ascending)
{
    *b = (struct beside){.ascending = ascending};
    TRY(db_query(tx, q, args, &b->q));
    return beside_next(b);
}

/* *here: there is a row of this index, the current one. Passes by those of events that are missing. */
MUST_CHECK static inline enum err
beside_to(struct beside *b, int64_t idx, bool *here)
{
    while (b->on && (b->ascending ? b->idx < idx : b->idx > idx))
        TRY(beside_next(b));
    *here = b->on && b->idx == idx;
    return OK;
}

static inline void
beside_end(struct beside *b)
{
    if (b->on)
        db_rows_end(b->q);
    b->on = false;
}

#endif
