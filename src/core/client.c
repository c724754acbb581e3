/* Clients: reading one, changing, deleting. Lists are client_list.c, people clientuser.c. */
#include "core/client.h"

#include "codec/json.h"
#include "core/clientuser.h"
#include "codec/textkey.h"
#include "core/trail.h"

static const struct sql GET = SQL_READ(
    "SELECT client_id, cuid, name, description, poc, poc_email, tags, custom_field, logo, extra, created_at, "
    "updated_at FROM client WHERE tenant_id = $1 AND client_id = $2");

enum err
client_get(struct cx *cx, int64_t id, struct client *out)
{
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &GET, ARGS(V_INT(cx->tenant.id), V_INT(id)), &r);

    if (e == ERR_NOT_FOUND)
        return fail(cx, e, "Client not found");
    if (e != OK)
        return e;
    *out = client_row(cx, r);
    db_rows_end(r);
    return OK;
}

static enum err
record(struct cx *cx, enum event ev, const struct client *c, const char *verb,
       const struct trail *t)
{
    struct str who = trail_actor(cx);
    struct trail_thing thing = {
        .event = ev,
        .kind = S("client"),
        .id = c->cuid,
        .name = c->name,
        .client_id = c->id,
        .text = arena_fmt(cx->arena, "%.*s %s client %.*s", STR_ARG(who), verb, STR_ARG(c->name)),
    };

    return trail_record(cx, &thing, t);
}

/* ---- creating ---- */

static const struct sql INSERT = SQL_WRITE(
    "client",
    "INSERT INTO client (tenant_id, client_id, cuid, name, description, poc, poc_email, tags, custom_field, "
    "logo, extra, created_at, updated_at, name_key) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', $10, $11, $11, $12)");

static struct str
or_else(struct str s, struct str fallback)
{
    return str_is_null(s) ? fallback : s;
}

static void
note_texts(struct cx *cx, struct trail *t, const struct client *old, const struct client *c)
{
    trail_note(cx, t, S("name"), old->name, c->name);
    trail_note(cx, t, S("description"), old->description, c->description);
    trail_note(cx, t, S("poc"), old->poc, c->poc);
    trail_note(cx, t, S("poc_email"), old->poc_email, c->poc_email);
    trail_note(cx, t, S("tags"), old->tags, c->tags);
    trail_note(cx, t, S("custom_field"), old->custom_field, c->custom_field);
}

static struct str
json_text(struct cx *cx, const struct json *v)
{
    struct buf *b;
    struct json_writer w;

    if (!v)
        return STR_NULL;
    if (v->type == JSON_STRING)
        return v->text;
    b = buf_in(cx->arena, CLIENT_TEXT_MAX * 8);
    json_writer_init(&w, b);
    json_value(&w, v);
    return buf_view(b);
}

/* The unknown members, one by one. */
static void
note_extra(struct cx *cx, struct trail *t, struct str before, struct str after)
{
    struct json *a = NULL, *b = NULL;
    const char *why;
    size_t where;

    if (str_eq(before, after) || json_parse(cx->arena, before, &a, &where, &why) != OK ||
        json_parse(cx->arena, after, &b, &where, &why) != OK)
        return;
    for (const struct json *m = a->first; m; m = m->next)
        trail_note(cx, t, m->key, json_text(cx, m), json_text(cx, json_get(b, m->key)));
    for (const struct json *m = b->first; m; m = m->next) {
        if (!json_get(a, m->key))
            trail_note(cx, t, m->key, STR_NULL, json_text(cx, m));
    }
}

enum err
client_insert(struct cx *cx, struct client *c)
{
    static const struct client empty = {.description = S(""),
                                        .poc = S(""),
                                        .poc_email = S(""),
                                        .tags = S("[]"),
                                        .custom_field = S("[]")};
    struct trail t = {0};

    audit_cover(cx, REASON_SEQUENCE);
    TRY(db_sequence(cx->tx, "client", &c->id));
    c->cuid = cuid_in(cx->arena, cx->now);
    c->description = or_else(c->description, S(""));
    c->poc = or_else(c->poc, S(""));
    c->poc_email = or_else(c->poc_email, S(""));
    c->tags = or_else(c->tags, S("[]"));
    c->custom_field = or_else(c->custom_field, S("[]"));
    c->extra = or_else(c->extra, S("{}"));
    c->logo = S("");
    c->created_at = c->updated_at = cx->now;
    TRY(db_exec(cx->tx, &INSERT,
                ARGS(V_INT(cx->tenant.id), V_INT(c->id), V_STR(c->cuid), V_STR(c->name),
                     V_STR(c->description), V_STR(c->poc), V_STR(c->poc_email), V_STR(c->tags),
                     V_STR(c->custom_field), V_STR(c->extra), V_INT(cx->now),
                     V_STR(text_key(cx->arena, c->name))),
                NULL));
    note_texts(cx, &t, &empty, c);
    note_extra(cx, &t, S("{}"), c->extra);
    return record(cx, EV_CLIENT_CREATED, c, "created", &t);
}

