/* The verifier and what was signed: the published heads, the ones this server remembers, the records
 * of epochs, and checkpoints given from outside. Signatures are checked here; the roots are left as
 * marks for the walk. */
#include <sodium.h>
#include <unistd.h>

#include "audit/verify_priv.h"
#include "base/text.h"
#include "run/keys.h"

#define HEAD_ARENA ((size_t)256 << 20)

/* ---- signatures ---- */

static enum note_verdict
either(enum note_verdict before, enum note_verdict v)
{
    return v == NOTE_ABSENT ? before : v;
}

enum note_verdict
verify_signature(struct cx *cx, const struct note_key *keys, size_t n, const struct note *note,
                 struct str origin)
{
    enum note_verdict found = NOTE_ABSENT;
    const struct keys *k = cx->app->keys;
    /* What was signed before a rotation has the line of an old key only; but a line that is wrong is
     * wrong beside a good one, too: who knows that key alone refuses the note. */
    for (size_t i = 0; k != NULL && i <= k->n_old && found != NOTE_BAD; i++) {
        struct note_signer s =
            note_signer_of(origin, NOTE_ED25519, i == 0 ? k->sign_seed : k->old[i - 1]);
        found = either(found, note_check(note, &s.key, NULL));
        sodium_memzero(s.secret, sizeof s.secret);
    }
    for (size_t i = 0; i < n && found != NOTE_BAD; i++)
        if (str_eq(keys[i].name, origin) && keys[i].type == NOTE_ED25519)
            found = either(found, note_check(note, &keys[i], NULL));
    return found;
}

/* A removed workspace's cuid is known from its heads only. */
bool
verify_origin_fits(const struct verify *v, const struct vlog *l, struct str origin)
{
    if (l->log.tenant_id == AUDIT_INSTANCE || !str_is_null(l->tenant))
        return str_eq(origin, l->origin);
    struct str end = audit_origin(v->say, S(""), S(""), l->log.epoch, l->began); /* "//EPOCH" */
    end = str_sub(end, 1, SIZE_MAX);
    return str_has_prefix(origin, v->instance) && str_has_suffix(origin, end);
}

/* A note that must be the log's, of that size and root. */
static bool
note_is_good(struct verify *v, const struct vlog *l, const char *what, const struct head_row *h)
{
    struct note note;
    struct checkpoint c;
    if (!verify_origin_fits(v, l, h->origin)) {
        verify_tell(v, l, -1, l->origin, h->origin, "%s is of another log", what);
        return false;
    }
    if (note_parse(v->a, h->note, &note) != OK || checkpoint_parse(note.text, &c) != OK) {
        verify_tell(v, l, -1, STR_NULL, STR_NULL, "%s is no signed checkpoint", what);
        return false;
    }
    if (!str_eq(c.origin, h->origin) || c.size != h->size ||
        memcmp(c.root.b, h->root.b, SHA256_LEN) != 0) {
        verify_tell(v, l, -1, verify_hex(v, &c.root), verify_hex(v, &h->root),
                    "%s says something else than the row that holds it", what);
        return false;
    }
    switch (verify_signature(v->cx, v->o->keys, v->o->n_keys, &note, h->origin)) {
    case NOTE_GOOD:
        return true;
    case NOTE_BAD:
        verify_tell(v, l, -1, STR_NULL, STR_NULL, "the signature of %s is wrong", what);
        return false;
    case NOTE_ABSENT:
    default:
        if (v->cx->app->keys != NULL)
            verify_tell(v, l, -1, STR_NULL, STR_NULL, "%s is not signed by this installation's key",
                        what);
        else
            verify_note(v, "The signature of %s of %.*s was not checked: no key is given.", what,
                        STR_ARG(l->origin));
        return v->cx->app->keys == NULL;
    }
}

/* ---- published heads ---- */

static const struct sql get_heads =
    SQL_READ("SELECT tenant_id, epoch, origin, size, root, note, signed_at"
             " FROM audit_head ORDER BY tenant_id, epoch");

struct reading {
    struct verify *v;
    struct head_row *rows;
    size_t n, cap;
};

