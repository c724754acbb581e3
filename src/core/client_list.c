/* The clients a caller may see: one WHERE for count and page, one ORDER BY for all orders. */
#include "core/client.h"

#include "core/tag.h"

#define PAGE_BYTES_MAX ((size_t)64 << 20) /* a client may hold half a megabyte of text */

/* $2 the caller, $3 sees all clients, $4 holds CLIENT_VIEW tenant-wide, $5 name pattern, $6 tags. */
#define CLIENT_VISIBLE                                                                                              \
    "FROM client c WHERE c.tenant_id = $1 AND (CAST($3 AS BIGINT) = 1 OR EXISTS (SELECT 1 FROM client_user cu "     \
    "WHERE cu.tenant_id = c.tenant_id AND cu.client_id = c.client_id AND cu.user_id = $2 AND ("                     \
    "CAST($4 AS BIGINT) = 1 OR EXISTS (SELECT 1 FROM role r JOIN role_permission rp ON rp.tenant_id = r.tenant_id " \
    "AND rp.role_cuid = r.cuid WHERE r.tenant_id = cu.tenant_id AND r.cuid = cu.role_cuid AND r.enabled = 1 AND "   \
    "rp.permission = 'CLIENTS.VIEW')))) "                                                                           \
    "AND (CAST($7 AS BIGINT) = 0 OR c.tags = '[]') AND CAST($8 AS BIGINT) = 0 "
#define NAMED "AND (CAST($5 AS TEXT) IS NULL OR c.name_key LIKE $5 ESCAPE '\\') "
#define TAGS_LITE                                                                                  \
    NAMED                                                                                          \
    "AND (CAST($6 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM json_each(c.tags) h "                  \
    "JOIN json_each($6) w ON h.value = w.value)) "
#define TAGS_PG                                                                                                       \
    NAMED                                                                                                             \
    "AND (CAST($6 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM json_array_elements_text(CAST(c.tags AS json)) h(value) " \
    "JOIN json_array_elements_text(CAST(CAST($6 AS TEXT) AS json)) w(value) ON h.value = w.value)) "
#define LONG(column) "CASE WHEN CAST($11 AS BIGINT) = 1 THEN '' ELSE c." column " END"
#define CLIENT_COLUMNS                                                                             \
    "SELECT c.client_id, c.cuid, c.name, " LONG("description") ", c.poc, c.poc_email, " LONG(      \
        "tags") ", " LONG("custom_field") ", CASE WHEN c.logo = '' THEN '' ELSE '1' END, " LONG("extra") ", c.created_at, c.updated_at "
/* One of the keys sorted by, in $n: twice its number, one more when it descends; 0: none. What is not
 * asked for is NULL in every row, and sorts nothing. */
#define KEY(n, k, by)                                                                              \
    "CASE WHEN $" n " = 2 * " k " THEN " by " END, CASE WHEN $" n " = 2 * " k " + 1 THEN " by      \
    " END DESC, "
#define SLOT(n) KEY(n, "1", "c.name_key") KEY(n, "2", "c.created_at") KEY(n, "3", "c.updated_at")
/* $15: the first of them descends. */
#define ORDER                                                                                      \
    "ORDER BY " SLOT("12") SLOT("13") SLOT("14") "CASE WHEN $15 = 1 THEN c.client_id END DESC, "   \
                                                 "c.client_id LIMIT $9 OFFSET $10"
#define SLOTS 3 /* as many keys as tell clients apart */

static const struct sql PAGE = SQL_READ2(CLIENT_COLUMNS CLIENT_VISIBLE TAGS_LITE ORDER,
                                         CLIENT_COLUMNS CLIENT_VISIBLE TAGS_PG ORDER);

static const struct sql COUNT = SQL_READ2("SELECT COUNT(*) " CLIENT_VISIBLE TAGS_LITE,
                                          "SELECT COUNT(*) " CLIENT_VISIBLE TAGS_PG);

static const struct {
    const char *name;
    int key; /* 0: the same for all; no assets are kept yet, so all have none */
} KEYS[] = {{"name", 1},    {"created", 2},   {"createdAt", 2},
            {"updated", 3}, {"updatedAt", 3}, {"asset", 0}};

