/* Shared parts of the benchmark programs (bench.h). Owns the temporary folders and the counters. */
#include "bench.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define ARENA_MAX ((size_t)16 << 30)

/* ---- fsyncs: the program's own symbols come before the C library's for every shared library ---- */

static atomic_long n_mine, n_rest;
static _Thread_local bool counted;

static void
count_one(void)
{
    atomic_fetch_add(counted ? &n_mine : &n_rest, 1);
}

int fsync(int fd);
int fdatasync(int fd);

int
fsync(int fd)
{
    count_one();
    return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
    count_one();
    return (int)syscall(SYS_fdatasync, fd);
}

void
bench_count_me(void)
{
    counted = true;
}

struct syncs
syncs_now(void)
{
    return (struct syncs){atomic_load(&n_mine), atomic_load(&n_rest)};
}

/* ---- processor time ---- */

long long
cpu_us(int who)
{
    struct rusage r;
    (void)getrusage(who, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000LL + r.ru_utime.tv_usec +
           r.ru_stime.tv_usec;
}

/* ---- the store ---- */

static enum err
script(struct db_tx *tx, void *text)
{
    return db_script(tx, text);
}

static void
open_store(struct bench *b, int readers, int writers)
{
    struct str why = STR_NULL;
    struct db_options o = {.url = b->kind == DB_SQLITE ? S("sqlite") : str_of(b->url),
                           .dir = str_of(b->dir),
                           .readers = readers,
                           .writers = writers};
    if (db_open(b->a, &o, &b->app.db, &why) != OK)
        DIE("the store: %.*s", STR_ARG(why));
}

static void
own_schema(struct bench *b, const char *url)
{
    static int serial;
    char text[128];
    int id = (int)getpid(), k = ++serial;
    snprintf(b->url, sizeof b->url, "%s", url);
    open_store(b, 1, 1);
    snprintf(text, sizeof text, "CREATE SCHEMA bench_%d_%d", id, k);
    MUST(db_write(b->app.db, b->a, script, text));
    db_close(b->app.db);
    snprintf(b->url, sizeof b->url, "%s%coptions=-csearch_path%%3Dbench_%d_%d,public", url,
             str_contains(str_of(url), S("?")) ? '&' : '?', id, k);
}

/* The events of the benchmarks name clients up to this number; verify wants them to have been made. */
#define CLIENTS "400"

static void
make_clients(struct bench *b)
{
    char lite[] = "INSERT INTO sequence (name, value) VALUES ('client', " CLIENTS ")";
    char pg[] = "SELECT setval('seq_client', " CLIENTS ")";
    MUST(db_write(b->app.db, b->a, script, b->kind == DB_SQLITE ? lite : pg));
}

void
bench_open(struct bench *b, const char *parent, const char *url, int readers, int writers)
{
    int from = 0, to = 0;
    struct str why = STR_NULL;
    *b = (struct bench){.kind = url ? DB_POSTGRES : DB_SQLITE};
    b->a = arena_create("bench", ARENA_MAX);
    b->app.arena = b->a;
    snprintf(b->dir, sizeof b->dir, "%s/recount-bench.XXXXXX", parent);
    if (!mkdtemp(b->dir))
        DIE("no temporary folder in %s", parent);
    if (url)
        own_schema(b, url);
    open_store(b, readers, writers);
    if (db_migrate(b->app.db, b->a, &from, &to, &why) != OK)
        DIE("migrate: %.*s", STR_ARG(why));
    make_clients(b);
    struct audit_options o = {.dir = str_of(b->dir), .readers = readers};
    if (audit_open(&b->app, &o, &why) != OK)
        DIE("the log: %.*s", STR_ARG(why));
    db_set_commit_check(b->app.db, audit_commit_check);
    db_set_commit_hook(b->app.db, audit_wake, &b->app);
}

static void
remove_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *f;
    char name[800];
    if (d == NULL)
        return;
    while ((f = readdir(d)) != NULL) {
        struct stat st;
        snprintf(name, sizeof name, "%s/%s", path, f->d_name);
        if (f->d_name[0] == '.' || lstat(name, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            remove_dir(name);
        else
            (void)unlink(name);
    }
    closedir(d);
    (void)rmdir(path);
}

void
bench_close(struct bench *b)
{
    audit_close(&b->app);
    db_close(b->app.db);
    remove_dir(b->dir);
    arena_free(b->a);
}

struct cx
bench_cx(struct bench *b, struct arena *a, int64_t tenant)
{
    return (struct cx){
        .app = &b->app,
        .arena = a,
        .tenant = {true, tenant, BENCH_TENANT},
        .actor = {ACTOR_USER, 7, S("cuser0000000000000000alice"), S("Alice Archer"),
                  S("alice@example.org"), S("csession00000000000000001")},
        .address = S("203.0.113.9"),
        .user_agent = S("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        .request_id = S("creq000000000000000000001"),
        .now = app_now(&b->app)};
}

/* ---- samples ---- */

double
now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void
samples_add(struct samples *s, double us)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->v = realloc(s->v, s->cap * sizeof *s->v);
        if (s->v == NULL)
            DIE("out of memory");
    }
    s->v[s->n++] = us;
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double
samples_at(struct samples *s, double p)
{
    if (s->n == 0)
        return 0;
    qsort(s->v, s->n, sizeof *s->v, by_value);
    size_t i = (size_t)(p * (double)s->n);
    return s->v[i < s->n ? i : s->n - 1];
}

double
median_of(double *v, size_t n)
{
    struct samples s = {.v = v, .n = n};
    return samples_at(&s, 0.5);
}

/* ---- output ---- */

void
figure(const char *name, double value, const char *unit, const char *peer, double ratio,
       const char *goal)
{
    char r[32] = "";
    if (ratio > 0)
        snprintf(r, sizeof r, "%.2f", ratio);
    printf("%s | %.*f | %s | %s | %s | %s\n", name,
           value < 10     ? 3
           : value < 1000 ? 1
                          : 0,
           value, unit, peer ? peer : "", r, goal ? goal : "");
    fflush(stdout);
}

const char *
option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return argv[i + 1];
    return otherwise;
}

int64_t
option_int(int argc, char **argv, const char *name, int64_t otherwise)
{
    const char *text = option(argc, argv, name, NULL);
    int64_t v = otherwise;
    if (text && str_int64(str_of(text), &v) != OK)
        DIE("--%s wants a number", name);
    return v;
}
