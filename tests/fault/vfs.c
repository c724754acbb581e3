/* The VFS of vfs.h: a shim over the default one. For each file it keeps the writes since its last
 * fsync, each with the bytes it replaced, so that a power cut can take them back.
 *
 * Limits of the model: a created or deleted file is durable at once, and one write is never torn
 * (SQLite is told so by the default VFS as well: powersafe overwrite). The shared-memory index is
 * not tracked: it is rebuilt from the WAL after a power cut, so it is removed then. */
#include "vfs.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX  16
#define PATH_BYTES 512

struct change { /* one write or truncation */
    struct change *older;
    bool truncation;
    int64_t at;
    int64_t old_size;
    int64_t n_old, n_new;
    char *old, *fresh;
};

struct tracked { /* by path, as a file is opened by several connections */
    char path[PATH_BYTES];
    struct change *newest;
};

struct file {
    sqlite3_file base;
    struct tracked *t; /* NULL: a file that is not kept (temporary) */
    sqlite3_file *real;
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    struct tracked files[FILES_MAX];
    int n_files;
    int64_t operations, fail_at, cut_at;
    uint64_t cut_seed;
    enum vfs_fault how;
    bool sticky, failed, dark;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER};

static sqlite3_file *
real_of(sqlite3_file *f)
{
    return ((struct file *)f)->real;
}

/* ---- the record of unsynced changes ---- */

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void
forget(struct tracked *t)
{
    while (t->newest) {
        struct change *c = t->newest;
        t->newest = c->older;
        free(c->old);
        free(c->fresh);
        free(c);
    }
}

static void
remember(struct file *f, const void *data, int64_t n, int64_t at, bool truncation)
{
    struct change *c = must(calloc(1, sizeof(*c)));
    sqlite3_int64 size = 0;
    f->real->pMethods->xFileSize(f->real, &size);
    c->truncation = truncation;
    c->at = at;
    c->old_size = size;
    int64_t end = truncation ? size : at + n < size ? at + n : size;
    if (end > at) {
        c->n_old = end - at;
        c->old = must(malloc((size_t)c->n_old));
        if (f->real->pMethods->xRead(f->real, c->old, (int)c->n_old, at) != SQLITE_OK)
            abort();
    }
    if (!truncation && n > 0) {
        c->n_new = n;
        c->fresh = must(malloc((size_t)n));
        memcpy(c->fresh, data, (size_t)n);
    }
    c->older = f->t->newest;
    f->t->newest = c;
}

static void
put(int fd, const char *p, int64_t n, int64_t at)
{
    if (n > 0 && pwrite(fd, p, (size_t)n, at) != n)
        abort();
}

static bool
coin(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*seed >> 40 & 1) != 0;
}

/* Oldest first. */
static void
redo_some(int fd, const struct change *c, uint64_t *seed)
{
    if (!c)
        return;
    redo_some(fd, c->older, seed);
    if (!c->truncation && coin(seed))
        put(fd, c->fresh, c->n_new, c->at);
}

static void
undo(struct tracked *t, uint64_t *seed)
{
    int fd = open(t->path, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        for (const struct change *c = t->newest; c; c = c->older) {
            put(fd, c->old, c->n_old, c->at);
            if (ftruncate(fd, c->old_size) != 0)
                abort();
        }
        if (*seed != 0)
            redo_some(fd, t->newest, seed);
        close(fd);
    }
    forget(t);
}

static void
cut(uint64_t seed)
{
    g.dark = true;
    for (int i = 0; i < g.n_files; i++)
        undo(&g.files[i], &seed);
}

/* ---- faults ---- */

/* Counts an operation; the code it has to fail with, or SQLITE_OK. */
static int
step(int fault)
{
    if (g.dark)
        return fault;
    g.operations++;
    if (g.cut_at != 0 && g.operations >= g.cut_at) {
        cut(g.cut_seed);
        return fault;
    }
    if (g.fail_at == 0 || g.operations < g.fail_at || (g.operations > g.fail_at && !g.sticky))
        return SQLITE_OK;
    g.failed = true;
    return g.how == VFS_FAIL_FULL ? SQLITE_FULL : fault;
}

/* ---- methods of a file ---- */

static int
f_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int
f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    if (g.dark)
        return SQLITE_IOERR_READ;
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int
f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    pthread_mutex_lock(&g.lock);
    int rc = step(SQLITE_IOERR_WRITE);
    if (rc == SQLITE_OK && ((struct file *)f)->t)
        remember((struct file *)f, p, n, at, false);
    if (rc == SQLITE_OK)
        rc = real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
    pthread_mutex_unlock(&g.lock);
    return rc;
}

