/* JSON (RFC 8259): a strict pull reader, a small tree for request bodies, and a streaming writer.
 *
 * The reader refuses what is not JSON: comments, trailing commas, NaN, single quotes, a byte order
 * mark, lone surrogates, invalid UTF-8, U+0000, doubled keys of one object, more than JSON_DEPTH
 * levels, numbers of more than 1,024 bytes. Numbers keep their text: nothing is lost between reading
 * and writing. */
#ifndef RECOUNT_CODEC_JSON_H
#define RECOUNT_CODEC_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#define JSON_DEPTH 64 /* levels of arrays and objects */

/* ---- tree ---- */
enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    bool boolean;
    struct str text;    /* STRING: decoded; NUMBER: as written */
    struct str key;     /* member name when inside an object */
    struct json *first; /* first element or member */
    struct json *next;  /* next sibling */
    size_t count;       /* number of children */
};

/* Parses the whole text. ERR_INVALID with *where (byte offset) and *why (literal) set. The tree
 * lives in the arena and views `text` where no escape had to be decoded. */
MUST_CHECK enum err json_parse(struct arena *a, struct str text, struct json **out, size_t *where,
                               const char **why);
/* Member by name, or NULL; NULL when o is NULL or no object. */
const struct json *json_get(const struct json *o, struct str key);
bool json_is(const struct json *v, enum json_type type); /* false for NULL */
/* ERR_INVALID when v is not a number that fits exactly (1e3 and 5.0 count as integers). */
MUST_CHECK enum err json_int64(const struct json *v, int64_t *out);
MUST_CHECK enum err json_double(const struct json *v, double *out);

/* ---- writer: appends to a buf; commas and escapes are its business ---- */
struct json_writer {
    struct buf *out;
    int depth;
    bool need_comma[JSON_DEPTH + 1];
    bool after_key;
    bool
        unseen_escaped; /* set it: what is not seen is written as \uXXXX, so that the text as it stands is
                          * what a reader sees, and reads back the same */
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, struct str key);
void json_str(struct json_writer *w, struct str s); /* a null str writes null */
void json_i64(struct json_writer *w, int64_t v);
void json_f64(struct json_writer *w, double v); /* shortest form that reads back the same */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_value(struct json_writer *w, const struct json *v); /* a whole tree; NULL writes null */
void json_raw(struct json_writer *w, struct str json);        /* text that is JSON already */

/* key and value in one call; `k` is a literal */
#define json_kv_str(w, k, v)  (json_key((w), S(k)), json_str((w), (v)))
#define json_kv_i64(w, k, v)  (json_key((w), S(k)), json_i64((w), (v)))
#define json_kv_bool(w, k, v) (json_key((w), S(k)), json_bool((w), (v)))
#define json_kv_null(w, k)    (json_key((w), S(k)), json_null((w)))

#endif
