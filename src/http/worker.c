/* The bounded pool of handler threads. A complete request is suspended in its loop and queued here;
 * a worker runs the handler, prepares the answer and resumes the connection. Owns the queue and the
 * threads; never touches a request after resuming it. */
#include <stddef.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/http_priv.h"

#define WORKER_STACK ((size_t)1 << 20) /* bytes */
#define YIELD_SHARE  8 /* one worker of so many for those who yield, but two at least */

static struct lane *
lane_of(struct rq *r)
{
    return &r->server->queue.lane[r->limits.yields ? LANE_YIELDS : LANE_FIRST];
}

static bool
has_work(const struct queue *q)
{
    return q->lane[LANE_FIRST].first != NULL ||
           (q->lane[LANE_YIELDS].first != NULL && q->yielding < q->yielding_most);
}

/* With the lock, which it lets go. The place in the lane is taken already. */
static void
push(struct queue *q, struct rq *r)
{
    struct lane *l = lane_of(r);
    bool wake;

    r->next = NULL;
    *l->last = r;
    l->last = &r->next;
    wake = q->idle > 0 && has_work(q);
    pthread_mutex_unlock(&q->mu);
    if (wake)
        pthread_cond_signal(&q->cond);
}

bool
worker_submit(struct rq *r, enum rq_job job, bool force)
{
    struct http_server *s = r->server;
    struct queue *q = &s->queue;
    struct lane *l = lane_of(r);

    pthread_mutex_lock(&q->mu);
    if (q->closed || (!force && (l->n >= l->most || atomic_load(&s->stopping)))) {
        pthread_mutex_unlock(&q->mu);
        return false;
    }
    l->n++;
    pthread_mutex_unlock(&q->mu);
    /* Before it is in the queue, so that no worker resumes what is not suspended yet; counted, so
     * that the end does not overlook it. */
    r->job = job;
    atomic_store(&r->state, RQ_WAIT);
    MHD_suspend_connection(r->mhd);
    pthread_mutex_lock(&q->mu);
    push(q, r);
    return true;
}

void
worker_cleanup(struct rq *r)
{
    struct queue *q = &r->server->queue;

    pthread_mutex_lock(&q->mu);
    r->job = JOB_CLEANUP;
    lane_of(r)->n++;
    push(q, r);
}

void
http_continue(struct http_request *pub)
{
    struct rq *r = (struct rq *)((char *)pub - offsetof(struct rq, pub));
    struct queue *q = &r->server->queue;
    struct lane *l = lane_of(r);

    pthread_mutex_lock(&q->mu);
    q->later--;
    l->n++;
    r->next = l->first; /* it has waited once: before those that have not begun */
    if (l->first == NULL)
        l->last = &r->next;
    l->first = r;
    if (q->idle > 0 &&
        has_work(q)) /* under the lock: the caller is no thread that a stop waits for */
        pthread_cond_signal(&q->cond);
    pthread_mutex_unlock(&q->mu);
}

/* NULL when the pool stops and nothing waits. `yielded`: the caller comes from a request of those
 * who yield; as it looks for the next one itself, nobody has to be woken for it. */
static struct rq *
pop(struct queue *q, bool yielded)
{
    struct rq *r = NULL;
    struct lane *l;

    pthread_mutex_lock(&q->mu);
    q->yielding -= yielded;
    while (!has_work(q) && !q->stop) {
        q->idle++;
        pthread_cond_wait(&q->cond, &q->mu);
        q->idle--;
    }
    if (has_work(q)) {
        l = &q->lane[q->lane[LANE_FIRST].first != NULL ? LANE_FIRST : LANE_YIELDS];
        r = l->first;
        l->first = r->next;
        if (l->first == NULL)
            l->last = &l->first;
        l->n--;
        q->yielding += r->limits.yields;
    }
    pthread_mutex_unlock(&q->mu);
    return r;
}

static void
back_to_loop(struct rq *r, enum rq_state state)
{
    struct MHD_Connection *mhd = r->mhd;

    atomic_store(&r->state, state);
    MHD_resume_connection(mhd);
}

static void
run_before_upload(struct rq *r)
{
    struct http_server *s = r->server;
    int status = 0;

    if (s->o.before_upload != NULL)
        s->o.before_upload(s->o.arg, &r->pub, &r->limits, &r->rs);
    if (r->limits.refuse != OK) {
        if (r->rs.status != 0)
            answer_make(r);
        else
            status = err_http_status(r->limits.refuse);
    } else {
        r->rs = (struct http_response){0};
        status = body_check(r);
        if (status == 0 && upload_open(r) != OK)
            status = 503;
    }
    if (status != 0)
        answer_error_make(r, status, STR_NULL, false);
    back_to_loop(r, r->answer != NULL ? RQ_ANSWER : RQ_ACCEPTED);
}

