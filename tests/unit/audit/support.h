/* What the tests of the log share: an application around a fresh store (SQLite in a temporary
 * folder; PostgreSQL in a schema of its own when RECOUNT_TEST_PG holds a URL), with a clock the
 * test sets. */
#ifndef TEST_AUDIT_SUPPORT_H
#define TEST_AUDIT_SUPPORT_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/priv.h"
#include "base/rand.h"
#include "base/text.h"

#include "../tmp.h"

#include <cmocka.h>

#define TEN  S("ctenant00000000000000000a")
#define DAY0 INT64_C(1795428000000000) /* 2026-11-23T10:00:00Z */

/* Set-ups of a test for each store, name_sqlite and name_postgres, from one that takes the kind. */
#define BOTH_STORES(name)                                                                          \
    __attribute__((unused)) static int name##_sqlite(void **state)                                 \
    {                                                                                              \
        (void)state;                                                                               \
        return name(DB_SQLITE);                                                                    \
    }                                                                                              \
    __attribute__((unused)) static int name##_postgres(void **state)                               \
    {                                                                                              \
        (void)state;                                                                               \
        return name(DB_POSTGRES);                                                                  \
    }
/* all(kind) lists the tests of a store; PostgreSQL's run where there is a cluster. Gives how many failed. */
#define RUN_ON_BOTH(failed, name, all)                                                             \
    do {                                                                                           \
        const struct CMUnitTest on_sqlite_[] = {all(sqlite)};                                      \
        const struct CMUnitTest on_postgres_[] = {all(postgres)};                                  \
        *(failed) += cmocka_run_group_tests_name(name " on sqlite", on_sqlite_, NULL, NULL);       \
        if (getenv("RECOUNT_TEST_PG") != NULL)                                                     \
            *(failed) +=                                                                           \
                cmocka_run_group_tests_name(name " on postgres", on_postgres_, NULL, NULL);        \
    } while (0)
#define MAIN_ON_BOTH(name, all)                                                                    \
    int main(void)                                                                                 \
    {                                                                                              \
        int failed = 0;                                                                            \
        RUN_ON_BOTH(&failed, name, all);                                                           \
        return failed;                                                                             \
    }

static struct {
    enum db_kind kind;
    char dir[64];
    char url[512];
    struct app app;
    struct arena *a;
} t;

__attribute__((unused)) static enum err
script(struct db_tx *tx, void *text)
{
    return db_script(tx, text);
}

static void
open_store(void)
{
    struct str why = STR_NULL;
    struct db_options o = {.url = t.kind == DB_SQLITE ? S("sqlite") : str_of(t.url),
                           .dir = str_of(t.dir),
                           .readers = 6,
                           .writers = 4};
    if (db_open(t.a, &o, &t.app.db, &why) != OK)
        fail_msg("open: %.*s", STR_ARG(why));
}

static void
open_log(void)
{
    struct str why = STR_NULL;
    struct audit_options o = {.dir = str_of(t.dir), .readers = 4};
    if (audit_open(&t.app, &o, &why) != OK)
        fail_msg("audit_open: %.*s / %.*s", STR_ARG(why), STR_ARG(db_last_error()));
    db_set_commit_check(t.app.db, audit_commit_check);
    db_set_commit_hook(t.app.db, audit_wake, &t.app);
}

static int
begin(enum db_kind kind)
{
    static int serial;
    int from = 0, to = 0;
    struct str why = STR_NULL;
    memset(&t, 0, sizeof t);
    t.kind = kind;
    t.a = arena_create("test", (size_t)2 << 30);
    t.app.arena = t.a;
    t.app.simulated_now = DAY0;
    if (!temp_dir(t.dir, sizeof t.dir, "recount-audit"))
        return -1;
    if (kind == DB_POSTGRES) {
        char text[128];
        const char *url = getenv("RECOUNT_TEST_PG");
        snprintf(t.url, sizeof t.url, "%s", url);
        open_store();
        snprintf(text, sizeof text, "CREATE SCHEMA audit_%d_%d", (int)getpid(), ++serial);
        if (db_write(t.app.db, t.a, script, text) != OK)
            return -1;
        db_close(t.app.db);
        snprintf(t.url, sizeof t.url, "%s%coptions=-csearch_path%%3Daudit_%d_%d", url,
                 strchr(url, '?') ? '&' : '?', (int)getpid(), serial);
    }
    open_store();
    if (db_migrate(t.app.db, t.a, &from, &to, &why) != OK)
        fail_msg("migrate: %.*s / %.*s", STR_ARG(why), STR_ARG(db_last_error()));
    open_log();
    return 0;
}

