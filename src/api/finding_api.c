/* Lists of findings. This version has no findings: the lists are empty, but say 400 to what they would
 * not understand, so that a client's mistake does not wait for the first finding. */
#include "api/api.h"

#define FINDINGS_LIMIT 99999 /* real clients ask for this many */

static enum err
no_findings(struct api_request *rq, const char *sorts)
{
    struct json_writer *w = &rq->out;
    struct list_args l;

    TRY(list_args_read(rq, FINDINGS_LIMIT, &l));
    TRY(list_sort_known(rq, &l, sorts));
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    json_end_array(w);
    json_kv_i64(w, "total", 0);
    list_meta_write(rq, &l, 0);
    json_end_object(w);
    return OK;
}

static enum err
of_client(struct api_request *rq)
{
    return no_findings(
        rq, "assignedTo dateFrom dateTo reportId severity status subStatus visibility title");
}

static enum err
of_caller(struct api_request *rq)
{
    return no_findings(rq, "assignedTo clientId closedAt createdAt cve_id cvss3_1 cwe_id dateFrom "
                           "dateTo flawId reopenedAt reportId severity source status subStatus "
                           "title updatedAt visibility");
}

#define LIST                                                                                       \
    .tx = TX_READ, .body = BODY_JSON, .fields = "pagination:object* sort:array filters:array"

const struct route finding_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/v2/client/{c}/findings",
     .who = WHO_CLIENT,
     .permission = PERM_CLIENT_VIEW,
     LIST,
     .summary = "Findings of a client",
     .apply = of_client},
    {.method = HTTP_POST,
     .path = "/api/v2/user/findings",
     .who = WHO_SIGNED_IN,
     LIST,
     .summary = "Findings assigned to the caller",
     .apply = of_caller},
    {0},
};
