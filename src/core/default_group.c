/* The Default Group: its members get access to every client, present and new, with the tenant role
 * that brings most rights there. Leaving it takes nothing away. */
#include "core/clientuser.h"

#include "codec/json.h"
#include "core/trail.h"

/* One row per (user, role); a user without a role has one row with NULL. */
static const struct sql CANDIDATES = SQL_READ(
    "SELECT " TRAIL_USER
    ", ur.role_cuid FROM user_account u LEFT JOIN user_role ur ON ur.tenant_id = u.tenant_id AND "
    "ur.user_id = u.user_id WHERE u.tenant_id = $1 AND (u.default_group = 1 OR u.user_id = $2) ORDER BY u.user_id");

struct candidate {
    struct user user;
    const struct role *role;
    struct candidate *next;
};

static enum err
read_candidates(struct cx *cx, const struct roles *all, struct candidate **out)
{
    int64_t creator = cx_is_process(cx) ? -1 : cx->actor.user_id;
    struct candidate *first = NULL, *c = NULL, **end = &first;
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, &CANDIDATES, ARGS(V_INT(cx->tenant.id), V_INT(creator)), &rows));
    while ((e = db_next(rows)) == OK) {
        const struct role *r = db_is_null(rows, 5) ? NULL : role_pick(all, db_text(rows, 5));

        if (!c || c->user.user_id != db_int(rows, 0)) {
            *end = c = arena_new(cx->arena, struct candidate);
            end = &c->next;
            c->user = trail_user(cx, rows, 0);
        }
        if (r && r->enabled)
            c->role = role_better(c->role, r);
    }
    *out = first;
    return e == ERR_END ? OK : e;
}

static enum err
grant(struct cx *cx, const struct client *c, const struct candidate *k)
{
    bool creator = !cx_is_process(cx) && k->user.user_id == cx->actor.user_id;
    struct client_grant g = {
        .client = c,
        .user = &k->user,
        .role = k->role,
        .how = creator ? " (its creator)" : " (Default Group)",
    };

    return client_user_put(cx, &g);
}

enum err
client_grant_default_group(struct cx *cx, const struct client *c, struct granted *out)
{
    struct buf *yes = buf_in(cx->arena, (size_t)16 << 20),
               *no = buf_in(cx->arena, (size_t)16 << 20);
    struct json_writer assigned, rejected;
    struct candidate *k;
    struct roles all;

    TRY(role_load(cx, &all));
    TRY(read_candidates(cx, &all, &k));
    json_writer_init(&assigned, yes);
    json_writer_init(&rejected, no);
    json_begin_array(&assigned);
    json_begin_array(&rejected);
    for (; k; k = k->next) {
        if (k->role)
            TRY(grant(cx, c, k));
        json_str(k->role ? &assigned : &rejected, k->user.email);
    }
    json_end_array(&assigned);
    json_end_array(&rejected);
    *out = (struct granted){buf_view(yes), buf_view(no)};
    return OK;
}

/* ---- joining and leaving ---- */

static const struct sql SET_MEMBER = SQL_WRITE(
    "user_account",
    "UPDATE user_account SET default_group = $3, updated_at = $4 WHERE tenant_id = $1 AND user_id = $2 "
    "AND default_group <> $3");
static const struct sql MISSING = SQL_READ(
    "SELECT c.client_id, c.cuid, c.name FROM client c WHERE c.tenant_id = $1 AND NOT EXISTS (SELECT 1 FROM client_user cu "
    "WHERE cu.tenant_id = c.tenant_id AND cu.client_id = c.client_id AND cu.user_id = $2) ORDER BY c.client_id");

struct missing {
    struct client client;
    struct missing *next;
};

static enum err
read_missing(struct cx *cx, const struct user *u, struct missing **out)
{
    struct missing *first = NULL, **end = &first;
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, &MISSING, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id)), &rows));
    while ((e = db_next(rows)) == OK) {
        *end = arena_new(cx->arena, struct missing);
        (*end)->client = (struct client){.id = db_int(rows, 0),
                                         .cuid = arena_str(cx->arena, db_text(rows, 1)),
                                         .name = arena_str(cx->arena, db_text(rows, 2))};
        end = &(*end)->next;
    }
    *out = first;
    return e == ERR_END ? OK : e;
}

static enum err
grant_present(struct cx *cx, const struct user *u)
{
    struct candidate k = {.user = *u};
    struct missing *m;
    struct roles all;

    TRY(role_load(cx, &all));
    TRY(role_best(cx, &all, u->user_id, &k.role));
    if (!k.role)
        return OK; /* nothing to bring to a client until he has a role */
    TRY(read_missing(cx, u, &m));
    for (; m; m = m->next)
        TRY(grant(cx, &m->client, &k));
    return OK;
}

enum err
default_group_set(struct cx *cx, const struct user *u, bool member)
{
    struct str who = trail_actor(cx), whom = user_label(cx->arena, u);
    struct trail t = {0};
    struct audit_entry e;
    int64_t changed;

    TRY(db_exec(cx->tx, &SET_MEMBER,
                ARGS(V_INT(cx->tenant.id), V_INT(u->user_id), V_INT(member), V_INT(cx->now)),
                &changed));
    if (!changed)
        return OK;
    e = user_entry(cx, u, member ? EV_DEFAULT_GROUP_ADDED : EV_DEFAULT_GROUP_REMOVED,
                   arena_fmt(cx->arena, "%.*s %s %.*s %s the Default Group", STR_ARG(who),
                             member ? "added" : "removed", STR_ARG(whom), member ? "to" : "from"));
    trail_note_bool(cx, &t, S("default_group"), !member, member);
    e.changes = t.v;
    e.n_changes = t.n;
    TRY(audit_record(cx, &e, NULL));
    return member ? grant_present(cx, u) : OK;
}
