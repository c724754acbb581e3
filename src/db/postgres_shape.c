/* PostgreSQL: the catalogue against what the scripts say. The scripts are ours and of a plain form, so they
 * are read here instead of being run: a store that is only looked at takes no schema for comparison.
 * Partitions must have the triggers of their table, one for one. */
#include "base/err.h"
#include "db/shape_priv.h"

/* pg_trigger.tgtype */
#define ON_ROW      1
#define ON_BEFORE   2
#define ON_INSERT   4
#define ON_DELETE   8
#define ON_UPDATE   16
#define ON_TRUNCATE 32

enum kind { TABLE, FUNCTION, TRIGGER };
struct want {
    enum kind kind;
    struct str name;
    struct str table; /* of a trigger */
    struct str does;  /* a function's body; the function of a trigger */
    struct str gone;  /* a trigger's name for the rows that go; null: it has none */
    struct str text;  /* the statement */
    int64_t type;     /* of a trigger */
};

struct wants {
    struct arena *a;
    struct want *v;
    size_t n, cap;
};

/* ---- reading the scripts ---- */

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void
skip_space(struct str *s)
{
    for (;;) {
        while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\n' || s->p[0] == '\t'))
            *s = str_sub(*s, 1, s->n);
        if (!str_has_prefix(*s, S("--")))
            return;
        size_t end = str_index(*s, '\n');
        *s = end == SIZE_MAX ? S("") : str_sub(*s, end, s->n);
    }
}

/* A word, or one character of another kind; empty at the end. */
static struct str
next(struct str *s)
{
    size_t n = 0;
    skip_space(s);
    while (n < s->n && is_word(s->p[n]))
        n++;
    if (n == 0 && s->n > 0)
        n = 1;
    struct str word = str_sub(*s, 0, n);
    *s = str_sub(*s, n, s->n);
    return word;
}

/* Up to the semicolon; quotes, comments and bodies in $$ may hold others. */
static struct str
next_statement(struct str *s)
{
    size_t i = 0;
    bool quoted = false, body = false;
    skip_space(s);
    for (; i < s->n && (quoted || body || s->p[i] != ';'); i++) {
        struct str rest = str_sub(*s, i, s->n);
        if (!quoted && str_has_prefix(rest, S("$$"))) {
            body = !body;
            i++;
        } else if (!body && s->p[i] == '\'') {
            quoted = !quoted;
        } else if (!body && !quoted && str_has_prefix(rest, S("--"))) {
            while (i + 1 < s->n && s->p[i + 1] != '\n')
                i++;
        }
    }
    struct str st = str_sub(*s, 0, i);
    *s = str_sub(*s, i + 1, s->n);
    return st;
}

static void
put(struct wants *l, struct want w)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].kind == w.kind && str_eq(l->v[i].name, w.name) &&
            str_eq(l->v[i].table, w.table)) { /* CREATE OR REPLACE */
            l->v[i] = w;
            return;
        }
    arena_grow(l->a, l->v, l->n, &l->cap, 64);
    l->v[l->n++] = w;
}

static int64_t
trigger_event(struct str word)
{
    return str_ieq(word, S("INSERT"))     ? ON_INSERT
           : str_ieq(word, S("DELETE"))   ? ON_DELETE
           : str_ieq(word, S("UPDATE"))   ? ON_UPDATE
           : str_ieq(word, S("TRUNCATE")) ? ON_TRUNCATE
                                          : 0;
}

/* Whether the words come next, which they do not stay then. */
static bool
take_words(struct str *s, struct str words)
{
    struct str rest = *s, left = words, word;
    while (str_cut(&left, ' ', &word))
        if (!str_ieq(next(&rest), word))
            return false;
    *s = rest;
    return true;
}

/* CREATE TRIGGER name BEFORE|AFTER event [OR event …] ON table [REFERENCING OLD TABLE AS name]
 * [FOR EACH ROW|STATEMENT] EXECUTE FUNCTION name(): the form of all of ours. */
