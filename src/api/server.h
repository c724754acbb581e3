/* Starts and stops the interface on a socket; the one place where http and api meet app. */
#ifndef RECOUNT_API_SERVER_H
#define RECOUNT_API_SERVER_H

#include "http/http.h"
#include "run/app.h"

MUST_CHECK enum err server_start(struct app *app, struct str *why);
int server_port(void);
void server_stop(int drain_ms);
void server_stats(struct http_stats *out);

#endif
