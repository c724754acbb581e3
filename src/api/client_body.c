/* Clients between JSON and core: which members are ours, which are the server's, which are kept for
 * their writers only. */
#include "api/client_body.h"

#include "base/text.h"

#define MEMBERS_MAX                                                                                \
    1000 /* of a client: each change is one entry of its event, and they are compared pairwise */

/* Never taken from a body: the server's own, and what answers add. */
static const char *const SERVER_OWNED[] = {
    "client_id",        "cuid",  "doc_type",  "licenseKeys", "logo", "has_logo", "tenant_id",
    "classificationId", "users", "createdAt", "updatedAt",   "id",   "_id",      "status"};
static const char *const OURS[] = {"name",      "description", "poc",
                                   "poc_email", "tags",        "custom_field"};

static bool
named(const char *const *list, size_t n, struct str key)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(key, str_of(list[i])))
            return true;
    }
    return false;
}

static bool
is_unknown(struct str key)
{
    return !named(SERVER_OWNED, sizeof SERVER_OWNED / sizeof *SERVER_OWNED, key) &&
           !named(OURS, sizeof OURS / sizeof *OURS, key);
}

/* ---- reading ---- */

static enum err
read_text(struct api_request *rq, const char *name, bool required, size_t max, struct str *out)
{
    struct str s;

    if (!json_get(rq->body, str_of(name)) && !required)
        return OK;
    TRY(body_str(rq, rq->body, name, required, max, &s));
    *out = str_is_null(s) ? S("") : s;
    return OK;
}

/* Tags of a form: JSON text, or words parted by commas. */
static enum err
put_tag_text(struct api_request *rq, struct json_writer *w, struct str text)
{
    struct str part;

    while (str_cut(&text, ',', &part)) {
        part = str_trim(part);
        if (part.n > CLIENT_TAG_MAX)
            return fail_field(rq->cx, S("/tags"), "has an entry longer than %d bytes",
                              CLIENT_TAG_MAX);
        if (part.n)
            json_str(w, part);
    }
    return OK;
}

static enum err
put_tags(struct api_request *rq, struct json_writer *w, const struct json *list)
{
    if (list->count > CLIENT_TAGS_MAX)
        return fail_field(rq->cx, S("/tags"), "has more than %d entries", CLIENT_TAGS_MAX);
    for (const struct json *v = list->first; v; v = v->next) {
        if (v->type != JSON_STRING || v->text.n > CLIENT_TAG_MAX)
            return fail_field(rq->cx, S("/tags"), "must hold texts of at most %d bytes",
                              CLIENT_TAG_MAX);
        json_str(w, v->text);
    }
    return OK;
}

static enum err
read_tags(struct api_request *rq, struct str *out)
{
    const struct json *v = json_get(rq->body, S("tags"));
    struct buf *b = buf_in(rq->cx->arena, (size_t)CLIENT_TAGS_MAX * CLIENT_TAG_MAX * 7);
    struct json *parsed = NULL;
    struct json_writer w;
    const char *why;
    size_t where;
    enum err e = OK;

    if (!v)
        return OK;
    if (v->type == JSON_STRING && str_has_prefix(v->text, S("[")) &&
        json_parse(rq->cx->arena, v->text, &parsed, &where, &why) == OK)
        v = parsed;
    json_writer_init(&w, b);
    json_begin_array(&w);
    if (v->type == JSON_ARRAY)
        e = put_tags(rq, &w, v);
    else if (v->type == JSON_STRING)
        e = put_tag_text(rq, &w, v->text);
    else if (v->type != JSON_NULL)
        e = fail_field(rq->cx, S("/tags"), "must be a list of texts");
    json_end_array(&w);
    if (e == OK)
        *out = buf_view(b);
    return e;
}

static enum err
read_fields(struct api_request *rq, struct str *out)
{
    const struct json *v = json_get(rq->body, S("custom_field"));
    struct buf *b = buf_in(rq->cx->arena, CLIENT_TEXT_MAX * 8);
    struct json_writer w;

    if (!v)
        return OK;
    if (v->type == JSON_NULL || (v->type == JSON_STRING && v->text.n == 0)) {
        *out = S("[]");
        return OK;
    }
    if (v->type != JSON_ARRAY || v->count > CLIENT_FIELDS_MAX)
        return fail_field(rq->cx, S("/custom_field"), "must be a list of at most %d fields",
                          CLIENT_FIELDS_MAX);
    for (const struct json *f = v->first; f; f = f->next) {
        if (f->type != JSON_OBJECT)
            return fail_field(rq->cx, S("/custom_field"), "must hold objects with label and value");
    }
    json_writer_init(&w, b);
    json_value(&w, v);
    if (buf_failed(b))
        return fail_field(rq->cx, S("/custom_field"), "is too large");
    *out = buf_view(b);
    return OK;
}

