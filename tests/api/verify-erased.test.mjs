/**
 * Erased events from the outside: what doc/verify/verify.py says of them, and that nobody, not even who has the server's
 * key, can put words into what was erased, or call an event erased and show it all the same.
 */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { serve, assert, signed, until, PASSWORD, ROOT } from "./harness.mjs";
import { Liar } from "./liar.mjs";

const LOG = "/api/v2/auditlog", VERIFY = process.env.RECOUNT_VERIFY_PY ?? path.join(ROOT, "doc/verify/verify.py"), VERA = "vera@example.org";
const dir = mkdtempSync(path.join(os.tmpdir(), "recount-verify-erased-"));
let s, admin, vkey, liar, text, label;
before(async () => {
  s = await serve({ users: [{ email: "bert@example.org", role: "ADMIN" }, { email: VERA, first: "Vera", last: "Vogelquist", role: "ADMIN" }] });
  admin = await s.as();
  const bert = await s.as("bert@example.org"), vera = await s.as(VERA), user = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === VERA);
  const { client_id: id } = await vera.ok("POST", "/api/v1/client/create", { name: "Acme" });
  await vera.ok("PUT", `/api/v1/client/${id}`, { name: "Acme Holding" });
  await admin.ok("PUT", `/api/v1/client/${id}`, { name: "Acme Group" });
  await vera.ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "Winter-Meadow-53?" });
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${user.user_id}`);
  const { data: r } = await admin.ok("POST", `${LOG}/erasures`, { subject: VERA, reason: "She asked for it", legal_ground: "GDPR Art. 17(1)(b)" });
  await bert.ok("POST", `${LOG}/erasures/${r.id}/approve`);
  await until(async () => (await admin.ok("GET", `${LOG}/erasures/${r.id}`)).data.state === "done", "the erasure", 90_000);
  label = r.label;
  vkey = (await admin.get(`${LOG}/vkey`)).text.trim();
  liar = new Liar(s.store);
  text = (await signed(() => admin.get(`${LOG}/export?format=ndjson&proofs=1&order=asc`))).text;
});
after(async () => { await s?.stop(); rmSync(dir, { recursive: true, force: true }); });

const run = (...args) => { const r = spawnSync("python3", [VERIFY, ...args], { encoding: "utf8", timeout: 120_000 }); return { status: r.status, out: r.stdout + r.stderr }; };
const keep = (name, data) => { const f = path.join(dir, name); writeFileSync(f, data); return f; };
const sound = (...args) => { const r = run(...args, "--vkey", vkey); assert.equal(r.status, 0, r.out); return r.out; };
const damaged = (why, ...args) => { const r = run(...args, "--vkey", vkey); assert.equal(r.status, 1, `not found: ${r.out}`); assert.match(r.out, /^DAMAGED: /m); assert.match(r.out, why); };
const events = () => text.split("\n").slice(0, -2).map((l) => JSON.parse(l));

test("how many are erased is said, and an honest export needs no remark", () => {
  const n = events().filter((e) => e.erased).length, out = sound("export", keep("export.ndjson", text));
  assert.ok(n >= 4);
  assert.match(out, new RegExp(`, ${n} erased$`, "m"));
  assert.doesNotMatch(out, /\bnote\b/);
  assert.match(sound("export", keep("same.ndjson", liar.doctored(text, () => {}))), /erased/, "the liar can sign");
});
test("a word put into an erased event is found, each member", () => {
  const i = events().findIndex((e) => e.erased && e.actor.name === label && e.event_type === "ClientUpdated"), of = (change) => keep("bad.ndjson", liar.doctored(text, (all) => change(all[i], all)));
  assert.ok(i >= 0);
  for (const [change, why] of /** @type {[(e: any, all: any[]) => void, RegExp][]} */ ([
    [(e) => { e.message = "Bert deleted the client"; }, /text/], [(e) => { e.message += " by Bert"; }, /text/], [(e) => { e.message = e.message.replace(label, "Bert Bright"); }, /person|text|name/],
    [(e) => { e.title = "Bert deleted it"; e.message = e.message.replace(/^.*?:/, "Bert deleted it:"); }, /title/],
    [(e) => { e.actor.name = "Bert Bright"; }, /person/], [(e) => { e.actor.name = "Erased person 0123456789"; }, /person/], [(e) => { e.actor.email = "bert@example.org"; }, /e-mail/],
    [(e) => { e.user_info = "Bert Bright"; }, /user/], [(e) => { e.user_info = "Nobody signed in"; }, /user/], [(e) => { e.target.name = "Another client"; }, /name of target/], [(e) => { e.target.email = "x@example.org"; }, /e-mail of target/],
    [(e) => { e.client = { ...e.client, name: "Another client" }; }, /client/], [(e) => { e.address = "192.0.2.7"; }, /address/], [(e) => { e.via = "192.0.2.8"; }, /proxy/], [(e) => { e.user_agent = "curl"; }, /browser/],
    [(e) => { e.private_detail = "x"; }, /detail/], [(e) => { e.changes = [{ field: "name", before: "a", after: "b" }]; }, /changes/], [(e) => { e.actor.kind = "system"; }, /kind of actor/], [(e) => { e.count = 2; }, /count/],
    [(e) => { e.session = e.actor.session = "x"; }, /session/], [(e) => { e.logged = e.timestamp = ""; }, /time|logged/], [(e) => { e.erased = false; e.erased_at = null; }, /erasure/], [(e) => { e.proof.erased = false; }, /erasure/],
    [(e) => { e.proof.salt = "AAAAAAAAAAAAAAAAAAAAAA=="; }, /erasure/], [(e) => { e.proof.personal = ""; }, /erasure/], [(e) => { e.leaf = "0".repeat(64); }, /leaf/],
    [(_e, all) => { const x = all.find((y) => !y.erased && y.event_type === "LoginSuccess"); x.erased = true; }, /erasure/], [(_e, all) => { const x = all.find((y) => !y.erased && y.event_type === "LoginSuccess"); x.proof.erased = true; }, /erasure/],
    [(_e, all) => { const x = all.find((y) => !y.erased && y.event_type === "LoginSuccess"); x.user_info = "Mallory"; }, /user/],
  ])) damaged(why, "export", of(change));
});
test("a personal part that is withheld from a reader is not told from an erasure, but what no PersonErased tells of is named", () => {
  const withheld = liar.doctored(text, (all) => {
    const e = all.find((x) => !x.erased && x.event_type === "LoginSuccess");
    Object.assign(e.proof, { salt: null, personal: null, erased: true });
    Object.assign(e, { erased: true, erased_at: e.logged, message: `${e.title}: the personal part was erased (${label})`, user_info: label, address: null, via: null, user_agent: null, private_detail: null, changes: [] });
    Object.assign(e.actor, { name: label, email: null });
    if (e.target) Object.assign(e.target, { name: null, email: null });
    if (e.client) e.client.name = null;
  });
  const n = events().filter((e) => e.erased).length + 1, out = sound("export", keep("withheld.ndjson", withheld));
  assert.match(out, new RegExp(`, ${n} erased$`, "m"));
  assert.match(out, /note: 1 event.* said to be erased, and no PersonErased/);
});
test("a proof of an erased event says so, and half an erasure is refused", async () => {
  const e = events().find((x) => x.erased), a = (await signed(() => admin.get(`${LOG}/proof/${e.cuid}`))).body, f = keep("proof.json", JSON.stringify(a));
  assert.match(sound("proof", f), /said to be erased/);
  for (const change of [(d) => { d.erased = false; }, (d) => { d.erased = "yes"; }, (d) => { delete d.erased; }, (d) => { d.salt = "AAAAAAAAAAAAAAAAAAAAAA=="; }, (d) => { d.personal = ""; }]) { const d = structuredClone(a); change(d.data); damaged(/erasure/, "proof", keep("bad.json", JSON.stringify(d))); }
  const whole = (await admin.get(`${LOG}/proof/${events().find((x) => !x.erased).cuid}`)).body;
  assert.doesNotMatch(sound("proof", keep("whole.json", JSON.stringify(whole))), /said to be/);
  for (const change of [(d) => { d.erased = true; }, (d) => { d.salt = null; }, (d) => { d.personal = null; }, (d) => { d.erased = true; d.salt = null; }]) { const d = structuredClone(whole); change(d.data); damaged(/erasure/, "proof", keep("bad.json", JSON.stringify(d))); }
  const withheld = structuredClone(whole);
  Object.assign(withheld.data, { erased: true, salt: null, personal: null });
  assert.match(sound("proof", keep("withheld.json", JSON.stringify(withheld))), /said to be erased \(README 9\)/, "not told from an erasure, and so said");
});
