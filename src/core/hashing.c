/* The threads that compute Argon2id. Owns them, the waiting rooms and the cost of a hash; knows
 * nothing of people. */
#include "core/hashing.h"

#include <pthread.h>
#include <sodium.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* OWASP's first recommendation for Argon2id: 19 MiB, two passes, one lane. */
#define ARGON_PASSES 2
#define ARGON_MEMORY ((size_t)19 * 1024 * 1024)

#define THREADS_MAX  8 /* of 19 MiB each */
#define NICENESS     5 /* a third of the share of an ordinary thread, when both want the core */
#define WAIT_US      (5 * USEC_PER_SEC) /* longer nobody waits for an answer */
#define HASHER_STACK ((size_t)256 << 10)

_Static_assert(HASH_TEXT_MAX >= crypto_pwhash_STRBYTES, "an encoded hash fits");

/* Jobs that may wait. They cost next to nothing; what bounds them is how long the last one waits:
 * at 12 ms a hash and one thread, one second. */
static const int room_of[HASH_RANKS] = {[HASH_KNOWN] = 32, [HASH_FRESH] = 64, [HASH_REST] = 16};

struct room {
    struct hash_job *first, **last;
    int n;
};

struct hashing {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct room room[HASH_RANKS];
    pthread_t threads[THREADS_MAX];
    int n_threads;
    int holders, holders_max;
    bool stop;
    int64_t computed, refused;
};

int
hashing_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN) - 1;

    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}

static void
compute(struct hash_job *j)
{
    const char *plain = j->plain.p ? j->plain.p : "";

    if (j->against)
        j->result = crypto_pwhash_argon2id_str_verify(j->against, plain, j->plain.n) == 0
                        ? HASH_MATCHES
                        : HASH_DIFFERS;
    else
        j->result =
            crypto_pwhash_argon2id_str(j->made, plain, j->plain.n, ARGON_PASSES, ARGON_MEMORY) == 0
                ? HASH_MADE
                : HASH_NO_MEMORY;
}

/* ---- the rooms; the lock is held ---- */

static struct hash_job *
take_from(struct room *r)
{
    struct hash_job *j = r->first;

    r->first = j->next;
    if (!r->first)
        r->last = &r->first;
    r->n--;
    return j;
}

/* The first of the highest rank; but whoever has waited too long goes before, to be told so. */
static struct hash_job *
take(struct hashing *h, bool *late)
{
    int64_t oldest = clock_monotonic() - WAIT_US;

    *late = true;
    for (int i = 0; i < HASH_RANKS; i++)
        if (h->room[i].first && h->room[i].first->since < oldest)
            return take_from(&h->room[i]);
    *late = false;
    for (int i = 0; i < HASH_RANKS; i++)
        if (h->room[i].first)
            return take_from(&h->room[i]);
    return NULL;
}

/* ---- the threads ---- */

static void *
hasher_main(void *arg)
{
    struct hashing *h = arg;
    struct hash_job *j;
    bool late;

    (void)pthread_setname_np(pthread_self(), "hasher");
    /* Everyone else first. Refused by a sandbox: then with equal rights. */
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (!(j = take(h, &late)) && !h->stop)
            pthread_cond_wait(&h->work, &h->lock);
        if (!j)
            break;
        late ? h->refused++ : h->computed++;
        pthread_mutex_unlock(&h->lock);
        if (late)
            j->result = HASH_BUSY;
        else
            compute(j);
        j->done(j->arg);
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void
hashing_end(void *p)
{
    struct hashing *h = p;

    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
    for (int i = 0; i < h->n_threads; i++)
        pthread_join(h->threads[i], NULL);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->work);
}

struct hashing *
hashing_start(struct arena *a, int threads, int holders)
{
    struct hashing *h = arena_new(a, struct hashing);
    pthread_attr_t attr;

    for (int i = 0; i < HASH_RANKS; i++)
        h->room[i].last = &h->room[i].first;
    h->holders_max = holders < 1 ? 1 : holders;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->work, NULL);
    arena_defer(a, hashing_end, h);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, HASHER_STACK);
    while (h->n_threads < threads && h->n_threads < THREADS_MAX &&
           pthread_create(&h->threads[h->n_threads], &attr, hasher_main, h) == 0)
        h->n_threads++;
    pthread_attr_destroy(&attr);
    return h->n_threads > 0 ? h : NULL;
}

/* ---- asking ---- */

static bool
queue(struct hashing *h, struct hash_job *j)
{
    struct room *r = &h->room[j->rank];

    if (r->n >= room_of[j->rank]) {
        h->refused++;
        return false;
    }
    j->next = NULL;
    j->since = clock_monotonic();
    *r->last = j;
    r->last = &j->next;
    r->n++;
    pthread_cond_signal(&h->work);
    return true;
}

void
hashing_submit(struct hashing *h, struct hash_job *j)
{
    bool queued;

    pthread_mutex_lock(&h->lock);
    queued = queue(h, j);
    pthread_mutex_unlock(&h->lock);
    if (queued)
        return;
    j->result = HASH_BUSY;
    j->done(j->arg);
}

struct waiter {
    struct hashing *h;
    pthread_cond_t cond;
    bool done;
};

static void
wake(void *arg)
{
    struct waiter *w = arg;
    struct hashing *h = w->h;

    pthread_mutex_lock(&h->lock);
    w->done = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&h->lock);
}

void
hashing_run(struct hashing *h, struct hash_job *j)
{
    struct waiter w = {.h = h};

    if (!h) {
        compute(j);
        return;
    }
    pthread_cond_init(&w.cond, NULL);
    j->done = wake;
    j->arg = &w; /* cppcheck-suppress autoVariables ; done() was called when this returns */
    j->result = HASH_BUSY;
    pthread_mutex_lock(&h->lock);
    if (h->holders < h->holders_max && queue(h, j)) {
        h->holders++;
        while (!w.done)
            pthread_cond_wait(&w.cond, &h->lock);
        h->holders--;
    }
    pthread_mutex_unlock(&h->lock);
    pthread_cond_destroy(&w.cond);
}

void
hashing_stats(struct hashing *h, struct hashing_stats *out)
{
    *out = (struct hashing_stats){0};
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    out->computed = h->computed;
    out->refused = h->refused;
    for (int i = 0; i < HASH_RANKS; i++)
        out->waiting += h->room[i].n;
    pthread_mutex_unlock(&h->lock);
}
