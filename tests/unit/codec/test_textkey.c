/* The key of a text: the same for all that a reader takes for the same, the fold alone below the first mark, and
 * bounded in cost whatever is thrown at it. */
#include "../base/support.h"

#include <utf8proc.h>

#include "base/text.h"
#include "codec/textkey.h"

static struct str
of_cp(struct arena *a, uint32_t cp)
{
    struct buf *b = buf_in(a, 16);

    utf8_put(b, cp);
    return buf_view(b);
}

static struct str
folded(struct arena *a, struct str s)
{
    struct buf *b = buf_in(a, s.n * 4 + 16);

    utf8_fold(b, s);
    return buf_view(b);
}

/* One code point apart from another, as some keyboards write. */
static struct str
taken_apart(struct arena *a, struct str s)
{
    utf8proc_int32_t v[64];
    utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)s.n, v,
                                            64, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
    struct buf *b = buf_in(a, 1024);

    assert_in_range(n, 1, 64);
    for (utf8proc_ssize_t i = 0; i < n; i++)
        utf8_put(b, (uint32_t)v[i]);
    return buf_view(b);
}

static void
every_code_point_is_the_same_taken_apart(void **state)
{
    struct arena *a = arena_create("key", (size_t)64 << 20);

    (void)state;
    for (uint32_t cp = 1; cp <= 0x2FFFF; cp++) {
        struct str s, key;

        if (cp >= 0xD800 && cp <= 0xDFFF)
            continue;
        arena_reset(a);
        s = of_cp(a, cp);
        key = text_key(a, s);
        if (!str_eq(key, text_key(a, taken_apart(a, s))))
            fail_msg("U+%04X has another key taken apart", cp);
        if (cp < 0x300 && !str_eq(key, folded(a, s)))
            fail_msg("U+%04X has another key than its fold", cp);
        if (!str_eq(text_composed(a, taken_apart(a, s)), text_composed(a, s)))
            fail_msg("U+%04X is composed otherwise", cp);
    }
    arena_free(a);
}

static void
same(struct arena *a, struct str x, struct str y)
{
    if (!str_eq(text_key(a, x), text_key(a, y)))
        fail_msg("%.*s and %.*s have two keys", STR_ARG(x), STR_ARG(y));
}

static void
forms_of_one_word_have_one_key(void **state)
{
    struct arena *a = *state;

    same(a, S("Jose\u0301"), S("JOSÉ"));
    same(a, S("Hu\u1ebf"), S("hue\u0302\u0301"));
    same(a, S("Hu\u1ebf"), S("HU\u00ca\u0301")); /* half composed, as Vietnamese keyboards write */
    same(a, S("\u1ec7"), S("e\u0323\u0302"));
    same(a, S("\u1ec7"), S("e\u0302\u0323")); /* in another order */
    same(a, S("\u1112\u1161\u11ab\u1100\u116e\u11a8"), S("한국"));
    same(a, S("J\u030c"), S("\u01f0")); /* the small letter is composed, the capital is not */
    same(a, S("I\u0307stanbul"), S("İstanbul"));
    same(a, S("\u212bngstr\u00f6m"), S("ÅNGSTRO\u0308M"));
    same(a, S("ΑΘΗ\u0301ΝΑ"), S("αθήνα"));
    assert_str(text_key(a, S("Straße 7, <b>;`")), S("straße 7, <b>;`"));
    assert_str(text_key(a, S("ПАРОЛЬ 日本語")), S("пароль 日本語"));
    assert_str(text_key(a, S("")), S(""));
    assert_str(text_composed(a, S("Jose\u0301 MÜLLER")), S("José MÜLLER"));
    assert_false(str_eq(text_key(a, S("jose")), text_key(a, S("josé"))));
}

/* ASCII is taken in runs; wherever one ends, a mark joins the letter before it. */
static void
long_ascii(void **state)
{
    struct buf *b = buf_in(*state, 2048), *want = buf_in(*state, 2048);

    for (int n = 1; n <= 1030; n++) {
        buf_char(b, n % 3 ? 'X' : 'e');
        buf_char(want, n % 3 ? 'x' : 'e');
        assert_str(text_key(*state, buf_view(b)), buf_view(want));
        if (n % 3 == 0)
            assert_str(
                text_key(*state, arena_fmt(*state, "%.*s\u0301", STR_ARG(buf_view(b)))),
                arena_fmt(*state, "%.*s\u00e9", STR_ARG(str_sub(buf_view(want), 0, want->n - 1))));
    }
}

/* Marks without end, valid or not: what comes out is text, once it was, and of bounded length. */
static void
hostile_text_is_bounded(void **state)
{
    struct arena *a = arena_create("hostile", (size_t)64 << 20);
    struct buf *b = buf_in(a, (size_t)4 << 20);
    struct str key;

    (void)state;
    buf_char(b, 'a');
    for (int i = 0; i < 200000; i++)
        utf8_put(b, i % 2 ? 0x0301 : 0x0323); /* out of order, each of them */
    key = text_key(a, buf_view(b));
    assert_true(utf8_is_valid(key));
    assert_in_range(key.n, 200000, 3 * b->n);
    assert_true(str_has_prefix(key, S("\u1ea1"))); /* the letter and its first marks as ever */
    assert_str(text_key(a, S("a\xff\xcc")), S("a\uFFFD\uFFFD"));
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_is_the_same_taken_apart),
        ARENA_TEST(forms_of_one_word_have_one_key),
        ARENA_TEST(long_ascii),
        cmocka_unit_test(hostile_text_is_bounded),
    };

    return cmocka_run_group_tests_name("keys of texts", tests, NULL, NULL);
}
