/* One word in several forms of Unicode: each is found by each, also through an index that an older program made
 * of documents as they were written; that index is sound as it is, and is made again. */
#include "verify_support.h"

/* "Huệ" composed, taken apart, half composed in two ways; "José" in two. */
static const char *const vietnamese[] = {"Hu\u1ec7", "Hue\u0323\u0302", "Hu\u00ea\u0323",
                                         "Hu\u1eb9\u0302"};
static const char *const spanish[] = {"Jos\u00e9", "Jose\u0301"};
#define FORMS(v) ((int)(sizeof(v) / sizeof(v)[0]))

static void
fill_forms(void)
{
    struct cx cx = context(0);
    for (int i = 0; i < FORMS(vietnamese); i++)
        record(&cx, (struct audit_entry){.event = EV_USER_UPDATED,
                                         .target_name = str_of(vietnamese[i]),
                                         .text = arena_fmt(t.a, "%s was changed", spanish[i % 2])});
    record(&cx, (struct audit_entry){.event = EV_USER_UPDATED,
                                     .target_email = S("jos\u00e9@example.org"),
                                     .text = S("an address")});
}

static int
found(const char *q)
{
    struct audit_query ask = query(0);
    ask.q = str_of(q);
    return (int)list(ask).n;
}

static void
all_are_found(int months)
{
    for (int i = 0; i < FORMS(vietnamese); i++)
        assert_int_equal(found(vietnamese[i]), months * FORMS(vietnamese));
    for (int i = 0; i < FORMS(spanish); i++)
        assert_int_equal(found(spanish[i]), months * (FORMS(vietnamese) + 1));
    assert_int_equal(found("HU\u00ca\u0323 jos\u00c9"), months * FORMS(vietnamese));
    assert_int_equal(found("jose"), 0); /* another word than josé, however that is written */
    assert_int_equal(found("\u0301"), 0);
}

static bool
renew(void)
{
    bool found_one;
    enum err e = index_renew(t.app.audit, &found_one);
    if (e != OK)
        fail_msg("renew: %s: %.*s", err_name(e), STR_ARG(db_last_error()));
    return found_one;
}

/* A month whose chunks were merged, one of a single chunk, and one behind the index; workspace 3 writes nothing
 * that is composed. */
static void
three_months(bool older)
{
    with_tenants();
    open_signed();
    told = NULL;
    atomic_store(&t.app.audit->uncomposed, older);
    fill(0, 4200);
    fill_forms();
    fill(3, 50);
    months_on(1);
    fill_forms();
    fill(0, 20);
    fill(3, 20);
    months_on(1);
    fill(3, 1);
    atomic_store(&t.app.audit->uncomposed, false);
    fill_forms();
    move();
}

static void
each_form_is_found_by_each(void **state)
{
    (void)state;
    three_months(false);
    all_are_found(3);
    assert_false(renew());
    assert_sound();
}

static void
an_older_index_is_sound_and_made_again(void **state)
{
    int chunks = 0;
    (void)state;
    three_months(true);
    all_are_found(3);
    assert_sound();
    while (renew()) {
        chunks++;
        all_are_found(3);
        assert_sound();
    }
    assert_int_equal(chunks, 2); /* not those of the other workspace */
    all_are_found(3);
    assert_sound();
}

/* What only half of its chunks know is not taken for known when they are merged. */
static void
merged_with_an_older_one_it_is_older(void **state)
{
    (void)state;
    with_tenants();
    open_signed();
    told = NULL;
    atomic_store(&t.app.audit->uncomposed, true);
    fill_forms();
    fill(0, 4200); /* the first chunk is full */
    atomic_store(&t.app.audit->uncomposed, false);
    fill_forms();
    months_on(1);
    fill(0, 1);
    all_are_found(2);
    assert_sound();
    assert_true(renew());
    assert_false(renew());
    all_are_found(2);
    assert_sound();
}

static void
an_address_is_a_filter_in_any_form(void **state)
{
    struct audit_query q;
    (void)state;
    three_months(false);
    for (int i = 0; i < 2; i++) {
        q = query(0);
        q.user = i ? S("JOSE\u0301@example.org") : S("jos\u00e9@example.org");
        assert_int_equal(list(q).n, 3);
    }
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end_signed)
#define ALL(kind)                                                                                  \
    ON(kind, each_form_is_found_by_each), ON(kind, an_older_index_is_sound_and_made_again),        \
        ON(kind, merged_with_an_older_one_it_is_older),                                            \
        ON(kind, an_address_is_a_filter_in_any_form)

MAIN_ON_BOTH("composed text", ALL)
