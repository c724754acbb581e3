/* When the mover moves: its thread, which waits for commits and gathers them, and how far behind the
 * writers it may fall. What a move does is mover.c. */
#include "audit/priv.h"

#include <time.h>

#include "base/log.h"

#define GATHER_US 10000 /* wait for more commits before a move, unless a reader waits */
#define CROWD_US  20000 /* the same when events come in hundreds: each move costs less an event */
#define CROWD     192   /* so many events in a move are a crowd */
#define POLL_MS   200   /* look at least this often: other processes write to the tail, too */
#define TAIL_HIGH 4096  /* events: some 100 ms of moving, which is half of what a list waits */
#define CATCH_UP  10000 /* us a commit waits then, at most */

static struct timespec
in_us(int64_t us)
{
    int64_t t = clock_monotonic() + us;
    return (struct timespec){t / USEC_PER_SEC, (t % USEC_PER_SEC) * 1000};
}

void
mover_tell(struct audit *au)
{
    pthread_mutex_lock(&au->lock);
    pthread_cond_broadcast(&au->moved);
    pthread_mutex_unlock(&au->lock);
}

/* ---- falling behind ---- */

static bool
is_far_behind(struct audit *au)
{
    return atomic_load(&au->n_recorded) - atomic_load(&au->n_caught) > TAIL_HIGH;
}

/* Many writers can be faster than the one mover, for as long as they like. So the tail is bounded:
 * their groups wait for it, and grow; but never for long, as only the lag depends on it, and not
 * when it waits for them, with its own write to the main store. */
void
mover_let_catch_up(struct audit *au)
{
    if (au->pg || !au->started || !is_far_behind(au))
        return;
    struct timespec until = in_us(CATCH_UP);
    pthread_mutex_lock(&au->lock);
    while (is_far_behind(au) && !atomic_load(&au->stop) && !atomic_load(&au->trimming) &&
           pthread_cond_timedwait(&au->moved, &au->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&au->lock);
}

/* ---- the thread ---- */

/* Waits for a commit, the poll interval, or the end. Gives the number of commits seen. */
static uint64_t
wait_for_commit(struct audit *au)
{
    struct timespec until = in_us(POLL_MS * USEC_PER_MS);
    pthread_mutex_lock(&au->wake_lock);
    while (au->wakes == au->done && !atomic_load(&au->stop) &&
           pthread_cond_timedwait(&au->wake, &au->wake_lock, &until) == 0)
        ;
    uint64_t seen = au->wakes;
    pthread_mutex_unlock(&au->wake_lock);
    return seen;
}

/* A short pause lets commits that are about to happen share the segment's fsync; a reader who waits
 * ends it. */
static void
gather(struct audit *au, bool crowd)
{
    struct timespec until = in_us(crowd ? CROWD_US : GATHER_US);
    pthread_mutex_lock(&au->wake_lock);
    while (atomic_load(&au->settling) == 0 && !atomic_load(&au->stop) &&
           pthread_cond_timedwait(&au->hurry, &au->wake_lock, &until) == 0)
        ;
    pthread_mutex_unlock(&au->wake_lock);
}

static void
mark_done(struct audit *au, uint64_t seen, bool moved)
{
    pthread_mutex_lock(&au->wake_lock);
    au->done = seen;
    if (moved) {
        au->index_due = true;
        pthread_cond_signal(&au->index_wake);
    }
    pthread_mutex_unlock(&au->wake_lock);
    mover_tell(au);
}

static uint64_t
commits(struct audit *au)
{
    pthread_mutex_lock(&au->wake_lock);
    uint64_t n = au->wakes;
    pthread_mutex_unlock(&au->wake_lock);
    return n;
}

static void
pause_ms(int ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000L};
    (void)nanosleep(&t, NULL);
}

void *
mover_main(void *arg)
{
    struct audit *au = arg;
    bool idle = true, crowd = false;
    (void)pthread_setname_np(pthread_self(), "mover");
    while (!atomic_load(&au->stop)) {
        uint64_t seen = wait_for_commit(au);
        if (seen != au->done)
            gather(au, crowd);
        seen = commits(au);
        long long before = atomic_load(&au->n_moved);
        enum err e = mover_drain(au);
        long long n = atomic_load(&au->n_moved) - before;
        bool moved = n > 0;
        crowd = n >= CROWD;
        if (e == ERR_CONFLICT) { /* another server moves now, perhaps without our last commit */
            pause_ms(5);
            continue;
        }
        bool writable = e == OK;
        if (atomic_exchange(&au->writable, writable) != writable)
            log_warn(writable ? "audit.writable" : "audit.unwritable",
                     LOG_STR("store", db_last_error()));
        if (e != OK) {
            pause_ms(200);
            continue;
        }
        mark_done(au, seen, moved);
        if (!moved && !idle && mover_trim(au) != OK) /* an idle moment: tidy up */
            log_debug("audit.trim_later", LOG_STR("store", db_last_error()));
        idle = !moved;
    }
    return NULL;
}
