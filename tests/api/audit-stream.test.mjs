/** Live: server-sent events from the same cursor; ended within a second when session or right is lost. */
import { test, after, before } from "node:test";
import { serve, assert, until, PASSWORD } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "eve@example.org", role: "AUDITOR" }, { email: "std@example.org", role: "STD_USER" }, { email: "ada2@example.org", role: "AUDITOR" }] });
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
  assert.ok(took < 5000, `${took} ms`);
  assert.equal((await eve.get("/api/v2/auditlog")).status, 401);
});
test("at most twenty streams a user", async () => {
  const ada = await s.as("ada2@example.org", PASSWORD);
  const open = [];
  for (let i = 0; i < 20; i++) open.push(await ada.stream());
  assert.ok(open.every((x) => x.status === 200));
  assert.equal((await ada.get("/api/v2/auditlog/stream")).status, 429);
  for (const x of open) x.close();
  await until(async () => {
    const again = await ada.stream();
    again.close();
    return again.status === 200;
  }, "places to be free again");
});
