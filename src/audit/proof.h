/* The log as something that can be checked: heads, checkpoints, tiles, proofs, epochs. What is
 * stored where: doc/decisions/0004-tree-storage.md. Formats: note.h, tree.h, record.h.
 *
 * A log is named by its origin, "<instance cuid>/<tenant cuid>/<epoch>" ("<instance cuid>/instance/<epoch>"
 * for the installation's own), which is also the name of its key. */
#ifndef RECOUNT_AUDIT_PROOF_H
#define RECOUNT_AUDIT_PROOF_H

#include "audit/audit.h"
#include "audit/note.h"
#include "audit/tree.h"

struct log_id {
    int64_t tenant_id; /* AUDIT_INSTANCE: the installation's */
    int64_t epoch;
};
#define AUDIT_INSTANCE INT64_C(-1)

/* A published head. */
struct audit_head {
    struct log_id log;
    struct str origin;
    int64_t size;
    struct sha256 root;
    struct str note;     /* signed checkpoint with the cosignatures so far */
    int64_t signed_at;   /* µs */
    int64_t cosigned_at; /* µs of the newest cosignature of a configured witness; 0: none */
};

/* Opens the head file DIR/heads.db of this server and compares the store with it, by the schema it has: ERR_CONFLICT with
 * a sentence in *why when the store is older than, or not a continuation of, what this server has
 * signed (not with accept_older: for the command that begins new epochs). Called when app->keys is
 * set, before anything is written or moved. Without it nothing is signed. */
MUST_CHECK enum err audit_heads_open(struct app *app, bool accept_older, struct str *why);
/* Before the log can be opened, for a store that is empty or of a schema without heads: ERR_CONFLICT with a
 * sentence in *why when this server remembers that it has signed. */
MUST_CHECK enum err audit_heads_none(struct str dir, struct arena *a, struct str *why);
/* After it, and before anything is written: whether this server still remembers what it has signed.
 * ERR_CONFLICT with a sentence in *why when heads.db is gone or older than what was published (not with
 * `accept`). */
MUST_CHECK enum err audit_heads_vouch(struct cx *cx, bool accept, struct str *why);
/* The setting of the installation that holds what the log was last told of a server's policy of witnesses, and the change of
 * the event that says its digest; the server's name behind both. */
#define AUDIT_POLICY_SETTING "witnesses."
#define AUDIT_POLICY_DIGEST  "policy of "
/* What this server goes by in a shared store's settings: hex digits of its machine and data folder. */
struct str audit_server_name(struct cx *cx);
/* After both, outside any transaction: a server that is new to a shared store is admitted, with an event. */
MUST_CHECK enum err audit_heads_join(struct cx *cx, struct str *why);
/* INSTALLATION/WORKSPACE/EPOCH, the name of a log and of its key. Behind the number of an epoch that was begun after a
 * restore stands when that was (µs, hexadecimal; 0: epoch 0): two stores put back from one copy have the same number, and
 * must not sign under the same name. */
struct str audit_origin(struct arena *a, struct str instance, struct str name, int64_t epoch,
                        int64_t began);
/* SQL: `began` of the epoch in the row x of audit_epoch. Early versions named an epoch by its number alone; one that
 * has signed under such a name (no other has no dash) keeps it to its end, as nothing may be signed under two. */
#define AUDIT_BEGAN                                                                                \
    "CASE WHEN EXISTS (SELECT 1 FROM audit_head h WHERE h.tenant_id = x.tenant_id"                 \
    " AND h.epoch = x.epoch AND h.origin NOT LIKE '%-%') THEN 0 ELSE x.at END"
/* Signs and publishes the heads of all logs that grew, now, on the calling thread: commit durable →
 * head file durable → published. The server does it within a second of an event by itself. */
MUST_CHECK enum err audit_sign_now(struct app *app);

/* Whether signing has stopped because the log is not the one that this server has signed, or its keys are no longer
 * those of the store. */
bool audit_signing_stopped(struct app *app);

/* The published head of the log's newest epoch (or of the epoch given, −1: newest). ERR_NOT_FOUND
 * before the first. `cx` may have a read open or none. */
MUST_CHECK enum err audit_head_get(struct cx *cx, int64_t tenant_id, int64_t epoch,
                                   struct audit_head *out);
