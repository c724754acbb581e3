/**
 * Epochs: what happens to names and memories when a copy is put back, twice, or from before a workspace was made.
 */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, createUser, recount, signed, until, ROOT } from "./harness.mjs";
import { Liar } from "./liar.mjs";
import { copyOf, LITE, sqlIn, storeOf, verify } from "./tampered.mjs";

const LOG = "/api/v2/auditlog", OTHER = { email: "olga@example.net", role: "ADMIN", newTenant: true, tenantName: "Other" };
let store, early;
before(async () => {
  const s = await serve({ users: ["bert", "vera"].map((n) => ({ email: `${n}@example.org`, first: n, last: `Zz${n}`, role: "ADMIN" })) });
  await (await s.as("vera@example.org")).ok("POST", "/api/v1/client/create", { name: "Before" });
  store = s.store;
  early = await until(async () => { const r = await (await s.as()).get(`${LOG}/checkpoint`); return r.status === 200 && r.text; }, "a checkpoint");
  await (await s.as()).ok("POST", "/api/v1/client/create", { name: "Acme" });
  await s.stop({ drop: false });
});
after(() => store?.drop());

/** A server on a copy while `work` runs. */
async function run(c, work) {
  const s = await serve({ store: { ...storeOf(c), drop: () => {} } });
  try { return await work(s); } finally { await s.stop({ drop: false }); }
}
const newEpoch = (c) => { const r = recount(["audit", "new-epoch", "--reason", "put back", ...c.flags]); assert.equal(r.status, 0, r.err); };
/** Checkpoint, key and a proof of the newest event, once they are of the epoch. */
const handedOut = (c, epoch = 1) => run(c, async (s) => {
  const admin = await s.as(), [e] = await admin.events({ limit: "1" });
  const note = await until(async () => { const t = (await admin.get(`${LOG}/checkpoint`)).text.split("\n"); return Number(t[0].split("/")[2]?.split("-")[0]) === epoch && Number(t[1]) > e.index && t.join("\n"); }, "a checkpoint of the epoch");
  return { note, origin: note.split("\n")[0], vkey: (await admin.get(`${LOG}/vkey`)).text.split("\n")[0], proof: (await signed(() => admin.get(`${LOG}/proof/${e.cuid}`))).text,
    first: (await admin.get(`${LOG}/proof/${(await admin.events({ limit: "1", order: "asc" }))[0].cuid}`)).text, whole: (await until(async () => { const r = await admin.get(`${LOG}/export?format=ndjson&proofs=1`); return r.status === 200 && r; }, "an export")).text };
});

test("two stores put back from one copy sign under two names: no origin ever has two trees", async () => {
  const made = [];
  for (let i = 0; i < 2; i++) {
    const c = copyOf(store);
    newEpoch(c);
    const x = await handedOut(c), at = path.join(store.dir, `proof${i}.json`), r = verify(c, "--deep");
    assert.equal(r.status, 0, r.out + r.err);
    const py = (what, text, vkey) => {
      writeFileSync(at, text);
      const p = spawnSync("python3", [path.join(ROOT, "doc/verify/verify.py"), what, at, "--vkey", vkey], { encoding: "utf8" });
      assert.equal(p.status, 0, p.stdout + p.stderr);
      return p.stdout;
    };
    py("proof", x.proof, x.vkey);
    const kept = JSON.parse(x.first).data;
    assert.equal(kept.epoch, 0);
    py("proof", x.first, kept.vkey);
    assert.match(py("export", x.whole, x.vkey), /^sound: \d+ events/, "the events of both epochs are under their checkpoints: no remark");
    assert.match(x.origin, /^c[0-9a-z]{24}\/c[0-9a-z]{24}\/1-[0-9a-f]{10,}$/);
    assert.ok(x.vkey.startsWith(x.origin + "+"));
    made.push(x.origin);
    c.drop();
  }
  assert.equal(made[0].split("-")[0], made[1].split("-")[0]);
  assert.notEqual(made[0], made[1]);
});

