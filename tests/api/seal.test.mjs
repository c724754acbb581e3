/** The seal: whether the log can be trusted now, and what that rests on. */
import { test, after, before } from "node:test";
import { serve, assert, until } from "./harness.mjs";

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
