/* /api/v2/auditlog/access: who had access to what on a date, worked out from the log, and its export
 * as an access review. JSON ⇄ access, nothing else. */
#include "api/audit_api.h"

#include "api/view_note.h"
#include "base/text.h"
#include "codec/hash.h"
#include "core/access.h"

#define STATE_ARENA   ((size_t)2 << 30) /* a hundred thousand memberships take some 100 MB */
#define REVIEW_MAX    ((size_t)512 << 20)
#define PEOPLE_MAX    200 /* in one answer */
#define CLIENTS_MAX   50  /* of each person in a list; of one person alone: all that fit */
#define CLIENTS_ALONE 5000

/* What prepare works out: no transaction may be open while the log is walked. */
struct look {
    struct arena *a;
    int64_t on;
    struct access_ask ask;
    struct access_source source;
    struct access_people people;
    struct access_state *state;
    /* export only */
    enum access_format format;
    struct buf *review;
    struct str digest;
};

static void
free_arena(void *a)
{
    arena_free(a);
}

static enum err
read_ask(struct api_request *rq, struct look *l)
{
    enum err e = OK;

    if (access_when(query_str(rq, "on"), rq->cx->now, &l->on) != OK)
        e = fail_field(rq->cx, S("on"),
                       "must be a date (2026-11-23) or a time with zone (2026-11-23T10:00:00Z)");
    l->ask.user = query_str(rq, "user");
    l->ask.q = query_str(rq, "q");
    if (l->ask.q.n > 200)
        e = fail_field(rq->cx, S("q"), "is longer than 200 bytes");
    if (query_int(rq, "client", 1, INT64_MAX, 0, &l->ask.client_id) != OK ||
        query_int(rq, "offset", 0, INT32_MAX, 0, &l->ask.offset) != OK ||
        query_int(rq, "limit", 1, PEOPLE_MAX, 50, &l->ask.limit) != OK)
        e = ERR_INVALID;
    return e;
}

/* The state lives in an arena of its own: a large workspace's is larger than a request may be. */
static enum err
look_at(struct api_request *rq, struct look *l)
{
    struct cx cx = *rq->cx;
    enum err e;

    l->a = arena_create("access", STATE_ARENA);
    arena_defer(rq->cx->arena, free_arena, l->a);
    audit_settle(rq->cx->app, AUDIT_SETTLE_MS);
    cx.arena = l->a;
    e = access_on(&cx, l->on, &l->state, &l->source);
    rq->cx->failure = cx.failure;
    return e;
}

/* ---- views are recorded: one event a minute and session, as those of the list are ---- */

static enum err
view_after(struct api_request *rq)
{
    const struct look *l = rq->state;
    struct cx *cx = rq->cx;
    struct arena *a = cx->arena;
    const struct view v = {.event = EV_ACCESS_VIEWED,
                           .kind = S("access"),
                           .key = arena_fmt(a, "%.*s access", STR_ARG(cx->actor.session)),
                           .text = arena_fmt(a, "%.*s looked at who had access to what on %.*s",
                                             STR_ARG(cx->actor.name), STR_ARG(time_iso(a, l->on))),
                           .query = audit_query_text(rq),
                           .minutes = 1};

    view_note(cx, &v);
    return OK;
}

/* ---- the answer ---- */

static void
put_time(struct json_writer *w, struct arena *a, const char *key, int64_t at)
{
    json_key(w, str_of(key));
    if (at)
        json_str(w, time_iso(a, at));
    else
        json_null(w);
}

static void
put_rights(struct json_writer *w, const char *key, const struct permission_set *set)
{
    json_key(w, str_of(key));
    json_begin_array(w);
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (permission_has(set, p))
            json_str(w, str_of(permission_info(p)->key));
    }
    json_end_array(w);
}

static void
put_grant(struct json_writer *w, struct arena *a, const struct access_grant *g)
{
    json_begin_object(w);
    if (g->client_id) {
        json_kv_i64(w, "client_id", g->client_id);
        json_kv_str(w, "client", g->client);
        json_kv_str(w, "tier", g->tier);
    }
    json_kv_str(w, "role", g->role);
    json_kv_str(w, "title", g->title);
    json_kv_bool(w, "enabled", g->enabled);
    put_rights(w, "permissions", &g->rights);
    put_time(w, a, "since", g->since);
    json_kv_str(w, "event", g->event);
    json_end_object(w);
}

