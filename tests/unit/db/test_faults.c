/* What a failing disk and a power cut do to a SQLite store: each write, truncation and fsync of a
 * fixed piece of work fails once; the answer is a clean error or success, what was answered with OK
 * is there afterwards, a transaction is there as a whole or not at all, and the file is sound. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../fault/vfs.h"
#include "../tmp.h"
#include "base/log.h"
#include "db/db.h"

#define ROUNDS    12
#define ROW_BYTES 3000 /* so that a round is more than one page */

static char dir[64];
static const char *const names[] = {"recount.db", "recount.db-wal", "recount.db-shm"};

static const struct sql insert = SQL_WRITE("item", "INSERT INTO item (id, data) VALUES ($1, $2)");
static const struct sql insert_twin = SQL_WRITE("twin", "INSERT INTO twin (id) VALUES ($1)");

struct run {
    struct arena *a;
    struct db *db;
    bool answered[ROUNDS]; /* db_write() said OK */
    int round;
};

static void
remove_store(void)
{
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
}

static enum err
open_store(struct run *r)
{
    struct db_options o = {.url = S("sqlite"), .dir = str_of(dir), .readers = 1, .vfs = VFS_NAME};
    struct str why;
    return db_open(r->a, &o, &r->db, &why);
}

static enum err
tables(struct db_tx *tx, void *arg)
{
    (void)arg;
    return db_script(tx, "CREATE TABLE IF NOT EXISTS item (id bigint PRIMARY KEY, data blob);"
                         "CREATE TABLE IF NOT EXISTS twin (id bigint PRIMARY KEY)");
}

/* Two tables, so that half a transaction would show. */
static enum err
one_round(struct db_tx *tx, void *arg)
{
    static const char filler[ROW_BYTES];
    struct run *r = arg;
    TRY(db_exec(tx, &insert, ARGS(V_INT(r->round), V_BYTES(str_mem(filler, ROW_BYTES))), NULL));
    return db_exec(tx, &insert_twin, ARGS(V_INT(r->round)), NULL);
}

/* The piece of work; closing in the middle moves the WAL into the file. */
static void
work(struct run *r)
{
    for (r->round = 0; r->round < ROUNDS; r->round++) {
        if (r->round == ROUNDS / 2) {
            db_close(r->db);
            r->db = NULL;
        }
        if (!r->db && open_store(r) != OK)
            continue;
        enum err e = db_write(r->db, r->a, one_round, r);
        r->answered[r->round] = e == OK;
        if (e != OK)
            assert_true(e == ERR_UNAVAILABLE || e == ERR_DB);
    }
}

static enum err
look(struct db_tx *tx, void *arg)
{
    static const struct sql have = SQL_READ("SELECT count(*) FROM item WHERE id = $1");
    static const struct sql twin = SQL_READ("SELECT count(*) FROM twin WHERE id = $1");
    static const struct sql check = SQL_READ("PRAGMA integrity_check");
    struct run *r = arg;
    struct db_rows *rows = NULL;
    TRY(db_query_one(tx, &check, NO_ARGS, &rows));
    assert_true(str_eq(db_text(rows, 0), S("ok")));
    db_rows_end(rows);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t a = -1, b = -1;
        TRY(db_query_int(tx, &have, ARGS(V_INT(i)), &a));
        TRY(db_query_int(tx, &twin, ARGS(V_INT(i)), &b));
        assert_int_equal(a, b);
        if (r->answered[i])
            assert_int_equal(a, 1);
    }
    return OK;
}

static void
begin_run(struct run *r)
{
    remove_store();
    vfs_reset();
    *r = (struct run){.a = arena_create("run", (size_t)16 << 20)};
    assert_int_equal(open_store(r), OK);
    assert_int_equal(db_write(r->db, r->a, tables, NULL), OK);
}

/* Opens what is left, as the next start of the server does, looks, and writes once more. */
static void
end_run(struct run *r)
{
    db_close(r->db);
    vfs_reset();
    assert_int_equal(open_store(r), OK);
    assert_int_equal(db_read(r->db, r->a, look, r), OK);
    r->round = 1000;
    assert_int_equal(db_write(r->db, r->a, one_round, r), OK);
    db_close(r->db);
    arena_free(r->a);
}

static int
fault_loop(enum vfs_fault how, bool sticky)
{
    int n = 1;
    for (bool met = true; met; n++) {
        struct run r;
        begin_run(&r);
        vfs_fail_nth(n, how, sticky);
        work(&r);
        met = vfs_failed();
        if (!met) {
            for (int i = 0; i < ROUNDS; i++)
                assert_true(r.answered[i]);
        }
        end_run(&r);
    }
    return n;
}

