/* Segments: one per month, opened at start, made when the first event of a month is moved, dropped
 * whole. Owns the list of segments and the ranges of logs in them; appends no event itself. */
#include "audit/priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "audit/segment_schema.h"
#include "base/log.h"

#define SEGMENT_ARENA ((size_t)16 << 20)

/* ---- sorted lists; growth by doubling, heap ---- */

static void *
grow(void *v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return v;
    size_t want = *cap ? *cap * 2 : 8;
    void *p = realloc(v, want * size);
    if (p == NULL)
        BUG("out of memory");
    *cap = want;
    return p;
}

static int
range_cmp(const struct range *r, int64_t tenant_id, int64_t epoch)
{
    if (r->tenant_id != tenant_id)
        return r->tenant_id < tenant_id ? -1 : 1;
    return r->epoch == epoch ? 0 : r->epoch < epoch ? -1 : 1;
}

static size_t
ranges_place(const struct ranges *r, int64_t tenant_id, int64_t epoch)
{
    size_t lo = 0, hi = r->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (range_cmp(&r->v[mid], tenant_id, epoch) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct range *
ranges_find(struct ranges *r, int64_t tenant_id, int64_t epoch)
{
    size_t i = ranges_place(r, tenant_id, epoch);
    return i < r->n && range_cmp(&r->v[i], tenant_id, epoch) == 0 ? &r->v[i] : NULL;
}

struct range *
ranges_add(struct ranges *r, int64_t tenant_id, int64_t epoch)
{
    struct range *found = ranges_find(r, tenant_id, epoch);
    if (found != NULL)
        return found;
    size_t i = ranges_place(r, tenant_id, epoch);
    r->v = grow(r->v, r->n, &r->cap, sizeof *r->v);
    memmove(&r->v[i + 1], &r->v[i], (r->n - i) * sizeof *r->v);
    r->v[i] = (struct range){.tenant_id = tenant_id, .epoch = epoch};
    r->n++;
    return &r->v[i];
}

static size_t
log_place(const struct audit *au, int64_t tenant_id)
{
    size_t lo = 0, hi = au->n_logs;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (au->logs[mid].tenant_id < tenant_id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct log_state *
log_find(struct audit *au, int64_t tenant_id)
{
    size_t i = log_place(au, tenant_id);
    return i < au->n_logs && au->logs[i].tenant_id == tenant_id ? &au->logs[i] : NULL;
}

struct log_state *
log_add(struct audit *au, int64_t tenant_id)
{
    struct log_state *found = log_find(au, tenant_id);
    if (found != NULL)
        return found;
    size_t i = log_place(au, tenant_id);
    au->logs = grow(au->logs, au->n_logs, &au->cap_logs, sizeof *au->logs);
    memmove(&au->logs[i + 1], &au->logs[i], (au->n_logs - i) * sizeof *au->logs);
    au->logs[i] = (struct log_state){.tenant_id = tenant_id};
    au->logs[i].edge = calloc(1, sizeof *au->logs[i].edge);
    if (au->logs[i].edge == NULL)
        BUG("out of memory");
    au->n_logs++;
    return &au->logs[i];
}

/* A new epoch starts empty. */
void
log_reset(struct log_state *l, int64_t epoch)
{
    struct tree_edge *edge = l->edge;
    *edge = (struct tree_edge){0};
    *l = (struct log_state){
        .tenant_id = l->tenant_id, .epoch = epoch, .last_logged = l->last_logged, .edge = edge};
}

/* ---- SQLite files ---- */

struct str
segment_path(struct arena *a, const struct audit *au, int32_t month, const char *suffix)
{
    return arena_fmt(a, "%.*s/audit/%04d-%02d%s", STR_ARG(au->options.dir), (int)(month / 12),
                     (int)(month % 12 + 1), suffix);
}

static const struct sql has_table =
    SQL_READ("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1");

static enum err
read_has_table(struct db_tx *tx, void *arg)
{
    struct db_val *v = arg;
    return db_query_int(tx, &has_table, ARGS(*v), &v->i);
}

struct laying {
    struct db_val table;
    const char *text;
};

/* Asked again inside the write: another process may have laid it down meanwhile. */
static enum err
lay_schema(struct db_tx *tx, void *arg)
{
    struct laying *l = arg;
    TRY(read_has_table(tx, &l->table));
    return l->table.i > 0 ? OK : db_script(tx, l->text);
}

/* Opens one file and lays its schema down when it is new. */
static enum err
open_file(struct audit *au, struct arena *a, struct str path, struct str table, const char *schema,
          struct db **out, struct str *why)
{
    struct db *db = NULL;
    struct laying l = {V_STR(table), schema};
    TRY(db_open_file(a, path, au->options.vfs, au->options.read_only, au->options.readers, &db,
                     why));
    enum err e = db_read(db, a, read_has_table, &l.table);
    if (e == OK && l.table.i == 0)
        e = au->options.read_only ? ERR_DB : db_write(db, a, lay_schema, &l);
    if (e != OK) {
        db_close(db);
        *why = arena_fmt(au->arena, "the audit segment %.*s cannot be used", STR_ARG(path));
        return e;
    }
    *out = db;
    return OK;
}

static const struct sql get_state =
    SQL_READ("SELECT format, moved_to FROM audit_state WHERE id = 1");
static const struct sql get_ranges =
    SQL_READ("SELECT tenant_id, epoch, first, next, last_logged, min_lag, max_lag, edge"
             " FROM audit_range ORDER BY tenant_id, epoch");

/* What a segment says of itself, read without the lock and taken over under it. */
struct loading {
    struct audit *au;
    struct segment *s;
    struct ranges found;
    struct tree_edge *edges; /* as found.v */
    size_t cap;
    int64_t moved_to;
};

static enum err
load_segment(struct db_tx *tx, void *arg)
{
    struct loading *l = arg;
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query_one(tx, &get_state, NO_ARGS, &q));
    int64_t format = db_int(q, 0);
    l->moved_to = db_int(q, 1);
    db_rows_end(q);
    if (format != SEGMENT_FORMAT)
        return ERR_INVALID;
    l->found.n = 0;
    TRY(db_query(tx, &get_ranges, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        struct range *r = ranges_add(&l->found, db_int(q, 0), db_int(q, 1));
        *r = (struct range){db_int(q, 0), db_int(q, 1), db_int(q, 2), db_int(q, 3),
                            db_int(q, 4), db_int(q, 5), db_int(q, 6), 0};
        if (r->first < 0 || r->next < r->first || r->epoch < 0) {
            db_rows_end(q);
            return ERR_INVALID;
        }
        l->edges = grow(l->edges, l->found.n - 1, &l->cap, sizeof *l->edges);
        TRY(tree_edge_read(db_bytes(q, 7), r->next, &l->edges[l->found.n - 1]));
    }
    return e == ERR_END ? OK : e;
}

static void
take_range(struct loading *l, const struct range *from, const struct tree_edge *edge)
{
    struct audit *au = l->au;
    struct range *r = ranges_add(&l->s->ranges, from->tenant_id, from->epoch);
    int64_t indexed = r->indexed;
    *r = *from;
    r->indexed = indexed;
    struct log_state *g = log_add(au, r->tenant_id);
    if (r->epoch > g->epoch)
        log_reset(g, r->epoch);
    if (r->epoch == g->epoch && r->next > g->size) {
        g->size = r->next;
        *g->edge = *edge;
        g->dirty = true;
    }
    if (r->last_logged > g->last_logged)
        g->last_logged = r->last_logged;
    if (r->last_logged > au->last_logged)
        au->last_logged = r->last_logged;
}

static enum err
load(struct audit *au, struct segment *s, struct arena *a)
{
    struct loading l = {.au = au, .s = s};
    enum err e = db_read(s->db, a, load_segment, &l);
    if (e == OK) {
        pthread_mutex_lock(&au->lock);
        for (size_t i = 0; i < l.found.n; i++)
            take_range(&l, &l.found.v[i], &l.edges[i]);
        if (l.moved_to > au->moved_to)
            au->moved_to = l.moved_to;
        pthread_mutex_unlock(&au->lock);
    }
    free(l.found.v);
    free(l.edges);
    return e;
}

void
segment_free(struct segment *s)
{
    if (s->text != NULL)
        db_close(s->text);
    if (s->db != NULL)
        db_close(s->db);
    free(s->ranges.v);
    arena_free(s->arena);
    free(s);
}

/* The verifier goes on with what is left, and tells of the file. */
static bool
goes_on(struct audit *au, const struct segment *s, const char *suffix)
{
    if (!au->options.damaged)
        return false;
    struct str path = segment_path(au->arena, au, s->month, suffix);
    arena_grow(au->arena, au->unreadable, au->n_unreadable, &au->cap_unreadable, 8);
    au->unreadable[au->n_unreadable++] = (struct unreadable){
        str_sub(path, au->options.dir.n + 1, path.n), arena_str(au->arena, db_last_error())};
    return true;
}

/* ERR_NOT_FOUND: the verifier goes on without it. */
static enum err
open_segment(struct audit *au, int32_t month, struct segment **out, struct str *why)
{
    struct segment *s = calloc(1, sizeof *s);
    if (s == NULL)
        BUG("out of memory");
    s->month = month;
    s->arena = arena_create("audit.segment", SEGMENT_ARENA);
    enum err e = open_file(au, s->arena, segment_path(s->arena, au, month, ".db"), S("audit_state"),
                           segment_events_sql, &s->db, why);
    if (e != OK) {
        e = goes_on(au, s, ".db") ? ERR_NOT_FOUND : e;
        segment_free(s);
        return e;
    }
    e = open_file(au, s->arena, segment_path(s->arena, au, month, ".index.db"), S("audit_chunk"),
                  segment_text_sql, &s->text, why);
    if (e != OK && goes_on(au, s, ".index.db"))
        e = OK;
    if (e == OK) {
        e = load(au, s, s->arena);
        if (e != OK)
            *why = arena_fmt(au->arena, "the audit segment of %04d-%02d cannot be read",
                             (int)(month / 12), (int)(month % 12 + 1));
        if (e != OK && goes_on(au, s, ".db"))
            e = OK;
    }
    if (e != OK) {
        segment_free(s);
        return e;
    }
    *out = s;
    return OK;
}

/* Puts a segment into the list, ascending by month; under the lock. */
static void
list_add(struct audit *au, struct segment *s)
{
    au->segments = grow(au->segments, au->n_segments, &au->cap_segments, sizeof *au->segments);
    size_t i = au->n_segments++;
    for (; i > 0 && au->segments[i - 1]->month > s->month; i--)
        au->segments[i] = au->segments[i - 1];
    au->segments[i] = s;
}

/* "2026-11.db" → month; false for anything else. */
static bool
month_of_name(const char *file, int32_t *month)
{
    int64_t y = 0, m = 0;
    struct str s = str_of(file);
    if (s.n != 10 || s.p[4] != '-' || !str_has_suffix(s, S(".db")) ||
        str_int64(str_sub(s, 0, 4), &y) != OK || str_int64(str_sub(s, 5, 2), &m) != OK || m < 1 ||
        m > 12)
        return false;
    *month = (int32_t)(y * 12 + m - 1);
    return true;
}

/* Opens the months in the folder that are not open yet, from one month on. */
static enum err
open_months(struct audit *au, const char *path, int32_t from, struct str *why)
{
    DIR *d = opendir(path);
    struct dirent *f;
    int32_t month = 0;
    enum err e = OK;
    if (d == NULL) {
        if (au->options.read_only)
            return OK;
        *why = arena_fmt(au->arena, "the folder %s cannot be read", path);
        return ERR_IO;
    }
    while (e == OK && (f = readdir(d)) != NULL) {
        struct segment *s = NULL;
        if (!month_of_name(f->d_name, &month) || month < from)
            continue;
        s = segment_pin(au, month);
        if (s != NULL) {
            segment_unpin(au, s);
            continue;
        }
        e = open_segment(au, month, &s, why);
        if (e == ERR_NOT_FOUND) {
            e = OK;
            continue;
        }
        if (e != OK)
            break;
        pthread_mutex_lock(&au->lock);
        list_add(au, s);
        pthread_mutex_unlock(&au->lock);
    }
    closedir(d);
    return e;
}

static enum err
open_dir(struct audit *au, struct str *why)
{
    char *path =
        arena_cstr(au->arena, arena_fmt(au->arena, "%.*s/audit", STR_ARG(au->options.dir)));
    if (!au->options.read_only && mkdir(path, 0700) != 0 && errno != EEXIST) {
        *why = arena_fmt(au->arena, "the folder %s cannot be made", path);
        return ERR_IO;
    }
    return open_months(au, path, 0, why);
}

/* Another process moved: events go to the newest month or a later one, never to an earlier one. */
enum err
segments_refresh(struct audit *au)
{
    struct arena *a = arena_create("audit.refresh", SEGMENT_ARENA);
    struct str why = STR_NULL;
    pthread_mutex_lock(&au->lock);
    int32_t from = au->n_segments ? au->segments[au->n_segments - 1]->month : 0;
    pthread_mutex_unlock(&au->lock);
    char *path = arena_cstr(a, arena_fmt(a, "%.*s/audit", STR_ARG(au->options.dir)));
    enum err e = open_months(au, path, from, &why);
    struct segment *s = e == OK ? segment_pin(au, from) : NULL;
    if (s != NULL) {
        e = load(au, s, a);
        segment_unpin(au, s);
    }
    if (e != OK)
        log_error("audit.segment", LOG_STR("detail", why), LOG_STR("store", db_last_error()));
    arena_free(a);
    return e;
}

static const struct sql get_mark = SQL_READ("SELECT moved_to FROM audit_mark WHERE id = 1");
static const struct sql get_last_seq =
    SQL_READ("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit_tail'), 0)");
static const struct sql get_logs =
    SQL_READ("SELECT tenant_id, epoch, size, last_logged, edge FROM audit_log ORDER BY epoch");

static enum err
load_logs(struct audit *au, struct db_tx *tx)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &get_logs, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        struct log_state *l = log_add(au, db_int(q, 0));
        if (db_int(q, 1) > l->epoch)
            log_reset(l, db_int(q, 1));
        if (db_int(q, 1) == l->epoch && db_int(q, 2) >= l->size) {
            l->size = db_int(q, 2);
            TRY(tree_edge_read(db_bytes(q, 4), l->size, l->edge));
        }
        if (db_int(q, 3) > l->last_logged)
            l->last_logged = db_int(q, 3);
        if (l->last_logged > au->last_logged)
            au->last_logged = l->last_logged;
    }
    return e == ERR_END ? OK : e;
}

/* The main store's side: its marks, and whether it is older than the segments. */
static enum err
load_main(struct db_tx *tx, void *arg)
{
    struct audit *au = arg;
    int64_t mark = 0, seq = 0;
    TRY(load_logs(au, tx));
    if (au->pg)
        return OK;
    TRY(db_query_int(tx, &get_mark, NO_ARGS, &mark));
    TRY(db_query_int(tx, &get_last_seq, NO_ARGS, &seq));
    /* An older main store would hand sequence numbers out again that the segments' marks have
     * passed: its new events would be taken for moved ones. */
    if (seq < au->moved_to)
        return ERR_CONFLICT;
    au->trimmed_to = mark;
    if (mark > au->moved_to)
        au->moved_to = mark;
    return OK;
}

enum err
segments_open(struct audit *au, struct str *why)
{
    if (!au->pg)
        TRY(open_dir(au, why));
    enum err e = db_read(au->app->db, au->arena, load_main, au);
    if (e == ERR_CONFLICT)
        *why = S("the store is older than its audit log: it was put back from a copy without the "
                 "audit folder of the same moment");
    else if (e != OK)
        *why = S("the audit log's tables cannot be read");
    return e;
}

void
segments_close(struct audit *au)
{
    for (size_t i = 0; i < au->n_segments; i++)
        segment_free(au->segments[i]);
    free(au->segments);
    for (size_t i = 0; i < au->n_logs; i++)
        free(au->logs[i].edge);
    free(au->logs);
    au->segments = NULL;
    au->n_segments = 0;
}

enum err
segment_make(struct audit *au, int32_t month, struct segment **out)
{
    struct str why = STR_NULL;
    struct segment *s = segment_pin(au, month);
    if (s != NULL) { /* only the mover's thread drops or makes: the pin may go at once */
        segment_unpin(au, s);
        *out = s;
        return OK;
    }
    enum err e = open_segment(au, month, &s, &why);
    if (e != OK) {
        log_error("audit.segment", LOG_STR("detail", why), LOG_STR("store", db_last_error()));
        return e;
    }
    pthread_mutex_lock(&au->lock);
    list_add(au, s);
    pthread_mutex_unlock(&au->lock);
    *out = s;
    return OK;
}

struct segment *
segment_pin(struct audit *au, int32_t month)
{
    struct segment *found = NULL;
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_segments && found == NULL; i++)
        if (au->segments[i]->month == month && !au->segments[i]->dropping)
            found = au->segments[i];
    if (found != NULL)
        found->pins++;
    pthread_mutex_unlock(&au->lock);
    return found;
}

void
segment_unpin(struct audit *au, struct segment *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&au->lock);
    if (--s->pins == 0 && s->dropping)
        pthread_cond_broadcast(&au->moved);
    pthread_mutex_unlock(&au->lock);
}

