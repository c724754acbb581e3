/* Clients: who tests are made for. Inside cx->tx, results in cx->arena, changes record their events.
 * Whether the caller may is checked before (cx_may_client); lists show what he may see. */
#ifndef RECOUNT_CORE_CLIENT_H
#define RECOUNT_CORE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/permission.h"
#include "core/user.h"
#include "run/cx.h"

#define CLIENT_NAME_MAX   255                /* bytes */
#define CLIENT_TEXT_MAX   ((size_t)64 << 10) /* description; also all unknown members together */
#define CLIENT_TAGS_MAX   500
#define CLIENT_TAG_MAX    255 /* bytes of one tag */
#define CLIENT_FIELDS_MAX 500

struct client {
    int64_t id;
    struct str cuid, name, description, poc, poc_email;
    struct str tags;         /* JSON array of texts */
    struct str custom_field; /* JSON array of {label, value} */
    struct str logo;         /* data: URL or empty */
    struct str extra;        /* JSON object: members we do not know, kept for their writers */
    int64_t created_at, updated_at;
};

/* ERR_NOT_FOUND with words. */
MUST_CHECK enum err client_get(struct cx *cx, int64_t id, struct client *out);
/* Null texts become empty. Gives no one access: client_grant_default_group does. */
MUST_CHECK enum err client_insert(struct cx *cx, struct client *c);
/* Writes what differs between the two; the logo is left alone. */
MUST_CHECK enum err client_update(struct cx *cx, const struct client *old,
                                  const struct client *wanted);
/* Null logo: removed. `what`: "image/png, 812 bytes", null when removed. */
MUST_CHECK enum err client_set_logo(struct cx *cx, const struct client *c, struct str data_url,
                                    struct str what);
/* Removes it and everyone's access, with an event for each. */
MUST_CHECK enum err client_delete(struct cx *cx, const struct client *c);

/* The current row of a statement that selects the columns in this order: client_id, cuid, name, description,
 * poc, poc_email, tags, custom_field, logo, extra, created_at, updated_at. */
struct client client_row(struct cx *cx, const struct db_rows *r);

/* ---- what the caller sees: clients he is assigned to and may view, or all with AUTHORIZATION_MANAGE ---- */
#define CLIENT_SORTS_MAX 8
struct client_sort {
    struct str by; /* name, createdAt (created), updatedAt (updated), asset */
    bool descending;
};
struct client_query {
    int64_t offset, limit;
    struct client_sort sort[CLIENT_SORTS_MAX]; /* the second where the first is equal, and so on */
    size_t n_sort;                             /* 0: by name */
    struct str name;                           /* part of the name; null: any */
    struct str tags;                           /* JSON array: any of these; null: any */
    bool untagged;                             /* only clients without tags */
    bool none;                                 /* a filter nothing can match */
    bool names_only; /* the long texts stay empty: any number of clients is listed */
};
struct clients {
    struct client *v;
    size_t n;
    int64_t total;
};
/* ERR_INVALID when one of `sort` is unknown. Logos are left out (empty text or "1" for present). */
MUST_CHECK enum err client_list(struct cx *cx, const struct client_query *q, struct clients *out);
/* "[1,2]": the ids, for the statements that take several. */
struct str client_ids(struct cx *cx, const struct clients *all);

#endif
