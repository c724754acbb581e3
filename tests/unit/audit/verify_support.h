/* What the tests of the verifier share: two workspaces' logs over some months, signed; a verifier that
 * collects what it is told; and writes behind the log's back. Behind support.h. */
#ifndef TEST_VERIFY_SUPPORT_H
#define TEST_VERIFY_SUPPORT_H

#include "support.h"

#include "audit/heads.h"
#include "audit/verify.h"
#include "run/keys.h"

static char keys_dir[96];
static struct buf *told;
static int64_t n_told;

static void
tell(void *arg, const struct verify_finding *f)
{
    (void)arg;
    n_told++;
    buf_fmt(told, "%.*s #%lld: %.*s (%.*s/%.*s)\n", STR_ARG(f->origin), (long long)f->index,
            STR_ARG(f->what), STR_ARG(f->expected), STR_ARG(f->found));
}

/* Number of findings; their text in `told`. */
static int64_t
verify_with(struct verify_options o, struct verify_result *res)
{
    struct cx cx = context(0);
    cx.arena = arena_create("test.verify", (size_t)1 << 30);
    if (told == NULL || told->max == 0)
        told = buf_in(t.a, (size_t)4 << 20);
    buf_clear(told);
    n_told = 0;
    o.tell = tell;
    enum err e = audit_verify(&cx, &o, res);
    arena_free(cx.arena);
    if (e != OK)
        fail_msg("verify: %s", err_name(e));
    assert_int_equal(res->findings, n_told);
    return n_told;
}

__attribute__((unused)) static int64_t
verify(bool deep)
{
    struct verify_result res;
    return verify_with((struct verify_options){.deep = deep}, &res);
}

__attribute__((unused)) static void
assert_sound(void)
{
    for (int deep = 0; deep < 2; deep++)
        if (verify(deep) != 0)
            fail_msg("%s: %.*s", deep ? "deep" : "fast", STR_ARG(buf_view(told)));
}

__attribute__((unused)) static void
assert_told(const char *what)
{
    if (n_told == 0 || !str_contains(buf_view(told), str_of(what)))
        fail_msg("\"%s\" was not told: %.*s", what, STR_ARG(buf_view(told)));
}

/* ---- a log ---- */

static void
open_signed(void)
{
    struct str why = STR_NULL;
    snprintf(keys_dir, sizeof keys_dir, "%s/keys", t.dir);
    if (keys_open(t.a, str_of(keys_dir), true, &t.app.keys, &why) != OK)
        fail_msg("keys: %.*s", STR_ARG(why));
    t.app.instance = S("cinstance000000000000000a");
    if (audit_heads_open(&t.app, false, &why) != OK)
        fail_msg("heads: %.*s", STR_ARG(why));
}

/* The teardown of what open_signed() was called in. */
__attribute__((unused)) static int
end_signed(void **state)
{
    remove_dir(keys_dir);
    return end(state);
}

static void
fill(int64_t tenant, int n)
{
    struct cx cx = context(tenant);
    cx.tenant.cuid = tenant == 0 ? TEN : S("ctenant00000000000000000b");
    for (int i = 0; i < n; i++)
        record(&cx,
               (struct audit_entry){
                   .event = i % 7 ? EV_USER_UPDATED : EV_LOGIN_FAIL,
                   .outcome = i % 7 ? OUTCOME_SUCCESS : OUTCOME_FAILURE,
                   .target_kind = S("user"),
                   .target_id = i % 3 ? S("cuser00000000000000000bob") : S(""),
                   .client_id = i % 5,
                   .text = arena_fmt(t.a, "change %d of workspace %lld", i, (long long)tenant)});
    move();
}

static void
months_on(int n)
{
    t.app.simulated_now = month_start(t.app.simulated_now, n) + USEC_PER_DAY;
}

__attribute__((unused)) static void
two_months(int events)
{
    with_tenants();
    open_signed();
    told = NULL;
    fill(0, events);
    fill(3, events / 3);
    months_on(1);
    fill(3, events / 5);
    fill(0, events / 2);
}

/* ---- behind the log's back ---- */

static enum err
free_hand(struct db_tx *tx, void *arg)
{
    if (db_tx_kind(tx) == DB_POSTGRES)
        TRY(db_script(tx, "SET LOCAL session_replication_role = replica"));
    return db_script(tx, arg);
}

/* The triggers of a SQLite file are out of the way for a moment; on PostgreSQL for a transaction. */
static const struct sql trigger_texts = SQL_READ(
    "SELECT coalesce(group_concat('DROP TRIGGER ' || name || ';', ' '), ''),"
    " coalesce(group_concat(sql || ';', ' '), '') FROM sqlite_schema WHERE type = 'trigger'");

struct triggers {
    struct str drop, make;
};

static enum err
read_triggers(struct db_tx *tx, void *arg)
{
    struct triggers *out = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &trigger_texts, NO_ARGS, &q));
    out->drop = db_text_keep(q, 0);
    out->make = db_text_keep(q, 1);
    db_rows_end(q);
    return OK;
}

static void
run_on(struct db *db, const char *text)
{
    struct triggers of = {S(""), S("")};
    if (db_kind(db) == DB_SQLITE)
        assert_int_equal(db_read(db, t.a, read_triggers, &of), OK);
    struct str all = arena_fmt(t.a, "%.*s\n%s;\n%.*s", STR_ARG(of.drop), text, STR_ARG(of.make));
    enum err e = db_write(db, t.a, free_hand, arena_cstr(t.a, all));
    if (e != OK)
        fail_msg("%s: %.*s", text, STR_ARG(db_last_error()));
}

/* On the main store. */
__attribute__((unused)) static void
behind(const char *text)
{
    db_set_commit_check(t.app.db, NULL);
    run_on(t.app.db, text);
    db_set_commit_check(t.app.db, audit_commit_check);
}

/* On a month's events: of the newest month, or the one before. */
__attribute__((unused)) static void
behind_month(int back, const char *text)
{
    int32_t month = month_ordinal(t.app.simulated_now) - back;
    if (t.kind == DB_POSTGRES) {
        behind(text);
        return;
    }
    struct segment *s = segment_pin(t.app.audit, month);
    assert_non_null(s);
    run_on(s->db, text);
    segment_unpin(t.app.audit, s);
}

__attribute__((unused, format(printf, 1, 2))) static const char *
text(const char *fmt, ...)
{
    char buf[65536];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    return arena_cstr(t.a, str_of(buf));
}

/* A value of bytes in either dialect. */
__attribute__((unused)) static const char *
bytes(struct str b)
{
    struct str hex = hex_in(t.a, b);
    return t.kind == DB_POSTGRES ? text("'\\x%.*s'::bytea", STR_ARG(hex))
                                 : text("X'%.*s'", STR_ARG(hex));
}

#endif
