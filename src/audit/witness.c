/* The witness's judgement and its memory. Every check that needs what is remembered runs inside the
 * write transaction that remembers the new checkpoint, so that no two requests cross; nothing is
 * signed before all checks have passed. */
#include "audit/witness.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "audit/note_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "db/db.h"

#define READERS    2 /* connections: only monitors read */
#define LOGS_ARENA ((size_t)64 << 20)
#define KEYS_MAX   16 /* of one log: a rotation adds one */

struct watched {
    struct str origin, hash; /* hash: hex SHA-256 of the origin */
    struct note_key *keys;
    size_t n;
};

/* One list of logs, in an arena of its own. */
struct watching {
    struct arena *arena;
    struct watched *logs;
    size_t n;
};

struct witness {
    struct db *db;
    struct note_signer signer;
    struct str vkey;
    pthread_rwlock_t lock; /* held while a list is in use: it is freed by whoever replaces it */
    struct watching *now;
};

static const char witness_sql[] =
    "CREATE TABLE IF NOT EXISTS witness (only INTEGER PRIMARY KEY CHECK (only = 1),"
    " vkey TEXT NOT NULL) STRICT;\n"
    "CREATE TABLE IF NOT EXISTS seen (origin TEXT PRIMARY KEY, size INTEGER NOT NULL,"
    " root BLOB NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL) STRICT;\n"
    "CREATE TRIGGER IF NOT EXISTS seen_update BEFORE UPDATE ON seen"
    " WHEN new.size < old.size OR new.origin <> old.origin"
    " OR (new.size = old.size AND new.root <> old.root)"
    " BEGIN SELECT RAISE(FAIL, 'a checkpoint never goes back'); END;\n"
    "CREATE TRIGGER IF NOT EXISTS seen_delete BEFORE DELETE ON seen"
    " BEGIN SELECT RAISE(FAIL, 'a checkpoint never goes back'); END;\n";

/* ---- which logs ---- */

static struct watched *
watched_find(const struct watching *w, struct str origin)
{
    for (size_t i = 0; i < w->n; i++)
        if (str_eq(w->logs[i].origin, origin))
            return &w->logs[i];
    return NULL;
}

static enum err
watch(struct watching *w, const struct note_key *k, struct str *what)
{
    struct watched *l = watched_find(w, k->name);
    struct note_key *keys;

    for (size_t i = 0; l != NULL && i < l->n; i++) {
        if (memcmp(l->keys[i].pub, k->pub, sizeof k->pub) == 0) {
            *what = S("the key of an earlier line");
            return ERR_INVALID;
        }
    }
    if (l == NULL) {
        struct sha256 h = sha256_of(k->name);

        if (w->n == WITNESS_LOGS_MAX) {
            *what = S("too many logs");
            return ERR_INVALID;
        }
        l = &w->logs[w->n++];
        *l = (struct watched){.origin = k->name, .hash = hex_in(w->arena, sha256_str(&h))};
    }
    if (l->n == KEYS_MAX) {
        *what = S("too many keys of one log");
        return ERR_INVALID;
    }
    keys = arena_array(w->arena, struct note_key, l->n + 1);
    if (l->n > 0)
        memcpy(keys, l->keys, l->n * sizeof *keys);
    keys[l->n++] = *k;
    l->keys = keys;
    return OK;
}

static enum err
read_logs(struct watching *w, struct arena *a, struct str text, struct str *why)
{
    struct str rest = arena_str(w->arena, text), line;

    w->logs = arena_array(w->arena, struct watched, WITNESS_LOGS_MAX);
    for (int number = 1; str_cut(&rest, '\n', &line); number++) {
        struct str what = S("no key of a log (\"name+id+key\", as its /vkey answers)");
        struct note_key k;
        enum err e;

        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        e = note_vkey_parse(w->arena, line, &k);
        if (e == OK && k.type != NOTE_ED25519)
            e = ERR_INVALID;
        if (e == OK)
            e = watch(w, &k, &what);
        if (e != OK) {
            *why = arena_fmt(a, "line %d of the logs: %.*s", number, STR_ARG(what));
            return ERR_INVALID;
        }
    }
    return OK;
}

