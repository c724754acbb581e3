/* Shared by the files of `recount audit`. */
#ifndef RECOUNT_CMD_AUDIT_CMD_H
#define RECOUNT_CMD_AUDIT_CMD_H

#include "cmd/cmd.h"

struct audit_access_args {
    struct str on, format, user; /* null: now, csv, everybody */
};
/* The workspace is cx's. Returns the exit status. */
int audit_access(struct cx *cx, const struct audit_access_args *x);
/* Whether the tables of the workspace (-1: of all) are as its log says. */
int audit_access_check(struct cx *cx, int64_t tenant);

#endif
