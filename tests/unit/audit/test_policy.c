/* Policies: which files are taken, why others are not, and which checkpoints satisfy one. */
#include "../base/support.h"

#include <string.h>

#include "audit/note.h"
#include "base/buf.h"

#define SECOND INT64_C(1000000)
#define W_MAX  6

/* A log and six witnesses A … F, with the lines that define them. */
struct world {
    struct note_signer log, w[W_MAX];
    struct str text, log_line, lines[W_MAX], all; /* all: the log and every witness */
};

static struct note_signer
signer(struct arena *a, struct str name, uint8_t type, char seed)
{
    char bytes[32];

    memset(bytes, seed, sizeof(bytes));
    return note_signer_of(arena_str(a, name), type, str_mem(bytes, sizeof(bytes)));
}

static struct world *
world(struct arena *a)
{
    struct world *x = arena_new(a, struct world);
    struct sha256 root = sha256_of(S("root"));
    struct buf *all = buf_in(a, 1 << 16);

    x->log = signer(a, S("log.example/1"), NOTE_ED25519, 'l');
    x->text = checkpoint_text(a, x->log.key.name, 42, &root);
    x->log_line = arena_fmt(a, "log %.*s\n", STR_ARG(note_vkey(a, &x->log.key)));
    buf_str(all, x->log_line);
    for (int i = 0; i < W_MAX; i++) {
        x->w[i] = signer(a, arena_fmt(a, "w%d.example", i), NOTE_COSIGNER, (char)('a' + i));
        x->lines[i] = arena_fmt(a, "witness %c %.*s https://w%d.example/submit//\n", 'A' + i,
                                STR_ARG(note_vkey(a, &x->w[i].key)), i);
        buf_str(all, x->lines[i]);
    }
    x->all = buf_view(all);
    return x;
}

static struct str
join(struct arena *a, struct str x, struct str y)
{
    return arena_fmt(a, "%.*s%.*s", STR_ARG(x), STR_ARG(y));
}

/* The log's checkpoint with the cosignatures of the letters, at `seconds`. */
static struct note
note_by(struct arena *a, const struct world *x, const char *letters, int64_t seconds)
{
    struct str text = note_sign(a, x->text, &x->log, 1);
    struct note n;

    for (; *letters != '\0'; letters++)
        text = join(a, text, checkpoint_cosign(a, x->text, &x->w[*letters - 'A'], seconds));
    assert_ok(note_parse(a, text, &n));
    return n;
}

static struct policy *
policy_of(struct arena *a, struct str text)
{
    struct policy *p;
    struct str why = STR_NULL;

    if (policy_parse(a, text, &p, &why) != OK)
        fail_msg("refused: %.*s", STR_ARG(why));
    return p;
}

/* ---- what a file says ---- */

static void
test_parts(void **state)
{
    struct world *x = world(*state);
    struct policy *p = policy_of(*state, join(*state, x->all, S("quorum none\n")));
    const struct note_key *logs;
    const struct policy_witness *ws;

    assert_int_equal(policy_logs(p, &logs), 1);
    assert_str(logs[0].name, S("log.example/1"));
    assert_int_equal(logs[0].id, x->log.key.id);
    assert_int_equal(policy_witnesses(p, &ws), W_MAX);
    assert_str(ws[2].name, S("C"));
    assert_str(ws[2].url, S("https://w2.example/submit"));
    assert_str(ws[2].key.name, S("w2.example"));
    assert_memory_equal(ws[2].key.pub, x->w[2].key.pub, 32);
}

/* Comments, empty lines, tabs and blanks, bytes that are no UTF-8, no newline at the end. */
static void
test_form(void **state)
{
    struct world *x = world(*state);
    struct str line = str_sub(x->lines[0], 10, x->lines[0].n - 11); /* behind "witness A " */
    struct str text =
        arena_fmt(*state,
                  "# comment \xff\n\n \t \n\t# another\n  witness\t\t\xfe\xff \t%.*s  \t\n"
                  "group g any \xfe\xff\n\n quorum \t g \n# end",
                  STR_ARG(line));
    struct policy *p = policy_of(*state, text);
    const struct policy_witness *ws;
    const struct note_key *logs;

    assert_int_equal(policy_logs(p, &logs), 0);
    assert_int_equal(policy_witnesses(p, &ws), 1);
    assert_str(ws[0].name, S("\xfe\xff"));
    assert_str(ws[0].url, S("https://w0.example/submit"));
    policy_of(*state, S("quorum none")); /* nothing else need be there */
}

