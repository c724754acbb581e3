/* Search text: parsing it into terms, matching a document, and finding in a chunk of the text index
 * which events can match at all. Owns the reading of postings; verifies nothing on events itself.
 *
 * A term of three bytes and more is looked up by its byte trigrams, the rarest ones; shorter terms
 * by the chunk's bitmap of byte pairs. What the index offers is a superset: the caller verifies. */
#include "audit/priv.h"

#include <stdlib.h>

#include "base/text.h"
#include "codec/textkey.h"

#define QUERY_MAX 1024 /* bytes */
#define LISTS_MAX 4    /* posting lists intersected: further ones cost more than they sort out */

/* ---- parsing ---- */

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Cuts the next word or quoted part off; false at the end. */
static bool
next_term(struct str *q, struct str *term)
{
    while (q->n > 0 && is_space(q->p[0]))
        *q = str_sub(*q, 1, q->n);
    if (q->n == 0)
        return false;
    size_t i = 0, from = 0;
    if (q->p[0] == '"') {
        from = 1;
        for (i = 1; i < q->n && q->p[i] != '"'; i++)
            ;
    } else {
        for (; i < q->n && !is_space(q->p[i]); i++)
            ;
    }
    *term = str_sub(*q, from, i - from);
    *q = str_sub(*q, from && i < q->n ? i + 1 : i, q->n);
    return true;
}

static bool
has_gram(const struct search *s, uint32_t g)
{
    for (size_t i = 0; i < s->n_grams; i++)
        if (s->grams[i] == g)
            return true;
    return false;
}

static void
collect_grams(struct arena *a, struct search *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->terms[i].n;
    s->grams = arena_array(a, uint32_t, n + 1);
    s->seen = arena_array(a, int64_t, n + 1);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k + GRAM_BYTES <= s->terms[i].n; k++) {
            uint32_t g = gram_at(s->terms[i].p + k);
            if (!has_gram(s, g))
                s->grams[s->n_grams++] = g;
        }
}

/* Two signs of ASCII have doubles elsewhere: U+037E and U+1FEF. */
static bool
may_be_composed(struct str term)
{
    for (size_t i = 0; i < term.n; i++)
        if ((unsigned char)term.p[i] >= 0x80 || term.p[i] == ';' || term.p[i] == '`')
            return true;
    return false;
}

enum err
search_parse(struct arena *a, struct str q, struct search *out)
{
    *out = (struct search){.terms = arena_array(a, struct str, TERMS_MAX)};
    if (q.n > QUERY_MAX)
        return ERR_TOO_LARGE;
    if (!utf8_is_valid(q))
        return ERR_INVALID;
    struct str term;
    while (next_term(&q, &term)) {
        if (term.n == 0)
            continue;
        if (out->n == TERMS_MAX)
            return ERR_TOO_LARGE;
        struct buf *b = buf_in(a, 4 * QUERY_MAX);
        text_key_put(b, term);
        if (b->n > 0)
            out->terms[out->n++] = buf_view(b);
        out->composing = out->composing || may_be_composed(buf_view(b));
    }
    collect_grams(a, out);
    return OK;
}

bool
search_match(const struct search *s, struct str doc)
{
    for (size_t i = 0; i < s->n; i++)
        if (memmem(doc.p, doc.n, s->terms[i].p, s->terms[i].n) == NULL)
            return false;
    return true;
}

/* ---- chunks ---- */

static const struct sql get_chunks =
    SQL_READ2("SELECT level, chunk, lo, hi FROM audit_chunk WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 ORDER BY lo",
              "SELECT level, chunk, lo, hi FROM audit_chunk WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 ORDER BY lo");

