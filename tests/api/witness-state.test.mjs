/**
 * What is known of the witnesses lies in the store: the same from every server and after a restart, with an event when it
 * changes. Their policy is read again while the server runs, and its quorum is what the seal asks for.
 */
import { test, after, before } from "node:test";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, recount, until, everything, sqlOn, SLOW, STORE } from "./harness.mjs";
import { copyOf, sqlIn, verify } from "./tampered.mjs";
import { Crook, Witness } from "./witnesses.mjs";

const LOG = "/api/v2/auditlog", LONG_WAIT = SLOW ? 240_000 : 60_000;
let s, admin, auditor, vkey, origin, w1, w2, trouble, liar;
const file = (store = s.store) => path.join(store.data, "witnesses.policy");
const policy = (text) => writeFileSync(file(), text);
const lines = () => `${w1.policy}\n${w2.policy}\n${trouble.policy}\n${liar.policy}\n`;
const hup = () => s.child.kill("SIGHUP");
const status = async (c = admin) => (await c.ok("GET", `${LOG}/witnesses/status`)).data;
const seal = async (c = admin) => (await c.ok("GET", `${LOG}/seal`)).data;
const about = async (name, c = admin) => (await status(c)).witnesses.find((w) => w.name === name);
let names = 0;
const event = () => admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${names++}` });
const told = async (type, name) => (await everything(admin, { event_type: type })).filter((e) => e.message.includes(name));
const refuses = (c, n, rs) => { rs.writeHead(503); rs.end(); };
const lies = (c, n, rs) => { rs.writeHead(409, { "content-type": "text/x.tlog.size" }); rs.end("99999999\n"); };

before(async () => {
  s = await serve({ users: [{ email: "aud@example.org", role: "AUDITOR" }, { email: "std@example.org", role: "STD_USER" }], args: ["--self-check", "1"] });
  admin = await s.as();
  auditor = await s.as("aud@example.org");
  vkey = (await until(async () => { const r = await admin.get(`${LOG}/checkpoint`); return r.status === 200 && (await admin.get(`${LOG}/vkey`)); }, "a checkpoint")).text.trim();
  origin = vkey.split("+")[0];
  w1 = await new Witness([vkey], { name: "w1.example" }).start();
  w2 = await new Witness([vkey], { name: "w2.example" }).start();
  trouble = await new Crook("trouble.example", refuses).start();
  liar = await new Crook("liar.example", lies).start();
});
after(async () => {
  trouble?.stop(); liar?.stop();
  await w1?.stop(); w1?.drop();
  await w2?.stop(); w2?.drop();
  await s?.stop();
});

test("without a policy: the log as a witness must know it, and nothing else", async () => {
  const d = await status(auditor);
  assert.equal(d.log.origin, origin);
  assert.deepEqual(d.log.keys, [vkey]);
  assert.ok(d.log.size > 0 && d.log.sent);
  assert.deepEqual([d.policy.file, d.policy.text, d.policy.refused, d.quorum, d.witnesses], ["witnesses.policy", null, null, null, []]);
  assert.equal((await (await s.as("std@example.org")).get(`${LOG}/witnesses/status`)).status, 403);
});
test("a policy is taken while the server runs, with an event in the log that names what changed", async () => {
  policy(`log ${vkey}\n${w1.policy}\n${w2.policy}\ngroup both all w1.example w2.example\nquorum both\n`);
  hup();
  const e = await admin.event("AuditWitnessesChanged");
  assert.match(e.message, /witness w1\.example added, witness w2\.example added, log .* added, quorum added/);
  const changes = Object.fromEntries(e.changes.map((c) => [c.field, [c.before, c.after]]));
  assert.deepEqual(changes["witness w1.example"], [null, `${w1.vkey} ${w1.base}`]);
  assert.deepEqual(changes.quorum, [null, "both (2 of 2: w1.example, w2.example)"]);
  assert.match(recount(["audit", "export", "--format", "ndjson", "--instance", "--data", s.store.data, ...s.store.flags]).out, /AuditWitnessesChanged/);
  const d = await until(async () => { const x = await status(); return x.witnesses.length === 2 && x.quorum.met && x; }, "both cosignatures", LONG_WAIT);
  assert.deepEqual(d.witnesses.map((w) => [w.name, w.state, w.in_quorum, w.counts, w.url, w.last_failure]), [w1, w2].map((w) => [w.name, "cosigns", true, true, w.base, null]));
  assert.equal(d.quorum.text, "both (2 of 2: w1.example, w2.example)");
});
test("the seal is green with the quorum, and names who is missing without it", { timeout: 180_000 }, async () => {
  const green = await until(async () => { const d = await seal(); return d.state === "green" && d; }, "a green seal", LONG_WAIT);
  assert.deepEqual(green.reasons, []);
  policy(`${w1.policy}\n${w2.policy}\n${trouble.policy}\ngroup all3 all w1.example w2.example trouble.example\nquorum all3\n`);
  hup();
  const d = await until(async () => { const x = await seal(); return x.witnesses.configured === 3 && x; }, "the new policy");
  assert.equal(d.state, "amber");
  assert.deepEqual(d.reasons, ["The quorum of witnesses has not cosigned within 24 hours: trouble.example has not cosigned."]);
  assert.equal((await status()).quorum.missing, "trouble.example has not cosigned");
});
test("a file that is not understood is refused, and the one before holds", async () => {
  const held = (await status()).policy;
  policy(`${w1.policy}\nwitness broken\nquorum w1.example\n`);
  hup();
  const d = await until(async () => { const x = await status(); return x.policy.refused && x; }, "the refusal");
  assert.match(d.policy.refused, /^line 2: a witness is/);
  assert.ok(Math.abs(Date.now() - Date.parse(d.policy.refused_at)) < 600_000);
  assert.deepEqual([d.policy.text, d.policy.loaded_at, d.witnesses.length], [held.text, held.loaded_at, 3]);
  assert.ok((await seal()).reasons.some((r) => /changed policy of witnesses is refused, the one before holds: line 2/.test(r)));
  hup(); // again: it is told once
  await event();
  const refused = (await everything(admin, { event_type: "AuditWitnessesChanged" })).filter((e) => e.outcome === "failure");
  assert.equal(refused.filter((e) => /line 2/.test(e.message)).length, 1);
  let r = recount(["doctor", "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 1);
  assert.match(r.out, /FAIL {2}The policy of witnesses \(witnesses\.policy\) is refused: line 2/);
  policy(held.text);
  hup();
  await until(async () => (await status()).policy.refused === null, "the refusal to end");
  r = recount(["doctor", "--data", s.store.data, ...s.store.flags]);
  assert.match(r.out, /warn {2}Witnesses: one does not cosign a log/);
});
test("a changed file is found without a signal", { timeout: 120_000 }, async () => {
  policy(lines() + "quorum none\n");
  await until(async () => (await status()).witnesses.length === 4, "the file to be found", LONG_WAIT);
  const e = (await everything(admin, { event_type: "AuditWitnessesChanged" })).at(-1);
  assert.match(e.message, /witness liar\.example added/);
  assert.match(e.message, /quorum changed/);
});
test("who fails and who contradicts: states with their reasons, an event each, once", { timeout: 180_000 }, async () => {
  await until(async () => { await event(); return trouble.asked > 4 && liar.asked > 2; }, "some tries", LONG_WAIT);
  const bad = await about("trouble.example"), worse = await about("liar.example");
  assert.deepEqual([bad.state, bad.last_failure, bad.last_size, bad.last_success_at, bad.counts], ["fails", "it answered 503", 0, null, false]);
  assert.equal(worse.state, "contradicts");
  assert.match(worse.last_failure, /the store is older than what was signed/);
  assert.equal((await admin.event("AuditWitnessFailing")).outcome, "failure");
  await admin.event("AuditWitnessContradicts", (e) => e.changes[0].after === liar.vkey);
  for (const [type, name] of [["AuditWitnessFailing", "trouble.example"], ["AuditWitnessContradicts", "liar.example"]])
    assert.equal((await told(type, name)).length, 1, name);
  const d = await seal();
  assert.equal(d.state, "red");
  assert.equal(d.witnesses.contradicting, 1);
  assert.deepEqual(d.alarms.map((a) => a.kind), ["witness"]);
  assert.match(d.alarms[0].text, /^The witness liar\.example contradicts the log: /);
  assert.match(recount(["doctor", "--data", s.store.data, ...s.store.flags]).out, /FAIL {2}Witnesses: one contradicts a log/);
});
/** A change of a copy of the stopped store is a finding. */
function damaged(text, expected) {
  const c = copyOf(s.store);
  sqlIn(c, "main", text);
  const r = verify(c, "--deep");
  assert.equal(r.status, 1, `${text}: ${r.out}`);
  assert.match(r.out, expected);
  c.drop();
}
test("a witness that contradicts is not hushed up in the table, and none is made up", { timeout: 180_000 }, async () => {
  await s.stop({ drop: false });
  for (const [change, expected] of [["state = 1, told = 1", /what it says the log was last told is not what the log was told \(expected contradicts, found cosigns\)/], ["state = 1", /its state is one that the log would have been told \(expected contradicts, found cosigns\)/],
    ["told_n = 6", /another number of events in the hour/]])
    damaged(`UPDATE audit_witness SET ${change} WHERE tenant_id = 0 AND state = 3`, expected);
  damaged("DELETE FROM audit_witness WHERE tenant_id = 0 AND state = 3", /event \d+: the row of the witness liar\.example\S+: it is missing, and events speak of it/);
  damaged("UPDATE audit_witness SET state = 3 WHERE tenant_id = 0 AND witness LIKE 'w1.example%'", /row of the witness w1\.example\S+: its state is one that the log would have been told/);
  await s.start();
  admin = await s.as();
});
test("after a restart the same is known, before anybody is asked again", { timeout: 180_000 }, async () => {
  const was = await status();
  trouble.answer = liar.answer = () => {}; // they take the question and say nothing for as long as the test looks
  await s.restart();
  admin = await s.as();
  auditor = await s.as("aud@example.org");
  const is = await status();
  for (const name of ["trouble.example", "liar.example"]) {
    const [x, y] = [was, is].map((d) => d.witnesses.find((w) => w.name === name));
    assert.deepEqual([y.state, y.since, y.last_failure], [x.state, x.since, x.last_failure], name);
  }
  assert.equal((await seal()).state, "red");
});
test("another server on the store says the same", { skip: STORE !== "postgres" }, async () => {
  const store = { ...s.store, data: path.join(s.store.dir, "second"), drop: () => {} };
  mkdirSync(store.data, { mode: 0o700 });
  cpSync(path.join(s.store.data, "keys"), path.join(store.data, "keys"), { recursive: true });
  cpSync(file(), file(store));
  const other = await serve({ store, tampers: true }), c = await other.as();
  const pick = (d) => d.witnesses.map((w) => [w.name, w.state, w.since, w.last_failure]);
  await until(async () => { assert.deepEqual(pick(await status(c)), pick(await status())); return true; }, "the same from both");
  await other.stop({ drop: false });
});
test("who comes back is told once, and what failed is still known", { timeout: 240_000 }, async () => {
  trouble.answer = liar.answer = Crook.honest;
  await s.restart(); // no pause is waited for
  admin = await s.as();
  await event();
  for (const c of [trouble, liar]) {
    const x = await until(async () => { const w = await about(c.name); return w.state === "cosigns" && w.last_size > 0 && w; }, c.name, LONG_WAIT);
    assert.ok(x.last_failure && x.last_failure_at && x.last_success_at);
    assert.equal((await (await admin.ok("GET", `${LOG}/witnesses`)).data.find((w) => w.name === c.name)).last_error, null);
    await admin.event("AuditWitnessRecovered", (e) => e.message.includes(c.name));
    assert.equal((await told("AuditWitnessRecovered", c.name)).length, 1);
  }
  assert.notEqual((await seal()).state, "red");
});
test("a policy that is edited while no server runs is told at the next start, once; the row that remembers it is held against the log", { timeout: 120_000 }, async () => {
  const all = async () => (await everything(admin, { event_type: "AuditWitnessesChanged" })).filter((e) => e.outcome === "success");
  const before = (await all()).length, row = "SELECT value FROM setting WHERE tenant_id = -1 AND name LIKE 'witnesses.%'";
  await s.restart();
  admin = await s.as();
  await event();
  assert.equal((await all()).length, before, "nothing changed, nothing told");
  await s.stop({ drop: false });
  policy(`# edited in the night\n${w1.policy}\nquorum w1.example\n`);
  await s.start();
  admin = await s.as();
  const e = await until(async () => { const l = await all(); return l.length > before && l.at(-1); }, "the change to be told");
  assert.match(e.message, /changed on .* while it did not run \(witnesses\.policy\): .*liar\.example removed/);
  assert.ok(e.changes.some((c) => /^policy of [0-9a-f]{32}$/.test(c.field) && /^[0-9a-f]{64}$/.test(c.before) && /^[0-9a-f]{64}$/.test(c.after)), JSON.stringify(e.changes));
  await s.restart();
  admin = await s.as();
  await event();
  assert.equal((await all()).length, before + 1, "told once");
  const was = sqlOn(s.store, row);
  assert.match(was, /edited in the night/);
  const look = () => recount(["audit", "verify", "--deep", "--remember", path.join(s.store.dir, "rem"), "--data", s.store.data, ...s.store.flags]);
  assert.equal(look().status, 0, look().out);
  sqlOn(s.store, "UPDATE setting SET value = value || '# by hand' WHERE tenant_id = -1 AND name LIKE 'witnesses.%'");
  const r = look();
  assert.equal(r.status, 1, r.out);
  assert.match(r.out, /the installation's setting witnesses\.[0-9a-f]{32} (is not as its event says|stands there, and no event tells of it)/);
  sqlOn(s.store, "UPDATE setting SET value = replace(value, '# by hand', '') WHERE tenant_id = -1 AND name LIKE 'witnesses.%'");
});
test("a policy that is taken away is a change, too; a log it does not name is not sent", async () => {
  rmSync(file());
  hup();
  await until(async () => (await status()).witnesses.length === 0, "no witness");
  const e = (await everything(admin, { event_type: "AuditWitnessesChanged" })).at(-1);
  assert.ok(e.changes.some((c) => c.field === "witness w1.example" && c.after === null && c.before.startsWith(w1.vkey)));
  assert.ok((await seal()).reasons.includes("No independent witness has cosigned a checkpoint."));
  const instance = recount(["keys", "list", "--data", s.store.data, ...s.store.flags]).out.match(/\S+\/instance\/\S+/)[0];
  policy(`log ${instance}\n${w1.policy}\nquorum w1.example\n`);
  hup();
  const d = await until(async () => { const x = await status(); return x.witnesses.length === 1 && x; }, "the policy of another log");
  assert.deepEqual([d.log.sent, d.witnesses[0].state], [false, "not_asked"]);
  assert.ok((await seal()).reasons.includes("The policy of witnesses does not name this log: none is asked."));
});
