/* The server's check of its own log: a thread of low priority that walks all logs again and again,
 * deep, at a small share of a core. What it finds is kept in audit_finding, told once as an event, a
 * notice and a mail, and taken out when a later whole pass does not meet it any more.
 *
 * Findings are made while the store is read, so they are gathered and written when the verifier
 * rests. Of several servers the one with the lease checks; the others know what it found. */
#include "core/selfcheck.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rand.h"
#include "base/text.h"
#include "core/selfcheck_priv.h"
#include "run/app.h"
#include "run/lease.h"

#define SLEEP_RATIO    49 /* of time off to time at work: two hundredths of a core */
#define NAP_MAX_US     (5 * USEC_PER_SEC)
#define SAVE_US        (10 * USEC_PER_SEC) /* how much walking a crash may cost */
#define LEASE_US       (2 * USEC_PER_MIN)
#define AGAIN_US       (30 * USEC_PER_SEC) /* another server has the lease, or the store failed */
#define GATHERED_MAX   200 /* findings between two rests; more of them say nothing new */
#define FILE_MAX       ((int64_t)256 << 20) /* a file's own structure is looked at in one go */
#define CHECK_ARENA    ((size_t)256 << 20)
#define PASS_FORGOTTEN (7 * USEC_PER_DAY) /* a pass that stood so long begins anew */
#define PASS_MAX       (INT64_C(1) << 52) /* a row that counts further was not counted */
#define TEXT_FINDINGS  10                 /* named in one event or mail */

struct selfcheck {
    struct app *app;
    struct selfcheck_options o;
    pthread_t thread;
    atomic_bool stop;
    atomic_llong damaged;
    char id[17];
    /* of the pass that runs */
    struct arena *gathered;
    struct verify_finding *v;
    size_t n;
    int64_t pass, started_at, events_before, saved_at, cpu;
    bool lost; /* the lease */
};

static bool
stopping(const struct selfcheck *s)
{
    return atomic_load(&s->stop) || atomic_load(&s->app->stopping);
}

static void
nap(const struct selfcheck *s, int64_t us)
{
    int64_t until = clock_monotonic() + us;
    while (!stopping(s) && clock_monotonic() < until) {
        int64_t left = until - clock_monotonic(), piece = left < 100000 ? left : 100000;
        struct timespec t = {0, (piece > 0 ? piece : 1) * 1000};
        (void)nanosleep(&t, NULL);
    }
}

