/* recount serve: opens the installation, starts its threads, listens, and stops in order. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "api/checkpoint_mail.h"
#include "api/mailer.h"
#include "api/server.h"
#include "audit/audit.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/demo.h"
#include "codec/hash.h"
#include "base/text.h"
#include "core/access.h"
#include "core/device.h"
#include "core/erasure.h"
#include "core/erasure_wal.h"
#include "core/hashing.h"
#include "core/limits.h"
#include "core/link.h"
#include "core/namekeys.h"
#include "core/retention.h"
#include "core/runs.h"
#include "core/selfcheck.h"
#include "core/session.h"
#include "core/settings.h"
#include "core/signin.h"
#include "out/cosign.h"
#include "out/mail.h"
#include "run/bus.h"
#include "run/jobs.h"

#define MIN_WORKERS        16   /* most wait for a commit */
#define HASH_HOLDERS_SHARE 8    /* one worker of so many may wait for a hash: changed passwords */
#define DRAIN_MS           5000 /* how long running requests may take at the end */
#define UPKEEP_S           20   /* period of locks, sweeps and disk alarms */
#define DISK_WARN_PERCENT  75
#define DISK_ALARM_PERCENT 90

static struct str
host_name(struct arena *a)
{
    char host[256] = "localhost";

    (void)gethostname(host, sizeof host - 1);
    return arena_str(a, str_of(host));
}

/* What the server was told, without secrets, as a digest that changes when the configuration does. */
static struct str
config_digest(struct arena *a, const struct config *c)
{
    size_t at = str_index(c->database, '@');
    struct str parts[] = {at == SIZE_MAX ? c->database : str_sub(c->database, at, c->database.n),
                          S("\n"),
                          c->listen_host,
                          S("\n"),
                          c->trusted_proxies,
                          S("\n"),
                          c->public_url,
                          S("\n"),
                          c->tls_cert};
    struct sha256 h = sha256_parts(parts, sizeof parts / sizeof parts[0]);

    return str_sub(hex_in(a, sha256_str(&h)), 0, 16);
}

/* What of this run is known before its threads start. */
struct starting {
    struct app *app;
    struct run run;
};

/* Whom one relied on is part of the story. */
static bool
name_witnesses(struct cx *cx, struct audit_change *out)
{
    struct buf *b = buf_in(cx->arena, COSIGN_WITNESSES_MAX * (NOTE_NAME_MAX + 512));
    struct cosign_view v;

    cosign_view(cx, &v);
    for (size_t i = 0; i < v.n; i++) {
        buf_cstr(b, i > 0 ? ", " : "");
        buf_str(b, note_vkey(cx->arena, &v.v[i].key));
    }
    *out = (struct audit_change){S("witnesses"), STR_NULL, buf_view(b)};
    return v.n > 0;
}

static enum err
record_start(struct cx *cx, void *arg)
{
    struct starting *s = arg;
    struct app *app = s->app;
    struct str digest = config_digest(cx->arena, &app->config), off = S("");
    struct audit_change change[3 + RUN_CHANGES] = {{S("configuration"), STR_NULL, digest}};
    struct audit_entry e = {
        .event = EV_SERVER_STARTED, .instance = true, .changes = change, .n_changes = 1};
    struct run_before before = {0};

    TRY(run_begin(cx, &s->run, &before));
    if (before.off_since > 0) {
        change[e.n_changes++] =
            (struct audit_change){S("off since"), STR_NULL, time_iso(cx->arena, before.off_since)};
        off = arena_fmt(cx->arena, "; it was off for %lld s",
                        (long long)((cx->now - before.off_since) / USEC_PER_SEC));
    }
    if (name_witnesses(cx, &change[e.n_changes]))
        e.n_changes++;
    run_changes(cx, &s->run, &before, &change[e.n_changes]);
    e.n_changes += RUN_CHANGES;
    e.text = arena_fmt(cx->arena,
                       "Recount " RECOUNT_VERSION " started on %.*s, listening on %.*s:%d%.*s%s",
                       STR_ARG(s->run.host), STR_ARG(app->config.listen_host), server_port(),
                       STR_ARG(off), before.unclean ? "; the previous run ended uncleanly" : "");
    e.target_kind = S("process");
    e.target_id = s->run.id;
    return audit_record(cx, &e, NULL);
}

static enum err
record_stop(struct cx *cx, void *arg)
{
    const struct starting *s = arg;
    struct audit_entry e = {.event = EV_SERVER_STOPPED,
                            .instance = true,
                            .target_kind = S("process"),
                            .target_id = s->run.id};

    e.text = arena_fmt(cx->arena, "Recount stopped on %.*s", STR_ARG(s->run.host));
    TRY(audit_record(cx, &e, NULL));
    return run_end(cx, &s->run);
}

