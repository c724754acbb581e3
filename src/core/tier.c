/* Classification tiers: the list, its order, and who loses a tier that is deleted. */
#include "core/tier.h"

#include "core/trail.h"

static const struct sql TIERS = SQL_READ(
    "SELECT tier_id, cuid, name, description, enabled FROM tier WHERE tenant_id = $1 ORDER BY level, tier_id");

enum err
tier_load(struct cx *cx, struct tiers *out)
{
    struct tiers all = {NULL, 0};
    struct db_rows *rows;
    size_t cap = 0;
    enum err e;

    TRY(db_query(cx->tx, &TIERS, ARGS(V_INT(cx->tenant.id)), &rows));
    while ((e = db_next(rows)) == OK) {
        arena_grow(cx->arena, all.v, all.n, &cap, 8);
        all.v[all.n] = (struct tier){
            .id = db_int(rows, 0),
            .cuid = arena_str(cx->arena, db_text(rows, 1)),
            .name = arena_str(cx->arena, db_text(rows, 2)),
            .description = arena_str(cx->arena, db_text(rows, 3)),
            .enabled = db_int(rows, 4) != 0,
            .level = (int64_t)all.n + 1,
        };
        all.n++;
    }
    if (e != ERR_END)
        return e;
    *out = all;
    return OK;
}

const struct tier *
tier_by_id(const struct tiers *all, int64_t id)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->v[i].id == id)
            return &all->v[i];
    }
    return NULL;
}

const struct tier *
tier_pick(const struct tiers *all, struct str ref)
{
    int64_t id;

    ref = str_trim(ref);
    if (str_int64(ref, &id) == OK)
        return tier_by_id(all, id);
    for (size_t i = 0; i < all->n; i++) {
        if (str_eq(all->v[i].cuid, ref) || str_ieq(all->v[i].name, ref))
            return &all->v[i];
    }
    return NULL;
}

static const struct sql OWN = SQL_READ(
    "SELECT tier_id FROM user_account WHERE tenant_id = $1 AND user_id = $2 AND tier_id IS NOT NULL");

enum err
tier_grantable(struct cx *cx, const struct tiers *all, const struct tier *t,
               const struct client_rights *his)
{
    const struct tier *own = NULL;
    int64_t id;
    enum err e;

    if (!t || cx_is_process(cx) || cx_may(cx, PERM_TIERS_MANAGE) ||
        (his->member && his->level >= t->level))
        return OK;
    e = db_query_int(cx->tx, &OWN, ARGS(V_INT(cx->tenant.id), V_INT(cx->actor.user_id)), &id);
    if (e == OK)
        own = tier_by_id(all, id);
    else if (e != ERR_NOT_FOUND)
        return e;
    if (own && own->level >= t->level)
        return OK;
    return fail(cx, ERR_FORBIDDEN, "The classification %.*s is above your own", STR_ARG(t->name));
}

/* ---- changing ---- */

static enum err
record(struct cx *cx, enum event ev, const struct tier *t, const char *verb,
       const struct trail *changes)
{
    struct str who = trail_actor(cx);
    struct trail_thing thing = {
        .event = ev,
        .kind = S("tier"),
        .id = t->cuid,
        .name = t->name,
        .text = arena_fmt(cx->arena, "%.*s %s the classification tier %.*s", STR_ARG(who), verb,
                          STR_ARG(t->name)),
    };

    return trail_record(cx, &thing, changes);
}

static enum err
name_free(struct cx *cx, const struct tiers *all, struct str name, int64_t but)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->v[i].id != but && str_ieq(all->v[i].name, name))
            return fail(cx, ERR_CONFLICT, "There is a tier of this name already");
    }
    return OK;
}

/* The casts give PostgreSQL the types that a SELECT list does not. */
static const struct sql INSERT_TIER = SQL_WRITE(
    "tier",
    "INSERT INTO tier (tenant_id, tier_id, cuid, name, description, level, enabled) "
    "SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), "
    "COALESCE(MAX(level), 0) + 1, CAST($6 AS BIGINT) FROM tier WHERE tenant_id = $1");

static enum err
insert_tier(struct cx *cx, struct tier *t)
{
    audit_cover(cx, REASON_SEQUENCE);
    TRY(db_sequence(cx->tx, "tier", &t->id));
    t->cuid = cuid_in(cx->arena, cx->now);
    return db_exec(cx->tx, &INSERT_TIER,
                   ARGS(V_INT(cx->tenant.id), V_INT(t->id), V_STR(t->cuid), V_STR(t->name),
                        V_STR(t->description), V_INT(t->enabled)),
                   NULL);
}

