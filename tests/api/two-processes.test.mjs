/**
 * Commands beside a running server on the same store: both record, both move events into the log, and the server shows
 * what the command did. A backup made under load is whole, and what is restored from it is searchable.
 */
import { test } from "node:test";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import path from "node:path";
import { serve, newStore, assert, until, recount, BIN, STORE, PASSWORD, SLOW, everything } from "./harness.mjs";

/** Runs a command beside the test, so that the load goes on. */
function command(args, input = "") {
  const child = spawn(BIN, args, { stdio: ["pipe", "pipe", "pipe"] });
  let out = "", err = "";
  child.stdout.on("data", (d) => { out += d; });
  child.stderr.on("data", (d) => { err += d; });
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, out, err })));
}

/** Creates clients until told to stop: a map of those acknowledged. */
function load(c, prefix, lanes = 4) { // every answer must be 200: a command beside the server disturbs no one
  const made = new Map();
  let stop = false, n = 0;
  const all = Promise.all(Array.from({ length: lanes }, async () => {
    while (!stop) {
      const name = `${prefix} ${n++}`;
      const r = await c.post("/api/v1/client/create", { name });
      assert.equal(r.status, 200, `${r.text}\n${c.server.err.slice(-1500)}`);
      made.set(name, r.body.client_id);
    }
  }));
  return { made, end: async () => { stop = true; await all; return made; } };
}

/** No change without its event, no event without its change, no gap in the log. */
async function judge(c) {
  const there = new Map((await c.ok("GET", "/api/v1/client/list")).map((r) => [r.data[0], r.data[1]]));
  const created = await until(async () => {
    const e = await everything(c, { event_type: "ClientCreated" });
    return e.length >= there.size ? e : null;
  }, "an event for each client");
  assert.equal(created.length, there.size, "an event without its change");
  for (const e of created) assert.equal(there.get(e.client.id), e.client.name);
  let epoch = 0, next = 0;
  for (const e of await everything(c)) {
    if (e.epoch !== epoch) {
      assert.equal(e.epoch, epoch + 1, "an epoch is missing");
      assert.equal(e.event_type, "AuditLogEpochBegun", "an epoch begins with its own record");
      epoch = e.epoch; next = 0;
    }
    assert.equal(e.index, next++, "the index has a gap");
  }
  return there;
}

function calm(s) {
  const bad = s.log.filter((l) => ["audit.unwritable", "db.failed", "db.contended", "audit.segment", "audit.index"].includes(l.event));
  assert.deepEqual(bad, [], "the server met an error");
}

test("commands and the server move the same log at the same time", { timeout: 180_000 }, async (t) => {
  const s = await serve({});
  t.after(() => s.exit ?? s.kill());
  const admin = await s.as();
  const live = await admin.stream();
  await live.wait((e) => e.event === "hello");
  const data = ["--data", s.store.data, ...s.store.flags];
  const tail = spawn(BIN, ["audit", "tail", ...data], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => tail.kill());
  let tailed = "";
  tail.stdout.on("data", (d) => { tailed += d; });
  await until(async () => { await admin.post("/api/v1/client/create", { name: `for the tail ${tailed.length}` }); return tailed.includes("for the tail"); }, "a line of recount audit tail");
  const work = load(admin, "beside");
  const people = SLOW ? 3 : 8;
  for (let i = 0; i < people; i += 2) {
    const done = await Promise.all([i, i + 1].map((n) => command(["user", "create", "--email", `c${n}@example.org`, "--first", "C", "--last", `${n}`,
      "--role", "ANALYST", "--tenant", "0", "--password-stdin", ...data], `${PASSWORD}\n`)));
    for (const r of done) assert.deepEqual([r.status, r.err], [0, ""]);
  }
  await work.end();
  const events = await until(async () => {
    const e = (await everything(admin, { event_type: "UserCreated" })).filter((x) => /^c\d+@/.test(x.target.email));
    return e.length >= people ? e : null;
  }, "the commands' events in the server's list");
  for (const e of events) assert.match(e.actor.name, /^recount user create/);
  await live.wait((e) => e.json?.event_type === "UserCreated" && e.json.target?.email === "c0@example.org", "a command's event on the stream");
  await until(() => tailed.includes("c0@example.org"), "a command's event in recount audit tail");
  // Nothing else happens now: the server still sees what a command does.
  for (let i = 0; i < 5; i++) await s.client().post("/api/v1/authenticate", { username: "c1@example.org", password: `no ${i}` });
  await live.wait((e) => e.json?.event_type === "LoginLockout", "the lockout on the stream");
  const un = await command(["user", "unlock", "--email", "c1@example.org", ...data]);
  assert.deepEqual([un.status, un.err], [0, ""]);
  await live.wait((e) => e.json?.event_type === "UserUnlocked", "the unlocking on the stream");
  await judge(admin);
  calm(s);
  await s.restart();
  await judge(await s.as());
  await s.stop();
});

test("a backup made under load is whole", { timeout: 180_000, skip: STORE === "sqlite" ? false : "pg_dump backs PostgreSQL up" }, async (t) => {
  const s = await serve({});
  t.after(() => s.exit ?? s.kill());
  const admin = await s.as();
  const work = load(admin, "while copying");
  await until(() => work.made.size > 100, "some load");
  const files = [];
  for (let i = 0; i < 3; i++) {
    const file = path.join(s.store.dir, `backup${i}.zip`), before = new Map(work.made);
    const r = await command(["backup", "create", file, "--data", s.store.data]);
    assert.equal(r.status, 0, r.err);
    files.push({ file, before });
  }
  const sent = await work.end();
  calm(s);
  await judge(admin);
  const keys = path.join(s.store.data, "keys");
  for (const { file, before } of files) {
    const copy = newStore("sqlite");
    mkdirSync(copy.data, { mode: 0o700 });
    cpSync(keys, path.join(copy.data, "keys"), { recursive: true });
    const r = recount(["backup", "restore", file, "--data", copy.data]);
    assert.equal(r.status, 0, r.err);
    const again = await serve({ store: copy });
    t.after(() => again.exit ?? again.kill());
    const c = await again.as();
    const there = await judge(c);
    const names = new Set(there.values());
    for (const name of before.keys()) assert.ok(names.has(name), `${name} was acknowledged before the backup began`);
    for (const name of names) assert.ok(sent.has(name));
    const some = [...names][Math.floor(names.size / 2)];
    const found = await c.events({ q: `"${some}"`, event_type: "ClientCreated" });
    assert.ok(found.some((e) => e.client.name === some), "the restored log is not searchable");
    await c.ok("POST", "/api/v1/client/create", { name: "after the restore" });
    await judge(c);
    calm(again);
    await again.stop();
  }
  await s.stop();
});
