/**
 * Rotation of the signing key: with the server stopped, recorded in every log with a statement of the key before it, and
 * followed by readers who know either key. It is decided whole or not at all wherever the command dies, and a server that
 * was left with the old keys signs nothing.
 */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { serve, newStore, assert, signed, until, recount, ROOT, STORE } from "./harness.mjs";
import { copyOf, sqlIn, verify as verifyStore } from "./tampered.mjs";

const LOG = "/api/v2/auditlog", VERIFY = path.join(ROOT, "doc/verify/verify.py");
const dir = mkdtempSync(path.join(os.tmpdir(), "recount-keys-test-"));
let s, admin, keys, flags;
before(async () => {
  s = await serve();
  await s.stop({ drop: false });
  keys = path.join(s.store.data, "keys");
  flags = ["--data", s.store.data, ...s.store.flags];
  const r = recount(["user", "create", "--email", "other@example.org", "--first", "O", "--last", "Other", "--role", "ADMIN", "--new-tenant", "--tenant-name", "Other", "--password-stdin", ...flags], { input: "Quiet-Harbour-71!\n" });
  assert.equal(r.status, 0, r.err);
  await start();
});
after(async () => { await s?.stop(); rmSync(dir, { recursive: true, force: true }); });

const start = async () => { await s.start(); admin = await s.as(); };
const rotate = (reason = "Once a year") => recount(["keys", "rotate", "--reason", reason, ...flags]);
const rotated = (reason) => { const r = rotate(reason); assert.deepEqual([r.status, r.err], [0, ""]); };
const keep = (name, data) => { const f = path.join(dir, name); writeFileSync(f, data); return f; };
const file = (name) => path.join(keys, name);
const vkeys = async (c = admin) => (await c.get(`${LOG}/vkey`)).text.trimEnd().split("\n");
/** The checkpoint that covers everything recorded so far. */
const checkpoint = (c = admin) => until(async () => {
  const [e] = (await c.ok("GET", `${LOG}?limit=1`)).data, t = (await c.get(`${LOG}/checkpoint`)).text, [origin, size] = t.split("\n");
  return origin.split("/")[2].split("-")[0] === String(e.epoch) && Number(size) > e.index ? t : null;
}, "a checkpoint over the newest event");

/** Whether the key has signed the note: true, false (there is no line of it), or a failure. */
function signedBy(note, vkey) {
  const [name, id, key] = /^(.+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey).slice(1), raw = Buffer.from(key, "base64");
  assert.equal(createHash("sha256").update(name + "\n").update(raw).digest("hex").slice(0, 8), id);
  const [text, sigs] = note.split(/\n\n(?=— )/);
  const line = sigs.split("\n").find((l) => l.startsWith(`— ${name} `) && Buffer.from(l.split(" ")[2], "base64").subarray(0, 4).toString("hex") === id);
  if (!line) return false;
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw.subarray(1)]);
  assert.ok(verify(null, Buffer.from(text + "\n"), createPublicKey({ key: spki, format: "der", type: "spki" }), Buffer.from(line.split(" ")[2], "base64").subarray(4)), "the signature is good");
  return true;
}
const verifyPy = (...args) => { const r = spawnSync("python3", [VERIFY, ...args], { encoding: "utf8", timeout: 60_000 }); return { status: r.status, out: r.stdout + r.stderr }; };
const follow = (...args) => { const r = spawnSync("python3", [path.join(ROOT, "doc/verify/rotation.py"), ...args], { encoding: "utf8", timeout: 60_000 }); return { status: r.status, out: r.stdout + r.stderr }; };

