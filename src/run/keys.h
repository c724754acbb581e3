/* The key directory (mode 0700): random keys made at first start, equal on all servers. */
#ifndef RECOUNT_RUN_KEYS_H
#define RECOUNT_RUN_KEYS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

struct keys {
    struct str token;       /* 32 bytes: HMAC key of session tokens */
    struct str secret;      /* 32 bytes: secretbox key for secrets at rest (TOTP, SMTP password) */
    struct str blind;       /* 32 bytes: keyed hashes in the log (unknown names) */
    struct str device;      /* 32 bytes: device cookies */
    struct str sign_seed;   /* 32 bytes: Ed25519 seed of the log's signing key */
    struct str fingerprint; /* hex SHA-256 over all public fingerprints; kept in the store */
};

/* Reads the directory, makes it and missing keys with mode 0700/0600 when `create`. */
MUST_CHECK enum err keys_open(struct arena *a, struct str dir, bool create, struct keys **out,
                              struct str *why);
/* One such key: a file of 32 bytes in the open directory, made of random ones (mode 0600, durable)
 * when `create` and it is missing. The caller wipes it. */
MUST_CHECK enum err key_read(struct arena *a, int dir, const char *name, bool create,
                             struct str *out);
/* secretbox with a fresh nonce in front; text in the arena. */
struct str keys_seal(struct arena *a, const struct keys *k, struct str plain);
MUST_CHECK enum err keys_unseal(struct arena *a, const struct keys *k, struct str sealed,
                                struct str *plain);

#endif