test("the last checkpoint of an epoch that ended stays published, and no epoch has ended that none follows", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  newEpoch(c);
  await handedOut(c);
  assert.equal(verify(c, "--deep").status, 0);
  const x = copyOf(storeOf(c));
  sqlIn(x, "main", "DELETE FROM audit_head WHERE tenant_id = 0 AND epoch = 0");
  let r = verify(x);
  assert.equal(r.status, 1, r.out + r.err);
  assert.match(r.out, /\/0: the epoch's last checkpoint is not published any more/);
  x.drop();
  sqlIn(c, "heads", "UPDATE head SET closed = 1 WHERE tenant_id = 0");
  r = verify(c);
  assert.equal(r.status, 1, "closed, its memory would stop no older store");
  assert.match(r.out, /this server's memory says that the epoch has ended, and none follows it/);
  c.drop();
});

const PY = path.join(ROOT, "doc/verify/verify.py");
const check = (text, ...args) => {
  const at = path.join(store.dir, "export.ndjson");
  writeFileSync(at, text);
  const r = spawnSync("python3", [PY, "export", at, ...args], { encoding: "utf8" });
  return { status: r.status, out: r.stdout + r.stderr };
};

test("an export over epochs carries the proofs of each towards its own last checkpoint, and the manifest names them", { timeout: 120_000 }, async () => {
  const c = copyOf(store), pin = path.join(store.dir, "epochs-pin.json");
  newEpoch(c);
  await handedOut(c);
  newEpoch(c);
  const x = await handedOut(c, 2), lines = x.whole.split("\n").filter(Boolean).map((l) => JSON.parse(l)), last = lines.pop();
  assert.deepEqual([...new Set(lines.map((e) => e.epoch))].sort(), [0, 1, 2]);
  for (const e of lines) assert.ok(e.proof.inclusion.length > 0 || e.epoch > 0, `index ${e.index} of epoch ${e.epoch}`);
  const named = last.manifest.match(/^earlier .*$/gm);
  assert.deepEqual(named, last.earlier.map((h) => { const [origin, size, root] = h.checkpoint.split("\n"); return `earlier ${origin} ${size} ${root}`; }), "newest first");
  assert.deepEqual(named.map((l) => Number(l.split(" ")[1].split("/")[2].split("-")[0])), [1, 0]);
  assert.match(check(x.whole, "--vkey", x.vkey, "--pin", pin).out, /^sound: /);
  assert.deepEqual(Object.keys(JSON.parse(readFileSync(pin, "utf8"))).length, 3, "each of them is remembered");
  assert.match(check(x.whole, "--vkey", x.vkey, "--pin", pin).out, /^sound: /);

  const liar = new Liar(c), first = (all) => all.find((e) => e.epoch === 0 && e.proof.inclusion.length > 1), earlier = (text, root) => text.replace(/^(earlier \S+\/0 \d+) .*$/m, `$1 ${root}`);
  const damaged = (why, text) => { const r = check(text, "--vkey", x.vkey); assert.equal(r.status, 1, r.out); assert.match(r.out, why); };
  damaged(/index \d+\): the hashes do not lead to the signed root/, liar.doctored(x.whole, (all) => { const p = first(all).proof; p.inclusion[0] = p.inclusion[1]; }));
  damaged(/too short/, liar.doctored(x.whole, (all) => { first(all).proof.inclusion = []; }));
  damaged(/a checkpoint that the manifest names is missing/, liar.doctored(x.whole, (_all, l) => { l.earlier.pop(); }));
  damaged(/the manifest names another checkpoint of /, liar.doctored(x.whole, () => {}, (m) => m.replace(/^earlier \S+\/0 .*\n/m, "")));
  damaged(/the last checkpoint of epoch 0 is missing/, liar.doctored(x.whole, (_all, l) => { l.earlier.pop(); }, (m) => m.replace(/^earlier \S+\/0 .*\n/m, "")));
  damaged(/the signature of \S+\/0 is wrong/, liar.doctored(x.whole, (_all, l) => { l.earlier[1].checkpoint = l.earlier[1].checkpoint.replace(/\n(\d+)\n/, (_, n) => `\n${Number(n) - 1}\n`); }));
  const other = Buffer.alloc(32, 7).toString("base64"), forged = (l) => { const [origin, size] = l.earlier[1].checkpoint.split("\n"); l.earlier[1].checkpoint = liar.note(`${origin}\n${size}\n${other}\n`, origin); };
  damaged(/do not lead to the signed root/, liar.doctored(x.whole, (_all, l) => forged(l), (m) => earlier(m, other)));
  damaged(/the checkpoint of epoch 0 is not what the next one began with/, liar.doctored(x.whole, (all, l) => { forged(l); all.splice(0, all.length, ...all.filter((e) => e.epoch > 0)); }, (m) => { const n = lines.filter((e) => e.epoch > 0); return earlier(m, other).replace(/^count .*$/m, `count ${n.length}`).replace(/^last .*$/m, `last ${n.at(-1).epoch}:${n.at(-1).index}`); }));
  assert.equal(check(liar.doctored(x.whole, () => {}), "--vkey", x.vkey).status, 0, "the liar can sign");

  const origin = named[1].split(" ")[1];
  writeFileSync(pin, JSON.stringify({ [origin]: { size: 1e6, root: "0".repeat(64) } }));
  const r = check(x.whole, "--vkey", x.vkey, "--pin", pin);
  assert.equal(r.status, 0, r.out);
  assert.match(r.out, /note: 1000000 events of \S+\/0 were seen before; \d+ came with the copy/);
  c.drop();
});

