/* Dropping a month whole: files or partitions. Nobody who writes waits for it: files leave by a
 * rename and are then given back to the disk piece by piece (a file system frees a large file in one
 * transaction of its journal, which every fsync waits for); partitions are detached concurrently,
 * under a lock that neither readers nor writers meet, and dropped when nothing refers to them.
 *
 * Each step may be the last before a crash: a month that still has its .db file or its rows in
 * audit_range is dropped again from the beginning, what was renamed is swept. */
#include "audit/priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rand.h"
#include "base/text.h"
#include "run/lease.h"

#define DROP_ARENA ((size_t)16 << 20)
#define GONE       ".gone"           /* behind a file's name: no part of the log any more */
#define PIECE      ((off_t)16 << 20) /* bytes given back at a time */
#define PIECE_NAP  2000000L          /* ns between two of them */
#define LOCK_TRIES 200
#define LOCK_NAP   50000000L /* ns; a backup may hold the mover for some seconds */
#define LEASE_US   (10 * USEC_PER_MIN)

enum err
audit_step(struct audit *au)
{
    int left = atomic_load(&au->fail_step);
    if (left == 0)
        return OK;
    atomic_store(&au->fail_step, left - 1);
    return left == 1 ? ERR_IO : OK;
}

static void
nap(long ns)
{
    struct timespec t = {0, ns};
    (void)nanosleep(&t, NULL);
}

/* ---- SQLite: files ---- */

/* The event file first: without it there is no month, and what is left of it is swept. */
static const char *const suffixes[] = {".db",       ".db-wal",       ".db-shm",
                                       ".index.db", ".index.db-wal", ".index.db-shm"};

static void
unlist(struct audit *au, const struct segment *s)
{
    size_t k = 0;
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_segments; i++)
        if (au->segments[i] != s)
            au->segments[k++] = au->segments[i];
    au->n_segments = k;
    pthread_mutex_unlock(&au->lock);
}

static enum err
rename_file(struct audit *au, struct arena *a, int32_t month, const char *suffix)
{
    struct str from = segment_path(a, au, month, suffix);
    struct str to = arena_fmt(a, "%.*s" GONE, STR_ARG(from));
    TRY(audit_step(au));
    return access(from.p, F_OK) != 0 || rename(from.p, to.p) == 0 ? OK : ERR_IO;
}

/* From the first rename on there is no such month; what is still open of it is closed then. */
static enum err
rename_files(struct audit *au, struct arena *a, struct segment *s)
{
    int32_t month = s->month;
    TRY(rename_file(au, a, month, suffixes[0]));
    unlist(au, s);
    segment_free(s);
    for (size_t i = 1; i < sizeof suffixes / sizeof suffixes[0]; i++)
        TRY(rename_file(au, a, month, suffixes[i]));
    return OK;
}

/* No move and no backup is under way in any process while it is held. */
enum err
mover_take(struct audit *au)
{
    bool foreign = false;
    enum err e = ERR_CONFLICT;
    pthread_mutex_lock(&au->mover);
    for (int i = 0; i < LOCK_TRIES && e == ERR_CONFLICT && !atomic_load(&au->stop); i++) {
        e = mover_lock_take(au, &foreign);
        if (e == ERR_CONFLICT)
            nap(LOCK_NAP);
    }
    if (e != OK)
        pthread_mutex_unlock(&au->mover);
    return e;
}

void
mover_give(struct audit *au)
{
    mover_lock_give(au);
    pthread_mutex_unlock(&au->mover);
}

/* Marks the month as leaving and waits until nobody reads it. */
static struct segment *
reserve_segment(struct audit *au, int32_t month)
{
    struct segment *s = NULL;
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_segments; i++)
        if (au->segments[i]->month == month)
            s = au->segments[i];
    if (s != NULL) {
        s->dropping = true;
        while (s->pins > 0)
            pthread_cond_wait(&au->moved, &au->lock);
    }
    pthread_mutex_unlock(&au->lock);
    return s;
}

/* It could not leave: it is read again until the next look. */
static void
keep_segment(struct audit *au, int32_t month)
{
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_segments; i++)
        if (au->segments[i]->month == month)
            au->segments[i]->dropping = false;
    pthread_mutex_unlock(&au->lock);
}

static enum err
drop_files(struct audit *au, struct arena *a, int32_t month)
{
    struct segment *s = reserve_segment(au, month);
    if (s == NULL)
        return ERR_NOT_FOUND;
    enum err e = mover_take(au);
    if (e == OK) {
        e = rename_files(au, a, s);
        mover_give(au);
    }
    keep_segment(au, month);
    drop_sweep(au);
    return e;
}

/* ---- giving files back ---- */

static bool
has_month(int dir, struct str name)
{
    char file[16];
    snprintf(file, sizeof file, "%.7s.db", name.p);
    return faccessat(dir, file, F_OK, 0) == 0;
}

/* "2026-07.db-wal" without its "2026-07.db": a crash came between two renames. */
static bool
is_orphan(int dir, struct str name)
{
    if (name.n < 8 || name.p[4] != '-')
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (i > 0 && str_eq(str_sub(name, 7, name.n), str_of(suffixes[i])))
            return !has_month(dir, name);
    return false;
}

