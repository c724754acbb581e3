/* The text index: byte trigrams of each event's document, as posting lists per log and chunk. A
 * chunk is a run of 4,096 indexes of one log within one segment; sixteen are merged to one of
 * 65,536. It is derived from the events, lags behind them, and is resumed from its own mark (the
 * last chunk written). Reads events, writes the index tables only. */
#include <sys/resource.h>

#include "audit/priv.h"

#include <stdlib.h>

#include "base/log.h"

#define INDEX_ARENA ((size_t)512 << 20)
#define WAIT_MS     1000

/* ---- gathering the grams of a chunk ---- */

struct build {
    struct audit *au;
    struct arena *a;
    struct region g;
    struct chunk c;
    struct buf doc;
    bool keep_bigrams; /* a merge takes the bitmap as it is here, not from the chunks' rows */
    uint64_t *pairs;   /* gram << 24 | offset within the chunk; heap, doubled */
    size_t n, cap;
    uint8_t bigrams[BIGRAM_BYTES];
};

static void
add_pair(struct build *b, uint32_t gram, uint32_t at)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? 2 * b->cap : 1 << 16;
        b->pairs = realloc(b->pairs, b->cap * sizeof *b->pairs);
        if (b->pairs == NULL)
            BUG("out of memory");
    }
    b->pairs[b->n++] = (uint64_t)gram << 24 | at;
}

static void
add_doc(struct build *b, struct str doc, uint32_t at)
{
    const uint8_t *u = (const uint8_t *)doc.p;
    for (size_t i = 0; i + 1 < doc.n; i++) {
        unsigned pair = (unsigned)u[i] << 8 | u[i + 1];
        b->bigrams[pair / 8] |= (uint8_t)(1u << (pair % 8));
        if (i + 2 < doc.n && u[i] != 0x1f && u[i + 1] != 0x1f && u[i + 2] != 0x1f)
            add_pair(b, gram_at(doc.p + i), at);
    }
}

/* A subquery, not a join: see scan.h. */
#define READ_DOCS(where, month)                                                                          \
    "SELECT e.idx, e.public, (SELECT p.personal FROM audit_personal p WHERE " month                      \
    " p.tenant_id = e.tenant_id AND p.epoch = e.epoch AND p.idx = e.idx) FROM audit_event e WHERE" where \
    " AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx >= $4 AND e.idx < $5 ORDER BY e.idx"
static const struct sql read_events =
    SQL_READ2(READ_DOCS(SEG_LITE, ""), READ_DOCS(" e.month = $1", "p.month = $1 AND"));

static enum err
read_docs(struct db_tx *tx, void *arg)
{
    struct build *b = arg;
    struct db_rows *q = NULL;
    enum err e;
    int64_t base = b->c.chunk * chunk_size(0);
    struct arena *scratch = arena_create("audit.doc", INDEX_ARENA);
    b->n = 0;
    e = db_query(tx, &read_events,
                 ARGS(V_INT(b->g.month), V_INT(b->g.r.tenant_id), V_INT(b->g.r.epoch),
                      V_INT(b->c.lo), V_INT(b->c.hi)),
                 &q);
    while (e == OK && (e = db_next(q)) == OK) {
        struct record r = {0};
        arena_reset(scratch);
        buf_clear(&b->doc);
        if (record_get_public(db_bytes(q, 1), &r) != OK ||
            (!db_is_null(q, 2) && record_get_personal(scratch, db_bytes(q, 2), &r) != OK))
            continue; /* such an event is shown, but not found by text */
        if (db_is_null(q, 2) &&
            (e = erased_fill(tx, scratch, b->g.month, b->g.r.tenant_id, &r.e)) != OK)
            break;
        if (atomic_load(&b->au->uncomposed))
            doc_put_uncomposed(&b->doc, &r.e);
        else
            doc_put(&b->doc, &r.e);
        add_doc(b, buf_view(&b->doc), (uint32_t)(db_int(q, 0) - base));
    }
    arena_free(scratch);
    return e == ERR_END ? OK : e;
}

