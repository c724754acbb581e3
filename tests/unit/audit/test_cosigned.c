/* What the store holds of cosignatures, on both stores: which heads wait, what becomes of a line whose
 * head has grown, and whose turn it is to send. */
#include "support.h"

#include "audit/heads.h"
#include "audit/witness_priv.h"
#include "run/keys.h"

static char keys_dir[96];
static struct note_signer witness, other;
static struct str vkey;

static struct note_signer
signer(const char *name, char seed)
{
    char bytes[32];
    memset(bytes, seed, sizeof bytes);
    return note_signer_of(str_of(name), NOTE_COSIGNER, str_mem(bytes, sizeof bytes));
}

static int
begin_cosigned(enum db_kind kind)
{
    struct str why = STR_NULL;
    if (begin(kind) != 0)
        return -1;
    with_tenants();
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", t.dir);
    assert_int_equal(keys_open(t.a, str_of(keys_dir), true, &t.app.keys, &why), OK);
    t.app.instance = S("cinstance000000000000000a");
    assert_int_equal(audit_heads_open(&t.app, false, &why), OK);
    witness = signer("witness.example", 1);
    other = signer("other.example", 2);
    vkey = note_vkey(t.a, &witness.key);
    return 0;
}

static void
fill(int64_t tenant, int n)
{
    struct cx cx = context(tenant);
    for (int i = 0; i < n; i++)
        record(&cx, (struct audit_entry){.event = EV_USER_UPDATED,
                                         .target_kind = S("user"),
                                         .target_id = S("cuser00000000000000000bob"),
                                         .text = S("a change")});
    move();
    assert_int_equal(audit_sign_now(&t.app), OK);
}

static struct audit_head
head(int64_t tenant)
{
    struct cx cx = context(tenant);
    struct audit_head h;
    assert_int_equal(audit_head_get(&cx, tenant, -1, &h), OK);
    return h;
}

static void
cosign(const struct note_signer *s, const struct audit_head *h, int64_t at)
{
    struct cx cx = context(h->log.tenant_id);
    struct note n;
    assert_int_equal(note_parse(t.a, h->note, &n), OK);
    struct str line = checkpoint_cosign(t.a, n.text, s, at / USEC_PER_SEC);
    assert_int_equal(audit_cosigned_put(&cx, h, &s->key, line, at), OK);
}

static size_t
uncosigned(int64_t since, int64_t after, size_t max, struct audit_uncosigned **v)
{
    struct cx cx = context(0);
    size_t n = 0;
    assert_int_equal(audit_uncosigned(&cx, vkey, since, after, max, v, &n), OK);
    return n;
}

static int64_t
cosigned_at(struct str note, const struct note_signer *s, size_t lines)
{
    struct note n;
    int64_t when = 0;
    assert_int_equal(note_parse(t.a, note, &n), OK);
    assert_int_equal(n.n_sigs, lines);
    return note_check(&n, &s->key, &when) == NOTE_GOOD ? when : -1;
}

struct getting {
    struct audit_cosigned got;
    enum err e;
};

static enum err
get(struct cx *cx, void *arg)
{
    struct getting *g = arg;
    g->e = audit_cosigned_get(cx, cx->tenant.id, vkey, &g->got);
    return OK;
}

static struct getting
stored(int64_t tenant)
{
    struct cx cx = context(tenant);
    struct getting g;
    assert_int_equal(cx_read(&cx, get, &g), OK);
    return g;
}

static void
test_waiting(void **state)
{
    struct audit_uncosigned *v;
    (void)state;
    fill(0, 3);
    fill(3, 5);
    /* the logs of tenants 0 and 3, in this order, from the beginning */
    assert_int_equal(uncosigned(0, INT64_MIN, 10, &v), 2);
    assert_int_equal(v[0].head.log.tenant_id, 0);
    assert_int_equal(v[1].head.log.tenant_id, 3);
    assert_int_equal(v[1].head.size, 5);
    assert_int_equal(v[1].from, 0);
    assert_true(str_eq(v[1].head.note, head(3).note));
    assert_int_equal(uncosigned(0, INT64_MIN, 1, &v), 1);
    assert_int_equal(uncosigned(0, 0, 10, &v), 1);
    assert_int_equal(v[0].head.log.tenant_id, 3);
    struct audit_head h = head(3);
    cosign(&witness, &h, DAY0);
    assert_int_equal(uncosigned(0, INT64_MIN, 10, &v), 1);
    /* again when it was long ago, or has grown: from the size it has */
    assert_int_equal(uncosigned(DAY0, INT64_MIN, 10, &v), 1);
    assert_int_equal(uncosigned(DAY0 + 1, INT64_MIN, 10, &v), 2);
    fill(3, 2);
    assert_int_equal(uncosigned(0, 0, 10, &v), 1);
    assert_int_equal(v[0].from, 5);
    assert_int_equal(v[0].head.size, 7);
    assert_int_equal(v[0].head.cosigned_at, DAY0);
}

