/** The second factor: set-up, sign-in in two steps, replay, recovery, reset. */
import { test, after, before } from "node:test";
import { serve, assert, PASSWORD, totp, until } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ proxy: true, users: ["mia", "ned", "olga", "pia", "rita", "sven", "tom"].map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })) });
  admin = await s.as();
});
after(() => s.stop());
const about = (text) => (e) => JSON.stringify(e).includes(text);
const nextStep = () => until(() => Date.now() % 30000 < 25000, "room in this half minute", 31_000);

/** Switches the second factor on; answers {secret, codes, used}. */
async function enrol(c) {
  const qr = await c.ok("GET", "/api/v2/user/mfa/qr");
  const text = JSON.stringify(qr);
  const secret = /secret=([A-Z2-7]+)/.exec(text)?.[1] ?? qr.secret ?? qr.data?.secret;
  assert.ok(secret, text);
  const bad = await c.post("/api/v2/user/mfa/qr/activate", { token: "000000" === totp(secret) ? "111111" : "000000" });
  assert.notEqual(bad.status, 200);
  await nextStep();
  const code = totp(secret);
  const on = await c.ok("POST", "/api/v2/user/mfa/qr/activate", { token: code });
  return { secret, used: code, codes: on.recovery_codes ?? on.codes ?? on.data?.recovery_codes ?? on.recoveryCodes ?? [] };
}
const first = (email, from) => s.client({ from }).post("/api/v1/authenticate", { username: email, password: PASSWORD });