/* ---- partitions ---- */

/* As 0012_samples.sql does for every table: samples in the planner's statistics would outlive an erasure. */
static const char no_samples[] =
    "DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE %.*s ' || string_agg("
    "format('ALTER COLUMN %%I SET STATISTICS 0', attname), ', ') FROM pg_attribute"
    " WHERE attrelid = '%.*s'::regclass AND attnum > 0 AND NOT attisdropped"
    " AND atttypid IN ('text'::regtype, 'bytea'::regtype)); END $$;";

/* Names of partitions can not be parameters; they are made of constants and numbers alone. */
enum err
segment_make_partitions(struct db_tx *tx, int32_t month)
{
    struct arena *a = db_tx_arena(tx);
    for (size_t i = 0; i < AUDIT_PARTITIONED; i++) {
        const char *t = audit_partitioned[i];
        struct str name = partition_name(a, t, month);
        struct str text = arena_fmt(a, "CREATE TABLE %.*s PARTITION OF %s FOR VALUES IN (%d);",
                                    STR_ARG(name), t, (int)month);
        TRY(db_script(tx, text.p));
        text = arena_fmt(a, no_samples, STR_ARG(name), STR_ARG(name));
        TRY(db_script(tx, text.p));
        if (i >= AUDIT_KEPT) /* the text index is derived and may change */
            continue;
        text = arena_fmt(a,
                         "CREATE TRIGGER %s_truncate BEFORE TRUNCATE ON %.*s"
                         " EXECUTE FUNCTION audit_refuse();",
                         t, STR_ARG(name));
        TRY(db_script(tx, text.p));
    }
    return OK;
}

