/* The one writer of a SQLite store and its group commit.
 *
 * A write waits in a queue for the connection, runs its body inside a savepoint and releases it.
 * When others are queued, the transaction stays open and goes to the next of them; the last one (or
 * the GROUP_MAX-th member) commits for all. A caller returns only after the commit that holds its
 * savepoint is durable, so batching needs no timer: whoever arrives during a commit forms the next
 * group.
 *
 * A body that fails is undone to its own savepoint and leaves the group alone. Some failures (disk
 * full, I/O error) make SQLite roll back the whole transaction: autocommit shows it, the members
 * run again once, and are refused when it happens a second time. */
#include "db/sqlite_priv.h"

/* Bounds how long the first member waits for its commit. */
#define GROUP_MAX 256
/* A body runs at most this often: once more when its group was lost. */
#define RUNS_MAX 2

/* Gives the connection to the next in the queue; with the lock held. */
static void
pass_on(struct lite_writer *w)
{
    struct lite_waiter *next = w->head;
    if (!next) {
        w->held = false;
        return;
    }
    w->head = next->next;
    if (!w->head)
        w->tail = NULL;
    next->state = LITE_GRANTED;
    pthread_cond_signal(&next->wake);
}

static void
acquire(struct lite_writer *w, struct lite_waiter *me)
{
    pthread_mutex_lock(&w->lock);
    if (!w->held) {
        w->held = true;
    } else {
        me->state = LITE_QUEUED;
        me->next = NULL;
        if (w->tail)
            w->tail->next = me;
        else
            w->head = me;
        w->tail = me;
        while (me->state == LITE_QUEUED)
            pthread_cond_wait(&me->wake, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
}

/* Tells every member the fate of the group, then lets the next writer in. */
static void
finish_group(struct lite_writer *w, enum err result)
{
    pthread_mutex_lock(&w->lock);
    for (struct lite_waiter *m = w->members; m;) {
        struct lite_waiter *next = m->next; /* m is gone once it is awake */
        m->result = result;
        m->state = LITE_DONE;
        pthread_cond_signal(&m->wake);
        m = next;
    }
    w->members = NULL;
    w->n_members = 0;
    w->in_group = false;
    pass_on(w);
    pthread_mutex_unlock(&w->lock);
}

static bool
group_is_gone(struct lite_writer *w)
{
    return sqlite3_get_autocommit(w->conn.h) != 0;
}

/* Runs the body in its savepoint. */
static enum err
run_member(struct lite_writer *w, struct db_tx *tx, db_body body, void *arg)
{
    struct lite_conn *c = &w->conn;
    TRY(lite_run(c, "SAVEPOINT m"));
    enum err e = db_tx_run(tx, body, arg);
    if (group_is_gone(w))
        return ERR_RETRY;
    if (e == OK)
        e = lite_run(c, "RELEASE m");
    if (e == OK || group_is_gone(w))
        return e;
    /* A savepoint that can not be undone would leak into the group: then the group goes. */
    if (lite_run(c, "ROLLBACK TO m") != OK || lite_run(c, "RELEASE m") != OK) {
        if (!group_is_gone(w) && lite_run(c, "ROLLBACK") != OK)
            BUG("a failed transaction can not be rolled back");
    }
    return e;
}

/* Ends the open group for all its members. A group without members has nothing to keep. */
static void
commit_group(struct db *db, struct lite_writer *w)
{
    bool wanted = w->n_members > 0;
    enum err e = lite_run(&w->conn, wanted ? "COMMIT" : "ROLLBACK");
    if (e != OK) {
        if (!group_is_gone(w) && lite_run(&w->conn, "ROLLBACK") != OK && !group_is_gone(w))
            BUG("a failed commit can not be rolled back");
        e = ERR_UNAVAILABLE;
    }
    if (e == OK && wanted)
        db_committed(db);
    finish_group(w, e);
}

static enum err
write_once(struct lite_db *db, struct db_tx *tx, db_body body, void *arg, struct lite_waiter *me)
{
    struct lite_writer *w = &db->writer;
    acquire(w, me);
    if (!w->in_group) {
        enum err e = w->conn.h ? OK : lite_conn_open(db, &w->conn, true);
        if (e == OK)
            e = lite_run(&w->conn, "BEGIN IMMEDIATE");
        if (e != OK) {
            finish_group(w, ERR_UNAVAILABLE);
            return ERR_UNAVAILABLE;
        }
        w->in_group = true;
    }
    enum err e = run_member(w, tx, body, arg);
    if (group_is_gone(w)) {
        finish_group(w, ERR_RETRY);
        return ERR_RETRY;
    }
    bool joined = e == OK;
    if (joined) {
        me->state = LITE_JOINED;
        me->next = w->members;
        w->members = me;
        w->n_members++;
    }
    pthread_mutex_lock(&w->lock);
    bool pass = w->head && w->n_members < GROUP_MAX;
    if (pass)
        pass_on(w);
    pthread_mutex_unlock(&w->lock);
    if (!pass)
        commit_group(&db->base, w);
    if (!joined)
        return e;
    pthread_mutex_lock(&w->lock);
    while (me->state != LITE_DONE)
        pthread_cond_wait(&me->wake, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return me->result;
}

enum err
lite_write(struct db *base, struct arena *a, db_body body, void *arg)
{
    struct lite_db *db = (struct lite_db *)base;
    struct db_tx tx = {.db = base, .arena = a, .conn = &db->writer.conn, .write = true};
    struct lite_waiter me = {.state = LITE_QUEUED};
    pthread_cond_init(&me.wake, NULL);
    enum err e = ERR_RETRY;
    for (int run = 0; run < RUNS_MAX && e == ERR_RETRY; run++) {
        db_tx_start(&tx, run);
        e = write_once(db, &tx, body, arg, &me);
    }
    pthread_cond_destroy(&me.wake);
    return e == ERR_RETRY ? ERR_UNAVAILABLE : e;
}