static int
key_of(struct str by)
{
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        if (str_eq(by, str_of(KEYS[i].name)))
            return KEYS[i].key;
    }
    return -1;
}

/* A key that comes again sorts nothing any more. */
static enum err
read_order(struct cx *cx, const struct client_query *q, struct db_val slot[SLOTS])
{
    bool taken[SLOTS + 1] = {true};
    size_t n = 0;

    for (size_t i = 0; i < SLOTS; i++)
        slot[i] = V_INT(0);
    for (size_t i = 0; i < q->n_sort; i++) {
        int key = key_of(q->sort[i].by);

        if (key < 0)
            return fail_field(cx, arena_fmt(cx->arena, "/sort/%zu/by", i),
                              "must be name, asset, createdAt or updatedAt");
        if (!taken[key])
            slot[n++] = V_INT(2 * key + q->sort[i].descending);
        taken[key] = true;
    }
    if (q->n_sort == 0)
        slot[0] = V_INT(2);
    return OK;
}

struct client
client_row(struct cx *cx, const struct db_rows *r)
{
    return (struct client){
        .id = db_int(r, 0),
        .cuid = arena_str(cx->arena, db_text(r, 1)),
        .name = arena_str(cx->arena, db_text(r, 2)),
        .description = arena_str(cx->arena, db_text(r, 3)),
        .poc = arena_str(cx->arena, db_text(r, 4)),
        .poc_email = arena_str(cx->arena, db_text(r, 5)),
        .tags = arena_str(cx->arena, db_text(r, 6)),
        .custom_field = arena_str(cx->arena, db_text(r, 7)),
        .logo = arena_str(cx->arena, db_text(r, 8)),
        .extra = arena_str(cx->arena, db_text(r, 9)),
        .created_at = db_int(r, 10),
        .updated_at = db_int(r, 11),
    };
}

static enum err
read_page(struct cx *cx, struct db_rows *rows, struct clients *all)
{
    size_t cap = 0, before = arena_used(cx->arena);
    enum err e;

    while ((e = db_next(rows)) == OK) {
        arena_grow(cx->arena, all->v, all->n, &cap, 32);
        all->v[all->n++] = client_row(cx, rows);
        if (arena_used(cx->arena) - before > PAGE_BYTES_MAX) {
            db_rows_end(rows);
            return fail(cx, ERR_FULL, "The answer is too large; ask for fewer rows");
        }
    }
    return e == ERR_END ? OK : e;
}

/* An access token sees clients when its scopes say so; a role on a client adds nothing to it. */
static bool
beyond_scope(const struct cx *cx)
{
    return cx->actor.kind == ACTOR_TOKEN && !cx_may(cx, PERM_CLIENT_VIEW);
}

enum err
client_list(struct cx *cx, const struct client_query *q, struct clients *out)
{
    struct clients all = {0};
    struct db_rows *rows;
    struct db_val v[12 + SLOTS] = {
        V_INT(cx->tenant.id),
        V_INT(cx->actor.user_id),
        V_INT(cx_may(cx, PERM_AUTHORIZATION_MANAGE)),
        V_INT(cx_may(cx, PERM_CLIENT_VIEW)),
        V_STR(like_part(cx, q->name)),
        V_STR(q->tags),
        V_INT(q->untagged),
        V_INT(q->none || beyond_scope(cx)),
        V_INT(q->limit),
        V_INT(q->offset),
        V_INT(q->names_only),
    };

    TRY(read_order(cx, q, v + 11));
    v[11 + SLOTS] = V_INT(q->n_sort > 0 && q->sort[0].descending);
    TRY(db_query_int(cx->tx, &COUNT, (struct db_args){v, 8}, &all.total));
    TRY(db_query(cx->tx, &PAGE, (struct db_args){v, 12 + SLOTS}, &rows));
    TRY(read_page(cx, rows, &all));
    *out = all;
    return OK;
}

struct str
client_ids(struct cx *cx, const struct clients *all)
{
    struct buf *b = buf_in(cx->arena, all->n * 22 + 2);

    buf_char(b, '[');
    for (size_t i = 0; i < all->n; i++)
        buf_fmt(b, "%s%lld", i ? "," : "", (long long)all->v[i].id);
    buf_char(b, ']');
    return buf_view(b);
}
