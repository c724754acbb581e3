/* The second factor: codes, recovery codes, challenges. Owns the tables recovery_code and
 * login_challenge; what a code permits is signin.c's business. */
#include "core/mfa.h"

#include <liboath/oath.h>

#include "audit/audit.h"
#include "base/rand.h"
#include "base/text.h"
#include "codec/hash.h"
#include "codec/url.h"
#include "core/bound.h"
#include "core/trail.h"
#include "run/app.h"
#include "run/keys.h"

static const char base32_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/* Lower case without 0 1 i l o u: nothing a person mixes up. */
static const char code_alphabet[] = "abcdefghjkmnpqrstvwxyz23456789";

bool
mfa_is_digits(struct str code)
{
    if (code.n != 6)
        return false;
    for (size_t i = 0; i < code.n; i++) {
        if (code.p[i] < '0' || code.p[i] > '9')
            return false;
    }
    return true;
}

static bool
is_code_of(struct str secret, int64_t step, struct str code)
{
    char otp[8] = {0};

    if (step < 0 || oath_hotp_generate(secret.p, secret.n, (uint64_t)step, 6, false,
                                       OATH_HOTP_DYNAMIC_TRUNCATION, otp) != OATH_OK)
        return false;
    return str_eq_secret(str_of(otp), code);
}

bool
mfa_totp_ok(struct str secret, struct str code, int64_t now, int64_t last_step, int64_t *step)
{
    int64_t at = now / USEC_PER_SEC / MFA_STEP_S;
    int64_t found = -1;

    if (!mfa_is_digits(code) || str_is_empty(secret))
        return false;
    for (int64_t s = at - 1; s <= at + 1; s++) {
        if (s > last_step && is_code_of(secret, s, code) && found < 0)
            found = s;
    }
    if (found < 0)
        return false;
    *step = found;
    return true;
}

struct str
mfa_secret_new(struct arena *a)
{
    char *p = arena_alloc(a, 1, MFA_SECRET_LEN);

    rand_bytes(p, MFA_SECRET_LEN);
    return str_mem(p, MFA_SECRET_LEN);
}

struct str
mfa_secret_text(struct arena *a, struct str secret)
{
    struct buf *b = buf_in(a, secret.n * 2 + 8);
    uint32_t acc = 0;
    int bits = 0;

    for (size_t i = 0; i < secret.n; i++) {
        acc = (acc << 8) | (uint8_t)secret.p[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            buf_char(b, base32_alphabet[(acc >> bits) & 31]);
        }
    }
    if (bits > 0)
        buf_char(b, base32_alphabet[(acc << (5 - bits)) & 31]);
    return buf_view(b);
}

struct str
mfa_uri(struct arena *a, struct str issuer, struct str email, struct str secret)
{
    struct str i = url_encode_in(a, issuer), e = url_encode_in(a, email);
    struct str s = mfa_secret_text(a, secret);

    return arena_fmt(a, "otpauth://totp/%.*s:%.*s?secret=%.*s&issuer=%.*s&digits=6&period=%d",
                     STR_ARG(i), STR_ARG(e), STR_ARG(s), STR_ARG(i), MFA_STEP_S);
}

/* ---- recovery codes ---- */

struct str
mfa_recovery_code(struct arena *a)
{
    char text[12];
    size_t n = 0;

    for (int i = 0; i < 10; i++) {
        if (i == 5)
            text[n++] = '-';
        text[n++] = code_alphabet[rand_below(sizeof code_alphabet - 1)];
    }
    return arena_str(a, str_mem(text, n));
}

