/* The verifier and the cosignatures that are kept: each is of a checkpoint of the log, by the key it is filed
 * under, of the time it is said to be; and the published head says the newest of these times. Which of the
 * keys count is the policy's business (--policy, the seal). */
#include "audit/verify_priv.h"

#define COSIGNED_ARENA ((size_t)256 << 20)

static const struct sql get_cosigned =
    SQL_READ("SELECT tenant_id, epoch, witness, size, at, note FROM audit_cosigned"
             " ORDER BY tenant_id, epoch, size, witness");
static const struct sql get_times =
    SQL_READ("SELECT h.tenant_id, h.epoch, h.cosigned_at, coalesce((SELECT max(c.at)"
             " FROM audit_cosigned c WHERE c.tenant_id = h.tenant_id AND c.epoch = h.epoch), 0)"
             " FROM audit_head h");

/* Why the row is not what it says; NULL: it is. */
static const char *
wrong_with(struct verify *v, const struct vlog *l, const struct db_rows *q, struct sha256 *root)
{
    struct note_key key;
    struct checkpoint c;
    struct note note;
    int64_t at = 0;
    if (note_vkey_parse(v->say, db_text(q, 2), &key) != OK)
        return "is filed under no key";
    if (note_parse(v->say, db_text(q, 5), &note) != OK || checkpoint_parse(note.text, &c) != OK)
        return "is no checkpoint";
    if (!verify_origin_fits(v, l, c.origin) || c.size != db_int(q, 3))
        return "is of another checkpoint than it is filed under";
    enum note_verdict own = verify_signature(v->cx, v->o->keys, v->o->n_keys, &note, c.origin);
    if (own == NOTE_BAD || (own == NOTE_ABSENT && v->cx->app->keys != NULL))
        return "is of a checkpoint that this installation has not signed";
    if (note_check(&note, &key, &at) != NOTE_GOOD)
        return "is not by the key it is filed under";
    if (at != db_int(q, 4))
        return "is of another time than it is filed under";
    *root = c.root;
    return NULL;
}

static void
take_row(struct verify *v, const struct db_rows *q)
{
    struct vlog *l = verify_log(v, (struct log_id){db_int(q, 0), db_int(q, 1)}, true);
    struct sha256 root;
    const char *wrong = wrong_with(v, l, q, &root);
    if (wrong != NULL)
        verify_tell(v, l, -1, STR_NULL, db_text(q, 2), "a cosignature that is kept %s", wrong);
    else
        verify_mark(v, l,
                    (struct vmark){.size = db_int(q, 3),
                                   .root = root,
                                   .what = S("the checkpoint that a witness cosigned"),
                                   .old_ok = true,
                                   .head = -1});
    arena_reset(v->say);
}

static enum err
look(struct db_tx *tx, void *arg)
{
    struct verify *v = arg;
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_cosigned, NO_ARGS, &q));
    while ((e = db_next(q)) == OK)
        take_row(v, q);
    if (e != ERR_END)
        return e;
    TRY(db_query(tx, &get_times, NO_ARGS, &q));
    while ((e = db_next(q)) == OK)
        if (db_int(q, 2) != db_int(q, 3))
            verify_tell(v, verify_log(v, (struct log_id){db_int(q, 0), db_int(q, 1)}, true), -1,
                        time_iso(v->say, db_int(q, 3)), time_iso(v->say, db_int(q, 2)),
                        "the published checkpoint says another time of its newest cosignature than "
                        "those that are kept");
    return e == ERR_END ? OK : e;
}

void
verify_cosigned(struct verify *v)
{
    struct arena *a = arena_create("audit.verify.cosigned", COSIGNED_ARENA);
    if (db_snapshot(v->au->app->db, a, look, v) != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the cosignatures can not be read");
    arena_free(a);
}
