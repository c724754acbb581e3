/* What the files of signing in share: an attempt on its way, and what it is granted. */
#ifndef RECOUNT_CORE_SIGNIN_PRIV_H
#define RECOUNT_CORE_SIGNIN_PRIV_H

#include "core/device.h"
#include "core/hashing.h"
#include "core/limits.h"
#include "core/settings.h"
#include "core/signin.h"

struct attempt {
    struct str folded, key, network; /* key: the name's; network: the address as it is counted */
    struct str typed;
    bool found, device_known;
    struct user user;
    struct settings settings;
    int64_t tenants, per_minute, now_failures; /* failures of the address before this attempt */
    struct tenant_ref only;                    /* the tenant when there is one only, or the first */
    struct device
        device; /* where kind is LIMIT_DEVICE: the browser's, or his own when he confirms */
    int64_t device_locked; /* until when, as the store has it; 0: not */
    struct str locked_key;
    enum limit_kind kind;
};

struct grant {
    struct attempt *t;
    struct signin_result *out;
    struct str challenge; /* null: no second factor took part */
    struct str code;
    bool browser, second_factor, code_wrong;
    bool stale; /* disabled, locked or given another password since the password was found right */
    struct str cuid;
    int64_t expires_at;
};

/* signin_refuse.c */
/* Names, address and browser of the attempt: before anything is read. */
void signin_attempt(struct cx *cx, struct attempt *t, struct str username,
                    struct str device_cookie);
/* What the store knows of the browser, once the user is found. Inside cx->tx. */
MUST_CHECK enum err signin_read_device(struct cx *cx, struct attempt *t);
/* Address and name, before anything is hashed. */
MUST_CHECK enum err signin_check_limits(struct cx *cx, struct attempt *t);
/* Who is hashed first. */
enum hash_rank signin_rank(struct cx *cx, const struct attempt *t);
/* No hash was computed: too many wait. Recorded, and remembered for the rank of the next try. */
void signin_turned_away(struct cx *cx, const struct attempt *t);
/* What was wrong with a name, a password or a code; counted for address and name, and recorded. */
struct signin_failure {
    enum event event;
    const char *what, *why;
};
void signin_failed(struct cx *cx, struct attempt *t, struct signin_failure f);
/* The one answer to everything that is wrong with a name or a password. */
enum err signin_refused(struct cx *cx);

/* signin.c */
/* How many tenants there are, and the first. Inside cx->tx. */
MUST_CHECK enum err signin_read_tenants(struct cx *cx, struct attempt *t);
/* What was true when the password was hashed must still be true now, else g->stale. Inside cx->tx. */
MUST_CHECK enum err signin_still_the_same(struct cx *cx, struct grant *g);
/* Runs a body that asks it; a stale attempt is a failed sign-in like another. */
MUST_CHECK enum err signin_write(struct cx *cx, cx_body body, struct grant *g);
/* The session and its event. Inside cx->tx. */
MUST_CHECK enum err signin_grant(struct cx *cx, struct grant *g);
/* The tokens, once that is committed. */
void signin_mint(struct cx *cx, struct grant *g);

/* signin_mfa.c */
/* Checks the code in a transaction of its own and answers the whole sign-in. */
MUST_CHECK enum err signin_second_step(struct cx *cx, struct grant *g);

#endif
