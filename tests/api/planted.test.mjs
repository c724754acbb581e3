/**
 * Somebody with the database changes what stands around the log: triggers and rules, rows of people and workspaces, what
 * the server remembers, what witnesses are said to have signed. Each change is made on a copy of its own and must be named
 * by `recount audit verify` with the exit status 1. The log's own bytes: tamper.test.mjs.
 */
import { test, after, before } from "node:test";
import { copyFileSync, existsSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { serve, assert, recount, createUser, psql, totp, PASSWORD } from "./harness.mjs";
import { LITE, sqlite, copyOf, fileOf, sqlIn, verify, storeOf, attackOn } from "./tampered.mjs";

let store;
const BERT = { email: "bert@example.org", first: "Bert", last: "Baker", role: "STD_USER" };
const CORA = { email: "cora@example.org", first: "Cora", last: "Carver", role: "STD_USER" };

before(async () => {
  const s = await serve({ users: [BERT, CORA], args: ["--self-check", "1"] });
  store = s.store;
  createUser(store, { email: "olga@example.net", role: "ADMIN", newTenant: true, tenantName: "Other" });
  await s.as(BERT.email);
  const olga = await s.as("olga@example.net"), cora = await s.as(CORA.email);
  await olga.ok("PUT", "/api/v2/tenants/1/settings/general", { name: "Others" }); // its name, changed lawfully
  const { secret } = await cora.ok("GET", "/api/v2/user/mfa/qr");
  const { recovery_codes } = await cora.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(secret) });
  const { code } = (await s.client().post("/api/v1/authenticate", { username: CORA.email, password: PASSWORD })).body;
  assert.equal((await s.client().post("/api/v1/authenticate/mfa", { code, token: recovery_codes[3] })).status, 200);
  await s.stop({ drop: false });
});
after(() => store?.drop());

const copy = () => copyOf(store);
const attack = (name, change, expected, how) => attackOn(() => store, name, change, expected, how);
/** SQL as it is: what the triggers refuse is refused. */
const plain = (c, where, text) => (LITE || where === "heads" ? sqlite(fileOf(c, where), text) : psql(text, c.url));
const start = (c) => recount(["serve", "--listen", "127.0.0.1:0", ...c.flags]);
const refused = (c, expected) => {
  const r = start(c);
  assert.equal(r.status, 1, r.out + r.err);
  assert.match(r.err, expected);
};
/** A server's start and stop on the copy; what was done meanwhile. */
async function run(c, work = async (/** @type {any} */ _s) => {}) {
  const s = await serve({ store: { ...storeOf(c), drop: () => {} } });
  try { return await work(s); } finally { await s.stop({ drop: false }); }
}
/** Events of the installation's log. */
const instanceEvents = (c, type) => recount(["audit", "list", "--instance", ...c.flags]).out.split("\n").filter((l) => l.includes(type));

test("untouched, it is sound", () => {
  const c = copy();
  for (const how of [[], ["--deep"]]) {
    const r = verify(c, ...how);
    assert.equal(r.status, 0, r.out + r.err);
  }
  c.drop();
});

/* ---- triggers, rules, policies ---- */

const DROPPED = LITE ? "DROP TRIGGER audit_tail_delete" : "DROP TRIGGER audit_tail_delete ON audit_tail";
attack("an append-only trigger is dropped", (c) => plain(c, "main", DROPPED), /the trigger audit_tail_delete on audit_tail is missing/, { fast: true });
attack("a trigger is made anew and does nothing", (c) => plain(c, "main", LITE
  ? "DROP TRIGGER audit_head_delete; CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head BEGIN SELECT 1; END"
  : "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN old; END $$; DROP TRIGGER audit_head_delete ON audit_head; CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION nothing()"),
/the trigger audit_head_delete on audit_head was altered/, { fast: true });

const SWALLOW = LITE
  ? "CREATE TRIGGER tidy BEFORE INSERT ON Audit_Tail WHEN instr(new.public, CAST('LoginSuccess' AS BLOB)) BEGIN SELECT RAISE(IGNORE); END"
  : "CREATE RULE tidy AS ON INSERT TO audit_tail WHERE position('LoginSuccess'::bytea IN new.public) > 0 DO INSTEAD NOTHING";
attack("something keeps events out of the log", (c) => plain(c, "main", SWALLOW), /tidy on audit_tail does not belong to Recount/i, { fast: true });
attack("something watches a table whose changes are recorded", (c) => plain(c, "main", LITE
  ? "CREATE TRIGGER watch AFTER UPDATE ON user_account BEGIN DELETE FROM session; END"
  : "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM session; RETURN new; END $$; CREATE TRIGGER watch AFTER UPDATE ON user_account FOR EACH ROW EXECUTE FUNCTION watch()"),
/the trigger watch on user_account does not belong to Recount/, { fast: true });

