/* The threads that hash: who goes first, who is turned away, and that everybody gets an answer. */
#include "core/hashing.h"

#include <pthread.h>
#include <stdio.h>

/* cmocka's macro fail() hides the function of the same name: its header comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define JOBS 256

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;       /* whoever is done may go on */
    int n;           /* done so far */
    int order[JOBS]; /* numbers of jobs in the order they were done */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct numbered {
    struct hash_job job;
    int number;
};

static void
done(void *arg)
{
    struct numbered *x = arg;

    pthread_mutex_lock(&gate.lock);
    gate.order[gate.n++] = x->number;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open && x->job.result != HASH_BUSY)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void
wait_for(int n)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.n < n)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void
set_gate(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static int
reset(void **state)
{
    gate.open = false;
    gate.n = 0;
    return 0;
}

static struct numbered *
submit(struct arena *a, struct hashing *h, int number, enum hash_rank rank, const char *against)
{
    struct numbered *x = arena_new(a, struct numbered);

    x->number = number;
    x->job = (struct hash_job){
        .against = against, .plain = S("Quiet"), .rank = rank, .done = done, .arg = x};
    hashing_submit(h, &x->job);
    return x;
}

static void
the_least_suspicious_go_first(void **state)
{
    struct arena *a = arena_create("test", (size_t)1 << 20);
    struct hashing *h = hashing_start(a, 1, 1);
    static const int expected[] = {0, 5, 6, 3, 4, 1, 2};

    submit(a, h, 0, HASH_REST, NULL); /* keeps the only thread until the gate opens */
    wait_for(1);
    submit(a, h, 1, HASH_REST, NULL);
    submit(a, h, 2, HASH_REST, NULL);
    submit(a, h, 3, HASH_FRESH, NULL);
    submit(a, h, 4, HASH_FRESH, NULL);
    submit(a, h, 5, HASH_KNOWN, NULL);
    submit(a, h, 6, HASH_KNOWN, NULL);
    set_gate(true);
    wait_for(7);
    for (int i = 0; i < 7; i++)
        assert_int_equal(gate.order[i], expected[i]);
    arena_free(a);
}

static void
a_full_room_turns_away_at_once(void **state)
{
    struct arena *a = arena_create("test", (size_t)4 << 20);
    struct hashing *h = hashing_start(a, 1, 1);
    struct numbered *x[JOBS / 2];
    struct hashing_stats st;
    int turned = 0, made = 0;

    submit(a, h, -1, HASH_REST, NULL);
    wait_for(1);
    for (int i = 0; i < JOBS / 2; i++)
        x[i] = submit(a, h, i, HASH_REST, NULL);
    /* Those turned away have their answer while the thread is still kept. */
    hashing_stats(h, &st);
    for (int i = 0; i < JOBS / 2; i++)
        turned += i >= st.waiting && x[i]->job.result == HASH_BUSY;
    assert_true(st.waiting > 0 && st.waiting < JOBS / 4);
    assert_int_equal(turned, JOBS / 2 - st.waiting);
    assert_int_equal(st.refused, turned);
    /* Another rank has a room of its own. */
    submit(a, h, JOBS, HASH_FRESH, NULL);
    assert_int_equal(gate.n, 1 + turned);
    set_gate(true);
    wait_for(2 + JOBS / 2);
    for (int i = 0; i < JOBS / 2; i++)
        made += x[i]->job.result == HASH_MADE;
    assert_int_equal(made, st.waiting);
    assert_int_equal(gate.order[1 + turned], JOBS);
    arena_free(a);
}

static void
hashes_are_compared(void **state)
{
    struct arena *a = arena_create("test", (size_t)1 << 20);
    struct hashing *h = hashing_start(a, 2, 1);

    for (int here = 0; here < 2; here++) {
        struct hash_job make = {.plain = S("Quiet")}, right = {.plain = S("Quiet")},
                        wrong = {.plain = S("Loud")};

        hashing_run(here ? NULL : h, &make);
        assert_int_equal(make.result, HASH_MADE);
        assert_memory_equal(make.made, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
        right.against = wrong.against = make.made;
        hashing_run(here ? NULL : h, &right);
        hashing_run(here ? NULL : h, &wrong);
        assert_int_equal(right.result, HASH_MATCHES);
        assert_int_equal(wrong.result, HASH_DIFFERS);
    }
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_least_suspicious_go_first, reset),
        cmocka_unit_test_setup(a_full_room_turns_away_at_once, reset),
        cmocka_unit_test_setup(hashes_are_compared, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
