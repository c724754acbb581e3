/** What an attacker tries, and what he gets. Each test failed once. */
import { test, after, before } from "node:test";
import { createHash } from "node:crypto";
import { serve, assert, totp, until, ADMIN, PASSWORD } from "./harness.mjs";

let s, admin, uid;
const R = "/api/v2/tenants/0/security/role";
const T = "/api/v2/tenants/0";
const people = ["std", "tess", "ursula", "erin", "memo", "roland"];
before(async () => {
  s = await serve({ proxy: true, users: [...people.map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })),
    { email: "second@example.org", role: "ADMIN" }] });
  admin = await s.as();
  uid = Object.fromEntries((await admin.ok("GET", "/api/v1/tenant/0/user/list")).map((r) => [r.data.email, r.data.user_id]));
});
after(() => s.stop());

/** A new role with these permissions, given to the user. */
async function give(name, permissions) {
  const made = await admin.ok("POST", R, { title: `attack ${name} ${permissions.length}`, permissions });
  await admin.ok("PUT", `${R}/${(made.data ?? made).cuid ?? (made.data ?? made).id}/users`, { userId: uid[`${name}@example.org`] });
  return s.as(`${name}@example.org`, PASSWORD, { from: `10.66.0.${uid[`${name}@example.org`]}` });
}

test("who manages users gives nobody, himself included, a tier above his own", async () => {
  const tess = await give("tess", ["SECURITY.VIEW_USERS", "SECURITY.MANAGE_USERS", "CLIENTS.VIEW", "CLIENTS.CREATE", "CLIENTS.EDIT", "ADMINISTRATION.TAGS_VIEW", "ADMINISTRATION.TAGS_MANAGEMENT"]);
  const self = await tess.put(`${T}/users/${uid["tess@example.org"]}`, { tenantClassificationLevel: "Tier 3" });
  assert.equal(self.status, 403, self.text);
  const other = await tess.put(`${T}/users/${uid["std@example.org"]}`, { tenantClassificationLevel: "Tier 1" });
  assert.equal(other.status, 403, other.text);
  const fresh = await tess.post("/api/v1/tenant/0/user/create/bulk?sendEmail=false", [{ email: "n1@example.org", first: "a", last: "b", role: "STD_USER", tenantClassificationLevel: "Tier 3" }]);
  assert.equal(fresh.status, 403, fresh.text);
  await admin.ok("PUT", `${T}/users/${uid["tess@example.org"]}`, { tenantClassificationLevel: "Tier 2" });
  await admin.ok("PUT", `${T}/users/${uid["std@example.org"]}`, { tenantClassificationLevel: "Tier 3" });
  assert.equal((await tess.put(`${T}/users/${uid["std@example.org"]}`, { tenantClassificationLevel: "Tier 3", last: "Kept" })).status, 200, "a tier that stays is no grant");
  assert.equal((await tess.put(`${T}/users/${uid["memo@example.org"]}`, { tenantClassificationLevel: "Tier 2" })).status, 200);
});

test("a tier on a client is compared by rank, not by the number left behind by deleted tiers", async () => {
  const c = await admin.ok("POST", "/api/v1/client/create", { name: "Gaps" });
  const ids = [];
  for (const name of ["g4", "g5", "g6"]) ids.push((await admin.ok("POST", `${T}/tiers`, { name })).data.id);
  const all = (await admin.ok("GET", `${T}/tiers`)).data;
  for (const t of all.filter((x) => /^Tier/.test(x.name))) await admin.ok("DELETE", `${T}/tiers/${t.id}`);
  const made = await admin.ok("POST", R, { title: "client boss", permissions: ["CLIENTS.VIEW", "CLIENTS.EDIT", "CLIENTS.CREATE", "CLIENTS.MANAGE_USERS"] });
  await admin.ok("POST", `/api/v2/tenant/0/client/${c.client_id}/user/assign`, { users: [{ username: "erin@example.org", role: "client boss", classificationId: ids[0] }] });
  assert.ok(made);
  const erin = await s.as("erin@example.org", PASSWORD, { from: "10.66.1.1" });
  const low = await erin.post(`/api/v2/tenant/0/client/${c.client_id}/user/assign`, { users: [{ username: "memo@example.org", role: "STD_USER", classificationId: ids[0] }] });
  assert.equal(low.status, 200, low.text);
  const high = await erin.post(`/api/v2/tenant/0/client/${c.client_id}/user/assign`, { users: [{ username: "memo@example.org", role: "STD_USER", classificationId: ids[2] }] });
  assert.equal(high.status, 403, high.text);
});

test("roles are not given to or taken from people whose rights exceed the own", async () => {
  const roland = await give("roland", ["SECURITY.VIEW_ROLES", "SECURITY.MANAGE_ROLES"]);
  const std = (await admin.ok("GET", R)).data.find((r) => r.key === "STD_USER");
  await admin.ok("PUT", `${R}/${std.id}/users`, { userId: uid["second@example.org"] });
  const second = await s.as("second@example.org", PASSWORD, { from: "10.66.2.2" });
  const r = await roland.del(`${R}/${std.id}/users/${uid["second@example.org"]}`);
  assert.equal(r.status, 403, r.text.slice(0, 200));
  assert.equal((await second.get("/api/v2/whoami")).status, 200, "the administrator's session goes on");
});

