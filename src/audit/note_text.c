/* The small pieces that notes, checkpoints, proofs and requests are made of: lines, numbers, hashes.
 * One spelling each: whatever is accepted is what would be written. */
#include "audit/note_priv.h"

#include <string.h>

#include "base/text.h"

bool
note_text_is_valid(struct str text)
{
    if (text.n == 0 || text.p[text.n - 1] != '\n' || !utf8_is_valid(text))
        return false;
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < 0x20 && text.p[i] != '\n')
            return false;
    return true;
}

bool
note_line(struct str *rest, struct str *line)
{
    size_t end = rest->n == 0 ? SIZE_MAX : str_index(*rest, '\n');

    if (end == SIZE_MAX)
        return false;
    *line = str_sub(*rest, 0, end);
    *rest = str_sub(*rest, end + 1, SIZE_MAX);
    return true;
}

enum err
note_decimal(struct str s, int64_t *out)
{
    if (s.n == 0 || s.p[0] == '-' || (s.p[0] == '0' && s.n > 1))
        return ERR_INVALID;
    return str_int64(s, out);
}

enum err
note_base64(struct arena *a, struct str s, size_t max, struct str *out)
{
    struct buf b;
    enum err e;

    if (s.n / 4 * 3 > max + 2)
        return ERR_TOO_LARGE;
    buf_init(&b, max + 2);
    e = base64_get(s, &b);
    if (e == OK && b.n > max)
        e = ERR_TOO_LARGE;
    if (e == OK)
        *out = arena_str(a, buf_view(&b));
    buf_free(&b);
    return e;
}

enum err
note_hash(struct str s, struct sha256 *out)
{
    struct buf b;
    enum err e = ERR_INVALID;

    if (s.n != NOTE_HASH_LINE)
        return ERR_INVALID;
    buf_init(&b, NOTE_HASH_LINE);
    if (base64_get(s, &b) == OK && b.n == SHA256_LEN) {
        memcpy(out->b, b.p, SHA256_LEN);
        e = OK;
    }
    buf_free(&b);
    return e;
}

void
note_hash_put(struct buf *b, const struct sha256 *h)
{
    base64_put(b, sha256_str(h));
    buf_char(b, '\n');
}

enum err
note_hashes(struct str *rest, unsigned max, struct tree_proof *out)
{
    struct str line;

    out->n = 0;
    while (note_line(rest, &line)) {
        if (line.n == 0)
            return OK;
        if (out->n == max)
            return ERR_INVALID;
        TRY(note_hash(line, &out->h[out->n]));
        out->n++;
    }
    return ERR_INVALID;
}

void
note_cosigned(struct buf *b, int64_t seconds, struct str text)
{
    buf_fmt(b, "cosignature/v1\ntime %lld\n", (long long)seconds);
    buf_str(b, text);
}
