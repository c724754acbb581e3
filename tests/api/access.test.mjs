/** Who had access to what on a date: from the log alone, with the event each right came from, as a page and as a review;
 *  and what was changed behind the log's back, found by the command. */
import { test, after } from "node:test";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { serve, assert, psql, recount, totp, until } from "./harness.mjs";

const s = await serve({ tampers: true, users: [{ email: "aud@example.org", first: "Audrey", last: "Auditor", role: "AUDITOR" }, { email: "stan@example.org", first: "Stan", last: "Stone", role: "STD_USER" }] });
const admin = await s.as();
after(() => s.stop());
const T1 = "/api/v1/tenant/0", T2 = "/api/v2/tenants/0", ACCESS = "/api/v2/auditlog/access";

/** @param {Record<string, string>} q */
const access = async (q = {}, c = admin) => c.ok("GET", `${ACCESS}?${new URLSearchParams({ limit: "200", ...q })}`);
/** @param {string} email @param {Record<string, string>} q */
const person = async (email, q = {}) => (await access({ user: email, ...q })).data[0];
const check = () => recount(["audit", "access", "--check", "--data", s.store.data, ...s.store.flags]);
/** @param {string} text */
function edit(text) {
  if (s.store.kind === "postgres") return psql(text, s.store.url);
  const r = spawnSync("sqlite3", [path.join(s.store.data, "recount.db"), ".timeout 5000", text], { encoding: "utf8" });
  assert.equal(r.status, 0, r.stderr);
  return r.stdout.trim();
}
/** @type {number} */ let client;
/** @type {string} */ let before;
/** @type {string} */ let between;