enum err
tier_create(struct cx *cx, struct str name, struct str description, bool enabled, struct tier *out)
{
    struct tier t = {.name = str_trim(name), .enabled = enabled};
    struct trail changes = {0};
    struct tiers all;

    t.description = str_is_null(description) ? S("") : description;
    TRY(tier_load(cx, &all));
    TRY(name_free(cx, &all, t.name, 0));
    TRY(insert_tier(cx, &t));
    t.level = (int64_t)all.n + 1;
    trail_note(cx, &changes, S("name"), STR_NULL, t.name);
    trail_note(cx, &changes, S("description"), S(""), t.description);
    trail_note(cx, &changes, S("level"), STR_NULL,
               arena_fmt(cx->arena, "%lld", (long long)t.level));
    trail_note(cx, &changes, S("enabled"), STR_NULL, trail_bool(enabled));
    trail_note(cx, &changes, S("id"), STR_NULL, arena_fmt(cx->arena, "%lld", (long long)t.id));
    TRY(record(cx, EV_TIER_CREATED, &t, "created", &changes));
    *out = t;
    return OK;
}

static const struct sql UPDATE_TIER = SQL_WRITE(
    "tier",
    "UPDATE tier SET name = $3, description = $4, enabled = $5 WHERE tenant_id = $1 AND tier_id = $2");

enum err
tier_update(struct cx *cx, const struct tiers *all, const struct tier *t, struct str name,
            struct str description, bool enabled)
{
    struct trail changes = {0};

    name = str_is_null(name) ? t->name : str_trim(name);
    description = str_is_null(description) ? t->description : description;
    trail_note(cx, &changes, S("name"), t->name, name);
    trail_note(cx, &changes, S("description"), t->description, description);
    trail_note_bool(cx, &changes, S("enabled"), t->enabled, enabled);
    if (changes.n == 0)
        return OK;
    TRY(name_free(cx, all, name, t->id));
    TRY(db_exec(
        cx->tx, &UPDATE_TIER,
        ARGS(V_INT(cx->tenant.id), V_INT(t->id), V_STR(name), V_STR(description), V_INT(enabled)),
        NULL));
    return record(cx, EV_TIER_UPDATED, t, "changed", &changes);
}

/* ---- order ---- */

static const struct sql SET_LEVEL =
    SQL_WRITE("tier", "UPDATE tier SET level = $3 WHERE tenant_id = $1 AND tier_id = $2");

static enum err
move_tier(struct cx *cx, const struct tier *t, int64_t level)
{
    struct trail changes = {0};

    TRY(db_exec(cx->tx, &SET_LEVEL, ARGS(V_INT(cx->tenant.id), V_INT(t->id), V_INT(level)), NULL));
    if (t->level == level)
        return OK;
    trail_note(cx, &changes, S("level"), arena_fmt(cx->arena, "%lld", (long long)t->level),
               arena_fmt(cx->arena, "%lld", (long long)level));
    return record(cx, EV_TIER_UPDATED, t, "moved", &changes);
}

enum err
tier_reorder(struct cx *cx, const struct tiers *all, const int64_t *ids, size_t n)
{
    bool changed = false;

    for (size_t i = 0; i < n; i++) {
        const struct tier *t = tier_by_id(all, ids[i]);

        for (size_t k = 0; t && k < i; k++) {
            if (ids[k] == ids[i])
                t = NULL;
        }
        if (!t)
            return fail_field(cx, S("/ids"),
                              "names tier %lld, which is unknown or stands there twice",
                              (long long)ids[i]);
        changed = changed || t->level != (int64_t)i + 1;
    }
    if (n != all->n)
        return fail_field(cx, S("/ids"), "must name all %zu tiers", all->n);
    for (size_t i = 0; changed && i < n; i++)
        TRY(move_tier(cx, tier_by_id(all, ids[i]), (int64_t)i + 1));
    return OK;
}

/* ---- deleting ---- */

/* One row for each user whose own it is, and one for each client where it is a user's. */
static const struct sql AFFECTED = SQL_READ(
    "SELECT " TRAIL_USER ", 0, '' FROM user_account u WHERE u.tenant_id = $1 AND u.tier_id = $2 "
    "UNION ALL SELECT " TRAIL_USER ", c.client_id, c.name FROM client_user cu "
    "JOIN user_account u ON u.tenant_id = cu.tenant_id AND u.user_id = cu.user_id "
    "JOIN client c ON c.tenant_id = cu.tenant_id AND c.client_id = cu.client_id "
    "WHERE cu.tenant_id = $1 AND cu.tier_id = $2 ORDER BY 1, 6");
