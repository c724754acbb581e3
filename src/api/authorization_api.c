/* The Authorization page: every user with his clients, and the Default Group. */
#include "api/api.h"
#include "core/clientuser.h"
#include "core/tag.h"
#include "core/trail.h"

#define LIMIT_MAX 1000 /* users a page */

/* ---- the list ---- */

#define USERS_WHERE                                                                                \
    "FROM user_account u WHERE u.tenant_id = $1 AND (CAST($2 AS TEXT) IS NULL OR "                 \
    "u.first_key || ' ' || u.last_key LIKE $2 ESCAPE '\\' OR u.email_folded LIKE $2 ESCAPE '\\') " \
    "AND (CAST($3 AS BIGINT) = 0 OR EXISTS (SELECT 1 FROM client_user cu WHERE "                   \
    "cu.tenant_id = u.tenant_id AND cu.user_id = u.user_id AND cu.client_id = CAST($3 AS BIGINT))) "
#define USERS_COLUMNS "SELECT " TRAIL_USER ", u.default_group, u.tier_id, u.disabled "
#define USERS_PAGE(order)                                                                          \
    SQL_READ(USERS_COLUMNS USERS_WHERE "ORDER BY " order ", u.user_id LIMIT $4 OFFSET $5")

static const struct sql COUNT_USERS = SQL_READ("SELECT COUNT(*) " USERS_WHERE);
static const struct {
    const char *name;
    struct sql up, down;
} ORDERS[] = {
    {"lastName", USERS_PAGE("u.last_key, u.first_key"),
     USERS_PAGE("u.last_key DESC, u.first_key DESC")},
    {"firstName", USERS_PAGE("u.first_key, u.last_key"),
     USERS_PAGE("u.first_key DESC, u.last_key DESC")},
    {"email", USERS_PAGE("u.email_folded"), USERS_PAGE("u.email_folded DESC")},
};

struct person {
    struct user user;
    bool default_group, disabled;
    int64_t tier_id;
};
struct page {
    struct person *v;
    size_t n;
    int64_t total;
};

static enum err
order_of(struct api_request *rq, const struct sql **out)
{
    struct str by = query_str(rq, "sortBy"), order = query_str(rq, "order");
    bool down = false;

    TRY(order_read(rq, order, S("order"), &down));
    if (str_is_empty(by))
        by = S("lastName");
    for (size_t i = 0; i < sizeof ORDERS / sizeof *ORDERS; i++) {
        if (str_eq(by, str_of(ORDERS[i].name))) {
            *out = down ? &ORDERS[i].down : &ORDERS[i].up;
            return OK;
        }
    }
    return fail_field(rq->cx, S("sortBy"), "must be firstName, lastName or email");
}

static enum err
read_users(struct api_request *rq, struct page *out)
{
    struct cx *cx = rq->cx;
    struct str like = like_part(cx, query_str(rq, "filter"));
    int64_t client, limit, offset;
    struct page p = {0};
    const struct sql *q = NULL;
    struct db_rows *rows;
    enum err e;

    TRY(order_of(rq, &q));
    TRY(query_int(rq, "client", 0, INT64_MAX, 0, &client));
    TRY(query_int(rq, "limit", 1, INT32_MAX, 100, &limit));
    TRY(query_int(rq, "offset", 0, INT64_MAX / 2, 0, &offset));
    limit = limit > LIMIT_MAX ? LIMIT_MAX : limit;
    TRY(db_query_int(cx->tx, &COUNT_USERS, ARGS(V_INT(cx->tenant.id), V_STR(like), V_INT(client)),
                     &p.total));
    TRY(db_query(
        cx->tx, q,
        ARGS(V_INT(cx->tenant.id), V_STR(like), V_INT(client), V_INT(limit), V_INT(offset)),
        &rows));
    p.v = arena_array(cx->arena, struct person, (size_t)limit);
    while ((e = db_next(rows)) == OK)
        p.v[p.n++] = (struct person){.user = trail_user(cx, rows, 0),
                                     .default_group = db_int(rows, 5) != 0,
                                     .tier_id = db_int(rows, 6),
                                     .disabled = db_int(rows, 7) != 0};
    *out = p;
    return e == ERR_END ? OK : e;
}

