/* Roles between JSON and core: permission keys, and the tree of categories and sections. */
#include "api/role_body.h"

#include "base/text.h"

/* ---- writing a role ---- */

/* "Account Information" → "ACCOUNT_INFORMATION" */
static struct str
word_key(struct cx *cx, const char *title)
{
    struct buf *b = buf_in(cx->arena, 256);

    for (; *title; title++)
        buf_char(b, *title >= 'a' && *title <= 'z' ? (char)(*title - 'a' + 'A')
                    : *title == ' '                ? '_'
                                                   : *title);
    return buf_view(b);
}

/* The table stands category by category, and in them section by section. */
static bool
begins_category(enum permission p)
{
    return p == PERMISSION_NONE + 1 ||
           strcmp(permission_info(p)->category, permission_info(p - 1)->category) != 0;
}

static bool
begins_section(enum permission p)
{
    return begins_category(p) ||
           strcmp(permission_info(p)->section, permission_info(p - 1)->section) != 0;
}

static void
write_permission(struct json_writer *w, enum permission p, bool enabled)
{
    const struct permission_info *i = permission_info(p);

    json_begin_object(w);
    json_kv_str(w, "key", str_of(i->key));
    json_kv_str(w, "title", str_of(i->title));
    json_kv_bool(w, "enabled", enabled);
    json_key(w, S("availableFileTypes"));
    json_begin_array(w);
    json_end_array(w);
    json_key(w, S("blocks"));
    json_begin_array(w);
    json_end_array(w);
    json_end_object(w);
}

static enum permission
write_section(struct api_request *rq, enum permission p, const struct permission_set *set)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "key", word_key(rq->cx, permission_info(p)->section));
    json_kv_str(w, "title", str_of(permission_info(p)->section));
    json_key(w, S("permissions"));
    json_begin_array(w);
    do
        write_permission(w, p, permission_has(set, p));
    while (++p < PERMISSION_COUNT && !begins_section(p));
    json_end_array(w);
    json_end_object(w);
    return p;
}

static enum permission
write_category(struct api_request *rq, enum permission p, const struct permission_set *set)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "key", word_key(rq->cx, permission_info(p)->category));
    json_kv_str(w, "title", str_of(permission_info(p)->category));
    json_key(w, S("sections"));
    json_begin_array(w);
    do
        p = write_section(rq, p, set);
    while (p < PERMISSION_COUNT && !begins_category(p));
    json_end_array(w);
    json_end_object(w);
    return p;
}

static void
write_configuration(struct api_request *rq, const struct permission_set *set)
{
    json_begin_array(&rq->out);
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT;)
        p = write_category(rq, p, set);
    json_end_array(&rq->out);
}

void
role_body_keys(struct json_writer *w, const struct permission_set *set)
{
    json_begin_array(w);
    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++) {
        if (permission_has(set, p))
            json_str(w, str_of(permission_info(p)->key));
    }
    json_end_array(w);
}

void
role_body_write(struct api_request *rq, const struct role *r, bool closed)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "id", r->cuid);
    json_kv_str(w, "cuid", r->cuid);
    json_kv_str(w, "key", r->key);
    json_kv_str(w, "title", r->title);
    json_kv_str(w, "description", r->description);
    json_kv_bool(w, "enabled", r->enabled);
    json_kv_bool(w, "editable", !r->builtin);
    json_kv_bool(w, "canDisable", !r->builtin);
    json_key(w, S("permissions"));
    role_body_keys(w, &r->rights);
    json_key(w, S("permissionConfiguration"));
    write_configuration(rq, &r->rights);
    json_kv_i64(w, "totalPermissions", permission_count(&r->rights));
    json_kv_i64(w, "userCount", r->users);
    if (closed)
        json_end_object(w);
}

/* ---- reading rights ---- */

static enum err
unknown_permission(struct api_request *rq, struct str key)
{
    return fail_field(rq->cx, S("/permissions"), "\"%.*s\" is no permission",
                      STR_ARG(utf8_cut(key, 80)));
}

/* permissions: the whole set. */
static enum err
read_list(struct api_request *rq, const struct json *list, struct permission_set *out)
{
    struct permission_set set = {{0, 0}};
    enum err bad = OK;

    if (list->type != JSON_ARRAY)
        return fail_field(rq->cx, S("/permissions"), "must be a list of permission keys");
    if (list->count > PERMISSIONS_NAMED_MAX)
        return fail_field(rq->cx, S("/permissions"), "has more than %d entries",
                          PERMISSIONS_NAMED_MAX);
    for (const struct json *v = list->first; v; v = v->next) {
        enum permission p = v->type == JSON_STRING ? permission_by_key(v->text) : PERMISSION_NONE;

        if (p == PERMISSION_NONE)
            bad = unknown_permission(rq, v->text);
        permission_add(&set, p);
    }
    if (bad == OK)
        *out = set;
    return bad;
}

/* The first entry of the list `name` of a group or a section; absent: NULL. */
static enum err
members(struct api_request *rq, const struct json *o, const char *name, const struct json **first)
{
    const struct json *v = json_get(o, str_of(name));

    *first = NULL;
    if (!json_is(o, JSON_OBJECT) || (v && v->type != JSON_NULL && v->type != JSON_ARRAY))
        return fail_field(rq->cx, S("/permissionConfiguration"),
                          "must be a list of groups {key, sections: [{key, permissions: [{key, "
                          "enabled}]}]}");
    *first = v && v->type == JSON_ARRAY ? v->first : NULL;
    return OK;
}

static enum err
switch_one(struct api_request *rq, const struct json *x, struct permission_set *set)
{
    const struct json *key = json_get(x, S("key"));
    enum permission p = json_is(key, JSON_STRING) ? permission_by_key(key->text) : PERMISSION_NONE;
    bool on = permission_has(set, p);

    if (p == PERMISSION_NONE)
        return unknown_permission(rq, key ? key->text : S(""));
    TRY(body_bool(rq, x, "enabled", false, &on));
    if (on)
        permission_add(set, p);
    else
        permission_drop(set, p);
    return OK;
}

/* permissionConfiguration: what it names is switched, the rest stays. */
static enum err
read_configuration(struct api_request *rq, const struct json *list, struct permission_set *set)
{
    enum err bad = OK;

    if (!json_is(list, JSON_ARRAY))
        return fail_field(rq->cx, S("/permissionConfiguration"), "must be a list of groups");
    for (const struct json *g = list->first; g; g = g->next) {
        const struct json *s, *x;

        TRY(members(rq, g, "sections", &s));
        for (; s; s = s->next) {
            TRY(members(rq, s, "permissions", &x));
            for (; x; x = x->next) {
                enum err e = switch_one(rq, x, set);

                if (e != OK)
                    bad = e;
            }
        }
    }
    return bad;
}

enum err
role_body_rights(struct api_request *rq, bool required, struct permission_set *set)
{
    const struct json *list = json_get(rq->body, S("permissions"));
    const struct json *groups = json_get(rq->body, S("permissionConfiguration"));

    if (list && list->type != JSON_NULL)
        return read_list(rq, list, set);
    if (groups && groups->type != JSON_NULL)
        return read_configuration(rq, groups, set);
    return required ? fail_field(rq->cx, S("/permissions"), "is required") : OK;
}
