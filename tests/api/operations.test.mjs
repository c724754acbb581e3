/** The interface's inventory, operation by operation, written by hand from its tables 2.1 to 2.9: each has a route. */
import { test } from "node:test";
import { assert } from "./harness.mjs";
import { routes } from "./routes.mjs";

const INVENTORY = `
2.1 Instance
GET /api/v1/
GET /api/v2/health/full
2.2 Authentication, second factor, token
POST /api/v1/authenticate
PUT /api/v1/authenticate
POST /api/v1/authenticate/mfa
PUT /api/v1/token/refresh
GET /api/v2/user/mfa/qr
POST /api/v2/user/mfa/qr/activate
PUT /api/v1/user/mfa/token
PUT /api/v1/user/mfa/token/disable
PUT /api/v1/tenant/{t}/user/mfa/disable
GET /api/v2/authenticate/providers
GET /api/v2/tenants/{t}/providers/{provider}
POST /api/v2/tenants/{t}/providers/{provider}
PUT /api/v2/authenticate/tenants/{t}/users/{userId}/configuration
GET /api/v2/tenants/{t}/saml/{provider}
POST /api/v2/tenants/{t}/saml/{provider}
2.3 Tenant
GET /api/v1/tenant/{t}
PUT /api/v1/tenant/{t}
PUT /api/v2/tenants/{t}/settings
GET /api/v1/tenant/{t}/notificationsettings
PUT /api/v1/tenant/{t}/notificationsettings
GET /api/v1/tenant/{t}/analytics
POST /api/v1/tenant/{t}/logo
POST /api/v1/tenant/{t}/logo/dark
DELETE /api/v1/tenant/{t}/logo
DELETE /api/v1/tenant/{t}/logo/dark
DELETE /api/v1/tenant/{t}/icon
DELETE /api/v1/tenant/{t}/icon/dark
2.4 Users
GET /api/v2/whoami
GET /api/v1/user/whoami
GET /api/v1/tenant/{t}/user/list
GET /api/v2/tenants/{t}/users
POST /api/v1/tenant/{t}/user/create
POST /api/v1/tenant/{t}/user/create/bulk
PUT /api/v1/user/update
DELETE /api/v2/user/delete
PUT /api/v1/user/changepass
POST /api/v1/user/forgotpass
PUT /api/v1/tenant/{t}/user/resetpass
POST /api/v1/tenant/{t}/user/toggledisabled
POST /api/v1/tenant/{t}/user/toggledisable
GET /api/v1/user/notifications
PUT /api/v1/user/notifications
POST /api/v2/user/findings
2.5 Roles, permissions
GET /api/v2/tenants/{t}/security/role
GET /api/v2/tenants/{t}/security/role/available
GET /api/v2/tenants/{t}/security/role/{roleId}
POST /api/v2/tenants/{t}/security/role
POST /api/v2/tenants/{t}/security/role/availability
PUT /api/v2/tenants/{t}/security/role/{roleId}/info
PUT /api/v2/tenants/{t}/security/role/{roleId}/permissions
DELETE /api/v2/tenants/{t}/security/role/{roleId}
GET /api/v2/tenants/{t}/security/role/{roleKey}/users
PUT /api/v2/tenants/{t}/security/role/{roleId}/users
DELETE /api/v2/tenants/{t}/security/role/{roleId}/users/{userId}
GET /api/v2/tenants/{t}/user/{userId}/permissions
2.6 Tags of the tenant
GET /api/v1/tenant/{t}/tag
POST /api/v1/tenant/{t}/tag
DELETE /api/v1/tenant/{t}/tag/{tagId}
GET /api/v1/tenant/{t}/tag/search
POST /api/v1/tenant/{t}/tag/find
2.7 Service-level agreements, audit log, sub-statuses
GET /api/v2/sla/benchmarks
POST /api/v2/sla/benchmarks
GET /api/v2/sla/benchmarks/{slaBenchmarkId}
PUT /api/v2/sla/benchmarks/{slaBenchmarkId}
DELETE /api/v2/sla/benchmarks/{slaBenchmarkId}
GET /api/v2/auditlog
GET /api/v3/substatus
POST /api/v3/substatus
PATCH /api/v3/substatus/{substatusCuid}
DELETE /api/v3/substatus/{substatusCuid}
2.8 Clients
GET /api/v1/client/list
GET /api/v1/tenant/{t}/client/list
POST /api/v2/clients
GET /api/v1/client/{c}
POST /api/v1/client/create
PUT /api/v1/client/{c}
DELETE /api/v1/client/{c}
POST /api/v1/client/{c}/logo
DELETE /api/v1/client/{c}/logo
POST /api/v2/client/{c}/findings
2.9 Users of a client
GET /api/v1/tenant/{t}/client/{c}/users
GET /api/v2/tenants/{t}/clients/{c}/users
GET /api/v1/tenant/{t}/client/{c}/users/available
POST /api/v1/tenant/{t}/client/{c}/user/assign
POST /api/v2/tenant/{t}/client/{c}/user/assign
POST /api/v2/tenant/{t}/client/{c}/bulk/users/assign
POST /api/v1/tenant/{t}/client/{c}/user/remove
`.split("\n").filter((l) => /^[A-Z]+ \//.test(l));

/** A parameter's name is the server's own affair; that there is one at this place is not. */
const shape = (l) => l.replace(/\{\w+\}/g, "{}");

test("every operation of 2.1 to 2.9 has a route", () => {
  const known = new Set(routes().map((r) => shape(`${r.method} ${r.path}`)));
  assert.equal(INVENTORY.length, 89);
  assert.deepEqual(INVENTORY.filter((l) => !known.has(shape(l))), []);
});