enum err
search_chunks(struct db_tx *text, struct arena *a, const struct region *g, struct chunk **out,
              size_t *n)
{
    struct db_rows *q = NULL;
    size_t cap = 0, k = 0;
    struct chunk *v = NULL;
    enum err e;
    TRY(db_query(text, &get_chunks, ARGS(V_INT(g->month), V_INT(g->r.tenant_id), V_INT(g->r.epoch)),
                 &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(a, v, k, &cap, 64);
        v[k++] = (struct chunk){
            .level = db_int(q, 0), .chunk = db_int(q, 1), .lo = db_int(q, 2), .hi = db_int(q, 3)};
    }
    *out = v;
    *n = k;
    return e == ERR_END ? OK : e;
}

/* ---- short terms ---- */

static const struct sql get_bigrams = SQL_READ2("SELECT bigrams FROM audit_chunk WHERE" SEG_LITE
                                                "AND tenant_id = $2 AND epoch = $3 AND lo = $4",
                                                "SELECT bigrams FROM audit_chunk WHERE" SEG_PG
                                                "AND tenant_id = $2 AND epoch = $3 AND lo = $4");

static bool
bit(struct str map, unsigned i)
{
    return i / 8 < map.n && ((uint8_t)map.p[i / 8] >> (i % 8) & 1);
}

/* Every field ends in a separator, so each byte of a document is the first of some pair. */
static bool
may_hold(struct str map, struct str term)
{
    unsigned c = (uint8_t)term.p[0];
    if (term.n == 2)
        return bit(map, c << 8 | (uint8_t)term.p[1]);
    for (unsigned d = 0; d < 256; d++)
        if (bit(map, c << 8 | d))
            return true;
    return false;
}

static bool
has_short(const struct search *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->terms[i].n < GRAM_BYTES)
            return true;
    return false;
}

/* Leaves CHUNK_PICK where the chunk can hold all short terms, and lists what is looked for. */
static enum err
ask_bitmap(struct db_tx *text, const struct search *s, const struct region *g,
           const struct chunk *c, enum chunk_way *way)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(
        text, &get_bigrams,
        ARGS(V_INT(g->month), V_INT(g->r.tenant_id), V_INT(g->r.epoch), V_INT(c->lo)), &q);
    if (e == ERR_NOT_FOUND) /* merged since the chunks were read */
        *way = CHUNK_SCAN;
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    struct str map = db_bytes(q, 0);
    for (size_t i = 0; i < s->n; i++)
        if (s->terms[i].n < GRAM_BYTES && !may_hold(map, s->terms[i]))
            *way = CHUNK_SKIP;
    if (s->composing && !bitmap_is_composed(map)) /* does not list it, until it is made again */
        *way = CHUNK_SCAN;
    db_rows_end(q);
    return OK;
}

/* ---- postings ---- */

static const struct sql get_gram =
    SQL_READ("SELECT n, list FROM audit_gram WHERE" SEG_LITE
             "AND tenant_id = $2 AND epoch = $3 AND level = $4 AND chunk = $5 AND gram = $6");

/* Sixteen at once, of any chunks: on PostgreSQL a round trip each would rule the cost. Too long lists stay
 * there: more than a quarter of a whole chunk. Statements see what is committed meanwhile: whether a small
 * chunk is still there, or was merged with its lists, the same statement tells. */
/* clang-format off */
static const struct sql get_grams = SQL_READ2(
    "SELECT 0",
    "SELECT v.i, x.n, x.list, CASE WHEN v.level = 0 AND NOT EXISTS (SELECT 1 FROM audit_chunk k"
    " WHERE k.month = $1 AND k.tenant_id = $2 AND k.epoch = $3 AND k.lo = v.lo AND k.level = 0)"
    " THEN 1 ELSE 0 END FROM (VALUES"
    " (0, $4::bigint, $5::bigint, $6::bigint, $7::bigint),"
    " (1, $8, $9, $10, $11),"
    " (2, $12, $13, $14, $15),"
    " (3, $16, $17, $18, $19),"
    " (4, $20, $21, $22, $23),"
    " (5, $24, $25, $26, $27),"
    " (6, $28, $29, $30, $31),"
    " (7, $32, $33, $34, $35),"
    " (8, $36, $37, $38, $39),"
    " (9, $40, $41, $42, $43),"
    " (10, $44, $45, $46, $47),"
    " (11, $48, $49, $50, $51),"
    " (12, $52, $53, $54, $55),"
    " (13, $56, $57, $58, $59),"
    " (14, $60, $61, $62, $63),"
    " (15, $64, $65, $66, $67)"
    ") v (i, level, chunk, gram, lo) LEFT JOIN LATERAL (SELECT n,"
    " CASE WHEN n <= CASE v.level WHEN 0 THEN 1024 ELSE 16384 END THEN list END AS list"
    " FROM audit_gram WHERE month = $1 AND tenant_id = $2 AND epoch = $3 AND level = v.level"
    " AND chunk = v.chunk AND gram = v.gram OFFSET 0) x ON true");
/* clang-format on */

struct probe {
    const struct chunk *c;
    struct posting *out; /* its gram is asked for; n 0: not there */
};

