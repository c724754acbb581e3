/** Tags, workspace and its settings, in the interface's shapes. */
import { test, after } from "node:test";
import { serve, assert } from "./harness.mjs";

const s = await serve({ users: [{ email: "ana@example.org", role: "ANALYST" }] });
const admin = await s.as();
after(() => s.stop());
const G = "/api/v1/tenant/0/tag";

test("tags: create, list, find, search, delete, with the answers clients expect", async () => {
  assert.deepEqual(await admin.ok("POST", G, { name: "web", scope: "tenant", ownerId: 0 }), []);
  assert.equal((await admin.post(G, { name: "web", scope: "tenant", ownerId: 0 })).status, 409);
  for (const [field, value] of [["scope", "client"], ["ownerId", 7], ["ownerId", "tenant"]]) {
    const bad = await admin.post(G, { name: "other", scope: "tenant", ownerId: 0, [field]: value });
    assert.deepEqual([bad.status, bad.body.fields?.[0]?.pointer], [400, `/${field}`], bad.text);
  }
  await admin.event("TagCreated", (e) => e.message.includes("web"));
  const list = await admin.ok("GET", `${G}?limit=10000`);
  assert.deepEqual(list.tags, [{ id: "tag_tenant_0_web", name: "web" }]);
  assert.equal(list.count.totalDocs ?? list.count[0].totalDocs, 1);
  assert.equal((await admin.ok("POST", `${G}/find`, { name: "web" })).id, "tag_tenant_0_web");
  assert.deepEqual(await admin.ok("POST", `${G}/find`, { name: "nope" }), []);
  assert.equal((await admin.ok("GET", `${G}/search?text=we?limit=5?offset=0`)).tags.length, 1);
  assert.equal((await admin.ok("DELETE", `${G}/tag_tenant_0_web`, null)).deleted, true);
  assert.equal((await admin.del(`${G}/tag_tenant_0_web`)).status, 404);
  await admin.event("TagDeleted", (e) => e.message.includes("web"));
  const ana = await s.as("ana@example.org");
  assert.equal((await ana.post(G, { name: "x", scope: "tenant", ownerId: 0 })).status, 403);
});
test("the workspace, changed by its query", async () => {
  await admin.ok("PUT", "/api/v1/tenant/0?name=New%20Name&address=Street%201", undefined);
  const t = await admin.ok("GET", "/api/v1/tenant/0");
  assert.deepEqual([t.tenant_id, t.name, t.address], [0, "New Name", "Street 1"]);
  const e = await admin.event("SettingChanged", (x) => x.changes?.some((c) => c.after === "New Name"));
  assert.ok(e.changes[0].before !== e.changes[0].after);
});
test("an event calls a setting as the pages do, and is found by its word for programs, too", async () => {
  await admin.ok("PUT", "/api/v2/tenants/0/settings/authentication", { idle_minutes: 45, lockout_failures: 6 });
  const [e] = await admin.events({ q: "idle_minutes" });
  assert.match(e.message, /changed the authentication settings: Failures before lockout; Idle limit \(minutes\)$/);
  assert.deepEqual(e.changes, [{ field: "auth.lockout_failures", before: "5", after: "6" }, { field: "auth.idle_minutes", before: "60", after: "45" }]);
});
test("settings in the interface's shapes", async () => {
  await admin.ok("PUT", "/api/v2/tenants/0/settings", { visibility: "published", senderEmailAddress: "noreply@example.org" });
  const t = await admin.ok("GET", "/api/v1/tenant/0");
  assert.equal(t.settings.visibility, "published");
  assert.equal((await admin.put("/api/v2/tenants/0/settings", { visibility: "sideways" })).status, 400);
  await admin.ok("PUT", "/api/v1/tenant/0/notificationsettings?reminderDays=7", undefined);
  assert.equal((await admin.ok("GET", "/api/v1/tenant/0/notificationsettings")).reminderDays, 7);
  const ana = await s.as("ana@example.org");
  assert.equal((await ana.put("/api/v2/tenants/0/settings", { visibility: "draft" })).status, 403);
});
