/* The verifier on both stores: what is sound stays sound whatever happened lawfully to it; and a row
 * that somebody rewrote together with every hash and signature is found by a checkpoint kept elsewhere
 * alone. Simpler attacks are tests/api/tamper.test.mjs, random ones test_tamper.c. */
#include "verify_support.h"

/* ---- sound ---- */

static void
a_log_of_months_is_sound(void **state)
{
    struct verify_result res;
    (void)state;
    two_months(700);
    assert_sound();
    verify_with((struct verify_options){.deep = true}, &res);
    assert_int_equal(res.events, 700 + 233 + 140 + 350);
    assert_int_equal(res.logs, 2);
    assert_int_equal(res.n_heads, 2);
}

static void
expired_months_are_sound_and_their_hashes_checked(void **state)
{
    (void)state;
    two_months(700);
    for (int i = 0; i < 6; i++) {
        months_on(1);
        fill(0, 10);
    }
    month_end();
    assert_sound();
    /* Until the log tells no more of the months that left first; a partition takes its time. */
    for (int i = 0; i < (t.kind == DB_SQLITE ? 8 : 0); i++) {
        months_on(1);
        fill(0, 10);
    }
    month_end();
    int64_t least = 0;
    struct cx cx = context(0);
    assert_int_equal(audit_minimum_index(&cx, (struct log_id){0, 0}, &least), OK);
    assert_true(least >= 1050);
    assert_sound();
    behind(text("UPDATE audit_node_kept SET hash = %s WHERE tenant_id = 0 AND level = 1 AND n = 1",
                bytes(S("01234567890123456789012345678901"))));
    assert_true(verify(false) > 0);
    behind("DELETE FROM audit_node_kept WHERE tenant_id = 0 AND level = 1 AND n = 2");
    assert_true(verify(false) > 0);
    assert_told("hashes of level 1 of the expired months are missing");
}

static void
months_that_left_without_a_record_are_missed(void **state)
{
    (void)state;
    two_months(300);
    for (int i = 0; i < 6; i++) {
        months_on(1);
        fill(0, 10);
    }
    month_end();
    assert_sound();
    behind("DELETE FROM audit_drop");
    assert_true(verify(false) > 0);
    assert_told("no record says that they expired");
}

static void
epochs_are_sound_and_held_against_their_records(void **state)
{
    struct str why = STR_NULL;
    (void)state;
    two_months(300);
    restart();
    assert_int_equal(audit_heads_open(&t.app, true, &why), OK);
    struct cx cx = context(0);
    assert_int_equal(audit_begin_epochs(&cx, S("an older copy was put back")), OK);
    move();
    fill(0, 20);
    assert_sound();
    behind("UPDATE audit_epoch SET store_size = store_size - 1 WHERE tenant_id = 0");
    assert_true(verify(false) > 0);
    assert_told("ended with another number of events");
    behind(
        "UPDATE audit_epoch SET store_size = store_size + 1, reason = 'nothing' WHERE tenant_id = 0");
    assert_true(verify(false) > 0);
    assert_told("first record of the epoch");
    behind("DELETE FROM audit_epoch WHERE tenant_id = 0");
    assert_true(verify(false) > 0);
    assert_told("nothing says why this epoch began");
}

static void
a_walk_goes_on_where_it_stopped(void **state)
{
    struct verify_result res;
    (void)state;
    two_months(700);
    struct verify_options o = {.deep = true, .resume = true, .from = {{0, 0}, 512}};
    assert_int_equal(verify_with(o, &res), 0);
    assert_int_equal(res.events, 1050 - 512 + 373);
    o.from = (struct verify_place){{3, 0}, 0};
    assert_int_equal(verify_with(o, &res), 0);
    assert_int_equal(res.events, 373);
    o = (struct verify_options){.one = true, .tenant_id = 3};
    assert_int_equal(verify_with(o, &res), 0);
    assert_int_equal(res.events, 373);
}

/* Not before, and then: with those words. */
static void
told_by(bool deep, const char *what, int back, const char *sql)
{
    verify(deep);
    if (told->n > 0 && str_contains(buf_view(told), str_of(what)))
        fail_msg("\"%s\" is told already", what);
    if (back < 0)
        behind(sql);
    else
        behind_month(back, sql);
    assert_true(verify(deep) > 0);
    assert_told(what);
}

