/* Identifiers: cuid ('c' + 24 lower-case alphanumerics, time-ordered) and UUID version 4. */
#ifndef RECOUNT_BASE_ID_H
#define RECOUNT_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define CUID_LEN 25
struct cuid {
    char s[CUID_LEN + 1]; /* NUL-terminated */
};

/* A new cuid for the time `now` (µs): 9 characters of base-36 milliseconds after the 'c', then 15
 * random ones, so that byte order is time order to the millisecond. */
struct cuid cuid_new(int64_t now);
/* The same with n random bytes of the caller's, used for nothing else; CUID_RANDOM nearly always are
 * enough, what is missing comes from the kernel. */
#define CUID_RANDOM 24
struct cuid cuid_from(int64_t now, const uint8_t *random, size_t n);
bool cuid_is(struct str s);
struct str cuid_str(const struct cuid *c); /* a view of c */
struct str cuid_in(struct arena *a, int64_t now);
struct str uuid_in(struct arena *a);

#endif
