/* Randomness: bounds and no obvious repeats. */
#include "support.h"

#include "base/rand.h"

static void
test_below_stays_below(void **state)
{
    static const uint64_t bounds[] = {1, 2, 3, 10, 1000, UINT64_C(1) << 63, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
        for (int k = 0; k < 200; k++)
            assert_true(rand_below(bounds[i]) < bounds[i]);
}

static void
test_every_value_comes(void **state)
{
    int seen[6] = {0};

    (void)state;
    for (int i = 0; i < 2000; i++)
        seen[rand_below(6)]++;
    for (int i = 0; i < 6; i++)
        assert_true(seen[i] > 150);
}

static void
test_bytes(void **state)
{
    static unsigned char a[1000], b[1000];

    (void)state;
    rand_bytes(a, sizeof(a));
    rand_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_true(rand_u64() != rand_u64());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below_stays_below),
        cmocka_unit_test(test_every_value_comes),
        cmocka_unit_test(test_bytes),
    };

    return cmocka_run_group_tests_name("rand", tests, NULL, NULL);
}
