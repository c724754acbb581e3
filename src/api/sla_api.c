/* Service-level agreements: /api/v2/sla/benchmarks. PUT replaces the whole object; members this server
 * does not know come back as they were sent. */
#include "api/api.h"
#include "core/sla.h"
#include "core/user.h"

#define WORDS_MAX  100   /* entries of one list */
#define WORD_MAX   255   /* bytes of one entry */
#define HOURS_MAX  8760  /* a year */
#define EXTRA_MAX  16384 /* bytes */
#define ANSWER_MAX ((size_t)WORDS_MAX * (WORD_MAX + 3) * 6 + 16)

static const char *const KNOWN[] = {"id",
                                    "_id",
                                    "cuid",
                                    "name",
                                    "daysToClose",
                                    "findingSeverity",
                                    "enabled",
                                    "doc_type",
                                    "findingTags",
                                    "assetTags",
                                    "notificationSettings",
                                    "assetCriticality",
                                    "createdAt",
                                    "updatedAt",
                                    "tenant_id",
                                    NULL};
static const char SEVERITIES[] = "Critical|High|Medium|Low|Informational";
static const char CRITICALITIES[] = "Critical|High|Medium|Low|Informational|Information";
static const char *const NOTICES[] = {
    "sendDailyNotificationToAssignedUser",    "sendNearingNotificationToAssignedUser",
    "sendExceededNotificationToAssignedUser", "sendDailyNotificationToRecipients",
    "sendNearingNotificationToRecipients",    "sendExceededNotificationToRecipients"};

/* ---- reading a body ---- */

/* The word as the table writes it; null: it is none of them. */
static struct str
one_of(const char *words, struct str word)
{
    struct str rest = str_of(words), w;

    while (str_cut(&rest, '|', &w)) {
        if (str_ieq(w, str_trim(word)))
            return w;
    }
    return STR_NULL;
}

/* A list of texts, of certain words when `words` names them, each once; absent: "[]". */
static enum err
read_list(struct api_request *rq, const char *name, const char *words, bool required,
          struct str *out)
{
    const struct json *list = json_get(rq->body, str_of(name));
    struct str at = arena_fmt(rq->cx->arena, "/%s", name);
    struct buf *b = buf_in(rq->cx->arena, ANSWER_MAX);
    struct json_writer w;

    if (list && list->type == JSON_NULL)
        list = NULL;
    if (list && (list->type != JSON_ARRAY || list->count > WORDS_MAX))
        return fail_field(rq->cx, at, "must be a list of at most %d texts", WORDS_MAX);
    if (required && (!list || !list->first))
        return fail_field(rq->cx, at, "must name at least one");
    json_writer_init(&w, b);
    json_begin_array(&w);
    for (const struct json *v = list ? list->first : NULL; v; v = v->next) {
        struct str word = v->type == JSON_STRING ? str_trim(v->text) : S("");

        if (str_is_empty(word) || word.n > WORD_MAX)
            return fail_field(rq->cx, at, "must hold texts of 1 to %d bytes", WORD_MAX);
        if (words && str_is_null(word = one_of(words, word)))
            return fail_field(rq->cx, at, "must be of: %s", words);
        for (const struct json *k = list->first; k != v; k = k->next) {
            if (words ? str_ieq(str_trim(k->text), word) : str_eq(str_trim(k->text), word))
                return fail_field(rq->cx, at, "names %.*s twice", STR_ARG(word));
        }
        json_str(&w, word);
    }
    json_end_array(&w);
    *out = buf_view(b);
    return OK;
}

static enum err
put_recipients(struct api_request *rq, struct json_writer *w, const struct json *o)
{
    const struct json *list = json_get(o, S("recipients"));
    struct str at = S("/notificationSettings/recipients");

    if (list && list->type == JSON_NULL)
        list = NULL;
    if (list && (list->type != JSON_ARRAY || list->count > WORDS_MAX))
        return fail_field(rq->cx, at, "must be a list of at most %d e-mail addresses", WORDS_MAX);
    json_key(w, S("recipients"));
    json_begin_array(w);
    for (const struct json *v = list ? list->first : NULL; v; v = v->next) {
        if (v->type != JSON_STRING || !email_is_valid(str_trim(v->text)))
            return fail_field(rq->cx, at, "must hold e-mail addresses");
        json_str(w, str_trim(v->text));
    }
    json_end_array(w);
    return OK;
}

static enum err
read_notices(struct api_request *rq, struct str *out)
{
    const struct json *o = json_get(rq->body, S("notificationSettings"));
    struct buf *b = buf_in(rq->cx->arena, ANSWER_MAX + 1024);
    struct json_writer w;
    int64_t hours = 24;

    if (o && o->type == JSON_NULL)
        o = NULL;
    if (o && o->type != JSON_OBJECT)
        return fail_field(rq->cx, S("/notificationSettings"), "must be an object");
    rq->at = "/notificationSettings";
    TRY(body_int(rq, o, "hoursBeforeExpirationNotify", false, 0, HOURS_MAX, &hours));
    json_writer_init(&w, b);
    json_begin_object(&w);
    json_kv_i64(&w, "hoursBeforeExpirationNotify", hours);
    TRY(put_recipients(rq, &w, o));
    for (size_t i = 0; i < sizeof NOTICES / sizeof *NOTICES; i++) {
        bool on = false;

        TRY(body_bool(rq, o, NOTICES[i], false, &on));
        json_key(&w, str_of(NOTICES[i]));
        json_bool(&w, on);
    }
    rq->at = NULL;
    json_end_object(&w);
    *out = buf_view(b);
    return OK;
}

