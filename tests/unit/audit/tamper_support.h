/* What the tests that change a store at random share: a log with erased events, legal holds and an announced
 * retention in it, and a child process that reads all of it and verifies it, deep. */
#ifndef TEST_TAMPER_SUPPORT_H
#define TEST_TAMPER_SUPPORT_H

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "audit/erase.h"
#include "verify_support.h"

#define CHILD_MAX 60 /* seconds a child may take */

/* ---- what is read ---- */

struct reading {
    struct sha256_run *sum;
    struct arena *a;
    bool failed;
};

static void
put(struct reading *r, struct str s)
{
    char n[24];
    int len = snprintf(n, sizeof n, "%zu:", s.n);
    sha256_more(r->sum, str_mem(n, (size_t)len));
    sha256_more(r->sum, s);
}

static void
read_list(struct reading *r, struct audit_query q)
{
    struct cx cx = context(q.tenant_id);
    cx.arena = r->a;
    q.limit = 200;
    for (int page = 0; page < 50; page++) {
        struct audit_page p = {0};
        if (audit_list(&cx, &q, &p) != OK) {
            r->failed = true;
            return;
        }
        for (size_t i = 0; i < p.n; i++) {
            struct buf *line = buf_in(r->a, (size_t)8 << 20);
            audit_format_line(r->a, line, AUDIT_NDJSON, &p.events[i]);
            put(r, buf_view(line));
            put(r, p.events[i].leaf_hex);
        }
        if (!p.more || p.n == 0)
            return;
        q.after = p.next;
    }
    r->failed = true; /* pages without an end */
}

static void
read_proof(struct reading *r, int64_t tenant, struct str cuid)
{
    struct cx cx = context(tenant);
    struct audit_proof p;
    cx.arena = r->a;
    enum err e = audit_prove(&cx, tenant, cuid, 0, &p);
    if (e != OK) {
        r->failed = true;
        return;
    }
    put(r, p.public_part);
    put(r, p.personal);
    put(r, str_mem(p.inclusion.h, p.inclusion.n * SHA256_LEN));
    put(r, p.head.note);
}

/* Holds, the announced retention and requests to erase, as the pages show them: the columns that the log
 * speaks of. */
static const struct sql custody_rows[] = {
    SQL_READ(
        "SELECT tenant_id || '/' || cuid || '/' || reason || '/' || coalesce(until, 0) || '/' ||"
        " kept_from || '/' || placed_at || '/' || coalesce(ended_at, 0) || '/' ||"
        " coalesce(end_reason, '') FROM audit_hold ORDER BY 1"),
    SQL_READ("SELECT tenant_id || '/' || months || '/' || asked_at || '/' || effective_at"
             " FROM audit_retention ORDER BY 1"),
    SQL_READ(
        "SELECT tenant_id || '/' || cuid || '/' || state || '/' || person || '/' || reason || '/' ||"
        " legal_ground || '/' || asked_at || '/' || coalesce(approved_at, 0) || '/' || events ||"
        " '/' || result FROM audit_erasure_request ORDER BY 1"),
    SQL_READ("SELECT id || '/' || at || '/' || moved FROM audit_clock_hold")};

static enum err
read_custody(struct db_tx *tx, void *arg)
{
    struct reading *r = arg;
    for (size_t i = 0; i < sizeof custody_rows / sizeof custody_rows[0]; i++) {
        struct db_rows *q = NULL;
        enum err e;
        TRY(db_query(tx, &custody_rows[i], NO_ARGS, &q));
        while ((e = db_next(q)) == OK)
            put(r, db_text(q, 0));
        if (e != ERR_END)
            return e;
    }
    return OK;
}

static struct str cuids[8]; /* of some events, from before */

/* Everything the log is asked for, as one hash; null: something could not be read. */
static struct str
read_all(struct arena *a)
{
    struct reading r = {.sum = sha256_begin(a), .a = a};
    static const char *const words[] = {"change 17", "workspace 3", "alice",
                                        "9",         "\"of work\"", "zz"};
    for (int i = 0; i < 3; i++) {
        int64_t tenant = (int64_t[]){0, 3, 0}[i];
        struct audit_query q = query(tenant);
        q.instance = i == 2;
        q.ascending = true;
        read_list(&r, q);
        q.ascending = false;
        read_list(&r, q);
        for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
            q.q = str_of(words[k]);
            read_list(&r, q);
        }
        q.q = STR_NULL;
        q.event = EV_LOGIN_FAIL;
        read_list(&r, q);
        q.event = EVENT_NONE;
        q.outcome = OUTCOME_FAILURE;
        read_list(&r, q);
        q.outcome = -1;
        q.client_id = 3;
        read_list(&r, q);
        q.client_id = 0;
        q.user = S("cuser00000000000000000bob");
        read_list(&r, q);
        q.user = STR_NULL;
        q.from = DAY0 + USEC_PER_DAY;
        read_list(&r, q);
    }
    for (size_t i = 0; i < sizeof cuids / sizeof cuids[0]; i++)
        read_proof(&r, i % 2 ? 3 : 0, cuids[i]);
    if (db_read(t.app.db, a, read_custody, &r) != OK)
        r.failed = true;
    return r.failed ? STR_NULL : sha256_end_hex(a, r.sum);
}

