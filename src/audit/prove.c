/* Reading the log's proof side: published heads, keys, tile hashes, entries, and all that proves one
 * event. Writes nothing. */
#include <sodium.h>
#include <time.h>

#include "audit/heads.h"
#include "base/text.h"
#include "run/keys.h"

/* Runs a read of the main store, in the one that is open or in one of its own. */
static enum err
reading(struct cx *cx, db_body body, void *arg)
{
    return cx->tx != NULL ? body(cx->tx, arg) : db_read(cx->app->db, cx->arena, body, arg);
}

/* ---- heads ---- */

#define HEAD_COLS "epoch, origin, size, root, note, signed_at, cosigned_at"
static const struct sql newest_head = SQL_READ("SELECT " HEAD_COLS " FROM audit_head"
                                               " WHERE tenant_id = $1 ORDER BY epoch DESC LIMIT 1");
static const struct sql epoch_head =
    SQL_READ("SELECT " HEAD_COLS " FROM audit_head WHERE tenant_id = $1 AND epoch = $2");

static enum err
read_head(struct db_tx *tx, void *arg)
{
    struct audit_head *h = arg;
    struct db_rows *q = NULL;
    if (h->log.epoch < 0)
        TRY(db_query_one(tx, &newest_head, ARGS(V_INT(h->log.tenant_id)), &q));
    else
        TRY(db_query_one(tx, &epoch_head, ARGS(V_INT(h->log.tenant_id), V_INT(h->log.epoch)), &q));
    struct str root = db_bytes(q, 3);
    h->log.epoch = db_int(q, 0);
    h->origin = db_text_keep(q, 1);
    h->size = db_int(q, 2);
    h->note = db_text_keep(q, 4);
    h->signed_at = db_int(q, 5);
    h->cosigned_at = db_int(q, 6);
    if (root.n == SHA256_LEN)
        memcpy(h->root.b, root.p, SHA256_LEN);
    db_rows_end(q);
    return root.n == SHA256_LEN ? OK : ERR_DB;
}

enum err
audit_head_get(struct cx *cx, int64_t tenant_id, int64_t epoch, struct audit_head *out)
{
    struct audit_head h = {.log = {tenant_id, epoch}};
    TRY(reading(cx, read_head, &h));
    *out = h;
    return OK;
}

/* ---- keys ---- */

struct naming {
    struct audit *au;
    struct log_id log;
    struct str origin;
};

static const struct sql newest_epoch =
    SQL_READ("SELECT coalesce(max(epoch), 0) FROM audit_log WHERE tenant_id = $1");

static enum err
read_origin(struct db_tx *tx, void *arg)
{
    struct naming *n = arg;
    if (n->log.epoch < 0)
        TRY(db_query_int(tx, &newest_epoch, ARGS(V_INT(n->log.tenant_id)), &n->log.epoch));
    return log_origin(n->au, tx, n->log, &n->origin);
}

static bool
has_signed(const struct note *n, const struct note_key *k)
{
    for (size_t i = 0; n != NULL && i < n->n_sigs; i++)
        if (n->sigs[i].id == k->id && str_eq(n->sigs[i].name, k->name))
            return true;
    return false;
}

/* The keys that signed the log's published head, newest first; before the first head those that will. */
static enum err
head_keys(struct cx *cx, int64_t tenant_id, int64_t epoch, struct str *v, size_t *n)
{
    const struct keys *k = cx->app->keys;
    struct naming named = {.au = cx->app->audit, .log = {tenant_id, epoch}};
    struct audit_head h;
    struct note note, *signed_head = NULL;
    TRY(reading(cx, read_origin, &named));
    enum err e = audit_head_get(cx, tenant_id, named.log.epoch, &h);
    if (e == OK && note_parse(cx->arena, h.note, &note) == OK)
        signed_head = &note;
    else if (e != OK && e != ERR_NOT_FOUND)
        return e;
    *n = 0;
    for (size_t i = 0; i <= k->n_old; i++) {
        struct note_signer s =
            note_signer_of(named.origin, NOTE_ED25519, i == 0 ? k->sign_seed : k->old[i - 1]);
        sodium_memzero(s.secret, sizeof s.secret);
        if (signed_head != NULL ? has_signed(signed_head, &s.key) : i < KEYS_SIGNERS)
            v[(*n)++] = note_vkey(cx->arena, &s.key);
        else if (i == 0)
            v[0] =
                note_vkey(cx->arena, &s.key); /* what there is to give when no key of ours signed */
    }
    if (*n == 0)
        *n = 1;
    return OK;
}

