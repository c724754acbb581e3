/* What the installation says of itself: the root text clients look for, health, metrics. */
#include "api/api.h"
#include "api/server.h"
#include "audit/audit.h"
#include "core/selfcheck.h"

static enum err
root_apply(struct api_request *rq)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "text", S("Authenticate at /authenticate"));
    json_end_object(&rq->out);
    return OK;
}

/* Public, so it says little: that it runs, and whether changes can be recorded. */
static enum err
health_apply(struct api_request *rq)
{
    struct json_writer *w = &rq->out;
    struct audit_stats s = {0};

    audit_stats(rq->cx->app, &s);
    json_begin_object(w);
    json_kv_str(w, "status", S("success"));
    json_key(w, S("data"));
    json_begin_object(w);
    json_kv_bool(w, "inMaintenanceMode", !s.writable);
    json_kv_bool(w, "healthy", s.writable);
    json_kv_bool(w, "auditLogWritable", s.writable);
    json_kv_bool(w, "auditLogSound", selfcheck_damaged(rq->cx->app) == 0);
    json_kv_str(w, "store", db_kind(rq->cx->app->db) == DB_SQLITE ? S("sqlite") : S("postgres"));
    json_kv_i64(w, "uptimeSeconds", (clock_now() - rq->cx->app->started) / USEC_PER_SEC);
    json_end_object(w);
    json_end_object(w);
    return OK;
}

static void
metric(struct buf *b, const char *name, const char *type, const char *help, int64_t v)
{
    buf_fmt(b, "# HELP recount_%s %s\n# TYPE recount_%s %s\nrecount_%s %lld\n", name, help, name,
            type, name, (long long)v);
}

/* Numbers only, no name of anybody; administrators, or a scraper with an access token. */
static enum err
metrics_apply(struct api_request *rq)
{
    struct buf *b = buf_in(rq->cx->arena, 65536);
    struct audit_stats s = {0};
    struct http_stats h = {0};
    int64_t used, free_bytes, total;

    audit_stats(rq->cx->app, &s);
    server_stats(&h);
    db_space(rq->cx->app->db, &used, &free_bytes, &total);
    metric(b, "http_requests_total", "counter", "Requests handled.", h.requests);
    metric(b, "http_refused_total", "counter", "Malformed requests refused.", h.refused);
    metric(b, "http_queue_full_total", "counter",
           "Requests answered 503 because the queue was full.", h.queue_full);
    metric(b, "http_streams", "gauge", "Open streams.", h.streams);
    metric(b, "http_connections", "gauge", "Open connections.", h.connections);
    metric(b, "http_busy_workers", "gauge", "Workers at work.", h.busy_workers);
    metric(b, "audit_tail", "gauge", "Events recorded and not yet placed.", s.tail);
    metric(b, "audit_moved_total", "counter", "Events placed since start.", s.moved);
    metric(b, "audit_index_lag", "gauge", "Events placed and not yet in the text index.",
           s.indexed_lag);
    metric(b, "audit_folded_total", "counter", "Failures counted into folded events.", s.folded);
    metric(b, "audit_writable", "gauge", "1 when events can be recorded.", s.writable);
    metric(b, "audit_damaged", "gauge", "Findings of the server's check of its log that stand.",
           selfcheck_damaged(rq->cx->app));
    if (used > 0)
        metric(b, "store_bytes", "gauge", "Bytes of the store on disk.", used);
    if (total > 0) /* PostgreSQL's disk is not seen from here: no number is better than 0 */
        metric(b, "disk_free_bytes", "gauge", "Free bytes of its file system.", free_bytes);
    metric(b, "uptime_seconds", "gauge", "Seconds since start.",
           (clock_now() - rq->cx->app->started) / USEC_PER_SEC);
    rq->rs->content_type = S("text/plain; version=0.0.4; charset=utf-8");
    rq->rs->body = buf_view(b);
    return OK;
}

const struct route health_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v1/",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .summary = "Where to authenticate",
     .apply = root_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/health/full",
     .who = WHO_PUBLIC,
     .tx = TX_NONE,
     .summary = "Health",
     .apply = health_apply},
    {.method = HTTP_GET,
     .path = "/api/v2/metrics",
     .who = WHO_PERMISSION,
     .permission = PERM_ADMIN_ACCESS,
     .tx = TX_NONE,
     .summary = "Prometheus metrics",
     .apply = metrics_apply},
    {0},
};
