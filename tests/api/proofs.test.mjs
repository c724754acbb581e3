/**
 * Checkpoints, tiles, proofs and openings as a third party checks them: this file shares no code with the server, only
 * node's hashes and signatures. Formats: doc/verify/, C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof.
 */
import { test, after, before } from "node:test";
import { createHash, createPublicKey, verify } from "node:crypto";
import { serve, assert, signed, until } from "./harness.mjs";

const LOG = "/api/v2/auditlog";
let s, admin, auditor, std;
before(async () => {
  s = await serve({ users: [{ email: "aud@example.org", role: "AUDITOR" }, { email: "std@example.org", role: "STD_USER" }, { email: "bert@example.org", role: "ADMIN" }, { email: "gone@example.org", role: "STD_USER" }] });
  await s.as("gone@example.org");
  admin = await s.as();
  auditor = await s.as("aud@example.org");
  std = await s.as("std@example.org");
  for (let i = 0; i < 300; i++) await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${i}` });
});
after(() => s.stop());

const sha = (...parts) => { const h = createHash("sha256"); for (const p of parts) h.update(p); return h.digest(); };
const leafHash = (entry) => sha(Buffer.from([0]), entry);
const node = (l, r) => sha(Buffer.from([1]), l, r);
const hex = (b) => Buffer.from(b).toString("hex");

function inclusionRoot(index, size, leaf, proof) {
  let fn = index, sn = size - 1, r = leaf;
  for (const p of proof) {
    assert.notEqual(sn, 0, "the proof is too long");
    if (fn % 2 || fn === sn) {
      r = node(p, r);
      while (fn % 2 === 0 && fn !== 0) { fn = Math.floor(fn / 2); sn = Math.floor(sn / 2); }
    } else r = node(r, p);
    fn = Math.floor(fn / 2); sn = Math.floor(sn / 2);
  }
  assert.equal(sn, 0, "the proof is too short");
  return r;
}
function consistent(from, to, fromRoot, toRoot, proof) {
  if (from === to) return proof.length === 0 && hex(fromRoot) === hex(toRoot);
  const path = (from & (from - 1)) === 0 ? [fromRoot, ...proof] : proof;
  let fn = from - 1, sn = to - 1;
  while (fn % 2) { fn = Math.floor(fn / 2); sn = Math.floor(sn / 2); }
  let fr = path[0], sr = path[0];
  for (const c of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 || fn === sn) {
      fr = node(c, fr); sr = node(c, sr);
      while (fn % 2 === 0 && fn !== 0) { fn = Math.floor(fn / 2); sn = Math.floor(sn / 2); }
    } else sr = node(sr, c);
    fn = Math.floor(fn / 2); sn = Math.floor(sn / 2);
  }
  return sn === 0 && hex(fr) === hex(fromRoot) && hex(sr) === hex(toRoot);
}
function rootOf(leaves) {
  if (leaves.length === 0) return sha("");
  if (leaves.length === 1) return leaves[0];
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return node(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}
/** Opens a note with one key: the checkpoint in it, or a failure. */
function open(note, vkey) {
  const [name, id, key] = /^(.+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey.trim()).slice(1), raw = Buffer.from(key, "base64");
  assert.equal(raw[0], 1, "an Ed25519 key");
  assert.equal(hex(sha(name, "\n", raw)).slice(0, 8), id, "the key's id is its own");
  const [text, sigs] = note.split(/\n\n(?=— )/), signed = text + "\n";
  const line = sigs.split("\n").find((l) => l.startsWith(`— ${name} `) && hex(Buffer.from(l.split(" ")[2], "base64").subarray(0, 4)) === id);
  assert.ok(line, "signed by this key");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw.subarray(1)]);
  assert.ok(verify(null, Buffer.from(signed), createPublicKey({ key: spki, format: "der", type: "spki" }), Buffer.from(line.split(" ")[2], "base64").subarray(4)), "the signature is good");
  const [origin, size, root, ...more] = signed.trimEnd().split("\n");
  assert.deepEqual(more, []);
  assert.equal(origin, name);
  return { origin, size: Number(size), root: Buffer.from(root, "base64") };
}
const text = async (c, path) => { const r = await signed(() => c.get(LOG + path)); assert.equal(r.status, 200, r.text); return r.text; };
const data = async (c, path) => JSON.parse(await text(c, path)).data;
const bytes = async (path, size, c = auditor) => { const r = await c.get(LOG + path); assert.equal(r.status, 200, r.text); assert.equal(r.raw.length, size); return r.raw; };

test("the checkpoint covers the newest event within a second, signed by the log's key", async () => {
  const vkey = await text(auditor, "/vkey");
  const newest = (await admin.ok("GET", `${LOG}?limit=1`)).meta.newest;
  const c = await until(async () => { const c = open(await text(auditor, "/checkpoint"), vkey); return c.size > newest ? c : null; }, "a checkpoint over the newest event");
  assert.match(c.origin, /^c[0-9a-z]{24}\/c[0-9a-z]{24}\/0$/);
});
test("an event's proof: record, salt, leaf, inclusion, signature", async () => {
  const events = (await admin.ok("GET", `${LOG}?limit=1000`)).data;
  for (const e of [events[0], events[7], events[250], events.at(-1)]) {
    const p = await data(auditor, `/proof/${e.cuid}`);
    const pub = Buffer.from(p.public, "base64"), salt = Buffer.from(p.salt, "base64"), personal = Buffer.from(p.personal, "base64");
    assert.equal(salt.length, 16);
    const leaf = sha("recount.audit.entry.v1\n", sha(pub), sha(salt, personal));
    assert.equal(hex(leaf), p.leaf);
    assert.equal(p.leaf, e.leaf);
    assert.equal(p.index, e.index);
    assert.ok(pub.includes(e.event_type) && pub.includes(e.cuid));
    const c = open(p.checkpoint, p.vkey);
    assert.equal(hex(inclusionRoot(p.index, c.size, leafHash(leaf), p.inclusion.map((h) => Buffer.from(h, "hex")))), hex(c.root));
    const file = await text(auditor, `/proof/${e.cuid}?format=tlog-proof`);
    assert.match(file, /^c2sp\.org\/tlog-proof@v1\nindex \d+\n/);
    assert.ok(file.includes(`\nindex ${e.index}\n`));
  }
});
test("tiles and entry bundles build the tree that was signed", async () => {
  const c = open(await text(auditor, "/checkpoint"), await text(auditor, "/vkey")), full = Math.floor(c.size / 256), rest = c.size % 256, leaves = [];
  assert.ok(full >= 1 && rest > 0);
  const pad = (n) => String(n).padStart(3, "0");
  for (let n = 0; n <= full; n++) {
    const w = n < full ? 256 : rest, part = w === 256 ? "" : `.p/${w}`;
    const tile = await bytes(`/tile/0/${pad(n)}${part}`, w * 32), bundle = await bytes(`/tile/entries/${pad(n)}${part}`, w * 34);
    for (let i = 0; i < w; i++) {
      assert.equal(bundle.readUInt16BE(i * 34), 32);
      assert.equal(hex(leafHash(bundle.subarray(i * 34 + 2, i * 34 + 34))), hex(tile.subarray(i * 32, i * 32 + 32)));
      leaves.push(tile.subarray(i * 32, i * 32 + 32));
    }
  }
  assert.equal(hex(rootOf(leaves)), hex(c.root));
  assert.equal(hex(await bytes(`/tile/1/000.p/${full}`, full * 32)), leaves.length >= 256 ? hex(Buffer.concat(Array.from({ length: full }, (_, n) => rootOf(leaves.slice(n * 256, n * 256 + 256))))) : "");
});
test("what was remembered is the beginning of what is: consistency", async () => {
  const vkey = await text(auditor, "/vkey"), old = open(await text(auditor, "/checkpoint"), vkey);
  for (let i = 0; i < 5; i++) await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `more ${i}` });
  const now = await until(async () => { const c = open(await text(auditor, "/checkpoint"), vkey); return c.size >= old.size + 5 ? c : null; }, "a later checkpoint");
  for (const from of [old.size, 1, 255, 256, 257]) {
    const p = await data(auditor, `/consistency?from=${from}&to=${now.size}`), proof = p.proof.map((h) => Buffer.from(h, "hex"));
    const fromRoot = from === old.size ? old.root : Buffer.from(p.from_root, "hex");
    assert.ok(consistent(from, now.size, fromRoot, now.root, proof), `from ${from}`);
    if (proof.length) { proof[0] = Buffer.from(proof[0]); proof[0][3] ^= 1; assert.ok(!consistent(from, now.size, fromRoot, now.root, proof)); }
  }
});
test("the head is among the blinded heads that the installation recorded", { timeout: 150_000 }, async () => {
  const o = await until(async () => { const r = await auditor.get(`${LOG}/opening`); return r.status === 200 ? r.body.data : null; }, "a round", 120_000);
  const leaf = sha(Buffer.from([0]), Buffer.from(o.salt, "hex"), `${o.origin}\n${o.size}\n`, Buffer.from(o.root, "hex"));
  assert.equal(hex(inclusionRoot(o.leaf_index, o.leaves, leaf, o.path.map((h) => Buffer.from(h, "hex")))), o.round_root);
  const p = o.record, personal = Buffer.from(p.personal, "base64");
  assert.ok(personal.includes(o.round_root), "the recorded event holds the root");
  const entry = sha("recount.audit.entry.v1\n", sha(Buffer.from(p.public, "base64")), sha(Buffer.from(p.salt, "base64"), personal)), c = open(p.checkpoint, p.vkey);
  assert.match(c.origin, /\/instance\/0$/);
  assert.equal(hex(inclusionRoot(p.index, c.size, leafHash(entry), p.inclusion.map((h) => Buffer.from(h, "hex")))), hex(c.root));
});
test("bad input gets an answer that says what is wrong", async () => {
  for (const [path, status] of [
    ["/tile/0/000.p/0", 404], ["/tile/0/000.p/256", 404], ["/tile/0/0", 404], ["/tile/00/000", 404], ["/tile/64/000", 404], ["/tile/9/000", 404], ["/tile/0/x999/999", 404], ["/tile/0/x999/x999/x999/x999/999", 404],
    ["/tile/0/000/001", 404], ["/tile/entries/999", 404], ["/tile/-1/000", 404], ["/tile/data/000", 404], ["/proof/c00000000000000000000000", 404], ["/proof/nonsense", 404], ["/checkpoint?epoch=7", 404], ["/checkpoint?epoch=-1", 400],
    ["/checkpoint?epoch=x", 400], ["/consistency?from=5&to=4", 400], ["/consistency?from=1&to=99999999", 400], ["/consistency?from=-1", 400], ["/consistency?from=9223372036854775808", 400],
  ]) {
    const r = await auditor.get(LOG + path);
    assert.equal(r.status, status, `${path}: ${r.text}`);
    assert.ok(r.body.message);
  }
  const [e] = await admin.events({ limit: "1" }), r = await auditor.get(`${LOG}/proof/${e.cuid}?format=xml`);
  assert.equal(r.status, 400);
  assert.equal(r.body.fields[0].pointer, "format");
});
test("proofs are for those who may export, and public only where the workspace says so", async () => {
  assert.equal((await std.get(`${LOG}/checkpoint`)).status, 403);
  assert.equal((await s.client().get(`${LOG}/checkpoint`)).status, 401);
  const cuid = (await text(auditor, "/checkpoint")).split("/")[1], at = `/log/${cuid}/0`, stranger = s.client();
  for (const p of [`${at}/checkpoint`, `${at}/vkey`, `${at}/tile/0/000`, `/log/instance/0/checkpoint`, `/log/c00000000000000000000000/0/checkpoint`]) assert.equal((await stranger.get(LOG + p)).status, 404, p);
  await admin.ok("PUT", "/api/v2/tenants/0/settings/proofs", { public: true });
  const e = await admin.event("SettingChanged", (e) => e.changes.some((c) => c.field === "audit.proofs_public" && c.after === "true"));
  const c = await until(async () => { const r = await stranger.get(`${LOG}${at}/checkpoint`); const c = open(r.text, (await stranger.get(`${LOG}${at}/vkey`)).text); return c.size > e.index ? c : null; }, "a public checkpoint");
  assert.ok(c.size > 0);
  await bytes(`${at}/tile/0/000`, 8192, stranger);
  assert.equal((await stranger.get(`${LOG}${at}/tile/0/x000/000`)).status, 404);
  assert.equal((await stranger.get(`${LOG}/log/${cuid}/1/checkpoint`)).status, 404);
  assert.equal((await stranger.get(`${LOG}/log/${cuid}/00/checkpoint`)).status, 404);
  assert.equal((await stranger.get(`${LOG}/proof/${e.cuid}`)).status, 401, "a record is never public");
  await admin.ok("PUT", "/api/v2/tenants/0/settings/proofs", { public: false });
  assert.equal((await stranger.get(`${LOG}${at}/checkpoint`)).status, 404);
});
test("a full tile is kept by who has it and asked for by its tag; what may change is not kept", async () => {
  const get = (c, path, tag) => c.request("GET", LOG + path, undefined, tag === undefined ? {} : { "If-None-Match": tag });
  const size = open(await text(auditor, "/checkpoint"), await text(auditor, "/vkey")).size, rest = size % 256, last = String(Math.floor(size / 256)).padStart(3, "0");
  for (const path of ["/tile/0/000", "/tile/entries/000"]) {
    const r = await get(auditor, path), tag = r.headers.etag;
    assert.equal(r.status, 200);
    assert.match(tag, /^"[0-9a-f]{32}"$/);
    assert.equal(r.headers["cache-control"], "private, no-cache", "another caller's log is behind the same address");
    assert.match(r.headers.vary, /Cookie/);
    for (const t of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
      const n = await get(auditor, path, t);
      assert.equal(n.status, 304, t);
      assert.equal(n.raw.length, 0);
      assert.equal(n.headers.etag, tag);
      assert.equal(n.headers["cache-control"], "private, no-cache");
    }
    for (const t of ['"x"', tag.slice(1, -1), `"${"0".repeat(32)}"`]) assert.deepEqual((await get(auditor, path, t)).raw, r.raw, t);
    assert.equal((await get(std, path, tag)).status, 403, "who may not see it is not told that it has not changed");
    assert.equal((await get(s.client(), path, tag)).status, 401);
  }
  assert.notEqual((await get(auditor, "/tile/0/000")).headers.etag, (await get(auditor, "/tile/entries/000")).headers.etag);
  for (const path of ["/checkpoint", "/vkey", ...(rest ? [`/tile/0/${last}.p/${rest}`, `/tile/entries/${last}.p/${rest}`] : []), "/tile/1/000.p/1"]) {
    const r = await get(auditor, path, "*");
    assert.equal(r.status, 200, path);
    assert.equal(r.headers["cache-control"], "no-store", path);
    assert.equal(r.headers.etag, undefined, path);
  }
});
test("of a public log whose copy was never put back, anybody may keep a full tile for good; an erasure leaves it as it is", { timeout: 120_000 }, async () => {
  const cuid = (await text(auditor, "/checkpoint")).split("/")[1], at = `${LOG}/log/${cuid}/0/tile/entries/000`, stranger = s.client();
  const get = (tag) => stranger.request("GET", at, undefined, tag ? { "If-None-Match": tag } : {});
  await admin.ok("PUT", "/api/v2/tenants/0/settings/proofs", { public: true });
  const r = await get(), tag = r.headers.etag;
  assert.equal(r.headers["cache-control"], "public, max-age=31536000, immutable");
  assert.equal(r.headers.vary, undefined);
  assert.equal((await get(tag)).status, 304);
  const { user_id } = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === "gone@example.org");
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${user_id}`);
  const { id } = (await admin.ok("POST", `${LOG}/erasures`, { subject: "gone@example.org", reason: "A letter", legal_ground: "GDPR Art. 17" })).data;
  await (await s.as("bert@example.org")).ok("POST", `${LOG}/erasures/${id}/approve`);
  await until(async () => (await admin.ok("GET", `${LOG}/erasures/${id}`)).data.state === "done", "the erasure", 90_000);
  assert.ok((await admin.events({ order: "asc", limit: "256" })).some((e) => e.erased), "an event of the first bundle was erased");
  const n = await get();
  assert.deepEqual(n.raw, r.raw, "the leaf entry of an erased event is what it was");
  assert.equal(n.headers.etag, tag);
  await admin.ok("PUT", "/api/v2/tenants/0/settings/proofs", { public: false });
  assert.equal((await get(tag)).status, 404);
});
test("the log goes on where it was after a restart", async () => {
  const vkey = await text(auditor, "/vkey"), before = open(await text(auditor, "/checkpoint"), vkey);
  await s.restart();
  auditor = await s.as("aud@example.org");
  admin = await s.as();
  const now = await until(async () => { const c = open(await text(auditor, "/checkpoint"), vkey); return c.size > before.size ? c : null; }, "a later checkpoint");
  const p = await data(auditor, `/consistency?from=${before.size}&to=${now.size}`);
  assert.ok(consistent(before.size, now.size, before.root, now.root, p.proof.map((h) => Buffer.from(h, "hex"))));
});
