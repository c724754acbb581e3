/* Sessions: opening a credential, minting tokens, ending. Owns the table session; access tokens
 * are opened here too, by the same statement in a second form (their rows are accesstoken.c's). */
#include "core/session.h"

#include "audit/audit.h"
#include "codec/hash.h"
#include "codec/jwt.h"
#include "core/accesstoken.h"
#include "core/settings.h"
#include "run/app.h"
#include "run/bus.h"
#include "run/keys.h"

#define UPLOAD_TOKEN_S 86400 /* seconds: as long as a page with images may stay open */
#define SWEEP_AFTER_US (90 * USEC_PER_DAY)

/* ---- refusals ---- */

static const struct {
    const char *word, *text, *message;
} refusals[SESSION_REFUSALS] = {
    [SESSION_REFUSAL_NONE] = {"", "", ""},
    [SESSION_REFUSAL_MISSING] = {"token_missing", "there was none", "Sign in first"},
    [SESSION_REFUSAL_EXPIRED] = {"token_expired", "it has expired",
                                 "The session has expired. Sign in again."},
    [SESSION_REFUSAL_FORGED] = {"token_invalid", "it is forged or broken",
                                "The token is not valid"},
    [SESSION_REFUSAL_ENDED] = {"session_ended", "it was revoked",
                               "The session was ended. Sign in again."},
    [SESSION_REFUSAL_UNKNOWN] = {"token_foreign", "it names no session here",
                                 "The token is not valid here"},
    [SESSION_REFUSAL_DISABLED] = {"user_disabled", "its user is disabled",
                                  "The session was ended. Sign in again."},
};

static enum err
refuse(struct cx *cx, enum session_refusal r)
{
    return fail_word(cx, ERR_UNAUTHORIZED, str_of(refusals[r].word), "%s", refusals[r].message);
}

enum session_refusal
session_last_refusal(const struct cx *cx)
{
    if (cx->failure.code != ERR_UNAUTHORIZED || str_is_null(cx->failure.word))
        return SESSION_REFUSAL_NONE;
    for (enum session_refusal r = SESSION_REFUSAL_MISSING; r < SESSION_REFUSALS; r++) {
        if (str_eq(cx->failure.word, str_of(refusals[r].word)))
            return r;
    }
    return SESSION_REFUSAL_NONE;
}

const char *
session_refusal_text(enum session_refusal r)
{
    return r < SESSION_REFUSALS ? refusals[r].text : "";
}

/* ---- the row behind a credential ---- */

/* Columns after the first six are the same in both forms. */
#define OPEN_COLUMNS                                                                               \
    " u.cuid, u.first, u.last, u.email, u.disabled, u.mfa_enabled, t.cuid, t.name, t.demo,"        \
    " (SELECT value FROM setting WHERE tenant_id = t.tenant_id AND name = 'auth.idle_minutes'),"   \
    " (SELECT value FROM setting WHERE tenant_id = t.tenant_id AND name = 'auth.mfa_required'),"
#define ROLE_JOIN                                                                                  \
    " FROM user_role ur JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid"       \
    " AND r.enabled = 1"
#define ROLE_WHERE " WHERE ur.tenant_id = u.tenant_id AND ur.user_id = u.user_id"
#define PERMISSION_JOIN                                                                            \
    " JOIN role_permission rp ON rp.tenant_id = r.tenant_id AND rp.role_cuid = r.cuid"
/* An administrator holds all: his role's many rows need not be read with every request. */
#define BUT_ADMIN " AND r.key <> 'ADMIN'"
#define RIGHTS_SQLITE                                                                              \
    " (SELECT group_concat(r.key, ',')" ROLE_JOIN ROLE_WHERE "),"                                  \
    " (SELECT group_concat(rp.permission, ',')" ROLE_JOIN PERMISSION_JOIN ROLE_WHERE BUT_ADMIN ")"
#define RIGHTS_POSTGRES                                                                            \
    " (SELECT string_agg(r.key, ',')" ROLE_JOIN ROLE_WHERE "),"                                    \
    " (SELECT string_agg(rp.permission, ',')" ROLE_JOIN PERMISSION_JOIN ROLE_WHERE BUT_ADMIN ")"
#define USER_JOIN                                                                                  \
    " JOIN user_account u ON u.tenant_id = s.tenant_id AND u.user_id = s.user_id"                  \
    " JOIN tenant t ON t.tenant_id = s.tenant_id WHERE s.tenant_id = $1 AND s.cuid = $2"