static void
take_posting(struct arena *a, const struct probe *p, const struct db_rows *q, int n)
{
    p->out->n = db_int(q, n);
    if (p->out->n <= (p->c->hi - p->c->lo) / 4 && !db_is_null(q, n + 1))
        p->out->list = arena_str(a, db_bytes(q, n + 1));
}

static enum err
read_one(struct db_tx *text, struct arena *a, const struct region *g, const struct probe *p)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(text, &get_gram,
                              ARGS(V_INT(g->month), V_INT(g->r.tenant_id), V_INT(g->r.epoch),
                                   V_INT(p->c->level), V_INT(p->c->chunk), V_INT(p->out->gram)),
                              &q);
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    take_posting(a, p, q, 0);
    db_rows_end(q);
    return OK;
}

static enum err
read_some(struct db_tx *text, struct arena *a, const struct region *g, const struct probe *p,
          size_t n)
{
    struct db_rows *q = NULL;
    struct db_val v[3 + 4 * PROBES_MAX] = {V_INT(g->month), V_INT(g->r.tenant_id),
                                           V_INT(g->r.epoch)};
    enum err e;
    for (size_t i = 0; i < PROBES_MAX; i++) {
        v[3 + 4 * i] = V_INT(i < n ? p[i].c->level : -1);
        v[4 + 4 * i] = V_INT(i < n ? p[i].c->chunk : -1);
        v[5 + 4 * i] = V_INT(i < n ? p[i].out->gram : 0);
        v[6 + 4 * i] = V_INT(i < n ? p[i].c->lo : -1);
    }
    TRY(db_query(text, &get_grams, (struct db_args){v, 3 + 4 * PROBES_MAX}, &q));
    while ((e = db_next(q)) == OK) {
        size_t i = (size_t)db_int(q, 0);
        if (i >= n)
            continue;
        p[i].out->gone = db_int(q, 3) != 0;
        if (!db_is_null(q, 1))
            take_posting(a, &p[i], q, 1);
    }
    return e == ERR_END ? OK : e;
}

/* Until one is missing: those behind it may be left unread. */
static enum err
read_postings(struct db_tx *text, struct arena *a, const struct region *g, const struct probe *p,
              size_t n)
{
    size_t step = db_tx_kind(text) == DB_POSTGRES ? PROBES_MAX : 1;
    for (size_t i = 0; i < n; i += step) {
        size_t k = n - i < step ? n - i : step;
        TRY(step == 1 ? read_one(text, a, g, &p[i]) : read_some(text, a, g, &p[i], k));
        for (size_t j = i; j < i + k; j++)
            if (p[j].out->n == 0)
                return OK;
    }
    return OK;
}

enum err
search_ahead(struct db_tx *text, struct arena *a, const struct search *s, const struct region *g,
             struct chunk *const *next, size_t n)
{
    struct probe p[PROBES_MAX];
    if (s->n_grams == 0 || db_tx_kind(text) != DB_POSTGRES)
        return OK;
    for (size_t i = 0; i < n; i++) {
        next[i]->ahead = (struct posting){.gram = s->grams[0]};
        next[i]->asked = true;
        p[i] = (struct probe){next[i], &next[i]->ahead};
    }
    return read_some(text, a, g, p, n);
}

/* Remembers how often a gram is met and keeps the rarest in front for the chunks to come. */
static void
learn(struct search *s, size_t i, int64_t n)
{
    s->seen[i] += n;
    for (; i > 0 && s->seen[i] < s->seen[i - 1]; i--) {
        uint32_t g = s->grams[i];
        int64_t k = s->seen[i];
        s->grams[i] = s->grams[i - 1];
        s->seen[i] = s->seen[i - 1];
        s->grams[i - 1] = g;
        s->seen[i - 1] = k;
    }
}

/* A gram missing here is likely to be missing in the next chunk too: ask for it first. */
static void
ask_first(struct search *s, size_t i)
{
    uint32_t g = s->grams[i];
    int64_t k = s->seen[i];
    for (; i > 0; i--) {
        s->grams[i] = s->grams[i - 1];
        s->seen[i] = s->seen[i - 1];
    }
    s->grams[0] = g;
    s->seen[0] = k;
}

static uint64_t
get_varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t c = *(*p)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            break;
    }
    return v;
}

