/* How fast the log is listed and searched, and whether search finds exactly what a scan finds.
 *
 *     bench_search [--events 200000] [--queries 1000] [--seed N] [--dir /tmp] [--peers yes|no]
 *
 * Twenty workspaces share the events unequally (the first has about a quarter), spread over the
 * five months of the window, one month after the other, so that indexing merges as it does in use. Queries
 * are random pieces of three to twelve characters of random rows, absent strings, pieces of another
 * workspace's rows and one or two characters; the seed is printed. A sample of them is compared
 * with a brute-force scan, then the timings are taken while 500 events a second are appended. */
#include "bench_search.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#define APPENDS_PER_S 500
#define PERIODS       10
#define PAGE          50

struct corpus corpus;
static uint64_t state;

uint64_t
pick(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* ---- events ---- */

static const char *const firsts[] = {"Alice", "Bob",  "Chloé",  "Dmitri", "Erin",  "Farid",
                                     "Grace", "Hiro", "Ingrid", "João",   "Karin", "Liam",
                                     "Mina",  "Nils", "Olga",   "Pavel"};
static const char *const lasts[] = {"Archer",   "Baker",  "Carter", "Dubois",  "Eriksen",
                                    "Fischer",  "García", "Hughes", "Ivanova", "Jones",
                                    "Kowalski", "López",  "Müller", "Novak"};
static const char *const firms[] = {"Northwind", "Contoso", "Globex", "Initech",
                                    "Umbrella",  "Acme",    "Hooli",  "Stark",
                                    "Wayne",     "Wonka",   "Tyrell", "Cyberdyne"};
#define ANY(list) list[pick(sizeof list / sizeof list[0])]

static struct str
person(struct arena *a, struct str *email)
{
    const char *f = ANY(firsts), *l = ANY(lasts);
    *email = arena_fmt(a, "%c%s%llu@example.org", f[0] | 0x20, l, (unsigned long long)pick(200));
    return arena_fmt(a, "%s %s", f, l);
}

static struct str
cuid_like(struct arena *a)
{
    return arena_fmt(a, "c%016llx%08llx", (unsigned long long)pick(UINT64_MAX),
                     (unsigned long long)pick(1u << 31));
}

static void
address(struct cx *cx)
{
    cx->address = arena_fmt(cx->arena, "198.51.%llu.%llu", (unsigned long long)pick(100),
                            (unsigned long long)pick(254));
}

static enum err
sign_in(struct cx *cx)
{
    bool bad = pick(3) == 0;
    struct str who = cx->actor.name;
    struct audit_entry e = {.event = bad ? EV_LOGIN_FAIL : EV_LOGIN_SUCCESS,
                            .outcome = bad ? OUTCOME_FAILURE : OUTCOME_SUCCESS,
                            .target_kind = S("user"),
                            .target_id = cx->actor.cuid,
                            .target_name = who,
                            .target_email = cx->actor.email};
    e.text = bad ? arena_fmt(cx->arena, "Sign-in of %.*s failed: invalid credentials", STR_ARG(who))
                 : arena_fmt(cx->arena, "%.*s signed in", STR_ARG(who));
    return audit_record(cx, &e, NULL);
}

static enum err
about_user(struct cx *cx)
{
    static const enum event kinds[] = {EV_PASSWORD_CHANGED_BY_OTHER, EV_USER_UPDATED,
                                       EV_USER_DISABLED, EV_ROLE_ASSIGNED};
    struct audit_change change = {S("lastName"), str_of(ANY(lasts)), str_of(ANY(lasts))};
    struct audit_entry e = {
        .event = ANY(kinds), .target_kind = S("user"), .changes = &change, .n_changes = 1};
    e.target_id = cuid_like(cx->arena);
    e.target_name = person(cx->arena, &e.target_email);
    e.text = arena_fmt(cx->arena, "%.*s: %s of %.*s", STR_ARG(cx->actor.name),
                       event_type(e.event)->title, STR_ARG(e.target_name));
    return audit_record(cx, &e, NULL);
}

static enum err
about_client(struct cx *cx)
{
    struct audit_entry e = {.event = pick(2) ? EV_CLIENT_UPDATED : EV_CLIENT_USER_ASSIGNED,
                            .target_kind = S("client"),
                            .client_id = 1 + (int64_t)pick(400)};
    struct audit_change change = {
        S("description"), arena_fmt(cx->arena, "scope %llu", (unsigned long long)pick(100000)),
        arena_fmt(cx->arena, "ticket ENG-%llu", (unsigned long long)pick(100000))};
    e.client_name = arena_fmt(cx->arena, "%s %lld", ANY(firms), (long long)e.client_id);
    e.target_id = cuid_like(cx->arena);
    e.target_name = e.client_name;
    e.changes = &change;
    e.n_changes = 1;
    e.text = arena_fmt(cx->arena, "%.*s: %s, %.*s", STR_ARG(cx->actor.name),
                       event_type(e.event)->title, STR_ARG(e.client_name));
    return audit_record(cx, &e, NULL);
}

/* Workspace k has a share falling with its number. */
static int64_t
any_tenant(void)
{
    uint64_t total = 0, at;
    for (uint64_t k = 0; k < TENANTS; k++)
        total += 10000 / (k + 1);
    at = pick(total);
    for (uint64_t k = 0; k < TENANTS; k++) {
        if (at < 10000 / (k + 1))
            return (int64_t)k;
        at -= 10000 / (k + 1);
    }
    return 0;
}

enum err
put_event(struct cx *cx)
{
    cx->actor.name = person(cx->arena, &cx->actor.email);
    cx->actor.cuid = cuid_like(cx->arena);
    cx->request_id = cuid_like(cx->arena);
    address(cx);
    uint64_t kind = pick(10);
    return kind < 5 ? sign_in(cx) : kind < 8 ? about_user(cx) : about_client(cx);
}

struct batch {
    int64_t n, base, step; /* events; µs of the first; µs between two */
};

static enum err
put_batch(struct cx *cx, void *arg)
{
    const struct batch *b = arg;
    for (int64_t i = 0; i < b->n; i++) {
        cx->tenant.id = any_tenant();
        cx->now = b->base + i * b->step;
        TRY(put_event(cx));
    }
    return OK;
}

static void
fill(struct bench *b, int64_t events)
{
    struct arena *a = arena_create("fill", (size_t)1 << 30);
    int64_t now = clock_now(), since = month_start(now, -4), each = events / PERIODS;
    int64_t span = (now - since) / PERIODS;
    double start = now_us(), recording = 0;
    for (int64_t p = 0; p < PERIODS; p++) {
        for (int64_t done = 0; done < each; done += 5000) {
            struct batch s = {each - done < 5000 ? each - done : 5000, since + p * span,
                              span / (each + 1)};
            s.base += done * s.step;
            b->app.simulated_now = s.base;
            struct cx cx = bench_cx(b, a, 0);
            double t = now_us();
            MUST(cx_write(&cx, put_batch, &s));
            recording += now_us() - t;
            arena_reset(a);
        }
        b->app.simulated_now = since + (p + 1) * span;
        MUST(audit_move_now(&b->app));
    }
    b->app.simulated_now = 0;
    arena_free(a);
    double took = now_us() - start;
    figure("filling: recording in batches of 5,000", (double)events / recording * 1e6, "/s", NULL,
           0, NULL);
    figure("filling: recording, moving and indexing", (double)events / took * 1e6, "/s", NULL, 0,
           NULL);
}

/* ---- everything as documents, for queries, brute force and peers ---- */

struct audit_query
any_query(int64_t tenant)
{
    return (struct audit_query){
        .tenant_id = tenant, .outcome = -1, .after = -1, .before = -1, .limit = PAGE};
}

static void
page_of(struct bench *b, struct arena *a, struct audit_query q, struct audit_page *p)
{
    struct cx cx = bench_cx(b, a, q.tenant_id);
    MUST(audit_list(&cx, &q, p));
}

static void
keep_documents(struct bench *b, int64_t tenant)
{
    struct arena *a = arena_create("read", (size_t)1 << 30);
    struct audit_query q = any_query(tenant);
    struct audit_page p;
    struct docs *d = &corpus.docs[tenant];
    struct buf buf;
    size_t cap = (size_t)audit_newest(&b->app, tenant, false) + 1;
    buf_init(&buf, 1 << 20);
    d->v = arena_array(b->a, struct str, cap);
    q.ascending = true;
    q.limit = 1000;
    q.budget_ms = 60000;
    do {
        page_of(b, a, q, &p);
        for (size_t i = 0; i < p.n && d->n < cap; i++) {
            buf_clear(&buf);
            doc_put(&buf, &p.events[i]);
            if (p.events[i].index != (int64_t)d->n)
                DIE("index %lld instead of %zu", (long long)p.events[i].index, d->n);
            d->v[d->n++] = arena_str(b->a, buf_view(&buf));
        }
        q.after = p.next;
        arena_reset(a);
    } while (p.more);
    buf_free(&buf);
    arena_free(a);
}

/* ---- queries ---- */

/* A piece of `chars` characters of a document that has that many in one field; else a shorter one. */
static struct str
piece_of(struct str d, uint64_t chars)
{
    size_t at = pick(d.n), end;
    while (at > 0 && ((uint8_t)d.p[at] & 0xc0) == 0x80)
        at--;
    end = at;
    while (chars > 0 && end < d.n && d.p[end] != 0x1f && d.p[end] != '"') {
        (void)utf8_next(d, &end);
        chars--;
    }
    return chars == 0 ? str_mem(d.p + at, end - at) : STR_NULL;
}

struct str
real_piece(int64_t tenant, uint64_t chars)
{
    const struct docs *d = &corpus.docs[tenant];
    struct str s;
    do {
        s = piece_of(d->v[pick(d->n)], chars);
    } while (str_is_null(s) || str_trim(s).n == 0);
    return s;
}

static struct str
absent_piece(struct arena *a, int64_t tenant)
{
    if (pick(2)) { /* letters that never meet */
        char w[8];
        for (size_t i = 0; i < sizeof w; i++)
            w[i] = (char)('a' + pick(26));
        return arena_str(a, str_mem(w, sizeof w));
    }
    struct str x = real_piece(tenant, 6),
               y = real_piece(tenant, 6); /* known grams, unknown whole */
    return arena_fmt(a, "%.*s%.*s", STR_ARG(x), STR_ARG(y));
}

struct query
make_query(struct arena *a, enum query_class c)
{
    struct query q = {.tenant = any_tenant(), .class = c};
    switch (c) {
    case Q_REAL:
        q.text = real_piece(q.tenant, 3 + pick(10));
        break;
    case Q_ABSENT:
        q.text = absent_piece(a, q.tenant);
        break;
    case Q_FOREIGN: /* a value only another workspace holds: mostly no hit here */
        q.text = real_piece((q.tenant + 1 + (int64_t)pick(TENANTS - 1)) % TENANTS, 12);
        break;
    case Q_TWO:
        q.text = real_piece(q.tenant, 2);
        break;
    case Q_ONE:
        q.text = real_piece(q.tenant, 1);
        break;
    case Q_CLASSES:
        break;
    }
    return q;
}

static struct audit_query
as_audit_query(struct arena *a, const struct query *q)
{
    struct audit_query out = any_query(q->tenant);
    out.q = arena_fmt(a, "\"%.*s\"", STR_ARG(q->text));
    return out;
}

/* ---- correctness ---- */

/* Whether all pages of the query are exactly what a scan of the documents finds. */
static bool
equals_scan(struct bench *b, struct arena *a, const struct query *query)
{
    struct audit_query q = as_audit_query(a, query);
    const struct docs *d = &corpus.docs[query->tenant];
    int64_t at = (int64_t)d->n - 1;
    struct audit_page p;
    q.limit = 1000;
    q.budget_ms = 60000;
    do {
        page_of(b, a, q, &p);
        for (size_t k = 0; k < p.n; k++, at--) {
            while (at >= 0 && memmem(d->v[at].p, d->v[at].n, query->text.p, query->text.n) == NULL)
                at--;
            if (at < 0 || p.events[k].index != at)
                return false;
        }
        q.after = p.next;
    } while (p.more);
    for (; at >= 0; at--)
        if (memmem(d->v[at].p, d->v[at].n, query->text.p, query->text.n) != NULL)
            return false;
    return true;
}

static void
check_sample(struct bench *b, int n)
{
    int wrong = 0;
    for (int i = 0; i < n; i++) {
        struct arena *a = arena_create("check", (size_t)8 << 30);
        struct query q = make_query(a, (enum query_class)(i % Q_CLASSES));
        if (!equals_scan(b, a, &q)) {
            wrong++;
            printf("# WRONG: workspace %lld, '%.*s'\n", (long long)q.tenant, STR_ARG(q.text));
        }
        arena_free(a);
    }
    printf("# %d queries compared with a brute-force scan, %d differ\n", n, wrong);
    figure("searches unlike a brute-force scan", wrong, "", NULL, 0, "0");
}

/* ---- timings ---- */

struct appender {
    struct bench *b;
    atomic_bool stop;
    long done;
    uint64_t state;
    pthread_t thread;
};

static enum err
append_one(struct cx *cx, void *arg)
{
    struct audit_entry e = {.event = EV_LOGIN_SUCCESS,
                            .text = S("Alice Archer signed in"),
                            .target_kind = S("user"),
                            .target_id = cx->actor.cuid,
                            .target_name = cx->actor.name,
                            .target_email = cx->actor.email};
    (void)arg;
    return audit_record(cx, &e, NULL);
}

/* Five events a write, as a lone writer of a slow disk does not reach 500 commits a second. */
static enum err
append_some(struct cx *cx, void *arg)
{
    for (int i = 0; i < 5; i++)
        TRY(append_one(cx, arg));
    return OK;
}

static void *
append_loop(void *arg)
{
    struct appender *p = arg;
    struct arena *a = arena_create("append", (size_t)64 << 20);
    double start = now_us();
    while (!atomic_load(&p->stop)) {
        struct cx cx = bench_cx(p->b, a, p->done / 5 % TENANTS);
        MUST(cx_write(&cx, append_some, NULL));
        p->done += 5;
        arena_reset(a);
        double ahead = start + (double)p->done / APPENDS_PER_S * 1e6 - now_us();
        if (ahead > 0)
            usleep((unsigned)ahead);
    }
    arena_free(a);
    return NULL;
}

static void
print_samples(const char *name, struct samples *s, const char *goal, double limit_ms)
{
    char text[128];
    snprintf(text, sizeof text, "%s, p50", name);
    figure(text, samples_at(s, 0.5) / 1e3, "ms", NULL, 0, NULL);
    snprintf(text, sizeof text, "%s, p95", name);
    figure(text, samples_at(s, 0.95) / 1e3, "ms", NULL,
           limit_ms > 0 ? samples_at(s, 0.95) / 1e3 / limit_ms : 0, goal);
    free(s->v);
    *s = (struct samples){0};
}

static void
time_page(struct bench *b, struct arena *a, struct audit_query q, struct samples *s)
{
    struct audit_page p;
    double start = now_us();
    page_of(b, a, q, &p);
    samples_add(s, now_us() - start);
    arena_reset(a);
}

static void
time_pages(struct bench *b, struct arena *a)
{
    struct samples newest = {0}, cursor = {0}, offset = {0};
    for (int i = 0; i < 500; i++) {
        struct audit_query q = any_query(any_tenant());
        int64_t n = (int64_t)corpus.docs[q.tenant_id].n;
        time_page(b, a, q, &newest);
        q.after = (int64_t)pick((uint64_t)n);
        time_page(b, a, q, &cursor);
        q.after = -1;
        q.offset = (int64_t)pick((uint64_t)n);
        time_page(b, a, q, &offset);
    }
    double p50 = samples_at(&newest, 0.5), deep = samples_at(&cursor, 0.5);
    print_samples("newest page of 50", &newest, "<= 5 ms", 5);
    figure("any page by cursor / newest page, medians", deep / p50, "x", NULL, 0, "<= 2");
    print_samples("any page by cursor", &cursor, NULL, 0);
    print_samples("any page by offset", &offset, NULL, 0);
}

static const struct {
    const char *name, *goal;
    double limit_ms;
} classes[Q_CLASSES] = {
    [Q_REAL] = {"search, 3-12 characters of real rows", "<= 50 ms", 50},
    [Q_ABSENT] = {"search, absent strings", "<= 50 ms", 50},
    [Q_FOREIGN] = {"search, workspaces without a hit", "<= 50 ms", 50},
    [Q_TWO] = {"search, two characters", "<= 300 ms", 300},
    [Q_ONE] = {"search, one character", "<= 300 ms", 300},
};

static void
time_searches(struct bench *b, enum query_class c, int n)
{
    struct samples s = {0};
    int cut = 0;
    double worst = 0;
    char slowest[64] = "";
    for (int i = 0; i < n; i++) {
        struct arena *a = arena_create("search", (size_t)1 << 30);
        struct query query = make_query(a, c);
        struct audit_query q = as_audit_query(a, &query);
        struct audit_page p;
        double start = now_us();
        page_of(b, a, q, &p);
        double took = now_us() - start;
        samples_add(&s, took);
        cut += !p.complete;
        if (took > worst) {
            worst = took;
            snprintf(slowest, sizeof slowest, "%.*s", STR_ARG(query.text));
        }
        arena_free(a);
    }
    print_samples(classes[c].name, &s, classes[c].goal, classes[c].limit_ms);
    printf("# %s: %d queries, %d ended by the time budget, slowest %.1f ms '%s'\n", classes[c].name,
           n, cut, worst / 1e3, slowest);
}

static void
time_all(struct bench *b, int queries)
{
    struct appender p = {.b = b};
    struct arena *a = arena_create("pages", (size_t)1 << 30);
    audit_start(&b->app);
    if (pthread_create(&p.thread, NULL, append_loop, &p) != 0)
        DIE("no thread");
    double start = now_us();
    time_pages(b, a);
    for (int c = 0; c < Q_CLASSES; c++)
        time_searches(b, (enum query_class)c, c == Q_REAL ? queries : queries / 4);
    double took = now_us() - start;
    atomic_store(&p.stop, true);
    pthread_join(p.thread, NULL);
    figure("events appended meanwhile", (double)p.done / took * 1e6, "/s", NULL, 0, "500");
    audit_stop(&b->app);
    arena_free(a);
}

/* ---- size ---- */

static double
bytes_in(const char *dir, const char *part)
{
    char path[600];
    double n = 0;
    DIR *d;
    struct dirent *f;
    snprintf(path, sizeof path, "%s/audit", dir);
    if ((d = opendir(path)) == NULL)
        return 0;
    while ((f = readdir(d)) != NULL) {
        struct stat st;
        char name[900];
        snprintf(name, sizeof name, "%s/%s", path, f->d_name);
        if (strstr(f->d_name, part) && stat(name, &st) == 0 && S_ISREG(st.st_mode))
            n += (double)st.st_size;
    }
    closedir(d);
    return n;
}

static void
print_size(struct bench *b, double events)
{
    double all = bytes_in(b->dir, ""), text = bytes_in(b->dir, ".index.db"), docs = 0;
    for (int i = 0; i < TENANTS; i++)
        for (size_t k = 0; k < corpus.docs[i].n; k++)
            docs += (double)corpus.docs[i].v[k].n;
    figure("segments on disk, an event", all / events, "bytes", NULL, 0, NULL);
    figure("of it the text index, an event", text / events, "bytes", "its text", text / docs, NULL);
}

int
main(int argc, char **argv)
{
    struct bench b;
    int64_t events = option_int(argc, argv, "events", 200000);
    int queries = (int)option_int(argc, argv, "queries", 1000);
    int64_t seed = option_int(argc, argv, "seed", (int64_t)(rand_u64() >> 1));
    const char *url = getenv("RECOUNT_TEST_PG");
    bool peers = str_eq(str_of(option(argc, argv, "peers", "yes")), S("yes"));
    bool on_pg = str_eq(str_of(option(argc, argv, "store", "sqlite")), S("postgres"));
    state = (uint64_t)seed | 1;
    printf("# %lld events, %d workspaces, seed %lld, %s\n", (long long)events, TENANTS,
           (long long)seed, on_pg ? "PostgreSQL" : "SQLite");
    bench_open(&b, option(argc, argv, "dir", "/tmp"), on_pg ? url : NULL, 4, 4);
    fill(&b, events);
    for (int64_t i = 0; i < TENANTS; i++)
        keep_documents(&b, i);
    if (!on_pg)
        print_size(&b, (double)events);
    check_sample(&b, (int)option_int(argc, argv, "compare", 100));
    time_all(&b, queries);
    if (peers)
        run_peers(&b, url, queries / 5);
    bench_close(&b);
    return 0;
}
