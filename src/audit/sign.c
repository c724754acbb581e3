/* The signer: within a second of an event the head of its log is signed, remembered in this server's
 * head file and published in the store, in this order. Owns no state but what it remembers of sizes. */
#include <sodium.h>
#include <time.h>

#include "audit/heads.h"
#include "base/log.h"
#include "run/keys.h"

#define SIGN_MS      200 /* how often it looks */
#define IDLE_MS      800 /* how often without news of our own: other servers and commands move, too */
#define ROUND_US     USEC_PER_MIN
#define SEEN_SKEW_US USEC_PER_MIN /* by which clocks of servers may differ */
#define SIGN_ARENA   ((size_t)256 << 20)
#define SIGN_BATCH   512 /* heads of one round; the next follows at once */

/* ---- names and keys ---- */

static const struct sql epoch_began =
    SQL_READ("SELECT " AUDIT_BEGAN " FROM audit_epoch x WHERE x.tenant_id = $1 AND x.epoch = $2");

struct str
audit_origin(struct arena *a, struct str instance, struct str name, int64_t epoch, int64_t began)
{
    if (began == 0)
        return arena_fmt(a, "%.*s/%.*s/%lld", STR_ARG(instance), STR_ARG(name), (long long)epoch);
    return arena_fmt(a, "%.*s/%.*s/%lld-%llx", STR_ARG(instance), STR_ARG(name), (long long)epoch,
                     (unsigned long long)began);
}

enum err
log_origin(struct audit *au, struct db_tx *tx, struct log_id log, struct str *out)
{
    struct arena *a = db_tx_arena(tx);
    struct str name = S("instance");
    int64_t began = 0;
    if (log.tenant_id != AUDIT_INSTANCE)
        TRY(audit_tenant_cuid(tx, log.tenant_id, &name));
    if (log.epoch > 0)
        TRY(db_query_int(tx, &epoch_began, ARGS(V_INT(log.tenant_id), V_INT(log.epoch)), &began));
    *out = audit_origin(a, au->app->instance, name, log.epoch, began);
    return OK;
}

/* Signs with the log's keys and forgets them: the one of today, and the one before it, so that who remembers that one
 * sees the new one come. */
struct str
sign_text(struct audit *au, struct arena *a, struct str origin, struct str text)
{
    const struct keys *k = au->app->keys;
    struct note_signer s[KEYS_SIGNERS];
    size_t n = 0;
    s[n++] = note_signer_of(origin, NOTE_ED25519, k->sign_seed);
    if (k->n_old > 0)
        s[n++] = note_signer_of(origin, NOTE_ED25519, k->old[0]);
    struct str note = note_sign(a, text, s, n);
    sodium_memzero(s, sizeof s);
    return note;
}

static const struct sql keys_of_store =
    SQL_READ("SELECT value FROM setting WHERE tenant_id = -1 AND name = '" KEYS_SETTING "'");

enum err
keys_current(struct audit *au, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(tx, &keys_of_store, NO_ARGS, &q);
    if (e == ERR_NOT_FOUND) /* not yet bound: the first start */
        return OK;
    TRY(e);
    bool same = str_eq(db_text(q, 0), au->app->keys->fingerprint);
    db_rows_end(q);
    if (!same && !atomic_exchange(&au->forked, true))
        log_error("audit.keys_replaced",
                  LOG_STR("detail", S("the signing key was rotated elsewhere; nothing is signed "
                                      "until this server starts with the new keys")));
    return same ? OK : ERR_FORBIDDEN;
}

/* ---- what grew ---- */

struct grown {
    struct log_id log;
    int64_t size;
    struct sha256 root;
};

struct round {
    struct audit *au;
    struct arena *a;
    struct grown *v;
    size_t n;
    struct head_row *rows;
    size_t n_rows;
};

static const struct sql pg_grown = SQL_READ(
    "SELECT l.tenant_id, l.epoch, l.size, l.edge FROM audit_log l"
    " LEFT JOIN audit_head h ON h.tenant_id = l.tenant_id AND h.epoch = l.epoch"
    " WHERE l.size > coalesce(h.size, 0) AND NOT EXISTS (SELECT 1 FROM audit_log x"
    " WHERE x.tenant_id = l.tenant_id AND x.epoch > l.epoch) ORDER BY l.tenant_id LIMIT $1");

