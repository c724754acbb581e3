/* Sub-commands: one a file, one row in the table of cmd.c. A command returns its exit status:
 * 0 done, 1 refused or failed (a sentence on standard error), 2 wrong usage. */
#ifndef RECOUNT_CMD_CMD_H
#define RECOUNT_CMD_CMD_H

#include <stdbool.h>

#include "base/arena.h"
#include "run/app.h"
#include "run/cx.h"

struct command {
    const char *name, *usage, *summary;
    int (*run)(struct arena *a, int argc, char **argv);
};
int cmd_main(int argc, char **argv);

int cmd_serve(struct arena *a, int argc, char **argv);
int cmd_user(struct arena *a, int argc, char **argv);
int cmd_audit(struct arena *a, int argc, char **argv);
int cmd_backup(struct arena *a, int argc, char **argv);
int cmd_keys(struct arena *a, int argc, char **argv);
int cmd_doctor(struct arena *a, int argc, char **argv);
int cmd_migrate(struct arena *a, int argc, char **argv);
int cmd_openapi(struct arena *a, int argc, char **argv);
int cmd_witness(struct arena *a, int argc, char **argv);

/* "recount audit WORD": what has a file of its own. argv begins behind the word. */
int audit_new_epoch(struct arena *a, int argc, char **argv);
int audit_verify_command(struct arena *a, int argc, char **argv);
int audit_holds_command(struct arena *a, int argc, char **argv);
int audit_erasures_command(struct arena *a, int argc, char **argv);

/* ---- options (options.c) ---- */

/* One flag of a command: "--name VALUE" or "--name=VALUE", or a switch. */
struct option_def {
    const char *name;  /* without dashes; NULL ends the table */
    struct str *value; /* a flag with a value */
    bool *is_set;      /* a switch */
};
/* Reads flags; the rest (positional words) is left in argv[0..*argc). False: wrong usage, told. */
bool options_read(struct arena *a, const struct option_def *defs, int *argc, char **argv);
/* The flags every command takes, with RECOUNT_* and DIR/recount.conf behind them. Call after
 * options_read with the same values: fills what is still null. False: told. */
bool config_finish(struct arena *a, struct config *c, struct str listen);
/* Host and port of "127.0.0.1:8080", "[::1]:8080" or ":8080". False: told. */
bool listen_read(struct arena *a, struct config *c, struct str listen);
#define CONFIG_OPTIONS(c)                                                                          \
    {"data", &(c)->data_dir, NULL}, {"keys", &(c)->keys_dir, NULL},                                \
    {                                                                                              \
        "database", &(c)->database, NULL                                                           \
    }

/* ---- opening (open.c) ---- */

struct open_want {
    bool migrate; /* bring the schema up to date (and record it) */
    bool read_only;
    bool create;       /* make data folder and keys when missing */
    bool keyless;      /* go on without keys: signatures are checked with keys given from outside */
    bool damaged;      /* verify: months that can not be opened are left out, and found damaged */
    bool accept_older; /* even when this server has signed more than the store holds */
};
/* Opens store, keys and log for a command or the server; starts no thread. False: told on stderr. */
bool app_open(struct arena *a, const struct config *c, struct open_want want, struct app **out);
void app_close(struct app *app);
/* A context for a command: the actor is "recount <words> (user@host)". tenant NULL: the first tenant
 * when there is one. */
struct cx command_cx(struct app *app, struct arena *a, const char *words);
/* The tenant with this id, for a command. */
MUST_CHECK enum err command_tenant(struct cx *cx, int64_t id);
/* Waits for SIGINT, SIGTERM or SIGHUP, which no thread lets through: call before any is started. SIGHUP is
 * "read your files again", unless it says that the terminal the process was started from is gone: then it is
 * given as SIGTERM. */
void signals_hold(void);
int signals_wait(void);
/* Prints "recount: …" on standard error; returns 1. */
int refuse(const char *fmt, ...) PRINTF_LIKE(1, 2);
int usage(const char *text);

#endif
