/* The verifier's frame: takes the sizes, then walks one log after the other. What is wrong is told
 * and never ends the run. Owns nothing beyond it. */
#include "audit/verify_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "base/text.h"

#define RUN_ARENA ((size_t)1 << 30) /* some hundred bytes a log and month */
#define SAY_ARENA ((size_t)8 << 20)

/* ---- telling ---- */

__attribute__((format(printf, 2, 0))) static struct str
say(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    size_t size = n < 0 ? 0 : (size_t)n;
    char *p = arena_array(a, char, size + 1);
    (void)vsnprintf(p, size + 1, fmt, ap);
    return str_mem(p, size);
}

void
verify_tell(struct verify *v, const struct vlog *l, int64_t index, struct str expected,
            struct str found, const char *fmt, ...)
{
    va_list ap;
    struct verify_finding f = {
        .log = l ? l->log : (struct log_id){AUDIT_INSTANCE, 0},
        .origin = l ? l->origin : S("store"),
        .index = index,
        .expected = expected,
        .found = found,
    };
    if (v->o->one && l != NULL && l->log.tenant_id != v->o->tenant_id) {
        arena_reset(v->say);
        return; /* another log's */
    }
    va_start(ap, fmt);
    f.what = say(v->say, fmt, ap);
    va_end(ap);
    v->res->findings++;
    v->o->tell(v->o->arg, &f);
    arena_reset(v->say);
}

void
verify_note(struct verify *v, const char *fmt, ...)
{
    va_list ap;
    if (v->o->note == NULL)
        return;
    va_start(ap, fmt);
    v->o->note(v->o->arg, say(v->say, fmt, ap));
    va_end(ap);
    arena_reset(v->say);
}

struct str
verify_int(struct verify *v, int64_t n)
{
    return arena_fmt(v->say, "%lld", (long long)n);
}

struct str
verify_hex(struct verify *v, const struct sha256 *h)
{
    return hex_in(v->say, sha256_str(h));
}

struct str
verify_month_name(struct verify *v, int32_t month)
{
    return arena_fmt(v->say, "%04d-%02d", (int)(month / 12), (int)(month % 12 + 1));
}

/* ---- the list of logs ---- */

static int
log_cmp(struct log_id a, struct log_id b)
{
    if (a.tenant_id != b.tenant_id)
        return a.tenant_id < b.tenant_id ? -1 : 1;
    return a.epoch == b.epoch ? 0 : a.epoch < b.epoch ? -1 : 1;
}

static void
name_log(struct verify *v, struct vlog *l)
{
    struct str name = l->log.tenant_id == AUDIT_INSTANCE ? S("instance") : S("removed");
    for (size_t i = 0; i < v->n_tenants; i++)
        if (v->tenants[i].id == l->log.tenant_id)
            l->tenant = name = v->tenants[i].cuid;
    for (size_t i = 0; i < v->n_began; i++)
        if (log_cmp(v->began[i].log, l->log) == 0)
            l->began = v->began[i].at;
    l->origin = audit_origin(v->a, v->instance, name, l->log.epoch, l->began);
}

struct vlog *
verify_log(struct verify *v, struct log_id log, bool make)
{
    size_t lo = 0, hi = v->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (log_cmp(v->logs[mid].log, log) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < v->n && log_cmp(v->logs[lo].log, log) == 0)
        return &v->logs[lo];
    if (!make)
        return NULL;
    arena_grow(v->a, v->logs, v->n, &v->cap, 64);
    memmove(&v->logs[lo + 1], &v->logs[lo], (v->n - lo) * sizeof *v->logs);
    v->n++;
    v->logs[lo] = (struct vlog){.log = log};
    name_log(v, &v->logs[lo]);
    return &v->logs[lo];
}

void
verify_mark(struct verify *v, struct vlog *l, struct vmark m)
{
    arena_grow(v->a, l->marks, l->n_marks, &l->cap_marks, 4);
    size_t i = l->n_marks++;
    for (; i > 0 && l->marks[i - 1].size > m.size; i--)
        l->marks[i] = l->marks[i - 1];
    l->marks[i] = m;
}

static const struct sql get_drop = SQL_READ("SELECT count(*) FROM audit_drop WHERE month = $1");

struct asking {
    int64_t month, n;
};

static enum err
read_drop(struct db_tx *tx, void *arg)
{
    struct asking *k = arg;
    return db_query_int(tx, &get_drop, ARGS(V_INT(k->month)), &k->n);
}

bool
verify_month_dropped(struct verify *v, int32_t month)
{
    for (size_t i = 0; i < v->n_drops; i++)
        if (v->drops[i] == month)
            return true;
    /* It may have left since the run began. */
    struct arena *a = arena_create("audit.verify.drop", SAY_ARENA);
    struct asking k = {.month = month};
    bool dropped = db_read(v->au->app->db, a, read_drop, &k) == OK && k.n > 0;
    arena_free(a);
    return dropped;
}

/* ---- the run ---- */

static bool
is_asked_for(const struct verify_options *o, const struct vlog *l)
{
    if (o->one && l->log.tenant_id != o->tenant_id)
        return false;
    return !o->resume || log_cmp(l->log, o->from.log) >= 0;
}

static void
walk_all(struct verify *v)
{
    for (size_t i = 0; i < v->n && !v->res->stopped; i++) {
        struct vlog *l = &v->logs[i];
        if (!is_asked_for(v->o, l))
            continue;
        v->res->logs++;
        verify_expired(v, l);
        verify_kept(v, l);
        verify_strays(v, l);
        if (!verify_walk(v, l))
            v->res->stopped = true;
    }
}

static enum err
run(struct verify *v)
{
    if (!v->au->pg) { /* months that another process began */
        pthread_mutex_lock(&v->au->mover);
        enum err e = segments_refresh(v->au);
        pthread_mutex_unlock(&v->au->mover);
        if (e != OK)
            verify_tell(v, NULL, -1, STR_NULL, STR_NULL, "a month of the log can not be opened");
    }
    TRY(verify_look(v));
    TRY(verify_heads(v));
    if (!v->o->one)
        verify_cosigned(v); /* before the months: what is marked is below their ends */
    if (v->o->deep && !v->o->one)
        verify_openings(v);
    TRY(verify_months(v));
    verify_tail(v);
    verify_epochs(v);
    verify_given(v);
    if (!v->o->one)
        verify_guards(v);
    walk_all(v);
    if (v->whole)
        verify_kept_logs(v);
    if (v->o->deep && !v->res->stopped) {
        verify_keys(v);
        if (v->whole)
            verify_numbers(v);
        verify_custody(v);
        verify_erasures(v);
        verify_witnesses(v);
    }
    if (v->o->deep && !v->o->one && !v->res->stopped)
        verify_files(v);
    return OK;
}

enum err
audit_verify(struct cx *cx, const struct verify_options *o, struct verify_result *out)
{
    struct verify_result res = {0};
    struct verify v = {.cx = cx,
                       .au = cx->app->audit,
                       .o = o,
                       .res = &res,
                       .a = arena_create("audit.verify", RUN_ARENA),
                       .say = arena_create("audit.verify.say", SAY_ARENA),
                       .instance = cx->app->instance,
                       .whole = !o->one && !o->resume};
    rand_bytes(v.key, sizeof v.key);
    enum err e = run(&v);
    arena_free(v.say);
    arena_free(v.a);
    if (e == OK)
        *out = res;
    return e;
}
