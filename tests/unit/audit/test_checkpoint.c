/* Checkpoints, cosignatures, the witness's request, proof files: published examples, round trips, and
 * what is refused. */
#include "../base/support.h"

#include <string.h>

#include "audit/note.h"
#include "base/buf.h"
#include "base/text.h"

#define DASH "\xe2\x80\x94 "

/* The example of the C2SP tlog-checkpoint specification. */
#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
#define SOFA "example.com/behind-the-sofa\n20852163\n" ROOT
#define SOFA_SIG                                                                                   \
    DASH "example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zh" \
         "cyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
#define SOFA_NOTE SOFA "\n" SOFA_SIG
#define HASH      "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"

static struct str
hex_of(struct arena *a, const struct sha256 *h)
{
    return hex_in(a, sha256_str(h));
}

static struct note_key
key(struct arena *a, const char *vkey)
{
    struct note_key k;

    assert_ok(note_vkey_parse(a, str_of(vkey), &k));
    return k;
}

static struct note_signer
signer(const char *name, uint8_t type, char seed)
{
    char bytes[32];

    memset(bytes, seed, sizeof(bytes));
    return note_signer_of(str_of(name), type, str_mem(bytes, sizeof(bytes)));
}

/* ---- checkpoints ---- */

static void
test_published(void **state)
{
    struct checkpoint c;

    assert_ok(checkpoint_parse(S(SOFA), &c));
    assert_str(c.origin, S("example.com/behind-the-sofa"));
    assert_int_equal(c.size, 20852163);
    assert_str(hex_of(*state, &c.root),
               S("0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"));
    assert_int_equal(c.extensions.n, 0);
    assert_str(checkpoint_text(*state, c.origin, c.size, &c.root), S(SOFA));

    assert_ok(checkpoint_parse(S(SOFA "more\nand more\n"), &c));
    assert_str(c.extensions, S("more\nand more\n"));
    assert_ok(checkpoint_parse(S("any words at all\n0\n" ROOT), &c));
    assert_str(c.origin, S("any words at all"));
    assert_int_equal(c.size, 0);
    assert_ok(checkpoint_parse(S("o\n9223372036854775807\n" ROOT), &c));
    assert_int_equal(c.size, INT64_MAX);
    assert_str(checkpoint_text(*state, S("o"), INT64_MAX, &c.root),
               S("o\n9223372036854775807\n" ROOT));
}

static void
test_malformed(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "o\n",
        "o\n1\n",
        "o\n1",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", /* no last newline */
        "\n1\n" ROOT,
        "o\n\n" ROOT,
        "o\n01\n" ROOT,
        "o\n00\n" ROOT,
        "o\n-1\n" ROOT,
        "o\n-0\n" ROOT,
        "o\n+1\n" ROOT,
        "o\n 1\n" ROOT,
        "o\n1 \n" ROOT,
        "o\n0x1\n" ROOT,
        "o\n1e3\n" ROOT,
        "o\n9223372036854775808\n" ROOT,
        "o\n18446744073709551617\n" ROOT,
        "o\n1\n\n",
        "o\n1\n" ROOT "\n",
        "o\n1\n" ROOT "x\n\n",
        "o\n1\n" ROOT "\nx\n",
        "o\n1\n" ROOT "x",
        "o\r\n1\n" ROOT,
        "o\n1\r\n" ROOT,
        "\xff\n1\n" ROOT,
        "o\n1\n" ROOT "\x02\n",
        /* a root too short, too long, and in other spellings of the same bytes */
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jx\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2IA\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        "o\n1\n CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n1\n0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62\n",
    };
    struct checkpoint c = {.size = 77};
    struct buf *b = buf_in(*state, NOTE_MAX + 1);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (checkpoint_parse(str_of(bad[i]), &c) != ERR_INVALID)
            fail_msg("malformed checkpoint %zu is taken: %s", i, bad[i]);
    assert_int_equal(checkpoint_parse(STR_NULL, &c), ERR_INVALID);
    buf_cstr(b, SOFA);
    while (b->n < NOTE_MAX)
        buf_char(b, 'x');
    buf_char(b, '\n');
    assert_int_equal(checkpoint_parse(buf_view(b), &c), ERR_TOO_LARGE);
    assert_int_equal(c.size, 77);
}

