/* Jobs: claim, run, settle. One thread a lane; several processes share the table by leases. */
#include "run/jobs.h"

#include <pthread.h>

#include "base/log.h"
#include "run/bus.h"

#define KINDS_MAX 32
#define LEASE     (5 * USEC_PER_MIN)
#define POLL_MS   1000 /* how late a due job may start when nobody signalled */

struct kind {
    const char *name;
    enum job_lane lane;
    job_fn fn;
};

struct lane {
    struct jobs *jobs;
    enum job_lane lane;
    pthread_t thread;
};

struct jobs {
    struct app *app;
    struct kind kind[KINDS_MAX];
    int n_kinds;
    struct str outside; /* the kinds of LANE_OUTSIDE: ",mail," */
    struct lane lanes[LANES];
    bool started;
};

static const struct sql INSERT_JOB = SQL_WRITE(
    "job", "INSERT INTO job (job_id, tenant_id, kind, state, args, run_at, created_at, updated_at) "
           "VALUES ($1, $2, $3, 'ready', $4, $5, $6, $6)");
/* $2: the kinds of the outside; $3: 1 for those, 0 for all others. A lease until after $4 is longer than any: it is of
 * a clock that went back since, or none of ours, and stops nobody. */
#define NEXT                                                                                       \
    "SELECT job_id, tenant_id, kind, args, attempts FROM job "                                     \
    "WHERE state = 'ready' AND run_at <= $1 AND (lease_until < $1 OR lease_until > $4) "           \
    "AND (CASE WHEN CAST($2 AS TEXT) LIKE '%,' || kind || ',%' THEN 1 ELSE 0 END) = $3 "           \
    "ORDER BY run_at, job_id LIMIT 1"
static const struct sql NEXT_JOB = SQL_READ2(NEXT, NEXT " FOR UPDATE SKIP LOCKED");
static const struct sql CLAIM_JOB = SQL_WRITE(
    "job",
    "UPDATE job SET lease_until = $2, attempts = attempts + 1, updated_at = $3 WHERE job_id = $1");
static const struct sql SETTLE_JOB =
    SQL_WRITE("job", "UPDATE job SET state = $2, run_at = $3, lease_until = 0, updated_at = $4, "
                     "args = CASE WHEN $2 = 'ready' THEN args ELSE '' END WHERE job_id = $1");
static const struct sql TENANT_OF_JOB = SQL_READ("SELECT cuid FROM tenant WHERE tenant_id = $1");


struct jobs *
jobs_create(struct app *app)
{
    struct jobs *j = arena_new(app->arena, struct jobs);

    j->app = app;
    j->outside = S(",");
    for (int i = 0; i < LANES; i++)
        j->lanes[i] = (struct lane){.jobs = j, .lane = (enum job_lane)i};
    return j;
}

void
jobs_register(struct jobs *j, const char *kind, enum job_lane lane, job_fn fn)
{
    if (j->n_kinds == KINDS_MAX)
        BUG("more than %d kinds of jobs", KINDS_MAX);
    j->kind[j->n_kinds++] = (struct kind){kind, lane, fn};
    if (lane == LANE_OUTSIDE)
        j->outside = arena_fmt(j->app->arena, "%.*s%s,", STR_ARG(j->outside), kind);
}

enum err
job_queue(struct cx *cx, const char *kind, struct str args, int64_t run_at)
{
    int64_t id;

    TRY(db_sequence(cx->tx, "job", &id));
    cx->app->cover_job(cx);
    return db_exec(cx->tx, &INSERT_JOB,
                   ARGS(V_INT(id), V_INT(cx->tenant.known ? cx->tenant.id : -1),
                        V_STR(str_of(kind)), V_STR(args), V_INT(run_at), V_INT(cx->now)),
                   NULL);
}

struct claim {
    const struct lane *lane;
    bool found;
    int64_t id, tenant;
    struct str kind, args, tenant_cuid;
    int64_t attempts;
    enum err result;
};

