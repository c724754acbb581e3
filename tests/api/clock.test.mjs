/** The clock: a step seen over a restart holds the month end until somebody confirms; a start says how long the server was off. */
import { test, after, before } from "node:test";
import { serve, recount, assert, sqlOn, until } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "std@example.org", role: "STD_USER" }] });
  admin = await s.as();
});
after(() => s.stop());

const held = async () => (await admin.ok("GET", "/api/v2/auditlog?limit=1")).meta.window.held_by_clock_step;
const again = async (change) => {
  await s.stop({ drop: false });
  if (change) sqlOn(s.store, change);
  await s.start();
  admin = await s.as();
};
const instance = (query) => {
  const r = recount(["audit", "list", "--instance", "--query", query, "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  return r.out;
};

test("nothing is held, and there is nothing to confirm", async () => {
  assert.equal(await held(), false);
  assert.equal((await admin.post("/api/v2/auditlog/clock")).status, 409);
  assert.deepEqual(await admin.events({ event_type: "ClockStepped" }), []);
});
test("a step while the server was off is seen, said in the workspace's log, and holds over restarts", async () => {
  await again(`UPDATE audit_clock SET wall = wall + ${3 * 3600 * 1_000_000}`);
  assert.equal(await held(), true);
  const e = await admin.event("ClockStepped");
  assert.match(e.message, /set back by 1\d\d min|set back by 2 h|set back by 3 h/);
  assert.match(e.message, /until an administrator confirms/);
  await again();
  assert.equal(await held(), true);
  assert.equal((await admin.events({ event_type: "ClockStepped" })).length, 1, "told once");
  assert.match(instance("ClockStepped"), /set back/);
});
test("only who may set the retention confirms it; then drops go on, also after a restart", async () => {
  const std = await s.as("std@example.org");
  assert.equal((await std.post("/api/v2/auditlog/clock")).status, 403);
  assert.equal(await held(), true);
  await admin.ok("POST", "/api/v2/auditlog/clock");
  assert.equal(await held(), false);
  await admin.event("SettingChanged", (e) => /confirmed the clock/.test(e.message));
  assert.equal((await admin.post("/api/v2/auditlog/clock")).status, 409);
  await again();
  assert.equal(await held(), false);
});
test("after another boot, a gap of days that nobody saw is asked about", async () => {
  await again(`UPDATE audit_clock SET boot = 'another', wall = wall - ${9 * 86400 * 1_000_000}`);
  assert.equal(await held(), true);
  await admin.event("ClockStepped", (e) => /stands 9 days after it was last seen/.test(e.message));
  await admin.ok("POST", "/api/v2/auditlog/clock");
});
test("a start says since when the server was off, and whether the run before ended cleanly", async () => {
  await again();
  await until(() => /it was off for \d+ s\b(?!; the previous)/.test(instance("started")), "the clean start");
  await s.kill();
  await s.start();
  admin = await s.as();
  await until(() => /it was off for \d+ s; the previous run ended uncleanly/.test(instance("started")), "the start after the crash");
});
