/* Shared inside api/: what dispatch uses of its neighbours. */
#ifndef RECOUNT_API_DISPATCH_H
#define RECOUNT_API_DISPATCH_H

#include "api/api.h"

/* The best route for the request, or NULL; *methods: those the path takes, as bits 1 << method; 0: there is no
 * such path. */
const struct route *api_find(const struct http_request *rq, struct str param[ROUTE_PARAMS],
                             unsigned *methods);
/* Reads the body as the route says: JSON (also without a type), a form, or multipart (body.c). */
MUST_CHECK enum err api_read_body(struct api_request *rq);
/* Files of the web application; every unknown address answers its first page (static.c). */
void api_static(struct app *app, struct http_request *rq, struct http_response *rs);

#endif
