/* What the tests of erasures share: three administrators, asking, approving, running, and a verifier that
 * collects what it is told. Behind the tests' own first lines. */
#ifndef TEST_CORE_ERASURE_SUPPORT_H
#define TEST_CORE_ERASURE_SUPPORT_H

#include "support.h"

#include "audit/verify.h"
#include "core/erasure.h"
#include "core/hold.h"
#include "run/keys.h"

static struct user ada, ben, eve;
static struct keys keys;

static void
cover_job(struct cx *cx)
{
    audit_cover(cx, REASON_JOB_STEP);
    audit_cover(cx, REASON_SEQUENCE);
}

static void
equip(void)
{
    keys = (struct keys){.secret = S("01234567890123456789012345678901"),
                         .blind = S("abcdefghijklmnopqrstuvwxyzabcdef")};
    t.app.keys = &keys;
    t.app.cover_job = cover_job;
}

static int
with_people(enum db_kind kind)
{
    if (begin_core(kind) != 0)
        return -1;
    equip();
    ada = new_user("ada@example.org", "Ada", "ADMIN");
    ben = new_user("ben@example.org", "Ben", "ADMIN");
    eve = new_user("eve.evans@example.org", "Eve", "ADMIN"); /* "Eve Example" */
    return 0;
}

BOTH_STORES(with_people)

/* ---- what happened ---- */

static enum err
say_body(struct cx *cx, void *arg)
{
    return audit_record(cx, arg, NULL);
}

static void
say(const struct user *who, const struct user *about, const char *text)
{
    struct cx cx = as_user(who, "ADMIN");
    struct audit_entry e = {.event = EV_DISK_LOW, .text = str_of(text)};
    if (about != NULL) {
        e = user_entry(&cx, about, EV_LOGIN_FAIL, str_of(text));
        e.event = EV_DISK_LOW;
    }
    RUN(&cx, say_body, &e, OK);
}

static enum err
delete_body(struct cx *cx, void *arg)
{
    return user_delete(cx, arg);
}

static void
delete_user(struct user *u)
{
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, delete_body, u, OK);
}

/* ---- asking ---- */

struct asking {
    const char *subject, *reason, *ground, *text;
    struct erase_subject who;
    struct erasure e;
};

static enum err
request_body(struct cx *cx, void *arg)
{
    struct asking *a = arg;
    return erasure_ask(cx, &a->who, str_of(a->reason), str_of(a->ground), &a->e);
}

static void
ask_as(const struct user *by, struct asking *a, enum err want)
{
    struct cx cx = as_user(by, "ADMIN");
    struct str text = a->text ? str_of(a->text) : STR_NULL;
    move();
    assert_int_equal(erasure_find(&cx, str_of(a->subject), &text, a->text != NULL, &a->who), OK);
    RUN(&cx, request_body, a, want);
}

static enum err
approve_body(struct cx *cx, void *arg)
{
    struct asking *a = arg;
    return erasure_approve(cx, a->e.cuid, &a->e);
}

static enum err
get_body(struct cx *cx, void *arg)
{
    struct asking *a = arg;
    return erasure_get(cx, a->e.cuid, &a->e);
}

static void
reload(struct asking *a)
{
    struct cx cx = as_process();
    assert_int_equal(cx_read(&cx, get_body, a), OK);
}

/* Other programs use the same PostgreSQL, and the rewriting waits for transactions of theirs, too. */
static enum err
run_once(struct asking *a, bool *more)
{
    for (;;) {
        struct cx cx = as_process();
        enum err e = erasure_run(&cx, a->e.cuid, 60 * USEC_PER_SEC, more);
        if (e != ERR_CONFLICT || !str_eq(cx.failure.word, S("older_transactions")))
            return e;
        usleep(20000);
    }
}

static void
run_all(struct asking *a)
{
    bool more = false;
    enum err e = run_once(a, &more);
    if (e != OK)
        fail_msg("erasure_run: %s: %.*s", err_name(e), STR_ARG(db_last_error()));
    assert_false(more);
    reload(a);
    assert_true(str_eq(a->e.state, S("done")));
}

static const struct asking HER = {
    .subject = "eve.evans@example.org", .reason = "She asked for it", .ground = "GDPR Art. 17"};

static struct asking
approved(void)
{
    struct asking a = HER;
    struct cx cx;
    ask_as(&ada, &a, OK);
    assert_true(str_eq(a.e.state, S("asked")));
    cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    return a;
}

/* ---- judging ---- */

__attribute__((unused)) static bool
names_her(const struct audit_event *e)
{
    struct buf *b = buf_in(t.a, (size_t)1 << 20);
    struct json_writer w;
    json_writer_init(&w, b);
    audit_json(&w, e);
    return str_contains(buf_view(b), S("eve.evans")) || str_contains(buf_view(b), S("Eve Example"));
}