enum err
witness_watch(struct witness *w, struct arena *a, struct str logs, struct str *why)
{
    struct arena *own = arena_create("logs of a witness", LOGS_ARENA);
    struct watching *next = arena_new(own, struct watching), *last;
    enum err e;

    next->arena = own;
    e = read_logs(next, a, logs, why);
    if (e != OK) {
        arena_free(own);
        return e;
    }
    pthread_rwlock_wrlock(&w->lock);
    last = w->now;
    w->now = next;
    pthread_rwlock_unlock(&w->lock);
    if (last != NULL)
        arena_free(last->arena);
    return OK;
}

/* ---- who it is ---- */

static const struct sql get_self = SQL_READ("SELECT vkey FROM witness");
static const struct sql put_self =
    SQL_WRITE("witness", "INSERT INTO witness (only, vkey) VALUES (1, $1)");

struct naming {
    struct witness *w;
    struct arena *a;
    const struct witness_options *o;
    struct str *why;
};

static struct str
name_of(struct arena *a, struct str seed)
{
    struct note_signer s = note_signer_of(S("x"), NOTE_COSIGNER, seed);
    struct sha256 h = sha256_of(str_mem(s.key.pub, sizeof s.key.pub));

    sodium_memzero(s.secret, sizeof s.secret);
    return arena_fmt(a, "witness-%.*s", STR_ARG(str_sub(hex_in(a, sha256_str(&h)), 0, 12)));
}

static enum err
know_self(struct db_tx *tx, void *arg)
{
    struct naming *n = arg;
    struct db_rows *q = NULL;
    struct str known = STR_NULL, name = n->o->name;
    struct note_key k;
    enum err e;

    TRY(db_script(tx, witness_sql));
    e = db_query_one(tx, &get_self, NO_ARGS, &q);
    if (e == OK) {
        known = arena_str(n->a, db_text(q, 0));
        db_rows_end(q);
        TRY(note_vkey_parse(n->a, known, &k));
    } else if (e != ERR_NOT_FOUND) {
        return e;
    }
    if (str_is_null(name))
        name = str_is_null(known) ? name_of(n->a, n->o->seed) : k.name;
    n->w->signer = note_signer_of(arena_str(n->a, name), NOTE_COSIGNER, n->o->seed);
    n->w->vkey = note_vkey(n->a, &n->w->signer.key);
    if (str_is_null(known))
        return db_exec(tx, &put_self, ARGS(V_STR(n->w->vkey)), NULL);
    if (str_eq(known, n->w->vkey))
        return OK;
    *n->why = arena_fmt(n->a,
                        "the memory is that of the witness %.*s: another key or name is another "
                        "witness, in a folder of its own",
                        STR_ARG(known));
    return ERR_CONFLICT;
}

enum err
witness_open(struct arena *a, const struct witness_options *o, struct witness **out,
             struct str *why)
{
    struct witness *w = arena_new(a, struct witness);
    struct naming n = {w, a, o, why};
    enum err e;

    if (o->seed.n != 32 || (!str_is_null(o->name) && !note_name_is_valid(o->name))) {
        *why = S("a witness's name is not empty and has neither white space nor '+'");
        return ERR_INVALID;
    }
    pthread_rwlock_init(&w->lock, NULL);
    TRY(witness_watch(w, a, o->logs, why));
    TRY(db_open_file(a, o->path, NULL, false, READERS, &w->db, why));
    *why = arena_fmt(a, "the memory %.*s can not be used", STR_ARG(o->path));
    e = db_write(w->db, a, know_self, &n);
    if (e != OK) {
        witness_close(w);
        return e;
    }
    *out = w;
    return OK;
}