static void
take_trigger(struct wants *l, struct str rest, struct str text)
{
    struct want w = {.kind = TRIGGER, .text = text, .name = next(&rest)};
    bool before = take_words(&rest, S("BEFORE")), good = before || take_words(&rest, S("AFTER"));
    w.type = before ? ON_BEFORE : 0;
    do {
        int64_t event = trigger_event(next(&rest));
        good = good && event != 0;
        w.type |= event;
    } while (good && take_words(&rest, S("OR")));
    good = good && take_words(&rest, S("ON"));
    w.table = next(&rest);
    if (take_words(&rest, S("REFERENCING OLD TABLE AS")))
        w.gone = next(&rest);
    if (take_words(&rest, S("FOR EACH ROW")))
        w.type |= ON_ROW;
    else
        (void)take_words(&rest, S("FOR EACH STATEMENT"));
    good = good && take_words(&rest, S("EXECUTE FUNCTION"));
    w.does = next(&rest);
    if (!good)
        BUG("a trigger of the schema is of a form that is not checked: %.*s", STR_ARG(text));
    put(l, w);
}

static void
take_function(struct wants *l, struct str rest)
{
    struct want w = {.kind = FUNCTION, .name = next(&rest)};
    size_t from = 0;
    w.text = arena_fmt(l->a, "CREATE OR REPLACE FUNCTION %.*s%.*s", STR_ARG(w.name), STR_ARG(rest));
    while (from < rest.n && !str_has_prefix(str_sub(rest, from, rest.n), S("$$")))
        from++;
    w.does = str_sub(rest, from + 2, rest.n);
    size_t n = 0;
    while (n < w.does.n && !str_has_prefix(str_sub(w.does, n, w.does.n), S("$$")))
        n++;
    w.does = str_sub(w.does, 0, n);
    put(l, w);
}

static void
take_table(struct wants *l, struct str rest)
{
    struct str name = next(&rest);
    if (str_ieq(name, S("IF"))) { /* NOT EXISTS */
        (void)next(&rest);
        (void)next(&rest);
        name = next(&rest);
    }
    put(l, (struct want){.kind = TABLE, .name = name});
}

static void
take_script(struct wants *l, struct str script)
{
    while (script.n > 0) {
        struct str st = next_statement(&script), rest = st, what;
        if (!str_ieq(next(&rest), S("CREATE")))
            continue;
        what = next(&rest);
        if (str_ieq(what, S("OR"))) {
            (void)next(&rest);
            what = next(&rest);
        }
        if (str_ieq(what, S("TABLE")))
            take_table(l, rest);
        else if (str_ieq(what, S("FUNCTION")))
            take_function(l, rest);
        else if (str_ieq(what, S("TRIGGER")))
            take_trigger(l, rest, st);
    }
}

static const struct want *
find(const struct wants *l, enum kind k, struct str table, struct str name)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].kind == k && str_eq(l->v[i].name, name) &&
            (k != TRIGGER || str_eq(l->v[i].table, table)))
            return &l->v[i];
    return NULL;
}

/* ---- functions ---- */

static const struct sql get_functions = SQL_READ2(
    "SELECT 1",
    "SELECT p.proname::text, p.prosrc, CASE WHEN l.lanname = 'plpgsql' AND p.proconfig IS NULL"
    " AND NOT p.prosecdef THEN 1 ELSE 0 END FROM pg_proc p JOIN pg_language l"
    " ON l.oid = p.prolang WHERE p.pronamespace = current_schema()::regnamespace"
    " AND p.pronargs = 0 ORDER BY p.proname");

/* seen[i]: found and as it should be; 1 found, 2 altered. */
static enum err
look_at_functions(struct db_tx *tx, const struct wants *l, struct shape *out)
{
    char *seen = arena_array(out->a, char, l->n + 1);
    struct db_rows *r = NULL;
    enum err e;
    TRY(db_query(tx, &get_functions, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        const struct want *w = find(l, FUNCTION, STR_NULL, db_text(r, 0));
        if (w != NULL)
            seen[w - l->v] = str_eq(db_text(r, 1), w->does) && db_int(r, 2) == 1 ? 1 : 2;
    }
    if (e != ERR_END)
        return e;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].kind == FUNCTION && seen[i] != 1)
            shape_differs(out, seen[i] == 0 ? SHAPE_MISSING : SHAPE_ALTERED,
                          arena_fmt(out->a, "the function %.*s", STR_ARG(l->v[i].name)),
                          arena_fmt(out->a, "%.*s;", STR_ARG(l->v[i].text)));
    return OK;
}

