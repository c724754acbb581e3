/* Encoding and strict decoding of the canonical record (record.h). Owns the byte format; knows
 * neither stores nor the catalogue beyond looking a type's name up. */
#include "audit/record.h"

#include "base/text.h"

enum public_tag {
    PUB_VERSION = 1,
    PUB_CUID,
    PUB_TYPE,
    PUB_OUTCOME,
    PUB_AT,
    PUB_TENANT,
    PUB_ACTOR_KIND,
    PUB_ACTOR,
    PUB_TARGET_KIND,
    PUB_TARGET,
    PUB_CLIENT,
    PUB_REQUEST,
    PUB_SESSION,
    PUB_COUNT,
    PUB_EPOCH = 240,
    PUB_INDEX,
    PUB_LOGGED
};
enum personal_tag {
    PER_ACTOR_NAME = 1,
    PER_ACTOR_EMAIL,
    PER_ADDRESS,
    PER_VIA,
    PER_AGENT,
    PER_TARGET_NAME,
    PER_TARGET_EMAIL,
    PER_CLIENT_NAME,
    PER_TEXT,
    PER_PRIVATE,
    PER_CHANGE
};

#define ABSENT UINT32_C(0xFFFFFFFF)

/* ---- encoding ---- */

static void
put_int(struct buf *b, unsigned tag, int64_t v)
{
    buf_u16be(b, (uint16_t)tag);
    buf_u32be(b, 8);
    buf_u64be(b, (uint64_t)v);
}

static void
put_text(struct buf *b, unsigned tag, struct str s)
{
    if (s.n == 0)
        return;
    buf_u16be(b, (uint16_t)tag);
    buf_u32be(b, (uint32_t)s.n);
    buf_str(b, s);
}

void
record_put_public(struct buf *b, const struct record *r)
{
    const struct audit_event *e = &r->e;
    put_int(b, PUB_VERSION, RECORD_VERSION);
    put_text(b, PUB_CUID, e->cuid);
    put_text(b, PUB_TYPE, e->type_name);
    put_int(b, PUB_OUTCOME, e->outcome);
    put_int(b, PUB_AT, e->at);
    put_text(b, PUB_TENANT, r->tenant);
    put_int(b, PUB_ACTOR_KIND, e->actor_kind);
    put_text(b, PUB_ACTOR, e->actor_id);
    put_text(b, PUB_TARGET_KIND, e->target_kind);
    put_text(b, PUB_TARGET, e->target_id);
    if (e->client_id != 0)
        put_int(b, PUB_CLIENT, e->client_id);
    put_text(b, PUB_REQUEST, e->request_id);
    put_text(b, PUB_SESSION, e->session);
    if (e->count > 1)
        put_int(b, PUB_COUNT, e->count);
    if (r->placed)
        record_put_place(b, e->epoch, e->index, e->logged);
}

void
record_put_place(struct buf *b, int64_t epoch, int64_t index, int64_t logged)
{
    put_int(b, PUB_EPOCH, epoch);
    put_int(b, PUB_INDEX, index);
    put_int(b, PUB_LOGGED, logged);
}

static uint32_t
change_len(struct str s)
{
    return str_is_null(s) ? ABSENT : (uint32_t)s.n;
}

static void
put_change(struct buf *b, const struct audit_change *c)
{
    buf_u16be(b, PER_CHANGE);
    buf_u32be(b, (uint32_t)(12 + c->field.n + c->before.n + c->after.n));
    buf_u32be(b, change_len(c->field));
    buf_str(b, c->field);
    buf_u32be(b, change_len(c->before));
    buf_str(b, c->before);
    buf_u32be(b, change_len(c->after));
    buf_str(b, c->after);
}

void
record_put_personal(struct buf *b, const struct record *r)
{
    const struct audit_event *e = &r->e;
    put_text(b, PER_ACTOR_NAME, e->actor_name);
    put_text(b, PER_ACTOR_EMAIL, e->actor_email);
    put_text(b, PER_ADDRESS, e->address);
    put_text(b, PER_VIA, e->via);
    put_text(b, PER_AGENT, e->user_agent);
    put_text(b, PER_TARGET_NAME, e->target_name);
    put_text(b, PER_TARGET_EMAIL, e->target_email);
    put_text(b, PER_CLIENT_NAME, e->client_name);
    put_text(b, PER_TEXT, e->text);
    put_text(b, PER_PRIVATE, e->private_detail);
    for (size_t i = 0; i < e->n_changes; i++)
        put_change(b, &e->changes[i]);
}

