/* What people do with their own account: name, sessions, access tokens, notifications, preferences.
 * Passwords and the one-time link are password_api.c's, the second factor is mfa_api.c's. */
#include "api/auth.h"

#include "core/accesstoken.h"

/* ---- who am I ---- */

static enum err
whoami(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    const struct session_view *v = session_view(cx);
    struct json_writer *w = &rq->out;
    struct str rest = v->roles, key = STR_NULL;

    json_begin_object(w);
    json_kv_i64(w, "user_id", cx->actor.user_id);
    json_kv_str(w, "cuid", cx->actor.cuid);
    json_kv_str(w, "email", cx->actor.email);
    json_kv_str(w, "username", cx->actor.email);
    json_kv_i64(w, "tenant_id", cx->tenant.id);
    json_kv_str(w, "tenantCuid", cx->tenant.cuid);
    json_kv_str(w, "tenantName", v->tenant_name);
    json_kv_str(w, "role", !str_is_empty(rest) && str_cut(&rest, ',', &key) ? key : STR_NULL);
    json_kv_str(w, "first", v->first);
    json_kv_str(w, "last", v->last);
    json_kv_str(w, "fullName", cx->actor.name);
    json_key(w, S("name"));
    json_begin_object(w);
    json_kv_str(w, "first", v->first);
    json_kv_str(w, "last", v->last);
    json_end_object(w);
    json_key(w, S("roles"));
    json_begin_array(w);
    rest = v->roles;
    while (!str_is_empty(rest) && str_cut(&rest, ',', &key))
        json_str(w, key);
    json_end_array(w);
    json_end_object(w);
    return OK;
}

/* ---- name ---- */

static enum err
update_self(struct api_request *rq)
{
    struct user_update c = {.default_group = -1};
    const struct json *name;
    struct user u;

    TRY(body_part(rq, rq->body, "name", JSON_OBJECT, &name));
    rq->at = name ? "/name" : NULL;
    TRY(body_str(rq, name ? name : rq->body, "first", false, USER_NAME_MAX, &c.first));
    TRY(body_str(rq, name ? name : rq->body, "last", false, USER_NAME_MAX, &c.last));
    rq->at = NULL;
    TRY(body_str(rq, rq->body, "authenticationProvider", false, 64, &c.provider));
    TRY(user_get(rq->cx, rq->cx->actor.user_id, &u));
    if (!str_is_empty(c.provider) && !str_eq(c.provider, u.provider) &&
        !cx_may(rq->cx, PERM_USERS_MANAGE))
        return fail(rq->cx, ERR_FORBIDDEN,
                    "Only an administrator sets the authentication provider");
    c.first = c.first.p ? str_trim(c.first) : c.first;
    c.last = c.last.p ? str_trim(c.last) : c.last;
    TRY(user_change(rq->cx, &u, &c));
    return api_ok(rq, S("Saved"));
}
/* ---- sessions ---- */

static enum err
list_sessions(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_key(&rq->out, S("data"));
    TRY(session_list(rq->cx, rq->cx->actor.user_id, &rq->out));
    json_end_object(&rq->out);
    return OK;
}

static enum err
end_others(struct api_request *rq)
{
    struct user u;
    int64_t n;

    TRY(user_get(rq->cx, rq->cx->actor.user_id, &u));
    TRY(user_end_sessions(rq->cx, &u, rq->cx->actor.session, "", &n));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_i64(&rq->out, "ended", n);
    json_end_object(&rq->out);
    return OK;
}

static enum err
end_one(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct user u;
    struct str whom;
    struct audit_change c = {S("session"), rq->param[0], STR_NULL};
    struct audit_entry e;

    TRY(user_get(cx, cx->actor.user_id, &u));
    TRY(session_end_one(cx, u.user_id, rq->param[0]));
    whom = user_label(cx->arena, &u);
    e = user_entry(cx, &u, EV_SESSION_ENDED,
                   arena_fmt(cx->arena, "%.*s ended one of the own sessions", STR_ARG(whom)));
    e.changes = &c;
    e.n_changes = 1;
    TRY(audit_record(cx, &e, NULL));
    return api_ok(rq, S("The session has ended"));
}

