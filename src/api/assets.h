/* The embedded web application: a table made at build time from web/dist. */
#ifndef RECOUNT_API_ASSETS_H
#define RECOUNT_API_ASSETS_H

#include <stddef.h>

struct asset {
    const char *path; /* "/assets/index-….js"; NULL ends the table */
    const char *type;
    const char *gzip; /* the file, gzipped */
    size_t n;         /* bytes of it */
    const char *etag; /* quoted */
};
extern const struct asset assets[];

#endif
