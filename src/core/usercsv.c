/* Users from CSV: reading the seven columns, and creating row by row. Owns no table. */
#include "core/usercsv.h"

#include "base/text.h"
#include "codec/csv.h"
#include "core/role.h"

enum column { FIRST, LAST, EMAIL, ROLE, TIER, PROVIDER, GROUP, COLUMNS };

static const struct {
    const char *title;
    bool required;
} columns[COLUMNS] = {[FIRST] = {"first name", true},
                      [LAST] = {"last name", true},
                      [EMAIL] = {"email", true},
                      [ROLE] = {"role", false},
                      [TIER] = {"classification tier", false},
                      [PROVIDER] = {"authentication provider", true},
                      [GROUP] = {"default group", false}};

static int
column_of(struct str title)
{
    int c = 0;
    while (c < COLUMNS && !str_ieq(title, str_of(columns[c].title)))
        c++;
    return c;
}

/* Which cell holds which column; −1: absent. A misspelt one would give everybody what stands for an absent
 * one, and of one that stands twice two readers would take different ones. */
static enum err
read_header(struct cx *cx, const struct str *cells, size_t n, int at[COLUMNS])
{
    for (int c = 0; c < COLUMNS; c++)
        at[c] = -1;
    for (size_t i = 0; i < n; i++) {
        struct str title = str_trim(cells[i]);
        int c = column_of(title);
        if (c == COLUMNS && str_is_empty(title))
            continue;
        if (c == COLUMNS)
            return fail_field(cx, S("file"),
                              "the first line holds \"%.*s\", which is none of the seven columns",
                              STR_ARG(utf8_cut(title, 60)));
        if (at[c] >= 0)
            return fail_field(cx, S("file"), "the first line holds the column \"%s\" twice",
                              columns[c].title);
        at[c] = (int)i;
    }
    for (int c = 0; c < COLUMNS; c++)
        if (at[c] < 0 && columns[c].required)
            return fail_field(cx, S("file"), "the first line lacks the column \"%s\"",
                              columns[c].title);
    return OK;
}

static struct str
cell(const struct str *cells, const int at[COLUMNS], enum column c)
{
    return at[c] < 0 ? S("") : str_trim(cells[at[c]]);
}

static bool
is_yes(struct str s)
{
    return str_ieq(s, S("true")) || str_ieq(s, S("yes")) || str_ieq(s, S("y")) ||
           str_ieq(s, S("1")) || str_ieq(s, S("x"));
}

static bool
is_no(struct str s)
{
    return str_is_empty(s) || str_ieq(s, S("false")) || str_ieq(s, S("no")) || str_ieq(s, S("n")) ||
           str_ieq(s, S("0"));
}

static struct str
provider_of(struct str s)
{
    static const struct {
        const char *word, *key;
    } words[] = {{"plextrac", "plextrac"},
                 {"recount", "plextrac"},
                 {"password", "plextrac"},
                 {"okta", "okta"},
                 {"google", "google"},
                 {"azure", "azure"},
                 {"openid_connect", "openid_connect"}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (str_ieq(s, str_of(words[i].word)))
            return str_of(words[i].key);
    }
    return STR_NULL;
}

static void
read_row(struct cx *cx, const struct str *cells, const int at[COLUMNS], struct usercsv_row *row)
{
    struct user_spec *s = &row->spec;

    s->first = cell(cells, at, FIRST);
    s->last = cell(cells, at, LAST);
    s->email = cell(cells, at, EMAIL);
    s->role = cell(cells, at, ROLE);
    s->tier = cell(cells, at, TIER);
    s->provider = provider_of(cell(cells, at, PROVIDER));
    s->default_group = is_yes(cell(cells, at, GROUP));
    s->pointer = S("");
    if (text_is_blank(s->first) || text_is_blank(s->last))
        row->reason = S("first and last name are required");
    else if (s->first.n > USER_NAME_MAX || s->last.n > USER_NAME_MAX)
        row->reason = S("a name is too long");
    else if (!email_is_unmistakable(cx->arena, s->email))
        row->reason =
            S("the e-mail address is not valid, or holds invisible or combining characters");
    else if (str_is_null(s->provider))
        row->reason = S(
            "the authentication provider is required: plextrac, okta, google, azure or openid_connect");
    else if (!provider_is_available(s->provider))
        row->reason =
            S("the authentication provider is not available in this version: write plextrac");
    else if (!s->default_group && !is_no(cell(cells, at, GROUP)))
        row->reason = S("default group must be yes or no");
}

