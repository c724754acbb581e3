/**
 * What processes do is in the installation's log: schema, set-up link, start and stop, backup and restore, the end of a lockout. Who
 * acted is the process, or the command with the operating system's user.
 */
import { test, after } from "node:test";
import os from "node:os";
import path from "node:path";
import { cpSync, existsSync } from "node:fs";
import { serve, assert, until, newStore, recount, createUser, sqlOn, ADMIN, PASSWORD, STORE } from "./harness.mjs";

const me = `${os.userInfo().username}@${os.hostname()}`;
/** The installation's log, oldest first. */
function instance(store, type) {
  const r = recount(["audit", "export", "--instance", "--event-type", type, "--data", store.data, ...store.flags]);
  assert.equal(r.status, 0, r.err);
  return r.out.trim().split("\n").filter(Boolean).map((l) => JSON.parse(l)).reverse();
}

test("a first start: the schema, the link for setting up, the start, and its end in order", async (t) => {
  const s = await serve({ noAdmin: true, keep: true });
  t.after(() => s.store.drop());
  await until(() => instance(s.store, "SetupLinkCreated").length === 1, "the set-up link's event");
  const [link] = instance(s.store, "SetupLinkCreated"), [schema] = instance(s.store, "SchemaMigrated"), [start] = instance(s.store, "ServerStarted");
  const token = await until(() => /(?:token=|#|setup\/)([\w-]{16,})/.exec(s.out)?.[1], "the link");
  assert.equal(JSON.stringify(link).includes(token), false, "the link itself is not told");
  assert.match(schema.message, /from version 0 to \d+$/);
  assert.equal(schema.actor.kind, "system");
  await s.stop({ drop: false });
  const [stop] = instance(s.store, "ServerStopped");
  assert.deepEqual([stop.actor.kind, stop.outcome], ["system", "success"]);
  assert.ok(Date.parse(stop.timestamp) > Date.parse(start.timestamp));
  await s.start();
  await s.stop({ drop: false });
  assert.equal(instance(s.store, "ServerStopped").length, 2, "one for each stop");
  assert.equal(instance(s.store, "SetupLinkCreated").length, 2, "each start without a user makes a link of its own");
  assert.equal(instance(s.store, "SchemaMigrated").length, 1, "and nothing was left to migrate");
});
test("killed, it has not stopped in order: no such event, and the next start says so", async (t) => {
  const s = await serve({ keep: true });
  t.after(() => s.store.drop());
  await s.kill();
  await s.start();
  await s.stop({ drop: false });
  const starts = instance(s.store, "ServerStarted");
  assert.equal(instance(s.store, "ServerStopped").length, 1);
  assert.match(starts.at(-1).message, /unclean|did not end|not end cleanly/i, starts.at(-1).message);
});
test("a backup and a restore, by whom, of what", { skip: STORE === "sqlite" ? false : "pg_dump backs PostgreSQL up" }, async (t) => {
  const store = newStore(), copy = newStore();
  t.after(() => { store.drop(); copy.drop(); });
  createUser(store, ADMIN);
  const file = path.join(store.dir, "kept.zip");
  assert.equal(recount(["backup", "create", file, "--data", store.data]).status, 0);
  const [made] = instance(store, "BackupCreated");
  assert.match(made.message, /^A backup was created: .*kept\.zip$/);
  assert.deepEqual([made.actor.kind, made.actor.name.includes(`(${me})`), made.outcome], ["command", true, "success"]);
  cpSync(path.join(store.data, "keys"), path.join(copy.data, "keys"), { recursive: true });
  const r = recount(["backup", "restore", file, "--data", copy.data]);
  assert.equal(r.status, 0, r.err);
  const [back] = instance(copy, "BackupRestored");
  assert.match(back.message, /^The store was restored from .*kept\.zip$/);
  assert.deepEqual([back.actor.kind, back.actor.name], ["command", `recount backup restore (${me})`]);
  assert.equal(instance(store, "BackupRestored").length, 0, "the store it came from knows nothing of it");
  assert.notEqual(recount(["backup", "create", path.join(store.dir, "no/such/folder.zip"), "--data", store.data]).status, 0);
  assert.equal(existsSync(path.join(store.dir, "no")), false);
});
test("a lockout ends by itself, which the server records", async () => {
  const s = await serve({ proxy: true, users: [{ email: "lock@example.org", role: "STD_USER" }, { email: "other@example.org", role: "STD_USER" }] });
  after(() => s.stop());
  for (const [n, email] of ["lock@example.org", "other@example.org"].entries())
    for (let i = 0; i < 5; i++) await s.client({ from: `198.51.100.${10 * n + i}` }).post("/api/v1/authenticate", { username: email, password: "wrong" });
  let admin = await s.as();
  const lock = await admin.event("LoginLockout", (e) => e.target.email === "lock@example.org");
  const until30 = Date.parse(lock.changes.find((c) => c.field === "locked until").after);
  assert.ok(Math.abs(until30 - Date.parse(lock.timestamp) - 30 * 60_000) < 2000, "half an hour");
  assert.equal((await s.client({ from: "198.51.100.50" }).post("/api/v1/authenticate", { username: "lock@example.org", password: PASSWORD })).status, 401);
  // Half an hour later, as far as the one account can tell.
  await s.stop({ drop: false });
  sqlOn(s.store, "UPDATE user_account SET locked_until = 1 WHERE email = 'lock@example.org'");
  await s.start();
  admin = await s.as();
  const e = await admin.event("UserUnlocked", (x) => x.target.email === "lock@example.org");
  assert.deepEqual([e.actor.kind, e.actor.name, e.changes], ["system", "automatic unlock", [{ field: "locked", before: "true", after: "false" }]]);
  assert.match(e.message, /^automatic unlock unlocked /);
  assert.equal((await s.client({ from: "198.51.100.51" }).post("/api/v1/authenticate", { username: "lock@example.org", password: PASSWORD })).status, 200);
  assert.deepEqual((await admin.events({ event_type: "UserUnlocked" })).map((x) => x.target.email), ["lock@example.org"], "who is still within his half hour stays locked");
  assert.equal((await s.client({ from: "198.51.100.52" }).post("/api/v1/authenticate", { username: "other@example.org", password: PASSWORD })).status, 401);
});
