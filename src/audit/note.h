/* C2SP signed notes, checkpoints, cosignatures, tlog-proof files and policies: text in, text out.
 * Pure but for Ed25519 (libsodium); knows no store and no clock. Every parser is strict and takes
 * hostile bytes: ERR_INVALID (malformed) or ERR_TOO_LARGE, nothing else. Parsed views point into the
 * input or the arena. Sources: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-witness,
 * tlog-proof, tlog-policy. */
#ifndef RECOUNT_AUDIT_NOTE_H
#define RECOUNT_AUDIT_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/tree.h"
#include "base/arena.h"

#define NOTE_MAX      ((size_t)64 << 10) /* bytes of a note; a witness's request may carry 64 KB */
#define NOTE_SIGS_MAX 64 /* signature lines; the specification asks for at least 16 */
#define NOTE_NAME_MAX 255
#define NOTE_ED25519  0x01
#define NOTE_COSIGNER 0x04 /* timestamped Ed25519 cosignature */

/* A key that checks: "name+hex8(id)+base64(type ‖ public key)". */
struct note_key {
    struct str name;
    uint32_t id;
    uint8_t type; /* NOTE_ED25519 or NOTE_COSIGNER; others parse, and verify nothing */
    uint8_t pub[32];
    struct str other; /* the public key of another type, whatever its length; null for these two */
};
/* A key that signs. Wiped by its owner. */
struct note_signer {
    struct note_key key;
    uint8_t secret[64];
};

bool
note_name_is_valid(struct str name); /* not empty, no white space, no '+', UTF-8, ≤ NOTE_NAME_MAX */
uint32_t note_key_id(struct str name, uint8_t type, struct str public_key);
/* Strict: only what note_vkey() gives. The id of the two types above is recomputed and must agree;
 * other types make theirs in other ways. */
MUST_CHECK enum err note_vkey_parse(struct arena *a, struct str vkey, struct note_key *out);
struct str note_vkey(struct arena *a, const struct note_key *k);
/* From a 32-byte seed. */
struct note_signer note_signer_of(struct str name, uint8_t type, struct str seed);

struct note_sig {
    struct str name;
    uint32_t id;
    struct str bytes; /* decoded, without the key id */
};
struct note {
    struct str whole;
    struct str text; /* with its final newline */
    struct note_sig *sigs;
    size_t n_sigs;
};
/* The same line twice is malformed; two signatures of one key are not. */
MUST_CHECK enum err note_parse(struct arena *a, struct str bytes, struct note *out);
/* text ends in a newline. Gives the note signed by each of the NOTE_ED25519 signers. */
struct str note_sign(struct arena *a, struct str text, const struct note_signer *signers, size_t n);
/* One signature line ("— name base64\n") to be appended to a note. */
struct str note_sig_line(struct arena *a, const struct note_signer *s, struct str signature);

/* What one key says of a note: NOTE_BAD when any signature with its name and id fails. *when (may be
 * NULL, set with NOTE_GOOD only): µs of the newest cosignature, 0 for a plain signature. */
enum note_verdict { NOTE_ABSENT, NOTE_GOOD, NOTE_BAD };
enum note_verdict note_check(const struct note *n, const struct note_key *k, int64_t *when);

/* ---- checkpoints ---- */
struct checkpoint {
    struct str origin;
    int64_t size;
    struct sha256 root;
    struct str extensions; /* whatever lines follow, with their newlines; usually empty */
};
struct str checkpoint_text(struct arena *a, struct str origin, int64_t size,
                           const struct sha256 *root);
MUST_CHECK enum err checkpoint_parse(struct str text, struct checkpoint *out);
/* A cosignature line (type NOTE_COSIGNER) over the checkpoint's text, at `seconds` since 1970. */
struct str checkpoint_cosign(struct arena *a, struct str text, const struct note_signer *s,
                             int64_t seconds);

/* ---- the witness's request body ---- */
#define WITNESS_PROOF_MAX 63 /* lines, by the specification */
struct witness_request {
    int64_t old_size;
    struct tree_proof proof; /* ≤ WITNESS_PROOF_MAX hashes */
    struct note checkpoint;
};
/* The note's text is a checkpoint; whether its sizes, signatures and proof fit is the witness's to
 * judge. */
MUST_CHECK enum err witness_request_parse(struct arena *a, struct str body,
                                          struct witness_request *out);
struct str witness_request_text(struct arena *a, int64_t old_size, const struct tree_proof *proof,
                                struct str checkpoint_note);

/* ---- tlog-proof files ---- */
#define TLOG_PROOF_EXTRA_MAX                                                                       \
    ((size_t)4 << 20) /* bytes, decoded: both parts of a record, and room */
struct tlog_proof {
    struct str extra; /* decoded, never empty; null: none */
    int64_t index;
    struct tree_proof inclusion;
    struct note checkpoint;
};
/* An empty extra is none. */
struct str tlog_proof_text(struct arena *a, struct str extra, int64_t index,
                           const struct tree_proof *inclusion, struct str checkpoint_note);
MUST_CHECK enum err tlog_proof_parse(struct arena *a, struct str bytes, struct tlog_proof *out);

/* ---- policies: which log keys and which quorum of witnesses one trusts ---- */
#define POLICY_MAX       ((size_t)1 << 20) /* bytes */
#define POLICY_NAMES_MAX 256               /* logs; and witnesses and groups together */
struct policy;                             /* in the arena */
/* Keys of logs are of type NOTE_ED25519, those of witnesses of type NOTE_COSIGNER; both may be
 * ML-DSA-44 (6), which is taken and never satisfied. A newline at the very end may be missing.
 * *why names the line and what is wrong with it. */
MUST_CHECK enum err policy_parse(struct arena *a, struct str text, struct policy **out,
                                 struct str *why);
size_t policy_logs(const struct policy *p, const struct note_key **out);
struct policy_witness {
    struct str name;
    struct note_key key;
    struct str url; /* null: none given; submission prefix, without a final slash */
};
size_t policy_witnesses(const struct policy *p, const struct policy_witness **out);
/* Whether the checkpoint carries the signature of a log of the policy whose name is its origin, and
 * cosignatures that make the quorum, none of them older than `oldest` (µs; 0: any age). A wrong
 * signature of any key of the policy refuses the whole. *why: what is missing or wrong. */
bool policy_satisfied(const struct policy *p, struct arena *a, const struct note *n, int64_t oldest,
                      struct str *why);
/* The same without the log's signature, which was checked with a key from elsewhere: what a policy that
 * names no log asks for. */
bool policy_cosigned(const struct policy *p, struct arena *a, const struct note *n, int64_t oldest,
                     struct str *why);
/* Whether the witnesses that count (one truth value each, in the order of policy_witnesses()) make the
 * quorum. */
bool policy_quorum_is_met(const struct policy *p, struct arena *a, const bool *counts);
/* Whether the quorum names this witness, by itself or in a group. */
bool policy_quorum_names(const struct policy *p, size_t witness);
/* The quorum in words: "both (2 of 2: auditor, board)"; "none"; a very long one is cut. */
struct str policy_quorum_text(const struct policy *p, struct arena *a);

#endif
