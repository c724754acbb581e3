/**
 * After an erasure on PostgreSQL: a role that may not look into the write-ahead log, nor switch it, says exactly what the operator
 * must do, in the request, on the machine and in `recount doctor`; once it may, it does so and records it.
 */
import { test, after, before } from "node:test";
import { serve, assert, until, newStore, psql, recount, STORE } from "./harness.mjs";

const E = "/api/v2/auditlog/erasures", skip = STORE === "postgres" ? false : "SQLite's WAL is emptied with the rewriting", VERA = "vera.wal@example.org", ROLE = `plain_${process.pid}`;
let s, admin, flags;
before(async () => {
  if (skip) return;
  const store = newStore(), url = new URL(store.url), drop = store.drop;
  psql(`CREATE ROLE ${ROLE} LOGIN PASSWORD 'plain'`);
  psql(`ALTER DATABASE ${url.pathname.slice(1)} OWNER TO ${ROLE}`);
  psql(`GRANT ALL ON SCHEMA public TO ${ROLE}`, store.url);
  url.username = ROLE;
  url.password = "plain";
  Object.assign(store, { url: url.href, flags: ["--database", url.href], drop: () => { drop(); psql(`DROP ROLE ${ROLE}`); } });
  for (const [email, first] of [["admin@example.org", "Alice"], ["bert@example.org", "Bert"], [VERA, "Vera"]]) {
    const r = recount(["user", "create", "--email", email, "--first", first, "--last", "Tester", "--role", "ADMIN", "--password-stdin", "--data", store.data, ...store.flags], { input: "Quiet-Harbour-71!\n" });
    assert.equal(r.status, 0, r.err);
  }
  s = await serve({ store });
  admin = await s.as();
  flags = ["--data", store.data, ...store.flags];
});
after(async () => { await s?.stop(); });

test("what the role may not do is said, with the statements, and late it is a failure of the doctor", { skip, timeout: 120_000 }, async () => {
  await (await s.as(VERA)).ok("POST", "/api/v1/client/create", { name: "Hers" });
  const user = (await admin.ok("GET", "/api/v2/tenants/0/users?limit=100")).data.find((u) => u.email === VERA);
  await admin.ok("DELETE", `/api/v2/tenants/0/users/${user.user_id}`);
  const { data: r } = await admin.ok("POST", E, { subject: VERA, reason: "She asked for it", legal_ground: "GDPR Art. 17(1)(b)" });
  assert.equal(r.wal, null, "nothing is erased yet");
  await (await s.as("bert@example.org")).ok("POST", `${E}/${r.id}/approve`);
  const done = await until(async () => { const { data } = await admin.ok("GET", `${E}/${r.id}`); return data.state === "done" && data; }, "the erasure", 90_000);
  assert.equal(done.wal.state, "due");
  assert.equal(Date.parse(done.wal.due_by) - Date.parse(done.ended_at), 86400e3);
  assert.equal(done.wal.cleared_at, null);
  for (const word of [/SELECT pg_switch_wal\(\); CHECKPOINT;/, /wal_recycle = off/, /GRANT EXECUTE ON FUNCTION pg_ls_waldir\(\)/, /GRANT EXECUTE ON FUNCTION pg_switch_wal\(\)/, /GRANT pg_checkpoint/]) assert.match(done.wal.todo, word);
  const d = recount(["doctor", ...flags]);
  assert.match(d.out, /^warn {2}The write-ahead log may hold what was erased until .*GRANT pg_checkpoint/m, d.out + d.err);
  assert.match(d.out, /^warn {2}Erasures: 1 within 30 days; delete the backups/m);
  psql("UPDATE audit_wal SET at = at - 86400000001 * 2", s.store.url);
  const late = recount(["doctor", ...flags]);
  assert.match(late.out, /^FAIL {2}The write-ahead log/m, late.out);
  psql("UPDATE audit_wal SET at = at + 86400000001 * 2", s.store.url);
  const sound = recount(["audit", "verify", "--deep", ...flags]);
  assert.equal(sound.status, 0, sound.out + sound.err);
  psql("CREATE TABLE kept AS SELECT * FROM audit_wal; DELETE FROM audit_wal", s.store.url);
  const gone = recount(["audit", "verify", "--deep", ...flags]);
  assert.equal(gone.status, 1);
  assert.match(gone.out, /audit_wal says nothing of the write-ahead log after the erasure that ended at \d+/);
  psql("INSERT INTO audit_wal SELECT * FROM kept; DROP TABLE kept", s.store.url);
});
test("a role that may look only, looks; one that may all does it, and it is recorded", { skip, timeout: 300_000 }, async () => {
  const wal = async () => (await admin.ok("GET", E)).data[0].wal;
  const superuser = new URL(process.env.RECOUNT_TEST_PG);
  superuser.pathname = new URL(s.store.url).pathname;
  psql(`GRANT EXECUTE ON FUNCTION pg_ls_waldir() TO ${ROLE}`, superuser.href);
  await until(async () => /The server looks whether/.test((await wal()).todo), "the right to look");
  psql(`GRANT EXECUTE ON FUNCTION pg_switch_wal() TO ${ROLE}`, superuser.href);
  psql(`GRANT pg_checkpoint TO ${ROLE}`, superuser.href);
  assert.match((await wal()).todo, /by itself/);
  const w = await until(async () => { const x = await wal(); return x.state === "cleared" ? x : null; }, "the last segment of before", 240_000);
  assert.equal(w.todo, null);
  assert.equal(psql("SELECT count(*) FROM audit_wal WHERE cleared_at IS NULL", s.store.url), "0");
  const d = recount(["doctor", ...flags]);
  assert.doesNotMatch(d.out, /write-ahead log/);
  const out = recount(["audit", "list", "--instance", ...flags]);
  assert.match(out.out, /No segment of the database's write-ahead log from before the erasure is left/, out.out + out.err);
});
