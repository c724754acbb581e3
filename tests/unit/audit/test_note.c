/* Signed notes and their keys: published vectors, round trips, and what is refused. */
#include "../base/support.h"

#include <string.h>

#include "audit/note_priv.h"
#include "base/buf.h"
#include "base/text.h"

#define DASH "\xe2\x80\x94 "

/* The example of the C2SP signed-note specification. */
#define SPEC_KEY  "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define SPEC_TEXT "This is an example message.\n"
#define SPEC_SIG                                                                                   \
    DASH "example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFX" \
         "mRKuwHjG1Yu72IneyaQM=\n"
#define SPEC_NOTE SPEC_TEXT "\n" SPEC_SIG

/* The keys and the note of the tests of Go's sumdb/note. */
#define PETER_KEY  "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define PETER_SEED "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define ENOCH_KEY  "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
#define GO_TEXT                                                                                    \
    "If you think cryptography is the answer to your problem,\n"                                   \
    "then you don't know what your problem is.\n"
#define PETER_SIG                                                                                  \
    DASH "PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot" \
         "pRZb6KE6RyyBwJnAM=\n"
#define ENOCH_SIG                                                                                  \
    DASH "EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLo" \
         "x33WWd1RvMc+QQ=\n"

static struct note_key
key(struct arena *a, const char *vkey)
{
    struct note_key k;

    assert_ok(note_vkey_parse(a, str_of(vkey), &k));
    return k;
}

static struct note
note_of(struct arena *a, struct str bytes)
{
    struct note n;

    assert_ok(note_parse(a, bytes, &n));
    return n;
}

static struct str
bytes_of(struct arena *a, const char *base64)
{
    struct buf *b = buf_in(a, 4096);

    assert_ok(base64_get(str_of(base64), b));
    return buf_view(b);
}

static struct note_signer
signer(const char *name, uint8_t type, char seed)
{
    char bytes[32];

    memset(bytes, seed, sizeof(bytes));
    return note_signer_of(str_of(name), type, str_mem(bytes, sizeof(bytes)));
}

/* ---- names ---- */

static void
test_names(void **state)
{
    static const char *const good[] = {"a", "example.com/foo", "a-b_c/d:e", "\xc3\xa9t\xc3\xa9",
                                       "=", "\xf0\x9f\x8c\xb3"};
    static const char *const bad[] = {"",
                                      " ",
                                      "a b",
                                      "a+b",
                                      "+",
                                      "a\tb",
                                      "a\n",
                                      "\r",
                                      "a\x0b",
                                      "a\x0c",
                                      "\x01",
                                      ("a\xc2\xa0"
                                       "b"),          /* no-break space */
                                      "a\xc2\x85",    /* next line */
                                      "\xe1\x9a\x80", /* ogham space mark */
                                      "\xe2\x80\x80", /* en quad … */
                                      "\xe2\x80\x8a", /* … hair space */
                                      "\xe2\x80\xa8",
                                      "\xe2\x80\xa9",
                                      "\xe2\x80\xaf",
                                      "\xe2\x81\x9f",
                                      "\xe3\x80\x80",
                                      "\xff",
                                      "a\xc3"};
    char longest[NOTE_NAME_MAX + 1];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(note_name_is_valid(str_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (note_name_is_valid(str_of(bad[i])))
            fail_msg("name %zu is taken", i);
    memset(longest, 'n', sizeof(longest));
    assert_true(note_name_is_valid(str_mem(longest, NOTE_NAME_MAX)));
    assert_false(note_name_is_valid(str_mem(longest, NOTE_NAME_MAX + 1)));
    assert_false(note_name_is_valid(str_mem("a\0b", 3)));
    assert_false(note_name_is_valid(STR_NULL));
}

/* ---- keys ---- */

static void
test_published_keys(void **state)
{
    static const char *const published[] = {
        SPEC_KEY, PETER_KEY, ENOCH_KEY,
        /* base64 with a '+' in it */
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
        /* a cosigner's */
        "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
        /* a type nobody has given out, of whatever form */
        "example.com/foo+00000000+++++++++++++++++++++++++++++++++++++++++++++",
        /* ECDSA: the id is made in another way */
        ("rekor.sigstore.dev+c0d23d6a+AjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNhtmPtrWm3U1eQXBogSMdGvXwB"
         "cK5AW5i0hrZLOC96l+smGNM7nwZ4QvFK/4sueRoVj//QP22Ni4Qt9DPfkWLc=")};
    struct note_key k;

    for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
        k = key(*state, published[i]);
        assert_str(note_vkey(*state, &k), str_of(published[i]));
    }
    k = key(*state, SPEC_KEY);
    assert_str(k.name, S("example.com/foo"));
    assert_int_equal(k.id, 0x530d903a);
    assert_int_equal(k.type, NOTE_ED25519);
    assert_true(str_is_null(k.other));
    assert_str(hex_in(*state, str_mem(k.pub, sizeof(k.pub))),
               S("e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4"));
    assert_int_equal(note_key_id(k.name, k.type, str_mem(k.pub, sizeof(k.pub))), 0x530d903a);
    k = key(*state, published[5]);
    assert_int_equal(k.type, 0xfb);
    assert_int_equal(k.other.n, 32);
}

/* Every piece of a key but the whole, and every change of one byte. */
static void
test_mangled_keys(void **state)
{
    char bytes[] = PETER_KEY;
    size_t n = sizeof(bytes) - 1;
    struct note_key k = {.id = 77};

    for (size_t from = 0; from <= n; from++)
        for (size_t to = from; to <= n; to++)
            if (to - from < n)
                assert_int_equal(note_vkey_parse(*state, str_mem(bytes + from, to - from), &k),
                                 ERR_INVALID);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
            /* A key of another type is one that can not be checked. */
            if (note_vkey_parse(*state, str_mem(bytes, n), &k) == OK)
                assert_false(k.type == NOTE_ED25519 || k.type == NOTE_COSIGNER);
            bytes[i] = (char)(bytes[i] ^ 1 << bit);
        }
}

