/* The audit log: what happened, who did it, to whom, from where, with what outcome.
 *
 * Recording happens inside the action's own write transaction: audit_record() appends to
 * `audit_tail`, and the commit check refuses any change whose table no recorded event covers. The
 * mover gives each event its index and places it in its month's segment; only moved events are
 * listed, streamed and exported. The format of a record (record.h) is final. */
#ifndef RECOUNT_AUDIT_AUDIT_H
#define RECOUNT_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "codec/json.h"
#include "db/db.h"
#include "run/cx.h"

/* ---- catalogue (catalogue.def, catalogue.c) ---- */

enum event {
    EVENT_NONE,
#define EVENT(id, ...) EV_##id,
#include "audit/catalogue.def"
#undef EVENT
    EVENT_COUNT
};

enum outcome { OUTCOME_SUCCESS, OUTCOME_FAILURE, OUTCOME_DENIED };

struct event_type {
    const char *name;     /* "LoginSuccess": the interface's name, final */
    const char *title;    /* "Sign-in succeeded" */
    const char *category; /* "Sign-in", "Password", "User", "Role", "Client", … */
    const char *tables;   /* space-separated tables a record of it covers */
    const char *owasp;    /* OWASP vocabulary word */
    int ocsf_class, ocsf_activity;
    bool never; /* in the catalogue, never recorded */
};
const struct event_type *event_type(enum event e);
enum event event_by_name(struct str name); /* EVENT_NONE if unknown */

/* ---- recording ---- */

struct audit_change { /* before → after of one field; null = absent */
    struct str field, before, after;
};

/* What one event says beyond what cx knows (actor, address, tenant, request, time). */
struct audit_entry {
    enum event event;
    enum outcome outcome;
    struct str text;         /* the sentence shown: "Alice Archer changed the password of …" */
    struct str target_kind;  /* "user", "role", "client", "session", "tenant", "audit" … */
    struct str target_id;    /* cuid (or other stable id); null: none */
    struct str target_name;  /* as it was */
    struct str target_email; /* when the target is a person */
    int64_t client_id;       /* 0: none */
    struct str client_name;
    const struct audit_change *changes;
    size_t n_changes;
    int64_t count;             /* folded events: how many; 0 means 1 */
    bool instance;             /* record in the instance's log, not the tenant's */
    struct str private_detail; /* kept and shown, but not found by search (query text of views) */
};

/* Appends the event to the tail of cx->tx (a write). Gives the event's cuid in *cuid (may be NULL).
 * The event covers the tables its type names. */
MUST_CHECK enum err audit_record(struct cx *cx, const struct audit_entry *e, struct str *cuid);
/* The same in the instance's log and in each workspace's: for what concerns the proofs of all. */
MUST_CHECK enum err audit_record_everywhere(struct cx *cx, const struct audit_entry *e);
/* Covers writes to a table that need no event, by a named reason; the list of reasons is
 * audit/reasons.def and a test's expectation. */
enum reason {
#define REASON(id, table, why) REASON_##id,
#include "audit/reasons.def"
#undef REASON
    REASON_COUNT
};
void audit_cover(struct cx *cx, enum reason r);
/* The commit check for db_set_commit_check(). */
enum err audit_commit_check(struct db_tx *tx);
/* Debug builds and tests: an uncovered change aborts instead of failing (app.coverage_abort). */
void audit_coverage_abort(bool on);

/* Events that change nothing (denials, failures): recorded in a transaction of their own, called
 * outside any transaction. Repeats of the same (event, account, network, reason) within a window
 * are folded into counted events. Never fails the caller. */
void audit_record_apart(struct cx *cx, const struct audit_entry *e, struct str fold_key);
/* The same without waiting for the store: the keeper records it within milliseconds, with what else
 * came meanwhile. For what strangers may ask for without end, and where the time of the answer must
 * not tell which events it took. */
void audit_record_soon(struct cx *cx, const struct audit_entry *e, struct str fold_key);
/* The halves of audit_record_apart() for who records in a transaction of his own: counts the event
 * and says whether it is to be recorded (else it is folded); and counts it after all, when that
 * transaction failed. */
