/** Passwords: change, rule, forgotten by mail, reset by an administrator; what ends with each. */
import { test, after, before } from "node:test";
import { serve, assert, PASSWORD, smtpSink, mailText, until, ADMIN } from "./harness.mjs";

let s, admin, sink;
before(async () => {
  sink = await smtpSink();
  s = await serve({ proxy: true, users: ["pat", "quinn", "rob", "tim"].map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })) });
  admin = await s.as();
});
after(async () => { await s.stop(); sink.close(); });
const about = (text) => (e) => JSON.stringify(e).includes(text);

test("one's own: other sessions end, this one stays, the event says who", async () => {
  const a = await s.as("pat@example.org"), b = await s.as("pat@example.org");
  await a.ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "Winter-Meadow-53?" });
  assert.equal((await b.get("/api/v2/whoami")).status, 401);
  assert.equal((await s.client({ from: "10.1.0.1" }).post("/api/v1/authenticate", { username: "pat@example.org", password: PASSWORD })).status, 401);
  await s.as("pat@example.org", "Winter-Meadow-53?");
  const e = await admin.event("PasswordChanged", about("pat@example.org"));
  assert.match(e.user_info, /pat@example\.org/);
  assert.equal(JSON.stringify(e).includes("Winter-Meadow"), false);
});
test("weak, common and wrong ones are refused, with the reason", async () => {
  const c = await s.as("quinn@example.org");
  for (const newPassword of ["short-A1", "alllowercaseletters", "Password1234!", "quinn@example.org", ""]) {
    const r = await c.put("/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword });
    assert.equal(r.status, 400, newPassword);
    assert.match(r.text, /newPassword/);
  }
  const wrong = await c.put("/api/v1/user/changepass", { currentPassword: "Not-It-At-All-1", newPassword: "Winter-Meadow-53?" });
  assert.ok([400, 401, 403].includes(wrong.status), String(wrong.status));
  await admin.event("PasswordChangeRefused", about("quinn@example.org"));
});
test("forgotten: the same answer for known and unknown names; a one-time link by mail", async () => {
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
  const known = await s.client({ from: "10.2.0.1" }).post("/api/v1/user/forgotpass", { email: "rob@example.org" });
  const unknown = await s.client({ from: "10.2.0.2" }).post("/api/v1/user/forgotpass", { email: "nobody@example.org" });
  const mask = (r) => [r.status, r.text.replace(/"requestId":"[^"]*"/, "")];
  assert.deepEqual(mask(known), mask(unknown));
  assert.equal(known.status, 200);
  await admin.event("PasswordResetRequested", about("rob@example.org"));
  const m = await until(() => sink.mails.find((x) => x.to.includes("rob@example.org")), "the mail");
  const token = decodeURIComponent(/token=([^\s&]+)/.exec(mailText(m))[1]);
  const use = (password) => s.client({ from: "10.2.0.3" }).post("/api/v2/user/password/link", { token, newPassword: password });
  assert.equal((await use("weak")).status, 400, "a refused password does not use the link up");
  assert.equal((await use("Summer-Garden-64?")).status, 200);
  const twice = await use("Summer-Garden-65?");
  assert.equal(twice.status, 403, `once: ${twice.text}`);
  await s.as("rob@example.org", "Summer-Garden-64?");
  assert.equal(sink.mails.some((x) => x.to.includes("nobody@example.org")), false);
});
test("reset by an administrator: both spellings of the body, status in the answer", async () => {
  for (const body of [{ username: "tim@example.org" }, { email: "tim@example.org" }]) {
    const r = await admin.ok("PUT", "/api/v1/tenant/0/user/resetpass", body);
    assert.equal(r.status, "success");
  }
  assert.ok((await admin.events({ q: "password", user: "tim@example.org" })).length >= 1);
});
void ADMIN;
