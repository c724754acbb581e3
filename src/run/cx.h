/* The context: first parameter of everything above codec. Who acts, for whom, from where, when;
 * the arena of the request; the open transaction; the error slot. It owns nothing but views. */
#ifndef RECOUNT_RUN_CX_H
#define RECOUNT_RUN_CX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"
#include "db/db.h"

struct app;

enum actor_kind {
    ACTOR_ANONYMOUS, /* nobody signed in: failed sign-ins, set-up */
    ACTOR_USER,      /* a person with a session */
    ACTOR_TOKEN,     /* a person's access token */
    ACTOR_COMMAND,   /* `recount user …`: operating-system user and host */
    ACTOR_SYSTEM,    /* a process of ours: mover, month end, unlock … */
};

struct tenant_ref {
    bool known; /* tenant 0 is the first tenant: never use the id as a truth value */
    int64_t id;
    struct str cuid;
};

struct actor {
    enum actor_kind kind;
    int64_t user_id;    /* USER, TOKEN */
    struct str cuid;    /* USER, TOKEN: the user's; SYSTEM: null */
    struct str name;    /* "First Last", or the process's or command's name */
    struct str email;   /* USER, TOKEN */
    struct str session; /* cuid of session or access token; null otherwise */
};

/* The client a request is about, for the event when it is denied. */
struct about {
    int64_t client_id; /* 0: none, or it does not exist */
    struct str client_name;
    bool hidden; /* what was asked for is kept from the caller: to him it does not exist */
};

/* One bad field of the input. */
struct field_error {
    struct str pointer; /* JSON pointer or parameter name, e.g. "/users/0/email", "limit" */
    struct str reason;
    struct field_error *next;
};

struct failure {
    enum err code;      /* OK: none */
    struct str message; /* fit for the user */
    struct str word;    /* stable code for programs, e.g. "log_unwritable"; null for the default */
    int retry_after;    /* seconds, 0: none */
    struct field_error *fields, *last_field;
    int n_fields;
};

/* The set of rights the caller holds: tenant-wide permission bits and what it holds per client. */
struct grants; /* core/permission.h */

struct cx {
    struct app *app;
    struct arena *arena;
    struct tenant_ref tenant;
    struct actor actor;
    const struct grants *grants; /* NULL: none */
    struct str address;          /* where from: last untrusted hop */
    struct str via;              /* the socket's address when different, else null */
    struct str user_agent;       /* at most 512 bytes */
    struct str request_id;
    int64_t now;      /* µs; fixed for one request; simulated only while --demo fills */
    struct db_tx *tx; /* NULL outside a transaction */
    int attempt;      /* of the job that runs, from 1; 0: no job */
    struct failure failure;
    struct about about;
};

/* Records the first failure and returns its code: `return fail(cx, ERR_CONFLICT, "…");`. Later
 * calls keep the first. The message is a sentence without a final stop is fine too; user's words. */
enum err fail(struct cx *cx, enum err code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with a stable word for programs. */
enum err fail_word(struct cx *cx, enum err code, struct str word, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Notes a bad field and returns ERR_INVALID; a decoder calls it for every bad field. The first
 * FIELDS_TOLD are told: a hostile body has as many as fit into a megabyte. */
#define FIELDS_TOLD 1000
enum err fail_field(struct cx *cx, struct str pointer, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Drops the failure (before trying something else). */
void fail_clear(struct cx *cx);

/* Runs body(cx, arg) in a write / read transaction with cx->tx set. For code outside the
 * dispatcher (commands, jobs, denials); request handlers never call these in apply. */
typedef enum err (*cx_body)(struct cx *cx, void *arg);
MUST_CHECK enum err cx_write(struct cx *cx, cx_body body, void *arg);
MUST_CHECK enum err cx_read(struct cx *cx, cx_body body, void *arg);
/* A read whose statements all see one snapshot (db_snapshot). */
MUST_CHECK enum err cx_snapshot(struct cx *cx, cx_body body, void *arg);

/* A context for a process of ours acting in a tenant (tenant may be NULL: the instance). */
struct cx cx_system(struct app *app, struct arena *a, const char *process,
                    const struct tenant_ref *tenant);

#endif
