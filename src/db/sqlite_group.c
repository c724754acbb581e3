/* The one writer of a SQLite store and its group commit.
 *
 * Whoever finds the writer's connection free leads a group: it opens a transaction, runs its own
 * body, then the bodies of all who queue meanwhile, one after the other on its own thread, and
 * commits when the queue is empty (or the group full). A caller returns only after the commit that
 * holds its changes is durable, so batching needs no timer: whoever arrives during a commit forms
 * the next group. The bodies stay on one thread because a change of threads costs more than a body.
 *
 * A body that fails harms nobody. When it changed nothing, as nearly all that fail, there is nothing
 * to undo. Else the transaction is rolled back and the members run again, now each in a savepoint
 * (CAREFUL): so the usual group pays for none. Some failures (disk full, I/O error) make SQLite
 * roll back the whole transaction: autocommit shows it, the members run again once, and are refused
 * when it happens a second time. */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "db/sqlite_priv.h"

/* Bounds how long the first member waits for its commit: no more are taken once so many have run. */
#define GROUP_MAX 256
/* A body is refused when its transaction was lost so often. */
#define LOST_MAX 2
/* Groups that use savepoints from the start, after one that had to be run again. */
#define CAREFUL 16

struct group {
    struct lite_waiter *first, *last;
    size_t n;
    size_t ok;   /* members whose body said OK */
    size_t kept; /* those of them that changed something */
    bool careful;
    bool dead; /* no transaction is open, and all are refused */
};

/* What a run of a body did to the transaction it ran in. */
enum fate {
    FATE_FINE,
    FATE_SPOILT, /* it holds changes of a body that failed */
    FATE_LOST    /* it is gone */
};

/* ---- waiting: one system call wakes a whole group, which with condition variables took as long as
 * inserting its rows ---- */