/* Sorts by gram, keeping the order of offsets: two counting passes of twelve bits. */
static void
sort_pairs(struct build *b)
{
    uint64_t *other = malloc((b->n + 1) * sizeof *other);
    if (other == NULL)
        BUG("out of memory");
    for (unsigned shift = 24; shift <= 36; shift += 12) {
        size_t count[4096] = {0}, sum = 0;
        for (size_t i = 0; i < b->n; i++)
            count[b->pairs[i] >> shift & 4095]++;
        for (size_t i = 0; i < 4096; i++) {
            size_t n = count[i];
            count[i] = sum;
            sum += n;
        }
        for (size_t i = 0; i < b->n; i++)
            other[count[b->pairs[i] >> shift & 4095]++] = b->pairs[i];
        uint64_t *t = b->pairs;
        b->pairs = other;
        other = t;
        b->cap = b->n + 1;
    }
    free(other);
}

/* ---- writing ---- */

static const struct sql put_gram =
    SQL_WRITE2("audit_gram",
               "INSERT OR FAIL INTO audit_gram (tenant_id, epoch, level, chunk, gram, n, list)"
               " VALUES ($2, $3, $4, $5, $6, $7, $8)",
               "INSERT INTO audit_gram (month, tenant_id, epoch, level, chunk, gram, n, list)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
static const struct sql put_chunk =
    SQL_WRITE2("audit_chunk",
               "INSERT OR FAIL INTO audit_chunk (tenant_id, epoch, level, chunk, lo, hi, bigrams)"
               " VALUES ($2, $3, $4, $5, $6, $7, $8)",
               "INSERT INTO audit_chunk (month, tenant_id, epoch, level, chunk, lo, hi, bigrams)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");

/* A copy of the list waits in the transaction's arena. */
static enum err
add_gram(struct db_many *m, struct db_tx *tx, const struct build *b, uint32_t gram, int64_t n,
         const struct buf *list)
{
    struct str kept = arena_str(db_tx_arena(tx), buf_view(list));
    return db_many_add(m, ARGS(V_INT(b->g.month), V_INT(b->g.r.tenant_id), V_INT(b->g.r.epoch),
                               V_INT(b->c.level), V_INT(b->c.chunk), V_INT(gram), V_INT(n),
                               V_BYTES(kept)));
}

static enum err
write_chunk_row(struct db_tx *tx, const struct build *b)
{
    return db_exec(tx, &put_chunk,
                   ARGS(V_INT(b->g.month), V_INT(b->g.r.tenant_id), V_INT(b->g.r.epoch),
                        V_INT(b->c.level), V_INT(b->c.chunk), V_INT(b->c.lo), V_INT(b->c.hi),
                        V_BYTES(str_mem(b->bigrams, BIGRAM_BYTES))),
                   NULL);
}

static enum err
write_grams(struct db_tx *tx, struct build *b)
{
    struct buf *list = buf_in(db_tx_arena(tx), (size_t)1 << 20);
    struct db_many *grams = db_many_begin(tx, &put_gram, 8);
    for (size_t i = 0; i < b->n;) {
        uint32_t gram = (uint32_t)(b->pairs[i] >> 24);
        uint32_t last = 0;
        int64_t n = 0;
        buf_clear(list);
        for (; i < b->n && b->pairs[i] >> 24 == gram; i++) {
            uint32_t at = (uint32_t)(b->pairs[i] & 0xffffff);
            if (n > 0 && at == last)
                continue;
            buf_varint(list, at - last);
            last = at;
            n++;
        }
        TRY(add_gram(grams, tx, b, gram, n, list));
    }
    return db_many_end(grams, NULL);
}

static enum err
write_build(struct db_tx *tx, void *arg)
{
    struct build *b = arg;
    tail_own(tx);
    TRY(db_try_lock(tx, LOCK_INDEXER));
    TRY(write_grams(tx, b));
    return write_chunk_row(tx, b);
}

/* ---- merging sixteen chunks into one ---- */

static const struct sql read_grams =
    SQL_READ2("SELECT gram, chunk, list FROM audit_gram WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5"
              " ORDER BY gram, chunk",
              "SELECT gram, chunk, list FROM audit_gram WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5"
              " ORDER BY gram, chunk");
static const struct sql read_bitmaps =
    SQL_READ2("SELECT bigrams FROM audit_chunk WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5",
              "SELECT bigrams FROM audit_chunk WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5");
static const struct sql drop_grams =
    SQL_WRITE2("audit_gram",
               "DELETE FROM audit_gram WHERE" SEG_LITE
               "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5",
               "DELETE FROM audit_gram WHERE" SEG_PG
               "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5");
static const struct sql drop_chunks =
    SQL_WRITE2("audit_chunk",
               "DELETE FROM audit_chunk WHERE" SEG_LITE
               "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5",
               "DELETE FROM audit_chunk WHERE" SEG_PG
               "AND tenant_id = $2 AND epoch = $3 AND level = 0 AND chunk >= $4 AND chunk < $5");

#define PER_MERGE (CHUNK_1 / CHUNK_0)

struct merge {
    struct build *b;
    struct db_many *grams;
    uint32_t gram;
    int64_t n, last;
    struct buf *list;
};

static enum err
merge_flush(struct db_tx *tx, struct merge *m)
{
    if (m->n > 0)
        TRY(add_gram(m->grams, tx, m->b, m->gram, m->n, m->list));
    m->n = m->last = 0;
    buf_clear(m->list);
    return OK;
}

static void
merge_list(struct merge *m, struct str list, int64_t base)
{
    uint64_t v = 0;
    unsigned shift = 0;
    int64_t at = base;
    for (size_t i = 0; i < list.n; i++) {
        uint8_t c = (uint8_t)list.p[i];
        v |= (uint64_t)(c & 0x7f) << shift;
        shift += 7;
        if (c >= 0x80)
            continue;
        at += (int64_t)v;
        buf_varint(m->list, (uint64_t)(at - m->last));
        m->last = at;
        m->n++;
        v = 0;
        shift = 0;
    }
}

static enum err
merge_bitmaps(struct db_tx *tx, struct build *b, struct db_args which)
{
    struct db_rows *q = NULL;
    bool composed = true;
    enum err e;
    memset(b->bigrams, 0, BIGRAM_BYTES);
    TRY(db_query(tx, &read_bitmaps, which, &q));
    while ((e = db_next(q)) == OK) {
        struct str map = db_bytes(q, 0);
        composed = composed && bitmap_is_composed(map);
        for (size_t i = 0; i < BIGRAM_BYTES && i < map.n; i++)
            b->bigrams[i] |= (uint8_t)map.p[i];
    }
    b->bigrams[BIGRAM_BYTES - 1] = composed ? BIGRAM_COMPOSED : 0;
    return e == ERR_END ? OK : e;
}

static enum err
write_merge(struct db_tx *tx, void *arg)
{
    struct build *b = arg;
    struct merge m = {.b = b,
                      .grams = db_many_begin(tx, &put_gram, 8),
                      .list = buf_in(db_tx_arena(tx), (size_t)4 << 20)};
    int64_t first = b->c.chunk * PER_MERGE;
    struct db_val v[] = {V_INT(b->g.month), V_INT(b->g.r.tenant_id), V_INT(b->g.r.epoch),
                         V_INT(first), V_INT(first + PER_MERGE)};
    struct db_args which = {v, 5};
    struct db_rows *q = NULL;
    enum err e;
    tail_own(tx);
    TRY(db_try_lock(tx, LOCK_INDEXER));
    if (!b->keep_bigrams)
        TRY(merge_bitmaps(tx, b, which));
    TRY(db_query(tx, &read_grams, which, &q));
    while ((e = db_next(q)) == OK) {
        uint32_t gram = (uint32_t)db_int(q, 0);
        if (gram != m.gram)
            TRY(merge_flush(tx, &m));
        m.gram = gram;
        merge_list(&m, db_bytes(q, 2), (db_int(q, 1) - first) * CHUNK_0);
    }
    if (e != ERR_END)
        return e;
    TRY(merge_flush(tx, &m));
    TRY(db_many_end(m.grams, NULL));
    TRY(db_exec(tx, &drop_grams, which, NULL));
    TRY(db_exec(tx, &drop_chunks, which, NULL));
    return write_chunk_row(tx, b);
}

/* ---- one log in one segment ---- */

static const struct sql get_mark =
    SQL_READ2("SELECT coalesce(max(hi), 0) FROM audit_chunk WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3",
              "SELECT coalesce(max(hi), 0) FROM audit_chunk WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3");
static const struct sql get_level0 =
    SQL_READ2("SELECT coalesce(min(lo), -1) FROM audit_chunk WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND level = 0",
              "SELECT coalesce(min(lo), -1) FROM audit_chunk WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND level = 0");

struct marks {
    const struct region *g;
    int64_t to, level0;
};

static enum err
read_marks(struct db_tx *tx, void *arg)
{
    struct marks *m = arg;
    struct db_args args = ARGS(V_INT(m->g->month), V_INT(m->g->r.tenant_id), V_INT(m->g->r.epoch));
    TRY(db_query_int(tx, &get_mark, args, &m->to));
    return db_query_int(tx, &get_level0, args, &m->level0);
}

/* PostgreSQL: how far each log's index of a month reaches, so that a look at what is due asks the store only for
 * what has grown by a chunk. Another server may have gone further; then the store is asked once more. */
struct index_marks {
    struct {
        int32_t month;
        struct ranges reached;
    } * v;
    size_t n;
};

static struct ranges *
marks_of(struct audit *au, int32_t month)
{
    if (au->marks == NULL && (au->marks = calloc(1, sizeof *au->marks)) == NULL)
        BUG("out of memory");
    struct index_marks *m = au->marks;
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].month == month)
            return &m->v[i].reached;
    m->v = realloc(m->v, (m->n + 1) * sizeof *m->v);
    if (m->v == NULL)
        BUG("out of memory");
    m->v[m->n].month = month;
    m->v[m->n].reached = (struct ranges){0};
    return &m->v[m->n++].reached;
}

