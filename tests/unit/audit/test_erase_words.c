/* Whether a text names a person: where an address, a name, an id begins and ends, and what people type when they
 * look for somebody. What the answer is used for is in core/test_erasure.c. */
#include "audit/erase.h"
#include "run/app.h"
#include "run/keys.h"

#include "../base/support.h" /* last: cmocka's fail() is a macro */

static struct erase_subject
her(struct arena *a)
{
    struct erase_subject s = {0};

    assert_true(erase_words_add_folded(a, &s.emails, S("Ann@Example.org")));
    assert_true(erase_words_add_folded(a, &s.names, S("Ann Archer")));
    assert_true(erase_words_add(a, &s.cuids, S("cann0")));
    assert_true(erase_words_add_folded(a, &s.texts, S("AB-CD 12")));
    return s;
}

static void
a_text_names_her_or_not(void **state)
{
    static const char *const yes[] = {
        "ann@example.org",
        "ANN@EXAMPLE.ORG",
        "to ann@example.org.",
        "to ann@example.org. Then",
        "<ann@example.org>",
        "(ann@example.org,",
        "/ann@example.org/",
        "joann@example.org and ann@example.org", /* behind one that is not hers */
        "Ann Archer",
        "ANN ARCHER's",
        "by Ann Archer-Smith",
        "Joann Archer, Ann Archer",
        "user cann0",
        "user=cann0;",
        "AB-CD 12",
        "xab-cd 123", /* matched anywhere */
    };
    static const char *const no[] = {
        "",
        "ann",
        "joann@example.org",
        "xann@example.org", /* the bytes at the ends of what a word is made of, on either side */
        "aann@example.org",
        "zann@example.org",
        "0ann@example.org",
        "9ann@example.org",
        "\u0440ann@example.org",
        "ann@example.orga",
        "ann@example.orgz",
        "ann@example.org0",
        "ann@example.org9",
        "ann@example.org.u",
        "mary-ann@example.org",
        "mary.ann@example.org",
        "mary_ann@example.org",
        "mary+ann@example.org",
        "50%ann@example.org",
        "\u00e9ann@example.org",
        "ann@example.organic",
        "ann@example.org2",
        "ann@example.org\u00e9",
        "ann@example.org.uk",
        "ann@example.org-old",
        "ann@example.or",
        "Joann Archer",
        "Ann Archers",
        "Ann  Archer",
        "2Ann Archer",
        "xcann0",
        "cann01",
        "ab-cd 1",
    };
    struct erase_subject s = her(*state), nobody = {0};

    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (!erase_is_named(*state, &s, str_of(yes[i])))
            fail_msg("\"%s\" names her", yes[i]);
        if (!erase_is_searched(*state, &s, str_of(yes[i])))
            fail_msg("\"%s\" looks for her", yes[i]);
        assert_false(erase_is_named(*state, &nobody, str_of(yes[i])));
        assert_false(erase_is_searched(*state, &nobody, str_of(yes[i])));
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (erase_is_named(*state, &s, str_of(no[i])))
            fail_msg("\"%s\" does not name her", no[i]);
}

/* A part of four bytes or more, as a word. */
static void
a_query_looks_for_her_or_not(void **state)
{
    static const char *const yes[] = {"archer", "ARCHER", "who is archer?",
                                      "vera",   "vogel",  "abcd"};
    static const char *const no[] = {"",        "ann", "arche", "archers",     "veras",
                                     "example", "org", "abc",   "ann archer2", "smith"};
    struct erase_subject s = {0};

    assert_true(erase_words_add_folded(*state, &s.emails, S("vera.vogel@example.org")));
    assert_true(erase_words_add_folded(*state, &s.emails, S("abc-abcd")));
    assert_true(erase_words_add_folded(*state, &s.names, S("Ann Archer")));
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        if (!erase_is_searched(*state, &s, str_of(yes[i])))
            fail_msg("\"%s\" looks for her", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        if (erase_is_searched(*state, &s, str_of(no[i])))
            fail_msg("\"%s\" does not look for her", no[i]);
}

static void
words_are_kept_once(void **state)
{
    struct erase_words w = {0};

    assert_false(erase_words_add(*state, &w, S("")));
    assert_true(erase_words_add_folded(*state, &w, S("One")));
    assert_false(erase_words_add_folded(*state, &w, S("ONE")));
    assert_false(erase_words_add(*state, &w, S("one")));
    assert_int_equal(w.n, 1);
    for (int i = 1; i < ERASE_WORDS_MAX; i++)
        assert_true(erase_words_add(*state, &w, arena_fmt(*state, "word %d", i)));
    assert_false(erase_words_add(*state, &w, S("one more")));
    assert_int_equal(w.n, ERASE_WORDS_MAX);
}

/* The same person has the same pseudonym in every version: computed with Python's hmac. */
static void
a_pseudonym_is_final(void **state)
{
    struct keys keys = {.blind = S("0123456789abcdef0123456789abcdef")};
    struct app app = {.keys = &keys};
    struct cx cx = {.app = &app, .arena = *state, .tenant = {.cuid = S("ctenant")}};

    assert_str(erase_person(&cx, S("ann@example.org")), S("28990F5698"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(a_text_names_her_or_not),
        ARENA_TEST(a_query_looks_for_her_or_not),
        ARENA_TEST(words_are_kept_once),
        ARENA_TEST(a_pseudonym_is_final),
    };

    return cmocka_run_group_tests_name("erase words", tests, NULL, NULL);
}
