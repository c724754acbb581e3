/* Identifiers: time-ordered cuids and random UUIDs. Keeps no counter: uniqueness is the 77 random
 * bits of a cuid and the 122 of a UUID, order is the millisecond. */
#include "base/id.h"

#include "base/clock.h"
#include "base/rand.h"

#define TIME_DIGITS 9
#define BASE        36

static const char digits[BASE + 1] = "0123456789abcdefghijklmnopqrstuvwxyz";

/* From the pool, and from the kernel when that is used up. */
static void
random_digits(char *p, size_t n, const uint8_t *pool, size_t have)
{
    uint8_t own[32];
    size_t at = 0;

    while (n > 0) {
        if (at == have) {
            rand_bytes(own, sizeof(own));
            pool = own;
            have = sizeof(own);
            at = 0;
        }
        /* 252 = 7 * 36: the four bytes above would make some digits likelier. */
        if (pool[at] < 252) {
            *p++ = digits[pool[at] % BASE];
            n--;
        }
        at++;
    }
}

struct cuid
cuid_from(int64_t now, const uint8_t *random, size_t n)
{
    struct cuid c = {{0}};
    uint64_t ms = now < 0 ? 0 : (uint64_t)(now / USEC_PER_MS);

    c.s[0] = 'c';
    for (int i = TIME_DIGITS; i >= 1; i--, ms /= BASE)
        c.s[i] = digits[ms % BASE];
    random_digits(c.s + 1 + TIME_DIGITS, CUID_LEN - 1 - TIME_DIGITS, random, n);
    return c;
}

struct cuid
cuid_new(int64_t now)
{
    return cuid_from(now, NULL, 0);
}

bool
cuid_is(struct str s)
{
    if (s.n != CUID_LEN || s.p[0] != 'c')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'z')))
            return false;
    return true;
}

struct str
cuid_str(const struct cuid *c)
{
    return str_mem(c->s, CUID_LEN);
}

struct str
cuid_in(struct arena *a, int64_t now)
{
    struct cuid c = cuid_new(now);

    return arena_str(a, cuid_str(&c));
}

struct str
uuid_in(struct arena *a)
{
    uint8_t b[16];

    rand_bytes(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 9562 section 5.4: version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* and the variant */
    return arena_fmt(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                     b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
                     b[12], b[13], b[14], b[15]);
}
