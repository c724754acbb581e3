/* Time: the two clocks, proleptic Gregorian civil dates, months, and strict ISO 8601.
 * Owns nothing. Knows no time zone but UTC and the offset written in a text. */
#include "base/clock.h"

#include <time.h>

#define DAYS_PER_ERA  146097 /* 400 Gregorian years */
#define DAYS_TO_EPOCH 719468 /* from 0000-03-01 to 1970-01-01 */
#define YEAR_MIN      1970
#define YEAR_MAX      9999

static int64_t
read_clock(clockid_t id)
{
    struct timespec ts;

    if (clock_gettime(id, &ts) != 0)
        BUG("clock_gettime failed");
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

int64_t
clock_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t
clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_since_boot(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of a civil date. Years are counted from March, so that the leap day is the
 * last of its year (the well-known "days from civil" algorithm). */
static int64_t
days_of(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = floor_div(y, 400);
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * DAYS_PER_ERA + yoe * 365 + yoe / 4 - yoe / 100 + doy - DAYS_TO_EPOCH;
}

struct civil
civil_of(int64_t t)
{
    int64_t days = floor_div(t, USEC_PER_DAY);
    int64_t rest = t % USEC_PER_DAY + (t % USEC_PER_DAY < 0 ? USEC_PER_DAY : 0);
    int64_t z = days + DAYS_TO_EPOCH;
    int64_t era = floor_div(z, DAYS_PER_ERA);
    int64_t doe = z - era * DAYS_PER_ERA;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);

    return (struct civil){
        .year = (int)(yoe + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .hour = (int)(rest / USEC_PER_HOUR),
        .minute = (int)(rest / USEC_PER_MIN % 60),
        .second = (int)(rest / USEC_PER_SEC % 60),
        .usec = (int)(rest % USEC_PER_SEC),
    };
}

int64_t
civil_to(struct civil c)
{
    return days_of(c.year, c.month, c.day) * USEC_PER_DAY + c.hour * USEC_PER_HOUR +
           c.minute * USEC_PER_MIN + c.second * USEC_PER_SEC + c.usec;
}

int32_t
month_ordinal(int64_t t)
{
    struct civil c = civil_of(t);

    return c.year * 12 + c.month - 1;
}

int64_t
month_ordinal_start(int32_t ordinal)
{
    int64_t year = floor_div(ordinal, 12);

    return days_of((int)year, (int)(ordinal - year * 12) + 1, 1) * USEC_PER_DAY;
}

int64_t
month_start(int64_t t, int delta)
{
    return month_ordinal_start(month_ordinal(t) + delta);
}

struct str
time_iso(struct arena *a, int64_t t)
{
    struct civil c = civil_of(t);

    return arena_fmt(a, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day, c.hour,
                     c.minute, c.second, c.usec / 1000);
}

/* Takes exactly n digits off s, within [lo, hi]. */
static bool
take_digits(struct str *s, size_t n, int lo, int hi, int *out)
{
    int v = 0;

    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *s = str_sub(*s, n, s->n);
    *out = v;
    return v >= lo && v <= hi;
}

static bool
take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

static int
days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* ".123456789": 1 to 9 digits; what is finer than a microsecond is cut off. */
static bool
take_fraction(struct str *s, int *usec)
{
    int unit = 100000;
    size_t n = 0;

    for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++, unit /= 10)
        *usec += (s->p[n] - '0') * unit;
    *s = str_sub(*s, n, s->n);
    return n >= 1 && n <= 9;
}

/* "Z" or "±hh:mm"; the offset east of UTC in minutes. */
static bool
take_zone(struct str *s, int *minutes)
{
    int sign, h, m;

    if (take_char(s, 'Z')) {
        *minutes = 0;
        return true;
    }
    if (take_char(s, '+'))
        sign = 1;
    else if (take_char(s, '-'))
        sign = -1;
    else
        return false;
    if (!take_digits(s, 2, 0, 23, &h) || !take_char(s, ':') || !take_digits(s, 2, 0, 59, &m))
        return false;
    *minutes = sign * (h * 60 + m);
    return true;
}

static bool
take_date(struct str *s, struct civil *c)
{
    return take_digits(s, 4, YEAR_MIN, YEAR_MAX, &c->year) && take_char(s, '-') &&
           take_digits(s, 2, 1, 12, &c->month) && take_char(s, '-') &&
           take_digits(s, 2, 1, days_in_month(c->year, c->month), &c->day);
}

enum err
time_parse_iso(struct str s, int64_t *out)
{
    struct civil c = {0};
    int zone = 0;
    int64_t t;

    if (!take_date(&s, &c))
        return ERR_INVALID;
    if (s.n > 0) {
        if (!take_char(&s, 'T') || !take_digits(&s, 2, 0, 23, &c.hour) || !take_char(&s, ':') ||
            !take_digits(&s, 2, 0, 59, &c.minute) || !take_char(&s, ':') ||
            !take_digits(&s, 2, 0, 59, &c.second))
            return ERR_INVALID;
        if (take_char(&s, '.') && !take_fraction(&s, &c.usec))
            return ERR_INVALID;
        if (!take_zone(&s, &zone) || s.n > 0)
            return ERR_INVALID;
    }
    t = civil_to(c) - zone * USEC_PER_MIN;
    /* An offset may carry the instant over either end of the range. */
    if (t < 0 || t >= days_of(YEAR_MAX + 1, 1, 1) * USEC_PER_DAY)
        return ERR_INVALID;
    *out = t;
    return OK;
}
