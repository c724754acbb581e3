/* The access state on both stores: whatever sequence of changes happens, what the log implies is what
 * the tables hold, also while others write. */
#include "access_ops.h"

#define STEPS 600

static int done[N_OPS];

/* One operation in its transaction; a refusal changes nothing, which is as good. */
static const char *
step(void)
{
    size_t i = dice(N_OPS);
    struct cx cx = as_process();
    enum err e;

    t.app.simulated_now += USEC_PER_SEC;
    draw_all();
    if (ops[i].run == op_token_new || ops[i].run == op_token_revoke) {
        cx = as_user(&admin, "ADMIN");
        draw.user = admin.user_id;
    }
    e = cx_write(&cx, ops[i].run, NULL);
    if (e == ERR_DB || e == ERR_UNAVAILABLE)
        fail_msg("%s: %s: %.*s / %.*s", ops[i].name, err_name(e), STR_ARG(cx.failure.message),
                 STR_ARG(db_last_error()));
    done[i] += e == OK;
    return ops[i].name;
}

static void
whatever_happens_the_log_implies_what_the_tables_hold(void **state)
{
    const char *env = getenv("RECOUNT_SEED");

    seed = env ? strtoull(env, NULL, 10) : UINT64_C(0x5eed5eed5eed);
    memset(done, 0, sizeof done);
    admin = new_user("admin@example.org", "Alice", "ADMIN");
    same("the start");
    for (int i = 1; i <= STEPS; i++) {
        const char *name = step();

        if (dice(7) == 0)
            move();
        if (i % 5 == 0)
            same(name);
        if (i % 200 == 0) { /* the next month begins with a baseline */
            t.app.simulated_now = month_start(t.app.simulated_now, 1) + USEC_PER_MIN;
            keep_baselines();
            same("a baseline");
        }
    }
    for (size_t i = 0; i < N_OPS; i++) {
        if (done[i] == 0)
            fail_msg("%s never succeeded: the sequence proves nothing about it", ops[i].name);
    }
    assert_int_equal(events(EV_ACCESS_DIFFERS), 0);
    assert_int_equal(baselines(), 1 + STEPS / 200);
}

/* ---- while others write ---- */

#define WRITERS 4
#define ROUNDS  25

struct writer {
    pthread_t thread;
    int64_t user_id, client_id;
    uint64_t state;
    int done;
};
static atomic_bool enough;

/* One of what touches rows that other transactions look at, and what does not. */
static enum err
toggle(struct cx *cx, void *arg)
{
    const struct writer *w = arg;
    struct client_grant g = {0};
    struct client c;
    struct role r;
    struct user u;
    enum err e;

    TRY(user_get(cx, w->user_id, &u));
    TRY(role_find(cx, w->state & 1 ? S("ANALYST") : S("AUDITOR"), &r));
    switch (w->state >> 8 & 3) {
    case 0:
        return user_set_disabled(cx, &u, !u.disabled);
    case 1:
        return w->state & 2 ? role_assign(cx, u.user_id, &r) : role_remove(cx, u.user_id, &r);
    case 2:
        TRY(client_get(cx, w->client_id, &c));
        g.client = &c;
        g.user = &u;
        g.role = &r;
        return client_user_put(cx, &g);
    default:
        TRY(client_get(cx, w->client_id, &c));
        e = client_user_drop(cx, &c, &u);
        return e == ERR_NOT_FOUND ? OK : e;
    }
}

static void *
write_on(void *arg)
{
    struct writer *w = arg;

    while (!atomic_load(&enough)) {
        struct arena *a = arena_create("writer", (size_t)64 << 20);
        struct cx cx = cx_system(&t.app, a, "writer", &tenant);

        w->state = w->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        w->state ^= w->state >> 29;
        w->done += cx_write(&cx, toggle, w) == OK;
        arena_free(a);
    }
    return NULL;
}

static void
events_in_flight_are_no_false_alarm(void **state)
{
    struct writer w[WRITERS] = {0};

    admin = new_user("admin@example.org", "Alice", "ADMIN");
    draw.word = S("Thing 1");
    struct cx cx = as_process();
    RUN(&cx, op_client_create, NULL, OK);
    atomic_store(&enough, false);
    for (int i = 0; i < WRITERS; i++) {
        w[i].user_id = new_user(arena_fmt(t.a, "w%d@example.org", i).p, "Will", "STD_USER").user_id;
        w[i].client_id = pick_id(&CLIENTS);
        w[i].state = (uint64_t)i * 7919 + 17;
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_on, &w[i]), 0);
    for (int i = 0; i < ROUNDS; i++) {
        same("a moment of writing");
        if (i % 3 == 0)
            move();
        if (i % 4 == 0) { /* a baseline among them */
            edit("DELETE FROM setting WHERE name = 'access.baseline'");
            keep_baselines();
        }
    }
    atomic_store(&enough, true);
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_true(w[i].done > 0);
    }
    same("all of it");
    move();
    same("moving all of it");
    assert_int_equal(events(EV_ACCESS_DIFFERS), 0);
    assert_true(baselines() > 5);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_access_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, whatever_happens_the_log_implies_what_the_tables_hold),                               \
        ON(kind, events_in_flight_are_no_false_alarm)

MAIN_ON_BOTH("access", ALL)
