/* Second factor: TOTP (RFC 6238, liboath; SHA-1, 6 digits, 30 s, one step of tolerance) that is
 * refused when replayed, recovery codes, and challenges between password and code.
 * Secrets are sealed at rest; recovery codes are kept as keyed hashes. */
#ifndef RECOUNT_CORE_MFA_H
#define RECOUNT_CORE_MFA_H

#include <stdbool.h>
#include <stdint.h>

#include "run/cx.h"

#define MFA_SECRET_LEN     20 /* bytes: RFC 4226 section 4 R6 recommends 160 bits */
#define MFA_STEP_S         30
#define MFA_RECOVERY_CODES 10
#define MFA_TRIES          5 /* of one challenge */
#define MFA_CHALLENGE_US   (5 * USEC_PER_MIN)

/* True when `code` (6 digits) is right at `now` and its step is later than last_step; *step gets it. */
bool mfa_totp_ok(struct str secret, struct str code, int64_t now, int64_t last_step, int64_t *step);
/* A new secret (bytes), its base32 text, and the otpauth URI for the QR. */
struct str mfa_secret_new(struct arena *a);
struct str mfa_secret_text(struct arena *a, struct str secret);
struct str mfa_uri(struct arena *a, struct str issuer, struct str email, struct str secret);

/* "xxxxx-xxxxx", 50 bits of base32. */
struct str mfa_recovery_code(struct arena *a);
/* Keyed hash of a typed code: case, spaces and hyphens do not matter. */
struct str mfa_recovery_hash(struct cx *cx, struct str code);
bool mfa_is_digits(struct str code); /* exactly six digits */

/* Tells one set of unused codes from another, for events and the comparison with the log: the mark behind
 * one more code, in the order of their hashes; null before the first. */
struct str mfa_recovery_chain(struct cx *cx, struct str mark, struct str hash);
/* Of the codes the user has now; null: none. */
MUST_CHECK enum err mfa_recovery_mark(struct cx *cx, int64_t user_id, struct str *mark);
/* Replaces the user's recovery codes inside cx->tx; codes gets MFA_RECOVERY_CODES texts. The
 * caller's event covers the table. */
MUST_CHECK enum err mfa_recovery_replace(struct cx *cx, int64_t user_id, const struct str *codes);
/* Marks an unused code as used: ERR_NOT_FOUND when there is none such. */
MUST_CHECK enum err mfa_recovery_use(struct cx *cx, int64_t user_id, struct str code);

/* ---- challenges, inside cx->tx (covered by REASON_CHALLENGE) ---- */
struct challenge {
    int64_t tenant_id, user_id, tries, expires_at;
    struct str kind; /* "api" or "browser" */
};
MUST_CHECK enum err mfa_challenge_new(struct cx *cx, int64_t tenant_id, int64_t user_id,
                                      struct str kind, struct str *id);
/* ERR_NOT_FOUND when unknown, expired or tried too often. */
MUST_CHECK enum err mfa_challenge_get(struct cx *cx, struct str id, struct challenge *out);
/* Counts a try: ERR_NOT_FOUND when none is left, or its time is over. */
MUST_CHECK enum err mfa_challenge_try(struct cx *cx, struct str id);
MUST_CHECK enum err mfa_challenge_end(struct cx *cx, struct str id);

#endif
