/* The stored tree: it is the tree of the events, over months, restarts and drops, on both stores.
 * The naive root here shares no code with tree.c but the two hashes of RFC 6962. */
#include "support.h"

#include "naive.h"

#define LEAVES_MAX 4096

static struct sha256 naive_hash[LEAVES_MAX];

static struct audit_entry
entry(int i)
{
    return (struct audit_entry){
        .event = EV_USER_UPDATED, .target_kind = S("user"), .text = arena_fmt(t.a, "change %d", i)};
}

static void
fill(int64_t tenant, int n)
{
    struct cx cx = context(tenant);
    for (int i = 0; i < n; i++)
        record(&cx, entry(i));
    move();
}

struct stored {
    int64_t tenant;
    struct tree_edge edge;
};
static const struct sql get_edge =
    SQL_READ("SELECT size, edge FROM audit_log WHERE tenant_id = $1 ORDER BY epoch DESC LIMIT 1");
static enum err
stored_edge(struct db_tx *tx, void *arg)
{
    struct stored *s = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &get_edge, ARGS(V_INT(s->tenant)), &q));
    enum err e = tree_edge_read(db_bytes(q, 1), db_int(q, 0), &s->edge);
    db_rows_end(q);
    return e;
}

static void
same_hash(const struct sha256 *a, const struct sha256 *b)
{
    assert_memory_equal(a->b, b->b, SHA256_LEN);
}

/* Every leaf and every finished subtree that can still be read is what the leaves say. */
static void
check_tree(int64_t tenant, const struct sha256 *leaf, int64_t n, int64_t min)
{
    struct stored s = {.tenant = tenant};
    struct sha256 got[TILE_WIDTH];
    struct log_id log = {tenant, 0};
    assert_int_equal(db_read(t.app.db, t.a, stored_edge, &s), OK);
    assert_int_equal(s.edge.size, n);
    struct sha256 want = naive_root(leaf, n), root = tree_edge_root(&s.edge);
    same_hash(&root, &want);
    for (int64_t i = min; i < n; i++) {
        assert_int_equal(nodes_read(t.app.audit, NULL, t.a, log, 0, i, 1, got), OK);
        same_hash(got, &leaf[i]);
    }
    for (int64_t i = 0; i < n / TILE_WIDTH; i++) {
        assert_int_equal(nodes_read(t.app.audit, NULL, t.a, log, 1, i, 1, got), OK);
        want = naive_root(leaf + i * TILE_WIDTH, TILE_WIDTH);
        same_hash(got, &want);
    }
    assert_int_equal(nodes_read(t.app.audit, NULL, t.a, log, 0, n, 1, got), ERR_NOT_FOUND);
    assert_int_equal(nodes_read(t.app.audit, NULL, t.a, log, 1, n / TILE_WIDTH, 1, got),
                     ERR_NOT_FOUND);
}

static void
the_tree_is_that_of_the_events(void **state)
{
    (void)state;
    fill(0, 300);
    fill(3, 255);
    fill(0, 300);
    fill(3, 1);
    int64_t n = read_leaves(0, naive_hash);
    assert_int_equal(n, 600);
    check_tree(0, naive_hash, n, 0);
    assert_int_equal(n = read_leaves(3, naive_hash), 256);
    check_tree(3, naive_hash, n, 0);
}

static void
it_goes_on_after_a_restart(void **state)
{
    (void)state;
    fill(0, 259);
    restart();
    fill(0, 259);
    restart();
    fill(0, 3);
    int64_t n = read_leaves(0, naive_hash);
    assert_int_equal(n, 521);
    check_tree(0, naive_hash, n, 0);
}

/* A month's first tile holds leaves of the month before: they are carried. */
static void
a_month_can_leave(void **state)
{
    struct segment *s;
    (void)state;
    fill(0, 700);
    t.app.simulated_now = month_start(DAY0, 1) + 5;
    fill(0, 20);
    t.app.simulated_now = month_start(DAY0, 2) + 5;
    fill(0, 700);
    int64_t n = read_leaves(0, naive_hash);
    assert_int_equal(n, 1420);
    check_tree(0, naive_hash, n, 0);
    int32_t first = month_ordinal(DAY0);
    assert_int_equal(nodes_keep(t.app.audit, first), OK);
    assert_int_equal(nodes_keep(t.app.audit, first), OK); /* a repeat is harmless */
    assert_int_equal(segment_drop(t.app.audit, first), OK);
    check_tree(0, naive_hash, n, 512); /* the tile of leaf 700 begins at 512 */
    assert_int_equal(nodes_keep(t.app.audit, first + 1), OK);
    assert_int_equal(segment_drop(t.app.audit, first + 1), OK);
    check_tree(0, naive_hash, n, 512);
    struct sha256 got;
    assert_int_equal(nodes_read(t.app.audit, NULL, t.a, (struct log_id){0, 0}, 0, 511, 1, &got),
                     ERR_NOT_FOUND);
    s = segment_pin(t.app.audit, first);
    assert_null(s);
    restart();
    check_tree(0, naive_hash, n, 512);
}

static void
the_store_refuses_changes_of_the_tree(void **state)
{
    static const char *const tries[] = {
        "UPDATE audit_node SET n = 7",
        "DELETE FROM audit_node",
        "UPDATE audit_carry SET first = 7",
        "DELETE FROM audit_carry",
    };
    (void)state;
    fill(0, 300);
    t.app.simulated_now = month_start(DAY0, 1) + 5;
    fill(0, 300);
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
            char text[64];
            if (m == 0 && i >= 2) /* the first month carries nothing */
                continue;
            struct db *db = t.kind == DB_SQLITE ? t.app.audit->segments[m]->db : t.app.db;
            snprintf(text, sizeof text, "%s", tries[i]);
            assert_int_not_equal(db_write(db, t.a, script, text), OK);
        }
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, the_tree_is_that_of_the_events), ON(kind, it_goes_on_after_a_restart),                \
        ON(kind, a_month_can_leave), ON(kind, the_store_refuses_changes_of_the_tree)

MAIN_ON_BOTH("nodes", ALL)
