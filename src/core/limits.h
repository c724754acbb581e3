/* Counters of failed authentications, in memory and bounded: per address (network) and per
 * submitted name, whether or not such a name exists. They are asked before any password is hashed
 * and refuse existing and unknown names alike.
 *
 * Keys are hashes; nothing typed is kept. When the table is full the oldest entry of a slot makes
 * way: memory stays constant under any flood. Thread-safe. */
#ifndef RECOUNT_CORE_LIMITS_H
#define RECOUNT_CORE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct limits;

enum limit_kind {
    LIMIT_ADDRESS, /* failed authentications of a network, per minute */
    LIMIT_NAME,    /* failures of a submitted name within the lockout window */
    LIMIT_DEVICE,  /* failures of a name on a browser that has signed in before */
    LIMIT_MAIL,    /* forgotten-password mails per account and per address, per hour */
    LIMIT_KINDS
};

struct limits *limits_create(struct arena *a);
/* Seeds of the slots; two keys with the same text differ by kind. */

/* Failures noted within the `window` (µs) before `now`. */
int limits_count(struct limits *l, enum limit_kind k, struct str key, int64_t window, int64_t now);
/* Notes one and returns the new count. */
int limits_note(struct limits *l, enum limit_kind k, struct str key, int64_t window, int64_t now);
/* Forgets the key (success, unlock). */
void limits_clear(struct limits *l, enum limit_kind k, struct str key);
/* Locks the key until a time, and asks for it (0: not locked). */
void limits_lock(struct limits *l, enum limit_kind k, struct str key, int64_t until, int64_t now);
int64_t limits_locked(struct limits *l, enum limit_kind k, struct str key, int64_t now);

/* The gate before Argon2: at most a fixed number of hashes run at once and a bounded number wait.
 * Known-good callers (no recent failure of their address) pass before the others and have a queue
 * of their own. False when the queue is full: nothing was taken, refuse with 503. */
bool limits_hash_enter(struct limits *l, bool preferred);
void limits_hash_leave(struct limits *l);
/* At most `running` hashes at once and `waiting` waiters of each class. Before threads start. */
void limits_set_hashes(struct limits *l, int running, int waiting);

#endif
