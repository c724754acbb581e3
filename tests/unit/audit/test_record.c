/* The canonical record: its bytes are final, so one record is held here literally; the decoder
 * refuses everything that is not the one way to write an event down. */
#include "support.h"

static struct record
sample(void)
{
    static const struct audit_change changes[] = {{S("role"), S("Analyst"), S("Admin")},
                                                  {S("note"), STR_NULL, S("")}};
    struct record r = {.tenant = S("ctenant"), .placed = true};
    r.e = (struct audit_event){.epoch = 0,
                               .index = 5,
                               .cuid = S("cevent"),
                               .type_name = S("UserUpdated"),
                               .type = EV_USER_UPDATED,
                               .outcome = OUTCOME_FAILURE,
                               .at = 1000,
                               .logged = 2000,
                               .actor_kind = ACTOR_USER,
                               .actor_id = S("calice"),
                               .actor_name = S("Alice"),
                               .actor_email = S("a@b"),
                               .session = S("csess"),
                               .target_kind = S("user"),
                               .target_id = S("cbob"),
                               .target_name = S("Bob"),
                               .target_email = S("b@b"),
                               .client_id = 3,
                               .client_name = S("ACME"),
                               .address = S("::1"),
                               .via = S("::2"),
                               .user_agent = S("UA"),
                               .request_id = S("r1"),
                               .text = S("changed"),
                               .private_detail = S("pd"),
                               .changes = changes,
                               .n_changes = 2,
                               .count = 4};
    return r;
}

static const char public_hex[] = "0001000000080000000000000001"
                                 "000200000006636576656e74"
                                 "00030000000b5573657255706461746564"
                                 "0004000000080000000000000001"
                                 "00050000000800000000000003e8"
                                 "0006000000076374656e616e74"
                                 "0007000000080000000000000001"
                                 "000800000006"
                                 "63616c696365"
                                 "00090000000475736572"
                                 "000a0000000463626f62"
                                 "000b000000080000000000000003"
                                 "000c000000027231"
                                 "000d000000056373657373"
                                 "000e000000080000000000000004"
                                 "00f0000000080000000000000000"
                                 "00f1000000080000000000000005"
                                 "00f20000000800000000000007d0";
static const char personal_hex[] = "000100000005416c696365"
                                   "000200000003614062"
                                   "0003000000033a3a31"
                                   "0004000000033a3a32"
                                   "0005000000025541"
                                   "000600000003426f62"
                                   "000700000003624062"
                                   "00080000000441434d45"
                                   "0009000000076368616e676564"
                                   "000a000000027064"
                                   "000b0000001c"
                                   "00000004726f6c65"
                                   "00000007416e616c797374"
                                   "0000000541646d696e"
                                   "000b00000010"
                                   "000000046e6f7465"
                                   "ffffffff"
                                   "00000000";

static void
vector_is_final(void **state)
{
    struct arena *a = arena_create("t", 1 << 22);
    struct record r = sample();
    struct buf *pub = buf_in(a, 1 << 20), *per = buf_in(a, 1 << 20);
    record_put_public(pub, &r);
    record_put_personal(per, &r);
    assert_string_equal(hex_in(a, buf_view(pub)).p, public_hex);
    assert_string_equal(hex_in(a, buf_view(per)).p, personal_hex);
    struct sha256 leaf = record_leaf(buf_view(pub), S("0123456789abcdef"), buf_view(per));
    assert_string_equal(hex_in(a, sha256_str(&leaf)).p,
                        "b9af7fa951a4860438374bdef649e7f500e6a9944193029d8de3152f3cbb1051");
    arena_free(a);
}

static void
decodes_what_it_encodes(void **state)
{
    struct arena *a = arena_create("t", 1 << 22);
    struct record r = {0}, want = sample();
    struct buf *pub = buf_in(a, 1 << 20), *per = buf_in(a, 1 << 20), *again = buf_in(a, 1 << 20);
    assert_int_equal(hex_get(str_of(public_hex), pub), OK);
    assert_int_equal(hex_get(str_of(personal_hex), per), OK);
    assert_int_equal(record_get_public(buf_view(pub), &r), OK);
    assert_int_equal(record_get_personal(a, buf_view(per), &r), OK);
    assert_true(r.placed);
    assert_int_equal(r.e.type, EV_USER_UPDATED);
    assert_int_equal(r.e.count, 4);
    assert_int_equal(r.e.n_changes, 2);
    assert_true(str_is_null(r.e.changes[1].before));
    assert_false(str_is_null(r.e.changes[1].after));
    assert_true(str_eq(r.e.text, want.e.text));
    record_put_public(again, &r);
    assert_true(str_eq(buf_view(again), buf_view(pub)));
    arena_free(a);
}

