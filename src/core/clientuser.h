/* Who is assigned to which client, with which role and classification; the Default Group. Inside
 * cx->tx, results in cx->arena; every change records one event per affected user. */
#ifndef RECOUNT_CORE_CLIENTUSER_H
#define RECOUNT_CORE_CLIENTUSER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/client.h"
#include "core/role.h"
#include "core/tier.h"
#include "core/user.h"
#include "run/cx.h"

struct member {
    int64_t client_id;
    struct user user; /* id, cuid, e-mail and names */
    bool disabled;
    struct str role_cuid, role_key, role_title;
    int64_t tier_id; /* 0: none */
    struct str tier; /* its name, null: none */
};
struct members {
    struct member *v;
    size_t n;
};
/* Of one client, by name; of several ("[1,2]", ordered by client). */
MUST_CHECK enum err members_of_client(struct cx *cx, int64_t client_id, struct members *out);
MUST_CHECK enum err members_of_clients(struct cx *cx, struct str ids, struct members *out);
/* Users of the tenant who are not assigned to the client. */
MUST_CHECK enum err members_available(struct cx *cx, int64_t client_id, struct members *out);

struct client_grant {
    const struct client *client;
    const struct client_rights *his; /* the caller's; NULL: not bound by them (Default Group) */
    const struct user *user;
    const struct role *role;
    bool has_tier;           /* false: a present classification stays */
    const struct tier *tier; /* NULL: none */
    const struct tiers *tiers;
    const char *how; /* ends the sentence, e.g. " (Default Group)" */
};
/* Assigns the user or changes role and classification. */
MUST_CHECK enum err client_user_put(struct cx *cx, const struct client_grant *g);
/* ERR_NOT_FOUND, without words, when he is not assigned. */
MUST_CHECK enum err client_user_drop(struct cx *cx, const struct client *c, const struct user *u);
MUST_CHECK enum err member_record_removed(struct cx *cx, const struct client *c,
                                          const struct member *m, const char *how);

/* Takes all his clients from a user, an event for each whose sentence ends with `how`. *names: "Acme,
 * Borealis"; null: he had none. */
MUST_CHECK enum err client_user_drop_all(struct cx *cx, const struct user *u, const char *how,
                                         struct str *names);

/* ---- Default Group ---- */

/* A new client's first users: its creator and the members of the Default Group, each with his tenant
 * role of most rights. assigned and rejected (users without a role) are JSON arrays of e-mails. */
struct granted {
    struct str assigned, rejected;
};
MUST_CHECK enum err client_grant_default_group(struct cx *cx, const struct client *c,
                                               struct granted *out);
/* Joins: access to all present clients, and to each new one. Leaves: only future grants stop. */
MUST_CHECK enum err default_group_set(struct cx *cx, const struct user *u, bool member);

#endif
