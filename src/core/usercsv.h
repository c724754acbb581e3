/* Import of users from CSV with the seven columns. Good rows are created inside cx->tx, bad ones
 * are reported with their line; one bad row does not stop the others. */
#ifndef RECOUNT_CORE_USERCSV_H
#define RECOUNT_CORE_USERCSV_H

#include "core/user.h"

#define USERCSV_ROWS_MAX 5000

struct usercsv_row {
    size_t line;
    struct user_spec spec;
    struct str reason; /* null: good so far */
};
struct usercsv {
    struct usercsv_row *rows;
    size_t n;
};
/* Reads and checks the text; touches no store. ERR_INVALID when it is no such table at all. */
MUST_CHECK enum err usercsv_read(struct cx *cx, struct str text, struct usercsv *out);
/* Creates the good rows; fills reasons of those refused; *created gets the users. */
MUST_CHECK enum err usercsv_apply(struct cx *cx, struct usercsv *c, struct user **created,
                                  size_t *n);

#endif
