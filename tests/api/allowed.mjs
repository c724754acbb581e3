/**
 * Who may call what: written by hand, never derived. "public": anyone. "self": whoever is signed in, for what is his
 * own or open to all. A list: these roles besides the administrator, with the ids of isolation.test.mjs (a client
 * nobody but the administrator is assigned to). An empty list: the administrator alone.
 */
const ADMIN_ONLY = [];
const USERS = "/api/v1/tenant/{t}";
const V2T = "/api/v2/tenants/{t}";
const ROLE = `${V2T}/security/role`;
const LOG = "/api/v2/auditlog";

export const ALLOWED = {
  // instance
  "GET /api/v1/": "public",
  "GET /api/v2/health/full": "public",
  "GET /api/v2/metrics": ADMIN_ONLY,
  "GET /api/v2/setup": "public",
  "POST /api/v2/setup": "public",
  // signing in
  "POST /api/v1/authenticate": "public",
  "PUT /api/v1/authenticate": "self",
  "POST /api/v1/authenticate/mfa": "public",
  "PUT /api/v1/token/refresh": "self",
  "GET /api/v2/authenticate/providers": "public",
  "POST /api/v2/session": "public",
  "POST /api/v2/session/mfa": "public",
  "GET /api/v2/session": "self",
  "DELETE /api/v2/session": "self",
  "POST /api/v1/user/forgotpass": "public",
  "POST /api/v2/user/password/link": "public",
  // oneself
  "GET /api/v2/whoami": "self",
  "GET /api/v1/user/whoami": "self",
  "PUT /api/v1/user/update": "self",
  "PUT /api/v1/user/changepass": "self",
  "GET /api/v2/user/sessions": "self",
  "DELETE /api/v2/user/sessions": "self",
  "DELETE /api/v2/user/sessions/{cuid}": "self",
  "GET /api/v2/user/tokens": "self",
  "POST /api/v2/user/tokens": "self",
  "DELETE /api/v2/user/tokens/{cuid}": "self",
  "GET /api/v2/user/mfa/qr": "self",
  "POST /api/v2/user/mfa/qr/activate": "self",
  "PUT /api/v1/user/mfa/token": "self",
  "PUT /api/v1/user/mfa/token/disable": "self",
  "POST /api/v2/user/mfa/recovery": "self",
  "GET /api/v1/user/notifications": "self",
  "PUT /api/v1/user/notifications": "self",
  "PUT /api/v2/user/preferences": "self",
  "GET /api/v2/dashboard": "self",
  [`GET ${V2T}/user/{userId}/permissions`]: ADMIN_ONLY.concat(), // one's own only: the id of the walk is another's
  // workspace and settings
  [`GET ${USERS}`]: "self",
  [`PUT ${USERS}`]: ADMIN_ONLY,
  [`PUT ${V2T}/settings`]: ADMIN_ONLY,
  [`GET ${USERS}/notificationsettings`]: "self",
  [`PUT ${USERS}/notificationsettings`]: ADMIN_ONLY,
  [`GET ${USERS}/analytics`]: "self",
  // roles
  [`GET ${ROLE}`]: ADMIN_ONLY,
  [`POST ${ROLE}`]: ADMIN_ONLY,
  [`GET ${ROLE}/available`]: "self",
  [`POST ${ROLE}/availability`]: ADMIN_ONLY,
  [`GET ${ROLE}/{roleId}`]: ADMIN_ONLY,
  [`PUT ${ROLE}/{roleId}/info`]: ADMIN_ONLY,
  [`PUT ${ROLE}/{roleId}/permissions`]: ADMIN_ONLY,
  [`DELETE ${ROLE}/{roleId}`]: ADMIN_ONLY,
  [`GET ${ROLE}/{roleKey}/users`]: ADMIN_ONLY,
  [`PUT ${ROLE}/{roleId}/users`]: ADMIN_ONLY,
  [`DELETE ${ROLE}/{roleId}/users/{userId}`]: ADMIN_ONLY,
  [`GET ${V2T}/security/permissions`]: ADMIN_ONLY,
  [`GET ${V2T}/authorization`]: ADMIN_ONLY,
  [`PUT ${V2T}/default-group`]: ADMIN_ONLY,
  // tiers
  [`GET ${V2T}/tiers`]: "self",
  [`POST ${V2T}/tiers`]: ADMIN_ONLY,
  [`PUT ${V2T}/tiers`]: ADMIN_ONLY,
  [`PUT ${V2T}/tiers/order`]: ADMIN_ONLY,
  [`PUT ${V2T}/tiers/{id}`]: ADMIN_ONLY,
  [`DELETE ${V2T}/tiers/{id}`]: ADMIN_ONLY,
  // tags
  [`GET ${USERS}/tag`]: ["std", "analyst"],
  [`GET ${USERS}/tag/search`]: ["std", "analyst"],
  [`POST ${USERS}/tag/find`]: ["std", "analyst"],
  [`POST ${USERS}/tag`]: ["std"],
  [`DELETE ${USERS}/tag/{tagId}`]: ["std"],
  // clients
  "GET /api/v1/client/list": "self",
  [`GET ${USERS}/client/list`]: "self",
  "POST /api/v2/clients": "self",
  "POST /api/v1/client/create": ["std"],
  "GET /api/v1/client/{c}": ADMIN_ONLY,
  "PUT /api/v1/client/{c}": ADMIN_ONLY,
  "DELETE /api/v1/client/{c}": ADMIN_ONLY,
  "GET /api/v1/client/{c}/logo": ADMIN_ONLY,
  "POST /api/v1/client/{c}/logo": ADMIN_ONLY,
  "DELETE /api/v1/client/{c}/logo": ADMIN_ONLY,
  "POST /api/v2/client/{c}/findings": ADMIN_ONLY,
  [`GET ${USERS}/client/{c}/users`]: ADMIN_ONLY,
  [`GET ${V2T}/clients/{c}/users`]: ADMIN_ONLY,
  [`GET ${USERS}/client/{c}/users/available`]: ADMIN_ONLY,
  [`POST ${USERS}/client/{c}/user/assign`]: ADMIN_ONLY,
  "POST /api/v2/tenant/{t}/client/{c}/user/assign": ADMIN_ONLY,
  "POST /api/v2/tenant/{t}/client/{c}/bulk/users/assign": ADMIN_ONLY,
  [`POST ${USERS}/client/{c}/user/remove`]: ADMIN_ONLY,
  // the audit log
  [`GET ${LOG}`]: ["auditor"],
  [`GET ${LOG}/catalogue`]: "self",
  [`GET ${LOG}/stream`]: ["auditor"],
  [`GET ${LOG}/export`]: ["auditor"],
  [`GET ${LOG}/{cuid}`]: ["auditor"],
};
