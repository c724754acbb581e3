/**
 * Erasing a person from the log: who may ask and approve, what is erased and what stays, what is told, and that the erased
 * text is found nowhere in the bytes of the store afterwards.
 */
import { test, after, before } from "node:test";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { serve, assert, smtpSink, mailText, until, ADMIN, STORE, PASSWORD, everything, psql, openTransaction, recount } from "./harness.mjs";

let s, admin, bert, sink, vera;
const E = "/api/v2/auditlog/erasures";
const VERA = { email: "vera.vogelquist@example.org", first: "Vera", last: "Vögelquist", role: "ADMIN" };
const WORDS = [VERA.email, "VERA.VOGELQUIST@example.org", "Vera Vögelquist", "vera vögelquist"];
const ask = (o = {}) => ({ subject: VERA.email, reason: "She asked for it in letter 4711", legal_ground: "GDPR Art. 17(1)(b)", ...o });

before(async () => {
  sink = await smtpSink();
  s = await serve({ users: [{ email: "bert@example.org", first: "Bert", last: "Bright", role: "ADMIN" }, { email: "stan@example.org", role: "STD_USER" }, VERA] });
  admin = await s.as();
  bert = await s.as("bert@example.org");
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: sink.port, security: "plain", sender: "recount@example.org" });
  vera = await s.as(VERA.email);
  await vera.ok("POST", "/api/v1/client/create", { name: "Vera's own client" });
  for (let i = 0; i < 3; i++) await s.client().post("/api/v1/authenticate", { username: "Vera.Vogelquist@Example.org", password: `wrong ${i}` });
  await vera.ok("PUT", "/api/v1/user/changepass", { currentPassword: PASSWORD, newPassword: "Winter-Meadow-53?" });
  vera.id = await userId(VERA.email);
  const about = await admin.ok("POST", "/api/v1/client/create", { name: "Complaint of Vera Vögelquist" });
  await admin.ok("DELETE", `/api/v1/client/${about.client_id}`);
  await admin.ok("POST", "/api/v1/client/create", { name: "Quite another matter" });
  await admin.events({ q: "vogelquist" }); // a view whose query holds her
  await vera.ok("GET", "/api/v2/auditlog?limit=3");
});
after(async () => { await s.stop(); sink.close(); });

const userId = async (email) => (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === email).user_id;
/** An event as text, without the ids in it: letters of chance, which spell a short word once in a thousand logs. */
const worded = (e) => JSON.stringify(e).replace(/\bc[0-9a-z]{24}\b/g, "");

/** Every file of the store that holds one of the words, as bytes. */
function found(words) {
  const folders = STORE === "sqlite" ? [s.store.data]
    : [path.join(psql("SHOW data_directory"), "base", psql("SELECT oid FROM pg_database WHERE datname = current_database()", s.store.url)), path.join(psql("SHOW data_directory"), "pg_wal")];
  let hits;
  const walk = (dir) => {
    for (const f of readdirSync(dir, { withFileTypes: true })) {
      const at = path.join(dir, f.name);
      if (f.isDirectory()) walk(at);
      else if (f.isFile()) { const bytes = readFileSync(at); for (const w of words) if (bytes.includes(Buffer.from(w))) hits.push(`${at}: ${w}`); }
    }
  };
  for (let tries = 0; ; tries++) {
    hits = [];
    try { folders.forEach(walk); return hits; } catch (e) { if (e.code !== "ENOENT" || tries === 50) throw e; } // a file was renamed or removed while they were read: all of them again
  }
}

test("the words are in the store before: the scan can fail", () => assert.ok(found(WORDS).length > 0));