static void
test_lines(void **state)
{
    (void)state;
    fill(0, 3);
    assert_int_equal(stored(0).e, ERR_NOT_FOUND);
    struct audit_head h = head(0);
    cosign(&witness, &h, DAY0);
    cosign(&other, &h, DAY0 + 5 * USEC_PER_SEC);
    struct audit_head now = head(0);
    assert_int_equal(cosigned_at(now.note, &witness, 3), DAY0);
    assert_int_equal(cosigned_at(now.note, &other, 3), DAY0 + 5 * USEC_PER_SEC);
    assert_int_equal(now.cosigned_at, DAY0 + 5 * USEC_PER_SEC);
    /* Again: its line is replaced. */
    cosign(&witness, &h, DAY0 + USEC_PER_MIN);
    now = head(0);
    assert_int_equal(cosigned_at(now.note, &witness, 3), DAY0 + USEC_PER_MIN);
    assert_int_equal(cosigned_at(now.note, &other, 3), DAY0 + 5 * USEC_PER_SEC);
    /* What is kept of a witness has its line and the log's alone. */
    struct getting g = stored(0);
    assert_int_equal(g.e, OK);
    assert_int_equal(g.got.size, 3);
    assert_int_equal(cosigned_at(g.got.note, &witness, 2), DAY0 + USEC_PER_MIN);
}

/* A line that comes when its head has grown: the time counts, the line belongs to another checkpoint. */
static void
test_late_line(void **state)
{
    (void)state;
    fill(0, 3);
    struct audit_head old = head(0);
    fill(0, 1);
    cosign(&witness, &old, DAY0);
    struct audit_head now = head(0);
    assert_int_equal(now.size, 4);
    assert_int_equal(cosigned_at(now.note, &witness, 1), -1);
    assert_int_equal(now.cosigned_at, DAY0);
    assert_int_equal(stored(0).got.size, 3);
    cosign(&witness, &now, DAY0 + USEC_PER_SEC);
    assert_int_equal(stored(0).got.size, 4);
    /* one that is older still takes nothing back */
    cosign(&witness, &old, DAY0 + 2 * USEC_PER_SEC);
    struct getting g = stored(0);
    assert_int_equal(g.got.size, 4);
    assert_int_equal(cosigned_at(g.got.note, &witness, 2), DAY0 + USEC_PER_SEC);
    assert_int_equal(cosigned_at(head(0).note, &witness, 2), DAY0 + USEC_PER_SEC);
}

static enum err
turn(const char *process, int64_t now, bool last)
{
    struct cx cx = context(0);
    cx.now = now;
    return audit_cosign_turn(&cx, str_of(process), last);
}

static void
test_turn(void **state)
{
    (void)state;
    assert_int_equal(turn("one", DAY0, false), OK);
    assert_int_equal(turn("two", DAY0 + 1, false), ERR_CONFLICT);
    assert_int_equal(turn("one", DAY0 + AUDIT_TURN_US / 2, false), OK);
    assert_int_equal(turn("two", DAY0 + AUDIT_TURN_US + 1, false), ERR_CONFLICT);
    assert_int_equal(turn("two", DAY0 + 2 * AUDIT_TURN_US, false), OK); /* it ended */
    assert_int_equal(turn("one", DAY0 + 2 * AUDIT_TURN_US, true), ERR_CONFLICT);
    assert_int_equal(turn("two", DAY0 + 2 * AUDIT_TURN_US, true), OK); /* given back */
    assert_int_equal(turn("one", DAY0 + 2 * AUDIT_TURN_US, false), OK);
    assert_int_equal(turn("two", DAY0, false), OK); /* the clock went back: nobody waits for it */
}

/* ---- how a witness stands to a log ---- */

static struct audit_witness
asked(enum audit_witness_state came, const char *why)
{
    struct cx cx = context(0);
    struct audit_witness_asked x = {.log = {0, 0}, .came = came};
    struct audit_witness now = {0};
    enum err e = audit_witness_get(&cx, x.log, vkey, &x.was);
    assert_true(e == OK || e == ERR_NOT_FOUND);
    x.why = why != NULL ? str_of(why) : STR_NULL;
    if (e == ERR_NOT_FOUND)
        x.was = (struct audit_witness){0};
    assert_int_equal(audit_witness_note(&cx, &witness.key, &x, 1, NULL), OK);
    assert_int_equal(audit_witness_get(&cx, x.log, vkey, &now), OK);
    return now;
}

/* Events of the type in the workspace's log. */
static size_t
told(enum event ev)
{
    struct cx cx = context(0);
    struct audit_query q = {.event = ev, .outcome = -1, .after = -1, .before = -1, .limit = 1000};
    struct audit_page page = {0};
    move();
    assert_int_equal(audit_list(&cx, &q, &page), OK);
    return page.n;
}

