/* All tables of the interface. A new file of routes is added here and nowhere else. */
#include "api/api.h"

#define TABLES(X)                                                                                  \
    X(health)                                                                                      \
    X(auth)                                                                                        \
    X(provider)                                                                                    \
    X(saml)                                                                                        \
    X(session)                                                                                     \
    X(setup)                                                                                       \
    X(profile)                                                                                     \
    X(password)                                                                                    \
    X(mfa)                                                                                         \
    X(user)                                                                                        \
    X(user_create)                                                                                 \
    X(settings)                                                                                    \
    X(tenant)                                                                                      \
    X(role)                                                                                        \
    X(tier)                                                                                        \
    X(tag)                                                                                         \
    X(sla)                                                                                         \
    X(substatus)                                                                                   \
    X(client)                                                                                      \
    X(clientuser)                                                                                  \
    X(authorization)                                                                               \
    X(finding)                                                                                     \
    X(dashboard)                                                                                   \
    X(erasure)                                                                                     \
    X(retention)                                                                                   \
    X(access)                                                                                      \
    X(audit)                                                                                       \
    X(seal)                                                                                        \
    X(proof)                                                                                       \
    X(witness)                                                                                     \
    X(uploads)

#define DECLARE(name) extern const struct route name##_routes[];
TABLES(DECLARE)
#undef DECLARE

#define ROW(name) name##_routes,
const struct route *const api_tables[] = {TABLES(ROW) NULL};
