/* Shared inside audit/ only: the open log, its segments, and what the files need of each other.
 *
 * A *log* is (tenant_id, epoch); tenant_id −1 is the instance's. A *position* folds epoch and index
 * into one cursor: epoch << 40 | index, so that for the first epoch it is the index itself. A
 * *segment* holds one month (ordinal of its UTC month) of all logs: two files on SQLite (events,
 * and the text index, so that the indexer never makes the mover wait), partitions on PostgreSQL. */
#ifndef RECOUNT_AUDIT_PRIV_H
#define RECOUNT_AUDIT_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "audit/audit.h"
#include "audit/proof.h"
#include "audit/record.h"
#include "audit/tree.h"
#include "run/app.h"

#define INSTANCE_LOG INT64_C(-1)
#define EPOCH_SHIFT                                                                                \
    40 /* a thousand thousand million events an epoch; stays below 2^53 for 8,192 epochs */
#define REFUSALS   16   /* that were told, remembered by a process */
#define MOVE_BATCH 1024 /* events of one move: bounds the segment's transaction to some 20 ms */

/* Names of advisory locks (any constant unlike the others'). */
#define LOCK_MOVER   INT64_C(0x7265636d6f766572)
#define LOCK_INDEXER INT64_C(0x7265636e64657872)
#define LOCK_MONTH   INT64_C(0x7265636d6f6e7468)

struct reason_row {
    const char *name, *table, *why;
};
const struct reason_row *reason_row(enum reason r);

/* What one segment holds of one log. */
struct range {
    int64_t tenant_id, epoch;
    int64_t first, next; /* indexes [first, next) */
    int64_t last_logged;
    int64_t min_lag, max_lag; /* of logged − at, µs: turns a range of `at` into one of indexes */
    int64_t indexed; /* the text index reaches to here, as far as this process knows; 0: nothing */
};

struct ranges {
    struct range *v; /* sorted by (tenant_id, epoch); heap */
    size_t n, cap;
};

struct segment {
    int32_t month;
    struct db *db; /* SQLite: the events' file; PostgreSQL: the main store */
    struct db
        *text; /* SQLite: the text index's file (NULL: unreadable); PostgreSQL: the main store */
    struct arena *arena;
    struct ranges ranges; /* SQLite only, under audit->lock */
    int pins;
    bool dropping;
};

/* Where a log stands (SQLite: in memory, under audit->lock). */
struct log_state {
    int64_t tenant_id, epoch, size, last_logged;
    bool dirty;             /* not yet noted in audit_log of the main store */
    int64_t signed_size;    /* size of the head this process published last */
    struct tree_edge *edge; /* of `size` leaves; heap, one a log */
};

/* A month's file that could not be opened (audit_options.damaged). */
struct unreadable {
    struct str file, why; /* "audit/2026-10.db"; what the store said */
};

struct batch;
struct fold;
struct heads;
struct mover_lock;
struct reserve;

#define CLOCK_HOST_MAX 256
#define CLOCK_BOOT_MAX 64

/* One look at a machine's clocks. */
struct clock_reading {
    int64_t wall, up; /* µs since 1970; since this boot, sleep included */
    char boot[CLOCK_BOOT_MAX], host[CLOCK_HOST_MAX];
};
/* What two looks say of the clock between them. */
struct clock_verdict {
    int64_t moved; /* µs against what was expected; over a boot: against the last look */
    bool certain;  /* the time since boot was there to compare with */
    bool tell, holds;
};
/* The keeper's: nobody else touches it while threads run. */
struct clock_watch {
    struct clock_reading seen; /* last look; host "" before the first */
    int64_t log_at;            /* first look only: when the newest event happened; 0: none */
    int64_t moved, steps;      /* small steps not told yet */
    int64_t told_at;           /* time since boot of the last event of small steps */
};

struct audit {
    struct app *app;
    struct arena *arena;
    struct audit_options options;
    bool pg;
    atomic_bool started;

