/**
 * How long after a change its event stands in a signed checkpoint, and how long until witnesses have cosigned one that
 * holds it: as a client sees it, over HTTP, on each store, with two witnesses as processes of their own.
 *
 *     node tests/bench/bench_checkpoint.mjs [--events 60]
 *
 * Events come at random moments, so that none of them knows when the signer wakes. The clock starts before the request.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ADMIN, createUser, newStore, percentile, serve, sleep, until } from "../api/harness.mjs";
import { Witness, cosignedAt, parse } from "../api/witnesses.mjs";

const i = process.argv.indexOf("--events");
const EVENTS = i > 0 ? Number(process.argv[i + 1]) : 60;
const LOG = "/api/v2/auditlog", POLL_MS = 5;
const figure = (name, ms, goal = "") => console.log([name, (ms / 1000).toFixed(3), "s", "", goal ? (ms / 1000 / Number(/[\d.]+/.exec(goal))).toFixed(2) : "", goal].join(" | "));

/** Milliseconds until the checkpoint holds the event of a change and is signed and cosigned by all of these. */
async function waits(admin, n, witnesses) {
  const started = performance.now();
  await admin.ok("POST", "/api/v1/tenant/0/tag", { name: `tag ${n}` });
  const newest = (await admin.ok("GET", `${LOG}?limit=1`)).meta.newest;
  let signed = 0;
  for (;;) {
    const note = (await admin.get(`${LOG}/checkpoint`)).text, holds = parse(note).size > newest;
    if (holds && !signed) signed = performance.now() - started;
    if (holds && witnesses.every((w) => cosignedAt(note, w.vkey))) return { signed, cosigned: performance.now() - started };
    await sleep(POLL_MS);
  }
}

async function on(kind, name) {
  const store = newStore(kind);
  createUser(store, ADMIN);
  const s = await serve({ store, keep: true }), witnesses = [];
  try {
    let admin = await s.as();
    const vkey = (await until(async () => { const r = await admin.get(`${LOG}/checkpoint`); return r.status === 200 && (await admin.get(`${LOG}/vkey`)); }, "a checkpoint")).text.trim();
    for (const w of ["w1.example", "w2.example"]) witnesses.push(await new Witness([vkey], { name: w }).start());
    writeFileSync(path.join(store.data, "witnesses.policy"), `log ${vkey}\n${witnesses.map((w) => w.policy).join("\n")}\ngroup both all w1.example w2.example\nquorum both\n`);
    await s.restart();
    admin = await s.as();
    const took = { signed: [], cosigned: [] };
    for (let n = 0; n < EVENTS; n++) {
      await sleep(Math.random() * 1500);
      const t = await waits(admin, n, witnesses);
      for (const k of ["signed", "cosigned"]) took[k].push(t[k]);
    }
    const tell = (text, v, goal) => { figure(`${name}: ${text}, median`, percentile(v, 0.5)); figure(`${name}: ${text}, p95`, percentile(v, 0.95)); figure(`${name}: ${text}, longest`, percentile(v, 1), goal); };
    tell("change to signed checkpoint", took.signed, "<= 1 s");
    tell("change to checkpoint cosigned by both witnesses", took.cosigned, "<= 5 s");
  } finally {
    for (const w of witnesses) { await w.stop(); w.drop(); }
    await s.stop({ drop: false }).catch((e) => console.log(`# stop: ${e.message.slice(0, 500)}`));
    store.drop();
  }
}

await on("sqlite", "SQLite");
if (process.env.RECOUNT_TEST_PG) await on("postgres", "PostgreSQL");
process.exit(0);
