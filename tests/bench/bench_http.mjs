/**
 * The server as its clients meet it, beside a bare libmicrohttpd program on the same machine in the same run.
 *
 *     node tests/bench/bench_http.mjs [--seconds 3] [--rounds 3] [--signins 300] [--idle 10] [--tries 300] [--streams 100,1000]
 *
 * RECOUNT_BIN names the server, RECOUNT_BENCH_BUILD the folder where bare_mhd was built, RECOUNT_TEST_PG a cluster (else
 * the figures on PostgreSQL are left out). Goals are printed beside the figures, never judged here. The client runs on
 * the machine of the server and takes its share of it, for the bare program as for ours.
 */
import { spawn, spawnSync, execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { ADMIN, BIN, PASSWORD, atWork, createUser, newStore, percentile, serve, sleep, startFlood, until } from "../api/harness.mjs";

const opt = (name, otherwise) => {
  const i = process.argv.indexOf("--" + name);
  return i > 0 ? process.argv[i + 1] : otherwise;
};
const SECONDS = Number(opt("seconds", 3)), ROUNDS = Number(opt("rounds", 3));
const SIGNINS = Number(opt("signins", 300)), IDLE = Number(opt("idle", 10)), TRIES = Number(opt("tries", 300));
const STREAMS = opt("streams", "100,1000").split(",").map(Number);
const ONLY = opt("only", "");
const BUILD = process.env.RECOUNT_BENCH_BUILD ?? path.dirname(BIN);
const scratch = mkdtempSync(path.join(os.tmpdir(), "recount-bench-http-"));

const figure = (name, value, unit, { peer = "", ratio = "", goal = "" } = {}) =>
  console.log([name, Number(value).toFixed(value < 10 ? 3 : value < 1000 ? 1 : 0), unit, peer, ratio === "" ? "" : ratio.toFixed(2), goal].join(" | "));
const at = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
const sort = (v) => [...v].sort((a, b) => a - b);
const median = (v) => at(sort(v), 0.5);

/* ---- wrk ---- */

const run = promisify(execFile);
const hasWrk = spawnSync("wrk", ["-v"]).error === undefined;
/** Requests a second; a share of other answers than 2xx is said. */
async function wrk(url, { token, script, connections = 64, seconds = SECONDS } = {}) {
  const args = ["-t2", `-c${connections}`, `-d${seconds}s`, "--latency"];
  if (token) args.push("-H", `Authorization: Bearer ${token}`);
  if (script) args.push("-s", script);
  const { stdout } = await run("wrk", [...args, url]);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0);
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  const errors = /Socket errors: (.*)/.exec(stdout)?.[1];
  if (bad || errors) console.log(`# ${url}: ${bad} other answers than 2xx${errors ? ", " + errors : ""}`);
  return bad > rate * seconds * 0.01 ? 0 : rate;
}

async function startBare() {
  const probe = net.createServer();
  await new Promise((r) => probe.listen(0, "127.0.0.1", r));
  const port = probe.address().port;
  await new Promise((r) => probe.close(r));
  const child = spawn(path.join(BUILD, "tests/bench/bare_mhd"), [String(port), "2"], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => { child.stdout.once("data", resolve); child.once("exit", () => reject(new Error("bare_mhd ended"))); });
  return { url: `http://127.0.0.1:${port}/`, stop: () => new Promise((r) => { child.once("exit", r); child.kill("SIGTERM"); }) };
}

/* ---- requests a second ---- */

async function reads(s, bare, store) {
  const token = (await s.as()).token, ours = [], theirs = [], ratios = [];
  for (let i = 0; i < ROUNDS; i++) {
    const peer = bare ? await wrk(bare.url) : 0;
    const rate = await wrk(`${s.base}/api/v2/whoami`, { token });
    ours.push(rate);
    theirs.push(peer);
    if (peer) ratios.push(rate / peer);
  }
  if (bare) figure("bare libmicrohttpd, small object", median(theirs), "/s");
  figure(`authenticated GET of a small object, ${store}`, median(ours), "/s",
    bare ? { peer: "bare libmicrohttpd", ratio: median(ratios), goal: ">= 0.4" } : { ratio: median(ours) / 6000, goal: ">= 6000/s" });
}

