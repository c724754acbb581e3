/** Classification tiers: ordered, switched by the workspace, given only up to one's own. */
import { test, after } from "node:test";
import { serve, assert } from "./harness.mjs";

const s = await serve({ users: [{ email: "stan@example.org", role: "STD_USER" }] });
const admin = await s.as();
after(() => s.stop());
const T = "/api/v2/tenants/0/tiers";
const list = async () => { const r = await admin.ok("GET", T); return r.data ?? r; };

test("three to begin with, the first the lowest; off", async () => {
  const t = await list();
  assert.ok(Array.isArray(t), JSON.stringify(t));
  assert.deepEqual(t.map((x) => x.name).sort(), ["Tier 1", "Tier 2", "Tier 3"]);
});
test("on, create on top, rename, order, delete: an event each", async () => {
  await admin.ok("PUT", T, { enabled: true });
  await admin.event("SettingChanged", (e) => /tier|classification/i.test(e.message + JSON.stringify(e.changes)));
  await admin.ok("POST", T, { name: "Top Secret", description: "only few" });
  await admin.event("ClassificationTierCreated", (e) => e.message.includes("Top Secret"));
  let t = await list();
  assert.equal(t[0].name, "Top Secret", "a new one is the most restrictive");
  await admin.ok("PUT", `${T}/${t[0].id}`, { name: "Secret" });
  const e = await admin.event("ClassificationTierUpdated", (x) => x.changes?.some((c) => c.before === "Top Secret" && c.after === "Secret"));
  assert.ok(e);
  await admin.ok("PUT", `${T}/order`, { ids: t.map((x) => x.id).reverse() });
  t = await list();
  assert.equal(t.at(-1).name, "Secret");
  assert.equal(t.at(-1).level, 1, "the last row is always level 1");
  await admin.ok("DELETE", `${T}/${t.at(-1).id}`, null);
  await admin.event("ClassificationTierDeleted", (x) => x.message.includes("Secret"));
  assert.equal((await list()).length, 3);
});
test("bad orders and names", async () => {
  const t = await list();
  for (const ids of [[], [t[0].id], [...t.map((x) => x.id), t[0].id], ["nope"], "x"])
    assert.equal((await admin.put(`${T}/order`, { ids })).status, 400, JSON.stringify(ids));
  assert.equal((await admin.post(T, { name: "" })).status, 400);
  const stan = await s.as("stan@example.org");
  assert.equal((await stan.post(T, { name: "x" })).status, 403);
});
test("deleting one: an event for each user and client that had it, of before", async () => {
  const made = [], [tier] = await list();
  for (const name of ["First", "Second"]) made.push((await admin.ok("POST", "/api/v1/client/create", { name })).client_id);
  const stan = (await admin.ok("GET", "/api/v1/tenant/0/user/list")).find((u) => u.data.email === "stan@example.org").data.user_id;
  await admin.ok("PUT", `/api/v2/tenants/0/users/${stan}`, { tenantClassificationLevel: tier.name });
  const given = await admin.event("UserClassificationChanged", (x) => x.target.email === "stan@example.org");
  assert.deepEqual(given.changes, [{ field: "classification", before: null, after: tier.name }, { field: "tenantClassificationLevel", before: null, after: String(tier.id) }]);
  await admin.ok("PUT", `/api/v2/tenants/0/users/${stan}`, { tenantClassificationLevel: null });
  const taken = await admin.event("UserClassificationChanged", (x) => x.target.email === "stan@example.org" && x.index > given.index);
  assert.deepEqual(taken.changes, given.changes.map((c) => ({ field: c.field, before: c.after, after: null })));
  await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk?sendEmail=false", [{ email: "tiered@example.org", name: { first: "T", last: "R" }, tenantClassificationLevel: tier.id }]);
  const made2 = await admin.event("UserCreated", (x) => x.target.email === "tiered@example.org");
  assert.deepEqual(made2.changes.filter((c) => /lassification/.test(c.field)), given.changes);
  await admin.ok("DELETE", "/api/v2/user/delete", { email: "tiered@example.org" });
  await admin.ok("PUT", `/api/v2/tenants/0/users/${stan}`, { tenantClassificationLevel: tier.name });
  for (const c of made) await admin.ok("POST", `/api/v2/tenant/0/client/${c}/user/assign`, { users: [{ username: "stan@example.org", role: "STD_USER", classificationId: tier.id }] });
  await admin.ok("DELETE", `${T}/${tier.id}`, null);
  const e = await admin.event("ClassificationTierDeleted", (x) => x.target.name === tier.name);
  assert.deepEqual(Object.fromEntries(e.changes.map((c) => [c.field, c.before])).level, String(tier.level));
  const lost = (await admin.events({ event_type: "UserClassificationChanged", limit: "1000" })).filter((x) => x.request_id === e.request_id);
  assert.deepEqual(lost.map((x) => [x.client?.id ?? 0, x.target.email]).sort((a, b) => a[0] - b[0]), [0, ...made].map((c) => [c, "stan@example.org"]));
  for (const x of lost) {
    assert.deepEqual(x.changes.find((c) => c.field === "classification"), { field: "classification", before: tier.name, after: null });
    if (x.client) assert.match(x.message, new RegExp(`on client ${x.client.name} from Stan`, "i"));
  }
});
