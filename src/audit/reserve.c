/* The reserve against a full disk: a file of 16 MB beside a SQLite store, allocated in advance and
 * given back to the file system piece by piece when nothing else is left. While the disk is all but
 * full, changes are refused before they begin, except the few an administrator needs (rows of the
 * route table marked `reserve`); reads go on. When there is room again the file is filled up, the
 * gate opens by itself, and what was missed is recorded. Owns the file and the gate; frees nothing
 * that is not its own. On PostgreSQL the store's own refusal is all there is. */
#include "audit/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"

#define RESERVE_BYTES ((int64_t)16 << 20) /* some hundred sign-ins with their events */
#define RESERVE_SHARE 16                  /* of a small file system at most this part */
#define STEP_PARTS                                                                                 \
    4 /* given back in so many pieces: whoever filled the disk takes
                                           * what he finds */
#define RESERVE_ARENA ((size_t)4 << 20)

struct reserve {
    int fd;         /* −1: the file could not be made; the gate works without it */
    int64_t size;   /* what the file should hold */
    int64_t low;    /* free bytes under which the gate closes */
    int64_t held;   /* bytes the file holds */
    bool was_wrong; /* the log could not be written, or the gate was closed */
    int64_t since;  /* when that began, wall clock */
    atomic_bool tight;
    atomic_llong refused; /* changes turned away since then */
};

/* ---- the file ---- */

static void
size_of(struct reserve *r, const struct statvfs *v)
{
    int64_t share = (int64_t)(v->f_blocks * v->f_frsize) / RESERVE_SHARE;
    r->size = share < RESERVE_BYTES ? share : RESERVE_BYTES;
    r->low = r->size / STEP_PARTS;
}

/* Whole, or as it was. */
static bool
fill(struct reserve *r)
{
    if (r->held == r->size)
        return true;
    if (posix_fallocate(r->fd, 0, r->size) == 0) {
        r->held = r->size;
        return true;
    }
    (void)!ftruncate(r->fd, r->held);
    return false;
}

static void
give_back(struct reserve *r)
{
    int64_t rest = r->held > r->low ? r->held - r->low : 0;
    if (ftruncate(r->fd, rest) != 0)
        return;
    r->held = rest;
    log_warn("audit.reserve", LOG_INT("bytes_left", rest));
}

void
reserve_open(struct audit *au)
{
    struct statvfs v;
    struct stat st;
    struct reserve *r = calloc(1, sizeof *r);
    if (r == NULL)
        BUG("out of memory");
    au->reserve = r;
    r->fd = -1;
    if (au->pg)
        return;
    char *path =
        arena_cstr(au->arena, arena_fmt(au->arena, "%.*s/reserve", STR_ARG(au->options.dir)));
    r->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->fd < 0 || fstatvfs(r->fd, &v) != 0 || fstat(r->fd, &st) != 0) {
        log_warn("audit.reserve", LOG_STR("detail", S("the file of the reserve can not be made")));
        if (r->fd >= 0)
            close(r->fd);
        r->fd = -1;
        return;
    }
    size_of(r, &v);
    r->held = st.st_size < r->size ? st.st_size : r->size;
}

void
reserve_close(struct audit *au)
{
    if (au->reserve == NULL)
        return;
    if (au->reserve->fd >= 0)
        close(au->reserve->fd);
    free(au->reserve);
    au->reserve = NULL;
}

/* ---- the gate ---- */

bool
reserve_is_tight(const struct audit *au)
{
    return au->reserve != NULL && atomic_load(&au->reserve->tight);
}

bool
audit_is_tight(struct app *app)
{
    return reserve_is_tight(app->audit);
}

bool
audit_may_change(struct app *app, bool reserve)
{
    struct audit *au = app->audit;
    if (reserve || !reserve_is_tight(au))
        return true;
    atomic_fetch_add(&au->reserve->refused, 1);
    return false;
}

/* ---- watching ---- */

static void
look_at_disk(struct reserve *r)
{
    struct statvfs v;
    if (r->fd < 0 || fstatvfs(r->fd, &v) != 0)
        return;
    int64_t left = (int64_t)(v.f_bavail * v.f_frsize);
    bool tight = atomic_load(&r->tight);
    if (!tight && left < r->low) {
        log_error("audit.disk_full", LOG_INT("bytes_left", left));
        atomic_store(&r->tight, true);
        tight = true;
    }
    if (!tight) {
        if (r->held < r->size && left > r->size - r->held + 2 * r->low)
            (void)fill(r);
        return;
    }
    if (left < r->low / 2 && r->held > 0)
        give_back(r);
    else if (left > r->size - r->held + 2 * r->low && fill(r))
        atomic_store(&r->tight, false);
}

static void
record_recovery(struct audit *au, struct reserve *r)
{
    struct arena *a = arena_create("audit.reserve", RESERVE_ARENA);
    struct cx cx = cx_system(au->app, a, "Audit log", NULL);
    struct str since = time_iso(a, r->since);
    long long refused = atomic_exchange(&r->refused, 0);
    struct audit_change c[] = {{S("unwritable since"), since, STR_NULL},
                               {S("changes refused"), arena_fmt(a, "%lld", refused), STR_NULL}};
    struct audit_entry e = {.event = EV_LOG_RECOVERED,
                            .instance = true,
                            .target_kind = S("audit"),
                            .changes = c,
                            .n_changes = 2};
    e.text =
        arena_fmt(a,
                  "The audit log can be written again. Since %.*s it could not, or the disk was "
                  "full; %lld changes were refused.",
                  STR_ARG(since), refused);
    log_info("audit.recovered", LOG_INT("refused", refused));
    audit_record_apart(&cx, &e, S("recovered"));
    arena_free(a);
}

void
reserve_watch(struct audit *au)
{
    struct reserve *r = au->reserve;
    if (r == NULL)
        return;
    look_at_disk(r);
    bool wrong = atomic_load(&r->tight) || !atomic_load(&au->writable);
    if (wrong && !r->was_wrong)
        r->since = clock_now();
    if (!wrong && r->was_wrong)
        record_recovery(au, r);
    r->was_wrong = wrong;
}
