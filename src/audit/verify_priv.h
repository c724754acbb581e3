/* Shared by the files of the verifier: what is known of the logs before they are walked, and the walk
 * itself. */
#ifndef RECOUNT_AUDIT_VERIFY_PRIV_H
#define RECOUNT_AUDIT_VERIFY_PRIV_H

#include "audit/heads.h"
#include "audit/verify.h"

#define VERIFY_FAST  8192 /* events of one read */
#define VERIFY_DEEP  1024
#define VERIFY_LEVEL 5 /* levels of stored hashes that an epoch of 2^40 events can have */

/* What a month says of a log. */
struct vmonth {
    int32_t month;
    struct range r;
    struct str edge;
    bool has_carry;
    int64_t carry_first;
    struct str carry;
};

/* A size at which the log must have a known root (or edge). */
struct vmark {
    int64_t size;
    struct sha256 root;
    struct str edge; /* instead of a root; null: none */
    struct str what; /* "the published checkpoint" */
    bool old_ok;     /* no finding when the events around it have expired */
    bool beyond_ok;  /* nor when it is of more events than are left: its epoch has ended */
    bool published;  /* by the store */
    int64_t head;    /* which of result->heads it proves; -1: none */
};

struct vlog {
    struct log_id log;
    struct str origin, tenant; /* tenant: its cuid; null: it is gone, or the instance's log */
    bool noted;                /* has a row in audit_log */
    int64_t size, last_logged; /* by that row */
    struct vmonth *months;     /* ascending */
    size_t n, cap;
    struct vmark *marks; /* ascending by size when the walk begins */
    size_t n_marks, cap_marks;
    bool has_epoch; /* has a row in audit_epoch */
    int64_t began;  /* by that row, µs; part of the origin */
};

struct vtenant {
    int64_t id;
    struct str cuid;
};

struct vbegan {
    struct log_id log;
    int64_t at; /* µs */
};

struct verify {
    struct cx *cx;
    struct audit *au;
    const struct verify_options *o;
    struct verify_result *res;
    struct arena *a;   /* of the run */
    struct arena *say; /* of one finding */
    struct vlog *logs; /* by (tenant, epoch) */
    size_t n, cap;
    struct vtenant *tenants; /* by id */
    size_t n_tenants;
    struct vbegan *began; /* of all epochs but the first */
    size_t n_began;
    int64_t *drops; /* months whose expiry was recorded */
    size_t n_drops;
    struct str instance;
    uint64_t key[2];     /* of sums that nobody outside can foresee */
    bool whole;          /* every log from its beginning */
    int64_t last_client; /* deep: the greatest number of a client in any event */
};

/* l may be NULL: the store as a whole. */
void verify_tell(struct verify *v, const struct vlog *l, int64_t index, struct str expected,
                 struct str found, const char *fmt, ...) PRINTF_LIKE(6, 7);