/* ---- cosignatures ---- */

/* A checkpoint of a public log, signed by it in two ways (RFC 6962 and Ed25519) and cosigned by four
 * public witnesses, at 2026-05-23T21:50:24Z. */
#define PUBLIC_TEXT                                                                                \
    "arche2025h1.staging.ct.transparency.dev\n1432088532\n"                                        \
    "U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=\n"
#define PUBLIC_NOTE                                                                                \
    PUBLIC_TEXT                                                                                    \
    "\n" DASH "arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQF" \
    "X6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=\n" DASH            \
    "arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3Ny" \
    "gNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=\n" DASH                                              \
    "transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rh" \
    "IgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==\n" DASH                               \
    "witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ7" \
    "5W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==\n" DASH                                             \
    "remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXT" \
    "ynk5XeU/zZ0WBxtqB0DrAWfBw==\n" DASH                                                           \
    "witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY" \
    "/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==\n"
#define PUBLIC_TIME (INT64_C(1779573024) * 1000000)

static const char *const public_witnesses[] = {
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
};

static void
test_published_cosignatures(void **state)
{
    struct note_key log = key(
        *state, "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+"
                "dJ472xgFYh15f");
    char changed[] = PUBLIC_NOTE;
    struct checkpoint c;
    struct note n, other;
    int64_t when = 77;

    assert_ok(note_parse(*state, S(PUBLIC_NOTE), &n));
    assert_int_equal(n.n_sigs, 6);
    assert_ok(checkpoint_parse(n.text, &c));
    assert_int_equal(c.size, 1432088532);
    assert_int_equal(note_check(&n, &log, &when), NOTE_GOOD);
    assert_int_equal(when, 0);
    changed[sizeof("arche2025h1.staging.ct.transparency.dev\n") - 1] = '2';
    assert_ok(note_parse(*state, str_mem(changed, sizeof(changed) - 1), &other));
    for (size_t i = 0; i < sizeof(public_witnesses) / sizeof(public_witnesses[0]); i++) {
        struct note_key w = key(*state, public_witnesses[i]);

        assert_int_equal(w.type, NOTE_COSIGNER);
        assert_int_equal(note_check(&n, &w, &when), NOTE_GOOD);
        assert_int_equal(when, PUBLIC_TIME);
        assert_int_equal(note_check(&other, &w, &when), NOTE_BAD);
    }
}

static struct note
cosigned(struct arena *a, struct str line)
{
    struct note n;
    struct buf *b = buf_in(a, 4096);

    buf_str(b, S(SOFA_NOTE));
    buf_str(b, line);
    assert_ok(note_parse(a, buf_view(b), &n));
    return n;
}

/* One bit of the time or of the signature changed. */
static struct str
changed_line(struct arena *a, const struct note_signer *w, const struct note_sig *s, size_t bit)
{
    char bytes[72];

    assert_int_equal(s->bytes.n, sizeof(bytes));
    memcpy(bytes, s->bytes.p, sizeof(bytes));
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    return note_sig_line(a, w, str_mem(bytes, sizeof(bytes)));
}

