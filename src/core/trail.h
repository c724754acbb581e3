/* What an event says about a change: lists of before → after, and the names in its sentence.
 * Everything lives in cx->arena. */
#ifndef RECOUNT_CORE_TRAIL_H
#define RECOUNT_CORE_TRAIL_H

#include "audit/audit.h"
#include "core/user.h"
#include "run/cx.h"

#define TRAIL_VALUE_MAX 2000 /* bytes of one value kept in an event */

/* A growing list of changes. */
struct trail {
    struct audit_change *v;
    size_t n, cap;
};
/* Notes the change when before and after differ (null: absent). */
void trail_note(struct cx *cx, struct trail *t, struct str field, struct str before,
                struct str after);
void trail_note_bool(struct cx *cx, struct trail *t, struct str field, bool before, bool after);
/* The same without shortening: for what is worked out from the log again. */
void trail_note_whole(struct cx *cx, struct trail *t, struct str field, struct str before,
                      struct str after);
/* Tells two secrets apart and nothing else: 16 hex digits of an HMAC-SHA-256 with the key folder's
 * blinding key over what the store holds (hash or sealed secret). */
struct str trail_mark(struct cx *cx, struct str stored);
/* "Ann Archer (ann@example.org)", or the name of the process. */
struct str trail_actor(struct cx *cx);
struct str trail_bool(bool v);
/* How a page calls whoever acts on the machine itself, where a row keeps his number 0 (no account has
 * it). Which person of the operating system it was is in the event. */
#define OPERATOR      INT64_C(0)
#define OPERATOR_NAME "the operator (command line)"
/* A user as an event names him, from five columns of a row beginning at `col`. */
#define TRAIL_USER "u.user_id, u.cuid, u.email, u.first, u.last"
struct user trail_user(struct cx *cx, const struct db_rows *r, int col);
/* Records one event about a thing that is no user. */
struct trail_thing {
    enum event event;
    struct str kind, id, name; /* the target */
    int64_t client_id;         /* 0: none */
    struct str text;
};
MUST_CHECK enum err trail_record(struct cx *cx, const struct trail_thing *t,
                                 const struct trail *changes);

#endif