/* ---- what is where ---- */

static const struct sql pg_regions =
    SQL_READ("SELECT month, tenant_id, epoch, first, next, last_logged, min_lag, max_lag"
             " FROM audit_range WHERE tenant_id = $1 ORDER BY epoch DESC, month DESC");
static const struct sql pg_regions_month =
    SQL_READ("SELECT month, tenant_id, epoch, first, next, last_logged, min_lag, max_lag"
             " FROM audit_range WHERE month = $1 ORDER BY tenant_id, epoch DESC");
static const struct sql pg_months =
    SQL_READ("SELECT DISTINCT month FROM audit_range ORDER BY month");

struct region_list {
    struct arena *a;
    const struct sql *q;
    int64_t arg;
    struct region *v;
    size_t n, cap;
};

static void
list_put(struct region_list *l, int32_t month, const struct range *r)
{
    arena_grow(l->a, l->v, l->n, &l->cap, 16);
    l->v[l->n++] = (struct region){month, *r};
}

static enum err
read_regions(struct db_tx *tx, void *arg)
{
    struct region_list *l = arg;
    struct db_rows *q = NULL;
    enum err e;
    l->n = 0;
    TRY(db_query(tx, l->q, ARGS(V_INT(l->arg)), &q));
    while ((e = db_next(q)) == OK) {
        struct range r = {db_int(q, 1), db_int(q, 2), db_int(q, 3), db_int(q, 4),
                          db_int(q, 5), db_int(q, 6), db_int(q, 7), 0};
        list_put(l, (int32_t)db_int(q, 0), &r);
    }
    return e == ERR_END ? OK : e;
}