/* ---- access tokens ---- */

static enum err
list_tokens(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_key(&rq->out, S("data"));
    TRY(access_token_list(rq->cx, rq->cx->actor.user_id, &rq->out));
    json_end_object(&rq->out);
    return OK;
}

static enum err
new_token(struct api_request *rq)
{
    struct access_token_spec s = {.days = 90, .scopes = json_get(rq->body, S("scopes"))};
    struct str cuid, token;

    TRY(body_str(rq, rq->body, "name", true, 100, &s.name));
    TRY(body_int(rq, rq->body, "expires_days", false, 1, ACCESS_TOKEN_DAYS_MAX, &s.days));
    s.name = str_trim(s.name);
    TRY(access_token_new(rq->cx, &s, &cuid, &token));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_str(&rq->out, "cuid", cuid);
    json_kv_str(&rq->out, "token", token);
    json_end_object(&rq->out);
    return OK;
}

static enum err
drop_token(struct api_request *rq)
{
    TRY(access_token_revoke(rq->cx, rq->cx->actor.user_id, rq->param[0]));
    return api_ok(rq, S("The access token was revoked"));
}

/* ---- notifications, preferences ---- */

static enum err
list_notifications(struct api_request *rq)
{
    static const struct sql q = SQL_READ(
        "SELECT id, message, read_at, created_at FROM notification WHERE tenant_id = $1 AND user_id = $2 "
        "AND ($3 = 'any' OR ($3 = 'read' AND read_at IS NOT NULL) OR ($3 = 'unread' AND read_at IS NULL)) "
        "ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5");
    struct cx *cx = rq->cx;
    struct str which = query_str(rq, "read");
    struct json_writer *w = &rq->out;
    int64_t limit, skip;
    struct db_rows *r;
    enum err e;

    TRY(query_int(rq, "limit", 1, INT32_MAX, 100, &limit));
    TRY(query_int(rq, "skip", 0, INT32_MAX, 0, &skip));
    if (str_is_empty(which))
        which = S("any");
    if (!str_eq(which, S("any")) && !str_eq(which, S("read")) && !str_eq(which, S("unread")))
        return fail_field(cx, S("read"), "must be one of: unread read any");
    TRY(db_query(cx->tx, &q,
                 ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(which),
                      V_INT(limit > 1000 ? 1000 : limit), V_INT(skip)),
                 &r));
    json_begin_object(w);
    json_key(w, S("data"));
    json_begin_array(w);
    while ((e = db_next(r)) == OK) {
        json_begin_object(w);
        json_kv_str(w, "id", db_text(r, 0));
        json_kv_str(w, "message", db_text(r, 1));
        json_kv_bool(w, "read", !db_is_null(r, 2));
        json_kv_i64(w, "createdAt", db_int(r, 3) / USEC_PER_MS);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
    return e == ERR_END ? OK : e;
}

static enum err
mark_notifications(struct api_request *rq)
{
    static const struct sql q = SQL_WRITE(
        "notification",
        "UPDATE notification SET read_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND id = $3 "
        "AND read_at IS NULL");
    const struct json *ids = json_get(rq->body, S("notificationIds"));
    struct cx *cx = rq->cx;

    if (!json_is(ids, JSON_ARRAY) || ids->count > 1000)
        return fail_field(cx, S("/notificationIds"), "must be a list of at most 1000 ids");
    audit_cover(cx, REASON_NOTICE_READ);
    for (const struct json *i = ids->first; i; i = i->next) {
        if (!json_is(i, JSON_STRING))
            return fail_field(cx, S("/notificationIds"), "must hold texts");
        TRY(db_exec(
            cx->tx, &q,
            ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(i->text), V_INT(cx->now)),
            NULL));
    }
    return api_ok(rq, STR_NULL);
}

