/* A witness of logs (C2SP tlog-witness): for each log that it was told to watch it remembers the last
 * checkpoint, cosigns only what continues it, and so makes a log that shows two stories, or takes
 * something back, impossible to hide. Knows no HTTP and no log's store; it may, and should, run on
 * a machine that those who run the log can not touch.
 *
 * Its memory is one SQLite file, one row a log, compared and set in one write transaction before a
 * cosignature leaves it: a row never goes back. Whoever restores an old copy of the file takes from
 * the witness what it is for. */
#ifndef RECOUNT_AUDIT_WITNESS_H
#define RECOUNT_AUDIT_WITNESS_H

#include "audit/note.h"

#define WITNESS_LOGS_MAX    4096
#define WITNESS_REQUEST_MAX ((size_t)64 << 10) /* bytes of a request's body */

struct witness; /* thread-safe; in the arena it was opened with */

struct witness_options {
    struct str path; /* of the memory; made when missing */
    struct str
        logs; /* text: a log's key a line; empty lines and lines with '#' in front are none */
    struct str seed; /* 32 bytes: of the Ed25519 key */
    struct str name; /* null: the one it has; at the very first start one made of the key */
};
/* *why: what is wrong, with the line of `logs`, when it fails. ERR_CONFLICT: the memory is that of a
 * witness with another key or name. */
MUST_CHECK enum err witness_open(struct arena *a, const struct witness_options *o,
                                 struct witness **out, struct str *why);
void witness_close(struct witness *w);
/* The key that checks its cosignatures (type NOTE_COSIGNER). */
struct str witness_vkey(const struct witness *w);
struct str witness_name(const struct witness *w);
size_t witness_logs(struct witness *w); /* origins it watches */
/* Another list of logs from the next request on. When it fails, with the line in *why (in `a`), the one
 * before holds. What is remembered of a log stays, watched or not. */
MUST_CHECK enum err witness_watch(struct witness *w, struct arena *a, struct str logs,
                                  struct str *why);

/* What is answered: a status of HTTP, the body and its type. */
struct witness_answer {
    int status;
    struct str type, body;
};
/* add-checkpoint. 200: cosignature lines, and the checkpoint is remembered, durably. 400 malformed; 403
 * no, or a wrong, signature of the log; 404 a log it does not watch; 409 it remembers another size
 * (which is the body), or another root of the same; 422 the proof does not hold; 503 its memory can
 * not be written. now: µs. */
struct witness_answer witness_add(struct witness *w, struct arena *a, struct str body, int64_t now);
/* The last checkpoint it cosigned of the log whose origin has this SHA-256 (hex), with the log's and
 * its own signature: ERR_NOT_FOUND. */
MUST_CHECK enum err witness_last(struct witness *w, struct arena *a, struct str hex_of_origin,
                                 struct str *note);

#endif
