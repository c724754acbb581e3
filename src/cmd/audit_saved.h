/* Checkpoints kept outside of the store: files given to `recount audit verify`, and those it
 * remembers from its last run. In the arena given. */
#ifndef RECOUNT_CMD_AUDIT_SAVED_H
#define RECOUNT_CMD_AUDIT_SAVED_H

#include "audit/verify.h"
#include "base/arena.h"

struct saved {
    struct str name; /* "the checkpoint in FILE" */
    struct note note;
    struct checkpoint c;
};
struct saved_list {
    struct saved *v;
    size_t n, cap;
};
#define SAVED_FILE_MAX ((size_t)16 << 20) /* bytes */

/* The whole file; ERR_NOT_FOUND: there is none. */
MUST_CHECK enum err saved_read_file(struct arena *a, struct str path, struct str *out);
/* A checkpoint, a tlog-proof or the JSON of a proof (member "checkpoint") of the interface. */
MUST_CHECK enum err saved_add(struct arena *a, struct saved_list *l, struct str path,
                              struct str *why);

/* $XDG_STATE_HOME/recount/checkpoints or ~/.local/state/recount/checkpoints; null: neither is known. */
struct str remembered_path(struct arena *a);
/* A line a log: {"store", "origin", "checkpoint"}. Gives those of the store or the installation;
 * *others keeps the remaining lines. A file that is not there is empty. */
MUST_CHECK enum err remembered_read(struct arena *a, struct str path, struct str store,
                                    struct str instance, struct saved_list *l, struct buf *others,
                                    struct str *why);
/* Replaces the file as a whole: the other lines, then the heads. */
MUST_CHECK enum err remembered_write(struct arena *a, struct str path, struct str store,
                                     const struct verify_head *heads, size_t n,
                                     const struct buf *others, struct str *why);

#endif
