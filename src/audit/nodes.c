/* The stored part of the tree: roots of finished subtrees in the month's segment (and, of dropped
 * months, in the main store), leaf hashes carried over a month's end; and tile hashes read back from
 * both and from the events. Owns no state. doc/decisions/0004-tree-storage.md. */
#include "audit/priv.h"

#define KEEP_BATCH 2000 /* nodes of one transaction: a writer waits for some milliseconds at most */

/* ---- writing ---- */

static const struct sql put_node =
    SQL_WRITE2("audit_node",
               "INSERT OR FAIL INTO audit_node (tenant_id, epoch, level, n, hash)"
               " VALUES ($2, $3, $4, $5, $6)",
               "INSERT INTO audit_node (month, tenant_id, epoch, level, n, hash)"
               " VALUES ($1, $2, $3, $4, $5, $6)");
static const struct sql put_carry =
    SQL_WRITE2("audit_carry",
               "INSERT OR FAIL INTO audit_carry (tenant_id, epoch, first, hashes)"
               " VALUES ($2, $3, $4, $5)",
               "INSERT INTO audit_carry (month, tenant_id, epoch, first, hashes)"
               " VALUES ($1, $2, $3, $4, $5)");

enum err
nodes_put(struct db_tx *tx, int32_t month, const struct node *first)
{
    struct db_many *nodes = db_many_begin(tx, &put_node, 6);
    for (const struct node *x = first; x != NULL; x = x->next)
        TRY(db_many_add(nodes, ARGS(V_INT(month), V_INT(x->log.tenant_id), V_INT(x->log.epoch),
                                    V_INT(x->level), V_INT(x->n), V_BYTES(sha256_str(&x->hash)))));
    return db_many_end(nodes, NULL);
}

enum err
carry_put(struct db_tx *tx, int32_t month, struct log_id log, int64_t first, struct str hashes)
{
    return db_exec(
        tx, &put_carry,
        ARGS(V_INT(month), V_INT(log.tenant_id), V_INT(log.epoch), V_INT(first), V_BYTES(hashes)),
        NULL);
}

/* ---- reading ---- */

struct reading {
    struct log_id log;
    int level;
    int64_t n; /* first hash wanted */
    int width;
    struct sha256 *out;
    bool have[TILE_WIDTH];
    int missing;
};

static const struct sql get_leaves =
    SQL_READ("SELECT idx, leaf FROM audit_event WHERE tenant_id = $1 AND epoch = $2 AND idx >= $3"
             " AND idx < $4");
static const struct sql get_carries =
    SQL_READ("SELECT first, hashes FROM audit_carry WHERE tenant_id = $1 AND epoch = $2");
static const struct sql get_nodes =
    SQL_READ("SELECT n, hash FROM audit_node WHERE tenant_id = $1 AND epoch = $2 AND level = $3"
             " AND n >= $4 AND n < $5");
static const struct sql get_kept = SQL_READ(
    "SELECT n, hash FROM audit_node_kept WHERE tenant_id = $1 AND epoch = $2 AND level = $3"
    " AND n >= $4 AND n < $5");

static void
take(struct reading *r, int64_t n, const struct sha256 *h)
{
    if (n < r->n || n >= r->n + r->width || r->have[n - r->n])
        return;
    r->out[n - r->n] = *h;
    r->have[n - r->n] = true;
    r->missing--;
}

static enum err
take_rows(struct reading *r, struct db_rows *q, bool leaves)
{
    enum err e;
    while ((e = db_next(q)) == OK) {
        struct str b = db_bytes(q, 1);
        struct sha256 h;
        if (b.n != SHA256_LEN) {
            db_rows_end(q);
            return ERR_DB;
        }
        memcpy(h.b, b.p, SHA256_LEN);
        if (leaves)
            h = tree_leaf_hash(sha256_str(&h));
        take(r, db_int(q, 0), &h);
    }
    return e == ERR_END ? OK : e;
}

static enum err
take_carries(struct db_tx *tx, struct reading *r)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_carries, ARGS(V_INT(r->log.tenant_id), V_INT(r->log.epoch)), &q));
    while ((e = db_next(q)) == OK) {
        struct str b = db_bytes(q, 1);
        int64_t count = (int64_t)(b.n / SHA256_LEN), from = db_int(q, 0) - count;
        for (int64_t i = 0; i < count; i++) {
            struct sha256 h;
            memcpy(h.b, b.p + i * SHA256_LEN, SHA256_LEN);
            take(r, from + i, &h);
        }
    }
    return e == ERR_END ? OK : e;
}

/* What one store (a month's file, or PostgreSQL's whole) has of them. */
static enum err
read_here(struct db_tx *tx, void *arg)
{
    struct reading *r = arg;
    struct db_rows *q = NULL;
    if (r->level > 0) {
        TRY(db_query(tx, &get_nodes,
                     ARGS(V_INT(r->log.tenant_id), V_INT(r->log.epoch), V_INT(r->level),
                          V_INT(r->n), V_INT(r->n + r->width)),
                     &q));
        return take_rows(r, q, false);
    }
    TRY(db_query(
        tx, &get_leaves,
        ARGS(V_INT(r->log.tenant_id), V_INT(r->log.epoch), V_INT(r->n), V_INT(r->n + r->width)),
        &q));
    TRY(take_rows(r, q, true));
    return r->missing > 0 ? take_carries(tx, r) : OK;
}

static enum err
read_kept(struct db_tx *tx, void *arg)
{
    struct reading *r = arg;
    struct db_rows *q = NULL;
    TRY(db_query(tx, &get_kept,
                 ARGS(V_INT(r->log.tenant_id), V_INT(r->log.epoch), V_INT(r->level), V_INT(r->n),
                      V_INT(r->n + r->width)),
                 &q));
    return take_rows(r, q, false);
}