/* ---- decoding ---- */

struct field {
    unsigned tag;
    struct str value;
};

static uint32_t
be32(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* Cuts the next field off *rest; ERR_END at the end. Tags ascend; only `repeatable` may recur. */
static enum err
next_field(struct str *rest, unsigned last, unsigned repeatable, struct field *f)
{
    if (rest->n == 0)
        return ERR_END;
    if (rest->n < 6)
        return ERR_INVALID;
    const uint8_t *u = (const uint8_t *)rest->p;
    unsigned tag = (unsigned)u[0] << 8 | u[1];
    uint32_t len = be32(rest->p + 2);
    if (len > rest->n - 6 || tag < last || (tag == last && tag != repeatable))
        return ERR_INVALID;
    *f = (struct field){tag, str_mem(rest->p + 6, len)};
    *rest = str_mem(rest->p + 6 + len, rest->n - 6 - len);
    return OK;
}

static enum err
get_int(struct str v, int64_t min, int64_t max, int64_t *out)
{
    if (v.n != 8)
        return ERR_INVALID;
    int64_t n = (int64_t)((uint64_t)be32(v.p) << 32 | be32(v.p + 4));
    if (n < min || n > max)
        return ERR_INVALID;
    *out = n;
    return OK;
}

static enum err
get_text(struct str v, struct str *out)
{
    if (v.n == 0 || !utf8_is_valid(v))
        return ERR_INVALID;
    *out = v;
    return OK;
}

static enum err
get_outcome(struct str v, enum outcome *out)
{
    int64_t n = 0;
    TRY(get_int(v, OUTCOME_SUCCESS, OUTCOME_DENIED, &n));
    *out = (enum outcome)n;
    return OK;
}

static enum err
get_kind(struct str v, enum actor_kind *out)
{
    int64_t n = 0;
    TRY(get_int(v, ACTOR_ANONYMOUS, ACTOR_SYSTEM, &n));
    *out = (enum actor_kind)n;
    return OK;
}

static enum err
get_type(struct str v, struct audit_event *e)
{
    TRY(get_text(v, &e->type_name));
    e->type = event_by_name(v);
    return OK;
}

static enum err
get_version(struct str v)
{
    int64_t n = 0;
    return get_int(v, RECORD_VERSION, RECORD_VERSION, &n);
}

static enum err
public_field(const struct field *f, struct record *r)
{
    struct audit_event *e = &r->e;
    switch (f->tag) {
    case PUB_VERSION:
        return get_version(f->value);
    case PUB_CUID:
        return get_text(f->value, &e->cuid);
    case PUB_TYPE:
        return get_type(f->value, e);
    case PUB_OUTCOME:
        return get_outcome(f->value, &e->outcome);
    case PUB_AT:
        return get_int(f->value, INT64_MIN, INT64_MAX, &e->at);
    case PUB_TENANT:
        return get_text(f->value, &r->tenant);
    case PUB_ACTOR_KIND:
        return get_kind(f->value, &e->actor_kind);
    case PUB_ACTOR:
        return get_text(f->value, &e->actor_id);
    case PUB_TARGET_KIND:
        return get_text(f->value, &e->target_kind);
    case PUB_TARGET:
        return get_text(f->value, &e->target_id);
    case PUB_CLIENT:
        TRY(get_int(f->value, INT64_MIN, INT64_MAX, &e->client_id));
        return e->client_id == 0 ? ERR_INVALID : OK;
    case PUB_REQUEST:
        return get_text(f->value, &e->request_id);
    case PUB_SESSION:
        return get_text(f->value, &e->session);
    case PUB_COUNT:
        return get_int(f->value, 2, INT64_MAX, &e->count);
    case PUB_EPOCH:
        return get_int(f->value, 0, INT64_MAX, &e->epoch);
    case PUB_INDEX:
        return get_int(f->value, 0, INT64_MAX, &e->index);
    case PUB_LOGGED:
        return get_int(f->value, INT64_MIN, INT64_MAX, &e->logged);
    default:
        return ERR_INVALID;
    }
}

/* The fields every public part has, as bits by tag. */
#define MUST_HAVE                                                                                  \
    (1u << PUB_VERSION | 1u << PUB_CUID | 1u << PUB_TYPE | 1u << PUB_OUTCOME | 1u << PUB_AT |      \
     1u << PUB_ACTOR_KIND)

enum err
record_get_public(struct str bytes, struct record *r)
{
    struct record out = *r;
    struct field f = {0};
    unsigned seen = 0, placed = 0;
    out.e.count = 1;
    if (bytes.n > RECORD_PART_MAX)
        return ERR_INVALID;
    enum err e;
    while ((e = next_field(&bytes, f.tag, 0, &f)) == OK) {
        TRY(public_field(&f, &out));
        if (f.tag >= PUB_EPOCH)
            placed |= 1u << (f.tag - PUB_EPOCH);
        else
            seen |= 1u << f.tag;
    }
    if (e != ERR_END || (seen & MUST_HAVE) != MUST_HAVE || (placed != 0 && placed != 7))
        return ERR_INVALID;
    out.placed = placed == 7;
    *r = out;
    return OK;
}

static enum err
get_piece(struct str *rest, struct str *out)
{
    if (rest->n < 4)
        return ERR_INVALID;
    uint32_t len = be32(rest->p);
    *rest = str_mem(rest->p + 4, rest->n - 4);
    *out = STR_NULL;
    if (len == ABSENT)
        return OK;
    if (len > rest->n)
        return ERR_INVALID;
    *out = str_mem(rest->p, len);
    *rest = str_mem(rest->p + len, rest->n - len);
    return utf8_is_valid(*out) ? OK : ERR_INVALID;
}

static enum err
get_change(struct str v, struct audit_change *c)
{
    TRY(get_piece(&v, &c->field));
    TRY(get_piece(&v, &c->before));
    TRY(get_piece(&v, &c->after));
    return v.n == 0 ? OK : ERR_INVALID;
}

static size_t
count_changes(struct str bytes)
{
    struct field f = {0};
    size_t n = 0;
    while (next_field(&bytes, f.tag, PER_CHANGE, &f) == OK)
        n += f.tag == PER_CHANGE;
    return n;
}

static struct str *
personal_slot(struct audit_event *e, unsigned tag)
{
    switch (tag) {
    case PER_ACTOR_NAME:
        return &e->actor_name;
    case PER_ACTOR_EMAIL:
        return &e->actor_email;
    case PER_ADDRESS:
        return &e->address;
    case PER_VIA:
        return &e->via;
    case PER_AGENT:
        return &e->user_agent;
    case PER_TARGET_NAME:
        return &e->target_name;
    case PER_TARGET_EMAIL:
        return &e->target_email;
    case PER_CLIENT_NAME:
        return &e->client_name;
    case PER_TEXT:
        return &e->text;
    case PER_PRIVATE:
        return &e->private_detail;
    default:
        return NULL;
    }
}

enum err
record_get_personal(struct arena *a, struct str bytes, struct record *r)
{
    struct audit_event out = r->e;
    struct field f = {0};
    if (bytes.n > RECORD_PART_MAX)
        return ERR_INVALID;
    size_t n = count_changes(bytes);
    if (n > RECORD_CHANGES_MAX)
        return ERR_INVALID;
    struct audit_change *changes = n ? arena_array(a, struct audit_change, n) : NULL;
    size_t got = 0;
    enum err e;
    while ((e = next_field(&bytes, f.tag, PER_CHANGE, &f)) == OK) {
        struct str *slot = personal_slot(&out, f.tag);
        if (slot != NULL)
            TRY(get_text(f.value, slot));
        else if (f.tag == PER_CHANGE && got < n)
            TRY(get_change(f.value, &changes[got++]));
        else
            return ERR_INVALID;
    }
    if (e != ERR_END)
        return ERR_INVALID;
    out.changes = changes;
    out.n_changes = got;
    r->e = out;
    return OK;
}

/* ---- leaf ---- */

struct sha256
record_leaf_inner(struct str public_part, struct sha256 personal_hash)
{
    struct sha256 pub = sha256_of(public_part);
    struct str parts[] = {S("recount.audit.entry.v1\n"), sha256_str(&pub),
                          sha256_str(&personal_hash)};
    return sha256_parts(parts, 3);
}

struct sha256
record_leaf(struct str public_part, struct str salt, struct str personal)
{
    struct str parts[] = {salt, personal};
    return record_leaf_inner(public_part, sha256_parts(parts, 2));
}
