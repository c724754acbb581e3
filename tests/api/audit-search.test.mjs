/** The documented example, through the interface: Past 30 days, then the word "password". */
import { test, after, before } from "node:test";
import { serve, assert, everything, ADMIN, PASSWORD, SLOW, sleep } from "./harness.mjs";

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
/** What an event is searched by, written down once more: doc/audit-log.md, "Searched are". Fields are parted, so that nothing matches across two. */
function document(e) {
  const words = e.event_type.replace(/[A-Z]/g, (c, at) => (at ? " " : "") + c);
  return [`${e.actor?.name ?? ""}${e.actor?.email ? ` (${e.actor.email})` : ""}`, e.event_type, words, e.title, e.target?.name, e.target?.email, e.target?.id, e.client?.name, e.address, e.message,
    ...(e.event_type === "AccessBaseline" ? [] : (e.changes ?? []).flatMap((c) => [c.field, c.before, c.after]))].filter((x) => x).join("\u001f").toLowerCase();
}
const parts = (q) => [...q.matchAll(/"([^"]*)"?|(\S+)/g)].map((m) => (m[1] ?? m[2]).toLowerCase()).filter(Boolean);
/** A generator that gives the same again for the same seed (mulberry32). */
const random = (seed) => () => { seed = (seed + 0x6d2b79f5) | 0; let x = Math.imul(seed ^ (seed >>> 15), 1 | seed); x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x; return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32; };
test("random pieces of one and more characters, alone and together, and absent ones: exactly what a plain look at every event finds", { timeout: 600_000 }, async (t) => {
  for (const name of ["Żółć & Söhne <b>", "Ab", "zZ top % _", "Überraschung (x)", "O'Neil \\ Partner"]) await admin.ok("POST", "/api/v1/client/create", { name, description: `about ${name}` });
  const all = await everything(admin), last = all.at(-1).index, docs = all.map((e) => [e.cuid, document(e)]);
  const seed = Number(process.env.RECOUNT_SEED ?? Date.now() % 1e9), rnd = random(seed), pick = (v) => v[Math.floor(rnd() * v.length)];
  t.diagnostic(`${all.length} events; RECOUNT_SEED=${seed}`);
  const piece = (n) => { for (;;) { const d = pick(docs)[1], chars = [...d], at = Math.floor(rnd() * (chars.length - n)), s = chars.slice(at, at + n).join(""); if (chars.length > n && !/["\u001f]/.test(s) && s.trim() === s) return s; } };
  const quoted = (s) => (/\s/.test(s) ? `"${s}"` : s), upper = (s) => (rnd() < 0.3 ? s.toUpperCase() : s).replace(/İ/g, "i");
  const queries = [];
  for (const n of [1, 2]) for (let i = 0; i < 60; i++) queries.push(quoted(piece(n)));
  for (let i = 0; i < 60; i++) queries.push(quoted(upper(piece(3 + Math.floor(rnd() * 10)))));
  for (let i = 0; i < 40; i++) queries.push([piece(1 + Math.floor(rnd() * 2)), piece(1 + Math.floor(rnd() * 6)), piece(4)].map(quoted).join(" "));
  for (const q of ["§", "q§", "zqx", "xqzj", "\"a  b\"", "🦊", "ﬀ"]) queries.push(q);
  let found = 0;
  for (const q of queries) {
    const words = parts(q), want = docs.filter(([, d]) => words.every((w) => d.includes(w))).map(([c]) => c);
    const got = (await everything(admin, { q })).filter((e) => e.index <= last).map((e) => e.cuid);
    assert.deepEqual(got, want, `${JSON.stringify(q)} (seed ${seed}): ${got.length} instead of ${want.length}`);
    found += want.length > 0 && want.length < all.length ? 1 : 0;
  }
  assert.ok(found > 100, `${found} of ${queries.length} queries tell events apart`);
});
test("hostile search text finds text, nothing more", async () => {
  for (const q of ["'; DROP TABLE audit_event; --", '" OR 1=1', "%", "_", "\\", "NEAR(", "a*", "\"unclosed", "🦊", "\u202e", "%%%%", "(((", "{}", "$1"]) {
    const r = await admin.get(`/api/v2/auditlog?q=${encodeURIComponent(q)}&limit=1000`);
    assert.equal(r.status, 200, `${q}: ${r.text.slice(0, 200)}`);
  }
  const percent = await admin.events({ q: "%", limit: "1000" });
  assert.ok(percent.length >= 1 && percent.every((e) => document(e).includes("%")), "% is a character");
});
test("no hit in the range says how many older ones there are", async () => {
  const r = await admin.ok("GET", `/api/v2/auditlog?q=password&from=2020-01-01&to=2020-01-02`);
  assert.equal(r.data.length, 0);
  assert.ok(r.meta.older >= 2, JSON.stringify(r.meta));
});
void ADMIN;