/* ---- tables ---- */

/* Ours and their partitions (own ≠ base); those first that stand for themselves. */
#define OURS                                                                                       \
    " FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p"          \
    " ON p.oid = i.inhparent"
#define IN_SCHEMA " coalesce(p.relnamespace, c.relnamespace) = current_schema()::regnamespace"
static const struct sql get_tables = SQL_READ2(
    "SELECT 1", "SELECT c.relname::text, coalesce(p.relname, c.relname)::text,"
                " CASE WHEN c.relkind IN ('r', 'p') AND c.relpersistence = 'p' THEN 1"
                " ELSE 0 END, CASE WHEN c.relrowsecurity OR c.relforcerowsecurity THEN 1"
                " ELSE 0 END, CASE WHEN p.oid IS NOT NULL AND NOT c.relispartition THEN 1"
                " ELSE 0 END" OURS " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND" IN_SCHEMA
                " ORDER BY p.oid IS NOT NULL, c.relname");

struct place {
    struct str own, base;
};

struct places {
    struct place *v;
    size_t n, cap;
};

static enum err
look_at_tables(struct db_tx *tx, const struct wants *l, struct places *found, struct shape *out)
{
    struct arena *a = out->a;
    struct db_rows *r = NULL;
    enum err e;
    TRY(db_query(tx, &get_tables, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        struct place p = {arena_str(a, db_text(r, 0)), arena_str(a, db_text(r, 1))};
        if (find(l, TABLE, STR_NULL, p.base) == NULL)
            continue;
        arena_grow(a, found->v, found->n, &found->cap, 64);
        found->v[found->n++] = p;
        if (db_int(r, 2) == 0)
            shape_differs(out, SHAPE_ALTERED, arena_fmt(a, "the table %.*s", STR_ARG(p.own)),
                          STR_NULL);
        if (db_int(r, 3) != 0)
            shape_differs(out, SHAPE_FOREIGN,
                          arena_fmt(a, "the row-level security of %.*s", STR_ARG(p.own)), STR_NULL);
        if (db_int(r, 4) != 0)
            shape_differs(
                out, SHAPE_FOREIGN,
                arena_fmt(a, "the table %.*s under %.*s", STR_ARG(p.own), STR_ARG(p.base)),
                STR_NULL);
    }
    if (e != ERR_END)
        return e;
    for (size_t i = 0; i < l->n; i++) {
        bool there = l->v[i].kind != TABLE;
        for (size_t k = 0; k < found->n && !there; k++)
            there = str_eq(found->v[k].own, l->v[i].name);
        if (!there)
            shape_differs(out, SHAPE_MISSING, arena_fmt(a, "the table %.*s", STR_ARG(l->v[i].name)),
                          STR_NULL);
    }
    return OK;
}

/* ---- triggers ---- */

/* 1: as it was made; 2: that, but switched off; 0: otherwise. */
static const struct sql get_triggers = SQL_READ2(
    "SELECT 1",
    "SELECT c.relname::text, coalesce(p.relname, c.relname)::text, t.tgname::text, t.tgtype::bigint,"
    " t.tgfoid::regproc::text, CASE WHEN t.tgqual IS NOT NULL OR t.tgnargs <> 0"
    " OR t.tgattr::text <> '' OR t.tgconstraint <> 0 THEN 0"
    " WHEN t.tgenabled NOT IN ('O', 'A') THEN 2 ELSE 1 END,"
    " coalesce(t.tgoldtable::text, '') || coalesce(' ' || t.tgnewtable::text, '')" OURS
    " JOIN pg_trigger t ON t.tgrelid = c.oid WHERE" IN_SCHEMA " ORDER BY c.relname, t.tgname");

struct have {
    struct place at;
    struct str name, does, gone;
    int64_t type, state;
};

struct haves {
    struct have *v;
    size_t n, cap;
};

static enum err
read_triggers(struct db_tx *tx, struct arena *a, struct haves *l)
{
    struct db_rows *r = NULL;
    enum err e;
    TRY(db_query(tx, &get_triggers, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        arena_grow(a, l->v, l->n, &l->cap, 64);
        l->v[l->n++] = (struct have){.at = {db_text_keep(r, 0), db_text_keep(r, 1)},
                                     .name = db_text_keep(r, 2),
                                     .type = db_int(r, 3),
                                     .does = db_text_keep(r, 4),
                                     .state = db_int(r, 5),
                                     .gone = db_text_keep(r, 6)};
    }
    return e == ERR_END ? OK : e;
}

static struct str
trigger_name(struct arena *a, struct str name, struct str table)
{
    return arena_fmt(a, "the trigger %.*s on %.*s", STR_ARG(name), STR_ARG(table));
}

static bool
is_as_made(const struct have *h, const struct want *w)
{
    return h->type == w->type && str_eq(h->does, w->does) && str_eq(h->gone, w->gone);
}

/* A row's trigger comes to a partition from its table, a statement's is made for each. */
static struct str
trigger_mend(struct arena *a, const struct want *w, const struct place *at, const struct have *h)
{
    if (h != NULL && h->state == 2 && is_as_made(h, w))
        return arena_fmt(a, "ALTER TABLE %.*s ENABLE TRIGGER %.*s;", STR_ARG(at->own),
                         STR_ARG(w->name));
    if (!str_eq(at->own, at->base) && (w->type & ON_ROW) != 0)
        return STR_NULL;
    struct str drop =
        arena_fmt(a, "DROP TRIGGER IF EXISTS %.*s ON %.*s;", STR_ARG(w->name), STR_ARG(at->own));
    if (str_eq(at->own, at->base))
        return arena_fmt(a, "%.*s %.*s;", STR_ARG(drop), STR_ARG(w->text));
    return arena_fmt(a, "%.*s CREATE TRIGGER %.*s BEFORE TRUNCATE ON %.*s EXECUTE FUNCTION %.*s();",
                     STR_ARG(drop), STR_ARG(w->name), STR_ARG(at->own), STR_ARG(w->does));
}

static void
compare_trigger(const struct want *w, const struct place *at, const struct haves *l,
                struct shape *out)
{
    const struct have *h = NULL;
    for (size_t i = 0; i < l->n && h == NULL; i++)
        if (str_eq(l->v[i].at.own, at->own) && str_eq(l->v[i].name, w->name))
            h = &l->v[i];
    if (h != NULL && h->state == 1 && is_as_made(h, w))
        return;
    shape_differs(out, h == NULL ? SHAPE_MISSING : SHAPE_ALTERED,
                  trigger_name(out->a, w->name, at->own), trigger_mend(out->a, w, at, h));
}

static enum err
look_at_triggers(struct db_tx *tx, const struct wants *l, const struct places *at,
                 struct shape *out)
{
    struct haves have = {0};
    TRY(read_triggers(tx, out->a, &have));
    for (size_t i = 0; i < at->n; i++)
        for (size_t k = 0; k < l->n; k++)
            if (l->v[k].kind == TRIGGER && str_eq(l->v[k].table, at->v[i].base))
                compare_trigger(&l->v[k], &at->v[i], &have, out);
    for (size_t i = 0; i < have.n; i++) {
        const struct have *h = &have.v[i];
        if (find(l, TABLE, STR_NULL, h->at.base) != NULL &&
            find(l, TRIGGER, h->at.base, h->name) == NULL)
            shape_differs(out, SHAPE_FOREIGN, trigger_name(out->a, h->name, h->at.own), STR_NULL);
    }
    return OK;
}

/* ---- rules, policies, switches ---- */

static const struct sql get_rules =
    SQL_READ2("SELECT 1", "SELECT 'rule', x.rulename::text, c.relname::text,"
                          " coalesce(p.relname, c.relname)::text" OURS
                          " JOIN pg_rewrite x ON x.ev_class = c.oid WHERE" IN_SCHEMA
                          " UNION ALL SELECT 'policy', x.polname::text, c.relname::text,"
                          " coalesce(p.relname, c.relname)::text" OURS
                          " JOIN pg_policy x ON x.polrelid = c.oid WHERE" IN_SCHEMA
                          " UNION ALL SELECT 'setting', 'session_replication_role',"
                          " current_setting('session_replication_role'), NULL"
                          " WHERE current_setting('session_replication_role') <> 'origin'");

static enum err
look_at_rules(struct db_tx *tx, const struct wants *l, struct shape *out)
{
    struct db_rows *r = NULL;
    enum err e;
    TRY(db_query(tx, &get_rules, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        bool on_table = !db_is_null(r, 3);
        if (on_table && find(l, TABLE, STR_NULL, db_text(r, 3)) == NULL)
            continue;
        shape_differs(out, SHAPE_FOREIGN,
                      arena_fmt(out->a, "the %.*s %.*s %s %.*s", STR_ARG(db_text(r, 0)),
                                STR_ARG(db_text(r, 1)), on_table ? "on" : "of",
                                STR_ARG(db_text(r, 2))),
                      STR_NULL);
    }
    return e == ERR_END ? OK : e;
}

/* ---- what else runs ---- */

/* A CHECK constraint, a default, a generated column, an expression index or a domain may call a function, in
 * the transaction of whoever writes the row: one that takes events out of the tail, say. Ours call none. */
static const struct sql get_calls = SQL_READ2(
    "SELECT 1",
    "SELECT y.what || ' on ' || c.relname FROM (SELECT 'the constraint ' || conname AS what,"
    " conrelid AS rel, 'pg_constraint'::regclass AS class, oid AS object FROM pg_constraint"
    " UNION ALL SELECT 'the default of ' || a.attname, d.adrelid, 'pg_attrdef'::regclass, d.oid"
    " FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
    " UNION ALL SELECT 'the index ' || indexrelid::regclass, indrelid, 'pg_class'::regclass,"
    " indexrelid FROM pg_index) y JOIN pg_class c ON c.oid = y.rel"
    " WHERE c.relnamespace = current_schema()::regnamespace"
    " AND EXISTS (SELECT 1 FROM pg_depend x"
    " LEFT JOIN pg_proc f ON x.refclassid = 'pg_proc'::regclass AND f.oid = x.refobjid"
    " LEFT JOIN pg_operator o ON x.refclassid = 'pg_operator'::regclass AND o.oid = x.refobjid"
    " WHERE x.classid = y.class AND x.objid = y.object"
    " AND coalesce(f.pronamespace, o.oprnamespace) <> 'pg_catalog'::regnamespace)"
    " UNION ALL SELECT 'the type of ' || a.attname || ' on ' || c.relname FROM pg_class c"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
    " JOIN pg_type t ON t.oid = a.atttypid WHERE c.relkind IN ('r', 'p')"
    " AND c.relnamespace = current_schema()::regnamespace"
    " AND t.typnamespace <> 'pg_catalog'::regnamespace ORDER BY 1");

static enum err
look_at_calls(struct db_tx *tx, struct shape *out)
{
    struct db_rows *r = NULL;
    enum err e;
    TRY(db_query(tx, &get_calls, NO_ARGS, &r));
    while ((e = db_next(r)) == OK)
        shape_differs(out, SHAPE_FOREIGN, arena_str(out->a, db_text(r, 0)), STR_NULL);
    return e == ERR_END ? OK : e;
}

enum err
pg_shape(struct db_tx *tx, const char *const *scripts, size_t n, struct shape *out)
{
    struct wants want = {.a = out->a};
    struct places at = {0};
    for (size_t i = 0; i < n; i++)
        take_script(&want, str_of(scripts[i]));
    TRY(look_at_functions(tx, &want, out));
    TRY(look_at_tables(tx, &want, &at, out));
    TRY(look_at_triggers(tx, &want, &at, out));
    TRY(look_at_rules(tx, &want, out));
    return look_at_calls(tx, out);
}
