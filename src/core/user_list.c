/* Lists of users: the v2 list with filters, orders and pages, and the v1 view rows. Owns no table. */
#include "core/user.h"

#include "core/tag.h"

#define LIST_COLUMNS                                                                                 \
    "SELECT u.user_id, u.cuid, u.email, u.first, u.last, u.disabled, u.locked_until, u.mfa_enabled," \
    " u.last_login, u.created_at, u.default_group, u.provider, u.tier_id, u.failed_logins,"          \
    " u.last_failed_login, u.activated_at, u.updated_at, u.language, u.tenant_id,"                   \
    " (SELECT p.value FROM preference p WHERE p.tenant_id = u.tenant_id AND p.user_id = u.user_id"   \
    " AND p.name = 'dateFormat'), "
#define LIST_ROLES                                                                                 \
    " FROM user_role ur JOIN role r ON r.tenant_id = ur.tenant_id AND r.cuid = ur.role_cuid"       \
    " WHERE ur.tenant_id = u.tenant_id AND ur.user_id = u.user_id) FROM user_account u "
#define LIST_SQLITE   LIST_COLUMNS "(SELECT group_concat(r.key, ',')" LIST_ROLES
#define LIST_POSTGRES LIST_COLUMNS "(SELECT string_agg(r.key, ',' ORDER BY r.key)" LIST_ROLES
/* $2 part of a name as a pattern, $3 status, $4 role, $5 now. */
#define LIST_WHERE                                                                                  \
    "WHERE u.tenant_id = $1 AND (CAST($2 AS TEXT) IS NULL"                                          \
    " OR u.first_key || ' ' || u.last_key LIKE $2 ESCAPE '\\'"                                      \
    " OR u.email_folded LIKE $2 ESCAPE '\\')"                                                       \
    " AND ($3 = '' OR ($3 = 'disabled' AND u.disabled = 1)"                                         \
    " OR ($3 = 'locked' AND u.disabled = 0 AND u.locked_until > $5)"                                \
    " OR ($3 = 'enabled' AND u.disabled = 0 AND u.locked_until <= $5))"                             \
    " AND ($4 = '' OR EXISTS (SELECT 1 FROM user_role xr JOIN role x ON x.tenant_id = xr.tenant_id" \
    " AND x.cuid = xr.role_cuid WHERE xr.tenant_id = u.tenant_id AND xr.user_id = u.user_id"        \
    " AND (x.key = $4 OR x.cuid = $4 OR x.title = $4)))"
#define LIST_PAGE " LIMIT $6 OFFSET $7"
#define LIST_ORDER(by)                                                                             \
    SQL_READ2(LIST_SQLITE LIST_WHERE " ORDER BY " by LIST_PAGE,                                    \
              LIST_POSTGRES LIST_WHERE " ORDER BY " by LIST_PAGE)

/* Enabled, locked, disabled: as the page shows it. A lock that has run out is none. */
#define LIST_FLAG "CASE WHEN u.disabled = 1 THEN 2 WHEN u.locked_until > $5 THEN 1 ELSE 0 END"

static const struct order {
    const char *name;
    struct sql up, down;
} orders[] = {
    {"lastName", LIST_ORDER("u.last_key, u.first_key, u.user_id"),
     LIST_ORDER("u.last_key DESC, u.first_key DESC, u.user_id DESC")},
    {"firstName", LIST_ORDER("u.first_key, u.last_key, u.user_id"),
     LIST_ORDER("u.first_key DESC, u.last_key DESC, u.user_id DESC")},
    {"email", LIST_ORDER("u.email_folded, u.user_id"),
     LIST_ORDER("u.email_folded DESC, u.user_id DESC")},
    {"lastLogin", LIST_ORDER("coalesce(u.last_login, 0), u.user_id"),
     LIST_ORDER("coalesce(u.last_login, 0) DESC, u.user_id DESC")},
    {"createdAt", LIST_ORDER("u.created_at, u.user_id"),
     LIST_ORDER("u.created_at DESC, u.user_id DESC")},
    {"flag", LIST_ORDER(LIST_FLAG ", u.last_key, u.first_key, u.user_id"),
     LIST_ORDER(LIST_FLAG " DESC, u.last_key, u.first_key, u.user_id")},
};

static const struct order *
order_of(struct str name)
{
    if (str_is_empty(name))
        return &orders[0];
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        if (str_eq(name, str_of(orders[i].name)))
            return &orders[i];
    }
    return NULL;
}

static void
write_list(struct json_writer *w, struct str list)
{
    struct str word;

    json_begin_array(w);
    while (!str_is_empty(list) && str_cut(&list, ',', &word))
        json_str(w, word);
    json_end_array(w);
}

