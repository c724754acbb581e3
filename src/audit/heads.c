/* The memory of what this server has signed: DIR/heads.db, beside the store and in no backup. Each row
 * is the last head of one log that this server signed, or saw another one publish; a row's size never
 * decreases, and one size never gets two roots. Opening compares the store with it. Signs nothing. */
#include "audit/heads.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

#define HEADS_ARENA ((size_t)16 << 20)

const char heads_sql[] =
    "CREATE TABLE IF NOT EXISTS head (tenant_id INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,"
    " at INTEGER NOT NULL, closed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (tenant_id, epoch))"
    " STRICT;\n"
    "CREATE TRIGGER IF NOT EXISTS head_update BEFORE UPDATE ON head"
    " WHEN new.size < old.size OR new.origin <> old.origin OR new.closed < old.closed"
    " OR (new.size = old.size AND new.root <> old.root)"
    " BEGIN SELECT RAISE(FAIL, 'a head never goes back'); END;\n"
    "CREATE TRIGGER IF NOT EXISTS head_delete BEFORE DELETE ON head"
    " BEGIN SELECT RAISE(FAIL, 'a head never goes back'); END;\n";

static enum err
lay(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_script(tx, heads_sql);
}

/* ---- reading ---- */

#define HEAD_COLS "tenant_id, epoch, origin, size, root, note, at, closed"
static const struct sql get_rows =
    SQL_READ("SELECT " HEAD_COLS " FROM head ORDER BY tenant_id, epoch");
static const struct sql get_row =
    SQL_READ("SELECT " HEAD_COLS " FROM head WHERE tenant_id = $1 AND epoch = $2");

struct rows {
    struct head_row *v;
    size_t n, cap;
};

static struct head_row
row_of(const struct db_rows *q)
{
    struct head_row r = {.log = {db_int(q, 0), db_int(q, 1)},
                         .origin = db_text_keep(q, 2),
                         .size = db_int(q, 3),
                         .note = db_text_keep(q, 5),
                         .at = db_int(q, 6),
                         .closed = db_int(q, 7) != 0};
    struct str root = db_bytes(q, 4);
    if (root.n == SHA256_LEN)
        memcpy(r.root.b, root.p, SHA256_LEN);
    return r;
}

static enum err
read_rows(struct db_tx *tx, void *arg)
{
    struct rows *l = arg;
    struct db_rows *q = NULL;
    enum err e;
    l->n = 0;
    TRY(db_query(tx, &get_rows, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(db_tx_arena(tx), l->v, l->n, &l->cap, 32);
        l->v[l->n++] = row_of(q);
    }
    return e == ERR_END ? OK : e;
}

enum err
heads_read(struct db *db, struct arena *a, struct head_row **v, size_t *n)
{
    struct rows l = {0};
    TRY(db_read(db, a, read_rows, &l));
    *v = l.v;
    *n = l.n;
    return OK;
}

struct asking {
    struct log_id log;
    struct head_row row;
};

static enum err
read_row(struct db_tx *tx, void *arg)
{
    struct asking *k = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &get_row, ARGS(V_INT(k->log.tenant_id), V_INT(k->log.epoch)), &q));
    k->row = row_of(q);
    db_rows_end(q);
    return OK;
}

enum err
heads_get(struct audit *au, struct arena *a, struct log_id log, struct head_row *out)
{
    struct asking k = {.log = log};
    if (au->heads == NULL)
        return ERR_NOT_FOUND;
    TRY(db_read(au->heads->db, a, read_row, &k));
    *out = k.row;
    return OK;
}

/* ---- writing ---- */

static const struct sql put_row = SQL_WRITE(
    "head", "INSERT INTO head (tenant_id, epoch, origin, size, root, note, at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, epoch) DO UPDATE SET"
            " size = excluded.size, root = excluded.root, note = excluded.note, at = excluded.at");
static const struct sql close_row =
    SQL_WRITE("head", "UPDATE head SET closed = 1 WHERE tenant_id = $1 AND epoch <= $2");

struct putting {
    struct head_row *v;
    size_t n;
};

