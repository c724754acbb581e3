/** Mail in real SMTP conversations: whom it trusts, what it says to whom, what it tries again, what it gives up. */
import { test, after, before } from "node:test";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { serve, assert, smtpSink, mailText, certificate, sqlOn, until } from "./harness.mjs";

const AUTH = { user: "recount", password: "Letter-Box-42" };
let s, admin, dir, pair;
const sinks = [];
const sink = async (o) => { const x = await smtpSink(o); sinks.push(x); return x; };
const use = (x, o = {}) => admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: x.port, security: "starttls", sender: "recount@example.org", username: "", password: "", ...o });
const trial = () => admin.post("/api/v2/tenants/0/settings/email/test", { to: "ann@example.org" });
const invite = (email) => admin.ok("POST", "/api/v1/tenant/0/user/create/bulk", { users: [{ email, first: "In", last: "Vited", role: "STD_USER" }] });
const trusted = async (on) => {
  await s.stop({ drop: false });
  s.o.env = on ? { SSL_CERT_FILE: pair.file } : {};
  await s.start();
  admin = await s.as();
};

before(async () => {
  dir = mkdtempSync(path.join(os.tmpdir(), "recount-mail-"));
  const c = certificate(dir);
  pair = { cert: c.pem, key: (await import("node:fs")).readFileSync(c.key), file: c.cert };
  s = await serve();
  admin = await s.as();
});
after(async () => { await s?.stop(); sinks.forEach((x) => x.close()); rmSync(dir, { recursive: true, force: true }); });

test("nobody is said to be sent a link that is not on its way, and who is, is counted", async () => {
  const none = await invite("none@example.org"), reset = await admin.ok("PUT", "/api/v1/tenant/0/user/resetpass", { username: "none@example.org" });
  assert.deepEqual([none.invited, reset.sent], [0, false]);
  for (const { message } of [none, reset]) assert.match(message, /No mail server is set, so nothing was sent: copy a set-password link instead$/);
  const x = await sink({});
  await use(x, { security: "plain" });
  const one = await invite("one@example.org"), again = await admin.ok("PUT", "/api/v1/tenant/0/user/resetpass", { username: "none@example.org" });
  assert.deepEqual([one.invited, one.message, again.sent], [1, "1 created", true]);
  const silent = await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk?sendEmail=false", [{ email: "silent@example.org", name: { first: "Si", last: "Lent" } }]);
  assert.deepEqual([silent.invited, silent.message], [0, "1 created"]);
  await until(() => x.mails.length === 2, "both mails");
  assert.deepEqual(x.mails.map((m) => m.to[0]).sort(), ["none@example.org", "one@example.org"]);
});
test("a certificate nobody vouches for: refused, and neither name nor mail goes out", async () => {
  const x = await sink({ tls: pair, auth: AUTH });
  await use(x, { username: AUTH.user, password: AUTH.password });
  const r = await trial();
  assert.equal(r.status, 409, r.text);
  assert.match(r.body.message, /could not be sent: .*(certificate|SSL)/i);
  assert.deepEqual(x.commands.filter((c) => !/^(EHLO|STARTTLS|QUIT)/.test(c)), []);
});
test("a server that offers no encryption is refused where encryption was asked for", async () => {
  const x = await sink({ auth: AUTH });
  await use(x, { username: AUTH.user, password: AUTH.password });
  assert.equal((await trial()).status, 409);
  assert.deepEqual(x.commands.filter((c) => /^(AUTH|MAIL)/.test(c)), []);
});
test("trusted by SSL_CERT_FILE: encrypted, signed in, delivered", async () => {
  await trusted(true);
  const x = await sink({ tls: pair, auth: AUTH });
  await use(x, { username: AUTH.user, password: AUTH.password });
  const r = await trial();
  assert.equal(r.status, 200, r.text);
  assert.equal(x.mails.length, 1);
  assert.deepEqual([x.mails[0].secure, x.mails[0].user, x.mails[0].to], [true, AUTH.user, ["ann@example.org"]]);
  assert.match(mailText(x.mails[0]), /test mail|can send mail/);
});
test("a wrong password is said, and is in no log", async () => {
  const x = await sink({ tls: pair, auth: AUTH });
  await use(x, { username: AUTH.user, password: "Wrong-Letter-1" });
  const r = await trial();
  assert.equal(r.status, 409);
  assert.match(r.body.message, /535|denied|login/i);
  assert.doesNotMatch(s.err + JSON.stringify(await admin.events()), /Wrong-Letter-1|Letter-Box-42/);
  await trusted(false);
});
test("a 4xx is tried again until it is taken: one mail, no complaint", async () => {
  let refused = 0;
  const x = await sink({ reply: (verb) => (verb === "RCPT" && refused++ === 0 ? "451 come back later" : undefined) });
  await use(x, { security: "plain" });
  await invite("later@example.org");
  await until(() => x.mails.length, "the mail at the second attempt");
  assert.equal(refused, 2);
  assert.match(mailText(x.mails[0]), /password/);
  assert.deepEqual(await admin.events({ event_type: "MailNotDelivered" }), []);
});
test("a 4xx after the text is tried again, too", async () => {
  let refused = 0;
  const x = await sink({ reply: (verb) => (verb === "DONE" && refused++ === 0 ? "452 no room" : undefined) });
  await use(x, { security: "plain" });
  await invite("full@example.org");
  await until(() => x.mails.length, "the mail at the second attempt");
  assert.equal(x.mails.length, 1);
});
test("a connection that breaks in the middle is tried again", async () => {
  let broken = 0;
  const x = await sink({ reply: (verb) => (verb === "DATA" && broken++ === 0 ? "421 closing" : undefined) });
  await use(x, { security: "plain" });
  await invite("broken@example.org");
  await until(() => x.mails.length, "the mail at the second attempt");
});
test("a 5xx is given up at once, and said in the log without the link", async () => {
  const x = await sink({ reply: (verb) => (verb === "RCPT" ? "550 no such person" : undefined) });
  await use(x, { security: "plain" });
  await invite("nobody@example.org");
  const e = await admin.event("MailNotDelivered");
  assert.match(e.message, /to nobody@example\.org could not be delivered: the mail server answered 550/);
  assert.equal(e.outcome, "failure");
  assert.doesNotMatch(JSON.stringify(e), /token=/);
});
test("a server that says nothing holds up neither requests nor our end", async () => {
  const dumb = await sink({ reply: () => false });
  await use(dumb, { security: "plain" });
  await invite("patient@example.org");
  await until(() => dumb.connections, "the attempt to be under way");
  await admin.ok("GET", "/api/v2/whoami");
  await s.stop({ drop: false }); // in order, or it fails
  const jobs = sqlOn(s.store, "SELECT state, count(*) FROM job WHERE kind = 'mail' GROUP BY state ORDER BY state");
  assert.match(jobs, /done/);
  assert.doesNotMatch(jobs, /failed/, "a refused mail ended, none was lost");
  await s.start();
  admin = await s.as();
});
