/**
 * Somebody with the store's files (or the database's superuser) changes the log. Each change is made on a copy of its own
 * and must be named by `recount audit verify` with the exit status 1: fast where hashes tell, deep where the record's
 * own bytes must be looked at. What needs hashes made again is in tests/unit/audit/test_verify.c.
 */
import { test, after, before } from "node:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readdirSync, writeFileSync, rmSync, truncateSync, statSync, renameSync } from "node:fs";
import path from "node:path";
import { serve, assert, recount, createUser, psql, signed, until, BIN } from "./harness.mjs";
import { LITE, sqlite, copyOf, fileOf, sqlIn, verify, storeOf, attackOn } from "./tampered.mjs";

const OTHER = { email: "olga@example.net", first: "Olga", last: "Other", role: "ADMIN" };
let s, store, months;
const kept = {}; // what a reader of workspace 1 has kept

/* ---- the store before anybody touched it ---- */

before(async () => {
  s = await serve({ args: ["--demo"], noAdmin: true });
  store = s.store;
  createUser(store, { ...OTHER, newTenant: true, tenantName: "Other" });
  for (let i = 0; i < 12; i++) createUser(store, { email: `u${i}@example.net`, role: "STD_USER", tenant: 1 });
  const olga = await s.as(OTHER.email), LOG = "/api/v2/auditlog";
  const events = await olga.events({ limit: 20 });
  kept.vkey = (await olga.get(`${LOG}/vkey`)).text.trim();
  kept.checkpoint = (await until(async () => { const r = await olga.get(`${LOG}/checkpoint`); return r.status === 200 && r; }, "a checkpoint")).text;
  kept.json = (await signed(() => olga.get(`${LOG}/proof/${events[3].cuid}`))).text;
  kept.proof = (await olga.get(`${LOG}/proof/${events[3].cuid}?format=tlog-proof`)).text;
  await s.stop({ drop: false });
  months = monthsOf({ data: store.data, url: store.url });
  assert.ok(months.length >= 3, "the demonstration spans months");
});
after(() => { store?.drop(); });

function monthsOf(c) {
  if (LITE) return readdirSync(path.join(c.data, "audit")).filter((f) => /^\d{4}-\d\d\.db$/.test(f)).map((f) => f.slice(0, 7)).sort();
  return psql("SELECT DISTINCT month FROM audit_range ORDER BY 1", c.url).split("\n").map(Number).map((m) => `${Math.floor(m / 12)}-${String((m % 12) + 1).padStart(2, "0")}`);
}

const copy = () => copyOf(store), file = fileOf, sql = sqlIn;
const hexOf = (c, where, expr, rest) => sql(c, where, LITE ? `SELECT hex(${expr}) FROM ${rest}` : `SELECT encode(${expr}, 'hex') FROM ${rest}`);
const lit = (hex) => (LITE ? `X'${hex}'` : `'\\x${hex}'::bytea`);
/** Flips one bit of a column's bytes. */
function flip(c, where, table, col, cond, at) {
  const b = Buffer.from(hexOf(c, where, col, `${table} WHERE ${cond}`), "hex");
  assert.ok(b.length > 8, `${table}.${col} has bytes`);
  b[at ?? Math.floor(b.length / 2)] ^= 1;
  sql(c, where, `UPDATE ${table} SET ${col} = ${lit(b.toString("hex"))} WHERE ${cond}`);
}
const ordinal = (m) => Number(m.slice(0, 4)) * 12 + Number(m.slice(5)) - 1;
const inMonth = (m) => (LITE ? "" : ` AND month = ${ordinal(m)}`);
const ofTenant = (m, tenant = 0) => `tenant_id = ${tenant} AND epoch = 0${inMonth(m)}`;
/** First index of the tenant's log in a month, and the one behind the last. */
function range(c, m, tenant = 0) {
  const [first, next] = sql(c, m, `SELECT first || ' ' || next FROM audit_range WHERE ${ofTenant(m, tenant)}`).split(" ").map(Number);
  return { first, next };
}
const attack = (name, change, expected, how) => attackOn(() => store, name, change, expected, how);
const old = () => months[1];
const newest = () => months[months.length - 1];
/** An event in the middle of an old month. */
const middle = (c) => { const r = range(c, old()); return r.first + Math.floor((r.next - r.first) / 2); };
const event = (c) => `${ofTenant(old())} AND idx = ${middle(c)}`;

