/* The tag list of a tenant. */
#include "core/tag.h"

#include "codec/textkey.h"
#include "core/trail.h"

struct str
like_part(struct cx *cx, struct str part)
{
    struct buf *b;

    if (str_is_empty(part))
        return STR_NULL;
    part = text_key(cx->arena, part);
    b = buf_in(cx->arena, part.n * 2 + 2);
    buf_char(b, '%');
    for (size_t i = 0; i < part.n; i++) {
        char c = part.p[i];

        if (c == '%' || c == '_' || c == '\\')
            buf_char(b, '\\');
        buf_char(b, c);
    }
    buf_char(b, '%');
    return buf_view(b);
}

#define TAG_WHERE                                                                                  \
    "FROM tag WHERE tenant_id = $1 AND (CAST($2 AS TEXT) IS NULL OR name_key LIKE $2 ESCAPE '\\') "
static const struct sql COUNT_TAGS = SQL_READ("SELECT COUNT(*) " TAG_WHERE);
static const struct sql TAGS =
    SQL_READ("SELECT id, name " TAG_WHERE "ORDER BY name, id LIMIT $3 OFFSET $4");

enum err
tag_list(struct cx *cx, struct str text, int64_t limit, int64_t offset, struct tags *out)
{
    struct str like = like_part(cx, text);
    struct tags all = {0};
    struct db_rows *rows;
    size_t cap = 0;
    enum err e;

    TRY(db_query_int(cx->tx, &COUNT_TAGS, ARGS(V_INT(cx->tenant.id), V_STR(like)), &all.total));
    TRY(db_query(cx->tx, &TAGS,
                 ARGS(V_INT(cx->tenant.id), V_STR(like), V_INT(limit), V_INT(offset)), &rows));
    while ((e = db_next(rows)) == OK) {
        arena_grow(cx->arena, all.v, all.n, &cap, 64);
        all.v[all.n++] = (struct tag){arena_str(cx->arena, db_text(rows, 0)),
                                      arena_str(cx->arena, db_text(rows, 1))};
    }
    if (e != ERR_END)
        return e;
    *out = all;
    return OK;
}

static const struct sql BY_NAME =
    SQL_READ("SELECT id, name FROM tag WHERE tenant_id = $1 AND name = $2");
static const struct sql BY_ID =
    SQL_READ("SELECT id, name FROM tag WHERE tenant_id = $1 AND id = $2");

static enum err
read_one(struct cx *cx, const struct sql *q, struct str key, struct tag *out)
{
    struct db_rows *rows;

    TRY(db_query_one(cx->tx, q, ARGS(V_INT(cx->tenant.id), V_STR(key)), &rows));
    *out = (struct tag){arena_str(cx->arena, db_text(rows, 0)),
                        arena_str(cx->arena, db_text(rows, 1))};
    db_rows_end(rows);
    return OK;
}

enum err
tag_find(struct cx *cx, struct str name, struct tag *out)
{
    return read_one(cx, &BY_NAME, str_trim(name), out);
}

static enum err
record(struct cx *cx, enum event ev, const struct tag *t, const char *verb)
{
    struct str who = trail_actor(cx);
    struct trail changes = {0};
    struct trail_thing thing = {
        .event = ev,
        .kind = S("tag"),
        .id = t->id,
        .name = t->name,
        .text = arena_fmt(cx->arena, "%.*s %s the tag %.*s", STR_ARG(who), verb, STR_ARG(t->name)),
    };

    trail_note(cx, &changes, S("name"), ev == EV_TAG_CREATED ? STR_NULL : t->name,
               ev == EV_TAG_CREATED ? t->name : STR_NULL);
    return trail_record(cx, &thing, &changes);
}

static const struct sql INSERT_TAG = SQL_WRITE(
    "tag",
    "INSERT INTO tag (tenant_id, id, name, created_at, name_key) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING");
static const struct sql DELETE_TAG =
    SQL_WRITE("tag", "DELETE FROM tag WHERE tenant_id = $1 AND id = $2");

enum err
tag_create(struct cx *cx, struct str name, struct tag *out)
{
    struct tag t = {.name = str_trim(name)};
    int64_t changed;

    if (str_index(t.name, '/') != SIZE_MAX)
        return fail_field(cx, S("/name"), "must not contain a slash: tags are named in addresses");
    t.id = arena_fmt(cx->arena, "tag_tenant_%lld_%.*s", (long long)cx->tenant.id, STR_ARG(t.name));
    TRY(db_exec(cx->tx, &INSERT_TAG,
                ARGS(V_INT(cx->tenant.id), V_STR(t.id), V_STR(t.name), V_INT(cx->now),
                     V_STR(text_key(cx->arena, t.name))),
                &changed));
    if (!changed)
        return fail(cx, ERR_CONFLICT, "The tag exists already");
    TRY(record(cx, EV_TAG_CREATED, &t, "created"));
    *out = t;
    return OK;
}

enum err
tag_delete(struct cx *cx, struct str id)
{
    struct tag t;

    if (read_one(cx, &BY_ID, id, &t) != OK)
        return fail(cx, ERR_NOT_FOUND, "Tag not found");
    TRY(db_exec(cx->tx, &DELETE_TAG, ARGS(V_INT(cx->tenant.id), V_STR(id)), NULL));
    return record(cx, EV_TAG_DELETED, &t, "deleted");
}
