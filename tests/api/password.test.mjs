/** Passwords: change, rule, forgotten by mail, reset by an administrator; what ends with each. */
import { test, after, before } from "node:test";
import { serve, assert, PASSWORD, smtpSink, mailText, until, recount, ADMIN } from "./harness.mjs";

/** Mails of a forgotten password an hour: what doc/security.md promises. */
const PER_ACCOUNT = 3, PER_ADDRESS = 10;
let s, admin, sink;
before(async () => {
  sink = await smtpSink();
  s = await serve({ proxy: true, users: ["pat", "quinn", "rob", "tim", "uta", "vic", "wim", "xena", "yves", "zoe"].map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })) });
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
test("forgotten: so many mails an account and an address, the same answer beyond, and it is in the log", async () => {
  const ask = (email, from) => s.client({ from }).post("/api/v1/user/forgotpass", { email });
  const mask = (r) => [r.status, r.text.replace(/"requestId":"[^"]*"/, "")], first = mask(await ask("uta@example.org", "10.4.0.1"));
  const got = (who) => sink.mails.filter((x) => x.to.includes(`${who}@example.org`)).length;
  for (let i = 2; i <= PER_ACCOUNT + 3; i++) assert.deepEqual(mask(await ask(i % 2 ? "uta@example.org" : " UTA@Example.org", `10.4.0.${i}`)), first);
  // One address asks for many accounts.
  const names = ["vic", "wim", "xena", "yves", "zoe"], asked = [];
  for (let i = 0; i < PER_ADDRESS + 4; i++) { const who = names[i % names.length]; asked.push(who); assert.deepEqual(mask(await ask(`${who}@example.org`, "10.4.1.1")), first); }
  await until(() => got("uta") >= PER_ACCOUNT && names.reduce((n, w) => n + got(w), 0) >= Math.min(PER_ADDRESS, names.length * PER_ACCOUNT), "the mails");
  // A mail to somebody else, asked for last, is there: so none of the others is still on its way.
  await ask("pat@example.org", "10.4.2.1");
  await until(() => got("pat") === 1, "the last mail");
  assert.equal(got("uta"), PER_ACCOUNT);
  assert.equal(names.reduce((n, w) => n + got(w), 0), PER_ADDRESS);
  assert.equal((await admin.events({ event_type: "PasswordResetRequested", user: "uta@example.org" })).length, PER_ACCOUNT);
  // What was asked too often names an account of no workspace: it is in the installation's log.
  await until(() => {
    const r = recount(["audit", "export", "--format", "ndjson", "--instance", "--data", s.store.data, ...s.store.flags]);
    return r.out.trim().split("\n").map((l) => JSON.parse(l)).some((e) => e.event_type === "PasswordResetRequested" && /asked too often$/.test(e.message));
  }, "what was asked too often in the installation's log");
});
test("a rule of length alone: no classes wanted, the common ones refused all the same", async () => {
  const A = "/api/v2/tenants/0/settings/authentication", c = await s.as("quinn@example.org");
  let now = PASSWORD;
  const change = (newPassword) => c.put("/api/v1/user/changepass", { currentPassword: now, newPassword });
  assert.equal((await change("alllowercaseletters")).status, 400, "four classes, by default");
  await admin.ok("PUT", A, { password_policy: "length", password_min: 16 });
  const e = await admin.event("SettingChanged", about("password_policy"));
  assert.deepEqual(e.changes.filter((x) => /policy/.test(x.field)).map((x) => [x.before, x.after]), [["classes", "length"]]);
  for (const short of ["fifteenletters1", "Aa1!Aa1!"]) {
    const r = await change(short);
    assert.equal(r.status, 400, short);
    assert.match(r.text, /16/);
  }
  const r = await change("alllowercaseletters");
  assert.equal(r.status, 200, r.text);
  now = "alllowercaseletters";
  await admin.ok("PUT", A, { password_min: 8 });
  for (const common of ["password1", "PASSWORD1", "iloveyou", "qwertyuiop"]) assert.equal((await change(common)).status, 400, common);
  assert.equal((await change("quiet walk by the river")).status, 200);
  // The same rule by every way to a password.
  const id = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50&filter=vic")).data[0].user_id, link = JSON.stringify(await admin.ok("POST", `/api/v2/tenants/0/users/${id}/password-link`));
  const token = decodeURIComponent(/token=([^"&]+)|password\/([^"?]+)"/.exec(link).slice(1).find(Boolean));
  const by = (newPassword) => s.client({ from: "10.4.3.1" }).post("/api/v2/user/password/link", { token, newPassword });
  assert.equal((await by("iloveyou")).status, 400);
  assert.equal((await by("lowercase only")).status, 200);
  for (const bad of [{ password_policy: "none" }, { password_min: 7 }, { password_min: 129 }]) assert.equal((await admin.put(A, bad)).status, 400, JSON.stringify(bad));
  await admin.ok("PUT", A, { password_policy: "classes", password_min: 12 });
});
void ADMIN;
test("on the machine itself: another's password, under the rule, with the operator's name; sessions end", async () => {
  const c = await s.as("tim@example.org");
  const set = (email, input) => recount(["user", "set-password", "--email", email, "--password-stdin", "--data", s.store.data, ...s.store.flags], { input });
  for (const { email, input, why } of [{ email: "tim@example.org", input: "short-A1\n", why: /12/ }, { email: "tim@example.org", input: "", why: /no password/ },
    { email: "nobody@example.org", input: "Harbour-Lantern-88!\n", why: /not found|No such|no user/i }]) {
    const r = set(email, input);
    assert.equal(r.status, 1, email);
    assert.match(r.err, why);
  }
  assert.equal((await c.get("/api/v2/whoami")).status, 200, "nothing was changed");
  assert.equal(recount(["user", "set-password", "--email", "tim@example.org", "--data", s.store.data, ...s.store.flags]).status, 2, "never on the command line");
  const r = set("tim@example.org", "Harbour-Lantern-88!\n");
  assert.equal(r.status, 0, r.err);
  assert.equal((await c.get("/api/v2/whoami")).status, 401);
  await s.as("tim@example.org", "Harbour-Lantern-88!");
  const e = await admin.event("PasswordChangedByOther", about("tim@example.org"));
  assert.match(JSON.stringify(e), /recount user set-password/);
  assert.ok(e.changes.some((x) => x.field === "sessions ended" && x.after === "1"), JSON.stringify(e.changes));
  assert.equal(JSON.stringify(e).includes("Lantern"), false);
});