static void
test_wrong_keys(void **state)
{
    static const char *const bad[] = {
        "", "+", "++", "name", "name+12345678", "name+12345678+",
        /* the id of another name; digits in upper case; too few; one too many; a sign */
        "example.com/bar+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+0530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+-530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        /* padding where none belongs, the URL alphabet, white space */
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k=",
        "TEST+7997405c+AQcC-FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6", " " SPEC_KEY, SPEC_KEY " ",
        SPEC_KEY "\n",
        /* no name; no key behind the type */
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "name+12345678+Ag==", "name+1234567+AgEC", "name+123456789+AgEC",
        "name+1234567g+AgEC", /* a digit that is none, of a key that no id can be computed for */
    };
    struct note_key k = {.id = 77};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (note_vkey_parse(*state, str_of(bad[i]), &k) != ERR_INVALID)
            fail_msg("\"%s\" is taken for a key", bad[i]);
    assert_int_equal(k.id, 77);
}

/* ---- notes ---- */

static void
test_published_notes(void **state)
{
    struct note_key spec = key(*state, SPEC_KEY), peter = key(*state, PETER_KEY),
                    enoch = key(*state, ENOCH_KEY);
    struct note n = note_of(*state, S(SPEC_NOTE));
    int64_t when = 77;

    assert_str(n.text, S(SPEC_TEXT));
    assert_str(n.whole, S(SPEC_NOTE));
    assert_int_equal(n.n_sigs, 1);
    assert_str(n.sigs[0].name, S("example.com/foo"));
    assert_int_equal(n.sigs[0].id, 0x530d903a);
    assert_int_equal(n.sigs[0].bytes.n, 64);
    assert_int_equal(note_check(&n, &peter, &when), NOTE_ABSENT);
    assert_int_equal(when, 77);
    assert_int_equal(note_check(&n, &spec, &when), NOTE_GOOD);
    assert_int_equal(when, 0);
    assert_int_equal(note_check(&n, &spec, NULL), NOTE_GOOD);

    n = note_of(*state, S(GO_TEXT "\n" PETER_SIG ENOCH_SIG));
    assert_int_equal(n.n_sigs, 2);
    assert_int_equal(note_check(&n, &peter, NULL), NOTE_GOOD);
    assert_int_equal(note_check(&n, &enoch, NULL), NOTE_GOOD);
    assert_int_equal(note_check(&n, &spec, NULL), NOTE_ABSENT);
}

/* Ed25519 has one signature of a text: ours is Go's, byte for byte. */
static void
test_sign(void **state)
{
    struct note_signer two[2] = {note_signer_of(S("PeterNeumann"), NOTE_ED25519,
                                                str_sub(bytes_of(*state, PETER_SEED), 1, 32)),
                                 signer("second", NOTE_ED25519, 's')};
    struct note_key first = key(*state, PETER_KEY), second = two[1].key;
    struct note n;

    assert_str(note_vkey(*state, &two[0].key), S(PETER_KEY));
    assert_str(note_sign(*state, S(GO_TEXT), two, 1), S(GO_TEXT "\n" PETER_SIG));
    n = note_of(*state, note_sign(*state, S("a\n\n\nb\n"), two, 2));
    assert_str(n.text, S("a\n\n\nb\n"));
    assert_int_equal(n.n_sigs, 2);
    assert_int_equal(note_check(&n, &first, NULL), NOTE_GOOD);
    assert_int_equal(note_check(&n, &second, NULL), NOTE_GOOD);
    /* The key's other use has another id. */
    two[1] = signer("second", NOTE_COSIGNER, 's');
    assert_int_not_equal(two[1].key.id, second.id);
    assert_memory_equal(two[1].key.pub, second.pub, sizeof(second.pub));
    assert_int_equal(note_check(&n, &two[1].key, NULL), NOTE_ABSENT);
}

