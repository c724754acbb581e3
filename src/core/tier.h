/* Classification tiers of a tenant: an ordered list, level 1 lowest. The order is kept in
 * tier.level, which may have gaps; the level shown is the rank. Inside cx->tx, results in
 * cx->arena, changes record their events. */
#ifndef RECOUNT_CORE_TIER_H
#define RECOUNT_CORE_TIER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/permission.h"
#include "run/cx.h"

#define TIER_NAME_MAX        100
#define TIER_DESCRIPTION_MAX 2000

struct tier {
    int64_t id;
    struct str cuid, name, description;
    int64_t level; /* rank, 1 lowest */
    bool enabled;
};
struct tiers {
    struct tier *v; /* lowest first */
    size_t n;
};
MUST_CHECK enum err tier_load(struct cx *cx, struct tiers *out);
/* By id (as text), cuid or name; NULL: none. */
const struct tier *tier_pick(const struct tiers *all, struct str ref);
const struct tier *tier_by_id(const struct tiers *all, int64_t id);
/* The caller may give this tier on a client: TIERS_MANAGE, or a level he has himself. */
MUST_CHECK enum err tier_grantable(struct cx *cx, const struct tiers *all, const struct tier *t,
                                   const struct client_rights *his);

/* Lands on top. ERR_CONFLICT: the name is taken. */
MUST_CHECK enum err tier_create(struct cx *cx, struct str name, struct str description,
                                bool enabled, struct tier *out);
/* Null texts stay as they are. */
MUST_CHECK enum err tier_update(struct cx *cx, const struct tiers *all, const struct tier *t,
                                struct str name, struct str description, bool enabled);
/* Takes it from every user and client membership: one event per affected user. */
MUST_CHECK enum err tier_delete(struct cx *cx, const struct tier *t);
/* ids: all tiers, lowest first. One event per tier whose level changes. */
MUST_CHECK enum err tier_reorder(struct cx *cx, const struct tiers *all, const int64_t *ids,
                                 size_t n);
/* Tier 1 … 3 of a new tenant; covered by TENANT_CREATED. */
MUST_CHECK enum err tier_seed(struct cx *cx);

#endif
