/* Sessions: who a request comes from. A token names a session; session_open() reads session, user,
 * workspace, rights and limits with one statement per request and nothing is cached, so that an
 * ended session, a disabled user or a changed right holds from the next request on.
 *
 * Three credentials name the same session: the token of the Authorization header (15 minutes), the
 * browser's cookie `recount` (until the session's absolute limit) and the cookie `token` for inline
 * images. A fourth, "rct_…", is an access token (accesstoken.h): read-only and narrowed to its
 * scopes. Results live in cx->arena. */
#ifndef RECOUNT_CORE_SESSION_H
#define RECOUNT_CORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/json.h"
#include "core/permission.h"
#include "run/cx.h"

#define SESSION_TOKEN_S  900                 /* seconds a header token is valid */
#define SESSION_TOUCH_US (60 * USEC_PER_SEC) /* last use is written at most this often */

enum session_source { SESSION_HEADER, SESSION_COOKIE, SESSION_UPLOAD_COOKIE };

/* Why a credential was refused; MISSING and EXPIRED are ordinary, the others worth an event. */
enum session_refusal {
    SESSION_REFUSAL_NONE,
    SESSION_REFUSAL_MISSING,
    SESSION_REFUSAL_EXPIRED,  /* the token's own 15 minutes, idle or absolute limit are over */
    SESSION_REFUSAL_FORGED,   /* no token of ours: form, signature or use */
    SESSION_REFUSAL_ENDED,    /* the session was ended, or the access token revoked */
    SESSION_REFUSAL_UNKNOWN,  /* ours by signature, but names nothing that exists here */
    SESSION_REFUSAL_DISABLED, /* the user is disabled */
    SESSION_REFUSALS
};

/* Verifies the credential inside a read transaction (cx->tx) and fills cx->tenant, cx->actor and
 * cx->grants. ERR_UNAUTHORIZED otherwise; see session_last_refusal(). For a session that ended or
 * belongs to a disabled user tenant and actor are filled all the same: the event names them. */
MUST_CHECK enum err session_open(struct cx *cx, struct str credential, enum session_source src);
/* The reason of the refusal in cx->failure, SESSION_REFUSAL_NONE when there is none. */
enum session_refusal session_last_refusal(const struct cx *cx);
/* "it was revoked": for the event's text. */
const char *session_refusal_text(enum session_refusal r);

/* Reads the opened session again inside a read transaction and renews cx->grants: for streams and
 * exports, about every second. ERR_UNAUTHORIZED when it is over. */
MUST_CHECK enum err session_recheck(struct cx *cx);

/* True when the last use is to be written; session_touch() writes it in a transaction of its own,
 * outside any other. Failing to write it is not the caller's problem. */
bool session_touch_due(const struct cx *cx);
void session_touch(struct cx *cx);

/* What session_open() read beyond cx; NULL when no session is open. */
struct session_view {
    struct grants grants; /* cx->grants points here: must stay first */
    int64_t created_at, last_used, expires_at;
    bool mfa_enabled, demo;
    int64_t idle_minutes;
    struct str first, last, tenant_name, roles; /* roles: keys joined by ',' */
    struct str token_id;                        /* access token: its cuid; null for a session */
};
const struct session_view *session_view(const struct cx *cx);

/* ---- making ---- */

struct session_user { /* whose session it is */
    int64_t tenant_id, user_id;
    struct str tenant_cuid, user_cuid, email;
};

struct session_tokens {
    struct str access;  /* for the Authorization header */
    struct str upload;  /* value of the cookie `token` */
    struct str browser; /* value of the cookie `recount`; null unless asked */
    int64_t browser_seconds;
};

/* Adds the session inside cx->tx. The caller records EV_LOGIN_SUCCESS, which covers it. kind: "api" or "browser". */
MUST_CHECK enum err session_insert(struct cx *cx, const struct session_user *u, struct str kind,
                                   int64_t absolute_hours, struct str *cuid, int64_t *expires_at);
/* Signs the tokens of a session; needs no transaction. */
struct session_tokens session_mint(struct cx *cx, const struct session_user *u, struct str cuid,
                                   int64_t expires_at, bool browser);
/* Tokens for the session that is open in cx (refresh): no write. */
struct session_tokens session_renew(struct cx *cx);

/* ---- ending: inside cx->tx; one event per user when any session was open (user_end_sessions) ---- */

/* Ends all sessions of a user but `keep` (null: none kept). Does not record; *ended gets the number. The
 * caller's own event covers the table. */
MUST_CHECK enum err session_end_all(struct cx *cx, int64_t user_id, struct str keep,
                                    int64_t *ended);
/* Ends one session of the user: ERR_NOT_FOUND when it is not his or is over already. */
MUST_CHECK enum err session_end_one(struct cx *cx, int64_t user_id, struct str cuid);
/* Writes the user's open sessions as an array, newest first. */
MUST_CHECK enum err session_list(struct cx *cx, int64_t user_id, struct json_writer *w);

/* Removes sessions long over (daily process). */
MUST_CHECK enum err session_sweep(struct cx *cx);

#endif
