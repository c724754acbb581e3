/* Shared by cosign.c (which witnesses there are) and cosign_send.c (asking one). */
#ifndef RECOUNT_OUT_COSIGN_PRIV_H
#define RECOUNT_OUT_COSIGN_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "out/cosign.h"
#include "run/app.h"

/* Until when something is not tried again. The thread's own. */
struct cosign_pause {
    struct log_id log; /* of a refusal */
    int64_t next;      /* monotonic µs: not before; 0: nothing is kept */
    int n;             /* failures in a row */
};

struct cosign_sender {
    struct cosign_set *set;
    struct policy_witness w;
    struct str vkey, url; /* url: with the call's name; null: it is not asked */
    pthread_t thread;
    bool runs;
    struct out_http *http;
    struct cosign_pause down;
    struct cosign_pause *refused; /* COSIGN_SLOTS */
};
#define COSIGN_SLOTS 512 /* logs whose refusal is remembered; more overwrite each other */

/* What one reading of the file gave, and the threads that go by it. */
struct cosign_set {
    struct cosign *all;
    struct arena *arena;
    struct str text; /* null: no file */
    struct policy *policy;
    struct cosign_sender sender[COSIGN_WITNESSES_MAX];
    size_t n;
    const struct note_key *logs; /* none: all */
    size_t n_logs;
    int64_t loaded_at;
    atomic_bool stop;
};

struct cosign {
    struct app *app;
    struct str process; /* a name of this one among the servers of a store */
    audit_witness_tell tell;
    pthread_t keeper;
    bool runs;
    bool behind; /* what the log was last told of the policy is not compared yet: the keeper's */
    atomic_bool hurry;
    struct sha256 candidate, refused_hash; /* the keeper's: seen once; refused already */
    pthread_mutex_t lock;                  /* what follows is also read by requests */
    struct cosign_set *now;
    struct arena *refused_arena;
    struct str refused;
    int64_t refused_at;
    pthread_mutex_t turn_lock;
    int64_t turn_until; /* monotonic µs */
};

/* The text of the policy that the log was last told of; null: of none. */
MUST_CHECK enum err cosign_known_read(struct cx *cx, struct str *text);
/* Inside cx->tx, with the event that tells of it: *told is a change of that event. */
MUST_CHECK enum err cosign_known_write(struct cx *cx, struct str text, struct audit_change *told);

/* One thread a witness, for those that have an address. */
void cosign_set_start(struct cosign_set *s);
void cosign_set_stop(struct cosign_set *s);

#endif
