/* The rules for new passwords, and hashing. */
#include <sodium.h>
#include "core/limits.h"
#include "core/password.h"
#include "core/user.h"
#include "run/app.h"

/* cmocka's macro fail() hides the function of the same name: its header comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct password_policy classes = {true, 12}, length = {false, 12};

static enum err
check_as(const char *email, const struct password_policy *p, const char *plain, const char **why)
{
    static char reason[256];
    struct arena *a = arena_create("test", (size_t)16 << 20);
    struct cx cx = {.arena = a};
    enum err e = password_check(&cx, p, str_of(plain), str_of(email), S("/password"));

    reason[0] = '\0';
    if (cx.failure.fields)
        snprintf(reason, sizeof reason, "%.*s", STR_ARG(cx.failure.fields->reason));
    *why = reason;
    arena_free(a);
    return e;
}

static enum err
check(const struct password_policy *p, const char *plain, const char **why)
{
    return check_as("ann.archer@example.org", p, plain, why);
}

static void
names_what_is_missing(void **state)
{
    const char *why;

    assert_int_equal(check(&classes, "Correct-Horse-77x", &why), OK);
    assert_int_equal(check(&classes, "short", &why), ERR_INVALID);
    assert_string_equal(
        why, "needs at least 12 characters, an upper case letter, a digit, a special character");
    assert_int_equal(check(&classes, "ALLUPPERCASE-77", &why), ERR_INVALID);
    assert_string_equal(why, "needs a lower case letter");
    /* Twelve characters, not bytes. */
    assert_int_equal(check(&classes, "Üü1-Üü1-Üü1", &why), ERR_INVALID);
    assert_int_equal(check(&length, "grün blau violett tanne", &why), OK);
}

static void
refuses_common_ones(void **state)
{
    static const char *const bad[] = {"Password1234!",   "P4$$w0rd!2024",      "Butterflies#2024",
                                      "aaaaaaaaaaaA1!",  "Qwertyuiop12!",      "1234567890123",
                                      "Welcome-2024!!",  "2024!Administrator", "abcdefghijklmno",
                                      "zyxwvutsrqponml", "onmlkjihgfedcba",    "9876543210987",
                                      "mnopqrstuvwxyz01"};
    static const char *const good[] = {"abcd-mnop-wxyz",
                                       "zyx-horse-cba-77"}; /* runs among others */
    const char *why;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (check(&length, bad[i], &why) != ERR_INVALID)
            fail_msg("%s passed", bad[i]);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (check(&length, good[i], &why) != OK)
            fail_msg("%s: %s", good[i], why);
    assert_int_equal(check(&length, "xx-ann.archer-77-QQ", &why), ERR_INVALID);
    assert_string_equal(why, "must not contain the name of the account");
    /* A name too short to matter alone is no excuse for the whole address. */
    assert_int_equal(check_as("ann@example.org", &length, "Ann@Example.org-A1", &why), ERR_INVALID);
    assert_int_equal(check_as("ann@example.org", &length, "Planned-Harbour-71", &why), OK);
}

static void
random_ones_pass(void **state)
{
    struct arena *a = arena_create("test", (size_t)16 << 20);
    const char *why;

    for (int i = 0; i < 2000; i++) {
        struct str p = password_random(a);

        assert_int_equal(p.n, 20);
        if (check(&classes, p.p, &why) != OK)
            fail_msg("%s: %s", p.p, why);
    }
    arena_free(a);
}

static void
hashes_and_verifies(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct app app = {.arena = a, .limits = limits_create(a)};
    struct cx cx = {.app = &app, .arena = a};
    struct str hash, other;
    bool match;

    assert_int_equal(password_hash(&cx, S("Correct-Horse-77x"), &hash), OK);
    assert_true(str_has_prefix(hash, S("$argon2id$v=19$m=19456,t=2,p=1$")));
    assert_int_equal(password_hash(&cx, S("Correct-Horse-77x"), &other), OK);
    assert_false(str_eq(hash, other));
    assert_int_equal(password_verify(&cx, hash, S("Correct-Horse-77x"), &match), OK);
    assert_true(match);
    assert_int_equal(password_verify(&cx, hash, S("correct-Horse-77x"), &match), OK);
    assert_false(match);
    assert_int_equal(password_verify(&cx, hash, S(""), &match), OK);
    assert_false(match);
    arena_free(a);
}

/* An unknown name costs a hash of the same parameters and never matches. */
static void
nobody_costs_the_same(void **state)
{
    struct arena *a = arena_create("test", (size_t)64 << 20);
    struct app app = {.arena = a};
    struct cx cx = {.app = &app, .arena = a};
    int64_t t0, took, known = INT64_MAX,
                      unknown = INT64_MAX; /* the shortest: whatever else runs here */
    struct str hash;
    bool match;

    assert_int_equal(password_hash(&cx, S("Correct-Horse-77x"), &hash), OK);
    for (int i = 0; i < 5; i++) {
        t0 = clock_monotonic();
        assert_int_equal(password_verify(&cx, hash, S("x"), &match), OK);
        took = clock_monotonic() - t0;
        known = took < known ? took : known;
        t0 = clock_monotonic();
        assert_int_equal(password_verify(&cx, STR_NULL, S("x"), &match), OK);
        took = clock_monotonic() - t0;
        unknown = took < unknown ? took : unknown;
        assert_false(match);
    }
    /* Not a timing test: a fixed hash that libsodium refuses to read would cost nothing at all. */
    assert_true(unknown > known / 10);
    arena_free(a);
}

static void
knows_addresses(void **state)
{
    static const char *const good[] = {"a@b.cd", "ann.o'archer+x@mail.example.org",
                                       "ä@example.org"};
    static const char *const bad[] = {"",
                                      "a",
                                      "a@b",
                                      "@b.cd",
                                      "a@b.cd ",
                                      "a b@c.de",
                                      "a@@b.cd",
                                      "a@.cd",
                                      "a@b.cd\r\nBcc: x@y.z",
                                      "<a@b.cd>",
                                      "a@b.cd,c@d.ef"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(email_is_valid(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(email_is_valid(str_of(bad[i])));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_missing), cmocka_unit_test(refuses_common_ones),
        cmocka_unit_test(random_ones_pass),      cmocka_unit_test(hashes_and_verifies),
        cmocka_unit_test(nobody_costs_the_same), cmocka_unit_test(knows_addresses),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
