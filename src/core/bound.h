/* Tokens given once, for whom and for what they say themselves: one-time links, challenges of a sign-in. The store keeps a
 * keyed hash, so that whoever writes its rows, and has not the key folder, can neither make a token nor turn one of his
 * own to somebody else. All texts live in cx->arena. */
#ifndef RECOUNT_CORE_BOUND_H
#define RECOUNT_CORE_BOUND_H

#include "run/cx.h"

/* What a token is bound to: "0/17/password". */
struct str bound_to(struct cx *cx, int64_t tenant_id, int64_t user_id, struct str kind);
/* A new one, in the URL's alphabet. */
struct str bound_new(struct cx *cx, struct str what);
/* What the store keeps of it. */
struct str bound_hash(struct cx *cx, struct str token);
/* Whether the token, whose hash was found in a row, was made for what the row says. */
bool bound_is(struct cx *cx, struct str token, struct str what);

#endif
