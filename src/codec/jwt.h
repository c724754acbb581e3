/* JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 and nothing else: "alg" must be HS256, so
 * no token can choose how it is checked. Results live in the arena.
 *
 * A token is checked before anything but its header is decoded. Whether it has expired is the caller's
 * business: only he knows the clock and what the token is for. */
#ifndef RECOUNT_CODEC_JWT_H
#define RECOUNT_CODEC_JWT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "codec/json.h"

#define JWT_MAX     8192 /* bytes of a token; a header line holds no more */
#define JWT_KEY_MIN 32   /* bytes: RFC 7518 section 3.2 */

struct jwt {
    const struct json *payload; /* always an object */
    int64_t exp, iat;           /* seconds since the epoch; 0 when absent */
};

/* Signs `payload`, the text of a JSON object. A key shorter than JWT_KEY_MIN is a defect. */
struct str jwt_make(struct arena *a, struct str payload, struct str key);
/* ERR_UNAUTHORIZED for whatever is wrong: form, algorithm, signature, payload, or an exp or iat
 * that is no whole number. */
MUST_CHECK enum err jwt_verify(struct arena *a, struct str token, struct str key, struct jwt *out);

#endif