test("the last administrator is not lost to another way of signing in", async () => {
  const one = await serve({});
  try {
    const a = await one.as();
    const id = (await a.ok("GET", "/api/v2/whoami")).user_id;
    for (const [m, p, b] of /** @type {[string, string, object][]} */ ([["PUT", `${T}/users/${id}`, { authentication_provider: "okta" }], ["PUT", "/api/v1/user/update", { authenticationProvider: "google" }],
      ["PUT", `/api/v2/authenticate/tenants/0/users/${id}/configuration`, { authentication_provider: "azure" }]])) {
      const r = await a.request(m, p, b);
      assert.equal(r.status, 409, `${p}: ${r.text}`);
    }
    await one.as();
  } finally { await one.stop(); }
});

test("a form on another site can not sign a browser in", async () => {
  const body = JSON.stringify({ username: ADMIN.email, password: PASSWORD });
  for (const h of [{ origin: "http://evil.example" }, { origin: "null" }, { origin: "http://evil.example", "sec-fetch-site": "cross-site" }]) {
    const r = await s.client({ from: "10.66.3.1" }).post("/api/v2/session", body, { "content-type": "text/plain", ...h });
    assert.equal(r.status, 403, JSON.stringify(h));
    assert.equal(r.headers["set-cookie"], undefined);
  }
  const own = await s.client({ from: "10.66.3.2" }).post("/api/v2/session", body, { "content-type": "application/json", origin: s.base, "x-recount": "1" });
  assert.equal(own.status, 200, own.text);
});

test("the stored mail password does not follow to another server", async () => {
  const E = `${T}/settings/email`;
  await admin.ok("PUT", E, { host: "127.0.0.1", port: 2525, security: "plain", username: "u", password: "mail-secret", sender: "a@example.org" });
  for (const b of [{ host: "127.0.0.2" }, { port: 2526 }]) {
    const r = await admin.put(E, b);
    assert.equal(r.status, 400, r.text);
    assert.match(r.text, /password/);
  }
  assert.equal((await admin.put(E, { host: "127.0.0.2", password: "typed again" })).status, 200);
  assert.equal((await admin.put(E, { host: "127.0.0.2", sender: "b@example.org" })).status, 200, "the same server needs no password");
  await admin.ok("PUT", E, { host: "", password: "" });
});

test("large clients do not end the server, whoever lists them", async () => {
  const c = await s.as("std@example.org", PASSWORD, { from: "10.66.4.1" });
  const body = { description: "x".repeat(65000), custom_field: Array.from({ length: 7 }, () => ({ label: "l", value: "y".repeat(70000) })) };
  for (let i = 0; i < 130; i += 10)
    await Promise.all(Array.from({ length: 10 }, (_, k) => c.ok("POST", "/api/v1/client/create", { name: `big ${i + k}`, ...body })));
  assert.equal((await c.get("/api/v1/client/list")).status, 200);
  const page = await c.post("/api/v2/clients", { pagination: { offset: 0, limit: 1000 } });
  assert.equal(page.status, 503, "64 MB are enough for one answer");
  assert.match(page.body.message, /fewer rows/);
  assert.equal((await c.ok("POST", "/api/v2/clients", { pagination: { offset: 100, limit: 20 } })).data.length, 20);
});

test("a thousand users beside many roles do not end the server", async () => {
  for (let i = 0; i < 250; i++) await admin.ok("POST", R, { title: `many ${i}`, description: "d".repeat(2000) });
  const r = await admin.post("/api/v1/tenant/0/user/create/bulk?sendEmail=false",
    Array.from({ length: 1000 }, (_, i) => ({ email: `many${i}@example.org`, first: "a", last: "b", roles: ["Analyst", "STD_USER"] })));
  assert.equal(r.status, 200, r.text.slice(0, 300));
  assert.equal((await admin.get("/api/v2/whoami")).status, 200);
});

test("positions at the end of numbers, negative and huge ids: an answer, never 500", async () => {
  const max = "9223372036854775807";
  for (const q of [`cursor=${max}`, `before=${max}`, `cursor=${max}&order=asc`, `before=0`, `cursor=0&order=asc`, `offset=4611686018427387903`, `client=${max}`, `from=-292277022399-01-01`, "from=99999d", "q=%00", "q=%ff", `q=${"a%20".repeat(200)}`, `q=${"%22".repeat(900)}`, `user=${"x".repeat(3000)}`, "limit=99999999999999999999"])
    assert.ok((await admin.get(`/api/v2/auditlog?${q}`)).status < 500, q);
  for (const p of [`${T}/users/${max}`, `${T}/users/-1`, `${T}/users/99999999999999999999`, `/api/v1/client/${max}`, "/api/v1/client/-1", "/api/v1/client/00", `${T}/tiers/${max}`, `${R}/%00`, `${R}/%2e%2e%2f`, "/api/v1/uploads/..%2f..%2fetc%2fpasswd"])
    for (const m of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) assert.ok((await admin.request(m, p, m === "PUT" ? {} : undefined)).status < 500, `${m} ${p}`);
  for (let i = 0; i < 25; i++) await admin.request("HEAD", "/api/v2/auditlog/stream");
  const st = await admin.stream();
  assert.equal(st.status, 200, "HEAD requests hold no stream");
  st.close();
});

