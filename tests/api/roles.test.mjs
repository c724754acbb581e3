/** Roles over the catalogue of permissions, assigned tenant-wide. */
import { test, after, before } from "node:test";
import { serve, assert, ADMIN } from "./harness.mjs";

let s, admin, uid;
const R = "/api/v2/tenants/0/security/role";
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", role: "STD_USER" }, { email: "aud@example.org", role: "AUDITOR" }] });
  admin = await s.as();
  uid = Object.fromEntries((await admin.ok("GET", "/api/v1/tenant/0/user/list")).map((r) => [r.data.email, r.data.user_id]));
});
after(() => s.stop());
const role = (r) => r.data ?? r;
const roles = async () => role(await admin.ok("GET", R));

test("the built-in roles are there and static", async () => {
  const all = await roles();
  const keys = all.map((r) => r.key);
  for (const k of ["ADMIN", "STD_USER", "ANALYST", "AUDITOR"]) assert.ok(keys.includes(k), k);
  for (const r of all) {
    for (const m of ["id", "key", "title", "description"]) assert.equal(typeof r[m], "string", m);
    assert.ok(Array.isArray(r.permissions) && Array.isArray(r.permissionConfiguration));
    assert.equal(r.editable, false);
    assert.equal(typeof r.userCount, "number");
  }
  const std = all.find((r) => r.key === "STD_USER");
  assert.ok([400, 403, 409].includes((await admin.put(`${R}/${std.id}/info`, { title: "x", description: "", enabled: true })).status));
  assert.ok([400, 403, 409].includes((await admin.put(`${R}/${std.id}/permissions`, { permissions: [] })).status));
  assert.ok([400, 403, 409].includes((await admin.del(`${R}/${std.id}`)).status));
});
test("available roles, and availability of a key", async () => {
  const a = role(await admin.ok("GET", `${R}/available`));
  assert.ok(Array.isArray(a) && a.length >= 4);
  assert.equal(role(await admin.ok("POST", `${R}/availability`, { key: "TENANT_0_ROLE_FRESH" })).available, true);
  assert.equal(role(await admin.ok("POST", `${R}/availability`, { key: "ADMIN" })).available, false);
});
test("a custom role from its creation to its deletion, each step an event", async () => {
  let r = role(await admin.ok("POST", R));
  await admin.event("TenantRoleCreated", (e) => JSON.stringify(e).includes(r.id));
  r = role(await admin.ok("PUT", `${R}/${r.id}/info`, { title: "Log Watcher", description: "watches", enabled: true }));
  assert.match(r.key, /^TENANT_0_ROLE_/);
  r = role(await admin.ok("PUT", `${R}/${r.id}/permissions`, { permissions: ["SECURITY.VIEW_USERS", "AUDIT_LOG.VIEW"] }));
  assert.deepEqual([...r.permissions].sort(), ["AUDIT_LOG.VIEW", "SECURITY.VIEW_USERS"]);
  const up = await admin.event("TenantRoleUpdated", (e) => JSON.stringify(e.changes ?? []).includes("AUDIT_LOG.VIEW"));
  assert.ok(up);

  const stan = await s.as("stan@example.org");
  assert.equal((await stan.get("/api/v2/auditlog")).status, 403);
  await admin.ok("PUT", `${R}/${r.id}/users`, { userId: uid["stan@example.org"] });
  await admin.event("TenantRoleAssigned", (e) => JSON.stringify(e).includes("stan@example.org"));
  assert.equal((await stan.get("/api/v2/auditlog")).status, 200, "the union of the roles, from the next request on");
  assert.equal((await stan.get("/api/v2/auditlog/export")).status, 403, "viewing is not exporting");

  const members = role(await admin.ok("GET", `${R}/${r.key}/users`));
  assert.deepEqual(members.map((u) => u.email), ["stan@example.org"]);
  await admin.ok("DELETE", `${R}/${r.id}/users/${uid["stan@example.org"]}`);
  await admin.event("TenantRoleRemoved", (e) => JSON.stringify(e).includes("stan@example.org"));
  const after = await stan.get("/api/v2/auditlog");
  assert.ok([401, 403].includes(after.status));

  await admin.ok("PUT", `${R}/${r.id}/users`, { userId: uid["stan@example.org"] });
  await admin.ok("DELETE", `${R}/${r.id}`);
  const gone = await admin.event("TenantRoleDeleted", (e) => e.message.includes("Log Watcher"));
  const removed = (await admin.events({ event_type: "TenantRoleRemoved" })).find((e) => e.request_id === gone.request_id);
  assert.ok(removed, "one event for the person who lost it, with the same request id");
  assert.ok(!(await roles()).some((x) => x.id === r.id));
});
test("an unknown permission is refused by name", async () => {
  const r = role(await admin.ok("POST", R));
  const bad = await admin.put(`${R}/${r.id}/permissions`, { permissions: ["NO.SUCH"] });
  assert.equal(bad.status, 400);
  assert.match(bad.text, /NO\.SUCH/);
});
test("the auditor sees, exports, and nothing else", async () => {
  const aud = await s.as("aud@example.org");
  assert.equal((await aud.get("/api/v2/auditlog")).status, 200);
  assert.equal((await aud.get("/api/v2/auditlog/export?format=csv")).status, 200);
  for (const [m, p, b] of [["GET", "/api/v1/tenant/0/user/list"], ["POST", "/api/v1/client/create", { name: "x" }], ["GET", R], ["POST", R], ["PUT", "/api/v1/tenant/0?name=x"]])
    assert.equal((await aud.request(m, p, b)).status, 403, `${m} ${p}`);
});
test("who manages roles can not make one that holds more than he does", async () => {
  const r = role(await admin.ok("POST", R));
  await admin.ok("PUT", `${R}/${r.id}/permissions`, { permissions: ["SECURITY.MANAGE_ROLES", "SECURITY.VIEW_ROLES"] });
  await admin.ok("PUT", `${R}/${r.id}/users`, { userId: uid["stan@example.org"] });
  const stan = await s.as("stan@example.org");
  const mine = role(await stan.ok("POST", R));
  assert.equal((await stan.put(`${R}/${mine.id}/permissions`, { permissions: ["AUDIT_LOG.ERASE"] })).status, 403);
  const adminRole = (await roles()).find((x) => x.key === "ADMIN");
  assert.equal((await stan.put(`${R}/${adminRole.id}/users`, { userId: uid["stan@example.org"] })).status, 403);
});
test("the administrator's role can not be taken from the last one", async () => {
  const adminRole = (await roles()).find((x) => x.key === "ADMIN");
  assert.equal((await admin.del(`${R}/${adminRole.id}/users/${uid[ADMIN.email]}`)).status, 409);
});