/* ---- changing ---- */

static const struct sql UPDATE = SQL_WRITE(
    "client",
    "UPDATE client SET name = $3, description = $4, poc = $5, poc_email = $6, tags = $7, custom_field = $8, "
    "extra = $9, updated_at = $10, name_key = $11 WHERE tenant_id = $1 AND client_id = $2");

enum err
client_update(struct cx *cx, const struct client *old, const struct client *c)
{
    struct trail t = {0};

    note_texts(cx, &t, old, c);
    note_extra(cx, &t, old->extra, c->extra);
    if (t.n == 0)
        return OK;
    TRY(db_exec(cx->tx, &UPDATE,
                ARGS(V_INT(cx->tenant.id), V_INT(c->id), V_STR(c->name), V_STR(c->description),
                     V_STR(c->poc), V_STR(c->poc_email), V_STR(c->tags), V_STR(c->custom_field),
                     V_STR(c->extra), V_INT(cx->now), V_STR(text_key(cx->arena, c->name))),
                NULL));
    return record(cx, EV_CLIENT_UPDATED, c, "changed", &t);
}

static const struct sql SET_LOGO = SQL_WRITE(
    "client",
    "UPDATE client SET logo = $3, updated_at = $4 WHERE tenant_id = $1 AND client_id = $2");

enum err
client_set_logo(struct cx *cx, const struct client *c, struct str data_url, struct str what)
{
    struct trail t = {0};

    if (str_is_empty(data_url) && str_is_empty(c->logo))
        return OK;
    TRY(db_exec(
        cx->tx, &SET_LOGO,
        ARGS(V_INT(cx->tenant.id), V_INT(c->id), V_STR(or_else(data_url, S(""))), V_INT(cx->now)),
        NULL));
    trail_note(cx, &t, S("logo"), str_is_empty(c->logo) ? STR_NULL : S("an image"), what);
    return record(cx, EV_CLIENT_UPDATED, c,
                  str_is_empty(data_url) ? "removed the logo of" : "set the logo of", &t);
}

/* ---- deleting ---- */

static const struct sql DROP_USERS =
    SQL_WRITE("client_user", "DELETE FROM client_user WHERE tenant_id = $1 AND client_id = $2");
static const struct sql DROP =
    SQL_WRITE("client", "DELETE FROM client WHERE tenant_id = $1 AND client_id = $2");

/* All that it held, as long as a record takes it; what was empty is not said. */
static void
note_gone(struct cx *cx, struct trail *t, const struct client *c)
{
    const struct {
        const char *field;
        struct str value, empty;
    } held[] = {
        {"name", c->name, S("")},
        {"description", c->description, S("")},
        {"poc", c->poc, S("")},
        {"poc_email", c->poc_email, S("")},
        {"tags", c->tags, S("[]")},
        {"custom_field", c->custom_field, S("[]")},
        {"other members", c->extra, S("{}")},
        {"logo", str_is_empty(c->logo) ? S("") : S("an image"), S("")},
    };

    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++)
        if (!str_is_empty(held[i].value) && !str_eq(held[i].value, held[i].empty))
            trail_note_whole(cx, t, str_of(held[i].field), held[i].value, STR_NULL);
}

enum err
client_delete(struct cx *cx, const struct client *c)
{
    struct trail t = {0};
    struct members all;

    TRY(members_of_client(cx, c->id, &all));
    TRY(db_exec(cx->tx, &DROP_USERS, ARGS(V_INT(cx->tenant.id), V_INT(c->id)), NULL));
    TRY(db_exec(cx->tx, &DROP, ARGS(V_INT(cx->tenant.id), V_INT(c->id)), NULL));
    for (size_t i = 0; i < all.n; i++)
        TRY(member_record_removed(cx, c, &all.v[i], " by deleting the client"));
    note_gone(cx, &t, c);
    return record(cx, EV_CLIENT_DELETED, c, "deleted", &t);
}