static enum err
read_heads(struct db_tx *tx, void *arg)
{
    struct reading *r = arg;
    struct arena *a = r->v->a;
    struct db_rows *q = NULL;
    enum err e;
    r->n = 0;
    TRY(db_query(tx, &get_heads, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(a, r->rows, r->n, &r->cap, 64);
        struct head_row *h = &r->rows[r->n++];
        *h = (struct head_row){.log = {db_int(q, 0), db_int(q, 1)},
                               .origin = arena_str(a, db_text(q, 2)),
                               .size = db_int(q, 3),
                               .note = arena_str(a, db_text(q, 5)),
                               .at = db_int(q, 6)};
        if (db_bytes(q, 4).n == SHA256_LEN)
            memcpy(h->root.b, db_bytes(q, 4).p, SHA256_LEN);
    }
    return e == ERR_END ? OK : e;
}

static void
take_heads(struct verify *v, const struct reading *r)
{
    v->res->heads = arena_array(v->cx->arena, struct verify_head, r->n + 1);
    for (size_t i = 0; i < r->n; i++) {
        const struct head_row *h = &r->rows[i];
        struct vlog *l = verify_log(v, h->log, true);
        struct vmark m = {.size = h->size,
                          .root = h->root,
                          .what = S("the published checkpoint"),
                          .published = true,
                          .head = -1};
        if (note_is_good(v, l, "the published checkpoint", h)) {
            m.head = (int64_t)v->res->n_heads;
            v->res->heads[v->res->n_heads++] =
                (struct verify_head){.log = h->log,
                                     .origin = arena_str(v->cx->arena, h->origin),
                                     .note = arena_str(v->cx->arena, h->note),
                                     .size = -1}; /* until the walk has seen its root */
        }
        verify_mark(v, l, m);
    }
}

/* ---- what this server remembers ---- */

static const struct head_row *
find_row(const struct head_row *rows, size_t n, struct log_id log)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].log.tenant_id == log.tenant_id && rows[i].log.epoch == log.epoch)
            return &rows[i];
    return NULL;
}

/* Whether the epoch is one that another has followed. */
static bool
has_ended(const struct verify *v, struct log_id log)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->logs[i].log.tenant_id == log.tenant_id && v->logs[i].log.epoch > log.epoch)
            return true;
    return false;
}

/* Two processes may sign one head, each by its own clock; on PostgreSQL on two machines. */
static bool
other_time(const struct verify *v, int64_t a, int64_t b)
{
    int64_t apart = a > b ? a - b : b - a;
    return apart > (v->au->pg ? USEC_PER_HOUR : USEC_PER_MIN);
}

static void
take_remembered(struct verify *v, const struct reading *published, const struct head_row *h)
{
    struct vlog *l = verify_log(v, h->log, true);
    const struct head_row *p = find_row(published->rows, published->n, h->log);
    struct str what = h->closed ? S("the last checkpoint that this server remembers of the epoch")
                                : S("the checkpoint that this server remembers");
    if (!note_is_good(v, l, "the checkpoint that this server remembers", h))
        return;
    if (p != NULL && p->size == h->size && memcmp(p->root.b, h->root.b, SHA256_LEN) != 0)
        verify_tell(v, l, -1, verify_hex(v, &h->root), verify_hex(v, &p->root),
                    "two checkpoints of the same size were signed, with different roots");
    if (p != NULL && p->size == h->size && other_time(v, p->at, h->at))
        verify_tell(v, l, -1, time_iso(v->say, h->at), time_iso(v->say, p->at),
                    "the published checkpoint says another time of its signing (signed_at) than "
                    "this server remembers");
    if (p == NULL && !h->closed && l->last_logged > h->at + USEC_PER_MIN)
        verify_tell(v, l, -1, verify_int(v, h->size), STR_NULL,
                    "the checkpoint that this server remembers is not published any more");
    if (h->closed && l->noted && !has_ended(v, h->log))
        verify_tell(v, l, -1, STR_NULL, STR_NULL,
                    "this server's memory says that the epoch has ended, and none follows it");
    if (!v->au->pg && p != NULL && p->size > h->size)
        verify_tell(v, l, -1, verify_int(v, p->size), verify_int(v, h->size),
                    "the file of heads is older than the published checkpoint: it was put back");
    verify_mark(v, l,
                (struct vmark){.size = h->size,
                               .root = h->root,
                               .what = what,
                               .old_ok = true,
                               .beyond_ok = h->closed,
                               .head = -1});
}

static enum err
heads_file(struct verify *v, struct arena *a, struct db **own)
{
    struct str path = arena_fmt(a, "%.*s/heads.db", STR_ARG(v->au->options.dir)), why = STR_NULL;
    if (access(path.p, F_OK) != 0)
        return ERR_NOT_FOUND;
    return db_open_file(a, path, v->au->options.vfs, true, 1, own, &why);
}

/* SQLite: a head is remembered before it is published. */
static void
all_remembered(struct verify *v, const struct reading *published, const struct head_row *rows,
               size_t n)
{
    for (size_t i = 0; i < published->n; i++) {
        const struct head_row *p = &published->rows[i];
        if (!has_ended(v, p->log) && find_row(rows, n, p->log) == NULL)
            verify_tell(v, verify_log(v, p->log, true), -1, verify_int(v, p->size), STR_NULL,
                        "the file of heads does not know of the published checkpoint");
    }
}

struct server {
    struct str name, value;
    int64_t known;
};

