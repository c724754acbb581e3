/* Checkpoints by mail (checkpoint_mail.h). Owns the setting row NOTE of each workspace: when the last one went, and a
 * digest of the addresses it went to. */
#include "api/checkpoint_mail.h"

#include "api/mailer.h"
#include "audit/proof.h"
#include "base/text.h"
#include "core/settings.h"
#include "core/tenant.h"

#define NOTE          "audit.checkpoint_mailed"
#define ADDRESSES_MAX 10

/* The next address, trimmed; false at the end. Empty ones between commas are given. */
static bool
next_address(struct str *rest, struct str *out)
{
    if (!str_cut(rest, ',', out))
        return false;
    *out = str_trim(*out);
    return true;
}

enum err
checkpoint_mail_check(struct cx *cx, struct str addresses, struct str pointer)
{
    struct str one;
    int n = 0;

    if (str_is_empty(str_trim(addresses)))
        return OK;
    while (next_address(&addresses, &one)) {
        if (!email_is_valid(one))
            return fail_field(cx, pointer, "must be e-mail addresses with commas between them");
        if (++n > ADDRESSES_MAX)
            return fail_field(cx, pointer, "must be at most %d addresses", ADDRESSES_MAX);
    }
    return OK;
}

/* ---- one workspace ---- */

static const struct sql get_note =
    SQL_READ("SELECT value FROM setting WHERE tenant_id = $1 AND name = '" NOTE "'");
static const struct sql put_note =
    SQL_WRITE("setting", "INSERT INTO setting (tenant_id, name, value) VALUES ($1, '" NOTE "', $2) "
                         "ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value");

/* "AT DIGEST" */
static bool
is_due(struct cx *cx, struct str note, struct str digest)
{
    struct str at;
    int64_t last;

    if (!str_cut(&note, ' ', &at) || str_int64(at, &last) != OK || !str_eq(note, digest))
        return true;
    return cx->now - last >= USEC_PER_DAY || last > cx->now;
}

static struct str
digest_of(struct cx *cx, struct str addresses)
{
    struct sha256 h = sha256_parts(&addresses, 1);

    return str_sub(hex_in(cx->arena, sha256_str(&h)), 0, 16);
}