test("an export beyond the limit is refused before it is recorded, and gives its place back", async () => {
  const open = [];
  for (let i = 0; i < 20; i++) open.push(await admin.stream());
  const r = await admin.get("/api/v2/auditlog/export?q=beyond-the-limit");
  assert.equal(r.status, 429, r.text);
  for (const x of open) x.close();
  await until(async () => (await admin.get("/api/v2/auditlog/export?q=again")).status === 200, "the closed streams' places");
  for (let i = 0; i < 25; i++) await admin.request("HEAD", "/api/v2/auditlog/export?q=head");
  for (let i = 0; i < 25; i++) assert.equal((await admin.get("/api/v2/auditlog/export?format=nope")).status, 400);
  const ok = await until(async () => { const x = await admin.get("/api/v2/auditlog/export?q=%0d%0aX-Evil:%201"); return x.status === 200 && x; }, "the places of exports that ended");
  assert.equal(ok.headers["x-evil"], undefined);
  assert.equal(ok.headers["x-recount-query"], "q%3D%0D%0AX-Evil%3A%201");
  const made = await admin.events({ event_type: "AuditLogExported" });
  assert.ok(!made.some((e) => JSON.stringify(e).includes("beyond-the-limit")), "nothing was exported");
});

test("an export of long events is whole", async () => {
  const c = await s.as("std@example.org", PASSWORD, { from: "10.66.7.1" });
  const id = (await c.ok("POST", "/api/v1/client/create", { name: "Long events" })).client_id;
  const members = (k) => Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`m${i}`, String(k).repeat(1900)]));
  for (let i = 0; i < 120; i++) await c.ok("PUT", `/api/v1/client/${id}`, members(i % 2));
  assert.equal((await c.put(`/api/v1/client/${id}`, Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`x${i}`, 1])))).status, 400);
  for (const format of ["ndjson", "csv"]) {
    const r = await admin.get(`/api/v2/auditlog/export?format=${format}&event_type=ClientUpdated`);
    assert.equal(r.status, 200);
    assert.equal(r.headers["x-recount-digest"], "sha-256=" + createHash("sha256").update(r.raw).digest("hex"));
    assert.ok(r.raw.length > 8 << 20, "longer than one piece");
  }
});

test("a sign-in begun with the old password does not go on after the change", async () => {
  const from = "10.66.6.1", c = await s.as("memo@example.org", PASSWORD, { from });
  const qr = JSON.stringify(await c.ok("GET", "/api/v2/user/mfa/qr"));
  const on = await c.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(/secret=([A-Z2-7]+)/.exec(qr)[1]) });
  const begun = (await s.client({ from }).post("/api/v1/authenticate", { username: "memo@example.org", password: PASSWORD })).body.code;
  assert.equal(typeof begun, "string");
  await c.ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "Brand-New-Harbour-72!" });
  const r = await s.client({ from }).post("/api/v1/authenticate/mfa", { code: begun, token: on.recovery_codes[0] });
  assert.equal(r.status, 401, r.text);
});

test("who has yet to set up a second factor resets nobody else's", async () => {
  const ned = await s.as("ursula@example.org", PASSWORD, { from: "10.66.5.1" });
  const qr = JSON.stringify(await ned.ok("GET", "/api/v2/user/mfa/qr"));
  const secret = /secret=([A-Z2-7]+)/.exec(qr)[1];
  await ned.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(secret) });
  await admin.ok("PUT", `${T}/settings/authentication`, { mfa_required: true });
  try {
    const r = await admin.put("/api/v1/tenant/0/user/mfa/disable", { email: "ursula@example.org" });
    assert.equal(r.status, 403, r.text);
    assert.equal(r.body.code, "mfa_required");
    const stolen = await ned.ok("GET", "/api/v2/user/mfa/qr");
    const other = /secret=([A-Z2-7]+)/.exec(JSON.stringify(stolen))[1];
    const swap = await ned.post("/api/v2/user/mfa/qr/activate", { token: totp(other) });
    assert.equal(swap.status, 400, "a session alone does not replace the second factor");
    const both = await ned.post("/api/v2/user/mfa/qr/activate", { token: totp(other), password: PASSWORD });
    assert.equal(both.status, 200, both.text);
  } finally {
    const own = await admin.ok("GET", "/api/v2/user/mfa/qr");
    await admin.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(/secret=([A-Z2-7]+)/.exec(JSON.stringify(own))[1]) });
    await admin.ok("PUT", `${T}/settings/authentication`, { mfa_required: false });
  }
});