static enum err
grown_pg(struct db_tx *tx, void *arg)
{
    struct round *r = arg;
    struct tree_edge edge;
    struct db_rows *q = NULL;
    enum err e;
    r->n = 0;
    TRY(db_query(tx, &pg_grown, ARGS(V_INT(SIGN_BATCH)), &q));
    while ((e = db_next(q)) == OK) {
        TRY(tree_edge_read(db_bytes(q, 3), db_int(q, 2), &edge));
        r->v[r->n++] =
            (struct grown){{db_int(q, 0), db_int(q, 1)}, edge.size, tree_edge_root(&edge)};
    }
    return e == ERR_END ? OK : e;
}

static void
grown_lite(struct audit *au, struct round *r)
{
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_logs && r->n < SIGN_BATCH; i++) {
        const struct log_state *l = &au->logs[i];
        if (l->size > l->signed_size)
            r->v[r->n++] =
                (struct grown){{l->tenant_id, l->epoch}, l->size, tree_edge_root(l->edge)};
    }
    pthread_mutex_unlock(&au->lock);
}

/* Notes of what grew; a log whose tenant is gone keeps its last head. */
static enum err
write_notes(struct db_tx *tx, void *arg)
{
    struct round *r = arg;
    struct str origin;
    r->n_rows = 0;
    TRY(keys_current(r->au, tx));
    for (size_t i = 0; i < r->n; i++) {
        const struct grown *g = &r->v[i];
        enum err e = log_origin(r->au, tx, g->log, &origin);
        if (e == ERR_NOT_FOUND)
            continue;
        TRY(e);
        origin = arena_str(r->a, origin);
        r->rows[r->n_rows++] =
            (struct head_row){.log = g->log,
                              .origin = origin,
                              .size = g->size,
                              .root = g->root,
                              .note = sign_text(r->au, r->a, origin,
                                                checkpoint_text(r->a, origin, g->size, &g->root)),
                              .at = app_now(r->au->app)};
    }
    return OK;
}

/* ---- publishing ---- */

static const struct sql put_head =
    SQL_WRITE("audit_head",
              "INSERT INTO audit_head (tenant_id, epoch, origin, size, root, note, signed_at)"
              " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, epoch) DO UPDATE SET"
              " size = excluded.size, root = excluded.root, note = excluded.note,"
              " signed_at = excluded.signed_at WHERE excluded.size > audit_head.size");

static enum err
publish(struct db_tx *tx, void *arg)
{
    const struct round *r = arg;
    tail_own(tx);
    TRY(keys_current(r->au, tx)); /* not rotated since */
    for (size_t i = 0; i < r->n_rows; i++) {
        const struct head_row *h = &r->rows[i];
        if (h->stale)
            continue;
        TRY(db_exec(tx, &put_head,
                    ARGS(V_INT(h->log.tenant_id), V_INT(h->log.epoch), V_STR(h->origin),
                         V_INT(h->size), V_BYTES(sha256_str(&h->root)), V_STR(h->note),
                         V_INT(h->at)),
                    NULL));
    }
    return OK;
}

static void
remember(struct audit *au, const struct round *r)
{
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < r->n; i++) {
        struct log_state *l = log_find(au, r->v[i].log.tenant_id);
        if (l != NULL && l->epoch == r->v[i].log.epoch && l->signed_size < r->v[i].size)
            l->signed_size = r->v[i].size;
    }
    pthread_mutex_unlock(&au->lock);
}

static enum err
sign_some(struct audit *au, size_t *n)
{
    struct arena *a = arena_create("audit.sign", SIGN_ARENA);
    struct round r = {.au = au, .a = a};
    enum err e = OK;
    r.v = arena_array(a, struct grown, SIGN_BATCH);
    r.rows = arena_array(a, struct head_row, SIGN_BATCH);
    if (au->pg)
        e = db_read(au->app->db, a, grown_pg, &r);
    else
        grown_lite(au, &r);
    if (e == OK && r.n > 0)
        e = db_read(au->app->db, a, write_notes, &r);
    if (e == OK && r.n_rows > 0)
        e = heads_put(au, a, r.rows, r.n_rows);
    if (e == OK && r.n_rows > 0)
        e = db_write(au->app->db, a, publish, &r);
    if (e == OK || e == ERR_CONFLICT)
        atomic_store(&au->forked, e == ERR_CONFLICT);
    if (e == OK)
        remember(au, &r);
    else if (e == ERR_CONFLICT)
        log_error("audit.fork", LOG_STR("detail", S("the log is not the one that was signed; "
                                                    "nothing is signed until this is mended")));
    else if (e != ERR_FORBIDDEN) /* told once by keys_current() */
        log_warn("audit.sign_later", LOG_STR("store", db_last_error()));
    *n = e == OK ? r.n_rows : 0;
    arena_free(a);
    return e;
}

