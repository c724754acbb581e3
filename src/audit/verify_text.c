/* The verifier and the text index: for each event the sum of keyed hashes of its trigrams, as its
 * text gives them and as the posting lists of its chunk hold them. What the index has not reached is
 * scanned by searches, and no concern. Deep only. */
#include "audit/verify_priv.h"

#include <stdlib.h>

#define TEXT_ARENA ((size_t)512 << 20)
#define DOC_MAX    ((size_t)8 << 20)
#define DOUBTS     256 /* of a batch: looked at a second time, an indexer may be at work */

struct doubt {
    int64_t idx;
    uint64_t sum;
    uint32_t n;
    bool bits; /* a pair of bytes is missing in the bitmap */
};

struct vtext {
    struct walk *w;
    struct arena *a;
    bool found;     /* a chunk covers the place asked for */
    struct chunk c; /* which */
    int64_t next;   /* else the beginning of the next one, -1: there is none */
    int64_t end;    /* nothing is to be compared before it */
    uint64_t sum[CHUNK_1];
    uint32_t n[CHUNK_1];
    uint8_t bigrams[BIGRAM_BYTES];
    bool composed; /* its documents are doc_put()'s */
    struct buf doc;
    uint8_t seen[(1u << 24) / 8]; /* trigrams of the event at hand */
    uint32_t *grams;              /* the same, to be taken out again; heap */
    size_t n_grams, cap;
    struct doubt doubts[DOUBTS];
    size_t n_doubts;
    bool more_doubts;
    int64_t told; /* the chunk whose form was complained of */
};

static uint64_t
gram_hash(const struct walk *w, uint32_t gram)
{
    uint64_t x = (uint64_t)gram ^ w->v->key[0];
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 29;
    x += w->v->key[1];
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 32;
}

/* ---- a chunk as it is stored ---- */

#define COVERING(where)                                                                            \
    "SELECT level, chunk, lo, hi, bigrams FROM audit_chunk WHERE" where                            \
    "AND tenant_id = $2 AND epoch = $3 AND lo <= $4 ORDER BY lo DESC LIMIT 1"
static const struct sql covering = SQL_READ2(COVERING(SEG_LITE), COVERING(SEG_PG));
#define FOLLOWING(where)                                                                           \
    "SELECT min(lo) FROM audit_chunk WHERE" where "AND tenant_id = $2 AND epoch = $3 AND lo > $4"
static const struct sql following = SQL_READ2(FOLLOWING(SEG_LITE), FOLLOWING(SEG_PG));
#define LISTS(where)                                                                               \
    "SELECT gram, n, list FROM audit_gram WHERE" where                                             \
    "AND tenant_id = $2 AND epoch = $3 AND level = $4 AND chunk = $5 ORDER BY gram"
static const struct sql get_lists = SQL_READ2(LISTS(SEG_LITE), LISTS(SEG_PG));

/* A list is canonical: ascending offsets within the chunk, as many as it says. */
static bool
take_list(struct vtext *t, uint32_t gram, int64_t n, struct str list)
{
    const uint8_t *p = (const uint8_t *)list.p, *end = p + list.n;
    uint64_t h = gram_hash(t->w, gram), at = 0;
    uint64_t size = (uint64_t)chunk_size(t->c.level);
    int64_t count = 0;
    while (p < end) {
        uint64_t delta = 0;
        unsigned shift = 0;
        do {
            if (p == end || shift > 28)
                return false;
            delta |= (uint64_t)(*p & 0x7f) << shift;
            shift += 7;
        } while (*p++ & 0x80);
        if (count > 0 && delta == 0)
            return false;
        at += delta;
        if (at >= size)
            return false;
        t->sum[at] += h;
        t->n[at]++;
        count++;
    }
    return count == n && count > 0;
}

static enum err
take_lists(struct vtext *t, struct db_tx *tx)
{
    const struct walk *w = t->w;
    struct db_rows *q = NULL;
    enum err e;
    int64_t size = chunk_size(t->c.level);
    memset(t->sum, 0, (size_t)size * sizeof *t->sum);
    memset(t->n, 0, (size_t)size * sizeof *t->n);
    TRY(db_query(tx, &get_lists,
                 ARGS(V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch),
                      V_INT(t->c.level), V_INT(t->c.chunk)),
                 &q));
    while ((e = db_next(q)) == OK) {
        int64_t gram = db_int(q, 0);
        if ((gram < 0 || gram >= 1 << 24 ||
             !take_list(t, (uint32_t)gram, db_int(q, 1), db_bytes(q, 2))) &&
            t->told != t->c.lo) {
            t->told = t->c.lo;
            verify_tell(w->v, w->l, t->c.lo, STR_NULL, STR_NULL,
                        "the text index of the events %lld to %lld is malformed",
                        (long long)t->c.lo, (long long)t->c.hi - 1);
        }
    }
    return e == ERR_END ? OK : e;
}