void
witness_close(struct witness *w)
{
    sodium_memzero(w->signer.secret, sizeof w->signer.secret);
    db_close(w->db);
    w->db = NULL;
    arena_free(w->now->arena);
    w->now = NULL;
}

struct str
witness_vkey(const struct witness *w)
{
    return w->vkey;
}

struct str
witness_name(const struct witness *w)
{
    return w->signer.key.name;
}

size_t
witness_logs(struct witness *w)
{
    size_t n;

    pthread_rwlock_rdlock(&w->lock);
    n = w->now->n;
    pthread_rwlock_unlock(&w->lock);
    return n;
}

/* ---- one checkpoint ---- */

static const struct sql get_seen = SQL_READ("SELECT size, root, note FROM seen WHERE origin = $1");
static const struct sql put_seen =
    SQL_WRITE("seen", "INSERT INTO seen (origin, size, root, note, at) VALUES ($1, $2, $3, $4, $5)"
                      " ON CONFLICT (origin) DO UPDATE SET size = excluded.size,"
                      " root = excluded.root, note = excluded.note, at = excluded.at");

struct adding {
    struct witness *w;
    struct arena *a;
    const struct watched *log;
    const struct witness_request *request;
    struct checkpoint c;
    int64_t now;
    int64_t size; /* what is remembered */
    int status;
    struct str line; /* the cosignature */
};

static enum err
read_seen(struct db_tx *tx, struct adding *d, struct sha256 *root)
{
    struct db_rows *q = NULL;
    struct str bytes;
    enum err e = db_query_one(tx, &get_seen, ARGS(V_STR(d->c.origin)), &q);

    if (e == ERR_NOT_FOUND) {
        d->size = 0;
        *root = sha256_of(S(""));
        return OK;
    }
    TRY(e);
    d->size = db_int(q, 0);
    bytes = db_bytes(q, 1);
    e = bytes.n == SHA256_LEN ? OK : ERR_DB;
    if (e == OK)
        memcpy(root->b, bytes.p, SHA256_LEN);
    db_rows_end(q);
    return e;
}

/* The checkpoint with the lines of the keys it is trusted for and our own: what else a client has put
 * into its request is not handed on under our name. */
static struct str
seen_note(const struct adding *d)
{
    const struct note *n = &d->request->checkpoint;
    struct buf *b = buf_in(d->a, n->whole.n + d->line.n + 1);
    struct str rest = str_sub(n->whole, n->text.n + 1, SIZE_MAX), line;

    buf_str(b, n->text);
    buf_char(b, '\n');
    for (size_t i = 0; i < n->n_sigs && note_line(&rest, &line); i++) {
        bool ours = false;

        for (size_t j = 0; j < d->log->n; j++)
            ours = ours || (d->log->keys[j].id == n->sigs[i].id &&
                            str_eq(d->log->keys[j].name, n->sigs[i].name));
        if (ours) {
            buf_str(b, line);
            buf_char(b, '\n');
        }
    }
    buf_str(b, d->line);
    return buf_view(b);
}

static enum err
compare_and_set(struct db_tx *tx, void *arg)
{
    struct adding *d = arg;
    const struct witness_request *r = d->request;
    struct sha256 root;

    TRY(read_seen(tx, d, &root));
    if (d->size != r->old_size) {
        d->status = 409;
        return OK;
    }
    if (d->size == d->c.size && memcmp(root.b, d->c.root.b, SHA256_LEN) != 0) {
        d->status = 409;
        return OK;
    }
    if (!tree_check_consistency(d->size, d->c.size, &root, &r->proof, &d->c.root)) {
        d->status = 422;
        return OK;
    }
    d->line = checkpoint_cosign(d->a, r->checkpoint.text, &d->w->signer, d->now / USEC_PER_SEC);
    TRY(db_exec(tx, &put_seen,
                ARGS(V_STR(d->c.origin), V_INT(d->c.size), V_BYTES(sha256_str(&d->c.root)),
                     V_STR(seen_note(d)), V_INT(d->now)),
                NULL));
    d->status = 200;
    return OK;
}

