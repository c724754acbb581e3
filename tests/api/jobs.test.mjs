/** Jobs run in lanes: what waits for somebody else's machine keeps nothing inside waiting. */
import { test, after, before } from "node:test";
import { serve, assert, smtpSink, until } from "./harness.mjs";

let s, admin, bert, sink;
let silent = true;
before(async () => {
  sink = await smtpSink({ reply: (verb) => (verb === "MAIL" && silent ? false : undefined) }); // accepts, greets, and never answers again
  s = await serve({ users: [{ email: "bert@example.org", first: "Bert", last: "Bright", role: "ADMIN" }, { email: "zora@example.org", first: "Zora", last: "Zeller", role: "STD_USER" }] });
  admin = await s.as();
  bert = await s.as("bert@example.org");
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
});
after(async () => { sink.close(); await s.stop(); });

test("a mail server that never answers holds up mails, and no erasure", { timeout: 180_000 }, async () => {
  const E = "/api/v2/auditlog/erasures";
  const { user_id } = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === "zora@example.org");
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${user_id}`);
  const { data } = await admin.ok("POST", E, { subject: "zora@example.org", reason: "Letter 12", legal_ground: "Art. 17" }); // mails to both administrators
  await until(() => sink.commands.some((c) => /^MAIL/.test(c)), "the mail server to be waited for");
  assert.equal(sink.open(), 1, "one mail at a time is under way");
  await bert.ok("POST", `${E}/${data.id}/approve`);
  await until(async () => (await admin.ok("GET", `${E}/${data.id}`)).data.state === "done", "the erasure", 90_000);
  assert.deepEqual([sink.connections, sink.open(), sink.commands.filter((c) => /^MAIL/.test(c)).length], [1, 1, 1], "the first mail still waits for its answer");
  assert.equal(sink.mails.length, 0);
  silent = false;
  sink.cut(); // it fails, and is sent again later; the others go on
  await until(() => sink.mails.length === 4, "the mails of both steps to both administrators", 90_000);
});