    pthread_mutex_t lock;      /* lists below; held for moments only */
    pthread_cond_t moved;      /* broadcast after every move and at unpin */
    struct segment **segments; /* ascending by month */
    size_t n_segments, cap_segments;
    struct unreadable *unreadable;
    size_t n_unreadable, cap_unreadable;
    struct log_state *logs; /* sorted by tenant_id */
    size_t n_logs, cap_logs;
    int64_t last_logged; /* over all logs: never decreasing, so months never go back */
    int64_t moved_to;    /* SQLite: tail rows up to here are in a segment */
    int64_t trimmed_to;

    pthread_mutex_t mover; /* one move at a time; taken before `lock` */
    struct batch *batch;   /* mover.c's, under `mover` */
    pthread_mutex_t indexer;
    struct index_marks *marks; /* index.c's, under `indexer` */
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;  /* for the mover thread (CLOCK_MONOTONIC) */
    pthread_cond_t hurry; /* a reader waits: the mover need not gather any longer */
    uint64_t wakes;       /* commits signalled */
    uint64_t done;        /* value of `wakes` up to which the tail was seen empty or moved */
    bool index_due;
    bool index_renewed; /* index thread's: no chunk of an older program is left */
    pthread_cond_t index_wake;
    atomic_int settling; /* readers waiting */
    atomic_bool stop;
    pthread_t mover_thread, index_thread, keeper_thread, sign_thread;

    atomic_int months_kept;
    atomic_llong held_from; /* start of the oldest month a legal hold keeps; INT64_MAX: none */
    char id[17];            /* of this process, for leases */
    atomic_int fail_step;   /* tests: so many steps until one fails; 0: none does */
    atomic_bool uncomposed; /* tests: the index is made as programs made it that did not compose */
    atomic_bool hold_drops; /* a clock step of over an hour, not confirmed; kept in the store */
    struct clock_watch clock;

    struct fold *fold;
    struct mover_lock *shared; /* SQLite: the mover among processes; NULL: reading only */
    struct heads *heads;       /* what this server signed; NULL: nothing is signed */
    struct reserve *reserve;   /* SQLite, and only where threads run; else NULL */
    atomic_llong n_moved, n_folded;
    atomic_llong n_recorded; /* SQLite: events given to the tail, those undone again among them */
    atomic_bool trimming;    /* the mover waits for the main store's writer */
    atomic_llong n_caught;   /* how many of them the mover has left behind it */
    atomic_bool forked;      /* this server has signed another log: it signs nothing */
    atomic_bool writable;
    uint64_t refused[REFUSALS]; /* hashes of what custody_refuse() told; under `lock` */
};

static inline int64_t
position_of(int64_t epoch, int64_t index)
{
    return (int64_t)((uint64_t)epoch << EPOCH_SHIFT | (uint64_t)index);
}
static inline int64_t
position_epoch(int64_t position)
{
    return position >> EPOCH_SHIFT;
}
static inline int64_t
position_index(int64_t position)
{
    return position & ((INT64_C(1) << EPOCH_SHIFT) - 1);
}

/* ---- SQL on segments: $1 is the month, a column on PostgreSQL only. Inserts of SQLite leave it out:
 * an INSERT from a SELECT into a table with triggers collects its row in a temporary table. ---- */
#define SEG_LITE " $1 IS NOT NULL "
#define SEG_PG   " month = $1 "

/* ---- tail.c ---- */
/* Marks a transaction as the log's own: it writes nothing but tables named audit_…. */
void tail_own(struct db_tx *tx);

/* ---- segment.c ---- */
MUST_CHECK enum err segments_open(struct audit *au, struct str *why);
void segments_close(struct audit *au);
/* The segment of a month, made when absent (SQLite). */
MUST_CHECK enum err segment_make(struct audit *au, int32_t month, struct segment **out);
/* PostgreSQL, inside the mover's transaction: the partitions of a month. */
MUST_CHECK enum err segment_make_partitions(struct db_tx *tx, int32_t month);
struct str segment_path(struct arena *a, const struct audit *au, int32_t month, const char *suffix);
void segment_free(struct segment *s);
/* Months present, ascending, in the arena. */
MUST_CHECK enum err segment_months(struct audit *au, struct arena *a, int32_t **months, size_t *n);
/* A segment pinned against dropping, or NULL; give it back. */
struct segment *segment_pin(struct audit *au, int32_t month);
void segment_unpin(struct audit *au, struct segment *s);
struct range *ranges_find(struct ranges *r, int64_t tenant_id, int64_t epoch);
struct range *ranges_add(struct ranges *r, int64_t tenant_id, int64_t epoch);
struct log_state *log_find(struct audit *au, int64_t tenant_id);
struct log_state *log_add(struct audit *au, int64_t tenant_id);
/* The log as it is at the beginning of an epoch. */
void log_reset(struct log_state *l, int64_t epoch);

