/**
 * Requests of one moment on the same row: one of them wins, the others are told; never 500, no change without its event and no
 * event without its change (the log is held against the tables when the server stops).
 */
import { test, before, after } from "node:test";
import { serve, assert, everything } from "./harness.mjs";

const T = "/api/v2/tenants/0", N = 8;
let s, admin;
const id = {};
before(async () => {
  s = await serve({ users: ["ada", "ben", "cleo"].map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })) });
  admin = await s.as();
  for (const u of (await admin.ok("GET", `${T}/users?limit=100`)).data) id[u.email] = u.user_id;
});
after(() => s.stop());
const times = (/** @type {(i: number) => Promise<any>} */ f) => Array.from({ length: N }, (_, i) => f(i));
/** All at once; each answer's status is one of those named. */
async function at_once(asked, statuses) {
  const r = await Promise.all(asked);
  for (const x of r) assert.ok(statuses.includes(x.status), `${x.status} ${x.text}`);
  return r.map((x) => x.status);
}
const count = async (type, match) => (await everything(admin, { event_type: type })).filter(match).length;
const won = (statuses) => statuses.filter((x) => x === 200).length;

test("what there is once is made once", async () => {
  for (const [what, make, type, match] of /** @type {[string, (i: number) => Promise<any>, string, (e: any) => boolean][]} */ ([
    ["address", () => admin.post("/api/v1/tenant/0/user/create/bulk?sendEmail=false", [{ email: "race@example.org", name: { first: "R", last: "R" } }]), "UserCreated", (e) => e.target.email === "race@example.org"],
    ["address in another case", (i) => admin.post("/api/v1/tenant/0/user/create/bulk?sendEmail=false", [{ email: i % 2 ? "RÄCE@example.org" : "räce@example.org", name: { first: "R", last: "R" } }]), "UserCreated", (e) => /^räce@/i.test(e.target.email)],
    ["role", () => admin.post(`${T}/security/role`, { title: "Racer" }), "TenantRoleCreated", (e) => e.target.name === "Racer"],
    ["tag", () => admin.post("/api/v1/tenant/0/tag", { name: "racer" }), "TagCreated", (e) => e.target.name === "racer"],
    ["tier", () => admin.post(`${T}/tiers`, { name: "Race tier" }), "ClassificationTierCreated", (e) => e.target.name === "Race tier"],
    ["sub-status", () => admin.post("/api/v3/substatus", { status: "Open", value: "racer" }), "SubstatusCreated", (e) => e.target.name === "racer"],
  ])) {
    assert.equal(won(await at_once(times(make), [200, 409])), 1, what);
    assert.equal(await count(type, match), 1, what);
  }
});
test("roles without a title get names of their own", async () => {
  await at_once(times(() => admin.post(`${T}/security/role`)), [200]);
  const made = (await admin.ok("GET", `${T}/security/role`)).data.filter((r) => /^New role/.test(r.title));
  assert.deepEqual([made.length, new Set(made.map((r) => r.title)).size, new Set(made.map((r) => r.key)).size], [N, N, N]);
});
test("one assignment, one event; a client that goes meanwhile takes it along", async () => {
  const client = (await admin.ok("POST", "/api/v1/client/create", { name: "Raced" })).client_id, assign = (who, role) => admin.post(`/api/v2/tenant/0/client/${client}/user/assign`, { users: [{ username: who, role }] });
  await at_once(times(() => assign("ada@example.org", "STD_USER")), [200]);
  assert.equal(await count("UserClientRoleAssigned", (e) => e.client.id === client && e.target.email === "ada@example.org"), 1);
  await at_once([...times((i) => assign("ben@example.org", i % 2 ? "STD_USER" : "ANALYST")), admin.del(`/api/v1/client/${client}`)], [200, 404]);
  const given = await count("UserClientRoleAssigned", (e) => e.client.id === client && e.target.email === "ben@example.org");
  assert.equal(await count("UserClientRoleRemoved", (e) => e.client.id === client && e.target.email === "ben@example.org"), given);
  assert.equal((await admin.get(`/api/v1/client/${client}`)).status, 404);
});
test("who is deleted is deleted once, and is changed by nobody after that", async () => {
  const who = id["cleo@example.org"], r = await at_once([...times(() => admin.del(`${T}/users/${who}`)), ...times((i) => admin.put(`${T}/users/${who}`, { first: `X${i}` }))], [200, 404]);
  assert.equal(won(r.slice(0, N)), 1);
  const all = (await everything(admin, { user: "cleo@example.org" })).map((e) => e.event_type);
  assert.equal(all.filter((x) => x === "UserDeleted").length, 1);
  assert.equal(all.lastIndexOf("UserUpdated") < all.indexOf("UserDeleted"), true, "nothing behind it");
  assert.equal(all.filter((x) => x === "UserUpdated").length, won(r.slice(N)));
});
test("whoever joins the Default Group while clients are made is on all of them, by one event each", async () => {
  for (let i = 0; i < 3; i++) await admin.ok("POST", "/api/v1/client/create", { name: `Before ${i}` });
  const joined = admin.put(`${T}/default-group`, { userId: id["ada@example.org"], member: true });
  await at_once([...times((i) => admin.post("/api/v1/client/create", { name: `Group ${i}` })), joined, ...times((i) => admin.post("/api/v1/client/create", { name: `Group ${i + N}` }))], [200]);
  const his = (await admin.ok("GET", `${T}/authorization?filter=ada@`)).data[0].clients.map((c) => c.client_id).sort((a, b) => a - b);
  assert.deepEqual(his, (await admin.ok("GET", "/api/v1/client/list")).map((c) => c.doc_id[0]).sort((a, b) => a - b));
  for (const c of his) assert.equal(await count("UserClientRoleAssigned", (e) => e.client.id === c && e.target.email === "ada@example.org"), 1);
});
test("a role or a tier that goes while it is given is held by nobody, and each that was given was taken", async () => {
  const role = (await admin.ok("GET", `${T}/security/role`)).data.find((r) => r.title === "Racer"), tier = (await admin.ok("GET", `${T}/tiers`)).data.find((t) => t.name === "Race tier");
  const who = ["ada@example.org", "ben@example.org"];
  await at_once([...times((i) => admin.put(`${T}/security/role/${role.id}/users`, { userId: id[who[i % 2]] })), admin.del(`${T}/security/role/${role.id}`)], [200, 404]);
  await at_once([...times((i) => admin.put(`${T}/users/${id[who[i % 2]]}`, { tenantClassificationLevel: tier.id })), admin.del(`${T}/tiers/${tier.id}`)], [200, 400]);
  for (const email of who) {
    const u = (await admin.ok("GET", `${T}/users/${id[email]}`)).data;
    assert.deepEqual([u.roles, u.tenantClassificationLevel], [["STD_USER"], null]);
    const about = (type, side) => count(type, (e) => e.target.email === email && e.changes.some((c) => c[side] === role.id || c[side] === String(tier.id)));
    assert.equal(await about("TenantRoleAssigned", "after"), await about("TenantRoleRemoved", "before"));
    assert.equal(await about("UserClassificationChanged", "after"), await about("UserClassificationChanged", "before"));
  }
});
