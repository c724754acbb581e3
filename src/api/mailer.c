/* Set-password mails: template and link. Owns nothing. */
#include "api/mailer.h"

#include <ctype.h>

#include "core/link.h"
#include "core/settings.h"

enum err
mailer_server(struct cx *cx, struct mail_server *out)
{
    struct settings all;

    TRY(settings_load(cx, cx->tenant.id, &all));
    *out = (struct mail_server){.host = all.value[SET_EMAIL_HOST],
                                .port = settings_int(&all, SET_EMAIL_PORT),
                                .security = MAIL_STARTTLS,
                                .username = all.value[SET_EMAIL_USERNAME],
                                .password = settings_secret(cx, &all, SET_EMAIL_PASSWORD),
                                .sender = all.value[SET_EMAIL_SENDER]};
    if (str_eq(all.value[SET_EMAIL_SECURITY], S("tls")))
        out->security = MAIL_TLS;
    else if (str_eq(all.value[SET_EMAIL_SECURITY], S("plain")))
        out->security = MAIL_PLAIN;
    return OK;
}

enum err
mailer_link(struct cx *cx, const struct user *u, int64_t hours, struct str *url)
{
    struct str token;

    TRY(link_new(cx, u->tenant_id, u->user_id, S("password"), hours, &token));
    *url = link_url(cx, PASSWORD_LINK_PATH, token);
    return OK;
}

/* The template's text with %%NAME%%, %%LINK%% and %%HOURS%% filled in, once, left to right: what
 * is filled in is not looked at again. */
static struct str
fill(struct arena *a, struct str text, const struct user *u, struct str url, int64_t hours)
{
    struct str name = user_full_name(a, u->first, u->last),
               n = arena_fmt(a, "%lld", (long long)hours);
    const struct {
        struct str mark, value;
    } marks[] = {{S("%%NAME%%"), name},
                 {S("%%LINK%%"), url},
                 {S("%%HOURS%%"), n},
                 {S("%%EMAIL%%"), u->email}};
    struct buf *b = buf_in(a, text.n * 4 + 65536);

    for (size_t i = 0; i < text.n;) {
        size_t used = 0;

        for (size_t m = 0; m < sizeof marks / sizeof marks[0] && !used; m++) {
            if (str_has_prefix(str_sub(text, i, text.n), marks[m].mark)) {
                buf_str(b, marks[m].value);
                used = marks[m].mark.n;
            }
        }
        if (!used) {
            buf_char(b, text.p[i]);
            used = 1;
        }
        i += used;
    }
    return buf_view(b);
}

enum err
mailer_send_link(struct cx *cx, const struct user *u, int64_t hours, bool *sent)
{
    struct mail_server s;
    struct mail_message m = {.to = u->email};
    struct str url, subject, body;

    TRY(mailer_server(cx, &s));
    *sent = mail_is_configured(&s);
    if (!*sent)
        return OK;
    TRY(mailer_link(cx, u, hours, &url));
    TRY(settings_get_str(cx, SET_FORGOTTEN_SUBJECT, &subject));
    TRY(settings_get_str(cx, SET_FORGOTTEN_BODY, &body));
    m.subject = fill(cx->arena, subject, u, url, hours);
    m.text = fill(cx->arena, body, u, url, hours);
    if (!str_contains(m.text, url)) /* a template that lost its mark still says where to go */
        m.text = arena_fmt(cx->arena, "%.*s\n\n%.*s\n", STR_ARG(m.text), STR_ARG(url));
    return mail_queue(cx, &s, &m);
}

/* ---- administrators ---- */

struct administrator {
    int64_t tenant_id, user_id;
    struct str email;
};

#define ADMINISTRATORS_MAX 1000 /* who are told; more would be a mailing list */

static enum err
administrators(struct cx *cx, bool everywhere, struct administrator *v, size_t *n)
{
    static const struct sql q =
        SQL_READ("SELECT u.tenant_id, u.user_id, u.email FROM user_account u"
                 " JOIN user_role ur ON ur.tenant_id = u.tenant_id AND ur.user_id = u.user_id"
                 " JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid"
                 " WHERE (u.tenant_id = $1 OR $2 = 1) AND u.disabled = 0 AND r.key = 'ADMIN' AND"
                 " r.enabled = 1 ORDER BY u.tenant_id, u.user_id LIMIT $3");
    struct db_rows *r;
    enum err e;

    *n = 0;
    TRY(db_query(cx->tx, &q,
                 ARGS(V_INT(cx->tenant.id), V_INT(everywhere), V_INT(ADMINISTRATORS_MAX)), &r));
    while ((e = db_next(r)) == OK)
        v[(*n)++] = (struct administrator){db_int(r, 0), db_int(r, 1), db_text_keep(r, 2)};
    return e == ERR_END ? OK : e;
}

/* In the page it goes without saying who speaks; in a mailbox it does not. */
static struct str
notice_title(struct cx *cx, struct str subject)
{
    struct str mark = S("Recount: "), s = str_sub(subject, mark.n, subject.n);

    if (!str_has_prefix(subject, mark) || str_is_empty(s))
        return subject;
    return arena_fmt(cx->arena, "%c%.*s", toupper((unsigned char)s.p[0]),
                     STR_ARG(str_sub(s, 1, s.n)));
}

enum err
mailer_tell_administrators(struct cx *cx, bool everywhere, struct str subject, struct str text)
{
    static const struct sql q = SQL_WRITE(
        "notification", "INSERT INTO notification (tenant_id, id, user_id, message, created_at)"
                        " VALUES ($1, $2, $3, $4, $5)");
    struct administrator *v = arena_array(cx->arena, struct administrator, ADMINISTRATORS_MAX);
    struct mail_server s;
    struct str message;
    size_t n;

    message = arena_fmt(cx->arena, "%.*s\n\n%.*s", STR_ARG(notice_title(cx, subject)),
                        STR_ARG(str_trim(text)));
    TRY(mailer_server(cx, &s));
    TRY(administrators(cx, everywhere, v, &n));
    for (size_t i = 0; i < n; i++) {
        struct mail_message m = {.to = v[i].email, .subject = subject, .text = text};

        TRY(db_exec(cx->tx, &q,
                    ARGS(V_INT(v[i].tenant_id), V_STR(cuid_in(cx->arena, cx->now)),
                         V_INT(v[i].user_id), V_STR(message), V_INT(cx->now)),
                    NULL));
        if (mail_is_configured(&s))
            TRY(mail_queue(cx, &s, &m));
    }
    return OK;
}
