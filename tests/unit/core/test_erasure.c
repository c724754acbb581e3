/* Erasing a person: which events, what stays of them, the text index, a fault after any step, the
 * rules of who may, and the delay where nobody else could approve. The bytes of the store are looked
 * through by tests/api/erasure.test.mjs. */
#include "support.h"

#include "audit/verify.h"
#include "core/erasure.h"
#include "core/hold.h"
#include "run/keys.h"

static struct user ada, ben, eve, namesake;
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

static enum err
run_once(struct asking *a, bool *more)
{
    struct cx cx = as_process();
    return erasure_run(&cx, a->e.cuid, 60 * USEC_PER_SEC, more);
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

static bool
names_her(const struct audit_event *e)
{
    struct buf *b = buf_in(t.a, (size_t)1 << 20);
    struct json_writer w;
    json_writer_init(&w, b);
    audit_json(&w, e);
    return str_contains(buf_view(b), S("eve.evans")) || str_contains(buf_view(b), S("Eve Example"));
}

static struct audit_page
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

static void
assert_told(const char *what)
{
    if (findings() == 0 || !str_contains(buf_view(said), str_of(what)))
        fail_msg("\"%s\" was not told: %.*s", what, STR_ARG(buf_view(said)));
}

/* Behind the log's back, where the main store or the running month's events are. */
static void
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

/* ---- tests ---- */

static void
her_events_go_and_nobody_elses(void **state)
{
    namesake = new_user("other@example.org", "Eve", "STD_USER"); /* also "Eve Example" */
    say(&eve, NULL, "she acts");
    say(&ada, &eve, "she is the target");
    say(&ada, NULL, "a word about EVE.EVANS@EXAMPLE.ORG.");
    say(&ada, NULL, "Eve Example was named");
    say(&ada, NULL, "steve.evans@example.org is another one");
    say(&ada, NULL, "eve.evans@example.org.uk as well");
    say(&ada, NULL, "Steve Example, and Eve Examples");
    say(&namesake, NULL, "the other Eve Example acts");
    say(&ada, &namesake, "about the other one");
    say(&ada, NULL, "her car is AB-CD 1234");
    delete_user(&eve);
    struct asking a = HER;
    a.text = "ab-cd 1234";
    ask_as(&ada, &a, OK);
    struct cx cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    struct audit_page before = everything();
    run_all(&a);
    struct audit_page after = everything();
    int erased = 0;
    for (size_t i = 0; i < before.n; i++) {
        const struct audit_event *b = &before.events[i], *e = &after.events[i];
        bool gone = names_her(b) && !str_contains(b->text, S("Steve Example")) &&
                    !str_contains(b->text, S("steve.evans")) && !str_contains(b->text, S(".uk")) &&
                    !str_eq(b->actor_id, namesake.cuid) && !str_eq(b->target_id, namesake.cuid);
        gone = gone || str_contains(b->text, S("AB-CD")) || str_contains(b->text, S("EVE."));
        if (gone != e->erased)
            fail_msg("%.*s: erased %d", STR_ARG(b->text), e->erased);
        assert_true(str_eq(b->cuid, e->cuid) && b->index == e->index && b->at == e->at);
        assert_true(str_eq(b->leaf_hex, e->leaf_hex));
        assert_true(e->erased || str_eq(b->text, e->text));
        erased += e->erased;
    }
    assert_int_equal(a.e.events, erased);
    assert_int_equal(leaves().erased, erased);
    assert_int_equal(hits("evans@example.org"), 2); /* the two others */
    assert_int_equal(hits("\"she acts\""), 0);
    struct audit_event told = newest(EV_PERSON_ERASED);
    assert_false(names_her(&told));
    assert_true(str_eq(told.target_id, a.e.person));
    struct audit_query q = query(tenant.id);
    q.user = eve.cuid;
    struct audit_page hers = list(q);
    assert_true(hers.n >= 4); /* still linked */
    for (size_t i = 0; i < hers.n; i++) {
        struct str label = erased_label(t.a, a.e.person);
        assert_true(hers.events[i].erased);
        assert_true(str_eq(hers.events[i].actor_name, label) ||
                    str_eq(hers.events[i].target_name, label));
    }
    size_t telling = 3 + (size_t)events(EV_ERASURE_CHOSEN); /* asked, approved, chosen, erased */
    assert_int_equal(hits(arena_cstr(t.a, erased_label(t.a, a.e.person))),
                     (size_t)erased + telling);
}

static void
two_people_of_one_event(void **state)
{
    struct user finn = new_user("finn.fuchs@example.org", "Finn", "ADMIN");
    say(&eve, &finn, "she did something to him");
    delete_user(&eve);
    delete_user(&finn);
    struct asking a = approved();
    run_all(&a);
    struct asking f = {
        .subject = "finn.fuchs@example.org", .reason = "He asked", .ground = "Art. 17"};
    ask_as(&ada, &f, OK);
    struct cx cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &f, OK);
    run_all(&f);
    assert_false(str_eq(a.e.person, f.e.person));
    struct audit_query q = query(tenant.id);
    q.user = eve.cuid;
    bool both = false;
    struct audit_page p = list(q);
    for (size_t i = 0; i < p.n; i++)
        both = both || (str_eq(p.events[i].actor_name, erased_label(t.a, a.e.person)) &&
                        str_eq(p.events[i].target_name, erased_label(t.a, f.e.person)));
    assert_true(both);
    (void)leaves();
    assert_sound();
}

