/* struct str: comparison, search, cutting and strict integers over views of bytes.
 * Owns nothing and allocates nothing. Does not know UTF-8: see base/text.h. */
#include "base/str.h"

#include <stdint.h>

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME  UINT64_C(1099511628211)

static unsigned char
lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool
str_ieq(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int
str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (c != 0)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

bool
str_has_prefix(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq(str_mem(s.p, prefix.n), prefix);
}

bool
str_has_suffix(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_sub(s, s.n - suffix.n, suffix.n), suffix);
}

bool
str_contains(struct str s, struct str part)
{
    if (part.n == 0)
        return true;
    return s.n >= part.n && memmem(s.p, s.n, part.p, part.n) != NULL;
}

size_t
str_index(struct str s, char c)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

    return at == NULL ? SIZE_MAX : (size_t)(at - s.p);
}

struct str
str_sub(struct str s, size_t from, size_t n)
{
    if (str_is_null(s))
        return s;
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return str_mem(s.p + from, n);
}

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str
str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    return s;
}

bool
str_cut(struct str *rest, char sep, struct str *part)
{
    size_t at;

    if (str_is_null(*rest))
        return false;
    at = str_index(*rest, sep);
    if (at == SIZE_MAX) {
        *part = *rest;
        *rest = STR_NULL;
    } else {
        *part = str_mem(rest->p, at);
        *rest = str_mem(rest->p + at + 1, rest->n - at - 1);
    }
    return true;
}

enum err
str_int64(struct str s, int64_t *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t v = 0;

    if (s.n == (negative ? 1u : 0u))
        return ERR_INVALID;
    for (size_t i = negative; i < s.n; i++) {
        int digit = s.p[i] - '0';

        if (digit < 0 || digit > 9)
            return ERR_INVALID;
        /* Counted downwards when negative, so that INT64_MIN is reached without overflow. */
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, negative ? -digit : digit, &v))
            return ERR_INVALID;
    }
    *out = v;
    return OK;
}

bool
str_eq_secret(struct str a, struct str b)
{
    volatile unsigned char diff = 0;

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        diff = (unsigned char)(diff | (a.p[i] ^ b.p[i]));
    return diff == 0;
}

uint64_t
str_hash(struct str s)
{
    uint64_t h = FNV_OFFSET;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * FNV_PRIME;
    return h;
}