static enum err
read_server(struct db_tx *tx, void *arg)
{
    struct server *s = arg;
    return heads_server_known(tx, s->name, &s->known);
}

/* Without it the store may be any older one. On PostgreSQL an auditor's machine never had one. */
static void
miss_heads_file(struct verify *v, const struct reading *published)
{
    struct server s = {0};
    struct arena *a = arena_create("audit.verify.server", HEAD_ARENA);
    s.name = heads_server(a, v->au, &s.value);
    bool asked = !v->au->pg || db_read(v->au->app->db, a, read_server, &s) == OK;
    if (published->n > 0 && (!asked || !v->au->pg || s.known > 0))
        verify_tell(v, NULL, -1, STR_NULL, STR_NULL,
                    "heads.db is missing beside a store that has published checkpoints: what this "
                    "server signed can not be compared");
    else
        verify_note(v, "There is no heads.db beside the store: what this server signed is not "
                       "compared.");
    arena_free(a);
}

static void
look_at_heads_file(struct verify *v, const struct reading *published)
{
    struct arena *a = arena_create("audit.verify.heads", HEAD_ARENA);
    struct db *own = NULL, *heads = v->au->heads != NULL ? v->au->heads->db : NULL;
    struct head_row *rows = NULL;
    size_t n = 0;
    enum err e = heads != NULL ? OK : heads_file(v, a, &own);
    if (e == OK)
        e = heads_read(own != NULL ? own : heads, a, &rows, &n);
    if (e == ERR_NOT_FOUND ||
        (e == OK && n == 0 && v->au->pg)) /* a refused start leaves it empty */
        miss_heads_file(v, published);
    else if (e != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the file of heads can not be read");
    for (size_t i = 0; i < n && e == OK; i++)
        take_remembered(v, published, &rows[i]);
    if (e == OK && !v->au->pg)
        all_remembered(v, published, rows, n);
    if (own != NULL)
        db_close(own);
    arena_free(a);
}

enum err
verify_heads(struct verify *v)
{
    struct arena *a = arena_create("audit.verify.heads", HEAD_ARENA);
    struct reading r = {.v = v};
    if (db_read(v->au->app->db, a, read_heads, &r) == OK)
        take_heads(v, &r);
    else
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(),
                    "the published checkpoints can not be read");
    look_at_heads_file(v, &r);
    arena_free(a);
    return OK;
}

/* ---- epochs ---- */

struct epoch_row {
    struct log_id log; /* the one begun */
    int64_t known_size, store_size, at;
    struct str note, reason;
};

struct epochs {
    struct verify *v;
    struct epoch_row *rows;
    size_t n, cap;
};

static const struct sql get_epochs =
    SQL_READ("SELECT tenant_id, epoch, known_size, store_size, note, reason, at FROM audit_epoch"
             " ORDER BY tenant_id, epoch");

