/* The verifier and the store's guards: triggers, functions, rules and policies against the schema. */
#include "audit/guard.h"
#include "audit/verify_priv.h"

struct looking {
    struct str ending; /* " to version 9" */
    bool found;
};

static enum err
see_migration(void *arg, const struct audit_event *e)
{
    struct looking *l = arg;
    l->found = l->found || str_has_suffix(e->text, l->ending);
    return OK;
}

/* A row in schema_version is made quickly: who brought the store there must stand in the log. */
static bool
is_recorded(struct verify *v, int64_t version)
{
    static const enum event types[] = {EV_SCHEMA_MIGRATED};
    struct audit_walk w = {
        .tenant_id = AUDIT_INSTANCE, .after = -1, .before = -1, .types = types, .n_types = 1};
    struct cx cx = *v->cx;
    struct looking l = {0};
    cx.arena = arena_create("audit.verify.guard", (size_t)64 << 20);
    l.ending = arena_fmt(cx.arena, " to version %lld", (long long)version);
    bool read = audit_walk_each(&cx, &w, see_migration, &l) == OK;
    arena_free(cx.arena);
    return read && l.found;
}

static enum err
see(void *arg, struct db *db, struct str name, const struct shape *s)
{
    struct verify *v = arg;
    (void)db;
    if (s->newer && !is_recorded(v, s->version))
        verify_tell(
            v, NULL, -1, STR_NULL, verify_int(v, s->version),
            "%.*s says that its schema is newer than this program, and the log does not tell "
            "who brought it there",
            STR_ARG(name));
    else if (s->newer)
        verify_note(v,
                    "The schema of %.*s is newer than this program: what it does not know there is "
                    "not told.",
                    STR_ARG(name));
    for (size_t i = 0; i < s->n && !s->empty; i++) {
        struct str text = shape_text(s->a, &s->v[i]);
        verify_tell(v, NULL, -1, STR_NULL, STR_NULL, "%.*s: %.*s", STR_ARG(name), STR_ARG(text));
    }
    return OK;
}

static enum err
broken(void *arg, struct str name)
{
    struct verify *v = arg;
    verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "%.*s: its triggers can not be read",
                STR_ARG(name));
    return OK;
}

void
verify_guards(struct verify *v)
{
    struct guard_walk w = {see, broken, v};
    if (guards_walk(v->au, &w) != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the store's triggers can not be read");
}
