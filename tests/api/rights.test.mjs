/**
 * The other half of isolation.test.mjs: who is allowed is really served, with a valid request of samples.mjs. Then every
 * id of such a request, in path and in body, is swapped for one of another workspace, and for one of another client.
 */
import { test, after, before } from "node:test";
import { serve, createUser, assert, everything, signed, ADMIN, PASSWORD } from "./harness.mjs";
import { routes } from "./routes.mjs";
import { ALLOWED } from "./allowed.mjs";
import { Things, request, kindOf } from "./samples.mjs";

const MARK = "Zanzibar"; // stands in every name of the other workspace and of the other client
let s, other;
const people = {}, EMAIL = { admin: ADMIN.email, std: "std@example.org", analyst: "ana@example.org", auditor: "aud@example.org", carl: "carl@example.org" };
before(async () => {
  s = await serve({ args: [], users: [{ email: EMAIL.std, role: "STD_USER" }, { email: EMAIL.analyst, role: "ANALYST" }, { email: EMAIL.auditor, role: "AUDITOR" }, { email: EMAIL.carl, role: "AUDITOR" }, { email: "second@example.org", role: "ADMIN" }] });
  createUser(s.store, { email: "boss@second.example", first: "Bea", last: "Second", newTenant: true, tenantName: "Second" });
  await (await s.as()).ok("PUT", "/api/v2/tenants/0/settings/authentication", { auth_per_minute: 1000 });
  for (const who of Object.keys(EMAIL)) people[who] = await signedIn(EMAIL[who]);
  people.second = await signedIn("second@example.org"); // who asks for an erasure does not approve it
  other = await signedIn("boss@second.example");
});
after(() => s.stop());

async function signedIn(email, password = PASSWORD) {
  const c = await s.as(email, password);
  c.again = () => signedIn(email, password);
  return c;
}
const things = () => new Things(people.admin, 0, "Walk", people.second);
const key = (r) => `${r.method} ${r.path}`;
const endless = (r) => /\/(stream|hints)$/.test(r.path);
const sent = (c, r, /** @type {any[]} */ [target, body, headers]) => signed(() => c.request(r.method, target, body, headers));
const send = async (c, r, /** @type {any[]} */ [target, body, headers]) => {
  if (!endless(r)) return sent(c, r, [target, body, headers]);
  const rs = await c.request(r.method, target, body, headers, { stream: true });
  rs.destroy();
  return { status: rs.statusCode, text: "" };
};

