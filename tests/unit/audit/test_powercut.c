/* A power cut anywhere in recording, moving and trimming, on a disk that has kept what was fsynced and any part of
 * the rest: what was acknowledged is there, no change without its event, no event without its change, no gap.
 * RECOUNT_POWERCUTS says how many, RECOUNT_SEED from where. */
#include "support.h"

#include "../../fault/vfs.h"

#define CUTS        120
#define CHANGES_MAX 4096 /* over all cuts */
#define PER_RUN     24
#define MOVE_EVERY  3

static const struct sql put =
    SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES (0, $1, 'x')");
static const struct sql get =
    SQL_READ("SELECT name FROM setting WHERE tenant_id = 0 ORDER BY name");

static bool acknowledged[CHANGES_MAX], there[CHANGES_MAX];
static int made; /* changes tried so far, over all runs */

static bool
open_faulty(void)
{
    struct str why = STR_NULL;
    struct db_options o = {.url = S("sqlite"), .dir = str_of(t.dir), .readers = 2, .vfs = VFS_NAME};
    struct audit_options ao = {.dir = str_of(t.dir), .readers = 2, .vfs = VFS_NAME};

    if (db_open(t.a, &o, &t.app.db, &why) != OK) {
        t.app.db = NULL;
        return false;
    }
    db_set_commit_check(t.app.db, audit_commit_check);
    return audit_open(&t.app, &ao, &why) == OK;
}

static void
close_all(void)
{
    if (t.app.audit)
        audit_close(&t.app);
    if (t.app.db)
        db_close(t.app.db);
    t.app.db = NULL;
}

static enum err
change_body(struct cx *cx, void *arg)
{
    const struct str *name = arg;
    struct audit_entry e = {.event = EV_SETTING_CHANGED,
                            .target_kind = S("setting"),
                            .target_id = *name,
                            .text = S("A setting was changed")};

    TRY(db_exec(cx->tx, &put, ARGS(V_STR(*name)), NULL));
    return audit_record(cx, &e, NULL);
}

/* Runs until the power goes; a command's way of moving, on this one thread. */
static void
work(void)
{
    for (int i = 0; i < PER_RUN && made < CHANGES_MAX; i++) {
        struct cx cx = context(0);
        struct str name = arena_fmt(t.a, "k%05d", made);

        acknowledged[made] = cx_write(&cx, change_body, &name) == OK;
        made++;
        if (i % MOVE_EVERY == MOVE_EVERY - 1 && audit_move_now(&t.app) != OK && !vfs_is_dark())
            fail_msg("moving fails with the power on: %.*s", STR_ARG(db_last_error()));
    }
}

static enum err
read_settings(struct db_tx *tx, void *arg)
{
    struct db_rows *q;
    enum err e;

    (void)arg;
    memset(there, 0, sizeof there);
    TRY(db_query(tx, &get, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        int64_t n;
        struct str name = db_text(q, 0);

        if (name.n == 6 && name.p[0] == 'k' && str_int64(str_sub(name, 1, 6), &n) == OK)
            there[n] = true;
    }
    return e == ERR_END ? OK : e;
}

static void
judge(void)
{
    struct audit_query q = query(0);
    static int events[CHANGES_MAX];
    int64_t index = 0;
    struct audit_page p;

    memset(events, 0, sizeof events);
    assert_int_equal(db_read(t.app.db, t.a, read_settings, NULL), OK);
    q.ascending = true;
    q.limit = 1000;
    do {
        p = list(q);
        for (size_t i = 0; i < p.n; i++) {
            int64_t n = -1;

            assert_int_equal(p.events[i].index, index++);
            if (str_int64(str_sub(p.events[i].target_id, 1, 6), &n) != OK)
                fail_msg("an event of something else");
            events[n]++;
        }
        q.after = p.next;
    } while (p.more);
    for (int i = 0; i < made; i++) {
        if (acknowledged[i] && !there[i])
            fail_msg("change %d was acknowledged and is gone", i);
        if (events[i] != (there[i] ? 1 : 0))
            fail_msg("change %d: %s, %d events", i, there[i] ? "made" : "not made", events[i]);
    }
}

static int64_t
number(const char *name, int64_t fallback)
{
    const char *s = getenv(name);
    int64_t n;

    return s && str_int64(str_of(s), &n) == OK ? n : fallback;
}

static void
test_power_cuts(void **state)
{
    uint64_t seed = (uint64_t)number("RECOUNT_SEED", 20261123);
    int64_t cuts = number("RECOUNT_POWERCUTS", CUTS), dark = 0;

    (void)state;
    print_message("RECOUNT_SEED=%llu\n", (unsigned long long)seed);
    for (int64_t i = 0; i < cuts; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        close_all();
        vfs_reset();
        assert_true(open_faulty());
        vfs_powercut_after(1 + (int64_t)(seed >> 33) % 200, i % 3 == 0 ? 0 : seed | 1);
        work();
        dark += vfs_is_dark();
        close_all();
        vfs_reset();
        if (!open_faulty())
            fail_msg("after cut %d the store does not open: %.*s", (int)i,
                     STR_ARG(db_last_error()));
        move();
        judge();
        if (made + PER_RUN > CHANGES_MAX)
            break;
    }
    print_message("%d cuts, %d changes tried\n", (int)dark, made);
    assert_true(dark > cuts / 4);
}

static int
begin_faulty(void **state)
{
    vfs_register();
    return begin_sqlite(state);
}

static int
end_faulty(void **state)
{
    return end(state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_power_cuts, begin_faulty, end_faulty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
