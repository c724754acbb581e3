/* The strict JSON reader (RFC 8259): text to a tree in an arena, and numbers out of the tree.
 * Owns nothing beyond a parse. The writer is codec/json_write.c. */
#include "codec/json.h"

#include <math.h>
#include <stdlib.h>

#include "base/text.h"

#define FEW_MEMBERS 12 /* up to here doubled keys are looked for pair by pair */
#define NUMBER_MAX                                                                                 \
    1024 /* bytes of one: others' readers have limits, too (Python's: 4,300 digits) */
#define EXPONENT_LIMIT 1000000000 /* beyond any text's length; keeps the sums from overflowing */

struct reader {
    struct arena *a;
    struct str text;
    size_t at;
    int depth;
    const char *why; /* set at the first failure */
    size_t where;
};

static enum err read_value(struct reader *r, struct json *v);

static enum err
fail_at(struct reader *r, size_t where, const char *why)
{
    r->where = where;
    r->why = why;
    return ERR_INVALID;
}

static void
skip_space(struct reader *r)
{
    while (r->at < r->text.n) {
        char c = r->text.p[r->at];

        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return;
        r->at++;
    }
}

/* The byte at the reading position, 0 at the end. */
static char
peek(const struct reader *r)
{
    return r->at < r->text.n ? r->text.p[r->at] : '\0';
}

static bool
take(struct reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->at++;
    return true;
}

/* ---- strings ---- */

static enum err
read_hex4(struct reader *r, uint32_t *out)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++) {
        char c = peek(r);
        uint32_t d;

        if (c >= '0' && c <= '9')
            d = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            d = (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            d = (uint32_t)(c - 'A' + 10);
        else
            return fail_at(r, r->at, "four hexadecimal digits expected");
        v = v << 4 | d;
        r->at++;
    }
    *out = v;
    return OK;
}

/* Behind "\u": one code point, of two escapes when it is a surrogate pair. */
static enum err
read_unicode(struct reader *r, uint32_t *out)
{
    size_t start = r->at - 2;
    uint32_t hi, lo;

    TRY(read_hex4(r, &hi));
    if (hi == 0)
        return fail_at(r, start, "U+0000 is not accepted");
    if (hi >= 0xDC00 && hi <= 0xDFFF)
        return fail_at(r, start, "lone surrogate");
    if (hi >= 0xD800 && hi <= 0xDBFF) {
        if (!take(r, '\\') || !take(r, 'u'))
            return fail_at(r, start, "lone surrogate");
        TRY(read_hex4(r, &lo));
        if (lo < 0xDC00 || lo > 0xDFFF)
            return fail_at(r, start, "lone surrogate");
        hi = 0x10000 + ((hi - 0xD800) << 10) + (lo - 0xDC00);
    }
    *out = hi;
    return OK;
}

static enum err
read_escape(struct reader *r, struct buf *b)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = peek(r);
    const char *known = c == '\0' ? NULL : strchr(from, c);
    uint32_t cp;

    if (known != NULL) {
        buf_char(b, to[known - from]);
        r->at++;
        return OK;
    }
    if (c != 'u')
        return fail_at(r, r->at - 1, "unknown escape");
    r->at++;
    TRY(read_unicode(r, &cp));
    utf8_put(b, cp);
    return OK;
}

/* Moves over plain bytes to the next quote or backslash. */
static enum err
skip_plain(struct reader *r)
{
    for (; r->at < r->text.n; r->at++) {
        unsigned char c = (unsigned char)r->text.p[r->at];

        if (c == '"' || c == '\\')
            return OK;
        if (c < 0x20)
            return fail_at(r, r->at, "control character in a string");
    }
    return fail_at(r, r->at, "string without an end");
}

static enum err
read_escaped(struct reader *r, size_t start, struct str *out)
{
    struct buf b;
    enum err e = OK;

    buf_init(&b, r->text.n);
    buf_put(&b, r->text.p + start, r->at - start);
    while (e == OK && !take(r, '"')) {
        size_t from = r->at;

        if (take(r, '\\')) {
            e = read_escape(r, &b);
        } else {
            e = skip_plain(r);
            buf_put(&b, r->text.p + from, r->at - from);
        }
    }
    if (e == OK)
        *out = arena_str(r->a, buf_view(&b));
    buf_free(&b);
    return e;
}

/* At the opening quote. The whole text was found to be valid UTF-8 before. */
static enum err
read_string(struct reader *r, struct str *out)
{
    size_t start = ++r->at;

    TRY(skip_plain(r));
    if (peek(r) == '\\')
        return read_escaped(r, start, out);
    *out = str_mem(r->text.p + start, r->at - start);
    r->at++;
    return OK;
}