static struct witness_answer
say(int status, struct str text)
{
    return (struct witness_answer){status, S("text/plain; charset=utf-8"), text};
}

static bool
log_signed_it(const struct watched *l, const struct note *n)
{
    bool good = false;

    for (size_t i = 0; i < l->n; i++) {
        enum note_verdict v = note_check(n, &l->keys[i], NULL);

        if (v == NOTE_BAD)
            return false;
        good = good || v == NOTE_GOOD;
    }
    return good;
}

static struct witness_answer
answer_of(const struct adding *d)
{
    if (d->status == 200)
        return say(200, d->line);
    if (d->status == 409)
        return (struct witness_answer){409, S("text/x.tlog.size"),
                                       arena_fmt(d->a, "%lld\n", (long long)d->size)};
    return say(422, S("the consistency proof does not hold\n"));
}

/* Whoever sent this has shown something that a log must never sign, or is broken: it is worth a line. */
static void
tell(const struct adding *d)
{
    log_warn("witness.refused", LOG_STR("origin", d->c.origin), LOG_INT("status", d->status),
             LOG_INT("remembered", d->size), LOG_INT("old", d->request->old_size),
             LOG_INT("size", d->c.size), LOG_STR("checkpoint", seen_note(d)));
}

static struct witness_answer
add(struct witness *w, struct arena *a, struct str body, int64_t now)
{
    struct witness_request r;
    struct adding d = {.w = w, .a = a, .request = &r, .now = now};

    if (body.n > WITNESS_REQUEST_MAX)
        return say(413, S("the request is larger than 64 KB\n"));
    if (witness_request_parse(a, body, &r) != OK || checkpoint_parse(r.checkpoint.text, &d.c) != OK)
        return say(400, S("this is no request of tlog-witness\n"));
    d.log = watched_find(w->now, d.c.origin);
    if (d.log == NULL)
        return say(404, S("a log that this witness does not watch\n"));
    if (!log_signed_it(d.log, &r.checkpoint))
        return say(403, S("the log's signature is missing or wrong\n"));
    if (r.old_size > d.c.size)
        return say(400, S("the old size is larger than the checkpoint's\n"));
    if (db_write(w->db, a, compare_and_set, &d) != OK) {
        log_error("witness.memory", LOG_STR("store", db_last_error()));
        return say(503, S("the witness's memory can not be written\n"));
    }
    if (d.status == 422 || (d.status == 409 && d.size == r.old_size))
        tell(&d);
    return answer_of(&d);
}

struct witness_answer
witness_add(struct witness *w, struct arena *a, struct str body, int64_t now)
{
    struct witness_answer x;

    pthread_rwlock_rdlock(&w->lock);
    x = add(w, a, body, now);
    pthread_rwlock_unlock(&w->lock);
    return x;
}

/* ---- for monitors ---- */

struct asking {
    struct str origin, note;
};

static enum err
read_note(struct db_tx *tx, void *arg)
{
    struct asking *k = arg;
    struct db_rows *q = NULL;

    TRY(db_query_one(tx, &get_seen, ARGS(V_STR(k->origin)), &q));
    k->note = db_text_keep(q, 2);
    db_rows_end(q);
    return OK;
}

enum err
witness_last(struct witness *w, struct arena *a, struct str hex_of_origin, struct str *note)
{
    struct asking k = {.origin = STR_NULL};

    pthread_rwlock_rdlock(&w->lock);
    for (size_t i = 0; i < w->now->n; i++)
        if (str_eq(w->now->logs[i].hash, hex_of_origin))
            k.origin = arena_str(a, w->now->logs[i].origin);
    pthread_rwlock_unlock(&w->lock);
    if (str_is_null(k.origin))
        return ERR_NOT_FOUND;
    TRY(db_read(w->db, a, read_note, &k));
    *note = k.note;
    return OK;
}