/* Months that have left are forgotten. */
static void
marks_keep(struct audit *au, int32_t since)
{
    struct index_marks *m = au->marks;
    size_t k = 0;
    for (size_t i = 0; m != NULL && i < m->n; i++) {
        if (m->v[i].month >= since)
            m->v[k++] = m->v[i];
        else
            free(m->v[i].reached.v);
    }
    if (m != NULL)
        m->n = k;
}

void
index_fini(struct audit *au)
{
    marks_keep(au, INT32_MAX);
    if (au->marks != NULL)
        free(au->marks->v);
    free(au->marks);
}

/* PostgreSQL: what set_indexed() remembered. */
static void
recall_indexed(struct audit *au, struct region *g)
{
    const struct range *r = ranges_find(marks_of(au, g->month), g->r.tenant_id, g->r.epoch);
    g->r.indexed = r != NULL ? r->indexed : 0;
}

static void
set_indexed(struct audit *au, struct segment *s, const struct region *g, int64_t to)
{
    if (au->pg) {
        ranges_add(marks_of(au, g->month), g->r.tenant_id, g->r.epoch)->indexed = to;
        return;
    }
    pthread_mutex_lock(&au->lock);
    struct range *r = ranges_find(&s->ranges, g->r.tenant_id, g->r.epoch);
    if (r != NULL)
        r->indexed = to;
    pthread_mutex_unlock(&au->lock);
}