/* ---- heads that other servers published (PostgreSQL) ---- */

static const struct sql newer_heads =
    SQL_READ("SELECT tenant_id, epoch, origin, size, root, note, signed_at FROM audit_head"
             " WHERE signed_at > $1 ORDER BY signed_at LIMIT $2");

struct seeing {
    int64_t after;
    struct head_row *v;
    size_t n;
};

static enum err
read_newer(struct db_tx *tx, void *arg)
{
    struct seeing *s = arg;
    struct db_rows *q = NULL;
    enum err e;
    s->n = 0;
    TRY(db_query(tx, &newer_heads, ARGS(V_INT(s->after), V_INT(SIGN_BATCH)), &q));
    while ((e = db_next(q)) == OK) {
        struct head_row *h = &s->v[s->n++];
        struct str root = db_bytes(q, 4);
        *h = (struct head_row){.log = {db_int(q, 0), db_int(q, 1)},
                               .origin = db_text_keep(q, 2),
                               .size = db_int(q, 3),
                               .note = db_text_keep(q, 5),
                               .at = db_int(q, 6)};
        if (root.n == SHA256_LEN)
            memcpy(h->root.b, root.p, SHA256_LEN);
    }
    return e == ERR_END ? OK : e;
}

static enum err
see_others(struct audit *au)
{
    struct arena *a = arena_create("audit.see", SIGN_ARENA);
    struct seeing s = {.after = au->heads->seen, .v = arena_array(a, struct head_row, SIGN_BATCH)};
    enum err e = db_read(au->app->db, a, read_newer, &s);
    if (e == OK)
        e = heads_put(au, a, s.v, s.n);
    /* Others of the same moment come again, and of the last minute: another server's clock may be behind, and a
     * row that claims a time to come hides nothing. */
    int64_t newest = e == OK && s.n > 0 ? s.v[s.n - 1].at - 1 : 0;
    int64_t limit = app_now(au->app) - SEEN_SKEW_US;
    if (newest > au->heads->seen)
        au->heads->seen = newest < limit            ? newest
                          : limit > au->heads->seen ? limit
                                                    : au->heads->seen;
    arena_free(a);
    return e;
}

/* ---- rounds ---- */

enum err
sign_round(struct audit *au)
{
    size_t n = 0;
    enum err e = OK;
    if (au->heads == NULL || au->app->keys == NULL)
        return OK;
    pthread_mutex_lock(&au->heads->round);
    if (au->pg)
        e = see_others(au);
    do {
        if (e == OK)
            e = sign_some(au, &n);
    } while (e == OK && n == SIGN_BATCH);
    pthread_mutex_unlock(&au->heads->round);
    return e;
}

bool
audit_signing_stopped(struct app *app)
{
    return atomic_load(&app->audit->forked);
}

enum err
audit_sign_now(struct app *app)
{
    return sign_round(app->audit);
}

void *
sign_main(void *arg)
{
    struct audit *au = arg;
    long long seen = -1;
    int64_t looked = 0, recorded = clock_monotonic();
    while (!atomic_load(&au->stop)) {
        struct timespec nap = {0, SIGN_MS * 1000000L};
        long long moved = atomic_load(&au->n_moved);
        int64_t now = clock_monotonic();
        if (moved != seen || now - looked > IDLE_MS * USEC_PER_MS) {
            looked = now;
            if (sign_round(au) == OK)
                seen = moved;
        }
        if (now - recorded > ROUND_US) {
            recorded = now;
            if (round_record(au) != OK)
                log_debug("audit.round_later", LOG_STR("store", db_last_error()));
        }
        (void)nanosleep(&nap, NULL);
    }
    return NULL;
}
