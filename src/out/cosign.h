/* Asking witnesses to cosign the log's checkpoints (C2SP tlog-witness). Which ones stands in
 * DIR/witnesses.policy (C2SP tlog-policy): every witness line with an address is sent each new head of
 * each log of the installation, or, when the file has log lines, of those logs. A witness that is down,
 * slow or refuses holds up nobody: each has a thread of its own, and nothing waits for it.
 *
 * The file is read again when it changes, and at once when asked to (SIGHUP); a change is an event in
 * every log. A file that is not understood is refused, and the one before holds. */
#ifndef RECOUNT_OUT_COSIGN_H
#define RECOUNT_OUT_COSIGN_H

#include "audit/proof.h"
#include "run/cx.h"

#define COSIGN_WITNESSES_MAX 32
#define COSIGN_FILE          "witnesses.policy"

/* Reads the policy; a missing file is none. ERR_INVALID with the line in *why when it is malformed. Sets
 * app->cosign, which lives as long as the process. */
MUST_CHECK enum err cosign_open(struct app *app, struct str *why);
/* A policy that was changed while this server did not run is recorded first.
 * tell: for a witness that contradicts a log (audit_witness_note()); may be NULL. */
void cosign_start(struct app *app, audit_witness_tell tell);
/* The file is looked at now, not only when its turn comes. From any thread. */
void cosign_reload(struct app *app);
/* app->stopping is set: waits for the threads, a second at most. */
void cosign_stop(struct app *app);
/* Gives back what cosign_open() took, when nobody asks any more: after cosign_stop(), or when none was started. */
void cosign_close(struct app *app);

/* The policy's file as it lies there. ERR_NOT_FOUND: there is none. ERR_INVALID with the reason in *why:
 * it can not be read or is not understood. For commands that only look. */
MUST_CHECK enum err cosign_read(struct arena *a, struct str data_dir, struct policy **out,
                                struct str *why);

/* What this server goes by, in cx->arena. */
struct cosign_view {
    struct str text;       /* of the file; null: there was none */
    struct policy *policy; /* of the text; NULL: none */
    const struct policy_witness *v;
    size_t n;
    int64_t loaded_at;  /* µs */
    struct str refused; /* why the file that lies there now is not taken; null: it is */
    int64_t refused_at;
};
void cosign_view(struct cx *cx, struct cosign_view *out);
/* Whether the log of this origin is sent to the policy's witnesses. */
bool cosign_sends(const struct cosign_view *v, struct str origin);

struct cosign_status {
    struct str name, key;
    struct str url;             /* null: none given, it is not asked */
    bool asked;                 /* it has an address, and a key of the kind that is checked here */
    struct audit_cosigned got;  /* of the tenant's log; size 0: nothing yet */
    struct audit_witness known; /* of the newest epoch */
};
/* Of one witness of the policy, as it concerns the tenant's log; the same from every server. cx may have a
 * read open or none. */
MUST_CHECK enum err cosign_status(struct cx *cx, const struct policy_witness *w, int64_t tenant_id,
                                  struct cosign_status *out);

/* Whether the policy's quorum has cosigned: judged on the signatures themselves. */
struct cosign_quorum {
    bool none, met; /* none: the policy asks for no cosignature; without a policy neither is true */
    struct str text; /* in words; null without a policy */
    struct str
        missing; /* which of the quorum's witnesses do not count, and why; empty when it is met */
    bool *counts, *named; /* one a witness: counts towards, is named by the quorum */
    int64_t newest;       /* µs of the newest good cosignature of any witness; 0: none */
};
/* s: cosign_status() of each witness of v. h: the log's head, NULL: there is none. Cosignatures from before
 * `oldest` (µs) do not count. */
void cosign_judge(struct cx *cx, const struct cosign_view *v, const struct cosign_status *s,
                  const struct audit_head *h, int64_t oldest, struct cosign_quorum *out);

#endif
