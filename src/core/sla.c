/* Service-level agreements. Owns the table sla_benchmark. */
#include "core/sla.h"

#include "codec/textkey.h"
#include "core/trail.h"

/* ---- reading ---- */

#define COLUMNS                                                                                    \
    "SELECT cuid, name, days_to_close, enabled, severities, finding_tags, asset_criticality, "     \
    "asset_tags, notification, extra, created_at, updated_at FROM sla_benchmark "
static const struct sql LIST = SQL_READ(COLUMNS "WHERE tenant_id = $1 ORDER BY name_key, cuid");
static const struct sql ONE = SQL_READ(COLUMNS "WHERE tenant_id = $1 AND cuid = $2");
static const struct sql COUNT = SQL_READ("SELECT COUNT(*) FROM sla_benchmark WHERE tenant_id = $1");

static struct sla
of_row(const struct db_rows *r)
{
    return (struct sla){.cuid = db_text_keep(r, 0),
                        .name = db_text_keep(r, 1),
                        .days = db_int(r, 2),
                        .enabled = db_int(r, 3) != 0,
                        .severities = db_text_keep(r, 4),
                        .finding_tags = db_text_keep(r, 5),
                        .asset_criticality = db_text_keep(r, 6),
                        .asset_tags = db_text_keep(r, 7),
                        .notification = db_text_keep(r, 8),
                        .extra = db_text_keep(r, 9),
                        .created_at = db_int(r, 10),
                        .updated_at = db_int(r, 11)};
}

enum err
sla_list(struct cx *cx, struct slas *out)
{
    struct slas all = {arena_array(cx->arena, struct sla, SLA_MAX), 0};
    struct db_rows *r;
    enum err e;

    TRY(db_query(cx->tx, &LIST, ARGS(V_INT(cx->tenant.id)), &r));
    while ((e = db_next(r)) == OK && all.n < SLA_MAX)
        all.v[all.n++] = of_row(r);
    if (e == OK)
        db_rows_end(r);
    else if (e != ERR_END)
        return e;
    *out = all;
    return OK;
}

enum err
sla_get(struct cx *cx, struct str cuid, struct sla *out)
{
    struct db_rows *r;
    enum err e = db_query_one(cx->tx, &ONE, ARGS(V_INT(cx->tenant.id), V_STR(cuid)), &r);

    if (e == ERR_NOT_FOUND)
        return fail(cx, e, "Service-level agreement not found");
    TRY(e);
    *out = of_row(r);
    db_rows_end(r);
    return OK;
}

/* ---- changing ---- */

/* From nothing, to nothing, or from one to the other: either may be NULL. */
static void
note_all(struct cx *cx, struct trail *t, const struct sla *a, const struct sla *b)
{
#define TEXT(s, m) ((s) ? (s)->m : STR_NULL)
#define DAYS(s)    ((s) ? arena_fmt(cx->arena, "%lld", (long long)(s)->days) : STR_NULL)
#define ON(s)      ((s) ? trail_bool((s)->enabled) : STR_NULL)
    trail_note(cx, t, S("name"), TEXT(a, name), TEXT(b, name));
    trail_note(cx, t, S("daysToClose"), DAYS(a), DAYS(b));
    trail_note(cx, t, S("enabled"), ON(a), ON(b));
    trail_note(cx, t, S("findingSeverity"), TEXT(a, severities), TEXT(b, severities));
    trail_note(cx, t, S("findingTags"), TEXT(a, finding_tags), TEXT(b, finding_tags));
    trail_note(cx, t, S("assetCriticality"), TEXT(a, asset_criticality),
               TEXT(b, asset_criticality));
    trail_note(cx, t, S("assetTags"), TEXT(a, asset_tags), TEXT(b, asset_tags));
    trail_note(cx, t, S("notificationSettings"), TEXT(a, notification), TEXT(b, notification));
    trail_note(cx, t, S("other members"), TEXT(a, extra), TEXT(b, extra));
#undef ON
#undef DAYS
#undef TEXT
}

static enum err
record(struct cx *cx, enum event ev, const struct sla *s, const char *verb,
       const struct trail *changes)
{
    struct str who = trail_actor(cx);
    struct trail_thing thing = {
        .event = ev,
        .kind = S("sla"),
        .id = s->cuid,
        .name = s->name,
        .text = arena_fmt(cx->arena, "%.*s %s the service-level agreement %.*s", STR_ARG(who), verb,
                          STR_ARG(s->name)),
    };

    return trail_record(cx, &thing, changes);
}

static const struct sql INSERT = SQL_WRITE(
    "sla_benchmark",
    "INSERT INTO sla_benchmark (tenant_id, cuid, name, days_to_close, enabled, severities, "
    "finding_tags, asset_criticality, asset_tags, notification, extra, updated_at, created_at, "
    "name_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13)");
static const struct sql UPDATE = SQL_WRITE(
    "sla_benchmark",
    "UPDATE sla_benchmark SET name = $3, days_to_close = $4, enabled = $5, severities = $6, "
    "finding_tags = $7, asset_criticality = $8, asset_tags = $9, notification = $10, extra = $11, "
    "updated_at = $12, name_key = $13 WHERE tenant_id = $1 AND cuid = $2");

static enum err
put(struct cx *cx, const struct sql *q, const struct sla *s)
{
    return db_exec(cx->tx, q,
                   ARGS(V_INT(cx->tenant.id), V_STR(s->cuid), V_STR(s->name), V_INT(s->days),
                        V_INT(s->enabled), V_STR(s->severities), V_STR(s->finding_tags),
                        V_STR(s->asset_criticality), V_STR(s->asset_tags), V_STR(s->notification),
                        V_STR(s->extra), V_INT(cx->now), V_STR(text_key(cx->arena, s->name))),
                   NULL);
}

enum err
sla_create(struct cx *cx, struct sla *s)
{
    struct trail t = {0};
    int64_t n;

    TRY(db_query_int(cx->tx, &COUNT, ARGS(V_INT(cx->tenant.id)), &n));
    if (n >= SLA_MAX)
        return fail(cx, ERR_CONFLICT, "A workspace has at most %d service-level agreements",
                    SLA_MAX);
    s->cuid = cuid_in(cx->arena, cx->now);
    s->created_at = s->updated_at = cx->now;
    TRY(put(cx, &INSERT, s));
    note_all(cx, &t, NULL, s);
    return record(cx, EV_SLA_CREATED, s, "created", &t);
}

enum err
sla_replace(struct cx *cx, const struct sla *before, struct sla *after)
{
    struct trail t = {0};

    after->cuid = before->cuid;
    after->created_at = before->created_at;
    after->updated_at = before->updated_at;
    note_all(cx, &t, before, after);
    if (t.n == 0)
        return OK;
    after->updated_at = cx->now;
    TRY(put(cx, &UPDATE, after));
    return record(cx, EV_SLA_UPDATED, before, "changed", &t);
}

static const struct sql DELETE =
    SQL_WRITE("sla_benchmark", "DELETE FROM sla_benchmark WHERE tenant_id = $1 AND cuid = $2");

enum err
sla_delete(struct cx *cx, const struct sla *s)
{
    struct trail t = {0};

    TRY(db_exec(cx->tx, &DELETE, ARGS(V_INT(cx->tenant.id), V_STR(s->cuid)), NULL));
    note_all(cx, &t, s, NULL);
    return record(cx, EV_SLA_DELETED, s, "deleted", &t);
}