/* From the call on the request may be anybody's. */
static void
put_off(struct rq *r)
{
    struct queue *q = &r->server->queue;
    struct http_response rs = r->rs;

    r->rs = (struct http_response){0};
    pthread_mutex_lock(&q->mu);
    q->later++;
    pthread_mutex_unlock(&q->mu);
    rs.later(rs.later_arg, &r->pub);
}

static void
run_handle(struct rq *r)
{
    struct http_server *s = r->server;

    if (r->limits.upload && upload_finish(r) != OK) {
        answer_error_make(r, 503, S("the upload could not be stored"), false);
    } else {
        if (!r->limits.upload && r->body != NULL)
            r->pub.body = buf_view(r->body);
        s->o.handle(s->o.arg, &r->pub, &r->rs);
        if (r->rs.later != NULL) {
            put_off(r);
            return;
        }
        answer_make(r);
    }
    back_to_loop(r, RQ_ANSWER);
}

static void
run_write(struct rq *r)
{
    if (upload_write(r) != OK)
        r->late_status = 503;
    back_to_loop(r, RQ_BODY);
}

static void *
worker_main(void *arg)
{
    struct http_server *s = arg;
    bool yields = false;
    struct rq *r;

    while ((r = pop(&s->queue, yields)) != NULL) {
        yields = r->limits.yields; /* the request is gone when its job is done */
        atomic_fetch_add(&s->n_busy, 1);
        switch (r->job) {
        case JOB_BEFORE_UPLOAD:
            run_before_upload(r);
            break;
        case JOB_WRITE:
            run_write(r);
            break;
        case JOB_HANDLE:
            run_handle(r);
            break;
        case JOB_CLEANUP:
            rq_release(r);
            break;
        }
        atomic_fetch_sub(&s->n_busy, 1);
    }
    return NULL;
}

enum err
workers_start(struct http_server *s)
{
    struct queue *q = &s->queue;
    pthread_attr_t attr;

    for (int i = 0; i < LANES; i++)
        q->lane[i].last = &q->lane[i].first;
    q->lane[LANE_FIRST].most = s->o.queue;
    q->lane[LANE_YIELDS].most = s->o.max_connections;
    q->yielding_most = s->o.workers / YIELD_SHARE > 2 ? s->o.workers / YIELD_SHARE : 2;
    pthread_mutex_init(&q->mu, NULL);
    pthread_cond_init(&q->cond, NULL);
    q->threads = arena_array(s->arena, pthread_t, (size_t)s->o.workers);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    for (; q->n_threads < s->o.workers; q->n_threads++)
        if (pthread_create(&q->threads[q->n_threads], &attr, worker_main, s) != 0)
            break;
    pthread_attr_destroy(&attr);
    return q->n_threads == s->o.workers ? OK : ERR_UNAVAILABLE;
}

bool
workers_idle(struct http_server *s)
{
    bool idle;

    pthread_mutex_lock(&s->queue.mu);
    idle = s->queue.lane[LANE_FIRST].n == 0 && s->queue.lane[LANE_YIELDS].n == 0 &&
           s->queue.later == 0 && s->queue.idle == s->queue.n_threads;
    pthread_mutex_unlock(&s->queue.mu);
    return idle;
}

/* From now on nothing is suspended any more. */
void
workers_close(struct http_server *s)
{
    pthread_mutex_lock(&s->queue.mu);
    s->queue.closed = true;
    pthread_mutex_unlock(&s->queue.mu);
}

/* The drain time is over: what no worker has begun is answered 503. */
void
workers_refuse_waiting(struct http_server *s)
{
    struct queue *q = &s->queue;
    struct rq *r, *next;

    pthread_mutex_lock(&q->mu);
    *q->lane[LANE_FIRST].last = q->lane[LANE_YIELDS].first;
    r = q->lane[LANE_FIRST].first;
    for (int i = 0; i < LANES; i++)
        q->lane[i].first = NULL, q->lane[i].last = &q->lane[i].first;
    for (struct rq *i = r; i != NULL; i = i->next)
        lane_of(i)->n--;
    pthread_mutex_unlock(&q->mu);
    for (; r != NULL; r = next) {
        next = r->next;
        if (r->job == JOB_CLEANUP) {
            rq_release(r);
            continue;
        }
        answer_error_make(r, 503, S("the server is stopping"), true);
        back_to_loop(r, RQ_ANSWER);
    }
}

void
workers_stop(struct http_server *s)
{
    struct queue *q = &s->queue;

    pthread_mutex_lock(&q->mu);
    q->stop = true;
    pthread_mutex_unlock(&q->mu);
    pthread_cond_broadcast(&q->cond);
    for (int i = 0; i < q->n_threads; i++)
        pthread_join(q->threads[i], NULL);
    q->n_threads = 0;
    pthread_mutex_destroy(&q->mu);
    pthread_cond_destroy(&q->cond);
}
