/* The head of a request: strict reading of what the library parsed. Fills struct http_request and
 * refuses what two readers could understand differently (RFC 9112, sections 3.2, 6.1, 6.3 and
 * 11.2). Touches no body. NUL bytes, folded lines and bare LF are resolved by the library before we
 * can see them, and a header without a name (": x") ends the head for it: what follows is read as a
 * body or a next request. A proxy in front must refuse such heads, as the common ones do. */
#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "http/http_priv.h"

#define NOT_ENCODED "is no percent-encoded UTF-8 text"

struct head {
    struct rq *r;
    int status; /* 0: fine so far */
    const char *why;
    int n_host, n_length, n_coding;
    struct str host, length, coding, expect;
};

/* Also the part that is wrong and what is wrong with it: the name of a header or of a parameter, or the
 * address, its path or its query. */
static void
refuse_part(struct head *h, int status, const char *why, struct str part, const char *reason)
{
    if (h->status != 0)
        return; /* the first reason is the one told */
    h->status = status;
    h->why = why;
    h->r->bad_field = part;
    h->r->bad_reason = reason;
}

static void
refuse(struct head *h, int status, const char *why, struct str part)
{
    refuse_part(h, status, why, part, why);
}

/* tchar of RFC 9110, section 5.6.2 */
static bool
is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');

        if (!alnum && (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return s.n > 0;
}

static bool
is_field_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return utf8_is_valid(s);
}

static bool
is_host(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');

        if (!alnum && (c == 0 || strchr(".-_:[]", c) == NULL))
            return false;
    }
    return s.n > 0 && s.n <= 255 + 6;
}

/* --- percent encoding ------------------------------------------------------------------------- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'f')
        return (c | 32) - 'a' + 10;
    return -1;
}

enum err
percent_decode(struct arena *a, struct str in, bool form, struct str *out)
{
    char *p;
    size_t n = 0;

    if (str_index(in, '%') == SIZE_MAX && !(form && str_index(in, '+') != SIZE_MAX)) {
        if (!utf8_is_valid(in))
            return ERR_INVALID;
        *out = str_mem(in.p ? in.p : "", in.n);
        return OK;
    }
    p = arena_array(a, char, in.n + 1);
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '%') {
            int hi = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
            int lo = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return ERR_INVALID;
            p[n++] = (char)(hi << 4 | lo);
            i += 2;
        } else {
            p[n++] = form && in.p[i] == '+' ? ' ' : in.p[i];
        }
    }
    if (!utf8_is_valid(str_mem(p, n)))
        return ERR_INVALID;
    *out = str_mem(p, n);
    return OK;
}

static bool
is_sep(char c, const char *seps)
{
    return c != '\0' && strchr(seps, c) != NULL;
}

enum err
pairs_decode(struct arena *a, struct str in, const char *seps, size_t max, struct http_pair **out,
             size_t *n, struct str *bad)
{
    size_t count = in.n > 0 ? 1 : 0, used = 0, from = 0;
    struct http_pair *list;

    for (size_t i = 0; i < in.n; i++)
        count += is_sep(in.p[i], seps);
    if (count > max)
        return ERR_TOO_LARGE;
    list = arena_array(a, struct http_pair, count);
    for (size_t i = 0; i <= in.n && in.n > 0; i++) {
        struct str pair, name;

        *bad = STR_NULL;
        if (i < in.n && !is_sep(in.p[i], seps))
            continue;
        pair = str_mem(in.p + from, i - from);
        from = i + 1;
        if (pair.n == 0)
            continue;
        name = str_sub(pair, 0, str_index(pair, '='));
        TRY(percent_decode(a, name, true, &list[used].name));
        *bad = list[used].name;
        TRY(percent_decode(a, str_sub(pair, name.n + 1, SIZE_MAX), true, &list[used].value));
        used++;
    }
    *out = list;
    *n = used;
    return OK;
}

/* --- the target ------------------------------------------------------------------------------- */

/* No empty or dot segment, no control byte, no backslash: nothing that a proxy, a log or a file
 * system could read as another path. A final '/' is allowed. */