test("an account that is still there is not erased; bad requests name the field", async () => {
  const r = await admin.post(E, ask());
  assert.equal(r.status, 409, r.text);
  assert.equal(r.body.code, "account_exists");
  for (const [body, field] of [[ask({ subject: "" }), "subject"], [ask({ subject: "Vera" }), "subject"], [ask({ reason: "" }), "reason"], [ask({ legal_ground: " " }), "legal_ground"],
    [ask({ texts: "x" }), "texts"], [ask({ texts: ["abc"] }), "0"], [ask({ texts: Array(17).fill("abcdef") }), "texts"], [ask({ reason: "Vera.Vogelquist@example.org asked" }), "reason"], [ask({ legal_ground: "as Vera Vögelquist wishes" }), "legal_ground"]]) {
    const x = await admin.post(E, body);
    assert.equal(x.status, 400, `${JSON.stringify(body)} ${x.text}`);
    assert.ok(x.body.fields.some((f) => f.pointer.endsWith(field)), x.text);
  }
  assert.equal((await admin.post(E, ask({ subject: "c000000000000000000000000" }))).status, 404);
  assert.equal((await (await s.as("stan@example.org")).post(E, ask())).status, 403);
  assert.equal((await bert.post(E, ask({ subject: "bert@example.org" }))).status, 403, "nobody erases himself");
});

