/* SHA-256 of bytes that come piece by piece (exports). The OpenSSL context is tied to the arena. */
#include <openssl/evp.h>

#include "base/text.h"
#include "codec/hash.h"

struct sha256_run {
    EVP_MD_CTX *ctx;
};

static void
run_free(void *p)
{
    struct sha256_run *r = p;

    EVP_MD_CTX_free(r->ctx);
}

struct sha256_run *
sha256_begin(struct arena *a)
{
    struct sha256_run *r = arena_new(a, struct sha256_run);

    r->ctx = EVP_MD_CTX_new();
    if (!r->ctx || EVP_DigestInit_ex(r->ctx, EVP_sha256(), NULL) != 1)
        BUG("SHA-256 is not available");
    arena_defer(a, run_free, r);
    return r;
}

void
sha256_more(struct sha256_run *r, struct str bytes)
{
    if (bytes.n && EVP_DigestUpdate(r->ctx, bytes.p, bytes.n) != 1)
        BUG("SHA-256 failed");
}

struct str
sha256_end_hex(struct arena *a, struct sha256_run *r)
{
    struct sha256 h;

    if (EVP_DigestFinal_ex(r->ctx, h.b, NULL) != 1)
        BUG("SHA-256 failed");
    return hex_in(a, sha256_str(&h));
}