struct many {
    int from, to;
};

static enum err
many_body(struct cx *cx, void *arg)
{
    const struct many *m = arg;
    for (int i = m->from; i < m->to; i++) {
        struct audit_entry e = {.event = EV_DISK_LOW, .text = S("an ordinary quagga")};
        if (i % 1500 == 700)
            e.text = S("a quagga of eve.evans@example.org");
        TRY(audit_record(cx, &e, NULL));
    }
    return OK;
}

/* Chunks of both levels, in two months: search finds the same events as before, but hers. */
static void
the_text_index_forgets_her(void **state)
{
    int many = getenv("RECOUNT_LONG") ? 70000 : 9000;
    for (int m = 0; m < 2; m++) {
        t.app.simulated_now = month_start(DAY0, m) + USEC_PER_HOUR;
        for (int i = 0; i < many; i += 500) {
            struct cx cx = context(tenant.id);
            struct many some = {i, i + 500};
            cx.arena = arena_create("events", (size_t)256 << 20);
            assert_int_equal(cx_write(&cx, many_body, &some), OK);
            arena_free(cx.arena);
        }
        move();
    }
    t.app.simulated_now = month_start(DAY0, 2) + USEC_PER_HOUR;
    say(&ada, NULL, "the months are closed");
    delete_user(&eve);
    move(); /* closed months are indexed to their end, and merged */
    struct asking a = approved();
    size_t hers = hits("\"quagga of eve\"");
    assert_int_equal(hers, 2 * (size_t)((many - 701) / 1500 + 1));
    run_all(&a);
    assert_int_equal(hits("\"quagga of eve\""), 0);
    assert_int_equal(hits("evans@example"), 0);
    struct audit_query q = query(tenant.id);
    q.q = S("ordinary");
    q.limit = 1000;
    int found = 0;
    for (bool more = true; more;) {
        struct audit_page p = list(q);
        found += (int)p.n;
        q.after = p.next;
        more = p.more;
    }
    assert_int_equal(found, 2 * many - (int)hers);
    move(); /* the event that tells of it */
    size_t labelled = hits(arena_cstr(t.a, erased_label(t.a, a.e.person)));
    assert_true(labelled >= hers);
    restart();
    equip();
    move();
    assert_int_equal(hits("evans@example"), 0);
    assert_int_equal(hits(arena_cstr(t.a, erased_label(t.a, a.e.person))), labelled);
}