static bool
is_plain_path(struct str path)
{
    size_t from = 1;

    if (path.n == 0 || path.p[0] != '/')
        return false;
    for (size_t i = 1; i <= path.n; i++) {
        struct str seg;

        if (i < path.n &&
            ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f || path.p[i] == '\\'))
            return false;
        if (i < path.n && path.p[i] != '/')
            continue;
        seg = str_mem(path.p + from, i - from);
        if ((seg.n == 0 && i < path.n) || str_eq(seg, S(".")) || str_eq(seg, S("..")))
            return false;
        from = i + 1;
    }
    return true;
}

/* A slash hidden as %2F would move the borders of segments after decoding. */
static bool
has_hidden_slash(struct str raw)
{
    for (size_t i = 0; i + 2 < raw.n; i++)
        if (raw.p[i] == '%' && raw.p[i + 1] == '2' && (raw.p[i + 2] | 32) == 'f')
            return true;
    return false;
}

static struct str
strip_authority(struct head *h, struct str target)
{
    size_t skip = str_ieq(str_sub(target, 0, 7), S("http://"))    ? 7
                  : str_ieq(str_sub(target, 0, 8), S("https://")) ? 8
                                                                  : 0;
    struct str rest = str_sub(target, skip, SIZE_MAX);
    size_t slash = str_index(rest, '/');

    if (skip == 0)
        return target;
    h->host = str_sub(rest, 0, slash); /* RFC 9112, 3.2.2: the target's authority wins */
    return slash == SIZE_MAX ? S("/") : str_sub(rest, slash, SIZE_MAX);
}

/* NULL: it is fine. */
static const char *
read_path(struct head *h, struct str raw)
{
    struct http_request *q = &h->r->pub;

    if (has_hidden_slash(raw))
        return "hides a slash as %2F";
    if (percent_decode(q->arena, raw, false, &q->path) != OK)
        return NOT_ENCODED;
    return is_plain_path(q->path)
               ? NULL
               : "holds an empty segment, a dot segment, a backslash or a control character";
}

static void
read_query(struct head *h, struct str text)
{
    struct http_request *q = &h->r->pub;
    struct str bad = STR_NULL;
    enum err e = pairs_decode(q->arena, text, "&?", QUERY_MAX, &q->query, &q->n_query, &bad);

    if (e == ERR_TOO_LARGE)
        refuse_part(h, 400, "the query is malformed", S("query"), "holds too many parameters");
    else if (e != OK)
        refuse_part(h, 400, "the query is malformed", str_is_null(bad) ? S("query") : bad,
                    NOT_ENCODED);
}

static void
read_target(struct head *h)
{
    struct http_request *q = &h->r->pub;
    struct str t = h->r->target, raw;
    const char *wrong;

    if (t.n > URI_MAX) {
        refuse(h, 414, "the address is too long", S("address"));
        return;
    }
    for (size_t i = 0; i < t.n; i++)
        if ((unsigned char)t.p[i] <= 0x20 || (unsigned char)t.p[i] >= 0x7f || t.p[i] == '#') {
            refuse(h, 400, "the address holds a byte that must be encoded", S("address"));
            return;
        }
    t = strip_authority(h, t);
    if (!str_is_null(h->host) && !is_host(h->host)) { /* the target's own, unlike the header's */
        refuse(h, 400, "the Host is malformed", S("address"));
        return;
    }
    raw = str_sub(t, 0, str_index(t, '?'));
    if (str_eq(raw, S("*")) && q->method == HTTP_OPTIONS) {
        q->path = S("*");
        return;
    }
    wrong = read_path(h, raw);
    if (wrong)
        refuse_part(h, 400, "the path is malformed", S("path"), wrong);
    else if (raw.n < t.n)
        read_query(h, str_sub(t, raw.n + 1, SIZE_MAX));
}

/* --- headers ---------------------------------------------------------------------------------- */

/* Of two credentials or two types a proxy may read one and we the other (RFC 9110, 5.3 lets only lists
 * stand in several lines). */