static struct str
user_ids(struct cx *cx, const struct page *p)
{
    struct buf *b = buf_in(cx->arena, p->n * 22 + 2);

    buf_char(b, '[');
    for (size_t i = 0; i < p->n; i++)
        buf_fmt(b, "%s%lld", i ? "," : "", (long long)p->v[i].user.user_id);
    buf_char(b, ']');
    return buf_view(b);
}

/* What belongs to the users of the page, in the order of their ids. */
struct held {
    int64_t user_id, client_id, tier_id;
    struct str role, title, client;
};
struct holdings {
    struct held *v;
    size_t n;
};

#define IN_LITE "IN (SELECT value FROM json_each($2)) "
#define IN_PG                                                                                      \
    "IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(CAST($2 AS TEXT) AS json))) "
#define ROLES_OF                                                                                                       \
    "SELECT ur.user_id, r.key, r.title, NULL, NULL, NULL FROM user_role ur JOIN role r ON r.tenant_id = ur.tenant_id " \
    "AND r.cuid = ur.role_cuid WHERE ur.tenant_id = $1 AND ur.user_id "
#define CLIENTS_OF                                                                                                  \
    "SELECT cu.user_id, r.key, r.title, cu.client_id, c.name, cu.tier_id FROM client_user cu JOIN client c ON "     \
    "c.tenant_id = cu.tenant_id AND c.client_id = cu.client_id LEFT JOIN role r ON r.tenant_id = cu.tenant_id AND " \
    "r.cuid = cu.role_cuid WHERE cu.tenant_id = $1 AND cu.user_id "
static const struct sql ROLES_HELD = SQL_READ2(ROLES_OF IN_LITE "ORDER BY ur.user_id, r.key",
                                               ROLES_OF IN_PG "ORDER BY ur.user_id, r.key");
static const struct sql CLIENTS_HELD =
    SQL_READ2(CLIENTS_OF IN_LITE "ORDER BY cu.user_id, c.name_key, c.client_id",
              CLIENTS_OF IN_PG "ORDER BY cu.user_id, c.name_key, c.client_id");

static struct str
kept(struct cx *cx, struct str s)
{
    return str_is_null(s) ? s : arena_str(cx->arena, s);
}

static enum err
read_held(struct cx *cx, const struct sql *q, struct str ids, struct holdings *out)
{
    struct holdings h = {NULL, 0};
    struct db_rows *rows;
    size_t cap = 0;
    enum err e;

    TRY(db_query(cx->tx, q, ARGS(V_INT(cx->tenant.id), V_STR(ids)), &rows));
    while ((e = db_next(rows)) == OK) {
        arena_grow(cx->arena, h.v, h.n, &cap, 64);
        h.v[h.n++] = (struct held){.user_id = db_int(rows, 0),
                                   .role = kept(cx, db_text(rows, 1)),
                                   .title = kept(cx, db_text(rows, 2)),
                                   .client_id = db_int(rows, 3),
                                   .client = kept(cx, db_text(rows, 4)),
                                   .tier_id = db_int(rows, 5)};
    }
    *out = h;
    return e == ERR_END ? OK : e;
}