#define SESSION_HEAD "SELECT s.user_id, s.created_at, s.last_used, s.expires_at, s.ended_at, NULL,"
#define TOKEN_HEAD   "SELECT s.user_id, s.created_at, s.last_used, s.expires_at, s.scopes, s.hash,"

static const struct sql open_session =
    SQL_READ2(SESSION_HEAD OPEN_COLUMNS RIGHTS_SQLITE " FROM session s" USER_JOIN,
              SESSION_HEAD OPEN_COLUMNS RIGHTS_POSTGRES " FROM session s" USER_JOIN);
static const struct sql open_token =
    SQL_READ2(TOKEN_HEAD OPEN_COLUMNS RIGHTS_SQLITE " FROM access_token s" USER_JOIN,
              TOKEN_HEAD OPEN_COLUMNS RIGHTS_POSTGRES " FROM access_token s" USER_JOIN);

static void
add_permissions(struct permission_set *set, struct str list)
{
    struct str key;

    while (str_cut(&list, ',', &key)) {
        enum permission p = permission_by_key(key);

        if (p != PERMISSION_NONE)
            permission_add(set, p);
    }
}

static bool
list_has(struct str list, struct str word)
{
    struct str part;

    while (str_cut(&list, ',', &part)) {
        if (str_eq(part, word))
            return true;
    }
    return false;
}

static void
read_rights(struct session_view *v, struct str roles, struct str permissions)
{
    v->roles = roles;
    v->grants.is_admin = list_has(roles, S("ADMIN"));
    add_permissions(&v->grants.tenant, permissions);
    for (enum permission p = PERMISSION_NONE + 1; v->grants.is_admin && p < PERMISSION_COUNT; p++)
        permission_add(&v->grants.tenant, p);
}

static int64_t
idle_limit(struct str stored)
{
    const struct setting_info *i = setting_info(SET_IDLE_MINUTES);
    int64_t v;

    if (str_is_null(stored) || str_int64(stored, &v) != OK || v < i->min || v > i->max)
        return str_int64(str_of(i->fallback), &v) == OK ? v : i->min;
    return v;
}

/* Fills cx and the view from the current row; the row's texts are copied. */
static struct session_view *
adopt_row(struct cx *cx, const struct db_rows *r, int64_t tenant_id, struct str cuid,
          enum actor_kind kind)
{
    struct arena *a = cx->arena;
    struct session_view *v = arena_new(a, struct session_view);

    v->created_at = db_int(r, 1);
    v->last_used = db_int(r, 2);
    v->expires_at = db_int(r, 3);
    v->first = arena_str(a, db_text(r, 7));
    v->last = arena_str(a, db_text(r, 8));
    v->mfa_enabled = db_int(r, 11) != 0;
    v->tenant_name = arena_str(a, db_text(r, 13));
    v->demo = db_int(r, 14) != 0;
    v->idle_minutes = idle_limit(db_text(r, 15));
    v->grants.must_enroll_mfa = !v->mfa_enabled && str_eq(db_text(r, 16), S("true"));
    read_rights(v, arena_str(a, db_text(r, 17)), db_text(r, 18));
    cx->tenant = (struct tenant_ref){true, tenant_id, arena_str(a, db_text(r, 12))};
    cx->actor =
        (struct actor){.kind = kind,
                       .user_id = db_int(r, 0),
                       .cuid = arena_str(a, db_text(r, 6)),
                       .name = arena_fmt(a, "%.*s %.*s", STR_ARG(v->first), STR_ARG(v->last)),
                       .email = arena_str(a, db_text(r, 9)),
                       .session = arena_str(a, cuid)};
    return v;
}

/* Ended, over its limits, or of a disabled user? */
static enum session_refusal
judge_session(const struct cx *cx, const struct session_view *v, bool ended, bool disabled)
{
    if (disabled)
        return SESSION_REFUSAL_DISABLED;
    if (ended)
        return SESSION_REFUSAL_ENDED;
    if (cx->now >= v->expires_at || cx->now - v->last_used > v->idle_minutes * USEC_PER_MIN)
        return SESSION_REFUSAL_EXPIRED;
    return SESSION_REFUSAL_NONE;
}

static enum err
open_by_id(struct cx *cx, int64_t tenant_id, int64_t user_id, struct str cuid)
{
    struct db_rows *r;
    struct session_view *v;
    bool ended, disabled;
    enum session_refusal why;
    enum err e = db_query_one(cx->tx, &open_session, ARGS(V_INT(tenant_id), V_STR(cuid)), &r);

    if (e == ERR_NOT_FOUND)
        return refuse(cx, SESSION_REFUSAL_UNKNOWN);
    TRY(e);
    if (db_int(r, 0) != user_id) {
        db_rows_end(r);
        return refuse(cx, SESSION_REFUSAL_FORGED);
    }
    ended = !db_is_null(r, 4);
    disabled = db_int(r, 10) != 0;
    v = adopt_row(cx, r, tenant_id, cuid, ACTOR_USER);
    db_rows_end(r);
    why = judge_session(cx, v, ended, disabled);
    if (why != SESSION_REFUSAL_NONE)
        return refuse(cx, why);
    cx->grants = &v->grants;
    return OK;
}

