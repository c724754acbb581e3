/* UTF-8, base64 and hexadecimal. Owns the fold and visibility tables.
 * Does not normalise (codec/textkey.c does) and does not know scripts. */
#include "base/text.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#define REPLACEMENT 0xFFFDu

/* ---- UTF-8 ---- */

/* Decodes one code point at s[i]; returns its bytes, 0 when they are not valid UTF-8 (Unicode
 * 15, table 3-7: the second byte's range excludes overlong forms, surrogates and > U+10FFFF). */
static size_t
decode(struct str s, size_t i, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s.p + i;
    size_t left = s.n - i, len;
    unsigned char lo = 0x80, hi = 0xBF;
    uint32_t v;

    if (p[0] < 0x80) {
        *cp = p[0];
        return 1;
    }
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        len = 2;
        v = p[0] & 0x1Fu;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        len = 3;
        v = p[0] & 0x0Fu;
        if (p[0] == 0xE0)
            lo = 0xA0;
        if (p[0] == 0xED)
            hi = 0x9F;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        len = 4;
        v = p[0] & 0x07u;
        if (p[0] == 0xF0)
            lo = 0x90;
        if (p[0] == 0xF4)
            hi = 0x8F;
    } else {
        return 0;
    }
    if (left < len || p[1] < lo || p[1] > hi)
        return 0;
    v = v << 6 | (p[1] & 0x3Fu);
    for (size_t k = 2; k < len; k++) {
        if ((p[k] & 0xC0) != 0x80)
            return 0;
        v = v << 6 | (p[k] & 0x3Fu);
    }
    *cp = v;
    return len;
}

/* Eight bytes that are ASCII and none of them zero: the common case, taken in one step. */
static bool
is_plain8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return ((v | (v - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) == 0;
}

bool
utf8_is_valid(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t len;

        if (s.n - i >= 8 && is_plain8(s.p + i)) {
            i += 8;
            continue;
        }
        len = decode(s, i, &cp);
        if (len == 0 || cp == 0)
            return false;
        i += len;
    }
    return true;
}

uint32_t
utf8_next(struct str s, size_t *i)
{
    uint32_t cp;
    size_t len = decode(s, *i, &cp);

    /* Only a defect brings invalid text here; one byte at a time keeps the caller's loop sound. */
    if (len == 0) {
        (*i)++;
        return REPLACEMENT;
    }
    *i += len;
    return cp;
}

