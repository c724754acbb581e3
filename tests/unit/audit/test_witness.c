/* The witness: every answer it gives, what it remembers over a restart, and that a thousand racing
 * requests never take its memory back. */
#include "tree_reference.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/witness.h"
#include "base/clock.h"
#include "base/text.h"

#define NOW    INT64_C(1753790000000000) /* µs */
#define ORIGIN "log.example/one"

static char folder[64];
static struct witness *w;
static struct note_signer log_key, other_key;

static struct note_signer
signer(const char *name, uint8_t type, char seed)
{
    char bytes[32];

    memset(bytes, seed, sizeof bytes);
    return note_signer_of(str_of(name), type, str_mem(bytes, sizeof bytes));
}

static struct str
logs(struct arena *a)
{
    struct str one = note_vkey(a, &log_key.key), other = note_vkey(a, &other_key.key);

    return arena_fmt(a, "# logs\n\n%.*s\r\n %.*s", STR_ARG(one), STR_ARG(other));
}

static enum err
open_as(struct arena *a, struct str text, const char *name, char seed, struct str *why)
{
    char *bytes = arena_alloc(a, 32, 1);
    struct witness_options o = {
        .path = arena_fmt(a, "%s/witness.db", folder), .logs = text, .name = str_of(name)};

    memset(bytes, seed, 32);
    o.seed = str_mem(bytes, 32);
    return witness_open(a, &o, &w, why);
}

