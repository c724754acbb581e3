/* The canonical record of one event: the bytes that are hashed. Final from the first event on.
 *
 * A record has two parts, each a run of fields (tag u16 big-endian, length u32 big-endian, value)
 * in ascending order of tags. Integers are 8 bytes big-endian (two's complement), text is UTF-8.
 * A field that has nothing to say is absent: there is one way only to write an event down.
 *
 *   public   1 version (=1)  2 event cuid  3 type name  4 outcome  5 at, µs  6 tenant cuid (absent:
 *            the instance)  7 actor kind  8 actor's user cuid  9 target kind  10 target id
 *            11 client id  12 request id  13 session cuid  14 count (absent: 1)
 *            placed by the mover:  240 epoch  241 index  242 logged, µs
 *   personal 1 actor name  2 actor e-mail  3 address  4 via  5 user agent  6 target name
 *            7 target e-mail  8 client name  9 text  10 private detail
 *            11 change (any number, in order): field, before, after, each with its length as u32
 *            in front; length 0xFFFFFFFF: absent
 *
 * leaf entry = SHA-256("recount.audit.entry.v1\n" ‖ SHA-256(public) ‖ SHA-256(salt ‖ personal)),
 * salt: 16 random bytes of the event. Nothing here touches a store. */
#ifndef RECOUNT_AUDIT_RECORD_H
#define RECOUNT_AUDIT_RECORD_H

#include "audit/audit.h"
#include "codec/hash.h"

#define RECORD_VERSION  1
#define RECORD_SALT_LEN 16
/* Bytes of one part at most; bounds what a decoder of hostile bytes may be made to hold. */
#define RECORD_PART_MAX ((size_t)1 << 20)
/* Changes of one event at most. */
#define RECORD_CHANGES_MAX 1024

struct record {
    struct audit_event e;
    struct str tenant; /* cuid; null: the instance's log */
    bool placed;       /* e.epoch, e.index, e.logged are set */
};

/* Appends the public part (with the placement when r->placed). */
void record_put_public(struct buf *b, const struct record *r);
/* Appends the placement to public bytes that have none yet. */
void record_put_place(struct buf *b, int64_t epoch, int64_t index, int64_t logged);
void record_put_personal(struct buf *b, const struct record *r);

/* Strict decoders: ERR_INVALID for disorder, truncation, repetition, unknown tags, wrong lengths,
 * values outside their range, text that is not UTF-8. The results view the bytes. Each touches its
 * own part of *r only, so both can fill one record. */
MUST_CHECK enum err record_get_public(struct str bytes, struct record *r);
MUST_CHECK enum err record_get_personal(struct arena *a, struct str bytes, struct record *r);

/* The leaf entry from the parts. */
struct sha256 record_leaf(struct str public_part, struct str salt, struct str personal);
/* The same when the personal part was erased and only its inner hash is known. */
struct sha256 record_leaf_inner(struct str public_part, struct sha256 personal_hash);

#endif