/* ---- the child ---- */

static bool
open_reading(void)
{
    struct str why = STR_NULL;
    struct db_options o = {.url = t.kind == DB_SQLITE ? S("sqlite") : str_of(t.url),
                           .dir = str_of(t.dir),
                           .readers = 2,
                           .writers = 1,
                           .read_only = true};
    struct audit_options ao = {.dir = str_of(t.dir), .readers = 2, .read_only = true};
    t.app.db = NULL;
    t.app.audit = NULL;
    return db_open(t.a, &o, &t.app.db, &why) == OK && audit_open(&t.app, &ao, &why) == OK;
}

struct seen {
    bool opened, readable;
    char hash[65];
    int64_t findings;
    char first[400];
};

static void
look(struct seen *out)
{
    struct verify_result res;
    *out = (struct seen){.opened = open_reading()};
    if (!out->opened)
        return;
    out->findings = verify_with((struct verify_options){.deep = true}, &res);
    struct str lines = buf_view(told);
    snprintf(out->first, sizeof out->first, "%.*s", (int)(lines.n < 390 ? lines.n : 390),
             lines.p ? lines.p : "");
    struct str hash = read_all(t.a);
    out->readable = !str_is_null(hash);
    if (out->readable)
        memcpy(out->hash, hash.p, 64);
    audit_close(&t.app);
    db_close(t.app.db);
}

/* False: it crashed or hung. */
static bool
in_child(struct seen *out)
{
    int fd[2], status = 0;
    *out = (struct seen){0};
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null, 2);
        (void)alarm(CHILD_MAX);
        look(out);
        _exit(write(fd[1], out, sizeof *out) == (ssize_t)sizeof *out ? 0 : 3);
    }
    close(fd[1]);
    char *p = (char *)out;
    size_t have = 0;
    ssize_t n;
    while (have < sizeof *out && (n = read(fd[0], p + have, sizeof *out - have)) > 0)
        have += (size_t)n;
    close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 && have == sizeof *out;
}

static uint64_t state;

static uint64_t
next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- somebody is erased, holds stand, a shorter retention is announced ---- */

#define CAROL   S("cuser0000000000000000carol")
#define PERSON  S("7F3A9C21B0")
#define REQUEST S("crequest00000000000000001")

static void
write_rows(const char *sql)
{
    char *copy = arena_array(t.a, char, strlen(sql) + 1);
    memcpy(copy, sql, strlen(sql));
    db_set_commit_check(t.app.db, NULL);
    if (db_write(t.app.db, t.a, script, copy) != OK)
        fail_msg("%s: %.*s", sql, STR_ARG(db_last_error()));
    db_set_commit_check(t.app.db, audit_commit_check);
}

static void
say(struct cx *cx, enum event type, const char *kind, struct str id,
    const struct audit_change *changes, size_t n)
{
    record(cx, (struct audit_entry){.event = type,
                                    .target_kind = str_of(kind),
                                    .target_id = id,
                                    .text = S("something about what is kept"),
                                    .changes = changes,
                                    .n_changes = n});
}

static void
erase_carol(struct cx *cx)
{
    struct cx other = *cx;
    struct erase_subject who = {.tenant_id = 0, .person = PERSON, .request = REQUEST};
    struct erase_place at = {0}, again = {0};
    struct erase_summary sum;
    struct sha256 result = sha256_of(S("{\"ranges\":[]}"));
    struct str hex = hex_in(t.a, sha256_str(&result));
    other.actor.cuid = S("cuser0000000000000000diana");
    const struct audit_change asked[] = {{S("reason"), STR_NULL, S("a letter")},
                                         {S("legal ground"), STR_NULL, S("Art. 17")},
                                         {S("request"), STR_NULL, REQUEST}};
    for (int i = 0; i < 40; i++)
        record(cx, (struct audit_entry){.event = EV_USER_UPDATED,
                                        .target_kind = S("user"),
                                        .target_id = i % 3 ? CAROL : S("cuser00000000000000000bob"),
                                        .text = arena_fmt(t.a, "carol, number %d", i)});
    say(cx, EV_ERASURE_REQUESTED, "person", PERSON, asked, 3);
    say(&other, EV_ERASURE_APPROVED, "person", PERSON, asked, 3);
    move();
    (void)erase_words_add(t.a, &who.cuids, CAROL);
    assert_int_equal(erase_events(cx, &who, USEC_PER_MIN, &at), OK);
    assert_int_equal(erase_reindex(cx, &who, USEC_PER_MIN, &again), OK);
    assert_true(at.done && again.done);
    assert_int_equal(erase_sum_up(cx, &who, &sum), OK);
    assert_int_equal(sum.events, 26);
    const struct audit_change told_of[] = {{S("events"), STR_NULL, S("26")},
                                           {S("request"), STR_NULL, REQUEST},
                                           {S("result"), STR_NULL, hex}};
    say(cx, EV_PERSON_ERASED, "person", PERSON, told_of, 3);
    write_rows(text("INSERT INTO audit_erasure_request (tenant_id, cuid, state, person, subject,"
                    " reason, legal_ground, asked_by, asked_at, approved_by, approved_at, ended_at,"
                    " step, events, result) VALUES (0, '%.*s', 'done', '%.*s', '', 'a letter',"
                    " 'Art. 17', 7, %lld, 8, %lld, %lld, 5, 26, '{\"ranges\":[]}')",
                    STR_ARG(REQUEST), STR_ARG(PERSON), (long long)cx->now, (long long)cx->now,
                    (long long)cx->now));
}

