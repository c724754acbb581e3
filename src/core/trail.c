/* Lists of before → after and the actor's name for events. Records nothing itself. */
#include "core/trail.h"

#include "base/text.h"
#include "codec/hash.h"
#include "run/app.h"
#include "run/keys.h"

static struct str
shortened(struct cx *cx, struct str s)
{
    struct str cut = utf8_cut(s, TRAIL_VALUE_MAX);

    return cut.n == s.n ? arena_str(cx->arena, s) : arena_fmt(cx->arena, "%.*s…", STR_ARG(cut));
}

static struct str
kept(struct cx *cx, struct str s)
{
    return str_is_null(s) ? s : arena_str(cx->arena, s);
}

void
trail_note(struct cx *cx, struct trail *t, struct str field, struct str before, struct str after)
{
    if (str_is_null(before) != str_is_null(after) || !str_eq(before, after))
        trail_note_whole(cx, t, field, str_is_null(before) ? before : shortened(cx, before),
                         str_is_null(after) ? after : shortened(cx, after));
}

void
trail_note_whole(struct cx *cx, struct trail *t, struct str field, struct str before,
                 struct str after)
{
    if (str_is_null(before) == str_is_null(after) && str_eq(before, after))
        return;
    arena_grow(cx->arena, t->v, t->n, &t->cap, 8);
    t->v[t->n++] = (struct audit_change){
        .field = arena_str(cx->arena, field),
        .before = kept(cx, before),
        .after = kept(cx, after),
    };
}

struct str
trail_mark(struct cx *cx, struct str stored)
{
    struct sha256 h = hmac_sha256(cx->app->keys->blind, stored);

    return str_sub(hex_in(cx->arena, sha256_str(&h)), 0, 16);
}

struct str
trail_bool(bool v)
{
    return v ? S("true") : S("false");
}

void
trail_note_bool(struct cx *cx, struct trail *t, struct str field, bool before, bool after)
{
    trail_note(cx, t, field, trail_bool(before), trail_bool(after));
}

struct str
trail_actor(struct cx *cx)
{
    if (str_is_empty(cx->actor.email))
        return str_is_empty(cx->actor.name) ? S("Someone not signed in") : cx->actor.name;
    return arena_fmt(cx->arena, "%.*s (%.*s)", STR_ARG(cx->actor.name), STR_ARG(cx->actor.email));
}

struct user
trail_user(struct cx *cx, const struct db_rows *r, int col)
{
    return (struct user){
        .tenant_id = cx->tenant.id,
        .tenant_cuid = cx->tenant.cuid,
        .user_id = db_int(r, col),
        .cuid = arena_str(cx->arena, db_text(r, col + 1)),
        .email = arena_str(cx->arena, db_text(r, col + 2)),
        .first = arena_str(cx->arena, db_text(r, col + 3)),
        .last = arena_str(cx->arena, db_text(r, col + 4)),
    };
}

enum err
trail_record(struct cx *cx, const struct trail_thing *t, const struct trail *changes)
{
    struct audit_entry e = {
        .event = t->event,
        .outcome = OUTCOME_SUCCESS,
        .text = t->text,
        .target_kind = t->kind,
        .target_id = t->id,
        .target_name = t->name,
        .client_id = t->client_id,
        .client_name = t->client_id ? t->name : STR_NULL,
    };

    if (changes) {
        e.changes = changes->v;
        e.n_changes = changes->n;
    }
    return audit_record(cx, &e, NULL);
}
