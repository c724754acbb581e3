/** People: every call of the interface on users, what it answers, and the event it leaves. */
import { test, after, before } from "node:test";
import { serve, assert, ADMIN, PASSWORD } from "./harness.mjs";

let s, admin;
const T = "/api/v1/tenant/0", T2 = "/api/v2/tenants/0";
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", role: "STD_USER" }, { email: "bob@example.org", first: "Bob", last: "Baker", role: "STD_USER" }] });
  admin = await s.as();
});
after(() => s.stop());
const about = (email) => (e) => JSON.stringify(e.target ?? {}).includes(email) || e.message.includes(email);
const row = async (email) => (await admin.ok("GET", `${T}/user/list`)).find((r) => r.data.email === email);

test("v1 list: bare rows of id, doc_id and data", async () => {
  const list = await admin.ok("GET", `${T}/user/list`);
  assert.ok(Array.isArray(list));
  const r = list.find((x) => x.data.email === ADMIN.email);
  assert.equal(r.id, String(r.data.user_id));
  assert.deepEqual(r.doc_id, [r.data.user_id]);
  assert.equal(r.data.fullName, "Alice Archer");
  assert.deepEqual(r.data.name, { first: "Alice", last: "Archer" });
  assert.ok(r.data.roles.includes("ADMIN"));
  assert.equal(r.data.doc_type, "user");
  assert.equal(r.data.disabled, false);
  assert.equal(r.data.tenant_id, 0);
  assert.equal(typeof r.data.lastLogin, "number");
  assert.equal(/hash|secret/i.test(JSON.stringify(list).replace(/"c[0-9a-z]{24}"/g, "")), false);
});
test("v2 list: by id or cuid of the tenant, sorted, filtered, with the second factor's state", async () => {
  const who = await admin.ok("GET", "/api/v2/whoami");
  for (const t of ["0", who.tenantCuid]) {
    const r = await admin.ok("GET", `/api/v2/tenants/${t}/users?offset=0&limit=2&sortBy=email&order=ASCEND`);
    assert.equal(r.data.length, 2);
    assert.equal(r.data[0].email, ADMIN.email);
    assert.equal(r.data[0].mfa.enabled, false);
    assert.equal(r.data[0].fullName, "Alice Archer");
  }
  for (const order of ["DESEND", "DESCEND"])
    assert.equal((await admin.ok("GET", `${T2}/users?sortBy=email&order=${order}`)).data[0].email, "stan@example.org");
  const f = await admin.ok("GET", `${T2}/users?filter=baker`);
  assert.deepEqual(f.data.map((u) => u.email), ["bob@example.org"]);
});
test("the wrapper's ? between parameters", async () => {
  assert.equal((await admin.ok("GET", `${T2}/users?limit=1?offset=1?sortBy=email`)).data.length, 1);
});
test("bulk: one event a person, sharing the request", async () => {
  const r = await admin.ok("POST", `${T}/user/create/bulk`, [
    { email: "carol@example.org", role: "STD_USER", name: { first: "Carol", last: "Cole" }, default_group: false },
    { email: "dan@example.org", role: "ANALYST", name: { first: "Dan", last: "Dunn" }, default_group: true }]);
  assert.equal(r.status, "success");
  const ev = [await admin.event("UserCreated", about("carol@example.org")), await admin.event("UserCreated", about("dan@example.org"))];
  assert.equal(ev[0].request_id, ev[1].request_id);
  assert.ok(ev[0].request_id);
  assert.equal(ev[0].user_info, `Alice Archer (${ADMIN.email})`);
  await admin.event("AddedToDefaultGroup", about("dan@example.org"));
  assert.deepEqual((await row("dan@example.org")).data.roles, ["ANALYST"]);
});
test("bulk: one bad row refuses all, naming the row and the field", async () => {
  const r = await admin.post(`${T}/user/create/bulk`, [
    { email: "ok@example.org", role: "STD_USER", name: { first: "O", last: "K" } },
    { email: "not an address", role: "STD_USER", name: { first: "N", last: "A" } }]);
  assert.equal(r.status, 400);
  assert.match(JSON.stringify(r.body.fields), /1\/email|\/1/);
  assert.equal(await row("ok@example.org"), undefined);
  assert.equal((await admin.events({ event_type: "UserCreated" })).some(about("ok@example.org")), false);
});
test("an address is there once", async () => {
  const r = await admin.post(`${T}/user/create/bulk`, [{ email: "CAROL@example.org", role: "STD_USER", name: { first: "C", last: "C" } }]);
  assert.equal(r.status, 409);
});
test("disable: from the next request on; enable again; both spellings of the address", async () => {
  const bob = await s.as("bob@example.org");
  assert.equal((await bob.get("/api/v2/whoami")).status, 200);
  await admin.ok("POST", `${T}/user/toggledisabled`, { email: "bob@example.org", disabled: true });
  assert.equal((await bob.get("/api/v2/whoami")).status, 401);
  const e = await admin.event("UserDisabled", about("bob@example.org"));
  assert.equal(e.user_info, `Alice Archer (${ADMIN.email})`);
  await admin.ok("POST", `${T}/user/toggledisable`, { email: "bob@example.org", disabled: false });
  await admin.event("UserEnabled", about("bob@example.org"));
  assert.equal((await bob.get("/api/v2/whoami")).status, 401, "the ended session stays ended");
  await s.as("bob@example.org");
});
test("one's own name: before and after are in the event", async () => {
  const bob = await s.as("bob@example.org");
  await bob.ok("PUT", "/api/v1/user/update", { name: { first: "Robert", last: "Baker" } });
  const e = await admin.event("UserUpdated", (x) => x.changes?.some((c) => c.before === "Bob" && c.after === "Robert"));
  assert.match(e.user_info, /bob@example\.org/);
});
test("delete by a body with the address; the name survives in the log, with all that he was and had", async () => {
  const made = [];
  for (const name of ["Carol's first", "Carol's second", "Not hers"]) made.push((await admin.ok("POST", "/api/v1/client/create", { name })).client_id);
  const tiers = await admin.ok("GET", `${T2}/tiers`), tier = (tiers.data ?? tiers)[0];
  await admin.ok("POST", `/api/v2/tenant/0/client/${made[0]}/user/assign`, { users: [{ username: "carol@example.org", role: "STD_USER", classificationId: tier.id }] });
  await admin.ok("POST", `/api/v2/tenant/0/client/${made[1]}/user/assign`, { users: [{ username: "carol@example.org", role: "ANALYST" }] });
  await admin.ok("DELETE", "/api/v2/user/delete", { email: "carol@example.org" });
  assert.equal(await row("carol@example.org"), undefined);
  const e = await admin.event("UserDeleted", about("carol@example.org"));
  assert.match(e.message, /Carol Cole/);
  const was = Object.fromEntries(e.changes.map((c) => [c.field, c.before]));
  assert.ok(e.changes.every((c) => c.after === null));
  for (const [k, v] of Object.entries({ email: "carol@example.org", first: "Carol", last: "Cole", authentication_provider: "plextrac", disabled: "false", default_group: "false", mfa_enabled: "false", clients: "Carol's first, Carol's second" })) assert.equal(was[k], v, k);
  assert.ok(was.roles, "her roles");
  const lost = (await admin.events({ event_type: "UserClientRoleRemoved", limit: "1000" })).filter((x) => x.request_id === e.request_id);
  assert.deepEqual(lost.map((x) => [x.client.id, x.target.email, x.changes.find((c) => c.field === "role").before, x.changes.find((c) => c.field === "classification")?.before]).sort(),
    [[made[0], "carol@example.org", "Standard User", tier.name], [made[1], "carol@example.org", "Analyst", undefined]], "one for each client, of before");
  assert.equal((await admin.del("/api/v2/user/delete", { email: "carol@example.org" })).status, 404);
  assert.ok((await admin.events({ user: "carol@example.org" })).length >= 2, "still found by the address");
});
test("one's own permissions, nobody else's", async () => {
  const stan = await s.as("stan@example.org");
  const me = await stan.ok("GET", "/api/v2/whoami");
  const mine = await stan.ok("GET", `${T2.replace("tenants", "tenants")}/user/${me.user_id}/permissions`);
  const p = mine.permissions ?? mine.data?.permissions;
  assert.ok(Array.isArray(p) && p.length > 0);
  const other = await stan.get(`${T2}/user/${(await row(ADMIN.email)).data.user_id}/permissions`);
  assert.equal(other.status, 403);
  assert.equal(other.body.message, "Not authorized to view user permissions");
});
test("without View users the lists answer 403 with the word clients know", async () => {
  const stan = await s.as("stan@example.org");
  const r = await stan.get(`${T}/user/list`);
  assert.equal(r.status, 403);
  assert.equal(r.body.message, "Unauthorized!");
  const e = await admin.event("AccessDenied", (x) => x.user_info.includes("stan@example.org"));
  assert.equal(e.outcome, "denied");
});
test("nobody grants what he does not hold", async () => {
  const stan = await s.as("stan@example.org");
  const r = await stan.post(`${T}/user/create/bulk`, [{ email: "evil@example.org", role: "ADMIN", name: { first: "E", last: "V" } }]);
  assert.equal(r.status, 403);
});
test("the last administrator stays, also under two racing requests", async () => {
  await admin.ok("POST", `${T}/user/create/bulk`, [{ email: "second@example.org", role: "ADMIN", name: { first: "Sec", last: "Ond" } }]);
  const before = await admin.events({ event_type: "UserDisabled", limit: "1000" });
  const [a, b] = await Promise.all([
    admin.post(`${T}/user/toggledisabled`, { email: "second@example.org", disabled: true }),
    admin.del("/api/v2/user/delete", { email: ADMIN.email })]);
  const good = [a, b].filter((r) => r.status === 200);
  assert.equal(good.length, 1, `${a.status} ${a.text} / ${b.status} ${b.text}`);
  if (b.status === 200) { assert.ok(true); return; } // the first administrator is gone: nothing left to ask with
  const r = await admin.del("/api/v2/user/delete", { email: ADMIN.email });
  assert.equal(r.status, 409);
  assert.ok((await admin.events({ event_type: "UserDisabled", limit: "1000" })).length === before.length + 1);
});
void PASSWORD;