/* ---- the attacks ---- */

test("untouched, it is sound, fast and deep", () => {
  const c = copy();
  for (const args of [[], ["--deep"], ["--json", "--deep"], ["--tenant", "1"], ["--instance"]]) {
    const r = verify(c, ...args);
    assert.equal(r.status, 0, `${args}: ${r.out}${r.err}`);
  }
  const j = JSON.parse(verify(c, "--json").out);
  assert.equal(j.sound, true);
  assert.deepEqual(j.findings, []);
  assert.ok(j.checkpoints.length >= 3 && j.checkpoints.every((h) => h.fits));
  c.drop?.();
});

attack("a bit of a public part", (c) => flip(c, old(), "audit_event", "public", event(c)), /event \d+: .*record is not the one/);
attack("a bit of a personal part", (c) => flip(c, old(), "audit_personal", "personal", event(c)), /event \d+: .*record is not the one/);
attack("a bit of a salt", (c) => flip(c, old(), "audit_personal", "salt", event(c)), /event \d+: .*record is not the one/);
attack("a bit of a leaf entry", (c) => flip(c, old(), "audit_event", "leaf", event(c)), /hash stored of|another root than the events|ends with are not/, { fast: true });
for (const [col, value] of [["cuid", "'cmwq1v3vv0000qlu84forged00'"], ["type", "type + 1"], ["outcome", "(outcome + 1) % 3"], ["client_id", "client_id + 1"]])
  attack(`the column ${col} of an event`, (c) => sql(c, old(), `UPDATE audit_event SET ${col} = ${value} WHERE ${event(c)}`), new RegExp(`event \\d+: the column ${col} `));
