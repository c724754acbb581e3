/* The tenant: creation, name, address. Pictures are image.c. */
#include "core/tenant.h"

#include "core/access.h"
#include "core/role.h"
#include "core/tier.h"
#include "core/trail.h"

static const struct sql INSERT = SQL_WRITE(
    "tenant",
    "INSERT INTO tenant (tenant_id, cuid, name, demo, created_at) VALUES ($1, $2, $3, $4, $5)");

static enum err
record(struct cx *cx, enum event ev, struct str name, struct str text, const struct trail *t)
{
    struct trail_thing thing = {
        .event = ev, .kind = S("tenant"), .id = cx->tenant.cuid, .name = name, .text = text};

    return trail_record(cx, &thing, t);
}

/* With cx->tenant set to the new tenant. */
static enum err
fill(struct cx *cx, struct str name, bool demo)
{
    struct str who = trail_actor(cx);
    struct trail t = {0};

    TRY(db_exec(cx->tx, &INSERT,
                ARGS(V_INT(cx->tenant.id), V_STR(cx->tenant.cuid), V_STR(name), V_INT(demo),
                     V_INT(cx->now)),
                NULL));
    TRY(role_seed(cx));
    TRY(tier_seed(cx));
    trail_note(cx, &t, S("name"), STR_NULL, name);
    if (demo)
        trail_note_bool(cx, &t, S("demonstration"), false, true);
    TRY(record(cx, EV_TENANT_CREATED, name,
               arena_fmt(cx->arena, "%.*s created the %sworkspace %.*s", STR_ARG(who),
                         demo ? "demonstration " : "", STR_ARG(name)),
               &t));
    return access_baseline(cx, NULL, S("a new workspace"));
}

enum err
tenant_create(struct cx *cx, struct str name, bool demo, struct tenant_ref *out)
{
    struct tenant_ref before = cx->tenant, made = {.known = true};
    enum err e;

    name = str_trim(name);
    if (str_is_empty(name))
        return fail_field(cx, S("/name"), "must not be empty");
    if (name.n > TENANT_NAME_MAX)
        return fail_field(cx, S("/name"), "is longer than %d bytes", TENANT_NAME_MAX);
    audit_cover(cx, REASON_SEQUENCE);
    TRY(db_sequence(cx->tx, "tenant", &made.id));
    made.id--; /* sequences start at 1, tenants at 0 */
    made.cuid = cuid_in(cx->arena, cx->now);
    cx->tenant = made;
    e = fill(cx, name, demo);
    cx->tenant = before;
    if (e == OK)
        *out = made;
    return e;
}

static const struct sql GET =
    SQL_READ("SELECT cuid, name, address, poc, demo, created_at FROM tenant WHERE tenant_id = $1");

enum err
tenant_get(struct cx *cx, struct tenant *out)
{
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &GET, ARGS(V_INT(cx->tenant.id)), &r));
    *out = (struct tenant){
        .id = cx->tenant.id,
        .cuid = arena_str(cx->arena, db_text(r, 0)),
        .name = arena_str(cx->arena, db_text(r, 1)),
        .address = arena_str(cx->arena, db_text(r, 2)),
        .poc = arena_str(cx->arena, db_text(r, 3)),
        .demo = db_int(r, 4) != 0,
        .created_at = db_int(r, 5),
    };
    db_rows_end(r);
    return OK;
}

static const struct sql UPDATE =
    SQL_WRITE("tenant", "UPDATE tenant SET name = $2, address = $3 WHERE tenant_id = $1");

enum err
tenant_update(struct cx *cx, struct str name, struct str address)
{
    struct str who = trail_actor(cx);
    struct tenant old;
    struct trail t = {0};

    TRY(tenant_get(cx, &old));
    name = str_is_null(name) ? old.name : str_trim(name);
    address = str_is_null(address) ? old.address : address;
    trail_note(cx, &t, S("name"), old.name, name);
    trail_note(cx, &t, S("address"), old.address, address);
    if (t.n == 0)
        return OK;
    TRY(db_exec(cx->tx, &UPDATE, ARGS(V_INT(cx->tenant.id), V_STR(name), V_STR(address)), NULL));
    return record(cx, EV_SETTING_CHANGED, name,
                  arena_fmt(cx->arena, "%.*s changed the account information", STR_ARG(who)), &t);
}
