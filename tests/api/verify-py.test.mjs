/**
 * The verifier that is not ours, doc/verify/verify.py, on what the product hands out: the honest passes, and each lie ends
 * with exit status 1 and a sentence that names it.
 */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { serve, assert, signed, until, LONG, ROOT } from "./harness.mjs";
import { Witness } from "./witnesses.mjs";

const LOG = "/api/v2/auditlog", VERIFY = path.join(ROOT, "doc/verify/verify.py");
const dir = mkdtempSync(path.join(os.tmpdir(), "recount-verify-"));
let s, admin, auditor, vkey, seed = Number(process.env.RECOUNT_SEED ?? Date.now() % 1e9);
const roll = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor((seed / 2147483648) * n); };
before(async () => {
  s = await serve({ users: [{ email: "aud@example.org", role: "AUDITOR" }] });
  admin = await s.as();
  auditor = await s.as("aud@example.org");
  for (let i = 0; i < 270; i++) await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${i}` });
  const id = (await admin.ok("POST", "/api/v1/client/create", { name: "Acme \u202Egnp.exe \u00E9" })).client_id;
  await admin.ok("PUT", `/api/v1/client/${id}`, { name: "Acme Holding", description: "Renamed" });
  await until(async () => (await auditor.get(`${LOG}/checkpoint`)).status === 200, "a checkpoint");
  vkey = (await auditor.get(`${LOG}/vkey`)).text.trim();
  console.log(`RECOUNT_SEED=${seed}`);
});
after(async () => { await s?.stop(); rmSync(dir, { recursive: true, force: true }); });

const run = (...args) => { const r = spawnSync("python3", [VERIFY, ...args], { encoding: "utf8", timeout: 120_000 }); return { status: r.status, out: r.stdout + r.stderr }; };
const keep = (name, data) => { const f = path.join(dir, name); mkdirSync(path.dirname(f), { recursive: true }); writeFileSync(f, data); return f; };
const sound = (...args) => { const r = run(...args); assert.equal(r.status, 0, r.out); assert.match(r.out, /sound/); return r.out; };
const damaged = (why, ...args) => { const r = run(...args); assert.equal(r.status, 1, `${args.join(" ")}: ${r.out}`); assert.match(r.out, /^DAMAGED: /m); if (why) assert.match(r.out, why); return r.out; };
const fetched = async (p) => { const r = await signed(() => auditor.get(LOG + p)); assert.equal(r.status, 200, r.text); return r; };

test("a proof: sound, and each part of it changed is named", async () => {
  const e = await admin.event("ClientUpdated"), a = (await fetched(`/proof/${e.cuid}`)).body, f = keep("proof.json", JSON.stringify(a));
  assert.match(sound("proof", f, "--vkey", vkey), /ClientUpdated/);
  const flip = (text, coding, at = 0) => { const b = Buffer.from(text, coding); b[at] ^= 1; return b.toString(coding); };
  for (const [change, why] of /** @type {[(d: any) => void, RegExp][]} */ ([
    [(d) => { d.public = flip(d.public, "base64", 9); }, /leaf/], [(d) => { d.personal = flip(d.personal, "base64", 9); }, /personal|leaf/], [(d) => { d.salt = flip(d.salt, "base64"); }, /personal|leaf/],
    [(d) => { d.leaf = flip(d.leaf, "hex"); }, /leaf/], [(d) => { d.inclusion[0] = flip(d.inclusion[0], "hex"); }, /signed root/], [(d) => { d.inclusion.pop(); }, /short/], [(d) => { d.inclusion.push(d.inclusion[0]); }, /long/],
    [(d) => { d.index += 1; }, /placed elsewhere/], [(d) => { d.checkpoint = d.checkpoint.replace(/\n(\d+)\n/, (_, n) => `\n${Number(n) + 1}\n`); }, /signature/],
    [(d) => { d.checkpoint = d.checkpoint.slice(0, -1); }, /ends in the middle/], [(d) => { d.personal = null; }, /erasure/], [(d) => { d.salt = flip(d.salt, "base64").replace(/=+$/, ""); }, /base64/],
  ])) { const d = structuredClone(a); change(d.data); damaged(why, "proof", keep("bad.json", JSON.stringify(d)), "--vkey", vkey); }
  damaged(/malformed/, "proof", keep("bad.json", "{}"), "--vkey", vkey);
  damaged(/not JSON/, "proof", keep("bad.json", "{"), "--vkey", vkey);
  damaged(/not signed by/, "proof", f, "--vkey", vkey.replace(/\/0\+/, "/1+").replace(/\+[0-9a-f]{8}\+/, (m) => m) && (await otherKey()));
});
/** The key of another log of the same installation: good by itself, and not this log's. */
const otherKey = async () => (await fetched("/opening").catch(() => null))?.body?.data?.record?.vkey ?? "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

test("checkpoints and consistency, and a pin that remembers", async () => {
  const old = keep("old", (await fetched("/checkpoint")).text), m = Number(readFileSync(old, "utf8").split("\n")[1]), pin = path.join(dir, "pin.json");
  sound("checkpoint", old, "--vkey", vkey, "--pin", pin);
  for (let i = 0; i < 20; i++) await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `later ${i}` });
  const next = await until(async () => { const t = (await fetched("/checkpoint")).text; return Number(t.split("\n")[1]) >= m + 20 ? t : null; }, "a later checkpoint"), now = keep("new", next), n = Number(next.split("\n")[1]);
  const c = (await fetched(`/consistency?from=${m}&to=${n}`)).body, proof = keep("consistency.json", JSON.stringify(c));
  sound("consistency", old, now, proof, "--vkey", vkey, "--pin", pin);
  damaged(/cut|put back/, "checkpoint", old, "--vkey", vkey, "--pin", pin);
  damaged(/shrunk/, "consistency", now, old, proof, "--vkey", vkey);
  c.data.proof[1] = c.data.proof[0];
  damaged(/rewritten/, "consistency", old, now, keep("bad.json", JSON.stringify(c)), "--vkey", vkey);
});
test("a proof file of C2SP, with the leaf that an export shows", async () => {
  const e = await admin.event("ClientUpdated"), text = (await fetched(`/proof/${e.cuid}?format=tlog-proof`)).text, f = keep("event.tlog-proof", text), lines = text.split("\n");
  assert.match(sound("proof", f, "--vkey", vkey, "--leaf", e.leaf), new RegExp(`the leaf is number ${e.index} of`));
  damaged(/signed root/, "proof", f, "--vkey", vkey, "--leaf", "0".repeat(64));
  damaged(/not a hash/, "proof", f, "--vkey", vkey, "--leaf", "x");
  const bad = (change, why) => { const l = [...lines]; change(l); damaged(why, "proof", keep("bad.tlog-proof", l.join("\n")), "--vkey", vkey, "--leaf", e.leaf); };
  bad((l) => { l[1] = `index ${e.index - 1}`; }, /signed root|short|long/);
  bad((l) => { l[1] = `index 0${e.index}`; }, /not a proof file/);
  bad((l) => { l[0] = "c2sp.org/tlog-proof@v2"; }, /not a proof file/);
  bad((l) => { l[2] = l[3]; }, /signed root/);
  bad((l) => { l.splice(2, 1); }, /short|signed root/);
  bad((l) => { l.splice(2, 0, l[2]); }, /long|signed root/);
  bad((l) => { l[2] = "AAAA"; }, /signed root/);
  bad((l) => { const i = l.indexOf("") + 2; l[i] = String(Number(l[i]) + 1); }, /signature/);
  sound("proof", keep("extra.tlog-proof", text.replace("\nindex", "\nextra AAAA\nindex")), "--vkey", vkey, "--leaf", e.leaf);
  for (const args of [["--vkey", vkey], ["--leaf", e.leaf]]) assert.equal(run("proof", f, ...args).status, 2, "key and leaf are needed");
});
test("a witness's cosignature is demanded when its key is given", async () => {
  const w = await new Witness([vkey], { name: "auditor.example" }).start(), other = await new Witness([vkey], { name: "board.example" }).start();
  try {
    const note = (await fetched("/checkpoint")).text, cosign = async (x) => { const r = await x.add(`old 0\n\n${note}`); assert.equal(r.status, 200, r.text); return r.text; };
    const line = await cosign(w), second = await cosign(other), plain = keep("plain", note), f = keep("cosigned", note + line), both = keep("both", note + line + second);
    sound("checkpoint", f, "--vkey", vkey);
    assert.match(sound("checkpoint", f, "--vkey", vkey, "--witness", w.vkey), /^cosigned by auditor\.example at \d{4}-/m);
    sound("checkpoint", both, "--vkey", vkey, "--witness", w.vkey, "--witness", other.vkey);
    sound("checkpoint", both, "--vkey", vkey, "--witness", keep("witnesses.txt", `${w.vkey}\n${other.vkey}\n`));
    damaged(/not cosigned by auditor/, "checkpoint", plain, "--vkey", vkey, "--witness", w.vkey);
    damaged(/not cosigned by board/, "checkpoint", f, "--vkey", vkey, "--witness", w.vkey, "--witness", other.vkey);
    const raw = Buffer.from(line.trim().split(" ")[2], "base64"), signed = (/** @type {number} */ at) => { const b = Buffer.from(raw); b[at] ^= 1; return keep("bad", `${note}— auditor.example ${b.toString("base64")}\n`); };
    damaged(/cosignature of auditor.example is wrong/, "checkpoint", signed(11), "--vkey", vkey, "--witness", w.vkey);
    damaged(/cosignature of auditor.example is wrong/, "checkpoint", signed(40), "--vkey", vkey, "--witness", w.vkey);
    damaged(/not cosigned/, "checkpoint", signed(1), "--vkey", vkey, "--witness", w.vkey);
    damaged(/not an Ed25519 key of a witness/, "checkpoint", f, "--vkey", vkey, "--witness", vkey);
    damaged(/not an Ed25519 key of a log/, "checkpoint", f, "--vkey", w.vkey);
  } finally { await w.stop(); await other.stop(); w.drop(); other.drop(); }
});
test("an export with proofs: whole, filtered, and in either order", async () => {
  for (const q of ["", "&q=acme", "&order=asc", "&event_type=ClientUpdated", "&q=nothing-like-this", "&from=2020-01-01"]) {
    const f = keep("export.ndjson", (await fetched(`/export?format=ndjson&proofs=1${q}`)).raw);
    assert.match(sound("export", f, "--vkey", vkey), /events of/);
  }
  const text = readFileSync(keep("export.ndjson", (await fetched("/export?format=ndjson&proofs=1")).raw), "utf8"), lines = text.split("\n");
  assert.ok(lines.length > 270);
  const bad = (change, why) => { const l = [...lines]; const r = change(l); damaged(why, "export", keep("bad.ndjson", (r ?? l).join("\n")), "--vkey", vkey); };
  bad((l) => { l.splice(5, 1); }, /digest/);
  bad((l) => { l.splice(5, 0, l[5]); }, /digest/);
  bad((l) => { [l[5], l[6]] = [l[6], l[5]]; }, /digest/);
  bad((l) => { l[7] = l[7].replace("success", "failure"); }, /digest/);
  bad((l) => l.slice(0, 40), /no manifest|cut off/);
  bad((l) => { l[l.length - 2] = l[l.length - 2].replace(/count \d+/, "count 3"); }, /signature/);
  bad((l) => { l[l.length - 2] = l[l.length - 2].replace(/query -/, "query q=x"); }, /signature/);
  const other = (await fetched("/export?format=ndjson&proofs=1&q=acme")).text.split("\n");
  bad((l) => { l[l.length - 2] = other[other.length - 2]; }, /digest|not what was exported/);
});
test("a doctored view of a true record is found even by who signs the manifest", () => {
  // The server itself lies: record and proof are true, what a reader sees is not. The digest is left out of the way by asking the functions.
  const code = `
import json, sys
sys.path.insert(0, sys.argv[1])
import verify as v
line = json.loads(open(sys.argv[2], encoding="utf-8").readlines()[3])
def check(e):
    leaf, pub, per = v.leaf_of(e["proof"], "here")
    v.compare(e, pub, per, "here")
check(line)
found = 0
for path, value in [(["message"], "x"), (["event_type"], "LoginSuccess"), (["timestamp"], "2020-01-01T00:00:00Z"), (["outcome"], "denied"), (["actor", "name"], "Mallory"), (["actor", "email"], "m@example.org"), (["address"], "192.0.2.1"), (["index"], 1), (["request_id"], "x"), (["target", "name"], "x"), (["count"], 2), (["changes"], [{"field": "a", "before": None, "after": "b"}]), (["cuid"], "c00000000000000000000000"),
                    (["user_info"], "Mallory"), (["actor", "id"], "c00000000000000000000000"), (["actor", "kind"], "system"), (["actor", "session"], "x"), (["target", "id"], "7"), (["target", "kind"], "user"), (["target", "email"], "m@example.org"),
                    (["client"], {"id": 7, "name": "x"}), (["via"], "192.0.2.2"), (["user_agent"], "curl"), (["private_detail"], "x"), (["logged"], "2020-01-01T00:00:00.000Z"), (["timestamp"], ""), (["leaf"], "0" * 64), (["erased"], True), (["epoch"], 1)]:
    e = json.loads(json.dumps(line)); o = e
    for k in path[:-1]: o = o[k]
    o[path[-1]] = value
    try: check(e)
    except v.Damaged as d: found += 1
    else: print("not found:", path)
print(found)`;
  const r = spawnSync("python3", ["-B", "-c", code, path.dirname(VERIFY), path.join(dir, "export.ndjson")], { encoding: "utf8" });
  assert.equal(r.stdout.trim(), "29", r.stdout + r.stderr);
});
test("a random byte changed anywhere in an export is found", () => {
  const raw = readFileSync(path.join(dir, "export.ndjson")), own = raw.lastIndexOf('"vkey":"'), n = LONG ? 300 : 12;
  assert.ok(own > raw.lastIndexOf("\n", raw.length - 2), "the key that comes along is the last member of the last line");
  for (let i = 0; i < n + 6; i++) {
    const b = Buffer.from(raw), at = i < n ? roll(b.length) : own + roll(b.length - own), was = b[at];
    b[at] ^= 1 << roll(7);
    // Whoever has the key reads none that comes along; whoever has none goes by that one.
    const r = run("export", keep("bad.ndjson", b), ...(at < own ? ["--vkey", vkey] : []));
    // The one change that says the same: the case of a hexadecimal \\u escape in the last line, which nothing but JSON reads.
    assert.equal(r.status, 1, `byte ${at}: ${was} became ${b[at]}: ${r.out}`);
  }
});
test("other forms go with a manifest beside them", async () => {
  for (const format of ["csv", "ocsf", "ndjson"]) {
    const m = (await fetched(`/export/manifest?format=${format}&q=acme`)).body, manifest = keep("manifest.json", JSON.stringify(m));
    const r = await fetched(`/export?format=${format}&q=acme&before=${m.before}`), f = keep("export." + format, r.raw);
    assert.equal(r.headers["x-recount-before"], String(m.before));
    sound("export", f, "--manifest", manifest, "--vkey", vkey);
    const b = Buffer.from(r.raw);
    b[b.length >> 1] ^= 1;
    damaged(/digest/, "export", keep("bad." + format, b), "--manifest", manifest, "--vkey", vkey);
  }
  for (const [q, field] of [["format=csv&proofs=1", "proofs"], ["proofs=maybe", "proofs"], ["format=xml", "format"]]) {
    const r = await auditor.get(`${LOG}/export?${q}`);
    assert.equal(r.status, 400, r.text);
    assert.equal(r.body.fields[0].pointer, field);
  }
});
test("the whole log from its entry bundles, and the opening", { timeout: 150_000 }, async () => {
  const note = (await fetched("/checkpoint")).text, size = Number(note.split("\n")[1]), pin = path.join(dir, "log-pin.json"), pad = (n) => String(n).padStart(3, "0"), names = [];
  keep("log/checkpoint", note);
  for (let n = 0; n * 256 < size; n++) {
    const w = Math.min(256, size - n * 256), name = `tile/entries/${pad(n)}${w < 256 ? `.p/${w}` : ""}`;
    keep(`log/${name}`, (await fetched(`/${name}`)).raw);
    names.push(name);
  }
  const folder = path.join(dir, "log");
  sound("log", folder, "--vkey", vkey, "--pin", pin);
  sound("log", folder, "--vkey", vkey, "--pin", pin);
  const first = path.join(folder, names[0]), good = readFileSync(first), bad = Buffer.from(good);
  bad[100] ^= 4;
  writeFileSync(first, bad);
  damaged(/changed/, "log", folder, "--vkey", vkey);
  writeFileSync(first, good.subarray(0, good.length - 34));
  damaged(/malformed/, "log", folder, "--vkey", vkey);
  rmSync(first);
  damaged(/missing/, "log", folder, "--vkey", vkey);
  const o = await until(async () => { const r = await auditor.get(`${LOG}/opening`); return r.status === 200 ? r.body : null; }, "a round", 120_000), f = keep("opening.json", JSON.stringify(o));
  sound("opening", f, "--vkey", o.data.record.vkey);
  o.data.size += 1;
  damaged(/not among|changed|too/, "opening", keep("bad.json", JSON.stringify(o)), "--vkey", o.data.record.vkey);
});
test("wrong usage is not damage", () => {
  for (const args of [[], ["export"], ["nonsense", "x"], ["checkpoint", "x"], ["proof", path.join(dir, "absent"), "--vkey", vkey], ["proof", "x", "--bogus"]]) assert.equal(run(...args).status, 2, args.join(" "));
});
test("it is short, and stands alone", () => {
  const code = readFileSync(VERIFY, "utf8");
  assert.ok(code.split("\n").length <= 400, "under 400 lines");
  assert.deepEqual([...code.matchAll(/^\s*(?:import|from) (.*)$/gm)].map((m) => m[1]), ["base64, datetime, hashlib, json, os, re, struct, sys"]);
});
test("a year of log, verified from the outside", { timeout: 300_000 }, async (t) => {
  const year = await serve({ noAdmin: true, args: ["--demo", "--demo-days", "365"] });
  t.after(() => year.stop());
  const told = await until(() => /auditor\s+(\S+)\s+(\S+)/.exec(year.out), "the demonstration"), c = await year.as(told[1], told[2]);
  const note = await until(async () => { const r = await c.get(`${LOG}/checkpoint`); return r.status === 200 ? r.text : null; }, "a checkpoint"), size = Number(note.split("\n")[1]), key = (await c.get(`${LOG}/vkey`)).text.trim();
  const file = keep("year.ndjson", (await c.get(`${LOG}/export?format=ndjson&proofs=1&order=asc`)).raw), first = JSON.parse(readFileSync(file, "utf8").split("\n")[0]);
  assert.ok(Date.now() - Date.parse(first.timestamp) > 330 * 86400e3, "most of a year is kept");
  assert.match(sound("export", file, "--vkey", key), new RegExp(`^sound: \\d{3,} events`, "m"));
  if (first.index > 0) return; // the first month has left: then the bundles before it are refused
  keep("year/checkpoint", note);
  const pad = (n) => String(n).padStart(3, "0");
  for (let n = 0; n * 256 < size; n++) { const w = Math.min(256, size - n * 256), name = `tile/entries/${pad(n)}${w < 256 ? `.p/${w}` : ""}`; const r = await c.get(`${LOG}/${name}`); assert.equal(r.status, 200, r.text); keep(`year/${name}`, r.raw); }
  sound("log", path.join(dir, "year"), "--vkey", key);
});