enum err
audit_vkey(struct cx *cx, int64_t tenant_id, int64_t epoch, struct str *out)
{
    struct str v[KEYS_OLD_MAX + 1];
    size_t n = 0;
    TRY(head_keys(cx, tenant_id, epoch, v, &n));
    *out = v[0];
    return OK;
}

enum err
audit_vkeys(struct cx *cx, int64_t tenant_id, int64_t epoch, struct str *out)
{
    struct str v[KEYS_OLD_MAX + 1];
    size_t n = 0;
    TRY(head_keys(cx, tenant_id, epoch, v, &n));
    *out = S("");
    for (size_t i = 0; i < n; i++)
        *out = arena_fmt(cx->arena, "%.*s%.*s\n", STR_ARG(*out), STR_ARG(v[i]));
    return OK;
}

static enum err
read_signing(struct db_tx *tx, void *arg)
{
    struct naming *n = arg;
    TRY(keys_current(n->au, tx));
    return read_origin(tx, arg);
}

enum err
audit_sign_text(struct cx *cx, int64_t tenant_id, int64_t epoch, struct str text, struct str *note)
{
    struct naming n = {.au = cx->app->audit, .log = {tenant_id, epoch}};
    enum err e = reading(cx, read_signing, &n);
    if (e == ERR_FORBIDDEN)
        return fail(cx, ERR_UNAVAILABLE,
                    "The log's signing key was rotated: nothing is signed "
                    "until this server starts with the new one");
    TRY(e);
    *note = sign_text(n.au, cx->arena, n.origin, text);
    return OK;
}

/* ---- the tree ---- */

struct stored_tree {
    struct cx *cx;
    struct log_id log;
};

static enum err
read_tree(void *arg, int level, int64_t n, int width, struct sha256 *out)
{
    struct stored_tree *t = arg;
    struct audit *au = t->cx->app->audit;
    return nodes_read(au, au->pg ? t->cx->tx : NULL, t->cx->arena, t->log, level, n, width, out);
}

struct tree_source
audit_tree(struct cx *cx, struct log_id log)
{
    struct stored_tree *t = arena_new(cx->arena, struct stored_tree);
    *t = (struct stored_tree){cx, log};
    return (struct tree_source){read_tree, t};
}

enum err
audit_minimum_index(struct cx *cx, struct log_id log, int64_t *out)
{
    struct audit *au = cx->app->audit;
    struct region *r = NULL;
    size_t n = 0;
    int64_t least = -1;
    TRY(regions_of(au, au->pg ? cx->tx : NULL, cx->arena, log.tenant_id, &r, &n));
    for (size_t i = 0; i < n; i++)
        if (r[i].r.epoch == log.epoch && (least < 0 || r[i].r.first < least))
            least = r[i].r.first;
    if (least < 0)
        return ERR_NOT_FOUND;
    *out = least;
    return OK;
}

/* ---- entries and events ---- */

struct taking {
    int32_t month;
    struct log_id log;
    int64_t lo, hi, first;
    struct str *v;
    int have;
    struct str cuid;
    struct audit_proof *p;
    bool found;
};

static const struct sql get_entries =
    SQL_READ2("SELECT idx, leaf FROM audit_event WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx",
              "SELECT idx, leaf FROM audit_event WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx");

static enum err
take_entries(struct db_tx *tx, void *arg)
{
    struct taking *k = arg;
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_entries,
                 ARGS(V_INT(k->month), V_INT(k->log.tenant_id), V_INT(k->log.epoch), V_INT(k->lo),
                      V_INT(k->hi)),
                 &q));
    while ((e = db_next(q)) == OK) {
        k->v[db_int(q, 0) - k->first] = db_bytes_keep(q, 1);
        k->have++;
    }
    return e == ERR_END ? OK : e;
}

/* Runs a body on the store that holds the month. */
static enum err
on_month(struct cx *cx, int32_t month, db_body body, void *arg)
{
    struct audit *au = cx->app->audit;
    if (au->pg)
        return reading(cx, body, arg);
    struct segment *s = segment_pin(au, month);
    if (s == NULL)
        return OK;
    enum err e = db_read(s->db, cx->arena, body, arg);
    segment_unpin(au, s);
    return e;
}