test("set-up, two steps, no replay, recovery code once", async () => {
  const c = await s.as("mia@example.org");
  const { secret, used, codes } = await enrol(c);
  await admin.event("MfaEnabled", about("mia@example.org"));
  const one = (await first("mia@example.org", "10.3.0.1")).body;
  assert.equal(one.status, "success");
  assert.equal(one.mfa_enabled, true);
  assert.equal(one.token, undefined);
  assert.equal(typeof one.code, "string");
  const replay = await s.client({ from: "10.3.0.1" }).post("/api/v1/authenticate/mfa", { code: one.code, token: used });
  assert.equal(replay.status, 401, "the code that activated it is used up");
  await admin.event("MfaFail", about("mia@example.org"));
  const two = await s.client({ from: "10.3.0.1" }).post("/api/v1/authenticate/mfa", { code: one.code, token: totp(secret, 1) });
  assert.equal(two.status, 200, two.text);
  assert.ok(two.body.token && two.body.cookie && two.body.status === "success");
  assert.equal((await s.client({ token: two.body.token }).get("/api/v2/whoami")).body.email, "mia@example.org");
  const again = await s.client({ from: "10.3.0.1" }).post("/api/v1/authenticate/mfa", { code: one.code, token: totp(secret, 1) });
  assert.equal(again.status, 401, "a challenge ends with its success");
  assert.ok(codes.length >= 8, "recovery codes");
  for (const [i, expected] of [[0, 200], [0, 401]]) {
    const ch = (await first("mia@example.org", "10.3.0.2")).body;
    const r = await s.client({ from: "10.3.0.2" }).post("/api/v1/authenticate/mfa", { code: ch.code, token: codes[i] });
    assert.equal(r.status, expected, r.text);
  }
  await admin.event("RecoveryCodeUsed", about("mia@example.org"));
});
test("a challenge ends after five wrong codes", async () => {
  const c = await s.as("ned@example.org");
  const { secret } = await enrol(c);
  const ch = (await first("ned@example.org", "10.3.1.1")).body;
  for (let i = 0; i < 5; i++)
    assert.equal((await s.client({ from: `10.3.1.${10 + i}` }).post("/api/v1/authenticate/mfa", { code: ch.code, token: String(100000 + i) })).status, 401);
  const r = await s.client({ from: "10.3.1.30" }).post("/api/v1/authenticate/mfa", { code: ch.code, token: totp(secret, 1) });
  assert.equal(r.status, 401);
});
test("reset by an administrator; the sign-in is one step again", async () => {
  const c = await s.as("olga@example.org");
  await enrol(c);
  const r = await admin.ok("PUT", "/api/v1/tenant/0/user/mfa/disable", { email: "olga@example.org" });
  assert.equal(r.status, "success");
  await admin.event("MfaResetByOther", about("olga@example.org"));
  assert.ok((await first("olga@example.org", "10.3.2.1")).body.token);

  /* The older call, which says how a user signs in: on leaves what is on, off takes it away. */
  await enrol(await s.as("olga@example.org"));
  const id = (await admin.ok("GET", "/api/v1/tenant/0/user/list")).find((/** @type {any} */ u) => u.data.email === "olga@example.org").data.user_id;
  const configure = (/** @type {boolean} */ enabled) => admin.ok("PUT", `/api/v2/authenticate/tenants/0/users/${id}/configuration`, { mfa: { enabled } });
  await configure(true);
  assert.equal((await first("olga@example.org", "10.3.2.2")).body.mfa_enabled, true);
  await configure(false);
  await until(async () => (await admin.events({ event_type: "MfaResetByOther" })).filter(about("olga@example.org")).length === 2, "the second reset's event");
  assert.ok((await first("olga@example.org", "10.3.2.2")).body.token);
});
test("wrong codes count toward the lockout, together with wrong passwords; an administrator's unlock ends it", async () => {
  const { secret } = await enrol(await s.as("pia@example.org"));
  const ch = (await first("pia@example.org", "10.3.3.1")).body;
  for (let i = 0; i < 3; i++)
    assert.equal((await s.client({ from: `10.3.3.${10 + i}` }).post("/api/v1/authenticate/mfa", { code: ch.code, token: String(100000 + i) })).status, 401);
  assert.equal((await admin.events({ event_type: "LoginLockout", user: "pia@example.org" })).length, 0);
  for (let i = 0; i < 2; i++)
    assert.equal((await s.client({ from: `10.3.3.${20 + i}` }).post("/api/v1/authenticate", { username: "pia@example.org", password: "Not-It-At-All-1" })).status, 401);
  await admin.event("LoginLockout", about("pia@example.org"));
  assert.equal((await admin.events({ event_type: "MfaFail", user: "pia@example.org" })).length, 3);
  assert.equal((await first("pia@example.org", "10.3.3.30")).status, 401, "the right password, while locked");
  const late = await s.client({ from: "10.3.3.31" }).post("/api/v1/authenticate/mfa", { code: ch.code, token: totp(secret, 1) });
  assert.equal(late.status, 401, "nor does the challenge that was begun before help");
  const id = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50&filter=pia")).data[0].user_id;
  await admin.ok("POST", `/api/v2/tenants/0/users/${id}/unlock`);
  await admin.event("UserUnlocked", about("pia@example.org"));
  const again = (await first("pia@example.org", "10.3.3.32")).body;
  assert.equal((await s.client({ from: "10.3.3.32" }).post("/api/v1/authenticate/mfa", { code: again.code, token: totp(secret, 1) })).status, 200);
});
test("name, password and code in one call: `code` signs in at once, once; a wrong one is a failure of the second factor", async () => {
  const { secret } = await enrol(await s.as("rita@example.org"));
  const call = (code, from) => s.client({ from }).post("/api/v1/authenticate", { username: "rita@example.org", password: PASSWORD, code });
  const code = totp(secret, 1), r = await call(code, "10.3.4.1");
  assert.equal(r.status, 200, r.text);
  assert.ok(r.body.token && r.body.cookie);
  assert.equal((await s.client({ token: r.body.token }).get("/api/v2/whoami")).body.email, "rita@example.org");
  assert.equal((await call(code, "10.3.4.2")).status, 401, "no replay");
  const wrong = await call("000000" === totp(secret) ? "111111" : "000000", "10.3.4.3");
  assert.equal(wrong.status, 401);
  assert.equal(wrong.body.token, undefined);
  await until(async () => (await admin.events({ event_type: "MfaFail", user: "rita@example.org" })).length === 2, "both failures");
  const bad = await s.client({ from: "10.3.4.4" }).post("/api/v1/authenticate", { username: "rita@example.org", password: "Not-It-At-All-1", code: totp(secret, 1) });
  assert.equal(bad.status, 401, "a code without the password is nothing");
  assert.equal((await admin.events({ event_type: "MfaFail", user: "rita@example.org" })).length, 2, "and that is a failure of the password");
});
test("activation takes {code} as well as {token}", async () => {
  const c = await s.as("sven@example.org"), secret = /secret=([A-Z2-7]+)/.exec(JSON.stringify(await c.ok("GET", "/api/v2/user/mfa/qr")))[1];
  await nextStep();
  assert.equal((await c.post("/api/v2/user/mfa/qr/activate", { code: "1" })).status, 400);
  await c.ok("POST", "/api/v2/user/mfa/qr/activate", { code: totp(secret) });
  assert.equal((await first("sven@example.org", "10.3.5.1")).body.mfa_enabled, true);
});
test("a password set by a link does not skip the second factor", async () => {
  const { secret } = await enrol(await s.as("tom@example.org"));
  const id = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50&filter=tom@")).data[0].user_id;
  const link = await admin.ok("POST", `/api/v2/tenants/0/users/${id}/password-link`), token = decodeURIComponent(/token=([^"&]+)|password\/([^"?]+)/.exec(link.link ?? link.data?.link ?? JSON.stringify(link)).slice(1).find(Boolean));
  const set = await s.client({ from: "10.3.6.1" }).post("/api/v2/user/password/link", { token, newPassword: "Winter-Meadow-53?" });
  assert.equal(set.status, 200, set.text);
  assert.equal(set.body.token, undefined, "the link signs nobody in");
  const one = (await s.client({ from: "10.3.6.2" }).post("/api/v1/authenticate", { username: "tom@example.org", password: "Winter-Meadow-53?" })).body;
  assert.equal(one.mfa_enabled, true);
  assert.equal(one.token, undefined);
  assert.equal((await s.client({ from: "10.3.6.2" }).post("/api/v1/authenticate/mfa", { code: one.code, token: totp(secret, 1) })).status, 200);
});
