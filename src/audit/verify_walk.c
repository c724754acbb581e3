/* The verifier's walk over one log: all events in order, the tree made again from their leaf entries
 * and held against what is stored of it and against every mark. Deep checks hang on it. */
#include "audit/beside.h"
#include "audit/verify_priv.h"

#define BATCH_ARENA ((size_t)1 << 30) /* PostgreSQL: a batch of the largest records */
#define ROW_ARENA   ((size_t)256 << 20)
#define NODES_MAX   (VERIFY_FAST / 128 + 2 * VERIFY_LEVEL) /* finished by a batch */

struct db *
walk_store(const struct walk *w, bool text)
{
    return w->v->au->pg ? w->v->au->app->db : text ? w->s->text : w->s->db;
}

/* ---- marks ---- */

static void
check_mark(struct walk *w, const struct vmark *m, const struct sha256 *root,
           const struct tree_edge *edge)
{
    struct verify *v = w->v;
    if (!str_is_null(m->edge)) {
        if (edge != NULL && !str_eq(tree_edge_bytes(w->a, edge), m->edge))
            verify_tell(v, w->l, -1, STR_NULL, STR_NULL,
                        "%.*s at %lld events is not the tree of the events", STR_ARG(m->what),
                        (long long)m->size);
        /* The mover goes on from that time: one to come would move all later events there. */
        if (edge != NULL && w->last_logged != INT64_MIN && w->last_logged != w->l->last_logged)
            verify_tell(v, w->l, m->size - 1, time_iso(v->say, w->last_logged),
                        time_iso(v->say, w->l->last_logged),
                        "%.*s says another time of its last event", STR_ARG(m->what));
        return;
    }
    if (memcmp(m->root.b, root->b, SHA256_LEN) != 0) {
        verify_tell(v, w->l, -1, verify_hex(v, &m->root), verify_hex(v, root),
                    "%.*s of %lld events has another root than the events", STR_ARG(m->what),
                    (long long)m->size);
        return;
    }
    if (m->head >= 0)
        v->res->heads[m->head].size = m->size;
}

static void
marks_here(struct walk *w)
{
    for (; w->mark < w->l->n_marks && w->l->marks[w->mark].size <= w->at; w->mark++) {
        const struct vmark *m = &w->l->marks[w->mark];
        if (m->size < w->at || w->broken)
            continue;
        struct sha256 root = tree_edge_root(&w->edge);
        check_mark(w, m, &root, &w->edge);
    }
}

/* Hashes as they are stored, for sizes before the walk's beginning. */
static enum err
look_up(void *arg, int level, int64_t n, int width, struct sha256 *out)
{
    struct walk *w = arg;
    return nodes_read(w->v->au, NULL, w->a, w->l->log, level, n, width, out);
}

static void
marks_before(struct walk *w)
{
    struct tree_source source = {look_up, w};
    for (; w->mark < w->l->n_marks && w->l->marks[w->mark].size < w->at; w->mark++) {
        const struct vmark *m = &w->l->marks[w->mark];
        struct sha256 root;
        enum err e = m->size < 0 ? ERR_INVALID : tree_root(&source, m->size, &root);
        if (e == OK)
            check_mark(w, m, &root, NULL);
        else if (e != ERR_NOT_FOUND || !m->old_ok)
            verify_tell(w->v, w->l, -1, STR_NULL, STR_NULL,
                        "%.*s of %lld events can not be compared: the events around it are gone",
                        STR_ARG(m->what), (long long)m->size);
        else
            verify_note(w->v,
                        "%.*s of %lld events of %.*s can not be compared any more: the "
                        "events around it have expired.",
                        STR_ARG(m->what), (long long)m->size, STR_ARG(w->l->origin));
        arena_reset(w->a);
    }
}

static void
marks_left(struct walk *w)
{
    for (; w->mark < w->l->n_marks; w->mark++) {
        const struct vmark *m = &w->l->marks[w->mark];
        if (m->size > w->at && !m->beyond_ok && str_is_null(m->edge))
            verify_tell(w->v, w->l, w->at, verify_int(w->v, m->size), verify_int(w->v, w->at),
                        "%.*s is of more events than the log holds", STR_ARG(m->what));
        else if (m->size > w->at && m->beyond_ok)
            verify_note(w->v, "%.*s of %.*s is of %lld events, %lld are kept.", STR_ARG(m->what),
                        STR_ARG(w->l->origin), (long long)m->size, (long long)w->at);
    }
}

/* ---- one event ---- */

