/** The second factor: set-up, sign-in in two steps, replay, recovery, reset. */
import { test, after, before } from "node:test";
import { serve, assert, PASSWORD, totp, until } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ proxy: true, users: ["mia", "ned", "olga"].map((n) => ({ email: `${n}@example.org`, role: "STD_USER" })) });
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
});