/* Any change of any bit: the note is malformed, or no longer signed by the key. */
static void
test_tampered(void **state)
{
    char bytes[] = SPEC_NOTE;
    size_t n = sizeof(bytes) - 1;
    struct arena *a = arena_create("tampered", TEST_ARENA_MAX);
    struct note_key k = key(*state, SPEC_KEY);
    struct note note;

    for (size_t bit = 0; bit < n * 8; bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        if (note_parse(a, str_mem(bytes, n), &note) == OK)
            assert_int_not_equal(note_check(&note, &k, NULL), NOTE_GOOD);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        arena_reset(a);
    }
    arena_free(a);
}

static void
test_malformed(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "\n\n",
        "\n\n\n",
        SPEC_TEXT,
        SPEC_TEXT "\n",
        SPEC_TEXT SPEC_SIG,
        SPEC_SIG,
        "\n" SPEC_SIG,
        "This is an example message.\n\n" DASH "example.com/foo Uw2QOkn8", /* no last newline */
        "\x01" SPEC_NOTE,
        "\t" SPEC_NOTE,
        "\xff" SPEC_NOTE,
        "a\r\n\n" SPEC_SIG,
        SPEC_TEXT "\r\n" SPEC_SIG,
        SPEC_TEXT "\n" DASH "example.com/foo Uw2QOkn8\r\n",
        SPEC_NOTE "Unexpected line.\n",
        SPEC_NOTE "\n",
        SPEC_NOTE "\n\n",
        SPEC_NOTE SPEC_SIG, /* the same line twice */
        GO_TEXT "\n" PETER_SIG ENOCH_SIG PETER_SIG,
        /* what a signature line is made of */
        "a\n\n" DASH "\n",
        "a\n\n" DASH "name\n",
        "a\n\n" DASH "name \n",
        "a\n\n" DASH " Uw2QOkn8\n",
        "a\n\n" DASH "bad name Uw2QOkn8\n",
        "a\n\n" DASH "bad+name Uw2QOkn8\n",
        "a\n\n" DASH "bad\xc2\xa0name Uw2QOkn8\n",
        "a\n\n" DASH "name  Uw2QOkn8\n",
        "a\n\n" DASH "name Uw2QOkn8 \n",
        "a\n\n" DASH "name Uw2QOkn8 more\n",
        "a\n\n" DASH "name Uw2QOkn\n",
        "a\n\n" DASH "name Uw2QOg==\n", /* an id and nothing */
        "a\n\n" DASH "name Uw2QOkl=\n", /* bits behind the end */
        "a\n\n" DASH "name Uw2QOkn8=\n",
        "a\n\n" DASH "name Uw2Q-kn8\n",
        "a\n\n" DASH "name Uw2Q=kn8\n",
        "a\n\n- name Uw2QOkn8\n",
        "a\n\n\xe2\x80\x93 name Uw2QOkn8\n", /* another dash */
        "a\n\n\xe2\x80\x94name Uw2QOkn8\n",
        "a\n\n " DASH "name Uw2QOkn8\n",
    };
    struct note n = {.n_sigs = 77};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (note_parse(*state, str_of(bad[i]), &n) != ERR_INVALID)
            fail_msg("malformed note %zu is taken: %s", i, bad[i]);
    assert_int_equal(note_parse(*state, str_mem("a\0\n\n" DASH "name Uw2QOkn8\n", 20), &n),
                     ERR_INVALID);
    assert_int_equal(n.n_sigs, 77);
    /* Beside these: the shortest. */
    n = note_of(*state, S("\n\n" DASH "n Uw2QOkk=\n"));
    assert_str(n.text, S("\n"));
    assert_int_equal(n.sigs[0].bytes.n, 1);
}

static void
test_unknown_keys(void **state)
{
    struct note_key spec = key(*state, SPEC_KEY), other = spec;
    /* The name of a known key with another id, its id with another name, an odd length. */
    struct note n = note_of(*state, S(SPEC_TEXT "\n" DASH "example.com/foo AAAAAAAA\n" DASH
                                                "example.com/bar Uw2QOgAA\n" SPEC_SIG DASH
                                                "someone.else/entirely AAAAAAAAAAAAAAAA\n"));

    assert_int_equal(n.n_sigs, 4);
    assert_int_equal(note_check(&n, &spec, NULL), NOTE_GOOD);
    other.name = S("example.com/baz");
    assert_int_equal(note_check(&n, &other, NULL), NOTE_ABSENT);
    /* A type nobody can check is like a key nobody knows. */
    other = spec;
    other.type = 2;
    assert_int_equal(note_check(&n, &other, NULL), NOTE_ABSENT);
}

