/* Counters of failed authentications. Owns one bounded table and one mutex; knows nothing of names
 * or passwords, only of hashes of keys. */
#include "core/limits.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/rand.h"
#include "codec/hash.h"

#define SLOTS 8192 /* sets; with WAYS entries of 64 bytes: 4 MiB */
#define WAYS  8    /* entries tried per set */

struct entry {
    uint64_t tag[2]; /* first half of the key's hash; 0,0: empty */
    struct limit_window w;
    int64_t last, locked_until;
};

struct limits {
    pthread_mutex_t lock;
    uint8_t seed[32]; /* nobody outside can aim at a slot */
    struct entry *v;
};

static void
limits_destroy(void *p)
{
    struct limits *l = p;

    pthread_mutex_destroy(&l->lock);
}

struct limits *
limits_create(struct arena *a)
{
    struct limits *l = arena_new(a, struct limits);

    l->v = arena_array(a, struct entry, (size_t)SLOTS * WAYS);
    rand_bytes(l->seed, sizeof l->seed);
    pthread_mutex_init(&l->lock, NULL);
    arena_defer(a, limits_destroy, l);
    return l;
}

/* The entry of the key. With `make` an empty or the least recently used unlocked one is taken. */
static struct entry *
entry_of(struct limits *l, enum limit_kind k, struct str key, int64_t now, bool make)
{
    char kind = (char)('a' + (int)k);
    struct str parts[] = {str_mem(l->seed, sizeof l->seed), str_mem(&kind, 1), key};
    struct sha256 h = sha256_parts(parts, 3);
    uint64_t word[3];
    struct entry *set, *victim = NULL;

    memcpy(word, h.b, sizeof word);
    if (word[0] == 0)
        word[0] = 1;
    set = l->v + (word[2] % SLOTS) * WAYS;
    for (int i = 0; i < WAYS; i++) {
        struct entry *e = &set[i];

        if (e->tag[0] == word[0] && e->tag[1] == word[1])
            return e;
        if (e->locked_until <= now && (!victim || e->last < victim->last))
            victim = e;
    }
    if (!make)
        return NULL;
    if (!victim)
        victim = &set[word[1] % WAYS]; /* eight locked names in one set: one of them goes */
    *victim = (struct entry){.tag = {word[0], word[1]}};
    return victim;
}

void
limit_window_roll(struct limit_window *w, int64_t length, int64_t now)
{
    if (w->length != length || now < w->start || now - w->start >= 2 * length) {
        *w = (struct limit_window){.start = now, .length = length};
    } else if (now - w->start >= length) {
        w->previous = w->count;
        w->count = 0;
        w->start += length;
    }
}

int
limit_window_count(const struct limit_window *w, int64_t now)
{
    int64_t left = w->length - (now - w->start);

    return (int)(w->count + w->previous * left / w->length);
}

int
limits_count(struct limits *l, enum limit_kind k, struct str key, int64_t window, int64_t now)
{
    struct entry *e;
    int n = 0;

    pthread_mutex_lock(&l->lock);
    e = entry_of(l, k, key, now, false);
    if (e) {
        limit_window_roll(&e->w, window, now);
        n = limit_window_count(&e->w, now);
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

int
limits_note(struct limits *l, enum limit_kind k, struct str key, int64_t window, int64_t now)
{
    struct entry *e;
    int n;

    pthread_mutex_lock(&l->lock);
    e = entry_of(l, k, key, now, true);
    limit_window_roll(&e->w, window, now);
    e->w.count++;
    e->last = now;
    n = limit_window_count(&e->w, now);
    pthread_mutex_unlock(&l->lock);
    return n;
}

void
limits_clear(struct limits *l, enum limit_kind k, struct str key)
{
    struct entry *e;

    pthread_mutex_lock(&l->lock);
    e = entry_of(l, k, key, 0, false);
    if (e)
        *e = (struct entry){0};
    pthread_mutex_unlock(&l->lock);
}

void
limits_lock(struct limits *l, enum limit_kind k, struct str key, int64_t until, int64_t now)
{
    struct entry *e;

    pthread_mutex_lock(&l->lock);
    e = entry_of(l, k, key, now, true);
    e->locked_until = until;
    e->w.count = e->w.previous = 0; /* a fresh start when the lock is over */
    e->last = now;
    pthread_mutex_unlock(&l->lock);
}

int64_t
limits_locked_at(struct limits *l, enum limit_kind k, struct str key, int64_t now)
{
    struct entry *e;
    int64_t at = INT64_MAX;

    pthread_mutex_lock(&l->lock);
    e = entry_of(l, k, key, now, false);
    if (e && e->locked_until > now)
        at = e->last;
    pthread_mutex_unlock(&l->lock);
    return at;
}

int64_t
limits_locked(struct limits *l, enum limit_kind k, struct str key, int64_t now)
{
    struct entry *e;
    int64_t until = 0;

    pthread_mutex_lock(&l->lock);
    e = entry_of(l, k, key, now, false);
    if (e && e->locked_until > now)
        until = e->locked_until;
    pthread_mutex_unlock(&l->lock);
    return until;
}
