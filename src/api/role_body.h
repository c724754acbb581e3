/* Roles between JSON and core. */
#ifndef RECOUNT_API_ROLE_BODY_H
#define RECOUNT_API_ROLE_BODY_H

#include "api/api.h"
#include "core/role.h"

/* Writes the object; without `closed` it stays open for more members. */
void role_body_write(struct api_request *rq, const struct role *r, bool closed);
/* The keys of the set as an array. */
void role_body_keys(struct json_writer *w, const struct permission_set *set);
/* Reads `permissions` (the whole set) or `permissionConfiguration` (what it names is switched) over
 * *set, which holds the present rights. */
MUST_CHECK enum err role_body_rights(struct api_request *rq, bool required,
                                     struct permission_set *set);

#endif
