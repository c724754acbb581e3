/** The seal: whether the log can be trusted now, and what that rests on. */
import { test, after, before } from "node:test";
import { serve, assert, until, sqlOn } from "./harness.mjs";

const SEAL = "/api/v2/auditlog/seal";
let s, admin, auditor, std;
before(async () => {
  s = await serve({ users: [{ email: "aud@example.org", role: "AUDITOR" }, { email: "std@example.org", role: "STD_USER" }] });
  admin = await s.as();
  auditor = await s.as("aud@example.org");
  std = await s.as("std@example.org");
});
after(() => s.stop());

test("a sound log without a witness is amber, and says why", async () => {
  const seal = await until(async () => {
    const d = (await auditor.ok("GET", SEAL)).data;
    return d.checkpoint && d;
  }, "a checkpoint in the seal");
  assert.equal(seal.state, "amber");
  assert.ok(seal.reasons.some((r) => /No independent witness/.test(r)), seal.reasons.join("; "));
  assert.ok(seal.reasons.every((r) => r.endsWith(".")));
  assert.equal(seal.witnesses.cosigned_at, null);
  assert.deepEqual(seal.self_check.findings, []);
  assert.equal(seal.self_check.findings_total, 0);
  assert.equal(seal.signing_stopped, false);
  assert.equal(seal.clock_held, false);
  assert.deepEqual(seal.alarms, []);
  assert.deepEqual(seal.witnesses, { configured: 0, cosigned_at: null, contradicting: 0 });
});

test("its checkpoint is the published one", async () => {
  const note = await admin.get("/api/v2/auditlog/checkpoint");
  const [origin, size, root] = note.text.split("\n");
  const seal = (await admin.ok("GET", SEAL)).data;
  assert.equal(seal.checkpoint.origin, origin);
  assert.ok(seal.checkpoint.size >= Number(size));
  if (seal.checkpoint.size === Number(size)) assert.equal(Buffer.from(seal.checkpoint.root, "hex").toString("base64"), root);
  assert.ok(Math.abs(Date.now() - Date.parse(seal.checkpoint.signed_at)) < 600_000);
});

test("who may not see the log may not see its seal", async () => {
  assert.equal((await std.get(SEAL)).status, 403);
});

test("what a page asks for by itself does not keep its session alive; an access token's use counts always", async () => {
  const lately = () => Number(/\d{10,}/.exec(sqlOn(s.store, "SELECT max(last_used) FROM session"))[0]);
  const token = await admin.ok("POST", "/api/v2/user/tokens", { name: "monitor", expires_days: 1, scopes: ["AUDIT_LOG.VIEW"] });
  await s.stop({ drop: false }); // the statement on the store is a stranger's: no server runs meanwhile
  sqlOn(s.store, "UPDATE session SET last_used = last_used - 600000000");
  const was = lately();
  await s.start();
  assert.equal((await admin.get(SEAL, { "x-recount": "background" })).status, 200);
  await s.stop({ drop: false });
  assert.equal(lately(), was);
  await s.start();
  assert.equal((await admin.get(SEAL)).status, 200);
  const c = s.client();
  c.token = token.token;
  assert.equal((await c.get(SEAL, { "x-recount": "background" })).status, 200);
  await admin.event("AccessTokenUsed");
  await s.stop({ drop: false });
  assert.ok(lately() > was);
  await s.start();
});
