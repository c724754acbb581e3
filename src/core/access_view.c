/* Who had what: a state as people with their rights, and as the lines of an access review. Reads
 * states only; nothing here knows where one came from. */
#include "core/access_priv.h"

#include <stdlib.h>

#include "base/text.h"
#include "codec/textkey.h"
#include "codec/csv.h"
#include "codec/json.h"

/* ---- roles and rights by user ---- */

struct role_known {
    const struct access_row *row;
    struct permission_set rights;
};

struct right {
    struct str user;
    const struct access_row *row; /* HOLDER or MEMBER */
};

struct view {
    struct arena *a;
    struct access_state *s;
    struct role_known *roles;
    size_t n_roles;
    struct right *rights; /* by user, tenant-wide ones first */
    size_t n_rights;
    const struct access_row **users, **tokens;
    size_t n_users, n_tokens;
};

static struct permission_set
rights_of_row(const struct access_row *r)
{
    struct permission_set set = {{0, 0}};
    struct str prefix = S(ACCESS_PERMISSION);

    for (size_t i = 0; i < r->n; i++) {
        if (str_has_prefix(r->fields[i].name, prefix))
            permission_add(&set, permission_by_key(str_sub(r->fields[i].name, prefix.n, SIZE_MAX)));
    }
    return set;
}

static int
by_user(const void *a, const void *b)
{
    const struct right *x = a, *y = b;
    int c = str_cmp(x->user, y->user);

    if (c != 0)
        return c;
    if (x->row->kind != y->row->kind)
        return x->row->kind == ACCESS_HOLDER ? -1 : 1;
    return str_cmp(x->row->id, y->row->id);
}

static struct view
look(struct arena *a, struct access_state *s)
{
    struct view v = {.a = a, .s = s};
    size_t n;
    const struct access_row **rows = access_rows(s, &n);

    v.roles = arena_array(a, struct role_known, n + 1);
    v.rights = arena_array(a, struct right, n + 1);
    v.users = arena_array(a, const struct access_row *, n + 1);
    v.tokens = arena_array(a, const struct access_row *, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct access_row *r = rows[i];

        if (r->kind == ACCESS_ROLE)
            v.roles[v.n_roles++] = (struct role_known){r, rights_of_row(r)};
        else if (r->kind == ACCESS_HOLDER)
            v.rights[v.n_rights++] = (struct right){state_first(r->id), r};
        else if (r->kind == ACCESS_MEMBER)
            v.rights[v.n_rights++] = (struct right){state_second(r->id), r};
        else if (r->kind == ACCESS_USER)
            v.users[v.n_users++] = r;
        else if (r->kind == ACCESS_TOKEN)
            v.tokens[v.n_tokens++] = r;
    }
    qsort(v.rights, v.n_rights, sizeof *v.rights, by_user);
    return v;
}

