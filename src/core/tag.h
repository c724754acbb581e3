/* The tag list of a tenant. Tags on objects are kept with the object and need not stand here. */
#ifndef RECOUNT_CORE_TAG_H
#define RECOUNT_CORE_TAG_H

#include <stdint.h>

#include "run/cx.h"

#define TAG_NAME_MAX 255 /* bytes */

struct tag {
    struct str id, name;
};
struct tags {
    struct tag *v;
    size_t n;
    int64_t total;
};
/* Part of the list by name; `text` (null: all) is part of the name, in any case. */
MUST_CHECK enum err tag_list(struct cx *cx, struct str text, int64_t limit, int64_t offset,
                             struct tags *out);
/* ERR_NOT_FOUND, without words, when there is none of exactly this name. */
MUST_CHECK enum err tag_find(struct cx *cx, struct str name, struct tag *out);
/* Id "tag_tenant_<t>_<name>"; ERR_CONFLICT when it exists. */
MUST_CHECK enum err tag_create(struct cx *cx, struct str name, struct tag *out);
MUST_CHECK enum err tag_delete(struct cx *cx, struct str id);
/* '%part%' for LIKE … ESCAPE '\' on a column of keys (text_key); null for an empty part. */
struct str like_part(struct cx *cx, struct str part);

#endif
