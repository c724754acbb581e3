/* Passwords: Argon2id (libsodium) with bounded concurrency, and the rules for new ones.
 * Plain passwords are views of the caller's; nothing here keeps, logs or prints one. */
#ifndef RECOUNT_CORE_PASSWORD_H
#define RECOUNT_CORE_PASSWORD_H

#include <stdbool.h>

#include "base/arena.h"
#include "core/hashing.h"
#include "run/cx.h"

#define PASSWORD_MAX         1024 /* bytes; hashing cost does not depend on it, reading does */
#define PASSWORD_MIN_DEFAULT 12
#define PASSWORD_BUSY_S      10 /* seconds after which who found no room may come again */

/* Hashes outside any transaction: Argon2id, 19 MiB, 2 passes (OWASP's first choice). ERR_UNAVAILABLE when too
 * many are waiting. */
MUST_CHECK enum err password_hash(struct cx *cx, struct str plain, struct str *out);
/* The comparison as a job for hashing.h, which is to be submitted, and what came of it. Exactly one
 * hash is computed, whatever `hash` is: a null one (unknown user, no password) is compared with a
 * fixed one and never matches. ERR_UNAVAILABLE when it was not computed: too many wait. */
struct hash_job *password_compare(struct cx *cx, struct str hash, struct str plain,
                                  enum hash_rank rank);
MUST_CHECK enum err password_compared(struct cx *cx, const struct hash_job *j, bool *match);
/* Both at once, waiting for it, for somebody who is signed in. */
MUST_CHECK enum err password_verify(struct cx *cx, struct str hash, struct str plain, bool *match);

struct password_policy {
    bool classes; /* lower, upper, digit, special needed */
    int min;      /* code points */
};
/* ERR_INVALID with a field error at `pointer` that names what is missing. `email` and `name` must
 * not be contained. */
MUST_CHECK enum err password_check(struct cx *cx, const struct password_policy *p, struct str plain,
                                   struct str email, struct str pointer);
/* In the list of common passwords and words (case ignored, also with digits and signs around it). */
bool password_is_common(struct arena *a, struct str plain);
/* Four random words' worth of entropy for demonstrations: 20 characters of every class. */
struct str password_random(struct arena *a);

#endif