static const struct sql CLEAR_USERS = SQL_WRITE(
    "user_account", "UPDATE user_account SET tier_id = NULL WHERE tenant_id = $1 AND tier_id = $2");
static const struct sql CLEAR_CLIENTS = SQL_WRITE(
    "client_user", "UPDATE client_user SET tier_id = NULL WHERE tenant_id = $1 AND tier_id = $2");
static const struct sql DELETE_TIER =
    SQL_WRITE("tier", "DELETE FROM tier WHERE tenant_id = $1 AND tier_id = $2");

struct affected {
    struct user user;
    int64_t client_id; /* 0: his own classification */
    struct str client;
    struct affected *next;
};

static enum err
read_affected(struct cx *cx, const struct tier *t, struct affected **out)
{
    struct affected *first = NULL, **end = &first;
    struct db_rows *rows;
    enum err e;

    TRY(db_query(cx->tx, &AFFECTED, ARGS(V_INT(cx->tenant.id), V_INT(t->id)), &rows));
    while ((e = db_next(rows)) == OK) {
        *end = arena_new(cx->arena, struct affected);
        (*end)->user = trail_user(cx, rows, 0);
        (*end)->client_id = db_int(rows, 5);
        (*end)->client = arena_str(cx->arena, db_text(rows, 6));
        end = &(*end)->next;
    }
    *out = first;
    return e == ERR_END ? OK : e;
}

static enum err
record_affected(struct cx *cx, const struct tier *t, const struct affected *a)
{
    struct str who = trail_actor(cx), whom = user_label(cx->arena, &a->user);
    struct str id = arena_fmt(cx->arena, "%lld", (long long)t->id);
    struct str on =
        a->client_id ? arena_fmt(cx->arena, " on client %.*s", STR_ARG(a->client)) : S("");
    struct trail changes = {0};
    struct audit_entry e;

    e = user_entry(cx, &a->user, EV_USER_TIER_CHANGED,
                   arena_fmt(cx->arena,
                             "%.*s took the classification %.*s%.*s from %.*s by deleting the tier",
                             STR_ARG(who), STR_ARG(t->name), STR_ARG(on), STR_ARG(whom)));
    trail_note(cx, &changes, S("classification"), t->name, STR_NULL);
    trail_note(cx, &changes, a->client_id ? S("classification_id") : S("tenantClassificationLevel"),
               id, STR_NULL);
    if (a->client_id) {
        e.client_id = a->client_id;
        e.client_name = a->client;
    }
    e.changes = changes.v;
    e.n_changes = changes.n;
    return audit_record(cx, &e, NULL);
}

enum err
tier_delete(struct cx *cx, const struct tier *t)
{
    static const struct sql *const steps[] = {&CLEAR_USERS, &CLEAR_CLIENTS, &DELETE_TIER};
    struct trail changes = {0};
    struct affected *a;

    TRY(read_affected(cx, t, &a));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        TRY(db_exec(cx->tx, steps[i], ARGS(V_INT(cx->tenant.id), V_INT(t->id)), NULL));
    for (; a; a = a->next)
        TRY(record_affected(cx, t, a));
    trail_note(cx, &changes, S("name"), t->name, STR_NULL);
    if (!str_is_empty(t->description))
        trail_note_whole(cx, &changes, S("description"), t->description, STR_NULL);
    trail_note(cx, &changes, S("level"), arena_fmt(cx->arena, "%lld", (long long)t->level),
               STR_NULL);
    trail_note(cx, &changes, S("enabled"), trail_bool(t->enabled), STR_NULL);
    trail_note(cx, &changes, S("id"), arena_fmt(cx->arena, "%lld", (long long)t->id), STR_NULL);
    return record(cx, EV_TIER_DELETED, t, "deleted", &changes);
}

enum err
tier_seed(struct cx *cx)
{
    static const char *const names[] = {"Tier 1", "Tier 2", "Tier 3"};

    for (int i = 0; i < 3; i++) {
        struct tier t = {.name = str_of(names[i]), .description = S(""), .enabled = true};

        TRY(insert_tier(cx, &t));
    }
    return OK;
}
