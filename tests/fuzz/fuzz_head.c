/* The head of a request, as libmicrohttpd gives it to us: the first line "METHOD TARGET VERSION", then
 * "name:value" lines. The library's look-up of headers is replaced by one that reads these lines, so
 * that no socket is needed. What passes has one reading only: a plain path, lower-case names, one
 * length, one valid host; and asked for again by its decoded path and query it is the same. */
#include "base/text.h"
#include "codec/url.h"
#include "fuzz.h"
#include "http/http_priv.h"

#define FUZZ_ARENA_MAX ((size_t)64 << 20)
#define LINES_MAX      (HEADERS_MAX + 20)

static struct http_pair lines[LINES_MAX];
static int n_lines;

/* Takes the place of the library's function in this program. */
int
MHD_get_connection_values_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                            MHD_KeyValueIteratorN iterator, void *cls)
{
    (void)connection;
    for (int i = 0; iterator != NULL && i < n_lines; i++)
        if (iterator(cls, kind, lines[i].name.p, lines[i].name.n, lines[i].value.p,
                     lines[i].value.n) == MHD_NO)
            break;
    return n_lines;
}

static void
take_lines(struct arena *a, struct str rest)
{
    struct str line, name;

    n_lines = 0;
    while (n_lines < LINES_MAX && str_cut(&rest, '\n', &line)) {
        if (!str_cut(&line, ':', &name))
            continue;
        /* The library's strings end in NUL. */
        lines[n_lines++] = (struct http_pair){str_of(arena_cstr(a, name)), arena_str(a, line)};
    }
}

static bool
is_among(struct str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
              (c != '\0' && strchr(more, c) != NULL)))
            return false;
    }
    return s.n > 0;
}

static void
check_path(struct str path)
{
    struct str rest = path, seg;

    HOLDS(path.p[0] == '/' && utf8_is_valid(path), "a path that is no text");
    HOLDS(!str_contains(path, S("//")) && str_index(path, '\\') == SIZE_MAX, "two readings");
    for (size_t i = 0; i < path.n; i++)
        HOLDS((unsigned char)path.p[i] >= ' ' && path.p[i] != 0x7f, "a control byte in the path");
    while (str_cut(&rest, '/', &seg))
        HOLDS(!str_eq(seg, S(".")) && !str_eq(seg, S("..")), "a path that climbs");
}

static void
check_headers(const struct http_request *q)
{
    HOLDS(q->n_headers <= HEADERS_MAX, "%zu headers", q->n_headers);
    for (size_t i = 0; i < q->n_headers; i++) {
        struct str name = q->headers[i].name, value = q->headers[i].value;

        HOLDS(is_among(name, "!#$%&'*+-.^_`|~") && utf8_is_valid(value), "a malformed header");
        for (size_t k = 0; k < name.n; k++)
            HOLDS(name.p[k] < 'A' || name.p[k] > 'Z', "an upper-case name");
        for (size_t k = 0; k < value.n; k++)
            HOLDS((unsigned char)value.p[k] >= ' ' || value.p[k] == '\t', "a control byte");
    }
}

static size_t
count(const struct http_request *q, struct str name)
{
    size_t n = 0;

    for (size_t i = 0; i < q->n_headers; i++)
        n += str_eq(q->headers[i].name, name);
    return n;
}

/* A tag is found where it stands, whole, and nowhere else. */
static void
check_versions(const struct http_request *q)
{
    struct str tag = S("\"00ff\""), list = http_header(q, S("if-none-match"));
    bool has = http_has_version(q, tag);

    HOLDS(!has || str_contains(list, tag) || str_contains(list, S("*")), "a tag nobody named");
    HOLDS(has || !str_eq(str_trim(list), tag), "a tag that was named");
}

static void
check_accepted(const struct rq *r)
{
    const struct http_request *q = &r->pub;
    size_t lengths = count(q, S("content-length")), codings = count(q, S("transfer-encoding"));

    if (!str_eq(q->path, S("*")))
        check_path(q->path);
    check_headers(q);
    HOLDS(count(q, S("host")) == 1 || r->http10, "not one Host");
    HOLDS(q->host.n == 0 ? r->http10 && count(q, S("host")) == 0 : is_among(q->host, ".-_:[]"),
          "a malformed host");
    HOLDS(lengths + codings <= 1, "two lengths");
    HOLDS(codings == 1 ? r->content_length == -1 : r->content_length >= 0, "no length");
    HOLDS(q->n_query <= QUERY_MAX, "%zu pairs", q->n_query);
    for (size_t i = 0; i < q->n_query; i++)
        HOLDS(utf8_is_valid(q->query[i].name) && utf8_is_valid(q->query[i].value), "no text");
    HOLDS(q->address.n > 0 && utf8_is_valid(q->address), "no address");
    check_versions(q);
}

static int
read_head(struct arena *a, struct http_server *s, struct conn *c, struct rq *r, struct str method,
          struct str target, struct str version)
{
    const char *why = NULL;
    int status;

    *r = (struct rq){.server = s, .conn = c, .fd = -1, .target = target};
    r->pub.arena = a;
    status = request_read(r, arena_cstr(a, method), arena_cstr(a, version), &why);
    HOLDS(status == 0 ? why == NULL : why != NULL, "no reason for %d", status);
    HOLDS(status == 0 || status == 400 || status == 414 || status == 417 || status == 431 ||
              status == 505,
          "status %d", status);
    return status;
}

/* The target written from what was understood of it. */
static struct str
target_of(struct arena *a, const struct http_request *q)
{
    struct buf *b = buf_in(a, (size_t)256 << 10);
    struct str rest = q->path, seg;
    bool first = true;

    for (; str_cut(&rest, '/', &seg); first = false) {
        buf_cstr(b, first ? "" : "/");
        url_encode(b, seg);
    }
    for (size_t i = 0; i < q->n_query; i++) {
        buf_cstr(b, i > 0 ? "&" : "?");
        url_encode(b, q->query[i].name);
        buf_char(b, '=');
        url_encode(b, q->query[i].value);
    }
    return buf_view(b);
}

static void
compare(const struct http_request *x, const struct http_request *y)
{
    HOLDS(str_eq(x->path, y->path) && x->method == y->method, "another path");
    HOLDS(x->n_query == y->n_query && x->n_headers == y->n_headers, "another number of pairs");
    for (size_t i = 0; i < x->n_query; i++)
        HOLDS(str_eq(x->query[i].name, y->query[i].name) &&
                  str_eq(x->query[i].value, y->query[i].value),
              "pair %zu is another one", i);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", FUZZ_ARENA_MAX);
    struct cidr proxies[] = {{{{10}, 32}, 8}};
    struct http_server s = {.trusted = {proxies, 1}};
    struct conn c = {.server = &s, .peer = {{10, 0, 0, 1}, 32}, .trusted = true};
    struct str rest = fuzz_text(data, size), first = STR_NULL, method = STR_NULL, target;
    struct rq r, again;

    str_cut(&rest, '\n', &first);
    take_lines(a, rest);
    str_cut(&first, ' ', &method);
    if (str_cut(&first, ' ', &target) && read_head(a, &s, &c, &r, method, target, first) == 0) {
        check_accepted(&r);
        (void)http_cookie(&r.pub, S("token"));
        target = target_of(a, &r.pub);
        if (r.pub.path.p[0] == '/' && target.n <= URI_MAX) {
            HOLDS(read_head(a, &s, &c, &again, method, target, first) == 0,
                  "refused when repeated");
            compare(&r.pub, &again.pub);
        }
    }
    arena_free(a);
    return 0;
}