attack("a newer schema is feigned, so that what is foreign is not told", (c) => plain(c, "main", `INSERT INTO schema_version (version, name, at) SELECT max(version) + 1, 'next', 1 FROM schema_version; ${SWALLOW}`),
  /says that its schema is newer than this program, and the log does not tell/, { fast: true });

if (LITE) {
  const month = (c) => sqlIn(c, "main", "SELECT strftime('%Y-%m', max(last_logged) / 1000000, 'unixepoch') FROM audit_log");
  attack("the triggers of a month's file are dropped", (c) => plain(c, month(c), "DROP TRIGGER audit_event_update; DROP TRIGGER audit_personal_delete"),
    [/audit\/\d{4}-\d\d\.db: the trigger audit_event_update on audit_event is missing/, /audit_personal_delete/], { fast: true });
  attack("a trigger in a month's file", (c) => plain(c, month(c), "CREATE TRIGGER tidy BEFORE INSERT ON audit_event BEGIN SELECT RAISE(IGNORE); END"), /the trigger tidy on audit_event does not belong/, { fast: true });
  attack("the triggers of the file of heads are dropped", (c) => plain(c, "heads", "DROP TRIGGER head_update"), /heads\.db: the trigger head_update on head is missing/, { fast: true });
  attack("a table is made anew without its constraints", (c) => plain(c, "main", "DROP TABLE audit_cosigned; CREATE TABLE audit_cosigned (tenant_id, epoch, witness, size, at, note)"), /the table audit_cosigned was altered/, { fast: true });
} else {
  attack("a trigger is switched off", (c) => plain(c, "main", "ALTER TABLE audit_event DISABLE TRIGGER audit_event_change"), /the trigger audit_event_change on audit_event was altered/, { fast: true });
  attack("a trigger of a partition is switched off", (c) => plain(c, "main", `DO $$ DECLARE p text; BEGIN SELECT relname INTO p FROM pg_class WHERE relname LIKE 'audit\\_event\\_2%' AND relkind = 'r' LIMIT 1; EXECUTE format('ALTER TABLE %I DISABLE TRIGGER ALL', p); END $$`), /the trigger audit_event_\w+ on audit_event_\d{4}_\d\d was altered/, { fast: true });
  attack("the function that refuses is made anew", (c) => plain(c, "main", "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN coalesce(new, old); END $$"), /the function audit_refuse was altered/, { fast: true });
  attack("a row-level policy hides rows", (c) => plain(c, "main", "ALTER TABLE session ENABLE ROW LEVEL SECURITY; CREATE POLICY hide ON session USING (user_id <> 1)"), [/the row-level security of session/, /the policy hide on session does not belong/], { fast: true });
  attack("a table takes rows of another one in", (c) => plain(c, "main", "CREATE TABLE more () INHERITS (user_role)"), /the table more under user_role does not belong/, { fast: true });
  attack("triggers are off for every session", (c) => plain(c, "main", `ALTER DATABASE ${new URL(c.url).pathname.slice(1)} SET session_replication_role = replica`), /session_replication_role of replica/, { fast: true });
}

test("a server does not start beside what may keep events out, and says what it is", async () => {
  const c = copy();
  plain(c, "main", SWALLOW);
  refused(c, /tidy on audit_tail does not belong to Recount.*doc\/operations\.md/i);
  const r = recount(["user", "create", "--email", "x@example.org", "--first", "X", "--last", "Y", "--role", "STD_USER", "--password-stdin", ...c.flags], { input: PASSWORD + "\n" });
  assert.equal(r.status, 1, "nor does a command");
  plain(c, "main", LITE ? "DROP TRIGGER tidy" : "DROP RULE tidy ON audit_tail");
  await run(c);
  c.drop();
});

test("planted under a running server, it undoes the change itself: no event, no sign-in", async () => {
  const c = copy();
  await run(c, async (s) => {
    plain(c, "main", SWALLOW);
    const r = await s.client().post("/api/v1/authenticate", { username: BERT.email, password: PASSWORD });
    assert.equal(r.status, 503, r.text);
    assert.ok(s.log.some((l) => l.event === "audit.swallowed"), s.err.slice(-500));
    plain(c, "main", LITE ? "DROP TRIGGER tidy" : "DROP RULE tidy ON audit_tail");
    await s.as(BERT.email);
  });
  assert.equal(verify(c, "--deep").status, 0);
  c.drop();
});