static int
setup(void **state)
{
    struct str why;

    make_leaves(state);
    n_marked = 0;
    (void)snprintf(folder, sizeof folder, "/tmp/recount-witness-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    log_key = signer(ORIGIN, NOTE_ED25519, 1);
    other_key = signer("log.example/two", NOTE_ED25519, 2);
    return open_as(*state, logs(*state), NULL, 9, &why) == OK ? 0 : -1;
}

static int
teardown(void **state)
{
    char path[128];
    static const char *const names[] = {"witness.db", "witness.db-wal", "witness.db-shm"};

    witness_close(w);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    return arena_teardown(state);
}

static struct str
note_of(struct arena *a, const struct note_signer *s, struct str origin, int64_t size,
        const struct sha256 *root)
{
    return note_sign(a, checkpoint_text(a, origin, size, root), s, 1);
}

/* The request that takes the witness from `old` to `size` of the dense tree. */
static struct str
request(struct arena *a, int64_t old, int64_t size)
{
    struct sha256 root = naive_root(0, size);
    struct tree_proof p = {0};

    if (old <= size)
        assert_ok(tree_consistency(SOURCE(size), old, size, &p));
    return witness_request_text(a, old, &p, note_of(a, &log_key, S(ORIGIN), size, &root));
}

static void
expect(struct arena *a, struct str body, int status, const char *says)
{
    struct witness_answer x = witness_add(w, a, body, NOW);

    assert_int_equal(x.status, status);
    if (status == 409)
        assert_str(x.type, S("text/x.tlog.size"));
    else
        assert_str(x.type, S("text/plain; charset=utf-8"));
    if (says != NULL)
        assert_str(x.body, str_of(says));
}

static struct str
last(struct arena *a)
{
    struct sha256 h = sha256_of(S(ORIGIN));
    struct str note;

    if (witness_last(w, a, hex_in(a, sha256_str(&h)), &note) != OK)
        return STR_NULL;
    return note;
}

static int64_t
last_size(struct arena *a)
{
    struct checkpoint c;
    struct note n;

    assert_ok(note_parse(a, last(a), &n));
    assert_ok(checkpoint_parse(n.text, &c));
    return c.size;
}

static struct note_key
own_key(struct arena *a)
{
    struct note_key k;

    assert_ok(note_vkey_parse(a, witness_vkey(w), &k));
    return k;
}

static void
test_accepts(void **state)
{
    struct arena *a = *state;
    struct note_key mine = own_key(a);
    struct sha256 root = naive_root(0, 5);
    struct witness_answer x;
    struct note n;
    int64_t when = 0;

    assert_int_equal(mine.type, NOTE_COSIGNER);
    assert_true(str_has_prefix(mine.name, S("witness-")));
    assert_int_equal(witness_logs(w), 2);
    assert_true(str_is_null(last(a)));
    x = witness_add(w, a, request(a, 0, 5), NOW);
    assert_int_equal(x.status, 200);
    /* Appended to the checkpoint the answer is a cosigned one, at that time. */
    struct str whole = note_of(a, &log_key, S(ORIGIN), 5, &root);
    whole = arena_fmt(a, "%.*s%.*s", STR_ARG(whole), STR_ARG(x.body));
    assert_ok(note_parse(a, whole, &n));
    assert_int_equal(note_check(&n, &mine, &when), NOTE_GOOD);
    assert_int_equal(when, NOW);
    assert_str(last(a), whole);
    for (int64_t old = 5, size; old < 2000; old = size) {
        size = old + 1 + old % 97;
        expect(a, request(a, old, size), 200, NULL);
        assert_int_equal(last_size(a), size);
    }
}

/* The same size again is cosigned again, with the time of now. */
static void
test_same_again(void **state)
{
    struct arena *a = *state;
    struct note_key mine = own_key(a);
    struct note n;
    int64_t when = 0;

    expect(a, request(a, 0, 7), 200, NULL);
    assert_int_equal(witness_add(w, a, request(a, 7, 7), NOW + 60 * USEC_PER_SEC).status, 200);
    assert_ok(note_parse(a, last(a), &n));
    assert_int_equal(note_check(&n, &mine, &when), NOTE_GOOD);
    assert_int_equal(when, NOW + 60 * USEC_PER_SEC);
    expect(a, request(a, 0, 0), 409, "7\n");
}

static void
test_empty_log(void **state)
{
    struct arena *a = *state;
    struct sha256 wrong = naive_root(0, 1);
    struct tree_proof none = {0};

    expect(a, witness_request_text(a, 0, &none, note_of(a, &log_key, S(ORIGIN), 0, &wrong)), 409,
           "0\n");
    expect(a, request(a, 0, 0), 200, NULL);
    expect(a, request(a, 0, 3), 200, NULL);
}

static void
test_refuses(void **state)
{
    struct arena *a = *state;
    struct tree_proof p = {0};
    struct sha256 root = naive_root(0, 9), forged = naive_root(1, 10);
    struct note_signer stranger = signer(ORIGIN, NOTE_ED25519, 3),
                       unknown = signer("log.example/three", NOTE_ED25519, 1);
    struct str whole;

    expect(a, request(a, 0, 6), 200, NULL);
    /* 400 */
    expect(a, S(""), 400, NULL);
    expect(a, S("old 6\n\n"), 400, NULL);
    expect(a, str_sub(request(a, 6, 9), 1, SIZE_MAX), 400, NULL);
    expect(a, request(a, 7, 6), 400, "the old size is larger than the checkpoint's\n");
    /* 404: known names only, whatever the key */
    expect(a,
           witness_request_text(a, 0, &p, note_of(a, &unknown, S("log.example/three"), 9, &root)),
           404, NULL);
    /* 403: nobody's, another's and a forged signature; a good one does not heal a forged one */
    assert_ok(tree_consistency(SOURCE(9), 6, 9, &p));
    expect(a, witness_request_text(a, 6, &p, note_of(a, &stranger, S(ORIGIN), 9, &root)), 403,
           NULL);
    expect(a, witness_request_text(a, 6, &p, note_of(a, &other_key, S(ORIGIN), 9, &root)), 403,
           NULL);
    whole = note_of(a, &log_key, S(ORIGIN), 9, &root);
    struct str bad = note_sig_line(a, &log_key, str_mem(forged.b, 32));
    expect(a,
           witness_request_text(a, 6, &p, arena_fmt(a, "%.*s%.*s", STR_ARG(whole), STR_ARG(bad))),
           403, NULL);
    /* 409: where it is */
    expect(a, request(a, 0, 9), 409, "6\n");
    expect(a, request(a, 5, 9), 409, "6\n");
    expect(a, request(a, 7, 9), 409, "6\n");
    expect(a, request(a, 5, 6), 409, "6\n");
    /* 409: another root of the same size */
    root = naive_root(1, 7);
    p.n = 0;
    expect(a, witness_request_text(a, 6, &p, note_of(a, &log_key, S(ORIGIN), 6, &root)), 409,
           "6\n");
    /* 422: a log that was rewritten, with a proof that fits its own tree only; no proof; one too long */
    assert_ok(tree_consistency(SOURCE(9), 6, 9, &p));
    expect(a, witness_request_text(a, 6, &p, note_of(a, &log_key, S(ORIGIN), 9, &forged)), 422,
           NULL);
    root = naive_root(0, 9);
    p.h[p.n++] = root;
    expect(a, witness_request_text(a, 6, &p, whole), 422, NULL);
    p.n = 0;
    expect(a, witness_request_text(a, 6, &p, whole), 422, NULL);
    /* 413, from the first byte that is too much */
    expect(a, str_mem(arena_alloc(a, WITNESS_REQUEST_MAX, 1), WITNESS_REQUEST_MAX), 400, NULL);
    expect(a, str_mem(arena_alloc(a, WITNESS_REQUEST_MAX + 1, 1), WITNESS_REQUEST_MAX + 1), 413,
           NULL);
    /* and after all this it is where it was */
    assert_int_equal(last_size(a), 6);
    expect(a, request(a, 6, 9), 200, NULL);
}

/* Lines of keys that it does not know are neither checked nor handed on. */
static void
test_foreign_lines(void **state)
{
    struct arena *a = *state;
    struct note_signer stranger = signer("stranger", NOTE_ED25519, 4);
    struct sha256 root = naive_root(0, 4);
    struct str whole = note_of(a, &log_key, S(ORIGIN), 4, &root);
    struct str line = note_sig_line(a, &stranger, S("whatever it is"));
    struct tree_proof none = {0};
    struct note n;

    expect(
        a,
        witness_request_text(a, 0, &none, arena_fmt(a, "%.*s%.*s", STR_ARG(whole), STR_ARG(line))),
        200, NULL);
    assert_ok(note_parse(a, last(a), &n));
    assert_int_equal(n.n_sigs, 2);
    assert_false(str_contains(n.whole, S("stranger")));
}

static void
test_restart(void **state)
{
    struct arena *a = *state;
    struct str key = witness_vkey(w), before, why = STR_NULL;

    expect(a, request(a, 0, 11), 200, NULL);
    before = last(a);
    witness_close(w);
    assert_ok(open_as(a, logs(a), NULL, 9, &why));
    assert_str(witness_vkey(w), key);
    assert_str(last(a), before);
    expect(a, request(a, 0, 20), 409, "11\n");
    expect(a, request(a, 11, 20), 200, NULL);
    /* Another key or another name is another witness. */
    witness_close(w);
    assert_int_equal(open_as(a, logs(a), NULL, 8, &why), ERR_CONFLICT);
    assert_true(str_contains(why, key));
    assert_int_equal(open_as(a, logs(a), "auditor.example", 9, &why), ERR_CONFLICT);
    assert_int_equal(open_as(a, logs(a), "two words", 9, &why), ERR_INVALID);
    /* A log that is no longer in the list is not answered for, and not forgotten. */
    assert_ok(open_as(a, note_vkey(a, &other_key.key), NULL, 9, &why));
    expect(a, request(a, 20, 21), 404, NULL);
    assert_true(str_is_null(last(a)));
    witness_close(w);
    assert_ok(open_as(a, logs(a), NULL, 9, &why));
    assert_int_equal(last_size(a), 20);
}

static void
test_list_of_logs(void **state)
{
    struct arena *a = *state;
    struct note_signer cosigner = signer("c", NOTE_COSIGNER, 5);
    struct str why, good = note_vkey(a, &log_key.key);
    struct str wrong[] = {S("nonsense"), note_vkey(a, &cosigner.key), str_sub(good, 0, good.n - 1),
                          good};

    witness_close(w);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        why = STR_NULL;
        assert_int_equal(
            open_as(a, arena_fmt(a, "# one\n%.*s\n%.*s\n", STR_ARG(good), STR_ARG(wrong[i])), NULL,
                    9, &why),
            ERR_INVALID);
        assert_true(str_has_prefix(why, S("line 3 of the logs: ")));
    }
    assert_ok(open_as(a, S(""), NULL, 9, &why));
    expect(a, request(a, 0, 1), 404, NULL);
}

