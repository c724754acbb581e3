/* PostgreSQL's write-ahead log after an erasure: its segments hold pages of before until they are removed, or
 * recycled and written over. Where the role may, segments are switched and checkpoints made until none of before is
 * left, and that is recorded (ErasureWalCleared); where it may not, what the operator has to do is said. On SQLite
 * there is nothing of the kind: every function does nothing. Copies (archive, standbys, base backups) are beyond it. */
#ifndef RECOUNT_CORE_ERASURE_WAL_H
#define RECOUNT_CORE_ERASURE_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "run/cx.h"

#define ERASURE_WAL_US USEC_PER_DAY /* within which it should be gone */

enum erasure_wal_state { ERASURE_WAL_NONE, ERASURE_WAL_DUE, ERASURE_WAL_CLEARED };

struct erasure_wal {
    bool any;            /* PostgreSQL */
    int64_t due_since;   /* of the oldest erasure whose segments may be there, µs; 0: none */
    int64_t cleared_for; /* erasures that ended until then are cleared; 0: none */
    int64_t cleared_at;
    bool may_switch, may_checkpoint, may_look;
    bool archived;    /* archive_mode is on */
    int64_t standbys; /* connected ones and replication slots */
};

/* Inside cx->tx, in the transaction that ends an erasure. */
MUST_CHECK enum err erasure_wal_mark(struct cx *cx);
/* Own transactions: switches, looks and records; a few segments a call. For the end of an erasure and
 * a periodic process. */
MUST_CHECK enum err erasure_wal_step(struct cx *cx);
/* Inside cx->tx. */
MUST_CHECK enum err erasure_wal_read(struct cx *cx, struct erasure_wal *out);
/* Of an erasure that ended then. */
enum erasure_wal_state erasure_wal_of(const struct erasure_wal *w, int64_t ended_at);
/* What is left to do, in sentences for a person: who does what, with the statements. */
struct str erasure_wal_todo(struct cx *cx, const struct erasure_wal *w);

#endif
