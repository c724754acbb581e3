/* The key directory (mode 0700): random keys made at first start, equal on all servers.
 *
 * sign.key can be rotated: the key before it is kept as sign-old-N.key (N grows: the highest is the newest). Until the
 * store knows of the new key it lies in sign-new.key; the store's fingerprint says which of the two is right, so a
 * process that dies in the middle leaves nothing undecided. Every process holds a shared lock on the directory while it
 * lives; who changes files in it holds it alone. */
#ifndef RECOUNT_RUN_KEYS_H
#define RECOUNT_RUN_KEYS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

#define KEYS_SETTING "instance.keys" /* setting of the installation: the fingerprint of its keys */
#define KEYS_OLD_MAX 8 /* old signing keys that are read; older files are left alone */
#define KEYS_SIGNERS 2 /* the key of today and the newest old one sign together */

struct keys {
    struct str token;       /* 32 bytes: HMAC key of session tokens */
    struct str secret;      /* 32 bytes: secretbox key for secrets at rest (TOTP, SMTP password) */
    struct str blind;       /* 32 bytes: keyed hashes in the log (unknown names) */
    struct str device;      /* 32 bytes: device cookies */
    struct str sign_seed;   /* 32 bytes: Ed25519 seed of the log's signing key */
    struct str fingerprint; /* hex SHA-256 over the five keys above; kept in the store */
    struct str old[KEYS_OLD_MAX]; /* seeds that signed before, newest first */
    int old_number[KEYS_OLD_MAX]; /* N of their files */
    size_t n_old;
    struct str next;             /* seed of a rotation that is not finished; null: there is none */
    struct str next_fingerprint; /* of the set with it */
    int dir;                     /* the directory, locked as above; closed with the arena */
};

/* Reads the directory, makes it and missing keys with mode 0700/0600 when `create`. */
MUST_CHECK enum err keys_open(struct arena *a, struct str dir, bool create, struct keys **out,
                              struct str *why);
/* One such key: a file of 32 bytes in the open directory, made of random ones (mode 0600, durable)
 * when `create` and it is missing. The caller wipes it. */
MUST_CHECK enum err key_read(struct arena *a, int dir, const char *name, bool create,
                             struct str *out);
/* The fingerprint of the set with another signing key. */
struct str keys_fingerprint(struct arena *a, const struct keys *k, struct str sign_seed);

/* ---- rotation of sign.key ---- */

/* Makes the next key, durable in sign-new.key, and holds the directory alone from here on. ERR_CONFLICT: another
 * process uses the keys; ERR_IO. The sentence is in *why, the key in k->next. */
MUST_CHECK enum err keys_rotate_begin(struct arena *a, struct keys *k, struct str *why);
/* Ends a rotation, the running one or one that was left half-way: with `next` (the store knows the next key) it becomes
 * sign.key and the key before it the newest old one, else it is removed. The files are left as they are while another
 * process uses the directory, which chooses by the same fingerprint. May be repeated after a crash at any point. */
MUST_CHECK enum err keys_rotate_end(struct arena *a, struct keys *k, bool next);

/* secretbox with a fresh nonce in front; text in the arena. */
struct str keys_seal(struct arena *a, const struct keys *k, struct str plain);
MUST_CHECK enum err keys_unseal(struct arena *a, const struct keys *k, struct str sealed,
                                struct str *plain);

#endif