/* With another way of writing, bits are added to those of the bitmap. */
static enum err
build_with(struct build *b, struct db *events, struct db *text, int64_t lo, int64_t hi,
           db_body write)
{
    b->c = (struct chunk){0, lo / CHUNK_0, lo, hi};
    if (write == write_build)
        memset(b->bigrams, 0, BIGRAM_BYTES);
    TRY(db_read(events, b->a, read_docs, b));
    if (!atomic_load(&b->au->uncomposed))
        b->bigrams[BIGRAM_BYTES - 1] |= BIGRAM_COMPOSED;
    sort_pairs(b);
    return db_write(text, b->a, write, b);
}

static enum err
build_chunk(struct build *b, struct db *events, struct db *text, int64_t lo, int64_t hi)
{
    return build_with(b, events, text, lo, hi, write_build);
}

/* Merges the level-0 chunks from `lo` when their group of sixteen is complete. */
static enum err
merge_ready(struct build *b, struct db *text, int64_t lo, int64_t to, bool closed)
{
    while (lo >= 0 && lo < to) {
        int64_t chunk = lo / CHUNK_1, end = (chunk + 1) * CHUNK_1;
        bool last = closed && to < end && to == b->g.r.next;
        if (to < end && !last)
            return OK;
        b->c = (struct chunk){1, chunk, lo, to < end ? to : end};
        if (b->c.hi - lo <= CHUNK_0) /* a single chunk gains nothing */
            return OK;
        arena_reset(b->a);
        TRY(db_write(text, b->a, write_merge, b));
        lo = b->c.hi;
    }
    return OK;
}