static void
check_single(struct head *h, struct str name)
{
    const struct http_request *q = &h->r->pub;

    if (!str_eq(name, S("authorization")) && !str_eq(name, S("content-type")))
        return;
    for (size_t i = 0; i + 1 < q->n_headers; i++) {
        if (str_eq(q->headers[i].name, name))
            refuse(h, 400, "Authorization or Content-Type is given twice", name);
    }
}

static void
note_header(struct head *h, struct str name, struct str value)
{
    if (str_eq(name, S("host"))) {
        h->n_host++;
        h->host = value;
    } else if (str_eq(name, S("content-length"))) {
        h->n_length++;
        h->length = value;
    } else if (str_eq(name, S("transfer-encoding"))) {
        h->n_coding++;
        h->coding = value;
    } else if (str_eq(name, S("expect"))) {
        h->expect = value;
    }
}

static enum MHD_Result
take_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
            size_t value_n)
{
    struct head *h = cls;
    struct http_request *q = &h->r->pub;
    struct str v = str_trim(str_mem(value ? value : "", value_n));
    char *lower;

    (void)kind;
    if (q->n_headers == HEADERS_MAX) {
        refuse(h, 431, "too many headers", S("headers"));
        return MHD_NO;
    }
    if (!is_token(str_mem(name, name_n)) || !is_field_value(v)) {
        refuse(h, 400, "a header is malformed",
               is_token(str_mem(name, name_n)) ? arena_str(q->arena, str_mem(name, name_n))
                                               : S("headers"));
        return MHD_NO;
    }
    lower = arena_cstr(q->arena, str_mem(name, name_n));
    for (size_t i = 0; i < name_n; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] | 32);
    q->headers[q->n_headers++] = (struct http_pair){str_mem(lower, name_n), arena_str(q->arena, v)};
    note_header(h, str_mem(lower, name_n), q->headers[q->n_headers - 1].value);
    check_single(h, str_mem(lower, name_n));
    return MHD_YES;
}

static void
check_length(struct head *h)
{
    int64_t n = 0;

    if (h->n_length + h->n_coding > 1) {
        refuse(h, 400, "the length of the body is given twice", S("content-length"));
    } else if (h->n_coding == 1) {
        h->r->content_length = -1;
        if (h->r->http10 || !str_ieq(h->coding, S("chunked")))
            refuse(h, 400, "this transfer encoding is not understood", S("transfer-encoding"));
    } else if (h->n_length == 1) {
        for (size_t i = 0; i < h->length.n; i++)
            if (h->length.p[i] < '0' || h->length.p[i] > '9')
                refuse(h, 400, "the content length is malformed", S("content-length"));
        if (str_int64(h->length, &n) != OK)
            refuse(h, 400, "the content length is malformed", S("content-length"));
        h->r->content_length = n;
    }
}

static void
check_host(struct head *h)
{
    if (h->n_host > 1 || (h->n_host == 0 && !h->r->http10))
        refuse(h, 400, "exactly one Host is needed", S("host"));
    if (h->n_host == 1 && !is_host(h->host))
        refuse(h, 400, "the Host is malformed", S("host"));
    if (!str_is_null(h->expect) && !str_ieq(h->expect, S("100-continue")))
        refuse(h, 417, "this expectation can not be met", S("expect"));
}

static void
read_method(struct head *h, const char *method)
{
    static const struct {
        struct str name;
        enum http_method method;
    } known[] = {
        {{"GET", 3}, HTTP_GET},         {{"HEAD", 4}, HTTP_HEAD},   {{"POST", 4}, HTTP_POST},
        {{"PUT", 3}, HTTP_PUT},         {{"PATCH", 5}, HTTP_PATCH}, {{"DELETE", 6}, HTTP_DELETE},
        {{"OPTIONS", 7}, HTTP_OPTIONS},
    };
    struct http_request *q = &h->r->pub;

    q->method_name = arena_str(q->arena, str_of(method));
    q->method = HTTP_OTHER;
    if (!is_token(q->method_name) || q->method_name.n > 32)
        refuse(h, 400, "the method is malformed", S("method"));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (str_eq(q->method_name, known[i].name))
            q->method = known[i].method;
    q->head = q->method == HTTP_HEAD;
    if (q->head)
        q->method = HTTP_GET; /* the body is dropped on the way out */
}

