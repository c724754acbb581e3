/* Mail by SMTP. Owns no table; knows nothing of users or templates. */
#include "out/mail.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "audit/audit.h"
#include "base/log.h"
#include "base/text.h"
#include "codec/json.h"
#include "run/keys.h"

#define CONNECT_TIMEOUT_S 10L
#define SEND_TIMEOUT_S    30L
#define LINE_MAX_B64      76 /* RFC 2045 section 6.8 */

/* ---- composing ---- */

static bool
is_plain_header(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    }
    return true;
}

/* A header value: as it is when printable ASCII, else encoded words (RFC 2047), never a line end. */
static void
put_value(struct buf *out, struct str s)
{
    if (is_plain_header(s) && s.n < 900) {
        buf_str(out, s);
        return;
    }
    for (size_t at = 0; at < s.n;) {
        struct str piece = utf8_cut(str_sub(s, at, s.n), 45);

        if (piece.n == 0)
            break;
        buf_cstr(out, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        base64_put(out, piece);
        buf_cstr(out, "?=");
        at += piece.n;
    }
}

static void
put_address(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] > ' ' && s.p[i] != 0x7f && s.p[i] != '<' && s.p[i] != '>')
            buf_char(out, s.p[i]);
    }
}

static void
put_body(struct buf *out, struct arena *a, struct str text)
{
    struct buf *b64 = buf_in(a, text.n * 2 + 16);
    struct str all;

    base64_put(b64, text);
    all = buf_view(b64);
    for (size_t at = 0; at < all.n; at += LINE_MAX_B64) {
        buf_str(out, str_sub(all, at, LINE_MAX_B64));
        buf_cstr(out, "\r\n");
    }
}

/* RFC 5322 section 3.3, in UTC. */
static void
put_date(struct buf *out, int64_t now)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun",
                                       "Mon", "Tue", "Wed"}; /* 1970-01-01: Thursday */
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = civil_of(now);

    buf_fmt(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[(now / USEC_PER_DAY) % 7],
            c.day, months[c.month - 1], c.year, c.hour, c.minute, c.second);
}

void
mail_compose(struct buf *out, struct cx *cx, const struct mail_server *s,
             const struct mail_message *m)
{
    size_t at = str_index(s->sender, '@');

    put_date(out, cx->now);
    buf_cstr(out, "From: Recount <");
    put_address(out, s->sender);
    buf_cstr(out, ">\r\nTo: <");
    put_address(out, m->to);
    buf_cstr(out, ">\r\nSubject: ");
    put_value(out, m->subject);
    buf_cstr(out, "\r\nMessage-ID: <");
    buf_str(out, cuid_in(cx->arena, cx->now));
    buf_char(out, '@');
    put_address(out,
                at == SIZE_MAX ? S("recount.invalid") : str_sub(s->sender, at + 1, s->sender.n));
    buf_cstr(out, ">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n\r\n");
    put_body(out, cx->arena, m->text);
}

/* ---- sending ---- */

struct source {
    struct str text;
    size_t at;
};

static size_t
give(char *p, size_t size, size_t n, void *arg)
{
    struct source *s = arg;
    struct str piece = str_sub(s->text, s->at, size * n);

    if (piece.n)
        memcpy(p, piece.p, piece.n);
    s->at += piece.n;
    return piece.n;
}

static struct str
bracketed(struct cx *cx, struct str address)
{
    struct buf *b = buf_in(cx->arena, address.n + 8);

    buf_char(b, '<');
    put_address(b, address);
    buf_char(b, '>');
    return buf_view(b);
}

/* libcurl asks about once a second: a server that hangs must not hold up our end. */
static int
is_stopping(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct app *app = arg;

    (void)a, (void)b, (void)c, (void)d;
    return app != NULL && atomic_load(&app->stopping);
}

static CURLcode
perform(struct cx *cx, CURL *c, const struct mail_server *s, const struct mail_message *m,
        struct source *src, struct curl_slist *to)
{
    struct arena *a = cx->arena;
    const char *trusted = getenv("SSL_CERT_FILE");
    struct str url = arena_fmt(a, "%s://%.*s:%lld", s->security == MAIL_TLS ? "smtps" : "smtp",
                               STR_ARG(s->host), (long long)s->port);

    (void)m;
    curl_easy_setopt(c, CURLOPT_URL, arena_cstr(a, url));
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, SEND_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, is_stopping);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, cx->app);
    if (trusted != NULL && trusted[0] != '\0')
        curl_easy_setopt(c, CURLOPT_CAINFO, trusted);
    if (s->security == MAIL_STARTTLS)
        curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    if (!str_is_empty(s->username)) {
        curl_easy_setopt(c, CURLOPT_USERNAME, arena_cstr(a, s->username));
        curl_easy_setopt(c, CURLOPT_PASSWORD, arena_cstr(a, s->password));
    }
    curl_easy_setopt(c, CURLOPT_MAIL_FROM, arena_cstr(a, bracketed(cx, s->sender)));
    curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(c, CURLOPT_READDATA, src);
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    return curl_easy_perform(c);
}

