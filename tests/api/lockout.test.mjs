/** Lockouts where several things meet: a known browser, a second factor, a one-time link, a command beside the server. */
import { test, before, after } from "node:test";
import { cpSync, mkdirSync } from "node:fs";
import path from "node:path";
import { serve, assert, recount, sqlOn, PASSWORD, STORE, totp, until } from "./harness.mjs";

let s, admin;
const T = "/api/v2/tenants/0", id = {};
const people = ["bea", "cleo", "dirk", "eve", "finn", "gwen", "hal", "iris"].map((n) => `${n}@example.org`);
before(async () => {
  s = await serve({ proxy: true, users: people.map((email) => ({ email, role: "STD_USER" })) });
  admin = await s.as();
  for (const u of (await admin.ok("GET", `${T}/users?limit=100`)).data) id[u.email] = u.user_id;
});
after(() => s.stop());
let last = 0;
const from = () => `10.${20 + (last >> 8)}.${last++ & 255}.1`;
const cookies = (r) => (r.headers["set-cookie"] ?? []).map((c) => c.split(";")[0]).join("; ");
const page = (username, password, cookie) => s.client({ from: from(), cookie }).post("/api/v2/session", { username, password });
const api = (username, password = PASSWORD) => s.client({ from: from() }).post("/api/v1/authenticate", { username, password });
const fail = async (how, n = 5) => { for (let i = 0; i < n; i++) assert.equal((await how()).status, 401); };
const plain = (r) => [r.status, r.text.replace(/"requestId":"[^"]*"/, "")];
const link = async (email) => decodeURIComponent(/token=([^"&]+)/.exec((await admin.ok("POST", `${T}/users/${id[email]}/password-link`)).link)[1]);

test("a browser that locked itself out is released by an administrator, with an event, and nothing else of the account was locked", async () => {
  const who = people[0], device = cookies(await page(who, PASSWORD));
  await fail(() => page(who, "wrong", device));
  assert.equal((await page(who, PASSWORD, device)).status, 401, "this browser waits");
  assert.equal((await api(who)).status, 200, "others do not");
  await admin.event("LoginLockout", (e) => e.target.email === who && /on one known browser/.test(e.message));
  const r = await admin.ok("POST", `${T}/users/${id[who]}/unlock`);
  assert.equal(r.status, "success");
  const e = await admin.event("UserUnlocked", (x) => x.target.email === who);
  assert.deepEqual([e.changes, /on their known browsers/.test(e.message)], [[{ field: "locked on a known browser", before: "true", after: "false" }], true]);
  assert.equal((await page(who, PASSWORD, device)).status, 200);
  await admin.ok("POST", `${T}/users/${id[who]}/unlock`);
  assert.equal((await admin.events({ event_type: "UserUnlocked", user: who })).length, 1, "what is not locked is not unlocked");
});
test("what failed on a known browser is counted over a restart; its lock too, until the command unlocks the account", async () => {
  const who = people[6], device = cookies(await page(who, PASSWORD)), other = cookies(await page(who, PASSWORD));
  await fail(() => page(who, "wrong", device), 3);
  await s.restart();
  await fail(() => page(who, "wrong", device), 2);
  await s.restart();
  admin = await s.as();
  assert.equal((await page(who, PASSWORD, device)).status, 401, "this browser waits still");
  assert.deepEqual([(await page(who, PASSWORD, other)).status, (await api(who)).status], [200, 200], "others do not");
  const r = recount(["user", "unlock", "--email", who, "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  assert.equal((await page(who, PASSWORD, device)).status, 200);
  const e = await admin.event("UserUnlocked", (x) => x.target.email === who);
  assert.match(e.message, /on their known browsers/);
});
test("two servers on one store count the failures of a known browser together", { skip: STORE !== "postgres" && "one server to a SQLite store" }, async () => {
  const who = people[7], device = cookies(await page(who, PASSWORD));
  const store = { ...s.store, data: path.join(s.store.dir, "second"), drop: () => {} };
  mkdirSync(store.data, { mode: 0o700 });
  cpSync(path.join(s.store.data, "keys"), path.join(store.data, "keys"), { recursive: true });
  const two = await serve({ store, tampers: true, proxy: true });
  const there = (password) => two.client({ from: from(), cookie: device }).post("/api/v2/session", { username: who, password });
  await fail(() => page(who, "wrong", device), 3);
  await fail(() => there("wrong"), 2);
  assert.deepEqual([(await page(who, PASSWORD, device)).status, (await there(PASSWORD)).status], [401, 401]);
  await admin.ok("POST", `${T}/users/${id[who]}/unlock`); // on the first: the second learns it from the store
  assert.equal((await there(PASSWORD)).status, 200);
  await two.stop({ drop: false });
});
test("an account unlocked by the command, beside the running server, is unlocked", async () => {
  const who = people[1];
  await fail(() => api(who, "wrong"));
  assert.equal((await api(who)).status, 401);
  const r = recount(["user", "unlock", "--email", who, "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  assert.equal((await api(who)).status, 200);
  await fail(() => api(who, "wrong"));
  assert.equal((await api(who)).status, 401, "and is locked again by new failures");
});
test("a link sets the password of a locked account and leaves it locked; a known browser goes in with the new one", async () => {
  const who = people[2], device = cookies(await page(who, PASSWORD)), fresh = "Summer-Garden-64?";
  await fail(() => api(who, "wrong"));
  const set = await s.client({ from: from() }).post("/api/v2/user/password/link", { token: await link(who), newPassword: fresh });
  assert.equal(set.status, 200, set.text);
  assert.deepEqual(plain(await api(who, fresh)), plain(await api(who, "wrong")), "to others it is as locked as before");
  assert.equal((await page(who, PASSWORD, device)).status, 401, "the old password ended");
  assert.equal((await page(who, fresh, device)).status, 200);
});
test("a right password and a right code open no locked account, and are told nothing; a known browser asks for its second factor still", async () => {
  const who = people[3], c = await s.as(who), device = cookies(await page(who, PASSWORD));
  const secret = (await c.ok("GET", "/api/v2/user/mfa/qr")).secret;
  await until(() => Date.now() % 30000 < 22000, "room in this half minute", 31_000);
  await c.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(secret) });
  const begun = (await api(who)).body;
  assert.equal(begun.mfa_enabled, true);
  await fail(() => api(who, "wrong"));
  assert.deepEqual(plain(await api(who)), plain(await api(who, "wrong")), "no challenge any more");
  const second = await s.client({ from: from() }).post("/api/v1/authenticate/mfa", { code: begun.code, token: totp(secret, 1) });
  assert.deepEqual(plain(second), plain(await api(who, "wrong")), "nor is the challenge from before of use");
  await admin.event("LoginFail", (e) => e.target.email === who && /locked/.test(e.message));
  const known = await page(who, PASSWORD, device);
  assert.deepEqual([known.status, known.body.mfa_required], [200, true]);
  const in2 = await s.client({ from: from(), cookie: device }).post("/api/v2/session/mfa", { code: known.body.code, token: totp(secret, 1) });
  assert.equal(in2.status, 200, in2.text);
});
test("what another server locked after the password was found right: the right code is refused in the same words, and that is an event", async () => {
  const who = people[5], c = await s.as(who), secret = (await c.ok("GET", "/api/v2/user/mfa/qr")).secret;
  await until(() => Date.now() % 30000 < 22000, "room in this half minute", 31_000);
  await c.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(secret) });
  const begun = (await api(who)).body;
  sqlOn(s.store, `UPDATE user_account SET locked_until = ${(Date.now() + 600_000) * 1000} WHERE user_id = ${id[who]}`); // as the other server does
  const second = await s.client({ from: from() }).post("/api/v1/authenticate/mfa", { code: begun.code, token: totp(secret, 1) });
  assert.deepEqual(plain(second), plain(await api("nobody@example.org", "wrong")));
  const e = await admin.event("LoginFail", (x) => x.target.email === who);
  assert.match(e.message, /invalid credentials \(locked or changed meanwhile\)/);
  await admin.ok("POST", `${T}/users/${id[who]}/unlock`);
  const again = (await api(who)).body;
  assert.equal((await s.client({ from: from() }).post("/api/v1/authenticate/mfa", { code: again.code, token: totp(secret, 1) })).status, 200, "the code was not used up");
});
test("what is guessed at by one-time links counts by the same setting as sign-ins", async () => {
  await admin.ok("PUT", `${T}/settings/authentication`, { auth_per_minute: 3 });
  const c = s.client({ from: "203.0.113.9" }), guess = () => c.post("/api/v2/user/password/link", { token: "guess", newPassword: "Summer-Garden-64?" });
  assert.deepEqual([await guess(), await guess(), await guess(), await guess()].map((r) => r.status), [403, 403, 403, 429]);
  assert.equal((await c.post("/api/v1/authenticate", { username: people[4], password: PASSWORD })).status, 429, "one counter");
  await admin.ok("PUT", `${T}/settings/authentication`, { auth_per_minute: 10 });
});
test("what was typed where a forgotten password is asked for is kept as hash and length, unless it is an address", async () => {
  await s.client({ from: from() }).post("/api/v1/user/forgotpass", { email: "Hunter2-Secret!" });
  await s.client({ from: from() }).post("/api/v1/user/forgotpass", { email: "nobody@example.net" });
  const all = () => recount(["audit", "export", "--instance", "--event-type", "PasswordResetRequested", "--data", s.store.data, ...s.store.flags]).out;
  await until(() => /nobody@example\.net/.test(all()) && /\(15 characters\)/.test(all()), "both in the installation's log");
  assert.equal(/Hunter2/.test(all()), false);
});
