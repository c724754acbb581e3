/* The peers of bench_record.c that are bare SQLite (bench_bare.h). */
#include "bench_bare.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static void
bare_run(struct bare *p, const char *text)
{
    if (sqlite3_exec(p->h, text, NULL, NULL, NULL) != SQLITE_OK)
        DIE("SQLite: %s", sqlite3_errmsg(p->h));
}

void
bare_open(struct bare *p, const char *dir, size_t public_len, size_t personal_len)
{
    *p = (struct bare){.public_len = public_len, .personal_len = personal_len};
    if (public_len > BARE_BYTES || personal_len > BARE_BYTES)
        DIE("the row is too large");
    char path[400];
    snprintf(path, sizeof path, "%s/bare.db", dir);
    if (sqlite3_open(path, &p->h) != SQLITE_OK)
        DIE("SQLite does not open %s", path);
    bare_run(p, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;"
                "PRAGMA cache_size=-16384;"
                "CREATE TABLE t (seq INTEGER PRIMARY KEY AUTOINCREMENT, tenant_id INTEGER NOT NULL,"
                " public BLOB NOT NULL, personal BLOB NOT NULL, salt BLOB NOT NULL) STRICT");
    if (sqlite3_prepare_v2(p->h,
                           "INSERT INTO t (tenant_id, public, personal, salt) VALUES (?,?,?,?)", -1,
                           &p->insert, NULL) != SQLITE_OK)
        DIE("SQLite: %s", sqlite3_errmsg(p->h));
}

void
bare_close(struct bare *p)
{
    sqlite3_finalize(p->insert);
    sqlite3_close(p->h);
}

static void
bare_insert(struct bare *p, const char *bytes)
{
    sqlite3_bind_int64(p->insert, 1, 0);
    sqlite3_bind_blob(p->insert, 2, bytes, (int)p->public_len, SQLITE_STATIC);
    sqlite3_bind_blob(p->insert, 3, bytes, (int)p->personal_len, SQLITE_STATIC);
    sqlite3_bind_blob(p->insert, 4, bytes, 16, SQLITE_STATIC);
    if (sqlite3_step(p->insert) != SQLITE_DONE)
        DIE("SQLite: %s", sqlite3_errmsg(p->h));
    sqlite3_reset(p->insert);
}

double
bare_rows(struct bare *p, int group, int ms)
{
    double start = now_us(), took;
    char bytes[BARE_BYTES] = {0};
    long n = 0;
    do {
        bare_run(p, "BEGIN IMMEDIATE");
        for (int i = 0; i < group; i++, n++) {
            rand_bytes(bytes, 16);
            bare_insert(p, bytes);
        }
        bare_run(p, "COMMIT");
    } while ((took = now_us() - start) < ms * 1e3);
    return (double)n / took * 1e6;
}

/* ---- peers: bare SQLite behind as many threads ---- */

/* Each thread makes its row, hands it over and waits until it is durable, as a request does. Whoever
 * finds the connection free inserts what has gathered, commits, and wakes its group with one system
 * call: the way sqlite_group.c does it, so that the difference is what we do with a row. */
struct bare_row {
    struct bare_row *next;
    atomic_uint state; /* BARE_… */
    char bytes[BARE_BYTES];
};
enum { BARE_WAITS, BARE_LEADS, BARE_DONE };

struct bare_crowd {
    struct bare *bare;
    pthread_mutex_t lock;
    struct bare_row *waiting, *last;
    bool held;
    unsigned forming;     /* number of the group that gathers now */
    atomic_uint words[3]; /* to wait on: two for groups in turn, one for who leads next */
    atomic_bool stop;
    atomic_long rows, groups;
    atomic_llong cpu;
};

static void
bare_wake(atomic_uint *word)
{
    atomic_fetch_add(word, 1);
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static bool
bare_enter(struct bare_crowd *c, struct bare_row *row)
{
    pthread_mutex_lock(&c->lock);
    bool free = !c->held, first = c->waiting == NULL;
    atomic_uint *word = &c->words[first ? 2 : c->forming % 2];
    c->held = true;
    row->next = NULL;
    atomic_store(&row->state, BARE_WAITS);
    if (!free) {
        *(first ? &c->waiting : &c->last->next) = row;
        c->last = row;
    }
    pthread_mutex_unlock(&c->lock);
    while (!free) {
        unsigned seen = atomic_load(word), state = atomic_load(&row->state);
        if (state != BARE_WAITS)
            return state == BARE_LEADS;
        (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
    return true;
}

static struct bare_row *
bare_take(struct bare_crowd *c)
{
    pthread_mutex_lock(&c->lock);
    struct bare_row *rows = c->waiting;
    c->waiting = NULL;
    c->forming += rows == NULL;
    pthread_mutex_unlock(&c->lock);
    return rows;
}

static void
bare_lead(struct bare_crowd *c, struct bare_row *row)
{
    struct bare_row *done = NULL, *next;
    bare_run(c->bare, "BEGIN IMMEDIATE");
    bare_insert(c->bare, row->bytes);
    for (struct bare_row *r; (r = bare_take(c));)
        for (; r; r = next) {
            next = r->next;
            bare_insert(c->bare, r->bytes);
            r->next = done;
            done = r;
        }
    bare_run(c->bare, "COMMIT");
    atomic_fetch_add(&c->groups, 1);
    pthread_mutex_lock(&c->lock);
    unsigned word = (c->forming - 1) % 2;
    next = c->waiting;
    c->held = next != NULL;
    c->waiting = next ? next->next : NULL;
    pthread_mutex_unlock(&c->lock);
    if (next)
        atomic_store(&next->state, BARE_LEADS);
    for (struct bare_row *r = done; r; r = next) {
        next = r->next;
        atomic_store(&r->state, BARE_DONE);
    }
    bare_wake(&c->words[2]);
    bare_wake(&c->words[word]);
}

static void *
bare_writer(void *arg)
{
    struct bare_crowd *c = arg;
    struct bare_row row = {0};
    while (!atomic_load(&c->stop)) {
        rand_bytes(row.bytes, 16);
        if (bare_enter(c, &row))
            bare_lead(c, &row);
        atomic_fetch_add(&c->rows, 1);
    }
    atomic_fetch_add(&c->cpu, cpu_us(RUSAGE_THREAD));
    return NULL;
}

struct bare_round
bare_crowd(struct bare *p, int n, int ms)
{
    struct bare_crowd c = {.bare = p, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t t[BARE_THREADS];
    double start = now_us();
    for (int i = 0; i < n; i++)
        if (pthread_create(&t[i], NULL, bare_writer, &c) != 0)
            DIE("no thread");
    usleep((unsigned)ms * 1000);
    atomic_store(&c.stop, true);
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    double rows = (double)atomic_load(&c.rows);
    return (struct bare_round){.rate = rows / (now_us() - start) * 1e6,
                               .rows = rows,
                               .groups = (double)atomic_load(&c.groups),
                               .cpu = (double)atomic_load(&c.cpu)};
}
