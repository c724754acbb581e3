/* Erasing a person from the log: which events, and taking their personal part away. Passes over the
 * months in slices (erase.h). Rewriting files is scrub.c's. */
#include "audit/erase.h"

#include "audit/custody.h"
#include "audit/priv.h"
#include "base/log.h"
#include "codec/textkey.h"
#include "codec/hash.h"
#include "run/keys.h"

#define BATCH       256 /* events read by one statement, and at most written by one transaction */
#define BATCH_ARENA ((size_t)256 << 20)
#define DOC_MAX     ((size_t)4 << 20)
#define CHOICE_MAX  8192  /* events chosen by one event: some 80 KB of its personal part */
#define ROWS_BYTES  15000 /* of one change, which holds 16 KB */
#define CHANGES_MAX 64

enum part { PART_ACTOR = 1, PART_TARGET = 2, PART_NAMED = 4 };

/* ---- words ---- */

static bool
has_word(const struct erase_words *w, struct str word)
{
    for (size_t i = 0; i < w->n; i++)
        if (str_eq(w->v[i], word))
            return true;
    return false;
}

bool
erase_words_add(struct arena *a, struct erase_words *w, struct str word)
{
    if (word.n == 0 || w->n == ERASE_WORDS_MAX || has_word(w, word))
        return false;
    w->v[w->n++] = arena_str(a, word);
    return true;
}

bool
erase_words_add_folded(struct arena *a, struct erase_words *w, struct str word)
{
    return erase_words_add(a, w, text_key(a, str_trim(word)));
}

struct str
erase_person(struct cx *cx, struct str key)
{
    struct str text =
        arena_fmt(cx->arena, "erased person\n%.*s\n%.*s", STR_ARG(cx->tenant.cuid), STR_ARG(key));
    struct sha256 h = hmac_sha256(cx->app->keys->blind, text);
    char *hex = arena_array(cx->arena, char, ERASED_PERSON_LEN);
    for (size_t i = 0; i < ERASED_PERSON_LEN; i++)
        hex[i] = "0123456789ABCDEF"[h.b[i / 2] >> (i % 2 ? 0 : 4) & 15];
    return str_mem(hex, ERASED_PERSON_LEN);
}

struct str
erased_label(struct arena *a, struct str person)
{
    return arena_fmt(a, "Erased person %.*s", STR_ARG(person));
}

/* ---- matching ---- */

/* Of a text's key, which has no capitals. */
static bool
is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static bool
ends_name(struct str hay, size_t from, size_t to)
{
    return (from == 0 || !is_word_byte(hay.p[from - 1])) &&
           (to == hay.n || !is_word_byte(hay.p[to]));
}

/* "ann@example.org" is not in "joann@example.org", "mary-ann@example.org", "ann@example.organic" or
 * "ann@example.org.uk", but in "to ann@example.org." */
static bool
ends_address(struct str hay, size_t from, size_t to)
{
    char before = from > 0 ? hay.p[from - 1] : ' ', after = to < hay.n ? hay.p[to] : ' ';
    char then = to + 1 < hay.n ? hay.p[to + 1] : ' ';
    return !is_word_byte(before) && strchr(".-_+%", before) == NULL && !is_word_byte(after) &&
           after != '-' && !(after == '.' && is_word_byte(then));
}

static bool
ends_anyhow(struct str hay, size_t from, size_t to)
{
    (void)hay;
    return from < to;
}

typedef bool (*ends_fn)(struct str hay, size_t from, size_t to);

static bool
finds(struct str hay, const struct erase_words *w, ends_fn ends)
{
    for (size_t i = 0; i < w->n; i++) {
        struct str word = w->v[i];
        const char *p = hay.p, *end = hay.p + hay.n;
        while (word.n > 0 && (p = memmem(p, (size_t)(end - p), word.p, word.n)) != NULL) {
            size_t at = (size_t)(p - hay.p);
            if (ends(hay, at, at + word.n))
                return true;
            p++;
        }
    }
    return false;
}

