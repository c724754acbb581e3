/* Blinded heads: once a minute, and before a month is dropped, the instance's log records one root over
 * the heads of all logs that grew, each hidden by a salt of its own. A tenant gets only the opening
 * of its own head: it proves that the installation committed to that head at that time, and tells
 * nothing of other tenants but how many logs grew. Owns the table audit_opening. */
#include <stdlib.h>

#include "audit/heads.h"
#include "base/rand.h"
#include "base/text.h"

#define ROUND_MAX   100000 /* logs of one round */
#define ROUND_ARENA ((size_t)512 << 20)
#define LOCK_ROUND  INT64_C(0x726563726f756e64)

struct blinded {
    struct log_id log;
    struct str origin;
    int64_t size;
    struct sha256 root;
    char salt[ROUND_SALT];
    struct sha256 leaf;
};

struct gathering {
    struct audit *au;
    struct blinded *v;
    size_t n, cap;
    bool dry; /* only look whether there is any */
};

static const struct sql grown_heads = SQL_READ(
    "SELECT h.tenant_id, h.epoch, h.origin, h.size, h.root FROM audit_head h WHERE h.tenant_id >= 0"
    " AND h.size > coalesce((SELECT max(o.size) FROM audit_opening o WHERE o.tenant_id = h.tenant_id"
    " AND o.epoch = h.epoch), 0) LIMIT $1");
static const struct sql put_opening =
    SQL_WRITE("audit_opening",
              "INSERT INTO audit_opening (tenant_id, epoch, at, event, size, head_root, salt,"
              " round_root, leaf, leaves, path)"
              " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
/* Of the openings older than a day the last one of each day is kept. */
static const struct sql thin_out = SQL_WRITE(
    "audit_opening",
    "DELETE FROM audit_opening WHERE tenant_id = $1 AND epoch = $2 AND at < $3"
    " AND EXISTS (SELECT 1 FROM audit_opening o WHERE o.tenant_id = audit_opening.tenant_id"
    " AND o.epoch = audit_opening.epoch AND o.at > audit_opening.at"
    " AND o.at / 86400000000 = audit_opening.at / 86400000000)");

static struct sha256
blind(struct arena *a, const struct blinded *b)
{
    struct str text = arena_fmt(a, "%.*s\n%lld\n", STR_ARG(b->origin), (long long)b->size);
    struct str parts[] = {S("\x00"), str_mem(b->salt, ROUND_SALT), text, sha256_str(&b->root)};
    return sha256_parts(parts, 4);
}

static enum err
gather_heads(struct db_tx *tx, struct gathering *g)
{
    struct arena *a = db_tx_arena(tx);
    struct db_rows *q = NULL;
    enum err e;
    g->n = 0;
    TRY(db_query(tx, &grown_heads, ARGS(V_INT(g->dry ? 1 : ROUND_MAX)), &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(a, g->v, g->n, &g->cap, 16);
        struct blinded *b = &g->v[g->n++];
        struct str root = db_bytes(q, 4);
        *b = (struct blinded){.log = {db_int(q, 0), db_int(q, 1)},
                              .origin = db_text_keep(q, 2),
                              .size = db_int(q, 3)};
        if (root.n == SHA256_LEN)
            memcpy(b->root.b, root.p, SHA256_LEN);
        rand_bytes(b->salt, ROUND_SALT);
        b->leaf = blind(a, b);
    }
    return e == ERR_END ? OK : e;
}

static enum err
look(struct db_tx *tx, void *arg)
{
    return gather_heads(tx, arg);
}

static int
by_leaf(const void *x, const void *y)
{
    return memcmp(((const struct blinded *)x)->leaf.b, ((const struct blinded *)y)->leaf.b,
                  SHA256_LEN);
}

/* Tile hashes of the round's own small tree. */
#define SMALL_LEVELS 3 /* ROUND_MAX is below 256^3 */
struct small {
    struct sha256 *level[SMALL_LEVELS];
};

static enum err
keep_small(void *arg, int level, int64_t n, const struct sha256 *h)
{
    struct small *s = arg;
    s->level[level][n] = *h;
    return OK;
}

static enum err
read_small(void *arg, int level, int64_t n, int width, struct sha256 *out)
{
    const struct small *s = arg;
    memcpy(out, s->level[level] + n, (size_t)width * sizeof *out);
    return OK;
}

static enum err
put_openings(struct cx *cx, const struct gathering *g, struct str event, const struct sha256 *root,
             const struct tree_source *source)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct blinded *b = &g->v[i];
        struct tree_proof p;
        TRY(tree_inclusion(source, (int64_t)i, (int64_t)g->n, &p));
        TRY(db_exec(cx->tx, &put_opening,
                    ARGS(V_INT(b->log.tenant_id), V_INT(b->log.epoch), V_INT(cx->now), V_STR(event),
                         V_INT(b->size), V_BYTES(sha256_str(&b->root)),
                         V_BYTES(str_mem(b->salt, ROUND_SALT)), V_BYTES(sha256_str(root)),
                         V_INT((int64_t)i), V_INT((int64_t)g->n),
                         V_BYTES(str_mem(p.h, p.n * SHA256_LEN))),
                    NULL));
        TRY(db_exec(
            cx->tx, &thin_out,
            ARGS(V_INT(b->log.tenant_id), V_INT(b->log.epoch), V_INT(cx->now - USEC_PER_DAY)),
            NULL));
    }
    return OK;
}

static enum err
record_round(struct cx *cx, void *arg)
{
    struct gathering *g = arg;
    struct tree_edge edge = {0};
    struct str event = STR_NULL;
    TRY(db_try_lock(cx->tx, LOCK_ROUND));
    TRY(gather_heads(cx->tx, g));
    if (g->n == 0)
        return OK;
    qsort(g->v, g->n, sizeof *g->v, by_leaf); /* the order tells nothing */
    struct small s;
    for (int i = 0; i < SMALL_LEVELS; i++)
        s.level[i] = arena_array(cx->arena, struct sha256, (g->n >> (8 * i)) + 1);
    for (size_t i = 0; i < g->n; i++) {
        s.level[0][i] = g->v[i].leaf;
        TRY(tree_edge_push(&edge, &g->v[i].leaf, keep_small, &s));
    }
    struct tree_source source = {read_small, &s};
    struct sha256 root = tree_edge_root(&edge);
    struct audit_change change[] = {{S("root"), STR_NULL, hex_in(cx->arena, sha256_str(&root))},
                                    {S("logs"), STR_NULL, arena_fmt(cx->arena, "%zu", g->n)}};
    struct audit_entry e = {.event = EV_AUDIT_HEADS,
                            .instance = true,
                            .target_kind = S("audit"),
                            .text = arena_fmt(cx->arena,
                                              "The heads of %zu log%s were recorded, blinded.",
                                              g->n, g->n == 1 ? "" : "s"),
                            .changes = change,
                            .n_changes = 2};
    TRY(audit_record(cx, &e, &event));
    return put_openings(cx, g, event, &root, &source);
}

enum err
round_record(struct audit *au)
{
    struct arena *a = arena_create("audit.round", ROUND_ARENA);
    struct gathering g = {.au = au, .dry = true};
    struct cx cx = cx_system(au->app, a, "Audit log", NULL);
    enum err e = db_read(au->app->db, a, look, &g);
    if (e == OK && g.n > 0) {
        g = (struct gathering){.au = au};
        e = cx_write(&cx, record_round, &g);
    }
    arena_free(a);
    return e == ERR_CONFLICT ? OK : e; /* another server does it */
}