void
utf8_put(struct buf *b, uint32_t cp)
{
    char t[4];
    size_t n;

    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        cp = REPLACEMENT;
    if (cp < 0x80) {
        t[0] = (char)cp;
        n = 1;
    } else if (cp < 0x800) {
        t[0] = (char)(0xC0 | cp >> 6);
        t[1] = (char)(0x80 | (cp & 0x3F));
        n = 2;
    } else if (cp < 0x10000) {
        t[0] = (char)(0xE0 | cp >> 12);
        t[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        t[2] = (char)(0x80 | (cp & 0x3F));
        n = 3;
    } else {
        t[0] = (char)(0xF0 | cp >> 18);
        t[1] = (char)(0x80 | (cp >> 12 & 0x3F));
        t[2] = (char)(0x80 | (cp >> 6 & 0x3F));
        t[3] = (char)(0x80 | (cp & 0x3F));
        n = 4;
    }
    buf_put(b, t, n);
}

size_t
utf8_count(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

struct str
utf8_cut(struct str s, size_t max)
{
    size_t n = max;

    if (s.n <= max)
        return s;
    while (n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    return str_mem(s.p, n);
}

/* ---- case folding ---- */

/* Ranges of upper-case letters. `step` 1: every letter moves by `delta`; `step` 2: letters come in
 * pairs upper, lower, starting at `first`, and only the upper ones move. */
static const struct fold {
    uint16_t first, last;
    uint8_t step;
    int16_t delta;
} folds[] = {
    {0x00B5, 0x00B5, 1, 775}, {0x00C0, 0x00D6, 1, 32},   {0x00D8, 0x00DE, 1, 32},
    {0x0100, 0x012E, 2, 1},   {0x0130, 0x0130, 1, -199}, {0x0132, 0x0136, 2, 1},
    {0x0139, 0x0147, 2, 1},   {0x014A, 0x0176, 2, 1},    {0x0178, 0x0178, 1, -121},
    {0x0179, 0x017D, 2, 1},   {0x017F, 0x017F, 1, -268}, {0x0386, 0x0386, 1, 38},
    {0x0388, 0x038A, 1, 37},  {0x038C, 0x038C, 1, 64},   {0x038E, 0x038F, 1, 63},
    {0x0391, 0x03A1, 1, 32},  {0x03A3, 0x03AB, 1, 32},   {0x03C2, 0x03C2, 1, 1},
    {0x0400, 0x040F, 1, 80},  {0x0410, 0x042F, 1, 32},   {0x0460, 0x0480, 2, 1},
    {0x048A, 0x04BE, 2, 1},   {0x04C0, 0x04C0, 1, 15},   {0x04C1, 0x04CD, 2, 1},
    {0x04D0, 0x052E, 2, 1},
};
#define FOLD_TABLE_FIRST 0x00B5u
#define FOLD_TABLE_END   0x0530u /* code points from here on are towlower()'s */
/* Inside the table's span, but neither Latin-1, Latin Extended-A, Greek nor Cyrillic. */
#define LATIN_B_FIRST 0x0180u
#define LATIN_B_END   0x0370u

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t locale_utf8; /* (locale_t)0 when the system lacks C.UTF-8: no folding elsewhere */

static void
locale_make(void)
{
    locale_utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static uint32_t
fold_by_locale(uint32_t cp)
{
    pthread_once(&locale_once, locale_make);
    return locale_utf8 == (locale_t)0 ? cp : (uint32_t)towlower_l((wint_t)cp, locale_utf8);
}

uint32_t
utf8_fold_one(uint32_t cp)
{
    if (cp < FOLD_TABLE_FIRST)
        return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]) && folds[i].first <= cp; i++)
        if (cp <= folds[i].last)
            return (cp - folds[i].first) % folds[i].step == 0
                       ? (uint32_t)((int32_t)cp + folds[i].delta)
                       : cp;
    if (cp >= FOLD_TABLE_END || (cp >= LATIN_B_FIRST && cp < LATIN_B_END) || cp >= 0x03CF)
        return fold_by_locale(cp);
    return cp;
}

void
utf8_fold(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n;) {
        if ((unsigned char)s.p[i] < 0x80)
            buf_char(b, (char)utf8_fold_one((unsigned char)s.p[i++]));
        else
            utf8_put(b, utf8_fold_one(utf8_next(s, &i)));
    }
}

struct str
utf8_folded(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n * 4 + 16);

    utf8_fold(b, s);
    return buf_view(b);
}

/* ---- what a reader can not see ---- */

struct cp_range {
    uint32_t first, last;
};

static const struct cp_range invisible[] = {
    {0x0000, 0x001F},   {0x007F, 0x009F},   /* controls */
    {0x00AD, 0x00AD},   {0x034F, 0x034F},   /* soft hyphen, combining grapheme joiner */
    {0x061C, 0x061C},                       /* Arabic letter mark */
    {0x115F, 0x1160},   {0x17B4, 0x17B5},   /* Hangul fillers, Khmer inherent vowels */
    {0x180B, 0x180F},                       /* Mongolian selectors and vowel separator */
    {0x200B, 0x200F},   {0x2028, 0x202E},   /* zero width, separators, bidirectional */
    {0x2060, 0x206F},   {0x3164, 0x3164},   /* joiners, isolates; Hangul filler */
    {0xFE00, 0xFE0D},   {0xFEFF, 0xFEFF},   /* selectors but emoji's two; byte order mark */
    {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},   /* half-width filler; interlinear */
    {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, /* shorthand and musical format */
    {0xE0000, 0xE0FFF},                     /* tags, more selectors */
};

static bool
is_in(const struct cp_range *v, size_t n, uint32_t cp)
{
    for (size_t i = 0; i < n; i++)
        if (cp >= v[i].first && cp <= v[i].last)
            return true;
    return false;
}

bool
utf8_is_unseen(uint32_t cp)
{
    return is_in(invisible, sizeof invisible / sizeof invisible[0], cp);
}

/* Spaces beside ASCII's, and marks that join the letter before them: what looks like a letter of its
 * own can be written with them, too. */
static bool
is_space_or_mark(uint32_t cp)
{
    static const struct cp_range v[] = {
        {0x0020, 0x0020}, {0x00A0, 0x00A0}, {0x0300, 0x036F}, {0x0483, 0x0489}, {0x1680, 0x1680},
        {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x2000, 0x200A}, {0x202F, 0x202F}, {0x205F, 0x205F},
        {0x20D0, 0x20FF}, {0x3000, 0x3000}, {0x3099, 0x309A}, {0xFE0E, 0xFE0F}, {0xFE20, 0xFE2F}};

    return is_in(v, sizeof v / sizeof v[0], cp);
}

bool
text_is_plain(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp = utf8_next(s, &i);

        if (utf8_is_unseen(cp) || is_space_or_mark(cp))
            return false;
    }
    return true;
}

