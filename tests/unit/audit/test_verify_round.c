/* The verifier and the openings of blinded heads, on both stores: sound over days and thinning; each change of one,
 * and each that is missing, is told. */
#include "support.h"

#include "audit/note.h"
#include "verify_support.h"

static void
round_now(int64_t later)
{
    t.app.simulated_now += later;
    assert_int_equal(round_record(t.app.audit), OK);
    move();
}

/* Three days: rounds by the minute, of one log or both. */
static void
three_days(void)
{
    two_months(60);
    for (int day = 0; day < 3; day++) {
        for (int i = 0; i < 3; i++) {
            fill(0, 2);
            if (i != 1)
                fill(3, 1);
            round_now(USEC_PER_MIN);
        }
        t.app.simulated_now += USEC_PER_DAY;
    }
    fill(0, 1);
    round_now(USEC_PER_MIN);
    assert_true(ask(t.app.db, "SELECT count(*) FROM audit_opening") < 3 * 5 + 1); /* thinned out */
}

static void
openings_are_sound_when_thinned_out(void **state)
{
    (void)state;
    three_days();
    assert_sound();
    struct verify_result res;
    struct verify_options o = {.deep = true, .resume = true, .from = {{0, 0}, 20}};
    assert_int_equal(verify_with(o, &res), 0);
}

static void
a_round_that_waits_in_the_tail_is_known(void **state)
{
    (void)state;
    three_days();
    fill(3, 1);
    t.app.simulated_now += USEC_PER_MIN;
    assert_int_equal(round_record(t.app.audit), OK);
    assert_int_equal(ask(t.app.db, "SELECT count(*) FROM audit_tail"), 1);
    assert_sound();
}

static const struct {
    const char *change, *told;
} changes[] = {
    {"UPDATE audit_opening SET head_root = round_root", "does not lead to its round"},
    {"UPDATE audit_opening SET salt = round_root", "does not lead to its round"},
    {"UPDATE audit_opening SET size = size - 1", "does not lead to its round"},
    {"UPDATE audit_opening SET leaves = leaves + 1", "of another round"},
    {"UPDATE audit_opening SET event = 'cnobody000000000000000000'",
     "does not hold (/cnobody000000000000000000)"},
    {"DELETE FROM audit_opening", "are not all there"},
    {"DELETE FROM audit_opening WHERE tenant_id = 3", "are not all there"},
    {"DELETE FROM audit_opening WHERE tenant_id = 0 AND at = (SELECT max(at) FROM audit_opening)",
     "are not all there"},
    {"DELETE FROM audit_opening WHERE tenant_id = 3 AND at = (SELECT min(at) FROM audit_opening"
     " WHERE tenant_id = 3)",
     "are not all there"},
};

static void
each_change_of_an_opening_is_told(void **state)
{
    (void)state;
    three_days();
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        behind("CREATE TABLE kept AS SELECT * FROM audit_opening");
        behind(changes[i].change);
        assert_true(verify(true) > 0);
        assert_told(changes[i].told);
        behind("DELETE FROM audit_opening");
        behind("INSERT INTO audit_opening SELECT * FROM kept");
        behind("DROP TABLE kept");
    }
    assert_sound();
}

/* An opening made up from the start, of a head the log never had: its own tree, an event of its own round. */
static void
a_head_that_never_was_is_told(void **state)
{
    (void)state;
    three_days();
    struct sha256 head = sha256_of(S("never")), root;
    char salt[ROUND_SALT] = {1};
    struct str origin = S("cinstance000000000000000a/ctenant00000000000000000a/0");
    struct str parts[] = {S("\x00"), str_mem(salt, ROUND_SALT),
                          arena_fmt(t.a, "%.*s\n20\n", STR_ARG(origin)), sha256_str(&head)};
    root = sha256_parts(parts, 4); /* a tree of one leaf */
    struct str sql = arena_fmt(
        t.a,
        t.kind == DB_SQLITE
            ? "UPDATE audit_opening SET size = 20, head_root = X'%.*s', salt = X'%.*s',"
              " round_root = X'%.*s', leaf = 0, leaves = 1, path = X'' WHERE tenant_id = 0"
            : "UPDATE audit_opening SET size = 20, head_root = '\\x%.*s', salt = '\\x%.*s',"
              " round_root = '\\x%.*s', leaf = 0, leaves = 1, path = '' WHERE tenant_id = 0",
        STR_ARG(hex_in(t.a, sha256_str(&head))), STR_ARG(hex_in(t.a, str_mem(salt, ROUND_SALT))),
        STR_ARG(hex_in(t.a, sha256_str(&root))));
    behind(sql.p);
    assert_true(verify(true) > 0);
    assert_told("another root than the events");
    assert_told("of another round");
}

#define ON(kind, f) cmocka_unit_test_setup_teardown(f, begin_##kind, end_signed)
#define ALL(kind)                                                                                  \
    ON(kind, openings_are_sound_when_thinned_out),                                                 \
        ON(kind, a_round_that_waits_in_the_tail_is_known),                                         \
        ON(kind, each_change_of_an_opening_is_told), ON(kind, a_head_that_never_was_is_told)

int
main(void)
{
    const struct CMUnitTest lite[] = {ALL(sqlite)};
    const struct CMUnitTest pg[] = {ALL(postgres)};
    int failed = cmocka_run_group_tests_name("sqlite", lite, NULL, NULL);
    if (getenv("RECOUNT_TEST_PG") != NULL)
        failed += cmocka_run_group_tests_name("postgres", pg, NULL, NULL);
    return failed;
}