static struct db *
store_of(struct audit *au, struct segment *s, bool text)
{
    if (au->pg)
        return au->app->db;
    if (s == NULL)
        BUG("a region without its segment");
    return text ? s->text : s->db;
}

static struct build *
build_new(struct audit *au, const struct region *g)
{
    struct build *b = calloc(1, sizeof *b);
    if (b == NULL)
        BUG("out of memory");
    b->au = au;
    b->g = *g;
    b->a = arena_create("audit.index", INDEX_ARENA);
    buf_init(&b->doc, (size_t)8 << 20);
    return b;
}

static void
build_free(struct build *b)
{
    buf_free(&b->doc);
    free(b->pairs);
    arena_free(b->a);
    free(b);
}

static enum err
index_region(struct audit *au, struct segment *s, const struct region *g, bool closed)
{
    struct build *b = build_new(au, g);
    struct db *events = store_of(au, s, false), *text = store_of(au, s, true);
    struct marks m = {.g = g};
    enum err e = db_read(text, b->a, read_marks, &m);
    int64_t at = m.to > g->r.first ? m.to : g->r.first, done = at;
    while (e == OK && at < g->r.next && !atomic_load(&au->stop)) {
        int64_t end = (at / CHUNK_0 + 1) * CHUNK_0;
        if (end > g->r.next && !closed)
            break;
        end = end < g->r.next ? end : g->r.next;
        arena_reset(b->a);
        e = build_chunk(b, events, text, at, end);
        m.level0 = m.level0 < 0 ? at : m.level0;
        at = done = e == OK ? end : at;
    }
    if (e == OK)
        e = merge_ready(b, text, m.level0, done, closed);
    if (e == OK || !au->pg) /* what was left undone is looked at again */
        set_indexed(au, s, g, done);
    build_free(b);
    return e;
}

/* ---- a chunk made again, because events in it were erased ---- */

#define CHUNK_OF(where)                                                                            \
    "SELECT level, chunk, lo, hi FROM audit_chunk WHERE" where                                     \
    "AND tenant_id = $2 AND epoch = $3 AND lo <= $4 ORDER BY lo DESC LIMIT 1"
static const struct sql chunk_of = SQL_READ2(CHUNK_OF(SEG_LITE), CHUNK_OF(SEG_PG));
#define LEVEL_GRAMS(where)                                                                         \
    "DELETE FROM audit_gram WHERE" where                                                           \
    "AND tenant_id = $2 AND epoch = $3 AND level = $4 AND chunk = $5"
static const struct sql drop_level_grams =
    SQL_WRITE2("audit_gram", LEVEL_GRAMS(SEG_LITE), LEVEL_GRAMS(SEG_PG));
#define CHUNK_ROW(where)                                                                           \
    "DELETE FROM audit_chunk WHERE" where "AND tenant_id = $2 AND epoch = $3 AND lo = $4"
static const struct sql drop_chunk_row =
    SQL_WRITE2("audit_chunk", CHUNK_ROW(SEG_LITE), CHUNK_ROW(SEG_PG));

struct remake {
    struct build *b;
    int64_t idx;
    struct chunk c; /* the chunk that holds idx; hi 0: none does */
};

static enum err
find_chunk(struct db_tx *tx, void *arg)
{
    struct remake *m = arg;
    const struct region *g = &m->b->g;
    struct db_rows *q = NULL;
    enum err e = db_query_one(
        tx, &chunk_of,
        ARGS(V_INT(g->month), V_INT(g->r.tenant_id), V_INT(g->r.epoch), V_INT(m->idx)), &q);
    m->c = (struct chunk){0};
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    if (db_int(q, 3) > m->idx)
        m->c = (struct chunk){db_int(q, 0), db_int(q, 1), db_int(q, 2), db_int(q, 3)};
    db_rows_end(q);
    return OK;
}

static enum err
forget_grams(struct db_tx *tx, const struct build *b, int64_t level, int64_t chunk)
{
    return db_exec(tx, &drop_level_grams,
                   ARGS(V_INT(b->g.month), V_INT(b->g.r.tenant_id), V_INT(b->g.r.epoch),
                        V_INT(level), V_INT(chunk)),
                   NULL);
}