/* ---- access tokens ---- */

static void
narrow(struct session_view *v, struct str scopes)
{
    struct permission_set allowed = {{0}};

    add_permissions(&allowed, scopes);
    for (size_t i = 0; i < sizeof allowed.bits / sizeof allowed.bits[0]; i++)
        v->grants.tenant.bits[i] &= allowed.bits[i];
    v->grants.is_admin = false;
    v->grants.read_only = true;
}

static enum err
open_access_token(struct cx *cx, struct str credential)
{
    struct sha256 h = sha256_of(credential);
    struct str cuid;
    int64_t tenant_id;
    struct db_rows *r;
    struct session_view *v;
    bool right, disabled;
    enum err e;

    if (access_token_parse(credential, &tenant_id, &cuid) != OK)
        return refuse(cx, SESSION_REFUSAL_FORGED);
    e = db_query_one(cx->tx, &open_token, ARGS(V_INT(tenant_id), V_STR(cuid)), &r);
    if (e == ERR_NOT_FOUND)
        return refuse(cx, SESSION_REFUSAL_ENDED); /* revoked tokens leave no row */
    TRY(e);
    right = str_eq_secret(db_bytes(r, 5), sha256_str(&h));
    if (!right) {
        db_rows_end(r);
        return refuse(cx, SESSION_REFUSAL_FORGED);
    }
    disabled = db_int(r, 10) != 0;
    v = adopt_row(cx, r, tenant_id, cuid, ACTOR_TOKEN);
    v->token_id = cx->actor.session;
    narrow(v, db_text(r, 4));
    db_rows_end(r);
    if (disabled)
        return refuse(cx, SESSION_REFUSAL_DISABLED);
    if (cx->now >= v->expires_at)
        return refuse(cx, SESSION_REFUSAL_EXPIRED);
    cx->grants = &v->grants;
    return OK;
}

/* ---- opening ---- */

static const char *
use_of(enum session_source src)
{
    switch (src) {
    case SESSION_HEADER:
        return "api";
    case SESSION_COOKIE:
        return "browser";
    case SESSION_UPLOAD_COOKIE:
        return "upload";
    }
    BUG("source %d", (int)src);
}

static struct str
claim(const struct jwt *t, struct str name)
{
    const struct json *v = json_get(t->payload, name);

    return json_is(v, JSON_STRING) ? v->text : STR_NULL;
}

enum err
session_open(struct cx *cx, struct str credential, enum session_source src)
{
    struct jwt t;
    int64_t tenant_id, user_id;
    struct str sid;

    if (str_is_empty(credential))
        return refuse(cx, SESSION_REFUSAL_MISSING);
    if (src == SESSION_HEADER && str_has_prefix(credential, S(ACCESS_TOKEN_PREFIX)))
        return open_access_token(cx, credential);
    if (jwt_verify(cx->arena, credential, cx->app->keys->token, &t) != OK)
        return refuse(cx, SESSION_REFUSAL_FORGED);
    sid = claim(&t, S("sid"));
    if (!cuid_is(sid) || json_int64(json_get(t.payload, S("tenantId")), &tenant_id) != OK ||
        json_int64(json_get(t.payload, S("uid")), &user_id) != OK ||
        !str_eq(claim(&t, S("use")), str_of(use_of(src))))
        return refuse(cx, SESSION_REFUSAL_FORGED);
    if (cx->now / USEC_PER_SEC >= t.exp)
        return refuse(cx, SESSION_REFUSAL_EXPIRED);
    return open_by_id(cx, tenant_id, user_id, sid);
}

const struct session_view *
session_view(const struct cx *cx)
{
    bool opened = cx->grants && !str_is_null(cx->actor.session) &&
                  (cx->actor.kind == ACTOR_USER || cx->actor.kind == ACTOR_TOKEN);

    return opened ? (const struct session_view *)(const void *)cx->grants : NULL;
}