/* The first row of the user: the list is ordered by user. */
static size_t
first_held(const struct holdings *h, int64_t user_id)
{
    size_t low = 0, high = h->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (h->v[mid].user_id < user_id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void
write_tier(struct json_writer *w, struct str key, int64_t tier_id)
{
    json_key(w, key);
    if (tier_id)
        json_i64(w, tier_id);
    else
        json_null(w);
}

static void
write_clients(struct json_writer *w, const struct holdings *h, int64_t user_id)
{
    json_key(w, S("clients"));
    json_begin_array(w);
    for (size_t i = first_held(h, user_id); i < h->n && h->v[i].user_id == user_id; i++) {
        json_begin_object(w);
        json_kv_i64(w, "client_id", h->v[i].client_id);
        json_kv_str(w, "name", h->v[i].client);
        json_kv_str(w, "role", h->v[i].role);
        json_kv_str(w, "roleTitle", h->v[i].title);
        write_tier(w, S("classificationId"), h->v[i].tier_id);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
write_person(struct api_request *rq, const struct person *p, const struct holdings *roles,
             const struct holdings *clients)
{
    struct json_writer *w = &rq->out;
    const struct user *u = &p->user;

    json_begin_object(w);
    json_kv_i64(w, "user_id", u->user_id);
    json_kv_str(w, "cuid", u->cuid);
    json_kv_str(w, "email", u->email);
    json_kv_str(w, "first", u->first);
    json_kv_str(w, "last", u->last);
    json_kv_str(w, "fullName", user_full_name(rq->cx->arena, u->first, u->last));
    json_kv_bool(w, "disabled", p->disabled);
    json_kv_bool(w, "default_group", p->default_group);
    write_tier(w, S("tier"), p->tier_id);
    write_tier(w, S("tenantClassificationLevel"), p->tier_id);
    json_key(w, S("roles"));
    json_begin_array(w);
    for (size_t i = first_held(roles, u->user_id);
         i < roles->n && roles->v[i].user_id == u->user_id; i++)
        json_str(w, roles->v[i].role);
    json_end_array(w);
    write_clients(w, clients, u->user_id);
    json_end_object(w);
}

static enum err
list_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct holdings roles, clients;
    struct page p;
    struct str ids;

    TRY(read_users(rq, &p));
    ids = user_ids(rq->cx, &p);
    TRY(read_held(rq->cx, &ROLES_HELD, ids, &roles));
    TRY(read_held(rq->cx, &CLIENTS_HELD, ids, &clients));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < p.n; i++)
        write_person(rq, &p.v[i], &roles, &clients);
    json_end_array(w);
    json_kv_i64(w, "total", p.total);
    json_end_object(w);
    return OK;
}

/* ---- Default Group ---- */

static enum err
default_group_apply(struct api_request *rq)
{
    const struct json *ref = json_get(rq->body, S("userId"));
    struct str email;
    struct user u;
    bool member = false;

    TRY(body_bool(rq, rq->body, "member", true, &member));
    TRY(body_str(rq, rq->body, "email", false, USER_EMAIL_MAX, &email));
    if (ref && (ref->type == JSON_STRING || ref->type == JSON_NUMBER))
        TRY(user_get_by_ref(rq->cx, ref->text, &u));
    else if (!str_is_empty(email))
        TRY(user_get_by_email(rq->cx, email, &u));
    else
        return fail_field(rq->cx, S("/userId"), "is required, or email");
    TRY(default_group_set(rq->cx, &u, member));
    return api_ok(rq,
                  member ? S("Added to the Default Group") : S("Removed from the Default Group"));
}

const struct route authorization_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/tenants/{t}/authorization",
     .who = WHO_PERMISSION,
     .permission = PERM_AUTHORIZATION_MANAGE,
     .tx = TX_READ,
     .summary = "Every user with his clients",
     .apply = list_apply},
    {.method = HTTP_PUT,
     .path = "/api/v2/tenants/{t}/default-group",
     .who = WHO_PERMISSION,
     .permission = PERM_AUTHORIZATION_MANAGE,
     .tx = TX_WRITE,
     .body = BODY_JSON,
     .fields = "userId:integer email:string member:boolean*",
     .events = "AddedToDefaultGroup RemovedFromDefaultGroup UserClientRoleAssigned",
     .summary = "Join or leave the Default Group",
     .apply = default_group_apply},
    {0},
};