static enum err
keep_node(void *arg, int level, int64_t n, const struct sha256 *h)
{
    struct walk *w = arg;
    if (w->n_nodes < NODES_MAX)
        w->nodes[w->n_nodes++] =
            (struct node){.log = w->l->log, .level = level, .n = n, .hash = *h};
    return OK;
}

static void
see_gap(struct walk *w, int64_t idx)
{
    if (idx == w->at)
        return;
    if (idx == w->at + 1)
        verify_tell(w->v, w->l, w->at, STR_NULL, STR_NULL, "the event is missing");
    else
        verify_tell(w->v, w->l, w->at, STR_NULL, STR_NULL, "the events %lld to %lld are missing",
                    (long long)w->at, (long long)idx - 1);
    w->broken = true;
    w->at = idx;
}

static void
see_times(struct walk *w, int64_t idx, int64_t at, int64_t logged)
{
    struct verify *v = w->v;
    if (logged < w->last_logged)
        verify_tell(v, w->l, idx, time_iso(v->say, w->last_logged), time_iso(v->say, logged),
                    "the event was logged before the one in front of it");
    else if (logged < w->month_start || logged >= w->month_end)
        verify_tell(v, w->l, idx, verify_month_name(v, w->m->month), time_iso(v->say, logged),
                    "the event was logged in another month than the one that holds it");
    w->last_logged = logged;
    int64_t lag = logged - (at ? at : logged);
    w->min_lag = lag < w->min_lag ? lag : w->min_lag;
    w->max_lag = lag > w->max_lag ? lag : w->max_lag;
}

static void
see_leaf(struct walk *w, int64_t idx, struct str leaf)
{
    struct sha256 h;
    if (leaf.n != SHA256_LEN) {
        verify_tell(w->v, w->l, idx, STR_NULL, STR_NULL, "the leaf entry has not 32 bytes");
        w->broken = true;
    } else {
        h = tree_leaf_hash(leaf);
        w->ring[idx % TILE_WIDTH] = h;
        if (!w->broken && tree_edge_push(&w->edge, &h, keep_node, w) != OK)
            w->broken = true;
    }
    w->at = idx + 1;
    w->v->res->events++;
    if (w->mark < w->l->n_marks && w->l->marks[w->mark].size <= w->at)
        marks_here(w);
}

/* ---- one batch ---- */

#define EVENTS(cols, where)                                                                        \
    "SELECT idx, at, logged, leaf" cols " FROM audit_event WHERE" where                            \
    "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx"
static const struct sql fast_rows = SQL_READ2(EVENTS("", SEG_LITE), EVENTS("", SEG_PG));
#define DEEP_COLS ", cuid, type, outcome, client_id, public"
static const struct sql deep_rows =
    SQL_READ2(EVENTS(DEEP_COLS, SEG_LITE), EVENTS(DEEP_COLS, SEG_PG));
#define PARTS(where)                                                                               \
    "SELECT idx, salt, personal FROM audit_personal WHERE" where                                   \
    "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx"
static const struct sql personal_rows = SQL_READ2(PARTS(SEG_LITE), PARTS(SEG_PG));
static const struct sql erasure_rows =
    SQL_READ2("SELECT idx, inner_hash FROM audit_erasure WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx",
              "SELECT idx, inner_hash FROM audit_erasure WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx");

static enum err
deep_row(struct walk *w, struct db_tx *tx, const struct db_rows *q, struct beside *personal,
         struct beside *erased)
{
    struct vrow r = {.idx = db_int(q, 0),
                     .at = db_int(q, 1),
                     .logged = db_int(q, 2),
                     .leaf = db_bytes(q, 3),
                     .cuid = db_text(q, 4),
                     .type = db_int(q, 5),
                     .outcome = db_int(q, 6),
                     .client = db_int(q, 7),
                     .pub = db_bytes(q, 8)};
    TRY(beside_to(personal, r.idx, &r.has_personal));
    TRY(beside_to(erased, r.idx, &r.has_erasure));
    if (r.has_personal) {
        r.salt = db_bytes(personal->q, 1);
        r.personal = db_bytes(personal->q, 2);
    }
    if (r.has_erasure)
        r.inner = db_bytes(erased->q, 1);
    return verify_record(w, tx, &r);
}

