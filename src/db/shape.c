/* Comparing a store's machinery with the schema: which scripts make it, and the list of differences. What is
 * looked at, and how, is the stores' own: sqlite_shape.c, postgres_shape.c. */
#include "db/shape_priv.h"

struct shaping {
    const char *script;
    struct shape *out;
};

static enum err
store_version(struct db_tx *tx, struct shape *s)
{
    static const struct sql q = SQL_READ("SELECT coalesce(max(version), 0) FROM schema_version");
    int64_t v = 0;
    TRY(db_query_int(tx, &q, NO_ARGS, &v));
    s->version = v;
    s->newer =
        schema_migration_count == 0 || v > schema_migrations[schema_migration_count - 1].version;
    return OK;
}

static enum err
compare(struct db_tx *tx, void *arg)
{
    struct shaping *g = arg;
    bool lite = db_tx_kind(tx) == DB_SQLITE;
    struct arena *a = g->out->a;
    const char **scripts = arena_array(a, const char *, (size_t)schema_migration_count + 1);
    size_t n = 0;
    *g->out = (struct shape){.a = a};
    scripts[n++] = g->script != NULL ? g->script : migrate_bootstrap;
    for (int i = 0; i < schema_migration_count && g->script == NULL; i++)
        scripts[n++] = lite ? schema_migrations[i].sqlite : schema_migrations[i].postgres;
    if (g->script == NULL)
        TRY(store_version(tx, g->out));
    return lite ? lite_shape(tx, scripts, n, g->out) : pg_shape(tx, scripts, n, g->out);
}

enum err
shape_check(struct db *db, struct arena *a, const char *script, struct shape *out)
{
    struct shape s = {.a = a};
    struct shaping g = {script, &s};
    TRY(db_snapshot(db, a, compare, &g));
    *out = s;
    return OK;
}

void
shape_differs(struct shape *s, enum shape_wrong wrong, struct str what, struct str mend)
{
    if (wrong == SHAPE_FOREIGN && s->newer)
        return;
    arena_grow(s->a, s->v, s->n, &s->cap, 16);
    s->v[s->n++] = (struct shape_diff){wrong, what, mend};
}

struct str
shape_text(struct arena *a, const struct shape_diff *d)
{
    static const char *const words[] = {[SHAPE_MISSING] = "is missing",
                                        [SHAPE_ALTERED] = "was altered",
                                        [SHAPE_FOREIGN] = "does not belong to Recount"};
    return arena_fmt(a, "%.*s %s", STR_ARG(d->what), words[d->wrong]);
}
