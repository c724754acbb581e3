/* The process: what is set before threads start and shared by all of them afterwards. */
#ifndef RECOUNT_RUN_APP_H
#define RECOUNT_RUN_APP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "db/db.h"

struct audit;     /* audit/audit.h */
struct cx;        /* run/cx.h */
struct bus;       /* run/bus.h */
struct keys;      /* run/keys.h */
struct jobs;      /* run/jobs.h */
struct limits;    /* core/limits.h: in-memory counters of authentication */
struct hashing;   /* core/hashing.h: the threads that hash passwords */
struct cosign;    /* out/cosign.h */
struct selfcheck; /* core/selfcheck.h */

struct config {
    struct str data_dir;
    struct str keys_dir;
    struct str database; /* "sqlite" or postgres://… */
    struct str listen_host;
    int listen_port;
    struct str tls_cert, tls_key; /* null: plain */
    struct str public_url;        /* no trailing slash; null: derived from listen */
    struct str trusted_proxies;   /* comma-separated CIDRs */
    bool demo;
    int workers;
    int check_pause; /* seconds between two checks of the log by the server itself */
};

struct app {
    struct arena *arena; /* process lifetime */
    struct config config;
    struct db *db;
    struct audit *audit;
    struct bus *bus;
    struct keys *keys;
    struct jobs *jobs;
    struct limits *limits;       /* NULL: nobody signs in (commands) */
    struct hashing *hashing;     /* NULL: hashed by whoever asks (commands) */
    struct cosign *cosign;       /* NULL: no witness is asked (commands) */
    struct selfcheck *selfcheck; /* NULL: none runs (commands) */
    struct str instance;         /* cuid of the installation */
    int64_t started;
    atomic_bool stopping;
    /* Set when the process is opened (cmd/open.c): covers the writes of the job runner, which needs no event (run may not
     * include audit, which lies above it). */
    void (*cover_job)(struct cx *cx);
    bool coverage_abort;   /* debug builds: an uncovered change aborts instead of failing */
    int64_t simulated_now; /* only while --demo fills an empty folder; 0 otherwise */
};

/* Now, or the simulated time while the demonstration is being recorded. */
int64_t app_now(const struct app *app);

#endif
