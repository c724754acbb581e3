/* SHA-256 and HMAC-SHA-256 over OpenSSL's EVP (the algorithm is fetched once). */
#ifndef RECOUNT_CODEC_HASH_H
#define RECOUNT_CODEC_HASH_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define SHA256_LEN 32
struct sha256 {
    uint8_t b[SHA256_LEN];
};

struct sha256 sha256_of(struct str bytes);
/* SHA-256 of the concatenation of n pieces. */
struct sha256 sha256_parts(const struct str *parts, size_t n);
struct sha256 hmac_sha256(struct str key, struct str bytes);
/* A digest made piece by piece; the run lives in the arena. */
struct sha256_run;
struct sha256_run *sha256_begin(struct arena *a);
void sha256_more(struct sha256_run *r, struct str bytes);
struct str sha256_end_hex(struct arena *a, struct sha256_run *r);

static inline struct str
sha256_str(const struct sha256 *h)
{
    return str_mem(h->b, SHA256_LEN);
}

#endif