test("asked by one, approved by another, and gone from everywhere but the places that are named", { timeout: 180_000 }, async () => {
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${vera.id}`);
  if (STORE === "sqlite") {
    const b = recount(["backup", "create", path.join(s.store.dir, "before.zip"), "--data", s.store.data]);
    assert.equal(b.status, 0, b.err);
  }
  await admin.request("GET", "/api/v2/auditlog/export?format=csv");
  /* What would keep the old rows: samples of them, a snapshot that sees them, a transaction of whatever database. */
  let ends = [];
  if (STORE === "postgres") {
    psql("ANALYZE", s.store.url);
    ends = [await openTransaction("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", s.store.url), await openTransaction("BEGIN; SELECT pg_current_xact_id()")];
  }
  const before = await everything(admin);
  const hers = before.filter((e) => JSON.stringify(e).toLowerCase().match(/vera\.vogelquist@|vera vögelquist/));
  assert.ok(hers.length >= 8, `${hers.length}`);
  const cuid = hers.find((e) => e.actor.email === VERA.email).actor.id;

  const hold = (await admin.ok("POST", "/api/v2/auditlog/holds", { reason: "Case 9" })).data;
  const held = await admin.post(E, ask());
  assert.deepEqual([held.status, held.body.code], [409, "legal_hold"]);
  await admin.ok("POST", `/api/v2/auditlog/holds/${hold.id}/release`, { reason: "over" });

  const { data: r } = await admin.ok("POST", E, ask());
  assert.equal(r.state, "asked");
  assert.match(r.person, /^[0-9A-F]{10}$/);
  assert.deepEqual(r.subject.emails, [VERA.email]);
  assert.deepEqual(r.subject.names, ["vera vögelquist"]);
  assert.deepEqual(r.subject.accounts, [cuid]);
  assert.equal((await bert.post(E, ask())).status, 409, "asked for already");
  assert.equal((await admin.post(`${E}/${r.id}/approve`)).status, 403, "who asked does not approve");
  await until(() => sink.mails.filter((m) => /to be erased/.test(m.data)).length >= 2, "the mails");
  assert.ok(sink.mails.every((m) => !/v(era|ögel|ogel)/i.test(mailText(m).replace(/^.*\r\n\r\n/s, ""))), "a mail names her");
  const running = (await bert.ok("POST", `${E}/${r.id}/approve`)).data;
  assert.equal(running.state, "running");
  assert.equal(running.subject, null);
  assert.equal((await bert.post(`${E}/${r.id}/cancel`)).status, 409);
  for (const end of ends) {
    const waits = () => s.log.filter((l) => l.event === "audit.scrub_waits").length, n = waits();
    await until(() => waits() > n, "the wait for what began before");
    assert.equal((await admin.ok("GET", `${E}/${r.id}`)).data.state, "running");
    await end();
  }
  const done = await until(async () => { const { data } = await admin.ok("GET", `${E}/${r.id}`); return data.state === "done" && data; }, "the erasure", 90_000);
  assert.equal(done.subject, null);
  assert.ok(done.events >= hers.length, `${done.events} of ${hers.length}`);
  assert.equal([...done.result.ranges].filter((x) => x.log === "workspace").reduce((n, x) => n + x.last - x.first + 1, 0) + done.result.ranges.filter((x) => x.log === "instance").reduce((n, x) => n + x.last - x.first + 1, 0), done.events);
  if (STORE === "sqlite") assert.ok(done.result.copies.some((c) => c.kind === "backup" && /before\.zip/.test(c.what)), JSON.stringify(done.result));
  assert.ok(done.result.copies.some((c) => c.kind === "export"), JSON.stringify(done.result.copies));
  assert.deepEqual(done.result.still_named, []);

  const after = await everything(admin);
  after.slice(0, before.length).forEach((e, i) => {
    const was = before[i];
    assert.deepEqual([e.index, e.cuid, e.event_type, e.timestamp, e.outcome, e.leaf, e.actor.id], [was.index, was.cuid, was.event_type, was.timestamp, was.outcome, was.leaf, was.actor.id]);
    if (!e.erased) assert.deepEqual(e, { ...was });
  });
  for (const h of hers) {
    const e = after[h.index];
    assert.ok(e.erased && e.erased_at, `${h.event_type} ${h.index} is not erased`);
    assert.ok(!/v(era|ögel|ogel)/i.test(worded(e)), JSON.stringify(e));
    assert.match(e.message, new RegExp(`personal part was erased.*${r.label}`));
    if (h.actor.id === cuid) assert.equal(e.user_info, r.label);
    if (h.target?.id === cuid) assert.equal(e.target.name, r.label);
  }
  for (const q of ["vogelquist", "vera", "vögelquist"]) assert.deepEqual((await admin.events({ q, limit: "1000" })).map(worded).filter((e) => e.toLowerCase().includes(q)), [], q);
  assert.deepEqual(await admin.events({ q: "vera.vogelquist" }), []);
  const linked = await admin.events({ user: cuid, limit: "1000" });
  assert.ok(linked.length > 5 && linked.every((e) => e.erased), "his events stay linked");
  assert.ok((await admin.events({ q: `"${r.label}"`, limit: "1000" })).length >= done.events - 2, "the pseudonym is found");
  const one = (await admin.ok("GET", `/api/v2/auditlog/${hers[0].cuid}`)).data;
  assert.equal(one.erased, true);
  for (const format of ["csv", "ndjson", "ocsf"]) {
    const x = await admin.request("GET", `/api/v2/auditlog/export?format=${format}`);
    assert.ok(x.text.includes(r.label), `${format} ${x.status} ${x.text.slice(0, 300)}`);
    assert.equal(x.text.match(/.{200}(vögelquist|vogelquist).{80}/i)?.[0] ?? null, null, format);
  }
  const [told] = await admin.events({ event_type: "PersonErased" });
  const of = Object.fromEntries(told.changes.map((c) => [c.field, c.after]));
  assert.deepEqual([of.events, of.reason, of["legal ground"], of["asked by"], of["approved by"], of.request], [String(done.events), ask().reason, ask().legal_ground, "Alice Archer", "Bert Bright", r.id]);
  assert.match(of.indices, /^\d/);
  assert.equal(told.target.id, r.person);
  for (const type of ["ErasureRequested", "ErasureApproved"]) assert.equal((await admin.events({ event_type: type })).length, 1);
});

test("the write-ahead log of PostgreSQL is written over by the server itself, and that is recorded", { timeout: 300_000 }, async () => {
  const [{ id }] = (await admin.ok("GET", E)).data.filter((r) => r.state === "done"), read = async () => (await admin.ok("GET", `${E}/${id}`)).data.wal;
  if (STORE === "sqlite") { assert.equal(await read(), null); return; }
  const w = await until(async () => { const x = await read(); return x.state === "cleared" ? x : null; }, "the last segment of before", 240_000);
  assert.ok(Date.parse(w.cleared_at) && w.todo === null);
});

test("the erased text is found in no byte of the store", async () => {
  assert.deepEqual(found([...WORDS, "Vera.Vogelquist@Example.org"]), []);
  if (STORE !== "postgres") return;
  const sampled = psql(`SELECT string_agg(attrelid::regclass || '.' || attname, ' ') FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped AND atttypid IN ('text'::regtype, 'bytea'::regtype) AND attstattarget IS DISTINCT FROM 0`, s.store.url);
  assert.equal(sampled, "", "columns whose text ANALYZE would keep samples of");
});

test("the whole log still verifies, deeply", async () => {
  const r = recount(["audit", "verify", "--deep", "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.out + r.err);
});

test("a request that is cancelled erases nothing and forgets whom", async () => {
  await admin.ok("POST", "/api/v1/tenant/0/user/create/bulk", [{ email: "otto@example.org", role: "STD_USER", name: { first: "Otto", last: "Olm" } }]);
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${await userId("otto@example.org")}`);
  const { data: r } = await bert.ok("POST", E, ask({ subject: "otto@example.org" }));
  assert.equal((await admin.ok("POST", `${E}/${r.id}/cancel`)).data.state, "cancelled");
  assert.equal((await admin.post(`${E}/${r.id}/approve`)).status, 409);
  const [e] = await admin.events({ event_type: "ErasureCancelled" });
  assert.equal(e.target.id, r.person);
  assert.ok((await admin.events({ q: "otto@example.org" })).length > 0);
});