/* Whether a month can hold a wanted hash: it was finished by an event of that month, or is carried
 * there. */
static bool
may_hold(const struct reading *r, const struct range *g)
{
    int64_t span = INT64_C(1) << (8 * r->level), first = r->n * span,
            last = (r->n + r->width) * span - 1;
    return last >= g->first - carry_width(g->first) && first < g->next;
}

static enum err
read_lite(struct audit *au, struct arena *a, struct reading *r)
{
    struct region *g = NULL;
    size_t n = 0;
    TRY(regions_of(au, NULL, a, r->log.tenant_id, &g, &n));
    for (size_t i = 0; i < n && r->missing > 0; i++) {
        if (g[i].r.epoch != r->log.epoch || !may_hold(r, &g[i].r))
            continue;
        struct segment *s = segment_pin(au, g[i].month);
        if (s == NULL)
            continue;
        enum err e = db_read(s->db, a, read_here, r);
        segment_unpin(au, s);
        TRY(e);
    }
    return OK;
}

enum err
nodes_read(struct audit *au, struct db_tx *tx, struct arena *a, struct log_id log, int level,
           int64_t n, int width, struct sha256 *out)
{
    struct reading r = {
        .log = log, .level = level, .n = n, .width = width, .out = out, .missing = width};
    if (level < 0 || level > TILE_LEVELS || n < 0 || width < 1 || width > TILE_WIDTH)
        return ERR_INVALID;
    if (!au->pg)
        TRY(read_lite(au, a, &r));
    else
        TRY(tx != NULL ? read_here(tx, &r) : db_read(au->app->db, a, read_here, &r));
    if (r.missing > 0 && level > 0)
        TRY(au->pg && tx != NULL ? read_kept(tx, &r) : db_read(au->app->db, a, read_kept, &r));
    return r.missing == 0 ? OK : ERR_NOT_FOUND;
}

/* ---- a month leaves ---- */

static const struct sql get_all = SQL_READ(
    "SELECT tenant_id, epoch, level, n, hash FROM audit_node WHERE (tenant_id, epoch, level,"
    " n) > ($1, $2, $3, $4) ORDER BY tenant_id, epoch, level, n LIMIT $5");
static const struct sql put_kept =
    SQL_WRITE("audit_node_kept",
              "INSERT INTO audit_node_kept (tenant_id, epoch, level, n, hash)"
              " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, epoch, level, n) DO NOTHING");
static const struct sql keep_month = SQL_WRITE(
    "audit_node_kept", "INSERT INTO audit_node_kept (tenant_id, epoch, level, n, hash)"
                       " SELECT tenant_id, epoch, level, n, hash FROM audit_node WHERE month = $1"
                       " ON CONFLICT (tenant_id, epoch, level, n) DO NOTHING");

struct keep {
    struct node *v;
    size_t n;
    struct node last; /* the one read last; tenant −2: none */
};

static enum err
read_some(struct db_tx *tx, void *arg)
{
    struct keep *k = arg;
    struct db_rows *q = NULL;
    enum err e;
    k->n = 0;
    TRY(db_query(tx, &get_all,
                 ARGS(V_INT(k->last.log.tenant_id), V_INT(k->last.log.epoch), V_INT(k->last.level),
                      V_INT(k->last.n), V_INT(KEEP_BATCH)),
                 &q));
    while ((e = db_next(q)) == OK) {
        struct node *x = &k->v[k->n++];
        *x = (struct node){
            .log = {db_int(q, 0), db_int(q, 1)}, .level = (int)db_int(q, 2), .n = db_int(q, 3)};
        struct str b = db_bytes(q, 4);
        if (b.n == SHA256_LEN)
            memcpy(x->hash.b, b.p, SHA256_LEN);
    }
    return e == ERR_END ? OK : e;
}

static enum err
write_some(struct db_tx *tx, void *arg)
{
    const struct keep *k = arg;
    tail_own(tx);
    for (size_t i = 0; i < k->n; i++) {
        const struct node *x = &k->v[i];
        TRY(db_exec(tx, &put_kept,
                    ARGS(V_INT(x->log.tenant_id), V_INT(x->log.epoch), V_INT(x->level), V_INT(x->n),
                         V_BYTES(sha256_str(&x->hash))),
                    NULL));
    }
    return OK;
}

static enum err
keep_lite(struct audit *au, struct arena *a, struct segment *s)
{
    struct keep k = {.v = arena_array(a, struct node, KEEP_BATCH), .last = {.log = {-2, 0}}};
    do {
        TRY(db_read(s->db, a, read_some, &k));
        if (k.n == 0)
            break;
        TRY(db_write(au->app->db, a, write_some, &k));
        k.last = k.v[k.n - 1];
    } while (k.n == KEEP_BATCH);
    return OK;
}

static enum err
keep_pg(struct db_tx *tx, void *arg)
{
    const int32_t *month = arg;
    tail_own(tx);
    return db_exec(tx, &keep_month, ARGS(V_INT(*month)), NULL);
}

enum err
nodes_keep(struct audit *au, int32_t month)
{
    struct arena *a = arena_create("audit.keep", (size_t)64 << 20);
    struct segment *s = au->pg ? NULL : segment_pin(au, month);
    enum err e = OK;
    if (au->pg)
        e = db_write(au->app->db, a, keep_pg, &month);
    else if (s != NULL)
        e = keep_lite(au, a, s);
    segment_unpin(au, s);
    arena_free(a);
    return e;
}
