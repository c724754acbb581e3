/* The verifier and rotations of the signing key. The key before signs along, so that its readers go on; but
 * whoever took it must not make a log with it alone. So a published checkpoint that covers the event of a
 * rotation to today's key, or comes behind it, wants today's signature. */
#include <sodium.h>

#include "audit/verify_priv.h"
#include "run/keys.h"

#define KEY_ARENA ((size_t)64 << 20)

struct rotation {
    struct verify *v;
    int64_t tenant_id;
    int64_t position; /* of the newest rotation to today's key; -1: none is kept */
};

static struct note_key
todays_key(const struct verify *v, struct str origin)
{
    struct note_signer s = note_signer_of(origin, NOTE_ED25519, v->cx->app->keys->sign_seed);
    sodium_memzero(s.secret, sizeof s.secret);
    return s.key;
}

static enum err
see(void *arg, const struct audit_event *e)
{
    struct rotation *r = arg;
    const struct vlog *l = verify_log(r->v, (struct log_id){r->tenant_id, e->epoch}, false);
    if (l == NULL)
        return OK;
    struct note_key key = todays_key(r->v, l->origin);
    struct str vkey = note_vkey(r->v->say, &key);
    for (size_t i = 0; i < e->n_changes; i++)
        if (str_eq(e->changes[i].field, S("key")) && str_eq(e->changes[i].after, vkey))
            r->position = position_of(e->epoch, e->index);
    return OK;
}

static void
look_at_head(const struct rotation *r, const struct verify_head *h)
{
    struct verify *v = r->v;
    struct note note;
    if (h->log.tenant_id != r->tenant_id || h->size < 1 ||
        position_of(h->log.epoch, h->size - 1) < r->position ||
        note_parse(v->a, h->note, &note) != OK)
        return;
    struct note_key key = todays_key(v, h->origin);
    if (note_check(&note, &key, NULL) != NOTE_GOOD)
        verify_tell(v, verify_log(v, h->log, false), -1, note_vkey(v->say, &key), STR_NULL,
                    "the published checkpoint is not signed by the key of today, to which event "
                    "%lld of epoch %lld rotated",
                    (long long)position_index(r->position), (long long)position_epoch(r->position));
}

void
verify_keys(struct verify *v)
{
    static const enum event types[] = {EV_KEY_ROTATED};
    const struct keys *k = v->cx->app->keys;
    int64_t *logs = NULL;
    if (k == NULL || k->n_old == 0)
        return;
    size_t n = verify_custody_logs(v, &logs);
    for (size_t i = 0; i < n; i++) {
        struct rotation r = {v, logs[i], -1};
        struct audit_walk w = {
            .tenant_id = logs[i], .types = types, .n_types = 1, .after = -1, .before = -1};
        struct cx cx = *v->cx;
        cx.arena = arena_create("audit.verify.key", KEY_ARENA);
        if (audit_walk_each(&cx, &w, see, &r) != OK)
            verify_tell(v, NULL, -1, STR_NULL, db_last_error(),
                        "the rotations of the signing key can not be read");
        for (size_t h = 0; h < v->res->n_heads && r.position >= 0; h++)
            look_at_head(&r, &v->res->heads[h]);
        arena_free(cx.arena);
    }
}
