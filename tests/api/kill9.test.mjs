/**
 * Kills under load, judged by the client's own ledger of acknowledgements: what was acknowledged is there, each change
 * has its event and each event its change. Half of the kills come at random times, the others inside a COMMIT, where
 * tests/fault/kill.c ends the process itself: before and after the fsync of the store's log, or in the middle of a
 * write to it (on PostgreSQL: before, after and in the middle of sending the word). They are counted.
 * RECOUNT_KILLS says how often (30 in make check, 1,000 in make torture); RECOUNT_SEED repeats a run.
 */
import { test } from "node:test";
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, until, everything, BIN, SLOW, STORE } from "./harness.mjs";

const KILLS = SLOW ? 5 : Number(process.env.RECOUNT_KILLS ?? 30);
const PRELOAD = path.join(path.dirname(BIN), "tests/libkill_in_commit.so"), INSIDE = !SLOW && existsSync(PRELOAD); // sanitizers want to be the first that is loaded
let seed = Number(process.env.RECOUNT_SEED ?? Date.now() % 1e9);
const rnd = (n) => { seed = (seed * 48271) % 2147483647; return seed % n; };
const pick = (v) => v[rnd(v.length)];
const HOW = ["before", "after", "torn"];

/**
 * What is sent and what came back. Per kind of change: the names sent, and those acknowledged; of values that replace
 * each other, every one acknowledged.
 */
class Ledger {
  sent = new Map();
  acknowledged = new Map();
  clients = new Map(); // name → id, acknowledged
  deleting = new Set(); // ids of clients whose deletion was sent
  n = 0; // sent
  kept = 0; // acknowledged
  note(map, kind, v) { if (!map.has(kind)) map.set(kind, new Set()); map.get(kind).add(v); }
  has(map, kind, v) { return map.get(kind)?.has(v) ?? false; }
  list(map, kind) { return [...(map.get(kind) ?? [])]; }
}
const V1 = "/api/v1/tenant/0";
/** One change of some kind; throws when the connection broke, so that nobody knows. */
async function change(c, l) {
  const n = l.n++, free = [...l.clients.values()].filter((id) => !l.deleting.has(id));
  const kind = free.length < 3 ? "client" : pick(["client", "description", "description", "address", "user", "role", "tag", "assign", "delete"]);
  const name = `${kind} ${n}`, id = free.length ? pick(free) : 0;
  const [value, send] = {
    client: [name, () => c.post("/api/v1/client/create", { name })],
    description: [`${id}: ${name}`, () => c.put(`/api/v1/client/${id}`, { description: `${id}: ${name}` })],
    address: [name, () => c.put(V1, { address: name })],
    user: [`u${n}@ledger.example`, () => c.post(`${V1}/user/create`, { email: `u${n}@ledger.example`, name: { first: "U", last: String(n) }, role: "ANALYST" })],
    role: [name, () => c.post("/api/v2/tenants/0/security/role", { title: name, permissions: ["CLIENTS.VIEW"] })],
    tag: [`tag-${n}`, () => c.post(`${V1}/tag`, { name: `tag-${n}`, scope: "tenant", ownerId: 0 })],
    assign: [id, () => c.post(`/api/v2/tenant/0/client/${id}/user/assign`, { users: [{ username: "std@example.org", role: "STD_USER" }] })],
    delete: [id, () => { l.deleting.add(id); return c.del(`/api/v1/client/${id}`); }],
  }[kind];
  l.note(l.sent, kind, value);
  const r = await send();
  if (r.status === 200) {
    l.note(l.acknowledged, kind, value);
    l.kept++;
    if (kind === "client") l.clients.set(name, r.body.client_id);
  } else assert.ok([401, 503].includes(r.status) || (r.status === 404 && l.deleting.has(id)), `${kind}: ${r.status} ${r.text}`);
}

test(`${KILLS} kills under load lose nothing acknowledged`, { timeout: 60_000 + KILLS * 8_000 }, async (t) => {
  t.diagnostic(`RECOUNT_SEED=${seed}`);
  const s = await serve({ users: [{ email: "std@example.org", role: "ANALYST" }] }), l = new Ledger(), inside = new Map(), arm = path.join(s.store.dir, "arm");
  let token = (await s.as()).token;
  for (let k = 0; k < KILLS; k++) {
    let stop = false;
    const c = s.client({ token }), before = l.kept;
    const load = Array.from({ length: 8 }, async () => {
      while (!stop) {
        try { await change(c, l); } catch (e) { if (e instanceof assert.AssertionError) throw e; return; }
      }
    });
    await until(() => l.kept > before + 8, "the load to begin"); // however slow the machine: each life of the server does some work
    if (s.o.env) { // this server ends itself
      const how = HOW[Math.floor(k / 2) % HOW.length], name = STORE === "sqlite" ? pick(["recount.db-wal", ".db-wal"]) : "COMMIT";
      writeFileSync(arm + ".new", `${how} ${1 + rnd(how === "torn" ? 40 : 12)} ${name}\n`);
      renameSync(arm + ".new", arm);
      await until(() => s.exit, `the end inside a COMMIT (${how} ${name})`);
      assert.equal(s.exit.signal, "SIGKILL", s.err);
      assert.ok(existsSync(arm + ".done"));
      inside.set(how, (inside.get(how) ?? 0) + 1);
      for (const f of [arm, arm + ".done"]) rmSync(f);
    } else {
      await new Promise((r) => setTimeout(r, rnd(250)));
      await s.kill();
    }
    stop = true;
    await Promise.all(load);
    s.agent?.destroy();
    s.o.env = INSIDE && k % 2 === 0 ? { LD_PRELOAD: PRELOAD, RECOUNT_KILL_ARM: arm } : undefined;
    await s.start();
    if (k % 10 === 9 || k === KILLS - 1) {
      token = (await s.as()).token;
      await judge(s.client({ token }), l);
    }
  }
  const admin = await s.as();
  t.diagnostic(`inside COMMIT: ${JSON.stringify([...inside])}`);
  if (INSIDE) assert.equal([...inside.values()].reduce((a, b) => a + b, 0), Math.floor(KILLS / 2), "kills inside COMMIT");
  if (INSIDE && KILLS >= 6) assert.deepEqual([...inside.keys()].sort(), [...HOW].sort());
  await judge(admin, l);
  for (const kind of ["client", "description", "address", "user", "role", "tag", "assign", "delete"]) t.diagnostic(`${kind}: ${l.list(l.acknowledged, kind).length} acknowledged of ${l.list(l.sent, kind).length} sent`);
  assert.ok(l.list(l.acknowledged, "client").length > 5 && l.kept > 8 * KILLS, "too few changes were made");
  await s.stop();
});