static enum err
read_deep(struct db_tx *tx, struct walk *w, struct db_args args)
{
    struct beside personal = {0}, erased = {0};
    struct db_rows *q = NULL;
    enum err e = beside_begin(&personal, tx, &personal_rows, args, true);
    if (e == OK)
        e = beside_begin(&erased, tx, &erasure_rows, args, true);
    if (e == OK)
        e = db_query(tx, &deep_rows, args, &q);
    while (e == OK && (e = db_next(q)) == OK) {
        int64_t idx = db_int(q, 0);
        if (idx < w->at)
            e = ERR_DB; /* the file's own order is broken */
        see_gap(w, idx);
        see_times(w, idx, db_int(q, 1), db_int(q, 2));
        if (e == OK)
            e = deep_row(w, tx, q, &personal, &erased);
        see_leaf(w, idx, db_bytes(q, 3));
    }
    if (e != ERR_END)
        db_rows_end(q);
    beside_end(&personal);
    beside_end(&erased);
    return e == ERR_END ? OK : e;
}

static enum err
read_fast(struct db_tx *tx, struct walk *w, struct db_args args)
{
    struct db_rows *q = NULL;
    enum err e;
    TRY(db_query(tx, &fast_rows, args, &q));
    while ((e = db_next(q)) == OK) {
        int64_t idx = db_int(q, 0);
        if (idx < w->at) {
            e = ERR_DB;
            break;
        }
        see_gap(w, idx);
        see_times(w, idx, db_int(q, 1), db_int(q, 2));
        see_leaf(w, idx, db_bytes(q, 3));
    }
    if (e != ERR_END)
        db_rows_end(q);
    return e == ERR_END ? OK : e;
}

/* ---- stored hashes of the batch ---- */

static const struct sql get_nodes =
    SQL_READ2("SELECT n, hash FROM audit_node WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND level = $4 AND n >= $5 AND n < $6 ORDER BY n",
              "SELECT n, hash FROM audit_node WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND level = $4 AND n >= $5 AND n < $6 ORDER BY n");

static void
tell_node(struct walk *w, const struct node *x, bool missing)
{
    int64_t span = INT64_C(1) << (8 * x->level), first = x->n * span, last = first + span - 1;
    verify_tell(w->v, w->l, x->n * span, verify_hex(w->v, &x->hash), STR_NULL,
                missing ? "the hash of the events %lld to %lld is missing"
                        : "the hash stored of the events %lld to %lld is not theirs",
                (long long)first, (long long)last);
}

static enum err
check_level(struct db_tx *tx, struct walk *w, int level)
{
    const struct node *first = NULL, *last = NULL;
    struct db_rows *q = NULL;
    enum err e;
    for (size_t i = 0; i < w->n_nodes; i++)
        if (w->nodes[i].level == level) {
            first = first ? first : &w->nodes[i];
            last = &w->nodes[i];
        }
    if (first == NULL)
        return OK;
    TRY(db_query(tx, &get_nodes,
                 ARGS(V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch),
                      V_INT(level), V_INT(first->n), V_INT(last->n + 1)),
                 &q));
    const struct node *x = first;
    while ((e = db_next(q)) == OK) {
        int64_t n = db_int(q, 0);
        for (; x <= last && (x->level != level || x->n < n); x++)
            if (x->level == level)
                tell_node(w, x, true);
        if (x <= last && !str_eq(db_bytes(q, 1), sha256_str(&x->hash)))
            tell_node(w, x, false);
        x += x <= last;
    }
    for (; x <= last; x++)
        if (x->level == level)
            tell_node(w, x, true);
    return e == ERR_END ? OK : e;
}

static enum err
read_batch(struct db_tx *tx, void *arg)
{
    struct walk *w = arg;
    struct db_val v[] = {V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch),
                         V_INT(w->lo), V_INT(w->hi)};
    struct db_args args = {v, 5};
    w->n_nodes = 0;
    TRY(w->v->o->deep ? read_deep(tx, w, args) : read_fast(tx, w, args));
    for (int level = 1; level <= VERIFY_LEVEL && w->n_nodes > 0; level++)
        TRY(check_level(tx, w, level));
    return OK;
}

/* ---- one month ---- */

/* It left while the walk was in it: what the verifier read of it before stands. */
static bool
month_left(struct walk *w)
{
    return verify_month_dropped(w->v, w->m->month);
}

static void
skip_month(struct walk *w)
{
    w->broken = tree_edge_read(w->m->edge, w->m->r.next, &w->edge) != OK;
    w->at = w->m->r.next;
    w->last_logged = w->m->r.last_logged;
    verify_note(w->v, "%.*s expired while it was looked at.",
                STR_ARG(verify_month_name(w->v, w->m->month)));
}