static enum err
read_sla(struct api_request *rq, struct sla *s)
{
    enum err bad = OK;

    *s = (struct sla){0};
    if (!json_is(rq->body, JSON_OBJECT))
        return fail(rq->cx, ERR_INVALID, "The body must be a JSON object");
    {
        enum err e[] = {
            body_str(rq, rq->body, "name", true, SLA_NAME_MAX, &s->name),
            body_int(rq, rq->body, "daysToClose", true, 1, SLA_DAYS_MAX, &s->days),
            body_bool(rq, rq->body, "enabled", true, &s->enabled),
            read_list(rq, "findingSeverity", SEVERITIES, true, &s->severities),
            read_list(rq, "findingTags", NULL, false, &s->finding_tags),
            read_list(rq, "assetCriticality", CRITICALITIES, false, &s->asset_criticality),
            read_list(rq, "assetTags", NULL, false, &s->asset_tags),
            read_notices(rq, &s->notification)};

        for (size_t i = 0; i < sizeof e / sizeof *e; i++)
            bad = e[i] != OK ? e[i] : bad;
    }
    TRY(bad);
    s->name = str_trim(s->name);
    return body_rest(rq, rq->body, KNOWN, EXTRA_MAX, &s->extra);
}

/* ---- answers ---- */

static void
write_sla(struct api_request *rq, const struct sla *s)
{
    struct json_writer *w = &rq->out;

    json_begin_object(w);
    json_kv_str(w, "id", s->cuid);
    json_kv_str(w, "doc_type", S("sla_benchmark"));
    json_kv_i64(w, "tenant_id", rq->cx->tenant.id);
    json_kv_str(w, "name", s->name);
    json_kv_i64(w, "daysToClose", s->days);
    json_kv_bool(w, "enabled", s->enabled);
    json_key(w, S("findingSeverity"));
    json_raw(w, s->severities);
    json_key(w, S("findingTags"));
    json_raw(w, s->finding_tags);
    json_key(w, S("assetCriticality"));
    json_raw(w, s->asset_criticality);
    json_key(w, S("assetTags"));
    json_raw(w, s->asset_tags);
    json_key(w, S("notificationSettings"));
    json_raw(w, s->notification);
    json_kv_i64(w, "createdAt", s->created_at / USEC_PER_MS);
    json_kv_i64(w, "updatedAt", s->updated_at / USEC_PER_MS);
    write_rest(rq, s->extra);
    json_end_object(w);
}

/* {status, data:<id>} */
static enum err
answer_id(struct api_request *rq, struct str id)
{
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_kv_str(&rq->out, "data", id);
    json_end_object(&rq->out);
    return OK;
}

static enum err
list_apply(struct api_request *rq)
{
    struct slas all;

    TRY(sla_list(rq->cx, &all));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    json_begin_array(&rq->out);
    for (size_t i = 0; i < all.n; i++)
        write_sla(rq, &all.v[i]);
    json_end_array(&rq->out);
    json_end_object(&rq->out);
    return OK;
}

static enum err
get_apply(struct api_request *rq)
{
    struct sla s;

    TRY(sla_get(rq->cx, rq->param[0], &s));
    write_sla(rq, &s);
    return OK;
}

static enum err
create_apply(struct api_request *rq)
{
    struct sla s;

    TRY(read_sla(rq, &s));
    TRY(sla_create(rq->cx, &s));
    json_begin_object(&rq->out);
    json_kv_str(&rq->out, "status", S("success"));
    json_key(&rq->out, S("data"));
    write_sla(rq, &s);
    json_end_object(&rq->out);
    return OK;
}

static enum err
replace_apply(struct api_request *rq)
{
    struct sla before, after;

    TRY(read_sla(rq, &after));
    TRY(sla_get(rq->cx, rq->param[0], &before));
    TRY(sla_replace(rq->cx, &before, &after));
    return answer_id(rq, before.cuid);
}

static enum err
delete_apply(struct api_request *rq)
{
    struct sla s;

    TRY(sla_get(rq->cx, rq->param[0], &s));
    TRY(sla_delete(rq->cx, &s));
    return answer_id(rq, s.cuid);
}

#define BASE  "/api/v2/sla/benchmarks"
#define ONE   BASE "/{slaBenchmarkId}"
#define RIGHT .who = WHO_PERMISSION, .permission = PERM_SLA_SETTINGS
#define MEMBERS                                                                                    \
    .body = BODY_JSON,                                                                             \
    .fields =                                                                                      \
        "name:string* daysToClose:integer* findingSeverity:array* enabled:boolean* "               \
        "findingTags:array assetCriticality:array assetTags:array notificationSettings:object"

const struct route sla_routes[] = {
    {.method = HTTP_GET,
     .path = BASE,
     RIGHT,
     .tx = TX_READ,
     .summary = "List service-level agreements",
     .apply = list_apply},
    {.method = HTTP_POST,
     .path = BASE,
     RIGHT,
     .tx = TX_WRITE,
     MEMBERS,
     .events = "SlaBenchmarkCreated",
     .summary = "Create a service-level agreement",
     .apply = create_apply},
    {.method = HTTP_GET,
     .path = ONE,
     RIGHT,
     .tx = TX_READ,
     .summary = "Read a service-level agreement",
     .apply = get_apply},
    {.method = HTTP_PUT,
     .path = ONE,
     RIGHT,
     .tx = TX_WRITE,
     MEMBERS,
     .events = "SlaBenchmarkUpdated",
     .summary = "Replace a service-level agreement",
     .apply = replace_apply},
    {.method = HTTP_DELETE,
     .path = ONE,
     RIGHT,
     .tx = TX_WRITE,
     .events = "SlaBenchmarkDeleted",
     .summary = "Delete a service-level agreement",
     .apply = delete_apply},
    {0},
};
