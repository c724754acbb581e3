/* The head file of this server, inside audit/ only: rows of what was signed. See heads.c. */
#ifndef RECOUNT_AUDIT_HEADS_H
#define RECOUNT_AUDIT_HEADS_H

#include "audit/priv.h"

struct heads {
    struct db *db;
    struct arena *arena;
    pthread_mutex_t round; /* one round of signing at a time in this process */
    int64_t seen;          /* PostgreSQL: heads published up to here are remembered */
};

struct head_row {
    struct log_id log;
    struct str origin;
    int64_t size;
    struct sha256 root;
    struct str note;
    int64_t at;
    bool closed; /* its epoch has ended: never signed again */
    bool stale;  /* out of heads_put(): this server has a newer one, or the epoch has ended */
};

#define ROUND_SALT 32 /* bytes that hide a head in its round (round.c) */

/* The schema of the file. */
extern const char heads_sql[];
/* All rows, in the arena; of any file of heads. */
MUST_CHECK enum err heads_read(struct db *db, struct arena *a, struct head_row **v, size_t *n);
/* Durable when it returns. ERR_CONFLICT: another root was signed for the same size. */
MUST_CHECK enum err heads_put(struct audit *au, struct arena *a, struct head_row *v, size_t n);
MUST_CHECK enum err heads_get(struct audit *au, struct arena *a, struct log_id log,
                              struct head_row *out);
/* The epochs of the log up to this one have ended. */
MUST_CHECK enum err heads_closed(struct audit *au, struct arena *a, struct log_id log);

/* How this server stands in a shared store's settings (heads_vouch.c): the name of the row, and what it
 * holds, in the arena. */
struct str heads_server(struct arena *a, const struct audit *au, struct str *value);
MUST_CHECK enum err heads_server_known(struct db_tx *tx, struct str name, int64_t *n);

/* ERR_FORBIDDEN: the store knows other keys than this process holds; it must sign nothing (sign.c). */
MUST_CHECK enum err keys_current(struct audit *au, struct db_tx *tx);
/* The text signed with the keys of the log of that origin (sign.c). */
struct str sign_text(struct audit *au, struct arena *a, struct str origin, struct str text);

#endif
