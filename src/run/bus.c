/* The event bus: one counter a topic, one condition for all waiters. */
#include "run/bus.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define LISTENERS_MAX 16

struct listener {
    unsigned mask;
    void (*fn)(void *arg, enum bus_topic t);
    void *arg;
};

struct bus {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    uint64_t position[BUS_TOPICS];
    bool stopped;
    struct listener listener[LISTENERS_MAX];
    int n_listeners;
};

struct bus *
bus_create(struct arena *a)
{
    struct bus *b = arena_new(a, struct bus);
    pthread_condattr_t attr;

    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&b->moved, &attr);
    pthread_condattr_destroy(&attr);
    return b;
}

void
bus_publish(struct bus *b, enum bus_topic t)
{
    struct listener copy[LISTENERS_MAX];
    int n;

    pthread_mutex_lock(&b->lock);
    b->position[t]++;
    pthread_cond_broadcast(&b->moved);
    n = b->n_listeners;
    memcpy(copy, b->listener, sizeof copy);
    pthread_mutex_unlock(&b->lock);
    for (int i = 0; i < n; i++) { /* without the lock: a listener may ask for a position */
        if (copy[i].mask & (1u << t))
            copy[i].fn(copy[i].arg, t);
    }
}

uint64_t
bus_position(struct bus *b, enum bus_topic t)
{
    uint64_t at;

    pthread_mutex_lock(&b->lock);
    at = b->position[t];
    pthread_mutex_unlock(&b->lock);
    return at;
}

static unsigned
moved_mask(const struct bus *b, unsigned mask, const uint64_t since[BUS_TOPICS])
{
    unsigned out = 0;

    for (int t = 0; t < BUS_TOPICS; t++) {
        if ((mask & (1u << t)) && b->position[t] != since[t])
            out |= 1u << t;
    }
    return out;
}

unsigned
bus_wait(struct bus *b, unsigned mask, const uint64_t since[BUS_TOPICS], int timeout_ms)
{
    struct timespec end;
    unsigned out;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&b->lock);
    while (moved_mask(b, mask, since) == 0 && !b->stopped) {
        if (pthread_cond_timedwait(&b->moved, &b->lock, &end) != 0)
            break;
    }
    out = moved_mask(b, mask, since);
    pthread_mutex_unlock(&b->lock);
    return out;
}

void
bus_stop(struct bus *b)
{
    pthread_mutex_lock(&b->lock);
    b->stopped = true;
    pthread_cond_broadcast(&b->moved);
    pthread_mutex_unlock(&b->lock);
}

void
bus_listen(struct bus *b, unsigned mask, void (*fn)(void *arg, enum bus_topic t), void *arg)
{
    pthread_mutex_lock(&b->lock);
    if (b->n_listeners == LISTENERS_MAX)
        BUG("more than %d listeners on the bus", LISTENERS_MAX);
    b->listener[b->n_listeners++] = (struct listener){mask, fn, arg};
    pthread_mutex_unlock(&b->lock);
}
