/* A crowd of writers, each a thread that records events one after the other, as requests do. */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include "bench.h"

#define WRITERS 64 /* at most */

/* What `n` writers did in a round. Processor time in microseconds: it hardly depends on what else
 * the machine does, where a rate depends on it very much. */
struct crowd_round {
    long events;
    double rate, sustained; /* a second; sustained: until the mover had moved the last of them */
    double lag;             /* ms from the last answer until then */
    struct syncs syncs;
    double cpu_writers, cpu_rest; /* rest: mover, indexer */
};

/* n writers for ms milliseconds, and the wait until the mover has moved their last event. */
struct crowd_round crowd_run(struct bench *b, int n, int ms);
/* Adds what can be added: events, fsyncs, processor time. */
void crowd_add(struct crowd_round *sum, const struct crowd_round *r);
/* One event in a transaction of its own. */
void crowd_event(struct bench *b, struct arena *a);

#endif
