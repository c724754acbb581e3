/* Mails as text: encoded headers, and that nothing typed becomes a header of its own. */
#include "base/clock.h"
#include "out/mail.h"

/* cmocka's macro fail() hides the function of the same name: its header comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct str
compose(struct arena *a, struct str to, struct str subject, struct str text)
{
    struct cx cx = {.arena = a, .now = INT64_C(1700000000) * USEC_PER_SEC};
    struct mail_server s = {
        .host = S("mail.example.org"), .port = 25, .sender = S("recount@example.org")};
    struct mail_message m = {to, subject, text};
    struct buf *b = buf_in(a, (size_t)1 << 20);

    mail_compose(b, &cx, &s, &m);
    return buf_view(b);
}

static void
a_plain_mail(void **state)
{
    struct arena *a = arena_create("test", (size_t)4 << 20);
    struct str m = compose(a, S("ann@example.org"), S("Hello"), S("Text\n"));

    assert_true(str_contains(m, S("Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n")));
    assert_true(str_contains(
        m,
        S("From: Recount <recount@example.org>\r\nTo: <ann@example.org>\r\nSubject: Hello\r\n")));
    assert_true(str_has_suffix(m, S("\r\n\r\nVGV4dAo=\r\n")));
    arena_free(a);
}

static void
headers_can_not_be_injected(void **state)
{
    struct arena *a = arena_create("test", (size_t)4 << 20);
    struct str m = compose(a, S("ann@example.org>\r\nBcc: <eve@example.org"),
                           S("Hi\r\nBcc: eve@example.org"), S("x"));
    struct str g = compose(a, S("ann@example.org"), S("Grüße äöü"), S("x"));

    assert_false(str_contains(m, S("\r\nBcc")));
    assert_true(str_contains(m, S("Subject: =?UTF-8?B?SGkNCkJjYzogZXZlQGV4YW1wbGUub3Jn?=\r\n")));
    assert_true(str_contains(g, S("Subject: =?UTF-8?B?R3LDvMOfZSDDpMO2w7w=?=\r\n")));
    arena_free(a);
}

static void
long_lines_are_folded(void **state)
{
    struct arena *a = arena_create("test", (size_t)4 << 20);
    char text[3000];
    struct str m, line;

    memset(text, 'x', sizeof text);
    m = compose(a, S("ann@example.org"), str_mem(text, 300), str_mem(text, sizeof text));
    while (str_cut(&m, '\n', &line))
        assert_true(line.n < 998); /* RFC 5322 section 2.1.1 */
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_mail),
        cmocka_unit_test(headers_can_not_be_injected),
        cmocka_unit_test(long_lines_are_folded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
