/**
 * A full disk, on a small file system of its own: changes are refused with 503 and a word, reads go on, the reserve
 * lets an administrator sign in, disable, end sessions and unlock; with room again the server recovers by itself and
 * the log says so. Needs root (mount); RECOUNT_FULLDISK_MB is the size.
 */
import { test } from "node:test";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, statSync, unlinkSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { serve, createUser, assert, until, recount, ADMIN, PASSWORD, STORE, everything } from "./harness.mjs";

const MB = Number(process.env.RECOUNT_FULLDISK_MB ?? 96);
const RESERVE = Math.min(16 << 20, (MB << 20) / 16); // audit/reserve.c

/** A store on a file system of its own, or why not. */
function smallStore() {
  if (STORE !== "sqlite") return { why: "PostgreSQL refuses by itself" };
  if (process.getuid() !== 0) return { why: "mounting wants root" };
  const dir = mkdtempSync(path.join(os.tmpdir(), "recount-full-"));
  const mount = path.join(dir, "disk");
  mkdirSync(mount);
  const r = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${MB}m,mode=0700`, "recount-test", mount], { encoding: "utf8" });
  if (r.status !== 0) {
    rmSync(dir, { recursive: true });
    return { why: `no file system can be mounted here: ${r.stderr.trim()}` };
  }
  return {
    kind: "sqlite", dir, mount, data: path.join(mount, "data"), flags: [],
    drop: () => { spawnSync("umount", ["-l", mount]); rmSync(dir, { recursive: true, force: true }); },
  };
}

/** Writes until nothing fits any more. */
function fill(file) {
  const fd = openSync(file, "a");
  try {
    for (const size of [1 << 20, 1 << 16, 4096, 1]) {
      const chunk = Buffer.alloc(size, "x");
      try { for (;;) if (writeSync(fd, chunk) < size) break; } catch (e) { assert.equal(e.code, "ENOSPC"); }
    }
  } finally { closeSync(fd); }
}

/** Writes until the file system is so full, as the server reckons it. */
function fillTo(file, mount, percent) {
  const fd = openSync(file, "a"), chunk = Buffer.alloc(256 << 10, "x");
  const full = () => { const v = statfsSync(mount); return Math.floor((v.blocks - v.bavail) * 100 / v.blocks); };
  try { while (full() < percent) writeSync(fd, chunk); } finally { closeSync(fd); }
}

function instanceLog(store) {
  const r = recount(["audit", "export", "--format", "ndjson", "--instance", "--data", store.data]);
  assert.equal(r.status, 0, r.err);
  return r.out.trim().split("\n").map((l) => JSON.parse(l));
}

const store = /** @type {ReturnType<typeof smallStore> & import("./harness.mjs").Store} */ (smallStore());

test("a full disk: changes wait, reads and the reserve go on, and it recovers by itself", { timeout: 300_000, skip: store.why ?? false }, async (t) => {
  const users = ["victim@example.org", "locked@example.org", "guest@example.org"].map((email) => ({ email, role: "ANALYST" }));
  for (const u of [ADMIN, ...users]) createUser(store, u);
  const s = await serve({ store, keep: true, proxy: true });
  t.after(async () => { if (!s.exit) await s.kill(); store.drop(); });
  const admin = await s.as();
  const victim = await s.as("victim@example.org");
  const people = await admin.ok("GET", `/api/v2/tenants/${admin.tenant}/users`);
  const id = (email) => {
    const u = people.data.find((x) => x.email === email);
    return u.user_id ?? u.userId ?? u.id ?? u.cuid;
  };
  for (let i = 0; i < 5; i++) await s.client({ from: "198.51.100.9" }).post("/api/v1/authenticate", { username: "locked@example.org", password: `no ${i}` });
  await admin.event("LoginLockout");

  const reserve = path.join(store.data, "reserve");
  await until(() => existsSync(reserve) && statSync(reserve).size === RESERVE, "the reserve");

  // Alarms at 75 and at 90 %, once each; once more when it had room in between.
  const LOOK_MS = 60_000; // the server looks every twenty seconds
  const alarms = async (n) => (await until(() => { const l = instanceLog(store).filter((e) => e.event_type === "DiskSpaceLow"); return l.length >= n && l; }, `alarm ${n} in the instance's log`)).sort((a, b) => a.index - b.index).map((e) => Number(/is (\d+) % full/.exec(e.message)[1]));
  const early = path.join(store.mount, "early"), lines = () => s.log.filter((l) => l.event === "disk.filling").length;
  assert.equal(lines(), 0);
  for (const [step, percent, below] of [[1, 76, 90], [2, 91, 101]]) {
    fillTo(early, store.mount, percent);
    await until(() => lines() === step, `the alarm at ${percent} %`, LOOK_MS);
    const seen = await alarms(step);
    assert.equal(seen.length, step);
    const doctor = recount(["doctor", "--data", store.data]);
    assert.match(doctor.out, new RegExp(`^${percent > 90 ? "FAIL" : "warn"}  The disk of the store is ${percent} % full$`, "m"));
    assert.equal(doctor.status, percent > 90 ? 1 : 0, doctor.out);
    assert.ok(seen.at(-1) >= percent - 1 && seen.at(-1) < below, `${seen}`);
  }
  unlinkSync(early);
  await admin.ok("POST", "/api/v1/client/create", { name: "changes go on" });
  await until(() => s.log.some((l) => l.event === "disk.room"), "that there is room", LOOK_MS);
  fillTo(early, store.mount, 80);
  await until(() => lines() === 3, "the alarm again", LOOK_MS);
  assert.equal((await alarms(3)).length, 3);
  unlinkSync(early);

  // Changes go on while the disk fills; each is made or refused, nothing else.
  const acknowledged = new Map([["changes go on", null]]), answers = new Map();
  let stop = false, n = 0;
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (!stop) {
      const name = `on a filling disk ${n++}`;
      const r = await admin.post("/api/v1/client/create", { name });
      answers.set(r.status, (answers.get(r.status) ?? 0) + 1);
      assert.ok([200, 503].includes(r.status), r.text);
      if (r.status === 200) acknowledged.set(name, r.body.client_id);
      else assert.equal(r.body.code, "log_unwritable", r.text);
    }
  }));
  await until(() => acknowledged.size > 20, "some changes");
  const filler = path.join(store.mount, "filler");
  fill(filler);
  await until(() => s.log.some((l) => l.event === "audit.disk_full"), "the server notices");
  await until(() => (answers.get(503) ?? 0) > 20, "refusals");
  stop = true;
  await load;

  // Refused before it begins.
  const refused = await admin.post("/api/v1/client/create", { name: "never" });
  assert.equal(refused.status, 503);
  assert.equal(refused.body.code, "log_unwritable");
  assert.ok(Number(refused.headers["retry-after"]) >= 1);
  // Reads go on; a token is renewed without a write.
  const list = await admin.ok("GET", "/api/v1/client/list");
  assert.equal(list.length, acknowledged.size);
  assert.ok((await admin.events({ event_type: "ClientCreated" })).length > 0);
  assert.equal((await admin.put("/api/v1/token/refresh", {})).status, 200);

  // What the reserve is for.
  await until(() => statfsSync(store.mount).bavail > 0, "the reserve is given back");
  const fresh = await s.as();
  const failed = 12;
  for (let i = 0; i < failed; i++) assert.ok([401, 429].includes((await s.client({ from: "198.51.100.10" }).post("/api/v1/authenticate", { username: "guest@example.org", password: `no ${i}` })).status));
  const base = `/api/v2/tenants/${fresh.tenant}/users`;
  await fresh.ok("POST", `${base}/${id("locked@example.org")}/unlock`, {});
  await fresh.ok("POST", `${base}/${id("guest@example.org")}/end-sessions`, {});
  await fresh.ok("POST", `${base}/${id("victim@example.org")}/disable`, {});
  assert.equal((await victim.get("/api/v2/whoami")).status, 401, "the disabled user is still in");
  assert.equal((await s.client({ from: "198.51.100.11" }).post("/api/v1/authenticate", { username: "locked@example.org", password: PASSWORD })).status, 200);
  assert.equal((await fresh.post(`${base}/${id("victim@example.org")}/enable`, {})).status, 503, "enabling can wait");
  for (const type of ["UserUnlocked", "UserDisabled"]) await fresh.event(type);

  // Whoever fills the disk takes what was given back, too: the rest is still there.
  fill(filler);
  await fresh.ok("GET", "/api/v1/client/list");
  await until(async () => (await s.client().post("/api/v1/authenticate", { username: "admin@example.org", password: PASSWORD })).status === 200, "a sign-in from the next piece");

  unlinkSync(filler);
  await until(async () => (await fresh.post("/api/v1/client/create", { name: "room again" })).status === 200, "recovery");
  acknowledged.set("room again", null);
  await until(() => statSync(reserve).size === RESERVE, "the reserve is filled again");
  const recovered = await until(() => instanceLog(store).find((e) => e.event_type === "AuditLogRecovered"), "the recovery in the instance's log");
  assert.match(recovered.message, /changes were refused/);

  // Complete: each change has its event, each event its change; failures were counted.
  const there = (await fresh.ok("GET", "/api/v1/client/list")).map((r) => r.data[1]).sort();
  assert.deepEqual(there, [...acknowledged.keys()].sort());
  const created = await until(async () => { const e = await everything(fresh, { event_type: "ClientCreated" }); return e.length >= there.length ? e : null; }, "events");
  assert.deepEqual(created.map((e) => e.client.name).sort(), there);
  const sum = (e) => e.reduce((k, x) => k + Math.max(1, Number(x.count)), 0);
  await until(async () => sum((await everything(fresh, { event_type: "LoginFail" })).filter((e) => e.target.email === "guest@example.org")) === failed, "the failures counted meanwhile", 40_000);
  (await everything(fresh)).forEach((e, i) => assert.equal(e.index, i, "the index has a gap"));
  assert.equal((await fresh.post(`${base}/${id("victim@example.org")}/enable`, {})).status, 200);
  t.diagnostic(`answers while filling: ${JSON.stringify([...answers])}`);
  await s.stop({ drop: false });
});
