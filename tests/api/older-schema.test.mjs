/**
 * A store of the schema before this binary's: brought up to date when it is the one that this server has signed, and left
 * as it is, to the byte, when it is an older copy or another one.
 */
import { test, after, before } from "node:test";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createHash } from "node:crypto";
import path from "node:path";
import { serve, assert, recount, psql, ROOT } from "./harness.mjs";
import { copyOf, fileOf, LITE, sqlIn, sqlite, storeOf, verify } from "./tampered.mjs";

const HEADS = ["heads.db", "heads.db-wal", "heads.db-shm"];
const SCRIPTS = path.join(ROOT, "src/db/schema", LITE ? "sqlite" : "postgres"), NEWEST = readdirSync(SCRIPTS).sort().at(-1);
let old, now;
before(async () => {
  const s = await serve({});
  await (await s.as()).ok("POST", "/api/v1/client/create", { name: "Acme" });
  await s.stop({ drop: false });
  old = s.store;
  now = copyOf(old);
  await run(now, async (x) => { await (await x.as()).ok("POST", "/api/v1/client/create", { name: "Later" }); });
});
after(() => { now?.drop(); old?.drop(); });

async function run(c, work = async (/** @type {any} */ _s) => {}) {
  const s = await serve({ store: { ...storeOf(c), drop: () => {} } });
  try { return await work(s); } finally { await s.stop({ drop: false }); }
}
/** What the newest script made is taken away, and that it ran. */
function takeBack(c) {
  const text = readFileSync(path.join(SCRIPTS, NEWEST), "utf8").replace(/--.*$/gm, ""), version = Number(NEWEST.slice(0, 4)), undo = [];
  for (const [, name] of text.matchAll(/^CREATE TABLE (\w+)/gm)) undo.push(`DROP TABLE ${name}`);
  for (const [, name] of text.matchAll(/^CREATE (?:UNIQUE )?INDEX (\w+)/gm)) undo.push(`DROP INDEX IF EXISTS ${name}`);
  for (const [, table, column] of text.matchAll(/^ALTER TABLE (\w+) ADD COLUMN (\w+)/gm)) undo.push(`ALTER TABLE ${table} DROP COLUMN ${column}`);
  sqlIn(c, "main", [...undo, `DELETE FROM schema_version WHERE version = ${version}`].join(";\n"));
  return version - 1;
}
/** A question, and nothing else: no trigger is taken away for it. */
const ask = (c, text) => (LITE ? sqlite(fileOf(c, "main"), text) : psql(text, c.url));
const version = (c) => Number(ask(c, "SELECT max(version) FROM schema_version"));
/** All that there is in it, so that nothing can be written unseen. */
function contents(c) {
  const h = createHash("sha256");
  if (!LITE) {
    for (const t of psql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", c.url).split("\n"))
      h.update(`${t}\n${psql(`SELECT x::text FROM "${t}" x ORDER BY 1`, c.url)}\n`);
    return h.digest("hex");
  }
  ask(c, "PRAGMA wal_checkpoint(TRUNCATE)"); // the write-ahead log goes into the file with the last connection
  for (const f of ["recount.db", ...readdirSync(path.join(c.data, "audit")).filter((x) => x.endsWith(".db")).sort().map((x) => path.join("audit", x))]) h.update(f).update(readFileSync(path.join(c.data, f)));
  return h.digest("hex");
}
const start = (c) => recount(["serve", "--listen", "127.0.0.1:0", ...c.flags]);
const heads = (from, to) => { for (const f of HEADS) { rmSync(path.join(to.data, f), { force: true }); if (existsSync(path.join(from.data, f))) cpSync(path.join(from.data, f), path.join(to.data, f)); } };

test("the store that this server has signed is brought up to date", async () => {
  const c = copyOf(old), was = takeBack(c);
  assert.equal(version(c), was);
  await run(c);
  assert.equal(version(c), was + 1);
  const r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  assert.equal(recount(["audit", "list", "--instance", ...c.flags]).out.split("\n").filter((l) => l.includes("SchemaMigrated") && l.includes(`from version ${was} to ${was + 1}`)).length, 1);
  c.drop();
});

test("one that is older than what this server has signed is refused, and nothing is written to it", async () => {
  const c = copyOf(old), was = takeBack(c);
  heads(now, c);
  const before = contents(c);
  for (const go of [() => start(c), () => recount(["migrate", ...c.flags])]) {
    const r = go();
    assert.equal(r.status, 1, r.out + r.err);
    assert.match(r.err, /the store is older than what was signed: this server has signed a checkpoint of \d+ events .*new-epoch/);
    assert.equal(version(c), was);
    assert.equal(contents(c), before);
  }
  const r = recount(["audit", "new-epoch", "--reason", "the old copy is all there is", ...c.flags]);
  assert.equal(r.status, 0, r.err);
  assert.equal(version(c), was + 1, "on purpose it is brought up to date, and goes on");
  await run(c);
  const v = verify(c, "--deep");
  assert.equal(v.status, 0, v.out + v.err);
  c.drop();
});

test("so is another log than the one that was signed", async () => {
  const c = copyOf(now), fork = copyOf(old), was = takeBack(fork);
  await run(c);
  sqlIn(fork, "heads", "UPDATE head SET root = zeroblob(32)");
  const before = contents(fork), r = start(fork);
  assert.equal(r.status, 1, r.out + r.err);
  assert.match(r.err, /the store holds another log than the one signed/);
  assert.equal(version(fork), was);
  assert.equal(contents(fork), before);
  c.drop(); fork.drop();
});

test("so is one that has no memory left, and an empty store beside a memory", async () => {
  const c = copyOf(old), was = takeBack(c), before = contents(c);
  if (LITE) {
    for (const f of HEADS) rmSync(path.join(c.data, f), { force: true });
    const r = start(c);
    assert.equal(r.status, 1, r.out + r.err);
    assert.match(r.err, /heads\.db, in which this server remembers what it has signed, knows nothing of the log/);
    assert.equal(version(c), was);
    assert.equal(contents(c), before);
  }
  heads(now, c);
  if (LITE) {
    rmSync(path.join(c.data, "audit"), { recursive: true });
    for (const f of ["recount.db", "recount.db-wal", "recount.db-shm"]) rmSync(path.join(c.data, f), { force: true });
  } else {
    psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", c.url);
  }
  const r = start(c);
  assert.equal(r.status, 1, r.out + r.err);
  assert.match(r.err, /the store is older than what was signed/);
  assert.equal(ask(c, LITE ? "SELECT count(*) FROM sqlite_schema" : "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
  c.drop();
});