static void
refuse(const char *hex, bool personal)
{
    struct arena *a = arena_create("t", 1 << 22);
    struct record r = {0};
    struct buf *b = buf_in(a, 1 << 20);
    assert_int_equal(hex_get(str_of(hex), b), OK);
    enum err e =
        personal ? record_get_personal(a, buf_view(b), &r) : record_get_public(buf_view(b), &r);
    if (e != ERR_INVALID)
        fail_msg("accepted: %s", hex);
    arena_free(a);
}

static void
refuses_what_is_not_canonical(void **state)
{
    struct arena *a = arena_create("t", 1 << 24);
    struct buf *b = buf_in(a, 1 << 20);
    struct record r = {0};
    assert_int_equal(hex_get(str_of(public_hex), b), OK);
    for (size_t n = 0; n < b->n; n++) { /* every truncation within the obligatory fields, or torn */
        struct record cut = {0};
        enum err e = record_get_public(str_sub(buf_view(b), 0, n), &cut);
        if (e == OK)
            assert_false(cut.placed);
        if (n < 90)
            assert_int_equal(e, ERR_INVALID);
    }
    assert_int_equal(record_get_public(S(""), &r), ERR_INVALID);
    refuse("0002000000016100010000000161", true); /* disorder */
    refuse("0001000000016100010000000161", true); /* repetition */
    refuse("000100000000", true);                 /* empty text */
    refuse("0001000000026100", true);             /* NUL within the text */
    refuse("0001000000"
           "05"
           "61",
           true);                         /* longer than the bytes */
    refuse("000c0000000161", true);       /* unknown tag */
    refuse("000100000001ff", true);       /* not UTF-8 */
    refuse("000b0000000400000000", true); /* a change without its parts */
    refuse("000b0000000d"
           "00000000"
           "00000000"
           "00000000"
           "00",
           true); /* bytes behind a change */
    refuse("000b0000000c"
           "00000001"
           "00000000"
           "00000000",
           true);
    refuse("000100000001ff000200", true);
    arena_free(a);
}

/* Behind the six fields that every public part has. */
static void
refuse_behind(const char *hex)
{
    static const size_t first = 2 * (14 + 12 + 17 + 14 + 14); /* version … at */
    struct arena *a = arena_create("t", 1 << 22);

    refuse(arena_cstr(
               a, arena_fmt(a, "%.*s0007000000080000000000000001%s", (int)first, public_hex, hex)),
           false);
    arena_free(a);
}

