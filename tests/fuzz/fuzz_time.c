/* Dates and times: what is read as ISO 8601 is inside the range and, written, is read as the same
 * instant (to the millisecond we write). The first eight bytes as any instant survive civil time. */
#include "base/clock.h"
#include "fuzz.h"

#define LAST INT64_C(253402300800000000) /* µs: the start of the year 10000 */

static void
check_read(struct arena *a, int64_t t)
{
    struct str text = time_iso(a, t);
    int64_t again;

    HOLDS(t >= 0 && t < LAST, "outside the range");
    HOLDS(time_parse_iso(text, &again) == OK, "what we wrote is refused");
    HOLDS(again == t - t % USEC_PER_MS, "another instant after writing and reading");
    HOLDS(month_start(t, 0) <= t && month_start(t, 1) > t, "outside its month");
}

static void
check_civil(int64_t t)
{
    struct civil c = civil_of(t);

    /* Within some thousand years the way back is exact; records may hold any number. */
    if (t > -LAST && t < LAST)
        HOLDS(civil_to(c) == t, "civil time loses an instant");
    HOLDS(c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= 31 && c.hour >= 0 &&
              c.hour <= 23 && c.minute >= 0 && c.minute <= 59 && c.second >= 0 && c.second <= 59 &&
              c.usec >= 0 && c.usec < USEC_PER_SEC,
          "no civil time");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", (size_t)1 << 20);
    int64_t t = INT64_MIN, any = 0;

    if (time_parse_iso(fuzz_text(data, size), &t) == OK)
        check_read(a, t);
    else
        HOLDS(t == INT64_MIN, "a refused text left an instant");
    if (size >= sizeof any)
        memcpy(&any, data, sizeof any);
    check_civil(any);
    check_civil(any % LAST); /* both signs: before 1970 too */
    arena_free(a);
    return 0;
}