static void
test_cosign(void **state)
{
    struct note_signer w = signer("witness.example.com/w1", NOTE_COSIGNER, 'w'),
                       plain = signer("witness.example.com/w1", NOTE_ED25519, 'w');
    struct str at5 = checkpoint_cosign(*state, S(SOFA), &w, 5),
               at9 = checkpoint_cosign(*state, S(SOFA), &w, 9);
    struct note n = cosigned(*state, at5);
    int64_t when = 77;

    assert_int_equal(note_check(&n, &w.key, &when), NOTE_GOOD);
    assert_int_equal(when, 5000000);
    assert_int_equal(note_check(&n, &plain.key, &when), NOTE_ABSENT);
    for (size_t bit = 0; bit < 72 * 8; bit++) {
        struct note bad = cosigned(*state, changed_line(*state, &w, &n.sigs[1], bit));

        assert_int_equal(note_check(&bad, &w.key, &when), NOTE_BAD);
    }
    /* Two of one witness: the newest counts. */
    n = cosigned(*state, arena_fmt(*state, "%.*s%.*s", STR_ARG(at9), STR_ARG(at5)));
    assert_int_equal(note_check(&n, &w.key, &when), NOTE_GOOD);
    assert_int_equal(when, 9000000);
    /* Time 0, the last that µs hold, and the first they do not. */
    n = cosigned(*state, checkpoint_cosign(*state, S(SOFA), &w, 0));
    assert_int_equal(note_check(&n, &w.key, &when), NOTE_GOOD);
    assert_int_equal(when, 0);
    n = cosigned(*state, checkpoint_cosign(*state, S(SOFA), &w, INT64_MAX / 1000000));
    assert_int_equal(note_check(&n, &w.key, &when), NOTE_GOOD);
    assert_int_equal(when, INT64_MAX / 1000000 * 1000000);
    n = cosigned(*state, checkpoint_cosign(*state, S(SOFA), &w, INT64_MAX / 1000000 + 1));
    assert_int_equal(note_check(&n, &w.key, &when), NOTE_BAD);
    /* One byte more than there is. */
    {
        struct str line = checkpoint_cosign(*state, S(SOFA), &w, 5);
        size_t from = sizeof(DASH "witness.example.com/w1 ") - 1;
        struct buf *b = buf_in(*state, 256), *longer = buf_in(*state, 512);

        assert_ok(base64_get(str_sub(line, from, line.n - 1 - from), b));
        buf_char(b, 'x');
        buf_str(longer, str_sub(line, 0, from));
        base64_put(longer, buf_view(b));
        buf_char(longer, '\n');
        n = cosigned(*state, buf_view(longer));
        assert_int_equal(note_check(&n, &w.key, &when), NOTE_BAD);
    }
    /* A plain signature of the text is no cosignature, nor the other way round. */
    n = cosigned(*state, note_sig_line(*state, &w,
                                       S("0123456789012345678901234567890123456789"
                                         "012345678901234567890123")));
    assert_int_equal(note_check(&n, &w.key, &when), NOTE_BAD);
}

/* ---- the witness's request ---- */

/* The example of the C2SP tlog-witness specification. */
#define REQUEST                                                                                     \
    "old 20852014\n" HASH "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"                          \
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"                                                \
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n" SOFA_NOTE DASH                               \
    "example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267" \
    "UEjw6QUXTS5Rovnzv++qbSzm9Q=\n"

static void
test_request(void **state)
{
    struct witness_request r;

    assert_ok(witness_request_parse(*state, S(REQUEST), &r));
    assert_int_equal(r.old_size, 20852014);
    assert_int_equal(r.proof.n, 4);
    assert_str(str_sub(hex_of(*state, &r.proof.h[0]), 0, 8), S("3e544d0a"));
    assert_str(str_sub(hex_of(*state, &r.proof.h[3]), 0, 8), S("ffa59584"));
    assert_int_equal(r.checkpoint.n_sigs, 2);
    assert_str(r.checkpoint.text, S(SOFA));
    assert_str(witness_request_text(*state, r.old_size, &r.proof, r.checkpoint.whole), S(REQUEST));
    assert_ok(witness_request_parse(*state, S("old 0\n\n" SOFA_NOTE), &r));
    assert_int_equal(r.proof.n, 0);
    assert_str(r.checkpoint.whole, S(SOFA_NOTE));
}

/* `n` hash lines between a beginning and an end. */
static struct str
with_hashes(struct arena *a, const char *begin, int n, const char *end)
{
    struct buf *b = buf_in(a, 1 << 16);

    buf_cstr(b, begin);
    for (int i = 0; i < n; i++)
        buf_cstr(b, HASH);
    buf_cstr(b, end);
    return buf_view(b);
}

