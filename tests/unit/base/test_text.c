/* UTF-8 validity, folding, visibility; base64 and hexadecimal with the RFC's vectors. */
#include "support.h"

#include <locale.h>
#include <wctype.h>

#include "base/text.h"

static void
test_validity_of_every_code_point(void **state)
{
    struct buf *b = buf_in(*state, 100);

    for (uint32_t cp = 1; cp <= 0x10FFFF; cp++) {
        size_t i = 0;

        if (cp >= 0xD800 && cp <= 0xDFFF)
            continue;
        buf_clear(b);
        utf8_put(b, cp);
        assert_true(utf8_is_valid(buf_view(b)));
        assert_int_equal(utf8_next(buf_view(b), &i), cp);
        assert_int_equal(i, b->n);
    }
}

static void
test_invalid(void **state)
{
    static const struct str bad[] = {
        S("\0"),
        S("\x80"),
        S("\xc0\x80"),
        S("\xc1\xbf"),
        S("\xe0\x80\x80"),
        S("\xe0\x9f\xbf"),
        S("\xed\xa0\x80"),
        S("\xed\xbf\xbf"),
        S("\xf0\x8f\xbf\xbf"),
        S("\xf4\x90\x80\x80"),
        S("\xf5\x80\x80\x80"),
        S("\xff"),
        S("\xe2\x82"),
        S("\xf0\x9f\x98"),
        S("a\xc3"),
        S("\xc3("),
        S("\xe2(\xa1"),
        S("\xe2\x82("),
        S("12345678\0"),
        S("1234567\0"),
        S("1234567\xff"
          "9"),
        S("abcdefgh\xed\xa0\x80"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (utf8_is_valid(bad[i]))
            fail_msg("case %zu accepted", i);
    assert_true(utf8_is_valid(S("")));
    assert_true(utf8_is_valid(S("plain ascii of some length, then \xc3\xa9 and \xf0\x9f\x98\x80")));
}

static void
test_cut_and_count(void **state)
{
    struct str s = S("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};

    (void)state;
    assert_int_equal(utf8_count(s), 4);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        assert_int_equal(utf8_cut(s, i).n, want[i]);
}

static struct str
folded(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, 10000);

    utf8_fold(b, s);
    return buf_view(b);
}

static void
test_fold(void **state)
{
    assert_str(folded(*state, S("Hello, WORLD [@`{")), S("hello, world [@`{"));
    assert_str(folded(*state, S("ÀÖ×ØÞß÷ÿŸ")), S("àö×øþß÷ÿÿ"));
    assert_str(folded(*state, S("ĀāĲĳĶķĸĹĺŇňŉŊŋŶŷŹźŽž")), S("āāĳĳķķĸĺĺňňŉŋŋŷŷźźžž"));
    assert_str(folded(*state, S("ΆΈΌΏΑΡΣΫς")), S("άέόώαρσϋσ"));
    assert_str(folded(*state, S("ЀЏАЯяѠѡҊӀӁӎӐ")), S("ѐџаяяѡѡҋӏӂӎӑ"));
    assert_str(folded(*state, S("İſµ")), S("isμ"));
    assert_str(folded(*state, S("ԱḀẞỲＡ𐐀")), S("աḁßỳａ𐐨"));
}

/* The tables agree with towlower() wherever both speak; folding twice changes nothing. */
static void
test_fold_agrees_with_libc(void **state)
{
    locale_t l = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    struct buf *b = buf_in(*state, 16), *c = buf_in(*state, 16);

    if (l == (locale_t)0)
        skip();
    for (uint32_t cp = 1; cp < 0x20000; cp++) {
        size_t i = 0;
        uint32_t got;

        if (cp >= 0xD800 && cp <= 0xDFFF)
            continue;
        buf_clear(b);
        buf_clear(c);
        utf8_put(c, cp);
        utf8_fold(b, buf_view(c));
        got = utf8_next(buf_view(b), &i);
        buf_clear(c);
        utf8_fold(c, buf_view(b));
        assert_str(buf_view(c), buf_view(b));
        if (cp == 0xB5 || cp == 0x17F || cp == 0x3C2 || (cp >= 0x370 && cp < 0x386))
            continue; /* folding says more than lower-casing; Greek's archaic letters stay */
        if (got != (uint32_t)towlower_l((wint_t)cp, l))
            fail_msg("U+%04X folds to U+%04X", cp, got);
    }
    freelocale(l);
}

static void
test_visible(void **state)
{
    struct buf *b = buf_in(*state, 1000);

    text_visible(b, S("a\tb\x1b[0m\xe2\x80\xae\xc2\x85\xef\xbb\xbf\xc3\xa9\xf3\xa0\x80\x81\x7f"));
    assert_str(buf_view(b), S("a\\u{0009}b\\u{001B}[0m\\u{202E}\\u{0085}\\u{FEFF}\xc3\xa9"
                              "\\u{E0001}\\u{007F}"));
}

static void
test_plain(void **state)
{
    static const char *const odd[] = {"a b",
                                      "a\xc2\xa0"
                                      "b",
                                      "u\xcc\x88",
                                      "a\xe2\x80\x8b",
                                      "\xef\xbb\xbf"
                                      "a",
                                      "a\xe2\x80\xae",
                                      "a\xc2\xad",
                                      "\xe3\x80\x80",
                                      "a\x7f",
                                      "a\xef\xb8\x8f"};

    (void)state;
    assert_true(text_is_plain(S("")));
    assert_true(text_is_plain(S("\xc3\x9cnal.k\xc4\xb1v@example.org")));
    assert_true(text_is_plain(S("\xf0\x9f\xa6\x8a\xe6\xb5\x8b")));
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_false(text_is_plain(str_of(odd[i])));
}

static void
test_blank(void **state)
{
    static const char *const blank[] = {"",
                                        " \t\r\n",
                                        "\xe2\x80\x8b",              /* zero width space */
                                        "\xc2\xa0 \xe3\x80\x80",     /* no-break, ideographic */
                                        "\xe2\xa0\x80",              /* Braille without a dot */
                                        "\xe3\x85\xa4\xe2\x80\xae"}; /* Hangul filler, override */

    (void)state;
    for (size_t i = 0; i < sizeof blank / sizeof blank[0]; i++)
        assert_true(text_is_blank(str_of(blank[i])));
    assert_false(text_is_blank(S("\xe2\x80\x8b.")));
    assert_false(text_is_blank(S("\xf0\x9f\xa6\x8a")));
}

static void
test_base64(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    static const char *const bad[] = {"Zg",     "Zg=",  "Zg===", "Zh==",     "Zm9=", "Zm 9",
                                      "Zm9v\n", "====", "Z===",  "Zg==Zg==", "Zm-_", "=Zg="};
    struct buf *b = buf_in(*state, 100);

    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        buf_clear(b);
        base64_put(b, str_of(vectors[i][0]));
        assert_str(buf_view(b), str_of(vectors[i][1]));
        buf_clear(b);
        assert_ok(base64_get(str_of(vectors[i][1]), b));
        assert_str(buf_view(b), str_of(vectors[i][0]));
    }
    buf_clear(b);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (base64_get(str_of(bad[i]), b) != ERR_INVALID)
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(b->n, 0);
    }
    assert_str(base64url_in(*state, S("\xfb\xff\xfe?")), S("-__-Pw"));
    assert_ok(base64url_get(S("-__-Pw"), b));
    assert_str(buf_view(b), S("\xfb\xff\xfe?"));
    assert_int_equal(base64url_get(S("Zg=="), b), ERR_INVALID);
    assert_int_equal(base64url_get(S("A"), b), ERR_INVALID);
}

static void
test_hex(void **state)
{
    struct buf *b = buf_in(*state, 4);

    assert_str(hex_in(*state, S("\x01\xab\xff")), S("01abff"));
    hex_put(b, S("\x0f"));
    assert_str(buf_view(b), S("0f"));
    buf_clear(b);
    assert_ok(hex_get(S("01aBFf"), b));
    assert_str(buf_view(b), S("\x01\xab\xff"));
    assert_int_equal(hex_get(S("0"), b), ERR_INVALID);
    assert_int_equal(hex_get(S("0g"), b), ERR_INVALID);
    assert_int_equal(hex_get(S("0102"), b), ERR_TOO_LARGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_validity_of_every_code_point),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_cut_and_count),
        ARENA_TEST(test_fold),
        ARENA_TEST(test_fold_agrees_with_libc),
        ARENA_TEST(test_visible),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_blank),
        ARENA_TEST(test_base64),
        ARENA_TEST(test_hex),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
