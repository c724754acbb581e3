/* struct buf: growth, the sticky failure at the maximum, integers. */
#include "support.h"

#include "base/buf.h"

static void
test_grows_and_views(void **state)
{
    struct buf *b = buf_in(*state, 100000);

    assert_false(str_is_null(buf_view(b)));
    for (int i = 0; i < 10000; i++)
        buf_fmt(b, "%04d,", i);
    assert_int_equal(b->n, 50000);
    assert_str(str_sub(buf_view(b), 49995, 5), S("9999,"));
    assert_false(buf_failed(b));
}

static void
test_fails_sticky_at_max(void **state)
{
    struct buf *b = buf_in(*state, 10);

    buf_cstr(b, "0123456789");
    assert_false(buf_failed(b));
    buf_char(b, 'x');
    assert_true(buf_failed(b));
    buf_clear(b);
    buf_put(b, "12345678901", 11);
    assert_true(buf_failed(b));
    buf_char(b, 'a'); /* would fit, but the failure stays */
    assert_int_equal(b->n, 0);
    buf_clear(b);
    buf_char(b, 'a');
    assert_str(buf_view(b), S("a"));
}

static void
test_integers(void **state)
{
    struct buf *b = buf_in(*state, 100);

    buf_u16be(b, 0x0102);
    buf_u32be(b, 0x03040506);
    buf_u64be(b, 0x0708090A0B0C0D0E);
    assert_memory_equal(b->p, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 14);
    buf_clear(b);
    buf_varint(b, 0);
    buf_varint(b, 127);
    buf_varint(b, 128);
    buf_varint(b, 624485);
    buf_varint(b, UINT64_MAX);
    assert_int_equal(b->n, 1 + 1 + 2 + 3 + 10);
    assert_memory_equal(b->p, "\x00\x7f\x80\x01\xe5\x8e\x26\xff\xff", 9);
    assert_int_equal((unsigned char)b->p[16], 1);
}

static void
test_long_format(void **state)
{
    struct buf *b = buf_in(*state, 1000);

    buf_fmt(b, "%*d", 500, 7);
    assert_int_equal(b->n, 500);
    assert_int_equal(b->p[499], '7');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_grows_and_views),
        ARENA_TEST(test_fails_sticky_at_max),
        ARENA_TEST(test_integers),
        ARENA_TEST(test_long_format),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