enum err
regions_of(struct audit *au, struct db_tx *tx, struct arena *a, int64_t tenant_id,
           struct region **out, size_t *n)
{
    struct region_list l = {.a = a, .q = &pg_regions, .arg = tenant_id};
    if (au->pg) {
        TRY(tx != NULL ? read_regions(tx, &l) : db_read(au->app->db, a, read_regions, &l));
    } else {
        pthread_mutex_lock(&au->lock);
        for (size_t i = au->n_segments; i-- > 0;) {
            struct ranges *r = &au->segments[i]->ranges;
            size_t end = ranges_place(r, tenant_id, INT64_MAX);
            while (end-- > 0 && r->v[end].tenant_id == tenant_id)
                list_put(&l, au->segments[i]->month, &r->v[end]);
        }
        pthread_mutex_unlock(&au->lock);
    }
    *out = l.v;
    *n = l.n;
    return OK;
}

enum err
regions_in(struct audit *au, struct arena *a, int32_t month, struct region **out, size_t *n)
{
    struct region_list l = {.a = a, .q = &pg_regions_month, .arg = month};
    if (au->pg)
        TRY(db_read(au->app->db, a, read_regions, &l));
    pthread_mutex_lock(&au->lock);
    for (size_t i = 0; i < au->n_segments; i++)
        for (size_t k = 0; au->segments[i]->month == month && k < au->segments[i]->ranges.n; k++)
            list_put(&l, month, &au->segments[i]->ranges.v[k]);
    pthread_mutex_unlock(&au->lock);
    *out = l.v;
    *n = l.n;
    return OK;
}

