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
        v[k++] = (struct chunk){db_int(q, 0), db_int(q, 1), db_int(q, 2), db_int(q, 3)};
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

static enum err
is_composed(struct db_tx *text, const struct region *g, const struct chunk *c, bool *out)
{
    struct db_rows *q = NULL;
    TRY(db_query_one(text, &get_bigrams,
                     ARGS(V_INT(g->month), V_INT(g->r.tenant_id), V_INT(g->r.epoch), V_INT(c->lo)),
                     &q));
    *out = bitmap_is_composed(db_bytes(q, 0));
    db_rows_end(q);
    return OK;
}

static enum err
short_terms(struct db_tx *text, const struct search *s, const struct region *g,
            const struct chunk *c, bool *possible)
{
    struct db_rows *q = NULL;
    bool any = false;
    for (size_t i = 0; i < s->n; i++)
        any = any || s->terms[i].n < GRAM_BYTES;
    if (!any)
        return OK;
    TRY(db_query_one(text, &get_bigrams,
                     ARGS(V_INT(g->month), V_INT(g->r.tenant_id), V_INT(g->r.epoch), V_INT(c->lo)),
                     &q));
    struct str map = db_bytes(q, 0);
    for (size_t i = 0; i < s->n; i++)
        if (s->terms[i].n < GRAM_BYTES && !may_hold(map, s->terms[i]))
            *possible = false;
    db_rows_end(q);
    return OK;
}

/* ---- postings ---- */

static const struct sql get_gram =
    SQL_READ2("SELECT n, list FROM audit_gram WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND level = $4 AND chunk = $5 AND gram = $6",
              "SELECT n, list FROM audit_gram WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND level = $4 AND chunk = $5 AND gram = $6");

struct posting {
    int64_t n;
    struct str list; /* null: too frequent to be worth reading */
};

static enum err
read_gram(struct db_tx *text, struct arena *a, const struct region *g, const struct chunk *c,
          uint32_t gram, struct posting *out)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(text, &get_gram,
                              ARGS(V_INT(g->month), V_INT(g->r.tenant_id), V_INT(g->r.epoch),
                                   V_INT(c->level), V_INT(c->chunk), V_INT(gram)),
                              &q);
    *out = (struct posting){0};
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    out->n = db_int(q, 0);
    if (out->n <= (c->hi - c->lo) / 4)
        out->list = arena_str(a, db_bytes(q, 1));
    db_rows_end(q);
    return OK;
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

/* Looks the rarest grams up. With all grams unknown yet, all are looked up once. *m: lists held. */
static enum err
look_up(struct db_tx *text, struct arena *a, struct search *s, const struct region *g,
        const struct chunk *c, struct posting *lists, size_t *m, bool *possible)
{
    size_t want = s->n_grams;
    if (s->n_grams > LISTS_MAX && s->seen[s->n_grams - 1] > 0)
        want = LISTS_MAX;
    uint32_t *grams = arena_array(a, uint32_t, want + 1);
    struct posting *got = arena_array(a, struct posting, want + 1);
    memcpy(grams, s->grams, want * sizeof *grams);
    for (size_t i = 0; i < want; i++) {
        TRY(read_gram(text, a, g, c, grams[i], &got[i]));
        if (got[i].n == 0) {
            ask_first(s, i);
            *possible = false;
            return OK;
        }
    }
    for (size_t i = 0; i < want; i++) /* front to back: what moves up has been counted already */
        learn(s, i, got[i].n);
    qsort(got, want, sizeof *got, by_count);
    for (size_t i = 0; i < want && *m < LISTS_MAX && !str_is_null(got[i].list); i++)
        lists[(*m)++] = got[i];
    return OK;
}

enum err
search_chunk(struct db_tx *text, struct arena *a, struct search *s, const struct region *g,
             const struct chunk *c, enum chunk_way *way, int64_t **picks, size_t *n)
{
    struct posting lists[LISTS_MAX];
    size_t m = 0;
    bool possible = true;
    int64_t base = c->chunk * chunk_size(c->level);
    *way = CHUNK_SCAN;
    if (s->composing)
        TRY(is_composed(text, g, c, &possible));
    if (!possible) /* the index may not list what would be found: until it is made again */
        return OK;
    *way = CHUNK_SKIP;
    if (s->n_grams > 0)
        TRY(look_up(text, a, s, g, c, lists, &m, &possible));
    if (possible)
        TRY(short_terms(text, s, g, c, &possible));
    if (!possible)
        return OK;
    *way = m > 0 ? CHUNK_PICK : CHUNK_SCAN;
    if (m == 0)
        return OK;
    int64_t *v = arena_array(a, int64_t, (size_t)lists[0].n + 1);
    size_t k = decode(&lists[0], base, v);
    for (size_t i = 1; i < m && k > 0; i++)
        k = intersect(v, k, &lists[i], base);
    *picks = v;
    *n = k;
    return OK;
}
