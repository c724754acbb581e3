/* Whether this server still has its memory of what it signed. On SQLite the folder is the server: what the
 * store says was published must be in heads.db. On PostgreSQL several servers share a store and a new one
 * remembers nothing, so the store keeps a line for each server (its machine and data folder) that has begun
 * to: one that stands there and remembers nothing is refused, a new one is admitted with an event. Owns
 * the setting rows "server.…". */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/heads.h"
#include "base/log.h"
#include "base/text.h"

#define SERVER_NAME_HEX 32

/* ---- what the store says was published ---- */

static const struct sql newest_heads =
    SQL_READ("SELECT h.tenant_id, h.epoch, h.size, h.origin FROM audit_head h WHERE NOT EXISTS"
             " (SELECT 1 FROM audit_log x WHERE x.tenant_id = h.tenant_id AND x.epoch > h.epoch)"
             " ORDER BY h.tenant_id");

struct published {
    struct head_row *v;
    size_t n, cap;
};

static enum err
read_published(struct db_tx *tx, void *arg)
{
    struct published *p = arg;
    struct db_rows *q = NULL;
    enum err e;
    p->n = 0;
    TRY(db_query(tx, &newest_heads, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(db_tx_arena(tx), p->v, p->n, &p->cap, 32);
        p->v[p->n++] = (struct head_row){.log = {db_int(q, 0), db_int(q, 1)},
                                         .size = db_int(q, 2),
                                         .origin = db_text_keep(q, 3)};
    }
    return e == ERR_END ? OK : e;
}

#define WAY_OUT                                                                                     \
    "Put the file back. If it is lost, whether the store is the newest one can not be known any "   \
    "more: look at checkpoints kept elsewhere, and \"recount audit new-epoch --reason TEXT\" then " \
    "goes on and says so in every log"

/* The head is remembered before it is published, so the file is never behind. */
static enum err
all_remembered(struct audit *au, struct arena *a, const struct published *p, struct str *why)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct head_row *h = &p->v[i];
        struct head_row own;
        enum err e = heads_get(au, a, h->log, &own);
        if (e == ERR_NOT_FOUND) {
            *why = arena_fmt(au->arena,
                             "heads.db, in which this server remembers what it has signed, knows "
                             "nothing of the log %.*s, of which a checkpoint of %lld events was "
                             "published. " WAY_OUT,
                             STR_ARG(h->origin), (long long)h->size);
            return ERR_CONFLICT;
        }
        TRY(e);
        if (own.size < h->size) {
            *why =
                arena_fmt(au->arena,
                          "heads.db, in which this server remembers what it has signed, is older "
                          "than the store: it knows %lld events of the log %.*s, of which a "
                          "checkpoint of %lld was published. " WAY_OUT,
                          (long long)own.size, STR_ARG(h->origin), (long long)h->size);
            return ERR_CONFLICT;
        }
    }
    return OK;
}

/* ---- PostgreSQL: the servers that have begun to remember ---- */

static const struct sql get_server =
    SQL_READ("SELECT count(*) FROM setting WHERE tenant_id = -1 AND name = $1");
static const struct sql put_server =
    SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES (-1, $1, $2)");

struct joining {
    struct str name, value;
    int64_t known;
    bool remembers; /* it had rows already: its folder or machine has another name now */
};

struct str
heads_server(struct arena *a, const struct audit *au, struct str *value)
{
    char host[256] = "localhost";
    char *real = realpath(arena_cstr(a, au->options.dir), NULL);
    (void)gethostname(host, sizeof host - 1);
    *value = arena_fmt(a, "%s:%s", host, real != NULL ? real : "");
    free(real);
    struct sha256 h = sha256_of(*value);
    struct str hex = str_sub(hex_in(a, sha256_str(&h)), 0, SERVER_NAME_HEX);
    return arena_fmt(a, "server.%.*s", STR_ARG(hex));
}

struct str
audit_server_name(struct cx *cx)
{
    struct str value;
    return str_sub(heads_server(cx->arena, cx->app->audit, &value), sizeof "server." - 1, SIZE_MAX);
}

enum err
heads_server_known(struct db_tx *tx, struct str name, int64_t *n)
{
    return db_query_int(tx, &get_server, ARGS(V_STR(name)), n);
}

static enum err
read_server(struct db_tx *tx, void *arg)
{
    struct joining *j = arg;
    return heads_server_known(tx, j->name, &j->known);
}

static enum err
join(struct cx *cx, void *arg)
{
    struct joining *j = arg;
    struct audit_change change = {j->name, STR_NULL, j->value};
    struct audit_entry e = {.event = EV_SETTING_CHANGED,
                            .instance = true,
                            .target_kind = S("setting"),
                            .target_id = j->name,
                            .changes = &change,
                            .n_changes = 1};
    TRY(heads_server_known(cx->tx, j->name, &j->known));
    if (j->known > 0)
        return OK;
    e.text = arena_fmt(cx->arena, "A server %s: %.*s",
                       j->remembers ? "that remembers the log's checkpoints goes by another name"
                                    : "began to remember the log's checkpoints",
                       STR_ARG(j->value));
    TRY(audit_record(cx, &e, NULL));
    if (!j->remembers)
        log_warn("audit.server_joined", LOG_STR("server", j->value),
                 LOG_STR("detail", S("it remembers no checkpoint: an older database would not be "
                                     "noticed by this server")));
    return db_exec(cx->tx, &put_server, ARGS(V_STR(j->name), V_STR(j->value)), NULL);
}

static enum err
look_for_server(struct cx *cx, struct joining *j)
{
    struct audit *au = cx->app->audit;
    struct head_row *own = NULL;
    size_t n = 0;
    j->name = heads_server(cx->arena, au, &j->value);
    TRY(heads_read(au->heads->db, cx->arena, &own, &n));
    j->remembers = n > 0;
    return db_read(au->app->db, cx->arena, read_server, j);
}

static enum err
vouch_shared(struct cx *cx, const struct published *p, struct str *why)
{
    struct joining j = {0};
    TRY(look_for_server(cx, &j));
    if (j.known == 0 || j.remembers || p->n == 0)
        return OK;
    *why = arena_fmt(cx->app->audit->arena,
                     "heads.db is missing in a data folder whose server has signed before "
                     "(%.*s). " WAY_OUT
                     "; another data folder joins as a new server, which is recorded, too",
                     STR_ARG(j.value));
    return ERR_CONFLICT;
}

enum err
audit_heads_vouch(struct cx *cx, bool accept, struct str *why)
{
    struct audit *au = cx->app->audit;
    struct published p = {0};
    *why = S("what this server has signed can not be compared with the store");
    if (accept)
        return OK;
    TRY(db_read(au->app->db, cx->arena, read_published, &p));
    return au->pg ? vouch_shared(cx, &p, why) : all_remembered(au, cx->arena, &p, why);
}

enum err
audit_heads_join(struct cx *cx, struct str *why)
{
    struct audit *au = cx->app->audit;
    struct joining j = {0};
    if (!au->pg)
        return OK;
    *why = S("whether this server is known to the store can not be read");
    TRY(look_for_server(cx, &j));
    if (j.known > 0)
        return OK;
    enum err e = cx_write(cx, join, &j);
    if (e != OK)
        *why = arena_fmt(au->arena, "%.*s", STR_ARG(cx->failure.message));
    return e;
}
