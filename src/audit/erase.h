/* Erasing a person from the log: the personal part and the salt of every event in which he acts, to
 * whom something is done, or that names him go; an erasure row keeps the inner hash, so that the leaf
 * and every proof still verify, and a pseudonym, so that his events stay linked. Who may ask for it
 * is core/erasure.h's business. doc/decisions/0009-erasure.md.
 *
 * The work is cut into slices: each function goes on at *at, stops when its time is over, and leaves
 * *at where the next slice begins. A slice that is repeated after a crash does no harm. None may be
 * called inside a transaction. */
#ifndef RECOUNT_AUDIT_ERASE_H
#define RECOUNT_AUDIT_ERASE_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/audit.h"
#include "run/cx.h"

#define ERASE_WORDS_MAX 64 /* of each kind */
#define ERASE_NAME_MIN  5 /* bytes, with a space in them: shorter names are not looked for in text */

struct erase_words {
    struct str v[ERASE_WORDS_MAX];
    size_t n;
};

/* By what he is known. E-mail addresses, names and texts are keys (text_key). */
struct erase_subject {
    int64_t tenant_id; /* whose log; the instance's is looked through by cuid and address only */
    struct erase_words cuids;         /* of his accounts */
    struct erase_words emails;        /* his addresses: matched as whole addresses */
    struct erase_words names;         /* "first last", as they were: matched as whole words */
    struct erase_words texts;         /* what else gives him away, as asked for: matched anywhere */
    struct erase_words others;        /* cuids of other people who bear one of the names */
    struct str person;                /* the pseudonym that stays, ERASED_PERSON_LEN hex digits */
    struct str request;               /* cuid of the request */
    const struct audit_change *facts; /* told again with each choice: custody_facts() */
    size_t n_facts;
};
#define ERASED_PERSON_LEN 10
#define ERASE_PART_MIN    4 /* bytes of a part of a name that is looked for in queries */

/* Adds the word when it is new; silently nothing when the list is full or the word empty. */
bool erase_words_add(struct arena *a, struct erase_words *w, struct str word);
/* The same, case-folded. */
bool erase_words_add_folded(struct arena *a, struct erase_words *w, struct str word);
/* Whether text names the subject (by address, cuid, name or text). */
bool erase_is_named(struct arena *scratch, const struct erase_subject *s, struct str text);
/* The same for what people type when they look for somebody: parts of a name or address, too. */
bool erase_is_searched(struct arena *scratch, const struct erase_subject *s, struct str query);
/* The pseudonym of a person: a keyed hash, the same for the same key in the same workspace. */
struct str erase_person(struct cx *cx, struct str key);
/* "Erased person 7F3A9C21B0". */
struct str erased_label(struct arena *a, struct str person);

/* Where a pass stands: which log (0 the workspace's, 1 the instance's), and the position to go on at. */
struct erase_place {
    int log;
    int64_t position;
    int64_t looked_at, total; /* events, for showing progress */
    bool done;
};

/* First pass: adds names and addresses as they were of whoever has one of the cuids or addresses,
 * and the cuids of those with one of the addresses. *grew: something was added. */
MUST_CHECK enum err erase_learn(struct cx *cx, struct erase_subject *s, int64_t budget_us,
                                struct erase_place *at, bool *grew);
/* Second pass: erases. Before anything of an event goes, an event ErasureRowsChosen in the workspace's
 * log says which are taken, so that what was taken without one can be told. */
MUST_CHECK enum err erase_events(struct cx *cx, const struct erase_subject *s, int64_t budget_us,
                                 struct erase_place *at);
/* Third pass: makes the chunks of the text index again that hold events of the request.
 * ERR_CONFLICT: another process indexes, try again. */
MUST_CHECK enum err erase_reindex(struct cx *cx, const struct erase_subject *s, int64_t budget_us,
                                  struct erase_place *at);
/* Where the rewriting stands. */
struct erase_scrubbed {
    int64_t unit; /* files or tables that are done */
    int64_t
        horizon; /* PostgreSQL: no transaction from before this one may be left; 0: not chosen */
    bool done;
};
/* Last: rewrites files or partitions so that freed space holds no old bytes; one unit a call.
 * ERR_CONFLICT: somebody still reads the rows of before, so that they would be kept; *at has changed, try again. */
MUST_CHECK enum err erase_scrub(struct cx *cx, const struct erase_subject *s,
                                struct erase_scrubbed *at);

/* What a request has erased. */
struct erase_run {
    bool instance; /* of the instance's log */
    int64_t epoch, first, last;
};
struct erase_summary {
    int64_t events;
    int64_t first_at;       /* when the oldest of them happened, µs; 0: there is none */
    struct erase_run *runs; /* of neighbouring indices, at most ERASE_RUNS_MAX */
    size_t n_runs;
    bool more_runs;
};
#define ERASE_RUNS_MAX 500
MUST_CHECK enum err erase_sum_up(struct cx *cx, const struct erase_subject *s,
                                 struct erase_summary *out);

#endif
