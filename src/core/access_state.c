/* The state as a container: rows by (kind, id), fields by name. Owns no table and reads none; what
 * rows mean is access_read.c's and access_replay.c's. */
#include "core/access_priv.h"

#include <stdlib.h>

#define SLOTS_MIN 256 /* a power of two */

struct node {
    struct access_row row; /* first: a row is its node */
    struct node *held;     /* USER: the first of what hangs on him */
    struct node *next;
    bool hung;
};

static const char *const names[ACCESS_KINDS] = {
    [ACCESS_USER] = "user",       [ACCESS_ROLE] = "role",     [ACCESS_HOLDER] = "holder",
    [ACCESS_CLIENT] = "client",   [ACCESS_MEMBER] = "member", [ACCESS_TIER] = "tier",
    [ACCESS_SETTING] = "setting", [ACCESS_TOKEN] = "token",   [ACCESS_WORKSPACE] = "workspace",
};

const char *
access_kind_name(enum access_kind k)
{
    if (k >= ACCESS_KINDS)
        BUG("access kind %d", (int)k);
    return names[k];
}

struct access_state *
access_state_new(struct arena *a)
{
    struct access_state *s = arena_new(a, struct access_state);

    s->a = a;
    s->n_slots = SLOTS_MIN;
    s->slots = arena_array(a, struct access_row *, SLOTS_MIN);
    return s;
}

/* ---- rows ---- */

static struct access_row **
slot(struct access_row **slots, size_t n, enum access_kind k, struct str id)
{
    size_t i = (size_t)(str_hash(id) * 31 + (uint64_t)k) & (n - 1);

    while (slots[i] && (slots[i]->kind != k || !str_eq(slots[i]->id, id)))
        i = (i + 1) & (n - 1);
    return &slots[i];
}

static void
grow(struct access_state *s)
{
    size_t n = s->n_slots * 2;
    struct access_row **slots = arena_array(s->a, struct access_row *, n);

    for (size_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i])
            *slot(slots, n, s->slots[i]->kind, s->slots[i]->id) = s->slots[i];
    }
    s->slots = slots;
    s->n_slots = n;
}

struct access_row *
state_find(const struct access_state *s, enum access_kind k, struct str id)
{
    struct access_row *r = *slot(s->slots, s->n_slots, k, id);

    return r && !r->gone ? r : NULL;
}

const struct access_row *
access_row(const struct access_state *s, enum access_kind k, struct str id)
{
    return state_find(s, k, id);
}

static struct node *
node_of(struct access_row *r)
{
    return (struct node *)r; /* its first member */
}

/* What goes with a user hangs on his row, so that his deletion need not look at everyone's. */
static void
hang(struct access_state *s, struct access_row *r, struct str user)
{
    struct access_row *u = state_find(s, ACCESS_USER, user);

    if (!u || node_of(r)->hung)
        return;
    node_of(r)->hung = true;
    node_of(r)->next = node_of(u)->held;
    node_of(u)->held = node_of(r);
}

struct access_row *
state_row(struct access_state *s, enum access_kind k, struct str id)
{
    struct access_row **at = slot(s->slots, s->n_slots, k, id), *r = *at;

    if (r) {
        r->gone = false;
        return r;
    }
    if ((s->used + 1) * 2 > s->n_slots) {
        grow(s);
        at = slot(s->slots, s->n_slots, k, id);
    }
    r = &arena_new(s->a, struct node)->row;
    r->kind = k;
    r->id = arena_str(s->a, id);
    *at = r;
    s->used++;
    if (k == ACCESS_HOLDER || k == ACCESS_MEMBER)
        hang(s, r, k == ACCESS_HOLDER ? state_first(r->id) : state_second(r->id));
    return r;
}

void
state_drop_held(struct access_row *user)
{
    for (struct node *n = node_of(user)->held; n; n = n->next)
        state_drop(&n->row);
}

void
state_drop(struct access_row *r)
{
    if (!r)
        return;
    r->gone = true;
    r->n = 0;
    r->unsure = false;
}

/* ---- fields ---- */

static size_t
place(const struct access_row *r, struct str name)
{
    size_t lo = 0, hi = r->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (str_cmp(r->fields[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct access_field *
find_field(const struct access_row *r, struct str name)
{
    size_t i = place(r, name);

    return i < r->n && str_eq(r->fields[i].name, name) ? &r->fields[i] : NULL;
}

void
state_unset(struct access_row *r, struct str name)
{
    struct access_field *f = find_field(r, name);

    if (!f)
        return;
    memmove(f, f + 1, (size_t)(&r->fields[r->n] - (f + 1)) * sizeof *f);
    r->n--;
}

void
state_set(struct access_state *s, struct access_row *r, struct str name, struct str value,
          const struct origin *o)
{
    size_t i = place(r, name);

    if (str_is_null(value)) {
        state_unset(r, name);
        return;
    }
    if (i == r->n || !str_eq(r->fields[i].name, name)) {
        arena_grow(s->a, r->fields, r->n, &r->cap, 8);
        memmove(&r->fields[i + 1], &r->fields[i], (r->n - i) * sizeof *r->fields);
        r->fields[i].name = arena_str(s->a, name);
        r->n++;
    }
    r->fields[i].value = arena_str(s->a, value);
    r->fields[i].event = o ? o->event : STR_NULL;
    r->fields[i].at = o ? o->at : 0;
    if (r->kind == ACCESS_TOKEN && str_eq(name, S("user")))
        hang(s, r, value);
}

const struct access_field *
access_field(const struct access_row *r, const char *field)
{
    return r ? find_field(r, str_of(field)) : NULL;
}

struct str
access_get(const struct access_row *r, const char *field)
{
    const struct access_field *f = access_field(r, field);

    return f ? f->value : STR_NULL;
}

/* ---- all of them ---- */

static int
by_kind_and_id(const void *a, const void *b)
{
    const struct access_row *x = *(const struct access_row *const *)a,
                            *y = *(const struct access_row *const *)b;

    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : str_cmp(x->id, y->id);
}

const struct access_row **
access_rows(struct access_state *s, size_t *n)
{
    const struct access_row **v = arena_array(s->a, const struct access_row *, s->used + 1);
    size_t k = 0;

    for (size_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i] && !s->slots[i]->gone)
            v[k++] = s->slots[i];
    }
    qsort(v, k, sizeof *v, by_kind_and_id);
    *n = k;
    return v;
}

/* ---- ids of two parts ---- */

struct str
state_pair(struct arena *a, struct str first, struct str second)
{
    return arena_fmt(a, "%.*s %.*s", STR_ARG(first), STR_ARG(second));
}

struct str
state_first(struct str id)
{
    size_t at = str_index(id, ' ');

    return at == SIZE_MAX ? id : str_sub(id, 0, at);
}

struct str
state_second(struct str id)
{
    size_t at = str_index(id, ' ');

    return at == SIZE_MAX ? S("") : str_sub(id, at + 1, id.n);
}
