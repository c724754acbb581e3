/* Recording: an event is encoded and appended to audit_tail inside the action's own transaction,
 * and the commit check refuses a change that no recorded event covers. Owns the notes a write
 * transaction carries (db_tx_user); gives no index and reads nothing back. */
#include "audit/priv.h"

#include "base/log.h"
#include "base/rand.h"
#include "base/text.h"

#define TEXT_MAX_BYTES   4096  /* of one name, sentence or detail */
#define CHANGE_MAX_BYTES 16384 /* of one value before or after */

/* What a transaction has recorded so far. */
struct notes {
    bool own; /* the log's own upkeep: tables named audit_… only */
    bool events[EVENT_COUNT];
    bool reasons[REASON_COUNT];
};

static struct notes *
notes_of(struct db_tx *tx)
{
    struct notes *n = db_tx_user(tx);
    if (n == NULL) {
        n = arena_new(db_tx_arena(tx), struct notes);
        db_tx_set_user(tx, n);
    }
    return n;
}

/* A value too long to keep whole: its beginning, its length and the hash of the whole. */
static struct str
bounded(struct arena *a, struct str s, size_t max)
{
    if (s.n <= max)
        return s;
    struct sha256 h = sha256_of(s);
    struct str cut = utf8_cut(s, max);
    struct str hex = hex_in(a, sha256_str(&h));
    return arena_fmt(a, "%.*s… (cut: %zu bytes, SHA-256 %.*s)", STR_ARG(cut), s.n, STR_ARG(hex));
}

static struct str
name(struct arena *a, struct str s)
{
    return bounded(a, s, TEXT_MAX_BYTES);
}

static const struct audit_change *
bounded_changes(struct arena *a, const struct audit_entry *en, size_t *n)
{
    *n = en->n_changes < RECORD_CHANGES_MAX ? en->n_changes : RECORD_CHANGES_MAX;
    struct audit_change *out = *n ? arena_array(a, struct audit_change, *n) : NULL;
    for (size_t i = 0; i < *n; i++) {
        const struct audit_change *c = &en->changes[i];
        out[i] = (struct audit_change){bounded(a, c->field, TEXT_MAX_BYTES),
                                       bounded(a, c->before, CHANGE_MAX_BYTES),
                                       bounded(a, c->after, CHANGE_MAX_BYTES)};
    }
    return out;
}

static void
fill_actor(struct cx *cx, struct audit_event *e)
{
    e->actor_kind = cx->actor.kind;
    e->actor_id = cx->actor.cuid;
    e->actor_name = name(cx->arena, cx->actor.name);
    e->actor_email = name(cx->arena, cx->actor.email);
    e->session = cx->actor.session;
    e->address = cx->address;
    e->via = cx->via;
    e->user_agent = name(cx->arena, cx->user_agent);
    e->request_id = cx->request_id;
}

/* What is random about an event, by one call to the kernel. */
struct fresh {
    uint8_t cuid[CUID_RANDOM];
    char salt[RECORD_SALT_LEN];
};

static void
fill(struct cx *cx, const struct audit_entry *en, const struct fresh *f, struct record *r)
{
    struct arena *a = cx->arena;
    struct audit_event *e = &r->e;
    struct cuid id = cuid_from(cx->now, f->cuid, sizeof f->cuid);
    e->cuid = arena_str(a, cuid_str(&id));
    e->type = en->event;
    e->type_name = str_of(event_type(en->event)->name);
    e->outcome = en->outcome;
    e->at = cx->now;
    fill_actor(cx, e);
    e->target_kind = en->target_kind;
    e->target_id = name(a, en->target_id);
    e->target_name = name(a, en->target_name);
    e->target_email = name(a, en->target_email);
    e->client_id = en->client_id;
    e->client_name = name(a, en->client_name);
    e->text = name(a, en->text);
    e->private_detail = name(a, en->private_detail);
    e->count = en->count;
    e->changes = bounded_changes(a, en, &e->n_changes);
    r->tenant = en->instance || !cx->tenant.known ? STR_NULL : cx->tenant.cuid;
}

static const struct sql insert_tail =
    SQL_WRITE2("audit_tail",
               "INSERT OR FAIL INTO audit_tail (tenant_id, public, personal, salt)"
               " VALUES ($1, $2, $3, $4)",
               "INSERT INTO audit_tail (tenant_id, public, personal, salt)"
               " VALUES ($1, $2, $3, $4)");

/* A trigger or a rule of the database's own can take a row away and call that success. */
static enum err
swallowed(struct cx *cx, const struct record *r)
{
    log_error("audit.swallowed", LOG_STR("type", r->e.type_name),
              LOG_STR("detail", S("the database keeps events out of audit_tail: look at its "
                                  "triggers, rules and policies")));
    return fail(cx, ERR_UNAVAILABLE, "The audit log can not be written, so nothing is changed.");
}

