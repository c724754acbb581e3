/* /api/v1/uploads/{name}: inline images, named by us: a client's cuid and an extension. The caller
 * is known by the cookie `token` of his sign-in answer; a header token does not open it. */
#include "api/api.h"
#include "api/picture.h"
#include "base/id.h"

static const struct sql LOGO_BY_CUID =
    SQL_READ("SELECT client_id, logo FROM client WHERE tenant_id = $1 AND cuid = $2");

static enum err
upload_apply(struct api_request *rq)
{
    struct cx *cx = rq->cx;
    struct str cuid = str_sub(rq->param[0], 0, CUID_LEN), logo;
    struct db_rows *r;
    int64_t client;
    enum err e;

    if (!cuid_is(cuid) || str_index(rq->param[0], '.') != CUID_LEN)
        return fail(cx, ERR_NOT_FOUND, "There is no such file");
    e = db_query_one(cx->tx, &LOGO_BY_CUID, ARGS(V_INT(cx->tenant.id), V_STR(cuid)), &r);
    if (e == ERR_NOT_FOUND)
        return fail(cx, e, "There is no such file");
    TRY(e);
    client = db_int(r, 0);
    logo = db_text_keep(r, 1);
    db_rows_end(r);
    if (cx_may_client(cx, client, PERM_CLIENT_VIEW) != OK) {
        fail_clear(cx);
        return fail(cx, ERR_NOT_FOUND, "There is no such file");
    }
    return picture_answer(rq, logo);
}

const struct route uploads_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v1/uploads/{name}",
     .who = WHO_UPLOAD,
     .tx = TX_READ,
     .summary = "An inline image, opened by the cookie \"token\"",
     .apply = upload_apply},
    {0},
};