enum err
mail_send(struct cx *cx, const struct mail_server *s, const struct mail_message *m, struct str *why)
{
    struct buf *b = buf_in(cx->arena, (size_t)1 << 20);
    struct source src;
    struct curl_slist *to = NULL;
    CURL *c;
    CURLcode rc;
    long code = 0;

    if (!mail_is_configured(s)) {
        *why = S("no mail server is set");
        return ERR_IO;
    }
    mail_compose(b, cx, s, m);
    src = (struct source){buf_view(b), 0};
    c = curl_easy_init();
    to = curl_slist_append(NULL, arena_cstr(cx->arena, bracketed(cx, m->to)));
    if (!c || !to || buf_failed(b)) {
        *why = S("not enough memory");
        rc = CURLE_OUT_OF_MEMORY;
    } else {
        rc = perform(cx, c, s, m, &src, to);
        (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &code);
        if (rc != CURLE_OK && code >= 400)
            *why = arena_fmt(cx->arena, "the mail server answered %ld (%s)", code,
                             curl_easy_strerror(rc));
        else if (rc != CURLE_OK)
            *why = arena_str(cx->arena, str_of(curl_easy_strerror(rc)));
    }
    curl_slist_free_all(to);
    curl_easy_cleanup(c);
    return rc == CURLE_OK ? OK : code >= 500 ? ERR_FORBIDDEN : ERR_IO;
}

/* ---- the job ---- */

static const char *const security_words[] = {
    [MAIL_STARTTLS] = "starttls", [MAIL_TLS] = "tls", [MAIL_PLAIN] = "plain"};

enum err
mail_queue(struct cx *cx, const struct mail_server *s, const struct mail_message *m)
{
    struct buf *b = buf_in(cx->arena, (size_t)1 << 20);
    struct json_writer w;
    struct str sealed;

    json_writer_init(&w, b);
    json_begin_object(&w);
    json_kv_str(&w, "host", s->host);
    json_kv_i64(&w, "port", s->port);
    json_kv_str(&w, "security", str_of(security_words[s->security]));
    json_kv_str(&w, "username", s->username);
    json_kv_str(&w, "password", s->password);
    json_kv_str(&w, "sender", s->sender);
    json_kv_str(&w, "to", m->to);
    json_kv_str(&w, "subject", m->subject);
    json_kv_str(&w, "text", m->text);
    json_end_object(&w);
    if (buf_failed(b))
        return fail(cx, ERR_TOO_LARGE, "The mail is too long");
    sealed = keys_seal(cx->arena, cx->app->keys, buf_view(b));
    return job_queue(cx, "mail", base64url_in(cx->arena, sealed), cx->now);
}

static struct str
member(const struct json *o, const char *name)
{
    const struct json *v = json_get(o, str_of(name));

    return json_is(v, JSON_STRING) ? v->text : S("");
}

/* Somebody waits for it: that it will not come is said where administrators look. */
static void
given_up(struct cx *cx, const struct mail_message *m, struct str why)
{
    struct audit_entry e = {.event = EV_MAIL_FAILED,
                            .outcome = OUTCOME_FAILURE,
                            .target_kind = S("mail"),
                            .target_email = m->to,
                            .instance = !cx->tenant.known};

    e.text = arena_fmt(cx->arena, "The mail \"%.*s\" to %.*s could not be delivered: %.*s",
                       STR_ARG(m->subject), STR_ARG(m->to), STR_ARG(why));
    audit_record_apart(cx, &e, S("mail"));
}

static enum err
run_mail(struct cx *cx, struct str args)
{
    struct buf *b = buf_in(cx->arena, (size_t)2 << 20);
    struct mail_server s = {.security = MAIL_STARTTLS};
    struct mail_message m;
    struct str plain, why = STR_NULL;
    struct json *o;
    const char *reason;
    size_t where;
    enum err e;

    if (base64url_get(args, b) != OK ||
        keys_unseal(cx->arena, cx->app->keys, buf_view(b), &plain) != OK ||
        json_parse(cx->arena, plain, &o, &where, &reason) != OK ||
        json_int64(json_get(o, S("port")), &s.port) != OK) {
        log_error("mail.unreadable_job", LOG_INT("bytes", args.n));
        return OK; /* another key folder: repeating it changes nothing */
    }
    s.host = member(o, "host");
    s.username = member(o, "username");
    s.password = member(o, "password");
    s.sender = member(o, "sender");
    for (enum mail_security i = MAIL_STARTTLS; i <= MAIL_PLAIN; i++) {
        if (str_eq(member(o, "security"), str_of(security_words[i])))
            s.security = i;
    }
    m = (struct mail_message){member(o, "to"), member(o, "subject"), member(o, "text")};
    e = mail_send(cx, &s, &m, &why);
    if (e == OK)
        return OK;
    log_warn("mail.failed", LOG_STR("why", why), LOG_STR("host", s.host));
    if (e == ERR_FORBIDDEN || cx->attempt >= JOB_ATTEMPTS_MAX)
        given_up(cx, &m, why);
    return e == ERR_FORBIDDEN ? OK : ERR_IO; /* once more would be refused once more */
}

void
mail_register(struct jobs *j)
{
    jobs_register(j, "mail", LANE_OUTSIDE, run_mail);
}
