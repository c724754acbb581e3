/** Exports: what is shown, its digest, cells that do not execute, and the event about it. */
import { test, after, before } from "node:test";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { serve, assert, recount, until, createUser } from "./harness.mjs";

let s, admin;
before(async () => {
  s = await serve({ users: [{ email: "std@example.org", role: "STD_USER" }, { email: "aud@example.org", role: "AUDITOR" }, { email: "loser@example.org", role: "STD_USER" }] });
  admin = await s.as();
  for (const name of ['=HYPERLINK("http://x","y")', "+1", "@SUM(A1)", "-2", 'quo"te, comma', "line\u2028sep", "right\u202eleft", "tab\there"])
    await admin.ok("POST", "/api/v1/client/create", { name });
  await admin.events({ limit: "1" }); // all are in the log
});
after(() => s.stop());

const csvRows = (text) => {
  const rows = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i], row = rows.at(-1);
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') { row[row.length - 1] += '"'; i++; }
      else if (c === '"') quoted = false;
      else row[row.length - 1] += c;
    } else if (c === '"') quoted = true;
    else if (c === ",") row.push("");
    else if (c === "\n") rows.push([""]);
    else if (c !== "\r") row[row.length - 1] += c;
  }
  if (rows.at(-1).length === 1 && rows.at(-1)[0] === "") rows.pop();
  return rows;
};

