/* Percent-encoding (RFC 3986) and application/x-www-form-urlencoded, strict.
 * Results live in the arena; a decoded text is valid UTF-8 without U+0000. */
#ifndef RECOUNT_CODEC_URL_H
#define RECOUNT_CODEC_URL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

/* Appends s with everything but the unreserved characters (RFC 3986 section 2.3) as %XX. */
void url_encode(struct buf *b, struct str s);
struct str url_encode_in(struct arena *a, struct str s);

/* Decodes %XX; '+' stays a plus. ERR_INVALID: a broken escape, bytes outside the printable ASCII
 * range written as such, or a result that is not valid UTF-8 (so %00 is refused). */
MUST_CHECK enum err url_decode(struct arena *a, struct str s, struct str *out);
/* The same for names and values of a query or form: '+' is a space. */
MUST_CHECK enum err url_decode_form(struct arena *a, struct str s, struct str *out);

/* Cuts the next "name=value" off *query and decodes both; without '=' the value is "". ERR_END
 * when none is left; empty parts ("a=1&&b=2") are skipped. */
MUST_CHECK enum err url_query_next(struct arena *a, struct str *query, struct str *name,
                                   struct str *value);

/* "http" or "https" followed by "://", a host and only printable ASCII without space, quotes, angle
 * brackets and backslash, and no user information: what may stand in a link or a setting. */
bool url_is_web(struct str s);

#endif
