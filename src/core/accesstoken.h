/* Access tokens: named, expiring, read-only credentials for scripts, "rct_<tenant>_<cuid><secret>".
 * The store keeps the SHA-256. What one may do is the intersection of its scopes with what its
 * owner may at that moment. */
#ifndef RECOUNT_CORE_ACCESSTOKEN_H
#define RECOUNT_CORE_ACCESSTOKEN_H

#include "codec/json.h"
#include "run/cx.h"

#define ACCESS_TOKEN_PREFIX   "rct_"
#define ACCESS_TOKENS_MAX     50 /* per user: a list a person can still read */
#define ACCESS_TOKEN_DAYS_MAX 366

struct access_token_spec {
    struct str name;
    int64_t days;
    const struct json *scopes; /* array of permission keys */
};
/* Records ACCESS_TOKEN_CREATED; *token is shown once. Scopes the caller lacks are refused. */
MUST_CHECK enum err access_token_new(struct cx *cx, const struct access_token_spec *s,
                                     struct str *cuid, struct str *token);
MUST_CHECK enum err access_token_list(struct cx *cx, int64_t user_id, struct json_writer *w);
/* Records ACCESS_TOKEN_REVOKED. */
MUST_CHECK enum err access_token_revoke(struct cx *cx, int64_t user_id, struct str cuid);
/* Splits a credential: ERR_INVALID when it has not the form. */
MUST_CHECK enum err access_token_parse(struct str credential, int64_t *tenant_id, struct str *cuid);

#endif