/* Members that are not ours: the present ones, each replaced when sent again, then the new ones. */
static enum err
read_extra(struct api_request *rq, struct str *extra)
{
    struct buf *b = buf_in(rq->cx->arena, CLIENT_TEXT_MAX);
    struct json *old = NULL;
    struct json_writer w;
    const char *why;
    size_t where;

    if (json_is(rq->body, JSON_OBJECT) && rq->body->count > MEMBERS_MAX)
        return fail(rq->cx, ERR_INVALID, "The body has more than %d members", MEMBERS_MAX);
    if (!str_is_empty(*extra) && json_parse(rq->cx->arena, *extra, &old, &where, &why) != OK)
        old = NULL;
    json_writer_init(&w, b);
    json_begin_object(&w);
    for (const struct json *m = old ? old->first : NULL; m; m = m->next) {
        const struct json *now = json_get(rq->body, m->key);

        json_key(&w, m->key);
        json_value(&w, now ? now : m);
    }
    for (const struct json *m = json_is(rq->body, JSON_OBJECT) ? rq->body->first : NULL; m;
         m = m->next) {
        if (!is_unknown(m->key) || json_get(old, m->key))
            continue;
        json_key(&w, m->key);
        json_value(&w, m);
    }
    json_end_object(&w);
    if (buf_failed(b))
        return fail(rq->cx, ERR_TOO_LARGE,
                    "The members this server does not know are larger than 64 KB");
    *extra = buf_view(b);
    return OK;
}

enum err
client_body_read(struct api_request *rq, bool create, struct client *c)
{
    enum err bad = OK;

    if (!json_is(rq->body, JSON_OBJECT))
        return fail(rq->cx, ERR_INVALID, "The body must be a JSON object");
    if (read_text(rq, "name", create || json_get(rq->body, S("name")), CLIENT_NAME_MAX, &c->name) !=
            OK ||
        read_text(rq, "description", false, CLIENT_TEXT_MAX, &c->description) != OK)
        bad = ERR_INVALID;
    if (read_text(rq, "poc", false, 1000, &c->poc) != OK ||
        read_text(rq, "poc_email", false, 320, &c->poc_email) != OK)
        bad = ERR_INVALID;
    if (read_tags(rq, &c->tags) != OK || read_fields(rq, &c->custom_field) != OK)
        bad = ERR_INVALID;
    TRY(bad);
    c->name = str_trim(c->name);
    return read_extra(rq, &c->extra);
}

/* ---- writing ---- */

static void
write_own(struct json_writer *w, const struct cx *cx, const struct client *c, bool single)
{
    json_kv_i64(w, "client_id", c->id);
    json_kv_str(w, "cuid", c->cuid);
    json_kv_i64(w, "tenant_id", cx->tenant.id);
    json_kv_str(w, "name", c->name);
    json_kv_str(w, "description", c->description);
    json_kv_str(w, "poc", c->poc);
    json_kv_str(w, "poc_email", c->poc_email);
    json_key(w, S("tags"));
    json_raw(w, c->tags);
    json_key(w, S("custom_field"));
    json_raw(w, c->custom_field);
    json_key(w, S("logo")); /* a megabyte each: lists hold the address instead */
    json_str(w, single || str_is_empty(c->logo)
                    ? c->logo
                    : arena_fmt(cx->arena, "/api/v1/client/%lld/logo", (long long)c->id));
    json_kv_bool(w, "has_logo", !str_is_empty(c->logo));
    json_kv_str(w, "doc_type", S("client"));
    json_kv_i64(w, "createdAt", c->created_at / USEC_PER_MS);
    json_kv_i64(w, "updatedAt", c->updated_at / USEC_PER_MS);
}

static void
write_tier(struct json_writer *w, int64_t tier_id)
{
    if (tier_id)
        json_i64(w, tier_id);
    else
        json_null(w);
}

/* The caller's own classification on the client, 0: none. */
static int64_t
own_tier(const struct cx *cx, const struct client *c, const struct members *all)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->v[i].client_id == c->id && all->v[i].user.user_id == cx->actor.user_id)
            return all->v[i].tier_id;
    }
    return 0;
}

static size_t
write_users(struct json_writer *w, const struct client *c, const struct members *all, size_t i)
{
    json_key(w, S("users"));
    json_begin_object(w);
    while (i < all->n && all->v[i].client_id < c->id)
        i++;
    for (; i < all->n && all->v[i].client_id == c->id; i++) {
        json_key(w, all->v[i].user.email);
        json_begin_object(w);
        json_kv_str(w, "role", all->v[i].role_key);
        json_key(w, S("classificationId"));
        write_tier(w, all->v[i].tier_id);
        json_end_object(w);
    }
    json_end_object(w);
    return i;
}

size_t
client_body_write(struct api_request *rq, const struct client *c, const struct members *all,
                  size_t from, bool single)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    write_own(w, rq->cx, c, single);
    from = write_users(w, c, all, from);
    json_key(w, S("licenseKeys"));
    json_begin_array(w);
    json_end_array(w);
    json_key(w, S("classificationId"));
    write_tier(w, single ? own_tier(rq->cx, c, all) : 0);
    write_rest(rq, c->extra);
    json_end_object(w);
    return from;
}
