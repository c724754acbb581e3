/* The log: each line is one JSON object, whatever the values hold. */
#include "support.h"

#include <unistd.h>

#include "base/log.h"
#include "codec/json.h"

static int saved, ends[2];

static void
capture_begin(void)
{
    assert_int_equal(pipe(ends), 0);
    saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
}

static struct str
capture_end(struct arena *a)
{
    size_t cap = 60000;
    char *p = arena_array(a, char, cap);
    ssize_t n;

    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    n = read(ends[0], p, cap);
    close(ends[0]);
    assert_true(n >= 0);
    return str_mem(p, (size_t)n);
}

static const struct json *
parse_line(struct arena *a, struct str line)
{
    struct json *v;
    size_t where;
    const char *why;

    assert_true(str_has_suffix(line, S("}\n")));
    assert_ok(json_parse(a, line, &v, &where, &why));
    return v;
}

static void
test_fields(void **state)
{
    const struct json *v;
    int64_t n;

    capture_begin();
    log_info("test.event", LOG_STR("text", S("a\"b\\c\n\x1b[31m\xe2\x80\xae")), LOG_INT("n", -5),
             LOG_STR("none", STR_NULL));
    v = parse_line(*state, capture_end(*state));
    assert_str(json_get(v, S("event"))->text, S("test.event"));
    assert_str(json_get(v, S("level"))->text, S("info"));
    assert_str(json_get(v, S("text"))->text, S("a\"b\\c\n\x1b[31m\xe2\x80\xae"));
    assert_ok(json_int64(json_get(v, S("n")), &n));
    assert_int_equal(n, -5);
    assert_true(json_is(json_get(v, S("none")), JSON_NULL));
}

static void
test_nothing_raw_reaches_the_terminal(void **state)
{
    struct str line;

    capture_begin();
    log_warn("test.raw", LOG_STR("x", S("\x1b]0;\xe2\x80\xae\xc2\x9b\xff")));
    line = capture_end(*state);
    for (size_t i = 0; i + 1 < line.n; i++)
        assert_in_range((unsigned char)line.p[i], 0x20, 0xEF);
    assert_true(str_contains(line, S("\\u202e")));
    parse_line(*state, line);
}

static void
test_level_and_length(void **state)
{
    char *big = arena_array(*state, char, 10000);
    struct str line;

    memset(big, 'x', 10000);
    capture_begin();
    log_debug("test.hidden");
    log_error("test.big", LOG_STR("big", str_mem(big, 10000)));
    line = capture_end(*state);
    assert_false(str_contains(line, S("test.hidden")));
    assert_true(line.n < 3000);
    parse_line(*state, line);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_fields),
        ARENA_TEST(test_nothing_raw_reaches_the_terminal),
        ARENA_TEST(test_level_and_length),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
