/* Mails: recipient and subject and text, parted by NUL, come from people; whatever they hold, the
 * head has our fields once each, in lines mail servers take, and the text comes back whole. */
#include "base/text.h"
#include "fuzz.h"
#include "out/mail.h"

#define ARENA_MAX      ((size_t)256 << 20)
#define LINE_MAX_BYTES 998 /* RFC 5322, section 2.1.1 */

static const char *const fields[] = {
    "Date",          "From",         "To",           "Subject",
    "Message-ID",    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    "Auto-Submitted"};
#define FIELDS (sizeof fields / sizeof *fields)

/* Cuts the next line, without its CRLF, off *rest. */
static struct str
next_line(struct str *rest)
{
    const char *end = memmem(rest->p, rest->n, "\r\n", 2);
    struct str line;

    HOLDS(end != NULL, "a line without CRLF");
    line = str_sub(*rest, 0, (size_t)(end - rest->p));
    HOLDS(memchr(line.p, '\r', line.n) == NULL && memchr(line.p, '\n', line.n) == NULL,
          "half a line end");
    HOLDS(line.n <= LINE_MAX_BYTES, "a line of %zu bytes", line.n);
    *rest = str_sub(*rest, line.n + 2, SIZE_MAX);
    return line;
}

static void
check_head(struct str *rest)
{
    size_t at = 0;
    struct str line;

    while ((line = next_line(rest)).n > 0) {
        if (line.p[0] == ' ')
            continue; /* goes on */
        HOLDS(at < FIELDS && str_eq(str_sub(line, 0, str_index(line, ':')), str_of(fields[at])),
              "a field that is not ours: %.*s", STR_ARG(line));
        at++;
    }
    HOLDS(at == FIELDS, "%zu fields", at);
}

static void
check_text(struct arena *a, struct str rest, struct str text)
{
    struct buf *b64 = buf_in(a, rest.n + 4), *back = buf_in(a, rest.n + 4);

    while (rest.n > 0) {
        struct str line = next_line(&rest);

        HOLDS(line.n > 0 && line.n <= 76, "RFC 2045, section 6.8");
        buf_str(b64, line);
    }
    HOLDS(base64_get(buf_view(b64), back) == OK && str_eq(buf_view(back), text), "text is lost");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_create("fuzz", ARENA_MAX);
    struct cx cx = {.arena = a, .now = INT64_C(1700000000000000)};
    struct mail_server server = {.host = S("mail.invalid"), .sender = S("recount@example.org")};
    struct str rest = fuzz_text(data, size);
    struct buf *out = buf_in(a, size * 8 + 4096);
    struct mail_message m = {0};

    /* A line end of either kind may stand in the recipient: a NUL parts the three here. */
    if (str_cut(&rest, '\0', &m.to) && str_cut(&rest, '\0', &m.subject)) {
        m.text = str_is_null(rest) ? S("") : rest;
        if (m.to.n <= 320 && utf8_is_valid(m.to) && utf8_is_valid(m.subject)) {
            mail_compose(out, &cx, &server, &m);
            HOLDS(!buf_failed(out), "more came out than could");
            rest = buf_view(out);
            check_head(&rest);
            check_text(a, rest, m.text);
        }
    }
    arena_free(a);
    return 0;
}
