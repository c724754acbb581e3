/**
 * Somebody with the database changes what stands around the log: triggers and rules, rows of people and workspaces, what
 * the server remembers, what witnesses are said to have signed. Each change is made on a copy of its own and must be named
 * by `recount audit verify` with the exit status 1. The log's own bytes: tamper.test.mjs.
 */
import { test, after, before } from "node:test";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { serve, assert, recount, createUser, psql, totp, until, PASSWORD, ROOT } from "./harness.mjs";
import { LITE, sqlite, copyOf, fileOf, sqlIn, verify, storeOf, attackOn } from "./tampered.mjs";

let store, codes;
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
  codes = recovery_codes;
  await (await s.as()).ok("POST", "/api/v1/client/create", { name: "Acme" });
  await (await s.as()).events();
  await until(async () => (await olga.ok("GET", "/api/v2/auditlog/seal")).data.self_check.last_complete, "a whole pass of the check");
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
if (!LITE) {
  const anew = (how) => `DROP TRIGGER audit_tail_delete ON audit_tail; CREATE TRIGGER audit_tail_delete ${how} EXECUTE FUNCTION audit_tail_guard()`;
  for (const [what, how] of [["rows of another name", "AFTER DELETE ON audit_tail REFERENCING OLD TABLE AS other FOR EACH STATEMENT"],
    ["no rows", "AFTER DELETE ON audit_tail FOR EACH STATEMENT"], ["each row", "AFTER DELETE ON audit_tail REFERENCING OLD TABLE AS gone FOR EACH ROW"],
    ["another change", "AFTER INSERT ON audit_tail REFERENCING NEW TABLE AS gone FOR EACH STATEMENT"]])
    attack(`the tail's guard is made anew, for ${what}`, (c) => plain(c, "main", anew(how)), /the trigger audit_tail_delete on audit_tail was altered/, { fast: true });
}

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
  const evil = "CREATE FUNCTION evil() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('session_replication_role', 'replica', true); DELETE FROM audit_tail WHERE position('ClientCreated'::bytea IN public) > 0; RETURN true; END $$; CREATE FUNCTION evil(bytea) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE OPERATOR ~~~ (leftarg = bytea, rightarg = bytea, function = byteaeq);";
  for (const [what, sql, named] of [
    ["constraint", "ALTER TABLE client ADD CONSTRAINT evil CHECK (evil())", /the constraint evil on client does not belong to Recount/],
    ["constraint with an operator", "ALTER TABLE audit_tail ADD CONSTRAINT evil CHECK (public ~~~ public)", /the constraint evil on audit_tail does not belong/],
    ["default", "ALTER TABLE session ADD COLUMN evil boolean DEFAULT evil()", /the default of evil on session does not belong/],
    ["index", "CREATE INDEX evil ON audit_tail (evil(public))", /the index evil on audit_tail does not belong/],
    ["partial index", "CREATE INDEX evil ON audit_tail (seq) WHERE evil(public)", /the index evil on audit_tail does not belong/],
    ["domain", "CREATE DOMAIN evils AS text CHECK (evil()); ALTER TABLE session ADD COLUMN evil evils", /the type of evil on session does not belong/],
  ]) attack(`a ${what} calls a function that keeps events out`, (c) => plain(c, "main", `${evil} ${sql}`), named, { fast: true });
  test("a server does not start beside such a constraint; plain tables and indexes of one's own are nobody's business", async () => {
    const c = copy();
    plain(c, "main", "CREATE TABLE mine (a text PRIMARY KEY DEFAULT 'x' CHECK (length(a) > 0)); CREATE INDEX mine_lower ON mine (lower(a)); CREATE INDEX by_hour ON session (created_at)");
    assert.equal(verify(c, "--deep").status, 0);
    await run(c);
    plain(c, "main", `${evil} ALTER TABLE client ADD CONSTRAINT evil CHECK (evil())`);
    refused(c, /the constraint evil on client does not belong to Recount/);
    c.drop();
  });
  attack("triggers are off for every session", (c) => plain(c, "main", `ALTER DATABASE ${new URL(c.url).pathname.slice(1)} SET session_replication_role = replica`), /session_replication_role of replica/, { fast: true });
}