bool
text_is_blank(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp = utf8_next(s, &i);

        /* U+2800 is a Braille cell without a dot. */
        if (!utf8_is_unseen(cp) && !is_space_or_mark(cp) && cp != 0x2800)
            return false;
    }
    return true;
}

void
text_visible(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp = utf8_next(s, &i);

        if (utf8_is_unseen(cp))
            buf_fmt(b, "\\u{%04X}", cp);
        else
            utf8_put(b, cp);
    }
}

/* ---- base64 (RFC 4648 sections 4 and 5) ---- */

static const char standard[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char urlsafe[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void
base64_encode(struct buf *b, struct str in, const char *alphabet, bool pad)
{
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i < 3 ? in.n - i : 3;
        uint32_t v = 0;
        char t[4];

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < left ? (unsigned char)in.p[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            t[k] = k <= left ? alphabet[v >> (18 - 6 * k) & 0x3F] : '=';
        buf_put(b, t, pad ? 4 : left + 1);
    }
}

static int
base64_digit(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    return -1;
}

/* Decodes unpadded digits. Left-over bits must be zero, so that each value has one text. */
static enum err
base64_decode(struct str text, bool url, struct buf *out)
{
    size_t before = out->n;
    uint32_t v = 0;
    unsigned bits = 0;

    if (text.n % 4 == 1)
        return ERR_INVALID;
    for (size_t i = 0; i < text.n; i++) {
        int d = base64_digit(text.p[i], url);

        if (d < 0) {
            out->n = before;
            return ERR_INVALID;
        }
        v = (v << 6 | (uint32_t)d) & 0xFFFF;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_char(out, (char)(unsigned char)(v >> bits & 0xFF));
        }
    }
    if ((v & ((1u << bits) - 1)) != 0) {
        out->n = before;
        return ERR_INVALID;
    }
    return buf_failed(out) ? ERR_TOO_LARGE : OK;
}

void
base64_put(struct buf *b, struct str bytes)
{
    base64_encode(b, bytes, standard, true);
}

void
base64url_put(struct buf *b, struct str bytes)
{
    base64_encode(b, bytes, urlsafe, false);
}

enum err
base64_get(struct str text, struct buf *out)
{
    size_t pad = 0;

    if (text.n % 4 != 0)
        return ERR_INVALID;
    while (pad < 2 && text.n > pad && text.p[text.n - 1 - pad] == '=')
        pad++;
    return base64_decode(str_mem(text.p, text.n - pad), false, out);
}

enum err
base64url_get(struct str text, struct buf *out)
{
    return base64_decode(text, true, out);
}

struct str
base64url_in(struct arena *a, struct str bytes)
{
    struct buf *b = buf_in(a, bytes.n / 3 * 4 + 4);

    base64url_put(b, bytes);
    return buf_view(b);
}

/* ---- hexadecimal ---- */

static const char hex_digits[17] = "0123456789abcdef";

void
hex_put(struct buf *b, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];

        buf_char(b, hex_digits[c >> 4]);
        buf_char(b, hex_digits[c & 0x0F]);
    }
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err
hex_get(struct str text, struct buf *out)
{
    size_t before = out->n;

    if (text.n % 2 != 0)
        return ERR_INVALID;
    for (size_t i = 0; i < text.n; i += 2) {
        int hi = hex_digit(text.p[i]), lo = hex_digit(text.p[i + 1]);

        if (hi < 0 || lo < 0) {
            out->n = before;
            return ERR_INVALID;
        }
        buf_char(out, (char)(unsigned char)(hi << 4 | lo));
    }
    return buf_failed(out) ? ERR_TOO_LARGE : OK;
}

struct str
hex_in(struct arena *a, struct str bytes)
{
    char *p = arena_array(a, char, bytes.n * 2 + 1);

    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];

        p[2 * i] = hex_digits[c >> 4];
        p[2 * i + 1] = hex_digits[c & 0x0F];
    }
    return str_mem(p, bytes.n * 2);
}
