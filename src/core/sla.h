/* Service-level agreements: within how many days findings of some kind are to be closed. This
 * version keeps them and has no findings to measure by them yet. Inside cx->tx, results in
 * cx->arena, changes record their events. */
#ifndef RECOUNT_CORE_SLA_H
#define RECOUNT_CORE_SLA_H

#include <stdbool.h>
#include <stdint.h>

#include "run/cx.h"

#define SLA_NAME_MAX 255   /* bytes */
#define SLA_DAYS_MAX 36500 /* a hundred years */
#define SLA_MAX      200   /* of a workspace: the list is answered whole */

/* What the caller sets; JSON texts are checked and written by him. */
struct sla {
    struct str cuid, name;
    int64_t days; /* to close */
    bool enabled;
    struct str severities, finding_tags, asset_criticality, asset_tags; /* lists of texts, JSON */
    struct str notification;                                            /* object, JSON */
    struct str extra;                                                   /* object, JSON */
    int64_t created_at, updated_at;
};
struct slas {
    struct sla *v; /* by name */
    size_t n;
};

MUST_CHECK enum err sla_list(struct cx *cx, struct slas *out);
/* ERR_NOT_FOUND with words. */
MUST_CHECK enum err sla_get(struct cx *cx, struct str cuid, struct sla *out);
/* Fills cuid and times. ERR_CONFLICT: there are SLA_MAX already. */
MUST_CHECK enum err sla_create(struct cx *cx, struct sla *s);
/* The whole is replaced; nothing happens and no event tells of it when all is as it was. */
MUST_CHECK enum err sla_replace(struct cx *cx, const struct sla *before, struct sla *after);
MUST_CHECK enum err sla_delete(struct cx *cx, const struct sla *s);

#endif
