/* The store's part of cosigning: which heads wait for a witness, what it answered, and which of several
 * servers asks. Owns audit_cosigned and audit_cosign_turn, and adds lines to audit_head.note. Checks no
 * signature and speaks to nobody. */
#include <string.h>

#include "audit/heads.h"
#include "audit/note_priv.h"

#define LOCK_COSIGN INT64_C(0x726563636f736967)

/* ---- what waits ---- */

static const struct sql waiting = SQL_READ(
    "SELECT h.tenant_id, h.epoch, h.origin, h.size, h.root, h.note, h.signed_at, h.cosigned_at,"
    " coalesce(c.size, 0), coalesce(w.state, 0), coalesce(w.asked_at, 0), coalesce(w.told, 0),"
    " coalesce(w.told_from, 0), coalesce(w.told_n, 0) FROM audit_head h LEFT JOIN audit_cosigned c"
    " ON c.tenant_id = h.tenant_id AND c.epoch = h.epoch AND c.witness = $1"
    " LEFT JOIN audit_witness w"
    " ON w.tenant_id = h.tenant_id AND w.epoch = h.epoch AND w.witness = $1"
    " WHERE h.tenant_id > $2 AND (c.size IS NULL OR c.size < h.size OR c.at < $3)"
    " AND NOT EXISTS (SELECT 1 FROM audit_head x WHERE x.tenant_id = h.tenant_id"
    " AND x.epoch > h.epoch) ORDER BY h.tenant_id LIMIT $4");

struct gathering {
    struct str witness;
    int64_t since, after;
    size_t max, n;
    struct audit_uncosigned *v;
};

static enum err
gather(struct db_tx *tx, void *arg)
{
    struct gathering *g = arg;
    struct db_rows *q = NULL;
    enum err e;
    g->n = 0;
    TRY(db_query(tx, &waiting,
                 ARGS(V_STR(g->witness), V_INT(g->after), V_INT(g->since), V_INT((int64_t)g->max)),
                 &q));
    while ((e = db_next(q)) == OK) {
        struct audit_uncosigned *u = &g->v[g->n++];
        struct str root = db_bytes(q, 4);
        *u = (struct audit_uncosigned){.head = {.log = {db_int(q, 0), db_int(q, 1)},
                                                .origin = db_text_keep(q, 2),
                                                .size = db_int(q, 3),
                                                .note = db_text_keep(q, 5),
                                                .signed_at = db_int(q, 6),
                                                .cosigned_at = db_int(q, 7)},
                                       .from = db_int(q, 8),
                                       .was = {.state = (enum audit_witness_state)db_int(q, 9),
                                               .asked_at = db_int(q, 10),
                                               .told = (enum audit_witness_state)db_int(q, 11),
                                               .told_from = db_int(q, 12),
                                               .told_n = db_int(q, 13)}};
        if (root.n == SHA256_LEN)
            memcpy(u->head.root.b, root.p, SHA256_LEN);
    }
    return e == ERR_END ? OK : e;
}

enum err
audit_uncosigned(struct cx *cx, struct str witness, int64_t since, int64_t after, size_t max,
                 struct audit_uncosigned **out, size_t *n)
{
    struct gathering g = {.witness = witness, .since = since, .after = after, .max = max};
    g.v = arena_array(cx->arena, struct audit_uncosigned, max + 1);
    TRY(db_read(cx->app->db, cx->arena, gather, &g));
    *out = g.v;
    *n = g.n;
    return OK;
}

/* ---- what came ---- */

static const struct sql put_cosigned =
    SQL_WRITE("audit_cosigned",
              "INSERT INTO audit_cosigned (tenant_id, epoch, witness, size, at, note)"
              " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, epoch, witness) DO UPDATE"
              " SET size = excluded.size, at = excluded.at, note = excluded.note"
              " WHERE excluded.size >= audit_cosigned.size");
static const struct sql get_note =
    SQL_READ("SELECT note FROM audit_head WHERE tenant_id = $1 AND epoch = $2 AND size = $3");
static const struct sql add_line =
    SQL_WRITE("audit_head", "UPDATE audit_head SET note = $4 WHERE tenant_id = $1 AND epoch = $2"
                            " AND size = $3");
static const struct sql set_time =
    SQL_WRITE("audit_head", "UPDATE audit_head SET cosigned_at = (SELECT max(c.at) FROM"
                            " audit_cosigned c WHERE c.tenant_id = $1 AND c.epoch = $2)"
                            " WHERE tenant_id = $1 AND epoch = $2");

struct putting {
    const struct audit_head *head;
    const struct note_key *witness;
    struct str vkey, line;
    int64_t at;
};

