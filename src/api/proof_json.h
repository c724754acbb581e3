/* The members that prove one event, as JSON: shared by the proof and by exports. */
#ifndef RECOUNT_API_PROOF_JSON_H
#define RECOUNT_API_PROOF_JSON_H

#include "audit/proof.h"
#include "codec/json.h"

void kv_hex(struct json_writer *w, struct arena *a, const char *name, const struct sha256 *h);
void kv_hashes(struct json_writer *w, struct arena *a, const char *name,
               const struct tree_proof *p);
/* index, leaf, public, salt, personal, personal_hash, erased, inclusion. */
void proof_members(struct json_writer *w, struct arena *a, const struct audit_proof *p);

#endif
