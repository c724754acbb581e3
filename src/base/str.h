/* struct str: a view of bytes, passed by value, owning nothing. Not NUL-terminated unless said.
 * From the border inwards all text is valid UTF-8 without U+0000. */
#ifndef RECOUNT_BASE_STR_H
#define RECOUNT_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct str {
    const char *p; /* may be NULL only when n is 0: "absent" (see str_is_null) */
    size_t n;      /* bytes */
};

/* A literal. */
#define S(lit)   ((struct str){"" lit, sizeof(lit) - 1})
#define STR_NULL ((struct str){NULL, 0})
/* For printf's %.*s */
#define STR_ARG(s) ((int)(s).n), ((s).p ? (s).p : "")

static inline struct str
str_of(const char *c)
{
    return c ? (struct str){c, strlen(c)} : STR_NULL;
}

static inline struct str
str_mem(const void *p, size_t n)
{
    return (struct str){(const char *)p, n};
}

/* Absent, as opposed to empty. */
static inline bool
str_is_null(struct str s)
{
    return s.p == NULL;
}

static inline bool
str_is_empty(struct str s)
{
    return s.n == 0;
}

static inline bool
str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_ieq(struct str a, struct str b); /* ASCII case ignored */
int str_cmp(struct str a, struct str b);  /* byte order, shorter first */
bool str_has_prefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);
bool str_contains(struct str s, struct str part);
/* Offset of the first c, or SIZE_MAX. */
size_t str_index(struct str s, char c);
/* A view of s from `from` (clamped) of at most n bytes. */
struct str str_sub(struct str s, size_t from, size_t n);
/* Without ASCII white space at both ends. */
struct str str_trim(struct str s);
/* Cuts the part before the first `sep` off *rest and gives it in *part; false when *rest is used
 * up (null). "a,,b" gives "a", "", "b". */
bool str_cut(struct str *rest, char sep, struct str *part);
/* Strict decimal with an optional '-': no space, no '+', no overflow. */
MUST_CHECK enum err str_int64(struct str s, int64_t *out);
/* Equal in a time that depends on the lengths only. */
bool str_eq_secret(struct str a, struct str b);
/* FNV-1a, for tables inside the process only. */
uint64_t str_hash(struct str s);

#endif