static enum err
append(struct cx *cx, int64_t log, const struct record *r, const struct fresh *f)
{
    struct buf *pub = buf_in(cx->arena, RECORD_PART_MAX);
    struct buf *per = buf_in(cx->arena, RECORD_PART_MAX);
    record_put_public(pub, r);
    record_put_personal(per, r);
    if (buf_failed(pub) || buf_failed(per))
        return fail(cx, ERR_TOO_LARGE, "The change is too large to be recorded.");
    /* An empty personal part is empty bytes, not NULL. */
    struct str personal = per->n ? buf_view(per) : S("");
    int64_t n = 0;
    TRY(db_exec(cx->tx, &insert_tail,
                ARGS(V_INT(log), V_BYTES(buf_view(pub)), V_BYTES(personal),
                     V_BYTES(str_mem(f->salt, sizeof f->salt))),
                &n));
    return n == 1 ? OK : swallowed(cx, r);
}

enum err
audit_record(struct cx *cx, const struct audit_entry *e, struct str *cuid)
{
    if (cx->tx == NULL || !db_tx_is_write(cx->tx))
        BUG("audit_record outside a write transaction: %s", event_type(e->event)->name);
    if (e->event <= EVENT_NONE || e->event >= EVENT_COUNT || event_type(e->event)->never)
        BUG("event %d is not recorded", (int)e->event);
    struct record r = {0};
    struct fresh f;
    rand_bytes(&f, sizeof f);
    fill(cx, e, &f, &r);
    TRY(append(cx, str_is_null(r.tenant) ? INSTANCE_LOG : cx->tenant.id, &r, &f));
    if (cx->app->audit != NULL)
        atomic_fetch_add(&cx->app->audit->n_recorded, 1);
    struct notes *n = notes_of(cx->tx);
    n->events[e->event] = true;
    n->reasons[REASON_TAIL] = true;
    if (cuid != NULL)
        *cuid = r.e.cuid;
    return OK;
}

static const struct sql tenants = SQL_READ("SELECT tenant_id, cuid FROM tenant ORDER BY tenant_id");

struct tenant {
    struct tenant_ref ref;
    struct tenant *next;
};

enum err
audit_record_everywhere(struct cx *cx, const struct audit_entry *e)
{
    struct audit_entry x = *e;
    struct tenant_ref kept = cx->tenant;
    struct tenant *list = NULL, **end = &list;
    struct db_rows *r = NULL;
    enum err rc;
    TRY(db_query(cx->tx, &tenants, NO_ARGS, &r));
    while ((rc = db_next(r)) == OK) {
        *end = arena_new(cx->arena, struct tenant);
        (*end)->ref = (struct tenant_ref){true, db_int(r, 0), db_text_keep(r, 1)};
        end = &(*end)->next;
    }
    if (rc != ERR_END)
        return rc;
    x.instance = true;
    TRY(audit_record(cx, &x, NULL));
    x.instance = false;
    for (struct tenant *t = list; t != NULL; t = t->next) {
        cx->tenant = t->ref;
        TRY(audit_record(cx, &x, NULL));
    }
    cx->tenant = kept;
    return OK;
}

void
audit_cover(struct cx *cx, enum reason r)
{
    notes_of(cx->tx)->reasons[r] = true;
}

void
tail_own(struct db_tx *tx)
{
    notes_of(tx)->own = true;
}

/* ---- the commit check ---- */

static bool
names(const char *list, const char *table)
{
    struct str rest = str_of(list), part;
    while (str_cut(&rest, ' ', &part))
        if (str_eq(part, str_of(table)))
            return true;
    return false;
}

static bool
is_covered(const struct notes *n, const char *table)
{
    if (n == NULL)
        return false;
    if (n->own && str_has_prefix(str_of(table), S("audit_")))
        return true;
    for (int i = 0; i < EVENT_COUNT; i++)
        if (n->events[i] && names(event_type((enum event)i)->tables, table))
            return true;
    for (int i = 0; i < REASON_COUNT; i++)
        if (n->reasons[i] && names(reason_row((enum reason)i)->table, table))
            return true;
    return false;
}

static atomic_bool abort_uncovered;

void
audit_coverage_abort(bool on)
{
    atomic_store(&abort_uncovered, on);
}

enum err
audit_commit_check(struct db_tx *tx)
{
    const struct db_touch *t = NULL;
    size_t n = db_tx_touched(tx, &t);
    enum err e = OK;
    for (size_t i = 0; i < n; i++) {
        if (t[i].rows == 0 || is_covered(db_tx_user(tx), t[i].table))
            continue;
        log_error("audit.uncovered", LOG_STR("table", str_of(t[i].table)),
                  LOG_INT("rows", t[i].rows));
        e = ERR_DB;
    }
    if (e != OK && atomic_load(&abort_uncovered))
        BUG("a change of a table that no recorded event covers; see the log");
    return e;
}
