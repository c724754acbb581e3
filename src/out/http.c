/* Outgoing HTTP by libcurl. Owns a handle; knows nothing of who is called. */
#include "out/http.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "base/buf.h"

#define URL_MAX 2048 /* bytes */

struct out_http {
    CURL *curl;
    const atomic_bool *stopping;
};

struct out_http *
out_http_open(const atomic_bool *stopping)
{
    struct out_http *h = calloc(1, sizeof *h);

    if (h == NULL || (h->curl = curl_easy_init()) == NULL)
        BUG("out of memory");
    h->stopping = stopping;
    return h;
}

void
out_http_close(struct out_http *h)
{
    curl_easy_cleanup(h->curl);
    free(h);
}

bool
out_http_url_is_valid(struct str url)
{
    struct str rest;

    if (str_has_prefix(url, S("http://")))
        rest = str_sub(url, 7, SIZE_MAX);
    else if (str_has_prefix(url, S("https://")))
        rest = str_sub(url, 8, SIZE_MAX);
    else
        return false;
    if (url.n > URL_MAX || rest.n == 0 || rest.p[0] == '/' || rest.p[0] == ':')
        return false;
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] > '~' || url.p[i] == '@' || url.p[i] == '?' ||
            url.p[i] == '#' || url.p[i] == '\\')
            return false;
    return true;
}

/* ---- one call ---- */

static size_t
take(char *p, size_t size, size_t n, void *arg)
{
    struct buf *b = arg;

    buf_put(b, p, size * n);
    return buf_failed(b) ? 0 : size * n;
}

/* libcurl asks about once a second: an address that hangs must not hold up our end. */
static int
is_stopping(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct out_http *h = arg;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(h->stopping);
}

static void
set_up(struct out_http *h, struct arena *a, struct str url, struct str body, struct buf *into)
{
    const char *trusted = getenv("SSL_CERT_FILE");
    CURL *c = h->curl;

    curl_easy_reset(c); /* keeps the connection */
    curl_easy_setopt(c, CURLOPT_URL, arena_cstr(a, url));
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)OUT_HTTP_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)OUT_HTTP_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, is_stopping);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
    if (trusted != NULL && trusted[0] != '\0')
        curl_easy_setopt(c, CURLOPT_CAINFO, trusted);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)body.n);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.n > 0 ? body.p : "");
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, into);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "Recount/" RECOUNT_VERSION);
}

enum err
out_http_post(struct out_http *h, struct arena *a, struct str url, struct str type, struct str body,
              struct out_http_answer *out, struct str *why)
{
    struct buf *into = buf_in(a, OUT_HTTP_ANSWER_MAX);
    struct curl_slist *headers =
        curl_slist_append(NULL, arena_cstr(a, arena_fmt(a, "Content-Type: %.*s", STR_ARG(type))));
    char *given = NULL;
    long status = 0;
    CURLcode rc;

    if (headers == NULL)
        BUG("out of memory");
    set_up(h, a, url, body, into);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    rc = curl_easy_perform(h->curl);
    (void)curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &given);
    if (rc == CURLE_OK)
        *out = (struct out_http_answer){(int)status, given ? arena_str(a, str_of(given)) : STR_NULL,
                                        buf_view(into)};
    else if (buf_failed(into))
        *why = S("the answer is longer than 64 KB");
    else
        *why = arena_str(a, str_of(curl_easy_strerror(rc)));
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return rc == CURLE_OK ? OK : ERR_IO;
}