/* ---- what is no policy ---- */

static void
refused(struct arena *a, struct str text, const char *want)
{
    struct policy *p = NULL;
    struct str why = STR_NULL;

    if (policy_parse(a, text, &p, &why) != ERR_INVALID)
        fail_msg("taken, and should be: %s", want);
    assert_null(p);
    assert_str(why, str_of(want));
}

static void
test_refusals(void **state)
{
    /* Behind nine lines: the log, six witnesses, a group g of A and B, and a comment. */
    static const struct {
        const char *tail, *why;
    } cases[] = {
        {"", "line 10: the end, and no quorum is given"},
        {"quorum\n", "line 10: a quorum is \"quorum <name>\""},
        {"quorum g g\n", "line 10: a quorum is \"quorum <name>\""},
        {"quorum x\n", "line 10: \"x\" is not defined on an earlier line"},
        {"quorum G\n", "line 10: \"G\" is not defined on an earlier line"},
        {"quorum none\nquorum none\n", "line 11: a second quorum"},
        {"quorum g\n\nquorum g\n", "line 12: a second quorum"},
        {"quorum h\ngroup h any C\n", "line 10: \"h\" is not defined on an earlier line"},
        {"group h any C x\nquorum h\n", "line 10: \"x\" is not defined on an earlier line"},
        {"group h any i\ngroup i any h\nquorum h\n",
         "line 10: \"i\" is not defined on an earlier line"},
        {"group h any h\nquorum h\n", "line 10: \"h\" is not defined on an earlier line"},
        {"group h any none\nquorum h\n", "line 10: \"none\" is not defined on an earlier line"},
        {"group h any C C\nquorum h\n", "line 10: \"C\" is a member already"},
        {"group h any A\nquorum h\n", "line 10: \"A\" is a member already"},
        {"group h any g\ngroup i any g\n", "line 11: \"g\" is a member already"},
        {"group g any C\n", "line 10: \"g\" is defined already"},
        {"group A any C\n", "line 10: \"A\" is defined already"},
        {"group none any C\n", "line 10: \"none\" can not be defined"},
        {"group h any\n", "line 10: a group is \"group <name> <number>|all|any <member>...\""},
        {"group h 0 C\n", "line 10: \"0\" is neither \"all\" nor \"any\" nor a number of members"},
        {"group h 2 C\n", "line 10: \"2\" is neither \"all\" nor \"any\" nor a number of members"},
        {"group h 01 C\n",
         "line 10: \"01\" is neither \"all\" nor \"any\" nor a number of members"},
        {"group h -1 C\n",
         "line 10: \"-1\" is neither \"all\" nor \"any\" nor a number of members"},
        {"group h some C\n",
         "line 10: \"some\" is neither \"all\" nor \"any\" nor a number of members"},
        {"group h 99999999999999999999 C\n",
         "line 10: \"99999999999999999999\" is neither \"all\" nor \"any\" nor a number of members"},
        {"witness X\n", "line 10: a witness is \"witness <name> <key> [<address>]\""},
        {"witness X key url more\n", "line 10: a witness is \"witness <name> <key> [<address>]\""},
        {"witness X key\n", "line 10: \"key\" is no verifier key"},
        {"log key\n", "line 10: \"key\" is no verifier key"},
        {"log\n", "line 10: a log is \"log <key> [<address>]\""},
        {"log a b c\n", "line 10: a log is \"log <key> [<address>]\""},
        {"LOG key\n", "line 10: \"LOG\" is none of log, witness, group, quorum"},
        {"quorum g\r\n", "line 10: a control character"},
        {"# \x01\n", "line 10: a control character"},
        {"# \x7f\n", "line 10: a control character"},
        {"\xff\n", "line 10: (not UTF-8) is none of log, witness, group, quorum"},
        {"\xe2\x80\xae\n", "line 10: \"\\u{202E}\" is none of log, witness, group, quorum"},
        {"quorum g # why not\n", "line 10: a quorum is \"quorum <name>\""},
    };
    struct world *x = world(*state);
    struct str head = join(*state, x->all, S("group g 1 A B\n#\n"));

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        refused(*state, join(*state, head, str_of(cases[i].tail)), cases[i].why);
}