/* --- addresses -------------------------------------------------------------------------------- */

/* All X-Forwarded-For lines are one list, in order (RFC 9110, section 5.3). */
static struct str
forwarded_list(const struct http_request *q)
{
    struct str all = STR_NULL;

    for (size_t i = 0; i < q->n_headers; i++) {
        struct str v = q->headers[i].value;

        if (!str_eq(q->headers[i].name, S("x-forwarded-for")))
            continue;
        all = all.n == 0 ? v : arena_fmt(q->arena, "%.*s,%.*s", STR_ARG(all), STR_ARG(v));
    }
    return all;
}

static void
read_address(struct rq *r)
{
    struct http_request *q = &r->pub;
    struct ip peer = r->conn->peer, client;

    q->address = ip_text(q->arena, peer);
    q->tls = r->server->o.tls_cert.n > 0;
    if (!r->conn->trusted)
        return;
    if (str_ieq(http_header(q, S("x-forwarded-proto")), S("https")))
        q->tls = true;
    client = address_forwarded(&r->server->trusted, forwarded_list(q), peer);
    if (!ip_eq(client, peer)) {
        q->via = q->address;
        q->address = ip_text(q->arena, client);
    }
}

int
request_read(struct rq *r, const char *method, const char *version, const char **why)
{
    struct http_request *q = &r->pub;
    struct head h = {.r = r};
    int n;

    q->request_id = cuid_in(q->arena, clock_now());
    r->http10 = strcmp(version, "HTTP/1.0") == 0;
    if (!r->http10 && strcmp(version, "HTTP/1.1") != 0)
        refuse(&h, 505, "only HTTP/1.1 is spoken here", S("version"));
    n = MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, NULL, NULL);
    if (n > HEADERS_MAX)
        n = HEADERS_MAX;
    q->headers = arena_array(q->arena, struct http_pair, (size_t)(n > 0 ? n : 0));
    MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, take_header, &h);
    read_method(&h, method);
    if (h.status == 0)
        check_host(&h);
    if (h.status == 0)
        check_length(&h);
    if (h.status == 0)
        read_target(&h);
    q->host = h.host;
    read_address(r);
    *why = h.why;
    return h.status;
}

/* --- look-ups --------------------------------------------------------------------------------- */

static struct str
find(const struct http_pair *list, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i].name, name))
            return list[i].value;
    return STR_NULL;
}

struct str
http_header(const struct http_request *r, struct str lower_name)
{
    return find(r->headers, r->n_headers, lower_name);
}

struct str
http_query(const struct http_request *r, struct str name)
{
    return find(r->query, r->n_query, name);
}

/* Tags have no commas in them here; weak ones count like strong ones (RFC 9110 13.1.2). */
bool
http_has_version(const struct http_request *r, struct str etag)
{
    struct str list = http_header(r, S("if-none-match")), tag;

    while (str_cut(&list, ',', &tag)) {
        tag = str_trim(tag);
        if (str_has_prefix(tag, S("W/")))
            tag = str_sub(tag, 2, SIZE_MAX);
        if (str_eq(tag, etag) || str_eq(tag, S("*")))
            return true;
    }
    return false;
}

/* The first of that name, in the order sent (RFC 6265, section 5.4); quotes are not removed. */
struct str
http_cookie(const struct http_request *r, struct str name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        struct str rest = r->headers[i].value, part;

        if (!str_eq(r->headers[i].name, S("cookie")))
            continue;
        while (str_cut(&rest, ';', &part)) {
            size_t eq;

            part = str_trim(part);
            eq = str_index(part, '=');
            if (eq != SIZE_MAX && str_eq(str_sub(part, 0, eq), name))
                return str_sub(part, eq + 1, SIZE_MAX);
        }
    }
    return STR_NULL;
}