async function writes(s, store) {
  const me = await s.as();
  const script = path.join(scratch, "tags.lua");
  writeFileSync(script, `
local threads, n = 0, 0
function setup(thread) threads = threads + 1; thread:set("id", threads) end
function request()
  n = n + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json", ["Authorization"] = "Bearer ${me.token}"},
    string.format('{"name":"bench-%d-%d-%d"}', id, n, os.time()))
end`);
  const rate = await wrk(`${s.base}/api/v1/tenant/${me.tenant}/tag`, { script });
  figure(`changes over HTTP, ${store} (a tag created, with its event)`, rate, "/s", { ratio: rate / 2000, goal: ">= 2000/s" });
}

/* ---- start ---- */

const firstAnswer = (port) => new Promise((resolve) => {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => resolve(false));
  socket.on("connect", () => socket.write("GET /api/v1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  socket.on("data", () => { socket.destroy(); resolve(true); });
});

async function startUp(store) {
  const took = [];
  for (let i = 0; i < 7; i++) {
    const port = 20000 + Math.floor(Math.random() * 20000);
    const began = performance.now();
    const child = spawn(BIN, ["serve", "--data", store.data, "--listen", `127.0.0.1:${port}`, ...store.flags], { stdio: "ignore" });
    const ended = new Promise((r) => child.once("exit", r));
    const end = began + 20000;
    while (!(await firstAnswer(port)) && performance.now() < end) await sleep(1);
    took.push(performance.now() - began);
    child.kill("SIGTERM");
    await ended;
  }
  figure(`first answer after start, existing store, ${store.kind}`, median(took), "ms", { ratio: median(took) / 300, goal: "<= 300 ms" });
}

/* ---- memory ---- */

const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

async function signIns(s) {
  const began = performance.now();
  let left = SIGNINS, bad = 0, peak = 0;
  const one = async (k) => {
    while (left-- > 0) {
      const c = s.client({ from: `192.0.2.${k + 1}` });
      const r = await c.post("/api/v1/authenticate", { username: ADMIN.email, password: PASSWORD });
      if (r.status !== 200) bad++;
      peak = Math.max(peak, rss(s.child.pid));
    }
  };
  await Promise.all(Array.from({ length: 4 }, (_, k) => one(k)));
  const rate = SIGNINS / (performance.now() - began) * 1000;
  if (bad) console.log(`# ${bad} sign-ins refused`);
  figure("sign-ins, 4 at a time", rate, "/s");
  figure("memory while they sign in, highest", peak, "MB");
  await sleep(IDLE * 1000);
  figure(`memory ${IDLE} s after ${SIGNINS} sign-ins`, rss(s.child.pid), "MB", { ratio: rss(s.child.pid) / 60, goal: "<= 60 MB" });
}

/* ---- what the time of a refused sign-in tells ---- */

/** Share of pairs in which a is slower than b: 0.5 when nothing can be told. */
function auc(a, b) {
  const all = [...a.map((v) => [v, 1]), ...b.map((v) => [v, 0])].sort((x, y) => x[0] - y[0]);
  let below = 0, wins = 0;
  for (const [, isA] of all) if (isA) wins += below; else below++;
  return wins / (a.length * b.length);
}
function ksDistance(a, b) {
  const x = sort(a), y = sort(b);
  let i = 0, j = 0, d = 0;
  while (i < x.length && j < y.length) {
    if (x[i] <= y[j]) i++; else j++;
    d = Math.max(d, Math.abs(i / x.length - j / y.length));
  }
  return d;
}

/** Names that are refused for four reasons, each behind one hash. */
const KINDS = ["existing", "unknown", "locked", "disabled"];
const EACH = 12; // names of a kind: a name must not fail often enough to be locked in memory, which costs no hash
const nameOf = (kind, n) => `${kind}${n % EACH}@timing.example.org`;

/** Locks and disables, and ends the server: then the store knows who is locked, but memory does not. */
async function prepareTimings(store) {
  for (const kind of KINDS.filter((k) => k !== "unknown"))
    for (let n = 0; n < EACH; n++) createUser(store, { email: nameOf(kind, n) });
  const s = await serve({ store, proxy: true, keep: true });
  const me = await s.as();
  for (let n = 0; n < EACH; n++) {
    await me.ok("POST", `/api/v1/tenant/${me.tenant}/user/toggledisabled`, { email: nameOf("disabled", n), disabled: true });
    for (let i = 0; i < 5; i++)
      await s.client({ from: `198.19.${n}.${i}` }).post("/api/v1/authenticate", { username: nameOf("locked", n), password: "Wrong-Harbour-72!" });
  }
  await s.stop({ drop: false });
}

/** One after the other, the kinds in a new order each time: what drifts or follows a pattern strikes all alike. */
async function timings(s) {
  s.agent.destroy(); /* the server has closed the idle connections of the part before */
  const took = Object.fromEntries(KINDS.map((k) => [k, []]));
  const status = new Set();
  for (let i = 0; i < TRIES; i++) {
    const order = [...KINDS];
    for (let k = order.length - 1; k > 0; k--) {
      const j = Math.floor(Math.random() * (k + 1));
      [order[k], order[j]] = [order[j], order[k]];
    }
    for (const [k, kind] of order.entries()) {
      const c = s.client({ from: `198.18.${(i >> 6) & 255}.${((i & 63) << 2) + k}` });
      const password = kind === "locked" || kind === "disabled" ? PASSWORD : "Wrong-Harbour-72!";
      const began = performance.now();
      const r = await c.post("/api/v1/authenticate", { username: nameOf(kind, i), password });
      took[kind].push(performance.now() - began);
      status.add(`${kind} ${r.status} ${r.text.length}`);
    }
  }
  console.log(`# refused sign-ins, one after the other: ${[...status].sort().join(", ")}`);
  for (const kind of KINDS) {
    const v = sort(took[kind]);
    console.log(`# ${kind.padEnd(8)} ms at 1 5 25 50 75 95 99 %: ${[0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map((p) => at(v, p).toFixed(2)).join(" ")}`);
  }
  figure("sign-in refused, existing names, median", median(took.existing), "ms");
  for (const kind of KINDS.slice(1)) {
    figure(`sign-in refused, ${kind} names, median`, median(took[kind]), "ms", { peer: "existing", ratio: median(took[kind]) / median(took.existing) });
    figure(`existing names slower than ${kind} ones, share of pairs`, auc(took.existing, took[kind]), "", { goal: "0.5" });
    figure(`Kolmogorov-Smirnov distance, existing and ${kind} names`, ksDistance(took.existing, took[kind]), "",
      { goal: `< ${(1.36 * Math.sqrt(2 / TRIES)).toFixed(3)} (5 %)` });
  }
}

/* ---- others, while a flood of sign-ins goes on ---- */

/** 50,000 failed sign-ins a minute from 5,000 addresses. Quiet and flood take turns; the ratio is the median of the rounds'. */
async function flood(names, unknown) {
  const accounts = ["one", "two", "three", "four"].map((n) => `${n}@example.org`);
  const s = await serve({ proxy: true, kind: "sqlite", users: [...accounts, "carol@example.org"].map((email) => ({ email, role: "ANALYST" })) });
  const admin = await s.as(), carol = s.client({ from: "192.0.2.77" });
  const perSecond = 50_000 / 60, p95 = { quiet: [], flood: [] }, ratios = [], right = [], sums = {};
  const seconds = Math.max(14, SECONDS * 2); // every address comes back after six seconds
  let tries = 0;
  try {
    for (let i = 0; i < ROUNDS; i++) {
      const quiet = await atWork(admin);
      await sleep(seconds / 3 * 1000);
      const before = await quiet.end();
      const others = await atWork(admin);
      const sent = startFlood(s, { attempts: Math.round(perSecond * seconds), perSecond, addresses: 5000, accounts, unknown });
      await sent.half;
      const began = performance.now();
      for (let r, ended = false; !ended;) {
        tries++;
        r = await carol.post("/api/v1/authenticate", { username: "carol@example.org", password: PASSWORD });
        if (r.status === 200) right.push(performance.now() - began);
        ended = r.status !== 503 || await Promise.race([sleep(1000 * Number(r.headers["retry-after"])), sent.done.then(() => true)]);
      }
      const { answers } = await sent.done;
      const during = await others.end();
      for (const [k, n] of Object.entries(answers)) sums[k] = (sums[k] ?? 0) + n;
      const q = percentile([...before.read, ...before.write], 0.95), f = percentile([...during.read, ...during.write], 0.95);
      p95.quiet.push(q);
      p95.flood.push(f);
      ratios.push(f / q);
    }
    console.log(`# flood, ${names}: answers ${JSON.stringify(sums)}; the right password in it taken ${right.length} of ${ROUNDS} times, with ${tries} tries`);
    figure(`others' p95, quiet (before ${names})`, median(p95.quiet), "ms");
    figure(`others' p95 in the flood, ${names}`, median(p95.flood), "ms");
    figure(`others' p95 in the flood, ${names}, times the quiet one`, median(ratios), "x", { goal: "<= 2" });
    if (right.length) figure(`the right password in the flood, ${names}`, median(right), "ms");
  } finally {
    await s.stop().catch((e) => console.log(`# stop: ${e.message.slice(0, 500)}`));
  }
}

/* ---- live ---- */

/** A stream kept as cheaply as possible: `seen` gets the time at which a marker arrived. */
function openStream(s, token, seen) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(s.port, "127.0.0.1");
    let head = "";
    socket.setNoDelay(true);
    socket.on("error", reject);
    socket.on("connect", () => socket.write("GET /api/v2/auditlog/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n" +
      `Authorization: Bearer ${token}\r\n\r\n`));
    socket.on("data", (d) => {
      const now = performance.now();
      const text = d.toString("latin1");
      if (head !== null) {
        head += text;
        if (!head.includes("\r\n\r\n")) return;
        if (!head.startsWith("HTTP/1.1 200")) { reject(Object.assign(new Error(head.slice(0, 300)), { busy: head.startsWith("HTTP/1.1 429") })); socket.destroy(); return; }
        head = null;
        resolve(socket);
      }
      for (let i = text.indexOf("mark-"); i >= 0; i = text.indexOf("mark-", i + 5)) {
        const id = /^mark-\d+/.exec(text.slice(i, i + 16))?.[0];
        if (id && !seen.has(id)) seen.set(id, now);
      }
    });
  });
}

