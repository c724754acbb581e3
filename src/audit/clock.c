/* The clock watch: the wall clock against the time since boot, once a minute and over restarts. A
 * step of over a second is an event; one of over an hour, or a gap nobody can tell from a step, holds
 * the month end back until an administrator confirms. Owns audit_clock and audit_clock_hold. */
#include "audit/priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

#define STEP_TOLD   USEC_PER_SEC        /* below: a clock being steered */
#define STEP_HOLDS  USEC_PER_HOUR       /* beyond: no month is dropped until it is confirmed */
#define GAP_HOLDS   USEC_PER_DAY        /* unseen over a boot: off, or wrong, nobody can tell */
#define TOLD_EVERY  USEC_PER_HOUR       /* small steps within are told in one event */
#define FORGET      (90 * USEC_PER_DAY) /* machines that were not seen for so long */
#define CLOCK_ARENA ((size_t)16 << 20)

/* ---- reading ---- */

static void
read_boot(char out[CLOCK_BOOT_MAX])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, out, CLOCK_BOOT_MAX - 1);
    if (fd >= 0)
        (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    for (char *p = out; *p; p++)
        if (*p == '\n')
            *p = '\0';
}

struct clock_reading
clock_read(void)
{
    struct clock_reading r = {.wall = clock_now(), .up = clock_since_boot()};
    if (gethostname(r.host, sizeof r.host - 1) != 0)
        snprintf(r.host, sizeof r.host, "localhost");
    read_boot(r.boot);
    return r;
}

/* ---- judging ---- */

static bool
same_boot(const struct clock_reading *a, const struct clock_reading *b)
{
    return strcmp(a->host, b->host) == 0 && a->boot[0] != '\0' && strcmp(a->boot, b->boot) == 0 &&
           b->up >= a->up;
}

struct clock_verdict
clock_judge(const struct clock_reading *before, const struct clock_reading *now)
{
    struct clock_verdict v = {.moved = now->wall - before->wall};
    v.certain = same_boot(before, now);
    if (v.certain)
        v.moved -= now->up - before->up;
    int64_t by = v.moved < 0 ? -v.moved : v.moved;
    if (!v.certain && v.moved >= 0) { /* it was off: how long, nobody saw */
        v.holds = v.tell = by > GAP_HOLDS;
        return v;
    }
    v.tell = by > STEP_TOLD;
    v.holds = by > STEP_HOLDS;
    return v;
}

/* ---- the store ---- */

static const struct sql get_own = SQL_READ("SELECT host, boot, wall, up FROM audit_clock "
                                           "WHERE host = $1");
static const struct sql get_newest =
    SQL_READ("SELECT host, boot, wall, up FROM audit_clock ORDER BY wall DESC LIMIT 1");
static const struct sql get_hold = SQL_READ("SELECT count(*) FROM audit_clock_hold");
static const struct sql put_seen =
    SQL_WRITE("audit_clock", "INSERT INTO audit_clock (host, boot, wall, up) "
                             "VALUES ($1, $2, $3, $4) ON CONFLICT (host) DO UPDATE SET "
                             "boot = excluded.boot, wall = excluded.wall, up = excluded.up");
static const struct sql forget =
    SQL_WRITE("audit_clock", "DELETE FROM audit_clock WHERE wall < $1 AND host <> $2");
static const struct sql put_hold =
    SQL_WRITE("audit_clock_hold", "INSERT INTO audit_clock_hold (id, at, moved) "
                                  "VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING");
static const struct sql end_hold =
    SQL_WRITE("audit_clock_hold", "DELETE FROM audit_clock_hold WHERE id = 1");

struct asked {
    const char *host;
    struct clock_reading seen; /* host "" when there is none */
    int64_t holds;
};

static void
copy(char *out, size_t size, struct str s)
{
    snprintf(out, size, "%.*s", STR_ARG(s));
}

static enum err
take_row(struct db_tx *tx, const struct sql *q, struct db_args args, struct clock_reading *out)
{
    struct db_rows *r = NULL;
    TRY(db_query_one(tx, q, args, &r));
    copy(out->host, sizeof out->host, db_text(r, 0));
    copy(out->boot, sizeof out->boot, db_text(r, 1));
    out->wall = db_int(r, 2);
    out->up = db_int(r, 3);
    db_rows_end(r);
    return OK;
}

