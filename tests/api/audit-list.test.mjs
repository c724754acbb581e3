/** GET /api/v2/auditlog: documented form first, then what goes beyond it. */
import { test, after, before } from "node:test";
import { serve, assert, everything, ADMIN, recount } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "rita@example.org", role: "STD_USER" }] });
  admin = await s.as();
  for (let i = 0; i < 30; i++) await admin.ok("POST", "/api/v1/client/create", { name: `Client ${String(i).padStart(2, "0")}` });
});
after(() => s.stop());

test("the documented members, newest first", async () => {
  const r = await admin.ok("GET", "/api/v2/auditlog?limit=5&offset=0");
  assert.equal(r.data.length, 5);
  for (const e of r.data) {
    for (const k of ["cuid", "user_info", "message", "event_type", "timestamp"]) assert.equal(typeof e[k], "string", k);
    assert.match(e.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  }
  const t = r.data.map((e) => e.timestamp);
  assert.deepEqual(t, [...t].sort().reverse());
});
test("offset counts records; before= keeps pages still while events arrive", async () => {
  const all = await admin.events({ limit: "1000" });
  const newest = all[0].index;
  const first = await admin.ok("GET", `/api/v2/auditlog?limit=10&offset=0&before=${newest + 1}`);
  await admin.ok("POST", "/api/v1/client/create", { name: "Between" });
  const second = await admin.ok("GET", `/api/v2/auditlog?limit=10&offset=10&before=${newest + 1}`);
  const got = [...first.data, ...second.data].map((e) => e.cuid);
  assert.deepEqual(got, all.slice(0, 20).map((e) => e.cuid));
});
test("cursors walk the whole log once, in both orders", async () => {
  await admin.events({ limit: "1" }); // what was created last is behind its first page, too
  for (const order of ["desc", "asc"]) {
    const seen = [];
    let cursor;
    do {
      const r = await admin.ok("GET", `/api/v2/auditlog?limit=7&order=${order}${cursor === undefined ? "" : `&cursor=${cursor}`}&event_type=ClientCreated`);
      seen.push(...r.data.map((e) => e.index));
      cursor = r.meta.more ? r.meta.next : null;
    } while (cursor !== null);
    assert.equal(seen.length, 31);
    assert.equal(new Set(seen).size, 31);
    assert.deepEqual(seen, [...seen].sort((a, b) => (order === "asc" ? a - b : b - a)));
  }
});
test("indices are gapless from zero", async () => {
  const r = await admin.ok("GET", "/api/v2/auditlog?limit=1000&order=asc");
  assert.deepEqual(r.data.map((e) => e.index), r.data.map((_, i) => i));
});
test("an acknowledged change is in the list that is asked for next", async () => {
  for (let i = 0; i < 20; i++) {
    const name = `Seen at once ${i}`;
    await admin.ok("POST", "/api/v1/client/create", { name });
    const top = await admin.events({ limit: "3", event_type: "ClientCreated" }); // the first that says that it is settled
    assert.ok(JSON.stringify(top).includes(name), `${name} is not among ${JSON.stringify(top.map((e) => e.message))}`);
  }
});
test("filters: type, outcome, client, user, dates", async () => {
  const list = await admin.ok("GET", "/api/v1/client/list");
  const id = list.find((r) => r.data[1] === "Client 07").doc_id[0];
  const of = await admin.events({ client: String(id) });
  assert.ok(of.length >= 1 && of.every((e) => e.client?.id === id));
  assert.ok((await admin.events({ outcome: "success" })).every((e) => e.outcome === "success"));
  assert.equal((await admin.events({ from: "2001-01-01", to: "2001-01-02" })).length, 0);
  assert.ok((await admin.events({ from: "30d" })).length > 0);
  assert.ok((await admin.events({ user: ADMIN.email })).length > 20);
  const about = await admin.events({ user: "rita@example.org" });
  assert.ok(about.some((e) => e.event_type === "UserCreated"), "the filter matches the target too");
});
test("absurd dates and numbers get a clear answer", async () => {
  for (const q of ["from=2026-99-99", "from=yesterday", "from=2030-01-01&to=2020-01-01", "limit=0", "limit=x", "offset=-1", "event_type=Nope",
    "outcome=maybe", "client=abc", "order=sideways", `q=${"x".repeat(1025)}`]) {
    const r = await admin.get(`/api/v2/auditlog?${q}`);
    assert.equal(r.status, 400, `${q}: ${r.status}`);
    assert.ok(r.body.fields?.length >= 1 && r.body.fields[0].reason, q);
  }
  assert.equal((await admin.get("/api/v2/auditlog?limit=100000")).status, 200);
  for (const q of ["q=%ff", "q=%00", "limit=5&q=%e2%82", "q=%zz", "limit=5?q=%4"]) {
    const r = await admin.get(`/api/v2/auditlog?${q}`);
    assert.deepEqual([r.status, r.body.fields?.map((f) => f.pointer)], [400, ["q"]], q);
    assert.match(r.body.requestId, /^c[a-z0-9]{24}$/, q);
  }
  for (const zone of ["2026-01-01T00:00:00%2B14:00", "2026-01-01T00:00:00+05:30", "2026-01-01T00:00:00-12:00", "2026-01-01T00:00:00Z"])
    assert.equal((await admin.get(`/api/v2/auditlog?from=${zone}`)).status, 200, zone);
  const from = (zone) => admin.ok("GET", `/api/v2/auditlog?from=2026-01-01T00:00:00${zone}`).then((r) => r.meta.from);
  assert.equal(await from("+05:30"), await from("%2B05:30"), "a plus that nobody encoded");
  for (const bad of ["2026-01-01T00:00:00 ", "2026-01-01 +05:30", "+05:30", "2026-01-01T00:00:00++05:30"]) assert.equal((await admin.get(`/api/v2/auditlog?from=${bad.replaceAll(" ", "%20")}`)).status, 400, bad);
});
test("on the command line a wrong option is wrong usage, and a span is hours too", async () => {
  const list = (...o) => recount(["audit", "list", "--data", s.store.data, ...s.store.flags, ...o]);
  for (const o of [["--from", "30x"], ["--to", "yesterday"], ["--event-type", "Nope"], ["--limit", "0"], ["--tenant", "x"]]) {
    const r = list(...o);
    assert.equal(r.status, 2, `${o}: ${r.err}`);
    assert.match(r.err, new RegExp(o[0]), "the option is named");
  }
  assert.equal(list("--from", "24h", "--limit", "1").status, 0);
  assert.equal(list("--tenant", "77").status, 1);
});
test("one event by its cuid; another's is not found", async () => {
  const [e] = await admin.events({ event_type: "ClientCreated", limit: "1" });
  const one = await admin.ok("GET", `/api/v2/auditlog/${e.cuid}`);
  assert.equal(one.data.cuid, e.cuid);
  assert.match(one.data.leaf, /^[0-9a-f]{64}$/);
  assert.equal((await admin.get("/api/v2/auditlog/c000000000000000000000000")).status, 404);
  assert.ok([400, 404].includes((await admin.get("/api/v2/auditlog/..%2f")).status));
});
test("the catalogue has the interface's twenty names, two of them never recorded", async () => {
  const { data } = await admin.ok("GET", "/api/v2/auditlog/catalogue");
  const names = data.map((e) => e.name ?? e.event_type);
  for (const n of ["LoginSuccess", "LoginFail", "LoginLockout", "UserUnlocked", "UserCreated", "UserDeleted", "UserEnabled", "UserDisabled", "PasswordChanged",
    "PasswordChangedByOther", "TenantRoleCreated", "TenantRoleDeleted", "TenantRoleUpdated", "TenantRoleAssigned", "TenantRoleRemoved",
    "UserClientRoleAssigned", "UserClientRoleRemoved", "AddedToDefaultGroup", "ClientLicenseUpdated", "UserLicenseUpdated"])
    assert.ok(names.includes(n), n);
});
test("the answer prints its window: at least 120 days, next change on a first", async () => {
  const { meta } = await admin.ok("GET", "/api/v2/auditlog?limit=1");
  const since = new Date(meta.window.since), next = new Date(meta.window.next_change);
  assert.equal(since.getUTCDate(), 1);
  assert.equal(next.getUTCDate(), 1);
  assert.ok(Date.now() - since.getTime() > 120 * 86400e3);
  assert.ok(next.getTime() > Date.now());
});
test("viewing the log is one event a minute, and its query is not found by plain words", async () => {
  const c = await fresh(), began = Date.now();
  for (let i = 0; i < 5; i++) await c.events({ q: "zebrafinch" });
  const views = await looks(c), minutes = Math.ceil((Date.now() - began) / 60_000);
  assert.ok(views.length >= 1 && views.length <= minutes + 1, `${views.length} views in ${minutes} minutes`);
  assert.equal((await admin.events({ q: "zebrafinch" })).length, 0);
});
/** What the log says that this session looked at, oldest first: "query: …" without what follows. */
const looks = async (c) => (await admin.events({ event_type: "AuditLogViewed", limit: "1000" })).filter((e) => e.actor.session === c.session).map((e) => e.private_detail.replace(/;.*/, "")).reverse();
/** A session of its own, of which no view has been recorded yet. */
async function fresh(email = ADMIN.email) {
  const c = await s.as(email), { cuid } = await admin.event("LoginSuccess", (e) => e.actor.email === email);
  return Object.assign(c, { session: (await admin.ok("GET", `/api/v2/auditlog/${cuid}`)).data.actor.session });
}
test("one event, read by its address, is a view like the list", async () => {
  const [{ cuid }] = await admin.events({ event_type: "ClientCreated", limit: "1" }), c = await fresh(), began = Date.now();
  assert.equal((await c.get("/api/v2/auditlog/c00000000000000000000000")).status, 404);
  for (let i = 0; i < 5; i++) await c.ok("GET", `/api/v2/auditlog/${cuid}`);
  const seen = await looks(c);
  assert.ok(seen.length >= 1 && seen.length <= Math.ceil((Date.now() - began) / 60_000) + 1, `${seen.length} views`); // two where the minute turns
  assert.equal(seen[0], `query: event ${cuid}`);
});
test("so are the events on the first page of who may see them, and of nobody else", async () => {
  const c = await fresh();
  for (let i = 0; i < 5; i++) {
    const d = await c.ok("GET", `/api/v2/dashboard${i ? "?follow=1" : ""}`);
    assert.equal(d.activityScope, "workspace");
    assert.ok(d.activity.length > 0 && d.activity.every((e) => e.event_type !== "AuditLogViewed"), "looking is not among them");
  }
  assert.deepEqual(await looks(c), ["query: dashboard"], "and following it adds nothing");
  const rita = await fresh("rita@example.org");
  assert.equal((await rita.ok("GET", "/api/v2/dashboard")).activityScope, "own");
  assert.deepEqual(await looks(rita), []);
});
test("the first page shows what happened, however often somebody looked since", async () => {
  const c = await s.as(), name = "Before all the looking";
  await c.ok("POST", "/api/v1/client/create", { name });
  for (let i = 0; i < 12; i++) await (await s.as()).ok("GET", "/api/v2/auditlog?limit=1"); // each a view of its own
  await c.ok("GET", "/api/v2/auditlog/access");
  const log = await c.events({ limit: "13", event_type: "AuditLogViewed" });
  assert.ok(log.length === 13, "more views than the page has rows");
  const d = await c.ok("GET", "/api/v2/dashboard");
  assert.equal(d.activity.length, 10);
  assert.deepEqual(d.activity.filter((e) => /Viewed$/.test(e.event_type)), []);
});
test("a manifest, which tells how many there are, is one too", async () => {
  const c = await fresh();
  await c.ok("GET", "/api/v2/auditlog/export/manifest?event_type=ClientCreated");
  assert.deepEqual(await looks(c), ["query: event_type=ClientCreated"]);
});
test("recount audit list reads the same events offline", async () => {
  const r = recount(["audit", "list", "--query", "Seen at once 7", "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  assert.match(r.out, /Seen at once 7/);
});
test("a clock that did not step has nothing to confirm, and the window says so", async () => {
  const { meta } = await admin.ok("GET", "/api/v2/auditlog?limit=1");
  assert.equal(meta.window.held_by_clock_step, false);
  const r = await admin.request("POST", "/api/v2/auditlog/clock", {});
  assert.equal(r.status, 409, r.text);
});
test("all events of one request: exactly those, in list, stream and export; another text is refused by name", async () => {
  await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk", ["r1", "r2", "r3"].map((n) => ({ email: `${n}@request.example`, role: "ANALYST", name: { first: n, last: "R" } })));
  const all = await everything(admin), ids = new Set(all.map((e) => e.request_id).filter(Boolean));
  assert.ok(ids.size > 5);
  for (const request of ids) assert.deepEqual((await everything(admin, { request })).map((e) => e.cuid), all.filter((e) => e.request_id === request).map((e) => e.cuid), request);
  const bulk = all.filter((e) => e.event_type === "UserCreated" && /@request\.example/.test(e.message)), request = bulk[0].request_id;
  assert.equal(bulk.length, 3);
  assert.ok(bulk.every((e) => e.request_id === request), "one request, an event each");
  assert.deepEqual((await admin.events({ request, event_type: "UserCreated", q: "r2@request" })).map((e) => e.cuid), bulk.filter((e) => /r2@/.test(e.message)).map((e) => e.cuid), "with other filters");
  const file = await admin.get(`/api/v2/auditlog/export?format=ndjson&request=${request}`);
  assert.equal(file.status, 200);
  assert.equal(file.text.trim().split("\n").filter((l) => JSON.parse(l).event_type === "UserCreated").length, 3);
  for (const bad of ["x", "c123", "'; DROP TABLE audit_event; --", "c" + "Z".repeat(24)]) {
    const r = await admin.get(`/api/v2/auditlog?request=${encodeURIComponent(bad)}`);
    assert.equal(r.status, 400, bad);
    assert.equal(r.body.fields[0].pointer, "request");
  }
  assert.deepEqual(await admin.events({ request: "c000000000000000000000000" }), [], "of none");
});
