/** The documented example, through the interface: Past 30 days, then the word "password". */
import { test, after, before } from "node:test";
import { serve, assert, ADMIN, PASSWORD, SLOW, sleep } from "./harness.mjs";

const FAILED = SLOW ? 120 : 1000;
let s, admin;
const expected = new Set(["PasswordChanged", "PasswordChangedByOther", "PasswordResetRequested", "PasswordChangeRefused", "SetPasswordLinkCreated"]);

before(async () => {
  s = await serve({ proxy: true, users: [{ email: "pat@example.org", role: "STD_USER" }, { email: "quinn@example.org", role: "STD_USER" }] });
  admin = await s.as();
  await admin.events({ q: "password" }); // an earlier such search
  // A thousand failed sign-ins, mostly for a few names, from many addresses.
  let n = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (n < FAILED) {
      const i = n++;
      await s.client({ from: `10.${(i >> 8) & 255}.${i & 255}.9` }).post("/api/v1/authenticate", { username: `name${i % 40}@example.org`, password: `Wrong-${i}` });
    }
  }));
  const pat = await s.as("pat@example.org");
  await pat.ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "Another-Meadow-52?" });
  await s.client({ from: "10.200.0.1" }).post("/api/v1/user/forgotpass", { email: "quinn@example.org" });
});
after(() => s.stop());

test("exactly the password events are listed", async () => {
  const hits = await admin.events({ from: "30d", q: "password", limit: "1000" });
  assert.ok(hits.length >= 2, JSON.stringify(hits.map((e) => e.event_type)));
  for (const e of hits) assert.ok(expected.has(e.event_type), `${e.event_type}: ${e.message}`);
  const all = (await admin.events({ limit: "1000", from: "30d" })).filter((e) => expected.has(e.event_type));
  assert.deepEqual(hits.map((e) => e.cuid), all.map((e) => e.cuid));
  assert.ok(hits.some((e) => e.event_type === "PasswordChanged"));
});
test("case is ignored, and camel-case names are found by their words", async () => {
  const lower = (await admin.events({ q: "password" })).map((e) => e.cuid);
  for (const q of ["PASSWORD", "Password", "passwor", "assword"]) {
    const got = (await admin.events({ q })).map((e) => e.cuid);
    for (const c of lower) assert.ok(got.includes(c), q);
  }
  assert.ok((await admin.events({ q: "password changed" })).some((e) => e.event_type === "PasswordChanged"));
});
test("failed sign-ins are found by invalid credentials; their counts sum to what was sent", async () => {
  const count = async () => (await admin.events({ event_type: "LoginFail", limit: "1000" })).reduce((n, e) => n + (e.count || 1), 0);
  const end = Date.now() + 40_000;
  let got = await count();
  while (got < FAILED && Date.now() < end) { await sleep(500); got = await count(); }
  const locked = (await admin.events({ event_type: "LoginLockout", limit: "1000" })).reduce((n, e) => n + (e.count || 1), 0);
  assert.ok(got === FAILED || got + locked === FAILED, `${got} failures and ${locked} lockouts for ${FAILED} attempts`);
  assert.ok((await admin.events({ q: "invalid credentials" })).length >= 1);
});
test("substrings of every part of an event are found", async () => {
  await admin.ok("POST", "/api/v1/client/create", { name: "Żółć & Söhne <b>", description: "x" });
  for (const q of ["żółć", "Söhne", "<b>", "Alice", "admin@exam", "127.0.0.1"])
    assert.ok((await admin.events({ q })).length >= 1, q);
});
test("one and two characters are right too", async () => {
  const all = await admin.events({ limit: "1000" });
  for (const q of ["z", "qu", "@"]) {
    const got = (await admin.events({ q, limit: "1000" })).length;
    assert.ok(got <= all.length);
    if (q !== "z") assert.ok(got >= 1, q);
  }
});
test("hostile search text finds text, nothing more", async () => {
  for (const q of ["'; DROP TABLE audit_event; --", '" OR 1=1', "%", "_", "\\", "NEAR(", "a*", "\"unclosed", "🦊", "\u202e", "%%%%", "(((", "{}", "$1"]) {
    const r = await admin.get(`/api/v2/auditlog?q=${encodeURIComponent(q)}&limit=1000`);
    assert.equal(r.status, 200, `${q}: ${r.text.slice(0, 200)}`);
  }
  assert.equal((await admin.events({ q: "%" })).length, 0, "% is a character");
});
test("no hit in the range says how many older ones there are", async () => {
  const r = await admin.ok("GET", `/api/v2/auditlog?q=password&from=2020-01-01&to=2020-01-02`);
  assert.equal(r.data.length, 0);
  assert.ok(r.meta.older >= 2, JSON.stringify(r.meta));
});
void ADMIN;