static void
test_bad_requests(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "old",
        "old \n",
        "old 1\n",
        "old 1\n\n",
        "old 1\n\n" SOFA,
        "old 1\n\n\n" SOFA_NOTE, /* a checkpoint whose first line is empty */
        "old 1\n" SOFA_NOTE,
        "old 01\n\n" SOFA_NOTE,
        "old -1\n\n" SOFA_NOTE,
        "old +1\n\n" SOFA_NOTE,
        "old  1\n\n" SOFA_NOTE,
        "old 1 \n\n" SOFA_NOTE,
        "old 9223372036854775808\n\n" SOFA_NOTE,
        "Old 1\n\n" SOFA_NOTE,
        "size 1\n\n" SOFA_NOTE,
        " old 1\n\n" SOFA_NOTE,
        "old 1\r\n\n" SOFA_NOTE,
        "old 1\n\r\n" SOFA_NOTE,
        "old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpka==\n\n" SOFA_NOTE,
        "old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaz=\n\n" SOFA_NOTE,
        "old 1\n" HASH "x\n\n" SOFA_NOTE,
        "old 1\n" HASH " \n" SOFA_NOTE,
        "old 1\n\n" SOFA_NOTE "\n",
        "old 1\n\nno checkpoint\n\n" SOFA_SIG,
    };
    struct witness_request r = {.old_size = 77};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (witness_request_parse(*state, str_of(bad[i]), &r) != ERR_INVALID)
            fail_msg("bad request %zu is taken: %s", i, bad[i]);
    assert_int_equal(
        witness_request_parse(*state, with_hashes(*state, "old 1\n", 64, "\n" SOFA_NOTE), &r),
        ERR_INVALID);
    assert_int_equal(r.old_size, 77);
    assert_ok(
        witness_request_parse(*state, with_hashes(*state, "old 1\n", 63, "\n" SOFA_NOTE), &r));
    assert_int_equal(r.proof.n, WITNESS_PROOF_MAX);
    assert_str(witness_request_text(*state, 1, &r.proof, r.checkpoint.whole),
               with_hashes(*state, "old 1\n", 63, "\n" SOFA_NOTE));
}

/* ---- proof files ---- */

#define PROOF "c2sp.org/tlog-proof@v1\n"

static void
test_proof(void **state)
{
    struct tlog_proof p;
    struct str text,
        big = str_mem(arena_alloc(*state, TLOG_PROOF_EXTRA_MAX + 1, 1), TLOG_PROOF_EXTRA_MAX + 1);

    assert_ok(tlog_proof_parse(*state, S(PROOF "index 73894\n" HASH HASH "\n" SOFA_NOTE), &p));
    assert_true(str_is_null(p.extra));
    assert_int_equal(p.index, 73894);
    assert_int_equal(p.inclusion.n, 2);
    assert_str(p.checkpoint.whole, S(SOFA_NOTE));
    assert_str(tlog_proof_text(*state, p.extra, p.index, &p.inclusion, p.checkpoint.whole),
               S(PROOF "index 73894\n" HASH HASH "\n" SOFA_NOTE));

    assert_ok(tlog_proof_parse(*state, S(PROOF "extra AAEC\nindex 0\n\n" SOFA_NOTE), &p));
    assert_str(p.extra, str_mem("\0\1\2", 3));
    assert_int_equal(p.inclusion.n, 0);
    assert_str(tlog_proof_text(*state, p.extra, 0, &p.inclusion, S(SOFA_NOTE)),
               S(PROOF "extra AAEC\nindex 0\n\n" SOFA_NOTE));
    assert_str(tlog_proof_text(*state, S("x"), 0, &p.inclusion, S(SOFA_NOTE)),
               S(PROOF "extra eA==\nindex 0\n\n" SOFA_NOTE));
    assert_str(tlog_proof_text(*state, S(""), 0, &p.inclusion, S(SOFA_NOTE)),
               S(PROOF "index 0\n\n" SOFA_NOTE));

    text = tlog_proof_text(*state, str_sub(big, 0, TLOG_PROOF_EXTRA_MAX), 0, &p.inclusion,
                           S(SOFA_NOTE));
    assert_ok(tlog_proof_parse(*state, text, &p));
    assert_int_equal(p.extra.n, TLOG_PROOF_EXTRA_MAX);
    assert_ok(
        tlog_proof_parse(*state, with_hashes(*state, PROOF "index 1\n", 64, "\n" SOFA_NOTE), &p));
    assert_int_equal(p.inclusion.n, TREE_PROOF_MAX);
    assert_str(tlog_proof_text(*state, STR_NULL, 1, &p.inclusion, p.checkpoint.whole),
               with_hashes(*state, PROOF "index 1\n", 64, "\n" SOFA_NOTE));
}

