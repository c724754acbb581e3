/* The verifier and the store's guards: triggers, functions, rules and policies against the schema. */
#include "audit/guard.h"
#include "audit/verify_priv.h"

static enum err
see(void *arg, struct db *db, struct str name, const struct shape *s)
{
    struct verify *v = arg;
    (void)db;
    if (s->newer)
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
