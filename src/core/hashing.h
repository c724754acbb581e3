/* The threads that compute Argon2id: few, of low priority, with bounded waiting rooms before them.
 * A hash takes 10 ms of a core and 19 MiB, and strangers may ask for it: so no more of them run at
 * once than leave a core for everyone else, and who waits for one holds no worker.
 *
 * A job and what it points to belong to the caller and must live until done() was called. */
#ifndef RECOUNT_CORE_HASHING_H
#define RECOUNT_CORE_HASHING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* Who is hashed first; each rank has a waiting room of its own. */
enum hash_rank {
    HASH_KNOWN, /* signed in, a valid link, a browser that has signed in before */
    HASH_FRESH, /* neither the address nor the name has failed of late */
    HASH_REST,
    HASH_RANKS
};

enum hash_result {
    HASH_BUSY, /* the room was full, or the turn did not come in time: nothing was computed */
    HASH_NO_MEMORY,
    HASH_DIFFERS,
    HASH_MATCHES,
    HASH_MADE
};

#define HASH_TEXT_MAX 128 /* bytes of an encoded hash, NUL included */

struct hash_job {
    const char *against; /* encoded hash to compare with; NULL: make one */
    struct str plain;
    enum hash_rank rank;
    void (*done)(void *arg); /* on a hashing thread, as its last act for the job */
    void *arg;
    enum hash_result result;
    char made[HASH_TEXT_MAX];
    struct hash_job *next; /* hashing.c's */
    int64_t since;
};

struct hashing;

/* Starts `threads` threads; `holders` callers of hashing_run() may wait at once (they hold workers). Stopped with the
 * arena. NULL when no thread starts. */
struct hashing *hashing_start(struct arena *a, int threads, int holders);
/* As many threads as leave a core free, and no more than fit in memory (19 MiB each). */
int hashing_threads(void);
/* Queues the job and returns; when its room is full done() is called at once, by the caller. */
void hashing_submit(struct hashing *h, struct hash_job *job);
/* Computes the job and returns: on a hashing thread, or here when h is NULL (commands). */
void hashing_run(struct hashing *h, struct hash_job *job);

struct hashing_stats {
    int64_t computed, refused;
    int waiting;
};
void hashing_stats(struct hashing *h, struct hashing_stats *out);

#endif
