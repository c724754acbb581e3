/* Percent-encoding and queries: what is decoded is text and survives encoding; the codec's reader and
 * the HTTP layer's, which takes more, agree where both accept. */
#include "base/text.h"
#include "codec/url.h"
#include "fuzz.h"
#include "http/http_priv.h"

#define FUZZ_ARENA_MAX ((size_t)64 << 20)

static bool
is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return true;
}

static void
check_decode(struct arena *a, struct str s, bool form)
{
    struct str v, w, again;
    bool ok = (form ? url_decode_form(a, s, &v) : url_decode(a, s, &v)) == OK;
    bool http_ok = percent_decode(a, s, form, &w) == OK;

    HOLDS(ok == (http_ok && is_printable(s)), "two readers judge otherwise");
    HOLDS(!http_ok || utf8_is_valid(w), "decoded to no text");
    if (!ok)
        return;
    HOLDS(str_eq(v, w), "two readers differ");
    HOLDS(url_decode(a, url_encode_in(a, v), &again) == OK && str_eq(again, v),
          "a text is lost in encoding");
}

static void
check_query(struct arena *a, struct str s)
{
    struct str rest = s, name, value, bad;
    struct http_pair *pairs;
    size_t n = 0, i = 0;
    enum err e;
    bool ok = pairs_decode(a, s, "&", QUERY_MAX, &pairs, &n, &bad) == OK;

    HOLDS(!ok || n <= QUERY_MAX, "%zu pairs", n);
    while ((e = url_query_next(a, &rest, &name, &value)) == OK) {
        if (!ok)
            continue; /* too many pairs, or a bad one behind this one */
        HOLDS(i < n && str_eq(pairs[i].name, name) && str_eq(pairs[i].value, value),
              "pair %zu differs", i);
        i++;
    }
    HOLDS(!(ok && e == ERR_END) || i == n, "a pair is lost");
}

static void
check_web(struct str s)
{
    if (!url_is_web(s))
        return;
    HOLDS(is_printable(s), "an address with a byte that breaks a line");
    HOLDS(str_ieq(str_sub(s, 0, 7), S("http://")) || str_ieq(str_sub(s, 0, 8), S("https://")),
          "another scheme");
    for (size_t i = 0; i < s.n; i++)
        HOLDS(strchr("\"'<>\\", s.p[i]) == NULL, "an address that ends an attribute");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", FUZZ_ARENA_MAX);
    struct str s = fuzz_text(data, size);

    check_decode(a, s, false);
    check_decode(a, s, true);
    check_query(a, s);
    check_web(s);
    arena_free(a);
    return 0;
}
