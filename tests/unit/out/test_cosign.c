/* The quorum of a policy, judged on what is stored of each witness: signatures, not columns. */
#include <string.h>

#include "base/buf.h"
#include "out/cosign.h"

#include "../base/support.h" /* cmocka takes the name fail */

#define NOW      INT64_C(1795428000000000)
#define HOURS(n) ((n)*USEC_PER_HOUR)

struct world {
    struct arena *a;
    struct cx cx;
    struct note_signer log, w[3];
    struct cosign_view v;
    struct cosign_status s[3];
    struct audit_head head;
    struct cosign_quorum q;
};

static struct note_signer
signer(const char *name, uint8_t type, char seed)
{
    char bytes[32];

    memset(bytes, seed, sizeof bytes);
    return note_signer_of(str_of(name), type, str_mem(bytes, sizeof bytes));
}

/* Witnesses A, B and C; the lines behind them say what the quorum is. */
static struct world *
world(struct arena *a, const char *lines)
{
    static const char *const names[] = {"a.example", "b.example", "c.example"};
    struct world *x = arena_new(a, struct world);
    struct buf *b = buf_in(a, 1 << 16);
    struct str why = STR_NULL;

    x->a = a;
    x->cx = (struct cx){.arena = a, .now = NOW};
    x->log = signer("log.example", NOTE_ED25519, 'l');
    for (int i = 0; i < 3; i++) {
        x->w[i] = signer(names[i], NOTE_COSIGNER, (char)('a' + i));
        buf_fmt(b, "witness %c %.*s https://w.example\n", 'A' + i,
                STR_ARG(note_vkey(a, &x->w[i].key)));
    }
    buf_cstr(b, lines);
    x->v.text = buf_view(b);
    if (policy_parse(a, x->v.text, &x->v.policy, &why) != OK)
        fail_msg("refused: %.*s", STR_ARG(why));
    x->v.n = policy_witnesses(x->v.policy, &x->v.v);
    x->head = (struct audit_head){.origin = x->log.key.name, .size = 42};
    return x;
}

/* Witness i cosigned the log of this origin at this size and time; `as` signs. */
static void
cosigned(struct world *x, int i, const char *origin, int64_t size, int64_t at,
         const struct note_signer *as)
{
    struct sha256 root = sha256_of(S("root"));
    struct str text = checkpoint_text(x->a, str_of(origin), size, &root);
    struct str note = arena_fmt(x->a, "%.*s%.*s", STR_ARG(note_sign(x->a, text, &x->log, 1)),
                                STR_ARG(checkpoint_cosign(x->a, text, as, at / USEC_PER_SEC)));

    x->s[i].got = (struct audit_cosigned){size, NOW, note}; /* the column says: now */
}

static const struct cosign_quorum *
judged(struct world *x)
{
    cosign_judge(&x->cx, &x->v, x->s, &x->head, NOW - HOURS(24), &x->q);
    return &x->q;
}

static void
test_age(void **state)
{
    struct world *x = world(*state, "group two all A B\nquorum two\n");
    const struct cosign_quorum *q = judged(x);

    assert_false(q->met);
    assert_str(q->text, S("two (2 of 2: A, B)"));
    assert_str(q->missing, S("A has not cosigned; B has not cosigned"));
    assert_int_equal(q->newest, 0);
    cosigned(x, 0, "log.example", 42, NOW - HOURS(1), &x->w[0]);
    cosigned(x, 1, "log.example", 40, NOW - HOURS(24) - USEC_PER_SEC, &x->w[1]);
    q = judged(x);
    assert_false(q->met);
    assert_true(q->counts[0]);
    assert_false(q->counts[1]);
    assert_false(q->named[2]);
    assert_int_equal(q->newest, NOW - HOURS(1));
    assert_str(q->missing, S("B has not cosigned since 2026-11-22T09:59:59.000Z"));
    cosigned(x, 1, "log.example", 40, NOW - HOURS(24), &x->w[1]);
    q = judged(x);
    assert_true(q->met);
    assert_str(q->missing, S(""));
}

/* What whoever has the store could write into it does not count. */
static void
test_forged(void **state)
{
    struct world *x = world(*state, "quorum A\n");

    cosigned(x, 0, "log.example", 42, NOW, &x->w[1]); /* another's signature */
    assert_false(judged(x)->met);
    cosigned(x, 0, "log.example/older", 42, NOW, &x->w[0]); /* of another log */
    assert_false(judged(x)->met);
    cosigned(x, 0, "log.example", 43, NOW, &x->w[0]); /* longer than this one */
    assert_false(judged(x)->met);
    cosigned(x, 0, "log.example", 42, NOW, &x->w[0]);
    x->s[0].got.note = str_sub(x->s[0].got.note, 0, x->s[0].got.note.n - 1);
    assert_false(judged(x)->met);
    cosigned(x, 0, "log.example", 42, NOW, &x->w[0]);
    assert_true(judged(x)->met);
    cosign_judge(&x->cx, &x->v, x->s, NULL, NOW - HOURS(24), &x->q);
    assert_false(x->q.met); /* there is no log yet */
}

static void
test_none(void **state)
{
    struct world *x = world(*state, "quorum none\n");
    struct cosign_view nothing = {0};

    assert_true(judged(x)->met);
    assert_true(x->q.none);
    assert_int_equal(x->q.newest, 0);
    cosign_judge(&x->cx, &nothing, NULL, &x->head, 0, &x->q);
    assert_false(x->q.met);
    assert_true(str_is_null(x->q.text));
}

static void
test_sends(void **state)
{
    struct world *x = world(*state, "quorum none\n");
    struct str why = STR_NULL;

    assert_true(cosign_sends(&x->v, S("any.example")));
    x->v.text = arena_fmt(x->a, "log %.*s\n%.*s", STR_ARG(note_vkey(x->a, &x->log.key)),
                          STR_ARG(x->v.text));
    assert_ok(policy_parse(x->a, x->v.text, &x->v.policy, &why));
    assert_true(cosign_sends(&x->v, S("log.example")));
    assert_false(cosign_sends(&x->v, S("any.example")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {ARENA_TEST(test_age), ARENA_TEST(test_forged),
                                       ARENA_TEST(test_none), ARENA_TEST(test_sends)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
