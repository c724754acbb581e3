/* The streaming JSON writer: commas, escapes and numbers.
 * Owns nothing. Whatever it is given, the output is valid JSON or the buffer has failed: bytes
 * that are not UTF-8 become U+FFFD, NaN and infinities become null, and too many levels (a
 * stranger's tree inside an envelope of ours) fail the buffer. */
#include "codec/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

void
json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* Before every value and every key: the comma, when something stands before it on this level. */
static void
separate(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth > JSON_DEPTH)
        return;
    if (w->need_comma[w->depth])
        buf_char(w->out, ',');
    w->need_comma[w->depth] = true;
}

static void
open_level(struct json_writer *w, char c)
{
    separate(w);
    buf_char(w->out, c);
    w->depth++;
    if (w->depth > JSON_DEPTH)
        w->out->failed = true;
    else
        w->need_comma[w->depth] = false;
}

static void
close_level(struct json_writer *w, char c)
{
    if (w->depth == 0 || w->after_key)
        BUG("JSON level closed too early");
    w->depth--;
    buf_char(w->out, c);
}

void
json_begin_object(struct json_writer *w)
{
    open_level(w, '{');
}

void
json_end_object(struct json_writer *w)
{
    close_level(w, '}');
}

void
json_begin_array(struct json_writer *w)
{
    open_level(w, '[');
}

void
json_end_array(struct json_writer *w)
{
    close_level(w, ']');
}

static void
put_escape(struct buf *b, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = c == 0 ? NULL : strchr(from, c);

    if (known != NULL) {
        buf_char(b, '\\');
        buf_char(b, to[known - from]);
    } else {
        buf_fmt(b, "\\u%04x", c);
    }
}

static void
put_code(struct buf *b, uint32_t cp)
{
    if (cp < 0x10000)
        buf_fmt(b, "\\u%04x", cp);
    else
        buf_fmt(b, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10), 0xDC00 + (cp & 0x3FF));
}

static void
put_string(struct buf *b, struct str s, bool unseen_escaped)
{
    size_t run = 0, i = 0; /* bytes from `run` on stand for themselves */

    buf_char(b, '"');
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        size_t from = i;
        uint32_t cp;
        bool unseen;

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            i++;
            continue;
        }
        cp = c >= 0x7f ? utf8_next(s, &i) : c;
        unseen = unseen_escaped && c >= 0x7f && utf8_is_unseen(cp);
        /* A genuine U+FFFD comes out as itself this way. */
        if (c >= 0x7f && cp != 0xFFFD && !unseen)
            continue;
        buf_put(b, s.p + run, from - run);
        if (unseen) {
            put_code(b, cp);
        } else if (c >= 0x7f) {
            utf8_put(b, 0xFFFD);
        } else {
            put_escape(b, c);
            i++;
        }
        run = i;
    }
    buf_put(b, s.p + run, s.n - run);
    buf_char(b, '"');
}

void
json_key(struct json_writer *w, struct str key)
{
    separate(w);
    put_string(w->out, key, w->unseen_escaped);
    buf_char(w->out, ':');
    w->after_key = true;
}

void
json_str(struct json_writer *w, struct str s)
{
    if (str_is_null(s)) {
        json_null(w);
        return;
    }
    separate(w);
    put_string(w->out, s, w->unseen_escaped);
}

void
json_i64(struct json_writer *w, int64_t v)
{
    separate(w);
    buf_fmt(w->out, "%" PRId64, v);
}

void
json_f64(struct json_writer *w, double v)
{
    char text[32];

    if (!isfinite(v)) {
        json_null(w);
        return;
    }
    /* 17 digits always read back the same; most values need no more than 15. */
    for (int digits = 15; digits <= 17; digits++) {
        double back;

        snprintf(text, sizeof(text), "%.*g", digits, v);
        back = strtod(text, NULL);
        if (back == v) /* exact on purpose */
            break;
    }
    separate(w);
    buf_cstr(w->out, text);
}

void
json_bool(struct json_writer *w, bool v)
{
    separate(w);
    buf_cstr(w->out, v ? "true" : "false");
}

void
json_null(struct json_writer *w)
{
    separate(w);
    buf_cstr(w->out, "null");
}

void
json_raw(struct json_writer *w, struct str json)
{
    separate(w);
    buf_str(w->out, json);
}

static void
put_children(struct json_writer *w, const struct json *v)
{
    for (const struct json *c = v->first; c != NULL; c = c->next) {
        if (v->type == JSON_OBJECT)
            json_key(w, c->key);
        json_value(w, c);
    }
}

void
json_value(struct json_writer *w, const struct json *v)
{
    if (v == NULL) {
        json_null(w);
        return;
    }
    switch (v->type) {
    case JSON_NULL:
        json_null(w);
        break;
    case JSON_BOOL:
        json_bool(w, v->boolean);
        break;
    case JSON_NUMBER:
        json_raw(w, v->text);
        break;
    case JSON_STRING:
        json_str(w, str_is_null(v->text) ? S("") : v->text);
        break;
    case JSON_ARRAY:
        json_begin_array(w);
        put_children(w, v);
        json_end_array(w);
        break;
    case JSON_OBJECT:
        json_begin_object(w);
        put_children(w, v);
        json_end_object(w);
        break;
    }
}