static void
test_bad_proofs(void **state)
{
    static const char *const bad[] = {
        "",
        PROOF,
        PROOF "index 1\n",
        PROOF "index 1\n\n",
        PROOF "index 1\n" SOFA_NOTE,
        PROOF "\nindex 1\n\n" SOFA_NOTE,
        PROOF "index 01\n\n" SOFA_NOTE,
        PROOF "index -1\n\n" SOFA_NOTE,
        PROOF "index 9223372036854775808\n\n" SOFA_NOTE,
        PROOF "index notanumber\n\n" SOFA_NOTE,
        PROOF "index\n\n" SOFA_NOTE,
        PROOF "Index 1\n\n" SOFA_NOTE,
        PROOF "index 1\nindex 1\n\n" SOFA_NOTE,
        PROOF "index 1\nextra AAEC\n\n" SOFA_NOTE,
        PROOF "extra AAEC\nextra AAEC\nindex 1\n\n" SOFA_NOTE,
        PROOF "extra \nindex 1\n\n" SOFA_NOTE,
        PROOF "extra\nindex 1\n\n" SOFA_NOTE,
        PROOF "extra AAE\nindex 1\n\n" SOFA_NOTE,
        PROOF "extra AAEC",
        PROOF "extra AAEC\n",
        PROOF "index 1\n" HASH "short\n\n" SOFA_NOTE,
        PROOF "index 1\n" HASH "\n" SOFA,
        PROOF "index 1\n" HASH "\nno checkpoint\n\n" SOFA_SIG,
        "c2sp.org/tlog-proof@v2\nindex 1\n\n" SOFA_NOTE,
        "c2sp.org/tlog-proof@v1 \nindex 1\n\n" SOFA_NOTE,
        "\n" PROOF "index 1\n\n" SOFA_NOTE,
    };
    struct tlog_proof p = {.index = 77};
    struct buf *b = buf_in(*state, 8 << 20);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (tlog_proof_parse(*state, str_of(bad[i]), &p) != ERR_INVALID)
            fail_msg("bad proof %zu is taken: %s", i, bad[i]);
    assert_int_equal(
        tlog_proof_parse(*state, with_hashes(*state, PROOF "index 1\n", 65, "\n" SOFA_NOTE), &p),
        ERR_INVALID);
    assert_int_equal(
        tlog_proof_parse(*state, with_hashes(*state, PROOF "index 1\n", 65, SOFA_NOTE), &p),
        ERR_INVALID); /* the 65th is not the empty line */
    buf_cstr(b, PROOF "extra ");
    base64_put(b,
               str_mem(arena_alloc(*state, TLOG_PROOF_EXTRA_MAX + 1, 1), TLOG_PROOF_EXTRA_MAX + 1));
    buf_cstr(b, "\nindex 1\n\n" SOFA_NOTE);
    assert_int_equal(tlog_proof_parse(*state, buf_view(b), &p), ERR_TOO_LARGE);
    assert_int_equal(p.index, 77);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ARENA_TEST(test_published),
        ARENA_TEST(test_malformed),
        ARENA_TEST(test_published_cosignatures),
        ARENA_TEST(test_cosign),
        ARENA_TEST(test_request),
        ARENA_TEST(test_bad_requests),
        ARENA_TEST(test_proof),
        ARENA_TEST(test_bad_proofs),
    };

    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
