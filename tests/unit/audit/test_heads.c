/* Heads, proofs, epochs and blinded heads over a store, on both stores. Roots are compared with a naive
 * one computed from what the list shows. */
#include "support.h"

#include "audit/heads.h"
#include "naive.h"
#include "run/keys.h"

static char keys_dir[96];

static void
open_heads(void)
{
    struct str why = STR_NULL;
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", t.dir);
    if (keys_open(t.a, str_of(keys_dir), true, &t.app.keys, &why) != OK)
        fail_msg("keys: %.*s", STR_ARG(why));
    t.app.instance = S("cinstance000000000000000a");
    if (audit_heads_open(&t.app, false, &why) != OK)
        fail_msg("heads: %.*s", STR_ARG(why));
}

static struct audit_entry
entry(int i)
{
    return (struct audit_entry){.event = EV_USER_UPDATED,
                                .target_kind = S("user"),
                                .target_id = S("cuser00000000000000000bob"),
                                .text = arena_fmt(t.a, "change %d", i)};
}

static void
fill(int64_t tenant, int n)
{
    struct cx cx = context(tenant);
    for (int i = 0; i < n; i++)
        record(&cx, entry(i));
    move();
}

static struct audit_head
head(int64_t tenant)
{
    struct cx cx = context(tenant);
    struct audit_head h;
    enum err e = audit_head_get(&cx, tenant, -1, &h);
    if (e != OK)
        fail_msg("head: %s", err_name(e));
    return h;
}

/* The published head is a note of the log's key over a checkpoint of the naive root. */
static void
check_head(int64_t tenant)
{
    struct cx cx = context(tenant);
    struct sha256 leaf[2048];
    struct str vkey;
    struct note_key key;
    struct note note;
    struct checkpoint c;
    struct audit_head h = head(tenant);
    int64_t n = read_leaves(tenant, leaf);
    struct sha256 want = naive_root(leaf, n);
    assert_int_equal(audit_vkey(&cx, tenant, -1, &vkey), OK);
    assert_int_equal(note_vkey_parse(t.a, vkey, &key), OK);
    assert_int_equal(note_parse(t.a, h.note, &note), OK);
    assert_int_equal(note_check(&note, &key, NULL), NOTE_GOOD);
    assert_int_equal(checkpoint_parse(note.text, &c), OK);
    assert_true(str_eq(c.origin, h.origin));
    assert_true(str_eq(key.name, h.origin));
    assert_int_equal(c.size, n);
    assert_int_equal(h.size, n);
    assert_memory_equal(c.root.b, want.b, SHA256_LEN);
    assert_memory_equal(h.root.b, want.b, SHA256_LEN);
}

static void
a_head_follows_the_events(void **state)
{
    (void)state;
    with_tenants();
    open_heads();
    fill(0, 10);
    fill(3, 2);
    check_head(0);
    check_head(3);
    assert_true(str_eq(head(0).origin, S("cinstance000000000000000a/ctenant00000000000000000a/0")));
    struct audit_head before = head(0);
    fill(0, 300);
    check_head(0);
    struct audit_head after = head(0);
    struct cx cx = context(0);
    struct tree_source source = audit_tree(&cx, after.log);
    struct tree_proof p;
    assert_int_equal(tree_consistency(&source, before.size, after.size, &p), OK);
    assert_true(tree_check_consistency(before.size, after.size, &before.root, &p, &after.root));
}

static void
every_event_has_a_proof(void **state)
{
    (void)state;
    with_tenants();
    open_heads();
    fill(0, 260);
    t.app.simulated_now = month_start(DAY0, 1) + 5;
    fill(0, 20);
    struct audit_query q = query(0);
    q.limit = 1000;
    struct audit_page page = list(q);
    assert_int_equal(page.n, 280);
    for (size_t i = 0; i < page.n; i += 13) {
        struct cx cx = context(0);
        struct audit_proof p;
        assert_int_equal(audit_prove(&cx, 0, page.events[i].cuid, 0, &p), OK);
        struct sha256 leaf = record_leaf(p.public_part, p.salt, p.personal);
        struct sha256 h = tree_leaf_hash(sha256_str(&leaf));
        assert_memory_equal(leaf.b, p.leaf.b, SHA256_LEN);
        assert_int_equal(p.index, page.events[i].index);
        assert_true(tree_check_inclusion(p.index, p.head.size, &h, &p.inclusion, &p.head.root));
    }
    struct cx cx = context(0);
    struct audit_proof p;
    assert_int_equal(audit_prove(&cx, 0, S("c00000000000000000000000"), 0, &p), ERR_NOT_FOUND);
    assert_int_equal(audit_prove(&cx, 3, page.events[0].cuid, 0, &p), ERR_NOT_FOUND);
    struct str *entries = NULL;
    assert_int_equal(audit_entries(&cx, (struct log_id){0, 0}, 250, 20, &entries), OK);
    for (int i = 0; i < 20; i++)
        assert_true(str_eq(hex_in(t.a, entries[i]), page.events[279 - 250 - i].leaf_hex));
}