bool
erase_is_named(struct arena *scratch, const struct erase_subject *s, struct str text)
{
    struct str hay = text_key(scratch, text);
    return hay.n > 0 && (finds(hay, &s->emails, ends_address) || finds(hay, &s->cuids, ends_name) ||
                         finds(hay, &s->names, ends_name) || finds(hay, &s->texts, ends_anyhow));
}

/* "vera.vogel@example.org" and "vera vogel" have the parts vera and vogel. */
static void
add_parts(struct arena *a, struct erase_words *parts, struct str word)
{
    size_t from = 0, at = str_index(word, '@'), end = at == SIZE_MAX ? word.n : at;
    for (size_t i = 0; i <= end; i++) {
        if (i < end && is_word_byte(word.p[i]))
            continue;
        if (i - from >= ERASE_PART_MIN)
            (void)erase_words_add(a, parts, str_sub(word, from, i - from));
        from = i + 1;
    }
}

bool
erase_is_searched(struct arena *scratch, const struct erase_subject *s, struct str query)
{
    struct erase_words *parts = arena_new(scratch, struct erase_words);
    if (query.n == 0)
        return false;
    for (size_t i = 0; i < s->emails.n; i++)
        add_parts(scratch, parts, s->emails.v[i]);
    for (size_t i = 0; i < s->names.n; i++)
        add_parts(scratch, parts, s->names.v[i]);
    return erase_is_named(scratch, s, query) || finds(text_key(scratch, query), parts, ends_name);
}

static void
put_text(struct buf *b, struct str s)
{
    text_key_put(b, s);
    buf_char(b, '\x1f');
}

/* All of the personal part, also what search does not look at. */
static struct str
all_of(struct arena *a, const struct audit_event *e)
{
    struct buf *b = buf_in(a, DOC_MAX);
    const struct str texts[] = {e->actor_name,  e->actor_email,   e->target_name, e->target_email,
                                e->client_name, e->address,       e->via,         e->user_agent,
                                e->text,        e->private_detail};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        put_text(b, texts[i]);
    for (size_t i = 0; i < e->n_changes; i++) {
        put_text(b, e->changes[i].field);
        put_text(b, e->changes[i].before);
        put_text(b, e->changes[i].after);
    }
    return buf_view(b);
}

static bool
is_user(const struct audit_event *e)
{
    return str_eq(e->target_kind, S("user"));
}

static bool
has_folded(struct arena *a, const struct erase_words *w, struct str s)
{
    return s.n > 0 && has_word(w, text_key(a, s));
}

static bool
is_actor(struct arena *a, const struct erase_subject *s, const struct audit_event *e)
{
    return has_word(&s->cuids, e->actor_id) || has_folded(a, &s->emails, e->actor_email);
}

static bool
is_target(struct arena *a, const struct erase_subject *s, const struct audit_event *e)
{
    return (is_user(e) && has_word(&s->cuids, e->target_id)) ||
           has_folded(a, &s->emails, e->target_email);
}

/* A name alone does not tell two people of the same name apart: where the other one acts or is the
 * target, the event is taken to name him. */
static bool
is_other(const struct erase_subject *s, const struct audit_event *e)
{
    return has_word(&s->others, e->actor_id) || (is_user(e) && has_word(&s->others, e->target_id));
}

static int
part_of(struct arena *a, const struct erase_subject *s, const struct audit_event *e, bool instance)
{
    int part = (is_actor(a, s, e) ? PART_ACTOR : 0) | (is_target(a, s, e) ? PART_TARGET : 0);
    if (part != 0 || e->erased)
        return part;
    struct str hay = all_of(a, e);
    if (finds(hay, &s->emails, ends_address) || finds(hay, &s->cuids, ends_name))
        return PART_NAMED;
    if (instance) /* other workspaces' people may bear the name */
        return 0;
    if (finds(hay, &s->texts, ends_anyhow) || erase_is_searched(a, s, e->private_detail))
        return PART_NAMED;
    return finds(hay, &s->names, ends_name) && !is_other(s, e) ? PART_NAMED : 0;
}