static enum err
forget_row(struct db_tx *tx, const struct build *b, int64_t lo)
{
    return db_exec(tx, &drop_chunk_row,
                   ARGS(V_INT(b->g.month), V_INT(b->g.r.tenant_id), V_INT(b->g.r.epoch), V_INT(lo)),
                   NULL);
}

static enum err
write_remade(struct db_tx *tx, void *arg)
{
    struct build *b = arg;
    tail_own(tx);
    TRY(db_try_lock(tx, LOCK_INDEXER));
    TRY(forget_grams(tx, b, 0, b->c.chunk));
    TRY(forget_row(tx, b, b->c.lo));
    TRY(write_grams(tx, b));
    return write_chunk_row(tx, b);
}

/* A part of a merged chunk: nobody looks at its grams before they are merged, as it has no row. */
static enum err
write_part(struct db_tx *tx, void *arg)
{
    struct build *b = arg;
    tail_own(tx);
    TRY(db_try_lock(tx, LOCK_INDEXER));
    TRY(forget_grams(tx, b, 0, b->c.chunk));
    return write_grams(tx, b);
}

static enum err
write_remerged(struct db_tx *tx, void *arg)
{
    struct build *b = arg;
    tail_own(tx);
    TRY(forget_grams(tx, b, 1, b->c.chunk));
    TRY(forget_row(tx, b, b->c.lo));
    return write_merge(tx, b);
}

static enum err
remake_chunk(struct build *b, struct db *events, struct db *text, const struct chunk *c)
{
    if (c->level == 0) {
        memset(b->bigrams, 0, BIGRAM_BYTES);
        return build_with(b, events, text, c->lo, c->hi, write_remade);
    }
    memset(b->bigrams, 0, BIGRAM_BYTES);
    for (int64_t at = c->lo, end; at < c->hi; at = end) {
        end = (at / CHUNK_0 + 1) * CHUNK_0;
        end = end < c->hi ? end : c->hi;
        arena_reset(b->a);
        TRY(build_with(b, events, text, at, end, write_part));
    }
    arena_reset(b->a);
    b->c = *c;
    b->keep_bigrams = true;
    return db_write(text, b->a, write_remerged, b);
}

enum err
index_remake(struct audit *au, const struct region *g, int64_t idx, int64_t *next)
{
    struct segment *s = au->pg ? NULL : segment_pin(au, g->month);
    *next = idx + 1;
    if (!au->pg && s == NULL)
        return OK;
    pthread_mutex_lock(&au->indexer);
    enum err e = index_lock_take(au) ? OK : ERR_CONFLICT;
    if (e == OK) {
        struct remake m = {.b = build_new(au, g), .idx = idx};
        struct db *events = store_of(au, s, false), *text = store_of(au, s, true);
        e = db_read(text, m.b->a, find_chunk, &m);
        if (e == OK && m.c.hi > 0) {
            e = remake_chunk(m.b, events, text, &m.c);
            *next = m.c.hi;
        }
        build_free(m.b);
        index_lock_give(au);
    }
    pthread_mutex_unlock(&au->indexer);
    segment_unpin(au, s);
    return e;
}

/* ---- chunks of older programs, whose documents were not composed: made again, one at a time ---- */

#define OLD_CHUNKS(where)                                                                          \
    "SELECT lo, bigrams FROM audit_chunk WHERE" where                                              \
    "AND tenant_id = $2 AND epoch = $3 AND lo >= $4 ORDER BY lo LIMIT 16"
static const struct sql old_chunks = SQL_READ2(OLD_CHUNKS(SEG_LITE), OLD_CHUNKS(SEG_PG));

struct seeking {
    const struct region *g;
    int64_t lo;  /* looked at up to here */
    int64_t old; /* beginning of the chunk found, -1: none */
    bool end;
};

static enum err
seek_batch(struct db_tx *tx, void *arg)
{
    struct seeking *k = arg;
    struct db_rows *q = NULL;
    enum err e;
    k->end = true;
    TRY(db_query(
        tx, &old_chunks,
        ARGS(V_INT(k->g->month), V_INT(k->g->r.tenant_id), V_INT(k->g->r.epoch), V_INT(k->lo)),
        &q));
    while ((e = db_next(q)) == OK) {
        k->end = false;
        k->lo = db_int(q, 0) + 1;
        if (k->old < 0 && !bitmap_is_composed(db_bytes(q, 1)))
            k->old = db_int(q, 0);
    }
    return e == ERR_END ? OK : e;
}