static void
give_back(struct audit *au, int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return;
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    for (off_t left = st.st_size; fd >= 0 && left > PIECE && !atomic_load(&au->stop);) {
        left -= PIECE;
        if (ftruncate(fd, left) != 0)
            break;
        nap(PIECE_NAP);
    }
    if (fd >= 0)
        close(fd);
    if (!atomic_load(&au->stop)) /* the next start goes on with what is left */
        (void)unlinkat(dir, name, 0);
}

void
drop_sweep(struct audit *au)
{
    if (au->pg || au->options.read_only)
        return;
    struct arena *a = arena_create("audit.sweep", DROP_ARENA);
    struct str path = arena_fmt(a, "%.*s/audit", STR_ARG(au->options.dir));
    DIR *d = opendir(path.p);
    struct dirent *f;
    while (d != NULL && (f = readdir(d)) != NULL) {
        struct str name = str_of(f->d_name);
        if (str_has_suffix(name, S(GONE)) || is_orphan(dirfd(d), name))
            give_back(au, dirfd(d), arena_cstr(a, name));
    }
    if (d != NULL)
        closedir(d);
    arena_free(a);
}

/* ---- PostgreSQL: partitions ---- */

const char *const audit_partitioned[AUDIT_PARTITIONED] = {
    "audit_event", "audit_personal", "audit_erasure", "audit_party",
    "audit_node",  "audit_carry",    "audit_gram",    "audit_chunk"};

struct str
partition_name(struct arena *a, const char *table, int32_t month)
{
    return arena_fmt(a, "%s_%04d_%02d", table, (int)(month / 12), (int)(month % 12 + 1));
}

/* 0: not there as a partition, 1: attached, 2: a detaching was begun and not finished. */
static const struct sql get_link =
    SQL_READ2("SELECT 0", "SELECT coalesce((SELECT CASE WHEN i.inhdetachpending THEN 2 ELSE 1 END"
                          " FROM pg_inherits i WHERE i.inhrelid = to_regclass($1)"
                          " AND i.inhparent = to_regclass($2)), 0)");

struct link_ask {
    struct str partition, parent;
    int64_t state;
};

static enum err
read_link(struct db_tx *tx, void *arg)
{
    struct link_ask *l = arg;
    return db_query_int(tx, &get_link, ARGS(V_STR(l->partition), V_STR(l->parent)), &l->state);
}

/* Outside any transaction: CONCURRENTLY waits for those that use the partition, while new ones do
 * not see it any more. Names are constants and numbers; an identifier can not be bound. */
static enum err
detach(struct audit *au, struct arena *a, const char *table, int32_t month)
{
    struct link_ask l = {partition_name(a, table, month), str_of(table), 0};
    TRY(audit_step(au));
    TRY(db_read(au->app->db, a, read_link, &l));
    if (l.state == 0)
        return OK;
    struct str text = arena_fmt(a, "ALTER TABLE %s DETACH PARTITION %.*s %s", table,
                                STR_ARG(l.partition), l.state == 2 ? "FINALIZE" : "CONCURRENTLY");
    return db_utility(au->app->db, text.p);
}

static enum err
drop_detached(struct audit *au, struct arena *a, const char *table, int32_t month)
{
    struct str name = partition_name(a, table, month);
    TRY(audit_step(au));
    struct str text = arena_fmt(a, "DROP TABLE IF EXISTS %.*s", STR_ARG(name));
    return db_utility(au->app->db, text.p);
}

static const struct sql drop_ranges =
    SQL_WRITE("audit_range", "DELETE FROM audit_range WHERE month = $1");

static enum err
forget_month(struct db_tx *tx, void *arg)
{
    const int32_t *month = arg;
    tail_own(tx);
    return db_exec(tx, &drop_ranges, ARGS(V_INT(*month)), NULL);
}

/* Several servers: one drops, for as long as the lease lasts. */
static enum err
lease_body(struct cx *cx, void *arg)
{
    const struct audit *au = arg;
    audit_cover(cx, REASON_LOCK_ROW);
    return lease_take(cx, S("audit.month"), str_of(au->id), LEASE_US);
}

static enum err
drop_partitions(struct audit *au, struct arena *a, int32_t month)
{
    struct cx cx = cx_system(au->app, a, "Audit log", NULL);
    TRY(cx_write(&cx, lease_body, au));
    for (size_t i = AUDIT_PARTITIONED; i-- > 0;)
        TRY(detach(au, a, audit_partitioned[i], month));
    for (size_t i = AUDIT_PARTITIONED; i-- > 0;)
        TRY(drop_detached(au, a, audit_partitioned[i], month));
    TRY(audit_step(au));
    return db_write(au->app->db, a, forget_month, &month);
}

enum err
segment_drop(struct audit *au, int32_t month)
{
    struct arena *a = arena_create("audit.drop", DROP_ARENA);
    enum err e = au->pg ? drop_partitions(au, a, month) : drop_files(au, a, month);
    arena_free(a);
    return e;
}
