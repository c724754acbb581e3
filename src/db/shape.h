/* The store's own machinery against what this binary's schema makes: tables, triggers, functions, rules,
 * policies. Whoever has the database can take a trigger away that refuses changes, or plant one that
 * keeps rows out; both stand in the store's catalogue and are found there. Reads only. */
#ifndef RECOUNT_DB_SHAPE_H
#define RECOUNT_DB_SHAPE_H

#include "db/db.h"

enum shape_wrong {
    SHAPE_MISSING, /* ours is not there */
    SHAPE_ALTERED, /* ours is there and does something else, or nothing */
    SHAPE_FOREIGN  /* on a table of ours and none of ours */
};
struct shape_diff {
    enum shape_wrong wrong;
    struct str what; /* "the trigger audit_tail_update on audit_tail" */
    struct str mend; /* a script that puts it back; null: only a person can */
};
struct shape {
    struct arena *a;
    struct shape_diff *v; /* in the order in which they can be mended */
    size_t n, cap;
    bool empty;      /* the file holds nothing at all yet */
    int64_t version; /* of the store; 0 for a file of its own */
    bool newer;      /* a later version's schema: what is foreign to this one is not told */
};

/* Compares. script: what makes the file's schema; NULL: the store's numbered scripts. */
MUST_CHECK enum err shape_check(struct db *db, struct arena *a, const char *script,
                                struct shape *out);
/* "… is missing", "… was altered", "… does not belong to Recount". */
struct str shape_text(struct arena *a, const struct shape_diff *d);

#endif
