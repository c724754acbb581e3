/* Checking the log as it lies in the store: `recount audit verify`, the server's check of itself.
 *
 * Fast: indices without a gap over all months, times never going back, the tree made again from the
 * leaf entries and held against every hash that is stored of it, against the heads that were signed
 * (published ones, and those that this server remembers), epochs, and what was recorded of months
 * that expired. Deep: besides, every record against its leaf, its columns and its place, who is
 * listed for it, the text index, what waits in the tail, and on SQLite the files' own structure.
 *
 * The sizes are taken first, so that what a server moves meanwhile is no finding; memory is bounded
 * by the number of logs and months. Reads only. doc/audit-log.md says which attack it finds. */
#ifndef RECOUNT_AUDIT_VERIFY_H
#define RECOUNT_AUDIT_VERIFY_H

#include "audit/proof.h"

/* One thing that is wrong. Texts live until the callback returns. */
struct verify_finding {
    struct log_id log;          /* AUDIT_INSTANCE also for the store as a whole */
    struct str origin;          /* of the log; "store" */
    int64_t index;              /* -1: no single event */
    struct str what;            /* a sentence without a stop: "the event is missing" */
    struct str expected, found; /* null: nothing to say */
};

struct verify_place {
    struct log_id log;
    int64_t index;
};

/* A checkpoint that the store must be a continuation of. Its signature has been checked. */
struct verify_saved {
    struct str name; /* where it comes from, for people */
    struct str origin;
    int64_t size;
    struct sha256 root;
    bool optional; /* too old to be compared is no finding */
};

struct verify_options {
    bool deep;
    bool one; /* only the log of tenant_id */
    int64_t tenant_id;
    bool resume; /* go on at `from`: what lies before it was looked at */
    struct verify_place from;
    const struct verify_saved *saved;
    size_t n_saved;
    const struct note_key *keys; /* trusted besides the installation's own */
    size_t n_keys;
    int64_t file_max; /* SQLite: bytes of a file whose structure is still looked at; 0: any */
    void (*tell)(void *arg, const struct verify_finding *f);
    void (*note)(void *arg, struct str text); /* what could not be checked; may be NULL */
    /* After each batch, no read open; may sleep. False: stop. May be NULL. */
    bool (*pace)(void *arg, const struct verify_place *at, int64_t events);
    void *arg;
};

struct verify_head { /* a published head, signature and root found right */
    struct log_id log;
    struct str origin, note;
    int64_t size;
};
struct verify_result {
    int64_t logs, events; /* looked at; an epoch is a log */
    int64_t findings;
    bool stopped;              /* by pace */
    struct verify_head *heads; /* in cx->arena */
    size_t n_heads;
};

/* Outside any transaction. Fails only when nothing could be looked at; what can not be read is a
 * finding. */
MUST_CHECK enum err audit_verify(struct cx *cx, const struct verify_options *o,
                                 struct verify_result *out);
/* Whether the note is signed by the log's key: the installation's, or one of `keys` with its name. */
enum note_verdict verify_signature(struct cx *cx, const struct note_key *keys, size_t n,
                                   const struct note *note, struct str origin);
/* How a finding is written down: "origin, event N: what", fit for a terminal; and its members in a JSON
 * object that is open. */
void verify_finding_text(struct buf *b, const struct verify_finding *f);
void verify_finding_json(struct json_writer *w, const struct verify_finding *f);

#endif