test("other forms name the checkpoints of earlier epochs, too; an export of the running one names none", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  newEpoch(c);
  await run(c, async (s) => {
    const admin = await s.as(), [e] = await admin.events({ limit: "1" });
    const manifest = async (q) => (await until(async () => { const r = await admin.get(`${LOG}/export/manifest?${q}`); return r.status === 200 && r; }, "a manifest")).body;
    const m = await manifest("format=csv"), at = path.join(store.dir, "manifest.json"), csv = await admin.get(`${LOG}/export?format=csv&before=${m.before}`);
    writeFileSync(at, JSON.stringify(m));
    assert.equal(m.data.earlier.length, 1);
    const good = check(csv.text, "--manifest", at, "--vkey", (await admin.get(`${LOG}/vkey`)).text.trim());
    assert.equal(good.status, 0, good.out);
    const one = await manifest(`format=csv&event_type=AuditLogEpochBegun`);
    assert.equal(one.count, 1);
    assert.equal(one.data.earlier, undefined, `the newest event is of epoch ${e.epoch}`);
  });
  c.drop();
});

test("a key that was rotated since signed the checkpoint of an earlier epoch: the manifest, which today's key signs, vouches for it", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  newEpoch(c);
  const r = recount(["keys", "rotate", "--reason", "once a year", ...c.flags]);
  assert.equal(r.status, 0, r.err);
  const x = await handedOut(c), good = check(x.whole, "--vkey", x.vkey), old = JSON.parse(x.whole.trimEnd().split("\n").at(-1)).earlier[0];
  assert.equal(good.status, 0, good.out);
  assert.match(good.out, /^note: the checkpoint of \S+\/0 is of a key before a rotation, which came with the data; the manifest vouches for it/m);
  assert.match(good.out, /^sound: /m);
  const both = check(x.whole, "--vkey", x.vkey, "--vkey", old.vkey.trim());
  assert.equal(both.status, 0, both.out);
  assert.doesNotMatch(both.out, /\bnote\b/, "who gives the key of before needs no voucher");
  const liar = new Liar(c), forged = liar.doctored(x.whole, (_all, l) => { l.earlier[0].checkpoint = l.earlier[0].checkpoint.replace(/^(— \S+ .{20})(.)/m, (_, head, c) => head + (c === "A" ? "B" : "A")); });
  const bad = check(forged, "--vkey", x.vkey);
  assert.equal(bad.status, 1, bad.out);
  assert.match(bad.out, /^DAMAGED: the signature of \S+\/0 is wrong/m);
  c.drop();
});