void verify_note(struct verify *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct str verify_int(struct verify *v, int64_t n); /* in v->say */
struct str verify_hex(struct verify *v, const struct sha256 *h);
struct str verify_month_name(struct verify *v, int32_t month);
/* With `make` a log that is new here is named and taken into the list. */
struct vlog *verify_log(struct verify *v, struct log_id log, bool make);
void verify_mark(struct verify *v, struct vlog *l, struct vmark m);
bool verify_month_dropped(struct verify *v, int32_t month);

/* ---- verify_main.c: the main store, the sizes ---- */
MUST_CHECK enum err verify_look(struct verify *v);
/* The tail decodes and has no gap. */
void verify_tail(struct verify *v);
/* Deep, behind the walk: no client's number is given again. */
void verify_numbers(struct verify *v);
/* SQLite: PRAGMA integrity_check on every file. */
void verify_files(struct verify *v);

/* ---- verify_month.c: what months say of themselves ---- */
MUST_CHECK enum err verify_months(struct verify *v);

/* ---- verify_head.c ---- */
/* Published heads and those remembered: signatures, and marks for the walk. */
MUST_CHECK enum err verify_heads(struct verify *v);
/* Whether the origin is the log's; of a workspace that is gone, whether it may be. */
bool verify_origin_fits(const struct verify *v, const struct vlog *l, struct str origin);
/* Records of epochs, once all sizes are known. */
void verify_epochs(struct verify *v);
/* The checkpoints given from outside. */
void verify_given(struct verify *v);

/* ---- verify_drop.c ---- */
/* What is missing at the beginning of a log expired, and that was recorded. */
void verify_expired(struct verify *v, struct vlog *l);
/* The hashes that are left of expired months fit each other. */
void verify_kept(struct verify *v, const struct vlog *l);
/* Others among them: of a month that is there, of places or logs that there are not. */
void verify_strays(struct verify *v, const struct vlog *l);
void verify_kept_logs(struct verify *v);

/* ---- verify_opening.c: deep ---- */
void verify_openings(struct verify *v);

/* ---- verify_key.c: deep ---- */
/* What covers a rotation of the signing key is signed by the key it brought. */
void verify_keys(struct verify *v);

/* ---- verify_cosigned.c ---- */
/* Kept cosignatures, and what the published heads say of them. */
void verify_cosigned(struct verify *v);

/* ---- verify_guard.c ---- */
void verify_guards(struct verify *v);

/* ---- verify_custody.c: deep ---- */
/* Holds, retention, requests to erase and the clock's hold: the tables against the log. */
void verify_custody(struct verify *v);
/* The logs that are asked for: of workspaces, by number, and AUDIT_INSTANCE. */
size_t verify_custody_logs(struct verify *v, int64_t **out);

/* ---- verify_erasure.c: deep ---- */
/* Erasure rows against what the log says was chosen. */
void verify_erasures(struct verify *v);

/* ---- verify_witness.c: deep ---- */
/* How witnesses are said to stand to the logs, against what the logs were told. */
void verify_witnesses(struct verify *v);

/* ---- verify_walk.c ---- */
struct vtext;
struct vparties;
struct walk {
    struct verify *v;
    struct vlog *l;
    const struct vmonth *m;
    struct segment *s;     /* SQLite: pinned */
    struct arena *a;       /* of one batch */
    struct arena *row;     /* of one record */
    int64_t at;            /* next index expected */
    int64_t from;          /* where the walk of the log began */
    struct tree_edge edge; /* of `at` leaves, unless broken */
    bool broken;           /* the tree can not be made: something before is missing */
    struct sha256 ring[TILE_WIDTH];
    int64_t last_logged, month_start, month_end;
    int64_t min_lag, max_lag;
    bool from_first; /* the month was walked from its first event */
    size_t mark;     /* next one */
    struct node *nodes;
    size_t n_nodes;
    int64_t lo, hi; /* of the batch */
    struct vtext *text;
    struct vparties *parties;
};
/* False: pace said stop. */
bool verify_walk(struct verify *v, struct vlog *l);
struct db *walk_store(const struct walk *w, bool text);

/* ---- verify_record.c: deep ---- */
struct vrow {
    int64_t idx, at, logged, type, outcome, client;
    struct str cuid, pub, leaf;
    bool has_personal, has_erasure;
    struct str salt, personal, inner;
};
/* tx: of the events. Fails only when the store can not be read. */
MUST_CHECK enum err verify_record(struct walk *w, struct db_tx *tx, const struct vrow *row);

/* ---- verify_party.c: deep ---- */
struct vparties *parties_begin(struct walk *w);
void parties_see(struct walk *w, const struct audit_event *e);
void parties_end(struct walk *w);
void parties_free(struct walk *w); /* nothing when there are none */
uint64_t verify_sum(const struct verify *v, struct str s, uint64_t n);

/* ---- verify_text.c: deep ---- */
struct vtext *text_begin(struct walk *w);
void text_month(struct walk *w);
/* Before a batch: how far it may reach at most. */
int64_t text_cover(struct walk *w, int64_t at);
void text_see(struct walk *w, struct record *r);
void text_after(struct walk *w);
void text_free(struct vtext *t);

#endif
