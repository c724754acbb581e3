/* Percent-encoding (RFC 3986), strict. Owns nothing. Resolves no references and no names. */
#include "codec/url.h"

#include "base/text.h"

static bool
is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* ASCII without controls and space; whether char is signed must not matter. */
static bool
is_printable(char c)
{
    unsigned char u = (unsigned char)c;

    return u > 0x20 && u < 0x7F;
}

void
url_encode(struct buf *b, struct str s)
{
    static const char digits[] = "0123456789ABCDEF"; /* upper case: RFC 3986 section 2.1 */

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (is_unreserved(s.p[i])) {
            buf_char(b, s.p[i]);
        } else {
            buf_char(b, '%');
            buf_char(b, digits[c >> 4]);
            buf_char(b, digits[c & 0x0F]);
        }
    }
}

struct str
url_encode_in(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n * 3);

    url_encode(b, s);
    return buf_view(b);
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

static enum err
decode(struct arena *a, struct str s, bool form, struct str *out)
{
    char *p = arena_array(a, char, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!is_printable(c))
            return ERR_INVALID;
        if (c == '%') {
            int hi, lo;

            if (s.n - i < 3 || (hi = hex_digit(s.p[i + 1])) < 0 || (lo = hex_digit(s.p[i + 2])) < 0)
                return ERR_INVALID;
            c = (char)(unsigned char)(hi << 4 | lo);
            i += 2;
        } else if (c == '+' && form) {
            c = ' ';
        }
        p[n++] = c;
    }
    if (!utf8_is_valid(str_mem(p, n)))
        return ERR_INVALID;
    *out = str_mem(p, n);
    return OK;
}

enum err
url_decode(struct arena *a, struct str s, struct str *out)
{
    return decode(a, s, false, out);
}

enum err
url_decode_form(struct arena *a, struct str s, struct str *out)
{
    return decode(a, s, true, out);
}

enum err
url_query_next(struct arena *a, struct str *query, struct str *name, struct str *value)
{
    struct str part, k, v = S("");
    size_t at;

    do {
        if (!str_cut(query, '&', &part))
            return ERR_END;
    } while (part.n == 0);
    at = str_index(part, '=');
    TRY(url_decode_form(a, str_sub(part, 0, at), &k));
    if (at != SIZE_MAX)
        TRY(url_decode_form(a, str_sub(part, at + 1, part.n), &v));
    *name = k;
    *value = v;
    return OK;
}

bool
url_is_web(struct str s)
{
    struct str host;
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        if (!is_printable(s.p[i]) || strchr("\"'<>\\^`{|}", s.p[i]) != NULL)
            return false;
    if (str_ieq(str_sub(s, 0, 8), S("https://")))
        host = str_sub(s, 8, s.n);
    else if (str_ieq(str_sub(s, 0, 7), S("http://")))
        host = str_sub(s, 7, s.n);
    else
        return false;
    while (n < host.n && strchr("/?#", host.p[n]) == NULL)
        n++;
    return n > 0 && host.p[0] != ':' && str_index(str_sub(host, 0, n), '@') == SIZE_MAX;
}
