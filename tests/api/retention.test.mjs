/** Retention and legal holds: who is told, what the page is shown, what is refused, and the events. */
import { test, after, before } from "node:test";
import { serve, assert, smtpSink, mailText, until, ADMIN, PASSWORD } from "./harness.mjs";

let s, admin, sink;
const R = "/api/v2/auditlog/retention", H = "/api/v2/auditlog/holds";
before(async () => {
  sink = await smtpSink();
  s = await serve({ users: [{ email: "bert@example.org", first: "Bert", last: "Bright", role: "ADMIN" }, { email: "stan@example.org", role: "STD_USER" }, { email: "other@example.org", role: "ADMIN", newTenant: true, tenantName: "Other" }] });
  admin = await s.as();
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
});
after(async () => { await s.stop(); sink.close(); });

test("the window, its months, and when the next one leaves", async () => {
  const { data } = await admin.ok("GET", R);
  assert.equal(data.months_kept, 4);
  assert.equal(data.pending, null);
  assert.equal(data.held, false);
  assert.equal(new Date(data.next_drop).getUTCDate(), 1);
  assert.equal(data.months.length, 1);
  assert.ok(data.months[0].events > 3 && data.months[0].bytes > 4096, JSON.stringify(data.months));
});
test("longer at once; shorter is announced to all administrators by mail and notice, and cancelled", async () => {
  await admin.ok("PUT", R, { months_kept: 12 });
  assert.equal((await admin.ok("GET", "/api/v2/auditlog?limit=1")).meta.window.months_kept, 12);
  assert.equal(sink.mails.length, 0);
  await admin.ok("PUT", "/api/v2/tenants/0/settings/audit", { months_kept: 6 });
  let { data } = await admin.ok("GET", R);
  assert.equal(data.months_kept, 12);
  assert.equal(data.pending.months_kept, 6);
  assert.equal(data.pending.asked_by, "Alice Archer");
  const days = (new Date(data.pending.effective_at).getTime() - Date.now()) / 86400e3;
  assert.ok(days > 29.9 && days <= 30, `${days}`);
  await until(() => sink.mails.length >= 3, "the mails");
  assert.deepEqual(sink.mails.map((m) => m.to[0]).sort(), [ADMIN.email, "bert@example.org", "other@example.org"].sort());
  assert.match(mailText(sink.mails[0]), /6 instead of 12 whole months/);
  const bert = await s.as("bert@example.org");
  assert.ok((await bert.ok("GET", "/api/v1/user/notifications")).data.some((n) => /kept shorter/.test(n.message)));
  const e = await admin.event("AuditRetentionLoweringAnnounced");
  assert.deepEqual(e.changes, [{ field: "audit.months_kept", before: "12", after: "6" }]);
  await bert.ok("DELETE", R + "/pending");
  assert.match((await admin.event("AuditRetentionLoweringCancelled")).user_info, /bert/);
  await until(() => sink.mails.length === 6, "the mails of the cancellation");
  ({ data } = await admin.ok("GET", R));
  assert.equal(data.pending, null);
  assert.equal((await bert.request("DELETE", R + "/pending")).status, 404);
});
test("never under four months, never from another workspace, never nonsense", async () => {
  for (const months_kept of [3, 0, -1, 121, "x", null, 4.5, [], {}]) {
    const r = await admin.put(R, { months_kept });
    assert.equal(r.status, 400, JSON.stringify(months_kept));
    assert.match(r.text, /months_kept/);
  }
  const other = await s.as("other@example.org");
  assert.equal((await other.put(R, { months_kept: 24 })).status, 403);
  assert.equal((await other.request("DELETE", R + "/pending")).status, 403);
  const { data } = await other.ok("GET", R);
  assert.equal(data.may_change, false);
  assert.equal(data.months[0].bytes, null);
});
test("a hold: placed, shown, in the way of the month end, released; another workspace's is not mine", async () => {
  const placed = (await admin.ok("POST", H, { reason: "Case 17/2026", until: "2190-03-31" })).data;
  assert.equal(placed.state, "standing");
  assert.equal(placed.until, "2190-04-01T00:00:00.000Z", "the day it names is included");
  let { data } = await admin.ok("GET", R);
  assert.equal(data.held, true);
  assert.equal(data.next_drop, null);
  const other = await s.as("other@example.org");
  assert.deepEqual((await other.ok("GET", H)).data, []);
  assert.equal((await other.ok("GET", R)).data.held, true, "a month holds all logs");
  assert.equal((await other.post(`${H}/${placed.id}/release`, { reason: "mine" })).status, 404);
  const e = await admin.event("LegalHoldPlaced");
  assert.match(e.message, /Case 17\/2026/);
  assert.equal(e.target.id, placed.id);
  assert.equal((await admin.post(`${H}/${placed.id}/release`, {})).status, 400);
  await admin.ok("POST", `${H}/${placed.id}/release`, { reason: "The case is closed" });
  assert.equal((await admin.post(`${H}/${placed.id}/release`, { reason: "again" })).status, 409);
  const [h] = (await admin.ok("GET", H)).data;
  assert.deepEqual([h.state, h.end_reason, h.ended_by, h.placed_by], ["released", "The case is closed", "Alice Archer", "Alice Archer"]);
  ({ data } = await admin.ok("GET", R));
  assert.equal(data.held, false);
  await admin.event("LegalHoldReleased");
});
test("bad holds name the field", async () => {
  for (const [body, field] of [[{}, "reason"], [{ reason: " " }, "reason"], [{ reason: "x".repeat(1001) }, "reason"], [{ reason: "x", until: "tomorrow" }, "until"], [{ reason: "x", until: "2001-01-01" }, "until"], [{ reason: 7 }, "reason"]]) {
    const r = await admin.post(H, body);
    assert.equal(r.status, 400, JSON.stringify(body));
    assert.ok(r.body.fields.some((f) => f.pointer.endsWith(field)), r.text);
  }
  const stan = await s.as("stan@example.org", PASSWORD);
  assert.equal((await stan.post(H, { reason: "x" })).status, 403);
});