test("who is nowhere in the log is refused, unless asked for all the same; a failed sign-in or a text is enough", async () => {
  const r = await admin.post(E, ask({ subject: "nobody.known@example.org" }));
  assert.equal(r.status, 400, r.text);
  assert.ok(r.body.fields.some((f) => f.pointer === "/subject" && /found nowhere in the log.*unseen/.test(f.reason)), r.text);
  assert.equal((await admin.post(E, ask({ subject: "nobody.known@example.org", texts: ["a text that stands nowhere"] }))).status, 400);
  assert.equal((await admin.post(E, ask({ subject: "nobody.known@example.org", unseen: "perhaps" }))).status, 400);
  await s.client().post("/api/v1/authenticate", { username: "Ghost@Example.org", password: "wrong" });
  await admin.ok("POST", "/api/v1/client/create", { name: "Call of +49 170 5556677" });
  for (const o of [{ subject: "nobody.known@example.org", unseen: true }, { subject: "ghost@example.org" }, { subject: "paula@example.org", texts: ["+49 170 5556677"] }]) {
    const { data } = await until(() => admin.ok("POST", E, ask(o)), JSON.stringify(o));
    await admin.ok("POST", `${E}/${data.id}/cancel`);
  }
});

test("one administrator alone: seven days, told by mail, cancellable", async () => {
  await admin.ok("POST", `/api/v2/tenants/0/users/${await userId("bert@example.org")}/disable`);
  const { data: r } = await admin.ok("POST", E, ask({ subject: "otto@example.org" }));
  assert.equal(r.state, "delayed");
  const days = (new Date(r.due_at).getTime() - Date.now()) / 86400e3;
  assert.ok(days > 6.9 && days <= 7, `${days}`);
  assert.equal((await admin.post(`${E}/${r.id}/approve`)).status, 403);
  await until(() => sink.mails.some((m) => m.to[0] === ADMIN.email && /runs by itself/.test(mailText(m))), "the mail");
  assert.equal((await admin.ok("POST", `${E}/${r.id}/cancel`)).data.state, "cancelled");
});

test("and what is left verifies, to the last record and trigram", () => {
  const r = recount(["audit", "verify", "--deep", "--data", s.store.data, ...s.store.flags, "--remember", path.join(s.store.dir, "remembered")]);
  assert.equal(r.status, 0, r.out + r.err);
});
