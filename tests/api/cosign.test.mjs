/**
 * The server asks its witnesses: two of our own, as processes, and a crowd that lies, hangs and breaks.
 * What they say is checked with node's signatures only.
 */
import { test, after, before } from "node:test";
import { generateKeyPairSync } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, newStore, recount, until, SLOW } from "./harness.mjs";
import { Crook, Witness, cosignedAt, parse } from "./witnesses.mjs";

const LOG = "/api/v2/auditlog", LONG_WAIT = SLOW ? 240_000 : 60_000;
let s, admin, vkey, origin, w1, w2;
/** @type {Crook[]} */
const crowd = [];
const policy = (text) => writeFileSync(path.join(s.store.data, "witnesses.policy"), text);
before(async () => {
  s = await serve();
  admin = await s.as();
  vkey = (await until(async () => { const r = await admin.get(`${LOG}/checkpoint`); return r.status === 200 && (await admin.get(`${LOG}/vkey`)); }, "a checkpoint")).text.trim();
  origin = vkey.split("+")[0];
  w1 = await new Witness([vkey], { name: "w1.example" }).start();
  w2 = await new Witness([vkey], { name: "w2.example" }).start();
});
after(async () => {
  for (const c of crowd) c.stop();
  await w1?.stop(); w1?.drop();
  await w2?.stop(); w2?.drop();
  await s?.stop();
});

const checkpoint = async () => (await admin.get(`${LOG}/checkpoint`)).text;
const witnesses = async () => Object.fromEntries((await admin.ok("GET", `${LOG}/witnesses`)).data.map((w) => [w.name, w]));
let names = 0;
const event = () => admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${names++}` });
const newestIndex = async () => (await admin.ok("GET", `${LOG}?limit=1`)).meta.newest;
/** The checkpoint, once it covers what is recorded now and these witnesses have cosigned it. */
const cosigned = async (ws, text) => {
  const newest = await newestIndex();
  return until(async () => { const n = await checkpoint(); return parse(n).size > newest && ws.every((w) => cosignedAt(n, w.vkey)) ? n : null; }, text, LONG_WAIT);
};

test("without a policy there are no witnesses", async () => {
  assert.deepEqual((await admin.ok("GET", `${LOG}/witnesses`)).data, []);
  assert.deepEqual((await admin.ok("GET", `${LOG}/seal`)).data.witnesses, { configured: 0, cosigned_at: null, contradicting: 0 });
});
test("a policy that is not understood refuses the start, and says where", () => {
  const store = newStore();
  recount(["migrate", "--data", store.data, ...store.flags]);
  /** @type {[string, RegExp][]} */
  const bad = [
    ["witness a\n", /witnesses\.policy: line 1: /], [`# x\nwitness a ${w1.vkey} ftp:\/\/127.0.0.1\nquorum a\n`, /address of the witness a/],
    [`witness a ${w1.vkey} http:\/\/user@127.0.0.1\nquorum a\n`, /address of the witness a/], [`witness a ${vkey}\nquorum a\n`, /line 1: a key of type 1/],
    [`witness a ${w1.vkey}\n`, /no quorum/], ["x".repeat(2 << 20), /larger than 1 MB/],
  ];
  for (const [text, why] of bad) {
    writeFileSync(path.join(store.data, "witnesses.policy"), text);
    const r = recount(["serve", "--data", store.data, "--listen", "127.0.0.1:0", ...store.flags]);
    assert.equal(r.status, 1, r.err);
    assert.match(r.err, why);
  }
  store.drop();
});
test("both witnesses cosign what happened, and the checkpoint carries their lines", { timeout: 180_000 }, async () => {
  policy(`log ${vkey}\n${w1.policy}\n${w2.policy}\ngroup both all w1.example w2.example\nquorum both\n`);
  await s.restart();
  admin = await s.as();
  await event();
  const note = await cosigned([w1, w2], "both cosignatures"), c = parse(note);
  assert.equal(c.lines.length, 3);
  assert.equal(c.origin, origin);
  const known = async (w) => { const n = parse((await w.last(origin)).text); return n.size > c.size || n.text === c.text; }; // or what came since
  for (const w of [w1, w2]) assert.ok(await known(w), w.name);
  const list = await witnesses();
  assert.deepEqual(Object.keys(list), ["w1.example", "w2.example"]);
  for (const w of [w1, w2]) {
    const x = list[w.name];
    assert.deepEqual([x.key, x.url, x.last_error, x.last_error_at], [w.vkey, w.base, null, null]);
    assert.equal(x.last_size, parse(x.checkpoint).size);
    assert.equal(cosignedAt(x.checkpoint, w.vkey) * 1000, Date.parse(x.last_cosigned_at));
    assert.equal(parse(x.checkpoint).lines.length, 2);
  }
  const seal = (await admin.ok("GET", `${LOG}/seal`)).data;
  assert.equal(seal.witnesses.configured, 2);
  assert.ok(Math.abs(Date.now() - Date.parse(seal.witnesses.cosigned_at)) < 600_000);
  assert.ok(!seal.reasons.some((r) => /witness/.test(r)), seal.reasons.join(" "));
});
test("a witness that is down holds up nobody, and is caught up with when it comes back", { timeout: 180_000 }, async () => {
  await w2.stop("SIGKILL");
  await event();
  const note = await cosigned([w1], "the other's cosignature");
  assert.equal(cosignedAt(note, w2.vkey), undefined);
  const x = await until(async () => { const l = (await witnesses())["w2.example"]; return l.last_error ? l : null; }, "its failure to be told");
  assert.match(x.last_error, /connect/i);
  assert.ok(Math.abs(Date.now() - Date.parse(x.last_error_at)) < 600_000);
  await w2.start();
  await cosigned([w1, w2], "both again");
  await until(async () => (await witnesses())["w2.example"].last_error === null, "its failure to be over");
});
test("a witness with another memory is met where it is", { timeout: 180_000 }, async () => {
  await w2.stop();
  for (const f of ["witness.db", "witness.db-wal", "witness.db-shm"]) rmSync(path.join(w2.dir, "data", f), { force: true });
  await w2.start(); // the same key, and nothing remembered: 409 with size 0
  await event();
  await cosigned([w1, w2], "both from the beginning");
});
test("a witness that was not told of the log says so, until it is", { timeout: 180_000 }, async () => {
  await w2.stop();
  w2.watch([]);
  await w2.start();
  await event();
  await until(async () => /does not know this log/.test((await witnesses())["w2.example"].last_error ?? ""), "the refusal");
  await cosigned([w1], "the other's");
  await w2.stop();
  w2.watch([vkey]);
  await w2.start();
  await cosigned([w1, w2], "both again");
});