static void
test_state(void **state)
{
    (void)state;
    fill(0, 1);
    struct audit_witness w = asked(WITNESS_COSIGNS, NULL);
    assert_int_equal(w.state, WITNESS_COSIGNS);
    assert_int_equal(w.good_at, DAY0);
    assert_true(str_is_null(w.why));
    /* Nothing changed: not written for a minute, and then for the time alone. */
    t.app.simulated_now = DAY0 + AUDIT_WITNESS_EVERY - 1;
    assert_int_equal(asked(WITNESS_COSIGNS, NULL).asked_at, DAY0);
    t.app.simulated_now = DAY0 + AUDIT_WITNESS_EVERY;
    w = asked(WITNESS_COSIGNS, NULL);
    assert_int_equal(w.asked_at, DAY0 + AUDIT_WITNESS_EVERY);
    assert_int_equal(w.since, DAY0);
    assert_int_equal(told(EV_WITNESS_RECOVERED), 0);
    /* One failure is kept at once, and told when a second follows; once. */
    int64_t failed = t.app.simulated_now += USEC_PER_SEC;
    w = asked(WITNESS_FAILS, "it answered 503");
    assert_int_equal(w.state, WITNESS_FAILS);
    assert_int_equal(w.since, failed);
    assert_true(str_eq(w.why, S("it answered 503")));
    assert_int_equal(told(EV_WITNESS_FAILS), 0);
    for (int i = 0; i < 5; i++) {
        t.app.simulated_now += USEC_PER_SEC;
        w = asked(WITNESS_FAILS, "it answered 502");
        assert_int_equal(told(EV_WITNESS_FAILS), 1);
    }
    assert_int_equal(w.since, failed);
    assert_int_equal(w.failed_at, failed + USEC_PER_SEC); /* of the write that told it */
    /* Back: told once, and what failed is still known. */
    w = asked(WITNESS_COSIGNS, NULL);
    assert_int_equal(asked(WITNESS_COSIGNS, NULL).state, WITNESS_COSIGNS);
    assert_int_equal(told(EV_WITNESS_RECOVERED), 1);
    assert_true(str_eq(w.why, S("it answered 502")));
}

static void
test_contradiction_stands(void **state)
{
    (void)state;
    fill(0, 1);
    assert_int_equal(asked(WITNESS_CONTRADICTS, "another log").state, WITNESS_CONTRADICTS);
    assert_int_equal(told(EV_WITNESS_CONTRADICTS), 1);
    t.app.simulated_now += AUDIT_WITNESS_EVERY;
    struct audit_witness w = asked(WITNESS_FAILS, "it does not answer");
    assert_int_equal(w.state, WITNESS_CONTRADICTS);
    assert_true(str_eq(w.why, S("another log")));
    assert_int_equal(asked(WITNESS_CONTRADICTS, "another log").state, WITNESS_CONTRADICTS);
    assert_int_equal(told(EV_WITNESS_CONTRADICTS), 1);
    assert_int_equal(told(EV_WITNESS_FAILS), 0);
    restart();
    assert_int_equal(asked(WITNESS_COSIGNS, NULL).state, WITNESS_COSIGNS);
    assert_int_equal(told(EV_WITNESS_RECOVERED), 1);
}

/* A witness that changes its mind with every request fills no log. */
static void
test_flapping(void **state)
{
    (void)state;
    fill(0, 1);
    for (int i = 0; i < 100; i++) {
        t.app.simulated_now += USEC_PER_SEC;
        asked(WITNESS_CONTRADICTS, "another log");
        asked(WITNESS_COSIGNS, NULL);
    }
    asked(WITNESS_CONTRADICTS, "another log");
    assert_int_equal(told(EV_WITNESS_CONTRADICTS) + told(EV_WITNESS_RECOVERED), AUDIT_WITNESS_TOLD);
    /* What holds when the hour is over is told then. */
    t.app.simulated_now += USEC_PER_HOUR;
    asked(WITNESS_CONTRADICTS, "another log");
    assert_int_equal(told(EV_WITNESS_CONTRADICTS) + told(EV_WITNESS_RECOVERED),
                     AUDIT_WITNESS_TOLD + 1);
}

static int
end_cosigned(void **state)
{
    remove_dir(keys_dir);
    return end(state);
}

BOTH_STORES(begin_cosigned)

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_cosigned_##kind, end_cosigned)
#define ALL(kind)                                                                                  \
    ON(kind, test_waiting), ON(kind, test_lines), ON(kind, test_late_line), ON(kind, test_turn),   \
        ON(kind, test_state), ON(kind, test_contradiction_stands), ON(kind, test_flapping)

MAIN_ON_BOTH("cosignatures", ALL)