static void
remove_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *f;
    char name[512];
    if (d == NULL)
        return;
    while ((f = readdir(d)) != NULL) {
        snprintf(name, sizeof name, "%s/%s", path, f->d_name);
        unlink(name);
    }
    closedir(d);
    rmdir(path);
}

BOTH_STORES(begin)

__attribute__((unused)) static int
end(void **state)
{
    char path[128];
    audit_close(&t.app);
    db_close(t.app.db);
    snprintf(path, sizeof path, "%s/audit", t.dir);
    remove_dir(path);
    remove_dir(t.dir);
    arena_free(t.a);
    return 0;
}

/* A new process on the same store. */
__attribute__((unused)) static void
restart(void)
{
    audit_close(&t.app);
    db_close(t.app.db);
    open_store();
    open_log();
}

__attribute__((unused)) static struct cx
context(int64_t tenant)
{
    return (struct cx){.app = &t.app,
                       .arena = t.a,
                       .tenant = {true, tenant, TEN},
                       .actor = {ACTOR_USER, 7, S("cuser0000000000000000alice"), S("Alice Archer"),
                                 S("alice@example.org"), S("csession00000000000000001")},
                       .address = S("203.0.113.9"),
                       .user_agent = S("Browser/1.0"),
                       .request_id = S("req-1"),
                       .now = app_now(&t.app)};
}

static enum err
record_body(struct cx *cx, void *arg)
{
    return audit_record(cx, arg, NULL);
}

__attribute__((unused)) static void
record(struct cx *cx, struct audit_entry e)
{
    enum err r = cx_write(cx, record_body, &e);
    if (r != OK)
        fail_msg("record: %s: %.*s", err_name(r), STR_ARG(db_last_error()));
}

__attribute__((unused)) static void
move(void)
{
    enum err r = audit_move_now(&t.app);
    if (r != OK)
        fail_msg("move: %s: %.*s", err_name(r), STR_ARG(db_last_error()));
}

/* The month end, until what fell out of the window is gone: what still reads it holds it up for a moment. */
__attribute__((unused)) static void
month_end(void)
{
    for (int i = 0; i < 500; i++) {
        int32_t *v = NULL;
        size_t n = 0;
        int64_t since = 0, next = 0;
        month_check(t.app.audit);
        move();
        audit_window(&t.app, app_now(&t.app), &since, &next);
        assert_int_equal(segment_months(t.app.audit, t.a, &v, &n), OK);
        if (n == 0 || v[0] >= month_ordinal(since))
            return;
        usleep(10000);
    }
}

__attribute__((unused)) static struct audit_query
query(int64_t tenant)
{
    return (struct audit_query){.tenant_id = tenant,
                                .outcome = -1,
                                .after = -1,
                                .before = -1,
                                .limit = 50,
                                .budget_ms = 60000};
}

__attribute__((unused)) static struct audit_page
list(struct audit_query q)
{
    struct cx cx = context(q.tenant_id);
    struct audit_page p = {0};
    enum err r = audit_list(&cx, &q, &p);
    if (r != OK)
        fail_msg("list: %s: %.*s / %.*s", err_name(r), STR_ARG(cx.failure.message),
                 STR_ARG(db_last_error()));
    return p;
}

static struct sql ask_int;
static enum err
ask_body(struct db_tx *tx, void *arg)
{
    return db_query_int(tx, &ask_int, NO_ARGS, arg);
}

/* One number of the main store. */
__attribute__((unused)) static int64_t
ask(struct db *db, const char *text)
{
    int64_t n = 0;
    ask_int = (struct sql){.sqlite = text};
    assert_int_equal(db_read(db, t.a, ask_body, &n), OK);
    return n;
}

/* ---- two workspaces ---- */

/* In which clients were made, up to the numbers that the tests' events name. */
__attribute__((unused)) static enum err
insert_tenants(struct db_tx *tx, void *arg)
{
    (void)arg;
    TRY(db_script(tx, "INSERT INTO tenant (tenant_id, cuid, name, created_at) VALUES"
                      " (0, 'ctenant00000000000000000a', 'First', 1),"
                      " (3, 'ctenant00000000000000000b', 'Third', 1)"));
    return db_script(tx, db_tx_kind(tx) == DB_SQLITE
                             ? "INSERT INTO sequence (name, value) VALUES ('client', 9)"
                             : "SELECT setval('seq_client', 9)");
}

/* Rows of the test's own: no change that needs an event. */
__attribute__((unused)) static void
with_tenants(void)
{
    db_set_commit_check(t.app.db, NULL);
    assert_int_equal(db_write(t.app.db, t.a, insert_tenants, NULL), OK);
    db_set_commit_check(t.app.db, audit_commit_check);
}

#endif