static enum err
write_rows(struct db_tx *tx, void *arg)
{
    struct putting *p = arg;
    for (size_t i = 0; i < p->n; i++) {
        struct head_row *r = &p->v[i];
        struct asking k = {.log = r->log};
        enum err e = read_row(tx, &k);
        r->stale = false;
        if (e == OK && (k.row.closed || k.row.size > r->size)) {
            r->stale = true; /* another process of this server was further: ours is not published */
            continue;
        }
        if (e == OK && k.row.size == r->size && memcmp(k.row.root.b, r->root.b, SHA256_LEN) != 0)
            return ERR_CONFLICT;
        if (e != OK && e != ERR_NOT_FOUND)
            return e;
        if (e == OK && k.row.size == r->size)
            continue;
        TRY(db_exec(tx, &put_row,
                    ARGS(V_INT(r->log.tenant_id), V_INT(r->log.epoch), V_STR(r->origin),
                         V_INT(r->size), V_BYTES(sha256_str(&r->root)), V_STR(r->note),
                         V_INT(r->at)),
                    NULL));
    }
    return OK;
}

enum err
heads_put(struct audit *au, struct arena *a, struct head_row *v, size_t n)
{
    struct putting p = {v, n};
    return n == 0 ? OK : db_write(au->heads->db, a, write_rows, &p);
}

static enum err
write_closed(struct db_tx *tx, void *arg)
{
    const struct log_id *log = arg;
    return db_exec(tx, &close_row, ARGS(V_INT(log->tenant_id), V_INT(log->epoch)), NULL);
}

enum err
heads_closed(struct audit *au, struct arena *a, struct log_id log)
{
    return au->heads == NULL ? OK : db_write(au->heads->db, a, write_closed, &log);
}

/* ---- the store against it ---- */

static const struct sql newest_log =
    SQL_READ("SELECT epoch, size, edge FROM audit_log WHERE tenant_id = $1"
             " ORDER BY epoch DESC LIMIT 1");
static const struct sql epoch_known =
    SQL_READ("SELECT known_size FROM audit_epoch WHERE tenant_id = $1 AND epoch > $2"
             " ORDER BY epoch LIMIT 1");

struct standing {
    int64_t tenant_id, epoch, size;
    struct tree_edge edge;
    int64_t after_epoch,
        known_size; /* what the epoch that followed says of this one; −1: nothing */
};

static enum err
read_standing(struct db_tx *tx, void *arg)
{
    struct standing *s = arg;
    struct db_rows *q = NULL;
    s->known_size = -1;
    enum err e = db_query_int(tx, &epoch_known, ARGS(V_INT(s->tenant_id), V_INT(s->after_epoch)),
                              &s->known_size);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    e = db_query_one(tx, &newest_log, ARGS(V_INT(s->tenant_id)), &q);
    if (e == ERR_NOT_FOUND) {
        s->epoch = -1;
        return OK;
    }
    TRY(e);
    s->epoch = db_int(q, 0);
    s->size = db_int(q, 1);
    e = tree_edge_read(db_bytes(q, 2), s->size, &s->edge);
    db_rows_end(q);
    return e;
}

/* SQLite: the segments may be further than the main store says. */
static void
stand_in_memory(struct audit *au, struct standing *s)
{
    pthread_mutex_lock(&au->lock);
    const struct log_state *l = log_find(au, s->tenant_id);
    if (l != NULL && (l->epoch > s->epoch || (l->epoch == s->epoch && l->size > s->size))) {
        s->epoch = l->epoch;
        s->size = l->size;
        s->edge = *l->edge;
    }
    pthread_mutex_unlock(&au->lock);
}

struct lookup {
    struct audit *au;
    struct arena *a;
    struct log_id log;
};

static enum err
look_up(void *arg, int level, int64_t n, int width, struct sha256 *out)
{
    struct lookup *l = arg;
    return nodes_read(l->au, NULL, l->a, l->log, level, n, width, out);
}

static enum err
root_then(struct audit *au, struct arena *a, const struct standing *s, const struct head_row *r,
          struct sha256 *root)
{
    struct lookup l = {au, a, r->log};
    struct tree_source source = {look_up, &l};
    if (s->size == r->size) {
        *root = tree_edge_root(&s->edge);
        return OK;
    }
    return tree_root(&source, r->size, root);
}

