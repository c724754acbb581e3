/* Access tokens: making, listing, revoking. Owns the table access_token; opening one is
 * session.c's, which reads it with its user in one statement. */
#include "core/accesstoken.h"

#include "audit/audit.h"
#include "base/rand.h"
#include "base/text.h"
#include "codec/hash.h"
#include "core/permission.h"
#include "core/trail.h"

#define SECRET_BYTES 32
#define SECRET_TEXT  43 /* base64url of 32 bytes */

enum err
access_token_parse(struct str credential, int64_t *tenant_id, struct str *cuid)
{
    struct str rest = str_sub(credential, sizeof ACCESS_TOKEN_PREFIX - 1, credential.n), tenant;
    int64_t id;

    if (!str_has_prefix(credential, S(ACCESS_TOKEN_PREFIX)) || !str_cut(&rest, '_', &tenant) ||
        rest.n != CUID_LEN + SECRET_TEXT || str_int64(tenant, &id) != OK || id < 0 ||
        !cuid_is(str_sub(rest, 0, CUID_LEN)))
        return ERR_INVALID;
    /* One number has one text: neither "-0" nor "007". */
    if (tenant.p[0] == '-' || (tenant.p[0] == '0' && tenant.n > 1))
        return ERR_INVALID;
    *tenant_id = id;
    *cuid = str_sub(rest, 0, CUID_LEN);
    return OK;
}

/* The scopes as stored: known keys the caller holds, joined by ','. */
static enum err
read_scopes(struct cx *cx, const struct json *scopes, struct str *out)
{
    struct buf *b = buf_in(cx->arena, 8192);
    struct permission_set named = {{0, 0}};
    enum err bad = OK;
    int i = 0;

    if (!json_is(scopes, JSON_ARRAY) || !scopes->first)
        return fail_field(cx, S("/scopes"), "name at least one permission");
    if (scopes->count > PERMISSIONS_NAMED_MAX)
        return fail_field(cx, S("/scopes"), "has more than %d entries", PERMISSIONS_NAMED_MAX);
    for (const struct json *s = scopes->first; s; s = s->next, i++) {
        struct str at = arena_fmt(cx->arena, "/scopes/%d", i);
        enum permission p = json_is(s, JSON_STRING) ? permission_by_key(s->text) : PERMISSION_NONE;

        if (p == PERMISSION_NONE) {
            bad = fail_field(cx, at, "is no permission");
        } else if (!cx_may(cx, p)) {
            bad = fail_field(cx, at, "you do not hold this permission");
        } else if (!permission_has(&named, p)) {
            permission_add(&named, p);
            buf_cstr(b, b->n ? "," : "");
            buf_cstr(b, permission_info(p)->key);
        }
    }
    TRY(bad);
    *out = buf_view(b);
    return OK;
}

static enum err
check_room(struct cx *cx)
{
    static const struct sql q =
        SQL_READ("SELECT count(*) FROM access_token WHERE tenant_id = $1 AND user_id = $2");
    int64_t n;

    TRY(db_query_int(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id)), &n));
    if (n >= ACCESS_TOKENS_MAX)
        return fail(cx, ERR_CONFLICT, "There are %d access tokens already; revoke one first",
                    ACCESS_TOKENS_MAX);
    return OK;
}

static struct audit_entry
entry(struct cx *cx, enum event ev, struct str cuid, struct str name, const char *verb)
{
    return (struct audit_entry){.event = ev,
                                .outcome = OUTCOME_SUCCESS,
                                .target_kind = S("access token"),
                                .target_id = cuid,
                                .target_name = name,
                                .text = arena_fmt(cx->arena, "%.*s %s the access token \"%.*s\"",
                                                  STR_ARG(cx->actor.name), verb, STR_ARG(name))};
}