/* ---- a batch of events ---- */

struct hit {
    int32_t month;
    int64_t log, epoch, idx;
    int part;
    bool before; /* its personal part was erased before, for someone else */
    struct sha256 inner;
};

/* Chosen, and not yet taken away. */
struct choice {
    struct hit *v;
    size_t n;
};

struct batch {
    struct arena *a;
    const struct erase_subject *s;
    struct erase_subject *learning; /* first pass: what is learnt goes here, and no hits are made */
    struct arena *keep;             /* lifetime of what is learnt */
    bool grew;
    int32_t month;
    int64_t log, epoch, lo, hi, next; /* next: first index not looked at */
    int64_t at;                       /* time of erasing */
    struct choice *choice;
    size_t rows;
};

#define READ_BATCH(where, month)                                                                   \
    "SELECT e.idx, e.public, (SELECT p.salt FROM audit_personal p WHERE " month                    \
    " p.tenant_id = e.tenant_id AND p.epoch = e.epoch AND p.idx = e.idx),"                         \
    " (SELECT p.personal FROM audit_personal p WHERE " month                                       \
    " p.tenant_id = e.tenant_id AND p.epoch = e.epoch AND p.idx = e.idx)"                          \
    " FROM audit_event e WHERE" where " AND e.tenant_id = $2 AND e.epoch = $3 AND e.idx >= $4"     \
    " AND e.idx < $5 ORDER BY e.idx LIMIT $6"
static const struct sql read_batch =
    SQL_READ2(READ_BATCH(SEG_LITE, ""), READ_BATCH(" e.month = $1", "p.month = $1 AND"));

static void
learn_side(struct batch *b, struct str id, struct str name, struct str email)
{
    struct erase_subject *s = b->learning;
    if (!has_word(&s->cuids, id) && !has_folded(b->a, &s->emails, email))
        return;
    b->grew |= erase_words_add(b->keep, &s->cuids, id);
    b->grew |= erase_words_add_folded(b->keep, &s->emails, email);
    if (name.n >= ERASE_NAME_MIN && str_index(str_trim(name), ' ') != SIZE_MAX)
        b->grew |= erase_words_add_folded(b->keep, &s->names, name);
}

/* What names nobody and says what expired or was erased stays, whatever is looked for in it. */
static bool
is_impersonal(enum event type)
{
    return type == EV_ERASURE_CHOSEN || type == EV_AUDIT_SEGMENT_DROPPED;
}

static void
consider(struct batch *b, const struct audit_event *e, struct str salt, struct str personal)
{
    if (b->learning != NULL) {
        if (!e->erased) {
            learn_side(b, e->actor_id, e->actor_name, e->actor_email);
            learn_side(b, is_user(e) ? e->target_id : STR_NULL, e->target_name, e->target_email);
        }
        return;
    }
    if (b->choice == NULL)
        BUG("a pass that neither learns nor chooses");
    int part = is_impersonal(e->type) ? 0 : part_of(b->a, b->s, e, b->log == INSTANCE_LOG);
    if (part == 0)
        return;
    struct hit *h = &b->choice->v[b->choice->n++];
    *h = (struct hit){b->month, b->log, b->epoch, e->index, part, e->erased, {{0}}};
    if (!e->erased)
        h->inner = sha256_parts((struct str[]){salt, personal}, 2);
}

#define IS_KNOWN(where)                                                                            \
    "SELECT count(*) FROM audit_erasure WHERE" where                                               \
    "AND tenant_id = $2 AND epoch = $3 AND idx = $4 AND person = $5"