/** Streams that were closed count until the server has noticed: tried again for half a minute. */
async function openSoon(s, token, seen) {
  const end = performance.now() + 30_000;
  for (;;) {
    try { return await openStream(s, token, seen); } catch (e) { if (!e.busy || performance.now() > end) throw e; }
    refused++;
    await sleep(250);
  }
}
let refused = 0;

async function live(s, people, n) {
  const sockets = [], maps = [], began = performance.now();
  const each = 20;
  if (people.length * each < n) throw new Error(`${n} streams want ${Math.ceil(n / each)} users`);
  for (let i = 0; i < n; i += 50)
    sockets.push(...await Promise.all(Array.from({ length: Math.min(50, n - i) }, (_, k) => {
      const seen = new Map();
      maps.push(seen);
      return openSoon(s, people[Math.floor((i + k) / each)].token, seen);
    })));
  if (refused) console.log(`# opening ${n} streams took ${Math.round(performance.now() - began)} ms, ${refused} tries refused: streams closed before still count`);
  refused = 0;
  await sleep(500);
  const me = await s.as();
  const sinceSent = [], sinceAnswer = [], first = [];
  let lost = 0;
  for (let k = 0; k < 20; k++) {
    const id = `mark-${n}${String(k).padStart(3, "0")}`;
    const sent = performance.now();
    await me.ok("POST", `/api/v1/tenant/${me.tenant}/tag`, { name: id });
    const answered = performance.now();
    await until(() => maps.every((m) => m.has(id)), "the event at every stream", 5000).catch(() => {});
    const times = maps.map((m) => m.get(id)).filter((t) => t !== undefined);
    lost += n - times.length;
    for (const t of times) { sinceSent.push(t - sent); sinceAnswer.push(Math.max(0, t - answered)); }
    first.push(Math.min(...times) - sent);
    await sleep(100);
  }
  if (lost) console.log(`# ${lost} of ${n * 20} deliveries did not come within 5 s`);
  const p95 = at(sort(sinceAnswer), 0.95);
  figure(`live, ${n} streams: answered to event at a stream, p50`, at(sort(sinceAnswer), 0.5), "ms");
  figure(`live, ${n} streams: answered to event at a stream, p95`, p95, "ms", n >= 1000 ? { ratio: p95 / 50, goal: "<= 50 ms" } : {});
  figure(`live, ${n} streams: sent to event at a stream, p95`, at(sort(sinceSent), 0.95), "ms");
  figure(`live, ${n} streams: sent to event at the first stream, median`, median(first), "ms");
  figure(`memory with ${n} streams open`, rss(s.child.pid), "MB");
  for (const socket of sockets) socket.destroy();
  await sleep(300);
}

