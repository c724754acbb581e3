/* The log's guards: what the store itself refuses (triggers, on PostgreSQL with their functions), against
 * what this binary's schema makes, in the main store, each month's files and the file of heads. What is
 * missing or altered of them is put back at start, with an event; what is foreign on a table of ours may
 * keep events out or make them up, and only a person can judge it: then nothing starts. Owns nothing. */
#include "audit/guard.h"

#include <unistd.h>

#include "audit/heads.h"
#include "audit/segment_schema.h"
#include "base/log.h"

#define GUARD_ARENA ((size_t)64 << 20)
#define NAMED       5 /* of a refusal */

/* ---- every store of the installation ---- */

static enum err
look_at(const struct guard_walk *w, struct db *db, const char *script, struct str name)
{
    struct arena *a = arena_create("audit.guard", GUARD_ARENA);
    struct shape s;
    enum err e = shape_check(db, a, script, &s);
    if (e == OK || w->broken == NULL)
        e = e == OK ? w->seen(w->arg, db, name, &s) : e;
    else
        e = w->broken(w->arg, name);
    arena_free(a);
    return e;
}

static enum err
look_at_month(struct audit *au, const struct guard_walk *w, struct arena *a, int32_t month)
{
    struct segment *s = segment_pin(au, month);
    int year = (int)(month / 12), of_year = (int)(month % 12 + 1);
    if (s == NULL) /* expired this moment */
        return OK;
    enum err e =
        look_at(w, s->db, segment_events_sql, arena_fmt(a, "audit/%04d-%02d.db", year, of_year));
    if (e == OK && s->text != NULL)
        e = look_at(w, s->text, segment_text_sql,
                    arena_fmt(a, "audit/%04d-%02d.index.db", year, of_year));
    segment_unpin(au, s);
    return e;
}

static enum err
look_at_heads(struct audit *au, const struct guard_walk *w, struct arena *a)
{
    struct str path = arena_fmt(a, "%.*s/heads.db", STR_ARG(au->options.dir)), why = STR_NULL;
    struct db *db = NULL;
    if (au->heads != NULL)
        return look_at(w, au->heads->db, heads_sql, S("heads.db"));
    if (access(path.p, F_OK) != 0)
        return OK;
    enum err e = db_open_file(a, path, au->options.vfs, au->options.read_only, 1, &db, &why);
    if (e != OK)
        return w->broken != NULL ? w->broken(w->arg, S("heads.db")) : e;
    e = look_at(w, db, heads_sql, S("heads.db"));
    db_close(db);
    return e;
}

enum err
guards_walk(struct audit *au, const struct guard_walk *w)
{
    struct arena *a = arena_create("audit.guards", GUARD_ARENA);
    int32_t *months = NULL;
    size_t n = 0;
    enum err e = look_at(w, au->app->db, NULL, au->pg ? S("the database") : S("recount.db"));
    if (e == OK && !au->pg)
        e = segment_months(au, a, &months, &n);
    for (size_t i = 0; i < n && e == OK; i++)
        e = look_at_month(au, w, a, months[i]);
    if (e == OK)
        e = look_at_heads(au, w, a);
    arena_free(a);
    return e;
}

/* ---- at start ---- */

struct found {
    struct audit *au;
    struct arena *a;
    struct buf *foreign; /* what nobody here can mend */
    size_t n_foreign;
    struct audit_change *changes; /* what can */
    size_t n, cap;
    struct buf *main; /* the script for the main store */
};

static void
note_mend(struct found *f, struct str what)
{
    arena_grow(f->a, f->changes, f->n, &f->cap, 16);
    f->changes[f->n++] = (struct audit_change){S("guard"), what, S("put back")};
}

static enum err
see(void *arg, struct db *db, struct str name, const struct shape *s)
{
    struct found *f = arg;
    for (size_t i = 0; i < s->n && !s->empty; i++) {
        struct str text = shape_text(s->a, &s->v[i]);
        struct str what = arena_fmt(f->a, "%.*s: %.*s", STR_ARG(name), STR_ARG(text));
        if (str_is_null(s->v[i].mend)) {
            if (f->n_foreign++ < NAMED)
                buf_fmt(f->foreign, "%s%.*s", f->n_foreign > 1 ? "; " : "", STR_ARG(what));
            continue;
        }
        note_mend(f, what);
        if (db == f->au->app->db)
            buf_fmt(f->main, "%.*s\n", STR_ARG(s->v[i].mend));
    }
    return OK;
}

