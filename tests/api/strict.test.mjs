/** What a body or an address says wrongly is said to be wrong, with the field: it is not taken for something else, or for nothing. */
import { test, before, after } from "node:test";
import { serve, assert, ADMIN, everything } from "./harness.mjs";

let s, admin, client, role, tier;
const T = "/api/v2/tenants/0", R = `${T}/security/role`;
const id = {};
before(async () => {
  s = await serve({ proxy: true, users: [{ email: "stan@example.org", role: "STD_USER" }, { email: "ana@example.org", role: "ANALYST" }] });
  admin = await s.as();
  for (const u of (await admin.ok("GET", `${T}/users?limit=100`)).data) id[u.email] = u.user_id;
  client = (await admin.ok("POST", "/api/v1/client/create", { name: "Strict" })).client_id;
  role = (await admin.ok("POST", R, { title: "Watcher", permissions: ["AUDIT_LOG.VIEW"] })).id;
  await admin.ok("PUT", `${T}/settings/tiers`, { enabled: true });
  tier = (await admin.ok("GET", `${T}/tiers`)).data[0].id;
  await admin.ok("PUT", `${T}/users/${id["stan@example.org"]}`, { tenantClassificationLevel: tier });
  await admin.ok("POST", `/api/v2/tenant/0/client/${client}/user/assign`, { users: [{ username: "stan@example.org", role: "STD_USER", classificationId: tier }] });
});
after(() => s.stop());
const pointers = (r) => (r.body.fields ?? []).map((f) => f.pointer);
const stan = async () => (await admin.ok("GET", `${T}/users/${id["stan@example.org"]}`)).data;
const member = async () => (await admin.ok("GET", `${T}/clients/${client}/users`)).find((u) => u.email === "stan@example.org");