test("what no checkpoint covered when the copy was made is told by the first record of the next epoch alone", { timeout: 120_000 }, async () => {
  const c = copyOf(store), [origin, size, root] = early.split("\n"), hex = Buffer.from(root, "base64").toString("hex");
  sqlIn(c, "main", `UPDATE audit_head SET size = ${size}, root = ${LITE ? `x'${hex}'` : `'\\x${hex}'`}, note = '${early}' WHERE tenant_id = 0 AND epoch = 0`);
  for (const f of ["heads.db", "heads.db-wal", "heads.db-shm"]) rmSync(path.join(c.data, f), { force: true });
  newEpoch(c);
  const x = await handedOut(c), r = check(x.whole, "--vkey", x.vkey);
  assert.equal(r.status, 0, r.out);
  const bare = x.whole.split("\n").filter(Boolean).slice(0, -1).map((l) => JSON.parse(l)).filter((e) => e.epoch === 0 && e.index >= Number(size));
  assert.ok(bare.length > 0);
  for (const e of bare) assert.deepEqual(e.proof.inclusion, []);
  assert.match(r.out, new RegExp(`note: ${bare.length} events are of an earlier epoch, which ended before a checkpoint covered them`));
  assert.ok(x.whole.includes(`earlier ${origin} ${size} ${root}`));
  await run(c, async (s) => {
    const p = await (await s.as()).get(`${LOG}/proof/${bare[0].cuid}`);
    assert.equal(p.status, 409, p.text);
    assert.equal(p.body.code, "never_signed");
  });
  const v = verify(c, "--deep");
  assert.equal(v.status, 0, v.out + v.err);
  c.drop();
});

/** The heads of epoch 1 as versions before the one that names an epoch by its beginning, too, have signed them. */
function asEarlyVersion(c, { notes = true } = {}) {
  const liar = new Liar(c), root = LITE ? "hex(root)" : "encode(root, 'hex')", rows = sqlIn(c, "main", `SELECT tenant_id, origin, size, ${root} FROM audit_head WHERE epoch = 1`).split("\n");
  assert.ok(rows.length >= 2);
  for (const [tenant, origin, size, hash] of rows.map((r) => r.split("|"))) {
    const old = origin.split("-")[0], note = liar.note(`${old}\n${size}\n${Buffer.from(hash, "hex").toString("base64")}\n`, old);
    const to = `origin = '${old}'${notes ? `, note = '${note}'` : ""}`;
    assert.notEqual(old, origin);
    sqlIn(c, "main", `UPDATE audit_head SET ${to} WHERE tenant_id = ${tenant} AND epoch = 1`);
    if (notes) sqlIn(c, "heads", `UPDATE head SET ${to} WHERE tenant_id = ${tenant} AND epoch = 1`);
  }
}

test("an epoch that an early version began and signed under its number alone keeps that name to its end", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  newEpoch(c);
  asEarlyVersion(c);
  let r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  const x = await handedOut(c);
  assert.match(x.origin, /^c[0-9a-z]{24}\/c[0-9a-z]{24}\/1$/, "it is signed on, under the name it has");
  assert.match(check(x.whole, "--vkey", x.vkey).out, /^sound: /);
  r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  newEpoch(c);
  const y = await handedOut(c, 2);
  assert.match(y.origin, /\/2-[0-9a-f]{10,}$/, "the next one has a name of its own");
  assert.match(check(y.whole, "--vkey", y.vkey).out, /^sound: /);
  r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  c.drop();
});

test("a name of that form that nobody signed under is found", async () => {
  const c = copyOf(store);
  newEpoch(c);
  asEarlyVersion(c, { notes: false });
  const r = verify(c);
  assert.equal(r.status, 1, r.out + r.err);
  assert.match(r.out, /\/1: the published checkpoint says something else than the row that holds it/);
  c.drop();
});

