/* Built-in roles of workspaces that an older version made: what the catalogue of permissions gained since
 * is given to them, once, with an event each. Owns the setting permissions.known of the installation.
 *
 * Only what is new is given: a right that somebody took out of the tables behind the log's back must not
 * come back as if it had always been there. */
#include "audit/audit.h"
#include "base/text.h"
#include "core/role.h"
#include "core/trail.h"

#define SETTING    "permissions.known"
#define NO_TENANT  INT64_C(-1) /* settings of the installation */
#define TEXT_BYTES ((size_t)1 << 16)

/* The catalogue before it was noted in the store: a permission, and the letters of the roles that have it. */
static const char BEFORE[] =
    "ADMINISTRATION.ADMINISTRATION_ACCESS:A ADMINISTRATION.ACCOUNT_INFORMATION:A "
    "ADMINISTRATION.EMAIL_SETTINGS:A ADMINISTRATION.GENERAL_SETTINGS:A ADMINISTRATION.TAGS_VIEW:ASN "
    "ADMINISTRATION.TAGS_MANAGEMENT:AS SECURITY.VIEW_USERS:A SECURITY.MANAGE_USERS:A "
    "SECURITY.VIEW_ROLES:A SECURITY.MANAGE_ROLES:A SECURITY.MANAGE_AUTHORIZATION:A "
    "SECURITY.MANAGE_CLASSIFICATION:A SECURITY.AUTHENTICATION_SETTINGS:A AUDIT_LOG.VIEW:AU "
    "AUDIT_LOG.EXPORT:AU AUDIT_LOG.STREAM:A AUDIT_LOG.RETENTION:A AUDIT_LOG.ERASE:A "
    "CLIENTS.VIEW:ASN CLIENTS.CREATE:AS CLIENTS.EDIT:AS CLIENTS.DELETE:A CLIENTS.MANAGE_USERS:A";

static const char LETTERS[ROLE_BUILTINS + 1] = "ASNU"; /* in the order of role_builtin_key() */

static const struct sql GET =
    SQL_READ("SELECT value FROM setting WHERE tenant_id = $1 AND name = '" SETTING "'");
static const struct sql PUT = SQL_WRITE(
    "setting", "INSERT INTO setting (tenant_id, name, value) VALUES ($1, '" SETTING "', $2) "
               "ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value");
static const struct sql TENANTS = SQL_READ("SELECT tenant_id, cuid FROM tenant ORDER BY tenant_id");

/* Letters of the permission in such a list; null: it is not there. */
static struct str
letters_of(struct str list, struct str key)
{
    struct str word, name;

    while (str_cut(&list, ' ', &word)) {
        if (str_cut(&word, ':', &name) && str_eq(name, key))
            return word.p ? word : S("");
    }
    return STR_NULL;
}

struct gain {
    struct str known; /* the list that was stored, or BEFORE */
    bool stored;
    bool any;
    struct permission_set more[ROLE_BUILTINS];
};

static enum err
read_gain(struct cx *cx, void *arg)
{
    struct gain *g = arg;
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &GET, ARGS(V_INT(NO_TENANT)), &r);

    *g = (struct gain){.known = str_of(BEFORE)};
    if (e == OK) {
        g->stored = true;
        g->known = db_text_keep(r, 0);
        db_rows_end(r);
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        struct str known = letters_of(g->known, str_of(permission_info(p)->key));

        for (int i = 0; i < ROLE_BUILTINS; i++) {
            if (!role_builtin_has(i, p) || str_index(known, LETTERS[i]) != SIZE_MAX)
                continue;
            permission_add(&g->more[i], p);
            g->any = true;
        }
    }
    return OK;
}

/* Ours, and what a newer version beside us knows. */
static struct str
list_text(struct cx *cx, struct str known)
{
    struct buf *b = buf_in(cx->arena, TEXT_BYTES);
    struct str word;

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        struct str had = letters_of(known, str_of(permission_info(p)->key));

        buf_fmt(b, "%s%s:", b->n ? " " : "", permission_info(p)->key);
        for (int i = 0; i < ROLE_BUILTINS; i++) {
            if (role_builtin_has(i, p) || str_index(had, LETTERS[i]) != SIZE_MAX)
                buf_char(b, LETTERS[i]);
        }
    }
    while (str_cut(&known, ' ', &word)) {
        size_t colon = str_index(word, ':');

        if (colon != SIZE_MAX && permission_by_key(str_sub(word, 0, colon)) == PERMISSION_NONE)
            buf_fmt(b, " %.*s", STR_ARG(word));
    }
    return buf_view(b);
}

static enum err
record_known(struct cx *cx, const struct gain *g)
{
    struct str now = list_text(cx, g->known);
    struct audit_change change = {S("permissions"), g->stored ? g->known : STR_NULL, now};
    struct audit_entry e = {.event = EV_SETTING_CHANGED,
                            .instance = true,
                            .target_kind = S("setting"),
                            .target_id = S(SETTING),
                            .text = S("The catalogue of permissions was noted"),
                            .changes = &change,
                            .n_changes = 1};

    TRY(audit_record(cx, &e, NULL));
    return db_exec(cx->tx, &PUT, ARGS(V_INT(NO_TENANT), V_STR(now)), NULL);
}

static enum err
grow_roles(struct cx *cx, const struct gain *g)
{
    struct roles all;

    TRY(role_load(cx, &all));
    for (int i = 0; i < ROLE_BUILTINS; i++) {
        const struct role *r = role_pick(&all, str_of(role_builtin_key(i)));

        if (r && r->builtin)
            TRY(role_grow(cx, r, &g->more[i]));
    }
    return OK;
}

struct tenant_ids {
    struct tenant_ref *v;
    size_t n, cap;
};

static enum err
read_tenants(struct cx *cx, struct tenant_ids *all)
{
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &TENANTS, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        if (all->n == all->cap) {
            size_t cap = all->cap ? all->cap * 2 : 16;
            struct tenant_ref *v = arena_array(cx->arena, struct tenant_ref, cap);

            if (all->n)
                memcpy(v, all->v, all->n * sizeof *v);
            all->v = v;
            all->cap = cap;
        }
        all->v[all->n++] = (struct tenant_ref){true, db_int(r, 0), db_text_keep(r, 1)};
    }
    return e == ERR_END ? OK : e;
}

static enum err
catch_up(struct cx *cx, void *arg)
{
    struct gain *g = arg;
    struct tenant_ref own = cx->tenant;
    struct tenant_ids all = {0};
    enum err e = OK;

    TRY(read_gain(cx, g)); /* again: another server may have been first */
    if (g->stored && !g->any)
        return OK;
    TRY(read_tenants(cx, &all));
    for (size_t i = 0; i < all.n && e == OK; i++) {
        cx->tenant = all.v[i];
        e = grow_roles(cx, g);
    }
    cx->tenant = own;
    TRY(e);
    return record_known(cx, g);
}

enum err
role_catch_up(struct cx *cx)
{
    struct gain g = {0};

    TRY(cx_read(cx, read_gain, &g));
    return g.stored && !g.any ? OK : cx_write(cx, catch_up, &g);
}
