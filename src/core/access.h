/* Who has access to what: the state of users, roles, memberships, tiers, settings and access tokens
 * as rows, read from the tables, written into the log as a baseline, and worked out again from the
 * log for any moment it holds (doc/decisions/0005-access-state.md).
 *
 * A state is a set of rows (kind, id), each with fields (name → text). The same rows come from the
 * tables (access_read) and from the log (access_at, access_now): what differs was changed without a
 * record. Everything lives in the arena given; nothing here is changed by reading. */
#ifndef RECOUNT_CORE_ACCESS_H
#define RECOUNT_CORE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "core/permission.h"
#include "run/cx.h"

/* Words of baselines in the log: their names are final (access_kind_name). */
enum access_kind {
    ACCESS_USER,      /* id: cuid */
    ACCESS_ROLE,      /* id: cuid; a permission is a field of its own: "permission CLIENTS.VIEW" */
    ACCESS_HOLDER,    /* a tenant-wide role of a user; id: "<user cuid> <role cuid>" */
    ACCESS_CLIENT,    /* id: number */
    ACCESS_MEMBER,    /* a user on a client; id: "<client number> <user cuid>" */
    ACCESS_TIER,      /* id: number */
    ACCESS_SETTING,   /* id: name; a setting at its default has no row */
    ACCESS_TOKEN,     /* an access token; id: cuid */
    ACCESS_WORKSPACE, /* the workspace itself; id: cuid */
    ACCESS_KINDS
};
const char *access_kind_name(enum access_kind k); /* "user", "role", "role of a user", … */

struct access_field {
    struct str name, value;
    struct str event; /* cuid of the event that set it; null: the baseline, or read from a table */
    int64_t at;       /* when; 0: unknown */
};

struct access_row {
    enum access_kind kind;
    struct str id;
    struct access_field *fields; /* by name */
    size_t n, cap;
    bool gone;   /* a row that was removed: never given out */
    bool unsure; /* an erased event changed it: what the log implies can not be said */
};

struct access_state; /* opaque */
struct access_state *access_state_new(struct arena *a);
/* NULL: no such row. */
const struct access_row *access_row(const struct access_state *s, enum access_kind k,
                                    struct str id);
/* STR_NULL: no such field, or row NULL. */
struct str access_get(const struct access_row *r, const char *field);
const struct access_field *access_field(const struct access_row *r, const char *field);
/* All rows by kind and id, in the state's arena. */
const struct access_row **access_rows(struct access_state *s, size_t *n);
/* Rows read or worked out, and how many events the log's went into. */
struct access_source {
    struct str baseline; /* cuid of its first part */
    int64_t baseline_at; /* µs */
    int64_t events;      /* applied behind it */
    int64_t erased;      /* of them erased */
};

/* ---- from the tables ---- */

/* The rows as the tables hold them, inside cx->tx. */
MUST_CHECK enum err access_read(struct cx *cx, struct access_state **out);

/* ---- the baseline ---- */

/* Records the tables' state as events AccessBaseline, in cx->tx (a write), part after part. `known`:
 * the state worked out from the log just before, for where each right came from; NULL: none. */
MUST_CHECK enum err access_baseline(struct cx *cx, struct access_state *known, struct str why);
/* What the server does now and then and at start, outside any transaction: a baseline for every
 * workspace that has none for this month, epoch of its log, and schema. Compares first: what
 * differs is recorded as AccessDiffers, so that a baseline never launders it. */
MUST_CHECK enum err access_keep_baselines(struct cx *cx);

/* ---- from the log ---- */

/* The state of cx->tenant as the log implied it at the time `at` (µs; events of that very moment
 * count), outside any transaction. ERR_NOT_FOUND: the log holds no complete baseline before it;
 * *first then is the time of the first one there is (0: none). */
MUST_CHECK enum err access_at(struct cx *cx, int64_t at, struct access_state **out,
                              struct access_source *source, int64_t *first);

/* The same for a question from outside: bad moments are noted as the field "on" (in the future,
 * before what the log keeps, before its first baseline) and refused with ERR_INVALID. */
MUST_CHECK enum err access_on(struct cx *cx, int64_t at, struct access_state **out,
                              struct access_source *source);
/* "2026-11-23" stands for the end of that day (UTC), or now on the day itself; "…T10:00:00Z" for
 * itself; empty for now. ERR_INVALID otherwise. */
MUST_CHECK enum err access_when(struct str text, int64_t now, int64_t *at);

/* ---- comparing ---- */

struct access_diff {
    enum access_kind kind;
    struct str id;   /* as in access_row */
    struct str name; /* for people: "Bob Baker (bob@example.org)", "Analyst", "auth.mfa_required" */
    struct str
        field; /* "disabled", "permission CLIENTS.DELETE"; "row": there is one too many or missing */
    struct str logged; /* what the log implies; null: nothing */
    struct str stored; /* what the table holds; null: nothing */
};
/* Compares the state the log of cx->tenant implies with the tables, outside any transaction. Sees
 * events that are not moved yet; a change made meanwhile is no difference. Results in cx->arena.
 * ERR_NOT_FOUND: the log holds no complete baseline. Used by `recount audit verify --deep` and the
 * server's check of itself. */
MUST_CHECK enum err access_compare(struct cx *cx, struct access_diff **out, size_t *n);
/* Outside any transaction: whether the log of cx->tenant tells of the workspace: of its creation, or with a
 * baseline, or of times that have expired. One that it does not tell of was put into the tables. */
MUST_CHECK enum err access_is_told(struct cx *cx, bool *out);
/* "role of Bob Baker (bob@…): row: the log says nothing, the table says Analyst" */
struct str access_diff_text(struct arena *a, const struct access_diff *d);

/* ---- who had what (access_view.c) ---- */

struct access_grant {             /* one right of a person */
    int64_t client_id;            /* 0: in the whole workspace */
    struct str client;            /* name */
    struct str role, title;       /* cuid, title as it was */
    bool enabled;                 /* of the role */
    struct str tier;              /* name, on a client; null: none */
    struct str event;             /* cuid of the event it came from; null: before the log's reach */
    int64_t since;                /* 0: unknown */
    struct permission_set rights; /* what it gives there */
};
struct access_person {
    struct str cuid, name, email, provider, tier;
    bool disabled, default_group, second_factor, unsure;
    struct permission_set rights;      /* in the whole workspace */
    const struct access_grant *grants; /* tenant-wide ones first, then by client's name */
    size_t n;
    const struct access_row **tokens; /* kind ACCESS_TOKEN */
    size_t n_tokens;
};
struct access_people {
    struct access_person *v; /* by name */
    size_t n;                /* in v */
    int64_t total;           /* that match */
};
struct access_ask {
    struct str user;   /* cuid or e-mail; null: any */
    int64_t client_id; /* who could work on this client; 0: any */
    struct str q;      /* part of name or e-mail; null: any */
    int64_t offset, limit;
};
void access_people(struct arena *a, struct access_state *s, const struct access_ask *ask,
                   struct access_people *out);

/* The access review: a line for each right of each person, ended by an empty decision for the
 * reviewer. `last_login` per user is the table's at present. */
enum access_format { ACCESS_CSV, ACCESS_NDJSON };
void access_review_head(struct buf *b, enum access_format f);
void access_review_lines(struct arena *a, struct buf *b, enum access_format f,
                         const struct access_person *p, int64_t last_login);

#endif
