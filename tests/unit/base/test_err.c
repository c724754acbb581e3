/* Every code has a name, a reason and a sensible status. */
#include "support.h"

#include "base/err.h"

static void
test_table_is_complete(void **state)
{
    (void)state;
    for (int e = 0; e < ERR_COUNT; e++) {
        assert_non_null(err_name((enum err)e));
        assert_non_null(err_http_reason((enum err)e));
        assert_in_range(err_http_status((enum err)e), 200, 599);
        for (int k = 0; k < e; k++)
            assert_string_not_equal(err_name((enum err)k), err_name((enum err)e));
    }
    assert_int_equal(err_http_status(OK), 200);
    assert_int_equal(err_http_status(ERR_CONFLICT), 409);
    assert_int_equal(err_http_status(ERR_FULL), 503);
    assert_int_equal(err_http_status((enum err)ERR_COUNT), 500);
}

static enum err
inner(enum err e, int *ran)
{
    TRY(e);
    *ran = 1;
    return OK;
}

static void
test_try(void **state)
{
    int ran = 0;

    (void)state;
    assert_int_equal(inner(ERR_IO, &ran), ERR_IO);
    assert_int_equal(ran, 0);
    assert_int_equal(inner(OK, &ran), OK);
    assert_int_equal(ran, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_complete),
        cmocka_unit_test(test_try),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
