/** Live: server-sent events from the same cursor; ended within a second when session or right is lost. */
import { test, after, before } from "node:test";
import { serve, assert, until, PASSWORD } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "eve@example.org", role: "AUDITOR" }, { email: "std@example.org", role: "STD_USER" }, { email: "ada2@example.org", role: "AUDITOR" }, { email: "ted@example.org", role: "AUDITOR" }] });
  admin = await s.as();
});
after(() => s.stop());

test("new events arrive once each, in order, with their index as id", async () => {
  const st = await admin.stream();
  assert.equal(st.status, 200);
  assert.match(st.rs.headers["content-type"], /^text\/event-stream/);
  await st.wait((e) => e.event === "hello");
  for (let i = 0; i < 25; i++) await admin.ok("POST", "/api/v1/client/create", { name: `Live ${i}` });
  await until(() => st.events.filter((e) => e.json?.event_type === "ClientCreated").length >= 25, "25 events");
  const ids = st.events.filter((e) => e.event === "audit").map((e) => Number(e.id));
  assert.deepEqual(ids, [...ids].sort((a, b) => a - b));
  assert.equal(new Set(ids).size, ids.length);
  st.close();
});
test("a broken connection is taken up where it ended", async () => {
  const last = (await admin.events({ limit: "5" }))[4].index;
  const rs = await admin.request("GET", "/api/v2/auditlog/stream", undefined, { "last-event-id": String(last) }, { stream: true });
  const { Stream } = await import("./harness.mjs");
  const st = new Stream(rs);
  await until(() => st.events.filter((e) => e.event === "audit").length >= 4, "the four missed events");
  assert.equal(Number(st.events.find((e) => e.event === "audit").id) > last, true);
  st.close();
});
test("filters hold for streams", async () => {
  const st = await admin.stream("/api/v2/auditlog/stream?q=onlythis");
  await st.wait((e) => e.event === "hello");
  await admin.ok("POST", "/api/v1/client/create", { name: "Other" });
  await admin.ok("POST", "/api/v1/client/create", { name: "Onlythis one" });
  await st.wait((e) => e.json?.message?.includes("Onlythis"));
  assert.ok(!st.events.some((e) => e.json?.message?.includes("Other")));
  st.close();
});
test("a stream of hints says how far the log reaches, and nothing of what is in it", async () => {
  const st = await admin.stream("/api/v2/auditlog/hints?q=matchesnothing");
  const hello = await st.wait((e) => e.event === "hello");
  assert.deepEqual(Object.keys(hello.json), ["newest", "notice"]);
  assert.equal(hello.json.notice, "", "nobody was told anything yet");
  await admin.ok("POST", "/api/v1/client/create", { name: "Hinted" });
  const e = await admin.event("ClientCreated", (x) => x.message.includes("Hinted"));
  await st.wait((x) => x.event === "newest" && x.json.newest >= e.index, "a hint");
  const said = st.events.filter((x) => x.json).map((x) => x.json.newest);
  assert.deepEqual(said, [...new Set(said)].sort((a, b) => a - b), "each step once");
  assert.doesNotMatch(st.text, /Hinted|ClientCreated/);
  await admin.ok("PUT", "/api/v2/auditlog/retention", { months_kept: 12 });
  await admin.ok("PUT", "/api/v2/auditlog/retention", { months_kept: 6 });
  const [told] = (await admin.ok("GET", "/api/v1/user/notifications")).data;
  const mark = (await st.wait((x) => x.json?.notice, "that there is a notice")).json.notice;
  assert.match(mark, /^c[0-9a-z]{24}$/);
  assert.doesNotMatch(st.text.replace(/\bc[0-9a-z]{24}\b/g, ""), /kept/);
  assert.equal(told.message.split("\n")[0], "The audit log will be kept shorter");
  st.close();
});
test("who may only view follows the page by hints and the list, and takes no stream of events", async () => {
  const R = "/api/v2/tenants/0/security/role", r = await admin.ok("POST", R, { title: "Viewer", permissions: ["AUDIT_LOG.VIEW"] });
  const id = (await admin.ok("GET", "/api/v2/tenants/0/users?filter=ada2")).data[0].user_id;
  await admin.ok("PUT", `/api/v2/tenants/0/users/${id}`, { roles: [r.key] });
  const ada = await s.as("ada2@example.org");
  const denied = await ada.get("/api/v2/auditlog/stream");
  assert.equal(denied.status, 403);
  assert.match(denied.body.message, /stream/i);
  const st = await ada.stream("/api/v2/auditlog/hints"), at = (await st.wait((e) => e.event === "hello")).json.newest;
  await admin.ok("POST", "/api/v1/client/create", { name: "Seen by following" });
  await st.wait((e) => e.event === "newest" && e.json.newest > at);
  const got = async () => (await ada.ok("GET", `/api/v2/auditlog?follow=${at}`)).data.some((e) => e.message.includes("Seen by following"));
  await until(got, "the event behind the cursor");
  await admin.ok("PUT", `${R}/${r.id}/permissions`, { permissions: ["AUDIT_LOG.STREAM"] });
  await st.wait((e) => e.event === "ended", "the end of the hints with the right to view");
  assert.equal((await ada.get("/api/v2/auditlog/hints")).status, 401, "who lost a right is signed out");
  const again = await s.as("ada2@example.org");
  assert.equal((await again.get("/api/v2/auditlog/hints")).status, 403);
  const full = await again.stream("/api/v2/auditlog/stream");
  await full.wait((e) => e.event === "hello");
  await admin.ok("PUT", `${R}/${r.id}/permissions`, { permissions: ["AUDIT_LOG.VIEW"] });
  await full.wait((e) => e.event === "ended", "the end of the stream with the right to it");
  full.close(); st.close();
  await admin.ok("PUT", `/api/v2/tenants/0/users/${id}`, { roles: ["AUDITOR"] });
});
test("following: what is new behind a cursor, oldest first, by the filter, each once", async () => {
  const ada = await s.as("ada2@example.org");
  let at = (await ada.ok("GET", "/api/v2/auditlog?limit=1")).meta.newest;
  const from = at, got = [], ask = async () => {
    const a = await ada.ok("GET", `/api/v2/auditlog?follow=${at}&limit=2&event_type=ClientCreated`);
    assert.ok(a.meta.next >= at, "the cursor never goes back");
    got.push(...a.data);
    at = a.meta.next;
    return a.meta.more;
  };
  for (let i = 0; i < 5; i++) { await admin.ok("POST", "/api/v1/client/create", { name: `Followed ${i}` }); if (i % 2) await ask(); }
  await until(async () => { while (await ask()); return got.length >= 5; }, "all five");
  assert.deepEqual(got.map((e) => e.message.match(/Followed \d/)[0]), [0, 1, 2, 3, 4].map((i) => `Followed ${i}`));
  const end = (await admin.ok("GET", "/api/v2/auditlog?limit=1")).meta.newest;
  while (await ask());
  assert.ok(at >= end, "the cursor passes what the filter does not show");
  assert.equal((await ada.get("/api/v2/auditlog?follow=x")).status, 400);
  const own = (await ada.ok("GET", `/api/v2/auditlog?follow=${from - 1}&event_type=AuditLogViewed`)).data;
  assert.ok(own.every((e) => !e.user_info.includes("ada2@example.org")), "one's own viewing is never new");
});
test("following is noted once an hour at most, but never goes unnoted", async () => {
  const viewed = async (who) => (await admin.events({ event_type: "AuditLogViewed", limit: "1000" })).filter((e) => e.user_info.includes(who)).length;
  const fresh = await s.as("ada2@example.org"), before = await viewed("ada2@example.org");
  await fresh.ok("GET", "/api/v2/auditlog?follow=0"); // a session that has viewed nothing yet
  await until(async () => (await viewed("ada2@example.org")) === before + 1, "the reading to be noted");
  for (let i = 0; i < 5; i++) await fresh.ok("GET", "/api/v2/auditlog?follow=0");
  const st = await fresh.stream("/api/v2/auditlog/stream?after=0");
  await st.wait((e) => e.event === "audit");
  st.close();
  assert.equal(await viewed("ada2@example.org"), before + 1);
  const other = await s.as("ada2@example.org");
  const own = await other.stream("/api/v2/auditlog/stream?after=0");
  await until(async () => (await viewed("ada2@example.org")) === before + 2, "a stream's reading to be noted");
  own.close();
});
test("someone without the right gets 403", async () => {
  const c = await s.as("std@example.org");
  assert.equal((await c.get("/api/v2/auditlog/stream")).status, 403);
  await admin.event("AccessDenied", (e) => e.user_info.includes("std@example.org"));
});
test("disabling the reader ends his stream within a second or two", async () => {
  const eve = await s.as("eve@example.org");
  const st = await eve.stream();
  await st.wait((e) => e.event === "hello");
  const t = performance.now();
  await admin.ok("POST", "/api/v1/tenant/0/user/toggledisabled", { email: "eve@example.org", disabled: true });
  await until(() => st.ended, "the end of the stream");
  const took = performance.now() - t;
  assert.ok(took < 20_000, `${took} ms`); // left alone it would stay open; how soon on an idle machine is for the eye: a second
  assert.equal((await eve.get("/api/v2/auditlog")).status, 401);
});
async function newRole(title) {
  await admin.ok("POST", "/api/v2/tenants/0/security/role", { title });
  return (await admin.ok("GET", "/api/v2/tenants/0/security/role")).data.find((r) => r.title === title);
}
test("losing the right ends the stream with the session; who signs in again has the rest", async () => {
  const R = "/api/v2/tenants/0/security/role", { key, id } = await newRole("Listener");
  const give = (permissions) => admin.ok("PUT", `${R}/${id}/permissions`, { permissions });
  await give(["AUDIT_LOG.VIEW", "AUDIT_LOG.STREAM", "CLIENTS.VIEW"]);
  const { user_id } = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50")).data.find((u) => u.email === "std@example.org");
  await admin.ok("PUT", `/api/v2/tenants/0/users/${user_id}`, { roles: [key] });
  const c = await s.as("std@example.org"), st = await c.stream();
  await st.wait((e) => e.event === "hello");
  await give(["CLIENTS.VIEW"]);
  await until(() => st.ended, "the end of the stream");
  assert.equal((await c.get("/api/v2/whoami")).status, 401);
  const again = await s.as("std@example.org");
  assert.equal((await again.get("/api/v2/auditlog/stream")).status, 403);
  assert.equal((await again.get("/api/v2/whoami")).status, 200);
});
test("at most twenty streams a user", async () => {
  const ted = await s.as("ted@example.org", PASSWORD); // who had none before: of one that was closed the server hears a moment later
  const open = [];
  for (let i = 0; i < 20; i++) open.push(await ted.stream());
  assert.ok(open.every((x) => x.status === 200));
  assert.equal((await ted.get("/api/v2/auditlog/stream")).status, 429);
  for (const x of open) x.close();
  await until(async () => {
    const again = await ted.stream();
    again.close();
    return again.status === 200;
  }, "places to be free again");
});
