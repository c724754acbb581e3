/**
 * Names in any script and any form of Unicode: found, sorted and told apart in the same way on both stores, whatever locale and
 * encoding a database of PostgreSQL has, and in a store that an older program filled.
 */
import { test } from "node:test";
import { serve, newStore, createUser, assert, until, sqlOn, psql, recount, ADMIN, PASSWORD, STORE } from "./harness.mjs";

const T = "/api/v2/tenants/0", BULK = "/api/v1/tenant/0/user/create/bulk?sendEmail=false";
/** Last names in the order of their keys, first and last of each pair as two keyboards write them. */
const SORTED = ["Abel", "apfel", "ZAHN", "zoe", "Älter", "A\u0308RGER", "ärmer", "éclair", "ΑΘΗΝΑ", "Αθηνών", "Жанна", "ЖУК"];
const nfd = (/** @type {string} */ x) => x.normalize("NFD");

/** A store on a database of another kind than the cluster's. */
function store(/** @type {string} */ how) {
  const s = newStore();
  if (how) {
    const name = new URL(s.url).pathname.slice(1);
    psql(`DROP DATABASE ${name}`);
    psql(`CREATE DATABASE ${name} TEMPLATE template0 ${how}`);
  }
  createUser(s, ADMIN);
  return s;
}
const KINDS = STORE === "postgres" ? { "the cluster's locale": "", "the locale C": "ENCODING 'UTF8' LOCALE 'C'", "no encoding": "ENCODING 'SQL_ASCII' LOCALE 'C'" } : { SQLite: "" };

for (const [kind, how] of Object.entries(KINDS))
  test(`${kind}: people, clients and tags are sorted and found alike`, { timeout: 180_000 }, async () => {
    const s = await serve({ store: store(how), proxy: true }), admin = await s.as();
    const shuffled = SORTED.map((x, i) => [x, (i * 7) % SORTED.length]).sort((a, b) => Number(a[1]) - Number(b[1])).map(([x]) => String(x));
    for (const [i, last] of shuffled.entries()) {
      await admin.ok("POST", BULK, [{ email: `p${i}.jos\u00e9@example.org`, name: { first: "Same", last } }]);
      await admin.ok("POST", "/api/v1/client/create", { name: last });
      await admin.ok("POST", "/api/v1/tenant/0/tag", { name: last, scope: "tenant", ownerId: 0 });
      await admin.ok("POST", "/api/v3/substatus", { status: "Open", value: last });
      await admin.ok("POST", "/api/v2/sla/benchmarks", { name: last, daysToClose: 7, enabled: true, findingSeverity: ["Low"] });
    }
    const people = async (/** @type {string} */ q) => (await admin.ok("GET", `${T}/users?limit=100&${q}`)).data.map((u) => u.last).filter((x) => x !== ADMIN.last);
    const rights = async (/** @type {string} */ q) => (await admin.ok("GET", `${T}/authorization?limit=100&${q}`)).data.map((u) => u.last).filter((x) => x !== ADMIN.last);
    const clients = async (sort, value) => (await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 100 }, sort, filters: value ? [{ by: "name", value }] : [] })).data.map((c) => c.name);
    const tags = async (/** @type {string} */ text) => (await admin.ok("GET", `/api/v1/tenant/0/tag/search?text=${encodeURIComponent(text)}`)).tags.map((t) => t.name);
    for (const f of [people, rights]) {
      assert.deepEqual(await f("sortBy=lastName&order=ASCEND"), SORTED);
      assert.deepEqual(await f("sortBy=lastName&order=DESEND"), [...SORTED].reverse());
    }
    assert.deepEqual(await clients([{ by: "name", order: "ASC" }]), SORTED);
    assert.deepEqual((await admin.ok("GET", "/api/v3/substatus")).data.map((x) => x.value), SORTED);
    assert.deepEqual((await admin.ok("GET", "/api/v2/sla/benchmarks")).data.map((x) => x.name), SORTED);
    for (const name of SORTED)
      for (const ask of [name, nfd(name), name.normalize("NFC").toUpperCase(), nfd(name.toLowerCase())]) {
        const q = `filter=${encodeURIComponent(ask)}`;
        assert.deepEqual([await people(q), await rights(q), await clients([], ask), await tags(ask)], Array(4).fill([name]), `${JSON.stringify(ask)} finds ${name}`);
      }
    assert.equal((await people(`filter=${encodeURIComponent("JOSE\u0301@")}`)).length, SORTED.length, "an address, too");
    await s.stop();
  });

