/* The tenant (workspace) itself: creating it with its built-in roles and tiers, its name, address
 * and pictures. Inside cx->tx; changes record their events. Other settings are settings.c. */
#ifndef RECOUNT_CORE_TENANT_H
#define RECOUNT_CORE_TENANT_H

#include <stdbool.h>
#include <stdint.h>

#include "run/cx.h"

#define TENANT_NAME_MAX    255 /* bytes */
#define TENANT_ADDRESS_MAX 1000
#define IMAGE_MAX          ((size_t)1 << 20) /* bytes of a logo or icon */

/* The row, the roles ADMIN, STD_USER, ANALYST, AUDITOR with their permissions, three tiers; records
 * TENANT_CREATED in the new tenant's log. The first tenant has id 0. cx->tenant is left alone. */
MUST_CHECK enum err tenant_create(struct cx *cx, struct str name, bool demo,
                                  struct tenant_ref *out);

struct tenant {
    int64_t id;
    struct str cuid, name, address, poc; /* poc: JSON {first, last, email} */
    bool demo;
    int64_t created_at;
};
/* The tenant of cx. */
MUST_CHECK enum err tenant_get(struct cx *cx, struct tenant *out);
/* Null texts stay as they are. */
MUST_CHECK enum err tenant_update(struct cx *cx, struct str name, struct str address);

/* Pictures, kept as data: URLs beside the settings. */
enum tenant_image { IMAGE_LOGO, IMAGE_LOGO_DARK, IMAGE_ICON, IMAGE_ICON_DARK, IMAGE_COUNT };
const char *tenant_image_name(enum tenant_image i); /* "logo", "logoDark", "icon", "iconDark" */
/* Null str: there is none. */
MUST_CHECK enum err tenant_image_get(struct cx *cx, enum tenant_image i, struct str *data_url);
MUST_CHECK enum err tenant_images(struct cx *cx, struct str out[IMAGE_COUNT]);
/* Null: removes it. `what` describes it for the event. */
MUST_CHECK enum err tenant_image_set(struct cx *cx, enum tenant_image i, struct str data_url,
                                     struct str what);

/* "data:image/png;base64,…" of a file that begins as JPEG or PNG do; ERR_MEDIA_TYPE or ERR_TOO_LARGE
 * with words. Pictures are never decoded here. *what: "image/png, 812 bytes". */
MUST_CHECK enum err image_data_url(struct cx *cx, struct str bytes, struct str *out,
                                   struct str *what);
/* Back to bytes and type; ERR_INVALID when it is no data URL of ours. */
MUST_CHECK enum err image_bytes(struct cx *cx, struct str data_url, struct str *type,
                                struct str *bytes);

#endif
