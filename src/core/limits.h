/* Counters of failed authentications, in memory and bounded: per address (network) and per
 * submitted name, whether or not such a name exists. They are asked before any password is hashed
 * and refuse existing and unknown names alike. Anybody can make keys here, so they stay out of the
 * store; the lock of an existing name and what fails on a known browser are kept there (device.h).
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
    LIMIT_DEVICE, /* the same on a browser that has signed in before, while the store can not count */
    LIMIT_TURNED, /* sign-ins of a network that found the waiting room full */
    LIMIT_MAIL,   /* forgotten-password mails per account and per address, per hour */
    LIMIT_KINDS
};

/* A sliding window out of two fixed ones: the share of the previous one that still lies within it
 * counts as if it had come evenly. A plain value, also for counters kept elsewhere (device.h). */
struct limit_window {
    int64_t start, count, previous; /* of the running window, and of the one before */
    int64_t length;                 /* µs */
};
void limit_window_roll(struct limit_window *w, int64_t length, int64_t now);
int limit_window_count(const struct limit_window *w, int64_t now);

/* Two keys with the same text differ by kind. */
struct limits *limits_create(struct arena *a);

/* Failures noted within the `window` (µs) before `now`. */
int limits_count(struct limits *l, enum limit_kind k, struct str key, int64_t window, int64_t now);
/* Notes one and returns the new count. */
int limits_note(struct limits *l, enum limit_kind k, struct str key, int64_t window, int64_t now);
/* Forgets the key (success, unlock). */
void limits_clear(struct limits *l, enum limit_kind k, struct str key);
/* Locks the key until a time, and asks for it (0: not locked). */
void limits_lock(struct limits *l, enum limit_kind k, struct str key, int64_t until, int64_t now);
int64_t limits_locked(struct limits *l, enum limit_kind k, struct str key, int64_t now);
/* When a lock that holds was put on the key; INT64_MAX: none holds. */
int64_t limits_locked_at(struct limits *l, enum limit_kind k, struct str key, int64_t now);

#endif
