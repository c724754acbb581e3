/* What one export looks like, and the signed manifest that says what it is. The text of a manifest is
 * described in doc/verify/README.md. */
#ifndef RECOUNT_API_EXPORT_FORM_H
#define RECOUNT_API_EXPORT_FORM_H

#include "api/api.h"
#include "audit/proof.h"

struct export_form {
    enum audit_format format;
    bool proofs;            /* each event with its proof; the manifest is the last line */
    struct audit_head head; /* what the proofs lead to */
    struct str vkey;
};

/* format= and proofs= of the address. */
MUST_CHECK enum err export_form_read(struct api_request *rq, struct export_form *f);
/* Waits for a head over the newest event and takes it; nothing when the log has none yet and no
 * proofs are asked for. */
MUST_CHECK enum err export_form_head(struct api_request *rq, struct export_form *f, int64_t newest);
/* One event as a line of the form. cx has no transaction open. ERR_NOT_FOUND: its month has just expired. */
MUST_CHECK enum err export_form_line(struct cx *cx, struct buf *out, const struct export_form *f,
                                     const struct tree_source *source, const struct audit_event *e);

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
/* {"manifest": note, "checkpoint": note, "vkey": keys} as one line. */
MUST_CHECK enum err export_manifest(struct api_request *rq, const struct export_form *f,
                                    const struct export_sum *s, struct str *line);

#endif