enum err
audit_entries(struct cx *cx, struct log_id log, int64_t first, int n, struct str **out)
{
    struct audit *au = cx->app->audit;
    struct region *r = NULL;
    size_t n_regions = 0;
    struct taking k = {
        .log = log, .first = first, .v = arena_array(cx->arena, struct str, (size_t)n + 1)};
    TRY(regions_of(au, au->pg ? cx->tx : NULL, cx->arena, log.tenant_id, &r, &n_regions));
    for (size_t i = 0; i < n_regions; i++) {
        if (r[i].r.epoch != log.epoch || r[i].r.next <= first || r[i].r.first >= first + n)
            continue;
        k.month = r[i].month;
        k.lo = r[i].r.first > first ? r[i].r.first : first;
        k.hi = r[i].r.next < first + n ? r[i].r.next : first + n;
        TRY(on_month(cx, r[i].month, take_entries, &k));
    }
    if (k.have != n)
        return ERR_NOT_FOUND;
    *out = k.v;
    return OK;
}

#define EVENT_PARTS                                                                                \
    "SELECT e.epoch, e.idx, e.public, e.leaf, p.salt, p.personal, x.inner_hash FROM audit_event e" \
    " LEFT JOIN audit_personal p ON p.tenant_id = e.tenant_id AND p.epoch = e.epoch"               \
    " AND p.idx = e.idx"
#define EVENT_ERASED                                                                               \
    " LEFT JOIN audit_erasure x ON x.tenant_id = e.tenant_id AND x.epoch = e.epoch"                \
    " AND x.idx = e.idx"
static const struct sql get_parts =
    SQL_READ2(EVENT_PARTS EVENT_ERASED " WHERE $1 IS NOT NULL AND e.tenant_id = $2 AND e.cuid = $3",
              EVENT_PARTS " AND p.month = $1" EVENT_ERASED
                          " WHERE e.month = $1 AND e.tenant_id = $2 AND e.cuid = $3");

/* The row's parts into the proof; ends the rows. */
static enum err
keep_parts(struct taking *k, struct db_rows *q)
{
    struct audit_proof *p = k->p;
    k->found = true;
    k->log.epoch = db_int(q, 0);
    p->index = db_int(q, 1);
    p->public_part = db_bytes_keep(q, 2);
    struct str leaf = db_bytes(q, 3), inner = db_bytes(q, 6);
    p->erased = db_is_null(q, 4);
    if (!p->erased) {
        p->salt = db_bytes_keep(q, 4);
        p->personal = db_bytes_keep(q, 5);
        p->personal_hash = sha256_parts((struct str[]){p->salt, p->personal}, 2);
    } else if (inner.n == SHA256_LEN) {
        memcpy(p->personal_hash.b, inner.p, SHA256_LEN);
    }
    if (leaf.n == SHA256_LEN)
        memcpy(p->leaf.b, leaf.p, SHA256_LEN);
    db_rows_end(q);
    return leaf.n == SHA256_LEN ? OK : ERR_DB;
}

static enum err
take_parts(struct db_tx *tx, void *arg)
{
    struct taking *k = arg;
    struct db_rows *q = NULL;
    enum err e = db_query_one(tx, &get_parts,
                              ARGS(V_INT(k->month), V_INT(k->log.tenant_id), V_STR(k->cuid)), &q);
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    return keep_parts(k, q);
}

static enum err
find_event(struct cx *cx, struct taking *k)
{
    struct audit *au = cx->app->audit;
    struct region *r = NULL;
    size_t n = 0;
    TRY(regions_of(au, au->pg ? cx->tx : NULL, cx->arena, k->log.tenant_id, &r, &n));
    for (size_t i = 0; i < n && !k->found; i++) {
        if (i > 0 && r[i].month == r[i - 1].month)
            continue; /* another epoch of the same month */
        k->month = r[i].month;
        TRY(on_month(cx, r[i].month, take_parts, k));
    }
    return k->found ? OK : ERR_NOT_FOUND;
}

/* The head that covers the event: it is a second away at most. */
static enum err
covering_head(struct cx *cx, struct log_id log, int64_t index, int wait_ms, struct audit_head *h)
{
    int64_t until = clock_monotonic() + wait_ms * USEC_PER_MS;
    for (;;) {
        struct timespec nap = {0, 20000000};
        enum err e = audit_head_get(cx, log.tenant_id, log.epoch, h);
        if (e != ERR_NOT_FOUND && (e != OK || h->size > index))
            return e;
        if (cx->tx != NULL || clock_monotonic() >= until)
            return ERR_UNAVAILABLE;
        (void)nanosleep(&nap, NULL);
    }
}

/* Nothing is signed for an epoch that another has followed. */
static bool
has_ended(struct cx *cx, struct log_id log)
{
    int64_t newest = newest_in(cx->app, cx->tx, log.tenant_id, log.tenant_id == AUDIT_INSTANCE);
    return newest >= 0 && position_epoch(newest) > log.epoch;
}

