/* Deleting a user: everything that hangs on him goes with him, and the event says what that was. */
#include "core/clientuser.h"
#include "core/role.h"
#include "core/trail.h"
#include "core/user.h"

#define WHERE_USER " WHERE tenant_id = $1 AND user_id = $2"

/* In an order that leaves the account last; his clients are clientuser.c's. */
static enum err
delete_rows(struct cx *cx, int64_t user_id)
{
    static const struct sql q[] = {
        SQL_WRITE("session", "DELETE FROM session" WHERE_USER),
        SQL_WRITE("access_token", "DELETE FROM access_token" WHERE_USER),
        SQL_WRITE("user_role", "DELETE FROM user_role" WHERE_USER),
        SQL_WRITE("one_time_link", "DELETE FROM one_time_link" WHERE_USER),
        SQL_WRITE("recovery_code", "DELETE FROM recovery_code" WHERE_USER),
        SQL_WRITE("device", "DELETE FROM device" WHERE_USER),
        SQL_WRITE("device_lock", "DELETE FROM device_lock" WHERE_USER),
        SQL_WRITE("login_challenge", "DELETE FROM login_challenge" WHERE_USER),
        SQL_WRITE("preference", "DELETE FROM preference" WHERE_USER),
        SQL_WRITE("notification", "DELETE FROM notification" WHERE_USER),
        SQL_WRITE("user_account", "DELETE FROM user_account" WHERE_USER),
    };

    audit_cover(cx, REASON_CHALLENGE);
    audit_cover(cx, REASON_PREFERENCE);
    audit_cover(cx, REASON_NOTICE_READ);
    for (size_t i = 0; i < sizeof q / sizeof q[0]; i++)
        TRY(db_exec(cx->tx, &q[i], ARGS(V_INT(cx->tenant.id), V_INT(user_id)), NULL));
    return OK;
}

static const struct sql TIER_NAME =
    SQL_READ("SELECT name FROM tier WHERE tenant_id = $1 AND tier_id = $2");
static const struct sql TOKEN_NAMES =
    SQL_READ("SELECT name FROM access_token" WHERE_USER " ORDER BY created_at, cuid");

/* The first column of all rows: "one, two"; null: no row. */
static enum err
names(struct cx *cx, const struct sql *q, int64_t id, struct str *out)
{
    struct buf *b = buf_in(cx->arena, (size_t)1 << 20);
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, q, ARGS(V_INT(cx->tenant.id), V_INT(id)), &r));
    while ((e = db_next(r)) == OK)
        buf_fmt(b, "%s%.*s", b->n ? ", " : "", STR_ARG(db_text(r, 0)));
    *out = b->n ? buf_view(b) : STR_NULL;
    return e == ERR_END ? OK : e;
}

/* What he was, before any of it is gone. */
static enum err
note_held(struct cx *cx, const struct user *u, struct trail *t)
{
    struct str roles, tokens, tier;

    TRY(user_role_keys(cx, u, &roles));
    TRY(names(cx, &TOKEN_NAMES, u->user_id, &tokens));
    TRY(names(cx, &TIER_NAME, u->tier_id, &tier));
    trail_note(cx, t, S("email"), u->email, STR_NULL);
    trail_note(cx, t, S("first"), u->first, STR_NULL);
    trail_note(cx, t, S("last"), u->last, STR_NULL);
    trail_note(cx, t, S("authentication_provider"), u->provider, STR_NULL);
    trail_note(cx, t, S("roles"), roles, STR_NULL);
    trail_note(cx, t, S("disabled"), trail_bool(u->disabled), STR_NULL);
    trail_note(cx, t, S("default_group"), trail_bool(u->default_group), STR_NULL);
    trail_note(cx, t, S("mfa_enabled"), trail_bool(u->mfa_enabled), STR_NULL);
    trail_note(cx, t, S("classification"), tier, STR_NULL);
    trail_note_whole(cx, t, S("access tokens"), tokens, STR_NULL);
    return OK;
}

enum err
user_delete(struct cx *cx, struct user *u)
{
    struct str who = trail_actor(cx), whom = user_label(cx->arena, u), clients;
    struct trail t = {0};
    struct audit_entry e;

    if (u->user_id == cx->actor.user_id && !cx_is_process(cx))
        return fail(cx, ERR_CONFLICT, "Nobody deletes the own account");
    TRY(note_held(cx, u, &t));
    TRY(client_user_drop_all(cx, u, " by deleting the user", &clients));
    trail_note_whole(cx, &t, S("clients"), clients, STR_NULL);
    TRY(delete_rows(cx, u->user_id));
    TRY(admin_must_remain(cx));
    e = user_entry(cx, u, EV_USER_DELETED,
                   arena_fmt(cx->arena, "%.*s deleted the user %.*s", STR_ARG(who), STR_ARG(whom)));
    e.changes = t.v;
    e.n_changes = t.n;
    return audit_record(cx, &e, NULL);
}
