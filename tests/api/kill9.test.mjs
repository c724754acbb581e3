/**
 * Kills at random points under load, judged by the client's own ledger: what was acknowledged is there, each
 * change has its event and each event its change. RECOUNT_KILLS says how often (30 in make check, 1,000 in make
 * torture); RECOUNT_SEED repeats a run.
 */
import { test } from "node:test";
import { serve, assert, until, SLOW } from "./harness.mjs";

const KILLS = SLOW ? 5 : Number(process.env.RECOUNT_KILLS ?? 30);
let seed = Number(process.env.RECOUNT_SEED ?? Date.now() % 1e9);
const rnd = (n) => { seed = (seed * 48271) % 2147483647; return seed % n; };

test(`${KILLS} kills under load lose nothing acknowledged`, { timeout: 60_000 + KILLS * 6_000 }, async (t) => {
  t.diagnostic(`RECOUNT_SEED=${seed}`);
  const s = await serve({});
  const sent = new Set(), acknowledged = new Map();
  let token = (await s.as()).token, n = 0;
  for (let k = 0; k < KILLS; k++) {
    let stop = false;
    const c = s.client({ token });
    const load = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const name = `ledger ${k}-${n++}`;
        sent.add(name);
        try {
          const r = await c.post("/api/v1/client/create", { name });
          if (r.status === 200) acknowledged.set(name, r.body.client_id);
          else assert.ok([401, 503].includes(r.status), r.text);
        } catch (e) { if (e instanceof assert.AssertionError) throw e; return; }
      }
    });
    await new Promise((r) => setTimeout(r, 20 + rnd(250)));
    await s.kill();
    stop = true;
    await Promise.all(load);
    await s.start();
    if (k % 10 === 9 || k === KILLS - 1) {
      token = (await s.as()).token;
      await judge(s.client({ token }), sent, acknowledged);
    }
  }
  const admin = await s.as();
  assert.ok(acknowledged.size > KILLS, `only ${acknowledged.size} changes were made`);
  await judge(admin, sent, acknowledged);
  t.diagnostic(`${acknowledged.size} acknowledged of ${sent.size} sent`);
  await s.stop();
});

async function judge(admin, sent, acknowledged) {
  const there = new Map((await admin.ok("GET", "/api/v1/client/list")).map((r) => [r.data[1], r.data[0]]));
  for (const [name, id] of acknowledged) assert.equal(there.get(name), id, `${name} was acknowledged and is gone`);
  for (const name of there.keys()) assert.ok(sent.has(name), `${name} was never sent`);
  // Each change has exactly one event, and each event its change.
  const read = async () => {
    const events = new Map();
    let cursor;
    do {
      const r = await admin.ok("GET", `/api/v2/auditlog?limit=1000&order=asc&event_type=ClientCreated${cursor === undefined ? "" : `&cursor=${cursor}`}`);
      for (const e of r.data) {
        assert.equal(events.has(e.client.id), false, `client ${e.client.id} was created twice`);
        events.set(e.client.id, e.client.name);
      }
      cursor = r.meta.more ? r.meta.next : undefined;
    } while (cursor !== undefined);
    return events;
  };
  const events = await until(async () => { const e = await read(); return e.size >= there.size ? e : null; }, "an event for each change");
  assert.deepEqual([...events].sort((a, b) => a[0] - b[0]), [...there].map(([name, id]) => [id, name]).sort((a, b) => a[0] - b[0]));
  // Indices are gapless and every event is there once.
  let cursor, next = 0;
  do {
    const r = await admin.ok("GET", `/api/v2/auditlog?limit=1000&order=asc${cursor === undefined ? "" : `&cursor=${cursor}`}`);
    for (const e of r.data) assert.equal(e.index, next++, "the index has a gap");
    cursor = r.meta.more ? r.meta.next : undefined;
  } while (cursor !== undefined);
}
