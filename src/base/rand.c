/* Randomness: straight from getrandom(2). Keeps no pool, so a fork can never repeat bytes. */
#include "base/rand.h"

#include <errno.h>
#include <sys/random.h>

#include "base/err.h"

void
rand_bytes(void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0) {
            if (errno == EINTR)
                continue;
            BUG("the kernel gives no random bytes");
        }
        at += got;
        n -= (size_t)got;
    }
}

uint64_t
rand_u64(void)
{
    uint64_t v;

    rand_bytes(&v, sizeof(v));
    return v;
}

uint64_t
rand_below(uint64_t n)
{
    uint64_t v, skip;

    if (n == 0)
        BUG("rand_below(0)");
    /* 2^64 mod n values at the bottom are thrown away, so that every rest is equally likely. */
    skip = -n % n;
    do {
        v = rand_u64();
    } while (v < skip);
    return v % n;
}