attack("the numbers of clients are to be given again", (c) => sqlIn(c, "main", LITE ? "UPDATE sequence SET value = 0 WHERE name = 'client'" : "SELECT setval('seq_client', 1, false)"),
  /the numbers of clients would be given again: the sequence was set back \(expected 1, found 0\)/);

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
    await until(() => s.log.some((l) => l.event === "audit.swallowed"), "the line in the server's log");
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

test("a one-time link is for whom it says itself: none can be put into the table, none turned to somebody else", async () => {
  const c = copy();
  await run(c, async (s) => {
    const admin = await s.as(), users = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50")).data, id = (/** @type {string} */ email) => users.find((u) => u.email === email).user_id;
    const set = (/** @type {string} */ token) => s.client().post("/api/v2/user/password/link", { token, newPassword: "Autumn-Lantern-64!" });
    const planted = "cGxhbnRlZCBieSB3aG8gaGFzIHRoZSBkYXRhYmFzZSBhbG9uZQ", hash = createHash("sha256").update(planted).digest("hex");
    plain(c, "main", `INSERT INTO one_time_link (hash, tenant_id, user_id, kind, created_at, expires_at) VALUES ('${hash}', 0, ${id("admin@example.org")}, 'password', 1, 9000000000000000)`);
    assert.equal((await set(planted)).status, 403);
    const own = async () => decodeURIComponent(/token=([^&]+)/.exec((await admin.ok("POST", `/api/v2/tenants/0/users/${id(BERT.email)}/password-link`)).link)[1]);
    const his = await own(), turned = (/** @type {string} */ to) => plain(c, "main", `UPDATE one_time_link SET ${to} WHERE used_at IS NULL AND kind = 'password'`);
    turned(`user_id = ${id("admin@example.org")}`);
    assert.equal((await set(his)).status, 403);
    turned(`user_id = ${id(BERT.email)}`);
    assert.equal((await set(his)).status, 200, "as it was made, it is good");
    await s.as();
  });
  assert.equal(verify(c, "--deep").status, 0);
  c.drop();
});

test("so is the challenge between password and second factor", async () => {
  const c = copy();
  await run(c, async (s) => {
    const first = async () => (await s.client().post("/api/v1/authenticate", { username: CORA.email, password: PASSWORD })).body.code;
    const second = (/** @type {string} */ code, /** @type {string} */ token) => s.client().post("/api/v1/authenticate/mfa", { code, token });
    plain(c, "main", `INSERT INTO login_challenge (id, tenant_id, user_id, tries, expires_at, kind) SELECT 'planted', tenant_id, user_id, 0, 9000000000000000, 'api' FROM user_account WHERE email = '${CORA.email}'`);
    assert.equal((await second("planted", codes[4])).body.code, "challenge_over");
    const code = await first();
    plain(c, "main", "UPDATE login_challenge SET user_id = 1");
    assert.equal((await second(code, codes[4])).body.code, "challenge_over");
    assert.equal((await second(await first(), codes[4])).status, 200, "as it was made, it is good");
  });
  c.drop();
});

/* ---- what pages and the seal go by ---- */

const NOW = LITE ? "(CAST(strftime('%s', 'now') AS INTEGER) * 1000000)" : "(extract(epoch FROM now())::bigint * 1000000)";
const rows = (name, sql, expected, how) => attack(name, (c) => sqlIn(c, "main", sql), expected, how);

