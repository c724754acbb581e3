/* Jobs: rows claimed with a lease, run by a thread of the process for each lane, retried with growing pauses.
 * A job is queued inside the transaction of the change that wants it (covered by that change's
 * event). Its kind names a function registered before the threads start. */
#ifndef RECOUNT_RUN_JOBS_H
#define RECOUNT_RUN_JOBS_H

#include "run/app.h"
#include "run/cx.h"

#define JOB_ATTEMPTS_MAX 8

/* Runs outside any transaction; args is the text given to job_queue. OK ends the job; any failure
 * repeats it later until JOB_ATTEMPTS_MAX (cx->attempt says which this is). Must be safe to run again. */
typedef enum err (*job_fn)(struct cx *cx, struct str args);

/* Which thread runs a kind. One that waits for somebody else's machine never keeps the work inside waiting;
 * within a lane jobs run one after the other, the oldest that is due first. A kind that nobody knows is
 * of the inside. */
enum job_lane { LANE_INSIDE, LANE_OUTSIDE, LANES };

struct jobs;
struct jobs *jobs_create(struct app *app);
void jobs_register(struct jobs *j, const char *kind, enum job_lane lane, job_fn fn);
/* Adds a job due at `run_at` (µs) inside cx->tx. */
MUST_CHECK enum err job_queue(struct cx *cx, const char *kind, struct str args, int64_t run_at);
void jobs_start(struct jobs *j);
void jobs_stop(struct jobs *j);

#endif
