/* Settings of a workspace. Owns the table setting. */
#include "core/settings.h"

#include "base/text.h"
#include "core/trail.h"
#include "run/app.h"
#include "run/keys.h"

#define MARK "_mark" /* behind the name of a secret: the change that tells which one, unreadably */

#define INT    SETTING_INT
#define BOOL   SETTING_BOOL
#define WORD   SETTING_WORD
#define TEXT   SETTING_TEXT
#define SECRET SETTING_SECRET
static const struct setting_info table[SETTING_COUNT] = {
#define SETTING(id, name, title, kind, fallback, min, max, words)                                  \
    [SET_##id] = {name, title, kind, fallback, min, max, words},
#include "core/settings.def"
#undef SETTING
};
#undef INT
#undef BOOL
#undef WORD
#undef TEXT
#undef SECRET

const struct setting_info *
setting_info(enum setting s)
{
    if (s >= SETTING_COUNT)
        BUG("setting %d", (int)s);
    return &table[s];
}

/* ---- reading ---- */

static enum err
read_raw(struct cx *cx, enum setting s, struct str *out)
{
    static const struct sql q =
        SQL_READ("SELECT value FROM setting WHERE tenant_id = $1 AND name = $2");
    struct db_rows *r;
    enum err e =
        db_query_one(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(str_of(table[s].name))), &r);

    if (e == ERR_NOT_FOUND) {
        *out = str_of(table[s].fallback);
        return OK;
    }
    TRY(e);
    *out = arena_str(cx->arena, db_text(r, 0));
    db_rows_end(r);
    return OK;
}

static int64_t
to_int(enum setting s, struct str text)
{
    int64_t v;

    if (str_int64(text, &v) != OK || v < table[s].min || v > table[s].max) {
        if (str_int64(str_of(table[s].fallback), &v) != OK)
            BUG("default of %s", table[s].name);
    }
    return v;
}

static struct str
unseal(struct cx *cx, struct str stored)
{
    struct buf *b = buf_in(cx->arena, 8192);
    struct str plain;

    if (str_is_empty(stored) || base64url_get(stored, b) != OK ||
        keys_unseal(cx->arena, cx->app->keys, buf_view(b), &plain) != OK)
        return S("");
    return plain;
}

enum err
settings_get_int(struct cx *cx, enum setting s, int64_t *out)
{
    struct str text;

    TRY(read_raw(cx, s, &text));
    *out = to_int(s, text);
    return OK;
}

enum err
settings_get_bool(struct cx *cx, enum setting s, bool *out)
{
    struct str text;

    TRY(read_raw(cx, s, &text));
    *out = str_eq(text, S("true"));
    return OK;
}

enum err
settings_get_str(struct cx *cx, enum setting s, struct str *out)
{
    struct str text;

    TRY(read_raw(cx, s, &text));
    *out = table[s].kind == SETTING_SECRET ? unseal(cx, text) : text;
    return OK;
}

enum setting
settings_by_name(struct str name)
{
    for (enum setting s = 0; s < SETTING_COUNT; s++) {
        if (str_eq(name, str_of(table[s].name)))
            return s;
    }
    return SETTING_COUNT;
}

enum err
settings_load(struct cx *cx, int64_t tenant_id, struct settings *out)
{
    static const struct sql q =
        SQL_READ("SELECT name, value FROM setting WHERE tenant_id = $1 AND length(value) <= 16384");
    struct db_rows *r;
    enum err e;

    for (enum setting s = 0; s < SETTING_COUNT; s++)
        out->value[s] = str_of(table[s].fallback);
    TRY(db_query(cx->tx, &q, ARGS(V_INT(tenant_id)), &r));
    while ((e = db_next(r)) == OK) {
        enum setting s = settings_by_name(db_text(r, 0));

        if (s < SETTING_COUNT)
            out->value[s] = arena_str(cx->arena, db_text(r, 1));
    }
    return e == ERR_END ? OK : e;
}

int64_t
settings_int(const struct settings *all, enum setting s)
{
    return to_int(s, all->value[s]);
}

bool
settings_bool(const struct settings *all, enum setting s)
{
    return str_eq(all->value[s], S("true"));
}

struct str
settings_secret(struct cx *cx, const struct settings *all, enum setting s)
{
    return unseal(cx, all->value[s]);
}

static enum err
load_first(struct cx *cx, void *arg)
{
    return settings_load(cx, 0, arg);
}

