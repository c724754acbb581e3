/* Events as they are in real life: people sign in and change users, in several workspaces and months. */
#include "bench_fill.h"

static const char *const firsts[] = {"Alice", "Bert", "Carla", "Dmitri", "Elif", "Farid", "Grete"};
static const char *const lasts[] = {"Archer", "Bright",  "Costa", "Dahl",
                                    "Engel",  "Fischer", "Gomez"};

static enum err
put_event(struct cx *cx)
{
    uint64_t n = rand_u64();
    struct arena *a = cx->arena;
    const char *first = firsts[n % 7], *last = lasts[n / 7 % 7];
    cx->actor.name = arena_fmt(a, "%s %s", first, last);
    cx->actor.email =
        arena_fmt(a, "%s.%s%llu@example.org", first, last, (unsigned long long)(n % 97));
    cx->actor.cuid = arena_fmt(a, "cuser%020llu", (unsigned long long)(n % 4001));
    cx->address = arena_fmt(a, "203.0.%llu.%llu", (unsigned long long)(n % 200),
                            (unsigned long long)(n / 200 % 250));
    cx->user_agent = S("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                       "Chrome/126.0.0.0 Safari/537.36");
    struct audit_change c = {S("e-mail"),
                             arena_fmt(a, "old%llu@example.org", (unsigned long long)(n % 9973)),
                             cx->actor.email};
    bool change = n % 3 == 0;
    struct audit_entry e = {
        .event = change ? EV_USER_UPDATED : EV_LOGIN_SUCCESS,
        .target_kind = S("user"),
        .target_id = arena_fmt(a, "cuser%020llu", (unsigned long long)(n / 4001 % 4001)),
        .target_name = arena_fmt(a, "%s %s", firsts[n / 49 % 7], lasts[n / 343 % 7]),
        .client_id = (int64_t)(n % 11),
        .text = change ? arena_fmt(a, "%s %s changed the e-mail address of user %llu", first, last,
                                   (unsigned long long)(n % 4001))
                       : arena_fmt(a, "%s %s signed in", first, last),
        .changes = &c,
        .n_changes = change ? 1 : 0};
    return audit_record(cx, &e, NULL);
}

enum err
fill_batch(struct cx *cx, void *arg)
{
    (void)arg;
    for (int i = 0; i < FILL_BATCH; i++) {
        cx->tenant.id = (int64_t)(rand_u64() % FILL_WORKSPACES);
        TRY(put_event(cx));
    }
    return OK;
}

void
fill_months(struct bench *b, int64_t events)
{
    struct arena *a = arena_create("fill", (size_t)1 << 30);
    int64_t since = month_start(clock_now(), -FILL_MONTHS);
    for (int m = 0; m < FILL_MONTHS; m++) {
        b->app.simulated_now = month_start(since, m) + USEC_PER_DAY;
        for (int64_t done = 0; done < events / FILL_MONTHS; done += FILL_BATCH) {
            struct cx cx = bench_cx(b, a, 0);
            b->app.simulated_now += USEC_PER_SEC;
            MUST(cx_write(&cx, fill_batch, NULL));
            arena_reset(a);
            MUST(audit_move_now(&b->app));
        }
    }
    arena_free(a);
}
