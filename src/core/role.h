/* Roles: sets of permissions with a name, held tenant-wide or on one client.
 *
 * All functions run inside cx->tx and keep results in cx->arena. Changes record their events. The
 * rules live here: nobody gives, takes or changes a role that holds more than he does himself
 * (processes are exempt: cx_is_process), built-in roles are static, an administrator remains. */
#ifndef RECOUNT_CORE_ROLE_H
#define RECOUNT_CORE_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/permission.h"
#include "core/user.h"
#include "run/cx.h"

#define ROLE_TITLE_MAX       100  /* bytes */
#define ROLE_DESCRIPTION_MAX 2000 /* bytes */

struct role {
    struct str cuid, key, title, description;
    bool enabled, builtin;
    struct permission_set rights;
    int64_t users; /* who hold it tenant-wide */
};
struct roles {
    struct role *v; /* built-in ones first, then by title */
    size_t n;
};

/* All roles of the tenant with their rights: two statements. */
MUST_CHECK enum err role_load(struct cx *cx, struct roles *out);
/* By cuid, key or title (ASCII case ignored); NULL: none. */
const struct role *role_pick(const struct roles *all, struct str name);
/* role_load and role_pick; ERR_NOT_FOUND with words. */
MUST_CHECK enum err role_find(struct cx *cx, struct str name, struct role *out);

/* The caller holds all that the role holds, tenant-wide (ADMIN needs ADMIN). ERR_FORBIDDEN. */
MUST_CHECK enum err role_grantable(struct cx *cx, const struct role *r);
/* The same for giving it on a client, where only permissions of scope 'C' count. */
MUST_CHECK enum err role_grantable_on(struct cx *cx, const struct client_rights *his,
                                      const struct role *r);

/* The enabled tenant role of the user with most rights on a client, NULL when he has none. */
MUST_CHECK enum err role_best(struct cx *cx, const struct roles *all, int64_t user_id,
                              const struct role **out);
/* The better of two for a client; either may be NULL. */
const struct role *role_better(const struct role *a, const struct role *b);

/* An empty title makes "New role", "New role 2" …; rights may be NULL. ERR_CONFLICT: the title is taken. */
MUST_CHECK enum err role_create(struct cx *cx, struct str title, struct str description,
                                const struct permission_set *rights, struct role *out);
/* TENANT_<t>_ROLE_<NAME>: upper case, what is no letter or digit becomes '_'. */
struct str role_key_of(struct cx *cx, struct str title);
MUST_CHECK enum err role_update(struct cx *cx, const struct role *r, struct str title,
                                struct str description, bool enabled);
MUST_CHECK enum err role_set_rights(struct cx *cx, const struct role *r,
                                    const struct permission_set *rights);
/* Removes it from everyone, tenant-wide and on clients, with an event for each. */
MUST_CHECK enum err role_delete(struct cx *cx, const struct role *r);

/* Gives / takes a tenant-wide role; nothing happens when the user has it / has it not. */
MUST_CHECK enum err role_assign(struct cx *cx, int64_t user_id, const struct role *r);
MUST_CHECK enum err role_remove(struct cx *cx, int64_t user_id, const struct role *r);
/* role_loss.c: whoever loses a right with a role is signed out, with an event, from the next request on; who
 * holds it by another role, or loses none, stays. Whoever acts keeps the session he does it with. */
/* After a role was taken from one. */
MUST_CHECK enum err role_taken(struct cx *cx, struct user *u, const struct role *r);
/* Before the rights `lost` are lost to all who hold the role: who of them that ends. Then, behind the change's
 * own event, the ending. */
struct loser;
MUST_CHECK enum err role_losers(struct cx *cx, const struct role *r,
                                const struct permission_set *lost, struct loser **out);
MUST_CHECK enum err role_losers_end(struct cx *cx, struct loser *l, struct str how);
/* Nothing happens yet: whom it would end, if `lost` were lost to all who hold the role, or (user_id not 0) if the
 * role were taken from that one. */
struct role_loss {
    struct user *v; /* by user_id */
    size_t n;
};
MUST_CHECK enum err role_loss_foreseen(struct cx *cx, const struct role *r,
                                       const struct permission_set *lost, int64_t user_id,
                                       struct role_loss *out);

/* After any change that might end it: at least one enabled user holds the enabled role ADMIN, else
 * ERR_CONFLICT. Safe against two racing requests: both stores serialise writes. */
MUST_CHECK enum err admin_must_remain(struct cx *cx);
/* Number of enabled administrators. */
MUST_CHECK enum err admin_count(struct cx *cx, int64_t *out);

/* The keys of the set, joined by ", ". */
struct str role_rights_text(struct cx *cx, const struct permission_set *s);

/* The built-in roles of a new tenant; covered by TENANT_CREATED. */
MUST_CHECK enum err role_seed(struct cx *cx);
#define ROLE_BUILTINS 4
const char *role_builtin_key(int i); /* 0 ADMIN, STD_USER, ANALYST, AUDITOR */
bool role_builtin_has(int i, enum permission p);
/* For a process of ours: gives a built-in role what it lacks of `more`, with an event. */
MUST_CHECK enum err role_grow(struct cx *cx, const struct role *r,
                              const struct permission_set *more);
/* role_catalogue.c: the built-in roles of all tenants get what the catalogue gained since the store was
 * last opened, once. A transaction of its own; cx is a process without a tenant. */
MUST_CHECK enum err role_catch_up(struct cx *cx);

#endif