bool audit_fold(struct cx *cx, const struct audit_entry *e, struct str fold_key);
void audit_fold_later(struct cx *cx, const struct audit_entry *e, struct str fold_key);

/* The cuid of a workspace, in the arena of tx; ERR_NOT_FOUND when it is gone. */
MUST_CHECK enum err audit_tenant_cuid(struct db_tx *tx, int64_t tenant_id, struct str *out);
/* Inside cx->tx: cx acts in the workspace whose log it is; in none when that is the installation's, or the
 * workspace is gone. */
MUST_CHECK enum err audit_act_in(struct cx *cx, int64_t tenant_id);

/* ---- life ---- */

struct audit_options {
    struct str dir; /* data folder (SQLite: segments lie in dir/audit/) */
    const char *vfs;
    int readers;
    bool read_only; /* offline reading: no mover, no indexer */
    bool
        damaged; /* with read_only, for the verifier: what can not be opened is left out, and kept as a finding */
};
/* Opens the segments; starts no thread. */
MUST_CHECK enum err audit_open(struct app *app, const struct audit_options *o, struct str *why);
/* Starts mover, indexer, fold flusher and month end. */
void audit_start(struct app *app);
/* Flushes folded counts, moves what is committed, stops the threads. */
void audit_stop(struct app *app);
void audit_close(struct app *app);
/* A command that only reads looks again at what the server beside it has moved since. */
MUST_CHECK enum err audit_refresh(struct app *app);
/* Signals the mover that something was committed (db_set_commit_hook). */
void audit_wake(void *app);
/* Waits until everything committed before the call has been moved, at most `timeout_ms`. false: it was not
 * within that time, so a list may lack the newest events. */
bool audit_settle(struct app *app, int timeout_ms);
/* What the store refuses by itself (append-only triggers) against the schema. Called after audit_open(),
 * before anything is written: ERR_CONFLICT with a sentence in *why when something of the store is none of
 * ours, or a table is not as it was made. */
MUST_CHECK enum err audit_guards_check(struct app *app, struct str *why);
/* Puts back what is missing or altered, with an event in the instance's log. Outside any transaction. */
MUST_CHECK enum err audit_guards_mend(struct cx *cx, struct str *why);
/* Holds the mover still while a backup copies the main store and the segments as one state. */
void audit_hold(struct app *app);
void audit_release(struct app *app);
/* After a clock step of over an hour nothing is dropped until an administrator confirms. */
bool audit_drops_held(struct app *app);
/* In a write: ends the hold and records it in the installation's log, which told of the step; the
 * workspace's event is the caller's. ERR_NOT_FOUND when there is none. */
MUST_CHECK enum err audit_confirm_clock(struct cx *cx);
/* After its commit: drops go on in this process now, in others within a minute. */
void audit_refresh_clock(struct app *app);
/* Moves and indexes everything now, on the calling thread (commands, demonstration, tests). */
MUST_CHECK enum err audit_move_now(struct app *app);
/* Records now what is folded or waits for the keeper, on the calling thread (demonstration: before its
 * clock goes on). */
void audit_flush(struct app *app);
/* Drops now what the window left behind, on the calling thread (demonstration). */
void audit_expire_now(struct app *app);

/* ---- reading ---- */

/* One query object drives list, count, export and stream. */
struct audit_query {
    bool instance; /* the instance's log instead of a tenant's */
    int64_t tenant_id;
    struct str q;       /* search text, ≤ 1024 bytes: words ANDed, "quoted" parts literal */
    int64_t from, to;   /* µs, [from, to); 0 = open */
    int64_t user_id;    /* actor or target; 0 = any */
    struct str user;    /* cuid or e-mail of actor or target; null = any */
    enum event event;   /* EVENT_NONE = any */
    int outcome;        /* enum outcome, −1 = any */
    int64_t client_id;  /* 0 = any */
    struct str request; /* id of the request that recorded it, a cuid; null = any */
    bool ascending;     /* default: newest first */
    int64_t after;      /* cursor: index to continue behind (exclusive), −1 = from the start */
    int64_t before;     /* only events with a smaller index; −1 = all */
    int64_t offset;     /* records to pass over */
    int limit;          /* 1 … 1000 */
    int budget_ms;      /* time budget; 0 = default (250) */
};

