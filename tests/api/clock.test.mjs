/** The clock: a step seen over a restart holds the month end until somebody confirms; a start says how long the server was off, and the
 *  workspace's own list shows the gap. */
import { test, after, before } from "node:test";
import { serve, recount, assert, sqlOn, until, createUser } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "std@example.org", role: "STD_USER" }], tampers: true });
  admin = await s.as();
});
/** Time is made to pass by setting runs and gaps back: that is found, and nothing else. */
after(async () => {
  await s.stop({ drop: false });
  const found = s.check().out.split("\n").filter((l) => l.startsWith("damaged: "));
  s.store.drop();
  assert.notEqual(found.length, 0);
  assert.deepEqual(found.filter((l) => !/in process_run|of run_gap/.test(l)), []);
});

const held = async () => (await admin.ok("GET", "/api/v2/auditlog?limit=1")).meta.window.held_by_clock_step;
const again = async (change) => {
  await s.stop({ drop: false });
  if (change) sqlOn(s.store, change);
  await s.start();
  admin = await s.as();
};
/** As if all gaps had been told, an hour ago: on a busy machine a restart may be one. */
const forget = () => sqlOn(s.store, "UPDATE run_gap SET told_at = 0, starts = 0, unclean = 0, us = 0, since = 0, latest = 0");
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
  const told = (await admin.events({ event_type: "ServerRunGap" })).length;
  await s.kill();
  forget();
  await s.start();
  admin = await s.as();
  await until(() => /it was off for \d+ s; the previous run ended uncleanly/.test(instance("started")), "the start after the crash");
  await until(async () => (await admin.events({ event_type: "ServerRunGap" })).length === told + 1, "the gap in the workspace's list");
  const [e] = await admin.events({ event_type: "ServerRunGap" });
  assert.match(e.message, /run of the server did not end in order/);
  assert.equal((await admin.ok("GET", "/api/v2/auditlog/catalogue")).data.find((x) => x.name === "ServerRunGap").title, "Gap between runs of the server");
});
test("a time without a server is shown as one, though commands ran meanwhile", async () => {
  await s.stop({ drop: false });
  createUser(s.store, { email: "meanwhile@example.org", role: "STD_USER" }); // a command is no run
  sqlOn(s.store, `UPDATE process_run SET stopped_at = stopped_at - ${3600 * 1_000_000}, seen_at = seen_at - ${3600 * 1_000_000}`);
  sqlOn(s.store, "UPDATE tenant SET created_at = 0"); // a gap is told where there was a workspace
  forget();
  await s.start();
  admin = await s.as();
  const e = await admin.event("ServerRunGap", (x) => /^No server ran from/.test(x.message));
  const off = Number(e.changes.find((c) => c.field === "off (s)").after);
  assert.ok(off >= 3600 && off < 3700, e.message);
  assert.deepEqual(e.changes.filter((c) => /starts|order/.test(c.field)).map((c) => c.after), ["1", "0"]);
  await s.kill();
  await s.start();
  admin = await s.as();
  const n = (await admin.events({ event_type: "ServerRunGap" })).length;
  await until(() => /the previous run ended uncleanly/.test(instance("started").split("\n")[0]), "the start");
  assert.equal((await admin.events({ event_type: "ServerRunGap" })).length, n, "within an hour gaps are told together");
});