/* Sixteen keys of one log, 4,096 logs, and none more of either. */
static void
test_long_lists(void **state)
{
    struct arena *a = *state;
    struct str key = note_vkey(a, &log_key.key), why = STR_NULL;
    struct buf *keys = buf_in(a, 1 << 12), *many = buf_in(a, 1 << 20);
    struct note_signer s;

    for (char i = 1; i <= 16; i++) {
        s = signer(ORIGIN, NOTE_ED25519, (char)(20 + i));
        buf_fmt(keys, "%.*s\n", STR_ARG(note_vkey(a, &s.key)));
    }
    assert_ok(witness_watch(w, a, buf_view(keys), &why));
    assert_int_equal(witness_logs(w), 1);
    assert_int_equal(
        witness_watch(w, a, arena_fmt(a, "%.*s%.*s\n", STR_ARG(buf_view(keys)), STR_ARG(key)),
                      &why),
        ERR_INVALID);
    assert_str(why, S("line 17 of the logs: too many keys of one log"));

    for (int i = 0; i < WITNESS_LOGS_MAX; i++) {
        s.key.name = arena_fmt(a, "log.example/%d", i);
        s.key.id = note_key_id(s.key.name, s.key.type, str_mem(s.key.pub, sizeof s.key.pub));
        buf_fmt(many, "%.*s\n", STR_ARG(note_vkey(a, &s.key)));
    }
    buf_str(many, key);
    assert_int_equal(witness_watch(w, a, buf_view(many), &why), ERR_INVALID);
    assert_str(why, S("line 4097 of the logs: too many logs")); /* so 4,096 were not */
    assert_int_equal(witness_logs(w), 1);                       /* what was there stays */
}