/* ---- all ---- */

const wanted = (part) => (!ONLY || ONLY.split(",").includes(part)) && (part !== "rate" || hasWrk);

async function settings(s) {
  const me = await s.as();
  const r = await me.put(`/api/v2/tenants/${me.tenant}/settings/authentication`, { auth_per_minute: 10000, lockout_failures: 100 });
  if (r.status !== 200) console.log(`# settings: ${r.status} ${r.text.slice(0, 300)}`);
}

async function onSqlite() {
  const store = newStore("sqlite");
  createUser(store, ADMIN);
  const users = Array.from({ length: Math.ceil(Math.max(...STREAMS, 0) / 20) }, (_, i) => ({ email: `user${i}@example.org` }));
  if (wanted("timing")) await prepareTimings(store);
  if (wanted("live")) for (const u of users) createUser(store, u);
  figure("binary with its assets", statSync(BIN).size / 1e6, "MB", { ratio: statSync(BIN).size / 20e6, goal: "<= 20 MB" });
  if (wanted("start")) await startUp(store);
  const s = await serve({ store, proxy: true, keep: true });
  try {
    await settings(s);
    if (wanted("memory")) await signIns(s);
    if (wanted("timing")) await timings(s);
    if (wanted("rate")) {
      const bare = await startBare();
      try { await reads(s, bare, "SQLite"); } finally { await bare.stop(); }
      await writes(s, "SQLite");
    }
    if (wanted("live")) {
      const people = [];
      for (const u of users) people.push(await s.as(u.email));
      for (const n of STREAMS) await live(s, people, n);
    }
  } finally {
    await s.stop({ drop: false }).catch((e) => console.log(`# stop: ${e.message.slice(0, 500)}`));
    store.drop();
  }
}

async function onPostgres() {
  const store = newStore("postgres");
  createUser(store, ADMIN);
  const s = await serve({ store, proxy: true, keep: true });
  try {
    await settings(s);
    await reads(s, null, "PostgreSQL");
    await writes(s, "PostgreSQL");
  } finally {
    await s.stop({ drop: false }).catch((e) => console.log(`# stop: ${e.message.slice(0, 500)}`));
    store.drop();
  }
}

try {
  await onSqlite();
  if (wanted("flood")) await flood("names that come back", 61);
  if (wanted("flood")) await flood("new names each time", 0);
  if (process.env.RECOUNT_TEST_PG && wanted("rate")) await onPostgres();
  else if (wanted("rate")) console.log("# no PostgreSQL here: its figures are left out");
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(0);
