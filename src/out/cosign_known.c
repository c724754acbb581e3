/* What the log was last told of this server's witnesses, kept as a row "witnesses.SERVER" of the installation's
 * settings: so a policy that was changed while no server ran is told at the next start. The row is written by
 * the transaction that records the event, and holds the text; the event holds its digest, so that the row
 * itself can be held against the log (core/selfcheck_instance.c). */
#include "audit/proof.h"
#include "base/text.h"
#include "codec/hash.h"
#include "out/cosign_priv.h"

static const struct sql get_known =
    SQL_READ("SELECT value FROM setting WHERE tenant_id = -1 AND name = $1");
static const struct sql put_known =
    SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES (-1, $1, $2)"
                         " ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value");

static struct str
row_name(struct cx *cx)
{
    struct str server = audit_server_name(cx);

    return arena_fmt(cx->arena, AUDIT_POLICY_SETTING "%.*s", STR_ARG(server));
}

struct reading {
    struct str name, text;
};

static enum err
read_body(struct cx *cx, void *arg)
{
    struct reading *r = arg;
    struct db_rows *q = NULL;
    enum err e = db_query_one(cx->tx, &get_known, ARGS(V_STR(r->name)), &q);

    r->text = STR_NULL;
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    r->text = db_text_keep(q, 0);
    db_rows_end(q);
    return OK;
}

enum err
cosign_known_read(struct cx *cx, struct str *text)
{
    struct reading r = {.name = row_name(cx)};

    TRY(cx_read(cx, read_body, &r));
    *text = r.text;
    return OK;
}

enum err
cosign_known_write(struct cx *cx, struct str text, struct audit_change *told)
{
    struct reading r = {.name = row_name(cx)};
    struct sha256 was, is = sha256_of(text);

    TRY(read_body(cx, &r));
    was = sha256_of(r.text);
    *told = (struct audit_change){
        arena_fmt(cx->arena, AUDIT_POLICY_DIGEST "%.*s",
                  STR_ARG(str_sub(r.name, sizeof AUDIT_POLICY_SETTING - 1, SIZE_MAX))),
        str_is_null(r.text) ? STR_NULL : hex_in(cx->arena, sha256_str(&was)),
        hex_in(cx->arena, sha256_str(&is))};
    return db_exec(cx->tx, &put_known, ARGS(V_STR(r.name), V_STR(text)), NULL);
}