const now = () => Math.floor(Date.now() / 1000);

test("what a witness answers is checked, and a bad one spoils nothing", { timeout: 300_000 }, async () => {
  const stranger = generateKeyPairSync("ed25519").privateKey;
  /** @type {[string, RegExp, (c: Crook, n: any, rs: import("node:http").ServerResponse) => void][]} */
  const cases = [
    ["wrong-key", /no signature of its key/, (c, n, rs) => rs.end(c.line(n.text, now(), stranger))],
    ["other-text", /no signature of its key/, (c, n, rs) => rs.end(c.line(n.text.replace(/\n\d+\n/, "\n1\n"), now()))],
    ["garbage", /no signature of its key/, (c, n, rs) => rs.end("<html>welcome</html>")],
    ["nothing", /no signature of its key/, (c, n, rs) => rs.end()],
    ["twice", /no signature of its key/, (c, n, rs) => rs.end(c.line(n.text, now()) + c.line(n.text, now() - 1))],
    ["slow-clock", /clock/, (c, n, rs) => rs.end(c.line(n.text, now() - 7200))],
    ["redirect", /it answered 307/, (c, n, rs) => { rs.writeHead(307, { location: `${w1.base}/add-checkpoint` }); rs.end(); }],
    ["long", /longer than 64 KB/, (c, n, rs) => rs.end("x".repeat(1 << 20))],
    ["ahead", /older than what was signed/, (c, n, rs) => { rs.writeHead(409, { "content-type": "text/x.tlog.size" }); rs.end("99999999\n"); }],
    ["other-root", /another log of the same size/, (c, n, rs) => { rs.writeHead(409, { "content-type": "text/x.tlog.size" }); rs.end(`${n.size}\n`); }],
    ["other-log", /refuses the proof/, (c, n, rs) => { rs.writeHead(422); rs.end(); }],
    ["no-size", /409 without a size/, (c, n, rs) => { rs.writeHead(409); rs.end("-1\n"); }],
    ["trouble", /it answered 503/, (c, n, rs) => { rs.writeHead(503); rs.end(); }],
    ["cut", /./, (c, n, rs) => rs.destroy()],
    ["hangs", /time/i, () => {}],
  ];
  const crooks = [];
  for (const [name, , answer] of cases) crooks.push(await new Crook(name, answer).start());
  crowd.push(...crooks);
  policy(`log ${vkey}\n${w1.policy}\n${w2.policy}\n${crooks.map((c) => c.policy + "\n").join("")}quorum w1.example\n`);
  await s.restart();
  admin = await s.as();
  await event();
  const note = await cosigned([w1, w2], "the honest two");
  assert.equal(parse(note).lines.length, 3, "no line of the others");
  for (const [name, why] of cases)
    await until(async () => why.test((await witnesses())[name].last_error ?? ""), `${name} to be told`, LONG_WAIT);
  const list = await witnesses();
  for (const [name] of cases) assert.deepEqual([list[name].last_size, list[name].checkpoint], [0, null], name);
  const seal = (await admin.ok("GET", `${LOG}/seal`)).data;
  assert.equal(seal.state, "red", "what a witness remembers is not this log");
  assert.ok(seal.reasons.some((r) => /The witness (ahead|other-root|other-log) contradicts the log/.test(r)), seal.reasons.join(" "));
  await event();
  assert.equal(parse(await cosigned([w1, w2], "the honest two, again")).lines.length, 3);
  // they are asked more and more seldom
  assert.ok(crooks.every((c) => c.asked >= 1 && c.asked < 30), crooks.map((c) => `${c.name} ${c.asked}`).join(", "));
});
test("who may not see the log may not see its witnesses; the start names them", async () => {
  assert.equal((await s.client().get(`${LOG}/witnesses`)).status, 401);
  policy(`${w1.policy}\n${crowd.find((c) => c.name === "hangs").policy}\nquorum none\n`);
  await s.restart();
  admin = await s.as();
  await event();
  await cosigned([w1], "its cosignature, without a log line in the policy");
  assert.notEqual((await admin.ok("GET", `${LOG}/seal`)).data.state, "red", "the others are not asked any more");
  const ended = Date.now();
  await s.restart(); // with a witness that hangs: the end does not wait for it
  assert.ok(Date.now() - ended < 60_000);
  admin = await s.as();
  const out = recount(["audit", "export", "--format", "ndjson", "--instance", "--data", s.store.data, ...s.store.flags]).out;
  const starts = out.split("\n").filter((l) => l.includes("ServerStarted"));
  assert.ok(starts.some((l) => l.includes(w1.vkey) && l.includes(w2.vkey)), starts.join("\n"));
});