/* The key that checks the log's published head: the newest of those that signed it. */
MUST_CHECK enum err audit_vkey(struct cx *cx, int64_t tenant_id, int64_t epoch, struct str *out);
/* All keys of ours that signed the published head, newest first, one a line. */
MUST_CHECK enum err audit_vkeys(struct cx *cx, int64_t tenant_id, int64_t epoch, struct str *out);
/* In a write, the keys' rotation begun (keys_rotate_begin): records it in every log, with a statement signed by the key
 * of before, and binds the store to the next key. ERR_CONFLICT: the store is bound to other keys. */
MUST_CHECK enum err audit_rotate_key(struct cx *cx, struct str reason);
/* In a write: a store from before a rotation, put back on purpose, is bound to the keys of today; recorded in the
 * installation's log. ERR_CONFLICT when the keys of today do not go back to its own. */
MUST_CHECK enum err audit_rebind_keys(struct cx *cx);
/* The log's signing key; for sealing manifests and the like (note text → signed note). */
MUST_CHECK enum err audit_sign_text(struct cx *cx, int64_t tenant_id, int64_t epoch,
                                    struct str text, struct str *note);
/* Tile hashes of a log, for tiles and proofs (tree_source over the store). The source is valid while
 * cx lives. */
struct tree_source audit_tree(struct cx *cx, struct log_id log);
/* The first index whose event is still kept (0: all): smaller ones are pruned. */
MUST_CHECK enum err audit_minimum_index(struct cx *cx, struct log_id log, int64_t *out);
/* Leaf entries [first, first + n), 32 bytes each, in the arena; ERR_NOT_FOUND when one is pruned. */
MUST_CHECK enum err audit_entries(struct cx *cx, struct log_id log, int64_t first, int n,
                                  struct str **out);

/* Everything that proves one event. */
struct audit_proof {
    struct audit_head head;
    int64_t index;
    struct tree_proof inclusion;
    struct str public_part;      /* canonical bytes */
    struct str salt, personal;   /* null when erased */
    struct sha256 personal_hash; /* SHA-256(salt ‖ personal): all there is after an erasure */
    bool erased;
    struct sha256 leaf; /* leaf entry */
};
/* ERR_NOT_FOUND: no such event in the log; ERR_UNAVAILABLE: moved, but not under a head yet (a
 * second at most: the function waits for it up to `wait_ms`); ERR_CONFLICT: and its epoch has ended, so
 * that none will ever cover it. */
MUST_CHECK enum err audit_prove(struct cx *cx, int64_t tenant_id, struct str cuid, int wait_ms,
                                struct audit_proof *out);

/* The published head of the log's newest epoch once it covers the position of a list (audit_newest():
 * −1 = any), waited for as above. */
MUST_CHECK enum err audit_head_over(struct cx *cx, int64_t tenant_id, int64_t newest, int wait_ms,
                                    struct audit_head *out);
/* The same for an event of a list, towards a head the caller has; an event of another epoch, or beyond
 * the head, comes without inclusion (out->inclusion.n = 0, out->head.size = 0). No transaction is open. */
MUST_CHECK enum err audit_prove_event(struct cx *cx, const struct audit_event *e,
                                      const struct audit_head *head,
                                      const struct tree_source *source, struct audit_proof *out);

/* Ends the epoch of every log of the store and begins the next (a lawful restore); no server may run
 * meanwhile. Each log's first record holds the last checkpoint known (from the store, or a newer one
 * that this server's head file holds), the range of indices lost, and who did it (cx->actor). What
 * was recorded but not yet moved follows behind it. The old origin never signs again. */
MUST_CHECK enum err audit_begin_epochs(struct cx *cx, struct str reason);

/* Blinded heads: the leaf of a log's head in the round that the instance log recorded. */
struct audit_opening {
    int64_t at;       /* µs of the round */
    struct str event; /* cuid of the instance log's event */
    int64_t size;
    struct sha256 head_root, salt, round_root;
    int64_t leaf_index, leaves;
    struct tree_proof path;
};
/* The newest opening of the log; ERR_NOT_FOUND: none yet. */
MUST_CHECK enum err audit_opening_get(struct cx *cx, struct log_id log, struct audit_opening *out);

