/* Codes of the second factor: the vectors of RFC 6238, replay, tolerance, and the texts. */
#include "core/device.h"
#include "core/mfa.h"
#include "run/app.h"
#include "run/keys.h"

/* cmocka's macro fail() hides the function of the same name: its header comes last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void
totp_vectors(void **state)
{
    /* RFC 6238 appendix B, SHA-1; the last six of the eight digits. */
    static const struct {
        int64_t at;
        const char *code;
    } v[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
             {1234567890, "005924"}, {2000000000, "279037"}, {INT64_C(20000000000), "353130"}};
    struct str secret = S("12345678901234567890");
    int64_t step;

    for (size_t i = 0; i < sizeof v / sizeof v[0]; i++) {
        assert_true(mfa_totp_ok(secret, str_of(v[i].code), v[i].at * USEC_PER_SEC, 0, &step));
        assert_int_equal(step, v[i].at / 30);
        /* The same code is refused the second time, and so is anything before it. */
        assert_false(mfa_totp_ok(secret, str_of(v[i].code), v[i].at * USEC_PER_SEC, step, &step));
        /* One step of tolerance on each side, not two. */
        assert_true(
            mfa_totp_ok(secret, str_of(v[i].code), (v[i].at + 30) * USEC_PER_SEC, 0, &step));
        assert_false(
            mfa_totp_ok(secret, str_of(v[i].code), (v[i].at + 60) * USEC_PER_SEC, 0, &step));
    }
    assert_false(mfa_totp_ok(secret, S("28708"), 59 * USEC_PER_SEC, 0, &step));
    assert_false(mfa_totp_ok(secret, S("28708a"), 59 * USEC_PER_SEC, 0, &step));
    /* RFC 4226 appendix D: the very first one. */
    assert_true(mfa_totp_ok(secret, S("755224"), 10 * USEC_PER_SEC, -1, &step));
    assert_int_equal(step, 0);
    assert_false(mfa_totp_ok(S(""), S("287082"), 59 * USEC_PER_SEC, 0, &step));
}

static void
secrets_as_text(void **state)
{
    struct arena *a = arena_create("test", (size_t)1 << 20);
    struct str uri = mfa_uri(a, S("Recount T&T"), S("ann@example.org"), S("12345678901234567890"));

    /* RFC 4648 section 10. */
    assert_true(str_eq(mfa_secret_text(a, S("foobar")), S("MZXW6YTBOI")));
    assert_true(str_eq(mfa_secret_text(a, S("f")), S("MY")));
    assert_int_equal(mfa_secret_text(a, mfa_secret_new(a)).n, 32);
    assert_true(str_eq(
        uri, S("otpauth://totp/Recount%20T%26T:ann%40example.org?secret="
               "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Recount%20T%26T&digits=6&period=30")));
    arena_free(a);
}

static void
recovery_codes(void **state)
{
    struct arena *a = arena_create("test", (size_t)1 << 20);
    struct keys keys = {.blind = S("0123456789abcdef0123456789abcdef"),
                        .device = S("fedcba9876543210fedcba9876543210")};
    struct app app = {.arena = a, .keys = &keys};
    struct cx cx = {.app = &app, .arena = a};
    struct str code = mfa_recovery_code(a), cuid;
    struct str d = cuid_in(a, 1), cookie = device_cookie(&cx, d, S("ann@example.org"));

    assert_int_equal(code.n, 11);
    assert_false(mfa_is_digits(code));
    assert_true(mfa_is_digits(S("012345")));
    assert_true(mfa_is_digits(S("999999")));
    assert_false(mfa_is_digits(S("")));
    assert_false(mfa_is_digits(S("01234")));
    assert_false(mfa_is_digits(S("0123456")));
    assert_false(mfa_is_digits(S("01234/")));
    assert_false(mfa_is_digits(S("01234:")));
    /* What is stored of a code is the same in every version: computed with Python's hmac. */
    assert_true(str_eq(mfa_recovery_hash(&cx, S("ABCDE-fghjk")),
                       S("bf7fc615e33310723cc1cec3018a40679273fa650ea1acdf4e1644b134ba3a55")));
    assert_true(
        str_eq(mfa_recovery_hash(&cx, S("abcde-fghjk")), mfa_recovery_hash(&cx, S("ABCDE fghjk"))));
    assert_false(
        str_eq(mfa_recovery_hash(&cx, S("abcde-fghjk")), mfa_recovery_hash(&cx, S("abcde-fghjm"))));
    /* The device cookie is bound to the name and can not be made without the key. */
    assert_true(device_is_known(&cx, cookie, S("ann@example.org"), &cuid));
    assert_true(str_eq(cuid, d));
    assert_false(device_is_known(&cx, cookie, S("bob@example.org"), &cuid));
    assert_false(
        device_is_known(&cx, str_sub(cookie, 0, cookie.n - 1), S("ann@example.org"), &cuid));
    assert_false(device_is_known(&cx, STR_NULL, S("ann@example.org"), &cuid));
    arena_free(a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totp_vectors),
        cmocka_unit_test(secrets_as_text),
        cmocka_unit_test(recovery_codes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
