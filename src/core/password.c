/* Passwords: hashing and rules. Owns no state; where and when a hash is computed is hashing.c's. */
#include "core/password.h"

#include "base/rand.h"
#include "base/text.h"
#include "core/commonpw.h"
#include "run/app.h"

#define DISTINCT_MIN 5 /* different characters a password needs: "aaaabbbb1A!" is a pattern */

/* What an unknown name is compared with: a hash of the same cost that no password is known for. */
static const char dummy_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$cmVjb3VudC1uby11c2VyLQ$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

static enum err
busy(struct cx *cx)
{
    cx->failure.retry_after = PASSWORD_BUSY_S;
    return fail_word(cx, ERR_UNAVAILABLE, S("busy"), "Too many people are signing in. Try again.");
}

static void
run(struct cx *cx, struct hash_job *j)
{
    if (cx->tx)
        BUG("hashing a password inside a transaction");
    hashing_run(cx->app->hashing, j);
}

enum err
password_hash(struct cx *cx, struct str plain, struct str *out)
{
    struct hash_job *j = arena_new(cx->arena, struct hash_job);

    j->plain = plain;
    run(cx, j);
    if (j->result == HASH_BUSY)
        return busy(cx);
    if (j->result != HASH_MADE)
        return fail(cx, ERR_UNAVAILABLE, "There is not enough memory now. Try again.");
    *out = arena_str(cx->arena, str_of(j->made));
    return OK;
}

struct hash_job *
password_compare(struct cx *cx, struct str hash, struct str plain, enum hash_rank rank)
{
    struct hash_job *j = arena_new(cx->arena, struct hash_job);

    j->against = str_is_empty(hash) ? dummy_hash : arena_cstr(cx->arena, hash);
    j->plain = plain;
    j->rank = rank;
    return j;
}

enum err
password_compared(struct cx *cx, const struct hash_job *j, bool *match)
{
    if (j->result == HASH_BUSY)
        return busy(cx);
    *match = j->result == HASH_MATCHES && j->against != dummy_hash;
    return OK;
}

enum err
password_verify(struct cx *cx, struct str hash, struct str plain, bool *match)
{
    struct hash_job *j = password_compare(cx, hash, plain, HASH_KNOWN);

    run(cx, j);
    return password_compared(cx, j, match);
}

/* ---- rules ---- */

static bool
in_table(struct str word)
{
    uint64_t h = str_hash(word);
    size_t lo = 0, hi = commonpw_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (commonpw_hashes[mid] == h)
            return true;
        if (commonpw_hashes[mid] < h)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "p4$$w0rd" reads "password": the substitutions every cracking tool knows. */
static char
unleet(char c)
{
    static const char from[] = "01345789@$!|+", to[] = "oleastbgasilt";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : c;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The word inside: letters of the part between the first and the last letter, others dropped. */
static bool
core_is_common(struct arena *a, struct str s, bool leet)
{
    struct buf *b = buf_in(a, PASSWORD_MAX + 1);
    size_t from = 0, to = s.n;

    while (from < to && !is_letter(s.p[from]))
        from++;
    while (to > from && !is_letter(s.p[to - 1]))
        to--;
    for (size_t i = from; i < to; i++) {
        char c = lower(leet ? unleet(s.p[i]) : s.p[i]);

        if (c >= 'a' && c <= 'z')
            buf_char(b, c);
        else
            return false; /* several words or signs within: not one common word */
    }
    return b->n >= 4 && in_table(buf_view(b));
}

/* Whole password built from one short piece or one run: "abcabcabcabc", "123456789012". */
static bool
is_pattern(struct str s)
{
    bool seen[256] = {false};
    int distinct = 0;
    size_t steps = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (!seen[(uint8_t)s.p[i]]) {
            seen[(uint8_t)s.p[i]] = true;
            distinct++;
        }
        if (i > 0 && (s.p[i] - s.p[i - 1] == 1 || s.p[i - 1] - s.p[i] == 1))
            steps++;
    }
    return distinct < DISTINCT_MIN || steps + 3 >= s.n;
}

bool
password_is_common(struct arena *a, struct str plain)
{
    return is_pattern(plain) || core_is_common(a, plain, false) || core_is_common(a, plain, true);
}

static void
missing_classes(struct str plain, struct buf *why)
{
    bool low = false, up = false, digit = false, other = false;

    for (size_t i = 0; i < plain.n; i++) {
        char c = plain.p[i];

        low |= c >= 'a' && c <= 'z';
        up |= c >= 'A' && c <= 'Z';
        digit |= c >= '0' && c <= '9';
        other |= !(is_letter(c) || (c >= '0' && c <= '9'));
    }
    if (!low)
        buf_cstr(why, ", a lower case letter");
    if (!up)
        buf_cstr(why, ", an upper case letter");
    if (!digit)
        buf_cstr(why, ", a digit");
    if (!other)
        buf_cstr(why, ", a special character");
}

/* The address, or its part before the @ when that is long enough to matter. */
static bool
holds_name(struct arena *a, struct str plain, struct str email)
{
    struct str whole = utf8_folded(a, email), text = utf8_folded(a, plain);
    size_t at = str_index(whole, '@');
    struct str local = str_sub(whole, 0, at == SIZE_MAX ? whole.n : at);

    return (whole.n >= 4 && str_contains(text, whole)) ||
           (local.n >= 4 && str_contains(text, local));
}

enum err
password_check(struct cx *cx, const struct password_policy *p, struct str plain, struct str email,
               struct str pointer)
{
    struct buf *why = buf_in(cx->arena, 512);
    int min = p->min > 0 ? p->min : PASSWORD_MIN_DEFAULT;
    struct str list;

    if (plain.n > PASSWORD_MAX)
        return fail_field(cx, pointer, "is longer than %d bytes", PASSWORD_MAX);
    if (utf8_count(plain) < (size_t)min)
        buf_fmt(why, ", at least %d characters", min);
    if (p->classes)
        missing_classes(plain, why);
    list = buf_view(why);
    if (list.n > 2)
        return fail_field(cx, pointer, "needs %.*s", STR_ARG(str_sub(list, 2, list.n)));
    if (holds_name(cx->arena, plain, email))
        return fail_field(cx, pointer, "must not contain the name of the account");
    if (password_is_common(cx->arena, plain))
        return fail_field(cx, pointer, "is too common: it is a listed word or a simple pattern");
    return OK;
}

struct str
password_random(struct arena *a)
{
    static const char low[] = "abcdefghijkmnpqrstuvwxyz", up[] = "ABCDEFGHJKLMNPQRSTUVWXYZ",
                      digit[] = "23456789", sign[] = "-+=_";
    char text[20];

    for (size_t i = 0; i < sizeof text; i++) {
        switch (i % 5) {
        case 0:
            text[i] = up[rand_below(sizeof up - 1)];
            break;
        case 3:
            text[i] = digit[rand_below(sizeof digit - 1)];
            break;
        case 4:
            text[i] = i == sizeof text - 1 ? digit[rand_below(sizeof digit - 1)]
                                           : sign[rand_below(sizeof sign - 1)];
            break;
        default:
            text[i] = low[rand_below(sizeof low - 1)];
        }
    }
    return arena_str(a, str_mem(text, sizeof text));
}
