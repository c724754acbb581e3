/** The Default Group: its members reach every client, also each new one; leaving stops future grants only. */
import { test, after } from "node:test";
import { serve, assert } from "./harness.mjs";

const s = await serve({ users: [{ email: "g1@example.org", role: "ANALYST" }] });
const admin = await s.as();
after(() => s.stop());
const about = (text) => (e) => JSON.stringify(e).includes(text);

test("members get present clients and every new one, one event a grant", async () => {
  const old = (await admin.ok("POST", "/api/v1/client/create", { name: "Old" })).client_id;
  await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk", [
    { email: "d1@example.org", role: "ANALYST", name: { first: "D", last: "One" }, default_group: true },
    { email: "d2@example.org", role: "STD_USER", name: { first: "D", last: "Two" }, default_group: true }]);
  const joined = await admin.event("AddedToDefaultGroup", about("d1@example.org"));
  assert.ok(joined);
  const users = async (c) => JSON.stringify(await admin.ok("GET", `/api/v2/tenants/0/clients/${c}/users`));
  assert.ok((await users(old)).includes("d1@example.org"), "access to what is there");
  const r = await admin.ok("POST", "/api/v1/client/create", { name: "New" });
  assert.ok(r.assign_message.users_assigned.includes("d1@example.org") && r.assign_message.users_assigned.includes("d2@example.org"));
  const made = await admin.event("ClientCreated", about('"New"'));
  const grants = (await admin.events({ event_type: "UserClientRoleAssigned", limit: "1000" })).filter((e) => e.request_id === made.request_id);
  assert.ok(grants.some(about("d1@example.org")) && grants.some(about("d2@example.org")));
  assert.equal((await users(r.client_id)).includes("g1@example.org"), false);
});
test("leaving is an event of before and after, takes nothing, and ends later grants", async () => {
  const { user_id } = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50")).data.find((u) => u.email === "d1@example.org");
  const had = (await admin.events({ event_type: "UserClientRoleRemoved", limit: "1000" })).length;
  await admin.ok("PUT", `/api/v2/tenants/0/users/${user_id}`, { default_group: false });
  const e = await admin.event("RemovedFromDefaultGroup", about("d1@example.org"));
  assert.deepEqual([e.target.email, e.changes], ["d1@example.org", [{ field: "default_group", before: "true", after: "false" }]]);
  assert.match(e.message, /removed D One \(d1@example\.org\) from the Default Group/);
  assert.equal((await admin.events({ event_type: "UserClientRoleRemoved", limit: "1000" })).length, had);
  const r = await admin.ok("POST", "/api/v1/client/create", { name: "After he left" });
  assert.equal(r.assign_message.users_assigned.includes("d1@example.org"), false);
});