test("a member of the wrong type is refused by name, and nothing is changed", async () => {
  const one = `${T}/users/${id["stan@example.org"]}`, bulk = "/api/v1/tenant/0/user/create/bulk?sendEmail=false", assign = `/api/v2/tenant/0/client/${client}/user/assign`;
  const was = [await stan(), await member()], count = (await admin.ok("GET", `${T}/users`)).total;
  const person = (more) => [{ email: "new@example.org", name: { first: "New", last: "Person" }, ...more }];
  for (const [method, target, body, pointer] of [
    ["PUT", one, { tenantClassificationLevel: true }, "/tenantClassificationLevel"],
    ["PUT", one, { tenantClassificationLevel: {} }, "/tenantClassificationLevel"],
    ["PUT", one, { name: "Stan" }, "/name"],
    ["PUT", one, { roles: "ADMIN" }, "/roles"],
    ["PUT", one, { default_group: 1 }, "/default_group"],
    ["PUT", "/api/v1/user/update", { name: ["A", "B"] }, "/name"],
    ["PUT", `/api/v2/authenticate/tenants/0/users/${id["stan@example.org"]}/configuration`, { mfa: "off" }, "/mfa"],
    ["POST", bulk, person({ default_group: 1 }), "/0/default_group"],
    ["POST", bulk, person({ default_group: "perhaps" }), "/0/default_group"],
    ["POST", bulk, person({ roles: "ADMIN" }), "/0/roles"],
    ["POST", bulk, [{ email: "new@example.org", name: "New Person", first: "New", last: "Person" }], "/0/name"],
    ["POST", bulk, person({ tenantClassificationLevel: [1] }), "/0/tenantClassificationLevel"],
    ["POST", "/api/v1/tenant/0/user/create/bulk?sendEmail=perhaps", person({}), "sendEmail"],
    ["POST", assign, { users: [{ username: "stan@example.org", role: true }] }, "/users/0/role"],
    ["POST", assign, { users: [{ username: "stan@example.org", classificationId: false }] }, "/users/0/classificationId"],
    ["POST", assign, { users: [{ username: { a: 1 } }] }, "/users/0/username"],
    ["POST", "/api/v2/clients", { pagination: { offset: 0, limit: 5 }, filters: [{ by: "tags", value: 7 }] }, "/filters"],
    ["PUT", `${R}/${role}/permissions`, { permissionConfiguration: ["AUDIT_LOG"] }, "/permissionConfiguration"],
    ["PUT", `${R}/${role}/permissions`, { permissionConfiguration: [{ key: "X", sections: { permissions: [] } }] }, "/permissionConfiguration"],
  ]) {
    const r = await admin.request(method, target, body);
    assert.equal(r.status, 400, `${method} ${target} ${JSON.stringify(body)}: ${r.status} ${r.text}`);
    assert.deepEqual(pointers(r), [pointer], r.text);
  }
  assert.deepEqual([await stan(), await member()], was);
  assert.equal((await admin.ok("GET", `${T}/users`)).total, count);
});
test("a body that is no object holds no members: it is refused, not taken for an empty one", async () => {
  for (const [method, target] of [["PUT", `${T}/users/${id["stan@example.org"]}`], ["PUT", "/api/v1/user/update"], ["PUT", `${R}/${role}/info`], ["PUT", `${T}/settings/general`],
    ["PUT", `${T}/settings`], ["PUT", "/api/v2/user/preferences"], ["PUT", `/api/v1/client/${client}`], ["POST", R]])
    for (const body of [[], ["x"], "x", 7, true, [{ title: "Hidden", first: "Hidden" }]]) {
      const r = await admin.request(method, target, JSON.stringify(body), { "content-type": "application/json" });
      assert.equal(r.status, 400, `${method} ${target} ${JSON.stringify(body)}: ${r.status} ${r.text}`);
    }
  assert.equal((await admin.ok("POST", R)).status, "success", "without a body it is a role with a default name");
});
test("what is wrong is named where it stands", async () => {
  const list = (body) => admin.post("/api/v2/clients", { pagination: { offset: 0, limit: 5 }, ...body });
  const sla = (n) => admin.post("/api/v2/sla/benchmarks", { name: "S", daysToClose: 1, findingSeverity: ["High"], enabled: true, notificationSettings: n });
  for (const [asked, pointer] of /** @type {[Promise<any>, string][]} */ ([
    [list({ pagination: { offset: 0.5, limit: 5 } }), "/pagination/offset"], [list({ pagination: { offset: 0, limit: "many" } }), "/pagination/limit"],
    [list({ sort: [{ order: "ASC" }] }), "/sort/0/by"], [list({ sort: [{ by: 7 }] }), "/sort/0/by"], [list({ filters: ["x"] }), "/filters/by"],
    [sla({ hoursBeforeExpirationNotify: -1 }), "/notificationSettings/hoursBeforeExpirationNotify"], [sla({ sendDailyNotificationToRecipients: "perhaps" }), "/notificationSettings/sendDailyNotificationToRecipients"],
    [admin.put("/api/v1/user/update", { name: { first: 7 } }), "/name/first"], [admin.put(`${T}/users/${id["stan@example.org"]}`, { name: { last: [] } }), "/name/last"],
    [admin.put(`/api/v2/authenticate/tenants/0/users/${id["stan@example.org"]}/configuration`, { mfa: { enabled: "perhaps" } }), "/mfa/enabled"],
  ])) {
    const r = await asked;
    assert.equal(r.status, 400, r.text);
    assert.deepEqual(pointers(r), [pointer]);
  }
});
test("a text is as long as it may be, and not a byte longer", async () => {
  const put = (/** @type {any} */ body) => admin.request("PUT", `${R}/${role}/info`, body);
  const long = await put({ title: "é".repeat(50) + "x", description: "y".repeat(2000) });
  assert.equal(long.status, 400);
  assert.deepEqual(long.body.fields, [{ pointer: "/title", reason: "is longer than 100 bytes" }]);
  assert.deepEqual(pointers(await put({ title: "é".repeat(50), description: "y".repeat(2001) })), ["/description"]);
  assert.equal((await put({ title: "é".repeat(50), description: "y".repeat(2000) })).status, 200);
});
test("one number has one spelling in an address, and one scope stands once", async () => {
  const me = (await admin.ok("GET", "/api/v2/whoami")).user_id;
  for (const at of [`/api/v2/tenants/-0/users`, `/api/v2/tenants/00/users`, `${T}/users/0${me}`, `${T}/users/-${me}`, `${T}/users/+${me}`, `/api/v1/client/0${client}`, `/api/v1/client/-${client}`, `/api/v1/tenant/0/client/0${client}/users`, `${T}/user/0${me}/permissions`])
    assert.ok([403, 404].includes((await admin.get(at)).status), at);
  const made = await admin.ok("POST", "/api/v2/user/tokens", { name: "doubled", expires_days: 1, scopes: Array(500).fill(["CLIENTS.VIEW", "AUDIT_LOG.VIEW"]).flat() });
  const kept = (await admin.ok("GET", "/api/v2/user/tokens")).data.find((t) => t.cuid === made.cuid);
  assert.deepEqual(kept.scopes, ["CLIENTS.VIEW", "AUDIT_LOG.VIEW"]);
});
test("an order that is none is refused by every list; the words clients use are taken in any case", async () => {
  const v2 = (order) => admin.post("/api/v2/clients", { pagination: { offset: 0, limit: 5 }, sort: [{ by: "name", order }] });
  const lists = { users: (o) => admin.get(`${T}/users?order=${o}`), authorization: (o) => admin.get(`${T}/authorization?order=${o}`), log: (o) => admin.get(`/api/v2/auditlog?limit=3&order=${o}`), clients: v2,
    findings: (order) => admin.post(`/api/v2/client/${client}/findings`, { pagination: { offset: 0, limit: 1 }, sort: [{ by: "title", order }] }) };
  const pick = { users: (x) => x.data.map((u) => u.email), authorization: (x) => x.data.map((u) => u.email), log: (x) => x.data.map((e) => e.index), clients: (x) => x.data.map((c) => c.name), findings: (x) => x.data };
  await admin.ok("POST", "/api/v1/client/create", { name: "Another" });
  for (const [name, ask] of Object.entries(lists)) {
    for (const word of ["sideways", "ASCENDING", "1", "DES", "descx"]) {
      const r = await ask(word);
      assert.equal(r.status, 400, `${name} ${word}: ${r.text}`);
      assert.deepEqual(pointers(r), [/clients|findings/.test(name) ? "/sort/0/order" : "order"]);
    }
    const down = [], up = [];
    for (const word of ["DESC", "DESEND", "descend", "Desc"]) { const r = await ask(word); assert.equal(r.status, 200, r.text); down.push(JSON.stringify(pick[name](r.body))); }
    for (const word of ["ASC", "ASCEND", "ascend"]) { const r = await ask(word); assert.equal(r.status, 200, r.text); up.push(JSON.stringify(pick[name](r.body))); }
    if (name === "log") down.length = 1; // each look at it is an event
    assert.deepEqual([new Set(down).size, new Set(up).size], [1, 1], name);
    if (name !== "findings") assert.notEqual(down[0], up[0], name);
  }
});
test("the log: an end at the beginning of time is no open end; the filter by user takes number, id and address, and refuses what is none", async () => {
  for (const to of ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z", "1970-01-01T01:00:00%2b01:00"])
    assert.deepEqual((await admin.ok("GET", `/api/v2/auditlog?limit=5&to=${to}`)).data, [], to);
  const who = (await admin.ok("GET", `${T}/users/${id["stan@example.org"]}`)).data;
  const found = async (user) => (await everything(admin, { user: String(user) })).map((e) => e.index).sort((a, b) => a - b);
  const by = await found(who.cuid);
  assert.ok(by.length >= 3);
  assert.deepEqual(await found(who.user_id), by);
  assert.deepEqual(await found(who.email), by);
  for (const user of ["a".repeat(300), 'a@b.c" x']) {
    const r = await admin.get(`/api/v2/auditlog?user=${encodeURIComponent(user)}`);
    assert.equal(r.status, 400, r.text);
    assert.deepEqual(pointers(r), ["user"]);
  }
  assert.deepEqual(await found(999999), []);
  for (const q of ["limit=2&limit=1000", "from=2026-01-01?from=2020-01-01", "q=a&q=b"])
    for (const at of ["", "/export", "/export/manifest", "/stream"]) {
      const r = await admin.get(`/api/v2/auditlog${at}?${q}`);
      assert.equal(r.status, 400, `${at}?${q}`);
      assert.deepEqual([pointers(r), r.body.fields[0].reason], [[q.slice(0, q.indexOf("="))], "is given twice"]);
    }
});

/* ---- names in any script ---- */

const NAMES = [["Élodie", "Ärger-Öz"], ["Γιώργος", "Παπαδόπουλος"], ["Жанна", "Ёлкина"], ["100%", "Under_score"]];
test("people, clients and tags are found by any letters of their names, in either case", async () => {
  await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk?sendEmail=false", NAMES.map(([first, last], i) => ({ email: `Námé${i}@exämple.org`, name: { first, last } })));
  for (const [first] of NAMES) await admin.ok("POST", "/api/v1/client/create", { name: `${first} GmbH` });
  for (const [first] of NAMES) await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `${first}`, scope: "tenant", ownerId: 0 });
  const users = async (f) => (await admin.ok("GET", `${T}/users?filter=${encodeURIComponent(f)}`)).data.map((u) => u.first);
  const authorization = async (f) => (await admin.ok("GET", `${T}/authorization?filter=${encodeURIComponent(f)}`)).data.map((u) => u.first);
  const clients = async (value) => (await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 50 }, filters: [{ by: "name", value }] })).data.map((c) => c.name.replace(" GmbH", ""));
  const tags = async (f) => (await admin.ok("GET", `/api/v1/tenant/0/tag/search?text=${encodeURIComponent(f)}`)).tags.map((t) => t.name);
  for (const [first, last] of NAMES)
    for (const f of [first, first.toUpperCase(), first.slice(0, 3).toLowerCase(), first.slice(1, 4)]) {
      for (const [what, list] of Object.entries({ users, authorization, clients, tags })) assert.deepEqual(await list(f), [first], `${what} by ${f}`);
      assert.deepEqual(await users(last.toUpperCase()), [first], last);
    }
  assert.deepEqual((await users("NÁMÉ1@EXÄMPLE")).length, 1);
  assert.deepEqual([await users("%"), await users("_"), await users("\\")], [["100%"], ["100%"], []]);
});