static void
refuses_values_that_are_never_written(void **state)
{
#define PLACE(epoch, index) "00f000000008" epoch "00f100000008" index "00f20000000800000000000007d0"
#define ZERO                "0000000000000000"
#define BELOW               "ffffffffffffffff"
    struct arena *a = arena_create("t", 1 << 22);
    struct buf *b = buf_in(a, RECORD_PART_MAX + 64);
    struct record r = {0};

    refuse_behind("000b00000008" ZERO);            /* no client */
    refuse_behind("000e00000008" ZERO);            /* no event */
    refuse_behind("000e000000080000000000000001"); /* one, which is not written */
    refuse_behind("000e00000008" BELOW);           /* fewer than none */
    refuse_behind("000b00000007"
                  "00000000000003"); /* seven bytes of a number */
    refuse_behind("000b00000009"
                  "000000000000000003"); /* and nine */
    refuse_behind("000f0000000161");     /* unknown tag */
    refuse_behind(PLACE(BELOW, ZERO));   /* before the first epoch */
    refuse_behind(PLACE(ZERO, BELOW));   /* before the first event */
    refuse_behind("00f000000008" ZERO);  /* half a place */
    refuse_behind("00f100000008" ZERO "00f200000008" ZERO);

    /* Version, outcome, kind of actor: one beyond what there is, and below. */
    assert_int_equal(hex_get(str_of(public_hex), b), OK);
    assert_int_equal(record_get_public(buf_view(b), &r), OK);
    static const struct {
        size_t at;
        char value;
    } wrong[] = {{13, 0},  {13, RECORD_VERSION + 1}, {56, 3},
                 {49, -1}, {97, ACTOR_SYSTEM + 1},   {90, -1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char was = b->p[wrong[i].at];

        b->p[wrong[i].at] = wrong[i].value;
        assert_int_equal(record_get_public(buf_view(b), &r), ERR_INVALID);
        b->p[wrong[i].at] = was;
    }
    arena_free(a);
}

/* The longest part, and one byte more. */
static void
refuses_what_is_too_long(void **state)
{
    struct arena *a = arena_create("t", (size_t)8 << 20);
    struct buf *b = buf_in(a, 2 * RECORD_PART_MAX);
    struct record r = sample();

    r.placed = false;
    r.e.session = STR_NULL;
    r.e.count = 1;
    r.e.request_id = STR_NULL;
    record_put_public(b, &r);
    size_t left = RECORD_PART_MAX - b->n - 6;
    char *text = arena_alloc(a, left + 1, 1);
    memset(text, 'r', left + 1);
    r.e.request_id = str_mem(text, left);
    buf_clear(b);
    record_put_public(b, &r);
    assert_int_equal(b->n, RECORD_PART_MAX);
    assert_int_equal(record_get_public(buf_view(b), &r), OK);
    r.e.request_id = str_mem(text, left + 1);
    buf_clear(b);
    record_put_public(b, &r);
    assert_int_equal(record_get_public(buf_view(b), &r), ERR_INVALID);
    arena_free(a);
}

static void
survives_every_flipped_byte(void **state)
{
    struct arena *a = arena_create("t", (size_t)64 << 20);
    struct buf *pub = buf_in(a, 1 << 20), *per = buf_in(a, 1 << 20), *again = buf_in(a, 1 << 20);
    assert_int_equal(hex_get(str_of(public_hex), pub), OK);
    assert_int_equal(hex_get(str_of(personal_hex), per), OK);
    for (size_t i = 0; i < pub->n + per->n; i++)
        for (int x = 1; x < 256; x <<= 1) {
            char *p = i < pub->n ? &pub->p[i] : &per->p[i - pub->n];
            struct record r = {0};
            *p = (char)(*p ^ x);
            /* What is taken is taken as it is: there is one way to write it. */
            if (record_get_public(buf_view(pub), &r) == OK) {
                buf_clear(again);
                record_put_public(again, &r);
                assert_true(str_eq(buf_view(again), buf_view(pub)));
            }
            if (record_get_personal(a, buf_view(per), &r) == OK) {
                buf_clear(again);
                record_put_personal(again, &r);
                assert_true(str_eq(buf_view(again), buf_view(per)));
            }
            *p = (char)(*p ^ x);
        }
    arena_free(a);
}

static void
catalogue_is_sound(void **state)
{
    for (int i = 1; i < EVENT_COUNT; i++) {
        const struct event_type *x = event_type((enum event)i);
        assert_int_equal(event_by_name(str_of(x->name)), i);
        assert_true(x->ocsf_class >= 1001 && x->ocsf_class <= 6003);
        assert_true(strlen(x->title) > 0 && strlen(x->category) > 0);
    }
    assert_int_equal(EV_LOGIN_SUCCESS, 1); /* numbers on disk: append only */
    assert_int_equal(EV_AUDIT_VIEWED, 49);
    assert_int_equal(event_by_name(S("Nonsense")), EVENT_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(vector_is_final),
                                       cmocka_unit_test(decodes_what_it_encodes),
                                       cmocka_unit_test(refuses_what_is_not_canonical),
                                       cmocka_unit_test(refuses_values_that_are_never_written),
                                       cmocka_unit_test(refuses_what_is_too_long),
                                       cmocka_unit_test(survives_every_flipped_byte),
                                       cmocka_unit_test(catalogue_is_sound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
