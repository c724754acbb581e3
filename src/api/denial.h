/* What the log says of requests that were refused. Nothing here changes the answer: cx->failure stays
 * as it is. */
#ifndef RECOUNT_API_DENIAL_H
#define RECOUNT_API_DENIAL_H

#include "api/api.h"

/* A token was refused: TokenRefused when it was forged, ended or belongs elsewhere; ordinary expiry
 * is no event. Waits for the store. */
void denial_of_token(struct cx *cx, const struct http_request *rq);
/* The right was missing: AccessDenied, with the client of cx->about. Waits for the store. */
void denial_of_route(struct cx *cx, const struct route *r, const struct http_request *rq);
/* What was asked for is kept from the caller, who is told that it does not exist. The event is
 * recorded a few milliseconds after the answer, so that the answer's time does not tell either. */
void denial_of_hidden(struct cx *cx, const struct route *r, const struct http_request *rq);

#endif
