/* Shared by the files of `recount audit`. */
#ifndef RECOUNT_CMD_AUDIT_CMD_H
#define RECOUNT_CMD_AUDIT_CMD_H

#include "audit/audit.h"
#include "cmd/cmd.h"

/* Reading the log is an event, read with a command, too: records it in the log of the reader's workspace
 * (or the installation's, as the entry says). The reader has opened the store for reading only; it
 * is opened once more for this. When it can not be written, that is told on standard error and
 * reading goes on: who can read the files needs no command for it. */
void audit_note_reading(const struct cx *reader, const struct audit_entry *e);

struct audit_access_args {
    struct str on, format, user; /* null: now, csv, everybody */
};
/* The workspace is cx's. Returns the exit status. */
int audit_access(struct cx *cx, const struct audit_access_args *x);
/* Whether the tables of the workspace (-1: of all) are as its log says. */
int audit_access_check(struct cx *cx, int64_t tenant);

/* What `recount audit holds` and `recount audit erasures` share: options, opening, and the workspace. */
struct audit_act {
    struct config c;
    struct str tenant, reason;
    bool json;
    const char *word; /* list, place … */
    struct app *app;
    struct cx cx;
};
#define ACT_OPTIONS(x)                                                                             \
    CONFIG_OPTIONS(&(x)->c), {"tenant", &(x)->tenant, NULL}, {"reason", &(x)->reason, NULL},       \
    {                                                                                              \
        "json", NULL, &(x)->json                                                                   \
    }
/* Opens the store, reading only for "list", and finds the workspace (the first unless told). The actor is
 * "recount <command> <word> (user@host)". OK, or the exit status of what was told. */
int audit_act_open(struct arena *a, struct audit_act *x, const char *command);
/* A write and its event: told when it is refused; the event is moved into the log. The exit status. */
int audit_act_write(struct audit_act *x, cx_body body, void *arg);
/* Text from the command line that stays: not empty, at most so many bytes of UTF-8. Told when not. */
bool audit_act_text(const char *option, struct str text, size_t max);

#endif