/** What is there is what the events say, what was acknowledged is there, and nothing was not sent. */
function same(l, kind, there, events, gone = (/** @type {any} */ _v) => false) {
  assert.equal(new Set(events).size, events.length, `${kind}: two events of one change`);
  assert.deepEqual([...events].sort(), [...there].sort(), `${kind}: a change without its event, or an event without its change`);
  const have = new Set(there);
  for (const v of l.list(l.acknowledged, kind)) assert.ok(have.has(v) || gone(v), `${kind} ${v} was acknowledged and is gone`);
  for (const v of there) assert.ok(l.has(l.sent, kind, v), `${kind} ${v} was never sent`);
}
/** Values that replace each other: each event begins where the one before ended, the last is what is there, and each acknowledged one is among them. */
function chain(l, kind, now, changes, mine) {
  let last = "";
  for (const c of changes) { assert.equal(c.before ?? "", last, `${kind}: an event is missing or too many before ${c.after}`); last = c.after; }
  if (now !== undefined) assert.equal(now, last, `${kind}: the last change has no event`);
  const seen = new Set(changes.map((c) => c.after));
  for (const v of l.list(l.acknowledged, kind).filter(mine)) assert.ok(seen.has(v), `${kind} ${v} was acknowledged and has no event`);
  for (const v of seen) assert.ok(l.has(l.sent, kind, v), `${kind} ${v} was never sent`);
}
async function clientsOf(admin) {
  const all = new Map();
  for (let total = 1; all.size < total;) {
    const r = await admin.ok("POST", "/api/v2/clients", { pagination: { offset: all.size, limit: 1000 } });
    for (const c of r.data) all.set(c.client_id, c);
    total = r.meta.pagination.total;
  }
  return all;
}
async function judge(admin, l) {
  // The tail is moved before what is asked for is answered; whoever created what is asked of the log itself.
  const log = await everything(admin), of = (type) => log.filter((e) => e.event_type === type);
  log.forEach((e, i) => assert.equal(e.index, i, "the index has a gap"));
  const clients = await clientsOf(admin), deleted = new Set(of("ClientDeleted").map((e) => e.client.id)), created = of("ClientCreated");
  assert.equal(deleted.size, of("ClientDeleted").length, "a client was deleted twice");
  for (const id of deleted) assert.ok(l.deleting.has(id), `the deletion of client ${id} was never sent`);
  for (const id of l.list(l.acknowledged, "delete")) assert.ok(deleted.has(id) && !clients.has(id), `client ${id}: its deletion was acknowledged`);
  const idOf = new Map(created.map((e) => [e.client.name, e.client.id]));
  same(l, "client", [...clients.values()].map((c) => c.name), created.filter((e) => !deleted.has(e.client.id)).map((e) => e.client.name), (name) => deleted.has(idOf.get(name)));
  for (const [name, id] of l.clients) assert.equal(idOf.get(name), id, `${name} has another id`);
  const updates = of("ClientUpdated");
  for (const e of created) {
    const mine = updates.filter((u) => u.client.id === e.client.id).flatMap((u) => u.changes.filter((c) => c.field === "description"));
    chain(l, "description", clients.get(e.client.id)?.description, mine, (v) => v.startsWith(`${e.client.id}: `));
  }
  same(l, "assign", [...clients.values()].filter((c) => c.users["std@example.org"]).map((c) => c.client_id), of("UserClientRoleAssigned").filter((e) => e.target.email === "std@example.org" && clients.has(e.client.id)).map((e) => e.client.id), (id) => deleted.has(id));
  const tenant = await admin.ok("GET", V1);
  chain(l, "address", tenant.address, of("SettingChanged").flatMap((e) => e.changes.filter((c) => c.field === "address")), () => true);
  const users = (await admin.ok("GET", `${V1}/user/list`)).map((r) => r.data.email).filter((m) => m.endsWith("@ledger.example"));
  same(l, "user", users, of("UserCreated").map((e) => e.target.email).filter((m) => m.endsWith("@ledger.example")));
  const roles = (await admin.ok("GET", "/api/v2/tenants/0/security/role")).data.map((r) => r.title).filter((x) => x.startsWith("role "));
  same(l, "role", roles, of("TenantRoleCreated").map((e) => e.target.name).filter((x) => x.startsWith("role ")));
  const tags = (await admin.ok("GET", `${V1}/tag?limit=10000`)).tags.map((x) => x.name);
  same(l, "tag", tags, of("TagCreated").map((e) => e.target.name));
}