static void
test_keys(void **state)
{
    struct world *x = world(*state);
    struct note_signer renamed = signer(*state, S("other.example"), NOTE_COSIGNER, 'a'),
                       plain = signer(*state, S("plain.example"), NOTE_ED25519, 'p'),
                       log = signer(*state, S("log.example/2"), NOTE_ED25519, 'l');

    /* The same key under another name is the same witness, the same log. */
    refused(*state,
            arena_fmt(*state, "%.*switness X %.*s\nquorum X\n", STR_ARG(x->all),
                      STR_ARG(note_vkey(*state, &renamed.key))),
            "line 8: \"X\" has the key of an earlier witness");
    refused(*state,
            arena_fmt(*state, "%.*slog %.*s\nquorum none\n", STR_ARG(x->all),
                      STR_ARG(note_vkey(*state, &log.key))),
            "line 8: \"log.example/2\" has the key of an earlier log");
    refused(*state, join(*state, x->all, x->lines[1]), "line 8: \"B\" is defined already");
    /* Each in its place. */
    refused(*state, arena_fmt(*state, "witness X %.*s\n", STR_ARG(note_vkey(*state, &plain.key))),
            "line 1: a key of type 1, where one of type 4 belongs");
    refused(*state, arena_fmt(*state, "log %.*s\n", STR_ARG(note_vkey(*state, &x->w[0].key))),
            "line 1: a key of type 4, where one of type 1 belongs");
    refused(
        *state,
        S("log rekor.example+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGv"
          "XwBcK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc=\n"),
        "line 1: a key of type 2, where one of type 1 belongs");
    /* One that no library of ours checks: taken, twice not, and it satisfies nothing. */
    {
        struct str ml = S("witness M m.example+01020304+BgECAwQ=\n"), why;
        struct note n = note_by(*state, x, "A", 1);

        refused(*state, join(*state, ml, S("witness N n.example+01020304+BgECAwQ=\n")),
                "line 2: \"N\" has the key of an earlier witness");
        assert_false(
            policy_satisfied(policy_of(*state, arena_fmt(*state, "%.*s%.*squorum M\n", STR_ARG(ml),
                                                         STR_ARG(x->log_line))),
                             *state, &n, 0, &why));
    }
}

static void
test_limits(void **state)
{
    struct world *x = world(*state);
    struct buf *b = buf_in(*state, 4 << 20);
    struct policy *p = NULL;
    struct str why;

    buf_str(b, x->all);
    for (int i = W_MAX; i < POLICY_NAMES_MAX; i++)
        buf_fmt(b, i == W_MAX ? "group g%d all A\n" : "group g%d all g%d\n", i, i - 1);
    policy_of(*state, join(*state, buf_view(b), S("quorum g255\n")));
    refused(*state, join(*state, buf_view(b), S("group h all g255\nquorum h\n")),
            "line 258: too many witnesses and groups");
    buf_clear(b);
    for (int i = 0; i < 300; i++)
        buf_cstr(b, "word ");
    refused(*state, buf_view(b), "line 1: too many words");
    buf_clear(b);
    buf_cstr(b, "quorum none\n");
    while (b->n < POLICY_MAX)
        buf_char(b, '\n');
    policy_of(*state, buf_view(b));
    buf_char(b, '\n');
    assert_int_equal(policy_parse(*state, buf_view(b), &p, &why), ERR_TOO_LARGE);
    assert_null(p);
}

/* ---- which checkpoints satisfy ---- */