test("what refuses changes is put back at start, and the log says so", async () => {
  const c = copy();
  plain(c, "main", DROPPED);
  if (LITE) plain(c, "heads", "DROP TRIGGER head_delete");
  else plain(c, "main", "ALTER TABLE audit_event DISABLE TRIGGER audit_event_change; DROP TRIGGER audit_node_truncate ON audit_node; CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN old; END $$");
  assert.equal(verify(c).status, 1);
  await run(c);
  const r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  assert.equal(instanceEvents(c, "AuditLogDamaged").length, 1, "told once");
  if (LITE) assert.throws(() => plain(c, "heads", "DELETE FROM head"), /never goes back/);
  else assert.throws(() => plain(c, "main", "DELETE FROM audit_event"), /append-only/);
  c.drop();
});

/* ---- what this server remembers ---- */

const HEADS = ["heads.db", "heads.db-wal", "heads.db-shm"];
const cpBack = (from, to) => { for (const f of HEADS) if (existsSync(path.join(from.data, f))) copyFileSync(path.join(from.data, f), path.join(to.data, f)); };
const loseHeads = (c) => { for (const f of HEADS) rmSync(path.join(c.data, f), { force: true }); };

if (LITE) {
  attack("the file of heads is gone", loseHeads, /heads\.db is missing beside a store that has published checkpoints/, { fast: true });
  attack("the file of heads is a new one", (c) => { loseHeads(c); sqlite(fileOf(c, "heads"), sqlite(fileOf(store, "heads"), ".schema")); }, /file of heads does not know of the published checkpoint/, { fast: true });
  attack("a log is taken out of the file of heads", (c) => sqlIn(c, "heads", "DELETE FROM head WHERE tenant_id = 0"), /file of heads does not know of the published checkpoint/, { fast: true });

  test("without its memory a server does not start, and says how to go on", async () => {
    const c = copy(), was = copy();
    loseHeads(c);
    refused(c, /heads\.db, in which this server remembers what it has signed.*new-epoch/);
    refused(c, /new-epoch/); // the file is there now, and empty
    cpBack(was, c);
    await run(c); // put back: as before
    loseHeads(c);
    const r = recount(["audit", "new-epoch", "--reason", "the disk with heads.db was lost", ...c.flags]);
    assert.equal(r.status, 0, r.err);
    await run(c, async (s) => { await s.as(BERT.email); });
    const v = verify(c, "--deep");
    assert.equal(v.status, 0, v.out + v.err);
    assert.equal(instanceEvents(c, "AuditLogEpochBegun").length, 1);
    c.drop(); was.drop();
  });

  test("a file of heads that is older than the store is refused", async () => {
    const c = copy(), was = copy();
    await run(c, async (s) => { await s.as(BERT.email); });
    loseHeads(c);
    cpBack(was, c);
    refused(c, /heads\.db, in which this server remembers what it has signed, is older than the store/);
    assert.match(verify(c).out, /the file of heads is older than the published checkpoint/);
    c.drop(); was.drop();
  });
} else {
  test("a server that has signed before and remembers nothing is refused; a new one joins, with an event", async () => {
    const c = copy();
    await run(c); // it goes by the name of this folder now
    const joined = () => instanceEvents(c, "SettingChanged").filter((l) => /checkpoints/.test(l)).length;
    const before = joined();
    loseHeads(c);
    refused(c, /heads\.db is missing in a data folder whose server has signed before \(.*copy\d+\).*new-epoch.*another data folder/);
    assert.equal(verify(c).status, 1, "the empty file of the refused start is no memory");
    loseHeads(c);
    const v = verify(c);
    assert.equal(v.status, 1, v.out);
    assert.match(v.out, /heads\.db is missing beside a store/);
    renameSync(c.data, c.data + "-new");
    const moved = { ...c, data: c.data + "-new", flags: ["--data", c.data + "-new", "--database", c.url] };
    assert.equal(verify(moved).status, 0, "an auditor's machine never had one");
    await run(moved, async (s) => { assert.ok(s.log.some((l) => l.event === "audit.server_joined")); });
    assert.equal(joined(), 0, "the old folder is gone");
    c.flags = moved.flags;
    assert.equal(joined(), before + 1);
    assert.equal(verify(moved, "--deep").status, 0);
    rmSync(moved.data, { recursive: true });
    c.drop();
  });
}

/* ---- the seal ---- */