/* The note with the line, in place of any of the same key; `log_only`: of all but the log's own. */
static enum err
with_line(struct arena *a, struct str bytes, const struct putting *p, bool log_only,
          struct str *out)
{
    struct note n;
    struct str rest, line;
    TRY(note_parse(a, bytes, &n));
    struct buf *b = buf_in(a, bytes.n + p->line.n + 1);
    buf_str(b, n.text);
    buf_char(b, '\n');
    rest = str_sub(bytes, n.text.n + 1, SIZE_MAX);
    for (size_t i = 0; i < n.n_sigs && note_line(&rest, &line); i++) {
        const struct note_sig *s = &n.sigs[i];
        if ((s->id == p->witness->id && str_eq(s->name, p->witness->name)) ||
            (log_only && !str_eq(s->name, p->head->origin)))
            continue;
        buf_str(b, line);
        buf_char(b, '\n');
    }
    buf_str(b, p->line);
    *out = buf_view(b);
    return OK;
}

static enum err
put(struct db_tx *tx, void *arg)
{
    const struct putting *p = arg;
    struct log_id log = p->head->log;
    struct arena *a = db_tx_arena(tx);
    struct db_rows *q = NULL;
    struct str note;
    tail_own(tx);
    TRY(with_line(a, p->head->note, p, true, &note));
    TRY(db_exec(tx, &put_cosigned,
                ARGS(V_INT(log.tenant_id), V_INT(log.epoch), V_STR(p->vkey), V_INT(p->head->size),
                     V_INT(p->at), V_STR(note)),
                NULL));
    TRY(db_exec(tx, &set_time, ARGS(V_INT(log.tenant_id), V_INT(log.epoch)), NULL));
    enum err e = db_query_one(
        tx, &get_note, ARGS(V_INT(log.tenant_id), V_INT(log.epoch), V_INT(p->head->size)), &q);
    if (e == ERR_NOT_FOUND) /* it grew meanwhile */
        return OK;
    TRY(e);
    struct str published = db_text_keep(q, 0);
    db_rows_end(q);
    TRY(with_line(a, published, p, false, &note));
    return db_exec(tx, &add_line,
                   ARGS(V_INT(log.tenant_id), V_INT(log.epoch), V_INT(p->head->size), V_STR(note)),
                   NULL);
}

enum err
audit_cosigned_put(struct cx *cx, const struct audit_head *head, const struct note_key *witness,
                   struct str line, int64_t at)
{
    struct putting p = {head, witness, note_vkey(cx->arena, witness), line, at};
    return db_write(cx->app->db, cx->arena, put, &p);
}

static const struct sql get_cosigned =
    SQL_READ("SELECT size, at, note FROM audit_cosigned WHERE tenant_id = $1 AND witness = $2"
             " ORDER BY epoch DESC LIMIT 1");

enum err
audit_cosigned_get(struct cx *cx, int64_t tenant_id, struct str witness, struct audit_cosigned *out)
{
    struct db_rows *q = NULL;
    TRY(db_query_one(cx->tx, &get_cosigned, ARGS(V_INT(tenant_id), V_STR(witness)), &q));
    *out = (struct audit_cosigned){db_int(q, 0), db_int(q, 1), db_text_keep(q, 2)};
    db_rows_end(q);
    return OK;
}

/* ---- whose turn it is ---- */

static const struct sql get_turn =
    SQL_READ("SELECT holder, expires FROM audit_cosign_turn WHERE id = 1");
static const struct sql set_turn = SQL_WRITE(
    "audit_cosign_turn", "UPDATE audit_cosign_turn SET holder = $1, expires = $2 WHERE id = 1");

struct turn {
    struct str process;
    int64_t now;
    bool last;
};

/* A time far ahead comes from a clock that went back since: it binds nobody. */
static enum err
take_turn(struct db_tx *tx, void *arg)
{
    const struct turn *t = arg;
    struct db_rows *q = NULL;
    tail_own(tx);
    TRY(db_try_lock(tx, LOCK_COSIGN));
    TRY(db_query_one(tx, &get_turn, NO_ARGS, &q));
    bool mine = str_eq(db_text(q, 0), t->process);
    int64_t expires = db_int(q, 1);
    db_rows_end(q);
    if (!mine && expires > t->now && expires <= t->now + AUDIT_TURN_US)
        return ERR_CONFLICT;
    if (t->last && !mine)
        return OK;
    return db_exec(tx, &set_turn,
                   ARGS(V_STR(t->process), V_INT(t->last ? 0 : t->now + AUDIT_TURN_US)), NULL);
}

enum err
audit_cosign_turn(struct cx *cx, struct str process, bool last)
{
    struct turn t = {process, cx->now, last};
    return db_write(cx->app->db, cx->arena, take_turn, &t);
}
