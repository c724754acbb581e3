/* SHA-256 (FIPS 180-4 examples) and HMAC-SHA-256 (RFC 4231). */
#include "../base/support.h"

#include "base/text.h"
#include "codec/hash.h"

static void
test_sha256(void **state)
{
    struct sha256 h = sha256_of(S("abc"));
    struct str parts[] = {S("a"), STR_NULL, S("bc")};

    assert_str(hex_in(*state, sha256_str(&h)),
               S("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    h = sha256_parts(parts, 3);
    assert_str(hex_in(*state, sha256_str(&h)),
               S("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    h = sha256_of(STR_NULL);
    assert_str(hex_in(*state, sha256_str(&h)),
               S("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

static void
test_hmac(void **state)
{
    char key[131];
    struct sha256 h = hmac_sha256(S("Jefe"), S("what do ya want for nothing?"));

    assert_str(hex_in(*state, sha256_str(&h)),
               S("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    memset(key, 0xaa, sizeof(key)); /* RFC 4231 test case 6: a key longer than a block */
    h = hmac_sha256(str_mem(key, sizeof(key)),
                    S("Test Using Larger Than Block-Size Key - Hash Key First"));
    assert_str(hex_in(*state, sha256_str(&h)),
               S("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    /* Keys of one byte, of a whole block and of one byte more; computed with Python's hmac. */
    h = hmac_sha256(str_mem(key, 1), S("abc"));
    assert_str(hex_in(*state, sha256_str(&h)),
               S("7a84f0e92c413368b7648d014ebc35502a22669760691133def2dd024af3025e"));
    h = hmac_sha256(str_mem(key, 64), S("abc"));
    assert_str(hex_in(*state, sha256_str(&h)),
               S("2f8cff867f2668ca93d3c5b03ba9f816746742eda349b3bc4bb35aa27816754c"));
    h = hmac_sha256(str_mem(key, 65), S("abc"));
    assert_str(hex_in(*state, sha256_str(&h)),
               S("102ebc7ceb9dff09e5a77413a3cd67382908ece255487006eb0e1e1b801f9ce6"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {ARENA_TEST(test_sha256), ARENA_TEST(test_hmac)};

    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