static int
f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    pthread_mutex_lock(&g.lock);
    int rc = step(SQLITE_IOERR_TRUNCATE);
    if (rc == SQLITE_OK && ((struct file *)f)->t)
        remember((struct file *)f, NULL, 0, size, true);
    if (rc == SQLITE_OK)
        rc = real_of(f)->pMethods->xTruncate(real_of(f), size);
    pthread_mutex_unlock(&g.lock);
    return rc;
}

static int
f_sync(sqlite3_file *f, int flags)
{
    pthread_mutex_lock(&g.lock);
    int rc = step(SQLITE_IOERR_FSYNC);
    if (rc == SQLITE_OK)
        rc = real_of(f)->pMethods->xSync(real_of(f), flags);
    if (rc == SQLITE_OK && ((struct file *)f)->t)
        forget(((struct file *)f)->t);
    pthread_mutex_unlock(&g.lock);
    return rc;
}

static int
f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int
f_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int
f_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int
f_check_lock(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int
f_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
f_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
f_device(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int
f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void
f_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
f_shm_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* without memory-mapped reading, which would pass us by */
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_lock,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

/* ---- methods of the VFS ---- */

static struct tracked *
track(const char *path)
{
    for (int i = 0; i < g.n_files; i++) {
        if (strcmp(g.files[i].path, path) == 0)
            return &g.files[i];
    }
    if (g.n_files == FILES_MAX || strlen(path) >= PATH_BYTES)
        abort();
    struct tracked *t = &g.files[g.n_files++];
    snprintf(t->path, sizeof(t->path), "%s", path);
    return t;
}

static int
v_open(sqlite3_vfs *v, const char *name, sqlite3_file *out, int flags, int *out_flags)
{
    (void)v;
    struct file *f = (struct file *)out;
    f->base.pMethods = NULL;
    f->real = (sqlite3_file *)(f + 1);
    if (g.dark)
        return SQLITE_CANTOPEN;
    int rc = g.real->xOpen(g.real, name, f->real, flags, out_flags);
    if (rc != SQLITE_OK)
        return rc;
    pthread_mutex_lock(&g.lock);
    f->t = name && !(flags & SQLITE_OPEN_DELETEONCLOSE) ? track(name) : NULL;
    pthread_mutex_unlock(&g.lock);
    f->base.pMethods = &methods;
    return SQLITE_OK;
}

static int
v_delete(sqlite3_vfs *v, const char *name, int sync)
{
    (void)v;
    pthread_mutex_lock(&g.lock);
    int rc = step(SQLITE_IOERR_DELETE);
    if (rc == SQLITE_OK) {
        rc = g.real->xDelete(g.real, name, sync);
        forget(track(name));
    }
    pthread_mutex_unlock(&g.lock);
    return rc;
}

void
vfs_register(void)
{
    if (g.real)
        return;
    g.real = sqlite3_vfs_find(NULL);
    g.vfs = *(sqlite3_vfs *)must(g.real);
    g.vfs.zName = VFS_NAME;
    g.vfs.pNext = NULL;
    g.vfs.szOsFile = (int)sizeof(struct file) + g.real->szOsFile;
    g.vfs.xOpen = v_open;
    g.vfs.xDelete = v_delete;
    if (sqlite3_vfs_register(&g.vfs, 0) != SQLITE_OK)
        abort();
}

/* ---- control ---- */

void
vfs_reset(void)
{
    pthread_mutex_lock(&g.lock);
    for (int i = 0; i < g.n_files; i++)
        forget(&g.files[i]);
    g.n_files = 0;
    g.operations = g.fail_at = g.cut_at = 0;
    g.failed = g.dark = g.sticky = false;
    pthread_mutex_unlock(&g.lock);
}

void
vfs_fail_nth(int64_t n, enum vfs_fault how, bool sticky)
{
    pthread_mutex_lock(&g.lock);
    g.fail_at = n == 0 ? 0 : g.operations + n;
    g.how = how;
    g.sticky = sticky;
    g.failed = false;
    pthread_mutex_unlock(&g.lock);
}

bool
vfs_failed(void)
{
    return g.failed;
}

int64_t
vfs_operations(void)
{
    return g.operations;
}

void
vfs_powercut_after(int64_t n, uint64_t seed)
{
    pthread_mutex_lock(&g.lock);
    g.cut_at = n == 0 ? 0 : g.operations + n;
    g.cut_seed = seed;
    pthread_mutex_unlock(&g.lock);
}

void
vfs_powercut(uint64_t seed)
{
    pthread_mutex_lock(&g.lock);
    cut(seed);
    pthread_mutex_unlock(&g.lock);
}

bool
vfs_is_dark(void)
{
    return g.dark;
}