static void
a_fault_after_any_step_is_taken_up_again(void **state)
{
    bool failed = true;
    int n = 1;
    /* Every step in the long run; else the first ones, and some of the many that rewrite a table. */
    for (; failed; n += n < 6 || getenv("RECOUNT_LONG") ? 1 : 9) {
        if (n > 1) {
            end(NULL);
            with_people(t.kind);
        }
        for (int i = 0; i < 3; i++)
            say(&eve, NULL, "she acts");
        delete_user(&eve);
        struct asking a = approved();
        bool more = false;
        atomic_store(&t.app.audit->fail_step, n);
        enum err e = run_once(&a, &more);
        failed = atomic_load(&t.app.audit->fail_step) == 0;
        atomic_store(&t.app.audit->fail_step, 0);
        assert_int_equal(e == OK, !failed);
        assert_sound(); /* half done, it is lawful all the same */
        if (n % 2) {
            restart();
            equip();
        }
        if (failed)
            run_all(&a);
        assert_int_equal(events(EV_PERSON_ERASED), 1);
        assert_int_equal(hits("evans@example"), 0);
        assert_true(leaves().erased >= 4);
        assert_sound();
        assert_true(n < 100);
    }
    assert_true(n > 5);
}

static enum err
disable_body(struct cx *cx, void *arg)
{
    return user_set_disabled(cx, arg, true);
}

static void
who_may(void **state)
{
    struct asking a = HER, mine = HER;
    struct cx cx;
    say(&eve, NULL, "she acts");
    ask_as(&ada, &a, ERR_CONFLICT); /* the account is there */
    ask_as(&eve, &a, ERR_FORBIDDEN);
    delete_user(&eve);
    a.reason = "because eve.evans@example.org wants it";
    ask_as(&ada, &a, ERR_INVALID);
    a = HER;
    ask_as(&ada, &a, OK);
    ask_as(&ben, &mine, ERR_CONFLICT); /* asked for already */
    cx = as_user(&ada, "ADMIN");
    RUN(&cx, approve_body, &a, ERR_FORBIDDEN);
    cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    RUN(&cx, approve_body, &a, ERR_CONFLICT);
}

static void
tick(void)
{
    struct cx cx = as_process();
    if (erasure_tick(&cx) != OK)
        fail_msg("tick: %.*s / %.*s", STR_ARG(cx.failure.message), STR_ARG(db_last_error()));
}

static void
alone_it_runs_after_seven_days(void **state)
{
    struct asking a = HER;
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, disable_body, &ben, OK);
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    assert_true(str_eq(a.e.state, S("delayed")));
    assert_int_equal(a.e.due_at, DAY0 + 7 * USEC_PER_DAY);
    t.app.simulated_now = a.e.due_at - 1;
    tick();
    reload(&a);
    assert_true(str_eq(a.e.state, S("delayed")));
    t.app.simulated_now = a.e.due_at;
    t.app.audit->hold_drops = true; /* the clock stepped: it may be no seven days */
    tick();
    reload(&a);
    assert_true(str_eq(a.e.state, S("delayed")));
    t.app.audit->hold_drops = false;
    tick();
    reload(&a);
    assert_true(str_eq(a.e.state, S("running")));
    assert_int_equal(newest(EV_ERASURE_APPROVED).actor_kind, ACTOR_SYSTEM);
    run_all(&a);
    assert_int_equal(hits("evans@example"), 0);
}

static void
somebody_who_came_meanwhile_decides(void **state)
{
    struct asking a = HER;
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, disable_body, &ben, OK);
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    struct user gil = new_user("gil@example.org", "Gil", "ADMIN");
    t.app.simulated_now = a.e.due_at;
    tick();
    reload(&a);
    assert_true(str_eq(a.e.state, S("asked")));
    cx = as_user(&gil, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
}

static struct hold hold;

static enum err
hold_body(struct cx *cx, void *arg)
{
    return hold_place(cx, S("Case 1"), 0, &hold);
}

static enum err
release_body(struct cx *cx, void *arg)
{
    return hold_release(cx, hold.cuid, S("over"));
}