static void
check_carry(struct walk *w)
{
    const struct vmonth *m = w->m;
    int width = carry_width(m->r.first);
    if (width == 0 && !m->has_carry)
        return;
    bool fits =
        m->has_carry && m->carry_first == m->r.first && m->carry.n == (size_t)width * SHA256_LEN;
    for (int i = 0; fits && !w->broken && m->r.first - width >= w->from && i < width; i++)
        fits = memcmp(m->carry.p + (size_t)i * SHA256_LEN, w->ring[i].b, SHA256_LEN) == 0;
    if (!fits)
        verify_tell(w->v, w->l, m->r.first, STR_NULL, STR_NULL,
                    "the hashes carried into %.*s are not those of the events before it",
                    STR_ARG(verify_month_name(w->v, m->month)));
}

static void
month_begins(struct walk *w)
{
    const struct vmonth *m = w->m;
    if (m->r.first < 0 || m->r.next <= m->r.first)
        verify_tell(w->v, w->l, m->r.first, STR_NULL, STR_NULL,
                    "%.*s says that it holds no event of the log",
                    STR_ARG(verify_month_name(w->v, m->month)));
    if (m->r.first > w->at)
        see_gap(w, m->r.first);
    else if (m->r.first < w->at && w->at == w->from)
        ; /* resumed in its middle */
    else if (m->r.first < w->at)
        verify_tell(w->v, w->l, m->r.first, verify_int(w->v, w->at), verify_int(w->v, m->r.first),
                    "%.*s holds events that another month holds, too",
                    STR_ARG(verify_month_name(w->v, m->month)));
    w->from_first = w->at <= m->r.first;
    w->month_start = month_ordinal_start(m->month);
    w->month_end = month_ordinal_start(m->month + 1);
    w->min_lag = INT64_MAX;
    w->max_lag = INT64_MIN;
    if (w->from_first)
        check_carry(w);
}

static void
month_ends(struct walk *w)
{
    const struct vmonth *m = w->m;
    struct verify *v = w->v;
    if (w->at < m->r.next)
        see_gap(w, m->r.next);
    if (!w->broken && !str_eq(tree_edge_bytes(w->a, &w->edge), m->edge))
        verify_tell(v, w->l, m->r.next - 1, STR_NULL, STR_NULL,
                    "the hashes %.*s ends with are not those of its events",
                    STR_ARG(verify_month_name(v, m->month)));
    if (w->last_logged != m->r.last_logged)
        verify_tell(v, w->l, m->r.next - 1, time_iso(v->say, w->last_logged),
                    time_iso(v->say, m->r.last_logged), "%.*s says another time of its last event",
                    STR_ARG(verify_month_name(v, m->month)));
    if (w->from_first && !w->broken && m->r.next > m->r.first &&
        (w->min_lag != m->r.min_lag || w->max_lag != m->r.max_lag))
        verify_tell(v, w->l, m->r.first, STR_NULL, STR_NULL,
                    "%.*s says another span between happening and logging than its events",
                    STR_ARG(verify_month_name(v, m->month)));
}

static int64_t
batch_end(struct walk *w)
{
    int64_t end = w->at + (w->v->o->deep ? VERIFY_DEEP : VERIFY_FAST);
    if (w->text != NULL) {
        int64_t covered = text_cover(w, w->at);
        end = covered < end ? covered : end;
    }
    return end < w->m->r.next ? end : w->m->r.next;
}

/* False: pace said stop. */
static bool
rest(struct walk *w)
{
    const struct verify_options *o = w->v->o;
    struct verify_place p = {w->l->log, w->at};
    return o->pace == NULL || o->pace(o->arg, &p, w->v->res->events);
}

#define NEXT_EVENT(where)                                                                          \
    "SELECT coalesce((SELECT idx FROM audit_event WHERE" where                                     \
    "AND tenant_id = $2 AND epoch = $3 AND idx >= $4 AND idx < $5 ORDER BY idx LIMIT 1), $5)"
static const struct sql next_event = SQL_READ2(NEXT_EVENT(SEG_LITE), NEXT_EVENT(SEG_PG));

static enum err
read_next_event(struct db_tx *tx, void *arg)
{
    struct walk *w = arg;
    return db_query_int(tx, &next_event,
                        ARGS(V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch),
                             V_INT(w->hi), V_INT(w->m->r.next)),
                        &w->hi);
}