static void
satisfied(struct arena *a, const struct world *x, const char *rules, const char *letters, bool want,
          const char *want_why)
{
    struct policy *p = policy_of(a, join(a, x->all, str_of(rules)));
    struct note n = note_by(a, x, letters, 100);
    struct str why = S("");

    if (policy_satisfied(p, a, &n, 0, &why) != want)
        fail_msg("%s with %s: %.*s", rules, letters, STR_ARG(why));
    assert_str(why, str_of(want_why));
}

static void
test_quorums(void **state)
{
    /* The example of the specification: two of three, and one of three others. */
    const char *two_groups = "group X 2 A B C\ngroup Y any D E F\ngroup Z all X Y\nquorum Z\n";
    struct world *x = world(*state);

    satisfied(*state, x, "quorum none\n", "", true, "");
    satisfied(*state, x, "quorum A\n", "A", true, "");
    satisfied(*state, x, "quorum A\n", "BCDEF", false, "the quorum is not reached without \"A\"");
    satisfied(*state, x, "group g any A B\nquorum g\n", "B", true, "");
    satisfied(*state, x, "group g any A B\nquorum g\n", "CDEF", false,
              "the quorum is not reached without \"A\", \"B\"");
    satisfied(*state, x, "group g all A B\nquorum g\n", "AB", true, "");
    satisfied(*state, x, "group g all A B\nquorum g\n", "BCDEF", false,
              "the quorum is not reached without \"A\"");
    satisfied(*state, x, "group g 2 A B C\nquorum g\n", "AC", true, "");
    satisfied(*state, x, "group g 2 A B C\nquorum g\n", "CDEF", false,
              "the quorum is not reached without \"A\", \"B\"");
    satisfied(*state, x, two_groups, "ABD", true, "");
    satisfied(*state, x, two_groups, "BCF", true, "");
    satisfied(*state, x, two_groups, "ABCDEF", true, "");
    satisfied(*state, x, two_groups, "ABC", false,
              "the quorum is not reached without \"D\", \"E\", \"F\"");
    satisfied(*state, x, two_groups, "ADEF", false,
              "the quorum is not reached without \"B\", \"C\"");
    /* A group beside the quorum asks for nothing. */
    satisfied(*state, x, "group g all A B\nquorum C\n", "C", true, "");
}

static void
test_age(void **state)
{
    struct world *x = world(*state);
    struct policy *p = policy_of(*state, join(*state, x->all, S("group g 2 A B C\nquorum g\n")));
    struct note n = note_by(*state, x, "AB", 100);
    struct str why = S("");

    assert_true(policy_satisfied(p, *state, &n, 100 * SECOND, &why));
    assert_false(policy_satisfied(p, *state, &n, 100 * SECOND + 1, &why));
    assert_str(why, S("the quorum is not reached without \"A\" (too old), \"B\" (too old), \"C\""));
}

static void
not_satisfied(struct arena *a, const struct policy *p, struct str text, const char *want)
{
    struct note n;
    struct str why = S("");

    assert_ok(note_parse(a, text, &n));
    assert_false(policy_satisfied(p, a, &n, 0, &why));
    assert_str(why, str_of(want));
}

static void
test_signatures(void **state)
{
    struct world *x = world(*state);
    struct policy *p = policy_of(*state, join(*state, x->all, S("group g any A B\nquorum g\n")));
    struct note_signer stranger = signer(*state, S("log.example/1"), NOTE_ED25519, 'z');
    struct sha256 root = sha256_of(S("root"));
    struct str good = note_sign(*state, x->text, &x->log, 1),
               other = checkpoint_text(*state, S("log.example/2"), 42, &root),
               a = checkpoint_cosign(*state, x->text, &x->w[0], 1),
               wrong_a = checkpoint_cosign(*state, other, &x->w[0], 1),
               wrong_f = checkpoint_cosign(*state, other, &x->w[5], 1);

    not_satisfied(*state, p, join(*state, note_sign(*state, x->text, &stranger, 1), a),
                  "no log of the policy has signed the checkpoint of \"log.example/1\"");
    /* The log's signature under another origin is not the log's. */
    not_satisfied(*state, p,
                  join(*state, note_sign(*state, other, &x->log, 1),
                       checkpoint_cosign(*state, other, &x->w[0], 1)),
                  "no log of the policy has signed the checkpoint of \"log.example/2\"");
    not_satisfied(*state, p, note_sign(*state, S("no checkpoint\n"), &x->log, 1),
                  "the note is no checkpoint");
    /* A wrong signature of a known key refuses all, also where the quorum would be reached. */
    not_satisfied(*state, p, join(*state, good, wrong_a),
                  "a wrong cosignature of the witness \"A\"");
    not_satisfied(*state, p, join(*state, join(*state, good, a), wrong_f),
                  "a wrong cosignature of the witness \"F\"");
    {
        struct str sig = note_sign(*state, other, &x->log, 1);

        sig = str_sub(sig, other.n + 1, SIZE_MAX);
        not_satisfied(
            *state, p,
            arena_fmt(*state, "%.*s\n%.*s%.*s", STR_ARG(x->text), STR_ARG(sig), STR_ARG(a)),
            "a wrong signature of the log \"log.example/1\"");
    }
    not_satisfied(*state, policy_of(*state, S("quorum none\n")), good,
                  "no log of the policy has signed the checkpoint of \"log.example/1\"");
}

