/* The guards of the log, inside audit/ and for its opening. See guard.c. */
#ifndef RECOUNT_AUDIT_GUARD_H
#define RECOUNT_AUDIT_GUARD_H

#include "audit/priv.h"
#include "db/shape.h"

/* Over the main store, the months' files and the file of heads, each compared with its schema. */
struct guard_walk {
    enum err (*seen)(void *arg, struct db *db, struct str name, const struct shape *s);
    enum err (*broken)(void *arg,
                       struct str name); /* it can not be read; NULL: that ends the walk */
    void *arg;
};
MUST_CHECK enum err guards_walk(struct audit *au, const struct guard_walk *w);

#endif