rows("a run of a server is put into its table", `INSERT INTO process_run (run, host, folder, version, started_at, stopped_at, seen_at) VALUES ('crun00000000000000000001', 'elsewhere', '/srv', '1', ${NOW}, NULL, ${NOW})`, /the run crun0+1 stands in process_run, and no event tells of its start/);
rows("a run is taken out", "DELETE FROM process_run", /store, event \d+: the run c\w{24} is missing from process_run/);
rows("a run began at another time", "UPDATE process_run SET started_at = started_at - 1", /the run \w+: its started_at in process_run is not what its event says/);
rows("a run ended at another time", "UPDATE process_run SET stopped_at = stopped_at + 1", /the run \w+: its stopped_at in process_run is not what its event says/);
rows("a run that ended in order is said to have died", "UPDATE process_run SET stopped_at = NULL", /the run \w+: its stopped_at in process_run is not what its event says/);
rows("a run was of another folder, so that the next start does not find it", "UPDATE process_run SET folder = '/elsewhere'", /the run \w+: its host or folder in process_run is not what its event says/);
rows("a gap between runs is made up", `INSERT INTO run_gap (id, told_at, starts, unclean, us, since, latest) VALUES (1, 0, 1, 0, 5000000, 1, ${NOW})`, [/the starts of run_gap is not what the starts of servers noted/, /the us of run_gap/, /the latest of run_gap/]);
rows("a gap is said to be told", `INSERT INTO run_gap (id, told_at, starts, unclean, us, since, latest) VALUES (1, ${NOW}, 0, 0, 0, 0, 0)`, /the told_at of run_gap is not when the log last told of a gap/);
rows("the check of the log is said to have ended tomorrow", `UPDATE audit_check SET completed_at = ${NOW} + 86400000000`, /the completed_at of audit_check is of a day on which the log tells of no check/);
rows("the check of the log is said to have ended yesterday", "UPDATE audit_check SET completed_at = completed_at - 86400000000", /the completed_at of audit_check is of a day on which the log tells of no check/);
rows("the state of the check is taken away", "DELETE FROM audit_check", /the row of audit_check is missing/);
rows("a finding is put into the table of findings", `INSERT INTO audit_finding (mark, tenant_id, epoch, idx, origin, what, first_at, last_at, pass) VALUES ('x', 0, 0, 3, 'o', 'the event is forged', ${NOW}, ${NOW}, 9000000000000000000)`, /a finding stands in audit_finding \(first_at \d+\), and no event tells of it/);
rows("the write-ahead log is said to be clean of an erasure", `INSERT INTO audit_wal (at, since, mark, clean, cleared_at) VALUES (7, 7, 'm', 'c', ${NOW})`, /audit_wal says that the write-ahead log is clean of the erasure of 7 \(cleared_at\), and no event tells of it/);
const JOB = `INSERT INTO job (job_id, tenant_id, kind, state, args, run_at, lease_until, created_at, updated_at) VALUES (990001, 0, 'nobody knows it', 'ready', '', 0, ${NOW} + 86400000000, 0, 0)`;
const VIEW = (minute) => `INSERT INTO audit_view (tenant_id, user_id, session, minute, first_query, last_query, views) VALUES (0, 1, 'csession0000000000000001', ${minute}, '', '', 1)`;
rows("views by a session are said to be recorded", VIEW(`${NOW} / 60000000`), /a view by the session csession0+1 of workspace 0 stands in audit_view \(minute\), and no event tells of it/);
rows("and for all times to come", VIEW("9000000000000"), /stands in audit_view \(minute\), and no event tells of it/);
rows("the last checkpoint is said to be of another hour", "UPDATE audit_head SET signed_at = signed_at - 7200000000", /another time of its signing \(signed_at\) than this server remembers/, { fast: true });

test("a lease that lasts too long, a view and a check in a time to come: a running server is kept from nothing by them, and takes none for true", async () => {
  const c = copy();
  plain(c, "main", JOB);
  await run(c, async (s) => {
    await until(() => Number(plain(c, "main", "SELECT attempts FROM job WHERE job_id = 990001")) > 0, "the job's first attempt");
    const admin = await s.as(), before = (await admin.events({ event_type: "AuditLogViewed" })).length;
    plain(c, "main", "UPDATE audit_view SET minute = 9000000000000");
    await admin.get("/api/v2/auditlog?limit=1");
    await until(async () => (await admin.events({ event_type: "AuditLogViewed" })).length > before, "the view's event");
    plain(c, "main", `UPDATE audit_check SET completed_at = ${NOW} + 3600000000`);
    const d = await seal(admin);
    assert.ok(d.reasons.includes("The last check of the whole log is told for a time to come."), JSON.stringify(d.reasons));
  });
  c.drop();
});

