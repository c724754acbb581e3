/* The interface as a table. Each api file defines `const struct route name_routes[]`, ended by a row
 * without a method, then its handlers. Dispatch (dispatch.c) does all that is common: match, token, permission,
 * body, transaction, status. A handler neither begins nor commits, checks no permission by hand
 * beyond what only it can know, and writes no status. */
#ifndef RECOUNT_API_API_H
#define RECOUNT_API_API_H

#include "codec/json.h"
#include "core/hashing.h"
#include "core/permission.h"
#include "http/http.h"
#include "run/app.h"
#include "run/cx.h"

#define ROUTE_PARAMS 8 /* {parameters} of a path at most: an epoch, a tile */

enum route_tx { TX_NONE, TX_READ, TX_WRITE };

/* Who may call. */
enum route_who {
    WHO_PUBLIC,     /* anyone, no token read */
    WHO_UPLOAD,     /* the cookie `token` of a sign-in answer, nothing else: inline images */
    WHO_SIGNED_IN,  /* any valid session or access token (tokens: GET only) */
    WHO_SESSION,    /* a person's session, not an access token */
    WHO_PERMISSION, /* signed in, and holding route.permission tenant-wide */
    WHO_CLIENT, /* signed in, and holding route.permission on the client {c} (tenant-wide ADMIN right included) */
};

enum route_rate { RATE_NONE, RATE_AUTH /* failed authentications per address */, RATE_HEAVY };

enum route_body { BODY_NONE, BODY_OPTIONAL, BODY_JSON, BODY_JSON_OR_FORM, BODY_MULTIPART };

struct api_request {
    struct cx *cx;
    const struct route *route;
    struct http_request *http;
    struct str param[ROUTE_PARAMS]; /* path parameters in order */
    int64_t param_id[ROUTE_PARAMS]; /* the same as numbers, −1 when not a number */
    const struct json
        *body; /* JSON body (or the form turned into an object of strings); NULL: none */
    struct form_part *parts; /* multipart */
    size_t n_parts;
    const char *
        at; /* where the members read stand, for what is said of them: "/pagination"; NULL: the body */
    void *state;            /* prepare's result for apply and encode: in the arena */
    struct hash_job *job;   /* set by prepare: computed before finish, without a worker */
    struct json_writer out; /* the answer; begun empty before each apply */
    struct buf *out_buf;
    struct http_response *rs; /* for the rare answers that are not JSON, and cookies */
};

typedef enum err (*api_fn)(struct api_request *rq);

struct route {
    enum http_method method;
    const char *
        path; /* "/api/v1/client/{c}/users"; parameters by name in braces. {t} must name the caller's tenant (id or cuid), else 404 */
    enum route_who who;
    enum permission permission; /* for WHO_PERMISSION, WHO_CLIENT */
    enum route_tx tx;
    enum route_body body;
    enum route_rate rate;
    const char
        *fields; /* body members as "name:type* other:type" for openapi; * = required; NULL none */
    const char *events; /* names of events it may record, space-separated; NULL none */
    const char *summary;
    api_fn prepare; /* no transaction; may be NULL */
    api_fn finish;  /* no transaction; after the job prepare has set; may be NULL */
    api_fn apply;   /* inside the transaction (or none for TX_NONE): SQL and answer */
    api_fn after;   /* after the commit, before answering: cookies, signals; may be NULL */
    /* HEAD of what is recorded when it is read: looks at the question and sets headers, in place of all of the
     * above. Nothing is read, so nothing is recorded, and no length tells what GET would find. NULL: HEAD is GET
     * without its body. */
    api_fn head;
    bool reserve;     /* also while the disk is all but full: what an administrator then needs */
    bool upload_file; /* multipart body of up to upload_max goes to a file */
    int64_t upload_max;
};

/* All tables, in routes.c. */
extern const struct route *const api_tables[];

/* ---- decoding helpers: each notes a field error and returns ERR_INVALID ---- */
/* A string member: required → must be present and non-empty after trimming; at most max bytes. Absent optional → null str. */
MUST_CHECK enum err body_str(struct api_request *rq, const struct json *o, const char *name,
                             bool required, size_t max, struct str *out);
/* Text, or a number as its text, trimmed: a member called name of the element at the pointer i ("/0"), which an error
 * calls i/path; absent or null: null str. */
MUST_CHECK enum err body_scalar(struct api_request *rq, const struct json *o, struct str i,
                                const char *path, const char *name, size_t max, struct str *out);
MUST_CHECK enum err body_int(struct api_request *rq, const struct json *o, const char *name,
                             bool required, int64_t min, int64_t max, int64_t *out);
/* true/false, also "true"/"True"/"false"/"False"; *out unchanged when absent. */
MUST_CHECK enum err body_bool(struct api_request *rq, const struct json *o, const char *name,
                              bool required, bool *out);
/* Members of o that `known` (ended by NULL) does not name, as a JSON object of at most max bytes: kept for
 * those who sent them, and written into an open object again. */
MUST_CHECK enum err body_rest(struct api_request *rq, const struct json *o,
                              const char *const *known, size_t max, struct str *out);
void write_rest(struct api_request *rq, struct str rest);
/* A word of order in any case: asc, ascend, desc, descend and "desend", as it is documented; empty: *descending
 * stays. Others are refused by name. */
MUST_CHECK enum err order_read(struct api_request *rq, struct str word, struct str pointer,
                               bool *descending);
/* A member that must be a list, or an object, when it is there; null and absent: NULL. */
MUST_CHECK enum err body_part(struct api_request *rq, const struct json *o, const char *name,
                              enum json_type type, const struct json **out);
/* Query parameters. */
MUST_CHECK enum err query_int(struct api_request *rq, const char *name, int64_t min, int64_t max,
                              int64_t fallback, int64_t *out);
struct str query_str(struct api_request *rq, const char *name); /* null when absent */

/* {"status":"success","message":…} */
enum err api_ok(struct api_request *rq, struct str message);
/* The v2 list envelope's reading: {pagination:{offset,limit}, sort:[{by,order}], filters:[{by,value}]}. */
#define LIST_SORTS_MAX 8
struct list_sort {
    struct str by;
    bool descending;
};
struct list_args {
    int64_t offset, limit;
    struct list_sort sorts[LIST_SORTS_MAX]; /* the second where the first is equal, and so on */
    size_t n_sorts;
    const struct json *filters; /* array or NULL */
    const struct json *sort;
};
MUST_CHECK enum err list_args_read(struct api_request *rq, int64_t max_limit,
                                   struct list_args *out);
/* ERR_INVALID for each thing the list is to be sorted by that `names` (separated by spaces) does not name. */
MUST_CHECK enum err list_sort_known(struct api_request *rq, const struct list_args *l,
                                    const char *names);
/* Writes the members status, data (by `row` calls between) … meta echoing the request with total. */
void list_meta_write(struct api_request *rq, const struct list_args *l, int64_t total);

/* Entry for http: dispatches one request. */
void api_handle(void *app, struct http_request *rq, struct http_response *rs);
void api_headers_done(void *app, const struct http_request *rq, struct http_limits *limits);
void api_before_upload(void *app, struct http_request *rq, struct http_limits *limits,
                       struct http_response *rs);
/* {status:"error", statusCode, error, message, code?, fields?} */
void api_error_body(struct buf *out, const struct http_refusal *why);

#endif
