/* Shared by the files of /api/v2/auditlog: the query of an address, and streams. */
#ifndef RECOUNT_API_AUDIT_API_H
#define RECOUNT_API_AUDIT_API_H

#include "api/api.h"
#include "api/export_form.h"
#include "audit/audit.h"
#include "core/session.h"

#define AUDIT_SETTLE_MS 200 /* how long a list waits for what was committed before it */

/* A stream of events or an export under way. It lives in an arena of its own and outlives its
 * request; its end gives the place back. */
struct stream {
    struct app *app;
    struct arena *arena; /* the stream's own: outlives the request */
    struct audit_query query;
    struct tenant_ref tenant;
    struct actor actor; /* who opened it; its session is read again every half second */
    struct session_view view;
    enum permission right; /* what its route asks for: looked at again and again */
    int64_t user_id;
    struct str session;
    int64_t last_sent; /* monotonic */
    int64_t last_checked;
    uint64_t seen_audit;
    bool begun;
    bool hint;      /* says only up to where there is something */
    int64_t hinted; /* cursor said last */
    /* export only */
    struct export_form form;
    struct str manifest;     /* the last line; null: none */
    struct str digest;       /* what was said of the events before the first byte, … */
    struct sha256_run *sent; /* … and what was sent */
    bool head_done, events_done;
};

/* One page read in a transaction. */
struct batch {
    const struct audit_query *q;
    struct audit_page page;
};

/* A time of the address, named in what is said of a bad one: ISO 8601, or a past span such as "30d", "24h".
 * 0 when s is empty. A day as an `end` includes the day. */
MUST_CHECK enum err audit_time_read(struct api_request *rq, const char *name, struct str s,
                                    bool end, int64_t *out);
/* Filters, paging and cursor of the address; every bad one is noted. ERR_INVALID. */
MUST_CHECK enum err audit_query_read(struct api_request *rq, struct audit_query *q);
/* The same as text, for the events of views and exports. */
struct str audit_query_text(struct api_request *rq);
/* Records that the log was looked at, with what was asked; nothing when a view of the session within
 * so many minutes speaks for this one too. Outside any transaction; never fails the caller. */
#define VIEW_MINUTES   1
#define FOLLOW_MINUTES 60 /* who follows goes on with a view that was recorded */
void audit_view_note(struct cx *cx, struct str query, int64_t minutes);
/* The same for the query of the address: at most once a minute. */
void audit_note_view(struct api_request *rq);
/* Takes a place among the streams of a user; ERR_TOO_FAST when he has none left. */
MUST_CHECK enum err audit_streams_room(struct api_request *rq, int64_t user);
/* Gives the place back. */
void audit_streams_leave(int64_t user);
/* A context of the one who opened the stream. */
struct cx audit_stream_cx(const struct stream *s, struct arena *a);
/* The session and the right still hold; asked of the store every half second. */
bool audit_stream_allowed(struct stream *s, struct arena *a);
/* Body of a read: one page of the query; arg is a struct batch. */
enum err audit_batch_body(struct cx *cx, void *arg);
/* A stream in an arena of its own, for the caller of rq. */
struct stream *audit_stream_new(struct api_request *rq, const struct audit_query *q);
/* Makes it the answer; its place must have been taken. */
MUST_CHECK enum err audit_stream_open(struct api_request *rq, struct stream *s, struct str type,
                                      enum err (*write)(void *arg, struct buf *out));
/* Whether the event tells of the viewing that this session does: never new to its own viewer. */
bool audit_is_own_view(const struct audit_event *e, struct str session);
/* Handlers of the routes. */
enum err audit_stream_apply(struct api_request *rq);
enum err audit_stream_head(struct api_request *rq);
enum err audit_hints_apply(struct api_request *rq);
enum err audit_histogram_head(struct api_request *rq);
enum err audit_histogram_prepare(struct api_request *rq);
enum err audit_histogram_apply(struct api_request *rq);
enum err audit_export_prepare(struct api_request *rq);
enum err audit_export_apply(struct api_request *rq);
enum err audit_export_after(struct api_request *rq);
enum err audit_export_head(struct api_request *rq);
enum err audit_manifest_head(struct api_request *rq);
enum err audit_manifest_apply(struct api_request *rq);

#endif
