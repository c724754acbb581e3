/**
 * What lets something leave the log (erasures, legal holds, retention, the clock's hold) follows from the log alone. Somebody
 * writes the rows of it himself, with the server stopped: `recount audit verify --deep` names each row and field with the
 * event that says otherwise and ends with 1, and the server does nothing on the word of such a row. Erasing whoever asked
 * for an erasure, or approved it, takes no proof along.
 */
import { test, after, before } from "node:test";
import { createHash } from "node:crypto";
import { serve, assert, until, ADMIN } from "./harness.mjs";
import { LITE, attackOn, copyOf, sqlIn, storeOf, verify } from "./tampered.mjs";

const E = "/api/v2/auditlog/erasures", H = "/api/v2/auditlog/holds", R = "/api/v2/auditlog/retention";
const PEOPLE = ["bert", "dora", "vera", "carl"];
const mail = (name) => `${name}@example.org`;
const made = {}; // ids of requests and holds
let s, store;

async function remove(admin, name) {
  const { data } = await admin.ok("GET", "/api/v2/tenants/0/users?limit=100");
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${data.find((u) => u.email === mail(name)).user_id}`);
}
const ask = async (who, name) => (await who.ok("POST", E, { subject: mail(name), reason: "A letter", legal_ground: "GDPR Art. 17" })).data.id;
async function erase(asks, approves, name) {
  const id = await ask(asks, name);
  await approves.ok("POST", `${E}/${id}/approve`);
  await until(async () => (await approves.ok("GET", `${E}/${id}`)).data.state === "done", `the erasure of ${name}`, 90_000);
  return id;
}

before(async () => {
  s = await serve({ users: PEOPLE.map((n) => ({ email: mail(n), first: n, last: `Zz${n}`, role: "ADMIN" })) });
  store = s.store;
  const alice = await s.as(ADMIN.email), bert = await s.as(mail("bert")), dora = await s.as(mail("dora"));
  for (const n of ["vera", "carl"]) await (await s.as(mail(n))).ok("POST", "/api/v1/client/create", { name: `${n} made this` });
  await alice.ok("PUT", R, { months_kept: 12 });
  await remove(alice, "vera");
  made.vera = await erase(dora, bert, "vera");
  await remove(alice, "dora");
  made.dora = await erase(alice, bert, "dora"); // she asked for Vera's, and announced nothing more
  const over = (await alice.ok("POST", H, { reason: "Case 8" })).data.id;
  await alice.ok("POST", `${H}/${over}/release`, { reason: "settled" });
  await alice.ok("PUT", R, { months_kept: 6 });
  await remove(alice, "carl");
  made.carl = await ask(alice, "carl");
  made.over = over;
  made.hold = (await bert.ok("POST", H, { reason: "Case 9", until: "2190-03-31" })).data.id;
  made.events = await alice.events({ limit: "1000" });
  await s.stop({ drop: false });
});
after(() => { store?.drop(); });

const attack = (name, change, expected) => attackOn(() => store, name, change, expected);
const main = (c, text) => sqlIn(c, "main", text);
/** The month that holds everything, of a store as young as this. */
const month = (c) => (LITE ? new Date(made.events[0].timestamp).toISOString().slice(0, 7) : "main");
const seg = (c, text) => sqlIn(c, month(c), text);
const one = (c, text) => seg(c, text).split("\n")[0];
const KEY = "tenant_id, epoch, idx", PG = LITE ? "" : "month, ";
const lit = (hex) => (LITE ? `X'${hex}'` : `'\\x${hex}'::bytea`);
const hex = (col) => (LITE ? `hex(${col})` : `encode(${col}, 'hex')`);
/** Takes an event's personal part away as the server would, under a request. */
function blank(c, idx, request, person = "7F3A9C21B0") {
  const [salt, personal] = one(c, `SELECT ${hex("salt")} || ' ' || ${hex("personal")} FROM audit_personal WHERE tenant_id = 0 AND idx = ${idx}`).split(" ");
  const inner = createHash("sha256").update(Buffer.from(salt + personal, "hex")).digest("hex");
  seg(c, `INSERT INTO audit_erasure (${PG}${KEY}, person, part, request, inner_hash, at) SELECT ${PG}${KEY}, '${person}', 1, '${request}', ${lit(inner)}, ${Date.now()}000 FROM audit_personal WHERE tenant_id = 0 AND idx = ${idx};
    DELETE FROM audit_personal WHERE tenant_id = 0 AND idx = ${idx}`);
}
/** An event nobody erased, and one that was. */
const whole = () => made.events.find((e) => e.event_type === "ClientCreated" && !e.erased).index;
const erased = (c) => Number(one(c, `SELECT min(idx) FROM audit_erasure WHERE tenant_id = 0 AND request = '${made.vera}'`));
const personOf = (c, request) => main(c, `SELECT person FROM audit_erasure_request WHERE cuid = '${request}'`);

test("untouched it is sound, although whoever asked for the first erasure was erased herself", () => {
  const c = copyOf(store);
  try {
    const lost = made.events.filter((e) => ["ErasureRequested", "PersonErased"].includes(e.event_type) && e.erased);
    assert.equal(lost.length, 2, "the request of the one who was erased, and the event that names her");
    const r = verify(c, "--deep");
    assert.equal(r.status, 0, r.out + r.err);
    assert.equal(verify(c, "--deep", "--tenant", "0").status, 0);
  } finally { c.drop(); }
});

/* ---- erased events ---- */

attack("any event is erased under a request that was never asked for, in the state running", (c) => {
  blank(c, whole(), "cmadeup");
  main(c, "INSERT INTO audit_erasure_request (tenant_id, cuid, state, person, subject, reason, legal_ground, asked_by, asked_at) VALUES (0, 'cmadeup', 'running', '7F3A9C21B0', 'x', 'x', 'x', 1, 1)");
}, [/event \d+: the event is marked as erased by a request that the log does not know/, /the request to erase cmadeup is running by its table, and no event of the log says so/]);
attack("an event is erased under a request that waits for its approval", (c) => {
  blank(c, whole(), made.carl, personOf(c, made.carl));
  main(c, `UPDATE audit_erasure_request SET state = 'running', approved_by = 2, approved_at = 1 WHERE cuid = '${made.carl}'`);
}, [/event \d+: the event is marked as erased by a request that the log does not know/, /event \d+: the request to erase \w+: its state in the table is not what the event says \(expected asked, found running\)/, /approved_at in the table/]);
attack("an event is erased under a request that is done", (c) => blank(c, whole(), made.vera, personOf(c, made.vera)), /event \d+: the event is marked as erased by the request \w+, which did not choose it/);
attack("one event more and one less: the row moves", (c) => {
  const from = erased(c), to = whole();
  blank(c, to, made.vera, personOf(c, made.vera));
  seg(c, `DELETE FROM audit_erasure WHERE tenant_id = 0 AND idx = ${from} AND request = '${made.vera}'`);
}, [/which did not choose it/, /event \d+: event \d+ erased the event, and its erasure row is missing/]);
for (const [col, value, expected] of [["person", "'DEADBEEF00'", /the person of the event's erasure row is not the one that event \d+ erases \(expected [0-9A-F]{10}, found DEADBEEF00\)/], ["part", "(part + 1) % 8", /the part of the event's erasure row is not the one that event \d+ says/],
  ["at", "at - 864000000000", /the time \(at\) of the event's erasure row is not the one/], ["request", "'cother'", /request that the log does not know/], ["inner_hash", lit("00".repeat(32)), /inner hash of the event's erasure row|not the one whose leaf entry/]])
  attack(`the column ${col} of an erasure row`, (c) => seg(c, `UPDATE audit_erasure SET ${col} = ${value} WHERE tenant_id = 0 AND idx = ${erased(c)} AND request = '${made.vera}'`), expected);
attack("the whole erasure becomes another person's", (c) => seg(c, "UPDATE audit_erasure SET person = 'DEADBEEF00'"), /found DEADBEEF00/);

attack("what chose the erased events is erased itself", (c) => blank(c, made.events.find((e) => e.event_type === "ErasureRowsChosen").index, made.vera, personOf(c, made.vera)), /event \d+: the event names nobody and is never erased, and its personal part is gone/);

/* ---- requests ---- */

for (const [col, value, expected] of [["reason", "'other'", /its reason in/], ["legal_ground", "'other'", /its legal ground in/], ["asked_by", "approved_by", /its asked_by in/], ["approved_by", "asked_by", /its approved_by in/],
  ["approved_at", "approved_at + 1", /its approved_at in/], ["asked_at", "asked_at - 1", /its asked_at in/], ["person", "'DEADBEEF00'", /its person in/], ["events", "events + 1", /its number of events in/], ["result", "'{}'", /its result, by its SHA-256, in/],
  ["state", "'cancelled'", /its state in/]])
  attack(`the column ${col} of a request`, (c) => main(c, `UPDATE audit_erasure_request SET ${col} = ${value} WHERE cuid = '${made.dora}'`), expected);
attack("a request is taken out of the table", (c) => main(c, `DELETE FROM audit_erasure_request WHERE cuid = '${made.carl}'`), /event \d+: the request to erase \w+ is missing from its table/);
attack("a request is due sooner", (c) => main(c, `UPDATE audit_erasure_request SET state = 'delayed', due_at = 1 WHERE cuid = '${made.carl}'`), /its due_at in/);

/* ---- holds, retention, the clock ---- */

attack("a legal hold is deleted", (c) => main(c, `DELETE FROM audit_hold WHERE cuid = '${made.hold}'`), /event \d+: the legal hold \w+ is missing from its table/);
for (const [col, value, expected] of [["ended_at", "1, end_reason = 'x'", /its end \(ended_at\) in/], ["reason", "'other'", /its reason in .*expected Case 9, found other/], ["until", "until - 1000000", /its date \(until\) in/], ["kept_from", "kept_from + 1000000", /its kept_from in/], ["kept_from", "kept_from + 5", /its kept_from \(µs\) in/],
  ["placed_by", "placed_by - 1", /its placed_by in/], ["placed_at", "placed_at - 1", /its time of placing/]])
  attack(`the column ${col} of a legal hold`, (c) => main(c, `UPDATE audit_hold SET ${col} = ${value} WHERE cuid = '${made.hold}'`), expected);
attack("a released hold gets another reason", (c) => main(c, `UPDATE audit_hold SET end_reason = 'other' WHERE cuid = '${made.over}'`), /its reason of its end/);
attack("a released hold stands again", (c) => main(c, `UPDATE audit_hold SET ended_at = NULL WHERE cuid = '${made.over}'`), /its end \(ended_at\) in/);
attack("a hold nobody placed", (c) => main(c, "INSERT INTO audit_hold (tenant_id, cuid, reason, kept_from, placed_by, placed_at) VALUES (0, 'cplanted', 'x', 1, 1, 1)"), /the legal hold cplanted stands by its table, and no event of the log says so/);
attack("an announced retention is due at once", (c) => main(c, "UPDATE audit_retention SET effective_at = 1"), /event \d+: the announced retention .*: its effective_at in/);
attack("an announced retention gets shorter", (c) => main(c, "UPDATE audit_retention SET months = 4"), /event \d+: the announced retention .*: its months in .*expected 6, found 4/);
attack("an announcement is taken out", (c) => main(c, "DELETE FROM audit_retention"), /event \d+: the announced retention .* is missing/);
attack("the setting of the retention is lowered", (c) => main(c, "UPDATE setting SET value = '4' WHERE name = 'audit.months_kept'"), /the setting audit\.months_kept in the table is not what the log says \(expected 12, found 4\)/);
attack("a hold of the clock nobody's step began", (c) => main(c, "INSERT INTO audit_clock_hold (id, at, moved) VALUES (1, 1, 1)"), /the hold of the clock .* stands by its table, and no event of the log says so/);
attack("a month is noted as expired before its time", (c) => main(c, "INSERT INTO audit_drop (month, at) VALUES (24400, 1)"), /noted as expired \(audit_drop\), and no event of any log says so/);
attack("rows of a workspace that does not exist", (c) => main(c, "INSERT INTO audit_hold (tenant_id, cuid, reason, kept_from, placed_by, placed_at) VALUES (77, 'cplanted', 'x', 1, 1, 1)"), /of no workspace/);

/* ---- the server asks the log, too ---- */

const refused = (admin, pattern) => admin.event("AuditLogDamaged", (e) => pattern.test(e.message));

test("a row in the state running erases nobody", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  main(c, `UPDATE audit_erasure_request SET state = 'running' WHERE cuid = '${made.carl}'`);
  main(c, `UPDATE audit_hold SET ended_at = 1 WHERE cuid = '${made.hold}'`);
  const run = await serve({ store: storeOf(c), tampers: true });
  try {
    const admin = await run.as();
    await refused(admin, /is not carried out: the log holds neither the approval of a second administrator nor seven days/);
    assert.equal((await admin.events({ event_type: "ErasureRowsChosen" })).length, 2, "of the two before");
    assert.equal((await admin.events({ event_type: "PersonErased" })).length, 2);
    assert.ok((await admin.events({ q: mail("carl") })).length > 0);
  } finally { await run.stop({ drop: false }); }
  assert.equal(verify(c, "--deep").status, 1);
  c.drop();
});

test("a request that nobody made, or nobody approved, is shown as such and dismissed, with an event; then all is sound", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  main(c, `UPDATE audit_erasure_request SET state = 'running', approved_by = 2, approved_at = 1, step = 1 WHERE cuid = '${made.carl}'`);
  main(c, "INSERT INTO audit_erasure_request (tenant_id, cuid, state, person, subject, reason, legal_ground, asked_by, asked_at) VALUES (0, 'c000000000000000000planted', 'running', '7F3A9C21B0', 'x', 'made up', 'none', 1, 1)");
  const run = await serve({ store: storeOf(c), tampers: true });
  try {
    const admin = await run.as(ADMIN.email), list = async () => (await admin.ok("GET", E)).data, one = async (id) => (await list()).find((e) => e.id === id), planted = "c000000000000000000planted";
    assert.deepEqual((await list()).filter((e) => e.unrecorded).map((e) => e.id).sort(), [planted, made.carl].sort());
    assert.equal((await admin.ok("GET", `${E}/${made.carl}`)).data.unrecorded, true);
    assert.equal((await admin.post(`${E}/${planted}/cancel`)).status, 409, "it runs, says its row");
    const no = await admin.post(`${E}/${made.dora}/dismiss`);
    assert.equal(no.status, 409, "the log stands behind that one");
    assert.match(no.body.message, /The log tells of this request/);
    for (const id of [planted, made.carl]) await admin.ok("POST", `${E}/${id}/dismiss`);
    assert.equal(await one(planted), undefined);
    assert.deepEqual([(await one(made.carl)).state, (await one(made.carl)).unrecorded, (await one(made.carl)).approved_at], ["asked", false, null]);
    assert.equal((await admin.post(`${E}/${planted}/dismiss`)).status, 404);
    const events = await admin.events({ event_type: "ErasureDismissed" });
    assert.deepEqual(events.map((e) => e.target.id).sort(), [planted, made.carl].sort());
    assert.ok(events.every((e) => e.user_info.includes(ADMIN.email)));
    assert.ok(events.find((e) => e.target.id === planted).changes.some((x) => x.field === "reason" && x.before === "made up"));
  } finally { await run.stop({ drop: false }); }
  const r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  c.drop();
});

test("a row that is due lowers no retention", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  main(c, "UPDATE audit_retention SET effective_at = 1, months = 4");
  const run = await serve({ store: storeOf(c), tampers: true });
  try {
    const admin = await run.as();
    await refused(admin, /is not kept for 4 whole months only/);
    assert.equal((await admin.events({ event_type: "AuditRetentionLowered" })).length, 0);
    assert.equal((await admin.ok("GET", R)).data.months_kept, 12);
  } finally { await run.stop({ drop: false }); }
  assert.equal(verify(c, "--deep").status, 1);
  c.drop();
});

test("a request that waits seven days begins no sooner than seven days after its event", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  main(c, `UPDATE audit_erasure_request SET state = 'delayed', due_at = 1 WHERE cuid = '${made.carl}'`);
  main(c, `UPDATE audit_hold SET ended_at = 1 WHERE cuid = '${made.hold}'`);
  const run = await serve({ store: storeOf(c), tampers: true });
  try {
    const admin = await run.as();
    await refused(admin, /does not begin: the log does not say that it was asked for seven days ago/);
    assert.equal((await admin.events({ event_type: "ErasureApproved" })).length, 2);
  } finally { await run.stop({ drop: false }); }
  c.drop();
});

test("a hold that nobody placed is released by an administrator, and then all is sound", { timeout: 120_000 }, async () => {
  const c = copyOf(store), id = "c000000000000000000planted";
  main(c, `INSERT INTO audit_hold (tenant_id, cuid, reason, kept_from, placed_by, placed_at) VALUES (0, '${id}', 'made up', 1, 1, 1)`);
  const run = await serve({ store: storeOf(c), tampers: true });
  try {
    const admin = await run.as();
    await admin.ok("POST", `${H}/${id}/release`, { reason: "Nobody placed it" });
    await admin.event("LegalHoldReleased", (e) => e.target.id === id);
  } finally { await run.stop({ drop: false }); }
  const r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  c.drop();
});

test("a hold ends by the date of its event, not by the one of its row", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  main(c, `UPDATE audit_hold SET until = 1 WHERE cuid = '${made.hold}'`);
  const run = await serve({ store: storeOf(c), tampers: true });
  try {
    const admin = await run.as();
    await refused(admin, /The legal hold \w+ does not end by its date: the log does not say that it ends on 1970-01-01/);
    assert.equal((await admin.events({ event_type: "LegalHoldExpired" })).length, 0);
    assert.equal((await admin.ok("GET", H)).data.find((h) => h.id === made.hold).state, "standing");
  } finally { await run.stop({ drop: false }); }
  assert.equal(verify(c, "--deep").status, 1);
  c.drop();
});

test("the server's check of itself names them as well", { timeout: 120_000 }, async () => {
  const c = copyOf(store);
  main(c, `DELETE FROM audit_hold WHERE cuid = '${made.hold}'`);
  seg(c, "UPDATE audit_erasure SET person = 'DEADBEEF00'");
  const run = await serve({ store: storeOf(c), tampers: true, args: ["--self-check", "1"] });
  try {
    const e = await (await run.as()).event("AuditLogDamaged", (x) => x.changes.some((f) => /the legal hold \w+ is missing/.test(f.after)));
    assert.ok(e.changes.some((f) => /the person of the event's erasure row/.test(f.after)), JSON.stringify(e.changes));
  } finally { await run.stop({ drop: false }); }
  c.drop();
});
