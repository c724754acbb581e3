/* Rotation of the signing key as the log tells it: one event in every log, each with a statement that the key of before
 * signed, and the store's note of its keys in the same transaction. Files: run/keys_rotate.c. Signs no checkpoint. */
#include <sodium.h>

#include "audit/heads.h"
#include "run/keys.h"

#define STATEMENT "recount-key-rotation v1"

static const struct sql all_tenants =
    SQL_READ("SELECT tenant_id, cuid FROM tenant ORDER BY tenant_id");
static const struct sql newest_epoch =
    SQL_READ("SELECT coalesce(max(epoch), 0) FROM audit_log WHERE tenant_id = $1");
static const struct sql bind_keys = SQL_WRITE(
    "setting", "UPDATE setting SET value = $2 WHERE tenant_id = -1 AND name = '" KEYS_SETTING
               "' AND value = $1");

/* In the log of cx->tenant, or the installation's. */
static enum err
record_one(struct cx *cx, bool instance, struct str reason)
{
    const struct keys *k = cx->app->keys;
    struct arena *a = cx->arena;
    struct log_id log = {instance ? AUDIT_INSTANCE : cx->tenant.id, 0};
    struct str origin;
    TRY(db_query_int(cx->tx, &newest_epoch, ARGS(V_INT(log.tenant_id)), &log.epoch));
    TRY(log_origin(cx->app->audit, cx->tx, log, &origin));
    struct note_signer was = note_signer_of(origin, NOTE_ED25519, k->sign_seed),
                       next = note_signer_of(origin, NOTE_ED25519, k->next);
    struct str vkey = note_vkey(a, &next.key);
    struct str statement = note_sign(
        a, arena_fmt(a, STATEMENT "\norigin %.*s\nnew %.*s\n", STR_ARG(origin), STR_ARG(vkey)),
        &was, 1);
    struct audit_change change[] = {{S("key"), note_vkey(a, &was.key), vkey},
                                    {S("statement"), STR_NULL, statement},
                                    {S("reason"), STR_NULL, reason}};
    struct audit_entry e = {.event = EV_KEY_ROTATED,
                            .instance = instance,
                            .target_kind = S("audit"),
                            .target_id = origin,
                            .text = arena_fmt(a, "%.*s rotated the signing key of the audit log.",
                                              STR_ARG(cx->actor.name)),
                            .changes = change,
                            .n_changes = sizeof change / sizeof change[0]};
    sodium_memzero(was.secret, sizeof was.secret);
    sodium_memzero(next.secret, sizeof next.secret);
    return audit_record(cx, &e, NULL);
}

static enum err
record_all(struct cx *cx, struct str reason)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(record_one(cx, true, reason));
    TRY(db_query(cx->tx, &all_tenants, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        cx->tenant = (struct tenant_ref){true, db_int(q, 0), db_text_keep(q, 1)};
        e = record_one(cx, false, reason);
        if (e != OK)
            break;
    }
    if (e != ERR_END)
        db_rows_end(q);
    return e == ERR_END ? OK : e;
}

static enum err
bind_to(struct cx *cx, struct str from, struct str to)
{
    int64_t changed = 0;
    TRY(db_exec(cx->tx, &bind_keys, ARGS(V_STR(from), V_STR(to)), &changed));
    return changed == 1 ? OK
                        : fail(cx, ERR_CONFLICT, "the store is bound to other keys than these");
}

enum err
audit_rotate_key(struct cx *cx, struct str reason)
{
    const struct keys *k = cx->app->keys;
    struct tenant_ref tenant = cx->tenant;
    if (str_is_null(k->next))
        BUG("a rotation that was not begun");
    TRY(bind_to(cx, k->fingerprint, k->next_fingerprint));
    enum err e = record_all(cx, reason);
    cx->tenant = tenant;
    return e;
}

enum err
audit_rebind_keys(struct cx *cx)
{
    const struct keys *k = cx->app->keys;
    struct audit_entry e = {
        .event = EV_KEY_ROTATED,
        .instance = true,
        .target_kind = S("audit"),
        .text = S("A store from before a rotation of the signing key was put back; it is "
                  "signed with the key of today.")};
    for (size_t i = 0; i < k->n_old; i++) {
        int64_t changed = 0;
        TRY(db_exec(cx->tx, &bind_keys,
                    ARGS(V_STR(keys_fingerprint(cx->arena, k, k->old[i])), V_STR(k->fingerprint)),
                    &changed));
        if (changed == 1)
            return audit_record(cx, &e, NULL);
    }
    return fail(cx, ERR_CONFLICT,
                "the keys in the key directory are not those this store was made with");
}
