/* JSON of proofs: hashes in hexadecimal, parts of the record in base64, what was erased as null. */
#include "api/proof_json.h"

#include "base/text.h"

#define PART_TEXT_MAX ((size_t)4 << 20) /* base64 of a part of the record */

static void
kv_base64(struct json_writer *w, struct arena *a, const char *name, struct str bytes)
{
    json_key(w, str_of(name));
    if (str_is_null(bytes)) {
        json_null(w);
        return;
    }
    struct buf *b = buf_in(a, PART_TEXT_MAX);
    base64_put(b, bytes);
    json_str(w, b->n ? buf_view(b) : S(""));
}

void
kv_hex(struct json_writer *w, struct arena *a, const char *name, const struct sha256 *h)
{
    json_key(w, str_of(name));
    json_str(w, hex_in(a, sha256_str(h)));
}

void
kv_hashes(struct json_writer *w, struct arena *a, const char *name, const struct tree_proof *p)
{
    json_key(w, str_of(name));
    json_begin_array(w);
    for (unsigned i = 0; i < p->n; i++)
        json_str(w, hex_in(a, sha256_str(&p->h[i])));
    json_end_array(w);
}

void
proof_members(struct json_writer *w, struct arena *a, const struct audit_proof *p)
{
    json_kv_i64(w, "index", p->index);
    kv_hex(w, a, "leaf", &p->leaf);
    kv_base64(w, a, "public", p->public_part);
    kv_base64(w, a, "salt", p->salt);
    kv_base64(w, a, "personal", p->personal);
    kv_hex(w, a, "personal_hash", &p->personal_hash);
    json_kv_bool(w, "erased", p->erased);
    kv_hashes(w, a, "inclusion", &p->inclusion);
}