/* Whether no other server runs on the data folder. The lock is held, shared, as long as the process lives,
 * so that a run that is still noted as open has died. */
static bool
is_alone(struct app *app)
{
    const char *path = arena_cstr(
        app->arena, arena_fmt(app->arena, "%.*s/server.lock", STR_ARG(app->config.data_dir)));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool alone = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

    if (fd < 0 || flock(fd, LOCK_SH) != 0)
        log_warn("server.lock", LOG_STR("path", str_of(path)));
    return alone;
}

static struct starting
starting(struct app *app)
{
    struct arena *a = app->arena;
    char *real = realpath(arena_cstr(a, app->config.data_dir), NULL);
    struct starting s = {.app = app,
                         .run = {.id = cuid_in(a, app_now(app)),
                                 .host = host_name(a),
                                 .folder = real ? arena_str(a, str_of(real)) : S(""),
                                 .version = S(RECOUNT_VERSION),
                                 .alone = is_alone(app)}};

    free(real);
    return s;
}

static void
own_event(struct app *app, const char *process, cx_body body, void *arg)
{
    struct arena *a = arena_create("process event", (size_t)16 << 20);
    struct cx cx = cx_system(app, a, process, NULL);

    if (cx_write(&cx, body, arg) != OK)
        log_error("audit.process_event_lost", LOG_STR("process", str_of(process)),
                  LOG_STR("why", cx.failure.message));
    arena_free(a);
}

/* ---- upkeep: locks, sweeps, alarms ---- */

struct upkeep {
    struct app *app;
    const struct run *run;
    pthread_t thread;
    int disk_level; /* 0, 1 warned, 2 alarmed */
    int64_t swept_day, seen_at;
};

static enum err
record_disk(struct cx *cx, void *arg)
{
    const int64_t *percent = arg;
    struct audit_entry e = {.event = EV_DISK_LOW, .instance = true, .outcome = OUTCOME_FAILURE};

    e.text = arena_fmt(cx->arena, "The disk of the store is %lld %% full", (long long)*percent);
    return audit_record(cx, &e, NULL);
}

static void
watch_disk(struct upkeep *u)
{
    int64_t used, left, total, percent;
    int level;

    db_space(u->app->db, &used, &left, &total);
    if (total <= 0)
        return;
    percent = (total - left) * 100 / total;
    level = percent >= DISK_ALARM_PERCENT ? 2 : percent >= DISK_WARN_PERCENT ? 1 : 0;
    if (level > u->disk_level) {
        log_warn("disk.filling", LOG_INT("percent", percent));
        own_event(u->app, "disk watch", record_disk, &percent);
    }
    if (level == 0 && u->disk_level > 0)
        log_info("disk.room", LOG_INT("percent", percent));
    u->disk_level = level;
}

static enum err
sweep_body(struct cx *cx, void *arg)
{
    (void)arg;
    TRY(session_sweep(cx));
    TRY(device_sweep(cx));
    return link_sweep(cx);
}

static void
keep_run(struct upkeep *u, struct cx *cx)
{
    cx->actor.name = S("server");
    if (cx->now - u->seen_at >= RUN_SEEN_EVERY || cx->now < u->seen_at) {
        if (run_seen(cx, u->run) == OK)
            u->seen_at = cx->now;
        else
            log_warn("upkeep.run", LOG_STR("why", cx->failure.message));
        fail_clear(cx);
    }
    if (run_tell_gaps(cx) != OK)
        log_warn("upkeep.gaps", LOG_STR("why", cx->failure.message));
    fail_clear(cx);
}

/* What of it fails is told by it and taken up again at the next look. */
static void
keep_baselines(struct upkeep *u)
{
    struct arena *a = arena_create("access baselines", (size_t)64 << 20);
    struct cx cx = cx_system(u->app, a, "access baseline", NULL);

    if (access_keep_baselines(&cx) != OK)
        log_warn("upkeep.baselines", LOG_STR("why", cx.failure.message));
    arena_free(a);
}