test("one address in two forms is one account: it signs in by either, and is not made twice", async () => {
  const s = await serve({ store: store(""), proxy: true }), admin = await s.as(), email = "zo\u00eb.n\u00fa\u00f1ez@ex\u00e4mple.org";
  const make = (/** @type {string} */ x) => admin.post(BULK, [{ email: x, name: { first: "Zo\u00eb", last: "N\u00fa\u00f1ez" }, password: PASSWORD }]);
  assert.equal((await make(nfd(email).toUpperCase())).status, 200);
  const made = (await admin.ok("GET", `${T}/users?filter=${encodeURIComponent(email)}`)).data;
  assert.deepEqual(made.map((u) => u.email), [email.toUpperCase()], "kept composed, in the case it was typed in");
  for (const x of [email, nfd(email), email.toUpperCase()]) assert.equal((await make(x)).status, 409, x);
  const link = decodeURIComponent(/token=([^&]+)/.exec((await admin.ok("POST", `${T}/users/${made[0].user_id}/password-link`)).link)[1]);
  await s.client({ from: "10.1.0.1" }).ok("POST", "/api/v2/user/password/link", { token: link, newPassword: PASSWORD });
  for (const [i, username] of [email, nfd(email)].entries()) assert.equal((await s.client({ from: `10.1.1.${i}` }).post("/api/v1/authenticate", { username, password: PASSWORD })).status, 200, username);
  const device = async (/** @type {string} */ username) => s.client({ from: "10.1.2.1" }).post("/api/v2/session", { username, password: PASSWORD });
  const cookie = (await device(email)).headers["set-cookie"].map((/** @type {string} */ c) => c.split(";")[0]).join("; ");
  const known = await s.client({ from: "10.1.2.2", cookie }).post("/api/v2/session", { username: nfd(email), password: PASSWORD });
  assert.deepEqual([known.status, known.headers["set-cookie"].some((/** @type {string} */ c) => c.startsWith("recount_device="))], [200, false], "its browser is known by either");
  await until(async () => (await admin.ok("GET", `/api/v2/auditlog?user=${encodeURIComponent(nfd(email))}&event_type=LoginSuccess`)).data.length === 4, "the filter by user finds all four");
  assert.ok((await admin.ok("GET", `/api/v2/auditlog?q=${encodeURIComponent("nu\u0301n\u0303ez")}&event_type=LoginSuccess`)).data.length === 4);
  await s.stop();
});

test("a store whose names have no keys yet gets them at the start; an address keyed as older programs did is keyed anew, another's is not touched", async () => {
  const st = store(""), s = await serve({ store: st, tampers: true });
  let admin = await s.as();
  await admin.ok("POST", BULK, [{ email: "\u9db4@example.org", name: { first: "Älter", last: "Ärger" } }, { email: "other@example.org", name: { first: "O", last: "P" } }]);
  await admin.ok("POST", "/api/v1/client/create", { name: "Änderung" });
  await admin.ok("POST", "/api/v1/tenant/0/tag", { name: "Öl", scope: "tenant", ownerId: 0 });
  await s.stop({ drop: false });
  // A compatibility ideograph was an address of its own (U+FA2D is composed to U+9DB4).
  for (const x of ["UPDATE user_account SET first_key = '', last_key = ''", "UPDATE client SET name_key = ''", "UPDATE tag SET name_key = ''",
    "UPDATE user_account SET email = '\ufa2d@example.org', email_folded = '\ufa2d@example.org' WHERE email = '\u9db4@example.org'"]) sqlOn(st, x);
  await s.start();
  admin = await s.as();
  const found = async (/** @type {string} */ f) => (await admin.ok("GET", `${T}/users?filter=${encodeURIComponent(f)}`)).data.map((u) => u.last);
  assert.deepEqual([await found("ÄLTER"), await found("\u9db4@example"), await found("other")], [["Ärger"], ["Ärger"], ["P"]]);
  assert.deepEqual((await admin.ok("POST", "/api/v2/clients", { pagination: { offset: 0, limit: 9 }, filters: [{ by: "name", value: "ÄNDER" }] })).data.length, 1);
  assert.deepEqual((await admin.ok("GET", `/api/v1/tenant/0/tag/search?text=${encodeURIComponent("ÖL")}`)).tags.length, 1);
  await s.stop({ drop: false });
  assert.match(sqlOn(st, "SELECT count(*) FROM user_account WHERE email_folded = '\u9db4@example.org'"), /1/);
  sqlOn(st, "UPDATE user_account SET email_folded = 'mallory@example.org' WHERE email = 'other@example.org'");
  await s.start();
  await s.stop({ drop: false });
  assert.match(sqlOn(st, "SELECT count(*) FROM user_account WHERE email_folded = 'mallory@example.org'"), /1/, "what is no older key is left for the check to find");
  const r = recount(["audit", "access", "--check", "--data", st.data, ...st.flags]);
  assert.deepEqual([r.status, /other@example\.org/.test(r.out + r.err)], [1, true], r.out + r.err);
  st.drop();
});