/* This machine's last look; else the newest of the others', which tells a clock that went back. */
static enum err
read_clock_rows(struct db_tx *tx, void *arg)
{
    struct asked *x = arg;
    TRY(db_query_int(tx, &get_hold, NO_ARGS, &x->holds));
    enum err e = take_row(tx, &get_own, ARGS(V_STR(str_of(x->host))), &x->seen);
    if (e == ERR_NOT_FOUND)
        e = take_row(tx, &get_newest, NO_ARGS, &x->seen);
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum err
note_body(struct db_tx *tx, void *arg)
{
    const struct clock_reading *c = arg;
    tail_own(tx);
    TRY(db_exec(tx, &forget, ARGS(V_INT(c->wall - FORGET), V_STR(str_of(c->host))), NULL));
    return db_exec(
        tx, &put_seen,
        ARGS(V_STR(str_of(c->host)), V_STR(str_of(c->boot)), V_INT(c->wall), V_INT(c->up)), NULL);
}

/* ---- telling ---- */

struct told {
    struct clock_verdict v;
    const char *host;
    bool by_log;   /* compared with the newest event, not with a look */
    int64_t steps; /* small ones told together */
    struct str text;
};

static struct str
span(struct arena *a, int64_t us)
{
    int64_t s = (us < 0 ? -us : us) / USEC_PER_SEC;
    if (s < 120)
        return arena_fmt(a, "%lld s", (long long)s);
    if (s < 7200)
        return arena_fmt(a, "%lld min", (long long)(s / 60));
    if (s < 2 * 86400)
        return arena_fmt(a, "%lld h %lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
    return arena_fmt(a, "%lld days", (long long)(s / 86400));
}

static struct str
sentence(struct arena *a, const struct told *x)
{
    const char *held = x->v.holds ? " No month of the audit log expires until an administrator "
                                    "confirms the time."
                                  : "";
    struct str by = span(a, x->v.moved);
    if (x->by_log)
        return arena_fmt(a,
                         "The clock of %s stands %.*s %s the newest event of the installation's "
                         "log: it was set meanwhile, or it was wrong when that was recorded.%s",
                         x->host, STR_ARG(by), x->v.moved < 0 ? "before" : "after", held);
    if (!x->v.certain && x->v.moved >= 0)
        return arena_fmt(a,
                         "The clock of %s stands %.*s after it was last seen, and the machine was "
                         "started again meanwhile: it was off, or its clock is wrong.%s",
                         x->host, STR_ARG(by), held);
    if (x->steps > 1)
        return arena_fmt(a, "The clock of %s moved in %lld steps, in all %s by %.*s.", x->host,
                         (long long)x->steps, x->v.moved < 0 ? "back" : "forward", STR_ARG(by));
    return arena_fmt(a, "The clock of %s was set %s by %.*s.%s", x->host,
                     x->v.moved < 0 ? "back" : "forward", STR_ARG(by), held);
}

/* In the instance's log and in each workspace's: the times in both hang on this clock. */
static enum err
tell_body(struct cx *cx, void *arg)
{
    const struct told *x = arg;
    struct audit_change change = {
        S("clock moved by (s)"), STR_NULL,
        arena_fmt(cx->arena, "%lld", (long long)(x->v.moved / USEC_PER_SEC))};
    struct audit_entry e = {.event = EV_CLOCK_STEPPED,
                            .text = x->text,
                            .changes = &change,
                            .n_changes = 1,
                            .target_kind = S("audit"),
                            .target_id = x->v.holds ? S("held") : STR_NULL};
    if (x->v.holds)
        TRY(db_exec(cx->tx, &put_hold, ARGS(V_INT(cx->now), V_INT(x->v.moved)), NULL));
    return audit_record_everywhere(cx, &e);
}

static enum err
tell(struct audit *au, const struct clock_reading *now, struct clock_verdict v, bool by_log,
     int64_t steps)
{
    struct arena *a = arena_create("audit.clock", CLOCK_ARENA);
    struct told x = {.v = v, .host = now->host, .by_log = by_log, .steps = steps};
    struct cx cx = cx_system(au->app, a, "Clock watch", NULL);
    x.text = sentence(a, &x);
    log_warn("audit.clock_step", LOG_INT("seconds", v.moved / USEC_PER_SEC),
             LOG_INT("steps", steps), LOG_INT("holds", v.holds));
    enum err e = cx_write(&cx, tell_body, &x);
    arena_free(a);
    return e;
}

/* Rows can be old (of a machine that others went on without), lost or planted; what was recorded before can not
 * be later than now. By less than an hour that is another server's clock. */
static bool
judge_log(const struct clock_watch *w, const struct clock_reading *now, struct clock_verdict *v)
{
    int64_t moved = now->wall - w->log_at;
    bool alone = w->seen.host[0] == '\0';

    bool back = moved < -STEP_HOLDS && (alone || moved < v->moved);

    if (w->log_at == 0 || !(back || (alone && moved > GAP_HOLDS)))
        return false;
    *v = (struct clock_verdict){.moved = moved, .tell = true, .holds = true};
    return true;
}

/* Small steps are told at most once an hour, together: a badly steered clock does not fill the log. */
static enum err
judge(struct audit *au, const struct clock_reading *now)
{
    struct clock_watch *w = &au->clock;
    struct clock_verdict v = {0};
    if (w->seen.host[0] != '\0')
        v = clock_judge(&w->seen, now);
    bool by_log = judge_log(w, now, &v);
    if (v.holds) {
        atomic_store(&au->hold_drops, true); /* also when it can not be written down */
        return tell(au, now, v, by_log, 1);
    }
    if (v.tell) {
        w->moved += v.moved;
        w->steps++;
    }
    if (w->steps == 0 ||
        (w->told_at != 0 && now->up - w->told_at < TOLD_EVERY && now->up > w->told_at))
        return OK;
    v = (struct clock_verdict){.moved = w->moved, .certain = true, .tell = true};
    TRY(tell(au, now, v, false, w->steps));
    w->moved = w->steps = 0;
    w->told_at = now->up;
    return OK;
}

static enum err
newest_of_log(struct audit *au, struct arena *a, enum event event, int64_t *at)
{
    struct cx cx = cx_system(au->app, a, "Clock watch", NULL);
    struct audit_query q = {
        .instance = true, .limit = 1, .outcome = -1, .event = event, .after = -1, .before = -1};
    struct audit_page p = {0};
    TRY(audit_list(&cx, &q, &p));
    *at = p.n > 0 ? p.events[0].at : 0;
    return OK;
}

/* The first look of a run asks the log, too. Where no look is kept it counts only if a server ran before: what
 * commands recorded says nothing of how long ago that was. */
static void
ask_log(struct audit *au, struct arena *a, struct clock_watch *w)
{
    int64_t started = 0;
    enum err e = newest_of_log(au, a, EVENT_NONE, &w->log_at);
    if (e == OK && w->seen.host[0] == '\0') {
        e = newest_of_log(au, a, EV_SERVER_STARTED, &started);
        if (started == 0)
            w->log_at = 0;
    }
    if (e != OK)
        log_warn("audit.clock_not_compared", LOG_STR("store", db_last_error()));
}

/* What could not be told is judged again at the next look: `seen` has not moved on. */
void
clock_watch(struct audit *au, const struct clock_reading *now)
{
    struct clock_watch *w = &au->clock;
    struct arena *a = arena_create("audit.clock", CLOCK_ARENA);
    struct asked x = {.host = now->host};
    struct clock_reading note = *now;
    enum err e = db_read(au->app->db, a, read_clock_rows, &x);
    if (e == OK) {
        atomic_store(&au->hold_drops, x.holds > 0);
        if (w->seen.host[0] == '\0') {
            w->seen = x.seen;
            ask_log(au, a, w);
        }
        struct clock_watch kept = *w;
        e = judge(au, now);
        if (e == OK) {
            w->seen = *now;
            w->log_at = 0;
        } else {
            *w = kept;
        }
    }
    if (e == OK && !reserve_is_tight(au))
        e = db_write(au->app->db, a, note_body, &note);
    if (e != OK)
        log_warn("audit.clock_not_noted", LOG_STR("store", db_last_error()));
    arena_free(a);
}

bool
audit_drops_held(struct app *app)
{
    return atomic_load(&app->audit->hold_drops);
}

enum err
audit_confirm_clock(struct cx *cx)
{
    struct audit_change change = {S("months may expire"), S("held"), S("confirmed")};
    struct audit_entry e = {.event = EV_SETTING_CHANGED,
                            .instance = true,
                            .target_kind = S("clock"),
                            .text = S("The clock was confirmed after a step"),
                            .changes = &change,
                            .n_changes = 1};
    int64_t rows = 0;
    TRY(db_exec(cx->tx, &end_hold, NO_ARGS, &rows));
    return rows > 0 ? audit_record(cx, &e, NULL) : ERR_NOT_FOUND;
}

void
audit_refresh_clock(struct app *app)
{
    struct arena *a = arena_create("audit.clock", CLOCK_ARENA);
    struct asked x = {.host = ""};
    if (db_read(app->db, a, read_clock_rows, &x) == OK)
        atomic_store(&app->audit->hold_drops, x.holds > 0);
    arena_free(a);
}