/* The same address twice in one file: the second row is refused, not half the import. */
static void
mark_doubles(struct cx *cx, struct usercsv *c)
{
    struct str *folded = arena_array(cx->arena, struct str, c->n + 1);

    for (size_t i = 0; i < c->n; i++) {
        folded[i] = email_fold(cx->arena, c->rows[i].spec.email);
        for (size_t j = 0; j < i && str_is_null(c->rows[i].reason); j++) {
            if (str_eq(folded[i], folded[j]))
                c->rows[i].reason =
                    arena_fmt(cx->arena, "the address stands in line %zu already", c->rows[j].line);
        }
    }
}

enum err
usercsv_read(struct cx *cx, struct str text, struct usercsv *out)
{
    struct usercsv c = {.rows = arena_array(cx->arena, struct usercsv_row, USERCSV_ROWS_MAX)};
    struct csv_reader r;
    struct str *cells;
    int at[COLUMNS] = {0};
    size_t n;
    enum err e;

    csv_reader_init(&r, cx->arena, text);
    csv_reader_guess(&r);
    e = csv_read_row(&r, &cells, &n);
    if (e == ERR_END)
        return fail_field(cx, S("file"), "is empty");
    if (e == OK)
        TRY(read_header(cx, cells, n, at));
    while (e == OK && (e = csv_read_row(&r, &cells, &n)) == OK) {
        if (c.n == USERCSV_ROWS_MAX)
            return fail_field(cx, S("file"), "has more than %d rows", USERCSV_ROWS_MAX);
        c.rows[c.n].line = r.row_line;
        read_row(cx, cells, at, &c.rows[c.n++]);
    }
    if (e != ERR_END)
        return fail_field(cx, S("file"), "line %zu: %s", r.why_line, r.why);
    mark_doubles(cx, &c);
    *out = c;
    return OK;
}

/* What would make user_create() refuse is looked at first: a refusal inside a transaction spoils
 * it on PostgreSQL, and a refused row must leave nothing behind. */
static enum err
precheck(struct cx *cx, struct usercsv_row *row)
{
    struct user other;
    struct role role;
    struct user_tier tier;
    enum err e = user_find_anywhere(cx, email_fold(cx->arena, row->spec.email), &other);

    if (e == OK) {
        row->reason = S("a user with this e-mail address exists already");
        return OK;
    }
    if (e != ERR_NOT_FOUND)
        return e;
    e = user_role_pick(cx, row->spec.all,
                       str_is_empty(row->spec.role) ? S("STD_USER") : row->spec.role, S("role"),
                       &role);
    if (e == OK)
        e = role_grantable(cx, &role);
    if (e == OK)
        e = user_tier_find(cx, row->spec.tier, S("classification tier"), 0, &tier);
    if (e == OK && row->spec.default_group && !cx_is_process(cx) &&
        !cx_may(cx, PERM_AUTHORIZATION_MANAGE))
        e = fail(cx, ERR_FORBIDDEN, "Not permitted: authorize users for every client");
    if (e == ERR_INVALID || e == ERR_FORBIDDEN || e == ERR_NOT_FOUND) {
        row->reason = cx->failure.message;
        fail_clear(cx);
        return OK;
    }
    return e;
}

enum err
usercsv_apply(struct cx *cx, struct usercsv *c, struct user **created, size_t *n)
{
    struct user *made = arena_array(cx->arena, struct user, c->n + 1);
    struct roles all;
    size_t count = 0;

    TRY(role_load(cx, &all));
    for (size_t i = 0; i < c->n; i++) {
        struct usercsv_row *row = &c->rows[i];

        row->spec.all = &all;
        if (str_is_null(row->reason))
            TRY(precheck(cx, row));
        if (str_is_null(row->reason))
            TRY(user_create(cx, &row->spec, &made[count++]));
    }
    *created = made;
    *n = count;
    return OK;
}
