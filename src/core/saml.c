/* SAML providers: their settings. Owns the table saml_provider. */
#include "core/saml.h"

#include "base/text.h"
#include "codec/hash.h"
#include "core/trail.h"

bool
saml_key_is_valid(struct str key)
{
    if (key.n == 0 || key.n > SAML_KEY_MAX)
        return false;
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

/* The base64 text without its lines and frame; null: the frame is broken. */
static struct str
bare_base64(struct cx *cx, struct str text)
{
    struct str begin = S("-----BEGIN CERTIFICATE-----"), end = S("-----END CERTIFICATE-----");
    struct buf *b = buf_in(cx->arena, text.n + 1);

    text = str_trim(text);
    if (str_has_prefix(text, begin) != str_has_suffix(text, end))
        return STR_NULL;
    if (str_has_prefix(text, begin)) {
        if (text.n < begin.n + end.n)
            return STR_NULL;
        text = str_sub(text, begin.n, text.n - begin.n - end.n);
    }
    for (size_t i = 0; i < text.n; i++) {
        if (!strchr(" \t\r\n", text.p[i]))
            buf_char(b, text.p[i]);
    }
    return buf_view(b);
}

/* A DER SEQUENCE (X.690 section 8.9) with a long length that spans all of it: every certificate is. */
bool
saml_cert_is_valid(struct cx *cx, struct str text)
{
    struct str bare = bare_base64(cx, text), der;
    struct buf *b;
    size_t n = 0, bytes;

    if (str_is_empty(bare))
        return false;
    b = buf_in(cx->arena, bare.n);
    if (base64_get(bare, b) != OK)
        return false;
    der = buf_view(b);
    if (der.n < 4 || der.p[0] != 0x30 || !((unsigned char)der.p[1] & 0x80))
        return false;
    bytes = (unsigned char)der.p[1] & 0x7f;
    if (bytes < 1 || bytes > 3 || der.n < 2 + bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | (unsigned char)der.p[2 + i];
    return n > 0 && der.n == 2 + bytes + n;
}

static const struct sql ONE = SQL_READ("SELECT provider, name, issuer, cert, sso_url FROM "
                                       "saml_provider WHERE tenant_id = $1 AND provider = $2");
static const struct sql COUNT = SQL_READ("SELECT COUNT(*) FROM saml_provider WHERE tenant_id = $1");

static enum err
find(struct cx *cx, struct str key, struct saml_provider *out)
{
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &ONE, ARGS(V_INT(cx->tenant.id), V_STR(key)), &r));
    *out = (struct saml_provider){db_text_keep(r, 0), db_text_keep(r, 1), db_text_keep(r, 2),
                                  db_text_keep(r, 3), db_text_keep(r, 4)};
    db_rows_end(r);
    return OK;
}

enum err
saml_get(struct cx *cx, struct str key, struct saml_provider *out)
{
    enum err e = find(cx, key, out);

    return e == ERR_NOT_FOUND ? fail(cx, e, "SAML provider not found") : e;
}

/* A certificate in an event is its SHA-256, as other tools print it. */
static struct str
cert_mark(struct cx *cx, struct str cert)
{
    struct buf *b;
    struct sha256 h;

    if (str_is_null(cert))
        return STR_NULL;
    b = buf_in(cx->arena, cert.n + 1);
    if (base64_get(bare_base64(cx, cert), b) != OK)
        return S("(not readable)");
    h = sha256_of(buf_view(b));
    return arena_fmt(cx->arena, "sha256:%.*s", STR_ARG(hex_in(cx->arena, sha256_str(&h))));
}

static enum err
record(struct cx *cx, const struct saml_provider *before, const struct saml_provider *after)
{
    struct str who = trail_actor(cx);
    struct trail t = {0};
    struct trail_thing thing = {
        .event = EV_SAML_PROVIDER_SET,
        .kind = S("saml"),
        .id = after->key,
        .name = after->name,
        .text = arena_fmt(cx->arena, "%.*s set the SAML provider %.*s (%.*s)", STR_ARG(who),
                          STR_ARG(after->key), STR_ARG(after->name)),
    };

    trail_note(cx, &t, S("providerName"), before->name, after->name);
    trail_note(cx, &t, S("issuer"), before->issuer, after->issuer);
    trail_note(cx, &t, S("cert"), cert_mark(cx, before->cert), cert_mark(cx, after->cert));
    trail_note(cx, &t, S("idpSSOUrl"), before->sso_url, after->sso_url);
    return trail_record(cx, &thing, &t);
}

static const struct sql PUT = SQL_WRITE(
    "saml_provider",
    "INSERT INTO saml_provider (tenant_id, provider, name, issuer, cert, sso_url, updated_at, created_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (tenant_id, provider) DO UPDATE SET "
    "name = excluded.name, issuer = excluded.issuer, cert = excluded.cert, sso_url = excluded.sso_url, "
    "updated_at = excluded.updated_at");

enum err
saml_put(struct cx *cx, const struct saml_provider *p)
{
    struct saml_provider before = {STR_NULL, STR_NULL, STR_NULL, STR_NULL, STR_NULL};
    enum err e = find(cx, p->key, &before);
    int64_t n;

    if (e == ERR_NOT_FOUND) {
        TRY(db_query_int(cx->tx, &COUNT, ARGS(V_INT(cx->tenant.id)), &n));
        if (n >= SAML_MAX)
            return fail(cx, ERR_CONFLICT, "A workspace has at most %d SAML providers", SAML_MAX);
    } else {
        TRY(e);
    }
    if (e == OK && str_eq(before.name, p->name) && str_eq(before.issuer, p->issuer) &&
        str_eq(before.cert, p->cert) && str_eq(before.sso_url, p->sso_url))
        return OK;
    TRY(db_exec(cx->tx, &PUT,
                ARGS(V_INT(cx->tenant.id), V_STR(p->key), V_STR(p->name), V_STR(p->issuer),
                     V_STR(p->cert), V_STR(p->sso_url), V_INT(cx->now)),
                NULL));
    return record(cx, &before, p);
}