enum err
audit_prove(struct cx *cx, int64_t tenant_id, struct str cuid, int wait_ms, struct audit_proof *out)
{
    struct audit_proof p = {0};
    struct taking k = {.log = {tenant_id, -1}, .cuid = cuid, .p = &p};
    if (!cuid_is(cuid))
        return ERR_NOT_FOUND;
    if (cx->tx == NULL)
        audit_settle(cx->app, wait_ms);
    TRY(find_event(cx, &k));
    bool ended = has_ended(cx, k.log);
    enum err e = covering_head(cx, k.log, p.index, ended ? 0 : wait_ms, &p.head);
    if (e == ERR_UNAVAILABLE && ended)
        return ERR_CONFLICT;
    TRY(e);
    struct tree_source source = audit_tree(cx, k.log);
    TRY(tree_inclusion(&source, p.index, p.head.size, &p.inclusion));
    *out = p;
    return OK;
}

/* ---- many events towards one head ---- */

enum err
audit_head_over(struct cx *cx, int64_t tenant_id, int64_t newest, int wait_ms,
                struct audit_head *out)
{
    struct log_id log = {tenant_id, newest < 0 ? -1 : position_epoch(newest)};
    return covering_head(cx, log, newest < 0 ? -1 : position_index(newest), wait_ms, out);
}

static const struct sql get_parts_at = SQL_READ2(
    EVENT_PARTS EVENT_ERASED
    " WHERE $1 IS NOT NULL AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx = $4",
    EVENT_PARTS " AND p.month = $1" EVENT_ERASED
                " WHERE e.month = $1 AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx = $4");

static enum err
take_parts_at(struct db_tx *tx, void *arg)
{
    struct taking *k = arg;
    struct db_rows *q = NULL;
    enum err e = db_query_one(
        tx, &get_parts_at,
        ARGS(V_INT(k->month), V_INT(k->log.tenant_id), V_INT(k->log.epoch), V_INT(k->first)), &q);
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    return keep_parts(k, q);
}

enum err
audit_prove_event(struct cx *cx, const struct audit_event *e, const struct audit_head *head,
                  const struct tree_source *source, struct audit_proof *out)
{
    struct audit_proof p = {0};
    struct taking k = {.month = month_ordinal(e->logged),
                       .log = {head->log.tenant_id, e->epoch},
                       .first = e->index,
                       .p = &p};
    TRY(on_month(cx, k.month, take_parts_at, &k));
    if (!k.found)
        return ERR_NOT_FOUND;
    if (e->epoch == head->log.epoch && e->index < head->size) {
        p.head = *head;
        TRY(tree_inclusion(source, p.index, head->size, &p.inclusion));
    }
    *out = p;
    return OK;
}

/* ---- openings ---- */

static const struct sql get_opening =
    SQL_READ("SELECT at, event, size, head_root, salt, round_root, leaf, leaves, path"
             " FROM audit_opening WHERE tenant_id = $1 AND epoch = $2 ORDER BY at DESC LIMIT 1");

struct opening_ask {
    struct log_id log;
    struct audit_opening o;
};

static enum err
hash_of(struct str bytes, struct sha256 *out)
{
    if (bytes.n != SHA256_LEN)
        return ERR_DB;
    memcpy(out->b, bytes.p, SHA256_LEN);
    return OK;
}

static enum err
read_opening(struct db_tx *tx, void *arg)
{
    struct opening_ask *k = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &get_opening, ARGS(V_INT(k->log.tenant_id), V_INT(k->log.epoch)), &q));
    struct str path = db_bytes(q, 8);
    k->o = (struct audit_opening){.at = db_int(q, 0),
                                  .event = db_text_keep(q, 1),
                                  .size = db_int(q, 2),
                                  .leaf_index = db_int(q, 6),
                                  .leaves = db_int(q, 7)};
    enum err e = hash_of(db_bytes(q, 3), &k->o.head_root);
    if (e == OK)
        e = hash_of(db_bytes(q, 4), &k->o.salt);
    if (e == OK)
        e = hash_of(db_bytes(q, 5), &k->o.round_root);
    if (path.n % SHA256_LEN != 0 || path.n > sizeof k->o.path.h)
        e = ERR_DB;
    if (e == OK && path.n > 0)
        memcpy(k->o.path.h, path.p, path.n);
    k->o.path.n = (unsigned)(path.n / SHA256_LEN);
    db_rows_end(q);
    return e;
}

enum err
audit_opening_get(struct cx *cx, struct log_id log, struct audit_opening *out)
{
    struct opening_ask k = {.log = log};
    TRY(reading(cx, read_opening, &k));
    *out = k.o;
    return OK;
}
