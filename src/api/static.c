/* Files of the web application. Every address that is no file answers the application's page, so
 * that its own addresses can be opened and sent. Nothing here touches the file system. */
#include <zlib.h>

#include "api/api.h"
#include "api/assets.h"
#include "api/dispatch.h"

/* Script, style and data from this origin only; nothing may frame the page. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "        \
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

static const struct asset *
find_asset(struct str path)
{
    const struct asset *page = NULL;

    for (const struct asset *a = assets; a->path; a++) {
        if (str_eq(str_of(a->path), path))
            return a;
        if (str_eq(str_of(a->path), S("/index.html")))
            page = a;
    }
    /* A missing file with a name of its own is missing; a page of the application is the page. */
    return str_has_prefix(path, S("/assets/")) ? NULL : page;
}

/* For the rare client that takes no gzip. */
static struct str
unpacked(struct arena *arena, const struct asset *a)
{
    struct buf *out = buf_in(arena, (size_t)32 << 20);
    unsigned char chunk[16384];
    z_stream z = {0};
    int e;

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
        return STR_NULL;
    z.next_in = (unsigned char *)(uintptr_t)a->gzip;
    z.avail_in = (unsigned)a->n;
    do {
        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        e = inflate(&z, Z_NO_FLUSH);
        buf_put(out, chunk, sizeof chunk - z.avail_out);
    } while (e == Z_OK);
    inflateEnd(&z);
    return buf_view(out);
}

void
api_static(struct app *app, struct http_request *rq, struct http_response *rs)
{
    const struct asset *a = find_asset(rq->path);
    bool hashed = str_has_prefix(rq->path, S("/assets/"));

    (void)app;
    http_add_header(rs, S("X-Content-Type-Options"), S("nosniff"));
    http_add_header(rs, S("Referrer-Policy"), S("same-origin"));
    http_add_header(rs, S("Content-Security-Policy"), S(POLICY));
    http_add_header(rs, S("Cross-Origin-Opener-Policy"), S("same-origin"));
    if (rq->method != HTTP_GET && rq->method != HTTP_HEAD) {
        rs->status = 405;
        http_add_header(rs, S("Allow"), S("GET, HEAD"));
        rs->content_type = S("text/plain; charset=utf-8");
        rs->body = S("Method Not Allowed\n");
        return;
    }
    if (!a) {
        rs->status = 404;
        rs->content_type = S("text/plain; charset=utf-8");
        rs->body = S("Not Found\n");
        return;
    }
    http_add_header(rs, S("Cache-Control"),
                    hashed ? S("public, max-age=31536000, immutable") : S("no-cache"));
    http_add_header(rs, S("ETag"), str_of(a->etag));
    http_add_header(rs, S("Vary"), S("Accept-Encoding"));
    rs->content_type = str_of(a->type);
    if (http_has_version(rq, str_of(a->etag))) {
        rs->status = 304;
        return;
    }
    rs->status = 200;
    if (str_contains(http_header(rq, S("accept-encoding")), S("gzip"))) {
        http_add_header(rs, S("Content-Encoding"), S("gzip"));
        rs->body = str_mem(a->gzip, a->n);
        rs->body_static = true;
    } else {
        rs->body = unpacked(rq->arena, a);
    }
}
