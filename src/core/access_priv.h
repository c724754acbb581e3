/* Shared by the files access_*.c only: changing a state, and the parts of reading one. */
#ifndef RECOUNT_CORE_ACCESS_PRIV_H
#define RECOUNT_CORE_ACCESS_PRIV_H

#include "core/access.h"

#define ACCESS_PERMISSION "permission " /* in front of a permission's key: a field of a role */

struct access_state {
    struct arena *a;
    struct access_row **slots; /* open addressing; removed rows stay as `gone` */
    size_t n_slots, used;
    bool settings_unsure; /* an erased event changed some setting: nobody knows which */
    bool tiers_unsure;
    bool
        early; /* its baseline is of a version that told neither of the workspace nor of recovery codes */
};

/* Where a field came from. */
struct origin {
    struct str event; /* in the state's arena */
    int64_t at;
};

struct access_row *state_find(const struct access_state *s, enum access_kind k, struct str id);
/* Found or made. */
struct access_row *state_row(struct access_state *s, enum access_kind k, struct str id);
void state_drop(struct access_row *r); /* NULL is allowed */
/* The roles, memberships and tokens of a user. */
void state_drop_held(struct access_row *user);
/* A null value removes the field. */
void state_set(struct access_state *s, struct access_row *r, struct str name, struct str value,
               const struct origin *o);
void state_unset(struct access_row *r, struct str name);
/* "first second", and its parts. */
struct str state_pair(struct arena *a, struct str first, struct str second);
struct str state_first(struct str id);
struct str state_second(struct str id);

/* ---- access_baseline.c ---- */
/* Rows of one part into the state; ERR_INVALID when it is none of ours. */
MUST_CHECK enum err baseline_apply(struct access_state *s, const struct audit_event *e);
/* "2/5" of a part: which, and of how many; false when the event is no part of a baseline. */
bool baseline_part(const struct audit_event *e, int *part, int *parts);

/* ---- access_origin.c ---- */
/* Outside any transaction: whether the log holds an AccessDiffers. */
MUST_CHECK enum err access_is_doubted(struct cx *cx, bool *out);

/* ---- access_compare.c ---- */
/* access_compare(), giving the state the log implies as well. */
MUST_CHECK enum err access_compare_with(struct cx *cx, struct access_state **logged,
                                        struct access_diff **out, size_t *n);

/* ---- access_replay.c ---- */
/* The event types that change rows, without baselines. */
const enum event *replay_types(size_t *n);
/* Applies one event to the state; others than replay_types() do nothing. */
void replay_apply(struct access_state *s, const struct audit_event *e);
/* The settings' rows: what a value looks like in a state; null: the default, so no row. */
struct str replay_setting(struct arena *a, struct str name, struct str value);

/* The state as of a snapshot taken: events moved up to `position`, and those in `tail`. */
struct replay_tail {
    const struct audit_event **v; /* copies in an arena */
    size_t n;
};
MUST_CHECK enum err access_replay_to(struct cx *cx, int64_t position,
                                     const struct replay_tail *tail, struct access_state **out,
                                     struct access_source *source);

#endif