/* One event as read back: everything decoded, names as they were. */
struct audit_event {
    int64_t epoch, index;
    struct str cuid;
    enum event type; /* EVENT_NONE when a later version wrote it: see type_name */
    struct str type_name;
    enum outcome outcome;
    int64_t at, logged; /* µs */
    enum actor_kind actor_kind;
    struct str actor_id, actor_name, actor_email;
    struct str session;
    struct str target_kind, target_id, target_name, target_email;
    int64_t client_id;
    struct str client_name;
    struct str address, via, user_agent, request_id;
    struct str text, private_detail;
    const struct audit_change *changes;
    size_t n_changes;
    int64_t count;
    bool erased;         /* personal part removed: names are pseudonyms, the text says so */
    int64_t erased_at;   /* µs */
    struct str leaf_hex; /* leaf entry, hex SHA-256 */
};

struct audit_page {
    struct audit_event *events;
    size_t n;
    bool more;          /* there is at least one event behind the last */
    int64_t next;       /* cursor for the following page (index of the last event) */
    bool complete;      /* false: the time budget ended the scan */
    int64_t scanned_to; /* how far back (µs) an incomplete scan looked */
    int64_t newest;     /* index of the newest moved event of the log, −1: none (live cursor) */
    int64_t
        older; /* no hits in range: matches outside of it inside the window, ≤ 1000; −1: not counted */
};
/* The tenant and the right are the caller's business (cx->tenant must equal q->tenant_id). */
MUST_CHECK enum err audit_list(struct cx *cx, const struct audit_query *q, struct audit_page *out);
MUST_CHECK enum err audit_get(struct cx *cx, int64_t tenant_id, bool instance, struct str cuid,
                              struct audit_event *out);
/* How many events of a query happened from edges[i] on and before edges[i + 1]: n − 1 counts, in
 * cx->arena. The edges (µs, within the years −10000 and 10000) ascend; q's dates bound them; order, offset
 * and limit of q do not matter. Newest first: when the budget of time is spent, counts of what happened before
 * `whole_from` are too low, and the same query with `after` = `next` counts the rest, to be added.
 * Without filters the cost hardly depends on the number of events; with one of user (by id), event,
 * client or outcome it is that of walking an index; else that of looking at each event. */
struct audit_bars {
    const int64_t *counts;
    bool complete;
    int64_t whole_from; /* µs; of an incomplete answer */
    int64_t next;       /* cursor of an incomplete answer, else −1 */
    int64_t newest; /* cursor of the newest event that was there when counting began; −1: none */
};
#define AUDIT_EDGES_MAX 201
MUST_CHECK enum err audit_histogram(struct cx *cx, const struct audit_query *q,
                                    const int64_t *edges, size_t n, struct audit_bars *out);
/* The cursor that stands at the event: give it as `after` to go on behind it. */
int64_t audit_cursor(const struct audit_event *e);
int64_t audit_cursor_epoch(int64_t cursor);
/* Cursor of the newest moved event, −1 if none. */
int64_t audit_newest(struct app *app, int64_t tenant_id, bool instance);

/* Start (µs) of what is shown now and the next change: the running month and the kept months before. */
void audit_window(struct app *app, int64_t now, int64_t *since, int64_t *next_change);
/* Number of whole months kept before the running one (4 = 120 days); from settings. */
int audit_months_kept(struct app *app);
void audit_set_months_kept(struct app *app, int months); /* ≥ 4 */
/* Reads the legal holds (table audit_hold): while one stands, the window does not move past the month
 * it was placed in. To be called after a hold was placed or ended; the keeper does it every minute. */