static const struct sql is_known = SQL_READ2(IS_KNOWN(SEG_LITE), IS_KNOWN(SEG_PG));

/* An event that was erased for this very person before is not chosen again. */
static enum err
leave_known(struct db_tx *tx, struct batch *b, size_t from)
{
    struct choice *c = b->choice;
    size_t n = from;
    for (size_t i = from; i < c->n; i++) {
        const struct hit *h = &c->v[i];
        int64_t known = 0;
        if (h->before)
            TRY(db_query_int(tx, &is_known,
                             ARGS(V_INT(h->month), V_INT(h->log), V_INT(h->epoch), V_INT(h->idx),
                                  V_STR(b->s->person)),
                             &known));
        if (known == 0)
            c->v[n++] = *h;
    }
    c->n = n;
    return OK;
}

static enum err
look(struct db_tx *tx, void *arg)
{
    struct batch *b = arg;
    struct db_rows *q = NULL;
    size_t from = b->choice != NULL ? b->choice->n : 0;
    enum err e;
    b->rows = 0;
    b->next = b->lo;
    TRY(db_query(tx, &read_batch,
                 ARGS(V_INT(b->month), V_INT(b->log), V_INT(b->epoch), V_INT(b->lo), V_INT(b->hi),
                      V_INT(BATCH)),
                 &q));
    while ((e = db_next(q)) == OK) {
        struct record r = {0};
        bool erased = db_is_null(q, 3);
        b->rows++;
        b->next = db_int(q, 0) + 1;
        if (record_get_public(db_bytes(q, 1), &r) != OK ||
            (!erased && record_get_personal(b->a, db_bytes(q, 3), &r) != OK)) {
            log_error("audit.record", LOG_INT("index", db_int(q, 0)));
            continue; /* verify shows such damage */
        }
        r.e.erased = erased;
        r.e.index = db_int(q, 0);
        consider(b, &r.e, db_bytes(q, 2), db_bytes(q, 3));
    }
    if (e != ERR_END)
        return e;
    return b->choice != NULL ? leave_known(tx, b, from) : OK;
}

/* ---- erasing ---- */

