/* The baseline: the state of a workspace as events, and back. Owns the setting row
 * "access.baseline", which notes the last one taken; when one is due is decided here. */
#include "core/access_priv.h"

#include "base/log.h"
#include "base/text.h"
#include "codec/json.h"
#include "core/trail.h"
#include "run/app.h"

#define PART_ROWS 1000 /* of an event's 1,024 changes (audit/record.h) */
#define PART_BYTES                                                                                 \
    ((size_t)64 << 10) /* a move of a thousand parts stays within the mover's arena */
#define ROW_BYTES  ((size_t)16 << 10) /* what a change's value may have */
#define NOTE       "access.baseline"
#define PART_FIELD "part"
#define PROCESS    "Access baseline"
#define ARENA                                                                                      \
    ((size_t)1 << 30) /* a workspace of a hundred thousand memberships takes some 100 MB */

/* ---- a row as a change ---- */

/* Rights carry where they came from through the months. */
static const struct access_field *
origin_of(const struct access_row *r, const struct access_state *known)
{
    const struct access_field *now = access_field(r, "role"), *then;

    if (!known || !now || (r->kind != ACCESS_HOLDER && r->kind != ACCESS_MEMBER))
        return NULL;
    then = access_field(access_row(known, r->kind, r->id), "role");
    return then && str_eq(then->value, now->value) && !str_is_null(then->event) ? then : NULL;
}

static struct str
row_json(struct arena *a, const struct access_row *r, const struct access_state *known)
{
    const struct access_field *from = origin_of(r, known);
    struct buf *b = buf_in(a, ROW_BYTES);
    struct json_writer w;

    json_writer_init(&w, b);
    json_begin_object(&w);
    for (size_t i = 0; i < r->n; i++) {
        json_key(&w, r->fields[i].name);
        json_str(&w, r->fields[i].value);
    }
    if (from) {
        json_kv_str(&w, "_event", from->event);
        json_kv_i64(&w, "_at", from->at);
    }
    json_end_object(&w);
    return buf_failed(b) ? STR_NULL : buf_view(b);
}

/* ---- recording ---- */

struct set {
    struct str id, why;
    const struct access_row **rows;
    struct audit_change *changes; /* one a row */
    size_t n;
    int parts;
};

/* Rows of the part that begins at `from`. */
static size_t
part_end(const struct set *s, size_t from)
{
    size_t bytes = 0, i = from;

    for (; i < s->n && i - from < PART_ROWS; i++) {
        bytes += s->changes[i].field.n + s->changes[i].after.n + 16;
        if (bytes > PART_BYTES && i > from)
            break;
    }
    return i;
}

static struct str
counts(struct arena *a, const struct set *s)
{
    static const enum access_kind told[] = {ACCESS_USER, ACCESS_ROLE, ACCESS_CLIENT, ACCESS_MEMBER};
    static const char *const words[] = {"users", "roles", "clients", "memberships"};
    struct buf *b = buf_in(a, 1024);

    for (size_t k = 0; k < 4; k++) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
            n += s->rows[i]->kind == told[k];
        buf_fmt(b, "%s%zu %s", k ? ", " : "", n, words[k]);
    }
    return buf_view(b);
}

static enum err
record_part(struct cx *cx, const struct set *s, int part, size_t from, size_t to)
{
    size_t n = to - from;
    struct audit_change *c = arena_array(cx->arena, struct audit_change, n + 1);
    struct audit_entry e = {.event = EV_ACCESS_BASELINE,
                            .outcome = OUTCOME_SUCCESS,
                            .target_kind = S("access"),
                            .target_id = s->id,
                            .changes = c,
                            .n_changes = n + 1};

    c[0] = (struct audit_change){S(PART_FIELD), STR_NULL,
                                 arena_fmt(cx->arena, "%d/%d", part, s->parts)};
    if (n)
        memcpy(c + 1, s->changes + from, n * sizeof *c);
    e.text = arena_fmt(cx->arena, "Access as it stands (%.*s), part %d of %d: %.*s",
                       STR_ARG(s->why), part, s->parts, STR_ARG(counts(cx->arena, s)));
    return audit_record(cx, &e, NULL);
}

/* ---- when one is due ---- */

/* Month, epoch of the log, schema, and finished erasures, which may have taken baselines along: a new
 * one for each. */
#define DUE                                                                                        \
    "(SELECT COALESCE(MAX(l.epoch), 0) FROM audit_log l WHERE l.tenant_id = t.tenant_id), "        \
    "(SELECT MAX(version) FROM schema_version), "                                                  \
    "(SELECT COUNT(*) FROM audit_erasure_request q WHERE q.tenant_id = t.tenant_id AND q.state = " \
    "'done'), "                                                                                    \
    "(SELECT value FROM setting s WHERE s.tenant_id = t.tenant_id AND s.name = '" NOTE "')"