static enum err
renew_region(struct audit *au, struct segment *s, struct arena *a, const struct region *g,
             bool *found)
{
    struct seeking k = {.g = g, .old = -1};
    int64_t next = 0;
    while (!k.end && k.old < 0)
        TRY(db_read(store_of(au, s, true), a, seek_batch, &k));
    *found = k.old >= 0;
    return *found ? index_remake(au, g, k.old, &next) : OK;
}

enum err
index_renew(struct audit *au, bool *found)
{
    struct arena *a = arena_create("audit.renew", INDEX_ARENA);
    int32_t *months = NULL;
    size_t n = 0;
    enum err e = segment_months(au, a, &months, &n);
    *found = false;
    for (size_t m = 0; m < n && e == OK && !*found; m++) {
        struct region *g = NULL;
        size_t k = 0;
        struct segment *s = au->pg ? NULL : segment_pin(au, months[m]);
        e = regions_in(au, a, months[m], &g, &k);
        for (size_t i = 0; i < k && e == OK && !*found && (au->pg || s != NULL); i++)
            e = renew_region(au, s, a, &g[i], found);
        segment_unpin(au, s);
    }
    arena_free(a);
    return e;
}

/* ---- all ---- */

static bool
is_due(const struct region *g, bool closed)
{
    int64_t from = g->r.indexed > g->r.first ? g->r.indexed : g->r.first;
    return closed ? from < g->r.next : g->r.next / CHUNK_0 > from / CHUNK_0;
}

static enum err
index_month(struct audit *au, struct arena *a, int32_t month, bool closed)
{
    struct region *g = NULL;
    size_t n = 0;
    TRY(regions_in(au, a, month, &g, &n));
    struct segment *s = au->pg ? NULL : segment_pin(au, month);
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK && (au->pg || s != NULL); i++) {
        if (au->pg)
            recall_indexed(au, &g[i]);
        if (is_due(&g[i], closed))
            e = index_region(au, s, &g[i], closed);
    }
    segment_unpin(au, s);
    return e;
}

enum err
index_all(struct audit *au)
{
    int32_t *months = NULL;
    size_t n = 0;
    int64_t since = 0, next = 0;
    audit_window(au->app, app_now(au->app), &since, &next);
    pthread_mutex_lock(&au->indexer);
    if (!index_lock_take(au)) { /* another process indexes now; what it leaves out is scanned */
        pthread_mutex_unlock(&au->indexer);
        return OK;
    }
    struct arena *a = arena_create("audit.months", INDEX_ARENA);
    marks_keep(au, month_ordinal(since));
    enum err e = segment_months(au, a, &months, &n);
    for (size_t i = 0; i < n && e == OK; i++)
        if (months[i] >= month_ordinal(since)) /* what leaves is no longer searched */
            e = index_month(au, a, months[i], i + 1 < n);
    index_lock_give(au);
    pthread_mutex_unlock(&au->indexer);
    arena_free(a);
    return e == ERR_CONFLICT ? OK : e; /* another server indexes now */
}

void *
index_main(void *arg)
{
    struct audit *au = arg;

    (void)pthread_setname_np(pthread_self(), "indexer");
    /* Requests come first: what is not indexed yet is scanned. A thread's own priority on Linux. */
    (void)setpriority(PRIO_PROCESS, 0, 10);
    while (!atomic_load(&au->stop)) {
        int64_t t = clock_monotonic() + WAIT_MS * USEC_PER_MS;
        struct timespec until = {t / USEC_PER_SEC, (t % USEC_PER_SEC) * 1000};
        pthread_mutex_lock(&au->wake_lock);
        while (!au->index_due && !atomic_load(&au->stop))
            if (pthread_cond_timedwait(&au->index_wake, &au->wake_lock, &until) != 0)
                break;
        bool due = au->index_due;
        au->index_due = false;
        pthread_mutex_unlock(&au->wake_lock);
        if (due && !reserve_is_tight(au) && index_all(au) != OK)
            log_warn("audit.index", LOG_STR("store", db_last_error()));
        bool found = true;
        if (!au->index_renewed && !reserve_is_tight(au) && index_renew(au, &found) == OK)
            au->index_renewed = !found;
    }
    return NULL;
}