static void
test_io_error_once(void **state)
{
    (void)state;
    assert_true(fault_loop(VFS_FAIL_IOERR, false) > 2 * ROUNDS);
}

static void
test_io_error_lasting(void **state)
{
    (void)state;
    assert_true(fault_loop(VFS_FAIL_IOERR, true) > 2 * ROUNDS);
}

static void
test_disk_full_once(void **state)
{
    (void)state;
    assert_true(fault_loop(VFS_FAIL_FULL, false) > 2 * ROUNDS);
}

static void
test_disk_full_lasting(void **state)
{
    (void)state;
    assert_true(fault_loop(VFS_FAIL_FULL, true) > 2 * ROUNDS);
}

static void
power_loop(uint64_t seed)
{
    bool dark = true;
    for (int n = 1; dark; n++) {
        struct run r;
        begin_run(&r);
        vfs_powercut_after(n, seed ? seed + (uint64_t)n : 0);
        work(&r);
        dark = vfs_is_dark();
        end_run(&r);
    }
}

static void
test_power_cut(void **state)
{
    (void)state;
    power_loop(0);
}

static void
test_power_cut_reordered(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        power_loop(seed * 1000003);
}

static enum err
count_items(struct db_tx *tx, void *out)
{
    static const struct sql q = SQL_READ("SELECT count(*) FROM item");
    return db_query_int(tx, &q, NO_ARGS, out);
}

/* The model itself: a commit whose fsync did not happen is gone. */
static void
test_model_drops_unsynced(void **state)
{
    (void)state;
    struct run r;
    begin_run(&r);
    r.round = 0;
    int64_t before = vfs_operations();
    assert_int_equal(db_write(r.db, r.a, one_round, &r), OK);
    int64_t steps = vfs_operations() - before;
    r.round = 1;
    vfs_powercut_after(steps, 0); /* its last operation is the fsync of the commit */
    assert_int_equal(db_write(r.db, r.a, one_round, &r), ERR_UNAVAILABLE);
    assert_true(vfs_is_dark());
    db_close(r.db);
    vfs_reset();
    assert_int_equal(open_store(&r), OK);
    int64_t n = -1;
    assert_int_equal(db_read(r.db, r.a, count_items, &n), OK);
    assert_int_equal(n, 1);
    db_close(r.db);
    arena_free(r.a);
}

/* ---- a group whose commit fails ---- */

#define MEMBERS 16

struct member {
    pthread_t thread;
    struct arena *a;
    struct db *db;
    int64_t id;
    enum err result;
};

static enum err
member_body(struct db_tx *tx, void *arg)
{
    struct member *m = arg;
    return db_exec(tx, &insert, ARGS(V_INT(m->id), V_NULL), NULL);
}

static void *
member_thread(void *arg)
{
    struct member *m = arg;
    m->result = db_write(m->db, m->a, member_body, m);
    return NULL;
}

static void
group_with_fault(int64_t n)
{
    struct member m[MEMBERS] = {0};
    struct run r;
    int64_t done = 0, found = -1;
    begin_run(&r);
    vfs_fail_nth(n, VFS_FAIL_IOERR, true);
    for (int i = 0; i < MEMBERS; i++) {
        m[i] = (struct member){.a = arena_create("m", (size_t)1 << 20), .db = r.db, .id = i + 1};
        assert_int_equal(pthread_create(&m[i].thread, NULL, member_thread, &m[i]), 0);
    }
    for (int i = 0; i < MEMBERS; i++) {
        pthread_join(m[i].thread, NULL);
        assert_true(m[i].result == OK || m[i].result == ERR_UNAVAILABLE);
        done += m[i].result == OK;
        arena_free(m[i].a);
    }
    vfs_powercut(0); /* nothing may count on what came after the failure */
    db_close(r.db);
    vfs_reset();
    assert_int_equal(open_store(&r), OK);
    assert_int_equal(db_read(r.db, r.a, count_items, &found), OK);
    assert_int_equal(found, done);
    db_close(r.db);
    arena_free(r.a);
}

static void
test_group_commit_fails(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 20; n++)
        group_with_fault(n);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_drops_unsynced), cmocka_unit_test(test_io_error_once),
        cmocka_unit_test(test_io_error_lasting),     cmocka_unit_test(test_disk_full_once),
        cmocka_unit_test(test_disk_full_lasting),    cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_power_cut_reordered),  cmocka_unit_test(test_group_commit_fails),
    };
    if (!temp_dir(dir, sizeof(dir), "recount-fault") || !freopen("/dev/null", "w", stdin))
        return 99;
    vfs_register();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove_store();
    rmdir(dir);
    return failed != 0;
}