/* One log's part in one segment, for readers. */
struct region {
    int32_t month;
    struct range r;
};
/* Regions of a log, newest first. `tx`: an open read of the main store, or NULL. */
MUST_CHECK enum err regions_of(struct audit *au, struct db_tx *tx, struct arena *a,
                               int64_t tenant_id, struct region **out, size_t *n);
/* All regions of all logs in a month. */
MUST_CHECK enum err regions_in(struct audit *au, struct arena *a, int32_t month,
                               struct region **out, size_t *n);

/* What another process moved (SQLite); under the mover's lock. */
MUST_CHECK enum err segments_refresh(struct audit *au);

/* ---- mover_lock.c: one mover among the processes of a SQLite folder; NULL is allowed ---- */
MUST_CHECK enum err mover_lock_open(struct audit *au, struct str *why);
void mover_lock_close(struct audit *au);
/* Takes the lock, or ERR_CONFLICT when another process has it. *foreign: another process has moved
 * since we had it, and what we know of the segments was read again. */
MUST_CHECK enum err mover_lock_take(struct audit *au, bool *foreign);
/* Waits for it (backups). */
MUST_CHECK enum err mover_lock_wait(struct audit *au);
/* Before a commit: the others will look again, even if this process dies in the middle. */
MUST_CHECK enum err mover_lock_changing(struct audit *au);
/* The commit's fate is not known: look again ourselves. */
void mover_lock_doubt(struct audit *au);
void mover_lock_give(struct audit *au);
/* The same for the text index, without waiting. */
bool index_lock_take(struct audit *au);
void index_lock_give(struct audit *au);

/* ---- drop.c ---- */
/* Removes a month: files or partitions. Resumed from any step; ERR_CONFLICT: another process is at
 * work, to be tried again. */
MUST_CHECK enum err segment_drop(struct audit *au, int32_t month);
/* SQLite: keeps moves and backups of all processes away; waits some seconds, else ERR_CONFLICT. */
MUST_CHECK enum err mover_take(struct audit *au);
void mover_give(struct audit *au);
/* Gives back to the disk what a drop has left (SQLite). */
void drop_sweep(struct audit *au);
/* Between the steps of drops and erasures: ERR_IO when a test has planned a fault there. */
MUST_CHECK enum err audit_step(struct audit *au);
/* PostgreSQL: the tables with a partition a month; those below AUDIT_KEPT are the log itself, the others
 * are derived from it. */
#define AUDIT_PARTITIONED 8
#define AUDIT_KEPT        6
extern const char *const audit_partitioned[AUDIT_PARTITIONED];
struct str partition_name(struct arena *a, const char *table, int32_t month);

/* ---- reserve.c ---- */
void reserve_open(struct audit *au);
void reserve_close(struct audit *au);
/* Looks at the disk and at the mover; closes and opens the gate. */
void reserve_watch(struct audit *au);
bool reserve_is_tight(const struct audit *au);

/* ---- mover.c ---- */
void *mover_main(void *arg); /* mover_thread.c */
/* Wakes who waits for events to be moved. */
void mover_tell(struct audit *au);
/* Moves all that was committed before the call. Ends also when writers are faster than it is. */
MUST_CHECK enum err mover_drain(struct audit *au);
/* SQLite: after a commit; waits a little when the mover is far behind. */
void mover_let_catch_up(struct audit *au);
/* SQLite: removes moved rows from the tail and notes the logs' sizes. */
MUST_CHECK enum err mover_trim(struct audit *au);
void mover_fini(struct audit *au);