static size_t
decode(const struct posting *p, int64_t base, int64_t *out)
{
    const uint8_t *u = (const uint8_t *)p->list.p, *end = u + p->list.n;
    int64_t at = base;
    size_t n = 0;
    while (u < end && n < (size_t)p->n) {
        at += (int64_t)get_varint(&u, end);
        out[n++] = at;
    }
    return n;
}

/* Keeps of v (ascending) what the list holds as well. */
static size_t
intersect(int64_t *v, size_t n, const struct posting *p, int64_t base)
{
    const uint8_t *u = (const uint8_t *)p->list.p, *end = u + p->list.n;
    int64_t at = base - 1;
    bool first = true;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        while (at < v[i] && u < end) {
            at = (first ? base : at) + (int64_t)get_varint(&u, end);
            first = false;
        }
        if (at == v[i])
            v[k++] = v[i];
    }
    return k;
}

static int
by_count(const void *a, const void *b)
{
    const struct posting *x = a, *y = b;
    return x->n < y->n ? -1 : x->n > y->n;
}

static size_t
place_of(const struct search *s, uint32_t gram)
{
    size_t i = 0;
    while (s->grams[i] != gram)
        i++;
    return i;
}

/* Which grams to look up in a chunk, the one that was asked for ahead in front: the rarest, or all while none is
 * known yet. */
static size_t
choose_grams(const struct search *s, const struct chunk *c, struct posting *out)
{
    size_t want = s->n_grams, n = 0;
    if (s->n_grams > LISTS_MAX && s->seen[s->n_grams - 1] > 0)
        want = LISTS_MAX;
    if (c->asked)
        out[n++] = c->ahead;
    for (size_t i = 0; i < want; i++)
        if (!c->asked || s->grams[i] != c->ahead.gram)
            out[n++] = (struct posting){.gram = s->grams[i]};
    return n;
}

/* Looks the rarest grams up. *m: lists held. Leaves CHUNK_PICK where none is missing. */
static enum err
look_up(struct db_tx *text, struct arena *a, struct search *s, const struct region *g,
        const struct chunk *c, struct posting *lists, size_t *m, enum chunk_way *way)
{
    struct posting *got = arena_array(a, struct posting, s->n_grams + 1);
    struct probe *p = arena_array(a, struct probe, s->n_grams + 1);
    size_t n = choose_grams(s, c, got), known = c->asked;
    for (size_t i = known; i < n; i++)
        p[i] = (struct probe){c, &got[i]};
    if (!known || got[0].n > 0)
        TRY(read_postings(text, a, g, p + known, n - known));
    for (size_t i = 0; i < n; i++)
        if (got[i].gone) {
            *way = CHUNK_SCAN;
            return OK;
        }
    for (size_t i = 0; i < n; i++)
        if (got[i].n == 0) {
            ask_first(s, place_of(s, got[i].gram));
            *way = CHUNK_SKIP;
            return OK;
        }
    for (size_t i = 0; i < n; i++)
        learn(s, place_of(s, got[i].gram), got[i].n);
    qsort(got, n, sizeof *got, by_count);
    for (size_t i = 0; i < n && *m < LISTS_MAX && !str_is_null(got[i].list); i++)
        lists[(*m)++] = got[i];
    return OK;
}

enum err
search_chunk(struct db_tx *text, struct arena *a, struct search *s, const struct region *g,
             const struct chunk *c, enum chunk_way *way, int64_t **picks, size_t *n)
{
    struct posting lists[LISTS_MAX];
    size_t m = 0;
    int64_t base = c->chunk * chunk_size(c->level);
    *way = CHUNK_PICK;
    if (s->composing)
        TRY(ask_bitmap(text, s, g, c, way));
    if (*way == CHUNK_PICK && s->n_grams > 0)
        TRY(look_up(text, a, s, g, c, lists, &m, way));
    if (*way == CHUNK_PICK && !s->composing && has_short(s))
        TRY(ask_bitmap(text, s, g, c, way));
    if (*way != CHUNK_PICK)
        return OK;
    if (m == 0) {
        *way = CHUNK_SCAN;
        return OK;
    }
    int64_t *v = arena_array(a, int64_t, (size_t)lists[0].n + 1);
    size_t k = decode(&lists[0], base, v);
    for (size_t i = 1; i < m && k > 0; i++)
        k = intersect(v, k, &lists[i], base);
    *picks = v;
    *n = k;
    return OK;
}