struct month_list {
    struct arena *a;
    int32_t *v;
    size_t n;
};

/* Months on PostgreSQL: one a year * 12, bounded by a hundred years of retention. */
#define MONTHS_MAX 1200

static enum err
read_months(struct db_tx *tx, void *arg)
{
    struct month_list *l = arg;
    struct db_rows *q = NULL;
    enum err e;
    l->n = 0;
    TRY(db_query(tx, &pg_months, NO_ARGS, &q));
    while ((e = db_next(q)) == OK && l->n < MONTHS_MAX)
        l->v[l->n++] = (int32_t)db_int(q, 0);
    db_rows_end(e == OK ? q : NULL);
    return e == ERR_END ? OK : e;
}

enum err
segment_months(struct audit *au, struct arena *a, int32_t **months, size_t *n)
{
    struct month_list l = {.a = a, .v = arena_array(a, int32_t, MONTHS_MAX)};
    if (au->pg) {
        TRY(db_read(au->app->db, a, read_months, &l));
    } else {
        pthread_mutex_lock(&au->lock);
        for (size_t i = 0; i < au->n_segments && i < MONTHS_MAX; i++)
            l.v[l.n++] = au->segments[i]->month;
        pthread_mutex_unlock(&au->lock);
    }
    *months = l.v;
    *n = l.n;
    return OK;
}