/* ---- nodes.c: the stored part of the tree ---- */
/* A finished subtree, on its way into the segment. */
struct node {
    struct log_id log;
    int level;
    int64_t n;
    struct sha256 hash;
    struct node *next;
};
MUST_CHECK enum err nodes_put(struct db_tx *tx, int32_t month, const struct node *first);
/* The leaf hashes before the first event of a log in a month, back to the beginning of its tile. */
MUST_CHECK enum err carry_put(struct db_tx *tx, int32_t month, struct log_id log, int64_t first,
                              struct str hashes);
/* Tile hashes [n, n + width) of a level, width ≤ 256; ERR_NOT_FOUND when one is pruned. `tx`: an open
 * transaction of the main store on PostgreSQL (may be NULL); on SQLite it is not used. */
MUST_CHECK enum err nodes_read(struct audit *au, struct db_tx *tx, struct arena *a,
                               struct log_id log, int level, int64_t n, int width,
                               struct sha256 *out);
/* Before a month is dropped: its nodes go to the main store. May be repeated. */
MUST_CHECK enum err nodes_keep(struct audit *au, int32_t month);
/* A log's edge in a segment that has none yet is misaligned: how many leaf hashes are carried. */
static inline int
carry_width(int64_t first)
{
    return (int)(first % TILE_WIDTH);
}

/* ---- heads.c, sign.c ---- */
void heads_close(struct audit *au);
void *sign_main(void *arg);
/* One round: signs what grew. Safe on any thread and in several processes. */
MUST_CHECK enum err sign_round(struct audit *au);
/* Once a minute: the blinded heads of the logs that grew, into the instance's log. */
MUST_CHECK enum err round_record(struct audit *au);
/* "<instance>/<tenant>/<epoch>"; ERR_NOT_FOUND when the tenant is gone. tx: any of the main store. */
MUST_CHECK enum err log_origin(struct audit *au, struct db_tx *tx, struct log_id log,
                               struct str *out);

/* tenant.c: inside cx->tx, cx acts in the log's workspace. The log of one that was removed still ends in
 * events of its own. */
MUST_CHECK enum err take_tenant(struct cx *cx, int64_t tenant_id);

/* Moves all that is committed and empties the tail of it; waits for another process's mover. */
MUST_CHECK enum err audit_move_out(struct app *app);

/* ---- index.c ---- */
void *index_main(void *arg);
MUST_CHECK enum err index_all(struct audit *au);
void index_fini(struct audit *au);
/* Makes the chunk that holds the index again, without what was erased; *next: the first index behind
 * it. Nothing is done for what is not indexed. ERR_CONFLICT: another process indexes now. */
MUST_CHECK enum err index_remake(struct audit *au, const struct region *g, int64_t idx,
                                 int64_t *next);
/* Makes the first chunk again that an older program made of documents that were not composed; *found: there was
 * one, so there may be more. */
MUST_CHECK enum err index_renew(struct audit *au, bool *found);
#define GRAM_BYTES 3
#define CHUNK_0    4096  /* events of a chunk of level 0 */
#define CHUNK_1    65536 /* sixteen of them */
static inline int64_t
chunk_size(int64_t level)
{
    return level == 0 ? CHUNK_0 : CHUNK_1;
}
static inline uint32_t
gram_at(const char *p)
{
    const uint8_t *u = (const uint8_t *)p;
    return (uint32_t)u[0] << 16 | (uint32_t)u[1] << 8 | u[2];
}

/* ---- erase.c, scrub.c ---- */
struct erase_subject;
/* The store that holds a month's events; s: its pinned segment on SQLite. */
struct db *erase_store(struct audit *au, struct segment *s);
/* Regions of a log, oldest first, in cx->arena. */
MUST_CHECK enum err erase_regions(struct cx *cx, int64_t log, struct region **out, size_t *n);
/* 0: the workspace's log, 1: the instance's. */
int64_t erase_log(const struct erase_subject *s, int log);
#define ERASE_MONTHS_MAX 256 /* more than RETENTION_MAX */
/* Gives an event without a personal part the words that stay: who was erased, and in what role. tx: of
 * the month's events. */
MUST_CHECK enum err erased_fill(struct db_tx *tx, struct arena *a, int32_t month, int64_t tenant_id,
                                struct audit_event *e);

