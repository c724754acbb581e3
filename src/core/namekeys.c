/* Filling the keys of names. Owns no table: the columns are those of the tables they stand in. */
#include "core/namekeys.h"

#include "audit/audit.h"
#include "base/log.h"
#include "base/text.h"
#include "codec/textkey.h"
#include "core/user.h"

#define BATCH 500 /* rows of one transaction: a few milliseconds */

struct kind {
    struct sql missing, set;
    bool text_id;
};

#define KIND(table, id, name, key, text_id)                                                        \
    {                                                                                              \
        SQL_READ("SELECT tenant_id, " id ", " name " FROM " table " WHERE " key " = '' AND " name  \
                 " <> '' ORDER BY tenant_id, " id " LIMIT $1"),                                    \
            SQL_WRITE(table,                                                                       \
                      "UPDATE " table " SET " key " = $3 WHERE tenant_id = $1 AND " id " = $2"),   \
            text_id                                                                                \
    }

static const struct kind kinds[] = {
    KIND("user_account", "user_id", "first", "first_key", false),
    KIND("user_account", "user_id", "last", "last_key", false),
    KIND("client", "client_id", "name", "name_key", false),
    KIND("tag", "id", "name", "name_key", true),
    KIND("sla_benchmark", "cuid", "name", "name_key", true),
    KIND("substatus", "cuid", "value", "value_key", true),
};

struct row {
    int64_t tenant_id;
    struct db_val id;
    struct str name;
};
struct filling {
    const struct kind *kind;
    size_t n; /* rows of the last batch */
};

static enum err
fill_batch(struct cx *cx, void *arg)
{
    struct filling *f = arg;
    struct row *v = arena_array(cx->arena, struct row, BATCH);
    struct db_rows *r;
    enum err e;

    f->n = 0;
    TRY(db_query(cx->tx, &f->kind->missing, ARGS(V_INT(BATCH)), &r));
    while ((e = db_next(r)) == OK && f->n < BATCH)
        v[f->n++] = (struct row){db_int(r, 0),
                                 f->kind->text_id ? V_STR(db_text_keep(r, 1)) : V_INT(db_int(r, 1)),
                                 db_text_keep(r, 2)};
    if (e != ERR_END)
        return e;
    audit_cover(cx, REASON_NAME_KEY);
    for (size_t i = 0; i < f->n; i++)
        TRY(db_exec(cx->tx, &f->kind->set,
                    ARGS(V_INT(v[i].tenant_id), v[i].id, V_STR(text_key(cx->arena, v[i].name))),
                    NULL));
    return OK;
}

static enum err
any_missing(struct cx *cx, void *arg)
{
    struct filling *f = arg;
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &f->kind->missing, ARGS(V_INT(1)), &r));
    e = db_next(r);
    f->n = e == OK;
    if (e == OK)
        db_rows_end(r);
    return e == ERR_END ? OK : e;
}

/* ---- addresses ---- */

struct address {
    int64_t tenant_id, user_id;
    struct str key;
    struct address *next;
};

/* Where the key is the one an older program made, and only there: another would be somebody's own. */
static enum err
read_addresses(struct cx *cx, void *arg)
{
    static const struct sql q =
        SQL_READ2("SELECT tenant_id, user_id, email, email_folded FROM user_account "
                  "WHERE length(CAST(email AS BLOB)) > length(email)",
                  "SELECT tenant_id, user_id, email, email_folded FROM user_account "
                  "WHERE octet_length(email) > length(email)");
    struct address **out = arg;
    struct db_rows *r;
    enum err e;

    *out = NULL;
    TRY(db_query(cx->tx, &q, NO_ARGS, &r));
    while ((e = db_next(r)) == OK) {
        struct str email = str_trim(db_text(r, 2)), key = email_fold(cx->arena, email);
        struct address *a;

        if (str_eq(key, db_text(r, 3)) || !str_eq(utf8_folded(cx->arena, email), db_text(r, 3)))
            continue;
        a = arena_new(cx->arena, struct address);
        *a = (struct address){db_int(r, 0), db_int(r, 1), key, *out};
        *out = a;
    }
    return e == ERR_END ? OK : e;
}

/* Two accounts that were two by nothing a reader sees stay as they are: one of them is not found any more by who
 * signs in, which the server's own log says. */
static enum err
set_address(struct cx *cx, void *arg)
{
    static const struct sql q = SQL_WRITE(
        "user_account",
        "UPDATE user_account SET email_folded = $3 WHERE tenant_id = $1 AND user_id = $2");
    const struct address *a = arg;
    struct user other;
    enum err e = user_find_anywhere(cx, a->key, &other);

    if (e == OK) {
        log_warn("names.address_twice", LOG_INT("user", a->user_id),
                 LOG_INT("other", other.user_id));
        return OK;
    }
    if (e != ERR_NOT_FOUND)
        return e;
    audit_cover(cx, REASON_NAME_KEY);
    return db_exec(cx->tx, &q, ARGS(V_INT(a->tenant_id), V_INT(a->user_id), V_STR(a->key)), NULL);
}

enum err
namekeys_fill(struct cx *cx)
{
    struct address *a = NULL;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct filling f = {.kind = &kinds[i]};

        TRY(cx_read(cx, any_missing, &f));
        while (f.n > 0)
            TRY(cx_write(cx, fill_batch, &f));
    }
    TRY(cx_read(cx, read_addresses, &a));
    for (; a; a = a->next)
        TRY(cx_write(cx, set_address, a));
    return OK;
}
