/* What one export looks like, and the signed manifest that says what it is. The text of a manifest is
 * described in doc/verify/README.md. */
#ifndef RECOUNT_API_EXPORT_FORM_H
#define RECOUNT_API_EXPORT_FORM_H

#include "api/api.h"
#include "audit/proof.h"

/* The last head of an epoch that has ended: what the proofs of its events lead to. */
struct export_earlier {
    struct audit_head head;
    struct str vkey;
};
struct export_form {
    enum audit_format format;
    bool proofs;            /* each event with its proof; the manifest is the last line */
    struct audit_head head; /* what the proofs of the running epoch lead to */
    struct str vkey;
    struct export_earlier *earlier; /* of the epochs before, newest first; those that have a head */
    size_t n_earlier;
};

/* format= and proofs= of the address. */
MUST_CHECK enum err export_form_read(struct api_request *rq, struct export_form *f);
/* Waits for a head over the newest event and takes it, and the last ones of the epochs before; nothing
 * when the log has none yet and no proofs are asked for. */
MUST_CHECK enum err export_form_head(struct api_request *rq, struct export_form *f, int64_t newest);
/* A copy of all of it in the arena. */
struct export_form export_form_copy(struct arena *a, const struct export_form *f);

/* The trees that the proofs of a piece of the export are made from, each with the tiles it has read. */
struct export_trees {
    const struct export_form *form;
    struct tree_source
        *v; /* of the head, then of the earlier ones; without a function: not yet made */
};
/* Valid while cx lives. */
struct export_trees export_trees_begin(struct cx *cx, const struct export_form *f);
/* One event as a line of the form. cx has no transaction open. ERR_NOT_FOUND: its month has just expired. */
MUST_CHECK enum err export_form_line(struct cx *cx, struct buf *out, const struct export_trees *t,
                                     const struct audit_event *e);

struct export_sum {
    int64_t from,
        to; /* µs, whole milliseconds: the range [from, to) that was asked for, resolved */
    int64_t count;
    struct log_id first_log, last_log;
    int64_t first, last; /* indices; −1: nothing */
    struct str digest;   /* hex SHA-256 of all bytes before the manifest */
};
/* Gives the query an absolute range, of whole milliseconds and within what is shown: what is stated of
 * it is what is read, and asked again it is the same. */
void export_range(struct cx *cx, struct audit_query *q);
/* Counts the events of a page; the range and the digest are the caller's. */
void export_count(struct export_sum *s, int64_t log, const struct audit_page *p);
/* The event of an export by cx->actor: how many, what range, which indices, digest; `query` as private detail. */
struct audit_entry export_entry(struct cx *cx, const struct export_sum *s, struct str query);
/* {"manifest": note, "checkpoint": note, "vkey": keys} as one line, with "earlier" where events of epochs
 * before are in it. */
MUST_CHECK enum err export_manifest(struct api_request *rq, const struct export_form *f,
                                    const struct export_sum *s, struct str *line);

#endif