static void
upkeep_step(struct upkeep *u)
{
    struct arena *a = arena_create("upkeep", (size_t)64 << 20);
    struct cx cx = cx_system(u->app, a, "automatic unlock", NULL);
    int64_t day = cx.now / USEC_PER_DAY;

    if (signin_release_locks(&cx) != OK)
        log_warn("upkeep.locks", LOG_STR("why", cx.failure.message));
    fail_clear(&cx);
    cx.actor.name = S("Retention");
    if (retention_tick(&cx) != OK)
        log_warn("upkeep.retention", LOG_STR("why", cx.failure.message));
    fail_clear(&cx);
    cx.actor.name = S("Erasure");
    if (erasure_tick(&cx) != OK)
        log_warn("upkeep.erasure", LOG_STR("why", cx.failure.message));
    fail_clear(&cx);
    if (erasure_wal_step(&cx) != OK)
        log_warn("upkeep.erasure_wal", LOG_STR("why", cx.failure.message));
    fail_clear(&cx);
    cx.actor.name = S("Checkpoints by mail");
    if (checkpoint_mail_tick(&cx) != OK)
        log_warn("upkeep.checkpoint_mail", LOG_STR("why", cx.failure.message));
    fail_clear(&cx);
    keep_run(u, &cx);
    if (day != u->swept_day && cx_write(&cx, sweep_body, NULL) == OK && namekeys_fill(&cx) == OK)
        u->swept_day = day;
    fail_clear(&cx);
    watch_disk(u);
    keep_baselines(u);
    arena_free(a);
}

static void *
upkeep_loop(void *arg)
{
    struct upkeep *u = arg;

    while (!atomic_load(&u->app->stopping)) {
        upkeep_step(u);
        for (int i = 0; i < UPKEEP_S * 5 && !atomic_load(&u->app->stopping); i++)
            usleep(200000);
    }
    return NULL;
}

/* ---- the other servers on the same PostgreSQL ---- */

#define NOTICE_WAIT_MS 500

/* A notice is a hint: the bus says "look again", the cursors of the readers do the rest. */
static void *
notice_loop(void *arg)
{
    struct app *app = arg;

    while (!atomic_load(&app->stopping)) {
        struct arena *a = arena_create("notice", (size_t)1 << 20);
        struct str channel, payload;
        enum err e = db_wait_notice(app->db, NOTICE_WAIT_MS, a, &channel, &payload);

        if (e == OK && str_eq(channel, S("audit")))
            bus_publish(app->bus, BUS_AUDIT);
        else if (e != OK && e != ERR_END)
            usleep(NOTICE_WAIT_MS * 1000); /* the store is away: do not spin */
        arena_free(a);
    }
    return NULL;
}

/* ---- start and stop ---- */

/* All threads hand everything to sigwait(): a signal is an ordinary event here. */
static void
wait_for_stop(struct app *app)
{
    int which;

    while ((which = signals_wait()) == SIGHUP) {
        log_info("server.reading_again", LOG_INT("signal", which));
        cosign_reload(app);
    }
    log_info("server.stopping", LOG_INT("signal", which));
}

static void
greet(struct app *app, const struct demo_accounts *demo)
{
    struct arena *a = app->arena;
    struct str host = str_contains(app->config.listen_host, S(":"))
                          ? arena_fmt(a, "[%.*s]", STR_ARG(app->config.listen_host))
                          : app->config.listen_host;
    struct str url =
        arena_fmt(a, "%s://%.*s:%d", str_is_empty(app->config.tls_cert) ? "http" : "https",
                  STR_ARG(host), server_port());

    if (demo) {
        demo_print(stdout, url, demo);
    } else {
        printf("\nRecount is listening on %.*s\n", STR_ARG(url));
    }
    fflush(stdout);
}

static enum err
setup_body(struct cx *cx, void *arg)
{
    return link_setup_needed(cx, arg);
}

static void
offer_setup(struct app *app)
{
    struct cx cx = cx_system(app, app->arena, "start", NULL);
    bool needed = false;
    struct str url;

    if (cx_read(&cx, setup_body, &needed) != OK || !needed)
        return;
    if (link_setup(&cx, &url) == OK)
        printf("\nNobody can sign in yet. Set Recount up here (once, within 24 hours):\n  %.*s\n",
               STR_ARG(url));
    fflush(stdout);
}

static enum err
tell_everywhere(struct cx *cx, struct str subject, struct str text)
{
    return mailer_tell_administrators(cx, true, subject, text);
}