static void
put_tokens(struct json_writer *w, struct arena *a, const struct access_person *p)
{
    json_key(w, S("tokens"));
    json_begin_array(w);
    for (size_t i = 0; i < p->n_tokens; i++) {
        const struct access_field *made = access_field(p->tokens[i], "name");
        struct str rest = access_get(p->tokens[i], "scopes"), key;

        json_begin_object(w);
        json_kv_str(w, "cuid", p->tokens[i]->id);
        json_kv_str(w, "name", access_get(p->tokens[i], "name"));
        json_kv_str(w, "expires", access_get(p->tokens[i], "expires"));
        json_key(w, S("scopes"));
        json_begin_array(w);
        while (str_cut(&rest, ',', &key))
            json_str(w, key);
        json_end_array(w);
        put_time(w, a, "since", made ? made->at : 0);
        json_kv_str(w, "event", made ? made->event : STR_NULL);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_person(struct json_writer *w, struct arena *a, const struct access_person *p, size_t most)
{
    size_t n = 0;

    json_begin_object(w);
    json_kv_str(w, "cuid", p->cuid);
    json_kv_str(w, "name", p->name);
    json_kv_str(w, "email", p->email);
    json_kv_bool(w, "enabled", !p->disabled);
    json_kv_bool(w, "second_factor", p->second_factor);
    json_kv_bool(w, "default_group", p->default_group);
    json_kv_str(w, "authentication_provider", p->provider);
    json_kv_str(w, "tier", p->tier);
    json_kv_bool(w, "certain", !p->unsure);
    json_kv_bool(w, "all_clients", permission_has(&p->rights, PERM_AUTHORIZATION_MANAGE));
    put_rights(w, "permissions", &p->rights);
    json_key(w, S("roles"));
    json_begin_array(w);
    for (size_t i = 0; i < p->n && p->grants[i].client_id == 0; i++, n++)
        put_grant(w, a, &p->grants[i]);
    json_end_array(w);
    json_kv_i64(w, "clients_total", (int64_t)(p->n - n));
    json_key(w, S("clients"));
    json_begin_array(w);
    for (size_t i = n; i < p->n && i - n < most; i++)
        put_grant(w, a, &p->grants[i]);
    json_end_array(w);
    put_tokens(w, a, p);
    json_end_object(w);
}

static enum err
view_prepare(struct api_request *rq)
{
    struct look *l = arena_new(rq->cx->arena, struct look);

    rq->state = l;
    TRY(read_ask(rq, l));
    TRY(look_at(rq, l));
    access_people(l->a, l->state, &l->ask, &l->people);
    return OK;
}

static enum err
view_head(struct api_request *rq)
{
    struct look l = {0};

    return read_ask(rq, &l);
}

static enum err
view_apply(struct api_request *rq)
{
    const struct look *l = rq->state;
    struct json_writer *w = &rq->out;
    int64_t since, next;

    audit_window(rq->cx->app, rq->cx->now, &since, &next);
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < l->people.n; i++)
        put_person(w, l->a, &l->people.v[i], l->people.n == 1 ? CLIENTS_ALONE : CLIENTS_MAX);
    json_end_array(w);
    json_key(w, S("meta"));
    json_begin_object(w);
    json_kv_str(w, "on", time_iso(l->a, l->on));
    json_kv_i64(w, "total", l->people.total);
    json_key(w, S("pagination"));
    json_begin_object(w);
    json_kv_i64(w, "offset", l->ask.offset);
    json_kv_i64(w, "limit", l->ask.limit);
    json_end_object(w);
    json_key(w, S("baseline"));
    json_begin_object(w);
    json_kv_str(w, "event", l->source.baseline);
    put_time(w, l->a, "at", l->source.baseline_at);
    json_end_object(w);
    json_kv_i64(w, "events", l->source.events);
    json_kv_i64(w, "erased", l->source.erased);
    json_key(w, S("window"));
    json_begin_object(w);
    put_time(w, l->a, "since", since);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

/* ---- the export ---- */

struct login {
    struct str cuid;
    int64_t at;
};

struct logins {
    struct login *v; /* by cuid */
    size_t n, cap;
    struct arena *a;
};

static const struct sql LAST_LOGINS =
    SQL_READ("SELECT cuid, last_login FROM user_account WHERE tenant_id = $1 AND last_login IS NOT "
             "NULL ORDER BY cuid");

static enum err
read_logins(struct cx *cx, void *arg)
{
    struct logins *l = arg;
    struct db_rows *r;
    enum err e;

    l->n = 0;
    TRY(db_query(cx->tx, &LAST_LOGINS, ARGS(V_INT(cx->tenant.id)), &r));
    while ((e = db_next(r)) == OK) {
        arena_grow(l->a, l->v, l->n, &l->cap, 256);
        l->v[l->n++] = (struct login){arena_str(l->a, db_text(r, 0)), db_int(r, 1)};
    }
    return e == ERR_END ? OK : e;
}

static int64_t
login_of(const struct logins *l, struct str cuid)
{
    size_t lo = 0, hi = l->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(l->v[mid].cuid, cuid);

        if (c == 0)
            return l->v[mid].at;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

static enum err
read_export_ask(struct api_request *rq, struct look *l)
{
    struct str format = query_str(rq, "format");
    enum err e = read_ask(rq, l);

    l->format = str_eq(format, S("ndjson")) ? ACCESS_NDJSON : ACCESS_CSV;
    if (!str_is_empty(format) && !str_eq(format, S("csv")) && !str_eq(format, S("ndjson")))
        e = fail_field(rq->cx, S("format"), "must be csv or ndjson");
    return e;
}

static enum err
export_prepare(struct api_request *rq)
{
    struct look *l = arena_new(rq->cx->arena, struct look);
    struct logins logins = {0};
    struct sha256 h;

    rq->state = l;
    TRY(read_export_ask(rq, l));
    l->ask.offset = 0;
    l->ask.limit = INT32_MAX;
    TRY(look_at(rq, l));
    access_people(l->a, l->state, &l->ask, &l->people);
    logins.a = l->a;
    TRY(cx_read(rq->cx, read_logins, &logins));
    l->review = buf_in(l->a, REVIEW_MAX);
    access_review_head(l->review, l->format);
    for (size_t i = 0; i < l->people.n; i++)
        access_review_lines(l->a, l->review, l->format, &l->people.v[i],
                            login_of(&logins, l->people.v[i].cuid));
    if (buf_failed(l->review))
        return fail(rq->cx, ERR_TOO_LARGE, "The review is too long. Ask for one client or person.");
    h = sha256_of(buf_view(l->review));
    l->digest = hex_in(l->a, sha256_str(&h));
    return OK;
}

static enum err
export_apply(struct api_request *rq)
{
    const struct look *l = rq->state;
    struct cx *cx = rq->cx;
    struct audit_entry e = {.event = EV_ACCESS_EXPORTED, .target_kind = S("access")};

    e.text = arena_fmt(cx->arena,
                       "%.*s exported an access review of %lld people as of %.*s (SHA-256 %.*s)",
                       STR_ARG(cx->actor.name), (long long)l->people.total,
                       STR_ARG(time_iso(cx->arena, l->on)), STR_ARG(l->digest));
    e.private_detail = arena_fmt(cx->arena, "query: %.*s", STR_ARG(audit_query_text(rq)));
    return audit_record(cx, &e, NULL);
}

static void
name_review(struct api_request *rq, const struct look *l)
{
    struct arena *a = rq->cx->arena;
    bool csv = l->format == ACCESS_CSV;

    http_add_header(rq->rs, S("Content-Disposition"),
                    arena_fmt(a, "attachment; filename=\"access-review-%.*s.%s\"", 10,
                              time_iso(a, l->on).p, csv ? "csv" : "ndjson"));
    rq->rs->content_type = csv ? S("text/csv; charset=utf-8") : S("application/x-ndjson");
}

static enum err
export_head(struct api_request *rq)
{
    struct look l = {0};

    TRY(read_export_ask(rq, &l));
    name_review(rq, &l);
    return OK;
}

static enum err
export_after(struct api_request *rq)
{
    const struct look *l = rq->state;

    http_add_header(rq->rs, S("X-Recount-Digest"),
                    arena_fmt(rq->cx->arena, "sha-256=%.*s", STR_ARG(l->digest)));
    name_review(rq, l);
    rq->rs->body = l->review->n ? buf_view(l->review) : S("\n");
    return OK;
}

const struct route access_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/access",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_NONE,
     .rate = RATE_HEAVY,
     .events = "AccessViewed",
     .summary = "Who had access to what on a date, and from which events",
     .prepare = view_prepare,
     .apply = view_apply,
     .after = view_after,
     .head = view_head},
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/access/export",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_EXPORT,
     .tx = TX_WRITE,
     .rate = RATE_HEAVY,
     .events = "AccessExported",
     .summary = "The same as an access review: a line for each right",
     .prepare = export_prepare,
     .apply = export_apply,
     .after = export_after,
     .head = export_head},
    {0},
};