/** The first event of workspace 0 as its row has it, changed or put back. */
const month = (c) => (LITE ? sqlIn(c, "main", "SELECT strftime('%Y-%m', max(last_logged) / 1000000, 'unixepoch') FROM audit_log") : "main");
const forge = (c, outcome) => sqlIn(c, month(c), `UPDATE audit_event SET outcome = ${outcome} WHERE tenant_id = 0 AND epoch = 0 AND idx = 1`);
const seal = async (x) => (await x.ok("GET", "/api/v2/auditlog/seal")).data;
const checking = async (c, work) => { const s = await serve({ store: { ...storeOf(c), drop: () => {} }, args: ["--self-check", "1"] }); try { return await work(s, await s.as()); } finally { await s.stop({ drop: false }); } };

test("findings that are taken out of their table: the log remembers that there were some", async () => {
  const c = copy();
  forge(c, 2);
  await checking(c, async (_s, admin) => { await until(async () => (await seal(admin)).state === "red", "the red seal"); });
  forge(c, 0);
  sqlIn(c, "main", "DELETE FROM audit_finding");
  const r = verify(c, "--deep");
  assert.equal(r.status, 1, r.out);
  assert.match(r.out, /audit_finding is empty, and the log tells of damage that no check since found mended/);
  c.drop();
});

test("a check that is said to stand behind what was changed begins anew, and finds it", async () => {
  const c = copy();
  forge(c, 2);
  sqlIn(c, "main", `UPDATE audit_check SET started_at = ${NOW}, events = 1000000, tenant_id = 1000000, epoch = 0, idx = 0`);
  const s = await serve({ store: { ...storeOf(c), drop: () => {} }, args: ["--self-check", "3600"] }); // one pass, and no other
  try {
    const admin = await s.as(), was = (await seal(admin)).self_check.last_complete;
    const d = await until(async () => { const x = await seal(admin); return (x.state === "red" || x.self_check.last_complete !== was) && x; }, "the end of the pass");
    assert.equal(d.state, "red", JSON.stringify(d.reasons));
  } finally { await s.stop({ drop: false }); }
  c.drop();
});

test("findings that were planted are told of and go away with the next whole pass", async () => {
  const c = copy();
  sqlIn(c, "main", `INSERT INTO audit_finding (mark, tenant_id, epoch, idx, origin, what, first_at, last_at, pass) VALUES ('x', 0, 0, 3, 'o', 'the event is forged', ${NOW}, ${NOW}, 9000000000000000000)`);
  await checking(c, async (_s, admin) => { await until(async () => (await seal(admin)).self_check.findings_total === 0, "the end of the planted finding"); });
  const r = verify(c, "--deep");
  assert.equal(r.status, 0, r.out + r.err);
  assert.equal(instanceEvents(c, "AuditLogDamaged").length, 1);
  c.drop();
});

test("every table stands in the list of what is compared with the log, or why not", () => {
  const text = readFileSync(path.join(ROOT, "doc/decisions/0014-every-table.md"), "utf8"), dir = path.join(ROOT, "src/db/schema/sqlite");
  const scripts = readdirSync(dir).map((f) => readFileSync(path.join(dir, f), "utf8")).concat(readFileSync(path.join(ROOT, "src/audit/segment_schema.c"), "utf8"), readFileSync(path.join(ROOT, "src/db/migrate.c"), "utf8")).join("\n");
  const tables = [...scripts.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+) ?\(/g)].map((m) => m[1]);
  assert.ok(tables.length > 45, tables.join(" "));
  assert.deepEqual(tables.filter((t) => !text.includes(`\`${t}\``)), []);
});
