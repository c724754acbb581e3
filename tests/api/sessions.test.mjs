/** Sessions and access tokens: listing and ending them, the browser's cookie, what a script's token may. */
import { test, after, before } from "node:test";
import { serve, assert, sqlOn, until, PASSWORD, ADMIN } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ proxy: true, users: ["sue", "tom", "una"].map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })) });
  admin = await s.as();
});
after(() => s.stop());
const about = (text) => (e) => JSON.stringify(e).includes(text);
const cookies = (r) => (r.headers["set-cookie"] ?? []).map((c) => c.split(";")[0]).join("; ");
/** What is set, without the values; by TLS each is for TLS alone. */
const cookieLines = (r) => r.headers["set-cookie"].map((c) => c.replace(/^(\w+)=[^;]+;/, "$1=*;").replace(process.env.RECOUNT_TEST_TLS ? /; Secure$/ : /$^/, ""));
const browserSignIn = (email, o = {}) => s.client(o).post("/api/v2/session", { username: email, password: PASSWORD }, { "x-recount": "1" });

test("the browser's cookie: not for scripts, not for other sites", async () => {
  const r = await browserSignIn("sue@example.org");
  assert.equal(r.status, 200, r.text);
  const main = r.headers["set-cookie"].find((c) => c.startsWith("recount="));
  assert.match(main, /HttpOnly/i);
  assert.match(main, /SameSite=Strict/i);
  const [own, ...others] = cookieLines(r);
  assert.match(own, /^recount=\*; Path=\/; Max-Age=(86400|8639\d); HttpOnly; SameSite=Strict$/, "until the session's own end");
  assert.deepEqual(others, ["token=*; Path=/api/v1/uploads; Max-Age=86400; HttpOnly; SameSite=Strict", "recount_device=*; Path=/api/v2/session; Max-Age=31536000; HttpOnly; SameSite=Strict"]);
  assert.equal(r.body.token, undefined, "no token where a script could read it");
  const c = s.client({ cookie: cookies(r) });
  const me = await c.ok("GET", "/api/v2/session");
  assert.equal(me.user.email, "sue@example.org");
  assert.equal(me.idle_minutes, 60);
  assert.ok(me.permissions.includes("CLIENTS.VIEW"));
  const cross = await c.post("/api/v1/client/create", { name: "Cross" });
  assert.equal(cross.status, 403, "a change by cookie needs the header a foreign page can not send");
  assert.equal((await c.post("/api/v1/client/create", { name: "Own" }, { "x-recount": "1" })).status, 200);
  const out = await c.request("DELETE", "/api/v2/session", undefined, { "x-recount": "1" });
  assert.equal(out.status, 200);
  assert.deepEqual(cookieLines(out), ["recount=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", "token=; Path=/api/v1/uploads; Max-Age=0; HttpOnly; SameSite=Strict"], "the browser forgets both");
  assert.equal((await c.get("/api/v2/session")).status, 401);
  await admin.event("Logout", about("sue@example.org"));
});
test("list, end one, end the others", async () => {
  const a = await s.as("tom@example.org"), b = await s.as("tom@example.org"), c = await s.as("tom@example.org");
  const list = async (x) => { const r = await x.ok("GET", "/api/v2/user/sessions"); return r.data ?? r; };
  const all = await list(a);
  assert.equal(all.length, 3);
  assert.equal(all.filter((x) => x.current).length, 1);
  for (const x of all) assert.equal(typeof x.address, "string");
  const ofB = (await list(b)).find((x) => x.current).cuid;
  await a.ok("DELETE", `/api/v2/user/sessions/${ofB}`);
  assert.equal((await b.get("/api/v2/whoami")).status, 401);
  await admin.event("SessionEnded", about("tom@example.org"));
  assert.equal((await a.del(`/api/v2/user/sessions/${ofB}`)).status, 404, "over already");
  await a.ok("DELETE", "/api/v2/user/sessions");
  assert.equal((await c.get("/api/v2/whoami")).status, 401);
  assert.equal((await a.get("/api/v2/whoami")).status, 200);
  const other = (await list(admin)).find((x) => x.current).cuid;
  assert.equal((await a.del(`/api/v2/user/sessions/${other}`)).status, 404, "another person's");
});
test("an ended session's streams end too", async () => {
  const a = await s.as(), st = await (await s.as()).stream();
  await st.wait((e) => e.event === "hello");
  await a.ok("DELETE", "/api/v2/user/sessions");
  await until(() => st.ended, "the end of the stream");
  admin = a;
});
test("an access token: named, read-only, narrowed, revocable, recorded", async () => {
  const made = await admin.ok("POST", "/api/v2/user/tokens", { name: "nightly export", expires_days: 30, scopes: ["AUDIT_LOG.VIEW"] });
  assert.match(made.token, /^rct_/);
  await admin.event("AccessTokenCreated", about("nightly export"));
  const script = s.client({ token: made.token, from: "10.9.9.9" });
  assert.equal((await script.get("/api/v2/auditlog?limit=1")).status, 200);
  assert.equal((await script.get("/api/v1/tenant/0/user/list")).status, 403, "outside its scopes");
  assert.equal((await script.post("/api/v1/client/create", { name: "x" })).status, 403, "read-only");
  assert.equal((await script.post("/api/v2/user/tokens", { name: "y", scopes: [] })).status, 403);
  await admin.event("AccessTokenUsed", about("nightly export"));
  const listed = await admin.ok("GET", "/api/v2/user/tokens");
  assert.equal(JSON.stringify(listed).includes(made.token), false, "shown once");
  await admin.ok("DELETE", `/api/v2/user/tokens/${made.cuid}`);
  assert.equal((await script.get("/api/v2/auditlog")).status, 401);
  const gone = await admin.event("AccessTokenRevoked", about("nightly export"));
  assert.deepEqual(gone.changes.map((c) => [c.field, c.after]), [["scopes", null], ["expires", null]]);
  assert.equal(gone.changes[0].before, "AUDIT_LOG.VIEW");
  assert.ok(Math.abs(Date.parse(gone.changes[1].before) - Date.now() - 30 * 86_400_000) < 600_000, gone.changes[1].before);
});
test("a token gives no more than its owner holds", async () => {
  const una = await s.as("una@example.org");
  const r = await una.post("/api/v2/user/tokens", { name: "greedy", scopes: ["AUDIT_LOG.VIEW"] });
  assert.ok([400, 403].includes(r.status), r.text);
  for (const bad of [{ name: "", scopes: [] }, { name: "x", scopes: ["NO.SUCH"] }, { name: "x", scopes: "all" }, { name: "x", scopes: ["CLIENTS.VIEW"], expires_days: 100000 }])
    assert.equal((await una.post("/api/v2/user/tokens", bad)).status, 400, JSON.stringify(bad));
});
test("an access token reads what its scopes name, by every route and method, and nothing beside them", async () => {
  const una = await s.as("una@example.org"), client = (await admin.ok("POST", "/api/v1/client/create", { name: "Scoped" })).client_id;
  await admin.ok("POST", `/api/v2/tenant/0/client/${client}/user/assign`, { users: [{ username: "una@example.org", role: "STD_USER" }] });
  const make = async (...scopes) => s.client({ token: (await una.ok("POST", "/api/v2/user/tokens", { name: scopes.join(), expires_days: 1, scopes })).token });
  const clients = await make("CLIENTS.VIEW"), tags = await make("ADMINISTRATION.TAGS_VIEW"), page = { pagination: { offset: 0, limit: 10 } };
  assert.deepEqual((await clients.ok("POST", "/api/v2/clients", page)).data.map((c) => c.name), ["Scoped"], "a list that is asked for by POST is read");
  assert.deepEqual((await clients.ok("POST", `/api/v2/client/${client}/findings`, page)).data, []);
  assert.deepEqual(await tags.ok("POST", "/api/v1/tenant/0/tag/find", { name: "none" }), []);
  assert.equal((await clients.post("/api/v1/tenant/0/tag/find", { name: "none" })).status, 403);
  assert.deepEqual((await tags.ok("POST", "/api/v2/clients", page)).data, []);
  const other = await tags.ok("GET", "/api/v2/dashboard");
  assert.deepEqual([other.clients, other.activity], [[], []], "neither clients nor what its owner did");
  for (const c of [clients, tags]) {
    assert.equal((await c.get("/api/v1/user/notifications")).status, 403, "no scope names notices");
    const own = await c.ok("GET", `/api/v2/tenants/0/user/${(await c.ok("GET", "/api/v2/whoami")).user_id}/permissions`);
    assert.deepEqual([own.permissions, own.clients, own.isAdmin], [[c === tags ? "ADMINISTRATION.TAGS_VIEW" : "CLIENTS.VIEW"], {}, false]);
    for (const [method, target, body] of [["POST", "/api/v1/client/create", { name: "x" }], ["PUT", `/api/v1/client/${client}`, { name: "x" }], ["DELETE", `/api/v1/client/${client}`], ["POST", "/api/v1/tenant/0/tag", { name: "x" }],
      ["PUT", "/api/v1/user/update", { name: { first: "X", last: "Y" } }], ["PUT", "/api/v1/token/refresh"], ["PUT", "/api/v1/authenticate", {}], ["POST", "/api/v2/user/tokens", { name: "x", scopes: ["CLIENTS.VIEW"] }], ["GET", "/api/v2/user/tokens"], ["GET", "/api/v2/user/sessions"], ["DELETE", "/api/v2/session"]])
      assert.equal((await c.request(method, target, body)).status, 403, `${method} ${target}`);
  }
});
test("failures from elsewhere do not lock out a browser that signed in before", async () => {
  const first = await browserSignIn("una@example.org", { from: "10.7.0.1" });
  const device = cookies(first);
  for (let i = 0; i < 7; i++)
    await s.client({ from: `10.8.0.${i}` }).post("/api/v1/authenticate", { username: "una@example.org", password: "nope" });
  assert.equal((await s.client({ from: "10.8.1.1" }).post("/api/v1/authenticate", { username: "una@example.org", password: PASSWORD })).status, 401, "locked for others");
  const again = await s.client({ from: "10.7.0.1", cookie: device }).post("/api/v2/session", { username: "una@example.org", password: PASSWORD }, { "x-recount": "1" });
  assert.equal(again.status, 200, again.text);
});
test("what a page asks by itself is no use of the session; what a person asks is", async () => {
  const r = await browserSignIn("tom@example.org");
  await s.stop({ drop: false });
  sqlOn(s.store, `UPDATE session SET last_used = last_used - 600000000`); // ten minutes ago
  await s.start();
  const c = s.client({ cookie: cookies(r) }), idle = { "x-recount": "background" };
  const used = async () => { const l = await c.ok("GET", "/api/v2/user/sessions", undefined, idle); return (l.data ?? l).find((x) => x.current).last_used; };
  const before = await used();
  for (const at of ["/api/v2/session", "/api/v2/dashboard", "/api/v1/user/notifications"]) await c.ok("GET", at, undefined, idle);
  assert.equal(await used(), before);
  await c.ok("GET", "/api/v2/session");
  assert.ok((await used()) > before);
  admin = await s.as();
});
void ADMIN;