static enum err
claim_body(struct cx *cx, void *arg)
{
    struct claim *c = arg;
    struct db_rows *r;
    enum err e =
        db_query_one(cx->tx, &NEXT_JOB,
                     ARGS(V_INT(cx->now), V_STR(c->lane->jobs->outside),
                          V_INT(c->lane->lane == LANE_OUTSIDE), V_INT(cx->now + 2 * LEASE)),
                     &r);

    c->found = false;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    c->id = db_int(r, 0);
    c->tenant = db_int(r, 1);
    c->kind = db_text_keep(r, 2);
    c->args = db_text_keep(r, 3);
    c->attempts = db_int(r, 4) + 1;
    db_rows_end(r);
    e = db_query_one(cx->tx, &TENANT_OF_JOB, ARGS(V_INT(c->tenant)), &r);
    if (e == OK) {
        c->tenant_cuid = db_text_keep(r, 0);
        db_rows_end(r);
    } else if (e != ERR_NOT_FOUND)
        return e;
    c->found = true;
    cx->app->cover_job(cx);
    return db_exec(cx->tx, &CLAIM_JOB, ARGS(V_INT(c->id), V_INT(cx->now + LEASE), V_INT(cx->now)),
                   NULL);
}

static enum err
settle_body(struct cx *cx, void *arg)
{
    const struct claim *c = arg;
    bool again = c->result != OK && c->attempts < JOB_ATTEMPTS_MAX;
    struct str state = c->result == OK ? S("done") : again ? S("ready") : S("failed");
    int64_t pause = USEC_PER_SEC << (c->attempts < 12 ? c->attempts * 2 : 24);

    cx->app->cover_job(cx);
    return db_exec(
        cx->tx, &SETTLE_JOB,
        ARGS(V_INT(c->id), V_STR(state), V_INT(cx->now + (again ? pause : 0)), V_INT(cx->now)),
        NULL);
}

static enum err
run_claimed(struct jobs *j, struct arena *a, const struct claim *c)
{
    struct tenant_ref t = {.known = c->tenant >= 0, .id = c->tenant, .cuid = c->tenant_cuid};
    struct cx cx = cx_system(j->app, a, "job", &t);

    cx.attempt = (int)c->attempts;
    for (int i = 0; i < j->n_kinds; i++) {
        if (str_eq(str_of(j->kind[i].name), c->kind))
            return j->kind[i].fn(&cx, c->args);
    }
    log_error("job.unknown", LOG_STR("kind", c->kind));
    return ERR_NOT_FOUND;
}

/* One job of the lane, if one is due. */
static bool
step(const struct lane *lane)
{
    struct jobs *j = lane->jobs;
    struct arena *a = arena_create("job", (size_t)256 << 20);
    struct cx cx = cx_system(j->app, a, "jobs", NULL);
    struct claim c = {.lane = lane};
    bool ran = false;

    if (cx_write(&cx, claim_body, &c) == OK && c.found) {
        ran = true;
        c.result = run_claimed(j, a, &c);
        if (c.result != OK)
            log_warn("job.failed", LOG_STR("kind", c.kind), LOG_INT("attempt", c.attempts),
                     LOG_STR("error", str_of(err_name(c.result))));
        fail_clear(&cx);
        cx.now = app_now(j->app);
        if (cx_write(&cx, settle_body, &c) != OK)
            log_warn("job.unsettled", LOG_INT("job", c.id));
        bus_publish(j->app->bus, BUS_JOB);
    }
    arena_free(a);
    return ran;
}

static void *
loop(void *arg)
{
    const struct lane *lane = arg;
    struct jobs *j = lane->jobs;

    while (!atomic_load(&j->app->stopping)) {
        uint64_t since[BUS_TOPICS] = {0};

        since[BUS_DATA] = bus_position(j->app->bus, BUS_DATA);
        while (!atomic_load(&j->app->stopping) && step(lane))
            ;
        bus_wait(j->app->bus, 1u << BUS_DATA, since, POLL_MS);
    }
    return NULL;
}

void
jobs_start(struct jobs *j)
{
    for (int i = 0; i < LANES; i++)
        if (pthread_create(&j->lanes[i].thread, NULL, loop, &j->lanes[i]) != 0)
            BUG("no thread for jobs");
    j->started = true;
}

void
jobs_stop(struct jobs *j)
{
    if (!j->started)
        return;
    for (int i = 0; i < LANES; i++)
        pthread_join(j->lanes[i].thread, NULL);
    j->started = false;
}
