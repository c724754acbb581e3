/** Clients and the people who may see them: shapes, rights, events. */
import { test, after, before } from "node:test";
import { serve, assert, until } from "./harness.mjs";

let s, admin, id;
before(async () => {
  s = await serve({ users: [{ email: "stan@example.org", role: "STD_USER" }, { email: "ana@example.org", role: "ANALYST" }, { email: "uma@example.org", role: "ANALYST" }] });
  admin = await s.as();
});
after(() => s.stop());
const about = (text) => (e) => JSON.stringify(e).includes(text);

test("create as the smallest client does: only a name", async () => {
  const r = await admin.ok("POST", "/api/v1/client/create", { name: "Acme" });
  assert.equal(r.status, "success");
  assert.equal(typeof r.client_id, "number");
  assert.equal(r.assign_message.status, "complete");
  assert.ok(Array.isArray(r.assign_message.users_assigned) && Array.isArray(r.assign_message.users_rejected));
  id = r.client_id;
  const e = await admin.event("ClientCreated", about("Acme"));
  assert.equal(e.client.id, id);
  assert.equal(e.client.name, "Acme");
  await admin.event("UserClientRoleAssigned", (x) => x.request_id === e.request_id);
});
test("v1 list: rows whose data has exactly three members", async () => {
  const list = await admin.ok("GET", "/api/v1/client/list");
  const r = list.find((x) => x.data[1] === "Acme");
  assert.deepEqual(r, { id: `client_${id}`, doc_id: [id], data: [id, "Acme", null] });
  assert.ok(Array.isArray(await admin.ok("GET", "/api/v1/tenant/0/client/list")));
});
test("v2 list: envelope, right totals, filters, sort, large limits", async () => {
  for (let i = 0; i < 12; i++) await admin.ok("POST", "/api/v1/client/create", { name: `Bulk ${String(i).padStart(2, "0")}`, tags: i % 2 ? ["odd"] : [] });
  let got = [];
  let r;
  do {
    r = await admin.ok("POST", "/api/v2/clients", { pagination: { offset: got.length, limit: 5 }, sort: [{ by: "name", order: "ASC" }] });
    got.push(...r.data.map((c) => c.name));
    assert.deepEqual(r.meta.pagination, { offset: got.length - r.data.length, limit: 5, total: 13 });
  } while (got.length < r.meta.pagination.total);
  assert.deepEqual(got, [...got].sort());
  assert.equal((await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 1000 } })).data.length, 13);
  const odd = await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 }, filters: [{ by: "tags", value: ["odd"] }] });
  assert.equal(odd.data.length, 6);
  assert.equal(odd.meta.pagination.total, 6);
  const named = await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 }, filters: [{ by: "name", value: "acM" }] });
  assert.deepEqual(named.data.map((c) => c.name), ["Acme"]);
  assert.equal((await admin.post("/api/v2/clients", {})).status, 400, "pagination is required");
});
test("v2 list: sorted by several keys, each where those before it are equal; what is no key is named", async () => {
  const made = [];
  for (const name of ["Twin", "other", "TWIN", "twin", "Other"]) made.push([(await admin.ok("POST", "/api/v1/client/create", { name })).client_id, name]);
  await admin.ok("PUT", `/api/v1/client/${made[2][0]}`, { description: "touched last" });
  const ask = async (...sort) => (await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 }, sort: sort.map(([by, order]) => ({ by, order })) })).data.map((c) => made.findIndex(([id]) => id === c.client_id)).filter((i) => i >= 0);
  assert.deepEqual(await ask(["name", "ASC"], ["createdAt", "DESC"]), [4, 1, 3, 2, 0]);
  assert.deepEqual(await ask(["name", "DESC"], ["createdAt", "ASC"]), [0, 2, 3, 1, 4]);
  assert.deepEqual(await ask(["name", "ASC"], ["updatedAt", "DESC"]), [4, 1, 2, 3, 0]);
  assert.deepEqual(await ask(["asset", "ASC"], ["name", "ASC"], ["name", "DESC"], ["updatedAt", "DESC"], ["createdAt", "ASC"]), [4, 1, 2, 3, 0], "no client has an asset, and a key sorts once");
  assert.deepEqual(await ask(["createdAt", "ASC"], ["name", "ASC"]), [0, 1, 2, 3, 4]);
  const refused = async (sort, pointer) => { const r = await admin.post("/api/v2/clients", { pagination: { offset: 0, limit: 5 }, sort }); assert.deepEqual([r.status, r.body.fields.map((f) => f.pointer)], [400, [pointer]], r.text); };
  await refused([{ by: "name" }, { by: "nothing" }], "/sort/1/by");
  await refused([{ by: "name" }, { by: "createdAt", order: "sideways" }], "/sort/1/order");
  await refused([{ by: "name" }, "createdAt"], "/sort/1/by");
  await refused(Array(9).fill({ by: "name" }), "/sort");
  for (const [cid] of made) await admin.ok("DELETE", `/api/v1/client/${cid}`);
});
test("a change merges; members nobody knows survive the round trip", async () => {
  await admin.ok("PUT", `/api/v1/client/${id}`, { description: "first", unknown_member: { deep: [1, 2] } });
  const r = await admin.ok("PUT", `/api/v1/client/${id}`, { tags: ["alpha", "beta"] });
  assert.equal(r.message, "Client updated successfully.");
  const c = await admin.ok("GET", `/api/v1/client/${id}`);
  assert.equal(c.description, "first");
  assert.deepEqual(c.tags, ["alpha", "beta"]);
  assert.deepEqual(c.unknown_member, { deep: [1, 2] });
  assert.equal(c.client_id, id);
  assert.equal((await admin.put(`/api/v1/client/${id}`, c)).status, 200, "the whole object back, as it came");
  const again = await admin.ok("GET", `/api/v1/client/${id}`);
  assert.deepEqual(again.tags, c.tags);
  const e = await admin.event("ClientUpdated", (x) => x.changes?.some((k) => k.field === "tags"));
  assert.ok(e.changes.find((k) => k.field === "tags").after.includes("beta"));
});
test("what a client is created with is in its event whole, members nobody knows too", async () => {
  await admin.ok("POST", "/api/v1/client/create", { name: "Whole", poc: "Pat", house_rules: { colour: "blue" }, region: "north" });
  const e = await admin.event("ClientCreated", (x) => x.target.name === "Whole");
  assert.deepEqual(Object.fromEntries(e.changes.map((c) => [c.field, c.after])), { name: "Whole", poc: "Pat", house_rules: '{"colour":"blue"}', region: "north" });
});
test("custom fields", async () => {
  await admin.ok("PUT", `/api/v1/client/${id}`, { custom_field: [{ label: "Sector", value: "Energy" }] });
  assert.deepEqual((await admin.ok("GET", `/api/v1/client/${id}`)).custom_field.map(({ label, value }) => ({ label, value })), [{ label: "Sector", value: "Energy" }]);
});
test("who is not assigned does not see it: 404, not 403", async () => {
  const ana = await s.as("ana@example.org");
  assert.equal((await ana.get(`/api/v1/client/${id}`)).status, 404);
  assert.deepEqual(await ana.ok("GET", "/api/v1/client/list"), []);
  assert.equal((await ana.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 } })).meta.pagination.total, 0);
});
/** An answer without what differs between any two: its request and its moment. */
const plain = (r) => ({ status: r.status, text: r.text.replace(r.body.requestId, "…"), headers: Object.fromEntries(Object.entries(r.headers).filter(([k]) => !/^(date|x-request-id)$/.test(k))) });
test("to him it is as if there were none, and the log says who asked for what", async () => {
  const ana = await s.as("ana@example.org"), none = "/api/v1/client/999999", there = `/api/v1/client/${id}`;
  const asked = [];
  for (const [method, body] of /** @type {[string, any?][]} */ ([["GET"], ["PUT", { name: "x" }], ["PUT", "no json"], ["DELETE"]])) {
    const missing = await ana.request(method, none, body), hidden = await ana.request(method, there, body);
    assert.equal(hidden.status, 404);
    assert.deepEqual(plain(hidden), plain(missing), method);
    asked.push({ method, hidden: hidden.body.requestId, missing: missing.body.requestId });
  }
  for (const a of asked) {
    const e = await admin.event("AccessDenied", (x) => x.request_id === a.hidden);
    assert.deepEqual([e.outcome, e.actor.email, e.target.id, e.client], ["denied", "ana@example.org", `${a.method} /api/v1/client/{c}`, { id, name: "Acme" }]);
    assert.match(e.message, new RegExp(`was denied ${a.method} ${there}: not assigned to client Acme$`));
  }
  const all = await admin.events({ event_type: "AccessDenied", limit: "1000" });
  assert.deepEqual(all.filter((e) => asked.some((a) => a.missing === e.request_id)), [], "what does not exist is denied to nobody");
  assert.ok((await admin.events({ event_type: "AccessDenied", client: String(id) })).length >= asked.length, "the filter by client finds them");
  assert.doesNotMatch(JSON.stringify(await ana.ok("GET", "/api/v2/dashboard")), /AccessDenied|Acme/, "nor does his own page tell");
});
test("a flood of such requests is a bounded number of events, and their counts are its size", async () => {
  const uma = await s.as("uma@example.org"), n = 300;
  await Promise.all(Array.from({ length: 10 }, async () => { for (let i = 0; i < n / 10; i++) assert.equal((await uma.get(`/api/v1/client/${id}/logo`)).status, 404); }));
  const events = await until(async () => {
    const all = (await admin.events({ event_type: "AccessDenied", limit: "1000" })).filter((e) => e.actor.email === "uma@example.org");
    return all.reduce((sum, e) => sum + (e.count ?? 1), 0) === n && all;
  }, "the counted events", 40_000);
  assert.ok(events.length <= 40, `${events.length} events`);
  for (const e of events) assert.deepEqual(e.client, { id, name: "Acme" });
});
test("assign, change, remove: answers name the people, each is an event", async () => {
  const r = await admin.ok("POST", `/api/v2/tenant/0/client/${id}/user/assign`, { users: [{ username: "ana@example.org", role: "ANALYST" }, { username: "ghost@example.org", role: "ANALYST" }] });
  assert.deepEqual(r.users_assigned, ["ana@example.org"]);
  assert.equal(r.users_rejected.includes("ghost@example.org"), false, "unknown addresses are in neither list");
  const e = await admin.event("UserClientRoleAssigned", about("ana@example.org"));
  assert.equal(e.client.id, id);
  const ana = await s.as("ana@example.org");
  assert.equal((await ana.ok("GET", `/api/v1/client/${id}`)).name, "Acme");
  assert.equal((await ana.put(`/api/v1/client/${id}`, { description: "by ana" })).status, 403);
  await admin.ok("POST", `/api/v2/tenant/0/client/${id}/user/assign`, { users: [{ username: "ana@example.org", role: "STD_USER" }] });
  assert.equal((await ana.put(`/api/v1/client/${id}`, { description: "by ana" })).status, 200, "the client's role gives more there");
  const changed = await admin.event("UserClientRoleUpdated", about("ana@example.org"));
  assert.deepEqual([changed.target.email, changed.client], ["ana@example.org", { id, name: "Acme" }]);
  const [role] = changed.changes.filter((c) => c.field === "role");
  assert.deepEqual([role.before, role.after], ["Analyst", "Standard User"]);
  assert.ok(changed.changes.every((c) => c.before !== null && c.after !== null && c.before !== c.after), JSON.stringify(changed.changes));
  const users = await admin.ok("GET", `/api/v2/tenants/0/clients/${id}/users`);
  assert.ok((users.data ?? users).some((u) => (u.email ?? u.username) === "ana@example.org" && u.role === "STD_USER"));
  assert.ok(Array.isArray(await admin.ok("GET", `/api/v1/tenant/0/client/${id}/users`)));
  const free = await admin.ok("GET", `/api/v1/tenant/0/client/${id}/users/available`);
  assert.equal(JSON.stringify(free).includes("ana@example.org"), false);
  assert.equal(JSON.stringify(free).includes("uma@example.org"), true);
  const form = new URLSearchParams({ users: JSON.stringify([{ username: "ana@example.org" }]) }).toString();
  const gone = await admin.request("POST", `/api/v1/tenant/0/client/${id}/user/remove`, form, { "content-type": "application/x-www-form-urlencoded" });
  assert.equal(gone.status, 200, gone.text);
  await admin.event("UserClientRoleRemoved", about("ana@example.org"));
  assert.equal((await ana.get(`/api/v1/client/${id}`)).status, 404);
});
test("a change of the classification: the one before and the one after", async () => {
  const tiers = await admin.ok("GET", "/api/v2/tenants/0/tiers"), [high, low] = (tiers.data ?? tiers).slice(0, 2);
  const put = (tier) => admin.ok("POST", `/api/v2/tenant/0/client/${id}/user/assign`, { users: [{ username: "stan@example.org", role: "STD_USER", classificationId: tier }] });
  const change = async (before, after) => {
    const e = await admin.event("UserClientRoleUpdated", (x) => about("stan@example.org")(x) && x.changes.some((c) => c.field === "classification" && c.after === after && c.before === before));
    assert.deepEqual(e.client, { id, name: "Acme" });
    assert.deepEqual(e.changes.filter((c) => c.field === "role"), [], "what did not change is not said");
  };
  await put(low.id);
  const e = await admin.event("UserClientRoleAssigned", about("stan@example.org"));
  assert.deepEqual(e.changes.filter((c) => c.field === "classification").map((c) => [c.before, c.after]), [[null, low.name]]);
  await put(high.id);
  await change(low.name, high.name);
  await put("");
  await change(high.name, null);
  const n = (await admin.events({ event_type: "UserClientRoleUpdated", limit: "1000" })).length;
  await put("");
  assert.equal((await admin.events({ event_type: "UserClientRoleUpdated", limit: "1000" })).length, n, "nothing changed, nothing is recorded");
});
test("remove as a multipart form", async () => {
  await admin.ok("POST", `/api/v2/tenant/0/client/${id}/user/assign`, { users: [{ username: "uma@example.org", role: "ANALYST" }] });
  const b = "----x9";
  const body = `--${b}\r\nContent-Disposition: form-data; name="users"\r\n\r\n${JSON.stringify([{ username: "uma@example.org" }])}\r\n--${b}--\r\n`;
  const r = await admin.request("POST", `/api/v1/tenant/0/client/${id}/user/remove`, body, { "content-type": `multipart/form-data; boundary=${b}` });
  assert.equal(r.status, 200, r.text);
  await admin.event("UserClientRoleRemoved", about("uma@example.org"));
});
test("bulk assign creates or assigns, in the older shape", async () => {
  const people = (await admin.ok("GET", "/api/v1/tenant/0/user/list")).length;
  const r = await admin.post(`/api/v2/tenant/0/client/${id}/bulk/users/assign`, [{ email: "ghost@example.org", role: "ANALYST" }, { email: "uma@example.org", role: "ANALYST", name: { first: "U", last: "M" }, default_group: false }]);
  assert.equal(r.status, 200, r.text);
  assert.deepEqual([r.body.users_assigned, r.body.users_rejected], [["uma@example.org"], []], "unknown addresses are in neither list, here too");
  assert.equal((await admin.ok("GET", "/api/v1/tenant/0/user/list")).length, people, "nor is anybody made of them");
  assert.deepEqual((await admin.events({ q: "ghost@example.org" })).filter((e) => e.event_type !== "AuditLogViewed"), []);
});
test("a logo: PNG accepted, anything else refused", async () => {
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  const form = (bytes) => {
    const b = "----logo";
    return [Buffer.concat([Buffer.from(`--${b}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream\r\n\r\n`), bytes, Buffer.from(`\r\n--${b}--\r\n`)]),
      { "content-type": `multipart/form-data; boundary=${b}` }];
  };
  const r = await admin.request("POST", `/api/v1/client/${id}/logo`, ...form(png));
  assert.equal(r.status, 200, r.text);
  assert.equal(r.body.message, "Client Logo Updated");
  const c = await admin.ok("GET", `/api/v1/client/${id}`);
  assert.ok(c.logo, "the client says that it has one");
  const at = `/api/v1/uploads/${c.cuid}.png`;
  const img = await s.client({ cookie: `token=${admin.answer.cookie}` }).get(at);
  assert.equal(img.status, 200);
  assert.match(img.headers["content-type"], /^image\/png/);
  const bad = await admin.request("POST", `/api/v1/client/${id}/logo`, ...form(Buffer.from("<svg onload=alert(1)>")));
  assert.ok([400, 415].includes(bad.status), String(bad.status));
  assert.equal((await admin.del(`/api/v1/client/${id}/logo`)).status, 200);
});
test("delete: one event for the client, with all that it held, and one for each who had access", async () => {
  await admin.ok("PUT", `/api/v1/client/${id}`, { description: "a long one: " + "x".repeat(5000), poc: "Sofia Berg", poc_email: "sofia@acme.example" });
  const r = await admin.ok("DELETE", `/api/v1/client/${id}`, null);
  assert.equal(r.message, "client deleted successfully");
  assert.equal((await admin.get(`/api/v1/client/${id}`)).status, 404);
  const e = await admin.event("ClientDeleted", about("Acme"));
  assert.equal(e.client.name, "Acme");
  const was = Object.fromEntries(e.changes.map((c) => [c.field, c.before]));
  assert.ok(e.changes.every((c) => c.after === null));
  assert.deepEqual({ ...was, description: was.description.length }, { name: "Acme", description: 5012, poc: "Sofia Berg", poc_email: "sofia@acme.example", tags: '["alpha","beta"]',
    custom_field: '[{"label":"Sector","value":"Energy"}]', "other members": '{"unknown_member":{"deep":[1,2]}}' });
  const lost = (await admin.events({ event_type: "UserClientRoleRemoved", limit: "1000" })).filter((x) => x.request_id === e.request_id);
  assert.ok(lost.some(about("uma@example.org")));
});