/* A batch without an event: the next one may be milliards of indices away, where a damaged row says so. */
static void
leap(struct walk *w)
{
    if (w->hi < w->m->r.next && db_read(walk_store(w, false), w->a, read_next_event, w) != OK)
        verify_tell(w->v, w->l, w->hi, STR_NULL, db_last_error(),
                    "the events from %lld on can not be read", (long long)w->hi);
}

static bool
read_month(struct walk *w)
{
    while (w->at < w->m->r.next) {
        w->lo = w->at;
        w->hi = batch_end(w);
        struct db *db = walk_store(w, false);
        enum err e =
            w->v->o->deep ? db_snapshot(db, w->a, read_batch, w) : db_read(db, w->a, read_batch, w);
        if ((e != OK || w->at < w->hi) && month_left(w)) {
            skip_month(w);
            return true;
        }
        if (e != OK) {
            verify_tell(w->v, w->l, w->at, STR_NULL, db_last_error(),
                        "the events from %lld on can not be read", (long long)w->at);
            w->broken = true;
            w->at = w->hi;
        }
        if (w->at == w->lo)
            leap(w);
        see_gap(w, w->hi);
        if (w->text != NULL)
            text_after(w);
        arena_reset(w->a);
        if (!rest(w))
            return false;
    }
    return true;
}

static bool
walk_month(struct walk *w, const struct vmonth *m)
{
    bool go_on = true;
    struct vtext *text = w->text;
    w->m = m;
    if (m->r.next <= w->at && w->at == w->from)
        return true; /* looked at before the walk was interrupted */
    w->s = w->v->au->pg ? NULL : segment_pin(w->v->au, m->month);
    month_begins(w);
    if (w->s == NULL && !w->v->au->pg) {
        if (month_left(w))
            skip_month(w);
        else
            see_gap(w, m->r.next);
        return true;
    }
    if (w->s != NULL && w->s->text == NULL)
        w->text = NULL; /* its index can not be opened, which was told */
    if (w->v->o->deep) {
        if (w->text != NULL)
            text_month(w);
        w->parties = w->from_first ? parties_begin(w) : NULL;
    }
    go_on = read_month(w);
    if (go_on && !month_left(w)) {
        month_ends(w);
        if (w->parties != NULL)
            parties_end(w);
    }
    parties_free(w);
    w->text = text;
    segment_unpin(w->v->au, w->s);
    arena_reset(w->a);
    return go_on;
}

/* ---- one log ---- */

static void
walk_begins(struct walk *w)
{
    struct vlog *l = w->l;
    const struct verify_options *o = w->v->o;
    struct tree_source source = {look_up, w};
    w->at = l->n > 0 ? l->months[0].r.first : l->size;
    if (o->resume && o->from.log.tenant_id == l->log.tenant_id &&
        o->from.log.epoch == l->log.epoch && o->from.index > w->at)
        w->at = o->from.index;
    w->from = w->at;
    if (w->at > 0 && tree_edge_at(&source, w->at, &w->edge) != OK) {
        verify_tell(w->v, l, w->at, STR_NULL, STR_NULL,
                    "the hashes of the events before %lld can not be read", (long long)w->at);
        w->broken = true;
    }
    marks_before(w);
    marks_here(w);
}

static void
walk_ends(struct walk *w)
{
    struct vlog *l = w->l;
    if (l->noted && l->size > w->at) {
        verify_tell(w->v, l, w->at, verify_int(w->v, l->size), verify_int(w->v, w->at),
                    "the events %lld to %lld at the end of the log are missing", (long long)w->at,
                    (long long)l->size - 1);
        w->broken = true;
    }
    marks_left(w);
}

bool
verify_walk(struct verify *v, struct vlog *l)
{
    bool go_on = true;
    struct walk w = {.v = v,
                     .l = l,
                     .a = arena_create("audit.verify.batch", BATCH_ARENA),
                     .row = arena_create("audit.verify.row", ROW_ARENA),
                     .last_logged = INT64_MIN};
    struct arena *mine = arena_create("audit.verify.walk", BATCH_ARENA);
    w.nodes = arena_array(mine, struct node, NODES_MAX);
    if (v->o->deep)
        w.text = text_begin(&w);
    walk_begins(&w);
    for (size_t i = 0; i < l->n && go_on; i++)
        go_on = walk_month(&w, &l->months[i]);
    if (go_on)
        walk_ends(&w);
    text_free(w.text);
    arena_free(mine);
    arena_free(w.row);
    arena_free(w.a);
    return go_on;
}