static void
word_wait(atomic_uint *word, unsigned seen)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void
word_wake(atomic_uint *word)
{
    atomic_fetch_add(word, 1);
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Takes the connection (true), or waits until the body was run by another thread. */
static bool
enter(struct lite_writer *w, struct lite_waiter *me)
{
    pthread_mutex_lock(&w->lock);
    if (!w->held) {
        w->held = true;
        pthread_mutex_unlock(&w->lock);
        return true;
    }
    /* The first in the queue will probably lead, the others will be woken together. */
    me->word = w->head ? (unsigned)(w->forming % 2) : LITE_WORD_LEAD;
    if (w->tail)
        w->tail->next = me;
    else
        w->head = me;
    w->tail = me;
    pthread_mutex_unlock(&w->lock);
    atomic_uint *word = &w->words[me->word];
    for (;;) {
        unsigned seen = atomic_load(word);
        unsigned state = atomic_load(&me->state);
        if (state != LITE_QUEUED)
            return state == LITE_LEADS;
        word_wait(word, seen);
    }
}

/* All who queue, up to one who must be alone; NULL ends the group: who comes later is in the next. */
static struct lite_waiter *
take_queue(struct lite_writer *w, const struct group *g)
{
    pthread_mutex_lock(&w->lock);
    struct lite_waiter *m = g->n < GROUP_MAX && w->head && !w->head->alone ? w->head : NULL;
    if (m) {
        struct lite_waiter *last = m;
        while (last->next && !last->next->alone)
            last = last->next;
        w->head = last->next;
        if (!w->head)
            w->tail = NULL;
        last->next = NULL;
    } else {
        w->forming++;
    }
    pthread_mutex_unlock(&w->lock);
    return m;
}

/* Answers the members and lets the next in. A member may be gone as soon as its state is set. */
static void
leave(struct lite_writer *w, const struct group *g)
{
    bool wake[LITE_WORDS] = {false};
    pthread_mutex_lock(&w->lock);
    struct lite_waiter *next = w->head;
    if (next)
        w->head = next->next;
    else
        w->held = false;
    if (!w->head)
        w->tail = NULL;
    pthread_mutex_unlock(&w->lock);
    if (next) {
        wake[next->word] = true;
        next->next = NULL;
        atomic_store(&next->state, LITE_LEADS);
    }
    /* The first member is the leader itself. */
    for (struct lite_waiter *m = g->first->next, *after; m; m = after) {
        after = m->next;
        wake[m->word] = true;
        atomic_store(&m->state, LITE_DONE);
    }
    for (int i = LITE_WORDS - 1; i >= 0; i--)
        if (wake[i])
            word_wake(&w->words[i]);
}

/* ---- the group's transaction ---- */

static bool
is_gone(struct lite_writer *w)
{
    return sqlite3_get_autocommit(w->conn.h) != 0;
}

static void
roll_back(struct lite_writer *w)
{
    if (!is_gone(w) && lite_run(&w->conn, "ROLLBACK") != OK && !is_gone(w))
        BUG("a transaction can not be rolled back");
}

static void
set_result(struct lite_waiter *m, enum err e)
{
    m->result = e;
    if (e != OK)
        db_note_keep(m->message);
}

/* Nobody's changes are kept. A failure of a member's own may rest on changes of the others, so it
 * is no answer either. */
static void
refuse_all(struct group *g)
{
    for (struct lite_waiter *m = g->first; m; m = m->next)
        set_result(m, ERR_UNAVAILABLE);
    g->dead = true;
}

/* g->kept is 0 now: nothing is in the new transaction. */
static void
begin(struct lite_db *db, struct group *g)
{
    struct lite_writer *w = &db->writer;
    enum err e = w->conn.h ? OK : lite_conn_open(db, &w->conn, true);
    if (e == OK)
        e = lite_run(&w->conn, "BEGIN IMMEDIATE");
    if (e != OK)
        refuse_all(g);
    g->kept = 0;
}

static void
end(struct lite_db *db, struct group *g)
{
    struct lite_writer *w = &db->writer;
    enum err e = lite_run(&w->conn, g->ok > 0 ? "COMMIT" : "ROLLBACK");
    if (e != OK) {
        refuse_all(g);
        roll_back(w);
    } else if (g->ok > 0) {
        db_committed(&db->base);
    }
}

/* ---- bodies ---- */

/* Undoes what a body that failed has changed. */
static enum fate
undo(struct lite_db *db, struct group *g, bool guarded)
{
    struct lite_writer *w = &db->writer;
    if (!guarded && g->kept > 0)
        return FATE_SPOILT;
    if (!guarded) { /* nobody else has changed anything yet */
        roll_back(w);
        begin(db, g);
        return FATE_FINE;
    }
    if (lite_run(&w->conn, "ROLLBACK TO m") == OK && lite_run(&w->conn, "RELEASE m") == OK)
        return FATE_FINE;
    roll_back(w);
    return FATE_LOST;
}

static enum fate
run_member(struct lite_db *db, struct group *g, struct lite_waiter *m)
{
    struct lite_writer *w = &db->writer;
    struct lite_conn *c = &w->conn;
    bool guarded = g->careful && g->kept > 0;
    uint64_t counted = db_statement_count();
    int64_t before = sqlite3_total_changes64(c->h);
    c->uncounted = false;
    enum err e = guarded ? lite_run(c, "SAVEPOINT m") : OK;
    if (e != OK) {
        set_result(m, e);
        return is_gone(w) ? FATE_LOST : FATE_FINE;
    }
    db_tx_start(m->tx, m->runs++);
    e = db_tx_run(m->tx, m->body, m->arg);
    m->statements += db_statements_take(counted);
    if (e == OK && guarded && !is_gone(w))
        e = lite_run(c, "RELEASE m");
    bool changed = c->uncounted || sqlite3_total_changes64(c->h) != before;
    set_result(m, e);
    if (is_gone(w))
        return FATE_LOST;
    if (e != OK)
        return guarded || changed ? undo(db, g, guarded) : FATE_FINE;
    g->ok++;
    g->kept += changed;
    return FATE_FINE;
}

/* Opens the transaction anew and runs in it who has run before, carefully. */
static enum fate
run_again(struct lite_db *db, struct group *g, enum fate why)
{
    struct lite_writer *w = &db->writer;
    if (why == FATE_LOST)
        for (struct lite_waiter *m = g->first; m; m = m->next)
            if (m->lost < LOST_MAX && ++m->lost == LOST_MAX)
                set_result(m, ERR_UNAVAILABLE);
    roll_back(w);
    begin(db, g);
    g->ok = 0;
    g->careful = true;
    w->careful = CAREFUL;
    enum fate f = FATE_FINE;
    for (struct lite_waiter *m = g->first; m && f == FATE_FINE && !g->dead; m = m->next)
        if (m->lost < LOST_MAX)
            f = run_member(db, g, m);
    return f;
}

static void
admit(struct lite_db *db, struct group *g, struct lite_waiter *m)
{
    m->next = NULL;
    if (g->last)
        g->last->next = m;
    else
        g->first = m;
    g->last = m;
    g->n++;
    if (g->dead) {
        set_result(m, ERR_UNAVAILABLE);
        return;
    }
    enum fate f = run_member(db, g, m);
    while (f != FATE_FINE)
        f = run_again(db, g, f);
}

static void
lead(struct lite_db *db, struct lite_waiter *me)
{
    struct lite_writer *w = &db->writer;
    struct group g = {.careful = w->careful > 0};
    w->careful -= g.careful;
    begin(db, &g);
    admit(db, &g, me);
    /* A transaction that can not be opened refuses one write at a time. */
    for (struct lite_waiter *m, *after; !g.dead && (m = take_queue(w, &g));)
        for (; m; m = after) {
            after = m->next;
            admit(db, &g, m);
        }
    if (!g.dead)
        end(db, &g);
    leave(w, &g);
}

enum err
lite_write(struct db *base, struct arena *a, db_body body, void *arg)
{
    struct lite_db *db = (struct lite_db *)base;
    struct db_tx tx = {.db = base, .arena = a, .conn = &db->writer.conn, .write = true};
    struct lite_waiter me = {.tx = &tx, .body = body, .arg = arg};
    if (enter(&db->writer, &me))
        lead(db, &me);
    db_statements_add(me.statements);
    if (me.result != OK)
        db_note("%s", me.message);
    return me.result;
}

/* Comes between two groups: outside any transaction, with the connection to itself. */
enum err
lite_utility(struct db *base, const char *text)
{
    struct lite_db *db = (struct lite_db *)base;
    struct lite_writer *w = &db->writer;
    struct lite_waiter me = {.alone = true};
    struct group g = {.first = &me, .last = &me, .n = 1};
    if (!enter(w, &me))
        BUG("a utility statement was run by another thread");
    enum err e = w->conn.h ? OK : lite_conn_open(db, &w->conn, true);
    if (e == OK)
        e = lite_run_alone(&w->conn, text);
    leave(w, &g);
    return e;
}
