/* Sub-statuses of findings. Owns the table substatus. */
#include "core/substatus.h"

#include "codec/textkey.h"
#include "core/trail.h"

struct str
finding_status(struct str word)
{
    static const char *const statuses[] = {"Open", "In Process", "Closed"};

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (str_ieq(str_trim(word), str_of(statuses[i])))
            return str_of(statuses[i]);
    }
    return STR_NULL;
}

/* ---- reading ---- */

static const struct sql LIST =
    SQL_READ("SELECT cuid, status, value FROM substatus WHERE tenant_id = $1 ORDER BY "
             "CASE status WHEN 'Open' THEN 0 WHEN 'In Process' THEN 1 ELSE 2 END, value_key, cuid");
static const struct sql ONE =
    SQL_READ("SELECT cuid, status, value FROM substatus WHERE tenant_id = $1 AND cuid = $2");
static const struct sql TAKEN =
    SQL_READ("SELECT COUNT(*) FROM substatus WHERE tenant_id = $1 AND status = $2 AND value = $3");
static const struct sql COUNT = SQL_READ("SELECT COUNT(*) FROM substatus WHERE tenant_id = $1");

static struct substatus
of_row(const struct db_rows *r)
{
    return (struct substatus){db_text_keep(r, 0), db_text_keep(r, 1), db_text_keep(r, 2)};
}

enum err
substatus_list(struct cx *cx, struct substatuses *out)
{
    struct substatuses all = {arena_array(cx->arena, struct substatus, SUBSTATUS_MAX), 0};
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &LIST, ARGS(V_INT(cx->tenant.id)), &r));
    while ((e = db_next(r)) == OK && all.n < SUBSTATUS_MAX)
        all.v[all.n++] = of_row(r);
    if (e == OK)
        db_rows_end(r);
    else if (e != ERR_END)
        return e;
    *out = all;
    return OK;
}

enum err
substatus_get(struct cx *cx, struct str cuid, struct substatus *out)
{
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &ONE, ARGS(V_INT(cx->tenant.id), V_STR(cuid)), &r);

    if (e == ERR_NOT_FOUND)
        return fail(cx, e, "Sub-status not found");
    TRY(e);
    *out = of_row(r);
    db_rows_end(r);
    return OK;
}

/* ---- changing ---- */

static enum err
record(struct cx *cx, enum event ev, const struct substatus *s, const char *verb,
       const struct trail *changes)
{
    struct str who = trail_actor(cx);
    struct trail_thing thing = {
        .event = ev,
        .kind = S("substatus"),
        .id = s->cuid,
        .name = s->value,
        .text = arena_fmt(cx->arena, "%.*s %s the sub-status %.*s of %.*s", STR_ARG(who), verb,
                          STR_ARG(s->value), STR_ARG(s->status)),
    };

    return trail_record(cx, &thing, changes);
}

static enum err
must_be_free(struct cx *cx, struct str status, struct str value)
{
    int64_t n;

    TRY(db_query_int(cx->tx, &TAKEN, ARGS(V_INT(cx->tenant.id), V_STR(status), V_STR(value)), &n));
    return n == 0 ? OK
                  : fail(cx, ERR_CONFLICT, "%.*s has a sub-status of this name already",
                         STR_ARG(status));
}

static const struct sql INSERT =
    SQL_WRITE("substatus", "INSERT INTO substatus (tenant_id, cuid, status, value, created_at, "
                           "value_key) VALUES ($1, $2, $3, $4, $5, $6)");

enum err
substatus_create(struct cx *cx, struct str status, struct str value, struct substatus *out)
{
    struct substatus s = {cuid_in(cx->arena, cx->now), status, str_trim(value)};
    struct trail t = {0};
    int64_t n;

    TRY(must_be_free(cx, s.status, s.value));
    TRY(db_query_int(cx->tx, &COUNT, ARGS(V_INT(cx->tenant.id)), &n));
    if (n >= SUBSTATUS_MAX)
        return fail(cx, ERR_CONFLICT, "A workspace has at most %d sub-statuses", SUBSTATUS_MAX);
    TRY(db_exec(cx->tx, &INSERT,
                ARGS(V_INT(cx->tenant.id), V_STR(s.cuid), V_STR(s.status), V_STR(s.value),
                     V_INT(cx->now), V_STR(text_key(cx->arena, s.value))),
                NULL));
    trail_note(cx, &t, S("status"), STR_NULL, s.status);
    trail_note(cx, &t, S("value"), STR_NULL, s.value);
    TRY(record(cx, EV_SUBSTATUS_CREATED, &s, "created", &t));
    *out = s;
    return OK;
}

static const struct sql UPDATE = SQL_WRITE(
    "substatus",
    "UPDATE substatus SET status = $3, value = $4, value_key = $5 WHERE tenant_id = $1 AND cuid = $2");

enum err
substatus_update(struct cx *cx, struct substatus *s, struct str status, struct str value)
{
    struct substatus after = {s->cuid, str_is_null(status) ? s->status : status,
                              str_is_null(value) ? s->value : str_trim(value)};
    struct trail t = {0};

    trail_note(cx, &t, S("status"), s->status, after.status);
    trail_note(cx, &t, S("value"), s->value, after.value);
    if (t.n == 0)
        return OK;
    TRY(must_be_free(cx, after.status, after.value));
    TRY(db_exec(cx->tx, &UPDATE,
                ARGS(V_INT(cx->tenant.id), V_STR(s->cuid), V_STR(after.status), V_STR(after.value),
                     V_STR(text_key(cx->arena, after.value))),
                NULL));
    TRY(record(cx, EV_SUBSTATUS_UPDATED, s, "changed", &t));
    *s = after;
    return OK;
}

static const struct sql DELETE =
    SQL_WRITE("substatus", "DELETE FROM substatus WHERE tenant_id = $1 AND cuid = $2");

enum err
substatus_delete(struct cx *cx, const struct substatus *s)
{
    struct trail t = {0};

    TRY(db_exec(cx->tx, &DELETE, ARGS(V_INT(cx->tenant.id), V_STR(s->cuid)), NULL));
    trail_note(cx, &t, S("status"), s->status, STR_NULL);
    trail_note(cx, &t, S("value"), s->value, STR_NULL);
    return record(cx, EV_SUBSTATUS_DELETED, s, "deleted", &t);
}
