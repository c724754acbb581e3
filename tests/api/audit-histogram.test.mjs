/** GET /api/v2/auditlog/histogram: counts are those of the list, whatever is asked; bad times are named. */
import { test, after, before } from "node:test";
import { serve, assert, everything, until, PASSWORD } from "./harness.mjs";

const AT = "/api/v2/auditlog/histogram";
let s, admin, client;
before(async () => {
  s = await serve({ users: [{ email: "rita@example.org", role: "STD_USER" }, { email: "aud@example.org", role: "AUDITOR" }] });
  admin = await s.as();
  for (let i = 0; i < 25; i++) client = (await admin.ok("POST", "/api/v1/client/create", { name: `Bar ${i}` })).client_id;
  for (let i = 0; i < 3; i++) await s.client().request("POST", "/api/v1/authenticate", { username: "rita@example.org", password: PASSWORD + i });
});
after(() => s.stop());

/** Asked again where a quarter of a second was too short for a look at all of it. */
const ask = (edges, q = {}) => until(async () => { const r = await admin.ok("GET", `${AT}?${new URLSearchParams({ edges: edges.join(), ...q })}`); return r.meta.complete && r; }, "a complete count");
const ms = (e) => Date.parse(e.timestamp);
/** Times around and on those of the events, ascending, none twice. */
const edgesOf = (all) => [...new Set([ms(all[0]) - 3_600_000, ...all.filter((_, i) => i % 5 === 0).map(ms), ms(all[all.length - 1]) + 3_600_000])].sort((a, b) => a - b).map((t) => new Date(t).toISOString());

test("each bar holds as many events as the list has there, with every filter", async () => {
  const { newest } = (await admin.ok("GET", "/api/v2/auditlog?limit=1")).meta, before = String(newest + 1); // later views are none of it
  const whole = await everything(admin, { before }), edges = edgesOf(whole);
  assert.ok(edges.length > 5);
  for (const q of [{}, { event_type: "ClientCreated" }, { outcome: "failure" }, { outcome: "success" }, { client: String(client) }, { user: "rita@example.org" }, { user: whole.find((e) => e.actor.email).actor.id }, { q: "bar 1" }, { q: "invalid credentials" },
    { event_type: "ClientCreated", outcome: "failure" }, { event_type: "ClientCreated", q: "bar" }, { request: whole.find((e) => e.event_type === "ClientCreated").request_id }, { from: edges[2], to: edges[4] }, { q: "nothing of the kind" }]) {
    const found = await everything(admin, { ...q, before }), r = await ask(edges, { ...q, before });
    assert.equal(r.meta.complete, true);
    assert.deepEqual(r.data, edges.slice(1).map((to, i) => ({ from: edges[i], to, count: found.filter((e) => e.timestamp >= edges[i] && e.timestamp < to).length })), JSON.stringify(q));
    assert.equal(r.meta.total, found.length, "the edges hold them all");
    assert.deepEqual([r.meta.next, r.meta.whole_from], [null, null]);
  }
});
test("what comes afterwards is behind `newest`, and a cursor counts what is before it", async () => {
  const r = await ask(["1d", new Date(Date.now() + 3_600_000).toISOString()]);
  assert.ok((await admin.events({ limit: "1000" })).some((e) => e.index === r.meta.newest), "an event stands there");
  await admin.ok("POST", "/api/v1/client/create", { name: "Later" });
  assert.ok((await everything(admin, { q: "Later" }))[0].index > r.meta.newest);
  const part = await ask(["1d", new Date(Date.now() + 3_600_000).toISOString()], { cursor: "10" });
  assert.equal(part.meta.total, 10, "the indices 0 to 9");
});
test("edges are dates, times and spans; what is none is named", async () => {
  for (const edges of ["30d,0d", "2026-01-01,2026-02-01", "2026-01-01T00:00:00+02:00,2026-01-01T00:00:00Z", Array.from({ length: 201 }, (_, i) => `${300 - i}d`).join()])
    assert.equal((await admin.get(`${AT}?edges=${edges}`)).status, 200, edges);
  for (const edges of ["", "30d", "0d,30d", "1d,1d", "2026-02-01,2026-01-01", "yesterday,0d", "30d,,0d", ",30d,0d", "30d,0d,", ",", "30d;0d", Array.from({ length: 202 }, (_, i) => `${300 - i}d`).join(), "30d,0d%00", "99999999d,0d", "2026-13-01,0d"]) {
    const r = await admin.get(`${AT}?edges=${edges}`);
    assert.equal(r.status, 400, `${edges}: ${r.text}`);
    assert.deepEqual(r.body.fields.map((f) => f.pointer), ["edges"], `${edges}: ${r.text}`);
    assert.ok(r.body.fields[0].reason.length > 5);
  }
  assert.equal((await admin.get(AT)).body.fields[0].pointer, "edges", "none at all");
  for (const [q, pointer] of [["from=yesterday", "from"], ["outcome=maybe", "outcome"], ["event_type=Nope", "event_type"], [`q=${"x".repeat(1025)}`, "q"], ["client=0", "client"], ["edges=2d,1d", "edges"]]) {
    const r = await admin.get(`${AT}?edges=30d,0d&${q}`);
    assert.deepEqual([r.status, r.body.fields?.map((f) => f.pointer)], [400, [pointer]], q);
  }
});
test("who may see the log may see how many there are, and nobody else", async () => {
  assert.equal((await (await s.as("aud@example.org")).get(`${AT}?edges=30d,0d`)).status, 200);
  assert.equal((await (await s.as("rita@example.org")).get(`${AT}?edges=30d,0d`)).status, 403);
  assert.equal((await s.client().request("GET", `${AT}?edges=30d,0d`)).status, 401);
});
test("counting is a view like the list, and its edges are no part of what was asked", async () => {
  const c = await s.as("aud@example.org"), { cuid } = await admin.event("LoginSuccess", (e) => e.actor.email === "aud@example.org");
  const { session } = (await admin.ok("GET", `/api/v2/auditlog/${cuid}`)).data.actor;
  await c.ok("GET", `${AT}?edges=30d,0d&event_type=ClientCreated`);
  const seen = (await admin.events({ event_type: "AuditLogViewed", limit: "1000" })).filter((e) => e.actor.session === session);
  assert.deepEqual(seen.map((e) => e.private_detail.replace(/;.*/, "")), ["query: event_type=ClientCreated"]);
});