enum err
settings_apply_installation(struct cx *cx)
{
    struct settings *all = arena_new(cx->arena, struct settings);

    TRY(cx_read(cx, load_first, all));
    audit_set_months_kept(cx->app, (int)settings_int(all, SET_AUDIT_MONTHS));
    return audit_refresh_holds(cx->app);
}

/* ---- changing ---- */

static bool
is_word_of(struct str value, const char *words)
{
    struct str rest = str_of(words), word;

    while (str_cut(&rest, ' ', &word)) {
        if (str_eq(word, value))
            return true;
    }
    return false;
}

static enum err
check(struct cx *cx, const struct setting_info *i, struct str value, struct str pointer)
{
    int64_t n;

    switch (i->kind) {
    case SETTING_INT:
        if (str_int64(value, &n) != OK || n < i->min || n > i->max)
            return fail_field(cx, pointer, "must be a whole number from %lld to %lld",
                              (long long)i->min, (long long)i->max);
        return OK;
    case SETTING_BOOL:
        return is_word_of(value, "true false") ? OK
                                               : fail_field(cx, pointer, "must be true or false");
    case SETTING_WORD:
        return is_word_of(value, i->words)
                   ? OK
                   : fail_field(cx, pointer, "must be one of: %s", i->words);
    case SETTING_TEXT:
    case SETTING_SECRET:
        if (value.n > (size_t)i->max)
            return fail_field(cx, pointer, "is longer than %lld bytes", (long long)i->max);
        if (i->min > 0 && str_is_empty(str_trim(value)))
            return fail_field(cx, pointer, "must not be empty");
        return OK;
    }
    BUG("kind of %s", i->name);
}

static struct str
sealed(struct cx *cx, struct str value)
{
    if (str_is_empty(value))
        return S("");
    return base64url_in(cx->arena, keys_seal(cx->arena, cx->app->keys, value));
}

static struct str
masked(struct str value)
{
    return str_is_empty(value) ? S("") : S("(hidden)");
}

void
settings_note(struct settings_change *c, struct str field, struct str before, struct str after)
{
    if (str_eq(before, after))
        return;
    if (c->n == sizeof c->v / sizeof c->v[0])
        BUG("more changes than settings");
    c->v[c->n++] = (struct audit_change){field, before, after};
}

enum err
settings_set(struct cx *cx, struct settings_change *c, enum setting s, struct str value,
             struct str pointer)
{
    static const struct sql q =
        SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES ($1, $2, $3) "
                             "ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value");
    const struct setting_info *i = setting_info(s);
    bool secret = i->kind == SETTING_SECRET;
    struct str before, stored = value;

    TRY(check(cx, i, value, pointer));
    TRY(settings_get_str(cx, s, &before));
    if (str_eq(before, value))
        return OK;
    if (secret)
        stored = sealed(cx, value);
    TRY(db_exec(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_STR(str_of(i->name)), V_STR(stored)),
                NULL));
    if (secret) { /* also a change from one secret to another must show */
        c->v[c->n++] = (struct audit_change){str_of(i->name), masked(before),
                                             str_is_empty(value) ? S("") : S("(changed)")};
        if (!str_is_empty(stored))
            c->v[c->n++] = (struct audit_change){arena_fmt(cx->arena, "%s" MARK, i->name), STR_NULL,
                                                 trail_mark(cx, stored)};
    } else
        settings_note(c, str_of(i->name), before, value);
    return OK;
}

/* As people call it; what is no setting of the table has a name of its own. */
static struct str
title_of(struct str name)
{
    enum setting s = settings_by_name(name);

    return s < SETTING_COUNT ? str_of(table[s].title) : name;
}

enum err
settings_commit(struct cx *cx, const struct settings_change *c, const char *what)
{
    struct audit_entry e = {.event = EV_SETTING_CHANGED,
                            .outcome = OUTCOME_SUCCESS,
                            .target_kind = S("tenant"),
                            .target_id = cx->tenant.cuid,
                            .changes = c->v,
                            .n_changes = c->n};
    struct buf *b = buf_in(cx->arena, 4096);

    if (c->n == 0)
        return OK;
    buf_fmt(b, "%.*s changed the %s: ", STR_ARG(cx->actor.name), what);
    for (size_t i = 0; i < c->n; i++) {
        if (str_has_suffix(c->v[i].field, S(MARK)))
            continue;
        buf_cstr(b, i ? "; " : "");
        buf_str(b, title_of(c->v[i].field));
    }
    e.text = buf_view(b);
    return audit_record(cx, &e, NULL);
}
