/* The tables of runs and gaps against the installation's log: each run with the events of its start and its end, and
 * what waits to be told of gaps with what the starts since the last telling noted. So nobody hides in the table that
 * a server died, or for how long none ran. When a run that died was last seen is its row's word, until the next
 * start says it in its event. Owns nothing. */
#include "core/runs.h"

#include <stdlib.h>

#include "core/selfcheck_priv.h"

struct run_row {
    struct str run, host, folder;
    int64_t started_at, stopped_at; /* 0: it has no end yet */
};

struct gap_row {
    int64_t told_at, starts, unclean, us, since, latest;
};

struct rows_runs {
    struct run_row *v;
    size_t n, cap;
    struct gap_row gap; /* zeros: there is no row */
};

/* ---- reading ---- */

static const struct sql get_runs =
    SQL_READ("SELECT run, host, folder, started_at, coalesce(stopped_at, 0) FROM process_run"
             " ORDER BY started_at, run");
static const struct sql get_gap =
    SQL_READ("SELECT told_at, starts, unclean, us, since, latest FROM run_gap WHERE id = 1");

enum err
rows_runs_read(struct cx *cx, struct rows_look *x)
{
    struct rows_runs *l = x->runs = arena_new(x->a, struct rows_runs);
    struct db_rows *q;
    enum err e;

    TRY(db_query(cx->tx, &get_runs, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(x->a, l->v, l->n, &l->cap, 64);
        l->v[l->n++] =
            (struct run_row){arena_str(x->a, db_text(q, 0)), arena_str(x->a, db_text(q, 1)),
                             arena_str(x->a, db_text(q, 2)), db_int(q, 3), db_int(q, 4)};
    }
    if (e != ERR_END)
        return e;
    e = db_query_one(cx->tx, &get_gap, NO_ARGS, &q);
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    l->gap = (struct gap_row){db_int(q, 0), db_int(q, 1), db_int(q, 2),
                              db_int(q, 3), db_int(q, 4), db_int(q, 5)};
    db_rows_end(q);
    return OK;
}

/* ---- runs ---- */

struct ends {
    const struct rows_event **v; /* by run */
    size_t n;
};

static int
by_run(const void *a, const void *b)
{
    const struct rows_event *x = *(const struct rows_event *const *)a,
                            *y = *(const struct rows_event *const *)b;

    return str_cmp(x->target, y->target);
}

static struct ends
ends_of(const struct rows_look *x, enum event type)
{
    struct ends s = {arena_array(x->a, const struct rows_event *, x->n + 1), 0};

    for (size_t i = 0; i < x->n; i++)
        if (x->v[i].type == type)
            s.v[s.n++] = &x->v[i];
    qsort(s.v, s.n, sizeof *s.v, by_run);
    return s;
}

static const struct rows_event *
end_of(const struct ends *s, struct str run)
{
    struct rows_event key = {.target = run};
    const struct rows_event *k = &key, **found;

    found = s->n > 0 ? bsearch(&k, s->v, s->n, sizeof *s->v, by_run) : NULL;
    return found ? *found : NULL;
}

/* A run that died is ended by the start that found it. */
static bool
was_found_dead(const struct rows_runs *l, const struct run_row *r)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].started_at == r->stopped_at && !str_eq(l->v[i].run, r->run) &&
            str_eq(l->v[i].host, r->host) && str_eq(l->v[i].folder, r->folder))
            return true;
    return false;
}

/* Early versions did not say in the event of the end which run it was. */
static bool
names_its_end(const struct rows_event *began)
{
    return began && !str_is_null(began->folder);
}

static struct str
when(struct rows_look *x, int64_t t)
{
    return t == 0 ? S("none") : time_iso(x->a, t);
}