enum err
session_recheck(struct cx *cx)
{
    const struct session_view *v = session_view(cx);
    struct str scopes, cuid = cx->actor.session;
    struct session_view *fresh;
    struct db_rows *r;
    enum err e;

    if (!v)
        return refuse(cx, SESSION_REFUSAL_MISSING);
    if (cx->actor.kind == ACTOR_USER)
        return open_by_id(cx, cx->tenant.id, cx->actor.user_id, cuid);
    e = db_query_one(cx->tx, &open_token, ARGS(V_INT(cx->tenant.id), V_STR(cuid)), &r);
    if (e == ERR_NOT_FOUND)
        return refuse(cx, SESSION_REFUSAL_ENDED);
    TRY(e);
    if (db_int(r, 10) != 0 || cx->now >= db_int(r, 3)) {
        db_rows_end(r);
        return refuse(cx, SESSION_REFUSAL_EXPIRED);
    }
    scopes = arena_str(cx->arena, db_text(r, 4));
    fresh = adopt_row(cx, r, cx->tenant.id, cuid, ACTOR_TOKEN);
    db_rows_end(r);
    fresh->token_id = cuid;
    narrow(fresh, scopes);
    cx->grants = &fresh->grants;
    return OK;
}

/* ---- touching ---- */

bool
session_touch_due(const struct cx *cx)
{
    const struct session_view *v = session_view(cx);

    return v && cx->now - v->last_used >= SESSION_TOUCH_US;
}

static enum err
touch_session(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_WRITE(
        "session", "UPDATE session SET last_used = $3 WHERE tenant_id = $1 AND cuid = $2 AND "
                   "ended_at IS NULL AND last_used < $3");

    (void)arg;
    audit_cover(cx, REASON_SESSION_TOUCH);
    return db_exec(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(cx->actor.session), V_INT(cx->now)),
                   NULL);
}

/* The first use of a day is an event, the others are counted. */
static enum err
touch_token(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_WRITE("access_token", "UPDATE access_token SET last_used = $3, uses = uses + 1 "
                                  "WHERE tenant_id = $1 AND cuid = $2");
    static const struct sql name =
        SQL_READ("SELECT name FROM access_token WHERE tenant_id = $1 AND cuid = $2");
    const struct session_view *v = session_view(cx);
    struct audit_entry e = {.event = EV_ACCESS_TOKEN_USED, .outcome = OUTCOME_SUCCESS};
    struct db_rows *r;

    (void)arg;
    audit_cover(cx, REASON_TOKEN_TOUCH);
    TRY(db_exec(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(cx->actor.session), V_INT(cx->now)),
                NULL));
    if (v->last_used / USEC_PER_DAY == cx->now / USEC_PER_DAY)
        return OK;
    TRY(db_query_one(cx->tx, &name, ARGS(V_INT(cx->tenant.id), V_STR(cx->actor.session)), &r));
    e.target_name = db_text_keep(r, 0);
    db_rows_end(r);
    e.target_kind = S("access token");
    e.target_id = cx->actor.session;
    e.text = arena_fmt(cx->arena, "%.*s used the access token \"%.*s\" (first use of the day)",
                       STR_ARG(cx->actor.name), STR_ARG(e.target_name));
    return audit_record(cx, &e, NULL);
}

void
session_touch(struct cx *cx)
{
    struct failure kept = cx->failure;

    fail_clear(cx);
    if (cx_write(cx, cx->actor.kind == ACTOR_TOKEN ? touch_token : touch_session, NULL) != OK)
        fail_clear(cx); /* reads go on when nothing can be written */
    cx->failure = kept;
}

/* ---- making ---- */

enum err
session_insert(struct cx *cx, const struct session_user *u, struct str kind, int64_t absolute_hours,
               struct str *cuid, int64_t *expires_at)
{
    static const struct sql q = SQL_WRITE(
        "session",
        "INSERT INTO session (tenant_id, cuid, user_id, created_at, last_used, expires_at, "
        "address, user_agent, kind) VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8)");
    struct str id = cuid_in(cx->arena, cx->now);
    int64_t until = cx->now + absolute_hours * USEC_PER_HOUR;

    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(u->tenant_id), V_STR(id), V_INT(u->user_id), V_INT(cx->now),
                     V_INT(until), V_STR(cx->address.p ? cx->address : S("")),
                     V_STR(cx->user_agent.p ? cx->user_agent : S("")), V_STR(kind)),
                NULL));
    *cuid = id;
    *expires_at = until;
    return OK;
}