static bool
chunk_is_sane(const struct chunk *c)
{
    int64_t size = c->level == 0 ? CHUNK_0 : CHUNK_1;
    return (c->level == 0 || c->level == 1) && c->lo >= 0 && c->lo < c->hi &&
           c->chunk == c->lo / size && c->hi <= (c->chunk + 1) * size;
}

struct asking {
    struct vtext *t;
    int64_t at;
};

static enum err
read_chunk(struct db_tx *tx, void *arg)
{
    struct asking *k = arg;
    struct vtext *t = k->t;
    const struct walk *w = t->w;
    struct db_args args =
        ARGS(V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch), V_INT(k->at));
    struct db_rows *q = NULL;
    t->found = false;
    t->next = -1;
    enum err e = db_query_one(tx, &covering, args, &q);
    if (e == OK) {
        t->c = (struct chunk){db_int(q, 0), db_int(q, 1), db_int(q, 2), db_int(q, 3)};
        struct str map = db_bytes(q, 4);
        memset(t->bigrams, 0, sizeof t->bigrams);
        memcpy(t->bigrams, map.p, map.n < sizeof t->bigrams ? map.n : sizeof t->bigrams);
        t->composed = bitmap_is_composed(map);
        db_rows_end(q);
        t->found = t->c.hi > k->at;
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    if (t->found && !chunk_is_sane(&t->c)) {
        t->found = false;
        verify_tell(w->v, w->l, k->at, STR_NULL, STR_NULL,
                    "a part of the text index says wrongly which events it covers");
        t->next = t->c.hi;
        return OK;
    }
    if (t->found)
        return take_lists(t, tx);
    e = db_query_one(tx, &following, args, &q);
    if (e == OK) {
        t->next = db_is_null(q, 0) ? -1 : db_int(q, 0);
        db_rows_end(q);
    }
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum err
load(struct vtext *t, int64_t at)
{
    struct asking k = {t, at};
    enum err e = db_snapshot(walk_store(t->w, true), t->a, read_chunk, &k);
    arena_reset(t->a);
    return e;
}

/* ---- the walk ---- */

struct vtext *
text_begin(struct walk *w)
{
    struct vtext *t = calloc(1, sizeof *t);
    if (t == NULL)
        BUG("out of memory");
    t->w = w;
    t->a = arena_create("audit.verify.text", TEXT_ARENA);
    t->told = -1;
    buf_init(&t->doc, DOC_MAX);
    return t;
}

void
text_free(struct vtext *t)
{
    if (t == NULL)
        return;
    buf_free(&t->doc);
    free(t->grams);
    arena_free(t->a);
    free(t);
}

#define SUMS(where)                                                                                \
    "SELECT count(*), coalesce(sum(hi - lo), 0), coalesce(max(hi) - min(lo), 0) FROM audit_chunk"  \
    " WHERE" where "AND tenant_id = $2 AND epoch = $3"
static const struct sql get_sums = SQL_READ2(SUMS(SEG_LITE), SUMS(SEG_PG));

static enum err
read_sums(struct db_tx *tx, void *arg)
{
    const struct walk *w = arg;
    struct db_rows *q = NULL;
    TRY(db_query_one(tx, &get_sums,
                     ARGS(V_INT(w->m->month), V_INT(w->l->log.tenant_id), V_INT(w->l->log.epoch)),
                     &q));
    if (db_int(q, 1) > db_int(q, 2))
        verify_tell(w->v, w->l, -1, STR_NULL, STR_NULL,
                    "parts of the text index of %.*s cover the same events",
                    STR_ARG(verify_month_name(w->v, w->m->month)));
    db_rows_end(q);
    return OK;
}

void
text_month(struct walk *w)
{
    struct vtext *t = w->text;
    t->found = false;
    t->end = INT64_MIN;
    if (db_read(walk_store(w, true), t->a, read_sums, w) != OK)
        verify_tell(w->v, w->l, -1, STR_NULL, db_last_error(),
                    "the text index of %.*s can not be read",
                    STR_ARG(verify_month_name(w->v, w->m->month)));
    arena_reset(t->a);
}

int64_t
text_cover(struct walk *w, int64_t at)
{
    struct vtext *t = w->text;
    const struct range *r = &w->m->r;
    if (t->found && at < t->c.hi)
        return t->c.hi;
    if (!t->found && at < t->end)
        return t->end;
    if (load(t, at) != OK) {
        verify_tell(w->v, w->l, at, STR_NULL, db_last_error(),
                    "the text index of the events from %lld on can not be read", (long long)at);
        t->found = false;
        t->next = at + CHUNK_0;
    } else if (t->found) {
        return t->c.hi;
    } else if (t->next > at && t->next <= r->next && t->next != t->c.hi) {
        verify_tell(w->v, w->l, at, STR_NULL, STR_NULL,
                    "the events %lld to %lld are not in the text index", (long long)at,
                    (long long)t->next - 1);
    }
    t->end = t->next > at ? t->next : r->next;
    return t->end;
}

/* ---- one event ---- */

static bool
has_bit(const uint8_t *map, unsigned i)
{
    return map[i / 8] >> (i % 8) & 1;
}

static void
add_gram(struct vtext *t, struct doubt *d, uint32_t gram)
{
    if (has_bit(t->seen, gram))
        return;
    t->seen[gram / 8] |= (uint8_t)(1u << (gram % 8));
    if (t->n_grams == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 4096;
        t->grams = realloc(t->grams, t->cap * sizeof *t->grams);
        if (t->grams == NULL)
            BUG("out of memory");
    }
    t->grams[t->n_grams++] = gram;
    d->sum += gram_hash(t->w, gram);
    d->n++;
}

/* As the indexer takes a document apart (index.c). */
static void
sum_doc(struct vtext *t, struct str doc, struct doubt *d)
{
    const uint8_t *u = (const uint8_t *)doc.p;
    t->n_grams = 0;
    for (size_t i = 0; i + 1 < doc.n; i++) {
        if (!has_bit(t->bigrams, (unsigned)u[i] << 8 | u[i + 1]))
            d->bits = true;
        if (i + 2 < doc.n && u[i] != 0x1f && u[i + 1] != 0x1f && u[i + 2] != 0x1f)
            add_gram(t, d, gram_at(doc.p + i));
    }
    for (size_t i = 0; i < t->n_grams; i++)
        t->seen[t->grams[i] / 8] = 0;
}

static bool
agrees(const struct vtext *t, const struct doubt *d)
{
    int64_t at = d->idx - t->c.chunk * chunk_size(t->c.level);
    return !d->bits && t->sum[at] == d->sum && t->n[at] == d->n;
}

void
text_see(struct walk *w, struct record *r)
{
    struct vtext *t = w->text;
    struct doubt d = {.idx = r->e.index};
    if (!t->found || d.idx < t->c.lo || d.idx >= t->c.hi)
        return;
    buf_clear(&t->doc);
    if (t->composed)
        doc_put(&t->doc, &r->e);
    else
        doc_put_uncomposed(&t->doc, &r->e);
    sum_doc(t, buf_view(&t->doc), &d);
    if (agrees(t, &d))
        return;
    if (t->n_doubts < DOUBTS)
        t->doubts[t->n_doubts++] = d;
    else
        t->more_doubts = true;
}

static const struct sql erasing =
    SQL_READ("SELECT count(*) FROM audit_erasure_request WHERE state = 'running'");

static enum err
read_erasing(struct db_tx *tx, void *arg)
{
    return db_query_int(tx, &erasing, NO_ARGS, arg);
}

/* While people are erased, the index of their events lags behind. */
static bool
is_erasing(struct walk *w)
{
    int64_t n = 0;
    return db_read(w->v->au->app->db, w->text->a, read_erasing, &n) == OK && n > 0;
}

/* Merged, made again or erased between the two looks: what still differs then is wrong. */
void
text_after(struct walk *w)
{
    struct vtext *t = w->text;
    bool composed = t->composed;
    if (t->n_doubts == 0)
        return;
    enum err e = is_erasing(w) ? ERR_CONFLICT : load(t, t->doubts[0].idx);
    if (e == OK && t->composed != composed) /* made again from other documents: the next pass */
        e = ERR_CONFLICT;
    for (size_t i = 0; i < t->n_doubts && e == OK; i++) {
        const struct doubt *d = &t->doubts[i];
        bool covered = t->found && d->idx >= t->c.lo && d->idx < t->c.hi;
        if (covered && agrees(t, d))
            continue;
        int64_t at = covered ? d->idx - t->c.chunk * chunk_size(t->c.level) : 0;
        verify_tell(w->v, w->l, d->idx, arena_fmt(w->v->say, "%u trigrams", (unsigned)d->n),
                    arena_fmt(w->v->say, "%u", covered ? (unsigned)t->n[at] : 0),
                    d->bits ? "the text index does not list the event by its short words"
                            : "the text index does not list the event by its text");
    }
    if (t->more_doubts && e == OK)
        verify_tell(w->v, w->l, w->lo, STR_NULL, STR_NULL,
                    "the text index lists more of the events %lld to %lld wrongly",
                    (long long)w->lo, (long long)w->hi - 1);
    t->n_doubts = 0;
    t->more_doubts = false;
    arena_reset(t->a);
}