static void
compare_run(struct rows_look *x, const struct run_row *r, const struct rows_event *began,
            const struct rows_event *ended)
{
    struct str place = arena_fmt(x->a, "%.*s:%.*s", STR_ARG(r->host), STR_ARG(r->folder));

    if (!began && r->started_at >= x->since) {
        rows_tell(x, NULL, STR_NULL, when(x, r->started_at),
                  "the run %.*s stands in process_run, and no event tells of its start",
                  STR_ARG(r->run));
        return;
    }
    if (began && began->at != r->started_at)
        rows_tell(x, began, when(x, began->at), when(x, r->started_at),
                  "the run %.*s: its started_at in process_run is not what its event says",
                  STR_ARG(r->run));
    if (began && !str_is_null(began->folder) && !str_eq(began->folder, place))
        rows_tell(x, began, began->folder, place,
                  "the run %.*s: its host or folder in process_run is not what its event says",
                  STR_ARG(r->run));
    if (ended && ended->at != r->stopped_at)
        rows_tell(x, ended, when(x, ended->at), when(x, r->stopped_at),
                  "the run %.*s: its stopped_at in process_run is not what its event says",
                  STR_ARG(r->run));
    else if (!ended && names_its_end(began) && r->stopped_at != 0 && !was_found_dead(x->runs, r))
        rows_tell(x, NULL, S("none"), when(x, r->stopped_at),
                  "the run %.*s has ended by its stopped_at in process_run, and no event tells of "
                  "its end",
                  STR_ARG(r->run));
}

static int
by_name(const void *a, const void *b)
{
    const struct run_row *x = *(const struct run_row *const *)a,
                         *y = *(const struct run_row *const *)b;

    return str_cmp(x->run, y->run);
}

static void
compare_runs(struct rows_look *x)
{
    const struct rows_runs *l = x->runs;
    struct ends began = ends_of(x, EV_SERVER_STARTED), ended = ends_of(x, EV_SERVER_STOPPED);
    const struct run_row **named = arena_array(x->a, const struct run_row *, l->n + 1);

    for (size_t i = 0; i < l->n; i++) {
        named[i] = &l->v[i];
        compare_run(x, &l->v[i], end_of(&began, l->v[i].run), end_of(&ended, l->v[i].run));
    }
    qsort(named, l->n, sizeof *named, by_name);
    for (size_t i = 0; i < began.n; i++) {
        struct run_row key = {.run = began.v[i]->target};
        const struct run_row *k = &key;

        if (l->n == 0 || !bsearch(&k, named, l->n, sizeof *named, by_name))
            rows_tell(x, began.v[i], STR_NULL, STR_NULL, "the run %.*s is missing from process_run",
                      STR_ARG(key.run));
    }
}

/* ---- gaps that wait to be told ---- */

/* What the starts since the last ServerRunGap noted. False: one of them says nothing of it. */
static bool
gap_noted(const struct rows_look *x, struct gap_row *g)
{
    bool known = true;

    *g = (struct gap_row){0};
    for (size_t i = 0; i < x->n; i++) {
        const struct rows_event *e = &x->v[i];
        int64_t us = 0;

        if (e->type == EV_RUN_GAP) {
            *g = (struct gap_row){.told_at = e->at};
            known = true;
        }
        if (e->type != EV_SERVER_STARTED || str_eq(e->gap, S("none")))
            continue;
        if (e->erased || str_is_null(e->gap) || str_int64(e->gap, &us) != OK) {
            known = false;
            continue;
        }
        if (g->starts++ == 0)
            g->since = us > 0 ? e->at - us : 0;
        g->unclean += str_eq(e->before, S(RUN_BEFORE_DIED));
        g->us += us;
        g->latest = e->at;
    }
    return known;
}

static void
compare_gap(struct rows_look *x)
{
    const struct gap_row *r = &x->runs->gap;
    struct gap_row g;
    bool known = gap_noted(x, &g);
    const struct {
        const char *name;
        int64_t logged, stored;
    } fields[] = {{"starts", g.starts, r->starts},
                  {"unclean", g.unclean, r->unclean},
                  {"us", g.us, r->us},
                  {"since", g.since, r->since},
                  {"latest", g.latest, r->latest}};

    if (g.told_at != r->told_at && (g.told_at != 0 || r->told_at >= x->since))
        rows_tell(x, NULL, when(x, g.told_at), when(x, r->told_at),
                  "the told_at of run_gap is not when the log last told of a gap");
    for (size_t i = 0; known && i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].logged != fields[i].stored)
            rows_tell(x, NULL, rows_int(x, fields[i].logged), rows_int(x, fields[i].stored),
                      "the %s of run_gap is not what the starts of servers noted", fields[i].name);
}

void
rows_runs_compare(struct rows_look *x)
{
    compare_runs(x);
    compare_gap(x);
}