/* ---- numbers and words ---- */

static bool
skip_digits(struct reader *r)
{
    size_t start = r->at;

    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > start;
}

static enum err
read_number(struct reader *r, struct json *v)
{
    size_t start = r->at;

    take(r, '-');
    if (!take(r, '0') && !skip_digits(r))
        return fail_at(r, start, "value expected");
    if (take(r, '.') && !skip_digits(r))
        return fail_at(r, r->at, "digit expected behind the point");
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        if (!skip_digits(r))
            return fail_at(r, r->at, "digit expected in the exponent");
    }
    if (r->at - start > NUMBER_MAX)
        return fail_at(r, start, "too long a number");
    v->type = JSON_NUMBER;
    v->text = str_mem(r->text.p + start, r->at - start);
    return OK;
}

static enum err
read_word(struct reader *r, struct str word, struct json *v, enum json_type type, bool truth)
{
    if (!str_has_prefix(str_sub(r->text, r->at, r->text.n), word))
        return fail_at(r, r->at, "value expected");
    r->at += word.n;
    v->type = type;
    v->boolean = truth;
    return OK;
}

/* ---- arrays and objects ---- */

static void
append(struct json *parent, struct json **last, struct json *child)
{
    if (*last == NULL)
        parent->first = child;
    else
        (*last)->next = child;
    *last = child;
    parent->count++;
}

static enum err
read_array(struct reader *r, struct json *v)
{
    struct json *last = NULL;

    v->type = JSON_ARRAY;
    r->at++;
    skip_space(r);
    if (take(r, ']'))
        return OK;
    for (;;) {
        struct json *child = arena_new(r->a, struct json);

        TRY(read_value(r, child));
        append(v, &last, child);
        skip_space(r);
        if (take(r, ']'))
            return OK;
        if (!take(r, ','))
            return fail_at(r, r->at, "',' or ']' expected");
    }
}

static int
compare_keys(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorts beyond a few members: pair by pair, a hostile object would cost the square of its size. */
static bool
has_doubled_key(const struct json *o)
{
    struct str *keys;
    size_t n = 0;
    bool found = false;

    if (o->count <= FEW_MEMBERS) {
        for (const struct json *m = o->first; m != NULL; m = m->next)
            for (const struct json *k = m->next; k != NULL; k = k->next)
                if (str_eq(m->key, k->key))
                    return true;
        return false;
    }
    keys = calloc(o->count, sizeof(*keys));
    if (keys == NULL)
        BUG("out of memory for %zu keys", o->count);
    for (const struct json *m = o->first; m != NULL; m = m->next)
        keys[n++] = m->key;
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < n && !found; i++)
        found = str_eq(keys[i - 1], keys[i]);
    free(keys);
    return found;
}

static enum err
read_member(struct reader *r, struct json *child)
{
    skip_space(r);
    if (peek(r) != '"')
        return fail_at(r, r->at, "member name in double quotes expected");
    TRY(read_string(r, &child->key));
    skip_space(r);
    if (!take(r, ':'))
        return fail_at(r, r->at, "':' expected");
    return read_value(r, child);
}

static enum err
read_object(struct reader *r, struct json *v)
{
    struct json *last = NULL;
    size_t start = r->at++;

    v->type = JSON_OBJECT;
    skip_space(r);
    if (take(r, '}'))
        return OK;
    for (;;) {
        struct json *child = arena_new(r->a, struct json);

        TRY(read_member(r, child));
        append(v, &last, child);
        skip_space(r);
        if (take(r, '}'))
            break;
        if (!take(r, ','))
            return fail_at(r, r->at, "',' or '}' expected");
    }
    return has_doubled_key(v) ? fail_at(r, start, "the same member twice in this object") : OK;
}

static enum err
read_value(struct reader *r, struct json *v)
{
    enum err e;

    skip_space(r);
    switch (peek(r)) {
    case '{':
    case '[':
        if (r->depth == JSON_DEPTH)
            return fail_at(r, r->at, "too many levels");
        r->depth++;
        e = peek(r) == '{' ? read_object(r, v) : read_array(r, v);
        r->depth--;
        return e;
    case '"':
        v->type = JSON_STRING;
        return read_string(r, &v->text);
    case 't':
        return read_word(r, S("true"), v, JSON_BOOL, true);
    case 'f':
        return read_word(r, S("false"), v, JSON_BOOL, false);
    case 'n':
        return read_word(r, S("null"), v, JSON_NULL, false);
    default:
        return read_number(r, v);
    }
}