#define ERASURE_COLS "tenant_id, epoch, idx, person, part, request, inner_hash, at"
static const struct sql put_erasure =
    SQL_WRITE2("audit_erasure",
               "INSERT OR FAIL INTO audit_erasure (" ERASURE_COLS
               ") SELECT $2, $3, $4, $5, $6, $7, $8, $9 WHERE $1 IS NOT NULL",
               "INSERT INTO audit_erasure (month, " ERASURE_COLS
               ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
/* The event was erased for another person: its inner hash is known from there. */
#define AGAIN(cols, month, where)                                                                  \
    "INSERT INTO audit_erasure (" cols ") SELECT " month "x.tenant_id, x.epoch, x.idx, $5, $6,"    \
    " $7, x.inner_hash, $8 FROM audit_erasure x WHERE " where "x.tenant_id = $2 AND x.epoch = $3"  \
    " AND x.idx = $4 AND NOT EXISTS (SELECT 1 FROM audit_erasure y WHERE y.tenant_id = $2"         \
    " AND y.epoch = $3 AND y.idx = $4 AND y.person = $5) LIMIT 1"
static const struct sql put_again =
    SQL_WRITE2("audit_erasure", AGAIN(ERASURE_COLS, "", "$1 IS NOT NULL AND "),
               AGAIN("month, " ERASURE_COLS, "x.month, ", "x.month = $1 AND "));
#define DELETE_PERSONAL(where)                                                                     \
    "DELETE FROM audit_personal WHERE" where "AND tenant_id = $2 AND epoch = $3 AND idx = $4"
static const struct sql delete_personal =
    SQL_WRITE2("audit_personal", DELETE_PERSONAL(SEG_LITE), DELETE_PERSONAL(SEG_PG));

/* Neighbours in one month: what one transaction takes away. */
struct taking {
    const struct batch *b;
    const struct hit *v;
    size_t n;
};

static enum err
take_away(struct db_tx *tx, void *arg)
{
    const struct taking *k = arg;
    const struct batch *b = k->b;
    tail_own(tx);
    for (size_t i = 0; i < k->n; i++) {
        const struct hit *h = &k->v[i];
        struct db_val v[] = {V_INT(h->month),      V_INT(h->log),
                             V_INT(h->epoch),      V_INT(h->idx),
                             V_STR(b->s->person),  V_INT(h->part),
                             V_STR(b->s->request), V_BYTES(sha256_str(&h->inner)),
                             V_INT(b->at)};
        if (h->before) {
            v[7] = V_INT(b->at);
            TRY(db_exec(tx, &put_again, (struct db_args){v, 8}, NULL));
            continue;
        }
        TRY(db_exec(tx, &put_erasure, (struct db_args){v, 9}, NULL));
        TRY(db_exec(tx, &delete_personal, (struct db_args){v, 4}, NULL));
    }
    return OK;
}

/* ---- saying what is taken, before it is ---- */

struct saying {
    const struct batch *b;
    const struct choice *c;
    struct audit_change v[CHANGES_MAX];
    size_t n;
};

static bool
same_log(const struct hit *a, const struct hit *b)
{
    return a->log == b->log && a->epoch == b->epoch;
}

/* "workspace 0": "5-9:1,12:4"; longer lists in several. */
static enum err
say_rows(struct cx *cx, struct saying *x)
{
    struct custody_row *rows = arena_array(cx->arena, struct custody_row, x->c->n + 1);
    for (size_t i = 0; i < x->c->n;) {
        const struct hit *h = &x->c->v[i];
        size_t n = 0;
        for (; i + n < x->c->n && same_log(h, &x->c->v[i + n]); n++)
            rows[n] = (struct custody_row){x->c->v[i + n].idx, x->c->v[i + n].part};
        struct buf *b = buf_in(cx->arena, ROWS_BYTES + 256);
        n = custody_rows_put(b, rows, n, ROWS_BYTES);
        if (x->n == CHANGES_MAX)
            return ERR_TOO_LARGE;
        x->v[x->n++] = (struct audit_change){
            arena_fmt(cx->arena, "%s %lld", h->log == INSTANCE_LOG ? "instance" : "workspace",
                      (long long)h->epoch),
            STR_NULL, buf_view(b)};
        i += n;
    }
    return OK;
}

static enum err
say_choice(struct cx *cx, void *arg)
{
    struct saying *x = arg;
    const struct erase_subject *s = x->b->s;
    struct str label = erased_label(cx->arena, s->person);
    x->n = 0;
    x->v[x->n++] = (struct audit_change){S("person"), STR_NULL, s->person};
    for (size_t i = 0; i < s->n_facts && x->n < CHANGES_MAX; i++)
        x->v[x->n++] = s->facts[i];
    TRY(say_rows(cx, x));
    struct audit_entry e = {.event = EV_ERASURE_CHOSEN,
                            .target_kind = S("erasure"),
                            .target_id = s->request,
                            .text = arena_fmt(cx->arena,
                                              "%zu events were chosen for the erasure of %.*s",
                                              x->c->n, STR_ARG(label)),
                            .changes = x->v,
                            .n_changes = x->n};
    return audit_record(cx, &e, NULL);
}

/* ---- passes ---- */

struct db *
erase_store(struct audit *au, struct segment *s)
{
    return au->pg ? au->app->db : s->db;
}

static enum err
run_batch(struct audit *au, struct batch *b)
{
    struct segment *s = au->pg ? NULL : segment_pin(au, b->month);
    b->next = b->hi;
    b->rows = 0;
    if (!au->pg && s == NULL) /* expired this moment */
        return OK;
    enum err e = db_read(erase_store(au, s), b->a, look, b);
    segment_unpin(au, s);
    return e;
}

static enum err
take_run(struct audit *au, struct taking *k)
{
    struct segment *s = au->pg ? NULL : segment_pin(au, k->v[0].month);
    if (!au->pg && s == NULL) /* expired since it was chosen */
        return OK;
    enum err e = audit_step(au);
    if (e == OK)
        e = db_write(erase_store(au, s), k->b->a, take_away, k);
    segment_unpin(au, s);
    return e;
}

/* Said, then taken. A crash between the two leaves events that were chosen and are still whole: the
 * next run chooses them again. */
static enum err
say_and_take(struct cx *cx, struct batch *b)
{
    struct choice *c = b->choice;
    struct saying x = {.b = b, .c = c};
    TRY(audit_step(cx->app->audit));
    TRY(cx_write(cx, say_choice, &x));
    for (size_t i = 0; i < c->n;) {
        struct taking k = {b, &c->v[i], 1};
        while (i + k.n < c->n && k.n < BATCH && c->v[i + k.n].month == k.v[0].month)
            k.n++;
        arena_reset(b->a);
        TRY(take_run(cx->app->audit, &k));
        i += k.n;
    }
    return OK;
}

/* A backup copies months before the main store: it has both or neither. */
static enum err
take_choice(struct cx *cx, struct batch *b)
{
    struct audit *au = cx->app->audit;
    if (b->choice->n == 0)
        return OK;
    if (!au->pg)
        TRY(mover_take(au));
    enum err e = say_and_take(cx, b);
    if (!au->pg)
        mover_give(au);
    if (e == OK)
        b->choice->n = 0;
    return e;
}

/* Regions of a log, oldest first, of all months that are kept, shown or not. */
enum err
erase_regions(struct cx *cx, int64_t log, struct region **out, size_t *n)
{
    TRY(regions_of(cx->app->audit, NULL, cx->arena, log, out, n));
    for (size_t i = 0; i < *n / 2; i++) {
        struct region r = (*out)[i];
        (*out)[i] = (*out)[*n - 1 - i];
        (*out)[*n - 1 - i] = r;
    }
    return OK;
}

int64_t
erase_log(const struct erase_subject *s, int log)
{
    return log == 0 ? s->tenant_id : INSTANCE_LOG;
}

static enum err
count_all(struct cx *cx, const struct erase_subject *s, struct erase_place *at)
{
    at->total = 0;
    for (int log = 0; log < 2; log++) {
        struct region *g = NULL;
        size_t n = 0;
        TRY(erase_regions(cx, erase_log(s, log), &g, &n));
        for (size_t i = 0; i < n; i++)
            at->total += g[i].r.next - g[i].r.first;
    }
    return OK;
}

/* The part of one region behind the place, batch by batch until the time is over. */
static enum err
pass_region(struct cx *cx, struct batch *b, const struct region *g, int64_t deadline,
            struct erase_place *at)
{
    int64_t from = position_of(g->r.epoch, g->r.first), to = position_of(g->r.epoch, g->r.next);
    if (at->position < from)
        at->position = from;
    b->month = g->month;
    b->epoch = g->r.epoch;
    b->hi = g->r.next;
    while (at->position < to && clock_monotonic() < deadline) {
        arena_reset(b->a);
        b->lo = position_index(at->position);
        TRY(run_batch(cx->app->audit, b));
        bool end = b->rows < BATCH;
        if (b->choice != NULL && b->choice->n + BATCH > CHOICE_MAX)
            TRY(take_choice(cx, b));
        at->looked_at += (int64_t)b->rows;
        at->position = end ? to : position_of(g->r.epoch, b->next);
    }
    return OK;
}

static enum err
pass_log(struct cx *cx, struct batch *b, int64_t deadline, struct erase_place *at, bool *end)
{
    struct region *g = NULL;
    size_t n = 0;
    *end = false;
    TRY(erase_regions(cx, b->log, &g, &n));
    for (size_t i = 0; i < n; i++) {
        if (at->position >= position_of(g[i].r.epoch, g[i].r.next))
            continue;
        TRY(pass_region(cx, b, &g[i], deadline, at));
        if (clock_monotonic() >= deadline)
            return OK;
    }
    *end = true;
    return OK;
}

static enum err
pass(struct cx *cx, struct batch *b, int64_t budget_us, struct erase_place *at)
{
    int64_t deadline = clock_monotonic() + budget_us;
    enum err e = OK;
    if (at->total == 0)
        TRY(count_all(cx, b->s, at));
    b->a = arena_create("audit.erase", BATCH_ARENA);
    if (b->choice != NULL)
        b->choice->v = arena_array(cx->arena, struct hit, CHOICE_MAX);
    while (e == OK && at->log < 2 && clock_monotonic() < deadline) {
        bool end = false;
        b->log = erase_log(b->s, at->log);
        e = pass_log(cx, b, deadline, at, &end);
        if (e == OK && end) {
            at->log++;
            at->position = 0;
        }
    }
    if (e == OK && b->choice != NULL)
        e = take_choice(cx, b);
    at->done = e == OK && at->log == 2;
    arena_free(b->a);
    return e;
}

enum err
erase_learn(struct cx *cx, struct erase_subject *s, int64_t budget_us, struct erase_place *at,
            bool *grew)
{
    struct batch *b = arena_new(cx->arena, struct batch);
    b->s = b->learning = s;
    b->keep = cx->arena;
    enum err e = pass(cx, b, budget_us, at);
    *grew = b->grew;
    return e;
}

enum err
erase_events(struct cx *cx, const struct erase_subject *s, int64_t budget_us,
             struct erase_place *at)
{
    struct batch *b = arena_new(cx->arena, struct batch);
    if (at->log == 0 && at->position == 0)
        TRY(audit_move_out(cx->app)); /* what the tail still holds */
    b->s = s;
    b->choice = arena_new(cx->arena, struct choice);
    b->at = cx->now;
    return pass(cx, b, budget_us, at);
}

/* ---- what stays of an event ---- */

static const struct sql get_erased =
    SQL_READ2("SELECT person, part, at FROM audit_erasure WHERE" SEG_LITE
              "AND tenant_id = $2 AND epoch = $3 AND idx = $4 ORDER BY at, person",
              "SELECT person, part, at FROM audit_erasure WHERE" SEG_PG
              "AND tenant_id = $2 AND epoch = $3 AND idx = $4 ORDER BY at, person");

enum err
erased_fill(struct db_tx *tx, struct arena *a, int32_t month, int64_t tenant_id,
            struct audit_event *e)
{
    struct buf *who = buf_in(a, 4096);
    struct db_rows *q = NULL;
    enum err r;
    e->erased = true;
    TRY(db_query(tx, &get_erased,
                 ARGS(V_INT(month), V_INT(tenant_id), V_INT(e->epoch), V_INT(e->index)), &q));
    while ((r = db_next(q)) == OK) {
        struct str label = erased_label(a, db_text(q, 0));
        int64_t part = db_int(q, 1);
        if (part & PART_ACTOR)
            e->actor_name = label;
        if (part & PART_TARGET)
            e->target_name = label;
        if (who->n + label.n < 2048)
            buf_fmt(who, "%s%.*s", who->n ? ", " : "", STR_ARG(label));
        e->erased_at = db_int(q, 2);
    }
    if (r != ERR_END)
        return r;
    struct str title = e->type == EVENT_NONE ? e->type_name : str_of(event_type(e->type)->title);
    e->text = arena_fmt(a, "%.*s: the personal part was erased (%.*s)", STR_ARG(title),
                        STR_ARG(buf_view(who)));
    return OK;
}
