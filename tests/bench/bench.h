/* What the benchmark programs share: an application around a fresh store in a temporary folder,
 * samples with their percentiles, and a count of the fsyncs this process really asked for.
 *
 * The programs print one line a figure, `name | value | unit | peer | ratio | goal`, which
 * tools/bench.sh makes a table of. They judge nothing: a missed goal is a figure, not a failure. */
#ifndef BENCH_H
#define BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/priv.h"
#include "base/rand.h"
#include "base/text.h"

#define BENCH_TENANT S("cbenchtenant0000000000001")

/* Ends the program with a message: a benchmark that can not run has no figures. */
#define DIE(...)                                                                                   \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fprintf(stderr, "\n");                                                                     \
        exit(1);                                                                                   \
    } while (0)
#define MUST(expr)                                                                                 \
    do {                                                                                           \
        enum err must_e = (expr);                                                                  \
        if (must_e != OK)                                                                          \
            DIE("%s: %s / %.*s", #expr, err_name(must_e), STR_ARG(db_last_error()));               \
    } while (0)

struct bench {
    struct app app;
    struct arena *a;
    enum db_kind kind;
    char dir[256]; /* removed by bench_close() */
    char url[600];
};

/* A migrated store and its log; no thread started. `parent`: where the folder is made. On
 * PostgreSQL `url` is used and a schema of its own is made there. */
void bench_open(struct bench *b, const char *parent, const char *url, int readers, int writers);
void bench_close(struct bench *b);
/* The context of a user at work. */
struct cx bench_cx(struct bench *b, struct arena *a, int64_t tenant);

/* ---- samples, in microseconds ---- */
struct samples {
    double *v;
    size_t n, cap;
};
void samples_add(struct samples *s, double us);
/* p in [0, 1]; sorts. */
double samples_at(struct samples *s, double p);
double median_of(double *v, size_t n);
double now_us(void);

/* ---- fsyncs ---- */
/* fsync() and fdatasync() of the whole process are ours (bench.c) and counted by thread class. */
struct syncs {
    long mine; /* by threads that called bench_count_me() */
    long rest; /* by all others: mover, indexer */
};
void bench_count_me(void);
struct syncs syncs_now(void);

/* Processor time in microseconds; who: RUSAGE_SELF or RUSAGE_THREAD. */
long long cpu_us(int who);

/* ---- output ---- */
/* One figure; unit "" and ratio or goal NULL where there is none. */
void figure(const char *name, double value, const char *unit, const char *peer, double ratio,
            const char *goal);
/* The value of --name, or its default. */
const char *option(int argc, char **argv, const char *name, const char *otherwise);
int64_t option_int(int argc, char **argv, const char *name, int64_t otherwise);

#endif
