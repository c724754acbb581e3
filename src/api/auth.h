/* Shared by the files about signing in: cookies and the answer to a sign-in. */
#ifndef RECOUNT_API_AUTH_H
#define RECOUNT_API_AUTH_H

#include "api/api.h"
#include "core/password.h"
#include "core/signin.h"

#define USERNAME_MAX 1024

/* Sets a cookie HttpOnly, SameSite=Strict, and Secure where the page is reached by TLS. */
void auth_set_cookie(struct api_request *rq, const char *name, struct str value, const char *path,
                     int64_t seconds);
/* The cookies of a browser session. */
void auth_set_session_cookies(struct api_request *rq, const struct signin_result *r);
void auth_clear_session_cookies(struct api_request *rq);
/* Second half of a sign-in begun with signin_start() in rq->state. */
MUST_CHECK enum err auth_finish_signin(struct api_request *rq);
/* Refuses a request that another site made the browser send. */
MUST_CHECK enum err auth_same_site(struct api_request *rq);
/* The rule for new passwords of the caller's workspace (own read transaction). */
MUST_CHECK enum err auth_policy(struct cx *cx, struct password_policy *out);
/* For a route's `after`: sessions or rights have changed, streams look at theirs again. */
enum err auth_tell_sessions(struct api_request *rq);

#endif
