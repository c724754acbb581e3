/* Clients between JSON and core. */
#ifndef RECOUNT_API_CLIENT_BODY_H
#define RECOUNT_API_CLIENT_BODY_H

#include "api/api.h"
#include "core/client.h"
#include "core/clientuser.h"

/* Reads the body over *c, which holds the client as it is (zeroed: a new one). Members sent replace,
 * members not sent stay, unknown members go to c->extra, server-owned ones are ignored. */
MUST_CHECK enum err client_body_read(struct api_request *rq, bool create, struct client *c);
/* Writes the object; `all` holds the client's members from `from` on (ordered by client). Gives the
 * place behind the last one used. */
size_t client_body_write(struct api_request *rq, const struct client *c, const struct members *all,
                         size_t from, bool single);

#endif