static enum err
save_preference(struct api_request *rq, const char *name, const char *words)
{
    static const struct sql q = SQL_WRITE(
        "preference",
        "INSERT INTO preference (tenant_id, user_id, name, value) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (tenant_id, user_id, name) DO UPDATE SET value = excluded.value");
    struct str value, rest = str_of(words), word;
    struct cx *cx = rq->cx;

    TRY(body_str(rq, rq->body, name, false, 32, &value));
    if (str_is_null(value))
        return OK;
    while (str_cut(&rest, ' ', &word)) {
        if (str_eq(word, value))
            return db_exec(cx->tx, &q,
                           ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id), V_STR(str_of(name)),
                                V_STR(value)),
                           NULL);
    }
    return fail_field(cx, arena_fmt(cx->arena, "/%s", name), "must be one of: %s", words);
}

static enum err
preferences(struct api_request *rq)
{
    audit_cover(rq->cx, REASON_PREFERENCE);
    TRY(save_preference(rq, "theme", "light dark auto"));
    TRY(save_preference(rq, "dateFormat", "YYYY-MM-DD DD-MM-YYYY MM-DD-YYYY"));
    return api_ok(rq, STR_NULL);
}
const struct route profile_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/whoami",
     .who = WHO_SIGNED_IN,
     .tx = TX_NONE,
     .summary = "The caller",
     .apply = whoami},
    {.method = HTTP_GET,
     .path = "/api/v1/user/whoami",
     .who = WHO_SIGNED_IN,
     .tx = TX_NONE,
     .summary = "The caller",
     .apply = whoami},
    {.method = HTTP_PUT,
     .path = "/api/v1/user/update",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "name:object authenticationProvider:string",
     .events = "UserUpdated",
     .summary = "Change the own name",
     .apply = update_self},
    {.method = HTTP_GET,
     .path = "/api/v2/user/sessions",
     .who = WHO_SESSION,
     .tx = TX_READ,
     .summary = "Own sessions",
     .apply = list_sessions},
    {.method = HTTP_DELETE,
     .path = "/api/v2/user/sessions",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .reserve = true,
     .events = "SessionEnded",
     .summary = "End all own sessions but this one",
     .apply = end_others,
     .after = auth_tell_sessions},
    {.method = HTTP_DELETE,
     .path = "/api/v2/user/sessions/{cuid}",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .reserve = true,
     .events = "SessionEnded",
     .summary = "End one of the own sessions",
     .apply = end_one,
     .after = auth_tell_sessions},
    {.method = HTTP_GET,
     .path = "/api/v2/user/tokens",
     .who = WHO_SESSION,
     .tx = TX_READ,
     .summary = "Own access tokens",
     .apply = list_tokens},
    {.method = HTTP_POST,
     .path = "/api/v2/user/tokens",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "name:string* expires_days:integer scopes:array*",
     .events = "AccessTokenCreated",
     .summary = "Make an access token",
     .apply = new_token},
    {.method = HTTP_DELETE,
     .path = "/api/v2/user/tokens/{cuid}",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .reserve = true,
     .events = "AccessTokenRevoked",
     .summary = "Revoke an access token",
     .apply = drop_token,
     .after = auth_tell_sessions},
    {.method = HTTP_GET,
     .path = "/api/v1/user/notifications",
     .who = WHO_SESSION, /* no scope of an access token speaks of them */
     .tx = TX_READ,
     .summary = "Own notifications",
     .apply = list_notifications},
    {.method = HTTP_PUT,
     .path = "/api/v1/user/notifications",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "notificationIds:array*",
     .summary = "Mark notifications as read",
     .apply = mark_notifications},
    {.method = HTTP_PUT,
     .path = "/api/v2/user/preferences",
     .who = WHO_SESSION,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "theme:string dateFormat:string",
     .summary = "How pages are shown",
     .apply = preferences},
    {0},
};