static void
what_is_wrong_is_told_by_its_name(void **state)
{
    const char *first = t.kind == DB_POSTGRES
                            ? "UPDATE audit_range SET first = first - 1 WHERE tenant_id = 0 AND "
                              "first = 300 AND month = (SELECT max(month) FROM audit_range)"
                            : "UPDATE audit_range SET first = first - 1 WHERE tenant_id = 0";
    (void)state;
    two_months(300);
    assert_sound();
    told_by(true, "the salt has not 16 bytes", 1,
            text("UPDATE audit_personal SET salt = %s WHERE tenant_id = 0 AND idx = 20",
                 bytes(S("fifteen bytes ."))));
    told_by(true, "the events 10 to 12 are missing", 1,
            "DELETE FROM audit_event WHERE tenant_id = 0 AND idx >= 10 AND idx <= 12");
    told_by(true, "holds events that another month holds, too", 0, first);
    struct cx cx = context(0);
    struct audit_head h;
    assert_int_equal(audit_head_get(&cx, 0, 0, &h), OK);
    told_by(false, "says another time of its signing (signed_at)", -1,
            text("UPDATE audit_head SET signed_at = signed_at + %lld WHERE tenant_id = 0",
                 (long long)USEC_PER_HOUR + 1));
    struct note_signer stranger =
        note_signer_of(h.origin, NOTE_ED25519, S("a seed of thirty-two bytes, hers"));
    struct str note = note_sign(t.a, checkpoint_text(t.a, h.origin, h.size, &h.root), &stranger, 1);
    told_by(false, "the published checkpoint is not signed by this installation's key", -1,
            text("UPDATE audit_head SET note = '%.*s' WHERE tenant_id = 0", STR_ARG(note)));
    struct sha256 other = sha256_of(S("another root"));
    struct str signed_too =
        sign_text(t.app.audit, t.a, h.origin, checkpoint_text(t.a, h.origin, h.size, &other));
    told_by(false, "two checkpoints of the same size were signed, with different roots", -1,
            text("UPDATE audit_head SET root = %s, note = '%.*s' WHERE tenant_id = 0",
                 bytes(sha256_str(&other)), STR_ARG(signed_too)));
    told_by(false, "the published checkpoint is no signed checkpoint", -1,
            "UPDATE audit_head SET note = 'nothing' WHERE tenant_id = 3");
    told_by(false, "the published checkpoint is of another log", -1,
            "UPDATE audit_head SET origin = 'elsewhere' WHERE tenant_id = 3");
    if (t.kind == DB_SQLITE) /* on PostgreSQL another server may have published it */
        told_by(false, "the file of heads does not know of the published checkpoint", -1,
                "UPDATE audit_head SET epoch = 7 WHERE tenant_id = 3");
}

/* How many events all pages hold, each of which ends for want of time; they come to an end. */
static size_t
listed_in_a_hurry(struct audit_query q)
{
    struct audit_page p;
    size_t n = 0, rounds = 0;
    q.budget_ms = 1;
    do {
        p = list(q);
        n += p.n;
        q.after = p.next;
    } while (p.more && ++rounds < 1000);
    assert_false(p.more);
    return n;
}

static void
record_some(int n)
{
    struct cx cx = context(0);
    cx.tenant.cuid = TEN;
    for (int i = 0; i < n; i++)
        record(&cx, (struct audit_entry){.event = EV_USER_UPDATED, .text = S("not moved yet")});
}

/* SQLite gives the numbers of the tail without gaps; PostgreSQL loses one with each transaction that fails, and
 * has the change itself to go by. */