static int64_t
cpu_now(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

/* ---- gathering ---- */

static void
gather(void *arg, const struct verify_finding *f)
{
    struct selfcheck *s = arg;
    if (s->n == GATHERED_MAX)
        return;
    struct verify_finding *g = &s->v[s->n++];
    *g = *f;
    g->origin = arena_str(s->gathered, f->origin);
    g->what = arena_str(s->gathered, f->what);
    g->expected = str_is_null(f->expected) ? STR_NULL : arena_str(s->gathered, f->expected);
    g->found = str_is_null(f->found) ? STR_NULL : arena_str(s->gathered, f->found);
}

static void
no_note(void *arg, struct str text)
{
    (void)arg;
    log_debug("selfcheck.note", LOG_STR("text", text));
}

static void
forget(struct selfcheck *s)
{
    s->n = 0;
    arena_reset(s->gathered);
    s->v = arena_array(s->gathered, struct verify_finding, GATHERED_MAX);
}

/* The same place and kind, whatever numbers it is told with. */
static struct str
mark_of(struct arena *a, const struct verify_finding *f)
{
    struct str place = arena_fmt(a, "%lld/%lld/%lld/", (long long)f->log.tenant_id,
                                 (long long)f->log.epoch, (long long)f->index);
    struct str parts[] = {place, f->what};
    struct sha256 h = sha256_parts(parts, 2);
    return hex_in(a, sha256_str(&h));
}

/* ---- writing ---- */

static const struct sql get_mark = SQL_READ("SELECT count(*) FROM audit_finding WHERE mark = $1");
static const struct sql put_finding = SQL_WRITE(
    "audit_finding",
    "INSERT INTO audit_finding (mark, tenant_id, epoch, idx, origin, what, expected, found,"
    " first_at, last_at, pass) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)");
static const struct sql touch_finding =
    SQL_WRITE("audit_finding", "UPDATE audit_finding SET last_at = $2, pass = $3 WHERE mark = $1");
static const struct sql count_findings = SQL_READ("SELECT count(*) FROM audit_finding");
static const struct sql mended =
    SQL_WRITE("audit_finding", "DELETE FROM audit_finding WHERE pass <> $1");
static const struct sql get_pass =
    SQL_READ("SELECT pass, started_at, events, tenant_id, epoch, idx, completed_at FROM audit_check"
             " WHERE id = 1");
static const struct sql put_begin =
    SQL_WRITE("audit_check", "UPDATE audit_check SET pass = $1, started_at = $2, events = 0,"
                             " tenant_id = -1, epoch = 0, idx = 0 WHERE id = 1");
static const struct sql put_place =
    SQL_WRITE("audit_check", "UPDATE audit_check SET events = $1, tenant_id = $2, epoch = $3,"
                             " idx = $4 WHERE id = 1");
static const struct sql put_end =
    SQL_WRITE("audit_check", "UPDATE audit_check SET started_at = 0, completed_at = $1,"
                             " completed_events = $2 WHERE id = 1");

static enum err
hold_lease(struct cx *cx, struct selfcheck *s)
{
    audit_cover(cx, REASON_LOCK_ROW);
    audit_cover(cx, REASON_CHECK_STATE);
    return lease_take(cx, S("audit.check"), str_of(s->id), LEASE_US);
}

static const struct sql drop_lease =
    SQL_WRITE("lease", "DELETE FROM lease WHERE name = 'audit.check' AND owner = $1");

static enum err
end_lease(struct cx *cx, void *arg)
{
    struct selfcheck *s = arg;
    audit_cover(cx, REASON_LOCK_ROW);
    return db_exec(cx->tx, &drop_lease, ARGS(V_STR(str_of(s->id))), NULL);
}

/* Who is told of new findings: each log of its own, the installation's of what is the store's. */
struct telling {
    struct selfcheck *s;
    const struct verify_finding **fresh;
    size_t n;
};

static enum err
record_for(struct cx *cx, const struct telling *t, int64_t tenant_id)
{
    struct audit_change *c = arena_array(cx->arena, struct audit_change, TEXT_FINDINGS);
    struct audit_entry e = {.event = EV_AUDIT_DAMAGED,
                            .outcome = OUTCOME_FAILURE,
                            .target_kind = S("audit"),
                            .changes = c};
    size_t all = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct verify_finding *f = t->fresh[i];
        if (f->log.tenant_id != tenant_id)
            continue;
        all++;
        if (e.n_changes == TEXT_FINDINGS)
            continue;
        struct buf *b = buf_in(cx->arena, 16384);
        verify_finding_text(b, f);
        c[e.n_changes++] = (struct audit_change){
            f->index < 0 ? S("log") : arena_fmt(cx->arena, "event %lld", (long long)f->index),
            str_is_null(f->expected) ? STR_NULL : f->expected, buf_view(b)};
    }
    e.text = arena_fmt(cx->arena, SELFCHECK_DAMAGED "%zu place%s", all, all == 1 ? "" : "s");
    TRY(audit_act_in(cx, tenant_id));
    e.instance = !cx->tenant.known;
    return audit_record(cx, &e, NULL);
}

static enum err
tell_people(struct cx *cx, const struct telling *t)
{
    struct buf *b = buf_in(cx->arena, 65536);
    buf_cstr(b, "Recount checks its audit log by itself, and found it damaged:\n\n");
    for (size_t i = 0; i < t->n && i < TEXT_FINDINGS; i++) {
        verify_finding_text(b, t->fresh[i]);
        buf_char(b, '\n');
    }
    if (t->n > TEXT_FINDINGS)
        buf_fmt(b, "and %zu more\n", t->n - TEXT_FINDINGS);
    buf_cstr(b, "\nKeep the store as it is, look at it with \"recount audit verify --deep\", and "
                "compare it with checkpoints kept elsewhere.\n");
    TRY(audit_act_in(cx, 0));
    return t->s->o.tell_administrators == NULL || !cx->tenant.known
               ? OK
               : t->s->o.tell_administrators(cx, true, S("The audit log was found damaged"),
                                             buf_view(b));
}