/* ---- doc.c: the text of an event that search looks at, composed and folded ---- */
void doc_put(struct buf *b, const struct audit_event *e);
/* Folded alone, as the documents were from which older programs made the index. */
void doc_put_uncomposed(struct buf *b, const struct audit_event *e);
/* The bitmap of a chunk: a bit for each pair of bytes that follow each other in a document. No text holds the
 * pair FF FF: its bit says that the documents were doc_put()'s. */
#define BIGRAM_BYTES    8192
#define BIGRAM_COMPOSED 0x80 /* in the last byte */
#define FIRST_MARK_LEAD                                                                            \
    0xCC /* no byte of a text below U+0300, which is the same composed or not, is as high */
/* The chunk's documents are as doc_put() makes them: by that bit, or because they hold nothing that is composed. */
bool bitmap_is_composed(struct str map);

/* ---- search.c ---- */
#define TERMS_MAX 16
struct search {
    struct str *terms; /* folded */
    size_t n;
    uint32_t *grams; /* of all terms, each once; the rarest known first */
    int64_t *seen;   /* how often, in the chunks looked at */
    size_t n_grams;
    bool
        composing; /* a term may be found where a document is composed, and in an older index is not */
};
MUST_CHECK enum err search_parse(struct arena *a, struct str q, struct search *out);
bool search_match(const struct search *s, struct str doc);

/* A gram's events in a chunk. */
struct posting {
    uint32_t gram;
    int64_t n;
    struct str list; /* null: too frequent to be worth reading */
    bool gone;       /* the chunk was merged with others since search_chunks() */
};
/* A run of indexes [lo, hi) of one region, either to be scanned or given by candidates. */
struct chunk {
    int64_t level, chunk, lo, hi;
    bool asked; /* search_ahead() has read a posting of it */
    struct posting ahead;
};
MUST_CHECK enum err search_chunks(struct db_tx *text, struct arena *a, const struct region *g,
                                  struct chunk **out, size_t *n);
#define PROBES_MAX 16 /* postings read by one statement, on PostgreSQL */
/* Reads a posting of each of the next n chunks, at most PROBES_MAX, of the gram most likely to tell them apart;
 * in the arena. On PostgreSQL one round trip instead of n; on SQLite nothing is to be gained, and done. */
MUST_CHECK enum err search_ahead(struct db_tx *text, struct arena *a, const struct search *s,
                                 const struct region *g, struct chunk *const *next, size_t n);
enum chunk_way { CHUNK_SKIP, CHUNK_SCAN, CHUNK_PICK };
/* What to do with a chunk; for CHUNK_PICK *picks are indexes, ascending, in the arena. */
MUST_CHECK enum err search_chunk(struct db_tx *text, struct arena *a, struct search *s,
                                 const struct region *g, const struct chunk *c, enum chunk_way *way,
                                 int64_t **picks, size_t *n);

/* ---- fold.c ---- */
struct fold *fold_new(void);
void fold_free(struct fold *f);
/* Records the counts of the window that ended; all of them when `all`. */
void fold_flush(struct audit *au, bool all);
/* Until something is kept, at most so long. */
void fold_wait(struct audit *au, int64_t us);

/* ---- clock.c ---- */
struct clock_reading clock_read(void);
struct clock_verdict clock_judge(const struct clock_reading *before,
                                 const struct clock_reading *now);
/* Compares with the last look (at first: of the run before), tells and holds what it must, and keeps
 * the new one. */
void clock_watch(struct audit *au, const struct clock_reading *now);

/* ---- month.c ---- */
/* Looks at the clock; drops what the window left behind. */
void month_check(struct audit *au);
void *keeper_main(void *arg);

/* ---- render.c / ocsf.c ---- */
void ocsf_put(struct json_writer *w, const struct audit_event *e);

/* audit_newest() for a caller with a read of the main store open (tx may be NULL). */
int64_t newest_in(struct app *app, struct db_tx *tx, int64_t tenant_id, bool instance);

/* The member "changes" of an event (render.c). */
void put_changes(struct json_writer *w, const struct audit_event *e);

#endif
