/* A month is dropped step by step: a fault after any step is taken up again by the next look, in the
 * same process or in a new one, and ends in the same state. Writers and readers go on meanwhile. */
#include <pthread.h>

#include "support.h"

#define FIRST_MONTH (month_ordinal(DAY0))

static struct audit_entry
entry(void)
{
    return (struct audit_entry){.event = EV_DISK_LOW, .text = S("something happened")};
}

/* Six months with three events each; the first two have left the window. */
static void
fill(void)
{
    for (int m = 0; m < 7; m++) {
        t.app.simulated_now = month_start(DAY0, m) + USEC_PER_HOUR;
        struct cx cx = context(0);
        for (int i = 0; i < 3; i++)
            record(&cx, entry());
        move();
    }
}

static size_t
months_there(void)
{
    int32_t *v = NULL;
    size_t n = 0;
    assert_int_equal(segment_months(t.app.audit, t.a, &v, &n), OK);
    return n;
}

static int
files_of_month(int32_t month)
{
    char path[128], name[16];
    int n = 0;
    snprintf(path, sizeof path, "%s/audit", t.dir);
    snprintf(name, sizeof name, "%04d-%02d", (int)(month / 12), (int)(month % 12 + 1));
    DIR *d = opendir(path);
    struct dirent *f;
    while (d != NULL && (f = readdir(d)) != NULL)
        n += strncmp(f->d_name, name, 7) == 0;
    if (d != NULL)
        closedir(d);
    return n;
}

static int64_t
tables_of_month(int32_t month)
{
    struct str q = arena_fmt(t.a,
                             "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace ="
                             " (SELECT relnamespace FROM pg_class WHERE oid ="
                             " 'audit_mark'::regclass) AND relname LIKE '%%%04d_%02d'",
                             (int)(month / 12), (int)(month % 12 + 1));
    return ask(t.app.db, q.p);
}

static void
is_clean(void)
{
    struct audit_query q = query(0);
    assert_int_equal(months_there(), 5);
    for (int m = 0; m < 2; m++) {
        if (t.kind == DB_SQLITE)
            assert_int_equal(files_of_month(FIRST_MONTH + m), 0);
        else
            assert_int_equal(tables_of_month(FIRST_MONTH + m), 0);
    }
    q.event = EV_AUDIT_SEGMENT_DROPPED;
    assert_int_equal(list(q).n, 2); /* one event a month, however often it was begun */
    q.event = EVENT_NONE;
    assert_int_equal(list(q).n, 5 * 3 + 2);
    assert_int_equal(audit_newest(&t.app, 0, false), 7 * 3 + 2 - 1);
}

/* A step that fails, or finds its lock taken, comes back later. */
static void
look(void)
{
    bool armed = atomic_load(&t.app.audit->fail_step) > 0;
    for (int i = 0; i < 500; i++) {
        month_check(t.app.audit);
        move();
        if (months_there() == 5 || (armed && atomic_load(&t.app.audit->fail_step) == 0))
            return;
        usleep(10000);
    }
}

static enum err
lease_body(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_WRITE("audit_lease", "DELETE FROM lease");
    tail_own(tx);
    return db_exec(tx, &q, NO_ARGS, NULL);
}

/* The lease of a process that is gone runs out by itself, in ten minutes. */
static void
forget_lease(void)
{
    assert_int_equal(db_write(t.app.db, t.a, lease_body, NULL), OK);
}

static void
a_fault_at_any_step_is_taken_up_again(void **state)
{
    bool failed = true;
    int steps = 0;
    for (int n = 1; failed; n++) {
        if (n > 1) {
            end(NULL);
            begin(t.kind);
        }
        fill();
        atomic_store(&t.app.audit->fail_step, n);
        look();
        failed = atomic_load(&t.app.audit->fail_step) == 0;
        atomic_store(&t.app.audit->fail_step, 0);
        if (n % 2 == 0) {
            restart();
            forget_lease();
        }
        look();
        look();
        is_clean();
        steps = n - 1;
        assert_true(n < 60);
    }
    assert_int_equal(steps, t.kind == DB_SQLITE ? 12 : 2 * (2 * AUDIT_PARTITIONED + 1));
}

/* What is left of a crash between two renames is swept, whatever was renamed last. */
static void
what_was_renamed_is_swept_at_the_next_start(void **state)
{
    if (t.kind != DB_SQLITE)
        skip();
    char path[256];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/audit/2025-0%d%s", t.dir, i + 1,
                 i ? ".index.db-wal" : ".db.gone");
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fseek(f, 40 << 20, SEEK_SET), 0);
        assert_int_equal(fputc('x', f), 'x');
        fclose(f);
    }
    restart();
    look();
    assert_int_equal(files_of_month(2025 * 12), 0);
    assert_int_equal(files_of_month(2025 * 12 + 1), 0);
}

static atomic_bool stop;
static atomic_int written, listed;

static void *
writer(void *arg)
{
    while (!atomic_load(&stop)) {
        struct arena *a = arena_create("writer", (size_t)8 << 20);
        struct cx cx = context(0);
        cx.arena = a;
        struct audit_entry e = entry();
        assert_int_equal(cx_write(&cx, record_body, &e), OK);
        atomic_fetch_add(&written, 1);
        arena_free(a);
        usleep(1000); /* no mover runs here: unpaced, the tail would only grow */
    }
    return NULL;
}

static void *
reader(void *arg)
{
    while (!atomic_load(&stop)) {
        struct arena *a = arena_create("reader", (size_t)8 << 20);
        struct cx cx = context(0);
        struct audit_page p = {0};
        struct audit_query q = query(0);
        cx.arena = a;
        assert_int_equal(audit_list(&cx, &q, &p), OK);
        atomic_fetch_add(&listed, 1);
        arena_free(a);
    }
    return NULL;
}

static void
writers_and_readers_go_on_through_a_drop(void **state)
{
    pthread_t w[3];
    fill();
    atomic_store(&stop, false);
    atomic_store(&written, 0);
    atomic_store(&listed, 0);
    assert_int_equal(pthread_create(&w[0], NULL, writer, NULL), 0);
    assert_int_equal(pthread_create(&w[1], NULL, writer, NULL), 0);
    assert_int_equal(pthread_create(&w[2], NULL, reader, NULL), 0);
    while (atomic_load(&written) < 20 || atomic_load(&listed) < 2)
        usleep(1000);
    month_check(t.app.audit);
    int before = atomic_load(&written), seen = atomic_load(&listed);
    while (atomic_load(&written) < before + 20 || atomic_load(&listed) < seen + 2)
        usleep(1000);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(w[i], NULL);
    move();
    assert_int_equal(months_there(), 5);
    assert_int_equal(audit_newest(&t.app, 0, false), 7 * 3 + 2 + atomic_load(&written) - 1);
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, a_fault_at_any_step_is_taken_up_again),                                               \
        ON(kind, what_was_renamed_is_swept_at_the_next_start),                                     \
        ON(kind, writers_and_readers_go_on_through_a_drop)

MAIN_ON_BOTH("drops", ALL)