__attribute__((unused)) static struct audit_page
everything(void)
{
    struct audit_query q = query(tenant.id);
    q.limit = 1000;
    q.ascending = true;
    return list(q);
}

static size_t
hits(const char *text)
{
    struct audit_query q = query(tenant.id);
    q.limit = 1000;
    q.q = str_of(text);
    return list(q).n;
}

struct leaf_check {
    size_t n, erased;
};

static enum err
check_leaves(struct db_tx *tx, void *arg)
{
    static const struct sql q = SQL_READ(
        "SELECT e.public, e.leaf, p.salt, p.personal, (SELECT x.inner_hash FROM audit_erasure x"
        " WHERE x.tenant_id = e.tenant_id AND x.epoch = e.epoch AND x.idx = e.idx LIMIT 1)"
        " FROM audit_event e LEFT JOIN audit_personal p ON p.tenant_id = e.tenant_id"
        " AND p.epoch = e.epoch AND p.idx = e.idx");
    struct leaf_check *c = arg;
    struct db_rows *r;
    assert_int_equal(db_query(tx, &q, NO_ARGS, &r), OK);
    while (db_next(r) == OK) {
        struct sha256 leaf, inner = {{0}};
        c->n++;
        if (db_is_null(r, 3)) {
            assert_int_equal(db_bytes(r, 4).n, SHA256_LEN);
            memcpy(inner.b, db_bytes(r, 4).p, SHA256_LEN);
            leaf = record_leaf_inner(db_bytes(r, 0), inner);
            c->erased++;
        } else {
            leaf = record_leaf(db_bytes(r, 0), db_bytes(r, 2), db_bytes(r, 3));
        }
        assert_true(str_eq(sha256_str(&leaf), db_bytes(r, 1)));
    }
    return OK;
}

/* Every leaf of every month still follows from what is there. */
static struct leaf_check
leaves(void)
{
    struct leaf_check c = {0};
    int32_t *months = NULL;
    size_t n = 0;
    if (t.kind == DB_POSTGRES) {
        assert_int_equal(db_read(t.app.db, t.a, check_leaves, &c), OK);
        return c;
    }
    assert_int_equal(segment_months(t.app.audit, t.a, &months, &n), OK);
    for (size_t i = 0; i < n; i++) {
        struct segment *s = segment_pin(t.app.audit, months[i]);
        assert_int_equal(db_read(s->db, t.a, check_leaves, &c), OK);
        segment_unpin(t.app.audit, s);
    }
    return c;
}

/* ---- what the verifier says ---- */

static struct buf *said;

static void
tell(void *arg, const struct verify_finding *f)
{
    (void)arg;
    buf_fmt(said, "%.*s #%lld: %.*s (%.*s/%.*s)\n", STR_ARG(f->origin), (long long)f->index,
            STR_ARG(f->what), STR_ARG(f->expected), STR_ARG(f->found));
}

static int64_t
findings(void)
{
    struct cx cx = as_process();
    struct verify_result res = {0};
    struct verify_options o = {.deep = true, .tell = tell};
    cx.arena = arena_create("test.verify", (size_t)1 << 30);
    said = buf_in(t.a, (size_t)1 << 20);
    assert_int_equal(audit_verify(&cx, &o, &res), OK);
    arena_free(cx.arena);
    return res.findings;
}

static void
assert_sound(void)
{
    if (findings() != 0)
        fail_msg("%.*s", STR_ARG(buf_view(said)));
}

__attribute__((unused)) static void
assert_told(const char *what)
{
    if (findings() == 0 || !str_contains(buf_view(said), str_of(what)))
        fail_msg("\"%s\" was not told: %.*s", what, STR_ARG(buf_view(said)));
}

/* Behind the log's back, where the main store or the running month's events are. */
__attribute__((unused)) static void
plant(bool in_month, const char *text)
{
    struct segment *s = NULL;
    if (in_month && t.kind == DB_SQLITE)
        s = segment_pin(t.app.audit, month_ordinal(t.app.simulated_now));
    char *copy = arena_array(t.a, char, strlen(text) + 1);
    memcpy(copy, text, strlen(text));
    if (db_write(s ? s->db : t.app.db, t.a, script, copy) != OK)
        fail_msg("%s: %.*s", text, STR_ARG(db_last_error()));
    segment_unpin(t.app.audit, s);
}

static struct hold hold;

static enum err
hold_body(struct cx *cx, void *arg)
{
    return hold_place(cx, S("Case 1"), 0, &hold);
}

__attribute__((unused)) static enum err
release_body(struct cx *cx, void *arg)
{
    return hold_release(cx, hold.cuid, S("over"));
}

#endif
