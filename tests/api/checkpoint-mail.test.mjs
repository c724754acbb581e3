/**
 * Checkpoints by mail: to the addresses of the workspace, at once when they are set and once a day, as text that the
 * verifiers take as it is. Each sending is an event, which holds no address.
 */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { serve, assert, until, recount, smtpSink, mailText, sqlOn, ROOT } from "./harness.mjs";

const PAGE = "/api/v2/tenants/0/settings/proofs", EVENT = { event_type: "AuditCheckpointMailed" };
const dir = mkdtempSync(path.join(os.tmpdir(), "recount-checkpoint-mail-"));
let s, admin, sink;
before(async () => { s = await serve(); admin = await s.as(); sink = await smtpSink(); await until(async () => (await admin.get("/api/v2/auditlog/checkpoint")).status === 200, "a checkpoint"); });
after(async () => { await s?.stop(); sink?.close(); rmSync(dir, { recursive: true, force: true }); });

const set = (checkpoint_mail) => admin.ok("PUT", PAGE, { checkpoint_mail });
const sent = () => admin.events(EVENT);
const again = async (sql) => { await s.stop({ drop: false }); if (sql) sqlOn(s.store, sql); await s.start(); admin = await s.as(); };

test("addresses are checked", async () => {
  for (const bad of ["nobody", "ann@example.org;bob@example.org", "ann@example.org,", ",", "ann@example.org\nBcc: eve@example.org", Array.from({ length: 11 }, (_, i) => `a${i}@example.org`).join(","), "a".repeat(1001)]) {
    const r = await admin.put(PAGE, { checkpoint_mail: bad });
    assert.equal(r.status, 400, `${bad}: ${r.text}`);
    assert.equal(r.body.fields[0].pointer, "/checkpoint_mail");
  }
  assert.equal((await admin.put(PAGE, { checkpoint_mail: ["ann@example.org"] })).status, 400);
  assert.equal((await admin.ok("GET", PAGE)).data.checkpoint_mail, "");
});
test("without a mail server nothing is sent; with one, soon", async () => {
  await set("ann@example.org");
  assert.deepEqual([(await sent()).length, sink.mails.length], [0, 0]);
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
  await again();
  await until(() => sink.mails.length === 1, "the mail of the upkeep");
  assert.deepEqual(sink.mails[0].to, ["ann@example.org"]);
});
test("new addresses get theirs at once, and the verifiers take it", async () => {
  await set("ann@example.org, Bob.Long@example.org");
  assert.equal((await sent()).length, 2, "in the same transaction");
  await until(() => sink.mails.length === 3, "two more mails");
  assert.deepEqual(sink.mails.slice(1).map((m) => m.to[0]).sort(), ["Bob.Long@example.org", "ann@example.org"]);
  const [, key, note] = /---- key\.txt ----\n([^]*)---- checkpoint\.txt ----\n([^]*)---- end ----\n/.exec(mailText(sink.mails[2]).replaceAll("\r\n", "\n"));
  const k = path.join(dir, "key.txt"), c = path.join(dir, "checkpoint.txt");
  writeFileSync(k, key);
  writeFileSync(c, note);
  const r = spawnSync("python3", [path.join(ROOT, "doc/verify/verify.py"), "checkpoint", c, "--vkey", k], { encoding: "utf8", timeout: 60_000 });
  assert.equal(r.status, 0, r.stdout + r.stderr);
  const v = recount(["audit", "verify", "--checkpoint", c, "--vkey", k, "--remember", path.join(dir, "seen"), "--data", s.store.data, ...s.store.flags]);
  assert.equal(v.status, 0, v.out + v.err);
  const [e] = await sent();
  assert.equal(e.changes.find((x) => x.field === "events").after, note.split("\n")[1]);
  assert.doesNotMatch(JSON.stringify(e), /ann@|Bob\.Long@/);
  await set("ann@example.org, Bob.Long@example.org");
  await admin.ok("PUT", PAGE, { public: false });
  assert.equal((await sent()).length, 2, "the same addresses on the same day: nothing more");
});
test("a day later comes the next; to nobody when the addresses are gone", async () => {
  const older = (us) => `UPDATE setting SET value = (cast(substr(value, 1, 16) AS bigint) - ${us}) || substr(value, 17) WHERE name = 'audit.checkpoint_mailed'`;
  await again(older(86_000_000_000)); // not quite a day
  await again(older(400_000_000));
  await until(() => sink.mails.length === 5, "the mails of the next day");
  assert.equal((await sent()).length, 3, "one sending, after a whole day and not before");
  await set("");
  assert.equal((await sent()).length, 3);
  assert.equal((await admin.ok("GET", PAGE)).data.checkpoint_mail, "");
});