let first, second;
test("wrong usage, and a server that runs", async () => {
  [first] = await vkeys();
  for (const args of [[], ["turn"], ["rotate"], ["rotate", "--reason", " "], ["rotate", "--reason"], ["rotate", "now", "--reason", "x"], ["list", "--reason", "x"], ["rotate", "--reason", "a\nb"], ["rotate", "--reason", "x".repeat(501)], ["rotate", "--why", "x"]]) {
    const r = recount(["keys", ...args, ...flags]);
    assert.equal(r.status, 2, `${args.join(" ")}: ${r.out}${r.err}`);
    assert.match(r.err, /usage: recount keys/);
  }
  const r = rotate();
  assert.equal(r.status, 1);
  assert.match(r.err, /stop the server first/);
  assert.ok(!existsSync(file("sign-new.key")) && !existsSync(file("sign-old-1.key")));
  assert.deepEqual(await vkeys(), [first]);
  const list = recount(["keys", "list", ...flags]);
  assert.equal(list.status, 0, list.err);
  assert.ok(list.out.includes(first), "beside a server the keys can be listed");
});
test("after a rotation both keys sign, and readers with either go on", async () => {
  const old = keep("old-checkpoint", await checkpoint()), pin = path.join(dir, "pin.json");
  assert.equal(verifyPy("checkpoint", old, "--vkey", first, "--pin", pin).status, 0);
  cpSync(keys, path.join(dir, "old-keys"), { recursive: true });
  await s.stop({ drop: false });
  rotated("Once a year");
  assert.equal(statSync(file("sign-old-1.key")).mode & 0o777, 0o600);
  assert.equal(statSync(file("sign.key")).mode & 0o777, 0o600);
  assert.deepEqual(readFileSync(file("sign-old-1.key")), readFileSync(path.join(dir, "old-keys/sign.key")));
  assert.ok(!existsSync(file("sign-new.key")));
  await start();
  const now = await vkeys();
  assert.equal(now.length, 2);
  assert.equal(now[1], first);
  [second] = now;
  assert.notEqual(second, first);
  const note = await checkpoint(), f = keep("new-checkpoint", note);
  assert.equal(note.split("\n").filter((l) => l.startsWith("— ")).length, 2);
  for (const k of now) {
    assert.ok(signedBy(note, k));
    const r = verifyPy("checkpoint", f, "--vkey", k);
    assert.equal(r.status, 0, r.out);
  }
  const both = verifyPy("checkpoint", f, "--vkey", keep("keys.txt", now.join("\n") + "\n"));
  assert.equal(both.status, 0, both.out);
  const c = await admin.get(`${LOG}/consistency?from=${readFileSync(old, "utf8").split("\n")[1]}&to=${note.split("\n")[1]}`);
  const r = verifyPy("consistency", old, f, keep("proof.json", c.raw), "--vkey", first, "--pin", pin);
  assert.equal(r.status, 0, r.out);
  const e = (await admin.events({ limit: "1" }))[0], p = keep("event.json", (await signed(() => admin.get(`${LOG}/proof/${e.cuid}`))).raw);
  assert.equal(JSON.parse(readFileSync(p, "utf8")).data.vkey, second);
  for (const k of now) assert.equal(verifyPy("proof", p, "--vkey", k).status, 0);
  const x = keep("export.ndjson", (await signed(() => admin.get(`${LOG}/export?format=ndjson&proofs=1`))).raw);
  for (const k of now) { const v = verifyPy("export", x, "--vkey", k); assert.equal(v.status, 0, v.out); }
});
test("recount audit verify knows what the old key has signed", () => {
  const args = ["audit", "verify", "--checkpoint", path.join(dir, "old-checkpoint"), "--remember", path.join(dir, "remembered"), ...flags];
  let r = recount(args);
  assert.equal(r.status, 0, r.out + r.err);
  renameSync(file("sign-old-1.key"), path.join(dir, "taken-away"));
  r = recount(args);
  assert.equal(r.status, 1, r.out);
  assert.match(r.out, /not signed by a key that is trusted here/);
  r = recount([...args, "--vkey", first]);
  assert.equal(r.status, 0, r.out + r.err);
  renameSync(path.join(dir, "taken-away"), file("sign-old-1.key"));
});
test("what covers a rotation is signed by the key it brought, and by no line that is wrong", { timeout: 120_000 }, async () => {
  await checkpoint();
  await s.stop({ drop: false });
  const lines = (l) => l.startsWith("— "), at = "FROM audit_head WHERE tenant_id = 0";
  const changed = (how) => {
    const c = copyOf(s.store), note = sqlIn(c, "main", `SELECT note ${at}`).trimEnd().split("\n"), first = note.findIndex(lines);
    assert.equal(note.filter(lines).length, 2);
    sqlIn(c, "main", `UPDATE audit_head SET note = '${how(note, first).join("\n")}\n' WHERE tenant_id = 0`);
    const r = verifyStore(c, "--deep");
    c.drop();
    return r;
  };
  let r = changed((note) => note);
  assert.equal(r.status, 0, r.out + r.err);
  r = changed((note, i) => note.toSpliced(i, 1));
  assert.equal(r.status, 1, "the old key alone, which somebody took");
  assert.match(r.out, /published checkpoint is not signed by the key of today, to which event \d+ of epoch 0 rotated/);
  r = changed((note, i) => note.with(i + 1, note[i + 1].replace(/.{12}$/, "AAAAAAAAAAA=")));
  assert.equal(r.status, 1, "who knows the old key alone could not check it");
  assert.match(r.out, /the signature of the published checkpoint is wrong/);
  r = changed((note, i) => note.toSpliced(i + 1, 1));
  assert.equal(r.status, 0, `the line of an old key may be missing: ${r.out}`);
  await start();
});
test("the event of each log holds a statement of the key before", async () => {
  const e = await admin.event("SigningKeyRotated"), [key, statement, reason] = e.changes;
  assert.equal((await admin.events({ event_type: "SigningKeyRotated" })).length, 1);
  assert.match(e.actor.name, /^recount keys rotate /);
  assert.deepEqual([key.field, key.before, key.after], ["key", first, second]);
  assert.deepEqual([reason.field, reason.after], ["reason", "Once a year"]);
  assert.equal(statement.field, "statement");
  assert.ok(signedBy(statement.after, first), "signed by the key before");
  assert.ok(!signedBy(statement.after, second), "and by it alone");
  assert.equal(statement.after.split("\n\n")[0], `recount-key-rotation v1\norigin ${first.split("+")[0]}\nnew ${second}`);
  const other = await s.as("other@example.org"), theirs = await other.event("SigningKeyRotated");
  assert.equal(theirs.request_id, e.request_id);
  assert.notEqual(theirs.changes[0].after, second, "each log has a key name of its own");
  assert.deepEqual(await vkeys(other), [theirs.changes[0].after, theirs.changes[0].before]);
  const note = await checkpoint(other);
  for (const k of await vkeys(other)) assert.ok(signedBy(note, k));
  const out = recount(["audit", "list", "--instance", "--limit", "50", ...flags]);
  assert.equal(out.status, 0, out.err);
  assert.match(out.out, /rotated the signing key/);
});
test("servers with the keys of before: one that starts is refused, one that runs signs no more", async () => {
  const r = recount(["serve", "--listen", "127.0.0.1:0", "--keys", path.join(dir, "old-keys"), ...flags]);
  assert.equal(r.status, 1);
  assert.match(r.err, /keys in the key directory are not those/);
  await s.stop({ drop: false });
  const copy = path.join(dir, "copy"); // as on another machine
  cpSync(keys, copy, { recursive: true });
  s.o.args = ["--keys", copy];
  await start();
  const before = await checkpoint();
  rotated("While another machine runs");
  await admin.ok("POST", "/api/v1/tenant/0/tag", { name: "unsigned" });
  await until(() => s.log.find((l) => l.event === "audit.keys_replaced"), "the server notices");
  await until(async () => (await admin.ok("GET", `${LOG}/seal`)).data.signing_stopped, "and says so");
  const x = await admin.get(`${LOG}/export/manifest?format=ndjson`);
  assert.equal(x.status, 503, x.text);
  await s.stop({ drop: false });
  assert.equal(s.log.filter((l) => l.event === "audit.keys_replaced").length, 1, "told once");
  s.o.args = [];
  await start();
  const now = await vkeys();
  assert.equal(now[1], second, "a second rotation: the key before it signs along");
  const note = await checkpoint();
  assert.ok(Number(note.split("\n")[1]) > Number(before.split("\n")[1]));
  for (const k of now) assert.ok(signedBy(note, k));
  assert.ok(!signedBy(note, first), "the oldest does not");
  const chain = (await admin.events({ event_type: "SigningKeyRotated" })).map((e) => e.changes);
  assert.deepEqual([chain[0][0].before, chain[0][0].after, chain[1][0].before], [second, now[0], first], "who knows the first key can follow");
  assert.ok(signedBy(chain[0][1].after, second));
});
test("a reader who knows the first key follows every rotation to the key of today", async () => {
  const now = await vkeys(), events = (await admin.events({ event_type: "SigningKeyRotated" })).reverse(), files = [];
  for (const [i, e] of events.entries()) files.push(keep(`rotation${i}.json`, (await admin.get(`${LOG}/proof/${e.cuid}`)).raw));
  assert.equal(files.length, 2);
  const r = follow(...files, "--vkey", first);
  assert.equal(r.status, 0, r.out);
  assert.ok(r.out.trim().endsWith(now[0]));
  assert.equal(follow(files[1], "--vkey", second).status, 0);
  const client = keep("other.json", (await (async () => { const [{ cuid }] = await admin.events({ limit: "1" }); return signed(() => admin.get(`${LOG}/proof/${cuid}`)); })()).raw);
  for (const [args, why] of /** @type {[string[], RegExp][]} */ ([[[files[1], "--vkey", first], /not signed by the log's key/], [[files[0], "--vkey", now[0]], /not signed by/], [[...files, client, "--vkey", first], /DAMAGED/]])) {
    const bad = follow(...args);
    assert.equal(bad.status, 1, bad.out);
    assert.match(bad.out, why);
  }
  assert.equal(follow(files[0]).status, 2);
  const { data } = JSON.parse(readFileSync(files[0], "utf8")), lie = Buffer.from(data.personal, "base64");
  lie[lie.length - 1] ^= 1;
  assert.match(follow(keep("lie.json", JSON.stringify({ data: { ...data, personal: lie.toString("base64") } })), "--vkey", first).out, /DAMAGED/);
});
test("a command that died before its commit changed nothing; after it, everything", async () => {
  const now = await vkeys();
  await s.stop({ drop: false });
  writeFileSync(file("sign-new.key"), randomBytes(32), { mode: 0o600 });
  await start();
  assert.ok(!existsSync(file("sign-new.key")));
  assert.deepEqual(await vkeys(), now);
  await s.stop({ drop: false });
  rotated("Dies before the first rename");
  renameSync(file("sign.key"), file("sign-new.key"));
  renameSync(file("sign-old-3.key"), file("sign.key"));
  await start();
  assert.ok(!existsSync(file("sign-new.key")) && existsSync(file("sign-old-3.key")));
  const then = await vkeys();
  assert.equal(then[1], now[0]);
  assert.ok(signedBy(await checkpoint(), then[0]));
  await s.stop({ drop: false });
  rotated("Dies between the two");
  renameSync(file("sign.key"), file("sign-new.key"));
  copyFileSync(file("sign-old-4.key"), file("sign.key"));
  await start();
  assert.ok(!existsSync(file("sign-new.key")) && !existsSync(file("sign-old-5.key")));
  assert.equal((await vkeys())[1], then[0]);
  assert.ok(signedBy(await checkpoint(), (await vkeys())[0]));
});
test("a backup from before a rotation is restored with the keys of today", { skip: STORE === "sqlite" ? false : "pg_dump backs PostgreSQL up", timeout: 120_000 }, async (t) => {
  const zip = path.join(dir, "backup.zip");
  assert.equal(recount(["backup", "create", zip, ...flags]).status, 0);
  await s.stop({ drop: false });
  rotated("After the backup");
  const copy = newStore("sqlite");
  t.after(() => copy.drop());
  cpSync(keys, path.join(copy.data, "keys"), { recursive: true });
  const r = recount(["backup", "restore", zip, "--data", copy.data]);
  assert.equal(r.status, 0, r.err);
  const b = await serve({ store: copy, keep: true });
  t.after(() => b.exit ?? b.kill());
  const c = await b.as(), note = await checkpoint(c), now = await vkeys(c);
  assert.match(note, /^\S+\/1-[0-9a-f]+\n/);
  for (const k of now) assert.ok(signedBy(note, k));
  const closed = (await c.get(`${LOG}/vkey?epoch=0`)).text.trimEnd().split("\n"), last = (await c.get(`${LOG}/checkpoint?epoch=0`)).text;
  for (const k of closed) assert.ok(signedBy(last, k), "a closed epoch keeps the keys it was signed with");
  await b.stop();
  await start();
});
