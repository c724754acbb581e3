/* Users from CSV: the seven columns, and every reason a row is refused before the store is asked. */
#include "core/accesstoken.h"
#include "core/settings.h"
#include "core/usercsv.h"

/* cmocka's macro fail() hides the function of the same name: its header comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define HEAD                                                                                       \
    "First Name,LAST NAME,email,role,classification tier,authentication provider,default group\r\n"

static void
reads_the_seven_columns(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct cx cx = {.arena = a};
    struct usercsv c;

    assert_int_equal(usercsv_read(&cx,
                                  S(HEAD "Ada,Example, ada@example.org ,Analyst,2,PlexTrac,Yes\r\n"
                                         "\"Bo, Jr\",Bell,bo@example.org,,,Recount,\n"),
                                  &c),
                     OK);
    assert_int_equal(c.n, 2);
    assert_true(str_is_null(c.rows[0].reason) && str_is_null(c.rows[1].reason));
    assert_true(str_eq(c.rows[0].spec.email, S("ada@example.org")));
    assert_true(str_eq(c.rows[0].spec.role, S("Analyst")));
    assert_true(str_eq(c.rows[0].spec.provider, S("plextrac")));
    assert_true(c.rows[0].spec.default_group && !c.rows[1].spec.default_group);
    assert_true(str_eq(c.rows[1].spec.first, S("Bo, Jr")));
    assert_int_equal(c.rows[1].line, 3);
    arena_free(a);
}

static void
refuses_with_a_reason(void **state)
{
    static const char *const rows[] = {
        ",Bell,b@example.org,,,plextrac,", "Bo,Bell,bad,,,plextrac,",
        "Bo,Bell,b@example.org,,,,",       "Bo,Bell,b@example.org,,,ldap,",
        "Bo,Bell,b@example.org,,,okta,",   "Bo,Bell,b@example.org,,,plextrac,perhaps"};
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct cx cx = {.arena = a};
    struct usercsv c;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str text = arena_fmt(a, "%s%s\n", HEAD, rows[i]);

        assert_int_equal(usercsv_read(&cx, text, &c), OK);
        assert_int_equal(c.n, 1);
        assert_false(str_is_null(c.rows[0].reason));
    }
    assert_int_equal(
        usercsv_read(&cx, S(HEAD "A,B,x@example.org,,,plextrac,\nC,D,X@Example.org,,,plextrac,\n"),
                     &c),
        OK);
    assert_true(str_is_null(c.rows[0].reason));
    assert_false(str_is_null(c.rows[1].reason));
    assert_int_equal(usercsv_read(&cx, S("first name,email\nx,y\n"), &c), ERR_INVALID);
    assert_int_equal(usercsv_read(&cx, S(""), &c), ERR_INVALID);
    assert_int_equal(usercsv_read(&cx, S(HEAD "\"open"), &c), ERR_INVALID);
    arena_free(a);
}

static void
access_tokens_have_a_form(void **state)
{
    struct str cuid;
    int64_t t;

    assert_int_equal(
        access_token_parse(
            S("rct_0_c0mwt795f1oeyhaz3cjuutpa38JgJTUOGfjciJiH-hLYpw6Z3ovRwAOEk51NL4Dgz05Y"), &t,
            &cuid),
        OK);
    assert_int_equal(t, 0);
    assert_true(str_eq(cuid, S("c0mwt795f1oeyhaz3cjuutpa3")));
    assert_int_equal(access_token_parse(S("rct_0_c0mwt795f1oeyhaz3cjuutpa38JgJTUOG"), &t, &cuid),
                     ERR_INVALID);
    assert_int_equal(
        access_token_parse(
            S("rct_-1_c0mwt795f1oeyhaz3cjuutpa38JgJTUOGfjciJiH-hLYpw6Z3ovRwAOEk51NL4Dgz05Y"), &t,
            &cuid),
        ERR_INVALID);
    assert_int_equal(access_token_parse(S("rct_"), &t, &cuid), ERR_INVALID);
    assert_int_equal(access_token_parse(S(""), &t, &cuid), ERR_INVALID);
}

/* Every default satisfies the bounds of its own setting, and names are unique. */
static void
settings_are_sound(void **state)
{
    for (enum setting s = 0; s < SETTING_COUNT; s++) {
        const struct setting_info *i = setting_info(s);
        int64_t v;

        if (i->kind == SETTING_INT) {
            assert_int_equal(str_int64(str_of(i->fallback), &v), OK);
            assert_true(v >= i->min && v <= i->max);
        } else if (i->kind == SETTING_WORD) {
            assert_true(str_contains(str_of(i->words), str_of(i->fallback)));
        }
        for (enum setting t = s + 1; t < SETTING_COUNT; t++)
            assert_string_not_equal(i->name, setting_info(t)->name);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_seven_columns),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(access_tokens_have_a_form),
        cmocka_unit_test(settings_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
