/* Views of an event: the interface's JSON object, NDJSON, CSV, the catalogue. Proofs are over the
 * record alone; these may change with versions. Owns no data. */
#include "audit/priv.h"

#include "base/text.h"
#include "codec/csv.h"

#define LINE_MAX_BYTES ((size_t)8 << 20)

static const char *const outcomes[] = {"success", "failure", "denied"};
static const char *const kinds[] = {"anonymous", "user", "token", "command", "system"};

static struct str
visible(struct arena *a, struct str s)
{
    if (str_is_null(s))
        return s;
    struct buf *b = buf_in(a, LINE_MAX_BYTES);
    text_visible(b, s);
    return b->n ? buf_view(b) : S("");
}

struct str
audit_user_info(struct arena *a, const struct audit_event *e)
{
    struct str name = e->actor_name;
    if (e->erased && name.n == 0) /* somebody else was erased from it: his name went along */
        return S("(erased)");
    if (name.n == 0)
        name = e->actor_email.n ? STR_NULL : S("Nobody signed in");
    if (e->actor_email.n == 0)
        return name;
    if (name.n == 0)
        return e->actor_email;
    return arena_fmt(a, "%.*s (%.*s)", STR_ARG(name), STR_ARG(e->actor_email));
}

static struct str
type_title(const struct audit_event *e)
{
    return e->type == EVENT_NONE ? e->type_name : str_of(event_type(e->type)->title);
}

static struct str
category(const struct audit_event *e)
{
    return e->type == EVENT_NONE ? S("Other") : str_of(event_type(e->type)->category);
}

/* ---- JSON ---- */

static void
put_actor(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("actor"));
    json_begin_object(w);
    json_kv_str(w, "kind", str_of(kinds[e->actor_kind]));
    json_kv_str(w, "id", e->actor_id);
    json_kv_str(w, "name", e->actor_name);
    json_kv_str(w, "email", e->actor_email);
    json_kv_str(w, "session", e->session);
    json_end_object(w);
}

static void
put_target(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("target"));
    if (e->target_kind.n == 0 && e->target_id.n == 0) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    json_kv_str(w, "kind", e->target_kind);
    json_kv_str(w, "id", e->target_id);
    json_kv_str(w, "name", e->target_name);
    json_kv_str(w, "email", e->target_email);
    json_end_object(w);
}

static void
put_client(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("client"));
    if (e->client_id == 0) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    json_kv_i64(w, "id", e->client_id);
    json_kv_str(w, "name", e->client_name);
    json_end_object(w);
}

