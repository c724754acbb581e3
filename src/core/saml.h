/* What a workspace knows of its SAML providers. The settings are kept; signing in by SAML is not in
 * this version, so no provider can be switched on (doc/decisions/0011). Inside cx->tx, results in
 * cx->arena, changes record their events. */
#ifndef RECOUNT_CORE_SAML_H
#define RECOUNT_CORE_SAML_H

#include <stdbool.h>

#include "run/cx.h"

#define SAML_KEY_MAX  64    /* bytes: letters, digits, '.', '_', '-' */
#define SAML_NAME_MAX 255   /* bytes */
#define SAML_URL_MAX  2000  /* bytes, of issuer and address */
#define SAML_CERT_MAX 20000 /* bytes as text */
#define SAML_MAX      100   /* providers of a workspace */

struct saml_provider {
    struct str key; /* as addresses name it */
    struct str name, issuer, cert, sso_url;
};

/* ERR_NOT_FOUND with words. */
MUST_CHECK enum err saml_get(struct cx *cx, struct str key, struct saml_provider *out);
/* Makes or replaces it. ERR_CONFLICT: there are SAML_MAX already. */
MUST_CHECK enum err saml_put(struct cx *cx, const struct saml_provider *p);
bool saml_key_is_valid(struct str key);
/* One X.509 certificate as PEM, or as the base64 text within; looks at the form, not at what it says. */
bool saml_cert_is_valid(struct cx *cx, struct str text);

#endif
