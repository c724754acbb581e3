/* SQLite: the file's sqlite_schema against that of an empty store in which the same scripts ran. The text
 * of an object is kept as it was written, so equal scripts make equal texts. */
#include <sqlite3.h>

#include "db/shape_priv.h"

struct object {
    struct str type, name, table, sql;
};

struct objects {
    struct arena *a;
    struct object *v;
    size_t n, cap;
};

static void
add(struct objects *l, struct object o)
{
    arena_grow(l->a, l->v, l->n, &l->cap, 64);
    l->v[l->n++] = o;
}

/* SQLite's names know no case, and a trigger's table is kept as it was typed. */
static bool
same_name(struct str x, struct str y)
{
    return x.n == y.n && sqlite3_strnicmp(x.p, y.p, (int)x.n) == 0;
}

static const struct object *
find(const struct objects *l, const struct object *o)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i].type, o->type) && same_name(l->v[i].name, o->name))
            return &l->v[i];
    return NULL;
}

static bool
is_ours(const struct objects *want, struct str table)
{
    struct object o = {.type = S("table"), .name = table};
    return find(want, &o) != NULL;
}

/* What SQLite makes by itself: sequences, indexes of keys. */
static bool
is_internal(const struct object *o)
{
    return !str_eq(o->type, S("trigger")) && str_has_prefix(o->name, S("sqlite_"));
}

/* ---- what should be ---- */

static const char list_all[] =
    "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type = 'index', name";

static int
take(void *arg, int n, char **cell, char **names)
{
    struct objects *l = arg;
    (void)n;
    (void)names;
    struct object o = {arena_str(l->a, str_of(cell[0])), arena_str(l->a, str_of(cell[1])),
                       arena_str(l->a, str_of(cell[2])), arena_str(l->a, str_of(cell[3]))};
    if (!is_internal(&o))
        add(l, o);
    return 0;
}

static enum err
make_reference(const char *const *scripts, size_t n, struct objects *want)
{
    sqlite3 *h = NULL;
    int rc = sqlite3_open(":memory:", &h);
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(h, scripts[i], NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(h, list_all, take, want, NULL);
    if (rc != SQLITE_OK)
        db_note("reference schema: %s", sqlite3_errmsg(h));
    sqlite3_close(h);
    return rc == SQLITE_OK ? OK : ERR_DB;
}

/* ---- what is ---- */

static enum err
read_objects(struct db_tx *tx, struct objects *found)
{
    static const struct sql q = {.sqlite = list_all};
    struct db_rows *r = NULL;
    enum err e;
    TRY(db_query(tx, &q, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        struct object o = {arena_str(found->a, db_text(r, 0)), arena_str(found->a, db_text(r, 1)),
                           arena_str(found->a, db_text(r, 2)), arena_str(found->a, db_text(r, 3))};
        if (!is_internal(&o))
            add(found, o);
    }
    return e == ERR_END ? OK : e;
}

/* ---- the difference ---- */

static struct str
name_of(struct arena *a, const struct object *o)
{
    if (str_eq(o->type, S("table")))
        return arena_fmt(a, "the table %.*s", STR_ARG(o->name));
    return arena_fmt(a, "the %.*s %.*s on %.*s", STR_ARG(o->type), STR_ARG(o->name),
                     STR_ARG(o->table));
}

static struct str
mend_of(struct arena *a, const struct object *want, bool there)
{
    if (str_eq(want->type, S("table")) || str_eq(want->type, S("view")))
        return STR_NULL;
    if (!there)
        return arena_fmt(a, "%.*s;", STR_ARG(want->sql));
    return arena_fmt(a, "DROP %.*s %.*s; %.*s;", STR_ARG(want->type), STR_ARG(want->name),
                     STR_ARG(want->sql));
}

enum err
lite_shape(struct db_tx *tx, const char *const *scripts, size_t n, struct shape *out)
{
    struct objects want = {.a = out->a}, found = {.a = out->a};
    TRY(make_reference(scripts, n, &want));
    TRY(read_objects(tx, &found));
    out->empty = found.n == 0;
    for (size_t i = 0; i < want.n; i++) {
        const struct object *w = &want.v[i], *f = find(&found, w);
        if (f == NULL)
            shape_differs(out, SHAPE_MISSING, name_of(out->a, w), mend_of(out->a, w, false));
        else if (!str_eq(f->sql, w->sql) || !same_name(f->table, w->table))
            shape_differs(out, SHAPE_ALTERED, name_of(out->a, w), mend_of(out->a, w, true));
    }
    for (size_t i = 0; i < found.n; i++) {
        const struct object *f = &found.v[i];
        if (str_eq(f->type, S("trigger")) && is_ours(&want, f->table) && find(&want, f) == NULL)
            shape_differs(out, SHAPE_FOREIGN, name_of(out->a, f), STR_NULL);
    }
    return OK;
}