static enum err
tell_fresh(struct cx *cx, const struct telling *t)
{
    for (size_t i = 0; i < t->n; i++) {
        bool first = true;
        for (size_t k = 0; k < i && first; k++)
            first = t->fresh[k]->log.tenant_id != t->fresh[i]->log.tenant_id;
        if (first)
            TRY(record_for(cx, t, t->fresh[i]->log.tenant_id));
    }
    return t->n > 0 ? tell_people(cx, t) : OK;
}

static enum err
write_findings(struct cx *cx, void *arg)
{
    struct selfcheck *s = arg;
    struct telling t = {s, arena_array(cx->arena, const struct verify_finding *, GATHERED_MAX), 0};
    audit_cover(cx, REASON_CHECK_FINDING);
    for (size_t i = 0; i < s->n; i++) {
        const struct verify_finding *f = &s->v[i];
        struct str mark = mark_of(cx->arena, f);
        int64_t n = 0;
        TRY(db_query_int(cx->tx, &get_mark, ARGS(V_STR(mark)), &n));
        if (n > 0) {
            TRY(db_exec(cx->tx, &touch_finding, ARGS(V_STR(mark), V_INT(cx->now), V_INT(s->pass)),
                        NULL));
            continue;
        }
        TRY(db_exec(cx->tx, &put_finding,
                    ARGS(V_STR(mark), V_INT(f->log.tenant_id), V_INT(f->log.epoch), V_INT(f->index),
                         V_STR(f->origin), V_STR(f->what), V_STR(f->expected), V_STR(f->found),
                         V_INT(cx->now), V_INT(s->pass)),
                    NULL));
        t.fresh[t.n++] = f;
    }
    return tell_fresh(cx, &t);
}

static enum err
read_count(struct cx *cx, void *arg)
{
    return db_query_int(cx->tx, &count_findings, NO_ARGS, arg);
}

static void
learn_count(struct selfcheck *s, struct cx *cx)
{
    int64_t n = 0;
    if (cx_read(cx, read_count, &n) == OK)
        atomic_store(&s->damaged, n);
}

/* A store that can not be written keeps the findings here until it can. */
static void
flush(struct selfcheck *s)
{
    if (s->n == 0)
        return;
    struct arena *a = arena_create("self-check", CHECK_ARENA);
    struct cx cx = cx_system(s->app, a, "Self-check", NULL);
    for (size_t i = 0; i < s->n; i++)
        log_error("audit.damaged", LOG_STR("log", s->v[i].origin), LOG_INT("index", s->v[i].index),
                  LOG_STR("what", s->v[i].what));
    if (cx_write(&cx, write_findings, s) == OK)
        forget(s);
    else
        log_warn("selfcheck.unwritten", LOG_STR("why", cx.failure.message),
                 LOG_STR("store", db_last_error()));
    learn_count(s, &cx);
    arena_free(a);
}

/* ---- where a pass stands, over a restart ---- */

/* The row is believed only where this server itself remembers that it was so: else whoever writes it could have the
 * check go on behind what he changed, and call it sound. */
#define PLACE_FILE "check.place"
#define PLACE_MAX  160

struct placed {
    char text[PLACE_MAX];
};

static struct placed
placed(int64_t pass, int64_t started_at, int64_t events, const struct verify_place *at)
{
    struct placed p;

    (void)snprintf(p.text, sizeof p.text, "%lld %lld %lld %lld %lld %lld\n", (long long)pass,
                   (long long)started_at, (long long)events, (long long)at->log.tenant_id,
                   (long long)at->log.epoch, (long long)at->index);
    return p;
}

static const char *
place_path(const struct selfcheck *s, struct arena *a, const char *suffix)
{
    return arena_cstr(
        a, arena_fmt(a, "%.*s/" PLACE_FILE "%s", STR_ARG(s->app->config.data_dir), suffix));
}

static void
remember_place(const struct selfcheck *s, struct arena *a, const struct placed *p)
{
    const char *path = place_path(s, a, ""), *fresh = place_path(s, a, ".new");
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = strlen(p->text);
    bool good = fd >= 0 && write(fd, p->text, n) == (ssize_t)n;

    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (!good || rename(fresh, path) != 0)
        log_debug("selfcheck.place", LOG_STR("path", str_of(path)));
}

