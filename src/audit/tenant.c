/* Whose log it is: the workspace behind a number. */
#include "audit/priv.h"

enum err
audit_tenant_cuid(struct db_tx *tx, int64_t tenant_id, struct str *out)
{
    static const struct sql q = SQL_READ("SELECT cuid FROM tenant WHERE tenant_id = $1");
    struct db_rows *r = NULL;
    TRY(db_query_one(tx, &q, ARGS(V_INT(tenant_id)), &r));
    *out = db_text_keep(r, 0);
    db_rows_end(r);
    return OK;
}

enum err
audit_act_in(struct cx *cx, int64_t tenant_id)
{
    struct str cuid;
    cx->tenant = (struct tenant_ref){0};
    if (tenant_id == INSTANCE_LOG)
        return OK;
    enum err e = audit_tenant_cuid(cx->tx, tenant_id, &cuid);
    if (e == OK)
        cx->tenant = (struct tenant_ref){true, tenant_id, cuid};
    return e == ERR_NOT_FOUND ? OK : e;
}

enum err
take_tenant(struct cx *cx, int64_t tenant_id)
{
    TRY(audit_act_in(cx, tenant_id));
    if (!cx->tenant.known)
        cx->tenant = (struct tenant_ref){tenant_id != INSTANCE_LOG, tenant_id, S("removed")};
    return OK;
}