static void
what_is_gone_from_the_tail_is_told(void **state)
{
    (void)state;
    two_months(50);
    record_some(5);
    assert_sound();
    if (t.kind == DB_POSTGRES)
        return;
    behind("DELETE FROM audit_tail WHERE seq = (SELECT min(seq) + 2 FROM audit_tail)");
    assert_int_equal(verify(false), 1);
    assert_told("of the tail are missing");
    assert_told("events between");
    behind("DELETE FROM audit_tail WHERE seq < (SELECT max(seq) FROM audit_tail)");
    assert_int_equal(verify(false), 1);
    assert_told("events between");
    behind("DELETE FROM audit_tail");
    assert_int_equal(verify(false), 1);
    assert_told("the newest events of the tail are missing");
}

/* A row's word for where a month ends is not looked through, neither by the verifier nor by lists. */
static void
a_forged_end_of_a_month_is_told_once(void **state)
{
    struct audit_query q = query(0);
    (void)state;
    two_months(200);
    behind_month(0,
                 "UPDATE audit_range SET next = next + 4194304 WHERE tenant_id = 0 AND next = 300");
    for (int deep = 0; deep < 2; deep++) {
        assert_in_range(verify(deep), 1, 20);
        assert_told("are missing");
    }
    behind_month(
        0, "UPDATE audit_range SET next = next + 4290772992 WHERE tenant_id = 0 AND next > 300");
    q.q = S("of workspace");
    assert_int_equal(listed_in_a_hurry(q), 300);
}

/* By dates, which are looked for among the events; and out of time, behind one that is there no more. */
static void
a_list_goes_on_past_missing_events(void **state)
{
    struct audit_query q = query(0);
    (void)state;
    two_months(200);
    behind_month(0, "DELETE FROM audit_event WHERE tenant_id = 0 AND idx >= 240 AND idx < 280");
    q.from = t.app.simulated_now - USEC_PER_DAY;
    q.to = t.app.simulated_now + USEC_PER_DAY;
    q.limit = 1000;
    assert_int_equal(list(q).n, 60);
    q.ascending = true;
    assert_int_equal(list(q).n, 60);
    q = query(0);
    q.q = S("workspace 0");
    q.limit = 1;
    assert_int_equal(listed_in_a_hurry(q), 260);
}

static bool
pace_stops(void *arg, const struct verify_place *at, int64_t events)
{
    (void)at;
    return ++*(int *)arg < 2 && events > 0;
}

static void
a_walk_stops_when_told(void **state)
{
    struct cx cx = context(0);
    struct verify_result res;
    int calls = 0;
    (void)state;
    two_months(700);
    struct verify_options o = {.deep = true, .tell = tell, .pace = pace_stops, .arg = &calls};
    told = buf_in(t.a, 65536);
    assert_int_equal(audit_verify(&cx, &o, &res), OK);
    assert_true(res.stopped);
    assert_int_equal(calls, 2);
}

/* ---- everything rewritten ---- */

struct rewriting {
    struct tree_edge edge;
    struct buf *sql; /* nodes */
};

static enum err
put_node_again(void *arg, int level, int64_t n, const struct sha256 *h)
{
    struct rewriting *r = arg;
    buf_fmt(r->sql,
            "UPDATE audit_node SET hash = %s WHERE tenant_id = 0 AND level = %d AND n = %lld;",
            bytes(sha256_str(h)), level, (long long)n);
    return OK;
}

/* All leaf entries of workspace 0's log, one of them exchanged. */
static void
make_again(struct rewriting *r, int64_t size, int64_t index, const struct sha256 *leaf)
{
    struct cx cx = context(0);
    struct str *v = NULL;
    r->sql = buf_in(t.a, (size_t)4 << 20);
    assert_int_equal(audit_entries(&cx, (struct log_id){0, 0}, 0, (int)size, &v), OK);
    for (int64_t i = 0; i < size; i++) {
        struct str entry = i == index ? sha256_str(leaf) : v[i];
        struct sha256 h = tree_leaf_hash(entry);
        assert_int_equal(tree_edge_push(&r->edge, &h, put_node_again, r), OK);
    }
}

struct parts {
    int64_t index;
    struct str pub, salt, personal;
};

static const struct sql get_parts =
    SQL_READ("SELECT e.public, p.salt, p.personal FROM audit_event e JOIN audit_personal p"
             " ON p.tenant_id = e.tenant_id AND p.epoch = e.epoch AND p.idx = e.idx"
             " WHERE e.tenant_id = 0 AND e.idx = $1");