static bool
is_remembered(const struct selfcheck *s, struct arena *a, const struct placed *p)
{
    int fd = open(place_path(s, a, ""), O_RDONLY | O_CLOEXEC);
    char text[PLACE_MAX];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);

    if (fd >= 0)
        (void)close(fd);
    return n >= 0 && str_eq(str_mem(text, (size_t)n), str_of(p->text));
}

/* ---- walking ---- */

struct placing {
    struct selfcheck *s;
    const struct verify_place *at;
    int64_t events;
};

static enum err
write_place(struct cx *cx, void *arg)
{
    const struct placing *p = arg;
    TRY(hold_lease(cx, p->s));
    return db_exec(cx->tx, &put_place,
                   ARGS(V_INT(p->events), V_INT(p->at->log.tenant_id), V_INT(p->at->log.epoch),
                        V_INT(p->at->index)),
                   NULL);
}

static void
save(struct selfcheck *s, const struct verify_place *at, int64_t events)
{
    struct arena *a = arena_create("self-check", CHECK_ARENA);
    struct cx cx = cx_system(s->app, a, "Self-check", NULL);
    struct placing p = {s, at, s->events_before + events};
    enum err e = cx_write(&cx, write_place, &p);
    struct placed now = placed(s->pass, s->started_at, p.events, at);
    s->lost = e == ERR_CONFLICT;
    if (e == OK)
        remember_place(s, a, &now);
    s->saved_at = clock_monotonic();
    arena_free(a);
}

/* The verifier rests: findings are written, and as much time is slept as the share asks for. */
static bool
pace(void *arg, const struct verify_place *at, int64_t events)
{
    struct selfcheck *s = arg;
    int64_t work = cpu_now() - s->cpu;
    flush(s);
    if (clock_monotonic() - s->saved_at > SAVE_US)
        save(s, at, events);
    int64_t us = work * SLEEP_RATIO;
    nap(s, us < NAP_MAX_US ? us : NAP_MAX_US);
    s->cpu = cpu_now();
    return !stopping(s) && !s->lost;
}

/* ---- one pass ---- */

struct pass {
    struct selfcheck *s;
    bool resume;
    struct verify_place from;
    int64_t started_at, events, completed_at, removed;
};

static enum err
begin_pass(struct cx *cx, void *arg)
{
    struct pass *p = arg;
    struct db_rows *r = NULL;
    TRY(hold_lease(cx, p->s));
    TRY(db_query_one(cx->tx, &get_pass, NO_ARGS, &r));
    p->s->pass = db_int(r, 0);
    p->started_at = db_int(r, 1);
    p->events = db_int(r, 2);
    p->from = (struct verify_place){{db_int(r, 3), db_int(r, 4)}, db_int(r, 5)};
    p->completed_at = db_int(r, 6);
    db_rows_end(r);
    struct placed row = placed(p->s->pass, p->started_at, p->events, &p->from);
    p->resume = p->started_at != 0 && p->events > 0 && cx->now - p->started_at < PASS_FORGOTTEN &&
                is_remembered(p->s, cx->arena, &row);
    p->s->started_at = p->started_at;
    if (p->resume)
        return OK;
    p->s->pass = p->s->pass < 0 || p->s->pass > PASS_MAX ? 1 : p->s->pass + 1;
    p->s->started_at = p->started_at = cx->now;
    p->events = 0;
    return db_exec(cx->tx, &put_begin, ARGS(V_INT(p->s->pass), V_INT(cx->now)), NULL);
}

static enum err
record_checked(struct cx *cx, const struct pass *p, int64_t left)
{
    struct audit_entry e = {.event = EV_AUDIT_CHECKED, .instance = true, .target_kind = S("audit")};
    e.text =
        p->removed > 0
            ? arena_fmt(cx->arena,
                        "The server checked the audit log: %lld findings of before are not met "
                        "any more, %lld are left", /* SELFCHECK_NONE_LEFT */
                        (long long)p->removed, (long long)left)
            : arena_fmt(cx->arena, "The server checked the audit log: %lld" SELFCHECK_SOUND,
                        (long long)p->events);
    cx->tenant = (struct tenant_ref){0};
    return audit_record(cx, &e, NULL);
}

