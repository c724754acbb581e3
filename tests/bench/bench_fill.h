/* A log with something in it: people who sign in and people who change users. */
#ifndef BENCH_FILL_H
#define BENCH_FILL_H

#include "bench.h"

#define FILL_WORKSPACES 4
#define FILL_MONTHS     3
#define FILL_BATCH      5000 /* events of a transaction */

/* The body of a write: FILL_BATCH events, each in a workspace of its own choice. */
enum err fill_batch(struct cx *cx, void *arg);
/* So many events over FILL_MONTHS months, the last of them the month before this one; recorded and moved. */
void fill_months(struct bench *b, int64_t events);

#endif
