/* Assigning users to clients. The Default Group is default_group.c. */
#include "core/clientuser.h"

#include "core/trail.h"

/* ---- reading ---- */

#define MEMBER_COLUMNS                                                                                  \
    "SELECT " TRAIL_USER                                                                                \
    ", cu.client_id, u.disabled, cu.role_cuid, r.key, r.title, cu.tier_id, t.name "                     \
    "FROM client_user cu JOIN user_account u ON u.tenant_id = cu.tenant_id AND u.user_id = cu.user_id " \
    "LEFT JOIN role r ON r.tenant_id = cu.tenant_id AND r.cuid = cu.role_cuid "                         \
    "LEFT JOIN tier t ON t.tenant_id = cu.tenant_id AND t.tier_id = cu.tier_id "                        \
    "WHERE cu.tenant_id = $1 "
static const struct sql OF_CLIENT =
    SQL_READ(MEMBER_COLUMNS "AND cu.client_id = $2 ORDER BY u.last_key, u.first_key, u.user_id");
static const struct sql OF_CLIENTS = SQL_READ2(
    MEMBER_COLUMNS
    "AND cu.client_id IN (SELECT value FROM json_each($2)) ORDER BY cu.client_id, u.user_id",
    MEMBER_COLUMNS
    "AND cu.client_id IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text("
    "CAST(CAST($2 AS TEXT) AS json))) ORDER BY cu.client_id, u.user_id");
static const struct sql AVAILABLE = SQL_READ(
    "SELECT " TRAIL_USER
    ", 0, u.disabled, NULL, NULL, NULL, u.tier_id, NULL FROM user_account u WHERE u.tenant_id = $1 AND NOT "
    "EXISTS (SELECT 1 FROM client_user cu WHERE cu.tenant_id = u.tenant_id AND cu.user_id = u.user_id AND "
    "cu.client_id = $2) ORDER BY u.last_key, u.first_key, u.user_id");

static struct str
kept(struct cx *cx, struct str s)
{
    return str_is_null(s) ? s : arena_str(cx->arena, s);
}

static enum err
read_members(struct cx *cx, const struct sql *q, struct db_val arg, struct members *out)
{
    struct members all = {NULL, 0};
    struct db_rows *rows;
    size_t cap = 0;
    enum err e;

    TRY(db_query(cx->tx, q, ARGS(V_INT(cx->tenant.id), arg), &rows));
    while ((e = db_next(rows)) == OK) {
        arena_grow(cx->arena, all.v, all.n, &cap, 16);
        all.v[all.n++] = (struct member){
            .user = trail_user(cx, rows, 0),
            .client_id = db_int(rows, 5),
            .disabled = db_int(rows, 6) != 0,
            .role_cuid = kept(cx, db_text(rows, 7)),
            .role_key = kept(cx, db_text(rows, 8)),
            .role_title = kept(cx, db_text(rows, 9)),
            .tier_id = db_int(rows, 10),
            .tier = kept(cx, db_text(rows, 11)),
        };
    }
    if (e != ERR_END)
        return e;
    *out = all;
    return OK;
}

enum err
members_of_client(struct cx *cx, int64_t client_id, struct members *out)
{
    return read_members(cx, &OF_CLIENT, V_INT(client_id), out);
}

enum err
members_of_clients(struct cx *cx, struct str ids, struct members *out)
{
    return read_members(cx, &OF_CLIENTS, V_STR(ids), out);
}

enum err
members_available(struct cx *cx, int64_t client_id, struct members *out)
{
    return read_members(cx, &AVAILABLE, V_INT(client_id), out);
}

/* ---- assigning, changing ---- */

static const struct sql ONE = SQL_READ(MEMBER_COLUMNS "AND cu.client_id = $2 AND cu.user_id = $3");

static enum err
read_one(struct cx *cx, int64_t client_id, int64_t user_id, struct member *out)
{
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &ONE, ARGS(V_INT(cx->tenant.id), V_INT(client_id), V_INT(user_id)),
                     &r));
    *out = (struct member){
        .user = trail_user(cx, r, 0),
        .client_id = client_id,
        .role_cuid = kept(cx, db_text(r, 7)),
        .role_key = kept(cx, db_text(r, 8)),
        .role_title = kept(cx, db_text(r, 9)),
        .tier_id = db_int(r, 10),
        .tier = kept(cx, db_text(r, 11)),
    };
    db_rows_end(r);
    return OK;
}