/* ---- what a quorum is made of ---- */

static void
test_quorum_in_words(void **state)
{
    struct arena *a = *state;
    const struct world *x = world(a);
    struct policy *p = policy_of(
        a, join(a, x->all,
                S("group in 1 A B\ngroup out all in C\ngroup other any D E\nquorum out\n")));
    bool counts[W_MAX] = {false, true, true, true, true, true};

    assert_str(policy_quorum_text(p, a), S("out (2 of 2: in (1 of 2: A, B), C)"));
    for (size_t i = 0; i < W_MAX; i++)
        assert_int_equal(policy_quorum_names(p, i), i < 3);
    assert_true(policy_quorum_is_met(p, a, counts));
    counts[1] = false;
    assert_false(policy_quorum_is_met(p, a, counts));
    p = policy_of(a, join(a, x->all, S("quorum none\n")));
    assert_str(policy_quorum_text(p, a), S("none"));
    assert_false(policy_quorum_names(p, 0));
    assert_true(policy_quorum_is_met(p, a, (bool[W_MAX]){false}));
    p = policy_of(a, join(a, x->all, S("quorum F\n")));
    assert_str(policy_quorum_text(p, a), S("F"));
    assert_true(policy_quorum_names(p, 5));
}

/* Only those are missing whom the quorum names. */
static void
test_quorum_missing(void **state)
{
    struct arena *a = *state;
    const struct world *x = world(a);
    struct policy *p = policy_of(a, join(a, x->all, S("group two all A B\nquorum two\n")));
    struct note n = note_by(a, x, "A", 100);
    struct str why = STR_NULL;

    assert_false(policy_satisfied(p, a, &n, 0, &why));
    assert_str(why, S("the quorum is not reached without \"B\""));
}

/* A name and a group as long as a file may have them: cut, not failed. */
static void
test_quorum_long(void **state)
{
    struct arena *a = *state;
    const struct world *x = world(a);
    struct buf *b = buf_in(a, POLICY_MAX);
    struct str text;

    buf_str(b, x->all);
    buf_cstr(b, "group ");
    for (int i = 0; i < 500000; i++)
        buf_char(b, 'g');
    buf_cstr(b, " any A B C D E F\ngroup q any ");
    for (int i = 0; i < 500000; i++)
        buf_char(b, 'g');
    buf_cstr(b, "\nquorum q\n");
    text = policy_quorum_text(policy_of(a, buf_view(b)), a);
    assert_true(text.n < 300);
    assert_true(str_has_prefix(text, S("q (1 of 1: ggg")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_quorum_in_words),
        ARENA_TEST(test_quorum_missing),
        ARENA_TEST(test_quorum_long),
        ARENA_TEST(test_parts),
        ARENA_TEST(test_form),
        ARENA_TEST(test_refusals),
        ARENA_TEST(test_keys),
        ARENA_TEST(test_limits),
        ARENA_TEST(test_quorums),
        ARENA_TEST(test_age),
        ARENA_TEST(test_signatures),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