static void
time_or_null(struct json_writer *w, const struct db_rows *r, int col)
{
    if (db_int(r, col) == 0)
        json_null(w);
    else
        json_i64(w, db_int(r, col) / USEC_PER_MS);
}

/* The members both generations share. */
static void
write_common(struct cx *cx, struct json_writer *w, const struct db_rows *r)
{
    struct str first = db_text(r, 3), last = db_text(r, 4);

    json_kv_i64(w, "user_id", db_int(r, 0));
    json_kv_str(w, "cuid", db_text(r, 1));
    json_kv_i64(w, "tenant_id", db_int(r, 18));
    json_kv_str(w, "email", db_text(r, 2));
    json_kv_str(w, "first", first);
    json_kv_str(w, "last", last);
    json_kv_str(w, "fullName", user_full_name(cx->arena, first, last));
    json_key(w, S("name"));
    json_begin_object(w);
    json_kv_str(w, "first", first);
    json_kv_str(w, "last", last);
    json_end_object(w);
    json_key(w, S("roles"));
    write_list(w, db_text(r, 20));
    json_kv_bool(w, "disabled", db_int(r, 5) != 0);
    json_kv_bool(w, "locked", db_int(r, 6) > cx->now);
    json_key(w, S("mfa"));
    json_begin_object(w);
    json_kv_bool(w, "enabled", db_int(r, 7) != 0);
    json_end_object(w);
    json_key(w, S("lastLogin"));
    time_or_null(w, r, 8);
    json_kv_i64(w, "createdAt", db_int(r, 9) / USEC_PER_MS);
    json_kv_bool(w, "default_group", db_int(r, 10) != 0);
    json_kv_str(w, "authentication_provider", db_text(r, 11));
    json_key(w, S("tenantClassificationLevel"));
    if (db_is_null(r, 12))
        json_null(w);
    else
        json_i64(w, db_int(r, 12));
}

enum err
user_list(struct cx *cx, const struct user_query *q, struct json_writer *w, int64_t *total)
{
    static const struct sql count = SQL_READ("SELECT count(*) FROM user_account u " LIST_WHERE);
    const struct order *o = order_of(q->sort_by);
    struct db_val v[] = {V_INT(cx->tenant.id),
                         V_STR(like_part(cx, str_trim(q->filter))),
                         V_STR(q->status.p ? q->status : S("")),
                         V_STR(q->role.p ? q->role : S("")),
                         V_INT(cx->now),
                         V_INT(q->limit),
                         V_INT(q->offset)};
    struct db_rows *r;
    enum err e;

    if (!o)
        return fail_field(cx, S("sortBy"), "must be one of: " USER_SORTS);
    TRY(db_query_int(cx->tx, &count, (struct db_args){v, 5}, total));
    TRY(db_query(cx->tx, q->descending ? &o->down : &o->up, (struct db_args){v, 7}, &r));
    while ((e = db_next(r)) == OK) {
        json_begin_object(w);
        write_common(cx, w, r);
        json_end_object(w);
    }
    return e == ERR_END ? OK : e;
}

/* What the v1 row holds beyond the common members. */
static void
write_v1_rest(struct json_writer *w, const struct db_rows *r)
{
    json_kv_i64(w, "failedLogins", db_int(r, 13));
    json_key(w, S("lastFailedLogin"));
    time_or_null(w, r, 14);
    json_key(w, S("activatedAt"));
    time_or_null(w, r, 15);
    json_kv_i64(w, "updatedAt", db_int(r, 16) / USEC_PER_MS);
    json_kv_str(w, "language", db_text(r, 17));
    json_kv_str(w, "dateFormat", db_is_null(r, 19) ? S("YYYY-MM-DD") : db_text(r, 19));
    json_kv_bool(w, "isPaidUser", false);
    json_key(w, S("licenseKeys"));
    json_begin_array(w);
    json_end_array(w);
    json_kv_str(w, "doc_type", S("user"));
}

enum err
user_list_v1(struct cx *cx, struct json_writer *w)
{
    struct db_val v[] = {V_INT(cx->tenant.id), V_STR(STR_NULL),        V_STR(S("")), V_STR(S("")),
                         V_INT(cx->now),       V_INT(INT64_C(100000)), V_INT(0)};
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &orders[0].up, (struct db_args){v, 7}, &r));
    json_begin_array(w);
    while ((e = db_next(r)) == OK) {
        json_begin_object(w);
        json_kv_str(w, "id", arena_fmt(cx->arena, "%lld", (long long)db_int(r, 0)));
        json_key(w, S("doc_id"));
        json_begin_array(w);
        json_i64(w, db_int(r, 0));
        json_end_array(w);
        json_key(w, S("data"));
        json_begin_object(w);
        write_common(cx, w, r);
        write_v1_rest(w, r);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
    return e == ERR_END ? OK : e;
}