static void
a_hold_stops_what_has_not_begun(void **state)
{
    bool more = false;
    struct cx cx;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = approved();
    cx = as_user(&ada, "ADMIN");
    RUN(&cx, hold_body, NULL, OK);
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_true(hits("evans@example") > 0);
    cx = as_user(&ada, "ADMIN");
    RUN(&cx, release_body, NULL, OK);
    run_all(&a);
    assert_int_equal(hits("evans@example"), 0);
}

/* A crash between two slices leaves a running request without a job. */
static void
a_lost_job_is_queued_again(void **state)
{
    delete_user(&eve);
    struct asking a = approved();
    char forget_jobs[] = "DELETE FROM job";
    (void)a;
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM job WHERE kind = 'erasure'"), 1);
    tick();
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM job WHERE kind = 'erasure'"), 1);
    assert_int_equal(db_write(t.app.db, t.a, script, forget_jobs), OK);
    tick();
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM job WHERE kind = 'erasure'"), 1);
}

/* ---- what the log must say ---- */

/* An event of the newest that is whole, taken away as an erasure would. */
static void
take_away(const struct asking *a)
{
    const char *month = t.kind == DB_POSTGRES ? "month, " : "";
    struct str text = arena_fmt(
        t.a,
        "INSERT INTO audit_erasure (%stenant_id, epoch, idx, person, part, request, inner_hash,"
        " at) SELECT %stenant_id, epoch, idx, '%.*s', 1, '%.*s', salt, %lld FROM audit_personal"
        " WHERE tenant_id = 0 AND idx = 1;"
        "DELETE FROM audit_personal WHERE tenant_id = 0 AND idx = 1",
        month, month, STR_ARG(a->e.person), STR_ARG(a->e.cuid), (long long)app_now(&t.app));
    plant(true, text.p);
}

/* In the middle of a lawful erasure somebody adds an event of his own to it. */
static void
what_was_not_chosen_is_told_while_it_runs(void **state)
{
    bool more = false;
    for (int i = 0; i < 3; i++)
        say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = approved();
    atomic_store(&t.app.audit->fail_step, 2); /* chosen and said, not yet taken */
    assert_int_not_equal(run_once(&a, &more), OK);
    atomic_store(&t.app.audit->fail_step, 0);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 1);
    assert_int_equal(leaves().erased, 0);
    assert_sound();
    take_away(&a);
    assert_told("#1: the event is marked as erased by the request");
    assert_told("which did not choose it");
}

static void
a_row_alone_erases_nobody(void **state)
{
    struct asking a = HER;
    struct cx cx;
    bool more = false;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    plant(false, "UPDATE audit_erasure_request SET state = 'running', approved_by = 2,"
                 " approved_at = 1");
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 0);
    assert_int_equal(events(EV_AUDIT_DAMAGED), 1);
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_int_equal(events(EV_AUDIT_DAMAGED), 1); /* told once */
    assert_told("its state in the table is not what the event says (asked/running)");
    plant(false, "UPDATE audit_erasure_request SET state = 'asked', approved_by = NULL,"
                 " approved_at = NULL");
    assert_sound();
    cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    plant(false, "UPDATE audit_erasure_request SET step = 4"); /* it would be done, and is not */
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    plant(false, "UPDATE audit_erasure_request SET step = 0");
    run_all(&a);
    assert_sound();
}

/* By the log a hold stands; its row is gone. */
static void
a_hold_without_its_row_stops_an_erasure(void **state)
{
    bool more = false;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = approved();
    struct cx cx = as_user(&ada, "ADMIN");
    RUN(&cx, hold_body, NULL, OK);
    plant(false, "DELETE FROM audit_hold");
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_true(hits("evans@example") > 0);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 0);
    assert_told("is missing from its table");
}