static struct str
token(struct cx *cx, const struct session_user *u, struct str cuid, const char *use, int64_t exp)
{
    struct buf *b = buf_in(cx->arena, 4096);
    struct json_writer w;

    json_writer_init(&w, b);
    json_begin_object(&w);
    json_kv_i64(&w, "iat", cx->now / USEC_PER_SEC);
    json_kv_i64(&w, "exp", exp);
    json_kv_str(&w, "username", u->email);
    json_kv_i64(&w, "tenantId", u->tenant_id);
    json_kv_str(&w, "tenantCuid", u->tenant_cuid);
    json_kv_i64(&w, "uid", u->user_id);
    json_kv_str(&w, "cuid", u->user_cuid);
    json_kv_str(&w, "sid", cuid);
    json_kv_str(&w, "use", str_of(use));
    json_end_object(&w);
    return jwt_make(cx->arena, buf_view(b), cx->app->keys->token);
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct session_tokens
session_mint(struct cx *cx, const struct session_user *u, struct str cuid, int64_t expires_at,
             bool browser)
{
    int64_t now = cx->now / USEC_PER_SEC, end = expires_at / USEC_PER_SEC;
    struct session_tokens t = {0};

    t.access = token(cx, u, cuid, use_of(SESSION_HEADER), earlier(now + SESSION_TOKEN_S, end));
    t.upload =
        token(cx, u, cuid, use_of(SESSION_UPLOAD_COOKIE), earlier(now + UPLOAD_TOKEN_S, end));
    if (browser)
        t.browser = token(cx, u, cuid, use_of(SESSION_COOKIE), end);
    t.browser_seconds = end - now;
    return t;
}

struct session_tokens
session_renew(struct cx *cx)
{
    const struct session_view *v = session_view(cx);
    struct session_user u = {.tenant_id = cx->tenant.id,
                             .user_id = cx->actor.user_id,
                             .tenant_cuid = cx->tenant.cuid,
                             .user_cuid = cx->actor.cuid,
                             .email = cx->actor.email};

    if (!v)
        BUG("renewing without a session");
    return session_mint(cx, &u, cx->actor.session, v->expires_at, false);
}

/* ---- ending ---- */

enum err
session_end_all(struct cx *cx, int64_t user_id, struct str keep, int64_t *ended)
{
    static const struct sql q = SQL_WRITE(
        "session", "UPDATE session SET ended_at = $3 WHERE tenant_id = $1 AND user_id = $2 AND "
                   "ended_at IS NULL AND expires_at > $3 AND cuid <> $4");
    int64_t n = 0;

    TRY(db_exec(
        cx->tx, &q,
        ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_INT(cx->now), V_STR(keep.p ? keep : S(""))),
        &n));
    if (n > 0 && cx->app->bus)
        bus_publish(cx->app->bus, BUS_SESSION); /* early, harmless: streams look at the store */
    if (ended)
        *ended = n;
    return OK;
}

enum err
session_end_one(struct cx *cx, int64_t user_id, struct str cuid)
{
    static const struct sql q = SQL_WRITE(
        "session", "UPDATE session SET ended_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND "
                   "cuid = $3 AND ended_at IS NULL AND expires_at > $4");
    int64_t n;

    TRY(db_exec(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_STR(cuid), V_INT(cx->now)),
                &n));
    return n == 1 ? OK : fail(cx, ERR_NOT_FOUND, "Session not found");
}

enum err
session_list(struct cx *cx, int64_t user_id, struct json_writer *w)
{
    static const struct sql q = SQL_READ(
        "SELECT cuid, created_at, last_used, expires_at, address, user_agent, kind FROM session "
        "WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3 "
        "ORDER BY last_used DESC, cuid DESC LIMIT 200");
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_INT(cx->now)), &r));
    json_begin_array(w);
    while ((e = db_next(r)) == OK) {
        json_begin_object(w);
        json_kv_str(w, "cuid", db_text(r, 0));
        json_kv_i64(w, "created_at", db_int(r, 1) / USEC_PER_MS);
        json_kv_i64(w, "last_used", db_int(r, 2) / USEC_PER_MS);
        json_kv_i64(w, "expires_at", db_int(r, 3) / USEC_PER_MS);
        json_kv_str(w, "address", db_text(r, 4));
        json_kv_str(w, "user_agent", db_text(r, 5));
        json_kv_str(w, "kind", db_text(r, 6));
        json_kv_bool(w, "current", str_eq(db_text(r, 0), cx->actor.session));
        json_end_object(w);
    }
    json_end_array(w);
    return e == ERR_END ? OK : e;
}

enum err
session_sweep(struct cx *cx)
{
    static const struct sql q = SQL_WRITE("session", "DELETE FROM session WHERE expires_at < $1");

    audit_cover(cx, REASON_SESSION_EXPIRED);
    return db_exec(cx->tx, &q, ARGS(V_INT(cx->now - SWEEP_AFTER_US)), NULL);
}