/* What this server signed is not in the store's hands. */
static enum err
reopen(bool accept, struct str *why)
{
    audit_close(&t.app);
    db_close(t.app.db);
    open_store();
    open_log();
    return audit_heads_open(&t.app, accept, why);
}

static void
sign_ahead(int64_t more, char change)
{
    struct audit_head h = head(0);
    struct head_row r = {.log = h.log,
                         .origin = h.origin,
                         .size = h.size + more,
                         .root = h.root,
                         .note = h.note,
                         .at = 1};
    r.root.b[5] = (uint8_t)(r.root.b[5] ^ change);
    enum err e = heads_put(t.app.audit, t.a, &r, 1);
    assert_int_equal(e, more > 0 ? OK : ERR_CONFLICT);
}

static void
an_older_store_is_refused(void **state)
{
    struct str why = STR_NULL;
    (void)state;
    with_tenants();
    open_heads();
    fill(0, 10);
    assert_int_equal(reopen(false, &why), OK);
    sign_ahead(0, 1); /* another root for the same size is never signed */
    sign_ahead(2, 0);
    assert_int_equal(reopen(false, &why), ERR_CONFLICT);
    assert_true(str_contains(why, S("older than what was signed")));
    assert_true(str_contains(why, S("new-epoch")));
}

static void
a_forked_store_is_refused(void **state)
{
    struct str why = STR_NULL;
    (void)state;
    with_tenants();
    open_heads();
    fill(0, 10);
    sign_ahead(2, 1); /* the root of twelve leaves that were not these */
    heads_close(t.app.audit);
    fill(0, 2);
    assert_int_equal(reopen(false, &why), ERR_CONFLICT);
    assert_true(str_contains(why, S("another log")));
    heads_close(t.app.audit);
    fill(0, 2); /* and as the beginning of more */
    assert_int_equal(reopen(false, &why), ERR_CONFLICT);
    assert_true(str_contains(why, S("another log")));
}

static void
a_new_epoch_says_what_was_lost(void **state)
{
    struct str why = STR_NULL;
    (void)state;
    with_tenants();
    open_heads();
    fill(0, 10);
    fill(3, 1);
    sign_ahead(4, 0);
    assert_int_equal(reopen(true, &why), OK);
    struct cx cx = context(0);
    record(&cx, entry(77)); /* recorded, not moved: it goes on in the new epoch, behind the first */
    assert_int_equal(audit_begin_epochs(&cx, S("an older copy was put back")), OK);
    move();
    struct audit_query q = query(0);
    struct audit_page p = list(q);
    assert_int_equal(p.n, 12);
    assert_int_equal(p.events[0].epoch, 1);
    assert_int_equal(p.events[0].index, 1);
    assert_true(str_eq(p.events[0].text, S("change 77")));
    assert_int_equal(p.events[1].epoch, 1);
    assert_int_equal(p.events[1].index, 0);
    assert_int_equal(p.events[1].type, EV_EPOCH_BEGUN);
    bool lost = false, note = false;
    for (size_t i = 0; i < p.events[1].n_changes; i++) {
        const struct audit_change *c = &p.events[1].changes[i];
        lost = lost || (str_eq(c->field, S("indices lost")) && str_eq(c->before, S("10 to 13")));
        note = note || (str_eq(c->field, S("last checkpoint")) &&
                        str_has_prefix(c->before, S("cinstance000000000000000a/")));
    }
    assert_true(lost && note);
    assert_true(str_has_prefix(head(0).origin,
                               S("cinstance000000000000000a/ctenant00000000000000000a/1-")));
    assert_int_equal(head(0).size, 2);
    assert_int_equal(head(3).log.epoch, 1);
    assert_int_equal(reopen(false, &why), OK); /* the old epochs are closed */
    fill(0, 3);
    assert_int_equal(head(0).size, 5);
    struct audit_head old;
    cx = context(0);
    assert_int_equal(audit_head_get(&cx, 0, 0, &old), OK);
    assert_int_equal(old.size, 10);
    struct audit_proof proof;
    p = list(q);
    assert_int_equal(audit_prove(&cx, 0, p.events[p.n - 1].cuid, 0, &proof), OK);
    assert_int_equal(proof.head.log.epoch, 0);
}

