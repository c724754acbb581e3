/* The writers of bench_crowd.h: each records the same event again and again, and waits for its commit. */
#include "bench_crowd.h"

#include <pthread.h>
#include <sys/resource.h>

static enum err
password_event(struct cx *cx, void *arg)
{
    const struct audit_change change = {S("passwordChangedAt"), S("2026-08-01T08:00:00.000Z"),
                                        S("2026-11-23T10:00:00.000Z")};
    struct audit_entry e = {.event = EV_PASSWORD_CHANGED_BY_OTHER,
                            .text = S("Alice Archer changed the password of Bob Baker"),
                            .target_kind = S("user"),
                            .target_id = S("cuser00000000000000000bob"),
                            .target_name = S("Bob Baker"),
                            .target_email = S("bob@example.org"),
                            .changes = &change,
                            .n_changes = 1};
    (void)arg;
    return audit_record(cx, &e, NULL);
}

void
crowd_event(struct bench *b, struct arena *a)
{
    struct cx cx = bench_cx(b, a, 0);
    MUST(cx_write(&cx, password_event, NULL));
    arena_reset(a);
}

struct crowd {
    struct bench *b;
    atomic_bool stop;
    atomic_long n;
    atomic_llong cpu; /* microseconds, of the writers */
};

static void *
writer(void *arg)
{
    struct crowd *c = arg;
    struct arena *a = arena_create("writer", (size_t)64 << 20);
    bench_count_me();
    (void)pthread_setname_np(pthread_self(), "writer");
    while (!atomic_load(&c->stop)) {
        crowd_event(c->b, a);
        atomic_fetch_add(&c->n, 1);
    }
    atomic_fetch_add(&c->cpu, cpu_us(RUSAGE_THREAD));
    arena_free(a);
    return NULL;
}

struct crowd_round
crowd_run(struct bench *b, int n, int ms)
{
    struct crowd c = {.b = b};
    struct crowd_round r = {0};
    pthread_t t[WRITERS];
    if (n > WRITERS)
        DIE("at most %d writers", WRITERS);
    struct syncs before = syncs_now();
    double cpu = (double)cpu_us(RUSAGE_SELF), start = now_us();
    for (int i = 0; i < n; i++)
        if (pthread_create(&t[i], NULL, writer, &c) != 0)
            DIE("no thread");
    usleep((unsigned)ms * 1000);
    atomic_store(&c.stop, true);
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    double took = now_us() - start;
    struct syncs after = syncs_now();
    audit_settle(&b->app, 20000);
    double settled = now_us() - start;
    r.events = atomic_load(&c.n);
    r.rate = (double)r.events / took * 1e6;
    r.sustained = (double)r.events / settled * 1e6;
    r.lag = (settled - took) / 1e3;
    r.syncs = (struct syncs){after.mine - before.mine, after.rest - before.rest};
    r.cpu_writers = (double)atomic_load(&c.cpu);
    r.cpu_rest = (double)cpu_us(RUSAGE_SELF) - cpu - r.cpu_writers;
    return r;
}

void
crowd_add(struct crowd_round *sum, const struct crowd_round *r)
{
    sum->events += r->events;
    sum->syncs.mine += r->syncs.mine;
    sum->syncs.rest += r->syncs.rest;
    sum->cpu_writers += r->cpu_writers;
    sum->cpu_rest += r->cpu_rest;
}