static struct str
tier_name(const struct tiers *all, int64_t id)
{
    const struct tier *t = all ? tier_by_id(all, id) : NULL;

    return t ? t->name : STR_NULL;
}

static struct str
tier_number(struct cx *cx, int64_t id)
{
    return id ? arena_fmt(cx->arena, "%lld", (long long)id) : STR_NULL;
}

static enum err
record(struct cx *cx, enum event ev, const struct client *c, const struct user *u, struct str text,
       const struct trail *t)
{
    struct audit_entry e = user_entry(cx, u, ev, text);

    e.client_id = c->id;
    e.client_name = c->name;
    e.changes = t->v;
    e.n_changes = t->n;
    return audit_record(cx, &e, NULL);
}

static const struct sql INSERT = SQL_WRITE(
    "client_user",
    "INSERT INTO client_user (tenant_id, client_id, user_id, role_cuid, tier_id) VALUES ($1, $2, $3, $4, $5)");
static const struct sql UPDATE = SQL_WRITE(
    "client_user",
    "UPDATE client_user SET role_cuid = $4, tier_id = $5 WHERE tenant_id = $1 AND client_id = $2 AND user_id = $3");

static enum err
write_row(struct cx *cx, const struct sql *q, const struct client_grant *g, int64_t tier)
{
    return db_exec(cx->tx, q,
                   ARGS(V_INT(cx->tenant.id), V_INT(g->client->id), V_INT(g->user->user_id),
                        V_STR(g->role->cuid), V_INT_OR_NULL(tier != 0, tier)),
                   NULL);
}

static enum err
assign(struct cx *cx, const struct client_grant *g)
{
    struct str who = trail_actor(cx), whom = user_label(cx->arena, g->user);
    struct trail t = {0};

    TRY(write_row(cx, &INSERT, g, g->tier ? g->tier->id : 0));
    trail_note(cx, &t, S("role"), STR_NULL, g->role->title);
    trail_note(cx, &t, S("role_id"), STR_NULL, g->role->cuid);
    if (g->tier) {
        trail_note(cx, &t, S("classification"), STR_NULL, g->tier->name);
        trail_note(cx, &t, S("classification_id"), STR_NULL, tier_number(cx, g->tier->id));
    }
    return record(cx, EV_CLIENT_USER_ASSIGNED, g->client, g->user,
                  arena_fmt(cx->arena, "%.*s assigned %.*s to client %.*s as %.*s%s", STR_ARG(who),
                            STR_ARG(whom), STR_ARG(g->client->name), STR_ARG(g->role->title),
                            g->how ? g->how : ""),
                  &t);
}

static enum err
change(struct cx *cx, const struct client_grant *g, const struct member *old)
{
    int64_t tier = g->has_tier ? (g->tier ? g->tier->id : 0) : old->tier_id;
    struct str who = trail_actor(cx), whom = user_label(cx->arena, g->user);
    struct trail t = {0};

    if (str_eq(old->role_cuid, g->role->cuid) && tier == old->tier_id)
        return OK;
    TRY(write_row(cx, &UPDATE, g, tier));
    trail_note(cx, &t, S("role"), old->role_title, g->role->title);
    trail_note(cx, &t, S("role_id"), old->role_cuid, g->role->cuid);
    trail_note(cx, &t, S("classification"), tier_name(g->tiers, old->tier_id),
               tier_name(g->tiers, tier));
    trail_note(cx, &t, S("classification_id"), tier_number(cx, old->tier_id),
               tier_number(cx, tier));
    return record(cx, EV_CLIENT_USER_UPDATED, g->client, g->user,
                  arena_fmt(cx->arena, "%.*s changed the access of %.*s to client %.*s",
                            STR_ARG(who), STR_ARG(whom), STR_ARG(g->client->name)),
                  &t);
}

