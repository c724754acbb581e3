/* Permissions: the one table (permission.def), and the set of rights a caller holds.
 *
 * Rights are the union of the enabled tenant roles; for a client they are that union plus the
 * permissions of the caller's role on that client — and a client is visible only to its users and to holders
 * of AUTHORIZATION_MANAGE (administrators). */
#ifndef RECOUNT_CORE_PERMISSION_H
#define RECOUNT_CORE_PERMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "run/cx.h"

enum permission {
    PERMISSION_NONE,
#define PERMISSION(id, ...) PERM_##id,
#include "core/permission.def"
#undef PERMISSION
    PERMISSION_COUNT
};

#define PERMISSIONS_NAMED_MAX                                                                      \
    1000 /* keys in one list of a request; more than a multiple of what there is */

struct permission_info {
    const char *key, *category, *section, *title;
    char scope; /* 'C': may be held on a client; 'T': tenant-wide only */
    bool std_user, analyst, auditor;
    bool asked; /* something in this version asks for it */
};
const struct permission_info *permission_info(enum permission p);
enum permission permission_by_key(struct str key); /* PERMISSION_NONE if unknown */

struct permission_set {
    uint64_t bits[2]; /* bit p of the array */
};
void permission_add(struct permission_set *s, enum permission p);
bool permission_has(const struct permission_set *s, enum permission p);
bool permission_contains(const struct permission_set *outer, const struct permission_set *inner);
void permission_drop(struct permission_set *s, enum permission p);
void permission_union(struct permission_set *s, const struct permission_set *more);
int permission_count(const struct permission_set *s);
/* What of a role counts when it is held on a client: the permissions of scope 'C'. */
struct permission_set permission_on_client(const struct permission_set *s);

/* What the caller holds tenant-wide; read once a request with the session. Client roles are read when asked. */
struct grants {
    struct permission_set tenant;
    bool is_admin; /* holds the enabled built-in role ADMIN */
    bool
        must_enroll_mfa; /* policy demands a second factor that is not set up: only its set-up is allowed */
    bool read_only; /* access token */
};

/* Holds p tenant-wide. */
bool cx_may(const struct cx *cx, enum permission p);
/* Holds p on a client (needs cx->tx): OK; ERR_NOT_FOUND when the client does not exist or the caller may not even see it;
 * ERR_FORBIDDEN when he sees it but lacks p. cx->about says which client it was, for the log alone. */
MUST_CHECK enum err cx_may_client(struct cx *cx, int64_t client_id, enum permission p);
/* A command, a process of ours or set-up acts, not a person: bound by no grants of its own. */
bool cx_is_process(const struct cx *cx);

/* The caller's rights on one client: tenant-wide ones and those of his role there. */
struct client_rights {
    struct permission_set set;
    bool visible;    /* the client exists and he may see it */
    bool member;     /* he is assigned to it */
    int64_t level;   /* his tier's level there, 0: none */
    struct str name; /* the client's, whether or not he may see it; null: it does not exist */
};
MUST_CHECK enum err client_rights(struct cx *cx, int64_t client_id, struct client_rights *out);

#endif
