/* Reading is recorded: one event a view, at most one in so many minutes for a session and what it looks at. */
#ifndef RECOUNT_API_VIEW_NOTE_H
#define RECOUNT_API_VIEW_NOTE_H

#include "audit/audit.h"

struct view {
    enum event event;      /* covers audit_view */
    struct str kind, text; /* of the event: its target's kind, its sentence */
    struct str key;   /* of the row: the session, with a word behind it for what is not the list */
    struct str query; /* what was asked */
    int64_t minutes;  /* a view within so many speaks for this one too */
    bool counts;      /* the event says how many views the one before spoke for */
};
/* Outside any transaction; never fails the caller: reads go on when the log can not be written, and the view
 * is then noted by the next one. */
void view_note(struct cx *cx, const struct view *v);

#endif