MUST_CHECK enum err audit_refresh_holds(struct app *app);
/* Whether a legal hold keeps months that would have left. */
bool audit_window_held(struct app *app);
/* One month of the log as it is kept: events of one workspace's log in it; bytes of the month on disk,
 * of all logs together. */
struct audit_month {
    int32_t month; /* ordinal: year * 12 + month − 1 */
    int64_t events, bytes;
};
MUST_CHECK enum err audit_months(struct app *app, struct arena *a, int64_t tenant_id,
                                 struct audit_month **out, size_t *n);

/* ---- walking: all events of some types, for what is worked out from the log (walk.c) ---- */

struct audit_walk {
    int64_t tenant_id;
    const enum event *types;
    size_t n_types;
    int64_t
        after; /* positions (audit_cursor) to begin behind, −1: from the start of what is kept */
    int64_t before; /* and to end before, −1: none */
    int64_t to;     /* only events that happened before this time (µs), 0: all */
};
/* Their positions, ascending, in cx->arena. With a read of the main store open on PostgreSQL it is
 * used; on SQLite none may be open there. */
MUST_CHECK enum err audit_walk_list(struct cx *cx, const struct audit_walk *w, int64_t **out,
                                    size_t *n);
/* Called with each event in turn; its texts live until it returns. An erased event has no changes. */
typedef enum err (*audit_seen)(void *arg, const struct audit_event *e);
/* Reads the events at these positions, ascending. A failure of `fn` ends the walk and is returned;
 * ERR_NOT_FOUND when one has expired since, ERR_DB when one can not be decoded. */
MUST_CHECK enum err audit_walk_read(struct cx *cx, int64_t tenant_id, const int64_t *positions,
                                    size_t n, audit_seen fn, void *arg);
/* Both of these: fn with each event of the walk in turn. */
MUST_CHECK enum err audit_walk_each(struct cx *cx, const struct audit_walk *w, audit_seen fn,
                                    void *arg);
/* Inside cx->tx, a snapshot of the main store: how far the log reached in it (the position behind
 * its last moved event), and the events that were still in the tail behind that, in tail order and
 * without a position (index −1). Together they are exactly what the snapshot's rows came from. */
MUST_CHECK enum err audit_walk_reach(struct cx *cx, int64_t tenant_id, int64_t *position);
MUST_CHECK enum err audit_walk_tail(struct cx *cx, int64_t tenant_id, audit_seen fn, void *arg);
/* Waits until what this process sees of the log reaches the position (another process may have
 * moved the events a moment ago); ERR_UNAVAILABLE when it does not within two seconds. */
MUST_CHECK enum err audit_walk_await(struct cx *cx, int64_t tenant_id, int64_t position);
/* PostgreSQL: the first statement of a write after which no event can be recorded before this
 * transaction ends, so that its events stand in the log exactly behind what its snapshot shows. On
 * SQLite every write is alone. */
MUST_CHECK enum err audit_stand_alone(struct cx *cx);

/* ---- views ---- */

/* "Name (email)". */
struct str audit_user_info(struct arena *a, const struct audit_event *e);
/* The interface's object: {cuid, user_info, message, event_type, timestamp, …}. */
void audit_json(struct json_writer *w, const struct audit_event *e);
enum audit_format { AUDIT_NDJSON, AUDIT_CSV, AUDIT_OCSF };
/* One event as a line (with its end) of the format; header line for CSV. */
void audit_format_head(struct buf *b, enum audit_format f);
void audit_format_line(struct arena *scratch, struct buf *b, enum audit_format f,
                       const struct audit_event *e);
/* The catalogue as JSON. */
void audit_catalogue_json(struct json_writer *w);

/* Whether a change may begin: false while the disk is all but full, except for what the reserve is
 * kept for (reserve.c). Counts the refusal. */
bool audit_may_change(struct app *app, bool reserve);
bool audit_is_tight(struct app *app);

/* Numbers for metrics and health. */
struct audit_stats {
    int64_t tail, moved, indexed_lag, folded, oldest_tail_age_us;
    bool writable;
};
void audit_stats(struct app *app, struct audit_stats *out);

#endif