/** Where a valid request is answered otherwise than 2xx: the status, and why. Written by hand. */
const OTHERWISE = {
  "POST /api/v2/user/mfa/qr/activate": [400, 409, 410, "the code is not that of an authenticator"],
  "PUT /api/v1/user/mfa/token": [400, 409, 410, "the code is not that of an authenticator"],
  "PUT /api/v1/user/mfa/token/disable": [400, 409, "no second factor is set"],
  "POST /api/v2/user/mfa/recovery": [400, 409, "no second factor is set"],
  "GET /api/v1/tenant/{t}/logo": [404, "none is set"],
  "GET /api/v1/tenant/{t}/logo/dark": [404, "none is set"],
  "GET /api/v1/tenant/{t}/icon": [404, "none is set"],
  "GET /api/v1/tenant/{t}/icon/dark": [404, "none is set"],
  "DELETE /api/v1/tenant/{t}/logo": [404, "none is set"],
  "GET /api/v1/client/{c}/logo": [404, "none is set"],
  "POST /api/v2/tenants/{t}/users/{userId}/reset-mfa": [409, "there is no second factor to reset"],
  "PUT /api/v1/tenant/{t}/user/mfa/disable": [409, "there is no second factor to take away"],
  "POST /api/v2/tenants/{t}/settings/email/test": [409, "there is no mail server"],
  "POST /api/v2/auditlog/erasures/{erasureId}/dismiss": [409, "the log tells of this request"],
  "POST /api/v2/auditlog/clock": [409, "the clock did not step"],
  "GET /api/v2/auditlog/opening": [404, "the round of this minute is still to come"],
  ...Object.fromEntries(["{n2}", "{n2}/{n3}", "{n2}/{n3}/{n4}", "{n2}/{n3}/{n4}/{n5}"].map((n) => [`GET /api/v2/auditlog/tile/{l}/{n1}/${n}`, [404, "the log is not so long"]])),
  "GET /api/v1/uploads/{name}": [401, 404, "opened by the cookie of uploads, and there is none of this name"],
};
test("who is allowed is served", { timeout: 600_000 }, async () => {
  const wrong = [];
  for (const r of routes()) {
    const allowed = ALLOWED[key(r)];
    if (!allowed || allowed === "public") continue;
    for (const who of ["admin", ...(allowed === "self" ? ["std", "analyst", "auditor"] : allowed)]) {
      // What ends a session or changes a password gets one of its own, or a person of its own.
      let c = people[who];
      if (r.path.endsWith("/changepass")) {
        const email = `pw-${who}@example.org`;
        createUser(s.store, { email, role: { admin: "ADMIN", std: "STD_USER", analyst: "ANALYST", auditor: "AUDITOR" }[who] });
        c = await signedIn(email);
      } else if (r.who === "session" && r.method !== "GET") c = await signedIn(EMAIL[who]);
      const a = await request(r, things(), c).then((q) => send(c, r, q), (e) => ({ status: 999, text: `no request: ${e.message}` }));
      if (r.path.endsWith("/user/sessions") && r.method === "DELETE") people[who] = await signedIn(EMAIL[who]);
      if (a.status >= 300 && !OTHERWISE[key(r)]?.includes(a.status)) wrong.push(`${key(r)} as ${who}: ${a.status} ${a.text.slice(0, 160)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

/* ---- swapping ids ---- */

/** Where ids stand: each place of the path and of the body that holds one of w's things, with its kind. */
function places(r, w, body) {
  const out = [...r.path.matchAll(/\{(\w+)\}/g)].map((m) => kindOf(r.path, m[1])).filter((k) => k && w.had[k] !== undefined).map((kind) => ({ kind, at: "path" }));
  const made = new Map(Object.entries(w.had).map(([k, v]) => [v, k]));
  const walk = (v, at) => {
    if (v && typeof v === "object") for (const [k, x] of Object.entries(v)) walk(x, [...at, k]);
    else if (made.has(v)) out.push({ kind: made.get(v), at });
  };
  if (body && !Buffer.isBuffer(body)) walk(body, []);
  else if (Buffer.isBuffer(body)) for (const [v, kind] of made) if (typeof v === "string" && body.includes(v)) out.push({ kind, at: "bytes" });
  return out;
}
const put = (body, /** @type {any[]} */ [k, ...rest], v) => { if (rest.length) put(body[k], rest, v); else body[k] = v; };
/** The request with one of its ids swapped. */
function swapped(/** @type {any[]} */ [target, body, headers], place, from, to) {
  if (place.at === "path") return [target.replace(`/${encodeURIComponent(String(from))}`, `/${encodeURIComponent(String(to))}`), body, headers];
  if (place.at === "bytes") return [target, Buffer.from(body.toString("latin1").replaceAll(String(from), String(to)), "latin1"), headers];
  const copy = JSON.parse(JSON.stringify(body));
  put(copy, place.at, to);
  return [target, copy, headers];
}
/** What the other workspace holds, as its administrator sees it; times of use left out. */
const photograph = async () => JSON.stringify([
  (await other.ok("GET", "/api/v2/tenants/1/users?limit=100")).data.map(({ lastLogin, ...u }) => u), await other.ok("GET", "/api/v2/tenants/1/security/role"), await other.ok("GET", "/api/v2/tenants/1/tiers"),
  await other.ok("GET", "/api/v1/tenant/1/tag?limit=100"), await other.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 } }), await other.ok("GET", "/api/v2/sla/benchmarks"), await other.ok("GET", "/api/v3/substatus"),
  await other.ok("GET", "/api/v2/auditlog/holds"), await other.ok("GET", "/api/v2/auditlog/erasures"), await other.ok("GET", "/api/v2/user/tokens"), (await other.ok("GET", "/api/v2/user/sessions")).data.map((x) => x.cuid),
]);
/** Routes that answer 2xx to another's id, because the answer says that nothing was done for it. */
const HARMLESS = {
  "POST /api/v1/tenant/{t}/client/{c}/user/assign": /"users_assigned":\[\]/,
  "POST /api/v2/tenant/{t}/client/{c}/user/assign": /"users_assigned":\[\]/,
  "POST /api/v2/tenant/{t}/client/{c}/bulk/users/assign": /"users_assigned":\[\]/,
  "POST /api/v2/tenants/{t}/security/role/availability": /"available":(true|false)/,
  "POST /api/v1/tenant/{t}/client/{c}/user/remove": /"0 users removed"/,
  "POST /api/v2/tenants/{t}/saml/{provider}": /"providerName":"Walk"/, // a name of one's own, which another may have, too
  "POST /api/v2/auditlog/erasures": /"state":"asked"/, // out of one's own log: an address may stand in both
};
test("every id, in path and body, swapped for another workspace's: nothing told, nothing done, nothing in its log", { timeout: 600_000 }, async () => {
  for (const h of (await people.admin.ok("GET", "/api/v2/auditlog/holds")).data.filter((y) => y.state === "standing")) await people.admin.ok("POST", `/api/v2/auditlog/holds/${h.id}/release`, { reason: "walked" });
  const x = new Things(other, 1, MARK), wrong = [], tried = new Map();
  for (const kind of ["email", "user", "client", "role", "roleKey", "tier", "tag", "sla", "substatus", "gone", "erasure", "event", "saml", "hold"]) await x.of(kind);
  await other.ok("POST", `/api/v2/auditlog/holds/${x.had.hold}/release`, { reason: "nobody is erased while one stands" });
  x.had.oneself = x.had.user;
  x.had.session = (await other.ok("GET", "/api/v2/user/sessions")).data[0].cuid;
  x.had.token = (await other.ok("POST", "/api/v2/user/tokens", { name: `${MARK} token`, scopes: ["CLIENTS.VIEW"], expires_days: 1 })).cuid;
  const before = await photograph();
  for (const r of routes()) {
    if (ALLOWED[key(r)] === "public" || endless(r)) continue;
    const w = things(), first = await request(r, w, people.admin);
    for (const place of places(r, w, first[1])) {
      const to = x.had[place.kind];
      if (to === undefined) continue; // made of nothing: see MAKE
      const q = swapped(first, place, w.had[place.kind], to), a = await send(people.admin, r, q), asked = JSON.stringify(q[1] ?? "") + q[0];
      tried.set(key(r), (tried.get(key(r)) ?? 0) + 1);
      const what = `${key(r)}, ${place.kind} in ${place.at}: ${a.status} ${a.text.slice(0, 160)}`;
      if (a.status >= 500) wrong.push(what);
      if (a.status < 300 && !HARMLESS[key(r)]?.test(a.text)) wrong.push(what);
      if (new RegExp(MARK, "i").test(a.text) && !new RegExp(MARK, "i").test(asked)) wrong.push(`tells: ${what}`);
    }
  }
  assert.deepEqual(wrong, []);
  const total = [...tried.values()].reduce((n, k) => n + k, 0);
  assert.ok(tried.size >= 45 && total >= 60, `${total} swaps on ${tried.size} routes`);
  assert.equal(await photograph(), before);
  const foreign = (await everything(other)).filter((e) => Object.values(EMAIL).concat("second@example.org").includes(e.actor?.email));
  assert.deepEqual(foreign.map((e) => e.message), [], "in the other's log");
});

/* ---- rights on one client ---- */

/** Which of the roles one has on a client opens what there: by hand. Whoever is on it and may not gets 403. */
const VIEW = ["STD_USER", "ANALYST", "ADMIN"], EDIT = ["STD_USER", "ADMIN"], MANAGE = ["ADMIN"];
const ON_CLIENT = {
  "GET /api/v1/client/{c}": VIEW,
  "PUT /api/v1/client/{c}": EDIT,
  "DELETE /api/v1/client/{c}": MANAGE,
  "GET /api/v1/client/{c}/logo": VIEW,
  "POST /api/v1/client/{c}/logo": EDIT,
  "DELETE /api/v1/client/{c}/logo": EDIT,
  "POST /api/v2/client/{c}/findings": VIEW,
  "GET /api/v1/tenant/{t}/client/{c}/users": VIEW,
  "GET /api/v2/tenants/{t}/clients/{c}/users": VIEW,
  "GET /api/v1/tenant/{t}/client/{c}/users/available": MANAGE,
  "POST /api/v1/tenant/{t}/client/{c}/user/assign": MANAGE,
  "POST /api/v2/tenant/{t}/client/{c}/user/assign": MANAGE,
  "POST /api/v2/tenant/{t}/client/{c}/bulk/users/assign": MANAGE,
  "POST /api/v1/tenant/{t}/client/{c}/user/remove": MANAGE,
};
test("the table of rights on a client names every route of one", () => assert.deepEqual(routes().filter((r) => r.path.includes("{c}")).map(key).sort(), Object.keys(ON_CLIENT).sort()));
for (const role of ["AUDITOR", "ANALYST", "STD_USER", "ADMIN"])
  test(`on one client of two as ${role}, without a right of the kind in the workspace`, { timeout: 300_000 }, async () => {
    const wrong = [], b = (await people.admin.ok("POST", "/api/v1/client/create", { name: `${MARK} of others` })).client_id;
    await people.admin.ok("POST", `/api/v2/tenant/0/client/${b}/user/assign`, { users: [{ username: EMAIL.std, role: "STD_USER" }] });
    const on = async () => { const l = await people.admin.ok("GET", `/api/v2/tenants/0/clients/${b}/users`); return (l.data ?? l).map((u) => u.email ?? u.username).sort(); }, were = await on();
    for (const r of routes().filter((y) => y.path.includes("{c}"))) {
      const w = things(), a = await w.of("client");
      await people.admin.ok("POST", `/api/v2/tenant/0/client/${a}/user/assign`, { users: [{ username: EMAIL.carl, role, classificationId: await w.of("tier") }] }); // nobody gives a tier above his own
      const q = await request(r, w, people.carl), there = await sent(people.carl, r, swapped(q, { at: "path" }, a, b));
      if (there.status !== 404) wrong.push(`${key(r)} on the other client: ${there.status} ${there.text.slice(0, 120)}`);
      const here = await sent(people.carl, r, q), may = ON_CLIENT[key(r)].includes(role);
      if (may ? here.status >= 300 && !OTHERWISE[key(r)]?.includes(here.status) : here.status !== 403) wrong.push(`${key(r)} on his own: ${here.status} ${here.text.slice(0, 160)}`);
    }
    assert.deepEqual(wrong, []);
    const seen = await people.carl.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 } });
    assert.equal(seen.data.some((c) => c.client_id === b), false, "nor is it in his list");
    assert.equal((await people.carl.request("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 }, filters: [{ by: "name", value: MARK }] })).body.meta.pagination.total, 0, "nor counted");
    assert.deepEqual(await on(), were, "who is on it is unchanged");
  });
test("who manages one client reaches nobody by another", async () => {
  const w = things(), a = await w.of("client"), b = (await people.admin.ok("POST", "/api/v1/client/create", { name: `${MARK} apart` })).client_id;
  await people.admin.ok("POST", `/api/v2/tenant/0/client/${a}/user/assign`, { users: [{ username: EMAIL.carl, role: "ADMIN" }] });
  await people.admin.ok("POST", `/api/v2/tenant/0/client/${b}/user/assign`, { users: [{ username: EMAIL.analyst, role: "ANALYST" }] });
  const r = await people.carl.post(`/api/v1/tenant/0/client/${a}/user/remove`, { users: [{ username: EMAIL.analyst }] });
  assert.equal(r.body.message, "0 users removed", r.text);
  assert.equal((await people.analyst.get(`/api/v1/client/${b}`)).status, 200, "he is still on the other");
});