static enum err
read_note(struct cx *cx, struct str *out)
{
    struct db_rows *q = NULL;
    enum err e = db_query_one(cx->tx, &get_note, ARGS(V_INT(cx->tenant.id)), &q);

    *out = S("");
    if (e == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    *out = db_text_keep(q, 0);
    db_rows_end(q);
    return OK;
}

static struct str
mail_text(struct cx *cx, const struct audit_head *h, struct str keys, struct str workspace)
{
    return arena_fmt(
        cx->arena,
        "Keep this mail: it holds what was signed of the audit log of %.*s, %lld events, at %.*s.\n"
        "\n"
        "Save the lines between the marks as key.txt and checkpoint.txt. \"recount audit verify "
        "--checkpoint checkpoint.txt --vkey key.txt\" on the server's store, or \"verify.py checkpoint "
        "checkpoint.txt --vkey key.txt --pin seen.json\" anywhere, then shows whether the log still "
        "continues what was signed here.\n"
        "\n"
        "---- key.txt ----\n%.*s"
        "---- checkpoint.txt ----\n%.*s"
        "---- end ----\n",
        STR_ARG(workspace), (long long)h->size, STR_ARG(time_iso(cx->arena, h->signed_at)),
        STR_ARG(keys), STR_ARG(h->note));
}

static enum err
record_mailed(struct cx *cx, const struct audit_head *h, int n)
{
    struct audit_change change[] = {
        {S("events"), STR_NULL, arena_fmt(cx->arena, "%lld", (long long)h->size)},
        {S("root"), STR_NULL, hex_in(cx->arena, sha256_str(&h->root))},
        {S("mails"), STR_NULL, arena_fmt(cx->arena, "%d", n)}};
    struct audit_entry e = {
        .event = EV_CHECKPOINT_MAILED,
        .target_kind = S("audit"),
        .target_id = h->origin,
        .text = arena_fmt(cx->arena, "A checkpoint of %lld events was mailed to %d address%s.",
                          (long long)h->size, n, n == 1 ? "" : "es"),
        .changes = change,
        .n_changes = sizeof change / sizeof change[0]};

    return audit_record(cx, &e, NULL);
}

static enum err
mail_all(struct cx *cx, const struct mail_server *s, struct str addresses,
         const struct audit_head *h)
{
    struct mail_message m = {0};
    struct str keys;
    struct tenant t;
    int n = 0;

    TRY(audit_vkeys(cx, cx->tenant.id, h->log.epoch, &keys));
    TRY(tenant_get(cx, &t));
    m.subject = arena_fmt(cx->arena, "Checkpoint of the audit log of %.*s: %lld events",
                          STR_ARG(t.name), (long long)h->size);
    m.text = mail_text(cx, h, keys, t.name);
    while (next_address(&addresses, &m.to)) {
        if (!email_is_valid(m.to)) /* changed in the store itself */
            continue;
        TRY(mail_queue(cx, s, &m));
        n++;
    }
    return record_mailed(cx, h, n);
}

enum err
checkpoint_mail_due(struct cx *cx)
{
    struct str addresses, note, digest;
    struct mail_server s;
    struct audit_head h;

    TRY(settings_get_str(cx, SET_CHECKPOINT_MAIL, &addresses));
    TRY(read_note(cx, &note));
    digest = digest_of(cx, addresses);
    if (str_is_empty(str_trim(addresses)) || !is_due(cx, note, digest))
        return OK;
    TRY(mailer_server(cx, &s));
    if (!mail_is_configured(&s))
        return OK;
    enum err e = audit_head_get(cx, cx->tenant.id, -1, &h);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    TRY(mail_all(cx, &s, addresses, &h));
    note = arena_fmt(cx->arena, "%lld %.*s", (long long)cx->now, STR_ARG(digest));
    return db_exec(cx->tx, &put_note, ARGS(V_INT(cx->tenant.id), V_STR(note)), NULL);
}

/* ---- all of them ---- */

struct wanting {
    struct tenant_ref t;
    struct str addresses, note;
};
struct wanting_list {
    struct wanting *v;
    size_t n, cap;
};

static const struct sql all_wanting =
    SQL_READ("SELECT t.tenant_id, t.cuid, s.value, coalesce(n.value, '') FROM setting s"
             " JOIN tenant t ON t.tenant_id = s.tenant_id"
             " LEFT JOIN setting n ON n.tenant_id = s.tenant_id AND n.name = '" NOTE "'"
             " WHERE s.name = 'audit.checkpoint_mail' AND s.value <> '' ORDER BY t.tenant_id");

static enum err
read_wanting(struct cx *cx, void *arg)
{
    struct wanting_list *l = arg;
    struct db_rows *q = NULL;
    enum err e;

    l->n = 0;
    TRY(db_query(cx->tx, &all_wanting, NO_ARGS, &q));
    while ((e = db_next(q)) == OK) {
        arena_grow(cx->arena, l->v, l->n, &l->cap, 16);
        l->v[l->n++] = (struct wanting){{true, db_int(q, 0), db_text_keep(q, 1)},
                                        arena_str(cx->arena, db_text(q, 2)),
                                        arena_str(cx->arena, db_text(q, 3))};
    }
    return e == ERR_END ? OK : e;
}

static enum err
due_body(struct cx *cx, void *arg)
{
    (void)arg;
    return checkpoint_mail_due(cx);
}

/* Where there is something to mail with, and something to mail. */
static enum err
can_mail(struct cx *cx, void *arg)
{
    bool *can = arg;
    struct mail_server s;
    struct audit_head h;

    TRY(mailer_server(cx, &s));
    enum err e = audit_head_get(cx, cx->tenant.id, -1, &h);
    *can = e == OK && mail_is_configured(&s);
    return e == ERR_NOT_FOUND ? OK : e;
}

enum err
checkpoint_mail_tick(struct cx *cx)
{
    struct wanting_list l = {0};
    struct tenant_ref kept = cx->tenant;
    enum err e;

    TRY(cx_read(cx, read_wanting, &l));
    e = OK;
    for (size_t i = 0; i < l.n && e == OK; i++) {
        bool can = false;

        if (!is_due(cx, l.v[i].note, digest_of(cx, l.v[i].addresses)))
            continue;
        cx->tenant = l.v[i].t;
        e = cx_read(cx, can_mail, &can);
        if (e == OK && can) /* else no write is begun for nothing every few seconds */
            e = cx_write(cx, due_body, NULL);
    }
    cx->tenant = kept;
    return e;
}
