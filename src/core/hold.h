/* Legal holds: while one stands, no month leaves the log that was shown when it was placed, and
 * nobody is erased from the workspace's log. A month holds the events of all workspaces, so the
 * hold of one keeps the month for all. All functions but hold_expire() run inside cx->tx. */
#ifndef RECOUNT_CORE_HOLD_H
#define RECOUNT_CORE_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "run/cx.h"

#define HOLD_REASON_MAX 1000 /* bytes */
#define HOLDS_MAX       100  /* that stand at once in a workspace */

struct hold {
    struct str cuid, reason;
    bool has_until;
    int64_t until, kept_from, placed_at, ended_at; /* µs; ended_at 0: stands */
    int64_t placed_by, ended_by;                   /* user numbers, or OPERATOR */
    struct str placed_by_name, ended_by_name;      /* as they are called now; null: deleted */
    struct str end_reason;                         /* empty: it stands, or its date came */
};
struct holds {
    struct hold *v; /* standing ones first, newest first; at most HOLDS_MAX * 2 */
    size_t n;
};

/* A date or a time as people give it; a day includes that day (UTC). Empty: 0. Nothing is told. */
MUST_CHECK enum err hold_until_read(struct str s, int64_t *out);
/* `until` 0: until released. The log's window must be read again after the commit (hold_refresh). */
MUST_CHECK enum err hold_place(struct cx *cx, struct str reason, int64_t until, struct hold *out);
MUST_CHECK enum err hold_release(struct cx *cx, struct str cuid, struct str reason);
MUST_CHECK enum err hold_list(struct cx *cx, struct holds *out);
/* "standing", "released" or "expired". */
const char *hold_state(const struct hold *h);
/* How many stand in the workspace of cx. */
MUST_CHECK enum err hold_count(struct cx *cx, int64_t *out);
/* Ends what is past its date, one event each; own transactions. */
MUST_CHECK enum err hold_expire(struct cx *cx);

#endif