/* ---- addresses ---- */

test("an address has one look: case is folded in any script, and what is not seen or joins another letter is refused", async () => {
  const create = (email) => admin.post("/api/v1/tenant/0/user/create/bulk?sendEmail=false", [{ email, name: { first: "A", last: "B" } }]);
  for (const email of ["Ünal.Kıv@example.org", "kelvin@example.org"]) assert.equal((await create(email)).status, 200, email);
  for (const email of ["üNAL.kıV@EXAMPLE.ORG", "KELVIN@example.org", "\u212aelvin@example.org", "u\u0308nal.kıv@example.org"]) assert.equal((await create(email)).status, 409, email);
  for (const email of ["adm\u200bin@example.org", "admin\u202e@example.org", "a\u00a0b@example.org", "a\u3000b@example.org", "q\u0308nal.kıv@example.org", "\ufeffadmin@example.org", "admin@exam\u00adple.org", "a\u2060b@example.org"]) {
    const r = await create(email);
    assert.equal(r.status, 400, `${JSON.stringify(email)}: ${r.text}`);
    assert.deepEqual(pointers(r), ["/0/email"]);
    assert.match(r.body.fields[0].reason, /invisible or combining/);
  }
  const csv = "first name,last name,email,authentication provider\r\nA,B,adm\u200bin@example.org,plextrac\r\n";
  const r = await admin.request("POST", `${T}/users/csv`, `--b\r\nContent-Disposition: form-data; name="file"; filename="u.csv"\r\n\r\n${csv}\r\n--b--\r\n`, { "content-type": "multipart/form-data; boundary=b" });
  assert.equal(r.status, 200, r.text);
  assert.deepEqual([r.body.created, r.body.rejected.map((x) => /invisible/.test(x.reason))], [0, [true]]);
  assert.equal((await s.client({ from: "10.1.1.1" }).post("/api/v1/authenticate", { username: ADMIN.email.toUpperCase(), password: "wrong" })).status, 401);
});
test("a name of which nothing is seen is no name", async () => {
  const t3 = (await admin.ok("POST", `${T}/tiers`, { name: "Seen", enabled: true })).data.id, sub = (await admin.ok("POST", "/api/v3/substatus", { status: "Open", value: "Seen" })).data.cuid;
  for (const blank of ["\u200b", "\u00a0\u3000", "\u2800", "\u202e\u3164"]) {
    const name = { first: blank, last: blank };
    for (const [method, path, body, field] of /** @type {[string, string, any, string][]} */ ([
      ["POST", "/api/v1/client/create", { name: blank }, "/name"], ["PUT", `/api/v1/client/${client}`, { name: blank }, "/name"], ["POST", "/api/v1/tenant/0/tag", { name: blank }, "/name"],
      ["POST", "/api/v1/tenant/0/user/create/bulk", [{ email: "seen@example.org", name }], "/0/name/first"], ["PUT", "/api/v1/user/update", { name }, "/name/first"], ["PUT", `${T}/users/${id["ana@example.org"]}`, { name }, "/name/first"],
      ["PUT", `${R}/${role}/info`, { title: blank }, "/title"], ["PUT", `${T}/tiers/${t3}`, { name: blank }, "/name"], ["PATCH", `/api/v3/substatus/${sub}`, { value: blank }, "/value"],
      ["PUT", `/api/v1/tenant/0?name=${encodeURIComponent(blank)}`, undefined, "/name"], ["PUT", `${T}/settings/general`, { name: blank }, "/name"], ["POST", "/api/v2/user/tokens", { name: blank, scopes: ["AUDIT_LOG.VIEW"] }, "/name"]])) {
      const r = await admin.request(method, path, body);
      assert.equal(r.status, 400, `${method} ${path} ${escape(blank)}: ${r.text.slice(0, 200)}`);
      assert.ok(pointers(r).includes(field), `${path}: ${pointers(r)}`);
    }
  }
});
