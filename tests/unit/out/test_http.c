/* Outgoing HTTP: which addresses are taken. How it behaves against servers that lie and hang is driven by
 * tests/api/cosign.test.mjs with the real binary. */
#include "../base/support.h"

#include <string.h>

#include "out/http.h"

static void
test_addresses(void **state)
{
    static const char *const good[] = {"http://127.0.0.1:8090", "https://witness.example",
                                       "http://[::1]:8090/prefix", "https://witness.example/a/b",
                                       "http://localhost"};
    static const char *const bad[] = {"",
                                      "witness.example",
                                      "ftp://witness.example",
                                      "file:///etc/passwd",
                                      "HTTP://witness.example",
                                      "http://",
                                      "http:///x",
                                      "http://:80",
                                      "http://user@witness.example",
                                      "http://user:pw@witness.example",
                                      "http://witness.example/?x",
                                      "http://witness.example/#x",
                                      "http://witness.example/ x",
                                      "http://witness.example/\r\nX: y",
                                      "http://w\\x",
                                      "http://w\xc3\xa9.example",
                                      "httpx://witness.example"};
    char *long_one = arena_alloc(*state, 3000, 1);

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(out_http_url_is_valid(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(out_http_url_is_valid(str_of(bad[i])));
    assert_false(out_http_url_is_valid(STR_NULL));
    memset(long_one, 'a', 3000);
    memcpy(long_one, "http://", 7);
    assert_false(out_http_url_is_valid(str_mem(long_one, 3000)));
    assert_true(out_http_url_is_valid(str_mem(long_one, 2048)));
}

/* Nobody listens: a sentence, no answer, and at once. */
static void
test_nobody(void **state)
{
    atomic_bool stopping = false;
    struct out_http *h = out_http_open(&stopping);
    struct out_http_answer x = {.status = -1};
    struct str why = STR_NULL;

    assert_int_equal(
        out_http_post(h, *state, S("http://127.0.0.1:1"), S("text/plain"), S("x"), &x, &why),
        ERR_IO);
    assert_int_equal(x.status, -1);
    assert_true(why.n > 0);
    atomic_store(&stopping, true);
    assert_int_equal(
        out_http_post(h, *state, S("http://127.0.0.1:1"), S("text/plain"), S(""), &x, &why),
        ERR_IO);
    out_http_close(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {ARENA_TEST(test_addresses), ARENA_TEST(test_nobody)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