attack("the time of an event", (c) => sql(c, old(), `UPDATE audit_event SET at = at + 86400000000 WHERE ${event(c)}`), /column at does not|span between happening and logging/);
attack("the logged time of an event", (c) => sql(c, old(), `UPDATE audit_event SET logged = logged - 3600000000 * 24 * 9 WHERE ${event(c)}`), /logged (before|in another month)|column logged/, { fast: false });
attack("an event is deleted", (c) => sql(c, old(), `DELETE FROM audit_event WHERE ${event(c)}`), /event \d+: the event is missing/, { fast: true });
attack("a personal part is deleted", (c) => sql(c, old(), `DELETE FROM audit_personal WHERE ${event(c)}`), /event \d+: the personal part of the event is missing/);
attack("a personal part is erased by a request that nobody made", (c) => {
  const cols = `${LITE ? "" : "month, "}tenant_id, epoch, idx`;
  const inner = createHash("sha256").update(Buffer.from(hexOf(c, old(), "salt", `audit_personal WHERE ${event(c)}`), "hex")).update(Buffer.from(hexOf(c, old(), "personal", `audit_personal WHERE ${event(c)}`), "hex")).digest("hex");
  sql(c, old(), `INSERT INTO audit_erasure (${cols}, person, part, request, inner_hash, at) SELECT ${cols}, '7F3A9C21B0', 1, 'cmadeup', ${lit(inner)}, 1 FROM audit_personal WHERE ${event(c)}; DELETE FROM audit_personal WHERE ${event(c)}`);
}, /erased by a request that the log does not know/);
attack("two events change places", (c) => {
  const i = middle(c), all = ofTenant(old());
  for (const t of ["audit_event", "audit_personal"])
    for (const [from, to] of [[i, -7], [i + 1, i], [-7, i + 1]]) sql(c, old(), `UPDATE ${t} SET idx = ${to} WHERE ${all} AND idx = ${from}`);
}, /event \d+: the record was placed elsewhere/);
attack("events of two workspaces change places", (c) => {
  const m = newest(), i = range(c, m, 0).next - 2, k = range(c, m, 1).next - 2;
  for (const t of ["audit_event", "audit_personal"]) {
    sql(c, m, `UPDATE ${t} SET tenant_id = 77 WHERE ${ofTenant(m, 0)} AND idx = ${i}`);
    sql(c, m, `UPDATE ${t} SET tenant_id = 0, idx = ${i} WHERE ${ofTenant(m, 1)} AND idx = ${k}`);
    sql(c, m, `UPDATE ${t} SET tenant_id = 1, idx = ${k} WHERE tenant_id = 77`);
  }
}, /another workspace's log/);
attack("the end of a log is cut off", (c) => {
  const m = newest(), { next } = range(c, m);
  for (const t of ["audit_event", "audit_personal", "audit_party"]) sql(c, m, `DELETE FROM ${t} WHERE ${ofTenant(m)} AND idx >= ${next - 3}`);
  sql(c, m, `UPDATE audit_range SET next = ${next - 3} WHERE ${ofTenant(m)}`);
}, /at the end of the log are missing|of more events than the log holds|audit segment of .* cannot be read/, { fast: true });
attack("a month says that it holds less", (c) => sql(c, old(), `UPDATE audit_range SET next = next - 1 WHERE ${ofTenant(old())}`), /lies outside|event is missing/, { fast: true });
attack("a month says another span of times", (c) => sql(c, old(), `UPDATE audit_range SET min_lag = min_lag + 1000000000, max_lag = max_lag + 1000000000 WHERE ${ofTenant(old())}`), /span between happening and logging/, { fast: true });
attack("an event is put into a log from nowhere", (c) => sql(c, old(), `INSERT INTO audit_event (${LITE ? "" : "month, "}tenant_id, epoch, idx, cuid, type, outcome, at, logged, client_id, public, leaf) SELECT ${LITE ? "" : "month, "}9, epoch, idx, 'cforged', type, outcome, at, logged, client_id, public, leaf FROM audit_event WHERE ${event(c)}`), /outside of what the month says/, { fast: true });
attack("somebody is taken off an event's people", (c) => sql(c, old(), `DELETE FROM audit_party WHERE ${ofTenant(old())} AND idx = (SELECT min(idx) FROM audit_party WHERE ${ofTenant(old())})`), /event \d+: the event is not listed for somebody/);
attack("somebody is listed for an event of others", (c) => sql(c, old(), `INSERT INTO audit_party (${LITE ? "" : "month, "}tenant_id, epoch, user_id, idx) VALUES (${LITE ? "" : ordinal(old()) + ", "}0, 0, 'cstranger', ${middle(c)})`), /event \d+: the event is listed for somebody it is not about/);
attack("an event is taken out of the text index alone", (c) => {
  const m = old();
  const rows = sql(c, m + ".index", `SELECT gram FROM audit_gram WHERE ${ofTenant(m)} AND n = 1 ORDER BY gram LIMIT 5`).split("\n");
  assert.ok(rows.length === 5);
  sql(c, m + ".index", `DELETE FROM audit_gram WHERE ${ofTenant(m)} AND gram IN (${rows})`);
}, /event \d+: the text index does not list the event/);
attack("a part of the text index is missing", (c) => {
  const m = old();
  sql(c, m + ".index", `UPDATE audit_chunk SET lo = lo + 5 WHERE ${ofTenant(m)} AND lo = (SELECT min(lo) FROM audit_chunk WHERE ${ofTenant(m)})`);
}, /are not in the text index/);
attack("a stored hash of the tree", (c) => {
  const m = months.find((x) => Number(sql(c, x, `SELECT count(*) FROM audit_node WHERE ${ofTenant(x)}`)) > 0);
  flip(c, m, "audit_node", "hash", `${ofTenant(m)} AND level = 1`);
}, /event \d+: the hash stored of the events/, { fast: true });
attack("the hashes a month ends with", (c) => flip(c, old(), "audit_range", "edge", ofTenant(old())), /ends with are not those of its events/, { fast: true });
attack("the log's own note of its tree", (c) => flip(c, "main", "audit_log", "edge", "tenant_id = 0 AND epoch = 0"), /the log's own note of its tree/, { fast: true });
attack("the log's own note of when its last event was logged, from which the mover goes on", (c) => sql(c, "main", "UPDATE audit_log SET last_logged = 4102444800000000 WHERE tenant_id = 0 AND epoch = 0"),
  /the log's own note of its tree says another time of its last event \(expected .*, found 2100-01-01/, { fast: true });
/** A hash beside the one a month holds: when that month leaves, it would stay in its place. */
const early = (c, what) => {
  const m = months.findLast((x) => Number(sql(c, x, `SELECT count(*) FROM audit_node WHERE ${ofTenant(x)} AND level = 1`)) > 0);
  const n = sql(c, m, `SELECT max(n) FROM audit_node WHERE ${ofTenant(m)} AND level = 1`), own = hexOf(c, m, "hash", `audit_node WHERE ${ofTenant(m)} AND level = 1 AND n = ${n}`);
  sql(c, "main", `INSERT INTO audit_node_kept (tenant_id, epoch, level, n, hash) VALUES (0, 0, 1, ${n}, ${lit(what ?? own)})`);
};
attack("a hash is put beside those of expired months before its own month leaves", (c) => early(c, "5a".repeat(32)), /event \d+: a hash is kept that is not the one of the events from here on/, { fast: true });
attack("a hash of a place that the tree does not have", (c) => sql(c, "main", `INSERT INTO audit_node_kept (tenant_id, epoch, level, n, hash) VALUES (0, 0, 1, 4000, ${lit("5a".repeat(32))})`), /a hash is kept of a place that the log's tree does not have/, { fast: true });
attack("a hash of a log that there is not", (c) => sql(c, "main", `INSERT INTO audit_node_kept (tenant_id, epoch, level, n, hash) VALUES (77, 0, 1, 0, ${lit("5a".repeat(32))})`), /kept of a log that there is not/, { fast: true });
test("the hashes of a month that is about to leave lie there already, and are no finding", () => {
  const c = copy();
  early(c);
  const r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  c.drop();
});
attack("the root of a published checkpoint", (c) => flip(c, "main", "audit_head", "root", "tenant_id = 0"), /published checkpoint says something else|another root/, { fast: true });
attack("the signature of a published checkpoint", (c) => {
  const note = sql(c, "main", "SELECT note FROM audit_head WHERE tenant_id = 0");
  const at = note.lastIndexOf(" ") + 12;
  const forged = note.slice(0, at) + (note[at] === "A" ? "B" : "A") + note.slice(at + 1);
  sql(c, "main", `UPDATE audit_head SET note = '${forged}\n' WHERE tenant_id = 0`);
}, /signature of the published checkpoint is wrong/, { fast: true });
attack("a checkpoint this server remembers", (c) => sql(c, "heads", "UPDATE head SET size = size + 5 WHERE tenant_id = 0"), /remembers says something else/, { fast: true });
attack("a checkpoint of another log in its place", (c) => {
  sql(c, "heads", "UPDATE head SET note = (SELECT note FROM head WHERE tenant_id = -1), origin = (SELECT origin FROM head WHERE tenant_id = -1) WHERE tenant_id = 0");
}, /is of another log/, { fast: true });
attack("a user's role in the table", (c) => sql(c, "main", "DELETE FROM user_role WHERE tenant_id = 1 AND user_id = (SELECT min(user_id) FROM user_account WHERE tenant_id = 1)"), /unrecorded change of access: .*role/);
attack("a permission of a role in the table", (c) => sql(c, "main", "DELETE FROM role_permission WHERE tenant_id = 0 AND permission = (SELECT min(permission) FROM role_permission WHERE tenant_id = 0)"), /unrecorded change of access: .*permission/);
attack("a setting in the table", (c) => sql(c, "main", "INSERT INTO setting (tenant_id, name, value) VALUES (1, 'auth.lockout_failures', '99')"), /unrecorded change of access: .*auth.lockout_failures/);
attack("the oldest month is gone", (c) => {
  const m = months[0];
  if (LITE) for (const f of readdirSync(path.join(c.data, "audit"))) { if (f.startsWith(m)) rmSync(path.join(c.data, "audit", f)); }
  if (!LITE) for (const t of ["audit_event", "audit_personal", "audit_party", "audit_node", "audit_carry", "audit_range"]) sql(c, m, `DELETE FROM ${t} WHERE month = ${ordinal(m)}`);
}, /are missing, and no record says that they expired/, { fast: true });
attack("a month in the middle is gone", (c) => {
  const m = old();
  if (LITE) for (const f of readdirSync(path.join(c.data, "audit"))) { if (f.startsWith(m)) rmSync(path.join(c.data, "audit", f)); }
  if (!LITE) for (const t of ["audit_event", "audit_personal", "audit_party", "audit_node", "audit_carry", "audit_range"]) sql(c, m, `DELETE FROM ${t} WHERE month = ${ordinal(m)}`);
}, /the events \d+ to \d+ are missing/, { fast: true });

/* ---- files ---- */

if (LITE) {
  attack("a month's file is cut short", (c) => truncateSync(file(c, old()), Math.floor(statSync(file(c, old())).size / 2 / 4096) * 4096), /can not be|damaged|missing/);
  attack("a month's file is garbage", (c) => writeFileSync(file(c, old()), Buffer.alloc(65536, 0x5a)), /audit segment .* can ?not be used|can not be/);
  attack("the main store is garbage", (c) => writeFileSync(file(c, "main"), Buffer.alloc(65536, 0x5a)), /recount: /);
  attack("the text index is garbage", (c) => writeFileSync(file(c, old() + ".index"), Buffer.alloc(65536, 0x5a)), /can ?not be/);
  attack("the file of heads is garbage", (c) => writeFileSync(file(c, "heads"), Buffer.alloc(65536, 0x5a)), /file of heads can not be read/);
  attack("an index of the store leads elsewhere", (c) => sqlite(file(c, old()),
    ".dbconfig defensive off\nPRAGMA writable_schema = 1;\nUPDATE sqlite_schema SET sql = replace(sql, 'outcome > 0', 'outcome > 1') WHERE name = 'audit_event_bad';\n"), /is damaged|can not be/);
}

/* ---- an older state is put back ---- */

/** Events after yesterday's copy, made by a command; moved and signed by a server's start and stop. */
async function today(c) {
  const later = await serve({ store: { ...storeOf(c), drop: () => {} } });
  createUser({ data: c.data, flags: c.url ? ["--database", c.url] : [] }, { email: "late@example.net", role: "STD_USER", tenant: 1 });
  await later.stop({ drop: false });
}

test("yesterday's store is put back, with and without keys and heads", async () => {
  const now = copy(), kept = path.join(now.data, "..", `kept-of-today`);
  await today(now);
  assert.equal(verify(now, "--remember", kept).status, 0);
  const old = (without) => {
    const c = copy(); // the store as it was before `today`
    for (const f of without) { rmSync(path.join(c.data, f), { recursive: true, force: true }); cpSync(path.join(now.data, f), path.join(c.data, f), { recursive: true }); }
    return c;
  };
  // Only the store: this server's own memory knows better.
  const store1 = verify(old(["heads.db"]));
  assert.equal(store1.status, 1, store1.out);
  assert.match(store1.out, /of more events than the log holds/);
  // Keys as well: no difference. Without its memory, as it was deleted: that alone is told.
  const both = verify(old(["heads.db", "keys"]));
  assert.equal(both.status, 1, both.out);
  assert.match(both.out, /of more events than the log holds/);
  const none = old([]);
  rmSync(file(none, "heads"));
  const lost = verify(none);
  assert.equal(lost.status, LITE ? 1 : 0, lost.out); // there this folder never signed: as an auditor's machine
  if (!LITE) {
    const same = { ...none, data: now.data, flags: ["--data", now.data, "--database", none.url] };
    const moved = verify(same);
    assert.equal(moved.status, 1, "the server's own folder knows better");
    assert.match(moved.out, /of more events than the log holds/);
  }
  // The whole folder with its memory: nothing inside can tell …
  const all = old([]);
  assert.equal(verify(all).status, 0);
  // … but a checkpoint kept elsewhere does, and what the command remembers from its last run.
  const notes = JSON.parse(verify(now, "--json").out).checkpoints.map((h) => h.checkpoint);
  let found = 0;
  for (const [i, n] of notes.entries()) {
    const f = path.join(store.dir, `note${i}`);
    writeFileSync(f, n);
    const r = verify(all, "--checkpoint", f);
    if (r.status === 1) { found++; assert.match(r.out, /the checkpoint in .*note\d+ is of more events than the log holds/); }
    assert.equal(verify(now, "--checkpoint", f).status, 0);
  }
  assert.ok(found >= 2, "the logs that grew");
  const again = verify(now, "--remember", kept);
  assert.equal(again.status, 0, again.out + again.err);
  rmSync(now.data, { recursive: true });
  renameSync(all.data, now.data); // the same place, as an attacker would
  if (!LITE) {
    const name = (url) => new URL(url).pathname.slice(1);
    psql(`DROP DATABASE ${name(now.url)} WITH (FORCE)`);
    psql(`ALTER DATABASE ${name(all.url)} RENAME TO ${name(now.url)}`);
  }
  const back = verify(now, "--remember", kept);
  assert.equal(back.status, 1, back.out);
  assert.match(back.out, /checkpoint remembered of .* is of more events than the log holds/);
  assert.equal(verify(now, "--remember", kept, "--forget").status, 0);
});

test("nothing is written to a store that is older than what was signed", async () => {
  const now = copy(), c = copy(), set = "SELECT name || ' ' || length(value) FROM setting WHERE tenant_id = -1 AND name NOT LIKE 'server.%' ORDER BY name";
  await today(now);
  rmSync(file(c, "heads"));
  cpSync(file(now, "heads"), file(c, "heads"));
  // what a start would make up for: a catalogue it has not noted, roles that lack what is new, a guard that is gone
  sql(c, "main", "DELETE FROM setting WHERE name = 'permissions.known'; DELETE FROM role_permission WHERE permission = 'AUDIT_LOG.ERASE'");
  const drop = LITE ? "DROP TRIGGER audit_tail_delete" : "DROP TRIGGER audit_tail_delete ON audit_tail";
  if (LITE) sqlite(file(c, "main"), drop); else psql(drop, c.url);
  const state = () => [set, "SELECT count(*) FROM audit_tail", "SELECT size FROM audit_log ORDER BY tenant_id", "SELECT count(*) FROM role_permission",
    LITE ? "SELECT count(*) FROM sqlite_schema WHERE name = 'audit_tail_delete'" : "SELECT count(*) FROM pg_trigger WHERE tgname = 'audit_tail_delete'"].map((q) => (LITE ? sqlite(file(c, "main"), q) : psql(q, c.url))).join("\n");
  const before = state(), flags = LITE ? c.flags : ["--data", c.data, "--database", c.url];
  assert.doesNotMatch(before, /permissions\.known/);
  const r = recount(["serve", "--listen", "127.0.0.1:0", ...flags]);
  assert.equal(r.status, 1, r.err);
  assert.match(r.err, /the store is older than what was signed/);
  assert.equal(state(), before);
});

/* ---- beside a running server ---- */

test("beside a server that records meanwhile nothing is found", async () => {
  const c = copy();
  const run = await serve({ store: storeOf(c) });
  let stop = false;
  const olga = await run.as(OTHER.email);
  const busy = (async () => { for (let i = 0; !stop; i++) await olga.ok("POST", "/api/v1/tenant/1/tag", { name: `tag ${i}` }); })();
  try {
    for (let i = 0; i < 12; i++) {
      const r = await new Promise((done) => setImmediate(() => done(verify(c, ...(i % 2 ? ["--deep"] : [])))));
      assert.equal(r.status, 0, r.out + r.err);
    }
  } finally { stop = true; await busy.catch(() => {}); await run.stop(); }
});

/* ---- keys and checkpoints from outside ---- */

const note = (name, text) => { const f = path.join(store.dir, name); writeFileSync(f, text); return f; };

test("a checkpoint is taken in each form it is given out in, and must be signed by the log's key", () => {
  const c = copy();
  const files = [note("c.txt", kept.checkpoint), note("p.json", kept.json), note("p.tlog-proof", kept.proof)];
  for (const f of files) { const r = verify(c, "--checkpoint", f); assert.equal(r.status, 0, `${f}: ${r.out}${r.err}`); }
  const all = verify(c, "--checkpoint", ...files);
  assert.equal(all.status, 0, all.out + all.err);
  const [origin, size, ...rest] = kept.checkpoint.split("\n");
  const other = verify(c, "--checkpoint", note("forged.txt", [origin, Number(size) - 1, ...rest].join("\n")));
  assert.equal(other.status, 1);
  assert.match(other.out, /the signature of the checkpoint in .*forged\.txt is wrong/);
  const unsigned = verify(c, "--checkpoint", note("unsigned.txt", kept.checkpoint.replace(/^— .*$/m, `— ${origin} AAAAAGZvcmdlZA==`)));
  assert.equal(unsigned.status, 1);
  assert.match(unsigned.out + unsigned.err, /not signed by a key that is trusted here|holds no checkpoint/);
  assert.equal(verify(c, "--checkpoint", note("no.txt", "nothing")).status, 2);
  c.drop?.();
});

test("without the key directory, by the key a reader was given", () => {
  const c = copy();
  rmSync(path.join(c.data, "keys"), { recursive: true });
  assert.equal(verify(c).status, 1);
  for (const key of [kept.vkey, note("vkey.txt", kept.vkey + "\n")]) {
    const r = verify(c, "--deep", "--vkey", key, "--tenant", "1", "--checkpoint", note("c.txt", kept.checkpoint));
    assert.equal(r.status, 0, r.out + r.err);
    assert.match(r.out, /note: Access was not compared/);
  }
  const [name, id] = kept.vkey.split("+");
  const foreign = `${name}+${id}+${Buffer.concat([Buffer.from([1]), Buffer.alloc(32, 7)]).toString("base64")}`;
  assert.equal(verify(c, "--vkey", foreign, "--tenant", "1").status, 2, "a key whose id does not fit is none");
  c.drop?.();
});

test("a policy asks for its quorum", () => {
  const c = copy();
  const pair = (name) => { // C2SP: id = SHA-256(name, newline, type, key)
    const key = Buffer.alloc(32, 9), type = Buffer.from([4]);
    const id = createHash("sha256").update(name + "\n").update(type).update(key).digest().subarray(0, 4).toString("hex");
    return `${name}+${id}+${Buffer.concat([type, key]).toString("base64")}`;
  };
  const alone = note("alone.policy", `log ${kept.vkey}\nquorum none\n`);
  const want = note("witness.policy", `log ${kept.vkey}\nwitness w ${pair("witness.example.org")}\nquorum w\n`);
  const r = verify(c, "--policy", alone);
  assert.equal(r.status, 0, r.out + r.err);
  const w = verify(c, "--policy", want);
  assert.equal(w.status, 1);
  assert.match(w.out, /the published checkpoint does not satisfy the policy/);
  const all = verify(c, "--policy", note("all.policy", `witness w ${pair("witness.example.org")}\nquorum w\n`));
  assert.equal(all.status, 1, "a policy that names no log, like a server's own, is of each");
  assert.equal(all.out.match(/the published checkpoint does not satisfy the policy/g)?.length, 3, all.out);
  assert.equal(verify(c, "--policy", note("none.policy", "quorum none\n")).status, 0);
  const g = verify(c, "--policy", want, "--checkpoint", note("c.txt", kept.checkpoint));
  assert.match(g.out, /the checkpoint in .* does not satisfy the policy/);
  assert.equal(verify(c, "--policy", note("bad.policy", "quorum nobody\n")).status, 2);
  c.drop?.();
});

/* ---- files that can not be opened ---- */

const noise = (n) => Buffer.from(Array.from({ length: n }, (_, i) => (i * 137 + 11) & 255));
const named = (suffix) => new RegExp(`store: the file audit/${old()}${suffix.replaceAll(".", "\\.")} can not be opened: the store is unreadable here`);
for (const [what, suffix, spoil] of /** @type {[string, string, (f: string) => void][]} */ ([
  ["the events of a month are overwritten", ".db", (f) => writeFileSync(f, noise(40_000))],
  ["the text index of a month is overwritten", ".index.db", (f) => writeFileSync(f, noise(40_000))],
  ["the text index of a month is empty", ".index.db", (f) => writeFileSync(f, "")],
  ["a month says it is of another format", ".db", (f) => sqlite(f, "DROP TRIGGER IF EXISTS audit_state_update; UPDATE audit_state SET format = 99")],
]))
  test(`${what}: the file is named, and the other months are looked at`, { skip: !LITE && "files of SQLite" }, () => {
    const c = copy(), r = range(c, newest());
    flip(c, newest(), "audit_event", "public", `${ofTenant(newest())} AND idx = ${r.next - 1}`);
    for (const f of ["-wal", "-shm"]) rmSync(path.join(c.data, "audit", old() + suffix + f), { force: true });
    spoil(path.join(c.data, "audit", old() + suffix));
    for (const args of [[], ["--deep"]]) {
      const told = verify(c, ...args);
      assert.equal(told.status, 1, told.out + told.err);
      assert.match(told.out, named(suffix));
      if (args.length) assert.match(told.out, new RegExp(`event ${r.next - 1}: .*record is not the one`), "what is wrong elsewhere is found, too");
      assert.match(told.err, /the log is damaged: \d+ finding/);
      const j = JSON.parse(verify(c, "--json", ...args).out);
      assert.equal(j.sound, false);
      assert.ok(j.findings.some((x) => x.origin === "store" && /can not be opened/.test(x.what)), JSON.stringify(j.findings));
      if (suffix === ".index.db") assert.ok(!j.findings.some((x) => /missing/.test(x.what)), "the events are all there");
    }
    rmSync(c.data, { recursive: true, force: true });
  });

test("files that belong to somebody else are no damage: 2", { skip: (!LITE && "files of SQLite") || (process.getuid?.() !== 0 && "needs root to become somebody else") }, () => {
  const c = copy();
  const r = spawnSync("setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", BIN, "audit", "verify", ...c.flags], { encoding: "utf8" });
  assert.equal(r.status, 2, r.stdout + r.stderr);
  assert.match(r.stderr, /may not be read by this user/);
  rmSync(c.data, { recursive: true, force: true });
});

/* ---- usage ---- */

test("wrong usage is 2, as is what is not there; 1 is damage alone", () => {
  const c = copy(), bad = path.join(store.dir, "bad");
  writeFileSync(bad, "this is neither key, policy nor checkpoint\n");
  for (const args of [["--tenant", "x"], ["--what"], ["--tenant", "0", "--instance"], ["--tenant", "99"], ["--checkpoint", path.join(store.dir, "nothing")], ["--checkpoint", bad], ["--vkey", path.join(store.dir, "nothing")], ["--vkey", bad],
    ["--policy", path.join(store.dir, "nothing")], ["--policy", bad], ["--remember", bad]]) {
    const r = verify(c, ...args);
    assert.equal(r.status, 2, `${args}: ${r.out}${r.err}`);
    assert.match(r.err, /^(recount: |usage: )/m, args.join(" "));
    assert.doesNotMatch(r.out, /damaged/);
  }
  assert.equal(recount(["audit", "verify", "--data", path.join(store.dir, "nowhere")]).status, 2);
  assert.equal(recount(["audit", "verify", "--data", c.data, "--database", "postgres://nobody@127.0.0.1:1/nothing"]).status, 2);
  if (LITE) { // the folder is there, and what belongs into it is gone
    for (const f of ["recount.db", "recount.db-wal", "recount.db-shm"]) rmSync(path.join(c.data, f), { force: true });
    assert.equal(verify(c).status, 1);
  }
  c.drop?.();
});