test("an event after an hour's rest waits no longer than any other", async () => {
  const c = copy();
  await run(c, async (s) => {
    const admin = await s.as();
    for (let i = 0; i < 8; i++) {
      plain(c, "main", "UPDATE audit_head SET signed_at = signed_at - 3600000000");
      await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${i}` });
      const d = (await admin.ok("GET", "/api/v2/auditlog/seal")).data;
      assert.ok(!d.reasons.some((r) => /Events wait/.test(r)), JSON.stringify(d));
    }
  });
  c.drop();
});

/* ---- workspaces nobody made ---- */

/** A workspace with an administrator, as rows: made after one that was made lawfully. */
const plant = (c) => {
  const into = (table, cols, values) => `INSERT INTO ${table} (${cols}) SELECT ${values} FROM ${table} WHERE tenant_id = 1;`;
  plain(c, "main", [
    "INSERT INTO tenant (tenant_id, cuid, name, demo, created_at) VALUES (7, 'cmplanted0000000000000007', 'Evil', 0, 1);",
    into("role", "tenant_id, cuid, key, title, description, enabled, builtin, created_at", "7, cuid, key, title, description, enabled, builtin, created_at"),
    into("role_permission", "tenant_id, role_cuid, permission", "7, role_cuid, permission"),
    "INSERT INTO user_account (tenant_id, user_id, cuid, email, email_folded, first, last, password_hash, password_changed_at, created_at, updated_at) SELECT 7, 7777, 'cmallory000000000000000007', 'mallory@example.org', 'mallory@example.org', 'Mal', 'Lory', password_hash, password_changed_at, created_at, updated_at FROM user_account WHERE tenant_id = 1;",
    "INSERT INTO user_role (tenant_id, user_id, role_cuid) SELECT 7, 7777, role_cuid FROM user_role WHERE tenant_id = 1;",
  ].join("\n"));
};
const PLANTED = /\/cmplanted0000000000000007\/0: the workspace stands in the tables, and no event tells of its creation/;
attack("a workspace with an administrator is put into the tables", plant, PLANTED);

test("a planted workspace is never taken for granted, whatever the server does with it", async () => {
  const c = copy();
  plant(c);
  for (let i = 0; i < 2; i++) {
    await run(c, async (s) => {
      const mallory = await s.as("mallory@example.org");
      await mallory.event("AccessDiffers", (e) => /no event tells of its creation/.test(e.message ?? e.text ?? JSON.stringify(e)));
      assert.equal((await mallory.events({ event_type: "AccessBaseline" })).length, 0);
    });
    const r = verify(c, "--deep");
    assert.equal(r.status, 1, r.out);
    assert.match(r.out, PLANTED);
  }
  const told = recount(["audit", "list", "--tenant", "7", ...c.flags]).out.split("\n").filter((l) => /AccessDiffers/.test(l));
  assert.equal(told.length, 1, "told once");
  c.drop();
});

/* ---- witnesses and openings ---- */

attack("the seal is made green without a witness", (c) => sqlIn(c, "main", "UPDATE audit_head SET cosigned_at = signed_at"), /published checkpoint says another time of its newest cosignature/, { fast: true });
attack("a cosignature that nobody gave is filed", (c) => sqlIn(c, "main", "INSERT INTO audit_cosigned (tenant_id, epoch, witness, size, at, note) SELECT tenant_id, epoch, 'witness.example.org+9f2d', size, signed_at, note FROM audit_head WHERE tenant_id = 0; UPDATE audit_head SET cosigned_at = signed_at WHERE tenant_id = 0"),
  /a cosignature that is kept is filed under no key/, { fast: true });

/* ---- what decides who signs in ---- */

attack("somebody signs in by another's name", (c) => plain(c, "main", "UPDATE user_account SET email_folded = 'mallory@example.org' WHERE email = 'bert@example.org'"), /unrecorded change of access: .*Bert Baker.*sign_in_name/);
attack("a recovery code is added", (c) => plain(c, "main", "INSERT INTO recovery_code (tenant_id, user_id, hash) SELECT tenant_id, user_id, 'f00d' FROM user_account WHERE email = 'bert@example.org'"), /unrecorded change of access: .*Bert Baker.*recovery_mark/);
attack("a recovery code that was used counts again", (c) => plain(c, "main", "UPDATE recovery_code SET used_at = NULL"), /unrecorded change of access: .*Cora Carver.*recovery_mark/);
attack("a recovery code is taken away", (c) => plain(c, "main", "DELETE FROM recovery_code WHERE hash = (SELECT min(hash) FROM recovery_code WHERE used_at IS NULL)"), /unrecorded change of access: .*Cora Carver.*recovery_mark/);
attack("a workspace has another name", (c) => plain(c, "main", "UPDATE tenant SET name = 'Theirs' WHERE tenant_id = 1"), /unrecorded change of access: workspace Theirs: name/);
attack("the installation is bound to other keys", (c) => plain(c, "main", "UPDATE setting SET value = 'other' WHERE name = 'instance.keys'"), /instance\.keys is not of the keys in the key directory/);
attack("a server's line from nowhere", (c) => plain(c, "main", "INSERT INTO setting (tenant_id, name, value) VALUES (-1, 'server.0000', 'elsewhere')"), /server\.0000 stands there, and no event tells of it/);
if (!LITE) attack("a server's line is taken away", (c) => plain(c, "main", "DELETE FROM setting WHERE tenant_id = -1 AND name LIKE 'server.%'"), /the installation's setting server\.\w+ is not as its event says/);
