/* Signing in: password, second factor, lockout, and the change of one's own password. These
 * functions run their own transactions and hash outside of them: call them from `prepare`.
 *
 * Existing, unknown, locked and disabled names get the same answer after the same number of hashes;
 * every refused attempt is recorded (folded in a flood), a success is never folded. */
#ifndef RECOUNT_CORE_SIGNIN_H
#define RECOUNT_CORE_SIGNIN_H

#include <stdbool.h>

#include "core/hashing.h"
#include "core/session.h"
#include "core/user.h"
#include "run/cx.h"

struct signin_input {
    struct str username, password;
    struct str code;          /* TOTP in the same call; null: none */
    struct str device_cookie; /* null: none */
    bool browser;             /* a session with a cookie, and a device cookie */
};

struct signin_result {
    bool mfa_required; /* then only challenge and tenant_id are set */
    struct str challenge;
    int64_t tenant_id;
    struct session_tokens tokens;
    struct str device_cookie; /* null: leave the browser's as it is */
};

/* In two halves, as the hash between them may have to wait for its turn and nobody shall stand by
 * with a worker meanwhile: submit signin_job() to hashing.h, then finish, on any thread. Both halves
 * want the same cx; the input's texts live as long. ERR_UNAUTHORIZED with one message for every
 * reason; ERR_TOO_FAST when the address failed too often; ERR_UNAVAILABLE when too many wait. */
struct signin;
MUST_CHECK enum err signin_start(struct cx *cx, const struct signin_input *in, struct signin **out);
struct hash_job *signin_job(struct signin *s);
MUST_CHECK enum err signin_finish(struct cx *cx, struct signin *s, struct signin_result *out);
/* Second step: `token` is six digits or a recovery code. */
MUST_CHECK enum err signin_mfa(struct cx *cx, struct str challenge, struct str token, bool browser,
                               struct str device_cookie, struct signin_result *out);
/* Checks the caller's own password again (change of password, switching the second factor off).
 * A wrong one is counted like a failed sign-in and recorded as `event` with `text`. */
MUST_CHECK enum err signin_confirm(struct cx *cx, struct str password, enum event event,
                                   const char *text);
/* Ends the session open in cx and records LOGOUT; inside cx->tx. */
MUST_CHECK enum err signin_logout(struct cx *cx);

/* Periodic: accounts whose lockout is over become unlocked, one event each. Own transaction. */
MUST_CHECK enum err signin_release_locks(struct cx *cx);
/* What memory may hold of a name, by itself and, where the store could not count, on each browser that has
 * signed in as it. */
struct signin_locks {
    struct str name;    /* the key */
    struct str *device; /* their cuids */
    size_t n;
};
/* Inside cx->tx. */
MUST_CHECK enum err signin_locks_of(struct cx *cx, const struct user *u, struct signin_locks *out);
/* Forgets them (administrator's unlock), once that is committed. */
void signin_forget(struct cx *cx, const struct signin_locks *l);
/* The counter key of a name; hex, keyed. */
struct str signin_name_key(struct cx *cx, struct str email_folded);
/* What the log may keep of a name as it was typed, for people type passwords there: an e-mail address as it
 * is, anything else as keyed hash and length. */
struct str signin_typed_name(struct cx *cx, struct str typed);
/* 429 when the caller's address failed too often, noted as `what` in the log. */
MUST_CHECK enum err signin_address_allowed(struct cx *cx);
/* Counts a failure of the caller's address. */
void signin_address_failed(struct cx *cx);

#endif