/* Told once a day, and whenever something is sound again. */
static enum err
end_pass(struct cx *cx, void *arg)
{
    struct pass *p = arg;
    int64_t left = 0;
    TRY(hold_lease(cx, p->s));
    audit_cover(cx, REASON_CHECK_FINDING);
    TRY(db_exec(cx->tx, &mended, ARGS(V_INT(p->s->pass)), &p->removed));
    TRY(db_query_int(cx->tx, &count_findings, NO_ARGS, &left));
    TRY(db_exec(cx->tx, &put_end, ARGS(V_INT(cx->now), V_INT(p->events)), NULL));
    bool new_day = cx->now / USEC_PER_DAY != p->completed_at / USEC_PER_DAY;
    return p->removed > 0 || (new_day && left == 0) ? record_checked(cx, p, left) : OK;
}

static enum err
walk(struct selfcheck *s, struct pass *p)
{
    struct arena *a = arena_create("self-check", CHECK_ARENA);
    struct cx cx = cx_system(s->app, a, "Self-check", NULL);
    struct verify_options o = {.deep = true,
                               .resume = p->resume,
                               .from = p->from,
                               .file_max = FILE_MAX,
                               .tell = gather,
                               .note = no_note,
                               .pace = pace,
                               .arg = s};
    const struct selfcheck_tell t = {gather, no_note, s};
    struct verify_result res = {0};
    int64_t n = 0;
    s->events_before = p->events;
    s->lost = false;
    s->cpu = cpu_now();
    s->saved_at = clock_monotonic();
    enum err e = audit_verify(&cx, &o, &res);
    p->events += res.events;
    flush(s);
    if (e == OK && res.stopped)
        e = ERR_CONFLICT;
    if (e == OK)
        e = selfcheck_access(&cx, -1, &t, &n);
    flush(s);
    arena_free(a);
    return e == OK && s->n > 0 ? ERR_UNAVAILABLE : e;
}

static enum err
one_pass(struct selfcheck *s)
{
    struct arena *a = arena_create("self-check", CHECK_ARENA);
    struct cx cx = cx_system(s->app, a, "Self-check", NULL);
    struct pass p = {.s = s};
    enum err e = cx_write(&cx, begin_pass, &p);
    if (e == OK)
        e = walk(s, &p);
    cx.now = app_now(s->app);
    if (e == OK)
        e = cx_write(&cx, end_pass, &p);
    if (e != OK && e != ERR_CONFLICT)
        log_warn("selfcheck.later", LOG_STR("why", cx.failure.message),
                 LOG_STR("store", db_last_error()));
    fail_clear(&cx);
    learn_count(s, &cx);
    arena_free(a);
    return e;
}

static void
give_lease(struct selfcheck *s)
{
    struct arena *a = arena_create("self-check", CHECK_ARENA);
    struct cx cx = cx_system(s->app, a, "Self-check", NULL);
    if (cx_write(&cx, end_lease, s) != OK)
        log_debug("selfcheck.lease", LOG_STR("store", db_last_error()));
    arena_free(a);
}

static void *
selfcheck_main(void *arg)
{
    struct selfcheck *s = arg;
    (void)pthread_setname_np(pthread_self(), "self-check");
    (void)setpriority(PRIO_PROCESS, 0, 19); /* a thread's own on Linux */
    while (!stopping(s)) {
        enum err e = one_pass(s);
        bool soon = e != OK && s->o.pause_us > AGAIN_US;
        nap(s, soon ? AGAIN_US : s->o.pause_us);
    }
    give_lease(s);
    return NULL;
}

/* ---- life ---- */

void
selfcheck_start(struct app *app, const struct selfcheck_options *o)
{
    struct selfcheck *s = arena_new(app->arena, struct selfcheck);
    s->app = app;
    s->o = *o;
    s->gathered = arena_create("self-check findings", CHECK_ARENA);
    (void)snprintf(s->id, sizeof s->id, "%016llx", (unsigned long long)rand_u64());
    forget(s);
    app->selfcheck = s;
    if (pthread_create(&s->thread, NULL, selfcheck_main, s) != 0)
        BUG("no thread for the self-check");
}

void
selfcheck_stop(struct app *app)
{
    struct selfcheck *s = app->selfcheck;
    if (s == NULL)
        return;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    arena_free(s->gathered);
    app->selfcheck = NULL;
}

int64_t
selfcheck_damaged(const struct app *app)
{
    return app->selfcheck != NULL ? atomic_load(&app->selfcheck->damaged) : 0;
}