/* Offset of the first byte that is not valid UTF-8 or is U+0000; text.n when there is none. */
static size_t
first_invalid(struct str text)
{
    size_t i = 0;

    if (utf8_is_valid(text))
        return text.n;
    while (i < text.n) {
        size_t from = i;
        uint32_t cp = utf8_next(text, &i);

        if (cp == 0 || !utf8_is_valid(str_mem(text.p + from, i - from)))
            return from;
    }
    return i;
}

enum err
json_parse(struct arena *a, struct str text, struct json **out, size_t *where, const char **why)
{
    struct reader r = {.a = a, .text = text};
    struct json *root = arena_new(a, struct json);
    size_t invalid = first_invalid(text);
    enum err e;

    if (invalid < text.n)
        e = fail_at(&r, invalid, "invalid UTF-8 or U+0000");
    else
        e = read_value(&r, root);
    if (e == OK) {
        skip_space(&r);
        if (r.at < text.n)
            e = fail_at(&r, r.at, "text behind the value");
    }
    if (e != OK) {
        *where = r.where;
        *why = r.why;
        return e;
    }
    *out = root;
    return OK;
}

/* ---- looking into the tree ---- */

const struct json *
json_get(const struct json *o, struct str key)
{
    if (!json_is(o, JSON_OBJECT))
        return NULL;
    for (const struct json *m = o->first; m != NULL; m = m->next)
        if (str_eq(m->key, key))
            return m;
    return NULL;
}

bool
json_is(const struct json *v, enum json_type type)
{
    return v != NULL && v->type == type;
}

/* The value of an exponent's digits, clamped to ±EXPONENT_LIMIT. */
static int64_t
exponent_of(struct str s)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    int64_t v = 0;

    for (size_t i = s.n > 0 && (negative || s.p[0] == '+'); i < s.n && v < EXPONENT_LIMIT; i++)
        v = v * 10 + (s.p[i] - '0');
    if (v > EXPONENT_LIMIT)
        v = EXPONENT_LIMIT;
    return negative ? -v : v;
}

/* Takes the digits one by one with the zeros between them held back, so that zeros at the end,
 * before and behind the point, only move the exponent. */
struct decimal {
    int64_t value; /* counted downwards, to reach INT64_MIN */
    int64_t zeros; /* held back */
    int64_t exponent;
    bool overflow;
};

static void
decimal_digit(struct decimal *d, int digit)
{
    if (digit == 0) {
        d->zeros += d->value != 0;
        return;
    }
    for (; d->zeros > 0 && !d->overflow; d->zeros--)
        d->overflow = __builtin_mul_overflow(d->value, 10, &d->value);
    d->zeros = 0;
    if (d->overflow || __builtin_mul_overflow(d->value, 10, &d->value) ||
        __builtin_sub_overflow(d->value, digit, &d->value))
        d->overflow = true;
}

enum err
json_int64(const struct json *v, int64_t *out)
{
    struct decimal d = {0};
    bool negative, fraction = false;
    struct str s;

    if (!json_is(v, JSON_NUMBER))
        return ERR_INVALID;
    s = v->text;
    negative = s.n > 0 && s.p[0] == '-';
    for (size_t i = negative; i < s.n; i++) {
        if (s.p[i] == 'e' || s.p[i] == 'E') {
            d.exponent += exponent_of(str_sub(s, i + 1, s.n));
            break;
        }
        if (s.p[i] == '.') {
            fraction = true;
            continue;
        }
        d.exponent -= fraction;
        decimal_digit(&d, s.p[i] - '0');
    }
    if (d.overflow)
        return ERR_INVALID;
    d.exponent += d.zeros;
    if (d.value == 0) {
        *out = 0;
        return OK;
    }
    if (d.exponent < 0)
        return ERR_INVALID;
    for (; d.exponent > 0; d.exponent--)
        if (__builtin_mul_overflow(d.value, 10, &d.value))
            return ERR_INVALID;
    if (!negative && __builtin_sub_overflow(0, d.value, &d.value))
        return ERR_INVALID;
    *out = d.value;
    return OK;
}

enum err
json_double(const struct json *v, double *out)
{
    char small[64], *text = small;
    double d;

    if (!json_is(v, JSON_NUMBER))
        return ERR_INVALID;
    /* strtod wants a NUL behind the digits. The process never calls setlocale: '.' is the point. */
    if (v->text.n >= sizeof(small)) {
        text = malloc(v->text.n + 1);
        if (text == NULL)
            BUG("out of memory for a number");
    }
    memcpy(text, v->text.p, v->text.n);
    text[v->text.n] = '\0';
    d = strtod(text, NULL);
    if (text != small)
        free(text);
    if (!isfinite(d))
        return ERR_INVALID;
    *out = d;
    return OK;
}
