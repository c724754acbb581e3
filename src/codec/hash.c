/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104) over OpenSSL's EVP.
 * Owns the fetched algorithm (once a process) and one digest context a thread: fetching and
 * allocating for each hash costs more than hashing a short text. */
#include "codec/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#define SHA256_BLOCK 64 /* bytes */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_context;
static EVP_MD *algorithm;

static void
context_free(void *ptr)
{
    EVP_MD_CTX_free(ptr);
}

static void
set_up(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (algorithm == NULL || pthread_key_create(&thread_context, context_free) != 0)
        BUG("OpenSSL offers no SHA-256");
}

static EVP_MD_CTX *
context(void)
{
    EVP_MD_CTX *c;

    pthread_once(&once, set_up);
    c = pthread_getspecific(thread_context);
    if (c == NULL) {
        c = EVP_MD_CTX_new();
        if (c == NULL || pthread_setspecific(thread_context, c) != 0)
            BUG("out of memory for a digest context");
    }
    return c;
}

struct sha256
sha256_parts(const struct str *parts, size_t n)
{
    EVP_MD_CTX *c = context();
    struct sha256 h;
    int good = EVP_DigestInit_ex2(c, algorithm, NULL);

    for (size_t i = 0; i < n && good == 1; i++)
        if (parts[i].n > 0)
            good = EVP_DigestUpdate(c, parts[i].p, parts[i].n);
    if (good != 1 || EVP_DigestFinal_ex(c, h.b, NULL) != 1)
        BUG("SHA-256 failed");
    return h;
}

struct sha256
sha256_of(struct str bytes)
{
    return sha256_parts(&bytes, 1);
}

struct sha256
hmac_sha256(struct str key, struct str bytes)
{
    uint8_t inner[SHA256_BLOCK] = {0}, outer[SHA256_BLOCK];
    struct sha256 h;

    if (key.n > SHA256_BLOCK) {
        h = sha256_of(key);
        memcpy(inner, h.b, SHA256_LEN);
    } else if (key.n > 0) {
        memcpy(inner, key.p, key.n);
    }
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    h = sha256_parts((struct str[]){str_mem(inner, SHA256_BLOCK), bytes}, 2);
    h = sha256_parts((struct str[]){str_mem(outer, SHA256_BLOCK), sha256_str(&h)}, 2);
    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
    return h;
}