static const struct role_known *
role_of(const struct view *v, struct str cuid)
{
    size_t lo = 0, hi = v->n_roles; /* in order of their ids */

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(v->roles[mid].row->id, cuid);

        if (c == 0)
            return &v->roles[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* ---- one person ---- */

static struct str
tier_name(const struct view *v, struct str id)
{
    struct str name =
        str_is_null(id) ? STR_NULL : access_get(access_row(v->s, ACCESS_TIER, id), "name");

    return str_is_null(name) ? id : name;
}

static struct access_grant
grant_of(const struct view *v, const struct access_row *r)
{
    const struct access_field *f = access_field(r, "role");
    struct access_grant g = {.role = f ? f->value : S("")};
    const struct role_known *role = role_of(v, g.role);

    if (f) {
        g.event = f->event;
        g.since = f->at;
    }
    g.title = role ? access_get(role->row, "title") : g.role;
    g.enabled = role && str_eq(access_get(role->row, "enabled"), S("true"));
    if (g.enabled)
        g.rights = role->rights;
    if (r->kind == ACCESS_HOLDER)
        return g;
    g.rights = permission_on_client(&g.rights);
    if (str_int64(state_first(r->id), &g.client_id) != OK)
        g.client_id = -1;
    g.client = access_get(access_row(v->s, ACCESS_CLIENT, state_first(r->id)), "name");
    g.tier = tier_name(v, access_get(r, "tier"));
    return g;
}

static int
by_client(const void *a, const void *b)
{
    const struct access_grant *x = a, *y = b;
    int c;

    if ((x->client_id == 0) != (y->client_id == 0))
        return x->client_id == 0 ? -1 : 1;
    c = x->client_id == 0 ? str_cmp(x->title, y->title) : str_cmp(x->client, y->client);
    return c ? c : (x->client_id > y->client_id) - (x->client_id < y->client_id);
}

static bool
is_true(const struct access_row *r, const char *field)
{
    return str_eq(access_get(r, field), S("true"));
}

static size_t
rights_from(const struct view *v, struct str user)
{
    size_t lo = 0, hi = v->n_rights;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (str_cmp(v->rights[mid].user, user) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct str
full_name(struct arena *a, const struct access_row *u)
{
    return arena_fmt(a, "%.*s %.*s", STR_ARG(access_get(u, "first")),
                     STR_ARG(access_get(u, "last")));
}

static struct access_person
person_of(const struct view *v, const struct access_row *u)
{
    size_t from = rights_from(v, u->id), n = 0, k = 0;
    struct access_person p = {.cuid = u->id,
                              .name = full_name(v->a, u),
                              .email = access_get(u, "email"),
                              .provider = access_get(u, "provider"),
                              .tier = tier_name(v, access_get(u, "tier")),
                              .disabled = is_true(u, "disabled"),
                              .default_group = is_true(u, "default_group"),
                              .second_factor = is_true(u, "second_factor"),
                              .unsure = u->unsure};
    struct access_grant *g;

    while (from + n < v->n_rights && str_eq(v->rights[from + n].user, u->id))
        n++;
    g = arena_array(v->a, struct access_grant, n + 1);
    for (size_t i = 0; i < n; i++) {
        g[i] = grant_of(v, v->rights[from + i].row);
        if (g[i].client_id == 0)
            permission_union(&p.rights, &g[i].rights);
    }
    qsort(g, n, sizeof *g, by_client);
    p.grants = g;
    p.n = n;
    p.tokens = arena_array(v->a, const struct access_row *, v->n_tokens + 1);
    for (size_t i = 0; i < v->n_tokens; i++) {
        if (str_eq(access_get(v->tokens[i], "user"), u->id))
            p.tokens[k++] = v->tokens[i];
    }
    p.n_tokens = k;
    return p;
}

/* ---- who is asked for ---- */

static bool
has_text(struct arena *a, struct str text, struct str key)
{
    return str_contains(text_key(a, text), key);
}

/* Assigned to the client, or seeing every client. */
static bool
reaches(const struct view *v, const struct access_row *u, int64_t client)
{
    for (size_t i = rights_from(v, u->id); i < v->n_rights && str_eq(v->rights[i].user, u->id);
         i++) {
        struct access_grant g = grant_of(v, v->rights[i].row);

        if (g.client_id == client ||
            (g.client_id == 0 && permission_has(&g.rights, PERM_AUTHORIZATION_MANAGE)))
            return true;
    }
    return false;
}

static bool
is_asked_for(const struct view *v, const struct access_ask *ask, struct str q,
             const struct access_row *u)
{
    struct str name = full_name(v->a, u), email = access_get(u, "email");

    if (!str_is_empty(ask->user) && !str_eq(ask->user, u->id) && !str_ieq(ask->user, email))
        return false;
    if (!str_is_empty(q) && !has_text(v->a, name, q) && !has_text(v->a, email, q))
        return false;
    return ask->client_id == 0 || reaches(v, u, ask->client_id);
}

static int
by_name(const void *a, const void *b)
{
    const struct access_row *x = *(const struct access_row *const *)a,
                            *y = *(const struct access_row *const *)b;
    int c = str_cmp(access_get(x, "last"), access_get(y, "last"));

    if (c == 0)
        c = str_cmp(access_get(x, "first"), access_get(y, "first"));
    return c ? c : str_cmp(x->id, y->id);
}

void
access_people(struct arena *a, struct access_state *s, const struct access_ask *ask,
              struct access_people *out)
{
    struct view v = look(a, s);
    struct buf *q = buf_in(a, 8192);
    struct access_people p = {0};
    size_t limit = ask->limit < 0 ? 0 : (size_t)ask->limit;

    text_key_put(q, str_trim(ask->q));
    qsort(v.users, v.n_users, sizeof(struct access_row *), by_name);
    p.v = arena_array(a, struct access_person, (limit < v.n_users ? limit : v.n_users) + 1);
    for (size_t i = 0; i < v.n_users; i++) {
        if (!is_asked_for(&v, ask, buf_view(q), v.users[i]))
            continue;
        if (p.total++ >= ask->offset && p.n < limit)
            p.v[p.n++] = person_of(&v, v.users[i]);
    }
    *out = p;
}

/* ---- the review ---- */

static const char *const columns[] = {
    "name",  "email",  "user",         "state",       "provider",       "second factor",
    "scope", "client", "role",         "role state",  "classification", "permissions",
    "since", "event",  "last sign-in", "reviewed by", "decision"};
#define COLUMNS (sizeof columns / sizeof columns[0])

static struct str
keys_of(struct arena *a, const struct permission_set *set)
{
    struct buf *b = buf_in(a, 1 << 16);

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (permission_has(set, p))
            buf_fmt(b, "%s%s", b->n ? " " : "", permission_info(p)->key);
    }
    return b->n ? buf_view(b) : S("");
}

static void
put_row(struct buf *b, const struct str *cells)
{
    struct csv_writer w;

    csv_writer_init(&w, b);
    csv_row(&w, cells, COLUMNS);
}

/* Names may hold what a spreadsheet or a terminal would hide. */
static struct str
visible(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n * 12 + 16);

    text_visible(b, s);
    return buf_view(b);
}

static void
put_line(struct arena *a, struct buf *b, enum access_format f, const struct str *v)
{
    struct json_writer w;

    if (f == ACCESS_CSV) {
        struct str cells[COLUMNS];

        for (size_t i = 0; i < COLUMNS; i++)
            cells[i] = visible(a, v[i]);
        put_row(b, cells);
        return;
    }
    json_writer_init(&w, b);
    json_begin_object(&w);
    for (size_t i = 0; i < COLUMNS; i++) {
        json_key(&w, str_of(columns[i]));
        json_str(&w, v[i]);
    }
    json_end_object(&w);
    buf_char(b, '\n');
}

void
access_review_head(struct buf *b, enum access_format f)
{
    struct str cells[COLUMNS];

    if (f == ACCESS_NDJSON)
        return;
    for (size_t i = 0; i < COLUMNS; i++)
        cells[i] = str_of(columns[i]);
    put_row(b, cells);
}

static struct str
when(struct arena *a, int64_t at)
{
    return at ? time_iso(a, at) : S("");
}

void
access_review_lines(struct arena *a, struct buf *b, enum access_format f,
                    const struct access_person *p, int64_t last_login)
{
    struct str base[COLUMNS] = {p->name,     p->email,
                                p->cuid,     p->disabled ? S("disabled") : S("enabled"),
                                p->provider, p->second_factor ? S("on") : S("off")};

    for (size_t i = 6; i < COLUMNS; i++)
        base[i] = S("");
    base[14] = when(a, last_login);
    if (p->n + p->n_tokens == 0) { /* nobody is left out of a review */
        base[6] = S("none");
        put_line(a, b, f, base);
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct access_grant *g = &p->grants[i];
        struct str v[COLUMNS];

        memcpy(v, base, sizeof v);
        v[6] = g->client_id ? S("client") : S("workspace");
        v[7] = g->client;
        v[8] = g->title;
        v[9] = g->enabled ? S("enabled") : S("disabled");
        v[10] = g->tier;
        v[11] = keys_of(a, &g->rights);
        v[12] = when(a, g->since);
        v[13] = g->event;
        put_line(a, b, f, v);
    }
    for (size_t i = 0; i < p->n_tokens; i++) {
        const struct access_field *since = access_field(p->tokens[i], "name");
        struct str v[COLUMNS], name = access_get(p->tokens[i], "name"),
                               until = access_get(p->tokens[i], "expires");

        memcpy(v, base, sizeof v);
        v[6] = S("access token");
        v[8] = arena_fmt(a, "%.*s, until %.*s", STR_ARG(name), STR_ARG(until));
        v[11] = access_get(p->tokens[i], "scopes");
        v[12] = when(a, since ? since->at : 0);
        v[13] = since ? since->event : S("");
        put_line(a, b, f, v);
    }
}