static struct str
due_note(struct cx *cx, const struct db_rows *r, int col)
{
    int32_t month = month_ordinal(cx->now);

    return arena_fmt(cx->arena, "%04d-%02d epoch %lld schema %lld erasures %lld", (int)(month / 12),
                     (int)(month % 12 + 1), (long long)db_int(r, col),
                     (long long)db_int(r, col + 1), (long long)db_int(r, col + 2));
}

static const struct sql ONE_DUE = SQL_READ("SELECT " DUE " FROM tenant t WHERE t.tenant_id = $1");
static const struct sql PUT_NOTE =
    SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES ($1, '" NOTE "', $2) "
                         "ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value");

/* *due: false when the last one is of this month, epoch and schema. */
static enum err
read_note(struct cx *cx, struct str *note, bool *due)
{
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &ONE_DUE, ARGS(V_INT(cx->tenant.id)), &r));
    *note = due_note(cx, r, 0);
    *due = !str_eq(*note, db_text(r, 3));
    db_rows_end(r);
    return OK;
}

enum err
access_baseline(struct cx *cx, struct access_state *known, struct str why)
{
    struct set s = {.id = cuid_in(cx->arena, cx->now), .why = why};
    struct access_state *now;
    struct str note;
    bool due;

    TRY(access_read(cx, &now));
    s.rows = access_rows(now, &s.n);
    s.changes = arena_array(cx->arena, struct audit_change, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        const struct access_row *r = s.rows[i];

        s.changes[i].field =
            arena_fmt(cx->arena, "%s %.*s", access_kind_name(r->kind), STR_ARG(r->id));
        s.changes[i].after = row_json(cx->arena, r, known);
        if (str_is_null(s.changes[i].after))
            return fail(cx, ERR_TOO_LARGE, "The row %.*s is too long for the access baseline",
                        STR_ARG(s.changes[i].field));
    }
    for (size_t at = 0; at < s.n || s.parts == 0; at = part_end(&s, at))
        s.parts++;
    TRY(read_note(cx, &note, &due));
    for (size_t at = 0, part = 1; (int)part <= s.parts; at = part_end(&s, at), part++)
        TRY(record_part(cx, &s, (int)part, at, part_end(&s, at)));
    return db_exec(cx->tx, &PUT_NOTE, ARGS(V_INT(cx->tenant.id), V_STR(note)), NULL);
}

/* ---- reading one back ---- */

bool
baseline_part(const struct audit_event *e, int *part, int *parts)
{
    struct str rest, first;
    int64_t p, n;

    if (e->type != EV_ACCESS_BASELINE || e->n_changes == 0 ||
        !str_eq(e->changes[0].field, S(PART_FIELD)))
        return false;
    rest = e->changes[0].after;
    if (!str_cut(&rest, '/', &first) || str_int64(first, &p) != OK || str_int64(rest, &n) != OK ||
        p < 1 || n < p || n > INT32_MAX)
        return false;
    *part = (int)p;
    *parts = (int)n;
    return true;
}

static bool
kind_of(struct str *field, enum access_kind *k)
{
    struct str word;

    if (!str_cut(field, ' ', &word))
        return false;
    for (*k = 0; *k < ACCESS_KINDS; (*k)++) {
        if (str_eq(word, str_of(access_kind_name(*k))))
            return true;
    }
    return false;
}

static enum err
apply_row(struct access_state *s, const struct audit_change *c)
{
    struct str id = c->field;
    struct origin from = {STR_NULL, 0};
    struct access_row *r;
    enum access_kind k;
    struct json *o;
    const struct json *v;
    const char *why;
    size_t where;

    if (!kind_of(&id, &k))
        return OK; /* a later version's: it knows more kinds of rows */
    if (json_parse(s->a, c->after, &o, &where, &why) != OK || !json_is(o, JSON_OBJECT))
        return ERR_INVALID;
    v = json_get(o, S("_event"));
    if (json_is(v, JSON_STRING)) {
        from.event = arena_str(s->a, v->text);
        if (json_get(o, S("_at")) && json_int64(json_get(o, S("_at")), &from.at) != OK)
            return ERR_INVALID;
    }
    r = state_row(s, k, id);
    for (v = o->first; v; v = v->next) {
        if (json_is(v, JSON_STRING) && v->key.p[0] != '_')
            state_set(s, r, v->key, v->text, str_eq(v->key, S("role")) ? &from : NULL);
    }
    return OK;
}

enum err
baseline_apply(struct access_state *s, const struct audit_event *e)
{
    for (size_t i = 1; i < e->n_changes; i++)
        TRY(apply_row(s, &e->changes[i]));
    return OK;
}

/* ---- taking those that are due ---- */

struct due {
    struct tenant_ref tenant;
    struct due *next;
};

static const struct sql ALL_DUE =
    SQL_READ("SELECT t.tenant_id, t.cuid, " DUE " FROM tenant t ORDER BY t.tenant_id");

