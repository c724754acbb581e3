/* One-time links. Owns the table one_time_link; sends nothing. */
#include "core/link.h"

#include "audit/audit.h"
#include "core/bound.h"
#include "run/app.h"

enum err
link_new(struct cx *cx, int64_t tenant_id, int64_t user_id, struct str kind, int64_t hours,
         struct str *token)
{
    static const struct sql clear =
        SQL_WRITE("one_time_link",
                  "DELETE FROM one_time_link WHERE tenant_id = $1 AND user_id = $2 AND kind = $3");
    static const struct sql clear_setup =
        SQL_WRITE("one_time_link", "DELETE FROM one_time_link WHERE user_id IS NULL AND kind = $1");
    static const struct sql add = SQL_WRITE(
        "one_time_link", "INSERT INTO one_time_link (hash, tenant_id, user_id, kind, created_at, "
                         "expires_at) VALUES ($1, $2, $3, $4, $5, $6)");
    struct str text = bound_new(cx, bound_to(cx, tenant_id, user_id, kind));

    if (user_id)
        TRY(db_exec(cx->tx, &clear, ARGS(V_INT(tenant_id), V_INT(user_id), V_STR(kind)), NULL));
    else
        TRY(db_exec(cx->tx, &clear_setup, ARGS(V_STR(kind)), NULL));
    TRY(db_exec(cx->tx, &add,
                ARGS(V_STR(bound_hash(cx, text)), V_INT(tenant_id),
                     V_INT_OR_NULL(user_id != 0, user_id), V_STR(kind), V_INT(cx->now),
                     V_INT(cx->now + hours * USEC_PER_HOUR)),
                NULL));
    *token = text;
    return OK;
}

enum err
link_get(struct cx *cx, struct str token, struct str kind, struct link *out)
{
    static const struct sql q =
        SQL_READ("SELECT tenant_id, user_id, kind, expires_at FROM one_time_link "
                 "WHERE hash = $1 AND kind = $2 AND used_at IS NULL AND expires_at > $3");
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &q, ARGS(V_STR(bound_hash(cx, token)), V_STR(kind), V_INT(cx->now)),
                     &r));
    const struct link l = {.tenant_id = db_int(r, 0),
                           .user_id = db_int(r, 1),
                           .kind = db_text_keep(r, 2),
                           .expires_at = db_int(r, 3)};
    db_rows_end(r);
    if (!bound_is(cx, token, bound_to(cx, l.tenant_id, l.user_id, l.kind)))
        return ERR_NOT_FOUND;
    *out = l;
    return OK;
}

enum err
link_use(struct cx *cx, struct str token)
{
    static const struct sql q =
        SQL_WRITE("one_time_link",
                  "UPDATE one_time_link SET used_at = $2 WHERE hash = $1 AND used_at IS NULL");
    int64_t n;

    TRY(db_exec(cx->tx, &q, ARGS(V_STR(bound_hash(cx, token)), V_INT(cx->now)), &n));
    return n == 1 ? OK : ERR_NOT_FOUND;
}

struct str
link_public_base(struct cx *cx)
{
    const struct config *c = &cx->app->config;

    if (!str_is_empty(c->public_url))
        return c->public_url;
    return arena_fmt(cx->arena, "%s://%.*s:%d", str_is_empty(c->tls_cert) ? "http" : "https",
                     STR_ARG(c->listen_host), c->listen_port);
}

struct str
link_url(struct cx *cx, const char *path, struct str token)
{
    struct str base = link_public_base(cx);

    return arena_fmt(cx->arena, "%.*s%s?token=%.*s", STR_ARG(base), path, STR_ARG(token));
}

enum err
link_setup_needed(struct cx *cx, bool *needed)
{
    static const struct sql q =
        SQL_READ("SELECT CASE WHEN EXISTS (SELECT 1 FROM user_account) THEN 0 ELSE 1 END");
    int64_t n;

    TRY(db_query_int(cx->tx, &q, NO_ARGS, &n));
    *needed = n == 1;
    return OK;
}

static enum err
setup_body(struct cx *cx, void *arg)
{
    struct str *url = arg;
    struct str token;
    struct audit_entry e = {.event = EV_SETUP_LINK_MADE,
                            .outcome = OUTCOME_SUCCESS,
                            .instance = true,
                            .target_kind = S("installation"),
                            .text =
                                S("A one-time set-up link was made: the installation has no user")};

    TRY(link_new(cx, 0, 0, S("setup"), LINK_SETUP_HOURS, &token));
    TRY(audit_record(cx, &e, NULL));
    *url = link_url(cx, "/setup", token);
    return OK;
}

enum err
link_setup(struct cx *cx, struct str *url)
{
    return cx_write(cx, setup_body, url);
}

enum err
link_sweep(struct cx *cx)
{
    static const struct sql q =
        SQL_WRITE("one_time_link", "DELETE FROM one_time_link WHERE expires_at < $1");

    audit_cover(cx, REASON_EXPIRED);
    return db_exec(cx->tx, &q, ARGS(V_INT(cx->now - 7 * USEC_PER_DAY)), NULL);
}