const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
test("headers and event say query, absolute range, count, first and last index, digest", async () => {
  const asked = Date.now(), r = await admin.get("/api/v2/auditlog/export?format=ndjson&event_type=ClientCreated&from=30d");
  assert.equal(r.status, 200);
  const h = r.headers, lines = r.text.trimEnd().split("\n").map((l) => JSON.parse(l));
  assert.equal(lines.length, 8);
  assert.equal(h["x-recount-query"], "format=ndjson event_type=ClientCreated from=30d");
  assert.equal(Number(h["x-recount-count"]), 8);
  assert.deepEqual([h["x-recount-first-index"], h["x-recount-last-index"]], [lines[0].index, lines.at(-1).index].map(String));
  assert.ok(lines[0].index > lines.at(-1).index, "in the order of the file, which is the list's");
  assert.equal(h["x-recount-digest"], "sha-256=" + sha(r.raw));
  const from = h["x-recount-from"], to = h["x-recount-to"];
  for (const t of [from, to]) assert.match(t, ISO);
  assert.ok(Date.parse(to) >= asked && Date.parse(to) <= Date.now() + 1000, `${to} is when it was asked for`);
  assert.ok(Math.abs(Date.parse(to) - Date.parse(from) - 30 * 86_400_000) <= 2, `${from} … ${to} are thirty days`);
  const e = await admin.event("AuditLogExported", (x) => x.message.includes(sha(r.raw)));
  assert.ok(e.message.includes(`exported 8 events of the audit log, from ${from} to ${to} (index ${lines[0].index} to ${lines.at(-1).index}, SHA-256 ${sha(r.raw)})`), e.message);
  assert.match(e.private_detail, /event_type=ClientCreated from=30d/);
});
test("HEAD of an export makes none and records none; it says what would come, and refuses what would be refused", async () => {
  const get = await admin.get("/api/v2/auditlog/export?format=csv&q=for-get"), r = await admin.request("HEAD", "/api/v2/auditlog/export?format=csv&q=for-head");
  assert.deepEqual([r.status, r.text, r.headers["content-type"], r.headers["content-disposition"]], [200, "", get.headers["content-type"], get.headers["content-disposition"]]);
  assert.deepEqual([r.headers["content-length"], r.headers["x-recount-count"]], [undefined, undefined], "only the walk could tell");
  for (const q of ["format=nope", "from=yesterday", `q=${"x".repeat(1025)}`]) assert.equal((await admin.request("HEAD", `/api/v2/auditlog/export?${q}`)).status, 400, q);
  assert.equal((await s.client().request("HEAD", "/api/v2/auditlog/export")).status, 401);
  await admin.event("AuditLogExported", (e) => e.private_detail.includes("for-get"));
  await admin.get("/api/v2/auditlog/export?format=csv&q=behind-it");
  await admin.event("AuditLogExported", (e) => e.private_detail.includes("behind-it"));
  assert.equal((await admin.events({ event_type: "AuditLogExported" })).filter((e) => e.private_detail.includes("for-head")).length, 0);
});
test("without dates the range is what is shown, up to now; an end in the future is now; beyond the window nothing is claimed", async () => {
  const { meta } = await admin.ok("GET", "/api/v2/auditlog?limit=1");
  for (const q of ["", "&from=2001-01-01", "&to=2199-01-01", "&from=2001-01-01&to=2199-01-01"]) {
    const r = await admin.get(`/api/v2/auditlog/export?format=csv${q}`);
    assert.equal(r.headers["x-recount-from"], meta.window.since, q);
    assert.ok(Math.abs(Date.parse(r.headers["x-recount-to"]) - Date.now()) < 60_000, q);
  }
  const none = await admin.get("/api/v2/auditlog/export?format=ndjson&q=nothing-is-called-so");
  assert.deepEqual(["count", "first-index", "last-index", "digest"].map((k) => none.headers[`x-recount-${k}`]), ["0", "-1", "-1", `sha-256=${sha("")}`]);
});
test("CSV: no cell begins like a formula, control and bidirectional characters are codes", async () => {
  const r = await admin.get("/api/v2/auditlog/export?format=csv&event_type=ClientCreated");
  assert.equal(r.status, 200);
  assert.match(r.headers["content-disposition"], /attachment; filename="audit-log-.*\.csv"/);
  const rows = csvRows(r.text);
  assert.equal(rows.length, 9);
  for (const row of rows.slice(1)) for (const cell of row) assert.doesNotMatch(cell, /^[=+\-@\t\r]/, cell);
  assert.equal(/[\u202a-\u202e\u2066-\u2069\u2028\u0009]/.test(r.text), false, "codes instead of characters");
  assert.equal(new Set(rows.map((x) => x.length)).size, 1, "every row has the same number of cells");
});
test("what is not seen stands as a code in every form, and reads back exactly where values are exact", async () => {
  const odd = "a\u202eb\u0007c\u200bd\ufeffe\u2028f\r\ng\u0085h\u007fi\u{e0041}j", unseen = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e0fff}]/u;
  await admin.ok("POST", "/api/v1/client/create", { name: odd, description: odd, [`x${odd}`]: odd });
  const made = await admin.event("ClientCreated", (e) => e.target.name === odd), stream = await admin.stream("/api/v2/auditlog/stream?after=-1&event_type=ClientCreated");
  await stream.wait((e) => e.json?.cuid === made.cuid);
  stream.close();
  const forms = { list: "?event_type=ClientCreated&limit=1000", one: `/${made.cuid}`, ndjson: "/export?format=ndjson&event_type=ClientCreated", proofs: "/export?format=ndjson&proofs=1&event_type=ClientCreated", ocsf: "/export?format=ocsf&event_type=ClientCreated", csv: "/export?format=csv&event_type=ClientCreated" };
  const texts = { stream: stream.text, command: recount(["audit", "export", "--format", "ndjson", "--event-type", "ClientCreated", "--data", s.store.data, ...s.store.flags]).out };
  for (const [name, at] of Object.entries(forms)) texts[name] = (await admin.get(`/api/v2/auditlog${at}`)).text;
  for (const [name, text] of Object.entries(texts)) {
    const bad = unseen.exec(text.replace(/^\ufeff/, "").replace(/\r\n/g, "\n"));
    assert.equal(bad && `${bad[0].codePointAt(0).toString(16)} in ${name}: ${JSON.stringify(text.slice(Math.max(0, bad.index - 40), bad.index + 20))}`, null);
    assert.ok(/202e/i.test(text), name);
  }
  assert.equal(JSON.parse(texts.one).data.changes.find((c) => c.field === `x${odd}`).after, odd);
  const line = texts.ocsf.trim().split("\n").map((l) => JSON.parse(l)).find((l) => l.message.includes("202E"));
  assert.equal(unseen.test(line.message), false);
});
test("OCSF lines are objects with class and time", async () => {
  const r = await admin.get("/api/v2/auditlog/export?format=ocsf&limit=10");
  assert.equal(r.status, 200);
  for (const l of r.text.trimEnd().split("\n")) {
    const o = JSON.parse(l);
    assert.equal(typeof o.class_uid, "number");
    assert.equal(typeof o.time, "number");
  }
});
test("the manifest says the same, signed; with what it says the same file comes again, however much happened since", async () => {
  const manifest = () => admin.ok("GET", "/api/v2/auditlog/export/manifest?format=csv&from=30d&event_type=ClientCreated");
  const m = await until(manifest, "a signed head"), facts = Object.fromEntries(m.data.manifest.split("\n").filter(Boolean).map((l) => [l.split(" ")[0], l.split(" ").slice(1).join(" ")]));
  for (const t of [m.from, m.to]) assert.match(t, ISO);
  assert.equal(facts.range, `${m.from} ${m.to}`);
  assert.equal(facts.query, "from=30d&event_type=ClientCreated");
  assert.deepEqual([facts.count, facts.first, facts.last, facts.digest], [String(m.count), `0:${m.first_index}`, `0:${m.last_index}`, m.digest.replace("sha-256=", "sha256 ")]);
  await admin.ok("POST", "/api/v1/client/create", { name: "Since then" });
  const again = await admin.get(`/api/v2/auditlog/export?format=csv&event_type=ClientCreated&from=${m.from}&to=${m.to}&before=${m.before}`);
  assert.equal("sha-256=" + sha(again.raw), m.digest);
  assert.deepEqual(["from", "to", "count", "first-index", "last-index", "digest"].map((k) => again.headers[`x-recount-${k}`]), [m.from, m.to, m.count, m.first_index, m.last_index, m.digest].map(String));
});
test("an export that ends before the newest events says so where it is signed", async () => {
  const cut = await until(() => admin.ok("GET", "/api/v2/auditlog/export/manifest?format=csv&before=5"), "a signed head");
  assert.deepEqual([cut.count, cut.last_index], [5, 0]);
  assert.match(cut.data.manifest, /\nquery before=5\n/);
});
test("the right to see is not the right to export; an unknown format is refused", async () => {
  const c = await s.as("std@example.org");
  assert.equal((await c.get("/api/v2/auditlog/export")).status, 403);
  assert.equal((await admin.get("/api/v2/auditlog/export?format=exe")).status, 400);
});
test("recount audit export gives the same events offline, and says so as the server does", async () => {
  const run = (...args) => recount(["audit", ...args, "--data", s.store.data, ...s.store.flags]);
  const me = `${os.userInfo().username}@${os.hostname()}`;
  for (const format of ["ndjson", "csv", "ocsf"]) {
    const r = run("export", "--format", format, "--event-type", "ClientCreated", "--from", "30d");
    assert.equal(r.status, 0, r.err);
    const e = await admin.event("AuditLogExported", (x) => x.actor.kind === "command" && x.message.includes(sha(r.out)));
    assert.equal(e.actor.name, `recount audit export (${me})`);
    assert.match(e.message, /exported \d+ events of the audit log, from \S+Z to \S+Z \(index \d+ to \d+, SHA-256 /);
    assert.match(e.private_detail, /query: from=30d event_type=ClientCreated/);
    assert.equal(r.err.trim(), e.message, "the same is told on the terminal");
    const [, from, to, first, last] = /from (\S+) to (\S+) \(index (\d+) to (\d+)/.exec(e.message);
    const same = await admin.get(`/api/v2/auditlog/export?format=${format}&event_type=ClientCreated&from=${from}&to=${to}`);
    assert.equal(same.text, r.out, `the server's ${format} of the same range`);
    assert.deepEqual([same.headers["x-recount-first-index"], same.headers["x-recount-last-index"]], [first, last]);
  }
});
test("recount audit list, tail and access are recorded with the operating system's user", async () => {
  const run = (...args) => recount(["audit", ...args, "--data", s.store.data, ...s.store.flags]);
  const me = `${os.userInfo().username}@${os.hostname()}`;
  const r = run("list", "--query", "HYPERLINK", "--event-type", "ClientCreated", "--limit", "3");
  assert.equal(r.status, 0, r.err);
  const e = await admin.event("AuditLogViewed", (x) => x.actor.name === `recount audit list (${me})`);
  assert.equal(e.private_detail, "query: q=HYPERLINK event_type=ClientCreated");
  assert.equal(r.out.trim().split("\n").length, 1);
  const newest = (await admin.events({ limit: "1" }))[0].index, again = run("list", "--limit", "1").out;
  assert.ok(parseInt(again, 10) <= newest + 1, `it does not show itself: ${again}`); // one more: the asking for the newest
  assert.ok((await admin.event("AuditLogViewed", (x) => x.actor.kind === "command" && x.cuid !== e.cuid)).index > parseInt(again, 10));
  assert.equal(run("access", "--format", "ndjson").status, 0);
  await admin.event("AccessExported", (x) => x.actor.name === `recount audit access (${me})`);
  assert.equal(run("list", "--instance").status, 0);
  assert.match(run("list", "--instance", "--event-type", "AuditLogViewed").out, /recount audit list .* viewed the audit log/);
  for (const from of ["30x", "yesterday", "2026-02-30"]) assert.equal(run("list", "--from", from).status, 2, from);
});

/** A log whose export is far larger than what waits in buffers between two programs. */
async function large() {
  const { client_id } = await admin.ok("POST", "/api/v1/client/create", { name: "Large" });
  for (let i = 0; i < 240; i++)
    await admin.ok("PUT", `/api/v1/client/${client_id}`, Object.fromEntries(Array.from({ length: 30 }, (_, k) => [`m${k}`, `${i}:`.padEnd(1990, "x")])));
}
/** An export by a slow reader: its first bytes, then nothing until `go(pause)`, which reads on with a pause (ms) after each piece, to its end. */
async function begin(c, more = "") {
  const ca = s.tls ? [path.join(s.store.dir, "slow-reader.pem")] : [];
  if (s.tls) writeFileSync(ca[0], s.tls.pem);
  const child = spawn("python3", [path.join(import.meta.dirname, "slow_reader.py"), "127.0.0.1", String(s.port), `/api/v2/auditlog/export?format=ndjson${more}`, ...ca], { stdio: ["pipe", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (d) => { out += d; });
  const ended = new Promise((resolve) => child.on("close", resolve));
  child.stdin.write(`${c.token}\n`);
  await until(() => out.includes("\n") || child.exitCode !== null, "its first bytes");
  assert.equal(out, "200\n");
  return async (ms) => {
    child.stdin.end(`${ms}\n`);
    assert.equal(await ended, 0);
    return JSON.parse(out.split("\n")[1]);
  };
}
test("an export under way is cut off when its session has ended, its right is lost or its reader disabled; else it is whole", { timeout: 240_000 }, async () => {
  await large();
  const all = await (await begin(await s.as()))(0);
  assert.equal(all.whole, true);
  assert.ok(all.n > 20_000_000, `${all.n} bytes`);
  const R = "/api/v2/tenants/0/security/role", users = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=50")).data, id = (email) => users.find((u) => u.email === email).user_id;
  const role = await admin.ok("POST", R, { title: "Reader" }), { id: roleId, key } = (role.data ?? role).id ? role.data ?? role : (await admin.ok("GET", R)).data.find((r) => r.title === "Reader");
  const give = (permissions) => admin.ok("PUT", `${R}/${roleId}/permissions`, { permissions });
  await give(["AUDIT_LOG.VIEW", "AUDIT_LOG.EXPORT"]);
  await admin.ok("PUT", `/api/v2/tenants/0/users/${id("loser@example.org")}`, { roles: [key] });
  for (const [email, lose] of /** @type {[string, () => Promise<any>][]} */ ([
    ["aud@example.org", () => admin.ok("POST", `/api/v2/tenants/0/users/${id("aud@example.org")}/end-sessions`)],
    ["loser@example.org", () => give(["AUDIT_LOG.VIEW"])],
    ["aud@example.org", () => admin.ok("POST", `/api/v2/tenants/0/users/${id("aud@example.org")}/disable`)]])) {
    const readOn = await begin(await s.as(email));
    await lose();
    const got = await readOn(10);
    assert.equal(got.whole, false, `${email}: a cut file must not look whole (${got.n} of ${all.n} bytes)`);
    assert.ok(got.n < all.n, `${got.n} of ${all.n} bytes`);
  }
});
test("an export whose log changes under it, since a person is erased meanwhile, is cut off: its digest was said before", { timeout: 240_000 }, async () => {
  createUser(s.store, { email: "bert@example.org", first: "Bert", last: "Bright", role: "ADMIN" });
  createUser(s.store, { email: "wanda.wegener@example.org", first: "Wanda", last: "Wegener", role: "STD_USER" });
  await admin.ok("DELETE", "/api/v2/user/delete", { email: "wanda.wegener@example.org" });
  const bert = await s.as("bert@example.org"), quiet = await begin(bert, "&order=asc"), x = await begin(bert, "&order=asc"); // hers are the newest: they are sent last
  assert.equal((await quiet(0)).whole, true, "nothing changed: whole");
  const { data: r } = await admin.ok("POST", "/api/v2/auditlog/erasures", { subject: "wanda.wegener@example.org", reason: "She asked for it in a letter", legal_ground: "GDPR Art. 17(1)(b)" });
  await bert.ok("POST", `/api/v2/auditlog/erasures/${r.id}/approve`);
  await until(async () => (await admin.ok("GET", `/api/v2/auditlog/erasures/${r.id}`)).data.state === "done", "the erasure", 60_000);
  assert.equal((await x(0)).whole, false, "what was to come is not what was said");
  await until(() => s.log.some((l) => l.event === "audit.export_changed"), "the line in the server's log");
});