/* ---- races ---- */

#define THREADS 8
#define CALLS   125 /* of each: a thousand in all */
#define SIZES   600

static struct str race_note[SIZES + 1];
static struct {
    int64_t old, size;
} accepted[THREADS * CALLS];
static atomic_int n_accepted, n_refused, n_wrong;

static void
one_call(struct arena *a, unsigned *random, int64_t *known)
{
    struct tree_proof p = {0};
    int64_t old = *known, size, now;
    struct witness_answer x;
    int i;

    if (rand_r(random) % 8 == 0) /* stale: as a request that was long under way */
        old = rand_r(random) % (old + 1);
    size = old + rand_r(random) % 4;
    size = size > SIZES ? SIZES : size;
    if (tree_consistency(SOURCE(size), old, size, &p) != OK)
        atomic_fetch_add(&n_wrong, 1);
    x = witness_add(w, a, witness_request_text(a, old, &p, race_note[size]), NOW);
    if (x.status == 200) {
        i = atomic_fetch_add(&n_accepted, 1);
        accepted[i].old = old;
        accepted[i].size = size;
        now = size;
    } else if (x.status == 409 && str_int64(str_trim(x.body), &now) == OK) {
        atomic_fetch_add(&n_refused, 1);
    } else {
        atomic_fetch_add(&n_wrong, 1);
        return;
    }
    /* What a thread has seen is never taken back. */
    if (now < *known || (!str_is_null(last(a)) && last_size(a) < now))
        atomic_fetch_add(&n_wrong, 1);
    *known = now;
}

static void *
race(void *arg)
{
    unsigned random = *(unsigned *)arg;
    int64_t known = 0;

    for (int i = 0; i < CALLS; i++) {
        struct arena *a = arena_create("race", TEST_ARENA_MAX);

        one_call(a, &random, &known);
        arena_free(a);
    }
    return NULL;
}

static int
by_old(const void *x, const void *y)
{
    const int64_t *a = x, *b = y; /* old, size */
    int c = (a[0] > b[0]) - (a[0] < b[0]);

    return c != 0 ? c : (a[1] > b[1]) - (a[1] < b[1]);
}

static void
test_races(void **state)
{
    struct arena *a = *state;
    pthread_t thread[THREADS];
    unsigned seed[THREADS];
    int64_t at = 0;

    for (int64_t i = 0; i <= SIZES; i++) {
        struct sha256 root = naive_root(0, i);

        race_note[i] = note_of(a, &log_key, S(ORIGIN), i, &root);
    }
    atomic_store(&n_accepted, 0);
    for (unsigned i = 0; i < THREADS; i++) {
        seed[i] = 17 * i + 1;
        assert_int_equal(pthread_create(&thread[i], NULL, race, &seed[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(atomic_load(&n_wrong), 0);
    assert_int_equal(atomic_load(&n_accepted) + atomic_load(&n_refused), THREADS * CALLS);
    assert_true(atomic_load(&n_refused) > 0); /* they did race */
    /* All that was cosigned is one chain: no two steps begin at the same size. */
    qsort(accepted, (size_t)atomic_load(&n_accepted), sizeof accepted[0], by_old);
    for (int i = 0; i < atomic_load(&n_accepted); i++) {
        assert_int_equal(accepted[i].old, at);
        at = accepted[i].size;
    }
    assert_int_equal(last_size(a), at);
    assert_true(at > 50);
}

#define WITNESS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITNESS_TEST(test_accepts),       WITNESS_TEST(test_same_again),
        WITNESS_TEST(test_empty_log),     WITNESS_TEST(test_refuses),
        WITNESS_TEST(test_foreign_lines), WITNESS_TEST(test_restart),
        WITNESS_TEST(test_list_of_logs),  WITNESS_TEST(test_long_lists),
        WITNESS_TEST(test_races),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
