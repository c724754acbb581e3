/* The verifier and one record: its bytes against its leaf entry, its place, and the columns beside
 * it. Deep only. */
#include "audit/verify_priv.h"

#define COLUMN(w, row, name)                                                                       \
    verify_tell((w)->v, (w)->l, (row)->idx, STR_NULL, STR_NULL,                                    \
                "the column " name " does not say what the record says")

/* The leaf entry is what the tree holds; which of the two was changed, the tree tells. */
static void
check_leaf(struct walk *w, const struct vrow *r)
{
    struct verify *v = w->v;
    struct sha256 leaf;
    if (!r->has_personal && !r->has_erasure) {
        verify_tell(v, w->l, r->idx, STR_NULL, STR_NULL,
                    "the personal part of the event is missing, and nothing says that it was "
                    "erased");
        return;
    }
    if (r->has_personal && r->has_erasure)
        verify_tell(v, w->l, r->idx, STR_NULL, STR_NULL,
                    "the event is marked as erased, but its personal part is there");
    if (r->has_personal) {
        leaf = record_leaf(r->pub, r->salt, r->personal);
    } else {
        struct sha256 inner = {{0}};
        if (r->inner.n == SHA256_LEN)
            memcpy(inner.b, r->inner.p, SHA256_LEN);
        leaf = record_leaf_inner(r->pub, inner);
    }
    if (r->leaf.n == SHA256_LEN && memcmp(leaf.b, r->leaf.p, SHA256_LEN) != 0) {
        struct sha256 stored;
        memcpy(stored.b, r->leaf.p, SHA256_LEN);
        verify_tell(v, w->l, r->idx, verify_hex(v, &stored), verify_hex(v, &leaf),
                    "the record is not the one whose leaf entry stands beside it");
    }
    if (r->has_personal && r->salt.n != RECORD_SALT_LEN)
        verify_tell(v, w->l, r->idx, STR_NULL, verify_int(v, (int64_t)r->salt.n),
                    "the salt has not %d bytes", RECORD_SALT_LEN);
}

static void
check_place(struct walk *w, const struct vrow *row, const struct record *r)
{
    const struct audit_event *e = &r->e;
    struct verify *v = w->v;
    if (!r->placed || e->epoch != w->l->log.epoch || e->index != row->idx)
        verify_tell(v, w->l, row->idx, verify_int(v, row->idx),
                    r->placed ? verify_int(v, e->index) : STR_NULL,
                    "the record was placed elsewhere in the log");
    bool own = w->l->log.tenant_id == AUDIT_INSTANCE;
    if (own ? !str_is_null(r->tenant)
            : !str_is_null(w->l->tenant) && !str_eq(r->tenant, w->l->tenant))
        verify_tell(v, w->l, row->idx, w->l->tenant, r->tenant,
                    "the record is of another workspace's log");
}

static void
check_columns(struct walk *w, const struct vrow *row, const struct record *r)
{
    const struct audit_event *e = &r->e;
    if (!str_eq(row->cuid, e->cuid))
        COLUMN(w, row, "cuid");
    /* A later version may have written a type that this one has no number for. */
    if (row->type != e->type && (e->type != EVENT_NONE || row->type < EVENT_COUNT))
        COLUMN(w, row, "type");
    if (row->outcome != (int64_t)e->outcome)
        COLUMN(w, row, "outcome");
    if (row->at != e->at)
        COLUMN(w, row, "at");
    if (row->logged != e->logged)
        COLUMN(w, row, "logged");
    if (row->client != e->client_id)
        COLUMN(w, row, "client_id");
    if (e->client_id > w->v->last_client)
        w->v->last_client = e->client_id;
}

enum err
verify_record(struct walk *w, struct db_tx *tx, const struct vrow *row)
{
    struct record r = {0};
    arena_reset(w->row);
    check_leaf(w, row);
    if (record_get_public(row->pub, &r) != OK) {
        verify_tell(w->v, w->l, row->idx, STR_NULL, STR_NULL,
                    "the public part of the event can not be decoded");
        return OK;
    }
    check_place(w, row, &r);
    check_columns(w, row, &r);
    if (row->has_personal && record_get_personal(w->row, row->personal, &r) != OK) {
        verify_tell(w->v, w->l, row->idx, STR_NULL, STR_NULL,
                    "the personal part of the event can not be decoded");
        return OK;
    }
    r.e.epoch = w->l->log.epoch; /* where it lies, whatever it says */
    r.e.index = row->idx;
    if (w->parties != NULL)
        parties_see(w, &r.e);
    if (!row->has_personal)
        TRY(erased_fill(tx, w->row, w->m->month, w->l->log.tenant_id, &r.e));
    if (w->text != NULL)
        text_see(w, &r);
    return OK;
}