static int
run_server(struct app *app, const struct demo_accounts *demo)
{
    struct starting s = starting(app);
    struct upkeep u = {.app = app, .run = &s.run, .seen_at = app_now(app)};
    struct str why = S("the server can not listen");
    struct cx cx = cx_system(app, app->arena, "server", NULL);
    pthread_t notices;

    /* How long the log is kept must be known before the month end looks at it. */
    if (settings_apply_installation(&cx) != OK)
        return refuse("%.*s", STR_ARG(cx.failure.message));
    audit_start(app);
    if (server_start(app, &why) != OK) {
        audit_stop(app);
        return refuse("%.*s", STR_ARG(why));
    }
    if (str_is_null(app->config.public_url) && app->config.listen_port == 0)
        app->config.listen_port = server_port();
    own_event(app, "server", record_start, &s);
    jobs_start(app->jobs);
    cosign_start(app, tell_everywhere);
    selfcheck_start(app,
                    &(struct selfcheck_options){.pause_us = app->config.check_pause * USEC_PER_SEC,
                                                .tell_administrators = mailer_tell_administrators});
    if (pthread_create(&u.thread, NULL, upkeep_loop, &u) != 0)
        BUG("no thread for upkeep");
    if (pthread_create(&notices, NULL, notice_loop, app) != 0)
        BUG("no thread for notices");
    log_info("http.listening", LOG_STR("address", app->config.listen_host),
             LOG_INT("port", server_port()));
    greet(app, demo);
    offer_setup(app);
    wait_for_stop(app);
    atomic_store(&app->stopping, true);
    bus_stop(app->bus);
    server_stop(DRAIN_MS);
    selfcheck_stop(app);
    jobs_stop(app->jobs);
    cosign_stop(app);
    pthread_join(u.thread, NULL);
    pthread_join(notices, NULL);
    own_event(app, "server", record_stop, &s);
    audit_stop(app);
    log_info("server.stopped", LOG_INT("uptime_s", (clock_now() - app->started) / USEC_PER_SEC));
    return 0;
}

static bool
is_loopback(struct str host)
{
    return str_has_prefix(host, S("127.")) || str_eq(host, S("::1")) ||
           str_eq(host, S("localhost"));
}

int
cmd_serve(struct arena *a, int argc, char **argv)
{
    struct config c = {0};
    struct str listen = STR_NULL, workers = STR_NULL, why = S("the policy can not be read"),
               check = STR_NULL, demo_days = STR_NULL;
    const struct option_def defs[] = {CONFIG_OPTIONS(&c),
                                      {"listen", &listen, NULL},
                                      {"tls-cert", &c.tls_cert, NULL},
                                      {"tls-key", &c.tls_key, NULL},
                                      {"trusted-proxy", &c.trusted_proxies, NULL},
                                      {"public-url", &c.public_url, NULL},
                                      {"workers", &workers, NULL},
                                      {"self-check", &check, NULL},
                                      {"demo", NULL, &c.demo},
                                      {"demo-days", &demo_days, NULL},
                                      {0}};
    struct demo_accounts *people = NULL;
    struct app *app;
    int64_t n = 0, days = DEMO_DAYS;
    int status;

    if (!options_read(a, defs, &argc, argv) || argc != 0)
        return usage(
            "serve [--data DIR] [--keys DIR] [--listen ADDR:PORT] [--database sqlite|postgres://…]\n"
            "                     [--tls-cert F --tls-key F] [--trusted-proxy CIDR] [--public-url URL] [--self-check SECONDS]\n"
            "                     [--demo [--demo-days N]]");
    if (!config_finish(a, &c, listen))
        return 1;
    if (!str_is_null(workers) && (str_int64(workers, &n) != OK || n < 6 || n > 256))
        return usage("serve: --workers wants a number from 6 to 256");
    int64_t pause = SELFCHECK_PAUSE_S;
    if (!str_is_null(check) && (str_int64(check, &pause) != OK || pause < 1 || pause > 86400))
        return usage("serve: --self-check wants seconds from 1 to 86400");
    c.check_pause = (int)pause;
    if (n == 0)
        n = sysconf(_SC_NPROCESSORS_ONLN) * 4;
    c.workers = (int)(str_is_null(workers) && n < MIN_WORKERS ? MIN_WORKERS : n);
    if (!str_is_null(demo_days) &&
        (!c.demo || str_int64(demo_days, &days) != OK || days < DEMO_DAYS || days > DEMO_DAYS_MAX))
        return usage("serve: --demo-days goes with --demo and wants a number from 160 to 400");
    if (c.demo && !is_loopback(c.listen_host))
        return refuse("--demo listens on this machine only: use --listen 127.0.0.1:PORT");
    if (geteuid() == 0)
        log_warn("server.root", LOG_STR("advice", S("run Recount as a user of its own")));
    signals_hold();
    if (!app_open(a, &c, (struct open_want){.migrate = true, .create = true}, &app))
        return 1;
    app->limits = limits_create(a);
    app->hashing = hashing_start(a, hashing_threads(), c.workers / HASH_HOLDERS_SHARE);
    if (!app->hashing)
        BUG("no thread for passwords");
    mail_register(app->jobs);
    erasure_register(app->jobs);
    if (cosign_open(app, &why) != OK) {
        app_close(app);
        return refuse("%.*s", STR_ARG(why));
    }
    if (c.demo && !demo_fill(app, (int)days, &people)) {
        cosign_close(app);
        app_close(app);
        return 1;
    }
    status = run_server(app, people);
    cosign_close(app);
    app_close(app);
    return status;
}
