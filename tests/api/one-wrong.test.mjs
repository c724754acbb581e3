/**
 * A valid request of every route (samples.mjs) in which one member of the body is of another kind, in turn: it is refused by
 * name, or taken; no 500, nothing half done, and the store is sound behind it (the harness verifies it as the server stops).
 */
import { test, after, before } from "node:test";
import { serve, assert, ADMIN, PASSWORD } from "./harness.mjs";
import { routes } from "./routes.mjs";
import { Things, request } from "./samples.mjs";

let s, admin, second;
before(async () => {
  s = await serve({ users: [{ email: "second@example.org", role: "ADMIN" }] });
  await (await s.as()).ok("PUT", "/api/v2/tenants/0/settings/authentication", { auth_per_minute: 10000 });
  admin = await signedIn(ADMIN.email);
  second = await signedIn("second@example.org");
});
after(() => s.stop());
async function signedIn(email, password = PASSWORD) {
  const c = await s.as(email, password);
  c.again = () => signedIn(email, password);
  return c;
}

const VALUES = { null: null, true: true, zero: 0, negative: -1, "2^53": 2 ** 53, fraction: 1.5, huge: 1e300, empty: "", space: " ", digits: "1", long: "x".repeat(20_000), unseen: "\u202e\u0007", astral: "🦊".repeat(80), list: [], "list of null": [null], "list of lists": [[[[]]]], object: {}, deeper: { a: { b: [] } } };
/** Where the members of a body stand; of a list the first element speaks for all. */
function* places(v, at = []) {
  if (at.length) yield at;
  if (Array.isArray(v)) { if (v.length) yield* places(v[0], [...at, 0]); }
  else if (v && typeof v === "object") for (const k of Object.keys(v)) yield* places(v[k], [...at, k]);
}
const changed = (body, at, value) => { const copy = structuredClone(body); let o = copy; for (const k of at.slice(0, -1)) o = o[k]; o[at.at(-1)] = value; return copy; };

test("one member of a valid body after the other is of another kind", { timeout: 600_000 }, async () => {
  const wrong = [], n = { taken: 0, refused: 0 };
  for (const r of routes()) {
    if (r.method === "GET" || r.who === "public" || r.who === "session" || /changepass|\/mfa\//.test(r.path)) continue; // what ends the caller's own session
    const w = new Things(admin, 0, "Wrong", second), [, body] = await request(r, w, admin);
    if (Buffer.isBuffer(body) || !body || typeof body !== "object") continue;
    for (const at of places(body)) {
      for (const [name, value] of Object.entries(VALUES)) {
        const [target, valid, headers] = await request(r, w, admin); // afresh: what it makes may be there already
        const a = await admin.request(r.method, target, changed(valid, at, value), headers), what = `${r.method} ${r.path}: ${at.join("/")} ${name}: ${a.status} ${a.text.slice(0, 200)}`;
        if (a.status < 300) n.taken++;
        else if (a.status >= 400 && a.status < 500 && a.body?.status === "error" && a.body.message) n.refused++;
        else wrong.push(what);
        assert.notEqual(a.status, 401, what);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(n.taken > 100 && n.refused > 500, JSON.stringify(n));
});