/* ---- cosignatures of witnesses: what is stored of them; who asks for them is out/cosign.h ---- */

/* How a witness stands to a log, the same for every server on the store. */
enum audit_witness_state {
    WITNESS_UNKNOWN, /* it was never asked */
    WITNESS_COSIGNS,
    WITNESS_FAILS,       /* it does not answer, or refuses */
    WITNESS_CONTRADICTS, /* what it remembers, and signed, is not this log; until it cosigns again */
};
struct audit_witness {
    enum audit_witness_state state;
    int64_t since;              /* µs, as all times here: when the state began */
    int64_t asked_at;           /* at most AUDIT_WITNESS_EVERY old while it is asked more often */
    int64_t good_at, failed_at; /* 0: never */
    struct str why;             /* of the last failure, also when it cosigns since; null: none */
    enum audit_witness_state told; /* what the log's events say: WITNESS_UNKNOWN: nothing */
    int64_t told_from, told_n;     /* how many of them since when, within an hour */
};
#define AUDIT_WITNESS_EVERY USEC_PER_MIN
#define AUDIT_WITNESS_TOLD  6 /* events an hour, a witness and a log: a witness is a stranger */
/* A published head that a witness has not cosigned, or not since long. */
struct audit_uncosigned {
    struct audit_head head;
    int64_t from; /* the size it last cosigned, as far as we know; 0: none */
    struct audit_witness was;
};
/* Of the newest epochs of all logs, in the order of their tenants, those behind `after` (INT64_MIN: all):
 * what the witness with this key has not cosigned at this size, or not since `since` (µs). At most max. */
MUST_CHECK enum err audit_uncosigned(struct cx *cx, struct str witness, int64_t since,
                                     int64_t after, size_t max, struct audit_uncosigned **out,
                                     size_t *n);
/* Stores the witness's signature line over the head, which the caller has checked, and adds it to the
 * published checkpoint while that is still of the same size. at: µs, what the line says. A size smaller
 * than one stored changes nothing. */
MUST_CHECK enum err audit_cosigned_put(struct cx *cx, const struct audit_head *head,
                                       const struct note_key *witness, struct str line, int64_t at);
struct audit_cosigned {
    int64_t size, at;
    struct str note; /* the checkpoint of that size, signed by the log and this witness */
};
/* The newest epoch of the tenant's log that the witness cosigned; ERR_NOT_FOUND. */
MUST_CHECK enum err audit_cosigned_get(struct cx *cx, int64_t tenant_id, struct str witness,
                                       struct audit_cosigned *out);

/* What came of asking a witness, of one log. */
struct audit_witness_asked {
    struct log_id log;
    struct audit_witness was;      /* as it was read before */
    enum audit_witness_state came; /* WITNESS_COSIGNS, WITNESS_FAILS or WITNESS_CONTRADICTS */
    struct str why;                /* null with WITNESS_COSIGNS */
};
/* For a contradiction that is told, inside cx->tx, whose event covers job and notification. */
typedef enum err (*audit_witness_tell)(struct cx *cx, struct str subject, struct str text);
/* Keeps it, with its event in the log concerned: a state that changed, a failure when it is met a second
 * time in a row, else at most once in AUDIT_WITNESS_EVERY. Writes nothing when nothing of it is due, or
 * the disk is all but full. Outside any transaction; tell may be NULL. */
MUST_CHECK enum err audit_witness_note(struct cx *cx, const struct note_key *witness,
                                       const struct audit_witness_asked *v, size_t n,
                                       audit_witness_tell tell);
/* What is kept; ERR_NOT_FOUND: it was never asked. cx may have a read open or none. */
MUST_CHECK enum err audit_witness_get(struct cx *cx, struct log_id log, struct str witness,
                                      struct audit_witness *out);

/* Whether this process is the one of all servers on the store that sends to the witnesses for the next
 * AUDIT_TURN_US; asking again in time keeps it. last: gives it back. ERR_CONFLICT: another one is. */
#define AUDIT_TURN_US (20 * USEC_PER_SEC)
MUST_CHECK enum err audit_cosign_turn(struct cx *cx, struct str process, bool last);

#endif