static enum err
read_parts(struct db_tx *tx, void *arg)
{
    struct parts *p = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &get_parts, ARGS(V_INT(p->index)), &q));
    p->pub = db_bytes_keep(q, 0);
    p->salt = db_bytes_keep(q, 1);
    p->personal = db_bytes_keep(q, 2);
    db_rows_end(q);
    return OK;
}

/* Somebody who has store and keys rewrites an event of the newest month and everything that follows
 * from it; signs too, if he can. */
static void
rewrite(int64_t index, bool sign)
{
    struct cx cx = context(0);
    struct audit_head h;
    struct parts p = {.index = index};
    struct record rec = {0};
    struct rewriting r = {0};
    struct buf *personal = buf_in(t.a, 65536);
    assert_int_equal(audit_head_get(&cx, 0, 0, &h), OK);
    int32_t month = month_ordinal(t.app.simulated_now);
    struct segment *s = t.kind == DB_SQLITE ? segment_pin(t.app.audit, month) : NULL;
    assert_int_equal(db_read(s ? s->db : t.app.db, t.a, read_parts, &p), OK);
    segment_unpin(t.app.audit, s);
    assert_int_equal(record_get_personal(t.a, p.personal, &rec), OK);
    rec.e.text = S("nothing to see here");
    record_put_personal(personal, &rec);
    struct sha256 leaf = record_leaf(p.pub, p.salt, buf_view(personal));
    make_again(&r, h.size, index, &leaf);
    const char *edge = bytes(tree_edge_bytes(t.a, &r.edge));
    behind_month(0,
                 text("UPDATE audit_personal SET personal = %s WHERE tenant_id = 0 AND idx = %lld;"
                      "UPDATE audit_event SET leaf = %s WHERE tenant_id = 0 AND idx = %lld;"
                      "UPDATE audit_range SET edge = %s WHERE tenant_id = 0 AND next = %lld",
                      bytes(buf_view(personal)), (long long)index, bytes(sha256_str(&leaf)),
                      (long long)index, edge, (long long)h.size));
    for (int back = 0; back < 2; back++)
        if (r.sql->n > 0)
            behind_month(back, arena_cstr(t.a, buf_view(r.sql)));
    behind(text("UPDATE audit_log SET edge = %s WHERE tenant_id = 0 AND epoch = 0", edge));
    if (!sign)
        return;
    struct sha256 root = tree_edge_root(&r.edge);
    struct str note =
        sign_text(t.app.audit, t.a, h.origin, checkpoint_text(t.a, h.origin, h.size, &root));
    behind(text("UPDATE audit_head SET root = %s, note = '%.*s' WHERE tenant_id = 0",
                bytes(sha256_str(&root)), STR_ARG(note)));
    enum db_kind kind = t.kind;
    t.kind = DB_SQLITE; /* the file of heads is one on both */
    run_on(t.app.audit->heads->db,
           text("UPDATE head SET root = %s, note = '%.*s' WHERE tenant_id = 0",
                bytes(sha256_str(&root)), STR_ARG(note)));
    t.kind = kind;
}

static struct verify_saved
saved_head(void)
{
    struct cx cx = context(0);
    struct audit_head h;
    assert_int_equal(audit_head_get(&cx, 0, 0, &h), OK);
    return (struct verify_saved){.name = S("the checkpoint on paper"),
                                 .origin = arena_str(t.a, h.origin),
                                 .size = h.size,
                                 .root = h.root};
}

static void
rewritten_up_to_the_edge_the_heads_tell(void **state)
{
    (void)state;
    two_months(700);
    rewrite(900, false);
    restart();
    assert_true(verify(false) > 0);
    assert_told("the published checkpoint of 1050 events has another root");
    assert_told("that this server remembers");
    assert_true(verify(true) > 0);
    /* Asked about one workspace's log, it tells of that one. */
    struct verify_result res;
    assert_true(verify_with((struct verify_options){.one = true, .tenant_id = 0}, &res) > 0);
    assert_int_equal(verify_with((struct verify_options){.one = true, .tenant_id = 3}, &res), 0);
}