enum err
access_token_new(struct cx *cx, const struct access_token_spec *s, struct str *cuid,
                 struct str *token)
{
    static const struct sql q = SQL_WRITE(
        "access_token", "INSERT INTO access_token (tenant_id, cuid, user_id, name, hash, scopes, "
                        "created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    struct str id = cuid_in(cx->arena, cx->now), scopes = STR_NULL, text, secret_text;
    int64_t until = cx->now + s->days * USEC_PER_DAY;
    uint8_t secret[SECRET_BYTES];
    struct sha256 h;
    struct audit_entry e;

    TRY(read_scopes(cx, s->scopes, &scopes));
    TRY(check_room(cx));
    rand_bytes(secret, sizeof secret);
    secret_text = base64url_in(cx->arena, str_mem(secret, sizeof secret));
    text = arena_fmt(cx->arena, "%s%lld_%.*s%.*s", ACCESS_TOKEN_PREFIX, (long long)cx->tenant.id,
                     STR_ARG(id), STR_ARG(secret_text));
    h = sha256_of(text);
    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_STR(id), V_INT(cx->actor.user_id), V_STR(s->name),
                     V_BYTES(sha256_str(&h)), V_STR(scopes), V_INT(cx->now), V_INT(until)),
                NULL));
    e = entry(cx, EV_ACCESS_TOKEN_CREATED, id, s->name, "created");
    e.changes =
        (const struct audit_change[]){{S("scopes"), STR_NULL, scopes},
                                      {S("expires"), STR_NULL, time_iso(cx->arena, until)},
                                      {S("token_mark"), STR_NULL, trail_mark(cx, sha256_str(&h))}};
    e.n_changes = 3;
    TRY(audit_record(cx, &e, NULL));
    *cuid = id;
    *token = text;
    return OK;
}

enum err
access_token_list(struct cx *cx, int64_t user_id, struct json_writer *w)
{
    static const struct sql q = SQL_READ(
        "SELECT cuid, name, scopes, created_at, expires_at, last_used, uses FROM access_token "
        "WHERE tenant_id = $1 AND user_id = $2 ORDER BY cuid DESC");
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(user_id)), &r));
    json_begin_array(w);
    while ((e = db_next(r)) == OK) {
        struct str rest = db_text(r, 2), key;

        json_begin_object(w);
        json_kv_str(w, "cuid", db_text(r, 0));
        json_kv_str(w, "name", db_text(r, 1));
        json_key(w, S("scopes"));
        json_begin_array(w);
        while (str_cut(&rest, ',', &key))
            json_str(w, key);
        json_end_array(w);
        json_kv_i64(w, "created_at", db_int(r, 3) / USEC_PER_MS);
        json_kv_i64(w, "expires_at", db_int(r, 4) / USEC_PER_MS);
        json_kv_bool(w, "expired", db_int(r, 4) <= cx->now);
        if (db_is_null(r, 5))
            json_kv_null(w, "last_used");
        else
            json_kv_i64(w, "last_used", db_int(r, 5) / USEC_PER_MS);
        json_kv_i64(w, "uses", db_int(r, 6));
        json_end_object(w);
    }
    json_end_array(w);
    return e == ERR_END ? OK : e;
}

enum err
access_token_revoke(struct cx *cx, int64_t user_id, struct str cuid)
{
    static const struct sql get = SQL_READ(
        "SELECT name, scopes, expires_at FROM access_token WHERE tenant_id = $1 AND user_id = $2 AND "
        "cuid = $3");
    static const struct sql del =
        SQL_WRITE("access_token",
                  "DELETE FROM access_token WHERE tenant_id = $1 AND user_id = $2 AND cuid = $3");
    struct audit_change c[2] = {{.field = S("scopes")}, {.field = S("expires")}};
    struct db_rows *r;
    struct str name;
    struct audit_entry ev;
    enum err e =
        db_query_one(cx->tx, &get, ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_STR(cuid)), &r);

    if (e == ERR_NOT_FOUND)
        return fail(cx, ERR_NOT_FOUND, "Access token not found");
    TRY(e);
    name = db_text_keep(r, 0);
    c[0].before = db_text_keep(r, 1);
    c[1].before = time_iso(cx->arena, db_int(r, 2));
    db_rows_end(r);
    TRY(db_exec(cx->tx, &del, ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_STR(cuid)), NULL));
    ev = entry(cx, EV_ACCESS_TOKEN_REVOKED, cuid, name, "revoked");
    ev.changes = c;
    ev.n_changes = 2;
    return audit_record(cx, &ev, NULL);
}