static enum err
read_epochs(struct db_tx *tx, void *arg)
{
    struct epochs *x = arg;
    struct arena *a = x->v->a;
    struct db_rows *q = NULL;
    enum err e;
    x->n = 0;
    TRY(db_query(tx, &get_epochs, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(a, x->rows, x->n, &x->cap, 16);
        x->rows[x->n++] = (struct epoch_row){.log = {db_int(q, 0), db_int(q, 1)},
                                             .known_size = db_int(q, 2),
                                             .store_size = db_int(q, 3),
                                             .note = arena_str(a, db_text(q, 4)),
                                             .reason = arena_str(a, db_text(q, 5)),
                                             .at = db_int(q, 6)};
    }
    return e == ERR_END ? OK : e;
}

static int64_t
end_of(const struct vlog *l)
{
    return l->n > 0 ? l->months[l->n - 1].r.next : l->size;
}

struct first_record {
    struct verify *v;
    struct vlog *l, *before;
    const struct epoch_row *row;
};

static struct str
change(const struct audit_event *e, const char *field, bool after)
{
    for (size_t i = 0; i < e->n_changes; i++)
        if (str_eq(e->changes[i].field, str_of(field)))
            return after ? e->changes[i].after : e->changes[i].before;
    return STR_NULL;
}

/* The first record of an epoch says what the one before was known to hold. */
static enum err
see_first(void *arg, const struct audit_event *e)
{
    struct first_record *f = arg;
    struct verify *v = f->v;
    struct str kept = arena_fmt(v->a, "%lld", (long long)f->row->store_size);
    struct buf *root = buf_in(v->a, 64);
    if (e->type != EV_EPOCH_BEGUN || e->at != f->row->at ||
        !str_eq(change(e, "events kept", true), kept) ||
        !str_eq(change(e, "last checkpoint", false), f->row->note) ||
        !str_eq(change(e, "reason", true), f->row->reason)) {
        verify_tell(v, f->l, 0, STR_NULL, e->type_name,
                    "the first record of the epoch is not the one that the store notes of its "
                    "beginning");
        return OK;
    }
    if (hex_get(change(e, "root kept", true), root) != OK || root->n != SHA256_LEN) {
        verify_tell(v, f->l, 0, STR_NULL, STR_NULL, "the first record of the epoch names no root");
        return OK;
    }
    struct vmark m = {.size = f->row->store_size,
                      .what = S("the first record of the epoch that follows"),
                      .old_ok = true,
                      .head = -1};
    memcpy(m.root.b, root->p, SHA256_LEN);
    if (m.size > 0)
        verify_mark(v, f->before, m);
    return OK;
}

static void
check_epoch_note(struct verify *v, struct vlog *before, const struct epoch_row *row)
{
    struct head_row h = {.size = row->known_size, .note = row->note};
    struct note note;
    struct checkpoint c;
    if (str_is_empty(row->note))
        return;
    if (note_parse(v->a, row->note, &note) != OK || checkpoint_parse(note.text, &c) != OK) {
        verify_tell(v, before, -1, STR_NULL, STR_NULL, "the epoch's last checkpoint is none");
        return;
    }
    h.origin = c.origin;
    h.root = c.root;
    if (note_is_good(v, before, "the epoch's last checkpoint", &h) && c.size <= end_of(before))
        verify_mark(v, before,
                    (struct vmark){.size = c.size,
                                   .root = c.root,
                                   .what = S("the last checkpoint of the epoch"),
                                   .old_ok = true,
                                   .head = -1});
}

/* A checkpoint that the store held when the next epoch began was published, and stays: proofs of that
 * epoch lead to it. (One that only a server remembered is of more events, or was never published.) */
static void
still_published(struct verify *v, struct vlog *before, const struct epoch_row *row)
{
    bool there = str_is_empty(row->note) || row->known_size > row->store_size;
    for (size_t i = 0; i < before->n_marks && !there; i++)
        there = before->marks[i].published;
    if (!there)
        verify_tell(v, before, -1, verify_int(v, row->known_size), STR_NULL,
                    "the epoch's last checkpoint is not published any more");
}

static void
check_epoch(struct verify *v, const struct epoch_row *row)
{
    struct vlog *l = verify_log(v, row->log, false);
    struct vlog *before =
        verify_log(v, (struct log_id){row->log.tenant_id, row->log.epoch - 1}, false);
    if (l == NULL || before == NULL) {
        verify_tell(v, l ? l : before, -1, STR_NULL, STR_NULL,
                    "an epoch was begun, but its log or the one before it is missing");
        return;
    }
    l->has_epoch = true;
    if (end_of(before) != row->store_size)
        verify_tell(v, before, -1, verify_int(v, row->store_size), verify_int(v, end_of(before)),
                    "the epoch ended with another number of events");
    check_epoch_note(v, before, row);
    still_published(v, before, row);
    if (l->n == 0 || l->months[0].r.first > 0)
        return; /* not moved yet, or expired */
    struct first_record f = {v, l, before, row};
    int64_t position = position_of(l->log.epoch, 0);
    if (audit_walk_read(v->cx, l->log.tenant_id, &position, 1, see_first, &f) != OK)
        verify_tell(v, l, 0, STR_NULL, STR_NULL, "the first record of the epoch can not be read");
}

void
verify_epochs(struct verify *v)
{
    struct arena *a = arena_create("audit.verify.epochs", HEAD_ARENA);
    struct epochs x = {.v = v};
    if (db_read(v->au->app->db, a, read_epochs, &x) != OK)
        verify_tell(v, NULL, -1, STR_NULL, db_last_error(), "the epochs can not be read");
    for (size_t i = 0; i < x.n; i++)
        check_epoch(v, &x.rows[i]);
    for (size_t i = 0; i < v->n; i++)
        if (v->logs[i].log.epoch > 0 && !v->logs[i].has_epoch)
            verify_tell(v, &v->logs[i], -1, STR_NULL, STR_NULL,
                        "nothing says why this epoch began");
    arena_free(a);
}

/* ---- given from outside ---- */

void
verify_given(struct verify *v)
{
    for (size_t i = 0; i < v->o->n_saved; i++) {
        const struct verify_saved *s = &v->o->saved[i];
        struct vlog *l = NULL;
        for (size_t k = 0; k < v->n && l == NULL; k++)
            if (str_eq(v->logs[k].origin, s->origin))
                l = &v->logs[k];
        if (l == NULL)
            verify_tell(v, NULL, -1, s->origin, STR_NULL,
                        "%.*s is of a log that this store does not have", STR_ARG(s->name));
        else
            verify_mark(v, l,
                        (struct vmark){.size = s->size,
                                       .root = s->root,
                                       .what = s->name,
                                       .old_ok = s->optional,
                                       .head = -1});
    }
}
