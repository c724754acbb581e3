/* Time: int64 microseconds since 1970-01-01 UTC everywhere inside; text only at the border. */
#ifndef RECOUNT_BASE_CLOCK_H
#define RECOUNT_BASE_CLOCK_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

#define USEC_PER_MS   INT64_C(1000)
#define USEC_PER_SEC  INT64_C(1000000)
#define USEC_PER_MIN  (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (3600 * USEC_PER_SEC)
#define USEC_PER_DAY  (86400 * USEC_PER_SEC)

int64_t clock_now(void);       /* wall clock, µs since the epoch */
int64_t clock_monotonic(void); /* µs since an arbitrary point, never stepping */

int64_t clock_since_boot(void); /* µs since the machine started, sleep included, never stepping */

struct civil {
    int year, month, day;     /* month 1..12, day 1..31 */
    int hour, minute, second; /* UTC */
    int usec;
};
struct civil civil_of(int64_t t);
int64_t civil_to(struct civil c);

/* Start (µs) of the month `delta` months from the month that holds t. */
int64_t month_start(int64_t t, int delta);
/* Year * 12 + month - 1: an ordinal for months. */
int32_t month_ordinal(int64_t t);
int64_t month_ordinal_start(int32_t ordinal);

/* "2026-11-23T10:21:11.123Z" (milliseconds) in the arena. */
struct str time_iso(struct arena *a, int64_t t);
/* Strict ISO 8601: date, or date and time with optional fraction and Z or ±hh:mm; a date alone is
 * its first instant in UTC. Years 1970 to 9999. ERR_INVALID otherwise. */
MUST_CHECK enum err time_parse_iso(struct str s, int64_t *out);

#endif