/* Another request's sealed person in this one's row. */
static void
a_person_is_not_swapped_for_another(void **state)
{
    struct user finn = new_user("finn.fuchs@example.org", "Finn", "ADMIN");
    bool more = false;
    delete_user(&eve);
    delete_user(&finn);
    struct asking f = {
        .subject = "finn.fuchs@example.org", .reason = "He asked", .ground = "Art. 17"};
    ask_as(&ada, &f, OK);
    struct asking a = approved();
    plant(false, arena_fmt(t.a,
                           "UPDATE audit_erasure_request SET subject = (SELECT subject FROM"
                           " audit_erasure_request WHERE cuid = '%.*s') WHERE cuid = '%.*s'",
                           STR_ARG(f.e.cuid), STR_ARG(a.e.cuid))
                     .p);
    assert_int_equal(run_once(&a, &more), ERR_CONFLICT);
    assert_true(hits("finn.fuchs") > 0);
}

/* Who asked for an erasure, and who approved it, are erased themselves: what they did stays lawful. */
static void
those_who_decided_are_erased_later(void **state)
{
    struct user gil = new_user("gil@example.org", "Gil", "ADMIN");
    struct user hal = new_user("hal@example.org", "Hal", "ADMIN");
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    struct asking a = HER;
    ask_as(&gil, &a, OK);
    struct cx cx = as_user(&hal, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    run_all(&a);
    for (int i = 0; i < 2; i++) {
        delete_user(i ? &hal : &gil);
        struct asking b = {.subject = i ? "hal@example.org" : "gil@example.org",
                           .reason = "Asked",
                           .ground = "Art. 17"};
        ask_as(&ada, &b, OK);
        cx = as_user(&ben, "ADMIN");
        RUN(&cx, approve_body, &b, OK);
        run_all(&b);
    }
    struct audit_query q = query(tenant.id);
    q.event = EV_PERSON_ERASED;
    q.ascending = true;
    assert_true(list(q).events[0].erased);
    assert_sound();
    take_away(&a);
    assert_told("which did not choose it");
}

/* Asked for half a year ago, its month has expired since. */
static void
what_an_expired_month_said_is_said_again(void **state)
{
    struct asking a = HER;
    say(&eve, NULL, "she acts");
    delete_user(&eve);
    ask_as(&ada, &a, OK);
    for (int m = 1; m < 13; m++) { /* its restatement's month leaves, too */
        t.app.simulated_now = month_start(DAY0, m) + USEC_PER_HOUR;
        say(&ada, NULL, m == 9 ? "eve.evans@example.org again" : "a month passed");
        month_end();
        assert_sound();
    }
    assert_int_equal(events(EV_ERASURE_REQUESTED), 0);
    struct cx cx = as_user(&ben, "ADMIN");
    RUN(&cx, approve_body, &a, OK);
    run_all(&a);
    assert_int_equal(hits("evans@example"), 0);
    assert_int_equal(events(EV_ERASURE_CHOSEN), 1);
    assert_sound();
    for (int m = 13; m < 20; m++) {
        t.app.simulated_now = month_start(DAY0, m) + USEC_PER_HOUR;
        say(&ada, NULL, "a month passed");
        month_end();
        assert_sound();
    }
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, with_people_##kind, end)
#define ALL(kind)                                                                                  \
    ON(kind, her_events_go_and_nobody_elses), ON(kind, two_people_of_one_event),                   \
        ON(kind, the_text_index_forgets_her), ON(kind, a_fault_after_any_step_is_taken_up_again),  \
        ON(kind, who_may), ON(kind, alone_it_runs_after_seven_days),                               \
        ON(kind, somebody_who_came_meanwhile_decides), ON(kind, a_hold_stops_what_has_not_begun),  \
        ON(kind, a_lost_job_is_queued_again), ON(kind, what_was_not_chosen_is_told_while_it_runs), \
        ON(kind, a_row_alone_erases_nobody), ON(kind, a_hold_without_its_row_stops_an_erasure),    \
        ON(kind, a_person_is_not_swapped_for_another),                                             \
        ON(kind, those_who_decided_are_erased_later),                                              \
        ON(kind, what_an_expired_month_said_is_said_again)

MAIN_ON_BOTH("erasure", ALL)
