/* The server's own log: one JSON object a line, one write(2) a line, to standard error.
 * Owns the threshold. Does not rotate: that is the business of whoever holds standard error. It
 * has its own small encoder, because base knows nothing of codec. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"

#define LINE_MAX_BYTES  ((size_t)64 << 10) /* far above any line we write */
#define VALUE_MAX_BYTES ((size_t)2 << 10)  /* a longer value is cut: a log is no store */

static enum log_level threshold = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void
log_set_level(enum log_level level)
{
    threshold = level;
}

static void
put_escape(struct buf *b, uint32_t cp)
{
    if (cp >= 0x10000) {
        cp -= 0x10000;
        buf_fmt(b, "\\u%04x\\u%04x", 0xD800 + (cp >> 10), 0xDC00 + (cp & 0x3FF));
    } else {
        buf_fmt(b, "\\u%04x", cp);
    }
}

/* What JSON wants escaped, and C1 and format characters, which can deceive whoever reads the
 * line in a terminal. */
static bool
is_escaped(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7F && cp <= 0x9F) || cp == 0xAD || cp == 0x061C ||
           (cp >= 0x200B && cp <= 0x200F) || (cp >= 0x2028 && cp <= 0x202E) ||
           (cp >= 0x2060 && cp <= 0x206F) || cp == 0xFEFF || (cp >= 0xE0000 && cp <= 0xE0FFF);
}

static void
put_string(struct buf *b, struct str s)
{
    struct str cut = utf8_cut(s, VALUE_MAX_BYTES);

    buf_char(b, '"');
    for (size_t i = 0; i < cut.n;) {
        uint32_t cp = utf8_next(cut, &i);

        if (cp == '"' || cp == '\\') {
            buf_char(b, '\\');
            buf_char(b, (char)cp);
        } else if (is_escaped(cp)) {
            put_escape(b, cp);
        } else {
            utf8_put(b, cp);
        }
    }
    if (cut.n < s.n)
        buf_cstr(b, "...");
    buf_char(b, '"');
}

static void
put_field(struct buf *b, const struct log_field *f)
{
    buf_char(b, ',');
    put_string(b, str_of(f->key));
    buf_char(b, ':');
    if (f->kind == LOG_F_INT)
        buf_fmt(b, "%" PRId64, f->i);
    else if (str_is_null(f->s))
        buf_cstr(b, "null");
    else
        put_string(b, f->s);
}

static void
write_all(struct str line)
{
    while (line.n > 0) {
        ssize_t n = write(STDERR_FILENO, line.p, line.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* Nowhere is left to complain to. */
        line = str_sub(line, (size_t)n, line.n);
    }
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct civil c;
    struct buf b;

    if (level < threshold)
        return;
    c = civil_of(clock_now());
    buf_init(&b, LINE_MAX_BYTES);
    buf_fmt(&b,
            "{\"at\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\",\"level\":\"%s\",\"event\":", c.year,
            c.month, c.day, c.hour, c.minute, c.second, c.usec / 1000, level_names[level]);
    put_string(&b, str_of(event));
    for (const struct log_field *f = fields; f != NULL && f->key != NULL; f++) {
        size_t before = b.n;

        put_field(&b, f);
        /* Two bytes are kept for the end; a field that does not fit is left out whole. */
        if (buf_failed(&b) || b.n + 2 > LINE_MAX_BYTES) {
            b.failed = false;
            b.n = before;
            break;
        }
    }
    buf_cstr(&b, "}\n");
    write_all(buf_view(&b));
    buf_free(&b);
}