static struct found
found_in(struct audit *au, struct arena *a)
{
    return (struct found){.au = au,
                          .a = a,
                          .foreign = buf_in(a, (size_t)1 << 20),
                          .main = buf_in(a, (size_t)1 << 20)};
}

static enum err
refuse_foreign(const struct found *f, struct str *why)
{
    if (f->n_foreign == 0)
        return OK;
    *why =
        arena_fmt(f->au->arena,
                  "the store is not as this program makes it, and may keep events out of the log "
                  "or make them up: %.*s%s. Look at it, remove it, and start again "
                  "(doc/operations.md)",
                  STR_ARG(buf_view(f->foreign)), f->n_foreign > NAMED ? "; and more" : "");
    return ERR_CONFLICT;
}

enum err
audit_guards_check(struct app *app, struct str *why)
{
    struct arena *a = arena_create("audit.guards", GUARD_ARENA);
    struct found f = found_in(app->audit, a);
    struct guard_walk w = {.seen = see, .arg = &f};
    enum err e = guards_walk(app->audit, &w);
    if (e != OK)
        *why =
            arena_fmt(app->arena, "the store's triggers can not be compared with the schema: %.*s",
                      STR_ARG(db_last_error()));
    else
        e = refuse_foreign(&f, why);
    arena_free(a);
    return e;
}

static enum err
record_mend(struct cx *cx, void *arg)
{
    const struct found *f = arg;
    size_t n = f->n < RECORD_CHANGES_MAX ? f->n : RECORD_CHANGES_MAX;
    struct audit_entry e = {.event = EV_AUDIT_DAMAGED,
                            .outcome = OUTCOME_FAILURE,
                            .instance = true,
                            .target_kind = S("audit"),
                            .changes = f->changes,
                            .n_changes = n};
    e.text = arena_fmt(cx->arena,
                       "%zu of the guards that refuse changes of the log had been taken away or "
                       "altered, and were put back",
                       f->n);
    TRY(audit_record(cx, &e, NULL));
    struct str script = buf_view(f->main);
    return script.n > 0 ? db_script(cx->tx, arena_cstr(cx->arena, script)) : OK;
}

static enum err
run_script(struct db_tx *tx, void *arg)
{
    return db_script(tx, arg);
}

/* The files beside the main store, each in a transaction of its own, behind the event. */
static enum err
mend_file(void *arg, struct db *db, struct str name, const struct shape *s)
{
    const struct found *f = arg;
    struct buf *b = buf_in(s->a, (size_t)1 << 20);
    (void)name;
    for (size_t i = 0; i < s->n && !s->empty; i++)
        if (!str_is_null(s->v[i].mend))
            buf_fmt(b, "%.*s\n", STR_ARG(s->v[i].mend));
    if (db == f->au->app->db || buf_view(b).n == 0)
        return OK;
    return db_write(db, s->a, run_script, arena_cstr(s->a, buf_view(b)));
}

enum err
audit_guards_mend(struct cx *cx, struct str *why)
{
    struct audit *au = cx->app->audit;
    struct found f = found_in(au, cx->arena), left = found_in(au, cx->arena);
    struct guard_walk look = {.seen = see, .arg = &f}, mend = {.seen = mend_file, .arg = &f},
                      again = {.seen = see, .arg = &left};
    enum err e = guards_walk(au, &look);
    if (e == OK && f.n == 0)
        return OK;
    for (size_t i = 0; i < f.n; i++)
        log_error("audit.guard", LOG_STR("detail", f.changes[i].before));
    if (e == OK)
        e = cx_write(cx, record_mend, &f);
    if (e == OK)
        e = guards_walk(au, &mend);
    if (e == OK)
        e = guards_walk(au, &again);
    if (e == OK && left.n + left.n_foreign == 0)
        return OK;
    *why =
        arena_fmt(au->arena,
                  "%zu of the store's triggers that refuse changes of the log were taken away or "
                  "altered (%.*s), and they can not be put back: %.*s",
                  f.n, STR_ARG(f.n > 0 ? f.changes[0].before : S("")), STR_ARG(db_last_error()));
    return e != OK ? e : ERR_CONFLICT;
}