static enum err
read_due(struct cx *cx, void *arg)
{
    struct due **end = arg;
    struct db_rows *r;
    enum err e;

    *end = NULL;
    TRY(db_query(cx->tx, &ALL_DUE, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        if (str_eq(due_note(cx, r, 2), db_text(r, 5)))
            continue;
        *end = arena_new(cx->arena, struct due);
        (*end)->tenant =
            (struct tenant_ref){true, db_int(r, 0), arena_str(cx->arena, db_text(r, 1))};
        end = &(*end)->next;
    }
    return e == ERR_END ? OK : e;
}

struct taking {
    struct access_state *known;
    struct access_diff *diffs;
    size_t n;
};

static enum err
record_diffs(struct cx *cx, const struct taking *k)
{
    struct audit_change *c = arena_array(cx->arena, struct audit_change, PART_ROWS);
    struct audit_entry e = {.event = EV_ACCESS_DIFFERS,
                            .outcome = OUTCOME_FAILURE,
                            .target_kind = S("access"),
                            .changes = c};
    size_t bytes = 0, i;

    for (i = 0; i < k->n && i < PART_ROWS && bytes < PART_BYTES; i++) {
        const struct access_diff *d = &k->diffs[i];

        c[i] =
            (struct audit_change){arena_fmt(cx->arena, "%s %.*s: %.*s", access_kind_name(d->kind),
                                            STR_ARG(d->name), STR_ARG(d->field)),
                                  d->logged, d->stored};
        bytes += c[i].field.n + d->logged.n + d->stored.n;
    }
    e.n_changes = i;
    e.text = arena_fmt(cx->arena,
                       "%zu fields of users, roles, memberships, tiers, settings or tokens are not "
                       "as the log says: they were changed without a record",
                       k->n);
    return audit_record(cx, &e, NULL);
}

static enum err
take_body(struct cx *cx, void *arg)
{
    const struct taking *k = arg;
    struct str note, month;
    bool due;

    TRY(audit_stand_alone(cx));
    TRY(read_note(cx, &note, &due));
    if (!due)
        return OK; /* another server was first */
    if (k->n)
        TRY(record_diffs(cx, k));
    month = str_sub(time_iso(cx->arena, cx->now), 0, 7);
    return access_baseline(cx, k->known, month);
}

static const struct sql TENANT_NAME = SQL_READ("SELECT name FROM tenant WHERE tenant_id = $1");

static enum err
planted_body(struct cx *cx, void *arg)
{
    struct audit_change c = {S("workspace"), STR_NULL, STR_NULL};
    struct audit_entry e = {.event = EV_ACCESS_DIFFERS,
                            .outcome = OUTCOME_FAILURE,
                            .target_kind = S("access"),
                            .changes = &c,
                            .n_changes = 1};
    struct db_rows *r;

    (void)arg;
    TRY(db_query_one(cx->tx, &TENANT_NAME, ARGS(V_INT(cx->tenant.id)), &r));
    c.after = db_text_keep(r, 0);
    db_rows_end(r);
    e.text = S("The workspace stands in the tables, and no event tells of its creation: it was put "
               "there without a record");
    return audit_record(cx, &e, NULL);
}

/* The first baseline of a workspace is taken with its creation, or when what told of that has expired. One
 * that nothing tells of gets none, so that its rows are never taken for granted; this is told once. */
static enum err
first_one(struct cx *cx, struct taking *k)
{
    bool known = false, doubted = false;

    fail_clear(cx);
    TRY(access_is_told(cx, &known));
    if (known)
        return cx_write(cx, take_body, k);
    TRY(access_is_doubted(cx, &doubted));
    if (doubted)
        return OK;
    log_error("access.planted", LOG_INT("tenant", cx->tenant.id));
    return cx_write(cx, planted_body, NULL);
}

static enum err
take(struct app *app, const struct tenant_ref *tenant)
{
    struct arena *a = arena_create("access baseline", ARENA);
    struct cx cx = cx_system(app, a, PROCESS, tenant);
    struct taking k = {0};
    enum err e = access_compare_with(&cx, &k.known, &k.diffs, &k.n);

    if (e == ERR_NOT_FOUND)
        e = first_one(&cx, &k);
    else if (e == OK)
        e = cx_write(&cx, take_body, &k);
    if (e != OK)
        log_warn("access.baseline_later", LOG_INT("tenant", tenant->id),
                 LOG_STR("why", cx.failure.message));
    else if (k.n)
        log_error("access.differs", LOG_INT("tenant", tenant->id), LOG_INT("fields", (int64_t)k.n));
    arena_free(a);
    return e;
}

enum err
access_keep_baselines(struct cx *cx)
{
    struct due *d;
    enum err first = OK;

    TRY(cx_read(cx, read_due, &d));
    for (; d; d = d->next) {
        enum err e = take(cx->app, &d->tenant);

        first = first == OK ? e : first;
    }
    return first;
}