static enum err
refuse_store(struct arena *a, struct str *why, const struct head_row *r, struct str what)
{
    *why = arena_fmt(
        a,
        "%.*s: this server has signed a checkpoint of %lld events for the log %.*s. If an older copy "
        "was put back on purpose, \"recount audit new-epoch --reason TEXT\" says so in every log",
        STR_ARG(what), (long long)r->size, STR_ARG(r->origin));
    return ERR_CONFLICT;
}

static enum err
check_row(struct audit *au, struct arena *a, const struct head_row *r, struct str *why)
{
    struct standing s = {.tenant_id = r->log.tenant_id, .after_epoch = r->log.epoch};
    struct sha256 root;
    if (r->closed)
        return OK;
    TRY(db_read(au->app->db, a, read_standing, &s));
    if (!au->pg)
        stand_in_memory(au, &s);
    if (s.epoch > r->log.epoch) {
        if (s.known_size >= r->size)
            return heads_closed(au, a, r->log);
        return refuse_store(au->arena, why, r,
                            S("the log began a new epoch without knowing of its last events"));
    }
    if (s.epoch < r->log.epoch || s.size < r->size)
        return refuse_store(au->arena, why, r, S("the store is older than what was signed"));
    enum err e = root_then(au, a, &s, r, &root);
    if (e == ERR_NOT_FOUND)
        return refuse_store(au->arena, why, r, S("parts of the log that was signed are missing"));
    TRY(e);
    return memcmp(root.b, r->root.b, SHA256_LEN) == 0
               ? OK
               : refuse_store(au->arena, why, r,
                              S("the store holds another log than the one signed"));
}

static enum err
check_rows(struct audit *au, struct arena *a, struct str *why)
{
    struct rows l = {0};
    enum err e = db_read(au->heads->db, a, read_rows, &l);
    /* A server beside us may have moved and signed since the segments were opened. */
    if (e == OK && !au->pg)
        e = segments_refresh(au);
    for (size_t i = 0; i < l.n && e == OK; i++)
        e = check_row(au, a, &l.v[i], why);
    return e;
}

/* ---- life ---- */

enum err
audit_heads_open(struct app *app, bool accept_older, struct str *why)
{
    struct audit *au = app->audit;
    struct heads *h = calloc(1, sizeof *h);
    if (h == NULL)
        BUG("out of memory");
    h->arena = arena_create("audit.heads", HEADS_ARENA);
    pthread_mutex_init(&h->round, NULL);
    struct str path = arena_fmt(h->arena, "%.*s/heads.db", STR_ARG(au->options.dir));
    enum err e = db_open_file(h->arena, path, au->options.vfs, false, 2, &h->db, why);
    if (e == OK) {
        au->heads = h;
        e = db_write(h->db, h->arena, lay, NULL);
        if (e != OK)
            *why = arena_fmt(au->arena, "the head file %.*s can not be used", STR_ARG(path));
    }
    if (e == OK && !accept_older) {
        struct arena *a = arena_create("audit.heads.check", (size_t)256 << 20);
        *why = S("the heads this server has signed can not be compared with the store");
        e = check_rows(au, a, why);
        arena_free(a);
    }
    if (e != OK && au->heads == NULL) {
        pthread_mutex_destroy(&h->round);
        arena_free(h->arena);
        free(h);
    } else if (e != OK) {
        heads_close(au);
    }
    return e;
}

enum err
audit_heads_none(struct str dir, struct arena *a, struct str *why)
{
    struct str path = arena_fmt(a, "%.*s/heads.db", STR_ARG(dir));
    struct db *db = NULL;
    struct head_row *rows = NULL;
    size_t n = 0;
    if (access(path.p, F_OK) != 0)
        return OK;
    enum err e = db_open_file(a, path, NULL, true, 1, &db, why);
    TRY(e);
    e = heads_read(db, a, &rows, &n);
    db_close(db);
    if (e != OK) /* it was made and never used */
        return OK;
    for (size_t i = 0; i < n; i++)
        if (!rows[i].closed)
            return refuse_store(a, why, &rows[i], S("the store is older than what was signed"));
    return OK;
}

void
heads_close(struct audit *au)
{
    struct heads *h = au->heads;
    if (h == NULL)
        return;
    au->heads = NULL;
    db_close(h->db);
    pthread_mutex_destroy(&h->round);
    arena_free(h->arena);
    free(h);
}
