/* Signed notes and the keys that sign and check them (C2SP signed-note).
 * Owns nothing. What a note's text means is checkpoint.c's and its callers' to know. */
#include "audit/note.h"

#include <sodium.h>
#include <string.h>

#include "audit/note_priv.h"
#include "base/text.h"

#define KEY_ID_LEN   4  /* bytes */
#define KEY_ID_HEX   8  /* digits */
#define SIG_MIN      5  /* bytes of a decoded signature line: an id, and something */
#define SIG_LEN      64 /* of Ed25519 */
#define TIME_LEN     8  /* of a cosignature */
#define VKEY_PUB_MAX ((size_t)16 << 10)
#define DASH         "\xe2\x80\x94 " /* U+2014 and a space */
#define MICROS       1000000

/* ---- names and keys ---- */

/* White_Space of Unicode beyond ASCII. */
static bool
is_space(uint32_t cp)
{
    return cp <= ' ' || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

bool
note_name_is_valid(struct str name)
{
    if (name.n == 0 || name.n > NOTE_NAME_MAX || !utf8_is_valid(name))
        return false;
    for (size_t i = 0; i < name.n;) {
        uint32_t cp = utf8_next(name, &i);

        if (cp == '+' || is_space(cp))
            return false;
    }
    return true;
}

static uint32_t
u32be(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

uint32_t
note_key_id(struct str name, uint8_t type, struct str public_key)
{
    char between[] = {'\n', (char)type};
    struct sha256 h =
        sha256_parts((struct str[]){name, str_mem(between, sizeof(between)), public_key}, 3);

    return u32be((const char *)h.b);
}

static bool
is_ed25519(uint8_t type)
{
    return type == NOTE_ED25519 || type == NOTE_COSIGNER;
}

static struct str
public_key(const struct note_key *k)
{
    return is_ed25519(k->type) ? str_mem(k->pub, sizeof(k->pub)) : k->other;
}

/* Eight lower-case digits. */
static enum err
id_get(struct str hex, uint32_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t id = 0;

    if (hex.n != KEY_ID_HEX)
        return ERR_INVALID;
    for (size_t i = 0; i < hex.n; i++) {
        const char *digit = memchr(digits, hex.p[i], sizeof(digits) - 1);

        if (digit == NULL)
            return ERR_INVALID;
        id = id << 4 | (uint32_t)(digit - digits);
    }
    *out = id;
    return OK;
}

enum err
note_vkey_parse(struct arena *a, struct str vkey, struct note_key *out)
{
    struct note_key k = {0};
    struct str rest = vkey, hex, bytes;

    if (!str_cut(&rest, '+', &k.name) || !note_name_is_valid(k.name) ||
        !str_cut(&rest, '+', &hex) || str_is_null(rest))
        return ERR_INVALID;
    TRY(id_get(hex, &k.id));
    TRY(note_base64(a, rest, VKEY_PUB_MAX, &bytes)); /* may hold '+' itself */
    if (bytes.n < 2)
        return ERR_INVALID;
    k.type = (uint8_t)bytes.p[0];
    bytes = str_sub(bytes, 1, SIZE_MAX);
    if (!is_ed25519(k.type)) {
        k.other = bytes;
    } else {
        if (bytes.n != sizeof(k.pub) || note_key_id(k.name, k.type, bytes) != k.id)
            return ERR_INVALID;
        memcpy(k.pub, bytes.p, sizeof(k.pub));
    }
    *out = k;
    return OK;
}

struct str
note_vkey(struct arena *a, const struct note_key *k)
{
    struct buf *b = buf_in(a, NOTE_NAME_MAX + 2 * VKEY_PUB_MAX), *key = buf_in(a, VKEY_PUB_MAX + 1);

    buf_char(key, (char)k->type);
    buf_str(key, public_key(k));
    buf_str(b, k->name);
    buf_fmt(b, "+%08x+", k->id);
    base64_put(b, buf_view(key));
    return buf_view(b);
}

struct note_signer
note_signer_of(struct str name, uint8_t type, struct str seed)
{
    struct note_signer s = {.key = {.name = name, .type = type}};

    if (!note_name_is_valid(name) || !is_ed25519(type) || seed.n != crypto_sign_SEEDBYTES)
        BUG("no signer is made of this");
    crypto_sign_seed_keypair(s.key.pub, s.secret, (const unsigned char *)seed.p);
    s.key.id = note_key_id(name, type, public_key(&s.key));
    return s;
}

/* ---- notes ---- */

/* "— name base64" */
static enum err
sig_parse(struct arena *a, struct str line, struct note_sig *out)
{
    struct str rest = line, bytes;

    if (!str_has_prefix(line, S(DASH)))
        return ERR_INVALID;
    rest = str_sub(line, sizeof(DASH) - 1, SIZE_MAX);
    if (!str_cut(&rest, ' ', &out->name) || !note_name_is_valid(out->name) || str_is_null(rest))
        return ERR_INVALID;
    TRY(note_base64(a, rest, NOTE_MAX, &bytes));
    if (bytes.n < SIG_MIN)
        return ERR_INVALID;
    out->id = u32be(bytes.p);
    out->bytes = str_sub(bytes, KEY_ID_LEN, SIZE_MAX);
    return OK;
}

static bool
is_doubled(const struct note *n, const struct note_sig *s)
{
    for (size_t i = 0; i < n->n_sigs; i++)
        if (n->sigs[i].id == s->id && str_eq(n->sigs[i].name, s->name) &&
            str_eq(n->sigs[i].bytes, s->bytes))
            return true;
    return false;
}

/* Where the last empty line begins, or 0: the text has at least its own newline in front of it. */
static size_t
last_empty_line(struct str s)
{
    for (size_t i = s.n; i >= 2; i--)
        if (s.p[i - 1] == '\n' && s.p[i - 2] == '\n')
            return i - 1;
    return 0;
}

enum err
note_parse(struct arena *a, struct str bytes, struct note *out)
{
    struct note n = {.whole = bytes};
    struct str rest, line;
    struct note_sig s;
    size_t at;

    if (bytes.n > NOTE_MAX)
        return ERR_TOO_LARGE;
    at = note_text_is_valid(bytes) ? last_empty_line(bytes) : 0;
    if (at == 0)
        return ERR_INVALID;
    n.text = str_sub(bytes, 0, at);
    n.sigs = arena_array(a, struct note_sig, NOTE_SIGS_MAX);
    rest = str_sub(bytes, at + 1, SIZE_MAX);
    while (note_line(&rest, &line)) {
        TRY(sig_parse(a, line, &s));
        if (is_doubled(&n, &s))
            return ERR_INVALID;
        if (n.n_sigs == NOTE_SIGS_MAX)
            return ERR_TOO_LARGE;
        n.sigs[n.n_sigs++] = s;
    }
    if (n.n_sigs == 0)
        return ERR_INVALID;
    *out = n;
    return OK;
}

static void
sig_line_put(struct buf *b, const struct note_key *k, struct str signature)
{
    char bytes[KEY_ID_LEN + TIME_LEN + SIG_LEN] = {(char)(k->id >> 24), (char)(k->id >> 16),
                                                   (char)(k->id >> 8), (char)k->id};

    if (signature.n > sizeof(bytes) - KEY_ID_LEN)
        BUG("a signature of %zu bytes", signature.n);
    memcpy(bytes + KEY_ID_LEN, signature.p, signature.n);
    buf_str(b, S(DASH));
    buf_str(b, k->name);
    buf_char(b, ' ');
    base64_put(b, str_mem(bytes, KEY_ID_LEN + signature.n));
    buf_char(b, '\n');
}

struct str
note_sig_line(struct arena *a, const struct note_signer *s, struct str signature)
{
    struct buf *b = buf_in(a, NOTE_NAME_MAX + 256);

    sig_line_put(b, &s->key, signature);
    return buf_view(b);
}

struct str
note_sign(struct arena *a, struct str text, const struct note_signer *signers, size_t n)
{
    struct buf *b = buf_in(a, NOTE_MAX);
    uint8_t sig[SIG_LEN];

    if (!note_text_is_valid(text) || n == 0 || n > NOTE_SIGS_MAX)
        BUG("no note is made of this");
    buf_str(b, text);
    buf_char(b, '\n');
    for (size_t i = 0; i < n; i++) {
        if (signers[i].key.type != NOTE_ED25519)
            BUG("a key of type %d signs checkpoints only", signers[i].key.type);
        crypto_sign_detached(sig, NULL, (const unsigned char *)text.p, text.n, signers[i].secret);
        sig_line_put(b, &signers[i].key, str_mem(sig, sizeof(sig)));
    }
    if (buf_failed(b))
        BUG("a text too long for a note");
    return buf_view(b);
}

/* ---- checking ---- */

static bool
verifies(const struct note_key *k, struct str message, struct str sig)
{
    return crypto_sign_verify_detached((const unsigned char *)sig.p,
                                       (const unsigned char *)message.p, message.n, k->pub) == 0;
}

/* A time that µs can not hold is no time. */
static bool
cosignature_verifies(const struct note_key *k, struct str text, struct str sig, int64_t *when)
{
    uint64_t seconds = (uint64_t)u32be(sig.p) << 32 | u32be(sig.p + 4);
    struct buf b;
    bool good;

    if (seconds > INT64_MAX / MICROS)
        return false;
    buf_init(&b, text.n + 64);
    note_cosigned(&b, (int64_t)seconds, text);
    good = verifies(k, buf_view(&b), str_sub(sig, TIME_LEN, SIZE_MAX));
    buf_free(&b);
    *when = (int64_t)seconds * MICROS;
    return good;
}

static bool
sig_is_good(const struct note *n, const struct note_key *k, struct str sig, int64_t *when)
{
    if (k->type == NOTE_COSIGNER)
        return sig.n == TIME_LEN + SIG_LEN && cosignature_verifies(k, n->text, sig, when);
    *when = 0;
    return sig.n == SIG_LEN && verifies(k, n->text, sig);
}

enum note_verdict
note_check(const struct note *n, const struct note_key *k, int64_t *when)
{
    enum note_verdict verdict = NOTE_ABSENT;
    int64_t newest = 0, at;

    if (!is_ed25519(k->type))
        return NOTE_ABSENT;
    for (size_t i = 0; i < n->n_sigs; i++) {
        const struct note_sig *s = &n->sigs[i];

        if (s->id != k->id || !str_eq(s->name, k->name))
            continue;
        if (!sig_is_good(n, k, s->bytes, &at))
            return NOTE_BAD;
        verdict = NOTE_GOOD;
        newest = at > newest ? at : newest;
    }
    if (verdict == NOTE_GOOD && when != NULL)
        *when = newest;
    return verdict;
}