/* The attack is whole: nothing inside can tell. What was written down before can. */
static void
signed_again_a_kept_checkpoint_tells(void **state)
{
    struct verify_result res;
    (void)state;
    two_months(700);
    struct verify_saved saved = saved_head();
    struct verify_options o = {.saved = &saved, .n_saved = 1};
    assert_int_equal(verify_with(o, &res), 0);
    rewrite(900, true);
    restart();
    assert_sound();
    assert_true(verify_with(o, &res) > 0);
    assert_told("the checkpoint on paper of 1050 events has another root");
}

static void
cut_off_and_signed_again_a_kept_checkpoint_tells(void **state)
{
    struct verify_result res;
    struct rewriting r = {0};
    struct cx cx = context(0);
    struct audit_head before;
    (void)state;
    two_months(700);
    assert_int_equal(audit_head_get(&cx, 0, 0, &before), OK);
    fill(0, 5);
    struct verify_saved saved = saved_head();
    struct verify_options o = {.saved = &saved, .n_saved = 1};
    assert_int_equal(verify_with(o, &res), 0);
    make_again(&r, before.size, -1, NULL);
    long long n = (long long)before.size;
    const char *edge = bytes(tree_edge_bytes(t.a, &r.edge));
    behind_month(
        0, text("DELETE FROM audit_event WHERE tenant_id = 0 AND idx >= %lld;"
                "DELETE FROM audit_personal WHERE tenant_id = 0 AND idx >= %lld;"
                "DELETE FROM audit_party WHERE tenant_id = 0 AND idx >= %lld;"
                "UPDATE audit_range SET next = %lld, edge = %s WHERE tenant_id = 0 AND next > %lld",
                n, n, n, n, edge, n));
    behind(text("UPDATE audit_log SET size = %lld, edge = %s WHERE tenant_id = 0;"
                "UPDATE audit_head SET size = %lld, root = %s, note = '%.*s' WHERE tenant_id = 0",
                n, edge, n, bytes(sha256_str(&before.root)), STR_ARG(before.note)));
    enum db_kind kind = t.kind;
    t.kind = DB_SQLITE;
    run_on(t.app.audit->heads->db,
           text("UPDATE head SET size = %lld, root = %s, note = '%.*s' WHERE tenant_id = 0", n,
                bytes(sha256_str(&before.root)), STR_ARG(before.note)));
    t.kind = kind;
    restart();
    assert_sound();
    assert_true(verify_with(o, &res) > 0);
    assert_told("the checkpoint on paper is of more events than the log holds");
}

/* The stolen key signs for another store's log: of a checkpoint that never was, nothing is found. */
static void
a_checkpoint_of_another_log_is_told(void **state)
{
    struct verify_result res;
    (void)state;
    two_months(100);
    struct verify_saved saved = saved_head();
    saved.origin = S("celsewhere000000000000000/ctenant00000000000000000a/0");
    struct verify_options o = {.saved = &saved, .n_saved = 1};
    assert_int_equal(verify_with(o, &res), 1);
    assert_told("is of a log that this store does not have");
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end_signed)
#define ALL(kind)                                                                                  \
    ON(kind, a_log_of_months_is_sound),                                                            \
        ON(kind, expired_months_are_sound_and_their_hashes_checked),                               \
        ON(kind, months_that_left_without_a_record_are_missed),                                    \
        ON(kind, epochs_are_sound_and_held_against_their_records),                                 \
        ON(kind, what_is_wrong_is_told_by_its_name), ON(kind, what_is_gone_from_the_tail_is_told), \
        ON(kind, a_forged_end_of_a_month_is_told_once),                                            \
        ON(kind, a_list_goes_on_past_missing_events), ON(kind, a_walk_goes_on_where_it_stopped),   \
        ON(kind, a_walk_stops_when_told), ON(kind, rewritten_up_to_the_edge_the_heads_tell),       \
        ON(kind, signed_again_a_kept_checkpoint_tells),                                            \
        ON(kind, cut_off_and_signed_again_a_kept_checkpoint_tells),                                \
        ON(kind, a_checkpoint_of_another_log_is_told)

MAIN_ON_BOTH("verifying", ALL)
