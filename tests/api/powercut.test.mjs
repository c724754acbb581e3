/**
 * PostgreSQL stopped `immediate` under load, again and again, beside a server that stays up: what was acknowledged is
 * there, no change without its event, no event without its change, and the server goes on by itself. The test has a
 * cluster of its own. (Power cuts on SQLite: tests/unit/audit/test_powercut.c, on a file system that forgets.)
 */
import { test } from "node:test";
import { spawnSync } from "node:child_process";
import { chownSync, mkdtempSync, readdirSync, rmSync, existsSync } from "node:fs";
import path from "node:path";
import { serve, createUser, assert, ownPort, until, ADMIN, STORE, SLOW, LONG, everything } from "./harness.mjs";

const STOPS = SLOW ? 2 : LONG ? 30 : 4;

/** A cluster of its own, or why there is none. */
async function cluster() {
  if (STORE !== "postgres") return { why: "for PostgreSQL" };
  const root = "/usr/lib/postgresql";
  const version = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a))[0] : undefined;
  if (!version) return { why: "no PostgreSQL server is installed" };
  const bin = path.join(root, version, "bin");
  const dir = mkdtempSync("/tmp/recount-pgcut."); // a socket's path must be short, and postgres must be able to enter
  const as = (cmd, ...args) => {
    const [exe, ...all] = process.getuid() === 0 ? ["runuser", "-u", "postgres", "--", path.join(bin, cmd), ...args] : [path.join(bin, cmd), ...args];
    return spawnSync(exe, all, { encoding: "utf8", cwd: "/tmp", stdio: ["ignore", "ignore", "pipe"] });
  };
  if (process.getuid() === 0) {
    const id = spawnSync("id", ["-u", "postgres"], { encoding: "utf8" });
    chownSync(dir, Number(id.stdout), 0);
  }
  const port = await ownPort(); // nobody is given it between one life of the cluster and the next
  const data = path.join(dir, "data");
  const made = as("initdb", "-D", data, "-U", "recount", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync");
  assert.equal(made.status, 0, made.stderr);
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${dir} -c fsync=on -c max_connections=100 -c shared_buffers=32MB`;
  return {
    url: `postgres://recount@127.0.0.1:${port}/postgres`, dir,
    start: () => { const r = as("pg_ctl", "-D", data, "-w", "-t", "60", "-l", path.join(dir, "log"), "-o", options, "start"); assert.equal(r.status, 0, r.stderr); },
    cut: () => as("pg_ctl", "-D", data, "-m", "immediate", "-w", "-t", "30", "stop"),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

const pg = await cluster();

test(`PostgreSQL stopped ${STOPS} times under load`, { timeout: 60_000 + STOPS * 20_000, skip: pg.why ?? false }, async (t) => {
  pg.start();
  const store = { kind: "postgres", dir: pg.dir, data: mkdtempSync("/tmp/recount-test-"), flags: ["--database", pg.url], drop: () => {} };
  rmSync(store.data, { recursive: true });
  createUser(store, ADMIN);
  const s = await serve({ store });
  t.after(async () => {
    if (!s.exit) await s.kill();
    pg.cut();
    pg.remove();
    rmSync(store.data, { recursive: true, force: true });
  });
  const admin = await s.as();
  const sent = new Set(), acknowledged = new Map(), refused = new Map();
  let n = 0;
  for (let k = 0; k < STOPS; k++) {
    let stop = false;
    const load = Promise.all(Array.from({ length: 6 }, async () => {
      while (!stop) {
        const name = `cut ${k}-${n++}`;
        sent.add(name);
        const r = await admin.post("/api/v1/client/create", { name });
        if (r.status === 200) acknowledged.set(name, r.body.client_id);
        else refused.set(r.status, (refused.get(r.status) ?? 0) + 1);
        assert.ok([200, 503].includes(r.status), `${r.status} ${r.text}`);
        if (r.status === 503) await new Promise((ok) => setTimeout(ok, 20));
      }
    }));
    const before = acknowledged.size;
    await until(() => acknowledged.size > before + 10, "some changes");
    pg.cut();
    await until(() => (refused.get(503) ?? 0) > 0, "a refusal");
    pg.start();
    const then = acknowledged.size;
    await until(() => acknowledged.size > then + 5, "the server goes on by itself");
    stop = true;
    await load;
  }
  const there = new Map((await admin.ok("GET", "/api/v1/client/list")).map((r) => [r.data[1], r.data[0]]));
  for (const [name, id] of acknowledged) assert.equal(there.get(name), id, `${name} was acknowledged and is gone`);
  for (const name of there.keys()) assert.ok(sent.has(name), `${name} was never sent`);
  const created = await until(async () => {
    const e = await everything(admin, { event_type: "ClientCreated" });
    return e.length >= there.size ? e : null;
  }, "an event for each change");
  assert.equal(created.length, there.size, "an event without its change");
  for (const e of created) assert.equal(there.get(e.client.name), e.client.id);
  (await everything(admin)).forEach((e, i) => assert.equal(e.index, i, "the index has a gap"));
  t.diagnostic(`${acknowledged.size} acknowledged of ${sent.size} sent; refusals ${JSON.stringify([...refused])}`);
  await s.stop({ drop: false });
});
