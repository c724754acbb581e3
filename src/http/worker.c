/* The bounded pool of handler threads. A complete request is suspended in its loop and queued here;
 * a worker runs the handler, prepares the answer and resumes the connection. Owns the queue and the
 * threads; never touches a request after resuming it. */
#include "base/clock.h"
#include "base/log.h"
#include "http/http_priv.h"

#define WORKER_STACK ((size_t)1 << 20) /* bytes */

/* With the lock, which it lets go. The place in q->n is taken already. */
static void
push(struct queue *q, struct rq *r)
{
    bool wake;

    r->next = NULL;
    *q->last = r;
    q->last = &r->next;
    wake = q->idle > 0;
    pthread_mutex_unlock(&q->mu);
    if (wake)
        pthread_cond_signal(&q->cond);
}

bool
worker_submit(struct rq *r, enum rq_job job, bool force)
{
    struct http_server *s = r->server;
    struct queue *q = &s->queue;

    pthread_mutex_lock(&q->mu);
    if (q->closed || (!force && (q->n >= s->o.queue || atomic_load(&s->stopping)))) {
        pthread_mutex_unlock(&q->mu);
        return false;
    }
    q->n++;
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
    q->n++;
    push(q, r);
}

/* NULL when the pool stops and nothing waits. */
static struct rq *
pop(struct queue *q)
{
    struct rq *r;

    pthread_mutex_lock(&q->mu);
    while (q->first == NULL && !q->stop) {
        q->idle++;
        pthread_cond_wait(&q->cond, &q->mu);
        q->idle--;
    }
    r = q->first;
    if (r != NULL) {
        q->first = r->next;
        if (q->first == NULL)
            q->last = &q->first;
        q->n--;
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
    struct rq *r;

    while ((r = pop(&s->queue)) != NULL) {
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

    q->last = &q->first;
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
    idle = s->queue.n == 0 && s->queue.idle == s->queue.n_threads;
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
    r = q->first;
    q->first = NULL;
    q->last = &q->first;
    for (const struct rq *i = r; i != NULL; i = i->next)
        q->n--;
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