static void
heads_are_recorded_blinded(void **state)
{
    (void)state;
    with_tenants();
    open_heads();
    fill(0, 10);
    fill(3, 2);
    assert_int_equal(round_record(t.app.audit), OK);
    move();
    struct audit_query q = query(0);
    q.instance = true;
    struct audit_page p = list(q);
    assert_int_equal(p.events[0].type, EV_AUDIT_HEADS);
    struct str logged = STR_NULL;
    for (size_t i = 0; i < p.events[0].n_changes; i++)
        if (str_eq(p.events[0].changes[i].field, S("root")))
            logged = p.events[0].changes[i].after;
    for (int64_t tenant = 0; tenant <= 3; tenant += 3) {
        struct cx cx = context(tenant);
        struct audit_opening o;
        struct audit_head h = head(tenant);
        assert_int_equal(audit_opening_get(&cx, h.log, &o), OK);
        assert_true(str_eq(o.event, p.events[0].cuid));
        assert_int_equal(o.size, h.size);
        struct str line = arena_fmt(t.a, "%.*s\n%lld\n", STR_ARG(h.origin), (long long)h.size);
        struct sha256 leaf = sha256_parts(
            (struct str[]){S("\x00"), sha256_str(&o.salt), line, sha256_str(&h.root)}, 4);
        assert_true(tree_check_inclusion(o.leaf_index, o.leaves, &leaf, &o.path, &o.round_root));
        assert_true(str_eq(hex_in(t.a, sha256_str(&o.round_root)), logged));
    }
    int64_t n = ask(t.app.db, "SELECT count(*) FROM audit_opening");
    assert_int_equal(round_record(t.app.audit), OK); /* nothing grew but the instance's own */
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM audit_opening"), n);
}

/* After a month was dropped its proofs are gone, those of the others stand. */
static void
proofs_outlive_a_month(void **state)
{
    (void)state;
    with_tenants();
    open_heads();
    fill(0, 700);
    struct audit_query q = query(0);
    struct str gone = list(q).events[0].cuid;
    struct audit_head before = head(0);
    t.app.simulated_now = month_start(DAY0, 5) + 5;
    fill(0, 20);
    struct str kept = list(q).events[0].cuid;
    month_end();
    struct cx cx = context(0);
    struct audit_proof p;
    int64_t min = 0;
    assert_int_equal(audit_minimum_index(&cx, (struct log_id){0, 0}, &min), OK);
    assert_int_equal(min, 700);
    assert_int_equal(audit_prove(&cx, 0, gone, 0, &p), ERR_NOT_FOUND);
    assert_int_equal(audit_prove(&cx, 0, kept, 0, &p), OK);
    struct sha256 h = tree_leaf_hash(sha256_str(&p.leaf));
    assert_true(tree_check_inclusion(p.index, p.head.size, &h, &p.inclusion, &p.head.root));
    struct tree_source source = audit_tree(&cx, p.head.log);
    struct tree_proof c;
    assert_int_equal(tree_consistency(&source, before.size, p.head.size, &c), OK);
    assert_true(tree_check_consistency(before.size, p.head.size, &before.root, &c, &p.head.root));
    struct str *entries;
    assert_int_equal(audit_entries(&cx, p.head.log, 690, 5, &entries), ERR_NOT_FOUND);
}

static enum err
run_script(struct db_tx *tx, void *arg)
{
    return db_script(tx, arg);
}

/* Its clock is half a minute behind, and some row claims to be of a time to come. */
static void
what_another_server_published_is_remembered(void **state)
{
    struct head_row own;
    (void)state;
    if (t.kind != DB_POSTGRES)
        return;
    with_tenants();
    open_heads();
    fill(0, 3);
    fill(3, 2);
    struct str text = S("UPDATE audit_head SET signed_at = 33000000000000000 WHERE tenant_id = 3");
    assert_int_equal(db_write(t.app.db, t.a, run_script, arena_cstr(t.a, text)), OK);
    assert_int_equal(audit_sign_now(&t.app), OK);
    text = arena_fmt(t.a, "UPDATE audit_head SET size = 4, signed_at = %lld WHERE tenant_id = 0",
                     (long long)(app_now(&t.app) - 30 * USEC_PER_SEC));
    assert_int_equal(db_write(t.app.db, t.a, run_script, arena_cstr(t.a, text)), OK);
    assert_int_equal(audit_sign_now(&t.app), OK);
    assert_int_equal(heads_get(t.app.audit, t.a, (struct log_id){0, 0}, &own), OK);
    assert_int_equal(own.size, 4);
}

static int
end_heads(void **state)
{
    remove_dir(keys_dir);
    return end(state);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end_heads)
#define ALL(kind)                                                                                  \
    ON(kind, a_head_follows_the_events), ON(kind, every_event_has_a_proof),                        \
        ON(kind, an_older_store_is_refused), ON(kind, a_forked_store_is_refused),                  \
        ON(kind, a_new_epoch_says_what_was_lost), ON(kind, heads_are_recorded_blinded),            \
        ON(kind, proofs_outlive_a_month), ON(kind, what_another_server_published_is_remembered)

MAIN_ON_BOTH("heads", ALL)