/* A known key whose signature fails rejects the note, also beside a good one of its own. */
static void
test_bad_signatures(void **state)
{
    static const char *const bad[] = {
        "other text\n\n" SPEC_SIG,
        SPEC_TEXT "\n" DASH "example.com/foo Uw2QOkn8\n",
        SPEC_TEXT "\n" DASH "example.com/foo Uw2QOkn8\n" SPEC_SIG,
        SPEC_TEXT "\n" SPEC_SIG DASH "example.com/foo Uw2QOkn8\n",
        /* one byte more than a signature has */
        SPEC_TEXT "\n" DASH
                  "example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYj"
                  "OBH3mFXmRKuwHjG1Yu72IneyaQMA\n",
    };
    struct note_key spec = key(*state, SPEC_KEY);
    int64_t when = 77;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct note n = note_of(*state, str_of(bad[i]));

        assert_int_equal(note_check(&n, &spec, &when), NOTE_BAD);
    }
    assert_int_equal(when, 77);
}

static void
test_limits(void **state)
{
    struct buf *b = buf_in(*state, 2 * NOTE_MAX);
    struct note_key spec = key(*state, SPEC_KEY);
    struct note n;

    buf_str(b, S(SPEC_NOTE));
    for (int i = 1; i < NOTE_SIGS_MAX; i++)
        buf_fmt(b, DASH "other%d Uw2QOkn8\n", i);
    n = note_of(*state, buf_view(b));
    assert_int_equal(n.n_sigs, NOTE_SIGS_MAX);
    assert_int_equal(note_check(&n, &spec, NULL), NOTE_GOOD);
    buf_cstr(b, DASH "one.too.many Uw2QOkn8\n");
    assert_int_equal(note_parse(*state, buf_view(b), &n), ERR_TOO_LARGE);

    buf_clear(b);
    while (b->n < NOTE_MAX - sizeof("\n\n" SPEC_SIG) + 1)
        buf_char(b, 'x');
    buf_cstr(b, "\n\n" SPEC_SIG);
    assert_int_equal(b->n, NOTE_MAX);
    n = note_of(*state, buf_view(b));
    assert_int_equal(note_check(&n, &spec, NULL), NOTE_BAD);
    assert_int_equal(note_parse(*state, arena_fmt(*state, "x%.*s", STR_ARG(buf_view(b))), &n),
                     ERR_TOO_LARGE);
}

/* What notes, checkpoints, proofs and requests are made of. */
static void
test_pieces(void **state)
{
    static const char hash[] = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    struct str out = S("as it was"), rest = arena_fmt(*state, "%s%s\nand more\n", hash, hash);
    struct tree_proof p = {.n = 9};

    assert_ok(note_base64(*state, S("AAEC"), 3, &out));
    assert_str(out, str_mem("\0\1\2", 3));
    for (size_t n = 2; n < 12; n++) { /* a little too long and far too long */
        struct buf *b = buf_in(*state, 64);

        base64_put(b, str_sub(S("twelve bytes"), 0, n));
        for (size_t max = 1; max < n; max++)
            assert_int_equal(note_base64(*state, buf_view(b), max, &out), ERR_TOO_LARGE);
    }
    assert_str(out, str_mem("\0\1\2", 3));

    assert_ok(note_hashes(&rest, 2, &p));
    assert_int_equal(p.n, 2);
    assert_str(rest, S("and more\n"));
    rest = arena_fmt(*state, "%s%s\n", hash, hash);
    assert_int_equal(note_hashes(&rest, 1, &p), ERR_INVALID);
    rest = str_of(hash); /* the empty line is missing */
    assert_int_equal(note_hashes(&rest, 2, &p), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_names),           ARENA_TEST(test_published_keys),
        ARENA_TEST(test_mangled_keys),    ARENA_TEST(test_wrong_keys),
        ARENA_TEST(test_published_notes), ARENA_TEST(test_sign),
        ARENA_TEST(test_tampered),        ARENA_TEST(test_malformed),
        ARENA_TEST(test_unknown_keys),    ARENA_TEST(test_bad_signatures),
        ARENA_TEST(test_limits),          ARENA_TEST(test_pieces),
    };

    return cmocka_run_group_tests_name("note", tests, NULL, NULL);
}
