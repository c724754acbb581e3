/** `recount doctor`: each thing it looks at is wrong once and right once; its counts and its status; it changes nothing. And the metrics: each number moves when it should. */
import { test, after, before } from "node:test";
import { chmodSync, readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import path from "node:path";
import { serve, assert, recount, createUser, newStore, until, raw, totp, sqlOn, STORE } from "./harness.mjs";

let s, admin;
before(async () => { s = await serve(); admin = await s.as(); });
after(() => s.stop());

/** Its lines: what it says, by what it says it about. */
function doctor(...more) {
  const r = recount(["doctor", "--data", s.store.data, ...s.store.flags, ...more]);
  const lines = [...r.out.matchAll(/^(ok {2}|warn|FAIL) {2}(.+)$/gm)].map((m) => ({ mark: m[1].trim(), text: m[2] }));
  const count = (mark) => lines.filter((l) => l.mark === mark).length;
  assert.equal(r.out.trim().split("\n").at(-1), `${count("FAIL")} failures, ${count("warn")} warnings`);
  assert.equal(r.status, count("FAIL") ? 1 : 0, r.out + r.err);
  return (text) => {
    const l = lines.filter((x) => text.test(x.text));
    assert.equal(l.length, 1, `${text}: ${r.out}`);
    return l[0].mark;
  };
}
const enrol = async (c) => {
  const secret = /secret=([A-Z2-7]+)/.exec(JSON.stringify(await c.ok("GET", "/api/v2/user/mfa/qr")))[1];
  await until(() => Date.now() % 30000 < 25000, "room in this half minute", 31_000);
  await c.ok("POST", "/api/v2/user/mfa/qr/activate", { token: totp(secret) });
};

test("a new installation: nothing fails, and it says what to do", () => {
  const d = doctor();
  assert.equal(d(/^The data folder is readable by its owner only$/), "ok");
  assert.equal(d(/^The key folder is readable by its owner only$/), "ok");
  if (STORE === "sqlite") assert.match(d(/^The disk of the store is \d+ % full$/), /ok|warn/); // PostgreSQL's disk is elsewhere
  assert.equal(d(/^Administrators: only one/), "warn");
  assert.equal(d(/^Second factor: an administrator has none/), "warn");
  assert.equal(d(/^Policy: a second factor is not demanded/), "warn");
  assert.equal(d(/^Mail: no server is set/), "warn");
  assert.equal(d(/^Encryption: neither/), "warn");
  assert.equal(d(/^Witnesses: none; who holds this server/), "warn");
  if (process.getuid() === 0) assert.equal(d(/^Run as root/), "warn");
});
test("what is mended is said to be right", async () => {
  createUser(s.store, { email: "second@example.org", role: "ADMIN" });
  assert.equal(doctor()(/^Administrators: two or more$/), "ok");
  await enrol(admin);
  assert.equal(doctor()(/^Second factor: an administrator has none/), "warn", "one of two");
  await enrol(await s.as("second@example.org"));
  assert.equal(doctor()(/^Second factor: every administrator has one$/), "ok");
  await admin.ok("PUT", "/api/v2/tenants/0/settings/authentication", { mfa_required: true });
  assert.equal(doctor()(/^Policy: a second factor is demanded$/), "ok");
  await admin.ok("PUT", "/api/v2/tenants/0/settings/email", { host: "127.0.0.1", port: 9, security: "plain", sender: "r@example.org" });
  assert.equal(doctor()(/^Mail: a server is set$/), "ok");
  assert.equal(doctor("--public-url", "https://recount.example")(/^Encryption: TLS or an https public address$/), "ok");
  assert.equal(doctor("--public-url", "http://recount.example")(/^Encryption: neither/), "warn");
});
test("an erasure that runs for more than a day fails, one of today does not", () => {
  const row = (cuid, days) => sqlOn(s.store, `INSERT INTO audit_erasure_request (tenant_id, cuid, state, person, subject, reason, legal_ground, asked_by, asked_at, approved_at) VALUES (1, '${cuid}', 'running', '0123456789', '', 'r', 'g', 1, 1, ${(Date.now() - days * 86400e3) * 1000})`);
  row("ctoday0000000000000000000", 0.9);
  assert.throws(() => doctor()(/^Erasures/), "nothing is said");
  row("cyesterday000000000000000", 1.1);
  assert.equal(doctor()(/^Erasures: 1 run for more than a day/), "FAIL");
  sqlOn(s.store, "DELETE FROM audit_erasure_request");
});
test("folders that others can read fail, and the status says so", () => {
  for (const [dir, line] of /** @type {[string, RegExp][]} */ ([[s.store.data, /^The data folder can be read by others/], [path.join(s.store.data, "keys"), /^The key folder can be read by others/]])) {
    chmodSync(dir, 0o750);
    try { assert.equal(doctor()(line), "FAIL"); } finally { chmodSync(dir, 0o700); }
  }
});
test("it changes nothing: no event, and on SQLite not a byte of the store", async () => {
  const bytes = () => (STORE === "sqlite" ? createHash("sha256").update(readFileSync(path.join(s.store.data, "recount.db"))).digest("hex") : "");
  await s.stop({ drop: false });
  const list = () => recount(["audit", "verify", "--data", s.store.data, ...s.store.flags]).out.replace(/[\d.,]+ ?(ms|s|seconds?)\b/g, "");
  const was = [list(), bytes()];
  doctor();
  assert.deepEqual([list(), bytes()], was);
  await s.start();
});
test("nobody can administer: a failure", async () => {
  const other = newStore();
  createUser(other, { email: "only@example.org", role: "ADMIN" });
  sqlOn(other, "UPDATE user_account SET disabled = 1");
  const r = recount(["doctor", "--data", other.data, ...other.flags]);
  assert.match(r.out, /^FAIL {2}Administrators: none is enabled$/m);
  assert.equal(r.status, 1);
  other.drop();
});
test("wrong usage 2, no store 1, each with a sentence", () => {
  for (const args of [["--no-such"], ["more"]]) {
    const r = recount(["doctor", "--data", s.store.data, ...s.store.flags, ...args]);
    assert.equal(r.status, 2, args.join());
    assert.ok(r.err.trim());
  }
  const none = recount(["doctor", "--data", path.join(s.store.dir, "nothing-here")]);
  assert.equal(none.status, 1, none.out);
  assert.ok(none.err.trim(), "it says why");
  assert.match(none.out, /^FAIL {2}The data folder is missing$/m);
  assert.match(none.out, /^FAIL {2}The store can not be opened$/m);
});

/* ---- metrics ---- */

/** Parses the exposition format strictly: HELP, TYPE, one sample, each name once. */
async function metrics(c) {
  const r = await c.get("/api/v2/metrics");
  assert.equal(r.status, 200, r.text);
  assert.match(r.headers["content-type"], /^text\/plain; version=0\.0\.4/);
  const out = {}, lines = r.text.trimEnd().split("\n");
  assert.equal(lines.length % 3, 0, r.text);
  for (let i = 0; i < lines.length; i += 3) {
    const [, name, help] = /^# HELP (recount_[a-z_]+) (\S.*)$/.exec(lines[i]) ?? [];
    const [, named, type] = /^# TYPE (\S+) (counter|gauge)$/.exec(lines[i + 1]) ?? [];
    const [, sample, value] = /^(\S+) (-?\d+)$/.exec(lines[i + 2]) ?? [];
    assert.ok(help && named === name && sample === name && !(name in out), lines.slice(i, i + 3).join("\n"));
    assert.equal(/_total$/.test(name), type === "counter", `${name} is a ${type}`);
    out[name.slice(8)] = Number(value);
  }
  assert.doesNotMatch(r.text, /@|example/, "numbers, and no name of anybody");
  return out;
}
test("metrics: what is counted counts, what is measured follows", { timeout: 120_000 }, async () => {
  const boss = admin;
  const { token } = (await boss.ok("POST", "/api/v2/user/tokens", { name: "scraper", scopes: ["ADMINISTRATION.ADMINISTRATION_ACCESS"], expires_days: 7 }));
  const scraper = s.client({ token });
  await metrics(scraper);
  const a = await metrics(scraper);
  for (const [k, v] of Object.entries(a)) assert.ok(v >= 0, `${k} is ${v}`);
  assert.equal(a.audit_writable, 1);
  assert.equal(a.audit_damaged, 0);
  assert.equal(a.http_queue_full_total, 0);
  assert.ok(a.http_connections >= 1 && a.http_busy_workers >= 1, "this request itself");
  if (STORE === "sqlite") assert.ok(a.disk_free_bytes > 0 && a.store_bytes > 0);
  else assert.ok(!("disk_free_bytes" in a), "the database's disk is not seen from here, and 0 would be an alarm");

  for (let i = 0; i < 25; i++) await boss.ok("POST", "/api/v1/client/create", { name: `counted ${i}` });
  assert.equal((await raw(s, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")).status, 400);
  const b = await until(async () => { const m = await metrics(scraper); return m.audit_tail === 0 && m.audit_moved_total - a.audit_moved_total >= 50 && m; }, "50 events to be placed");
  assert.ok(b.audit_index_lag <= b.audit_moved_total + a.audit_index_lag, "what is not indexed was placed; it is scanned");
  assert.ok(b.http_requests_total - a.http_requests_total >= 26, `${b.http_requests_total - a.http_requests_total} requests`);
  assert.ok(b.http_refused_total - a.http_refused_total >= 1);
  assert.ok(b.uptime_seconds >= a.uptime_seconds);

  assert.equal(b.http_streams, 0);
  const st = await boss.stream();
  await st.wait((e) => e.event === "hello");
  assert.equal((await metrics(scraper)).http_streams, 1);
  st.close();
  await until(async () => (await metrics(scraper)).http_streams === 0, "the stream to be gone");

  for (let i = 0; i < 30; i++) await s.client().post("/api/v1/authenticate", { username: `nobody${i}@example.org`, password: "Not-It-At-All-1" });
  await until(async () => (await metrics(scraper)).audit_folded_total > b.audit_folded_total, "failures to be folded", 60_000);
});
test("metrics are for administrators, and for who has their scope", async () => {
  assert.equal((await s.client().get("/api/v2/metrics")).status, 401);
  const boss = admin, { token } = await boss.ok("POST", "/api/v2/user/tokens", { name: "narrow", scopes: ["CLIENTS.VIEW"], expires_days: 7 });
  assert.equal((await s.client({ token }).get("/api/v2/metrics")).status, 403);
});
