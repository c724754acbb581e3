/**
 * Epochs: what happens to names and memories when a copy is put back, twice, or from before a workspace was made.
 */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, createUser, recount, until, ROOT } from "./harness.mjs";
import { copyOf, storeOf, verify } from "./tampered.mjs";

const LOG = "/api/v2/auditlog", OTHER = { email: "olga@example.net", role: "ADMIN", newTenant: true, tenantName: "Other" };
let store;
before(async () => {
  const s = await serve({ users: ["bert", "vera"].map((n) => ({ email: `${n}@example.org`, first: n, last: `Zz${n}`, role: "ADMIN" })) });
  await (await s.as("vera@example.org")).ok("POST", "/api/v1/client/create", { name: "Before" });
  store = s.store;
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
  return { note, origin: note.split("\n")[0], vkey: (await admin.get(`${LOG}/vkey`)).text.split("\n")[0], proof: (await admin.get(`${LOG}/proof/${e.cuid}`)).text,
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
    assert.match(py("export", x.whole, x.vkey), /note: \d+ events are of an earlier epoch, before a restore\. This checkpoint says nothing of them[^]*sound: \d+ events/);
    assert.match(x.origin, /^c[0-9a-z]{24}\/c[0-9a-z]{24}\/1-[0-9a-f]{10,}$/);
    assert.ok(x.vkey.startsWith(x.origin + "+"));
    made.push(x.origin);
    c.drop();
  }
  assert.equal(made[0].split("-")[0], made[1].split("-")[0]);
  assert.notEqual(made[0], made[1]);
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