test("a new workspace answers from its first moment on", async () => {
  const a = await access();
  assert.deepEqual(a.data.map((/** @type {any} */ p) => p.email).sort(), ["admin@example.org", "aud@example.org", "stan@example.org"]);
  assert.equal(a.meta.total, 3);
  const alice = a.data.find((/** @type {any} */ p) => p.email === "admin@example.org");
  assert.equal(alice.all_clients, true);
  assert.ok(alice.permissions.includes("SECURITY.MANAGE_USERS"));
  assert.deepEqual(alice.roles.map((/** @type {any} */ r) => r.title), ["Administrator"]);
  const from = (await admin.ok("GET", `/api/v2/auditlog/${alice.roles[0].event}`)).data;
  assert.equal(from.event_type, "TenantRoleAssigned");
  assert.equal(alice.roles[0].since, from.timestamp ?? from.at);
  assert.equal((await person("stan@example.org")).clients_total, 0);
  const base = await admin.event("AccessBaseline");
  assert.equal(a.meta.baseline.event, base.cuid);
});
test("rights come and go; each moment keeps its answer", async () => {
  before = new Date().toISOString();
  client = (await admin.ok("POST", "/api/v1/client/create", { name: "Acme" })).client_id;
  await admin.ok("POST", `/api/v2/tenant/0/client/${client}/user/assign`, { users: [{ username: "stan@example.org", role: "ANALYST" }] });
  await until(async () => (await person("stan@example.org")).clients_total === 1, "the right to be in the log");
  const stan = await person("stan@example.org"), right = stan.clients[0];
  assert.equal(right.client, "Acme");
  assert.equal(right.title, "Analyst");
  assert.ok(right.permissions.includes("CLIENTS.VIEW"));
  const from = (await admin.ok("GET", `/api/v2/auditlog/${right.event}`)).data;
  assert.equal(from.event_type, "UserClientRoleAssigned");
  between = new Date().toISOString();
  await admin.ok("POST", `${T1}/user/toggledisabled`, { email: "stan@example.org", disabled: true });
  await until(async () => !(await person("stan@example.org")).enabled, "the account to be off");
  assert.equal((await person("stan@example.org", { on: between })).enabled, true);
  assert.equal((await person("stan@example.org", { on: before })).clients_total, 0);
  // Who could work on the client: the one assigned, and those who see all.
  const there = await access({ client: String(client) });
  assert.deepEqual(there.data.map((/** @type {any} */ p) => p.email).sort(), ["admin@example.org", "stan@example.org"]);
  assert.deepEqual((await access({ q: "STON" })).data.map((/** @type {any} */ p) => p.email), ["stan@example.org"]);
  assert.equal((await access({ limit: "1", offset: "1" })).data.length, 1);
});
test("a second factor, a secret setting, a token, a password: all of it is in the log", async () => {
  const aud = await s.as("aud@example.org");
  const qr = await aud.ok("GET", "/api/v2/user/mfa/qr");
  await aud.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(qr.secret) });
  await until(async () => (await person("aud@example.org")).second_factor, "the second factor");
  await aud.ok("POST", "/api/v2/user/tokens", { name: "nightly", expires_days: 30, scopes: ["AUDIT_LOG.VIEW"] });
  await until(async () => (await person("aud@example.org")).tokens[0]?.name === "nightly", "the token");
  await admin.ok("PUT", `${T2}/settings/email`, { host: "mail.example.org", port: 587, security: "starttls", username: "u", password: "hunter2 hunter2", sender: "r@example.org" });
  const r = check();
  assert.equal(r.status, 0, r.out + r.err);
  assert.match(r.out, /as the log says/);
});
test("questions that can not be answered say which field and why", async () => {
  for (const [q, re] of /** @type {[string, RegExp][]} */ ([["on=2019-01-01", /begins on/], ["on=tomorrow", /date/], ["on=2999-01-01", /future/], ["client=0", /./], ["limit=0", /./], ["limit=9999", /./]])) {
    const r = await admin.get(`${ACCESS}?${q}`);
    assert.equal(r.status, 400, `${q}: ${r.text}`);
    assert.equal(r.body.fields.length, 1, r.text);
    assert.match(r.body.fields[0].reason, re);
  }
  const early = new Date(Date.now() - 3 * 86400e3).toISOString().slice(0, 10);
  const r = await admin.get(`${ACCESS}?on=${early}`);
  assert.equal(r.status, 400, r.text);
  assert.match(r.body.fields[0].reason, /before the first access baseline/);
  assert.equal((await admin.get(`${ACCESS}/export?format=pdf`)).status, 400);
  assert.equal((await s.client().get(ACCESS)).status, 401);
});
test("the review: a line a right, ended by what the auditor decides", async () => {
  const r = await admin.get(`${ACCESS}/export?on=${encodeURIComponent(between)}`);
  assert.equal(r.status, 200);
  assert.match(r.headers["content-type"], /^text\/csv/);
  assert.match(r.headers["content-disposition"], /access-review-\d{4}-\d\d-\d\d\.csv/);
  const lines = r.text.trim().split("\r\n"), head = lines[0].split(",");
  assert.deepEqual(head.slice(-2), ["reviewed by", "decision"]);
  const stan = lines.filter((/** @type {string} */ l) => l.includes("stan@example.org"));
  assert.equal(stan.length, 2, "one in the workspace, one on the client");
  assert.ok(stan.some((/** @type {string} */ l) => l.includes("Acme") && l.endsWith(",,")));
  const e = await admin.event("AccessExported");
  assert.ok(e.message.includes(r.headers["x-recount-digest"].slice(8)), "the event holds the digest of the bytes");
  const nd = (await admin.get(`${ACCESS}/export?format=ndjson`)).text.trim().split("\n").map((/** @type {string} */ l) => JSON.parse(l));
  assert.ok(nd.some((/** @type {any} */ x) => x.email === "stan@example.org" && x.state === "disabled" && x.decision === ""));
  assert.ok(nd.some((/** @type {any} */ x) => x.scope === "access token"));
  const seen = await admin.event("AccessViewed");
  assert.match(seen.message, /looked at who had access/);
});
test("the command answers the same without a server's help", async () => {
  const r = recount(["audit", "access", "--on", between, "--data", s.store.data, ...s.store.flags]);
  assert.equal(r.status, 0, r.err);
  assert.equal(r.out, (await admin.get(`${ACCESS}/export?on=${encodeURIComponent(between)}`)).text);
  assert.equal(recount(["audit", "access", "--on", "yesterday", "--data", s.store.data, ...s.store.flags]).status, 2);
  assert.equal(recount(["audit", "access", "--on", "2019-01-01", "--data", s.store.data, ...s.store.flags]).status, 1);
});
test("words of the workspace do not find its baselines", async () => {
  assert.equal((await admin.events({ q: "Administrator", event_type: "AccessBaseline" })).length, 0);
  assert.equal((await admin.events({ q: "password", event_type: "AccessBaseline" })).length, 0);
  assert.ok((await admin.events({ q: "access as it stands" })).length > 0);
});
test("a change behind the log's back is named by row and field", async () => {
  edit("UPDATE user_account SET disabled = 0 WHERE email = 'stan@example.org'");
  edit("INSERT INTO role_permission (tenant_id, role_cuid, permission) SELECT tenant_id, cuid, 'SECURITY.MANAGE_USERS' FROM role WHERE key = 'STD_USER'");
  const r = check();
  assert.equal(r.status, 1);
  assert.match(r.out, /user Stan Stone \(stan@example\.org\): disabled: the log says true, the table says false/);
  assert.match(r.out, /role Standard User: permission SECURITY\.MANAGE_USERS: the log says nothing, the table says granted/);
  assert.match(r.err, /2 fields were changed without a record/);
  // The page still says what the log says.
  assert.equal((await person("stan@example.org")).enabled, false);
});
test("the next baseline records what differs, at the server's start", async () => {
  edit("DELETE FROM setting WHERE name = 'access.baseline'");
  await s.restart();
  const again = await s.as();
  const e = await again.event("AccessDiffers");
  assert.equal(e.outcome, "failure");
  assert.deepEqual(e.changes.map((/** @type {any} */ c) => c.field).sort(), ["role Standard User: permission SECURITY.MANAGE_USERS", "user Stan Stone (stan@example.org): disabled"]);
  await until(async () => (await again.events({ event_type: "AccessBaseline" })).length >= 2, "the new baseline");
  assert.equal(check().status, 0);
});
test("a new epoch of the log begins with a baseline of its own", async () => {
  await s.stop({ drop: false });
  assert.equal(recount(["audit", "new-epoch", "--reason", "a restore", "--data", s.store.data, ...s.store.flags]).status, 0);
  const r = check();
  assert.equal(r.status, 0, r.out + r.err);
  await s.start();
  const again = await s.as(), was = (await access({}, again)).meta.baseline;
  await until(async () => (await access({}, again)).meta.baseline.event !== was.event || (await again.events({ event_type: "AccessBaseline" })).length >= 3, "the epoch's baseline");
  await again.ok("POST", "/api/v1/client/create", { name: "Behind the turn" });
  assert.equal(check().status, 0);
  assert.equal((await again.events({ event_type: "AccessDiffers" })).length, 1, "none but the one before");
});
