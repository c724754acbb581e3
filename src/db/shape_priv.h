/* Shared by the files *shape.c only. */
#ifndef RECOUNT_DB_SHAPE_PRIV_H
#define RECOUNT_DB_SHAPE_PRIV_H

#include "db/db_priv.h"
#include "db/shape.h"

void shape_differs(struct shape *s, enum shape_wrong wrong, struct str what, struct str mend);

/* The scripts are run, in order, in an empty store (SQLite), or read (PostgreSQL). */
MUST_CHECK enum err lite_shape(struct db_tx *tx, const char *const *scripts, size_t n,
                               struct shape *out);
MUST_CHECK enum err pg_shape(struct db_tx *tx, const char *const *scripts, size_t n,
                             struct shape *out);

#endif