static void
hold_and_announce(struct cx *cx)
{
    int64_t kept = month_start(cx->now, -4);
    const struct audit_change held[] = {{S("reason"), STR_NULL, S("case 9")},
                                        {S("until"), STR_NULL, S("until released")},
                                        {S("kept from"), STR_NULL, time_iso(t.a, kept)}};
    const struct audit_change over[] = {{S("released because"), STR_NULL, S("settled")}};
    const struct audit_change shorter[] = {{S("audit.months_kept"), S("4"), S("3")}};
    say(cx, EV_HOLD_PLACED, "hold", S("chold1"), held, 3);
    say(cx, EV_HOLD_PLACED, "hold", S("chold2"), held, 3);
    say(cx, EV_HOLD_RELEASED, "hold", S("chold1"), over, 1);
    say(cx, EV_RETENTION_ANNOUNCED, "audit", STR_NULL, shorter, 1);
    for (int i = 1; i <= 2; i++)
        write_rows(
            text("INSERT INTO audit_hold (tenant_id, cuid, reason, kept_from, placed_by,"
                 " placed_at, ended_by, ended_at, end_reason) VALUES (0, 'chold%d', 'case 9',"
                 " %lld, 7, %lld, %s)",
                 i, (long long)kept, (long long)cx->now,
                 i == 1 ? text("7, %lld, 'settled'", (long long)cx->now) : "NULL, NULL, NULL"));
    write_rows(text("INSERT INTO audit_retention (tenant_id, months, asked_by, asked_at,"
                    " effective_at) VALUES (0, 3, 7, %lld, %lld)",
                    (long long)cx->now, (long long)(cx->now + 30 * USEC_PER_DAY)));
    move();
}

/* The store with all that in it, closed. */
static void
make_store(int events)
{
    two_months(events);
    struct cx cx = context(0);
    erase_carol(&cx);
    hold_and_announce(&cx);
    for (size_t i = 0; i < sizeof cuids / sizeof cuids[0]; i++) {
        struct audit_query q = query(i % 2 ? 3 : 0);
        q.offset = (int64_t)i * 17;
        q.limit = 1;
        cuids[i] = arena_str(t.a, list(q).events[0].cuid);
    }
    audit_close(&t.app);
    db_close(t.app.db);
}

/* ---- changes ---- */

#define MANY 10000

static struct seen sound; /* what the untouched store shows */
static int64_t n_found, n_harmless;

/* How many changes: RECOUNT_CHANGES, or with RECOUNT_LONG MANY, else `few`; RECOUNT_SEED chooses which. */
static int64_t
changes_wanted(int64_t few, uint64_t seed)
{
    const char *other = getenv("RECOUNT_SEED"), *n = getenv("RECOUNT_CHANGES");
    state = other ? strtoull(other, NULL, 10) | 1 : seed;
    return n ? strtoll(n, NULL, 10) : getenv("RECOUNT_LONG") ? MANY : few;
}

static void
look_at_untouched(void)
{
    assert_true(in_child(&sound));
    if (!sound.opened || !sound.readable || sound.findings != 0)
        fail_msg("untouched: opened %d, readable %d, %s", sound.opened, sound.readable,
                 sound.first);
}

/* What the child saw of a change: found, harmless, or a failure of the test. what: the change in words. */
static void
judge(const struct seen *o, bool ended, const char *what)
{
    if (!ended)
        fail_msg("%s: the reader crashed or hung", what);
    bool altered = o->opened && (!o->readable || memcmp(o->hash, sound.hash, 64) != 0);
    if (altered && o->findings == 0)
        fail_msg("%s: %s, and verify says that the log is sound", what,
                 o->readable ? "other events are read" : "it can not be read");
    *(o->opened && o->findings == 0 ? &n_harmless : &n_found) += 1;
}

#endif
