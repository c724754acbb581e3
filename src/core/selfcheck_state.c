/* What the self-check has found and where it stands, read back. Changes nothing. */
#include "core/selfcheck.h"

static const struct sql get_check =
    SQL_READ("SELECT started_at, events, tenant_id, epoch, idx, completed_at, completed_events,"
             " (SELECT count(*) FROM audit_finding) FROM audit_check WHERE id = 1");
static const struct sql get_findings =
    SQL_READ("SELECT tenant_id, epoch, idx, origin, what, expected, found, first_at, last_at"
             " FROM audit_finding WHERE tenant_id = $1 OR tenant_id = -1 OR $2 = 1"
             " ORDER BY first_at DESC, tenant_id, epoch, idx LIMIT $3");

static enum err
read_findings(struct cx *cx, bool all, struct selfcheck_state *s)
{
    struct db_rows *r = NULL;
    enum err e;
    s->v = arena_array(cx->arena, struct selfcheck_finding, SELFCHECK_SHOWN);
    TRY(db_query(
        cx->tx, &get_findings,
        ARGS(V_INT(cx->tenant.id), V_INT(all || !cx->tenant.known), V_INT(SELFCHECK_SHOWN)), &r));
    while ((e = db_next(r)) == OK)
        s->v[s->n++] =
            (struct selfcheck_finding){.log = {db_int(r, 0), db_int(r, 1)},
                                       .index = db_int(r, 2),
                                       .origin = db_text_keep(r, 3),
                                       .what = db_text_keep(r, 4),
                                       .expected = db_is_null(r, 5) ? STR_NULL : db_text_keep(r, 5),
                                       .found = db_is_null(r, 6) ? STR_NULL : db_text_keep(r, 6),
                                       .first_at = db_int(r, 7),
                                       .last_at = db_int(r, 8)};
    return e == ERR_END ? OK : e;
}

enum err
selfcheck_get(struct cx *cx, bool all, struct selfcheck_state *out)
{
    struct selfcheck_state s = {0};
    struct db_rows *r = NULL;
    TRY(db_query_one(cx->tx, &get_check, NO_ARGS, &r));
    s.started_at = db_int(r, 0);
    s.events = db_int(r, 1);
    s.log = (struct log_id){db_int(r, 2), db_int(r, 3)};
    s.index = db_int(r, 4);
    s.completed_at = db_int(r, 5);
    s.completed_events = db_int(r, 6);
    s.total = db_int(r, 7);
    db_rows_end(r);
    TRY(read_findings(cx, all, &s));
    *out = s;
    return OK;
}