void
put_changes(struct json_writer *w, const struct audit_event *e)
{
    json_key(w, S("changes"));
    json_begin_array(w);
    for (size_t i = 0; i < e->n_changes; i++) {
        json_begin_object(w);
        json_kv_str(w, "field", e->changes[i].field);
        json_kv_str(w, "before", e->changes[i].before);
        json_kv_str(w, "after", e->changes[i].after);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_head(struct json_writer *w, struct arena *a, const struct audit_event *e)
{
    json_kv_str(w, "cuid", e->cuid);
    json_kv_str(w, "user_info", audit_user_info(a, e));
    json_kv_str(w, "message", visible(a, e->text));
    json_kv_str(w, "event_type", e->type_name);
    json_kv_str(w, "timestamp", time_iso(a, e->at));
}

static void
put_rest(struct json_writer *w, struct arena *a, const struct audit_event *e)
{
    json_kv_i64(w, "epoch", e->epoch);
    json_kv_i64(w, "index", e->index);
    json_kv_str(w, "outcome", str_of(outcomes[e->outcome]));
    json_kv_str(w, "title", type_title(e));
    json_kv_str(w, "category", category(e));
    json_kv_str(w, "logged", time_iso(a, e->logged));
    put_actor(w, e);
    put_target(w, e);
    put_client(w, e);
    json_kv_str(w, "address", e->address);
    json_kv_str(w, "via", e->via);
    json_kv_str(w, "user_agent", e->user_agent);
    json_kv_str(w, "request_id", e->request_id);
    put_changes(w, e);
    json_kv_str(w, "private_detail", e->private_detail);
    json_kv_i64(w, "count", e->count);
    json_kv_bool(w, "erased", e->erased);
    json_kv_str(w, "erased_at", e->erased ? time_iso(a, e->erased_at) : STR_NULL);
    json_kv_str(w, "leaf", e->leaf_hex);
}

void
audit_json(struct json_writer *w, const struct audit_event *e)
{
    struct arena *a = arena_create("audit.json", LINE_MAX_BYTES * 2);
    bool before = w->unseen_escaped;
    w->unseen_escaped = true; /* the values are exact, and still no line or terminal is fooled */
    json_begin_object(w);
    put_head(w, a, e);
    put_rest(w, a, e);
    json_end_object(w);
    w->unseen_escaped = before;
    arena_free(a);
}

/* ---- CSV ---- */

static struct str
changes_text(struct arena *a, const struct audit_event *e)
{
    struct buf *b = buf_in(a, LINE_MAX_BYTES);
    for (size_t i = 0; i < e->n_changes; i++) {
        const struct audit_change *c = &e->changes[i];
        buf_cstr(b, i ? "; " : "");
        buf_fmt(b, "%.*s: ", STR_ARG(c->field));
        buf_str(b, str_is_null(c->before) ? S("(none)") : c->before);
        buf_cstr(b, " → ");
        buf_str(b, str_is_null(c->after) ? S("(none)") : c->after);
    }
    return b->n ? buf_view(b) : S("");
}

static void
csv_line(struct arena *a, struct buf *b, const struct audit_event *e)
{
    struct csv_writer w;
    const struct str cells[] = {time_iso(a, e->at),
                                audit_user_info(a, e),
                                e->type_name,
                                type_title(e),
                                e->text,
                                str_of(outcomes[e->outcome]),
                                e->target_kind,
                                e->target_id,
                                e->target_name,
                                e->target_email,
                                e->client_name,
                                e->address,
                                e->via,
                                e->user_agent,
                                e->request_id,
                                e->session,
                                changes_text(a, e),
                                e->private_detail};
    csv_writer_init(&w, b);
    csv_i64(&w, e->index);
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++)
        csv_cell(&w, visible(a, cells[i]));
    csv_i64(&w, e->count);
    csv_cell(&w, time_iso(a, e->logged));
    csv_cell(&w, e->cuid);
    csv_cell(&w, e->leaf_hex);
    csv_end_row(&w);
}

static void
csv_head(struct buf *b)
{
    static const struct str names[] = {
        S("index"),        S("time (UTC)"), S("user"),        S("event"),     S("title"),
        S("message"),      S("outcome"),    S("target kind"), S("target id"), S("target"),
        S("target email"), S("client"),     S("address"),     S("via"),       S("user agent"),
        S("request"),      S("session"),    S("changes"),     S("detail"),    S("count"),
        S("logged (UTC)"), S("id"),         S("leaf")};
    struct csv_writer w;
    csv_writer_init(&w, b);
    csv_bom(&w);
    csv_row(&w, names, sizeof names / sizeof names[0]);
}

/* ---- lines ---- */

void
audit_format_head(struct buf *b, enum audit_format f)
{
    if (f == AUDIT_CSV)
        csv_head(b);
}

void
audit_format_line(struct arena *scratch, struct buf *b, enum audit_format f,
                  const struct audit_event *e)
{
    struct json_writer w;
    if (f == AUDIT_CSV) {
        csv_line(scratch, b, e);
        return;
    }
    json_writer_init(&w, b);
    if (f == AUDIT_NDJSON) {
        audit_json(&w, e);
    } else {
        ocsf_put(&w, e);
    }
    buf_char(b, '\n');
}

/* ---- catalogue ---- */

void
audit_catalogue_json(struct json_writer *w)
{
    json_begin_array(w);
    for (int i = 1; i < EVENT_COUNT; i++) {
        const struct event_type *t = event_type((enum event)i);
        json_begin_object(w);
        json_kv_str(w, "name", str_of(t->name));
        json_kv_str(w, "title", str_of(t->title));
        json_kv_str(w, "category", str_of(t->category));
        json_kv_str(w, "owasp", str_of(t->owasp));
        json_kv_i64(w, "ocsf_class", t->ocsf_class);
        json_kv_i64(w, "ocsf_activity", t->ocsf_activity);
        json_kv_bool(w, "recorded", !t->never);
        json_end_object(w);
    }
    json_end_array(w);
}