enum err
client_user_put(struct cx *cx, const struct client_grant *g)
{
    struct member old;
    enum err e = read_one(cx, g->client->id, g->user->user_id, &old);

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    if (g->his) {
        TRY(role_grantable_on(cx, g->his, g->role));
        if (g->has_tier && g->tier && (e != OK || g->tier->id != old.tier_id))
            TRY(tier_grantable(cx, g->tiers, g->tier, g->his));
    }
    return e == OK ? change(cx, g, &old) : assign(cx, g);
}

/* ---- removing ---- */

enum err
member_record_removed(struct cx *cx, const struct client *c, const struct member *m,
                      const char *how)
{
    struct str who = trail_actor(cx), whom = user_label(cx->arena, &m->user);
    struct trail t = {0};

    trail_note(cx, &t, S("role"), m->role_title, STR_NULL);
    trail_note(cx, &t, S("role_id"), m->role_cuid, STR_NULL);
    trail_note(cx, &t, S("classification"), m->tier, STR_NULL);
    trail_note(cx, &t, S("classification_id"), tier_number(cx, m->tier_id), STR_NULL);
    return record(cx, EV_CLIENT_USER_REMOVED, c, &m->user,
                  arena_fmt(cx->arena, "%.*s removed %.*s from client %.*s%s", STR_ARG(who),
                            STR_ARG(whom), STR_ARG(c->name), how),
                  &t);
}

static const struct sql DELETE =
    SQL_WRITE("client_user",
              "DELETE FROM client_user WHERE tenant_id = $1 AND client_id = $2 AND user_id = $3");

enum err
client_user_drop(struct cx *cx, const struct client *c, const struct user *u)
{
    struct member old;

    TRY(read_one(cx, c->id, u->user_id, &old));
    TRY(db_exec(cx->tx, &DELETE, ARGS(V_INT(cx->tenant.id), V_INT(c->id), V_INT(u->user_id)),
                NULL));
    return member_record_removed(cx, c, &old, "");
}

static const struct sql OF_USER = SQL_READ(
    "SELECT cu.client_id, c.name, cu.role_cuid, r.title, cu.tier_id, t.name FROM client_user cu "
    "JOIN client c ON c.tenant_id = cu.tenant_id AND c.client_id = cu.client_id "
    "LEFT JOIN role r ON r.tenant_id = cu.tenant_id AND r.cuid = cu.role_cuid "
    "LEFT JOIN tier t ON t.tenant_id = cu.tenant_id AND t.tier_id = cu.tier_id "
    "WHERE cu.tenant_id = $1 AND cu.user_id = $2 ORDER BY cu.client_id");
static const struct sql DELETE_OF_USER =
    SQL_WRITE("client_user", "DELETE FROM client_user WHERE tenant_id = $1 AND user_id = $2");

struct lost {
    struct client client; /* id and name */
    struct member m;
    struct lost *next;
};

/* Rows are read to the end before the first event is written. */
static enum err
read_lost(struct cx *cx, const struct user *u, struct lost **out)
{
    struct lost *first = NULL, **end = &first;
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &OF_USER, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id)), &r));
    while ((e = db_next(r)) == OK) {
        struct lost *l = *end = arena_new(cx->arena, struct lost);

        l->client.id = db_int(r, 0);
        l->client.name = arena_str(cx->arena, db_text(r, 1));
        l->m = (struct member){.client_id = l->client.id,
                               .user = *u,
                               .role_cuid = kept(cx, db_text(r, 2)),
                               .role_title = kept(cx, db_text(r, 3)),
                               .tier_id = db_int(r, 4),
                               .tier = kept(cx, db_text(r, 5))};
        end = &l->next;
    }
    *out = first;
    return e == ERR_END ? OK : e;
}

enum err
client_user_drop_all(struct cx *cx, const struct user *u, const char *how, struct str *names)
{
    struct buf *b = buf_in(cx->arena, (size_t)1 << 20);
    struct lost *l;

    TRY(read_lost(cx, u, &l));
    TRY(db_exec(cx->tx, &DELETE_OF_USER, ARGS(V_INT(cx->tenant.id), V_INT(u->user_id)), NULL));
    for (; l; l = l->next) {
        TRY(member_record_removed(cx, &l->client, &l->m, how));
        buf_fmt(b, "%s%.*s", b->n ? ", " : "", STR_ARG(l->client.name));
    }
    *names = b->n ? buf_view(b) : STR_NULL;
    return OK;
}
