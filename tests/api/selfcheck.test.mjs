/**
 * The server's check of its own log finds what is changed behind its back while it runs: seal, event, notice, mail,
 * metric and health say so, once; and when it is mended they say that, too.
 */
import { test, after, before } from "node:test";
import { readdirSync } from "node:fs";
import path from "node:path";
import { serve, assert, until, smtpSink, mailText, ADMIN, STORE } from "./harness.mjs";
import { sqlIn } from "./tampered.mjs";

let s, admin, sink;
const seal = async () => (await admin.ok("GET", "/api/v2/auditlog/seal")).data;
before(async () => {
  sink = await smtpSink();
  s = await serve({ users: [{ email: "bert@example.org", first: "Bert", last: "Bright", role: "ADMIN" }], args: ["--self-check", "1"] });
  admin = await s.as();
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
  for (let i = 0; i < 20; i++) await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${i}` });
});
after(async () => { await s.stop(); sink.close(); });

/** A statement on the running store, by somebody who may do anything: on the events' file, or the main store. */
function behind(where, sql) {
  const month = STORE === "sqlite" && readdirSync(path.join(s.store.data, "audit")).find((f) => /^\d{4}-\d\d\.db$/.test(f)).slice(0, 7);
  return sqlIn(s.store, where === "main" ? where : month, sql);
}
/** A whole pass that began after now. */
async function nextPass() {
  const from = (await seal()).self_check.last_complete;
  const first = await until(async () => { const t = (await seal()).self_check.last_complete; return t !== from && t; }, "a whole pass");
  return until(async () => { const t = (await seal()).self_check.last_complete; return t !== first && t; }, "another one");
}

test("a sound log is checked whole, and that is an event once a day", async () => {
  await nextPass();
  const d = await seal();
  assert.equal(d.state, "amber");
  assert.deepEqual(d.reasons.filter((r) => !/witness/.test(r)), []);
  assert.ok(d.self_check.last_complete_events >= 20);
  await nextPass();
  const checked = behind("events", `SELECT count(*) FROM audit_event WHERE tenant_id = -1 AND ${STORE === "sqlite" ? "instr(public, CAST('AuditLogChecked' AS BLOB))" : "position('AuditLogChecked'::bytea IN public)"} > 0`);
  assert.equal(Number(checked), 1);
});

test("a row that says another server checks, for a thousand years, stops nobody", async () => {
  behind("main", "INSERT INTO lease (name, owner, until) VALUES ('audit.check', 'nobody', 33000000000000000) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until");
  await nextPass();
});

const damaged = async () => admin.events({ event_type: "AuditLogDamaged" });
const forge = (n) => `UPDATE audit_event SET outcome = ${n} WHERE tenant_id = 0 AND epoch = 0 AND idx = 7`;
let was;

test("a changed row turns the seal red, with an event, a notice, a mail, a metric", async () => {
  was = Number(behind("events", "SELECT outcome FROM audit_event WHERE tenant_id = 0 AND epoch = 0 AND idx = 7"));
  behind("events", forge((was + 1) % 3));
  const d = await until(async () => { const x = await seal(); return x.state === "red" && x; }, "the red seal");
  assert.deepEqual(d.alarms, [{ kind: "damage", text: "The server's check of the log found damage." }]);
  assert.equal(d.self_check.findings.length, 1);
  assert.equal(d.self_check.findings[0].index, 7);
  assert.match(d.self_check.findings[0].what, /the column outcome does not say what the record says/);
  assert.ok(d.reasons.some((r) => /found damage/.test(r)));
  const e = await until(async () => (await damaged())[0], "the event");
  assert.match(e.message, /damaged in 1 place/);
  assert.ok(e.changes.some((c) => c.field === "event 7"), JSON.stringify(e.changes));
  for (const to of [ADMIN.email, "bert@example.org"]) {
    const m = await until(() => sink.mails.find((x) => x.to[0] === to && /damaged/.test(mailText(x))), `the mail to ${to}`);
    assert.match(mailText(m), /event 7: the column outcome/);
  }
  const metrics = await admin.get("/api/v2/metrics");
  assert.match(metrics.text, /^recount_audit_damaged 1$/m);
  assert.equal((await s.client().get("/api/v2/health/full")).body.data.auditLogSound, false);
});

test("it is not told again", async () => {
  const mails = sink.mails.length;
  await nextPass();
  await nextPass();
  assert.equal((await damaged()).length, 1);
  assert.equal(sink.mails.length, mails);
  const [f] = (await seal()).self_check.findings;
  assert.ok(Date.parse(f.last_found_at) > Date.parse(f.first_found_at));
});

test("a restart remembers it", async () => {
  await s.restart();
  admin = await s.as();
  assert.equal((await seal()).state, "red");
  await nextPass();
  assert.equal((await damaged()).length, 1);
});

test("mended, the seal is as before", async () => {
  behind("events", forge(was));
  await until(async () => (await seal()).self_check.findings_total === 0, "no finding");
  assert.equal((await seal()).state, "amber");
  await until(async () => /^recount_audit_damaged 0$/m.test((await admin.get("/api/v2/metrics")).text), "the metric, which follows the store");
});

test("a right that somebody gave himself in the table is named", async () => {
  const more = "tenant_id = 0 AND user_id = (SELECT user_id FROM user_account WHERE email = 'bert@example.org') AND role_cuid = (SELECT cuid FROM role WHERE tenant_id = 0 AND key = 'AUDITOR')";
  behind("main", "INSERT INTO user_role (tenant_id, user_id, role_cuid) SELECT 0, u.user_id, r.cuid FROM user_account u, role r WHERE u.email = 'bert@example.org' AND r.tenant_id = 0 AND r.key = 'AUDITOR'");
  const d = await until(async () => { const x = await seal(); return x.state === "red" && x; }, "the red seal");
  assert.match(d.self_check.findings[0].what, /unrecorded change of access: .*Bert Bright/);
  behind("main", `DELETE FROM user_role WHERE ${more}`);
  await until(async () => (await seal()).self_check.findings_total === 0, "no finding");
});