test("the workspaces made since the copy: the store starts in its new epoch, says that they are lost, and their numbers are not given again", { timeout: 120_000 }, async () => {
  const now = copyOf(store), c = copyOf(store), HEADS = ["heads.db", "heads.db-wal", "heads.db-shm"];
  createUser({ data: now.data, flags: now.url ? ["--database", now.url] : [] }, OTHER);
  const lost = await run(now, async (s) => {
    const olga = await s.as(OTHER.email);
    return until(async () => { const r = await olga.get(`${LOG}/checkpoint`); return r.status === 200 && r.text; }, "the checkpoint of the workspace that will be lost");
  });
  for (const f of HEADS) { rmSync(path.join(c.data, f), { force: true }); if (existsSync(path.join(now.data, f))) cpSync(path.join(now.data, f), path.join(c.data, f)); }
  newEpoch(c);
  await handedOut(c);
  createUser({ data: c.data, flags: c.url ? ["--database", c.url] : [] }, { ...OTHER, email: "oskar@example.net" });
  const found = await run(c, async (s) => {
    const oskar = await s.as("oskar@example.net");
    assert.ok(oskar.tenant > 1, "number 1 was that of the lost one");
    return until(async () => { const r = await oskar.get(`${LOG}/checkpoint`); return r.status === 200 && r.text; }, "a checkpoint of the workspace made since");
  });
  assert.notEqual(found.split("\n")[0], lost.split("\n")[0]);
  const told = recount(["audit", "export", "--format", "ndjson", "--instance", ...c.flags]).out.split("\n").filter((l) => l.includes("AuditLogEpochBegun"));
  assert.equal(told.length, 1);
  assert.deepEqual(JSON.parse(told[0]).changes.filter((x) => x.field === "log lost").map((x) => x.before.split("\n")[0]), [lost.split("\n")[0]]);
  const r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  now.drop(); c.drop();
});

test("a person who stands in two epochs is erased from both; each index says of which it is", { timeout: 120_000 }, async () => {
  const c = copyOf(store), E = `${LOG}/erasures`, at = path.join(store.dir, "erased.ndjson");
  newEpoch(c);
  const out = await run(c, async (s) => {
    const alice = await s.as(), bert = await s.as("bert@example.org"), vera = await s.as("vera@example.org");
    for (let i = 0; i < 3; i++) await vera.ok("POST", "/api/v1/client/create", { name: `Since ${i}` });
    const { user_id } = (await alice.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === "vera@example.org");
    await alice.ok("DELETE", `/api/v2/tenants/0/users/${user_id}`);
    const { id } = (await alice.ok("POST", E, { subject: "vera@example.org", reason: "A letter", legal_ground: "GDPR Art. 17" })).data;
    await bert.ok("POST", `${E}/${id}/approve`);
    await until(async () => (await bert.ok("GET", `${E}/${id}`)).data.state === "done", "the erasure", 90_000);
    const told = (await alice.event("PersonErased")).changes.find((x) => x.field === "indices").after;
    assert.match(told, /(^|, )\d+(-\d+)?, .*1:\d+/);
    assert.equal((await alice.events({ q: "vera@example.org" })).length, 0);
    const r = await until(async () => { const x = await alice.get(`${LOG}/export?format=ndjson&proofs=1`); return x.status === 200 && x; }, "an export");
    writeFileSync(at, r.raw);
    const erased = r.text.split("\n").filter(Boolean).map((l) => JSON.parse(l)).filter((e) => e.erased);
    assert.deepEqual([...new Set(erased.map((e) => e.epoch))].sort(), [0, 1]);
    return (await alice.get(`${LOG}/vkey`)).text.split("\n")[0];
  });
  const r = verify(c, "--deep"), py = spawnSync("python3", [path.join(ROOT, "doc/verify/verify.py"), "export", at, "--vkey", out], { encoding: "utf8" });
  assert.equal(r.status, 0, r.out + r.err);
  assert.equal(py.status, 0, py.stdout + py.stderr);
  assert.doesNotMatch(py.stdout, /said to be erased/, "PersonErased tells of each of them, in its epoch");
  c.drop();
});
