/* GET /api/v2/auditlog/witnesses: who cosigns the checkpoints of the caller's log, and how far. */
#include "api/api.h"
#include "base/text.h"
#include "out/cosign.h"

static void
kv_text(struct json_writer *w, const char *name, struct str s)
{
    json_key(w, str_of(name));
    if (str_is_null(s))
        json_null(w);
    else
        json_str(w, s);
}

static void
write_witness(struct json_writer *w, struct arena *a, const struct cosign_status *s)
{
    json_begin_object(w);
    json_kv_str(w, "name", s->name);
    json_kv_str(w, "key", s->key);
    kv_text(w, "url", s->url);
    json_kv_i64(w, "last_size", s->got.size);
    kv_text(w, "last_cosigned_at", s->got.at ? time_iso(a, s->got.at) : STR_NULL);
    kv_text(w, "checkpoint", s->got.note);
    kv_text(w, "last_error", s->error);
    kv_text(w, "last_error_at", s->error_at ? time_iso(a, s->error_at) : STR_NULL);
    json_end_object(w);
}

static enum err
witnesses_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_array(w);
    for (size_t i = 0; i < cosign_configured(rq->cx->app); i++) {
        struct cosign_status s;

        TRY(cosign_status(rq->cx, i, rq->cx->tenant.id, &s));
        write_witness(w, rq->cx->arena, &s);
    }
    json_end_array(w);
    json_end_object(w);
    return OK;
}

const struct route witness_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v2/auditlog/witnesses",
     .who = WHO_PERMISSION,
     .permission = PERM_AUDIT_VIEW,
     .tx = TX_READ,
     .summary = "Who cosigns the checkpoints of the log, and how far",
     .apply = witnesses_apply},
    {0}};
