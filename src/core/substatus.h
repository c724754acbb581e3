/* Sub-statuses: what a workspace adds below the three statuses of a finding. None exist until an
 * administrator adds them. Inside cx->tx, results in cx->arena, changes record their events. */
#ifndef RECOUNT_CORE_SUBSTATUS_H
#define RECOUNT_CORE_SUBSTATUS_H

#include "run/cx.h"

#define SUBSTATUS_VALUE_MAX 100 /* bytes */
#define SUBSTATUS_MAX       500 /* of a workspace: the list is answered whole */

struct substatus {
    struct str cuid, status, value;
};
struct substatuses {
    struct substatus *v; /* in the order of the statuses, then by value */
    size_t n;
};

/* "Open", "In Process" or "Closed" however its letters are written; null: none of them. */
struct str finding_status(struct str word);

MUST_CHECK enum err substatus_list(struct cx *cx, struct substatuses *out);
/* ERR_NOT_FOUND with words. */
MUST_CHECK enum err substatus_get(struct cx *cx, struct str cuid, struct substatus *out);
/* status as finding_status() gives it. ERR_CONFLICT: it stands there already, or there are too many. */
MUST_CHECK enum err substatus_create(struct cx *cx, struct str status, struct str value,
                                     struct substatus *out);
MUST_CHECK enum err substatus_update(struct cx *cx, struct substatus *s, struct str status,
                                     struct str value);
MUST_CHECK enum err substatus_delete(struct cx *cx, const struct substatus *s);

#endif