struct str
mfa_recovery_hash(struct cx *cx, struct str code)
{
    struct buf *b = buf_in(cx->arena, 256);
    struct sha256 h;

    buf_cstr(b, "recovery:");
    for (size_t i = 0; i < code.n && i < 64; i++) {
        char c = code.p[i];

        if (c == '-' || c == ' ')
            continue;
        buf_char(b, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    h = hmac_sha256(cx->app->keys->blind, buf_view(b));
    return hex_in(cx->arena, sha256_str(&h));
}

enum err
mfa_recovery_replace(struct cx *cx, int64_t user_id, const struct str *codes)
{
    static const struct sql clear = SQL_WRITE(
        "recovery_code", "DELETE FROM recovery_code WHERE tenant_id = $1 AND user_id = $2");
    static const struct sql add =
        SQL_WRITE("recovery_code",
                  "INSERT INTO recovery_code (tenant_id, user_id, hash) VALUES ($1, $2, $3)");

    TRY(db_exec(cx->tx, &clear, ARGS(V_INT(cx->tenant.id), V_INT(user_id)), NULL));
    for (size_t i = 0; codes && i < MFA_RECOVERY_CODES; i++)
        TRY(db_exec(
            cx->tx, &add,
            ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_STR(mfa_recovery_hash(cx, codes[i]))),
            NULL));
    return OK;
}

enum err
mfa_recovery_use(struct cx *cx, int64_t user_id, struct str code)
{
    static const struct sql q =
        SQL_WRITE("recovery_code", "UPDATE recovery_code SET used_at = $4 WHERE tenant_id = $1 AND "
                                   "user_id = $2 AND hash = $3 AND used_at IS NULL");
    int64_t n;

    TRY(db_exec(cx->tx, &q,
                ARGS(V_INT(cx->tenant.id), V_INT(user_id), V_STR(mfa_recovery_hash(cx, code)),
                     V_INT(cx->now)),
                &n));
    return n == 1 ? OK : ERR_NOT_FOUND;
}

struct str
mfa_recovery_chain(struct cx *cx, struct str mark, struct str hash)
{
    return trail_mark(cx, arena_fmt(cx->arena, "%.*s %.*s", STR_ARG(mark), STR_ARG(hash)));
}

enum err
mfa_recovery_mark(struct cx *cx, int64_t user_id, struct str *mark)
{
    static const struct sql q =
        SQL_READ("SELECT hash FROM recovery_code WHERE tenant_id = $1 AND user_id = $2 AND used_at "
                 "IS NULL ORDER BY hash");
    struct str m = STR_NULL;
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &q, ARGS(V_INT(cx->tenant.id), V_INT(user_id)), &r));
    while ((e = db_next(r)) == OK)
        m = mfa_recovery_chain(cx, m, db_text(r, 0));
    *mark = m;
    return e == ERR_END ? OK : e;
}

/* ---- challenges ---- */

enum err
mfa_challenge_new(struct cx *cx, int64_t tenant_id, int64_t user_id, struct str kind,
                  struct str *id)
{
    static const struct sql sweep =
        SQL_WRITE("login_challenge", "DELETE FROM login_challenge WHERE expires_at < $1");
    static const struct sql add =
        SQL_WRITE("login_challenge", "INSERT INTO login_challenge (id, tenant_id, user_id, tries, "
                                     "expires_at, kind) VALUES ($1, $2, $3, 0, $4, $5)");
    struct str text = bound_new(cx, bound_to(cx, tenant_id, user_id, kind));

    audit_cover(cx, REASON_CHALLENGE);
    TRY(db_exec(cx->tx, &sweep, ARGS(V_INT(cx->now)), NULL));
    TRY(db_exec(cx->tx, &add,
                ARGS(V_STR(bound_hash(cx, text)), V_INT(tenant_id), V_INT(user_id),
                     V_INT(cx->now + MFA_CHALLENGE_US), V_STR(kind)),
                NULL));
    *id = text;
    return OK;
}

enum err
mfa_challenge_get(struct cx *cx, struct str id, struct challenge *out)
{
    static const struct sql q =
        SQL_READ("SELECT tenant_id, user_id, tries, expires_at, kind FROM login_challenge "
                 "WHERE id = $1 AND expires_at > $2 AND tries < $3");
    struct db_rows *r;

    TRY(db_query_one(cx->tx, &q, ARGS(V_STR(bound_hash(cx, id)), V_INT(cx->now), V_INT(MFA_TRIES)),
                     &r));
    const struct challenge c = {.tenant_id = db_int(r, 0),
                                .user_id = db_int(r, 1),
                                .tries = db_int(r, 2),
                                .expires_at = db_int(r, 3),
                                .kind = db_text_keep(r, 4)};
    db_rows_end(r);
    if (!bound_is(cx, id, bound_to(cx, c.tenant_id, c.user_id, c.kind)))
        return ERR_NOT_FOUND;
    *out = c;
    return OK;
}

enum err
mfa_challenge_try(struct cx *cx, struct str id)
{
    static const struct sql q =
        SQL_WRITE("login_challenge", "UPDATE login_challenge SET tries = tries + 1 WHERE id = $1 "
                                     "AND tries < $2 AND expires_at > $3");
    int64_t n;

    audit_cover(cx, REASON_CHALLENGE);
    TRY(db_exec(cx->tx, &q, ARGS(V_STR(bound_hash(cx, id)), V_INT(MFA_TRIES), V_INT(cx->now)), &n));
    return n == 1 ? OK : ERR_NOT_FOUND;
}

enum err
mfa_challenge_end(struct cx *cx, struct str id)
{
    static const struct sql q =
        SQL_WRITE("login_challenge", "DELETE FROM login_challenge WHERE id = $1");
    int64_t n;

    audit_cover(cx, REASON_CHALLENGE);
    TRY(db_exec(cx->tx, &q, ARGS(V_STR(bound_hash(cx, id))), &n));
    return n == 1 ? OK : ERR_NOT_FOUND;
}
